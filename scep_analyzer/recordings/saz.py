"""Fiddler's archives (.saz): a zip of ``raw/1_c.txt`` (what the client sent), ``raw/1_s.txt`` (what came back), ``raw/1_m.xml`` (times)."""

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from scep_analyzer.capture.source import Source
from scep_analyzer.http1.alone import Alone, read_alone
from scep_analyzer.model.anomalies import Anomaly, InputError
from scep_analyzer.model.exchanges import HttpExchange, Request, Response, header
from scep_analyzer.model.limits import BOUNDS
from scep_analyzer.model.packets import CaptureFacts, Endpoint
from scep_analyzer.model.values import address_in, decimal
from scep_analyzer.recordings.har import time_of, whole
from scep_analyzer.recordings.logs import SOMEONE, UNRECORDED

MAGIC = b"PK\x03\x04"
_MEMBER = re.compile(r"raw/0*(\d{1,9})_([csm])\.(?:txt|xml)")
_ATTRIBUTE = re.compile(r"\b(\w{1,64})=[\"']([^\"'<>]{0,200})[\"']")
_FLAG = re.compile(r"N=[\"']([\w-]{1,64})[\"'] V=[\"']([^\"'<>]{0,200})[\"']")
ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    OSError,
    ValueError,
    LookupError,
    OverflowError,
)


def is_saz(start: bytes) -> bool:
    """Whether a zip archive begins as Fiddler writes it; others are archives of whatever they hold."""
    names = start[:8192]
    return start.startswith(MAGIC) and (b"raw/" in names or (b"[Content_Types].xml" in names and b"word/" not in names))


def read_saz(source: Source, facts: CaptureFacts, before: int) -> Iterator[HttpExchange | Anomaly]:
    """Read an archive. InputError where it is protected by a password, damaged, or larger than it may be."""
    facts.time_digits = 6
    data = whole(source, f"{facts.path}: a Fiddler archive", "save only the sessions with the SCEP server")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield from _sessions(archive, facts, before)
    except ZIP_ERRORS as error:
        raise InputError(
            f"{facts.path}: a Fiddler archive that is cut or damaged ({str(error)[:80] or type(error).__name__}); save it again"
        ) from error


def _sessions(archive: zipfile.ZipFile, facts: CaptureFacts, before: int) -> Iterator[HttpExchange | Anomaly]:
    sessions: dict[int, dict[str, zipfile.ZipInfo]] = {}
    for entry in archive.infolist()[: 3 * BOUNDS.recording_entries]:
        match = _MEMBER.fullmatch(entry.filename.replace("\\", "/"))
        if match is None:
            continue
        if entry.flag_bits & 1:
            raise InputError(
                f"{facts.path}: a Fiddler archive protected by a password; save it from Fiddler without one"
            )
        sessions.setdefault(int(match[1]), {})[match[2]] = entry
    room = 8 * BOUNDS.recording_bytes
    for number, parts in sorted(sessions.items()):
        facts.packets = max(facts.packets, number)
        sizes = sum(each.file_size for each in parts.values())
        room -= sizes
        if sizes > BOUNDS.recording_bytes or room < 0:
            what = f"session {number} unpacks to {sizes:,} bytes and is passed over"
            yield Anomaly("capture", "limit-session", (before + number,), what)
            continue
        contents = {kind: _content(archive, entry) for kind, entry in parts.items()}
        exchange = _exchange(contents, before + number)
        if exchange is None:
            what = f"session {number} holds no HTTP message"
            yield Anomaly("capture", "session-unreadable", (before + number,), what)
            continue
        facts.count(0, exchange.time_ns, exchange.time_ns)
        yield exchange


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """What a member unpacks to: never more than it says."""
    with archive.open(entry) as stream:
        return stream.read(entry.file_size + 1)[: entry.file_size]


def _exchange(contents: dict[str, bytes], number: int) -> HttpExchange | None:
    told = contents.get("m", b"").decode("utf-8", "replace")
    times: dict[str, Any] = dict(_ATTRIBUTE.findall(told))
    flags = dict(_FLAG.findall(told))
    asked = _first(contents.get("c", b""), Request)
    answered = _first(contents.get("s", b""), Response)
    if asked is None and answered is None:
        return None
    start = time_of(times.get("ClientBeginRequest"))
    request, server, tls = None, Endpoint(address_in(flags.get("x-hostIP")) or SOMEONE, 0), False
    if asked is not None and isinstance(asked.message, Request):
        request, server, tls = _request(asked.message, server)
        request = request._replace(
            frames=(number,), time_ns=start, end_ns=time_of(times.get("ClientDoneRequest")) or start
        )
    response = None
    if answered is not None and isinstance(answered.message, Response):
        whole = answered.message.complete or answered.message.cut_by in ("fin", "end-of-capture")
        response = answered.message._replace(
            frames=(number,),
            time_ns=time_of(times.get("ServerBeginResponse")) or time_of(times.get("ClientBeginResponse")),
            end_ns=time_of(times.get("ServerDoneResponse")),
            cut_by=None if answered.message.complete else UNRECORDED,
            complete=answered.message.complete and whole,
        )
    client = Endpoint(
        address_in(flags.get("x-clientIP") or flags.get("x-clientip")) or "client",
        decimal(flags.get("x-clientport"), 5) or 0,
    )
    return HttpExchange(
        connection=-1,
        client=client,
        server=server,
        request=request,
        response=response,
        gone=None if response is not None else "lost",
        tls=tls,
    )


def _first(data: bytes, kind: type[Request | Response]) -> Alone | None:
    return next((each for each in read_alone(data) if isinstance(each.message, kind)), None)


def _request(message: Request, known: Endpoint) -> tuple[Request, Endpoint, bool]:
    """The request, its target in origin form (Fiddler writes the whole URL), and the server that it went to."""
    if not message.complete:
        message = message._replace(cut_by=UNRECORDED)
    host = header(message.headers, "host") or ""
    try:
        url = urlsplit(message.target if "://" in message.target[:10] else f"http://{host}")
        port, name = url.port, url.hostname
    except ValueError:
        return message, known, False
    tls = url.scheme == "https"
    server = Endpoint(known.address if known.address != SOMEONE else name or SOMEONE, port or (443 if tls else 80))
    if "://" in message.target[:10]:
        rest = message.target.split("://", 1)[1]
        message = message._replace(target=rest[rest.find("/") :] if "/" in rest else "/")
    return message, server, tls
