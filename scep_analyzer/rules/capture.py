"""Whether the capture can be trusted, and what it cannot tell (faults of capturing, not of the enrollment)."""

from scep_analyzer.model.findings import Evidence, Fact
from scep_analyzer.rules._rule import INFO, WARNING, Found, rule
from scep_analyzer.rules._views import CaptureView, TransactionView, View
from scep_analyzer.rules._words import count, seconds

_USUAL_WAIT_NS = 30 * 1_000_000_000
"""A server that asks its CA, a CRL and a policy module answers within half a minute, or not at all."""


@rule.exchange(WARNING, "tcpdump(8), option -s")
def capture_snaplen_cut(view: View) -> Found:
    """Packets are cut short by the capture's snaplen.

    Seen: The captured length of a packet that carries SCEP is less than the length it had on the wire.
    Why: The capture was taken with a snaplen (`-s`) below the packet size, or a tap that slices packets.
    Do: Capture again with full packets: `tcpdump -s 0 -w file.pcap`, or Wireshark's default.
    Not: A fault of the client, the server or the network. Digest and signature of the message cannot be checked.
    """
    frames = _sliced(view)
    if frames and any(message is not None and not message.complete for message in (view.asked, view.answer)):
        yield Evidence(
            f"{count(len(frames), 'packet')} of this exchange ({view.operation or 'no operation'}) are shorter in the "
            "capture than they were on the wire; the message cannot be read whole.",
            tuple(Fact(each, "frame.cap_len", "less than frame.len") for each in frames[:4]),
        )


def _sliced(view: View) -> tuple[int, ...]:
    return tuple(each for message in (view.asked, view.answer) if message is not None for each in message.sliced)


@rule.exchange(WARNING, "RFC 9293, Section 3.4")
def capture_one_direction(view: View) -> Found:
    """Only one direction of the connection is in the capture.

    Seen: One side's bytes are there, and acknowledgments for bytes of the other side that are not.
    Why: The traffic takes different ways in each direction, or a mirror port copies only one.
    Do: Capture on the client, on the SCEP server, or mirror both directions.
    Not: A server that does not answer: the other half may well have been sent.
    """
    facts = view.facts
    if facts is None or not facts.one_way or (view.asked is not None and view.answer is not None):
        return
    there, missing = ("client", "server") if facts.client.packets else ("server", "client")
    other = facts.server if facts.client.packets else facts.client
    size = sum(length for _, length in other.holes)
    what = f", though {size:,} bytes of the {missing} are acknowledged" if size else ""
    yield Evidence(
        f"tcp.stream {view.http.connection} holds only what the {there} sent{what}.",
        (
            Fact(
                other.holes[0][0] if other.holes else view.http.frame, "tcp.ack", f"no packet of the {missing} is there"
            ),
        ),
    )


@rule.exchange(WARNING, "RFC 9293, Section 3.4")
def capture_gap_in_stream(view: View) -> Found:
    """Bytes of the message are missing from the capture.

    Seen: TCP sequence or acknowledgment numbers show bytes inside a SCEP message that no packet of the capture holds.
    Why: The capturing host or the mirror port dropped packets: a busy switch, a slow disk, a filter.
    Do: Capture on the end host, with a larger buffer (`tcpdump -B`), or filter to the two addresses.
    Not: Loss on the network: TCP would have sent the bytes again. Digest and signature of the message cannot be judged.
    """
    lost = [
        name
        for name, message in (("request", view.asked), ("answer", view.answer))
        if message is not None and not message.complete and message.cut_by == "gap"
    ]
    if view.answer is None and (view.http.gone in ("lost", "gap") or view.holes(server=True)):
        lost.append("answer")
    if not lost or _sliced(view):
        return
    holes = view.holes(client=True, server=True)
    size = sum(length for _, length in holes)
    what = f"{size:,} bytes" if size else "Bytes"
    yield Evidence(
        f"{what} of tcp.stream {view.http.connection} are not in the capture; the {' and the '.join(lost)} of "
        f"{view.operation or 'this exchange'} cannot be read whole.",
        tuple(Fact(frame, "tcp.seq", f"{length} bytes before here are missing") for frame, length in holes[:4])
        or (Fact(view.http.frame, "http", "not whole"),),
    )


@rule.transaction(INFO, "RFC 9293, Section 3.5")
def capture_starts_midstream(view: TransactionView) -> Found:
    """The capture begins inside a connection.

    Seen: The first packet of the connection in the capture is not a SYN.
    Why: The capture was started after the client had connected.
    Do: Start capturing before the client begins, to see GetCACaps and GetCACert as well.
    Not: A fault. What the capture does not hold is not claimed to be missing.
    """
    for each in _connections(view):
        facts = view.scene.connections.get(each.http.connection)
        if facts is not None and not facts.connection.opening_seen:
            yield Evidence(
                f"tcp.stream {each.http.connection} has no SYN in the capture: what was said before frame {each.http.frame} is not known.",
                (Fact(each.http.frame, "tcp.flags.syn", "absent from the connection"),),
                exchange=each.number,
            )


def _connections(view: TransactionView) -> list[View]:
    """The first exchange of each connection."""
    return list({each.http.connection: each for each in reversed(view.views)}.values())[::-1]


@rule.exchange(INFO, "wireshark.org, User's Guide, Stop the running capture")
def capture_ends_early(view: View) -> Found:
    """The capture ends before the answer could come.

    Seen: The request is whole, and the capture ends within the time that servers usually take.
    Why: The capture was stopped too soon.
    Do: Capture until the connection is closed.
    Not: A server that does not answer: it may have, after the last packet.
    """
    last = view.scene.last_ns
    if view.asked is None or view.answer is not None or view.http.gone != "end-of-capture" or last is None:
        return
    if not view.asked.complete or view.asked.time_ns is None:
        return
    waited = last - view.asked.time_ns
    if waited < _USUAL_WAIT_NS:
        yield Evidence(
            f"The capture ends {seconds(waited)} after {view.operation or 'the request'} was sent, before an answer.",
            (view.q("frame.time", f"{seconds(waited)} before the last packet"),),
        )


@rule.capture(INFO, "wireshark.org, editcap(1), option -d")
def capture_duplicate_packets(view: CaptureView) -> Found:
    """The capture holds packets twice.

    Seen: The same bytes at the same place of a connection, within half a millisecond.
    Why: The mirror port copies both directions or two VLANs, or the host was captured at several points (`-i any`, pktmon).
    Do: Nothing; copies are not counted as retransmissions. `editcap -d` removes them.
    Not: Retransmissions, or a client that asks twice.
    """
    for each in view.anomalies("packets-twice"):
        yield Evidence(
            f"{each.detail}.", tuple(Fact(frame, "frame", "a copy of an earlier packet") for frame in each.frames)
        )


@rule.transaction(INFO, "wireshark.org, reordercap(1)")
def capture_timestamps_backwards(view: TransactionView) -> Found:
    """The packets' times go backwards.

    Seen: A packet of a connection carries an earlier time than one before it in the file, by more than jitter.
    Why: Files were merged without sorting, or the clock of the capturing host was set meanwhile.
    Do: Sort the file with `reordercap`; do not rely on the times in this report.
    Not: A fault of client or server.
    """
    for each in _connections(view):
        facts = view.scene.connections.get(each.http.connection)
        if facts is not None and facts.backwards is not None:
            frame, back = facts.backwards
            yield Evidence(
                f"In tcp.stream {each.http.connection} the time of frame {frame} lies {back / 1e6:,.1f} ms before that of an earlier packet.",
                (Fact(frame, "frame.time", f"{back / 1e6:.1f} ms back"),),
                exchange=each.number,
            )


@rule.capture(INFO, "RFC 8894, Section 4.1")
def capture_odd_port(view: CaptureView) -> Found:
    """SCEP runs on a port other than 80.

    Seen: SCEP to a server port that Wireshark may not take for HTTP.
    Why: The server listens there.
    Do: Nothing here. In Wireshark use Decode As, HTTP, for this port.
    Not: A fault.
    """
    for server in sorted(view.memory.servers):
        if server.port != 80 and server not in view.memory.encrypted:
            answers = view.memory.answers(server)
            frame = answers[0].frame if answers else None
            yield Evidence(
                f"SCEP runs on {server}; in Wireshark: Analyze, Decode As, TCP port {server.port}, HTTP.",
                (Fact(frame, "tcp.port", str(server.port)),),
            )


@rule.capture(INFO, "RFC 8894, Section 4.1")
def capture_no_scep_found(view: CaptureView) -> Found:
    """There is no SCEP in the capture.

    Seen: No request with one of SCEP's operations, no message of SCEP's types.
    Why: The device did not try, the capture was taken on another interface or with a filter, or everything is TLS.
    Do: Check the interface, the filter and the time; make the client try while the capture runs.
    Not: Proof that the client never tried.
    """
    packets = sum(each.packets for each in view.scene.captures)
    if view.exchanges or not packets:
        return
    tls = sum(not each.decrypted for each in view.scene.handshakes)
    seen = [count(view.scene.http_requests, "HTTP request")] if view.scene.http_requests else []
    seen += [count(tls, "TLS connection")] if tls else []
    seen += [count(len(view.scene.failures), "connection") + " that failed"] if view.scene.failures else []
    what = f"; seen instead: {', '.join(seen)}" if seen else ", nor other HTTP or TLS"
    yield Evidence(f"{count(packets, 'packet')} hold no SCEP{what}.", (Fact(None, "frame", f"1 to {packets}"),))
