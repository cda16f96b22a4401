"""Layers that carry other packets: GRE and ERSPAN, MPLS, PPPoE and PPP, VXLAN, GENEVE, GTP-U.

Each function is given a payload and says what is inside: the EtherType and where it starts, or None where it is
nothing that can be read on.
"""

from collections.abc import Callable

from scep_analyzer.link.raw import IPV4, IPV6

ETHERNET = 0x6558
"""Transparent Ethernet bridging: a whole frame follows (RFC 1701, RFC 7637)."""

MPLS, MPLS_MULTICAST, PPPOE_SESSION, PPP = 0x8847, 0x8848, 0x8864, 0x880B
_ERSPAN, _ERSPAN_III = 0x88BE, 0x22EB

Inside = tuple[int, int] | None


def gre(payload: bytes) -> Inside:
    """RFC 2784 and 2890; version 1 carries PPP (PPTP, RFC 2637). ERSPAN I to III lie on top of it."""
    if len(payload) < 4:
        return None
    flags, kind = int.from_bytes(payload[:2], "big"), int.from_bytes(payload[2:4], "big")
    at = 4 + 4 * bool(flags & 0xC000) + 4 * bool(flags & 0x2000) + 4 * bool(flags & 0x1000)
    if flags & 7 == 1:
        at += 4 * bool(flags & 0x0080)
    if kind == _ERSPAN:  # type I has neither sequence number nor header of its own
        return ETHERNET, at + (8 if flags & 0x1000 else 0)
    if kind == _ERSPAN_III:
        more = len(payload) > at + 11 and payload[at + 11] & 1
        return ETHERNET, at + 12 + (8 if more else 0)
    return kind, at


def mpls(payload: bytes) -> Inside:
    """RFC 3032: labels until the bottom of the stack; what follows is told by its first four bits."""
    at = 0
    while at + 4 <= len(payload):
        bottom = payload[at + 2] & 1
        at += 4
        if bottom:
            first = payload[at] >> 4 if at < len(payload) else -1
            if first == 0:  # a pseudowire's control word (RFC 4385), then Ethernet
                return ETHERNET, at + 4
            kind = {4: IPV4, 6: IPV6}.get(first)
            return (kind, at) if kind is not None else None
    return None


def ppp(payload: bytes) -> Inside:
    """RFC 1661 and 1662: address and control may be left out, the protocol may be one byte."""
    at = 2 if payload[:2] == b"\xff\x03" else 0
    if at >= len(payload):
        return None
    size = 1 if payload[at] & 1 else 2
    kind = {0x21: IPV4, 0x57: IPV6, 0x281: MPLS, 0x283: MPLS_MULTICAST}.get(
        int.from_bytes(payload[at : at + size], "big")
    )
    return (kind, at + size) if kind is not None else None


def pppoe(payload: bytes) -> Inside:
    """RFC 2516: six bytes, then PPP."""
    inside = ppp(payload[6:]) if payload[1:2] == b"\0" else None
    return (inside[0], inside[1] + 6) if inside is not None else None


def vxlan(payload: bytes) -> Inside:
    """RFC 7348: eight bytes, then Ethernet."""
    return (ETHERNET, 8) if len(payload) > 8 and payload[0] & 0x08 else None


def geneve(payload: bytes) -> Inside:
    """RFC 8926: eight bytes and options, then what the protocol type says."""
    if len(payload) < 8 or payload[0] >> 6:
        return None
    return int.from_bytes(payload[2:4], "big"), 8 + 4 * (payload[0] & 0x3F)


def gtp_u(payload: bytes) -> Inside:
    """3GPP TS 29.281: a G-PDU (message type 255) with its optional fields and extension headers, then IP."""
    if len(payload) < 8 or payload[0] >> 5 != 1 or payload[1] != 0xFF:
        return None
    at = 8
    if payload[0] & 7:
        at = 12
        following = payload[11] if len(payload) > 11 and payload[0] & 4 else 0
        while following and at < len(payload) and payload[at]:
            size = 4 * payload[at]
            following = payload[at + size - 1] if at + size <= len(payload) else 0
            at += size
    kind = {4: IPV4, 6: IPV6}.get(payload[at] >> 4 if at < len(payload) else 0)
    return (kind, at) if kind is not None else None


BY_ETHERTYPE: dict[int, tuple[str, Callable[[bytes], Inside]]] = {
    MPLS: ("MPLS", mpls),
    MPLS_MULTICAST: ("MPLS", mpls),
    PPPOE_SESSION: ("PPPoE", pppoe),
    PPP: ("PPP", ppp),
}
BY_UDP_PORT: dict[int, tuple[str, Callable[[bytes], Inside]]] = {
    4789: ("VXLAN tunnel", vxlan),
    6081: ("GENEVE tunnel", geneve),
    2152: ("GTP-U tunnel", gtp_u),
}
"""The ports that Wireshark knows them by, so that stream numbers agree."""
