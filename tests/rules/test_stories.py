"""The diagnosis of stories that are not in the corpus."""

from pathlib import Path

import pytest

from scep_analyzer.analysis import Analysis
from scep_analyzer.cms.keys import read_private_key
from scep_analyzer.model.findings import Severity
from scep_analyzer.report import Report
from tests.conftest import ROOT
from tests.rules.stories import HEALTHY, START, STORIES, Story, Told

NORMAL = {"ndes-admin-cleartext"}
"""Warnings that are true of a healthy enrollment."""


def judged(tell: Told, folder: Path, *, keys: bool) -> Report:
    from wires import Wire

    wire = Wire(round(START.timestamp() * 1e9))
    tell(Story(wire))
    path = folder / "story.pcap"
    wire.write(path)
    names = ("ra-encryption", "client") if keys else ()
    given = [read_private_key((ROOT / "captures" / "keys" / f"{each}.pem").read_bytes(), each, None) for each in names]
    return Analysis([str(path)], keys=given).report()


@pytest.mark.parametrize("name", STORIES)
def test_the_cause_comes_first(name: str, tmp_path: Path) -> None:
    tell, found, root, keys = STORIES[name]
    report = judged(tell, tmp_path, keys=keys)
    assert found in {each.rule for each in report.findings}
    if root is not None:
        assert root in {each.rule for each in report.root_causes.values()}
        assert report.findings[0].root_cause


@pytest.mark.parametrize("keys", [False, True], ids=["without keys", "with keys"])
@pytest.mark.parametrize("name", HEALTHY)
def test_nothing_is_wrong_with_a_healthy_enrollment(name: str, keys: bool, tmp_path: Path) -> None:
    report = judged(HEALTHY[name], tmp_path, keys=keys)
    told = {each.rule for each in report.findings if each.severity is not Severity.INFO}
    assert told <= NORMAL
    assert report.root_causes == {}
