"""Access logs: IIS in the W3C format, Apache and nginx in the common and combined formats. A line is an exchange.

A log has the request line and the status; bodies and most header fields are not in it. So a message is there only where it is in the
URL. IIS cuts fields at 4,096 characters: what it cut is told as truncated, never as invalid.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from scep_analyzer.capture.source import Source
from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.exchanges import Body, Header, HttpExchange, Request, Response
from scep_analyzer.model.limits import BOUNDS
from scep_analyzer.model.packets import CaptureFacts, Endpoint
from scep_analyzer.model.values import address_in, decimal

UNRECORDED = "recording"
"""What cut a message short whose body was not recorded."""
CUT_BY_LOG = "log"
_IIS_FIELD = 4_096
_FIELDS = b"#Fields:"
_NEEDED = frozenset({"cs-uri-stem", "sc-status", "cs-method"})
_COMMON = re.compile(
    rb"(?:(?P<host>[\w.-]+)(?::(?P<port>\d{1,5}))? )?(?P<client>[0-9A-Fa-f:.]{2,45}|[\w.-]{1,255}) \S+ (?:\S+|\"[^\"]*\") "
    rb"\[(?P<time>\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\] "
    rb"\"(?P<line>(?:\\.|[^\"\\])*)\" (?P<status>\d{3}) (?P<size>\d{1,12}|-)"
    rb"(?: \"(?P<referer>(?:\\.|[^\"\\])*)\" \"(?P<agent>(?:\\.|[^\"\\])*)\")?(?P<rest>.*)",
    re.DOTALL,
)
_REQUEST_LINE = re.compile(r"(\S+) (.*?)(?: (HTTP/\d(?:\.\d)?))?", re.DOTALL)
_TOOK = re.compile(rb"\b(?:rt|request_time|urt|time)[=:]\"?(\d{1,6}\.\d{1,6})\b")
_SECOND = 1_000_000_000
_MILLISECOND = 1_000_000
_MONTHS = {
    name: at
    for at, name in enumerate(["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"], 1)
}
_ESCAPED = re.compile(r"\\x([0-9A-Fa-f]{2})|\\([\"\\])")
SOMEONE = "server"
"""The address of a server that the log does not name."""


def is_w3c(start: bytes) -> bool:
    """Whether a log begins as IIS writes it; only logs of requests have these fields."""
    at = start.find(_FIELDS)
    if at < 0 or not start.startswith(b"#"):
        return False
    names = start[at + len(_FIELDS) :].split(b"\n")[0].decode("latin-1").split()
    return set(names) >= _NEEDED


def is_common(start: bytes) -> bool:
    """Whether one of the first lines is of the common or combined format."""
    return any(_COMMON.match(line) is not None for line in start.split(b"\n")[:20] if len(line) < BOUNDS.log_line_bytes)


def _lines(source: Source) -> Iterator[bytes | None]:
    """Lines without their ends; None for one that is longer than a line may be, which is stepped over."""
    while source.need(1):
        at = source.at
        end = source.buffer.find(b"\n", at, source.filled)
        while end < 0 and source.filled - source.at < BOUNDS.log_line_bytes:
            before = source.filled - source.at
            if not source.need(before + 1):
                break
            end = source.buffer.find(b"\n", source.at + before, source.filled)
        if end >= 0:
            line = source.read(end - source.at + 1).rstrip(b"\r\n")
            yield line if len(line) <= BOUNDS.log_line_bytes else None
            continue
        rest = source.read(source.filled - source.at)
        if not source.need(1) and len(rest) <= BOUNDS.log_line_bytes:
            yield rest.rstrip(b"\r\n")
            return
        while source.need(1):  # too long: to the end of the line
            end = source.buffer.find(b"\n", source.at, source.filled)
            source.skip((end + 1 if end >= 0 else source.filled) - source.at)
            if end >= 0:
                break
        yield None


def read_w3c(source: Source, facts: CaptureFacts, before: int) -> Iterator[HttpExchange | Anomaly]:
    """Read IIS's log; its times are UTC, at the end of the exchange. ``#Fields`` may change within the file."""
    facts.time_digits = 3
    names: list[str] = []
    unread = _Unread(before)
    for number, line in enumerate(_lines(source), before + 1):
        facts.packets = number - before
        if line is None:
            unread.note(number, too_long=True)
        elif line.startswith(_FIELDS):
            names = line[len(_FIELDS) :].decode("latin-1").split()
        elif line.strip() and not line.startswith(b"#") and line.strip(b"\0"):
            values = line.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape").split(" ")
            exchange = _of_w3c(dict(zip(names, values, strict=False)), number) if len(values) == len(names) else None
            if exchange is None:
                unread.note(number)
                continue
            _count(facts, exchange)
            yield exchange
    _ended(source, facts)
    yield from unread.told()


def _of_w3c(fields: dict[str, str], number: int) -> HttpExchange | None:
    def value(name: str) -> str | None:
        found = fields.get(name, "-")
        return None if found == "-" else found

    status, method, stem = decimal(value("sc-status"), 3), value("cs-method"), value("cs-uri-stem")
    if status is None or method is None or stem is None:
        return None
    ended = _w3c_time(value("date"), value("time"))
    took = decimal(value("time-taken"), 12)
    start = ended
    if ended is not None and took is not None:
        # The log's time is that of the end, in whole seconds: what took less began in the same second, after the lines before.
        taken = took * _MILLISECOND
        start = ended - taken // _SECOND * _SECOND
        ended = start + taken
    query = value("cs-uri-query")
    target = stem if query is None else f"{stem}?{query}"
    is_cut = max(len(stem), len(query or "")) >= _IIS_FIELD - 3 and (
        target.endswith("...") or max(len(stem), len(query or "")) >= _IIS_FIELD
    )
    if is_cut:
        target = target.removesuffix("...")
    headers = [("Host", value("cs-host")), ("User-Agent", (value("cs(User-Agent)") or "").replace("+", " ") or None)]
    return _exchange(
        number=number,
        client=Endpoint(address_in(value("c-ip")) or "client", 0),
        server=Endpoint(
            address_in(value("s-ip")) or address_in(value("s-computername")) or SOMEONE,
            decimal(value("s-port"), 5) or 0,
        ),
        method=method,
        target=target,
        version=value("cs-version") or "",
        headers=tuple((name, text) for name, text in headers if text is not None),
        asked_ns=start,
        answered_ns=ended,
        status=status,
        size=value("sc-bytes"),
        cut=is_cut,
        substatus=decimal(value("sc-substatus"), 5),
    )


def _w3c_time(date: str | None, time: str | None) -> int | None:
    try:
        when = datetime.fromisoformat(f"{date} {time}").replace(tzinfo=UTC)
    except ValueError:
        return None
    return int(when.timestamp()) * _SECOND + when.microsecond * 1000


def read_common(source: Source, facts: CaptureFacts, before: int) -> Iterator[HttpExchange | Anomaly]:
    """Read a log of Apache or nginx; the time is that of the request's arrival (Apache) or of its end (nginx), to the second."""
    facts.time_digits = 3
    unread = _Unread(before)
    for number, line in enumerate(_lines(source), before + 1):
        facts.packets = number - before
        if line is None:
            unread.note(number, too_long=True)
            continue
        match = _COMMON.match(line.removeprefix(b"\xef\xbb\xbf"))
        exchange = _of_common(match, number) if match is not None else None
        if exchange is not None:
            _count(facts, exchange)
            yield exchange
        elif line.strip():
            unread.note(number)
    _ended(source, facts)
    yield from unread.told()


def _of_common(match: re.Match[bytes], number: int) -> HttpExchange | None:
    line = _REQUEST_LINE.fullmatch(_plain(match["line"]))
    when = _common_time(match["time"].decode("ascii"))
    if line is None or when is None:
        return None
    took = _TOOK.search(match["rest"] or b"")
    agent = _plain(match["agent"] or b"-")
    return _exchange(
        number=number,
        client=Endpoint(match["client"].decode("latin-1"), 0),
        server=Endpoint((match["host"] or SOMEONE.encode()).decode("latin-1"), int(match["port"] or 0)),
        method=line[1],
        target=line[2],
        version=line[3] or "",
        headers=() if agent == "-" else (("User-Agent", agent),),
        asked_ns=when,
        answered_ns=when + int(float(took[1]) * _SECOND) if took is not None else None,
        status=int(match["status"]),
        size=match["size"].decode("ascii"),
        cut=False,
        substatus=None,
    )


def _plain(text: bytes) -> str:
    r"""A field without the escapes of Apache and nginx (``\"``, ``\x22``)."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)) if match[1] else match[2], text.decode("latin-1"))


def _common_time(text: str) -> int | None:
    try:
        day, month, rest = text.split("/")
        year, hour, minute, second = rest[:13].split(":")
        zone = timedelta(hours=int(rest[15:17]), minutes=int(rest[17:19]))
        when = datetime(int(year), _MONTHS[month], int(day), int(hour), int(minute), int(second), tzinfo=UTC)
        return int((when - zone if rest[14] == "+" else when + zone).timestamp()) * _SECOND
    except (ValueError, KeyError, OverflowError):  # no time, or one that UTC's calendar lacks
        return None


def _exchange(
    *,
    number: int,
    client: Endpoint,
    server: Endpoint,
    method: str,
    target: str,
    version: str,
    headers: tuple[Header, ...],
    asked_ns: int | None,
    answered_ns: int | None,
    status: int,
    size: str | None,
    cut: bool,
    substatus: int | None,
) -> HttpExchange:
    """One line as an exchange. A GET is whole, unless the log has cut it; the body of everything else is not recorded."""
    bodiless = method.upper() in ("GET", "HEAD")
    request = Request(
        method=method,
        target=target,
        version=version,
        headers=headers,
        body=Body(b"" if bodiless else None, 0, complete=bodiless),
        frames=(number,),
        time_ns=asked_ns,
        complete=bodiless and not cut,
        cut_by=CUT_BY_LOG if cut else None if bodiless else UNRECORDED,
        end_ns=asked_ns,
    )
    response = Response(
        status=status,
        reason="",
        version=version,
        headers=(),
        body=Body(None, decimal(size) or 0, complete=False),
        frames=(number,),
        time_ns=answered_ns,
        complete=False,
        cut_by=UNRECORDED,
        end_ns=answered_ns,
        substatus=substatus,
    )
    return HttpExchange(connection=-1, client=client, server=server, request=request, response=response)


def _count(facts: CaptureFacts, exchange: HttpExchange) -> None:
    message = exchange.request
    if message is not None:
        facts.count(0, message.time_ns, message.time_ns)


def _ended(source: Source, facts: CaptureFacts) -> None:
    if source.damage is not None:
        facts.complete = False


class _Unread:
    """Lines that are no requests: counted, the first one named."""

    def __init__(self, before: int) -> None:
        self._before = before
        self._first: dict[bool, int] = {}
        self._counts: dict[bool, int] = {}

    def note(self, number: int, *, too_long: bool = False) -> None:
        """Count a line."""
        self._first.setdefault(too_long, number)
        self._counts[too_long] = self._counts.get(too_long, 0) + 1

    def told(self) -> Iterator[Anomaly]:
        """What was passed over."""
        for too_long, times in self._counts.items():
            lines = "1 line" if times == 1 else f"{times:,} lines"
            first = self._first[too_long]
            if too_long:
                what = f"{lines} longer than {BOUNDS.log_line_bytes:,} bytes passed over, the first is line {first - self._before}"
                yield Anomaly("capture", "limit-log-line", (first,), what)
            else:
                what = f"{lines} not of the log's format passed over, the first is line {first - self._before}"
                yield Anomaly("capture", "log-line-unreadable", (first,), what)
