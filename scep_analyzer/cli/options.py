"""The options that every command which reads a capture shares, declared once, and what they mean.

An option without effect for a command is accepted by it all the same, so that a command line can be kept while its first word
changes. The command names those options at the end of its ``--help``.
"""

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from scep_analyzer.model.anomalies import AnalyzerError
from scep_analyzer.model.findings import Severity
from scep_analyzer.model.limits import BOUNDS

if TYPE_CHECKING:
    from scep_analyzer.cms.keys import PrivateKey
    from scep_analyzer.model.tls import Secrets


NARROWEST, WIDEST = 20, 1_000
"""Columns that output may have."""
_ENGINES = ("auto", "builtin", "tshark")
"""As in engines.CHOICES, which would import the engines; a test compares them."""
_KEY_LOG = re.compile(rb"(?m)^(?:CLIENT_RANDOM|RSA|[A-Z_]+_TRAFFIC_SECRET(?:_0)?|EXPORTER_SECRET) [0-9A-Fa-f]{16}")


class Target(NamedTuple):
    """What ``-o`` names."""

    metavar: str = "FILE"
    help: str = "write to a file instead of standard output"
    required: bool = False
    force: str = "overwrite the output file"


OUTPUT = Target()


def add_common_arguments(
    parser: argparse.ArgumentParser, target: Target = OUTPUT, *, idle: tuple[str, ...] = ()
) -> None:
    """Declare every option that commands which read a capture share. ``idle`` are those that have no effect for this one."""
    add_output_arguments(parser, target)
    add_key_arguments(parser)
    parser.add_argument("--engine", choices=_ENGINES, default="auto", help="what reads the capture (default: auto)")
    parser.add_argument(
        "--display-filter",
        metavar="FILTER",
        help="analyse only the packets that this chooses, in Wireshark's language (man wireshark-filter): best whole connections, "
        "as 'ip.addr == 192.0.2.7'; needs tshark",
    )
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument(
        "--min-severity",
        choices=[each.value for each in Severity],
        metavar="SEVERITY",
        help="leave out findings below this: error, warning, info",
    )
    amount.add_argument("--all", action="store_true", help="show notes too, the same as --min-severity info")
    add_style_arguments(parser)
    if idle:
        accepted = f"Accepted without effect, so that every command takes the same options: {', '.join(idle)}."
        parser.epilog = f"{parser.epilog} {accepted}" if parser.epilog else accepted


def add_output_arguments(parser: argparse.ArgumentParser, target: Target = OUTPUT) -> None:
    """Declare where output goes: -o and --force."""
    parser.add_argument("-o", "--output", metavar=target.metavar, required=target.required, help=target.help)
    parser.add_argument("--force", action="store_true", help=target.force)


def add_key_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what opens envelopes and TLS, and whether secrets are shown."""
    parser.add_argument(
        "--key",
        action="append",
        default=[],
        metavar="FILE",
        help="private key of the RA, the CA or the client, to open envelopes: PEM, DER or PKCS #12; repeatable",
    )
    parser.add_argument(
        "--key-password-file",
        action="append",
        default=[],
        metavar="FILE",
        help="file with a password (its first line); repeatable: each password is tried with each key; without one, a terminal is asked",
    )
    parser.set_defaults(passwords=None)
    parser.add_argument(
        "--keylog", metavar="FILE", help="TLS secrets (SSLKEYLOGFILE) of the connections in the capture; needs tshark"
    )
    parser.add_argument("--show-secrets", action="store_true", help="show challenge passwords")


def add_style_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare how text is printed."""
    zone = parser.add_mutually_exclusive_group()
    zone.add_argument("--utc", action="store_true", help="times in UTC (the default)")
    zone.add_argument("--local", action="store_true", help="times in this machine's time zone (text only)")
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("--quiet", action="store_true", help="headlines only")
    amount.add_argument("--verbose", action="store_true", help="repeat what was said before, list every anomaly")
    add_page_arguments(parser)


def add_page_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the terminal is told: --width, --color, --no-pager."""
    parser.add_argument(
        "--width",
        type=_columns,
        metavar="N",
        help=f"columns of text output, {NARROWEST} to {WIDEST} (default: the terminal's)",
    )
    parser.add_argument(
        "--color",
        choices=("auto", "always", "never"),
        default="auto",
        help="color and links (default: auto, on a terminal)",
    )
    parser.add_argument(
        "--no-pager",
        action="store_true",
        help="print long output at once; on a terminal it goes through $PAGER (less) otherwise",
    )


def _columns(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not NARROWEST <= int(text[:9]) <= WIDEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a width; give {NARROWEST} to {WIDEST} columns")
    return int(text)


def keys_of(options: argparse.Namespace) -> "list[PrivateKey]":
    """Read the keys that were given. One that cannot be read is named on stderr and does not stop the others; if none can, AnalyzerError.

    A key that no password opens is asked for on a terminal, once: ``options.passwords`` then has what was typed.
    """
    if not options.key:
        return []
    first = options.passwords is None
    if first:
        options.passwords = [
            _read(each).split(b"\n")[0].rstrip(b"\r") for each in dict.fromkeys(options.key_password_file)
        ]
    found, wrong = [], dict[str, None]()
    for path in dict.fromkeys(options.key):
        try:
            for data in _keys_in(path):
                try:
                    found.append(_key(data, path, options.passwords, ask=first))
                except AnalyzerError as error:
                    wrong[str(error)] = None
        except AnalyzerError as error:
            wrong[str(error)] = None
    if not found:
        more = f" (and {len(wrong) - 1} more that cannot be read)" if len(wrong) > 1 else ""
        raise AnalyzerError(next(iter(wrong)) + more)
    for each in wrong if first else ():
        from scep_analyzer.render.safe import safe

        print(safe(f"scep-analyzer: {each}; the other keys are used"), file=sys.stderr)  # noqa: T201  # one line, as for an error
    return found


def _keys_in(path: str) -> list[bytes]:
    from scep_analyzer.cms.keys import keys_in

    return keys_in(_read(path))


def _key(data: bytes, path: str, passwords: list[bytes], *, ask: bool) -> "PrivateKey":
    """One key, with whichever of the passwords opens it."""
    from scep_analyzer.cms.keys import LockedKeyError, read_private_key

    locked = LockedKeyError("")
    for each in passwords or (None,):
        try:
            return read_private_key(data, path, each)
        except LockedKeyError as error:
            locked = error
    if not ask or not sys.stdin.isatty() or not sys.stderr.isatty():
        raise locked
    from getpass import getpass

    from scep_analyzer.render.safe import safe

    passwords.append(getpass(f"Password of {safe(path)}: ").encode())
    return read_private_key(data, path, passwords[-1])


def _read(path: str, most: int = BOUNDS.key_file_bytes) -> bytes:
    try:
        with Path(path).open("rb") as stream:
            content = stream.read(most + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise AnalyzerError(f"{path}: cannot be read ({why}); give the path of a key file") from error
    if len(content) > most:
        raise AnalyzerError(f"{path}: more than {most:,} bytes, which no key file has; give the path of a key file")
    return content


def secrets_of(options: argparse.Namespace) -> "Secrets":
    """What undoes TLS: the key log, and the keys where they are PEM files."""
    from scep_analyzer.model.tls import Secrets

    content = None
    if options.keylog is not None:
        if _is_pipe(options.keylog):
            raise AnalyzerError(f"{options.keylog}: a pipe; tshark reads the key log too: save it to a file first")
        content = _read(options.keylog, BOUNDS.key_log_bytes)
        if not _KEY_LOG.search(content):
            raise AnalyzerError(
                f"{options.keylog}: no TLS key log; it has lines like `CLIENT_RANDOM <hex> <hex>` (SSLKEYLOGFILE)"
            )
    pem = tuple(str(Path(each).resolve()) for each in options.key if _is_plain_pem(each))
    return Secrets(options.keylog, content, pem)


def _is_pipe(path: str) -> bool:
    """Whether a file can be read once; bash's ``<(…)`` is one."""
    try:
        return Path(path).is_fifo()
    except (OSError, ValueError):  # said where it is read
        return False


def _is_plain_pem(path: str) -> bool:
    """Whether tshark can read the key: RSA, in PEM, not encrypted."""
    try:
        data = _read(path)
    except AnalyzerError:  # said where the keys are read
        return False
    return b"PRIVATE KEY-----" in data and b"ENCRYPTED" not in data and b"BEGIN EC" not in data
