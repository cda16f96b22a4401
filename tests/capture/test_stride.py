"""The compiled part of the tight pass: what is found is the same without it, whatever the capture is like."""

import random
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings

from scep_analyzer.capture import skim
from scep_analyzer.cli import main
from scep_analyzer.engines.builtin import BuiltinEngine
from tests import files
from tests.builders import wire
from tests.conftest import CAPTURES, DEPTH
from tests.sieve.test_invariant import MIXTURES, mixture

stride = pytest.importorskip(
    "scep_analyzer.capture._stride",
    reason="the compiled part was not built: install a C compiler and Python's headers (Debian: `apt-get install gcc python3-dev`), "
    "then `touch setup.py` and `make test`",
)


def _read(path: Path) -> tuple[object, ...]:
    engine = BuiltinEngine([str(path)])
    return list(engine.exchanges()), engine.facts, engine.http_requests, engine.notices()


def _both(path: Path) -> tuple[tuple[object, ...], tuple[object, ...]]:
    compiled = _read(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(skim, "COMPILED", False)
        return compiled, _read(path)


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_finds_the_same_in_every_capture(path: Path) -> None:
    compiled, plain = _both(path)
    assert compiled == plain


@pytest.mark.parametrize("seed", range(40 * DEPTH))
def test_finds_the_same_in_damaged_captures(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    data = bytearray(chance.choice(CAPTURES).read_bytes())
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(24, len(data))
        data[at] = chance.choice([0, 1, 0x45, 0x60, 0xFF, chance.randrange(256)])
    path = tmp_path / "damaged.pcap"
    path.write_bytes(data)
    compiled, plain = _both(path)
    assert compiled == plain


@settings(max_examples=40 * DEPTH, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(**MIXTURES)
def test_finds_the_same_in_any_mixture(**how: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mixture.pcap"
        path.write_bytes(mixture(**how))
        compiled, plain = _both(path)
    assert compiled == plain


CLIENT, SERVER = "10.0.0.1", "10.0.1.1"
KEY = bytes([10, 0, 0, 1, 10, 0, 1, 1]) + struct.pack(">HH", 4000, 443)


def _form(tame: dict[bytes, bool], tunnels: bytes = b"") -> object:
    return stride.form_of(False, 16, 1_000_000, 1_000, 0, b"", b"", 12, 14, True, 1700, 262_144, tame, b"GET ", None, tunnels)  # fmt: skip


def _packet(payload: bytes = b"", flags: int = wire.ACK, tail: bytes = b"") -> bytes:
    return bytes(12) + b"\x08\0" + wire.ip(CLIENT, SERVER, 6, wire.tcp(4000, 443, 7, 8, flags, payload)) + tail


def _records(*packets: bytes) -> bytearray:
    """Records of a pcap file, a second apart."""
    return bytearray(b"".join(struct.pack("<IIII", at, 5, len(each), len(each)) + each for at, each in enumerate(packets, 1)))  # fmt: skip


def test_steps_over_what_begins_no_message_and_takes_what_does() -> None:
    records = _records(_packet(b"\x17\x03\x03"), _packet(), _packet(b"GET /"), _packet())
    at, count, lowest, highest, last, fields = stride.over(_form({KEY: True}), records, 0, 1 << 20, len(records), 0)
    assert (count, lowest, highest, last) == (3, 1_000_005, 3_000_005, 3_000_005)
    assert fields == (KEY, 7, 8, wire.ACK, b"GET /", 0, -1, 64, int.from_bytes(_packet()[18:20], "big"), 65535)
    assert stride.over(_form({KEY: True}), records, at, 1 << 20, len(records), 3) == (
        len(records),
        1,
        *[4_000_005] * 3,
        None,
    )


@pytest.mark.parametrize(
    ("tame", "packet", "taken"),
    [
        ({}, _packet(), b""),
        ({KEY: False}, _packet(), None),
        ({KEY: False}, _packet(b"\x17\x03\x03\x01"), b"\x17\x03\x03\x01"),
        ({KEY: True}, _packet(b"GOOD"), None),
        ({KEY: True}, _packet(b"GE"), b"GE"),
        ({KEY: True}, _packet(b"\x17", wire.FIN), b"\x17"),
        ({}, _packet(b"x", tail=b"\0\0\0\0"), b"x"),
    ],
)
def test_takes_what_may_matter(tame: dict[bytes, bool], packet: bytes, taken: bytes | None) -> None:
    records = _records(packet)
    _, count, _, _, _, fields = stride.over(_form(tame), records, 0, 1 << 20, len(records), 0)
    assert count == 1
    assert (None if fields is None else fields[4]) == taken


def _left() -> Iterator[tuple[str, bytes]]:
    udp = bytes(12) + b"\x08\0" + wire.ip(CLIENT, SERVER, 17, struct.pack(">HHHH", 9, 4789, 30, 0) + bytes(22))
    yield "tunnel", udp
    yield "domain", udp[:36] + b"\0\x35" + udp[38:]
    yield "fragment", _packet()[:20] + b"\x20" + _packet()[21:]
    yield "options", _packet()[:14] + b"\x46" + _packet()[15:]
    yield "arp", bytes(12) + b"\x08\x06" + bytes(40)
    yield "header cut", _packet()[:50]
    yield "header too short", _packet()[:46] + b"\x40" + _packet()[47:]


@pytest.mark.parametrize(("name", "packet"), [*_left()])
def test_leaves_what_is_not_plain(name: str, packet: bytes) -> None:
    records = _records(packet)
    assert stride.over(_form({KEY: True}, struct.pack(">H", 4789)), records, 0, 1 << 20, len(records), 0)[:2] == (0, 0)


@pytest.mark.parametrize("size", range(1, 80))
def test_leaves_a_record_that_is_not_there_whole(size: int) -> None:
    records = _records(_packet(b"\x17" * 10))
    assert stride.over(_form({KEY: True}), records, 0, 1 << 20, min(size, len(records) - 1), 0)[:2] == (0, 0)
    assert stride.over(_form({KEY: True}), records[:-1], 0, 1 << 20, len(records) + 50, 0)[:2] == (0, 0)


def test_refuses_what_is_no_form() -> None:
    with pytest.raises(ValueError, match="form"):
        stride.form_of(False, 8, 1, 1, 0, b"", b"", 12, 14, True, 1700, 99, {}, b"", None, b"")
    with pytest.raises(ValueError, match="Capsule"):
        stride.over(object(), bytearray(9), 0, 1 << 20, 9, 0)


def test_a_block_of_another_interface_is_left() -> None:
    block = files.enhanced(_packet(), 1_000_000)
    tame, ours = {KEY: True}, b"\1\0\0\0"
    form = stride.form_of(False, 28, 1 << 32, 0, 0, ours, b"\1\0", 12, 14, True, 1700, 262_144, tame, b"GET ", None, b"")  # fmt: skip
    assert stride.over(form, bytearray(block), 0, 1 << 20, len(block), 0)[:2] == (0, 0)
    block = block[:8] + b"\1" + block[9:]
    assert stride.over(form, bytearray(block), 0, 1 << 20, len(block), 0) == (len(block), 1, *[1_000_000] * 3, None)


def test_a_part_that_was_built_from_other_sources_is_not_used() -> None:
    program = """
import sys, types
sys.modules["scep_analyzer.capture._stride"] = types.ModuleType("_stride")  # as built before there was a contract
from scep_analyzer.capture import skim
from scep_analyzer.cli import main
print(skim.COMPILED, skim.regular())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False None\n"


@pytest.mark.parametrize("seconds", [2**63 - 1, -(2**63), 9_223_372_036, 9_223_372_037])
def test_the_offset_of_a_clock_may_be_any(seconds: int, tmp_path: Path) -> None:
    """if_tsoffset (draft-ietf-opsawg-pcapng, Section 4.2) has 64 bits of seconds, which are more in nanoseconds."""
    option = struct.pack("<HHqHH", 14, 8, seconds, 0, 0)
    length = 20 + len(option)
    interface = struct.pack("<IIHHI", 1, length, 1, 0, 0) + option + struct.pack("<I", length)
    section = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
    packet = struct.pack("<IIIIIII", 6, 32 + 60, 0, 0, 1, 60, 60) + bytes(60) + struct.pack("<I", 92)
    path = tmp_path / "odd.pcapng"
    path.write_bytes(section + interface + packet)
    assert main(["timeline", "-f", "jsonl", "--engine", "builtin", str(path)]) == 0
