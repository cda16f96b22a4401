"""SignedData (RFC 5652, Section 5): who signed which attributes over which content."""

from dataclasses import dataclass
from typing import Any

from asn1crypto import cms, core

from scep_analyzer.cms import algorithms, names
from scep_analyzer.cms.ber import (
    ASN1_ERRORS,
    OCTET_STRING,
    Element,
    children,
    claimed_length,
    element_length,
    is_indefinite,
    read,
)
from scep_analyzer.cms.certificates import read_certificate, serial
from scep_analyzer.cms.verification import check_attributes, check_digest, check_signature
from scep_analyzer.model.anomalies import DecodeError
from scep_analyzer.model.certificates import Certificate
from scep_analyzer.model.verdict import Verdict

SIGNED_DATA = "1.2.840.113549.1.7.2"
_MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
_CONTENT_TYPE = "1.2.840.113549.1.9.3"

Notes = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Signer:
    """One SignerInfo. ``identity`` is issuer and serial number, None where a key identifier names the signer.

    ``attributes`` maps the OID of each signed attribute to its values; ``attributes_sent`` is the content of their SET as sent,
    None where there are none.
    """

    identity: tuple[str, str] | None
    digest_algorithm: str
    signature_algorithm: str
    attributes: dict[str, tuple[Element, ...]]
    attributes_sent: bytes | None
    signature: bytes

    def check_digest(self, content: bytes) -> Verdict:
        """Whether messageDigest is the digest of the content."""
        values = self.attributes.get(_MESSAGE_DIGEST)
        return check_digest(content, self.digest_algorithm, values[0].content if values else None)

    def check_signature(self, certificate: Certificate, content: bytes) -> Verdict:
        """Whether the certificate's key made the signature."""
        if certificate.public_key is None:
            return Verdict(None, "the signer's public key cannot be read")
        key = certificate.public_key.encoded
        if self.attributes_sent is None:
            return check_signature(key, content, self.signature, self.signature_algorithm, self.digest_algorithm)
        return check_attributes(
            key, self.attributes_sent, self.signature, self.signature_algorithm, self.digest_algorithm
        )


@dataclass(frozen=True, slots=True)
class Signed:
    """A SignedData. ``content`` is None where the eContent is absent. ``notes`` are oddities: (code, detail)."""

    content: bytes | None
    certificates: tuple[Certificate, ...]
    signers: tuple[Signer, ...]
    length: int
    notes: tuple[tuple[str, str], ...]


def read_signed(encoded: bytes) -> Signed:
    """Read a ContentInfo that holds SignedData; DecodeError says where it stops being one."""
    claimed = claimed_length(encoded)
    if claimed is not None and claimed > len(encoded):
        raise DecodeError(f"truncated: {len(encoded):,} of {claimed:,} bytes are there")
    notes: Notes = []
    try:
        length = element_length(encoded)
        data = _signed_data(encoded[:length], notes)
        if is_indefinite(encoded):
            notes.append(("ber-indefinite", "BER with indefinite lengths, where DER is usual"))
        if length < len(encoded):
            notes.append(("trailing-bytes", f"{len(encoded) - length} bytes follow the message"))
        return Signed(
            _content(data, notes),
            tuple(_certificates(data, notes)),
            tuple(_signer(each, notes) for each in data["signer_infos"]),
            length,
            tuple(notes),
        )
    except ASN1_ERRORS as error:
        if isinstance(error, DecodeError):
            raise
        raise DecodeError(f"no SignedData: {str(error).splitlines()[0]}") from error


def _signed_data(encoded: bytes, notes: Notes) -> Any:
    """The SignedData inside a ContentInfo, by its form where its contentType says something else."""
    fields = list(children(read(encoded).content))
    if len(fields) != 2 or fields[0][:1] != b"\x06" or fields[1][:1] != b"\xa0":
        raise DecodeError("no CMS ContentInfo")
    oid = core.ObjectIdentifier.load(fields[0]).dotted
    data = cms.SignedData.load(read(fields[1]).content)
    if oid != SIGNED_DATA:
        kind = cms.ContentType.map(oid) if oid in cms.ContentType._map else oid  # the only list of names
        try:
            signers = list(data["signer_infos"])
        except ASN1_ERRORS as error:
            raise DecodeError(f"a CMS {kind} where a SignedData is expected") from error
        if not signers:
            raise DecodeError(f"a CMS {kind} where a SignedData is expected")
        notes.append(("content-type-wrong", f"the contentType says {kind}, the content is a SignedData"))
    version = data["version"].dump()
    if int.from_bytes(read(version).content, "big") not in (1, 3):
        notes.append(
            ("version-odd", f"SignedData version {int.from_bytes(read(version).content, 'big')}, where 1 or 3 belongs")
        )
    return data


def _certificates(data: Any, notes: Notes) -> list[Certificate]:
    """The certificates, in order; one that cannot be read does not take the message with it."""
    found = []
    for choice in data["certificates"] or ():
        if choice.name != "certificate":
            continue
        try:
            found.append(read_certificate(choice.chosen.dump()))
        except DecodeError as error:
            notes.append(("certificate-unreadable", str(error)))
    if len({each.fingerprint_sha256 for each in found}) < len(found):
        notes.append(("certificate-duplicate", "a certificate stands more than once in the set"))
    return found


def _content(data: Any, notes: Notes) -> bytes | None:
    content = data["encap_content_info"]["content"]
    encoded = content.dump() if content is not None else b""
    if not encoded:
        return None
    inner = read(encoded).content  # the explicit [0]
    if not inner:
        return None
    element = read(inner)
    if element.tag == OCTET_STRING:
        return element.content
    # PKCS #7 1.5 allowed any type here; the digest is then made over the value without its header.
    notes.append(("content-not-octets", "the signed content is not wrapped in an OCTET STRING"))
    return inner


def _signer(info: Any, notes: Notes) -> Signer:
    sid = info["sid"]
    identity = None
    if sid.name == "issuer_and_serial_number":
        identity = names.name_of(sid.chosen["issuer"]), serial(sid.chosen["serial_number"])
    attributes: dict[str, tuple[Element, ...]] = {}
    sent: bytes | None = None
    if info["signed_attrs"]:
        # Read below asn1crypto's types: it refuses the whole message where a value is not of the type it expects.
        sent = read(info["signed_attrs"].dump()).content
        encoded = list(children(sent))
        for attribute in encoded:
            kind, values = list(children(read(attribute).content))[:2]
            oid = core.ObjectIdentifier.load(kind).dotted
            attributes[oid] = attributes.get(oid, ()) + tuple(map(read, children(read(values).content)))
        if encoded != sorted(encoded):
            notes.append(("attributes-unsorted", "the signed attributes are not in DER order"))
        if _CONTENT_TYPE not in attributes:
            notes.append(("content-type-missing", "the signed attributes lack contentType, which openssl cms refuses"))
    return Signer(
        identity,
        algorithms.name_of(info["digest_algorithm"]["algorithm"].dotted),
        algorithms.name_of(info["signature_algorithm"]["algorithm"].dotted),
        attributes,
        sent,
        read(info["signature"].dump()).content,
    )
