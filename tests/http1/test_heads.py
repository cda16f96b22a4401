"""Recognising HTTP by its first bytes, and reading heads."""

import pytest

from scep_analyzer.http1.heads import read_request_head, read_response_head, starts_request, starts_response


@pytest.mark.parametrize(
    ("start", "verdict"),
    [
        (b"GET /", True),
        (b"get /", True),
        (b"Post /", True),
        (b"PROPFIND /", True),
        (b"GE", None),
        (b"", None),
        (b"GET", None),
        (b"GETX /", False),
        (b"\x16\x03\x01", False),
        (b"HELO mail", False),
        (b"RETR x", False),
        (b" GET /", False),
        (b"HTTP/1.1 200", False),
    ],
)
def test_starts_request(start: bytes, verdict: bool | None) -> None:
    assert starts_request(start) is verdict


@pytest.mark.parametrize(
    ("start", "verdict"),
    [(b"HTTP/1.1 200", True), (b"http/1.0", True), (b"HT", None), (b"", None), (b"HTML", False), (b"SIP/2.0", False)],
)
def test_starts_response(start: bytes, verdict: bool | None) -> None:
    assert starts_response(start) is verdict


def test_a_request_head() -> None:
    head = read_request_head(b"GET /a?b=c HTTP/1.0\r\nHost: x\r\nX: one\r\n two\r\nno colon\r\n\r\n", cut=False)
    assert head is not None
    assert (head.method, head.target, head.version) == ("GET", "/a?b=c", "HTTP/1.0")
    assert head.headers == (("Host", "x"), ("X", "one two"))


def test_bare_line_feeds_and_blanks_in_the_target() -> None:
    head = read_request_head(b"GET /scep?operation= PKIOperation HTTP/1.1\nHost: x\n\n", cut=False)
    assert head is not None
    assert (head.target, head.headers) == ("/scep?operation= PKIOperation", (("Host", "x"),))


@pytest.mark.parametrize(
    "head", [b"OPTIONS rtsp://x RTSP/1.0\r\n\r\n", b"NOTIFY sip:a@b SIP/2.0\r\n\r\n", b"GET hello\r\n\r\n"]
)
def test_other_protocols_with_methods_of_the_same_name(head: bytes) -> None:
    assert read_request_head(head, cut=False) is None


def test_a_request_line_that_is_cut() -> None:
    head = read_request_head(b"GET /scep?operation=PKIOperat", cut=True)
    assert head is not None
    assert (head.target, head.version) == ("/scep?operation=PKIOperat", "")


def test_response_heads() -> None:
    head = read_response_head(b"HTTP/1.1 200\r\nA: b\r\n\r\n", cut=False)
    assert head is not None
    assert (head.status, head.reason, head.headers) == (200, "", (("A", "b"),))
    assert read_response_head(b"HTTP/1.1 OK\r\n\r\n", cut=False) is None
