"""What a run finds, in the order in which it becomes known.

This is the only place that numbers: exchanges, transactions and findings are counted from 1 as they come (:class:`Run`), and counted
again in the order of time where the whole is there (:func:`in_order`). Everything that is told is told from these events.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import NamedTuple

from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.findings import Applied, Finding, Severity, Unchecked
from scep_analyzer.model.limits import LIMITS, Limits
from scep_analyzer.model.packets import CaptureFacts, Notices
from scep_analyzer.model.scep import Bystander, FailedConnection, Outcome, ScepExchange, Transaction
from scep_analyzer.model.streams import ConnectionFacts, Tick
from scep_analyzer.model.verdicts import Check, Conclusion, Result
from scep_analyzer.rules import causes
from scep_analyzer.rules.causes import End
from scep_analyzer.rules.judge import Judge
from scep_analyzer.rules.products import Recognised
from scep_analyzer.rules.verdicts import Grounds, concluded
from scep_analyzer.scep.transactions import Grouper

Item = ScepExchange | FailedConnection | Bystander | ConnectionFacts | Anomaly | Tick
"""What a run is given."""


class Seen(NamedTuple):
    """An exchange has ended."""

    number: int
    exchange: ScepExchange


class Ended(NamedTuple):
    """A transaction can no longer grow. ``exchanges`` are the numbers of its exchanges, in their order; the findings are linked.

    ``products`` are those that were recognised by then, ``checks`` what was checked and is fine.
    """

    number: int
    transaction: Transaction
    exchanges: tuple[int, ...]
    findings: tuple[Finding, ...]
    conclusion: Conclusion
    products: Recognised
    checks: tuple[Check, ...]


class Amended(NamedTuple):
    """What the rest of the capture taught changed what was told of a transaction: all of its findings, linked again."""

    transaction: int
    findings: tuple[Finding, ...]
    conclusion: Conclusion


class About(NamedTuple):
    """A finding of the end: about the capture as a whole, or about a transaction, of which it changes nothing that was told."""

    finding: Finding


class Odd(NamedTuple):
    """Something was damaged or unusual, and was read all the same."""

    anomaly: Anomaly


class Counts(NamedTuple):
    """How much there was: transactions by outcome and by result, findings by their severity as they stand at the end."""

    exchanges: int
    outcomes: Mapping[Outcome, int]
    results: Mapping[Result, int]
    findings: Mapping[Severity, int]

    @property
    def transactions(self) -> int:
        """How many transactions."""
        return sum(self.outcomes.values())


class Over(NamedTuple):
    """The capture has ended. ``anomalies`` are those that are listed: beyond ``Limits.anomalies_each`` of a code they are counted."""

    captures: tuple[CaptureFacts, ...]
    engine: str
    http_requests: int
    anomalies: tuple[Anomaly, ...]
    not_checked: tuple[Unchecked, ...]
    passed: tuple[Applied, ...]
    """How often each rule was applied and found nothing."""
    counts: Counts


Event = Seen | Ended | Amended | About | Odd | Over


class Run:
    """Groups and judges what comes, and numbers what is found.

    ``notices`` tells what DNS and ICMP packets have said by then.
    """

    def __init__(self, judge: Judge, notices: Callable[[], Notices], limits: Limits = LIMITS) -> None:
        self.judge = judge
        self.anomalies = AnomalyList(limits)
        self._outcomes: Counter[Outcome] = Counter()
        self._results: Counter[Result] = Counter()
        self._severities: Counter[Severity] = Counter()
        self._grouper = Grouper(limits, over=judge.is_over)
        self._notices = notices
        self._exchanges = 0
        self._findings = count(1)
        self._numbers: dict[int, int] = {}
        """The number of an exchange by its identity: only while it is held here, until its transaction has ended."""
        self._unlinked: dict[int, _Told] = {}
        """What was found in each transaction, at most ``Limits.findings_each`` of a rule in all."""

    def take(self, item: Item) -> Iterator[Event]:
        """Take what comes next; the exchanges come in the order of their requests."""
        if isinstance(item, ScepExchange):
            self._exchanges += 1
            number = self._exchanges
            self._numbers[id(item)] = number
            self.judge.see(item, number)
            yield Seen(number, item)
            yield from self._ended(self._grouper.feed(item))
        elif isinstance(item, Anomaly):
            yield self._odd(item)
        elif isinstance(item, Tick):
            self.judge.scene.passed(item.time_ns)
            yield from self._ended(self._grouper.tick(item.time_ns))
        else:
            self.judge.notice(item)
            if isinstance(item, FailedConnection):
                yield from self._ended(self._grouper.feed(item))

    def last(self, complete: Callable[[frozenset[Outcome]], None]) -> Iterator[Event]:
        """The capture has ended. ``complete`` gives the judge what is known only now; it is told which outcomes there are."""
        left = list(self._grouper.finish())
        complete(frozenset({*self._outcomes, *(each.outcome for each in left if isinstance(each, Transaction))}))
        yield from self._ended(left)
        yield from self._late([self._numbered(each) for each in self.judge.finish()])
        for each in self.judge.anomalies:
            yield self._odd(each)

    def counts(self) -> Counts:
        """How much there was so far."""
        return Counts(
            exchanges=self._exchanges, outcomes=self._outcomes, results=self._results, findings=self._severities
        )

    def _odd(self, anomaly: Anomaly) -> Odd:
        self.anomalies.add(anomaly)
        return Odd(anomaly)

    def _numbered(self, finding: Finding) -> Finding:
        return finding._replace(number=next(self._findings))

    def _ended(self, grouped: Iterable[Transaction | Anomaly]) -> Iterator[Event]:
        for item in grouped:
            if isinstance(item, Anomaly):
                yield self._odd(item)
                continue
            if item.failed_connections:
                self.judge.scene.notices = self._notices()
            number = len(self._unlinked) + 1
            exchanges = tuple(self._numbers.pop(id(each)) for each in item.exchanges)
            judged = self.judge.judge(item, number, exchanges)
            end, found = judged.end, tuple(map(self._numbered, judged.findings))
            over = self.judge.is_history(number)
            linked = tuple(causes.linked(found, end, over=over))
            self._outcomes[end.outcome] += 1
            self._severities.update(each.severity for each in linked)
            self._unlinked[number] = _Told(found, end, judged.grounds, over)
            conclusion = concluded(judged.grounds, linked, history=over)
            self._results[conclusion.result] += 1
            yield Ended(
                number=number,
                transaction=item,
                exchanges=exchanges,
                findings=linked,
                conclusion=conclusion,
                products=judged.products,
                checks=judged.checks,
            )

    def _late(self, found: Sequence[Finding]) -> Iterator[Event]:
        """Findings of the end, and failures that a later success made history: what they concern is linked again, from the start."""
        by_transaction: dict[int | None, list[Finding]] = {}
        for each in found:
            by_transaction.setdefault(each.transaction, []).append(each)
        yield from map(About, self._counted(by_transaction.pop(None, ())))
        for number, told in self._unlinked.items():
            over, theirs = self.judge.is_history(number), by_transaction.pop(number, ())
            if theirs or over != told.over:
                before = told.linked()
                after = tuple(causes.linked((*told.findings, *theirs), told.end, over=over))
                self._severities.subtract(each.severity for each in before)
                self._severities.update(each.severity for each in after)
                news = after[len(before) :]
                if before == after[: len(before)] and over == told.over and not any(each.root_cause for each in news):
                    yield from map(About, news)
                else:
                    conclusion = concluded(told.grounds, after, history=over)
                    self._results[told.conclusion.result] -= 1
                    self._results[conclusion.result] += 1
                    yield Amended(number, after, conclusion)

    def _counted(self, found: Sequence[Finding]) -> Sequence[Finding]:
        self._severities.update(each.severity for each in found)
        return found


class _Told(NamedTuple):
    """What was told of a transaction: the findings before they were linked, and what decided how."""

    findings: tuple[Finding, ...]
    end: End
    grounds: Grounds
    over: bool

    def linked(self) -> tuple[Finding, ...]:
        """The findings as they were told."""
        return tuple(causes.linked(self.findings, self.end, over=self.over))

    @property
    def conclusion(self) -> Conclusion:
        """The conclusion as it was told."""
        return concluded(self.grounds, self.linked(), history=self.over)


class Whole(NamedTuple):
    """All that was found, numbered from 1 in the order of time. ``members``: the numbers of each transaction's exchanges."""

    exchanges: tuple[ScepExchange, ...]
    transactions: tuple[Transaction, ...]
    members: tuple[tuple[int, ...], ...]
    conclusions: tuple[Conclusion, ...]
    products: tuple[Recognised, ...]
    checks: tuple[tuple[Check, ...], ...]
    findings: tuple[Finding, ...]
    over: Over


def in_order(events: Iterable[Event]) -> Whole:
    """Take a run to its end, and number what it found in the order of time.

    Exchanges are ordered by the time of the request, those without a time (pcapng simple packets) by frame; transactions by their first
    exchange or failed connection; findings as the contract says: root causes first, then by severity and frame.
    """
    seen: list[Seen] = []
    ended: dict[int, Ended] = {}
    about: list[Finding] = []
    over: Over | None = None
    for event in events:
        match event:
            case Seen():
                seen.append(event)
            case Ended(number=number):
                ended[number] = event
            case Amended(transaction=number):
                ended[number] = ended[number]._replace(findings=event.findings, conclusion=event.conclusion)
            case About(finding=finding):
                about.append(finding)
            case Over():
                over = event
    if over is None:
        raise ValueError("the run has not ended: it gave no Over")
    seen.sort(key=lambda each: (each.exchange.http.time_ns or 0, each.exchange.http.frame))
    transactions = sorted(ended.values(), key=lambda each: (each.transaction.started_ns or 0, each.transaction.frame))
    exchange_numbers = {each.number: at for at, each in enumerate(seen, 1)}
    transaction_numbers = {each.number: at for at, each in enumerate(transactions, 1)}
    found = sorted([*(each for one in transactions for each in one.findings), *about], key=_place)
    finding_numbers = {each.number: at for at, each in enumerate(found, 1)}
    return Whole(
        exchanges=tuple(each.exchange for each in seen),
        transactions=tuple(each.transaction for each in transactions),
        members=tuple(tuple(sorted(exchange_numbers[each] for each in one.exchanges)) for one in transactions),
        conclusions=tuple(each.conclusion for each in transactions),
        products=tuple(each.products for each in transactions),
        checks=tuple(each.checks for each in transactions),
        findings=tuple(
            each._replace(
                number=at,
                transaction=transaction_numbers.get(each.transaction) if each.transaction is not None else None,
                exchange=exchange_numbers.get(each.exchange) if each.exchange is not None else None,
                because_of=finding_numbers.get(each.because_of) if each.because_of is not None else None,
            )
            for at, each in enumerate(found, 1)
        ),
        over=over,
    )


def _place(finding: Finding) -> tuple[bool, int, int, int]:
    return not finding.root_cause, finding.severity.rank, min(finding.frames, default=0), finding.number


class AnomalyList:
    """Anomalies as they come: at most ``Limits.anomalies_each`` of a code are kept, the rest is counted."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self._most = limits.anomalies_each
        self._kept: list[Anomaly] = []
        self._seen: Counter[tuple[str, str]] = Counter()

    def add(self, anomaly: Anomaly) -> None:
        """Take one."""
        kind = anomaly.layer, anomaly.code
        self._seen[kind] += 1
        if self._seen[kind] <= self._most:
            self._kept.append(anomaly)

    def listed(self) -> tuple[Anomaly, ...]:
        """Those kept, and for each code that was cut one that says how many more there were."""
        more = [
            Anomaly(layer, "limit-anomalies", (), f"{number - self._most:,} more of {code} are not listed")
            for (layer, code), number in self._seen.items()
            if number > self._most
        ]
        return (*self._kept, *more)
