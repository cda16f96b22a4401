"""Elements and strings in pieces."""

import pytest

from scep_analyzer.cms.ber import children, claimed_length, element_length, is_indefinite, read
from scep_analyzer.model.anomalies import DecodeError


@pytest.mark.parametrize(
    ("encoded", "content"),
    [
        (b"\x04\x03abc", b"abc"),
        (b"\x24\x08\x04\x01a\x04\x03bcd"[: 2 + 8], b"abcd"),
        (b"\x24\x80\x04\x01a\x04\x02bc\x00\x00", b"abc"),
        (b"\x24\x80\x24\x80\x04\x01a\x00\x00\x04\x02bc\x00\x00", b"abc"),
    ],
)
def test_octet_strings_whole_and_in_pieces(encoded: bytes, content: bytes) -> None:
    element = read(encoded)
    assert (element.tag, element.content) == (4, content)


@pytest.mark.parametrize(
    ("encoded", "text"),
    [
        (b"\x13\x0219", "19"),
        (b"\x0c\x03\xc3\xa4a", "äa"),
        (b"\x1e\x04\x00a\x00b", "ab"),
        (b"\x0c\x01\xff", "ÿ"),
        (b"\x04\x01a", None),
    ],
)
def test_strings(encoded: bytes, text: str | None) -> None:
    assert read(encoded).text() == text


def test_lengths() -> None:
    assert element_length(b"\x30\x03abc" + b"tail") == 5
    assert list(children(b"\x02\x01\x05\x04\x00")) == [b"\x02\x01\x05", b"\x04\x00"]
    assert claimed_length(b"\x30\x82\x10\x00") == 0x1004
    assert claimed_length(b"\x30\x80") is None
    assert is_indefinite(b"\x30\x80\x00\x00")


@pytest.mark.parametrize("encoded", [b"", b"\x04", b"\x04\x05abc", b"\x24\x80" * 40])
def test_what_cannot_be_read(encoded: bytes) -> None:
    with pytest.raises(DecodeError):
        read(encoded)
