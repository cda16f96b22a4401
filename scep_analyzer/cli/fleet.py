"""``fleet``: many captures into one set of tables, on one machine or on a Dask cluster; reports of the tables; a ring buffer watched."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from scep_analyzer.cli.options import (
    Target,
    add_common_arguments,
    add_output_arguments,
    add_page_arguments,
    keys_of,
)
from scep_analyzer.cli.timeline import positive
from scep_analyzer.model.anomalies import AnalyzerError

if TYPE_CHECKING:
    from scep_analyzer.fleet.reader import Settings

_ACTIONS = {
    "read": "read captures into tables (the default: `fleet SOURCE… -o DIR`)",
    "report": "what the tables say: outcomes by day, causes, slow servers, certificates that run out, reuse, renewals",
    "watch": "follow a folder that a ring buffer fills (dumpcap -b), each file once",
}
_IDLE = (
    "--all",
    "--min-severity",
    "--show-secrets",
    "--force",
    "--utc",
    "--local",
    "--verbose",
    "--width",
    "--color",
    "--no-pager",
)
_SCHEMES = ("tcp://", "tls://", "ws://", "wss://")


def completed(words: list[str]) -> list[str]:
    """The command line with the action that is meant where none is named: ``fleet SOURCE… -o DIR`` reads."""
    after = words[1:]
    return words if not after or after[0] in (*_ACTIONS, "-h", "--help") else [words[0], "read", *after]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    added = {name: actions.add_parser(name, help=text, description=text) for name, text in _ACTIONS.items()}
    reading = added["read"]
    reading.add_argument(
        "source",
        nargs="+",
        metavar="SOURCE",
        help="files, folders (with all that is in them), patterns ('*.pcap'), URLs (s3://, gs://, az://, sftp://, smb://)",
    )
    reading.add_argument(
        "--each", action="store_true", help="each file is a capture, also where several are of one ring buffer"
    )
    reading.add_argument(
        "--scheduler",
        type=_scheduler,
        default="processes",
        metavar="WHERE",
        help="processes (the default), threads (no limits of time and memory), or the address of a Dask scheduler: tcp://HOST:8786",
    )
    reading.add_argument(
        "--jobs", type=positive, metavar="N", help="captures at a time on this machine (default: its cores)"
    )
    add_reading_arguments(reading)
    _add_report_arguments(added["report"])
    _add_watch_arguments(added["watch"])


def _add_watch_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DIR", help="the folder that the ring buffer fills")
    parser.add_argument(
        "--idle",
        type=positive,
        default=60,
        metavar="SECONDS",
        help="a file that is not written to for this time is finished, also without a newer one (default: 60)",
    )
    parser.add_argument(
        "--duration", type=positive, metavar="SECONDS", help="end after this time (default: with Ctrl-C)"
    )
    add_metrics_argument(parser)
    add_reading_arguments(parser)


def add_metrics_argument(parser: argparse.ArgumentParser) -> None:
    """Declare --metrics."""
    parser.add_argument(
        "--metrics",
        type=_address,
        metavar="ADDR:PORT",
        help="serve counters for Prometheus there, for example 127.0.0.1:9321; needs scep-analyzer[fleet]",
    )


def _address(text: str) -> str:
    from scep_analyzer.fleet.metrics import parsed

    try:
        parsed(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no address; give ADDR:PORT, 127.0.0.1:9321") from error
    return text


def _add_report_arguments(parser: argparse.ArgumentParser) -> None:
    from scep_analyzer.fleet.queries import QUERIES

    parser.add_argument("folder", metavar="DIR", help="the folder of the tables")
    asked = parser.add_mutually_exclusive_group()
    asked.add_argument(
        "--only",
        action="append",
        choices=list(QUERIES),
        metavar="NAME",
        help=f"only this table; repeatable: {', '.join(QUERIES)}",
    )
    asked.add_argument(
        "--sql", metavar="SELECT", help="ask the tables yourself, in DuckDB's SQL (docs/tables.md); read only"
    )
    parser.add_argument(
        "-f",
        "--format",
        choices=("text", "html", "csv"),
        default="text",
        help="what to write (default: text); csv: of one table",
    )
    parser.add_argument(
        "--rows", type=positive, default=20, metavar="N", help="rows of each table in text (default: 20)"
    )
    add_output_arguments(parser)
    add_page_arguments(parser)


def add_reading_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare how captures are read."""
    parser.add_argument(
        "--timeout",
        type=positive,
        default=300,
        metavar="SECONDS",
        help="give a capture up after this time, and as much again for each GB (default: 300)",
    )
    parser.add_argument(
        "--memory", type=positive, default=1024, metavar="MB", help="give a capture up that takes more (default: 1024)"
    )
    add_common_arguments(
        parser, Target("DIR", "the folder of the tables; a run that was ended goes on there", required=True), idle=_IDLE
    )


def _scheduler(text: str) -> str:
    if text not in ("processes", "threads") and not text.startswith(_SCHEMES):
        raise argparse.ArgumentTypeError(f"{text!r} is none; give processes, threads or tcp://HOST:PORT")
    return text


def run(options: argparse.Namespace) -> int:
    """Do it."""
    from scep_analyzer.fleet import check_installed

    check_installed()
    return {"read": _read, "report": _report, "watch": _watch}[options.action](options)


def _settings(options: argparse.Namespace) -> "Settings":
    from scep_analyzer.fleet.reader import settings_of

    if options.display_filter:
        raise AnalyzerError("fleet reads whole captures: leave --display-filter out")
    keylog = None
    if options.keylog is not None:
        keylog = str(Path(options.keylog).absolute())
        if not Path(keylog).is_file():
            raise AnalyzerError(f"{options.keylog}: no such file; give the path of a key log")
    return settings_of(keys_of(options), keylog, options.engine, float(options.timeout), options.memory << 20)


def _read(options: argparse.Namespace) -> int:
    import os

    from scep_analyzer.cli.progress import counting
    from scep_analyzer.fleet.run import plan, run
    from scep_analyzer.fleet.sources import find
    from scep_analyzer.fleet.store import Store
    from scep_analyzer.model.words import count

    settings = _settings(options)
    found = find(options.source, each=options.each)
    jobs = options.jobs or os.cpu_count() or 1
    store = Store.created(Path(options.output))
    with store.locked():
        store.settle()
        planned = plan(store, found, jobs)
        with counting(planned.captures, "captures") as tell:
            done = run(store, planned.batches, settings, options.scheduler, jobs, tell)
    failed = [each for each in done if each.reason is not None]
    said = [f"{count(len(done) - len(failed), 'capture')} read into {options.output}"]
    said += [f"{planned.done:,} there before"] if planned.done else []
    said += [f"left out as copies of others: {planned.copies:,}"] if planned.copies else []
    said += [f"{len(failed):,} could not be read"] if failed else []
    _say("; ".join(said))
    for each in failed[: 0 if options.quiet else _MOST_NAMED]:
        _say(f"  {each.files[0].url}: {each.reason}")
    if len(failed) > _MOST_NAMED and not options.quiet:
        _say(f"  and {len(failed) - _MOST_NAMED:,} more: the table captures has all of them (state, reason)")
    return 0


_PAUSE = 1.0
"""Seconds from one look at a watched folder to the next."""


def _watch(options: argparse.Namespace) -> int:
    import time

    from scep_analyzer.fleet.metrics import Metrics
    from scep_analyzer.fleet.run import take_in
    from scep_analyzer.fleet.store import Store
    from scep_analyzer.fleet.supervisor import SupervisedReader
    from scep_analyzer.fleet.watch import rounds
    from scep_analyzer.model.words import count

    settings, folder = _settings(options), Path(options.folder)
    if not folder.is_dir():
        raise AnalyzerError(f"{options.folder}: no such folder; give the one that the ring buffer fills")
    end = None if options.duration is None else time.monotonic() + options.duration
    metrics = Metrics() if options.metrics is not None else None
    if metrics is not None:
        metrics.serve(options.metrics)
    store = Store.created(Path(options.output))
    reader = SupervisedReader(settings)
    with store.locked():
        store.settle()
        done = {file for record in store.records() for each in record.captures for file in each.files}
        try:
            for ready in rounds(
                folder, done.__contains__, options.idle, _PAUSE, lambda: end is not None and time.monotonic() > end
            ):
                for each in ready:
                    record, rows = take_in(store, each.file, each.window, reader)
                    done.add(each.file)
                    if metrics is not None:
                        metrics.take_rows(rows)
                    why = record.captures[0].reason
                    if not options.quiet:
                        said = count(len(rows.get("transactions", ())), "transaction")
                        _say(f"{each.file.url}: {why if why is not None else said}", at_once=True)
        except KeyboardInterrupt:  # the way to end it
            pass
        finally:
            reader.close()
    return 0


def _report(options: argparse.Namespace) -> int:
    from scep_analyzer.cli.output import look_of, output_of
    from scep_analyzer.fleet.answers import answer, answer_to, tables
    from scep_analyzer.fleet.queries import QUERIES
    from scep_analyzer.fleet.store import Store
    from scep_analyzer.render import tabular

    names = options.only or list(QUERIES)
    if options.format == "csv" and options.sql is None and len(names) != 1:
        raise AnalyzerError("csv holds one table: name it with --only NAME, or ask with --sql")
    with tables(Store.existing(Path(options.folder))) as connection:
        if options.sql is not None:
            answers = [answer_to(connection, options.sql)]
        else:
            answers = [answer(connection, each) for each in dict.fromkeys(names)]
        counted = connection.execute(
            "SELECT count(DISTINCT capture_sha256), min(first_time), max(last_time) FROM captures"
        ).fetchone()
    facts = [("Tables", options.folder)]
    if counted is not None:
        facts += [("Captures", f"{counted[0]:,}"), ("Packets", f"from {counted[1]} to {counted[2]} UTC")]
    with output_of(options, as_is=options.format != "text") as stream:
        if options.format == "csv":
            tabular.comma_separated(answers[0], stream)
        elif options.format == "html":
            tabular.page(answers, facts, stream)
        else:
            tabular.text(answers, stream, look_of(options, stream), options.rows)
    return 0


_MOST_NAMED = 10


def _say(text: str, *, at_once: bool = False) -> None:
    from scep_analyzer.render.safe import safe

    print(safe(text), flush=at_once)  # noqa: T201  # the command's result
