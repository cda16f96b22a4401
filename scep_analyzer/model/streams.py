"""What TCP reassembly gives: bytes in order, holes, and ends."""

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from scep_analyzer.model.packets import Endpoint


class Direction(Enum):
    """Who sent it. The client is who sent the SYN; without a SYN, who spoke first."""

    FROM_CLIENT = "client"
    FROM_SERVER = "server"


class Connection(NamedTuple):
    """A TCP connection; ``number`` is Wireshark's tcp.stream.

    ``opening_seen`` tells whether the SYN or SYN-ACK is in the capture; without it, client and server are a guess
    that HTTP may correct.
    """

    number: int
    client: Endpoint
    server: Endpoint
    opening_seen: bool


class Data(NamedTuple):
    """Bytes of one direction, in order, each byte once.

    ``offset`` counts the direction's bytes (0 = the first one known); ``acknowledged`` is the other direction's
    offset up to which the sender had received when it sent this, None where unknown.
    """

    connection: Connection
    direction: Direction
    content: bytes
    frame: int
    time_ns: int | None
    offset: int
    acknowledged: int | None


class Pieces(NamedTuple):
    """Data of one direction that came in several segments, of which all but the last end no HTTP message."""

    connection: Connection
    direction: Direction
    content: bytes
    each: tuple[Data, ...]


class Gap(NamedTuple):
    """Bytes that the capture does not hold. ``frame`` is the frame that proves they existed."""

    connection: Connection
    direction: Direction
    length: int
    reason: str
    """lost (not in the capture), snaplen (cut off), limit (given up waiting)."""
    frame: int


class Closed(NamedTuple):
    """No more bytes come from this direction.

    ``how``: fin, rst, reused (a new connection has taken the ports), limit, end-of-capture.
    """

    connection: Connection
    direction: Direction
    how: str
    frame: int | None
    time_ns: int | None


class ConnectionFailure(NamedTuple):
    """A connection that was asked for and never opened.

    ``how``: refused (RST answers the SYN) or unanswered (no SYN-ACK by the end of the capture). ``frames`` are those of the
    SYNs, then of the RST; ``time_ns`` is the first SYN's.
    """

    connection: Connection
    how: str
    frames: tuple[int, ...]
    time_ns: int | None


MOST_FRAMES = 16
"""Frames named of what happens often on a connection."""
_JITTER_NS = 1_000_000
"""Packets of two interfaces or queues are written this much out of order."""


@dataclass(slots=True)
class Side:
    """What one side of a connection did, as far as the capture shows. Counts of segments are of those that carry bytes."""

    packets: int = 0
    segments: int = 0
    octets: int = 0
    resent: list[int] = field(default_factory=list)
    """Frames of bytes that were sent again; the first few of them, ``resent_count`` counts all."""
    resent_count: int = 0
    resent_size: int = 0
    """Payload of the largest segment that was sent again."""
    unacknowledged: int = 0
    """Bytes at the end that the other side never acknowledged."""
    holes: list[tuple[int, int]] = field(default_factory=list)
    """Bytes that are not in the capture: the frame that proves them, and how many; the first few."""
    start: bytes = b""
    """Its first few bytes."""
    start_frame: int | None = None
    """The frame that carried them."""
    ttl: int = 0
    """TTL or hop limit of its packets, 0 where unknown."""
    fin_frame: int | None = None
    fin_ns: int | None = None
    kept_sizes: set[int] = field(default_factory=set)
    """How many bytes of its segments are left where the snaplen took the rest; the first few sizes."""
    shut_frame: int | None = None
    """The frame in which it closed its receive window, where it did not open it again."""

    def heard(self, frame: int, ttl: int, window: int) -> None:
        """Note what a packet's headers say of this side; ``window`` is -1 where it is not known."""
        self.ttl = ttl or self.ttl
        self.shut_frame = None if window else self.shut_frame or frame

    def carried(self, frame: int, payload: bytes, cut: int) -> None:
        """Note a segment with bytes, ``cut`` of which the snaplen took."""
        if not self.start and payload:
            self.start, self.start_frame = payload[:8], frame
        self.segments += 1
        self.octets += len(payload) + cut
        if cut and len(self.kept_sizes) < MOST_FRAMES:
            self.kept_sizes.add(len(payload))

    def sent_again(self, frame: int, size: int) -> None:
        """Note a retransmission."""
        self.resent_count += 1
        self.resent_size = max(self.resent_size, size)
        if len(self.resent) < MOST_FRAMES:
            self.resent.append(frame)


@dataclass(slots=True)
class ConnectionFacts:
    """A connection as TCP saw it, told when it is over. ``client`` is who sent the SYN or, without one, who spoke first.

    ``reset_frame`` is that of an RST after it was open, sent by the client where ``reset_by_client``, with ``reset_ttl``.
    ``backwards`` is the frame whose time lies furthest before that of an earlier packet, and by how much (nanoseconds).
    """

    connection: Connection
    first_frame: int
    first_ns: int | None
    client: Side = field(default_factory=Side)
    server: Side = field(default_factory=Side)
    reset_frame: int | None = None
    reset_ns: int | None = None
    reset_by_client: bool = False
    reset_ttl: int = 0
    backwards: tuple[int, int] | None = None
    last_ns: int | None = None

    def passed(self, frame: int, time_ns: int | None) -> None:
        """Note a packet's time."""
        if time_ns is None:
            return
        back = (self.last_ns or 0) - time_ns
        if back <= _JITTER_NS:
            self.last_ns = max(self.last_ns or 0, time_ns)
        elif self.backwards is None or back > self.backwards[1]:
            self.backwards = frame, back

    @property
    def one_way(self) -> bool:
        """Whether one side's packets are there and not one of the other's."""
        return bool(self.client.packets) != bool(self.server.packets)


class Repeat(NamedTuple):
    """Bytes that came before come again: the capture holds a packet twice or, where it ``differs``, other bytes for the same place."""

    connection: Connection
    direction: Direction
    frame: int
    differs: bool


class Tick(NamedTuple):
    """Time passes while nothing comes: a live capture's engine gives one now and then."""

    time_ns: int


StreamEvent = Data | Pieces | Gap | Closed | Repeat
