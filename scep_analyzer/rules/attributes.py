"""The signed attributes of a message: whether they are present, of the right type and plausible (RFC 8894, Section 3.2.1)."""

import base64
import hashlib

from scep_analyzer.cms.ber import ASN1_ERRORS, children_of, read
from scep_analyzer.model.findings import Evidence, Fact, Severity
from scep_analyzer.model.patterns import lazily
from scep_analyzer.model.places import called
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
_PRINTABLE = lazily(r"[A-Za-z0-9 '()+,\-./:=?]*")
_SPELT = {"md5": "MD5", "sha1": "SHA-1", "sha256": "SHA-256"}
_OF_NOTHING = {hashlib.new(name, usedforsecurity=False).hexdigest(): name for name in ("md5", "sha1", "sha256")}
_DRAFTS = {1: "a type of an early draft", 2: "a type of an early draft", 18: "UpdateReq of draft-gutmann-scep"}


@rule.request(ERROR, "RFC 8894, Section 3.2.1", "openxpki/openxpki#789")
def req_attr_missing(view: View, message: PkiMessage) -> Found:
    """The request lacks a required signed attribute.

    Seen: messageType, transactionID, senderNonce, contentType or messageDigest is missing.
    Why: The client or its CMS library does not add the attribute.
    Matters: Servers reject the message without naming the missing attribute.
    Do: Update the client, so that it sends the missing attribute.
    Do (ndes): Update the client. On the NDES server, event 17 reports the request without naming the attribute.
    Not: The values of the other attributes are not at fault.
    """
    if message.partial or not message.forms:
        return
    missing = [name for oid, name in _REQUIRED if message.form(oid) is None]
    if missing:
        yield Evidence(
            f"The request lacks the signed {'attribute' if len(missing) == 1 else 'attributes'} {' and '.join(missing)}.",
            tuple(view.q(f"signedAttrs.{name}", "absent") for name in missing),
            title=f"The request lacks the signed attribute {missing[0]}" if len(missing) == 1 else None,
        )


def _sides(view: View) -> list[tuple[str, PkiMessage, int | None]]:
    """The messages of an exchange, with their names and first frames."""
    both = (("request", view.request, view.ask), ("CertRep", view.reply, view.ans))
    return [(name, message, frame) for name, message, frame in both if message is not None and not message.partial]


@rule.exchange(WARNING, "RFC 8894, Section 3.2.1", where=("pkiMessage",))
def attr_wrong_type(view: View) -> Found:
    """A signed attribute has the wrong ASN.1 type.

    Seen: transactionID, messageType, pkiStatus or failInfo is not a PrintableString, or a nonce is not an OCTET STRING.
    Why: The CMS library of the sender uses another type.
    Matters: Strict receivers reject the message.
    Do: Update the software that sends the message: RFC 8894, Section 3.2.1 defines the type of each attribute.
    Not: The value itself may be right.
    """
    for name, message, frame in _sides(view):
        for form in message.forms:
            right = _TYPES.get(form.oid)
            wrong = [each for each in form.types if each != right]
            if right is not None and wrong:
                yield Evidence(
                    f"In the {name}, {_NAMES[form.oid]} has the type {wrong[0]} instead of {right}.",
                    (Fact(frame, f"{name}.signedAttrs.{_NAMES[form.oid]}", wrong[0]),),
                    title=f"{_NAMES[form.oid]} has the type {wrong[0]} instead of {right}",
                )


@rule.exchange(ERROR, "RFC 5652, Section 11", where=("pkiMessage",))
def attr_duplicate(view: View) -> Found:
    """A signed attribute appears more than once or has several values.

    Seen: The same signed attribute appears more than once, or it does not have exactly one value.
    Why: The sender's software adds the attribute again.
    Matters: It is not defined which value counts. Strict receivers reject the message.
    Do: Update the software that sends the message, so that it sends each signed attribute once, with one value.
    Not: Two different attributes.
    """
    for name, message, frame in _sides(view):
        for form in message.forms:
            known = _NAMES.get(form.oid)
            if known is not None and (form.times > 1 or len(form.types) != 1):
                what = f"appears {form.times} times" if form.times > 1 else f"has {count(len(form.types), 'value')}"
                yield Evidence(
                    f"In the {name}, the signed attribute {known} {what}.",
                    (Fact(frame, f"{name}.signedAttrs.{known}", what),),
                )


@rule.request(WARNING, "RFC 8894, Section 3.2.1.1")
def transid_not_printable(view: View, message: PkiMessage) -> Found:
    """The transactionID contains characters not allowed in a PrintableString.

    Seen: The transactionID contains other characters than letters, digits, space and ' ( ) + , - . / : = ?
    Why: The client puts random bytes or base64url into the transactionID.
    Matters: A strict server rejects the request, or it cannot find the transaction again.
    Do: On the client, use hexadecimal digits for the transactionID.
    Not: A fault of base64: its characters “+”, “/” and “=” are allowed.
    """
    value = message.transaction_id
    if value and not _PRINTABLE.fullmatch(value):
        odd = "".join(sorted({each for each in value if not _PRINTABLE.fullmatch(each)}))
        yield Evidence(
            f"The transactionID {shown(value, 50)} contains {shown(odd, 20)}, which a PrintableString does not allow.",
            (view.q("signedAttrs.transactionID", shown(value, 50)),),
        )


@rule.request(ERROR, "RFC 8894, Section 3.2.1.1")
def transid_empty(view: View, message: PkiMessage) -> Found:
    """The transactionID is empty.

    Seen: The transactionID attribute contains no characters.
    Why: The client does not set the value.
    Matters: The server cannot tell the transactions of different clients apart.
    Do: Update the client, so that it sends a unique transactionID for each enrollment.
    Not: The transactionID attribute is not missing.
    """
    if message.transaction_id == "":
        yield Evidence("The transactionID is empty.", (view.q("signedAttrs.transactionID", "“”"),))


@rule.request(WARNING, "certnanny/sscep#59", "Keyfactor/ejbca-ce#503")
def transid_of_empty_input(view: View, message: PkiMessage) -> Found:
    """The transactionID is the hash of empty input.

    Seen: The transactionID is the MD5, SHA-1 or SHA-256 of an empty input (D41D8CD9…).
    Why: The client calculates the hash before it has a key.
    Matters: All devices with this fault use the same transactionID, so a server can confuse their requests.
    Do: Update the client, so that it calculates the transactionID from its key or from random bytes.
    Not: The value is not a hash of the public key.
    """
    name = _OF_NOTHING.get((message.transaction_id or "").lower())
    if name is not None:
        yield Evidence(
            f"The transactionID {message.transaction_id} is the {_SPELT[name]} of empty input.",
            (view.q("signedAttrs.transactionID", message.transaction_id),),
        )


@rule.request(INFO, "RFC 8894, Section 3.2.1.1", "draft-nourse-scep-23, Section 3.1.1.1", "certnanny/sscep#136")
def transid_is_key_hash(view: View, message: PkiMessage) -> Found:
    """The transactionID is a hash of the public key.

    Seen: The transactionID is the MD5, SHA-1 or SHA-256 of the requester's key, in hexadecimal digits or base64.
    Why: The SCEP drafts recommended this (draft-nourse-scep-23, Section 3.1.1.1). RFC 8894 requires a unique value instead.
    Matters: Every attempt with the same key has the same transactionID.
    Do: No action is needed.
    Not: This is not a fault.
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
                f"The transactionID is the {_SPELT[name]} of the requester's {what}.",
                (view.q("signedAttrs.transactionID", hexes(wanted)),),
            )
            return


_DIGESTS = {32: "md5", 24: "md5", 40: "sha1", 28: "sha1", 64: "sha256", 44: "sha256"}
"""By the length in hexadecimal digits and in base64."""


def _forms_of_key(encoded: bytes) -> list[tuple[str, bytes]]:
    """The ways in which clients hash a key: SubjectPublicKeyInfo, the key in it, the modulus."""
    forms = [("SubjectPublicKeyInfo", encoded)]
    try:
        key = read(list(children_of(encoded))[1]).content[1:]
        forms.append(("public key", key))
        modulus = read(next(iter(children_of(key)))).content
        forms += [("modulus", modulus), ("modulus", modulus.lstrip(b"\0"))]
    except (StopIteration, *ASN1_ERRORS):  # no RSA key
        pass
    return forms


@rule.request(ERROR, "RFC 8894, Section 3.2.1.5")
def nonce_missing(view: View, message: PkiMessage) -> Found:
    """The request contains no senderNonce.

    Seen: The senderNonce attribute is missing.
    Why: The client does not add it.
    Matters: The client cannot tell a replayed response from the response to its request. Strict servers reject the request.
    Do: Update the client, so that it sends a senderNonce of 16 random bytes.
    Not: The senderNonce is not merely of the wrong length.
    """
    if message.sender_nonce is None and not message.partial:
        yield Evidence("The request contains no senderNonce.", (view.q("signedAttrs.senderNonce", "absent"),))


@rule.exchange(WARNING, "RFC 8894, Section 3.2.1.5", where=("pkiMessage",))
def nonce_short(view: View) -> Found:
    """A nonce is not 16 bytes long.

    Seen: The length of a senderNonce or recipientNonce is not 16 bytes.
    Why: The sender uses another length, or puts hexadecimal digits or base64 into the nonce.
    Matters: Strict receivers reject the message.
    Do: Update the software that sends the message, so that it uses 16 random bytes.
    Not: The nonce is not missing.
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
                    continue  # it only repeats the client's senderNonce
                yield Evidence(
                    f"In the {name}, {what} is {count(len(value) // 2, 'byte')} long instead of 16 bytes.",
                    (Fact(frame, f"{name}.signedAttrs.{what}", hexes(value)),),
                )


@rule.capture(WARNING, "RFC 8894, Section 3.2.1.5")
def nonce_reused(view: CaptureView) -> Found:
    """Two messages have the same senderNonce.

    Seen: The senderNonce of a message is the one of an earlier message, or it contains only zeros.
    Why: The random number generator of the client is faulty, or somebody sends an old message again (replay).
    Matters: The nonce then no longer protects against replayed messages.
    Do: Update the client's software, which creates the nonce. If its random numbers are correct, look for the host that replays the
    message.
    Not: The same message sent again without a change, or seen on both sides of a proxy.
    """
    seen: dict[str, tuple[str, int]] = {}
    for each in view.memory.attempts:
        if each.nonce is None or each.leg:
            continue
        if each.nonce and not each.nonce.strip("0"):
            yield Evidence(
                "The senderNonce contains only zeros.",
                (Fact(each.frame, "signedAttrs.senderNonce", hexes(each.nonce)),),
                transaction=each.transaction,
                exchange=each.number,
            )
            continue
        message, frame = seen.setdefault(each.nonce, (each.message, each.frame))
        if message != each.message:
            yield Evidence(
                f"The senderNonce in {called(each.frame)} was already used by another message in {called(frame)}: {each.nonce}.",
                (
                    Fact(each.frame, "signedAttrs.senderNonce", each.nonce),
                    Fact(frame, "signedAttrs.senderNonce", each.nonce),
                ),
                transaction=each.transaction,
                exchange=each.number,
            )


@rule.exchange(ERROR, "RFC 8894, Section 3.2.1.2", "IANA, SCEP message types", where=("pkiMessage",))
def msgtype_unknown(view: View) -> Found:
    """The messageType is not valid for a request.

    Seen: The messageType is not RenewalReq (17), PKCSReq (19), CertPoll (20), GetCert (21) or GetCRL (22).
    Why: The client uses a message type of an old draft, or sets a wrong value.
    Do: On the client, use PKCSReq (19) for an enrollment or RenewalReq (17) for a renewal, or update the client.
    Not: The messageType attribute is not missing.
    """
    message = view.request
    if message is None or message.partial:
        return
    form = message.form(codes.MESSAGE_TYPE)
    known = {int(each) for each in MessageType if each not in (MessageType.CertRep, MessageType.UpdateReq)}
    if form is None or message.message_type in known:
        return
    value = message.message_type
    what = "CertRep, a response" if value == MessageType.CertRep else _DRAFTS.get(value or 0, "not a defined type")
    worked = value == MessageType.UpdateReq and view.understood and not view.refused
    yield Evidence(
        f"The messageType of the request is {f'{value} ({what})' if value is not None else 'not a number'}.",
        (view.q("signedAttrs.messageType", str(value)),),
        severity=Severity.WARNING if worked else None,
        title=f"The messageType {value} is not valid for a request" if value is not None else None,
    )
