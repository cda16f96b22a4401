"""Kinds of file that only tshark reads: told by their magic, turned into pcapng by tshark where it is there."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from scep_analyzer.capture.pcap import NOKIA, SUSE, hidden_variant
from scep_analyzer.model.anomalies import InputError

# As Wireshark knows them (wiretap/). The first bytes, the name.
KINDS: dict[bytes, str] = {
    b"snoop\0\0\0": "Solaris snoop",
    b"GMBU": "Microsoft Network Monitor 2",
    b"RTSS": "Microsoft Network Monitor 1",
    b"XCP\0": "NetXRay or Windows Sniffer",
    b"TRSNIFF data": "DOS Sniffer",
    b"iptrace": "AIX iptrace",
    b"btsnoop\0": "Bluetooth snoop",
    b"\x1c\x00\x01\xab": "IXIA lcap (software)",
    b"\x1c\x00\x01\xac": "IXIA lcap (hardware)",
    b"\xab\x01\x00\x1c": "IXIA lcap (software)",
    b"\xac\x01\x00\x1c": "IXIA lcap (hardware)",
    b"\xaa\xaa\xaa\xaa": "Visual Networks or 5View",
    b"\x54\x52\x00\x64\x00": "HP-UX nettl",
    b"\xa1\xe2\xcb\x12": "pcap of Ericsson nodes",
    b"\0\0\0\x0b\0\0\x04\xd2": "K12 of Tektronix",
}
ENDINGS = {
    ".etl": "a Windows event trace: convert it on Windows with `etl2pcapng IN.etl OUT.pcapng` or `pktmon etl2pcap IN.etl -o OUT.pcapng`",
}
"""Kinds that tshark reads on Windows only."""

PROVIDERS = {
    "2ed6006e-4729-4609-b423-3ee7bcd678ef": (
        "a Windows event trace of `netsh trace`: convert it with etl2pcapng (github.com/microsoft/etl2pcapng): "
        "`etl2pcapng IN.etl OUT.pcapng`"
    ),
    "4d4f80d9-c8bd-4d73-bb5b-19c90402c5ac": (
        "a Windows event trace of `pktmon`: convert it on Windows with `pktmon etl2pcap IN.etl -o OUT.pcapng`; "
        "etl2pcapng does not read it"
    ),
}
"""Event traces by the provider of their packets, whose GUID is in each event: Microsoft-Windows-NDIS-PacketCapture, -PktMon.
Each has a converter that the other does not have (microsoft/etl2pcapng#24, #54)."""
TRACE_BYTES = 1 << 19
"""Bytes of an event trace that are searched for its provider."""

OTHERS = {b"PK\x03\x04": "a zip archive: unpack it and give the capture inside"}
"""What people hand over by mistake."""


def kind_of(start: bytes) -> str | None:
    """The name of a kind that tshark reads, by the first bytes of a file."""
    if (variant := hidden_variant(start)) in (NOKIA, SUSE):
        return variant
    return next((name for magic, name in KINDS.items() if start.startswith(magic)), None)


def trace_in(start: bytes) -> str | None:
    """How to convert a Windows event trace that begins so; None where no provider of packets is in it."""
    import uuid  # it imports platform: 3 ms of every start

    found = [(at, told) for guid, told in PROVIDERS.items() if (at := start.find(uuid.UUID(guid).bytes_le)) >= 0]
    return min(found)[1] if found else None


@contextmanager
def converted(path: str, kind: str | None) -> Iterator[Any]:
    """The capture as a stream of pcapng from tshark; frame numbers stay. ``kind`` None: perhaps it is one."""
    import shutil
    import subprocess
    import tempfile

    tshark = shutil.which("tshark")
    if tshark is None:
        raise InputError(
            f"{path}: a capture of kind {kind}, which tshark reads: install it (Debian: `apt-get install tshark`), "
            "or convert the file with `editcap -F pcapng IN OUT`"
        )
    command = [tshark, "-n", "-r", path, "-F", "pcapng", "-w", "-"]
    # What it says goes to a file: a pipe that nobody reads would stop it.
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, bufsize=0) as child,  # noqa: S603  # found on PATH
    ):
        try:
            yield child.stdout
        except InputError as error:
            if kind is None:
                raise
            child.kill()
            child.wait()
            said.seek(0)
            raise InputError(
                f"{path}: a capture of kind {kind} that tshark does not read ({_said(said.read())})"
            ) from error
        finally:
            child.kill()


def may_be_any(path: str) -> bool:
    """Whether tshark is to be asked about a file of no known kind: it knows some that have no magic."""
    import shutil

    return shutil.which("tshark") is not None and not path.lower().endswith(tuple(ENDINGS))


def _said(stderr: bytes) -> str:
    lines = [line for line in stderr.decode("utf-8", "replace").splitlines() if not line.startswith("Running as user")]
    return re.sub(r"^tshark: ", "", lines[0]) if lines else "it gives no packets"
