"""Whether the capture can be trusted, and what it cannot tell (faults of capturing, not of the enrollment)."""

from scep_analyzer.model.findings import Evidence, Fact
from scep_analyzer.model.places import called
from scep_analyzer.rules._rule import INFERRED, INFO, WARNING, Found, rule
from scep_analyzer.rules._views import CaptureView, TransactionView, View
from scep_analyzer.rules._words import count, seconds

_SECOND_NS = 1_000_000_000
_USUAL_WAIT_NS = 30 * _SECOND_NS
"""A server that asks its CA, a CRL and a policy module responds within half a minute, or not at all."""


@rule.exchange(WARNING, "tcpdump(8), option -s", where=("incomplete",))
def capture_snaplen_cut(view: View) -> Found:
    """The capture cuts packets short (snaplen).

    Seen: The captured length of a packet that carries SCEP is less than its length on the wire.
    Why: The capture was taken with a snaplen (`-s`) below the packet size, or with a tap that truncates packets.
    Do: Capture again with full packets: `tcpdump -s 0 -w file.pcap`, or the default of Wireshark; with pktmon, `pktmon start --capture --pkt-size
        0`.
    Not: Client, server and network are not the cause. Digest and signature of the message cannot be checked.
    """
    frames = _sliced(view)
    if _cut_at_128(view):
        return  # capture-cut-at-128 tells it
    if frames and any(message is not None and not message.complete for message in (view.asked, view.answer)):
        yield Evidence(
            f"{count(len(frames), 'packet')} of {view.operation or 'this exchange'} {'is' if len(frames) == 1 else 'are'} shorter in the "
            "capture than on the wire; the message cannot be read completely.",
            tuple(Fact(each, "frame.cap_len", "less than frame.len") for each in frames[:4]),
        )


@rule.exchange(
    WARNING,
    "learn.microsoft.com, pktmon start, --pkt-size",
    "microsoft/etl2pcapng#54",
    strength=INFERRED,
    where=("incomplete",),
)
def capture_cut_at_128(view: View) -> Found:
    """The capture keeps 128 bytes of each packet (default of pktmon).

    Seen: Every packet that is shorter in the capture than on the wire has 128 bytes, as `pktmon start --capture` keeps without `--pkt-size 0`.
    Why: Packet Monitor (pktmon) was started without `--pkt-size 0`: it keeps the first 128 bytes of each packet.
    Why: Another program captured with a snaplen of 128 bytes.
    Do: Capture again with full packets: `pktmon start --capture --pkt-size 0 -f trace.etl`, then `pktmon stop` and `pktmon etl2pcap trace.etl -o
        trace.pcapng`.
    Do: With tcpdump, capture with `tcpdump -s 0 -w file.pcap`.
    Not: Client, server and network are not the cause. SCEP messages are longer than 128 bytes, so none of them can be read.
    """
    frames = _sliced(view)
    if (
        frames
        and _cut_at_128(view)
        and any(each is not None and not each.complete for each in (view.asked, view.answer))
    ):
        yield Evidence(
            f"{count(len(frames), 'packet')} of {view.operation or 'this exchange'} {'is' if len(frames) == 1 else 'are'} cut to 128 bytes; the message "
            "cannot be read.",
            tuple(Fact(each, "frame.cap_len", "128") for each in frames[:4]),
        )


_KEPT_OF_128 = {network: frozenset(128 - 14 - network - transport for transport in (20, 32)) for network in (20, 40)}
"""What is left of a segment's bytes where 128 of its packet were kept, by the length of the header of IPv4 and of IPv6: behind Ethernet,
with TCP without options or with timestamps."""


def _cut_at_128(view: View) -> bool:
    """Whether all segments of the connection that are cut are cut to 128 bytes with their headers."""
    facts = view.facts
    kept = (facts.client.kept_sizes | facts.server.kept_sizes) if facts is not None else set()
    return bool(kept) and kept <= _KEPT_OF_128[40 if ":" in view.http.client.address else 20]


@rule.capture(WARNING, "MicrosoftDocs/windowsserverdocs#6696")
def capture_wifi_header_broken(view: CaptureView) -> Found:
    """Wi-Fi packets are marked as Ethernet (pktmon).

    Seen: The capture's link type is Ethernet, and packets begin with an IEEE 802.11 header.
    Why: `pktmon etl2pcap` marks packets that were captured on a Wi-Fi adapter as Ethernet.
    Do: No action is needed for this report: the packets are read by their own header. Wireshark shows them as damaged.
    Do: For Wireshark, capture on the wired side or on the server, or with Wireshark and Npcap on the client.
    Not: Neither the client nor the network sends such packets.
    """
    for each in view.anomalies("wifi-header-as-ethernet"):
        yield Evidence(
            f"{each.detail}.",
            tuple(Fact(frame, "eth.type", "no EtherType: an IEEE 802.11 header") for frame in each.frames),
        )


def _sliced(view: View) -> tuple[int, ...]:
    return tuple(each for message in (view.asked, view.answer) if message is not None for each in message.sliced)


@rule.exchange(WARNING, "RFC 9293, Section 3.4", where=("incomplete",))
def capture_one_direction(view: View) -> Found:
    """The capture has only one direction of the connection.

    Seen: The bytes of one side are in the capture, and acknowledgments for bytes of the other side that are not in it.
    Why: The routing is asymmetric, or a mirror port copies only one direction.
    Do: Capture on the client or on the SCEP server itself, or configure the mirror port to copy both directions.
    Not: The server may well respond: the other direction is not in the capture.
    """
    facts = view.facts
    if facts is None or not facts.one_way or (view.asked is not None and view.answer is not None):
        return
    there, missing = ("client", "server") if facts.client.packets else ("server", "client")
    other = facts.server if facts.client.packets else facts.client
    size = sum(length for _, length in other.holes)
    what = f"; {size:,} acknowledged bytes of the {missing} are not in it" if size else ""
    yield Evidence(
        f"The capture has only the packets of the {there} in tcp.stream {view.http.connection}{what}.",
        (
            Fact(
                other.holes[0][0] if other.holes else view.http.frame, "tcp.ack", f"no packet of the {missing} is there"
            ),
        ),
    )


@rule.exchange(WARNING, "RFC 9293, Section 3.4", where=("incomplete",))
def capture_gap_in_stream(view: View) -> Found:
    """Bytes of the message are missing from the capture.

    Seen: TCP sequence or acknowledgment numbers show bytes inside a SCEP message that no packet of the capture holds.
    Why: The capturing host or the mirror port dropped packets: a busy switch, a slow disk, a filter.
    Do: Capture on the client or the server itself, with a larger buffer (`tcpdump -B 65536`) or a filter for the two addresses.
    Not: The network did not lose these bytes: TCP would have sent them again. Digest and signature of the message cannot be checked.
    """
    lost = [
        name
        for name, message in (("request", view.asked), ("response", view.answer))
        if message is not None and not message.complete and message.cut_by == "gap"
    ]
    if view.answer is None and (view.http.gone in ("lost", "gap") or view.holes(server=True)):
        lost.append("response")
    if not lost or _sliced(view):
        return
    holes = view.holes(client=True, server=True)
    size = sum(length for _, length in holes)
    what = f"{count(size, 'byte')}" if size else "Bytes"
    verb = "is" if size == 1 else "are"
    yield Evidence(
        f"{what} of tcp.stream {view.http.connection} {verb} not in the capture; the {' and the '.join(lost)} of "
        f"{view.operation or 'this exchange'} cannot be read completely.",
        tuple(Fact(frame, "tcp.seq", f"{length} bytes before here are missing") for frame, length in holes[:4])
        or (Fact(view.http.frame, "http", "not whole"),),
    )


@rule.transaction(INFO, "RFC 9293, Section 3.5")
def capture_starts_midstream(view: TransactionView) -> Found:
    """The capture begins inside a connection.

    Seen: The first packet of the connection in the capture is not a SYN.
    Why: The capture was started after the client had connected.
    Do: Start the capture before the client begins, to have GetCACaps and GetCACert in it as well.
    Not: This is not a fault. Nothing that is absent from this capture is reported as missing.
    """
    for each in _connections(view):
        facts = view.scene.connections.get(each.http.connection)
        if facts is not None and not facts.connection.opening_seen:
            yield Evidence(
                f"The capture has no SYN of tcp.stream {each.http.connection}; what the connection carried before {called(each.http.frame)} is not known.",
                (Fact(each.http.frame, "tcp.flags.syn", "absent from the connection"),),
                exchange=each.number,
            )


def _connections(view: TransactionView) -> list[View]:
    """The first exchange of each connection."""
    return list({each.http.connection: each for each in reversed(view.views)}.values())[::-1]


@rule.exchange(INFO, "wireshark.org, User's Guide, Stop the running capture", where=("incomplete",))
def capture_ends_early(view: View) -> Found:
    """The capture ends before a response could arrive.

    Seen: The request is complete, and the capture ends within the time that servers usually take.
    Why: The capture was stopped too early.
    Do: Capture again until the client reports success or failure.
    Not: The server may have responded after the last packet.
    """
    last = view.scene.last_ns
    if view.asked is None or view.answer is not None or view.http.gone != "end-of-capture" or last is None:
        return
    if not view.asked.complete or view.asked.time_ns is None:
        return
    waited = last - view.asked.time_ns
    if waited < _USUAL_WAIT_NS:
        yield Evidence(
            f"The capture ends {seconds(waited)} after {view.operation or 'the request'}, before a response.",
            (view.q("frame.time", f"{seconds(waited)} before the last packet"),),
        )


@rule.capture(INFO, "wireshark.org, editcap(1), option -d")
def capture_duplicate_packets(view: CaptureView) -> Found:
    """The capture contains packets twice.

    Seen: The same bytes appear at the same place of a connection within half a millisecond.
    Why: The mirror port copies both directions or two VLANs, or the capture was taken at several points of one host (`-i any`, pktmon).
    Do: No action is needed: copies are not counted as retransmissions. `editcap -d` removes them.
    Not: These are not retransmissions, and the client does not ask twice.
    """
    for each in view.anomalies("packets-twice"):
        yield Evidence(
            f"{each.detail}.", tuple(Fact(frame, "frame", "a copy of an earlier packet") for frame in each.frames)
        )


@rule.transaction(INFO, "wireshark.org, reordercap(1)")
def capture_timestamps_backwards(view: TransactionView) -> Found:
    """The times of the packets go backwards.

    Seen: A packet of a connection has an earlier time than a packet before it in the file, by more than jitter.
    Why: Files were merged without sorting, or somebody set the clock of the capturing host during the capture.
    Do: Sort the file: `reordercap in.pcap out.pcap`. Do not rely on the times in this report.
    Not: Client and server are not the cause.
    """
    for each in _connections(view):
        facts = view.scene.connections.get(each.http.connection)
        if facts is not None and facts.backwards is not None:
            frame, back = facts.backwards
            yield Evidence(
                f"In tcp.stream {each.http.connection}, the time of {called(frame)} is {seconds(back)} earlier than that of a packet before it.",
                (Fact(frame, "frame.time", f"{back / 1e6:.1f} ms back"),),
                exchange=each.number,
            )


@rule.capture(INFO, "wireshark.org, User's Guide, User Specified Decodes")
def capture_odd_port(view: CaptureView) -> Found:
    """SCEP runs on a port other than 80.

    Seen: The SCEP server listens on a port that Wireshark may not decode as HTTP.
    Why: The server is configured to listen on this port.
    Do: No action is needed here. In Wireshark, choose Analyze, Decode As and set this TCP port to HTTP.
    Not: This is not a fault.
    """
    for server in sorted(view.memory.servers):
        if server.port != 80 and server not in view.memory.encrypted:
            answers = view.memory.answers(server)
            frame = answers[0].frame if answers else None
            yield Evidence(
                f"The SCEP server is {server}. In Wireshark: Analyze, Decode As, TCP port {server.port}, HTTP.",
                (Fact(frame, "tcp.port", str(server.port)),),
                title=f"SCEP runs on port {server.port} instead of 80",
            )


@rule.capture(INFO, "RFC 8894, Section 4.1")
def capture_no_scep_found(view: CaptureView) -> Found:
    """The capture contains no SCEP.

    Seen: No request has a SCEP operation, and no message has a SCEP media type.
    Why: The device did not try to enroll while the capture ran.
    Why: The capture was taken on another interface or with a filter that excludes SCEP, or all traffic is TLS.
    Do: Check the interface and the filter of the capture, start it again, and start an enrollment on the client while it runs.
    Not: This does not prove that the client never tried.
    """
    packets = sum(each.packets for each in view.scene.captures)
    if view.exchanges or not packets:
        return
    tls = sum(not each.decrypted for each in view.scene.handshakes)
    seen = [count(view.scene.http_requests, "HTTP request")] if view.scene.http_requests else []
    seen += [count(tls, "TLS connection")] if tls else []
    seen += [count(len(view.scene.failures), "failed connection")] if view.scene.failures else []
    what = f", but {' and '.join(seen)}" if seen else " and no other HTTP or TLS"
    unit = view.scene.unit
    amount = (
        count(packets, "packet") if unit == "frame" else count(packets, unit, "entries" if unit == "entry" else None)
    )
    yield Evidence(
        f"{amount} {'contains' if packets == 1 else 'contain'} no SCEP{what}.",
        (Fact(None, "frame", f"1 to {packets}"),),
    )
