"""Each rule against the capture that must trigger it and the near miss that must not; and the captures against their recipes."""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from scep_analyzer.analysis import Analysis
from scep_analyzer.model.findings import Severity
from scep_analyzer.report import Report
from scep_analyzer.rules.catalogue import BY_ID
from tests.conftest import ROOT
from tests.reports import report_of

FAULTS = ROOT / "captures" / "faults"
SIDECARS = sorted(FAULTS.glob("*/*.toml"))


def capture_of(sidecar: Path, *, near: bool) -> Path:
    return next(sidecar.parent.glob(f"{sidecar.stem}{'.near-miss' if near else ''}.pcap*"))


def judged(sidecar: Path, *, near: bool) -> tuple[Report, dict[str, Any]]:
    """The report of a capture, and its sidecar."""
    facts = tomllib.loads(sidecar.read_text(encoding="utf-8"))
    return report_of(capture_of(sidecar, near=near), tuple(ROOT / each for each in facts["keys"])), facts


def _errors(report: Report) -> set[str]:
    return {each.rule for each in report.findings if each.severity is Severity.ERROR}


def said(report: Report, rule: str) -> list[dict[str, Any]]:
    """What the rule says of a capture, as its sidecar keeps it: the sentence, the frames and the evidence."""
    return [
        {
            "severity": each.severity.value,
            "strength": each.strength.value,
            "summary": each.summary,
            "frames": [*each.frames],
            "evidence": [
                ({} if fact.frame is None else {"frame": fact.frame}) | {"path": fact.path, "value": fact.value}
                for fact in each.facts
            ],
        }
        for each in report.findings
        if each.rule == rule
    ]


def test_every_rule_has_its_pair() -> None:
    assert {each.stem for each in SIDECARS} == set(BY_ID)


@pytest.mark.parametrize("sidecar", SIDECARS, ids=lambda path: path.stem)
def test_the_fault_is_found_its_cause_first_and_nothing_else_is_an_error(sidecar: Path) -> None:
    report, facts = judged(sidecar, near=False)
    assert facts.get("says"), "`make golden` writes what the rule says of the capture into its sidecar: read it there"
    assert said(report, facts["rule"]) == facts["says"], "read the difference, then `make golden` accepts it"
    assert {each.rule for each in report.root_causes.values()} == set(facts["root_causes"])
    assert _errors(report) <= {facts["rule"], *facts["root_causes"], *facts["errors"]}
    if facts["root_causes"]:
        assert report.findings[0].root_cause
    frames = sum(each.packets for each in report.captures)
    for each in report.findings:
        assert all(1 <= frame <= frames for frame in each.frames)
        assert all(fact.frame is None or 1 <= fact.frame <= frames for fact in each.facts)


@pytest.mark.parametrize("sidecar", SIDECARS, ids=lambda path: path.stem)
def test_the_near_miss_is_silent(sidecar: Path) -> None:
    report, facts = judged(sidecar, near=True)
    assert facts["rule"] not in {each.rule for each in report.findings}
    assert _errors(report) <= set(facts["near_errors"])


@pytest.mark.parametrize("sidecar", SIDECARS[::7], ids=lambda path: path.stem)
def test_the_findings_do_not_depend_on_the_sieve(sidecar: Path) -> None:
    for near in (False, True):
        capture = str(capture_of(sidecar, near=near))
        sieved, whole = (Analysis([capture], engine).report() for engine in ("builtin", "unsieved"))
        assert sieved.findings == whole.findings
        assert sieved.not_checked == whole.not_checked


def test_a_rebuilt_corpus_is_the_same_to_the_byte(tmp_path: Path) -> None:
    subprocess.run([sys.executable, FAULTS / "build.py", tmp_path], check=True, cwd=ROOT, capture_output=True)
    built = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*.*")}
    kept = {path.relative_to(FAULTS): path.read_bytes() for path in FAULTS.glob("*/*.*") if path.suffix != ".py"}
    assert set(built) == set(kept)
    assert [path for path in built if built[path] != kept[path]] == []
