"""Link layers that few captures have: 802.11 with or without radio headers, PPI, PF logs, through scapy's dissectors.

scapy takes half a second to import and a millisecond a packet; both are spent only where such a capture is met.
"""

from functools import cache
from typing import Any

from scep_analyzer.link.raw import IPV4, IPV6
from scep_analyzer.model.anomalies import DecodeError

NAMES = {
    105: "IEEE 802.11",
    117: "OpenBSD pflog",
    119: "IEEE 802.11 with a Prism header",
    127: "IEEE 802.11 with a radiotap header",
    192: "per-packet information (PPI)",
}
_DATA, _PROTECTED = 2, 0x40
"""Frame type and flag of 802.11."""

PKTAP, USER2 = 258, 149
"""Apple's, which names the link type of what it holds. macOS wrote it as USER2 before it had a number."""


def decode(link_type: int, frame: bytes) -> tuple[int, int]:
    """Give the EtherType and where its payload starts; (0, 0) where there is no IP inside. DecodeError: it cannot be read."""
    dissector, ip, ipv6, dot11 = _scapy(link_type)
    try:
        packet = dissector(frame)
        inside = packet.getlayer(ip) or packet.getlayer(ipv6)
        wireless = packet.getlayer(dot11)
        hidden = wireless is not None and wireless.type == _DATA and int(wireless.FCfield) & _PROTECTED
    except Exception as error:  # scapy raises whatever a dissector stumbles on
        raise DecodeError(f"{NAMES[link_type]} cannot be read: {type(error).__name__}") from error
    if inside is None:
        if hidden:
            raise DecodeError("IEEE 802.11 frames are encrypted: give Wireshark their keys and save them decrypted")
        return 0, 0
    original = bytes(inside.original)
    at = frame.find(original)
    if at < 0:  # a frame check sequence was cut off
        at = frame.find(original[:40])
    return (IPV4 if isinstance(inside, ip) else IPV6), max(at, 0)


def unwrap(frame: bytes) -> tuple[int, int]:
    """The link type that a PKTAP header names, and where its frame starts."""
    length, link_type = int.from_bytes(frame[:4], "little"), int.from_bytes(frame[8:12], "little")
    if not 16 <= length <= len(frame):
        raise DecodeError("a PKTAP header is cut or damaged")
    return link_type, length


@cache
def _scapy(link_type: int) -> tuple[Any, Any, Any, Any]:
    """Scapy's dissector for a link type, its classes for IPv4 and IPv6, and for 802.11."""
    import logging

    logging.getLogger("scapy").setLevel(logging.CRITICAL)  # nothing of it is for our users
    import scapy.layers.dot11
    import scapy.layers.inet
    import scapy.layers.inet6
    import scapy.layers.pflog
    import scapy.layers.ppi  # registers its link type
    from scapy.config import conf

    dissector = conf.l2types.num2layer.get(link_type)
    if dissector is None:
        raise DecodeError(f"this version of scapy does not know link type {link_type}")
    return dissector, scapy.layers.inet.IP, scapy.layers.inet6.IPv6, scapy.layers.dot11.Dot11
