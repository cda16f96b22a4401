"""What gets lost between client and server though both are there: large responses, closed windows, other addresses, proxies that refuse."""

from collections.abc import Iterator

from scep_analyzer.model.exchanges import HttpExchange, header
from scep_analyzer.model.findings import Evidence, Fact, Severity
from scep_analyzer.model.packets import Lookup
from scep_analyzer.model.places import called
from scep_analyzer.model.scep import Outcome
from scep_analyzer.rules import product_marks as marks
from scep_analyzer.rules._memory import Ending
from scep_analyzer.rules._rule import ERROR, INFERRED, POSSIBLE, WARNING, Found, rule
from scep_analyzer.rules._views import CaptureView, View
from scep_analyzer.rules._words import count, shown

_FULL_SIZE = 1000
"""A segment of this size is one that a tunnel's MTU may stop; it is well above every short request."""
_HINTS = ("scep", "ndes", "pki", "cert", "enrol", "msappproxy", "ejbca")
_FEW = 10


@rule.exchange(ERROR, "RFC 4459, Section 2", "RFC 2923, Section 2.1", strength=INFERRED)
def tcp_reply_never_acked(view: View) -> Found:
    """Large packets of the response never arrive (MTU problem).

    Seen: The server sends full-size segments of the response again and again, and the client never acknowledges them.
    Why: A tunnel (GRE, IPsec, PPPoE) on the way to the client carries only smaller packets, and the ICMP message that reports this is filtered.
    Why: A firewall that saw only one direction of the connection drops the response.
    Matters: The client waits for the certificates until its timeout and starts again. Short responses such as GetCACaps get through.
    Do: On the tunnel or router, clamp the TCP MSS (for example to 1360), and allow ICMP "fragmentation needed" and "packet too big" to the server.
    Do (ios-client): On the tunnel interface, set `ip tcp adjust-mss 1360`. `ping SERVER size 1500 df-bit` shows whether full-size packets get
        through.
    Do (ndes): On the tunnel or router, clamp the TCP MSS to 1360, and allow ICMP "fragmentation needed" to the server. On the
        NDES server, `ping -f -l 1472 CLIENT` shows whether full-size packets get through.
    Not: It is not a client that rejects the response: the client never received it.
    """
    facts = view.facts
    if facts is None or facts.one_way:
        return
    side = facts.server
    if side.resent_count < 2 or side.resent_size < _FULL_SIZE or side.unacknowledged < _FULL_SIZE:
        return
    if view.ans is None or side.resent[-1] < view.ans:
        return  # an earlier response on this connection
    yield Evidence(
        f"The server sends {side.unacknowledged:,} bytes of the response to {view.operation or 'the request'} {side.resent_count + 1} times, in segments "
        f"of up to {side.resent_size:,} bytes; {view.http.client.address} never acknowledges them.",
        tuple(Fact(each, "tcp.analysis.retransmission", f"up to {side.resent_size} bytes") for each in side.resent[:4]),
    )


@rule.exchange(ERROR, "RFC 9293, Section 3.8.6")
def tcp_zero_window(view: View) -> Found:
    """One side stops reading (TCP zero window).

    Seen: One side closes its TCP receive window and does not open it again; the message stays incomplete.
    Why: The program that should read hangs or is overloaded.
    Why: A proxy waits for a server behind it.
    Matters: The other side must stop sending and finally gives up.
    Do: On the side that closed its window, check the process that should read: its load, its log at that time, and whether it hangs.
    Not: It is not packet loss: the packets arrive, and the program does not read them.
    """
    facts = view.facts
    if facts is None:
        return
    answer_cut = view.answer is None or not view.answer.complete
    request_cut = view.asked is not None and not view.asked.complete
    for name, side, cut in (("client", facts.client, answer_cut), ("server", facts.server, request_cut)):
        if (
            side.shut_frame is not None
            and cut
            and side.shut_frame >= view.http.frame
            and not view.holes(client=True, server=True)
        ):
            what = "the response" if name == "client" else "the request"
            yield Evidence(
                f"The {name} closes its receive window in {called(side.shut_frame)} and does not open it again; {what} "
                f"{'to' if name == 'client' else 'for'} {view.operation or 'this exchange'} is incomplete.",
                (Fact(side.shut_frame, "tcp.window_size_value", "0"),),
                title=f"The {name} stops reading (TCP zero window)",
            )


@rule.capture(WARNING, "RFC 1034, Section 3.6", strength=INFERRED)
def dns_answers_differ(view: CaptureView) -> Found:
    """One host name resolves to different servers.

    Seen: Two name servers return different addresses for the SCEP server's name. SCEP works at one address and fails at the other.
    Why: A name server still returns the address of the old server: an outdated zone, a hosts file or an old cache.
    Why: Split DNS returns different addresses inside and outside on purpose, and only one of them leads to the SCEP server.
    Matters: Clients of one name server can enroll, and clients of the other cannot.
    Else: On the name server that returns the failing address, correct the record; then flush the DNS caches of the clients and resolvers.
    Do (windows-mdm): On the name server, correct the record; then run `ipconfig /flushdns` on the device.
    Not: It is not a wrong path in the enrollment URL: the same URL works at the other address.
    """
    given: dict[str, list[Lookup]] = {}
    for each in view.scene.notices.lookups:
        if each.addresses:
            given.setdefault(each.name, []).append(each)
    works = {
        (ending.host, ending.server.address): ending
        for ending in view.memory.endings
        if ending.outcome in (Outcome.SUCCESS, Outcome.FAILURE, Outcome.PENDING)
    }
    for ending in view.memory.endings:
        lookups = given.get(ending.host, [])
        mine = next(
            (each for each in lookups if each.client == ending.client and ending.server.address in each.addresses), None
        )
        if mine is None or ending.outcome not in (Outcome.HTTP_ERROR, Outcome.CONNECTION_FAILED, Outcome.UNANSWERED):
            continue
        other = next((each for each in lookups if not set(each.addresses) & set(mine.addresses)), None)
        good = _good(works, ending, other)
        if other is None or good is None:
            continue
        yield Evidence(
            f"For {ending.host}, name server {mine.server} returns {ending.server.address} to {ending.client}, and {other.server} returns "
            f"{good.server.address} to {other.client}. SCEP works at {good.server.address} and fails at {ending.server.address}.",
            (
                Fact(mine.answered, "dns.a", ", ".join(mine.addresses)),
                Fact(other.answered, "dns.a", ", ".join(other.addresses)),
                *((Fact(good.frame, "http", f"SCEP at {good.server.address}"),) if good.frame else ()),
            ),
            severity=Severity.ERROR,
            transaction=ending.number,
            exchange=ending.decisive,
            title=f"{ending.host} resolves to different servers",
        )


def _good(works: dict[tuple[str, str], Ending], bad: Ending, other: Lookup | None) -> Ending | None:
    """A transaction at one of the other addresses that got a SCEP response."""
    found = (works.get((bad.host, each)) for each in (other.addresses if other is not None else ()))
    return next((each for each in found if each is not None), None)


@rule.capture(ERROR, "RFC 9110, Section 9.3.6")
def proxy_connect_refused(view: CaptureView) -> Found:
    """A forward proxy refuses the connection to the SCEP server.

    Seen: The proxy responds to CONNECT for the SCEP server with an error.
    Why: The proxy's rules do not allow this device to connect to that name or port.
    Why: The proxy requires a login (407), and a SCEP client cannot log in.
    Matters: SCEP over HTTPS needs this tunnel: without it nothing reaches the server.
    Do: On the proxy, allow CONNECT to the SCEP server's name and port without a login; or exclude that name from the proxy on the device.
    Do (windows-mdm): On the device, `netsh winhttp show proxy` shows the machine's proxy; exclude the SCEP server from it, or allow CONNECT on the
        proxy.
    Not: It is not a response of the SCEP server: the request never reached it.
    """
    refused = list(_refused(view))
    for http, times, sure in refused:
        asked, answer = http.request, http.response
        if asked is None or answer is None or not (sure or (not view.exchanges and len(refused) <= _FEW)):
            continue
        who = header(answer.headers, "server") or header(answer.headers, "via")
        yield Evidence(
            f"The proxy {http.server}{f' ({shown(who)})' if who else ''} refuses CONNECT {shown(asked.target)} of {http.client.address} with "
            f"HTTP {answer.status} {answer.reason}, {count(times, 'time')}.",
            (
                Fact(http.frame, "http.request.uri", shown(asked.target)),
                Fact(
                    answer.frames[0] if answer.frames else None,
                    "http.response.code",
                    f"{answer.status} {answer.reason}",
                ),
            ),
            strength=None if sure else POSSIBLE,
            title=f"A proxy refuses the connection to {shown(asked.target)} (HTTP {answer.status})",
        )


def _refused(view: CaptureView) -> Iterator[tuple[HttpExchange, int, bool]]:
    """The refused tunnels: the first of each client and target, how many there were, and whether they were surely meant for SCEP."""
    found: dict[tuple[str, str], list[HttpExchange]] = {}
    for each in view.scene.bystanders:
        if each.kind == "connect" and each.http.request is not None:
            found.setdefault((each.http.client.address, each.http.request.target), []).append(each.http)
    for (_, target), tries in found.items():
        first = tries[0]
        host = target.partition(":")[0].lower()
        agent = (header(first.request.headers, "user-agent") or "") if first.request is not None else ""
        client = any(key in _SCEP_AGENTS for key, _, _ in marks.AGENTS.find(agent))
        yield first, len(tries), host in view.memory.hosts or any(hint in host for hint in _HINTS) or client


_SCEP_AGENTS = frozenset({"ios-client", "windows-mdm", "ndes-policy-module"})
"""Clients whose User-Agent shows that they want SCEP."""
