"""The ladder on paper: lanes as vertical lines, arrows with what they carry, frames in a fixed column at the right."""

from scep_analyzer.model.places import short, unit_of
from scep_analyzer.render.paper import Paper, cells
from scep_analyzer.render.safe import safe
from scep_analyzer.story.model import Arrow, Kind, Ladder, Sentence, Span, Tone, cut, plain

_FRAME_COLUMN = 9
_INDENT = 3
_NARROWEST_LANE = 14


def draw(ladder: Ladder, paper: Paper, most: int | None = None) -> None:
    """Draw it; at most ``most`` rows: the first arrows and the last ones are kept, the number of the others is told."""
    rails = _rails(len(ladder.lanes), paper.width)
    paper.line(_titles(ladder, rails, paper.width))
    arrows = ladder.arrows
    room = len(arrows) if most is None else max(most - 1, 1)
    if len(arrows) <= room:
        kept, left_out = [*arrows], 0
    else:
        head = max((room - 1) // 3, 0)
        tail = max(room - 1 - head, 1)
        kept, left_out = [*arrows[:head], *arrows[-tail:]], len(arrows) - head - tail
    for at, arrow in enumerate(kept):
        if left_out and at == max((room - 1) // 3, 0):
            paper.line((Span(" " * _INDENT), Span(f"  … {left_out} more: timeline", Tone.QUIET)))
        paper.line(_row(arrow, rails, paper.width))


def _rails(lanes: int, width: int) -> list[int]:
    """The columns of the lanes' lines."""
    if lanes < 2:
        return [_INDENT]
    step = max((width - _INDENT - _FRAME_COLUMN - 1) // (lanes - 1), _NARROWEST_LANE)
    return [_INDENT + at * step for at in range(lanes)]


def _titles(ladder: Ladder, rails: list[int], width: int) -> Sentence:
    """Who the lanes are: the first above its line, the last one ending at its line, the others around theirs; then the frame column."""
    line = ""
    limit = width - _FRAME_COLUMN
    for at, (lane, rail) in enumerate(zip(ladder.lanes, rails, strict=True)):
        title = safe(lane.title)
        if at == 0:
            start = max(rail - 1, 0)
        elif at == len(rails) - 1:
            start = rail + 1 - cells(title)
        else:
            start = rail - cells(title) // 2
        start = max(start, cells(line) + 1 if line else 0)
        line += " " * (start - cells(line)) + cut(title, max(limit - start, 4))
    heading = line.ljust(rails[-1] + 1)
    return (Span(heading), Span(_counted(ladder).rjust(max(width - cells(heading), 6)), Tone.QUIET))


def _row(arrow: Arrow, rails: list[int], width: int) -> Sentence:
    left, right = sorted((arrow.source, arrow.target))
    forwards = arrow.source < arrow.target
    start, end = rails[left], rails[right]
    times = f" (×{arrow.times})" if arrow.times > 1 else ""
    mark = " ✗" if arrow.broken else ""
    room = max(end - start - 1, 4)
    label = f" {cut(safe(plain(arrow.label)), max(room - 9 - cells(times) - cells(mark), 4))}{times}{mark} "
    filler = room - cells(label) - 5
    body = f"────{label}{'─' * filler}▶" if forwards else f"◀───{label}{'─' * filler}─"
    before = "".join("│" if column in rails[:left] else " " for column in range(start))
    behind = "".join("│" if column in rails[right + 1 :] else " " for column in range(end + 1, rails[-1] + 1))
    drawn = f"{before}│{body}│{behind}"
    frame = "" if arrow.frame is None else short(arrow.frame)
    gap = " " * max(width - cells(drawn) - len(frame), 1)
    return (
        Span(before + "│"),
        Span(body, arrow.tone if arrow.broken else Tone.PLAIN),
        Span("│" + behind + gap),
        Span(frame, kind=Kind.FRAME, target=None if arrow.frame is None else str(int(arrow.frame))),
    )


def _counted(ladder: Ladder) -> str:
    """What the numbers at the right edge count."""
    return next((unit_of(each.frame) for each in ladder.arrows if each.frame is not None), "frame")
