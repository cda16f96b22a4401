"""``diagnose``: formats, exit codes, what is pasted into a ticket."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from tests.conftest import ROOT, Result

Program = Callable[..., Result]
FAULTS = ROOT / "captures" / "faults"
REFUSED = ROOT / "captures" / "scenarios" / "ndes-refused-template.pcap"
HEALTHY = ROOT / "captures" / "scenarios" / "ndes-get-enrollment.pcap"
WEAK = FAULTS / "ca_certificates" / "cacert-weak-key.pcap"
SCHEMA = json.loads((ROOT / "scep_analyzer" / "schema" / "report-1.json").read_text(encoding="utf-8"))


def test_the_root_cause_comes_first_with_its_values(scep_analyzer: Program) -> None:
    result = scep_analyzer("diagnose", REFUSED)
    assert result.code == 1
    first, second, *_ = result.out.splitlines()
    assert first == "Root cause: Template not published on the CA (0x80094800)"
    assert "0x80094800 CERTSRV_E_UNSUPPORTED_CERT_TYPE" in second
    assert "frame 19" in result.out
    assert "Leads to: certrep-failure (frame 19), certrep-badrequest" in result.out


@pytest.mark.parametrize(
    ("capture", "fail_on", "code"),
    [
        (REFUSED, "error", 1),
        (REFUSED, "never", 0),
        (WEAK, "error", 0),
        (WEAK, "warning", 1),
        (HEALTHY, "warning", 0),
    ],
)
def test_the_exit_code_says_whether_there_is_something_to_act_on(
    capture: Path, fail_on: str, code: int, scep_analyzer: Program
) -> None:
    assert scep_analyzer("diagnose", capture, "--fail-on", fail_on).code == code


def test_a_healthy_capture_is_said_to_be_one(scep_analyzer: Program) -> None:
    assert scep_analyzer("diagnose", HEALTHY).out.startswith("No failures\n")
    assert scep_analyzer("diagnose", WEAK).out.startswith("No failures\n\nWarnings\n")


def test_json_is_the_report_and_min_severity_keeps_the_numbers(scep_analyzer: Program) -> None:
    whole = scep_analyzer("diagnose", REFUSED, "-f", "json").json
    jsonschema.Draft202012Validator(SCHEMA).validate(whole)
    errors = scep_analyzer("diagnose", REFUSED, "-f", "json", "--min-severity", "error").json["findings"]
    assert errors == [each for each in whole["findings"] if each["severity"] == "error"]
    assert whole["findings"][0]["root_cause"]
    assert whole["transactions"][0]["root_cause"] == whole["findings"][0]["id"] == 1
    assert all(each["because_of"] == 1 for each in errors[1:])


def test_json_lines_csv_and_markdown(scep_analyzer: Program) -> None:
    whole = scep_analyzer("diagnose", REFUSED, "-f", "json").json["findings"]
    lines = [json.loads(line) for line in scep_analyzer("diagnose", REFUSED, "-f", "jsonl").out.splitlines()]
    assert [{key: each[key] for key in each if key != "record"} for each in lines] == whole
    rows = list(csv.DictReader(io.StringIO(scep_analyzer("diagnose", REFUSED, "-f", "csv").out)))
    assert [each["rule"] for each in rows] == [each["rule"] for each in whole]
    text = scep_analyzer("diagnose", REFUSED, "-f", "markdown").out
    assert text.startswith("## Root cause: Template not published on the CA")
    assert "* **Evidence:** frame 19" in text


def test_nothing_from_the_wire_is_markup_or_a_formula(scep_analyzer: Program, tmp_path: Path) -> None:
    page = b"<h1>Guest Wi-Fi: please sign in</h1>"
    hostile = b"=cmd()|`<b>*x*\x1b[31m             </b>"
    capture = tmp_path / "hostile.pcap"
    raw = (FAULTS / "http_body" / "html-in-200.pcap").read_bytes()
    assert page in raw
    capture.write_bytes(raw.replace(page, hostile[: len(page)].ljust(len(page))))
    for form in ("text", "csv", "markdown"):
        out = scep_analyzer("diagnose", capture, "-f", form).out
        assert "\x1b" not in out
        assert "<b>" not in out if form == "markdown" else True


def test_secrets_are_not_told(scep_analyzer: Program) -> None:
    for name in ("ndes-admin-cleartext", "secret-in-url", "csr-challenge-stale", "ndes-admin-basic-cleartext"):
        capture = next(FAULTS.glob(f"*/{name}.pcap"))
        key = ("--key", ROOT / "captures" / "keys" / "ra-encryption.pem")
        for form in ("text", "json", "markdown", "csv"):
            out = scep_analyzer("diagnose", capture, "-f", form, *key, "--engine", "builtin").out
            assert "8A6F2B1C4D5E7F90" not in out
            assert "Q09SUFxhZG1pbjpzZWNyZXQ=" not in out


def test_what_was_not_checked_is_said(scep_analyzer: Program) -> None:
    without = scep_analyzer("diagnose", HEALTHY).out
    assert "no RA key given (--key with the private key that decrypts requests)" in without
    with_key = scep_analyzer("diagnose", HEALTHY, "--key", ROOT / "captures" / "keys" / "ra-encryption.pem").out
    assert "no RA key given" not in with_key


def test_a_capture_without_scep_and_one_that_is_none(scep_analyzer: Program, tmp_path: Path) -> None:
    result = scep_analyzer("diagnose", FAULTS / "capture" / "capture-no-scep-found.pcap")
    assert result.code == 0
    assert "no SCEP found" in result.out
    bad = tmp_path / "bad.pcap"
    bad.write_bytes(b"not a capture at all")
    result = scep_analyzer("diagnose", bad)
    assert result.code == 3
    assert result.err.count("\n") == 1


def test_the_timeline_tells_findings_at_their_step(scep_analyzer: Program) -> None:
    out = scep_analyzer("timeline", REFUSED).out
    assert "Root cause: NDES reports 0x80094800" in " ".join(out.split())
    assert "CAUSE (see the top) [certrep-ndes-hresult]" in " ".join(out.split())
    assert "certrep-failure, certrep-badrequest: a consequence of certrep-ndes-hresult" in " ".join(out.split())
    quiet = scep_analyzer("timeline", "--quiet", REFUSED).out
    assert "Root cause:" in quiet
    assert "certrep-failure" not in quiet
    assert "certrep-dummy-content" in scep_analyzer("timeline", "--verbose", REFUSED).out
    assert "certrep-dummy-content" in " ".join(scep_analyzer("timeline", REFUSED, "--min-severity", "info").out.split())
