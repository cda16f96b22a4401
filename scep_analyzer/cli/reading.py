"""What the commands that read a capture share."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from scep_analyzer.analysis import Analysis
from scep_analyzer.capture.files import STANDARD_INPUT
from scep_analyzer.cli.options import keys_of, secrets_of
from scep_analyzer.cli.progress import progress
from scep_analyzer.model.anomalies import AnalyzerError, InputError
from scep_analyzer.model.scep import Kept
from scep_analyzer.report import Report


def report_of(
    paths: Sequence[str], options: argparse.Namespace, *, keep: Callable[[bytes], Kept] | None = None
) -> Report:
    """Read a capture (one file, or several as one) to its end, with progress on a terminal. ``keep`` puts the messages' bytes aside."""
    with progress(paths) as on_bytes:
        return Analysis(
            list(paths),
            options.engine,
            on_bytes,
            keys_of(options),
            keep=keep,
            secrets=secrets_of(options),
        ).report()


def one_report(path: str, options: argparse.Namespace) -> Report:
    """Read a capture that is one file and will be read again to its end, with progress on a terminal."""
    if path == STANDARD_INPUT:
        raise AnalyzerError("the capture is read twice; save standard input to a file and give that")
    if Path(path).is_dir():
        raise InputError(f"{path}: a directory; give one capture file")
    return report_of([path], options)
