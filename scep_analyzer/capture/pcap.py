"""The classic pcap format (draft-ietf-opsawg-pcap), in every byte order and precision that Wireshark opens."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from scep_analyzer.capture.skim import Record, Skim
from scep_analyzer.capture.source import Source
from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.limits import BOUNDS
from scep_analyzer.model.packets import CaptureFacts, Packet, Segments


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

# Record headers that go with the plain magic in files of patched tcpdumps: known only by trying, as Wireshark does.
MODIFIED, NOKIA, SUSE = "modified", "Nokia tcpdump pcap", "SuSE 6.3 tcpdump pcap"
_LONGER = {24: MODIFIED, 20: NOKIA, 28: SUSE}
_TRIED = 4
"""Records that must follow one another plausibly."""
_LOOKED_AT = 1 << 16
_TEN_YEARS = 10 * 365 * 86_400


def hidden_variant(start: bytes) -> str | None:
    """The patched tcpdump whose longer record headers a file has, None where they are those that its magic says.

    ``start`` is what is there of the file's first bytes; a few records are enough.
    """
    variant = VARIANTS.get(start[:4])
    if variant is None or _plausible(start, variant, struct.calcsize("=" + variant.record))[0] > 1:
        return None
    for size, name in _LONGER.items():
        count, whole = _plausible(start, variant, size)
        if count == _TRIED or (count > 1 and whole):
            return name
    return None


def _plausible(start: bytes, variant: Variant, size: int) -> tuple[int, bool]:
    """How many records with headers of this size follow one another, up to a few, and whether the file ends with the last one."""
    at, first, count = FILE_HEADER_BYTES, None, 0
    while count < _TRIED and at + size <= len(start):
        seconds, fraction, captured, wire = struct.unpack_from(variant.order + "IIII", start, at)
        first = seconds if first is None else first
        odd = captured > BOUNDS.record_bytes or fraction >= 10**variant.digits or captured > wire
        if odd or abs(seconds - first) > _TEN_YEARS:
            break
        at += size + captured
        count += at <= len(start)
    return count, at == len(start)


def read_pcap(
    source: Source, facts: CaptureFacts, before: int, skim: Skim | None = None
) -> Iterator[Packet | Segments | Anomaly]:
    """Give the packets of a pcap file whose magic has been checked.

    ``before`` is how many packets the files before this one held. ``facts`` grows as they are read. A cut or damaged
    file gives what could be read, then one Anomaly. With a ``skim``, plain packets go through it: those that cannot matter are only
    counted, and what it gives of the others is given on.
    """
    variant = VARIANTS[source.peek(4)]
    if hidden_variant(source.at_hand(_LOOKED_AT)) == MODIFIED:
        variant = variant._replace(record=_MODIFIED)
    header = source.read(FILE_HEADER_BYTES)
    # Bits 28-31 of the link-type field hold the FCS length and the P and R bits, not the type.
    link_type = struct.unpack_from(variant.order + "I", header, 20)[0] & 0x0FFFFFFF
    facts.link_types.append(link_type)
    facts.time_digits = variant.digits
    second, to_ns = 10**variant.digits, 10 ** (9 - variant.digits)
    record = struct.Struct(variant.order + variant.record)
    if skim is not None:
        codes = "0s" + variant.record.replace("IIII", "III4x")
        skim.plan(
            Record(
                codes=codes,
                order=variant.order,
                interface=b"",
                header=record.size,
                unit=second,
                multiply=to_ns,
                divide=1,
            ),
            link_type,
        )

    while True:
        if skim is not None:
            yield from skim.over(source, facts, before)
        frame = before + facts.packets
        at = source.offset
        if not source.need(record.size):
            if source.peek(1) or source.damage is not None:
                yield _cut(facts, source, frame + 1, at, "the record header of")
            return
        frame += 1
        seconds, fraction, captured, wire = record.unpack_from(source.buffer, source.at)
        if captured > BOUNDS.record_bytes:
            facts.complete = False
            yield Anomaly(
                "capture",
                "record-length-absurd",
                (frame,),
                f"packet {frame} at byte {at} claims {captured:,} captured bytes (limit {BOUNDS.record_bytes:,}): "
                "the file is damaged from here on",
            )
            return
        source.at += record.size
        data = source.read(captured)
        if len(data) < captured:
            yield _cut(facts, source, frame, at, f"{len(data)} of {captured} bytes of")
            return
        time_ns = (seconds * second + fraction) * to_ns
        facts.count(1, time_ns, time_ns)
        # By position: one for each packet, and keywords cost half a microsecond.
        yield Packet(frame, time_ns, link_type, data, max(wire, captured))


def _cut(facts: CaptureFacts, source: Source, frame: int, at: int, what: str) -> Anomaly:
    facts.complete = False
    why = source.damage or "the file is cut short"
    return Anomaly("capture", "file-cut", (frame,), f"{why}: {what} packet {frame} (at byte {at}) is missing its end")
