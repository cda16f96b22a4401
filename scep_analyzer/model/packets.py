"""What comes out of a capture file, and what the link stage makes of it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntFlag
from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple


class Packet(NamedTuple):
    """One record of a capture. ``frame`` counts from 1 as Wireshark's frame.number does.

    ``time_ns`` is nanoseconds since 1970 UTC, None where the record holds no time (pcapng Simple
    Packet Block). ``wire_length`` is the length the packet had before the snaplen cut it.
    """

    frame: int
    time_ns: int | None
    link_type: int
    data: bytes
    wire_length: int


class Endpoint(NamedTuple):
    """One side of a TCP connection: textual IP address and port."""

    address: str
    port: int

    def __str__(self) -> str:
        if not self.port:  # a log or a recording that does not tell it
            return self.address
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


class TcpFlag(IntFlag):
    """The TCP flags this program reads (RFC 9293, Section 3.1)."""

    FIN = 0x01
    SYN = 0x02
    RST = 0x04
    ACK = 0x10


FIN, SYN, RST, ACK = (int(flag) for flag in TcpFlag)


class Segment(NamedTuple):
    """One TCP segment. ``cut`` counts the payload bytes the snaplen took from its end.

    ``key`` is the bytes of source address, destination address, source port, destination port: what tells one direction of a
    connection from all others, and cheap to take from a packet. ``stream`` is Wireshark's tcp.stream number, -1 until
    ``sieve.flows`` has given it. ``ttl`` is the packet's TTL or hop limit, ``ident`` its IPv4 identification;
    0 where they were not kept. ``window`` is the window field as sent, -1 where it was not kept.
    """

    frame: int
    time_ns: int | None
    key: bytes
    sequence: int
    acknowledgment: int
    flags: int
    payload: bytes
    cut: int = 0
    stream: int = -1
    ttl: int = 0
    ident: int = 0
    window: int = -1


class Joined(NamedTuple):
    """Segments of one direction of a followed connection that came in order, put together; all acknowledge the same.

    All but the last are known to end no HTTP message. ``spans`` has for each its frame, time, size, hop limit, identification and
    window; the other fields are as in :class:`Segment`.
    """

    stream: int
    key: bytes
    sequence: int
    acknowledgment: int
    content: bytes
    spans: tuple[tuple[int, int, int, int, int, int], ...]

    def segments(self) -> Iterator[Segment]:
        """The segments, one by one."""
        at = 0
        for frame, time_ns, size, ttl, ident, window in self.spans:
            yield Segment(
                frame=frame,
                time_ns=time_ns,
                key=self.key,
                sequence=(self.sequence + at) % (1 << 32),
                acknowledgment=self.acknowledgment,
                flags=ACK,
                payload=self.content[at : at + size],
                stream=self.stream,
                ttl=ttl,
                ident=ident,
                window=window,
            )
            at += size


Segments = Segment | Joined


@lru_cache(maxsize=4096)
def address(packed: bytes) -> str:
    """Write an address of 4 or 16 bytes as Wireshark does (RFC 5952)."""
    return str(ip_address(packed))


@lru_cache(maxsize=4096)
def _endpoint(packed: bytes, port: bytes) -> Endpoint:
    return Endpoint(address(packed), int.from_bytes(port, "big"))


def ends_of(key: bytes) -> tuple[Endpoint, Endpoint]:
    """Source and destination of a segment's key."""
    return _endpoint(key[: (len(key) - 4) // 2], key[-4:-2]), destination_of(key)


def endpoint_of(packed: bytes) -> Endpoint:
    """An endpoint by the bytes of its address and its port."""
    return _endpoint(packed[:-2], packed[-2:])


def destination_of(key: bytes) -> Endpoint:
    """Where a segment with this key goes."""
    return _endpoint(key[(len(key) - 4) // 2 : -4], key[-2:])


def key_of(source: Endpoint, destination: Endpoint) -> bytes:
    """The key of the direction from ``source`` to ``destination``."""
    addresses = ip_address(source.address).packed + ip_address(destination.address).packed
    return addresses + source.port.to_bytes(2, "big") + destination.port.to_bytes(2, "big")


def reversed_key(key: bytes) -> bytes:
    """The key of the other direction."""
    half = (len(key) - 4) // 2
    return key[half : 2 * half] + key[:half] + key[-2:] + key[-4:-2]


class Lookup(NamedTuple):
    """A name that a client asked a name server for. ``code`` is the response's (2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED), None without one.

    ``asked`` are the frames of the questions, ``answered`` that of the last response.
    """

    asked: tuple[int, ...]
    time_ns: int | None
    client: str
    server: str
    name: str
    code: int | None
    addresses: tuple[str, ...]
    answered: int | None
    answered_ns: int | None


class Unreachable(NamedTuple):
    """An ICMP error that quotes a TCP segment: ``sender`` says that it could not go from ``client`` to ``server``."""

    frame: int
    time_ns: int | None
    sender: str
    v6: bool
    type: int
    code: int
    client: Endpoint
    server: Endpoint


class Notices(NamedTuple):
    """What packets that are not TCP told."""

    lookups: tuple[Lookup, ...] = ()
    unreachable: tuple[Unreachable, ...] = ()


class Comment(NamedTuple):
    """What somebody wrote into a pcapng file, about a packet or (``frame`` None) about the capture."""

    frame: int | None
    text: str


class Secret(NamedTuple):
    """A Decryption Secrets Block; ``kind`` 0x544c534b is a TLS key log."""

    kind: int
    content: bytes


@dataclass(slots=True)
class CaptureFacts:
    """What is known of one capture file; grows while it is read."""

    path: str
    format: str
    link_types: list[int]
    packets: int = 0
    bytes: int = 0
    first_time_ns: int | None = None
    last_time_ns: int | None = None
    complete: bool = True
    time_digits: int = 6
    """Digits after the second that the file's timestamps carry (6 for microseconds)."""
    compression: str | None = None
    dropped: int = 0
    """Packets that the capturing host says it lost."""
    left_out: int = 0
    """Packets that a display filter left out of the analysis; they are counted in ``packets`` and keep their frame numbers."""
    split: set[int] = field(default_factory=set)
    """``tcp.stream`` of the connections that it left some packets of out, and others not."""
    comments: list[Comment] = field(default_factory=list)
    """The first ones, ``Bounds.comments`` of them."""
    secrets: list[Secret] = field(default_factory=list, repr=False)
    """Decryption secrets in the file."""
    secrets_bytes: int = 0
    """What they take, as ``Bounds.secrets_bytes`` counts it."""
    unit: str = "frame"
    """What frame numbers and ``packets`` count: lines of a log, entries of a HAR file, sessions of a Fiddler archive."""
    called: str = "a capture"
    """What kind of input this is, in a sentence."""
    lacks: frozenset[str] = frozenset()
    """What an input of this kind never has: packets, headers, bodies."""

    def count(self, packets: int, first_ns: int | None, last_ns: int | None) -> None:
        """Count packets, the earliest and the latest of which have these times."""
        self.packets += packets
        if first_ns is not None and (self.first_time_ns is None or first_ns < self.first_time_ns):
            self.first_time_ns = first_ns
        if last_ns is not None and (self.last_time_ns is None or last_ns > self.last_time_ns):
            self.last_time_ns = last_ns
