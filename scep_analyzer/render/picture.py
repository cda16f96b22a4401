"""A ladder as geometry: where its lines and labels are, for the SVG of the page.

Along the width everything is in percent, so that the picture follows the window and its text keeps its size; heights are pixels.
"""

from datetime import timezone
from typing import NamedTuple

from scep_analyzer.model.places import called
from scep_analyzer.story.model import Arrow, Ladder, Lane, StepKind, Tone, cut, plain
from scep_analyzer.story.times import clock

_TOP, _ROW = 52, 46
_MARGIN = 7.0
"""Percent to the left of the first lane, and to the right of the last."""
_MOST_LABEL, _MOST_NAME = 46, 40
_MOST_BETWEEN = 30
"""Characters that fit between two lanes where there are more than two."""
_MARKS = {Tone.BAD: " ✗", Tone.GOOD: " ✓", Tone.WAITING: " …"}
_CLASSES = {Tone.BAD: " bad", Tone.GOOD: " good", Tone.WAITING: " wait"}
_MOST_ARROWS = 60
_DIGITS = 3


class Rail(NamedTuple):
    """A lane: where it is, how its text is aligned there, and its two lines of text."""

    x: str
    align: str
    text_x: str
    role: str
    name: str


class Row(NamedTuple):
    """An arrow. ``start`` and ``end`` are percent; ``lost``: it arrived nowhere; ``says`` is all of it as a sentence."""

    y: int
    start: str
    end: str
    middle: str
    low: str
    wide: str
    lost: bool
    label: str
    below: str
    says: str
    target: str | None
    tone: str
    """A class of ours, behind a space."""


class Picture(NamedTuple):
    """The whole picture; ``hidden`` arrows are left out at its end. ``linked``: its arrows can be followed to their steps.

    ``says`` is its name; where no arrow is a link, all arrows are in it, as nothing inside of an image has a name of its own.
    """

    height: int
    linked: bool
    rails: tuple[Rail, ...]
    rows: tuple[Row, ...]
    hidden: int
    says: str


def anchor(kind: StepKind, number: int | None, frame: int | None) -> str:
    """The id of a step on a page."""
    if kind is StepKind.ATTEMPT or number is None:
        return f"f{int(frame or 0)}"
    return f"e{number}-{'request' if kind in (StepKind.REQUEST, StepKind.ABSENT_REQUEST) else 'response'}"


def picture_of(ladder: Ladder, steps: set[str], zone: timezone | None) -> Picture:
    """Lay a ladder out. ``steps`` are the ids that an arrow can link to."""
    lanes = len(ladder.lanes)
    step = (100 - 2 * _MARGIN) / max(lanes - 1, 1)
    places = [round(_MARGIN + at * step, 2) for at in range(lanes)]
    rails = tuple(
        _rail(lane, at, lanes, place) for at, (lane, place) in enumerate(zip(ladder.lanes, places, strict=True))
    )
    shown = ladder.arrows[:_MOST_ARROWS]
    rows = tuple(_row(arrow, at, places, ladder.lanes, steps, zone) for at, arrow in enumerate(shown))
    linked = any(each.target for each in rows)
    name = f"Sequence diagram: {', '.join(each.title for each in ladder.lanes)}"
    return Picture(
        height=_TOP + _ROW * len(rows) + 14,
        linked=linked,
        rails=rails,
        rows=rows,
        hidden=len(ladder.arrows) - len(shown),
        says=name if linked else "; ".join([name, *(each.says for each in rows)]),
    )


def _rail(lane: Lane, at: int, lanes: int, x: float) -> Rail:
    serves = lane.role in ("server", "RA", "CA")
    known = f" ({lane.role})" if lane.role in ("RA", "CA") else ""
    role = f"{lane.product or 'SCEP server'}{known}" if serves else lane.role
    name = lane.title.removeprefix(f"{lane.product or ('server' if serves else lane.role)} ")
    align, text_x = ("start", 0.0) if at == 0 else ("end", 100.0) if at == lanes - 1 else ("middle", x)
    return Rail(
        x=_percent(x), align=align, text_x=_percent(text_x), role=cut(role, _MOST_NAME), name=cut(name, _MOST_NAME)
    )


def _percent(share: float) -> str:
    return f"{share:.2f}".rstrip("0").rstrip(".")


def _short(lane: Lane) -> str:
    return lane.product or lane.role


def _row(
    arrow: Arrow, at: int, places: list[float], lanes: tuple[Lane, ...], steps: set[str], zone: timezone | None
) -> Row:
    start, end = places[arrow.source], places[arrow.target]
    label = plain(arrow.label)
    times = f" ×{arrow.times}" if arrow.times > 1 else ""
    when = clock(arrow.time_ns, zone, _DIGITS) if arrow.time_ns is not None else ""
    where = called(arrow.frame) if arrow.frame is not None else ""
    key = anchor(arrow.kind, arrow.number, arrow.frame)
    most = _MOST_LABEL if len(lanes) < 3 else min(_MOST_LABEL, _MOST_BETWEEN * max(abs(arrow.source - arrow.target), 1))
    tone = Tone.BAD if arrow.broken else arrow.tone
    shown = cut(label, most) + times + _MARKS.get(tone, "")
    below = ", ".join(each for each in (where, when) if each)
    # The name of a link begins with the text that is seen of it (WCAG 2.5.3).
    seen = f"{shown}{f' {below}' if below else ''}"
    rest = cut(label, 2 * _MOST_LABEL) if len(label) > most else ""
    says = f"{seen}: {_short(lanes[arrow.source])} to {_short(lanes[arrow.target])}"
    return Row(
        y=_TOP + _ROW * at + 24,
        start=_percent(start),
        end=_percent(end),
        middle=_percent((start + end) / 2),
        low=_percent(min(start, end)),
        wide=_percent(abs(end - start)),
        lost=arrow.kind in (StepKind.ATTEMPT, StepKind.ABSENT_RESPONSE),
        label=shown,
        below=below,
        says=f"{says}, {rest}" if rest else says,
        target=key if key in steps else None,
        tone=_CLASSES.get(tone, ""),
    )
