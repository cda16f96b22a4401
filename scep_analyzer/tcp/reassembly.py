"""One direction of a connection: segments in any order → each byte once, in order.

Offsets count bytes of the direction from its first known one and do not wrap. The first copy of a byte counts, as in
Wireshark, whatever a retransmission holds.
"""

from bisect import insort
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from scep_analyzer.model.streams import Direction

WRAP = 1 << 32


class Piece(NamedTuple):
    """Payload that starts at ``offset``; ``cut`` more bytes were sent and not captured."""

    offset: int
    frame: int
    time_ns: int | None
    payload: bytes
    cut: int
    acknowledged: int | None

    @property
    def end(self) -> int:
        """The offset after the last byte, cut ones included."""
        return self.offset + len(self.payload) + self.cut


class Hole(NamedTuple):
    """Bytes that were sent and are not in the capture; ``frame`` proves it."""

    length: int
    reason: str
    frame: int


COPY_NS = 500_000
"""A capture of several points of one host holds a packet's copies within a few microseconds of each other."""

_SAME_PACKET_NS = 20_000_000
"""And of one packet at two points of a network, told by its IPv4 identification."""

_PERHAPS_SAME_NS = 5_000_000
"""The same without an identification (IPv6): a sender that repeats itself so soon has been told to on a very short way."""

_REMEMBERED = 4
"""Pieces that came last, to compare what overlaps them."""


class HalfStream:
    """What one side has sent so far."""

    __slots__ = (
        "acknowledged",
        "acknowledged_bare",
        "acknowledged_frame",
        "base",
        "closed",
        "direction",
        "fin",
        "fin_frame",
        "fin_time_ns",
        "held",
        "next",
        "pinned",
        "recent",
        "started",
        "waiting",
    )

    def __init__(self, direction: Direction) -> None:
        self.direction = direction
        self.base: int | None = None
        """The sequence number of offset 0."""
        self.next = 0
        """The offset of the next byte to deliver."""
        self.pinned = False
        """Whether ``base`` comes from a SYN, so that no byte can come before it."""
        self.started = False
        """Whether a byte has been delivered."""
        self.recent: deque[tuple[int, bytes, int | None, int]] = deque(maxlen=_REMEMBERED)
        """Offset, bytes, time and IP identification of the pieces that came last."""
        self.waiting: list[Piece] = []
        """Pieces behind a hole, by offset."""
        self.held = 0
        self.fin: int | None = None
        self.fin_frame = 0
        self.fin_time_ns: int | None = None
        self.acknowledged = 0
        """How far the other side says it has received."""
        self.acknowledged_frame = 0
        self.acknowledged_bare = True
        self.closed = False

    def offset(self, sequence: int) -> int:
        """The offset of a sequence number, the one nearest to where the stream is (RFC 9293, Section 3.4: it wraps)."""
        if self.base is None:
            self.base = sequence
        distance = (sequence - self.base - self.next) % WRAP
        return self.next + (distance - WRAP if distance >= WRAP // 2 else distance)

    def pin(self, sequence: int) -> None:
        """Set the first byte's sequence number, known from a SYN or from what the other side acknowledged."""
        if self.base is None:
            self.base = sequence
        if not self.started and not self.pinned:
            self.base, self.next = sequence, 0
        self.pinned = True

    def repeats(self, offset: int, payload: bytes, time_ns: int | None, ident: int = 0) -> str | None:
        """Whether bytes that came before come again, and how; None where nothing is known to overlap.

        ``copy``: the capture holds the packet twice; ``again``: it was sent again; ``differs``: it now says something else.
        """
        for start, content, when, other in self.recent:
            low, high = max(start, offset), min(start + len(content), offset + len(payload))
            if low >= high:
                continue
            if content[low - start : high - start] != payload[low - offset : high - offset]:
                return "differs"
            if (start, len(content)) == (offset, len(payload)):
                # A sender waits longer before it sends again: RFC 6298 says a second, stacks 200 ms, fast retransmission a round trip.
                # A packet that is sent again gets another identification; the copy of a mirror port has the same one.
                near = COPY_NS if ident != other else _SAME_PACKET_NS if ident else _PERHAPS_SAME_NS
                close = time_ns is not None and when is not None and abs(time_ns - when) <= near
                return "copy" if close else "again"
        return None

    def add(self, piece: Piece) -> Iterator[Piece | Hole]:
        """Take a piece; give what is now in order."""
        if not self.started and not self.pinned and piece.offset < self.next:
            # The capture began inside the stream: it starts where the receiver wanted its next byte, or with what was sent before.
            self.next = piece.offset
        if piece.end <= self.next:
            return
        if piece.offset > self.next:
            insort(self.waiting, piece)
            self.held += len(piece.payload)
            return
        yield from self._deliver(piece)
        yield from self._drain()

    def _deliver(self, piece: Piece) -> Iterator[Piece | Hole]:
        skip = self.next - piece.offset
        payload = piece.payload[skip:] if skip else piece.payload
        self.started = True
        if payload:
            yield piece if not skip else piece._replace(offset=self.next, payload=payload)
            self.next += len(payload)
        # A copy that the snaplen did not cut may already wait for these bytes.
        cut_to = min(piece.end, self.waiting[0].offset) if self.waiting else piece.end
        if piece.cut and cut_to > self.next:
            yield Hole(cut_to - self.next, "snaplen", piece.frame)
            self.next = cut_to

    def _drain(self) -> Iterator[Piece | Hole]:
        while self.waiting and self.waiting[0].offset <= self.next:
            piece = self.waiting.pop(0)
            self.held -= len(piece.payload)
            if piece.end > self.next:
                yield from self._deliver(piece)

    def give_up_hole(self, reason: str) -> Iterator[Piece | Hole]:
        """Stop waiting for the bytes before the first waiting piece."""
        if self.waiting:
            first = self.waiting[0]
            yield Hole(first.offset - self.next, reason, first.frame)
            self.next = first.offset
            yield from self._drain()

    def flush(self) -> Iterator[Piece | Hole]:
        """No more segments come: give everything that waits, and the hole at the end that only FIN or ACK numbers show."""
        while self.waiting:
            yield from self.give_up_hole("lost")
        end, frame = (
            (self.fin, self.fin_frame) if self.fin is not None else (self.acknowledged, self.acknowledged_frame)
        )
        # Without the FIN in the capture the last acknowledged number may be the FIN's own: one byte proves nothing.
        missing = end - self.next
        if (self.started or self.pinned) and missing > (0 if self.fin is not None else 1) and missing < WRAP // 4:
            yield Hole(missing, "lost", frame)
            self.next = end
