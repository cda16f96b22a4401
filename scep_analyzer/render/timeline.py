"""The timeline for people: a headline for each transaction, then its steps with time, frames and what they mean."""

from collections.abc import Iterable
from typing import TextIO

from scep_analyzer.model.findings import Severity
from scep_analyzer.model.places import of_source, short, unit_of
from scep_analyzer.model.words import span
from scep_analyzer.render import Look
from scep_analyzer.render.ladder import draw
from scep_analyzer.render.paper import Paper, cells, shortened
from scep_analyzer.render.safe import safe
from scep_analyzer.story.model import (
    Card,
    Chapter,
    Kind,
    Learned,
    Oddity,
    Piece,
    Remark,
    Sentence,
    Source,
    Span,
    Step,
    StepKind,
    Story,
    Tone,
    Turn,
    cut,
    place,
    plain,
    rule,
    say,
)
from scep_analyzer.story.times import clock, day_and_clock, zone_name

TONES = {Severity.ERROR: Tone.BAD, Severity.WARNING: Tone.WARN, Severity.INFO: Tone.NOTE}
MARKS = {Severity.ERROR: "✗", Severity.WARNING: "!", Severity.INFO: "i"}
_ARROWS = {StepKind.REQUEST: "──→", StepKind.RESPONSE: "←──", StepKind.ATTEMPT: "──✗"}
_LONGEST_TITLE = 160
_LONGEST_VALUE = 600
_LONGEST_PATH = 80
_MOST_FRAMES = 6
_MOST_ODDITIES = 20
_MOST_COMMENTS = 5
"""Comments of a capture shown without being asked."""
_DIGITS = 6
"""Digits of a second that are shown."""


class Timeline:
    """The text of ``timeline`` and ``live``."""

    name = "text"
    media_type = "text/plain"

    def whole(self, story: Story, out: TextIO, look: Look) -> None:
        """Draw the whole timeline."""
        drawing = _Drawing(out, look, nothing=not story.exchanges and not story.chapters)
        drawing.beginning(story)
        for chapter in story.chapters:
            drawing.chapter(chapter)
        drawing.ending(story)

    def piece(self, piece: Piece, out: TextIO, look: Look) -> None:
        """Draw what has just become known."""
        drawing = _Drawing(out, look)
        match piece:
            case Turn():
                drawing.turn(piece)
            case Chapter():
                drawing.verdict(piece)
            case Learned():
                drawing.learned(piece)
            case Story():
                drawing = _Drawing(out, look, nothing=not piece.exchanges)
                drawing.paper.blank()
                drawing.beginning(piece)
                drawing.ending(piece)


RENDERER = Timeline()


class _Drawing:
    """One drawing on one paper. ``nothing``: there is nothing else to tell, so notes are shown."""

    def __init__(self, out: TextIO, look: Look, *, nothing: bool = False) -> None:
        self.paper = Paper.of(look, out)
        self._look = look
        self._least = Severity.INFO if nothing else look.least

    # -- the capture ---------------------------------------------------------------------------------------------------

    def beginning(self, story: Story) -> None:
        """What was read, and how much there is."""
        for source in story.sources:
            self.paper.line(self._about_file(source))
            self._comments(source)
        self.paper.line(story.summary)

    def ending(self, story: Story) -> None:
        """What is about the capture as a whole."""
        shown = self._shown(story.about)
        if shown:
            self.paper.blank()
            self.paper.line(of_source("About the capture as a whole", story.unit), strong=True)
        for each in shown:
            self._remark(each, 3)
        if not self._look.quiet:
            self._oddities(story.oddities, story.unit)

    def _about_file(self, source: Source) -> Sentence:
        links = "" if source.unit != "frame" else f", {', '.join(source.links) or 'no interface'}"
        when = ""
        if source.first_ns is not None and source.last_ns is not None:
            start = day_and_clock(source.first_ns, self._look.zone)
            when = f", {start} {zone_name(self._look.zone)}, {span(source.last_ns - source.first_ns)}"
        condition = f" ({source.condition})" if source.condition else ""
        return say(f"{{}}: {{}}{links}, {source.size}{when}{condition}", source.name, source.format)

    def _comments(self, source: Source) -> None:
        """What somebody wrote into the file."""
        look = self._look
        shown = source.comments if look.verbose else source.comments[: 0 if look.quiet else _MOST_COMMENTS]
        for each in shown:
            where = "comment" if each.frame is None else f"comment on frame {each.frame}"
            self.paper.line(say(f"{where}: {{}}", each.text), 3, 2)
        if not look.quiet and len(source.comments) > len(shown):
            self.paper.line(f"{len(source.comments) - len(shown):,} more comments: --verbose shows them", 3)

    def _oddities(self, oddities: tuple[Oddity, ...], unit: str) -> None:
        """What was damaged or unusual, the first of it."""
        if not oddities:
            return
        self.paper.blank()
        self.paper.line(of_source("Damage and anomalies in the capture", unit), strong=True)
        shown = oddities if self._look.verbose else oddities[:_MOST_ODDITIES]
        for each in shown:
            where = say("{}: ", place(each.frame)) if each.frame is not None else ()
            self.paper.line(where + say("{} [{}]", each.says, each.code), 3, 2, Tone.WARN)
        if len(shown) < len(oddities):
            self.paper.line(f"and {len(oddities) - len(shown):,} more; --verbose lists them", 3, tone=Tone.WARN)

    # -- a transaction -------------------------------------------------------------------------------------------------

    def chapter(self, chapter: Chapter) -> None:
        """A transaction with all its steps."""
        self._headline(chapter)
        if self._look.quiet:
            return
        if self._look.ladder:
            self.paper.blank()
            draw(chapter.ladder, self.paper)
            return
        leg = chapter.client, chapter.server
        for step in chapter.steps:
            self._step(step, leg)
        left = [each for each in self._shown(chapter.remarks) if each.exchange is None and each is not chapter.root]
        if left:
            self.paper.blank()
        for each in left:
            self._remark(each, 3)

    def verdict(self, chapter: Chapter) -> None:
        """How a transaction ended whose exchanges have been told."""
        self._headline(chapter)
        numbers = chapter.exchanges
        which = ", ".join(map(str, numbers))
        several = f"Exchanges {which}" if len(numbers) > 1 else f"Exchange {which}"
        self.paper.line(several if numbers else "No exchange", 3, tone=Tone.QUIET)
        if not self._look.quiet:
            for step in chapter.steps:
                self._step(step, (chapter.client, chapter.server))
        for each in self._shown(chapter.remarks):
            if each is not chapter.root:
                self._remark(each, 3)

    def turn(self, turn: Turn) -> None:
        """An exchange that has just ended."""
        if self._look.quiet:
            return
        if turn.between is not None:
            self.paper.blank()
            self.paper.line(say("{} → {}", *turn.between), strong=True)
        request = turn.steps[0]
        for step in turn.steps:
            self._step(step, (request.source, request.target))

    def learned(self, learned: Learned) -> None:
        """What the rest of the capture changed."""
        self.paper.blank()
        numbers = [each for remark in learned.remarks for each in remark.frames[:1]]
        rest = of_source("The rest of the capture", unit_of(numbers[0]) if numbers else "frame")
        self.paper.line(f"{rest} tells more about transaction {learned.chapter}", strong=True)
        if learned.root is not None:
            self._remark(learned.root, 3, "Root cause: ")
        for each in self._shown(learned.remarks):
            if each is not learned.root:
                self._remark(each, 3)

    def _headline(self, chapter: Chapter) -> None:
        """How a transaction ended, and why."""
        title = (
            Span("━━ ", Tone.QUIET),
            Span(f"Transaction {chapter.number}: ", Tone.STRONG),
            *(each._replace(tone=chapter.tone) for each in chapter.title),
            Span(" "),
        )
        room = max(self._look.width - cells(safe(plain(title))), 0)
        self.paper.blank()
        self.paper.line((*title, Span("━" * room, Tone.QUIET)))
        path = say(", {}", cut(chapter.path, _LONGEST_PATH)) if chapter.path else ()
        duration = ""
        if chapter.started_ns is not None and chapter.ended_ns is not None:
            start = day_and_clock(chapter.started_ns, self._look.zone)
            duration = f", {start}, took {span(chapter.ended_ns - chapter.started_ns)}"
        self.paper.line(say(f"{{}} → {{}}{{}}{duration}", chapter.client, chapter.server, path), 3)
        self.paper.line(chapter.why, 3, tone=chapter.tone)
        if chapter.root is not None:
            self._remark(chapter.root, 3, "Root cause: ")
            for action in chapter.root.actions[:1]:
                self.paper.line((Span("Fix: ", Tone.GOOD), *say("{}", action)), 3, 2)
        if chapter.subject and not chapter.issued:
            self.paper.line(say("Requester: {}", chapter.subject), 3)
        if chapter.transaction_id is not None:
            self.paper.line(say("transactionID {}", chapter.transaction_id), 3)
        if chapter.filters.frames and not self._look.quiet:
            self.paper.line(say("Wireshark: {}", chapter.filters.told), 3, 2, Tone.QUIET)

    # -- a step --------------------------------------------------------------------------------------------------------

    def _step(self, step: Step, leg: tuple[str, str]) -> None:
        """One arrow, and what it means; ``leg`` is between whom it is expected."""
        paper = self.paper
        if step.kind is not StepKind.RESPONSE and step.kind is not StepKind.ABSENT_RESPONSE:
            paper.blank()
        if step.kind is StepKind.ABSENT_REQUEST:
            paper.line(f"{step.number:>3}  ({plain(step.title)})", tone=Tone.WARN)
            return
        if step.kind is StepKind.ABSENT_RESPONSE:
            paper.line(say("     (no response) {}", step.title), tone=Tone.BAD)
        else:
            paper.line(self._first_line(step, leg), 0, 5)
        for said in step.says:
            if self._look.verbose or not said.again:
                paper.line(shortened(said.sentence, _LONGEST_VALUE), 7, 2)
        self._cards(step)
        for odd in step.odd:
            paper.line(shortened(odd, _LONGEST_VALUE), 7, 2, Tone.WARN)
        self._found(step)

    def _first_line(self, step: Step, leg: tuple[str, str]) -> Sentence:
        number = f"{step.number:>3}" if step.kind is StepKind.REQUEST else "   "
        when = clock(step.time_ns, self._look.zone, _DIGITS)
        delta = ""
        if step.time_ns is not None and step.since_ns is not None:
            delta = f"+{(step.time_ns - step.since_ns) / 1e9:.3f} s"
        frames = Span(_frames(step.frames), kind=Kind.FRAME)
        if step.kind is StepKind.ATTEMPT:
            arrow = Span(_ARROWS[step.kind], Tone.BAD)
            return (Span(f"     {when}  "), frames, Span("  "), arrow, Span(" "), *_bad(step.title))
        line = [
            Span(number, Tone.STRONG),
            Span(f"  {when}  "),
            Span(f"{delta:>10}", Tone.QUIET),
            Span("  "),
            frames,
            Span("  "),
            Span(_ARROWS[step.kind], Tone.STRONG),
            Span(" "),
            *(_bad if step.tone is Tone.BAD else _strong)(shortened(step.title, _LONGEST_TITLE)),
        ]
        if step.tls:
            line.append(Span("  (TLS)", Tone.QUIET))
        pair = (step.source, step.target) if step.kind is StepKind.REQUEST else (step.target, step.source)
        if pair != leg:
            line.append(Span(f"  [{pair[0]} → {pair[1]}]", Tone.NOTE))
        return tuple(line)

    def _cards(self, step: Step) -> None:
        if step.cards and step.same_as is not None and not self._look.verbose:
            self.paper.line(f"· the same as in exchange {step.same_as}", 9, 2)
            return
        for card in step.cards:
            self._card(card)

    def _card(self, card: Card) -> None:
        self.paper.line((Span("· "), Span(f"{card.role}: ", Tone.STRONG), *say("{}", card.subject)), 9, 2)
        for line in card.lines:
            self.paper.line(line, 11)
        for line in card.bad:
            self.paper.line(line, 11, tone=Tone.BAD)

    def _found(self, step: Step) -> None:
        """What was found in an exchange: the root cause is told above, its symptoms by name."""
        symptoms: dict[int, list[Remark]] = {}
        for each in self._shown(step.remarks):
            if each.root:
                here = f"{MARKS[each.severity]} CAUSE (see the top) [{each.rule}]"
                self.paper.line(here, 7, 2, TONES[each.severity])
            elif each.cause is not None:
                symptoms.setdefault(each.cause, []).append(each)
            else:
                self._remark(each, 7)
        for theirs in symptoms.values():
            names = ", ".join(dict.fromkeys(each.rule for each in theirs))
            because = f"{MARKS[theirs[0].severity]} {names}: a consequence of {theirs[0].because_of}"
            self.paper.line(because, 7, 2, Tone.QUIET)

    def _shown(self, remarks: Iterable[Remark]) -> list[Remark]:
        return [each for each in remarks if each.severity.rank <= self._least.rank]

    def _remark(self, remark: Remark, indent: int, lead: str = "") -> None:
        """A finding beside its step."""
        tone = TONES[remark.severity]
        symptom = f", a symptom of {remark.because_of}" if remark.because_of is not None else ""
        text = (
            Span(lead or f"{MARKS[remark.severity]} ", Tone.STRONG),
            *shortened(remark.says, _LONGEST_VALUE),
            Span(" [", Tone.QUIET),
            rule(remark.rule),
            Span(f"{symptom}]", Tone.QUIET),
        )
        self.paper.line(text, indent, 2, tone)


def _strong(sentence: Sentence) -> Sentence:
    return tuple(each._replace(tone=Tone.STRONG) for each in sentence)


def _bad(sentence: Sentence) -> Sentence:
    return tuple(each._replace(tone=Tone.BAD) for each in sentence)


def _frames(frames: tuple[int, ...]) -> str:
    shown = " ".join(map(short, frames[:_MOST_FRAMES]))
    return f"[{shown}{' …' if len(frames) > _MOST_FRAMES else ''}]"
