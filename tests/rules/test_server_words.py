"""What servers say: real texts of their source and of public reports, and what each means."""

import pytest

from scep_analyzer.model.exchanges import Body, Response
from scep_analyzer.model.told_secrets import WITHHELD
from scep_analyzer.rules.catalogue import BY_ID
from scep_analyzer.rules.server_words import _ROWS, heard, understood
from scep_analyzer.scep.error_pages import text_of_page
from tests.rules.test_products import Said

TEXTS = [
    ("SCEP alias 'wifi' does not exist", "alias"),
    ("Wrong URL. No alias found.", "alias"),
    ("provisioner wlan not found", "alias"),
    ("SCEP support is disabled.", "disabled"),
    ("Error 403 - This web app is stopped.", "azure"),
    ("Bad Request - Invalid Hostname", "hostname"),
    ("HTTP Error 404.2 - Not Found", "isapi"),
    ("No CA certificates found", "identifier"),
    ("Attempted to enroll on an end entity (x) with incorrect status: GENERATED", "ee-status"),
    ("User device-1 not found", "ee-unknown"),
    ("invalid scep get request: illegal base64 data at input byte 261", "base64"),
    ("asn1: structure error: tags don't match (16 vs {class:1 tag:13 length:73 isCompound:true})", "base64"),
    ("asn1: structure error: tags don't match (2 vs {class:0 tag:16 length:36 isCompound:true})", "parse"),
    ("invalid data len 0", "empty"),
    ("java.lang.IllegalArgumentException: unknown object in getInstance: org.bouncycastle.asn1.DLTaggedObject", "key-id"),
    ("pkcs7: no enveloped recipient for provided certificate", "decrypt"),
    ("Failed to decrypt SCEP envelope", "decrypt"),
    ("pkcs7: cannot decrypt data: only RSA, DES, DES-EDE3, AES-256-CBC and AES-128-GCM supported", "algorithm"),
    ("Encryption algorithm 'AES' is not allowed (DES3)", "algorithm"),
    ("Signature invalid", "signature"),
    ("challenge password has expired", "challenge-expired"),
    ("SCEP profile requires a challenge password", "challenge-missing"),
    ("The challenge password has already been used", "challenge-used"),
    ("failed validating challenge password", "challenge"),
    ("The password in the certificate request cannot be verified. It may have been used already.", "challenge"),
    ("Certificate is not in a renewable state", "renewal"),
    ("scep post request failed: failed parsing SCEP request", "decrypt"),
    ("internal server error; please see your CA's logs", "policy"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "key"), TEXTS)
def test_a_text_is_understood(text: str, key: str) -> None:
    found = understood(text)
    assert found is not None
    assert found[0].key == key


@pytest.mark.parametrize(
    "text",
    [
        "500 - Internal Server Error",
        "Guest Wi-Fi: please sign in",
        "404 page not found",
        "Please complete the captcha challenge",
        "Service Unavailable",
    ],
)
def test_words_that_say_nothing_are_not_understood(text: str) -> None:
    assert understood(text) is None


def test_what_a_meaning_names_are_rules() -> None:
    named = {rule for _, meaning in _ROWS for rule in (*meaning.explains, *([meaning.finds] if meaning.finds else []))}
    assert named <= set(BY_ID)


def test_the_reason_phrase_speaks_too_but_not_a_usual_one() -> None:
    spoken = heard(Said(status=400, reason="Signature invalid").exchange())
    assert spoken is not None
    assert spoken.where == "reason phrase"
    assert spoken.meaning is not None
    assert spoken.meaning.key == "signature"
    assert heard(Said(status=400, reason="Bad Request").exchange()) is None


def test_what_is_understood_is_quoted_even_from_the_end_of_a_long_text() -> None:
    spoken = heard(Said(status=500, body_text="Stack " * 60 + "SCEP support is disabled.").exchange())
    assert spoken is not None
    assert "SCEP support is disabled." in spoken.text
    assert len(spoken.text) < 200


def test_a_page_that_was_withheld_says_nothing() -> None:
    assert heard(Said(status=401, body_text=WITHHELD).exchange()) is None


def _page(body: str, path: str = "/scep", kind: str = "text/html") -> str | None:
    content = body.encode()
    response = Response(
        status=500,
        reason="Internal Server Error",
        version="HTTP/1.1",
        headers=(("Content-Type", kind),),
        body=Body(content, len(content), True),
        frames=(6,),
        time_ns=0,
        complete=True,
    )
    return text_of_page(response, path)


def test_title_and_heading_are_told_once() -> None:
    head = "<html><head><title>500 - Internal Server Error</title></head>"
    assert (
        _page(f"{head}<body><h2>Internal Server Error</h2><p>SCEP is off</p></body></html>")
        == "500 - Internal Server Error SCEP is off"
    )
    different = "<h1>SCEP alias 'wifi' does not exist</h1>"
    assert (
        _page(f"<html><title>Error</title><body>{different}</body></html>") == "Error SCEP alias 'wifi' does not exist"
    )


@pytest.mark.parametrize(
    "text",
    [
        "The enrollment challenge password is: 8A6F2B1C4D5E7F90",
        "invalid challenge password: Tr0ub4dor",
        "Das Kennwort (challenge password) lautet AB12CD34EF567890",
    ],
)
def test_a_page_that_holds_a_challenge_password_is_withheld(text: str) -> None:
    assert _page(text, kind="text/plain") == WITHHELD


@pytest.mark.parametrize(
    "text",
    [
        "challenge password has expired",
        "failed validating challenge password",
        "challenge password refused, request a619b201-9f6f-421b-a2a4-bc4387dfa81e",
    ],
)
def test_a_page_that_talks_of_one_is_quoted(text: str) -> None:
    assert _page(text, kind="text/plain") == text
