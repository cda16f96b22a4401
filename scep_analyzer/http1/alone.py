"""HTTP messages without a connection: bytes that somebody has saved or pasted → requests and responses, one after another.

Both directions may follow one another in one input ("Follow TCP stream" as raw bytes does so); a message may be cut.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from scep_analyzer.http1.exchanges import request_of, response_of
from scep_analyzer.http1.heads import METHODS, ResponseHead
from scep_analyzer.http1.messages import REQUESTS, RESPONSES, Message, MessageParser, content_length, is_chunked
from scep_analyzer.model.exchanges import Request, Response
from scep_analyzer.model.limits import LIMITS
from scep_analyzer.model.packets import Endpoint
from scep_analyzer.model.streams import Connection, Data, Direction

START = re.compile(
    rb"(?<![A-Za-z0-9_])(?:" + b"|".join(sorted(METHODS)) + rb")[ \t]+[!-~]{1,65536}[ \t]+HTTP/1\.[01]\r?\n"
    rb"|HTTP/1\.[01][ \t]+[1-5]\d\d(?:[ \t][ -~]{0,200})?\r?\n"
)
"""A whole request line or status line, wherever it is: nothing else in a message looks like one."""
_HEAD_END = re.compile(rb"\r?\n\r?\n")
NOWHERE = Endpoint("0.0.0.0", 0)  # noqa: S104  # nothing is bound: an address that is not known
_CONNECTION = Connection(0, NOWHERE, NOWHERE, opening_seen=True)
MOST = 1_000
"""Messages read of one input."""


class Alone(NamedTuple):
    """One message, and which bytes of the input it takes: its head from ``start`` to ``body``, its body to ``end``.

    ``claimed`` is its Content-Length, None where it has none. ``notes`` are oddities: (code, detail).
    """

    start: int
    body: int
    end: int
    message: Request | Response
    claimed: int | None
    notes: tuple[tuple[str, str], ...]


def read_alone(data: bytes) -> Iterator[Alone]:
    """Give every HTTP message in the input, in its order. What lies between messages is passed over.

    A body reaches as far as its framing says, or to the next start line or the end of the input, where that comes first.
    """
    at = 0
    for _ in range(MOST):
        match = START.search(data, at)
        if match is None:
            return
        end_of_head = _HEAD_END.search(data, match.end() - 2)
        body = end_of_head.end() if end_of_head is not None else len(data)
        following = START.search(data, body)
        last = following.start() if following is not None else len(data)
        read = _read(data[match.start() : last], body - match.start())
        if read is None:
            at = match.end()
            continue
        message, value, claimed = read
        # What ends by its framing may be followed by something else; what has no framing lasts to the end.
        end = match.start() + message.end
        yield Alone(
            start=match.start(),
            body=body,
            end=max(end, body),
            message=value,
            claimed=claimed,
            notes=tuple(message.notes),
        )
        at = max(end, body)


def _read(data: bytes, head: int) -> tuple[Message, Request | Response, int | None] | None:
    kind = RESPONSES if data[:5] == b"HTTP/" else REQUESTS
    parser = MessageParser(kind, _framing, lambda _: True, LIMITS)
    # The head apart from the body: a head that is cut must not wait for a body.
    done = list(parser.feed(_data(data, 0)))
    if not done:
        done = list(parser.close("fin" if head < len(data) else "end-of-capture"))
    if not done:
        return None
    message = done[0]
    claimed = content_length(message)
    if isinstance(message.head, ResponseHead):
        return message, response_of(message, LIMITS), claimed
    return message, request_of(message, LIMITS), claimed


def _data(content: bytes, offset: int) -> Data:
    return Data(
        connection=_CONNECTION,
        direction=Direction.FROM_CLIENT,
        content=content,
        frame=0,
        time_ns=None,
        offset=offset,
        acknowledged=None,
    )


def _framing(message: Message) -> tuple[str, int]:
    """How the body ends (RFC 9112, Section 6.3). A request without a length has no body; a response lasts to the end."""
    if is_chunked(message):
        return "chunked", 0
    length = content_length(message)
    if length is not None:
        return "length", length
    head = message.head
    if isinstance(head, ResponseHead) and head.status >= 200 and head.status not in (204, 304):
        return "close", 0
    return "none", 0
