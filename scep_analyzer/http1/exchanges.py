"""Messages of both directions → exchanges: which response answers which request.

Responses answer requests in order (RFC 9112, Section 9.3.2). Where the capture misses one, the TCP acknowledgment number that the
response carries tells which requests its server had received.
"""

import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from urllib.parse import unquote

from scep_analyzer.http1.bodies import body_of
from scep_analyzer.http1.heads import RequestHead, ResponseHead, starts_request, starts_response
from scep_analyzer.http1.messages import REQUESTS, RESPONSES, Budget, Message, MessageParser, content_length, is_chunked
from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.exchanges import BYSTANDERS, HttpExchange, Request, Response, header
from scep_analyzer.model.limits import LIMITS, Limits
from scep_analyzer.model.packets import Endpoint
from scep_analyzer.model.stage import Stage
from scep_analyzer.model.streams import (
    Closed,
    Connection,
    ConnectionFacts,
    ConnectionFailure,
    Data,
    Direction,
    Gap,
    Pieces,
    Repeat,
    StreamEvent,
)

Out = HttpExchange | ConnectionFailure | ConnectionFacts

# Types that carry SCEP or the CMS and certificates it is made of (RFC 8894, Section 4; others are what clients tolerate).
SCEP_TYPES = ("x-pki-message", "x-x509", "pkcs7", "pkix-cert")
# How GetCACaps, GetCACert, GetCACertChain, GetNextCACert and PKIOperation begin; a request may be cut inside the word.
_OPERATIONS = ("getca", "getne", "pkiop")


def names_operation(target: str) -> bool:
    """Whether a request target may name an operation of SCEP's; `?operation=view` on some web page does not.

    Also what belongs to an enrollment and is none: NDES's administration page, its policy module's question, a CRL.
    """
    return _mentions(target.lower()) or ("%" in target and _mentions(unquote(target, "latin-1").lower()))


def _mentions(plain: str) -> bool:
    return ("operation" in plain and any(each in plain for each in _OPERATIONS)) or any(
        each in plain for each in BYSTANDERS
    )


def looks_like_scep(head: RequestHead | ResponseHead) -> bool:
    """Whether a head alone says that the body may be SCEP's."""
    if isinstance(head, RequestHead) and names_operation(head.target):
        return True
    kind = (header(head.headers, "content-type") or "").lower()
    return any(each in kind for each in SCEP_TYPES)


Expect = Callable[[int, Endpoint, int, bytes | None], None]
_WORTH_BYTES = 256
"""Fewer bytes are hardly more than one segment."""
_MARGIN_BYTES = 5 << 20
"""What waits elsewhere (4 MiB at the most) is not counted yet in what all bodies may take: beyond this nothing waits."""


class _Conversation:
    """One connection: its two parsers and the messages that wait for their counterpart."""

    def __init__(self, connection: Connection, limits: Limits, budget: Budget) -> None:
        self.connection = connection
        self.swapped = False
        self.decided = connection.opening_seen
        self.requests: list[Message] = []
        self.responses: list[Message] = []
        self.ended: set[object] = set()
        self.how: str | None = None
        self.server_ended: str | None = None
        self.resync = False
        self.oldest: tuple[int, int] | None = None
        self.carries_scep = False
        self.expected: set[Direction] = set()
        """Directions whose next bytes were told to end nothing."""
        self.repeats: list[Repeat] = []
        self.gaps: list[Gap] = []
        """Holes met before it is known whether the connection carries SCEP; on other connections they do not matter."""
        requests = self.requests
        request_parser = MessageParser(REQUESTS, _request_framing, _request_wanted, limits, budget=budget)

        def asked() -> Message | None:
            return requests[0] if requests else request_parser.current

        # Functions of these two alone: a method would tie the knot that only the garbage collector undoes.
        self.asked: Callable[[], Message | None] = asked
        """The request that the next response answers: the oldest that waits, or the one still arriving."""
        self.request_parser = request_parser
        self.response_parser = MessageParser(
            RESPONSES,
            partial(_response_framing, asked),
            partial(_response_wanted, asked),
            limits,
            lambda: asked() is None,
            budget,
        )

    def parser_of(self, direction_is_client: bool) -> MessageParser:  # noqa: FBT001  # two directions, one question
        return self.request_parser if direction_is_client != self.swapped else self.response_parser

    def missing(self, gap: Gap) -> Anomaly:
        """Tell of a hole; whose bytes are missing is sure only now."""
        side = "client" if (gap.direction is Direction.FROM_CLIENT) != self.swapped else "server"
        detail = f"tcp.stream {self.connection.number}: {gap.length:,} bytes missing from the {side} ({gap.reason})"
        return Anomaly("tcp", "gap", (gap.frame,), detail)

    def oldest_wanted(self) -> tuple[int, int] | None:
        """(time, frame) of the oldest request that looks like SCEP and has no response yet."""
        for message in self.requests:
            if message.wanted:
                return message.time_ns or 0, message.frames[0]
        current = self.request_parser.current
        if current is not None and current.wanted:
            return current.time_ns or 0, current.frames[0]
        return None


def _response_wanted(asked: Callable[[], Message | None], message: Message) -> bool:
    request = asked()
    return looks_like_scep(message.head) or (request is not None and request.wanted)


def _response_framing(asked: Callable[[], Message | None], message: Message) -> tuple[str, int]:
    head, request = message.head, asked()
    method = request.head.method.upper() if request is not None and isinstance(request.head, RequestHead) else None
    status = head.status if isinstance(head, ResponseHead) else 0
    if status < 200 or status in (204, 304) or method == "HEAD":
        return "none", 0
    if method == "CONNECT" and status < 300:
        return "tunnel", 0  # what follows starts again, and is read if it is HTTP again
    if is_chunked(message):
        return "chunked", 0
    length = content_length(message)
    return ("close", 0) if length is None else ("length", length)


def _request_wanted(message: Message) -> bool:
    return looks_like_scep(message.head)


def _request_framing(message: Message) -> tuple[str, int]:
    if is_chunked(message):
        return "chunked", 0
    return "length", content_length(message) or 0


class Pairing(Stage[StreamEvent | ConnectionFailure | ConnectionFacts, Out]):
    """Stream events → HTTP exchanges.

    Exchanges whose request looks like SCEP leave in the order of their requests; others as they end. ``expect`` is told how many
    bytes of a sender on a connection end nothing, so that earlier stages may put them together; ``hurry``, that nothing should wait.
    """

    def __init__(
        self, limits: Limits = LIMITS, expect: Expect | None = None, hurry: Callable[[], None] | None = None
    ) -> None:
        self._limits = limits
        self._expect, self._hurry = expect, hurry
        self._pressed = False
        """So little is left of what all bodies may take that nothing may wait."""
        self._conversations: dict[int, _Conversation] = {}
        self._open: dict[int, tuple[int, int]] = {}
        """Time and frame of the oldest SCEP request of each connection that waits for its response."""
        self._waits: list[tuple[int, int, int]] = []
        self._bar: tuple[int, int] | None = None
        """The oldest of those: what was asked later leaves later."""
        self._ready: list[tuple[int, int, int, HttpExchange]] = []
        self._budget = Budget(limits.held_bytes)
        self._ready_bytes = 0
        self._ties = itertools.count()
        self._copies = self._first_copy = 0
        self._scep: set[int] = set()
        """Connections that are over and carried SCEP, whose facts are still to come."""

    def feed(self, item: StreamEvent | ConnectionFailure | ConnectionFacts) -> list[Out | Anomaly]:
        """Take one event of a connection."""
        if isinstance(item, ConnectionFailure):
            return [item]
        if isinstance(item, ConnectionFacts):
            if item.connection.number not in self._scep:
                return []
            self._scep.discard(item.connection.number)
            return [item]
        number = item.connection.number
        conversation = self._conversations.get(number)
        if isinstance(item, Pieces) and (conversation is None or not conversation.decided):
            return [each for data in item.each for each in self.feed(data)]
        if conversation is None:
            if isinstance(item, Closed):
                return []
            conversation = self._conversations[number] = _Conversation(item.connection, self._limits, self._budget)
        given: list[Out | Anomaly] = []
        self._event(conversation, item, given)
        ended = len(conversation.ended) == 2
        if ended:
            del self._conversations[number]
            if conversation.carries_scep:
                self._scep.add(number)
                given += self._repeated(conversation)
        oldest = conversation.oldest_wanted() if not ended else None
        if oldest != conversation.oldest:
            conversation.oldest = oldest
            self._wait_for(number, oldest)
        if self._ready:
            given += self._release()
        if self._expect is not None and not ended:
            self._expecting(self._expect, conversation, item)
        return given

    def _expecting(self, expect: Expect, conversation: _Conversation, item: StreamEvent) -> None:
        """Tell how many bytes may come at once in this direction; that none may, where something else was told before."""
        direction, size, tail = item.direction, 0, None
        if conversation.decided:
            size, tail = conversation.parser_of(direction is Direction.FROM_CLIENT).unending()
        pressed = self._budget.left < _MARGIN_BYTES
        if pressed:
            size = 0
            if not self._pressed and self._hurry is not None:
                self._hurry()
        self._pressed = pressed
        if size < _WORTH_BYTES:
            if direction not in conversation.expected:
                return
            conversation.expected.discard(direction)
            size = 0
        else:
            conversation.expected.add(direction)
        connection = item.connection
        expect(
            connection.number,
            connection.client if direction is Direction.FROM_CLIENT else connection.server,
            size,
            tail,
        )

    def _wait_for(self, number: int, oldest: tuple[int, int] | None) -> None:
        """Note what a connection waits for now, and find the oldest of all: a heap, whose outdated entries are passed over."""
        if oldest is None:
            del self._open[number]
        else:
            self._open[number] = oldest
            heapq.heappush(self._waits, (*oldest, number))
            if len(self._waits) > 2 * len(self._open) + 64:
                self._waits = [(*each, which) for which, each in self._open.items()]
                heapq.heapify(self._waits)
        while self._waits and self._open.get(self._waits[0][2]) != self._waits[0][:2]:
            heapq.heappop(self._waits)
        self._bar = self._waits[0][:2] if self._waits else None

    def _repeated(self, conversation: _Conversation) -> Iterator[Anomaly]:
        """Count copies over all connections that carry SCEP; name each place with two readings."""
        number = conversation.connection.number
        for each in conversation.repeats:
            if each.differs:
                side = "client" if (each.direction is Direction.FROM_CLIENT) != conversation.swapped else "server"
                what = f"tcp.stream {number}: bytes of the {side} come again and differ; those that came first are read"
                yield Anomaly("tcp", "overlap-differs", (each.frame,), what)
            else:
                self._copies += 1
                self._first_copy = self._first_copy or each.frame

    def finish(self) -> Iterator[Out | Anomaly]:
        """Everything has been closed by the stage before; give what still waits for its turn."""
        self._bar = None
        yield from self._release()
        if self._copies:
            packets = (
                "1 packet with SCEP appears" if self._copies == 1 else f"{self._copies:,} packets with SCEP appear"
            )
            detail = f"{packets} more than once, as in captures at several points of one host"
            yield Anomaly("tcp", "packets-twice", (self._first_copy,), detail)

    def _release(self) -> Iterator[HttpExchange]:
        bar = self._bar
        while self._ready:
            full = len(self._ready) > self._limits.reordered_exchanges or self._ready_bytes > self._limits.held_bytes
            if bar is not None and self._ready[0][:2] > bar and not full:
                return
            exchange = heapq.heappop(self._ready)[3]
            self._ready_bytes -= _bytes_of(exchange)
            yield exchange

    def _event(self, conversation: _Conversation, item: StreamEvent, given: list[Out | Anomaly]) -> None:
        from_client = item.direction is Direction.FROM_CLIENT
        if isinstance(item, Repeat):
            conversation.repeats.append(item)
            del conversation.repeats[self._limits.anomalies_each :]
            return
        if isinstance(item, Data):
            parser = conversation.parser_of(from_client)
            if not conversation.decided and not parser.pending:  # what continues a start says nothing
                _decide_roles(conversation, item, from_client)
                parser = conversation.parser_of(from_client)
            messages: Iterable[Message] = parser.feed(item)
        elif isinstance(item, Pieces):
            messages = conversation.parser_of(from_client).feed_pieces(item)
        elif isinstance(item, Gap):
            parser = conversation.parser_of(from_client)
            if not parser.foreign:  # what is missing of another protocol's talk is none of ours
                conversation.gaps.append(item)
            messages = parser.gap(item)
        else:
            conversation.ended.add(item.direction)
            conversation.how = item.how
            if from_client == conversation.swapped:
                conversation.server_ended = item.how
            messages = conversation.parser_of(from_client).close(item.how)
        is_request = from_client != conversation.swapped
        for message in messages:
            conversation.carries_scep |= message.wanted
            if is_request:
                conversation.requests.append(message)
            elif not (
                isinstance(message.head, ResponseHead) and message.head.status < 200 and message.head.status != 101
            ):
                conversation.responses.append(message)
            self._pair(conversation, given)
        if isinstance(item, Data | Pieces) and not conversation.gaps:
            return
        if isinstance(item, Gap) and not is_request and conversation.response_parser.lost_start:
            conversation.resync, conversation.response_parser.lost_start = True, False
        if conversation.carries_scep:
            given += map(conversation.missing, conversation.gaps)
            conversation.gaps.clear()
        del conversation.gaps[self._limits.anomalies_each :]
        if isinstance(item, Closed):
            self._pair(conversation, given)
            if len(conversation.ended) == 2:
                while conversation.requests:
                    self._emit(conversation, conversation.requests.pop(0), None, conversation.how, given)

    def _pair(self, conversation: _Conversation, given: list[Out | Anomaly]) -> None:
        requests, responses = conversation.requests, conversation.responses
        while responses:
            response = responses[0]
            if conversation.resync:
                # A response was lost: requests that this server had not yet read when it answered come later. What was
                # asked when all before this response had arrived was not answered by what is missing.
                while (
                    len(requests) > 1
                    and response.acknowledged is not None
                    and requests[1].start < response.acknowledged
                    and (requests[0].acknowledged or 0) < response.start
                ):
                    self._emit(conversation, requests.pop(0), None, "lost", given)
                conversation.resync = False
            asked = conversation.asked()
            if asked is not None and _answers(response, asked):
                if not requests:
                    return  # it answers a request that is still arriving, or that a hole will end
                self._emit(conversation, requests.pop(0), responses.pop(0), None, given)
            elif asked is not None or len(conversation.ended) == 2:
                self._emit(conversation, None, responses.pop(0), None, given)
            else:
                return  # its request may have been captured after it
        while requests and conversation.server_ended and conversation.response_parser.current is None:
            # Where a hole has swallowed what the server said, nobody knows whether it answered.
            gone = "lost" if conversation.resync else conversation.server_ended
            self._emit(conversation, requests.pop(0), None, gone, given)
        if len(requests) > self._limits.pipelined_requests:
            self._emit(conversation, requests.pop(0), None, "limit", given)

    def _emit(
        self,
        conversation: _Conversation,
        request: Message | None,
        response: Message | None,
        gone: str | None,
        given: list[Out | Anomaly],
    ) -> None:
        client, server = conversation.connection.client, conversation.connection.server
        if conversation.swapped:
            client, server = server, client
        if request is not None and request.wanted and response is not None:
            response.wanted = True
        asked = request_of(request, self._limits) if request is not None else None
        answer = response_of(response, self._limits) if response is not None else None
        exchange = HttpExchange(
            connection=conversation.connection.number,
            client=client,
            server=server,
            request=asked,
            response=answer,
            gone=gone,
        )
        self._budget.left += sum([len(each.body) for each in (request, response) if each is not None])
        if any(message is not None and message.wanted for message in (request, response)):
            entry = (exchange.time_ns or 0, exchange.frame, next(self._ties), exchange)
            heapq.heappush(self._ready, entry)
            self._ready_bytes += _bytes_of(exchange)
            for message in (request, response):
                for code, detail in message.notes if message is not None else ():
                    given.append(Anomaly("http", code, tuple(message.frames) if message else (), detail))
        else:
            if not conversation.carries_scep:
                conversation.gaps.clear()  # what was missing was none of SCEP's
            given.append(exchange)


def _bytes_of(exchange: HttpExchange) -> int:
    """How many bytes of bodies an exchange holds."""
    return sum([len(each.body.content or b"") for each in (exchange.request, exchange.response) if each is not None])


def _decide_roles(conversation: _Conversation, data: Data, from_client: bool) -> None:  # noqa: FBT001  # as parser_of
    """Without a SYN the roles are a guess; the first HTTP message corrects it."""
    if starts_request(data.content):
        conversation.swapped, conversation.decided = not from_client, True
    elif starts_response(data.content):
        conversation.swapped, conversation.decided = from_client, True


def _answers(response: Message, request: Message) -> bool:
    """Whether the server had received any of the request when it sent the response."""
    return response.acknowledged is None or request.start < response.acknowledged


def request_of(message: Message, limits: Limits) -> Request:
    """A request that was read, as a value."""
    head = message.head
    assert isinstance(head, RequestHead)  # noqa: S101  # the request parser makes no other
    body = body_of(message, limits)
    return Request(
        method=head.method,
        target=head.target,
        version=head.version,
        headers=head.headers,
        body=body,
        frames=tuple(message.frames),
        time_ns=message.time_ns,
        complete=message.complete,
        cut_by=message.cut_by,
        end_ns=message.end_ns,
        sliced=tuple(message.sliced),
    )


def response_of(message: Message, limits: Limits) -> Response:
    """A response that was read, as a value."""
    head = message.head
    assert isinstance(head, ResponseHead)  # noqa: S101  # the response parser makes no other
    body = body_of(message, limits)
    return Response(
        status=head.status,
        reason=head.reason,
        version=head.version,
        headers=head.headers,
        body=body,
        frames=tuple(message.frames),
        time_ns=message.time_ns,
        complete=message.complete,
        cut_by=message.cut_by,
        end_ns=message.end_ns,
        sliced=tuple(message.sliced),
    )
