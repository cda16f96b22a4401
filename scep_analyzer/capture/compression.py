"""Compressed captures by their magic: gzip, zstd, lz4, xz, bzip2. Each library is imported when its magic is met."""

import io
import lzma
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO, cast


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


def _gzip(below: io.RawIOBase) -> Any:
    import gzip

    return gzip.GzipFile(fileobj=io.BufferedReader(below, 1 << 16), mode="rb")


def _zstd(below: io.RawIOBase) -> Any:
    import zstandard

    # Windows up to 128 MiB (--long=27), as `zstd -d` takes without being asked; more would not be bounded memory.
    return zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(
        cast(BinaryIO, below), read_across_frames=True
    )


def _lz4(below: io.RawIOBase) -> Any:
    import lz4.frame

    return lz4.frame.LZ4FrameFile(io.BufferedReader(below, 1 << 16), mode="rb")


def _xz(below: io.RawIOBase) -> Any:
    return lzma.LZMAFile(io.BufferedReader(below, 1 << 16), mode="rb")


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
        except (EOFError, zlib.error, lzma.LZMAError, RuntimeError, ValueError) as error:
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
