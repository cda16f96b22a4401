"""Reports of captures of the corpus, made once in each process of the tests: many tests ask something else of the same report."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from scep_analyzer.analysis import Analysis
from scep_analyzer.cms.keys import read_private_key
from scep_analyzer.report import Report


@cache
def report_of(path: Path, keys: tuple[Path, ...] = ()) -> Report:
    """The report of a capture. It is for reading: whoever changes it changes it for the other tests."""
    return Analysis([str(path)], keys=keys_of(keys)).report()


def keys_of(paths: Sequence[Path]) -> tuple[Any, ...]:
    return tuple(map(_key, paths))


@cache
def _key(path: Path) -> Any:
    return read_private_key(path.read_bytes(), path.name, None)
