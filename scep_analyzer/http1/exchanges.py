"""Messages of both directions → exchanges: which response answers which request.

Responses answer requests in order (RFC 9112, Section 9.3.2). Where the capture misses one, the TCP acknowledgment number that the
response carries tells which requests its server had received.
"""

import heapq
import itertools
from collections import Counter, deque
from collections.abc import Iterator
from urllib.parse import unquote

from scep_analyzer.http1.bodies import body_of
from scep_analyzer.http1.heads import RequestHead, ResponseHead, starts_request, starts_response
from scep_analyzer.http1.messages import REQUESTS, RESPONSES, Message, MessageParser, content_length, is_chunked
from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.exchanges import HttpExchange, Request, Response, header
from scep_analyzer.model.limits import LIMITS, Limits
from scep_analyzer.model.packets import Endpoint
from scep_analyzer.model.stage import Stage
from scep_analyzer.model.streams import Closed, Connection, ConnectionFailure, Data, Gap, StreamEvent

Out = HttpExchange | ConnectionFailure

_TLS_HANDSHAKE = b"\x16\x03"
_MOST_TLS_SERVERS = 5
# Types that carry SCEP or the CMS and certificates it is made of (RFC 8894, Section 4; others are what clients tolerate).
_SCEP_TYPES = ("x-pki-message", "x-x509-", "pkcs7", "x-pkcs7", "pkix-cert", "x-x509")


def looks_like_scep(head: RequestHead | ResponseHead) -> bool:
    """Whether a head alone says that the body may be SCEP's."""
    if isinstance(head, RequestHead) and "operation" in unquote(head.target, "latin-1").lower():
        return True
    kind = (header(head.headers, "content-type") or "").lower()
    return any(each in kind for each in _SCEP_TYPES)


class _Conversation:
    """One connection: its two parsers and the messages that wait for their counterpart."""

    def __init__(self, connection: Connection, limits: Limits) -> None:
        self.connection = connection
        self.swapped = False
        self.decided = connection.opening_seen
        self.requests: deque[Message] = deque()
        self.responses: deque[Message] = deque()
        self.ended: set[object] = set()
        self.how: str | None = None
        self.server_ended: str | None = None
        self.resync = False
        self.carries_scep = False
        self.gaps: list[Anomaly] = []
        """Holes met before it is known whether the connection carries SCEP; on other connections they do not matter."""
        self._limits = limits
        self.request_parser = MessageParser(REQUESTS, _request_framing, lambda each: looks_like_scep(each.head), limits)
        self.response_parser = MessageParser(RESPONSES, self._response_framing, self._response_wanted, limits)

    def parser_of(self, direction_is_client: bool) -> MessageParser:  # noqa: FBT001  # two directions, one question
        return self.request_parser if direction_is_client != self.swapped else self.response_parser

    def asked(self) -> Message | None:
        """The request that the next response answers: the oldest that waits, or the one still arriving."""
        return self.requests[0] if self.requests else self.request_parser.current

    def oldest_wanted(self) -> tuple[int, int] | None:
        """(time, frame) of the oldest request that looks like SCEP and has no answer yet."""
        for message in self.requests:
            if message.wanted:
                return message.time_ns or 0, message.frames[0]
        current = self.request_parser.current
        if current is not None and current.wanted:
            return current.time_ns or 0, current.frames[0]
        return None

    def _response_wanted(self, message: Message) -> bool:
        asked = self.asked()
        return looks_like_scep(message.head) or (asked is not None and asked.wanted)

    def _response_framing(self, message: Message) -> tuple[str, int]:
        head = message.head
        asked = self.asked()
        method = asked.head.method.upper() if asked is not None and isinstance(asked.head, RequestHead) else None
        status = head.status if isinstance(head, ResponseHead) else 0
        if status < 200 or status in (204, 304) or method == "HEAD":
            return "none", 0
        if method == "CONNECT" and status < 300:
            return "tunnel", 0  # what follows starts anew, and is read if it is HTTP again
        if is_chunked(message):
            return "chunked", 0
        length = content_length(message)
        return ("close", 0) if length is None else ("length", length)


def _request_framing(message: Message) -> tuple[str, int]:
    if is_chunked(message):
        return "chunked", 0
    return "length", content_length(message) or 0


class Pairing(Stage[StreamEvent | ConnectionFailure, Out]):
    """Stream events → HTTP exchanges.

    Exchanges whose request looks like SCEP leave in the order of their requests; others as they end.
    """

    def __init__(self, limits: Limits = LIMITS) -> None:
        self._limits = limits
        self._conversations: dict[int, _Conversation] = {}
        self._open: dict[int, tuple[int, int]] = {}
        self._ready: list[tuple[int, int, int, HttpExchange]] = []
        self._ties = itertools.count()
        self._tls: Counter[Endpoint] = Counter()
        self._first_tls_frame = 0

    def feed(self, item: StreamEvent | ConnectionFailure) -> Iterator[Out | Anomaly]:
        """Take one event of a connection."""
        if isinstance(item, ConnectionFailure):
            yield item
            return
        number = item.connection.number
        conversation = self._conversations.get(number)
        if conversation is None:
            if isinstance(item, Closed):
                return
            conversation = self._conversations[number] = _Conversation(item.connection, self._limits)
            if isinstance(item, Data) and item.content.startswith(_TLS_HANDSHAKE):
                self._tls[item.connection.server] += 1
                self._first_tls_frame = self._first_tls_frame or item.frame
        yield from self._event(conversation, item)
        if len(conversation.ended) == 2:
            del self._conversations[number]
        oldest = conversation.oldest_wanted()
        if oldest is not None and len(conversation.ended) < 2:
            self._open[number] = oldest
        elif self._open.pop(number, None) is None and not self._ready:
            return
        yield from self._release()

    def finish(self) -> Iterator[Out | Anomaly]:
        """Everything has been closed by the stage before; give what still waits for its turn."""
        self._open.clear()
        yield from self._release()
        if self._tls:
            yield self._opaque()

    def _opaque(self) -> Anomaly:
        count = self._tls.total()
        busiest = [str(server) for server, _ in self._tls.most_common(_MOST_TLS_SERVERS)]
        servers = ", ".join(busiest) + (", …" if len(self._tls) > len(busiest) else "")
        connections = "1 connection is" if count == 1 else f"{count:,} connections are"
        return Anomaly(
            "http",
            "tls-not-decrypted",
            (self._first_tls_frame,),
            f"{connections} TLS ({servers}); SCEP inside cannot be seen",
        )

    def _release(self) -> Iterator[HttpExchange]:
        while self._ready:
            bar = min(self._open.values(), default=None)
            full = len(self._ready) > self._limits.reordered_exchanges
            if bar is not None and self._ready[0][:2] > bar and not full:
                return
            yield heapq.heappop(self._ready)[3]

    def _event(self, conversation: _Conversation, item: StreamEvent) -> Iterator[Out | Anomaly]:
        from_client = item.connection.client == _sender(item)
        if isinstance(item, Data):
            if not conversation.decided:
                _decide_roles(conversation, item, from_client)
            messages = conversation.parser_of(from_client).feed(item)
        elif isinstance(item, Gap):
            messages = conversation.parser_of(from_client).gap(item.length)
            detail = f"tcp.stream {item.connection.number}: {item.length:,} bytes missing from the {item.direction.value} ({item.reason})"
            conversation.gaps.append(Anomaly("tcp", "gap", (item.frame,), detail))
        else:
            conversation.ended.add(item.direction)
            conversation.how = item.how
            if from_client == conversation.swapped:
                conversation.server_ended = item.how
            messages = conversation.parser_of(from_client).close(item.how)
        is_request = from_client != conversation.swapped
        for message in messages:
            conversation.carries_scep |= message.wanted
            for code, detail in message.notes:
                yield Anomaly("http", code, tuple(message.frames), detail)
            message.notes.clear()
            if is_request:
                conversation.requests.append(message)
            elif not (
                isinstance(message.head, ResponseHead) and message.head.status < 200 and message.head.status != 101
            ):
                conversation.responses.append(message)
            yield from self._pair(conversation)
        if isinstance(item, Gap) and not is_request and conversation.response_parser.lost_start:
            conversation.resync, conversation.response_parser.lost_start = True, False
        if conversation.carries_scep:
            yield from conversation.gaps
            conversation.gaps.clear()
        del conversation.gaps[self._limits.anomalies_each :]
        if isinstance(item, Closed):
            yield from self._pair(conversation)
            if len(conversation.ended) == 2:
                yield from self._leave(conversation)
        elif len(conversation.requests) > self._limits.pipelined_requests:
            yield from self._emit(conversation, conversation.requests.popleft(), None, "limit")

    def _pair(self, conversation: _Conversation) -> Iterator[HttpExchange | Anomaly]:
        requests, responses = conversation.requests, conversation.responses
        while responses:
            response = responses[0]
            if conversation.resync:
                # A response was lost: requests that this server had not yet read when it answered come later.
                while (
                    len(requests) > 1
                    and response.acknowledged is not None
                    and requests[1].start < response.acknowledged
                ):
                    yield from self._emit(conversation, requests.popleft(), None, "lost")
                conversation.resync = False
            asked = conversation.asked()
            if asked is not None and _answers(response, asked):
                if not requests:
                    return  # it answers a request that is still arriving, or that a hole will end
                yield from self._emit(conversation, requests.popleft(), responses.popleft(), None)
            elif asked is not None or len(conversation.ended) == 2:
                yield from self._emit(conversation, None, responses.popleft(), None)
            else:
                return  # its request may have been captured after it
        while requests and conversation.server_ended and conversation.response_parser.current is None:
            yield from self._emit(conversation, requests.popleft(), None, conversation.server_ended)

    def _leave(self, conversation: _Conversation) -> Iterator[HttpExchange | Anomaly]:
        while conversation.requests:
            yield from self._emit(conversation, conversation.requests.popleft(), None, conversation.how)

    def _emit(
        self, conversation: _Conversation, request: Message | None, response: Message | None, gone: str | None
    ) -> Iterator[HttpExchange | Anomaly]:
        client, server = conversation.connection.client, conversation.connection.server
        if conversation.swapped:
            client, server = server, client
        if request is not None and request.wanted and response is not None:
            response.wanted = True
        asked = _request(request, self._limits) if request is not None else None
        answer = _response(response, self._limits) if response is not None else None
        for message in (request, response):
            for code, detail in message.notes if message is not None else ():
                yield Anomaly("http", code, tuple(message.frames) if message else (), detail)
        exchange = HttpExchange(conversation.connection.number, client, server, asked, answer, gone)
        if any(message is not None and message.wanted for message in (request, response)):
            entry = (exchange.time_ns or 0, exchange.frame, next(self._ties), exchange)
            heapq.heappush(self._ready, entry)
        else:
            yield exchange


def _sender(item: StreamEvent) -> Endpoint:
    connection = item.connection
    return connection.client if item.direction.value == "client" else connection.server


def _decide_roles(conversation: _Conversation, data: Data, from_client: bool) -> None:  # noqa: FBT001  # as parser_of
    """Without a SYN the roles are a guess; the first HTTP message corrects it."""
    if starts_request(data.content):
        conversation.swapped, conversation.decided = not from_client, True
    elif starts_response(data.content):
        conversation.swapped, conversation.decided = from_client, True


def _answers(response: Message, request: Message) -> bool:
    """Whether the server had received any of the request when it sent the response."""
    return response.acknowledged is None or request.start < response.acknowledged


def _request(message: Message, limits: Limits) -> Request:
    head = message.head
    assert isinstance(head, RequestHead)  # noqa: S101  # the request parser makes no other
    body = body_of(message, limits)
    return Request(
        head.method,
        head.target,
        head.version,
        head.headers,
        body,
        tuple(message.frames),
        message.time_ns,
        message.complete,
        message.cut_by,
    )


def _response(message: Message, limits: Limits) -> Response:
    head = message.head
    assert isinstance(head, ResponseHead)  # noqa: S101  # the response parser makes no other
    body = body_of(message, limits)
    return Response(
        head.status,
        head.reason,
        head.version,
        head.headers,
        body,
        tuple(message.frames),
        message.time_ns,
        message.complete,
        message.cut_by,
    )
