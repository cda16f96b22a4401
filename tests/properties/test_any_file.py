"""Properties of whole files: the same conversation in any format, on any link, in fragments, split over files or cut short."""

import bz2
import functools
import gzip
import json
import lzma
import random
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lz4.frame
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from scep_analyzer.analysis import Analysis
from scep_analyzer.render import json_v1
from tests import files, talk
from tests.builders import wire
from tests.conftest import DEPTH

CLIENT, SERVER = "10.0.0.1", "198.51.100.5"
MESSAGE = talk.message(19)
ASKED = [
    b"GET /scep?operation=GetCACaps HTTP/1.1\r\nHost: ca\r\n\r\n",
    b"POST /scep?operation=PKIOperation HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(MESSAGE), MESSAGE),
]
REPLY = talk.reply(0, issued=True)
ANSWERED = [
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 12\r\n\r\nAES\nSHA-256\n",
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-pki-message\r\nContent-Length: %d\r\n\r\n%s" % (len(REPLY), REPLY),
]


@functools.cache
def _datagrams() -> list[bytes]:
    """The conversation as IPv4 packets, one after another."""
    sent = {"C": 1000, "S": 5000}

    def packet(side: str, flags: int, payload: bytes = b"") -> bytes:
        ports = (40000, 80) if side == "C" else (80, 40000)
        ends = (CLIENT, SERVER) if side == "C" else (SERVER, CLIENT)
        body = wire.tcp(*ports, sent[side], sent["S" if side == "C" else "C"], flags, payload)
        sent[side] += len(payload) + bool(flags & (wire.SYN | wire.FIN))
        return wire.ip(*ends, 6, body)

    out = [packet("C", wire.SYN), packet("S", wire.SYN | wire.ACK), packet("C", wire.ACK)]
    for request, answer in zip(ASKED, ANSWERED, strict=True):
        for side, content in (("C", request), ("S", answer)):
            out += [packet(side, wire.ACK, content[at : at + 700]) for at in range(0, len(content), 700)]
    return [*out, packet("S", wire.FIN | wire.ACK), packet("C", wire.FIN | wire.ACK), packet("S", wire.ACK)]


def _fragmented(packet: bytes, ident: int, chance: random.Random) -> list[bytes]:
    """An IPv4 packet in pieces, in any order."""
    header, body, pieces, at = packet[:20], packet[20:], [], 0
    while at < len(body):
        size = chance.randrange(1, 40) * 8
        more = at + size < len(body)
        bits = struct.pack(">HHH", 20 + len(body[at : at + size]), ident, at >> 3 | (0x2000 if more else 0))
        pieces.append(header[:2] + bits + header[8:] + body[at : at + size])
        at += size
    chance.shuffle(pieces)
    return pieces


def _gre(packet: bytes) -> bytes:
    return wire.ip("192.0.2.1", "192.0.2.2", 47, b"\0\0\x08\0" + packet)


def _vxlan(packet: bytes) -> bytes:
    return wire.ip("192.0.2.1", "192.0.2.2", 17, wire.udp(5, 4789, b"\x08\0\0\0\0\0\7\0" + wire.ethernet(packet)))


TUNNELS: dict[str, Callable[[bytes], bytes]] = {"none": bytes, "gre": _gre, "vxlan": _vxlan}
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "zstd": zstandard.compress,
    "lz4": lz4.frame.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
}


def _file(packets: list[tuple[int, bytes]], form: str, link: str, order: str) -> bytes:
    """A capture file of (milliseconds, IP packet)."""
    kind, wrap = wire.LINKS[link]
    if form == "pcapng":
        blocks = [files.enhanced(wrap(each), 1_000_000 * 1000 + at * 1000, order) for at, each in packets]
        return files.section(order) + files.interface(order, kind) + b"".join(blocks)
    magic, unit = (0xA1B23C4D, 1_000_000) if form == "nanoseconds" else (0xA1B2C3D4, 1000)
    records = [files.pcap_record(wrap(each), order, 1000 + at // 1000, at % 1000 * unit) for at, each in packets]
    return files.pcap_header(order, magic, kind) + b"".join(records)


def _exchanges(*contents: bytes) -> list[Any]:
    """What the report says of the exchanges, frame numbers left out."""
    with tempfile.TemporaryDirectory() as folder:
        for at, content in enumerate(contents):
            (Path(folder) / f"{at}.pcap").write_bytes(content)
        report = json.loads(json_v1.render(Analysis([folder]).report(), secrets=False))
    for each in report["exchanges"]:
        for message in (each["request"], each["response"]):
            if message is not None:
                del message["frames"], message["time"]
        del each["duration_ms"], each["capture"]
    return list(report["exchanges"])


@functools.cache
def _expected() -> list[Any]:
    found = _exchanges(_file(list(enumerate(_datagrams())), "pcap", "ethernet", "<"))
    assert [each["operation"] for each in found] == ["GetCACaps", "PKIOperation"]
    assert found[1]["response"]["pki_message"]["pki_status_name"] == "SUCCESS"
    return found


@settings(max_examples=60 * DEPTH)
@given(
    st.randoms(use_true_random=False),
    st.sampled_from(["pcap", "nanoseconds", "pcapng"]),
    st.sampled_from(sorted(wire.LINKS)),
    st.sampled_from("<>"),
    st.sampled_from(sorted(TUNNELS)),
    st.booleans(),
    st.sampled_from(sorted(PACKERS)),
    st.integers(0, 3),
)
def test_any_file_that_holds_the_conversation(
    chance: random.Random, form: str, link: str, order: str, tunnel: str, fragments: bool, packer: str, splits: int
) -> None:
    packets = []
    for at, datagram in enumerate(_datagrams()):
        pieces = _fragmented(datagram, at + 1, chance) if fragments else [datagram]
        packets += [(at, TUNNELS[tunnel](each)) for each in pieces]
    cuts = sorted(chance.randrange(1, len(packets)) for _ in range(splits))
    parts = [packets[a:b] for a, b in zip([0, *cuts], [*cuts, len(packets)], strict=True) if a < b]
    # Rotated files: the next begins where the one before ended, at the same millisecond or later.
    contents = [PACKERS[packer](_file(part, form, link, order)) for part in parts]
    assert _exchanges(*contents) == _expected()


@settings(max_examples=100 * DEPTH)
@given(st.sampled_from(["pcap", "pcapng"]), st.sampled_from(["ethernet", "raw", "vlan"]), st.floats(0, 1))
def test_a_file_cut_anywhere_gives_what_came_before_the_cut(form: str, link: str, where: float) -> None:
    data = _file(list(enumerate(_datagrams())), form, link, "<")
    found = _exchanges(data[: max(int(len(data) * where), 200)])
    expected = _expected()
    assert len(found) <= len(expected)
    for each, whole in zip(found, expected, strict=False):
        assert (each["operation"], each["request"]["target"]) == (whole["operation"], whole["request"]["target"])
        if each["response"] is not None and each["response"]["complete"]:
            assert each == whole
