"""The values that readers give, and how a form is named."""

import bisect
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

Notes = tuple[tuple[str, str], ...]
DOTS = b"...", b"\xe2\x80\xa6", b"[...]"
SHORTENED = "text-shortened", "the text goes on with dots: who wrote it left out the rest"


class Then(Enum):
    """What becomes of the bytes of a piece."""

    MESSAGE = "it is a message, whatever it turns out to be: the input says so"
    GUESS = "it is a message if it can be one"
    AGAIN = "it is an input of its own: what is in it, is looked for"
    TEXT = "it is a text that something was put around: it is read as if it were the input"
    TOLD = "there is no message; what is there, is told"


class Times(NamedTuple):
    """When the parts of a text were written: pairs of offset and time, in ascending order."""

    parts: tuple[tuple[int, str], ...] = ()

    def at(self, offset: int) -> str | None:
        """The time of the part that an offset is in."""
        number = bisect.bisect_right(self.parts, offset, key=lambda part: part[0])
        return self.parts[number - 1][1] if number else None


class Piece(NamedTuple):
    """A place in the input and what it stands for.

    ``direction`` is ``request`` or ``response``, ``time`` as the input writes it. ``content`` of a TOLD piece is the sentence's
    part in ASCII.
    """

    start: int
    end: int
    content: bytes
    form: str
    then: Then
    direction: str | None = None
    time: str | None = None
    notes: Notes = ()
    operation: str | None = None
    times: Times = Times()


@dataclass(frozen=True, slots=True)
class Found:
    """One message in an input: what it was taken for, its bytes, and what was repaired."""

    form: str
    encoded: bytes
    notes: Notes = ()
    operation: str | None = None
    direction: str | None = None
    """request or response, None where the input does not tell."""
    time: str | None = None
    """When, as the input writes it."""


class Pasted(NamedTuple):
    """Everything in an input: its messages, and requests and responses of SCEP that are there without their message."""

    found: list[Found]
    told: list[str]


PLAIN = frozenset({"DER", "BER"})
"""Forms that add nothing to the form they are in: a hex dump of DER is a hex dump."""


def joined(inner: str, outer: str) -> str:
    """The name of a form inside another."""
    if not outer or inner == outer:
        return inner
    return outer if inner in PLAIN else f"{inner} in {outer}"
