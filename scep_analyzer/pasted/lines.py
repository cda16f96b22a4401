"""The lines of an input."""

import re
from collections.abc import Iterator

_LINE = re.compile(rb"[^\r\n]*")


def lines_of(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Every line: where it starts, where the next one does, and its content."""
    at = 0
    while at < len(data):
        match = _LINE.match(data, at)
        end = match.end() if match is not None else len(data)
        line = data[at:end]
        end += 2 if data[end : end + 2] == b"\r\n" else 1
        yield at, min(end, len(data)), line
        at = end
