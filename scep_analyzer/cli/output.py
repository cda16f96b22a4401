"""Where results go: standard output or a file, with or without color; and progress on a terminal."""

import contextlib
import io
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from scep_analyzer.model.anomalies import AnalyzerError

if TYPE_CHECKING:
    import argparse

    from rich.console import Console


def add_output_arguments(parser: "argparse.ArgumentParser") -> None:
    """Declare -o, --force and --color."""
    parser.add_argument("-o", "--output", metavar="FILE", help="write to a file instead of standard output")
    parser.add_argument("--force", action="store_true", help="overwrite the output file")
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


def console_for(stream: TextIO, color: str) -> "Console":
    """A rich console on a stream; ``color`` is auto, always or never (NO_COLOR counts for auto)."""
    from rich.console import Console

    plain = color == "never" or (color == "auto" and bool(os.environ.get("NO_COLOR")))
    return Console(
        file=stream,
        force_terminal=True if color == "always" else None,
        color_system=None if plain else "auto" if color != "always" else "standard",
        no_color=plain,
        highlight=False,
        markup=False,
        emoji=False,
    )


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
