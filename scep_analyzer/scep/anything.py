"""Bytes of unknown purpose → the message, certificates, request, envelope or CRL that they are."""

from collections.abc import Sequence
from dataclasses import dataclass

from scep_analyzer.cms.algorithms import content_type
from scep_analyzer.cms.ber import children_of, claimed_length, element, oid_of
from scep_analyzer.cms.enveloped import read_envelope
from scep_analyzer.cms.keys import PrivateKey
from scep_analyzer.cms.message_data import read_crl, read_message_data
from scep_analyzer.cms.opening import open_envelope
from scep_analyzer.cms.requests import in_sequence, lacks_sequence, read_request
from scep_analyzer.cms.signed import read_signed
from scep_analyzer.model.anomalies import DecodeError
from scep_analyzer.model.content import Content
from scep_analyzer.model.scep import CaCertificates, Envelope, PkiMessage
from scep_analyzer.scep.ca_certificates import read_ca_certificates
from scep_analyzer.scep.encoding import Notes
from scep_analyzer.scep.messages import Known, from_signed, is_pki_message, salvage_message

_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
_ENVELOPED_DATA = bytes.fromhex("06092a864886f70d010703")


@dataclass(frozen=True, slots=True)
class Anything:
    """What bytes are; ``kind`` in words, ``problem`` where they are nothing that can be read whole."""

    kind: str
    value: PkiMessage | CaCertificates | Content | Envelope | None
    notes: tuple[tuple[str, str], ...] = ()
    problem: str | None = None


def read_anything(encoded: bytes, known: Known, keys: Sequence[PrivateKey] = ()) -> Anything:
    """Tell what bytes are by their form."""
    if lacks_sequence(encoded):
        return _data(in_sequence(encoded), known, keys)
    claimed = claimed_length(encoded)
    if claimed is not None and claimed > len(encoded):
        problem = f"truncated: {len(encoded):,} of {claimed:,} bytes are there"
        left = salvage_message(encoded, problem)
        return Anything("pkiMessage, truncated" if left is not None else "unknown", left, (), problem)
    problem = ""
    for reader in (_message, _certificates, _envelope, _data, _crl, _encrypted, _without_content_info):
        try:
            return reader(encoded, known, keys)
        except (DecodeError, ValueError, TypeError, KeyError, IndexError) as error:
            problem = problem or str(error).splitlines()[0]
    return Anything("unknown", None, (), problem or "nothing that SCEP uses")


def _message(encoded: bytes, known: Known, keys: Sequence[PrivateKey]) -> Anything:
    signed = read_signed(encoded)
    if not is_pki_message(signed):
        raise DecodeError("a SignedData without SCEP's attributes")
    message, notes = from_signed(signed, encoded, known, keys)
    return Anything("pkiMessage", message, tuple(notes))


def _certificates(encoded: bytes, _known: Known, _keys: Sequence[PrivateKey]) -> Anything:
    certificates, notes = read_ca_certificates(encoded)
    if not certificates.certificates:
        raise DecodeError("a set without certificates")
    kind = {"x509": "certificate", "degenerate": "certificate set", "signed": "signed certificate set"}[
        certificates.form
    ]
    return Anything(kind, certificates, tuple(notes))


def _envelope(encoded: bytes, known: Known, keys: Sequence[PrivateKey]) -> Anything:
    envelope = read_envelope(encoded)
    notes: Notes = []
    if keys:
        try:
            content, _ = open_envelope(encoded, keys, known)
        except DecodeError as error:
            notes.append(("envelope-closed", str(error)))
        else:
            return Anything("envelope, opened", content, tuple(notes))
    return Anything("envelope", envelope, tuple(notes))


def _data(encoded: bytes, _known: Known, _keys: Sequence[PrivateKey]) -> Anything:
    content = read_message_data(encoded)
    if content.kind == "pkcs10":
        return Anything("PKCS #10 request", Content("pkcs10", len(encoded), csr=read_request(encoded)))
    return Anything(content.kind, content)


def _encrypted(encoded: bytes, _known: Known, _keys: Sequence[PrivateKey]) -> Anything:
    """EncryptedData (RFC 5652, Section 8) has no recipient: no key of a certificate opens it."""
    kind = content_type(oid_of(next(children_of(encoded), b"")))
    if kind != "encrypted_data":
        raise DecodeError(f"a CMS {kind}, which SCEP does not use")
    problem = "EncryptedData is encrypted with a secret that both sides know, and SCEP requires EnvelopedData"
    return Anything("CMS EncryptedData, not EnvelopedData", None, (), problem)


def _without_content_info(encoded: bytes, known: Known, keys: Sequence[PrivateKey]) -> Anything:
    """SignedData or EnvelopedData alone, as they are inside their ContentInfo (RFC 5652, Section 3): with it around, they are read."""
    fields = [each[:1] for each in children_of(encoded)]
    signed = fields[:4] == [b"\x02", b"\x31", b"\x30", b"\xa0"] or fields == [b"\x02", b"\x31", b"\x30", b"\x31"]
    enveloped = fields[:3] == [b"\x02", b"\x31", b"\x30"] and not signed
    if not signed and not enveloped:
        raise DecodeError("nothing that SCEP uses")
    oid = _SIGNED_DATA if signed else _ENVELOPED_DATA
    inside = read_anything(element(0x30, oid + element(0xA0, encoded)), known, keys)
    name = "SignedData" if signed else "EnvelopedData"
    note = "content-info-missing", f"the ContentInfo around the {name} is missing (RFC 5652, Section 3)"
    return Anything(inside.kind, inside.value, (note, *inside.notes), inside.problem)


def _crl(encoded: bytes, _known: Known, _keys: Sequence[PrivateKey]) -> Anything:
    return Anything("CRL", Content("crl", len(encoded), crls=(read_crl(encoded),)))
