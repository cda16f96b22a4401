"""Text on a terminal or in a file: the only place that wraps, indents, colors and falls back to ASCII.

Escape sequences are made once for each look; nothing from the wire can add one, because everything passes through ``safe``.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple, TextIO
from zlib import crc32

from scep_analyzer.model.patterns import lazily
from scep_analyzer.render import Look
from scep_analyzer.render.safe import safe
from scep_analyzer.story.model import Kind, Sentence, Span, Tone

_COLORS = {Tone.GOOD: "32", Tone.WAITING: "33", Tone.BAD: "31", Tone.WARN: "33", Tone.NOTE: "36", Tone.QUIET: "2"}
_FRAME = "36"
_STRONG = "1"

_IN_ASCII = str.maketrans(
    {
        "→": ">",
        "←": "<",
        "─": "-",
        "━": "=",
        "…": "~",
        "·": "*",
        "“": '"',
        "”": '"',
        "µ": "u",
        "✗": "x",
        "—": "-",
        "✓": "+",
        "│": "|",
        "▶": ">",
        "◀": "<",
        "×": "x",
    }
)
_WORD = lazily(r"\s*\S+\s*")
_NARROW = lazily("[\x20-\x7e\xa0-\u02ff‐-‧‰-⁞←-⇿─-╿■-◿✓✗]*")
"""Text whose characters take one cell each: what this program writes itself, and Latin names."""
_PLAIN_URL = lazily(r"https://[A-Za-z0-9./#?&=_~%()@:+,-]+")
"""URLs that are ASCII without anything that could end the escape sequence around them."""
_SECTION = lazily(r"(RFC \d{1,5}(?:, (?:Section )?\d+(?:\.\d+)*)?)")
"""A section of an RFC in a sentence, as (RFC 8894, 4.2)."""
_LEAST_ROOM = 20
"""Columns that a paragraph gets, however narrow the paper is."""


class Ink(NamedTuple):
    """Text in one look: an SGR parameter list, empty for the plain one. ``url`` is what it links to, empty for nothing."""

    text: str
    look: str
    url: str = ""


class Paper:
    """A stream with a width. ``color``: whether escape sequences may be written, ``links``: also those that make links of citations.

    ``ascii_only``: whether nothing but ASCII may be written.
    """

    def __init__(
        self, out: TextIO, width: int, *, color: bool = False, ascii_only: bool = False, links: bool = False
    ) -> None:
        self._out, self.width, self._color, self._ascii, self._links = out, width, color, ascii_only, links

    @classmethod
    def of(cls, look: Look, out: TextIO) -> "Paper":
        """Paper as a look wants it."""
        return cls(out, look.width, color=look.color, ascii_only=look.ascii_only, links=look.links)

    def blank(self) -> None:
        """An empty line."""
        self._out.write("\n")

    def as_is(self, row: str) -> None:
        """A row that must not be wrapped, a hex dump's."""
        self._out.write(row + "\n")

    def row(self, sentence: Sentence, tone: Tone = Tone.PLAIN) -> None:
        """A row of a table: not wrapped, spaces at its end left out. Who calls it has made it fit."""
        text = safe("".join([span.text for span in sentence])).rstrip()
        inks = self._inks(sentence, tone, strong=False) if self._color else ()
        plain = in_ascii(text) if self._ascii else text
        self._out.write((_colored(inks, 0, len(text)) if inks else plain) + "\n")

    def line(
        self, sentence: Sentence | str, indent: int = 0, hang: int = 0, tone: Tone = Tone.PLAIN, *, strong: bool = False
    ) -> None:
        """One paragraph; its continuation lines hang ``hang`` columns further in. ``tone`` is that of what has none of its own."""
        spans = (Span(sentence),) if isinstance(sentence, str) else sentence
        text = safe("".join([span.text for span in spans]))
        if self._ascii:
            text = in_ascii(text)
        breaks = self._wrapped(text, indent, hang)
        inks = self._inks(spans, tone, strong=strong) if self._color else ()
        start = 0
        for at, end in enumerate((*breaks, len(text))):
            row = text[start:end].rstrip()
            if row:
                row = " " * (indent + (hang if at else 0)) + (_colored(inks, start, start + len(row)) if inks else row)
            self._out.write(row + "\n")
            start = end

    def lines(self, sentences: Iterable[Sentence], hang: int = 0) -> int:
        """Paragraphs, as :meth:`line` draws them; returns the rows they took."""
        taken = 0
        for each in sentences:
            self.line(each, 0, hang)
            taken += self.rows(each, 0, hang)
        return taken

    def rows(self, sentence: Sentence, indent: int = 0, hang: int = 0) -> int:
        """How many rows :meth:`line` takes for a sentence."""
        return len(self._wrapped(safe("".join([span.text for span in sentence])), indent, hang)) + 1

    def _wrapped(self, text: str, indent: int, hang: int) -> list[int]:
        room = max(self.width - indent, _LEAST_ROOM)
        return _breaks(text, room, min(max(room - hang, _LEAST_ROOM), room))

    def _inks(self, spans: Iterable[Span], tone: Tone, *, strong: bool) -> tuple[Ink, ...]:
        inks = []
        for span in spans:
            look = _look(span.tone, span.kind, tone, strong=strong)
            for piece, url in self._linked(span):
                text = safe(piece)
                inks.append(Ink(in_ascii(text) if self._ascii else text, look, url))
        return tuple(inks) if any(ink.look or ink.url for ink in inks) else ()

    def _linked(self, span: Span) -> Iterator[tuple[str, str]]:
        """A piece of text, with what it links to: a citation as a whole, in our own words the sections of RFCs."""
        if not self._links or span.kind not in (Kind.CITATION, Kind.WORDS):
            yield span.text, ""
            return
        from scep_analyzer.story.references import url_of

        if span.kind is Kind.CITATION:
            yield span.text, _plain_url(span.target or url_of(span.text))
            return
        for at, piece in enumerate(_SECTION.split(span.text)):
            if piece:
                yield piece, _plain_url(url_of(piece)) if at % 2 else ""


def _plain_url(url: str | None) -> str:
    return url if url is not None and _PLAIN_URL.fullmatch(url) else ""


@cache
def _look(own: Tone, kind: Kind, around: Tone, *, strong: bool) -> str:
    tone = around if own in (Tone.PLAIN, Tone.STRONG) else own
    color = _FRAME if kind is Kind.FRAME and tone is Tone.PLAIN else _COLORS.get(tone, "")
    bold = _STRONG if (strong and tone is not Tone.QUIET) or own is Tone.STRONG else ""
    return ";".join(filter(None, (bold, color)))


def _colored(inks: Iterable[Ink], start: int, end: int) -> str:
    """The characters from ``start`` to ``end`` with their looks."""
    pieces = []
    at = 0
    for text, look, url in inks:
        piece = text[max(start - at, 0) : max(end - at, 0)]
        at += len(text)
        if piece:
            piece = f"\x1b[{look}m{piece}\x1b[0m" if look else piece
            pieces.append(_linked(piece, url) if url else piece)
        if at >= end:
            break
    return "".join(pieces)


def _linked(piece: str, url: str) -> str:
    """A piece of text as a link (OSC 8). The id joins the pieces of a link that is broken into two lines."""
    return f"\x1b]8;id={crc32(url.encode()):x};{url}\x1b\\{piece}\x1b]8;;\x1b\\"


def cells(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii() or _NARROW.fullmatch(text):
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _breaks(text: str, room: int, rest: int) -> list[int]:
    """Where a text is broken into a line of ``room`` columns and others of ``rest``, at most as many.

    Lines end between words, and inside of those that are longer than a line.
    """
    if cells(text) <= room:
        return []
    narrow = text.isascii() or _NARROW.fullmatch(text) is not None
    measure = len if narrow else cells
    breaks: list[int] = []
    used = 0
    for match in _WORD.finditer(text):
        word, start = match[0], match.start()
        length = measure(word.rstrip())
        if length <= room - used:
            used += measure(word)
        elif length > rest:
            while word:
                if start:
                    breaks.append(start)
                    room = rest
                piece = _first_piece(word, room, narrow=narrow)
                start, word, used = start + len(piece), word[len(piece) :], measure(piece)
        else:
            breaks.append(start)
            room, used = rest, measure(word)
    return breaks


def _first_piece(word: str, room: int, *, narrow: bool) -> str:
    if narrow:
        return word[:room]
    from rich.cells import chop_cells

    return chop_cells(word, room)[0]


def in_ascii(text: str) -> str:
    """The same in ASCII, one character for one, for consoles that have no more (Windows code pages, C locales)."""
    return text.translate(_IN_ASCII).encode("ascii", "replace").decode("ascii")


def shortened(sentence: Sentence, limit: int) -> Sentence:
    """At most ``limit`` characters, the end replaced by an ellipsis."""
    kept: list[Span] = []
    left = limit
    if sum(len(span.text) for span in sentence) <= limit:
        return sentence
    for span in sentence:
        if len(span.text) >= left:
            kept.append(span._replace(text=span.text[: left - 1] + "…"))
            break
        kept.append(span)
        left -= len(span.text)
    return tuple(kept)
