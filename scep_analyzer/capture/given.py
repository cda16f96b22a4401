"""Whatever a Python program has in hand → captures. Told by shape, so that neither scapy nor pyshark nor dpkt is imported for it.

A path, several, bytes, a binary file; packets as (time, bytes) or (time, bytes, link type); scapy's packets and lists of them; dpkt's
readers; pyshark's captures: the file behind one where there is a file, else its packets with their raw bytes.
"""

import io
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any, NamedTuple

from scep_analyzer.capture.packing import HandedPacket, PacketStream, Readable
from scep_analyzer.model.anomalies import AnalyzerError

ETHERNET = 1
_LATEST_NS = (1 << 64) - 1
"""The latest time that a pcapng file can hold, in the year 2554."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LINK_TYPES_OF_WIRESHARK = {1: ETHERNET, 4: 9, 7: 101, 15: 0, 20: 105, 23: 127, 25: 113, 129: 228, 130: 229, 210: 276}
"""Wireshark's frame.encap_type (wiretap/wtap.h) → link type (tcpdump.org/linktypes.html)."""
_ACCEPTED = "give a path, bytes, a binary file, (time, bytes) pairs, or packets of scapy, dpkt or pyshark"


class Given(NamedTuple):
    """Captures: the names under which they are told, and the streams of those that are no files."""

    names: list[str]
    streams: dict[str, Any]
    display_filter: str | None = None
    """The filter of a pyshark capture, whose file is read."""


def given(source: object, link_type: int | None = None) -> Given:
    """What a program gave. ``link_type`` (a number of tcpdump.org/linktypes.html) is that of packets that do not tell theirs."""
    if isinstance(source, str | os.PathLike):
        return Given([_path(source)], {})
    path = getattr(source, "input_filepath", None)
    if path is not None and hasattr(source, "next_packet"):  # pyshark's FileCapture
        return Given([str(path)], {}, getattr(source, "_display_filter", None) or None)
    stream = _stream(source)
    if stream is not None:
        return _named([(_name_of(source), stream)])
    if _is_packet(source):
        return _packets(iter([source]), link_type)
    if hasattr(source, "sniff_continuously"):  # pyshark's LiveCapture; iterating would wait for its end
        return _packets(iter(source.sniff_continuously()), link_type)
    if isinstance(source, Mapping) or not isinstance(source, Iterable):
        raise AnalyzerError(f"a {type(source).__name__} is not a capture; {_ACCEPTED}")
    datalink = getattr(source, "datalink", None)  # dpkt's readers
    if link_type is None and callable(datalink):
        link_type = datalink()
    items = iter(source)
    first = next(items, None)
    if first is None:
        return _packets(iter(()), link_type)
    items = chain([first], items)
    if isinstance(first, str | os.PathLike) or _stream(first) is not None:
        return _several(items)
    return _packets(items, link_type)


def _path(source: "str | os.PathLike[Any]") -> str:
    return os.fsdecode(source)


def _several(items: Iterable[Any]) -> Given:
    names: list[tuple[str, Any]] = []
    for each in items:
        if isinstance(each, str | os.PathLike):
            names.append((_path(each), None))
        elif (stream := _stream(each)) is not None:
            names.append((_name_of(each), stream))
        else:
            raise AnalyzerError(f"several captures, and a {type(each).__name__} among them is none; {_ACCEPTED}")
    return _named(names)


def _named(captures: list[tuple[str, Any]]) -> Given:
    """Streams by names that are theirs alone."""
    names: list[str] = []
    streams: dict[str, Any] = {}
    for name, stream in captures:
        own = name
        if stream is not None:
            number = 1
            while own in streams or own in names:
                number += 1
                own = f"{name} ({number})"
            streams[own] = stream
        names.append(own)
    return Given(names, streams)


def _packets(items: Iterator[Any], link_type: int | None) -> Given:
    return _named([("packets", PacketStream(handed(each, number, link_type) for number, each in enumerate(items, 1)))])


def _stream(source: object) -> Any:
    """The bytes of a capture as a stream; None where the source is none."""
    if isinstance(source, bytes | bytearray | memoryview):
        return io.BytesIO(source)
    if isinstance(source, io.TextIOBase):
        raise AnalyzerError(f"{_name_of(source)}: opened as text; open it with mode 'rb'")
    if not callable(getattr(source, "read", None)) or _is_packet(source):
        return None
    return source if hasattr(source, "readinto") and hasattr(source, "seekable") else Readable(source)


def _name_of(source: object) -> str:
    if isinstance(source, bytes | bytearray | memoryview):
        return "bytes"
    name = getattr(source, "name", None)
    return name if isinstance(name, str) and name else "stream"


def _is_packet(source: object) -> bool:
    """Whether it is one packet of scapy's or pyshark's; scapy's can be iterated over, which gives variants of it."""
    kind = type(source)
    return hasattr(kind, "get_raw_packet") or (hasattr(kind, "haslayer") and hasattr(kind, "build"))


def handed(item: Any, number: int, link_type: int | None) -> HandedPacket:
    """One packet that a program gave; AnalyzerError says what is wrong with it, and counts it as ``number``."""
    if hasattr(type(item), "get_raw_packet"):
        return _of_pyshark(item, number, link_type)
    if _is_packet(item):
        return _of_scapy(item, number, link_type)
    if isinstance(item, tuple | list) and len(item) in (2, 3):
        time, data, *link = item
        if isinstance(data, bytes | bytearray | memoryview):
            theirs = link[0] if link else link_type if link_type is not None else ETHERNET
            return _handed(number, time, bytes(data), theirs, len(data))
    raise AnalyzerError(f"packet {number} is a {type(item).__name__}: {_ACCEPTED}")


def _of_scapy(packet: Any, number: int, link_type: int | None) -> HandedPacket:
    """A packet of scapy's; its class tells the link type."""
    config: Any = sys.modules.get("scapy.config")  # it is loaded: the packet is its
    known = config.conf.l2types.layer2num.get(type(packet)) if config is not None else None
    link = known if known is not None else link_type
    if link is None:
        name = type(packet).__name__
        raise AnalyzerError(
            f"packet {number} is a scapy {name}, which has no link type: import scapy.all before reading, or give link_type (1 is Ethernet)"
        )
    data = bytes(packet)
    return _handed(number, packet.time, data, link, max(getattr(packet, "wirelen", None) or 0, len(data)))


def _of_pyshark(packet: Any, number: int, link_type: int | None) -> HandedPacket:
    """A packet of pyshark's, which must have its raw bytes."""
    try:
        data = bytes(packet.get_raw_packet())
    except Exception as error:  # an AssertionError or AttributeError of pyshark's, by its version
        raise AnalyzerError(
            f"packet {number} of pyshark has no raw bytes: open the capture with use_json=True, include_raw=True"
        ) from error
    link: int | None = link_type
    if link is None:
        encapsulation = _number(getattr(packet.frame_info, "encap_type", None))
        link = _LINK_TYPES_OF_WIRESHARK.get(encapsulation) if encapsulation is not None else ETHERNET
        if link is None:
            raise AnalyzerError(
                f"packet {number} has Wireshark's encapsulation {encapsulation}; give link_type, its number in tcpdump.org/linktypes.html"
            )
    return _handed(number, packet.sniff_timestamp, data, link, _number(getattr(packet, "length", None)) or len(data))


def _number(text: Any) -> int | None:
    try:
        return int(str(text))
    except ValueError:
        return None


def _handed(number: int, time: Any, data: bytes, link_type: Any, wire_length: int) -> HandedPacket:
    time_ns = _nanoseconds(time)
    if time_ns is None or not 0 <= time_ns <= _LATEST_NS:
        raise AnalyzerError(
            f"packet {number} has the time {time!r}; give seconds since 1970 (float, Decimal, int) or a datetime with a time zone"
        )
    if not isinstance(link_type, int) or not 0 <= link_type <= 0xFFFF:
        raise AnalyzerError(
            f"packet {number} has the link type {link_type!r}; give its number in tcpdump.org/linktypes.html, 1 for Ethernet"
        )
    return HandedPacket(time_ns, data, link_type, max(wire_length, len(data)))


def _nanoseconds(time: Any) -> int | None:
    """Exact for Decimal (scapy's EDecimal) and text; to the microsecond for float, which holds no more of a time of today."""
    if isinstance(time, datetime):
        return (time - _EPOCH) // timedelta(microseconds=1) * 1_000 if time.tzinfo is not None else None
    if isinstance(time, str):
        return _of_text(time)
    try:
        above, below = time.as_integer_ratio()
    except (AttributeError, ValueError, OverflowError):  # no number, NaN, infinity
        return None
    if isinstance(time, float):
        return int((2 * above * 1_000_000 + below) // (2 * below)) * 1_000
    return int((2 * above * 1_000_000_000 + below) // (2 * below))


def _of_text(time: str) -> int | None:
    """Seconds as pyshark gives them, or ISO 8601 (Wireshark 4.2 and later)."""
    whole, _, fraction = time.partition(".")
    if whole.isdecimal() and (fraction.isdecimal() or not fraction):
        return int(whole[:20]) * 1_000_000_000 + int(fraction.ljust(9, "0")[:9])
    day, _, rest = time.rstrip("Z").partition("T")
    clock, _, fraction = rest.partition(".")
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}+00:00")
    except ValueError:
        return None
    return (moment - _EPOCH) // timedelta(seconds=1) * 1_000_000_000 + int(fraction.ljust(9, "0")[:9] or "0")
