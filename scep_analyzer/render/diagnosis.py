"""The findings for people: root causes first, with evidence, causes in order and what to do. Made to be pasted into a ticket."""

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC
from pathlib import PurePath
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

from scep_analyzer.model.findings import Finding, Severity
from scep_analyzer.model.scep import Outcome, Transaction
from scep_analyzer.render import words
from scep_analyzer.render.ascii import in_ascii, is_ascii
from scep_analyzer.render.paragraphs import print_lines
from scep_analyzer.render.safe import safe, shortened
from scep_analyzer.render.times import day_and_clock
from scep_analyzer.report import Report

_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.INFO: "bold cyan"}
_UNDECIDED = frozenset({Outcome.SUCCESS, Outcome.PENDING, Outcome.UNKNOWN})
_KEY_HINTS = {"no RA key given": " (--key with the private key that decrypts requests)"}
_LONGEST = 600
_MOST_FACTS = 8
_MARKUP = re.compile(r"([\\`*_{}\[\]<>|#!~&])")


class _Line(NamedTuple):
    """A line of the diagnosis. ``level`` 1 and 2 are headings, 0 is text; ``lead`` stands before it (a label or a number)."""

    text: str
    level: int = 0
    lead: str = ""
    style: str = ""


def render(report: Report, console: Console, least: Severity) -> None:
    """Print the diagnosis as text."""
    for at, line in enumerate(_lines(report, least)):
        if line.level and at:
            console.print()
        _print(console, line)


def markdown(report: Report, least: Severity) -> str:
    """The diagnosis as Markdown; nothing from the wire can become markup."""
    out = []
    for line in _lines(report, least):
        body = _MARKUP.sub(r"\\\1", safe(line.text))
        if line.level:
            out.append(f"\n{'#' * (line.level + 1)} {body}\n")
        elif line.lead:
            out.append(f"* **{line.lead}** {body}")
        else:
            out.append(f"{body}\n")
    return "\n".join(out).strip() + "\n"


def table(report: Report, least: Severity) -> str:
    """The findings as CSV, one a row."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(
        (
            "id",
            "severity",
            "strength",
            "rule",
            "root_cause",
            "because_of",
            "transaction",
            "exchange",
            "frames",
            "summary",
        )
    )
    for each in _wanted(report, least):
        row = (
            each.number,
            each.severity.value,
            each.strength.value,
            each.rule,
            "yes" if each.root_cause else "",
            each.because_of or "",
            each.transaction or "",
            each.exchange or "",
            " ".join(map(str, each.frames)),
            # A spreadsheet takes a text that begins so for a formula.
            re.sub(r"^([=+\-@])", r"'\1", safe(each.summary)),
        )
        writer.writerow(row)
    return stream.getvalue()


def _wanted(report: Report, least: Severity) -> list[Finding]:
    return [each for each in report.findings if each.severity.rank <= least.rank or each.root_cause]


def _print(console: Console, line: _Line) -> None:
    lead = f"{line.lead} " if line.lead else ""
    indent = 0 if line.level else 2
    text = Text.assemble((lead, "bold"), (safe(line.text), line.style))
    if is_ascii(console):
        text = in_ascii(text)
    hang = len(lead)
    rows = text.wrap(console, max(console.width - indent - hang, 20), overflow="fold")
    print_lines(console, rows, indent, hang)


def _lines(report: Report, least: Severity) -> Iterator[_Line]:
    wanted = _wanted(report, least)
    symptoms: dict[int, list[Finding]] = defaultdict(list)
    for each in report.findings:
        if each.because_of is not None:
            symptoms[each.because_of].append(each)
    for each in wanted:
        if each.root_cause:
            yield from _root(report, each, symptoms[each.number])
    left = list(_unexplained(report))
    yield from left
    if not left and not report.root_causes:
        bad = any(each.severity is not Severity.INFO for each in report.findings)
        nothing = "Nothing failed; what was found all the same:" if bad else "No fault found"
        yield _Line(nothing if report.transactions else "No SCEP found", 1, style="bold")
    others = [each for each in wanted if not each.root_cause and each.because_of is None]
    for severity, title in (
        (Severity.ERROR, "Other errors" if report.root_causes or left else "Errors"),
        (Severity.WARNING, "Warnings"),
        (Severity.INFO, "Good to know"),
    ):
        group = [each for each in others if each.severity is severity]
        if group:
            yield _Line(title, 1, style=_STYLES[severity])
        for each in group:
            yield from _other(each)
    yield from _unchecked(report)
    yield _Line("What was read", 1)
    for facts in report.captures:
        name = "standard input" if facts.path == "-" else PurePath(facts.path).name
        damaged = ", damaged: read as far as it goes" if not facts.complete else ""
        when = f", from {day_and_clock(facts.first_time_ns, UTC)} UTC" if facts.first_time_ns is not None else ""
        yield _Line(f"{name}: {facts.packets:,} packet{'s' * (facts.packets != 1)}{when}{damaged}")
    yield _Line(_counts(report))


def _counts(report: Report) -> str:
    count = {severity: sum(each.severity is severity for each in report.findings) for severity in Severity}
    exchanges, transactions = len(report.exchanges), len(report.transactions)
    if not exchanges and not transactions:
        what = "no SCEP found"
    else:
        what = f"{exchanges:,} SCEP exchange{'s' * (exchanges != 1)} in {transactions:,} transaction{'s' * (transactions != 1)}"
    found = ", ".join(
        f"{number:,} {name}" for number, name in zip(count.values(), ("errors", "warnings", "notes"), strict=True)
    )
    return f"{what}; {found}"


def _transaction_words(number: int, transaction: Transaction) -> str:
    subject = f" for {shortened(transaction.subject, 80)}" if transaction.subject else ""
    return f"transaction {number}, {transaction.client} to {transaction.server}{subject}: {words.title(transaction)}"


def _root(report: Report, root: Finding, symptoms: list[Finding]) -> Iterator[_Line]:
    yield _Line(f"Root cause: {root.title}", 1, style=_STYLES[root.severity])
    yield _Line(shortened(root.summary, _LONGEST), style="bold")
    if root.transaction is not None:
        yield _Line(_transaction_words(root.transaction, report.transactions[root.transaction - 1]), lead="Where:")
    yield _Line(f"{root.rule} ({root.severity.value}, {root.strength.value})", lead="Rule:")
    yield from _facts(root)
    for at, cause in enumerate(root.causes, 1):
        yield _Line(cause, lead="Cause:" if len(root.causes) == 1 else f"Cause {at}:")
    for at, action in enumerate(root.actions, 1):
        yield _Line(action, lead="Do:" if len(root.actions) == 1 else f"Do {at}:")
    if symptoms:
        named = (f"{each.rule}{_at(each)}" for each in symptoms)
        yield _Line(", ".join(dict.fromkeys(named)), lead="Its symptoms:")
    yield _Line("; ".join(root.references), lead="See:")


def _facts(finding: Finding) -> Iterator[_Line]:
    for fact in finding.facts[:_MOST_FACTS]:
        where = f"frame {fact.frame}, " if fact.frame is not None else ""
        yield _Line(f"{where}{fact.path}: {shortened(fact.value, 200)}", lead="Evidence:")


def _at(finding: Finding) -> str:
    return f" (frame {finding.frames[0]})" if finding.frames else ""


def _other(finding: Finding) -> Iterator[_Line]:
    where = f"frame {finding.frames[0]}: " if finding.frames else ""
    yield _Line(f"{where}{shortened(finding.summary, _LONGEST)} [{finding.rule}, {finding.strength.value}]")
    if finding.severity is not Severity.INFO and finding.actions:
        yield _Line(finding.actions[0], lead="Do:")


def _unexplained(report: Report) -> Iterator[_Line]:
    """Transactions that failed and have no root cause."""
    left = [
        (number, each)
        for number, each in enumerate(report.transactions, 1)
        if number not in report.root_causes and each.outcome not in _UNDECIDED
    ]
    if left:
        yield _Line("Not explained", 1, style="bold")
    for number, each in left[:20]:
        yield _Line(f"{_transaction_words(number, each)}. {words.why(each)}")
    if len(left) > 20:
        yield _Line(f"and {len(left) - 20:,} more")


def _unchecked(report: Report) -> Iterator[_Line]:
    """What could not be judged, by reason."""
    reasons: dict[str, list[str]] = defaultdict(list)
    for each in report.not_checked:
        reasons[each.reason].append(each.rule)
    if reasons:
        yield _Line("Not checked", 1, style="bold")
    for reason, rules in reasons.items():
        many = f"{len(rules)} rules ({', '.join(rules[:3])}, …)" if len(rules) > 3 else ", ".join(rules)
        yield _Line(f"{many}: {reason}{_KEY_HINTS.get(reason, '')}")
