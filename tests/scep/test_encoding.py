"""Section 1 of the wire quirks: every way of putting a message into a URL is undone, and noted."""

import base64
import random
from urllib.parse import quote, quote_plus

import pytest

from scep_analyzer.scep.encoding import decode_body, decode_get_message

MESSAGE = b"\x30\x82\x01\x00" + random.Random(1).randbytes(256)
TEXT = base64.b64encode(MESSAGE).decode()
assert "+" in TEXT
assert "/" in TEXT
LINES = "".join(TEXT[at : at + 64] + "\n" for at in range(0, len(TEXT), 64))
URL_SAFE = base64.urlsafe_b64encode(MESSAGE).decode()


@pytest.mark.parametrize(
    ("value", "codes"),
    [
        (quote(TEXT, safe=""), []),
        (quote(TEXT, safe="/"), []),  # sscep leaves "/" as it is, and may
        (TEXT, ["base64-unescaped"]),  # jscep: nothing is escaped
        (TEXT.replace("=", "%3D"), ["base64-unescaped"]),  # macOS: only the padding is escaped
        (quote(LINES, safe=""), ["base64-lines"]),  # Cisco, sscep
        (quote(LINES.replace("\n", "\r\n"), safe=""), ["base64-lines"]),
        (URL_SAFE, ["base64-url-alphabet"]),  # micromdm
        (URL_SAFE.rstrip("="), ["base64-url-alphabet", "base64-padding-missing"]),
        (quote(TEXT.rstrip("="), safe=""), ["base64-padding-missing"]),
        (quote(quote(TEXT, safe=""), safe=""), ["double-encoding"]),
        (quote(quote(LINES, safe=""), safe=""), ["double-encoding", "base64-lines"]),
        (quote(TEXT.replace("+", " "), safe=""), ["base64-blanks"]),  # a form decoder was at work before
        (quote(MESSAGE), ["get-message-binary"]),  # old micromdm: DER, percent-encoded
        (quote_plus(TEXT), []),
    ],
)
def test_every_form_gives_the_message(value: str, codes: list[str]) -> None:
    decoded, notes = decode_get_message(value)
    assert decoded == MESSAGE
    assert [code for code, _ in notes] == codes


def test_a_value_cut_by_a_proxy_gives_its_complete_groups() -> None:
    decoded, notes = decode_get_message(quote(TEXT[:101], safe=""))
    assert decoded == MESSAGE[:75]
    assert [code for code, _ in notes] == ["base64-truncated"]


def test_the_example_of_the_seed_page_is_explained() -> None:
    decoded, notes = decode_get_message("MIITnyeD%0%3D%3D%0A")
    assert decoded == base64.b64decode("MIITnyeD")
    assert [code for code, _ in notes] == ["base64-lines", "base64-damaged"]
    assert "%0==" in notes[1][1]


@pytest.mark.parametrize(
    ("body", "codes"),
    [
        (MESSAGE, []),
        (TEXT.encode(), ["body-base64"]),
        (LINES.encode(), ["body-base64", "base64-lines"]),
        (b"message=" + quote(TEXT, safe="").encode(), ["body-form"]),
        (b"-----BEGIN PKCS7-----\n" + LINES.encode() + b"-----END PKCS7-----\n", ["body-pem", "base64-lines"]),
    ],
)
def test_bodies_in_wrappings(body: bytes, codes: list[str]) -> None:
    decoded, notes = decode_body(body)
    assert decoded == MESSAGE
    assert [code for code, _ in notes] == codes


@pytest.mark.parametrize("body", [b"", b"<html>Many words</html>", b"\x00\x01"])
def test_other_bodies_stay_as_they_are(body: bytes) -> None:
    assert decode_body(body) == (body, [])


def test_any_value_is_survived() -> None:
    chance = random.Random(2)
    for _ in range(3000):
        value = "".join(chance.choice("MIaZ09+/=-_% \n\r%2B%0A&;é\x00") for _ in range(chance.randrange(60)))
        decode_get_message(value)
        decode_body(value.encode("latin-1", "replace"))
