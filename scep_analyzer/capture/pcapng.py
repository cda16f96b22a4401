"""The pcapng format (draft-ietf-opsawg-pcapng): sections, interfaces, packet blocks.

Names, custom and unknown blocks are stepped over; decryption secrets and drop counts go to the facts of the file.
"""

import struct
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from scep_analyzer.capture.skim import Record, Skim
from scep_analyzer.capture.source import Source
from scep_analyzer.model.anomalies import Anomaly, DecodeError
from scep_analyzer.model.limits import BOUNDS
from scep_analyzer.model.packets import CaptureFacts, Comment, Packet, Secret, Segments

SECTION_HEADER = 0x0A0D0D0A
INTERFACE_DESCRIPTION = 1
OBSOLETE_PACKET = 2
SIMPLE_PACKET = 3
ENHANCED_PACKET = 6
INTERFACE_STATISTICS = 5
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
OPTION_COMMENT = 1
_OPTION_TSRESOL, _OPTION_TSOFFSET = 9, 14
_DROP_COUNTS = frozenset({5, 7})
"""isb_ifdrop and isb_osdrop: packets lost by the interface and by the operating system."""

READ_BLOCKS = frozenset(
    {
        SECTION_HEADER,
        INTERFACE_DESCRIPTION,
        OBSOLETE_PACKET,
        SIMPLE_PACKET,
        INTERFACE_STATISTICS,
        ENHANCED_PACKET,
        DECRYPTION_SECRETS,
    }
)
"""The others (name resolution, custom and unknown blocks) are stepped over."""


class Interface(NamedTuple):
    """One Interface Description Block. ``ticks`` a second, ``offset`` in seconds."""

    link_type: int
    snaplen: int
    ticks: int = 1_000_000
    offset: int = 0
    digits: int = 6


def read_pcapng(  # noqa: PLR0915  # a branch for each kind of block, in the order of the specification
    source: Source, facts: CaptureFacts, before: int, skim: Skim | None = None
) -> Iterator[Packet | Segments | Anomaly]:
    """Give the packets of a pcapng file whose magic has been checked.

    Arguments as for ``read_pcap``. A block that cannot be read gives one Anomaly; a cut or damaged file gives what could be read.
    """
    order = "<"
    interfaces: list[Interface] = []
    full = is_packet = False
    while True:
        if skim is not None and is_packet:  # packets follow one another
            yield from skim.over(source, facts, before)
        frame = before + facts.packets
        at = source.offset
        head = source.read(8)
        if not head and source.damage is None:
            return
        if len(head) < 8:
            yield _damaged(facts, source, at, frame, "file-cut", "a block header is missing its end")
            return
        kind, length = struct.unpack(order + "II", head)
        if kind == SECTION_HEADER:
            magic = source.peek(4)
            if magic not in (_LITTLE, _BIG):
                yield _damaged(facts, source, at, frame, "block-damaged", "a section header holds no byte-order magic")
                return
            order = "<" if magic == _LITTLE else ">"
            interfaces, full = [], False
            if skim is not None:
                skim.plans = {}
            length = struct.unpack(order + "I", head[4:])[0]
        is_packet = kind in (ENHANCED_PACKET, SIMPLE_PACKET, OBSOLETE_PACKET)
        limit = BOUNDS.record_bytes + 64 * 1024 if is_packet else BOUNDS.block_bytes
        if length < 12 or length > limit:
            code, what = "record-length-absurd", f"a block of type {kind:#x} claims {length:,} bytes"
            yield _damaged(facts, source, at, frame, code, what)
            return
        size = (length - 8 + 3) & ~3  # blocks are padded to 32 bits (Section 3.1)
        wanted = _wanted(kind, size, facts)
        body = source.read(wanted)
        there = len(body) + (source.skip(size - wanted) if len(body) == wanted else 0)
        if there < length - 8:
            what = f"{there + 8} of {length} bytes of a block of type {kind:#x} are there"
            yield _damaged(facts, source, at, frame, "file-cut", what)
            return
        body = body[: length - 12]
        if wanted < size and kind in READ_BLOCKS:
            what = f"a block of type {kind:#x} and {length:,} bytes at byte {at} is read up to {wanted:,} bytes"
            if kind == DECRYPTION_SECRETS:
                what = f"TLS secrets of {length:,} bytes at byte {at}: more than {BOUNDS.secrets_bytes:,} in one file are not kept"
            yield Anomaly("capture", "limit-block", (frame,) * bool(frame), what)
            if kind == DECRYPTION_SECRETS:
                continue
        try:
            if is_packet:
                frame += 1
                facts.count(1, None, None)  # it has its number whether it can be read or not
                packet = _packet(kind, order, body, interfaces, frame)
                facts.count(0, packet.time_ns, packet.time_ns)
                if kind == ENHANCED_PACKET:
                    _comments(order, body[20 + (len(packet.data) + 3 & ~3) :], facts, frame)
                yield packet
            elif kind in NUMBERED_FOREIGN_BLOCKS:
                frame += 1
                facts.count(1, None, None)
            elif kind == SECTION_HEADER:
                _comments(order, body[16:], facts, None)
            elif kind == INTERFACE_DESCRIPTION:
                if len(interfaces) == BOUNDS.interfaces:
                    if not full:
                        what = f"more than {BOUNDS.interfaces:,} interfaces: packets of the others cannot be read"
                        yield Anomaly("capture", "limit-interfaces", (frame,) * bool(frame), what)
                    full = True
                    continue
                interface = _interface(order, body)
                if skim is not None and len(interfaces) < BOUNDS.planned_interfaces:
                    _plan(skim, order, len(interfaces), interface)
                interfaces.append(interface)
                yield from _note_link_type(facts, interface.link_type, frame)
                facts.time_digits = max(facts.time_digits, interface.digits)
            else:
                yield from _beside(kind, order, body, facts, frame)
        except (DecodeError, struct.error) as error:
            facts.complete = False
            yield Anomaly(
                "capture", "block-damaged", (frame,) * bool(frame), f"block of type {kind:#x} at byte {at}: {error}"
            )


_SECRET_OBJECT = 150
"""Bytes that a secret takes beside its content: blocks of nothing have a limit, too."""


def _wanted(kind: int, size: int, facts: CaptureFacts) -> int:
    """How many bytes of a block are read; the rest is stepped over."""
    if kind not in READ_BLOCKS:
        return 0
    if kind == DECRYPTION_SECRETS:
        return size if facts.secrets_bytes + size <= BOUNDS.secrets_bytes else 0
    if kind in (SECTION_HEADER, INTERFACE_DESCRIPTION, INTERFACE_STATISTICS):
        return min(size, BOUNDS.description_bytes)
    return size


def _note_link_type(facts: CaptureFacts, link_type: int, frame: int) -> Iterator[Anomaly]:
    if link_type in facts.link_types or len(facts.link_types) > BOUNDS.link_types:
        return
    if len(facts.link_types) == BOUNDS.link_types:
        what = f"more than {BOUNDS.link_types} link types: the others are not named"
        yield Anomaly("capture", "limit-link-types", (frame,) * bool(frame), what)
    facts.link_types.append(link_type)


def _comments(order: str, options: bytes, facts: CaptureFacts, frame: int | None) -> None:
    for code, value in _options(order, options):
        if code == OPTION_COMMENT and len(facts.comments) < BOUNDS.comments:
            facts.comments.append(Comment(frame, value[: BOUNDS.comment_bytes].decode("utf-8", "replace")))


def _plan(skim: Skim, order: str, index: int, interface: Interface) -> None:
    """Prepare the tight pass for the enhanced packet blocks of an interface."""
    form = Record(
        codes="12sIII4x",
        order=order,
        interface=struct.pack(order + "I", index),
        header=28,
        unit=1 << 32,
        multiply=1_000_000_000,
        divide=interface.ticks,
        offset_ns=interface.offset * 1_000_000_000,
        comment=struct.pack(order + "H", OPTION_COMMENT),
    )
    skim.plan(form, interface.link_type)


def _beside(kind: int, order: str, body: bytes, facts: CaptureFacts, frame: int) -> Iterator[Anomaly]:
    """What a section holds beside packets: secrets, and what the capturing host says it lost."""
    if kind == DECRYPTION_SECRETS:
        secret_type, size = struct.unpack_from(order + "II", body)
        facts.secrets.append(Secret(secret_type, body[8 : 8 + size]))
        facts.secrets_bytes += len(body) + _SECRET_OBJECT
    elif kind == INTERFACE_STATISTICS:
        (index,) = struct.unpack_from(order + "I", body)
        dropped = [
            struct.unpack(order + "Q", value)[0]
            for code, value in _options(order, body[12:])
            if code in _DROP_COUNTS and len(value) == 8
        ]
        if any(dropped):
            facts.dropped += max(dropped)
            yield Anomaly(
                "capture",
                "packets-dropped",
                (frame,) * bool(frame),
                f"the capturing host dropped {max(dropped):,} packets of interface {index}: what is missing may never have been recorded",
            )


def _damaged(facts: CaptureFacts, source: Source, at: int, frame: int, code: str, what: str) -> Anomaly:
    facts.complete = False
    why = f" ({source.damage})" if source.damage else ""
    return Anomaly(
        "capture", code, (frame,) if frame else (), f"at byte {at} {what}{why}: nothing after it can be read"
    )


def _packet(kind: int, order: str, body: bytes, interfaces: list[Interface], frame: int) -> Packet:
    # Packets by position: one for each block, and keywords cost half a microsecond.
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
    return _same(Interface(link_type=link_type, snaplen=snaplen, ticks=ticks, offset=offset, digits=digits))


@lru_cache(maxsize=64)
def _same(interface: Interface) -> Interface:
    """One value for interfaces that are alike, as those of one file are."""
    return interface


def _options(order: str, data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(data):
        code, length = struct.unpack_from(order + "HH", data, at)
        if code == 0:
            return
        yield code, data[at + 4 : at + 4 + length]
        at += 4 + ((length + 3) & ~3)


def begins_with_secrets(start: bytes) -> bool:
    """Whether a Decryption Secrets Block stands before the first packet, in the start of a file."""
    if start[:4] != MAGIC:
        return False
    order = "<" if start[8:12] == _LITTLE else ">"
    at = 0
    while at + 8 <= len(start):
        kind, size = struct.unpack_from(f"{order}II", start, at)
        if kind == DECRYPTION_SECRETS:
            return True
        if kind in (OBSOLETE_PACKET, SIMPLE_PACKET, ENHANCED_PACKET) or size < 12:
            return False
        at += size
    return False
