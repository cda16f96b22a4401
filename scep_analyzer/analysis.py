"""Joins engine → scep → events: the only place that knows the order of the stages.

Later stages are imported where they are used: a large capture is already being read by another process meanwhile.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, partial
from itertools import islice
from typing import TYPE_CHECKING

from scep_analyzer.engines import Engine, Reading, open_capture
from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.exchanges import HttpExchange
from scep_analyzer.model.limits import LIMITS, Limits
from scep_analyzer.model.scep import Outcome
from scep_analyzer.model.streams import ConnectionFacts, ConnectionFailure, Tick
from scep_analyzer.model.tls import NO_SECRETS, Secrets

if TYPE_CHECKING:
    from scep_analyzer.cms.keys import PrivateKey
    from scep_analyzer.events import Event, Item, Run
    from scep_analyzer.model.scep import FailedConnection, Kept, ScepExchange
    from scep_analyzer.report import Report
    from scep_analyzer.scep.exchanges import Interpreter

Found = HttpExchange | ConnectionFailure | ConnectionFacts | Anomaly | Tick
"""What an engine finds."""


class Analysis:
    """One run over a capture: :meth:`events` as they become known, or :meth:`report` for the whole; not both.

    ``engine`` is an engine's name, or one that is reading already. ``keys`` open envelopes, ``keep`` puts the bytes of a message aside.
    ``frames`` are those that a display filter has chosen, None for all. ``limits`` say how patient a run is: a file
    and a wire differ in nothing else.
    """

    def __init__(
        self,
        paths: list[str],
        engine: str | Engine = "auto",
        on_bytes: Callable[[int], None] | None = None,
        keys: "Sequence[PrivateKey]" = (),
        *,
        keep: "Callable[[bytes], Kept] | None" = None,
        secrets: Secrets = NO_SECRETS,
        limits: Limits = LIMITS,
        frames: frozenset[int] | None = None,
    ) -> None:
        if isinstance(engine, str):
            # Neither keys nor the bytes of messages travel between processes.
            through = partial(decoded, limits=limits) if not keys and keep is None else None
            reading = Reading(paths, on_bytes, secrets=secrets, limits=limits, frames=frames, through=through)
            engine = open_capture(engine, reading)
        self.engine: Engine = engine
        self._secrets, self._limits = secrets, limits
        self._keys, self._keep = keys, keep
        self._paths = paths
        self._undone = self._undecoded = False

    def report(self) -> "Report":
        """Read the capture to its end."""
        from scep_analyzer.report import Report

        return Report.of(self.events())

    def events(self) -> "Iterator[Event]":
        """Give what is found as soon as it is known: an exchange when it ends, a transaction when it can no longer grow.

        What only the whole capture tells comes at the end, then :class:`~scep_analyzer.events.Over`.
        """
        run = self._run
        for item in self._in_order():
            yield from run.take(item)
        yield from self._over()

    def take(self, items: Iterable[Found]) -> "Iterator[Event]":
        """What becomes known by what an engine has found, where that is pushed: in place of :meth:`events`, before :meth:`end`."""
        for item in items:
            for each in self._decoded(item):
                yield from self._run.take(each)

    def end(self) -> "Iterator[Event]":
        """The last of what :meth:`take` gives."""
        for each in self._last():
            yield from self._run.take(each)
        yield from self._over()

    @cached_property
    def _run(self) -> "Run":
        from scep_analyzer.events import Run
        from scep_analyzer.rules.judge import Judge

        judge = Judge(captures=self.engine.facts, keylog=self._secrets.content, limits=self._limits)
        return Run(judge, partial(self.engine.notices, ()), self._limits)

    @cached_property
    def _interpreter(self) -> "Interpreter":
        from scep_analyzer.scep.exchanges import Interpreter

        return Interpreter(self._limits, keys=self._keys, keep=self._keep)

    def _over(self) -> "Iterator[Event]":
        from scep_analyzer.events import Over

        engine, run = self.engine, self._run
        yield from run.last(partial(self._complete, run))
        yield Over(
            captures=tuple(engine.facts),
            engine=engine.name,
            http_requests=engine.http_requests,
            anomalies=run.anomalies.listed(),
            not_checked=run.judge.unchecked(),
            passed=run.judge.passed(),
            counts=run.counts(),
        )

    def _complete(self, run: "Run", outcomes: frozenset[Outcome]) -> None:
        """Give the judge what is known once the capture has been read.

        TLS handshakes take a second pass over the files: in a large capture only where there is something to explain.
        """
        engine, judge = self.engine, run.judge
        servers, clients, hosts = judge.scope()
        worth = not servers or outcomes - {Outcome.SUCCESS} or judge.scene.packets <= self._limits.looked_into_twice
        judge.complete(
            anomalies=run.anomalies.listed(),
            notices=engine.notices(clients, hosts) if servers else engine.notices(),
            http_requests=engine.http_requests,
            handshakes=engine.handshakes(servers or None) if worth else (),
        )

    def _in_order(self) -> "Iterator[Item]":
        """What the stages give; of a file that gives little, everything in the order of time, and what is no exchange first."""
        from scep_analyzer.model.scep import FailedConnection, ScepExchange

        items = self._interpreted()
        most = 0 if "-" in self._paths else self._limits.held_items
        held = list(islice(items, most))
        if held and len(held) < most:
            timed = [each for each in held if isinstance(each, ScepExchange | FailedConnection)]
            yield from (each for each in held if not isinstance(each, ScepExchange | FailedConnection))
            yield from sorted(timed, key=_when)
        else:
            yield from held
        yield from items

    def _interpreted(self) -> "Iterator[Item]":
        for item in self.engine.exchanges():
            yield from self._decoded(item)
        yield from self._last()

    def _decoded(self, item: "Found | Item") -> "Iterator[Item]":
        if isinstance(item, HttpExchange | ConnectionFailure):
            self._undecoded = True
            # A key that has decrypted TLS was of use, though it may open no envelope.
            self._undone |= isinstance(item, HttpExchange) and item.tls and bool(self._secrets.rsa_keys)
            yield from self._interpreter.feed(item)
        else:  # among them what the process that reads has decoded
            yield item

    def _last(self) -> "Iterator[Item]":
        if not (self._undecoded or self._keys):
            return  # all was decoded by the process that reads, or there was nothing
        for last in decoded_last(self.engine, self._interpreter):
            if not (self._undone and isinstance(last, Anomaly) and last.code == "key-fits-nothing"):
                yield last


def decoded(engine: Engine, limits: Limits) -> "Iterator[Item]":
    """All that an engine finds, decoded: what the process that reads a large capture does with it."""
    from scep_analyzer.scep.exchanges import Interpreter

    interpreter = Interpreter(limits)
    for item in engine.exchanges():
        if isinstance(item, HttpExchange | ConnectionFailure):
            yield from interpreter.feed(item)
        else:
            yield item
    yield from decoded_last(engine, interpreter)


def decoded_last(engine: Engine, interpreter: "Interpreter") -> "Iterator[Item]":
    """What a second pass brings, at paths that turned out to be SCEP's, and what is known at the end."""
    for earlier in engine.exchanges_at(interpreter.endpoints):
        yield from interpreter.revisit(earlier)
    yield from interpreter.finish()


def _when(item: "ScepExchange | FailedConnection") -> tuple[int, int]:
    """Time and frame; what has no time (pcapng simple packets) comes by frame."""
    from scep_analyzer.model.scep import FailedConnection

    if isinstance(item, FailedConnection):
        return item.time_ns or 0, item.frames[0]
    return item.http.time_ns or 0, item.http.frame
