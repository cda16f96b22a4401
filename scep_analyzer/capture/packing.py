"""Packets from a program → the bytes of a pcapng file, made as they are read; and what comes by once, kept to be read again.

So that whatever a program has in hand takes the same way through the stages as a file does.
"""

import io
import struct
from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from typing import Any, NamedTuple, Protocol

from scep_analyzer.capture import pcapng
from scep_analyzer.model.limits import BOUNDS

PACKETS = "packets"
"""The format of packets that a program gave."""


class HandedPacket(NamedTuple):
    """A packet that a program gave. ``wire_length`` is the length that it had before it was cut."""

    time_ns: int
    data: bytes
    link_type: int
    wire_length: int


class _Stream(Protocol):
    def readinto(self, buffer: Any, /) -> int | None:
        """Fill the buffer; 0 at the end."""


class PacketStream(io.RawIOBase):
    """Packets as a pcapng file (draft-ietf-opsawg-pcapng). It has an interface for each link type and precision of time."""

    format = PACKETS

    def __init__(self, packets: Iterator[HandedPacket]) -> None:
        super().__init__()
        self._packets = packets
        self._interfaces: dict[tuple[int, int], int] = {}
        self._ready = _block(pcapng.SECTION_HEADER, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """As much as one packet has: it may be the last one for a while."""
        if not self._ready:
            packet = next(self._packets, None)
            self._ready = b"" if packet is None else self._blocks(packet)
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def _blocks(self, packet: HandedPacket) -> bytes:
        time, rest = divmod(packet.time_ns, 1_000)
        digits = 9 if rest else 6
        if digits == 9:
            time = packet.time_ns
        before = b""
        number = self._interfaces.get((packet.link_type, digits))
        if number is None:
            number = self._interfaces[packet.link_type, digits] = len(self._interfaces)
            # Option 9 is if_tsresol (Section 4.2); snaplen 0 is no limit.
            before = _block(
                pcapng.INTERFACE_DESCRIPTION, struct.pack("<HHIHHB3xHH", packet.link_type, 0, 0, 9, 1, digits, 0, 0)
            )
        head = struct.pack("<IIIII", number, time >> 32, time & 0xFFFFFFFF, len(packet.data), packet.wire_length)
        return before + _block(pcapng.ENHANCED_PACKET, head + packet.data)


def _block(kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length


class Rewindable(io.RawIOBase):
    """A stream that :meth:`rewind` takes back to where it was given: a second pass over the packets may be needed.

    A file that cannot seek, and packets that a program gives, are kept while they are read: in memory, and beyond
    ``Bounds.kept_bytes`` in a temporary file.
    """

    def __init__(self, stream: Any) -> None:
        super().__init__()
        self._stream: _Stream = stream
        self.format: str | None = getattr(stream, "format", None)
        self._start: int | None = stream.tell() if stream.seekable() else None
        self._kept = None if self._start is not None else SpooledTemporaryFile(max_size=BOUNDS.kept_bytes)  # noqa: SIM115  # closed with this stream
        self._at = self._size = 0

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def rewind(self) -> None:
        """Begin again."""
        self._at = 0
        if self._start is not None:
            seek = getattr(self._stream, "seek")  # noqa: B009  # it said that it can
            seek(self._start)

    def readinto(self, buffer: Any, /) -> int:
        """What was kept, then what comes."""
        if self._kept is None:
            return self._stream.readinto(buffer) or 0
        if self._at < self._size:
            self._kept.seek(self._at)
            count = self._kept.readinto(buffer)
        else:
            count = self._stream.readinto(buffer) or 0
            self._kept.seek(self._size)
            self._kept.write(memoryview(buffer)[:count])
            self._size += count
        self._at += count
        return count

    def close(self) -> None:
        """Forget what was kept; the stream itself is its owner's."""
        if self._kept is not None:
            self._kept.close()
        super().close()


class Readable(io.RawIOBase):
    """Something that has ``read`` alone, as a file."""

    def __init__(self, stream: Any) -> None:
        super().__init__()
        self._stream = stream

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """What one ``read`` gives."""
        piece = self._stream.read(len(buffer)) or b""
        buffer[: len(piece)] = piece
        return len(piece)
