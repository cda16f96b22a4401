"""The words of an answer that is not SCEP: error pages and Go's plain error texts, which often name the cause."""

import re

from scep_analyzer.model.exchanges import Response, header

_HEADINGS = re.compile(r"<(title|h[1-6])\b[^>]*>(.*?)</\1\s*>", re.DOTALL | re.IGNORECASE)
_TAGS = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|\Z)|<[^>]*>", re.DOTALL | re.IGNORECASE)
_LONGEST = 400
WITHHELD = "(not shown: the page may hold a challenge password)"
_CHALLENGE = re.compile(
    r"(?<![-\w])(?=\w*\d)[0-9A-Fa-f]{8,64}(?![-\w])"  # as NDES hands it out; a GUID's pieces are none
    r"|(?:challenge|password)\s*(?:is|was|:|=)\s*[\"'\u201c\u2018]?(?=\S*\d)[^\s\"'\u201d\u2019]{4,}",
    re.IGNORECASE,
)
"""A challenge password itself, not words about one."""


def text_of_page(response: Response, path: str) -> str | None:
    """The first words of a text body, None where it is empty, binary or not kept. NDES writes UTF-16."""
    body = response.body.content
    if not body:
        return None
    kind = (header(response.headers, "content-type") or "").lower()
    raw = body[:16384]
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff") or raw[1:40:2].count(0) > 15:
        text = raw.decode("utf-16" if raw[0] > 0xF0 else "utf-16-le", "replace")
    elif b"\x00" in raw:
        return None
    else:
        text = raw.decode("utf-8", "replace")
    if sum(character == "\ufffd" or (character < " " and character not in "\r\n\t") for character in text) * 10 > len(
        text
    ):
        return None
    lowered = text.lower()
    if "mscep_admin" in path.lower():
        return WITHHELD
    if "html" in kind or "<html" in lowered or "<!doctype" in lowered:
        text = _told_once(text)
    text = " ".join(text.split())
    if "challenge" in lowered and "password" in lowered and _CHALLENGE.search(text):
        return WITHHELD
    return (text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…") or None


def _told_once(page: str) -> str:
    """The words of a page. Its title and headings often say the same: each is told once, so that what follows is not cut."""
    import html

    told: list[str] = []

    def heading(match: re.Match[str]) -> str:
        words = " ".join(html.unescape(_TAGS.sub(" ", match[2])).split())
        bare = _bare(words)
        if not bare or any(bare in each for each in told):
            return " "
        told.append(bare)
        return f" {words} "

    return html.unescape(_TAGS.sub(" ", _HEADINGS.sub(heading, page)))


def _bare(words: str) -> str:
    """Letters only: “404 - Not Found” and “Not found” are the same."""
    return "".join(filter(str.isalpha, words.lower()))
