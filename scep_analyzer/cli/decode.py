"""``decode``: a SCEP message without a capture."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scep_analyzer.capture.files import READERS
from scep_analyzer.cli.options import add_common_arguments, keys_of
from scep_analyzer.cli.output import output_of, paper_for
from scep_analyzer.cli.show import add_detail_arguments, draw_bytes
from scep_analyzer.cms.extensions import extensions_of
from scep_analyzer.model.anomalies import DecodeError, InputError
from scep_analyzer.model.content import Content
from scep_analyzer.model.scep import CaCertificates, Envelope, PkiMessage
from scep_analyzer.model.told_secrets import withheld_in_doubt
from scep_analyzer.pasted.pieces import Found
from scep_analyzer.pasted.readers import LIMIT, read_pasted
from scep_analyzer.render import json_v1, tree
from scep_analyzer.render.safe import json_text
from scep_analyzer.scep.anything import Anything, read_anything
from scep_analyzer.story import detail


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "input",
        nargs="?",
        default="-",
        metavar="INPUT",
        help="file with messages in any form: DER, PEM, base64, hex, HTTP, URLs, logs, HAR, JSON; or the URL itself; - or nothing is stdin",
    )
    add_detail_arguments(parser)
    add_common_arguments(
        parser,
        idle=(
            "--engine",
            "--keylog",
            "--display-filter",
            "--min-severity",
            "--all",
            "--utc",
            "--local",
            "--quiet",
            "--verbose",
        ),
    )


def run(options: argparse.Namespace) -> int:
    """Print what the input holds."""
    keys = keys_of(options)
    name, data = _read(options.input)
    if data.startswith(tuple(READERS)):
        raise InputError(
            f"{name}: a capture; read it with `scep-analyzer timeline`, or `scep-analyzer show` for every field of its messages"
        )
    try:
        pasted = read_pasted(data)
    except DecodeError as error:
        raise InputError(f"{name}: {error}") from error
    decoded: list[tuple[Found, Anything]] = []
    known: dict[tuple[str, str], Any] = {}
    for found in pasted.found:
        value = read_anything(found.encoded, known, keys)
        if isinstance(value.value, CaCertificates | PkiMessage):
            known |= {each.identity: each for each in value.value.certificates}
        decoded.append((found, value))
    with output_of(options, as_is=options.format == "json") as stream:
        if options.format == "json":
            shown = [_object(found, value, secrets=options.show_secrets) for found, value in decoded]
            stream.write(json_text(shown, indent=2) + "\n")
            return 0
        paper = paper_for(options, stream)
        for number, (found, value) in enumerate(decoded, 1):
            if number > 1:
                paper.blank()
            tree.draw(_lines(found, value, number, secrets=options.show_secrets), paper)
            if options.bytes or value.value is None:
                draw_bytes("message", found.encoded, paper, secrets=options.show_secrets)
        if pasted.told:
            paper.blank()
            tree.draw([detail.Line(0, "Without a message", "; ".join(pasted.told))], paper)
    return 0


def _read(given: str) -> tuple[str, bytes]:
    """What an input is called and its bytes. One that is no file is not repeated: it may hold a password."""
    if given == "-":
        return "standard input", sys.stdin.buffer.read(LIMIT)
    path = Path(given)
    try:
        if path.exists():
            with path.open("rb") as stream:
                return given[:80], stream.read(LIMIT)
    except OSError as error:
        if "message=" not in given:  # a URL is too long for a file name
            raise InputError(
                f"{withheld_in_doubt(given[:80])}: cannot be read ({error.strerror}); give a file, a URL, or - for stdin"
            ) from error
    except ValueError:
        pass
    if "=" in given or given.startswith("MI") or given.lower().startswith("308"):
        return "the argument", given.encode("utf-8", "surrogateescape")
    shown = "the argument" if "\n" in given else withheld_in_doubt(given[:80])
    raise InputError(f"{shown}: no such file; give a file, a URL with message=, or - for standard input")


def _lines(found: Found, value: Anything, number: int, *, secrets: bool) -> Iterator[detail.Line]:
    yield detail.Line(0, f"Message {number}", f"{value.kind}, {len(found.encoded):,} bytes, from {found.form}")
    if found.direction is not None or found.time is not None:
        yield detail.Line(1, found.direction or "message", found.time or "at a time that the input does not tell")
    for code, text in (*found.notes, *value.notes):
        yield detail.Line(1, "note", f"{text} [{code}]")
    if value.problem is not None:
        yield detail.Line(1, "cannot be read", value.problem)
    inner = value.value
    if isinstance(inner, PkiMessage | CaCertificates):
        yield from detail.content_lines(inner, 1, extensions_of, secrets=secrets)
    elif isinstance(inner, Content):
        yield from detail.data_lines(inner, 1, extensions_of, secrets=secrets)
    elif isinstance(inner, Envelope):
        yield from detail.envelope_lines(inner, 1, extensions_of, secrets=secrets)


def _object(found: Found, value: Anything, *, secrets: bool) -> json_v1.Json:
    inner = value.value
    return {
        "form": found.form,
        "direction": found.direction,
        "time": found.time,
        "kind": value.kind,
        "length": len(found.encoded),
        "problem": value.problem,
        "notes": [{"code": code, "detail": text} for code, text in (*found.notes, *value.notes)],
        "pki_message": json_v1.pki_message_of(inner, secrets=secrets) if isinstance(inner, PkiMessage) else None,
        "certificates": [json_v1.certificate_of(each) for each in inner.certificates]
        if isinstance(inner, CaCertificates)
        else None,
        "content": json_v1.content_of(inner, secrets=secrets) if isinstance(inner, Content) else None,
        "envelope": json_v1.envelope_of(inner, secrets=secrets) if isinstance(inner, Envelope) else None,
    }
