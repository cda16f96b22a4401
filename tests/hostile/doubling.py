"""Does the work grow with the size of the input, and not with a power of it? ``make doubling``: each recipe doubled four times.

An exponent above 1.2 is a finding. Times are the processor's, the best of several; what is the same for every input is taken off.
"""

import contextlib
import io
import math
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from scep_analyzer.cli import main as program
from tests.hostile.recipes import PASTES, RECIPES

MOST = 1.2
_DOUBLINGS = 4
_NOISE = 0.05
"""Seconds: below this a difference says nothing."""


def read(data: bytes, command: str = "timeline") -> None:
    """Read an input in this process, its output thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "input"
        path.write_bytes(data)
        more = ["--engine", "builtin"] if command != "decode" else []
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            program([command, str(path), *more])


def calls(work: Callable[[], None]) -> int:
    """How many functions are called, Python's and C's: a measure that is the same on every machine."""
    count = 0

    def one_more(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(one_more)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def exponent(costs: list[float], sizes: list[int]) -> float:
    """The power of the size with which the cost grows, from the smallest to the largest."""
    if costs[-1] <= costs[0]:
        return 0.0
    return math.log(costs[-1] / costs[0]) / math.log(sizes[-1] / sizes[0])


def main() -> int:
    """Print a line for each recipe; gives 1 where one grows too fast."""
    found = 0
    for name, (recipe, first) in {**RECIPES, **PASTES}.items():
        command = "decode" if name in PASTES else "timeline"
        read(recipe(first), command)  # imports
        costs, sizes = [], []
        for doubling in range(_DOUBLINGS + 1):
            data = recipe(first << doubling)
            times = []
            for _ in range(3):
                began = time.process_time()
                read(data, command)
                times.append(time.process_time() - began)
            costs.append(max(min(times), _NOISE))
            sizes.append(len(data))
        grows = exponent(costs, sizes)
        found += grows > MOST
        shown = " ".join(f"{each:.2f}" for each in costs)
        print(f"{name:22} {sizes[0]:>10,} to {sizes[-1]:>11,} bytes: {shown} s, exponent {grows:.2f}", flush=True)  # noqa: T201
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
