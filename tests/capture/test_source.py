"""Forward reading, compressed or not; damage below is an early end with a reason."""

import gzip
import io

from scep_analyzer.capture.source import Source


def test_plain_bytes() -> None:
    source = Source(io.BytesIO(b"abcdef"))
    assert source.peek(2) == b"ab"
    assert source.read(4) == b"abcd"
    assert source.peek(9) == b"ef"
    assert source.skip(1) == 1
    assert (source.read(9), source.offset, source.damage, source.compressed) == (b"f", 6, None, False)


def test_gzip_is_told_by_its_magic() -> None:
    source = Source(io.BytesIO(gzip.compress(b"abcdef") + gzip.compress(b"ghi")))
    assert (source.read(20), source.compressed, source.damage) == (b"abcdefghi", True, None)


def test_a_cut_gzip_stream_gives_what_it_holds_and_says_so() -> None:
    data = bytes(range(256)) * 4000
    source = Source(io.BytesIO(gzip.compress(data)[:-400]))
    read = source.read(len(data))
    assert data.startswith(read)
    assert source.damage is not None
    assert "gzip" in source.damage


def test_a_damaged_gzip_stream() -> None:
    packed = bytearray(gzip.compress(b"abc" * 1000))
    packed[12:20] = b"\xff" * 8
    source = Source(io.BytesIO(bytes(packed)))
    source.read(5000)
    assert source.damage is not None


def test_a_short_reading_stream() -> None:
    class Slow(io.RawIOBase):
        """A pipe that gives a byte at a time."""

        def __init__(self) -> None:
            self._left = b"abcdef"

        def read(self, size: int = -1) -> bytes:
            one, self._left = self._left[:1], self._left[1:]
            return one

    assert Source(Slow()).read(4) == b"abcd"  # type: ignore[arg-type]  # only read() is used
