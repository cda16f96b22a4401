"""The start of a message: recognising it, and reading its start line and header fields."""

import re
from typing import NamedTuple

from scep_analyzer.model.exchanges import Header
from scep_analyzer.model.patterns import lazily

# RFC 9110 and WebDAV (RFC 4918), and what Windows hosts send on the same ports. Recognising by name keeps other line
# protocols (SMTP, FTP, SIP, RTSP) out.
METHODS = frozenset(
    b"GET POST HEAD PUT DELETE OPTIONS TRACE CONNECT PATCH PROPFIND PROPPATCH MKCOL COPY MOVE LOCK UNLOCK "
    b"REPORT SEARCH SUBSCRIBE UNSUBSCRIBE NOTIFY POLL BITS_POST CCM_POST RPC_IN_DATA RPC_OUT_DATA RDG_IN_DATA "
    b"RDG_OUT_DATA MERGE CHECKOUT".split()
)
_LONGEST_METHOD = max(map(len, METHODS))
_METHOD = lazily(rb"(\S+)[ \t]+")
_VERSION = lazily(rb"[ \t]+(HTTP/\d+\.\d+)[ \t]*\Z", re.IGNORECASE)
_CUT_VERSION = lazily(r"[ \t]+H(?:T(?:T(?:P(?:/(?:\d\.?)?)?)?)?)?\Z", re.IGNORECASE)
"""The beginning of a version: a snaplen may end in it."""
_LONGEST_END = 64
"""Where a version is looked for at the end of a request line: a target has up to 16 KiB."""
_STATUS_LINE = lazily(rb"(HTTP/\d+\.\d+)[ \t]+(\d{3})(?:[ \t]+(.*))?", re.DOTALL | re.IGNORECASE)
_STATUS_START = b"HTTP/"


class RequestHead(NamedTuple):
    """Request line and header fields. ``version`` is empty where the line was cut before it, or is HTTP/0.9's."""

    method: str
    target: str
    version: str
    headers: tuple[Header, ...]


class ResponseHead(NamedTuple):
    """Status line and header fields."""

    status: int
    reason: str
    version: str
    headers: tuple[Header, ...]


def starts_request(start: bytes) -> bool | None:
    """Whether these first bytes begin a request; None while there are too few to tell."""
    word, space, _ = start[: _LONGEST_METHOD + 1].partition(b" ")
    method = word.upper()
    if space:
        return method in METHODS
    return None if any(known.startswith(method) for known in METHODS) else False


def starts_response(start: bytes) -> bool | None:
    """Whether these first bytes begin a response; None while there are too few to tell."""
    start = start[: len(_STATUS_START)].upper()
    if start == _STATUS_START:
        return True
    return None if _STATUS_START.startswith(start) else False


def read_request_head(head: bytes, *, cut: bool) -> RequestHead | None:
    """Read a request head; None where it is no HTTP request after all. ``cut``: its end is missing."""
    lines = _lines(head)
    line = lines[0]
    method = _METHOD.match(line)
    if method is None:
        return None
    line_is_cut = cut and len(lines) == 1
    end = _VERSION.search(line, max(method.end() - 1, len(line) - _LONGEST_END))
    version = text(end[1]).upper() if end is not None else ""
    target = text(line[method.end() : end.start() if end is not None else None].rstrip(b" \t"))
    if line_is_cut and not version:
        target = _CUT_VERSION.sub("", target)
    # Without a version it is HTTP/0.9, which nobody speaks, or another protocol with a method of the same name.
    if not version and not line_is_cut and "operation=" not in target.lower():
        return None
    if line_is_cut and not target.lower().startswith(("/", "http:", "https:")):
        return None
    return RequestHead(text(method[1]), target, version, _fields(lines[1:]))


def read_response_head(head: bytes, *, cut: bool) -> ResponseHead | None:
    """Read a response head; None where it is no HTTP response after all."""
    lines = _lines(head)
    match = _STATUS_LINE.fullmatch(lines[0])
    if match is None or (cut and len(lines) == 1 and not match[2]):
        return None
    return ResponseHead(int(match[2]), text(match[3] or b"").strip(), text(match[1]).upper(), _fields(lines[1:]))


def _lines(head: bytes) -> list[bytes]:
    # Bare LF ends a line too (RFC 9112, Section 2.2).
    return [line.removesuffix(b"\r") for line in head.split(b"\n")]


def _fields(lines: list[bytes]) -> tuple[Header, ...]:
    fields: list[Header] = []
    for line in lines:
        if line[:1] in (b" ", b"\t") and fields:  # obs-fold (RFC 9112, Section 5.2)
            name, value = fields[-1]
            fields[-1] = (name, f"{value} {text(line).strip()}".strip())
            continue
        name_bytes, colon, value_bytes = line.partition(b":")
        if colon:
            fields.append((text(name_bytes).strip(), text(value_bytes).strip()))
    return tuple(fields)


def text(data: bytes) -> str:
    """Header bytes as text; Latin-1 loses none of them."""
    return data.decode("latin-1")
