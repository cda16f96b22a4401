"""``timeline``: the annotated story of a capture."""

import argparse
import io
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from scep_analyzer.analysis import Analysis, Judged
from scep_analyzer.capture.files import STANDARD_INPUT
from scep_analyzer.cli.options import (
    add_key_arguments,
    add_severity_argument,
    add_style_arguments,
    keys_of,
    least_of,
    secrets_of,
    style_of,
)
from scep_analyzer.cli.output import add_output_arguments, clear_progress, console_for, opened, progress
from scep_analyzer.cli.reading import add_engine_argument
from scep_analyzer.model.anomalies import AnalyzerError, Anomaly
from scep_analyzer.model.findings import Finding, Severity
from scep_analyzer.model.limits import AT_ONCE
from scep_analyzer.model.scep import ScepExchange
from scep_analyzer.render import FORMATS
from scep_analyzer.report import AnomalyList, ExchangeKey, Report, key_of

if TYPE_CHECKING:
    from rich.console import Console

    from scep_analyzer.render.steps import Style


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "capture",
        nargs="+",
        metavar="CAPTURE",
        help="pcap or pcapng, also gzipped; several, or a directory, are read as one; - is stdin",
    )
    parser.add_argument("-f", "--format", choices=FORMATS, default="text", help="what to print (default: text)")
    add_output_arguments(parser)
    add_engine_argument(parser)
    add_key_arguments(parser)
    add_severity_argument(parser)
    add_style_arguments(parser)
    parser.add_argument(
        "--jobs",
        type=positive,
        metavar="N",
        help="read each file as a capture of its own, N at a time; one that cannot be read does not stop the others",
    )


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

    with opened(options.output, force=options.force, as_is=options.format == "jsonl") as stream:
        return each_file(options, stream, _rendered)


def _rendered(options: argparse.Namespace) -> str:
    """The output for one file, in a process of its own."""
    stream = io.StringIO()
    analysis = Analysis(options.capture, options.engine, None, keys_of(options), secrets=secrets_of(options))
    if options.format == "jsonl":
        _lines(options, analysis, stream)
    else:
        _text(analysis.report(), stream, options)
    return stream.getvalue()


def _one(options: argparse.Namespace) -> int:
    if options.capture == [STANDARD_INPUT] and options.format == "text":
        return _as_it_comes(options)
    analysis = Analysis(options.capture, options.engine, progress(), keys_of(options), secrets=secrets_of(options))
    try:
        if options.format == "jsonl":
            with opened(options.output, force=options.force, as_is=True) as stream:
                _lines(options, analysis, stream)
            return 0
        report = analysis.report()
    finally:
        clear_progress()
    with opened(options.output, force=options.force, as_is=options.format == "json") as stream:
        if options.format == "json":
            from scep_analyzer.render import json_v1

            stream.write(json_v1.render(report, secrets=options.show_secrets, least=least_of(options)))
        else:
            _text(report, stream, options)
    return 0


def _lines(options: argparse.Namespace, analysis: Analysis, stream: TextIO) -> None:
    at_once = STANDARD_INPUT in options.capture
    write_lines(analysis, stream, secrets=options.show_secrets, least=least_of(options), at_once=at_once)


def _as_it_comes(options: argparse.Namespace) -> int:
    """Standard input may be a capture that is still going on: tell it while it comes."""
    analysis = Analysis(
        options.capture, options.engine, None, keys_of(options), secrets=secrets_of(options), limits=AT_ONCE
    )
    with opened(options.output, force=options.force) as stream:
        tell(analysis, console_for(stream, options.color), style_of(options))
    return 0


def tell(
    analysis: Analysis, console: "Console", style: "Style", on_item: Callable[[object], None] | None = None
) -> None:
    """Print the text as it comes. ``on_item`` is told of every value."""
    from scep_analyzer.render.live import LiveTimeline

    told = LiveTimeline(console, style)
    for item in analysis.stream():
        if isinstance(item, ScepExchange):
            told.exchange(item)
        elif isinstance(item, Judged):
            told.transaction(*item)
        elif isinstance(item, Finding):
            told.finding(item)
        else:
            told.anomaly(item)
        console.file.flush()
        if on_item is not None:
            on_item(item)
    told.finish(analysis.engine.facts, analysis.unchecked)


def _text(report: Report, stream: TextIO, options: argparse.Namespace) -> None:
    from scep_analyzer.render import terminal

    nothing = not report.exchanges and not report.transactions  # then the notes are all there is to tell
    style = style_of(options, Severity.INFO if nothing else Severity.WARNING)
    terminal.render(report, console_for(stream, options.color), style)


def write_lines(
    analysis: Analysis,
    stream: TextIO,
    *,
    secrets: bool,
    least: Severity,
    at_once: bool,
    on_item: Callable[[object], None] | None = None,
) -> None:
    """JSON Lines: an exchange when it ends, its transaction and findings when it can no longer grow, the rest at the end.

    ``at_once`` hands every value on as it comes, where the capture may still grow. ``on_item`` is told of every value.
    """
    from scep_analyzer.render import json_v1

    numbers: dict[ExchangeKey, int] = {}
    exchanges = transactions = 0
    outcomes: Counter[str] = Counter()
    severities: Counter[Severity] = Counter()
    anomalies = AnomalyList()

    def write(finding: Finding) -> None:
        severities[finding.severity] += 1
        if finding.severity.rank <= least.rank:
            stream.write(json_v1.line("finding", json_v1.finding_of(finding)))

    for item in analysis.stream():
        if isinstance(item, Anomaly):
            anomalies.add(item)
            continue
        digits = max((each.time_digits for each in analysis.engine.facts), default=6)
        if isinstance(item, ScepExchange):
            exchanges += 1
            numbers[key_of(item)] = exchanges
            stream.write(json_v1.line("exchange", json_v1.exchange_of(item, exchanges, None, digits, secrets=secrets)))
        elif isinstance(item, Finding):
            write(item)
        else:
            transactions += 1
            transaction, findings = item
            outcomes[transaction.outcome.value] += 1
            ids = [numbers.pop(key_of(each)) for each in transaction.exchanges]
            root = next((each.number for each in findings if each.root_cause), None)
            told = json_v1.transaction_of(transaction, transactions, ids, digits, root)
            stream.write(json_v1.line("transaction", told))
            for each in findings:
                write(each)
        if at_once:
            stream.flush()
        if on_item is not None:
            on_item(item)
    for facts in analysis.engine.facts:
        stream.write(json_v1.line("capture", json_v1.capture_of(facts)))
    summary = json_v1.summary_of(exchanges, transactions, dict(outcomes), severities)
    summary["schema"] = json_v1.SCHEMA
    summary["generator"] = json_v1.generator_of(analysis.engine.name)
    summary["anomalies"] = [json_v1.anomaly_of(each) for each in anomalies.listed()]
    summary["not_checked"] = list(map(json_v1.unchecked_of, analysis.unchecked))
    stream.write(json_v1.line("summary", summary))
