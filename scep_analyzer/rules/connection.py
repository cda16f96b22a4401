"""Names and TCP: the client does not reach the server, or loses it."""

from scep_analyzer.model.findings import Evidence, Fact
from scep_analyzer.model.packets import Lookup
from scep_analyzer.model.scep import FailedConnection, Outcome, Transaction
from scep_analyzer.rules._rule import ERROR, INFERRED, INFO, POSSIBLE, WARNING, Found, rule
from scep_analyzer.rules._views import CaptureView, Scene, TransactionView, View
from scep_analyzer.rules._words import count, seconds

_CODES = {2: "SERVFAIL", 3: "NXDOMAIN", 5: "REFUSED"}
_HINTS = ("scep", "ndes", "pki", "cert", "enrol", "msappproxy", "ca.", "ca-", "-ca", "ejbca")
_FEW = 10
_PROHIBITED = {False: {(3, 9), (3, 10), (3, 13)}, True: {(1, 1)}}
_UNREACHABLE_WORDS = {
    (False, 0): "network unreachable",
    (False, 1): "host unreachable",
    (False, 3): "port unreachable",
    (True, 0): "no route",
    (True, 3): "address unreachable",
    (True, 4): "port unreachable",
}
_OTHER_PORTS = frozenset(
    {
        20,
        21,
        22,
        23,
        25,
        53,
        88,
        110,
        135,
        139,
        143,
        389,
        445,
        464,
        465,
        587,
        636,
        853,
        993,
        995,
        1433,
        3268,
        3306,
        3389,
        5222,
        5223,
        5900,
    }
)
"""Ports of services that are no HTTP."""
_PATIENCE_NS = 2 * 1_000_000_000
_LONG_NS = 30 * 1_000_000_000
_FULL_SIZE = 1000
"""A segment of this size is one that a tunnel's MTU may stop; it is well above every short request."""
_LOSSY = 0.02


@rule.capture(ERROR, "RFC 1035, Section 4.1.1")
def dns_name_not_resolved(view: CaptureView) -> Found:
    """The name of the SCEP server cannot be resolved.

    Seen: A question for the name is answered with NXDOMAIN, SERVFAIL or REFUSED, or not at all, and no connection follows.
    Why: The name in the enrollment URL is misspelt, or known only inside another network (split DNS).
    Why: The device has no name server, or cannot reach it from the interface or VRF that it enrolls from.
    Do: Correct the name or the DNS zone, or use the server's address in the enrollment URL.
    Not: A fault of the SCEP server: nothing was sent to it.
    """
    lookups = view.scene.notices.lookups
    resolved = {(each.client, each.name) for each in lookups if each.addresses}
    hosts = {host for host in view.memory.hosts if host}
    failing: dict[tuple[str, str], list[Lookup]] = {}
    for each in lookups:
        if not each.addresses and each.code != 0 and (each.client, each.name) not in resolved:
            failing.setdefault((each.client, each.name), []).append(each)
    for (client, name), tries in failing.items():
        # A resolver also tries the name with its search domains behind it.
        if any(client == other and name.startswith(found + ".") for other, found in resolved):
            continue
        known = name in hosts
        hinted = any(hint in name for hint in _HINTS)
        if not known and (view.exchanges or not (hinted or len(failing) <= _FEW)):
            continue
        code = next((each.code for each in tries if each.code is not None), None)
        asked_ns = max((each.time_ns or 0 for each in tries), default=0)
        if (
            code is None
            and sum(len(each.asked) for each in tries) < 2
            and (view.scene.last_ns or 0) - asked_ns < _PATIENCE_NS
        ):
            continue  # one question at the end of a capture proves nothing
        answer = _CODES.get(code, f"code {code}") if code is not None else "no answer"
        frames = [frame for each in tries for frame in each.asked]
        answered = next((each.answered for each in tries if each.answered is not None), None)
        yield Evidence(
            f"{client} asked {tries[0].server} for {name} and got {answer}; no connection to that name follows.",
            (
                *(Fact(frame, "dns.qry.name", name) for frame in frames[:2]),
                *((Fact(answered, "dns.flags.rcode", answer),) if answered is not None else ()),
            ),
            strength=None if known else INFERRED if hinted else POSSIBLE,
        )


@rule.capture(INFO, "RFC 1035, Section 3.4.1")
def dns_answer_not_used(view: CaptureView) -> Found:
    """The client connects to another address than DNS gave it.

    Seen: The address of the connection is not among those that the name server gave this client for the name in the Host header.
    Why: A hosts file, a proxy, or an old answer that the client kept.
    Do: Check that this address is the server you expect.
    Not: A fault in itself.
    """
    given: dict[tuple[str, str], dict[str, int | None]] = {}
    for each in view.scene.notices.lookups:
        given.setdefault((each.client, each.name), {}).update(dict.fromkeys(each.addresses, each.answered))
    for (client, host, server), frame in view.memory.reached.items():
        found = given.get((client, host), {})
        if found and server not in found and (":" in server) in {":" in one for one in found}:
            addresses = ", ".join(sorted(found))
            yield Evidence(
                f"DNS gave {client} {addresses} for {host}, but it connects to {server}.",
                (Fact(next(iter(found.values())), "dns.a", addresses), Fact(frame, "ip.dst", server)),
            )


def _matters(failed: FailedConnection, transaction: Transaction | None, view: CaptureView) -> bool:
    """Whether a failed connection that belongs to no transaction may have been meant for SCEP."""
    return transaction is not None or (not view.exchanges and failed.server.port not in _OTHER_PORTS)


def _severity(transaction: Transaction | None) -> dict[str, object]:
    """Where the client got through in the end, a failed attempt is only a warning."""
    stopped = transaction is None or transaction.outcome is Outcome.CONNECTION_FAILED
    return {"severity": None if stopped else WARNING, "strength": None if transaction is not None else INFERRED}


def _prohibited(failed: FailedConnection, scene: Scene) -> list[Fact]:
    return [
        Fact(each.frame, "icmpv6.code" if each.v6 else "icmp.code", f"{each.type}/{each.code} from {each.sender}")
        for each in scene.notices.unreachable
        if (each.client, each.server) == (failed.client, failed.server)
        and (each.type, each.code) in _PROHIBITED[each.v6]
    ]


@rule.failure(ERROR, "RFC 9293, Section 3.10.7.1")
def tcp_refused(failed: FailedConnection, transaction: Transaction | None, view: CaptureView) -> Found:
    """The server refuses the connection.

    Seen: The SYN is answered with RST.
    Why: Nothing listens on this port: the web service is stopped, or the port in the URL is wrong.
    Why: A firewall on the server rejects the connection.
    Do: Start the web service (W3SVC on NDES), check its binding and the port in the enrollment URL.
    Not: A network fault: the answer came from the server or a firewall in front of it.
    """
    if failed.how == "refused" and _matters(failed, transaction, view):
        *asked, reset = failed.frames
        yield Evidence(
            f"{failed.server} refused the connection from {failed.client.address} (RST).",
            (Fact(asked[0], "tcp.flags", "SYN"), Fact(reset, "tcp.flags", "RST")),
            **_severity(transaction),  # type: ignore[arg-type]  # both are what their names say
        )


@rule.failure(ERROR, "RFC 9293, Section 3.8.3")
def tcp_connect_timeout(failed: FailedConnection, transaction: Transaction | None, view: CaptureView) -> Found:
    """The server never answers the connection attempt.

    Seen: SYNs are sent again and again without any answer.
    Why: A firewall drops them, there is no route, or the server is down.
    Why: The device uses a source interface or VRF that cannot reach the server.
    Do: Test the port from the same VLAN; set the source interface of the enrollment; open the firewall.
    Not: A fault of SCEP: the request was never sent.
    """
    if failed.how != "unanswered" or not _matters(failed, transaction, view) or _prohibited(failed, view.scene):
        return
    if len(failed.frames) < 2:
        return
    unreachable = [
        each for each in view.scene.notices.unreachable if (each.client, each.server) == (failed.client, failed.server)
    ]
    told = tuple(
        Fact(
            each.frame,
            "icmp.code",
            f"{_UNREACHABLE_WORDS.get((each.v6, each.code), f'code {each.code}')}, says {each.sender}",
        )
        for each in unreachable[:2]
    )
    said = f"; {told[0].value}" if told else ""
    yield Evidence(
        f"{failed.server} never answered {failed.client.address}: {count(len(failed.frames), 'SYN')}, no SYN-ACK{said}.",
        (*(Fact(each, "tcp.flags", "SYN") for each in failed.frames[:3]), *told),
        **_severity(transaction),  # type: ignore[arg-type]  # both are what their names say
    )


@rule.failure(ERROR, "RFC 1812, Section 5.2.7.1", "RFC 4443, Section 3.1")
def tcp_admin_prohibited(failed: FailedConnection, transaction: Transaction | None, view: CaptureView) -> Found:
    """A firewall or router forbids the connection.

    Seen: An ICMP error "administratively prohibited" quotes the SYN.
    Why: An access list on the way, most often on the sender of the ICMP message.
    Do: Open the path from the device to the SCEP server's port.
    Not: A fault of the server: it never saw the request.
    """
    told = _prohibited(failed, view.scene)
    if told and (_matters(failed, transaction, view) or failed.server in view.memory.servers):
        yield Evidence(
            f"The connection from {failed.client.address} to {failed.server} is forbidden on the way: ICMP {told[0].value}.",
            (*((Fact(failed.frames[0], "tcp.flags", "SYN"),) if failed.connection >= 0 else ()), *told[:2]),
            **_severity(transaction),  # type: ignore[arg-type]  # both are what their names say
        )


@rule.exchange(ERROR, "RFC 9293, Section 3.10.7.4")
def tcp_reset_during_exchange(view: View) -> Found:
    """The connection is reset in the middle of the exchange.

    Seen: An RST after bytes of the request and before the whole answer.
    Why: A firewall, IPS or WAF dislikes the long URL or the binary body.
    Why: The server's worker process crashed, or a timer for idle connections fired.
    Do: Compare the RST's TTL with the peer's other packets: another TTL means a box in between; look into its log.
    Not: A SCEP answer: the server may never have read the request.
    """
    facts = view.facts
    if facts is None or facts.reset_frame is None or view.asked is None:
        return
    unanswered = view.answer is None and view.http.gone == "rst"
    if not unanswered and not (view.answer is not None and not view.answer.complete and view.answer.cut_by == "rst"):
        return
    sender, side = ("client", facts.client) if facts.reset_by_client else ("server", facts.server)
    waited = (facts.reset_ns or 0) - (view.asked.time_ns or 0)
    if facts.reset_by_client and facts.reset_ttl == side.ttl and waited > _PATIENCE_NS:
        return  # it is the client itself, and has waited: client-gave-up
    told, causes = "", tuple[str, ...]()
    if facts.reset_ttl and side.ttl:
        told = f" with TTL {facts.reset_ttl}, its other packets have {side.ttl}"
        if facts.reset_ttl != side.ttl:
            causes = ("The RST has another TTL than the other packets of that address: a box in between has sent it.",)
    sent = view.asked.body.length + len(view.target)
    yield Evidence(
        f"An RST in the name of the {sender} ends {view.operation or 'the exchange'} before its answer is whole{told}.",
        (
            view.q("http.request", f"{view.method}, about {sent:,} bytes"),
            Fact(facts.reset_frame, "tcp.flags", f"RST from the {sender}"),
            Fact(facts.reset_frame, "ip.ttl", f"{facts.reset_ttl or '?'} (others: {side.ttl or '?'})"),
        ),
        causes=causes,
    )


@rule.exchange(ERROR, "RFC 4459, Section 2", "RFC 2923, Section 2.1", strength=INFERRED)
def tcp_request_never_acked(view: View) -> Found:
    """Large packets of the request never arrive.

    Seen: Small segments are acknowledged; full-size ones are sent again and again and never are.
    Why: A tunnel (GRE, IPsec, PPPoE) on the way carries smaller packets only, and the ICMP message that says so is filtered. PKIOperation is often
        a device's first large packet.
    Do: Clamp the MSS on the tunnel (`ip tcp adjust-mss`), allow ICMP "fragmentation needed" and "packet too big".
    Not: A server that refuses: it never got the request.
    """
    facts = view.facts
    if facts is None or view.answer is not None or view.asked is None:
        return
    side = facts.client
    acknowledged = side.octets > side.unacknowledged or facts.server.segments or facts.connection.opening_seen
    if side.resent_count >= 2 and side.resent_size >= _FULL_SIZE and side.unacknowledged >= _FULL_SIZE and acknowledged:
        yield Evidence(
            f"{side.unacknowledged:,} bytes of {view.operation or 'the request'} were sent {side.resent_count + 1} times in segments of up to "
            f"{side.resent_size:,} bytes and never acknowledged.",
            tuple(
                Fact(each, "tcp.analysis.retransmission", f"up to {side.resent_size} bytes") for each in side.resent[:4]
            ),
        )


@rule.exchange(ERROR, "RFC 9112, Section 9.3")
def http_no_response(view: View) -> Found:
    """The server does not answer.

    Seen: The request is whole; no byte of an answer comes until the connection ends.
    Why: The server waits for its CA or for a CRL, its worker process was recycled, or a proxy gave up.
    Do: Look into the server's log at that second; see ndes-to-ca-rpc-fails and ndes-crl-fetch-fails.
    Not: A refusal: that would be an answer.
    """
    if view.asked is None or view.answer is not None or not view.asked.complete or view.exchange.operation is None:
        return
    facts, gone = view.facts, view.http.gone
    if view.holes(server=True) or (facts is not None and facts.one_way):
        return  # it may have been sent and not captured
    last = view.scene.last_ns
    end = {"fin": "the connection was closed", "rst": "the connection was reset", "reused": "the client connected anew"}
    since = view.asked.time_ns or 0
    if gone in end:
        times = [each for each in (facts.client.fin_ns, facts.server.fin_ns, facts.reset_ns) if each] if facts else []
        until, how = (min(times, default=since), end[gone])
    elif gone == "end-of-capture" and last is not None and last - since >= _LONG_NS:
        until, how = last, "the capture ends"
    else:
        return
    frames = [facts.server.fin_frame or facts.client.fin_frame, facts.reset_frame] if facts is not None else []
    yield Evidence(
        f"{view.operation} got no answer: {how} after {seconds(max(until - since, 0))}.",
        (view.q("http.request", view.operation), *(Fact(each, "tcp.flags", "the end") for each in frames if each)),
    )


@rule.exchange(WARNING, "RFC 9112, Section 9.5")
def client_gave_up(view: View) -> Found:
    """The client closes the connection before the server has answered.

    Seen: The client sends FIN or RST while the answer is still owed.
    Why: The client's timer is shorter than the time that the server and its CA need.
    Matters: The server may have used up the challenge password by then: the next try is refused, though nothing about it is wrong.
    Do: Raise the client's timer, find out what the server waits for, and give the next try a new challenge password.
    Do (strongswan): `pki.scep.http_timeout` (30 s) in strongswan.conf.
    Do (ios-client): `enrollment retry period` and `count` under the trustpoint say how often it asks again.
    Not: A fault of the network.
    """
    facts = view.facts
    if facts is None or view.asked is None or not view.asked.complete or view.holes(server=True) or facts.one_way:
        return
    client_end = (
        facts.client.fin_ns if facts.client.fin_ns is not None else facts.reset_ns if facts.reset_by_client else None
    )
    frame = facts.client.fin_frame or (facts.reset_frame if facts.reset_by_client else None)
    if client_end is None or view.asked.time_ns is None:
        return
    server_first = facts.server.fin_ns is not None and facts.server.fin_ns < client_end
    if view.answer is None and not server_first:
        waited = client_end - view.asked.time_ns
        yield Evidence(
            f"The client gave up on {view.operation or 'its request'} after {seconds(waited)}.",
            (view.q("http.request", view.operation or view.target), Fact(frame, "tcp.flags", "the client's end")),
        )
    elif view.answer is not None and not view.answer.complete and facts.reset_by_client and view.answer.cut_by == "rst":
        yield Evidence(
            f"The client reset the connection while the answer to {view.operation or 'its request'} was arriving.",
            (view.a("http.response", "not whole"), Fact(frame, "tcp.flags", "the client's end")),
        )


@rule.transaction(INFO, "RFC 6298, Section 5")
def tcp_high_loss(view: TransactionView) -> Found:
    """The link loses packets.

    Seen: More than 2 % of the segments that carry bytes were sent again.
    Why: A bad link, a full queue, a duplex mismatch.
    Do: Look at the interface counters on the way; it explains slow or failed attempts.
    Not: A fault of SCEP.
    """
    numbers = {each.http.connection for each in view.views}
    sides = [
        side for at in numbers if (facts := view.scene.connections.get(at)) for side in (facts.client, facts.server)
    ]
    segments, resent = sum(each.segments for each in sides), sum(each.resent_count for each in sides)
    if resent >= 2 and resent > _LOSSY * segments:
        frames = sorted(frame for side in sides for frame in side.resent)
        yield Evidence(
            f"{resent} of {count(segments, 'segment')} were retransmissions ({100 * resent / segments:.0f} %).",
            tuple(Fact(each, "tcp.analysis.retransmission", "sent before") for each in frames[:4]),
        )
