"""Capture files to the byte, by the formats' own specifications (struct only)."""

import struct

ETHERNET = 1


def pcap_header(order: str = "<", magic: int = 0xA1B2C3D4, link_type: int = ETHERNET) -> bytes:
    return struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, link_type)


def pcap_record(
    data: bytes, order: str = "<", seconds: int = 1000, fraction: int = 250, wire: int | None = None, extra: bytes = b""
) -> bytes:
    return struct.pack(order + "IIII", seconds, fraction, len(data), wire or len(data)) + extra + data


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += b"\0" * (-len(body) % 4)
    return struct.pack(order + "II", kind, len(body) + 12) + body + struct.pack(order + "I", len(body) + 12)


def section(order: str = "<") -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(order: str = "<", link_type: int = ETHERNET, options: bytes = b"", snaplen: int = 0) -> bytes:
    return block(1, struct.pack(order + "HHI", link_type, 0, snaplen) + options, order)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + b"\0" * (-len(value) % 4)


def enhanced(data: bytes, ticks: int, order: str = "<", index: int = 0, wire: int | None = None) -> bytes:
    fields = struct.pack(order + "IIIII", index, ticks >> 32, ticks & 0xFFFFFFFF, len(data), wire or len(data))
    return block(6, fields + data, order)


def simple(data: bytes, order: str = "<", wire: int | None = None) -> bytes:
    return block(3, struct.pack(order + "I", wire or len(data)) + data, order)


def obsolete(data: bytes, ticks: int, order: str = "<", index: int = 0) -> bytes:
    fields = struct.pack(order + "HHIIII", index, 0, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data))
    return block(2, fields + data, order)
