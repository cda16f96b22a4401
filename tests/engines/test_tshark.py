"""The tshark engine: parity with the builtin one, TLS undone, and what is said where it cannot be."""

import io
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scep_analyzer import analyze
from scep_analyzer.engines import tshark_rows
from scep_analyzer.engines.tshark import Decryption
from scep_analyzer.engines.tshark_rows import Row, StoppedError, Stream
from scep_analyzer.model.anomalies import AnalyzerError
from scep_analyzer.model.packets import Endpoint
from scep_analyzer.model.streams import Closed, Data, Direction, Gap
from scep_analyzer.model.tls import Secrets
from scep_analyzer.render import json_v1
from tests.conftest import CAPTURES, ROOT, Result
from tests.wireshark.merged import merged

Program = Callable[..., Result]
TLS = ROOT / "captures" / "tls"
TLS13, KEYLOG = TLS / "tls13-strongswan.pcap", TLS / "tls13-strongswan.keylog"
EMBEDDED, UNREADABLE, UNKNOWN_CA = (
    TLS / f"{name}" for name in ("tls13-embedded.pcapng", "tls13-unreadable.pcap", "tls13-unknown-ca.pcap")
)
needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark: apt-get install tshark")


def _report(path: Path, engine: str) -> Any:
    return json.loads(json_v1.render(analyze(str(path), engine=engine)))


@needs_tshark
def test_both_engines_tell_the_same_exchanges(tmp_path: Path) -> None:
    """Of the captures of all implementations, as one file."""
    every = merged([(path.stem, path.read_bytes()) for path in CAPTURES], tmp_path / "every.pcap")
    mine, theirs = _report(every.path, "builtin"), _report(every.path, "tshark")
    assert theirs["generator"]["engine"] == "tshark"
    assert {every.place(each["request"]["frames"][0])[0] for each in mine["exchanges"]} == set(every.names)
    assert theirs["exchanges"] == mine["exchanges"]
    assert theirs["transactions"] == mine["transactions"]


@needs_tshark
def test_keys_are_used_by_the_command_line_and_exchanges_are_marked(scep_analyzer: Program) -> None:
    result = scep_analyzer("timeline", TLS13, "--keylog", KEYLOG)
    assert "Certificate issued" in result.out
    assert "(TLS)" in result.out
    told = scep_analyzer("timeline", TLS13, "--keylog", KEYLOG, "-f", "json").json
    assert [each["tls"] for each in told["exchanges"]] == [True, True, True]
    assert told["generator"]["engine"] == "builtin+tshark"
    assert {"scep-over-cleartext", "capture-tls-opaque"}.isdisjoint(each["rule"] for each in told["findings"])
    lines = [json.loads(each) for each in scep_analyzer(TLS13, "--keylog", KEYLOG, "-f", "jsonl").out.splitlines()]
    assert [each["operation"] for each in lines if each["record"] == "exchange"] == [
        "GetCACert",
        "GetCACaps",
        "PKIOperation",
    ]
    assert "inside TLS" in scep_analyzer("show", TLS13, "3", "--keylog", KEYLOG).out


@needs_tshark
def test_a_key_that_the_messages_need_opens_old_tls_too(scep_analyzer: Program) -> None:
    capture = TLS / "tls12-rsa-scepclient.pcap"
    told = scep_analyzer("timeline", capture, "--key", capture.with_suffix(".key"), "-f", "json").json
    assert [each["tls"] for each in told["exchanges"]] == [True, True, True]
    assert told["anomalies"] == []


@needs_tshark
def test_several_files_are_one_capture(tmp_path: Path, scep_analyzer: Program) -> None:
    subprocess.run(["editcap", "-c", "30", str(TLS13), str(tmp_path / "part.pcap")], check=True)
    parts = sorted(tmp_path.glob("part*"))
    assert len(parts) == 2
    told = scep_analyzer("timeline", *parts, "--keylog", KEYLOG, "-f", "json").json
    whole = scep_analyzer("timeline", TLS13, "--keylog", KEYLOG, "-f", "json").json
    assert [each.pop("capture") for each in told["exchanges"]] == [0, 1, 1]
    assert told["exchanges"] == [{key: each[key] for key in each if key != "capture"} for each in whole["exchanges"]]


@needs_tshark
def test_lost_bytes_of_tls_are_told_and_nobody_is_blamed(tmp_path: Path, scep_analyzer: Program) -> None:
    answer = json.loads(scep_analyzer("timeline", TLS13, "--keylog", KEYLOG, "-f", "json").out)["exchanges"][2][
        "response"
    ]["frames"]
    cut = tmp_path / "lossy.pcap"
    # The frame that completes the record, and the one before it, which carries its start.
    subprocess.run(["editcap", str(TLS13), str(cut), str(answer[0] - 1), str(answer[0])], check=True)
    told = scep_analyzer("timeline", cut, "--keylog", KEYLOG, "-f", "json").json
    last = told["exchanges"][2]
    assert last["response"] is None or not last["response"]["complete"]
    assert any(each["code"] == "gap" for each in told["anomalies"])
    assert "no-answer" not in {each["rule"] for each in told["findings"]}


@needs_tshark
def test_keys_that_do_not_fit_are_said_with_what_is_wanted(scep_analyzer: Program) -> None:
    result = scep_analyzer("diagnose", UNREADABLE, "--keylog", KEYLOG)
    assert result.code == 0
    random = subprocess.run(
        ["tshark", "-r", str(UNREADABLE), "-Y", "tls.handshake.type == 1", "-T", "fields", "-e", "tls.handshake.random"],
        capture_output=True, text=True, check=True,
    ).stdout.split()[0]  # fmt: skip
    assert random.replace(":", "") in "".join(result.out.split())


def test_without_keys_the_handshake_tells_what_it_can(scep_analyzer: Program) -> None:
    result = scep_analyzer("diagnose", "--all", UNREADABLE)
    said = " ".join(result.out.split())
    assert "5 TLS connections to scep.lab.example (192.0.2.1:8443), TLS 1.3, are not decrypted; data flows in 5" in said
    assert "--keylog" in said
    in_the_clear = " ".join(scep_analyzer("diagnose", "--all", TLS / "tls12-strongswan.pcap").out.split())
    assert "certificate CN=scep.lab.example, issued by CN=TLS-CA,O=lab" in in_the_clear


def test_a_client_that_does_not_know_the_ca(scep_analyzer: Program) -> None:
    result = scep_analyzer("diagnose", UNKNOWN_CA, "-f", "json")
    assert result.code == 1
    assert {each["rule"] for each in result.json["findings"]} == {"tls-handshake-alert", "capture-no-scep-found"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "no TLS key log"),
        ("{}", "no TLS key log"),
        ("CLIENT_RANDOM x y\n", "no TLS key log"),
        (None, "cannot be read"),
    ],
)
def test_a_key_log_that_is_none(content: str | None, said: str, tmp_path: Path, scep_analyzer: Program) -> None:
    path = tmp_path / "keys"
    if content is not None:
        path.write_text(content)
    result = scep_analyzer(TLS13, "--keylog", path)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert said in result.err


def _program(folder: Path, script: str) -> None:
    path = folder / "tshark"
    path.write_text(f"#!{sys.executable}\n{script}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


VERSION = 'import os, sys, signal\nif "--version" in sys.argv: print("TShark (Wireshark) 4.2.0"); sys.exit()\n'


@pytest.mark.skipif(os.name == "nt", reason="the stand-ins for tshark are scripts")
@pytest.mark.parametrize(
    ("script", "said"),
    [
        (None, "install it"),
        ("raise SystemExit(3)", "does not run"),
        ('print("TShark (Wireshark) 3.6.2")', "too old"),
        ('print("hello")', "no tshark"),
    ],
)
def test_a_tshark_that_cannot_be_used(
    script: str | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scep_analyzer: Program
) -> None:
    if script is not None:
        _program(tmp_path, script)
    monkeypatch.setenv("PATH", str(tmp_path))
    result = scep_analyzer(TLS13, "--keylog", KEYLOG)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert said in result.err
    # Secrets in the file are no wish of the user's: the rest is told, and what to install.
    embedded = scep_analyzer("timeline", EMBEDDED, "-f", "json")
    assert embedded.code == 0
    unused = [each["detail"] for each in embedded.json["anomalies"] if each["code"] == "tls-secrets-unused"]
    assert len(unused) == 1
    assert said in unused[0]


@pytest.mark.skipif(os.name == "nt", reason="the stand-ins for tshark are scripts")
@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("print('Segmentation fault')", "Segmentation fault"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "signal 9"),
        ("print('tshark: out of memory', file=sys.stderr); sys.exit(1)", "out of memory"),
    ],
)
def test_a_tshark_that_stops_in_the_middle(
    script: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scep_analyzer: Program
) -> None:
    """The first two rows of the real one are printed first: what came before is kept."""
    row = "9\t1795579037.890260000\t0\t192.0.2.2\t\t192.0.2.1\t\t40000\t8443\t0x0018\t\t{}\t\t\t\t{}"
    hello, data = row.format(1, ""), row.format("", b"GET /scep?operation=GetCACaps HTTP/1.1\r\n\r\n".hex())
    _program(tmp_path, f"{VERSION}print({hello!r})\nprint({data!r}, flush=True)\n{script}")
    monkeypatch.setenv("PATH", str(tmp_path))
    result = scep_analyzer("timeline", TLS13, "--keylog", KEYLOG, "-f", "json")
    assert (result.code, result.err) == (0, "")
    assert [each["operation"] for each in result.json["exchanges"]] == ["GetCACaps"]
    assert [said in each["detail"] for each in result.json["anomalies"] if each["code"] == "tshark-stopped"] == [True]


def test_standard_input_cannot_be_shared_with_tshark(scep_analyzer: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(TLS13.read_bytes())))
    result = scep_analyzer("-", "--keylog", KEYLOG)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert "to a file first" in result.err


# -- what tshark prints, as it was printed ---------------------------------------------------------------------------------------

CLIENT, SERVER = Endpoint("10.77.0.2", 35102), Endpoint("10.77.0.1", 8443)


def test_a_row_is_read() -> None:
    line = "10\t1795472401.143570000\t0\t10.77.0.2\t\t10.77.0.1\t\t35102\t8443\t0x0018\t\t\t\t\t\t474554;2f0d0a\n"
    row = tshark_rows.row_of(line)
    assert row == Row(10, 1795472401143570000, 0, CLIENT, SERVER, False, False, None, (), (), (b"GET", b"/\r\n"))


def test_in_a_tunnel_the_inner_addresses_count() -> None:
    line = "3\t1.5\t2\t198.51.100.1;10.0.0.1\t\t198.51.100.2;10.0.0.2\t\t1024\t443\t0x0011\t1\t1;1\t2\t48\t30820101\t\n"
    row = tshark_rows.row_of(line)
    assert row is not None
    assert (row.source, row.destination, row.time_ns) == (
        Endpoint("10.0.0.1", 1024),
        Endpoint("10.0.0.2", 443),
        1_500_000_000,
    )
    assert (row.hello, row.lost, row.ended, row.certificates) == (True, True, "fin", (bytes.fromhex("30820101"),))
    assert [(each.code, each.fatal) for each in row.alerts] == [(48, True)]


def test_a_row_that_is_none_stops_the_reading() -> None:
    assert tshark_rows.row_of("1\t1.0" + "\t" * 14 + "\n") is None  # no TCP
    for line in ("hello\n", "x\t1.0\t0\t10.0.0.1\t\t10.0.0.2\t\t1\t2\t0x0\t\t\t\t\t\t\n"):
        with pytest.raises(StoppedError):
            tshark_rows.row_of(line)


FOLLOWED = """\
  - peer: 0
    host: 10.77.0.2
    port: 35102
  - peer: 1
    host: 10.77.0.1
    port: 8443
packets:
  - packet: 4
    peer: 0
    timestamp: 1795472401.141673088
    data: !!binary |
      R0VUIC8gSFRU
      UC8xLjENCg0K
  - packet: 6
    peer: 1
    timestamp: 1795472401.142673088
    data: !!binary |
      SFRUUC8xLjEgMjAwIE9LDQoNCg==
"""


def test_a_follow_tap_belongs_to_the_last_connection_of_its_client() -> None:
    earlier, later = Stream(0, CLIENT, SERVER, 1), Stream(3, CLIENT, SERVER, 4)
    after = Stream(5, CLIENT, SERVER, 9)
    found = tshark_rows.of_stream(FOLLOWED.splitlines(), [earlier, later, after])
    assert found is not None
    stream, chunks = found
    assert stream == later
    assert [(each.frame, each.from_client, each.content) for each in chunks] == [
        (4, True, b"GET / HTTP/1.1\r\n\r\n"),
        (6, False, b"HTTP/1.1 200 OK\r\n\r\n"),
    ]


def _row(frame: int, from_client: bool, **more: Any) -> Row:
    ends = (CLIENT, SERVER) if from_client else (SERVER, CLIENT)
    return Row(frame, frame * 1000, 0, *ends, False, False, None, (), (), ())._replace(**more)


def test_decrypted_records_become_events_and_a_hole_a_gap() -> None:
    rows = [
        _row(1, True, data=(b"before any hello",)),
        _row(2, True, hello=True),
        _row(3, True, data=(b"GET ", b"/ ")),
        _row(5, False, lost=True),
        _row(6, False, ended="fin"),
    ]
    events = list(Decryption().over(rows))
    assert [each.content for each in events if isinstance(each, Data)] == [b"GET ", b"/ "]
    assert [(each.direction, each.length, each.frame) for each in events if isinstance(each, Gap)] == [
        (Direction.FROM_SERVER, 0, 5)
    ]
    assert [(each.direction, each.how) for each in events if isinstance(each, Closed)] == [
        (Direction.FROM_SERVER, "fin"),
        (Direction.FROM_CLIENT, "end-of-capture"),
    ]


def test_a_hole_that_is_filled_later_is_none() -> None:
    rows = [_row(2, True, hello=True), _row(3, False, lost=True), _row(5, False, data=(b"HTTP/1.1 ",))]
    assert not [each for each in Decryption().over(rows) if isinstance(each, Gap)]


def test_one_file_alone_needs_no_mergecap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with tshark_rows.one_file([str(TLS13)]) as path:
        assert path == str(TLS13)
    with pytest.raises(AnalyzerError, match="mergecap"), tshark_rows.one_file([str(TLS13), str(EMBEDDED)]):
        pass


def test_secrets_become_options() -> None:
    command = tshark_rows.tls_command("tshark", "x.pcap", Secrets("keys", rsa_keys=("/a/b.key",)))
    assert "tls.keylog_file:keys" in command
    assert 'uat:rsa_keys:"/a/b.key",""' in command
