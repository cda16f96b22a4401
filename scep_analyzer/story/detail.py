"""One exchange, or one message, as a tree: name, value, what it is for, and where that is written."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from scep_analyzer.glossary import (
    FAIL_INFO_MEANINGS,
    FIELDS,
    HRESULTS,
    ROLES,
    fail_info_name,
    hresult_name,
    message_type_name,
    pki_status_name,
)
from scep_analyzer.model.asn1 import Node
from scep_analyzer.model.certificates import Certificate
from scep_analyzer.model.content import Content, Crl, Csr, NamedValue
from scep_analyzer.model.exchanges import Header
from scep_analyzer.model.places import all_called, source
from scep_analyzer.model.scep import (
    CaCapabilities,
    CaCertificates,
    Envelope,
    MessageType,
    PkiMessage,
    ResponseContent,
    ScepExchange,
)
from scep_analyzer.model.secrets import field_without_secrets, without_secrets
from scep_analyzer.model.verdict import Verdict
from scep_analyzer.rules._words import certificate_words, serial
from scep_analyzer.story.filters import filters_of
from scep_analyzer.story.messages import key_words
from scep_analyzer.story.model import cut
from scep_analyzer.story.times import iso, iso_of

Extensions = Callable[[Certificate], tuple[NamedValue, ...]]
Known = Mapping[tuple[str, str], Certificate]
"""The certificates of a capture, by what CMS names them with: issuer and serial number."""
_NONE: Known = {}


class Line(NamedTuple):
    """One line of the tree. ``note`` says what the thing is for, and cites."""

    depth: int
    name: str
    value: str = ""
    note: str = ""


def _line(depth: int, name: str, value: object = "") -> Line:
    return Line(depth, name, str(value), FIELDS.get(name, ""))


def certificates_in(exchanges: Iterable[ScepExchange]) -> Known:
    """Every certificate that a capture shows: a message names its signer and recipients by issuer and serial number only."""
    known: dict[tuple[str, str], Certificate] = {}
    for exchange in exchanges:
        for message in (exchange.request, exchange.reply):
            if message is not None:
                seen = (message.signer, *message.certificates, message.issued)
                known.update((each.identity, each) for each in seen if each is not None)
        if isinstance(exchange.response, CaCertificates):  # these know their role
            known.update((each.identity, each) for each in exchange.response.certificates)
    return known


def exchange_lines(
    exchange: ScepExchange, number: int, digits: int, extensions: Extensions, *, secrets: bool, known: Known = _NONE
) -> Iterator[Line]:
    """Everything of one exchange, from the request line down to the last attribute."""
    http = exchange.http
    stream = f", tcp.stream {http.connection}" if http.connection >= 0 else ""
    yield Line(
        0,
        f"Exchange {number}",
        f"{http.client} → {http.server}{stream}{', inside TLS' if http.tls else ''}",
    )
    frames = {frame for each in (http.request, http.response) if each is not None for frame in each.frames}
    message = exchange.request or exchange.reply
    filters = filters_of(frames, message.transaction_id if message is not None else None)
    for name, value in (("Wireshark filter", filters.frames), ("with the plugin", filters.messages)):
        if value:
            yield Line(1, name, value)
    if http.request is None:
        yield Line(0, "Request", f"not in the {source(http.frame)}")
    else:
        request = http.request
        yield Line(0, "Request", f"{_frames(request.frames)}, {iso(request.time_ns, digits)}")
        line = f"{request.method} {cut(request.target if secrets else without_secrets(request.target), 300)} {request.version}"
        yield Line(1, "request line", line, "HTTP (RFC 9112, 3)")
        yield from _headers(request.headers)
        yield Line(1, "operation", exchange.operation or "none", "what the URL asks for (RFC 8894, 4.1)")
        if exchange.message_parameter is not None:
            yield Line(1, "message", exchange.message_parameter, "the CA identifier, for servers with several CAs")
        if request.body.length:
            yield Line(1, "body", f"{request.body.length:,} bytes{'' if request.complete else ', not whole'}")
        yield from _oddities(exchange, request.frames)
        if exchange.request is not None:
            yield from message_lines(exchange.request, 1, extensions, secrets=secrets, known=known)
    if http.response is None:
        yield Line(0, "Response", "none")
        return
    response = http.response
    yield Line(0, "Response", f"{_frames(response.frames)}, {iso(response.time_ns, digits)}")
    yield Line(1, "status line", f"{response.version} {response.status} {response.reason}", "HTTP (RFC 9112, 4)")
    yield from _headers(response.headers)
    yield Line(1, "body", f"{response.body.length:,} bytes{'' if response.complete else ', not whole'}")
    if exchange.body_text:
        yield Line(2, "text", exchange.body_text)
    yield from _oddities(exchange, response.frames)
    yield from content_lines(exchange.response, 1, extensions, secrets=secrets, known=known)


def _frames(frames: tuple[int, ...]) -> str:
    return all_called(frames, ", ".join(map(str, frames)))


def _headers(headers: tuple[Header, ...]) -> Iterator[Line]:
    for name, value in headers:
        yield Line(1, name, field_without_secrets(name, value))


def _oddities(exchange: ScepExchange, frames: tuple[int, ...]) -> Iterator[Line]:
    for each in exchange.anomalies:
        if each.frames == frames:
            yield Line(1, "note", f"{each.detail} [{each.code}]")


def content_lines(
    content: ResponseContent | None, depth: int, extensions: Extensions, *, secrets: bool, known: Known = _NONE
) -> Iterator[Line]:
    """A decoded answer."""
    if isinstance(content, PkiMessage):
        yield from message_lines(content, depth, extensions, secrets=secrets, known=known)
    elif isinstance(content, CaCapabilities):
        yield _line(depth, "CA capabilities", ", ".join(content.keywords) or "(none)")
    elif isinstance(content, CaCertificates):
        yield _line(depth, "CA certificates", f"{len(content.certificates)}, form {content.form}")
        for at, each in enumerate(content.certificates):
            yield from certificate_lines(each, depth + 1, extensions, index=at)


def message_lines(
    message: PkiMessage, depth: int, extensions: Extensions, *, secrets: bool, known: Known = _NONE
) -> Iterator[Line]:
    """A pkiMessage down to the last attribute."""
    yield _line(depth, "pkiMessage", f"{message.length:,} bytes")
    below = depth + 1
    numbered = (
        ("messageType", message.message_type, message_type_name(message.message_type)),
        ("pkiStatus", message.pki_status, pki_status_name(message.pki_status)),
    )
    for name, number, word in numbered:
        if number is not None:
            yield _line(below, name, f"{number} {word or '(unknown)'}")
    if message.fail_info is not None:
        meaning = FAIL_INFO_MEANINGS.get(message.fail_info, "not defined")
        yield _line(
            below, "failInfo", f"{message.fail_info} {fail_info_name(message.fail_info) or '(unknown)'}: {meaning}"
        )
    if message.fail_info_text is not None:
        yield _line(below, "failInfoText", message.fail_info_text)
    if message.hresult is not None:
        usual = HRESULTS.get(message.hresult, ("", ""))[1]
        value = f"0x{message.hresult:08x} {hresult_name(message.hresult) or ''}".strip()
        yield _line(below, "ENROLL_SCEP_ERROR", f"{value}{f': {usual}' if usual else ''}")
    for name, text in (
        ("transactionID", message.transaction_id),
        ("senderNonce", message.sender_nonce),
        ("recipientNonce", message.recipient_nonce),
        ("signingTime", iso_of(message.signing_time)),
        ("digestAlgorithm", message.digest_algorithm),
        ("signatureAlgorithm", message.signature_algorithm),
    ):
        if text is not None:
            yield _line(below, name, text)
    for each in message.other_attributes:
        yield Line(below, each.name or each.oid, each.value, f"signed attribute {each.oid}")
    yield _line(below, "messageDigest", _verdict(message.digest))
    yield _line(below, "signature", _verdict(message.signature))
    if message.signer_identity is not None:
        yield Line(below, "signer", _named(message.signer_identity, message.signer, known), _signer_note(message))
    for certificate in message.certificates:
        yield from certificate_lines(certificate, below, extensions)
    if message.envelope is not None:
        yield from envelope_lines(message.envelope, below, extensions, secrets=secrets, known=known)
    else:
        yield Line(below, "pkcsPKIEnvelope", "none", "FAILURE and PENDING carry none (RFC 8894, 3.3.2)")


def _named(identity: tuple[str, str], seen: Certificate | None, known: Known) -> str:
    """A certificate by its own name and role where it was seen, by issuer and serial number where it was not."""
    found = known.get(identity, seen)
    if found is not None:
        return certificate_words(found)
    return f"{serial(identity)}, not in the capture" if known else serial(identity)


def _signer_note(message: PkiMessage) -> str:
    """What the signer of this message is."""
    if message.message_type == MessageType.CertRep:
        return "the CA or RA that signed this response (RFC 8894, 3.3.2)"
    if message.signer is None:
        return FIELDS["signer"]
    own = (
        "the client's own, self-signed: a first enrollment"
        if message.signer.self_issued
        else "issued by a CA: the certificate that the client has"
    )
    return f"{own} (RFC 8894, 2.3)"


def _verdict(verdict: Verdict) -> str:
    word = {True: "valid", False: "INVALID", None: "cannot tell"}[verdict.valid]
    return f"{word}: {verdict.reason}"


def envelope_lines(
    envelope: Envelope, depth: int, extensions: Extensions, *, secrets: bool, known: Known = _NONE
) -> Iterator[Line]:
    """An envelope: for whom, how, and what is inside where it was opened."""
    opened = (
        f"opened with {envelope.opened_by}"
        if envelope.content is not None
        else "not opened: " + (envelope.problem or "no key given (--key)")
    )
    yield _line(depth, "pkcsPKIEnvelope", opened)
    for each in envelope.recipients:
        who = _named(each.identity, None, known) if each.identity else f"key identifier {each.key_identifier}"
        yield _line(depth + 1, "recipient", f"{who}; {each.kind}")
    yield _line(depth + 1, "keyEncryptionAlgorithm", envelope.key_encryption_algorithm or "none")
    yield _line(depth + 1, "contentEncryptionAlgorithm", envelope.content_encryption_algorithm or "none")
    if envelope.content is not None:
        yield from data_lines(envelope.content, depth + 1, extensions, secrets=secrets)


def data_lines(content: Content, depth: int, extensions: Extensions, *, secrets: bool) -> Iterator[Line]:
    """What an envelope holds."""
    if content.csr is not None:
        yield from csr_lines(content.csr, depth, secrets=secrets)
    for name, value in (
        ("issuer", content.issuer),
        ("subject", content.subject),
        ("serialNumber", content.serial_number),
    ):
        if value is not None:
            yield _line(depth, name, value)
    for certificate in content.certificates:
        yield from certificate_lines(certificate, depth, extensions)
    for crl in content.crls:
        yield from crl_lines(crl, depth)
    if content.kind == "unknown":
        yield Line(depth, "content", f"{content.length:,} bytes that are nothing SCEP sends")


def csr_lines(csr: Csr, depth: int, *, secrets: bool) -> Iterator[Line]:
    """A PKCS #10 request."""
    yield _line(depth, "PKCS #10 request", csr.subject or "(empty subject)")
    key = csr.public_key
    yield Line(depth + 1, "public key", f"{key.algorithm.upper()} {key.curve or key.bits}" if key else "unreadable")
    yield Line(
        depth + 1,
        "signature",
        f"{csr.signature_algorithm}, {_verdict(csr.signature)}",
        "proves that the client has the key",
    )
    challenge = csr.challenge_password
    if challenge is None:
        yield _line(depth + 1, "challengePassword", "none")
    else:
        shown = challenge.value if secrets else f"redacted, {len(challenge.value)} characters; --show-secrets shows it"
        yield _line(depth + 1, "challengePassword", f"{challenge.string_type} ({shown})")
    yield from _extensions(csr.extensions, depth + 1)
    for attribute in csr.attributes:
        yield Line(depth + 1, attribute.name or attribute.oid, attribute.value, f"attribute {attribute.oid}")


def crl_lines(crl: Crl, depth: int) -> Iterator[Line]:
    """A CRL."""
    yield Line(
        depth,
        "CRL",
        f"{crl.revoked} revoked, number {crl.number}",
        "certificates that are no longer good (RFC 5280, 5)",
    )
    yield _line(depth + 1, "issuer", crl.issuer)
    yield Line(depth + 1, "thisUpdate", iso_of(crl.this_update) or "?")
    yield Line(depth + 1, "nextUpdate", iso_of(crl.next_update) or "none")


def certificate_lines(
    certificate: Certificate, depth: int, extensions: Extensions, *, index: int | None = None
) -> Iterator[Line]:
    """A certificate with its extensions, the critical ones marked."""
    role = ROLES.get(certificate.role or "", "")
    place = "" if index is None else f" [{index}]"
    yield Line(depth, f"{role} certificate{place}".strip(), certificate.subject)
    issuer = "itself" if certificate.self_issued else certificate.issuer
    link = ""
    if certificate.issuer_index is not None and not certificate.self_issued:
        link = f", certificate [{certificate.issuer_index}] here, signature {_verdict(certificate.issuer_signature)}"
    yield _line(depth + 1, "issuer", issuer + link)
    yield _line(depth + 1, "serialNumber", certificate.serial_number)
    yield _line(depth + 1, "validity", f"{iso_of(certificate.not_before)} to {iso_of(certificate.not_after)}")
    yield Line(depth + 1, "public key", key_words(certificate))
    yield Line(depth + 1, "signature algorithm", certificate.signature_algorithm or "?")
    yield Line(depth + 1, "SHA-256 fingerprint", certificate.fingerprint_sha256)
    yield from _extensions(extensions(certificate), depth + 1)


def _extensions(extensions: Iterable[NamedValue], depth: int) -> Iterator[Line]:
    for each in extensions:
        name = each.name or each.oid
        yield Line(
            depth,
            f"{name}{' (critical)' if each.critical else ''}",
            each.value,
            FIELDS.get(each.name or "", f"extension {each.oid}"),
        )


def node_lines(nodes: Iterable[Node], depth: int = 0) -> Iterator[Line]:
    """An ASN.1 tree: offset, header and content length, field name, type, value."""
    for node in nodes:
        length = "indefinite" if node.length is None else str(node.length)
        problem = f"  !! {node.problem}" if node.problem else ""
        name = f"{node.offset:>5} {node.header}+{length} {node.name or '·'}"
        yield Line(depth, name, f"{node.type_name} {node.value}{problem}".strip())
        yield from node_lines(node.children, depth + 1)


def hex_lines(data: bytes) -> Iterator[str]:
    """The bytes as xxd prints them."""
    for at in range(0, len(data), 16):
        row = data[at : at + 16]
        pairs = " ".join(row[pair : pair + 2].hex() for pair in range(0, len(row), 2))
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        yield f"{at:08x}: {pairs:<39}  {text}"
