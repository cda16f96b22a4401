"""GetCACaps answers."""

import pytest

from scep_analyzer.scep.capabilities import is_capability_list, read_capabilities


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_words_as_sent(end: str) -> None:
    capabilities, notes = read_capabilities(end.join(["AES", "SHA-256", "SubjectAltName"]).encode())
    assert capabilities is not None
    assert capabilities.keywords == ("AES", "SHA-256", "SubjectAltName")
    assert notes == []


@pytest.mark.parametrize(
    ("body", "words", "code"),
    [
        (b"PostPkiOperation\nAES", ("PostPkiOperation", "AES"), "capability-spelling"),
        (b"AES, DES3 SHA-1", ("AES", "DES3", "SHA-1"), "capabilities-one-line"),
    ],
)
def test_odd_forms_are_noted(body: bytes, words: tuple[str, ...], code: str) -> None:
    capabilities, notes = read_capabilities(body)
    assert capabilities is not None
    assert capabilities.keywords == words
    assert [each for each, _ in notes] == [code]


def test_an_empty_answer_means_none() -> None:
    capabilities, _ = read_capabilities(b"")
    assert capabilities is not None
    assert capabilities.keywords == ()


@pytest.mark.parametrize(
    "body",
    [b"<html><body>Not found</body></html>", b"\x30\x82\xff", b"404 page not found on this server\nsorry about that"],
)
def test_what_is_no_list(body: bytes) -> None:
    assert read_capabilities(body)[0] is None
    assert not is_capability_list(body)


def test_a_list_of_known_words_is_recognised() -> None:
    assert is_capability_list(b"AES\nPOSTPKIOperation\n")
    assert not is_capability_list(b"hello\n")
