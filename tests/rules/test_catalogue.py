"""Every rule is a whole unit: an id, a page with its sections, citations; and the list of them is complete."""

import ast
import re

import pytest

from scep_analyzer.rules import causes
from scep_analyzer.rules._rule import Advice, Page, Rule, Subject, rule
from scep_analyzer.rules.catalogue import BY_ID, RULES
from tests.conftest import ROOT

SUBJECTS = {name for name, each in vars(rule).items() if isinstance(each, Subject)}


def test_ids_are_unique() -> None:
    assert len(BY_ID) == len(RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_is_a_page(rule: Rule) -> None:
    page = rule.page
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.id)
    assert page.title[0].isupper() or page.title.startswith("“")
    assert len(page.title) <= 100
    for each in (
        page.seen,
        *page.why,
        *page.matters,
        *page.neutral,
        *(advice.text for advice in page.do_for),
        page.is_not,
    ):
        assert each
        assert each.endswith((".", "?", ")"))
    assert page.why or page.matters
    assert page.neutral
    assert rule.references
    assert rule.subject in SUBJECTS
    assert rule.needs in (None, "ra", "client", "tls")
    assert rule.check.__name__ == rule.id.replace("-", "_")


def test_a_page_is_read_paragraph_by_paragraph() -> None:
    page = Page.of(
        """The server does not know the CA's name.

    Seen: A name in message=,
    and an answer of 404.
    Why: The name is mistyped.
    Why: The CA was renamed.
    Matters: The client gets no certificates.
    Do: Give the name that the server knows.
    Do (step-ca): Give the provisioner's name.
    Do (ndes, scepman): Leave it out.
    Not: A fault of the network.
    """
    )
    assert page == Page(
        title="The server does not know the CA's name",
        seen="A name in message=, and an answer of 404.",
        why=("The name is mistyped.", "The CA was renamed."),
        matters=("The client gets no certificates.",),
        do=("Give the name that the server knows.",),
        do_for=(
            Advice(frozenset({"step-ca"}), "Give the provisioner's name."),
            Advice(frozenset({"ndes", "scepman"}), "Leave it out."),
        ),
        is_not="A fault of the network.",
    )
    assert page.sections == (
        ("What was seen", ("A name in message=, and an answer of 404.",)),
        ("Why it happens", ("The name is mistyped.", "The CA was renamed.")),
        ("Why it matters", ("The client gets no certificates.",)),
        (
            "What to do",
            (
                "Give the name that the server knows.",
                "For step-ca: Give the provisioner's name.",
                "For NDES and SCEPman: Leave it out.",
            ),
        ),
        ("What it is not", ("A fault of the network.",)),
    )


@pytest.mark.parametrize("paragraph", ["Do (netscape):", "Seen (ndes):"])
def test_a_page_names_products_that_are_known_and_only_for_advice(paragraph: str) -> None:
    with pytest.raises(ValueError, match=r"no product is known|only advice"):
        Page.of(f"A title.\n\n{paragraph} Something.\n")


def test_every_rule_that_is_defined_is_in_the_catalogue() -> None:
    defined = {
        node.name.replace("_", "-")
        for path in (ROOT / "scep_analyzer" / "rules").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
        and any(
            isinstance(each, ast.Call) and ast.unparse(each.func).startswith("rule.") for each in node.decorator_list
        )
    }
    assert defined == set(BY_ID)


def test_the_tables_of_causes_name_rules_that_exist() -> None:
    named = {*causes.EXPLAINED_BY, *(each for names in causes.EXPLAINED_BY.values() for each in names)}
    for by_code in causes.EXPLAINED_BY_CODE.values():
        named |= {each for names in by_code.values() for each in names}
    named |= {each for names in (*causes._HEADLINES.values(), causes._STOPPED) for each in names}
    named |= {*causes.EXPLAINED_BY_CODE, *causes._EVEN_INFO, *causes._STAY_WARNINGS}
    assert named <= set(BY_ID)


def test_no_finding_explains_itself() -> None:
    loops = [each for each in BY_ID if each in causes.beneath(each)]
    assert loops == []
