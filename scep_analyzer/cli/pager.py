"""Long output on a terminal, a screen at a time: through ``$PAGER``, or less.

The pager is started only when there is more than a screen. Where it is missing or broken, the text is printed as it is. Leaving it in
the middle (``q``) is no error: what was not read is dropped, and the exit code is the command's.
"""

import contextlib
import io
import os
import re
import shlex
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from typing import Any, TextIO, cast

_USUAL = "less -FRX"
_NO_PAGERS = ("", "cat")
_LINK = re.compile("\x1b]8;[^\x1b]*\x1b\\\\")
_LESS_WITH_LINKS = 590
"""This version of less passes OSC 8 links on (tried); older ones, and other pagers, may show them as text."""


@contextlib.contextmanager
def paged(terminal: TextIO) -> Iterator[TextIO]:
    """A stream for what is to be read on this terminal; the terminal itself where there is no pager."""
    command = pager_command()
    if command is None:
        yield terminal
        return
    pages = _Pages(terminal, command)
    try:
        yield cast("TextIO", pages)
    finally:
        pages.end()


def pager_command() -> list[str] | None:
    """The pager and its arguments, None where there is none. On Windows only a ``$PAGER`` that the user has set counts."""
    given = os.environ.get("PAGER", "" if os.name == "nt" else _USUAL).strip()
    if given in _NO_PAGERS or os.environ.get("TERM", "").lower() in ("dumb", "unknown"):
        return None
    try:
        words = shlex.split(given, posix=os.name != "nt")
    except ValueError:  # a quotation mark without its other half
        return None
    program = shutil.which(words[0].strip('"')) if words else None
    return [program, *words[1:]] if program is not None else None


class _Pages(io.TextIOBase):
    """Holds back what fits on the screen; what is longer goes to the pager."""

    def __init__(self, terminal: TextIO, command: list[str]) -> None:
        self._terminal, self._command = terminal, command
        self._text: list[str] = []
        """All that was written: a pager that fails has shown nothing."""
        self._rows_left = _rows(terminal) - 1  # the last row is for the prompt
        self._process: subprocess.Popen[bytes] | None = None
        self._links = True
        self._before: Any = None
        self._left = False

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a property there, too, but one that gives None
        """That of the terminal."""
        return self._terminal.encoding

    def isatty(self) -> bool:
        """Whether a terminal shows it in the end: always."""
        return True

    def writable(self) -> bool:
        """Whether text can be written: always."""
        return True

    def flush(self) -> None:
        """Do nothing: a screen that is not full waits, a pager is handed what there is when it asks."""

    def write(self, text: str) -> int:
        """Take text."""
        self._text.append(text)
        if self._process is not None:
            self._hand_over(text)
        elif self._rows_left >= 0:
            self._rows_left -= text.count("\n")
            if self._rows_left < 0:
                self._start()
        return len(text)

    def end(self) -> None:
        """Show the rest, and wait until the reader is done."""
        process = self._process
        if process is None:
            self._print()
            return
        with contextlib.suppress(OSError):
            cast("io.BufferedWriter", process.stdin).close()
        code = process.wait()
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
        if code > 0:  # it did not work; a signal (less than 0) was somebody's wish
            self._print()

    def _print(self) -> None:
        self._terminal.write("".join(self._text))
        self._terminal.flush()

    def _start(self) -> None:
        self._links = _keeps_links(self._command)
        self._terminal.flush()
        try:
            self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, env={"LESS": "FRX", "LV": "-c", **os.environ})  # noqa: S603  # the user's own pager  # fmt: skip
        except (OSError, ValueError):
            return  # printed at the end
        if threading.current_thread() is threading.main_thread():
            # Ctrl-C is the pager's now. Without this program, it would be left with a terminal that two programs read from.
            self._before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._hand_over("".join(self._text))

    def _hand_over(self, text: str) -> None:
        if self._left or self._process is None:
            return
        try:
            shown = text if self._links else _LINK.sub("", text)
            cast("io.BufferedWriter", self._process.stdin).write(shown.encode(self.encoding, "replace"))
        except OSError:  # the reader has seen enough
            self._left = True


def _rows(terminal: TextIO) -> int:
    try:
        return os.get_terminal_size(terminal.fileno()).lines or 24
    except (OSError, ValueError):
        return 24


def _keeps_links(command: list[str]) -> bool:
    """Whether the pager passes links on."""
    if os.path.basename(command[0]).lower() not in ("less", "less.exe"):  # noqa: PTH119  # which() gives text
        return False
    try:
        done = subprocess.run([command[0], "--version"], capture_output=True, timeout=2, check=False)  # noqa: S603  # as above
    except (OSError, subprocess.SubprocessError):
        return False
    version = re.match(rb"less (\d+)", done.stdout)
    return version is not None and int(version[1]) >= _LESS_WITH_LINKS
