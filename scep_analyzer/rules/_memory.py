"""What rules remember of earlier exchanges: certificates and capabilities that a server gave, what a client asked, attempts.

Everything is bounded; the oldest is forgotten, which makes a rule silent, never wrong.
"""

from collections import OrderedDict, deque
from collections.abc import Collection, Iterator
from typing import NamedTuple, TypeVar

from scep_analyzer.model.certificates import Certificate
from scep_analyzer.model.exchanges import header
from scep_analyzer.model.packets import Endpoint
from scep_analyzer.model.scep import (
    CaCapabilities,
    CaCertificates,
    Kind,
    Outcome,
    PkiMessage,
    ScepExchange,
    Transaction,
)
from scep_analyzer.rules._words import certificate_words, serial
from scep_analyzer.rules.products import Products

Identity = tuple[str, str]
Leg = tuple[Endpoint, str]
T = TypeVar("T")
_MOST_SERVERS = 2_000
_MOST_OF_A_SERVER = 32
_MOST_ATTEMPTS = 20_000


class Offer(NamedTuple):
    """CA certificates that a server gave."""

    number: int
    frame: int
    time_ns: int
    content: CaCertificates
    path: str


class Capabilities(NamedTuple):
    """Capabilities that a server gave; ``words`` in lower case."""

    number: int
    frame: int
    time_ns: int
    keywords: tuple[str, ...]
    words: frozenset[str]
    path: str


class Issued(NamedTuple):
    """A certificate that was issued, and the response that carried it; ``message`` is the fingerprint of the request."""

    certificate: Certificate
    number: int
    frame: int
    message: str | None


class Answer(NamedTuple):
    """How a server answered a request."""

    number: int
    frame: int
    time_ns: int
    client: str
    operation: str | None
    method: str
    path: str
    status: int
    target_length: int
    understood: bool


class Attempt(NamedTuple):
    """One PKIOperation, as far as rules compare it with others."""

    transaction: int
    number: int
    frame: int
    reply_frame: int | None
    time_ns: int
    answered_ns: int | None
    client: str
    server: Endpoint
    message_type: int | None
    transaction_id: str | None
    key: str | None
    signer: Identity | None
    self_issued: bool
    subject: str | None
    signer_not_after: object
    nonce: str | None
    message: str
    status: int | None
    reply: str | None
    reply_nonce: str | None
    issued: Certificate | None
    challenge: str | None
    csr_key: str | None
    recipient: Identity | None
    before_issued: str | None
    """The subject of the first certificate inside the response, where it is not the issued one."""
    sealed: int
    """Bytes of the response's encrypted content."""
    cipher: str | None
    reply_cipher: str | None
    digest: str | None
    reply_digest: str | None
    client_product: str | None
    """The key of the product that asked."""
    leg: bool
    """The other leg of an attempt that is here already."""
    gave_up: bool
    """Whether the client hung up before it had the answer."""
    final_ok: bool


class Ending(NamedTuple):
    """How a transaction ended, as far as rules compare it with others. ``decisive`` is an exchange's number, ``frame`` its first."""

    number: int
    client: str
    server: Endpoint
    host: str
    outcome: Outcome
    kind: Kind
    subject: str | None
    started_ns: int
    decisive: int | None
    frame: int | None
    status: int


_ENROLLS = frozenset({Kind.ENROLLMENT, Kind.RENEWAL, Kind.POLL})


def when(exchange: ScepExchange) -> tuple[int, int]:
    """Time and frame of an exchange, for comparing."""
    return exchange.http.time_ns or 0, exchange.http.frame


def leg_of(exchange: ScepExchange) -> Leg:
    """Whom an exchange asked: the server, and what the Host header calls it."""
    return exchange.http.server, host_of(exchange)


def host_of(exchange: ScepExchange) -> str:
    """The Host header, in lower case and without a port."""
    request = exchange.http.request
    value = header(request.headers, "host") if request is not None else None
    return (value or "").lower().partition(":")[0]


class _Kept(OrderedDict[object, list[T]]):
    """Lists by key: so many keys, so many of each."""

    def put(self, key: object, value: T) -> None:
        kept = self.setdefault(key, [])
        kept.append(value)
        if len(kept) > _MOST_OF_A_SERVER:
            del kept[1]  # the first tells most
        if len(self) > _MOST_SERVERS:
            self.popitem(last=False)


class Memory:
    """Fed with every exchange, in order."""

    def __init__(self) -> None:
        self._offers: _Kept[Offer] = _Kept()
        self._capabilities: _Kept[Capabilities] = _Kept()
        self._answers: _Kept[Answer] = _Kept()
        self._asked: OrderedDict[tuple[str, Endpoint, str], tuple[int, int]] = OrderedDict()
        self.issued: OrderedDict[Identity, Issued] = OrderedDict()
        """Certificates that were issued in the capture."""
        self._replies: OrderedDict[str, tuple[tuple[str, int], ...]] = OrderedDict()
        self.attempts: deque[Attempt] = deque(maxlen=_MOST_ATTEMPTS)
        self.servers: set[Endpoint] = set()
        self.encrypted: set[Endpoint] = set()
        """Those of them that were reached over TLS, which was decrypted."""
        self.clients: set[str] = set()
        self.reached: OrderedDict[tuple[str, str, str], int] = OrderedDict()
        """Client, Host header, server address, and the first frame of that."""
        self.hosts: set[str] = set()
        """Names that clients put into the Host header."""
        self._known: OrderedDict[Identity, Certificate] = OrderedDict()
        """The certificates that servers gave, by what CMS names them with."""
        self.products = Products()
        self.endings: deque[Ending] = deque(maxlen=_MOST_ATTEMPTS)
        """How transactions ended, in the order in which they were judged."""
        self._successes: OrderedDict[tuple[str, str], int] = OrderedDict()
        """When a device last got a certificate, by its address, and by its subject or the server's name."""

    def see(self, exchange: ScepExchange, number: int) -> None:
        """Take one exchange."""
        self.products.see(exchange)
        http, response = exchange.http, exchange.http.response
        host = host_of(exchange)
        if len(self.servers) < _MOST_SERVERS:
            self.servers.add(http.server)
            if http.tls:
                self.encrypted.add(http.server)
        if len(self.clients) < _MOST_ATTEMPTS:
            self.clients.add(http.client.address)
            self.hosts.add(host)
            self.reached.setdefault((http.client.address, host, http.server.address), http.frame)
        time_ns, frame = when(exchange)
        path = http.request.target.partition("?")[0] if http.request is not None else ""
        if exchange.operation is not None:
            self._asked.setdefault((http.client.address, http.server, exchange.operation), (time_ns, frame))
            if len(self._asked) > _MOST_ATTEMPTS:
                self._asked.popitem(last=False)
        if response is None:
            return
        answered = response.frames[0] if response.frames else frame
        content = exchange.response
        if isinstance(content, CaCertificates) and exchange.operation != "GetNextCACert":
            self._known.update((each.identity, each) for each in content.certificates)
            while len(self._known) > _MOST_ATTEMPTS:
                self._known.popitem(last=False)
            offer = Offer(
                number=number, frame=answered, time_ns=response.time_ns or time_ns, content=content, path=path
            )
            for key in (http.server, host):
                # The same set given once more is no news; the first frame is the one to name.
                if key and not (self._offers.get(key) and _same(self._offers[key][-1].content, content)):
                    self._offers.put(key, offer)
        elif isinstance(content, CaCapabilities):
            words = frozenset(each.lower() for each in content.keywords)
            given = Capabilities(
                number=number,
                frame=answered,
                time_ns=response.time_ns or time_ns,
                keywords=content.keywords,
                words=words,
                path=path,
            )
            for key in (http.server, host):
                if key and not (self._capabilities.get(key) and self._capabilities[key][-1].words == words):
                    self._capabilities.put(key, given)
        self._remember_reply(exchange, number, answered)
        method = http.request.method.upper() if http.request is not None else ""
        length = len(http.request.target) if http.request is not None else 0
        self._answers.put(
            http.server,
            Answer(
                number=number,
                frame=answered,
                time_ns=time_ns,
                client=http.client.address,
                operation=exchange.operation,
                method=method,
                path=path,
                status=response.status,
                target_length=length,
                understood=content is not None,
            ),
        )

    def _remember_reply(self, exchange: ScepExchange, number: int, answered: int) -> None:
        reply = exchange.reply
        if reply is None:
            return
        message = exchange.request.sha256 if exchange.request is not None else None
        if message is not None:
            messages = self._replies.setdefault(reply.sha256, ())
            # One of two is another one, whichever is asked about.
            if len(messages) < 2 and message not in dict(messages):
                self._replies[reply.sha256] = (*messages, (message, exchange.http.frame))
        if reply.issued is not None:
            self.issued.setdefault(reply.issued.identity, Issued(reply.issued, number, answered, message))
        for kept in (self._replies, self.issued):
            if len(kept) > _MOST_ATTEMPTS:
                kept.popitem(last=False)

    def attempt(
        self, exchange: ScepExchange, number: int, transaction: int, whole: Transaction, *, leg: bool, gave_up: bool
    ) -> None:
        """Remember a PKIOperation of a judged transaction."""
        request, reply = exchange.request, exchange.reply
        if request is None:
            return
        response = exchange.http.response
        signer = request.signer
        content = request.envelope.content if request.envelope is not None else None
        csr = content.csr if content is not None else None
        recipients = request.envelope.recipients if request.envelope is not None else ()
        answered = reply.envelope if reply is not None else None
        client = self.products.on(exchange).client
        time_ns, frame = when(exchange)
        self.attempts.append(
            Attempt(
                transaction=transaction,
                number=number,
                frame=frame,
                reply_frame=response.frames[0] if response is not None and response.frames else None,
                time_ns=time_ns,
                answered_ns=response.time_ns if response is not None else None,
                client=exchange.http.client.address,
                server=exchange.http.server,
                message_type=request.message_type,
                transaction_id=request.transaction_id,
                key=signer.public_key.fingerprint if signer is not None and signer.public_key is not None else None,
                signer=request.signer_identity,
                self_issued=signer.self_issued if signer is not None else False,
                subject=csr.subject if csr is not None else whole.subject,
                signer_not_after=signer.not_after if signer is not None else None,
                nonce=request.sender_nonce,
                message=request.sha256,
                status=reply.pki_status if reply is not None else None,
                reply=reply.sha256 if reply is not None else None,
                reply_nonce=reply.recipient_nonce if reply is not None else None,
                issued=reply.issued if reply is not None else None,
                challenge=csr.challenge_password.value
                if csr is not None and csr.challenge_password is not None
                else None,
                csr_key=csr.public_key.fingerprint if csr is not None and csr.public_key is not None else None,
                recipient=recipients[0].identity if recipients else None,
                before_issued=_before_issued(reply),
                sealed=(answered.ciphertext_length or 0) if answered is not None else 0,
                cipher=request.envelope.content_encryption_algorithm if request.envelope is not None else None,
                reply_cipher=answered.content_encryption_algorithm if answered is not None else None,
                digest=request.digest_algorithm,
                reply_digest=reply.digest_algorithm if reply is not None else None,
                client_product=client.key if client is not None else None,
                leg=leg,
                gave_up=gave_up,
                final_ok=whole.outcome is Outcome.SUCCESS,
            )
        )

    def named(self, identity: Identity | None) -> str:
        """A certificate by its own name and role where it was seen, by issuer and serial number where it was not."""
        found = self._known.get(identity) if identity is not None else None
        if found is None and identity is not None and identity in self.issued:
            found = self.issued[identity].certificate
        return certificate_words(found) if found is not None else serial(identity)

    def ended(self, ending: Ending) -> None:
        """Remember how a transaction ended."""
        self.endings.append(ending)
        if ending.outcome is Outcome.SUCCESS and ending.kind in _ENROLLS:
            for whom in (ending.subject, ending.host or str(ending.server)):
                if whom:
                    self._successes[ending.client, whom] = ending.started_ns
            while len(self._successes) > _MOST_ATTEMPTS:
                self._successes.popitem(last=False)

    def succeeded_later(self, number: int) -> bool:
        """Whether the device of this transaction, which failed, got a certificate for the same subject after it."""
        if not self.endings or not 0 <= (at := number - self.endings[0].number) < len(self.endings):
            return False
        ending = self.endings[at]
        if ending.outcome in (Outcome.SUCCESS, Outcome.PENDING):
            return False
        # What failed before a request was made is about the server: any success of this client there is after it.
        whom = ending.subject if ending.kind in _ENROLLS and ending.subject else ending.host or str(ending.server)
        return self._successes.get((ending.client, whom), -1) > ending.started_ns

    def offers(self, exchange: ScepExchange, legs: Collection[Leg]) -> list[Offer]:
        """The certificate sets that this server (else this host name, else one of ``legs``) had given by then, in order."""
        return self._before(self._offers, exchange, legs)

    def capabilities(self, exchange: ScepExchange, legs: Collection[Leg]) -> list[Capabilities]:
        """The capability lists that this server (else this host name, else one of ``legs``) had given by then, in order."""
        return self._before(self._capabilities, exchange, legs)

    def _before(self, kept: _Kept[T], exchange: ScepExchange, legs: Collection[Leg]) -> list[T]:
        by_then = when(exchange)
        for server, host in (leg_of(exchange), *legs):
            given = kept.get(server) or kept.get(host or None) or []
            if found := [each for each in given if (each.time_ns, each.frame) <= by_then]:  # type: ignore[attr-defined]  # both have them
                return found
        return []

    def answers(self, server: Endpoint) -> list[Answer]:
        """How a server answered, whatever the client."""
        return self._answers.get(server, [])

    def answered_with(self, reply: PkiMessage) -> tuple[tuple[str, int], ...]:
        """The fingerprints of the first two messages that were answered with these very bytes, with the frames of the requests."""
        return self._replies.get(reply.sha256, ())

    def asked(self, exchange: ScepExchange, operation: str) -> tuple[int, int] | None:
        """When this client first asked this server for an operation, None where it did not by then."""
        found = self._asked.get((exchange.http.client.address, exchange.http.server, operation))
        return found if found is not None and found <= when(exchange) else None

    def all_offers(self) -> Iterator[tuple[Endpoint, list[Offer]]]:
        """The certificate sets of each server."""
        return ((key, sets) for key, sets in self._offers.items() if isinstance(key, Endpoint))

    def all_capabilities(self) -> Iterator[tuple[Endpoint, list[Capabilities]]]:
        """The capability lists of each server."""
        return ((key, lists) for key, lists in self._capabilities.items() if isinstance(key, Endpoint))

    def all_answers(self) -> Iterator[tuple[Endpoint, list[Answer]]]:
        """The responses of each server."""
        return ((key, answers) for key, answers in self._answers.items() if isinstance(key, Endpoint))


def _before_issued(reply: PkiMessage | None) -> str | None:
    """The first certificate inside a response, where another one than the issued one stands first."""
    inside = reply.envelope.content if reply is not None and reply.envelope is not None else None
    issued = reply.issued if reply is not None else None
    if inside is None or issued is None or issued.identity not in {each.identity for each in inside.certificates}:
        return None
    first = inside.certificates[0]
    return first.subject if first.identity != issued.identity else None


def _same(one: CaCertificates, other: CaCertificates) -> bool:
    return {each.fingerprint_sha256 for each in one.certificates} == {
        each.fingerprint_sha256 for each in other.certificates
    }


def message_key(message: PkiMessage | None) -> str | None:
    """The fingerprint of the requester's key."""
    signer = message.signer if message is not None else None
    return signer.public_key.fingerprint if signer is not None and signer.public_key is not None else None
