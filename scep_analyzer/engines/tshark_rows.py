"""Running tshark, and reading what it prints: rows of fields, and the YAML of its "follow" taps.

tshark is run directly and not through pyshark, because of three things found with pyshark 0.6 (docs/design.md has the numbers): a tshark
that is killed looks like the end of the capture, it needs four times as long for a packet, and it does not run on Python 3.14.
"""

import base64
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, NamedTuple

from scep_analyzer.capture.files import STANDARD_INPUT, in_time_order, is_file
from scep_analyzer.model.anomalies import AnalyzerError
from scep_analyzer.model.packets import Endpoint
from scep_analyzer.model.tls import NO_SECRETS, Alert, Secrets

INSTALL = (
    "install it (Debian, Ubuntu: `apt-get install tshark`; Windows, macOS: with Wireshark, and put its folder on PATH)"
)
OLDEST = (4, 0)
_ORDER = ["-n", "-o", "tcp.reassemble_out_of_order:TRUE"]
_NO_HTTP = [word for name in ("http", "http2", "websocket") for word in ("--disable-protocol", name)]
"""Without them the bytes that TLS held stay bytes: a field `data.data` for each record."""
_WANTED = "tls.handshake.type == 1 || tls.handshake.certificate || tls.alert_message.desc || (tls && data) || "
_WANTED += "tcp.analysis.lost_segment || tcp.flags.fin == 1 || tcp.flags.reset == 1"
_FIELDS = (
    "frame.number", "frame.time_epoch", "tcp.stream", "ip.src", "ipv6.src", "ip.dst", "ipv6.dst", "tcp.srcport", "tcp.dstport",
    "tcp.flags", "tcp.analysis.lost_segment", "tls.handshake.type", "tls.alert_message.level", "tls.alert_message.desc",
    "tls.handshake.certificate", "data.data",
)  # fmt: skip
_FIN, _RST = 1, 4
_CLIENT_HELLO = "1"
_PEER = re.compile(r"^  - peer: (\d)$|^    host: (.*)$|^    port: (\d+)$")
_CHUNK = re.compile(r"^  - packet: (\d+)$|^    peer: (\d)$|^    timestamp: ")
_AT_A_TIME = 500
"""Connections followed by one tshark, each an argument of the command line; Windows allows 32,767 characters."""


class Row(NamedTuple):
    """What a frame says of a TLS connection. ``data`` are the contents of the records that end in it, decrypted."""

    frame: int
    time_ns: int
    stream: int
    source: Endpoint
    destination: Endpoint
    hello: bool
    """It holds a ClientHello."""
    lost: bool
    """Bytes of its sender before it are not in the capture, or come later."""
    ended: str | None
    """fin or rst."""
    alerts: tuple[Alert, ...]
    certificates: tuple[bytes, ...]
    data: tuple[bytes, ...]


class Stream(NamedTuple):
    """A TCP connection: Wireshark's number, its ends, its first frame with bytes."""

    number: int
    client: Endpoint
    server: Endpoint
    frame: int


class Chunk(NamedTuple):
    """Bytes that one side sent, in order."""

    frame: int
    from_client: bool
    content: bytes


class StoppedError(Exception):
    """tshark ended before its work; the text says how."""


def tshark_path() -> str | None:
    """Where tshark is, None where it is not."""
    return shutil.which("tshark")


def version_of(path: str) -> tuple[tuple[int, int] | None, str]:
    """The version, and the line that tells it. A process asks once: tshark takes longer to begin than many captures to read."""
    try:
        changed = Path(path).stat().st_mtime_ns
    except OSError as error:
        return None, f"it does not run ({type(error).__name__})"
    return _version_of(path, changed)


@cache
def _version_of(path: str, _changed: int) -> tuple[tuple[int, int] | None, str]:
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30, check=True, errors="replace")  # noqa: S603  # the program found on PATH  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        return None, f"it does not run ({type(error).__name__})"
    line = (done.stdout.splitlines() or ["nothing"])[0][:80]
    found = re.search(r"\b[Tt][Ss]hark\b.*?(\d+)\.(\d+)", line)
    return ((int(found[1]), int(found[2])) if found else None), line


def usable() -> str:
    """The path of a tshark that is new enough; AnalyzerError says what to install."""
    path = tshark_path()
    if path is None:
        raise AnalyzerError(f"tshark is needed and is not here; {INSTALL}")
    version, line = version_of(path)
    if version is None:
        raise AnalyzerError(f"{path} is no tshark that can be used ({line}); {INSTALL}")
    if version < OLDEST:
        raise AnalyzerError(f"{path} is too old ({line}): 4.0 or newer is needed; {INSTALL}")
    return path


@contextmanager
def one_file(paths: list[str]) -> Iterator[str]:
    """The file that tshark reads: several are joined in time order, frames numbered on, as the builtin engine does."""
    files = in_time_order(paths)
    if len(files) == 1:
        yield files[0]
        return
    mergecap = shutil.which("mergecap")
    if mergecap is None:
        raise AnalyzerError(
            "tshark reads one file, and mergecap, which would join these, is not here; it comes with Wireshark"
        )
    with tempfile.TemporaryDirectory() as folder:
        joined = str(Path(folder) / "joined.pcapng")
        files = [f"./{each}" if each.startswith("-") else each for each in files]  # names, not options
        done = subprocess.run([mergecap, "-a", "-w", joined, *files], capture_output=True, check=False)  # noqa: S603  # the program found on PATH
        if done.returncode:
            raise AnalyzerError(f"mergecap cannot join the files ({_last_line(done.stderr)}); read them one by one")
        yield joined


def refuse_pipes(files: list[str]) -> None:
    """Tshark reads the capture beside us: what comes by once cannot be shared."""
    if any(each == STANDARD_INPUT or not is_file(each) for each in files):
        raise AnalyzerError("for this tshark has to read the capture too: save standard input to a file first")


def rows(command: list[str]) -> Iterator[Row]:
    """Rows of a tshark as it prints them; StoppedError where it ended too early."""
    return rows_of(started(command))


class Running(NamedTuple):
    """A tshark that runs, and the file into which it complains."""

    child: subprocess.Popen[bytes]
    said: IO[bytes]


def started(command: list[str], feed: int = subprocess.DEVNULL) -> Running:
    """Start a tshark, in a session of its own: Ctrl-C is for us."""
    said = tempfile.TemporaryFile()  # noqa: SIM115  # closed by rows_of
    try:
        child = subprocess.Popen(command, stdin=feed, stdout=subprocess.PIPE, stderr=said, start_new_session=os.name != "nt")  # noqa: S603  # the program found on PATH, options of ours  # fmt: skip
    except BaseException:
        said.close()
        raise
    return Running(child, said)


def rows_of(running: Running) -> Iterator[Row]:
    """Rows of a tshark that runs; it is ended when nobody wants more of them."""
    stdout = running.child.stdout
    assert stdout is not None  # noqa: S101  # a pipe was asked for
    whole = False
    try:
        for line in stdout:
            row = row_of(line.decode("latin-1"))
            if row is not None:
                yield row
        whole = True
    finally:
        ended(running, whole=whole)


def ended(running: Running, *, whole: bool) -> None:
    """Wait for the end of a tshark whose output has been read, ``whole`` or as far as it was wanted; StoppedError if it was too early."""
    child, said = running
    assert child.stdout is not None  # noqa: S101  # a pipe was asked for
    if not whole:
        child.kill()
    child.stdout.close()
    code = child.wait()
    said.seek(0)
    words = said.read(65_536)
    said.close()
    # A capture that is cut ends with 2 after all that could be read; the builtin engine tells of the cut.
    if whole and (code < 0 or (code and b"cut short" not in words and b"appears to be damaged" not in words)):
        raise StoppedError(f"killed by signal {-code}" if code < 0 else _complaint(words) or f"exit code {code}")


def tls_command(tshark: str, path: str, secrets: Secrets) -> list[str]:
    """The command that prints the rows of TLS connections."""
    fields = [word for each in _FIELDS for word in ("-e", each)]
    return [
        tshark, "-r", path, "-l", *_ORDER, *_options(secrets), *_NO_HTTP, "-Y", _WANTED,
        "-T", "fields", "-E", "separator=/t", "-E", "occurrence=a", "-E", "aggregator=;", *fields,
    ]  # fmt: skip


def _options(secrets: Secrets) -> list[str]:
    found = ["-o", f"tls.keylog_file:{secrets.keylog}"] if secrets.keylog is not None else []
    for each in secrets.rsa_keys:
        found += ["-o", f'uat:rsa_keys:"{Path(each).as_posix()}",""']
    return found


def row_of(line: str) -> Row | None:
    """One line of fields, which occur as often as the frame holds them; None where it is not of TCP.

    StoppedError where it is no row: whatever printed it is not a tshark that can be used.
    """
    cells = line.rstrip("\r\n").split("\t")
    if len(cells) != len(_FIELDS):
        raise StoppedError(f"it printed {line.strip()[:60]!r}")
    if not cells[2]:
        return None
    frame, time, stream, *ends, flags, lost, kinds, levels, codes, certificates, data = cells
    try:
        # In a tunnel the last ones are the innermost.
        source, destination = (
            Endpoint(_last(each[0]) or _last(each[1]), int(_last(each[2])))
            for each in ((ends[0], ends[1], ends[4]), (ends[2], ends[3], ends[5]))
        )
        bits = int(_last(flags), 16)
        alerts = zip(_all(levels), _all(codes), strict=False)
        return Row(
            frame=int(frame),
            time_ns=_nanoseconds(time),
            stream=int(_last(stream)),
            source=source,
            destination=destination,
            hello=_CLIENT_HELLO in _all(kinds),
            lost=bool(lost),
            ended="rst" if bits & _RST else "fin" if bits & _FIN else None,
            alerts=tuple(Alert(int(frame), True, level == "2", int(code)) for level, code in alerts),
            certificates=tuple(map(bytes.fromhex, _all(certificates))),
            data=tuple(map(bytes.fromhex, _all(data))),
        )
    except ValueError as error:
        raise StoppedError(f"it printed {line.strip()[:60]!r}") from error


def _all(cell: str) -> list[str]:
    return [each.replace(":", "") for each in cell.split(";")] if cell else []


def _last(cell: str) -> str:
    return cell.rpartition(";")[2]


def _nanoseconds(seconds: str) -> int:
    whole, _, fraction = seconds.partition(".")
    return int(whole) * 1_000_000_000 + int(fraction.ljust(9, "0")[:9] or "0")


def streams(tshark: str, path: str) -> tuple[list[Stream], dict[int, int]]:
    """The TCP connections that carry bytes, and the times of the frames that do (nanoseconds)."""
    found: dict[int, Stream] = {}
    times: dict[int, int] = {}
    command = tls_command(tshark, path, NO_SECRETS)
    command[command.index(_WANTED)] = "tcp.len > 0"
    for row in rows(command):
        times[row.frame] = row.time_ns
        found.setdefault(row.stream, Stream(row.stream, row.source, row.destination, row.frame))
    return list(found.values()), times


def followed(tshark: str, path: str, wanted: list[Stream]) -> Iterator[tuple[Stream, list[Chunk]]]:
    """What was said on each connection in the clear, as tshark puts it in order."""
    for at in range(0, len(wanted), _AT_A_TIME):
        group = wanted[at : at + _AT_A_TIME]
        taps = [part for each in group for part in ("-z", f"follow,tcp,yaml,{each.number}")]
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as told:
            done = subprocess.run([tshark, "-r", path, "-q", *_ORDER, *taps], stdout=told, stderr=subprocess.PIPE, check=False)  # noqa: S603  # the program found on PATH, options of ours  # fmt: skip
            told.seek(0)
            count = 0
            for section in _sections(told):
                count += 1
                found = of_stream(section, group)
                if found is not None:
                    yield found
        if count < len(group):
            raise StoppedError(_last_line(done.stderr) or f"exit code {done.returncode}")


def _sections(lines: Iterable[str]) -> Iterator[list[str]]:
    section: list[str] | None = None
    for line in lines:
        if line == "peers:\n":
            if section is not None:
                yield section
            section = []
        elif section is not None:
            section.append(line.rstrip("\n"))
    if section is not None:
        yield section


def of_stream(section: list[str], streams: list[Stream]) -> tuple[Stream, list[Chunk]] | None:
    """Read the YAML of a follow tap, which does not name its connection: it is the one of that client that had begun by then."""
    peer, chunks = _section(section)
    if not chunks:
        return None
    fitting = [each for each in streams if peer in (each.client, each.server) and each.frame <= chunks[0].frame]
    if not fitting:
        return None
    stream = max(fitting, key=lambda each: each.frame)
    if peer != stream.client:
        chunks = [each._replace(from_client=not each.from_client) for each in chunks]
    return stream, chunks


def _section(lines: list[str]) -> tuple[Endpoint | None, list[Chunk]]:
    """Peer 0 and what both said."""
    host, port, peer = "", 0, -1
    chunks: list[Chunk] = []
    frame, side = 0, 0
    data: list[str] | None = None

    def ended() -> None:
        if data:
            chunks.append(Chunk(frame, side == 0, base64.b64decode("".join(data))))

    for line in lines:
        if data is not None and line.startswith("      "):
            data.append(line.strip())
        elif found := _CHUNK.match(line):
            if found[1]:
                ended()
                data, frame = None, int(found[1])
            elif found[2]:
                side = int(found[2])
        elif line.startswith("    data:"):
            data = []
        elif found := _PEER.match(line):
            if found[1]:
                peer = int(found[1])
            elif peer == 0 and found[2] is not None:
                host = found[2].strip()
            elif peer == 0 and found[3]:
                port = int(found[3])
    ended()
    return (Endpoint(host, port) if host else None), chunks


def _complaint(said: bytes) -> str:
    """What tshark says in its own name, which may be followed by the place it is about; else its last line."""
    lines = said.decode("utf-8", "replace").splitlines()
    own = next((each.removeprefix("tshark: ").strip() for each in lines if each.startswith("tshark: ")), "")
    return own[:160].rstrip(".") or _last_line(said)


def _last_line(said: bytes) -> str:
    lines = [each.strip() for each in said.decode("utf-8", "replace").splitlines()]
    return next((each[:160] for each in reversed(lines) if each and not each.startswith("Running as user")), "")
