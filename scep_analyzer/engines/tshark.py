"""The engine that lets tshark decrypt TLS, and reassemble TCP where it is asked to.

tshark gives bytes with frames and times; they go through the same HTTP stage as the builtin engine's, so that both engines tell HTTP
alike. What is not HTTP (failed connections, name lookups, handshakes in the clear) comes from the builtin engine, over the same file.
"""

import heapq
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field

from scep_analyzer.capture.files import embeds_secrets, expand
from scep_analyzer.engines import tshark_rows
from scep_analyzer.engines.builtin import BuiltinEngine, Item
from scep_analyzer.engines.tshark_rows import Row, StoppedError, Stream
from scep_analyzer.http1.exchanges import Pairing
from scep_analyzer.http2.exchanges import EitherHttp
from scep_analyzer.model.anomalies import AnalyzerError, Anomaly
from scep_analyzer.model.exchanges import HttpExchange
from scep_analyzer.model.packets import CaptureFacts, Endpoint, Notices
from scep_analyzer.model.streams import Closed, Connection, Data, Direction, Gap, StreamEvent
from scep_analyzer.model.tls import NO_SECRETS, Alert, Handshake, Secrets

OPAQUE = "tls-not-decrypted"
_MISSING = re.compile(rb"\[(\d{1,18}) bytes missing in capture file\]\.?\0?")
_RSA_SUITES = frozenset(
    {0x0001, 0x0002, 0x0004, 0x0005, 0x000A, 0x002F, 0x0035, 0x003C, 0x003D, 0x0041, 0x0084, 0x0096, 0x009C, 0x009D}
    | set(range(0xC09C, 0xC0A4))
)
"""Suites whose keys the server's RSA key opens, because the client encrypts the premaster secret for it (RFC 5246, Section 7.4.7.1)."""


@dataclass(slots=True)
class _Talk:
    """A TLS connection, as far as tshark has told of it."""

    connection: Connection
    offsets: dict[Direction, int] = field(default_factory=lambda: dict.fromkeys(Direction, 0))
    lost: dict[Direction, int] = field(default_factory=dict)
    """The frame before which bytes of this direction are missing, nothing of it having been decrypted since."""
    ended: set[Direction] = field(default_factory=set)
    alerts: list[Alert] = field(default_factory=list)
    certificates: tuple[bytes, ...] = ()
    certificate_frame: int | None = None
    decrypted: bool = False


class Decryption:
    """Rows → stream events of what TLS held. Connections whose ClientHello is not in the capture cannot be decrypted and are left out."""

    def __init__(self) -> None:
        self.talks: dict[int, _Talk] = {}
        self.stopped: StoppedError | None = None
        """Why the rows ended too early."""

    def over(self, rows: Iterable[Row]) -> Iterator[StreamEvent]:
        """The events, in order; both directions of every connection end."""
        frame = 0
        for row in self._until_stopped(rows):
            frame = row.frame
            if row.hello and row.stream not in self.talks:
                self.talks[row.stream] = _Talk(Connection(row.stream, row.source, row.destination, opening_seen=True))
            talk = self.talks.get(row.stream)
            if talk is not None:
                yield from self._events(talk, row)
        for talk in self.talks.values():
            for direction in Direction:
                if self.stopped is not None:
                    talk.lost.setdefault(direction, frame)
                yield from _close(talk, direction, "end-of-capture", None, None)

    def _until_stopped(self, rows: Iterable[Row]) -> Iterator[Row]:
        try:
            yield from rows
        except StoppedError as error:
            self.stopped = error

    def _events(self, talk: _Talk, row: Row) -> Iterator[StreamEvent]:
        from_client = row.source == talk.connection.client
        direction = Direction.FROM_CLIENT if from_client else Direction.FROM_SERVER
        if row.certificates and not from_client and not talk.certificates:
            talk.certificates, talk.certificate_frame = row.certificates, row.frame
        talk.alerts += (each._replace(by_client=from_client) for each in row.alerts)
        if row.lost:
            talk.lost.setdefault(direction, row.frame)
        if row.data and direction not in talk.ended:
            talk.lost.pop(direction, None)  # what was missing came late: tshark decrypts nothing behind a hole
            talk.decrypted = True
            for content in row.data:
                yield Data(
                    connection=talk.connection,
                    direction=direction,
                    content=content,
                    frame=row.frame,
                    time_ns=row.time_ns,
                    offset=talk.offsets[direction],
                    acknowledged=None,
                )
                talk.offsets[direction] += len(content)
        if row.ended == "rst":
            for each in Direction:
                yield from _close(talk, each, "rst", row.frame, row.time_ns)
        elif row.ended == "fin":
            yield from _close(talk, direction, "fin", row.frame, row.time_ns)


def _close(
    talk: _Talk, direction: Direction, how: str, frame: int | None, time_ns: int | None
) -> Iterator[StreamEvent]:
    if direction in talk.ended:
        return
    talk.ended.add(direction)
    if direction in talk.lost and talk.decrypted:
        yield Gap(connection=talk.connection, direction=direction, length=0, reason="lost", frame=talk.lost[direction])
    yield Closed(connection=talk.connection, direction=direction, how=how, frame=frame, time_ns=time_ns)


class TsharkEngine:
    """HTTP exchanges from tshark; with ``builtin`` HTTP in the clear comes from the builtin engine, and tshark undoes TLS only.

    ``optional``: without a tshark the builtin engine does what it can, and says so.
    """

    def __init__(
        self,
        paths: list[str],
        on_bytes: Callable[[int], None] | None = None,
        secrets: Secrets = NO_SECRETS,
        *,
        builtin: bool = False,
        optional: bool = False,
        frames: frozenset[int] | None = None,
    ) -> None:
        self._frames = frames
        self._files, self._secrets, self._builtin = expand(paths), secrets, builtin
        self._why_not: str | None = None
        self._tshark = ""
        self.name = "builtin+tshark" if builtin else "tshark"
        try:
            tshark_rows.refuse_pipes(self._files)
            self._tshark = tshark_rows.usable()
        except AnalyzerError as error:
            if not optional:
                raise
            self._why_not, self.name = str(error), "builtin"
        self._inner = BuiltinEngine(paths, on_bytes, frames=frames)
        self._decryption = Decryption()

    @property
    def facts(self) -> list[CaptureFacts]:
        """What is known of each file."""
        return self._inner.facts

    @property
    def http_requests(self) -> int:
        """HTTP requests in the clear."""
        return self._inner.http_requests

    def notices(self, clients: Collection[str] | None = None, hosts: Collection[str] = ()) -> Notices:
        """As the builtin engine's."""
        return self._inner.notices(clients, hosts)

    def handshakes(self, addresses: Collection[str] | None) -> Iterator[Handshake]:
        """As the builtin engine's, with what decryption adds: certificates and alerts."""
        for each in self._inner.handshakes(addresses):
            talk = self._decryption.talks.get(each.connection)
            yield _told(each, talk) if talk is not None else each

    def exchanges_at(self, endpoints: Iterable[tuple[Endpoint, str]]) -> Iterator[HttpExchange]:
        """As the builtin engine's; tshark has left nothing out."""
        return self._inner.exchanges_at(endpoints) if self._builtin else iter(())

    def exchanges(self) -> Iterator[Item]:
        """HTTP exchanges in the order of their requests, and what the builtin engine tells beside them.

        Where only a key that may be meant for messages was given, the handshakes decide at the end whether it is TLS's too; what it
        decrypts then comes last.
        """
        certain = not self._builtin or self._secrets.keylog is not None or any(map(embeds_secrets, self._files))
        theirs = list(self._from_tshark()) if certain and self._why_not is None else []
        yield from (each for each in theirs if not isinstance(each, HttpExchange))
        exchanges = sorted((each for each in theirs if isinstance(each, HttpExchange)), key=_when)
        opaque: Anomaly | None = None
        inner = (each for each in self._inner.exchanges() if self._builtin or not _of_http(each))
        for item in _merged(inner, exchanges):
            if isinstance(item, Anomaly) and item.code == OPAQUE:
                opaque = item
            else:
                yield item
        if opaque is None:
            return
        if not certain and any(each.cipher in _RSA_SUITES for each in self._inner.handshakes(None)):
            certain = True
            if self._why_not is None:
                yield from self._from_tshark()
        if certain and self._why_not is not None:
            yield Anomaly("tls", "tls-secrets-unused", opaque.frames, f"there are TLS secrets; {self._why_not}")
        yield from self._opaque(opaque)

    def _from_tshark(self) -> Iterator[Item]:
        try:
            with tshark_rows.one_file(self._files) as path:
                rows = tshark_rows.rows(tshark_rows.tls_command(self._tshark, path, self._secrets))
                if self._frames is not None:
                    rows = filter(self._is_chosen, rows)
                for item in EitherHttp().over(self._decryption.over(rows)):
                    yield item._replace(tls=True) if isinstance(item, HttpExchange) else item
                if not self._builtin:
                    yield from Pairing().over(self._in_the_clear(path))
        except StoppedError as error:
            yield stopped(error)
        if self._decryption.stopped is not None:
            yield stopped(self._decryption.stopped)

    def _is_chosen(self, row: Row) -> bool:
        return self._frames is None or row.frame in self._frames

    def _in_the_clear(self, path: str) -> Iterator[StreamEvent]:
        streams, times = tshark_rows.streams(self._tshark, path)
        rest = [each for each in streams if each.number not in self._decryption.talks]
        for stream, chunks in tshark_rows.followed(self._tshark, path, rest):
            yield from _events(stream, chunks, times)

    def _opaque(self, told: Anomaly) -> Iterator[Anomaly]:
        """The builtin engine's anomaly about unread TLS, reduced to the connections that tshark could not decrypt either."""
        talks = self._decryption.talks.values()
        decrypted = sum(each.decrypted for each in talks)
        if not decrypted:
            yield told
        elif decrypted < len(talks):
            what = f"{len(talks) - decrypted:,} of {len(talks):,} TLS connections could not be decrypted; SCEP inside cannot be seen"
            yield Anomaly("http", OPAQUE, told.frames, what)


def stopped(error: StoppedError) -> Anomaly:
    """The anomaly that reports it."""
    return Anomaly("tls", "tshark-stopped", (), f"tshark stopped ({error}); what it had told before is here")


def _told(handshake: Handshake, talk: _Talk) -> Handshake:
    """A handshake with what was encrypted in it."""
    known = {(each.frame, each.code) for each in handshake.alerts}
    alerts = [each for each in talk.alerts if (each.frame, each.code) not in known and each.code < 256]
    certificates = handshake.certificates or talk.certificates
    return handshake._replace(
        decrypted=talk.decrypted,
        certificates=certificates,
        certificate_frame=handshake.certificate_frame or talk.certificate_frame,
        alerts=(*handshake.alerts, *alerts),
    )


def _events(stream: Stream, chunks: list[tshark_rows.Chunk], times: dict[int, int]) -> Iterator[StreamEvent]:
    """The bytes as the HTTP stage takes them, and the end of both directions."""
    connection = Connection(stream.number, stream.client, stream.server, opening_seen=False)
    offsets = {True: 0, False: 0}
    for each in chunks:
        direction = Direction.FROM_CLIENT if each.from_client else Direction.FROM_SERVER
        if missing := _MISSING.fullmatch(each.content):
            yield Gap(
                connection=connection, direction=direction, length=int(missing[1]), reason="lost", frame=each.frame
            )
            continue
        yield Data(
            connection=connection,
            direction=direction,
            content=each.content,
            frame=each.frame,
            time_ns=times.get(each.frame),
            offset=offsets[each.from_client],
            acknowledged=None,
        )
        offsets[each.from_client] += len(each.content)
    last = chunks[-1].frame
    for direction in Direction:
        yield Closed(connection=connection, direction=direction, how="fin", frame=last, time_ns=times.get(last))


def _when(exchange: HttpExchange) -> tuple[int, int]:
    return exchange.time_ns or 0, exchange.frame


def _merged(items: Iterator[Item], exchanges: list[HttpExchange]) -> Iterator[Item]:
    """The builtin engine's items with tshark's exchanges among them, in order of time."""
    waiting = [(*_when(each), at, each) for at, each in enumerate(exchanges)]
    heapq.heapify(waiting)
    for item in items:
        if isinstance(item, HttpExchange):
            while waiting and waiting[0][:2] <= _when(item):
                yield heapq.heappop(waiting)[3]
        yield item
    while waiting:
        yield heapq.heappop(waiting)[3]


def _of_http(item: Item) -> bool:
    """Whether it is the builtin engine's reading of HTTP in the clear, which tshark's own replaces."""
    if isinstance(item, Anomaly):
        return item.layer in ("http", "tcp") and item.code != OPAQUE
    return isinstance(item, HttpExchange)
