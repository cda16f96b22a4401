"""The rules speak plainly, in whole sentences and the field's words, on their pages and of captures; and they cite sections that exist."""

import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from scep_analyzer.rules._rule import Rule
from scep_analyzer.rules.catalogue import RULES
from tests.conftest import ROOT
from tests.corpus.test_faults import SIDECARS, judged
from tests.rules.rfc_sections import SECTIONS

_MANY = (
    "acknowledgments|alerts|attempts|attributes|bytes|certificates|characters|clients|connections|copies|days|devices|digits|enrollments|errors|exchanges"
    "|extensions|files|findings|frames|hours|keys|lines|messages|minutes|months|names|notes|packets|passwords|requests|responses|rules|seconds|segments"
    "|servers|signatures|SYNs|times|transactions|values|warnings|years"
)
HABITS = {
    "mend: say fix, correct": r"\bmend(s|ed|ing)?\b",
    "blank: say space": r"\bblanks?\b",
    "anew: say again": r"\banew\b",
    "in vain: say without success": r"\bin vain\b",
    "likewise": r"\blikewise\b",
    "none that": r"\bnone that\b",
    "(s): use rules._words.count": r"\w\(s\)",
    "1 and a plural: use rules._words.count": rf"(?<![\w.,:/-])1 ({_MANY})\b",
    "see there": r"\bsee there\b",
    "there is no … that": r"\bthere (is|are) (no|none)\b[^.;]*\bthat\b",
    "takes … for: say treats … as": r"\b(takes?|taken|took) (?!\d)[\w’' -]{1,30}? for\b",
    "let the client: say configure the client to": r"\blet the client\b",
    "stands there: say is, appears": r"\bstands? there\b",
    "as a rule: say usually": r"\bas a rule\b",
    "odd: say unusual, invalid": r"(?<![\w-])odd(ly)?\b(?!-)",
}
"""The habits that the house has given up: what to say instead, and how to find them."""

_VERBS = frozenset(
    {
        "am", "is", "are", "was", "were", "be", "been", "have", "has", "had", "do", "does", "did", "can", "could", "may", "might",
        "must", "shall", "should", "will", "would", "cannot", "cut", "put", "let", "set", "read", "sent", "lost", "kept", "came",
        "went", "got", "gave", "ran", "began", "broke", "chose", "knew", "made", "meant", "met", "saw", "took", "wrote", "left",
        "held", "built", "speak", "need", "want", "mean", "show", "become",
    }
)  # fmt: skip
"""Forms of verbs that do not end in -s or -ed."""
_PLURAL_SUBJECTS = frozenset(
    {"all", "and", "both", "data", "few", "many", "people", "some", "they", "we", "who", "you"}
)
"""With these as its subject, a verb may have its plain form ("a client and a proxy both escape it"), which no ending tells."""
_NO_VERBS = frozenset(
    {
        "as", "its", "this", "thus", "always", "perhaps", "less", "us", "across", "besides", "address", "access", "process",
        "status",
    }
)  # fmt: skip
"""Words in -s that are never a sentence's verb (process and access would need one in -es)."""

_CITED = re.compile(r"\bRFC (\d+),? (?:Sections? )?(\d+(?:\.\d+)+|(?<=Section )\d+)(?: and (\d+(?:\.\d+)*))?")


def _plain(text: str) -> str:
    """Without what is quoted from the wire, typed, or named: only our own words are judged."""
    return re.sub(r"“[^”]*”|`[^`]*`", "…", text)


def _habits(text: str) -> list[str]:
    return [habit for habit, pattern in HABITS.items() if re.search(pattern, _plain(text), re.IGNORECASE)]


def _has_no_verb(text: str) -> bool:
    """Whether a paragraph surely has no verb: none of its words could be one, nor could one in its plain form follow. Not for advice."""
    words = re.findall(r"[a-z]+", _plain(text).lower())
    return not any(
        word in _PLURAL_SUBJECTS
        or word in _VERBS
        or (word.endswith(("s", "ed")) and len(word) > 2 and word not in _NO_VERBS)
        for word in words
    )


def _faults_of_title(title: str) -> Iterator[str]:
    if len(title) > 100:
        yield f"{len(title)} characters"
    if title.endswith("."):
        yield "ends in a full stop"
    yield from _habits(title)


def _faults_of_sentence(text: str, *, advice: bool = False) -> Iterator[str]:
    yield from _habits(text)
    if not text.endswith((".", "?", ")")):
        yield "does not end as a sentence does"
    if len(text.split()) < 2:
        yield "is one word"
    if not advice and _has_no_verb(text):
        yield "has no verb"


def _told(label: str, text: str, faults: Iterator[str]) -> list[str]:
    return [f"{label}: {fault}: {text}" for fault in faults]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_page_is_in_plain_words(rule: Rule) -> None:
    page = rule.page
    faults = _told("title", page.title, _faults_of_title(page.title))
    for label, texts in (("Seen", (page.seen,)), ("Why", page.why), ("Matters", page.matters), ("Not", (page.is_not,))):
        for each in texts:
            faults += _told(label, each, _faults_of_sentence(each))
    for each in (*page.neutral, *(advice.text for advice in page.do_for)):
        faults += _told("Do", each, _faults_of_sentence(each, advice=True))
    assert faults == []


@pytest.mark.parametrize("sidecar", SIDECARS, ids=lambda path: path.stem)
def test_what_is_said_of_a_capture_is_in_plain_words(sidecar: Path) -> None:
    report, _ = judged(sidecar, near=False)
    faults: list[str] = []
    for finding in report.findings:
        faults += _told(f"{finding.rule} title", finding.title, _faults_of_title(finding.title))
        for label, texts in (("summary", (finding.summary,)), ("cause", finding.causes)):
            for each in texts:
                faults += _told(f"{finding.rule} {label}", each, _faults_of_sentence(each))
        for each in finding.actions:
            faults += _told(f"{finding.rule} action", each, _faults_of_sentence(each, advice=True))
    assert faults == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Mend the header.", 1),
        ("1 bytes are missing.", 1),
        ("The capture has 11 bytes and frame 1 is short.", 0),
        ("3 byte(s) are missing.", 1),
        ("The server takes GET for safe.", 1),
        ("The server takes 8.0 s to respond to the request for a certificate.", 0),
        ("There is no certificate here that fits.", 1),
        ("The server says “mend your ways(s)”. Run `odd`.", 0),
        ("An odd port is used; content-type-odd finds it.", 1),
    ],
)
def test_the_habits_are_found_outside_quotations_only(text: str, found: int) -> None:
    assert len(_habits(text)) == found


@pytest.mark.parametrize(
    ("text", "verbless"),
    [
        ("A web application firewall in front of the server.", True),
        ("407.", True),
        ("The server rejects POST.", False),
        ("The certificate expired.", False),
        ("Old clients speak HTTP/1.0.", False),
        ("The client and a proxy both escape it.", False),
    ],
)
def test_a_paragraph_without_a_verb_is_told(text: str, verbless: bool) -> None:
    assert _has_no_verb(text) is verbless


_IN_SOURCES = (
    "mend: say fix, correct",
    "anew: say again",
    "in vain: say without success",
    "likewise",
    "as a rule: say usually",
    "see there",
)
"""Habits that have no other meaning, so that comments and docstrings can be held to them, too."""


@pytest.mark.parametrize("path", sorted((ROOT / "scep_analyzer").rglob("*.py")), ids=lambda path: path.stem)
def test_comments_and_docstrings_have_given_up_the_habits_too(path: Path) -> None:
    with path.open("rb") as source:
        tokens = [
            each for each in tokenize.tokenize(source.readline) if each.type in (tokenize.COMMENT, tokenize.STRING)
        ]
    wrong = [
        f"line {each.start[0]}: {habit}"
        for each in tokens
        for habit in _IN_SOURCES
        if re.search(HABITS[habit], each.string, re.IGNORECASE)
    ]
    assert wrong == []


def _cited(text: str) -> Iterator[tuple[int, str]]:
    for number, *sections in _CITED.findall(re.sub(r"\s+", " ", text)):
        for section in sections:
            if section and int(number) in SECTIONS:
                yield int(number), section


def test_the_pattern_reads_the_forms_that_we_write() -> None:
    text = "RFC 8894, Section 4.1; RFC 9110,\nSection 15; (RFC 5652, 11.3); RFC 5652, Sections 5.1 and 6; RFC 8894, 4 bytes; RFC 1, 4.1"
    assert [*_cited(text)] == [(8894, "4.1"), (9110, "15"), (5652, "11.3"), (5652, "5.1"), (5652, "6")]


def test_the_table_of_sections_is_one() -> None:
    for number, titles in SECTIONS.items():
        assert all(re.fullmatch(r"\d+(\.\d+)*", section) and title for section, title in titles.items()), number
        assert all(section.rpartition(".")[0] in ("", *titles) for section in titles), number


_CITING = [
    *sorted((ROOT / "scep_analyzer").rglob("*.py")),
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "how-to").glob("*.md")),
]


def test_every_citation_names_a_section_that_exists() -> None:
    citations = [(path, *each) for path in _CITING for each in _cited(path.read_text(encoding="utf-8"))]
    assert len(citations) > 200
    wrong = [
        f"{path.relative_to(ROOT)}: RFC {number}, Section {section}"
        for path, number, section in citations
        if section not in SECTIONS[number]
    ]
    assert wrong == []


def _statuses() -> Iterator[tuple[str, str, str]]:
    for rule in RULES:
        status = re.search(r"\b([1-5]\d\d)\b", rule.id)
        for reference in rule.references:
            for number, section in _cited(reference):
                if status is not None and number == 9110 and section.startswith("15.") and section.count(".") == 2:
                    yield rule.id, status[1], SECTIONS[number][section]


@pytest.mark.parametrize(("rule", "status", "title"), [*_statuses()])
def test_a_rule_about_a_status_cites_the_section_of_that_status(rule: str, status: str, title: str) -> None:
    assert title.startswith(status), rule
