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
from scep_analyzer.cms.certificates import certificates_in, serial
from scep_analyzer.model.anomalies import DecodeError
from scep_analyzer.model.certificates import Certificate

SIGNED_DATA = "1.2.840.113549.1.7.2"


@dataclass(frozen=True, slots=True)
class Signer:
    """One SignerInfo. ``identity`` is issuer and serial number, None where a key identifier names the signer.

    ``attributes`` maps the OID of each signed attribute to its values.
    """

    identity: tuple[str, str] | None
    digest_algorithm: str
    signature_algorithm: str
    attributes: dict[str, tuple[Element, ...]]


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
    try:
        info = cms.ContentInfo.load(encoded)
        if info["content_type"].dotted != SIGNED_DATA:
            raise DecodeError(f"a CMS {info['content_type'].native} where a SignedData is expected")
        data = info["content"]
        length = element_length(encoded)
        return Signed(
            _content(data),
            tuple(certificates_in(data)),
            tuple(_signer(each) for each in data["signer_infos"]),
            length,
            tuple(_notes(encoded, length)),
        )
    except ASN1_ERRORS as error:
        if isinstance(error, DecodeError):
            raise
        raise DecodeError(f"no SignedData: {str(error).splitlines()[0]}") from error


def _notes(encoded: bytes, length: int) -> list[tuple[str, str]]:
    notes = []
    if is_indefinite(encoded):
        notes.append(("ber-indefinite", "BER with indefinite lengths, where DER is usual"))
    if length < len(encoded):
        notes.append(("trailing-bytes", f"{len(encoded) - length} bytes follow the message"))
    return notes


def _content(data: Any) -> bytes | None:
    content = data["encap_content_info"]["content"]
    encoded = content.dump() if content is not None else b""
    if not encoded:
        return None
    inner = read(encoded).content  # the explicit [0]
    element = read(inner)
    # PKCS #7 1.5 allowed any type here, CMS wraps it in an OCTET STRING.
    return element.content if element.tag == OCTET_STRING else inner


def _signer(info: Any) -> Signer:
    sid = info["sid"]
    identity = None
    if sid.name == "issuer_and_serial_number":
        identity = names.name_of(sid.chosen["issuer"]), serial(sid.chosen["serial_number"])
    attributes: dict[str, tuple[Element, ...]] = {}
    for attribute in info["signed_attrs"] or ():
        # Read below asn1crypto's types: it refuses the whole message where a value is not of the type it expects.
        kind, values = list(children(read(attribute.dump()).content))[:2]
        oid = core.ObjectIdentifier.load(kind).dotted
        attributes[oid] = attributes.get(oid, ()) + tuple(map(read, children(read(values).content)))
    return Signer(
        identity,
        algorithms.name_of(info["digest_algorithm"]["algorithm"].dotted),
        algorithms.name_of(info["signature_algorithm"]["algorithm"].dotted),
        attributes,
    )
