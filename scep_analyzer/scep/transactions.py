"""SCEP exchanges → transactions: which belong together, and how each ended.

The rules are the contract's: a transaction is a client, a server and a transactionID; a request after a final reply starts a
new one although clients keep their transactionID (it is often a hash of the key); polls belong to the request they poll for;
GetCACaps, GetCACert and failed connections belong to the enrollment they lead up to; the same message on two legs of a proxy is one.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.limits import LIMITS, Limits
from scep_analyzer.model.packets import Endpoint
from scep_analyzer.model.scep import (
    CaCapabilities,
    CaCertificates,
    FailedConnection,
    Kind,
    MessageType,
    Outcome,
    PkiMessage,
    PkiStatus,
    ScepExchange,
    Transaction,
)
from scep_analyzer.model.stage import Stage

_MOST_LEGS = 16
"""Pairs of endpoints between which one message is looked for: proxies make two or three."""
_ROOM = 4_096
_SHARED = 4_096

Pair = tuple[str, Endpoint]
T = TypeVar("T")

_STATUS_OUTCOMES = {
    PkiStatus.SUCCESS: Outcome.SUCCESS,
    PkiStatus.FAILURE: Outcome.FAILURE,
    PkiStatus.PENDING: Outcome.PENDING,
}
_KINDS = {
    MessageType.RenewalReq: Kind.RENEWAL,
    MessageType.UpdateReq: Kind.RENEWAL,
    MessageType.CertPoll: Kind.POLL,
    MessageType.GetCert: Kind.GET_CERT,
    MessageType.GetCRL: Kind.GET_CRL,
}
_REQUESTS = frozenset({MessageType.PKCSReq, MessageType.RenewalReq, MessageType.UpdateReq})
_PRELUDE_OPERATIONS = frozenset({"GetCACaps", "GetCACert", "GetCACertChain", "GetNextCACert"})


@dataclass(slots=True, eq=False, repr=False)
class _Open:
    """A transaction that may still grow. ``pki`` are its PKIOperations, ``exchanges`` all."""

    pair: Pair
    transaction_id: str | None = None
    exchanges: list[ScepExchange] = field(default_factory=list)
    pki: list[ScepExchange] = field(default_factory=list)
    failed: list[FailedConnection] = field(default_factory=list)
    final: bool = False
    last_ns: int = 0
    """When its last request was sent."""
    answered_ns: int = 0
    """When its last response began."""
    serial: int = 0
    """Counts those that were opened."""
    room: int = 0
    """What its exchanges take, as far as it can be told, in bytes."""


class Grouper(Stage[ScepExchange | FailedConnection, Transaction]):
    """Exchanges in the order of their requests → transactions, as they end.

    ``over`` tells whether the connection of this number is closed, and nothing more will be known of it.
    """

    def __init__(self, limits: Limits = LIMITS, over: Callable[[int], bool] = lambda _number: False) -> None:
        self._limits, self._over = limits, over
        self._preludes: dict[Pair, _Open] = {}
        self._open: dict[tuple[Pair, str | None], _Open] = {}
        self._closing: deque[_Open] = deque()
        """Those that were answered for good, in the order in which they were: rules compare each with those before."""
        self._by_message: dict[str, dict[Pair, tuple[ScepExchange, _Open]]] = {}
        """The last exchange that carried a message between two endpoints, and its transaction."""
        self._failures: dict[Pair, list[FailedConnection]] = {}
        self._servers: set[Endpoint] = set()
        self._look_again_ns = 0
        self._room = 0
        """What the exchanges of all that are held take."""
        self._serial = 0
        self._deadlines: list[tuple[int, int, bool, Pair, str | None]] = []
        """A heap of when each has been quiet for too long: (time, serial, whether it is a prelude, key). Outdated ones are passed over."""

    def feed(self, item: ScepExchange | FailedConnection) -> Iterator[Transaction | Anomaly]:
        """Take one exchange or failed connection."""
        pair = (item.client.address, item.server) if isinstance(item, FailedConnection) else _pair(item)
        if isinstance(item, FailedConnection):
            # One SYN without a response proves nothing: the capture may have ended with it.
            if item.how == "refused" or len(item.frames) > 1:
                failures = self._failures.setdefault(pair, [])
                failures.append(item)
                if len(failures) > self._limits.anomalies_each:  # the first ones and the last ones tell
                    del failures[len(failures) // 2]
            if len(self._failures) > self._limits.open_transactions:
                del self._failures[next(iter(self._failures))]
            return
        self._servers.add(item.http.server)
        if (item.request is None and item.reply is None and item.operation in _PRELUDE_OPERATIONS) or _is_stray(item):
            prelude = self._preludes.get(pair)
            if prelude is None:
                prelude = self._preludes[pair] = self._opened(pair)
                yield from self._bound(self._preludes, item)
            self._add(prelude, item)
            self._watch(prelude, is_prelude=True)
            yield from self._bound(self._preludes, item)
            yield from self._full(self._preludes, pair, item)
        else:
            yield from self._pki_operation(pair, item)
        yield from self._expire(item.http.time_ns or 0)

    def tick(self, now_ns: int) -> Iterator[Transaction]:
        """Time has passed without an exchange."""
        yield from self._expire(now_ns)

    def finish(self) -> Iterator[Transaction | Anomaly]:
        """The capture ends: every transaction is as finished as it will be."""
        for pair, failed in self._failures.items():
            if failed and pair[1] in self._servers:
                prelude = self._preludes.setdefault(pair, _Open(pair))
                prelude.failed += failed
        left = (*self._closing, *self._open.values(), *self._preludes.values())
        for each in sorted(left, key=_started):
            yield _close(each)

    def _pki_operation(self, pair: Pair, item: ScepExchange) -> Iterator[Transaction | Anomaly]:
        transaction = self._other_leg(pair, item)
        if transaction is None:
            key = (pair, item.transaction_id)
            transaction = self._open.get(key)
            if transaction is None:
                transaction = self._open[key] = self._opened(pair, item.transaction_id)
        self._absorb(transaction, pair)
        self._add(transaction, item)
        transaction.pki.append(item)
        if item.request is not None:
            carried = self._by_message.setdefault(item.request.sha256, {})
            carried[pair] = item, transaction
            if len(carried) > _MOST_LEGS:
                del carried[next(iter(carried))]
        reply = item.reply
        if reply is not None and reply.pki_status in (PkiStatus.SUCCESS, PkiStatus.FAILURE) and not transaction.final:
            transaction.final = True
            del self._open[transaction.pair, transaction.transaction_id]
            self._closing.append(transaction)
            if len(self._closing) > self._limits.open_transactions:
                yield self._released(self._closing.popleft())
        else:
            self._watch(transaction, is_prelude=False)
        yield from self._bound(self._open, item)
        yield from self._full(self._open, (transaction.pair, transaction.transaction_id), item)

    def _bound(self, held: dict[T, _Open], item: ScepExchange) -> Iterator[Transaction | Anomaly]:
        """Release the oldest where too many are held: it might still have grown, and is named."""
        most = self._limits.open_transactions
        while len(held) > most or (self._room > self._limits.open_bytes and len(held) > 1):
            detail = f"more than {len(held) - 1:,} transactions are open: the oldest is reported as it stands"
            yield Anomaly("scep", "limit-transactions", (item.http.frame,), detail)
            yield self._released(held.pop(next(iter(held))))

    def _full(self, held: dict[T, _Open], key: T, item: ScepExchange) -> Iterator[Transaction | Anomaly]:
        """Release a transaction that has become too long: what comes after it is another one."""
        transaction, most = held.get(key), self._limits.exchanges_each
        if transaction is not None and len(transaction.exchanges) >= most:
            detail = (
                f"a transaction of {most:,} exchanges is reported as it stands: what follows is told as another one"
            )
            yield Anomaly("scep", "limit-exchanges", (item.http.frame,), detail)
            yield self._released(held.pop(key))

    def _other_leg(self, pair: Pair, item: ScepExchange) -> _Open | None:
        """The transaction that holds this very message between other endpoints: it passed through a proxy."""
        if item.request is None:
            return None
        carried = self._by_message.get(item.request.sha256, {})
        for other, (earlier, _) in list(carried.items()):
            if not _overlap(earlier, item):
                del carried[other]  # answered before: no later request was sent while this one waited
        return next((transaction for other, (_, transaction) in carried.items() if other != pair), None)

    def _absorb(self, transaction: _Open, pair: Pair) -> None:
        """What led up to a PKIOperation joins its transaction."""
        prelude = self._preludes.pop(pair, None)
        if prelude is not None:
            transaction.exchanges += prelude.exchanges
            transaction.failed += prelude.failed
            transaction.room += prelude.room

    def _add(self, transaction: _Open, item: ScepExchange) -> None:
        transaction.exchanges.append(item)
        room = _room_of(item)
        transaction.room += room
        self._room += room
        transaction.failed += self._failures.pop(_pair(item), ())
        transaction.last_ns = max(transaction.last_ns, item.http.time_ns or 0)
        if item.http.response is not None:
            transaction.answered_ns = max(transaction.answered_ns, item.http.response.time_ns or 0)

    def _expire(self, now: int) -> Iterator[Transaction]:
        limits = self._limits
        while self._closing and self._settled(self._closing[0], now):
            yield self._released(self._closing.popleft())
        if now < self._look_again_ns:
            return
        self._look_again_ns = now + limits.settled_ns // 2
        quiet: list[tuple[bool, int, Pair, str | None]] = []
        while self._deadlines and self._deadlines[0][0] < now:
            _, serial, is_prelude, pair, identifier = heapq.heappop(self._deadlines)
            each = self._preludes.get(pair) if is_prelude else self._open.get((pair, identifier))
            if each is None or each.serial != serial:
                continue
            if now - each.last_ns > (limits.quiet_ns if is_prelude else _patience(each, limits)):
                quiet.append((is_prelude, serial, pair, identifier))
        for is_prelude, serial, pair, identifier in sorted(set(quiet), key=lambda each: each[:2]):
            held = self._preludes.pop(pair, None) if is_prelude else self._open.pop((pair, identifier), None)
            if held is not None and held.serial == serial:
                yield self._released(held)

    def _opened(self, pair: Pair, identifier: str | None = None) -> _Open:
        self._serial += 1
        return _Open(pair, identifier, serial=self._serial)

    def _watch(self, transaction: _Open, *, is_prelude: bool) -> None:
        """Note when it will have been quiet for too long if nothing more comes."""
        patience = self._limits.quiet_ns if is_prelude else _patience(transaction, self._limits)
        entry = (transaction.last_ns + patience, transaction.serial, is_prelude, transaction.pair)
        heapq.heappush(self._deadlines, (*entry, transaction.transaction_id))
        if len(self._deadlines) > 2 * (len(self._open) + len(self._preludes)) + 64:
            self._deadlines = [
                (each.last_ns + _patience(each, self._limits), each.serial, False, *key)
                for key, each in self._open.items()
            ]
            self._deadlines += [
                (each.last_ns + self._limits.quiet_ns, each.serial, True, pair, None)
                for pair, each in self._preludes.items()
            ]
            heapq.heapify(self._deadlines)

    def _settled(self, transaction: _Open, now: int) -> bool:
        """Whether no other leg can join, and nothing more will be known of its connections, or long enough was waited for it.

        Exchanges come in the order of their requests, and another leg's request was sent while the first one waited for its response.
        """
        if now - transaction.last_ns > self._limits.settled_ns:
            return True
        return now - transaction.answered_ns > self._limits.joined_ns and all(
            self._over(each.http.connection) for each in transaction.exchanges
        )

    def _released(self, transaction: _Open) -> Transaction:
        self._room -= transaction.room
        for each in transaction.pki:
            if each.request is not None and (carried := self._by_message.get(each.request.sha256)) is not None:
                for pair in [pair for pair, (_, other) in carried.items() if other is transaction]:
                    del carried[pair]
                if not carried:
                    del self._by_message[each.request.sha256]
        return _close(transaction)


def _room_of(item: ScepExchange) -> int:
    """About what an exchange takes. Certificates of usual size are shared by all that were given them."""
    room = _ROOM
    for message in (item.http.request, item.http.response):
        if message is not None:
            room += sum([len(name) + len(value) for name, value in message.headers]) + 40 * len(message.frames)
    room += len(item.http.request.target) if item.http.request is not None else 0
    for content in (item.request, item.response):
        if isinstance(content, PkiMessage | CaCertificates):
            room += sum([len(each.encoded) for each in content.certificates if len(each.encoded) > _SHARED])
    return room


def _patience(transaction: _Open, limits: Limits) -> int:
    """How long a transaction without a final answer is kept: a client polls while the response is PENDING."""
    reply = transaction.pki[-1].reply if transaction.pki else None
    return (
        limits.transaction_idle_ns if reply is not None and reply.pki_status == PkiStatus.PENDING else limits.quiet_ns
    )


def _pair(item: ScepExchange) -> Pair:
    return item.http.client.address, item.http.server


def _is_stray(item: ScepExchange) -> bool:
    """Neither a PKIOperation nor a known operation: some other request to the SCEP path."""
    return item.operation != "PKIOperation" and item.request is None and item.reply is None


def _overlap(outer: ScepExchange, inner: ScepExchange) -> bool:
    """Whether the inner request was sent while the outer one waited for its response."""
    answered = outer.http.response.time_ns if outer.http.response is not None else None
    return answered is None or (inner.http.time_ns or 0) <= answered


def _started(transaction: _Open) -> tuple[int, int]:
    if transaction.exchanges:
        first = min(transaction.exchanges, key=lambda each: (each.http.time_ns or 0, each.http.frame))
        return first.http.time_ns or 0, first.http.frame
    return (transaction.failed[0].time_ns or 0, transaction.failed[0].frames[0]) if transaction.failed else (0, 0)


def _close(transaction: _Open) -> Transaction:
    exchanges = sorted(transaction.exchanges, key=lambda each: (each.http.time_ns or 0, each.http.frame))
    decisive, outcome = _outcome(transaction)
    issued = next(
        (reply.issued for each in reversed(transaction.pki) if (reply := each.reply) is not None and reply.issued), None
    )
    requests = [each.request for each in transaction.pki if each.request is not None]
    first_client, first_server = transaction.pair
    if exchanges:
        first_client, first_server = _pair(exchanges[0])
    times = [
        message.time_ns
        for each in exchanges
        for message in (each.http.request, each.http.response)
        if message is not None and message.time_ns is not None
    ] or [each.time_ns for each in transaction.failed if each.time_ns is not None]
    polls = {
        each.request.sha256
        for each in transaction.pki
        if each.request is not None and each.request.message_type == MessageType.CertPoll
    }
    return Transaction(
        transaction_id=transaction.transaction_id,
        client=first_client,
        server=first_server,
        kind=_kind(transaction),
        outcome=outcome,
        exchanges=tuple(exchanges),
        failed_connections=tuple(sorted(transaction.failed, key=lambda each: each.frames)),
        subject=issued.subject if issued is not None else _asked_subject(requests),
        issued=issued,
        started_ns=min(times, default=None),
        ended_ns=max(times, default=None),
        polls=len(polls),
        decisive=decisive,
    )


def _asked_subject(requests: list[PkiMessage]) -> str | None:
    """The subject that was asked for: the opened request's, else the one the client put into its own certificate."""
    for each in requests:
        inside = each.envelope.content if each.envelope is not None else None
        if inside is not None and inside.csr is not None:
            return inside.csr.subject
    return next((each.signer.subject for each in requests if each.signer is not None), None)


def _kind(transaction: _Open) -> Kind:
    if not transaction.pki:
        return Kind.CA_CERTIFICATES
    requests = [each.request for each in transaction.pki if each.request is not None]
    main = next((each for each in requests if each.message_type in _REQUESTS), requests[0] if requests else None)
    if main is None or main.message_type is None:
        return Kind.ENROLLMENT
    if main.message_type == MessageType.PKCSReq:
        # Cisco, sscep and jscep renew with PKCSReq, signed with the certificate that a CA issued them.
        signed_by_ca = main.signer is not None and not main.signer.self_issued
        return Kind.RENEWAL if signed_by_ca else Kind.ENROLLMENT
    return next((kind for number, kind in _KINDS.items() if number == main.message_type), Kind.ENROLLMENT)


def _outcome(transaction: _Open) -> tuple[ScepExchange | None, Outcome]:
    if transaction.pki:
        # On a proxy's two legs the outer one began first and tells what the client got.
        legs = [each for each in transaction.pki if _pair(each) == _pair(transaction.pki[0])]
        decisive = max(legs, key=lambda each: (each.http.time_ns or 0, each.http.frame))
        return decisive, outcome_of(decisive)
    asked = [each for each in transaction.exchanges if each.operation in _PRELUDE_OPERATIONS] or transaction.exchanges
    last_ns = max((each.http.time_ns or 0 for each in asked), default=0)
    if not asked or any((each.time_ns or 0) > last_ns for each in transaction.failed):
        return None, Outcome.CONNECTION_FAILED
    certificates = [each for each in asked if each.operation != "GetCACaps"]
    decisive = (certificates or asked)[-1]
    return decisive, outcome_of(decisive)


def outcome_of(exchange: ScepExchange) -> Outcome:
    """How one exchange ended."""
    http, response = exchange.http, exchange.http.response
    reply = exchange.reply
    if reply is not None and not (reply.partial and reply.pki_status is None):
        return next(
            (outcome for status, outcome in _STATUS_OUTCOMES.items() if status == reply.pki_status), Outcome.UNKNOWN
        )
    if isinstance(exchange.response, CaCertificates | CaCapabilities):
        return Outcome.SUCCESS
    if response is None:
        # "Unanswered" is a claim about the wire; where the capture lost bytes it cannot be made.
        return Outcome.UNKNOWN if http.gone in ("lost", "gap", "limit") else Outcome.UNANSWERED
    if response.status >= 300 or response.complete:
        return Outcome.HTTP_ERROR
    return Outcome.UNKNOWN
