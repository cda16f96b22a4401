"""What the lines before a message in a log say of it: when it was, and whether it was sent or received."""

import re

_TIME = re.compile(
    rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?"
    rb"|\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}"
    rb"|[*.]?[A-Z][a-z]{2} {1,2}\d{1,2} (?:\d{4} )?\d\d:\d\d:\d\d(?:\.\d{1,9})?"
    rb"|(?<![\d:.])\d\d:\d\d:\d\d(?:\.\d{1,9})?(?![\d:])"
)
_SENT = re.compile(rb"(?i)\b(?:send|sending|sent|request|transmit\w*|outgoing|out|tx)\b|^> ?", re.MULTILINE)
_RECEIVED = re.compile(rb"(?i)\b(?:receiv\w*|recv|reply|response|answer|incoming|got|rx)\b|^< ?", re.MULTILINE)
_LINES_FOR_TIME, _LINES_FOR_DIRECTION = 20, 3
_FAR = 4_096
"""Bytes before a message that are looked at."""


def _before(data: bytes, at: int, lines: int) -> list[bytes]:
    """The lines before a place, the nearest first; what comes before it on its own line counts as one."""
    return data[max(0, at - _FAR) : at].split(b"\n")[: -lines - 2 : -1]


def time_before(data: bytes, at: int) -> str | None:
    """The time of the line that a message is on, else of the nearest line before it, as it is written there."""
    end = data.find(b"\n", at)
    own = data[at : min(end if end >= 0 else len(data), at + 200)]
    for line in (own, *_before(data, at, _LINES_FOR_TIME)):
        match = _TIME.search(line)
        if match is not None:
            return match[0].decode("ascii").strip("*.")
    return None


def direction_before(data: bytes, at: int) -> str | None:
    """Request or response, by the words of the nearest line before a message that has any of the two kinds."""
    for line in _before(data, at, _LINES_FOR_DIRECTION):
        sent, received = _SENT.search(line), _RECEIVED.search(line)
        if (sent is None) != (received is None):
            return "request" if sent is not None else "response"
    return None
