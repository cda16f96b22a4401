"""Packets → TCP segments. The table of link types is here; adding one is one line."""

from collections.abc import Callable, Iterable, Iterator

from scep_analyzer.link import ethernet, exotic, ip, loopback, raw, sll, tunnels
from scep_analyzer.link.notices import DOMAIN, ICMP, ICMP6, NoticeBoard
from scep_analyzer.model.anomalies import Anomaly, DecodeError
from scep_analyzer.model.limits import LIMITS, Limits
from scep_analyzer.model.packets import Packet, Segment
from scep_analyzer.model.stage import Stage


def _ppp(_frame: bytes) -> tuple[int, int]:
    return tunnels.PPP, 0


def _pppoe(_frame: bytes) -> tuple[int, int]:
    return tunnels.PPPOE_SESSION, 0


# LINKTYPE numbers: https://www.tcpdump.org/linktypes.html; 12 and 14 are the DLT_RAW of BSDs, found in old files.
LINK_DECODERS: dict[int, Callable[[bytes], tuple[int, int]]] = {
    0: loopback.decode,
    1: ethernet.decode,
    9: _ppp,
    50: _ppp,
    51: _pppoe,
    12: raw.decode,
    14: raw.decode,
    101: raw.decode,
    108: loopback.decode,
    113: sll.decode_v1,
    228: raw.decode,
    229: raw.decode,
    276: sll.decode_v2,
}

# Layers that may carry TCP and that this stage does not look into. Said once each, never passed over in silence.
UNREAD_ETHERTYPES = {0x88E7: "provider backbone bridge (802.1ah)"}
UNREAD_PROTOCOLS = {50: "IPsec ESP", 115: "L2TPv3"}
_IP_IN_IP, _IPV6_IN_IP, _GRE = 4, 41, 47
_DEEPEST = 8
"""Tunnels in tunnels; more than three are not met in the field."""
_UDP = 17
_ETHERNET = 1
_USUAL = frozenset({raw.IPV4, raw.IPV6, 0x0806})


class Decoder(Stage[Packet, Segment]):
    """Frame bytes → TCP segments. What is not TCP is left; what might hide TCP is counted and named at the end."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self._fragments = ip.Fragments(limits)
        self.notices = NoticeBoard(limits)
        self._unread: dict[tuple[str, str], list[int]] = {}
        self._wireless: list[int] = []
        """How many frames of Wi-Fi are marked as Ethernet, and the first one."""

    def feed(self, item: Packet) -> Iterator[Segment | Anomaly]:
        """Read one packet."""
        link_type, start = item.link_type, 0
        data = item.data
        try:
            if link_type in (exotic.PKTAP, exotic.USER2):
                link_type, start = exotic.unwrap(data)
                data = data[start:]
            if link_type in exotic.NAMES:
                ethertype, at = exotic.decode(link_type, data)
            elif link_type in LINK_DECODERS:
                ethertype, at = LINK_DECODERS[link_type](data)
            else:
                self._count("link-type-unknown", f"link type {link_type}", item.frame)
                return
        except DecodeError as error:
            self._count("encapsulation-not-read", str(error), item.frame)
            return
        if link_type == _ETHERNET and ethertype not in _USUAL:
            inside = ethernet.wireless(data)
            if inside is not None:
                ethertype, at = inside
                self._wireless = self._wireless or [0, item.frame]
                self._wireless[0] += 1
        yield from self._network(ethertype, data, at, item, 0)

    def _network(self, ethertype: int, data: bytes, at: int, packet: Packet, depth: int) -> Iterator[Segment | Anomaly]:
        """Read what an EtherType announces, down to TCP, through any tunnels."""
        if ethertype == tunnels.ETHERNET:
            ethertype, start = ethernet.decode(data[at:])
            at += start
        if depth > _DEEPEST:
            self._count("encapsulation-not-read", f"more than {_DEEPEST} tunnels in one another", packet.frame)
            return
        if ethertype in UNREAD_ETHERTYPES:
            self._count("encapsulation-not-read", UNREAD_ETHERTYPES[ethertype], packet.frame)
            return
        if ethertype in tunnels.BY_ETHERTYPE:
            name, opened = tunnels.BY_ETHERTYPE[ethertype]
            yield from self._inside(name, opened(data[at:]), data[at:], packet, depth)
            return
        try:
            if ethertype == raw.IPV4:
                datagram = ip.decode_v4(data, at)
            elif ethertype == raw.IPV6:
                datagram = ip.decode_v6(data, at)
            else:
                return
        except DecodeError as error:
            self._count("ip-header-damaged", str(error), packet.frame)
            return
        if datagram.more or datagram.offset:
            for whole in self._fragments.feed(datagram, packet.frame, packet.time_ns or 0):
                if isinstance(whole, Anomaly):
                    yield whole
                else:
                    yield from self._transport(whole, packet, depth)
        else:
            yield from self._transport(datagram, packet, depth)

    def _inside(
        self, name: str, inside: tunnels.Inside, payload: bytes, packet: Packet, depth: int
    ) -> Iterator[Segment | Anomaly]:
        if inside is None:
            self._count("encapsulation-not-read", name, packet.frame)
        else:
            yield from self._network(inside[0], payload, inside[1], packet, depth + 1)

    def finish(self) -> Iterable[Anomaly]:
        """Name what was not read."""
        yield from self._fragments.finish()
        if self.notices.forgotten:
            what = f"{self.notices.forgotten:,} name lookups are forgotten: a capture with many others"
            yield Anomaly("link", "limit-notices", (), what)
        if self._wireless:
            count, first = self._wireless
            begin = (
                "1 packet that is marked as Ethernet begins"
                if count == 1
                else f"{count:,} packets that are marked as Ethernet begin"
            )
            what = f"{begin} with an IEEE 802.11 header"
            yield Anomaly("link", "wifi-header-as-ethernet", (first,), what)
        for (code, what), (count, first) in self._unread.items():
            packets = "1 packet" if count == 1 else f"{count:,} packets"
            yield Anomaly("link", code, (first,), f"{packets} not read: {what}")

    def _count(self, code: str, what: str, frame: int) -> None:
        entry = self._unread.setdefault((code, what), [0, frame])
        entry[0] += 1

    def _transport(self, datagram: ip.Datagram, packet: Packet, depth: int) -> Iterator[Segment | Anomaly]:
        if datagram.protocol != ip.TCP:
            yield from self._carrier(datagram, packet, depth)
            return
        payload = datagram.payload
        if len(payload) < 20:
            self._count("tcp-header-cut", "a TCP header is cut by the snaplen or damaged", packet.frame)
            return
        header = (payload[12] >> 4) * 4
        if header < 20 or header > len(payload) + datagram.cut:
            self._count("tcp-header-damaged", "a TCP data offset points outside the segment", packet.frame)
            return
        if DOMAIN in (int.from_bytes(payload[:2], "big"), int.from_bytes(payload[2:4], "big")):
            message = payload[header + 2 :]  # the length stands before it (RFC 1035, Section 4.2.2)
            self.notices.dns(datagram.source, datagram.destination, message, packet.frame, packet.time_ns)
        yield Segment(  # by position: one for each packet, and keywords cost a microsecond
            packet.frame,
            packet.time_ns,
            datagram.source + datagram.destination + payload[:4],
            int.from_bytes(payload[4:8], "big"),
            int.from_bytes(payload[8:12], "big"),
            payload[13],
            payload[header:],
            # A cut inside the options takes header bytes first.
            min(datagram.cut, len(payload) + datagram.cut - header),
            -1,
            datagram.ttl,
            datagram.identification if len(datagram.source) == 4 else 0,
            int.from_bytes(payload[14:16], "big"),
        )

    def _carrier(self, datagram: ip.Datagram, packet: Packet, depth: int) -> Iterator[Segment | Anomaly]:
        """What is not TCP may carry it."""
        payload = datagram.payload
        if datagram.protocol in (_IP_IN_IP, _IPV6_IN_IP):
            ethertype = raw.IPV4 if datagram.protocol == _IP_IN_IP else raw.IPV6
            yield from self._network(ethertype, payload, 0, packet, depth + 1)
        elif datagram.protocol == _GRE:
            yield from self._inside("GRE tunnel", tunnels.gre(payload), payload, packet, depth)
        elif datagram.protocol == _UDP:
            known = tunnels.BY_UDP_PORT.get(int.from_bytes(payload[2:4], "big"))
            if known is not None:
                name, opened = known
                yield from self._inside(name, opened(payload[8:]), payload[8:], packet, depth)
            elif DOMAIN in (int.from_bytes(payload[:2], "big"), int.from_bytes(payload[2:4], "big")):
                self.notices.dns(datagram.source, datagram.destination, payload[8:], packet.frame, packet.time_ns)
        elif datagram.protocol in (ICMP, ICMP6):
            self.notices.icmp(datagram.protocol, datagram.source, payload, packet.frame, packet.time_ns)
        elif datagram.protocol in UNREAD_PROTOCOLS:
            self._count("encapsulation-not-read", UNREAD_PROTOCOLS[datagram.protocol], packet.frame)
