"""The first screen: the verdict of one enrollment, or the table of several with their causes grouped above it."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO

from scep_analyzer.render import Look
from scep_analyzer.render.ladder import draw
from scep_analyzer.render.paper import Paper, cells
from scep_analyzer.render.safe import safe
from scep_analyzer.story.model import (
    Chapter,
    Group,
    Kind,
    Ruling,
    Sentence,
    Span,
    Story,
    Tone,
    Verdict,
    count,
    cut,
    plain,
    say,
)
from scep_analyzer.story.times import clock, day_and_clock, span, zone_name
from scep_analyzer.story.verdicts import common_name, display_filter, summary

MARKS = {Ruling.GOOD: "✓", Ruling.BAD: "✗", Ruling.WAITING: "…", Ruling.OPEN: "?"}
_TONES = {Ruling.GOOD: Tone.GOOD, Ruling.BAD: Tone.BAD, Ruling.WAITING: Tone.WAITING, Ruling.OPEN: Tone.WAITING}
_ROWS = 23
"""Rows of a screen of 24 lines, the prompt below it."""
_LABEL = 7
"""Columns of CAUSE and FIX."""
_MOST_PICTURE = 9
"""Rows that further steps and proofs leave to the picture, with the empty lines around it."""
_MOST_GROUPS, _MOST_ROWS = 7, 6
_MOST_ODDITIES = 3


class Answer:
    """The text of ``scep-analyzer CAPTURE``."""

    name = "text"
    media_type = "text/plain"

    def whole(self, story: Story, out: TextIO, look: Look) -> None:
        """Draw it."""
        paper = Paper.of(look, out)
        tried = [each for each in story.chapters if each.enrollment and not each.history]
        if len(tried) == 1 or (not tried and len(story.chapters) == 1):
            chapter = tried[0] if tried else story.chapters[0]
            _one(story, chapter, paper, look)
        elif story.chapters:
            _several(story, tried, paper, look)
        elif story.verdict is not None:
            _without(story, story.verdict, paper, look)


RENDERER = Answer()


# -- one ----------------------------------------------------------------------------------------------------------------


def _one(story: Story, chapter: Chapter, paper: Paper, look: Look) -> None:
    verdict = chapter.verdict
    used = _headline(chapter, paper, look)
    below = list(_below(story, chapter, look))
    foot = sum(paper.rows(each, 0, 10) for each in below)
    picture = min(len(chapter.ladder.arrows) + 3, _MOST_PICTURE)
    # The picture wants room: further steps of the fix and further proofs make way for it; a screen that is full cuts sentences.
    for steps, proofs, because, fix in (
        (2, 3, 3, 4),
        (1, 2, 3, 4),
        (1, 1, 3, 4),
        (1, 0, 2, 3),
        (1, 0, 1, 3),
        (1, 0, 1, 2),
    ):
        why, proof = list(_why(verdict, look, steps, because, fix)), _proof(verdict, look, proofs)
        rows = used + foot + len(proof) + sum(paper.rows(each, 0, _LABEL) for each in why)
        free = _ROWS - rows
        if free >= (picture if proofs > 1 else 0):
            break
    for line in why:
        paper.line(line, 0, _LABEL)
    if free >= 5 and chapter.ladder.arrows:
        paper.blank()
        draw(chapter.ladder, paper, most=free - 2)
        paper.blank()
    elif free > 0:
        paper.blank()
    for line in (*proof, *below):
        paper.line(line, 0, 10)


def _headline(chapter: Chapter, paper: Paper, look: Look) -> int:
    """Who, what, where and when; gives the rows they took."""
    verdict = chapter.verdict
    left = (*_mark(verdict.ruling), *_strong(verdict.whom), Span(": "), *_strong(verdict.says))
    paper.line(left, 0, 2)
    where = f" ({chapter.server_words})" if chapter.server_words else ""
    when = took = ""
    if chapter.started_ns is not None:
        when = f"   {day_and_clock(chapter.started_ns, look.zone)} {zone_name(look.zone)}"
        if chapter.ended_ns is not None and chapter.ended_ns > chapter.started_ns:
            took = f", {span(chapter.ended_ns - chapter.started_ns)}"
    legs = say(f"{{}} → {{}}{{}}{when}{took}", chapter.client, chapter.server, where)
    if paper.rows(legs, 2, 2) > 1:
        legs = say(f"{{}} → {{}}{{}}{when}", chapter.client, chapter.server, where)
    paper.line(legs, 2, 2)
    paper.blank()
    return paper.rows(left, 0, 2) + paper.rows(legs, 2, 2) + 1


def _why(verdict: Verdict, look: Look, steps: int, because: int, fix: int) -> Iterator[Sentence]:
    """Cause and fix, ``steps`` of it; the sentence about the cause and the first step take at most so many rows."""
    named = bool(plain(verdict.cause))
    if named:
        yield _labelled("CAUSE", Tone.BAD, (*_strong(verdict.cause), Span(".")), look, 2)
    yield _labelled("", Tone.PLAIN, verdict.because, look, because)
    if verdict.sure:
        yield _labelled("", Tone.PLAIN, (Span(verdict.sure, Tone.QUIET),), look, 1)
    several = len(verdict.fix) > 1
    for at, action in enumerate(verdict.fix[:steps]):
        text = (Span(f"{at + 1}. "), *action) if several else action
        yield _labelled("FIX" if at == 0 else "", Tone.GOOD, text, look, fix if at == 0 else 2)
    if len(verdict.fix) > steps:
        more = f"{count(len(verdict.fix) - steps, 'more step')}: diagnose"
        yield _labelled("", Tone.PLAIN, (Span(more, Tone.QUIET),), look, 1)


def _labelled(label: str, tone: Tone, sentence: Sentence, look: Look, most: int) -> Sentence:
    """A paragraph behind a label, at most so many rows."""
    room = max(look.width - _LABEL, 20)
    return (Span(label.ljust(_LABEL), tone), *_within(sentence, room * most - room // 5))


def _within(sentence: Sentence, limit: int) -> Sentence:
    """A sentence cut at the end of a word."""
    text = plain(sentence)
    if len(text) <= limit:
        return sentence
    short = text[: limit - 1].rsplit(" ", 1)[0].rstrip(" ,;:") + " …"
    kept: list[Span] = []
    left = len(short)
    for each in sentence:
        if left <= 0:
            break
        kept.append(each._replace(text=short[len(short) - left :][: len(each.text)]))
        left -= len(each.text)
    return tuple(kept)


def _proof(verdict: Verdict, look: Look, most: int) -> list[Sentence]:
    lines = []
    for at, each in enumerate(verdict.proof[:most]):
        where = (Span("frame "), Span(str(each.frame), kind=Kind.FRAME)) if each.frame is not None else ()
        room = max(look.width - 26, 20)
        value = cut(f"{each.path}: {each.value}", room)
        lines.append(
            (Span("PROOF  " if at == 0 else "       "), *where, Span("  " if where else ""), *say("{}", value))
        )
    return lines


def _below(story: Story, chapter: Chapter, look: Look) -> Iterable[Sentence]:
    verdict = chapter.verdict
    if verdict.fine:
        yield (Span("CHECKED AND FINE  "), Span(", ".join(verdict.fine)))
    if verdict.frames and not _is_recording(story):
        yield (Span("WIRESHARK  "), Span(display_filter(verdict.frames)))
    more = f"explain {verdict.rule}, " if verdict.rule else ""
    yield (Span("MORE  "), Span(f"{more}timeline, diagnose, show N", Tone.QUIET))
    yield from _last(story, verdict, look)


def _is_recording(story: Story) -> bool:
    """Whether the input has no frames to look at in Wireshark."""
    return any(each.unit != "frame" for each in story.sources)


def _last(story: Story, verdict: Verdict, look: Look) -> Iterable[Sentence]:
    parts: list[Sentence] = []
    before = sum(each.history for each in story.chapters)
    if before:
        parts.append(say(f"{count(before, 'earlier attempt')} failed: timeline"))
    if verdict.notes and not look.quiet:
        parts.append(say(f"{count(verdict.notes, 'note')}: --all"))
    if plain(verdict.unchecked):
        parts.append(verdict.unchecked)
    if any(not each.complete for each in story.sources):
        damage = next((each.says for each in story.oddities if each.code.startswith("capture/")), "")
        parts.append(
            say("the capture is damaged and was read as far as it goes{}", say(" ({})", damage) if damage else ())
        )
    if parts:
        line: list[Span] = []
        for part in parts:
            if line:
                line.append(Span("; "))
            line += part
        yield tuple(each._replace(tone=Tone.QUIET) for each in line)


# -- none ---------------------------------------------------------------------------------------------------------------


def _without(story: Story, verdict: Verdict, paper: Paper, look: Look) -> None:
    for source in story.sources[:3]:
        when = (
            f", {day_and_clock(source.first_ns, look.zone)} {zone_name(look.zone)}"
            if source.first_ns is not None
            else ""
        )
        lines = say(f"{{}}: {source.size}{when}", source.name)
        paper.line((*_mark(verdict.ruling), *_strong(verdict.says), Span("   "), *lines), 0, 2)
    paper.blank()
    for line in _why(verdict, look, 2, 3, 4):
        paper.line(line, 0, _LABEL)
    for each in _proof(verdict, look, 3):
        paper.line(each, 0, 10)
    if verdict.frames and not _is_recording(story):
        paper.line((Span("WIRESHARK  "), Span(display_filter(verdict.frames))))
    if verdict.rule:
        paper.line((Span("MORE  "), Span(f"explain {verdict.rule}, diagnose", Tone.QUIET)))
    for oddity in story.oddities[:_MOST_ODDITIES]:
        paper.line(say("! {}", oddity.says), 0, 2, Tone.WARN)
    for remark in story.about:
        if not remark.root and remark.severity.rank < 2:
            paper.line(say("! {}", remark.says), 0, 2, Tone.WARN)
    for line in _last(story, verdict, look):
        paper.line(line, 0, 2)


# -- several ------------------------------------------------------------------------------------------------------------


def _several(story: Story, tried: Sequence[Chapter], paper: Paper, look: Look) -> None:
    begin(story, tried, paper, look)
    letters = causes(story, paper, look, None if look.least.rank > 1 else _MOST_GROUPS)
    shown = [each for each in tried if each.verdict.ruling is not Ruling.GOOD] or list(tried)
    if tried:
        paper.blank()
        most = len(shown) if look.verbose or look.least.rank > 1 else _MOST_ROWS
        table(shown[:most], letters, paper, look)
        if len(shown) > most or len(shown) < len(tried):
            rest = f"{len(shown) - most:,} more" if len(shown) > most else f"{len(tried) - len(shown):,} issued"
            paper.line((Span(f"… {rest}: list, --all, --failed, --why A, --client ADDR", Tone.QUIET),), 6)
    example = shown[0] if shown else story.chapters[0]
    paper.line((Span(f"One of them: --transaction {example.number}    Table: list, list -f csv", Tone.QUIET),))


def begin(story: Story, tried: Sequence[Chapter], paper: Paper, look: Look) -> None:
    """Draw what was read, and what came of it."""
    sources = story.sources
    names = sources[0].name if len(sources) == 1 else f"{len(sources)} files"
    times = [each for source in sources for each in (source.first_ns, source.last_ns) if each is not None]
    when = ""
    if times:
        when = f"   {day_and_clock(min(times), look.zone)} to {clock(max(times), look.zone, 0)} {zone_name(look.zone)}"
    servers, clients = {each.server for each in tried}, {each.client for each in tried}
    who = f"   {count(len(servers), 'server')}, {count(len(clients), 'client')}"
    paper.line((*_strong(say("{}", names)), *say(f"{when}{who}")), 0, 2)
    paper.line(summary(story.chapters), 0, 2)


def causes(story: Story, paper: Paper, look: Look, most: int | None) -> dict[int, str]:
    """Draw why the failed ones failed; gives the letter of each chapter that failed."""
    letters = {number: group.letter for group in story.groups for number in group.chapters}
    if story.groups:
        paper.blank()
        heading = "WHY THEY FAILED"
        right = f"{'COUNT':>7}  {'FIRST':<5}  {'EXAMPLE':>8}"
        paper.line((Span(heading.ljust(max(look.width - len(right), 20))), Span(right, Tone.QUIET)))
    shown = story.groups if most is None else story.groups[:most]
    for group in shown:
        paper.line(_group(group, look))
    if len(shown) < len(story.groups):
        paper.line((Span(f"… {count(len(story.groups) - len(shown), 'more cause')}: diagnose", Tone.QUIET),), 2)
    told = set[str]()
    for remark in story.about:
        if remark.severity.rank < 2 and remark.title not in told:
            told.add(remark.title)
            paper.line((Span("SERVER "), *_within(remark.says, max(look.width * 2 - 20, 40))), 0, 7)
    return letters


def _group(group: Group, look: Look) -> Sentence:
    right = f"{len(group.chapters):>7,}  {clock(group.first_ns, look.zone, 0):<8}  {f'#{group.chapters[0]}':>8}"
    room = max(look.width - len(right) - 4 - len(group.letter), 12)
    says = cut(safe(plain(group.says)), room)
    return (
        Span(group.letter, Tone.STRONG),
        Span(" ✗ ", Tone.BAD),
        *say("{}", says),
        Span(" " * (room - cells(says) + 1)),
        Span(right),
    )


def table(chapters: Iterable[Chapter], letters: dict[int, str], paper: Paper, look: Look) -> None:
    """Draw a row for each enrollment."""
    wide = look.width - 6 - 10 - 6 - 8
    client, subject = max(wide // 4, 12), max(wide // 3, 10)
    result = max(wide - client - subject - 2, 12)
    heading = (
        f"{'#':>5} {'TIME':<9} {'CLIENT':<{client}} {'SUBJECT':<{subject}} {'RESULT':<{result}} {'WHY':<4} {'FRAME':>7}"
    )
    paper.line((Span(heading, Tone.QUIET),))
    for each in chapters:
        name = common_name(each.subject) if each.subject else ""
        ruling = each.verdict.ruling
        says = f"{MARKS[ruling]} {safe(plain(each.verdict.short))}"
        paper.line(
            (
                Span(f"{each.number:>5} {clock(each.started_ns, look.zone, 0):<9} "),
                *_column(each.client, client),
                *_column(name, subject),
                Span(_padded(says, result), _TONES[ruling]),
                Span(f" {letters.get(each.number, ''):<4} "),
                Span(f"{each.frame:>7}", kind=Kind.FRAME, target=str(each.frame)),
            )
        )


def _column(text: str, width: int) -> Sentence:
    return say("{}", _padded(safe(text), width) + " ")


def _padded(text: str, width: int) -> str:
    shown = cut(text, width)
    return shown + " " * max(width - cells(shown), 0)


def _mark(ruling: Ruling) -> Sentence:
    return (Span(f"{MARKS[ruling]} ", _TONES[ruling]),)


def _strong(sentence: Sentence) -> Sentence:
    return tuple(each._replace(tone=Tone.STRONG) for each in sentence)
