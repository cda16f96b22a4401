"""Packets to the byte with struct alone, fast enough for properties and for captures of a gigabyte. Checksums are left at zero."""

import ipaddress
import struct
from functools import lru_cache

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
MAC = bytes.fromhex("020000000002020000000001")


def tcp(
    sport: int, dport: int, sequence: int, acknowledgment: int, flags: int, payload: bytes = b"", options: bytes = b""
) -> bytes:
    options += b"\1" * (-len(options) % 4)
    words = 5 + len(options) // 4
    head = struct.pack(
        ">HHIIBBHHH", sport, dport, sequence % 2**32, acknowledgment % 2**32, words << 4, flags, 65535, 0, 0
    )
    return head + options + payload


def udp(sport: int, dport: int, payload: bytes) -> bytes:
    return struct.pack(">HHHH", sport, dport, 8 + len(payload), 0) + payload


@lru_cache(maxsize=64)
def _packed(address: str) -> bytes:
    return ipaddress.ip_address(address).packed


def ip(
    source: str,
    destination: str,
    protocol: int,
    payload: bytes,
    ident: int = 0,
    fragment: int = 0,
    options: bytes = b"",
) -> bytes:
    """IPv4 or IPv6 by the form of the addresses. ``fragment`` is the offset in bytes, plus 1 where more fragments follow."""
    a, b = _packed(source), _packed(destination)
    if len(a) == 16:
        if fragment:
            payload = struct.pack(">BBHI", protocol, 0, (fragment & ~7) | (fragment & 1), ident) + payload
            protocol = 44
        return struct.pack(">IHBB", 0x60000000, len(payload), protocol, 64) + a + b + payload
    words = 5 + len(options) // 4
    bits = fragment >> 3 | (0x2000 if fragment & 1 else 0)
    head = struct.pack(">BBHHHBBH", 0x40 | words, 0, words * 4 + len(payload), ident, bits, 64, protocol, 0)
    return head + a + b + options + payload


def between(side: str, flags: int, sequence: int, acknowledgment: int, payload: bytes = b"") -> bytes:
    """An Ethernet frame of a client (``C``, 10.0.0.1:40000) or of its server (``S``, 10.0.0.2:80)."""
    client, server = ("10.0.0.1", 40000), ("10.0.0.2", 80)
    (source, sport), (destination, dport) = (client, server) if side == "C" else (server, client)
    return ethernet(ip(source, destination, 6, tcp(sport, dport, sequence, acknowledgment, flags, payload)))


def ethertype(packet: bytes) -> int:
    return 0x0800 if packet[0] >> 4 == 4 else 0x86DD


def ethernet(packet: bytes) -> bytes:
    return (MAC + struct.pack(">H", ethertype(packet)) + packet).ljust(60, b"\0")


def vlan(packet: bytes, tag: int = 7) -> bytes:
    return MAC + struct.pack(">HHH", 0x8100, tag, ethertype(packet)) + packet


def qinq(packet: bytes) -> bytes:
    return MAC + struct.pack(">HHHHH", 0x88A8, 5, 0x8100, 7, ethertype(packet)) + packet


def sll(packet: bytes) -> bytes:
    return struct.pack(">HHH8sH", 0, 1, 6, MAC[:8], ethertype(packet)) + packet


def sll2(packet: bytes) -> bytes:
    return struct.pack(">HHIHBB8s", ethertype(packet), 0, 3, 1, 0, 6, MAC[:8]) + packet


def raw(packet: bytes) -> bytes:
    return packet


def null(packet: bytes) -> bytes:
    return struct.pack("<I", 2 if packet[0] >> 4 == 4 else 24) + packet


LINKS = {
    "ethernet": (1, ethernet),
    "vlan": (1, vlan),
    "qinq": (1, qinq),
    "sll": (113, sll),
    "sll2": (276, sll2),
    "raw": (101, raw),
    "null": (0, null),
}
"""Link type and encapsulation."""
