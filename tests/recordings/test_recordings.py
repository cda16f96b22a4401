"""The same enrollment as a capture, HAR file, Fiddler archive and access log: the same messages, and the same rules where the evidence is.

The recordings are built here from what tshark says of the capture, with the standard library alone.
"""

import base64
import gzip
import io
import json
import re
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from scep_analyzer import analyze, stream
from scep_analyzer.engines import Reading, open_capture
from scep_analyzer.events import Seen
from scep_analyzer.model.limits import BOUNDS
from scep_analyzer.rules.catalogue import RULES
from scep_analyzer.rules.inputs import PACKETS, lacking
from tests.conftest import ROOT, Result

Program = Callable[..., Result]
POST = ROOT / "captures" / "implementations" / "scepclient-scepserver-post.pcap"
WRONG = ROOT / "captures" / "implementations" / "scepclient-wrong-challenge.pcap"
GET = ROOT / "captures" / "scenarios" / "ndes-get-enrollment.pcap"
REFUSED = ROOT / "captures" / "scenarios" / "ndes-refused-template.pcap"
CAPTURES = [POST, WRONG, GET, REFUSED]
FIELDS = [
    "tcp.stream", "frame.number", "frame.time_epoch", "ip.src", "ip.dst", "tcp.srcport", "tcp.dstport",
    "http.request.method", "http.response.code", "tcp.reassembled.data", "tcp.payload",
]  # fmt: skip


class Exchange:
    """One request and its response, as tshark sees them: raw bytes and times."""

    def __init__(self, asked: list[str], answered: list[str]) -> None:
        self.start, self.end = float(asked[2]), float(answered[2])
        self.client, self.server, self.port = asked[3], asked[4], int(asked[6])
        self.raw_request, self.raw_response = (
            bytes.fromhex((row[9] or row[10]).replace(":", "")) for row in (asked, answered)
        )
        self.request_head, self.request_body = self.raw_request.split(b"\r\n\r\n", 1)
        self.response_head, self.response_body = self.raw_response.split(b"\r\n\r\n", 1)
        if b"chunked" in self.response_head:
            size, rest = self.response_body.split(b"\r\n", 1)
            self.response_body = rest[: int(size, 16)]
        self.method, self.target, self.version = self.request_head.split(b"\r\n")[0].decode("latin-1").split(" ")
        self.status = int(answered[8])


@cache
def _rows(capture: Path) -> list[list[str]]:
    fields = [part for each in FIELDS for part in ("-e", each)]
    command = ["tshark", "-n", "-r", str(capture), "-Y", "http", "-T", "fields", *fields]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [line.split("\t") for line in said.splitlines()]


def exchanges_of(capture: Path) -> list[Exchange]:
    """Made for each caller, because some change them."""
    found, waiting = [], {}
    for row in _rows(capture):
        if row[7]:
            waiting[row[0]] = row
        elif row[8] and row[0] in waiting:
            found.append(Exchange(waiting.pop(row[0]), row))
    return found


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _headers(head: bytes) -> list[dict[str, str]]:
    return [
        {"name": name, "value": value.strip()}
        for name, value in (line.split(":", 1) for line in head.decode("latin-1").split("\r\n")[1:])
    ]


def har(every: list[Exchange]) -> bytes:
    """HAR 1.2, as mitmproxy and browsers write it."""
    entries = []
    for each in every:
        request: dict[str, Any] = {
            "method": each.method,
            "url": f"http://{each.server}:{each.port}{each.target}",
            "httpVersion": each.version,
            "headers": _headers(each.request_head),
            "queryString": [],
            "cookies": [],
            "headersSize": -1,
            "bodySize": len(each.request_body),
        }
        if each.request_body:
            request["postData"] = {
                "mimeType": "application/x-pki-message",
                "text": base64.b64encode(each.request_body).decode(),
                "encoding": "base64",
            }
        took = (each.end - each.start) * 1000
        entries.append(
            {
                "startedDateTime": _iso(each.start),
                "time": took,
                "serverIPAddress": each.server,
                "request": request,
                "response": {
                    "status": each.status,
                    "statusText": "OK",
                    "httpVersion": "HTTP/1.1",
                    "headers": _headers(each.response_head),
                    "cookies": [],
                    "redirectURL": "",
                    "content": {
                        "size": len(each.response_body),
                        "mimeType": "",
                        "text": base64.b64encode(each.response_body).decode(),
                        "encoding": "base64",
                    },
                    "headersSize": -1,
                    "bodySize": len(each.response_body),
                },
                "cache": {},
                "timings": {"send": 0, "wait": took, "receive": 0},
            }
        )
    return json.dumps(
        {"log": {"version": "1.2", "creator": {"name": "test", "version": "1"}, "entries": entries}}, indent=1
    ).encode()


def saz(every: list[Exchange]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", '<?xml version="1.0" encoding="utf-8" ?><Types/>')
        for number, each in enumerate(every, 1):
            request = each.raw_request.replace(
                each.target.encode(), f"http://{each.server}:{each.port}{each.target}".encode(), 1
            )
            archive.writestr(f"raw/{number:02}_c.txt", request)
            archive.writestr(f"raw/{number:02}_s.txt", each.raw_response)
            archive.writestr(
                f"raw/{number:02}_m.xml",
                f'<?xml version="1.0"?><Session SID="{number}"><SessionTimers ClientBeginRequest="{_iso(each.start)}" '
                f'ServerBeginResponse="{_iso(each.end)}" ServerDoneResponse="{_iso(each.end)}" /><SessionFlags>'
                f'<SessionFlag N="x-clientip" V="{each.client}" /><SessionFlag N="x-hostIP" V="{each.server}" />'
                "</SessionFlags></Session>",
            )
    return out.getvalue()


def iis(every: list[Exchange]) -> bytes:
    lines = [
        "#Software: Microsoft Internet Information Services 10.0",
        "#Version: 1.0",
        "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) sc-status "
        "sc-substatus sc-win32-status time-taken",
    ]
    for each in every:
        when = datetime.fromtimestamp(each.end, UTC)
        stem, _, query = each.target.partition("?")
        agent = next(
            (header["value"] for header in _headers(each.request_head) if header["name"].lower() == "user-agent"), "-"
        )
        lines.append(
            f"{when:%Y-%m-%d %H:%M:%S} {each.server} {each.method} {stem} {query or '-'} {each.port} - {each.client} "
            f"{agent.replace(' ', '+')} {each.status} 0 0 {int((each.end - each.start) * 1000)}"
        )
    return "\r\n".join(lines).encode() + b"\r\n"


def apache(every: list[Exchange]) -> bytes:
    return b"".join(
        f'{each.client} - - [{datetime.fromtimestamp(each.start, UTC):%d/%b/%Y:%H:%M:%S +0000}] "{each.method} {each.target} '
        f'{each.version}" {each.status} {len(each.response_body)} "-" "test agent"\n'.encode()
        for each in every
    )


def nginx(every: list[Exchange]) -> bytes:
    return apache(every).replace(b'"test agent"', b'"test agent" rt=0.250')


RECORDINGS = {"HAR": har, "Fiddler archive": saz}
LOGS = {"IIS W3C log": iis, "access log": apache, "access log (nginx)": nginx}


def report(program: Program, folder: Path, content: bytes, name: str = "input") -> dict[str, Any]:
    path = folder / name
    path.write_bytes(content)
    result = program(path, "-f", "json")
    assert result.code == 0, result.err
    return result.json


def messages(found: dict[str, Any], sides: tuple[str, ...] = ("request", "response")) -> list[Any]:
    """What was decoded, by exchange; how frames and times are named is the input's."""
    return [
        {
            key: value
            for key, value in ((each[side] or {}).items())
            if key in ("pki_message", "certificates", "capabilities", "status", "target")
        }
        for each in found["exchanges"]
        for side in sides
    ]


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
@pytest.mark.parametrize("kind", RECORDINGS)
def test_a_recording_tells_what_the_capture_tells(
    kind: str, capture: Path, scep_analyzer: Program, tmp_path: Path
) -> None:
    truth = scep_analyzer(capture, "-f", "json").json
    found = report(scep_analyzer, tmp_path, RECORDINGS[kind](exchanges_of(capture)))
    assert found["captures"][0]["format"] == kind
    assert messages(found) == messages(truth)
    assert [each["outcome"] for each in found["transactions"]] == [each["outcome"] for each in truth["transactions"]]
    of = {rule.id: rule for rule in RULES}

    def rules(document: dict[str, Any]) -> list[tuple[str, bool]]:
        judged = [each for each in document["findings"] if lacking(of[each["rule"]], {PACKETS}) is None]
        return sorted((each["rule"], each["root_cause"]) for each in judged)

    assert rules(found) == rules(truth)
    assert not any(lacking(of[each["rule"]], {PACKETS}) for each in found["findings"])
    skipped = {each["rule"] for each in found["not_checked"] if each["reason"].endswith("has no packets")}
    assert {"tcp-high-loss", "capture-snaplen-cut", "http-no-response"} <= skipped


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
@pytest.mark.parametrize("kind", LOGS)
def test_a_log_tells_what_it_has(kind: str, capture: Path, scep_analyzer: Program, tmp_path: Path) -> None:
    truth = scep_analyzer(capture, "-f", "json").json
    found = report(scep_analyzer, tmp_path, LOGS[kind](exchanges_of(capture)))
    assert found["captures"][0]["format"] == kind.split(" (", maxsplit=1)[0]
    assert [each["operation"] for each in found["exchanges"]] == [each["operation"] for each in truth["exchanges"]]
    assert [each["response"]["status"] for each in found["exchanges"]] == [
        each["response"]["status"] for each in truth["exchanges"]
    ]
    for mine, theirs in zip(found["exchanges"], truth["exchanges"], strict=True):
        if theirs["request"]["method"] == "GET":
            # The signer that a capture knows from GetCACert, a log does not know; a client's message has its own.
            assert mine["request"]["pki_message"] == theirs["request"]["pki_message"]
        else:
            assert mine["request"]["pki_message"] is None
        assert mine["response"]["pki_message"] is mine["response"]["certificates"] is None
    assert all(each["outcome"] == "unknown" for each in found["transactions"])
    # Nothing is found that the capture does not show, and nothing is called missing that a log never has.
    known = {each["rule"] for each in truth["findings"]}
    assert {each["rule"] for each in found["findings"]} <= known
    reasons = {each["reason"] for each in found["not_checked"]}
    assert {"an access log has no bodies", "an access log has no packets"} <= reasons


def test_evidence_names_lines_and_entries(scep_analyzer: Program, tmp_path: Path) -> None:
    every = exchanges_of(REFUSED)
    (tmp_path / "a.har").write_bytes(har(every))
    text = scep_analyzer(tmp_path / "a.har").out
    assert re.search(r"PROOF +entry \d", text)
    assert "entry" in next(line for line in text.splitlines() if line.startswith("  device"))
    for command in ("timeline", "diagnose", "list"):
        shown = scep_analyzer(command, tmp_path / "a.har").out
        shown = " ".join(shown.split()).replace("has no packets", "")
        assert not re.search(r"\bframes? \d|WIRESHARK|FRAME|(?<!-)packets", shown), command
    assert "WIRESHARK" not in text
    (tmp_path / "u.log").write_bytes(iis(every))
    for command in ("timeline", "diagnose", "list"):
        shown = scep_analyzer(command, tmp_path / "u.log").out
        shown = " ".join(shown.split()).replace("has no packets", "")
        assert not re.search(r"\bframes? \d|WIRESHARK|FRAME|(?<!-)packets", shown), command


def test_the_report_page_and_the_other_formats(scep_analyzer: Program, tmp_path: Path) -> None:
    (tmp_path / "a.har").write_bytes(har(exchanges_of(POST)))
    page = tmp_path / "a.html"
    assert scep_analyzer("report", tmp_path / "a.har", "-o", page).code == 0
    assert "a.har" in page.read_text(encoding="utf-8")
    for form in ("markdown", "csv", "jsonl"):
        assert scep_analyzer("diagnose", tmp_path / "a.har", "-f", form, "--fail-on", "never").code == 0


def test_rotated_and_compressed_logs_are_one(scep_analyzer: Program, tmp_path: Path) -> None:
    every = exchanges_of(GET)
    half = len(every) // 2
    late, early = tmp_path / "access.log", tmp_path / "access.log.1.gz"
    late.write_bytes(apache(every[half:]))
    early.write_bytes(gzip.compress(apache(every[:half])))
    together = scep_analyzer(late, early, "-f", "json").json
    whole = report(scep_analyzer, tmp_path, apache(every))
    assert messages(together) == messages(whole)
    assert [each["compression"] for each in together["captures"]] == ["gzip", None]
    frames = [each["request"]["frames"][0] for each in together["exchanges"]]
    assert frames == sorted(frames) == list(range(1, len(every) + 1))


def test_what_iis_has_cut_is_truncated_not_invalid(scep_analyzer: Program, tmp_path: Path) -> None:
    (each,) = [each for each in exchanges_of(GET) if "message=MI" in each.target]
    stem, _, query = each.target.partition("?")
    long = query + "A" * 6_000
    each.target = f"{stem}?{long[:4093]}..."
    found = report(scep_analyzer, tmp_path, iis([each]))
    request = found["exchanges"][0]["request"]
    assert request["complete"] is False
    assert not [each for each in found["findings"] if each["severity"] == "error"]
    assert "the log cuts long fields" in scep_analyzer("timeline", tmp_path / "input").out


def test_the_sub_status_is_told(scep_analyzer: Program, tmp_path: Path) -> None:
    (each,) = [each for each in exchanges_of(GET) if "message=MI" in each.target]
    each.status = 404
    log = iis([each]).replace(b" 404 0 0 ", b" 404 15 0 ")
    found = report(scep_analyzer, tmp_path, log)
    assert (found["exchanges"][0]["response"]["status"], found["exchanges"][0]["response"]["substatus"]) == (404, 15)
    assert "iis-query-too-long" in [each["rule"] for each in found["findings"] if each["root_cause"]]
    assert "404.15" in scep_analyzer("timeline", tmp_path / "input").out


BAD = {
    "HAR cut": (lambda: har(exchanges_of(POST))[:3000], "a HAR file that cannot be read"),
    "HAR too deep": (lambda: b'{"log": {"entries": ' + b"[" * 500_000, "a HAR file that cannot be read"),
    "HAR without entries": (lambda: b'{"log": {"version": "1.2"}}', "a HAR file that cannot be read"),
    "HAR too large": (lambda: b'{"log": {"entries": ["' + b"a" * BOUNDS.recording_bytes, "more than 32 MB"),
    "HAR bomb": (lambda: gzip.compress(b'{"log": {"entries": ["' + b"a" * 200_000_000), "more than 32 MB"),
    "saz cut": (lambda: saz(exchanges_of(POST))[:2000], "cut or damaged"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_recordings_are_one_line(name: str, scep_analyzer: Program, tmp_path: Path) -> None:
    made, message = BAD[name]
    (tmp_path / "input").write_bytes(made())
    result = scep_analyzer(tmp_path / "input")
    assert (result.code, result.out, result.err.count("\n")) == (3, "", 1)
    assert message in result.err


def test_a_password_protected_archive_says_so(scep_analyzer: Program, tmp_path: Path) -> None:
    data = bytearray(saz(exchanges_of(POST)))
    for sign, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = -1
        while (start := data.find(sign, start + 1)) >= 0:
            data[start + at] |= 1  # general purpose bit 0: encrypted (APPNOTE, 4.4.4)
    (tmp_path / "input").write_bytes(data)
    for command in ([], ["decode"]):
        result = scep_analyzer(*command, tmp_path / "input")
        assert result.code == 3
        assert "protected by a password" in result.err


def test_a_bomb_in_an_archive_is_passed_over(scep_analyzer: Program, tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("raw/1_c.txt", b"GET / HTTP/1.1\r\n\r\n")
        archive.writestr("raw/1_s.txt", b"\0" * (BOUNDS.recording_bytes + 1))
    found = report(scep_analyzer, tmp_path, out.getvalue())
    assert [each["code"] for each in found["anomalies"]] == ["limit-session"]


def test_endless_and_damaged_lines_are_counted(scep_analyzer: Program, tmp_path: Path) -> None:
    good = apache(exchanges_of(POST))
    log = good + b"a" * 30_000_000 + b"\n" + b"\0\xff garbage\n" * 5 + good + b"b" * 5_000_000
    found = report(scep_analyzer, tmp_path, log)
    assert len(found["exchanges"]) == 2 * len(exchanges_of(POST))
    told = {each["code"]: each["detail"] for each in found["anomalies"]}
    assert "2 lines longer" in told["limit-log-line"]
    assert "5 lines" in told["log-line-unreadable"]


def test_bodies_that_were_made_text_are_not_recorded(scep_analyzer: Program, tmp_path: Path) -> None:
    every = exchanges_of(POST)
    document = json.loads(har(every))
    for entry in document["log"]["entries"]:
        if "postData" in entry["request"]:
            body = base64.b64decode(entry["request"]["postData"]["text"])
            entry["request"]["postData"] = {"mimeType": "", "text": body.decode("utf-8", "replace")}
    found = report(scep_analyzer, tmp_path, json.dumps(document).encode())
    asked = [each["request"] for each in found["exchanges"] if each["operation"] == "PKIOperation"]
    assert [each["pki_message"] for each in asked] == [None] * len(asked)
    assert "the body was not recorded" in {each["reason"] for each in found["not_checked"]}
    assert not [each for each in found["findings"] if each["rule"] in ("not-cms", "post-empty-body")]


# -- standard input and directories ---------------------------------------------------------------------------------------


class Pipe(io.RawIOBase):
    """Standard input as a pipe: it cannot seek, and gives a few bytes at a time."""

    def __init__(self, content: bytes, step: int) -> None:
        self._content, self._step, self.taken = io.BytesIO(content), step, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._content.read(min(len(buffer), self._step))
        buffer[: len(piece)] = piece
        self.taken += len(piece)
        return len(piece)


def piped(monkeypatch: pytest.MonkeyPatch, content: bytes, step: int = 700) -> Pipe:
    pipe = Pipe(content, step)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=pipe))
    return pipe


PIPED: dict[str, Callable[[list[Exchange]], bytes]] = {
    **RECORDINGS,
    **LOGS,
    "gzip": lambda every: gzip.compress(iis(every)),
    "zip of a log": lambda every: _zip({"u.log": iis(every)}),
    "zip of a capture": lambda _: _zip({"a.pcap": GET.read_bytes()}),
    "tar of a capture": lambda _: _tar({"a.pcap": GET.read_bytes()}),
    "capture": lambda _: GET.read_bytes(),
    "compressed capture": lambda _: gzip.compress(GET.read_bytes()),
}


@pytest.mark.parametrize("step", [3, 100_000])
@pytest.mark.parametrize("kind", PIPED)
def test_standard_input_is_read_as_the_file(
    kind: str, step: int, scep_analyzer: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = PIPED[kind](exchanges_of(GET))
    truth = report(scep_analyzer, tmp_path, content)
    piped(monkeypatch, content, step)
    found = scep_analyzer("-", "-f", "json").json
    assert len(found["exchanges"]) == len(truth["exchanges"]) > 0
    for name in ("exchanges", "transactions", "findings", "not_checked", "anomalies"):
        assert found[name] == truth[name], name
    assert [each["format"] for each in found["captures"]] == [each["format"] for each in truth["captures"]]


def test_standard_input_that_is_nothing_is_one_line(scep_analyzer: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    for content in (b"", b"no", b"hello\nworld\n" * 50_000, _zip({"a.pcap": GET.read_bytes()})[:3000], b"\0" * 100_000):
        piped(monkeypatch, content)
        result = scep_analyzer("-")
        assert (result.code, result.out, result.err.count("\n")) == (3, "", 1)
        assert "standard input" in result.err


def test_a_log_that_grows_is_told_while_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """`tail -f access.log | scep-analyzer timeline -`: the first exchange before the second line has been asked for."""
    lines = apache(exchanges_of(GET))
    pipe = piped(monkeypatch, lines + b"x" * 400 + b"\n" + lines * 200)
    engine = open_capture("auto", Reading(["-"]))
    next(iter(engine.exchanges()))
    assert pipe.taken < len(lines) + 3_000


def test_a_directory_of_logs(scep_analyzer: Program, tmp_path: Path) -> None:
    every = exchanges_of(GET)
    lines = apache(every).splitlines(keepends=True)
    (tmp_path / "access.log.2.gz").write_bytes(gzip.compress(b"".join(lines[:1])))
    (tmp_path / "access.log.1").write_bytes(b"".join(lines[1:]))
    (tmp_path / "error.log").write_bytes(b"2026/03/02 10:00:00 [error] 7#7: upstream timed out\n")
    (tmp_path / "notes.txt").write_bytes(b"nothing")
    found = scep_analyzer(tmp_path, "-f", "json").json
    assert [Path(each["path"]).name for each in found["captures"]] == ["access.log.2.gz", "access.log.1"]
    assert len(found["exchanges"]) == len(every)
    (tmp_path / "a.pcap").write_bytes(POST.read_bytes())  # a directory is its captures where it has any
    found = scep_analyzer(tmp_path, "-f", "json").json
    assert [Path(each["path"]).name for each in found["captures"]] == ["a.pcap"]


@pytest.mark.parametrize("kind", ["HAR", "Fiddler archive", "IIS W3C log", "zip of a log", "tar of a capture", "gzip"])
def test_the_python_door_takes_recordings(kind: str, tmp_path: Path) -> None:
    content = PIPED[kind](exchanges_of(GET))
    path = tmp_path / "input"
    path.write_bytes(content)

    def same(source: object) -> dict[str, Any]:
        document = analyze(source).to_dict()
        return {key: value for key, value in document.items() if key != "captures"}

    truth = same(path)
    assert truth["exchanges"]
    assert same(content) == truth
    assert same(io.BytesIO(content)) == truth
    assert same(io.BufferedReader(Pipe(content, 700))) == truth
    with path.open("rb") as file:
        assert same(file) == truth
    passing = [each for each in stream(Pipe(content, 700)) if isinstance(each, Seen)]
    assert len(passing) == len(truth["exchanges"])


def test_captures_and_logs_do_not_mix(scep_analyzer: Program, tmp_path: Path) -> None:
    (tmp_path / "u.log").write_bytes(iis(exchanges_of(POST)))
    result = scep_analyzer(tmp_path / "u.log", POST)
    assert result.code == 3
    assert "not a log or recording" in result.err


def _tar(files: dict[str, bytes], mode: str = "w:gz") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def _zip(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize("pack", [_zip, _tar, lambda files: _tar(files, "w"), lambda files: _tar(files, "w:xz")])
def test_an_archive_is_the_captures_in_it(pack: Any, scep_analyzer: Program, tmp_path: Path) -> None:
    files = {
        "../../case/b.pcap": REFUSED.read_bytes(),
        "case/a.pcap": GET.read_bytes(),
        "case/readme.txt": b"see the capture",
        "__MACOSX/case/._a.pcap": b"\0\5\26\7",
    }
    truth = scep_analyzer(REFUSED, GET, "-f", "json").json
    found = report(scep_analyzer, tmp_path, pack(files))
    assert found["exchanges"] == truth["exchanges"]
    assert found["findings"] == truth["findings"]
    assert sorted(Path(each["path"]).name for each in found["captures"]) == ["a.pcap", "b.pcap"]
    assert all(str(tmp_path) in each["path"] for each in found["captures"])
    assert not (tmp_path.parent.parent / "case").exists()


def test_an_archive_of_logs(scep_analyzer: Program, tmp_path: Path) -> None:
    found = report(scep_analyzer, tmp_path, _zip({"u_ex1.log": iis(exchanges_of(GET))}))
    assert [each["format"] for each in found["captures"]] == ["IIS W3C log"]
    assert found["captures"][0]["path"].endswith("input/u_ex1.log")


def test_archives_that_cannot_be_read_are_one_line(
    scep_analyzer: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(data: bytes, message: str) -> None:
        (tmp_path / "input").write_bytes(data)
        result = scep_analyzer(tmp_path / "input")
        assert (result.code, result.out, result.err.count("\n")) == (3, "", 1)
        assert message in result.err

    good = {"a.pcap": GET.read_bytes(), "b.pcap": REFUSED.read_bytes()}
    fails(_zip(good)[:4000], "cut or damaged")
    fails(_tar(good)[:4000], "cut or damaged")
    fails(_zip({"notes.txt": b"nothing"}), "without a capture")
    fails(_zip({"a.bin": b"not a capture at all, but long enough"}), "input/a.bin")
    monkeypatch.setattr("scep_analyzer.recordings.archives.BOUNDS", BOUNDS._replace(archive_bytes=1 << 20))
    fails(_zip({"bomb.pcap": b"\0" * (2 << 20)}), "unpacks to more than 1 MB")
    monkeypatch.setattr("scep_analyzer.recordings.archives.BOUNDS", BOUNDS._replace(archive_files=3))
    fails(_zip({f"{number}.pcap": b"x" for number in range(9)}), "more than 3 files")
