"""Secrets in text, by rule."""

import base64
import random
from urllib.parse import quote

import pytest

from scep_analyzer.model.secrets import (
    digits_hidden,
    field_without_secrets,
    is_secret_name,
    secrets_in,
    speaks_of_secret,
    text_is_secret,
    without_secrets,
)


@pytest.mark.parametrize(
    "name",
    [
        "challenge", "ChallengePassword", "challenge_password", "ch%61llenge", "ch%2561llenge", "scepChallenge", "PASS", "pwd", "pin",
        "otp", "code", "oneTimePassword", "apiKey", "api-key", "X-Auth-Token", "access_token", "sig", "jwt", "sessionid", "client_secret",
    ],
)  # fmt: skip
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["operation", "message", "profile", "host", "monkey", "encoding", "spin", "passive", "keyId", "id", "ca"]
)
def test_names_of_others(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("/scep?operation=GetCACaps&challenge=x&y=1", "/scep?operation=GetCACaps&challenge=(redacted)&y=1"),
        ("/scep?operation=PKIOperation&message=MII%3D", "/scep?operation=PKIOperation&message=MII%3D"),
        ("/scep;pin=1/pkiclient.exe?x=1", "/scep;pin=(redacted)?x=1"),
        ("/scep?challenge=a;b#c", "/scep?challenge=(redacted)"),
        ("http://u:p@h/x", "http://(redacted)@h/x"),
        ("http://u:p@q@h/x", "http://(redacted)@h/x"),
        ("http://u:p/q@h/x", "http://(redacted)@h/x"),
        ("http://h:8080/x@y", "http://h:8080/x@y"),
        ("u:p@h:443", "(redacted)@h:443"),
        ("/x?next=http%3A%2F%2Fu%3Ap%40h", "/x?next=(redacted)"),
        ("moved to https://u:p@h/?otp=5 for now", "moved to https://(redacted)@h/?otp=(redacted) for now"),
    ],
)
def test_targets_and_urls(target: str, shown: str) -> None:
    assert without_secrets(target) == shown
    assert without_secrets(shown) == shown
    assert bool(secrets_in(target)) == (target != shown)


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/scep/password/S3cret/pkiclient.exe?operation=GetCACaps", "/scep/password/(redacted)/pkiclient.exe?operation=GetCACaps"),
        ("/scep/OTP/a%2Fb/pkiclient.exe", "/scep/OTP/(redacted)%2F(redacted)/pkiclient.exe"),
        ("/scep/token/se/cret", "/scep/token/(redacted)/(redacted)"),
        ("/ch%61llenge/S3cret", "/ch%61llenge/(redacted)"),
        ("%2Fscep%2Fsecret%2FS3cret%2Fscep", "%2Fscep%2Fsecret%2F(redacted)%2Fscep"),
        ("/scep/otp-4711/pkiclient.exe", "/scep/otp-(redacted)/pkiclient.exe"),
        ("//password/S3cret", "//password/(redacted)"),
        ("/scep//password//S3cret/x?a=b", "/scep//password//(redacted)/(redacted)?a=b"),
        ("http://h/challenge/S3cret/scep", "http://h/challenge/(redacted)/scep"),
        ("see http://token.example/ca/scep and /pin/1234, or", "see http://token.example/ca/scep and /pin/(redacted) or"),
        ('{"url": "http:\\/\\/h\\/token\\/S3cret"}', '{"url": "http:\\/\\/h\\/token\\/(redacted)"}'),
        # What is no secret: services' own paths, words in a sentence, hosts.
        ("/auth/realms/scep", "/auth/realms/scep"),
        ("/certsrv/mscep_admin/", "/certsrv/mscep_admin/"),
        ("/ejbca/publicweb/apply/scep/pkiclient.exe", "/ejbca/publicweb/apply/scep/pkiclient.exe"),
        ("/challenge/validate", "/challenge/validate"),
        ("http://password.example/x/y", "http://password.example/x/y"),
        ("the challenge password/OTP is missing", "the challenge password/OTP is missing"),
        ("text/html, application/x-pki-message", "text/html, application/x-pki-message"),
    ],
)  # fmt: skip
def test_segments_of_paths(path: str, shown: str) -> None:
    assert without_secrets(path) == shown
    assert without_secrets(shown) == shown


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("Authorization", "Basic dTpw", "Basic (redacted, 4 characters)"),
        ("Cookie", "a=b", "(redacted, 3 characters)"),
        ("X-API-Key", "abc", "(redacted, 3 characters)"),
        ("Location", "http://u:p@h/?challenge=x", "http://(redacted)@h/?challenge=(redacted)"),
        ("WWW-Authenticate", "NTLM TlRMTVNTUAACAAAADAAMADgAAAA=", "NTLM (redacted, 28 characters)"),
        ("WWW-Authenticate", 'Basic realm="x"', 'Basic realm="x"'),
        ("Host", "u:p@h", "(redacted)@h"),
        ("Content-Type", "text/html; charset=utf-8", "text/html; charset=utf-8"),
        ("Server", "Microsoft-IIS/10.0", "Microsoft-IIS/10.0"),
    ],
)
def test_fields(name: str, value: str, shown: str) -> None:
    assert field_without_secrets(name, value) == shown
    assert field_without_secrets(name, shown) == shown


def test_texts() -> None:
    assert speaks_of_secret("Das Kennwort lautet …")
    assert speaks_of_secret('invalid challenge "x"')
    assert not speaks_of_secret("The template is not published")
    assert digits_hidden("F00DFACE00112233 or 0x80094800") == "(redacted) or 0x80094800"
    assert (
        digits_hidden("request 123e4567-e89b-12d3-a456-426614174000") == "request 123e4567-e89b-12d3-a456-426614174000"
    )
    assert text_is_secret("le mot de passe : x".encode("utf-16"))
    assert not text_is_secret(b"404 page not found")


def _message(octets: int, chance: random.Random) -> str:
    """A DER SEQUENCE of so many random bytes, in base64."""
    length = octets.to_bytes((octets.bit_length() + 7) // 8)
    return base64.b64encode(bytes([0x30, 0x80 + len(length)]) + length + chance.randbytes(octets)).decode()


@pytest.mark.parametrize("safe", ["", "/", "/+="])
@pytest.mark.parametrize("octets", [128, 255, 256, 1999, 2000, 2001, 70_000])
def test_a_message_is_no_path(octets: int, safe: str) -> None:
    """Of such messages one in 25 had words like "pin" between two of its slashes, and was shown with a hole."""
    chance = random.Random(octets)
    for _ in range(10):
        target = f"/scep?operation=PKIOperation&message={quote(_message(octets, chance), safe=safe)}"
        assert without_secrets(target) == target
        assert without_secrets(f"{target}&challenge=4711") == f"{target}&challenge=(redacted)"
        assert without_secrets(f"/pin/4711{target}") == f"/pin/(redacted){target}"


@pytest.mark.parametrize("behind", ["/challenge/4711", "%2Fchallenge%2F4711", "AAAA/pin/4711abc"])
def test_what_is_behind_a_message_is_not_of_it(behind: str) -> None:
    message = _message(2000, random.Random(1)).rstrip("=")
    shown = without_secrets(f"/scep?operation=PKIOperation&message={message}{behind}")
    assert "4711" not in shown
