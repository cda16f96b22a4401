"""What TCP reassembly gives: bytes in order, holes, and ends."""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from scep_analyzer.model.packets import Endpoint


class Direction(Enum):
    """Who sent it. The client is who sent the SYN; without a SYN, who spoke first."""

    FROM_CLIENT = "client"
    FROM_SERVER = "server"


@dataclass(frozen=True, slots=True)
class Connection:
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


@dataclass(frozen=True, slots=True)
class Gap:
    """Bytes that the capture does not hold. ``frame`` is the frame that proves they existed."""

    connection: Connection
    direction: Direction
    length: int
    reason: str
    """lost (not in the capture), snaplen (cut off), limit (given up waiting)."""
    frame: int


@dataclass(frozen=True, slots=True)
class Closed:
    """No more bytes come from this direction.

    ``how``: fin, rst, reused (a new connection has taken the ports), limit, end-of-capture.
    """

    connection: Connection
    direction: Direction
    how: str
    frame: int | None
    time_ns: int | None


@dataclass(frozen=True, slots=True)
class ConnectionFailure:
    """A connection that was asked for and never opened.

    ``how``: refused (RST answers the SYN) or unanswered (no SYN-ACK by the end of the capture). ``frames`` are those of the
    SYNs, then of the RST; ``time_ns`` is the first SYN's.
    """

    connection: Connection
    how: str
    frames: tuple[int, ...]
    time_ns: int | None


@dataclass(frozen=True, slots=True)
class Repeat:
    """Bytes that came before come again: the capture holds a packet twice or, where it ``differs``, other bytes for the same place."""

    connection: Connection
    direction: Direction
    frame: int
    differs: bool


StreamEvent = Data | Gap | Closed | Repeat
