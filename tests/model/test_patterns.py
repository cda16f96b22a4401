"""Patterns that are compiled late are all sound, and do what ``re`` does."""

import re
from importlib import import_module
from pkgutil import walk_packages

import pytest

import scep_analyzer
from scep_analyzer.model.patterns import _Lazy, lazily


def _all() -> list[tuple[str, re.Pattern[str]]]:
    found = []
    for module in walk_packages(scep_analyzer.__path__, "scep_analyzer."):
        if module.name.endswith("__main__"):
            continue
        for name, value in vars(import_module(module.name)).items():
            if isinstance(value, _Lazy):
                found.append((f"{module.name}.{name}", value))
    return found  # type: ignore[return-value]  # what stands for patterns


def test_each_can_be_compiled() -> None:
    found = _all()
    assert len(found) > 60
    for _, pattern in found:
        assert pattern.search("" if isinstance(pattern.pattern, str) else b"") is None or pattern.pattern


def test_it_does_what_re_does() -> None:
    late, soon = lazily(r"(?P<word>\w+)-(\d+)", re.IGNORECASE), re.compile(r"(?P<word>\w+)-(\d+)", re.IGNORECASE)
    text = "otp-4711 and PIN-12"
    for _ in range(2):  # the second time it has its own method
        assert [each.groups() for each in late.finditer(text)] == [each.groups() for each in soon.finditer(text)]
        assert late.sub("x", text) == soon.sub("x", text)
    assert late.search(text)["word"] == "otp"  # type: ignore[index]
    with pytest.raises(re.error):
        lazily("(").search("a")
