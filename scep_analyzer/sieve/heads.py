"""A first look at the start of an HTTP message: can it be SCEP's? When in doubt it may be.

Kept in step with ``http1``: what :func:`http1.exchanges.looks_like_scep` or the first bytes of a body would make SCEP's must be
``MAYBE`` here. ``tests/sieve/test_invariant.py`` holds the two against each other.
"""

from enum import Enum
from itertools import product
from typing import NamedTuple

from scep_analyzer.http1.exchanges import SCEP_TYPES, names_operation
from scep_analyzer.http1.heads import METHODS
from scep_analyzer.http1.messages import CMS_STARTS
from scep_analyzer.model.exchanges import BYSTANDERS
from scep_analyzer.model.limits import LIMITS

_BLANK = b"\r\n"


def _first_bytes(size: int = 4) -> frozenset[bytes]:
    """Every ``size`` bytes that an HTTP message may begin with, in any case and behind empty lines."""
    words = {word + b" " for word in METHODS} | {b"HTTP/"}
    found = {bytes(blanks) for blanks in product(_BLANK, repeat=size)}
    for leading in range(size):
        starts = {word[: size - leading] for word in words if len(word) >= size - leading}
        cases = {
            bytes(each)
            for start in starts
            for each in product(*({byte, byte ^ 0x20} if chr(byte).isalpha() else {byte} for byte in start))
        }
        found |= {bytes(blanks) + each for blanks in product(_BLANK, repeat=leading) for each in cases}
    return frozenset(found)


FIRST_BYTES = _first_bytes()
"""A packet whose first four bytes are not among these begins no HTTP message."""


class Look(Enum):
    """What the first look tells."""

    OTHER = "an HTTP message that is not SCEP's"
    MAYBE = "SCEP's, or too odd to tell"
    MORE = "more bytes are needed"
    INTERIM = "a 1xx response: another one follows"
    NOT_HTTP = "no HTTP after all"


class Seen(NamedTuple):
    """``length`` is that of the whole message, or of an interim response. ``target`` is the request's.

    ``scep``: it is SCEP's by what it says itself: an operation's name, a response's type or body that begins as CMS does.
    """

    look: Look
    length: int = 0
    target: bytes = b""
    scep: bool = False


_MAYBE, _SCEP, _MORE = Seen(Look.MAYBE), Seen(Look.MAYBE, scep=True), Seen(Look.MORE)
HINTS = (b"operation", b"%", *(each.encode() for each in BYSTANDERS))
TYPES = tuple(each.encode() for each in SCEP_TYPES)


def look_at_request(content: bytes) -> Seen:
    """Judge the bytes of a request, which begin with its method."""
    end_of_line = content.find(b"\n")
    line = content if end_of_line < 0 else content[:end_of_line]
    lower = line.lower()
    words = line.split(None, 2)
    target = words[1] if len(words) > 1 else b""
    # The whole line: a target may hold spaces (openxpki/openxpki#859).
    if _holds(lower, HINTS) and names_operation(line.decode("latin-1")):
        return Seen(Look.MAYBE, 0, target, scep=True)
    if end_of_line >= 0 and b" http/" not in lower and b"\thttp/" not in lower:
        return Seen(Look.NOT_HTTP)
    head_end = _head_end(content)
    if head_end <= 0:
        return _MAYBE if head_end or len(content) > LIMITS.header_bytes else _MORE
    head = content[:head_end].lower()
    if b"transfer-encoding" in head or b"content-lenght" in head or _is_scep_type(head):
        return _MAYBE
    length = _content_length(head)
    if length is None:
        return _MAYBE
    whole = head_end + max(length, 0)
    if len(content) > whole:
        return _MAYBE  # another request follows in the same breath
    if len(content) < whole and len(content) >= head_end + 3 and not content.startswith(CMS_STARTS, head_end):
        return _MORE  # held whole, because its response may yet make it SCEP's
    seen = _body(content, head_end, length)
    if seen is None:
        return Seen(Look.OTHER, whole, target)
    return _MAYBE if seen.scep else seen  # OCSP's begin so, too: not every request to this path is worth following


def look_at_response(content: bytes) -> Seen:
    """Judge the bytes of a response, which begin with its version."""
    head_end = _head_end(content)
    if head_end <= 0:
        return _MAYBE if head_end or len(content) > LIMITS.header_bytes else _MORE
    head = content[:head_end].lower()
    words = head.split(None, 2)
    status = int(words[1]) if len(words) > 1 and words[1].isdigit() and len(words[1]) == 3 else 0
    if not status or b"content-lenght" in head:
        return _MAYBE
    if _is_scep_type(head):
        return _SCEP
    if status < 200 and status != 101:
        return Seen(Look.INTERIM, head_end)
    if status in (101, 204, 304):
        return Seen(Look.OTHER, head_end)
    if b"transfer-encoding" in head:
        start = content.find(b"\n", head_end) + 1
        if not start:
            return _MORE if len(content) < head_end + 100 else _MAYBE
        return _body(content, start, None) or Seen(Look.OTHER)
    length = _content_length(head)
    if length is None:
        return _MAYBE
    return _body(content, head_end, length if length >= 0 else None) or Seen(Look.OTHER)


def _head_end(content: bytes) -> int:
    """Where the body begins; 0 where the head is not whole, -1 where bare line feeds make that a question."""
    at = content.find(b"\n\r\n")
    bare = content.find(b"\n\n", 0, at if at >= 0 else len(content))
    return -1 if bare >= 0 else at + 3 if at >= 0 else 0


def _is_scep_type(head: bytes) -> bool:
    at = head.find(b"content-type")
    return at >= 0 and _holds(head[at:], TYPES)


def _holds(content: bytes, words: tuple[bytes, ...]) -> bool:
    for each in words:  # noqa: SIM110  # any() takes three times as long, and every request comes by here
        if each in content:
            return True
    return False


def _content_length(head: bytes) -> int | None:
    """The Content-Length, -1 where there is none, None where it is odd."""
    at = head.find(b"content-length")
    if at < 0:
        return -1
    value = head[at + 15 : head.find(b"\n", at)].strip()
    plain = head[at - 1 : at] == b"\n" and head[at + 14 : at + 15] == b":" and value.isdigit() and len(value) < 16
    return int(value) if plain else None


def _body(content: bytes, start: int, length: int | None) -> Seen | None:
    """Look at the first bytes of a body; None where they are not CMS. ``length`` None: not known."""
    if length is not None and length <= 0:
        return None
    body = content[start : start + 3]
    if not body:
        return _MORE
    if body.startswith(CMS_STARTS):
        return _SCEP
    return _MAYBE if len(body) < 3 and (length is None or length > len(body)) else None
