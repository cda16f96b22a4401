"""``extract``: what a capture holds, as files: certificates and CRLs in PEM, messages and requests in DER, and an index."""

import argparse
import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from scep_analyzer.cli.options import Target, add_common_arguments
from scep_analyzer.cli.reading import report_of
from scep_analyzer.glossary import message_type_name, pki_status_name
from scep_analyzer.model.anomalies import AnalyzerError
from scep_analyzer.model.certificates import Certificate
from scep_analyzer.model.content import Content
from scep_analyzer.model.scep import CaCertificates, MessageType, PkiMessage, ScepExchange
from scep_analyzer.render.safe import json_text

_LONGEST_NAME = 60
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


class Item(NamedTuple):
    """One file to write. ``name`` is without its number and ending."""

    frame: int
    what: str
    subject: str
    ending: str
    content: bytes
    exchange: int


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
            *("--show-secrets", "--width", "--color", "--no-pager"),
        ),
    )


def run(options: argparse.Namespace) -> int:
    """Read the capture and write the files."""
    report = report_of(options.capture, options, keep=True)
    items = [item for number, each in enumerate(report.exchanges, 1) for item in items_of(each, number)]
    names = names_of(items)
    folder = Path(options.output)
    index = json_text([_entry(item, name) for item, name in zip(items, names, strict=True)], indent=2)
    files = {name: item.content for name, item in zip(names, items, strict=True)}
    _write(folder, {**files, "index.json": index.encode() + b"\n"}, force=options.force)
    print(f"{len(items)} files and index.json written to {folder}")  # noqa: T201  # the command's result
    return 0


def items_of(exchange: ScepExchange, number: int) -> Iterator[Item]:
    """What one exchange holds."""
    http = exchange.http
    for message, raw, decoded in (
        (http.request, exchange.raw_request, exchange.request),
        (http.response, exchange.raw_response, exchange.response),
    ):
        if message is None or not message.frames or not raw:
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


def _of_message(message: PkiMessage, raw: bytes, frame: int, number: int) -> Iterator[Item]:
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
        yield Item(frame, f"{kind}-request", content.csr.subject, "csr", content.csr.encoded, number)
    for certificate in content.certificates:
        yield _certificate(certificate, f"{kind}-enveloped", frame, number)
    for crl in content.crls:
        yield Item(frame, f"{kind}-crl", crl.issuer, "crl.pem", _pem("X509 CRL", crl.encoded), number)


def _certificate(certificate: Certificate, kind: str, frame: int, number: int) -> Item:
    role = certificate.role or "certificate"
    return Item(
        frame, f"{kind.lower()}-{role}", certificate.subject, "pem", _pem("CERTIFICATE", certificate.encoded), number
    )


def _pem(label: str, encoded: bytes) -> bytes:
    text = base64.b64encode(encoded)
    lines = b"\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    return b"-----BEGIN " + label.encode() + b"-----\n" + lines + b"\n-----END " + label.encode() + b"-----\n"


def names_of(items: list[Item]) -> list[str]:
    """A file name for each: frame, what, subject; safe on every system, whatever the subject holds, and unique."""
    names: list[str] = []
    seen: set[str] = set()
    for item in items:
        subject = _UNSAFE.sub("-", item.subject.lower()).strip("-.")[:_LONGEST_NAME].rstrip("-.")
        stem = f"{item.frame:04d}-{item.what}{'-' + subject if subject else ''}"
        name, count = f"{stem}.{item.ending}", 1
        while name in seen:
            count += 1
            name = f"{stem}-{count}.{item.ending}"
        seen.add(name)
        names.append(name)
    return names


def _entry(item: Item, name: str) -> dict[str, object]:
    return {
        "file": name,
        "frame": item.frame,
        "exchange": item.exchange,
        "what": item.what,
        "subject": item.subject or None,
        "bytes": len(item.content),
    }


def _write(folder: Path, files: dict[str, bytes], *, force: bool) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not force:
            for name in files:
                if (folder / name).exists() or (folder / name).is_symlink():
                    raise AnalyzerError(
                        f"{folder / name}: exists already; use --force to overwrite, or another folder with -o"
                    )
        for name, content in files.items():
            path = folder / name
            if path.is_symlink():
                path.unlink()  # never write through a link that someone left there
            path.write_bytes(content)
    except OSError as error:
        raise AnalyzerError(f"{folder}: cannot be written ({error.strerror}); use another folder with -o") from error
