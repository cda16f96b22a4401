"""What every test may use: the corpus, and the program in this process."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import settings

from scep_analyzer.cli import main
from scep_analyzer.engines import ENGINES
from scep_analyzer.engines.builtin import BuiltinEngine
from scep_analyzer.rules.judge import Judge

# The tests start the program several hundred times. Where Python may not keep what it has compiled (containers often say so), each
# start compiles all of the program again, which takes longer than everything else that it does.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# The same examples each time, so that a green run stays green; `make properties` looks for new ones.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile("explore" if "PROPERTY_DEPTH" in os.environ else "same")

DEPTH = int(os.environ.get("PROPERTY_DEPTH", "1"))
"""`make properties` sets it: more examples, other ones each time."""

ROOT = Path(__file__).parent.parent
CAPTURES = sorted(each for each in (ROOT / "captures").glob("*/*.pcap*") if each.parent.name not in ("tls", "field"))
"""Those that need no keys, and whose bytes were read by other programs."""
TLS_CAPTURES = sorted((ROOT / "captures" / "tls").glob("*.pcap*"))

ENGINES["unsieved"] = lambda reading: BuiltinEngine(reading.paths, reading.on_bytes, sieve=False)
"""Every packet through every stage: what the sieve is held against."""


Judge.strict = True
"""A rule that fails stops the test; for users it is an anomaly."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that take long come first."""
    items.sort(key=lambda each: each.get_closest_marker("long") is None)


class Result(NamedTuple):
    """What a run of the program gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def scep_analyzer(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Run the program with these arguments."""

    def run(*arguments: object) -> Result:
        try:
            code = main([str(each) for each in arguments])
        except SystemExit as stopped:  # argparse: --help, and mistakes
            code = stopped.code if isinstance(stopped.code, int) else 1
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return run
