"""Which product each server is, what stands in front of it, and which client asks: decided from marks, each with its reason.

Marks are collected per server endpoint and first path segment, and per client address and server: never for a whole capture, because a
proxy is the client of one leg and the server of the other. One proved mark decides; two likely ones of different kinds decide; a
likely one alone is a hint that chooses words; hints alone only order advice. A front says nothing about the software behind it.
"""

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeVar

from scep_analyzer.cms.extensions import holds
from scep_analyzer.model.exchanges import Response, header, path_of
from scep_analyzer.model.findings import Strength
from scep_analyzer.model.packets import Endpoint
from scep_analyzer.model.patterns import lazily
from scep_analyzer.model.products import PRODUCTS
from scep_analyzer.model.scep import Bystander, CaCapabilities, CaCertificates, PkiMessage, PkiStatus, ScepExchange
from scep_analyzer.rules import product_marks as marks
from scep_analyzer.rules.product_marks import L, Mark, P, S

K = TypeVar("K")
_MOST_PLACES = 10_000
_IIS = lazily(r"^Microsoft-IIS/([\d.]+)", re.IGNORECASE)
_ENOUGH = 64
"""Exchanges of a place that are looked at one by one."""
_WORTH = {P: 4, L: 2, S: 1}
_ORDER = {P: 0, L: 1, S: 2}
_EMULATED = "ndes"
"""MDMs and SCEPman answer at NDES's path; a mark of theirs outweighs that path."""


class Product(NamedTuple):
    """A product that was recognised. ``strength`` POSSIBLE: a single likely mark; ``because`` says what decided, in words."""

    key: str
    name: str
    version: str | None
    strength: Strength
    because: tuple[str, ...]

    @property
    def words(self) -> str:
        """The product as people say it, with the version that its marks tell."""
        if self.key == "ndes" and self.version:  # the version is the web server's
            return f"{self.name} on IIS {self.version}"
        return f"{self.name} {self.version}" if self.version else self.name


class Recognised(NamedTuple):
    """What was recognised on one leg: each None where nothing was. ``likely`` orders the products of an unknown server."""

    server: Product | None = None
    front: Product | None = None
    client: Product | None = None
    likely: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """Server and front, as people say it; empty where neither is known."""
        behind = f"behind {self.front.words}" if self.front is not None else ""
        return ", ".join(each for each in (self.server.words if self.server is not None else "", behind) if each)


NOTHING = Recognised()


def together(legs: Iterable[Recognised]) -> Recognised:
    """What was recognised on the legs of one transaction, the client's first: its client and front, and the best known server."""
    every = list(legs) or [NOTHING]
    servers = [each.server for each in every if each.server is not None]
    fronts = [each.front for each in every if each.front is not None]
    return Recognised(
        server=min(servers, key=lambda each: _ORDER[each.strength], default=None),
        front=fronts[0] if fronts else None,
        client=next((each.client for each in every if each.client is not None), None),
        likely=next((each.likely for each in every if each.likely), ()),
    )


def stem_of(path: str) -> str:
    """The first segment of a path, in lower case: what one web server serves below it is one software."""
    return "/" + path.lstrip("/").split("/", 1)[0].lower()


class _Marks:
    """The marks of one place: by product and kind the strongest."""

    __slots__ = ("_decided", "_fresh", "_ordered", "by_product", "exchanges", "version")

    def __init__(self) -> None:
        self.by_product: dict[str, dict[str, Mark]] = {}
        self.version: str | None = None
        self.exchanges = 0
        """How many were looked at."""
        self._decided: Product | None = None
        self._ordered: tuple[str, ...] = ()
        self._fresh = False

    def add(self, found: Iterable[Mark]) -> None:
        for each in found:
            kinds = self.by_product.setdefault(each.product, {})
            known = kinds.get(each.kind)
            if known is None or _WORTH[each.strength] > _WORTH[known.strength]:
                kinds[each.kind] = each
                self._fresh = False

    def worth(self, product: str) -> tuple[int, int]:
        kinds = self.by_product[product]
        values = [_WORTH[each.strength] for each in kinds.values()]
        return max(values), sum(values)

    def ordered(self) -> tuple[str, ...]:
        """The products that there are marks of, the likeliest first."""
        self.decided()
        return self._ordered

    def decided(self) -> Product | None:
        """The product that the marks decide for, None where they are hints only or disagree."""
        if not self._fresh:
            self._ordered = tuple(sorted(self.by_product, key=self.worth, reverse=True))
            self._decided, self._fresh = self._decide(), True
        return self._decided

    def _decide(self) -> Product | None:
        ranked = self._ordered
        if not ranked:
            return None
        best = ranked[0]
        if best == _EMULATED and len(ranked) > 1 and self.worth(ranked[1])[0] == self.worth(best)[0] == _WORTH[L]:
            others = {kind for kind in self.by_product[ranked[1]] if kind not in ("path", "header")}
            best = ranked[1] if others and set(self.by_product[best]) <= {"path"} else best
        kinds = self.by_product[best]
        strengths = [each.strength for each in kinds.values()]
        if P in strengths:
            strength = P
        elif strengths.count(L) >= 2 or (L in strengths and len(strengths) >= 2):
            strength = L
        elif L in strengths:
            strength = S
        else:
            return None
        rivals = [each for each in ranked if each not in (best, _EMULATED)]
        if strength is not P and best != _EMULATED and rivals and self.worth(rivals[0]) == self.worth(best):
            return None  # two are as likely
        deciding = sorted(kinds.values(), key=lambda each: -_WORTH[each.strength])
        return Product(
            key=best,
            name=PRODUCTS[best],
            version=self.version if best == "ndes" else None,  # that of its web server
            strength=strength,
            because=tuple(each.because for each in deciding),
        )


class Products:
    """Fed with every exchange, in order; asked for what is known by then."""

    def __init__(self) -> None:
        self._servers: OrderedDict[tuple[Endpoint, str], _Marks] = OrderedDict()
        self._fronts: OrderedDict[Endpoint, _Marks] = OrderedDict()
        self._clients: OrderedDict[tuple[str, Endpoint], _Marks] = OrderedDict()

    def see(self, exchange: ScepExchange) -> None:
        """Take the marks of one exchange. A server says the same all the time: after a while only answers that are no success are looked at."""
        http = exchange.http
        path = path_of(http.request.target) if http.request is not None else ""
        server = _at(self._servers, (http.server, stem_of(path)))
        front, client = _at(self._fronts, http.server), _at(self._clients, (http.client.address, http.server))
        for place in (server, front, client):
            place.exchanges += 1
        if server.exchanges <= _ENOUGH or not _usual(exchange):
            headers = _headers(http.response)
            host = (
                (header(http.request.headers, "host") or "").partition(":")[0].lower()
                if http.request is not None
                else ""
            )
            server.add(_server_marks(exchange, path, host, headers))
            front.add(_front_marks(exchange, host, headers))
            iis = _IIS.match(headers.get("server", ""))
            if iis is not None:
                server.version = iis[1]
        if client.exchanges <= _ENOUGH:
            client.add(_client_marks(exchange))

    def beside(self, bystander: Bystander) -> None:
        """Take the marks of an exchange that only accompanies SCEP."""
        http = bystander.http
        path = path_of(http.request.target) if http.request is not None else ""
        found = [
            Mark(product, strength, "path", f"path {path[:60]}")
            for product, strength, seen in marks.PATHS.find(path)
            if strength is P
        ]
        if found:
            _at(self._servers, (http.server, stem_of(path))).add(found)

    def on(self, exchange: ScepExchange) -> Recognised:
        """What is known of the two ends of an exchange's leg."""
        http = exchange.http
        path = path_of(http.request.target) if http.request is not None else ""
        server = self._servers.get((http.server, stem_of(path)))
        front = self._fronts.get(http.server)
        client = self._clients.get((http.client.address, http.server))
        return Recognised(
            server=server.decided() if server is not None else None,
            front=front.decided() if front is not None else None,
            client=client.decided() if client is not None else None,
            likely=server.ordered() if server is not None else (),
        )


def _at(places: OrderedDict[K, _Marks], key: K) -> _Marks:
    found = places.get(key)
    if found is None:
        found = places[key] = _Marks()
        if len(places) > _MOST_PLACES:
            places.popitem(last=False)
    return found


def _usual(exchange: ScepExchange) -> bool:
    """Whether a response is one that a server gives all the time."""
    response, reply = exchange.http.response, exchange.reply
    return response is not None and response.status == 200 and (reply is None or reply.pki_status != PkiStatus.FAILURE)


_NAMES = frozenset({*marks.HEADERS, *marks.FRONT_HEADERS, "content-type", "x-content-type-options"})


def _headers(response: Response | None) -> dict[str, str]:
    """The headers that tell something, the first of each name in lower case."""
    found: dict[str, str] = {}
    for name, value in response.headers if response is not None else ():
        lower = name.lower()
        if lower in _NAMES:
            found.setdefault(lower, value)
    return found


def _texts(exchange: ScepExchange) -> Iterator[tuple[str, str]]:
    """What the server says in words, and where."""
    response, reply = exchange.http.response, exchange.reply
    if exchange.body_text:
        yield "text", exchange.body_text
    if reply is not None and reply.fail_info_text:
        yield "failInfoText", reply.fail_info_text
    if response is not None and response.reason and response.status not in (200, 404):
        yield "reason", response.reason


def _server_marks(exchange: ScepExchange, path: str, host: str, headers: dict[str, str]) -> Iterator[Mark]:
    response = exchange.http.response
    for product, strength, seen in marks.PATHS.find(path):
        yield Mark(product, strength, "path", f"path {seen}")
    for product, strength, seen in marks.HOSTS.find(host) if host else ():
        yield Mark(product, strength, "host", f"host …{seen}")
    if response is None:
        return
    for name, value in headers.items():
        table = marks.HEADERS.get(name)
        if table is None:
            continue
        for product, strength, seen in table.find(value):
            words = f"Server: {value[:60]}" if seen else f"header {name}"
            yield Mark(product, strength, "header", words)
    for where, text in _texts(exchange):
        for product, strength, seen in marks.TEXTS.find(text):
            yield Mark(product, strength, "text", f"its words “{seen}” ({where})")
    if response.status == 500 and headers.get("x-content-type-options") == "nosniff":
        if headers.get("content-type", "").startswith("text/plain"):
            for product in marks.GO:
                yield Mark(product, S, "go", "an error as Go's http.Error writes it")
    yield from _content_marks(exchange)


def _content_marks(exchange: ScepExchange) -> Iterator[Mark]:
    content = exchange.response
    if isinstance(content, CaCapabilities):
        for product, strength in marks.by_capabilities(content.keywords, content.line_end):
            yield Mark(product, strength, "caps", "the words of GetCACaps and their order")
    elif isinstance(content, CaCertificates):
        for certificate in content.certificates:
            for product, strength, seen in marks.RA_NAMES.find(certificate.subject):
                yield Mark(product, strength, "ra", f"certificate name …{seen}")
            for usage in certificate.extended_key_usage or ():
                if usage in marks.RA_EXTENSIONS and not certificate.is_ca:
                    product, strength = marks.RA_EXTENSIONS[usage]
                    yield Mark(product, strength, "ra-usage", f"extendedKeyUsage {usage} of {certificate.subject[:60]}")
    elif isinstance(content, PkiMessage):
        if content.hresult is not None:
            words = "the attribute ENROLL_SCEP_ERROR (1.3.6.1.4.1.311.21.33)"
            yield Mark("ndes", P if content.hresult else L, "reply", words)
        elif content.pki_status == PkiStatus.FAILURE and content.content_length == 1 and not content.certificates:
            yield Mark("ndes", S, "reply", "a refusal with one byte of content and no certificate")
        if content.pki_status == PkiStatus.FAILURE and content.fail_info is not None and content.fail_info > 4:
            yield Mark("dogtag", L, "reply", f"failInfo {content.fail_info}")
        issued = content.issued
        for oid, (product, strength) in marks.ISSUED_EXTENSIONS.items():
            if issued is not None and holds(issued, oid):
                yield Mark(product, strength, "issued", f"extension {oid} of the issued certificate")


def _front_marks(exchange: ScepExchange, host: str, headers: dict[str, str]) -> Iterator[Mark]:
    for product, strength, seen in marks.FRONT_HOSTS.find(host) if host else ():
        yield Mark(product, strength, "host", f"host …{seen}")
    for name, value in headers.items():
        table = marks.FRONT_HEADERS.get(name)
        if table is not None:
            for product, strength, seen in table.find(value):
                yield Mark(product, strength, "header", f"{name.title()}: {value[:60]}" if seen else f"header {name}")
    for where, text in _texts(exchange):
        for product, strength, seen in marks.FRONT_TEXTS.find(text):
            yield Mark(product, strength, "text", f"its words “{seen}” ({where})")


def _client_marks(exchange: ScepExchange) -> Iterator[Mark]:
    asked, message = exchange.http.request, exchange.request
    if asked is None:
        return
    agent = header(asked.headers, "user-agent")
    if agent:
        for product, strength, seen in marks.AGENTS.find(agent):
            yield Mark(product, strength, "agent", f"User-Agent …{seen}…")
    told = marks.MESSAGE_PARAMETERS.get((exchange.operation or "", exchange.message_parameter or ""))
    if told is not None:
        yield Mark(told[0], told[1], "parameter", f"message={exchange.message_parameter}")
    if message is None:
        return
    signer = message.signer
    for subject in (signer.subject, signer.serial_number) if signer is not None and signer.self_issued else ():
        for product, strength, seen in marks.SIGNERS.find(subject):
            yield Mark(product, strength, "signer", f"signer …{seen}")
    if not agent and message.transaction_id and signer is not None and signer.self_issued:
        if signer.serial_number == message.transaction_id.lower() and len(signer.serial_number) == 40:
            yield Mark("strongswan", L, "serial", "no User-Agent; its transactionID is its certificate's serial number")
    if message.transaction_id:
        for product, strength, _ in marks.TRANSACTION_IDS.find(message.transaction_id):
            yield Mark(product, strength, "transactionID", "the form of its transactionID")
