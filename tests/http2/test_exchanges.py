"""HTTP/2: exchanges from frames, however they are cut; the wire is written by hpack's encoder and by hand from RFC 9113."""

from collections.abc import Iterable

import pytest
from hpack import Encoder
from hypothesis import given, settings
from hypothesis import strategies as st

from scep_analyzer.http2.exchanges import PREFACE, EitherHttp, Http2, begins_http2
from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.exchanges import HttpExchange, header
from scep_analyzer.model.limits import Limits
from scep_analyzer.model.packets import Endpoint
from scep_analyzer.model.streams import Closed, Connection, Data, Direction, Gap, StreamEvent
from tests.conftest import DEPTH

CONNECTION = Connection(7, Endpoint("192.0.2.2", 40000), Endpoint("192.0.2.1", 443), opening_seen=True)
CLIENT, SERVER = Direction.FROM_CLIENT, Direction.FROM_SERVER
DATA, HEADERS, RST, SETTINGS, CONTINUATION = 0, 1, 3, 4, 9
END_STREAM, END_HEADERS, PADDED = 1, 4, 8
BODY = b"\x30\x82" + bytes(range(256)) * 4


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """RFC 9113, Section 4.1."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


class Wire:
    """Both directions' frames, with their own header compression."""

    def __init__(self) -> None:
        self.encoders = {CLIENT: Encoder(), SERVER: Encoder()}
        self.said: list[tuple[Direction, bytes]] = [
            (CLIENT, PREFACE + frame(SETTINGS, 0, 0, b"")),
            (SERVER, frame(SETTINGS, 0, 0, b"")),
        ]

    def block(self, side: Direction, fields: list[tuple[str, str]]) -> bytes:
        return self.encoders[side].encode(fields)

    def ask(self, stream: int, method: str, path: str, *, last: bool = True) -> None:
        fields = [
            (":method", method),
            (":scheme", "https"),
            (":path", path),
            (":authority", "scep.example"),
            ("user-agent", "test"),
        ]
        self.said.append(
            (CLIENT, frame(HEADERS, END_HEADERS | (END_STREAM if last else 0), stream, self.block(CLIENT, fields)))
        )

    def answer(self, stream: int, kind: str, body: bytes) -> None:
        fields = [(":status", "200"), ("content-type", kind), ("content-length", str(len(body)))]
        self.said.append((SERVER, frame(HEADERS, END_HEADERS, stream, self.block(SERVER, fields))))
        self.said.append((SERVER, frame(DATA, END_STREAM, stream, body)))

    def events(self, size: int = 1 << 20) -> list[StreamEvent]:
        """The bytes in packets of a size, and the end."""
        events: list[StreamEvent] = []
        offsets = dict.fromkeys(Direction, 0)
        number = 0
        for side, content in self.said:
            for at in range(0, len(content), size):
                number += 1
                piece = content[at : at + size]
                events.append(Data(CONNECTION, side, piece, number, number * 1000, offsets[side], None))
                offsets[side] += len(piece)
        return [*events, *(Closed(CONNECTION, each, "fin", number + 1, None) for each in Direction)]


def _exchanges(events: Iterable[StreamEvent], limits: Limits = Limits()) -> list[HttpExchange]:  # noqa: B008  # frozen
    return [each for each in Http2(limits).over(events) if isinstance(each, HttpExchange)]


def _enrollment() -> Wire:
    wire = Wire()
    wire.ask(1, "GET", "/scep?operation=GetCACaps")
    wire.answer(1, "text/plain", b"AES\nPOSTPKIOperation\n")
    wire.ask(3, "POST", "/scep?operation=PKIOperation", last=False)
    wire.said += [
        (CLIENT, frame(DATA, 0, 3, BODY[:500])),
        (CLIENT, frame(DATA, PADDED | END_STREAM, 3, b"\x03" + BODY[500:] + bytes(3))),
    ]
    wire.answer(3, "application/x-pki-message", BODY[::-1])
    return wire


def test_requests_and_answers_are_paired_by_their_stream() -> None:
    caps, enroll = _exchanges(_enrollment().events())
    assert caps.request is not None
    assert caps.response is not None
    assert (caps.request.method, caps.request.target, caps.request.version) == (
        "GET",
        "/scep?operation=GetCACaps",
        "HTTP/2",
    )
    assert header(caps.request.headers, "host") == "scep.example"
    assert header(caps.request.headers, "user-agent") == "test"
    assert caps.request.frames == (3,)
    assert (caps.response.status, caps.response.body.content, caps.response.frames) == (
        200,
        b"AES\nPOSTPKIOperation\n",
        (4, 5),
    )
    assert (caps.request.time_ns, caps.response.time_ns, caps.response.end_ns) == (3000, 4000, 5000)
    assert enroll.request is not None
    assert enroll.response is not None
    assert (enroll.request.body.content, enroll.request.complete, enroll.request.frames) == (BODY, True, (6, 7, 8))
    assert (enroll.response.body.content, enroll.response.complete) == (BODY[::-1], True)
    assert (enroll.client, enroll.server, enroll.connection) == (CONNECTION.client, CONNECTION.server, 7)


@pytest.mark.parametrize("size", [1, 2, 9, 10, 100])
def test_however_the_bytes_are_cut_the_messages_are_the_same(size: int) -> None:
    whole, cut = _exchanges(_enrollment().events()), _exchanges(_enrollment().events(size))
    for one, other in zip(whole, cut, strict=True):
        for mine, theirs in ((one.request, other.request), (one.response, other.response)):
            assert mine is not None
            assert theirs is not None
            assert (mine.headers, mine.body, mine.complete) == (theirs.headers, theirs.body, theirs.complete)


def test_streams_may_interleave_and_end_out_of_order() -> None:
    wire = Wire()
    wire.ask(1, "GET", "/scep?operation=GetCACert")
    wire.ask(3, "GET", "/scep?operation=GetCACaps")
    wire.answer(3, "text/plain", b"AES\n")
    wire.answer(1, "application/x-x509-ca-cert", BODY)
    assert [each.request.target for each in _exchanges(wire.events()) if each.request] == [
        "/scep?operation=GetCACaps",
        "/scep?operation=GetCACert",
    ]


def test_a_header_block_may_continue() -> None:
    wire = Wire()
    block = wire.block(CLIENT, [(":method", "GET"), (":path", "/scep?operation=GetCACaps&message=" + "x" * 300)])
    wire.said += [
        (CLIENT, frame(HEADERS, END_STREAM, 1, block[:20])),
        (CLIENT, frame(CONTINUATION, 0, 1, block[20:40])),
        (CLIENT, frame(CONTINUATION, END_HEADERS, 1, block[40:])),
    ]
    wire.answer(1, "text/plain", b"AES\n")
    (only,) = _exchanges(wire.events())
    assert only.request is not None
    assert only.request.target.endswith("x" * 300)
    assert only.request.frames == (3, 4, 5)


def test_an_interim_answer_is_none() -> None:
    wire = Wire()
    wire.ask(1, "GET", "/scep?operation=GetCACaps")
    wire.said.append((SERVER, frame(HEADERS, END_HEADERS, 1, wire.block(SERVER, [(":status", "103"), ("link", "x")]))))
    wire.answer(1, "text/plain", b"AES\n")
    (only,) = _exchanges(wire.events())
    assert only.response is not None
    assert only.response.status == 200


def test_a_reset_or_an_end_leaves_a_request_without_answer() -> None:
    wire = Wire()
    wire.ask(1, "GET", "/scep?operation=GetCACert")
    wire.said.append((SERVER, frame(RST, 0, 1, (8).to_bytes(4, "big"))))
    wire.ask(3, "GET", "/scep?operation=GetCACaps")
    assert [(each.response, each.gone) for each in _exchanges(wire.events())] == [(None, "rst"), (None, "fin")]


def test_behind_a_hole_nothing_is_read_and_no_answer_is_called_missing() -> None:
    wire = Wire()
    wire.ask(1, "GET", "/scep?operation=GetCACaps")
    wire.answer(1, "text/plain", b"AES\n")
    events = wire.events()
    events[3] = Gap(CONNECTION, SERVER, 0, "lost", 4)
    items = list(Http2().over(events))
    assert [each.code for each in items if isinstance(each, Anomaly)] == ["http2-damaged"]
    assert [(each.response, each.gone) for each in items if isinstance(each, HttpExchange)] == [(None, "lost")]


@pytest.mark.parametrize(
    "bad",
    [frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff"), frame(DATA, PADDED, 1, b"\x09x"), frame(SETTINGS, 0, 0, b"\0")],
)
def test_damage_is_named_once(bad: bytes) -> None:
    wire = Wire()
    wire.said += [(CLIENT, bad), (CLIENT, bad)]
    assert [each.code for each in Http2().over(wire.events()) if isinstance(each, Anomaly)] == ["http2-damaged"]


def test_limits() -> None:
    limits = Limits(body_bytes=600, header_bytes=2000)
    enroll = _exchanges(_enrollment().events(), limits)[1]
    assert enroll.request is not None
    assert (len(enroll.request.body.content or b""), enroll.request.body.length, enroll.request.body.complete) == (
        600,
        len(BODY),
        False,
    )
    wire = Wire()
    wire.said += [(CLIENT, frame(HEADERS, 0, 1, bytes(1500))), (CLIENT, frame(CONTINUATION, 0, 1, bytes(1500)))]
    assert [each.code for each in Http2(limits).over(wire.events()) if isinstance(each, Anomaly)] == ["http2-damaged"]


def test_the_first_bytes_tell_the_version() -> None:
    events = _enrollment().events()
    assert begins_http2(events[0])  # type: ignore[arg-type]  # the first ones are Data
    assert begins_http2(events[1])  # type: ignore[arg-type]
    old = Connection(8, CONNECTION.client, CONNECTION.server, opening_seen=True)
    mixed: list[StreamEvent] = [
        Data(old, CLIENT, b"GET /scep?operation=GetCACaps HTTP/1.1\r\n\r\n", 100, 1, 0, None),
        *events,
        Data(old, SERVER, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nAES\n", 101, 2, 0, None),
        *(Closed(old, each, "fin", 102, None) for each in Direction),
    ]
    found = [each for each in EitherHttp().over(mixed) if isinstance(each, HttpExchange)]
    assert sorted((each.connection, each.request.version) for each in found if each.request) == [
        (7, "HTTP/2"),
        (7, "HTTP/2"),
        (8, "HTTP/1.1"),
    ]


@settings(max_examples=200 * DEPTH)
@given(st.lists(st.tuples(st.sampled_from(list(Direction)), st.binary(max_size=60)), max_size=12), st.integers(0, 300))
def test_any_bytes_give_values_and_no_traceback(noise: list[tuple[Direction, bytes]], at: int) -> None:
    wire = _enrollment()
    place = at % len(wire.said)
    wire.said[place:place] = noise
    for item in Http2().over(wire.events(at + 1)):
        assert isinstance(item, HttpExchange | Anomaly)
