"""Distinguished names → RFC 4514 strings, in the order and with the short names that `openssl -nameopt RFC2253` prints."""

from typing import Any

from scep_analyzer.cms.ber import children, oid_of, read
from scep_analyzer.cms.challenge import shown
from scep_analyzer.model.anomalies import DecodeError
from scep_analyzer.model.remembered import remembered

_TYPES = {
    "2.5.4.3": "CN",
    "2.5.4.4": "SN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "street",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.12": "title",
    "2.5.4.13": "description",
    "2.5.4.15": "businessCategory",
    "2.5.4.17": "postalCode",
    "2.5.4.20": "telephoneNumber",
    "2.5.4.41": "name",
    "2.5.4.42": "GN",
    "2.5.4.43": "initials",
    "2.5.4.44": "generationQualifier",
    "2.5.4.45": "x500UniqueIdentifier",
    "2.5.4.46": "dnQualifier",
    "2.5.4.65": "pseudonym",
    "2.5.4.97": "organizationIdentifier",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
    "1.2.840.113549.1.9.1": "emailAddress",
    "1.2.840.113549.1.9.2": "unstructuredName",
    "1.2.840.113549.1.9.8": "unstructuredAddress",
    "1.3.6.1.4.1.311.60.2.1.1": "jurisdictionL",
    "1.3.6.1.4.1.311.60.2.1.2": "jurisdictionST",
    "1.3.6.1.4.1.311.60.2.1.3": "jurisdictionC",
}


def name_of(name: Any) -> str:
    """Write an asn1crypto Name; one that cannot be read gives its DER in hex, as RFC 4514 does for unusual values."""
    return name_in(name.dump())


@remembered(1024, 1024)
def name_in(encoded: bytes) -> str:
    """The same for the DER of a Name."""
    try:
        sets = [list(map(_pair, children(_inside(each, 0x31)))) for each in children(_inside(encoded, 0x30))]
    except DecodeError:
        return "#" + shown(encoded)
    return ",".join("+".join(reversed(each)) for each in reversed(sets))


def _inside(encoded: bytes, first: int) -> bytes:
    if encoded[:1] != bytes([first]):
        raise DecodeError("not of the form that RFC 5280, Section 4.1.2.4 gives a Name")
    return read(encoded).content


def _pair(pair: bytes) -> str:
    parts = list(children(_inside(pair, 0x30)))
    if len(parts) < 2:
        raise DecodeError("an attribute of a name without a value")
    oid, encoded = oid_of(parts[0]), parts[1]
    value = read(encoded).text()
    if value is None or oid not in _TYPES:
        return f"{_TYPES.get(oid, oid)}=#{shown(encoded)}"
    return f"{_TYPES[oid]}={escape(value)}"


def escape(value: str) -> str:
    """Escape an attribute value (RFC 4514, Section 2.4). Control characters become hex pairs, so a name is always one line."""
    escaped = []
    last = len(value) - 1
    for at, character in enumerate(value):
        if character in ',+"\\<>;' or (character == "#" and at == 0) or (character == " " and at in (0, last)):
            escaped.append("\\" + character)
        elif character < " " or "\x7f" <= character <= "\x9f":
            escaped.append("".join(f"\\{byte:02X}" for byte in character.encode()))
        else:
            escaped.append(character)
    return "".join(escaped)
