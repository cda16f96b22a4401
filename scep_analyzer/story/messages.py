"""What a pkiMessage says, in sentences: who signed it, for whom it is encrypted, what is inside, why it was refused."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from scep_analyzer.glossary import FAIL_INFO_MEANINGS, HRESULTS, MESSAGE_TYPES, ROLES, fail_info_name
from scep_analyzer.model.certificates import Certificate
from scep_analyzer.model.content import Csr
from scep_analyzer.model.scep import (
    CaCertificates,
    Envelope,
    FailInfo,
    MessageType,
    PkiMessage,
    PkiStatus,
    ScepExchange,
    Transaction,
)
from scep_analyzer.model.verdict import Verdict
from scep_analyzer.model.words import count
from scep_analyzer.story.model import Kind, Sentence, Span, ident, joined, name, place, say, serial

Offered = Mapping[tuple[str, str], tuple[Certificate, ScepExchange]]
"""Certificates by issuer and serial number, and the exchange in which the server offered them."""

_OFFERED = ("ca", "ra", "ra-signing", "ra-encryption")


class Surroundings(NamedTuple):
    """What a sentence about one exchange may refer to: what its transaction offered, and which exchange issued a certificate."""

    offered: Offered = MappingProxyType({})
    issued_in: Mapping[tuple[str, str], int] = MappingProxyType({})
    secrets: bool = False
    """Whether challenge passwords may be shown."""


def key_words(certificate: Certificate) -> str:
    """The key in a few words: RSA 2048, EC secp256r1."""
    key = certificate.public_key
    if key is None:
        return "unreadable key"
    return f"{key.algorithm.upper()} {key.curve or key.bits or ''}".strip()


def verdict_word(verdict: Verdict, unknown: str = "cannot tell") -> str:
    """Whether a digest or signature is valid, in a word."""
    return unknown if verdict.valid is None else "valid" if verdict.valid else "INVALID"


def message_notes(message: PkiMessage, around: Surroundings) -> Iterator[Sentence]:
    """What a request says."""
    known = MESSAGE_TYPES.get(message.message_type) if message.message_type is not None else None
    if message.message_type == MessageType.CertRep:
        yield say("The client sent a CertRep (messageType 3), which is a response, as a request.")
    elif known is not None:
        yield say(f"The client {known.says}.")
    if message.partial:
        yield say("Only part of the message can be read ({}).", message.signature.reason)
    else:
        yield from _identifiers(message)
        yield _signature(message, around)
        yield from _verdicts(message)
    yield from _envelope(message.envelope, around.offered)
    yield from _inside(message.envelope, around)
    yield from _others(message)


def _identifiers(message: PkiMessage) -> Iterator[Sentence]:
    nonces = [
        say(f"{label} {{}}", ident(value))
        for label, value in (("senderNonce", message.sender_nonce), ("recipientNonce", message.recipient_nonce))
        if value
    ]
    yield say("transactionID {}", ident(message.transaction_id if message.transaction_id is not None else "(none)"))
    if nonces:
        yield joined(nonces, ", ")


def _named(identity: tuple[str | None, str | None]) -> Sentence:
    """A certificate by what CMS names it with."""
    return say("{} with serial {}", name(identity[0] or ""), serial(identity[1] or ""))


def _signature(message: PkiMessage, around: Surroundings) -> Sentence:
    signed = say("Signed ({}, {})", message.digest_algorithm or "?", message.signature_algorithm or "?")
    signer = message.signer
    request = message.message_type != MessageType.CertRep
    if signer is None:
        identity = message.signer_identity
        by = say("{} serial {}", name(identity[0]), serial(identity[1])) if identity else say("a key identifier")
        return signed + say(" by {}; that certificate is not in the capture.", by)
    if signer.self_issued and request:
        return signed + say(
            " with a self-signed certificate, as a first enrollment is: {}, {}.",
            name(signer.subject),
            key_words(signer),
        )
    if signer.identity in around.issued_in and request:
        return signed + say(
            f" with the certificate that exchange {around.issued_in[signer.identity]} issued, as a renewal is: serial {{}}.",
            serial(signer.serial_number),
        )
    role = say(f"the {ROLES[signer.role or '']} certificate ") if signer.role in _OFFERED else ()
    return signed + say(
        " with {}{}, serial {}, issued by {}.",
        role,
        name(signer.subject),
        serial(signer.serial_number),
        name(signer.issuer),
    )


def _envelope(envelope: Envelope | None, known: Offered) -> Iterator[Sentence]:
    if envelope is None:
        return
    encrypted = say("Encrypted ({})", envelope.content_encryption_algorithm or "?")
    if not envelope.recipients:
        yield encrypted + say("; the envelope names no recipient.")
    for each in envelope.recipients:
        if each.identity is None:
            named = say(" with key identifier {}", ident(each.key_identifier)) if each.key_identifier else ()
            yield encrypted + say(f" for a {each.kind} recipient{{}}.", named)
            continue
        match = known.get(each.identity)
        if match is not None:
            certificate, source = match
            yield encrypted + say(
                f" for the {ROLES.get(certificate.role or '', '')} certificate {{}}, offered in {{}}.",
                name(certificate.subject),
                place(_first(source)),
            )
        else:
            stray = ", which the server did not offer" if known else ""
            yield encrypted + say(f" for the certificate of {{}}{stray}.", _named(each.identity))


def _verdicts(message: PkiMessage) -> Iterator[Sentence]:
    """Only what is not as it should be is said at length."""
    if message.digest.valid and message.signature.valid:
        plain = message.signature.reason.startswith("matches the bytes as they were sent")
        yield say("Digest and signature are valid{}", "." if plain else f": the signature {message.signature.reason}.")
        return
    for label, verdict in (("messageDigest", message.digest), ("signature", message.signature)):
        yield say(f"{label}: {verdict_word(verdict)} ({{}}).", verdict.reason)


def _inside(envelope: Envelope | None, around: Surroundings) -> Iterator[Sentence]:
    """What an opened envelope holds, or why the keys given did not open it."""
    if envelope is None or (envelope.content is None and envelope.problem is None):
        return
    content = envelope.content
    if content is None:
        yield say("Not opened: {}.", envelope.problem or "")
        return
    opened = say("Opened with {}", envelope.opened_by or "")
    if content.csr is not None:
        yield opened + say(": a PKCS #10 request.")
        yield from csr_words(content.csr, secrets=around.secrets)
    elif content.kind == "issuer-and-subject":
        yield opened + say(
            ": asks for subject {} of issuer {}.", name(content.subject or ""), name(content.issuer or "")
        )
    elif content.kind == "issuer-and-serial-number":
        yield opened + say(": names the certificate of {}.", _named((content.issuer, content.serial_number)))
    elif content.certificates or content.crls:
        yield opened + say(f": {count(len(content.certificates), 'certificate')}, {count(len(content.crls), 'CRL')}.")
        for crl in content.crls:
            until = f", next update {crl.next_update:%Y-%m-%d %H:%M} UTC" if crl.next_update else ""
            yield say(f"CRL of {{}}: {crl.revoked} revoked{until}.", name(crl.issuer))
    else:
        yield opened + say(f": {content.length} bytes that are no SCEP content.")


def csr_words(csr: Csr, *, secrets: bool) -> Iterator[Sentence]:
    """A PKCS #10 request in sentences."""
    key = (
        f"{csr.public_key.algorithm.upper()} {csr.public_key.curve or csr.public_key.bits}"
        if csr.public_key
        else "unreadable key"
    )
    yield say(
        f"Request for {{}}, {{}}, signed {{}} (self-signature {verdict_word(csr.signature, 'not checked')}).",
        name(csr.subject or "(empty subject)"),
        key,
        csr.signature_algorithm or "None",
    )
    challenge = csr.challenge_password
    if challenge is None:
        yield say("No challengePassword.")
    elif secrets:
        yield say("challengePassword ({}): {}", challenge.string_type, Span(challenge.value, kind=Kind.SECRET))
    else:
        yield say(
            f"challengePassword: (redacted, {{}} of {len(challenge.value)} characters; --show-secrets shows it)",
            challenge.string_type,
        )
    for extension in csr.extensions:
        critical = ", critical" if extension.critical else ""
        yield say(f"Asks for {{}}{critical}: {{}}", extension.name or extension.oid, extension.value)
    for attribute in csr.attributes:
        yield say("{}: {}", attribute.name or attribute.oid, attribute.value)


def _reply_envelope(reply: PkiMessage, request: PkiMessage | None) -> Iterator[Sentence]:
    envelope = reply.envelope
    if envelope is None:
        return
    signer = request.signer if request is not None else None
    encrypted = say("Encrypted ({}) for ", envelope.content_encryption_algorithm or "?")
    for each in envelope.recipients:
        if each.identity is None:
            who = say(f"a {each.kind} recipient")
        elif signer is not None and each.identity == signer.identity:
            who = say("the certificate that signed the request")
        else:
            who = say("the certificate of {}", _named(each.identity))
        yield encrypted + who + say("; only the client's key opens it.")


def _others(message: PkiMessage) -> Iterator[Sentence]:
    for each in message.other_attributes:
        yield say("Attribute {}: {}", each.name or each.oid, each.value)


def _first(exchange: ScepExchange) -> int:
    response = exchange.http.response
    return response.frames[0] if response is not None and response.frames else exchange.http.frame


def reply_notes(reply: PkiMessage, request: PkiMessage | None, around: Surroundings) -> Iterator[Sentence]:
    """What a CertRep says."""
    if reply.partial:
        yield say("Only part of the response can be read ({}).", reply.signature.reason)
        yield from _reply_envelope(reply, request)
        return
    if reply.pki_status == PkiStatus.FAILURE:
        yield say("The server refuses: {}.", refusal(reply))
        if reply.fail_info == FailInfo.badRequest and reply.hresult is None and not reply.fail_info_text:
            yield say(
                "Servers return badRequest for many reasons, also for a wrong challenge password; the server's log names the cause."
            )
    elif reply.pki_status == PkiStatus.PENDING:
        yield say("The request waits for approval; the client polls with CertPoll until it is decided.")
    elif reply.pki_status == PkiStatus.SUCCESS:
        yield say("The server grants the request.")
    if request is not None and not request.partial:
        yield from _answers(reply, request)
    else:
        yield from _identifiers(reply)
    yield _signature(reply, around)
    yield from _verdicts(reply)
    yield from _reply_envelope(reply, request)
    yield from _inside(reply.envelope, around)
    yield from _others(reply)


def _answers(reply: PkiMessage, request: PkiMessage) -> Iterator[Sentence]:
    """Whether the reply belongs to the request (RFC 8894, Section 3.2.1)."""
    if reply.transaction_id != request.transaction_id:
        yield say(
            "transactionID {} differs from the request's {}.",
            ident(str(reply.transaction_id)),
            ident(str(request.transaction_id)),
        )
    if reply.recipient_nonce is not None and request.sender_nonce is not None:
        if reply.recipient_nonce == request.sender_nonce:
            yield say("recipientNonce equals the request's senderNonce: the response belongs to this request.")
        else:
            yield say(
                "recipientNonce {} differs from the request's senderNonce {}.",
                ident(reply.recipient_nonce),
                ident(request.sender_nonce),
            )


def refusal(reply: PkiMessage) -> Sentence:
    """Why a CertRep refuses: failInfo, its text, NDES's HRESULT."""
    parts: list[Sentence] = []
    if reply.fail_info is not None:
        meaning = FAIL_INFO_MEANINGS.get(reply.fail_info, "not defined in RFC 8894")
        parts.append(
            say(f"failInfo {reply.fail_info} {fail_info_name(reply.fail_info) or ''}".strip() + f" ({meaning})")
        )
    if reply.fail_info_text:
        parts.append(say("“{}”", reply.fail_info_text))
    if reply.hresult is not None:
        word, usual = HRESULTS.get(reply.hresult, ("", ""))
        parts.append(say(f"NDES error 0x{reply.hresult:08x} {word}".strip() + (f": {usual}" if usual else "")))
    return joined(parts, ", ") or say("FAILURE, without a reason")


def offered(transaction: Transaction) -> Offered:
    """The certificates that the server offered in this transaction, and in which exchange."""
    return {
        certificate.identity: (certificate, each)
        for each in transaction.exchanges
        if isinstance(each.response, CaCertificates)
        for certificate in each.response.certificates
    }


def stranger(transaction: Transaction) -> Sentence:
    """Name a recipient that the server never offered; it explains most refusals before the request is even read."""
    request = transaction.decisive.request if transaction.decisive is not None else None
    known = offered(transaction)
    for each in request.envelope.recipients if request is not None and request.envelope is not None else ():
        if known and each.identity is not None and each.identity not in known:
            return say(
                " The request is encrypted for the certificate of {}, which the server did not offer.",
                _named(each.identity),
            )
    return ()
