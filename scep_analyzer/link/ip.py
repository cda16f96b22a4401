"""IPv4 (RFC 791) and IPv6 (RFC 8200): headers, extension headers, fragments."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from scep_analyzer.model.anomalies import Anomaly, DecodeError
from scep_analyzer.model.limits import Limits
from scep_analyzer.model.packets import address

TCP = 6
_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _DESTINATION = 0, 43, 44, 51, 60
_EXTENSIONS = frozenset({_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _DESTINATION, 135, 139, 140})


class Datagram(NamedTuple):
    """An IP packet or fragment. ``cut`` counts payload bytes that the snaplen took."""

    source: bytes
    destination: bytes
    protocol: int
    payload: bytes
    cut: int
    identification: int = 0
    offset: int = 0
    more: bool = False
    ttl: int = 0


def decode_v4(data: bytes, at: int) -> Datagram:
    """Read an IPv4 packet that starts at ``at``."""
    if len(data) < at + 20 or data[at] >> 4 != 4:
        raise DecodeError("not a whole IPv4 header")
    header = (data[at] & 15) * 4
    if header < 20:
        raise DecodeError(f"IPv4 header length {header}")
    total = int.from_bytes(data[at + 2 : at + 4], "big")
    if total == 0:  # segmentation offload: the card fills the length in after the capture
        total = len(data) - at
    if total < header:
        raise DecodeError(f"IPv4 total length {total} is less than the header's {header}")
    fragment = int.from_bytes(data[at + 6 : at + 8], "big")
    payload = data[at + header : at + total]
    return Datagram(  # by position: one for each packet, and keywords cost a microsecond
        data[at + 12 : at + 16],
        data[at + 16 : at + 20],
        data[at + 9],
        payload,
        total - header - len(payload),
        int.from_bytes(data[at + 4 : at + 6], "big"),
        (fragment & 0x1FFF) * 8,
        bool(fragment & 0x2000),
        data[at + 8],
    )


def decode_v6(data: bytes, at: int) -> Datagram:
    """Read an IPv6 packet that starts at ``at``, extension headers included."""
    if len(data) < at + 40 or data[at] >> 4 != 6:
        raise DecodeError("not a whole IPv6 header")
    length = int.from_bytes(data[at + 4 : at + 6], "big")
    start, protocol = at + 40, data[at + 6]
    end = start + length if length else len(data)  # 0: jumbogram or segmentation offload
    identification, offset, more = 0, 0, False
    while protocol in _EXTENSIONS:
        if start + 8 > min(len(data), end):
            raise DecodeError("an IPv6 extension header is cut")
        this, protocol = protocol, data[start]
        if this == _FRAGMENT:
            word = int.from_bytes(data[start + 2 : start + 4], "big")
            offset, more = word & 0xFFF8, bool(word & 1)
            identification = int.from_bytes(data[start + 4 : start + 8], "big")
            start += 8
            break
        start += (data[start + 1] + 2) * 4 if this == _AUTHENTICATION else (data[start + 1] + 1) * 8
    if start > end:
        raise DecodeError("IPv6 extension headers are longer than the packet")
    payload = data[start:end]
    return Datagram(  # by position: one for each packet
        data[at + 8 : at + 24],
        data[at + 24 : at + 40],
        protocol,
        payload,
        end - start - len(payload),
        identification,
        offset,
        more,
        data[at + 7],
    )


@dataclass(slots=True, eq=False, repr=False)
class _Waiting:
    started_ns: int
    frames: list[int] = field(default_factory=list)
    pieces: dict[int, bytes] = field(default_factory=dict)
    size: int = 0
    total: int | None = None
    protocol: int = 0


class Fragments:
    """Datagrams in pieces. The frame that completes one stands for it, as in Wireshark."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._waiting: OrderedDict[tuple[bytes, bytes, int, int], _Waiting] = OrderedDict()
        self._held = 0

    def feed(self, piece: Datagram, frame: int, time_ns: int) -> Iterator[Datagram | Anomaly]:
        """Add one fragment; gives the whole datagram when this one completes it."""
        # RFC 8200, Section 4.5 identifies by addresses and identification alone; RFC 791 adds the protocol.
        # Only the first IPv6 fragment is sure to name the real protocol, so it is left out for IPv6.
        protocol = piece.protocol if len(piece.source) == 4 else -1
        key = (piece.source, piece.destination, protocol, piece.identification)
        waiting = self._waiting.get(key)
        if waiting is not None and time_ns - waiting.started_ns > self._limits.fragment_age_ns:
            yield self._drop(key, "fragments-incomplete", "the rest did not come in time")
            waiting = None
        if waiting is None:
            waiting = self._waiting[key] = _Waiting(time_ns)
        waiting.frames.append(frame)
        if piece.cut:
            return  # what the snaplen took cannot be filled in: the datagram stays incomplete and is named at the end
        if piece.offset not in waiting.pieces:
            waiting.pieces[piece.offset] = piece.payload
            waiting.size += len(piece.payload)
            self._held += len(piece.payload)
        if piece.offset == 0:
            waiting.protocol = piece.protocol
        if not piece.more:
            waiting.total = piece.offset + len(piece.payload)
        whole = _join(waiting)
        if whole is not None:
            self._held -= waiting.size
            del self._waiting[key]
            yield Datagram(
                source=piece.source, destination=piece.destination, protocol=waiting.protocol, payload=whole, cut=0
            )
        while self._held > self._limits.fragment_bytes and self._waiting:
            yield self._drop(next(iter(self._waiting)), "limit-fragments", "the limit for waiting fragments is reached")

    def finish(self) -> Iterator[Anomaly]:
        """Name the datagrams that never became whole."""
        while self._waiting:
            yield self._drop(next(iter(self._waiting)), "fragments-incomplete", "the rest is not in the capture")

    def _drop(self, key: tuple[bytes, bytes, int, int], code: str, why: str) -> Anomaly:
        waiting = self._waiting.pop(key)
        self._held -= waiting.size
        what = f"IP datagram {key[3]:#x} from {address(key[0])} to {address(key[1])}"
        return Anomaly("link", code, tuple(waiting.frames), f"{what}: {len(waiting.frames)} fragments, {why}")


def _join(waiting: _Waiting) -> bytes | None:
    """Put the pieces together; where they overlap, the first byte seen in order of offset counts."""
    if waiting.total is None or 0 not in waiting.pieces:
        return None
    whole = bytearray()
    for offset in sorted(waiting.pieces):
        if offset > len(whole):
            return None
        whole += waiting.pieces[offset][len(whole) - offset :]
    return bytes(whole[: waiting.total]) if len(whole) >= waiting.total else None
