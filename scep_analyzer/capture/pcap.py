"""The classic pcap format (draft-ietf-opsawg-pcap), in every byte order and precision that Wireshark opens."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from scep_analyzer.capture.source import Source
from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.limits import LIMITS
from scep_analyzer.model.packets import CaptureFacts, Packet


class Variant(NamedTuple):
    """What a magic number says of the file."""

    order: str
    digits: int
    record: str
    """struct format of a record header: seconds, fraction, captured length, wire length, padding."""


# The "modified" format is that of Alexey Kuznetzov's patched libpcap: 8 more bytes in each record header.
_PLAIN, _MODIFIED = "IIII", "IIII8x"
VARIANTS = {
    b"\xd4\xc3\xb2\xa1": Variant("<", 6, _PLAIN),
    b"\xa1\xb2\xc3\xd4": Variant(">", 6, _PLAIN),
    b"\x4d\x3c\xb2\xa1": Variant("<", 9, _PLAIN),
    b"\xa1\xb2\x3c\x4d": Variant(">", 9, _PLAIN),
    b"\x34\xcd\xb2\xa1": Variant("<", 6, _MODIFIED),
    b"\xa1\xb2\xcd\x34": Variant(">", 6, _MODIFIED),
}

FILE_HEADER_BYTES = 24


def read_pcap(source: Source, facts: CaptureFacts, frames: Iterator[int]) -> Iterator[Packet | Anomaly]:
    """Give the packets of a pcap file whose magic has been checked.

    ``frames`` numbers the records. ``facts`` grows as they are read. A cut or damaged file gives
    what could be read, then one Anomaly.
    """
    variant = VARIANTS[source.peek(4)]
    header = source.read(FILE_HEADER_BYTES)
    # Bits 28-31 of the link-type field hold the FCS length and the P and R bits, not the type.
    link_type = struct.unpack_from(variant.order + "I", header, 20)[0] & 0x0FFFFFFF
    facts.link_types.append(link_type)
    facts.time_digits = variant.digits
    to_ns = 10 ** (9 - variant.digits)
    record = struct.Struct(variant.order + variant.record)

    for frame in frames:
        at = source.offset
        head = source.read(record.size)
        if not head and source.damage is None:
            return
        if len(head) < record.size:
            yield _cut(facts, source, frame, at, "the record header of")
            return
        seconds, fraction, captured, wire = record.unpack(head)
        if captured > LIMITS.record_bytes:
            facts.complete = False
            yield Anomaly(
                "capture",
                "record-length-absurd",
                (frame,),
                f"packet {frame} at byte {at} claims {captured:,} captured bytes (limit {LIMITS.record_bytes:,}): "
                "the file is damaged from here on",
            )
            return
        data = source.read(captured)
        if len(data) < captured:
            yield _cut(facts, source, frame, at, f"{len(data)} of {captured} bytes of")
            return
        yield seen(
            facts, Packet(frame, seconds * 1_000_000_000 + fraction * to_ns, link_type, data, max(wire, captured))
        )


def seen(facts: CaptureFacts, packet: Packet) -> Packet:
    """Count a packet in the facts of its file."""
    facts.packets += 1
    if packet.time_ns is not None:
        if facts.first_time_ns is None or packet.time_ns < facts.first_time_ns:
            facts.first_time_ns = packet.time_ns
        if facts.last_time_ns is None or packet.time_ns > facts.last_time_ns:
            facts.last_time_ns = packet.time_ns
    return packet


def _cut(facts: CaptureFacts, source: Source, frame: int, at: int, what: str) -> Anomaly:
    facts.complete = False
    why = source.damage or "the file is cut short"
    return Anomaly("capture", "file-cut", (frame,), f"{why}: {what} packet {frame} (at byte {at}) is missing its end")
