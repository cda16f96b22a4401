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

ROOT = Path(__file__).parent.parent
ROUNDS = 9
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
"""What a user's shell has: a development machine may forbid bytecode files or buffers."""


def as_installed() -> None:
    """Compile the program's modules, as an installation does; a start with stale bytecode takes half a second longer."""
    compileall.compile_dir(ROOT / "scep_analyzer", quiet=1)


def once(command: list[str]) -> tuple[float, float]:
    """Seconds and megabytes (largest resident size) of one run."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    return time.perf_counter() - start, usage.ru_maxrss / 1024


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
