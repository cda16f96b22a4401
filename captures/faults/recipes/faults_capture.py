"""Captures that are not whole."""

from registry import fault
from world import CLIENT, SERVER, Message, Reply, Story


@fault("self")
def capture_snaplen_cut(story: Story, near: bool) -> None:
    """The capture keeps 60 bytes less of each packet of the answer than it had.
    Near: Only the bare acknowledgments are cut, which loses nothing."""
    story.lead()
    tcp = story.connect()
    asked = Message()
    tcp.send(
        "C",
        story.question(
            "POST",
            story.path + "?operation=PKIOperation",
            asked.encoded(story.chance),
            kind="application/x-pki-message",
        ),
    )
    body = Reply().encoded(asked, story.chance)
    tcp.send("S", story.response(body, "application/x-pki-message"), cut=0 if near else 60)
    tcp.close()


@fault("self")
def capture_cut_at_128(story: Story, near: bool) -> None:
    """pktmon was started without --pkt-size 0: it keeps 128 bytes of each packet.
    Near: It was started with --pkt-size 0, which keeps all of it."""
    story.lead()
    first = len(story.wire.packets)
    story.enroll()
    if not near:
        story.wire.packets[first:] = [(at, frame[:128], size) for at, frame, size in story.wire.packets[first:]]


@fault()
def capture_wifi_header_broken(story: Story, near: bool) -> None:
    """pktmon etl2pcap has marked packets of a Wi-Fi adapter as Ethernet: they begin with a header of IEEE 802.11 (QoS data, to the access
    point) and LLC/SNAP.
    Near: They have an Ethernet header."""
    story.lead()
    story.enroll()
    if not near:
        story.wire.packets = [
            (
                at,
                b"\x88\x01\x30\x00"
                + frame[:6]
                + frame[6:12]
                + frame[:6]
                + bytes(4)
                + b"\xaa\xaa\x03\x00\x00\x00"
                + frame[12:],
                size + 20,
            )
            for at, frame, size in story.wire.packets
        ]


@fault("self")
def capture_one_direction(story: Story, near: bool) -> None:
    """Only what the client sends is in the capture; its acknowledgments show that the server answered.
    Near: Both directions are there."""
    story.lead(silent="" if near else "S")
    story.enroll(silent="" if near else "S")


@fault()
def capture_gap_in_stream(story: Story, near: bool) -> None:
    """The capture misses a segment of the request, which the server acknowledges and answers.
    Near: It misses nothing."""
    story.lead()
    tcp = story.connect()
    asked = Message()
    question = story.question(
        "POST", story.path + "?operation=PKIOperation", asked.encoded(story.chance), kind="application/x-pki-message"
    )
    tcp.send("C", question, lost=() if near else (1,))
    tcp.send("S", story.response(Reply().encoded(asked, story.chance), "application/x-pki-message"))
    tcp.close()


@fault()
def capture_starts_midstream(story: Story, near: bool) -> None:
    """The capture begins after the connection was opened.
    Near: It begins with the SYN."""
    tcp = story.connect(opening=near)
    tcp.send("C", story.question("GET", story.path + "?operation=GetCACaps"))
    tcp.send("S", story.response(b"AES\nSHA-256\n", "text/plain"))
    tcp.close()


@fault("self", errors="txn-no-reply", near_errors="txn-no-reply http-no-response")
def capture_ends_early(story: Story, near: bool) -> None:
    """The capture is stopped right after the request was sent.
    Near: It goes on for a minute, and no answer comes."""
    story.lead()
    story.enroll_unanswered()
    if near:
        story.wire.pause(60)
        story.wire.udp(CLIENT, 123, SERVER, 123, bytes(48))


@fault()
def capture_duplicate_packets(story: Story, near: bool) -> None:
    """A mirror port delivers every packet twice.
    Near: Every packet is there once."""
    story.lead()
    story.enroll()
    if not near:
        story.wire.packets = [
            each for at, frame, size in story.wire.packets for each in ((at, frame, size), (at + 1000, frame, size))
        ]


@fault()
def capture_timestamps_backwards(story: Story, near: bool) -> None:
    """The clock of the capturing host is set back by two seconds in the middle of a connection.
    Near: Two packets are written half a millisecond out of order."""
    story.caps()
    at = len(story.wire.packets) // 2
    back = 500_000 if near else 2_000_000_000
    when, frame, size = story.wire.packets[at]
    story.wire.packets[at] = when - back, frame, size
    story.cacert()
    story.enroll()


@fault()
def capture_odd_port(story: Story, near: bool) -> None:
    """SCEP runs on port 9001.
    Near: It runs on port 80."""
    story.port = 80 if near else 9001
    story.lead()
    story.enroll()


@fault()
def capture_no_scep_found(story: Story, near: bool) -> None:
    """The capture holds a web page and name lookups, and no SCEP.
    Near: It also holds a GetCACaps."""
    story.wire.dns(CLIENT, "192.168.1.2", "www.corp.example", 0, "192.168.1.80")
    story.get("/index.html", b"<html>hello</html>", "text/html")
    if near:
        story.caps()
