"""Live captures: the engine over a pipe that grows, the timeline that grows with it, and real packets between two namespaces."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from scep_analyzer import analyze
from scep_analyzer.analysis import Analysis
from scep_analyzer.capture import interfaces
from scep_analyzer.engines.live import LiveEngine
from scep_analyzer.events import Ended, Odd, Seen
from scep_analyzer.model.exchanges import HttpExchange
from scep_analyzer.model.limits import LIVE
from scep_analyzer.model.scep import Outcome
from scep_analyzer.model.streams import Tick
from scep_analyzer.model.tls import Secrets
from tests.conftest import CAPTURES, ROOT, Result

Program = Callable[..., Result]
CAPTURE = next(path for path in CAPTURES if path.stem == "strongswan-renewal")
TLS13 = ROOT / "captures" / "tls" / "tls13-strongswan.pcap"


def _pipe() -> tuple[IO[bytes], IO[bytes]]:
    reader, writer = os.pipe()
    return os.fdopen(reader, "rb", buffering=0), os.fdopen(writer, "wb", buffering=0)


def _fed(content: bytes, piece: int = 100) -> IO[bytes]:
    """A stream that gives the content in pieces, and ends."""
    reader, writer = _pipe()

    def feed() -> None:
        with writer:
            for at in range(0, len(content), piece):
                writer.write(content[at : at + piece])

    threading.Thread(target=feed, daemon=True).start()
    return reader


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_a_stream_tells_what_its_file_tells(path: Path) -> None:
    kept = io.BytesIO()
    content = path.read_bytes()
    engine = LiveEngine(_fed(content), "veth0", keep=kept.write)
    items = list(Analysis([], engine, limits=LIVE).events())
    whole = analyze(str(path))
    assert [each.exchange.http for each in items if isinstance(each, Seen)] == [each.http for each in whole.exchanges]
    # A live capture does not wait a day for a client to come back, so that outcomes may come in another order.
    assert sorted(each.transaction.outcome.value for each in items if isinstance(each, Ended)) == sorted(
        each.outcome.value for each in whole.transactions
    )
    assert kept.getvalue() == content
    assert [each.packets for each in engine.facts] == [each.packets for each in whole.captures]


def test_an_exchange_is_told_before_the_next_packet_comes_and_its_end_when_time_has_passed() -> None:
    content = CAPTURE.read_bytes()
    reader, writer = _pipe()
    analysis = Analysis([], LiveEngine(reader, "veth0"), limits=LIVE)
    told: Iterator[object] = analysis.events()
    end_of_first = _end_of_frame(content, analyze(str(CAPTURE)).transactions[0].exchanges[-1].http.response)
    writer.write(content[:end_of_first])
    met: list[object] = []
    while not any(isinstance(each, Ended) for each in met):
        met.append(next(told))  # it comes although nothing more is written
    assert [each.transaction.outcome for each in met if isinstance(each, Ended)] == [Outcome.SUCCESS]
    assert sum(isinstance(each, Seen) for each in met) == 3
    writer.write(content[end_of_first:])
    writer.close()
    assert sum(isinstance(each, Ended) for each in told) == 1


def _end_of_frame(content: bytes, message: Any) -> int:
    """Where the record of a message's last frame ends, in a little-endian pcap."""
    at = 24
    for _ in range(message.frames[-1]):
        at += 16 + int.from_bytes(content[at + 8 : at + 12], "little")
    return at


def test_a_full_disk_ends_the_keeping_and_not_the_timeline() -> None:
    def keep(_piece: bytes) -> None:
        raise OSError(28, "No space left on device")

    items = list(Analysis([], LiveEngine(_fed(CAPTURE.read_bytes()), "veth0", keep=keep), limits=LIVE).events())
    assert sum(isinstance(each, Seen) for each in items) == 6
    assert [
        "No space" in each.anomaly.detail
        for each in items
        if isinstance(each, Odd) and each.anomaly.code == "packets-not-kept"
    ] == [True]


def test_time_is_told_while_nothing_comes() -> None:
    reader, writer = _pipe()
    items = LiveEngine(reader, "veth0").exchanges()
    writer.write(CAPTURE.read_bytes()[:24])
    before = time.time_ns()
    tick = next(items)
    assert isinstance(tick, Tick)
    assert before < tick.time_ns <= time.time_ns()
    writer.close()
    assert [each for each in items if isinstance(each, HttpExchange)] == []


@pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark: apt-get install tshark")
def test_tls_is_undone_while_it_comes(tmp_path: Path) -> None:
    keylog = tmp_path / "keys"
    keylog.touch()
    reader, writer = _pipe()
    engine = LiveEngine(reader, "veth0", Secrets(str(keylog)))
    assert engine.name == "builtin+tshark"

    def talk() -> None:
        with writer:
            writer.write(TLS13.read_bytes())
            time.sleep(0.3)  # the client writes its key log after its packets have passed
            keylog.write_bytes(TLS13.with_suffix(".keylog").read_bytes())
            time.sleep(1.2)

    threading.Thread(target=talk, daemon=True).start()
    items = list(Analysis([], engine, limits=LIVE).events())
    assert [(each.exchange.operation, each.exchange.http.tls) for each in items if isinstance(each, Seen)] == [
        ("GetCACert", True),
        ("GetCACaps", True),
        ("PKIOperation", True),
    ]
    assert not [each for each in items if isinstance(each, Odd) and each.anomaly.code == "tls-not-decrypted"]


def test_standard_input_is_told_as_it_comes() -> None:
    """The first exchange is printed while the pipe is still open."""
    content = CAPTURE.read_bytes()
    end = _end_of_frame(content, analyze(str(CAPTURE)).exchanges[0].http.response)
    child = subprocess.Popen(
        [sys.executable, "-m", "scep_analyzer", "timeline", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "COLUMNS": "120"},
    )
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(content[:end])
    child.stdin.flush()
    first = b""
    while b"The client asks" not in first:
        line = child.stdout.readline()
        assert line, "it ended without telling the first exchange"
        first += line
    rest, _ = child.communicate(content[end:])
    whole = (first + rest).decode()
    assert child.returncode == 0
    assert "Transaction 1: Certificate issued" in whole
    assert "Transaction 2: Certificate renewed" in whole
    assert "6 SCEP exchanges in 2 transactions: 2 issued" in whole
    assert "with the certificate that exchange 3 issued, as a renewal is" in " ".join(whole.split())


# -- what capture programs say when they fail, as they said it ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "words", "said"),
    [
        (
            "dumpcap",
            "Capturing on 'nosuch'\ndumpcap: There is no device named \"nosuch\".\n(No such device exists)\n",
            'dumpcap: There is no device named "nosuch"; `scep-analyzer doctor` lists the interfaces',
        ),
        (
            "dumpcap",
            "Capturing on 'Loopback: lo'\ndumpcap: Invalid capture filter \"tcp portt 80\" for interface 'lo'.\n\n"
            "That string isn't a valid capture filter (can't parse filter expression: syntax error).\n",
            "as for tcpdump",
        ),
        (
            "dumpcap",
            "Capturing on 'Loopback: lo'\ndumpcap: You do not have permission to capture on device \"lo\".\n"
            "(socket: Operation not permitted)\nPlease check to make sure you have sufficient permissions.\n",
            "usermod -aG wireshark" if sys.platform.startswith("linux") else "run",
        ),
        (
            "tcpdump",
            "tcpdump: lo: You don't have permission to perform this capture on that device\n(socket: Operation not permitted)\n",
            "setcap" if sys.platform.startswith("linux") else "run",
        ),
        ("tcpdump", "", "exit code 1"),
    ],
)
def test_a_failure_is_one_line_with_what_to_do(program: str, words: str, said: str) -> None:
    line = interfaces.in_one_line(program, words, 1)
    assert line.count("\n") == 0
    assert line.startswith(f"{program}: ")
    assert said in line


def test_mistakes(scep_analyzer: Program, tmp_path: Path) -> None:
    there = tmp_path / "there.pcapng"
    there.touch()
    for arguments, said in (
        (["live"], "--interface"),
        (["live", "-i", "lo", "--duration", "0"], "no time"),
        (["live", "-i", "lo", "--stop-after", "none"], "1 or more"),
        (["live", "-i", "lo", "-w", there], "--force"),
        (["live", "-i", "lo", "-w", tmp_path / "no" / "where"], "cannot be written"),
        (["live", "-i", "lo", "--keylog", tmp_path / "no" / "keys"], "cannot be made"),
    ):
        result = scep_analyzer(*arguments)
        assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
        assert said in result.err


@pytest.mark.skipif(shutil.which("dumpcap") is None, reason="needs dumpcap: apt-get install tshark")
def test_an_interface_that_is_not_there(scep_analyzer: Program) -> None:
    result = scep_analyzer("live", "-i", "nosuch0", "--duration", "5")
    assert (result.code, result.out) == (2, "")
    # Who may not capture is told so before anything is said of the interface.
    assert any(word in result.err.splitlines()[-1] for word in ("doctor", "sudo"))


# -- real packets ----------------------------------------------------------------------------------------------------------------

SERVER = "192.0.2.1"
NEEDED = ("ip", "scepserver", "scepclient")


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Lab:
    """A SCEP server in a namespace of its own."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder

    def inside(self, *command: str) -> list[str]:
        return ["ip", "netns", "exec", self.name, *command]

    def live(self, *arguments: object, path: str | None = None) -> "subprocess.Popen[str]":
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "COLUMNS": "120"}
        command = [sys.executable, "-m", "scep_analyzer", "live", *map(str, arguments)]
        if path is not None:
            command = [shutil.which("env") or "env", f"PATH={path}", *command]
        child = subprocess.Popen(
            self.inside(*command),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        assert child.stderr is not None
        first = child.stderr.readline()
        assert "capturing on" in first, first
        time.sleep(1.5 if "scapy" in first else 0.7)
        return child

    def enroll(self, name: str, challenge: str = "secret") -> None:
        files = ("-private-key", "client.key", "-certificate", "client.pem")
        (self.folder / name).mkdir()
        command = (
            "scepclient",
            "-server-url",
            f"http://{SERVER}:8080/scep",
            "-challenge",
            challenge,
            "-cn",
            name,
            *files,
        )
        subprocess.run(self.inside(*command), cwd=self.folder / name, check=False, capture_output=True, timeout=30)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    missing = [each for each in NEEDED if shutil.which(each) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: apt-get install iproute2 scep")
    name, folder = f"scep-live-{os.getpid()}", tmp_path_factory.mktemp("lab")
    try:
        _ip("netns", "add", name)
    except subprocess.CalledProcessError:
        pytest.skip("needs network namespaces: run as root")
    server = None
    try:
        _ip("-n", name, "link", "set", "lo", "up")
        _ip("-n", name, "addr", "add", f"{SERVER}/24", "dev", "lo")
        subprocess.run(["scepserver", "ca", "-init", "-keySize", "2048"], cwd=folder, check=True, capture_output=True)
        options = ["-depot", "depot", "-port", "8080", "-challenge", "secret", "-allowrenew", "0"]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                ["ip", "netns", "exec", name, "scepserver", *options], cwd=folder, stdout=log, stderr=log
            )
        for _ in range(100):
            if b"listening" in (folder / "log").read_bytes():
                break
            time.sleep(0.05)
        yield Lab(name, folder)
    finally:
        if server is not None:
            server.terminate()
            server.wait()
        _ip("netns", "del", name)


def test_enrollments_are_told_while_they_happen_and_the_packets_kept(lab: Lab, tmp_path: Path) -> None:
    kept = tmp_path / "kept.pcapng"
    child = lab.live("-i", "lo", "-w", kept, "--stop-after", "2")
    lab.enroll("device-1")
    lab.enroll("device-2", challenge="wrong")
    out, err = child.communicate(timeout=30)
    assert (child.returncode, err) == (0, "")
    assert "Transaction 1: Certificate issued" in out
    assert "CN=device-1" in out
    assert "Transaction 2: Enrollment refused" in out
    assert "Root cause: " in out
    whole = analyze(str(kept))
    assert [each.outcome for each in whole.transactions] == [Outcome.SUCCESS, Outcome.FAILURE]
    assert f"{len(whole.exchanges)} SCEP exchanges in 2 transactions" in out


def test_ctrl_c_ends_with_the_summary(lab: Lab) -> None:
    child = lab.live("-i", "lo", "-f", "jsonl", "--filter", "tcp port 8080")
    lab.enroll("device-3")
    time.sleep(0.3)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=30)
    assert (child.returncode, err) == (0, "")
    records = [json.loads(line) for line in out.splitlines()]
    assert [each["operation"] for each in records if each["record"] == "exchange"] == [
        "GetCACert",
        "GetCACaps",
        "PKIOperation",
    ]
    assert records[-1]["record"] == "summary"
    assert records[-1]["outcomes"] == {"success": 1}


@pytest.mark.parametrize("program", ["tcpdump", "scapy"])
def test_without_dumpcap_others_capture(lab: Lab, program: str, tmp_path: Path) -> None:
    if program == "tcpdump":
        if shutil.which("tcpdump") is None:
            pytest.skip("needs tcpdump: apt-get install tcpdump")
        (tmp_path / "tcpdump").symlink_to(shutil.which("tcpdump") or "")
    child = lab.live("-i", "lo", "--duration", "4", "-f", "jsonl", path=str(tmp_path))
    lab.enroll(f"device-{program}")
    out, err = child.communicate(timeout=30)
    assert (child.returncode, err) == (0, "")
    assert json.loads(out.splitlines()[-1])["outcomes"] == {"success": 1}


def test_an_interface_that_vanishes(lab: Lab) -> None:
    _ip("-n", lab.name, "link", "add", "gone0", "type", "veth", "peer", "name", "gone1")
    _ip("-n", lab.name, "link", "set", "gone0", "up")
    child = lab.live("-i", "gone0", "-i", "lo", "-f", "jsonl")
    lab.enroll("device-5")
    time.sleep(0.5)
    _ip("-n", lab.name, "link", "del", "gone0")
    time.sleep(1)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=30)
    assert child.returncode == 0
    assert err.count("\n") <= 1
    assert json.loads(out.splitlines()[-1])["outcomes"] == {"success": 1}
