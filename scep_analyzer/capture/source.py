"""Bytes of a capture file, read forward once, whatever holds them."""

import gzip
import zlib
from typing import BinaryIO, cast

GZIP_MAGIC = b"\x1f\x8b"


class Source:
    """A stream that gives exactly what is asked for, or what is left.

    Damage below (a cut or corrupt gzip stream, a failing disk) ends the stream early; ``damage`` then says why.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self.damage: str | None = None
        self.offset = 0
        self._ahead = b""
        self._stream: BinaryIO | gzip.GzipFile = stream
        if self.peek(2) == GZIP_MAGIC:
            self._stream = gzip.GzipFile(fileobj=cast(BinaryIO, _Rejoined(self._ahead, stream)), mode="rb")
            self._ahead = b""
            self.compressed = True
        else:
            self.compressed = False

    def peek(self, size: int) -> bytes:
        """The next bytes, left in place; fewer at the end."""
        if len(self._ahead) < size:
            self._ahead += self._read(size - len(self._ahead))
        return self._ahead[:size]

    def read(self, size: int) -> bytes:
        """The next ``size`` bytes; fewer only at the end."""
        if self._ahead:
            taken, self._ahead = self._ahead[:size], self._ahead[size:]
            if len(taken) < size:
                taken += self._read(size - len(taken))
        else:
            taken = self._read(size)
        self.offset += len(taken)
        return taken

    def skip(self, size: int) -> int:
        """Pass over bytes; returns how many there were."""
        passed = 0
        while passed < size:
            taken = len(self.read(min(size - passed, 1 << 20)))
            if not taken:
                break
            passed += taken
        return passed

    def _read(self, size: int) -> bytes:
        pieces: list[bytes] = []
        try:
            while size > 0:
                piece = self._stream.read(size)
                if not piece:
                    break
                pieces.append(piece)
                size -= len(piece)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            self.damage = f"the gzip stream is cut or damaged ({error})"
        except OSError as error:
            self.damage = f"reading stopped: {error.strerror or error}"
        return b"".join(pieces)


class _Rejoined:
    """A stream with the bytes that were peeked put back in front: gzip only reads, and standard input cannot seek."""

    def __init__(self, ahead: bytes, stream: BinaryIO) -> None:
        self._ahead, self._stream = ahead, stream

    def read(self, size: int = -1) -> bytes:
        if self._ahead:
            taken, self._ahead = self._ahead[:size], self._ahead[size:]
            return taken
        return self._stream.read(size)
