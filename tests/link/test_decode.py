"""The same TCP segment on every link; packets built by scapy. What is not read is named."""

import random
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
from scapy.contrib.erspan import ERSPAN_II, ERSPAN_III
from scapy.contrib.geneve import GENEVE
from scapy.contrib.gtp import GTP_U_Header
from scapy.contrib.mpls import MPLS
from scapy.layers.dot11 import Dot11, Dot11QoS, RadioTap
from scapy.layers.inet import IP, TCP, UDP, fragment
from scapy.layers.inet6 import (
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    fragment6,
)
from scapy.layers.l2 import (
    ARP,
    GRE,
    LLC,
    SNAP,
    CookedLinux,
    CookedLinuxV2,
    Dot1AD,
    Dot1Q,
    Dot3,
    Ether,
    Loopback,
)
from scapy.layers.ppp import HDLC, PPP, PPPoE
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw

from scep_analyzer.link.decode import Decoder
from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.limits import Limits
from scep_analyzer.model.packets import Endpoint, Packet, Segment, address, key_of
from tests.files import pcap_header, pcap_record

# Addresses given, because scapy would ask the network for them.
MAC = "02:00:00:00:00:01"
ETHERNET, ETHERNET_PPPOE = Ether(src=MAC, dst=MAC), Ether(src=MAC, dst=MAC, type=0x8864)
ETHERNET_MPLS = Ether(src=MAC, dst=MAC, type=0x8847)
PAYLOAD = b"GET /scep?operation=GetCACaps HTTP/1.0\r\n\r\n"
TRANSPORT = TCP(sport=40000, dport=80, flags="PA", seq=11, ack=22, options=[("NOP", None), ("NOP", None)]) / Raw(
    PAYLOAD
)
V4 = IP(src="10.0.0.1", dst="10.0.0.2") / TRANSPORT
V6 = IPv6(src="2001:db8::1", dst="2001:db8::2") / TRANSPORT
# scapy writes a window of 8192 where it is told none.
EXPECTED_V4 = Segment(
    1,
    5,
    key_of(Endpoint("10.0.0.1", 40000), Endpoint("10.0.0.2", 80)),
    11,
    22,
    0x18,
    PAYLOAD,
    ttl=64,
    ident=1,
    window=8192,
)
EXPECTED_V6 = Segment(
    1,
    5,
    key_of(Endpoint("2001:db8::1", 40000), Endpoint("2001:db8::2", 80)),
    11,
    22,
    0x18,
    PAYLOAD,
    ttl=64,
    window=8192,
)


def _decode(frames: list[bytes], link_type: int, limits: Limits | None = None) -> list[Segment | Anomaly]:
    packets = [Packet(at, 5, link_type, frame, len(frame)) for at, frame in enumerate(frames, 1)]
    return list(Decoder(limits or Limits()).over(packets))


LINKS: dict[str, tuple[int, Any]] = {
    "ethernet": (1, ETHERNET / V4),
    "vlan": (1, ETHERNET / Dot1Q(vlan=7) / V4),
    "qinq": (1, ETHERNET / Dot1AD(vlan=7) / Dot1Q(vlan=8) / V4),
    "802.3 with SNAP": (1, Dot3(src=MAC, dst=MAC) / LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP(code=0x0800) / V4),
    "linux cooked": (113, CookedLinux(proto=0x0800) / V4),
    "linux cooked v2": (276, CookedLinuxV2(proto=0x0800) / V4),
    "linux cooked v2, vlan": (276, CookedLinuxV2(proto=0x8100) / Dot1Q() / V4),
    "raw": (101, V4),
    "raw, the BSDs' number": (12, V4),
    "ipv4": (228, V4),
    "null, little-endian host": (0, b"\2\0\0\0" + bytes(V4)),
    "null, big-endian host": (0, b"\0\0\0\2" + bytes(V4)),
    "loop": (108, Loopback(type=2) / V4),
}
OUTER = IP(src="192.0.2.1", dst="192.0.2.2")
GRE_FULL = GRE(chksum_present=1, key_present=1, seqnum_present=1, key=7, sequence_number=9)
VXLAN_OUTER = OUTER / UDP(sport=5, dport=4789) / VXLAN(vni=9, flags=8)
OUTER_V6 = IPv6(src="2001:db8:f::1", dst="2001:db8:f::2")
TUNNELS: dict[str, tuple[int, Any]] = {
    "gre": (1, ETHERNET / OUTER / GRE() / V4),
    "gre with checksum, key and sequence": (
        1,
        ETHERNET / OUTER / GRE_FULL / V4,
    ),
    "gretap": (1, ETHERNET / OUTER / GRE(proto=0x6558) / ETHERNET / V4),
    "gre over ipv6": (1, ETHERNET / OUTER_V6 / GRE() / V4),
    "erspan I": (1, ETHERNET / OUTER / GRE(proto=0x88BE) / ETHERNET / V4),
    "erspan II": (1, ETHERNET / OUTER / GRE(proto=0x88BE, seqnum_present=1) / ERSPAN_II() / ETHERNET / V4),
    "erspan III": (1, ETHERNET / OUTER / GRE(proto=0x22EB, seqnum_present=1) / ERSPAN_III() / ETHERNET / V4),
    "ipip": (1, ETHERNET / OUTER / V4),
    "ip in ipv6": (1, ETHERNET / OUTER_V6 / V4),
    "mpls": (1, ETHERNET_MPLS / MPLS(label=17, s=0) / MPLS(label=18, s=1) / V4),
    "mpls pseudowire": (1, ETHERNET_MPLS / MPLS(label=17, s=1) / Raw(b"\0" * 4) / ETHERNET / V4),
    "pppoe": (1, ETHERNET_PPPOE / PPPoE() / PPP(proto=0x21) / V4),
    "ppp": (9, HDLC() / PPP(proto=0x21) / V4),
    "ppp without address": (50, PPP(proto=0x21) / V4),
    "pppoe as a link": (51, PPPoE() / PPP(proto=0x21) / V4),
    "vxlan": (1, ETHERNET / VXLAN_OUTER / ETHERNET / V4),
    "geneve": (1, ETHERNET / OUTER / UDP(sport=5, dport=6081) / GENEVE(vni=9) / ETHERNET / V4),
    "gtp-u": (1, ETHERNET / OUTER / UDP(sport=5, dport=2152) / GTP_U_Header(teid=5) / V4),
    "gtp-u with sequence": (1, ETHERNET / OUTER / UDP(sport=5, dport=2152) / GTP_U_Header(teid=5, S=1, seq=3) / V4),
    "vxlan in vlan in gre": (
        1,
        ETHERNET
        / OUTER
        / GRE(proto=0x6558)
        / ETHERNET
        / Dot1Q()
        / OUTER
        / UDP(dport=4789)
        / VXLAN(flags=8)
        / ETHERNET
        / V4,
    ),
}
LINKS_V6: dict[str, tuple[int, Any]] = {
    "ethernet": (1, ETHERNET / V6),
    "raw": (101, V6),
    "ipv6": (229, V6),
    "null of macOS": (0, b"\x1e\0\0\0" + bytes(V6)),
    "loop of FreeBSD": (108, b"\0\0\0\x1c" + bytes(V6)),
    "hop-by-hop": (101, IPv6(src="2001:db8::1", dst="2001:db8::2") / IPv6ExtHdrHopByHop() / TRANSPORT),
    "destination options and routing": (
        101,
        IPv6(src="2001:db8::1", dst="2001:db8::2") / IPv6ExtHdrDestOpt() / IPv6ExtHdrRouting(segleft=0) / TRANSPORT,
    ),
    "atomic fragment": (101, IPv6(src="2001:db8::1", dst="2001:db8::2") / IPv6ExtHdrFragment() / TRANSPORT),
}


@pytest.mark.parametrize("name", LINKS)
def test_the_same_segment_over_ipv4(name: str) -> None:
    link_type, frame = LINKS[name]
    assert _decode([bytes(frame)], link_type) == [EXPECTED_V4]


@pytest.mark.parametrize("name", LINKS_V6)
def test_the_same_segment_over_ipv6(name: str) -> None:
    link_type, frame = LINKS_V6[name]
    assert _decode([bytes(frame)], link_type) == [EXPECTED_V6]


@pytest.mark.parametrize("name", TUNNELS)
def test_the_same_segment_through_a_tunnel(name: str) -> None:
    link_type, frame = TUNNELS[name]
    assert _decode([bytes(frame)], link_type) == [EXPECTED_V4]


def test_6in4_and_what_the_snaplen_takes_inside_a_tunnel() -> None:
    frame = bytes(ETHERNET / OUTER / V6)
    assert _decode([frame], 1) == [EXPECTED_V6]
    (segment,) = _decode([frame[:-12]], 1)
    assert isinstance(segment, Segment)
    assert (segment.payload, segment.cut) == (PAYLOAD[:-12], 12)


def test_fragments_of_a_tunnel() -> None:
    pieces = [bytes(each) for each in fragment(IP(src="192.0.2.1", dst="192.0.2.2", id=5) / GRE() / V4, fragsize=40)]
    (segment,) = _decode(pieces, 101)
    assert isinstance(segment, Segment)
    assert segment.payload == PAYLOAD


def test_tunnels_in_tunnels_are_bounded() -> None:
    frame: Any = V4
    for _ in range(12):
        frame = OUTER / frame
    (anomaly,) = _decode([bytes(frame)], 101)
    assert isinstance(anomaly, Anomaly)
    assert "more than 8 tunnels" in anomaly.detail


def test_padding_and_ip_options() -> None:
    from scapy.layers.inet import IPOption_NOP

    short = IP(src="10.0.0.1", dst="10.0.0.2", options=[IPOption_NOP()] * 4) / TCP(sport=1, dport=2, flags="A")
    (segment,) = _decode([bytes(ETHERNET / short) + b"\0" * 20], 1)
    assert isinstance(segment, Segment)
    assert segment.payload == b""


def test_a_length_left_to_the_network_card() -> None:
    """Segmentation offload: the capturing host saw the packet before its length was filled in."""
    frame = bytearray(bytes(V4))
    frame[2:4] = b"\0\0"
    assert _decode([bytes(frame)], 101) == [EXPECTED_V4]


def test_what_the_snaplen_took_is_counted() -> None:
    (segment,) = _decode([bytes(ETHERNET / V4)[:-10]], 1)
    assert isinstance(segment, Segment)
    assert (segment.payload, segment.cut) == (PAYLOAD[:-10], 10)


def test_a_cut_inside_the_tcp_options_takes_only_payload_into_account() -> None:
    (segment,) = _decode([bytes(V4)[: 20 + 22]], 101)
    assert isinstance(segment, Segment)
    assert (segment.payload, segment.cut) == (b"", len(PAYLOAD))


@pytest.mark.parametrize("seed", range(5))
def test_ipv4_fragments_in_any_order(seed: int) -> None:
    pieces = [bytes(each) for each in fragment(IP(src="10.0.0.1", dst="10.0.0.2", id=77) / TRANSPORT, fragsize=24)]
    random.Random(seed).shuffle(pieces)
    (segment,) = _decode(pieces, 101)
    assert isinstance(segment, Segment)
    assert (segment.frame, segment.payload) == (len(pieces), PAYLOAD)


@pytest.mark.parametrize("seed", range(5))
def test_ipv6_fragments_in_any_order(seed: int) -> None:
    whole = (
        IPv6(src="2001:db8::1", dst="2001:db8::2") / IPv6ExtHdrFragment(id=9) / TCP(sport=1, dport=2) / Raw(b"x" * 3000)
    )
    pieces = [bytes(each) for each in fragment6(whole, 1280)]
    random.Random(seed).shuffle(pieces)
    (segment,) = _decode(pieces, 101)
    assert isinstance(segment, Segment)
    assert segment.payload == b"x" * 3000


def test_fragments_whose_rest_is_missing_are_named() -> None:
    pieces = [bytes(each) for each in fragment(IP(id=77, dst="10.0.0.2") / TRANSPORT, fragsize=24)]
    (anomaly,) = _decode(pieces[:-1], 101)
    assert isinstance(anomaly, Anomaly)
    assert anomaly.code == "fragments-incomplete"
    assert anomaly.frames == tuple(range(1, len(pieces)))


def test_waiting_fragments_are_bounded_and_the_limit_is_named() -> None:
    starts = [bytes(fragment(IP(id=at, dst="10.0.0.2") / Raw(b"x" * 100), fragsize=80)[0]) for at in range(5)]
    codes = [each.code for each in _decode(starts, 101, Limits(fragment_bytes=200)) if isinstance(each, Anomaly)]
    assert codes == ["limit-fragments"] * 3 + ["fragments-incomplete"] * 2


@pytest.mark.parametrize(
    ("link_type", "frame", "code", "said"),
    [
        (147, b"whatever", "link-type-unknown", "link type 147"),
        (1, ETHERNET / IP(proto=50) / Raw(b"x" * 50), "encapsulation-not-read", "ESP"),
        (1, ETHERNET / IP() / UDP(dport=4789) / Raw(b"\0" * 50), "encapsulation-not-read", "VXLAN"),
        (1, ETHERNET_PPPOE / Raw(b"x" * 50), "encapsulation-not-read", "PPPoE"),
        (1, bytes(ETHERNET / V4)[:12] + b"\x88\xe7" + b"x" * 60, "encapsulation-not-read", "802.1ah"),
        (101, b"\x45\0\0\x10" + b"\0" * 16, "ip-header-damaged", "total length"),
        (101, bytes(V4)[:30], "tcp-header-cut", "TCP header"),
    ],
)
def test_what_is_not_read_is_named_once(link_type: int, frame: Any, code: str, said: str) -> None:
    (anomaly,) = _decode([bytes(frame)] * 3, link_type)
    assert isinstance(anomaly, Anomaly)
    assert (anomaly.code, anomaly.frames) == (code, (1,))
    assert said in anomaly.detail
    assert anomaly.detail.startswith("3 packets not read")


@pytest.mark.parametrize("frame", [ETHERNET / ARP(), ETHERNET / IP() / UDP(dport=53), b"", b"\0" * 5, ETHERNET])
def test_what_cannot_hold_tcp_is_left(frame: Any) -> None:
    assert _decode([bytes(frame)], 1) == []


@pytest.mark.parametrize("link_type", sorted({0, 1, 12, 101, 108, 113, 228, 229, 276}))
def test_any_bytes_are_survived(link_type: int) -> None:
    chance = random.Random(link_type)
    frames = [chance.randbytes(chance.randrange(80)) for _ in range(2000)]
    frames += [bytes(ETHERNET / V6)[: chance.randrange(100)] for _ in range(200)]
    for item in _decode(frames, link_type):
        assert isinstance(item, Segment | Anomaly)


def test_addresses_are_written_as_wireshark_does() -> None:
    assert address(bytes.fromhex("20010db8000000000000000000000001")) == "2001:db8::1"


WIRELESS = Dot11(type=2, subtype=8, FCfield=1, addr1=MAC, addr2=MAC, addr3=MAC) / Dot11QoS() / LLC() / SNAP() / V4
EXOTIC: dict[str, tuple[int, bytes]] = {
    "802.11": (105, bytes(WIRELESS)),
    "802.11 with radiotap": (127, bytes(RadioTap() / WIRELESS)),
    "802.11 in PPI": (192, struct.pack("<BBHI", 0, 0, 8, 105) + bytes(WIRELESS)),
    "pktap": (258, struct.pack("<III", 108, 1, 1) + bytes(96) + bytes(ETHERNET / V4)),
    "pktap as user 2": (149, struct.pack("<III", 108, 1, 101) + bytes(96) + bytes(V4)),
}


@pytest.mark.parametrize("name", EXOTIC)
def test_the_same_segment_over_links_that_few_captures_have(name: str) -> None:
    link_type, frame = EXOTIC[name]
    assert _decode([frame], link_type) == [EXPECTED_V4]


@pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed (apt-get install tshark)")
@pytest.mark.parametrize("name", [name for name, (link_type, _) in EXOTIC.items() if link_type != 149])
def test_tshark_reads_those_frames_alike(name: str, tmp_path: Path) -> None:
    link_type, frame = EXOTIC[name]
    (tmp_path / "x.pcap").write_bytes(pcap_header(link_type=link_type) + pcap_record(frame))
    command = ["tshark", "-n", "-r", str(tmp_path / "x.pcap"), "-T", "fields", "-e", "tcp.srcport", "-e", "tcp.len"]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    assert done.stdout.split() == ["40000", str(len(PAYLOAD))]


def test_exotic_frames_that_cannot_be_read_are_counted() -> None:
    encrypted = bytes(Dot11(type=2, FCfield=0x40, addr1=MAC, addr2=MAC, addr3=MAC)) + bytes(40)
    (anomaly,) = _decode([encrypted], 105)
    assert isinstance(anomaly, Anomaly)
    assert (anomaly.code, "encrypted" in anomaly.detail) == ("encapsulation-not-read", True)
    (anomaly,) = _decode([b"\xff\xff\0\0"], 258)
    assert isinstance(anomaly, Anomaly)
    assert "PKTAP" in anomaly.detail
    beacon = bytes(RadioTap() / Dot11(type=0, subtype=8, addr1=MAC, addr2=MAC, addr3=MAC))
    assert _decode([beacon], 127) == []
