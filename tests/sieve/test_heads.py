"""The first look at a message must see everything that the HTTP stage would take for SCEP's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scep_analyzer.http1.heads import METHODS, starts_request, starts_response
from scep_analyzer.sieve.heads import FIRST_BYTES, Look, look_at_request, look_at_response

HEAD = b"POST /x HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"GET /x HTTP/1.1\r\n\r\n", Look.OTHER),
        (b"GET /x HTTP/1.1\r\nHost: x", Look.MORE),
        (b"GET /x", Look.MORE),
        (b"GET /x HTTP/1.1\n\n", Look.MAYBE),
        (b"GET /x HTTP/1.1\r\n\r\nGET /y HTTP/1.1\r\n\r\n", Look.MAYBE),
        (b"GET /x?operation=PKIOperation", Look.MAYBE),
        (b"GET /x?%6Fperation=PKIOperation HTTP/1.1", Look.MAYBE),
        (b"GET /x?operation= PKIOperation HTTP/1.1\r\n\r\n", Look.MAYBE),
        (b"GET /x?operation=view HTTP/1.1\r\n\r\n", Look.OTHER),
        (b"get key\r\n", Look.NOT_HTTP),
        (HEAD + b"Content-Length: 9\r\n\r\n", Look.MORE),
        (HEAD + b"Content-Length: 9\r\n\r\nabcdefghi", Look.OTHER),
        (HEAD + b"Content-Length: 9\r\n\r\nabc", Look.MORE),
        (HEAD + b"Content-Length: 9\r\n\r\n\x30\x82\x01", Look.MAYBE),
        (HEAD + b"Content-Length: 9\r\n\r\nMIIC", Look.MAYBE),
        (HEAD + b"Content-Length: 9\r\nContent-Type: application/x-pki-message\r\n\r\nabc", Look.MAYBE),
        (HEAD + b"Content-Length : 9\r\n\r\nabc", Look.MAYBE),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", Look.MAYBE),
    ],
)
def test_requests(content: bytes, expected: Look) -> None:
    assert look_at_request(content).look is expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", Look.OTHER),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Look.MORE),
        (b"HTTP/1.1 200 OK\r\n\r\n", Look.MORE),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", Look.OTHER),
        (b"HTTP/1.1 100 Continue\r\n\r\n", Look.INTERIM),
        (b"HTTP/1.1 200 OK\r\nContent-Type: application/x-x509-ca-cert\r\nContent-Length: 5\r\n\r\nhello", Look.MAYBE),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n\x30\x82\x01\x01\x01", Look.MAYBE),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello", Look.OTHER),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n\x30\x80\x01", Look.MAYBE),
        (b"HTTP/1.1 abc\r\n\r\n", Look.MAYBE),
    ],
)
def test_responses(content: bytes, expected: Look) -> None:
    assert look_at_response(content).look is expected


@given(st.sampled_from(sorted(METHODS)), st.text("\r\n", max_size=3), st.data())
def test_every_way_to_begin_a_message_is_among_the_first_bytes(method: bytes, blank: str, data: st.DataObject) -> None:
    word = data.draw(st.sampled_from([method + b" /x HTTP/1.1", b"HTTP/1.1 200 OK"]))
    cased = bytes(byte ^ 0x20 if chr(byte).isalpha() and data.draw(st.booleans()) else byte for byte in word)
    assert starts_request(cased) or starts_response(cased)
    assert (blank.encode() + cased)[:4] in FIRST_BYTES
