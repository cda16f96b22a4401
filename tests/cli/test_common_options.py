"""The same options work on every command that reads a capture."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from scep_analyzer.engines import CHOICES
from tests import talk
from tests.conftest import ROOT, Result

Program = Callable[..., Result]
CAPTURE = ROOT / "captures" / "scenarios" / "ndes-refused-template.pcap"
KEYS = ROOT / "captures" / "keys"
CONTRACT = (
    "--key",
    "--key-password-file",
    "--keylog",
    "--engine",
    "--show-secrets",
    "--utc",
    "--local",
    "--width",
    "--no-pager",
    "--quiet",
    "--verbose",
    "--all",
    "--min-severity",
    "--color",
    "--output",
    "--force",
)
"""contract.md, Common options, and rule 10 of screens.md."""
READS = {
    "timeline": ["timeline", CAPTURE],
    "diagnose": ["diagnose", CAPTURE],
    "show": ["show", CAPTURE],
    "extract": ["extract", CAPTURE, "-o", "{}"],
    "decode": ["decode", "{}"],
    "annotate": ["annotate", CAPTURE, "-o", "{}"],
    "wireshark overlay": ["wireshark", "overlay", CAPTURE, "-o", "{}"],
}
EACH = [
    ["--key", KEYS / "ra-encryption.pem"],
    ["--engine", "auto"],
    ["--show-secrets"],
    ["--utc"],
    ["--local"],
    ["--width", "100"],
    ["--no-pager"],
    ["--quiet"],
    ["--verbose"],
    ["--all"],
    ["--min-severity", "error"],
    ["--color", "never"],
    ["--force"],
]


@pytest.mark.parametrize("command", [*READS, "live"])
def test_every_command_declares_them(command: str, scep_analyzer: Program) -> None:
    told = scep_analyzer(*command.split(), "--help").out
    assert [each for each in CONTRACT if not re.search(rf"{each}\b", told)] == []


@pytest.mark.parametrize("option", EACH, ids=lambda option: option[0])
@pytest.mark.parametrize("command", READS)
def test_every_command_takes_them(command: str, option: list[object], scep_analyzer: Program, tmp_path: Path) -> None:
    if command == "decode":
        (tmp_path / "out").write_bytes(talk.message(19))
    arguments = [str(each).format(tmp_path / "out") for each in READS[command]]
    assert scep_analyzer(*arguments, *option).code == (1 if command == "diagnose" else 0)


def test_the_engines_are_those_that_there_are(scep_analyzer: Program) -> None:
    for each in CHOICES:
        assert each in scep_analyzer("timeline", "--help").out


@pytest.mark.parametrize("width", [20, 60, 132])
@pytest.mark.parametrize("command", ["timeline", "diagnose", "show"])
def test_width_overrides_the_terminal(width: int, command: str, scep_analyzer: Program) -> None:
    rows = scep_analyzer(command, CAPTURE, "--width", width).out.splitlines()
    longest = max(map(len, rows))
    if width >= 60:  # below, an indented word may not fit
        assert longest <= width
    assert longest > min(width - 20, 65)


@pytest.mark.parametrize("width", ["19", "1001", "-1", "0x50", "²0", "eighty", "9" * 5000])
def test_a_width_that_is_none_is_refused(width: str, scep_analyzer: Program) -> None:
    result = scep_analyzer("timeline", CAPTURE, f"--width={width}")
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)


def test_all_shows_notes_too(scep_analyzer: Program) -> None:
    whole = scep_analyzer("timeline", CAPTURE, "--all").out
    assert whole == scep_analyzer("timeline", CAPTURE, "--min-severity", "info").out
    assert "certrep-dummy-content" in whole
    assert "certrep-dummy-content" not in scep_analyzer("timeline", CAPTURE).out


def test_options_without_effect_are_named(scep_analyzer: Program) -> None:
    for command in ("extract", "annotate", "wireshark overlay", "decode", "live"):
        told = " ".join(scep_analyzer(*command.split(), "--help").out.split())
        assert "Accepted without effect" in told, command


def test_help_imports_nothing_that_only_mistakes_need() -> None:
    code = "import sys; from scep_analyzer.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\nprint(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True, cwd=ROOT)
    assert set(done.stdout.splitlines()).isdisjoint({"difflib", "subprocess", "shlex", "signal", "pathlib"})
