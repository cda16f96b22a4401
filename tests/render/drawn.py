"""Stories for the tests of pages and diagrams: of the corpus, and with an attack in every text."""

from enum import Enum
from functools import cache
from typing import Any

from scep_analyzer.report import Report
from scep_analyzer.story.model import Remark, Story
from scep_analyzer.story.narrator import story_of
from tests.conftest import ROOT
from tests.reports import report_of

EVIL = (
    "<script>alert(1)</script><img src=x onerror=alert(1)>\"'><svg/onload=alert(1)></title></style><!--"
    "\x1b]0;owned\x07\u202e;#1;\r\nend\nP1->>P2: forged %% {{7*7}} {% raw %} javascript:alert(1) | * [x](http://evil.example)"
)
_OURS = {"rule", "letter", "kind", "result", "code", "target", "because_of", "role"}
"""Fields whose values are names of the program's own, which nobody who sends packets chooses."""


def report(path: str) -> Report:
    return report_of(ROOT / "captures" / path)


@cache
def story(path: str) -> Story:
    return story_of(report(path))


def hostile(value: Any) -> Any:
    """The same value with an attack behind every text in it."""
    if isinstance(value, str):
        return f"{value} {EVIL}" if value else value
    if isinstance(value, Enum) or not isinstance(value, tuple):
        return value
    if hasattr(value, "_fields"):
        # Where a rule is written is what its author cites.
        ours = {*_OURS, "sources"} if isinstance(value, Remark) else _OURS
        named = zip(value._fields, value, strict=True)
        return type(value)(*(each if name in ours else hostile(each) for name, each in named))
    return tuple(map(hostile, value))


def most_captures() -> list[str]:
    """A capture of each kind of ending and each topic of faults."""
    folders = ("scenarios", "implementations", "field")
    paths = [each for folder in folders for each in sorted((ROOT / "captures" / folder).glob("*.pcap*"))]
    for topic in sorted((ROOT / "captures" / "faults").iterdir()):
        paths += sorted(topic.glob("*.pcap*"))[:2]
    return [str(each.relative_to(ROOT / "captures")) for each in paths]
