"""The builtin engine in a process of its own: a large capture is read on one core while another judges what was found.

What comes over the pipe are the exchanges, in the order found, so the report is the same. They may be decoded there already
(``through``): a decoded exchange takes less room than its bytes, and about half of all work is then on each core. Both processes
import this module alone, whichever way the system starts a process, and what ``through`` imports.
"""

import contextlib
import copyreg
import io
import multiprocessing
import os
import pickle
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from scep_analyzer.engines.builtin import BuiltinEngine
from scep_analyzer.model.anomalies import AnalyzerError
from scep_analyzer.model.certificates import Certificate
from scep_analyzer.model.exchanges import HttpExchange
from scep_analyzer.model.limits import LIMITS, Limits
from scep_analyzer.model.packets import CaptureFacts, Endpoint, Notices
from scep_analyzer.model.remembered import remembered
from scep_analyzer.model.tls import Handshake

_AT_ONCE = 64
"""Items in a message: a pipe holds about as many, and a message costs as much as ten of them."""

_AFTER = 8 << 20
"""Bytes of the capture after which a message goes, however few its items are."""

_AHEAD = 12 << 20
"""Bytes of messages that may wait: exchanges come in bursts, and what a pipe holds (64 KiB) makes each process wait for the other."""

_GONE = (EOFError, BrokenPipeError, ConnectionResetError)
_ITEMS, _GIVEN, _FAILED = range(3)


Through = Callable[[BuiltinEngine], Iterator[Any]]
"""What is done with the exchanges of an engine where they are read."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def signals_wait() -> Iterator[None]:
    """Let signals wait while a process begins: until it has said how it takes them, it would end as this one does, with a traceback."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def serve_another() -> None:
    """In a process that works for another: that one decides what Ctrl-C means, and ends this one with SIGTERM."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


@remembered(1024, 4096)
def _certificate(*fields: Any) -> Certificate:
    """A certificate that came over the pipe: the same again, where it came before."""
    return Certificate._make(fields)


_WRITTEN = {**copyreg.dispatch_table, Certificate: lambda each: (_certificate, tuple(each))}


def _bytes_of(message: object) -> bytes:
    """A message for the pipe, in which certificates are written so that the other process holds each of them once."""
    held = io.BytesIO()
    pickler = pickle.Pickler(held, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = _WRITTEN
    pickler.dump(message)
    return held.getvalue()


class ApartEngine:
    """A :class:`BuiltinEngine` at work in another process; its parameters, methods and properties are the same.

    With ``through``, a function that can be sent there, :meth:`exchanges` gives what that makes of them.
    """

    name = "builtin"

    def __init__(
        self,
        paths: list[str],
        on_bytes: Callable[[int], None] | None = None,
        *,
        limits: Limits = LIMITS,
        through: Through | None = None,
    ) -> None:
        self.facts: list[CaptureFacts] = []
        """As of the exchanges that :meth:`exchanges` gives at present."""
        self.http_requests = 0
        self._on_bytes = on_bytes
        self._notices = Notices()
        self._ended = False
        # A process is copied at once, or started again in 0.1 s. Copying threads is not safe.
        copied = sys.platform == "linux" and threading.active_count() == 1
        context: Any = multiprocessing.get_context("fork" if copied else "spawn")
        self._pipe, theirs = context.Pipe()
        ours = self._pipe if copied else None
        self._process = context.Process(target=_serve, args=(theirs, ours, paths, limits, through), daemon=True)
        with signals_wait():
            self._process.start()
        theirs.close()

    def exchanges(self) -> Iterator[Any]:
        """Give what the other process finds."""
        while not self._ended:
            kind, given = self._received()
            if kind != _ITEMS:
                self._ended = True
                self.http_requests, self.facts[:] = given
                return
            found, self.facts[:], self._notices, count = given
            if count is not None and self._on_bytes is not None:
                self._on_bytes(count)
            yield from found

    def notices(self, clients: Collection[str] | None = None, hosts: Collection[str] = ()) -> Notices:
        """As that of the other; before the end of the capture only the ICMP errors, up to where reading is."""
        return self._asked("notices", clients, hosts) if self._ended else self._notices

    def exchanges_at(self, endpoints: Iterable[tuple[Endpoint, str]]) -> Iterator[HttpExchange]:
        """As that of the other."""
        return iter(self._asked("exchanges_at", set(endpoints)))

    def handshakes(self, addresses: Collection[str] | None) -> Iterator[Handshake]:
        """As that of the other."""
        return iter(self._asked("handshakes", addresses))

    def _asked(self, method: str, *arguments: object) -> Any:
        return self._received((method, arguments))[1]

    def _received(self, question: tuple[str, tuple[object, ...]] | None = None) -> tuple[int, Any]:
        try:
            if question is not None:
                self._pipe.send(question)
            kind, content = self._pipe.recv()
        except (*_GONE, OSError) as error:  # OSError: it ended inside a message
            self._process.join()
            how = f"the process that reads the capture ended (exit code {self._process.exitcode})"
            raise AnalyzerError(f"{how}: give it more memory, or read in one process with --engine builtin") from error
        if kind == _FAILED:
            self._ended = True
            raise content
        return kind, content


class _Waiting(queue.Queue[bytes]):
    """Messages that wait, as many as ``maxsize`` bytes, and one more."""

    def _init(self, maxsize: int) -> None:
        super()._init(maxsize)
        self._bytes = 0

    def _qsize(self) -> int:
        return self._bytes

    def _put(self, item: bytes) -> None:
        super()._put(item)
        self._bytes += len(item)

    def _get(self) -> bytes:
        item = super()._get()
        self._bytes -= len(item)
        return item


def _carry(waiting: _Waiting, pipe: Connection) -> None:
    try:
        while True:
            pipe.send_bytes(waiting.get())
            waiting.task_done()
    except OSError:
        os._exit(0)  # nobody is left to read for


def _serve(
    pipe: Connection, other_end: Connection | None, paths: list[str], limits: Limits, through: Through | None
) -> None:
    """Read, send, and answer what is asked then; ends when the pipe does."""
    serve_another()
    if other_end is not None:
        other_end.close()  # or the pipe would never end here
    found: list[Any] = []
    engine: BuiltinEngine
    waiting = _Waiting(_AHEAD)
    told = reached = 0

    def send(count: int | None = None) -> None:
        message = _ITEMS, (found, engine.facts, engine.notices(()), count)
        waiting.put(_bytes_of(message))
        found.clear()

    def progressed(count: int) -> None:
        nonlocal told, reached
        reached = count
        if count - told >= _AFTER:
            told = count
            send(count)

    def read() -> object:
        nonlocal engine
        engine = BuiltinEngine(paths, progressed, limits=limits)
        try:
            for item in engine.exchanges() if through is None else through(engine):
                found.append(item)
                if len(found) >= _AT_ONCE:
                    send()
        finally:
            send(reached)
        return engine.http_requests, engine.facts

    def answer(method: str, arguments: tuple[object, ...]) -> object:
        return getattr(engine, method)(*arguments)

    threading.Thread(target=_carry, args=(waiting, pipe), daemon=True).start()
    with contextlib.suppress(*_GONE):
        outcome = _outcome(read)
        waiting.join()  # an error, too, comes after what was found before it, and only one thread writes at a time
        pipe.send(outcome)
        while True:
            pipe.send(_outcome(partial(answer, *pipe.recv())))


def _outcome(work: Callable[[], Any]) -> tuple[int, Any]:
    """What it gives, or its error."""
    try:
        given = work()
        return _GIVEN, list(given) if isinstance(given, Iterator) else given
    except _GONE:
        raise
    except Exception as error:
        if not isinstance(error, AnalyzerError):
            error.add_note("".join(traceback.format_exception(error)))  # it does not travel with the error
        return _FAILED, error
