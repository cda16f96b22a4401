"""The page: one HTML file that holds all of a story, without the network, complete with scripts off.

The medium's escape is Jinja2's autoescape, behind :func:`safe`, which every printed value goes through (``finalize``): no markup, and no
control or bidirectional character. No value from the wire becomes an id, a class, a link or a style.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import CodeType
from typing import Any, NamedTuple, TextIO

from jinja2 import BytecodeCache, Environment, PackageLoader, StrictUndefined
from jinja2.bccache import Bucket
from markupsafe import Markup

from scep_analyzer.glossary import short
from scep_analyzer.model.findings import Severity
from scep_analyzer.model.places import Place, all_called, called, numbered_by, of_source
from scep_analyzer.model.places import short as short_place
from scep_analyzer.model.words import count, span
from scep_analyzer.render import Look
from scep_analyzer.render.picture import Picture, anchor, picture_of
from scep_analyzer.render.safe import safe
from scep_analyzer.story.detail import Line
from scep_analyzer.story.filters import by_transaction_id, filters_of
from scep_analyzer.story.model import (
    Card,
    Chapter,
    Group,
    Kind,
    Remark,
    Ruling,
    Sentence,
    Step,
    StepKind,
    Story,
    Tone,
    cut,
    plain,
)
from scep_analyzer.story.references import url_of
from scep_analyzer.story.times import clock, day_and_clock, zone_name
from scep_analyzer.story.verdicts import common_name, summary
from scep_analyzer.version import __version__

MARKS = {Ruling.GOOD: "✓", Ruling.BAD: "✗", Ruling.WAITING: "…", Ruling.OPEN: "?"}
SEVERITIES = {Severity.ERROR: ("✗", "error"), Severity.WARNING: ("!", "warning"), Severity.INFO: ("i", "note")}
MOST_CHAPTERS = 500
"""Transactions on a page: with more of them a browser needs more than a second, and nobody reads them all."""
MOST_BRIEF = 20
"""Transactions in a notebook's cell."""
MOST_STEPS = 100
"""Steps of a transaction; a device that repeats its request for hours makes thousands."""
MOST_REMARKS = 40
MOST_CERTIFICATES = 50
MOST_ODDITIES = 100
MOST_SIZE = 4_000_000
"""Characters that steps and their fields may fill, so that a page with 500 transactions stays below 4 MB."""
MOST_IN_FULL = 50
MOST_EXAMPLES = 20
"""With more transactions than the first number only the second are told step by step, an example of each cause among them. The table
of causes and the rules at the end tell what the others share: a browser's time goes by the number of elements."""
_BASE, _PER_ARROW, _PER_STEP, _PER_LINE, _PER_FIELD, _PER_CARD = 3_900, 360, 330, 40, 75, 900
"""About how many characters of markup there are around a transaction's answer, an arrow, a step, its lines, a field, a certificate."""
_LONGEST = 2_000
_LONGEST_VALUE = 600
_DIGITS = 6

Depth = Callable[[int], Iterable[Line]]
"""The fields of an exchange, by its number."""


class Node(NamedTuple):
    """A field and what is inside of it."""

    line: Line
    children: "list[Node]"


class Told(NamedTuple):
    """A step as the page shows it: with its id, whether it is the first of its exchange, and its fields in full."""

    step: Step
    id: str
    fields: list[Node]
    frames: str


class Section(NamedTuple):
    """A transaction as the page shows it; ``letter`` is that of its cause. ``short``: one of very many, told in a few lines."""

    chapter: Chapter
    picture: Picture
    steps: list[Told]
    left_out: int
    found: list[Remark]
    notes: list[Remark]
    letter: str
    name: str
    short: bool

    @property
    def rules(self) -> list[str]:
        """The rules that found something in it, each once."""
        return list(dict.fromkeys(each.rule for each in (*self.found, *self.notes)))


class Entry(NamedTuple):
    """A rule that found something: the first finding, how many there are, and where."""

    remark: Remark
    times: int
    chapters: list[int]


class Sheet(NamedTuple):
    """A certificate, and the exchange in which it was seen first."""

    card: Card
    exchange: int | None


class Page:
    """The HTML of ``report``."""

    name = "html"
    media_type = "text/html"

    def __init__(self, depth: Depth | None = None) -> None:
        self._depth = depth

    def whole(self, story: Story, out: TextIO, look: Look) -> None:
        """Write it."""
        words = _Words()
        environment = _environment(look, words)
        static = {name: _source(environment, name) for name in ("style.css", "script.js")}
        chapters = _shown(story)
        sections = _sections(story, chapters, look, self._depth)
        one = _single(story, sections)
        template = environment.get_template("page.html")
        pieces = template.generate(
            story=story,
            tried=[each for each in story.chapters if each.enrollment and not each.history],
            sections=sections,
            one=one,
            verdict=story.verdict,
            brief=len(sections) > MOST_IN_FULL,
            fixes={} if one else _fixes(story),
            count=summary(story.chapters) if story.chapters else story.summary,
            cut_to=len(chapters) if len(chapters) < len(story.chapters) else None,
            entries=_entries(story, look.least, {each.number for each in chapters}),
            about=_about(story, look.least),
            certificates=_certificates(sections),
            glossary=words,
            version=__version__,
            style=static["style.css"],
            script=static["script.js"],
            style_hash=_hash(static["style.css"]),
            script_hash=_hash(static["script.js"]),
        )
        out.writelines(pieces)


RENDERER = Page()


def brief(story: Story) -> str:
    """The answer alone, as a piece of HTML for a notebook: what the first lines of the page say, with its escape and without scripts."""
    words = _NoWords()
    environment = _environment(Look(), words)
    sections = _sections(story, _by_need(story.chapters)[:MOST_BRIEF], Look(), None)
    return environment.get_template("brief.html").render(
        story=story,
        one=_single(story, sections),
        verdict=story.verdict,
        sections=sections,
        left_out=max(len(story.chapters) - len(sections), 0),
        count=summary(story.chapters) if story.chapters else story.summary,
    )


# -- what is on the page ------------------------------------------------------------------------------------------------


def _shown(story: Story) -> list[Chapter]:
    """The transactions that the page has room for, in order of time: an example of each cause, and those that did not go well, first."""
    if len(story.chapters) <= MOST_CHAPTERS:
        return list(story.chapters)
    return sorted(_by_need(story.chapters, story.groups)[:MOST_CHAPTERS], key=lambda each: each.number)


def _fixes(story: Story) -> dict[str, tuple[Sentence, ...]]:
    """The fix of each cause, by its letter: that of its first transaction."""
    fixes = {each.number: each.verdict.fix for each in story.chapters}
    return {group.letter: fixes.get(group.chapters[0], ()) for group in story.groups}


def _single(story: Story, sections: Sequence[Section]) -> Section | None:
    """The one enrollment that the page is about, where there is one only."""
    tried = [each for each in sections if each.chapter.enrollment and not each.chapter.history]
    if len(tried) == 1:
        return tried[0]
    return sections[0] if len(story.chapters) == 1 else None


def _sections(story: Story, chapters: Sequence[Chapter], look: Look, depth: Depth | None) -> list[Section]:
    letters = {number: group.letter for group in story.groups for number in group.chapters}
    in_full = chapters if len(chapters) <= MOST_IN_FULL else _by_need(chapters, story.groups)[:MOST_EXAMPLES]
    numbers = {each.number for each in in_full}
    room = MOST_SIZE - sum(_BASE + _PER_ARROW * len(each.ladder.arrows) for each in chapters)
    in_steps, left = _with_steps(in_full, room)
    fields = _fields([each for each in in_full if each.number in in_steps], depth, left)
    return [
        _section(
            each,
            look,
            letters.get(each.number, ""),
            fields,
            most=MOST_STEPS if each.number in in_steps else 0,
            short=each.number not in numbers,
        )
        for each in chapters
    ]


def _by_need(chapters: Iterable[Chapter], groups: Iterable[Group] = ()) -> list[Chapter]:
    """An example of each cause first, then what did not go well: it is what a page is read for."""
    examples = {group.chapters[0] for group in groups}
    return sorted(
        chapters,
        key=lambda each: (
            each.number not in examples,
            each.verdict.ruling is Ruling.GOOD or each.history,
            each.number,
        ),
    )


def _with_steps(chapters: Sequence[Chapter], left: int) -> tuple[set[int], int]:
    """The transactions whose steps the page has room for, and how much room is left."""
    found = set[int]()
    for chapter in _by_need(chapters):
        left -= sum(map(_size, chapter.steps[:MOST_STEPS])) + sum(
            300 + len(plain(each.says)) for each in chapter.remarks
        )
        if left < 0 and found:
            break
        found.add(chapter.number)
    return found, left


def _size(step: Step) -> int:
    said = sum(_PER_LINE + len(plain(each.sentence)) for each in step.says if not each.again)
    cards = 0 if step.same_as is not None else _PER_CARD * len(step.cards)
    return _PER_STEP + said + cards


def _section(
    chapter: Chapter, look: Look, letter: str, fields: Mapping[str, list[Node]], *, most: int, short: bool
) -> Section:
    steps = [_told(each, fields) for each in chapter.steps[:most]]
    at_steps = [remark for step in chapter.steps for remark in step.remarks]
    every = list(dict.fromkeys((*chapter.remarks, *at_steps)))
    found = [each for each in every if each.root or each.severity is not Severity.INFO][:MOST_REMARKS]
    notes = [each for each in every if not each.root and each.severity is Severity.INFO][:MOST_REMARKS]
    return Section(
        chapter=chapter,
        picture=picture_of(chapter.ladder, {each.id for each in steps}, look.zone),
        steps=steps,
        left_out=max(len(chapter.steps) - most, 0),
        found=[each for each in found if each.root or each.severity.rank <= look.least.rank],
        notes=notes if look.least is Severity.INFO else [],
        letter=letter,
        name=common_name(chapter.subject) if chapter.subject else chapter.client,
        short=short,
    )


def _told(step: Step, fields: Mapping[str, list[Node]]) -> Told:
    key = anchor(step.kind, step.number, step.frames[0] if step.frames else None)
    return Told(step, key, fields.get(key, []), _frames(step.frames))


def _frames(frames: tuple[int, ...]) -> str:
    """Frame numbers, runs of them as ranges, at most a dozen."""
    if any(isinstance(each, Place) for each in frames):
        return all_called(sorted(frames)[:12], "") + (" …" if len(frames) > 12 else "")
    runs: list[list[int]] = []
    for each in sorted(frames):
        if runs and each == runs[-1][1] + 1:
            runs[-1][1] = each
        else:
            runs.append([each, each])
    shown = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs[:12])
    return f"frame{'s' if len(frames) > 1 else ''} {shown}{' …' if len(runs) > 12 else ''}"


def _fields(chapters: Sequence[Chapter], depth: Depth | None, left: int) -> dict[str, list[Node]]:
    """The fields of requests and responses by the id of their step, those of what failed first, until the page is full."""
    found: dict[str, list[Node]] = {}
    if depth is None:
        return found
    for chapter in _by_need(chapters):
        for number in dict.fromkeys(each.number for each in chapter.steps[:MOST_STEPS] if each.number is not None):
            lines = list(depth(number))
            left -= sum(len(each.name) + min(len(each.value), _LONGEST) + len(each.note) + _PER_FIELD for each in lines)
            if left < 0:
                return found
            for node in tree_of(lines):
                kind = {"Request": StepKind.REQUEST, "Response": StepKind.RESPONSE}.get(node.line.name)
                if kind is not None and node.children:
                    found[anchor(kind, number, None)] = node.children
    return found


def tree_of(lines: Iterable[Line]) -> list[Node]:
    """Lines with depths as a tree."""
    roots: list[Node] = []
    above: list[Node] = []
    for line in lines:
        node = Node(line, [])
        del above[line.depth :]
        (above[-1].children if above else roots).append(node)
        above.append(node)
    return roots


def _entries(story: Story, least: Severity, shown: set[int]) -> list[Entry]:
    """What was found, a rule each, root causes first."""
    by_rule: dict[str, list[Remark]] = {}
    for each in story.remarks:
        if each.root or each.severity.rank <= least.rank:
            by_rule.setdefault(each.rule, []).append(each)
    found = []
    for theirs in by_rule.values():
        first = next((each for each in theirs if each.root), theirs[0])
        where = dict.fromkeys(each.transaction for each in theirs if each.transaction is not None)
        found.append(Entry(first, len(theirs), [each for each in where if each in shown]))
    return sorted(found, key=lambda each: (not each.remark.root, each.remark.severity.rank))


def _about(story: Story, least: Severity) -> list[Remark]:
    """What is to be said of the capture as a whole, but for what the headline has said of it."""
    told = story.verdict.rule if story.verdict is not None else None
    return [each for each in story.about if (each.severity.rank <= least.rank or each.root) and each.rule != told]


def _certificates(sections: Iterable[Section]) -> list[Sheet]:
    """Every certificate that was seen, once."""
    seen: dict[tuple[object, ...], Sheet] = {}
    for section in sections:
        for told in section.steps:
            for card in told.step.cards:
                key = (card.subject, *(plain(each) for each in card.lines[:1]))
                seen.setdefault(key, Sheet(card, told.step.number))
    return list(seen.values())


# -- how it is written --------------------------------------------------------------------------------------------------


class _Words:
    """The words of the glossary: which of them the page has used, in which section they were marked last."""

    def __init__(self) -> None:
        self.used: dict[str, str] = {}
        self._marked = set[str]()

    def begin(self) -> str:
        """A new section begins, in which each word is marked once."""
        self._marked.clear()
        return ""

    def pieces(self, text: str) -> Iterator[tuple[str, str | None]]:
        """The text in pieces, those that are words to explain with the key of their entry."""
        at = 0
        for match in _WORD.finditer(text):
            word = match[0]
            says = short(word)
            key = word.lower()
            if says is None or key in self._marked:
                continue
            self._marked.add(key)
            self.used.setdefault(key, word)
            if match.start() > at:
                yield text[at : match.start()], None
            yield word, key
            at = match.end()
        if at < len(text):
            yield text[at:], None

    def entries(self) -> list[tuple[str, str, str]]:
        """Key, word and explanation of every word that was marked."""
        return sorted((key, word, short(word) or "") for key, word in self.used.items())


class _NoWords(_Words):
    """No word is explained: there is no glossary to link to."""

    def pieces(self, text: str) -> Iterator[tuple[str, str | None]]:
        yield text, None


_WORD = re.compile(
    # Words that nobody uses by chance; "exchange" and "subject" would mark half of the page.
    r"\b(?:bad(?:CertID|Time|Request|MessageCheck|Alg)|PENDING|FAILURE|SUCCESS|GetCRL|GetCert|CertPoll|PKCSReq|UpdateReq|RenewalReq"
    r"|CertRep|SCEPStandard|POSTPKIOperation|GetNextCACert|DES3|PKIOperation|GetCACertChain|GetCACert|GetCACaps|pkcsPKIEnvelope"
    r"|pkiMessage|challengePassword|ENROLL_SCEP_ERROR|messageDigest|recipientNonce|senderNonce|failInfoText|failInfo|pkiStatus"
    r"|transactionID|messageType|HRESULT|OAEP|RecipientInfo|EnvelopedData|SignedData|PKCS #10|PKCS #7|NDES|CMS|EKU|CRL|OCSP|RST|SYN"
    r"|RA certificate|mscep_admin|one-time password|certificate template|policy module|keyUsage|extKeyUsage|subjectAltName)\b"
)


class _Compiled(BytecodeCache):
    """The templates, compiled once in a process: that takes 0.2 s, and a notebook shows many reports."""

    def __init__(self) -> None:
        self._kept: dict[str, CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._kept.get(bucket.key)

    def dump_bytecode(self, bucket: Bucket) -> None:
        if bucket.code is not None:
            self._kept[bucket.key] = bucket.code


_COMPILED = _Compiled()


def _environment(look: Look, words: _Words) -> Environment:
    environment = Environment(
        loader=PackageLoader("scep_analyzer.render"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
        bytecode_cache=_COMPILED,
    )
    environment.filters.update(
        clock=lambda time_ns: clock(time_ns, look.zone, _DIGITS),
        seconds=lambda time_ns: clock(time_ns, look.zone, 0),
        moment=lambda time_ns: day_and_clock(time_ns, look.zone),
        span=span,
        plain=plain,
        cut=lambda text, most=_LONGEST: cut(text, most),
        short_value=lambda text: cut(text, _LONGEST_VALUE),
        frames=lambda frames: filters_of(frames).frames,
        called=called,
        of_source=of_source,
        numbered_by=lambda unit: numbered_by(unit)[:1].lower() + numbered_by(unit)[1:],
        short_place=short_place,
        by_id=by_transaction_id,
        url=url_of,
        percent=lambda share: f"{share:.0%}",
        number=lambda number: f"{number:,}",
        begin=lambda text: text[:1].upper() + text[1:],
        key=lambda key: re.sub(r"[^a-z0-9]+", "-", key),
    )
    names: dict[str, Any] = {
        "marks": MARKS,
        "severities": SEVERITIES,
        "tones": {Tone.GOOD: "good", Tone.BAD: "bad", Tone.WARN: "warn", Tone.WAITING: "wait", Tone.QUIET: "quiet"},
        "Kind": Kind,
        "StepKind": StepKind,
        "words": words,
        "most_certificates": MOST_CERTIFICATES,
        "most_oddities": MOST_ODDITIES,
        "zone": zone_name(look.zone),
        "many": count,
        "duration": _duration,
        "bar": _bar,
    }
    environment.globals.update(names)
    return environment


def _finalized(value: object) -> object:
    """What every printed value goes through before it is escaped; text of the templates themselves is Markup."""
    return safe(value) if type(value) is str else value


def _duration(chapter: Chapter) -> str:
    if chapter.started_ns is None or chapter.ended_ns is None or chapter.ended_ns <= chapter.started_ns:
        return ""
    return span(chapter.ended_ns - chapter.started_ns)


class Bar(NamedTuple):
    """A bar of validity: where the capture is on it, in percent of its width, and the same in words."""

    at: float
    words: str


def _bar(card: Card) -> Bar | None:
    """Where in the validity of a certificate the capture was taken; a tenth of the bar at each end is outside of it."""
    if card.spent is None:
        return None
    if card.spent < 0:
        return Bar(5, "not valid yet")
    if card.spent > 1:
        return Bar(95, "expired")
    return Bar(round(10 + 80 * card.spent, 1), f"{card.spent:.0%} of its time is over")


def _source(environment: Environment, name: str) -> Markup:
    """A file of ours, as it is."""
    loader = environment.loader
    source = loader.get_source(environment, name)[0] if loader is not None else ""
    return Markup(source)  # noqa: S704  # a file of the package, no input


def _hash(text: str) -> Markup:
    """The hash by which the page's policy allows its own style and script (CSP 3, Section 6.7.3.3)."""
    return Markup("sha256-") + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
