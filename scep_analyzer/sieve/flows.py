"""Segments → the same segments with their tcp.stream numbers, those left out that cannot matter to SCEP.

A connection is followed (all its segments are given on) from the moment when it may carry SCEP: a request that names an
operation, a message of one of SCEP's types, a body that begins as CMS does, and whatever is too unusual to judge here: bytes missing or
out of order at a place that matters, requests in one breath, a head in pieces too small to tell. What may still turn out to matter
(a request whose response has not come, a response captured before its request) is held meanwhile. So the stages behind see
every connection that carries SCEP, from a point where nothing before it matters.

The invariant, held by ``tests/sieve/test_invariant.py``: with the sieve and without it the report is the same.
"""

import os
from array import array
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from scep_analyzer.http1.heads import METHODS, starts_request, starts_response
from scep_analyzer.http1.messages import CMS_STARTS
from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.exchanges import path_of
from scep_analyzer.model.limits import LIMITS, Limits
from scep_analyzer.model.packets import (
    ACK,
    FIN,
    RST,
    SYN,
    Endpoint,
    Joined,
    Segment,
    Segments,
    endpoint_of,
    ends_of,
    reversed_key,
)
from scep_analyzer.model.stage import Stage
from scep_analyzer.sieve.flow import (
    CLIENT,
    SERVER,
    Flow,
    Held,
    beginning,
    comes_again,
    distance,
    judged,
    numbered,
    place_of,
    reuses_ports,
    side_of,
    tells_something,
)
from scep_analyzer.sieve.heads import FIRST_BYTES, HINTS, TYPES, Look, look_at_request, look_at_response
from scep_analyzer.tcp.reassembly import WRAP

_START = 4
_INITIALS = frozenset(each[0] for each in FIRST_BYTES)
_TLS_HANDSHAKE = b"\x16\x03"
_MOST_SYNS = 16
"""Of one connection attempt; hosts give up after half a dozen."""
_MOST_EARLY = 64
"""Connections that hold a response whose request was not seen yet; beyond it the oldest one is left out."""
_MOST_EARLY_BYTES = 128 * 1024
_MOST_PIECES = 64
"""Segments held of one message head: 64 KiB and more."""

_MOST_KNOWN = 256
"""Of targets, which have up to 8 KiB here."""

_ROOM = 200
"""What Python needs for a server and a path beside the path's characters."""

_MOST_TLS_SERVERS = 5
"""Named in the line about TLS."""

Given = list[Segment]

_NUMBERS, _REQUESTS, _HELD, _YOUNG = range(4)
"""Counters that are shared with the compiled part: numbers given, HTTP requests seen, bytes held, directions in its young table."""


class Regular(Protocol):
    """Connections in the care of the compiled part: not followed, and regular so far. See ``capture/_regular.c``."""

    def release(self, key: bytes, /) -> tuple[Any, ...] | None:
        """What it knows of a connection, which is from then on in the care of :class:`Flows`."""

    def age(self, young: dict[bytes, Any], old: dict[bytes, Any], /) -> int:
        """A generation has gone by; gives how many open connections are forgotten."""

    def holding(self) -> list[bytes]:
        """The keys of connections whose requests are held."""

    def lend(self, client: bytes, number: int, next_client: int, next_server: int, /) -> bool:
        """Take care of a followed connection, the next bytes of whose directions belong there."""

    def recover(self, key: bytes, /) -> tuple[int, int, tuple[Any, ...] | None] | None:
        """Where they belong now, and a :class:`Joined` that waits."""

    def expect(self, key: bytes, size: int, tail: bytes | None, /) -> None:
        """So many bytes of a direction end no message; with a ``tail``, those before them, unless a blank line is among them."""

    def hurry(self) -> None:
        """Whatever waits is given on before anything else."""

    def clear(self) -> None:
        """Forget all."""


class Flows(Stage[Segment, Segments]):
    """Numbers connections as Wireshark does and follows those that may carry SCEP; all of them with ``sieve`` False.

    ``tame`` and ``FIRST_BYTES`` tell the tight pass (``capture.skim``) which packets need not come here at all. Requests to
    ``endpoints`` (server and path) are followed whatever they say. With a maker of ``regular`` the compiled part of that pass
    takes care of connections as long as their course is regular; each comes here when it no longer is.
    """

    def __init__(
        self,
        limits: Limits = LIMITS,
        *,
        sieve: bool = True,
        endpoints: Iterable[tuple[Endpoint, str]] = (),
        regular: Callable[..., Regular] | None = None,
    ) -> None:
        self.tame: dict[bytes, bool] = {}
        """Directions whose segments matter only where they carry bytes; True: where those may begin an HTTP message."""
        self._counts = array("q", bytes(32))
        self.left_out: set[tuple[Endpoint, str]] = set()
        """Server and path of requests that were left out, to be looked for should the path turn out to be SCEP's."""
        self._endpoints = set(endpoints)
        self._tls: dict[bytes, int] = {}
        self._known: dict[tuple[bytes, bytes], tuple[Endpoint, str]] = {}
        """Server and path of requests by server and target, some that came last: paths take long to clean of secrets."""
        self._first_tls_frame = 0
        self._limits, self._sieve = limits, sieve
        self._young: dict[bytes, Flow] = {}
        self._old: dict[bytes, Flow] = {}
        self._waiting: list[Flow] = []
        self._left_out_bytes = 0
        self._lent: dict[int, Flow] = {}
        """Followed connections in the care of the compiled part, by number."""
        self.regular: Regular | None = None
        """The compiled part, where it takes care of connections."""
        if regular is not None and sieve:
            self.regular = regular(
                self._young,
                self._old,
                self._counts,
                self._met_tls,
                self._passes,
                limits.connections // 2,
                limits.held_bytes,
                int.from_bytes(os.urandom(8), "little"),  # so that nobody can aim at a chain of its table
                sorted(METHODS),
                HINTS,
                TYPES,
                CMS_STARTS,
            )

    @property
    def requests(self) -> int:
        """Segments that begin an HTTP request."""
        return self._counts[_REQUESTS]

    @property
    def _held_bytes(self) -> int:
        """What ``requests`` of all flows held when it was counted last, and what came since."""
        return self._counts[_HELD]

    def feed(self, item: Segment) -> Iterable[Segments | Anomaly]:
        """Take one segment."""
        key, flags, payload = item.key, item.flags, item.payload
        flow = self._young.get(key)
        given: list[Segments | Anomaly] = []
        if flow is None and self.regular is not None:
            self._released(key)
            flow = self._young.get(key)
        quiet = self.tame.get(key)
        if quiet is not None and not flags & (SYN | FIN | RST) and _says_nothing(item, quiet=quiet):
            return given  # the tight pass steps over it; not every packet comes by there, and both must do the same
        if flow is not None and flow.lent:
            given += self._recovered(flow)
        if flow is None:
            flow = self._find(item, given)
        elif flags & (SYN | ACK) == SYN and reuses_ports(flow, item):
            flow = self._reopened(flow, item, given)
        if payload and (not flow.heard or payload[:4] in FIRST_BYTES):
            self._note(flow, item)
        if flow.followed and not flags & (SYN | FIN | RST):
            if not self._sieve or tells_something(flow, item):
                given.append(numbered(item, flow.number))
            if self.regular is not None and flow.regular:
                self._lend(flow)
            return given
        refused = flags & RST and not flow.established
        if payload or item.cut or flags & (SYN | ACK) == SYN | ACK:
            flow.established = True
        if flags & FIN or (flags & RST and not refused):
            flow.ended = True
        if flow.followed:
            if not self._sieve or tells_something(flow, item):
                given.append(numbered(item, flow.number))
            return given
        if flags & SYN:
            flow.opening = (*flow.opening, item)
        if refused or (flags & SYN and (payload or len(flow.opening) > _MOST_SYNS)):
            given += self._follow(flow, item)
        elif payload or item.cut:
            given += self._data(flow, item)
            if not flow.followed:
                self._tame(flow)
        elif key not in self.tame:
            self._tame(flow)
        return given

    def pass_by(self, item: Segment) -> tuple[int, list[Segments | Anomaly]]:
        """Count the connection of a segment that is left out of the analysis, so that others keep Wireshark's numbers; gives its own."""
        given: list[Segments | Anomaly] = []
        flow = self._young.get(item.key)
        if flow is None:
            flow = self._find(item, given)
        elif item.flags & (SYN | ACK) == SYN and reuses_ports(flow, item):
            flow = self._reopened(flow, item, given)
        return flow.number, given

    def flow_of(self, key: bytes) -> Flow | None:
        """What is known of the connection that a segment with this key belongs to."""
        return self._young.get(key)

    @property
    def tls_servers(self) -> list[Endpoint]:
        """Servers of connections that are TLS."""
        return [endpoint_of(each) for each in self._tls]

    # -- which connection ---------------------------------------------------------------------------------------------

    def _find(self, item: Segment, given: list[Segments | Anomaly]) -> Flow:
        """The flow of a key that is not in the young table: its other direction's, an old one's, or a new one."""
        key = item.key
        other = reversed_key(key)
        flow = self._young.get(other) or self._old.get(key) or self._old.get(other)
        if flow is None:
            flow = self._opened(item, other)
        elif item.flags & (SYN | ACK) == SYN and reuses_ports(flow, item):
            return self._reopened(flow, item, given)
        self._young[key] = flow
        first = item.sequence if item.flags & SYN else item.sequence - 1
        if key == flow.client:
            flow.first_client = first if flow.first_client is None else flow.first_client
        else:
            flow.first_server = first if flow.first_server is None else flow.first_server
        if len(self._young) + self._counts[_YOUNG] > self._limits.connections // 2:
            given += self._age(item.frame)
        return flow

    def _released(self, key: bytes) -> None:
        """Take a connection over from the compiled part, where that has it, as it would be had it always been here."""
        state = self.regular.release(key) if self.regular is not None else None
        if state is None:
            return
        number, client, first_client, first_server, established, ended, heard, asked, fresh, asker = state[:10]
        following, answer_at, past_client, past_server, opening, request, young, old, tamed = state[10:]
        flow = Flow(number, client, reversed_key(client))
        flow.first_client, flow.first_server = first_client, first_server
        flow.established, flow.ended, flow.heard, flow.asked = established, ended, heard, asked
        flow.fresh, flow.next, flow.answer_at = fresh, following, answer_at
        flow.asker = {CLIENT: client, SERVER: flow.server}.get(asker)
        flow.past_client, flow.past_server = past_client, past_server
        flow.opening = tuple(map(Segment._make, opening))
        flow.requests = () if request is None else (Segment._make(request),)
        for side, each in ((CLIENT, client), (SERVER, flow.server)):
            if young & side:
                self._young[each] = flow
            if old & side:
                self._old[each] = flow
        if tamed:
            self._tame(flow)

    def _lend(self, flow: Flow) -> None:
        """Let the compiled part take care of a followed connection, where all is known that it needs and nothing was odd."""
        following = flow.high_client, flow.high_server
        if (
            flow.shut
            or flow.ended
            or not flow.heard
            or flow.client not in self._young
            or flow.server not in self._young
        ):
            return
        if following[0] is None or following[1] is None or len(self._lent) >= self._limits.followed_connections // 2:
            return
        if self.regular is not None and self.regular.lend(flow.client, flow.number, following[0], following[1]):
            flow.lent = True
            self._lent[flow.number] = flow

    def _recovered(self, flow: Flow) -> list[Joined]:
        """Take it back; what waits there goes on first."""
        state = self.regular.recover(flow.client) if self.regular is not None else None
        assert state is not None  # noqa: S101  # it was lent, and only this method takes it back
        flow.lent = False
        del self._lent[flow.number]
        flow.high_client, flow.high_server, waiting = state
        return [] if waiting is None else [Joined._make(waiting)]

    def _all_recovered(self) -> list[Joined]:
        return [run for flow in list(self._lent.values()) for run in self._recovered(flow)]

    def expect(self, number: int, sender: Endpoint, size: int, tail: bytes | None) -> None:
        """Tell the compiled part how many bytes of one side of a connection end no HTTP message (``http1``): it puts them together."""
        flow = self._lent.get(number)
        if flow is not None and self.regular is not None:
            key = flow.client if ends_of(flow.client)[0] == sender else flow.server
            self.regular.expect(key, size, tail)

    def hurry(self) -> None:
        """Tell it that what it has put together is needed now: it counts against a limit."""
        if self.regular is not None:
            self.regular.hurry()

    def _opened(self, item: Segment, other: bytes) -> Flow:
        # A SYN comes from the client, a SYN-ACK from the server; else the first to speak is taken for the client.
        from_server = item.flags & (SYN | ACK) == SYN | ACK
        flow = Flow(self._counts[_NUMBERS], *((other, item.key) if from_server else (item.key, other)))
        flow.followed = not self._sieve
        flow.established = not item.flags & SYN
        self._counts[_NUMBERS] += 1
        return flow

    def _reopened(self, old: Flow, item: Segment, given: list[Segments | Anomaly]) -> Flow:
        given += self._unanswered(old)
        for key in (old.client, old.server):
            self._young.pop(key, None)
            self._old.pop(key, None)
            self.tame.pop(key, None)
        return self._find(item, given)

    def _age(self, frame: int) -> Iterator[Segments | Anomaly]:
        """The young table is full: it becomes the old one, and what lay untouched in the old one is forgotten."""
        yield from self._all_recovered()
        touched = {id(flow) for flow in self._young.values()}
        untouched = {flow.number: flow for flow in self._old.values() if id(flow) not in touched}
        idle = [flow for _, flow in sorted(untouched.items())]
        self._old = self._young
        self._young = {}
        self.tame.clear()  # each connection that goes on comes by once, and is young again
        # Those that are followed are carried over, as many as the next stage follows at a time.
        followed = [flow for flow in idle if flow.followed and not flow.ended and self._sieve]
        carried = {id(flow) for flow in followed[-self._limits.followed_connections :]}
        alive = self.regular.age(self._young, self._old) if self.regular is not None else 0
        for flow in idle:
            if id(flow) in carried:
                self._old[flow.client] = flow
            else:
                alive += flow.established and not flow.ended
                yield from self._unanswered(flow)
        if alive:
            detail = (
                f"more than {self._limits.connections:,} TCP connections at a time: {alive:,} idle ones are forgotten"
            )
            yield Anomaly("tcp", "limit-connections", (frame,), detail)

    def finish(self) -> Iterator[Segments | Anomaly]:
        """The capture ends: connections that were asked for without success are given, and TLS is told."""
        yield from self._all_recovered()
        flows = {id(flow): flow for flow in (*self._old.values(), *self._young.values())}
        for flow in sorted(flows.values(), key=lambda each: each.number):
            yield from self._unanswered(flow)
        if self._tls:
            yield self._opaque()
        self._young.clear()  # a second pass over the files has its own
        self._old.clear()
        self.tame.clear()
        if self.regular is not None:
            self.regular.clear()

    def _unanswered(self, flow: Flow) -> Given:
        """The SYNs of a connection that never opened; one alone proves nothing."""
        if flow.followed or flow.established or len(flow.opening) < 2:
            return []
        return self._follow(flow)

    def _opaque(self) -> Anomaly:
        count = sum(self._tls.values())
        busiest = sorted(self._tls, key=lambda each: -self._tls[each])
        servers = ", ".join(str(endpoint_of(each)) for each in busiest[:_MOST_TLS_SERVERS])
        more = ", …" if len(busiest) > _MOST_TLS_SERVERS else ""
        connections = "1 connection is" if count == 1 else f"{count:,} connections are"
        detail = f"{connections} TLS ({servers}{more}); SCEP inside cannot be seen without its keys (--keylog FILE)"
        return Anomaly("http", "tls-not-decrypted", (self._first_tls_frame,), detail)

    def _note(self, flow: Flow, item: Segment) -> None:
        """Count what the report says of all connections, followed or not."""
        payload = item.payload
        if not flow.heard and payload.startswith(_TLS_HANDSHAKE):
            self._met_tls(_server(flow.client), item.frame)
        if payload[:4] in FIRST_BYTES and starts_request(payload):
            self._counts[_REQUESTS] += 1
        flow.heard = True

    def _met_tls(self, server: bytes, frame: int) -> None:
        """``server``: its address and port, as :attr:`Segment.key` has them."""
        if server in self._tls or len(self._tls) < self._limits.connections:
            self._tls[server] = self._tls.get(server, 0) + 1
        self._first_tls_frame = self._first_tls_frame or frame

    # -- connections that are not followed yet ------------------------------------------------------------------------

    def _tame(self, flow: Flow) -> None:
        """Tell the tight pass what it may step over."""
        asker, quiet = flow.asker, not flow.answers
        if flow.first_client is not None:
            client = flow.client
            speaks = flow.fresh & CLIENT if asker is None else asker == client or flow.requests
            self.tame[client] = quiet and not speaks
        if flow.first_server is not None:
            server = flow.server
            speaks = flow.fresh & SERVER if asker is None else asker == server or flow.requests
            self.tame[server] = quiet and not speaks

    def _data(self, flow: Flow, item: Segment) -> Given:
        if comes_again(flow, item):
            return []
        if flow.asker is None:
            return self._first_words(flow, item)
        return self._asking(flow, item) if flow.asker == item.key else self._answering(flow, item)

    def _first_words(self, flow: Flow, item: Segment) -> Given:
        """No request has been seen on this connection."""
        key, payload = item.key, item.payload
        side = side_of(flow, key)
        if flow.fresh & side:
            place = place_of(flow, item)
            if place < 0:
                return []  # a keep-alive probe before the first byte
            if place > 0 or item.cut:
                return self._follow(flow, item)  # the first bytes are missing, or come later
        if not flow.answers and payload[:4] not in FIRST_BYTES and len(payload) > 3:
            flow.fresh &= ~side
            return []
        words = payload.lstrip(b"\r\n")
        request, response = starts_request(words), starts_response(words)
        if words and (request is None or response is None or (item.cut and (request or response))):
            return self._follow(flow, item)
        if request:
            if flow.answers:
                return self._follow(flow, item)  # its response was captured before it
            flow.asker, flow.next = key, item.sequence
            flow.fresh = 0
            return self._asking(flow, item)
        if flow.answers:
            if side_of(flow, flow.answers[0].key) == side:
                return self._early(flow, item)
            flow.answers = ()
        if response:
            look = look_at_response(words).look
            if look is Look.MAYBE or (look is Look.MORE and not flow.fresh & ~side):
                return self._follow(flow, item)
            if flow.fresh & ~side:
                flow.fresh &= ~side
                return self._early(flow, item)
        flow.fresh &= ~side
        return []

    def _early(self, flow: Flow, item: Segment) -> Given:
        """A response captured before its request, or without it: kept a while, or followed where it is SCEP's by itself."""
        for content in (item.payload, _together(flow.answers, item)):
            words = content.lstrip(b"\r\n")
            if starts_response(words) and look_at_response(words).scep:
                return self._follow(flow, item)
        if not flow.answers:
            self._waiting.append(flow)
            if len(self._waiting) > _MOST_EARLY:
                late = self._waiting.pop(0)
                if not late.followed and not late.asked:
                    late.answers = ()
                    self._tame(late)
        held = sum([len(each.payload) for each in flow.answers])
        small = len(flow.answers) < _MOST_PIECES and held < _MOST_EARLY_BYTES
        flow.answers = (*flow.answers, item) if small else ()
        return []

    def _asking(self, flow: Flow, item: Segment) -> Given:
        """Bytes of the side that sends requests."""
        size = len(item.payload) + item.cut
        ahead = distance(item.sequence, flow.next)
        if ahead < 0 and ahead + size <= 0:
            return []  # sent again, or the body of a request that was judged by its head
        if ahead or item.cut or flow.asked:
            return self._follow(flow, item)
        flow.answers = () if not flow.answers or flow.answers[0].sequence != item.acknowledgment else flow.answers
        content = _together(flow.requests, item)
        words = content.lstrip(b"\r\n")
        begins = starts_request(words)
        if not words:
            flow.next = (flow.next + size) % WRAP
            return []
        if begins is None or flow.answers:
            return self._follow(flow, item)
        seen = look_at_request(words) if begins else None
        if seen is None or seen.look is Look.NOT_HTTP:
            flow.asker, flow.requests, flow.answers = None, (), ()
            judged(flow, item.key, item.sequence)
            return []
        endpoint = _endpoint(_server(item.key), seen.target)
        if seen.scep and len(self._endpoints) < self._limits.endpoints:
            self._endpoints.add(endpoint)
        if seen.look is Look.MAYBE or len(flow.requests) > _MOST_PIECES:
            return self._follow(flow, item)
        flow.requests = (*flow.requests, item)
        self._counts[_HELD] += size
        if seen.look is Look.MORE:
            flow.next = (flow.next + size) % WRAP
            return self._relieved() if self._held_bytes > self._limits.held_bytes else []
        if endpoint in self._endpoints:
            return self._follow(flow)
        self._leave_out(endpoint)
        flow.asked = True
        flow.next = (flow.requests[0].sequence + len(content) - len(words) + seen.length) % WRAP
        flow.answer_at = item.acknowledgment if item.flags & ACK else None
        return self._relieved() if self._held_bytes > self._limits.held_bytes else []

    def _passes(self, server: bytes, target: bytes) -> bool:
        """Whether a request that is not SCEP's by what it says is left out: its server and path have not turned out to be SCEP's."""
        endpoint = self._known.get((server, target))
        if endpoint is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            endpoint = self._known[server, target] = _endpoint(server, target)
        if endpoint in self._endpoints:
            return False
        self._leave_out(endpoint)
        return True

    def _leave_out(self, endpoint: tuple[Endpoint, str]) -> None:
        """Remember a request's server and path, within bounds."""
        if endpoint in self.left_out:
            return
        size = len(endpoint[1]) + _ROOM
        within = (
            len(self.left_out) < self._limits.endpoints and self._left_out_bytes + size <= self._limits.endpoint_bytes
        )
        if within:
            self.left_out.add(endpoint)
            self._left_out_bytes += size

    def _relieved(self) -> Given:
        """Too many bytes may be held: what is held is counted, and the oldest connections are followed, which holds less."""
        for key in self.regular.holding() if self.regular is not None else ():
            self._released(key)
        flows = {flow.number: flow for flow in (*self._old.values(), *self._young.values()) if flow.requests}
        holding = dict(sorted(flows.items()))
        sizes = {
            each: sum([len(item.payload) for item in (*flow.requests, *flow.answers)]) for each, flow in holding.items()
        }
        self._counts[_HELD] = sum(sizes.values())
        given: Given = []
        for each, flow in holding.items():
            if self._held_bytes <= self._limits.held_bytes // 2:
                break
            self._counts[_HELD] -= sizes[each]
            given += self._follow(flow)
        return given

    def _answering(self, flow: Flow, item: Segment) -> Given:
        """Bytes of the side that answers."""
        words = item.payload.lstrip(b"\r\n")
        if not flow.asked:
            if flow.requests:
                return self._follow(flow, item)  # it speaks before the request is whole
            if flow.answers or (words and starts_response(words) is not False):
                return self._early(flow, item)
            return []
        size = len(item.payload) + item.cut
        if flow.answer_at is None:
            flow.answer_at = item.sequence
        held = sum([len(each.payload) for each in flow.answers]) if flow.answers else 0
        ahead = distance(item.sequence, (flow.answer_at + held) % WRAP)
        if ahead < 0 and ahead + size <= 0:
            return []
        words = _together(flow.answers, item).lstrip(b"\r\n")
        if ahead or item.cut or not starts_response(words) or len(flow.answers) > _MOST_PIECES:
            return self._follow(flow, item)
        seen = look_at_response(words)
        if seen.look is Look.MORE and flow.requests[0].payload[:7].upper().startswith((b"HEAD ", b"CONNECT")):
            seen = seen._replace(look=Look.OTHER if b"\n\r\n" in words else Look.MORE)  # no body comes
        if seen.look is Look.MORE:
            flow.answers = (*flow.answers, item)
            self._counts[_HELD] += size
            if self._held_bytes > self._limits.held_bytes:
                return self._relieved()
        elif seen.look is Look.INTERIM and seen.length == len(words):
            flow.answer_at, flow.answers = (item.sequence + size) % WRAP, ()
        elif seen.look is Look.OTHER and _tunnel_refused(flow, words):
            return self._follow(flow, item)
        elif seen.look is Look.OTHER:
            flow.requests, flow.answers, flow.asked, flow.answer_at = (), (), False, None
            judged(flow, item.key, (item.sequence + size) % WRAP)
        else:
            return self._follow(flow, item)
        return []

    def _follow(self, flow: Flow, *items: Segment) -> Given:
        """From here on everything of this connection is given on, what was held first."""
        opening = beginning(flow, items)
        held = {*flow.requests, *flow.answers, *items}.difference(opening)
        given = [*opening, *sorted(held, key=lambda each: each.frame)]
        if flow.asker is not None:
            judged(flow, flow.asker, flow.requests[0].sequence if flow.requests else flow.next)
        flow.followed = True
        self.tame.pop(flow.client, None)
        self.tame.pop(flow.server, None)
        flow.opening = flow.requests = flow.answers = ()
        for each in given:
            tells_something(flow, each)
        return [numbered(each, flow.number) for each in given]


def _says_nothing(item: Segment, *, quiet: bool) -> bool:
    """Whether a segment of a direction in ``tame`` carries no bytes or, where it is quiet, none that begin an HTTP message."""
    payload = item.payload
    if not payload:
        return not item.cut
    if not quiet:
        return False
    return payload[0] not in _INITIALS or (
        len(payload) >= _START and not item.cut and payload[:_START] not in FIRST_BYTES
    )


def _server(key: bytes) -> bytes:
    """Address and port that a direction goes to, as its key has them."""
    return key[(len(key) - 4) // 2 : -4] + key[-2:]


def _endpoint(server: bytes, target: bytes) -> tuple[Endpoint, str]:
    return endpoint_of(server), path_of(target.decode("latin-1"))


def _tunnel_refused(flow: Flow, words: bytes) -> bool:
    """Whether a proxy refuses to connect: the client's SCEP, over TLS, is then never seen."""
    return flow.requests[0].payload[:8].upper() == b"CONNECT " and words[8:10] in (b" 4", b" 5")


def _together(held: Held, item: Segment) -> bytes:
    return b"".join([each.payload for each in (*held, item)]) if held else item.payload
