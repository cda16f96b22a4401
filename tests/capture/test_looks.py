"""The compiled first look at HTTP: whatever it calls another's message, the sieve's own look calls so, too."""

import random
from collections.abc import Callable

import pytest

from scep_analyzer.http1.heads import METHODS, starts_request, starts_response
from scep_analyzer.http1.messages import CMS_STARTS
from scep_analyzer.sieve.heads import HINTS, TYPES, Look, look_at_request, look_at_response
from tests.conftest import DEPTH
from tests.sieve.test_invariant import EXCHANGES

stride = pytest.importorskip("scep_analyzer.capture._stride", reason="the compiled part was not built")

REQUEST_LINES = [
    b"GET / HTTP/1.1", b"GET /a?b=c HTTP/1.1", b"POST /upload HTTP/1.0", b"GET /x%20y HTTP/1.1", b"get / http/1.1", b"GET /", b"GET",
    b"GET  /two\tHTTP/1.1", b"HEAD / HTTP/1.1", b"CONNECT ca:443 HTTP/1.1", b"GET /scep?operation=GetCACaps HTTP/1.1", b"EHLO x",
    b"GET /a.crl HTTP/1.1", b"GET /\x0b/\x0c HTTP/1.1", b"OPTIONS * HTTP/1.1", b"BITS_POST / HTTP/1.1", b"GET /mscep_admin HTTP/1.1",
]  # fmt: skip
STATUS_LINES = [
    b"HTTP/1.1 200 OK", b"HTTP/1.0 404", b"http/1.1 204 x", b"HTTP/1.1 304 x", b"HTTP/1.1 100 Continue", b"HTTP/1.1 101 x",
    b"HTTP/1.1  2000 x", b"HTTP/1.1 2x0 OK", b"HTTP/1.1", b"HTTP/1.1 000 x", b"HTTP/1.1\t200\tOK", b"HTTPS 200 x",
]  # fmt: skip
FIELDS = [
    b"Host: x", b"Content-Length: 2", b"Content-Length: 0", b"content-length:   7  ", b"Content-Length: 2, 2", b"Content-Length : 2",
    b"Content-Length:", b"Content-Length", b"Content-Length: 1234567890123456", b"X-Content-Length: 2", b"Content-Lenght: 2",
    b"Transfer-Encoding: chunked", b"Content-Type: text/html", b"Content-Type: application/x-pki-message",
    b"Content-Type: application/x-X509-ca-cert", b"X: application/x-pki-message", b"Content-Length: -1", b"Content-Length: \x0b7\x0c",
]  # fmt: skip
BODIES = [
    b"",
    b"ok",
    b"<html>",
    b"\x30\x82\x01",
    b"\x30",
    b"MII",
    b"MI",
    b"2\r\nok\r\n",
    b"3\r\nMII\r\n",
    b"5",
    b"GET / HTTP/1.1\r\n\r\n",
]
ENDS = [b"\r\n", b"\r\n", b"\r\n", b"\n"]


def _message(chance: random.Random, lines: list[bytes]) -> bytes:
    end = chance.choice(ENDS)
    fields = chance.choices(FIELDS, k=chance.choice([0, 1, 2, 5]))
    message = end.join([chance.choice(lines), *fields, b"", chance.choice(BODIES)])
    changed = bytearray(message[: chance.randint(0, len(message))] if chance.random() < 0.2 else message)
    for _ in range(chance.choice([0, 0, 0, 1, 2])):
        if changed:
            changed[chance.randrange(len(changed))] = chance.choice(b" \t\r\n:0AaHG\x0b\0")
    return bytes(changed)


def _compiled(content: bytes, *, response: bool) -> bool | tuple[int, bytes] | None:
    return stride.looks_other(content, response, sorted(METHODS), HINTS, TYPES, CMS_STARTS)  # type: ignore[no-any-return]


def _request_is_other(content: bytes) -> object:
    if not starts_request(content):
        return None
    seen = look_at_request(content)
    return (seen.length, seen.target) if seen.look is Look.OTHER else None


def _response_is_other(content: bytes) -> bool:
    return bool(starts_response(content)) and look_at_response(content).look is Look.OTHER


@pytest.mark.parametrize(
    ("lines", "response", "own"),
    [(REQUEST_LINES, False, _request_is_other), (STATUS_LINES, True, _response_is_other)],
    ids=["request", "response"],
)
def test_never_calls_other_what_the_sieve_does_not(
    lines: list[bytes], response: bool, own: Callable[[bytes], object]
) -> None:
    chance, others = random.Random(1), 0
    for _ in range(20_000 * DEPTH):
        content = _message(chance, lines)
        compiled = _compiled(content, response=response)
        if compiled:
            others += 1
            assert compiled == own(content), content
    assert others > 200  # whole, plain ones are rare among these


@pytest.mark.parametrize(
    ("name", "other"),
    [("page", True), ("caps", False), ("typed", True), ("upload", True), ("certificate", True), ("pki-post", False)],
)
def test_answers_for_usual_requests(name: str, other: bool) -> None:
    content = EXCHANGES[name][0]
    compiled = _compiled(content, response=False)
    assert bool(compiled) is other
    if isinstance(compiled, tuple):
        assert compiled == (len(content), content.split()[1])


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("page", True),
        ("page-chunked", True),
        ("typed", False),
        ("no-type", False),
        ("certificate", False),
        ("not-modified", True),
    ],
)
def test_answers_for_usual_responses(name: str, other: bool) -> None:
    assert _compiled(EXCHANGES[name][1], response=True) is other


def test_a_head_longer_than_its_room_is_left() -> None:
    long = b"GET / HTTP/1.1\r\nX: " + bytes(8_192) + b"\r\n\r\n"
    assert _compiled(long, response=False) is None
    assert look_at_request(long).look is Look.OTHER
