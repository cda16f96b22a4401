"""The generated part of ``scep.lua``: OIDs, numbers, names and sentences from the tables that the rest of the program uses."""

from collections.abc import Mapping
from enum import IntEnum

from scep_analyzer.glossary import CAPABILITIES, FAIL_INFO_MEANINGS, HRESULTS
from scep_analyzer.model.scep import FailInfo, MessageType, PkiStatus
from scep_analyzer.scep import codes
from scep_analyzer.scep.exchanges import SCEP_TYPES
from scep_analyzer.version import __version__
from scep_analyzer.wireshark.lua import literal

BEGIN, END = "-- generated: tables", "-- end of generated"

_FIELDS = {
    codes.MESSAGE_TYPE: "message_type",
    codes.PKI_STATUS: "pki_status",
    codes.FAIL_INFO: "fail_info",
    codes.SENDER_NONCE: "sender_nonce",
    codes.RECIPIENT_NONCE: "recipient_nonce",
    codes.TRANSACTION_ID: "transaction_id",
    codes.FAIL_INFO_TEXT: "fail_info_text",
    codes.FAIL_INFO_TEXT_MISTAKEN: "fail_info_text",
    codes.HRESULT: "hresult",
}
"""The field of the plugin, without ``scep.``, that shows a signed attribute."""

_MEDIA_TYPES = sorted({*SCEP_TYPES, "application/x-x509-ca-cert"})


def tables() -> str:
    """The lines between the two marks of ``scep.lua``."""
    named: dict[str, object] = {
        "VERSION": __version__,
        "OPERATIONS": {each.lower(): each for each in codes.OPERATIONS},
        "MESSAGE_TYPES": _numbers(MessageType),
        "PKI_STATUSES": _numbers(PkiStatus),
        "FAIL_INFOS": _numbers(FailInfo),
        "FAIL_INFO_MEANINGS": {int(each): text for each, text in FAIL_INFO_MEANINGS.items()},
        "HRESULTS": HRESULTS,
        "ATTRIBUTE_NAMES": _FIELDS,
        "ATTRIBUTES": {
            name: codes.ATTRIBUTE_NAMES[oid] for oid, name in _FIELDS.items() if oid in codes.ATTRIBUTE_NAMES
        },
        "OTHER_ATTRIBUTES": codes.OTHER_ATTRIBUTES,
        "SECRET_ATTRIBUTES": dict.fromkeys(sorted(codes.SECRET_ATTRIBUTES), True),
        "CAPABILITIES": {each.lower(): entry.meaning for each, entry in CAPABILITIES.items()},
        "MEDIA_TYPES": _MEDIA_TYPES,
    }
    return "\n".join(f"local {name} = {_laid_out(value)}" for name, value in named.items())


def with_tables(script: str) -> str:
    """A script with its generated part replaced by the present tables."""
    before, rest = script.split(BEGIN, 1)
    mark, rest = rest.split("\n", 1)
    after = rest.split(END, 1)[1]
    return f"{before}{BEGIN}{mark}\n{tables()}\n{END}{after}"


def _numbers(kind: type[IntEnum]) -> dict[int, str]:
    return {each.value: each.name for each in kind}


def _laid_out(value: object) -> str:
    """A mapping with an entry on each line, so that a change shows as one line."""
    if not isinstance(value, Mapping):
        return literal(value)
    lines = (f"    [{_key(key)}] = {literal(each)}," for key, each in value.items())
    return "{\n" + "\n".join(lines) + "\n}"


def _key(key: object) -> str:
    return f"0x{key:08X}" if isinstance(key, int) and key > 0xFFFF else literal(key)
