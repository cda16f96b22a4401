"""What the values of the model have in common."""

from typing import Any


def written(value: Any, *left_out: str) -> str:
    """The repr of a named tuple without some fields: secrets, and bytes that tell a reader nothing."""
    fields = (f"{name}={getattr(value, name)!r}" for name in value._fields if name not in left_out)
    return f"{type(value).__name__}({', '.join(fields)})"
