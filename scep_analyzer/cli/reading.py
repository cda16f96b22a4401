"""What the commands that read a capture share."""

import argparse

from scep_analyzer.analysis import Analysis
from scep_analyzer.cli.options import keys_of, secrets_of
from scep_analyzer.cli.output import clear_progress, progress
from scep_analyzer.engines import CHOICES
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
    """Read one capture to its end, with progress on a terminal."""
    try:
        return Analysis([path], options.engine, progress(), keys_of(options), secrets=secrets_of(options)).report()
    finally:
        clear_progress()
