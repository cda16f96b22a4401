"""Fuzz one target with atheris, from the saved corpus: ``python -m tests.fuzz.run TARGET [libFuzzer's arguments]``.

What it finds new is kept in build/fuzz/TARGET; ``make fuzz`` runs all targets and then keeps the smallest set in tests/fuzz/corpus.
An input that costs too much (``tests/fuzz/cost.py``) is a finding.
"""

import os
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["scep_analyzer"]):
    from tests.fuzz.cost import bounded
    from tests.fuzz.targets import TARGETS, seeds

HERE = Path(__file__).parent


def main() -> None:
    name = sys.argv.pop(1)
    target, first = TARGETS[name], seeds()[name]
    # tshark would be asked about every file that is no capture: its start takes a hundred times as long as the rest.
    os.environ["PATH"] = ""
    found = HERE.parent.parent / "build" / "fuzz" / name
    found.mkdir(parents=True, exist_ok=True)
    with atheris.instrument_imports(include=["scep_analyzer"]):
        for at, seed in enumerate(first):
            (found / f"seed-{at}").write_bytes(seed)
            target(seed)  # what it imports is paid for here

    def one(data: bytes) -> None:
        with bounded():
            target(data)

    corpus = HERE / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    atheris.Setup(
        [sys.argv[0], f"-artifact_prefix={found.parent}/{name}-crash-", *sys.argv[1:], str(found), str(corpus)], one
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
