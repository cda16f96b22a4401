"""Compressed captures by their magic: gzip, zstd, lz4, xz, bzip2. Each library is imported when its magic is met."""

import io
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from scep_analyzer.model.limits import BOUNDS

if TYPE_CHECKING:
    import lzma


def _xz_error() -> type[Exception]:
    """What lzma raises; asked for where something was raised, so that no other capture waits for the import."""
    import lzma

    return lzma.LZMAError


class Rejoined(io.RawIOBase):
    """A stream with the bytes that were peeked put back in front. It does not seek: standard input cannot."""

    def __init__(self, ahead: bytes, stream: Any) -> None:
        self._ahead, self._stream = ahead, stream

    def readable(self) -> bool:
        """As io.BufferedReader asks."""
        return True

    def readinto(self, target: Any, /) -> int:
        """What was peeked, then the rest."""
        if not self._ahead:
            return int(self._stream.readinto(target) or 0)
        taken, self._ahead = self._ahead[: len(target)], self._ahead[len(target) :]
        target[: len(taken)] = taken
        return len(taken)


class _Xz(io.RawIOBase):
    """An xz stream, or several in a row, unpacked within bounded memory: ``lzma.LZMAFile`` takes what the stream claims."""

    def __init__(self, below: io.RawIOBase) -> None:
        self._below = below
        self._ahead = b""
        self._unpacker: lzma.LZMADecompressor | None = self._new()

    @staticmethod
    def _new() -> "lzma.LZMADecompressor":
        import lzma

        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=BOUNDS.xz_memory_bytes)

    def readable(self) -> bool:
        """As its callers ask."""
        return True

    def readinto(self, target: Any, /) -> int:
        """Unpacked bytes; EOFError where the stream ends before its end."""
        while self._unpacker is not None:
            if self._unpacker.eof:
                self._next_stream()
                continue
            data = b""
            if self._unpacker.needs_input:
                data = self._ahead or self._below.read(1 << 16) or b""
                self._ahead = b""
                if not data:
                    raise EOFError("it ends before its end-of-stream marker")
            content = self._unpacker.decompress(data, len(target))
            if content:
                target[: len(content)] = content
                return len(content)
        return 0

    def _next_stream(self) -> None:
        """Streams may follow one another, with zero bytes between them (the .xz format, Section 2)."""
        left = self._unpacker.unused_data if self._unpacker is not None else b""
        while not (left := left.lstrip(b"\0")):
            left = self._below.read(1 << 16) or b""
            if not left:
                self._unpacker = None
                return
        self._ahead, self._unpacker = left, self._new()


def _gzip(below: io.RawIOBase) -> Any:
    import gzip

    return gzip.GzipFile(fileobj=io.BufferedReader(below, 1 << 16), mode="rb")


def _zstd(below: io.RawIOBase) -> Any:
    import zstandard

    return zstandard.ZstdDecompressor(max_window_size=BOUNDS.zstd_window_bytes).stream_reader(
        cast(BinaryIO, below), read_across_frames=True
    )


def _lz4(below: io.RawIOBase) -> Any:
    import lz4.frame

    return lz4.frame.LZ4FrameFile(io.BufferedReader(below, 1 << 16), mode="rb")


def _xz(below: io.RawIOBase) -> Any:
    return _Xz(below)


def _bzip2(below: io.RawIOBase) -> Any:
    import bz2

    return bz2.BZ2File(io.BufferedReader(below, 1 << 16), mode="rb")


COMPRESSIONS: dict[bytes, tuple[str, Callable[[io.RawIOBase], Any]]] = {
    b"\x1f\x8b": ("gzip", _gzip),
    b"\x28\xb5\x2f\xfd": ("zstd", _zstd),
    b"\x04\x22\x4d\x18": ("lz4", _lz4),
    b"\xfd7zXZ\0": ("xz", _xz),
    b"BZh": ("bzip2", _bzip2),
}


class DamagedStreamError(Exception):
    """A compressed stream that is cut or corrupt."""


class Unpacking:
    """An unpacked stream whose library's own errors come out as :class:`DamagedStreamError`."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def readinto(self, target: memoryview) -> int:
        """Read unpacked bytes."""
        try:
            # Pieces, so that what stands before the damage is given before the error comes.
            return int(self._stream.readinto(target[: 1 << 16]) or 0)
        except (EOFError, zlib.error, _xz_error(), RuntimeError, ValueError) as error:
            raise DamagedStreamError(str(error) or type(error).__name__) from error
        except OSError as error:  # gzip.BadGzipFile and bz2 say so; a failing disk carries an errno
            if error.errno is not None:
                raise
            raise DamagedStreamError(str(error)) from error
        except Exception as error:
            if type(error).__module__.partition(".")[0] in ("zstandard", "zstd"):
                raise DamagedStreamError(str(error)) from error
            raise


def unpacked(start: bytes, below: Rejoined) -> tuple[str | None, Any]:
    """The name of the compression that begins so, and the unpacked stream; twice None where it is not compressed."""
    for magic, (name, opened) in COMPRESSIONS.items():
        if start.startswith(magic):
            return name, Unpacking(opened(below))
    return None, None
