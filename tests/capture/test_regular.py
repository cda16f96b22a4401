"""Connections in the care of the compiled part: with it and without it the same is found, within limits that are met, too."""

import random
from array import array
from pathlib import Path
from typing import Any

import pytest

from scep_analyzer.capture import skim
from scep_analyzer.capture.files import CaptureFiles
from scep_analyzer.engines import builtin
from scep_analyzer.http1 import exchanges
from scep_analyzer.link.decode import Decoder
from scep_analyzer.model.exchanges import HttpExchange
from scep_analyzer.model.limits import LIMITS
from scep_analyzer.model.packets import Joined, Segment, reversed_key
from scep_analyzer.sieve.flows import Flows
from tests import files, talk
from tests.builders import wire
from tests.conftest import DEPTH
from tests.fuzz import native

stride = pytest.importorskip("scep_analyzer.capture._stride", reason="the compiled part was not built")

CLIENT, SERVER, PORT = "10.0.0.1", "10.0.1.1", 4000


class Talk:
    """Records of one connection, a millisecond apart."""

    def __init__(self, port: int = PORT) -> None:
        self.port = port
        self.next = {True: 1000, False: 5000}
        self.records: list[bytes] = []

    def send(self, content: bytes = b"", flags: int = wire.ACK, *, asks: bool = True, window: int = 65_535) -> "Talk":
        ends = (CLIENT, SERVER, self.port, 80) if asks else (SERVER, CLIENT, 80, self.port)
        acknowledgment = self.next[not asks] if flags & wire.ACK else 0
        segment = wire.tcp(ends[2], ends[3], self.next[asks], acknowledgment, flags, content)
        segment = segment if window else segment[:14] + bytes(2) + segment[16:]
        self.next[asks] = (self.next[asks] + len(content) + bool(flags & (wire.SYN | wire.FIN))) % 2**32
        fraction = 1_000 * len(self.records)
        self.records.append(files.pcap_record(wire.ethernet(wire.ip(ends[0], ends[1], 6, segment)), fraction=fraction))
        return self

    def pieces(self, content: bytes, size: int, *, asks: bool = True, acknowledged: bool = True) -> "Talk":
        for at in range(0, len(content), size):
            self.send(content[at : at + size], asks=asks)
            if acknowledged:
                self.send(asks=not asks)
        return self

    def opened(self) -> "Talk":
        return self.send(flags=wire.SYN).send(flags=wire.SYN | wire.ACK, asks=False).send()


def _segments(path: Path) -> tuple[list[Any], Flows]:
    """What comes past the sieve, with the stages behind it at work."""
    flows, decoder = Flows(regular=skim.regular()), Decoder()
    reading = CaptureFiles([str(path)], None, lambda: builtin.tight(flows, decoder))
    came = []

    def seen() -> Any:
        for item in builtin._segments(reading, flows, decoder, None):
            came.append(item)
            yield item

    pairing = exchanges.Pairing(LIMITS, flows.expect, flows.hurry)
    list(pairing.over(builtin.Reassembler().over(seen())))
    return came, flows


def _written(tmp_path: Path, *talks: Talk) -> Path:
    path = tmp_path / "talk.pcap"
    path.write_bytes(files.pcap_header() + b"".join(record for each in talks for record in each.records))
    return path


@pytest.mark.parametrize("seed", range(60 * DEPTH))
def test_the_same_with_it_and_without_it(seed: int, tmp_path: Path) -> None:
    native.one(seed, tmp_path / "any.pcap")


def test_the_middle_of_a_message_comes_as_one(tmp_path: Path) -> None:
    body = talk.message(19)
    head = f"POST {talk.POST} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    path = _written(tmp_path, Talk().opened().pieces(head + body, 150).send(b"HTTP/1.1 200 OK\r\n", asks=False))
    came, _ = _segments(path)
    runs = [each for each in came if isinstance(each, Joined)]
    sent = b"".join([each.content if isinstance(each, Joined) else each.payload for each in came])
    assert sent == head + body + b"HTTP/1.1 200 OK\r\n"
    assert [len(each.spans) for each in runs] == [
        len(sent[300:-17]) // 150 + 1
    ]  # all but the first two: those tell what it is
    assert runs[0].content == (head + body)[300:]
    # Each span tells the frame of its packet: two for the handshake's end, then every other one (between them acknowledgments).
    assert [each[0] for each in runs[0].spans] == [8 + 2 * at for at in range(len(runs[0].spans))]
    compiled, plain = native.both(path)
    assert compiled == plain


@pytest.mark.parametrize(
    "odd",
    [
        lambda each: each.send(b"", wire.FIN | wire.ACK),
        lambda each: each.send(b"", wire.RST),
        lambda each: each.send(b"x" * 10, asks=False),
        lambda each: setattr(each, "next", {**each.next, True: each.next[True] + 7}),
        lambda each: setattr(each, "next", {**each.next, True: each.next[True] - 7}),
        lambda each: setattr(each, "next", {**each.next, False: each.next[False] + 7}),
        lambda each: each.send(b"", wire.ACK, window=0),
    ],
    ids=["fin", "rst", "turn", "hole", "again", "acknowledges-more", "window-shut"],
)
def test_what_is_odd_in_the_middle_of_a_run(odd: Any, tmp_path: Path) -> None:
    body = talk.message(19)
    head = f"POST {talk.POST} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    conversation = Talk().opened().pieces((head + body)[:900], 150)
    odd(conversation)
    path = _written(tmp_path, conversation.pieces((head + body)[900:], 150))
    compiled, plain = native.both(path)
    assert compiled == plain
    assert any(isinstance(each, Joined) for each in _segments(path)[0])


@pytest.mark.parametrize("length", [2**31, 2**63, 2**64 + 1, 10**300], ids=lambda length: f"{length:.0e}")
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_may_say_that_it_has_any_length(length: int, chunked: bool, tmp_path: Path) -> None:
    """A number of the wire may be larger than any of C's; found by fuzzing."""
    talk = Talk().opened()
    head = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % length if chunked else b"Content-Length: %d\r\n\r\n" % length
    talk.pieces(b"POST /scep?operation=PKIOperation HTTP/1.1\r\nHost: a\r\n" + head, 40)
    talk.pieces(b"0" * 4_000, 500)
    path = _written(tmp_path, talk)
    compiled, plain = native.both(path)
    assert compiled == plain
    found = builtin.BuiltinEngine([str(path)]).exchanges()
    [request] = [each.request for each in found if isinstance(each, HttpExchange)]
    assert request is not None
    assert not request.complete


def test_what_is_no_scep_never_comes_to_the_sieve(tmp_path: Path) -> None:
    page = b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"
    web = Talk().opened()
    for _ in range(3):
        web.send(page).send(answer, asks=False).send()
    web.send(flags=wire.FIN | wire.ACK)
    tls = Talk(PORT + 1).opened().send(b"\x16\x03\x01\0\x10" + bytes(16)).send(b"\x16\x03\x03" + bytes(40), asks=False)
    path = _written(tmp_path, web, tls)
    taken: list[Segment] = []
    with pytest.MonkeyPatch.context() as patch:
        feed = Flows.feed
        patch.setattr(Flows, "feed", lambda self, item: (taken.append(item), feed(self, item))[1])
        came, flows = _segments(path)
    assert len(taken) <= 2  # the last records of a file may be read with those that are not plain
    assert [each for each in came if not isinstance(each, Segment)] == came  # nothing but the line about TLS
    assert flows.requests == 3
    assert [str(each) for each in flows.tls_servers] == ["10.0.1.1:80"]
    assert {path for _, path in flows.left_out} == {"/page"}
    assert flows._counts[0] == 2


def test_a_table_refuses_what_it_is_not_given() -> None:
    with pytest.raises(ValueError, match="counts"):
        stride.Regular({}, {}, array("q", [0]), print, print, 9, 9, 1, [], [], [], [])
    with pytest.raises(TypeError):
        stride.Regular({}, {}, array("q", bytes(32)), print, print, 9, 9, 1, ["text"], [], [], [])
    with pytest.raises(TypeError):
        stride.form_of(False, 16, 1, 1, 0, b"", b"", 12, 14, True, 1700, 99, {}, b"", object(), b"")


def test_lends_and_recovers() -> None:
    table: Any = stride.Regular({}, {}, array("q", bytes(32)), print, print, 9, 9, 1, [], [], [], [])
    key = bytes(range(12))
    assert table.recover(key) is None
    assert table.lend(key, 7, 2**32 - 1, 5)
    assert not table.lend(key, 8, 1, 1)
    assert table.release(key) is None  # it is not one of those that are not followed
    table.expect(reversed_key(key), 1_000, None)
    table.expect(b"short", 1_000, None)
    assert table.recover(reversed_key(key)) == (2**32 - 1, 5, None)
    assert table.recover(key) is None
    assert not table.lend(bytes(12), 1, 1, 1)  # to itself
    chance = random.Random(1)
    keys = [chance.randbytes(36) for _ in range(2_000)]
    assert all(table.lend(each, at, at, at) for at, each in enumerate(keys))
    assert [table.recover(each)[0] for each in keys[::2]] == list(range(0, 2_000, 2))
    table.clear()
    assert table.recover(keys[1]) is None
