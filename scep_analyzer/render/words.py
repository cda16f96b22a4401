"""What an exchange and a transaction mean, in sentences. Every text renderer says it with these words.

The sentences are plain values of the report put into words; they judge nothing (rules judge), but say what RFC 8894 says of them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from scep_analyzer.model.certificates import Certificate
from scep_analyzer.model.content import Csr
from scep_analyzer.model.exchanges import Response, header
from scep_analyzer.model.scep import (
    CaCapabilities,
    CaCertificates,
    Envelope,
    FailInfo,
    Kind,
    MessageType,
    Outcome,
    PkiMessage,
    PkiStatus,
    ScepExchange,
    Transaction,
)
from scep_analyzer.render.names import (
    FAIL_INFO_MEANINGS,
    HRESULTS,
    fail_info_name,
    message_type_name,
    pki_status_name,
)
from scep_analyzer.render.times import span

ROLES = {
    "ca": "CA",
    "ra": "RA",
    "ra-signing": "RA signing",
    "ra-encryption": "RA encryption",
    "requester": "requester",
    "issued": "issued",
}
OUTCOME_COUNTS = {
    Outcome.SUCCESS: "succeeded",
    Outcome.FAILURE: "refused",
    Outcome.PENDING: "pending",
    Outcome.UNANSWERED: "unanswered",
    Outcome.HTTP_ERROR: "ended in an HTTP answer that is not SCEP",
    Outcome.CONNECTION_FAILED: "without a connection",
    Outcome.UNKNOWN: "with unknown outcome",
}
_KIND_WORDS = {
    Kind.ENROLLMENT: "enrollment",
    Kind.RENEWAL: "renewal",
    Kind.POLL: "poll",
    Kind.GET_CERT: "GetCert",
    Kind.GET_CRL: "GetCRL",
    Kind.CA_CERTIFICATES: "CA certificates",
}
_OUTCOME_WORDS = {
    Outcome.SUCCESS: "succeeded",
    Outcome.FAILURE: "refused",
    Outcome.PENDING: "pending",
    Outcome.UNANSWERED: "unanswered",
    Outcome.HTTP_ERROR: "failed: HTTP answer instead of SCEP",
    Outcome.CONNECTION_FAILED: "failed: no connection",
    Outcome.UNKNOWN: "outcome unknown",
}
SAID_ONCE = ("User-Agent: ", "Server: ", "In words: ")
"""How sentences start that are the same for every message of a host."""
_OPERATION_MEANINGS = {
    "GetCACaps": "The client asks what the server can do (RFC 8894, 3.5.1).",
    "GetCACert": "The client asks for the CA's certificates, and its RA's if there is one (RFC 8894, 4.2).",
    "GetCACertChain": "The client asks for the CA's chain (draft-nourse-scep; gone from RFC 8894).",
    "GetNextCACert": "The client asks for the CA certificate that will come next, before a rollover (RFC 8894, 4.7).",
}
_MESSAGE_MEANINGS = {
    MessageType.PKCSReq: "asks for a certificate: a PKCS #10 request, encrypted for the CA or RA",
    MessageType.RenewalReq: "asks to renew: a PKCS #10 request, signed with the certificate it replaces",
    MessageType.UpdateReq: "asks to update: a PKCS #10 request (early drafts)",
    MessageType.CertPoll: "asks again for the outcome of a pending request (GetCertInitial in older texts)",
    MessageType.GetCert: "asks for a certificate that was issued earlier",
    MessageType.GetCRL: "asks for a CRL",
}
_CAPABILITY_MEANINGS = {
    "POSTPKIOperation": "messages may be sent by POST",
    "Renewal": "renewal with the existing certificate",
    "GetNextCACert": "CA rollover",
    "SCEPStandard": "AES, SHA-256 and POST, all of RFC 8894's musts",
    "AES": "AES-128-CBC",
    "DES3": "3DES-CBC",
}
_GONE_WORDS = {
    "fin": "the server closed the connection without an answer",
    "rst": "the connection was reset before an answer",
    "reused": "the client opened a new connection on the same ports before an answer",
    "end-of-capture": "no answer by the end of the capture",
    "lost": "the answer is not in the capture (bytes are missing there)",
    "gap": "the answer is not in the capture (bytes are missing there)",
    "limit": "given up waiting for the answer (a limit of this program)",
}
_CUT_WORDS = {
    "gap": "the capture misses bytes of it",
    "framing": "its chunked framing is damaged",
    "limit": "it is longer than this program keeps",
    "fin": "the sender closed the connection early",
    "rst": "the connection was reset",
    "end-of-capture": "the capture ends before it does",
}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a sentence about one exchange may refer to: its transaction, and which exchange issued a certificate."""

    transaction: Transaction | None = None
    issued_in: Mapping[tuple[str, str], int] = field(default_factory=dict)
    secrets: bool = False
    """Whether challenge passwords may be shown."""


def title(transaction: Transaction) -> str:
    """The headline: what, and how it ended."""
    if transaction.kind is Kind.CA_CERTIFICATES and transaction.outcome is Outcome.CONNECTION_FAILED:
        return "No connection to the server"
    if transaction.kind is Kind.CA_CERTIFICATES and transaction.outcome is Outcome.SUCCESS:
        return "CA capabilities and certificates fetched, no enrollment followed"
    polled = (
        f" after {transaction.polls} polls" if transaction.polls > 1 else " after 1 poll" if transaction.polls else ""
    )
    kind = _KIND_WORDS[transaction.kind]
    return f"{kind[0].upper()}{kind[1:]} {_OUTCOME_WORDS[transaction.outcome]}{polled}"


def why(transaction: Transaction) -> str:
    """Why it ended so, in a sentence with the values of this capture."""
    decisive = transaction.decisive
    if decisive is None:
        how = transaction.failed_connections[-1].how if transaction.failed_connections else "unanswered"
        if how == "refused":
            return (
                f"{transaction.server} refused the connection (RST): nothing listens there, or a firewall rejects it."
            )
        return f"{transaction.server} never answered the connection attempt (SYN): it is down, or a firewall drops it."
    response = decisive.http.response
    reply = decisive.reply
    if transaction.outcome is Outcome.SUCCESS:
        return _why_success(transaction, reply)
    if transaction.outcome is Outcome.FAILURE and reply is not None:
        return f"The server says: {_refusal(reply)}.{_stranger(transaction)}"
    if transaction.outcome is Outcome.PENDING:
        return "The CA holds the request for approval; the client must poll (CertPoll) to fetch the certificate later."
    if transaction.outcome is Outcome.HTTP_ERROR and response is not None:
        said = (
            f": “{decisive.body_text}”"
            if decisive.body_text
            else ", with nothing in it"
            if not response.body.length
            else ""
        )
        what = decisive.operation or "the request"
        return f"To {what} the server answered HTTP {response.status} {response.reason}{said}.{_stranger(transaction)}"
    if response is None:
        return f"{decisive.operation or 'The request'}: {_GONE_WORDS.get(decisive.http.gone or '', 'no answer')}."
    if not response.complete:
        return f"The answer is not whole in the capture: {_CUT_WORDS.get(response.cut_by or '', 'bytes are missing')}."
    return f"The answer has no pkiStatus that RFC 8894 knows ({reply.pki_status if reply else 'none'})."


def _stranger(transaction: Transaction) -> str:
    """Name a recipient that the server never offered; it explains most refusals before the request is even read."""
    request = transaction.decisive.request if transaction.decisive is not None else None
    offered = _offered(transaction)
    for each in request.envelope.recipients if request is not None and request.envelope is not None else ():
        if offered and each.identity is not None and each.identity not in offered:
            return (
                f" The request is encrypted for the certificate of {each.issuer} with serial {each.serial_number}, "
                "which is none of those that the server offered."
            )
    return ""


def _offered(transaction: Transaction | None) -> dict[tuple[str, str], tuple[Certificate, ScepExchange]]:
    """The certificates that the server offered in this transaction, and in which exchange."""
    return {
        certificate.identity: (certificate, each)
        for each in (transaction.exchanges if transaction is not None else ())
        if isinstance(each.response, CaCertificates)
        for certificate in each.response.certificates
    }


def _why_success(transaction: Transaction, reply: PkiMessage | None) -> str:
    issued = transaction.issued
    if issued is not None:
        until = f", valid until {issued.not_after:%Y-%m-%d %H:%M} UTC" if issued.not_after else ""
        return f"The CA issued {issued.subject}, serial number {issued.serial_number}{until}."
    if transaction.kind is Kind.CA_CERTIFICATES:
        return "The server answered."
    if reply is not None and reply.envelope is None:
        return "The server says SUCCESS, but its answer holds no envelope and so no certificate."
    what = "CRL" if transaction.kind is Kind.GET_CRL else "certificate"
    return f"The server says SUCCESS; the {what} is in the envelope, which only the client's key opens."


def _refusal(reply: PkiMessage) -> str:
    parts = []
    if reply.fail_info is not None:
        meaning = next(
            (text for number, text in FAIL_INFO_MEANINGS.items() if number == reply.fail_info),
            "not defined in RFC 8894",
        )
        parts.append(f"failInfo {reply.fail_info} {fail_info_name(reply.fail_info) or ''}".strip() + f" ({meaning})")
    if reply.fail_info_text:
        parts.append(f"“{reply.fail_info_text}”")
    if reply.hresult is not None:
        name, usual = HRESULTS.get(reply.hresult, ("", ""))
        parts.append(f"NDES error 0x{reply.hresult:08x} {name}".strip() + (f": {usual}" if usual else ""))
    return ", ".join(parts) or "FAILURE, without a reason"


# -- steps --------------------------------------------------------------------------------------------------------------


def request_title(exchange: ScepExchange) -> str:
    """What is asked, in a few words."""
    request, message = exchange.http.request, exchange.request
    method = request.method.upper() if request is not None else ""
    if message is not None:
        name = message_type_name(message.message_type) or f"messageType {message.message_type}"
        if message.partial and message.message_type is None:
            name = "a message that is cut or damaged"
        return f"{exchange.operation or 'POST'} ({method}): {name}"
    if exchange.operation is None:
        return f"{method} {request.target if request is not None else ''}"
    parameter = f' message="{exchange.message_parameter}"' if exchange.message_parameter else ""
    return f"{exchange.operation} ({method}){parameter}"


def request_notes(exchange: ScepExchange, around: Surroundings) -> Iterator[str]:
    """What the request means, a sentence each."""
    request, message = exchange.http.request, exchange.request
    if request is None:
        yield "The request is not in the capture."
        return
    if message is not None:
        yield from _message_notes(message, around)
    elif exchange.operation == "PKIOperation":
        yield "A SCEP message belongs here; it could not be read."
    elif exchange.operation in _OPERATION_MEANINGS:
        yield _OPERATION_MEANINGS[exchange.operation]
    else:
        yield "Not a SCEP operation; listed because SCEP runs on this path."
    agent = header(request.headers, "user-agent")
    if agent:
        yield f"User-Agent: {agent}"
    if not request.complete:
        yield f"The request is not whole in the capture: {_CUT_WORDS.get(request.cut_by or '', 'bytes are missing')}."


def _message_notes(message: PkiMessage, around: Surroundings) -> Iterator[str]:
    meaning = next((text for number, text in _MESSAGE_MEANINGS.items() if number == message.message_type), None)
    if message.message_type == MessageType.CertRep:
        yield "A CertRep (messageType 3) where a request belongs: an answer was sent as a request."
    elif meaning is not None:
        yield f"The client {meaning}."
    if message.partial:
        yield f"Only a part of the message can be read ({message.signature.reason})."
    else:
        yield from _identifiers(message)
        yield from _signature(message, around)
        yield from _verdicts(message)
    yield from _envelope(message.envelope, around.transaction)
    yield from _inside(message.envelope, around)
    yield from _others(message)


def _identifiers(message: PkiMessage) -> Iterator[str]:
    nonces = [
        f"{name} {value}"
        for name, value in (("senderNonce", message.sender_nonce), ("recipientNonce", message.recipient_nonce))
        if value
    ]
    yield f"transactionID {message.transaction_id if message.transaction_id is not None else '(none)'}"
    if nonces:
        yield ", ".join(nonces)


def _signature(message: PkiMessage, around: Surroundings) -> Iterator[str]:
    algorithms = f"{message.digest_algorithm or '?'}, {message.signature_algorithm or '?'}"
    signer = message.signer
    if signer is None:
        named = (
            f"{message.signer_identity[0]} serial {message.signer_identity[1]}"
            if message.signer_identity
            else "a key identifier"
        )
        yield f"Signed ({algorithms}) by {named}; that certificate is not in the capture."
    elif signer.self_issued and message.message_type != MessageType.CertRep:
        yield f"Signed ({algorithms}) with a self-signed certificate, as a first enrollment is: {signer.subject}, {key_words(signer)}."
    elif signer.identity in around.issued_in and message.message_type != MessageType.CertRep:
        number = around.issued_in[signer.identity]
        yield f"Signed ({algorithms}) with the certificate that exchange {number} issued, as a renewal is: serial {signer.serial_number}."
    else:
        role = (
            f"the {ROLES[signer.role]} certificate "
            if signer.role in ("ca", "ra", "ra-signing", "ra-encryption")
            else ""
        )
        yield f"Signed ({algorithms}) with {role}{signer.subject}, serial {signer.serial_number}, issued by {signer.issuer}."


def _envelope(envelope: Envelope | None, transaction: Transaction | None) -> Iterator[str]:
    if envelope is None:
        return
    offered = _offered(transaction)
    cipher = envelope.content_encryption_algorithm or "?"
    if not envelope.recipients:
        yield f"Encrypted ({cipher}) for nobody: the envelope names no recipient."
    for each in envelope.recipients:
        if each.identity is None:
            named = f" with key identifier {each.key_identifier}" if each.key_identifier else ""
            yield f"Encrypted ({cipher}) for a {each.kind} recipient{named}."
            continue
        match = offered.get(each.identity)
        if match is not None:
            certificate, source = match
            who = f"the {ROLES.get(certificate.role or '', '')} certificate {certificate.subject}, offered in frame {_first(source)}"
        else:
            who = f"the certificate of {each.issuer} with serial {each.serial_number}"
            if offered:
                who += ", which is none of those that the server offered"
        yield f"Encrypted ({cipher}) for {who}."


def _verdicts(message: PkiMessage) -> Iterator[str]:
    """Only what is not as it should be is said at length."""
    if message.digest.valid and message.signature.valid:
        plain = message.signature.reason.startswith("matches the bytes as they were sent")
        yield "Digest and signature are valid" + ("." if plain else f": the signature {message.signature.reason}.")
        return
    for name, verdict in (("messageDigest", message.digest), ("signature", message.signature)):
        word = {True: "valid", False: "INVALID", None: "cannot tell"}[verdict.valid]
        yield f"{name}: {word} ({verdict.reason})."


def _inside(envelope: Envelope | None, around: Surroundings) -> Iterator[str]:
    """What an opened envelope holds, or why the keys given did not open it."""
    if envelope is None or (envelope.content is None and envelope.problem is None):
        return
    content = envelope.content
    if content is None:
        yield f"Not opened: {envelope.problem}."
        return
    opened = f"Opened with {envelope.opened_by}"
    if content.csr is not None:
        yield f"{opened}: a PKCS #10 request."
        yield from csr_words(content.csr, secrets=around.secrets)
    elif content.kind == "issuer-and-subject":
        yield f"{opened}: asks for subject {content.subject} of issuer {content.issuer}."
    elif content.kind == "issuer-and-serial-number":
        yield f"{opened}: names the certificate of {content.issuer} with serial {content.serial_number}."
    elif content.certificates or content.crls:
        yield f"{opened}: {len(content.certificates)} certificate(s), {len(content.crls)} CRL(s)."
        for crl in content.crls:
            until = f", next update {crl.next_update:%Y-%m-%d %H:%M} UTC" if crl.next_update else ""
            yield f"CRL of {crl.issuer}: {crl.revoked} revoked{until}."
    else:
        yield f"{opened}: {content.length} bytes that are nothing SCEP sends."


def csr_words(csr: Csr, *, secrets: bool) -> Iterator[str]:
    """A PKCS #10 request in sentences."""
    key = (
        f"{csr.public_key.algorithm.upper()} {csr.public_key.curve or csr.public_key.bits}"
        if csr.public_key
        else "unreadable key"
    )
    word = {True: "valid", False: "INVALID", None: "not checked"}[csr.signature.valid]
    yield f"Request for {csr.subject or '(empty subject)'}, {key}, signed {csr.signature_algorithm} (self-signature {word})."
    challenge = csr.challenge_password
    if challenge is None:
        yield "No challengePassword."
    elif secrets:
        yield f"challengePassword ({challenge.string_type}): {challenge.value}"
    else:
        yield f"challengePassword: (redacted, {challenge.string_type} of {len(challenge.value)} characters; --show-secrets shows it)"
    for extension in csr.extensions:
        critical = ", critical" if extension.critical else ""
        yield f"Asks for {extension.name or extension.oid}{critical}: {extension.value}"
    for attribute in csr.attributes:
        yield f"{attribute.name or attribute.oid}: {attribute.value}"


def _reply_envelope(reply: PkiMessage, request: PkiMessage | None) -> Iterator[str]:
    envelope = reply.envelope
    if envelope is None:
        return
    signer = request.signer if request is not None else None
    for each in envelope.recipients:
        if each.identity is None:
            who = f"a {each.kind} recipient"
        elif signer is not None and each.identity == signer.identity:
            who = "the certificate that signed the request"
        else:
            who = f"the certificate of {each.issuer} with serial {each.serial_number}"
        yield f"Encrypted ({envelope.content_encryption_algorithm or '?'}) for {who}: only the client's key opens it."


def _others(message: PkiMessage) -> Iterator[str]:
    for each in message.other_attributes:
        yield f"Attribute {each.name or each.oid}: {each.value}"


def _first(exchange: ScepExchange) -> int:
    response = exchange.http.response
    return response.frames[0] if response is not None and response.frames else exchange.http.frame


def response_title(exchange: ScepExchange) -> str:
    """What was answered, in a few words."""
    response, reply = exchange.http.response, exchange.reply
    if response is None:
        return _GONE_WORDS.get(exchange.http.gone or "", "no answer")
    status = f"{response.status} {response.reason}".strip()
    if reply is not None and not reply.partial:
        kind = message_type_name(reply.message_type) or f"messageType {reply.message_type}"
        name = pki_status_name(reply.pki_status) or f"pkiStatus {reply.pki_status}"
        return f"{kind} {name}" + ("" if response.status == 200 else f", HTTP {status}")
    return f"{status}, {header(response.headers, 'content-type') or 'no content type'}, {response.body.length:,} bytes"


def response_notes(exchange: ScepExchange, around: Surroundings) -> Iterator[str]:
    """What the answer means, a sentence each."""
    response, content = exchange.http.response, exchange.response
    if response is None:
        return
    if isinstance(content, CaCapabilities):
        yield from _capabilities(content)
    elif isinstance(content, PkiMessage):
        yield from _reply(content, exchange.request, around)
    elif content is None:
        yield from _not_scep(exchange, response)
    server = header(response.headers, "server")
    if server:
        yield f"Server: {server}"
    if isinstance(content, CaCertificates):
        yield _about_set(content, header(response.headers, "content-type") or "")
    if not response.complete:
        yield f"The answer is not whole in the capture: {_CUT_WORDS.get(response.cut_by or '', 'bytes are missing')}."


def _not_scep(exchange: ScepExchange, response: Response) -> Iterator[str]:
    if exchange.body_text:
        yield f"The server says: “{exchange.body_text}”"
    elif not response.body.length and response.complete:
        yield "The answer is empty."
    elif response.status < 300 and response.complete:
        yield "The answer could not be read as SCEP."


def _capabilities(content: CaCapabilities) -> Iterator[str]:
    if not content.keywords:
        yield "No capabilities: clients then fall back to the oldest set (GET, single DES, MD5 or SHA-1)."
        return
    yield "The server can: " + ", ".join(content.keywords)
    known = [f"{word}: {_CAPABILITY_MEANINGS[word]}" for word in content.keywords if word in _CAPABILITY_MEANINGS]
    if known:
        yield "In words: " + "; ".join(known) + "."


def _about_set(content: CaCertificates, kind: str) -> str:
    count = len(content.certificates)
    certificates = "1 certificate" if count == 1 else f"{count} certificates"
    has_ra = any((each.role or "").startswith("ra") for each in content.certificates)
    says_ra = "ca-ra-cert" in kind.lower()
    if content.form == "signed":
        return f"The next CA's certificates, signed by the current CA; {certificates}:"
    if says_ra and has_ra:
        return f"Content type x-x509-ca-ra-cert: an RA is in use; {certificates}:"
    if says_ra:
        return f"Content type x-x509-ca-ra-cert announces an RA, but no certificate of an RA is among them; {certificates}:"
    if has_ra:
        return f"An RA certificate is among them, though the content type does not announce one; {certificates}:"
    return f"No RA: the client encrypts for the CA itself; {certificates}:"


def _reply(reply: PkiMessage, request: PkiMessage | None, around: Surroundings) -> Iterator[str]:
    if reply.partial:
        yield f"Only a part of the answer can be read ({reply.signature.reason})."
        yield from _reply_envelope(reply, request)
        return
    if reply.pki_status == PkiStatus.FAILURE:
        yield f"The server refuses: {_refusal(reply)}."
        if reply.fail_info == FailInfo.badRequest and reply.hresult is None and not reply.fail_info_text:
            yield "Servers say badRequest for most things, a wrong challenge password among them; the server's log names the cause."
    elif reply.pki_status == PkiStatus.PENDING:
        yield "The request waits for approval; the client polls with CertPoll until it is decided."
    elif reply.pki_status == PkiStatus.SUCCESS:
        yield "The server grants the request."
    if request is not None and not request.partial:
        if reply.transaction_id != request.transaction_id:
            yield f"transactionID {reply.transaction_id} differs from the request's {request.transaction_id}."
        if reply.recipient_nonce is not None and request.sender_nonce is not None:
            same = reply.recipient_nonce == request.sender_nonce
            yield (
                "recipientNonce equals the request's senderNonce: this answers that request."
                if same
                else (
                    f"recipientNonce {reply.recipient_nonce} differs from the request's senderNonce {request.sender_nonce}."
                )
            )
    else:
        yield from _identifiers(reply)
    yield from _signature(reply, around)
    yield from _verdicts(reply)
    yield from _reply_envelope(reply, request)
    yield from _inside(reply.envelope, around)
    yield from _others(reply)


# -- certificates -------------------------------------------------------------------------------------------------------


def key_words(certificate: Certificate) -> str:
    """The key in a few words: RSA 2048, EC secp256r1."""
    key = certificate.public_key
    if key is None:
        return "unreadable key"
    return f"{key.algorithm.upper()} {key.curve or key.bits or ''}".strip()


def validity_words(certificate: Certificate, moment: datetime | None) -> tuple[str, bool]:
    """The validity, and whether ``moment`` lies outside it."""
    start, end = certificate.not_before, certificate.not_after
    if start is None or end is None:
        return "validity unreadable", False
    text = f"valid {start:%Y-%m-%d} to {end:%Y-%m-%d %H:%M} UTC"
    if moment is not None and moment > end:
        return f"{text}: EXPIRED {span(int((moment - end).total_seconds()) * 1_000_000_000)} before this exchange", True
    if moment is not None and moment < start:
        return f"{text}: NOT YET VALID, by {span(int((start - moment).total_seconds()) * 1_000_000_000)}", True
    return text, False


def certificates_to_show(exchange: ScepExchange) -> tuple[Certificate, ...]:
    """The certificates of an answer that a reader wants to see: a CA's set, or the one that was issued."""
    content = exchange.response
    if isinstance(content, CaCertificates):
        return content.certificates
    if isinstance(content, PkiMessage):
        inside = content.envelope.content if content.envelope is not None else None
        if inside is not None and inside.certificates:
            return inside.certificates
        return (content.issued,) if content.issued is not None else ()
    return ()
