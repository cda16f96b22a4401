"""Properties: however the same conversation is cut, ordered, repeated, fragmented or wrapped, it gives the same exchanges."""

import functools
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.exchanges import HttpExchange
from scep_analyzer.model.packets import Segment
from scep_analyzer.model.scep import ScepExchange
from tests import talk
from tests.conftest import DEPTH
from tests.segments import decoded, handshake, segment

REQUESTS = [
    b"GET /scep?operation=GetCACaps HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /scep?operation=PKIOperation HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s"
    % (len(talk.message(19)), talk.message(19)),
]
ANSWERS = [
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nAES\n\r\n8\r\nSHA-256\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-pki-message\r\n\r\n" + talk.reply(0, issued=True),
]


def _segments(chance: random.Random, most: int, *, disorder: bool, repeat: bool) -> list[Segment]:
    """The conversation in segments of 1 to ``most`` bytes, shuffled within each message, some sent twice with other boundaries."""
    frames = iter(range(4, 1_000_000))
    sent = {"C": 0, "S": 0}
    out = handshake()
    for request, answer in zip(REQUESTS, ANSWERS, strict=True):
        for side, content in (("C", request), ("S", answer)):
            other, pieces, at = sent["S" if side == "C" else "C"], [], 0
            while at < len(content):
                size = chance.randint(1, most)
                pieces.append((sent[side] + at, content[at : at + size]))
                at += size
            if repeat:
                for _ in range(3):
                    start = chance.randrange(len(content))
                    pieces.append((sent[side] + start, content[start : start + chance.randint(1, most)]))
            if disorder:
                chance.shuffle(pieces)
            out += [segment(next(frames), side, "A", offset, piece, other) for offset, piece in pieces]
            sent[side] += len(content)
    out.append(segment(next(frames), "S", "FA", sent["S"], acknowledged=sent["C"]))
    out.append(segment(next(frames), "C", "FA", sent["C"], acknowledged=sent["S"] + 1))
    return out


def _read(segments: list[Segment]) -> tuple[list[Any], list[Anomaly]]:
    items = list(decoded(segments))
    exchanges = [each for each in items if isinstance(each, ScepExchange)]
    return [_values(each) for each in exchanges], [each for each in items if isinstance(each, Anomaly)]


def _values(exchange: Any) -> tuple[object, ...]:
    """Everything of an exchange but frame numbers and times."""
    http: HttpExchange = exchange.http
    assert http.request is not None
    assert http.response is not None
    return (
        (http.connection, http.client, http.server, http.gone),
        (http.request.target, http.request.headers, http.request.body, http.request.complete),
        (http.response.status, http.response.headers, http.response.body, http.response.complete),
        (exchange.operation, exchange.request, exchange.response),
    )


@functools.cache
def _expected() -> list[Any]:
    found, anomalies = _read(_segments(random.Random(0), 100_000, disorder=False, repeat=False))
    assert len(found) == 2
    assert anomalies == []
    return found


@settings(max_examples=60 * DEPTH)
@given(st.integers(0, 2**32), st.sampled_from([7, 100, 1460, 20_000]), st.booleans(), st.booleans())
def test_any_segmentation_order_and_repetition(seed: int, most: int, disorder: bool, repeat: bool) -> None:
    found, anomalies = _read(_segments(random.Random(seed), most, disorder=disorder, repeat=repeat))
    assert found == _expected()
    assert anomalies == []


@settings(max_examples=40 * DEPTH)
@given(st.integers(0, 2**32), st.integers(1, 6))
def test_what_is_missing_is_always_a_named_gap(seed: int, lost: int) -> None:
    """Any segments deleted: no exchange is invented, and every incomplete one has its gap."""
    chance = random.Random(seed)
    whole = _segments(chance, 400, disorder=False, repeat=False)
    with_data = [each for each in whole if each.payload]
    gone = {each.frame for each in chance.sample(with_data, min(lost, len(with_data) - 1))}
    items = list(decoded([each for each in whole if each.frame not in gone]))
    exchanges = [each for each in items if isinstance(each, ScepExchange)]
    assert len(exchanges) <= 2
    holes = [each for each in items if isinstance(each, Anomaly) and each.code == "gap"]
    for each in exchanges:
        messages = [message for message in (each.http.request, each.http.response) if message is not None]
        if any(not message.complete for message in messages):
            assert holes
    # Without any head of a message the connection is not known to carry SCEP, and its holes are nobody's business.
    if exchanges and not holes:
        assert [_values(each) for each in exchanges] == _expected()


@settings(max_examples=200 * DEPTH)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("CS"),
            st.sampled_from(["A", "FA", "RA", "S", "SA", ""]),
            st.integers(0, 300),
            st.binary(max_size=60),
            st.integers(0, 300),
        ),
        max_size=30,
    )
)
def test_any_segments_are_survived(segments: list[tuple[str, str, int, bytes, int]]) -> None:
    chaos = [
        segment(at, side, flags, offset, payload, acked)
        for at, (side, flags, offset, payload, acked) in enumerate(segments, 1)
    ]
    list(decoded(chaos))
