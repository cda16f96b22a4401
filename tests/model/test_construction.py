"""Values of many fields are built by keyword: two fields that change places would otherwise change meaning in silence."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import ROOT

PACKAGE = ROOT / "scep_analyzer"
MANY = 5
"""From so many fields on."""
FIRST = 2
"""So many may be given by position all the same: what the value is about, as in Evidence(sentence, facts)."""

BY_POSITION = {
    # One for each packet or segment: keywords cost half a microsecond to a microsecond there, which is measurable.
    ("capture/pcap.py", "Packet"), ("capture/pcapng.py", "Packet"), ("capture/skim.py", "Segment"), ("link/decode.py", "Segment"),
    ("link/ip.py", "Datagram"), ("sieve/flow.py", "Segment"), ("tcp/connections.py", "Data"), ("tcp/connections.py", "Piece"),
}  # fmt: skip
NOT_YET = ("cli/extract.py",)
"""Modules that are exempt while they are rewritten."""


def _values(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """The NamedTuples and dataclasses that a module defines, with how many fields they have."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            named = any(ast.unparse(base).endswith("NamedTuple") for base in node.bases)
            if named or any("dataclass" in ast.unparse(each) for each in node.decorator_list):
                yield node.name, sum(isinstance(each, ast.AnnAssign) for each in node.body)


def positional(tree: ast.AST, sizes: dict[str, int]) -> Iterator[tuple[str, int]]:
    """The values of many fields that are built by position, with their lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            starred = any(isinstance(each, ast.Starred) for each in node.args)
            if sizes.get(name, 0) >= MANY and (len(node.args) > FIRST or starred):
                yield name, node.lineno


def test_values_of_many_fields_are_built_by_keyword() -> None:
    trees: dict[Path, ast.Module] = {
        path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))
    }
    everywhere: dict[str, int] = defaultdict(int)
    for tree in trees.values():
        for name, size in _values(tree):
            if not name.startswith("_"):
                everywhere[name] = max(everywhere[name], size)
    found = {}
    for path, tree in trees.items():
        where = path.relative_to(PACKAGE).as_posix()
        if not where.startswith(NOT_YET):
            found |= {(where, name): line for name, line in positional(tree, everywhere | dict(_values(tree)))}
    assert {each: line for each, line in found.items() if each not in BY_POSITION} == {}
    assert set(found) == BY_POSITION  # what is built by keyword by now needs no exception


def test_a_value_built_by_position_is_seen() -> None:
    sizes = {"Finding": 16}
    seen = [
        "Finding(1, 'rule', ERROR)",
        "findings.Finding(1, 'rule', ERROR, title='')",
        "Finding(*values)",
    ]
    fine = ["Finding(number=1, rule='rule')", "Finding(1, 'rule', severity=ERROR)", "Fact(1, 'path', 'value')"]
    assert [each for each in seen if not [*positional(ast.parse(each), sizes)]] == []
    assert [each for each in fine if [*positional(ast.parse(each), sizes)]] == []
