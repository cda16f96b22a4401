"""``doctor``: what this installation can do."""

import argparse
import platform
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files

from scep_analyzer.cli.output import opened
from scep_analyzer.engines import CHOICES
from scep_analyzer.version import __version__

_LIBRARIES = ("asn1crypto", "cryptography", "lz4", "rich", "scapy", "zstandard")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--schema", action="store_true", help="print the JSON Schema that every JSON output validates against"
    )


def run(options: argparse.Namespace) -> int:
    """Print."""
    with opened(None, force=False, as_is=options.schema) as stream:
        if options.schema:
            stream.write(files("scep_analyzer.schema").joinpath("report-1.json").read_text(encoding="utf-8"))
        else:
            for name, value in _facts():
                stream.write(f"{name:<14} {value}\n")
    return 0


def _facts() -> list[tuple[str, str]]:
    facts = [
        ("scep-analyzer", __version__),
        ("Python", f"{platform.python_version()} ({sys.executable})"),
        ("engines", ", ".join(CHOICES[1:])),
    ]
    for name in _LIBRARIES:
        try:
            facts.append((name, version(name)))
        except PackageNotFoundError:
            facts.append((name, f"missing; install it with `pip install {name}`"))
    facts.append(("tshark", _tshark()))
    return facts


def _tshark() -> str:
    path = shutil.which("tshark")
    if path is None:
        return "not found; not needed by the builtin engine (Debian: `apt-get install tshark`)"
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, check=True)  # noqa: S603  # the program found on PATH, fixed arguments
    except (OSError, subprocess.SubprocessError) as error:
        return f"{path} does not run ({error})"
    return f"{done.stdout.splitlines()[0]} ({path})"
