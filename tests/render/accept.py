"""Writes the golden outputs anew; read the difference before committing it."""

from tests.render import test_golden

for name in test_golden.CASES:
    (test_golden.GOLDEN / name).write_text(test_golden.printed(name), encoding="utf-8")
