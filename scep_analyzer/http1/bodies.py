"""A read message → its body value: content coding decoded within bounds (RFC 9110, Section 8.4)."""

import zlib

from scep_analyzer.http1.messages import Message
from scep_analyzer.model.anomalies import DecodeError
from scep_analyzer.model.exchanges import Body, header
from scep_analyzer.model.limits import Limits

# zlib's window argument: 31 reads gzip, 15 zlib, -15 the raw deflate that some servers send as "deflate".
_WINDOWS = {"gzip": (31,), "x-gzip": (31,), "deflate": (15, -15)}


def body_of(message: Message, limits: Limits) -> Body:
    """Give the body of a finished message; its anomalies are noted on the message."""
    complete = message.complete and not message.overflow
    if not (message.wanted and message.kept):
        return Body(b"" if not message.length and complete else None, message.length, complete)
    if message.overflow:
        what = f"only the first {len(message.body):,} of {message.length:,} body bytes are kept"
        message.notes.append(("limit-body", what))
    content = bytes(message.body)
    codings = (header(message.head.headers, "content-encoding") or "").lower()
    every = [each.strip() for each in codings.split(",") if each.strip()]
    if len(every) > limits.codings:
        what = f"{len(every):,} content codings; the last {limits.codings} are decoded"
        message.notes.append(("limit-content-encoding", what))
        complete = False
    most = min(limits.body_bytes, max(limits.unasked_body_bytes, len(content) * limits.inflated_times))
    for coding in reversed(every[-limits.codings :]):
        if coding == "identity":
            continue
        if coding not in _WINDOWS:
            message.notes.append(("content-encoding-unknown", f"Content-Encoding {coding[:20]!r} is not decoded"))
            continue
        try:
            content, whole = _inflate(content, _WINDOWS[coding], most)
        except DecodeError as error:
            message.notes.append(("content-encoding-damaged", f"{coding}: {error}"))
            complete = False
            break  # what is below a coding that cannot be decoded cannot be decoded either
        else:
            if not whole:
                what = f"{coding} body: reading stops after {len(content):,} decompressed bytes"
                message.notes.append(("content-encoding-cut", what))
                complete = False
    return Body(content, message.length, complete)


def _inflate(content: bytes, windows: tuple[int, ...], limit: int) -> tuple[bytes, bool]:
    """Decompress at most ``limit`` bytes; tells whether the stream's end was reached."""
    problem = ""
    for window in windows:
        inflater = zlib.decompressobj(window)
        try:
            return inflater.decompress(content, limit), inflater.eof
        except zlib.error as error:
            problem = str(error)
    raise DecodeError(problem)
