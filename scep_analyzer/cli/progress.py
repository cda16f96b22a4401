"""How far reading is, on a terminal, for what takes longer than a second."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scep_analyzer.capture.files import READERS, expand

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

_PATIENCE = 1.0
"""Seconds after which progress is shown."""
_PACE = 0.1
"""Seconds from one drawing to the next."""
_MAGIC = 4


@contextlib.contextmanager
def progress(paths: Sequence[str]) -> Iterator[Callable[[int], None] | None]:
    """What an engine tells how many bytes it has read; None where stderr is no terminal that can redraw a line. It is gone at the end."""
    if not sys.stderr.isatty() or os.environ.get("TERM", "").lower() in ("dumb", "unknown"):
        yield None
        return
    bar = _Bar(paths)
    try:
        yield bar.told
    finally:
        bar.close()


@contextlib.contextmanager
def counting(total: int, what: str) -> Iterator[Callable[[int], None]]:
    """As :func:`progress`, for ``total`` things of which some have been done: with the rate and the time that is left."""
    if not sys.stderr.isatty() or os.environ.get("TERM", "").lower() in ("dumb", "unknown"):
        yield lambda _done: None
        return
    bar = _Count(total, what)
    try:
        yield bar.told
    finally:
        bar.close()


def size_of(paths: Sequence[str]) -> int | None:
    """Bytes that there are to read; None where that is not known: standard input, what is compressed or has to be converted."""
    total = 0
    for path in map(Path, expand(list(paths))):
        try:
            if not path.is_file():
                return None
            with path.open("rb") as stream:
                if stream.read(_MAGIC) not in READERS:
                    return None
            total += path.stat().st_size
        except (OSError, ValueError):  # said where it is read
            return None
    return total


class _Bar:
    """The line on the terminal. rich draws it, imported when it is needed; no thread, so that a process may still be copied."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = paths
        self._last = time.monotonic() + _PATIENCE - _PACE
        self._drawn: Progress | None = None

    def told(self, done: int) -> None:
        """Draw, if it is time to."""
        now = time.monotonic()
        if now - self._last < _PACE:
            return
        self._last = now
        if self._drawn is None:
            self._drawn = self._begun(done)
        self._drawn.update(self._drawn.task_ids[0], completed=done, megabytes=done / 1e6, refresh=True)

    def close(self) -> None:
        """Take the line away."""
        if self._drawn is not None:
            self._drawn.stop()

    def _begun(self, done: int) -> "Progress":
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

        total = size_of(self._paths)
        known = (BarColumn(), TaskProgressColumn(), TimeRemainingColumn(compact=True), TextColumn("left"))
        unknown = (TextColumn("{task.fields[megabytes]:,.0f} MB read"),)
        return _line(known if total else unknown, total, done)


class _Count(_Bar):
    """The line of :func:`counting`."""

    def __init__(self, total: int, what: str) -> None:
        super().__init__(())
        self._total, self._what = total, what

    def _begun(self, done: int) -> "Progress":
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

        rate = TextColumn("{task.speed:,.0f}/s" if self._total else "")
        columns = (
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(self._what),
            rate,
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
        )
        return _line(columns, self._total, done)


def _line(columns: "Sequence[ProgressColumn]", total: int | None, done: int) -> "Progress":
    from rich.console import Console
    from rich.progress import Progress, TextColumn

    drawn = Progress(
        TextColumn("Reading"),
        *columns,
        console=Console(file=sys.stderr, no_color=bool(os.environ.get("NO_COLOR")) or None),
        auto_refresh=False,
        transient=True,
    )
    drawn.add_task("", total=total, completed=done, megabytes=done / 1e6)
    drawn.start()
    return drawn
