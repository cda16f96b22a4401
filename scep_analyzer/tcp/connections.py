"""Segments → connections → stream events. Connection numbers are Wireshark's tcp.stream."""

from collections import OrderedDict
from collections.abc import Iterator

from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.limits import LIMITS, Limits
from scep_analyzer.model.packets import ACK, FIN, RST, SYN, Endpoint, Segment
from scep_analyzer.model.stage import Stage
from scep_analyzer.model.streams import Closed, Connection, ConnectionFailure, Data, Direction, Gap, StreamEvent
from scep_analyzer.tcp.reassembly import HalfStream, Hole, Piece

Event = StreamEvent | ConnectionFailure
Key = tuple[Endpoint, Endpoint]


class _Tracked:
    """A connection and its two directions."""

    __slots__ = (
        "by_source",
        "connection",
        "established",
        "failed",
        "first_sequence",
        "hole_since_ns",
        "streams",
        "syn_frames",
        "syn_time_ns",
    )

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.streams = {Direction.FROM_CLIENT: HalfStream(), Direction.FROM_SERVER: HalfStream()}
        self.by_source = {connection.client: Direction.FROM_CLIENT, connection.server: Direction.FROM_SERVER}
        self.first_sequence: dict[Endpoint, int] = {}
        """The first sequence number of each side, by which Wireshark tells a retransmitted SYN from reused ports."""
        self.syn_frames: list[int] = []
        self.syn_time_ns: int | None = None
        self.established = False
        self.failed = False
        self.hole_since_ns: int | None = None


class Reassembler(Stage[Segment, Event]):
    """TCP segments → ordered bytes of each direction (RFC 9293).

    A hole is waited for until the connection ends, the receiver has acknowledged it and ``hole_age_ns`` have passed, or a
    limit is reached; then it is a Gap. Checksums are not looked at: captures on the sending host hold unfinished ones.
    """

    def __init__(self, limits: Limits = LIMITS) -> None:
        self._limits = limits
        self._tracked: OrderedDict[Key, _Tracked] = OrderedDict()
        self._numbers = 0
        self._held = 0

    def feed(self, item: Segment) -> Iterator[Event | Anomaly]:
        """Take one segment."""
        key = (item.source, item.destination) if item.source < item.destination else (item.destination, item.source)
        tracked = self._tracked.get(key)
        if tracked is not None and self._reuses_ports(tracked, item):
            yield from self._close(tracked, "reused", item)
            del self._tracked[key]
            tracked = None
        if tracked is None:
            tracked = self._tracked[key] = self._open(item)
            if len(self._tracked) > self._limits.connections:
                _, oldest = self._tracked.popitem(last=False)
                yield from self._close(oldest, "limit", None)
                detail = f"more than {self._limits.connections:,} TCP connections at a time: the longest idle is closed"
                yield Anomaly("tcp", "limit-connections", (item.frame,), detail)
        else:
            self._tracked.move_to_end(key)
        tracked.first_sequence.setdefault(item.source, item.sequence if item.flags & SYN else item.sequence - 1)
        before = sum(stream.held for stream in tracked.streams.values())
        yield from self._segment(tracked, item)
        self._held += sum(stream.held for stream in tracked.streams.values()) - before
        yield from self._bound(tracked, item)

    def finish(self) -> Iterator[Event | Anomaly]:
        """The capture ends: everything still open is closed, in the order of the connections."""
        for tracked in sorted(self._tracked.values(), key=lambda each: each.connection.number):
            yield from self._close(tracked, "end-of-capture", None)
        self._tracked.clear()

    def _open(self, item: Segment) -> _Tracked:
        # A SYN comes from the client, a SYN-ACK from the server; else the first to speak is taken for the client.
        from_server = bool(item.flags & SYN and item.flags & ACK)
        client, server = (item.destination, item.source) if from_server else (item.source, item.destination)
        connection = Connection(self._numbers, client, server, bool(item.flags & SYN))
        self._numbers += 1
        return _Tracked(connection)

    @staticmethod
    def _reuses_ports(tracked: _Tracked, item: Segment) -> bool:
        """Whether this SYN opens a new connection on the ports of an old one (tcp.stream counts on then)."""
        if item.flags & (SYN | ACK) != SYN:
            return False
        first = tracked.first_sequence.get(item.source)
        ended = any(stream.fin is not None or stream.closed for stream in tracked.streams.values())
        return first is not None and (first != item.sequence or ended)

    def _segment(self, tracked: _Tracked, item: Segment) -> Iterator[Event]:
        direction = tracked.by_source[item.source]
        stream, other = tracked.streams[direction], tracked.streams[direction.opposite]
        sequence = item.sequence
        acknowledged = None
        if item.flags & ACK and not (item.flags & RST and not item.acknowledgment):
            acknowledged = other.offset(item.acknowledgment)
            if acknowledged > other.acknowledged:
                other.acknowledged, other.acknowledged_frame = acknowledged, item.frame
        if item.flags & SYN:
            sequence = (sequence + 1) % (1 << 32)
            stream.pin(sequence)
            if direction is Direction.FROM_CLIENT and not item.flags & ACK:
                if not tracked.syn_frames:
                    tracked.syn_time_ns = item.time_ns
                tracked.syn_frames.append(item.frame)
            else:
                tracked.established = True
                other.pin(item.acknowledgment)
        offset = stream.offset(sequence)
        if (item.payload or item.cut) and not stream.closed:
            tracked.established = True
            piece = Piece(offset, item.frame, item.time_ns, item.payload, item.cut, acknowledged)
            yield from self._events(tracked, direction, stream.add(piece))
        if item.flags & FIN and stream.fin is None:
            stream.fin, stream.fin_frame, stream.fin_time_ns = (
                offset + len(item.payload) + item.cut,
                item.frame,
                item.time_ns,
            )
        if item.flags & RST:
            yield from self._reset(tracked, item)
        elif stream.fin is not None and not stream.closed and not stream.waiting and stream.next >= stream.fin:
            stream.closed = True
            yield Closed(tracked.connection, direction, "fin", stream.fin_frame, stream.fin_time_ns)

    def _reset(self, tracked: _Tracked, item: Segment) -> Iterator[Event]:
        if tracked.syn_frames and not tracked.established and not tracked.failed:
            tracked.failed = True
            frames = (*tracked.syn_frames, item.frame)
            yield ConnectionFailure(tracked.connection, "refused", frames, tracked.syn_time_ns)
        else:
            yield from self._close(tracked, "rst", item)

    def _bound(self, tracked: _Tracked, item: Segment) -> Iterator[Event | Anomaly]:
        """Give up holes that will not be filled any more."""
        streams = tracked.streams
        if not any(stream.waiting for stream in streams.values()):
            tracked.hole_since_ns = None
            return
        now = item.time_ns or 0
        if tracked.hole_since_ns is None:
            tracked.hole_since_ns = now
        full = self._held > self._limits.all_out_of_order_bytes
        old = now - tracked.hole_since_ns > self._limits.hole_age_ns
        for direction, stream in streams.items():
            while stream.waiting:
                over = stream.held > self._limits.out_of_order_bytes or full
                over = over or len(stream.waiting) > self._limits.out_of_order_segments
                if not over and not (old and stream.acknowledged >= stream.waiting[0].offset):
                    break
                before = stream.held
                yield from self._events(tracked, direction, stream.give_up_hole("limit" if over else "lost"))
                self._held -= before - stream.held
                full = self._held > self._limits.all_out_of_order_bytes
                if over:
                    detail = f"tcp.stream {tracked.connection.number}: too many bytes wait for a missing segment, it is given up"
                    yield Anomaly("tcp", "limit-out-of-order", (item.frame,), detail)

    def _close(self, tracked: _Tracked, how: str, item: Segment | None) -> Iterator[Event]:
        if tracked.syn_frames and not tracked.established and not tracked.failed:
            tracked.failed = True
            yield ConnectionFailure(tracked.connection, "unanswered", tuple(tracked.syn_frames), tracked.syn_time_ns)
        for direction, stream in tracked.streams.items():
            if stream.closed:
                continue
            self._held -= stream.held
            yield from self._events(tracked, direction, stream.flush())
            stream.closed = True
            ended, at = ("fin", stream.fin_frame) if stream.fin is not None else (how, item.frame if item else None)
            time_ns = stream.fin_time_ns if stream.fin is not None else item.time_ns if item else None
            yield Closed(tracked.connection, direction, ended, at, time_ns)

    @staticmethod
    def _events(tracked: _Tracked, direction: Direction, items: Iterator[Piece | Hole]) -> Iterator[Data | Gap]:
        connection = tracked.connection
        for item in items:
            if isinstance(item, Hole):
                yield Gap(connection, direction, item.length, item.reason, item.frame)
            else:
                yield Data(
                    connection, direction, item.payload, item.frame, item.time_ns, item.offset, item.acknowledged
                )
