"""With the sieve and without it the report is the same: on the corpus, and on any mixture of traffic, damaged in any way."""

import json
import random
import struct
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from scep_analyzer.analysis import Analysis
from scep_analyzer.render import json_v1
from tests import files, talk
from tests.builders import wire
from tests.conftest import CAPTURES, DEPTH


def _report(path: Path, engine: str) -> Any:
    report = json.loads(json_v1.render(Analysis([str(path)], engine).report(), secrets=False))
    del report["generator"]
    # What TCP saw of a connection is counted from where it is followed, which the sieve moves: loss, times, one direction, packets
    # that are there twice.
    report["findings"] = [_plain(each) for each in report["findings"] if each["rule"] not in OF_CONNECTIONS]
    report["passed"] = [each for each in report["passed"] if each["rule"] not in OF_CONNECTIONS]
    report["anomalies"] = [each for each in report["anomalies"] if each["code"] != "packets-twice"]
    del report["summary"]["findings"]
    for each in report["transactions"]:
        del each["root_cause"]
    return report


OF_CONNECTIONS = {
    "tcp-high-loss",
    "capture-timestamps-backwards",
    "capture-one-direction",
    "capture-duplicate-packets",
    "tcp-request-never-acked",
}


def _plain(finding: Any) -> Any:
    """Without numbers, which those left out have too."""
    return {key: finding[key] for key in finding if key not in ("id", "because_of")}


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_every_capture_of_the_corpus(path: Path) -> None:
    assert _report(path, "builtin") == _report(path, "unsieved")


REQUEST = talk.message(19)
REPLY = talk.reply(0, issued=True)


def _response(body: bytes, kind: str, *, chunked: bool = False) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: " + kind.encode() + b"\r\n"
    if chunked:
        return head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    return head + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


def _get(target: str, method: str = "GET") -> bytes:
    return f"{method} {target} HTTP/1.1\r\nHost: x\r\nUser-Agent: Mozilla/5.0 (a test)\r\n\r\n".encode()


def _post(target: str, body: bytes) -> bytes:
    return f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


PAGE = b"<html>" + b"GET /scep?operation=GetCACert HTTP/1.1 " * 60 + b"</html>"
EXCHANGES: dict[str, tuple[bytes, bytes]] = {
    "caps": (_get("/scep?operation=GetCACaps"), _response(b"AES\nSHA-256\n", "text/plain")),
    "encoded": (_get("/scep?%6fperation=GetCACaps"), _response(b"AES\nSHA-256\n", "text/plain", chunked=True)),
    "spaced": (_get("/scep?operation= GetCACaps"), _response(b"AES\n", "text/plain")),
    "pki-get": (_get(talk.get(REQUEST)), _response(REPLY, "application/x-pki-message")),
    "pki-post": (_post(talk.POST, REQUEST), _response(REPLY, "application/x-pki-message", chunked=True)),
    "no-type": (_post("/other", REQUEST), _response(REPLY, "application/octet-stream")),
    "typed": (_get("/download"), _response(REPLY, "application/x-pki-message")),
    "same-path": (_get("/scep"), _response(b"what is it?", "text/html")),
    "unknown": (_get("/scep?operation=Renew"), _response(b"no", "text/html")),
    "page": (_get("/page"), _response(PAGE, "text/html")),
    "page-chunked": (_get("/page"), _response(PAGE, "text/html", chunked=True)),
    "head": (_get("/page", "HEAD"), b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n"),
    "upload": (_post("/upload", PAGE * 3), _response(b"ok", "text/plain")),
    "not-modified": (_get("/page"), b"HTTP/1.1 304 Not Modified\r\n\r\n"),
    "continue": (_post("/upload", b"abc"), b"HTTP/1.1 100 Continue\r\n\r\n" + _response(b"ok", "text/plain")),
    "certificate": (_get("/ca.crt"), _response(REPLY[:40], "application/x-x509-ca-cert")),
    "bare-line-feeds": (b"GET /x HTTP/1.1\nHost: x\n\n", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok"),
    "blank-lines": (b"\r\n\r\n" + _get("/x"), _response(b"ok", "text/plain")),
    "odd-length": (_get("/x"), b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok"),
    "tls": (b"\x16\x03\x01\x00\x80" + bytes(range(128)), b"\x16\x03\x03\x02\x00" + bytes(512)),
    "smtp": (b"EHLO x\r\n", b"250 hello\r\n"),
    "connect": (_get("ca:443", "CONNECT"), b"HTTP/1.1 200 Connection established\r\n\r\n"),
    "pipelined": (
        _get("/page") + _get("/scep?operation=GetCACaps"),
        _response(b"p", "text/html") + _response(b"AES\n", "text/plain"),
    ),
    "pipelined-scep": (
        _get("/scep?operation=GetCACaps") * 2,
        _response(b"AES\n", "text/plain") + _response(b"SHA-256\n", "text/plain"),
    ),
}  # fmt: skip


def mixture(seed: int, mix: list[list[str]], most: int, harm: dict[str, float], link: str, snaplen: int) -> bytes:
    """A capture file of these conversations, interleaved and harmed."""
    chance = random.Random(seed)
    flows = []
    for number, names in enumerate(mix):
        v6 = chance.random() < 0.3
        client = f"2001:db8::{number + 1:x}" if v6 else f"10.0.0.{number + 1}"
        server = "2001:db8::ff" if v6 else "10.0.1.1"
        flows.append(
            _conversation(
                chance,
                [EXCHANGES[name] for name in names],
                client,
                server,
                4000 + number % 3,
                most,
                whole=bool(harm["swap"]),
            )
        )
    packets = []
    while any(flows):
        flow = chance.choice([each for each in flows if each])
        packets.append(flow.pop(0))
    packets = [each for each in packets if chance.random() >= harm["loss"]]
    for at in range(len(packets) - 1):
        if chance.random() < harm["swap"]:
            other = at + 1
            packets[at], packets[other] = packets[other], packets[at]
        if chance.random() < harm["repeat"]:
            packets.insert(at + chance.randint(1, 5), packets[at])
    kind, wrap = wire.LINKS[link]
    frames = [wrap(each) for each in packets]
    if chance.random() < 0.3:
        frames = [each + b"\0\1\2\3" for each in frames]  # a frame check sequence
    if chance.random() < 0.5:
        records = [_record(each[:snaplen], at, len(each)) for at, each in enumerate(frames)]
        return files.pcap_header(link_type=kind) + b"".join(records)
    blocks = [
        files.enhanced(each[:snaplen], 1_000_000_000 + 1000 * at, wire=len(each)) for at, each in enumerate(frames)
    ]
    return files.section() + files.interface(link_type=kind) + b"".join(blocks)


def _record(data: bytes, at: int, size: int) -> bytes:
    return struct.pack("<IIII", 1000 + at // 100, (at % 100) * 9973, len(data), size) + data


def _conversation(
    chance: random.Random,
    exchanges: list[tuple[bytes, bytes]],
    client: str,
    server: str,
    port: int,
    most: int,
    *,
    whole: bool,
) -> list[bytes]:
    """IP packets of a connection: handshake, the exchanges in segments, acknowledgments, the end."""
    sent = {"C": chance.randrange(2**32), "S": chance.randrange(2**32)}
    options = chance.choice([b"", b"\1\1\x08\x0a" + bytes(8)])

    def packet(side: str, flags: int, payload: bytes = b"") -> bytes:
        ends = (client, server, port, 80) if side == "C" else (server, client, 80, port)
        other = sent["S" if side == "C" else "C"] if flags & wire.ACK else 0
        body = wire.tcp(ends[2], ends[3], sent[side], other, flags, payload, options)
        sent[side] += len(payload) + bool(flags & (wire.SYN | wire.FIN))
        return wire.ip(ends[0], ends[1], 6, body)

    out = []
    # Without a handshake nobody knows that a first piece out of order is not the start.
    if whole or chance.random() < 0.85:
        out += [packet("C", wire.SYN), packet("S", wire.SYN | wire.ACK), packet("C", wire.ACK)]
    for request, answer in exchanges:
        for side, content in (("C", request), ("S", answer)):
            at = 0
            while at < len(content):
                size = chance.randint(1, most)
                out.append(packet(side, wire.ACK, content[at : at + size]))
                at += size
            out.append(packet("S" if side == "C" else "C", wire.ACK))
    if chance.random() < 0.7:
        out += [packet("S", wire.FIN | wire.ACK), packet("C", wire.FIN | wire.ACK), packet("S", wire.ACK)]
    elif chance.random() < 0.5:
        out.append(packet("C", wire.RST | wire.ACK))
    return out


HARMS = st.fixed_dictionaries(
    {each: st.sampled_from([0.0, 0.0, 0.02, most]) for each, most in (("loss", 0.15), ("swap", 0.05), ("repeat", 0.15))}
)


MIXTURES = {
    "seed": st.integers(0, 2**32),
    "mix": st.lists(st.lists(st.sampled_from(sorted(EXCHANGES)), min_size=1, max_size=5), min_size=1, max_size=6),
    "most": st.sampled_from([8, 90, 536, 1460, 20_000]),
    "harm": HARMS,
    "link": st.sampled_from(sorted(wire.LINKS)),
    "snaplen": st.sampled_from([65535, 65535, 65535, 300, 96]),
}
OTHER_PROTOCOLS = {"smtp", "tls", "connect", "head"}
"""What is lost of these, before SCEP on the same connection, may lead the pairing of answers astray with or without the sieve."""
UNHARMED = {"loss": 0.0, "swap": 0.0, "repeat": 0.0}


def _harm(**chances: float) -> dict[str, float]:
    return {**UNHARMED, **chances}


# Copied packets beside CONNECT, HEAD, pipelined requests and other talk; answers whose requests were lost; tiny pieces.
DIFFICULT: list[tuple[int, list[list[str]], int, dict[str, float], str, int]] = [
    (336, [["continue", "no-type", "continue", "not-modified"], ["head", "not-modified", "head"],
           ["same-path", "blank-lines", "pki-post", "pki-post", "connect"], ["blank-lines", "connect", "caps"], ["tls"]],
     8, _harm(repeat=0.02), "qinq", 65535),
    (416, [["bare-line-feeds", "head"], ["no-type"], ["tls", "page-chunked", "continue", "typed"],
           ["blank-lines", "page-chunked", "typed"], ["blank-lines", "typed"]], 536, _harm(repeat=0.15), "vlan", 300),
    (604, [["upload", "not-modified"], ["connect", "pki-get", "no-type"]], 1460, _harm(repeat=0.3), "null", 300),
    (2368, [["spaced", "spaced"], ["head", "unknown", "tls", "caps"]], 8, _harm(repeat=0.3), "qinq", 65535),
    (3110, [["upload", "bare-line-feeds", "head"], ["no-type"], ["encoded", "caps", "pki-get", "pki-get"], ["tls"],
            ["bare-line-feeds", "caps", "page-chunked"], ["head", "smtp", "caps"]], 536, _harm(repeat=0.3), "sll2", 300),
    (3486, [["pki-post", "upload", "no-type"], ["connect", "pki-get", "typed", "continue"]], 1460, _harm(repeat=0.3),
     "raw", 65535),
    (3722, [["odd-length", "pki-get"], ["tls", "pipelined"], ["no-type", "head", "spaced", "unknown"]], 536,
     _harm(repeat=0.02), "vlan", 300),
    (12086, [["upload"], ["page-chunked", "pki-post"], ["pipelined"]], 20_000, _harm(loss=0.15, repeat=0.02), "qinq", 65535),
]  # fmt: skip


@pytest.mark.parametrize(("seed", "mix", "most", "harm", "link", "snaplen"), DIFFICULT)
def test_mixtures_that_were_difficult(
    seed: int, mix: list[list[str]], most: int, harm: dict[str, float], link: str, snaplen: int
) -> None:
    _same(seed=seed, mix=mix, most=most, harm=harm, link=link, snaplen=snaplen)


@settings(max_examples=60 * DEPTH, deadline=None, phases=[Phase.explicit, Phase.generate])  # shrinking takes minutes
@example(seed=1, mix=[["page", "same-path"], ["caps"]], most=1460, harm=UNHARMED, link="ethernet", snaplen=65535)
@given(**MIXTURES)
def test_any_mixture(**how: Any) -> None:
    if how["harm"]["loss"]:
        how["mix"] = [
            names for each in how["mix"] if (names := [name for name in each if name not in OTHER_PROTOCOLS])
        ] or [["caps"]]
    _same(**how)


def _same(**how: Any) -> None:
    """The report of this mixture is the same with the sieve and without it."""
    data = mixture(**how)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mixture.pcap"
        path.write_bytes(data)
        sieved, unsieved = _report(path, "builtin"), _report(path, "unsieved")
    if how["harm"]["loss"]:
        # Holes in what other protocols and other HTTP said before, on a connection that later carries SCEP, may stay unnamed,
        # or be counted to what follows them.
        for report in (sieved, unsieved):
            report["anomalies"] = [each for each in report["anomalies"] if each["code"] != "gap"]
            report["findings"] = [each for each in report["findings"] if each["rule"] != "capture-gap-in-stream"]
    for report in (sieved, unsieved):
        report["anomalies"].sort(key=str)
    assert sieved == unsieved
