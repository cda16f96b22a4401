"""``doctor``: what this installation can do, what is missing, and the command that adds it."""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files

from scep_analyzer.cli.options import add_page_arguments
from scep_analyzer.cli.output import output_of, paper_for
from scep_analyzer.story.model import say
from scep_analyzer.version import __version__

_LIBRARIES = ("asn1crypto", "cryptography", "hpack", "hyperframe", "lz4", "rich", "scapy", "zstandard")
_CIPHERS = (("DES, 3DES", "TripleDES", 24, 8), ("RC2", "RC2", 16, 8), ("AES", "AES", 16, 16))
_MOST_INTERFACES = 12

Line = tuple[str, str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--schema", action="store_true", help="print the JSON Schema that every JSON output validates against"
    )
    add_page_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Print."""
    with output_of(options, as_is=options.schema) as stream:
        if options.schema:
            stream.write(files("scep_analyzer.schema").joinpath("report-1.json").read_text(encoding="utf-8"))
            return 0
        paper = paper_for(options, stream)
        for name, value in _facts():
            paper.line(say(f"{name:<14} {{}}", value), 0, 15)
    return 0


def _facts() -> Iterator[Line]:
    yield "scep-analyzer", __version__
    yield "Python", f"{platform.python_version()} ({sys.executable})"
    for name in _LIBRARIES:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            yield name, f"missing; install it with `pip install {name}`"
    yield "tight pass", _tight_pass()
    yield from _crypto()
    yield from _engines()
    yield from _live()
    yield _wireshark()


def _wireshark() -> Line:
    from scep_analyzer.wireshark import doctor_line

    return doctor_line()


def _tight_pass() -> str:
    """Whether large captures are read by compiled code."""
    from scep_analyzer.capture.skim import COMPILED

    if COMPILED:
        return "compiled"
    return (
        "in Python, so large captures take up to twice as long; for the compiled one install scep-analyzer again where there "
        "are a C compiler and Python's headers (Debian: `apt-get install gcc python3-dev`)"
    )


def _crypto() -> Iterator[Line]:
    """What opens envelopes and checks signatures: old ciphers and digests may be switched off in the OpenSSL underneath."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.backends.openssl import backend
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    yield "crypto", backend.openssl_version_text()
    usable = []
    lacking = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old ciphers are deprecated; that is what is asked here
        from cryptography.hazmat.decrepit.ciphers import algorithms as decrepit

        for words, name, key, block in _CIPHERS:
            kind = getattr(decrepit, name, None) or getattr(algorithms, name)
            try:
                Cipher(kind(bytes(range(key))), modes.CBC(bytes(block))).decryptor()
                usable.append(words)
            except (UnsupportedAlgorithm, ValueError):
                lacking.append(words)
    for digest in (hashes.MD5(), hashes.SHA1(), hashes.SHA512()):  # noqa: S303  # they are asked for, not used
        (usable if backend.hash_supported(digest) else lacking).append(digest.name.upper())
    missing = f"; not: {', '.join(lacking)} (OpenSSL's configuration or its FIPS mode forbids them)" if lacking else ""
    yield "", f"can use {', '.join(usable)}{missing}"


def _engines() -> Iterator[Line]:
    from scep_analyzer.engines.tshark_rows import INSTALL, OLDEST, tshark_path, version_of

    path = tshark_path()
    if path is None:
        yield "engines", "builtin"
        yield "tshark", f"not found; needed for TLS and for rare kinds of files: {INSTALL}"
        return
    number, line = version_of(path)
    if number is None or number < OLDEST:
        yield "engines", "builtin"
        yield "tshark", f"{path}: {line}; 4.0 or newer is needed: {INSTALL}"
        return
    yield "engines", "builtin, tshark"
    yield "tshark", f"{line} ({path})"
    built = _built_with(path)
    able = ["TLS with a key log: yes" if "Gcrypt" in built else "TLS: no, this tshark was built without Gcrypt"]
    able.append(
        "with the server's RSA key: yes" if "GnuTLS" in built else "with the server's RSA key: no, built without GnuTLS"
    )
    yield "", "; ".join(able)
    if shutil.which("mergecap") is None:
        yield "mergecap", "not found; needed for TLS in several files at a time: it comes with Wireshark"


def _built_with(path: str) -> str:
    """What tshark says that it was built with."""
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, check=False, errors="replace")  # noqa: S603  # the program found on PATH  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
    return " ".join(done.stdout.split())


def _live() -> Iterator[Line]:
    from scep_analyzer.capture import interfaces

    program = next((each for each in ("dumpcap", "tcpdump") if shutil.which(each)), None)
    if program is None:
        yield "live", "scapy captures; dumpcap misses less and needs no root (Debian: `apt-get install tshark`)"
    found, problem = interfaces.interfaces()
    names = ", ".join(each.name for each in found[:_MOST_INTERFACES])
    more = f", and {len(found) - _MOST_INTERFACES} more" if len(found) > _MOST_INTERFACES else ""
    yield (
        ("live" if program else ""),
        f"{f'{program} captures on: ' if program else 'interfaces: '}{names or 'nothing'}{more}",
    )
    forbidden = problem or _forbidden(program)
    if forbidden is not None:
        yield "", forbidden


def _forbidden(program: str | None) -> str | None:
    """Why this user may not capture. Tried on the loopback interface where a program can; scapy needs to be root."""
    from scep_analyzer.capture import interfaces

    if program is not None:
        return interfaces.may_capture()
    if hasattr(os, "geteuid") and os.geteuid() != 0:
        return f"not allowed to capture: {interfaces.how_to_be_allowed('scapy')}"
    return None
