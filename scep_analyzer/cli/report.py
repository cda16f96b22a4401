"""``report``: one self-contained HTML page, for the ticket, the wall and the class."""

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from scep_analyzer.cli.filters import add_filter_arguments, expected, told
from scep_analyzer.cli.options import Target, add_common_arguments
from scep_analyzer.cli.output import look_of, opened
from scep_analyzer.cli.reading import report_of
from scep_analyzer.model.anomalies import AnalyzerError
from scep_analyzer.model.findings import Severity
from scep_analyzer.model.words import count

if TYPE_CHECKING:
    from scep_analyzer.render.page import Depth
    from scep_analyzer.report import Report
    from scep_analyzer.story.detail import Line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "capture", nargs="+", metavar="CAPTURE", help="a capture; several, or a directory, are read as one; - is stdin"
    )
    add_filter_arguments(parser)
    add_common_arguments(
        parser,
        Target(help="the page to write, FILE.html; - is standard output", required=True),
        idle=("--quiet", "--verbose", "--width", "--color", "--no-pager"),
    )


def run(options: argparse.Namespace) -> int:
    """Read the capture, write the page."""
    _refuse_captures(options)
    report = report_of(options.capture, options)
    from scep_analyzer.render.page import Page  # only now: a large capture is being read before this is imported

    story, _ = told(options, report)
    page = Page(depth_of(report, secrets=options.show_secrets))
    path = None if options.output == "-" else options.output
    with opened(path, force=options.force, as_is=True) as stream:
        page.whole(story, stream, look_of(options, stream, Severity.INFO))
    if path is not None:
        _tell(path, len(story.chapters))
    return expected(options, story)


def depth_of(report: "Report", *, secrets: bool) -> "Depth":
    """The fields of an exchange, by its number."""
    from scep_analyzer.cms.extensions import extensions_of
    from scep_analyzer.story.detail import certificates_in, exchange_lines

    known = certificates_in(report.exchanges)

    def depth(number: int) -> "Iterator[Line]":
        exchange = report.exchanges[number - 1]
        digits = report.files.digits(report.files.index(exchange.http.frame))
        return exchange_lines(exchange, number, digits, extensions_of, secrets=secrets, known=known)

    return depth


def _refuse_captures(options: argparse.Namespace) -> None:
    """A page over a capture, which ``--force`` would allow, destroys what it is about."""
    from pathlib import Path

    for each in options.capture:
        try:
            same = Path(options.output).samefile(each)
        except (OSError, ValueError):  # one of them does not exist
            same = False
        if same:
            raise AnalyzerError(f"{options.output}: is the capture itself; give another name with -o")


def _tell(path: str, chapters: int) -> None:
    """What was written, and how to open it."""
    from pathlib import Path

    from scep_analyzer.render.safe import safe

    size = Path(path).stat().st_size
    amount = f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} KB"
    many = count(chapters, "transaction")
    print(safe(f"{path}: {many}, {amount}; open it in a browser: {Path(path).resolve().as_uri()}"))  # noqa: T201
