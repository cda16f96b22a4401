"""What the commands that read a capture share."""

import argparse
from collections.abc import Sequence

from scep_analyzer.analysis import Analysis
from scep_analyzer.cli.options import keys_of, secrets_of
from scep_analyzer.cli.progress import progress
from scep_analyzer.report import Report


def report_of(paths: Sequence[str], options: argparse.Namespace, *, keep: bool = False) -> Report:
    """Read a capture (one file, or several as one) to its end, with progress on a terminal. ``keep``: the messages' bytes, too."""
    with progress(paths) as on_bytes:
        return Analysis(
            list(paths), options.engine, on_bytes, keys_of(options), keep=keep, secrets=secrets_of(options)
        ).report()
