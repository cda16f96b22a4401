"""The pcapng format (draft-ietf-opsawg-pcapng): sections, interfaces, packet blocks.

Names, statistics and unknown blocks are stepped over; decryption secrets are kept in ``Section.secrets`` of the reader.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from scep_analyzer.capture.pcap import seen
from scep_analyzer.capture.source import Source
from scep_analyzer.model.anomalies import Anomaly, DecodeError
from scep_analyzer.model.limits import LIMITS
from scep_analyzer.model.packets import CaptureFacts, Packet

SECTION_HEADER = 0x0A0D0D0A
INTERFACE_DESCRIPTION = 1
OBSOLETE_PACKET = 2
SIMPLE_PACKET = 3
ENHANCED_PACKET = 6
DECRYPTION_SECRETS = 10

# Wireshark gives these records a frame number although no link layer can read them.
NUMBERED_FOREIGN_BLOCKS = {
    9: "systemd journal entry",
    0x204: "sysdig event",
    0x208: "sysdig event",
    0x216: "sysdig event",
    0x221: "sysdig event",
    0x00000BAD: "custom block",
    0x40000BAD: "custom block",
}

MAGIC = b"\x0a\x0d\x0d\x0a"
_LITTLE, _BIG = b"\x4d\x3c\x2b\x1a", b"\x1a\x2b\x3c\x4d"
_OPTION_TSRESOL, _OPTION_TSOFFSET = 9, 14


@dataclass(frozen=True, slots=True)
class Interface:
    """One Interface Description Block. ``ticks`` a second, ``offset`` in seconds."""

    link_type: int
    snaplen: int
    ticks: int = 1_000_000
    offset: int = 0
    digits: int = 6


@dataclass(slots=True)
class Secrets:
    """Decryption secrets found in the file: (type, bytes), type 0x544c534b being a TLS key log."""

    blocks: list[tuple[int, bytes]] = field(default_factory=list)


def read_pcapng(
    source: Source, facts: CaptureFacts, frames: Iterator[int], secrets: Secrets | None = None
) -> Iterator[Packet | Anomaly]:
    """Give the packets of a pcapng file whose magic has been checked.

    A block that cannot be read gives one Anomaly; a cut or damaged file gives what could be read.
    """
    order = "<"
    interfaces: list[Interface] = []
    last_frame = 0
    while True:
        at = source.offset
        head = source.read(8)
        if not head and source.damage is None:
            return
        if len(head) < 8:
            yield _damaged(facts, source, at, last_frame, "file-cut", "a block header is missing its end")
            return
        kind, length = struct.unpack(order + "II", head)
        if kind == SECTION_HEADER:
            magic = source.peek(4)
            if magic not in (_LITTLE, _BIG):
                yield _damaged(
                    facts, source, at, last_frame, "block-damaged", "a section header holds no byte-order magic"
                )
                return
            order = "<" if magic == _LITTLE else ">"
            interfaces = []
            length = struct.unpack(order + "I", head[4:])[0]
        is_packet = kind in (ENHANCED_PACKET, SIMPLE_PACKET, OBSOLETE_PACKET)
        limit = LIMITS.record_bytes + 64 * 1024 if is_packet else LIMITS.block_bytes
        if length < 12 or length > limit:
            code, what = "record-length-absurd", f"a block of type {kind:#x} claims {length:,} bytes"
            yield _damaged(facts, source, at, last_frame, code, what)
            return
        body = source.read((length - 8 + 3) & ~3)  # blocks are padded to 32 bits (Section 3.1)
        if len(body) < length - 8:
            what = f"{len(body) + 8} of {length} bytes of a block of type {kind:#x} are there"
            yield _damaged(facts, source, at, last_frame, "file-cut", what)
            return
        body = body[: length - 12]
        try:
            if kind == INTERFACE_DESCRIPTION:
                interface = _interface(order, body)
                interfaces.append(interface)
                if interface.link_type not in facts.link_types:
                    facts.link_types.append(interface.link_type)
                facts.time_digits = max(facts.time_digits, interface.digits)
            elif is_packet:
                last_frame = next(frames)
                yield seen(facts, _packet(kind, order, body, interfaces, last_frame))
            elif kind in NUMBERED_FOREIGN_BLOCKS:
                last_frame = next(frames)
                facts.packets += 1
            elif kind == DECRYPTION_SECRETS and secrets is not None:
                secret_type, size = struct.unpack_from(order + "II", body)
                secrets.blocks.append((secret_type, body[8 : 8 + size]))
        except (DecodeError, struct.error) as error:
            facts.complete = False
            where = (last_frame,) if last_frame else ()
            yield Anomaly("capture", "block-damaged", where, f"block of type {kind:#x} at byte {at}: {error}")


def _damaged(facts: CaptureFacts, source: Source, at: int, frame: int, code: str, what: str) -> Anomaly:
    facts.complete = False
    why = f" ({source.damage})" if source.damage else ""
    return Anomaly(
        "capture", code, (frame,) if frame else (), f"at byte {at} {what}{why}: nothing after it can be read"
    )


def _packet(kind: int, order: str, body: bytes, interfaces: list[Interface], frame: int) -> Packet:
    if kind == SIMPLE_PACKET:
        (wire,) = struct.unpack_from(order + "I", body)
        interface = _at(interfaces, 0)
        captured = min(wire, len(body) - 4, interface.snaplen or wire)
        return Packet(frame, None, interface.link_type, body[4 : 4 + captured], wire)
    if kind == ENHANCED_PACKET:
        index, high, low, captured, wire = struct.unpack_from(order + "IIIII", body)
    else:
        index, _drops, high, low, captured, wire = struct.unpack_from(order + "HHIIII", body)
    if captured > len(body) - 20:
        raise DecodeError(f"{captured} captured bytes do not fit into the block ({len(body)} bytes)")
    interface = _at(interfaces, index)
    ticks = (high << 32) | low
    # Integers throughout: a float holds 53 bits, a nanosecond clock needs 61.
    time_ns = interface.offset * 1_000_000_000 + ticks * 1_000_000_000 // interface.ticks
    return Packet(frame, time_ns, interface.link_type, body[20 : 20 + captured], max(wire, captured))


def _at(interfaces: list[Interface], index: int) -> Interface:
    if index >= len(interfaces):
        raise DecodeError(f"interface {index} is not described")
    return interfaces[index]


def _interface(order: str, body: bytes) -> Interface:
    link_type, snaplen = struct.unpack_from(order + "HxxI", body)
    ticks, offset, digits = 1_000_000, 0, 6
    for code, value in _options(order, body[8:]):
        if code == _OPTION_TSRESOL and value:
            exponent = value[0] & 0x7F
            if value[0] & 0x80:
                ticks, digits = 2**exponent, 9
            else:
                ticks, digits = 10**exponent, min(exponent, 9)
        elif code == _OPTION_TSOFFSET and len(value) == 8:
            (offset,) = struct.unpack(order + "q", value)
    return Interface(link_type, snaplen, ticks, offset, digits)


def _options(order: str, data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(data):
        code, length = struct.unpack_from(order + "HH", data, at)
        if code == 0:
            return
        yield code, data[at + 4 : at + 4 + length]
        at += 4 + ((length + 3) & ~3)
