"""The contract of the command line: exit codes, one line for a mistake, nothing but the result on stdout."""

import json
import os
import shutil
import signal
import stat
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.builders import wire
from tests.conftest import CAPTURES, ROOT, Result
from tests.files import pcap_header, pcap_record

Program = Callable[..., Result]
CAPTURE = next(path for path in CAPTURES if path.stem == "scepclient-scepserver-post")
KEYLOG = ROOT / "captures" / "tls" / "tls13-strongswan.keylog"
SCHEMA = json.loads((ROOT / "scep_analyzer" / "schema" / "report-1.json").read_text(encoding="utf-8"))


def test_a_capture_alone_is_its_answer(scep_analyzer: Program) -> None:
    assert scep_analyzer(CAPTURE) == scep_analyzer("answer", CAPTURE)
    result = scep_analyzer(CAPTURE, "--quiet")
    assert (result.code, result.err) == (0, "")
    assert "certificate issued" in result.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "COMMAND"),
        (["--nonsense"], "unknown option: --nonsense"),
        (["--quiet"], "CAPTURE"),
        ([CAPTURE, "--format", "yaml"], "yaml"),
        ([CAPTURE, "--engine", "wireshark"], "wireshark"),
        ([CAPTURE, "--engine", "builtin", "--keylog", KEYLOG], "--engine"),
        (["doctor", "--what"], "--what"),
        ([CAPTURE, "--quiet", "--verbose"], "not allowed"),
    ],
)
def test_mistakes_of_usage_are_one_line_and_exit_2(arguments: list[object], said: str, scep_analyzer: Program) -> None:
    result = scep_analyzer(*arguments)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert said in result.err


def test_an_output_file_is_never_overwritten_without_force(scep_analyzer: Program, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    assert scep_analyzer(CAPTURE, "-f", "json", "-o", target).code == 0
    assert json.loads(target.read_text(encoding="utf-8"))["schema"] == "scep-analyzer.report/1"
    again = scep_analyzer(CAPTURE, "-o", target)
    assert again.code == 2
    assert "--force" in again.err
    assert scep_analyzer(CAPTURE, "-o", target, "--force").code == 0
    assert target.read_text(encoding="utf-8").startswith("✓ device-01: certificate issued")
    assert scep_analyzer(CAPTURE, "-o", tmp_path / "no" / "where").code == 2


BAD_INPUTS: dict[str, bytes] = {
    "empty": b"",
    "text": b"this is not a capture, it is a sentence",
    "png": b"\x89PNG\r\n\x1a\n" + b"\0" * 40,
    "half a file header": pcap_header()[:20],
}


@pytest.mark.parametrize("name", BAD_INPUTS)
@pytest.mark.parametrize("form", ["text", "json", "jsonl"])
def test_what_is_no_capture_is_one_line_and_exit_3(
    name: str, form: str, scep_analyzer: Program, tmp_path: Path
) -> None:
    path = tmp_path / "bad.pcap"
    path.write_bytes(BAD_INPUTS[name])
    result = scep_analyzer(path, "-f", form)
    assert (result.code, result.out, result.err.count("\n")) == (3, "", 1)
    assert result.err.startswith("scep-analyzer: ")


@pytest.mark.parametrize("path", ["/nowhere/at/all.pcap", "/", "\x1b[2Jevil"])
def test_what_cannot_be_opened_is_one_line_and_exit_3(path: str, scep_analyzer: Program) -> None:
    result = scep_analyzer(path)
    assert (result.code, result.out, result.err.count("\n")) == (3, "", 1)
    assert "\x1b" not in result.err


def _absurd() -> bytes:
    return pcap_header() + struct.pack("<IIII", 1, 1, 0xFFFFFFF0, 60) + b"\0" * 60


DAMAGED: dict[str, tuple[bytes, str]] = {
    "zero packets": (pcap_header(), "0 packets"),
    "unknown link type": (pcap_header(link_type=147) + pcap_record(b"\0" * 60), "link type 147"),
    "absurd length": (_absurd(), "4,294,967,280"),
    "cut in a packet": (CAPTURE.read_bytes()[:-7], "cut short"),
    "cut in a record header": (CAPTURE.read_bytes()[:30], "cut short"),
    "only noise": (pcap_header() + b"".join(pcap_record(os.urandom(70)) for _ in range(50)), "50 packets"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_capture_is_read_as_far_as_it_goes(name: str, scep_analyzer: Program, tmp_path: Path) -> None:
    content, said = DAMAGED[name]
    path = tmp_path / "damaged.pcap"
    path.write_bytes(content)
    result = scep_analyzer(path)
    assert (result.code, result.err) == (0, "")
    assert said in " ".join(result.out.split())
    document = scep_analyzer(path, "-f", "json").json
    jsonschema.validate(document, SCHEMA)


def test_snaplen_cuts_are_said(scep_analyzer: Program, tmp_path: Path) -> None:
    """Every packet cut to 120 bytes: the exchanges are still listed, as incomplete."""
    raw = CAPTURE.read_bytes()
    cut, at = bytearray(raw[:24]), 24
    while at < len(raw):
        seconds, fraction, captured, wire = struct.unpack_from("<IIII", raw, at)
        kept = min(captured, 120)
        cut += struct.pack("<IIII", seconds, fraction, kept, wire) + raw[at + 16 : at + 16 + kept]
        at += 16 + captured
    path = tmp_path / "snaplen.pcap"
    path.write_bytes(bytes(cut))
    document = scep_analyzer(path, "-f", "json").json
    jsonschema.validate(document, SCHEMA)
    assert [each["operation"] for each in document["exchanges"]] == ["GetCACert", "GetCACaps", "PKIOperation"]
    assert not document["exchanges"][2]["request"]["complete"]
    assert {"gap"} == {each["code"] for each in document["anomalies"] if each["layer"] == "tcp"}
    assert "snaplen" in scep_analyzer(path).out


def test_a_capture_cut_anywhere_never_fails(scep_analyzer: Program, tmp_path: Path) -> None:
    raw, path = CAPTURE.read_bytes(), tmp_path / "cut.pcap"
    whole = scep_analyzer(CAPTURE, "-f", "json").json["exchanges"]
    for size in range(24, len(raw), 211):
        path.write_bytes(raw[:size])
        result = scep_analyzer(path, "-f", "json")
        assert result.code == 0
        found = [each for each in result.json["exchanges"] if each["response"] and each["response"]["complete"]]
        for each, expected in zip(found, whole, strict=False):
            assert {**each, "transaction": 1} == expected


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
def test_json_and_json_lines_validate_and_agree(capture: Path, scep_analyzer: Program) -> None:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    document = scep_analyzer(capture, "-f", "json").json
    validator.validate(document)
    lines = [json.loads(line) for line in scep_analyzer(capture, "-f", "jsonl").out.splitlines()]
    for line in lines:
        validator.validate(line)

    def of(record: str) -> list[dict[str, Any]]:
        return [
            {key: value for key, value in line.items() if key != "record"} for line in lines if line["record"] == record
        ]

    # A transaction is not closed when its exchanges are written, so they cannot name it yet.
    assert of("exchange") == [{**each, "transaction": None} for each in document["exchanges"]]
    lined, whole = of("finding"), document["findings"]
    assert [_plain(each, lined) for each in of("transaction")] == [
        _plain(each, whole) for each in document["transactions"]
    ]
    # They come as they are found, and the document has root causes first: the numbers differ, what they say does not.
    assert sorted(map(str, (_plain(each, lined) for each in lined))) == sorted(
        map(str, (_plain(each, whole) for each in whole))
    )
    assert of("summary")[0]["findings"] == document["summary"]["findings"]
    assert of("summary")[0]["not_checked"] == document["not_checked"]
    assert of("capture") == [{"capture": at, **each} for at, each in enumerate(document["captures"])]
    assert of("summary")[0]["outcomes"] == document["summary"]["outcomes"]
    assert of("summary")[0]["anomalies"] == document["anomalies"]


def _plain(value: dict[str, Any], findings: list[dict[str, Any]]) -> dict[str, Any]:
    """The same with findings named by rule and summary instead of number."""
    named = {each["id"]: (each["rule"], each["summary"]) for each in findings}
    numbers = ("because_of", "root_cause") if "rule" not in value else ("because_of",)
    plain = {key: named.get(value[key]) if key in numbers else value[key] for key in value}
    return {key: plain[key] for key in plain if key != "id" or "rule" not in value}


def test_the_schema_is_printed_and_valid(scep_analyzer: Program) -> None:
    printed = scep_analyzer("doctor", "--schema").json
    assert printed == SCHEMA
    jsonschema.Draft202012Validator.check_schema(printed)
    assert not jsonschema.Draft202012Validator(printed).is_valid({"schema": "scep-analyzer.report/1"})


def test_doctor_says_what_is_there(scep_analyzer: Program) -> None:
    said = scep_analyzer("doctor").out
    assert all(word in said for word in ("Python", "builtin", "asn1crypto", "rich", "tshark", "OpenSSL", "AES"))


def test_doctor_says_what_is_missing_and_what_adds_it(
    scep_analyzer: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    said = scep_analyzer("doctor").out
    assert "apt-get install tshark" in said
    assert "scapy captures" in said
    assert "engines        builtin\n" in said


@pytest.mark.parametrize(("compiled", "words"), [(True, "tight pass compiled"), (False, "apt-get install gcc")])
def test_doctor_says_whether_the_tight_pass_is_compiled(
    compiled: bool, words: str, scep_analyzer: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scep_analyzer.capture.skim.COMPILED", compiled)
    assert words in " ".join(scep_analyzer("doctor").out.split())


def test_version_and_help(scep_analyzer: Program) -> None:
    from scep_analyzer import __version__

    assert scep_analyzer("--version").out == f"scep-analyzer {__version__}\n"
    assert "timeline" in scep_analyzer("--help").out
    assert "--format" in scep_analyzer("timeline", "--help").out


def _environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


def test_color_only_where_it_is_asked_for() -> None:
    def run(*arguments: str, **environment: str) -> str:
        command = [sys.executable, "-m", "scep_analyzer", str(CAPTURE), "--quiet", *arguments]
        return subprocess.run(
            command, capture_output=True, check=True, text=True, env=_environment(**environment)
        ).stdout

    assert "\x1b[" not in run()
    assert "\x1b[" in run("--color", "always")
    assert "\x1b[" not in run("--color", "never", FORCE_COLOR="1")


def test_a_growing_standard_input_is_told_as_it_grows() -> None:
    """The first exchange is out before the capture has ended."""
    raw = CAPTURE.read_bytes()
    command = [sys.executable, "-m", "scep_analyzer", "-f", "jsonl", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment()) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(raw[:-40])
        process.stdin.flush()
        first = json.loads(process.stdout.readline())
        assert (first["record"], first["operation"]) == ("exchange", "GetCACert")
        assert process.poll() is None
        process.stdin.write(raw[-40:])
        process.stdin.close()
        rest = [json.loads(line)["record"] for line in process.stdout]
    assert [each for each in rest if each != "finding"] == ["exchange", "exchange", "transaction", "capture", "summary"]
    assert rest.index("finding") > rest.index("transaction")


def test_an_interrupt_ends_with_130_and_what_was_printed_stays() -> None:
    command = [sys.executable, "-m", "scep_analyzer", "-f", "jsonl", "-"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=_environment()
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(CAPTURE.read_bytes())
        process.stdin.flush()
        json.loads(process.stdout.readline())
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        process.stdin.close()
        rest, errors = process.stdout.read(), process.stderr.read() if process.stderr else b""
    assert process.returncode == 130
    assert b"Traceback" not in errors
    for line in rest.splitlines():
        json.loads(line)


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    command = f"{sys.executable} -m scep_analyzer -f json {CAPTURE} | head -c 10"
    done = subprocess.run(command, shell=True, capture_output=True, check=True, env=_environment())
    assert done.stderr == b""
    assert done.stdout == b'{\n  "schem'


def test_the_input_is_not_touched(scep_analyzer: Program, tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    path.write_bytes(CAPTURE.read_bytes())
    path.chmod(stat.S_IRUSR)
    assert scep_analyzer(path).code == 0
    assert path.read_bytes() == CAPTURE.read_bytes()
    assert [each.name for each in tmp_path.iterdir()] == ["capture.pcap"]


def test_several_captures_at_a_time_in_order_and_one_broken_stops_none(
    scep_analyzer: Callable[..., Result], tmp_path: Path
) -> None:
    for at, path in enumerate(CAPTURES[:3]):
        shutil.copy(path, tmp_path / f"{at}.pcap")
    (tmp_path / "1-broken.pcap").write_bytes(b"no capture, just a line of text")
    done = scep_analyzer("timeline", "-f", "jsonl", "--jobs", "2", tmp_path)
    records = [json.loads(line) for line in done.out.splitlines()]
    names = [Path(each["path"]).name for each in records if each["record"] == "capture"]
    assert names == ["0.pcap", "1.pcap", "2.pcap"]
    assert [each["record"] for each in records].count("summary") == 3
    assert (done.code, done.err.count("\n"), "1-broken.pcap" in done.err) == (3, 1, True)
    alone = "".join(scep_analyzer("timeline", tmp_path / f"{at}.pcap").out for at in range(3))
    assert scep_analyzer("timeline", "--jobs", "2", *(tmp_path / f"{at}.pcap" for at in range(3))).out == alone


def test_two_requests_in_one_packet_are_two_exchanges(scep_analyzer: Program, tmp_path: Path) -> None:
    """Pipelined (RFC 9112, Section 9.3.2), as one write of the client; both answers in one packet, too."""
    asked = b"GET /scep?operation=GetCACaps HTTP/1.1\r\nHost: x\r\n\r\n" * 2
    told = b"".join(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n%s\n" % each for each in (b"AES", b"DES"))
    packets = [
        wire.between("C", wire.SYN, 0, 0),
        wire.between("S", wire.SYN | wire.ACK, 0, 1),
        wire.between("C", wire.ACK, 1, 1, asked),
        wire.between("S", wire.ACK, 1, 1 + len(asked), told),
    ]
    path = tmp_path / "pipelined.pcap"
    path.write_bytes(pcap_header() + b"".join(map(pcap_record, packets)))
    lines = [json.loads(line) for line in scep_analyzer(path, "-f", "jsonl").out.splitlines()]
    exchanges = [each for each in lines if each["record"] == "exchange"]
    assert [(each["request"]["frames"], each["response"]["capabilities"]) for each in exchanges] == [
        ([3], ["AES"]),
        ([3], ["DES"]),
    ]
    assert [each["exchanges"] for each in lines if each["record"] == "transaction"] == [[1, 2]]
    report = json.loads(scep_analyzer(path, "-f", "json").out)
    assert [each["exchanges"] for each in report["transactions"]] == [[1, 2]]
    assert scep_analyzer("timeline", path).out.count("GetCACaps (GET)") == 2
    assert "DES" in scep_analyzer("show", path, "2").out


def test_jobs_that_make_no_sense_are_refused(scep_analyzer: Callable[..., Result]) -> None:
    assert scep_analyzer("timeline", "--jobs", "0", CAPTURES[0]).code == 2
    assert scep_analyzer("timeline", "-f", "json", "--jobs", "2", CAPTURES[0]).code == 2
    assert scep_analyzer("timeline", "--jobs", "2", "-").code == 2
