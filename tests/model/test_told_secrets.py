"""What servers say: quoted where it talks of a password, withheld where one may be in it."""

import pytest

from scep_analyzer.model.told_secrets import WITHHELD, may_hold_secret, withheld_in_doubt
from tests.hostile.doubling import calls, exponent


@pytest.mark.parametrize(
    "text",
    [
        'invalid challenge "S3cr3tCanary77"',
        "invalid challenge password: Tr0ub4dor",
        "Das Kennwort lautet: Tr0ub4dor",
        "Das Kennwort lautet hunter2",
        "Le mot de passe : azerty99",
        "Hasło jednorazowe to Zima2026!",
        "La contraseña es: Invierno",
        "密码是AB12CD34",
        "ワンタイムパスワード：AB12CD34EF",
        "challengePassword=correcthorse",
        "the password is: correcthorsebatterystaple",
        "Your one-time password 493021 is valid for 60 minutes",
        "challenge “open sesame” was refused",
        "The enrollment challenge password is: 8A6F2B1C4D5E7F90",
        '{"error":"bad challenge","challenge":"kX7vQ9"}',
        "secret -> xYzzYx",
        "webhook denied challenge kX7vQ9tr",
    ],
)
def test_withheld(text: str) -> None:
    assert may_hold_secret(text)
    assert withheld_in_doubt(text) == WITHHELD


@pytest.mark.parametrize(
    "text",
    [
        "challenge password has expired",
        "challenge password: expired",
        "challenge password is invalid",
        "failed validating challenge password: webhook server did not allow request",
        "the challenge password must not be used a second time",
        "challenge password refused, request a619b201-9f6f-421b-a2a4-bc4387dfa81e",
        "password error 0x80094800",
        "invalid token: unauthorized",
        "challenge refused by ndes01.corp.example:443 at 2026-03-02T08:15:00Z",
        "challenge refused for device router-17",
        "see https://kb.example/articles/4711 about challenge passwords",
        "challenge password hashed with SHA-256 expected",
        "Passwort abgelaufen",
        "SCEP alias 'wifi' does not exist",
        "",
    ],
)
def test_quoted(text: str) -> None:
    assert not may_hold_secret(text)
    assert withheld_in_doubt(text) == text


def test_what_is_secret_by_its_form_is_left_out() -> None:
    assert withheld_in_doubt("see http://u:p@h/ F00DFACE00112233") == "see http://(redacted)@h/ (redacted)"


def test_the_work_grows_with_the_length() -> None:
    counts = [calls(lambda times=times: may_hold_secret("token is bad, " * times)) for times in (500, 1_000, 2_000)]  # type: ignore[misc]  # a default binds it
    assert exponent(list(map(float, counts)), [500, 1_000, 2_000]) < 1.1
