"""HAR 1.2 files (browsers, Fiddler, mitmproxy, Charles): an entry is an exchange.

Exporters differ in what they do with bytes: a body is base64 where ``encoding`` says so, and with Fiddler without it; many make text
of it, which loses bytes. A body that was lost so counts as not recorded.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from scep_analyzer.capture.source import Source
from scep_analyzer.model.anomalies import Anomaly, InputError
from scep_analyzer.model.exchanges import Body, Header, HttpExchange, Request, Response
from scep_analyzer.model.limits import BOUNDS
from scep_analyzer.model.packets import CaptureFacts, Endpoint
from scep_analyzer.model.values import address_in
from scep_analyzer.recordings.logs import SOMEONE, UNRECORDED

_MILLISECOND = 1_000_000
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]{24,}={0,2}\s*")
_LONGEST_MS = 1e12
CLIENT = Endpoint("client", 0)
"""Whoever recorded: a HAR file does not name its address."""


def whole(source: Source, called: str, instead: str) -> bytes:
    """All bytes of a recording that cannot be read piece by piece; InputError, with what to do instead, where they are too many."""
    content = source.read(BOUNDS.recording_bytes + 1)
    if len(content) > BOUNDS.recording_bytes:
        raise InputError(f"{called} of more than {BOUNDS.recording_bytes >> 20} MB; {instead}")
    return content


def read_har(source: Source, facts: CaptureFacts, before: int) -> Iterator[HttpExchange | Anomaly]:
    """Read a HAR file. InputError where it is larger than Python's JSON reader may be given, or no JSON."""
    facts.time_digits = 3
    text = whole(source, f"{facts.path}: a HAR file", "export only the requests to the SCEP server")
    try:
        log = json.loads(text.removeprefix(b"\xef\xbb\xbf"))["log"]
        entries = log["entries"]
    except (ValueError, RecursionError, LookupError, TypeError) as error:
        why = source.damage or f"it is not complete JSON ({str(error)[:60] or type(error).__name__})"
        raise InputError(f"{facts.path}: a HAR file that cannot be read: {why}; export it again") from error
    if not isinstance(entries, list):
        raise InputError(f"{facts.path}: a HAR file whose log has no list of entries; export it again")
    for number, entry in enumerate(entries[: BOUNDS.recording_entries], before + 1):
        facts.packets = number - before
        exchange = _exchange(entry, number)
        if exchange is None:
            what = f"entry {number} is not an exchange (HAR 1.2, Section entries)"
            yield Anomaly("capture", "har-entry-unreadable", (number,), what)
            continue
        facts.count(0, exchange.time_ns, exchange.time_ns)
        yield exchange
    if len(entries) > BOUNDS.recording_entries:
        what = f"only the first {BOUNDS.recording_entries:,} of {len(entries):,} entries are read"
        yield Anomaly("capture", "limit-entries", (), what)


def _exchange(entry: Any, number: int) -> HttpExchange | None:
    asked, answered = _dict(entry, "request"), _dict(entry, "response")
    try:
        url = urlsplit(asked["url"])
        port = url.port or (443 if url.scheme == "https" else 80)
        host, method = url.hostname or SOMEONE, str(asked["method"])
    except (KeyError, ValueError, TypeError, AttributeError):
        return None
    start = time_of(entry.get("startedDateTime"))
    took, received = _ms(entry.get("time")), _ms(_dict(entry, "timings").get("receive"))
    target = url.path or "/"
    target += f"?{url.query}" if url.query else ""
    address = entry.get("serverIPAddress")
    server = Endpoint(address_in(address) or host, port)
    request_body = _body(_dict(asked, "postData"), asked.get("bodySize"), method)
    request = Request(
        method=method,
        target=target,
        version=_version(asked),
        headers=_headers(asked, host),
        body=request_body,
        frames=(number,),
        time_ns=start,
        complete=request_body.complete,
        cut_by=None if request_body.complete else UNRECORDED,
        end_ns=start,
    )
    status = answered.get("status")
    response = None
    if isinstance(status, int) and 100 <= status <= 999:
        content = _dict(answered, "content")
        body = _body(content, content.get("size"), "")
        first = None if start is None or took is None else _after(start, took - min(received or 0, took))
        response = Response(
            status=status,
            reason=str(answered.get("statusText") or ""),
            version=_version(answered),
            headers=_headers(answered, None),
            body=body,
            frames=(number,),
            time_ns=first,
            complete=body.complete,
            cut_by=None if body.complete else UNRECORDED,
            end_ns=None if start is None or took is None else _after(start, took),
        )
    return HttpExchange(
        connection=-1,
        client=CLIENT,
        server=server,
        request=request,
        response=response,
        gone=None if response is not None else "lost",
        tls=url.scheme == "https",
    )


def _after(start: int, took: int) -> int:
    """A time that long after the start, no finer than the start is written: what is finer would put it behind the next request."""
    unit = _MILLISECOND if start % _MILLISECOND == 0 else 1
    return (start + took) // unit * unit


def _body(place: dict[str, Any], size: Any, method: str) -> Body:
    """A body as far as it was recorded. ``method``: that of a request, empty for a response."""
    text, claimed = place.get("text"), size if isinstance(size, int) and size > 0 else 0
    if not isinstance(text, str) or not text:
        # A POST without its body: exporters leave out what is not text.
        absent = claimed > 0 or (method.upper() not in ("", "GET", "HEAD") and size in (None, -1))
        return Body(None, claimed, complete=False) if absent else Body(b"", 0, complete=True)
    content = body_bytes(text, place.get("encoding"))
    if content is None:
        return Body(None, claimed or len(text), complete=False)
    return Body(content[: BOUNDS.recording_bytes], len(content), complete=True)


def body_bytes(text: str, encoding: Any) -> bytes | None:
    """The bytes of a body; None where text was made of them and bytes are lost."""
    if encoding == "base64" or (text.startswith("MI") and _BASE64.fullmatch(text)):
        try:
            decoded = base64.b64decode(text)
        except (binascii.Error, ValueError):
            return text.encode("utf-8", "replace")
        # Fiddler writes base64 without saying so. A client that sends base64 itself is not told apart from that.
        return decoded
    try:
        content = text.encode("latin-1")
    except UnicodeEncodeError:
        content = text.encode("utf-8", "surrogatepass")
    return None if re.match(rb"0(?:\xef\xbf\xbd|\.|\?)", content) else content


def _headers(message: dict[str, Any], host: str | None) -> tuple[Header, ...]:
    given = message.get("headers")
    found = [
        (each["name"], each["value"])
        for each in (given if isinstance(given, list) else ())
        if isinstance(each, dict) and isinstance(each.get("name"), str) and isinstance(each.get("value"), str)
    ]
    if host is not None and not any(name.lower() == "host" for name, _ in found):
        found.append(("Host", host))  # HTTP/2 has it as :authority; the URL tells it
    return tuple(found[:1_000])


def _version(message: dict[str, Any]) -> str:
    version = str(message.get("httpVersion") or "").upper()
    return version if re.fullmatch(r"HTTP/\d(?:\.\d)?", version) else {"H2": "HTTP/2", "H3": "HTTP/3"}.get(version, "")


def time_of(text: Any) -> int | None:
    """A time in ISO 8601 as nanoseconds since 1970."""
    if not isinstance(text, str):
        return None
    try:
        when = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
        when = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
        return int((when - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * 1_000_000_000 + when.microsecond * 1_000
    except (ValueError, OverflowError):
        return None


def _ms(value: Any) -> int | None:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _LONGEST_MS:
        return int(value * _MILLISECOND)
    return None


def _dict(value: Any, name: str) -> dict[str, Any]:
    inner = value.get(name) if isinstance(value, dict) else None
    return inner if isinstance(inner, dict) else {}
