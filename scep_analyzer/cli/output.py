"""Where results go: standard output, a pager or a file; with or without color and links."""

import contextlib
import io
import os
import re
import sys
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from scep_analyzer.cli.options import NARROWEST
from scep_analyzer.model.anomalies import AnalyzerError
from scep_analyzer.model.findings import Severity
from scep_analyzer.render import Look

if TYPE_CHECKING:
    import argparse

    from scep_analyzer.render.paper import Paper


@contextlib.contextmanager
def output_of(options: "argparse.Namespace", *, as_is: bool = False, at_once: bool = False) -> Iterator[TextIO]:
    """The stream that a command's options ask for: -o, --force, and the pager on a terminal.

    ``as_is`` as in :func:`opened`. ``at_once``: the output comes bit by bit, and nobody wants to wait for a full screen.
    """
    with opened(getattr(options, "output", None), force=getattr(options, "force", False), as_is=as_is) as stream:
        if at_once or options.no_pager or stream is not sys.stdout or not stream.isatty():
            yield stream
            return
        from scep_analyzer.cli.pager import paged

        with paged(stream) as pages:
            yield pages


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
    color = _has_color(stream, options.color)
    return Look(
        width=options.width or _width(),
        color=color,
        links=color and has_links(stream),
        ascii_only=not (stream.encoding or "").lower().replace("-", "").startswith("utf"),
        zone=None if getattr(options, "local", False) else UTC,
        quiet=getattr(options, "quiet", False),
        verbose=getattr(options, "verbose", False),
        least=least_of(options, least),
    )


def paper_for(options: "argparse.Namespace", stream: TextIO) -> "Paper":
    """Paper for what is no story: one message, a page of text."""
    from scep_analyzer.render.paper import Paper

    return Paper.of(look_of(options, stream), stream)


def least_of(options: "argparse.Namespace", default: Severity) -> Severity:
    """The least severity that is wanted; ``--all`` and ``--verbose`` want notes, too."""
    named = getattr(options, "min_severity", None)
    if named is not None:
        return Severity(named)
    return Severity.INFO if getattr(options, "all", False) or getattr(options, "verbose", False) else default


def _width() -> int:
    """Columns: COLUMNS where it is a sensible number, else those of the terminal, also where the output goes through a pager."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and len(given) < 5 and int(given) >= NARROWEST:
        return int(given)
    for stream in (sys.__stdout__, sys.__stderr__, sys.__stdin__):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            columns = os.get_terminal_size(stream.fileno()).columns  # type: ignore[union-attr]  # None where there is none
            if columns >= NARROWEST:
                return columns
    return 80


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


_TERMINALS_WITH_LINKS = ("alacritty", "xterm-kitty", "xterm-ghostty", "foot", "contour", "wezterm")
_PROGRAMS_WITH_LINKS = {
    "iTerm.app": (3, 1),
    "vscode": (1, 72),
    "WezTerm": (20200620,),
    "ghostty": (),
    "Hyper": (),
    "zed": (),
    "tmux": (3, 4),
}
"""TERM_PROGRAM and the version since which it shows OSC 8 links."""
_VTE_WITH_LINKS = 5_001
"""VTE_VERSION (GNOME Terminal and its like); 0.50.0 has links and crashes on them."""


def has_links(stream: TextIO) -> bool:
    """Whether a terminal shows OSC 8 links, as far as its environment tells (as npm's supports-hyperlinks decides)."""
    env = os.environ
    forced = env.get("FORCE_HYPERLINK")
    if forced is not None:
        return forced != "0"
    term = env.get("TERM", "").lower()
    if not stream.isatty() or term in ("dumb", "unknown", "linux") or "CI" in env or "TEAMCITY_VERSION" in env:
        return False
    program = env.get("TERM_PROGRAM", "")
    if program in _PROGRAMS_WITH_LINKS:
        # A list, so that what has no number is older than everything.
        version = [int(each) for each in re.findall(r"\d+", env.get("TERM_PROGRAM_VERSION", ""))[:3]]
        return version >= list(_PROGRAMS_WITH_LINKS[program])
    if term.startswith(("screen", "tmux")):  # the variables below are those of the terminal outside of it
        return False
    vte = env.get("VTE_VERSION", "")
    if vte.isdecimal() and len(vte) < 8:
        return int(vte) >= _VTE_WITH_LINKS
    return "WT_SESSION" in env or "KONSOLE_VERSION" in env or term.startswith(_TERMINALS_WITH_LINKS)
