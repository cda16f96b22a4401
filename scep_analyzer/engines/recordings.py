"""The engine of inputs that hold exchanges and no packets: access logs, HAR files, Fiddler's archives."""

import contextlib
import shutil
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scep_analyzer.capture.files import (
    NO_STREAMS,
    STANDARD_INPUT,
    comes_again,
    is_capture,
    is_file,
    looked_at,
    opened_bytes,
)
from scep_analyzer.capture.source import Source
from scep_analyzer.model.anomalies import Anomaly, InputError
from scep_analyzer.model.exchanges import HttpExchange
from scep_analyzer.model.packets import CaptureFacts, Endpoint, Notices
from scep_analyzer.model.places import Place, names
from scep_analyzer.model.streams import ConnectionFacts, ConnectionFailure, Tick
from scep_analyzer.model.tls import Handshake
from scep_analyzer.recordings.archives import Unpacked
from scep_analyzer.recordings.kinds import START_BYTES, Kind, kind_of

if TYPE_CHECKING:
    from scep_analyzer.engines import Engine

Item = HttpExchange | ConnectionFailure | ConnectionFacts | Anomaly | Tick


class RecordingEngine:
    """Reads the files in the order of their first exchanges. Lines and entries are counted through all of them.

    ``streams`` are inputs that are open already, by the name that stands for them in ``paths``. ``called`` are the names of files
    that were in archives.
    """

    name = "builtin"

    def __init__(
        self,
        paths: list[str],
        on_bytes: Callable[[int], None] | None = None,
        streams: Mapping[str, Any] = NO_STREAMS,
        called: Mapping[str, str] | None = None,
    ) -> None:
        self._names = called or {}
        self.facts: list[CaptureFacts] = []
        self.http_requests = 0
        self._paths, self._on_bytes, self._streams = paths, on_bytes, streams

    def exchanges(self) -> Iterator[HttpExchange | Anomaly]:
        """Every exchange; those of a log in the order of its lines, which is nearly that of time."""
        done = 0
        called = self._called() if len(self._paths) > 1 else {}
        for path in _in_time_order(self._paths, self._streams):
            with _opened(path, self._streams, self._told(done)) as (source, facts, kind):
                before = sum(each.packets for each in self.facts)
                self.facts.append(facts)
                file = called.get(path, "")
                for item in kind.read(source, facts, before):
                    self.http_requests += isinstance(item, HttpExchange)
                    yield _placed(item, kind.unit, before, file)
                facts.bytes = facts.bytes or source.offset
                done += source.offset
                if source.damage is not None:
                    facts.complete = False
                    yield Anomaly("capture", "compressed-cut", (), f"{facts.path}: {source.damage}")

    def notices(self, clients: Collection[str] | None = None, hosts: Collection[str] = ()) -> Notices:  # noqa: ARG002  # as Engine
        """None: there are no packets."""
        return Notices()

    def handshakes(self, addresses: Collection[str] | None) -> Iterator[Handshake]:  # noqa: ARG002  # as Engine
        """None: there are no packets."""
        return iter(())

    def exchanges_at(self, endpoints: Iterable[tuple[Endpoint, str]]) -> Iterator[HttpExchange]:  # noqa: ARG002  # as Engine
        """None: nothing was left out."""
        return iter(())

    def _called(self) -> dict[str, str]:
        """What each file is called where several are read: no longer than what tells them apart."""
        known = [self._names.get(path, path) for path in self._paths]
        return dict(zip(self._paths, names(known), strict=True))

    def _told(self, done: int) -> Callable[[int], None] | None:
        on_bytes = self._on_bytes
        return None if on_bytes is None else lambda offset: on_bytes(done + offset)


def _placed(item: HttpExchange | Anomaly, unit: str, before: int, file: str) -> HttpExchange | Anomaly:
    """The same with numbers that know what they count, in which file."""

    def placed(frames: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(Place.of(each, unit, each - before, file) for each in frames)

    if isinstance(item, Anomaly):
        return item._replace(frames=placed(item.frames))
    request, response = item.request, item.response
    return item._replace(
        request=request._replace(frames=placed(request.frames)) if request is not None else None,
        response=response._replace(frames=placed(response.frames)) if response is not None else None,
    )


class Unarchived:
    """An engine that reads what was in archives; its files are called by their names in them, and last as long as it does."""

    def __init__(self, inner: "Engine", archives: Unpacked) -> None:
        self._inner, self._archives = inner, archives
        if archives.folder is not None:  # also where the program ends early
            weakref.finalize(self, shutil.rmtree, archives.folder, ignore_errors=True)
        self.name = inner.name

    @property
    def facts(self) -> list[CaptureFacts]:
        """What is known of each file. The list is the inner engine's own, which grows."""
        facts = self._inner.facts
        for each in facts:
            each.path = self._archives.names.get(each.path, each.path)
        return facts

    @property
    def http_requests(self) -> int:
        """As the inner engine."""
        return self._inner.http_requests

    def notices(self, clients: Collection[str] | None = None, hosts: Collection[str] = ()) -> Notices:
        """As the inner engine."""
        return self._inner.notices(clients, hosts)

    def exchanges(self) -> "Iterator[Item]":
        """As the inner engine; a problem with a file names it as the archive does."""
        try:
            for each in self._inner.exchanges():
                yield each
                self._named()
        except InputError as error:
            text = str(error)
            for written, name in self._archives.names.items():
                text = text.replace(written, name)
            raise InputError(text) from error

    def _named(self) -> None:
        if self._inner.facts and self._inner.facts[-1].path in self._archives.names:
            _ = self.facts

    def handshakes(self, addresses: Collection[str] | None) -> Iterator[Handshake]:
        """As the inner engine."""
        return self._inner.handshakes(addresses)

    def exchanges_at(self, endpoints: Iterable[tuple[Endpoint, str]]) -> Iterator[HttpExchange]:
        """As the inner engine."""
        return self._inner.exchanges_at(endpoints)


def are_recordings(paths: list[str], streams: Mapping[str, Any] = NO_STREAMS) -> bool:
    """Whether the inputs are recordings; InputError where only some are, because their exchanges have no order among packets."""
    kinds = [_kind_at(path, streams) for path in paths]
    if any(kinds) and not all(kinds):
        path = paths[kinds.index(None)]
        raise InputError(f"{path}: not a log or recording, as the others are; give captures and logs one after another")
    return bool(kinds) and all(kinds)


def only_readable(paths: list[str], given: list[str]) -> list[str]:
    """The paths without the logs of something else (error.log) that lie in a directory that was given, beside those of requests."""
    inside = [path for path in paths if path not in given and path.lower().endswith(_LOGS)]
    if len(inside) < 2:
        return paths
    other = {path for path in inside if _kind_at(path, NO_STREAMS) is None}
    return [path for path in paths if path not in other] or paths


_LOGS = (".log", ".log.gz", ".1", "_log", *(f".{number}.gz" for number in range(10)))


def _kind_at(path: str, streams: Mapping[str, Any]) -> Kind | None:
    stream = streams.get(path)
    if stream is not None:
        return looked_at(stream, _kind_in)
    if path == STANDARD_INPUT or not is_file(path):
        return None
    with contextlib.suppress(InputError), opened_bytes(path) as file:
        return _kind_in(Source(file))
    return None


def _kind_in(source: Source) -> Kind | None:
    """The kind of an input by as few of its first bytes as tell it: a pipe may still grow."""
    size = 1
    while source.need(size) and size <= START_BYTES:
        start = source.at_hand(START_BYTES)
        if is_capture(start):
            return None
        kind = kind_of(start)
        if kind is not None:
            return kind
        size = len(start) + 1
    return None


@contextlib.contextmanager
def _opened(
    path: str, streams: Mapping[str, Any], on_bytes: Callable[[int], None] | None = None
) -> Iterator[tuple[Source, CaptureFacts, Kind]]:
    stream = streams.get(path)
    if stream is not None and hasattr(stream, "rewind"):
        stream.rewind()
    with contextlib.nullcontext(stream) if stream is not None else opened_bytes(path) as file:
        source = Source(file, on_bytes)
        kind = _kind_in(source)
        if kind is None:
            raise InputError(f"{path}: it has changed while it was read; try again")
        facts = CaptureFacts(
            path=path,
            format=kind.name,
            link_types=[],
            bytes=0 if source.compression or stream is not None else Path(path).stat().st_size,
            compression=source.compression,
            unit=kind.unit,
            called=kind.called,
            lacks=kind.lacks,
        )
        yield source, facts, kind


def _in_time_order(paths: list[str], streams: Mapping[str, Any]) -> list[str]:
    """The files by the time of their first exchange: logs are rotated. As they were given where one of them comes by once."""
    if len(paths) < 2 or not all(comes_again(path, streams) for path in paths):
        return paths

    def first_time(path: str) -> int:
        with _opened(path, streams) as (source, facts, kind):
            times = (each.time_ns for each in kind.read(source, facts, 0) if isinstance(each, HttpExchange))
            return next((time for time in times if time is not None), 0)

    return sorted(paths, key=first_time)
