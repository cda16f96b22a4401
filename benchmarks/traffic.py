"""Large captures with SCEP hidden in them, and the truth about it. Same arguments, same bytes; standard library and tests/builders only.

Beside what a quiet network shows there is loss (a packet misses the capture point and is sent again), reordering across
directions, IP fragments, pipelined requests, requests cut at any byte. Every PKIOperation is a message of its own, signed.
"""

import argparse
import heapq
import json
import random
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.builders import wire

START = 1_769_904_000
MSS = 1448
OPTIONS = b"\1\1\x08\x0a" + bytes(8)
MIXES = {"enterprise": (0.62, 0.12, 0.16, 0.10), "http-heavy": (0.15, 0.75, 0.05, 0.05), "scep-only": (0, 0, 0, 0)}
"""Shares of TLS, HTTP, other TCP and DNS among the background's flows."""


@dataclass
class Truth:
    """One SCEP exchange: operation, and the frames that completed nothing but carried its bytes first."""

    operation: str
    client: str
    port: int
    request: list[int] = field(default_factory=list)
    response: list[int] = field(default_factory=list)


Event = tuple[float, bytes, list[int] | None]
"""Seconds after the one before, an IP packet, and where its frame number is to be noted."""


Talk = list[tuple[str, bytes, list[int] | None]]
"""Who says what, and where the frames that carry it are to be noted."""


def _packets(
    chance: random.Random, ends: tuple[str, int, str, int], talks: Talk, harm: float, most: int
) -> Iterator[Event]:
    """A TCP connection: what each side says in turn. ``harm`` is the share of packets that are lost and sent again."""
    client, cport, server, sport = ends
    sent = {"C": chance.randrange(2**32), "S": chance.randrange(2**32)}

    def packet(side: str, flags: int, payload: bytes = b"", at: int | None = None) -> bytes:
        sequence = sent[side] if at is None else at
        source = (client, server, cport, sport) if side == "C" else (server, client, sport, cport)
        body = wire.tcp(source[2], source[3], sequence, sent["S" if side == "C" else "C"], flags, payload, OPTIONS)
        return wire.ip(source[0], source[1], 6, body)

    yield 0.0, packet("C", wire.SYN), None
    sent["C"] += 1
    yield 0.0005, packet("S", wire.SYN | wire.ACK), None
    sent["S"] += 1
    yield 0.0005, packet("C", wire.ACK), None
    for side, content, noted in talks:
        lost = []
        at = 0
        while at < len(content):
            size = min(most if chance.random() < 0.8 else chance.randint(1, most), len(content) - at)
            one = packet(side, wire.ACK | wire.PSH, content[at : at + size])
            sent[side] += size
            at += size
            if chance.random() < harm:
                lost.append(one)
            else:
                yield 0.0001 * chance.random(), one, noted
                if chance.random() < 0.4:
                    yield 0.00005, packet("S" if side == "C" else "C", wire.ACK), None
        for one in lost:
            yield 0.21, one, noted
        yield 0.0004, packet("S" if side == "C" else "C", wire.ACK), None
    yield 0.001, packet("S", wire.FIN | wire.ACK), None
    sent["S"] += 1
    yield 0.0002, packet("C", wire.FIN | wire.ACK), None
    sent["C"] += 1
    yield 0.0002, packet("S", wire.ACK), None


TARGETS = ["/", "/index.html", "/api/v1/items?operation=list", "/img/a.png", "/scep/help"]


def _answer(kind: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (kind, len(body), body)


GENERATION = 2
"""To be counted up when what is written changes: captures that were kept are made anew then."""

_ENROLLMENT = 10_500
"""Bytes of an enrollment, about."""


class Traffic:
    """All flows of a capture, interleaved by their times; the enrollments begin anywhere in it."""

    def __init__(self, seed: int, mix: str, size: int, enrollments: int, harm: float) -> None:
        self.chance = random.Random(seed)
        self.truth: list[Truth] = []
        self._mix, self._size, self._enrollments, self._harm = MIXES[mix], size, enrollments, harm
        self._noise = self.chance.randbytes(1 << 20)
        self._flows = 0
        from benchmarks import (
            enrollments,
        )  # here, so that who measures memory can use the rest of this module without it

        self._pki = enrollments

    def events(self) -> Iterator[tuple[float, bytes, list[int] | None]]:
        """(seconds, packet, where its frame is noted) in the order of the capture."""
        queue: list[tuple[float, int, Iterator[Event], Event]] = []
        whole = self._size if any(self._mix) else self._enrollments * _ENROLLMENT
        begins = sorted(self.chance.uniform(0, whole) for _ in range(self._enrollments))
        written, now = 0, 0.0
        while True:
            while begins and (begins[0] <= written or not queue):
                self._put(queue, now, self._scep())
                begins.pop(0)
            while written < self._size and len(queue) < 60 and any(self._mix):
                self._put(queue, now + self.chance.random() * 0.01, self._background())
            if not queue:
                return
            now, number, flow, (_, packet, noted) = heapq.heappop(queue)
            written += len(packet) + 30
            yield now, packet, noted
            following = next(flow, None)
            if following is not None:
                heapq.heappush(queue, (now + following[0] + 1e-6, number, flow, following))

    def _put(self, queue: list[tuple[float, int, Iterator[Event], Event]], at: float, flow: Iterator[Event]) -> None:
        self._flows += 1
        first = next(flow)
        heapq.heappush(queue, (at, self._flows, flow, first))

    def _ends(self, port: int) -> tuple[str, int, str, int]:
        number, chance = self._flows, self.chance
        if chance.random() < 0.25:
            return (
                f"2001:db8::{number >> 14:x}",
                1024 + number % 16384 * 3,
                f"2001:db8:1::{chance.randint(1, 200):x}",
                port,
            )
        return (
            f"10.{number >> 22}.{number >> 14 & 255}.7",
            1024 + number % 16384 * 3,
            f"198.51.100.{chance.randint(1, 250)}",
            port,
        )

    def _background(self) -> Iterator[Event]:
        kind = self.chance.choices(("tls", "http", "other", "dns"), self._mix)[0]
        if kind == "dns":
            client, cport, server, _ = self._ends(53)
            return iter([(0.0, wire.ip(client, server, 17, wire.udp(cport, 53, self._bytes(40))), None)])
        if kind == "http":
            talks: Talk = []
            for _ in range(self.chance.randint(1, 6)):
                target, cookie = self.chance.choice(TARGETS), self.chance.randbytes(90).hex()
                ask = f"GET {target} HTTP/1.1\r\nHost: www.example\r\nCookie: {cookie}\r\n\r\n"
                talks.append(("C", ask.encode(), None))
                body = self._bytes(int(self.chance.paretovariate(0.9) * 3000) % 400_000)
                talks.append(("S", _answer(b"text/html", body), None))
            return _packets(self.chance, self._ends(80), talks, 0.002, MSS)
        port, hello = (443, b"\x16\x03\x01\x02\x00\x01") if kind == "tls" else (5432, b"\0\0\0\x08\x04\xd2\x16\x2f")
        amount = int(self.chance.paretovariate(0.8) * 8000) % 900_000
        talks = [("C", hello + self._bytes(500), None), ("S", b"\x16\x03\x03" + self._bytes(3000), None)]
        talks += [("C", b"\x17\x03\x03" + self._bytes(600), None), ("S", b"\x17\x03\x03" + self._bytes(amount), None)]
        return _packets(self.chance, self._ends(port), talks, 0.002, MSS)

    def _bytes(self, size: int) -> bytes:
        at = self.chance.randrange(max(len(self._noise) - size, 1))
        return self._noise[at : at + size]

    def _scep(self) -> Iterator[Event]:
        """An enrollment: capabilities and certificates, at times in one breath, then messages and certificates of its own."""
        ends = self._ends(self.chance.choice([80, 8080, 9001]))
        caps, certificates, operation = (
            Truth(name, ends[0], ends[1]) for name in ("GetCACaps", "GetCACert", "PKIOperation")
        )
        self.truth += [caps, certificates, operation]
        message, reply = self._pki.enrollment(len(self.truth), self.chance)
        host = b" HTTP/1.1\r\nHost: ca.example\r\n"
        asks = [
            (b"GET /scep?operation=GetCACaps" + host + b"\r\n", caps),
            (b"GET /scep?operation=GetCACert&message=ca" + host + b"\r\n", certificates),
        ]
        if self.chance.random() < 0.5:
            asks.append((b"GET " + self._pki.get(message).encode() + host + b"\r\n", operation))
        else:
            head = (
                b"POST /scep?operation=PKIOperation"
                + host
                + b"Content-Type: application/x-pki-message\r\nContent-Length: %d\r\n\r\n" % len(message)
            )
            asks.append((head + message, operation))
        replies = [
            _answer(b"text/plain", b"AES\nSHA-256\nPOSTPKIOperation\n"),
            _answer(b"application/x-x509-ca-ra-cert", self._pki.SET),
            _answer(b"application/x-pki-message", reply),
        ]
        steps: Talk = []
        for (ask, truth), answer in zip(asks, replies, strict=True):
            steps += [("C", ask, truth.request), ("S", answer, truth.response)]
        if self.chance.random() < 0.2:  # pipelined: both questions, then both answers
            steps[1], steps[2] = steps[2], steps[1]
        return _packets(self.chance, ends, steps, self._harm, self.chance.choice([MSS, MSS, 536, 200]))


def write(traffic: Traffic, path: Path, *, link: str = "ethernet", form: str = "pcap", harm: float = 0.0) -> None:
    """Write a capture. ``harm`` is the share of SCEP's packets that come one packet later, and of those that come in fragments."""
    link_type, wrap = wire.LINKS[link]
    chance = traffic.chance
    frame = 0

    def put(now: float, packet: bytes, noted: list[int] | None) -> None:
        nonlocal frame
        pieces = [packet]
        if noted is not None and chance.random() < harm and packet[0] >> 4 == 4 and len(packet) > 400:
            pieces = _fragments(packet, chance.randrange(1, 2**16))
        for each in pieces:
            frame += 1
            _record(stream, form, now, wrap(each))
        if noted is not None:
            noted.append(frame)  # an IP datagram in fragments counts as the frame that completes it

    held: tuple[bytes, list[int]] | None = None
    with path.open("wb", buffering=1 << 20) as stream:
        _begin(stream, form, link_type)
        for now, packet, noted in traffic.events():
            if noted is not None and held is None and harm and chance.random() < harm:
                held = packet, noted
                continue
            put(now, packet, noted)
            if held is not None:
                put(now, *held)
                held = None


def _begin(stream: BinaryIO, form: str, link_type: int) -> None:
    if form == "pcap":
        stream.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, link_type))
    else:
        stream.write(struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28))
        stream.write(struct.pack("<IIHHII", 1, 20, link_type, 0, 262144, 20))


def _record(stream: BinaryIO, form: str, now: float, data: bytes) -> None:
    micros = START * 1_000_000 + int(now * 1_000_000)
    if form == "pcap":
        stream.write(struct.pack("<IIII", micros // 1_000_000, micros % 1_000_000, len(data), len(data)) + data)
    else:
        padded = data + bytes(-len(data) % 4)
        length = 32 + len(padded)
        head = struct.pack("<IIIIIII", 6, length, 0, micros >> 32, micros & 0xFFFFFFFF, len(data), len(data))
        stream.write(head + padded + struct.pack("<I", length))


def _fragments(packet: bytes, ident: int) -> list[bytes]:
    header, body = packet[:20], packet[20:]
    cut = len(body) // 2 & ~7

    def piece(content: bytes, bits: int) -> bytes:
        return header[:2] + struct.pack(">HHH", 20 + len(content), ident, bits) + header[8:] + content

    return [piece(body[:cut], 0x2000), piece(body[cut:], cut >> 3)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--mix", choices=MIXES, default="enterprise")
    parser.add_argument("--size", type=float, default=64, help="MB")
    parser.add_argument("--enrollments", type=int, default=40)
    parser.add_argument("--link", choices=wire.LINKS, default="ethernet")
    parser.add_argument("--format", choices=("pcap", "pcapng"), default="pcap")
    parser.add_argument("--harm", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    traffic = Traffic(options.seed, options.mix, int(options.size * 1_000_000), options.enrollments, options.harm)
    write(traffic, options.output, link=options.link, form=options.format, harm=options.harm)
    for each in traffic.truth:
        print(json.dumps(vars(each)))


if __name__ == "__main__":
    main()
