"""A secret beside a message, in the forms in which programs and people write messages down: nothing that is said of them holds it."""

import base64
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from scep_analyzer.model.values import address_in
from tests.conftest import Result
from tests.hostile.test_canary import CANARY, CSR, _holds

Program = Callable[..., Result]
REQUEST = (
    f"POST /scep?operation=PKIOperation&challenge={CANARY} HTTP/1.1\r\nHost: h\r\nContent-Length: {len(CSR)}\r\n\r\n".encode()
    + CSR
)
REFUSAL = (
    f"HTTP/1.1 403 bad challenge password {CANARY}\r\nSet-Cookie: a={CANARY}\r\nContent-Length: 0\r\n\r\n".encode()
)
CURL = f"> POST /scep?operation=PKIOperation HTTP/1.1\n> Cookie: a={CANARY}\n>\n< HTTP/1.1 403 wrong challenge {CANARY}\n<\n".encode()


def _har() -> bytes:
    head = [{"name": "Cookie", "value": CANARY}, {"name": "Authorization", "value": f"Bearer {CANARY}"}]
    body = base64.b64encode(CSR).decode()
    asked = {
        "method": "POST",
        "url": f"http://u:{CANARY}@h/scep?operation=PKIOperation",
        "httpVersion": "HTTP/1.1",
        "headers": head,
        "cookies": head[:1],
        "queryString": [{"name": "challenge", "value": CANARY}],
        "postData": {"mimeType": "application/x-pki-message", "text": body, "encoding": "base64"},
    }
    content = {"text": "", "mimeType": "text/html"}
    entry = {
        "startedDateTime": "2026-01-01T00:00:00Z",
        "time": 1,
        "request": asked,
        "response": {"status": 403, "statusText": f"bad challenge {CANARY}", "headers": [], "content": content},
        "serverIPAddress": f"u:{CANARY}@h",
    }
    return json.dumps({"log": {"version": "1.2", "creator": {"name": "x"}, "entries": [entry]}}).encode()


def _saz() -> bytes:
    held = io.BytesIO()
    flags = {"x-clientIP": f"u:{CANARY}@h", "x-clientport": "²", "x-hostIP": f"u:{CANARY}@h"}
    written = "".join(f'<SessionFlag N="{name}" V="{value}"/>' for name, value in flags.items())
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("raw/1_c.txt", REQUEST)
        archive.writestr("raw/1_s.txt", REFUSAL)
        archive.writestr("raw/1_m.xml", f"<Session><SessionFlags>{written}</SessionFlags></Session>")
    return held.getvalue()


FORMS = {
    "both messages": REQUEST + REFUSAL,
    "a response": REFUSAL,
    "curl -v": CURL,
    "bytes taken for text": CURL + CSR.replace(b"\r", b"\n"),
    "bytes without carriage returns": CSR.replace(b"\r", b""),
    "the CA identifier": f"GET /scep?operation=GetCACert&message=challenge:{CANARY}\n".encode(),
    "har": _har(),
    "saz": _saz(),
}
COMMANDS = (
    ["decode"],
    ["decode", "--bytes"],
    ["decode", "-f", "json"],
    ["timeline", "-f", "json"],
    ["answer"],
    ["diagnose", "--ticket"],
)


@pytest.mark.parametrize("form", FORMS)
def test_nothing_that_is_said_of_an_input_holds_it(form: str, scep_analyzer: Program, tmp_path: Path) -> None:
    path = tmp_path / "input"
    path.write_bytes(FORMS[form])
    for words in COMMANDS:
        result = scep_analyzer(*words, path)
        assert result.code in (0, 1, 3)
        assert not _holds(result.out + result.err), words


@pytest.mark.parametrize(
    "given",
    [
        f"http://u:{CANARY}@h/scep?operation=GetCACaps&challenge={CANARY}",
        f"challenge={CANARY} and nothing else",
        f"message={CANARY}",
        f"-----BEGIN {CANARY}-----\nMII\n",
        f"no such password: {CANARY}",
    ],
)
def test_an_argument_that_is_refused_is_not_repeated(given: str, scep_analyzer: Program) -> None:
    result = scep_analyzer("decode", "--", given)
    assert (result.code, result.out, result.err.count("\n")) == (3, "", 1)
    assert not _holds(result.err)


@pytest.mark.parametrize("text", ["192.0.2.1", "[2001:db8::1]", "fe80::1%eth0", "ca.example", "büro-pc", "server_1"])
def test_addresses_and_names_of_hosts_stay(text: str) -> None:
    assert address_in(text) == text.strip("[]")
    assert address_in(f"u:{text}@h") is None
    assert address_in(None) is None
