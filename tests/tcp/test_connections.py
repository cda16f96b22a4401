"""Connections: numbers as Wireshark's, roles, ends, and any delivery of the same bytes."""

import shutil
import subprocess
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
from scapy.packet import Raw
from scapy.utils import wrpcap

from scep_analyzer.capture.files import CaptureFiles
from scep_analyzer.link.decode import Decoder
from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.limits import Limits
from scep_analyzer.model.packets import Segment
from scep_analyzer.model.streams import Closed, ConnectionFailure, Data, Direction, Gap
from scep_analyzer.tcp.connections import Event, Reassembler
from tests.segments import handshake, segment


def _run(segments: list[Segment], limits: Limits | None = None) -> list[Event | Anomaly]:
    return list(Reassembler(limits or Limits()).over(segments))


def _bytes(events: list[Event | Anomaly], direction: Direction = Direction.FROM_CLIENT) -> bytes:
    return b"".join(each.content for each in events if isinstance(each, Data) and each.direction is direction)


def test_a_whole_connection() -> None:
    events = _run(
        [
            *handshake(),
            segment(4, "C", "A", 0, b"ask"),
            segment(5, "S", "A", 0, b"answer", 3),
            segment(6, "S", "FA", 6, acknowledged=3),
            segment(7, "C", "FA", 3, acknowledged=7),
        ]
    )
    assert _bytes(events) == b"ask"
    assert _bytes(events, Direction.FROM_SERVER) == b"answer"
    closed = [(each.direction.value, each.how, each.frame) for each in events if isinstance(each, Closed)]
    assert closed == [("server", "fin", 6), ("client", "fin", 7)]
    answer = next(each for each in events if isinstance(each, Data) and each.content == b"answer")
    assert answer.acknowledged == 3


def test_a_fin_waits_for_the_bytes_before_it() -> None:
    events = _run([*handshake(), segment(4, "C", "FA", 3), segment(5, "C", "A", 0, b"ask")])
    kinds = [type(each).__name__ for each in events]
    assert kinds.index("Data") < kinds.index("Closed")


def test_the_server_is_known_by_its_syn_ack() -> None:
    events = _run([segment(1, "S", "SA"), segment(2, "C", "A", 0, b"ask")])
    assert _bytes(events) == b"ask"


def test_a_refused_connection() -> None:
    events = _run([segment(1, "C", "S"), segment(2, "S", "RA")])
    assert [(each.how, each.frames) for each in events if isinstance(each, ConnectionFailure)] == [("refused", (1, 2))]


def test_an_unanswered_connection_names_every_attempt() -> None:
    events = _run([segment(1, "C", "S"), segment(2, "C", "S"), segment(3, "C", "S")])
    assert [(each.how, each.frames) for each in events if isinstance(each, ConnectionFailure)] == [
        ("unanswered", (1, 2, 3))
    ]


def test_a_hole_that_was_acknowledged_is_given_up_after_a_while() -> None:
    second = 1_000_000_000
    late = [
        segment(4, "C", "A", 3, b"def"),
        segment(5, "S", "A", acknowledged=6),
        segment(6, "C", "A", 6, b"ghi", time_ns=20 * second),
        segment(7, "C", "A", 9, b"jkl", time_ns=21 * second),
    ]
    events = _run([*handshake(), *late])
    assert [(each.length, each.reason, each.frame) for each in events if isinstance(each, Gap)] == [(3, "lost", 4)]
    assert _bytes(events) == b"defghijkl"


def test_a_hole_that_was_not_acknowledged_is_waited_for() -> None:
    second = 1_000_000_000
    events = _run(
        [
            *handshake(),
            segment(4, "C", "A", 3, b"def"),
            segment(5, "C", "A", 6, b"ghi", time_ns=30 * second),
            segment(6, "C", "A", 0, b"abc", time_ns=31 * second),
        ]
    )
    assert _bytes(events) == b"abcdefghi"
    assert not [each for each in events if isinstance(each, Gap)]


@pytest.mark.parametrize(
    "limits", [Limits(out_of_order_bytes=5), Limits(out_of_order_segments=2), Limits(all_out_of_order_bytes=5)]
)
def test_waiting_is_bounded_and_the_limit_is_named(limits: Limits) -> None:
    flood = [segment(4 + at, "C", "A", 10 + at, b"x") for at in range(6)]
    events = _run([*handshake(), *flood], limits)
    assert "limit-out-of-order" in [each.code for each in events if isinstance(each, Anomaly)]
    assert [each.reason for each in events if isinstance(each, Gap)] == ["limit"]
    assert _bytes(events) == b"xxxxxx"


def test_connections_are_bounded_and_the_limit_is_named() -> None:
    first = segment(1, "C", "S")
    syns = [
        Segment(at, at, first.source._replace(port=at), first.destination, 7, 0, first.flags, b"") for at in range(1, 5)
    ]
    codes = [each.code for each in _run(syns, Limits(connections=2)) if isinstance(each, Anomaly)]
    assert codes == ["limit-connections", "limit-connections"]


def test_bytes_after_a_reset_are_left() -> None:
    events = _run([*handshake(), segment(4, "C", "R"), segment(5, "S", "A", 0, b"late")])
    assert _bytes(events, Direction.FROM_SERVER) == b""
    assert {each.how for each in events if isinstance(each, Closed)} == {"rst"}


MAC = "02:00:00:00:00:01"  # given, because scapy would ask the network for it


def _packet(sport: int, dport: int, flags: str, seq: int, ack: int = 0, payload: bytes = b"") -> object:
    ends = ("10.0.0.1", "10.0.0.2") if sport > dport else ("10.0.0.2", "10.0.0.1")
    return (
        Ether(src=MAC, dst=MAC)
        / IP(src=ends[0], dst=ends[1])
        / TCP(sport=sport, dport=dport, flags=flags, seq=seq, ack=ack)
        / Raw(payload)
    )


@pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed (apt-get install tshark)")
def test_numbers_are_those_of_wireshark(tmp_path: Path) -> None:
    """Ports reused after FIN, after RST and without either; SYNs sent again; connections without a beginning."""
    packets = [
        _packet(4001, 80, "S", 100),
        _packet(4001, 80, "S", 100),  # sent again: the same connection
        _packet(80, 4001, "SA", 500, 101),
        _packet(4002, 80, "A", 7, 8, b"middle"),  # no beginning
        _packet(4001, 80, "PA", 101, 501, b"hello"),
        _packet(4001, 80, "S", 90000),  # the ports again, with nothing closed
        _packet(80, 4001, "SA", 70000, 90001),
        _packet(4001, 80, "FA", 90001, 70001),
        _packet(80, 4001, "FA", 70001, 90002),
        _packet(4001, 80, "A", 90002, 70002),
        _packet(4001, 80, "S", 120000),  # and after FIN
        _packet(80, 4001, "RA", 0, 120001),
        _packet(4001, 80, "S", 130000),  # and after RST
        _packet(80, 4001, "SA", 1, 130001),
        _packet(4002, 80, "A", 13, 8, b"still the middle"),
        _packet(4002, 80, "S", 999999),
        _packet(80, 4003, "SA", 5, 6),  # only the answer was captured
        _packet(4003, 80, "A", 6, 6),
        _packet(4003, 80, "PA", 6, 6, b"x"),
    ]
    path = tmp_path / "reuse.pcap"
    wrpcap(str(path), packets)
    command = ["tshark", "-n", "-r", str(path), "-T", "fields", "-e", "tcp.stream"]
    expected = [
        int(line) for line in subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()
    ]

    found = []
    reassembler = Reassembler()
    for item in Decoder().over(CaptureFiles([str(path)]).packets()):
        assert isinstance(item, Segment)
        list(reassembler.feed(item))
        key = tuple(sorted((item.source, item.destination)))
        found.append(reassembler._tracked[key].connection.number)  # type: ignore[index]  # a pair, sorted
    assert found == expected
