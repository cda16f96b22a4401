"""Rules that conclude from missing packets are known: neither what a filter left out nor what is still to come makes one find more."""

from collections.abc import Callable
from pathlib import Path

import pytest

from scep_analyzer.analysis import Analysis
from scep_analyzer.capture.files import CaptureFiles
from scep_analyzer.model.limits import LIMITS
from scep_analyzer.model.packets import Packet
from scep_analyzer.report import Report
from tests.conftest import CAPTURES, ROOT
from tests.reports import report_of

FAULTS = sorted((ROOT / "captures" / "faults").rglob("*.pcap*"))[::9]
FILTERS: dict[str, Callable[[int, int], bool]] = {
    "the first half": lambda frame, frames: frame <= frames // 2,
    "the second half": lambda frame, frames: frame > frames // 2,
    "without some": lambda frame, _: frame % 7 != 3,
}
"""Whether a display filter chooses a frame, of so many."""


def _report(path: Path, chosen: Callable[[int, int], bool] | None) -> Report:
    if chosen is None:
        return report_of(path)
    frames = sum(isinstance(each, Packet) for each in CaptureFiles([str(path)]).packets())
    return Analysis(
        [str(path)], frames=frozenset(each for each in range(1, frames + 1) if chosen(each, frames))
    ).report()


@pytest.mark.parametrize("path", FAULTS, ids=lambda path: path.stem)
def test_what_was_left_out_is_not_missing(path: Path) -> None:
    whole = {each.rule for each in _report(path, None).findings}
    for name, chosen in FILTERS.items():
        less = {each.rule for each in _report(path, chosen).findings}
        assert less <= whole, name


def test_what_is_still_to_come_is_not_missing() -> None:
    """A transaction that is reported before its time, because too many are open, says nothing of what the client did not do."""
    cut = 0
    absent = {"txn-stopped-after-cacert", "pending-not-polled"}
    for path in [*CAPTURES, *sorted((ROOT / "captures" / "faults" / "transactions").glob("*pend*.pcap"))]:
        whole = report_of(path)
        early = Analysis([str(path)], limits=LIMITS._replace(open_transactions=0)).report()
        # Those that end with a reply are none too many: at the end there is nothing to report early.
        cut += any(each.code == "limit-transactions" for each in early.anomalies)
        assert {each.rule for each in early.findings} & absent <= {each.rule for each in whole.findings}, path
    assert cut >= 20
