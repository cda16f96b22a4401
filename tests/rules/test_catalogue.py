"""Every rule is a whole unit: an id, a page with its sections, citations; and the list of them is complete."""

import ast
import re

import pytest

from scep_analyzer.rules import causes
from scep_analyzer.rules._rule import Rule
from scep_analyzer.rules.catalogue import BY_ID, RULES
from tests.conftest import ROOT

SUBJECTS = {"exchange", "status", "request", "reply", "csr", "issued", "offer", "failure", "transaction", "capture"}


def test_ids_are_unique() -> None:
    assert len(BY_ID) == len(RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_is_a_page(rule: Rule) -> None:
    page = rule.page
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.id)
    assert page.title[0].isupper() or page.title.startswith("“")
    assert len(page.title) <= 100
    for each in (page.seen, *page.why, *page.do, page.is_not):
        assert each
        assert each.endswith((".", "?", ")"))
    assert page.why
    assert page.do
    assert rule.references
    assert rule.subject in SUBJECTS
    assert rule.needs in (None, "ra", "client", "tls")
    assert rule.check.__name__ == rule.id.replace("-", "_")


def test_every_rule_that_is_defined_is_in_the_catalogue() -> None:
    defined = {
        node.name.replace("_", "-")
        for path in (ROOT / "scep_analyzer" / "rules").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
        and any(isinstance(each, ast.Call) and ast.unparse(each.func) == "rule" for each in node.decorator_list)
    }
    assert defined == set(BY_ID)


def test_the_tables_of_causes_name_rules_that_exist() -> None:
    named = {*causes.EXPLAINED_BY, *(each for names in causes.EXPLAINED_BY.values() for each in names)}
    named |= {each for names in causes.HRESULT_EXPLAINED_BY.values() for each in names}
    named |= {each for names in causes._HEADLINES.values() for each in names}
    assert named <= set(BY_ID)


def test_no_finding_explains_itself() -> None:
    below = causes._closures()
    loops = [each for each in BY_ID if each in below(each, None)]
    assert loops == []
