"""What the commands that read a capture share."""

import argparse
from pathlib import Path

from scep_analyzer.analysis import Analysis
from scep_analyzer.capture.files import STANDARD_INPUT
from scep_analyzer.cli.options import keys_of, secrets_of
from scep_analyzer.cli.output import clear_progress, progress
from scep_analyzer.engines import CHOICES
from scep_analyzer.model.anomalies import AnalyzerError, InputError
from scep_analyzer.report import Report


def add_engine_argument(parser: argparse.ArgumentParser) -> None:
    """Declare --engine."""
    parser.add_argument("--engine", choices=CHOICES, default="auto", help="what reads the capture (default: auto)")


def kept_report(paths: list[str], options: argparse.Namespace) -> Report:
    """Read a capture to its end, the messages' bytes kept, with progress on a terminal."""
    try:
        return Analysis(
            paths, options.engine, progress(), keys_of(options), keep=True, secrets=secrets_of(options)
        ).report()
    finally:
        clear_progress()


def one_report(path: str, options: argparse.Namespace) -> Report:
    """Read a capture that is one file and will be read again to its end, with progress on a terminal."""
    if path == STANDARD_INPUT:
        raise AnalyzerError("the capture is read twice; save standard input to a file and give that")
    if Path(path).is_dir():
        raise InputError(f"{path}: a directory; give one capture file")
    try:
        return Analysis([path], options.engine, progress(), keys_of(options), secrets=secrets_of(options)).report()
    finally:
        clear_progress()
