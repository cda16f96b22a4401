"""Messages in text: PEM, URLs and query strings, base64; also quoted, escaped, broken over lines, and in the middle of a log."""

import binascii
import html
import itertools
import re
from collections import deque
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

from scep_analyzer.cms.ber import claimed_length
from scep_analyzer.model.limits import BOUNDS
from scep_analyzer.model.told_secrets import withheld_in_doubt
from scep_analyzer.pasted.lines import lines_of
from scep_analyzer.pasted.pieces import DOTS, SHORTENED, Notes, Piece, Then
from scep_analyzer.scep.codes import OPERATIONS
from scep_analyzer.scep.encoding import decode_base64, decode_get_message
from scep_analyzer.scep.operations import read_query

# -- PEM ---------------------------------------------------------------------------------------------------------------

_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,64})-----")
_PEM_END = re.compile(rb"-----END [A-Z0-9 ]{1,64}-----")
_PEM_HEADER = re.compile(rb"(?m)^[\w-]{1,64}:.*$")
_QUOTED = re.compile(rb"(?m)^[ \t]*(?:[>|#*][ \t]?)+")
_NEWLINE = re.compile(rb"\\r\\n|\\n|\\r|\\$|\r?\n|&#1[03];|%0[AaDd]|[\"']?\s*[+,]?\s*[\"']")
_NO_BASE64 = re.compile(rb"[^A-Za-z0-9+/=_\-\s]")


def pem(data: bytes) -> Iterator[Piece]:
    r"""PEM, also quoted in a mail, in a string with ``\n``, or without its end. Private keys are passed over."""
    begins = list(_PEM.finditer(data))
    ends = deque(_PEM_END.finditer(data))
    for match, following in itertools.zip_longest(begins, begins[1:]):
        next_one = following.start() if following is not None else len(data)
        while ends and ends[0].start() < match.end():
            ends.popleft()
        end = ends[0] if ends and ends[0].start() < next_one else None
        stop = end.start() if end is not None else next_one
        label = match[1].decode("ascii")
        body = _PEM_HEADER.sub(b"", _NEWLINE.sub(b"\n", _QUOTED.sub(b"", data[match.end() : stop])))
        if end is None:
            body = _first_base64(body)
        begun, ended = match.start(), end.end() if end is not None else stop
        if "PRIVATE KEY" in label:
            yield Piece(start=begun, end=ended, content=b"", form="", then=Then.TOLD)
            continue
        notes: list[tuple[str, str]] = []
        content = decode_base64(body, notes)
        kept = tuple(note for note in notes if note[0] != "base64-lines")  # PEM is in lines
        if end is None:
            kept = (*kept, ("pem-end-missing", "the END line of the PEM is missing"))
        yield Piece(start=begun, end=ended, content=content, form=f"PEM ({label})", then=Then.MESSAGE, notes=kept)


def _first_base64(body: bytes) -> bytes:
    """The lines of base64 at the beginning of what follows a BEGIN line that has no END line."""
    kept = []
    for line in body.strip().splitlines():
        if not line.strip() or _NO_BASE64.search(line):
            break
        kept.append(line)
    return b"\n".join(kept)


# -- URLs --------------------------------------------------------------------------------------------------------------

_MESSAGE = re.compile(rb"(?i)(?:^|[?&;\s\"'])message=([^&\s\"'<>]*)")
_OPERATION = re.compile(rb"(?i)operation=\s*(\w{1,64})")
_CONTINUATION = re.compile(rb"[ \t]*(?:>[ \t]?)*([A-Za-z0-9+/=%_-]+)[ \t]*")
_ENDS_VALUE = re.compile(rb"[\s\"'<>]")
_LOG_LINE = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d |\[\d\d/\w{3}/\d{4}:|\"(?:GET|POST) ", re.IGNORECASE)
_JSON_ESCAPE = re.compile(rb"\\u00([2-7][0-9A-Fa-f])")
_METHOD = re.compile(rb"(?<![A-Za-z])(GET|POST)(?![A-Za-z])")
_KNOWN = {name.lower(): name for name in OPERATIONS}
_MOST_SHOWN = 40


def urls(data: bytes) -> Iterator[Piece]:
    """URLs, query strings and log lines; what names an operation and has no message is told."""
    for start, end, line, broken in _joined_lines(data):
        if b"=" not in line:
            continue
        plain = _unescaped(line)
        operation = _OPERATION.search(plain)
        name = operation[1].decode("ascii", "replace") if operation is not None else None
        known = _KNOWN.get((name or "").lower())
        form = "a log line" if _LOG_LINE.search(plain) else "a URL" if b"?" in plain else "a query string"
        method = _METHOD.search(plain)
        is_post = method is not None and method[1] == b"POST"
        found = False
        for match in _MESSAGE.finditer(plain):
            if not match[1] or (name is not None and known != "PKIOperation"):
                continue
            encoded, more = decode_get_message(match[1].decode("latin-1"))
            notes = [("joined-lines", "lines are joined, the message was broken over them")] if broken else []
            notes += more
            if encoded[:1] != b"\x30" and known is None:
                continue  # "message=" of something else
            found = True
            yield Piece(
                start=start,
                end=end,
                content=encoded,
                form=form,
                then=Then.MESSAGE if known is not None else Then.GUESS,
                direction="request",
                notes=tuple(notes),
                operation=name,
            )
        if not found and known is not None and operation is not None:
            yield Piece(
                start=start,
                end=end,
                content=_told(plain, known, is_post=is_post),
                form=form,
                then=Then.TOLD,
                operation=known,
            )


def _told(line: bytes, operation: str, *, is_post: bool) -> bytes:
    """What a URL says that has no message."""
    if operation == "PKIOperation":
        return b"POST PKIOperation" if is_post else b"PKIOperation without a message"
    match = _MESSAGE.search(line)
    parameter = read_query("?message=" + match[1].decode("latin-1")).message if match is not None else None
    named = unquote_to_bytes(parameter)[:_MOST_SHOWN] if parameter else b""
    return (
        f"{operation} (CA identifier {withheld_in_doubt(named.decode('latin-1'))})".encode("latin-1")
        if named
        else operation.encode()
    )


def _unescaped(line: bytes) -> bytes:
    """A line without the escapes of JSON and HTML."""
    if b"\\u00" in line:
        line = _JSON_ESCAPE.sub(lambda match: bytes([int(match[1], 16)]), line)
    if b"\\/" in line:
        line = line.replace(b"\\/", b"/")
    if b"&amp;" in line or b"&#" in line:
        line = html.unescape(line.decode("latin-1")).encode("latin-1", "replace")
    return line


def _joined_lines(data: bytes) -> Iterator[tuple[int, int, bytes, bool]]:
    """Lines; those over which a log or a mail has broken a value of ``message=`` as one."""
    parts: list[bytes] = []
    first = last = 0
    is_open = broken = False
    for start, end, line in lines_of(data):
        if is_open and not line.strip():
            continue
        more = _CONTINUATION.fullmatch(line) if is_open else None
        if more is not None:
            parts.append(more[1])
            last, broken = end, True
            continue
        if parts:
            yield first, last, b"".join(parts), broken
        parts, first, last, broken = [line], start, end, False
        is_open = b"message=" in _ENDS_VALUE.split(line.rstrip())[-1]
    if parts:
        yield first, last, b"".join(parts), broken


_PERCENT = re.compile(rb"(?:%[0-9A-Fa-f]{2}[A-Za-z0-9._~*!'()-]{0,64}){12,}")
_INNER_URL = re.compile(rb"(?i)https?%3A%2F%2F[A-Za-z0-9%._~*!'()-]{16,}")


def percent_encoded(data: bytes) -> Iterator[Piece]:
    """Bytes that are percent-encoded themselves, without base64; and a URL within a URL."""
    for pattern in (_INNER_URL, _PERCENT):
        for match in pattern.finditer(data):
            yield Piece(
                start=match.start(),
                end=match.end(),
                content=unquote_to_bytes(match[0]),
                form="" if pattern is _INNER_URL else "percent-encoded bytes",
                then=Then.AGAIN,
            )


# -- base64 ------------------------------------------------------------------------------------------------------------

_DIGIT = rb"(?:[A-Za-z0-9+/_-]|%2[BbFf]|\\/)"
_RUN = re.compile(rb"(?<![A-Za-z0-9+/_-])(MI" + _DIGIT + rb"{8,}(?:=|%3[Dd]){0,2})")
_LINE_OF_BASE64 = re.compile(rb"[ \t]*(?:[>|#*][ \t]?)*[\"']?(" + _DIGIT + rb"+(?:=|%3[Dd]){0,2})(?:[\"',+\\\s]*)")
_MOST_RUNS = 2_000
"""Runs of base64 that are looked at: what begins like DER on every word of a line is none."""
_SHORT_BREAK = re.compile(rb"(?:\\r)?\\n")
_LONG_WORD = re.compile(rb"\s{1,8}\S{31}")
_ONLY_BASE64 = re.compile(rb"[A-Za-z0-9+/=_\-\s]+")


def base64s(data: bytes) -> Iterator[Piece]:
    """Base64 of DER anywhere: blocks of lines, a word before it, one field of a log. Where it ends, its own length says."""
    lines = list(lines_of(data)) if b"MI" in data else []
    number, column, left = 0, 0, _MOST_RUNS
    while number < len(lines) and left:
        start, end, line = lines[number]
        if not column and _SHORT_BREAK.search(line):  # once for each line, which may have many runs
            line = _SHORT_BREAK.sub(lambda match: b" " * len(match[0]), line)
            lines[number] = start, end, line
        match = _RUN.search(line, column)
        if match is None:
            number, column = number + 1, 0
            continue
        left -= 1
        parts, last, stop = [match[1]], number, match.end()
        rest = line[match.end() : match.end() + 2 * BOUNDS.certificate_bytes]
        if _is_spaced(rest):
            parts += rest.split()
            stop, rest = len(line), b""
        if not rest.strip(b" \t\"',+\\>"):
            last, stop = _continued(lines, number, parts, stop)
        written = b"".join(parts)
        notes: list[tuple[str, str]] = [SHORTENED] if rest.startswith(DOTS) else []
        content = decode_base64(unquote_to_bytes(written.replace(b"\\/", b"/")), notes)
        yield Piece(
            start=start + match.start(),
            end=lines[last][0] + stop,
            content=content,
            form="base64",
            then=Then.GUESS,
            notes=tuple(notes),
        )
        number, column = last, stop
    if not lines or not any(b"MI" in line for _, _, line in lines):
        yield from _blocks(data)


def _is_spaced(rest: bytes) -> bool:
    """Whether a line goes on with words of base64 and nothing else: a log has put spaces where lines ended."""
    return (
        rest[:1] == b" "
        and len(rest) > 20
        and (len(rest) < 40 or _LONG_WORD.match(rest) is not None)
        and all(len(word) > 30 for word in rest.split()[:-1])
        and bool(_ONLY_BASE64.fullmatch(rest))
    )


def _continued(lines: list[tuple[int, int, bytes]], number: int, parts: list[bytes], stop: int) -> tuple[int, int]:
    """Take the lines that go on with the base64: as many as its length asks for; returns the last one, and where it ends."""
    last, width = number, 0
    needed = _digits_needed(parts[0])
    have = _length(parts)
    doubled = number + 1 < len(lines) and not lines[number + 1][2].strip()
    """Whether line ends were doubled: every other line is empty."""
    for following in range(number + 1, len(lines)):
        if have >= needed or (parts[-1][-1:] in (b"=", b"D", b"d") and parts[-1].lower().endswith((b"=", b"%3d"))):
            break
        if doubled and not lines[following][2].strip() and following == last + 1:
            continue
        match = _LINE_OF_BASE64.fullmatch(lines[following][2])
        if match is None or (width and len(match[1]) > width):
            break
        parts.append(match[1])
        have += _length([match[1]])
        last, stop = following, len(lines[following][2])
        if width and len(match[1]) < width:
            break
        width = width or len(match[1])
    return last, stop


def _length(parts: list[bytes]) -> int:
    return sum(len(part) - 2 * part.count(b"%") - part.count(b"\\") for part in parts)


def _digits_needed(start: bytes) -> int:
    """How many digits the message takes, by the length that its first bytes claim; no end where they claim none."""
    first = unquote_to_bytes(start[:24].replace(b"\\/", b"/"))[:8].translate(bytes.maketrans(b"-_", b"+/"))
    try:
        claimed = claimed_length(binascii.a2b_base64(first[: len(first) // 4 * 4]))
    except binascii.Error:
        claimed = None
    return -(-claimed * 8 // 6) if claimed is not None else 1 << 30


def _blocks(data: bytes) -> Iterator[Piece]:
    """An input that is base64 and nothing else, of whatever it is."""
    block = data.strip()
    if len(block) < 12 or not _ONLY_BASE64.fullmatch(block):
        return
    notes: list[tuple[str, str]] = []
    content = decode_base64(block, notes)
    kept: Notes = tuple(note for note in notes if note[0] != "base64-lines")
    then = Then.MESSAGE if content[:1] == b"\x30" else Then.AGAIN
    yield Piece(start=0, end=len(data), content=content, form="base64", then=then, notes=kept)
