"""Segments → connections → stream events."""

from collections import OrderedDict
from collections.abc import Callable, Iterator

from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.limits import LIMITS, Limits
from scep_analyzer.model.packets import ACK, FIN, RST, SYN, Joined, Segment, ends_of, reversed_key
from scep_analyzer.model.stage import Stage
from scep_analyzer.model.streams import (
    MOST_FRAMES,
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
from scep_analyzer.tcp.reassembly import COPY_NS, HalfStream, Hole, Piece

Event = StreamEvent | ConnectionFailure | ConnectionFacts


class _Tracked:
    """A connection and its two directions."""

    __slots__ = (
        "client",
        "connection",
        "established",
        "facts",
        "failed",
        "from_client",
        "hole_since_ns",
        "last_syn_ns",
        "server",
        "syn_frames",
        "syn_time_ns",
    )

    def __init__(self, connection: Connection, from_client: bytes) -> None:
        self.connection = connection
        self.from_client = from_client
        """The key of the segments that the client sends."""
        self.client, self.server = HalfStream(Direction.FROM_CLIENT), HalfStream(Direction.FROM_SERVER)
        """What each side has sent."""
        self.syn_frames: list[int] = []
        self.syn_time_ns: int | None = None
        self.last_syn_ns = 0
        self.established = False
        self.failed = False
        self.hole_since_ns: int | None = None
        self.facts: ConnectionFacts


class Reassembler(Stage[Segment | Joined, Event]):
    """TCP segments, numbered by connection → ordered bytes of each direction (RFC 9293).

    A hole is waited for until the connection ends, the receiver has acknowledged it and ``hole_age_ns`` have passed, or a
    limit is reached; then it is a Gap. Checksums are not looked at: captures on the sending host hold unfinished ones.
    ``on_crowd`` is called where half as many connections are open as may be: no segments must wait to be joined from then on, because
    the longest idle connection will have to be known.
    """

    def __init__(self, limits: Limits = LIMITS, on_crowd: Callable[[], None] | None = None) -> None:
        self._limits = limits
        self._on_crowd = on_crowd
        self._tracked: OrderedDict[int, _Tracked] = OrderedDict()
        self._ended: OrderedDict[int, None] = OrderedDict()
        """Connections that are over, whose last segments may still come by."""
        self._by_key: dict[bytes, int] = {}
        """The open connection of each client key: its ports may be used again before it has ended."""
        self._held = 0

    def feed(self, item: Segment | Joined) -> list[Event | Anomaly]:
        """Take one segment, or several that come in order."""
        if isinstance(item, Joined):
            joined = self._run(item)
            return [joined] if joined is not None else [each for one in item.segments() for each in self.feed(one)]
        given: list[Event | Anomaly] = []
        tracked = self._tracked.get(item.stream)
        if tracked is None:
            if item.stream in self._ended:
                return given
            tracked = self._open(item, given)
        else:
            self._tracked.move_to_end(item.stream)
        client, server = tracked.client, tracked.server
        before = client.held + server.held
        self._segment(tracked, item, given)
        if client.waiting or server.waiting:
            self._held += client.held + server.held - before
            given += self._bound(tracked, item)
        else:
            self._held -= before
            tracked.hole_since_ns = None
        if client.closed and server.closed:
            given += self._over(item.stream, "fin", None)
        return given

    def _run(self, run: Joined) -> Pieces | None:
        """The same as one segment after another, at once; None where something is unusual."""
        tracked = self._tracked.get(run.stream)
        if tracked is None or tracked.client.waiting or tracked.server.waiting:
            return None
        facts = tracked.facts
        if run.key == tracked.from_client:
            stream, other, side = tracked.client, tracked.server, facts.client
        else:
            stream, other, side = tracked.server, tracked.client, facts.server
        offset = stream.next
        if stream.base is None or stream.closed or stream.fin is not None or stream.offset(run.sequence) != offset:
            return None
        self._tracked.move_to_end(run.stream)
        tracked.established = stream.started = True
        tracked.hole_since_ns = None
        acknowledged = other.offset(run.acknowledgment)
        if acknowledged > other.acknowledged or (acknowledged == other.acknowledged and other.acknowledged_bare):
            other.acknowledged, other.acknowledged_frame, other.acknowledged_bare = acknowledged, run.spans[0][0], False
        at, pieces, content = 0, [], run.content
        for frame, time_ns, size, ttl, ident, window in run.spans:
            piece = content[at : at + size]
            facts.passed(frame, time_ns)
            side.heard(frame, ttl, window)
            side.carried(frame, piece, 0)
            stream.recent.append((offset + at, piece, time_ns, ident))
            pieces.append(
                Data(  # by position, as above
                    tracked.connection, stream.direction, piece, frame, time_ns, offset + at, acknowledged
                )
            )
            at += size
        side.packets += len(pieces)
        stream.next += at
        return Pieces(tracked.connection, stream.direction, content, tuple(pieces))

    @property
    def is_crowded(self) -> bool:
        """Whether so many connections are open that segments must not wait to be joined."""
        return len(self._tracked) > self._limits.followed_connections // 2

    def finish(self) -> Iterator[Event | Anomaly]:
        """The capture ends: everything still open is closed, in the order of the connections."""
        for number in sorted(self._tracked):
            yield from self._over(number, "end-of-capture", None)

    def _over(self, number: int, how: str, item: Segment | None) -> Iterator[Event]:
        """Forget a connection, closing what is still open of it."""
        tracked = self._tracked.pop(number)
        self._held -= tracked.client.held + tracked.server.held
        yield from self._close(tracked, how, item)
        facts = tracked.facts
        for side, stream in ((facts.client, tracked.client), (facts.server, tracked.server)):
            side.fin_frame = stream.fin_frame or None
            side.fin_ns = stream.fin_time_ns
            side.unacknowledged = max(stream.next - stream.acknowledged, 0)
        yield facts
        if self._by_key.get(tracked.from_client) == number:
            del self._by_key[tracked.from_client]
        self._ended[number] = None
        if len(self._ended) > self._limits.followed_connections:
            self._ended.popitem(last=False)

    def _open(self, item: Segment, given: list[Event | Anomaly]) -> _Tracked:
        # A SYN comes from the client, a SYN-ACK from the server; else the first to speak is taken for the client.
        from_server = bool(item.flags & SYN and item.flags & ACK)
        from_client = reversed_key(item.key) if from_server else item.key
        client, server = ends_of(from_client)
        tracked = _Tracked(Connection(item.stream, client, server, bool(item.flags & SYN)), from_client)
        tracked.facts = ConnectionFacts(connection=tracked.connection, first_frame=item.frame, first_ns=item.time_ns)
        earlier = self._by_key.get(from_client, self._by_key.get(reversed_key(from_client)))
        if earlier is not None:
            given += self._over(earlier, "reused", item)
        self._tracked[item.stream] = tracked
        self._by_key[from_client] = item.stream
        if self._on_crowd is not None and len(self._tracked) == self._limits.followed_connections // 2 + 1:
            self._on_crowd()
        if len(self._tracked) > self._limits.followed_connections:
            given += self._over(next(iter(self._tracked)), "limit", None)
            detail = f"more than {self._limits.followed_connections:,} connections are followed at a time: the longest idle is closed"
            given.append(Anomaly("tcp", "limit-connections", (item.frame,), detail))
        return tracked

    def _segment(self, tracked: _Tracked, item: Segment, given: list[Event | Anomaly]) -> None:
        facts = tracked.facts
        if item.key == tracked.from_client:
            stream, other, side = tracked.client, tracked.server, facts.client
        else:
            stream, other, side = tracked.server, tracked.client, facts.server
        facts.passed(item.frame, item.time_ns)
        side.packets += 1
        if not item.flags & RST:
            side.heard(item.frame, item.ttl, item.window)
        sequence = item.sequence
        acknowledged = None
        if item.flags & ACK and not (item.flags & RST and not item.acknowledgment):
            acknowledged = other.offset(item.acknowledgment)
            bare = not item.payload
            # The frame that proves the bytes were sent: one that carries bytes itself, where there is one.
            if acknowledged > other.acknowledged or (
                acknowledged == other.acknowledged and other.acknowledged_bare and not bare
            ):
                other.acknowledged, other.acknowledged_frame, other.acknowledged_bare = acknowledged, item.frame, bare
        if item.flags & SYN:
            sequence = (sequence + 1) % (1 << 32)
            stream.pin(sequence)
            _opens(tracked, item, other if stream is tracked.server or item.flags & ACK else None)
        offset = stream.offset(sequence)
        if (item.payload or item.cut) and not stream.closed:
            tracked.established = True
            size = len(item.payload) + item.cut
            side.carried(item.frame, item.payload, item.cut)
            how = None
            if offset != stream.next and stream.recent:
                how = stream.repeats(offset, item.payload, item.time_ns, item.ident)
                if how in ("copy", "differs"):
                    given.append(Repeat(tracked.connection, stream.direction, item.frame, differs=how == "differs"))
            if offset + size <= stream.next and size > 1 and how != "copy":  # one byte is a keep-alive probe
                side.sent_again(item.frame, size)
            stream.recent.append((offset, item.payload, item.time_ns, item.ident))
            if offset == stream.next and not stream.waiting and not item.cut:  # the usual case
                stream.started = True
                stream.next += len(item.payload)
                given.append(
                    Data(  # by position, as all that there is one of for each segment
                        tracked.connection,
                        stream.direction,
                        item.payload,
                        item.frame,
                        item.time_ns,
                        offset,
                        acknowledged,
                    )
                )
            else:
                piece = Piece(offset, item.frame, item.time_ns, item.payload, item.cut, acknowledged)
                given += _events(tracked, stream, stream.add(piece))
        if item.flags & FIN and stream.fin is None:
            stream.fin, stream.fin_frame, stream.fin_time_ns = (
                offset + len(item.payload) + item.cut,
                item.frame,
                item.time_ns,
            )
        if item.flags & RST:
            given += self._reset(tracked, item)
        elif stream.fin is not None and not stream.closed and not stream.waiting and stream.next >= stream.fin:
            stream.closed = True
            given.append(
                Closed(
                    connection=tracked.connection,
                    direction=stream.direction,
                    how="fin",
                    frame=stream.fin_frame,
                    time_ns=stream.fin_time_ns,
                )
            )

    def _reset(self, tracked: _Tracked, item: Segment) -> Iterator[Event]:
        if tracked.syn_frames and not tracked.established and not tracked.failed:
            tracked.failed = True
            frames = (*tracked.syn_frames, item.frame)
            yield ConnectionFailure(tracked.connection, "refused", frames, tracked.syn_time_ns)
        else:
            facts = tracked.facts
            if facts.reset_frame is None:
                facts.reset_frame, facts.reset_ns, facts.reset_ttl = item.frame, item.time_ns, item.ttl
                facts.reset_by_client = item.key == tracked.from_client
            yield from self._close(tracked, "rst", item)

    def _bound(self, tracked: _Tracked, item: Segment) -> Iterator[Event | Anomaly]:
        """Give up holes that will not be filled any more."""
        now = item.time_ns or 0
        if tracked.hole_since_ns is None:
            tracked.hole_since_ns = now
        full = self._held > self._limits.all_out_of_order_bytes
        old = now - tracked.hole_since_ns > self._limits.hole_age_ns
        for stream in (tracked.client, tracked.server):
            while stream.waiting:
                over = stream.held > self._limits.out_of_order_bytes or full
                over = over or len(stream.waiting) > self._limits.out_of_order_segments
                if not over and not (old and stream.acknowledged >= stream.waiting[0].offset):
                    break
                before = stream.held
                yield from _events(tracked, stream, stream.give_up_hole("limit" if over else "lost"))
                self._held -= before - stream.held
                full = self._held > self._limits.all_out_of_order_bytes
                if over:
                    detail = f"tcp.stream {tracked.connection.number}: too many bytes wait for a missing segment, it is given up"
                    yield Anomaly("tcp", "limit-out-of-order", (item.frame,), detail)

    def _close(self, tracked: _Tracked, how: str, item: Segment | None) -> Iterator[Event]:
        if tracked.syn_frames and not tracked.established and not tracked.failed:
            tracked.failed = True
            yield ConnectionFailure(tracked.connection, "unanswered", tuple(tracked.syn_frames), tracked.syn_time_ns)
        for stream in (tracked.client, tracked.server):
            if stream.closed:
                continue
            yield from _events(tracked, stream, stream.flush())
            stream.closed = True
            ended, at = ("fin", stream.fin_frame) if stream.fin is not None else (how, item.frame if item else None)
            time_ns = stream.fin_time_ns if stream.fin is not None else item.time_ns if item else None
            yield Closed(
                connection=tracked.connection, direction=stream.direction, how=ended, frame=at, time_ns=time_ns
            )


def _opens(tracked: _Tracked, item: Segment, asker: HalfStream | None) -> None:
    """Note a SYN, or the SYN-ACK that answers it: ``asker`` is then the side that it answers."""
    if asker is not None:
        tracked.established = True
        asker.pin(item.acknowledgment)
        return
    if not tracked.syn_frames:
        tracked.syn_time_ns = item.time_ns
    if not tracked.last_syn_ns or (item.time_ns or 0) - tracked.last_syn_ns > COPY_NS:
        tracked.syn_frames.append(item.frame)  # a copy is no second attempt
    tracked.last_syn_ns = item.time_ns or 0


def _events(tracked: _Tracked, stream: HalfStream, items: Iterator[Piece | Hole]) -> Iterator[Data | Gap]:
    connection, facts = tracked.connection, tracked.facts
    for item in items:
        if isinstance(item, Hole):
            side = facts.client if stream is tracked.client else facts.server
            if item.reason != "snaplen" and len(side.holes) < MOST_FRAMES:
                side.holes.append((item.frame, item.length))
            yield Gap(
                connection=connection,
                direction=stream.direction,
                length=item.length,
                reason=item.reason,
                frame=item.frame,
            )
        else:
            offset, frame, time_ns, payload, _, acknowledged = item
            yield Data(connection, stream.direction, payload, frame, time_ns, offset, acknowledged)
