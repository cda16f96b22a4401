"""A capture → HTTP exchanges. Whatever can do that is an engine; the table of them is here."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from scep_analyzer.capture.begun import Begun, standard_input
from scep_analyzer.capture.files import NO_STREAMS, STANDARD_INPUT, embeds_secrets, expand, is_capture_file, is_file
from scep_analyzer.engines.builtin import BuiltinEngine
from scep_analyzer.model.anomalies import AnalyzerError, Anomaly
from scep_analyzer.model.exchanges import HttpExchange
from scep_analyzer.model.limits import LIMITS, Limits
from scep_analyzer.model.packets import CaptureFacts, Endpoint, Notices
from scep_analyzer.model.streams import ConnectionFacts, ConnectionFailure, Tick
from scep_analyzer.model.tls import NO_SECRETS, Handshake, Secrets


class Engine(Protocol):
    """One reading of a capture. ``facts`` is complete once :meth:`exchanges` has run out."""

    name: str

    @property
    def facts(self) -> list[CaptureFacts]:
        """What is known of each file, in the order read."""

    @property
    def http_requests(self) -> int:
        """How many HTTP requests were seen, those of others than SCEP included."""

    def notices(self, clients: Collection[str] | None = None, hosts: Collection[str] = ()) -> Notices:
        """Name lookups of these clients (all where None) or for these hosts, and ICMP errors, once :meth:`exchanges` has run out."""

    def exchanges(self) -> Iterator[HttpExchange | ConnectionFailure | ConnectionFacts | Anomaly | Tick]:
        """Every HTTP exchange of the capture that may be SCEP's, and what was unusual."""

    def handshakes(self, addresses: Collection[str] | None) -> Iterator[Handshake]:
        """The TLS handshakes with servers at these addresses (all where None), after :meth:`exchanges` has run out."""

    def exchanges_at(self, endpoints: Iterable[tuple[Endpoint, str]]) -> Iterator[HttpExchange]:
        """Exchanges at these servers and paths, where :meth:`exchanges` has left some out; others may be among them."""


_WORTH_BYTES = 12_000_000
"""From this size on, reading takes longer than starting a process does."""

OnBytes = Callable[[int], None]


class Reading(NamedTuple):
    """What is to be read, and how."""

    paths: list[str]
    on_bytes: OnBytes | None = None
    """Told how many bytes have been read, now and then."""
    secrets: Secrets = NO_SECRETS
    limits: Limits = LIMITS
    streams: Mapping[str, Any] = NO_STREAMS
    """Captures that are open already, by the name that stands for them in ``paths``."""
    frames: frozenset[int] | None = None
    """The frames that a display filter has chosen; None: all."""
    apart: bool = True
    """Whether a large capture may be read in a process of its own."""
    through: Callable[[BuiltinEngine], Iterator[Any]] | None = None
    """What such a process does with the exchanges: its engine then gives what comes of that. It must be possible to send it there."""


def _builtin(reading: Reading) -> Engine:
    if reading.secrets.keylog is not None:
        raise AnalyzerError(
            "the builtin engine does not decrypt TLS: leave --engine out, and --keylog takes tshark beside it"
        )
    return _here(reading)


def _here(reading: Reading) -> BuiltinEngine:
    return BuiltinEngine(
        reading.paths, reading.on_bytes, limits=reading.limits, streams=reading.streams, frames=reading.frames
    )


def _tshark(reading: Reading) -> Engine:
    from scep_analyzer.engines.tshark import TsharkEngine

    if reading.frames is not None:
        raise AnalyzerError("--display-filter does not go with --engine tshark: leave --engine out")
    return TsharkEngine(reading.paths, reading.on_bytes, reading.secrets)


def _auto(reading: Reading) -> Engine:
    """The builtin engine, and tshark beside it where TLS may be decrypted."""
    if not _may_decrypt(reading):
        return _apart(reading) or _here(reading)
    from scep_analyzer.engines.tshark import TsharkEngine

    optional = reading.secrets.keylog is None
    return TsharkEngine(
        reading.paths, reading.on_bytes, reading.secrets, builtin=True, optional=optional, frames=reading.frames
    )


def _apart(reading: Reading) -> Engine | None:
    """A process of its own, where the captures are large, in files, and a core is free: this is none of the processes of --jobs."""
    if not reading.apart or reading.streams or reading.frames is not None:
        return None
    files = expand(reading.paths)
    if not all(map(is_file, files)) or sum(Path(each).stat().st_size for each in files) < _WORTH_BYTES:
        return None
    from multiprocessing import cpu_count, parent_process

    if cpu_count() < 2 or parent_process() is not None:
        return None
    from scep_analyzer.engines.apart import ApartEngine

    return ApartEngine(reading.paths, reading.on_bytes, limits=reading.limits, through=reading.through)


def _may_decrypt(reading: Reading) -> bool:
    """Whether there are secrets: given, or in the files."""
    if reading.secrets.keylog is not None or reading.secrets.rsa_keys:
        return True
    return any(embeds_secrets(each) for each in expand(reading.paths, reading.streams) if each not in reading.streams)


ENGINES: dict[str, Callable[[Reading], Engine]] = {"auto": _auto, "builtin": _builtin, "tshark": _tshark}
CHOICES = tuple(ENGINES)


def open_capture(engine: str, reading: Reading) -> Engine:
    """Start reading a capture."""
    if engine not in ENGINES:
        raise AnalyzerError(f"there is no engine {engine!r}; use one of {', '.join(ENGINES)}")
    if not reading.streams and all(map(is_capture_file, reading.paths)):  # the usual case, without those imports
        return ENGINES[engine](reading)
    from scep_analyzer.engines.recordings import RecordingEngine, Unarchived, are_recordings, only_readable
    from scep_analyzer.recordings.archives import unpacked

    # Their content decides, never their name.
    if STANDARD_INPUT in reading.paths:
        reading = reading._replace(streams={**reading.streams, STANDARD_INPUT: standard_input()})
    given = reading.paths
    archives = unpacked(only_readable(expand(given, reading.streams), given), reading.streams)
    if archives.names:
        streams = {name: each for name, each in reading.streams.items() if name in archives.paths}
        reading = reading._replace(paths=archives.paths, streams=streams)
    recordings = engine != "tshark" and are_recordings(archives.paths, reading.streams)
    for each in reading.streams.values():
        if isinstance(each, Begun):
            each.settle()
    if recordings:
        found: Engine = RecordingEngine(archives.paths, reading.on_bytes, reading.streams, archives.names)
    else:
        found = ENGINES[engine](reading)
    return Unarchived(found, archives) if archives.names else found
