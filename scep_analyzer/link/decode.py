"""Packets → TCP segments. The table of link types is here; adding one is one line."""

from collections.abc import Callable, Iterable, Iterator

from scep_analyzer.link import ethernet, ip, loopback, raw, sll
from scep_analyzer.model.anomalies import Anomaly, DecodeError
from scep_analyzer.model.limits import LIMITS, Limits
from scep_analyzer.model.packets import Endpoint, Packet, Segment
from scep_analyzer.model.stage import Stage

# LINKTYPE numbers: https://www.tcpdump.org/linktypes.html; 12 and 14 are the DLT_RAW of BSDs, found in old files.
LINK_DECODERS: dict[int, Callable[[bytes], tuple[int, int]]] = {
    0: loopback.decode,
    1: ethernet.decode,
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
UNREAD_ETHERTYPES = {0x8847: "MPLS", 0x8848: "MPLS", 0x8864: "PPPoE", 0x88E7: "provider backbone bridge (802.1ah)"}
UNREAD_PROTOCOLS = {4: "IP-in-IP tunnel", 41: "IPv6-in-IP tunnel", 47: "GRE tunnel", 50: "IPsec ESP", 115: "L2TPv3"}
UNREAD_UDP_PORTS = {4789: "VXLAN tunnel", 6081: "GENEVE tunnel", 2152: "GTP-U tunnel"}
_UDP = 17


class Decoder(Stage[Packet, Segment]):
    """Frame bytes → TCP segments. What is not TCP is left; what might hide TCP is counted and named at the end."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self._fragments = ip.Fragments(limits)
        self._unread: dict[tuple[str, str], list[int]] = {}

    def feed(self, item: Packet) -> Iterator[Segment | Anomaly]:
        """Read one packet."""
        decode = LINK_DECODERS.get(item.link_type)
        if decode is None:
            self._count("link-type-unknown", f"link type {item.link_type}", item.frame)
            return
        ethertype, at = decode(item.data)
        if ethertype in UNREAD_ETHERTYPES:
            self._count("encapsulation-not-read", UNREAD_ETHERTYPES[ethertype], item.frame)
            return
        try:
            if ethertype == raw.IPV4:
                datagram = ip.decode_v4(item.data, at)
            elif ethertype == raw.IPV6:
                datagram = ip.decode_v6(item.data, at)
            else:
                return
        except DecodeError as error:
            self._count("ip-header-damaged", str(error), item.frame)
            return
        if datagram.more or datagram.offset:
            for whole in self._fragments.feed(datagram, item.frame, item.time_ns or 0):
                if isinstance(whole, Anomaly):
                    yield whole
                else:
                    yield from self._transport(whole, item)
        else:
            yield from self._transport(datagram, item)

    def finish(self) -> Iterable[Anomaly]:
        """Name what was not read."""
        yield from self._fragments.finish()
        for (code, what), (count, first) in self._unread.items():
            packets = "1 packet" if count == 1 else f"{count:,} packets"
            yield Anomaly("link", code, (first,), f"{packets} not read: {what}")

    def _count(self, code: str, what: str, frame: int) -> None:
        entry = self._unread.setdefault((code, what), [0, frame])
        entry[0] += 1

    def _transport(self, datagram: ip.Datagram, packet: Packet) -> Iterator[Segment]:
        if datagram.protocol != ip.TCP:
            what = UNREAD_PROTOCOLS.get(datagram.protocol)
            if datagram.protocol == _UDP:
                what = UNREAD_UDP_PORTS.get(int.from_bytes(datagram.payload[2:4], "big"))
            if what is not None:
                self._count("encapsulation-not-read", what, packet.frame)
            return
        payload = datagram.payload
        if len(payload) < 20:
            self._count("tcp-header-cut", "a TCP header is cut by the snaplen or damaged", packet.frame)
            return
        header = (payload[12] >> 4) * 4
        if header < 20 or header > len(payload) + datagram.cut:
            self._count("tcp-header-damaged", "a TCP data offset points outside the segment", packet.frame)
            return
        yield Segment(
            packet.frame,
            packet.time_ns,
            Endpoint(ip.address(datagram.source), int.from_bytes(payload[0:2], "big")),
            Endpoint(ip.address(datagram.destination), int.from_bytes(payload[2:4], "big")),
            int.from_bytes(payload[4:8], "big"),
            int.from_bytes(payload[8:12], "big"),
            payload[13],
            payload[header:],
            # A cut inside the options takes header bytes first.
            min(datagram.cut, len(payload) + datagram.cut - header),
        )
