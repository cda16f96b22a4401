"""What every renderer is given: the whole result of an analysis, numbered."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.findings import Finding, Unchecked
from scep_analyzer.model.limits import LIMITS
from scep_analyzer.model.packets import CaptureFacts
from scep_analyzer.model.scep import ScepExchange, Transaction

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

ExchangeKey = int


def link_type_name(number: int) -> str:
    """The name of a link type, its number where it has none here."""
    return LINK_TYPES.get(number, str(number))


def key_of(exchange: ScepExchange) -> ExchangeKey:
    """What tells an exchange from every other while it is there: one packet may begin several, pipelined or in HTTP/2."""
    return id(exchange)


@dataclass(frozen=True)
class Report:
    """The result of an analysis. Exchanges and transactions are numbered from 1, in order of time."""

    engine: str
    captures: tuple[CaptureFacts, ...]
    exchanges: tuple[ScepExchange, ...]
    transactions: tuple[Transaction, ...]
    anomalies: tuple[Anomaly, ...]
    http_requests: int = 0
    """HTTP requests in the capture, SCEP's included."""
    findings: tuple[Finding, ...] = ()
    """Root causes first, then by severity and time; numbered from 1 in this order."""
    not_checked: tuple[Unchecked, ...] = ()

    @cached_property
    def root_causes(self) -> dict[int, Finding]:
        """The root cause of each transaction that has one, by the transaction's number."""
        return {each.transaction: each for each in self.findings if each.root_cause and each.transaction is not None}

    @cached_property
    def exchange_ids(self) -> dict[ExchangeKey, int]:
        """Number of each exchange."""
        return {key_of(each): number for number, each in enumerate(self.exchanges, 1)}

    @cached_property
    def transaction_ids(self) -> dict[ExchangeKey, int]:
        """Number of the transaction that each exchange belongs to."""
        return {
            key_of(exchange): number
            for number, transaction in enumerate(self.transactions, 1)
            for exchange in transaction.exchanges
        }

    @property
    def time_digits(self) -> int:
        """Digits after the second in the capture's own timestamps."""
        return max((each.time_digits for each in self.captures), default=6)

    @property
    def packets(self) -> int:
        """Packets read, all files together."""
        return sum(each.packets for each in self.captures)

    @property
    def outcomes(self) -> dict[str, int]:
        """How many transactions ended in which way."""
        return dict(Counter(each.outcome.value for each in self.transactions))


def in_order(exchanges: Iterable[ScepExchange]) -> tuple[ScepExchange, ...]:
    """Exchanges by time of the request; those without a time (pcapng simple packets) by frame."""
    return tuple(sorted(exchanges, key=lambda each: (each.http.time_ns or 0, each.http.frame)))


class AnomalyList:
    """Anomalies as they come: at most ``Limits.anomalies_each`` of a code are kept, the rest is counted."""

    def __init__(self) -> None:
        self._kept: list[Anomaly] = []
        self._seen: Counter[tuple[str, str]] = Counter()

    def add(self, anomaly: Anomaly) -> None:
        """Take one."""
        kind = anomaly.layer, anomaly.code
        self._seen[kind] += 1
        if self._seen[kind] <= LIMITS.anomalies_each:
            self._kept.append(anomaly)

    def listed(self) -> tuple[Anomaly, ...]:
        """Those kept, and for each code that was cut one that says how many more there were."""
        more = [
            Anomaly(layer, "limit-anomalies", (), f"{count - LIMITS.anomalies_each:,} more of {code} are not listed")
            for (layer, code), count in self._seen.items()
            if count > LIMITS.anomalies_each
        ]
        return (*self._kept, *more)
