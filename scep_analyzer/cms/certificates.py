"""X.509 certificates, read leniently: a field that cannot be read is None, the rest stays (RFC 5280)."""

import hashlib
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from asn1crypto import x509

from scep_analyzer.cms import algorithms, names
from scep_analyzer.cms.ber import ASN1_ERRORS, element_length, loaded, read, serial_in
from scep_analyzer.cms.challenge import shown
from scep_analyzer.cms.plain import Extension, oids_in, read_plain
from scep_analyzer.cms.values import dotted, time_of
from scep_analyzer.model.anomalies import DecodeError
from scep_analyzer.model.certificates import Certificate, PublicKey
from scep_analyzer.model.limits import BOUNDS
from scep_analyzer.model.remembered import remembered

T = TypeVar("T")

# RFC 5280, Section 4.2.1.3, in bit order.
KEY_USAGES = (
    "digitalSignature",
    "nonRepudiation",
    "keyEncipherment",
    "dataEncipherment",
    "keyAgreement",
    "keyCertSign",
    "cRLSign",
    "encipherOnly",
    "decipherOnly",
)

EXTENDED_KEY_USAGES = {
    "2.5.29.37.0": "anyExtendedKeyUsage",
    "1.3.6.1.5.5.7.3.1": "serverAuth",
    "1.3.6.1.5.5.7.3.2": "clientAuth",
    "1.3.6.1.5.5.7.3.3": "codeSigning",
    "1.3.6.1.5.5.7.3.4": "emailProtection",
    "1.3.6.1.5.5.7.3.5": "ipsecEndSystem",
    "1.3.6.1.5.5.7.3.8": "timeStamping",
    "1.3.6.1.5.5.7.3.9": "OCSPSigning",
    "1.3.6.1.5.5.7.3.17": "ipsecIKE",
    "1.3.6.1.5.5.8.2.2": "iKEIntermediate",
    "1.3.6.1.4.1.311.10.3.4": "encryptingFileSystem",
    "1.3.6.1.4.1.311.20.2.1": "certificateRequestAgent",
    "1.3.6.1.4.1.311.20.2.2": "smartcardLogon",
}

EXTENSIONS = {
    "2.5.29.14": "subjectKeyIdentifier",
    "2.5.29.15": "keyUsage",
    "2.5.29.17": "subjectAltName",
    "2.5.29.19": "basicConstraints",
    "2.5.29.30": "nameConstraints",
    "2.5.29.31": "cRLDistributionPoints",
    "2.5.29.32": "certificatePolicies",
    "2.5.29.35": "authorityKeyIdentifier",
    "2.5.29.36": "policyConstraints",
    "2.5.29.37": "extKeyUsage",
    "1.3.6.1.5.5.7.1.1": "authorityInfoAccess",
    "1.3.6.1.4.1.311.20.2": "certificateTemplateName",
    "1.3.6.1.4.1.311.21.7": "certificateTemplate",
    "1.3.6.1.4.1.311.21.10": "applicationPolicies",
    "1.3.6.1.4.1.311.25.2": "ntdsSecurityIdentifier",
}
_UPN = "1.3.6.1.4.1.311.20.2.3"


def read_certificate(encoded: bytes) -> Certificate:
    """Read one certificate; DecodeError where not even its outline is there."""
    try:
        size = element_length(encoded)
        if size > BOUNDS.certificate_bytes:
            what = f"{size:,} bytes, more than {BOUNDS.certificate_bytes:,} are not read as a certificate"
            raise DecodeError(f"{what} (limit-certificate)")
        return _read(bytes(encoded[:size]))
    except ASN1_ERRORS as error:
        raise DecodeError(f"no certificate: {str(error).splitlines()[0]}") from error


@remembered(1024, 4096)
def _read(encoded: bytes) -> Certificate:
    plain = read_plain(encoded)
    return _typed(encoded) if plain is None else _told(*plain)


def _told(certificate: Certificate, extensions: dict[str, Extension]) -> Certificate:
    """A certificate of the usual form, and what its extensions say."""
    if not extensions:
        return certificate
    values = {oid: each.value for oid, each in extensions.items()}
    usage, constraints, purposes = values.get(_USAGE), values.get(_CONSTRAINTS), values.get(_PURPOSES)
    oids = oids_in(purposes) if purposes is not None else None
    usual = (usage is None or _is_usual(usage)) and constraints in _IS_CA and (purposes is None or oids is not None)
    if not usual or _ALT_NAMES in values:
        needed = [oid for oid in _TOLD if oid in extensions]
        told = _of_extensions(
            {oid: or_none(partial(loaded, x509.Extension, extensions[oid].encoded)) for oid in needed}
        )
    else:
        bits = or_none(partial(_usage_in, usage)) if usage is not None else None
        told = {
            "is_ca": _IS_CA[constraints] or (bits is not None and "keyCertSign" in bits),
            "key_usage": bits,
            "extended_key_usage": _purposes(oids) if oids is not None else None,
        }
    critical = tuple(EXTENSIONS.get(oid, oid) for oid, each in extensions.items() if each.critical)
    return certificate._replace(**told, critical_extensions=critical)


def _is_usual(bits: bytes) -> bool:
    """Whether it is a BIT STRING of one or two octets."""
    return bits[:2] in (b"\x03\2", b"\x03\3") and len(bits) == 2 + bits[1] and bits[2] < 8


_IS_CA = {None: False, b"\x30\0": False, b"\x30\x03\x01\x01\xff": True}
"""The usual values of basicConstraints."""
_USAGE, _ALT_NAMES, _CONSTRAINTS, _PURPOSES = _TOLD = ("2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.37")
"""The extensions whose contents are fields of a certificate."""


def _of_extensions(extensions: dict[str, Any]) -> dict[str, Any]:
    """The fields that extensions tell, by asn1crypto's."""
    usage = or_none(lambda: key_usage_of(extensions[_USAGE]))
    constraints = extensions.get(_CONSTRAINTS)
    is_ca = bool(constraints is not None and or_none(lambda: constraints["extn_value"].parsed["ca"].native))
    return {
        "is_ca": is_ca or (usage is not None and "keyCertSign" in usage),
        "key_usage": usage,
        "extended_key_usage": or_none(lambda: extended_key_usage_of(extensions[_PURPOSES])),
        "subject_alt_names": or_none(lambda: alt_names_of(extensions[_ALT_NAMES])) or (),
    }


def _typed(encoded: bytes) -> Certificate:
    """Any certificate, by asn1crypto's types."""
    certificate = loaded(x509.Certificate, encoded)
    body = certificate["tbs_certificate"]
    subject, issuer = names.name_of(body["subject"]), names.name_of(body["issuer"])
    extensions = or_none(lambda: {oid_in(each["extn_id"]): each for each in body["extensions"] or ()}) or {}
    return Certificate(
        subject=subject,
        issuer=issuer,
        serial_number=serial(body["serial_number"]),
        not_before=_time(body["validity"], "not_before"),
        not_after=_time(body["validity"], "not_after"),
        public_key=public_key_of(body["subject_public_key_info"]),
        signature_algorithm=or_none(
            lambda: algorithms.name_of(oid_in(certificate["signature_algorithm"]["algorithm"]))
        ),
        fingerprint_sha256=hashlib.sha256(encoded).hexdigest(),
        fingerprint_sha1=hashlib.sha1(encoded, usedforsecurity=False).hexdigest(),
        self_issued=subject == issuer,
        **_of_extensions(extensions),
        critical_extensions=tuple(
            EXTENSIONS.get(oid, oid)
            for oid, each in extensions.items()
            if or_none(lambda each=each: each["critical"].native)  # type: ignore[misc]  # mypy cannot infer a lambda's default
        ),
        encoded=encoded,
    )


def or_none(read_field: Callable[[], T]) -> T | None:
    """What the function gives, None where asn1crypto cannot read it."""
    try:
        return read_field()
    except (*ASN1_ERRORS, DecodeError):
        return None


def serial(number: Any) -> str:
    """An asn1crypto serial number, as :func:`serial_in` writes it."""
    return serial_in(number.dump())


def oid_in(value: Any) -> str:
    """An asn1crypto OBJECT IDENTIFIER in dots."""
    return dotted(value.contents or b"")


def time_in(value: Any) -> datetime | None:
    """An asn1crypto Time."""
    element = or_none(lambda: read(value.dump()))
    return time_of(element.tag, element.content) if element is not None else None


def _time(validity: Any, which: str) -> datetime | None:
    return or_none(lambda: time_in(validity[which]))


def public_key_of(info: Any) -> PublicKey | None:
    """The key in an asn1crypto SubjectPublicKeyInfo."""
    encoded = or_none(lambda: bytes(info.dump()))
    if encoded is None:
        return None
    algorithm = (
        or_none(lambda: str(info.algorithm)) or or_none(lambda: oid_in(info["algorithm"]["algorithm"])) or "unknown"
    )
    bits = or_none(lambda: int(info.bit_size))
    curve = or_none(lambda: str(info.curve[1])) if algorithm == "ec" else None
    return PublicKey(algorithm, bits, curve, encoded)


def key_usage_of(extension: Any) -> tuple[str, ...]:
    """The names of the bits that are set."""
    return _usage_in(extension["extn_value"].contents)


def _usage_in(value: bytes) -> tuple[str, ...]:
    bits = read(value).content  # first octet: unused bits
    return tuple(
        name for at, name in enumerate(KEY_USAGES) if at // 8 + 1 < len(bits) and bits[at // 8 + 1] & 0x80 >> at % 8
    )


def extended_key_usage_of(extension: Any) -> tuple[str, ...]:
    """The purposes by name, unknown ones by OID."""
    return _purposes(map(oid_in, extension["extn_value"].parsed))


def _purposes(oids: Iterable[str]) -> tuple[str, ...]:
    return tuple(EXTENDED_KEY_USAGES.get(oid, oid) for oid in oids)


def alt_names_of(extension: Any) -> tuple[str, ...]:
    """The alternative names, each with its kind: DNS:…, IP:…, email:…, URI:…, UPN:…."""
    return tuple(_general_name(each) for each in extension["extn_value"].parsed)


_TEXT_NAMES = {"dns_name": "DNS", "rfc822_name": "email", "uniform_resource_identifier": "URI"}


def _general_name(name: Any) -> str:
    kind, value = name.name, name.chosen
    if kind in _TEXT_NAMES:
        return f"{_TEXT_NAMES[kind]}:{value.contents.decode('latin-1')}"
    if kind == "ip_address":
        return f"IP:{value.native}"
    if kind == "directory_name":
        return f"DirName:{names.name_of(value)}"
    if kind == "registered_id":
        return f"RID:{oid_in(value)}"
    if kind == "other_name":
        oid = oid_in(value["type_id"])
        inner = read(value["value"].dump()).content  # the explicit [0] around the value
        text = read(inner).text()
        return f"{'UPN' if oid == _UPN else oid}:{text if text is not None else shown(inner)}"
    return f"{kind}:{shown(value.dump())}"
