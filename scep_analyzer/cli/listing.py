"""``list``: one line per enrollment, equal causes grouped above; as a table for other programs, too."""

import argparse

from scep_analyzer.cli.filters import add_filter_arguments, expected, told
from scep_analyzer.cli.options import add_common_arguments
from scep_analyzer.cli.output import look_of, output_of
from scep_analyzer.cli.reading import report_of
from scep_analyzer.model.findings import Severity
from scep_analyzer.render import renderer

FORMATS = ("text", "csv", "json", "jsonl", "markdown")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "capture", nargs="+", metavar="CAPTURE", help="a capture; several, or a directory, are read as one; - is stdin"
    )
    parser.add_argument(
        "-f",
        "--format",
        choices=FORMATS,
        default="text",
        help="what to print: a row for each enrollment (default: text)",
    )
    add_filter_arguments(parser)
    add_common_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Read the capture and print the list."""
    story, _ = told(options, report_of(options.capture, options))
    with output_of(options, as_is=options.format != "text") as stream:
        renderer("list", options.format).whole(story, stream, look_of(options, stream, Severity.WARNING))
    return expected(options, story)
