"""Progress: only on a terminal, with percentage where the size is known, gone at the end."""

import gzip
import io
from pathlib import Path

import pytest

from scep_analyzer.cli import progress as module
from scep_analyzer.cli.progress import progress, size_of
from tests.conftest import ROOT

CAPTURE = ROOT / "captures" / "scenarios" / "ndes-get-enrollment.pcap"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_size_is_that_of_all_files_where_reading_counts_their_bytes(tmp_path: Path) -> None:
    size = CAPTURE.stat().st_size
    assert size_of([str(CAPTURE), str(CAPTURE)]) == 2 * size
    (tmp_path / "a.pcap").write_bytes(CAPTURE.read_bytes())
    assert size_of([str(tmp_path)]) == size
    (tmp_path / "b.pcap.gz").write_bytes(gzip.compress(CAPTURE.read_bytes()))
    for unknown in ([str(tmp_path)], ["-"], [str(CAPTURE), "-"], [str(tmp_path / "none.pcap")]):
        assert size_of(unknown) is None


def _drawn(monkeypatch: pytest.MonkeyPatch, path: Path, done: list[int]) -> str:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setattr(module, "_PATIENCE", 0.0)
    monkeypatch.setattr(module, "_PACE", 0.0)
    monkeypatch.setenv("TERM", "xterm")
    with progress([str(path)]) as on_bytes:
        assert on_bytes is not None
        for each in done:
            on_bytes(each)
    return terminal.getvalue()


def test_percentage_where_the_size_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    size = CAPTURE.stat().st_size
    drawn = _drawn(monkeypatch, CAPTURE, [size // 4, size // 2, size])
    assert [f"{each}%" in drawn for each in (25, 50, 100)] == [True, True, True]
    assert drawn.endswith("\x1b[2K")  # the line is erased
    assert "\x1b[?25h" in drawn  # and the cursor is back


def test_megabytes_where_it_is_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "a.pcap.gz"
    path.write_bytes(gzip.compress(CAPTURE.read_bytes()))
    drawn = _drawn(monkeypatch, path, [1_000_000, 42_000_000])
    assert "42 MB read" in drawn
    assert "%" not in drawn


def test_nothing_within_the_first_second_and_nothing_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with progress([str(CAPTURE)]) as on_bytes:
        assert on_bytes is not None
        on_bytes(10)
    assert terminal.getvalue() == ""
    monkeypatch.setattr("sys.stderr", io.StringIO())
    with progress([str(CAPTURE)]) as on_bytes:
        assert on_bytes is None
