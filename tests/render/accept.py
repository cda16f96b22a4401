"""Writes the golden outputs anew; read the difference before committing it."""

from tests.render import test_terminal

for stem in test_terminal.CASES:
    path = test_terminal.GOLDEN / f"{stem}.txt"
    path.write_text(test_terminal._printed(test_terminal._report(stem)), encoding="utf-8")
