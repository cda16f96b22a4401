"""Options that several commands share: keys and secrets."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from scep_analyzer.model.anomalies import AnalyzerError
from scep_analyzer.model.findings import Severity

if TYPE_CHECKING:
    from scep_analyzer.cms.keys import PrivateKey


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


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise AnalyzerError(f"{path}: cannot be read ({error.strerror}); give the path of a key file") from error


def add_severity_argument(parser: argparse.ArgumentParser) -> None:
    """Declare --min-severity."""
    parser.add_argument(
        "--min-severity",
        choices=[each.value for each in Severity],
        metavar="SEVERITY",
        help="leave out findings below this: error, warning, info",
    )


def least_of(options: argparse.Namespace, default: Severity = Severity.INFO) -> Severity:
    """The least severity that is wanted."""
    return Severity(options.min_severity) if options.min_severity is not None else default
