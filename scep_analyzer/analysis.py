"""Joins engine → scep → report; the only place that knows the order."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from scep_analyzer.engines import Engine, open_capture
from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.scep import FailedConnection, ScepExchange, Transaction
from scep_analyzer.report import AnomalyList, Report, in_order
from scep_analyzer.scep.exchanges import Interpreter
from scep_analyzer.scep.transactions import Grouper

if TYPE_CHECKING:
    from scep_analyzer.cms.keys import PrivateKey


class Analysis:
    """One run over a capture: :meth:`report` for the whole, or :meth:`stream` for values as they come; not both.

    ``keys`` open envelopes, ``keep`` keeps the messages' bytes in the exchanges.
    """

    def __init__(
        self,
        paths: list[str],
        engine: str = "auto",
        on_bytes: Callable[[int], None] | None = None,
        keys: "Sequence[PrivateKey]" = (),
        *,
        keep: bool = False,
    ) -> None:
        self.engine: Engine = open_capture(paths, engine, on_bytes)
        self._keys, self._keep = keys, keep

    def report(self) -> Report:
        """Read the capture to its end."""
        exchanges: list[ScepExchange] = []
        failures: list[FailedConnection] = []
        anomalies = AnomalyList()
        for item in self._interpreted():
            if isinstance(item, ScepExchange):
                exchanges.append(item)
            elif isinstance(item, FailedConnection):
                failures.append(item)
            else:
                anomalies.add(item)
        ordered = in_order(exchanges)
        transactions = []
        for grouped in _grouped(ordered, failures):
            if isinstance(grouped, Anomaly):
                anomalies.add(grouped)
            else:
                transactions.append(grouped)
        transactions.sort(key=lambda each: (each.started_ns or 0, _first_frame(each)))
        return Report(
            self.engine.name,
            tuple(self.engine.facts),
            ordered,
            tuple(transactions),
            anomalies.listed(),
            self.engine.http_requests,
        )

    def stream(self) -> Iterator[ScepExchange | Transaction | Anomaly]:
        """Values as soon as they are known: an exchange when it ends, a transaction when it can no longer grow."""
        grouper = Grouper()
        for item in self._interpreted():
            if not isinstance(item, FailedConnection):
                yield item
            if not isinstance(item, Anomaly):
                yield from grouper.feed(item)
        yield from grouper.finish()

    def _interpreted(self) -> Iterator[ScepExchange | FailedConnection | Anomaly]:
        interpreter = Interpreter(keys=self._keys, keep=self._keep)
        for item in self.engine.exchanges():
            if isinstance(item, Anomaly):
                yield item
            else:
                yield from interpreter.feed(item)
        for earlier in self.engine.exchanges_at(interpreter.endpoints):
            yield from interpreter.revisit(earlier)
        yield from interpreter.finish()


def _grouped(exchanges: tuple[ScepExchange, ...], failures: list[FailedConnection]) -> Iterator[Transaction | Anomaly]:
    items: list[ScepExchange | FailedConnection] = [*exchanges, *failures]
    items.sort(key=_when)
    return Grouper().over(items)


def _when(item: ScepExchange | FailedConnection) -> tuple[int, int]:
    if isinstance(item, FailedConnection):
        return item.time_ns or 0, item.frames[0]
    return item.http.time_ns or 0, item.http.frame


def _first_frame(transaction: Transaction) -> int:
    if transaction.exchanges:
        return transaction.exchanges[0].http.frame
    return transaction.failed_connections[0].frames[0] if transaction.failed_connections else 0


def analyze(*paths: str, engine: str = "auto") -> Report:
    """Read a capture (one file, or several as one) and give the report."""
    return Analysis(list(paths), engine).report()
