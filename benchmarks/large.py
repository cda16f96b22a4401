"""Large captures, side by side with tshark in the same run; checks that what is found is what is hidden. Prints Markdown tables.

``make bench`` runs it; ROUNDS (5) and SCALE (1.0, of the sizes) can be set in the environment. Captures are made once in build/bench
and kept. tshark is set up to find them all: out-of-order reassembly, HTTP on every port; it decodes no message.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks import traffic
from benchmarks.startup import as_installed, once
from tests.builders import wire

ROUNDS = int(os.environ.get("ROUNDS", "5"))
SCALE = float(os.environ.get("SCALE", "1"))
FOLDER = Path(__file__).parent.parent / "build" / "bench"
PROGRAM = [sys.executable, "-m", "scep_analyzer", "timeline", "-f", "jsonl"]
TSHARK = ["tshark", "-n", "-o", "tcp.reassemble_out_of_order:TRUE", "-d", "tcp.port==1-65535,http"]
TSHARK += ["-Y", "http.request", "-T", "fields", "-e", "http.request.uri", "-r"]

# Name: mix, megabytes, enrollments, and how it is written.
CAPTURES: dict[str, tuple[str, int, int, dict[str, object]]] = {
    "enterprise, 1 GB": ("enterprise", 1000, 620, {}),
    "http-heavy, 256 MB": ("http-heavy", 256, 160, {}),
    "pcapng, 256 MB": ("enterprise", 256, 160, {"format": "pcapng"}),
    "VLAN, 256 MB": ("enterprise", 256, 160, {"link": "vlan"}),
    "SLL2, 256 MB": ("enterprise", 256, 160, {"link": "sll2"}),
    "enterprise, 50 MB": ("enterprise", 50, 60, {}),
    "harmed, 64 MB": ("enterprise", 64, 400, {"harm": 0.05}),
    "SCEP only, 41 MB": ("scep-only", 0, 3464, {}),
}


def made(name: str) -> tuple[Path, Path]:
    """The capture of this name and its truth, written where they are not there yet."""
    mix, megabytes, enrollments, how = CAPTURES[name]
    stem = f"{name.replace(',', '').replace(' ', '-')}-{SCALE:g}-{traffic.GENERATION}"
    path, truth = FOLDER / f"{stem}.pcap", FOLDER / f"{stem}.truth"
    if not truth.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        # In a process of its own: what this one holds would count as the memory of what it starts.
        options = [f"--{key}={value}" for key, value in how.items()]
        sizes = [f"--mix={mix}", f"--size={megabytes * SCALE}", f"--enrollments={int(enrollments * SCALE)}"]
        command = [sys.executable, traffic.__file__, str(path), *sizes, *options]
        truth.write_bytes(subprocess.run(command, capture_output=True, check=True).stdout)
    return path, truth


def check(path: Path, truth: Path) -> str:
    """Found, false, and with wrong frames, held against the truth."""
    found = {}
    # Line by line: what this process has held at its most counts as the memory of what it starts next.
    child = subprocess.Popen([*PROGRAM, str(path)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    for each in map(json.loads, child.stdout):
        if each["record"] == "exchange":
            answer = each["response"] or {"frames": []}
            key = (each["operation"], each["client"]["address"], each["client"]["port"])
            found[key] = (each["request"]["frames"], answer["frames"])
    child.wait()
    hidden = {}
    for line in truth.read_text().splitlines():
        each = json.loads(line)
        address = wire.ipaddress.ip_address(each["client"]).compressed
        hidden[each["operation"], address, each["port"]] = (each["request"], each["response"])
    missed, false = hidden.keys() - found.keys(), found.keys() - hidden.keys()
    wrong = [
        key for key in hidden.keys() & found.keys() if tuple(map(sorted, found[key])) != tuple(map(sorted, hidden[key]))
    ]
    return f"{len(hidden) - len(missed)}/{len(hidden)}, {len(false)} false, {len(wrong)} with other frames"


def walk(path: Path) -> float:
    """Seconds of a bare walk over the records' lengths, the floor of any pass in Python; pcap only."""
    import struct

    unpack = struct.Struct("<I").unpack_from
    buffer = bytearray(1 << 20)
    view = memoryview(buffer)
    start = time.perf_counter()
    with path.open("rb", buffering=0) as stream:
        left, at = 0, 24
        while count := stream.readinto(view[left:]):
            stop = left + count
            while at + 16 <= stop:
                end = at + 16 + unpack(buffer, at + 8)[0]
                if end > stop:
                    break
                at = end
            view[: stop - at] = view[at:stop]
            left, at = stop - at, 0
    return time.perf_counter() - start


def floods() -> None:
    """Memory where tables fill up: a million SYNs, a hundred thousand open connections, a body that never ends."""

    def syns(stream: object) -> None:
        for at in range(int(1_000_000 * SCALE)):
            syn = wire.tcp(1024 + at % 60_000, 80, at, 0, wire.SYN)
            write(stream, wire.ip(f"10.{at // 60_000}.0.1", "198.51.100.1", 6, syn))

    def connections(stream: object) -> None:
        for at in range(int(100_000 * SCALE)):
            head = b"GET /scep?operation=GetCACaps HTTP/1.1\r\n"
            write(
                stream,
                wire.ip(
                    f"10.{at // 60_000}.0.1", "198.51.100.1", 6, wire.tcp(1024 + at % 60_000, 80, 1, 1, wire.ACK, head)
                ),
            )

    def endless(stream: object) -> None:
        head = b"POST /scep?operation=PKIOperation HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n"
        at = 1
        for content in (head, *[bytes(60_000)] * int(5_000 * SCALE)):
            write(stream, wire.ip("10.0.0.1", "198.51.100.1", 6, wire.tcp(1024, 80, at, 1, wire.ACK, content)))
            at += len(content)

    def write(stream: object, packet: bytes) -> None:
        traffic._record(stream, "pcap", 0.0, wire.ethernet(packet))  # type: ignore[arg-type]

    print("\n| flood | s | RSS MB |\n|---|---:|---:|")
    kinds = {
        "1 M distinct SYNs": syns,
        "100,000 open SCEP connections": connections,
        "a body of 300 MB that never ends": endless,
    }
    for name, fill in kinds.items():
        path = FOLDER / "flood.pcap"
        with path.open("wb") as stream:
            traffic._begin(stream, "pcap", 1)
            filler: Callable[[object], None] = fill
            filler(stream)
        seconds, megabytes = once([*PROGRAM, str(path)])
        print(f"| {name} | {seconds:.1f} | {megabytes:.0f} |", flush=True)
        path.unlink()


def main() -> None:
    as_installed()
    wanted = sys.argv[1:] or list(CAPTURES)
    print(
        "| capture | MB | s | tshark s | times as fast | RSS MB | x bare walk | found |\n|---|---:|---:|---:|---:|---:|---:|---|"
    )
    for name in wanted:
        path, truth = made(name)
        ours: list[float] = []
        theirs: list[float] = []
        walks: list[float] = []
        size = 0.0
        for _ in range(ROUNDS):
            seconds, megabytes = once([*PROGRAM, str(path)])
            ours.append(seconds)
            size = max(size, megabytes)
            walks.append(walk(path) if "pcapng" not in name else 0.0)
            if shutil.which("tshark"):
                theirs.append(once([*TSHARK, str(path)])[0])
        mine, other = statistics.median(ours), statistics.median(theirs) if theirs else 0.0
        ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=True)) if theirs else 0.0
        bare = f"{mine / statistics.median(walks):.1f}" if all(walks) else "-"
        print(
            f"| {name} | {path.stat().st_size / 1e6:,.0f} | {mine:.2f} | {other:.2f} | {ratio:.1f} | {size:.0f} | {bare} "
            f"| {check(path, truth)} |",
            flush=True,
        )
    if not sys.argv[1:]:
        floods()


if __name__ == "__main__":
    main()
