"""The tight pass over plain records: Ethernet (one VLAN tag), Linux cooked or raw IP, IPv4 without options or IPv6, TCP or UDP.

Most packets of a large capture belong to connections that have nothing to do with SCEP. This loop steps over those without
making a value of them: one ``unpack_from`` takes a record's lengths, its EtherType and its flow key, one dict look-up tells
whether the connection is of interest. Every record that is not plain, or that might matter, is left to the readers, which are
written for clarity. Here, and only here, clarity yields to speed: a statement more costs about 3 % of the time of a large file.

Steps over: a segment of a connection in ``tame`` that carries no bytes, no SYN, FIN or RST; one whose bytes cannot begin an
HTTP message, where ``tame`` says True; UDP to ports that carry no tunnel. DNS is handed on as it is.

``_stride.c`` does the same for what is plainest, where a compiler was at hand when the program was installed. An option: what is
found is the same (``tests/capture/test_stride.py``), and this loop takes what that one leaves.
"""

import re
from collections.abc import Callable, Generator, Iterable, Iterator
from functools import cache
from struct import Struct
from typing import Any, NamedTuple

from scep_analyzer.capture.source import Source
from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.limits import BOUNDS
from scep_analyzer.model.packets import CaptureFacts, Joined, Segment, Segments

try:
    from scep_analyzer.capture import _stride
except ImportError:  # installed without a compiler
    _stride = None  # type: ignore[assignment]  # whoever calls it asks COMPILED, or has a form that it made

_CONTRACT = 2
COMPILED = getattr(_stride, "CONTRACT", 0) == _CONTRACT
"""Whether the compiled part was built, and from these sources. The report is the same without it."""


def regular() -> Callable[..., Any] | None:
    """What takes care of regular connections, where the compiled part was built."""
    return _stride.Regular if COMPILED else None


@cache
def _in_order(starts: frozenset[bytes]) -> bytes:
    """The first bytes of messages one after another, as the compiled part looks for them."""
    return b"".join(sorted(starts))


_DOMAIN = b"\0\x35"
_UDP_HEADER = 8
_HEADER_SIZES = {
    bytes([words << 4 | reserved, flags]): words * 4
    for words in range(5, 16)
    for reserved in range(2)
    for flags in range(256)
    if not flags & 0x07
}
"""The length of a TCP header by its bytes 12 and 13, where they carry no FIN, SYN or RST."""
_START = Struct("4s").unpack_from
_NUMBERS = Struct(">II").unpack_from
_IDENT = Struct(">H").unpack_from
_UNSEEN = 1 << 30
_PARTS_OF_JOINED = len(Joined._fields)


def _plain(protocol: int) -> frozenset[bytes]:
    """What unfragmented packets of a protocol carry: fragment, TTL and protocol (IPv4), or next header and hop limit (IPv6)."""
    hops = range(256)
    version_4 = {fragment + bytes([hop, protocol]) for fragment in (b"\0\0", b"\x40\0") for hop in hops}
    return frozenset(version_4 | {bytes([protocol, hop]) for hop in hops})


_TCP, _UDP = _plain(6), _plain(17)
_USUAL = 1700
"""A longer record (an offloading card hands over up to 64 KiB) is measured against the end of the buffer by itself."""
_MOST_SIGNATURES = 4096
"""One for each VLAN, or for each neighbour on Linux cooked captures."""
_MOST_SPANS = 1024
"""One for each length of a block of an interface."""
_ENHANCED_PACKET = 6
_HEADS = {order: Struct(order + "II4s").unpack for order in "<>"}


class _Layout(NamedTuple):
    """Where one kind of packet has its fields.

    ``unpack`` gives (head, high, low, captured, signature, total, kind, key, shape) of a record. The signature is the
    bytes from the first that names a type to the one that holds the IP version; those that ``fits`` are remembered in
    ``known``. ``base`` is what a packet has in front of the bytes that the IP length counts, ``tcp`` where its TCP header
    starts, ``lengths`` the IP length that goes with each captured length. ``payloads`` is where in a record the bytes after
    TCP's header begin, by its shape: bytes 12 and 13, where they carry no FIN, SYN or RST.
    """

    unpack: Callable[..., Any]
    fits: Callable[[bytes], object]
    known: set[bytes]
    base: int
    tcp: int
    lengths: dict[int, bytes]
    payloads: dict[bytes, int]


class _Link(NamedTuple):
    """A link header before IP: its length, where its signature starts, and what that is in front of the IP version.

    ``pattern`` is a regular expression with a place for the EtherType.
    """

    length: int
    start: int
    pattern: bytes


_LINKS: dict[int, tuple[_Link, ...]] = {
    1: (_Link(14, 12, b"%s"), _Link(18, 12, rb"\x81\x00..%s")),
    113: (_Link(16, 14, b"%s"),),
    276: (_Link(20, 0, b"%s.{18}"),),
    **dict.fromkeys((12, 14, 101, 228, 229), (_Link(0, 0, b""),)),
}
_VERSIONS = (
    # EtherType and IP version, then the rest of the IP header, the bytes in front of those that the IP length counts, and of it.
    (rb"\x08\x00", rb"\x45", "x2s2x4s2x12s8x2s", 0, 20),
    (rb"\x86\xdd", rb"[\x60-\x6f]", "3x2s2s36s8x2s", 40, 40),
)


class Record(NamedTuple):
    """How a record of this file or interface begins: struct codes for (head, high, low, captured).

    ``head`` is the block type, the block length and the interface, in 12 bytes, where the format has them; elsewhere it is
    empty, and ``header`` and the captured bytes make up a record. A time is ``(high * unit + low)`` ticks, in nanoseconds
    ``ticks * multiply // divide + offset_ns``.
    """

    codes: str
    order: str
    interface: bytes
    header: int
    unit: int
    multiply: int
    divide: int
    offset_ns: int = 0
    comment: bytes = b""
    """How the option of a comment begins."""

    def time_ns(self, ticks: int) -> int:
        """Nanoseconds since 1970."""
        return ticks * self.multiply // self.divide + self.offset_ns


class _Shared(NamedTuple):
    """The layouts of one record form on one link type."""

    layouts: list[_Layout]
    by_signature: dict[bytes, _Layout]
    """Those met, where one layout's signature cannot be another's: they lie at one place, or are of other lengths."""
    size: int
    """Bytes from which every layout can be read."""


class Plan(NamedTuple):
    """What an interface's records look like, and the lengths of its blocks by their heads, as they are met.

    ``form`` is the same for the compiled part.
    """

    record: Record
    shared: _Shared
    spans: dict[bytes, int]
    form: object


@cache
def _lengths(base: int) -> dict[int, bytes]:
    """Length of a packet, from ``base`` on → its two bytes. The tables of the few layouts are made once, not for every file."""
    return {base + size: size.to_bytes(2, "big") for size in range(1600)}


@cache
def _payloads(base: int) -> dict[bytes, int]:
    """The first bytes of a TCP header → where what follows it begins, ``base`` being where it begins itself."""
    return {shape: base + size for shape, size in _HEADER_SIZES.items()}


def _layouts(order: str, codes: str, before_packet: int, link_type: int) -> _Shared:
    layouts, sizes = [], []
    for link in _LINKS[link_type]:
        for ethertype, version, rest, before, header in _VERSIONS:
            pattern = (link.pattern % ethertype if link.pattern else b"") + version
            signature = f"{link.start}x{link.length - link.start + 1}s"
            fields = Struct(order + codes + signature + rest)
            layouts.append(
                _Layout(
                    unpack=fields.unpack_from,
                    fits=re.compile(pattern, re.DOTALL).fullmatch,
                    known=set(),
                    base=link.length + before,
                    tcp=link.length + header,
                    lengths=_lengths(link.length + before),
                    payloads=_payloads(before_packet + link.length + header),
                )
            )
            sizes.append(fields.size)
    return _Shared(layouts, {}, max(sizes) + 60)


_LARGEST = 2**63 - 1
"""What the compiled part can count to. A pcapng file may claim that its clock began 300 billion years ago; Python counts further."""


@cache
def _initials(starts: frozenset[bytes]) -> frozenset[int]:
    return frozenset(each[0] for each in starts)


class Skim:
    """The tight pass over one file. ``plans`` maps an interface (empty bytes for pcap) to its plan.

    ``tame`` maps the keys of connections that are not followed to whether their packets are looked at only where they may
    begin an HTTP message; ``starts`` holds the first four bytes that one may begin with; ``udp_ports`` those of tunnels, as two
    bytes. ``take`` is given every other plain segment, at once, because it changes what is tame; what it gives is given on.
    Connections that are ``regular`` are in the care of the compiled part.
    """

    def __init__(
        self,
        tame: dict[bytes, bool],
        starts: frozenset[bytes],
        udp_ports: Iterable[bytes],
        take: Callable[[Segment], Iterable[Segments | Anomaly]],
        names: Callable[[bytes, bytes, int, int | None], None],
        regular: object = None,
    ) -> None:
        self._regular = regular
        self.plans: dict[bytes, Plan] = {}
        self._shared: dict[tuple[str, str, int, int], _Shared] = {}
        self._interface = b""
        self._tame, self._starts, self._udp_ports, self._take = tame, starts, frozenset(udp_ports), take
        self._names = names
        self._initials = _initials(starts)

    def plan(self, record: Record, link_type: int) -> None:
        """Make ready for the records of an interface, where its link type has plain ones."""
        if link_type in _LINKS:
            form = record.order, record.codes, record.header, link_type
            if form not in self._shared:
                self._shared[form] = _layouts(*form)
            self.plans[record.interface] = Plan(record, self._shared[form], {}, self._form(record, _LINKS[link_type]))

    def _form(self, record: Record, links: tuple[_Link, ...]) -> object:
        multiply = 0 if record.multiply % record.divide else record.multiply // record.divide
        if not COMPILED or max(multiply, abs(record.offset_ns)) > _LARGEST:
            return None
        return _stride.form_of(
            record.order == ">",
            record.header,
            record.unit,
            multiply,
            record.offset_ns,
            record.interface,
            record.comment,
            links[0].start if links[0].length else -1,
            links[0].length,
            len(links) > 1,
            _USUAL,
            BOUNDS.record_bytes,
            self._tame,
            _in_order(self._starts),
            self._regular,
            b"".join(self._udp_ports),
        )

    def over(self, source: Source, facts: CaptureFacts, before: int) -> Iterator[Segments | Anomaly]:
        """Use up records from ``source.at`` on, until one comes that is for the reader, or more bytes must be read first.

        ``before`` is how many records the files before this one held.
        """
        while (plan := self.plans.get(self._interface)) is not None:
            interface = yield from self._over(source, facts, before + facts.packets, plan)
            if interface is None:
                return
            self._interface = interface
        # The next record's interface has no plain records: the reader takes it, and the pass goes on with any other.
        self._interface = next(iter(self.plans), b"")

    def _over(  # noqa: PLR0915  # the one place where clarity yields to speed
        self, source: Source, facts: CaptureFacts, frame: int, plan: Plan
    ) -> Generator[Segments | Anomaly, None, bytes | None]:
        """Gives the interface of the next record where that is another one."""
        record, (layouts, by_signature, size), spans, form = plan
        stride = _stride.over if form is not None else None
        buffer, view, at, stop = source.buffer, source.view, source.at, source.filled
        tame, starts, initials = self._tame.get, self._starts, self._initials
        udp_ports, take, names = self._udp_ports, self._take, self._names
        start_of, of_tcp, of_udp, unseen, usual = _START, _TCP, _UDP, _UNSEEN, _USUAL
        header, unit, span_of, layout_of = record.header, record.unit, spans.get, by_signature.get
        multiply, divide, offset_ns = record.multiply, record.divide, record.offset_ns
        new = tuple.__new__  # what Segment() does in the end, in half the time
        layout = layouts[0]
        unpack, known, length_of, payload_of = layout.unpack, layout.known, layout.lengths.get, layout.payloads.get
        begun = frame
        limit = stop - size - usual  # so that a record of usual size need not be measured against the end
        epoch = bottom = top = -1  # the present ``high`` of the times, the lowest and the highest ``low`` within it
        earliest, latest = 1 << 80, -1
        interface = None
        reach = stop - size  # further on, what one record lacks would be read from behind what was read of the file
        while at < reach:
            if stride is not None:
                at, strode, lowest, highest, last, mattering = stride(form, buffer, at, reach, stop, frame)
                if strode:
                    frame += strode
                    earliest = min(earliest, lowest)
                    latest = max(latest, highest)
                if mattering is not None:
                    if len(mattering) == _PARTS_OF_JOINED:
                        yield Joined._make(mattering)
                        continue
                    segment = new(Segment, (frame, last * multiply // divide + offset_ns, *mattering))
                    if segment.stream >= 0:
                        yield segment
                        continue
                    given = take(segment)
                    if given:
                        yield from given
                    continue
                if at >= reach:
                    break
            head, high, low, captured, signature, total, kind, key, shape = unpack(buffer, at)
            if signature not in known:
                other = layout_of(signature) or _fitting(plan.shared, buffer, at, signature, layout)
                if other is None:
                    break
                layout = other
                unpack, known, length_of, payload_of = (
                    layout.unpack,
                    layout.known,
                    layout.lengths.get,
                    layout.payloads.get,
                )
                continue
            span = end = header + captured
            if (captured > usual or at >= limit) and (at + end > stop or captured > BOUNDS.record_bytes):
                break
            if head:
                whole = span_of(head)
                if whole is None:
                    interface = _learn(record, head, spans)
                    if head not in spans:
                        break
                    continue
                if whole < end or at + whole > stop:
                    break
                options = header + (captured + 3 & ~3)
                if whole > options + 4 and buffer[at + options : at + options + 2] == record.comment:
                    break  # the reader keeps comments
                span = whole
            if kind in of_tcp:
                quiet, first = tame(key), payload_of(shape, unseen)
                # What stands there, be it after the end of the packet, can begin no HTTP message: the usual case.
                if not quiet or first > end or buffer[at + first] in initials:
                    left = end - first  # below zero where it carries a FIN, SYN or RST
                    if length_of(captured) != total:  # padding, a trailer, an offloading card, a snaplen
                        left = _exact(left, captured, total, layout)
                    if (
                        quiet is None
                        or left < 0
                        or (left and not (quiet and left > 3 and start_of(buffer, at + first)[0] not in starts))
                    ):
                        fields = _fields(view[at + header : at + end], total, shape, layout)
                        if fields is None:
                            break
                        sequence, acknowledgment, payload, cut, ttl, ident, window = fields
                        time_ns = record.time_ns(high * unit + low)
                        if payload and _DOMAIN in (key[-2:], key[-4:-2]):
                            names(key, payload[2:], frame + 1, time_ns)  # the length stands before it
                        given = take(
                            Segment(  # by position: the tight pass, and keywords cost a microsecond
                                frame + 1,
                                time_ns,
                                key,
                                sequence,
                                acknowledgment,
                                shape[1],
                                payload,
                                cut,
                                -1,
                                ttl,
                                ident,
                                window,
                            )
                        )
                        if given:
                            yield from given
            elif kind not in of_udp or key[-2:] in udp_ports or captured > usual:
                break
            elif _DOMAIN in (key[-2:], key[-4:-2]):
                message = bytes(view[at + header + layout.tcp + _UDP_HEADER : at + end])
                names(key, message, frame + 1, record.time_ns(high * unit + low))
            at += span
            frame += 1
            if high != epoch:
                if epoch >= 0:
                    earliest, latest = min(earliest, epoch * unit + bottom), max(latest, epoch * unit + top)
                epoch, bottom, top = high, low, low
            elif low > top:
                top = low
            elif low < bottom:
                bottom = low
        layouts.remove(layout)
        layouts.insert(0, layout)  # the next pass begins with the one that was met last
        source.at = at
        if frame > begun:
            if epoch >= 0:
                earliest, latest = min(earliest, epoch * unit + bottom), max(latest, epoch * unit + top)
            facts.count(frame - begun, record.time_ns(earliest), record.time_ns(latest))
        return interface


def _fields(
    packet: memoryview, total: bytes, shape: bytes, layout: _Layout
) -> tuple[int, int, bytes, int, int, int, int] | None:
    """Sequence, acknowledgment, payload, what the snaplen took of it, TTL, identification, window; None where it is for the reader."""
    captured, tcp_size = len(packet), shape[0] >> 4 << 2
    left, cut = captured - layout.tcp - tcp_size, 0
    if layout.lengths.get(captured) != total and total != b"\0\0":  # 0: the card fills it in after the capture
        beyond = int.from_bytes(total, "big") - captured + layout.base
        if beyond > 0:
            cut = beyond
        else:
            left += beyond
    if left < 0 or tcp_size < 20:
        return None
    sequence, acknowledgment = _NUMBERS(packet, layout.tcp + 4)
    first = layout.tcp + tcp_size
    payload = bytes(packet[first : first + left]) if left else b""
    window = _IDENT(packet, layout.tcp + 14)[0]
    if layout.tcp == layout.base:  # IPv6
        return sequence, acknowledgment, payload, cut, packet[layout.tcp - 33], 0, window
    return sequence, acknowledgment, payload, cut, packet[layout.tcp - 12], _IDENT(packet, layout.tcp - 16)[0], window


def _fitting(shared: _Shared, buffer: bytearray, at: int, signature: bytes, layout: _Layout) -> _Layout | None:
    """The layout that a record has, None where it has none; signatures that fit are remembered, within bounds."""
    for each in (layout, *shared.layouts):
        mine = signature if each is layout else each.unpack(buffer, at)[4]
        if mine in each.known:
            return each
        if each.fits(mine):
            if len(shared.by_signature) > _MOST_SIGNATURES:
                shared.by_signature.clear()
                for other in shared.layouts:
                    other.known.clear()
            each.known.add(mine)
            shared.by_signature[mine] = each
            return each
    return None


def _learn(record: Record, head: bytes, spans: dict[bytes, int]) -> bytes | None:
    """Remember the length of an enhanced packet block by its head; gives its interface where that is not the record's."""
    kind, length, interface = _HEADS[record.order](head)
    assert isinstance(interface, bytes)  # noqa: S101  # as its struct code says
    if kind != _ENHANCED_PACKET:
        return None
    if interface != record.interface:
        return interface
    if not length & 3:
        if len(spans) > _MOST_SPANS:
            spans.clear()
        spans[head] = length
    return None


def _exact(left: int, captured: int, total: bytes, layout: _Layout) -> int:
    """The bytes after a TCP header where the captured length is not what the IP length says; -1 for the reader to look at."""
    claimed, room = int.from_bytes(total, "big"), captured - layout.base
    return left - room + claimed if 0 < claimed <= room and left >= room - claimed else -1
