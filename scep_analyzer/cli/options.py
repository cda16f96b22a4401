"""Options that several commands share: keys and secrets."""

import argparse
import re
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

from scep_analyzer.model.anomalies import AnalyzerError
from scep_analyzer.model.findings import Severity
from scep_analyzer.model.limits import LIMITS

if TYPE_CHECKING:
    from scep_analyzer.cms.keys import PrivateKey
    from scep_analyzer.model.tls import Secrets
    from scep_analyzer.render.steps import Style


_KEY_LOG = re.compile(rb"(?m)^(?:CLIENT_RANDOM|RSA|[A-Z_]+_TRAFFIC_SECRET(?:_0)?|EXPORTER_SECRET) [0-9A-Fa-f]{16}")


def add_key_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare --key, --key-password-file and --show-secrets."""
    parser.add_argument(
        "--key",
        action="append",
        default=[],
        metavar="FILE",
        help="private key of the RA, the CA or the client, to open envelopes: PEM, DER or PKCS #12; repeatable",
    )
    parser.add_argument(
        "--key-password-file", metavar="FILE", help="file with the password of the keys (its first line)"
    )
    parser.add_argument(
        "--keylog", metavar="FILE", help="TLS secrets (SSLKEYLOGFILE) of the connections in the capture; needs tshark"
    )
    parser.add_argument("--show-secrets", action="store_true", help="show challenge passwords")


def keys_of(options: argparse.Namespace) -> "list[PrivateKey]":
    """Read the keys that were given."""
    if not options.key:
        return []
    from scep_analyzer.cms.keys import read_private_key

    password = None
    if options.key_password_file is not None:
        password = _read(options.key_password_file).split(b"\n")[0].rstrip(b"\r")
    return [read_private_key(_read(path), path, password) for path in options.key]


def _read(path: str, most: int = LIMITS.key_file_bytes) -> bytes:
    try:
        with Path(path).open("rb") as stream:
            content = stream.read(most + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise AnalyzerError(f"{path}: cannot be read ({why}); give the path of a key file") from error
    if len(content) > most:
        raise AnalyzerError(f"{path}: more than {most:,} bytes, which no key file has; give the path of a key file")
    return content


def add_severity_argument(parser: argparse.ArgumentParser) -> None:
    """Declare --min-severity."""
    parser.add_argument(
        "--min-severity",
        choices=[each.value for each in Severity],
        metavar="SEVERITY",
        help="leave out findings below this: error, warning, info",
    )


def secrets_of(options: argparse.Namespace) -> "Secrets":
    """What undoes TLS: the key log, and the keys where they are PEM files."""
    from scep_analyzer.model.tls import Secrets

    content = None
    if options.keylog is not None:
        content = _read(options.keylog, LIMITS.key_log_bytes)
        if not _KEY_LOG.search(content):
            raise AnalyzerError(
                f"{options.keylog}: no TLS key log; it has lines like `CLIENT_RANDOM <hex> <hex>` (SSLKEYLOGFILE)"
            )
    pem = tuple(str(Path(each).resolve()) for each in options.key if _is_plain_pem(_read(each)))
    return Secrets(options.keylog, content, pem)


def _is_plain_pem(data: bytes) -> bool:
    """Whether tshark can read the key: RSA, in PEM, not encrypted."""
    return b"PRIVATE KEY-----" in data and b"ENCRYPTED" not in data and b"BEGIN EC" not in data


def least_of(options: argparse.Namespace, default: Severity = Severity.INFO) -> Severity:
    """The least severity that is wanted."""
    return Severity(options.min_severity) if options.min_severity is not None else default


def add_style_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare how a timeline is printed."""
    zone = parser.add_mutually_exclusive_group()
    zone.add_argument("--utc", action="store_true", help="times in UTC (the default)")
    zone.add_argument("--local", action="store_true", help="times in this machine's zone (text only)")
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("--quiet", action="store_true", help="headlines only")
    amount.add_argument("--verbose", action="store_true", help="repeat what was said before, list every oddity")


def style_of(options: argparse.Namespace, default: Severity = Severity.WARNING) -> "Style":
    """How a timeline is printed; notes are shown with --verbose."""
    from scep_analyzer.render.steps import Style

    least = least_of(options, Severity.INFO if options.verbose else default)
    return Style(None if options.local else UTC, options.quiet, options.verbose, options.show_secrets, least)
