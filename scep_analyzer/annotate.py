"""Packet comments in a pcapng file: every other byte is copied as it is, and they can be taken out again.

A copier of blocks (draft-ietf-opsawg-pcapng, Section 3.1), because editcap refuses files with decryption secrets before the interfaces and
the libraries tried lose options. It streams: one block is in memory at a time. What it adds begins with :data:`MARK`.
"""

import hashlib
import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO, NamedTuple

from scep_analyzer.capture.pcap import VARIANTS, read_pcap
from scep_analyzer.capture.pcapng import (
    ENHANCED_PACKET,
    INTERFACE_DESCRIPTION,
    MAGIC,
    NUMBERED_FOREIGN_BLOCKS,
    OBSOLETE_PACKET,
    OPTION_COMMENT,
    SECTION_HEADER,
    SIMPLE_PACKET,
)
from scep_analyzer.capture.source import Source
from scep_analyzer.model.limits import BOUNDS
from scep_analyzer.model.packets import CaptureFacts, Packet
from scep_analyzer.version import __version__

MARK = "[scep-analyzer] "
"""How a comment of ours begins."""

_MOST_BYTES = 65_532
"""An option's length is 16 bits; a multiple of four needs no padding."""
_PIECE = 1 << 20
_LITTLE, _BIG = b"\x4d\x3c\x2b\x1a", b"\x1a\x2b\x3c\x4d"
_PACKETS = frozenset({ENHANCED_PACKET, OBSOLETE_PACKET, SIMPLE_PACKET})
_OURS = _PACKETS | {SECTION_HEADER, *NUMBERED_FOREIGN_BLOCKS}
"""Blocks that are counted, or may carry a comment of ours; all others are copied unread."""
_OPTIONS_AT = {SECTION_HEADER: 24, ENHANCED_PACKET: 28, OBSOLETE_PACKET: 28}
"""Where the options begin, for packets without their data: block header and fixed fields."""
_END_OF_OPTIONS = b"\0\0\0\0"
_UNKNOWN_LENGTH = 0xFFFF_FFFF_FFFF_FFFF
_KINDS = {False: "pcapng file", True: "pcap file"}
_ABOUT = re.compile(rb"on the (pcap file|pcapng file) with SHA-256 ([0-9a-f]{64})")
_SECTION_LENGTH = re.compile(r"\[section length ([0-9]{1,20})\]")
"""64 bits. A comment that only looks like ours may hold any digits."""
_USER_APPLICATION, _TIME_RESOLUTION = 4, 9


class Block(NamedTuple):
    """A whole block, or bytes that are copied as they are (``kind`` None). ``order`` is struct's sign for the section's byte order."""

    kind: int | None
    order: str
    encoded: bytes


class Origin(NamedTuple):
    """What the comments are about: SHA-256 of the capture without our comments, in hex, and whether it was a pcap file."""

    sha256: str
    is_pcap: bool


class Placed(NamedTuple):
    """What :func:`annotate` did: how many frames have a comment, and which frames could not carry one."""

    frames: int
    without: tuple[int, ...]


class Stripped(NamedTuple):
    """What :func:`strip` did: comments taken out, SHA-256 of the bytes written, and what the comments were about (None: none there)."""

    comments: int
    sha256: str
    origin: Origin | None


def blocks_of(source: Source) -> Iterator[Block]:
    """The blocks of a pcapng file, or those that a pcap file becomes."""
    return _pcapng_blocks(source) if source.peek(4) == MAGIC else _pcap_blocks(source)


def annotate(blocks: Iterable[Block], comments: Mapping[int, str], origin: Origin, out: BinaryIO) -> Placed:
    """Copy blocks with a comment on each frame that has one; comments of an earlier run are taken out first.

    A Simple Packet Block cannot carry a comment, nor can a
    packet block whose options are damaged: their frames are listed in the result.
    """
    about = (
        f"{MARK}Comments by scep-analyzer {__version__} on the {_KINDS[origin.is_pcap]} with SHA-256 {origin.sha256}. "
    )
    about += "To remove them: scep-analyzer annotate --strip"
    frame, placed, without = 0, 0, []
    for block in map(_without_ours, blocks):
        encoded: bytes | None = block.encoded
        if block.kind == SECTION_HEADER:
            encoded = _with_comment(block, about)
        elif block.kind in _PACKETS or block.kind in NUMBERED_FOREIGN_BLOCKS:
            frame += 1
            text = comments.get(frame)
            if text is not None:
                encoded = _with_comment(block, MARK + text)
                placed += encoded is not None
                if encoded is None:
                    without.append(frame)
        out.write(block.encoded if encoded is None else encoded)
    without += [each for each in comments if each > frame]
    return Placed(placed, tuple(without))


def strip(blocks: Iterable[Block], out: BinaryIO) -> Stripped:
    """Copy blocks without our comments: what comes out is what :func:`annotate` was given, byte by byte."""
    hashed, count = hashlib.sha256(), 0
    origin: Origin | None = None
    for block in blocks:
        plain = _without_ours(block)
        if plain is not block:
            count += 1
            found = _ABOUT.search(block.encoded) if block.kind == SECTION_HEADER else None
            origin = Origin(found[2].decode(), found[1] == b"pcap file") if found is not None else origin
        hashed.update(plain.encoded)
        out.write(plain.encoded)
    return Stripped(count, hashed.hexdigest(), origin)


def origin_of(source: Source) -> Origin:
    """What a capture is without our comments."""
    hashed, is_pcap = hashlib.sha256(), source.peek(4) != MAGIC
    if is_pcap:
        while piece := source.read(_PIECE):
            hashed.update(piece)
    else:
        for block in _pcapng_blocks(source):
            hashed.update(_without_ours(block).encoded)
    return Origin(hashed.hexdigest(), is_pcap)


def _pcapng_blocks(source: Source) -> Iterator[Block]:
    """Blocks as ``capture.pcapng`` numbers them; what it would not read on is copied to the end as it is."""
    order = "<"
    while len(head := source.peek(12)) == 12:
        if head[:4] == MAGIC:
            if head[8:12] not in (_LITTLE, _BIG):
                break
            order = "<" if head[8:12] == _LITTLE else ">"
        kind, length = struct.unpack(order + "II", head[:8])
        limit = BOUNDS.record_bytes + 64 * 1024 if kind in _PACKETS else BOUNDS.block_bytes
        if length < 12 or length > limit:
            break
        left = 8 + (length - 8 + 3 & ~3)
        if kind in _OURS:
            encoded = source.read(left)
            whole = len(encoded) == left and length % 4 == 0 and encoded[-4:] == encoded[4:8]
            yield Block(kind if whole or kind != SECTION_HEADER else None, order, encoded)
            continue
        left = max(left, _others_at_hand(source, order))
        while left > 0 and (piece := source.read(min(left, _PIECE))):
            left -= len(piece)
            yield Block(None, order, piece)
    while piece := source.read(_PIECE):
        yield Block(None, order, piece)


def _others_at_hand(source: Source, order: str) -> int:
    """The bytes of the whole blocks without comments of ours that follow one another in the buffer: they are copied as one."""
    read = struct.Struct(order + "II").unpack_from
    view, at, end = source.view, source.at, source.filled
    while end - at >= 12:
        kind, length = read(view, at)
        size = 8 + (length - 8 + 3 & ~3)
        if kind in _OURS or not 12 <= length <= BOUNDS.block_bytes or size > end - at:
            break
        at += size
    return at - source.at


def _pcap_blocks(source: Source) -> Iterator[Block]:
    """A pcap file as a section with one interface. Times are equal to the tick."""
    variant = VARIANTS[source.peek(4)]
    header = source.peek(24)
    snaplen, network = struct.unpack_from(variant.order + "II", header, 16)
    yield Block(
        SECTION_HEADER,
        "<",
        _block(
            SECTION_HEADER,
            _LITTLE
            + struct.pack("<HHQ", 1, 0, _UNKNOWN_LENGTH)
            + _option("<", _USER_APPLICATION, f"scep-analyzer {__version__}".encode())
            + _END_OF_OPTIONS,
        ),
    )
    resolution = (
        _option("<", _TIME_RESOLUTION, bytes([variant.digits])) + _END_OF_OPTIONS if variant.digits != 6 else b""
    )
    yield Block(
        INTERFACE_DESCRIPTION,
        "<",
        _block(INTERFACE_DESCRIPTION, struct.pack("<HHI", network & 0xFFFF, 0, snaplen) + resolution),
    )
    tick = 10 ** (9 - variant.digits)
    for item in read_pcap(source, CaptureFacts(path="", format="pcap", link_types=[]), 0):
        if isinstance(item, Packet):
            ticks = (item.time_ns or 0) // tick
            fixed = struct.pack("<IIIII", 0, ticks >> 32, ticks & 0xFFFF_FFFF, len(item.data), item.wire_length)
            yield Block(ENHANCED_PACKET, "<", _block(ENHANCED_PACKET, fixed + _padded(item.data)))


def _block(kind: int, body: bytes) -> bytes:
    length = struct.pack("<I", 12 + len(body))
    return struct.pack("<I", kind) + length + body + length


def _padded(data: bytes) -> bytes:
    return bytes(data) + bytes(-len(data) % 4)


def _option(order: str, code: int, value: bytes) -> bytes:
    return struct.pack(order + "HH", code, len(value)) + _padded(value)


def _options_at(block: Block) -> int | None:
    """Where a block's options begin; None where it has no room for them or is damaged."""
    at = _OPTIONS_AT.get(block.kind or 0)
    size = len(block.encoded)
    if at is None or size < at + 4 or size % 4 or block.encoded[-4:] != block.encoded[4:8]:
        return None
    if struct.unpack_from(block.order + "I", block.encoded, 4)[0] != size:
        return None
    if block.kind != SECTION_HEADER:
        (captured,) = struct.unpack_from(block.order + "I", block.encoded, 20)
        at += captured + 3 & ~3
    return at if at <= size - 4 else None


def _options(order: str, data: bytes) -> list[tuple[int, int, int]] | None:
    """Code, beginning and end of each option in front of the end mark; None where one does not fit."""
    found: list[tuple[int, int, int]] = []
    at = 0
    while at < len(data):
        if at + 4 > len(data):
            return None
        code, length = struct.unpack_from(order + "HH", data, at)
        if code == 0:
            return found
        end = at + 4 + (length + 3 & ~3)
        if end > len(data):
            return None
        found.append((code, at, end))
        at = end
    return found


def _with_comment(block: Block, text: str) -> bytes | None:
    """The block with one more comment, None where it cannot carry one."""
    at = _options_at(block)
    options = block.encoded[at:-4] if at is not None else b""
    known = _options(block.order, options)
    if at is None or known is None:
        return None
    fixed = block.encoded[:at]
    if block.kind == SECTION_HEADER:
        (length,) = struct.unpack_from(block.order + "Q", fixed, 16)
        if length != _UNKNOWN_LENGTH:  # the section grows by what is not known yet
            text += f" [section length {length}]"
            fixed = fixed[:16] + struct.pack("<Q", _UNKNOWN_LENGTH) + fixed[24:]
    end = known[-1][2] if known else 0
    # A line end at the end of the comment says that an end mark alone was there before.
    alone = not known and options != b""
    comment = _option(block.order, OPTION_COMMENT, _limited(text) + b"\n" * alone)
    mark = _END_OF_OPTIONS if options == b"" else b""
    return _rebuilt(block, fixed, options[:end] + comment + mark + options[end:])


def _without_ours(block: Block) -> Block:
    """The block without our comments; the same block where it has none."""
    at = _options_at(block)
    if at is None or MARK.encode() not in block.encoded:
        return block
    fixed, options = block.encoded[:at], block.encoded[at:-4]
    ours = [
        (begin, end)
        for code, begin, end in _options(block.order, options) or ()
        if code == OPTION_COMMENT and options[begin + 4 :].startswith(MARK.encode())
    ]
    if not ours:
        return block
    text = b""
    for begin, end in reversed(ours):
        (length,) = struct.unpack_from(block.order + "H", options, begin + 2)
        text = options[begin + 4 : begin + 4 + length]
        options = options[:begin] + options[end:]
    if options == _END_OF_OPTIONS and not text.endswith(b"\n"):
        options = b""
    length_before = _SECTION_LENGTH.search(text.decode("utf-8", "replace"))
    if block.kind == SECTION_HEADER and length_before is not None:
        before = int(length_before[1]) & _UNKNOWN_LENGTH
        fixed = fixed[:16] + struct.pack(block.order + "Q", before) + fixed[24:]
    return block._replace(encoded=_rebuilt(block, fixed, options))


def _rebuilt(block: Block, fixed: bytes, options: bytes) -> bytes:
    length = struct.pack(block.order + "I", len(fixed) + len(options) + 4)
    return fixed[:4] + length + fixed[8:] + options + length


def _limited(text: str) -> bytes:
    """UTF-8 that fits into an option, cut between characters."""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= _MOST_BYTES:
        return encoded
    return encoded[: _MOST_BYTES - 4].decode("utf-8", "ignore").encode() + "…".encode()
