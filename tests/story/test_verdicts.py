"""The first screen: cause and fix without scrolling, results that the wire proves, filters and lists."""

import csv
import io
import json
import statistics
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from scep_analyzer.cli import filters
from scep_analyzer.model.findings import Severity
from scep_analyzer.render import Look, renderer
from scep_analyzer.report import Report
from scep_analyzer.story import choice
from scep_analyzer.story.model import Chapter, Ruling, Story, plain
from scep_analyzer.story.narrator import story_of
from scep_analyzer.story.verdicts import grouped
from tests.conftest import CAPTURES, ROOT
from tests.reports import report_of

FAULTS = sorted((ROOT / "captures" / "faults").glob("*/*.pcap*"))
FIELD = sorted((ROOT / "captures" / "field").glob("*.pcap"))
EVERY = [*CAPTURES, *FAULTS, *FIELD]
ROWS = 23
"""Of a terminal of 24 lines, with the prompt in the last one."""
Program = Callable[..., Any]


@cache
def told(path: Path) -> tuple[Report, Story]:
    report = report_of(path)
    return report, story_of(report)


def screen(story: Story, width: int = 80) -> str:
    out = io.StringIO()
    renderer("answer", "text").whole(story, out, Look(width=width, least=Severity.WARNING))
    return out.getvalue()


def _squeezed(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize("path", EVERY, ids=lambda path: path.stem)
def test_the_answer_is_on_one_screen(path: Path) -> None:
    _, story = told(path)
    lines = screen(story).splitlines()
    assert len(lines) <= ROWS
    assert max(map(len, lines)) <= 80
    shown = _squeezed("\n".join(lines))
    tried = [each for each in story.chapters if each.enrollment and not each.history]
    if len(tried) == 1 and tried[0].root is not None:
        verdict = tried[0].verdict
        assert _squeezed(plain(verdict.cause))[:60] in shown
        assert not verdict.fix or _squeezed(plain(verdict.fix[0]))[:60] in shown


def test_a_screen_is_as_short_as_it_can_be() -> None:
    assert statistics.median(len(screen(told(path)[1]).splitlines()) for path in EVERY) <= 24


@pytest.mark.parametrize("path", EVERY, ids=lambda path: path.stem)
def test_no_verdict_contradicts_a_root_cause(path: Path) -> None:
    report, story = told(path)
    for chapter in story.chapters:
        assert not (chapter.verdict.ruling is Ruling.GOOD and chapter.root is not None)
        assert (chapter.result == "issued") == (chapter.verdict.ruling is Ruling.GOOD)
    if any(each.root_cause for each in report.findings):
        headline = screen(story).splitlines()[0].lower()
        assert "no scep found" not in headline and "no scep in" not in headline
    assert not any(each.verdict.ruling is Ruling.BAD and each.history and each.root for each in story.chapters)


RIGHT = {
    "ios-takes-the-first-certificate-of-the-reply": {"unusable"},
    "success-for-another-transaction": {"unusable"},
    "apple-stops-after-cacert": {"failed"},
    "windows-loop-caps-cacert": {"failed"},
    "odd-wrong-challenge-then-a-new-profile-works": {"issued"},
    "odd-clock-of-the-capture-machine-is-wrong": {"issued"},
    "ios-ca-nextca-404": set[str](),
    "stepca-illegal-base64-500": {"failed"},
}
"""What came of the enrollments of captures from the field, as captures/field says; earlier attempts and mere looks left out."""


@pytest.mark.parametrize("stem", RIGHT)
def test_results_are_what_the_wire_proves(stem: str) -> None:
    _, story = told(ROOT / "captures" / "field" / f"{stem}.pcap")
    assert {each.result for each in story.chapters if each.enrollment and not each.history} == RIGHT[stem]


def test_a_success_after_failures_is_told_once() -> None:
    shown = screen(told(ROOT / "captures" / "field" / "odd-wrong-challenge-then-a-new-profile-works.pcap")[1])
    assert "certificate issued on attempt 2" in shown
    assert "CAUSE" not in shown


def test_a_refused_proxy_is_the_headline_and_not_that_there_is_no_scep() -> None:
    shown = screen(told(ROOT / "captures" / "field" / "forward-proxy-refuses-connect.pcap")[1])
    assert shown.startswith("✗ ")
    assert "proxy" in shown.split("CAUSE")[1].splitlines()[0]


@cache
def many() -> Story:
    """Seven devices for each fault of three topics, as if they had been in one capture."""
    stories = [told(each)[1] for each in FAULTS if each.parent.name in ("request", "csr", "http_status")]
    chapters: list[Chapter] = []
    for at in range(7):
        for story in stories:
            for each in story.chapters[-1:]:
                number = len(chapters) + 1
                chapters.append(each._replace(number=number, client=f"10.{at}.{number // 250}.{number % 250}"))
    return stories[0]._replace(chapters=tuple(chapters), groups=grouped(chapters))


def test_many_enrollments_are_one_screen_with_grouped_causes() -> None:
    story = many()
    failed = [each for each in story.chapters if each.verdict.ruling is Ruling.BAD and not each.history]
    assert len(failed) > 400
    shown = screen(story)
    assert len(shown.splitlines()) <= ROWS
    assert sum(len(group.chapters) for group in story.groups) == len(failed)
    assert len({group.letter for group in story.groups}) == len(story.groups)
    counts = [len(group.chapters) for group in story.groups]
    assert counts == sorted(counts, reverse=True)


def test_many_different_captures_are_one_screen(scep_analyzer: Program) -> None:
    lines = scep_analyzer(ROOT / "captures" / "field").out.splitlines()
    assert len(lines) <= ROWS
    assert max(map(len, lines)) <= 80
    assert sum(line.startswith("ALSO ") for line in lines) == 2


def test_a_group_of_causes_says_how_long_it_went_on() -> None:
    story = many()
    group = story.groups[0]
    assert group.first_ns is not None
    later = story.groups[0]._replace(last_ns=group.first_ns + 7_800 * 10**9)
    lines = screen(story._replace(groups=(later, *story.groups[1:]))).splitlines()
    heading = next(line for line in lines if line.startswith("WHY THEY FAILED"))
    row = next(line for line in lines if line.startswith("A ✗ "))
    assert row[heading.index("FOR") :].startswith("2 h 10 min ")


def test_filters_choose() -> None:
    story = many()
    group = story.groups[0]
    assert choice.chosen(story, choice.Choice(why=group.letter)) == set(group.chapters)
    assert choice.chosen(story, choice.Choice(why=group.rule)) >= set(group.chapters)
    first = story.chapters[0]
    assert first.number in choice.chosen(story, choice.Choice(client=first.client))
    assert choice.chosen(story, choice.Choice(transaction=f"#{first.number}")) == {first.number}
    assert choice.chosen(story, choice.Choice(results=choice.FAILED)) == {
        each.number for each in story.chapters if each.result in ("failed", "refused", "unusable")
    }
    assert first.started_ns is not None
    assert first.number not in choice.chosen(story, choice.Choice(until_ns=first.started_ns))
    assert choice.chosen(story, choice.Choice(subject="CN=NOBODY*")) == set()
    narrowed = choice.narrowed(story, frozenset(group.chapters))
    assert [each.letter for each in narrowed.groups] == [group.letter]
    assert len(narrowed.chapters) == len(group.chapters)


def test_the_options_and_the_story_know_the_same_results() -> None:
    assert filters.RESULTS == choice.RESULTS


POOL = ROOT / "captures" / "field" / "load-balancer-before-two-ndes-with-different-ra.pcap"


def test_list_has_a_row_for_each_enrollment(scep_analyzer: Program) -> None:
    rows = list(csv.DictReader(io.StringIO(scep_analyzer("list", "-f", "csv", POOL).out)))
    assert [each["outcome"] for each in rows] == ["failed", "issued", "issued", "failed"]
    assert {each["rule"] for each in rows if each["outcome"] == "failed"} == {"mixed-servers"}
    assert all(each["fix"] for each in rows if each["outcome"] == "failed")
    objects = json.loads(scep_analyzer("list", "-f", "json", POOL).out)
    assert [str(each["id"]) for each in objects] == [each["id"] for each in rows]
    lines = scep_analyzer("list", "-f", "jsonl", POOL, "--failed").out.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [1, 4]
    assert scep_analyzer("list", "-f", "markdown", POOL).out.count("\n") == 6


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        (["--client", "10.20.0.81"], [1]),
        (["--server", "10.20.9.5:80"], [1, 2, 3, 4]),
        (["--subject", "lb2*"], [2]),
        (["--outcome", "issued"], [2, 3]),
        (["--since", "09:00:05"], [3, 4]),
        (["--until", "2026-03-02T09:00:05"], [1, 2]),
        (["--why", "mixed-servers"], [1, 4]),
        (["--transaction", "#3"], [3]),
    ],
)
def test_the_same_filters_on_every_command(arguments: list[str], ids: list[int], scep_analyzer: Program) -> None:
    document = json.loads(scep_analyzer("timeline", "-f", "json", POOL, *arguments).out)
    assert [each["id"] for each in document["transactions"]] == ids
    assert {each["transaction"] for each in document["exchanges"]} == set(ids)
    lines = [json.loads(line) for line in scep_analyzer("timeline", "-f", "jsonl", POOL, *arguments).out.splitlines()]
    assert [line["id"] for line in lines if line["record"] == "transaction"] == ids
    assert len(scep_analyzer("list", "-f", "jsonl", POOL, *arguments).out.splitlines()) == len(ids)
    assert scep_analyzer(POOL, *arguments).code == 0
    assert scep_analyzer("diagnose", POOL, *arguments).code == (1 if {1, 4} & set(ids) else 0)


def test_the_summary_counts_what_the_filters_choose(scep_analyzer: Program) -> None:
    whole = json.loads(scep_analyzer("timeline", "-f", "json", POOL).out)
    some = json.loads(scep_analyzer("timeline", "-f", "json", POOL, "--failed").out)
    for document in (whole, some):
        assert document["summary"]["exchanges"] == len(document["exchanges"])
        assert document["summary"]["transactions"] == len(document["transactions"])
        assert sum(document["summary"]["findings"].values()) == len(document["findings"])
    assert whole["summary"]["verdicts"] == {"failed": 2, "issued": 2}
    assert some["summary"]["verdicts"] == {"failed": 2}
    lines = [json.loads(line) for line in scep_analyzer("timeline", "-f", "jsonl", POOL, "--failed").out.splitlines()]
    assert lines[-1]["verdicts"] == {"failed": 2}


def test_header_and_rows_of_a_list_agree_on_earlier_attempts(scep_analyzer: Program) -> None:
    later = ROOT / "captures" / "field" / "odd-wrong-challenge-then-a-new-profile-works.pcap"
    told = scep_analyzer("list", later).out
    assert "1 enrollment: 1 issued; 1 earlier attempt failed" in told
    assert len(told.splitlines()) == 3 + 1 + 1 + 2  # the name takes two rows
    assert scep_analyzer("list", later, "--failed").code == 2
    assert "0 enrollments; 1 earlier attempt failed" in scep_analyzer("list", later, "--outcome", "refused").out


def test_a_filter_that_chooses_nothing_says_so(scep_analyzer: Program) -> None:
    result = scep_analyzer(POOL, "--client", "192.0.2.1")
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert scep_analyzer(POOL, "--since", "yesterday").code == 2
    mistyped = scep_analyzer(POOL, "--why", "mixed-server")
    assert (mistyped.code, mistyped.err.count("\n")) == (2, 1)
    assert "did you mean mixed-servers?" in mistyped.err
    assert scep_analyzer(POOL, "--why", "Z").code == 2


def test_expect_issued_decides_the_exit_code(scep_analyzer: Program) -> None:
    good = ROOT / "captures" / "scenarios" / "ndes-get-enrollment.pcap"
    assert scep_analyzer(good, "--expect", "issued").code == 0
    assert scep_analyzer("list", POOL, "--expect", "issued").code == 1
    assert scep_analyzer("list", POOL, "--expect", "issued", "--outcome", "issued").code == 0
    nothing = ROOT / "captures" / "field" / "ios-ca-nextca-404.pcap"
    assert scep_analyzer("timeline", nothing, "--expect", "issued").code == 1


@pytest.mark.parametrize(
    "command", [[], ["list"], ["diagnose"], ["timeline"], ["timeline", "-f", "json"], ["timeline", "--jobs", "2"]]
)
def test_what_is_not_as_expected_is_said_once_on_stderr(command: list[str], scep_analyzer: Program) -> None:
    result = scep_analyzer(*command, POOL, "--expect", "issued")
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert "2 of 4 enrollments were not issued (#1, #4)" in result.err
    assert result.out
    nothing = scep_analyzer(*command, POOL, "--expect", "issued", "--client", "192.0.2.1")
    assert (nothing.code, nothing.err.count("\n")) == (1, 1)
    looks = scep_analyzer(*command, ROOT / "captures" / "field" / "ios-ca-nextca-404.pcap", "--expect", "issued")
    assert (looks.code, looks.err.count("\n")) == (1, 1)
    assert "no enrollment" in looks.err
