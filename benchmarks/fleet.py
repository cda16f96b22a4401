"""Many captures into tables: by one thread, by one and two processes, and by a Dask cluster of two workers on this machine, side by side.

`make fleet` builds the captures, starts scheduler and workers from the package, and fails where the tables are not the same by every way,
or where a worker that is killed loses or repeats anything. Captures are the recipes of captures/faults, each with its fault and its near
miss, again and again with another random seed (nonces, content keys, initialization vectors, sequence numbers) and a day later each time:
other bytes, the same names, keys and addresses.
"""

import argparse
import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "captures" / "faults" / "recipes")]
DAY_NS = 86_400_000_000_000


def build(out: Path, count: int) -> int:
    """So many captures; gives how many of them are different."""
    from registry import every
    from wires import Wire
    from world import START, Story, seeded

    faults = list(every())
    digests = set[str]()
    done = 0
    for turn in range(count):
        for fault in faults:
            for near in (False, True):
                if done == count:
                    return len(digests)
                wire = Wire(round(START.timestamp() * 1e9) + turn * DAY_NS)
                fault.recipe(Story(wire, chance=seeded(f"{fault.rule}{near}{turn}")), near)
                kind = "pcap" if wire.secrets is None else "pcapng"
                folder = out / f"day-{turn:04}"
                folder.mkdir(parents=True, exist_ok=True)
                path = folder / f"{fault.rule}{'.near-miss' if near else ''}.{kind}"
                if wire.secrets is None:  # no tshark for each: TLS is measured elsewhere
                    wire.write(path)
                    digests.add(hashlib.sha256(path.read_bytes()).hexdigest())
                    done += 1
    return len(digests)


@contextlib.contextmanager
def cluster(workers: int = 2) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and workers, as `dask scheduler` and `dask worker` start them; the address, and the workers' processes."""
    port = 18_786
    address = f"tcp://127.0.0.1:{port}"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": ROOT}
    dask = [sys.executable, "-m", "dask"]
    scheduler = subprocess.Popen(
        [*dask, "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"], **quiet
    )
    time.sleep(2)
    command = [*dask, "worker", address, "--nthreads", "1", "--no-dashboard", "--death-timeout", "20"]
    started = [subprocess.Popen(command, **quiet) for _ in range(workers)]
    try:
        from distributed import Client

        with Client(address, timeout="30s", set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=60)
        yield address, started
    finally:
        for each in (*started, scheduler):
            with contextlib.suppress(psutil.Error):
                for child in psutil.Process(each.pid).children(recursive=True):
                    with contextlib.suppress(psutil.Error):
                        child.kill()
            each.kill()
            each.wait()


def tree_seconds(pid: int) -> dict[int, float]:
    found = {}
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                times = each.cpu_times()
                found[each.pid] = times.user + times.system
    return found


def run(source: Path, out: Path, *arguments: str, besides: tuple[int, ...] = ()) -> tuple[float, float, int]:
    """Wall and processor seconds, and the most memory that the processes have had together, sampled each quarter of a second."""
    shutil.rmtree(out, ignore_errors=True)
    before = {pid: seconds for each in besides for pid, seconds in tree_seconds(each).items()}
    began = time.monotonic()
    command = [sys.executable, "-m", "scep_analyzer", "fleet", str(source), "-o", str(out), *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    seen: dict[int, float] = {}
    most = 0
    while process.poll() is None:
        memory = 0
        for each in (process.pid, *besides):
            seen |= tree_seconds(each)
            with contextlib.suppress(psutil.Error):
                for one in (psutil.Process(each), *psutil.Process(each).children(recursive=True)):
                    with contextlib.suppress(psutil.Error):
                        memory += one.memory_info().rss
        most = max(most, memory)
        time.sleep(0.25)
    if process.returncode:
        sys.exit(f"{' '.join(command)}: {process.returncode}")
    wall = time.monotonic() - began
    return wall, sum(seconds - before.get(pid, 0.0) for pid, seconds in seen.items()), most


def digest(folder: Path) -> str:
    """All rows of all tables, in any order."""
    from tests.fleet.tables import everything

    return hashlib.sha256(repr(everything(folder)).encode()).hexdigest()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--captures", type=int, default=2_000)
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "fleet")
    options = parser.parse_args()
    source, count = options.folder / f"captures-{options.captures}", options.captures
    if not source.exists():
        print(f"{build(source, count)} different captures of {count} built from the recipes", flush=True)
    size = sum(each.stat().st_size for each in source.rglob("*.pcap*"))
    out = options.folder / "tables"
    digests = {}
    print(f"{count} captures, {size / 1e6:.1f} MB\n")
    print("| way | s | captures/s | CPU ms a capture | MB, all processes |\n|---|---:|---:|---:|---:|")

    def measured(way: str, *arguments: str, besides: tuple[int, ...] = ()) -> None:
        wall, cpu, memory = run(source, out, *arguments, besides=besides)
        digests[way] = digest(out)
        print(f"| {way} | {wall:.1f} | {count / wall:.0f} | {cpu / count * 1e3:.1f} | {memory / 1e6:.0f} |", flush=True)

    measured("in one process (`--scheduler threads --jobs 1`)", "--scheduler", "threads", "--jobs", "1")
    measured("one reader (`--jobs 1`)", "--jobs", "1")
    measured("two readers (`--jobs 2`)", "--jobs", "2")
    tables = sum(each.stat().st_size for each in out.rglob("*.parquet"))
    with cluster() as (address, workers):
        measured("Dask, two workers", "--scheduler", address, besides=tuple(each.pid for each in workers))
    with cluster() as (address, workers):
        command = [sys.executable, "-m", "scep_analyzer", "fleet", str(source), "-o", str(out), "--scheduler", address]
        shutil.rmtree(out)
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        while not list(out.glob("batches/*.json")) and process.poll() is None:
            time.sleep(0.1)
        for each in psutil.Process(workers[0].pid).children(recursive=True):
            each.kill()
        workers[0].kill()
        if process.wait() != 0:
            return 1
        digests["a worker killed"] = digest(out)
    import duckdb

    (enrollments,) = duckdb.execute(
        "SELECT count(*) FROM read_parquet(?) WHERE kind IN ('enrollment', 'renewal')",
        [f"{out}/transactions/*/*.parquet"],
    ).fetchone() or (0,)
    print(f"\ntables: {tables / 1e6:.2f} MB, {enrollments} enrollments, {tables / max(enrollments, 1):.0f} bytes each")
    same = len(set(digests.values())) == 1
    print("the same tables by every way, also where a worker was killed" if same else f"NOT THE SAME: {digests}")
    return 0 if same else 1


if __name__ == "__main__":
    os.environ.setdefault("PYTHONPATH", str(ROOT))
    sys.exit(main())
