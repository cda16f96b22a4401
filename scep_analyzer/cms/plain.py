"""Certificates of the usual form, read as elements: asn1crypto's types take twice as long, and most captures hold no others.

Whatever is not exactly of that form (RFC 5280, Section 4.1, in DER, an RSA key) is left to those types (``cms/certificates.py``), which
read leniently. ``tests/cms/test_plain.py`` holds the two against each other.
"""

import hashlib
from typing import NamedTuple

from scep_analyzer.cms import algorithms
from scep_analyzer.cms.ber import children_of, guarded, oid_of, read, serial_in
from scep_analyzer.cms.names import name_in
from scep_analyzer.cms.values import time_of
from scep_analyzer.model.anomalies import DecodeError
from scep_analyzer.model.certificates import Certificate, PublicKey

_BOOLEAN, _INTEGER, _BITS, _OCTETS, _OID, _SEQUENCE = 0x01, 0x02, 0x03, 0x04, 0x06, 0x30
_TIMES = (0x17, 0x18)
_VERSION_3 = b"\xa0\x03\x02\x01\x02"
_EXTENSIONS = 0xA3
_NULL = b"\x05\0"
_RSA = bytes.fromhex("300d06092a864886f70d0101010500")
"""The AlgorithmIdentifier of rsaEncryption with its NULL (RFC 3279, Section 2.3.1)."""


class Extension(NamedTuple):
    """One extension: its value, and all of it."""

    critical: bool
    value: bytes
    encoded: bytes


class Plain(NamedTuple):
    """A certificate without what its extensions say, and those by their OIDs."""

    certificate: Certificate
    extensions: dict[str, Extension]


def read_plain(encoded: bytes) -> Plain | None:
    """A certificate of the usual form, None for every other."""
    try:
        body, algorithm, _ = _parts(guarded(encoded), _SEQUENCE, _SEQUENCE, _BITS)
        fields = list(children_of(body))
        extensions = _extensions(fields.pop()) if fields[-1][0] == _EXTENSIONS else {}
        if fields[0] == _VERSION_3:
            del fields[0]
        number, _, issuer, validity, subject, key = _of(fields, _INTEGER, *[_SEQUENCE] * 5)
        not_before, not_after = [read(each) for each in children_of(validity) if each[0] in _TIMES]
        names = name_in(subject), name_in(issuer)
        certificate = Certificate(
            subject=names[0],
            issuer=names[1],
            serial_number=serial_in(number),
            not_before=time_of(not_before.tag, not_before.content),
            not_after=time_of(not_after.tag, not_after.content),
            public_key=_key(key),
            signature_algorithm=algorithms.name_of(_usual_algorithm(algorithm)),
            fingerprint_sha256=hashlib.sha256(encoded).hexdigest(),
            fingerprint_sha1=hashlib.sha1(encoded, usedforsecurity=False).hexdigest(),
            is_ca=False,
            self_issued=names[0] == names[1],
            key_usage=None,
            extended_key_usage=None,
            subject_alt_names=(),
            critical_extensions=(),
            encoded=encoded,
        )
    except (ValueError, IndexError, DecodeError):  # of another form, or damaged
        return None
    return Plain(certificate, extensions)


def _of(found: list[bytes], *firsts: int) -> list[bytes]:
    """The same elements, where they begin with these bytes."""
    if [each[0] for each in found] != list(firsts):
        raise ValueError("of another form")
    return found


def _parts(encoded: bytes, *firsts: int) -> list[bytes]:
    _of([encoded], _SEQUENCE)
    return _of(list(children_of(encoded)), *firsts)


def _usual_algorithm(encoded: bytes) -> str:
    """The OID of an AlgorithmIdentifier whose parameters are NULL."""
    if encoded[-2:] != _NULL:
        raise ValueError("of another form")
    return oid_of(_parts(encoded, _OID, _NULL[0])[0])


def _extensions(tagged: bytes) -> dict[str, Extension]:
    """The extensions, no OID twice."""
    [every] = _of(list(children_of(tagged)), _SEQUENCE)
    found: dict[str, Extension] = {}
    for each in children_of(every):
        _of([each], _SEQUENCE)
        parts = list(children_of(each))
        marked = len(parts) == 3
        _of(parts, *((_OID, _BOOLEAN, _OCTETS) if marked else (_OID, _OCTETS)))
        oid = oid_of(parts[0])
        if oid in found:
            raise ValueError("an extension twice")
        critical = marked and read(parts[1]).content != b"\0"
        found[oid] = Extension(critical=critical, value=read(parts[-1]).content, encoded=each)
    return found


def oids_in(value: bytes) -> list[str] | None:
    """The OIDs of a SEQUENCE of OIDs and of nothing else, None for every other element."""
    try:
        found = list(children_of(value))
        return [oid_of(each) for each in _of(found, *[_OID] * len(found))] if value[0] == _SEQUENCE else None
    except (ValueError, IndexError, DecodeError):
        return None


def _key(info: bytes) -> PublicKey:
    algorithm, bits = _parts(info, _SEQUENCE, _BITS)
    key = read(bits).content
    if algorithm != _RSA or key[0]:
        raise ValueError("of another form")
    modulus = read(_parts(key[1:], _INTEGER, _INTEGER)[0]).content
    size = int.from_bytes(modulus, "big").bit_length()
    if modulus[0] >= 0x80 or size % 8 == 1:  # negative; for a power of two asn1crypto says another number
        raise ValueError("of another form")
    return PublicKey(algorithm="rsa", bits=-(-size // 8) * 8, curve=None, encoded=info)
