"""What a rule is given: an exchange, a transaction or the capture, with what a judgement of it needs."""

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property, lru_cache
from typing import Literal

from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.certificates import Certificate
from scep_analyzer.model.content import Csr
from scep_analyzer.model.exchanges import HttpExchange, Request, Response, header, path_of, without_secrets
from scep_analyzer.model.findings import Fact
from scep_analyzer.model.packets import CaptureFacts, Notices
from scep_analyzer.model.patterns import lazily
from scep_analyzer.model.places import SOURCES
from scep_analyzer.model.scep import (
    Bystander,
    CaCertificates,
    FailedConnection,
    MessageType,
    PkiMessage,
    PkiStatus,
    ScepExchange,
    Transaction,
)
from scep_analyzer.model.streams import ConnectionFacts
from scep_analyzer.model.tls import Handshake
from scep_analyzer.model.values import decimal
from scep_analyzer.rules._memory import Capabilities, Ending, Identity, Leg, Memory, Offer, host_of, leg_of
from scep_analyzer.rules._words import certificate_words
from scep_analyzer.rules.products import Product, Recognised, together
from scep_analyzer.rules.server_words import spoken

Trait = Literal[
    "GetCACaps",
    "GetCACert",  # and GetCACertChain
    "GetNextCACert",
    "PKIOperation",
    "GET message",
    "POST",
    "pkiMessage",
    "incomplete",
    "unread",
    "words",
    "anomaly",
]
"""What rules ask of an exchange before they look at it: its operation; a PKIOperation by GET; a POST; a request or response that is
a pkiMessage; one that is absent or not whole; a response that is not SCEP; one that says something in words; an anomaly of its own.
"""
_OPERATIONS: dict[str | None, Trait] = {
    "GetCACaps": "GetCACaps",
    "GetCACert": "GetCACert",
    "GetCACertChain": "GetCACert",
    "GetNextCACert": "GetNextCACert",
    "PKIOperation": "PKIOperation",
}


@dataclass(slots=True, eq=False, repr=False)
class Scene:
    """What the capture holds beside the exchanges; grows while it is read."""

    captures: list[CaptureFacts] = field(default_factory=list)
    anomalies: list[Anomaly] = field(default_factory=list)
    notices: Notices = field(default_factory=Notices)
    failures: list[FailedConnection] = field(default_factory=list)
    connections: dict[int, ConnectionFacts] = field(default_factory=dict)
    bystanders: list[Bystander] = field(default_factory=list)
    handshakes: list[Handshake] = field(default_factory=list)
    keylog: bytes | None = field(default=None, repr=False)
    """TLS secrets that were given beside the capture."""
    http_requests: int = 0
    over: bool = False
    """Whether all of the capture has been read."""
    seen_ns: int | None = None
    """The latest moment that was told while reading: when an exchange's request was sent, or that of the clock where it is live."""
    _lacking: tuple[int, frozenset[str]] = (0, frozenset())

    @property
    def whole(self) -> bool:
        """Whether the files were read to their end, their host lost no packet as far as they say, and no filter left packets out."""
        return all(
            each.complete and not each.dropped and not each.left_out and "bodies" not in each.lacks
            for each in self.captures
        )

    @property
    def lacks(self) -> frozenset[str]:
        """What an input of this kind never has: packets, headers, bodies. Nothing for a capture."""
        if self._lacking[0] != len(self.captures):  # asked for each exchange; what a file lacks is known from its start
            self._lacking = len(self.captures), frozenset().union(*(each.lacks for each in self.captures))
        return self._lacking[1]

    @property
    def unit(self) -> str:
        """What its numbers count: frames; lines or entries of a log or recording."""
        return self.captures[0].unit if self.captures else "frame"

    @property
    def source(self) -> str:
        """What is read, in a word: capture, log, HAR file, archive."""
        return SOURCES.get(self.unit, "capture")

    @property
    def called(self) -> str:
        """What kind of input this is: an access log, a HAR file, a capture."""
        return self.captures[0].called if self.captures else "a capture"

    def passed(self, time_ns: int | None) -> None:
        """It is this late now."""
        if time_ns is not None and (self.seen_ns is None or time_ns > self.seen_ns):
            self.seen_ns = time_ns

    @property
    def packets(self) -> int:
        """Packets read so far, all files together."""
        return sum(each.packets for each in self.captures)

    @property
    def last_ns(self) -> int | None:
        """The time of the last packet; while the capture is read, of the latest request, which is the same whatever reads it."""
        if not self.over:
            return self.seen_ns
        times = [each.last_time_ns for each in self.captures if each.last_time_ns is not None]
        return max(times, default=None)


@cache
def _traits(operation: Trait | None, others: tuple[Trait, ...]) -> frozenset[Trait]:
    """The same set for the same traits: rules are chosen by it."""
    return frozenset((operation, *others) if operation is not None else others)


_MOST_LEGS = 8
"""A message is on that many legs at once at most; one that is sent again for days must not be held against all its copies."""


class Company:
    """What the exchanges of one transaction say taken together: asked for each of them, worked out once."""

    def __init__(self, transaction: Transaction) -> None:
        exchanges = transaction.exchanges
        self.legs: Collection[Leg] = dict.fromkeys(map(leg_of, exchanges))
        self.operations = frozenset(each.operation for each in exchanges)
        self.gives_certificates = any(isinstance(each.response, CaCertificates) for each in exchanges)
        self.asked = [
            each.request
            for each in exchanges
            if each.request is not None and each.request.message_type == MessageType.PKCSReq
        ]
        """Its PKCSReqs."""


class View:
    """One exchange, and the company in which it is."""

    def __init__(
        self,
        exchange: ScepExchange,
        number: int,
        transaction: Transaction | None,
        memory: Memory,
        scene: Scene,
        company: Company,
    ) -> None:
        self.company = company
        self.exchange, self.number, self.transaction = exchange, number, transaction
        self.memory, self.scene = memory, scene
        self.http = exchange.http
        self.asked: Request | None = exchange.http.request
        self.answer: Response | None = exchange.http.response
        self.request: PkiMessage | None = exchange.request
        self.reply: PkiMessage | None = exchange.reply
        self.operation = exchange.operation

    # -- where it stands ----------------------------------------------------------------------------------------------

    @property
    def ask(self) -> int | None:
        """The first frame of the request."""
        return self.asked.frames[0] if self.asked is not None and self.asked.frames else None

    @property
    def ans(self) -> int | None:
        """The first frame of the response."""
        return self.answer.frames[0] if self.answer is not None and self.answer.frames else None

    def q(self, path: str, value: object) -> Fact:
        """An observation in the request."""
        return Fact(self.ask, path, str(value))

    def a(self, path: str, value: object) -> Fact:
        """An observation in the response."""
        return Fact(self.ans, path, str(value))

    @cached_property
    def moment(self) -> datetime | None:
        """When the request was sent, to the second."""
        return moment(self.http.time_ns)

    @cached_property
    def answered(self) -> datetime | None:
        """When the response began."""
        return moment(self.answer.time_ns) if self.answer is not None else None

    @cached_property
    def dated(self) -> datetime | None:
        """The response's Date; a cache adds how old it is (RFC 9111, Section 5.1)."""
        found = http_date(self.response_header("date"))
        age = decimal((self.response_header("age") or "").strip(), 8)
        try:
            return found + timedelta(seconds=age or 0) if found is not None else None
        except OverflowError:  # in the year 9999
            return found

    def by_the_capture_alone(self, valid_at: Callable[[datetime], bool]) -> bool:
        """Whether something is out of its time by the clock of the capturing host only: the server's Date finds it valid."""
        now, dated = self.answered, self.dated
        return (
            now is not None and dated is not None and abs(now - dated) > SKEW and not valid_at(now) and valid_at(dated)
        )

    @property
    def facts(self) -> ConnectionFacts | None:
        """What TCP saw of the connection."""
        return self.scene.connections.get(self.http.connection)

    @property
    def duration_ns(self) -> int | None:
        """From the first byte of the request to the first of the response."""
        if self.asked is None or self.answer is None or self.asked.time_ns is None or self.answer.time_ns is None:
            return None
        return self.answer.time_ns - self.asked.time_ns

    @property
    def asked_for_ns(self) -> int | None:
        """From the first byte of the request to its last; None where it is not known."""
        if self.asked is None or self.asked.time_ns is None or self.asked.end_ns is None:
            return None
        return self.asked.end_ns - self.asked.time_ns

    def holes(self, *, client: bool = False, server: bool = False) -> list[tuple[int, int]]:
        """Bytes that the capture misses on the connection from this exchange on: the frame that proves them, and how many."""
        facts = self.facts
        if facts is None:
            return []
        found = [*(facts.client.holes if client else ()), *(facts.server.holes if server else ())]
        return [each for each in found if each[0] >= self.http.frame]

    # -- HTTP ----------------------------------------------------------------------------------------------------------

    def request_header(self, name: str) -> str | None:
        """A header field of the request, by its name in lower case."""
        return header(self.asked.headers, name) if self.asked is not None else None

    def response_header(self, name: str) -> str | None:
        """A header field of the response."""
        return header(self.answer.headers, name) if self.answer is not None else None

    @property
    def status(self) -> int:
        """The status of the response, 0 without one."""
        return self.answer.status if self.answer is not None else 0

    @property
    def method(self) -> str:
        """The method in capitals."""
        return self.asked.method.upper() if self.asked is not None else ""

    @cached_property
    def target(self) -> str:
        """The request target as sent."""
        return self.asked.target if self.asked is not None else ""

    @property
    def plain_target(self) -> str:
        """The same without secrets, to be shown."""
        return without_secrets(self.target)

    @cached_property
    def path(self) -> str:
        """The path of the request target."""
        return path_of(self.target) if self.asked is not None else ""

    @cached_property
    def content_type(self) -> str:
        """The response's media type in lower case, empty without one."""
        return (self.response_header("content-type") or "").split(";")[0].strip().lower()

    @cached_property
    def traits(self) -> frozenset[Trait]:
        """What there is to be looked at, so that rules about other things need not be asked."""
        asked, answer, method = self.asked, self.answer, self.method
        operation = _OPERATIONS.get(self.operation)
        unread = answer is not None and self.exchange.response is None
        has: tuple[tuple[Trait, bool], ...] = (
            ("GET message", operation == "PKIOperation" and method == "GET"),
            ("POST", method == "POST"),
            ("pkiMessage", self.request is not None or self.reply is not None),
            ("incomplete", asked is None or answer is None or not asked.complete or not answer.complete),
            ("unread", unread),
            ("words", bool(spoken(self.exchange))),
            ("anomaly", bool(self.exchange.anomalies)),
        )
        return _traits(operation, tuple([trait for trait, there in has if there]))

    @property
    def server_name(self) -> str:
        """The response's Server header in lower case."""
        return (self.response_header("server") or "").lower()

    @cached_property
    def recognised(self) -> Recognised:
        """Which products the two ends of this leg are, as far as it is known by now. A hint, never evidence."""
        return self.memory.products.on(self.exchange)

    @property
    def server_product(self) -> Product | None:
        """The SCEP software that answers."""
        return self.recognised.server

    @property
    def client_product(self) -> Product | None:
        """The software that asks."""
        return self.recognised.client

    @property
    def front(self) -> Product | None:
        """What stands in front of the SCEP software: a proxy, firewall or load balancer that shows itself."""
        return self.recognised.front

    def is_server(self, *keys: str) -> bool:
        """Whether the server was recognised as one of these products."""
        return self.server_product is not None and self.server_product.key in keys

    @property
    def is_ndes(self) -> bool:
        """Whether the server is Microsoft's NDES, as far as its marks tell."""
        return self.is_server("ndes")

    def odd(self, *codes: str) -> Anomaly | None:
        """The first anomaly with one of these codes."""
        for each in self.exchange.anomalies:
            if each.code in codes:
                return each
        return None

    @property
    def understood(self) -> bool:
        """Whether the response is SCEP."""
        return self.exchange.response is not None

    # -- SCEP ----------------------------------------------------------------------------------------------------------

    @cached_property
    def offers(self) -> list[Offer]:
        """The certificate sets that this server had given by then, in order."""
        # Behind a proxy the certificates may have been fetched over the other leg.
        return self.memory.offers(self.exchange, self.company.legs)

    @cached_property
    def offered(self) -> dict[Identity, tuple[Certificate, int]]:
        """The certificates of those sets by issuer and serial number, with the frame of the last one."""
        return {
            certificate.identity: (certificate, offer.frame)
            for offer in self.offers
            for certificate in offer.content.certificates
        }

    @cached_property
    def latest(self) -> dict[Identity, tuple[Certificate, int]]:
        """The certificates of the last set."""
        if not self.offers:
            return {}
        last = self.offers[-1]
        return {each.identity: (each, last.frame) for each in last.content.certificates}

    @cached_property
    def capabilities(self) -> Capabilities | None:
        """What the server had last said it can do; None where it had not."""
        found = self.memory.capabilities(self.exchange, self.company.legs)
        return found[-1] if found else None

    def offers_word(self, *words: str) -> bool | None:
        """Whether the server offered one of these capabilities (SCEPStandard counts for what it includes); None: not known."""
        known = self.capabilities
        if known is None or not known.words:
            return None
        if "scepstandard" in known.words and {"aes", "sha-256", "postpkioperation"} & set(words):
            return True
        return bool(known.words & set(words))

    def named(self, identity: Identity | None) -> str:
        """A certificate by its own name and role where it was seen, in this exchange or before; else by issuer and serial number."""
        messages = [each for each in (self.request, self.reply) if each is not None]
        here = [one for each in messages for one in (each.signer, *each.certificates) if one is not None]
        found = next((each for each in here if each.identity == identity), None)
        return certificate_words(found) if found is not None else self.memory.named(identity)

    @property
    def csr(self) -> Csr | None:
        """The PKCS #10 request, where a key opened the envelope."""
        envelope = self.request.envelope if self.request is not None else None
        return envelope.content.csr if envelope is not None and envelope.content is not None else None

    @property
    def refused(self) -> bool:
        """Whether the server answered with FAILURE."""
        return self.reply is not None and self.reply.pki_status == PkiStatus.FAILURE

    @property
    def failed(self) -> bool:
        """Whether the server refused or did not answer with SCEP."""
        return self.refused or (self.answer is not None and not self.understood)


class TransactionView:
    """One transaction. ``views`` are its exchanges."""

    def __init__(self, transaction: Transaction, number: int, views: list[View], memory: Memory, scene: Scene) -> None:
        self.transaction, self.number, self.views = transaction, number, views
        self.memory, self.scene = memory, scene

    @cached_property
    def recognised(self) -> Recognised:
        """Which products the transaction ran between, its legs taken together."""
        return together(each.recognised for each in self.views)

    @cached_property
    def pki(self) -> list[View]:
        """Its PKIOperations, those of the other leg of a proxy left out."""
        earlier: dict[str, list[View]] = {}
        found: list[View] = []
        for each in self.views:
            if each.request is None and each.reply is None:
                continue
            if each.request is not None:
                same = earlier.setdefault(each.request.sha256, [])
                if any(_inside(each, other) for other in same[-_MOST_LEGS:]):
                    continue
                same.append(each)
            found.append(each)
        return found

    @cached_property
    def earlier(self) -> frozenset[int]:
        """The PKIOperations of earlier attempts. An attempt is a request and its polls, on every leg of a proxy, sent again or not."""
        decisive = self.decisive
        if decisive is None or decisive.operation != "PKIOperation":
            return frozenset()
        message = decisive.request.sha256 if decisive.request is not None else None
        begins, before, pending = 0, list[View](), False
        for each in self.views:
            if each.operation != "PKIOperation":
                continue
            asked = each.request
            if each.number > decisive.number:
                break
            polls = asked is not None and (asked.message_type == MessageType.CertPoll or pending)
            again = (
                asked is not None
                and bool(before)
                and any(one.request is not None and one.request.sha256 == asked.sha256 for one in before[-1:])
            )
            if not polls and not again:
                begins = each.number
            pending = each.reply is not None and each.reply.pki_status == PkiStatus.PENDING
            before.append(each)
        return frozenset(
            each.number
            for each in before
            if each.number < begins and (message is None or each.request is None or each.request.sha256 != message)
        )

    @property
    def ending(self) -> Ending:
        """What rules about the whole capture know of this transaction."""
        whole, first = self.transaction, self.views[0] if self.views else None
        decisive = self.decisive or (self.views[-1] if self.views else None)
        failed = whole.failed_connections
        return Ending(
            number=self.number,
            client=whole.client,
            server=whole.server,
            host=host_of(first.exchange) if first is not None else "",
            outcome=whole.outcome,
            kind=whole.kind,
            subject=whole.subject,
            started_ns=whole.started_ns or 0,
            decisive=decisive.number if decisive is not None else None,
            frame=decisive.ask or decisive.ans if decisive is not None else failed[0].frames[0] if failed else None,
            status=decisive.status if decisive is not None else 0,
        )

    @property
    def decisive(self) -> View | None:
        """The exchange that the outcome was read from."""
        wanted = self.transaction.decisive
        return next((each for each in self.views if each.exchange is wanted), None)


class CaptureView:
    """The whole capture."""

    def __init__(self, memory: Memory, scene: Scene, exchanges: int, transactions: int) -> None:
        self.memory, self.scene = memory, scene
        self.exchanges, self.transactions = exchanges, transactions

    def anomalies(self, *codes: str) -> Iterator[Anomaly]:
        """The anomalies with these codes."""
        return (each for each in self.scene.anomalies if each.code in codes)


_MONTHS = {
    name: number
    for number, name in enumerate(
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"], start=1
    )
}
_FIXDATE = lazily(rf"[A-Z][a-z]{{2}}, (\d\d) ({'|'.join(_MONTHS)}) (\d{{4}}) (\d\d):(\d\d):(\d\d) GMT", re.ASCII)
"""The form of a date that RFC 9110 asks for; servers use no other, but for the odd ones."""

SKEW = timedelta(minutes=5)
"""Clocks that are closer than this agree."""


@lru_cache(maxsize=256)  # a server says the same for a second
def http_date(value: str | None) -> datetime | None:
    """An HTTP date (RFC 9110, Section 5.6.7), None where it is none."""
    if value is None:
        return None
    try:
        usual = _FIXDATE.fullmatch(value)
        if usual is not None:
            day, month, year, hour, minute, second = usual.groups()
            return datetime(int(year), _MONTHS[month], int(day), int(hour), int(minute), int(second), tzinfo=UTC)
        from email.utils import parsedate_to_datetime  # it brings fifteen modules

        found = parsedate_to_datetime(value)
    except (TypeError, ValueError, OverflowError):
        return None  # no date, or a day that no calendar has
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _inside(inner: View, outer: View) -> bool:
    """Whether a request was sent while the other one waited for its response: the other leg of a proxy."""
    if (inner.http.client.address, inner.http.server) == (outer.http.client.address, outer.http.server):
        return False
    answered = outer.answer.time_ns if outer.answer is not None else None
    return answered is None or (inner.http.time_ns or 0) <= answered


def answer_frame(http: HttpExchange) -> int:
    """The first frame of the response; that of the request where there is none."""
    return http.response.frames[0] if http.response is not None and http.response.frames else http.frame


def moment(time_ns: int | None) -> datetime | None:
    """A time of the capture as a value; None where it has none, or one that no calendar holds."""
    try:
        return None if time_ns is None else datetime.fromtimestamp(time_ns // 1_000_000_000, UTC)
    except (OverflowError, ValueError, OSError):
        return None
