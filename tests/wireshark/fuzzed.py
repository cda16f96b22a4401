"""Captures with bytes changed at random, the same for the same seed."""

import random
import struct
from pathlib import Path

_HEADERS = 54
"""Bytes of Ethernet, IPv4 and TCP headers that stay as they are, so that the damage is in HTTP and what it carries."""


def fuzzed(path: Path, seed: int) -> bytes:
    """A little-endian or big-endian pcap file with one to eight bytes of its payloads changed."""
    chance = random.Random(f"{path.name} {seed}")
    data = bytearray(path.read_bytes())
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    places: list[int] = []
    at = 24
    while at + 16 <= len(data):
        (captured,) = struct.unpack_from(order + "I", data, at + 8)
        places += range(at + 16 + _HEADERS, min(at + 16 + captured, len(data)))
        at += 16 + captured
    for place in chance.sample(places, min(len(places), chance.randint(1, 8))):
        data[place] = chance.choice(
            (0, 0x30, 0x80, 0xFF, data[place] ^ (1 << chance.randrange(8)), chance.randrange(256))
        )
    return bytes(data)
