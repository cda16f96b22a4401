"""What every renderer is given: the whole result of an analysis, numbered."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from scep_analyzer.events import About, Counts, Ended, Event, Over, Seen, in_order
from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.findings import Applied, Finding, Unchecked
from scep_analyzer.model.packets import CaptureFacts
from scep_analyzer.model.scep import ScepExchange, Transaction
from scep_analyzer.model.verdicts import Check, Conclusion
from scep_analyzer.rules.products import Recognised

LINK_TYPES = {
    0: "NULL",
    1: "EN10MB",
    9: "PPP",
    12: "RAW",
    14: "RAW",
    101: "RAW",
    105: "IEEE802_11",
    108: "LOOP",
    113: "LINUX_SLL",
    127: "IEEE802_11_RADIO",
    147: "USER0",
    189: "USB_LINUX",
    192: "PPI",
    220: "USB_LINUX_MMAPPED",
    228: "IPV4",
    229: "IPV6",
    249: "USBPCAP",
    253: "NETLINK",
    258: "PKTAP",
    276: "LINUX_SLL2",
}
"""DLT names as tcpdump and capinfos print them."""


def link_type_name(number: int) -> str:
    """The name of a link type, its number where it has none here."""
    return LINK_TYPES.get(number, str(number))


class Files:
    """Which file holds a frame, where several are read as one capture: their frames are counted through.

    ``captures`` may still grow: the last one of them is then being read. ``first`` is the index of the first of them among all files
    of an output that is made of several captures.
    """

    def __init__(self, captures: Sequence[CaptureFacts], first: int = 0) -> None:
        self._captures, self._first = captures, first
        self._last: list[int] = []
        """The last frame of each file that has been read to its end."""

    def index(self, frame: int) -> int:
        """The index of the file; that of the first one for what has no frame (0)."""
        while len(self._last) < len(self._captures) - 1:
            before = self._last[-1] if self._last else 0
            self._last.append(before + self._captures[len(self._last)].packets)
        return self._first + bisect_left(self._last, frame)

    def nth(self, at: int) -> int:
        """The index of the file that is number ``at`` in ``captures``."""
        return self._first + at

    def digits(self, index: int) -> int:
        """Digits after the second in a file's own timestamps."""
        return self._captures[index - self._first].time_digits if self._captures else 6


@dataclass(frozen=True)
class Report:
    """The result of an analysis. Exchanges and transactions are numbered from 1, in order of time."""

    engine: str
    captures: tuple[CaptureFacts, ...]
    exchanges: tuple[ScepExchange, ...]
    transactions: tuple[Transaction, ...]
    anomalies: tuple[Anomaly, ...]
    members: tuple[tuple[int, ...], ...] = ()
    """The numbers of each transaction's exchanges."""
    products: tuple[Recognised, ...] = ()
    """The products that each transaction ran between, as far as they were recognised."""
    conclusions: tuple[Conclusion, ...] = ()
    """What came of each transaction."""
    checks: tuple[tuple[Check, ...], ...] = ()
    """What was checked in each transaction and is fine."""
    http_requests: int = 0
    """HTTP requests in the capture, SCEP's included."""
    findings: tuple[Finding, ...] = ()
    """Root causes first, then by severity and time; numbered from 1 in this order."""
    not_checked: tuple[Unchecked, ...] = ()
    passed: tuple[Applied, ...] = ()
    """How often each rule was applied and found nothing."""

    @classmethod
    def of(cls, events: Iterable[Event]) -> Self:
        """The report of a run that is taken to its end."""
        found = in_order(events)
        return cls(
            engine=found.over.engine,
            captures=found.over.captures,
            exchanges=found.exchanges,
            transactions=found.transactions,
            anomalies=found.over.anomalies,
            members=found.members,
            products=found.products,
            conclusions=found.conclusions,
            checks=found.checks,
            passed=found.over.passed,
            http_requests=found.over.http_requests,
            findings=found.findings,
            not_checked=found.over.not_checked,
        )

    @cached_property
    def root_causes(self) -> dict[int, Finding]:
        """The root cause of each transaction that has one, by the transaction's number."""
        return {each.transaction: each for each in self.findings if each.root_cause and each.transaction is not None}

    @cached_property
    def transaction_of(self) -> dict[int, int]:
        """The number of the transaction that an exchange belongs to, by the exchange's number."""
        return {exchange: number for number, theirs in enumerate(self.members, 1) for exchange in theirs}

    @property
    def ended(self) -> Iterator[Ended]:
        """Each transaction with all that is known of it."""
        of: dict[int, list[Finding]] = {}
        for each in self.findings:
            if each.transaction is not None:
                of.setdefault(each.transaction, []).append(each)
        for number, (transaction, members) in enumerate(zip(self.transactions, self.members, strict=True), 1):
            yield Ended(
                number=number,
                transaction=transaction,
                exchanges=members,
                findings=tuple(of.get(number, ())),
                conclusion=self.conclusions[number - 1],
                products=self.products[number - 1],
                checks=self.checks[number - 1],
            )

    def again(self, only: frozenset[int] | None = None) -> Iterator[Event]:
        """Tell the report as events, in order; ``only``: these transactions, with their exchanges and findings."""
        for number, exchange in enumerate(self.exchanges, 1):
            if only is None or self.transaction_of.get(number) in only:
                yield Seen(number, exchange)
        yield from (each for each in self.ended if only is None or each.number in only)
        yield from (About(each) for each in self.findings if each.transaction is None)
        yield Over(
            captures=self.captures,
            engine=self.engine,
            http_requests=self.http_requests,
            anomalies=self.anomalies,
            not_checked=self.not_checked,
            passed=self.passed,
            counts=self.counts_of(only),
        )

    @cached_property
    def files(self) -> Files:
        """Which file holds a frame."""
        return Files(self.captures)

    @property
    def packets(self) -> int:
        """Packets read, all files together."""
        return sum(each.packets for each in self.captures)

    @property
    def counts(self) -> Counts:
        """How much there was."""
        return self.counts_of(None)

    def counts_of(self, only: frozenset[int] | None) -> Counts:
        """How much there was in these transactions and about the capture as a whole; None: in all of them."""
        chosen = [at for at in range(len(self.transactions)) if only is None or at + 1 in only]
        of_all = only is None
        return Counts(
            exchanges=len(self.exchanges) if of_all else sum(len(self.members[at]) for at in chosen),
            outcomes=Counter(self.transactions[at].outcome for at in chosen),
            results=Counter(self.conclusions[at].result for at in chosen),
            findings=Counter(
                each.severity
                for each in self.findings
                if only is None or each.transaction is None or each.transaction in only
            ),
        )

    @property
    def outcomes(self) -> dict[str, int]:
        """How many transactions ended in which way."""
        return dict(Counter(each.outcome.value for each in self.transactions))
