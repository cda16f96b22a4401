"""What the project promises of speed, in one table, side by side with tshark in the same run. Prints Markdown; nothing is asserted.

``make bench`` runs it; ROUNDS (5) can be set in the environment. Commands take turns, so that a busy moment hits all of them; every
figure is a median, every ratio the median of the ratios of runs that followed each other. CPU seconds are those of a process and its
children, user and system. Captures are those of ``benchmarks/large.py``, and one of the corpus.
"""

import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.large import CAPTURES, TSHARK, made
from benchmarks.startup import ROOT, Cost, as_installed, cost

ROUNDS = int(os.environ.get("ROUNDS", "5"))
PROGRAM = [sys.executable, "-m", "scep_analyzer", "timeline"]
SMALL = ROOT / "captures" / "scenarios" / "ndes-get-enrollment.pcap"
_FILES = 200
"""Small captures in the folder that ``--jobs`` reads: what one more costs, not what the start costs."""


def succeeding(command: list[str]) -> Cost:
    """The cost of a command that must succeed."""
    done = cost(command)
    if done.code:
        raise SystemExit(f"{' '.join(command)} ended with {done.code}")
    return done


def turns(*commands: list[str]) -> list[list[Cost]]:
    """The costs of each command, the commands taking turns."""
    rounds = [[succeeding(each) for each in commands] for _ in range(ROUNDS)]
    return [list(each) for each in zip(*rounds, strict=True)]


def ratio(above: list[Cost], below: list[Cost], of: str) -> float:
    """The median of the ratios of runs that followed each other."""
    return statistics.median(getattr(a, of) / getattr(b, of) for a, b in zip(above, below, strict=True))


def told(costs: list[Cost]) -> str:
    """Seconds for people: elapsed, and of the processors."""
    return f"{statistics.median(each.wall for each in costs):.2f} s, CPU {statistics.median(each.busy for each in costs):.2f}"


def peak(costs: list[Cost]) -> float:
    """The largest of all runs, in megabytes."""
    return max(each.size for each in costs)


def row(what: str, value: str, must: str, moonshot: str, seen: str) -> None:
    """Print a line of the table."""
    print(f"| {what} | {value} | {must} | {moonshot} | {seen} |", flush=True)


def large(name: str, what: str, must: str, moonshot: str) -> list[Cost]:
    """How many times as fast as tshark JSON Lines of a large capture are."""
    path = str(made(name)[0])
    ours, theirs = turns([*PROGRAM, "-f", "jsonl", path], [*TSHARK, path])
    row(what, f"{ratio(theirs, ours, 'wall'):.1f}", must, moonshot, f"{told(ours)}; tshark {told(theirs)}")
    return ours


def jobs() -> float:
    """CPU milliseconds of one small capture more under ``--jobs 2``."""
    with tempfile.TemporaryDirectory() as folder:
        few, many = Path(folder, "few"), Path(folder, "many")
        for where, number in ((few, 2), (many, 2 + _FILES)):
            where.mkdir()
            for at in range(number):
                (where / f"{at:04}.pcap").write_bytes(SMALL.read_bytes())
        command = [*PROGRAM, "-f", "jsonl", "--jobs", "2"]
        begins, whole = turns([*command, str(few)], [*command, str(many)])
    return statistics.median((b.busy - a.busy) / _FILES * 1000 for a, b in zip(begins, whole, strict=True))


def main() -> None:
    as_installed()
    wanted: dict[str, Callable[[], None]] = {
        "large": _large,
        "dense": _dense,
        "everyday": _everyday,
    }
    print("| measure | value | must | moonshot | medians |\n|---|---:|---:|---:|---|")
    for each in sys.argv[1:] or wanted:
        wanted[each]()


def _large() -> None:
    ours = large("enterprise, 1 GB", "1 GB of mixed traffic, JSON Lines: wall, times as fast as tshark", "20", "35")
    row("1 GB, peak memory, MB", f"{peak(ours):.0f}", "53", "45", "the larger of two processes")
    large("pcapng, 256 MB", "256 MB of mixed traffic, the same", "12", "20")


def _dense() -> None:
    name = next(each for each in CAPTURES if each.startswith("SCEP only"))
    path = str(made(name)[0])
    jsonl, text, json, theirs = turns(
        [*PROGRAM, "-f", "jsonl", path], [*PROGRAM, path], [*PROGRAM, "-f", "json", path], [*TSHARK, path]
    )
    row(
        f"{name}, JSON Lines: wall, times as fast as tshark",
        f"{ratio(theirs, jsonl, 'wall'):.1f}",
        "1.2",
        "3",
        f"{told(jsonl)}; tshark {told(theirs)}",
    )
    row(f"{name}, text: CPU, times JSON Lines", f"{ratio(text, jsonl, 'busy'):.2f}", "1.5", "1.2", told(text))
    row(f"{name}, `-f json`: peak memory, MB", f"{peak(json):.0f}", "150", "100", told(json))


def _everyday() -> None:
    path = str(made("enterprise, 50 MB")[0])
    text, theirs = turns([*PROGRAM, path], [*TSHARK, path])
    row(
        "50 MB of mixed traffic, text: CPU, times tshark",
        f"{ratio(text, theirs, 'busy'):.2f}",
        "0.4",
        "0.3",
        f"{told(text)}; tshark {told(theirs)}",
    )
    text, verbose = turns([*PROGRAM, str(SMALL)], ["tshark", "-n", "-V", "-r", str(SMALL)])
    row(
        f"{SMALL.name}, text: CPU, times `tshark -V`",
        f"{ratio(text, verbose, 'busy'):.2f}",
        "0.75",
        "0.5",
        f"{told(text)}; tshark {told(verbose)}",
    )
    row("a small capture under `--jobs`, CPU ms", f"{jobs():.1f}", "3.0", "2.0", f"one more of {_FILES}")


if __name__ == "__main__":
    main()
