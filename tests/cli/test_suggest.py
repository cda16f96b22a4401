"""A mistyped word gets one line with the right one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from scep_analyzer.cli import COMMANDS
from scep_analyzer.cli.suggest import nearest
from tests.conftest import ROOT, Result

Program = Callable[..., Result]
CAPTURE = ROOT / "captures" / "scenarios" / "ndes-get-enrollment.pcap"


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (["diagnos", "x"], "`scep-analyzer diagnose`?"),
        (["Timelin", CAPTURE], "`scep-analyzer timeline`?"),
        (["--fromat", "json", CAPTURE], "--format?"),
        (["--verson"], "--version?"),
        (["show", CAPTURE, "2", "--byte5"], "--bytes?"),
        (["diagnose", CAPTURE, "--fail-of=never"], "--fail-on?"),
        (["annotate", CAPTURE, "--ouptut", "y"], "--output?"),
        (["wireshark", "overlay", CAPTURE, "--ouptut", "y"], "--output?"),
        (["wireshark", "instal"], "install?"),
        (["timeline", "-f", "jsn", CAPTURE], "json?"),
        (["diagnose", "--min-severity", "eror", CAPTURE], "error?"),
        (["explain", "certrep-badreqest"], "certrep-badrequest"),
    ],
)
def test_a_mistyped_word_is_recognised(arguments: list[object], asked: str, scep_analyzer: Program) -> None:
    result = scep_analyzer(*arguments)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert "did you mean" in result.err
    assert asked in result.err


@pytest.mark.parametrize("word", ["xyzzy", "nowhere.pcap", "no/such/diagnose", "diagnose.pcap"])
def test_a_file_that_is_missing_is_told_as_one(word: str, scep_analyzer: Program) -> None:
    result = scep_analyzer(word)
    assert (result.code, result.out, result.err.count("\n")) == (3, "", 1)
    assert "`scep-analyzer --help`" in result.err


def test_a_file_called_nearly_like_a_command_is_read(
    scep_analyzer: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "diagnos").write_bytes(CAPTURE.read_bytes())
    assert scep_analyzer("diagnos", "--quiet").code == 0


@pytest.mark.parametrize("evil", ["--fro\x1b[2Jmat", "--a\nb", "\u202e--x"])
@pytest.mark.parametrize("command", [["timeline", CAPTURE], ["doctor"], ["timeline", "-f"], ["show", CAPTURE]])
def test_what_is_wrong_is_repeated_safely(evil: str, command: list[object], scep_analyzer: Program) -> None:
    result = scep_analyzer(*command, evil)
    assert result.code in (2, 3)
    assert result.err.count("\n") == 1
    assert "\x1b" not in result.err
    assert "\u202e" not in result.err


def test_nothing_is_suggested_that_is_far_away() -> None:
    assert nearest("zzz", COMMANDS) is None
    assert nearest("EXPLIAN", COMMANDS) == "explain"
