"""SignedData (RFC 5652, Section 5): who signed which attributes over which content."""

import re
from typing import NamedTuple

from scep_analyzer.cms import algorithms, names
from scep_analyzer.cms.ber import (
    ASN1_ERRORS,
    OCTET_STRING,
    Element,
    algorithm_of,
    children,
    children_of,
    claimed_length,
    element_length,
    is_indefinite,
    oid_of,
    read,
    serial_in,
)
from scep_analyzer.cms.certificates import read_certificate
from scep_analyzer.cms.values import integer
from scep_analyzer.cms.verification import check_attributes, check_digest, check_signature
from scep_analyzer.model.anomalies import DecodeError
from scep_analyzer.model.certificates import Certificate
from scep_analyzer.model.limits import BOUNDS
from scep_analyzer.model.patterns import lazily
from scep_analyzer.model.remembered import remembered
from scep_analyzer.model.verdict import Verdict

SIGNED_DATA = "1.2.840.113549.1.7.2"
_MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
# First bytes of the elements of a SignedData and of a SignerInfo (RFC 5652, Sections 5.1 and 5.3).
_FORM = lazily(rb"\x02\x31\x30\xa0?\xa1?\x31")
_SIGNER_FORM = lazily(rb"\x02[\x30\x80]\x30\xa0?\x30[\x04\x24]\xa1?", re.DOTALL)
_CONTENT_TYPE = "1.2.840.113549.1.9.3"

Notes = list[tuple[str, str]]


class Signer(NamedTuple):
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
    attribute_types: tuple[str, ...] = ()
    """The OID of every signed attribute as sent, one that stands twice twice."""

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


class Signed(NamedTuple):
    """A SignedData. ``content`` is None where the eContent is absent. ``notes`` are anomalies: (code, detail)."""

    content: bytes | None
    certificates: tuple[Certificate, ...]
    signers: tuple[Signer, ...]
    length: int
    notes: tuple[tuple[str, str], ...]


@remembered(64, 64 * 1024)
def read_signed(encoded: bytes) -> Signed:
    """Read a ContentInfo that holds SignedData; DecodeError says where it stops being one.

    The last ones are remembered: a message is looked at before it is read, and behind a proxy it comes by twice.
    """
    claimed = claimed_length(encoded)
    if claimed is not None and claimed > len(encoded):
        raise DecodeError(f"truncated: {len(encoded):,} of {claimed:,} bytes are there")
    notes: Notes = []
    try:
        length = element_length(encoded)
        parts = _signed_data(encoded[:length], notes)
        if is_indefinite(encoded):
            notes.append(("ber-indefinite", "BER with indefinite lengths, where DER is usual"))
        if length < len(encoded):
            notes.append(("trailing-bytes", f"{len(encoded) - length} bytes follow the message"))
        return Signed(
            content=_content(parts.content_info, notes),
            certificates=tuple(_certificates(parts.certificates, notes)),
            signers=tuple(_signer(each, notes) for each in parts.signer_infos),
            length=length,
            notes=tuple(notes),
        )
    except ASN1_ERRORS as error:
        if isinstance(error, DecodeError):
            raise
        raise DecodeError(f"no SignedData: {str(error).splitlines()[0]}") from error


class _Parts(NamedTuple):
    """The elements of a SignedData, undecoded."""

    content_info: bytes
    certificates: list[bytes]
    signer_infos: list[bytes]


def _signed_data(encoded: bytes, notes: Notes) -> _Parts:
    """The SignedData inside a ContentInfo, by its form where its contentType says something else."""
    fields = list(children_of(encoded))
    if len(fields) != 2 or fields[0][:1] != b"\x06" or fields[1][:1] != b"\xa0":
        raise DecodeError("no CMS ContentInfo")
    oid = oid_of(fields[0])
    parts = list(children_of(next(children_of(fields[1]), b"")))
    form = bytes(each[0] for each in parts)
    if _FORM.fullmatch(form) is None or (oid != SIGNED_DATA and not read(parts[-1]).content):
        raise DecodeError(f"a CMS {algorithms.content_type(oid)} where a SignedData is expected")
    if oid != SIGNED_DATA:
        kind = algorithms.content_type(oid)
        notes.append(("content-type-wrong", f"the contentType says {kind}, the content is a SignedData"))
    version = integer(read(parts[0]).content)
    if version not in (1, 3):
        notes.append(
            (
                "version-odd",
                f"SignedData version {version or 'unreadable'}, where 1 or 3 belongs",
            )
        )
    certificates = list(children_of(parts[3])) if form[3:4] == b"\xa0" else []
    return _Parts(parts[2], certificates, list(children_of(parts[-1])))


def _certificates(encoded: list[bytes], notes: Notes) -> list[Certificate]:
    """The certificates, in order; one that cannot be read does not take the message with it."""
    found = []
    if len(encoded) > BOUNDS.certificates_each:
        what = f"{len(encoded):,} certificates; the first {BOUNDS.certificates_each} are read"
        notes.append(("limit-certificates", what))
    for each in encoded[: BOUNDS.certificates_each]:
        if each[:1] != b"\x30":  # an attribute certificate or another format (RFC 5652, Section 10.2.2)
            continue
        try:
            found.append(read_certificate(each))
        except DecodeError as error:
            notes.append(("certificate-unreadable", str(error)))
    if len({each.fingerprint_sha256 for each in found}) < len(found):
        notes.append(("certificate-duplicate", "a certificate stands more than once in the set"))
    return found


def certificates_in(parts: list[bytes]) -> list[Certificate]:
    """The certificates of a SignedData, given by its elements, in order; those that cannot be read are left out."""
    field = next((each for each in parts if each[0] == 0xA0), None)
    return _certificates(list(children_of(field)), []) if field is not None else []


def read_certificate_set(encoded: bytes) -> list[Certificate]:
    """The certificates of a degenerate SignedData (RFC 8894, Section 3.4), or of any other."""
    fields = list(children_of(encoded))
    kind = algorithms.content_type(oid_of(fields[0])) if fields else "?"
    if kind != "signed_data" or len(fields) < 2:
        raise DecodeError(f"no certificate set: a {kind} where a SignedData is expected")
    return certificates_in(list(children_of(next(children_of(fields[1]), b""))))


def _content(content_info: bytes, notes: Notes) -> bytes | None:
    fields = list(children_of(content_info))
    inner = read(fields[1]).content if len(fields) > 1 else b""  # the explicit [0]
    if not inner:
        return None
    element = read(inner)
    if element.tag == OCTET_STRING:
        return element.content
    # PKCS #7 1.5 allowed any type here; the digest is then made over the value without its header.
    notes.append(("content-not-octets", "the signed content is not wrapped in an OCTET STRING"))
    return inner


def _signer(encoded: bytes, notes: Notes) -> Signer:
    parts = list(children_of(encoded))
    form = bytes(each[0] for each in parts)
    if _SIGNER_FORM.fullmatch(form) is None:
        raise DecodeError("a SignerInfo is not of the form that RFC 5652, Section 5.3 gives it")
    identity = None
    if form[1] == 0x30:
        issuer, number = list(children_of(parts[1]))[:2]
        identity = names.name_in(issuer), serial_in(number)
    attributes: dict[str, list[Element]] = {}
    sent: bytes | None = None
    sent_types: list[str] = []
    rest = parts[3:]
    if form[3] == 0xA0:
        # Read below asn1crypto's types: it refuses the whole message where a value is not of the type it expects.
        sent, rest = read(parts[3]).content, parts[4:]
        each_encoded = list(children(sent))
        for attribute in each_encoded:
            kind, values = list(children_of(attribute))[:2]
            try:
                oid = oid_of(kind)
            except DecodeError as error:
                notes.append(("attribute-unreadable", str(error)))
                continue
            sent_types.append(oid)
            attributes.setdefault(oid, []).extend(map(read, children_of(values)))
        if each_encoded != sorted(each_encoded):
            notes.append(("attributes-unsorted", "the signed attributes are not in DER order"))
        if _CONTENT_TYPE not in attributes:
            notes.append(("content-type-missing", "the signed attributes lack contentType, which openssl cms refuses"))
    return Signer(
        identity=identity,
        digest_algorithm=algorithms.name_of(algorithm_of(parts[2])),
        signature_algorithm=algorithms.name_of(algorithm_of(rest[0])),
        attributes={oid: tuple(values) for oid, values in attributes.items()},
        attributes_sent=sent,
        signature=read(rest[1]).content,
        attribute_types=tuple(sent_types),
    )
