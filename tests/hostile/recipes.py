"""Captures that once cost more than their size, each of any size: ``recipe(n)`` gives a file of about ``n`` parts.

They are written to the byte by the formats' specifications (struct alone), not with the program's own code.
"""

import struct
import zlib
from collections.abc import Callable

from tests import files
from tests.builders import wire

ACK, FIN = 16, 1
_PIECE = 60_000


def tlv(tag: int, content: bytes) -> bytes:
    """One DER element."""
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def capture(*talks: tuple[bytes, bytes], apart_ms: int = 1, clients: bool = False) -> bytes:
    """A pcap file of HTTP conversations: what the client says, and what the server answers, a connection each."""
    records = [files.pcap_header()]
    for number, (asked, answered) in enumerate(talks):
        client = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}" if clients else "10.0.0.1"
        port = 20_000 if clients else 20_000 + number % 40_000
        sent = {"C": 1, "S": 1}
        ms = number * apart_ms

        def packet(side: str, flags: int, content: bytes = b"") -> None:
            ends = ((client, port), ("192.0.2.9", 80))  # noqa: B023  # called at once
            (source, sport), (target, dport) = ends if side == "C" else ends[::-1]
            other = "S" if side == "C" else "C"
            segment = wire.tcp(sport, dport, sent[side], sent[other], flags, content)  # noqa: B023
            frame = wire.ethernet(wire.ip(source, target, 6, segment))
            records.append(files.pcap_record(frame, seconds=1000 + ms // 1000, fraction=ms % 1000 * 1000))  # noqa: B023
            sent[side] += len(content) + (flags & FIN)  # noqa: B023

        for side, content in (("C", asked), ("S", answered)):
            for at in range(0, len(content), _PIECE):
                packet(side, ACK, content[at : at + _PIECE])
        packet("C", FIN | ACK)
        packet("S", FIN | ACK)
    return b"".join(records)


CACERT = b"GET /scep?operation=GetCACert HTTP/1.1\r\nHost: ca\r\n\r\n"


def answer(body: bytes, kind: str = "application/x-x509-ca-ra-cert", status: str = "200 OK", more: str = "") -> bytes:
    """An HTTP response."""
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


def indefinite(n: int) -> bytes:
    """Empty elements of indefinite length in front of a long string."""
    return capture((CACERT, answer(tlv(0x30, b"\x30\x80\0\0" * n + tlv(0x04, bytes(n * 30))))))


def long_oid(n: int) -> bytes:
    """A name whose attribute has an OID of one long arc, in what may be a certificate."""
    name = tlv(0x30, tlv(0x31, tlv(0x30, tlv(0x06, b"\x55" + b"\xff" * n + b"\x01") + tlv(0x0C, b"x"))))
    body = tlv(0x30, tlv(0xA0, b"\x02\x01\x02") + b"\x02\x01\x05" + tlv(0x30, b"\x06\x01\x2a") + name + name)
    return capture((CACERT, answer(tlv(0x30, body + tlv(0x30, b"\x06\x01\x2a") + b"\x03\x02\0\0"))))


def names(n: int) -> bytes:
    """A certificate with many relative distinguished names."""
    rdn = tlv(0x31, tlv(0x30, b"\x06\x03\x55\x04\x03" + tlv(0x0C, b"x")))
    body = tlv(0x30, tlv(0xA0, b"\x02\x01\x02") + b"\x02\x01\x05" + tlv(0x30, b"\x06\x01\x2a") + tlv(0x30, rdn * n))
    return capture((CACERT, answer(tlv(0x30, body + tlv(0x30, b"\x06\x01\x2a") + b"\x03\x02\0\0"))))


def codings(n: int) -> bytes:
    """Many content codings over a damaged stream."""
    packed = zlib.compress(bytes(4_000_000))[:-4] + b"\0\0\0\0"
    head = f"Content-Encoding: {','.join(['deflate'] * n)}\r\n"
    return capture((CACERT, answer(packed, more=head)))


def chunk_end(n: int) -> bytes:
    """A chunk that never ends."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-x509-ca-cert\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nA"
    return capture((CACERT, head + b"x" * (n * 1000)))


def error_pages(n: int) -> bytes:
    """Pages of tags that do not end."""
    page = answer(b"<" * 16_000, "text/html", "500 Error")
    return capture(*[(CACERT, page)] * n)


def interfaces(n: int) -> bytes:
    """Many interfaces of different link types."""
    return files.section() + b"".join(files.interface(link_type=each % 65_536) for each in range(n))


def capabilities(n: int) -> bytes:
    """Clients that ask for the capabilities, three seconds apart."""
    asked = b"GET /scep?operation=GetCACaps HTTP/1.1\r\nHost: ca\r\n\r\n"
    return capture(*[(asked, answer(b"AES\n", "text/plain"))] * n, apart_ms=3000, clients=True)


def lookups(n: int) -> bytes:
    """DNS messages with names of their own, as long as a datagram may be."""
    records = [files.pcap_header()]
    for each in range(n):
        name = bytes([20]) + f"{each:020d}".encode() + b"\0"
        message = struct.pack(">HHHHHH", each & 0xFFFF, 0x0100, 1, 0, 0, 0) + name + b"\0\1\0\1" + bytes(50_000)
        frame = wire.ethernet(wire.ip("10.0.0.1", "10.0.0.53", 17, wire.udp(40_000, 53, message)))
        records.append(files.pcap_record(frame, seconds=1000 + each))
    return b"".join(records)


def one_message_by_many(n: int) -> bytes:
    """The same request from many clients, never answered."""
    from tests import talk

    asked = f"GET {talk.get(talk.message(19))} HTTP/1.1\r\nHost: ca\r\n\r\n".encode()
    return capture(*[(asked, b"")] * n, clients=True)


def secret_parameters(n: int) -> bytes:
    """A target of many parameters."""
    target = "/scep?operation=GetCACaps" + "&pin=1;x" * n
    return capture(
        *[(f"GET {target[:60_000]} HTTP/1.1\r\nHost: ca\r\n\r\n".encode(), answer(b"AES\n", "text/plain"))] * 4
    )


RECIPES: dict[str, tuple[Callable[[int], bytes], int]] = {
    "interfaces": (interfaces, 1_000),
    "indefinite": (indefinite, 2_000),
    "long_oid": (long_oid, 2_000),
    "names": (names, 200),
    "codings": (codings, 200),
    "chunk_end": (chunk_end, 200),
    "error_pages": (error_pages, 5),
    "capabilities": (capabilities, 100),
    "lookups": (lookups, 20),
    "one_message_by_many": (one_message_by_many, 50),
    "secret_parameters": (secret_parameters, 200),
}
"""Each with a size to begin with."""


def pasted(n: int) -> bytes:
    """What `decode` is given: the beginning of a parameter many times."""
    return b"message=" * n


def pasted_parameters(n: int) -> bytes:
    """The same with separators."""
    return b"?" + b"&message=MII%2B" * n


def pasted_spaces(n: int) -> bytes:
    """A hex dump whose last row is spaces."""
    return b"00000000: 30 82\n00000002: 30" + b" " * n + b"|"


PASTES: dict[str, tuple[Callable[[int], bytes], int]] = {
    "pasted": (pasted, 2_000),
    "pasted_parameters": (pasted_parameters, 500),
    "pasted_spaces": (pasted_spaces, 2_000),
}
