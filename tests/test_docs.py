"""The documentation says what the program does."""

import ast
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Result

KEBAB = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")
LOG_FIELD = re.compile(r"(c|s|cs|sc|x)-|time-taken$")
"""Names of fields in W3C logs, and of header fields."""
OTHER_WORDS = {  # kebab-case words in the stages that are no anomaly codes
    "end-of-capture", "ra-signing", "ra-encryption", "get-cert", "get-crl", "ca-certificates", "http-error", "connection-failed",
    "key-transport", "key-agreement", "content-type", "content-length", "content-lenght", "content-encoding", "transfer-encoding",
    "x-gzip", "x-pkcs7", "x-x509", "x-pki-message", "pkix-cert", "utf-8", "utf-8-sig", "latin-1", "utf-16", "utf-16-le", "utf-16-be",
    "utf-32-be", "no-permission", "cache-full", "apt-get", "quoted-printable", "percent-encoded",
    "2ed6006e-4729-4609-b423-3ee7bcd678ef", "4d4f80d9-c8bd-4d73-bb5b-19c90402c5ac",  # providers of Windows traces
}  # fmt: skip


def _codes_in_source() -> set[str]:
    found = {"gap"}
    for part in (
        "capture",
        "link",
        "sieve",
        "tcp",
        "tls",
        "http1",
        "http2",
        "scep",
        "cms",
        "engines",
        "pasted",
        "recordings",
    ):
        for path in (ROOT / "scep_analyzer" / part).glob("*.py"):
            if path.name in (
                "algorithms.py",
                "codes.py",
                "certificates.py",
                "opening.py",
                "message_data.py",
                "verification.py",
            ):
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and KEBAB.fullmatch(node.value):
                    found.add(node.value)
    found |= {"limit-anomalies", "rule-failed", "limit-findings"}
    return {each for each in found - OTHER_WORDS if not LOG_FIELD.match(each)}


def test_every_anomaly_code_is_documented_and_every_documented_one_exists() -> None:
    table = (ROOT / "docs" / "json.md").read_text(encoding="utf-8").split("## Anomalies")[1]
    documented = {
        code
        for row in re.findall(r"^\| \w+ \| (.*?) \|", table, re.MULTILINE)
        for code in re.findall(r"`([^`]+)`", row)
    }
    assert documented == _codes_in_source()


def test_links_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("captures/**/*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


GENERATED = re.compile(r"<!-- generated: .*? -->.*?<!-- end -->", re.DOTALL)
PAGES = [ROOT / each for each in ("README.md", "CHANGELOG.md", "SECURITY.md", "captures/README.md")]
PAGES += [*ROOT.glob("docs/*.md"), *ROOT.glob("docs/how-to/*.md")]
"""What people write by hand; the pages of the rules are made of docstrings."""
HOUSE_HABITS = re.compile(r"\b(mend(s|ed)?|anew|in vain|as a rule|stands? there)\b|\([sS]\)", re.IGNORECASE)


def _written(page: Path) -> str:
    return GENERATED.sub("", page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_are_short_enough_to_read(page: Path) -> None:
    # Tables cannot be broken, nor can links and pictures that fill a line.
    long = [
        line
        for line in _written(page).splitlines()
        if len(line) >= 100
        and not line.lstrip().startswith("|")
        and not re.fullmatch(r"\s*!?\[.*\]\(.*\)[.,;:]?", line)
    ]
    assert not long


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_language_is_plain(page: Path) -> None:
    assert [match[0] for match in HOUSE_HABITS.finditer(_written(page))] == []


def test_every_command_and_filter_is_described(scep_analyzer: Callable[..., Result]) -> None:
    page = _written(ROOT / "docs" / "commands.md")
    sections = re.findall(r"^## (.*)$", page, re.MULTILINE)
    assert len(sections) == len(set(sections))
    commands = re.findall(r"^    (\w+) ", scep_analyzer("--help").out, re.MULTILINE)
    assert {"timeline", "list"} < set(commands)
    for command in commands:
        assert command in sections or command == "answer", command  # "The first screen"
    for option in re.findall(r"--[a-z-]+", scep_analyzer("list", "--help").out):
        assert f"`{option}" in page or option in ("--format", "--output", "--help"), option  # -f, -o, -h


def test_every_module_that_the_design_names_exists_and_each_that_tells_is_named() -> None:
    design = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    package = ROOT / "scep_analyzer"
    named = set(re.findall(r"`((?:\w+/)*\w+\.(?:py|lua|c|json))`", design.split("## What differs")[0]))
    assert [each for each in sorted(named) if not (ROOT / each).exists() and not [*package.rglob(each)]] == []
    for part in ("story", "render"):
        for path in (package / part).glob("[a-z]*.py"):
            assert f"{part}/{path.name}" in named, path


def test_the_fold_of_json_lines_gives_the_report(scep_analyzer: Callable[..., Result]) -> None:
    # The reader's code on the page, run over captures whose end changes what was told.
    code = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "json.md").read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None
    page: dict[str, Any] = {}
    exec(code[1], page)
    amended = 0
    for path in sorted((ROOT / "captures" / "field").glob("*.pcap")):
        lines = scep_analyzer("timeline", "-f", "jsonl", path).out.splitlines()
        amended += any('"record":"amendment"' in line for line in lines)
        report = scep_analyzer("timeline", "-f", "json", path).json
        transactions, findings = page["fold"](lines)

        def seen(
            transactions: Iterable[dict[str, Any]], findings: dict[int, dict[str, Any]]
        ) -> list[tuple[object, ...]]:
            return sorted(
                (
                    each["started"],
                    *(str(each[key]) for key in ("verdict", "verdict_strength", "attempts", "history")),
                    findings[each["root_cause"]]["summary"] if each["root_cause"] is not None else "",
                )
                for each in transactions
            )

        reported = {each["id"]: each for each in report["findings"]}
        assert seen(transactions.values(), findings) == seen(report["transactions"], reported), path.name
        keys = ("rule", "severity", "strength", "root_cause", "summary")
        told, written = (
            [tuple(each[key] for key in keys) for each in found.values()] for found in (findings, reported)
        )
        assert sorted(told) == sorted(written), path.name
    assert amended >= 3
