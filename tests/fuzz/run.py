"""Fuzz one target with atheris, from the saved corpus: ``python -m tests.fuzz.run TARGET [libFuzzer's arguments]``.

What it finds new is kept in build/fuzz/TARGET; ``make fuzz`` runs all targets and then keeps the smallest set in tests/fuzz/corpus.
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["scep_analyzer"]):
    from tests.fuzz.targets import TARGETS, seeds

HERE = Path(__file__).parent


def main() -> None:
    name = sys.argv.pop(1)
    found = HERE.parent.parent / "build" / "fuzz" / name
    found.mkdir(parents=True, exist_ok=True)
    for at, seed in enumerate(seeds()[name]):
        (found / f"seed-{at}").write_bytes(seed)
    corpus = HERE / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    atheris.Setup(
        [sys.argv[0], f"-artifact_prefix={found.parent}/{name}-crash-", *sys.argv[1:], str(found), str(corpus)],
        TARGETS[name],
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
