"""Our findings as a Lua script for one capture: expert items and fields, beside what Wireshark shows itself."""

import zlib
from collections.abc import Iterable
from importlib.resources import files

from scep_analyzer.model.findings import Finding
from scep_analyzer.model.packets import Packet
from scep_analyzer.notes import evidence_frames, sentence_of, sides_of
from scep_analyzer.report import Report
from scep_analyzer.wireshark.lua import literal, quoted

_BEGINNING = 64
"""Bytes of every frame that tell the capture from another, as in overlay.lua: headers of Ethernet, IP and TCP."""
_BEGIN, _END = "-- generated: data\n", "-- end of generated"


def frames_of(report: Report, findings: tuple[Finding, ...]) -> dict[int, tuple[list[object], list[object]]]:
    """What each frame shows: the sides of exchanges that it carries, and the findings that name it as evidence."""
    frames: dict[int, tuple[list[object], list[object]]] = {}
    for side in sides_of(report):
        shown = (side.exchange, side.is_request, side.outcome, side.transaction, side.peer, side.sentence)
        for frame in side.frames:
            frames.setdefault(frame, ([], []))[0].append(shown)
    for finding in findings:
        shown_finding = (finding.severity.value, finding.rule, sentence_of(finding))
        for frame in evidence_frames(finding):
            frames.setdefault(frame, ([], []))[1].append(shown_finding)
    return frames


def script(
    name: str, frames: dict[int, tuple[list[object], list[object]]], packets: Iterable[Packet]
) -> tuple[str, int]:
    """The script, and how many frames it speaks about. ``packets`` are those of the capture: they tell its frames from another's."""
    lines = []
    total = summed = 0
    for packet in packets:
        total += 1
        summed = (summed * 31 + packet.wire_length + zlib.adler32(packet.data[:_BEGINNING])) % 0x7FFFFFFF
        shown = frames.get(packet.frame)
        if shown is None:
            continue
        seconds, rest = (None, None) if packet.time_ns is None else divmod(packet.time_ns, 1_000_000_000)
        known = (summed, packet.wire_length, seconds, rest, zlib.adler32(packet.data))
        lines.append(f"    [{packet.frame}] = {literal((*known, *shown))},\n")
    body = files(__package__).joinpath("overlay.lua").read_text(encoding="utf-8")
    before, rest_of_body = body.split(_BEGIN, 1)
    after = rest_of_body.split(_END, 1)[1]
    data = f"local CAPTURE, TOTAL, FRAMES = {quoted(name)}, {total}, {{\n{''.join(lines)}}}\n"
    return f"{before}{_BEGIN}{data}{_END}{after}", len(lines)
