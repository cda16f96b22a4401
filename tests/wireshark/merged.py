"""Many captures as one file: Wireshark takes 60 ms to begin a capture, however small it is, and the corpus has hundreds."""

import struct
from bisect import bisect_right
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tests.files import pcap_header

_MAGIC = pcap_header()[:4]
_FIRST_ADDRESS = 0x0B000001
_ADDRESSES = 26
"""Where a frame of Ethernet and IPv4 holds the address of its sender, and behind it that of its receiver."""


class Merged(NamedTuple):
    """A capture of several. ``starts`` are how many frames are in front of each of them."""

    path: Path
    names: list[str]
    starts: list[int]

    def place(self, frame: int) -> tuple[str, int]:
        """The capture that a frame comes from, and its number there."""
        at = bisect_right(self.starts, frame - 1) - 1
        return self.names[at], frame - self.starts[at]


def is_mergeable(data: bytes) -> bool:
    """Tell whether all of it is Ethernet and IPv4 in a little-endian pcap of microseconds."""
    if data[:4] != _MAGIC or data[20:24] != b"\1\0\0\0":
        return False
    return all(len(record) >= 50 and record[28:30] == b"\x08\x00" for record in _records(data))


def merged(captures: Iterable[tuple[str, bytes]], path: Path) -> Merged:
    """Write one capture of many, by their names.

    Every host gets an address of its own in each, so that no connection of one capture is one of another; nothing else is
    changed, and Wireshark does not check the checksums that this breaks.
    """
    names, starts, count = [], [], 0
    host = _FIRST_ADDRESS
    with path.open("wb") as out:
        out.write(pcap_header())
        for name, data in captures:
            names.append(name)
            starts.append(count)
            hosts: dict[bytes, bytes] = {}
            for record in _records(data):
                count += 1
                here = bytearray(record)
                for at in (16 + _ADDRESSES, 16 + _ADDRESSES + 4):
                    address = record[at : at + 4]
                    if address not in hosts:
                        hosts[address] = host.to_bytes(4, "big")
                        host += 1
                    here[at : at + 4] = hosts[address]
                out.write(here)
    return Merged(path, names, starts)


def _records(data: bytes) -> Iterable[bytes]:
    at = 24
    while at + 16 <= len(data):
        (captured,) = struct.unpack_from("<I", data, at + 8)
        yield data[at : at + 16 + captured]
        at += 16 + captured
