"""Live captures: 500 enrollments in a minute between a real client and server, and the memory of an hour. Prints Markdown tables.

`make bench-live` runs it, as root (network namespaces), with Debian's scep, tshark (dumpcap) and iproute2.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.traffic import Traffic, write

ROOT = Path(__file__).parent.parent
NAMESPACE, SERVER = "scep-bench-live", "192.0.2.1"
ENROLLMENTS, MINUTE = int(os.environ.get("ENROLLMENTS", "500")), 60.0
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}


def inside(*command: str) -> list[str]:
    return ["ip", "netns", "exec", NAMESPACE, *command]


def enroll_all(folder: Path) -> None:
    """Real clients, two at a time, spread over a minute; they share a key, because making keys would take longer than enrolling."""
    subprocess.run(
        ["openssl", "genrsa", "-traditional", "-out", "client.key", "2048"], cwd=folder, check=True, capture_output=True
    )
    started = time.monotonic()
    running: list[subprocess.Popen[bytes]] = []
    for at in range(ENROLLMENTS):
        home = folder / f"client-{at}"
        home.mkdir()
        shutil.copy(folder / "client.key", home)
        time.sleep(max(0.0, started + at * MINUTE / ENROLLMENTS - time.monotonic()))
        files = ("-private-key", "client.key", "-certificate", "client.pem")
        command = [
            "scepclient",
            "-server-url",
            f"http://{SERVER}:8080/scep",
            "-challenge",
            "secret",
            "-cn",
            f"device-{at}",
            *files,
        ]
        running.append(
            subprocess.Popen(inside(*command), cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        )
        while sum(each.poll() is None for each in running[-8:]) > 4:
            time.sleep(0.01)
    for each in running:
        each.wait()


def real() -> None:
    folder = Path(tempfile.mkdtemp(prefix="scep-bench-"))
    subprocess.run(["ip", "netns", "add", NAMESPACE], check=True)
    try:
        for words in (f"addr add {SERVER}/24 dev lo", "link set lo up"):
            subprocess.run(["ip", "-n", NAMESPACE, *words.split()], check=True)
        subprocess.run(["scepserver", "ca", "-init", "-keySize", "2048"], cwd=folder, check=True, capture_output=True)
        options = ["-depot", "depot", "-port", "8080", "-challenge", "secret", "-allowrenew", "0"]
        server = subprocess.Popen(
            inside("scepserver", *options), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        command = [
            sys.executable,
            "-m",
            "scep_analyzer",
            "live",
            "-i",
            "lo",
            "-f",
            "jsonl",
            "-w",
            str(folder / "kept.pcapng"),
        ]
        live = subprocess.Popen(
            inside(*command), env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        time.sleep(2)
        records: list[tuple[float, dict[str, object]]] = []
        assert live.stdout is not None
        lines = live.stdout
        reader = threading.Thread(target=lambda: records.extend((time.time(), json.loads(line)) for line in lines))
        reader.start()
        started = time.monotonic()
        enroll_all(folder)
        taken = time.monotonic() - started
        time.sleep(3)
        memory = peak(live.pid)
        subprocess.run(["pkill", "-INT", "-P", str(live.pid)], check=False)
        live.send_signal(2)
        reader.join()
        server.terminate()
        report(records, taken, memory, len(list((folder / "depot").glob("device-*"))))
    finally:
        subprocess.run(["ip", "netns", "del", NAMESPACE], check=False)
        shutil.rmtree(folder)


def report(records: list[tuple[float, dict[str, object]]], taken: float, memory: int, issued: int) -> None:
    summary = records[-1][1]
    outcomes = summary["outcomes"]
    assert isinstance(outcomes, dict)
    delays = [
        come - datetime.fromisoformat(each["response"]["time"]).timestamp()  # type: ignore[index]
        for come, each in records
        if each["record"] == "exchange" and each["response"]
    ]
    odd = [each["detail"] for each in summary["anomalies"]]  # type: ignore[attr-defined]
    print(
        "| enrollments | in | issued by the server | told as succeeded | exchanges | told after (median, most) | RSS | oddities |"
    )
    print("|---|---|---|---|---|---|---|---|")
    print(
        f"| {ENROLLMENTS} | {taken:.0f} s | {issued} | {outcomes.get('success', 0)} | {summary['exchanges']} | "
        f"{statistics.median(delays) * 1000:.0f} ms, {max(delays) * 1000:.0f} ms | {memory / 1e6:.0f} MB | {odd or 'none'} |\n"
    )


def peak(process: int) -> int:
    """The most memory that a process has had, bytes (Linux)."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


class Hour(Traffic):
    """Enrollments one after another, spread over an hour of capture time."""

    def events(self) -> Iterator[tuple[float, bytes, list[int] | None]]:
        events = list(super().events())
        scale = 3600 / max(each[0] for each in events)
        for seconds, packet, noted in events:
            yield seconds * scale, packet, noted


_WATCH = """
import sys
from pathlib import Path
from scep_analyzer.analysis import Analysis
from scep_analyzer.events import Ended
from scep_analyzer.engines.live import LiveEngine
from scep_analyzer.model.limits import LIVE
def resident():
    return next(int(x.split()[1]) for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmRSS:")) // 1024
ended = 0
for item in Analysis([], LiveEngine(sys.stdin.buffer.raw, "replay"), limits=LIVE).events():
    if isinstance(item, Ended):
        ended += 1
        if ended % 600 == 0:
            print(ended, resident(), flush=True)
print(ended, resident())
"""


def hour() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hour.pcap"
        write(Hour(1, "scep-only", 0, 3600, 0.02), path)
        with path.open("rb") as stream:
            done = subprocess.run(
                [sys.executable, "-c", _WATCH],
                stdin=stream,
                env=ENVIRONMENT,
                capture_output=True,
                text=True,
                check=True,
            )
    print("| transactions ended | RSS, MB |\n|---|---|")
    for line in done.stdout.splitlines():
        print(f"| {' | '.join(line.split())} |")


if __name__ == "__main__":
    if sys.argv[1:] != ["hour"]:
        real()
    hour()
