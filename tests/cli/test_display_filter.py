"""What --display-filter is given goes to tshark as one argument, and what tshark says of it comes back as one line."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from scep_analyzer import analyze
from scep_analyzer.model.anomalies import AnalyzerError
from tests.conftest import ROOT, Result

Program = Callable[..., Result]
CAPTURE = ROOT / "captures" / "scenarios" / "ndes-get-enrollment.pcap"
pytestmark = pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")


@pytest.mark.parametrize(
    "evil",
    [
        "'",
        '"',
        "$(touch pwned)",
        "; touch pwned",
        "-wpwned",
        "--export-objects=http,pwned",
        "tcp\nfoo",
        "\x1b]0;pwn\x07",
        'frame.time == "\x1b[2J\u202e"',
        "%s%n",
        "${macro}",
        "(" * 10_000 + "tcp" + ")" * 10_000,
        "tcp." + "a" * 29_000,
    ],
)
def test_a_hostile_filter_is_one_short_line(
    evil: str, scep_analyzer: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    result = scep_analyzer("timeline", CAPTURE, f"--display-filter={evil}")
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert "the display filter" in result.err
    assert result.err.rstrip("\n").isprintable()
    assert len(result.err) < 800
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("evil", ["tcp\0", "tcp." + "a" * 200_000, "\ud800"])
def test_python_is_told_in_the_same_way(evil: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AnalyzerError, match="the display filter"):
        analyze(CAPTURE, display_filter=evil)
    assert capfd.readouterr().err == ""
