"""HTTP conversations, each read whole, byte by byte, and in thirds."""

import gc
import gzip
import zlib
from collections.abc import Callable

import pytest

from scep_analyzer.http1.exchanges import Pairing
from scep_analyzer.http1.messages import MessageParser
from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.exchanges import HttpExchange
from scep_analyzer.model.limits import Limits
from scep_analyzer.model.streams import Closed, Connection, Data, Direction, Gap, StreamEvent
from tests.segments import CLIENT, CONNECTION, SERVER, closed, data

ASK = b"GET /scep?operation=GetCACaps HTTP/1.1\r\nHost: x\r\n\r\n"
Cut = Callable[[bytes], list[bytes]]
CUTS: dict[str, Cut] = {
    "whole": lambda content: [content],
    "byte by byte": lambda content: [content[at : at + 1] for at in range(len(content))],
    "in thirds": lambda content: [
        content[at : at + len(content) // 3 + 1] for at in range(0, len(content), len(content) // 3 + 1)
    ],
}


class Talk:
    """A conversation: says bytes for either side, cut as asked, with the offsets and acknowledgments TCP would give."""

    def __init__(self, cut: Cut) -> None:
        self._cut = cut
        self.events: list[StreamEvent] = []
        self._sent = {"C": 0, "S": 0}
        self._frame = 0

    def say(self, side: str, content: bytes) -> "Talk":
        for piece in self._cut(content):
            self._frame += 1
            acknowledged = self._sent["S" if side == "C" else "C"]
            self.events.append(data(side, piece, self._frame, self._sent[side], acknowledged))
            self._sent[side] += len(piece)
        return self

    def lose(self, side: str, length: int) -> "Talk":
        direction = Direction.FROM_CLIENT if side == "C" else Direction.FROM_SERVER
        self.events.append(Gap(CONNECTION, direction, length, "lost", self._frame + 1))
        self._sent[side] += length
        return self

    def end(self, how: str = "fin") -> "Talk":
        self.events += [closed("S", how), closed("C", how)]
        return self

    def exchanges(self, limits: Limits | None = None) -> list[HttpExchange]:
        return [each for each in Pairing(limits or Limits()).over(self.events) if isinstance(each, HttpExchange)]

    def anomalies(self, limits: Limits | None = None) -> list[str]:
        return [each.code for each in Pairing(limits or Limits()).over(self.events) if isinstance(each, Anomaly)]


@pytest.fixture(params=CUTS)
def talk(request: pytest.FixtureRequest) -> Talk:
    return Talk(CUTS[request.param])


def _summary(exchanges: list[HttpExchange]) -> list[tuple[object, ...]]:
    return [
        (
            each.request and each.request.target.partition("=")[2],
            each.request and each.request.complete,
            each.response and each.response.status,
            each.response and each.response.body.content,
            each.response and each.response.complete,
        )
        for each in exchanges
    ]


def test_a_hole_that_goes_past_an_answer_may_hide_the_next_one() -> None:
    talk = Talk(CUTS["whole"])
    talk.say("C", ASK).say("S", b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\nAES\n")
    talk.say("C", ASK).lose("S", 90)  # 26 of this body, and the whole answer to the next request
    talk.say("C", ASK).say("S", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nDES").end()
    told = [(each.response and each.response.body.content, each.gone) for each in talk.exchanges()]
    assert told == [(b"AES\n", None), (None, "lost"), (b"DES", None)]


def test_what_was_asked_after_a_hole_is_answered_after_it() -> None:
    """Two requests in one breath, once the client had received what the capture misses."""
    talk = Talk(CUTS["whole"])
    talk.say("C", ASK).lose("S", 40).say("C", ASK + ASK)
    answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n" + each for each in (b"AES", b"DES")]
    talk.say("S", b"".join(answers)).end()
    told = [(each.response and each.response.body.content, each.gone) for each in talk.exchanges()]
    assert told == [(None, "lost"), (b"AES", None), (b"DES", None)]


def test_a_finished_conversation_is_freed_at_once() -> None:
    """Thousands of them come by: what only the garbage collector frees took four times the memory."""
    talk = Talk(CUTS["byte by byte"]).say("C", ASK).say("S", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nAES").end()
    gc.collect()
    gc.disable()
    try:
        assert len(talk.exchanges()) == 1
        assert not [each for each in gc.get_objects() if isinstance(each, MessageParser)]
    finally:
        gc.enable()


RESPONSES = {
    "content-length": (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nAES", b"AES"),
    "chunked": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nA\r\n2;x=y\r\nES\r\n0\r\nTrailer: t\r\n\r\n",
        b"AES",
    ),
    "bare line feeds": (b"HTTP/1.1 200 OK\nContent-Length: 3\n\nAES", b"AES"),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "not modified": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", b""),
    "100-continue first": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nAES", b"AES"),
    "misspelled length": (b"HTTP/1.1 200 OK\r\nContent-lenght: 3\r\n\r\nAES", b"AES"),
    "gzip": (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(gzip.compress(b"AES", mtime=0))
        + gzip.compress(b"AES", mtime=0),
        b"AES",
    ),
    "deflate": (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Length: %d\r\n\r\n" % len(zlib.compress(b"AES"))
        + zlib.compress(b"AES"),
        b"AES",
    ),
    "raw deflate": (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Length: 5\r\n\r\n" + zlib.compress(b"AES")[2:-4],
        b"AES",
    ),
}


@pytest.mark.parametrize("name", RESPONSES)
def test_two_exchanges_on_one_connection(name: str, talk: Talk) -> None:
    answer, body = RESPONSES[name]
    talk.say("C", ASK).say("S", answer).say("C", ASK).say("S", answer).end()
    status = int(answer.rsplit(b"HTTP/1.1 ", 1)[1][:3])
    assert _summary(talk.exchanges()) == [("GetCACaps", True, status, body, True)] * 2


def test_frames_and_times_are_those_of_the_bytes(talk: Talk) -> None:
    talk.say("C", ASK).say("S", RESPONSES["content-length"][0]).end()
    (exchange,) = talk.exchanges()
    assert exchange.request is not None
    assert exchange.response is not None
    sent = [each.frame for each in talk.events if isinstance(each, Data) and each.direction is Direction.FROM_CLIENT]
    answered = [
        each.frame for each in talk.events if isinstance(each, Data) and each.direction is Direction.FROM_SERVER
    ]
    assert list(exchange.request.frames) == sent
    assert list(exchange.response.frames) == answered
    assert exchange.request.time_ns == sent[0] * 1_000_000
    assert (exchange.client, exchange.server) == (CLIENT, SERVER)


def test_pipelined_requests_are_answered_in_order(talk: Talk) -> None:
    first, second = ASK, ASK.replace(b"GetCACaps", b"GetCACert")
    answers = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1" + b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2"
    talk.say("C", first + second).say("S", answers).end()
    assert [(each[0], each[3]) for each in _summary(talk.exchanges())] == [("GetCACaps", b"1"), ("GetCACert", b"2")]


def test_a_body_until_the_close(talk: Talk) -> None:
    talk.say("C", ASK).say("S", b"HTTP/1.0 200 OK\r\n\r\nAES\nDES3").end()
    assert _summary(talk.exchanges()) == [("GetCACaps", True, 200, b"AES\nDES3", True)]


@pytest.mark.parametrize("how", ["rst", "end-of-capture", "reused"])
def test_a_body_until_a_close_that_is_none_is_not_whole(how: str, talk: Talk) -> None:
    talk.say("C", ASK).say("S", b"HTTP/1.0 200 OK\r\n\r\nAES").end(how)
    (exchange,) = talk.exchanges()
    assert exchange.response is not None
    assert (exchange.response.complete, exchange.response.cut_by) == (False, how)


def test_a_post_with_a_body(talk: Talk) -> None:
    talk.say("C", b"POST /scep?operation=PKIOperation HTTP/1.1\r\nContent-Length: 5\r\n\r\n0\x80abc" + ASK)
    talk.say("S", RESPONSES["no content"][0] * 2).end()
    first, second = talk.exchanges()
    assert first.request is not None
    assert first.request.body.content == b"0\x80abc"
    assert second.request is not None
    assert second.request.method == "GET"


def test_head_has_no_body_whatever_its_length_says(talk: Talk) -> None:
    talk.say("C", ASK.replace(b"GET", b"HEAD", 1)).say("S", b"HTTP/1.1 405 No\r\nContent-Length: 9\r\n\r\n")
    talk.say("C", ASK).say("S", RESPONSES["content-length"][0]).end()
    assert [each[2] for each in _summary(talk.exchanges())] == [405, 200]


def test_an_absolute_target_through_a_proxy(talk: Talk) -> None:
    talk.say("C", b"GET http://ca.example/scep?operation=GetCACaps HTTP/1.1\r\n\r\n").say(
        "S", RESPONSES["content-length"][0]
    ).end()
    (exchange,) = talk.exchanges()
    assert exchange.request is not None
    assert exchange.request.target == "http://ca.example/scep?operation=GetCACaps"


def test_plain_http_inside_a_connect_tunnel(talk: Talk) -> None:
    talk.say("C", b"CONNECT ca:80 HTTP/1.1\r\n\r\n").say("S", b"HTTP/1.1 200 OK\r\n\r\n")
    talk.say("C", ASK).say("S", RESPONSES["content-length"][0]).end()
    assert [each[0] for each in _summary(talk.exchanges())][-1] == "GetCACaps"


def test_a_request_without_an_answer_says_how_the_connection_ended(talk: Talk) -> None:
    talk.say("C", ASK).end("rst")
    (exchange,) = talk.exchanges()
    assert (exchange.response, exchange.gone) == (None, "rst")


def test_a_hole_inside_a_body_is_counted_over(talk: Talk) -> None:
    talk.say("C", ASK).say("S", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc").lose("S", 4).say("S", b"hij")
    talk.say("C", ASK).say("S", RESPONSES["content-length"][0]).end()
    first, second = talk.exchanges()
    assert first.response is not None
    assert (first.response.body.content, first.response.body.length, first.response.complete) == (b"abc", 6, False)
    assert first.response.cut_by == "gap"
    assert _summary([second]) == [("GetCACaps", True, 200, b"AES", True)]


def test_a_hole_inside_a_request_line_keeps_what_came_before_it(talk: Talk) -> None:
    talk.say("C", b"GET /scep?operation=PKIOperation&message=MIIabc").lose("C", 900).say("C", b"xyz HTTP/1.1\r\n\r\n")
    talk.say("S", RESPONSES["content-length"][0]).end()
    (exchange,) = talk.exchanges()
    assert exchange.request is not None
    assert exchange.request.target.endswith("message=MIIabc")
    assert (exchange.request.complete, exchange.request.cut_by) == (False, "gap")
    assert exchange.response is not None


def test_an_answer_that_the_capture_lost_is_not_the_next_one(talk: Talk) -> None:
    talk.say("C", ASK).lose("S", 120).say("C", ASK.replace(b"GetCACaps", b"GetCACert")).say(
        "S", RESPONSES["content-length"][0]
    ).end()
    first, second = talk.exchanges()
    assert (first.response, first.gone) == (None, "lost")
    assert _summary([second])[0][0] == "GetCACert"
    assert second.response is not None


def test_an_answer_whose_request_is_not_in_the_capture(talk: Talk) -> None:
    talk.events.append(
        data("S", b"HTTP/1.1 200 OK\r\nContent-Type: application/x-pki-message\r\nContent-Length: 1\r\n\r\nx", 50, 0, 0)
    )
    talk.say("C", ASK).say("S", RESPONSES["content-length"][0]).end()
    second, first = sorted(talk.exchanges(), key=lambda each: each.request is None)
    assert first.request is None
    assert second.request is not None
    assert second.response is not None
    assert second.response.body.content == b"AES"


def test_an_answer_captured_before_its_request(talk: Talk) -> None:
    """Reordering across directions: what counts is what the answer acknowledged, not when it was captured."""
    answer = data("S", RESPONSES["content-length"][0], 1, 0, len(ASK))
    talk.events = [answer, data("C", ASK, 2, 0, 0)]
    talk.end()
    (exchange,) = talk.exchanges()
    assert exchange.request is not None
    assert exchange.response is not None


def test_without_a_syn_the_roles_follow_the_content() -> None:
    guessed = Connection(0, SERVER, CLIENT, opening_seen=False)
    events: list[StreamEvent] = [
        Data(guessed, Direction.FROM_CLIENT, RESPONSES["content-length"][0], 1, 1, 0, 0),
        Data(guessed, Direction.FROM_SERVER, ASK, 2, 2, 0, 39),
        Data(guessed, Direction.FROM_CLIENT, RESPONSES["content-length"][0], 3, 3, 39, len(ASK)),
        Closed(guessed, Direction.FROM_CLIENT, "fin", 4, 4),
        Closed(guessed, Direction.FROM_SERVER, "fin", 5, 5),
    ]
    found = [each for each in Pairing().over(events) if isinstance(each, HttpExchange)]
    assert [(each.client, each.server, each.request is not None) for each in found if each.request] == [
        (CLIENT, SERVER, True)
    ]


def test_other_protocols_are_left_and_http_after_them_is_found(talk: Talk) -> None:
    talk.say("C", b"\x05\x01\x00").say("S", b"\x05\x00").say("C", b"\x05\x01\x00\x01\x01\x02\x03\x04\x00\x50").say(
        "S", b"\x05\x00\x00\x01" + b"\0" * 6
    )
    talk.say("C", ASK).say("S", RESPONSES["content-length"][0]).end()
    if len(talk.events) < 20:  # byte by byte, SOCKS and HTTP cannot be told apart by segments
        assert _summary(talk.exchanges()) == [("GetCACaps", True, 200, b"AES", True)]


@pytest.mark.parametrize(
    ("limits", "answer", "code"),
    [
        (Limits(body_bytes=2), RESPONSES["content-length"][0], "limit-body"),
        (Limits(body_bytes=2), RESPONSES["deflate"][0].replace(b"deflate", b"identity"), "limit-body"),
        (Limits(header_bytes=100), b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200, "limit-header"),
        (Limits(), b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "chunk-size-bad"),
        (
            Limits(),
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nAES",
            "content-encoding-damaged",
        ),
        (
            Limits(),
            b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 3\r\n\r\nAES",
            "content-encoding-unknown",
        ),
        (Limits(), RESPONSES["misspelled length"][0], "content-length-misspelled"),
        (Limits(), b"HTTP/1.1 200 OK\r\nContent-Length: three\r\n\r\nAES", "content-length-bad"),
    ],
)
def test_limits_and_oddities_are_named(limits: Limits, answer: bytes, code: str, talk: Talk) -> None:
    talk.say("C", ASK).say("S", answer).end()
    assert talk.anomalies(limits) == [code]
    assert len(talk.exchanges(limits)) == 1


def test_a_gzip_bomb_is_stopped_at_the_limit(talk: Talk) -> None:
    bomb = gzip.compress(b"\0" * 3_000_000, mtime=0)
    talk.say("C", ASK).say(
        "S", b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb) + bomb
    ).end()
    limits = Limits(body_bytes=50_000)
    (exchange,) = talk.exchanges(limits)
    assert exchange.response is not None
    assert exchange.response.body.content is not None
    assert len(exchange.response.body.content) == 50_000
    assert talk.anomalies(limits) == ["content-encoding-cut"]


def test_requests_without_answers_are_bounded() -> None:
    talk = Talk(CUTS["whole"])
    for _ in range(5):
        talk.say("C", ASK)
    talk.end("end-of-capture")
    assert [each.gone for each in talk.exchanges(Limits(pipelined_requests=3))] == [
        "limit",
        "limit",
        *["end-of-capture"] * 3,
    ]


def test_bodies_of_other_traffic_are_counted_and_not_kept(talk: Talk) -> None:
    talk.say("C", b"GET /video HTTP/1.1\r\n\r\n").say("S", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").end()
    (exchange,) = talk.exchanges()
    assert exchange.response is not None
    assert (exchange.response.body.content, exchange.response.body.length) == (None, 5)


def test_exchanges_leave_in_the_order_of_their_requests() -> None:
    """A slow answer holds back the faster ones that were asked later, on any connection."""
    slow, fast = Connection(0, CLIENT, SERVER, True), Connection(1, CLIENT._replace(port=2), SERVER, True)
    answer = RESPONSES["content-length"][0]
    events: list[StreamEvent] = [
        Data(slow, Direction.FROM_CLIENT, ASK, 1, 10, 0, 0),
        Data(fast, Direction.FROM_CLIENT, ASK, 2, 20, 0, 0),
        Data(fast, Direction.FROM_SERVER, answer, 3, 30, 0, len(ASK)),
        Data(slow, Direction.FROM_SERVER, answer, 4, 40, 0, len(ASK)),
    ]
    pairing = Pairing()
    given = [[each.connection for each in pairing.feed(event) if isinstance(each, HttpExchange)] for event in events]
    assert given == [[], [], [], [0, 1]]
    pairing = Pairing(Limits(reordered_exchanges=0))
    given = [[each.connection for each in pairing.feed(event) if isinstance(each, HttpExchange)] for event in events]
    assert given == [[], [], [1], [0]]
