"""What gets lost between client and server though both are there: large answers, closed windows, other addresses, proxies that refuse."""

from collections.abc import Iterator

from scep_analyzer.model.exchanges import HttpExchange, header
from scep_analyzer.model.findings import Evidence, Fact, Severity
from scep_analyzer.model.packets import Lookup
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
    """Large packets of the answer never arrive.

    Seen: The server sends full-size segments of the answer again and again, and the client never acknowledges them.
    Why: A tunnel (GRE, IPsec, PPPoE) on the way back carries smaller packets only, and the ICMP message that says so is filtered.
    Why: A firewall drops the answer: it saw only one direction of the connection.
    Matters: The client waits for the certificates until its timer ends, and begins again. Short answers (GetCACaps) come through.
    Do: Clamp the MSS on the tunnel, and let ICMP "fragmentation needed" and "packet too big" through to the server.
    Do (ios-client): `ip tcp adjust-mss 1360` on the tunnel interface; `ping SERVER size 1500 df-bit` shows the limit.
    Do (ndes): On the server, `ping -f -l 1472 CLIENT` shows the limit.
    Not: A client that rejects the answer: it never got it.
    """
    facts = view.facts
    if facts is None or facts.one_way:
        return
    side = facts.server
    if side.resent_count < 2 or side.resent_size < _FULL_SIZE or side.unacknowledged < _FULL_SIZE:
        return
    if view.ans is None or side.resent[-1] < view.ans:
        return  # an earlier answer on this connection
    yield Evidence(
        f"{side.unacknowledged:,} bytes of the answer to {view.operation or 'the request'} were sent {side.resent_count + 1} times in segments of up "
        f"to {side.resent_size:,} bytes and never acknowledged by {view.http.client.address}.",
        tuple(Fact(each, "tcp.analysis.retransmission", f"up to {side.resent_size} bytes") for each in side.resent[:4]),
    )


@rule.exchange(ERROR, "RFC 9293, Section 3.8.6")
def tcp_zero_window(view: View) -> Found:
    """One side stops reading.

    Seen: It closes its receive window, does not open it again, and the message stays unfinished.
    Why: The program that should read hangs or is overloaded; a proxy waits for something behind it.
    Matters: The other side may not send on, and gives up in the end.
    Do: Look at the process that should read at that second: its load, its log, whether it hangs.
    Not: Loss on the way: the packets arrive, and nobody takes them.
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
            what = "the answer" if name == "client" else "the request"
            yield Evidence(
                f"The {name} closes its receive window in frame {side.shut_frame} and does not open it again; {what} of "
                f"{view.operation or 'this exchange'} is not whole.",
                (Fact(side.shut_frame, "tcp.window_size_value", "0"),),
            )


@rule.capture(WARNING, "RFC 1034, Section 3.6", strength=INFERRED)
def dns_answers_differ(view: CaptureView) -> Found:
    """One name leads to different servers.

    Seen: Name servers give different addresses for the SCEP server's name; at one of them SCEP works, at the other it fails.
    Why: A name server still has the address of the old server: a zone that was not updated, a hosts file, an old cache.
    Why: Inside and outside give different addresses on purpose (split DNS), and only one of them leads to SCEP.
    Matters: Clients that ask the one name server can enroll, those that ask the other cannot.
    Do: Correct the record on the name server that gives the old address, then empty the clients' and resolvers' caches.
    Not: A wrong path in the enrollment URL: it works at the other address.
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
            f"{mine.server} gives {ending.client} the address {ending.server.address} for {ending.host}, {other.server} gives {other.client} "
            f"{good.server.address}; SCEP works at {good.server.address} and fails at {ending.server.address}.",
            (
                Fact(mine.answered, "dns.a", ", ".join(mine.addresses)),
                Fact(other.answered, "dns.a", ", ".join(other.addresses)),
                *((Fact(good.frame, "http", f"SCEP at {good.server.address}"),) if good.frame else ()),
            ),
            severity=Severity.ERROR,
            transaction=ending.number,
            exchange=ending.decisive,
        )


def _good(works: dict[tuple[str, str], Ending], bad: Ending, other: Lookup | None) -> Ending | None:
    """A transaction at one of the other addresses that SCEP answered."""
    found = (works.get((bad.host, each)) for each in (other.addresses if other is not None else ()))
    return next((each for each in found if each is not None), None)


@rule.capture(ERROR, "RFC 9110, Section 9.3.6")
def proxy_connect_refused(view: CaptureView) -> Found:
    """A forward proxy refuses the connection to the SCEP server.

    Seen: CONNECT to the server is answered with an error.
    Why: The proxy's rules do not let this device, or anybody, connect to that name.
    Why: The proxy wants a login (407), which a SCEP client cannot give.
    Matters: SCEP over HTTPS goes through this tunnel; without it nothing is sent to the server.
    Do: Allow CONNECT to the SCEP server's name and port on the proxy, without a login; or exempt the name from the proxy on the device.
    Do (windows-mdm): The device uses the machine's proxy: `netsh winhttp show proxy`.
    Not: An answer of the SCEP server: it was never reached.
    """
    refused = list(_refused(view))
    for http, times, sure in refused:
        asked, answer = http.request, http.response
        if asked is None or answer is None or not (sure or (not view.exchanges and len(refused) <= _FEW)):
            continue
        who = header(answer.headers, "server") or header(answer.headers, "via")
        yield Evidence(
            f"The proxy {http.server}{f' ({shown(who)})' if who else ''} answers CONNECT {shown(asked.target)} of {http.client.address} with "
            f"{answer.status} {answer.reason}, {count(times, 'time')}.",
            (
                Fact(http.frame, "http.request.uri", shown(asked.target)),
                Fact(
                    answer.frames[0] if answer.frames else None,
                    "http.response.code",
                    f"{answer.status} {answer.reason}",
                ),
            ),
            strength=None if sure else POSSIBLE,
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
"""Clients that say with their User-Agent that they want SCEP."""
