"""Extensions in words: those that a reader of an enrollment asks for; others in hex (RFC 5280, Section 4.2, and Microsoft's)."""

import re
from collections.abc import Iterable
from functools import cache
from typing import Any

from asn1crypto import core, x509

from scep_analyzer.cms.ber import children_of, loaded, oid_of, read
from scep_analyzer.cms.certificates import (
    EXTENSIONS,
    alt_names_of,
    extended_key_usage_of,
    key_usage_of,
    oid_in,
    or_none,
)
from scep_analyzer.cms.challenge import shown
from scep_analyzer.model.certificates import Certificate
from scep_analyzer.model.content import NamedValue

_SID = re.compile(rb"S-1-[0-9-]+")


def extensions_of(certificate: Certificate) -> tuple[NamedValue, ...]:
    """Every extension of a certificate, in order; none where they cannot be read."""
    return extensions_in_words(_extensions(certificate))


def _extensions(certificate: Certificate) -> list[Any]:
    every = or_none(lambda: list(loaded(x509.Certificate, certificate.encoded)["tbs_certificate"]["extensions"] or ()))
    return every or []


def holds(certificate: Certificate, oid: str) -> bool:
    """Whether a certificate has this extension. Most do not have the bytes of its OID, and are not read for it."""
    return _encoded(oid) in certificate.encoded and any(
        oid_in(each["extn_id"]) == oid for each in _extensions(certificate)
    )


@cache
def _encoded(oid: str) -> bytes:
    encoded: bytes = core.ObjectIdentifier(oid).dump()
    return encoded


def extensions_in_words(extensions: Iterable[Any]) -> tuple[NamedValue, ...]:
    """Those that can be read."""
    found = (or_none(lambda each=each: extension_in_words(each)) for each in extensions)  # type: ignore[misc]  # mypy cannot infer a lambda's default
    return tuple(each for each in found if each is not None)


def extension_in_words(extension: Any) -> NamedValue:
    """An extension with its value in words where it is one of the common ones, else in hex."""
    oid = oid_in(extension["extn_id"])
    reader = _READERS.get(oid)
    words = or_none(lambda: ", ".join(reader(extension))) if reader is not None else None
    raw = or_none(lambda: shown(bytes(extension["extn_value"].contents))) or ""
    critical = bool(or_none(lambda: extension["critical"].native))
    return NamedValue(oid, EXTENSIONS.get(oid), words if words is not None else raw, critical)


def _constraints(extension: Any) -> tuple[str, ...]:
    value = extension["extn_value"].parsed
    length = value["path_len_constraint"].native
    return (f"CA:{'TRUE' if value['ca'].native else 'FALSE'}", *((f"pathlen:{length}",) if length is not None else ()))


def _key_identifier(extension: Any) -> tuple[str, ...]:
    return (read(extension["extn_value"].contents).content.hex(),)


def _authority(extension: Any) -> tuple[str, ...]:
    value = extension["extn_value"].parsed["key_identifier"].native
    return (value.hex(),) if value else ()


def _distribution_points(extension: Any) -> tuple[str, ...]:
    points = extension["extn_value"].parsed
    return tuple(url for point in points if (url := or_none(lambda point=point: point.url)))  # type: ignore[misc]  # mypy cannot infer a lambda's default


def _access(extension: Any) -> tuple[str, ...]:
    return tuple(
        f"{each['access_method'].native}:{each['access_location'].native}" for each in extension["extn_value"].parsed
    )


def _template_name(extension: Any) -> tuple[str, ...]:
    return (read(extension["extn_value"].contents).text() or "",)


def _directory_sid(extension: Any) -> tuple[str, ...]:
    """The SID of the account, as text inside an otherName (KB5014754)."""
    return tuple(each.decode("ascii") for each in _SID.findall(extension["extn_value"].contents))


def _template(extension: Any) -> tuple[str, ...]:
    fields = list(children_of(extension["extn_value"].contents))
    numbers = [str(int.from_bytes(read(each).content, "big")) for each in fields[1:]]
    return (oid_of(fields[0]), *(f"version {number}" for number in numbers[:1]))


_READERS = {
    "2.5.29.17": alt_names_of,
    "2.5.29.15": key_usage_of,
    "2.5.29.37": extended_key_usage_of,
    "2.5.29.19": _constraints,
    "2.5.29.14": _key_identifier,
    "2.5.29.35": _authority,
    "2.5.29.31": _distribution_points,
    "1.3.6.1.5.5.7.1.1": _access,
    "1.3.6.1.4.1.311.20.2": _template_name,
    "1.3.6.1.4.1.311.21.7": _template,
    "1.3.6.1.4.1.311.25.2": _directory_sid,
}
