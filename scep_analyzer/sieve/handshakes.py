"""Segments → those of TLS handshakes to servers of interest: a second pass, where the first one has met some."""

from collections.abc import Collection, Iterable, Iterator

from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.limits import LIMITS, Limits
from scep_analyzer.model.packets import FIN, RST, SYN, Segment, ends_of, reversed_key
from scep_analyzer.model.stage import Stage
from scep_analyzer.sieve.flow import numbered
from scep_analyzer.sieve.flows import Flows

_TLS_HANDSHAKE = b"\x16\x03"


class HandshakeFlows(Stage[Segment, Segment]):
    """Gives the first segments of TLS connections to ``addresses`` (all where None), with their tcp.stream numbers."""

    def __init__(self, addresses: Collection[str] | None, limits: Limits = LIMITS) -> None:
        self._addresses, self._limits = addresses, limits
        self._flows = Flows(limits)
        self.tame = self._flows.tame
        """As that of :class:`Flows`."""
        self.regular = None
        """Every segment must come by here."""
        self._left: dict[int, int] = {}
        """How many more segments of each connection are looked at."""

    def feed(self, item: Segment) -> Iterable[Segment | Anomaly]:
        """Take one segment."""
        for _ in self._flows.feed(item):
            pass  # SCEP in the clear was read before
        flow = self._flows.flow_of(item.key)
        if flow is None:
            return
        left = self._left.get(flow.number)
        if left is None:
            if not item.payload.startswith(_TLS_HANDSHAKE) or len(self._left) >= self._limits.handshakes:
                return
            if self._addresses is not None and ends_of(flow.client)[1].address not in self._addresses:
                return
            left = self._limits.handshake_segments
            yield from (numbered(each, flow.number) for each in flow.opening if each is not item)
        if left or item.flags & (SYN | FIN | RST):
            self._left[flow.number] = max(left - 1, 0)
            yield numbered(item, flow.number)
        if left > 1:
            for key in (flow.client, reversed_key(flow.client)):
                self.tame.pop(key, None)

    def finish(self) -> Iterator[Segment | Anomaly]:
        """Nothing is held."""
        return iter(())
