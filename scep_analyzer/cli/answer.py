"""``scep-analyzer CAPTURE``: the answer first. What is in the capture, is anything wrong, why, and what to do."""

import argparse

from scep_analyzer.cli.options import add_common_arguments
from scep_analyzer.cli.output import look_of, output_of
from scep_analyzer.cli.reading import report_of
from scep_analyzer.model.findings import Severity
from scep_analyzer.render import renderer
from scep_analyzer.story.narrator import story_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("capture", nargs="+", metavar="CAPTURE", help="a capture")
    add_common_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Read the capture and print the first screen."""
    report = report_of(options.capture, options)
    with output_of(options) as stream:
        story = story_of(report, secrets=options.show_secrets)
        renderer("answer", "text").whole(story, stream, look_of(options, stream, Severity.WARNING))
    return 0
