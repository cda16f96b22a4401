"""The signed attributes of a message: present, of the right type, with values that make sense (RFC 8894, Section 3.2.1)."""

import base64
import hashlib
import re

from scep_analyzer.cms.ber import ASN1_ERRORS, children, read
from scep_analyzer.model.findings import Evidence, Fact, Severity
from scep_analyzer.model.scep import MessageType, PkiMessage
from scep_analyzer.rules._rule import ERROR, INFO, WARNING, Found, rule
from scep_analyzer.rules._views import CaptureView, View
from scep_analyzer.rules._words import count, hexes, shown
from scep_analyzer.scep import codes

_REQUIRED = (
    (codes.MESSAGE_TYPE, "messageType"),
    (codes.TRANSACTION_ID, "transactionID"),
    (codes.SENDER_NONCE, "senderNonce"),
    (codes.CONTENT_TYPE, "contentType"),
    (codes.MESSAGE_DIGEST, "messageDigest"),
)
_TYPES = {
    codes.MESSAGE_TYPE: "PrintableString",
    codes.TRANSACTION_ID: "PrintableString",
    codes.PKI_STATUS: "PrintableString",
    codes.FAIL_INFO: "PrintableString",
    codes.SENDER_NONCE: "OCTET STRING",
    codes.RECIPIENT_NONCE: "OCTET STRING",
}
_NAMES = {
    **codes.ATTRIBUTE_NAMES,
    codes.CONTENT_TYPE: "contentType",
    codes.MESSAGE_DIGEST: "messageDigest",
    codes.SIGNING_TIME: "signingTime",
}
_PRINTABLE = re.compile(r"[A-Za-z0-9 '()+,\-./:=?]*")
_OF_NOTHING = {hashlib.new(name, usedforsecurity=False).hexdigest(): name for name in ("md5", "sha1", "sha256")}
_DRAFTS = {1: "an early draft's", 2: "an early draft's", 18: "UpdateReq of draft-gutmann-scep"}


@rule.request(ERROR, "RFC 8894, Section 3.2.1", "openxpki/openxpki#789")
def req_attr_missing(view: View, message: PkiMessage) -> Found:
    """The request lacks a signed attribute that it must have.

    Seen: messageType, transactionID, senderNonce, contentType or messageDigest is absent.
    Why: A fault of the client.
    Do: Add it; servers refuse the message without a word of what is missing (NDES: event 17).
    Not: A wrong value.
    """
    if message.partial or not message.forms:
        return
    missing = [name for oid, name in _REQUIRED if message.form(oid) is None]
    if missing:
        yield Evidence(
            f"The request lacks {' and '.join(missing)}.",
            tuple(view.q(f"signedAttrs.{name}", "absent") for name in missing),
        )


def _sides(view: View) -> list[tuple[str, PkiMessage, int | None]]:
    """The messages of an exchange, with their names and first frames."""
    both = (("request", view.request, view.ask), ("CertRep", view.reply, view.ans))
    return [(name, message, frame) for name, message, frame in both if message is not None and not message.partial]


@rule.exchange(WARNING, "RFC 8894, Section 3.2.1")
def attr_wrong_type(view: View) -> Found:
    """A signed attribute has another ASN.1 type than it should.

    Seen: transactionID, messageType, pkiStatus or failInfo is no PrintableString, or a nonce no OCTET STRING.
    Why: A fault of the sender's library.
    Do: Mend the sender; strict receivers refuse the message.
    Not: A wrong value.
    """
    for name, message, frame in _sides(view):
        for form in message.forms:
            right = _TYPES.get(form.oid)
            wrong = [each for each in form.types if each != right]
            if right is not None and wrong:
                yield Evidence(
                    f"In the {name}, {_NAMES[form.oid]} is {wrong[0]}, where {right} belongs.",
                    (Fact(frame, f"{name}.signedAttrs.{_NAMES[form.oid]}", wrong[0]),),
                )


@rule.exchange(ERROR, "RFC 5652, Section 11")
def attr_duplicate(view: View) -> Found:
    """A signed attribute stands there twice, or has several values.

    Seen: The same attribute more than once, or with other than one value.
    Why: A fault of the sender.
    Do: Mend the sender: it is not defined which one counts.
    Not: Two attributes of different types.
    """
    for name, message, frame in _sides(view):
        for form in message.forms:
            known = _NAMES.get(form.oid)
            if known is not None and (form.times > 1 or len(form.types) != 1):
                what = (
                    f"stands there {form.times} times" if form.times > 1 else f"has {count(len(form.types), 'value')}"
                )
                yield Evidence(f"In the {name}, {known} {what}.", (Fact(frame, f"{name}.signedAttrs.{known}", what),))


@rule.request(WARNING, "RFC 8894, Section 3.2.1.1")
def transid_not_printable(view: View, message: PkiMessage) -> Found:
    """The transactionID holds characters that a PrintableString has not.

    Seen: Other characters than letters, digits, blank and ' ( ) + , - . / : = ?
    Why: The client puts random bytes, or base64url, into it.
    Do: Use hexadecimal digits.
    Not: Base64: its + / = are allowed.
    """
    value = message.transaction_id
    if value and not _PRINTABLE.fullmatch(value):
        odd = "".join(sorted({each for each in value if not _PRINTABLE.fullmatch(each)}))
        yield Evidence(
            f"The transactionID {shown(value, 50)} holds {shown(odd, 20)}, which a PrintableString cannot.",
            (view.q("signedAttrs.transactionID", shown(value, 50)),),
        )


@rule.request(ERROR, "RFC 8894, Section 3.2.1.1")
def transid_empty(view: View, message: PkiMessage) -> Found:
    """The transactionID is empty.

    Seen: A transactionID of no characters.
    Why: A fault of the client.
    Do: Make it a hash of the public key, or random.
    Not: An absent transactionID.
    """
    if message.transaction_id == "":
        yield Evidence("The transactionID is empty.", (view.q("signedAttrs.transactionID", "“”"),))


@rule.request(WARNING, "certnanny/sscep#59", "Keyfactor/ejbca-ce#503")
def transid_of_empty_input(view: View, message: PkiMessage) -> Found:
    """The transactionID is the hash of nothing.

    Seen: It equals MD5, SHA-1 or SHA-256 of an empty input (D41D8CD9…).
    Why: The client computes it before it has a key.
    Do: Upgrade the client: all such devices share one transactionID.
    Not: A hash of the public key.
    """
    name = _OF_NOTHING.get((message.transaction_id or "").lower())
    if name is not None:
        yield Evidence(
            f"The transactionID {message.transaction_id} is the {name} of no bytes at all.",
            (view.q("signedAttrs.transactionID", message.transaction_id),),
        )


@rule.request(INFO, "RFC 8894, Section 3.2.1.1", "certnanny/sscep#136")
def transid_is_key_hash(view: View, message: PkiMessage) -> Found:
    """The transactionID is a hash of the public key.

    Seen: It equals MD5, SHA-1 or SHA-256 of the requester's key, in hexadecimal digits or base64.
    Why: By design: the drafts proposed it.
    Do: Nothing. Every try with the same key has the same transactionID.
    Not: A fault.
    """
    signer = message.signer
    if signer is None or signer.public_key is None or not message.transaction_id:
        return
    wanted = message.transaction_id
    name = _DIGESTS.get(len(wanted))
    if name is None:
        return
    for what, data in _forms_of_key(signer.public_key.encoded):
        digest = hashlib.new(name, data, usedforsecurity=False).digest()
        if wanted.lower() == digest.hex() or wanted == base64.b64encode(digest).decode():
            yield Evidence(
                f"The transactionID is the {name} of the requester's {what}.",
                (view.q("signedAttrs.transactionID", hexes(wanted)),),
            )
            return


_DIGESTS = {32: "md5", 24: "md5", 40: "sha1", 28: "sha1", 64: "sha256", 44: "sha256"}
"""By the length in hexadecimal digits and in base64."""


def _forms_of_key(encoded: bytes) -> list[tuple[str, bytes]]:
    """The ways in which clients hash a key: SubjectPublicKeyInfo, the key in it, the modulus."""
    forms = [("SubjectPublicKeyInfo", encoded)]
    try:
        key = read(list(children(read(encoded).content))[1]).content[1:]
        forms.append(("public key", key))
        modulus = read(next(iter(children(read(key).content)))).content
        forms += [("modulus", modulus), ("modulus", modulus.lstrip(b"\0"))]
    except (StopIteration, *ASN1_ERRORS):  # no RSA key
        pass
    return forms


@rule.request(ERROR, "RFC 8894, Section 3.2.1.5")
def nonce_missing(view: View, message: PkiMessage) -> Found:
    """The request has no senderNonce.

    Seen: The senderNonce attribute is absent.
    Why: A fault of the client.
    Do: Add 16 random bytes; without it a replay cannot be told from an answer.
    Not: A nonce of the wrong length.
    """
    if message.sender_nonce is None and not message.partial:
        yield Evidence("The request has no senderNonce.", (view.q("signedAttrs.senderNonce", "absent"),))


@rule.exchange(WARNING, "RFC 8894, Section 3.2.1.5")
def nonce_short(view: View) -> Found:
    """A nonce has not 16 bytes.

    Seen: A senderNonce or recipientNonce of another length.
    Why: A fault of the sender; some put hexadecimal digits or base64 into it.
    Do: Use 16 random bytes.
    Not: A missing nonce.
    """
    for name, message, frame in _sides(view):
        for what, value in (("senderNonce", message.sender_nonce), ("recipientNonce", message.recipient_nonce)):
            if value is not None and len(value) != 32:
                if (
                    name == "CertRep"
                    and what == "recipientNonce"
                    and view.request is not None
                    and value == view.request.sender_nonce
                ):
                    continue  # it only echoes the client's
                yield Evidence(
                    f"In the {name}, {what} has {count(len(value) // 2, 'byte')}, where 16 belong.",
                    (Fact(frame, f"{name}.signedAttrs.{what}", hexes(value)),),
                )


@rule.capture(WARNING, "RFC 8894, Section 3.2.1.5")
def nonce_reused(view: CaptureView) -> Found:
    """A senderNonce is used twice.

    Seen: The senderNonce of one message is that of another one, or is all zeros.
    Why: A bad random number generator, or a replay.
    Do: Mend the client's random numbers; find out who sends the old message again.
    Not: The same message sent again byte by byte, or seen on two legs.
    """
    seen: dict[str, tuple[str, int]] = {}
    for each in view.memory.attempts:
        if each.nonce is None or each.leg:
            continue
        if each.nonce and not each.nonce.strip("0"):
            yield Evidence(
                "The senderNonce is all zeros.",
                (Fact(each.frame, "signedAttrs.senderNonce", hexes(each.nonce)),),
                transaction=each.transaction,
                exchange=each.number,
            )
            continue
        message, frame = seen.setdefault(each.nonce, (each.message, each.frame))
        if message != each.message:
            yield Evidence(
                f"The senderNonce {each.nonce} of frame {each.frame} was used before, in another message in frame {frame}.",
                (
                    Fact(each.frame, "signedAttrs.senderNonce", each.nonce),
                    Fact(frame, "signedAttrs.senderNonce", each.nonce),
                ),
                transaction=each.transaction,
                exchange=each.number,
            )


@rule.exchange(ERROR, "RFC 8894, Section 3.2.1.2", "IANA, SCEP message types")
def msgtype_unknown(view: View) -> Found:
    """The messageType is none that a request has.

    Seen: A messageType that is not RenewalReq 17, PKCSReq 19, CertPoll 20, GetCert 21 or GetCRL 22.
    Why: A fault of the client, or a message of an old draft.
    Do: Mend the client.
    Not: A missing messageType.
    """
    message = view.request
    if message is None or message.partial:
        return
    form = message.form(codes.MESSAGE_TYPE)
    known = {int(each) for each in MessageType if each not in (MessageType.CertRep, MessageType.UpdateReq)}
    if form is None or message.message_type in known:
        return
    value = message.message_type
    what = (
        "a CertRep, an answer,"
        if value == MessageType.CertRep
        else _DRAFTS.get(value or 0, "none that is defined") + ","
    )
    worked = value == MessageType.UpdateReq and view.understood and not view.refused
    yield Evidence(
        f"The request's messageType is {value if value is not None else 'no number'}, {what} where a request's belongs.",
        (view.q("signedAttrs.messageType", str(value)),),
        severity=Severity.WARNING if worked else None,
    )
