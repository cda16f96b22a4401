"""The program: ``python -m scep_analyzer``, and the console script."""

import os
import signal

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


def run() -> None:
    """Run the program and end the process. A signal while importing ends it with 130 and no traceback: nothing was begun."""
    for name in _SIGNALS:
        number: int | None = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: os._exit(130))
    from scep_analyzer.cli import console

    console()


if __name__ == "__main__":
    run()
