"""The story of a capture as values: meaning, not ink.

Nothing here knows a width, a color or an escape sequence. Texts are raw, as they came from the wire; each renderer escapes for its own
medium, once. :class:`Kind` says where a piece of text came from, so that a renderer can make a link of it, or veil it.
"""

from collections.abc import Iterable
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from scep_analyzer.model.findings import Severity, Strength
from scep_analyzer.model.places import PLURALS, own, word
from scep_analyzer.model.words import count


class Tone(Enum):
    """How something is meant, for a renderer to choose a look by; it never carries meaning alone."""

    PLAIN = "plain"
    STRONG = "strong"
    GOOD = "good"
    WAITING = "waiting"
    BAD = "bad"
    WARN = "warn"
    NOTE = "note"
    QUIET = "quiet"


class Kind(Enum):
    """What a piece of text is. WORDS are the program's own; WIRE is anything else that a sender could choose."""

    WORDS = "words"
    FRAME = "frame"
    RULE = "rule"
    CITATION = "citation"
    ADDRESS = "address"
    HOST = "host"
    NAME = "name"
    SERIAL = "serial"
    ID = "id"
    TIME = "time"
    SECRET = "secret"  # noqa: S105  # the name of a kind, not a password
    WIRE = "wire"


class Span(NamedTuple):
    """A piece of a sentence. ``target`` is what it points to where that is not its text: a frame number, a rule, a URL."""

    text: str
    tone: Tone = Tone.PLAIN
    kind: Kind = Kind.WORDS
    target: str | None = None


Sentence = tuple[Span, ...]


@lru_cache(maxsize=1024)
def _literals(template: str, tone: Tone) -> tuple[Span | None, ...]:
    return tuple(Span(piece, tone) if piece else None for piece in template.split("{}"))


def say(template: str, *values: "str | int | Span | Sentence", tone: Tone = Tone.PLAIN) -> Sentence:
    """A sentence of our own words with values in the places of ``{}``. A plain string counts as text from the wire."""
    literals = _literals(template, tone)
    spans: list[Span] = []
    for at, literal in enumerate(literals):
        if literal is not None:
            spans.append(literal)
        if at < len(values):
            value = values[at]
            if isinstance(value, Span):
                spans.append(value)
            elif isinstance(value, str):
                spans.append(Span(value, tone, Kind.WIRE))
            elif isinstance(value, int):
                spans.append(Span(f"{value:,}", tone))
            else:
                spans += value
    return tuple(spans)


def joined(parts: Iterable[Sentence], between: str) -> Sentence:
    """Sentences or pieces of them in a row."""
    spans: list[Span] = []
    for part in parts:
        if spans:
            spans.append(Span(between))
        spans += part
    return tuple(spans)


def plain(sentence: Sentence) -> str:
    """The raw text of a sentence; a renderer must still escape it."""
    return "".join(span.text for span in sentence)


def toned(sentence: Sentence, tone: Tone) -> Sentence:
    """The same sentence, where it has no tone of its own, in another tone."""
    return tuple(span._replace(tone=tone) if span.tone is Tone.PLAIN else span for span in sentence)


def cut(text: str, limit: int) -> str:
    """At most ``limit`` characters, the end replaced by an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def name(text: str) -> Span:
    """A distinguished name."""
    return Span(text, kind=Kind.NAME)


def serial(text: str) -> Span:
    """A certificate's serial number."""
    return Span(text, kind=Kind.SERIAL)


def ident(text: str) -> Span:
    """A transactionID or a nonce."""
    return Span(text, kind=Kind.ID)


def address(text: object) -> Span:
    """An address, with or without a port."""
    return Span(str(text), kind=Kind.ADDRESS)


def frame(number: int) -> Span:
    """The number of a frame, or of a line or an entry."""
    return Span(own(number), kind=Kind.FRAME, target=str(int(number)))


def place(number: int) -> Sentence:
    """A number with what it counts: frame 19, or app.log, line 19."""
    return Span(word(number)), frame(number)


def rule(text: str) -> Span:
    """A rule's id."""
    return Span(text, Tone.QUIET, Kind.RULE, text)


def cite(text: str) -> Span:
    """Where something is written: a section of an RFC, a page, an issue."""
    return Span(text, Tone.QUIET, Kind.CITATION)


class Comment(NamedTuple):
    """What somebody wrote into the capture: about a packet, or (``frame`` None) about the whole."""

    frame: int | None
    text: str


def amount(number: int, unit: str) -> str:
    """How many there are of what an input's numbers count; frames are called packets."""
    return count(number, "packet" if unit == "frame" else unit, "entries" if unit == "entry" else None)


class Source(NamedTuple):
    """One file that was read. ``name`` is that of the file, without its folder."""

    name: str
    format: str
    links: tuple[str, ...]
    packets: int
    first_ns: int | None
    last_ns: int | None
    complete: bool
    comments: tuple[Comment, ...] = ()
    unit: str = "frame"
    """What its numbers count: frames, or the lines or entries of what is no capture."""

    left_out: int = 0
    """Packets that a display filter left out."""

    @property
    def size(self) -> str:
        """How much there is in it: packets, lines, entries."""
        return amount(self.packets, self.unit)

    @property
    def condition(self) -> str:
        """What must be known of it before something is missed in it; empty where it is whole."""
        damaged = "" if self.complete else "damaged: read as far as it goes"
        chosen = f"{self.packets - self.left_out:,} of them chosen by the display filter" if self.left_out else ""
        return ", ".join(filter(None, (chosen, damaged)))


class Lane(NamedTuple):
    """One who takes part. ``key`` is what steps refer to; ``role`` is device, proxy, RA, CA, or server where that is not known."""

    key: str
    title: str
    role: str
    product: str | None = None


class Card(NamedTuple):
    """A certificate in a few lines. ``bad`` are the lines that say what is wrong with it."""

    role: str
    subject: str
    lines: tuple[Sentence, ...]
    bad: tuple[Sentence, ...] = ()
    spent: float | None = None
    """How much of its validity was over when it was sent: 0 at its beginning, 1 at its end; None where one of the times is unknown."""


class Said(NamedTuple):
    """A sentence at a step; ``again`` where the same host has said the same before."""

    sentence: Sentence
    again: bool = False


class Evidence(NamedTuple):
    """What was seen: in which frame, in which field, which value."""

    frame: int | None
    path: str
    value: str


class Remark(NamedTuple):
    """A finding. ``because_of`` is the rule that it is a symptom of; ``number`` and ``cause`` are findings' numbers."""

    number: int
    rule: str
    severity: Severity
    strength: Strength
    title: str
    says: Sentence
    cause: int | None
    because_of: str | None
    transaction: int | None
    exchange: int | None
    frames: tuple[int, ...]
    evidence: tuple[Evidence, ...]
    causes: tuple[str, ...]
    actions: tuple[str, ...]
    sources: tuple[str, ...]
    root: bool
    code: int | None = None
    """A number that it is about: an HRESULT."""


class StepKind(Enum):
    """What a step is."""

    REQUEST = "request"
    RESPONSE = "response"
    ABSENT_REQUEST = "absent request"
    ABSENT_RESPONSE = "absent response"
    ATTEMPT = "attempt"


class Step(NamedTuple):
    """One arrow of the picture: a request, its response, or a connection attempt. ``number`` is that of the exchange, None for an attempt.

    ``source`` and ``target`` are addresses (the server's with its port). ``since_ns`` is what the time is counted from: the beginning of
    the transaction for a request, the request for its response. ``same_as`` is the exchange where its cards were shown before.
    """

    number: int | None
    kind: StepKind
    source: str
    target: str
    time_ns: int | None
    since_ns: int | None
    frames: tuple[int, ...]
    title: Sentence
    says: tuple[Said, ...] = ()
    cards: tuple[Card, ...] = ()
    same_as: int | None = None
    odd: tuple[Sentence, ...] = ()
    remarks: tuple[Remark, ...] = ()
    tls: bool = False
    tone: Tone = Tone.PLAIN


class Arrow(NamedTuple):
    """One arrow of a ladder: from one lane to another (their places), what it carries, its frame, how often it repeats.

    ``broken``: nothing came of it, or what it carries is where it went wrong.
    ``kind`` and ``number`` are those of its step.
    """

    source: int
    target: int
    label: Sentence
    frame: int | None
    tone: Tone = Tone.PLAIN
    broken: bool = False
    times: int = 1
    time_ns: int | None = None
    kind: StepKind = StepKind.REQUEST
    number: int | None = None


class Ladder(NamedTuple):
    """The picture of a transaction: who takes part, from left to right, and what goes between them, in order of time."""

    lanes: tuple[Lane, ...]
    arrows: tuple[Arrow, ...]


class Ruling(Enum):
    """What came of something, for the mark in front of it."""

    GOOD = "good"
    BAD = "bad"
    WAITING = "waiting"
    OPEN = "open"


class Filters(NamedTuple):
    """Display filters for Wireshark; empty where there is none. ``frames`` works in any Wireshark, ``messages`` with our plugin."""

    frames: str = ""
    messages: str = ""

    @property
    def told(self) -> str:
        """Both in a row of text."""
        plugin = f"with plugin: {self.messages}" if self.messages else ""
        return "   ".join(filter(None, (self.frames, plugin)))


class Verdict(NamedTuple):
    """The answer first: what came of it, why, what to do, the proof, and what is fine.

    ``cause`` is the root cause in a few words, ``because`` the sentence with this capture's values, ``sure`` how certain it is. Where no
    cause was found ``cause`` says so and ``because`` what is known. ``frames`` are those to look at in Wireshark, ``filters`` show them.
    """

    ruling: Ruling
    whom: Sentence
    says: Sentence
    short: Sentence
    """What came of it in a word or two, for a column."""
    cause: Sentence
    because: Sentence
    sure: str
    fix: tuple[Sentence, ...]
    proof: tuple[Evidence, ...]
    fine: tuple[str, ...]
    frames: tuple[int, ...]
    filters: Filters
    rule: str | None
    notes: int
    unchecked: Sentence


class Chapter(NamedTuple):
    """A transaction: how it ended, between whom, its steps, and what was found in it that belongs to no step.

    ``exchanges`` are the numbers of its exchanges. ``root`` is its root cause.
    """

    number: int
    title: Sentence
    tone: Tone
    why: Sentence
    client: str
    server: str
    path: str
    started_ns: int | None
    ended_ns: int | None
    subject: str | None
    issued: bool
    transaction_id: str | None
    exchanges: tuple[int, ...]
    steps: tuple[Step, ...]
    root: Remark | None
    remarks: tuple[Remark, ...]
    explained: bool
    """Whether its end needs no root cause, or has one."""
    verdict: Verdict
    kind: str
    """What it was for, in the words of the JSON."""
    result: str
    """The result's word: issued, unusable, refused, pending, failed, no-enrollment, unknown."""
    enrollment: bool
    """Whether a certificate was asked for, or would have been."""
    history: bool
    """Whether the same device got its certificate later."""
    attempt: int
    """On which attempt, those in earlier transactions of the device included."""
    server_words: str
    """The server's product and what stands in front of it, empty where neither is known."""
    client_words: str
    """The client's product, empty where it is not known."""
    frame: int
    filters: Filters
    """For all its messages, where the verdict's are for those to look at."""
    ladder: Ladder


class Oddity(NamedTuple):
    """Damage or an unusual form, and how it was read."""

    frame: int | None
    says: str
    code: str


class Skipped(NamedTuple):
    """Rules that could not be judged, for one reason."""

    reason: str
    rules: tuple[str, ...]


class Group(NamedTuple):
    """Failures with one cause: its letter, its name in a few words, the numbers of its chapters in order of time, and the first time."""

    letter: str
    says: Sentence
    rule: str | None
    chapters: tuple[int, ...]
    first_ns: int | None
    last_ns: int | None


class Story(NamedTuple):
    """All that there is to tell of a capture."""

    sources: tuple[Source, ...]
    summary: Sentence
    chapters: tuple[Chapter, ...]
    remarks: tuple[Remark, ...]
    """Every finding, root causes first."""
    about: tuple[Remark, ...]
    """Those about the capture as a whole."""
    oddities: tuple[Oddity, ...]
    not_checked: tuple[Skipped, ...]
    exchanges: int
    groups: tuple[Group, ...] = ()
    """Why the failed ones failed, the most frequent cause first."""
    verdict: Verdict | None = None
    """Where there is no transaction: what stopped it before it began, or that there is nothing."""

    @property
    def unit(self) -> str:
        """What its numbers count: frames, or the lines or entries of what is no capture."""
        return next((each.unit for each in self.sources if each.unit in PLURALS), "frame")


class Turn(NamedTuple):
    """While it happens: an exchange has ended. ``between`` are its client and server where others spoke last, else None."""

    between: tuple[str, str] | None
    steps: tuple[Step, ...]


class Learned(NamedTuple):
    """While it happens: the rest of the capture changed what is known of a transaction that was told."""

    chapter: int
    root: Remark | None
    remarks: tuple[Remark, ...]


Piece = Turn | Chapter | Learned | Story
"""What is told while it happens; a Story, with no chapters, ends it."""
