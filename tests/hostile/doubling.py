"""Does the work grow with the size of the input, and not with a power of it? ``make doubling``: each recipe doubled four times.

An exponent above 1.2 is a finding. Times are the processor's, the best of several, less what an input of one part takes.
Recipes named on the command line are measured alone.
"""

import collections
import contextlib
import io
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from scep_analyzer.cli import main as program
from scep_analyzer.http2.exchanges import EitherHttp
from scep_analyzer.model.packets import Endpoint
from scep_analyzer.model.streams import Closed, Connection, Data, Direction, StreamEvent
from tests.hostile.recipes import CONVERSATIONS, PASTES, RECIPES

MOST = 1.2
_DOUBLINGS = 4
_NOISE = 0.06
"""Seconds: below this a difference says nothing. Inputs begin at the size that takes as long, if they may be so large."""
_LARGEST = 2 << 20
"""Bytes of the first input, where nothing takes long: sixteen times that is the last one."""


def read(data: bytes, command: str = "timeline") -> None:
    """Read an input in this process, its output thrown away; ``http2`` is no command but that stage alone."""
    if command == "http2":
        collections.deque(EitherHttp().over(_said(data)), maxlen=0)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "input"
        path.write_bytes(data)
        more = ["--engine", "builtin"] if command != "decode" else []
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            program([command, str(path), *more])


def _said(data: bytes) -> Iterator[StreamEvent]:
    """The bytes of a client in segments."""
    connection = Connection(0, Endpoint("10.0.0.1", 4000), Endpoint("10.0.0.2", 443), opening_seen=True)
    for frame, at in enumerate(range(0, len(data), 1400), 1):
        yield Data(
            connection=connection,
            direction=Direction.FROM_CLIENT,
            content=data[at : at + 1400],
            frame=frame,
            time_ns=frame,
            offset=at,
            acknowledged=None,
        )
    for direction in Direction:
        yield Closed(connection=connection, direction=direction, how="end-of-capture", frame=None, time_ns=None)


COMMANDS = {
    **dict.fromkeys(RECIPES, "timeline"),
    **dict.fromkeys(PASTES, "decode"),
    **dict.fromkeys(CONVERSATIONS, "http2"),
}
"""What reads each recipe."""
ALL = {**RECIPES, **PASTES, **CONVERSATIONS}


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


def main(names: list[str]) -> int:
    """Print a line for each recipe; gives 1 where one grows too fast."""
    found = 0
    for name, (recipe, first) in ALL.items():
        if names and name not in names:
            continue
        command = COMMANDS[name]
        read(recipe(first), command)  # imports
        same = _seconds(recipe(1), command, rounds=5)
        size, first_cost = max(first // 16, 1), 0.0
        while True:
            data = recipe(size)
            if size > first and len(data) <= len(recipe(size // 2)):
                raise ValueError(f"the recipe {name} does not grow beyond {len(data):,} bytes")
            first_cost = _seconds(data, command, rounds=3) - same
            if first_cost >= _NOISE or len(data) * 2 > _LARGEST:
                break
            size *= 2
        costs, sizes = [max(first_cost, _NOISE)], [len(data)]
        for doubling in range(1, _DOUBLINGS + 1):
            data = recipe(size << doubling)
            costs.append(max(_seconds(data, command, rounds=2) - same, _NOISE))
            sizes.append(len(data))
        grows = exponent(costs, sizes)
        found += grows > MOST
        shown = " ".join(f"{each:.2f}" for each in costs)
        quiet = "" if first_cost >= _NOISE else ", first ones below the noise"
        print(  # noqa: T201
            f"{name:22} {sizes[0]:>10,} to {sizes[-1]:>11,} bytes: {shown} s, exponent {grows:.2f}{quiet}", flush=True
        )
    return int(found > 0)


def _seconds(data: bytes, command: str, rounds: int) -> float:
    """The processor's time for an input, the least of several rounds."""
    least = math.inf
    for _ in range(rounds):
        began = time.process_time()
        read(data, command)
        least = min(least, time.process_time() - began)
    return least


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
