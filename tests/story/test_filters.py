"""The display filters that screens print. That Wireshark accepts them is tested in tests/wireshark."""

import io
from collections.abc import Callable
from typing import Any

import pytest

from scep_analyzer.analysis import Analysis
from scep_analyzer.model.findings import Severity
from scep_analyzer.render import Look, renderer
from scep_analyzer.story.filters import by_frames, by_transaction_id, filters_of
from scep_analyzer.story.narrator import story_of
from tests.conftest import ROOT

Program = Callable[..., Any]
CAPTURE = ROOT / "captures" / "scenarios" / "ndes-refused-template.pcap"
ID = 'scep.transaction_id == "5C1E83D6A07B4F2990D1E8A6B35C7F42"'
"""The transactionID as captures/scenarios says."""


@pytest.mark.parametrize(
    ("frames", "text"),
    [
        ([19, 17], "frame.number in {17, 19}"),
        ([17, 18], "frame.number in {17, 18}"),
        ([17, 18, 19, 19, 40], "frame.number in {17..19, 40}"),
    ],
)
def test_frames_in_a_row_are_a_range(frames: list[int], text: str) -> None:
    assert by_frames(frames) == text


def test_a_transaction_id_cannot_leave_its_string() -> None:
    assert by_transaction_id('a" || frame') == r'scep.transaction_id == "a\x22 || frame"'
    assert by_transaction_id("\\é") == r'scep.transaction_id == "\x5c\xc3\xa9"'


def test_a_filter_that_is_printed_names_a_dozen_frames_at_most() -> None:
    assert filters_of(range(0, 100, 2)).frames.count(",") == 11
    assert filters_of(()) == ("", "")


@pytest.mark.parametrize(
    "command",
    [
        ["diagnose"],
        ["diagnose", "-f", "markdown"],
        ["diagnose", "--ticket", "-f", "text"],
        ["timeline"],
        ["timeline", "--ladder"],
        ["show", "2"],
    ],
    ids=" ".join,
)
def test_every_screen_has_both_filters(command: list[str], scep_analyzer: Program) -> None:
    name, *options = command
    told = " ".join(scep_analyzer(name, CAPTURE, *options, "--width", "120").out.replace("\\", "").split())
    assert "frame.number in {" in told
    assert ID in told


def test_the_first_screen_has_the_plugins_filter_where_there_is_room() -> None:
    story = story_of(Analysis([str(CAPTURE)]).report())
    for width, plugin in ((60, False), (160, True)):
        out = io.StringIO()
        renderer("answer", "text").whole(story, out, Look(width=width, least=Severity.WARNING))
        assert "frame.number in {15, 19}" in out.getvalue()
        assert (ID in out.getvalue()) is plugin
