"""A rule is given what its subject names: mypy refuses a function that takes something else."""

from pathlib import Path

import pytest

from scep_analyzer.model.findings import Evidence, Finding, Severity
from scep_analyzer.model.scep import CaCertificates, PkiMessage
from scep_analyzer.rules import judge
from scep_analyzer.rules._rule import INFERRED, INFO, PROVED, WARNING, Found, Rule, Subject, rule
from scep_analyzer.rules._views import View
from scep_analyzer.rules.products import NOTHING
from tests.conftest import ROOT

GIVEN = {
    "exchange": "view: View",
    "status": "view: View",
    "offer": "view: View, offer: CaCertificates",
    "request": "view: View, message: PkiMessage",
    "csr": "view: View, content: Content",
    "reply": "view: View, reply: PkiMessage",
    "issued": "view: View, reply: PkiMessage",
    "failure": "failed: FailedConnection, transaction: Transaction | None, view: CaptureView",
    "transaction": "view: TransactionView",
    "capture": "view: CaptureView",
}
OTHER = {
    "exchange": "view: TransactionView",
    "status": "view: View, reply: PkiMessage",
    "offer": "view: View, offer: PkiMessage",
    "request": "view: View, message: CaCertificates",
    "csr": "view: View, content: Csr",
    "reply": "view: View",
    "issued": "view: View, reply: Content",
    "failure": "failed: FailedConnection, transaction: Transaction, view: CaptureView",
    "transaction": "view: View",
    "capture": "view: TransactionView",
}
IMPORTS = """
from scep_analyzer.model.content import Content, Csr
from scep_analyzer.model.scep import CaCertificates, FailedConnection, PkiMessage, Transaction
from scep_analyzer.rules._rule import ERROR, Found, rule
from scep_analyzer.rules._views import CaptureView, TransactionView, View
"""


def test_every_subject_is_named_here() -> None:
    assert set(GIVEN) == set(OTHER) == {name for name, each in vars(rule).items() if isinstance(each, Subject)}


def test_mypy_refuses_a_function_of_the_wrong_type(tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="needs mypy: pip install --group dev")
    from mypy import api

    lines = IMPORTS.splitlines()
    wrong = []
    for subject, given in GIVEN.items():
        for kind, takes in (("right", given), ("wrong", OTHER[subject])):
            lines.append(f"@rule.{subject}(ERROR)")
            if kind == "wrong":
                wrong.append(len(lines))
            lines += [f"def {kind}_{subject}({takes}) -> Found:", "    return ()"]
    lines.append('@rule.exchange(ERROR, needs="password")')
    wrong.append(len(lines))
    lines += ["def odd(view: View) -> Found:", "    return ()"]
    snippet = tmp_path / "snippet.py"
    snippet.write_text("\n".join(lines) + "\n", encoding="utf-8")
    out, problems, _ = api.run(["--config-file", str(ROOT / "pyproject.toml"), "--no-pretty", str(snippet)])
    assert problems == ""
    refused = [line for line in out.splitlines() if ": error: " in line]
    assert [int(line.split("snippet.py:")[1].split(":")[0]) for line in refused] == wrong, out
    assert all("[arg-type]" in line for line in refused)


def _made(subject: Subject[[View, PkiMessage]], **more: str) -> Rule:
    @subject(WARNING, "RFC 8894, Section 3.2", strength=INFERRED, **more)  # type: ignore[arg-type]
    def some_rule(_view: View, _message: PkiMessage) -> Found:
        """A title.

        Seen: Something.
        """
        return ()

    return some_rule


def test_the_key_that_is_needed_follows_from_the_subject() -> None:
    assert _made(rule.request).needs is None
    assert _made(rule.issued).needs == "client"
    assert _made(rule.request, needs="ra").needs == "ra"


def test_a_decorated_function_is_a_rule() -> None:
    made = _made(rule.request)
    assert (made.id, made.severity, made.strength, made.subject) == ("some-rule", WARNING, INFERRED, "request")
    assert made.references == ("RFC 8894, Section 3.2",)
    assert made.page.title == "A title"


def _found(evidence: Evidence) -> Finding:
    @rule.offer(INFO, "RFC 8894")
    def some_rule(_view: View, _offer: CaCertificates) -> Found:
        """A title.

        Why: A cause.
        """
        return ()

    return judge._finding(some_rule, evidence, 1, 2, NOTHING)


def test_an_evidence_may_give_the_title_and_the_code() -> None:
    plain, own = _found(Evidence("S.")), _found(Evidence("S.", title="The template “x” is unknown", code=0x80094800))
    assert (plain.title, plain.code) == ("A title", None)
    assert (own.title, own.code) == ("The template “x” is unknown", 0x80094800)
    assert (own.severity, own.strength, own.causes) == (Severity.INFO, PROVED, ("A cause.",))
