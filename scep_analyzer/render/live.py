"""The timeline while it happens: each exchange when it ends, then how its transaction ended and what was found."""

from collections import Counter, OrderedDict
from collections.abc import Iterable

from rich.console import Console

from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.findings import Finding, Severity, Unchecked
from scep_analyzer.model.packets import CaptureFacts, Endpoint
from scep_analyzer.model.scep import Kind, Outcome, ScepExchange, Transaction
from scep_analyzer.render import words
from scep_analyzer.render.steps import Page, Style
from scep_analyzer.report import AnomalyList, ExchangeKey, key_of

_MOST_PAIRS = 1_000
"""Clients and servers whose last exchanges are remembered, for sentences that refer to them."""
_MOST_EXCHANGES = 8
_MOST_TOLD = 10_000
"""Sets of certificates and notes remembered as told, and certificates as issued."""


class LiveTimeline(Page):
    """Give it everything as it comes; it prints at once. What it remembers is bounded."""

    def __init__(self, console: Console, style: Style) -> None:
        super().__init__(console, style, {})
        self._numbers: dict[ExchangeKey, int] = {}
        self._recent: OrderedDict[tuple[str, Endpoint], list[ScepExchange]] = OrderedDict()
        self._leg: tuple[str, Endpoint] | None = None
        self._outcomes: Counter[Outcome] = Counter()
        self._anomalies = AnomalyList()
        self._said: set[Anomaly] = set()
        """Oddities told at their step."""
        self._loose: list[Finding] = []
        self.exchanges = self.transactions = 0

    def exchange(self, exchange: ScepExchange) -> None:
        """An exchange has ended."""
        self.exchanges += 1
        self._numbers[key_of(exchange)] = self.exchanges
        http = exchange.http
        leg = http.client.address, http.server
        recent = self._remember(leg, exchange)
        if exchange.reply is not None and exchange.reply.issued is not None:
            self._issued_in[exchange.reply.issued.identity] = self.exchanges
        if not self._style.quiet:
            if leg != self._leg:
                self._console.print()
                self._line(f"{leg[0]} → {leg[1]}", style="bold")
                self._leg = leg
            self._exchange(exchange, self.exchanges, _so_far(leg, recent), recent[0].http.time_ns)
        if len(self._said) < _MOST_TOLD:
            self._said.update(exchange.anomalies)
        while len(self._told) > _MOST_TOLD:
            del self._told[next(iter(self._told))]
        while len(self._issued_in) > _MOST_TOLD:
            del self._issued_in[next(iter(self._issued_in))]

    def _remember(self, leg: tuple[str, Endpoint], exchange: ScepExchange) -> list[ScepExchange]:
        recent = self._recent.setdefault(leg, [])
        self._recent.move_to_end(leg)
        recent.append(exchange)
        del recent[:-_MOST_EXCHANGES]
        while len(self._recent) > _MOST_PAIRS:
            self._recent.popitem(last=False)
        return recent

    def transaction(self, transaction: Transaction, findings: Iterable[Finding]) -> None:
        """A transaction has ended, and this was found in it."""
        self.transactions += 1
        self._outcomes[transaction.outcome] += 1
        numbers = [self._numbers.pop(key_of(each), 0) for each in transaction.exchanges]
        findings = list(findings)
        root = next((each for each in findings if each.root_cause), None)
        rules = {each.number: each.rule for each in findings}
        self._headline(self.transactions, transaction, root)
        if len(numbers) > 1 or self._leg is None:
            self._line(f"Exchanges {', '.join(map(str, numbers))}" if numbers else "No exchange", 3, style="dim")
        if not self._style.quiet:
            for failed in transaction.failed_connections:
                self._failed(failed)
        for each in findings:
            if each is not root and each.severity.rank <= self._style.least.rank:
                self._finding(each, 3, cause=rules.get(each.because_of) if each.because_of is not None else None)
        self._leg = None
        self._recent.pop((transaction.client, transaction.server), None)

    def finding(self, finding: Finding) -> None:
        """Found in the capture as a whole: it is told at the end."""
        self._loose.append(finding)

    def anomaly(self, anomaly: Anomaly) -> None:
        """Something odd: told at the end."""
        self._anomalies.add(anomaly)

    def finish(self, captures: Iterable[CaptureFacts], unchecked: tuple[Unchecked, ...]) -> None:  # noqa: ARG002  # diagnose tells them
        """The capture has ended: the summary."""
        nothing = not self.exchanges and not self.transactions
        least = Severity.INFO if nothing else self._style.least
        self._console.print()
        for facts in captures:
            self._line(self._about_file(facts))
            self._comments(facts)
        self._line(words.counted(self.exchanges, self._outcomes))
        shown = [each for each in self._loose if each.severity.rank <= least.rank]
        if shown:
            self._console.print()
            self._line("About the capture as a whole", style="bold")
        for each in shown:
            self._finding(each, 3)
        if not self._style.quiet:
            self._oddities([each for each in self._anomalies.listed() if each not in self._said])


def _so_far(leg: tuple[str, Endpoint], exchanges: list[ScepExchange]) -> Transaction:
    """What two hosts have said, in the form that sentences refer to."""
    return Transaction(
        transaction_id=None, client=leg[0], server=leg[1], kind=Kind.ENROLLMENT, outcome=Outcome.UNKNOWN, exchanges=tuple(exchanges),
        failed_connections=(), subject=None, issued=None, started_ns=exchanges[0].http.time_ns, ended_ns=None, polls=0, decisive=None,
    )  # fmt: skip
