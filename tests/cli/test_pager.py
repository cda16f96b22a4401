"""The pager, on a pseudo-terminal: long output goes through it, and nothing that it does becomes a traceback."""

import os
import shutil
import signal
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from scep_analyzer.cli.pager import pager_command
from tests.conftest import ROOT

pty: Any = pytest.importorskip("pty")
LONG = ROOT / "captures" / "scenarios" / "ndes-get-enrollment.pcap"
ROWS = 24


def on_terminal(
    *arguments: object, keys: bytes = b"", env: dict[str, str] | None = None, interrupt: bool = False
) -> tuple[int, str]:
    """Run the program on a terminal of 80x24; ``keys`` are typed once there is output. The exit code and what the terminal got."""
    child, terminal = pty.fork()
    if not child:
        os.chdir(ROOT)
        words = [sys.executable, "-m", "scep_analyzer", *map(str, arguments)]
        base = {
            key: value for key, value in os.environ.items() if key not in ("LESS", "PAGER", "COLUMNS", "NO_COLOR", "CI")
        }
        os.execve(sys.executable, words, {**base, "TERM": "xterm", "LC_ALL": "C.UTF-8", **(env or {})})
    import fcntl
    import struct
    import termios

    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, 80, 0, 0))
    got = b""
    ended = time.monotonic() + 60
    while time.monotonic() < ended:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # the program has ended
            break
        if not piece:
            break
        got += piece
        if interrupt and got.count(b"\n") >= ROWS - 2:
            interrupt = False
            os.write(terminal, b"\x03")
            time.sleep(0.3)
        if keys and not interrupt and got.count(b"\n") >= ROWS - 2:
            os.write(terminal, keys)
            keys = b""
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    assert time.monotonic() < ended
    return os.waitstatus_to_exitcode(status), got.decode().replace("\r\n", "\n")


@cache
def plain() -> str:
    """The long output as it is without a pager."""
    code, got = on_terminal("timeline", LONG, "--no-pager")
    assert code == 0
    return got


def script(tmp_path: Path, body: str) -> str:
    """A pager in Python."""
    path = tmp_path / "pager.py"
    path.write_text(f"import os, signal, sys, time\n{body}\n", encoding="utf-8")
    return f"{sys.executable} {path}"


def test_long_output_goes_through_the_pager(tmp_path: Path) -> None:
    pager = script(tmp_path, "print('<<', len(sys.stdin.buffer.read().splitlines()), '>>')")
    code, got = on_terminal("timeline", LONG, env={"PAGER": pager})
    assert (code, got.strip()) == (0, f"<< {plain().count(chr(10))} >>")
    assert plain().count("\n") > ROWS


def test_short_output_json_lines_and_files_do_not(tmp_path: Path) -> None:
    pager = script(tmp_path, "print('<<pager>>')")
    for arguments in (
        ["show", LONG],
        ["timeline", LONG, "-f", "jsonl"],
        ["timeline", LONG, "-o", tmp_path / "out.txt"],
    ):
        code, got = on_terminal(*arguments, env={"PAGER": pager})
        assert (code, "<<pager>>" in got) == (0, False)
    assert on_terminal("timeline", LONG, "--no-pager", env={"PAGER": pager}) == (0, plain())
    for pager in ("", "cat"):
        assert on_terminal("timeline", LONG, env={"PAGER": pager}) == (0, plain())


@pytest.mark.parametrize(
    "body",
    ["sys.exit(1)", "sys.stdin.close(); sys.exit(127)", "raise SystemExit('cannot page')"],
)
def test_a_broken_pager_loses_nothing(body: str, tmp_path: Path) -> None:
    code, got = on_terminal("timeline", LONG, env={"PAGER": script(tmp_path, body)})
    assert code == 0
    assert got.endswith(plain())
    assert "Traceback" not in got


@pytest.mark.parametrize("pager", ["no-such-pager-anywhere -x", "'unbalanced", "/", "less | cat"])
def test_a_missing_pager_loses_nothing(pager: str) -> None:
    code, got = on_terminal("timeline", LONG, env={"PAGER": pager}, keys=b"q")
    assert code == 0
    assert plain().split("\n")[0] in got
    assert "Traceback" not in got


@pytest.mark.parametrize(("command", "code"), [("timeline", 0), ("diagnose", 1)])
def test_a_pager_left_in_the_middle_is_no_error(command: str, code: int, tmp_path: Path) -> None:
    """What it has not read is more than a pipe holds; the exit code is still the command's."""
    capture = ROOT / "captures" / "scenarios" / "ndes-refused-template.pcap"
    pager = script(tmp_path, "print('<<', sys.stdin.readline().strip()[:4], '>>')")
    arguments = (command, "-f", "json", *[capture] * 8)
    assert on_terminal(*arguments, env={"PAGER": pager}) == (code, "<< { >>\n")


def test_ctrl_c_is_the_pagers(tmp_path: Path) -> None:
    pager = script(
        tmp_path,
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\nsys.stdin.read()\nprint('\\n' * 23, flush=True)\ntime.sleep(1)\nprint('<<end>>')",
    )
    code, got = on_terminal("timeline", LONG, env={"PAGER": pager}, interrupt=True)
    assert (code, "<<end>>" in got, "Traceback" in got) == (0, True, False)


@pytest.mark.skipif(shutil.which("less") is None, reason="no less here")
def test_less_is_the_usual_one_and_q_leaves_it() -> None:
    code, got = on_terminal("explain", keys=b"q")
    assert code == 0
    assert got.count("\n") < 2 * ROWS
    assert "Traceback" not in got


def test_less_shows_links(tmp_path: Path) -> None:
    """The terminal gets the whole escape sequence, not its letters."""
    _, got = on_terminal("explain", "badRequest", "--width", "60", env={"FORCE_HYPERLINK": "1", "PAGER": "cat"})
    assert "https://www.rfc-editor.org/rfc/rfc8894#section-3.2.1.4\x1b\\" in got
    pager = script(tmp_path, "print(repr(sys.stdin.read()))")
    _, got = on_terminal("explain", "certrep-badrequest", env={"FORCE_HYPERLINK": "1", "PAGER": pager})
    assert "rfc-editor.org" not in got
    assert "RFC 8894" in got


def test_windows_pages_only_where_the_user_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PAGER", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("scep_analyzer.cli.pager.os.name", "nt", raising=False)
    try:
        assert pager_command() is None
    finally:
        monkeypatch.undo()


def test_signals_are_as_before() -> None:
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
