"""Names and TCP: the client does not reach the server, or loses it."""

from registry import fault
from world import CLIENT, HOST, SERVER, Message, Reply, Story

from tests.builders import wire as raw

RESOLVER = "192.168.1.2"


@fault()
def dns_name_not_resolved(story: Story, near: bool) -> None:
    """The name in the enrollment URL does not exist: NXDOMAIN, asked three times.
    Near: It does not exist under the search domain, and then does without."""
    for _ in range(3):
        story.wire.dns(CLIENT, RESOLVER, f"{HOST}.lab.example" if near else "ndes.crop.example", 3)
        story.wire.pause(1)
    if near:
        story.wire.dns(CLIENT, RESOLVER, HOST, 0, SERVER)
        story.caps()


@fault()
def dns_answer_not_used(story: Story, near: bool) -> None:
    """DNS gives one address, the client connects to another: a hosts file.
    Near: It connects to one of the two addresses that DNS gave."""
    story.wire.dns(CLIENT, RESOLVER, HOST, 0, *(("192.168.1.4", SERVER) if near else ("192.168.1.4",)))
    story.lead()
    story.enroll()


def _syn(story: Story, times: int) -> bytes:
    story.wire._ports += 1
    port = story.wire._ports
    packet = raw.ip(story.client, story.server, 6, raw.tcp(port, story.port, 4711, 0, raw.SYN))
    for number in range(times):
        story.wire.put(packet)
        story.wire.pause(2**number)
    story.last_port = port  # type: ignore[attr-defined]
    return packet


@fault("self")
def tcp_refused(story: Story, near: bool) -> None:
    """The web service is stopped: the SYN is answered with RST.
    Near: A connection is reset after its exchange is over."""
    story.lead(offer=None)
    if near:
        tcp = story.cacert()
        tcp.reset("S")
        story.enroll()
        return
    _syn(story, 1)
    story.wire.put(
        raw.ip(story.server, story.client, 6, raw.tcp(story.port, story.last_port, 0, 4712, raw.RST | raw.ACK))
    )  # type: ignore[attr-defined]


@fault("self")
def tcp_connect_timeout(story: Story, near: bool) -> None:
    """A firewall drops the SYNs: five, and no answer.
    Near: One SYN at the very end of the capture."""
    story.lead(offer=None)
    if near:
        story.cacert()
        story.enroll()
    _syn(story, 1 if near else 5)


@fault("self", near_errors="tcp-connect-timeout")
def tcp_admin_prohibited(story: Story, near: bool) -> None:
    """A router's access list forbids the connection, and says so.
    Near: A router says that the host is unreachable."""
    story.lead(offer=None)
    packet = _syn(story, 3)
    story.wire.icmp("192.168.10.1", CLIENT, 3, 1 if near else 13, packet)


@fault("self", errors="txn-no-reply http-no-response", near_errors="txn-no-reply http-no-response")
def tcp_reset_during_exchange(story: Story, near: bool) -> None:
    """A box in between resets the connection when it sees the request: the RST has another TTL.
    Near: The server closes the connection with FIN, without an answer."""
    story.lead()
    tcp = story.enroll_unanswered()
    if near:
        tcp.close("S")
    else:
        tcp.reset("S", ttl=61)


@fault("self", errors="txn-no-reply http-no-response")
def tcp_request_never_acked(story: Story, near: bool) -> None:
    """A tunnel on the way swallows full-size packets: they are sent again and again and never acknowledged.
    Near: One packet is lost, sent again and acknowledged."""
    story.lead()
    tcp = story.connect()
    asked = Message()
    question = story.question(
        "POST", story.path + "?operation=PKIOperation", asked.encoded(story.chance), kind="application/x-pki-message"
    )
    first = tcp.next["C"]
    tcp.send("C", question, acked=False)
    for number in range(1 if near else 5):
        story.wire.pause(0.3 * 2**number)
        tcp.segment("C", raw.ACK, question[:1460], at=first)
    if near:
        tcp.send("S", story.response(Reply().encoded(asked, story.chance), "application/x-pki-message"))
        tcp.close()
    else:
        story.wire.pause(30)
        tcp.reset("C")


@fault("self", errors="txn-no-reply")
def http_no_response(story: Story, near: bool) -> None:
    """The server takes the request, says nothing for 40 seconds, and closes.
    Near: It answers after four seconds."""
    story.lead()
    if near:
        story.enroll(wait=4)
        return
    tcp = story.enroll_unanswered()
    story.wire.pause(40)
    tcp.close("S")


@fault("self", errors="txn-no-reply http-no-response", near_errors="txn-no-reply http-no-response")
def client_gave_up(story: Story, near: bool) -> None:
    """The client closes five seconds after its request; the server's answer comes a second too late.
    Near: The server closes without an answer."""
    story.lead()
    tcp = story.enroll_unanswered()
    story.wire.pause(5)
    tcp.close("S" if near else "C")


@fault()
def tcp_high_loss(story: Story, near: bool) -> None:
    """Every third segment has to be sent again.
    Near: Nothing is lost."""
    story.lead()
    tcp = story.connect()
    asked = Message()
    question = story.question(
        "POST", story.path + "?operation=PKIOperation", asked.encoded(story.chance), kind="application/x-pki-message"
    )
    for side, data in (
        ("C", question),
        ("S", story.response(Reply().encoded(asked, story.chance), "application/x-pki-message")),
    ):
        start = tcp.next[side]
        tcp.send(side, data)
        if not near:
            story.wire.pause(0.3)
            tcp.segment(side, raw.ACK, data[:1000], at=start)
    tcp.close()
