"""What stands around a dump that went through a log or a terminal: a prefix on every line, escape sequences of colors."""

import html
import re
from collections.abc import Iterator

from scep_analyzer.pasted.hexadecimal import lines_of
from scep_analyzer.pasted.pieces import Piece, Then

_STAMP = rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?"
_PROGRAM = rb"[\w.-]{1,255} [^\s:\[\]]{1,64}(?:\[\d{1,10}\])?:"
_PREFIX = re.compile(
    rb"(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,9})? " + _PROGRAM + rb"|"  # syslog (RFC 3164), journalctl
    + _STAMP + rb"(?: " + _PROGRAM + rb"| std(?:out|err) [FP])?|"  # journalctl -o short-iso, docker logs -t, CRI
    rb"[A-Za-z][\w.]{0,255}-[\w.-]{0,255} +\||"  # docker compose
    rb"\[pod/[\w./-]{1,512}\]) "  # kubectl logs --prefix
)  # fmt: skip
_ROW = re.compile(
    rb"[0-9A-Fa-f]{4,16}:?[ \t]+(?:[0-9A-Fa-f]{2}){1,8}(?:[ \t]|\Z)|[0-9A-Fa-f]{6,16}\Z|\*\Z|[A-Za-z0-9+/]{2,200}={0,2}\Z"
)
"""A row of a dump, the length at its end, a repeated row; or a line of base64."""
_LEAST_ROWS = 3
_COLOR = re.compile(rb"\x1b\[[0-9;]{0,32}[mK]")
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def without_colors(data: bytes) -> bytes:
    """Text of a terminal without its colors; bytes that are no text are left as they are."""
    return data if b"\x1b[" not in data or _BINARY.search(data) else _COLOR.sub(b"", data)


def prefixed(data: bytes) -> Iterator[Piece]:
    """Dumps and base64 that a log has written line by line: without the prefix of syslog, journald, Docker or Kubernetes."""
    rows: list[bytes] = []
    first = last = 0
    for start, end, line in lines_of(data):
        match = _PREFIX.match(line)
        rest = line[match.end() :] if match is not None else b""
        if match is not None and _ROW.match(rest.rstrip()):
            first = first if rows else start
            rows.append(rest)
            last = end
            continue
        if len(rows) >= _LEAST_ROWS:
            yield Piece(start=first, end=last, content=b"\n".join(rows) + b"\n", form="", then=Then.AGAIN)
        rows = []
    if len(rows) >= _LEAST_ROWS:
        yield Piece(start=first, end=last, content=b"\n".join(rows) + b"\n", form="", then=Then.AGAIN)


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
