"""Packets that a display filter has chosen: the others are counted, and what they may have held is not said to be missing."""

from collections.abc import Iterable, Iterator

from scep_analyzer.link.decode import Decoder
from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.limits import LIMITS
from scep_analyzer.model.packets import CaptureFacts, Packet, Segment
from scep_analyzer.sieve.flows import Flows
from scep_analyzer.sieve.handshakes import HandshakeFlows

_MOST_NAMED = 5


class Chosen:
    """Hands on the packets of ``frames`` alone. Connections of others are counted, so that ``tcp.stream`` is Wireshark's."""

    def __init__(self, frames: frozenset[int]) -> None:
        self.frames = frames
        self._decoder = Decoder(LIMITS._replace(notices=0))
        """Of packets that are left out: they must not fill the holes of others."""
        self._kept: set[int] = set()
        self._left: set[int] = set()

    def through(self, packet: Packet, flows: Flows | HandshakeFlows, decoder: Decoder) -> Iterator[Segment | Anomaly]:
        """The segments of one packet, where it is chosen."""
        if packet.frame not in self.frames:
            if isinstance(flows, Flows):
                for segment in self._decoder.feed(packet):
                    if isinstance(segment, Segment):
                        number, given = flows.pass_by(segment)
                        self._note(self._left, number)
                        yield from given
            return
        for item in decoder.feed(packet):
            if isinstance(item, Segment):
                yield from flows.feed(item)
                flow = flows.flow_of(item.key) if isinstance(flows, Flows) else None
                if flow is not None:
                    self._note(self._kept, flow.number)
            else:
                yield item

    def _note(self, numbers: set[int], number: int) -> None:
        if len(numbers) < LIMITS.connections:
            numbers.add(number)

    def told(self, captures: Iterable[CaptureFacts]) -> Iterator[Anomaly]:
        """What the filter left out."""
        captures = list(captures)
        packets, left = sum(each.packets for each in captures), sum(each.left_out for each in captures)
        if not left:
            return
        what = f"the display filter left out {left:,} of {packets:,} packets; what they hold is not reported as missing"
        yield Anomaly("capture", "display-filter", (), what)
        if split := sorted(self._kept & self._left):
            named = ", ".join(f"tcp.stream == {each}" for each in split[:_MOST_NAMED])
            more = ", …" if len(split) > _MOST_NAMED else ""
            many = "1 TCP connection is" if len(split) == 1 else f"{len(split):,} TCP connections are"
            what = (
                f"{many} analysed in part, because the display filter left out some of the packets ({named}{more}): choose whole "
                "connections, by ip.addr, tcp.port or tcp.stream"
            )
            yield Anomaly("capture", "display-filter-splits", (), what)
