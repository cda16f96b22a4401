"""What comes out of a capture file, and what the link stage makes of it."""

from dataclasses import dataclass
from enum import IntFlag
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Packet:
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
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


class TcpFlag(IntFlag):
    """The TCP flags this program reads (RFC 9293, Section 3.1)."""

    FIN = 0x01
    SYN = 0x02
    RST = 0x04
    ACK = 0x10


FIN, SYN, RST, ACK = (int(flag) for flag in TcpFlag)


@dataclass(frozen=True, slots=True)
class Segment:
    """One TCP segment. ``cut`` counts the payload bytes the snaplen took from its end."""

    frame: int
    time_ns: int | None
    source: Endpoint
    destination: Endpoint
    sequence: int
    acknowledgment: int
    flags: int
    payload: bytes
    cut: int = 0


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
