"""Bytes as they were on the wire or in a file: DER, HTTP messages, IP packets."""

import codecs
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from scep_analyzer.cms.ber import claimed_length, extent
from scep_analyzer.cms.requests import lacks_sequence
from scep_analyzer.http1.alone import Alone, read_alone
from scep_analyzer.http1.exchanges import Pairing
from scep_analyzer.link.decode import Decoder
from scep_analyzer.model.anomalies import Anomaly, DecodeError
from scep_analyzer.model.exchanges import HttpExchange, Request, Response, header
from scep_analyzer.model.packets import Packet, Segments
from scep_analyzer.model.told_secrets import withheld_in_doubt
from scep_analyzer.pasted.dumps import read_dumps
from scep_analyzer.pasted.pieces import Piece, Then
from scep_analyzer.scep.capabilities import is_capability_list
from scep_analyzer.scep.encoding import decode_body, decode_get_message
from scep_analyzer.scep.operations import read_query
from scep_analyzer.sieve.flows import Flows
from scep_analyzer.tcp.connections import Reassembler

MOST_MESSAGES = 100
_RAW_IP, _ETHERNET = 101, 1

# SEQUENCE and the OID of a ContentInfo of PKCS #7 (1.2.840.113549.1.7.x): how every pkiMessage and envelope begins.
CONTENT_INFO = re.compile(
    rb"\x30(?:\x80|\x81.|\x82..|\x83...)\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07[\x01-\x06]", re.DOTALL
)
BEGINNING = re.compile(CONTENT_INFO.pattern + rb"|\x30(?:\x81.|\x82..)\x30[\x81\x82].{20}", re.DOTALL)
"""How what is cut is told: a ContentInfo, a certificate or a request, each with more in it than its headers."""
FORMS = frozenset({"DER", "BER", "DER or BER, cut or damaged"})
_MOST_FILLED = 8
"""Zeros that may follow a message: the last word of a dump is whole."""
_MADE_TEXT = re.compile(rb"0(?:\xef\xbf\xbd|\.|\?)")
"""How DER begins of which text was made: the byte after the first (0x82) is none of ASCII."""


# -- DER ---------------------------------------------------------------------------------------------------------------


def der(data: bytes) -> Iterator[Piece]:
    """An input that is DER or BER from its first byte on: one message or several, one after another."""
    if lacks_sequence(data):
        note = (
            "sequence-missing",
            "the SEQUENCE around the PKCS #10 request is missing; .NET writes it so inside another content type",
        )
        yield Piece(start=0, end=len(data), content=data, form="DER", then=Then.MESSAGE, notes=(note,))
        return
    if mangled(data):
        yield Piece(start=0, end=len(data), content=b"a message" + mangled(data).encode(), form="DER", then=Then.TOLD)
        return
    at, count = 0, 0
    while data[at : at + 1] == b"\x30" and count <= MOST_MESSAGES:
        try:
            end = extent(data, at, len(data))
        except DecodeError:
            end = len(data) + 1
        if end > len(data):
            yield Piece(
                start=at, end=len(data), content=data[at:], form="DER or BER, cut or damaged", then=Then.MESSAGE
            )
            return
        rest = data[end:]
        form = "BER" if data[at + 1] == 0x80 else "DER"
        if rest[:1] == b"\x30" or not rest.strip(b"\r\n\0 "):
            yield Piece(start=at, end=end, content=data[at:end], form=form, then=Then.MESSAGE)
        else:
            what = "1 byte follows" if len(rest) == 1 else f"{len(rest):,} bytes follow"
            note = "trailing-bytes", f"{what} the message"
            yield Piece(start=at, end=end, content=data[at:end], form=form, then=Then.MESSAGE, notes=(note,))
        at, count = end, count + 1


def begins_as_der(data: bytes) -> bool:
    """Whether the first bytes are those of a SEQUENCE and no text, which may begin with the digit 0 as well."""
    if data[:1] != b"\x30":
        return False
    start = data[1:64]
    if any(byte < 9 or 13 < byte < 27 for byte in start):
        return True
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return True
    return False


def somewhere(data: bytes) -> Iterator[Piece]:
    """A CMS structure in the middle of other bytes; one that is cut lasts to the end."""
    at = 0
    while (match := CONTENT_INFO.search(data, at)) is not None:
        start = match.start()
        try:
            end = min(extent(data, start, len(data)), len(data))
        except DecodeError:
            end = len(data)
        yield Piece(start=start, end=end, content=data[start:end], form="DER", then=Then.GUESS)
        at = max(end, start + 1)


# -- HTTP --------------------------------------------------------------------------------------------------------------


def http(data: bytes) -> Iterator[Piece]:
    """HTTP messages, whose bodies or URLs have messages of SCEP. A body that is not there as bytes is told."""
    asked: str | None = None
    for each in read_alone(data):
        message = each.message
        query = read_query(message.target) if isinstance(message, Request) else None
        if query is not None:
            asked = query.operation
        encoded, notes = decode_body(message.body.content or b"")
        direction = "request" if isinstance(message, Request) else "response"
        form = f"an HTTP {direction}"
        operation = asked if direction == "request" else None
        if encoded[:1] == b"\x30" and len(encoded) > 1 and not mangled(encoded):
            notes = [*notes, *_cut(each)]
            yield Piece(
                start=each.start,
                end=each.end,
                content=encoded,
                form=form,
                then=Then.MESSAGE,
                direction=direction,
                notes=tuple(notes),
                operation=operation,
            )
            continue
        if query is not None and query.message and query.operation == "PKIOperation":
            continue  # its URL has the message: the reader of URLs gives it
        told = _told(each, query.operation if query is not None else asked)
        if told:
            # What is in the body is left to the other readers: in a log it is not the body at all.
            yield Piece(
                start=each.start,
                end=each.body,
                content=told.encode("latin-1", "replace"),
                form=form,
                then=Then.TOLD,
                direction=direction,
            )


def _cut(each: Alone) -> Iterator[tuple[str, str]]:
    length = each.end - each.body
    if each.claimed is not None and each.claimed > length:
        yield "body-cut", f"{length:,} of {each.claimed:,} bytes of the body are there"
    yield from each.notes


def _told(each: Alone, operation: str | None) -> str:
    """What a message says that has no message of SCEP's in it; nothing where it has nothing to do with SCEP."""
    message = each.message
    body = message.body.content or b""
    if isinstance(message, Response):
        if operation is None and "x-pki" not in (header(message.headers, "content-type") or ""):
            return _status(message)
        if is_capability_list(body):
            return "the response to GetCACaps: " + withheld_in_doubt(", ".join(body.decode("latin-1").split()))
        return _status(message) + mangled(body)
    if operation is None:
        return ""
    parameter = read_query(message.target).message
    if operation != "PKIOperation":
        return operation + (f" (CA identifier {withheld_in_doubt(parameter)})" if parameter else "")
    return f"{message.method} PKIOperation" + (mangled(body) or " without its body")


def _status(message: Response) -> str:
    return f"the HTTP response {message.status} {withheld_in_doubt(message.reason)}".rstrip()


def mangled(body: bytes) -> str:
    """Why the bytes of DER cannot be read, where text has been made of them; nothing where that is not so."""
    match = _MADE_TEXT.match(body)
    if match is None or len(body) < 0x40 or 0 <= len(body) - (claimed_length(body) or 0) < _MOST_FILLED:
        return ""
    what = '"."' if match[0] == b"0." else '"?"' if match[0] == b"0?" else "U+FFFD"
    return f", of which text was made: bytes are replaced by {what} and lost"


# -- packets -----------------------------------------------------------------------------------------------------------


class _Shown(NamedTuple):
    start: int
    end: int
    packet: Packet


def packets(data: bytes) -> Iterator[Piece]:
    """Packets in hex dumps (tcpdump -X and -XX, tshark -x): reassembled as those of a capture, what they carry is read."""
    shown: list[_Shown] = []
    for dump in read_dumps(data):
        kind = _link_type(dump.content)
        if kind is None:
            if not shown:
                return
            continue  # tshark -x shows reassembled bytes after the frame that completes them
        length = max(len(dump.content), _claimed(dump.content, kind))
        shown.append(
            _Shown(
                dump.start,
                dump.end,
                Packet(frame=len(shown) + 1, time_ns=None, link_type=kind, data=dump.content, wire_length=length),
            )
        )
    if not shown:
        return
    at = {each.packet.frame: each for each in shown}
    for item in Pairing().over(Reassembler().over(_segments([each.packet for each in shown]))):
        if not isinstance(item, HttpExchange):
            continue
        query = read_query(item.request.target) if item.request is not None else None
        for message, direction in ((item.request, "request"), (item.response, "response")):
            if message is None:
                continue
            first, last = at.get(message.frames[0]), at.get(message.frames[-1])
            if first is None or last is None:
                continue
            operation = query.operation if query is not None and direction == "request" else None
            encoded, notes = decode_body(message.body.content or b"")
            if encoded[:1] != b"\x30" and query is not None and query.message and operation == "PKIOperation":
                encoded, notes = decode_get_message(query.message)
            is_message = encoded[:1] == b"\x30"
            told = (
                f"{message.method} {query.operation}"
                if isinstance(message, Request) and query and query.operation
                else ""
            )
            if isinstance(message, Response):
                told = f"the HTTP response {message.status} {message.reason}".rstrip()
            yield Piece(
                start=first.start,
                end=last.end,
                content=encoded if is_message else told.encode("latin-1", "replace"),
                form="packets in a hex dump",
                then=Then.MESSAGE if is_message else Then.TOLD,
                direction=direction,
                notes=tuple(notes),
                operation=operation,
            )
    # The rest is not read on: what tcpdump writes of a packet ("HTTP: POST …") and the text beside the hex say the same again.
    yield Piece(start=0, end=len(data), content=b"", form="", then=Then.TOLD)


def _segments(every: Iterable[Packet]) -> Iterator[Segments | Anomaly]:
    flows, decoder = Flows(sieve=False), Decoder()
    for packet in every:
        yield from flows.over(decoder.feed(packet), finish=False)
    yield from decoder.finish()
    yield from flows.finish()


def _link_type(data: bytes) -> int | None:
    """Whether bytes are an IP packet, or one in an Ethernet frame; of TCP, UDP or ICMP."""
    if _is_ip(data):
        return _RAW_IP
    kind = data[12:14]
    if (kind in (b"\x08\x00", b"\x86\xdd") and _is_ip(data[14:])) or kind in (b"\x08\x06", b"\x81\x00"):
        return _ETHERNET
    return None


def _is_ip(data: bytes) -> bool:
    if len(data) < 20:
        return False
    if data[0] >> 4 == 4:
        return data[0] & 15 >= 5 and data[9] in (1, 6, 17) and int.from_bytes(data[2:4], "big") >= 20
    return data[0] >> 4 == 6 and len(data) >= 40 and data[6] in (0, 6, 17, 44, 58)


def _claimed(data: bytes, link_type: int) -> int:
    """How long a packet says it is: a dump may be cut by the snaplen."""
    ip = data[14:] if link_type == _ETHERNET else data
    if not _is_ip(ip):
        return 0
    length = int.from_bytes(ip[2:4], "big") if ip[0] >> 4 == 4 else 40 + int.from_bytes(ip[4:6], "big")
    return length + len(data) - len(ip)


def is_plausible(encoded: bytes) -> bool:
    """Whether bytes that were found by guess can be a message: whole by their own length, or the beginning of a CMS structure."""
    if len(encoded) < 16 or encoded[:1] != b"\x30":
        return False
    if BEGINNING.match(encoded):
        return True
    claimed = claimed_length(encoded)
    return claimed is not None and 16 <= claimed <= len(encoded)
