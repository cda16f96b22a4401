"""JSON: HAR, `tshark -T json`, JSON Lines of a server's log, and any other, whose strings are inputs of their own."""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from scep_analyzer.model.values import decimal
from scep_analyzer.pasted.lines import lines_of
from scep_analyzer.pasted.pieces import Piece, Then
from scep_analyzer.pasted.wire import mangled
from scep_analyzer.pasted.wrapped import Record, message_field, record_of, time_of, together

_START = re.compile(rb"\s*[\[{]")
_OVER_LINES = re.compile(rb"^\{\s*$.*?^\}\s*$", re.MULTILINE | re.DOTALL)
_LEAST = 12
"""Characters of a string that may hold anything of SCEP."""
_MOST_STRINGS = 20_000
_MOST_DEPTH = 40


def json_texts(data: bytes) -> Iterator[Piece]:
    """An input that is JSON, or in which lines are. What a log has put into records line by line is put together again."""
    if not _START.match(data):
        return
    whole = _loaded(data)
    if isinstance(whole, list) and len(whole) > 1 and all(message_field(each) for each in whole):
        yield from _records((each, 0, len(data)) for each in whole)
    elif whole is not None:
        yield from _of(whole, 0, len(data))
    else:
        yield from _records(_values(data))


def _values(data: bytes) -> Iterator[tuple[Any, int, int]]:
    """Every value of JSON in a text, with its place: one a line, else over several lines (`journalctl -o json-pretty`)."""
    at = 0
    found = False
    for start, end, line in lines_of(data):
        value = _loaded(line) if _START.match(line) else None
        if value is not None:
            found = True
            yield value, start, end
    if found:
        return
    for match in _OVER_LINES.finditer(data):
        value = _loaded(match[0])
        at = match.end()
        if value is not None:
            yield value, match.start(), at


def _records(values: Iterable[tuple[Any, int, int]]) -> Iterator[Piece]:
    """Records of a log: what the programs have printed as one text for each of them, and every other field alone."""
    printed: list[Record] = []
    for value, start, end in values:
        field = message_field(value)
        if field is None:
            yield from _of(value, start, end)
            continue
        printed.append(record_of(value, field, start, end))
        others = {name: each for name, each in value.items() if name != field}
        yield from _strings(others, start, end, time_of(value), "JSON")
    for piece in together(printed):
        yield piece._replace(form="" if len(printed) > 1 else "JSON")


def _loaded(text: bytes) -> Any:
    """The value of a JSON text, None where it is none: broken, too deep, with numbers of more digits than Python takes."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None


def _of(value: Any, start: int, end: int) -> Iterator[Piece]:
    """The pieces of one JSON value, HAR and tshark's by their structure. All have the place of the whole."""
    if isinstance(value, dict) and isinstance(value.get("log"), dict) and isinstance(value["log"].get("entries"), list):
        for entry in value["log"]["entries"]:
            yield from _har_entry(entry, start, end)
        return
    if isinstance(value, list) and value and all(_layers(each) is not None for each in value):
        for each in value:
            yield from _tshark_packet(_layers(each) or {}, start, end)
        return
    yield from _strings(value, start, end, time_of(value), "JSON")


def _strings(value: Any, start: int, end: int, time: str | None, form: str) -> Iterator[Piece]:
    """Every string and every array of bytes, each an input of its own."""
    left, waiting = _MOST_STRINGS, [(value, time, 0)]
    while waiting and left:
        left -= 1
        each, when, depth = waiting.pop()
        if isinstance(each, str):
            if len(each) >= _LEAST:
                yield Piece(
                    start=start,
                    end=end,
                    content=each.encode("utf-8", "surrogatepass"),
                    form=form,
                    then=Then.AGAIN,
                    time=when,
                )
        elif (
            isinstance(each, list)
            and len(each) >= _LEAST
            and all(type(one) is int and -128 <= one <= 255 for one in each)
        ):
            yield Piece(
                start=start, end=end, content=bytes(one & 0xFF for one in each), form=form, then=Then.AGAIN, time=when
            )
        elif isinstance(each, dict | list) and depth < _MOST_DEPTH:
            when = time_of(each) or when
            inner = each.values() if isinstance(each, dict) else each
            waiting += [(one, when, depth + 1) for one in reversed(list(inner))]
    yield Piece(start=start, end=end, content=b"", form="", then=Then.TOLD)


# -- HAR ---------------------------------------------------------------------------------------------------------------


def _har_entry(entry: Any, start: int, end: int) -> Iterator[Piece]:
    """One exchange of a HAR file: its URL, the request's and the response's body."""
    request, response = _dict(entry, "request"), _dict(entry, "response")
    time = entry.get("startedDateTime") if isinstance(entry, dict) else None
    time = time if isinstance(time, str) else None
    url = request.get("url")
    if isinstance(url, str) and not _dict(request, "postData").get("text"):
        line = f"{request.get('method', '')} {url}".encode("utf-8", "replace")
        yield Piece(start=start, end=end, content=line, form="HAR", then=Then.AGAIN, direction="request", time=time)
    for place, direction in ((_dict(request, "postData"), "request"), (_dict(response, "content"), "response")):
        text = place.get("text")
        if not isinstance(text, str) or not text:
            continue
        body = har_body(text, place.get("encoding"))
        if mangled(body):
            told = f"the body of the {direction}{mangled(body)}"
            yield Piece(
                start=start, end=end, content=told.encode(), form="HAR", then=Then.TOLD, direction=direction, time=time
            )
            continue
        yield Piece(start=start, end=end, content=body, form="HAR", then=Then.AGAIN, direction=direction, time=time)


def har_body(text: str, encoding: Any) -> bytes:
    """The bytes of a body in a HAR file: base64 where it says so; else characters, of which exporters make one for each byte."""
    if encoding == "base64":
        try:
            return base64.b64decode(text)
        except (binascii.Error, ValueError):
            return text.encode("utf-8", "replace")
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _dict(value: Any, name: str) -> dict[str, Any]:
    inner = value.get(name) if isinstance(value, dict) else None
    return inner if isinstance(inner, dict) else {}


# -- tshark ------------------------------------------------------------------------------------------------------------


def _layers(packet: Any) -> dict[str, Any] | None:
    source = packet.get("_source") if isinstance(packet, dict) else None
    layers = source.get("layers") if isinstance(source, dict) else None
    return layers if isinstance(layers, dict) else None


def _tshark_packet(layers: dict[str, Any], start: int, end: int) -> Iterator[Piece]:
    """The HTTP message that a packet completes: its reassembled bytes, else the packet's; else the fields that tell of it."""
    fields = dict(_fields(layers))
    epoch = fields.get("frame.time_epoch") or fields.get("frame.time")
    time = _iso(epoch) if epoch else None
    if "http" not in layers and not any(name.startswith("http.") for name in fields):
        return
    form = "tshark's JSON"
    for name in ("tcp.reassembled.data", "tcp.payload"):
        content = _hex(fields.get(name))
        if content:
            yield Piece(start=start, end=end, content=content, form=form, then=Then.AGAIN, time=time)
            return
    direction = "response" if "http.response.code" in fields else "request"
    uri = fields.get("http.request.full_uri") or fields.get("http.request.uri")
    if uri:
        line = f"{fields.get('http.request.method', '')} {uri}".encode("utf-8", "replace")
        yield Piece(start=start, end=end, content=line, form=form, then=Then.AGAIN, direction="request", time=time)
    for name in ("media.type", "http.file_data", "data.data"):
        content = _hex(fields.get(name))
        if content:
            yield Piece(
                start=start, end=end, content=content, form=form, then=Then.AGAIN, direction=direction, time=time
            )
            return


def _fields(layers: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Every field with a text, whatever it is nested in; the first of a name is found last and stays."""
    waiting: list[dict[str, Any]] = [layers]
    found: list[tuple[str, str]] = []
    while waiting:
        for name, given in waiting.pop().items():
            value = given[0] if isinstance(given, list) and given and isinstance(given[0], str) else given
            if isinstance(value, str):
                found.append((name, value))
            elif isinstance(value, dict):
                waiting.append(value)
            elif isinstance(value, list):
                waiting += [each for each in value if isinstance(each, dict)]
    return reversed(found)


def _hex(text: str | None) -> bytes:
    """The bytes of a field that tshark writes as hex, with colons or without; none where it is text."""
    if not text:
        return b""
    try:
        return bytes.fromhex(text.replace(":", ""))
    except ValueError:
        return b""


def _iso(text: str) -> str:
    """A number of seconds since 1970 in ISO 8601, anything else as it is."""
    seconds, _, fraction = text.partition(".")
    whole = decimal(seconds, 11)
    if whole is None or not (fraction or "0").isdigit():
        return text
    when = datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{when}.{fraction[:9].rstrip('0')}Z" if fraction.rstrip("0") else f"{when}Z"
