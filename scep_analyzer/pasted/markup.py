"""What is around text that went through a terminal or a web page: escape sequences of colors, tags."""

import html
import re
from collections.abc import Iterator

from scep_analyzer.pasted.pieces import Piece, Then

_COLOR = re.compile(rb"\x1b\[[0-9;]{0,32}[mK]")
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def without_colors(data: bytes) -> bytes:
    """Text of a terminal without its colors; bytes that are no text are left as they are."""
    return data if b"\x1b[" not in data or _BINARY.search(data) else _COLOR.sub(b"", data)


_PRE = re.compile(rb"<(/?)(?:pre|code)\b[^<>]{0,200}>", re.IGNORECASE)
_TAG = re.compile(rb"</?[A-Za-z][^<>]{0,200}>")


def preformatted(data: bytes) -> Iterator[Piece]:
    """Text in HTML that has lines of its own: without tags and character references, which move the text beside a dump."""
    opened: int | None = None
    for match in _PRE.finditer(data):
        if not match[1]:
            opened = match.end() if opened is None else opened
        elif opened is not None:
            inside = data[opened : match.start()]
            if b"&" in inside or b"<" in inside:
                content = html.unescape(_TAG.sub(b"", inside).decode("latin-1")).encode("latin-1", "replace")
                yield Piece(start=opened, end=match.start(), content=content, form="", then=Then.AGAIN)
            opened = None
