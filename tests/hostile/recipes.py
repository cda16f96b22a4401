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


def _times(n: int) -> range:
    """How many messages of 2,000 parts make ``n``: what a limit refuses is cheap, so that one alone tells nothing."""
    return range(max(1, n // 2_000))


def long_oid(n: int) -> bytes:
    """Certificates in whose names an attribute has an OID of one long arc; twice as long and twice as many for four times ``n``."""
    each = max(2, int(n**0.5))
    return capture(*[(CACERT, answer(_of_long_oid(each, number))) for number in range(each)])


def _of_long_oid(n: int, number: int) -> bytes:
    name = tlv(0x30, tlv(0x31, tlv(0x30, tlv(0x06, b"\x55" + b"\xff" * n + b"\x01") + tlv(0x0C, b"x"))))
    body = tlv(
        0x30,
        tlv(0xA0, b"\x02\x01\x02")
        + tlv(0x02, b"\x01" + number.to_bytes(4, "big"))
        + tlv(0x30, b"\x06\x01\x2a")
        + name
        + name,
    )
    return tlv(0x30, body + tlv(0x30, b"\x06\x01\x2a") + b"\x03\x02\0\0")


def names(n: int) -> bytes:
    """Certificates with many relative distinguished names."""
    rdn = tlv(0x31, tlv(0x30, b"\x06\x03\x55\x04\x03" + tlv(0x0C, b"x")))
    made = []
    for number in _times(n):
        serial = tlv(0x02, b"\x01" + number.to_bytes(4, "big"))
        name = tlv(0x30, rdn * min(n, 2_000))
        body = tlv(0x30, tlv(0xA0, b"\x02\x01\x02") + serial + tlv(0x30, b"\x06\x01\x2a") + name)
        made.append((CACERT, answer(tlv(0x30, body + tlv(0x30, b"\x06\x01\x2a") + b"\x03\x02\0\0"))))
    return capture(*made)


def codings(n: int) -> bytes:
    """Many content codings over a damaged stream."""
    packed = zlib.compress(bytes(4_000_000))[:-4] + b"\0\0\0\0"
    head = f"Content-Encoding: {','.join(['deflate'] * min(n, 2_000))}\r\n"
    return capture(*[(CACERT, answer(packed, more=head))] * len(_times(n)))


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
    """Targets of many parameters, each as long as one may be."""
    target = "/scep?operation=GetCACaps" + "&pin=1;x" * min(n, 6_000)
    asked = f"GET {target} HTTP/1.1\r\nHost: ca\r\n\r\n".encode()
    return capture(*[(asked, answer(b"AES\n", "text/plain"))] * max(1, n // 6_000))


def link_types(n: int) -> bytes:
    """Packets of interfaces that each have a link type of their own."""
    blocks = [files.interface(link_type=each % 65_536) for each in range(n)]
    return files.section() + b"".join(blocks) + b"".join(files.simple(bytes(60)) for _ in range(n))


def secrets_blocks(n: int) -> bytes:
    """TLS secrets inside the capture, in many blocks (draft-ietf-opsawg-pcapng, 4.7)."""
    line = b"CLIENT_RANDOM " + b"0" * 64 + b" " + b"1" * 96 + b"\n"
    block = files.block(10, b"KSLT" + struct.pack("<I", len(line) * 8) + line * 8)
    return files.section() + files.interface() + block * n


def left_out(n: int) -> bytes:
    """Requests that are no SCEP, each with a long path of its own."""
    return capture(*[(f"GET /{each:06d}{'p' * 500} HTTP/1.1\r\nHost: h\r\n\r\n".encode(), answer(b"x", "text/plain"))
                     for each in range(n)])  # fmt: skip


def admin_page(n: int) -> bytes:
    """Administration pages of tags that do not end."""
    asked = b"GET /certsrv/mscep_admin/ HTTP/1.1\r\nHost: ca\r\n\r\n"
    return capture((CACERT, answer(b"")), *[(asked, answer(b"<" * 16_000, "text/html"))] * n)


def fragments(n: int) -> bytes:
    """Pieces of datagrams that never get whole."""
    records = [files.pcap_header()]
    for each in range(n):
        packet = bytearray(wire.ip("10.0.0.1", "10.0.0.2", 6, bytes(64)))
        packet[4:8] = struct.pack(">HH", each & 0xFFFF, 0x2000 | 8)
        records.append(files.pcap_record(wire.ethernet(bytes(packet)), seconds=1000))
    return b"".join(records)


def fields(n: int) -> bytes:
    """Header fields of a request, each on two lines."""
    lines = b"".join(b"X-%d: a\r\n b\r\n" % (each % 1000) for each in range(min(n, 3_000)))
    asked = CACERT[:-2] + lines + b"\r\n"
    return capture(*[(asked, answer(b"", "text/plain"))] * max(1, n // 3_000))


def header_tables(n: int) -> bytes:
    """What a client says in HTTP/2: one long header field, indexed once, then named fifteen times, in two bytes each time, by each of
    many streams that never end (RFC 7541, Sections 5.1 and 6; RFC 9113, Section 4.1).
    """  # noqa: D205  # one sentence

    def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
        return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload

    def indexed(name: bytes, value: bytes) -> bytes:
        size, rest = b"\x7f", len(value) - 0x7F
        while rest > 0x7F:
            size, rest = size + bytes([rest & 0x7F | 0x80]), rest >> 7
        return (
            b"\x40" + bytes([len(name)]) + name + (size + bytes([rest]) if rest >= 0 else bytes([len(value)])) + value
        )

    settings, headers, ends_headers, get, http = 4, 1, 4, b"\x82", b"\x86"
    long = indexed(b"x", b"v" * 3_900)
    sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(settings, 0, 0, b"")
    sent += frame(headers, ends_headers, 1, get + http + b"\x84" + long)
    newest = b"\xbe"  # entry 62 of the table
    return sent + b"".join(
        frame(headers, ends_headers, 3 + 2 * each, get + http + b"\x84" + newest * 15) for each in range(n)
    )


def certificates(n: int) -> bytes:
    """Certificates of one name, in a set that holds no signature."""
    from tests.builders import pki
    from tests.builders.scene import CA, ENCRYPTER, SIGNER

    bodies = [pki.degenerate([CA, SIGNER, ENCRYPTER] * 20)] * max(1, n // 60)
    return capture(*[(CACERT, answer(each)) for each in bodies])


RECIPES: dict[str, tuple[Callable[[int], bytes], int]] = {
    "interfaces": (interfaces, 4_000),
    "indefinite": (indefinite, 20_000),
    "long_oid": (long_oid, 50_000),
    "names": (names, 80_000),
    "codings": (codings, 200_000),
    "chunk_end": (chunk_end, 1_000),
    "error_pages": (error_pages, 20),
    "capabilities": (capabilities, 200),
    "lookups": (lookups, 60),
    "one_message_by_many": (one_message_by_many, 100),
    "secret_parameters": (secret_parameters, 48_000),
    "link_types": (link_types, 4_000),
    "secrets_blocks": (secrets_blocks, 1_000),
    "left_out": (left_out, 300),
    "admin_page": (admin_page, 30),
    "fragments": (fragments, 4_000),
    "fields": (fields, 3_000),
    "certificates": (certificates, 600),
}
"""Each with a size to begin with."""

CONVERSATIONS: dict[str, tuple[Callable[[int], bytes], int]] = {"header_tables": (header_tables, 40_000)}
"""What a client says behind TLS, which no capture shows without keys."""


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
    "pasted": (pasted, 20_000),
    "pasted_parameters": (pasted_parameters, 10_000),
    "pasted_spaces": (pasted_spaces, 100_000),
}
