"""HTTP exchanges → SCEP exchanges: which ones are SCEP's, and what they say."""

from collections import ChainMap, OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from scep_analyzer.cms.signed import read_signed
from scep_analyzer.model.anomalies import Anomaly, DecodeError
from scep_analyzer.model.certificates import Certificate
from scep_analyzer.model.exchanges import BYSTANDERS, Body, Header, HttpExchange, Request, Response, header
from scep_analyzer.model.limits import LIMITS, Limits
from scep_analyzer.model.packets import Endpoint
from scep_analyzer.model.scep import (
    Bystander,
    CaCertificates,
    FailedConnection,
    Kept,
    MessageType,
    PkiMessage,
    PkiStatus,
    ResponseContent,
    ScepExchange,
)
from scep_analyzer.model.secrets import field_without_secrets, without_secrets
from scep_analyzer.model.stage import Stage
from scep_analyzer.model.streams import ConnectionFailure
from scep_analyzer.model.told_secrets import WITHHELD, may_hold_secret, withheld_in_doubt
from scep_analyzer.scep.admin_pages import read_admin_page
from scep_analyzer.scep.ca_certificates import read_ca_certificates, role_of, with_role
from scep_analyzer.scep.capabilities import is_capability_list, read_capabilities
from scep_analyzer.scep.encoding import Notes, decode_body, decode_get_message
from scep_analyzer.scep.error_pages import text_of_page
from scep_analyzer.scep.messages import check_signed_set, from_signed, is_pki_message, read_message, salvage_message
from scep_analyzer.scep.operations import Query, read_query
from scep_analyzer.scep.sniffing import kind_of

Out = ScepExchange | FailedConnection | Bystander
EndpointPath = tuple[Endpoint, str]

# Types that only SCEP uses. application/x-x509-ca-cert is left out: web servers give CA certificates (AIA) under it.
SCEP_TYPES = frozenset(
    {
        "application/x-pki-message",
        "x-pki-message",
        "application/x-x509-ca-ra-cert",
        "application/x-x509-ca-ra-cert-chain",
        "application/x-x509-next-ca-cert",
    }
)

if TYPE_CHECKING:
    from scep_analyzer.cms.keys import PrivateKey
_CA_CERT_TYPE = "application/x-x509-ca-cert"
_CERTIFICATE_OPERATIONS = frozenset({"GetCACert", "GetCACertChain", "GetNextCACert"})
_MOST_CERTIFICATES = 10_000
_MOST_RECIPIENTS_NAMED = 5
_MOST_ENDPOINTS = 10_000


def content_type(headers: tuple[tuple[str, str], ...]) -> str | None:
    """The media type in lower case, without parameters."""
    value = header(headers, "content-type")
    return value.split(";")[0].strip().lower() or None if value is not None else None


class _Read(NamedTuple):
    """What was read of one message, and the anomalies met on the way."""

    content: ResponseContent | None
    notes: Notes
    encoded: bytes | None = None


class Interpreter(Stage[HttpExchange | ConnectionFailure, Out]):
    """HTTP exchanges → SCEP exchanges; the others are left.

    An exchange is SCEP's by its operation, its content type or body, or because its server and path carry SCEP elsewhere in
    the capture; for the last, exchanges without a known operation are remembered a while, without their bodies.
    ``keys`` open envelopes; ``keep`` puts a message's bytes aside.
    """

    def __init__(
        self, limits: Limits = LIMITS, keys: "Sequence[PrivateKey]" = (), *, keep: Callable[[bytes], Kept] | None = None
    ) -> None:
        self._keys, self._keep, self._limits = keys, keep, limits
        self._unused_keys = {key.source for key in keys}
        self._recipients: dict[str, int] = {}
        """Whom the envelopes that no key opened are for, and the first frame of one."""
        self._known: OrderedDict[tuple[str, str], Certificate] = OrderedDict()
        self._requesters: OrderedDict[tuple[str, str], Certificate] = OrderedDict()
        self._certificates = ChainMap(self._requesters, self._known)
        self._endpoints: OrderedDict[EndpointPath, None] = OrderedDict()
        self._undecided: deque[tuple[EndpointPath, HttpExchange]] = deque()
        self._undecided_bytes = 0
        self._by_path: set[tuple[int, int]] = set()
        """Exchanges that are listed for their path alone."""

    def feed(self, item: HttpExchange | ConnectionFailure) -> Iterator[Out | Anomaly]:
        """Take one HTTP exchange."""
        if isinstance(item, ConnectionFailure):
            connection = item.connection
            yield FailedConnection(
                client=connection.client,
                server=connection.server,
                connection=connection.number,
                how=item.how,
                frames=item.frames,
                time_ns=item.time_ns,
            )
            return
        request = item.request
        query = read_query(request.target, cut=not request.complete) if request is not None else _NO_QUERY
        endpoint = (item.server, query.path)
        is_scep = self._is_scep(item, query)
        if not is_scep and request is not None and (kind := _bystander(item, query.path)) is not None:
            page = read_admin_page(item.response) if kind == "admin" and item.response is not None else None
            yield Bystander(kind, _without_bodies(item), page)
            return
        if not is_scep and (request is None or endpoint not in self._endpoints):
            if request is not None:
                self._leave_undecided(endpoint, _without_bodies(item))
            return
        if not is_scep:
            self._by_path.add((item.connection, item.frame))
        elif request is not None and endpoint not in self._endpoints:
            self._endpoints[endpoint] = None
            if len(self._endpoints) > _MOST_ENDPOINTS:
                self._endpoints.popitem(last=False)
            yield from self._decide(endpoint)
        yield from self._interpret(item, query)

    def _leave_undecided(self, endpoint: EndpointPath, item: HttpExchange) -> None:
        """Remember an exchange whose path may turn out to be SCEP's, within bounds of number and size."""
        self._undecided.append((endpoint, item))
        self._undecided_bytes += _room_of(item)
        limits = self._limits
        while len(self._undecided) > limits.undecided_exchanges or self._undecided_bytes > limits.undecided_bytes:
            _, forgotten = self._undecided.popleft()
            self._undecided_bytes -= _room_of(forgotten)

    @property
    def endpoints(self) -> Iterable[EndpointPath]:
        """The servers and paths that carry SCEP."""
        return self._endpoints.keys()

    def revisit(self, item: HttpExchange) -> Iterator[Out | Anomaly]:
        """Take an exchange of a second pass: listed where its path alone makes it SCEP's and the first pass did not have it."""
        if item.request is None or (item.connection, item.frame) in self._by_path:
            return
        query = read_query(item.request.target, cut=not item.request.complete)
        if (item.server, query.path) in self._endpoints and not self._is_scep(item, query):
            yield from self._interpret(item, query)

    def _is_scep(self, item: HttpExchange, query: Query) -> bool:
        if query.operation is not None:
            return True
        for message in (item.request, item.response):
            if message is None:
                continue
            kind = content_type(message.headers)
            if kind in SCEP_TYPES or (kind == _CA_CERT_TYPE and item.request is None):
                return True
            body = message.body.content
            if body and (_holds_pki_message(body) or (item.request is None and is_capability_list(body))):
                return True
        return False

    def _decide(self, endpoint: EndpointPath) -> Iterator[Out | Anomaly]:
        """The path turns out to be SCEP's: its earlier exchanges are listed too."""
        every = list(self._undecided)
        self._undecided = deque(each for each in every if each[0] != endpoint)
        self._undecided_bytes = sum([_room_of(item) for _, item in self._undecided])
        for earlier in [exchange for at, exchange in every if at == endpoint]:
            self._by_path.add((earlier.connection, earlier.frame))
            target = earlier.request.target if earlier.request is not None else ""
            yield from self._interpret(earlier, read_query(target))

    def _interpret(self, item: HttpExchange, query: Query) -> Iterator[Out | Anomaly]:
        asked = self._request(item, query)
        answer = self._response(item, query, asked.content)
        request = asked.content if isinstance(asked.content, PkiMessage) else None
        response = _with_roles(answer.content, request, self._known)
        self._remember(response, request)
        self._note_keys(item, request, response)
        anomalies = []
        for message, notes in ((item.request, (*query.notes, *asked.notes)), (item.response, answer.notes)):
            frames = message.frames if message is not None else ()
            anomalies += [Anomaly("scep", code, frames, detail) for code, detail in notes]
        yield from anomalies
        parameter = query.message
        if query.operation == "PKIOperation" or request is not None:
            parameter = None
        body_text = None
        if item.response is not None and response is None:
            body_text = text_of_page(item.response, query.path)
        yield ScepExchange(
            http=_without_bodies(item),
            operation=query.operation or query.operation_as_sent,
            operation_as_sent=query.operation_as_sent,
            # A CA's name, not base64: it must not be decoded (micromdm/scep#114). It may be empty.
            message_parameter=None if parameter is None else _shown(unquote(parameter)),
            request=request,
            response=response,
            body_text=body_text,
            anomalies=tuple(anomalies),
            request_kind=_kind(item.request, asked) if query.operation in ("PKIOperation", None) else None,
            response_kind=_kind(item.response, answer),
            raw_request=self._kept(asked),
            raw_response=self._kept(answer),
        )

    def _kept(self, read: _Read) -> Kept | None:
        return self._keep(read.encoded) if self._keep is not None and read.encoded else None

    def finish(self) -> Iterator[Anomaly]:
        """Name the keys that opened nothing."""
        for source in sorted(self._unused_keys):
            wanted = list(self._recipients)[:_MOST_RECIPIENTS_NAMED]
            more = ", …" if len(self._recipients) > len(wanted) else ""
            detail = f"the key {source} opens no envelope"
            if wanted:
                detail += f"; those that stay closed are for {', '.join(wanted)}{more}"
            frames = tuple(self._recipients.values())[:1]
            yield Anomaly("cms", "key-fits-nothing", frames, detail)

    def _note_keys(self, item: HttpExchange, *messages: ResponseContent | None) -> None:
        for message in messages:
            envelope = message.envelope if isinstance(message, PkiMessage) else None
            if envelope is None or not self._keys:
                continue
            if envelope.opened_by is not None:
                self._unused_keys.discard(envelope.opened_by)
                continue
            for each in envelope.recipients:
                name = f"{each.issuer} serial {each.serial_number}" if each.identity else f"a {each.kind} recipient"
                if len(self._recipients) <= _MOST_RECIPIENTS_NAMED:
                    self._recipients.setdefault(name, item.frame)

    def _request(self, item: HttpExchange, query: Query) -> _Read:
        """The pkiMessage of a request: from the body, else from the query."""
        request = item.request
        notes: Notes = []
        if request is None or query.operation not in ("PKIOperation", None):
            return _Read(None, notes)
        body = request.body.content
        if body:
            encoded, notes = decode_body(body)
            read = self._message(encoded, notes)
            if read.content is not None or query.operation is None or not query.message:
                return read if query.operation is not None or read.content is not None else _Read(None, [])
            notes = [("message-in-post-query", "the body holds no message; the one in the query is read")]
        if query.operation is None:
            return _Read(None, notes)
        if query.message is None:
            if request.complete and not body:
                notes.append(("message-missing", "PKIOperation without a message: neither message= nor a body"))
            return _Read(None, notes)
        if request.method.upper() == "POST" and not notes:
            notes.append(("message-in-post-query", "a POST with the message in the query"))
        encoded, more = decode_get_message(query.message)
        return self._message(encoded, notes + more)

    def _message(self, encoded: bytes, notes: Notes) -> _Read:
        try:
            message, more = read_message(encoded, self._certificates, self._keys)
        except DecodeError as error:
            left = salvage_message(encoded, str(error))
            return _Read(left, [*notes, ("message-unreadable", str(error))], encoded)
        notes = notes + more
        if message.message_type is None:
            notes.append(("message-type-missing", "the pkiMessage carries no readable messageType"))
        return _Read(message, notes, encoded)

    def _response(self, item: HttpExchange, query: Query, asked: ResponseContent | None) -> _Read:
        """What a response holds, judged by its bytes and not by its type."""
        response = item.response
        if response is None or not response.body.content:
            return _Read(read_capabilities(b"")[0], []) if _means_no_capabilities(response, query) else _Read(None, [])
        body = response.body.content
        if query.operation == "GetCACaps" or (query.operation is None and is_capability_list(body)):
            if content_type(response.headers) == "text/html" or response.status >= 300:
                return _Read(None, [])
            return _Read(*read_capabilities(body))
        encoded, notes = decode_body(body)
        if encoded[:1] != b"\x30":
            return _Read(None, notes)
        if query.operation not in _CERTIFICATE_OPERATIONS:
            try:
                signed = read_signed(encoded)
                if is_pki_message(signed) or asked is not None:
                    message, more = from_signed(signed, encoded, self._certificates, self._keys)
                    return _Read(message, notes + more, encoded)
            except DecodeError as error:
                if query.operation == "PKIOperation":
                    left = salvage_message(encoded, str(error))
                    return _Read(left, [*notes, ("message-unreadable", str(error))], encoded)
        try:
            certificates, more = read_ca_certificates(encoded)
        except DecodeError as error:
            return _Read(None, [*notes, ("ca-certificates-unreadable", str(error))], encoded)
        if certificates.form == "signed":
            certificates = certificates._replace(signature=check_signed_set(encoded, self._certificates))
        return _Read(certificates, notes + more, encoded)

    def _remember(self, response: ResponseContent | None, request: PkiMessage | None) -> None:
        if request is not None and request.signer is not None:
            self._requesters[request.signer.identity] = request.signer
            if len(self._requesters) > _MOST_CERTIFICATES:
                self._requesters.popitem(last=False)
        certificates = response.certificates if isinstance(response, CaCertificates | PkiMessage) else ()
        for each in certificates:
            if each.role in ("ca", "ra", "ra-signing", "ra-encryption"):
                self._known[each.identity] = each
        while len(self._known) > _MOST_CERTIFICATES:
            self._known.popitem(last=False)


_NO_QUERY = Query(path="", operation=None, operation_as_sent=None, message=None, notes=())


def _room_of(item: HttpExchange) -> int:
    """About what an exchange without its bodies takes."""
    room = len(item.request.target) if item.request is not None else 0
    for message in (item.request, item.response):
        if message is not None:
            room += sum([len(name) + len(value) for name, value in message.headers]) + 8 * len(message.frames)
    return room


def _bystander(item: HttpExchange, path: str) -> str | None:
    """What accompanies SCEP at this path, None for everything else."""
    if item.request is not None and item.request.method.upper() == "CONNECT":
        return "connect" if item.response is not None and item.response.status >= 400 else None
    lower = path.lower()
    return next((kind for sign, kind in BYSTANDERS.items() if sign in lower), None)


def _kind(message: Request | Response | None, read: _Read) -> str | None:
    """What a body is that could not be read as SCEP."""
    if message is None or read.content is not None:
        return None
    body = read.encoded or message.body.content
    return kind_of(body) if body else None


def _shown(parameter: str) -> str:
    """A CA's name, unless somebody put a secret there."""
    return WITHHELD if may_hold_secret(parameter) else without_secrets(parameter)


def _means_no_capabilities(response: Response | None, query: Query) -> bool:
    whole = response is not None and response.status == 200 and response.complete and not response.body.length
    return query.operation == "GetCACaps" and whole


def _holds_pki_message(body: bytes) -> bool:
    encoded, _ = decode_body(body)
    if encoded[:1] != b"\x30":
        return False
    try:
        return is_pki_message(read_signed(encoded))
    except DecodeError:
        return False


def _without_bodies(item: HttpExchange) -> HttpExchange:
    """The exchange as it is kept: without its bodies, whose sizes stay, and without the secrets of its header fields."""

    def released(body: Body) -> Body:
        return Body(None, body.length, body.complete)

    def hidden(headers: tuple[Header, ...]) -> tuple[Header, ...]:
        return tuple([(name, field_without_secrets(name, value)) for name, value in headers])

    request, response = item.request, item.response
    return item._replace(
        request=request._replace(body=released(request.body), headers=hidden(request.headers))
        if request is not None
        else None,
        response=response._replace(
            body=released(response.body),
            headers=hidden(response.headers),
            reason=withheld_in_doubt(response.reason),
        )
        if response is not None
        else None,
    )


def _with_roles(
    response: ResponseContent | None, request: PkiMessage | None, known: OrderedDict[tuple[str, str], Certificate]
) -> ResponseContent | None:
    """Say what each certificate of a CertRep is for; one of them may be the issued one, in the clear (Go servers)."""
    if not isinstance(response, PkiMessage) or response.message_type not in (MessageType.CertRep, None):
        return response
    issued = _issued(response, request, known)

    def role(certificate: Certificate) -> Certificate:
        if certificate.identity == issued:
            return with_role(certificate, "issued")
        earlier = known.get(certificate.identity)
        return with_role(certificate, earlier.role if earlier is not None else role_of(certificate))

    signer = role(response.signer) if response.signer is not None else None
    envelope = response.envelope
    if envelope is not None and envelope.content is not None:
        inside = envelope.content._replace(certificates=tuple(map(role, envelope.content.certificates)))
        envelope = envelope._replace(content=inside)
    certificates = tuple(map(role, response.certificates))
    return response._replace(certificates=certificates, signer=signer, envelope=envelope)


def _issued(
    reply: PkiMessage, request: PkiMessage | None, known: OrderedDict[tuple[str, str], Certificate]
) -> tuple[str, str] | None:
    """Issuer and serial of the issued certificate: the one with the requester's key, else the only one that is nobody else's."""
    if reply.pki_status != PkiStatus.SUCCESS:
        return None
    requester = request.signer if request is not None else None
    inside = reply.envelope.content.certificates if reply.envelope is not None and reply.envelope.content else ()
    candidates = [
        each
        for each in {each.identity: each for each in (*inside, *reply.certificates)}.values()
        if each.identity != reply.signer_identity and each.identity not in known and not each.is_ca
    ]
    if requester is not None and requester.public_key is not None:
        for each in candidates:
            if each.public_key is not None and each.public_key.fingerprint == requester.public_key.fingerprint:
                return each.identity
    # A renewal may change the key: then the signer's certificate is the old one and must not be taken for the new.
    others = [each for each in candidates if requester is None or each.identity != requester.identity]
    return others[0].identity if len(others) == 1 else None
