"""Mermaid: one sequence diagram a transaction, for pages that draw such text (GitHub, GitLab, Obsidian, wikis)."""

from collections.abc import Iterator
from typing import TextIO

from scep_analyzer.model.places import called
from scep_analyzer.render import Look
from scep_analyzer.render.safe import mermaid
from scep_analyzer.story.model import Arrow, Chapter, StepKind, Story, cut, plain
from scep_analyzer.story.times import clock

_MOST_ARROWS = 200
"""Arrows of a diagram: Mermaid refuses a text of more than 50,000 characters."""
_MOST_LABEL = 120


class Diagrams:
    """The Mermaid text of ``timeline``: the diagrams, an empty line between them."""

    name = "mermaid"
    media_type = "text/vnd.mermaid"

    def whole(self, story: Story, out: TextIO, look: Look) -> None:
        """Write them."""
        out.write("\n".join("\n".join(diagram(each, look)) + "\n" for each in story.chapters if each.ladder.lanes))


RENDERER = Diagrams()


def diagram(chapter: Chapter, look: Look) -> Iterator[str]:
    """The lines of one diagram. Who takes part has an id of ours; what the wire says is only ever a label."""
    yield "sequenceDiagram"
    yield f"    %% transaction {chapter.number}"
    for at, lane in enumerate(chapter.ladder.lanes, 1):
        yield f"    participant P{at} as {mermaid(cut(lane.title, _MOST_LABEL))}"
    arrows = chapter.ladder.arrows
    for arrow in arrows[:_MOST_ARROWS]:
        yield f"    P{arrow.source + 1}{_shape(arrow)}P{arrow.target + 1}: {_label(arrow, look)}"
    last = len(chapter.ladder.lanes)
    over = "P1" if last == 1 else f"P1,P{last}"
    if len(arrows) > _MOST_ARROWS:
        yield f"    Note over {over}: {len(arrows) - _MOST_ARROWS} more"
    words = plain(chapter.title)
    cause = plain(chapter.verdict.cause)
    yield f"    Note over {over}: {mermaid(cut(f'{words}. {cause}' if cause else words, 2 * _MOST_LABEL))}"


def _shape(arrow: Arrow) -> str:
    """Requests are solid, responses dashed; a cross where nothing came of it."""
    lost = arrow.kind in (StepKind.ATTEMPT, StepKind.ABSENT_RESPONSE)
    answers = arrow.kind in (StepKind.RESPONSE, StepKind.ABSENT_RESPONSE)
    return f"{'--' if answers else '-'}{'x' if lost else '>>'}"


def _label(arrow: Arrow, look: Look) -> str:
    times = f" ×{arrow.times}" if arrow.times > 1 else ""
    wrong = " ✗" if arrow.broken else ""
    when = clock(arrow.time_ns, look.zone, 3) if arrow.time_ns is not None else ""
    where = called(arrow.frame) if arrow.frame is not None else ""
    place = ", ".join(each for each in (where, when) if each)
    return mermaid(f"{cut(plain(arrow.label), _MOST_LABEL)}{times}{wrong}{f' ({place})' if place else ''}")
