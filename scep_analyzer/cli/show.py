"""``show``: exchanges in full depth; without a number, the list of them."""

import argparse
from typing import TYPE_CHECKING, TextIO

from scep_analyzer.cli.options import add_common_arguments
from scep_analyzer.cli.output import look_of, output_of, paper_for
from scep_analyzer.cli.reading import report_of
from scep_analyzer.cli.spool import Spool
from scep_analyzer.cms.challenge import masked
from scep_analyzer.cms.extensions import extensions_of
from scep_analyzer.cms.tree import read_tree
from scep_analyzer.model.anomalies import AnalyzerError
from scep_analyzer.model.scep import ScepExchange
from scep_analyzer.render.safe import json_text
from scep_analyzer.report import Report
from scep_analyzer.scep.codes import ATTRIBUTE_NAMES
from scep_analyzer.story.exchange_list import frames_of, ranges, rows

if TYPE_CHECKING:
    from scep_analyzer.render.paper import Paper


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("capture", metavar="CAPTURE", help="the capture, or - for standard input")
    parser.add_argument(
        "exchange",
        nargs="?",
        type=_which,
        metavar="EXCHANGE",
        help="the exchange's number in the timeline, or '#3' for all exchanges of transaction 3; none lists the exchanges",
    )
    parser.add_argument("--frame", type=_frame, metavar="N", help="the exchange that frame N belongs to")
    add_detail_arguments(parser)
    add_common_arguments(parser, idle=("--min-severity", "--all", "--quiet", "--verbose"))


def add_detail_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare --bytes and --format, for the commands that print one message in full."""
    parser.add_argument(
        "--bytes", action="store_true", help="add each message's ASN.1 tree with offsets, and its bytes in hex"
    )
    parser.add_argument(
        "-f", "--format", choices=("text", "json"), default="text", help="what to print (default: text)"
    )


def _which(text: str) -> str:
    if not _is_number(text.removeprefix("#"), 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not an exchange; give its number, or '#3' for transaction 3")
    return text


def _frame(text: str) -> int:
    if not _is_number(text, 1):
        raise argparse.ArgumentTypeError(f"{text!r} is not a frame number; give Wireshark's frame.number, 1 or more")
    return int(text)


def _is_number(text: str, least: int) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 12 and int(text) >= least


def run(options: argparse.Namespace) -> int:
    """Read the capture and print exchanges, or their list."""
    if options.frame is not None and options.exchange is not None:
        raise AnalyzerError("--frame is not allowed with an exchange: give one of both")
    with Spool() as spool:
        report = report_of([options.capture], options, keep=spool.keep if options.bytes else None)
        _print(report, _wanted(report, options), options)
    return 0


def _print(report: Report, numbers: list[int] | None, options: argparse.Namespace) -> None:
    with output_of(options, as_is=options.format == "json") as stream:
        if options.format == "json":
            _json(report, numbers, stream, options)
            return
        if numbers is None:
            _list(report, stream, options)
        else:
            _text(report, numbers, stream, options)


def _wanted(report: Report, options: argparse.Namespace) -> list[int] | None:
    """The numbers of the exchanges that are meant; None for the list of all."""
    if options.frame is not None:
        return _of_frame(report, options.frame)
    if options.exchange is None:
        return None
    number = int(options.exchange.removeprefix("#"))
    if options.exchange.startswith("#"):
        if not 1 <= number <= len(report.members):
            raise AnalyzerError(f"no transaction {number}; {_there(len(report.members), '#')}")
        if not report.members[number - 1]:
            raise AnalyzerError(
                f"transaction {number} has no exchange, no connection came about; `scep-analyzer timeline` tells it"
            )
        return list(report.members[number - 1])
    if not 1 <= number <= len(report.exchanges):
        raise AnalyzerError(f"no exchange {number}; {_there(len(report.exchanges), '')}")
    return [number]


def _there(count: int, mark: str) -> str:
    if not count:
        return "there is no SCEP in this capture"
    some = f"give a number from {mark}1 to {mark}{count}" if count > 1 else f"there is only {mark}1"
    return f"{some} (`scep-analyzer show CAPTURE` lists the exchanges)"


def _of_frame(report: Report, frame: int) -> list[int]:
    frames = {number: frames_of(each) for number, each in enumerate(report.exchanges, 1)}
    found = [number for number, theirs in frames.items() if frame in theirs]
    if found:
        return found
    if not frames:
        raise AnalyzerError(f"no exchange has frame {frame}; {_there(0, '')}")
    if frame > report.packets:
        raise AnalyzerError(f"no frame {frame}; the capture has {report.packets:,} packets")
    near = min(frames, key=lambda number: min((abs(each - frame) for each in frames[number]), default=frame))
    raise AnalyzerError(
        f"frame {frame} carries no byte of a SCEP message; the nearest is exchange {near} (frames {ranges(frames[near])})"
    )


def _json(report: Report, numbers: list[int] | None, stream: TextIO, options: argparse.Namespace) -> None:
    """One exchange as an object where one was asked for by its number, else an array of them."""
    from scep_analyzer.render import json_v1

    shown = [
        json_v1.exchange_of(
            report.exchanges[number - 1],
            number,
            report.transaction_of.get(number),
            report.files,
            secrets=options.show_secrets,
        )
        for number in (numbers if numbers is not None else range(1, len(report.exchanges) + 1))
    ]
    single = options.exchange is not None and not options.exchange.startswith("#")
    stream.write(json_text(shown[0] if single else shown, indent=2) + "\n")


def _list(report: Report, stream: TextIO, options: argparse.Namespace) -> None:
    from scep_analyzer.render import exchange_list
    from scep_analyzer.render.paper import Paper

    look = look_of(options, stream)
    paper = Paper.of(look, stream)
    if not report.exchanges:
        paper.line("There is no SCEP in this capture; `scep-analyzer timeline` tells what was read.")
        return
    exchange_list.draw(list(rows(report)), paper, look)
    if stream.isatty():
        paper.blank()
        paper.line("One of them in full: `scep-analyzer show CAPTURE NUMBER`, or `--frame N`.")


def _text(report: Report, numbers: list[int], stream: TextIO, options: argparse.Namespace) -> None:
    from scep_analyzer.render import tree
    from scep_analyzer.story import detail

    paper, secrets, known = paper_for(options, stream), options.show_secrets, detail.certificates_in(report.exchanges)
    for at, number in enumerate(numbers):
        if at:
            paper.blank()
        exchange = report.exchanges[number - 1]
        digits = report.files.digits(report.files.index(exchange.http.frame))
        lines = detail.exchange_lines(exchange, number, digits, extensions_of, secrets=secrets, known=known)
        tree.draw(lines, paper)
        if options.bytes:
            for name, encoded in _messages(exchange):
                draw_bytes(name, encoded, paper, secrets=secrets)


def _messages(exchange: ScepExchange) -> list[tuple[str, bytes]]:
    both = (("request", exchange.raw_request), ("response", exchange.raw_response))
    return [(name, kept()) for name, kept in both if kept is not None]


def draw_bytes(name: str, encoded: bytes, paper: "Paper", *, secrets: bool) -> None:
    """Draw a message's ASN.1 tree, and its bytes in hex unless they hold a secret."""
    from scep_analyzer.render import tree
    from scep_analyzer.story.detail import node_lines

    lines = node_lines(read_tree(encoded, ATTRIBUTE_NAMES, secrets=secrets), 1)
    withheld = not secrets and bool(masked(encoded).spans)
    tree.draw_bytes(name, encoded, lines, paper, withheld=withheld)
