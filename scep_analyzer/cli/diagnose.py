"""``diagnose``: findings only, root causes first; the exit code says whether there is one to act on."""

import argparse
from typing import TYPE_CHECKING, TextIO

from scep_analyzer.cli.filters import add_filter_arguments, expected, told
from scep_analyzer.cli.options import add_common_arguments
from scep_analyzer.cli.output import look_of, output_of
from scep_analyzer.cli.reading import report_of
from scep_analyzer.model.anomalies import AnalyzerError
from scep_analyzer.model.findings import Severity
from scep_analyzer.render import renderer

if TYPE_CHECKING:
    from scep_analyzer.report import Report
    from scep_analyzer.story.model import Story

FOUND = 1
FORMATS = ("text", "json", "jsonl", "csv", "markdown")
TICKETS = ("text", "markdown")
_FAIL_ON = {"error": (Severity.ERROR,), "warning": (Severity.ERROR, Severity.WARNING), "never": ()}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "capture", nargs="+", metavar="CAPTURE", help="a capture; several, or a directory, are read as one; - is stdin"
    )
    parser.add_argument("-f", "--format", choices=FORMATS, help="what to print (default: text; of a ticket: markdown)")
    parser.add_argument(
        "--ticket",
        action="store_true",
        help="what the support of a product asks for: products, times, frames, the server's words, what was ruled out",
    )
    parser.add_argument(
        "--fail-on",
        choices=tuple(_FAIL_ON),
        default="error",
        help="exit with 1 where a finding is this bad or worse (default: error)",
    )
    add_filter_arguments(parser)
    add_common_arguments(parser, idle=("--utc", "--local", "--quiet", "--verbose"))


def run(options: argparse.Namespace) -> int:
    """Read the capture and print what is wrong with it."""
    options.format = options.format or ("markdown" if options.ticket else "text")
    if options.ticket and options.format not in TICKETS:
        raise AnalyzerError(f"a ticket is no {options.format}; use -f markdown or -f text")
    report = report_of(options.capture, options)
    story, only = told(options, report)
    with output_of(options, as_is=options.format != "text") as stream:
        _write(report, story, only, stream, options)
    wanted = _FAIL_ON[options.fail_on]
    return expected(options, story, FOUND if any(each.severity in wanted for each in story.remarks) else 0)


def _write(
    report: "Report", story: "Story", only: frozenset[int] | None, stream: TextIO, options: argparse.Namespace
) -> None:
    form = Severity.WARNING if options.format in ("text", "markdown") else Severity.INFO
    look = look_of(options, stream, form)
    if options.ticket:
        from scep_analyzer.render.diagnosis import RENDERER as PAPER
        from scep_analyzer.render.markdown import RENDERER as MARKDOWN
        from scep_analyzer.story.ticket import ticket_lines

        told_lines = ticket_lines(story)
        (MARKDOWN if options.format == "markdown" else PAPER).draw(told_lines, stream, look)
    elif options.format == "json":
        from scep_analyzer.render import json_v1

        stream.writelines(json_v1.pieces(report, secrets=options.show_secrets, least=look.least, only=only))
    elif options.format == "jsonl":
        from scep_analyzer.render import json_v1

        told_of = {each.number for each in story.remarks}
        for each in report.findings:
            if each.number in told_of and each.severity.rank <= look.least.rank:
                stream.write(json_v1.line("finding", json_v1.finding_of(each, report.files)))
    else:
        renderer("diagnose", options.format).whole(story, stream, look)
