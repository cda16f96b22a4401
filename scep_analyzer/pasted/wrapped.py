"""Text that a log has taken apart: each line in a record of JSON, or behind a prefix.

What a program has printed is put together again, line by line, so that it is read as if it had been printed into a file. Lines of
several programs or streams may take turns; each keeps its own text.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from scep_analyzer.pasted.dumps import is_row, read_dumps
from scep_analyzer.pasted.lines import lines_of
from scep_analyzer.pasted.pieces import Piece, Then, Times

_STAMP = rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?"
_INSTANT = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)"
_PROGRAM = rb"[\w.-]{1,255} [^\s:\[\]]{1,64}(?:\[\d{1,10}\])?:"
_PREFIX = re.compile(
    rb"(?:"
    rb"(?P<cri>" + _INSTANT + rb") (?P<stream>std(?:out|err)) (?P<tag>[FP])(?::[^\s]{0,64})?|"  # Kubernetes CRI
    rb"(?P<bsd>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,9})?) (?P<program>" + _PROGRAM + rb")|"  # syslog, RFC 3164
    rb"(?P<iso>" + _STAMP + rb") (?P<unit>" + _PROGRAM + rb")|"  # journalctl -o short-iso
    rb"(?:<\d{1,3}>1 )(?P<rfc5424>" + _INSTANT + rb") (?P<app>\S{1,255} \S{1,48} \S{1,128} \S{1,32} (?:-|\[[^\]]{0,512}\]))|"
    rb"(?P<instant>" + _INSTANT + rb")|"  # docker logs -t, kubectl logs --timestamps, GitHub Actions
    rb"(?P<container>[A-Za-z][\w.]{0,255}-[\w.-]{0,255}) +\||"  # docker compose
    rb"(?P<pod>\[pod/[\w./-]{1,512}\])"  # kubectl logs --prefix
    rb")(?: |\Z)"
)  # fmt: skip
_TIMES = ("cri", "bsd", "iso", "rfc5424", "instant")
_SOURCES = ("stream", "program", "unit", "app", "container", "pod")
_LEAST_LINES = 2
_MOST_SOURCES = 1_000
"""Programs whose lines are kept apart in one log; those of more are left as they are."""

_MESSAGES = ("log", "MESSAGE", "message", "msg", "textPayload", "line", "text")
"""The field that holds what a program printed: Docker, journald, most loggers, Google Cloud, Loki."""
_WHO = (
    "stream",
    "_PID",
    "_SYSTEMD_UNIT",
    "SYSLOG_IDENTIFIER",
    "_HOSTNAME",
    "container_id",
    "container_name",
    "CONTAINER_ID",
    "pod",
    "host",
    "logger",
    "source",
)
_CLOCKS = ("time", "ts", "timestamp", "@timestamp", "startedDateTime", "date", "asctime", "__REALTIME_TIMESTAMP")


class Record(NamedTuple):
    """A record of a log: its place, who wrote it, when, what (a line end is part of it where the line ends)."""

    start: int
    end: int
    source: Any
    time: str | None
    text: bytes


class _Text:
    """The text of one source, as it grows."""

    def __init__(self, first: Record) -> None:
        self.start, self.end = first.start, first.end
        self.parts: list[bytes] = []
        self.times: list[tuple[int, str]] = []
        self.length = self.count = 0

    def add(self, record: Record) -> None:
        if record.time is not None:
            self.times.append((self.length, record.time))
        self.parts.append(record.text)
        self.length += len(record.text)
        self.count += 1
        self.end = record.end

    def piece(self, form: str) -> Piece:
        return Piece(
            start=self.start,
            end=self.end,
            content=b"".join(self.parts),
            form=form,
            then=Then.TEXT,
            times=Times(tuple(self.times)),
        )


def together(records: Iterable[Record], form: str = "", least: int = 1) -> Iterator[Piece]:
    """The text of each source; those with fewer than ``least`` records are left to other readers."""
    texts: dict[Any, _Text] = {}
    for each in records:
        text = texts.get(each.source)
        if text is None:
            if len(texts) >= _MOST_SOURCES:
                continue
            text = texts[each.source] = _Text(each)
        text.add(each)
    for text in texts.values():
        if text.count >= least:
            yield text.piece(form)


def prefixed(data: bytes) -> Iterator[Piece]:
    """What is behind the prefixes of syslog, journald, Docker and Kubernetes, as the programs have written it."""
    records: list[Record] = []
    taken: list[tuple[int, int]] = []
    for start, end, line in lines_of(data):
        match = _PREFIX.match(line)
        if match is not None:
            records.append(_behind(match, line, start, end))
            taken.append((start, end))
        elif line.strip() and records:
            yield from _block(records)
            records = []
    yield from _block(records)


def _block(records: list[Record]) -> Iterator[Piece]:
    """The texts of lines that follow one another. Lines of several sources are in between each other: the first piece covers all."""
    if len(records) < _LEAST_LINES:
        return
    for number, piece in enumerate(together(records)):
        yield piece._replace(start=records[0].start, end=records[-1].end) if not number else piece


def _behind(match: re.Match[bytes], line: bytes, start: int, end: int) -> Record:
    time = next((match[name] for name in _TIMES if match[name]), None)
    source = next((match[name] for name in _SOURCES if match[name]), b"")
    line_end = b"" if match["tag"] == b"P" else b"\n"  # P: the line goes on in the next record
    text = line[match.end() :] + line_end
    return Record(
        start=start, end=end, source=source, time=time.decode("ascii") if time is not None else None, text=text
    )


_NUMBERED = re.compile(rb"[ \t]*(\d{1,7})(?:[:|.)][ \t]?|[ \t]+|\Z)")
_LEAST_NUMBERED = 3


def numbered(data: bytes) -> Iterator[Piece]:
    """Text with line numbers (cat -n, grep -n, nl, an editor's copy): lines whose numbers grow by one."""
    records: list[Record] = []
    expected = -1
    for start, end, line in lines_of(data):
        match = _NUMBERED.match(line)
        if match is None or int(match[1]) != expected:
            yield from together(records, least=_LEAST_NUMBERED)
            records = []
        if match is None:
            expected = -1
            continue
        expected = int(match[1]) + 1
        records.append(Record(start=start, end=end, source=None, time=None, text=line[match.end() :] + b"\n"))
    yield from together(records, least=_LEAST_NUMBERED)


_CURL = re.compile(rb"(?m)^> [A-Z]{3,10} \S+ HTTP/[\d.]+\r?$")
_CURLS_OWN = re.compile(rb"(?:\*|[{}] \[\d+ bytes data\])(?:[ \t]|\Z)")


def is_of_curl(data: bytes) -> bool:
    """Whether curl -v has printed a request."""
    return b"\n< HTTP/" in data and _CURL.search(data) is not None


def of_curl(data: bytes) -> Iterator[Piece]:
    """What curl -v has sent and received: heads without ``>`` and ``<``, and without curl's own lines. Bodies sent are not in it."""
    kept: list[Record] = []
    for start, end, line in lines_of(data):
        if _CURLS_OWN.match(line):
            continue
        text = line[1:].removeprefix(b" ") if line[:2] in (b"> ", b"< ", b">", b"<") else line
        kept.append(Record(start=start, end=end, source=None, time=None, text=text + b"\n"))
    for piece in together(kept):
        yield piece._replace(start=0, end=len(data))


# -- JSON --------------------------------------------------------------------------------------------------------------


def message_field(record: Any) -> str | None:
    """The name of the field that holds what a program printed; None where a record has none."""
    if not isinstance(record, dict):
        return None
    return next((name for name in _MESSAGES if _printed(record.get(name)) is not None), None)


def record_of(record: dict[str, Any], field: str, start: int, end: int) -> Record:
    """What a record of a JSON log says that a program has printed. Docker keeps the line end, and cuts lines at 16 KB."""
    text = _printed(record[field]) or b""
    if field != "log" and not text.endswith(b"\n"):
        text += b"\n"
    who = tuple((name, str(record[name])) for name in _WHO if isinstance(record.get(name), str | int))
    return Record(start=start, end=end, source=(field, who), time=time_of(record), text=text)


def time_of(record: Any) -> str | None:
    """When a record was written, by the first of its fields that has a time."""
    if not isinstance(record, dict):
        return None
    return next((record[name] for name in _CLOCKS if isinstance(record.get(name), str)), None)


def _printed(value: Any) -> bytes | None:
    """The bytes of a message; journald writes what is no UTF-8 as an array of numbers."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, list) and value and all(type(each) is int and 0 <= each <= 255 for each in value):
        return bytes(value)
    return None


# -- behind anything ---------------------------------------------------------------------------------------------------

_FIRST = re.compile(
    rb"(?<=[ \t\]|>)])(?:0[xX])?0{4,16}(?::|[ \t]{1,3}\|?|[ \t]-)[ \t]*(?:[0-9A-Fa-f]{2}){1,8}(?:[ \t-]|\Z)"
)
_DECIMAL_FIRST = re.compile(rb"(?<=[ \t\]|>)])0:[ \t](?:[0-9A-Fa-f]{2}[ \t]+){2,}")
_OFFSET = re.compile(rb"(?:0[xX])?[0-9A-Fa-f]{1,16}:?\Z")
_DIGITS = re.compile(rb"\d+|\s+")
_MOST_WORDS = 40


class _Dump(NamedTuple):
    """Rows behind a prefix: how many words come before the offset, and what they look like."""

    words: int
    shape: bytes


def rows_behind(data: bytes) -> Iterator[Piece]:
    """The rows of a dump behind any prefix that a logger puts before each line: from a row at offset 0 on, lines of its shape."""
    dump: _Dump | None = None
    records: list[Record] = []
    for start, end, line in lines_of(data):
        split = line.split(None, _MOST_WORDS)
        rest = _row(line, split, dump) if dump is not None else None
        if rest is None:
            first = None if is_row(line) else _FIRST.search(line) or _DECIMAL_FIRST.search(line)
            if first is None or not line[: first.start()].strip(b" \t>|"):
                if line.strip() and not _is_other(line, dump):
                    yield from _as_dump(records)
                    dump, records = None, []
                continue
            yield from _as_dump(records)
            records = []
            before = line[: first.start()]
            dump = _Dump(len(before.split()), _DIGITS.sub(b"0", before.strip()))
            rest = line[len(before.rstrip()) + 1 :]
        records.append(Record(start=start, end=end, source=None, time=None, text=rest + b"\n"))
    yield from _as_dump(records)


def _as_dump(records: list[Record]) -> Iterator[Piece]:
    """The rows where they are a dump: their offsets go on. Groups of hex that look like an offset are none."""
    for piece in together(records, least=_LEAST_LINES):
        rows = min(_LEAST_LINES, len(records) - 1)
        for dump in read_dumps(piece.content):
            if piece.content.count(b"\n", dump.start, dump.end) >= rows or dump.notes:
                yield piece
                break


def _row(line: bytes, split: list[bytes], dump: _Dump) -> bytes | None:
    """What follows the prefix where a line has it, and then an offset or the star of repeated rows."""
    if len(split) <= dump.words or not (_OFFSET.match(split[dump.words]) or split[dump.words] == b"*"):
        return None
    at = 0
    for word in split[: dump.words]:
        at = line.index(word, at) + len(word)
    if _DIGITS.sub(b"0", line[:at].strip()) != dump.shape:
        return None
    return line[at + 1 :]  # offsets without leading zeros are aligned at the right


def _is_other(line: bytes, dump: _Dump | None) -> bool:
    """Whether a line between the rows is of another program, so that the dump may go on after it: it begins otherwise."""
    return dump is not None and not _DIGITS.sub(b"0", line.strip()).startswith(dump.shape)
