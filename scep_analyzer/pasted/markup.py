"""What is around text that went through a terminal or a web page: escape sequences of colors, tags."""

import html
import quopri
import re
from collections.abc import Iterator

from scep_analyzer.pasted.pieces import Piece, Then

_COLOR = re.compile(rb"\x1b\[[0-9;]{0,32}[mK]")
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def without_colors(data: bytes) -> bytes:
    """Text of a terminal without its colors; bytes that are no text are left as they are."""
    return data if b"\x1b[" not in data or _BINARY.search(data) else _COLOR.sub(b"", data)


_LOOK_ALIKES = str.maketrans(
    {
        **dict.fromkeys(
            "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000", " "
        ),
        **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u200f\u202a\u202c", None),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2018\u2019\u201a\u201b", "'"),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-"),
    }
)
"""What word processors, mail and web pages write instead of a space, a quote or a hyphen, and what cannot be seen."""
_LEAST_UTF16 = 16


def as_text(data: bytes) -> bytes:
    """Text in one encoding, with plain spaces and quotes; bytes that are no text are left as they are."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):  # Windows PowerShell writes UTF-16
        data = data.decode("utf-16", "replace").encode("utf-8", "replace")
    elif len(data) >= _LEAST_UTF16 and not any(data[1:2000:2]) and all(data[:2000:2]):  # the same without its mark
        data = data.decode("utf-16-le", "replace").encode("utf-8", "replace")
    data = data.removeprefix(b"\xef\xbb\xbf")
    if data.isascii() or _BINARY.search(data):
        return data
    try:
        return data.decode("utf-8").translate(_LOOK_ALIKES).encode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace").translate(_LOOK_ALIKES).encode("utf-8")


_QUOTED_PRINTABLE = re.compile(
    rb"(?i)(?:operation|message)=3D|^content-transfer-encoding:[ \t]*quoted-printable", re.MULTILINE
)


def is_quoted_printable(data: bytes) -> bool:
    """Whether a mail was saved with its encoding (RFC 2045, Section 6.7)."""
    return b"=3D" in data and _QUOTED_PRINTABLE.search(data) is not None


def quoted_printable(data: bytes) -> Iterator[Piece]:
    """The text of such a mail."""
    yield Piece(start=0, end=len(data), content=quopri.decodestring(data), form="", then=Then.TEXT)


_BREAK = re.compile(rb"<br ?/?>\r?\n?", re.IGNORECASE)


def broken_lines(data: bytes) -> Iterator[Piece]:
    """Text of a web page whose lines end with an element."""
    text = _TAG.sub(b"", _BREAK.sub(b"\n", data))
    content = html.unescape(text.decode("utf-8", "replace")).translate(_LOOK_ALIKES).encode("utf-8")
    yield Piece(start=0, end=len(data), content=content, form="", then=Then.TEXT)


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
