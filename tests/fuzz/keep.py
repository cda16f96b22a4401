"""Keep the most telling of what fuzzing found: the smallest inputs, as many as the saved corpus may hold."""

import hashlib
import sys
from pathlib import Path

HERE = Path(__file__).parent
MOST, LARGEST = 40, 4096
"""Inputs of a target, and bytes of one: the corpus is for tests that run each time."""


def main() -> None:
    name = sys.argv[1]
    corpus = HERE / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    found = [
        path.read_bytes()
        for folder in (corpus, HERE.parent.parent / "build" / "fuzz" / name)
        for path in folder.glob("*")
    ]
    kept = sorted({each for each in found if len(each) <= LARGEST}, key=lambda each: (len(each), each))
    # Spread over the sizes: short ones reach the first checks, long ones what lies behind.
    step = max(len(kept) // MOST, 1)
    for path in corpus.glob("*"):
        path.unlink()
    for each in kept[::step][:MOST]:
        (corpus / hashlib.sha256(each).hexdigest()[:16]).write_bytes(each)


if __name__ == "__main__":
    main()
