"""What surrounds the process: one line and the right exit code, whatever it is."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, Result

CAPTURE = str(ROOT / "captures" / "scenarios" / "ndes-get-enrollment.pcap")
PROGRAM = f"{sys.executable} -m scep_analyzer"

posix = pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")


def _shell(line: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", line],
        capture_output=True,
        text=True,
        errors="replace",
        cwd=ROOT,
        env={**os.environ, **variables},
        check=False,
        timeout=60,
    )


@posix
@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        (f"{PROGRAM} {CAPTURE} >&-", 2, "standard output is closed"),
        (f"{PROGRAM} - <&-", 3, "empty"),
        (f"{PROGRAM} decode - <&-", 3, "no SCEP message"),
        (f"{PROGRAM} {CAPTURE} >/dev/full", 2, "No space left"),
        (f"{PROGRAM} {CAPTURE} -f json >/dev/full", 2, "No space left"),
        (f"{PROGRAM} diagnose {CAPTURE} >/dev/full", 2, "No space left"),
        (f"{PROGRAM} explain >/dev/full", 2, "No space left"),
        (f"{PROGRAM} --help >/dev/full", 2, "No space left"),
        (f"{PROGRAM} report {CAPTURE} -o - >&-", 2, "standard output is closed"),
        (f"{PROGRAM} report {CAPTURE} -o /dev/full --force", 2, "No space left"),
        (f"{PROGRAM} annotate {CAPTURE} -o /dev/full --force", 2, "No space left"),
        (f"{PROGRAM} list {CAPTURE} -f csv -o /dev/full --force", 2, "No space left"),
        (f"{PROGRAM} timeline --jobs 2 {CAPTURE} {CAPTURE} -o /dev/full --force", 2, "No space left"),
        (f"{PROGRAM} {CAPTURE} --key /dev/zero", 2, "more than 1,048,576 bytes"),
        (f"{PROGRAM} {'x' * 300}", 3, "File name too long"),
        (f"{PROGRAM} {CAPTURE} $'--\\e]0;x\\a'", 2, "--\\x1b]0;x\\x07"),
    ],
)
def test_one_line_says_it(line: str, code: int, says: str) -> None:
    done = _shell(line)
    assert (done.returncode, done.stderr.count("\n")) == (code, 1), done.stderr
    assert says in done.stderr
    assert "\x1b" not in done.stderr


@posix
@pytest.mark.parametrize(
    "command",
    [
        *("timeline --verbose {}", "timeline -f json {}", "timeline -f jsonl {}", "timeline --jobs 2 {} {}", "diagnose {}"),
        *("list -f csv {}", "show {} 1 --bytes", "report {} -o -", "explain", "doctor --schema", "--help"),
        "--version",
    ],
)  # fmt: skip
def test_a_reader_that_has_gone_is_a_broken_pipe(command: str) -> None:
    """128 + SIGPIPE, as a shell tells of every other program; 1 would mean that something was found."""
    line = f"{PROGRAM} {command.replace('{}', CAPTURE)}"
    done = _shell(f"(sleep 0.2; {line}) | true; exit ${{PIPESTATUS[0]}}")
    assert (done.returncode, done.stderr) == (141, "")


@posix
def test_nobody_who_reads_errors_either() -> None:
    for line in ("/nonexistent 2>/dev/full", f"{CAPTURE} >/dev/full 2>/dev/full", "/nonexistent 2>&-"):
        done = _shell(f"{PROGRAM} {line}")
        assert (done.returncode, done.stdout, done.stderr) == (3 if "none" in line else 2, "", "")


@posix
def test_results_come_though_stderr_is_closed() -> None:
    assert "certificate issued" in _shell(f"{PROGRAM} {CAPTURE} 2>&-").stdout


@pytest.mark.parametrize("columns", ["0", "1", "-5", "abc", "999999999", "9" * 5000])
def test_any_width(columns: str, scep_analyzer: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    done = scep_analyzer(CAPTURE)
    assert (done.code, done.err) == (0, "")
    assert "certificateissued" in "".join(done.out.split())


COMMANDS = [[CAPTURE], ["timeline", "--jobs", "2", CAPTURE, CAPTURE], ["diagnose", CAPTURE], ["explain"]]
IN_TURN = """
import json, sys
from scep_analyzer.cli import main
for words in json.loads(sys.argv.pop()):
    sys.argv[1:] = words
    print(f"<<{main()}>>")
"""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437"])
def test_any_console(encoding: str) -> None:
    """One process for all of the commands: what a console's encoding lacks is met by what is printed."""
    done = subprocess.run(
        [sys.executable, "-c", IN_TURN, json.dumps(COMMANDS)],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    printed = done.stdout.split(b"<<0>>")
    assert [bool(each.strip()) for each in printed] == [True] * len(COMMANDS) + [False]


def test_the_output_is_not_the_input(tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    before = Path(CAPTURE).read_bytes()
    path.write_bytes(before)
    done = subprocess.run(
        [sys.executable, "-m", "scep_analyzer", "-f", "jsonl", str(path), "-o", str(path), "--force"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, path.read_bytes()) == (2, before)
    assert "the output is the input" in done.stderr


@posix
@pytest.mark.parametrize("beside", ["", CAPTURE])
def test_a_pipe_with_something_else_in_it_does_not_hang(beside: str, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    done = _shell(f"head -c 100 /dev/urandom > {pipe} & {PROGRAM} {pipe} {beside}")
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").split()[2] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_no_process_outlives_the_one_that_was_ended(number: signal.Signals, tmp_path: Path) -> None:
    pipes = [tmp_path / "a", tmp_path / "b"]
    for each in pipes:
        os.mkfifo(each)  # reading waits for ever
    process = subprocess.Popen(
        [sys.executable, "-m", "scep_analyzer", "timeline", "--jobs", "2", *map(str, pipes)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 20
    while len(children := _children(process.pid)) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    while any(map(_runs, children)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(_runs, children))
    assert b"Traceback" not in errors
    if number is not signal.SIGKILL:
        assert process.returncode == 130


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_killed_worker_is_one_line(tmp_path: Path) -> None:
    pipes = [tmp_path / "a", tmp_path / "b"]
    for each in pipes:
        os.mkfifo(each)
    process = subprocess.Popen(
        [sys.executable, "-m", "scep_analyzer", "timeline", "--jobs", "2", *map(str, pipes)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 20
    while len(children := _children(process.pid)) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    os.kill(children[0], signal.SIGKILL)
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors.count(b"\n")) == (2, 1), errors


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to send")
def test_a_signal_that_the_interpreter_swallows_comes_again() -> None:
    program = """
import signal, time
from scep_analyzer.cli import environment

class Taken:
    def __del__(self):
        signal.raise_signal(signal.SIGTERM)  # what its handler raises cannot leave this method

environment.prepared(own_process=True)
try:
    Taken()
    time.sleep(20)
except KeyboardInterrupt:
    raise SystemExit(130)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=15, check=False)
    assert (done.returncode, done.stderr) == (130, b"")
