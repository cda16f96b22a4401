"""What is fuzzed: any bytes must give a report, never a traceback. A target takes bytes; an exception is a finding."""

import atexit
import contextlib
import io
import itertools
import json
import shutil
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

from scep_analyzer.analysis import Analysis
from scep_analyzer.model.anomalies import DecodeError, InputError
from scep_analyzer.model.findings import Severity
from scep_analyzer.model.packets import ACK, FIN, RST, SYN
from scep_analyzer.pasted.readers import read_pasted
from scep_analyzer.render import RENDERERS, Look, json_v1, jsonl, renderer
from scep_analyzer.report import Files
from scep_analyzer.rules.judge import Judge
from scep_analyzer.scep.anything import read_anything
from scep_analyzer.scep.ca_certificates import read_ca_certificates
from scep_analyzer.scep.messages import read_message, salvage_message
from scep_analyzer.sieve.flows import Flows
from scep_analyzer.story.narrator import story_of
from tests import files
from tests.builders import wire
from tests.segments import decoded, segment

Judge.strict = True
_MEMORY = Path("/dev/shm")  # a file system in memory; only the name of a folder in it is used
_FOLDER = Path(tempfile.mkdtemp(prefix="scep-analyzer-fuzz-", dir=_MEMORY if _MEMORY.is_dir() else None))
atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)


def capture(data: bytes) -> None:
    """A capture file, through everything, to one of the outputs; rules that fail raise.

    The input itself decides which output: all of them took ten times as long as decoding and judging.
    """
    path = _FOLDER / "capture"
    path.write_bytes(data)
    outputs = [("timeline", "json"), ("timeline", "jsonl"), *RENDERERS]
    command, form = outputs[zlib.crc32(data) % len(outputs)]
    with contextlib.suppress(InputError):
        analysis = Analysis([str(path)], "builtin")
        if form == "jsonl" and command == "timeline":
            jsonl.write(analysis.events(), Files(analysis.engine.facts), io.StringIO(), secrets=True)
            return
        report = analysis.report()
        if form == "json" and command == "timeline":
            json.loads(json_v1.render(report, secrets=True))
            return
        look = Look(width=100, color=True, least=Severity.INFO)
        renderer(command, form).whole(story_of(report), io.StringIO(), look)


def frames(data: bytes) -> None:
    """Packets cut from the bytes: the first byte chooses the link type, then come lengths and frames."""
    link_type = (
        (0, 1, 9, 50, 51, 101, 105, 108, 113, 117, 119, 127, 192, 228, 229, 258, 276)[data[0] % 17] if data else 1
    )
    records, at = [], 1
    while at < len(data):
        size = data[at] * 4
        records.append(files.pcap_record(data[at + 1 : at + 1 + size]))
        at += 1 + size
    capture(files.pcap_header(link_type=link_type) + b"".join(records))


def segments(data: bytes) -> None:
    """TCP: each seven bytes and what they announce make a segment, sieved and not."""
    flags = (ACK, SYN, SYN | ACK, FIN | ACK, RST, RST | ACK, 0, ACK | 8)
    made, at = [], 0
    for frame in itertools.count(1):
        if at + 7 > len(data) or frame > 400:
            break
        head, size = data[at : at + 7], data[at + 6]
        one = segment(
            frame,
            "CS"[head[0] & 1],
            "",
            int.from_bytes(head[1:3], "big"),
            data[at + 7 : at + 7 + size],
            cut=head[5] & 0x0F if head[5] & 0x80 else 0,
            time_ns=frame * head[3] * 10_000_000,
        )
        made.append(one._replace(flags=flags[head[0] >> 1 & 7], acknowledgment=int.from_bytes(head[3:5], "big") + 1000))
        at += 7 + size
    for sieve in (True, False):
        list(decoded(Flows(sieve=sieve).over(made)))


def http(data: bytes) -> None:
    """A capture of a whole connection in which the sides take turns, each saying what two zero bytes end."""
    sent = {"C": 1, "S": 1}

    def packet(side: str, flags: int, content: bytes = b"") -> bytes:
        frame = wire.between(side, flags, sent[side], sent["S" if side == "C" else "C"], content)
        sent[side] += len(content)
        return files.pcap_record(frame)

    records = [packet("C", ACK), packet("S", ACK)]
    for turn, content in enumerate(data.split(b"\0\0")[:200]):
        records.append(packet("CS"[turn & 1], ACK, content[:60_000]))
    records += [packet("C", FIN | ACK), packet("S", FIN | ACK)]
    capture(files.pcap_header() + b"".join(records))


def message(data: bytes) -> None:
    """A pkiMessage, a set of certificates, and whatever `decode` takes them for."""
    for read in (
        lambda: read_message(data, {}),
        lambda: read_ca_certificates(data),
        lambda: read_anything(data, {}),
        lambda: read_pasted(data),
    ):
        with contextlib.suppress(DecodeError, InputError):
            read()
    salvage_message(data, "fuzzed")


TARGETS: dict[str, Callable[[bytes], None]] = {
    each.__name__: each for each in (capture, frames, segments, http, message)
}


def seeds() -> dict[str, list[bytes]]:
    """Where fuzzing starts: the smallest captures of the corpus and what is in them."""
    from tests import talk
    from tests.conftest import CAPTURES

    asked = f"GET {talk.get(talk.message(19))} HTTP/1.1\r\n\r\n".encode()
    pipelined = b"GET /scep?operation=GetCACaps HTTP/1.1\r\n\r\n"
    answered = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nAES\n\r\n0\r\n\r\n"
    packet = wire.ethernet(wire.ip("10.0.0.1", "10.0.0.2", 6, wire.tcp(4000, 80, 1, 1, ACK, asked[:400])))
    captures = sorted((path.read_bytes() for path in CAPTURES), key=len)[:4]
    block = (
        files.section()
        + files.interface()
        + files.enhanced(packet, 5)
        + files.simple(packet)
        + files.obsolete(packet, 6)
    )
    return {
        "capture": [*captures, block],
        "frames": [bytes([1, len(packet) // 4 + 1]) + packet],
        "segments": [b"\x02\0\0\0\0\0\0\x04\0\0\0\0\0\0\0\0\1\0\0\0\x20" + asked[:32]],
        "http": [asked + b"\0\0" + answered, pipelined * 2 + b"\0\0" + answered * 2],
        "message": [talk.message(19), talk.reply(0, issued=True), talk.reply(2, fail_info=2)],
    }
