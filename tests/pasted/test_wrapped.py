"""Dumps that a log has taken apart give the same as the dump itself; rows that are missing are said, and no byte is made up.

The dumps are those of the real programs, and the expected bytes are those that they were given.
"""

import json
import shutil
import subprocess
from collections.abc import Callable

import pytest

from scep_analyzer.pasted.readers import read_pasted
from tests import talk

REQUEST = talk.message(19)
Lines = list[str]


def dumped(tool: str, given: bytes = REQUEST) -> Lines:
    program, *options = tool.split()
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    done = subprocess.run([program, *options], input=given, capture_output=True, check=True)
    return done.stdout.decode("latin-1").splitlines()


def _records(**fields: object) -> Callable[[Lines], str]:
    """A record of JSON for each line, the line being the field whose value is None."""

    def written(lines: Lines) -> str:
        shown = ({name: line if value is None else value for name, value in fields.items()} for line in lines)
        return "".join(json.dumps(record) + "\n" for record in shown)

    return written


def _docker(lines: Lines) -> str:
    return _records(log=None, stream="stdout", time="2026-03-02T10:00:00.5Z")([line + "\n" for line in lines])


def _between(lines: Lines) -> str:
    """Docker's log of a program that writes to standard error meanwhile."""
    other = json.dumps({"log": "level=info 12 34\n", "stream": "stderr", "time": "2026-03-02T10:00:00.5Z"}) + "\n"
    return other.join(_docker([line]) for line in lines)


def _cut_by_docker(lines: Lines) -> str:
    """Docker ends a record after 16 KB of a line, here much earlier: only the last part has the line end."""
    parts = [part for line in lines for part in (line[:20], line[20:] + "\n")]
    return _records(log=None, stream="stdout", time="2026-03-02T10:00:00.5Z")(parts)


WRAPPED: dict[str, Callable[[Lines], str]] = {
    "Docker": _docker,
    "Docker, two streams": _between,
    "Docker, lines in parts": _cut_by_docker,
    "journald": _records(__REALTIME_TIMESTAMP="1772442001000000", _PID="12", MESSAGE=None),
    "journald, pretty": lambda lines: "".join(
        json.dumps({"_PID": "12", "MESSAGE": line}, indent=8) + "\n" for line in lines
    ),
    "journald, bytes": lambda lines: "".join(
        json.dumps({"MESSAGE": list(line.encode("latin-1"))}) + "\n" for line in lines
    ),
    "an array of records": lambda lines: json.dumps([{"host": "a", "message": line} for line in lines], indent=1),
    "CRI": lambda lines: "".join(f"2026-03-02T10:00:00.{i:09}Z stdout F {line}\n" for i, line in enumerate(lines)),
    "CRI, lines in parts": lambda lines: "".join(
        f"2026-03-02T10:00:00.1Z stdout P {line[:20]}\n2026-03-02T10:00:00.1Z stdout F {line[20:]}\n" for line in lines
    ),
    "CRI, two streams": lambda lines: "".join(
        f"2026-03-02T10:00:00.1Z stdout F {line}\n2026-03-02T10:00:00.1Z stderr F 0012 34\n" for line in lines
    ),
    "docker logs -t": lambda lines: "".join(f"2026-03-02T10:00:00.{i:09}Z {line}\n" for i, line in enumerate(lines)),
    "kubectl --timestamps, CRLF": lambda lines: "".join(f"2026-03-02T10:00:00.1234567Z {line}\r\n" for line in lines),
    "kubectl --prefix --timestamps": lambda lines: "".join(
        f"[pod/scep-5d4c/scep] 2026-03-02T10:00:00.1234567Z {line}\n" for line in lines
    ),
    "docker compose": lambda lines: "".join(f"scep-server-1  | {line}\n" for line in lines),
    "syslog": lambda lines: "".join(
        f"Mar  2 10:00:{i % 60:02} gw scepd[123]: {line}\n" for i, line in enumerate(lines)
    ),
    "syslog, RFC 5424": lambda lines: "".join(
        f"<134>1 2026-03-02T10:00:{i % 60:02}.003Z gw scepd 123 ID47 - {line}\n" for i, line in enumerate(lines)
    ),
}
"""Wrappings that keep every line of the text."""
BEHIND: dict[str, Callable[[Lines], str]] = {
    "Python": lambda lines: "".join(
        f"2026-03-02 10:00:{i % 60:02},123 DEBUG scep: {line}\n" for i, line in enumerate(lines)
    ),
    "log4j": lambda lines: "".join(
        f"10:00:{i % 60:02}.123 [main] DEBUG org.jscep - {line}\n" for i, line in enumerate(lines)
    ),
    "Cisco, numbered": lambda lines: "".join(
        f"{i + 95:06}: *Mar  2 10:00:{i % 60:02}.123: CRYPTO_PKI: {line}\n" for i, line in enumerate(lines)
    ),
    "Go in Docker": lambda lines: _docker([f"2026/03/02 10:00:00 dump: {line}" for line in lines]),
}
"""Prefixes that are known only by what is behind them: rows with offsets."""
DUMPS = ["xxd", "hexdump -C", "hexdump", "od -A x -t x1z", "od -x"]


@pytest.mark.parametrize("tool", [*DUMPS, "xxd -p", "base64", "xxd -i", "openssl base64"])
@pytest.mark.parametrize("wrapping", WRAPPED)
def test_a_wrapped_text_reads_as_the_text(wrapping: str, tool: str) -> None:
    lines = dumped(tool)
    text = read_pasted("\n".join(lines).encode("latin-1"))
    if tool not in ("base64", "openssl base64"):
        lines = ["received a message of the client", *lines, "done with it"]
    wrapped = read_pasted(WRAPPED[wrapping](lines).encode("latin-1"))
    assert [(each.encoded, each.form, each.notes) for each in wrapped.found] == [
        (each.encoded, each.form, each.notes) for each in text.found
    ]
    assert [each.encoded for each in wrapped.found] == [REQUEST]


@pytest.mark.parametrize("tool", DUMPS)
@pytest.mark.parametrize("wrapping", BEHIND)
def test_rows_behind_any_prefix(wrapping: str, tool: str) -> None:
    lines = ["received a message", *dumped(tool), "done"]
    assert [each.encoded for each in read_pasted(BEHIND[wrapping](lines).encode("latin-1")).found] == [REQUEST]


@pytest.mark.parametrize("lost", [[3], [3, 4], [1], [40, 41, 42], [*range(2, 60)]], ids=str)
@pytest.mark.parametrize("tool", DUMPS)
@pytest.mark.parametrize("wrapping", ["none", "Docker", "CRI", "syslog", "log4j"])
def test_missing_rows_are_said_and_not_made_up(wrapping: str, tool: str, lost: list[int]) -> None:
    lines = [line for number, line in enumerate(dumped(tool)) if number not in lost]
    text = "\n".join(lines) if wrapping == "none" else {**WRAPPED, **BEHIND}[wrapping](lines)
    found = read_pasted(text.encode("latin-1")).found
    assert found[0].encoded == REQUEST[: 16 * lost[0]]
    ((code, said),) = [note for note in found[0].notes if note[0].startswith("hex-row")]
    base = 8 if tool == "od -x" else 16
    offsets = [int(word.strip(",:;"), base) for word in said.split() if word[:3] == "000"]
    assert code == "hex-rows-missing"
    assert offsets[:2] == [16 * lost[0] - 16, 16 * (lost[-1] + 1)]


@pytest.mark.parametrize("tool", DUMPS)
def test_a_row_that_is_cut_is_said(tool: str) -> None:
    lines = dumped(tool)
    lines[5] = lines[5][:22]
    (found,) = read_pasted("\n".join(lines).encode("latin-1")).found
    assert REQUEST.startswith(found.encoded)
    assert 16 * 5 < len(found.encoded) < 16 * 6
    assert "hex-row-short" in [code for code, _ in found.notes]


def test_a_dump_without_its_beginning_is_said() -> None:
    for tool, offset in (("hexdump", "0000020"), ("od -x", "0000040")):
        text = "\n".join(dumped(tool)[2:]).encode("latin-1")
        told = read_pasted(text).told  # the certificate in the middle is found
        assert told == [f"a hex dump that begins at offset {offset}: the rows before it are missing"]


def test_times_are_those_of_the_records() -> None:
    def record(second: int, text: str) -> str:
        return json.dumps({"log": text + "\n", "stream": "stdout", "time": f"2026-03-02T10:00:{second:02}Z"}) + "\n"

    rows = dumped("xxd")
    text = record(1, "sending") + "".join(record(2, row) for row in rows) + record(3, "received")
    text += "".join(record(4, row) for row in rows)
    found = read_pasted(text.encode("latin-1")).found
    assert [(each.time, each.direction) for each in found] == [
        ("2026-03-02T10:00:02Z", "request"),
        ("2026-03-02T10:00:04Z", "response"),
    ]
    assert [each.encoded for each in found] == [REQUEST, REQUEST]
