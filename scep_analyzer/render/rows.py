"""One row per enrollment: as text, CSV, JSON, JSON Lines and Markdown."""

import csv
from collections.abc import Iterable
from typing import TextIO

from scep_analyzer.model.places import short
from scep_analyzer.render import Look
from scep_analyzer.render.answer import begin, causes, table
from scep_analyzer.render.paper import Paper
from scep_analyzer.render.safe import csv_cell, json_text, markdown
from scep_analyzer.story.model import Chapter, Story, plain
from scep_analyzer.story.times import day_and_clock, iso

COLUMNS = (
    "id", "time", "client", "server", "product", "subject", "kind", "outcome", "result", "rule", "cause", "fix", "first_frame",
)  # fmt: skip
"""The columns of the table, in order; ``outcome`` is the verdict's word."""


def row_of(chapter: Chapter) -> dict[str, str | int | None]:
    """The row of one enrollment; unknown is None."""
    verdict = chapter.verdict
    return {
        "id": chapter.number,
        "time": iso(chapter.started_ns, 6),
        "client": chapter.client,
        "server": chapter.server,
        "product": chapter.server_words or None,
        "subject": chapter.subject,
        "kind": chapter.kind,
        "outcome": chapter.result,
        "result": plain(verdict.says),
        "rule": verdict.rule,
        "cause": plain(verdict.cause) or None,
        "fix": plain(verdict.fix[0]) if verdict.fix else None,
        "first_frame": chapter.frame or None,
    }


class _Rows:
    media_type = "text/plain"

    def _chapters(self, story: Story) -> Iterable[Chapter]:
        return (each for each in story.chapters if each.enrollment)


class Text(_Rows):
    """The list on paper: every row."""

    name = "text"

    def whole(self, story: Story, out: TextIO, look: Look) -> None:
        """Draw it."""
        paper = Paper.of(look, out)
        chapters = list(self._chapters(story))
        begin(story, [each for each in chapters if not each.history], paper, look)
        letters, _ = causes(story, paper, look, None)
        if chapters:
            paper.blank()
            table(chapters, letters, paper, look)


class Csv(_Rows):
    """The list as CSV; no cell is a formula."""

    name = "csv"
    media_type = "text/csv"

    def whole(self, story: Story, out: TextIO, look: Look) -> None:  # noqa: ARG002  # rows have no look
        """Write it."""
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS)
        for each in self._chapters(story):
            row = row_of(each)
            writer.writerow([csv_cell(value) if isinstance(value, str) else value for value in map(row.get, COLUMNS)])


class Json(_Rows):
    """The list as a JSON array of objects."""

    name = "json"
    media_type = "application/json"

    def whole(self, story: Story, out: TextIO, look: Look) -> None:  # noqa: ARG002
        """Write it."""
        out.write(json_text([row_of(each) for each in self._chapters(story)], indent=2) + "\n")


class JsonLines(_Rows):
    """The list as JSON Lines."""

    name = "jsonl"
    media_type = "application/x-ndjson"

    def whole(self, story: Story, out: TextIO, look: Look) -> None:  # noqa: ARG002
        """Write it."""
        for each in self._chapters(story):
            out.write(json_text(row_of(each)) + "\n")


class Markdown(_Rows):
    """The list as a Markdown table."""

    name = "markdown"
    media_type = "text/markdown"

    def whole(self, story: Story, out: TextIO, look: Look) -> None:
        """Write it."""
        counted = story.unit
        out.write(f"| # | time | client | subject | result | cause | {counted} |\n|---|---|---|---|---|---|---|\n")
        for each in self._chapters(story):
            cells = (
                str(each.number),
                day_and_clock(each.started_ns, look.zone),
                each.client,
                each.subject or "",
                plain(each.verdict.says),
                plain(each.verdict.cause),
                short(each.frame),
            )
            out.write("| " + " | ".join(map(markdown, cells)) + " |\n")


RENDERERS = {each.name: each for each in (Text(), Csv(), Json(), JsonLines(), Markdown())}
