"""The door for Python programs: what :mod:`scep_analyzer` offers. docs/python.md shows it in use.

Nothing is started for it: no event loop, no process, no thread, and nothing global is changed. Two exceptions, both asked for: TLS secrets
and display filters need a tshark.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from os import PathLike, fsdecode
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, Union

from scep_analyzer import report as plain
from scep_analyzer.analysis import Analysis
from scep_analyzer.capture.begun import Begun
from scep_analyzer.capture.files import STANDARD_INPUT, is_file, stream_embeds_secrets
from scep_analyzer.capture.given import Given, given, handed
from scep_analyzer.capture.packing import PACKETS, Rewindable
from scep_analyzer.engines import Reading, open_capture
from scep_analyzer.engines.pushed import PushedEngine
from scep_analyzer.events import Event, Over
from scep_analyzer.model.anomalies import AnalyzerError
from scep_analyzer.model.limits import BOUNDS, LIMITS, Limits
from scep_analyzer.model.packets import Packet
from scep_analyzer.model.tls import NO_SECRETS, Secrets
from scep_analyzer.model.words import count
from scep_analyzer.tables import Scalar, TableName, rows_of

if TYPE_CHECKING:
    from scep_analyzer.cms.keys import PrivateKey


class BinaryFile(Protocol):
    """A file opened for reading bytes."""

    def read(self, size: int, /) -> bytes | None:
        """At most ``size`` bytes; none at the end."""


StrPath: TypeAlias = Union[str, "PathLike[str]"]
Capture: TypeAlias = StrPath | bytes | bytearray | memoryview | BinaryFile
Frame: TypeAlias = tuple[float, bytes] | tuple[Any, bytes] | tuple[Any, bytes, int]
"""Seconds since 1970 (float, Decimal, int) or a datetime with a time zone; the packet; its link type."""
Source: TypeAlias = Capture | Iterable[Capture] | Iterable[Frame] | Iterable[Any] | Any
"""Packets and captures of scapy, dpkt and pyshark have no types that could be named here without importing them."""
Key: TypeAlias = StrPath | bytes | tuple[StrPath | bytes, str | bytes | None]
"""The private key, as a path or as its bytes (PEM, DER, PKCS #12); with its password where it has one."""
EngineName: TypeAlias = Literal["auto", "builtin", "tshark"]


class Report(plain.Report):
    """The result of an analysis: ``transactions``, ``exchanges`` and ``findings`` as values, :meth:`rows` as tables, JSON, HTML."""

    def __repr__(self) -> str:
        many = ((self.exchanges, "exchange"), (self.transactions, "transaction"), (self.findings, "finding"))
        return f"<Report: {', '.join(count(len(each), name) for each, name in many)}>"

    def rows(self, table: TableName) -> list[dict[str, Scalar]]:
        """A table as rows of text, numbers, booleans and None, for pandas, Polars, DuckDB or CSV.

        The tables and their columns are listed in docs/python.md, and as data in :data:`scep_analyzer.tables.TABLES`. Secrets are in
        none of them.
        """
        return list(rows_of(self, table))

    def to_json(self, *, secrets: bool = False) -> str:
        """The report as the command line prints it with ``-f json`` (docs/json.md); ``secrets``: with challenge passwords."""
        from scep_analyzer.render import json_v1

        return json_v1.render(self, secrets=secrets)

    def to_dict(self, *, secrets: bool = False) -> dict[str, Any]:
        """The same as Python values."""
        import json

        document: dict[str, Any] = json.loads(self.to_json(secrets=secrets))
        return document

    def _repr_html_(self) -> str:
        """What a notebook shows: the verdict, its cause and fix, or the causes of several. Text from the capture is escaped."""
        from scep_analyzer.render.page import brief
        from scep_analyzer.story.narrator import story_of

        return brief(story_of(self))


def analyze(
    source: Source,
    *,
    keys: Iterable[Key] = (),
    keylog: StrPath | bytes | None = None,
    engine: EngineName = "auto",
    link_type: int | None = None,
    display_filter: str | None = None,
    limits: Limits = LIMITS,
) -> Report:
    """Read a capture to its end.

    ``source``: a path, bytes, a binary file, or several of them, which are read as one capture; (time, bytes) or (time, bytes, link type)
    of each packet; a list or generator of scapy's packets, or one; a reader of dpkt's; a capture of pyshark's.
    ``keys`` open envelopes, ``keylog`` (SSLKEYLOGFILE) opens TLS. ``link_type`` is that of packets that do not tell theirs, Ethernet unless
    it is given (numbers: tcpdump.org/linktypes.html). ``display_filter`` chooses packets, in Wireshark's language.

    Raises AnalyzerError, in one line that says what to do: InputError where the source is not a capture. A damaged capture raises nothing;
    its damage is among the report's ``anomalies``.
    """
    with _opened(source, keys, keylog, engine, link_type, display_filter, limits, once=False) as events:
        return Report.of(events)


def stream(
    source: Source,
    *,
    keys: Iterable[Key] = (),
    keylog: StrPath | bytes | None = None,
    engine: EngineName = "auto",
    link_type: int | None = None,
    display_filter: str | None = None,
    limits: Limits = LIMITS,
) -> Iterator[Event]:
    """Give what is found in a capture as soon as it is known, in constant memory; parameters and errors are those of :func:`analyze`.

    Packets of a generator, and a file that cannot seek, come by once: what :func:`analyze` takes a second pass for is not looked at then
    (TLS handshakes, and exchanges from before their path turned out to be SCEP's).
    """
    with _opened(source, keys, keylog, engine, link_type, display_filter, limits, once=True) as events:
        yield from events


class Analyzer:
    """An analysis that is given its packets by whoever has them: ``sniff(prn=analyzer.feed)``.

    ``on_event`` is called with each event as soon as it is known. :meth:`close` gives the report. Objects are independent of each other;
    one of them is for one thread at a time. Use it in a ``with`` statement, or call :meth:`close`.
    """

    def __init__(
        self,
        *,
        keys: Iterable[Key] = (),
        link_type: int | None = None,
        on_event: Callable[[Event], object] | None = None,
        limits: Limits = LIMITS,
    ) -> None:
        self._engine = PushedEngine(PACKETS, PACKETS, limits)
        self._analysis = Analysis([], self._engine, keys=_private_keys(keys), limits=limits)
        self._link_type, self._on_event = link_type, on_event
        self._events: list[Event] = []
        self._frames = 0
        self._report: Report | None = None

    def feed(self, time: Any, frame: bytes | None = None, link_type: int | None = None) -> None:
        """Take a packet: its time (seconds since 1970, or a datetime) and its bytes; or a packet of scapy's or pyshark's alone.

        It gives None, so that scapy's ``sniff(prn=…)`` prints nothing.
        """
        if self._report is not None:
            raise AnalyzerError("the analyzer is closed; make another one for further packets")
        link = link_type if link_type is not None else self._link_type
        packet = handed(time if frame is None else (time, frame), self._frames + 1, link)
        self._frames += 1
        found = self._engine.feed(
            Packet(
                frame=self._frames,
                time_ns=packet.time_ns,
                link_type=packet.link_type,
                data=packet.data,
                wire_length=packet.wire_length,
            )
        )
        self._note(self._analysis.take(found))

    def close(self) -> Report:
        """There are no more packets: the report. It may be called again."""
        if self._report is None:
            self._note(self._analysis.take(self._engine.finish()))
            self._note(self._analysis.end())
            self._report = Report.of(self._events)
            self._events.clear()
        return self._report

    def _note(self, events: Iterable[Event]) -> None:
        for each in events:
            self._events.append(each)
            if self._on_event is not None:
                self._on_event(each)

    def __enter__(self) -> "Analyzer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if error is None:
            self.close()


# -- from the arguments to an analysis ------------------------------------------------------------------------------------


@contextmanager
def _opened(
    source: Source,
    keys: Iterable[Key],
    keylog: StrPath | bytes | None,
    engine: EngineName,
    link_type: int | None,
    display_filter: str | None,
    limits: Limits,
    *,
    once: bool,
) -> Generator[Iterator[Event], None, None]:
    """The events of an analysis. ``once``: what comes by once is not kept for a second pass."""
    private = _private_keys(keys)
    handed_over = given(source, link_type)
    with ExitStack() as held:
        streams = {}
        for name, each in handed_over.streams.items():
            passes = once and not each.seekable()
            streams[name] = _passing(each) if passes else held.enter_context(Rewindable(each))
        handed_over = handed_over._replace(streams=streams)
        chosen_by = _both(display_filter, handed_over.display_filter)
        names: dict[str, str] = {}
        if streams and _is_for_tshark(keylog, engine, chosen_by, streams.values()):
            folder = Path(held.enter_context(TemporaryDirectory(prefix="scep-analyzer-")))
            handed_over, names = _on_disk(handed_over, folder)
        secrets = _secrets(keylog, held)
        frames = None
        if chosen_by is not None:
            from scep_analyzer.capture.files import expand
            from scep_analyzer.engines.display_filter import chosen_frames

            frames = chosen_frames(expand(handed_over.names), chosen_by)
        passing = STANDARD_INPUT in handed_over.names or not all(
            hasattr(each, "rewind") for each in handed_over.streams.values()
        )
        reading = Reading(
            paths=handed_over.names,
            secrets=secrets,
            limits=limits._replace(held_items=0) if passing else limits,
            streams=handed_over.streams,
            frames=frames,
            apart=False,
        )
        analysis = Analysis(
            reading.paths, open_capture(engine, reading), keys=private, secrets=secrets, limits=reading.limits
        )
        yield _named(analysis.events(), names)


def _passing(stream: Any) -> Any:
    """What comes by once; its kind is looked at first, unless it is a program's packets."""
    return stream if getattr(stream, "format", None) is not None else Begun(stream)


def _both(one: str | None, other: str | None) -> str | None:
    """Two display filters as one."""
    if one and other:
        return f"({one}) && ({other})"
    return one or other or None


def _is_for_tshark(keylog: object, engine: str, display_filter: str | None, streams: Iterable[Any]) -> bool:
    """Whether tshark has to read the capture too, which it does from files."""
    if keylog is not None or engine == "tshark" or display_filter is not None:
        return True
    return engine == "auto" and any(hasattr(each, "rewind") and stream_embeds_secrets(each) for each in streams)


def _on_disk(handed_over: Given, folder: Path) -> tuple[Given, dict[str, str]]:
    """The same with files in place of streams, and their names by their paths."""
    names: dict[str, str] = {}
    paths = []
    for number, name in enumerate(handed_over.names):
        each = handed_over.streams.get(name)
        if each is None:
            paths.append(name)
            continue
        path = folder / f"{number}.pcapng"
        if hasattr(each, "rewind"):
            each.rewind()
        piece = bytearray(1 << 20)
        with path.open("wb") as file:
            while count := each.readinto(piece):
                file.write(memoryview(piece)[:count])
        paths.append(str(path))
        names[str(path)] = name
    return Given(paths, {}, handed_over.display_filter), names


def _named(events: Iterator[Event], names: dict[str, str]) -> Iterator[Event]:
    """The events, with the names by which the captures were given."""
    for each in events:
        if isinstance(each, Over):
            for facts in each.captures:
                facts.path = names.get(facts.path, facts.path)
        yield each


def _private_keys(keys: Iterable[Key]) -> "list[PrivateKey]":
    found: list[PrivateKey] = []
    if isinstance(keys, str | bytes | PathLike):
        keys = [keys]
    for each in keys:
        from scep_analyzer.cms.keys import keys_in, read_private_key

        key, password = each if isinstance(each, tuple) else (each, None)
        secret = password.encode() if isinstance(password, str) else password
        content, name = (key, "key") if isinstance(key, bytes) else (_read(key, BOUNDS.key_file_bytes), fsdecode(key))
        found += (read_private_key(one, name, secret) for one in keys_in(content))
    return found


def _secrets(keylog: StrPath | bytes | None, held: ExitStack) -> Secrets:
    if keylog is None:
        return NO_SECRETS
    if not isinstance(keylog, bytes):
        return Secrets(fsdecode(keylog), _read(keylog, BOUNDS.key_log_bytes))
    folder = Path(held.enter_context(TemporaryDirectory(prefix="scep-analyzer-")))
    path = folder / "keylog"
    path.touch(mode=0o600)
    path.write_bytes(keylog)
    return Secrets(str(path), keylog)


def _read(path: StrPath, most: int) -> bytes:
    if not is_file(fsdecode(path)):
        raise AnalyzerError(f"{fsdecode(path)}: no such file; give the path of a file with keys")
    with Path(path).open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise AnalyzerError(f"{fsdecode(path)}: more than {most:,} bytes, which no file of keys has")
    return content
