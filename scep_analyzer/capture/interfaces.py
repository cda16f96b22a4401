"""Packets from a network interface, as the bytes of a capture file: dumpcap's, tcpdump's, or scapy's where neither is there."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from scep_analyzer.model.anomalies import AnalyzerError

_BUFFER_MIB = 32
"""What the kernel keeps while we are busy: a second of a gigabit network, a third of it full."""
_PATIENCE_S = 5.0
"""How long a capture program may take to end after it was told to."""


class Interface(NamedTuple):
    """Where packets can be captured; ``about`` says what it is."""

    name: str
    about: str


class Sniffer:
    """A capture that is going on. Read ``stream`` until it ends, then ask :meth:`ended`."""

    stream: IO[bytes]
    program: str

    def stop(self) -> None:
        """Capture no more; what was captured is still in the stream."""
        raise NotImplementedError

    def yield_root(self) -> bool:
        """Be ready for this process to give root up; False where the capture needs it to stay root."""
        raise NotImplementedError

    def ended(self) -> str | None:
        """Why it ended by itself, None where it was stopped."""
        raise NotImplementedError


def sniff(interfaces: list[str], bpf: str | None) -> Sniffer:
    """Start capturing with the best program that is here."""
    if shutil.which("dumpcap") is not None:
        return _ProgramSniffer("dumpcap", _dumpcap(interfaces, bpf))
    if len(interfaces) > 1:
        raise AnalyzerError(
            "several interfaces at a time need dumpcap (Debian: `apt-get install tshark`); give one, or `any`"
        )
    if shutil.which("tcpdump") is not None:
        return _ProgramSniffer("tcpdump", _tcpdump(interfaces[0], bpf))
    return _ScapySniffer(interfaces[0], bpf)


def _dumpcap(interfaces: list[str], bpf: str | None) -> list[str]:
    command = ["dumpcap", "-q", "-B", str(_BUFFER_MIB)]
    command += ["-f", bpf] if bpf else []  # before -i it counts for every interface
    for each in interfaces:
        command += ["-i", each]
    return [*command, "-w", "-"]


def _tcpdump(interface: str, bpf: str | None) -> list[str]:
    command = ["tcpdump", "-i", interface, "-n", "-U", "-s", "0", "-B", str(_BUFFER_MIB * 1024), "-w", "-"]
    return [*command, "--", bpf] if bpf else command


class _ProgramSniffer(Sniffer):
    def __init__(self, program: str, command: list[str]) -> None:
        self.program = program
        self._stopped = False
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  # read when the program has ended
        # A session of its own: Ctrl-C is for us, who stop it and tell the rest.
        self._child = subprocess.Popen(  # noqa: S603  # the program found on PATH
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._said,
            start_new_session=os.name != "nt",
        )
        assert self._child.stdout is not None  # noqa: S101  # a pipe was asked for
        self.stream = self._child.stdout
        self._stopper: subprocess.Popen[bytes] | None = None

    def stop(self) -> None:
        if self._child.poll() is None:
            self._stopped = True
            self._signal(self._child.terminate)

    def yield_root(self) -> bool:
        """A user may send root's processes no signal: a shell that stays root does when its input ends, however we end."""
        # A line, and not the end, is sent to it where the program has ended by itself, and its number may be another's.
        script = 'read -r line || kill "$1"'
        self._stopper = subprocess.Popen(  # noqa: S603  # nothing in it is from outside
            ["/bin/sh", "-c", script, "sh", str(self._child.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        return True

    def _signal(self, send: Callable[[], None]) -> None:
        try:
            send()
        except PermissionError:
            if self._stopper is not None and self._stopper.stdin is not None:
                self._stopper.stdin.close()

    def ended(self) -> str | None:
        try:
            code = self._child.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._signal(self._child.kill)
            code = self._child.wait()
        self._dismiss()
        self._said.seek(0)
        words = self._said.read(65_536).decode("utf-8", "replace")
        self._said.close()
        if self._stopped or (code == 0 and not words.strip()):
            return None
        return in_one_line(self.program, words, code)

    def _dismiss(self) -> None:
        stopper, self._stopper = self._stopper, None
        if stopper is not None and stopper.stdin is not None:
            with contextlib.suppress(OSError, ValueError):  # it has ended already
                stopper.stdin.write(b"\n")
                stopper.stdin.close()
            stopper.wait()


class _ScapySniffer(Sniffer):
    """scapy's sockets; slower than the programs, and without a count of what it missed."""

    def __init__(self, interface: str, bpf: str | None) -> None:
        self.program = "scapy"
        self._interface, self._bpf = interface, bpf
        self._why: str | None = None
        self._end = threading.Event()
        reader, self._writer = os.pipe()
        self.stream = os.fdopen(reader, "rb", buffering=0)
        threading.Thread(target=self._run, daemon=True).start()

    def stop(self) -> None:
        self._end.set()

    def yield_root(self) -> bool:
        return False  # its sockets are opened by this process, when they are needed

    def ended(self) -> str | None:
        return self._why

    def _run(self) -> None:
        with os.fdopen(self._writer, "wb", buffering=0) as sink:
            try:
                self._sniff(sink)
            except Exception as error:  # scapy's sockets raise whatever the system and its own filter compiler do
                self._why = in_one_line(f"{self._interface}", str(error) or type(error).__name__, 1)

    def _sniff(self, sink: Any) -> None:
        import scapy.layers.l2  # noqa: F401  # it registers the link types, which interfaces are told by
        from scapy.config import conf
        from scapy.error import Scapy_Exception
        from scapy.sendrecv import AsyncSniffer
        from scapy.utils import PcapWriter

        conf.sniff_promisc = True
        try:
            socket = conf.L2listen(iface=self._interface, filter=self._bpf)
        except Scapy_Exception as error:
            raise AnalyzerError(str(error)) from error
        writer = PcapWriter(cast(IO[bytes], _Unseekable(sink)), sync=True)
        sniffer = AsyncSniffer(opened_socket=socket, store=False, prn=writer.write)
        sniffer.start()
        while not self._end.wait(0.1) and sniffer.running:
            pass
        if sniffer.running:
            sniffer.stop()
        elif not self._end.is_set():
            self._why = f"{self._interface}: the capture ended; is the interface still there?"


class _Unseekable:
    """What PcapWriter needs of a file."""

    def __init__(self, sink: Any) -> None:
        self._sink = sink

    def write(self, data: bytes) -> int:
        return int(self._sink.write(data))

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Whoever opened it closes it."""


def in_one_line(program: str, words: str, code: int) -> str:
    """What a capture program said when it failed, and what to do."""
    lines = [
        each.strip()
        for each in words.splitlines()
        if each.strip() and not each.startswith(("Capturing on", "File:", "Packets"))
    ]
    first = next((each for each in lines if each.startswith(program)), lines[0] if lines else f"exit code {code}")
    said = f"{program}: {first.removeprefix(program).lstrip(': ')}"[:200].rstrip(".")
    low = words.lower()
    if "permission" in low or "not permitted" in low:
        return f"{said}: {how_to_be_allowed(program)}"
    if "no such device" in low or "no device named" in low or "not found" in low:
        return f"{said}; `scep-analyzer doctor` lists the interfaces"
    if "filter" in low or "syntax error" in low:
        return f"{said}; write it as for tcpdump, for example 'tcp port 80 or udp port 53' (man pcap-filter)"
    return said


def how_to_be_allowed(program: str) -> str:
    """How to capture without being root."""
    if sys.platform == "win32":
        return "install Npcap without its option for administrators only, or run as administrator"
    if sys.platform == "darwin":
        return "install ChmodBPF (it comes with Wireshark), or run with sudo"
    if program == "dumpcap":
        return (
            "without root: `sudo dpkg-reconfigure wireshark-common` (yes), `sudo usermod -aG wireshark $USER` and log in again; "
            "elsewhere `sudo setcap cap_net_raw,cap_net_admin+ep $(which dumpcap)`; or run with sudo"
        )
    if program == "tcpdump":
        return "`sudo setcap cap_net_raw,cap_net_admin+ep $(which tcpdump)`, or run with sudo"
    return "run with sudo, or install dumpcap (Debian: `apt-get install tshark`), which can be allowed to capture without root"


def interfaces() -> tuple[list[Interface], str | None]:
    """Where packets can be captured, and why not where nothing can."""
    program = "dumpcap" if shutil.which("dumpcap") else "tcpdump" if shutil.which("tcpdump") else None
    if program is None:
        names = (
            sorted(each.name for each in Path("/sys/class/net").glob("*")) if Path("/sys/class/net").is_dir() else []
        )
        return [Interface(each, "") for each in names], None
    try:
        done = subprocess.run([program, "-D"], capture_output=True, text=True, timeout=20, check=False, errors="replace")  # noqa: S603  # the program found on PATH  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        return [], f"{program} does not run ({type(error).__name__})"
    found = [
        Interface(match[1], match[2] or "")
        for line in done.stdout.splitlines()
        if (match := re.match(r"\d+\. ?(\S+)(?: [(\[](.*?)[)\]])?", line))
    ]
    return found, None if found else in_one_line(program, done.stderr, done.returncode)


def may_capture() -> str | None:
    """None where this user may capture; else how to be allowed. Tried on the loopback interface, for a moment."""
    try:
        sniffer = sniff(["lo" if sys.platform.startswith("linux") else "lo0"], "tcp port 1")
    except AnalyzerError as error:
        return str(error)
    reading = threading.Thread(target=sniffer.stream.read, daemon=True)
    reading.start()
    time.sleep(0.4)
    sniffer.stop()
    why = sniffer.ended()
    reading.join(1)
    sniffer.stream.close()
    return why
