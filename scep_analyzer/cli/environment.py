"""What surrounds the process: streams that are closed, full or speak another encoding, a width that makes no sense, signals, and an
output that is its own input.
"""  # noqa: D205  # one sentence lists them

import argparse
import errno
import os
import sys
import warnings
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable
    from types import FrameType

UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.EBADF})
"""What the system says where standard output or a file takes no more."""

BROKEN_PIPE = 141 if os.name == "posix" else 0
"""The exit code where whoever reads the output has gone: 128 and SIGPIPE, as shells tell of other programs. Windows knows none."""

_WIDEST = 10_000
_STREAMS = ("stdin", "stdout", "stderr")


def prepared(*, own_process: bool) -> frozenset[int]:
    """Make the process's surroundings such as the commands expect them; gives which of the three streams were closed."""
    _bound_width()
    if not own_process:
        return frozenset()
    closed = frozenset(number for number, name in enumerate(_STREAMS) if getattr(sys, name) is None)
    if closed:
        # Their numbers are taken first: otherwise the first file that is opened gets one, and is written to.
        while (number := os.open(os.devnull, os.O_RDWR)) <= 2:  # stdin, stdout, stderr
            pass
        os.close(number)
        for number in closed:
            name = _STREAMS[number]
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: SIM115, PTH123  # until the end
    for stream in (sys.stdout, sys.stderr):
        _write_all(stream)
    if not sys.warnoptions:  # what libraries tell their users is nothing that ours can act on, and stderr is one line
        warnings.simplefilter("ignore")
    _on_signals(_interrupted)
    sys.unraisablehook = _interrupt_again
    return closed


def _write_all(stream: TextIO) -> None:
    """What the console's encoding lacks is written as an escape and not refused."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None and stream.errors == "strict":
        reconfigure(errors="backslashreplace")


def _on_signals(handler: "Callable[[int, FrameType | None], None] | signal.Handlers") -> None:
    import signal

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number: int | None = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # as nohup and "&" leave them
            signal.signal(number, handler)


def ending() -> None:
    """From now on no signal interrupts: the result is out, and what is left to do is to leave nothing behind."""
    import signal

    _on_signals(signal.SIG_IGN)


def _interrupted(number: int, _frame: "FrameType | None") -> None:
    """End as with Ctrl-C: temporary files are removed and other processes ended on the way."""
    raise KeyboardInterrupt(number)


def _interrupt_again(swallowed: "sys.UnraisableHookArgs") -> None:
    """Send a signal once more where the interpreter had to swallow what it raised: in a weak reference's callback, for one.

    A moment later and from another thread, since within that callback it would be swallowed again.
    """
    if not isinstance(swallowed.exc_value, KeyboardInterrupt):
        sys.__unraisablehook__(swallowed)
        return
    import _thread  # built in: importing it takes no lock that an interrupted import may hold
    import signal

    number = next(iter(swallowed.exc_value.args), signal.SIGINT)
    _thread.start_new_thread(_send_soon, (number, _thread.get_ident()))


def _send_soon(number: int, thread: int) -> None:
    import _thread
    import signal
    import time

    time.sleep(0.01)
    if sys.platform == "win32":
        _thread.interrupt_main(number)
    else:
        signal.pthread_kill(thread, number)  # ends a wait of that thread, too


def _bound_width() -> None:
    """A width of nothing prints nothing, one of a billion never ends."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and len(given) < 20:  # digits that are a number
        if int(given) == 0:
            del os.environ["COLUMNS"]
        elif int(given) > _WIDEST:
            os.environ["COLUMNS"] = str(_WIDEST)
    elif given:
        del os.environ["COLUMNS"]


def check(options: argparse.Namespace, closed: frozenset[int]) -> None:
    """Refuse what would lose the result or the input."""
    from scep_analyzer.model.anomalies import AnalyzerError

    output = getattr(options, "output", None)
    if output == "-" and options.command == "report":
        output = None
    if 1 in closed and output is None and getattr(options, "write", None) is None:
        raise AnalyzerError("standard output is closed: give a file with -o, or leave standard output open")
    if output is None:
        return
    for name in ("capture", "input", "key", "keylog", "key_password_file"):
        given = getattr(options, name, None)
        for path in given if isinstance(given, list) else [given] if isinstance(given, str) else []:
            if _is_same(path, output):
                raise AnalyzerError(f"{output}: the output is the input {path}; give another name with -o")


def _is_same(one: str, other: str) -> bool:
    try:
        return os.path.isfile(one) and os.path.samefile(one, other)  # noqa: PTH113, PTH121  # any name, also an impossible one
    except (OSError, ValueError):
        return False


def reader_is_gone(error: BaseException) -> bool:
    """Whether writing failed because nobody reads. Windows says "invalid argument" of such a pipe, and names no file."""
    if isinstance(error, BrokenPipeError):
        return True
    return os.name == "nt" and isinstance(error, OSError) and error.errno == errno.EINVAL and error.filename is None


def forget_output(stream: TextIO | None = None) -> None:
    """Let what is still to be written go nowhere: the interpreter flushes at its end, and would fail once more."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, (stream or sys.stdout).fileno())
        os.close(nowhere)
    except (OSError, ValueError, AttributeError):
        pass
