"""Writes the table of causes out as it is now; read the difference before committing it."""

from tests.rules import test_causes

test_causes.GOLDEN.parent.mkdir(exist_ok=True)
test_causes.GOLDEN.write_text(test_causes.written(), encoding="utf-8")
