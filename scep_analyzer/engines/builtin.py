"""The engine in this process: capture → link → sieve → tcp → http1."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from scep_analyzer.capture.files import CaptureFiles
from scep_analyzer.capture.skim import Skim, regular
from scep_analyzer.engines.chosen import Chosen, told
from scep_analyzer.http1.exchanges import Pairing
from scep_analyzer.link.decode import Decoder
from scep_analyzer.link.tunnels import BY_UDP_PORT
from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.exchanges import HttpExchange
from scep_analyzer.model.limits import LIMITS, Limits
from scep_analyzer.model.packets import CaptureFacts, Endpoint, Notices, Packet, Segments
from scep_analyzer.model.streams import ConnectionFacts, ConnectionFailure
from scep_analyzer.model.tls import Handshake
from scep_analyzer.sieve.flows import Flows
from scep_analyzer.sieve.heads import FIRST_BYTES
from scep_analyzer.tcp.connections import Reassembler

if TYPE_CHECKING:
    from scep_analyzer.sieve.handshakes import HandshakeFlows

_TUNNELS = frozenset(port.to_bytes(2, "big") for port in BY_UDP_PORT)

_AGAIN = LIMITS._replace(notices=0)
"""For a second pass over the files: what DNS and ICMP said is known."""

Item = HttpExchange | ConnectionFailure | ConnectionFacts | Anomaly


class BuiltinEngine:
    """Pure Python, one pass, bounded memory. Without ``sieve`` every packet goes through every stage; the result is the same.

    ``streams`` are captures that are open already, by the name that stands for them in ``paths``. ``frames`` are those that a display
    filter has chosen; the others are counted and left out.
    """

    name = "builtin"

    def __init__(
        self,
        paths: list[str],
        on_bytes: Callable[[int], None] | None = None,
        *,
        sieve: bool = True,
        limits: Limits = LIMITS,
        streams: Mapping[str, Any] | None = None,
        frames: frozenset[int] | None = None,
    ) -> None:
        self._paths, self._sieve, self._limits, self._streams = paths, sieve, limits, streams
        self._frames = frames
        self._flows = Flows(sieve=sieve, regular=regular() if frames is None else None)
        self._decoder = Decoder()
        self._files = self._opened(self._flows, self._decoder, on_bytes)

    @property
    def facts(self) -> list[CaptureFacts]:
        """What is known of each file."""
        return self._files.facts

    @property
    def http_requests(self) -> int:
        """Packets that begin an HTTP request, SCEP's included."""
        return self._flows.requests

    def notices(self, clients: Collection[str] | None = None, hosts: Collection[str] = ()) -> Notices:
        """Name lookups of these clients (all where None) or for these hosts, and ICMP errors."""
        return self._decoder.notices.noted(clients, hosts)

    def exchanges(self) -> Iterator[Item]:
        """Run the stages over the packets. HTTP that cannot be SCEP's is left out."""
        chosen = None if self._frames is None else Chosen(self._frames)
        yield from staged(self._files, self._flows, self._decoder, self._limits, chosen)
        yield from told(self.facts)

    def exchanges_at(self, endpoints: Iterable[tuple[Endpoint, str]]) -> Iterator[HttpExchange]:
        """Exchanges at paths that turned out to be SCEP's after some had been left out: a second pass, where there are any."""
        wanted = self._flows.left_out.intersection(endpoints)
        if wanted and self._files.can_be_read_again:
            flows = Flows(endpoints=wanted, regular=regular() if self._frames is None else None)
            decoder = Decoder(_AGAIN)
            chosen = None if self._frames is None else Chosen(self._frames)
            for item in staged(self._opened(flows, decoder), flows, decoder, chosen=chosen):
                if isinstance(item, HttpExchange):
                    yield item

    def handshakes(self, addresses: Collection[str] | None) -> Iterator[Handshake]:
        """TLS handshakes with servers at these addresses: a second pass, where the first has met some."""
        met = {each.address for each in self._flows.tls_servers}
        wanted = met if addresses is None else met.intersection(addresses)
        if wanted and self._files.can_be_read_again:
            from scep_analyzer.sieve.handshakes import HandshakeFlows
            from scep_analyzer.tls.handshakes import Handshakes

            flows, decoder = HandshakeFlows(None if addresses is None else wanted), Decoder(_AGAIN)
            chosen = None if self._frames is None else Chosen(self._frames)
            segments = _segments(self._opened(flows, decoder), flows, decoder, chosen)
            for item in Handshakes().over(Reassembler().over(segments)):
                if isinstance(item, Handshake):
                    yield item

    def _opened(
        self, flows: "Flows | HandshakeFlows", decoder: Decoder, on_bytes: Callable[[int], None] | None = None
    ) -> CaptureFiles:
        skim = (lambda: tight(flows, decoder)) if self._sieve and self._frames is None else None
        return CaptureFiles(self._paths, on_bytes, skim, self._streams)


def tight(flows: "Flows | HandshakeFlows", decoder: Decoder) -> Skim:
    """The tight pass over one file."""
    return Skim(flows.tame, FIRST_BYTES, _TUNNELS, flows.feed, decoder.notices.dns_of, flows.regular)


def staged(
    files: CaptureFiles, flows: Flows, decoder: Decoder, limits: Limits = LIMITS, chosen: Chosen | None = None
) -> Iterator[Item]:
    """All stages over these files."""
    if flows.regular is None:
        return Pairing(limits).over(Reassembler(limits).over(_segments(files, flows, decoder, chosen)))
    reassembler = Reassembler(limits, flows.hurry)

    def expect(number: int, sender: Endpoint, size: int, tail: bytes | None) -> None:
        flows.expect(number, sender, 0 if reassembler.is_crowded else size, tail)

    pairing = Pairing(limits, expect, flows.hurry)
    return pairing.over(reassembler.over(_segments(files, flows, decoder, chosen)))


def _segments(
    files: CaptureFiles, flows: "Flows | HandshakeFlows", decoder: Decoder, chosen: Chosen | None
) -> Iterator[Segments | Anomaly]:
    """Segments of the connections that are followed. What the tight pass has read has been through ``flows`` already."""
    for item in files.packets():
        if isinstance(item, Packet):
            if chosen is not None:
                yield from chosen.through(item, files.facts[-1], flows, decoder)
            else:
                yield from flows.over(decoder.feed(item), finish=False)
        else:
            yield item
    yield from decoder.finish()
    yield from flows.finish()
