"""Names and TCP: the client does not reach the server, or loses it."""

from collections.abc import Iterator

from scep_analyzer.model.findings import Evidence, Fact, Severity
from scep_analyzer.model.packets import Lookup
from scep_analyzer.model.places import called
from scep_analyzer.model.scep import FailedConnection, FailInfo, MessageType, Outcome, PkiStatus, Transaction
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
"""Ports of services other than HTTP."""
_PATIENCE_NS = 2 * 1_000_000_000
_LONG_NS = 30 * 1_000_000_000
_FULL_SIZE = 1000
"""A segment of this size is one that a tunnel's MTU may stop; it is well above every short request."""
_LOSSY = 0.02
_LONG_NAME = 60
"""Characters of a host name that still fit into a title."""


@rule.capture(ERROR, "RFC 1035, Section 4.1.1")
def dns_name_not_resolved(view: CaptureView) -> Found:
    """DNS does not resolve the name of the SCEP server.

    Seen: A DNS query for the name gets NXDOMAIN, SERVFAIL or REFUSED, or no response at all, and no connection follows.
    Why: The name in the enrollment URL is misspelled, or it is known only inside another network (split DNS).
    Why: The device has no DNS server, or cannot reach it from the interface or VRF that it enrolls from.
    Do: On the client, correct the name in the enrollment URL, or enter the server's address instead. On the DNS server, add the missing name.
    Do (ios-client): On the router, check `show hosts` and `ip name-server`, and set the VRF and the `source interface` of the trustpoint.
    Not: The SCEP server is not the cause: the client sent nothing to it.
    """
    lookups = view.scene.notices.lookups
    resolved = {(each.client, each.name) for each in lookups if each.addresses}
    hosts = {host for host in view.memory.hosts if host}
    failing: dict[tuple[str, str], list[Lookup]] = {}
    for each in lookups:
        if not each.addresses and each.code != 0 and (each.client, each.name) not in resolved:
            failing.setdefault((each.client, each.name), []).append(each)
    for (client, name), tries in failing.items():
        # A resolver also tries the name with its search domains appended.
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
        answer = _CODES.get(code, f"code {code}") if code is not None else "no response"
        frames = [frame for each in tries for frame in each.asked]
        answered = next((each.answered for each in tries if each.answered is not None), None)
        yield Evidence(
            f"{client} asks the DNS server {tries[0].server} for {name} and gets {answer}; it opens no connection to that name.",
            (
                *(Fact(frame, "dns.qry.name", name) for frame in frames[:2]),
                *((Fact(answered, "dns.flags.rcode", answer),) if answered is not None else ()),
            ),
            strength=None if known else INFERRED if hinted else POSSIBLE,
            title=f"DNS does not resolve {name} ({answer})" if len(name) <= _LONG_NAME else None,
        )


@rule.capture(INFO, "RFC 1035, Section 3.4.1")
def dns_answer_not_used(view: CaptureView) -> Found:
    """The client connects to an address that DNS did not give it.

    Seen: The address of the connection is not among those that the DNS server gave this client for the name in the Host header.
    Why: The client has the name in a hosts file, uses a proxy, or keeps an older DNS response.
    Do: Check that this address is the server that you expect; if it is not, correct the hosts file or the proxy setting on the client.
    Not: This is not a fault if the address is right.
    """
    given: dict[tuple[str, str], dict[str, int | None]] = {}
    for each in view.scene.notices.lookups:
        given.setdefault((each.client, each.name), {}).update(dict.fromkeys(each.addresses, each.answered))
    for (client, host, server), frame in view.memory.reached.items():
        found = given.get((client, host), {})
        if found and server not in found and (":" in server) in {":" in one for one in found}:
            addresses = ", ".join(sorted(found))
            yield Evidence(
                f"DNS gives {client} the address {addresses} for {host}, but the client connects to {server}.",
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

    Seen: The SYN gets an RST.
    Why: No program listens on this port: the SCEP service is stopped, or the port in the enrollment URL is wrong.
    Why: A firewall on the server, or in front of it, rejects the connection.
    Do: Check that the SCEP service listens on this port of the server (Linux: `ss -ltnp`, Windows: `netstat -ano`); then check the port in the
        enrollment URL on the client.
    Do (ndes): On the NDES server, start the World Wide Web Publishing Service (`net start w3svc`) and check the site's Bindings in IIS Manager.
    Do (step-ca): For HTTP, set `"insecureAddress": ":8080"` in ca.json and restart step-ca: without it, step-ca listens for HTTPS only.
    Do (ios-ca): On the CA router, enter `ip http server`; `show crypto pki server` must show "enabled".
    Do (fortiauthenticator): Under Network, Interface, enable SCEP on the interface.
    Not: The network path works: the RST comes from the server or from a firewall in front of it.
    """
    if failed.how == "refused" and _matters(failed, transaction, view):
        *asked, reset = failed.frames
        yield Evidence(
            f"{failed.server} refuses the connection from {failed.client.address} (RST in {called(reset)}).",
            (Fact(asked[0], "tcp.flags", "SYN"), Fact(reset, "tcp.flags", "RST")),
            title=f"{failed.server} refuses the connection",
            **_severity(transaction),  # type: ignore[arg-type]  # both are what their names say
        )


@rule.failure(ERROR, "RFC 9293, Section 3.8.3")
def tcp_connect_timeout(failed: FailedConnection, transaction: Transaction | None, view: CaptureView) -> Found:
    """The server does not respond to the connection attempt.

    Seen: The client sends its SYN several times and gets no response.
    Why: A firewall drops the packets, a route is missing, or the server is down.
    Why: The device uses a source interface or a VRF that cannot reach the server.
    Do: From the client's network, test the port of the server (`nc -vz SERVER PORT`, `Test-NetConnection SERVER -Port PORT`); then open the firewall
        or correct the route.
    Do (ios-client): Under the trustpoint, set `source interface` to an interface that can reach the server.
    Do (fortigate): In the certificate's settings, set `set source-ip` to an address that can reach the server.
    Not: SCEP is not the cause: the client could not send a request.
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
    said = f" (ICMP: {told[0].value})" if told else ""
    yield Evidence(
        f"{failed.client.address} sends {count(len(failed.frames), 'SYN')} to {failed.server} and gets no SYN-ACK{said}.",
        (*(Fact(each, "tcp.flags", "SYN") for each in failed.frames[:3]), *told),
        title=f"{failed.server} does not respond to the connection attempt",
        **_severity(transaction),  # type: ignore[arg-type]  # both are what their names say
    )


@rule.failure(ERROR, "RFC 1812, Section 5.2.7.1", "RFC 4443, Section 3.1")
def tcp_admin_prohibited(failed: FailedConnection, transaction: Transaction | None, view: CaptureView) -> Found:
    """A firewall or router forbids the connection.

    Seen: An ICMP error "administratively prohibited" quotes the SYN.
    Why: An access list in the path forbids it, usually on the device that sends the ICMP message.
    Do: On the device that sends the ICMP message, allow TCP from the client to the port of the SCEP server.
    Not: The server is not the cause: it never saw the connection.
    """
    told = _prohibited(failed, view.scene)
    if told and (_matters(failed, transaction, view) or failed.server in view.memory.servers):
        yield Evidence(
            f"A device in the path forbids the connection from {failed.client.address} to {failed.server}: ICMP {told[0].value}.",
            (*((Fact(failed.frames[0], "tcp.flags", "SYN"),) if failed.connection >= 0 else ()), *told[:2]),
            **_severity(transaction),  # type: ignore[arg-type]  # both are what their names say
        )


@rule.exchange(ERROR, "RFC 9293, Section 3.10.7.4", where=("incomplete",))
def tcp_reset_during_exchange(view: View) -> Found:
    """The connection is reset before the response is complete.

    Seen: An RST comes after bytes of the request and before the end of the response.
    Why: A firewall, IPS or WAF blocks the long URL or the binary body.
    Why: The server's process crashed, or a timer for idle connections ran out.
    Do: On the host or firewall that sends the RST, read the log at this time. A TTL that differs from the other packets of that address points to a
        device in between.
    Do (ndes): On the NDES server, look for Connection_Abandoned_By_ReqQueue in %SystemRoot%\\System32\\LogFiles\\HTTPERR\\httperr*.log. If it is not there, a
        device in the path sent the RST.
    Not: This is not a SCEP refusal: the server perhaps never read the request.
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
        told = (
            f" (TTL {facts.reset_ttl}, as its other packets)"
            if facts.reset_ttl == side.ttl
            else f" (TTL {facts.reset_ttl}, its other packets: {side.ttl})"
        )
        if facts.reset_ttl != side.ttl:
            causes = (
                f"A device between client and server sends the RST: its TTL is {facts.reset_ttl}, that of the {sender}'s other packets {side.ttl}.",
            )
    sent = view.asked.body.length + len(view.target)
    yield Evidence(
        f"An RST with the address of the {sender}{told} ends the connection before the response to {view.operation or 'the request'} is complete.",
        (
            view.q("http.request", f"{view.method}, about {sent:,} bytes"),
            Fact(facts.reset_frame, "tcp.flags", f"RST from the {sender}"),
            Fact(facts.reset_frame, "ip.ttl", f"{facts.reset_ttl or '?'} (others: {side.ttl or '?'})"),
        ),
        causes=causes,
        title=f"The connection is reset before the response to {view.operation or 'the request'} is complete",
    )


@rule.exchange(ERROR, "RFC 4459, Section 2", "RFC 2923, Section 2.1", strength=INFERRED, where=("incomplete",))
def tcp_request_never_acked(view: View) -> Found:
    """Full-size packets of the request are lost (MTU problem).

    Seen: Small segments are acknowledged; full-size segments are sent several times and never acknowledged.
    Why: A tunnel (GRE, IPsec, PPPoE) in the path carries only smaller packets, and a firewall filters the ICMP message that says so.
    Matters: PKIOperation is often the first large packet that a device sends.
    Else: On the tunnel endpoint, reduce the TCP MSS to fit the tunnel (for example 1360), and let ICMP "fragmentation needed" and "packet too big"
        through.
    Do (ios-client): On the tunnel interface, enter `ip tcp adjust-mss 1360`; `ping SERVER size 1500 df-bit` shows the limit.
    Not: This is not a refusal: the server never got the request.
    """
    facts = view.facts
    if facts is None or view.answer is not None or view.asked is None:
        return
    side = facts.client
    acknowledged = side.octets > side.unacknowledged or facts.server.segments or facts.connection.opening_seen
    if side.resent_count >= 2 and side.resent_size >= _FULL_SIZE and side.unacknowledged >= _FULL_SIZE and acknowledged:
        yield Evidence(
            f"The client sends {side.unacknowledged:,} bytes of {view.operation or 'the request'} {side.resent_count + 1} times in segments of up to "
            f"{side.resent_size:,} bytes; the server never acknowledges them.",
            tuple(
                Fact(each, "tcp.analysis.retransmission", f"up to {side.resent_size} bytes") for each in side.resent[:4]
            ),
        )


@rule.exchange(ERROR, "RFC 9112, Section 9.5", where=("incomplete",))
def http_no_response(view: View) -> Found:
    """The server does not respond to the request.

    Seen: The request is complete, and no byte of a response comes before the connection ends.
    Why: The server waits for its CA or for a CRL.
    Why: The process of the server ended, or a proxy closed the connection.
    Do: On the server, read the log at the time of the request, and check that it reaches its CA and the CRL addresses.
    Do (ndes): On the NDES server, run `certutil -ping -config "CAHOST\\CANAME"`, and look in httperr*.log under
        %SystemRoot%\\System32\\LogFiles\\HTTPERR for Connection_Abandoned.
    Not: This is not a refusal: a refusal is a response.
    """
    if view.asked is None or view.answer is not None or not view.asked.complete or view.exchange.operation is None:
        return
    facts, gone = view.facts, view.http.gone
    if view.holes(server=True) or (facts is not None and facts.one_way):
        return  # it may have been sent and not captured
    last = view.scene.last_ns
    end = {"fin": "the connection is closed", "rst": "the connection is reset", "reused": "the client connects again"}
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
        f"{view.operation} gets no response: {how} after {seconds(max(until - since, 0))}.",
        (view.q("http.request", view.operation), *(Fact(each, "tcp.flags", "the end") for each in frames if each)),
        title=f"The server does not respond to {view.operation}",
    )


@rule.exchange(WARNING, "RFC 9112, Section 9.5")
def client_gave_up(view: View) -> Found:
    """The client closes the connection before the server responds.

    Seen: The client sends FIN or RST while the response is outstanding. Or the server refuses a request, and the client hung up on its attempt before.
    Why: The server does not respond within the client's timeout.
    Matters: The server may have used up the challenge password by then. The next attempt is then refused, though the request is correct.
    Do: On the client, raise the timeout, and use a new challenge password for the next attempt. On the server, find out what it waits for.
    Do (strongswan): In strongswan.conf, raise `pki.scep.http_timeout` (default 30 s).
    Do (ios-client): Under the trustpoint, `enrollment retry period` and `enrollment retry count` set how often the router tries again.
    Not: The network is not the cause if the request was acknowledged.
    """
    yield from _hung_up_before(view)
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
            f"The client closes the connection {seconds(waited)} after {view.operation or 'its request'}; the server had not responded.",
            (view.q("http.request", view.operation or view.target), Fact(frame, "tcp.flags", "the client's end")),
            title=f"The client closes the connection after {seconds(waited)}, before the server responds",
        )
    elif (
        view.answer is not None
        and view.answer.time_ns is not None
        and facts.client.fin_ns is not None
        and facts.client.fin_ns < view.answer.time_ns
        and facts.reset_by_client  # one that only closed its own direction would read the response
    ):
        late = view.answer.time_ns - facts.client.fin_ns
        granted = view.reply is not None and view.reply.pki_status == PkiStatus.SUCCESS
        yield Evidence(
            f"The client closes the connection {seconds(client_end - view.asked.time_ns)} after {view.operation or 'its request'}; the response comes "
            f"{seconds(late)} later, and the client resets the connection.",
            (view.a("http.response", f"{seconds(late)} too late"), Fact(frame, "tcp.flags", "the client's end")),
            title=f"The response comes {seconds(late)} after the client has hung up",
            severity=Severity.ERROR if granted else None,
        )
    elif view.answer is not None and not view.answer.complete and facts.reset_by_client and view.answer.cut_by == "rst":
        yield Evidence(
            f"The client resets the connection while the response to {view.operation or 'its request'} arrives. A challenge password that is valid once is used up by then.",
            (view.a("http.response", "not whole"), Fact(frame, "tcp.flags", "the client's end")),
            title="The client closes the connection before the response is complete",
        )


_VALID_NS = 3600 * 1_000_000_000
"""How long a challenge password is usually good for: NDES's 60 minutes."""


def _hung_up_before(view: View) -> Iterator[Evidence]:
    """The attempt of an earlier transaction on which this client hung up: the server may have used up its challenge password by then."""
    message, whole = view.request, view.transaction
    if not view.refused or message is None or whole is None or message.message_type != MessageType.PKCSReq:
        return
    if view.reply is None or view.reply.fail_info not in (FailInfo.badMessageCheck, FailInfo.badRequest):
        return
    challenge = view.csr.challenge_password.value if view.csr is not None and view.csr.challenge_password else None
    mine = [
        each
        for each in view.memory.attempts
        if (each.client, each.server) == (view.http.client.address, view.http.server)
        and each.subject == whole.subject
        and not each.leg
        and 0 <= (view.http.time_ns or 0) - each.time_ns <= _VALID_NS
    ]
    # What it got after that attempt, it got with another password.
    last = mine[-1] if mine else None
    if last is None or not last.gave_up or (challenge and last.challenge and challenge != last.challenge):
        return
    yield Evidence(
        f"The client hung up on its attempt in {called(last.frame)}, before it had the response; the server refuses the next attempt, in {called(view.ask)}.",
        (
            Fact(last.frame, "PKIOperation", "the client hung up"),
            view.a("CertRep.signedAttrs.failInfo", str(view.reply.fail_info)),
        ),
        title="The client hung up on its attempt before, which may have used up the challenge password",
        strength=INFERRED,
    )


@rule.transaction(INFO, "RFC 6298, Section 5")
def tcp_high_loss(view: TransactionView) -> Found:
    """The link loses packets.

    Seen: More than 2 % of the segments with data are sent again.
    Why: The link is bad, a queue is full, or the duplex settings of two interfaces differ.
    Do: On the switches and routers in the path, read the error and drop counters of the interfaces.
    Not: SCEP is not the cause.
    """
    numbers = {each.http.connection for each in view.views}
    sides = [
        side for at in numbers if (facts := view.scene.connections.get(at)) for side in (facts.client, facts.server)
    ]
    segments, resent = sum(each.segments for each in sides), sum(each.resent_count for each in sides)
    if resent >= 2 and resent > _LOSSY * segments:
        frames = sorted(frame for side in sides for frame in side.resent)
        yield Evidence(
            f"{resent} of {count(segments, 'segment')} with data are retransmissions ({100 * resent / segments:.0f} %).",
            tuple(Fact(each, "tcp.analysis.retransmission", "sent before") for each in frames[:4]),
        )
