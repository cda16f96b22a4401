"""Runs the program on an input in a process of its own, and measures what that costs.

``python -m tests.hostile.measure FOLDER`` prints a table of all inputs of a folder with every command that reads them.
"""

import compileall
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

PROGRAM = (sys.executable, "-m", "scep_analyzer")
_SAMPLED_EACH = 0.01


class Cost(NamedTuple):
    """What a run cost and gave: elapsed and processor seconds (children apart), and the largest memory in bytes, tshark's apart."""

    seconds: float
    busy: float
    peak: int
    code: int
    output: bytes
    errors: bytes

    @property
    def traceback(self) -> bool:
        """Whether the program ended with one."""
        return b"Traceback" in self.errors


def run(*arguments: str, cap: float = 20.0, cwd: Path | None = None, env: dict[str, str] | None = None) -> Cost:
    """Run the program; ``code`` is -9 where it was killed after ``cap`` seconds."""
    began = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            [*PROGRAM, *arguments], stdout=out, stderr=err, stdin=subprocess.DEVNULL, cwd=cwd, env=env
        )
        ended = threading.Event()
        peaks = [0, 0.0]
        sampler = threading.Thread(target=_sample, args=(process.pid, ended, peaks))
        sampler.start()
        killer = threading.Timer(cap, process.kill)
        killer.start()
        _, status, used = os.wait4(process.pid, 0)
        killer.cancel()
        process.returncode = code = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - began
        ended.set()
        sampler.join()
        out.seek(0)
        err.seek(0)
        return Cost(
            seconds=seconds,
            busy=peaks[1] or used.ru_utime + used.ru_stime,
            peak=int(peaks[0]),
            code=code,
            output=out.read(),
            errors=err.read(),
        )


def _sample(pid: int, ended: threading.Event, peaks: list[float]) -> None:
    while not ended.wait(_SAMPLED_EACH):
        resident, busy = _used(pid)
        peaks[0], peaks[1] = max(peaks[0], resident), max(peaks[1], busy)


def _used(pid: int, *, child: bool = False) -> tuple[float, float]:
    """The most memory that a process and its children held, in bytes, and their seconds; other programs (tshark, dumpcap) apart.

    Of a child the pages that are a file's are left out: the interpreter and its libraries are in memory once for both.
    """
    total = busy = 0.0
    try:
        process = Path(f"/proc/{pid}")
        if process.joinpath("comm").read_text(encoding="ascii").startswith("python"):
            status = process.joinpath("status").read_text(encoding="ascii", errors="replace")
            total = 1024 * _kilobytes(status, "VmHWM")
            total -= 1024 * _kilobytes(status, "RssFile") if child else 0
            fields = process.joinpath("stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
            busy = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        for task in (process / "task").iterdir():
            for each in (task / "children").read_text(encoding="ascii").split():
                more, longer = _used(int(each), child=True)
                total, busy = total + more, busy + longer
    except (OSError, ValueError, IndexError):
        pass  # it has just ended
    return total, busy


def _kilobytes(status: str, field: str) -> int:
    return int(status.partition(f"{field}:")[2].split()[0])


def commands(path: Path, folder: Path) -> list[tuple[str, ...]]:
    """Every command that reads an input of this kind."""
    name = str(path)
    if path.suffix in (".txt", ".der"):
        return [("decode", name), ("decode", name, "--bytes")]
    return [
        (name,),
        ("timeline", name),
        ("timeline", name, "-f", "json"),
        ("timeline", name, "-f", "jsonl"),
        ("diagnose", name),
        ("list", name),
        ("report", name, "-o", str(folder / f"{path.name}.html"), "--force"),
        ("annotate", name, "-o", str(folder / f"{path.name}.pcapng"), "--force"),
        ("show", name, "1"),
        ("show", name, "1", "--bytes"),
        ("extract", name, "-o", str(folder / path.name), "--force"),
    ]


def main(paths: list[str]) -> int:
    """Print a line for each run."""
    files = sorted(each for path in map(Path, paths) for each in (path.iterdir() if path.is_dir() else [path]))
    # As an installation does; compiling would be a third of a second of each run where bytecode is not kept.
    compileall.compile_dir(Path(__file__).parent.parent.parent / "scep_analyzer", quiet=1)
    base = run("--version")
    with tempfile.TemporaryDirectory() as folder:
        for path in files:
            if path.suffix == ".md":
                continue
            for words in commands(path, Path(folder)):
                cost = run(*words, cap=120.0)  # of the clock: other programs are at work, too
                shown = " ".join(word for word in words if word != str(path) and folder not in word)[:24]
                last = cost.errors.decode(errors="replace").splitlines()[-1:]
                print(  # noqa: T201
                    f"{path.name:28} {shown:24} {cost.seconds:6.2f} s {cost.busy:6.2f} s {cost.peak / 1e6:7.1f} MB"
                    f"  exit {cost.code}  {len(cost.output):9,} bytes{f'  TRACEBACK {last}' if cost.traceback else ''}",
                    flush=True,
                )
    print(  # noqa: T201
        f"start-up: {base.seconds:.2f} s, {base.peak / 1e6:.1f} MB"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
