"""``extract``: what a capture holds, as files: certificates and CRLs in PEM, messages and requests in DER, and an index."""

import argparse
import base64
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from scep_analyzer.cli.options import Target, add_common_arguments
from scep_analyzer.cli.reading import report_of
from scep_analyzer.cli.spool import Spool
from scep_analyzer.cms.challenge import masked
from scep_analyzer.glossary import message_type_name, pki_status_name
from scep_analyzer.model.anomalies import AnalyzerError
from scep_analyzer.model.certificates import Certificate
from scep_analyzer.model.content import Content
from scep_analyzer.model.scep import CaCertificates, Kept, MessageType, PkiMessage, ScepExchange
from scep_analyzer.model.secrets import text_is_secret
from scep_analyzer.render.safe import FileNames, json_text, safe
from scep_analyzer.report import Report

_INDEX = "index.json"


class Item(NamedTuple):
    """One file to write: ``content`` gives it as it is in the capture; under ``label`` it is written in PEM."""

    frame: int
    what: str
    subject: str
    ending: str
    content: Kept
    exchange: int
    label: str | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "capture", nargs="+", metavar="CAPTURE", help="the capture; several, or a directory, are read as one"
    )
    folder = Target("DIR", "folder to write to; it is made where it is missing", True, "overwrite files that are there")
    add_common_arguments(
        parser,
        folder,
        idle=(
            *("--min-severity", "--all", "--utc", "--local", "--quiet", "--verbose"),
            *("--width", "--color", "--no-pager"),
        ),
    )


def run(options: argparse.Namespace) -> int:
    """Read the capture and write the files."""
    with Spool() as spool:
        return _extract(report_of(options.capture, options, keep=spool.keep), options)


def _extract(report: Report, options: argparse.Namespace) -> int:
    items = [item for number, each in enumerate(report.exchanges, 1) for item in items_of(each, number)]
    folder = Path(options.output)
    names = names_of(items)
    _made(folder, [*names, _INDEX], force=options.force)
    entries = []
    for item, name in zip(items, names, strict=True):  # one at a time: together they may be as large as the capture
        found = item.content()
        content, hidden = (found, None) if options.show_secrets else _without_secrets(found)
        if content is not None:
            content = content if item.label is None else _pem(item.label, content)
            _write(folder, name, content)
        entries.append(_entry(item, name if content is not None else None, len(content or b""), hidden))
    _write(folder, _INDEX, json_text(entries, indent=2).encode() + b"\n")
    written = sum(entry["file"] is not None for entry in entries)
    hidden_ones = sum(entry["hidden"] is not None for entry in entries)
    more = f"; {hidden_ones} hold a secret, which is left out (--show-secrets writes it)" if hidden_ones else ""
    print(f"{written} files and {_INDEX} written to {safe(str(folder))}{more}")  # noqa: T201  # the command's result
    return 0


def _without_secrets(content: bytes) -> tuple[bytes | None, str | None]:
    """What may be written, None for nothing, and what was left out."""
    hidden = masked(content)
    if hidden.spans and content[:1] == b"\x30":
        return (
            hidden.content,
            "the challenge password is replaced by asterisks, so that signatures over it do not verify",
        )
    if hidden.spans or (content[:1] != b"\x30" and text_is_secret(content)):
        return None, "the file may hold a challenge password and is not written"
    return content, None


def items_of(exchange: ScepExchange, number: int) -> Iterator[Item]:
    """What one exchange holds."""
    http = exchange.http
    for message, raw, decoded in (
        (http.request, exchange.raw_request, exchange.request),
        (http.response, exchange.raw_response, exchange.response),
    ):
        if message is None or not message.frames or raw is None:
            continue
        frame = message.frames[0]
        if isinstance(decoded, PkiMessage):
            yield from _of_message(decoded, raw, frame, number)
        elif isinstance(decoded, CaCertificates):
            ending = "cer" if decoded.form == "x509" else "p7b"
            yield Item(frame, (exchange.operation or "certificates").lower(), "", ending, raw, number)
            for certificate in decoded.certificates:
                yield _certificate(certificate, exchange.operation or "certificates", frame, number)
        else:
            yield Item(frame, "unreadable", "", "bin", raw, number)


def _of_message(message: PkiMessage, raw: Kept, frame: int, number: int) -> Iterator[Item]:
    what = (message_type_name(message.message_type) or "pkimessage").lower()
    if message.message_type == MessageType.CertRep:
        what += f"-{(pki_status_name(message.pki_status) or 'unknown').lower()}"
    yield Item(frame, what, "", "der", raw, number)
    kind = what.split("-")[0]
    for certificate in message.certificates:
        yield _certificate(certificate, kind, frame, number)
    if message.envelope is not None and message.envelope.content is not None:
        yield from _of_content(message.envelope.content, kind, frame, number)


def _of_content(content: Content, kind: str, frame: int, number: int) -> Iterator[Item]:
    if content.csr is not None:
        yield Item(frame, f"{kind}-request", content.csr.subject, "csr", _at_hand(content.csr.encoded), number)
    for certificate in content.certificates:
        yield _certificate(certificate, f"{kind}-enveloped", frame, number)
    for crl in content.crls:
        yield Item(frame, f"{kind}-crl", crl.issuer, "crl.pem", _at_hand(crl.encoded), number, "X509 CRL")


def _certificate(certificate: Certificate, kind: str, frame: int, number: int) -> Item:
    role = certificate.role or "certificate"
    return Item(
        frame,
        f"{kind.lower()}-{role}",
        certificate.subject,
        "pem",
        _at_hand(certificate.encoded),
        number,
        "CERTIFICATE",
    )


def _at_hand(content: bytes) -> Kept:
    return lambda: content


def _pem(label: str, encoded: bytes) -> bytes:
    text = base64.b64encode(encoded)
    lines = b"\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    return b"-----BEGIN " + label.encode() + b"-----\n" + lines + b"\n-----END " + label.encode() + b"-----\n"


def names_of(items: list[Item]) -> list[str]:
    """A file name for each: frame, what, subject; safe on every system, whatever the subject holds, and unique."""
    made = FileNames(_INDEX)
    return [made.of((f"{item.frame:04d}", item.what, item.subject.lower()), item.ending) for item in items]


def _entry(item: Item, name: str | None, size: int, hidden: str | None) -> dict[str, object]:
    return {
        "file": name,
        "frame": item.frame,
        "exchange": item.exchange,
        "what": item.what,
        "subject": item.subject or None,
        "bytes": size,
        "hidden": hidden,
    }


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise AnalyzerError(f"{folder}: cannot be written ({why}); use another folder with -o") from error


def _made(folder: Path, names: list[str], *, force: bool) -> None:
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        there = [name for name in names if not force and ((folder / name).exists() or (folder / name).is_symlink())]
    if there:
        raise AnalyzerError(f"{folder / there[0]}: exists already; use --force to overwrite, or another folder with -o")


def _write(folder: Path, name: str, content: bytes) -> None:
    path = folder / name
    with _writing(folder):
        if path.is_symlink():
            path.unlink()  # never write through a link that someone left there
        path.write_bytes(content)
