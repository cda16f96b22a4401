"""What the commands that read a capture share."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scep_analyzer.analysis import Analysis
from scep_analyzer.capture.files import STANDARD_INPUT, expand
from scep_analyzer.cli.options import keys_of, secrets_of
from scep_analyzer.cli.progress import progress
from scep_analyzer.model.anomalies import AnalyzerError, InputError
from scep_analyzer.model.limits import LIMITS, Limits
from scep_analyzer.model.scep import Kept

if TYPE_CHECKING:
    from scep_analyzer.report import Report


def analysis_of(
    paths: Sequence[str],
    options: argparse.Namespace,
    on_bytes: Callable[[int], None] | None = None,
    *,
    keep: Callable[[bytes], Kept] | None = None,
    limits: Limits = LIMITS,
) -> Analysis:
    """Begin to read a capture (one file, or several as one) as the options say. ``keep`` puts the messages' bytes aside."""
    keys, secrets = keys_of(options), secrets_of(options)
    frames = None
    if options.display_filter:
        from scep_analyzer.engines.display_filter import chosen_frames

        frames = chosen_frames(expand(list(paths)), options.display_filter)
    return Analysis(
        list(paths), options.engine, on_bytes, keys, keep=keep, secrets=secrets, limits=limits, frames=frames
    )


def report_of(
    paths: Sequence[str], options: argparse.Namespace, *, keep: Callable[[bytes], Kept] | None = None
) -> "Report":
    """Read a capture to its end, with progress on a terminal."""
    with progress(paths) as on_bytes:
        return analysis_of(paths, options, on_bytes, keep=keep).report()


def one_report(path: str, options: argparse.Namespace) -> "Report":
    """Read a capture that is one file and will be read again to its end, with progress on a terminal."""
    if path == STANDARD_INPUT:
        raise AnalyzerError("the capture is read twice; save standard input to a file and give that")
    if Path(path).is_dir():
        raise InputError(f"{path}: a directory; give one capture file")
    return report_of([path], options)
