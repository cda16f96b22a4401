"""Captures built after what people reported, against the reading that a person gave each of them."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from scep_analyzer.model.findings import Finding, Severity, Strength
from scep_analyzer.report import Report
from tests.conftest import ROOT
from tests.reports import report_of

FIELD = ROOT / "captures" / "field"
SIDECARS = sorted(FIELD.glob("*.toml"))
Case = tuple[Report, dict[str, Any]]


@pytest.fixture(params=SIDECARS, ids=lambda path: path.stem)
def case(request: pytest.FixtureRequest) -> Case:
    sidecar: Path = request.param
    facts = tomllib.loads(sidecar.read_text(encoding="utf-8"))
    return report_of(sidecar.with_suffix(".pcap"), tuple(FIELD / each for each in facts["keys"])), facts["right"]


def _roots(report: Report) -> dict[int, Finding]:
    """The root cause of each transaction; 0 stands for the capture as a whole."""
    return {each.transaction or 0: each for each in report.findings if each.root_cause}


def test_every_capture_has_its_reading() -> None:
    assert {each.stem for each in SIDECARS} == {each.stem for each in FIELD.glob("*.pcap")}
    assert len(SIDECARS) >= 25


def test_the_root_causes_are_those_of_the_right_reading(case: Case) -> None:
    report, right = case
    roots = _roots(report)
    assert {number: each.rule for number, each in roots.items()} == {
        int(number): rule for number, rule in right["root_causes"].items()
    }
    if roots:
        assert report.findings[0].root_cause
        assert all(each.severity is Severity.ERROR for each in roots.values())
    if right.get("not_proved"):
        assert all(each.strength is not Strength.PROVED for each in roots.values())


def test_nothing_is_an_error_where_nothing_is_wrong(case: Case) -> None:
    report, right = case
    if right.get("errors") is False:
        assert [each.rule for each in report.findings if each.severity is Severity.ERROR] == []


def test_what_follows_from_the_cause_points_at_it(case: Case) -> None:
    report, right = case
    numbers = {each.number for each in _roots(report).values()}
    for rule in right.get("consequences", ()):
        found = [each for each in report.findings if each.rule == rule and each.severity is Severity.ERROR]
        found = found or [each for each in report.findings if each.rule == rule]
        assert found
        assert all(each.because_of in numbers for each in found), rule
    for each in report.findings:
        if each.rule in right.get("no_causes", ()):
            assert not each.root_cause
            assert each.severity is not Severity.ERROR


def test_the_servers_words_are_quoted_and_the_advice_fits(case: Case) -> None:
    report, right = case
    roots = _roots(report).values()
    for words in right.get("quotes", ()):
        assert all(words in each.summary for each in roots)
    for words in right.get("advice", ()):
        assert all(any(words in action for action in each.actions) for each in roots)
    for words in right.get("never", ()):
        for each in roots:
            assert not any(words in text for text in (*each.actions, *each.causes, each.title)), each.rule


def test_what_must_be_found_is_and_what_must_not_is_not(case: Case) -> None:
    report, right = case
    rules = {each.rule for each in report.findings}
    assert set(right.get("found", ())) <= rules
    assert not set(right.get("not_found", ())) & rules


def test_streams_are_tsharks(case: Case) -> None:
    report, right = case
    if "streams" in right:
        assert [each.http.connection for each in report.exchanges] == right["streams"]


def test_the_server_is_recognised(case: Case, request: pytest.FixtureRequest) -> None:
    _, right = case
    sidecar: Path = request.node.callspec.params["case"]
    report = report_of(sidecar.with_suffix(".pcap"))
    servers = {each.server.key for each in report.products if each.server is not None}
    if "server" in right:
        assert right["server"] in servers
