"""What a short run imports: each package costs every start, so none comes in unseen."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

CAPTURE = ROOT / "captures/scenarios/ndes-get-enrollment.pcap"
# What a run that succeeds over plain HTTP has no use for, with what does use it.
_UNUSED = {
    "asyncio": "pyshark",
    "bz2": "compressed captures",
    "email": "dates of an odd form",
    "hpack": "HTTP/2",
    "html": "pages instead of SCEP",
    "jinja2": "the report page",
    "locale": "argparse's translations",
    "lz4": "compressed captures",
    "lzma": "compressed captures",
    "multiprocessing": "large captures",
    "pyshark": "display filters",
    "rich": "progress on a terminal",
    "scapy": "live, and the Python door",
    "shutil": "tshark, and argparse's width",
    "sqlite3": "nothing",
    "subprocess": "tshark",
    "tempfile": "show and extract",
    "zstandard": "compressed captures",
}


def _imported(*arguments: str) -> set[str]:
    """The top-level modules that a process of its own has imported at its end."""
    program = (
        "import sys; before = set(sys.modules); from scep_analyzer.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print(' '.join(set(sys.modules) - before), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("arguments", [(), ("timeline",), ("timeline", "-f", "jsonl")], ids=" ".join)
def test_a_short_run_imports_what_it_uses(arguments: tuple[str, ...]) -> None:
    modules = _imported(*arguments, str(CAPTURE))
    assert "scep_analyzer.analysis" in modules
    assert sorted(_UNUSED.keys() & modules) == []


def test_a_large_capture_is_being_read_before_what_judges_it_is_imported(tmp_path: Path) -> None:
    program = (
        "import sys; from scep_analyzer.engines import apart; from scep_analyzer.cli import main\n"
        "class Started(Exception): pass\n"
        "def start(*_, **__): raise Started(' '.join(sys.modules))\n"
        "apart.ApartEngine = start\n"
        "import multiprocessing; multiprocessing.cpu_count = lambda: 2\n"
        "try: main(sys.argv[1:])\n"
        "except Started as told: print(told)"
    )
    path = tmp_path / "large.pcap"
    path.write_bytes(CAPTURE.read_bytes() + bytes(12_000_000))
    for command in (["timeline"], ["timeline", "-f", "jsonl"], ["diagnose"], ["report", "-o", str(tmp_path / "page")]):
        done = subprocess.run(
            [sys.executable, "-c", program, *command, str(path)], capture_output=True, text=True, cwd=ROOT, check=True
        )
        begun = set(done.stdout.split())
        assert "scep_analyzer.engines.builtin" in begun
        later = {
            "scep_analyzer.rules",
            "scep_analyzer.story",
            "scep_analyzer.cms",
            "scep_analyzer.report",
            "asn1crypto",
        }
        assert later & begun == set(), command


def test_help_imports_no_analysis() -> None:
    modules = _imported("--help")
    assert "scep_analyzer.cli" in modules
    assert {each for each in modules if each.startswith("scep_analyzer.")} <= {
        "scep_analyzer.cli",
        "scep_analyzer.cli.environment",
        "scep_analyzer.cli.parser",
        "scep_analyzer.version",
    }


def test_the_process_ends_with_its_code_and_all_of_its_output(tmp_path: Path) -> None:
    """The console script leaves by a short cut; what Python does at its end must have happened."""
    script = [sys.executable, "-m", "scep_analyzer"]
    whole = subprocess.run(
        [*script, "timeline", "-f", "json", str(CAPTURE)], capture_output=True, check=False, cwd=ROOT
    )
    assert (whole.returncode, whole.stdout[-2:]) == (0, b"}\n")
    none = subprocess.run([*script, str(tmp_path / "none.pcap")], capture_output=True, check=False, cwd=ROOT)
    assert none.returncode == 3
    assert none.stderr.count(b"\n") == 1
