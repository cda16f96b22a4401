"""A message as a tree on paper: names, values, what they are for, and bytes in hex."""

from collections.abc import Iterable

from scep_analyzer.render.paper import Paper
from scep_analyzer.story.detail import Line, hex_lines
from scep_analyzer.story.model import Span, Tone, cut, say

_LONGEST = 2_000
_MOST_HEX = 65_536


def draw(lines: Iterable[Line], paper: Paper) -> None:
    """Draw the lines; a value that does not fit is continued under itself, notes are dimmed behind it."""
    for line in lines:
        text = (
            Span(line.name, Tone.STRONG),
            *(say(": {}", cut(line.value, _LONGEST)) if line.value else ()),
            *(say(f"  — {line.note}", tone=Tone.QUIET) if line.note else ()),
        )
        paper.line(text, 2 * line.depth, 4)


def draw_bytes(name: str, encoded: bytes, tree: Iterable[Line], paper: Paper, *, withheld: bool) -> None:
    """Draw a message's ASN.1 tree with offsets, and its bytes in hex; ``withheld``: they hold a secret."""
    paper.blank()
    draw([Line(0, f"Bytes of the {name}", f"{len(encoded):,}")], paper)
    draw(tree, paper)
    if withheld:
        paper.line("The hex is withheld: it holds a challenge password. --show-secrets shows it.")
        return
    for row in hex_lines(encoded[:_MOST_HEX]):
        paper.as_is(row)
    if len(encoded) > _MOST_HEX:
        paper.line(f"... {len(encoded) - _MOST_HEX:,} bytes more")
