"""``timeline``: the annotated story of a capture."""

import argparse
import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, TextIO

from scep_analyzer.analysis import Analysis
from scep_analyzer.capture.files import STANDARD_INPUT
from scep_analyzer.cli.filters import NotAsExpectedError, add_filter_arguments, chooses, expected, told
from scep_analyzer.cli.options import add_common_arguments, keys_of
from scep_analyzer.cli.output import least_of, look_of, output_of
from scep_analyzer.cli.progress import progress
from scep_analyzer.cli.reading import analysis_of, report_of
from scep_analyzer.model.anomalies import AnalyzerError
from scep_analyzer.model.findings import Severity
from scep_analyzer.model.limits import AT_ONCE
from scep_analyzer.render import renderer

if TYPE_CHECKING:
    from scep_analyzer.events import Event
    from scep_analyzer.report import Files, Report

FORMATS = ("text", "json", "jsonl", "markdown", "mermaid")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "capture",
        nargs="+",
        metavar="CAPTURE",
        help="pcap or pcapng, also gzipped; several, or a directory, are read as one; - is stdin",
    )
    parser.add_argument("-f", "--format", choices=FORMATS, default="text", help="what to print (default: text)")
    parser.add_argument("--ladder", action="store_true", help="the picture of each transaction instead of its steps")
    add_filter_arguments(parser)
    add_common_arguments(parser)
    parser.add_argument(
        "--jobs",
        type=positive,
        metavar="N",
        help="read each file as a capture of its own, N at a time; one that cannot be read does not stop the others",
    )
    parser.set_defaults(first=0)


def positive(text: str) -> int:
    """A number of 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number that fits; give 1 or more")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Read the capture, or each of several, and print."""
    if options.jobs is None:
        return _one(options)
    if options.format == "json":
        raise AnalyzerError("--jobs gives a report for each file, and JSON is one document: use -f jsonl or text")
    from scep_analyzer.cli.jobs import each_file

    keys_of(options)  # what is wrong with keys is said once, and passwords are asked for once, here
    with output_of(options, as_is=options.format == "jsonl", at_once=True) as stream:
        return each_file(options, stream, _rendered)


def _rendered(options: argparse.Namespace) -> tuple[str, str | None, int]:
    """As jobs.Rendered, in a process of its own; ``options.first`` is the file's place among the files."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding=options.encoding or "utf-8", newline="\n")
    analysis = analysis_of(options.capture, options)
    code, unmet = 0, None
    if options.format == "jsonl" and not chooses(options):
        _lines(options, analysis, stream)
    else:
        try:
            code = _whole(analysis.report(), stream, options)
        except NotAsExpectedError as error:
            code, unmet = error.exit_code, f"{options.capture[0]}: {error}"
    stream.seek(0)
    return stream.read(), unmet, code


def _one(options: argparse.Namespace) -> int:
    streamed = not chooses(options)
    if streamed and options.capture == [STANDARD_INPUT] and options.format == "text" and not options.ladder:
        return _as_it_comes(options)
    if streamed and options.format == "jsonl":
        with progress(options.capture) as on_bytes:
            analysis = analysis_of(options.capture, options, on_bytes)
            with output_of(options, as_is=True, at_once=True) as stream:
                _lines(options, analysis, stream)
        return 0
    report = report_of(options.capture, options)
    with output_of(options, as_is=options.format != "text") as stream:
        return _whole(report, stream, options)


def _whole(report: "Report", stream: TextIO, options: argparse.Namespace) -> int:
    """Write what the options choose of a report; gives the exit code."""
    if options.format == "json" and not chooses(options):
        story, only = None, None
    else:
        story, only = told(options, report)
    if options.format == "json":
        from scep_analyzer.render import json_v1

        least = least_of(options, Severity.INFO)
        stream.writelines(json_v1.pieces(report, secrets=options.show_secrets, least=least, only=only))
    elif options.format == "jsonl":
        from scep_analyzer.report import Files

        files = Files(report.captures, options.first)
        write_lines(options, report.again(only), files, stream, at_once=False)
    elif story is not None:
        look = look_of(options, stream, Severity.WARNING)._replace(ladder=options.ladder)
        renderer("timeline", options.format).whole(story, stream, look)
    return expected(options, story) if story is not None else 0


def _lines(options: argparse.Namespace, analysis: Analysis, stream: TextIO) -> None:
    from scep_analyzer.report import Files  # imported while another process reads, where the capture is large

    at_once = STANDARD_INPUT in options.capture
    write_lines(options, analysis.events(), Files(analysis.engine.facts, options.first), stream, at_once=at_once)


def _as_it_comes(options: argparse.Namespace) -> int:
    """Standard input may be a capture that is still going on: tell it while it comes."""
    analysis = analysis_of(options.capture, options, limits=AT_ONCE)
    with output_of(options, at_once=True) as stream:
        tell(options, analysis.events(), stream)
    return 0


def tell(options: argparse.Namespace, events: "Iterable[Event]", stream: TextIO) -> None:
    """Print the text of a run as it comes."""
    from scep_analyzer.render.timeline import RENDERER
    from scep_analyzer.story.narrator import Narrator

    look = look_of(options, stream, Severity.WARNING)
    for piece in Narrator(secrets=options.show_secrets).pieces(events):
        RENDERER.piece(piece, stream, look)
        stream.flush()


def write_lines(
    options: argparse.Namespace, events: "Iterable[Event]", files: "Files", stream: TextIO, *, at_once: bool
) -> None:
    """Write a run as JSON Lines; ``at_once`` hands every value on as it comes, where the capture may still grow."""
    from scep_analyzer.render import jsonl

    least = least_of(options, Severity.INFO)
    jsonl.write(events, files, stream, secrets=options.show_secrets, least=least, at_once=at_once)
