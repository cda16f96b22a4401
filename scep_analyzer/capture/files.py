"""Paths → packets: the kind of each file by its first bytes, several files as one in time order."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from scep_analyzer.capture import foreign, pcap, pcapng
from scep_analyzer.capture.skim import Skim
from scep_analyzer.capture.source import Source
from scep_analyzer.model.anomalies import Anomaly, InputError
from scep_analyzer.model.packets import CaptureFacts, Packet, Segments
from scep_analyzer.model.patterns import lazily

STANDARD_INPUT = "-"
UNKNOWN = "read by tshark"
"""The format of a file whose kind only tshark knows."""

T = TypeVar("T")
Item = Packet | Segments | Anomaly
Reader = Callable[[Source, CaptureFacts, int, Skim | None], Iterator[Item]]
READERS: dict[bytes, tuple[str, Reader]] = {
    **dict.fromkeys(pcap.VARIANTS, ("pcap", pcap.read_pcap)),
    pcapng.MAGIC: ("pcapng", pcapng.read_pcapng),
}

_CAPTURES = (".pcap", ".pcapng", ".cap", ".ntar", ".dmp", ".snoop", ".trc")
ENDINGS_OF_CAPTURES = tuple(
    each + packed for each in _CAPTURES for packed in ("", ".gz", ".zst", ".lz4", ".xz", ".bz2")
)
_ROTATED = lazily(r"\.p?cap(ng)?\d+$")
"""As `tcpdump -C` names them: x.pcap, x.pcap1, x.pcap2."""
_BESIDE_CAPTURES = lazily(
    r"(?:\.(?:har|saz|zip|tar|tgz|txz|tbz2?)|\.log(?:[.-]\d+)*|access[._-]log[.\d-]*)(?:\.(?:gz|zst|lz4|xz|bz2))?$"
)
"""Archives, recordings and logs, also rotated ones: u_ex260302.log, access.log.2.gz, access_log-20260302."""


NO_STREAMS: Mapping[str, Any] = MappingProxyType({})


class CaptureFiles:
    """One capture in one or several files.

    ``facts`` describes each file, in the order read, and is complete once :meth:`packets` has run out.
    ``on_bytes`` is told how many bytes have been read so far, now and then. ``skim`` makes the tight pass for a file.
    ``streams`` are captures that are open already, by the name that stands for them in ``paths``; one that can ``rewind`` can be read
    again.
    """

    def __init__(
        self,
        paths: list[str],
        on_bytes: Callable[[int], None] | None = None,
        skim: Callable[[], Skim] | None = None,
        streams: Mapping[str, Any] | None = None,
    ) -> None:
        self.facts: list[CaptureFacts] = []
        self._skim = skim
        self._streams = streams or {}
        self._paths = expand(paths, self._streams)
        self._on_bytes = on_bytes

    @property
    def can_be_read_again(self) -> bool:
        """Whether all of it is in files: standard input and named pipes come by once."""
        return all(comes_again(path, self._streams) for path in self._paths)

    def packets(self) -> Iterator[Item]:
        """Packets of all files, in time order of the files, frames numbered as in one merged capture."""
        done = 0
        for path in in_time_order(self._paths, self._streams):
            with self._open(path, self._told(done)) as (source, facts, reader):
                self.facts.append(facts)
                before = sum(each.packets for each in self.facts)
                yield from reader(source, facts, before, self._skim() if self._skim is not None else None)
                if facts.bytes == 0:
                    facts.bytes = source.offset
                done += source.offset

    def _open(
        self, path: str, on_bytes: Callable[[int], None] | None
    ) -> contextlib.AbstractContextManager[tuple[Source, CaptureFacts, Reader]]:
        return _opened_any(path, self._streams, on_bytes)

    def _told(self, done: int) -> Callable[[int], None] | None:
        on_bytes = self._on_bytes
        return None if on_bytes is None else lambda offset: on_bytes(done + offset)


def expand(paths: list[str], streams: Mapping[str, Any] = NO_STREAMS) -> list[str]:
    """The files that are meant: a directory stands for the captures in it; without any, for its archives, logs and recordings."""
    expanded: list[str] = []
    for path in paths:
        if path != STANDARD_INPUT and path not in streams and _is_directory(path):
            try:
                files = {str(each): each.name.lower() for each in sorted(Path(path).iterdir())}
            except OSError as error:
                raise InputError(_unreadable(path, error)) from error
            captures = [at for at, name in files.items() if name.endswith(ENDINGS_OF_CAPTURES) or _ROTATED.search(name)]
            inside = captures or [at for at, name in files.items() if _BESIDE_CAPTURES.search(name)]
            if not inside:
                raise InputError(
                    f"{path}: a directory without captures, logs or recordings; name a file, as one ending in .pcap or .log"
                )
            expanded += inside
        else:
            expanded.append(path)
    return expanded


def is_file(path: str) -> bool:
    """Whether a path is that of a file that can be read again; no name is too unusual or too long to ask."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def _is_directory(path: str) -> bool:
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):
        return False


def is_capture_file(path: str) -> bool:
    """Whether a path is a file that begins as pcap or pcapng does, uncompressed."""
    if path == STANDARD_INPUT or not is_file(path):
        return False
    try:
        with Path(path).open("rb") as stream:
            return is_capture(stream.read(4))
    except OSError:
        return False


def is_capture(start: bytes) -> bool:
    """Whether an input begins as pcap or pcapng."""
    return start[:4] in READERS


def looked_at(stream: Any, look: Callable[[Source], T]) -> T | None:
    """What ``look`` finds at the beginning of an input that is open already, which is then as before.

    None for a program's packets: they are a capture, and must not be waited for.
    """
    if getattr(stream, "format", None) is not None:
        return None
    again = getattr(stream, "rewind", None) or getattr(stream, "again", None)
    if again is None:
        return None
    if hasattr(stream, "rewind"):
        again()
    found = look(Source(stream))
    again()
    return found


def stream_embeds_secrets(stream: Any) -> bool:
    """Whether a capture that is open already, and can be read again, holds TLS secrets before its first packet (pcapng)."""
    stream.rewind()
    source = Source(stream)
    source.peek(1 << 16)
    return pcapng.begins_with_secrets(source.at_hand(1 << 16))


def embeds_secrets(path: str) -> bool:
    """Whether a file, compressed or not, holds TLS secrets before its first packet (pcapng)."""
    if path == STANDARD_INPUT or not is_file(path):
        return False
    try:
        with _open(path) as stream:
            source = Source(stream)
            source.peek(1 << 16)
            return pcapng.begins_with_secrets(source.at_hand(1 << 16))
    except InputError:
        return False


def comes_again(path: str, streams: Mapping[str, Any]) -> bool:
    """Whether an input can be read a second time."""
    if path in streams:
        return hasattr(streams[path], "rewind")
    return path != STANDARD_INPUT and is_file(path)


def in_time_order(paths: list[str], streams: Mapping[str, Any] = NO_STREAMS) -> list[str]:
    """The files of one capture by the time of their first packets."""
    if len(paths) < 2 or not all(comes_again(path, streams) for path in paths):  # else it cannot be looked into first
        return paths

    def first_time(path: str) -> int:
        with _opened_any(path, streams) as (source, facts, reader):
            times = (item.time_ns for item in reader(source, facts, 0, None) if isinstance(item, Packet))
            return next((time for time in times if time is not None), 0)

    return sorted(paths, key=first_time)


@contextlib.contextmanager
def _open(path: str) -> Iterator[Any]:
    if path == STANDARD_INPUT:
        yield getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)  # raw: what a growing pipe holds comes at once
        return
    try:
        stream = Path(path).open("rb", buffering=0)  # noqa: SIM115  # closed below; an error while opening must not cover errors while reading
    except OSError as error:
        raise InputError(_unreadable(path, error)) from error
    except ValueError as error:  # a NUL in the name
        raise InputError(f"{path!r}: not a file name; give the path of a capture") from error
    with stream:
        yield stream


def opened_bytes(path: str) -> contextlib.AbstractContextManager[Any]:
    """The bytes of a file as they are. InputError where it cannot be opened."""
    return _open(path)


@contextlib.contextmanager
def opened_source(path: str) -> Iterator[Source]:
    """The bytes of one capture file, unpacked; pcap or pcapng, which other kinds become through tshark."""
    if path != STANDARD_INPUT and Path(path).is_dir():
        raise InputError(f"{path}: a directory; give one capture file")
    with _opened(path) as (source, _facts, _reader):
        yield source


def _unreadable(path: str, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{path}: no such file; give the path of a capture (pcap or pcapng), or `scep-analyzer --help` for the commands"
    if isinstance(error, PermissionError):
        return f"{path}: no permission to read it; try `sudo chmod a+r` on the file or run as its owner"
    return f"{path}: cannot be read ({error.strerror or error}); give the path of a capture"


def _opened_any(
    path: str, streams: Mapping[str, Any], on_bytes: Callable[[int], None] | None = None
) -> contextlib.AbstractContextManager[tuple[Source, CaptureFacts, Reader]]:
    """A capture file, or a capture that is open already."""
    stream = streams.get(path)
    if stream is None:
        return _opened(path, on_bytes)
    if hasattr(stream, "rewind"):
        stream.rewind()
    source = Source(stream, on_bytes)
    source.peek(pcap.FILE_HEADER_BYTES)
    source, facts, reader = _recognise(path, source, foreign.kind_of(source.at_hand(1 << 16)))
    facts.format = getattr(stream, "format", None) or facts.format
    return contextlib.nullcontext((source, facts, reader))


@contextlib.contextmanager
def _opened(path: str, on_bytes: Callable[[int], None] | None = None) -> Iterator[tuple[Source, CaptureFacts, Reader]]:
    """A capture file and what reads it, through tshark where only that knows its kind."""
    with _open(path) as stream:
        source = Source(stream, on_bytes)
        source.peek(pcap.FILE_HEADER_BYTES)
        start = source.at_hand(1 << 16)
        kind = foreign.kind_of(start)
        if kind is None and start[:4] not in READERS and path != STANDARD_INPUT and is_file(path):
            trace = foreign.trace_in(source.peek(foreign.TRACE_BYTES))
            if trace is not None:
                raise InputError(f"{path}: {trace}")
        known = kind is None and (start[:4] in READERS or not start or start.startswith(tuple(foreign.OTHERS)))
        if known or path == STANDARD_INPUT or not is_file(path) or (kind is None and not foreign.may_be_any(path)):
            yield _recognise(path, source, kind)
            return
    with foreign.converted(path, kind) as stream:
        below = Source(stream, on_bytes)
        if kind is None and not below.peek(1):
            raise InputError(_no_capture(path))
        source, facts, reader = _recognise(path, below, None)
        facts.format = kind or UNKNOWN
        yield source, facts, reader


def _no_capture(name: str) -> str:
    return f"{name}: not a capture; give a pcap or pcapng file, as tcpdump, Wireshark or dumpcap write them"


def _recognise(path: str, source: Source, kind: str | None) -> tuple[Source, CaptureFacts, Reader]:
    name = "standard input" if path == STANDARD_INPUT else path
    start = source.peek(pcap.FILE_HEADER_BYTES)
    if not start:
        empty = "the file is empty" if source.compression is None else f"the {source.compression} stream in it is empty"
        why = source.damage or empty
        raise InputError(f"{name}: {why}; give a capture (pcap or pcapng)")
    if kind is not None:
        raise InputError(f"{name}: a capture of kind {kind}; give it as a file, tshark then reads it")
    if start[:4] not in READERS:
        for magic, help_line in foreign.OTHERS.items():
            if start.startswith(magic):
                raise InputError(f"{name}: {help_line}")
        for ending, help_line in foreign.ENDINGS.items():
            if path.lower().endswith(ending):
                raise InputError(f"{name}: {help_line}")
        raise InputError(_no_capture(name))
    if len(start) < pcap.FILE_HEADER_BYTES:
        raise InputError(f"{name}: cut short inside the file header ({len(start)} bytes); record the capture again")
    known, reader = READERS[start[:4]]
    size = Path(path).stat().st_size if not source.compression and is_file(path) else 0
    return (
        source,
        CaptureFacts(path=path, format=known, link_types=[], bytes=size, compression=source.compression),
        reader,
    )
