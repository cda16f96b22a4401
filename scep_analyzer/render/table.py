"""The findings as CSV, one a row."""

import csv
from collections.abc import Callable
from typing import TextIO

from scep_analyzer.model.places import short
from scep_analyzer.render import Look
from scep_analyzer.render.safe import csv_cell
from scep_analyzer.story.diagnosis import wanted
from scep_analyzer.story.model import Remark, Story, plain

_COLUMNS: dict[str, Callable[[Remark], object]] = {
    "id": lambda each: each.number,
    "severity": lambda each: each.severity.value,
    "strength": lambda each: each.strength.value,
    "rule": lambda each: each.rule,
    "root_cause": lambda each: "yes" if each.root else "",
    "because_of": lambda each: each.cause or "",
    "transaction": lambda each: each.transaction or "",
    "exchange": lambda each: each.exchange or "",
    "frames": lambda each: " ".join(map(short, each.frames)),
    "summary": lambda each: csv_cell(plain(each.says)),
}


class Findings:
    """The CSV of ``diagnose``."""

    name = "csv"
    media_type = "text/csv"

    def whole(self, story: Story, out: TextIO, look: Look) -> None:
        """Write it."""
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(_COLUMNS)
        writer.writerows(_row(each) for each in wanted(story, look.least))


def _row(remark: Remark) -> list[object]:
    return [column(remark) for column in _COLUMNS.values()]


RENDERER = Findings()
