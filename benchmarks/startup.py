"""Whole-process times: what a user waits for. Prints a Markdown table; nothing is asserted.

Commands take turns (A B C, A B C …) so that a busy moment hits all of them; the medians are shown. Captures given as arguments are
measured too; without any, one of the corpus.
"""

import compileall
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
ROUNDS = 9
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
"""What a user's shell has: a development machine may forbid bytecode files or buffers."""


def as_installed() -> None:
    """Compile the program's modules, as an installation does; a start with stale bytecode takes half a second longer."""
    compileall.compile_dir(ROOT / "scep_analyzer", quiet=1)


class Cost(NamedTuple):
    """Elapsed and processor seconds of a run with its children, the megabytes of its largest process, and its exit code."""

    wall: float
    busy: float
    size: float
    code: int


def cost(command: list[str]) -> Cost:
    """Run a command, its output thrown away."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    return Cost(
        wall=seconds,
        busy=used.ru_utime + used.ru_stime,
        size=used.ru_maxrss / 1024,
        code=process.returncode,
    )


def once(command: list[str]) -> tuple[float, float]:
    """Seconds and megabytes (largest resident size) of one run."""
    done = cost(command)
    return done.wall, done.size


def main() -> None:
    as_installed()
    program = [sys.executable, "-m", "scep_analyzer"]
    commands = {"python -c pass": [sys.executable, "-c", "pass"]}
    commands |= {f"scep-analyzer {word}": [*program, word] for word in ("--version", "--help")}
    for capture in sys.argv[1:] or [str(ROOT / "captures" / "scenarios" / "ndes-get-enrollment.pcap")]:
        name = Path(capture).name
        commands |= {
            f"timeline {name}": [*program, capture],
            f"timeline -f json {name}": [*program, "-f", "json", capture],
        }
        if shutil.which("tshark"):
            commands[f"tshark -V {name}"] = ["tshark", "-n", "-V", "-r", capture]
    times: dict[str, list[float]] = {name: [] for name in commands}
    sizes: dict[str, float] = {}
    for _ in range(ROUNDS):
        for name, command in commands.items():
            seconds, megabytes = once(command)
            times[name].append(seconds)
            sizes[name] = max(sizes.get(name, 0), megabytes)
    base = statistics.median(times["python -c pass"])
    print("| command | median s | x python | RSS MB |\n|---|---:|---:|---:|")
    for name, values in times.items():
        median = statistics.median(values)
        print(f"| `{name}` | {median:.3f} | {median / base:.1f} | {sizes[name]:.0f} |")


if __name__ == "__main__":
    main()
