"""Joins engine → scep → rules → report; the only place that knows the order.

What comes after the engine is imported where it is used: a large capture is being read meanwhile, in a process of its own.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from scep_analyzer.engines import Engine, Reading, open_capture
from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.exchanges import HttpExchange
from scep_analyzer.model.findings import Finding, Unchecked
from scep_analyzer.model.limits import LIMITS, Limits
from scep_analyzer.model.scep import Bystander, FailedConnection, Outcome, ScepExchange, Transaction
from scep_analyzer.model.streams import ConnectionFacts, Tick
from scep_analyzer.model.tls import NO_SECRETS, Secrets
from scep_analyzer.report import AnomalyList, Report, in_order

if TYPE_CHECKING:
    from scep_analyzer.cms.keys import PrivateKey
    from scep_analyzer.rules._views import Scene
    from scep_analyzer.rules.judge import Judge


class Judged(NamedTuple):
    """A transaction and what was found in it."""

    transaction: Transaction
    findings: tuple[Finding, ...]


class Analysis:
    """One run over a capture: :meth:`report` for the whole, or :meth:`stream` for values as they come; not both.

    ``engine`` is an engine's name, or one that is reading already. ``keys`` open envelopes, ``keep`` keeps the bytes of messages.
    """

    def __init__(
        self,
        paths: list[str],
        engine: str | Engine = "auto",
        on_bytes: Callable[[int], None] | None = None,
        keys: "Sequence[PrivateKey]" = (),
        *,
        keep: bool = False,
        secrets: Secrets = NO_SECRETS,
        limits: Limits = LIMITS,
    ) -> None:
        if isinstance(engine, str):
            engine = open_capture(engine, Reading(paths, on_bytes, secrets, limits))
        self.engine: Engine = engine
        self._secrets, self._limits = secrets, limits
        self._keys, self._keep = keys, keep
        self.unchecked: tuple[Unchecked, ...] = ()
        """What the rules could not judge, once :meth:`stream` has run out."""

    def report(self) -> Report:
        """Read the capture to its end."""
        exchanges: list[ScepExchange] = []
        anomalies = AnomalyList()
        judge = self._judge()
        for item in self._interpreted():
            if isinstance(item, ScepExchange):
                exchanges.append(item)
            elif isinstance(item, Anomaly):
                anomalies.add(item)
            elif not isinstance(item, Tick):
                _notice(judge.scene, item)
        ordered = in_order(exchanges)
        transactions = []
        for grouped in _grouped(ordered, judge.scene.failures):
            if isinstance(grouped, Anomaly):
                anomalies.add(grouped)
            else:
                transactions.append(grouped)
        transactions.sort(key=lambda each: (each.started_ns or 0, _first_frame(each)))
        for each in ordered:
            judge.see(each)
        self._complete(judge, anomalies.listed(), {each.outcome for each in transactions})
        found = [finding for each in transactions for finding in judge.judge(each)] + judge.finish()
        for failed in judge.anomalies:
            anomalies.add(failed)
        return Report(
            self.engine.name,
            tuple(self.engine.facts),
            ordered,
            tuple(transactions),
            anomalies.listed(),
            self.engine.http_requests,
            _linked(judge, found),
            judge.unchecked(),
        )

    def stream(self) -> Iterator[ScepExchange | Judged | Finding | Anomaly]:
        """Values as soon as they are known: an exchange when it ends, a transaction with its findings when it can no longer grow.

        Findings about the capture as a whole come last. ``unchecked`` is filled then.
        """
        from scep_analyzer.scep.transactions import Grouper

        judge = self._judge()
        grouper = Grouper(self._limits, over=judge.scene.connections.__contains__)
        anomalies = AnomalyList()
        for item in self._interpreted():
            if isinstance(item, ScepExchange):
                judge.see(item)
            elif isinstance(item, Anomaly):
                anomalies.add(item)
            elif isinstance(item, Tick):
                yield from self._judged(judge, grouper.tick(item.time_ns))
            else:
                _notice(judge.scene, item)
            if isinstance(item, ScepExchange | Anomaly):
                yield item
            if isinstance(item, ScepExchange | FailedConnection):
                yield from self._judged(judge, grouper.feed(item))
        last = list(grouper.finish())
        ended = {each.outcome for each in last if isinstance(each, Transaction)} | {each.outcome for each in judge.ends}
        self._complete(judge, anomalies.listed(), ended)
        yield from self._judged(judge, last)
        yield from judge.finish()
        yield from judge.anomalies
        self.unchecked = judge.unchecked()

    def _judge(self) -> "Judge":
        from scep_analyzer.rules.judge import Judge

        judge = Judge()
        judge.scene.captures = self.engine.facts  # it grows while the capture is read
        judge.scene.keylog = self._secrets.content
        return judge

    def _judged(self, judge: "Judge", grouped: Iterable[Transaction | Anomaly]) -> Iterator[Judged | Anomaly]:
        for item in grouped:
            if isinstance(item, Anomaly):
                yield item
                continue
            if item.failed_connections:
                judge.scene.notices = self.engine.notices(())
            found = judge.judge(item)
            yield Judged(item, tuple(judge.linked(found, len(judge.ends))))

    def _complete(self, judge: "Judge", anomalies: tuple[Anomaly, ...], ended: set[Outcome]) -> None:
        """Give the judge what is known once the capture has been read; ``ended`` is how transactions ended.

        TLS handshakes take a second pass over the files: in a large capture only where there is something to explain.
        """
        scene, servers = judge.scene, judge.memory.servers
        scene.anomalies = list(anomalies)
        memory = judge.memory
        scene.notices = self.engine.notices(memory.clients, memory.hosts) if servers else self.engine.notices()
        scene.http_requests = self.engine.http_requests
        if (
            not servers
            or ended - {Outcome.SUCCESS}
            or sum(each.packets for each in scene.captures) <= LIMITS.looked_into_twice
        ):
            scene.handshakes = list(self.engine.handshakes({each.address for each in servers} or None))

    def _interpreted(self) -> Iterator[ScepExchange | FailedConnection | Bystander | ConnectionFacts | Anomaly | Tick]:
        from scep_analyzer.scep.exchanges import Interpreter

        interpreter = Interpreter(keys=self._keys, keep=self._keep)
        undone = False
        for item in self.engine.exchanges():
            if isinstance(item, Anomaly | Tick):
                yield item
            else:
                # A key that has undone TLS was of use, though it may open no envelope.
                undone |= isinstance(item, HttpExchange) and item.tls and bool(self._secrets.rsa_keys)
                yield from interpreter.feed(item)
        for earlier in self.engine.exchanges_at(interpreter.endpoints):
            yield from interpreter.revisit(earlier)
        for last in interpreter.finish():
            if not (undone and isinstance(last, Anomaly) and last.code == "key-fits-nothing"):
                yield last


def _notice(scene: "Scene", item: FailedConnection | Bystander | ConnectionFacts) -> None:
    """Keep what is no exchange and tells of some."""
    if isinstance(item, FailedConnection):
        scene.failures.append(item)
    elif isinstance(item, Bystander):
        scene.bystanders.append(item)
    else:
        scene.connections[item.connection.number] = item
    for kept in (scene.failures, scene.bystanders):
        del kept[: -LIMITS.beside]
    if len(scene.connections) > LIMITS.beside:
        del scene.connections[next(iter(scene.connections))]


def _linked(judge: "Judge", found: list[Finding]) -> tuple[Finding, ...]:
    """All findings in order, with the root cause of each transaction."""
    from scep_analyzer.rules.judge import in_order as findings_in_order

    by_transaction: dict[int | None, list[Finding]] = {}
    for each in found:
        by_transaction.setdefault(each.transaction, []).append(each)
    every = by_transaction.pop(None, [])
    for number, theirs in by_transaction.items():
        if number is not None:
            every += judge.linked(theirs, number)
    return findings_in_order(every)


def _grouped(exchanges: tuple[ScepExchange, ...], failures: list[FailedConnection]) -> Iterator[Transaction | Anomaly]:
    from scep_analyzer.scep.transactions import Grouper

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


def analyze(*paths: str, engine: str = "auto", secrets: Secrets = NO_SECRETS) -> Report:
    """Read a capture (one file, or several as one) and give the report."""
    return Analysis(list(paths), engine, secrets=secrets).report()
