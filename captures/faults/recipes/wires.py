"""A wire that remembers what passed: TCP conversations with every kind of damage, UDP, ICMP; written as a pcap file."""

import ipaddress
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.builders import wire as raw  # after the path is set

MSS = 1460


class Wire:
    """Packets with times in nanoseconds, on a clock of its own."""

    def __init__(self, start_ns: int) -> None:
        self.now = start_ns
        self.packets: list[tuple[int, bytes, int]] = []
        self.secrets: bytes | None = None
        """A TLS key log: the file is then pcapng."""
        self._ports = 49152

    def pause(self, seconds: float) -> None:
        self.now += round(seconds * 1e9)

    def put(self, packet: bytes, *, ttl: int = 64, cut: int = 0, back: float = 0.0) -> None:
        """Write an IP packet; ``cut`` bytes of it are not captured, its time lies ``back`` seconds back."""
        self.now += 200_000
        where = 8 if packet[0] >> 4 == 4 else 7
        packet = packet[:where] + bytes([ttl]) + packet[where + 1 :]
        frame = raw.ethernet(packet)
        self.packets.append((self.now - round(back * 1e9), frame[: len(frame) - cut] if cut else frame, len(frame)))

    def connect(self, client: str, server: str, port: int, **options: object) -> "Tcp":
        self._ports += 1
        return Tcp(self, client, self._ports, server, port, **options)  # type: ignore[arg-type]

    def udp(self, source: str, sport: int, destination: str, dport: int, payload: bytes) -> None:
        self.put(raw.ip(source, destination, 17, raw.udp(sport, dport, payload)))

    def dns(self, client: str, server: str, name: str, code: int | None, *addresses: str) -> None:
        """A question for an address, and the answer unless ``code`` is None."""
        question = (
            b"".join(bytes([len(each)]) + each.encode() for each in name.split(".")) + b"\0" + struct.pack(">HH", 1, 1)
        )
        self._ports += 1
        port = self._ports
        self.udp(client, port, server, 53, struct.pack(">HHHHHH", 77, 0x0100, 1, 0, 0, 0) + question)
        if code is None:
            return
        self.pause(0.01)
        records = b"".join(
            b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 300, 4) + ipaddress.ip_address(each).packed for each in addresses
        )
        head = struct.pack(">HHHHHH", 77, 0x8180 | code, 1, len(addresses), 0, 0)
        self.udp(server, 53, client, port, head + question + records)

    def icmp(self, sender: str, to: str, kind: int, code: int, quoted: bytes) -> None:
        self.put(raw.ip(sender, to, 1, struct.pack(">BBHI", kind, code, 0, 0) + quoted[:28]))

    def write(self, path: Path) -> None:
        if self.secrets is not None:
            path.write_bytes(self._pcapng())
            return
        out = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)]
        for at, frame, length in self.packets:
            out.append(
                struct.pack("<IIII", at // 1_000_000_000, at % 1_000_000_000 // 1000, len(frame), length) + frame
            )
        path.write_bytes(b"".join(out))

    def _pcapng(self) -> bytes:
        def block(kind: int, body: bytes) -> bytes:
            body += b"\0" * (-len(body) % 4)
            size = struct.pack("<I", len(body) + 12)
            return struct.pack("<I", kind) + size + body + size

        secrets = self.secrets or b""
        out = [
            block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)),
            block(1, struct.pack("<HHI", 1, 0, 262144)),
            block(10, struct.pack("<II", 0x544C534B, len(secrets)) + secrets),
        ]
        for at, frame, length in self.packets:
            micros = at // 1000
            out.append(
                block(6, struct.pack("<IIIII", 0, micros >> 32, micros & 0xFFFFFFFF, len(frame), length) + frame)
            )
        return b"".join(out)


class Tcp:
    """A TCP connection. ``silent`` is a side none of whose packets is captured; without ``opening`` the handshake is not."""

    def __init__(
        self,
        wire: Wire,
        client: str,
        port: int,
        server: str,
        server_port: int,
        *,
        opening: bool = True,
        silent: str = "",
    ) -> None:
        self.wire, self.silent = wire, silent
        self.ends = {"C": (client, port), "S": (server, server_port)}
        self.next = {"C": 1000 + 17 * port, "S": 7_000_000 + port}
        self.ttl = {"C": 128, "S": 125}
        if opening:
            self.flags("C", raw.SYN, count=1)
            self.flags("S", raw.SYN | raw.ACK, count=1)
            self.flags("C", raw.ACK)

    def segment(
        self,
        side: str,
        flags: int,
        payload: bytes = b"",
        *,
        at: int | None = None,
        ttl: int | None = None,
        cut: int = 0,
        lost: bool = False,
        back: float = 0.0,
    ) -> bytes:
        other = "S" if side == "C" else "C"
        (source, sport), (target, dport) = self.ends[side], self.ends[other]
        sequence = self.next[side] if at is None else at
        acknowledged = self.next[other] if flags & raw.ACK else 0
        packet = raw.ip(source, target, 6, raw.tcp(sport, dport, sequence, acknowledged, flags, payload))
        if side != self.silent and not lost:
            self.wire.put(packet, ttl=self.ttl[side] if ttl is None else ttl, cut=cut, back=back)
        return packet

    def flags(self, side: str, flags: int, *, count: int = 0, ttl: int | None = None) -> bytes:
        packet = self.segment(side, flags, ttl=ttl)
        self.next[side] += count
        return packet

    def send(
        self, side: str, data: bytes, *, lost: tuple[int, ...] = (), cut: int = 0, acked: bool = True, mss: int = MSS
    ) -> None:
        """Send bytes. ``lost``: numbers of the segments that the capture misses; ``cut``: the snaplen takes this much of each."""
        for number, at in enumerate(range(0, len(data), mss)):
            piece = data[at : at + mss]
            last = at + mss >= len(data)
            self.segment(
                side, raw.ACK | (raw.PSH if last else 0), piece, cut=min(cut, len(piece) - 1), lost=number in lost
            )
            self.next[side] += len(piece)
        if acked:
            self.flags("S" if side == "C" else "C", raw.ACK)

    def close(self, side: str = "S") -> None:
        other = "S" if side == "C" else "C"
        self.flags(side, raw.FIN | raw.ACK, count=1)
        self.flags(other, raw.FIN | raw.ACK, count=1)
        self.flags(side, raw.ACK)

    def reset(self, side: str, *, ttl: int | None = None) -> None:
        self.flags(side, raw.RST | raw.ACK, ttl=ttl)
