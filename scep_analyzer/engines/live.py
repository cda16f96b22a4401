"""A capture that is still going on → HTTP exchanges: the builtin engine over a stream, and tshark beside it where there is a key log.

One thread takes the packets away from the capture program, so that nothing is lost while a terminal is slow: they go to a file where one
is wanted, to the builtin engine, and, a second later, to tshark. Later, because the client writes its key log after the handshake, and
tshark looks into it when it meets the handshake.
"""

import contextlib
import os
import queue
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import IO

from scep_analyzer.engines import tshark_rows
from scep_analyzer.engines.builtin import BuiltinEngine, Item
from scep_analyzer.engines.tshark import OPAQUE, Decryption, stopped
from scep_analyzer.engines.tshark_rows import Running
from scep_analyzer.http2.exchanges import EitherHttp
from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.exchanges import HttpExchange
from scep_analyzer.model.limits import LIVE, MIB
from scep_analyzer.model.packets import CaptureFacts, Endpoint, Notices
from scep_analyzer.model.streams import Tick
from scep_analyzer.model.tls import NO_SECRETS, Handshake, Secrets

_TICK_S = 0.5
_KEYS_COME_S = 1.0
"""How much later than us tshark gets the packets."""
_AHEAD = 64 * MIB
"""Bytes that may wait for a stage that is slower than the network; then the capture program waits, and its kernel drops and counts."""
_PIECE = 1 << 16

Sink = Callable[[bytes], object]


class _Queue:
    """Bytes on their way to a pipe, at most ``_AHEAD``, each ``delay`` seconds old when they leave."""

    def __init__(self, target: IO[bytes], delay: float = 0.0) -> None:
        self._target, self._delay = target, delay
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._size = 0
        self._over = False
        self._changed = threading.Condition()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def put(self, data: bytes) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._size < _AHEAD or self._over)
            self._waiting.append((time.monotonic() + self._delay, data))
            self._size += len(data)
            self._changed.notify_all()

    def finish(self) -> None:
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def _run(self) -> None:
        try:
            while (piece := self._next()) is not None:
                self._target.write(piece)
        except (OSError, ValueError):  # whoever reads has gone
            self.finish()
        finally:
            with contextlib.suppress(OSError):
                self._target.close()

    def _next(self) -> bytes | None:
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._waiting or self._over)
                if not self._waiting:
                    return None
                rest = self._waiting[0][0] - time.monotonic()
                if rest <= 0:
                    data = self._waiting.popleft()[1]
                    self._size -= len(data)
                    self._changed.notify_all()
                    return data
                self._changed.wait(rest)


class LiveEngine:
    """HTTP exchanges as they end, and a :class:`Tick` now and then. ``stream`` is read to its end; ``keep`` is given every byte of it."""

    def __init__(self, stream: IO[bytes], name: str, secrets: Secrets = NO_SECRETS, keep: Sink | None = None) -> None:
        self._stream, self._keep = stream, keep
        self._tshark = tshark_rows.usable() if secrets.keylog is not None else None
        self.name = "builtin" if self._tshark is None else "builtin+tshark"
        self._secrets = secrets
        reader, writer = os.pipe()
        self._reader = os.fdopen(reader, "rb", buffering=0)
        self._to_us = _Queue(os.fdopen(writer, "wb", buffering=0))
        self._inner = BuiltinEngine([name], limits=LIVE, streams={name: self._reader})
        self._decryption = Decryption()
        self._items: queue.Queue[Item | BaseException | None] = queue.Queue(maxsize=10_000)

    @property
    def facts(self) -> list[CaptureFacts]:
        """What is known of the capture."""
        return self._inner.facts

    @property
    def http_requests(self) -> int:
        """HTTP requests in the clear."""
        return self._inner.http_requests

    def notices(self, clients: Collection[str] | None = None, hosts: Collection[str] = ()) -> Notices:
        """As the builtin engine's."""
        return self._inner.notices(clients, hosts)

    def handshakes(self, addresses: Collection[str] | None) -> Iterator[Handshake]:  # noqa: ARG002  # the packets have gone by
        """None: they take a second pass over the capture."""
        return iter(())

    def exchanges_at(self, endpoints: Iterable[tuple[Endpoint, str]]) -> Iterator[HttpExchange]:  # noqa: ARG002  # as above
        """Nothing: this needs a second pass, and live packets cannot be read again."""
        return iter(())

    def exchanges(self) -> Iterator[Item | Tick]:
        """What the engines give, in the order in which they give it."""
        sources = [self._inner.exchanges()]
        sinks = [self._to_us]
        if self._tshark is not None:
            command = tshark_rows.tls_command(self._tshark, "-", self._secrets)
            running = tshark_rows.started(command, subprocess.PIPE)
            assert running.child.stdin is not None  # noqa: S101  # a pipe was asked for
            sinks.append(_Queue(running.child.stdin, _KEYS_COME_S))
            sources.append(self._decrypted(running))
        threading.Thread(target=self._spread, args=(sinks,), daemon=True).start()
        for source in sources:
            threading.Thread(target=self._collect, args=(source,), daemon=True).start()
        left = len(sources)
        try:
            yield from self._taken(left)
        finally:
            self._reader.close()

    def _taken(self, left: int) -> Iterator[Item | Tick]:
        """What ``left`` threads collect, until all have ended."""
        while left:
            try:
                item = self._items.get(timeout=_TICK_S)
            except queue.Empty:
                yield Tick(time.time_ns())
                continue
            if item is None:
                left -= 1
            elif isinstance(item, BaseException):
                raise item
            elif not (isinstance(item, Anomaly) and item.code == OPAQUE and self._all_decrypted):
                yield item

    @property
    def _all_decrypted(self) -> bool:
        talks = self._decryption.talks.values()
        return bool(talks) and all(each.decrypted for each in talks)

    def _decrypted(self, running: Running) -> Iterator[Item]:
        rows = tshark_rows.rows_of(running)
        for item in EitherHttp(LIVE).over(self._decryption.over(rows)):
            yield item._replace(tls=True) if isinstance(item, HttpExchange) else item
        if self._decryption.stopped is not None:
            yield stopped(self._decryption.stopped)

    def _spread(self, sinks: list[_Queue]) -> None:
        """Take the packets away from the capture program."""
        descriptor = self._stream.fileno()
        try:
            while piece := os.read(descriptor, _PIECE):
                self._keep_it(piece)
                for each in sinks:
                    each.put(piece)
        except OSError:  # it ends like any other: the capture program says why
            pass
        finally:
            self._stream.close()
            for each in sinks:
                each.finish()

    def _keep_it(self, piece: bytes) -> None:
        """A full disk ends the keeping, not the timeline."""
        if self._keep is None:
            return
        try:
            self._keep(piece)
        except (OSError, ValueError) as error:
            self._keep = None
            what = f"the packets are kept no longer ({error}); the timeline goes on"
            self._items.put(Anomaly("capture", "packets-not-kept", (), what))

    def _collect(self, source: Iterator[Item]) -> None:
        try:
            for item in source:
                self._items.put(item)
        except BaseException as error:  # it is raised where the items are taken
            self._items.put(error)
        self._items.put(None)
