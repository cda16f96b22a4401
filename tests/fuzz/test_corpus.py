"""What fuzzing has found, once more, without the fuzzer."""

from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS, seeds

CORPUS = sorted(path for path in (Path(__file__).parent / "corpus").glob("*/*"))


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds(name: str) -> None:
    for seed in seeds()[name]:
        TARGETS[name](seed)


@pytest.mark.parametrize("name", TARGETS)
def test_the_saved_corpus(name: str) -> None:
    saved = [path for path in CORPUS if path.parent.name == name]
    assert saved, "make fuzz keeps what it found"
    for path in saved:
        TARGETS[name](path.read_bytes())
