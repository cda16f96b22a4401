"""What a pkiMessage says, in sentences: who signed it, for whom it is encrypted, what is inside, why it was refused."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from scep_analyzer.model.certificates import Certificate
from scep_analyzer.model.content import Csr
from scep_analyzer.model.names import FAIL_INFO_MEANINGS, HRESULTS, fail_info_name
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
from scep_analyzer.render.certificate_words import ROLES, key_words

_MESSAGE_MEANINGS = {
    MessageType.PKCSReq: "asks for a certificate: a PKCS #10 request, encrypted for the CA or RA",
    MessageType.RenewalReq: "asks to renew: a PKCS #10 request, signed with the certificate it replaces",
    MessageType.UpdateReq: "asks to update: a PKCS #10 request (early drafts)",
    MessageType.CertPoll: "asks again for the outcome of a pending request (GetCertInitial in older texts)",
    MessageType.GetCert: "asks for a certificate that was issued earlier",
    MessageType.GetCRL: "asks for a CRL",
}


class Surroundings(NamedTuple):
    """What a sentence about one exchange may refer to: its transaction, and which exchange issued a certificate."""

    transaction: Transaction | None = None
    issued_in: Mapping[tuple[str, str], int] = MappingProxyType({})
    secrets: bool = False
    """Whether challenge passwords may be shown."""


def message_notes(message: PkiMessage, around: Surroundings) -> Iterator[str]:
    """What a request says."""
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
    known = offered(transaction)
    cipher = envelope.content_encryption_algorithm or "?"
    if not envelope.recipients:
        yield f"Encrypted ({cipher}) for nobody: the envelope names no recipient."
    for each in envelope.recipients:
        if each.identity is None:
            named = f" with key identifier {each.key_identifier}" if each.key_identifier else ""
            yield f"Encrypted ({cipher}) for a {each.kind} recipient{named}."
            continue
        match = known.get(each.identity)
        if match is not None:
            certificate, source = match
            who = f"the {ROLES.get(certificate.role or '', '')} certificate {certificate.subject}, offered in frame {_first(source)}"
        else:
            who = f"the certificate of {each.issuer} with serial {each.serial_number}"
            if known:
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


def reply_notes(reply: PkiMessage, request: PkiMessage | None, around: Surroundings) -> Iterator[str]:
    """What a CertRep says."""
    if reply.partial:
        yield f"Only a part of the answer can be read ({reply.signature.reason})."
        yield from _reply_envelope(reply, request)
        return
    if reply.pki_status == PkiStatus.FAILURE:
        yield f"The server refuses: {refusal(reply)}."
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


def refusal(reply: PkiMessage) -> str:
    """Why a CertRep refuses: failInfo, its text, NDES's HRESULT."""
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


def offered(transaction: Transaction | None) -> dict[tuple[str, str], tuple[Certificate, ScepExchange]]:
    """The certificates that the server offered in this transaction, and in which exchange."""
    return {
        certificate.identity: (certificate, each)
        for each in (transaction.exchanges if transaction is not None else ())
        if isinstance(each.response, CaCertificates)
        for certificate in each.response.certificates
    }


def stranger(transaction: Transaction) -> str:
    """Name a recipient that the server never offered; it explains most refusals before the request is even read."""
    request = transaction.decisive.request if transaction.decisive is not None else None
    known = offered(transaction)
    for each in request.envelope.recipients if request is not None and request.envelope is not None else ():
        if known and each.identity is not None and each.identity not in known:
            return (
                f" The request is encrypted for the certificate of {each.issuer} with serial {each.serial_number}, "
                "which is none of those that the server offered."
            )
    return ""
