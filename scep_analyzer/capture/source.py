"""Bytes of a capture file, read forward once through one buffer, whatever holds them.

Records are read where they lie in the buffer: ``view[at:filled]`` holds what was read and not yet used. The buffer is
filled with ``readinto``, because new bytes objects for every read cost half of the time (page faults).
"""

from collections.abc import Callable
from typing import Any

from scep_analyzer.capture.compression import DamagedStreamError, Rejoined, unpacked

CAPACITY = 1 << 20
"""The buffer. From 512 KiB to 4 MiB the speed is the same; a record (``Bounds.record_bytes``) must fit in."""


class Source:
    """A stream that gives exactly what is asked for, or what is left.

    Damage below (a cut or corrupt compressed stream, a failing disk) ends the stream early; ``damage`` then says why.
    ``compression`` names the compression, None where there is none. ``on_bytes`` is told how far reading is.
    """

    def __init__(self, stream: Any, on_bytes: Callable[[int], None] | None = None) -> None:
        self.buffer = bytearray(CAPACITY)
        self.view = memoryview(self.buffer)
        self.at = 0
        self.filled = 0
        self.damage: str | None = None
        self._before = 0
        self._on_bytes = on_bytes
        self._stream = stream
        self._ended = False
        self.compression: str | None = None
        self._open_compressed(stream)

    def _open_compressed(self, stream: Any) -> None:
        start = self.peek(8)
        ahead = bytes(self.view[self.at : self.filled])
        self.compression, inner = unpacked(start, Rejoined(ahead, stream))
        if inner is not None:
            self._stream, self.at, self.filled, self._ended = inner, 0, 0, False

    @property
    def offset(self) -> int:
        """How many bytes have been used, those that were compressed counted unpacked."""
        return self._before + self.at

    def need(self, size: int) -> bool:
        """Have ``size`` bytes (at most the buffer) ready at ``at``; False where the stream ends before."""
        while self.filled - self.at < size and not self._ended:
            self._fill()
        return self.filled - self.at >= size

    def peek(self, size: int) -> bytes:
        """The next bytes, left in place; fewer at the end."""
        self.need(size)
        return self.at_hand(size)

    def at_hand(self, size: int) -> bytes:
        """The next bytes as far as they have been read already: a growing pipe must not be waited for."""
        return bytes(self.view[self.at : min(self.at + size, self.filled)])

    def read(self, size: int) -> bytes:
        """The next ``size`` bytes; fewer only at the end."""
        if size <= CAPACITY:
            taken = self.peek(size)
            self.at += len(taken)
            return taken
        pieces = []
        while size > 0 and (piece := self.read(min(size, CAPACITY))):
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def skip(self, size: int) -> int:
        """Pass over bytes; returns how many there were."""
        left = size
        while left > 0 and self.need(1):
            step = min(left, self.filled - self.at)
            self.at += step
            left -= step
        return size - left

    def _fill(self) -> None:
        """Move what is left to the front and read behind it, as much as comes at once: a pipe may still grow."""
        left = self.filled - self.at
        self.view[:left] = self.view[self.at : self.filled]
        self._before += self.at
        self.at, self.filled = 0, left
        try:
            count = self._stream.readinto(self.view[left:]) or 0
        except DamagedStreamError as error:
            self.damage = f"the {self.compression} stream is cut or damaged ({error})"
            count = 0
        except OSError as error:
            self.damage = f"reading stopped: {error.strerror or error}"
            count = 0
        self.filled += count
        self._ended = not count
        if self._on_bytes is not None:
            self._on_bytes(self._before + self.filled)
