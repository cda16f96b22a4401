"""Connections: roles, ends, and any delivery of the same bytes."""

import pytest

from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.limits import Limits
from scep_analyzer.model.packets import Segment, key_of
from scep_analyzer.model.streams import Closed, ConnectionFailure, Data, Direction, Gap, Repeat
from scep_analyzer.tcp.connections import Event, Reassembler
from tests.segments import CLIENT, SERVER, handshake, segment


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
    syns = [first._replace(frame=at, key=key_of(CLIENT._replace(port=at), SERVER), stream=at) for at in range(1, 5)]
    codes = [each.code for each in _run(syns, Limits(followed_connections=2)) if isinstance(each, Anomaly)]
    assert codes == ["limit-connections", "limit-connections"]


def test_bytes_after_a_reset_are_left() -> None:
    events = _run([*handshake(), segment(4, "C", "R"), segment(5, "S", "A", 0, b"late")])
    assert _bytes(events, Direction.FROM_SERVER) == b""
    assert {each.how for each in events if isinstance(each, Closed)} == {"rst"}


def test_ports_used_again_close_the_earlier_connection() -> None:
    again = [segment(5, "C", "S", 500, stream=1), segment(6, "C", "A", 500, b"second", stream=1)]
    events = _run([*handshake(), segment(4, "C", "A", 0, b"first"), *again])
    assert [(each.connection.number, each.how) for each in events if isinstance(each, Closed)][:2] == [
        (0, "reused"),
        (0, "reused"),
    ]
    assert [(each.connection.number, each.content) for each in events if isinstance(each, Data)] == [
        (0, b"first"),
        (1, b"second"),
    ]


def test_a_packet_captured_twice_is_no_second_attempt_and_no_retransmission() -> None:
    """As `pktmon` and `tcpdump -i any` on a bridge record: every packet again, microseconds later."""
    once = [*handshake(), segment(4, "C", "A", 0, b"ask")]
    twice = []
    for at, each in enumerate(once):
        twice += [
            each._replace(frame=2 * at + 1),
            each._replace(frame=2 * at + 2, time_ns=(each.time_ns or 0) + 20_000),
        ]
    events = _run(twice)
    assert _bytes(events) == b"ask"
    assert [(each.frame, each.differs) for each in events if isinstance(each, Repeat)] == [(8, False)]
    syns = [segment(1, "C", "S"), segment(2, "C", "S", time_ns=1_020_000)]
    assert [each.frames for each in _run(syns) if isinstance(each, ConnectionFailure)] == [(1,)]


def test_a_retransmission_that_says_something_else_is_named_and_the_first_copy_read() -> None:
    events = _run([*handshake(), segment(4, "C", "A", 0, b"abcdef"), segment(50, "C", "A", 2, b"cXef")])
    assert _bytes(events) == b"abcdef"
    assert [(each.frame, each.differs) for each in events if isinstance(each, Repeat)] == [(50, True)]
    again = _run([*handshake(), segment(4, "C", "A", 0, b"abcdef"), segment(500, "C", "A", 0, b"abcdef")])
    assert not [each for each in again if isinstance(each, Repeat)]
