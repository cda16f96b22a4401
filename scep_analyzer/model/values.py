"""What the values of the model have in common."""

from typing import Any


def decimal(text: str | None, most: int = 18) -> int | None:
    """A number that a peer or a file wrote in decimal digits, None where it is none or has more than ``most``.

    ``str.isdigit`` is true for "²", which ``int`` refuses, and ``int`` refuses more than 4,300 digits.
    """
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) <= most else None


def written(value: Any, *left_out: str) -> str:
    """The repr of a named tuple without some fields: secrets, and bytes that tell a reader nothing."""
    fields = (f"{name}={getattr(value, name)!r}" for name in value._fields if name not in left_out)
    return f"{type(value).__name__}({', '.join(fields)})"
