"""Stream events of HTTP/2 connections → exchanges (RFC 9113).

Frames are parsed by hyperframe and header blocks by hpack. A header block can be read only where all before it were: behind a hole, or
where the capture begins inside a connection, the direction is given up and said to be.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from hpack import Decoder, HPACKError
from hyperframe.exceptions import HyperframeError
from hyperframe.frame import ContinuationFrame, DataFrame, Frame, HeadersFrame, RstStreamFrame

from scep_analyzer.http1.exchanges import Pairing, looks_like_scep, request_of, response_of
from scep_analyzer.http1.heads import RequestHead, ResponseHead
from scep_analyzer.http1.messages import Budget, Message, keep_within
from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.exchanges import Header, HttpExchange
from scep_analyzer.model.limits import LIMITS, Limits
from scep_analyzer.model.stage import Stage
from scep_analyzer.model.streams import (
    Closed,
    Connection,
    ConnectionFacts,
    ConnectionFailure,
    Data,
    Direction,
    Gap,
    Repeat,
    StreamEvent,
)
from scep_analyzer.model.values import decimal

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
VERSION = "HTTP/2"
_FRAME_HEADER = 9
_LONGEST_FRAME = 1 << 20
"""A frame has 16 KiB unless its receiver allows more (RFC 9113, Section 4.2), which hardly one does."""
_MOST_TEXTS = 256
_SETTINGS = 4


def begins_http2(data: Data) -> bool:
    """Whether these first bytes of a connection are HTTP/2's: the client's preface, or the server's SETTINGS, which may come before it."""
    content = data.content
    if data.direction is Direction.FROM_CLIENT:
        return content.startswith(PREFACE[:16])
    return len(content) >= _FRAME_HEADER and content[0] == 0 and content[3] == _SETTINGS and content[5:9] == bytes(4)


@dataclass(slots=True)
class _Side:
    """One direction: bytes not read yet, which packets they came in, and the state of its header compression."""

    buffer: bytearray = field(default_factory=bytearray)
    spans: deque[list[int]] = field(default_factory=deque)
    """[bytes left, frame, time or -1] of each piece of the buffer."""
    decoder: Decoder = field(default_factory=Decoder)
    block: bytearray = field(default_factory=bytearray)
    """A header block whose CONTINUATION frames are still to come."""
    block_packets: list[tuple[int, int | None]] = field(default_factory=list)
    block_ends: bool = False
    lost: bool = False
    prefaced: bool = False
    texts: dict[bytes | str, str] = field(default_factory=dict)
    """Names and values of fields: header compression repeats them, each time for a byte."""

    def text(self, value: bytes | str) -> str:
        """A name or value as text, the same object for the same bytes."""
        known = self.texts.get(value)
        if known is None:
            if len(self.texts) >= _MOST_TEXTS:
                self.texts.clear()
            known = self.texts[value] = _text(value)
        return known


@dataclass(slots=True)
class _Stream:
    """One request and its response."""

    request: Message | None = None
    response: Message | None = None


@dataclass(slots=True)
class _Conversation:
    connection: Connection
    sides: dict[Direction, _Side] = field(default_factory=lambda: {each: _Side() for each in Direction})
    streams: dict[int, _Stream] = field(default_factory=dict)
    ended: set[Direction] = field(default_factory=set)
    how: str = "end-of-capture"
    full: bool = False
    """Whether streams had to be let go."""


class Http2(Stage[StreamEvent, HttpExchange]):
    """Exchanges leave as they end; those that cannot be SCEP's leave without their bodies."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self._limits = limits
        self._conversations: dict[int, _Conversation] = {}
        self._budget = Budget(limits.held_bytes)

    def feed(self, item: StreamEvent) -> Iterator[HttpExchange | Anomaly]:
        """Take one event of a connection."""
        number = item.connection.number
        conversation = self._conversations.setdefault(number, _Conversation(item.connection))
        side = conversation.sides[item.direction]
        if isinstance(item, Data):
            if not side.lost:
                side.buffer += item.content
                side.spans.append([len(item.content), item.frame, -1 if item.time_ns is None else item.time_ns])
                yield from self._frames(conversation, side, item.direction)
        elif isinstance(item, Gap):
            yield self._give_up(conversation, side, item.frame, "bytes are missing")
        elif isinstance(item, Closed):
            conversation.ended.add(item.direction)
            conversation.how = item.how
            if len(conversation.ended) == 2:
                del self._conversations[number]
                for stream in conversation.streams.values():
                    yield from self._emit(conversation, stream, conversation.how)
        else:
            assert isinstance(item, Repeat)  # noqa: S101  # no other kind is left

    def _give_up(self, conversation: _Conversation, side: _Side, frame: int, why: str) -> Anomaly:
        """Nothing more of this direction can be read."""
        side.lost = True
        side.buffer.clear()
        side.spans.clear()
        what = f"tcp.stream {conversation.connection.number}: {why}; what comes after it in HTTP/2 cannot be read"
        return Anomaly("http", "http2-damaged", (frame,), what)

    def _frames(
        self, conversation: _Conversation, side: _Side, direction: Direction
    ) -> Iterator[HttpExchange | Anomaly]:
        if direction is Direction.FROM_CLIENT and not side.prefaced:
            if len(side.buffer) < len(PREFACE):
                return
            side.prefaced = True
            self._taken(side, len(PREFACE))
        while len(side.buffer) >= _FRAME_HEADER:
            length = int.from_bytes(side.buffer[:3], "big")
            if length > _LONGEST_FRAME:
                why = f"a frame claims {length:,} bytes (limit-frame)"
                yield self._give_up(conversation, side, side.spans[0][1], why)
                return
            if len(side.buffer) < _FRAME_HEADER + length:
                return
            content = memoryview(bytes(side.buffer[: _FRAME_HEADER + length]))
            packets = self._taken(side, _FRAME_HEADER + length)
            try:
                frame, _ = Frame.parse_frame_header(content[:_FRAME_HEADER])
                frame.parse_body(content[_FRAME_HEADER:])
                yield from self._frame(conversation, side, direction, frame, packets)
            except (HyperframeError, HPACKError, ValueError) as error:
                why = f"a frame is damaged ({type(error).__name__})"
                yield self._give_up(conversation, side, packets[-1][0], why)
                return

    @staticmethod
    def _taken(side: _Side, size: int) -> list[tuple[int, int | None]]:
        """Take bytes off the buffer; gives the packets that carried them, with their times."""
        del side.buffer[:size]
        packets = []
        while size:
            span = side.spans[0]
            packets.append((span[1], span[2] if span[2] >= 0 else None))
            used = min(size, span[0])
            size -= used
            span[0] -= used
            if not span[0]:
                side.spans.popleft()
        return packets

    def _frame(
        self,
        conversation: _Conversation,
        side: _Side,
        direction: Direction,
        frame: Frame,
        packets: list[tuple[int, int | None]],
    ) -> Iterator[HttpExchange | Anomaly]:
        number = frame.stream_id
        if isinstance(frame, HeadersFrame | ContinuationFrame):
            side.block += frame.data
            side.block_packets += [each for each in packets if side.block_packets[-1:] != [each]]
            if isinstance(frame, HeadersFrame):
                side.block_ends = "END_STREAM" in frame.flags
            if len(side.block) > self._limits.header_bytes:
                raise ValueError("header block")
            if "END_HEADERS" in frame.flags:
                headers = side.decoder.decode(bytes(side.block), raw=True)
                packets = side.block_packets
                side.block, side.block_packets = bytearray(), []
                stream = conversation.streams.get(number)
                if stream is None:
                    stream = conversation.streams[number] = _Stream()
                    yield from self._within_bounds(conversation, packets[-1][0])
                fields = [(side.text(name), side.text(value)) for name, value, *_ in headers]
                self._headers(stream, direction, fields, packets)
                if side.block_ends:
                    yield from self._ended(conversation, number, direction)
        elif isinstance(frame, DataFrame):
            message = self._message(conversation.streams.get(number), direction)
            if message is not None:
                self._body(message, bytes(frame.data), packets)
            if "END_STREAM" in frame.flags:
                yield from self._ended(conversation, number, direction)
        elif isinstance(frame, RstStreamFrame) and number in conversation.streams:
            yield from self._emit(conversation, conversation.streams.pop(number), "rst")

    def _within_bounds(self, conversation: _Conversation, frame: int) -> Iterator[Anomaly]:
        """Let the oldest stream go where too many are open: twenty bytes open one that names a header of four thousand."""
        if len(conversation.streams) <= self._limits.streams:
            return
        if not conversation.full:
            conversation.full = True
            number, most = conversation.connection.number, self._limits.streams
            what = f"tcp.stream {number}: more than {most:,} streams are open: the oldest ones are left out"
            yield Anomaly("http", "limit-streams", (frame,), what)
        left_out = conversation.streams.pop(next(iter(conversation.streams)))
        self._budget.left += sum([len(each.body) for each in (left_out.request, left_out.response) if each is not None])

    def _headers(
        self,
        stream: _Stream,
        direction: Direction,
        fields: list[tuple[str, str]],
        packets: list[tuple[int, int | None]],
    ) -> None:
        pseudo = {name: value for name, value in fields if name.startswith(":")}
        headers: list[Header] = [(name, value) for name, value in fields if not name.startswith(":")]
        head: RequestHead | ResponseHead
        if direction is Direction.FROM_CLIENT and stream.request is None:
            if ":authority" in pseudo:
                headers.insert(0, ("host", pseudo[":authority"]))
            head = RequestHead(pseudo.get(":method", ""), pseudo.get(":path", ""), VERSION, tuple(headers))
            stream.request = _begun(head, packets)
            stream.request.wanted = stream.request.kept = looks_like_scep(head)
        elif direction is Direction.FROM_SERVER and stream.response is None:
            status = decimal(pseudo.get(":status"), 3)
            if status is None or status < 200:  # an interim answer (RFC 9113, Section 8.1)
                return
            head = ResponseHead(status, "", VERSION, tuple(headers))
            stream.response = _begun(head, packets)
            asked = stream.request is not None and stream.request.wanted
            stream.response.wanted = stream.response.kept = asked or looks_like_scep(head)

    def _body(self, message: Message, content: bytes, packets: list[tuple[int, int | None]]) -> None:
        if content:
            _carried(message, packets)
        message.length += len(content)
        if message.kept and not message.overflow:
            keep_within(message, content, self._limits.body_bytes, self._budget)

    @staticmethod
    def _message(stream: _Stream | None, direction: Direction) -> Message | None:
        if stream is None:
            return None
        return stream.request if direction is Direction.FROM_CLIENT else stream.response

    def _ended(
        self, conversation: _Conversation, number: int, direction: Direction
    ) -> Iterator[HttpExchange | Anomaly]:
        stream = conversation.streams.get(number)
        message = self._message(stream, direction)
        if stream is None or message is None:
            return
        message.complete = True
        if stream.response is not None and stream.response.complete:
            del conversation.streams[number]
            yield from self._emit(conversation, stream, None)

    def _emit(self, conversation: _Conversation, stream: _Stream, gone: str | None) -> Iterator[HttpExchange | Anomaly]:
        request, response = stream.request, stream.response
        if request is None and response is None:
            return
        for message in (request, response):
            if message is not None and not message.complete:
                message.cut_by = gone
        lost = conversation.sides[Direction.FROM_SERVER].lost
        asked = request_of(request, self._limits) if request is not None else None
        answer = response_of(response, self._limits) if response is not None else None
        self._budget.left += sum([len(each.body) for each in (request, response) if each is not None])
        for message in (request, response):
            if message is not None and message.wanted:
                for code, detail in message.notes:
                    yield Anomaly("http", code, tuple(message.frames), detail)
        client, server = conversation.connection.client, conversation.connection.server
        why = None if answer is not None else "lost" if lost else gone
        yield HttpExchange(
            connection=conversation.connection.number,
            client=client,
            server=server,
            request=asked,
            response=answer,
            gone=why,
        )


def _begun(head: RequestHead | ResponseHead, packets: list[tuple[int, int | None]]) -> Message:
    message = Message(head=head, start=0, acknowledged=None, time_ns=packets[0][1])
    _carried(message, packets)
    return message


def _carried(message: Message, packets: list[tuple[int, int | None]]) -> None:
    """Note the packets that carried a part of a message."""
    message.end_ns = packets[-1][1]
    message.frames += (frame for frame, _ in packets if not message.frames or frame > message.frames[-1])


def _text(value: bytes | str) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


class EitherHttp(Stage[StreamEvent, HttpExchange | ConnectionFailure | ConnectionFacts]):
    """HTTP of either version: the first bytes of a connection tell."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self._limits = limits
        self._older, self._newer = Pairing(limits), Http2(limits)
        self._is_newer: dict[int, bool] = {}

    def feed(self, item: StreamEvent) -> Iterable[HttpExchange | ConnectionFailure | ConnectionFacts | Anomaly]:
        """Take one event of a connection."""
        number = item.connection.number
        if number not in self._is_newer and isinstance(item, Data):
            self._is_newer[number] = begins_http2(item)
            if len(self._is_newer) > self._limits.connections:
                del self._is_newer[next(iter(self._is_newer))]
        return (self._newer if self._is_newer.get(number) else self._older).feed(item)

    def finish(self) -> Iterable[HttpExchange | ConnectionFailure | ConnectionFacts | Anomaly]:
        """Give what still waits for its turn."""
        return self._older.finish()
