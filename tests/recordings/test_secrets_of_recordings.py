"""A secret in any place of a log or recording comes out of no command; and what comes out as JSON is what the schema says."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.conftest import ROOT
from tests.recordings.test_recordings import REFUSED, Exchange, Program, exchanges_of, har, iis, nginx, saz

CANARY = "Xq7CanaryQz9"
SCHEMA = json.loads((ROOT / "scep_analyzer" / "schema" / "report-1.json").read_text(encoding="utf-8"))
COMMANDS = (
    ["answer"], ["timeline", "--all"], ["timeline", "-f", "json"], ["timeline", "-f", "jsonl"], ["timeline", "-f", "mermaid"],
    ["timeline", "-f", "markdown"], ["diagnose", "--all"], ["diagnose", "--ticket"], ["list", "-f", "csv"], ["show"], ["decode"],
)  # fmt: skip


def _with_secrets(every: list[Exchange]) -> list[Exchange]:
    """The exchanges, with secrets where clients and servers put them: query, credentials, cookies, referrer, redirect."""
    query = f"challengePassword={CANARY}&token={CANARY}"
    asked = f"Authorization: Basic {CANARY}\r\nCookie: sid={CANARY}\r\nReferer: http://u:{CANARY}@h/x?otp={CANARY}\r\nX-Api-Key: {CANARY}"
    answered = f"Set-Cookie: sid={CANARY}\r\nLocation: http://u:{CANARY}@h/?password={CANARY}"
    for each in every:
        joint = "&" if "?" in each.target else "?"
        line, _, rest = each.request_head.partition(b"\r\n")
        each.target += joint + query
        head = f"{each.method} {each.target} {each.version}\r\n{asked}\r\n".encode("latin-1")
        assert line.startswith(each.method.encode())
        each.request_head = head + rest
        status, _, others = each.response_head.partition(b"\r\n")
        each.response_head = status + b"\r\n" + answered.encode("latin-1") + b"\r\n" + others
        each.raw_request = each.request_head + b"\r\n\r\n" + each.request_body
        each.raw_response = each.response_head + b"\r\n\r\n" + each.response_body
    return every


@pytest.fixture(scope="module")
def secretive() -> list[Exchange]:
    return _with_secrets(exchanges_of(REFUSED))


@pytest.mark.parametrize("kind", [har, saz, iis, nginx], ids=lambda kind: kind.__name__)
def test_no_secret_comes_out(kind: Any, secretive: list[Exchange], scep_analyzer: Program, tmp_path: Path) -> None:
    path = tmp_path / "input"
    path.write_bytes(kind(secretive))
    assert CANARY.encode() in path.read_bytes() or kind is saz  # an archive is compressed
    for command in COMMANDS:
        done = scep_analyzer(*command, path)
        assert done.code in (0, 1, 3), command
        assert CANARY not in done.out + done.err, command
    assert scep_analyzer("report", path, "-o", tmp_path / "r.html").code == 0
    assert scep_analyzer("extract", path, "-o", tmp_path / "out").code == 0
    for each in (tmp_path / "r.html", *(tmp_path / "out").rglob("*")):
        assert each.is_dir() or CANARY.encode() not in each.read_bytes(), each.name


@pytest.mark.parametrize("kind", [har, saz, iis, nginx], ids=lambda kind: kind.__name__)
def test_json_of_a_recording_is_as_the_schema_says(kind: Any, scep_analyzer: Program, tmp_path: Path) -> None:
    path = tmp_path / "input"
    path.write_bytes(kind(exchanges_of(REFUSED)))
    jsonschema.Draft202012Validator(SCHEMA).validate(scep_analyzer("timeline", "-f", "json", path).json)
