"""Where results go: standard output or a file, with or without color; and progress on a terminal."""

import contextlib
import io
import os
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from scep_analyzer.model.anomalies import AnalyzerError
from scep_analyzer.model.findings import Severity
from scep_analyzer.render import Look

if TYPE_CHECKING:
    import argparse

    from scep_analyzer.render.paper import Paper


def add_output_arguments(parser: "argparse.ArgumentParser") -> None:
    """Declare -o, --force and --color."""
    parser.add_argument("-o", "--output", metavar="FILE", help="write to a file instead of standard output")
    parser.add_argument("--force", action="store_true", help="overwrite the output file")
    add_color_argument(parser)


def add_color_argument(parser: "argparse.ArgumentParser") -> None:
    """Declare --color."""
    parser.add_argument("--color", choices=("auto", "always", "never"), default="auto", help="color (default: auto)")


@contextlib.contextmanager
def opened(path: str | None, *, force: bool, as_is: bool = False) -> Iterator[TextIO]:
    """The stream to write to; a file is never overwritten without ``--force``. ``as_is``: UTF-8 whatever the console speaks."""
    if path is None:
        if as_is and isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", newline="\n")
        yield sys.stdout
        sys.stdout.flush()
        return
    with io.TextIOWrapper(created(path, force=force), encoding="utf-8", newline="\n") as stream:
        yield stream


def created(path: str, *, force: bool) -> io.BufferedWriter:
    """A new file, written over an old one only with ``--force``."""
    try:
        return Path(path).open("wb" if force else "xb")
    except FileExistsError as error:
        raise AnalyzerError(f"{path}: exists already; use --force to overwrite it, or another name") from error
    except OSError as error:
        raise AnalyzerError(f"{path}: cannot be written ({error.strerror}); use another name") from error


def look_of(options: "argparse.Namespace", stream: TextIO, least: Severity = Severity.INFO) -> Look:
    """How and how much a command draws on a stream: what its options say, and what the stream can show."""
    return Look(
        width=_width(),
        color=_has_color(stream, options.color),
        ascii_only=not (stream.encoding or "").lower().replace("-", "").startswith("utf"),
        zone=None if getattr(options, "local", False) else UTC,
        quiet=getattr(options, "quiet", False),
        verbose=getattr(options, "verbose", False),
        least=least_of(options, least),
    )


def paper_for(options: "argparse.Namespace", stream: TextIO) -> "Paper":
    """Paper for what is no story: one message, a page of text."""
    from scep_analyzer.render.paper import Paper

    look = look_of(options, stream)
    return Paper(stream, look.width, color=look.color, ascii_only=look.ascii_only)


def least_of(options: "argparse.Namespace", default: Severity) -> Severity:
    """The least severity that is wanted; ``--verbose`` wants notes, too."""
    named = getattr(options, "min_severity", None)
    if named is not None:
        return Severity(named)
    return Severity.INFO if getattr(options, "verbose", False) else default


def _width() -> int:
    """Columns: COLUMNS where it is a sensible number, else those of the terminal, also where the output goes through a pager."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and len(given) < 5 and int(given) >= _NARROWEST:
        return int(given)
    for stream in (sys.__stdout__, sys.__stderr__, sys.__stdin__):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            columns = os.get_terminal_size(stream.fileno()).columns  # type: ignore[union-attr]  # None where there is none
            if columns >= _NARROWEST:
                return columns
    return 80


_NARROWEST = 20


def _has_color(stream: TextIO, wanted: str) -> bool:
    """Whether escape sequences may be written; NO_COLOR (no-color.org) counts for ``auto``."""
    if wanted != "auto":
        return wanted == "always"
    if os.environ.get("NO_COLOR") or not stream.isatty() or os.environ.get("TERM", "").lower() in ("dumb", "unknown"):
        return False
    if os.name != "nt":
        return True
    from rich.console import Console  # knows which consoles of Windows obey escape sequences

    return not Console(file=stream).legacy_windows


def progress() -> Callable[[int], None] | None:
    """Tells on stderr how far reading is, once it takes longer than a second; None where stderr is no terminal."""
    if not sys.stderr.isatty():
        return None
    started = time.monotonic()
    last = started

    def on_bytes(done: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - started > 1 and now - last > 0.25:
            last = now
            sys.stderr.write(f"\r{done / 1e6:,.0f} MB read \x1b[K")
            sys.stderr.flush()

    return on_bytes


def clear_progress() -> None:
    """Take the progress line away."""
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
