"""TCP conversations as packets, written by scapy; deterministic."""

from pathlib import Path
from typing import Any

from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
from scapy.packet import Raw
from scapy.utils import PcapWriter

MSS = 1460


class Network:
    """A wire that remembers what passed: ``packets`` as (seconds, packet), on a clock of its own."""

    def __init__(self, start: float) -> None:
        self.packets: list[tuple[float, Any]] = []
        self.now = start
        self._ports = 49152

    def pause(self, seconds: float) -> None:
        self.now += seconds

    def put(self, packet: Any, delay: float = 0.0002) -> None:
        self.now += delay
        self.packets.append((round(self.now, 6), packet))

    def connect(self, client: str, server: str, port: int) -> "Connection":
        self._ports += 1
        return Connection(self, client, self._ports, server, port)

    def write(self, path: Path) -> None:
        writer = PcapWriter(str(path), linktype=1, sync=False)
        for time, packet in self.packets:
            packet.time = time
            writer.write(packet)
        writer.close()


class Connection:
    """A TCP connection that opens at once; each send is cut at the MSS and acknowledged."""

    def __init__(self, network: Network, client: str, client_port: int, server: str, port: int) -> None:
        self._network = network
        self._ends = {True: (client, client_port), False: (server, port)}
        self._next = {True: 1000 * client_port, False: 7_000_000 + client_port}
        self._packet(True, "S")
        self._next[True] += 1
        self._packet(False, "SA")
        self._next[False] += 1
        self._packet(True, "A")

    def _packet(self, from_client: bool, flags: str, payload: bytes = b"", delay: float = 0.0002) -> None:
        (source, sport), (destination, dport) = self._ends[from_client], self._ends[not from_client]
        macs = {"src": "02:00:00:00:00:01", "dst": "02:00:00:00:00:02"}
        if not from_client:
            macs = {"src": macs["dst"], "dst": macs["src"]}
        acknowledged = self._next[not from_client] if "A" in flags else 0
        layer = TCP(sport=sport, dport=dport, flags=flags, seq=self._next[from_client], ack=acknowledged, window=64240)
        packet = Ether(**macs) / IP(src=source, dst=destination, id=len(self._network.packets) + 1, flags="DF") / layer
        self._network.put(packet / Raw(payload) if payload else packet, delay)
        self._next[from_client] += len(payload)

    def send(self, data: bytes, *, from_client: bool, wait: float = 0.0002) -> None:
        for at in range(0, len(data), MSS):
            piece = data[at : at + MSS]
            self._packet(from_client, "PA" if at + MSS >= len(data) else "A", piece, wait if at == 0 else 0.0001)
        self._packet(not from_client, "A")

    def close(self, *, from_client: bool) -> None:
        for side in (from_client, not from_client):
            self._packet(side, "FA")
            self._next[side] += 1
        self._packet(from_client, "A")
