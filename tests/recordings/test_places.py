"""Several logs: every number names its file, counts from 1 in it, and text of the wire stays as it is on every screen."""

import base64
import csv
import gzip
import io
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import jsonschema
import pytest

from scep_analyzer import analyze
from scep_analyzer.model.places import Place, called, names, short
from tests import talk
from tests.conftest import ROOT, Result

Program = Callable[..., Result]
WIRE = "frame 5 of the capture"
"""What a client calls itself: words that the program uses, too."""
MESSAGE = quote(base64.b64encode(talk.message(19)).decode(), safe="")


def _line(clock: str, operation: str, client: str, status: int = 200, message: str = "") -> str:
    query = f"operation={operation}{f'&message={message}' if message else ''}"
    return (
        f'{client} - - [02/Mar/2026:{clock} +0000] "GET /scep/frame%205?{query} HTTP/1.1" {status} 120 "-" "{WIRE}"\n'
    )


def _enrollment(hour: int, client: str) -> str:
    return (
        _line(f"{hour}:00:00", "GetCACaps", client)
        + _line(f"{hour}:00:01", "GetCACert", client)
        + _line(f"{hour}:00:02", "PKIOperation", client, 500, MESSAGE)
    )


@pytest.fixture
def logs(tmp_path: Path) -> tuple[Path, Path]:
    """Two logs; in the second, the enrollment's lines are 9, 10 and 11, and line 12 is none."""
    first, second = tmp_path / "a.log", tmp_path / "b.log"
    first.write_text(_enrollment(10, "10.0.0.5"))
    other = '10.1.1.1 - - [02/Mar/2026:11:00:00 +0000] "GET /x HTTP/1.1" 200 1\n'
    second.write_text(other * 8 + _enrollment(12, "10.0.0.6") + "no line of a log\n")
    return first, second


def _zipped(folder: Path, logs: tuple[Path, Path]) -> Path:
    path = folder / "logs.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for each in logs:
            archive.write(each, each.name)
    return path


def test_every_screen_names_the_file_with_the_line(
    logs: tuple[Path, Path], tmp_path: Path, scep_analyzer: Program
) -> None:
    inputs: dict[str, list[object]] = {"files": [*logs], "the other way round": [*reversed(logs)]}
    inputs["a zip archive"] = [_zipped(tmp_path, logs)]
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.log").write_bytes(logs[0].read_bytes())
    (folder / "b.log.gz").write_bytes(gzip.compress(logs[1].read_bytes()))
    inputs["a directory, one of them packed"] = [folder]
    for kind, given in inputs.items():
        second = "b.log.gz" if "packed" in kind else "b.log"
        screens = {
            "timeline": scep_analyzer("timeline", *given, "--all").out,
            "diagnose": scep_analyzer("diagnose", *given).out,
            "markdown": scep_analyzer("timeline", *given, "-f", "markdown").out,
            "ticket": scep_analyzer("diagnose", *given, "--ticket").out,
            "answer": scep_analyzer(*given).out,
        }
        for name, text in screens.items():
            assert re.search(rf"\b{re.escape(second)}(?:, line |:)(?:9|10|11)\b", text), (kind, name, text)
            assert not re.search(r"\b(?:a|b)\.log(?:\.gz)?(?:, line |:)1[3-9]", text), (kind, name)
            assert not re.search(r"(?i)\bframes? [0-9]", text.replace(WIRE, "").replace("frame 5", "")), (kind, name)
        assert f"{second}:9]" in screens["timeline"]
        assert f"{second}, line 12: 1 line not of the log's format" in re.sub(r"\s+", " ", screens["timeline"])
        assert "the first is line 12" in re.sub(r"\s+", " ", screens["timeline"])


def test_text_of_the_wire_is_never_reworded(logs: tuple[Path, Path], scep_analyzer: Program) -> None:
    for command in ("timeline", "report"):
        options = ("-o", "-", "--all") if command == "report" else ("--all",)
        text = scep_analyzer(command, logs[0], *options).out
        assert f"User-Agent: {WIRE}" in text or WIRE in text, command
        assert "line 5 of the log" not in text
    shown = scep_analyzer("show", logs[0], "1").out
    assert WIRE in shown
    assert re.search(r"Request: line 1,", shown)


def test_json_names_the_places(logs: tuple[Path, Path], scep_analyzer: Program) -> None:
    found = scep_analyzer("timeline", *logs, "-f", "json").json
    jsonschema.validate(found, json.loads((ROOT / "scep_analyzer" / "schema" / "report-1.json").read_text()))
    assert [each["request"]["places"] for each in found["exchanges"]] == [
        *([f"a.log, line {number}"] for number in (1, 2, 3)),
        *([f"b.log, line {number}"] for number in (9, 10, 11)),
    ]
    assert [each["request"]["frames"] for each in found["exchanges"]] == [[1], [2], [3], [12], [13], [14]]
    assert [each["places"] for each in found["anomalies"]] == [["b.log, line 12"]]
    refused = next(each for each in found["findings"] if each["root_cause"])
    assert refused["places"][0] == refused["evidence"][0]["place"]
    one = scep_analyzer("timeline", logs[1], "-f", "json").json
    assert one["exchanges"][0]["request"]["places"] == ["line 9"]
    capture = ROOT / "captures" / "scenarios" / "ndes-refused-template.pcap"
    assert "places" not in scep_analyzer("timeline", capture, "-f", "json").out


def test_rows_and_columns(logs: tuple[Path, Path], scep_analyzer: Program) -> None:
    rows = list(csv.DictReader(io.StringIO(scep_analyzer("diagnose", *logs, "-f", "csv").out)))
    assert any("b.log:11" in row["frames"] for row in rows)
    table = scep_analyzer("list", *logs, "-f", "markdown").out
    assert "| line |" in table
    report = analyze([str(each) for each in logs])
    assert [called(each.http.frame) for each in report.exchanges][3:] == [f"b.log, line {n}" for n in (9, 10, 11)]


def test_names_tell_files_apart() -> None:
    assert names(["/x/a.log", "/y/b.log"]) == ["a.log", "b.log"]
    assert names(["/x/web1/access.log", "/x/web2/access.log"]) == ["web1/access.log", "web2/access.log"]
    assert names(["C:\\logs\\u1.log", "C:\\logs\\u2.log"]) == ["u1.log", "u2.log"]
    assert names(["a.log", "a.log"]) == ["a.log", "a.log"]


def test_a_place_is_a_number() -> None:
    place = Place.of(112, "line", 12, "b.log")
    assert place == 112
    assert (called(place), short(place)) == ("b.log, line 12", "b.log:12")
    assert (called(7), short(7)) == ("frame 7", "7")


def test_jobs_pass_over_other_logs_of_a_directory(
    logs: tuple[Path, Path], tmp_path: Path, scep_analyzer: Program
) -> None:
    other = tmp_path / "error.log"
    other.write_text("[Mon Mar 02 10:00:00 2026] [error] [client 10.0.0.5] File does not exist: /scep\n")
    result = scep_analyzer("timeline", tmp_path, "--jobs", "2")
    assert (result.code, result.out.count("━━ Transaction 1:")) == (0, 2)
    assert result.err.strip() == (
        "scep-analyzer: 1 file of the directory passed over: neither a capture nor a log of requests"
    )
    named = scep_analyzer("timeline", other, logs[0], "--jobs", "2")
    assert (named.code, named.out.count("━━ Transaction 1:")) == (3, 1)
    assert "error.log: not a capture" in named.err
