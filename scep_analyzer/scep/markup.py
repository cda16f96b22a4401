"""HTML → its text, in time that grows with its length: a regular expression for tags takes the square of it."""

import re
from collections.abc import Iterator

from scep_analyzer.model.patterns import lazily

_UNREAD = lazily(r"<(script|style)\b", re.IGNORECASE)
_HEADING = lazily(r"<(title|h[1-6])\b", re.IGNORECASE)
_ENDS = {
    each: lazily(rf"</{each}\s*>", re.IGNORECASE)
    for each in ("script", "style", "title", "h1", "h2", "h3", "h4", "h5", "h6")
}


_INSIDE_WORDS = lazily(r"</?(?:a|b|i|u|em|strong|span|font|small|big|code|tt|mark|sub|sup|wbr)\b", re.IGNORECASE)
"""Tags that may stand inside a word (phrasing content that a browser does not set apart)."""


def without_tags(text: str) -> str:
    """The text between the tags, each tag a space unless it may stand inside a word; without scripts and styles.

    What is not closed by ``>`` is no tag.
    """
    pieces: list[str] = []
    at = 0
    while (start := text.find("<", at)) >= 0:
        pieces.append(text[at:start])
        unread = _UNREAD.match(text, start)
        if unread is not None:
            end = _ENDS[unread[1].lower()].search(text, unread.end())
            if end is None:
                return "".join(pieces)
            pieces.append(" ")
            at = end.end()
            continue
        stop = text.find(">", start)
        if stop < 0:
            at = start
            break
        if _INSIDE_WORDS.match(text, start) is None:
            pieces.append(" ")
        at = stop + 1
    return "".join([*pieces, text[at:]])


def told_once(page: str) -> str:
    """The words of a page. Its title and headings often say the same: each is told once, so that what follows is not cut."""
    import html  # its table of 2,231 names is long, and most captures hold no page

    told: list[str] = []
    pieces: list[str] = []
    at = 0
    for start, opened, closed, end in _headings(page):
        words = " ".join(html.unescape(without_tags(page[opened:closed])).split())
        bare = _bare(words)
        pieces.append(page[at:start])
        if bare and not any(bare in each for each in told):
            told.append(bare)
            pieces.append(html.escape(words, quote=False))
        at = end
    return html.unescape(without_tags(" ".join([*pieces, page[at:]])))


def _headings(page: str) -> Iterator[tuple[int, int, int, int]]:
    """Where each title and heading begins, where its words begin and end, and where it ends itself."""
    at, unclosed = 0, set()
    while (match := _HEADING.search(page, at)) is not None:
        kind = match[1].lower()
        opened = page.find(">", match.end()) + 1
        closed = _ENDS[kind].search(page, opened) if opened and kind not in unclosed else None
        if closed is None:  # looked for once: a page of nothing but such tags is not read again for each
            unclosed.add(kind)
            at = match.end()
        else:
            yield match.start(), opened, closed.start(), closed.end()
            at = closed.end()


def _bare(words: str) -> str:
    """Letters only: “404 - Not Found” and “Not found” are the same."""
    return "".join(filter(str.isalpha, words.lower()))
