"""HTML → its text, in time that grows with its length: a regular expression for tags takes the square of it."""

import re

_UNREAD = re.compile(r"<(script|style)\b", re.IGNORECASE)
_ENDS = {each: re.compile(rf"</{each}\s*>", re.IGNORECASE) for each in ("script", "style")}


def without_tags(text: str) -> str:
    """The text between the tags, each tag a space; scripts and styles are left out. What is not closed by ``>`` is no tag."""
    pieces: list[str] = []
    at = 0
    while (start := text.find("<", at)) >= 0:
        pieces.append(text[at:start])
        unread = _UNREAD.match(text, start)
        if unread is not None:
            end = _ENDS[unread[1].lower()].search(text, unread.end())
            if end is None:
                return " ".join(pieces)
            at = end.end()
            continue
        stop = text.find(">", start)
        if stop < 0:
            at = start
            break
        at = stop + 1
    return " ".join([*pieces, text[at:]])
