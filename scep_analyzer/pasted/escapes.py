"""Bytes that are written as escapes: in strings of Python and C, or the escapes alone."""

import itertools
import re
from collections.abc import Iterator

from scep_analyzer.pasted.pieces import Piece, Then

_LITERALS = (
    re.compile(rb"\b[bB](?:'((?:\\.|[^'\\\n])*)'|\"((?:\\.|[^\"\\\n])*)\")"),
    re.compile(rb"()\"((?:\\.|[^\"\\\n])*)\"(?=\s*(?:[;,)+\\\r\n]|\Z))"),
)
_BARE = re.compile(rb"()((?:\\(?:[xX][0-9A-Fa-f]{2}|[0-3][0-7]{2})[!#-&(-\[\]-~]{0,64}){4,})")
_OCTAL = re.compile(rb"\\[0-3][0-7]{2}")
_UNESCAPED = re.compile(rb"[!#-&(-\[\]-~]{0,64}\Z")
_ESCAPE = re.compile(rb"((?:\\[xX][0-9A-Fa-f]{2})+)|\\(?:([0-7]{1,3})|(\r?\n)|(.))", re.DOTALL)
_SHORT = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b", b"f": b"\f", b"v": b"\v"}
_LEAST_ESCAPES = 4
_BETWEEN = re.compile(rb"[\s\\+.&_]*")


def escapes(data: bytes) -> Iterator[Piece]:
    r"""Bytes as Python and C write them: ``b'0\x82'``, also in several strings that follow one another, or the escapes alone."""
    taken: list[tuple[int, int]] = []
    for pattern in _LITERALS:
        run: list[re.Match[bytes]] = []
        for match in itertools.chain(pattern.finditer(data), (None,)):
            if run and (match is None or not _BETWEEN.fullmatch(data, run[-1].end(), match.start())):
                written = b"".join((each[1] or b"") + (each[2] or b"") for each in run)
                if written.count(b"\\x") + written.count(b"\\X") + len(_OCTAL.findall(written)) >= _LEAST_ESCAPES:
                    start, end = run[0].start(), run[-1].end()
                    taken.append((start, end))
                    content = _ESCAPE.sub(_byte, written)
                    yield Piece(start=start, end=end, content=content, form="escaped bytes", then=Then.AGAIN)
                run = []
            if match is not None:
                run.append(match)
    ranges = sorted(taken)
    for match in _BARE.finditer(data):
        while ranges and ranges[0][1] <= match.start():
            ranges.pop(0)
        if ranges and ranges[0][0] <= match.start():
            continue
        before = _UNESCAPED.search(data, max(0, match.start() - 64), match.start())
        start = before.start() if before is not None else match.start()
        content = _ESCAPE.sub(_byte, data[start : match.end()])
        yield Piece(start=start, end=match.end(), content=content, form="escaped bytes", then=Then.AGAIN)


def _byte(match: re.Match[bytes]) -> bytes:
    if match[1]:
        return bytes.fromhex(match[1].translate(None, b"\\xX").decode("ascii"))
    if match[2]:
        return bytes([int(match[2], 8) & 0xFF])
    if match[3]:
        return b""
    return _SHORT.get(match[4], match[4])
