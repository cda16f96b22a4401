"""The story → what a diagnosis tells: root causes first, with evidence, causes in order and what to do. Made to be put into a ticket."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC
from typing import NamedTuple

from scep_analyzer.model.findings import Severity
from scep_analyzer.model.words import count
from scep_analyzer.story.filters import filters_of
from scep_analyzer.story.model import (
    Chapter,
    Filters,
    Remark,
    Sentence,
    Story,
    Tone,
    cite,
    cut,
    joined,
    place,
    plain,
    say,
)
from scep_analyzer.story.times import day_and_clock

_TONES = {Severity.ERROR: Tone.BAD, Severity.WARNING: Tone.WARN, Severity.INFO: Tone.NOTE}
_KEY_HINTS = {"no RA key given": " (--key with the private key that decrypts requests)"}
_LONGEST = 600
_LONGEST_VALUE = 200
_LONGEST_SUBJECT = 80
_MOST_FACTS = 8
_MOST_UNEXPLAINED = 20


class Row(NamedTuple):
    """A line of the diagnosis. ``level`` 1 is a heading, 0 is text; ``lead`` comes before it (a label or a number).

    ``code`` is to be copied as it is: a display filter.
    """

    text: Sentence
    level: int = 0
    lead: str = ""
    tone: Tone = Tone.PLAIN
    strong: bool = False
    code: bool = False


def wanted(story: Story, least: Severity) -> list[Remark]:
    """The findings that are told: those of this severity or worse, and every root cause."""
    return [each for each in story.remarks if each.severity.rank <= least.rank or each.root]


def lines(story: Story, least: Severity) -> Iterator[Row]:
    """The diagnosis, line by line."""
    shown = wanted(story, least)
    symptoms: dict[int, list[Remark]] = defaultdict(list)
    for each in story.remarks:
        if each.cause is not None:
            symptoms[each.cause].append(each)
    roots = [each for each in shown if each.root]
    for alike in _alike(roots):
        yield from _root(story, alike, [one for each in alike for one in symptoms[each.number]])
    left = list(_unexplained(story))
    yield from left
    if not left and not roots:
        yield Row(say("No failures" if story.chapters else "No SCEP found"), 1, strong=True)
    others = [each for each in shown if not each.root and each.cause is None]
    for severity, title in (
        (Severity.ERROR, "Other errors" if roots or left else "Errors"),
        (Severity.WARNING, "Warnings"),
        (Severity.INFO, "Notes"),
    ):
        group = [each for each in others if each.severity is severity]
        if group:
            yield Row(say(title), 1, tone=_TONES[severity], strong=True)
        for each in group:
            yield from _other(each)
    yield from _unchecked(story)
    notes = sum(each.severity is Severity.INFO for each in story.remarks)
    if least is not Severity.INFO and notes:
        yield Row(say(f"{count(notes, 'note')}: --all shows them"))
    yield Row(say("Input"), 1)
    for source in story.sources:
        condition = f", {source.condition}" if source.condition else ""
        when = f", from {day_and_clock(source.first_ns, UTC)} UTC" if source.first_ns is not None else ""
        yield Row(say(f"{{}}: {source.size}{when}{condition}", source.name))
    yield Row(say(_counts(story)))


def _counts(story: Story) -> str:
    numbers = {severity: sum(each.severity is severity for each in story.remarks) for severity in Severity}
    exchanges, transactions = story.exchanges, len(story.chapters)
    if not exchanges and not transactions:
        what = "no SCEP found"
    else:
        what = f"{count(exchanges, 'SCEP exchange')} in {count(transactions, 'transaction')}"
    found = ", ".join(
        count(number, name) for number, name in zip(numbers.values(), ("error", "warning", "note"), strict=True)
    )
    return f"{what}; {found}"


def _where(chapter: Chapter) -> Sentence:
    subject = say(" for {}", cut(chapter.subject, _LONGEST_SUBJECT)) if chapter.subject else ()
    return say(
        f"transaction {chapter.number}, {{}} to {{}}{{}}: {{}}", chapter.client, chapter.server, subject, chapter.title
    )


def _alike(roots: list[Remark]) -> list[list[Remark]]:
    """Root causes that are told once: the same rule, and the same code of the server."""
    found: dict[tuple[str, int | None], list[Remark]] = {}
    for each in roots:
        found.setdefault((each.rule, each.code), []).append(each)
    return list(found.values())


def _root(story: Story, alike: list[Remark], symptoms: list[Remark]) -> Iterator[Row]:
    root = alike[0]
    chapters = {each.number: each for each in story.chapters}
    yield Row(say("Root cause: {}", root.title), 1, tone=_TONES[root.severity], strong=True)
    yield Row(say("{}", cut(plain(root.says), _LONGEST)), strong=True)
    if root.transaction is not None and root.transaction in chapters:
        yield Row(_where(chapters[root.transaction]), lead="Where:")
        words = chapters[root.transaction].server_words
        if words:
            yield Row(say("{}", words), lead="Server:")
    if len(alike) > 1:
        yield Row(_others(alike, chapters), lead="Also:")
    yield Row(say(f"{root.rule} ({root.severity.value}, {root.strength.value})"), lead="Rule:")
    for fact in root.evidence[:_MOST_FACTS]:
        where = say("{}, ", place(fact.frame)) if fact.frame is not None else ()
        yield Row(where + say("{}: {}", fact.path, cut(fact.value, _LONGEST_VALUE)), lead="Evidence:")
    chapter = chapters.get(root.transaction or 0)
    yield from filter_rows(chapter.verdict.filters if chapter is not None else filters_of(root.frames))
    yield from _numbered("Cause", root.causes)
    yield from _numbered("Do", root.actions)
    if symptoms:
        named = dict.fromkeys(
            say(each.rule) + (say(" ({})", place(each.frames[0])) if each.frames else ()) for each in symptoms
        )
        yield Row(joined(named, ", "), lead="Leads to:")
    yield Row(joined([(cite(each),) for each in root.sources], "; "), lead="See:")


def filter_rows(filters: Filters) -> Iterator[Row]:
    """The display filters, to be pasted."""
    for lead, text in (("Wireshark:", filters.frames), ("With plugin:", filters.messages)):
        if text:
            yield Row(say("{}", text), lead=lead, code=True)


def _others(alike: list[Remark], chapters: dict[int, Chapter]) -> Sentence:
    """The other transactions with the same cause: how many, when, and the first of them."""
    theirs = [chapters[each.transaction] for each in alike if each.transaction in chapters]
    times = [each.started_ns for each in theirs if each.started_ns is not None]
    when = f" from {day_and_clock(min(times), UTC)} to {day_and_clock(max(times), UTC)} UTC" if times else ""
    numbers = ", ".join(f"#{each.number}" for each in theirs[1:7])
    more = f" and {len(theirs) - 7:,} more" if len(theirs) > 7 else ""
    clients = len({each.client for each in theirs})
    return say(f"{len(alike):,} times in all, {count(clients, 'client')}{when}: {numbers}{more}")


def _numbered(label: str, texts: tuple[str, ...]) -> Iterator[Row]:
    for at, text in enumerate(texts, 1):
        yield Row(say("{}", text), lead=f"{label}:" if len(texts) == 1 else f"{label} {at}:")


def _other(remark: Remark) -> Iterator[Row]:
    where = say("{}: ", place(remark.frames[0])) if remark.frames else ()
    says = cut(plain(remark.says), _LONGEST)
    yield Row(where + say(f"{{}} [{remark.rule}, {remark.strength.value}]", says))
    if remark.severity is not Severity.INFO and remark.actions:
        yield Row(say("{}", remark.actions[0]), lead="Do:")


def _unexplained(story: Story) -> Iterator[Row]:
    """Transactions that failed and have no root cause."""
    left = [each for each in story.chapters if not each.explained]
    if left:
        yield Row(say("Not explained"), 1, strong=True)
    for each in left[:_MOST_UNEXPLAINED]:
        yield Row(say("{}. {}", _where(each), each.why))
    if len(left) > _MOST_UNEXPLAINED:
        yield Row(say(f"and {len(left) - _MOST_UNEXPLAINED:,} more"))


def _unchecked(story: Story) -> Iterator[Row]:
    """What could not be judged, by reason."""
    if story.not_checked:
        yield Row(say("Not checked"), 1, strong=True)
    for reason, rules in story.not_checked:
        many = f"{len(rules)} rules ({', '.join(rules[:3])}, …)" if len(rules) > 3 else ", ".join(rules)
        yield Row(say(f"{many}: {{}}{_KEY_HINTS.get(reason, '')}", reason))
