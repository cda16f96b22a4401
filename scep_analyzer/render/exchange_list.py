"""The list of exchanges, one line each, as wide as the paper."""

from collections.abc import Sequence

from scep_analyzer.render import Look
from scep_analyzer.render.paper import Paper, cells, shortened
from scep_analyzer.render.safe import safe
from scep_analyzer.story.exchange_list import Row
from scep_analyzer.story.model import Kind, Sentence, Span, Tone, plain
from scep_analyzer.story.times import clock

_LONGEST_CLIENT = 39
"""Columns of an IPv6 address."""
_LEAST = 8
"""Columns that what was asked and what was answered get, however narrow the paper is."""
_HEADS = ("#", "TIME", "CLIENT", "ASKED", "ANSWERED", "FRAMES")
_DIGITS = 3


def draw(rows: Sequence[Row], paper: Paper, look: Look) -> None:
    """Draw the list; what is too long for its column ends with an ellipsis."""
    table = [
        (
            (Span(str(each.number), Tone.STRONG),),
            (Span(clock(each.time_ns, look.zone, _DIGITS), kind=Kind.TIME),),
            (Span(each.client, kind=Kind.ADDRESS),),
            each.asked,
            tuple(span._replace(tone=each.tone) for span in each.answered),
            (Span(each.frames, kind=Kind.FRAME),),
        )
        for each in rows
    ]
    widths = [max(map(_cells, column)) for column in zip(*table, _head(), strict=True)]
    widths[2] = min(widths[2], _LONGEST_CLIENT)
    free = look.width - sum(widths[:3]) - 2 * (len(widths) - 1)
    frames = min(widths[5], max(free // 4, _LEAST))
    asked = min(widths[3], max((free - frames) // 2, free - frames - widths[4], _LEAST))
    widths[3:] = asked, max(min(widths[4], free - frames - asked), _LEAST), frames
    for at, row in enumerate((_head(), *table)):
        fitted = [
            _fitted(cell, width, right=column == 0)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        spans = [span for cell in fitted for span in (*cell, Span("  "))]
        paper.row(tuple(spans), Tone.QUIET if at == 0 else Tone.PLAIN)


def _head() -> tuple[Sentence, ...]:
    return tuple((Span(each, Tone.QUIET),) for each in _HEADS)


def _cells(sentence: Sentence) -> int:
    return cells(safe(plain(sentence)))


def _fitted(sentence: Sentence, width: int, *, right: bool) -> Sentence:
    """Exactly as wide as its column."""
    clean = tuple(span._replace(text=safe(span.text)) for span in sentence)
    limit = width
    while _cells(clean) > width:  # wide characters: fewer of them
        clean, limit = shortened(clean, limit), limit - 1
    blanks = Span(" " * (width - _cells(clean)))
    return (blanks, *clean) if right else (*clean, blanks)
