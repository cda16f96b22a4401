"""Packets that a display filter has chosen: the others are counted, and what they may have held is not said to be missing."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from scep_analyzer.link.decode import Decoder
from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.limits import LIMITS
from scep_analyzer.model.packets import CaptureFacts, Packet, Segment, Segments
from scep_analyzer.sieve.flows import Flows

if TYPE_CHECKING:
    from scep_analyzer.sieve.handshakes import HandshakeFlows

_MOST_NAMED = 5


class Chosen:
    """Hands on the packets of ``frames`` alone. Connections of others are counted, so that ``tcp.stream`` is Wireshark's."""

    def __init__(self, frames: frozenset[int]) -> None:
        self.frames = frames
        self._decoder = Decoder(LIMITS._replace(notices=0))
        """Of packets that are left out: they must not complete IP fragments of others."""
        self._kept: set[int] = set()
        self._left: set[int] = set()

    def through(
        self, packet: Packet, facts: CaptureFacts, flows: "Flows | HandshakeFlows", decoder: Decoder
    ) -> Iterator[Segments | Anomaly]:
        """The segments of one packet of a capture, where it is chosen."""
        if packet.frame not in self.frames:
            facts.left_out += 1
            yield from self._passed_by(packet, facts, flows)
            return
        for item in decoder.feed(packet):
            if not isinstance(item, Segment):
                yield item
                continue
            yield from flows.feed(item)
            flow = flows.flow_of(item.key) if isinstance(flows, Flows) else None
            if flow is not None:
                _note(flow.number, self._kept, self._left, facts)

    def _passed_by(
        self, packet: Packet, facts: CaptureFacts, flows: "Flows | HandshakeFlows"
    ) -> Iterator[Segments | Anomaly]:
        if not isinstance(flows, Flows):
            return
        for item in self._decoder.feed(packet):
            if isinstance(item, Segment):
                number, given = flows.pass_by(item)
                _note(number, self._left, self._kept, facts)
                yield from given


def _note(number: int, these: set[int], others: set[int], facts: CaptureFacts) -> None:
    if len(these) < LIMITS.connections:
        these.add(number)
        if number in others:
            facts.split.add(number)


def told(captures: Sequence[CaptureFacts]) -> Iterable[Anomaly]:
    """What a display filter left out of captures that have been read."""
    packets, left = sum(each.packets for each in captures), sum(each.left_out for each in captures)
    if left:
        what = f"the display filter left out {left:,} of {packets:,} packets; what they hold is not reported as missing"
        yield Anomaly("capture", "display-filter", (), what)
    if split := sorted({number for each in captures for number in each.split}):
        named = ", ".join(f"tcp.stream == {each}" for each in split[:_MOST_NAMED])
        more = ", …" if len(split) > _MOST_NAMED else ""
        many = "1 TCP connection is" if len(split) == 1 else f"{len(split):,} TCP connections are"
        what = (
            f"{many} analysed in part, because the display filter left out some of the packets ({named}{more}): choose whole connections, "
            "by ip.addr, tcp.port or tcp.stream"
        )
        yield Anomaly("capture", "display-filter-splits", (), what)
