"""Stream events → handshakes: server name, versions, certificates up to TLS 1.2, alerts (RFC 5246, RFC 8446, RFC 6066).

Read from the first 64 KiB of each direction, byte by byte, because nothing is decrypted here: this is the plain part of the handshake.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.stage import Stage
from scep_analyzer.model.streams import (
    Closed,
    Connection,
    ConnectionFacts,
    ConnectionFailure,
    Data,
    Direction,
    Gap,
    Repeat,
    StreamEvent,
)
from scep_analyzer.model.tls import Alert, Handshake

_CHANGE, _ALERT, _HANDSHAKE, _DATA = 20, 21, 22, 23
_CLIENT_HELLO, _SERVER_HELLO, _CERTIFICATE, _CERTIFICATE_REQUEST = 1, 2, 11, 13
_SERVER_NAME, _SUPPORTED_VERSIONS = 0, 43
_TLS13 = 0x0304
_MOST_BYTES = 65_536
_MOST_CERTIFICATES = 16


@dataclass(slots=True)
class _Side:
    """One direction: bytes not read yet, and the handshake messages they make."""

    buffer: bytearray = field(default_factory=bytearray)
    messages: bytearray = field(default_factory=bytearray)
    taken: int = 0
    encrypted: bool = False
    """After ChangeCipherSpec, or TLS 1.3's hello: what follows cannot be read."""
    broken: bool = False
    data: bool = False


@dataclass(slots=True)
class _Talk:
    connection: Connection
    frame: int
    time_ns: int | None
    client: _Side = field(default_factory=_Side)
    server: _Side = field(default_factory=_Side)
    name: str | None = None
    random: str = ""
    offered: int = 0
    ciphers: tuple[int, ...] = ()
    version: int | None = None
    cipher: int | None = None
    certificates: tuple[bytes, ...] = ()
    certificate_frame: int | None = None
    requested: int | None = None
    client_certificate: bool | None = None
    alerts: list[Alert] = field(default_factory=list)
    http: int | None = None
    closed_by_client: int | None = None
    started: bool = False


class Handshakes(Stage[StreamEvent | ConnectionFailure | ConnectionFacts, Handshake]):
    """Gives a handshake when its connection is over. Connections that do not begin with TLS are left out."""

    def __init__(self) -> None:
        self._talks: dict[int, _Talk] = {}

    def feed(self, item: StreamEvent | ConnectionFailure | ConnectionFacts) -> Iterable[Handshake | Anomaly]:
        """Take one event."""
        if isinstance(item, ConnectionFacts):
            talk = self._talks.pop(item.connection.number, None)
            return [_handshake(talk)] if talk is not None and talk.started else []
        if isinstance(item, ConnectionFailure | Repeat):
            return ()
        number = item.connection.number
        talk = self._talks.get(number)
        if talk is None:
            if not isinstance(item, Data):
                return ()
            talk = self._talks[number] = _Talk(connection=item.connection, frame=item.frame, time_ns=item.time_ns)
        from_client = item.direction is Direction.FROM_CLIENT
        side = talk.client if from_client else talk.server
        if isinstance(item, Data):
            _data(talk, side, item, from_client=from_client)
        elif isinstance(item, Gap):
            side.broken = True
        elif isinstance(item, Closed) and from_client and talk.closed_by_client is None and item.how in ("fin", "rst"):
            talk.closed_by_client = item.frame
        return ()

    def finish(self) -> Iterator[Handshake]:
        """Give what is still open."""
        for talk in self._talks.values():
            if talk.started:
                yield _handshake(talk)
        self._talks.clear()


def _data(talk: _Talk, side: _Side, item: Data, *, from_client: bool) -> None:
    if not from_client and not side.taken and item.content.startswith(b"HTTP/"):
        talk.http = item.frame
    room = _MOST_BYTES - side.taken
    if side.broken or room <= 0:
        side.data |= side.encrypted and side.taken > 0
        return
    side.buffer += item.content[:room]
    side.taken += min(len(item.content), room)
    while len(side.buffer) >= 5:
        kind, length = side.buffer[0], int.from_bytes(side.buffer[3:5], "big")
        if not _CHANGE <= kind <= _DATA or side.buffer[1] != 3:
            side.broken = True
            return
        if len(side.buffer) < 5 + length:
            return
        content = bytes(side.buffer[5 : 5 + length])
        del side.buffer[: 5 + length]
        _record(talk, side, kind, content, item.frame, from_client=from_client)


def _record(talk: _Talk, side: _Side, kind: int, content: bytes, frame: int, *, from_client: bool) -> None:
    if kind == _CHANGE:
        side.encrypted = True
    elif kind == _DATA:
        side.encrypted = side.data = True
    elif kind == _ALERT:
        if not side.encrypted and len(content) == 2:
            talk.alerts.append(Alert(frame, from_client, content[0] == 2, content[1]))
    elif kind == _HANDSHAKE and not side.encrypted:
        side.messages += content
        while len(side.messages) >= 4:
            length = int.from_bytes(side.messages[1:4], "big")
            if len(side.messages) < 4 + length:
                return
            message = bytes(side.messages[: 4 + length])
            del side.messages[: 4 + length]
            _message(talk, side, message[0], message[4:], frame, from_client=from_client)


def _message(talk: _Talk, side: _Side, kind: int, body: bytes, frame: int, *, from_client: bool) -> None:
    if kind == _CLIENT_HELLO and from_client:
        talk.started = True
        talk.frame = frame
        _client_hello(talk, body)
    elif kind == _SERVER_HELLO and not from_client:
        _server_hello(talk, body)
        side.encrypted = talk.version == _TLS13
    elif kind == _CERTIFICATE:
        found = tuple(_certificates(body))
        if from_client:
            talk.client_certificate = bool(found)
        else:
            talk.certificates, talk.certificate_frame = found, frame
    elif kind == _CERTIFICATE_REQUEST and not from_client:
        talk.requested = frame


def _client_hello(talk: _Talk, body: bytes) -> None:
    talk.offered = int.from_bytes(body[:2], "big")
    talk.random = body[2:34].hex()
    at = 35 + (body[34] if len(body) > 34 else 0)
    size = int.from_bytes(body[at : at + 2], "big")
    ciphers = body[at + 2 : at + 2 + size]
    talk.ciphers = tuple(int.from_bytes(ciphers[each : each + 2], "big") for each in range(0, len(ciphers) - 1, 2))
    at += 2 + size
    at += 1 + (body[at] if at < len(body) else 0)
    for kind, value in _extensions(body[at:]):
        if kind == _SERVER_NAME and len(value) > 5 and value[2] == 0:
            talk.name = value[5 : 5 + int.from_bytes(value[3:5], "big")].decode("latin-1")
        elif kind == _SUPPORTED_VERSIONS:
            versions = [int.from_bytes(value[each : each + 2], "big") for each in range(1, len(value) - 1, 2)]
            talk.offered = max((each for each in versions if each >> 8 == 3), default=talk.offered)


def _server_hello(talk: _Talk, body: bytes) -> None:
    talk.version = int.from_bytes(body[:2], "big")
    at = 35 + (body[34] if len(body) > 34 else 0)
    talk.cipher = int.from_bytes(body[at : at + 2], "big")
    for kind, value in _extensions(body[at + 3 :]):
        if kind == _SUPPORTED_VERSIONS and len(value) == 2:
            talk.version = int.from_bytes(value, "big")


def _extensions(encoded: bytes) -> Iterator[tuple[int, bytes]]:
    at, end = 2, 2 + int.from_bytes(encoded[:2], "big")
    while at + 4 <= min(end, len(encoded)):
        size = int.from_bytes(encoded[at + 2 : at + 4], "big")
        yield int.from_bytes(encoded[at : at + 2], "big"), encoded[at + 4 : at + 4 + size]
        at += 4 + size


def _certificates(body: bytes) -> Iterator[bytes]:
    """The list of TLS 1.2 and before: lengths of three bytes."""
    at, end = 3, 3 + int.from_bytes(body[:3], "big")
    for _ in range(_MOST_CERTIFICATES):
        if at + 3 > min(end, len(body)):
            return
        size = int.from_bytes(body[at : at + 3], "big")
        yield body[at + 3 : at + 3 + size]
        at += 3 + size


def _handshake(talk: _Talk) -> Handshake:
    # A client that ends before the server has certified anything more than the handshake has rejected it.
    return Handshake(
        connection=talk.connection.number,
        client=talk.connection.client,
        server=talk.connection.server,
        frame=talk.frame,
        time_ns=talk.time_ns,
        name=talk.name,
        client_random=talk.random,
        offered=talk.offered,
        ciphers=talk.ciphers,
        version=talk.version,
        cipher=talk.cipher,
        certificates=talk.certificates,
        certificate_frame=talk.certificate_frame,
        certificate_requested=talk.requested,
        client_certificate=talk.client_certificate,
        alerts=tuple(talk.alerts),
        application_data=talk.client.data and talk.server.data,
        closed_by_client=talk.closed_by_client,
        http=talk.http,
    )
