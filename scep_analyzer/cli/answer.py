"""``scep-analyzer CAPTURE``: the answer first. What is in the capture, is anything wrong, why, and what to do."""

import argparse

from scep_analyzer.cli.filters import add_filter_arguments
from scep_analyzer.cli.options import add_common_arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "capture",
        nargs="+",
        metavar="CAPTURE",
        help="pcap or pcapng, also compressed; several, or a directory, are read as one; - is stdin",
    )
    parser.add_argument(
        "-f",
        "--format",
        choices=("text", "json", "jsonl"),
        default="text",
        help="what to print (default: text); json and jsonl are those of `timeline`",
    )
    add_filter_arguments(parser)
    add_common_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Read the capture and print the first screen."""
    from scep_analyzer.cli import timeline

    if options.format != "text":
        options.jobs, options.first, options.ladder = None, 0, False
        return timeline.run(options)
    from scep_analyzer.cli.filters import expected, told
    from scep_analyzer.cli.output import look_of, output_of
    from scep_analyzer.cli.reading import report_of
    from scep_analyzer.model.findings import Severity
    from scep_analyzer.render import renderer

    story, _ = told(options, report_of(options.capture, options))
    with output_of(options) as stream:
        renderer("answer", "text").whole(story, stream, look_of(options, stream, Severity.WARNING))
    return expected(options, story)
