"""Paths → packets: the kind of each file by its first bytes, several files as one in time order."""

import contextlib
import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from scep_analyzer.capture import pcap, pcapng
from scep_analyzer.capture.source import Source
from scep_analyzer.model.anomalies import Anomaly, InputError
from scep_analyzer.model.packets import CaptureFacts, Packet

STANDARD_INPUT = "-"

Reader = Callable[[Source, CaptureFacts, Iterator[int]], Iterator[Packet | Anomaly]]
READERS: dict[bytes, tuple[str, Reader]] = {
    **dict.fromkeys(pcap.VARIANTS, ("pcap", pcap.read_pcap)),
    pcapng.MAGIC: ("pcapng", pcapng.read_pcapng),
}

# Kinds of file that people hand over by mistake, each with what helps.
FOREIGN = {
    b"snoo": "a Solaris snoop capture: convert it with `editcap -F pcapng IN OUT`",
    b"(\xb5/\xfd": "compressed with zstd: unpack it with `zstd -d` first",
    b"\x04\x22\x4d\x18": "compressed with lz4: unpack it with `lz4 -d` first",
    b"\xfd7zX": "compressed with xz: unpack it with `xz -d` first",
    b"PK\x03\x04": "a zip archive: unpack it and give the capture inside",
    b"GMBU": "a Network Monitor capture: convert it with `editcap -F pcapng IN OUT`",
}
ENDINGS_OF_CAPTURES = (".pcap", ".pcapng", ".cap", ".pcap.gz", ".pcapng.gz", ".cap.gz", ".ntar", ".dmp")


class CaptureFiles:
    """One capture in one or several files.

    ``facts`` describes each file, in the order read, and is complete once :meth:`packets` has run out.
    ``on_bytes`` is told how many bytes have been read so far, now and then.
    """

    def __init__(self, paths: list[str], on_bytes: Callable[[int], None] | None = None) -> None:
        self.facts: list[CaptureFacts] = []
        self._paths = _expand(paths)
        self._on_bytes = on_bytes

    def packets(self) -> Iterator[Packet | Anomaly]:
        """Packets of all files, in time order of the files, frames numbered as in one merged capture."""
        frames = itertools.count(1)
        done = 0
        for path in _in_time_order(self._paths):
            with _open(path) as stream:
                source, facts, reader = _recognise(path, stream)
                self.facts.append(facts)
                for count, item in enumerate(reader(source, facts, frames)):
                    yield item
                    if self._on_bytes is not None and count % 2048 == 0:
                        self._on_bytes(done + source.offset)
                if facts.bytes == 0:
                    facts.bytes = source.offset
                done += source.offset
                # The reader asked for one number more than it used when it met the end.
                frames = itertools.count(1 + sum(each.packets for each in self.facts))


def _expand(paths: list[str]) -> list[str]:
    expanded: list[str] = []
    for path in paths:
        if path != STANDARD_INPUT and Path(path).is_dir():
            try:
                inside = sorted(
                    str(each) for each in Path(path).iterdir() if each.name.lower().endswith(ENDINGS_OF_CAPTURES)
                )
            except OSError as error:
                raise InputError(_unreadable(path, error)) from error
            if not inside:
                raise InputError(f"{path}: a directory without captures; name a file ending in .pcap, .pcapng or .cap")
            expanded += inside
        else:
            expanded.append(path)
    return expanded


def _in_time_order(paths: list[str]) -> list[str]:
    if len(paths) < 2 or STANDARD_INPUT in paths:
        return paths

    def first_time(path: str) -> int:
        with _open(path) as stream:
            source, facts, reader = _recognise(path, stream)
            times = (item.time_ns for item in reader(source, facts, itertools.count(1)) if isinstance(item, Packet))
            return next((time for time in times if time is not None), 0)

    return sorted(paths, key=first_time)


@contextlib.contextmanager
def _open(path: str) -> Iterator[BinaryIO]:
    if path == STANDARD_INPUT:
        yield sys.stdin.buffer
        return
    try:
        stream = Path(path).open("rb")  # noqa: SIM115  # closed below; an error while opening must not cover errors while reading
    except OSError as error:
        raise InputError(_unreadable(path, error)) from error
    except ValueError as error:  # a NUL in the name
        raise InputError(f"{path!r}: not a file name; give the path of a capture") from error
    with stream:
        yield stream


def _unreadable(path: str, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{path}: no such file; give the path of a capture (pcap or pcapng), or `scep-analyzer --help` for the commands"
    if isinstance(error, PermissionError):
        return f"{path}: no permission to read it; try `sudo chmod a+r` on the file or run as its owner"
    return f"{path}: cannot be read ({error.strerror or error}); give the path of a capture"


def _recognise(path: str, stream: BinaryIO) -> tuple[Source, CaptureFacts, Reader]:
    source = Source(stream)
    name = "standard input" if path == STANDARD_INPUT else path
    start = source.peek(pcap.FILE_HEADER_BYTES)
    if not start:
        why = source.damage or "the file is empty"
        raise InputError(f"{name}: {why}; give a capture (pcap or pcapng)")
    if start[:4] not in READERS:
        for magic, help_line in FOREIGN.items():
            if start.startswith(magic):
                raise InputError(f"{name}: {help_line}")
        raise InputError(
            f"{name}: not a capture; give a pcap or pcapng file, as tcpdump, Wireshark or dumpcap write them"
        )
    if len(start) < pcap.FILE_HEADER_BYTES:
        raise InputError(f"{name}: cut short inside the file header ({len(start)} bytes); record the capture again")
    kind, reader = READERS[start[:4]]
    size = 0 if path == STANDARD_INPUT or source.compressed else Path(path).stat().st_size
    return source, CaptureFacts(path, kind, [], bytes=size), reader
