"""What gets lost between client and server though both are there."""

import der
from registry import fault
from world import PATH, RA_TYPE, SET, Story, page

from tests.builders import wire as raw


@fault("self", errors="txn-stopped-after-cacert")
def tcp_reply_never_acked(story: Story, near: bool) -> None:
    """The full-size packets of GetCACert's answer are sent again and again, and the client never acknowledges them.
    Near: It acknowledges them when they are sent the third time."""
    story.caps()
    for _ in range(1 if near else 2):
        tcp = story.connect()
        tcp.send("C", story.question("GET", f"{PATH}?operation=GetCACert"))
        body = story.response(der.degenerate(*SET), RA_TYPE)
        begins = tcp.next["S"]
        tcp.send("S", body, acked=False)
        for pause in (0.4, 0.8, 1.6):
            story.wire.pause(pause)
            tcp.segment("S", raw.ACK, body[:1460], at=begins)
        if near:
            tcp.flags("C", raw.ACK)
            tcp.close("S")
        story.wire.pause(10)
    if near:
        story.enroll()


@fault("self", errors="cacert-failed body-length-mismatch tcp-reset-during-exchange")
def tcp_zero_window(story: Story, near: bool) -> None:
    """The client closes its receive window in the middle of GetCACert's answer and never opens it again.
    Near: It opens it again, and the answer is read to its end."""
    story.caps()
    tcp = story.connect()
    tcp.send("C", story.question("GET", f"{PATH}?operation=GetCACert"))
    body = story.response(der.degenerate(*SET), RA_TYPE)
    tcp.send("S", body[:1460], acked=False)
    shut = bytearray(tcp.segment("C", raw.ACK, lost=True))
    _window(story, shut, 0)
    for pause in (0.5, 1, 2):
        story.wire.pause(pause)
        _window(story, shut, 0)
    if near:
        tcp.flags("C", raw.ACK)
        tcp.send("S", body[1460:])
        tcp.close("S")
        story.enroll()
        return
    story.wire.pause(60)
    tcp.reset("S")


def _window(story: Story, packet: bytearray, window: int) -> None:
    """Write a packet with another window (the checksum is not looked at: cards fill it in)."""
    at = (packet[0] & 15) * 4 + 14
    packet[at : at + 2] = window.to_bytes(2, "big")
    story.wire.put(bytes(packet), ttl=128)


@fault("self", errors="http-404-wrong-path cacert-failed")
def dns_answers_differ(story: Story, near: bool) -> None:
    """A second client's name server gives the address of the old server, which has no SCEP.
    Near: It gives the same address."""
    story.wire.dns(story.client, "192.168.10.53", story.host or "", 0, story.server)
    story.lead()
    story.enroll()
    story.client, good = "192.168.77.30", story.server
    story.wire.dns(story.client, "192.168.77.53", story.host or "", 0, good if near else "192.168.1.99")
    if near:
        story.lead()
        return
    story.server, story.software = "192.168.1.99", "nginx/1.18.0"
    for operation in ("GetCACaps", "GetCACert"):
        story.get(f"{PATH}?operation={operation}", page("404 Not Found"), "text/html", "404 Not Found")


@fault()
def proxy_connect_refused(story: Story, near: bool) -> None:
    """The forward proxy answers CONNECT to the SCEP server with 403.
    Near: It is another name that it refuses, and the client speaks SCEP without the proxy."""
    server, port = story.server, story.port
    story.server, story.port, story.software = "192.168.1.128", 3128, "squid/5.7"
    target = "updates.example:443" if near else "ndes.corp.example:443"
    for _ in range(2):
        question = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nUser-Agent: device/1\r\n\r\n".encode()
        story.exchange(question, lambda: story.response(page("Access Denied"), "text/html", "403 Forbidden"))
        story.wire.pause(4)
    if near:
        story.server, story.port = server, port
        story.software = "Microsoft-IIS/10.0"
        story.lead()
        story.enroll()
