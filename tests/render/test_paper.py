"""Paper wraps as rich does, whose wrapping is the independent measure; nothing steers a terminal."""

import io
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich._wrap import divide_line
from rich.cells import cell_len
from rich.text import Text

from scep_analyzer.render import Look
from scep_analyzer.render.paper import Paper, cells, shortened
from scep_analyzer.story.model import Kind, Span, Tone, cite, plain, say

TEXTS = st.text(st.sampled_from("ab, →…“”é漢字́🙂-"), max_size=120) | st.lists(
    st.text(st.sampled_from("abcdefg.:/é漢"), min_size=1, max_size=50), max_size=20
).map(" ".join)


def _lines(text: str, width: int, indent: int = 0, hang: int = 0) -> list[str]:
    out = io.StringIO()
    Paper(out, width).line(text, indent, hang)
    return out.getvalue().splitlines()


def _as_rich(text: str, width: int, indent: int, hang: int) -> list[str]:
    """The first line may be wider than those that hang: what is left behind it is wrapped for itself."""
    room = max(width - indent, 20)
    first = divide_line(text, room)
    rows = [text]
    if first:
        behind = text[first[0] :]
        breaks = [0, *divide_line(behind, min(max(room - hang, 20), room)), len(behind)]
        rows = [text[: first[0]], *(behind[start:end] for start, end in pairwise(breaks))]
    rows = [row.rstrip() for row in rows]
    return [(" " * (indent + (hang if at else 0)) + row) if row else "" for at, row in enumerate(rows)]


@given(TEXTS, st.integers(20, 60), st.integers(0, 9), st.sampled_from([0, 2, 5]))
def test_it_wraps_as_rich_does(text: str, width: int, indent: int, hang: int) -> None:
    assert _lines(text, width, indent, hang) == _as_rich(text, width, indent, hang)


@given(TEXTS)
def test_columns_are_counted_as_rich_counts_them(text: str) -> None:
    assert cells(text) == cell_len(text)


def test_continuation_lines_hang() -> None:
    assert _lines("one two three four five six", 24, 2, 3) == ["  one two three four", "     five six"]


@pytest.mark.parametrize("evil", ["\x1b[2J", "\x07", "\u202e", "\x9b31m", "a\nb", "\r"])
def test_nothing_from_the_wire_steers_the_terminal(evil: str) -> None:
    out = io.StringIO()
    Paper(out, 80, color=True).line(say("it says {}", evil), tone=Tone.BAD)
    text = re.sub(r"\x1b\[(31)?0?m", "", out.getvalue())
    assert evil not in text
    assert text.count("\n") == 1
    assert text.endswith("\n")


def test_colors_stay_with_their_words_across_lines() -> None:
    out = io.StringIO()
    Paper(out, 20, color=True).line((Span("plain words and "), Span("bad ones that go on", Tone.BAD)))
    assert out.getvalue() == "plain words and \x1b[31mbad\x1b[0m\n\x1b[31mones that go on\x1b[0m\n"


def test_a_sentence_is_shortened_across_its_pieces() -> None:
    assert plain(shortened(say("one {} three", "two"), 6)) == "one t…"
    assert plain(shortened(say("one {} three", "two"), 13)) == "one two three"


RFC = "https://www.rfc-editor.org/rfc/rfc8894#section-3.2.1.4"


def _written(*spans: Span, width: int = 80, links: bool = True) -> str:
    out = io.StringIO()
    Paper.of(Look(width=width, color=True, links=links), out).line(spans)
    return out.getvalue()


def test_citations_are_links_also_where_they_are_broken() -> None:
    """As rich parses them, which knows links (OSC 8)."""
    text = Text.from_ansi(_written(Span("See the standard: "), cite("RFC 8894, Section 3.2.1.4"), width=30))
    assert text.plain.rstrip() == "See the standard: RFC 8894,\nSection 3.2.1.4"
    linked = {"".join(text.plain[each.start : each.end]): each.style.link for each in text.spans}  # type: ignore[union-attr]
    assert {key: value for key, value in linked.items() if value} == {"RFC 8894,": RFC, "Section 3.2.1.4": RFC}
    ids = re.findall(r"\x1b\]8;(id=[0-9a-f]+);https", _written(cite("RFC 8894, Section 3.2.1.4"), width=20))
    assert len(ids) == 2
    assert ids[0] == ids[1]


def test_sections_of_rfcs_in_our_own_words_are_links_and_none_in_the_wires() -> None:
    own, foreign = say("what the URL asks for (RFC 8894, 4.1)"), say("{}", "the server says RFC 8894, 4.1")
    assert _written(*own).count("\x1b]8;id=") == 1
    assert "https://www.rfc-editor.org/rfc/rfc8894#section-4.1\x1b" in _written(*own)
    assert "\x1b]" not in _written(*foreign)


def test_where_there_are_no_links_the_text_is_all() -> None:
    assert "\x1b]" not in _written(cite("RFC 8894, Section 3.2.1.4"), links=False)
    assert "\x1b]" not in _written(cite("winerror.h"))
    assert "\x1b]" not in _written(Span("RFC 8894", kind=Kind.WIRE))


@pytest.mark.parametrize(
    "evil", ["https://a.example/\x1b\\\x1b[2J", "javascript:alert(1)", "https://a.example/\x07x", "http://é"]
)
def test_an_address_cannot_end_its_escape_sequence(evil: str) -> None:
    assert "\x1b]" not in _written(Span("here", kind=Kind.CITATION, target=evil))
