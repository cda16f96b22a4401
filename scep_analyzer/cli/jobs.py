"""Several captures at a time: a process each, results in the order of the files."""

import argparse
import copy
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import TextIO

from scep_analyzer.capture.files import STANDARD_INPUT, expand
from scep_analyzer.model.anomalies import AnalyzerError
from scep_analyzer.render.safe import safe

Rendered = Callable[[argparse.Namespace], tuple[str, int]]


def each_file(options: argparse.Namespace, stream: TextIO, rendered: Rendered) -> int:
    """Write what ``rendered`` gives for each file; one that cannot be read gives a line on stderr, and decides the exit code."""
    if STANDARD_INPUT in options.capture:
        raise AnalyzerError("--jobs reads files, not standard input: give the files, or leave --jobs out")
    if options.color == "auto" and stream.isatty():
        options.color = "always"  # the processes cannot see the terminal
    options.encoding = stream.encoding
    paths = expand(options.capture)
    code = 0
    with ProcessPoolExecutor(max_workers=min(options.jobs, len(paths))) as pool:
        for text, error, exit_code in pool.map(
            _guarded, [rendered] * len(paths), [_with(options, path, at) for at, path in enumerate(paths)]
        ):
            stream.write(text)
            stream.flush()
            code = max(code, exit_code)
            if error is not None:
                print(f"scep-analyzer: {safe(error)}", file=sys.stderr)  # noqa: T201  # as the contract's one line
    return code


def _with(options: argparse.Namespace, path: str, at: int) -> argparse.Namespace:
    one = copy.copy(options)
    one.capture, one.first = [path], at
    return one


def _guarded(rendered: Rendered, options: argparse.Namespace) -> tuple[str, str | None, int]:
    try:
        text, code = rendered(options)
        return text, None, code
    except AnalyzerError as error:
        return "", str(error), error.exit_code
