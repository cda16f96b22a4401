"""A capture → HTTP exchanges. Whatever can do that is an engine; the table of them is here."""

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Protocol

from scep_analyzer.engines import builtin
from scep_analyzer.model.anomalies import AnalyzerError, Anomaly
from scep_analyzer.model.exchanges import HttpExchange
from scep_analyzer.model.packets import CaptureFacts, Endpoint, Notices
from scep_analyzer.model.streams import ConnectionFacts, ConnectionFailure
from scep_analyzer.model.tls import Handshake


class Engine(Protocol):
    """One reading of a capture. ``facts`` is complete once :meth:`exchanges` has run out."""

    name: str

    @property
    def facts(self) -> list[CaptureFacts]:
        """What is known of each file, in the order read."""

    @property
    def http_requests(self) -> int:
        """How many HTTP requests were seen, those of others than SCEP included."""

    def notices(self, clients: Collection[str] | None = None, hosts: Collection[str] = ()) -> Notices:
        """Name lookups of these clients (all where None) or for these hosts, and ICMP errors, once :meth:`exchanges` has run out."""

    def exchanges(self) -> Iterator[HttpExchange | ConnectionFailure | ConnectionFacts | Anomaly]:
        """Every HTTP exchange of the capture that may be SCEP's, and what was odd."""

    def handshakes(self, addresses: Collection[str] | None) -> Iterator[Handshake]:
        """The TLS handshakes with servers at these addresses (all where None), after :meth:`exchanges` has run out."""

    def exchanges_at(self, endpoints: Iterable[tuple[Endpoint, str]]) -> Iterator[HttpExchange]:
        """Exchanges at these servers and paths, where :meth:`exchanges` has left some out; others may be among them."""


OnBytes = Callable[[int], None]
ENGINES: dict[str, Callable[[list[str], OnBytes | None], Engine]] = {"builtin": builtin.BuiltinEngine}
CHOICES = ("auto", *ENGINES, "tshark")


def open_capture(paths: list[str], engine: str, on_bytes: OnBytes | None = None) -> Engine:
    """Start reading a capture; ``auto`` takes the best engine that is there."""
    name = "builtin" if engine == "auto" else engine
    if name not in ENGINES:
        raise AnalyzerError(f"engine {name!r} is not available in this version; use --engine builtin")
    return ENGINES[name](paths, on_bytes)
