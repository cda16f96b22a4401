"""Forward reading, compressed or not; damage below is an early end with a reason."""

import bz2
import gzip
import hashlib
import io
import lzma
import tracemalloc
from collections.abc import Callable
from typing import Any

import lz4.frame
import pytest
import zstandard

from scep_analyzer.capture.source import CAPACITY, Source


def test_plain_bytes() -> None:
    source = Source(io.BytesIO(b"abcdef"))
    assert source.peek(2) == b"ab"
    assert source.read(4) == b"abcd"
    assert source.peek(9) == b"ef"
    assert source.skip(1) == 1
    assert (source.read(9), source.offset, source.damage, source.compression) == (b"f", 6, None, None)


def test_gzip_is_told_by_its_magic() -> None:
    source = Source(io.BytesIO(gzip.compress(b"abcdef") + gzip.compress(b"ghi")))
    assert (source.read(20), source.compression, source.damage) == (b"abcdefghi", "gzip", None)


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

        def readinto(self, target: Any, /) -> int:
            one, self._left = self._left[:1], self._left[1:]
            target[: len(one)] = one
            return len(one)

    assert Source(Slow()).read(4) == b"abcd"


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
    "lz4": lambda data: lz4.frame.compress(data, content_checksum=True),
    "xz": lzma.compress,
    "bzip2": bz2.compress,
}
DATA = b"".join(hashlib.sha256(number.to_bytes(4, "big")).digest() for number in range(90_000))  # does not compress


@pytest.mark.parametrize("name", PACKERS)
def test_every_compression_by_its_magic(name: str) -> None:
    packed = PACKERS[name](DATA)
    source = Source(io.BytesIO(packed))
    assert source.compression == name
    assert source.read(len(DATA) + 1) == DATA
    assert source.damage is None
    source = Source(io.BytesIO(packed + packed))  # as `cat` of two files
    assert source.read(2 * len(DATA)) == DATA + DATA


@pytest.mark.parametrize("name", PACKERS)
def test_a_cut_stream_gives_what_it_holds(name: str) -> None:
    source = Source(io.BytesIO(PACKERS[name](DATA)[: 2 * len(DATA) // 3]))
    read = source.read(len(DATA))
    assert DATA.startswith(read)
    assert len(read) > len(DATA) // 10
    # The zstd library ends quietly there; the reader of the capture then says that the file is cut.
    assert (source.damage is None) == (name == "zstd")


@pytest.mark.parametrize("name", PACKERS)
def test_a_damaged_stream_says_so(name: str) -> None:
    packed = bytearray(PACKERS[name](DATA))
    for at in range(len(packed) // 2, len(packed) // 2 + 64):
        packed[at] ^= 0xFF
    source = Source(io.BytesIO(bytes(packed)))
    source.read(2 * len(DATA))
    assert source.damage is not None
    assert name in source.damage


def test_a_compression_bomb_costs_no_memory() -> None:
    bomb = gzip.compress(bytes(50_000_000), 1)
    source = Source(io.BytesIO(bomb))
    tracemalloc.start()
    assert source.skip(60_000_000) == 50_000_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3_000_000


def test_reading_on_over_the_edge_of_the_buffer() -> None:
    source = Source(io.BytesIO(DATA))
    assert source.read(CAPACITY - 3) == DATA[: CAPACITY - 3]
    assert source.peek(8) == DATA[CAPACITY - 3 : CAPACITY + 5]
    assert source.read(CAPACITY + 9) == DATA[CAPACITY - 3 : 2 * CAPACITY + 6]
    assert source.offset == 2 * CAPACITY + 6
