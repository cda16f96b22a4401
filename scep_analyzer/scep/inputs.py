"""A message without a capture: what people paste: DER, PEM, base64, hex dumps, URLs, query strings, log lines.

Every message in the input is found; what it was taken for and what had to be repaired is said.
"""

import itertools
import re
from dataclasses import dataclass

from scep_analyzer.cms.ber import extent
from scep_analyzer.model.anomalies import DecodeError
from scep_analyzer.model.limits import BOUNDS, LIMITS
from scep_analyzer.scep.encoding import Notes, decode_base64, decode_get_message

_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----(.*?)(?:-----END [A-Z0-9 ]+-----|\Z)", re.DOTALL)
_MESSAGE = re.compile(rb"(?i)(?:^|[?&;\s\"'])message=([^&\s\"'<>]*)")
_OPERATION = re.compile(rb"(?i)operation=\s*(\w+)")
_CONTINUATION = re.compile(rb"[ \t]*([A-Za-z0-9+/=%_-]+)")
_ENDS_VALUE = re.compile(rb"[\s\"']")
_LOG_LINE = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d |\[\d\d/\w{3}/\d{4}:|\"(?:GET|POST) ", re.IGNORECASE)
_HEX_PAIRS = re.compile(rb"(?:[0-9A-Fa-f]{2})+")
_OFFSET = re.compile(rb"\s*(?:0x)?([0-9A-Fa-f]{3,8})(?::|\s+-|\s)\s*(?=[0-9A-Fa-f]{2})")
_LENGTH_LINE = re.compile(rb"[0-9A-Fa-f]{6,8}")
_BASE64 = re.compile(rb"[A-Za-z0-9+/=_\-\s]+")
LIMIT = BOUNDS.paste_bytes
_MOST_MESSAGES = 100


@dataclass(frozen=True, slots=True)
class Found:
    """One message in an input: what it was taken for, its bytes, and what was repaired."""

    form: str
    encoded: bytes
    notes: tuple[tuple[str, str], ...] = ()
    operation: str | None = None


def find_messages(data: bytes) -> list[Found]:
    """Find every message in an input; DecodeError where there is none."""
    if len(data) >= LIMIT:
        raise DecodeError(f"{LIMIT:,} bytes and more, which no message has; give only the part with the message")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):  # Windows PowerShell writes UTF-16
        data = data.decode("utf-16", "replace").encode("latin-1", "replace")
    data = data.removeprefix(b"\xef\xbb\xbf")
    if data[:1] == b"\x30" and any(byte > 0x7F or byte < 9 for byte in data[1:64]):
        return _first_of(_elements(data))
    for finder in (_in_pem, _in_urls, _in_hex, _in_base64):
        found = finder(data)
        if found:
            return _first_of(found)
    raise DecodeError("no SCEP message is in it; give DER, PEM, base64, hex, a URL, a query string or a log line")


def _first_of(found: list[Found]) -> list[Found]:
    """Not more than anybody reads."""
    if len(found) <= _MOST_MESSAGES:
        return found
    last = found[_MOST_MESSAGES - 1]
    note = "limit-messages", f"only the first {_MOST_MESSAGES} of {len(found):,} messages are told"
    return [*found[: _MOST_MESSAGES - 1], Found(last.form, last.encoded, (*last.notes, note), last.operation)]


def _elements(data: bytes) -> list[Found]:
    found: list[Found] = []
    at = 0
    while data[at : at + 1] == b"\x30" and len(found) <= _MOST_MESSAGES:
        try:
            end = extent(data, at)
        except DecodeError:
            end = len(data) + 1
        if end > len(data):
            return [*found, Found("DER or BER, cut or damaged", data[at:])]
        found.append(Found("BER" if data[at + 1] == 0x80 else "DER", data[at:end]))
        at = end
    rest = data[at:]
    if rest.strip(b"\r\n\0 ") and found:
        last = found[-1]
        found[-1] = Found(last.form, last.encoded, (("trailing-bytes", f"{len(rest)} bytes follow the message"),))
    return found


def _in_pem(data: bytes) -> list[Found]:
    found = []
    for match in _PEM.finditer(data):
        label = match[1].decode("ascii")
        if "PRIVATE KEY" in label:
            continue
        body = re.sub(rb"(?m)^[\w-]+:.*$", b"", match[2])  # headers of old PEM
        notes: Notes = []
        encoded = decode_base64(body, notes)
        kept = [note for note in notes if note[0] != "base64-lines"]  # PEM is in lines
        found.append(Found(f"PEM ({label})", encoded, tuple(kept)))
    return found


def _in_urls(data: bytes) -> list[Found]:
    lines, broken = _joined(data.splitlines())
    found = []
    for line in lines:
        operation = _OPERATION.search(line)
        form = "a log line" if _LOG_LINE.search(line) else "a URL" if b"?" in line else "a query string"
        for match in _MESSAGE.finditer(line):
            name = operation[1].decode("ascii", "replace") if operation is not None else None
            if not match[1] or (name is not None and name.lower() != "pkioperation"):
                continue
            encoded, notes = decode_get_message(match[1].decode("latin-1"))
            if broken:
                notes.insert(0, ("joined-lines", "lines are joined, the message was broken over them"))
            found.append(Found(form, encoded, tuple(notes), name))
    return found


def _joined(lines: list[bytes]) -> tuple[list[bytes], bool]:
    """Lines, a value of ``message=`` that a log or a mail has broken over several joined to one, and whether there was one."""
    joined: list[list[bytes]] = []
    is_open = broken = False
    for line in lines:
        if is_open and not line:
            continue
        more = _CONTINUATION.fullmatch(line) if is_open else None
        if more is not None:
            joined[-1].append(more[1])
            broken = True
            continue
        joined.append([line])
        is_open = b"message=" in _ENDS_VALUE.split(line)[-1]
    return [b"".join(each) for each in joined], broken


def _in_hex(data: bytes) -> list[Found]:
    """xxd, hexdump -C, Wireshark, openssl with their offsets; or plain hex, Cisco's groups of eight, also behind a log's prefix."""
    lines = [line for line in data.splitlines() if line.strip() not in (b"", b"*")]
    # hexdump and od end with a line that is only the length.
    length = int(lines[-1], 16) if len(lines) > 1 and _LENGTH_LINE.fullmatch(lines[-1]) else None
    lines = lines[:-1] if length is not None else lines
    rows = [_OFFSET.match(line) for line in lines]
    offsets = [int(row[1], 16) for row in rows if row is not None]
    if len(offsets) == len(lines) and offsets[:1] == [0] and offsets == sorted(offsets):
        bodies = [line[row.end() :] for line, row in zip(lines, rows, strict=True) if row is not None]
        digits = _columns(bodies, offsets if length is None else [*offsets, length])
    else:
        digits = b"".join(map(_bare_hex, data.splitlines()))
    encoded = bytes.fromhex(digits.decode("ascii")) if len(digits) % 2 == 0 else b""
    if encoded[:1] != b"\x30" or len(encoded) < 8:
        return []
    return [Found("hex", each.encoded, each.notes) for each in _elements(encoded)]


def _columns(rows: list[bytes], offsets: list[int]) -> bytes:
    """The digits of rows with offsets: how many bytes a row holds is the next one's offset.

    The text beside the last row starts where it does above. A row that hexdump repeats (``*``) fills up to the next offset.
    """
    if offsets[-1] > LIMITS.body_bytes:
        return b""  # no message is that long: an offset is a claim of 8 digits
    taken, width = [], 0
    for row, (here, following) in zip(rows, itertools.pairwise(offsets), strict=False):
        count = following - here
        digits, end = _digits(row, count)
        taken.append(digits * (2 * count // len(digits)) if digits and 2 * count % len(digits) == 0 else digits)
        beside = re.compile(rb"\s*").match(row, end)
        width = max(width, beside.end() if beside is not None and beside.end() < len(row) else 0)
    if len(offsets) > len(rows):
        return b"".join(taken)
    last = rows[-1][:width] if width else re.split(rb"(?<!\s)\s{2,}(?=\S*[^0-9A-Fa-f\s]|\|)|\s\|", rows[-1])[0]
    taken.append(_digits(last, len(last))[0])
    return b"".join(taken)


def _digits(row: bytes, count: int) -> tuple[bytes, int]:
    """At most ``count`` bytes' digits from the start of a row, and where they end."""
    digits, end = b"", 0
    for word in re.finditer(rb"[0-9A-Fa-f]+|[^\s0-9A-Fa-f-]", row):
        if len(digits) >= 2 * count or not _HEX_PAIRS.fullmatch(word[0]):
            break
        digits += word[0][: 2 * count - len(digits)]
        end = word.end()
    return digits, end


def _bare_hex(line: bytes) -> bytes:
    """The hex words at the end of a line that holds nothing else, or only a log's prefix before them."""
    words = re.split(rb"[\s:,]+", line.strip())
    kept: list[bytes] = []
    for word in reversed([each.removeprefix(b"0x") for each in words]):
        if not word:
            continue
        if not _HEX_PAIRS.fullmatch(word):
            break
        kept.append(word)
    # A word or two that happen to be hex at the end of a sentence are none.
    return b"".join(reversed(kept)) if kept and (len(kept) == len(words) or sum(map(len, kept)) >= 16) else b""


def _in_base64(data: bytes) -> list[Found]:
    """Blocks of base64, separated by empty lines or by padding."""
    found = []
    for block in re.split(rb"\r?\n[ \t]*\r?\n", data.strip()):
        if not _BASE64.fullmatch(block):
            continue
        for part in re.split(rb"(?<==)\s+(?=[A-Za-z0-9])", block.strip()):
            notes: Notes = []
            encoded = decode_base64(part, notes)
            if encoded[:1] == b"\x30" and len(encoded) > 8:
                found.append(Found("base64", encoded, tuple(note for note in notes if note[0] != "base64-lines")))
    return found
