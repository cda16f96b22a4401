"""Options and positional arguments come in any order, as users of other programs expect."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, Result

Program = Callable[..., Result]
FOLDER = ROOT / "captures" / "scenarios"
ONE, OTHER = FOLDER / "ndes-get-enrollment.pcap", FOLDER / "ndes-refused-template.pcap"


@pytest.mark.parametrize(
    ("mixed", "sorted_"),
    [
        (["show", ONE, "--bytes", "1"], ["show", "--bytes", ONE, "1"]),
        (["show", ONE, "-f", "json", "1"], ["show", "-f", "json", ONE, "1"]),
        (["show", ONE, "--bytes", "#1", "--utc"], ["show", "--bytes", "--utc", ONE, "#1"]),
        (["timeline", ONE, "--utc", OTHER], ["timeline", "--utc", ONE, OTHER]),
        ([ONE, "-f", "json", OTHER, "--all"], ["-f", "json", "--all", ONE, OTHER]),
        (["diagnose", ONE, "--color", "never", "--", OTHER], ["diagnose", "--color", "never", ONE, OTHER]),
        (["explain", "RA", "--width", "60", "certificate"], ["explain", "--width", "60", "RA", "certificate"]),
    ],
)
def test_the_order_does_not_matter(mixed: list[object], sorted_: list[object], scep_analyzer: Program) -> None:
    one, other = scep_analyzer(*mixed), scep_analyzer(*sorted_)
    assert (one.code, one.out, one.err) == (other.code, other.out, other.err)
    assert one.code in (0, 1)
    assert one.out


def test_fleet_takes_sources_on_both_sides_of_an_option(scep_analyzer: Program, tmp_path: Path) -> None:
    result = scep_analyzer("fleet", ONE, "-o", tmp_path / "tables", OTHER, "--scheduler", "threads")
    assert result.code == 0
    assert "2 captures" in result.out + result.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["show", ONE, "--bytes", "1", "2"], "unexpected argument: 2"),
        (["show", ONE, "--bytes", "1", "--byte5"], "did you mean --bytes?"),
        (["show", ONE, "--bytes", "x"], "'x' is not an exchange"),
        (["show", ONE, "--frame", "4", "1"], "not allowed with an exchange"),
        (["annotate", ONE, "-o", "x.pcapng", OTHER], "unexpected argument"),
        (["show", "--bytes"], "required: CAPTURE"),
        (["--utc", "timeline", ONE], "the command comes first: `scep-analyzer timeline"),
    ],
)
def test_what_is_too_much_is_still_refused(words: list[object], said: str, scep_analyzer: Program) -> None:
    result = scep_analyzer(*words)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert said in result.err
