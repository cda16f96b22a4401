"""What the values of the model have in common."""

import re
from typing import Any

_HOST = re.compile(r"\[?[\w.:%-]{1,255}\]?")


def decimal(text: str | None, most: int = 18) -> int | None:
    """A number that a peer or a file wrote in decimal digits, None where it is none or has more than ``most``.

    ``str.isdigit`` is true for "²", which ``int`` refuses, and ``int`` refuses more than 4,300 digits.
    """
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) <= most else None


def address_in(text: object) -> str | None:
    """An address or the name of a host that a recording tells, without brackets; None where it is none, as a URL with a password."""
    return text.strip("[]") if isinstance(text, str) and _HOST.fullmatch(text) else None


def written(value: Any, *left_out: str) -> str:
    """The repr of a named tuple without some fields: secrets, and bytes that tell a reader nothing."""
    fields = (f"{name}={getattr(value, name)!r}" for name in value._fields if name not in left_out)
    return f"{type(value).__name__}({', '.join(fields)})"
