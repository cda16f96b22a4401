"""What checking a digest or signature gives."""

from typing import NamedTuple


class Verdict(NamedTuple):
    """``valid`` is None where it cannot be told. ``reason`` says what was compared, or why it could not be."""

    valid: bool | None
    reason: str


NOT_TOLD = Verdict(None, "not checked")
