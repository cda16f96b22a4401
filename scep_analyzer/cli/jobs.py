"""Several captures at a time: a process each, results in the order of the files."""

import argparse
import copy
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import TextIO

from scep_analyzer.capture.files import STANDARD_INPUT, expand
from scep_analyzer.engines.apart import serve_another, signals_wait
from scep_analyzer.engines.recordings import only_readable
from scep_analyzer.model.anomalies import AnalyzerError
from scep_analyzer.model.words import count
from scep_analyzer.render.safe import safe

Rendered = Callable[[argparse.Namespace], tuple[str, str | None, int]]
"""Gives the output for one file, a line for stderr, and the exit code."""


def each_file(options: argparse.Namespace, stream: TextIO, rendered: Rendered) -> int:
    """Write what ``rendered`` gives for each file; one that cannot be read gives a line on stderr, and decides the exit code."""
    if STANDARD_INPUT in options.capture:
        raise AnalyzerError("--jobs reads files, not standard input: give the files, or leave --jobs out")
    if options.color == "auto" and stream.isatty():
        options.color = "always"  # the processes cannot see the terminal
    options.encoding = stream.encoding
    every = expand(options.capture)
    paths = only_readable(every, options.capture)
    if len(paths) < len(every):
        others = count(len(every) - len(paths), "file")
        told = f"{others} of the directory passed over: neither a capture nor a log of requests"
        print(f"scep-analyzer: {told}", file=sys.stderr)  # noqa: T201  # as the contract's one line
    code = 0
    pool = ProcessPoolExecutor(max_workers=min(options.jobs, len(paths)), initializer=_prepared)
    try:
        with signals_wait():
            results = pool.map(
                _guarded, [rendered] * len(paths), [_with(options, path, at) for at, path in enumerate(paths)]
            )
        for text, error, exit_code in results:
            stream.write(text)
            stream.flush()
            code = max(code, exit_code)
            if error is not None:
                print(f"scep-analyzer: {safe(error)}", file=sys.stderr)  # noqa: T201  # as the contract's one line
    except BrokenProcessPool as error:
        raise AnalyzerError(
            "a process that read a capture was ended from outside, as where memory runs out: use fewer --jobs"
        ) from error
    except BaseException:  # Ctrl-C, a closed pipe: what is being read is of no use any more
        for child in multiprocessing.active_children():
            child.terminate()
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return code


def _prepared() -> None:
    """In each process: the other one decides what Ctrl-C means, and when it has gone, however it went, this one goes too."""
    serve_another()
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def _with(options: argparse.Namespace, path: str, at: int) -> argparse.Namespace:
    one = copy.copy(options)
    one.capture, one.first = [path], at
    return one


def _guarded(rendered: Rendered, options: argparse.Namespace) -> tuple[str, str | None, int]:
    try:
        return rendered(options)
    except AnalyzerError as error:
        return "", str(error), error.exit_code
    except MemoryError:
        return "", f"{options.capture[0]}: there is not enough memory; use fewer --jobs", 2
