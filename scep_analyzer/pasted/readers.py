"""The table of forms, and how an input goes through it.

Readers are asked in the order of the table. What one has taken, those after it do not see: the most telling form comes first.
"""

import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from scep_analyzer.cms.ber import claimed_length
from scep_analyzer.model.anomalies import DecodeError
from scep_analyzer.model.limits import BOUNDS, LIMITS
from scep_analyzer.pasted import dumps, escapes, hexadecimal, markup, programs, structured, text, wire, wrapped
from scep_analyzer.pasted.context import direction_before, time_before
from scep_analyzer.pasted.pieces import Found, Pasted, Piece, Then, Times, joined
from scep_analyzer.recordings.saz import ZIP_ERRORS
from scep_analyzer.scep.anything import read_anything
from scep_analyzer.scep.encoding import decode_base64

LIMIT = BOUNDS.paste_bytes
_MOST_LAYERS = 5
_MOST_WORK = 4 * LIMIT
"""Bytes that readers may be given in all: forms inside forms are read again, and must not multiply the work."""
_MOST_PIECES = 5_000
_MOST_TOLD = 1_000


class Reader(NamedTuple):
    """A form: its name, how an input that may have it is recognised (cheap), and what reads it."""

    name: str
    recognises: Callable[[bytes], object]
    read: Callable[[bytes], Iterator[Piece]]


def _has(*signs: bytes) -> Callable[[bytes], bool]:
    return lambda data: any(sign in data for sign in signs)


def _starts(*signs: bytes) -> Callable[[bytes], bool]:
    return lambda data: data.startswith(signs)


def _archive(data: bytes) -> Iterator[Piece]:
    """Fiddler's .saz is a zip archive of HTTP messages: raw/1_c.txt of the client, raw/1_s.txt of the server."""
    room = LIMIT
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for entry in archive.infolist()[:_MOST_PIECES]:
                if entry.flag_bits & 1:
                    raise DecodeError("the archive is protected by a password: save it from Fiddler without one")
                if entry.is_dir() or not re.search(
                    r"_[cs]\.txt$|\.(?:der|pem|bin|txt|log|json|har|p7b|cer|crt|csr|req|b64)$",
                    entry.filename,
                    re.IGNORECASE,
                ):
                    continue
                with archive.open(entry) as stream:
                    content = stream.read(room + 1)
                room -= len(content)
                if room < 0:
                    raise DecodeError(
                        f"the archive unpacks to more than {LIMIT:,} bytes; give only the file with the message"
                    )
                kind = re.search(r"_([cs])\.txt$", entry.filename)
                direction = {"c": "request", "s": "response"}[kind[1]] if kind is not None else None
                yield Piece(
                    start=0,
                    end=len(data),
                    content=content,
                    form="a Fiddler archive" if kind else "a zip archive",
                    then=Then.AGAIN,
                    direction=direction,
                )
    except ZIP_ERRORS as error:
        raise DecodeError(f"a zip archive that cannot be read ({str(error)[:80] or type(error).__name__})") from error


def _unpacked(data: bytes) -> Iterator[Piece]:
    try:
        content = gzip.GzipFile(fileobj=io.BytesIO(data)).read(LIMIT)
    except (OSError, EOFError, zlib.error) as error:
        raise DecodeError(f"a gzip file that is cut or damaged ({error})") from error
    if len(content) >= LIMIT:
        raise DecodeError(f"it unpacks to more than {LIMIT:,} bytes; give only the part with the message")
    yield Piece(start=0, end=len(data), content=content, form="", then=Then.AGAIN)


def _yaml(data: bytes) -> Iterator[Piece]:
    """Wireshark's "Follow TCP stream" as YAML: base64 for each packet, those of one peer belong together."""
    peers: dict[bytes, list[tuple[int, int, bytes]]] = {}
    for match in _YAML.finditer(data):
        peers.setdefault(match[1] or b"", []).append((match.start(), match.end(), b"".join(match[2].split())))
    for number, parts in enumerate(peers.values()):
        notes: list[tuple[str, str]] = []
        content = b"".join(decode_base64(part[2], notes) for part in parts)
        direction = ("request", "response")[number] if len(peers) == 2 else None
        kept = tuple(note for note in notes if note[0] != "base64-lines")
        yield Piece(
            start=parts[0][0],
            end=parts[-1][1],
            content=content,
            form="YAML",
            then=Then.AGAIN,
            direction=direction,
            notes=kept,
        )


_YAML = re.compile(
    rb"(?:peer: (\d{1,9})[^\n]*\n(?:[ \t]*(?!- )[a-z_]{1,32}: (?!!!)[^\n]*\n){0,8}[ \t]*)?"
    rb"[\w-]{1,64}: !!binary \|[ \t]*\r?\n((?:[ \t]+[A-Za-z0-9+/=]+[ \t]*(?:\r?\n|\Z))+)"
)
_AS_HEX = bytes(104 if chr(byte) in "0123456789abcdefABCDEF" else 46 for byte in range(256))
_BLANKED = bytes(byte if byte in b"\r\n" else 0 for byte in range(256))


def _has_hex(data: bytes) -> bool:
    """Whether there are eight bytes in hex in a row, with or without what is put between them."""
    return b"h" * 16 in data.translate(_AS_HEX, b" :,xX\t-|")


def _has_numbers(data: bytes) -> bool:
    """Whether there are eight numbers in a row, or sixteen digits of one; or characters with escapes, as od -c writes them."""
    return b"h" * 16 in data.translate(_AS_HEX, b" :,.hxX\t-|\r\n") or b"\n00000" in data or data.startswith(b"00000")


READERS = (
    Reader("zip archive", _starts(b"PK\x03\x04"), _archive),
    Reader("gzip", _starts(b"\x1f\x8b"), _unpacked),
    Reader("DER", wire.begins_as_der, wire.der),
    Reader("JSON", _starts(b"{", b"[", b" ", b"\t", b"\r", b"\n"), structured.json_texts),
    Reader("mail as it was sent", markup.is_quoted_printable, markup.quoted_printable),
    Reader("HTML with line breaks", lambda data: b"<br" in data[:200_000].lower(), markup.broken_lines),
    Reader("lines of a log", _has(b"] ", b": ", b"| ", b"Z ", b" F ", b":00 "), wrapped.prefixed),
    Reader("curl -v", wrapped.is_of_curl, wrapped.of_curl),
    Reader("numbered lines", _has(b"2"), wrapped.numbered),
    Reader("rows behind anything", _has(b"0000", b" 0: "), wrapped.rows_behind),
    Reader("HTML", lambda data: b"&" in data and b"</" in data, markup.preformatted),
    Reader("packets", _has_hex, wire.packets),
    Reader("dump", _has_numbers, dumps.dumps),
    Reader("YAML", _has(b"!!binary"), _yaml),
    Reader("PEM", _has(b"-----BEGIN "), text.pem),
    Reader("HTTP", _has(b"HTTP/1."), wire.http),  # after the dumps: the text beside one looks like HTTP, too
    Reader("words of programs", _has(b"status", b"bytes", b"NULS"), programs.said),
    Reader("array of numbers", _has(b"{", b"[", b"(", b"=", b"<<"), hexadecimal.arrays),
    Reader("escaped bytes", _has(b"\\x", b"\\X", b"\\0", b"\\2"), escapes.escapes),
    Reader(
        "URL",
        _has(
            b"=",
        ),
        text.urls,
    ),
    Reader("percent signs", _has(b"%"), text.percent_encoded),
    Reader("numbers", _has_numbers, hexadecimal.plain),
    Reader("hex in a log", _has_hex, hexadecimal.behind_prefixes),
    Reader("hex in a line", _has_hex, hexadecimal.runs),
    Reader("base64", lambda data: len(data) > 8, text.base64s),
    Reader("CMS in other bytes", _has(b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07"), wire.somewhere),
)


class _Within(NamedTuple):
    """What is known of an input from what it is in."""

    form: str = ""
    direction: str | None = None
    time: str | None = None
    notes: tuple[tuple[str, str], ...] = ()
    is_text: bool = True
    """Whether lines before a message can tell of it: in the input itself, and in text that a log had taken apart."""
    times: Times = Times()


class _Reading:
    """One input with everything in it."""

    def __init__(self) -> None:
        self.found: list[Found] = []
        self.told: list[str] = []
        self._work = _MOST_WORK

    def read(self, data: bytes, within: _Within, layers: int = 0) -> bool:
        """Find what is in an input; tells whether there was anything."""
        pieces = self._pieces(data)
        had = False
        for piece in sorted(pieces, key=lambda piece: piece.start):
            if piece.then is Then.TOLD:
                if piece.content and len(self.told) < _MOST_TOLD:
                    self.told.append(piece.content.decode("latin-1"))
                    had = True
                continue
            goes_on = piece.then in (Then.AGAIN, Then.TEXT)
            named = piece.then is Then.MESSAGE and (within.is_text or piece.form not in wire.FORMS)
            if not (goes_on or named or _can_be(piece.content)):
                continue
            direction = piece.direction or within.direction
            time = piece.time or within.time
            if within.is_text:
                time = time or within.times.at(piece.start) or time_before(data, piece.start)
                direction = direction or direction_before(data, piece.start)
            form, notes = joined(piece.form, within.form), (*within.notes, *piece.notes)
            if goes_on:
                inside = _Within(
                    form=form,
                    direction=None if piece.then is Then.TEXT else direction,
                    time=None if piece.times.parts else time,
                    notes=notes,
                    is_text=piece.then is Then.TEXT,
                    times=piece.times,
                )
                if layers < _MOST_LAYERS:
                    had |= self.read(piece.content, inside, layers + 1)
            else:
                message = Found(
                    form=form,
                    encoded=piece.content,
                    notes=notes,
                    operation=piece.operation,
                    direction=direction,
                    time=time,
                )
                had = True
                # The same in two fields of one record: a URL and its query, a message and its PEM.
                if not self.found or (message.encoded, message.time) != (self.found[-1].encoded, self.found[-1].time):
                    self.found.append(message)
        return had

    def _pieces(self, data: bytes) -> list[Piece]:
        """What the readers of the table find, each in what those before it have left."""
        pieces: list[Piece] = []
        left = data
        for reader in READERS:
            self._work -= len(left)
            if self._work < 0 or len(pieces) > _MOST_PIECES:
                break
            if not reader.recognises(left):
                self._work += len(left)
                continue
            taken = []
            for piece in reader.read(left):
                taken.append(piece)
                if len(taken) > _MOST_PIECES:
                    break
            kept = [each for each in taken if each.then is not Then.AGAIN or self._leads_on(each)]
            pieces += kept
            left = _without(left, kept)
        return pieces

    def _leads_on(self, piece: Piece) -> bool:
        """Whether bytes are worth reading on: numbers that stand for nothing must not hide a message from the other readers."""
        start = piece.content[:4096]
        return piece.form in _ALWAYS or wire.begins_as_der(start) or any(each.recognises(start) for each in _TELLING)


_ALWAYS = frozenset({"", "JSON", "HAR", "tshark's JSON", "YAML", "a Fiddler archive", "a zip archive"})
_TELLING = tuple(each for each in READERS if each.name in ("HTTP", "PEM", "CMS in other bytes"))


def _without(data: bytes, pieces: list[Piece]) -> bytes:
    """The input with what was taken blanked out; line ends stay."""
    if not pieces:
        return data
    left = bytearray(data)
    for start, end in {(piece.start, piece.end) for piece in pieces}:
        left[start:end] = left[start:end].translate(_BLANKED)
    return bytes(left)


def _can_be(encoded: bytes) -> bool:
    """Whether bytes found by guess are a message: plausible by their outer form, and something that SCEP uses inside."""
    if not wire.is_plausible(encoded):
        return False
    if wire.BEGINNING.match(encoded) is not None or claimed_length(encoded) == len(encoded):
        return True
    return read_anything(encoded, {}).kind != "unknown"


def read_pasted(data: bytes) -> Pasted:
    """Find every message in an input; DecodeError where there is none, which says what else is there."""
    if len(data) >= LIMIT:
        raise DecodeError(f"{LIMIT:,} bytes and more, which no message has; give only the part with the message")
    reading = _Reading()
    reading.read(markup.without_colors(markup.as_text(data)), _Within())
    told = _counted(reading.told)
    if not reading.found:
        nothing = "no SCEP message is in it"
        if told:
            raise DecodeError(f"{nothing}, only {'; '.join(told)}")
        forms = "DER, PEM, base64, hex, HTTP messages, a URL, a query string, a log, HAR or JSON"
        raise DecodeError(f"{nothing}; give {forms}")
    return Pasted(_first_of(reading.found), told)


_MOST_KINDS = 8
_NOT_IN_LOGS = "the body of a POST is not in it"


def _counted(told: list[str]) -> list[str]:
    """What is there without a message, each kind once with its count."""
    counts: dict[str, int] = {}
    for each in told:
        counts[each] = counts.get(each, 0) + 1
    shown = [f"{each} ({count:,} times)" if count > 1 else each for each, count in list(counts.items())[:_MOST_KINDS]]
    if len(counts) > _MOST_KINDS:
        shown.append(f"{len(counts) - _MOST_KINDS:,} more kinds")
    if any(each.startswith("POST PKIOperation") for each in counts):
        shown.append(_NOT_IN_LOGS)
    return shown


def _first_of(found: list[Found]) -> list[Found]:
    """Not more than anybody reads."""
    most = wire.MOST_MESSAGES
    if len(found) <= most:
        return found
    last = found[most - 1]
    note = "limit-messages", f"only the first {most} of {len(found):,} messages are told"
    return [
        *found[: most - 1],
        Found(
            form=last.form,
            encoded=last.encoded,
            notes=(*last.notes, note),
            operation=last.operation,
            direction=last.direction,
            time=last.time,
        ),
    ]


assert LIMITS.body_bytes <= LIMIT  # noqa: S101  # a body that fits the limits fits the input
