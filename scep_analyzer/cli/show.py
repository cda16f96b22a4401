"""``show``: one exchange in full depth."""

import argparse
from typing import TYPE_CHECKING

from scep_analyzer.cli.options import add_key_arguments
from scep_analyzer.cli.output import add_output_arguments, console_for, opened
from scep_analyzer.cli.reading import add_engine_argument, kept_report
from scep_analyzer.cms.challenge import Masked, masked
from scep_analyzer.cms.extensions import extensions_of
from scep_analyzer.cms.tree import read_tree
from scep_analyzer.model.anomalies import AnalyzerError
from scep_analyzer.model.scep import ScepExchange
from scep_analyzer.render.safe import json_text
from scep_analyzer.report import key_of
from scep_analyzer.scep.codes import ATTRIBUTE_NAMES

if TYPE_CHECKING:
    from rich.console import Console

_MOST_HEX = 65_536


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("capture", metavar="CAPTURE", help="the capture, or - for standard input")
    parser.add_argument("exchange", metavar="EXCHANGE", type=int, help="the exchange's number in the timeline")
    add_detail_arguments(parser)
    add_engine_argument(parser)
    add_output_arguments(parser)
    add_key_arguments(parser)


def add_detail_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare --bytes and --format, for the commands that print one message in full."""
    parser.add_argument(
        "--bytes", action="store_true", help="add each message's ASN.1 tree with offsets, and its bytes in hex"
    )
    parser.add_argument(
        "-f", "--format", choices=("text", "json"), default="text", help="what to print (default: text)"
    )


def run(options: argparse.Namespace) -> int:
    """Read the capture and print one exchange."""
    report = kept_report([options.capture], options)
    count = len(report.exchanges)
    if not 1 <= options.exchange <= count:
        there = f"give a number from 1 to {count}" if count else "there is no SCEP in this capture"
        raise AnalyzerError(f"no exchange {options.exchange}; {there} (`scep-analyzer timeline` lists them)")
    exchange = report.exchanges[options.exchange - 1]
    with opened(options.output, force=options.force, as_is=options.format == "json") as stream:
        if options.format == "json":
            from scep_analyzer.render import json_v1

            transaction = report.transaction_ids.get(key_of(exchange))
            shown = json_v1.exchange_of(
                exchange, options.exchange, transaction, report.time_digits, secrets=options.show_secrets
            )
            stream.write(json_text(shown, indent=2) + "\n")
            return 0
        from scep_analyzer.render import detail

        console = console_for(stream, options.color)
        digits, secrets = report.time_digits, options.show_secrets
        lines = detail.exchange_lines(exchange, options.exchange, digits, extensions_of, secrets=secrets)
        detail.draw(lines, console)
        if options.bytes:
            for name, encoded in _messages(exchange):
                draw_bytes(console, name, encoded, secrets=secrets)
    return 0


def _messages(exchange: ScepExchange) -> list[tuple[str, bytes]]:
    both = (("request", exchange.raw_request), ("response", exchange.raw_response))
    return [(name, encoded) for name, encoded in both if encoded]


def draw_bytes(console: "Console", name: str, encoded: bytes, *, secrets: bool) -> None:
    """Print a message's ASN.1 tree with offsets, and its bytes in hex unless they hold a secret."""
    from scep_analyzer.render import detail

    hidden = Masked(encoded, ()) if secrets else masked(encoded)
    tree = read_tree(encoded, ATTRIBUTE_NAMES, secrets=secrets)
    lines = list(detail.node_lines(tree, 1))
    console.print()
    heading = detail.Line(0, f"Bytes of the {name}", f"{len(encoded):,}")
    detail.draw([heading, *lines], console)
    if hidden.spans:
        console.print("The hex is withheld: it holds a challenge password. --show-secrets shows it.", soft_wrap=True)
        return
    # At once: a call for each of thousands of rows takes longer than reading the capture.
    rows = "\n".join(detail.hex_lines(encoded[:_MOST_HEX]))
    console.print(rows, markup=False, highlight=False, soft_wrap=True)
    if len(encoded) > _MOST_HEX:
        console.print(f"... {len(encoded) - _MOST_HEX:,} bytes more", soft_wrap=True)
