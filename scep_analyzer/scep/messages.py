"""pkiMessage: SignedData → SCEP's attributes (RFC 8894, Section 3.2.1)."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from scep_analyzer.cms import ber
from scep_analyzer.cms.challenge import holds_secret
from scep_analyzer.cms.challenge import shown as in_hex
from scep_analyzer.cms.enveloped import read_envelope
from scep_analyzer.cms.grammar import CHALLENGE_PASSWORD
from scep_analyzer.cms.signed import Signed, Signer, read_signed
from scep_analyzer.cms.values import integer, number_in, time_of
from scep_analyzer.model.anomalies import DecodeError
from scep_analyzer.model.certificates import Certificate
from scep_analyzer.model.limits import BOUNDS
from scep_analyzer.model.scep import Attribute, AttributeForm, Envelope, MessageType, PkiMessage, PkiStatus
from scep_analyzer.model.told_secrets import withheld_in_doubt
from scep_analyzer.model.verdict import Verdict
from scep_analyzer.scep import codes
from scep_analyzer.scep.encoding import Notes

if TYPE_CHECKING:
    from scep_analyzer.cms.keys import PrivateKey

Known = Mapping[tuple[str, str], Certificate]

_KNOWN = frozenset(
    {
        codes.MESSAGE_TYPE,
        codes.PKI_STATUS,
        codes.FAIL_INFO,
        codes.SENDER_NONCE,
        codes.RECIPIENT_NONCE,
        codes.TRANSACTION_ID,
        codes.FAIL_INFO_TEXT,
        codes.FAIL_INFO_TEXT_MISTAKEN,
        codes.CONTENT_TYPE,
        codes.MESSAGE_DIGEST,
        codes.SIGNING_TIME,
        codes.HRESULT,
    }
)
_PRINTABLE_STRING = 19


def is_pki_message(signed: Signed) -> bool:
    """Whether a SignedData carries SCEP's attributes."""
    return any(
        codes.MESSAGE_TYPE in each.attributes or codes.TRANSACTION_ID in each.attributes for each in signed.signers
    )


def read_message(encoded: bytes, known: Known, keys: "Sequence[PrivateKey]" = ()) -> tuple[PkiMessage, Notes]:
    """Read a pkiMessage; DecodeError where it is none.

    ``known`` holds certificates seen earlier, by issuer and serial number: NDES leaves the signer's out of its replies.
    ``keys`` open its envelope.
    """
    return from_signed(read_signed(encoded), encoded, known, keys)


def from_signed(
    signed: Signed, encoded: bytes, known: Known, keys: "Sequence[PrivateKey]" = ()
) -> tuple[PkiMessage, Notes]:
    """Give the pkiMessage that a SignedData is, and its anomalies."""
    notes: Notes = list(signed.notes)
    if not signed.signers:
        raise DecodeError("a SignedData without a signer, where a pkiMessage is expected")
    signer = signed.signers[0]
    if len(signed.signers) > 1:
        notes.append(("several-signers", f"{len(signed.signers)} signers; the first is read"))
    message = _from_attributes(_Attributes(signer, notes), encoded[: signed.length])
    included = {each.identity: each for each in signed.certificates}
    signing, signature = _check_signer(signer, signed, included, known)
    if signing is not None and message.message_type != MessageType.CertRep:
        signing = signing._replace(role="requester")
    # The certificates seen earlier are many; only keys need them beside the message's own.
    candidates = {**known, **included} if keys else included
    times = Counter(signer.attribute_types)
    message = message._replace(
        digest_algorithm=signer.digest_algorithm,
        signature_algorithm=signer.signature_algorithm,
        signer_identity=signer.identity,
        signer=signing,
        certificates=tuple(
            signing if signing is not None and each.fingerprint_sha256 == signing.fingerprint_sha256 else each
            for each in signed.certificates
        ),
        envelope=_envelope(signed.content, notes, candidates, keys),
        other_attributes=tuple(_other(signer)),
        digest=signer.check_digest(signed.content or b""),
        signature=signature,
        forms=tuple(_form(oid, values, times[oid]) for oid, values in signer.attributes.items()),
        content_length=None if signed.content is None else len(signed.content),
    )
    return message, notes + _deviations(signer, signed, message)


def _form(oid: str, values: tuple[ber.Element, ...], times: int) -> AttributeForm:
    return AttributeForm(
        oid, tuple(each.type_name for each in values), tuple(len(each.content) for each in values), times
    )


def check_signed_set(encoded: bytes, known: Known) -> Verdict:
    """Whether a signed certificate set (GetNextCACert) was signed by the certificate it names, seen earlier or included."""
    signed = read_signed(encoded)
    if not signed.signers:
        return Verdict(None, "nobody signed it")
    included = {each.identity: each for each in signed.certificates}
    return _check_signer(signed.signers[0], signed, included, known)[1]


def salvage_message(encoded: bytes, reason: str) -> PkiMessage | None:
    """What is left of a message that cannot be read whole, None where nothing is. ``reason`` says why it cannot."""
    from scep_analyzer.cms.salvage import salvage

    left = salvage(encoded)
    if left.is_empty:
        return None
    signer = Signer(
        identity=None,
        digest_algorithm=left.digest_algorithm or "",
        signature_algorithm="",
        attributes=left.attributes,
        attributes_sent=None,
        signature=b"",
    )
    message = _from_attributes(_Attributes(signer, []), encoded)
    envelope = None
    if left.recipients or left.content_encryption_algorithm:
        envelope = Envelope(
            recipients=left.recipients,
            key_encryption_algorithm=left.key_encryption_algorithm,
            content_encryption_algorithm=left.content_encryption_algorithm,
        )
    alone = left.certificates[0] if len(left.certificates) == 1 else None
    is_request = alone is not None and message.message_type != MessageType.CertRep
    return message._replace(
        digest_algorithm=left.digest_algorithm,
        signer=alone._replace(role="requester") if alone is not None and is_request else None,
        certificates=left.certificates,
        envelope=envelope,
        digest=Verdict(None, reason),
        signature=Verdict(None, reason),
        partial=True,
    )


def _from_attributes(reader: "_Attributes", encoded: bytes) -> PkiMessage:
    """What the signed attributes say; the rest is not filled yet."""
    text = reader.text(codes.FAIL_INFO_TEXT, "failInfoText") or reader.text(
        codes.FAIL_INFO_TEXT_MISTAKEN, "failInfoText"
    )
    hresult = reader.number(codes.HRESULT, "ENROLL_SCEP_ERROR")
    return PkiMessage(
        message_type=reader.number(codes.MESSAGE_TYPE, "messageType"),
        transaction_id=reader.text(codes.TRANSACTION_ID, "transactionID"),
        sender_nonce=reader.hex(codes.SENDER_NONCE, "senderNonce"),
        recipient_nonce=reader.hex(codes.RECIPIENT_NONCE, "recipientNonce"),
        pki_status=reader.number(codes.PKI_STATUS, "pkiStatus"),
        fail_info=reader.number(codes.FAIL_INFO, "failInfo"),
        fail_info_text=withheld_in_doubt(text) if text is not None else None,
        signing_time=reader.time(codes.SIGNING_TIME),
        hresult=None if hresult is None else hresult & 0xFFFFFFFF,
        digest_algorithm=None,
        signature_algorithm=None,
        signer_identity=None,
        signer=None,
        certificates=(),
        envelope=None,
        other_attributes=(),
        sha256=hashlib.sha256(encoded).hexdigest(),
        length=len(encoded),
    )


def _check_signer(
    signer: Signer, signed: Signed, included: dict[tuple[str, str], Certificate], known: Known
) -> tuple[Certificate | None, Verdict]:
    """The signer's certificate, from the message or seen earlier, and the verdict on the signature."""
    content = signed.content or b""
    if signer.identity is not None:
        certificate = included.get(signer.identity) or known.get(signer.identity)
        if certificate is None:
            return None, Verdict(None, "the signer's certificate is not in the capture")
        return certificate, signer.check_signature(certificate, content)
    # Named by a key identifier: the one whose key fits is it.
    for certificate in signed.certificates[: BOUNDS.signature_checks]:
        verdict = signer.check_signature(certificate, content)
        if verdict.valid:
            return certificate, verdict
    return None, Verdict(None, "the signer is named by a key identifier that fits no certificate here")


def _deviations(signer: Signer, signed: Signed, message: PkiMessage) -> Notes:
    """What RFC 8894 does not foresee and is decoded all the same."""
    has = signer.attributes.keys()
    message_type, status = message.message_type, message.pki_status
    notes: Notes = []
    if message_type not in (MessageType.CertRep, None):
        for oid, name in ((codes.PKI_STATUS, "pkiStatus"), (codes.RECIPIENT_NONCE, "recipientNonce")):
            if oid in has:
                notes.append(("attribute-unexpected", f"{name} in a request"))
    elif message_type == MessageType.CertRep:
        if status == PkiStatus.FAILURE and codes.FAIL_INFO not in has:
            notes.append(("fail-info-missing", "FAILURE without a failInfo"))
        if status in (PkiStatus.SUCCESS, PkiStatus.PENDING) and codes.FAIL_INFO in has:
            notes.append(("attribute-unexpected", "failInfo in a message that is no FAILURE"))
        if status == PkiStatus.SUCCESS and not signed.content:
            notes.append(("success-without-content", "SUCCESS without an envelope: there is no certificate in it"))
    if CHALLENGE_PASSWORD in has:
        notes.append(("challenge-password-in-clear", "challengePassword is a signed attribute, readable by anyone"))
    return notes


def _envelope(content: bytes | None, notes: Notes, known: Known, keys: "Sequence[PrivateKey]") -> Envelope | None:
    if not content:
        return None  # FAILURE and PENDING carry none (RFC 8894, Section 3.3.2)
    if len(content) < 8:
        # NDES puts a single zero byte there (certnanny/sscep#80); it means nothing.
        notes.append(("placeholder-content", f"a {len(content)}-byte placeholder instead of content (normal for NDES)"))
        return None
    try:
        envelope = read_envelope(content)
    except DecodeError as error:
        notes.append(("envelope-unreadable", str(error)))
        return None
    if not keys:
        return envelope
    from scep_analyzer.cms.opening import open_envelope

    try:
        inside, key = open_envelope(content, keys, known)
    except DecodeError as error:
        return envelope._replace(problem=str(error), key_fits=_fits(envelope, keys, known))
    if inside.lacks_sequence:
        notes.append(
            ("sequence-missing", "the outer SEQUENCE of the PKCS #10 request is missing (RFC 2986, Section 4.2)")
        )
    return envelope._replace(content=inside, opened_by=key.source, key_fits=_fits(envelope, [key], known))


def _fits(envelope: Envelope, keys: "Sequence[PrivateKey]", known: Known) -> bool:
    """Whether one of the keys belongs to a recipient's certificate."""
    recipients = [known.get(each.identity) for each in envelope.recipients if each.identity is not None]
    wanted = {each.public_key.encoded for each in recipients if each is not None and each.public_key is not None}
    return any(key.public in wanted for key in keys)


def _other(signer: Signer) -> list[Attribute]:
    others = []
    for oid, values in signer.attributes.items():
        if oid in _KNOWN:
            continue
        shown = []
        for value in values:
            if oid in codes.SECRET_ATTRIBUTES or holds_secret(value.content):
                shown.append(f"(redacted, {value.type_name} of {len(value.content)} characters)")
            else:
                shown.append(value.text() or in_hex(value.content))
        others.append(Attribute(oid, codes.OTHER_ATTRIBUTES.get(oid), ", ".join(shown)))
    return others


class _Attributes:
    """Reads the values of signed attributes; what is not as RFC 8894 writes it is noted."""

    def __init__(self, signer: Signer, notes: Notes) -> None:
        self._attributes, self._notes = signer.attributes, notes

    def _one(self, oid: str, name: str) -> ber.Element | None:
        values = self._attributes.get(oid)
        if not values:
            return None
        if len(values) > 1:
            self._notes.append(("attribute-several-values", f"{name} has {len(values)} values; the first is read"))
        return values[0]

    def number(self, oid: str, name: str) -> int | None:
        """A number in a PrintableString of decimals; other string types and INTEGER are accepted and noted."""
        value = self._one(oid, name)
        if value is None:
            return None
        if value.tag != _PRINTABLE_STRING:
            self._notes.append(("attribute-type", f"{name} is {value.type_name}, where PrintableString belongs"))
        try:
            text = value.text() or value.content.decode("ascii")
        except UnicodeDecodeError:
            text = ""
        number = integer(value.content) if value.tag == ber.INTEGER else number_in(text)
        if number is None:
            more = "…" if len(value.content) > 20 else ""
            what = f"{name} is {value.content[:20]!r}{more}, which is no number"
            self._notes.append(("attribute-not-a-number", what))
        return number

    def text(self, oid: str, name: str) -> str | None:
        """A string of any type; bytes that are none are given in hex."""
        value = self._one(oid, name)
        if value is None:
            return None
        if name == "transactionID" and value.tag != _PRINTABLE_STRING:
            self._notes.append(("attribute-type", f"{name} is {value.type_name}, where PrintableString belongs"))
        text = value.text()
        return in_hex(value.content) if text is None else text

    def hex(self, oid: str, name: str) -> str | None:
        """A nonce: an OCTET STRING of 16 bytes (RFC 8894, Section 3.2.1.5)."""
        value = self._one(oid, name)
        if value is None:
            return None
        if value.tag != ber.OCTET_STRING or len(value.content) != 16:
            what = f"{name} is {value.type_name} of {len(value.content)} bytes, where an OCTET STRING of 16 belongs"
            self._notes.append(("nonce-form", what))
        return in_hex(value.content)

    def time(self, oid: str) -> datetime | None:
        """signingTime: UTCTime or GeneralizedTime (RFC 5652, Section 11.3)."""
        value = self._one(oid, "signingTime")
        if value is None:
            return None
        moment = time_of(value.tag, value.content)
        if moment is None:
            digits = value.content[:24].decode("latin-1")
            self._notes.append(("signing-time-unreadable", f"signingTime {digits!r} is no time"))
        return moment
