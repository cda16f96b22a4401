"""What comes by once (standard input, a pipe), with its beginning kept: its kind is looked at first, then it is read from the start."""

import io
import sys
from typing import Any

_MOST = 8 << 20
"""Bytes that are kept while looking. A kind shows within 64 KB; compression hides them in less, unless somebody means harm."""


class Begun(io.RawIOBase):
    """A stream that is read twice at its beginning: while its kind is looked at, and after :meth:`settle` to its end."""

    def __init__(self, stream: Any) -> None:
        super().__init__()
        self._stream = stream
        self._start = bytearray()
        self._at = 0
        self._looking = True

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """What was kept, then what comes at once: a pipe may still grow."""
        if self._at < len(self._start):
            piece = self._start[self._at : self._at + len(buffer)]
            buffer[: len(piece)] = piece
            self._at += len(piece)
            return len(piece)
        if self._looking and len(self._start) >= _MOST:
            return 0
        count = self._stream.readinto(buffer) or 0
        if self._looking:
            self._start += memoryview(buffer)[:count]
            self._at += count
        return count

    def again(self) -> None:
        """Begin again."""
        self._at = 0

    def settle(self) -> None:
        """Begin again, and for the last time: nothing more is kept."""
        self.again()
        self._looking = False


def standard_input() -> Begun:
    """Standard input, of which nothing has been read yet."""
    return Begun(getattr(sys.stdin.buffer, "raw", sys.stdin.buffer))
