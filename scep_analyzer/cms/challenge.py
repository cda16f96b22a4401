"""Where a challenge password lies in bytes, whatever they are: found by its attribute's OID, not by where it is expected.

A client may forget to encrypt, wrap a request in ways that no standard knows, or tag its attributes wrongly: then the password is
readable, and must not get from the capture into a report. In doubt more is hidden than the password.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

from scep_analyzer.cms.ber import header_of
from scep_analyzer.model.anomalies import DecodeError
from scep_analyzer.model.secrets import OIDS, holds_oid, text_holds_secret
from scep_analyzer.model.told_secrets import may_hold_secret

_OID_LENGTH = 9
_MOST_ELEMENTS = 200_000
_FILL = b"*"
_MOST_SHOWN = 2_048
_MOST_TOLD = 16_384

Span = tuple[int, int]


class Masked(NamedTuple):
    """The same number of bytes with every secret replaced by asterisks, and where they were."""

    content: bytes
    spans: tuple[Span, ...]


def holds_secret(data: bytes) -> bool:
    """Whether one of the OIDs occurs: as it is, or in base64 or hexadecimal digits, also in lines, percent-encoded or URL-safe."""
    return holds_oid(data) or text_holds_secret(data)


def masked(data: bytes) -> Masked:
    """Hide everything that follows one of the OIDs inside the element that holds it, and every string with such a message in it as text.

    Lengths and tags stay, so that what is left can be read as before.
    """
    found = [match.start() for match in OIDS.finditer(data)] if holds_oid(data) else []
    spans = [*(_spans(data, found) if found else ()), *_told(data)]
    if text_holds_secret(data):
        spans += [each for each in _leaves(data, 0, len(data)) if text_holds_secret(data[each[0] : each[1]])] or [
            (0, len(data))
        ]
    if not spans:
        return Masked(data, ())
    content = bytearray(data)
    joined = _joined(spans)
    for start, end in joined:
        for first, last in _leaves(data, start, end):
            content[first:last] = _FILL * (last - first)
    if holds_secret(bytes(content)) and text_holds_secret(bytes(content)):
        return Masked(_FILL * len(data), ((0, len(data)),))
    return Masked(bytes(content), tuple(joined))


_FAIL_INFO_TEXT = bytes.fromhex("06082b06010505071801")
"""id-rfc8894-scep-failInfoText (RFC 8894, 3.2.1.5), as an element."""


def _told(data: bytes) -> Iterator[Span]:
    """The words of a server where they may hold a password, as where they are shown decoded."""
    at = data.find(_FAIL_INFO_TEXT)
    while at >= 0:
        start, end = at + len(_FAIL_INFO_TEXT), len(data)
        try:
            for _ in range(2):  # the set, and the string in it
                inner, length = header_of(data, start, end)
                start, end = inner, end if length is None else min(inner + length, end)
        except DecodeError:
            pass
        if may_hold_secret(data[start : min(end, start + _MOST_TOLD)].decode("utf-8", "replace")):
            yield start, end
        at = data.find(_FAIL_INFO_TEXT, start)


def _spans(data: bytes, found: list[int]) -> list[Span]:
    """From behind each OID to the end of the element around it."""

    def holds(start: int, end: int) -> bool:
        at = bisect_left(found, start)
        return at < len(found) and found[at] + _OID_LENGTH <= end

    spans: list[Span] = []
    ranges, count, seen = [(0, len(data))], 0, set()
    while ranges:
        at, end = ranges.pop()
        while at < end and count < _MOST_ELEMENTS:
            count += 1
            try:
                start, length = header_of(data, at, end)
            except DecodeError:
                break
            stop = end if length is None else min(start + length, end)
            if stop - start == _OID_LENGTH and holds(start, stop):
                seen.add(start)
                spans.append((stop, end))
                break
            if holds(start, stop):
                ranges.append((start + (data[at] == 0x03), stop))
            at = stop
    hidden = _joined(spans)
    for each in found:  # what is no element where it stands: all that follows is hidden
        if each not in seen and not any(start <= each < end for start, end in hidden):
            spans.append((each + _OID_LENGTH, len(data)))
            break
    return spans


def _leaves(data: bytes, start: int, end: int) -> list[Span]:
    """The contents of the primitive elements of a range; a range that cannot be read is one."""
    leaves: list[Span] = []
    ranges = [(start, end)]
    while ranges:
        at, stop = ranges.pop()
        while at < stop:
            try:
                inner, length = header_of(data, at, stop)
            except DecodeError:
                leaves.append((at, stop))
                break
            if length is not None and inner + length > stop:
                leaves.append((at, stop))
                break
            last = stop if length is None else inner + length
            if data[at] & 0x20:
                ranges.append((inner, last))
            elif last > inner:
                leaves.append((inner, last))
            at = last
    return leaves


def _joined(spans: list[Span]) -> list[Span]:
    """The spans in order, those that overlap joined."""
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


def shown(content: bytes) -> str:
    """Bytes in hexadecimal digits for a reader, or that they are hidden; of many the first, and a hash that stands for all."""
    if holds_secret(content):
        return f"(redacted, {len(content):,} bytes)"
    if len(content) <= _MOST_SHOWN:
        return content.hex()
    return f"{content[:_MOST_SHOWN].hex()}… ({len(content):,} bytes, SHA-256 {hashlib.sha256(content).hexdigest()})"
