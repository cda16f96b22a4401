"""The builtin engine, given its packets one at a time by a program that has them: they come by once, and nothing is read."""

from collections.abc import Collection, Iterable, Iterator

from scep_analyzer.engines.builtin import Item
from scep_analyzer.http1.exchanges import Pairing
from scep_analyzer.link.decode import Decoder
from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.exchanges import HttpExchange
from scep_analyzer.model.limits import LIMITS, Limits
from scep_analyzer.model.packets import CaptureFacts, Endpoint, Notices, Packet, Segments
from scep_analyzer.model.tls import Handshake
from scep_analyzer.sieve.flows import Flows
from scep_analyzer.tcp.connections import Reassembler


class PushedEngine:
    """Give it every packet with :meth:`feed`, then call :meth:`finish`. ``name`` and ``form`` are those of the capture in the report."""

    name = "builtin"

    def __init__(self, name: str, form: str, limits: Limits = LIMITS) -> None:
        self.facts = [CaptureFacts(path=name, format=form, link_types=[])]
        self._decoder, self._flows = Decoder(), Flows()
        self._reassembler, self._pairing = Reassembler(), Pairing(limits)

    @property
    def http_requests(self) -> int:
        """Packets that begin an HTTP request, SCEP's included."""
        return self._flows.requests

    def notices(self, clients: Collection[str] | None = None, hosts: Collection[str] = ()) -> Notices:
        """As the builtin engine's."""
        return self._decoder.notices.noted(clients, hosts)

    def handshakes(self, addresses: Collection[str] | None) -> Iterator[Handshake]:  # noqa: ARG002  # the packets have gone by
        """None: they take a second pass over the packets."""
        return iter(())

    def exchanges_at(self, endpoints: Iterable[tuple[Endpoint, str]]) -> Iterator[HttpExchange]:  # noqa: ARG002  # as before
        """None: the packets have gone by."""
        return iter(())

    def exchanges(self) -> Iterator[Item]:
        """None: what is found comes from :meth:`feed`."""
        return iter(())

    def feed(self, packet: Packet) -> Iterator[Item]:
        """What a packet completes."""
        (facts,) = self.facts
        facts.count(1, packet.time_ns, packet.time_ns)
        facts.bytes += len(packet.data)
        if packet.link_type not in facts.link_types:
            facts.link_types.append(packet.link_type)
        if packet.time_ns is not None and packet.time_ns % 1_000:
            facts.time_digits = 9
        return self._through(self._flows.over(self._decoder.feed(packet), finish=False), finish=False)

    def finish(self) -> Iterator[Item]:
        """What was still open when the last packet had come."""
        return self._through(self._flows.over(self._decoder.finish()), finish=True)

    def _through(self, segments: Iterable[Segments | Anomaly], *, finish: bool) -> Iterator[Item]:
        return self._pairing.over(self._reassembler.over(segments, finish=finish), finish=finish)
