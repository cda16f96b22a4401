"""The first screen: the verdict of one enrollment, or the table of several with their causes grouped above it."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO

from scep_analyzer.model.patterns import lazily
from scep_analyzer.model.places import of_source, own, short, unit_of, word
from scep_analyzer.model.words import count, span
from scep_analyzer.render import Look
from scep_analyzer.render.ladder import draw
from scep_analyzer.render.paper import Paper, cells, shortened
from scep_analyzer.render.safe import safe
from scep_analyzer.story.filters import filters_of
from scep_analyzer.story.model import (
    Chapter,
    Filters,
    Group,
    Kind,
    Ruling,
    Sentence,
    Span,
    Story,
    Tone,
    Verdict,
    cut,
    plain,
    say,
)
from scep_analyzer.story.times import clock, day_and_clock, zone_name
from scep_analyzer.story.verdicts import common_name, summary

MARKS = {Ruling.GOOD: "✓", Ruling.BAD: "✗", Ruling.WAITING: "…", Ruling.OPEN: "?"}
_TONES = {Ruling.GOOD: Tone.GOOD, Ruling.BAD: Tone.BAD, Ruling.WAITING: Tone.WAITING, Ruling.OPEN: Tone.WAITING}
_LONG_ID = lazily(r"\b([0-9A-Fa-f]{6})[0-9A-Fa-f]{12,}([0-9A-Fa-f]{6})\b")
_FILTER = 11
"""Columns of WIRESHARK."""
_PLUGIN = "  (plugin)"
_ROWS = 23
"""Rows of a screen of 24 lines, the prompt below it."""
_LABEL = 7
"""Columns of CAUSE and FIX."""
_MOST_PICTURE = 9
"""Rows that further steps and proofs leave to the picture, with the empty lines around it."""
_LEAST_PICTURE = 5
"""Rows of a picture of one exchange, with its heading and the empty lines around it."""
_MOST_GROUPS, _MOST_ABOUT = 9, 2
"""Rows of the causes and of what is about the whole capture, and findings of the latter."""
_LEAST_ROWS = 3
"""Rows that the table has at least."""
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
    picture = min(len(chapter.ladder.arrows) + 3, _MOST_PICTURE)
    # The picture wants room: further steps of the fix and further proofs make way for it, and the plugin's filter. A screen that is full
    # cuts sentences; then an exchange of the picture is enough, or none.
    for steps, proofs, because, fix, plugin, least in (
        (2, 3, 3, 4, True, picture),
        (1, 2, 3, 4, True, picture),
        (1, 1, 3, 4, True, picture),
        (1, 1, 3, 4, False, _LEAST_PICTURE),
        (1, 1, 2, 4, False, _LEAST_PICTURE),
        (1, 1, 3, 4, False, 0),
        (1, 0, 2, 3, False, 0),
        (1, 0, 1, 3, False, 0),
        (1, 0, 1, 2, False, 0),
    ):
        why, proof = list(_why(verdict, look, steps, because, fix)), _proof(verdict, look, proofs)
        below = list(_below(story, chapter, look, plugin=plugin))
        rows = used + len(proof) + sum(paper.rows(each, 0, _LABEL) for each in why)
        free = _ROWS - rows - sum(paper.rows(each, 0, 10) for each in below)
        if free >= least:
            break
    for line in why:
        paper.line(line, 0, _LABEL)
    if free >= _LEAST_PICTURE and chapter.ladder.arrows:
        paper.blank()
        draw(chapter.ladder, paper, most=free - 2)
        paper.blank()
    elif free > 0:
        paper.blank()
    for line in (*proof, *below):
        paper.line(line, 0, 10)


def _headline(chapter: Chapter, paper: Paper, look: Look) -> int:
    """Who, what, where and when; returns the rows they took."""
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
    yield _labelled("", Tone.PLAIN, _with_short_ids(verdict.because), look, because)
    if verdict.sure:
        yield _labelled("", Tone.PLAIN, (Span(verdict.sure, Tone.QUIET),), look, 1)
    several = len(verdict.fix) > 1
    for at, action in enumerate(verdict.fix[:steps]):
        text = (Span(f"{at + 1}. "), *action) if several else action
        yield _labelled("FIX" if at == 0 else "", Tone.GOOD, text, look, fix if at == 0 else 2)
    if len(verdict.fix) > steps:
        more = f"{count(len(verdict.fix) - steps, 'more step')}: diagnose"
        yield _labelled("", Tone.PLAIN, (Span(more, Tone.QUIET),), look, 1)


def _with_short_ids(sentence: Sentence) -> Sentence:
    """Serial numbers, transactionIDs and nonces with their two ends only; `diagnose` and `show` have them whole."""
    return tuple(each._replace(text=_LONG_ID.sub(r"\1…\2", each.text)) for each in sentence)


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
        where = (Span(word(each.frame)), Span(own(each.frame), kind=Kind.FRAME)) if each.frame is not None else ()
        room = max(look.width - 26, 20)
        value = cut(f"{each.path}: {each.value}", room)
        lines.append(
            (Span("PROOF  " if at == 0 else "       "), *where, Span("  " if where else ""), *say("{}", value))
        )
    return lines


def _below(story: Story, chapter: Chapter, look: Look, *, plugin: bool) -> Iterable[Sentence]:
    verdict = chapter.verdict
    if verdict.fine:
        yield (Span("CHECKED AND FINE  "), Span(", ".join(verdict.fine)))
    if not _is_recording(story):
        yield from _filters(verdict.filters if plugin else Filters(verdict.filters.frames), look)
    more = f"explain {verdict.rule}, " if verdict.rule else ""
    yield (Span("MORE  "), Span(f"{more}timeline, diagnose, show N", Tone.QUIET))
    yield from _last(story, verdict, look)


def _is_recording(story: Story) -> bool:
    """Whether the input has no frames to look at in Wireshark."""
    return story.unit != "frame"


def _filters(filters: Filters, look: Look) -> Iterator[Sentence]:
    """The display filters; that of the plugin where it fits into one row."""
    if filters.frames:
        yield (Span("WIRESHARK  "), *say("{}", filters.frames))
    if filters.messages and cells(safe(filters.messages)) <= look.width - _FILTER - cells(_PLUGIN):
        yield (Span(" " * _FILTER), *say("{}", filters.messages), Span(_PLUGIN, Tone.QUIET))


def _last(story: Story, verdict: Verdict, look: Look) -> Iterable[Sentence]:
    parts: list[Sentence] = []
    before = sum(each.history for each in story.chapters)
    if before:
        parts.append(say(f"{count(before, 'earlier attempt')} failed: timeline"))
    if verdict.notes and not look.quiet:
        parts.append(say(f"{count(verdict.notes, 'note')}: --all"))
    if plain(verdict.unchecked):
        parts.append(verdict.unchecked)
    if left_out := sum(each.left_out for each in story.sources):
        parts.append(
            say(f"the display filter left out {count(left_out, 'packet')}: what they hold is not reported as missing")
        )
    if any(not each.complete for each in story.sources):
        damage = next((each.says for each in story.oddities if each.code.startswith("capture/")), "")
        parts.append(
            say(
                of_source("the capture is damaged and was read as far as it goes{}", story.unit),
                say(" ({})", damage) if damage else (),
            )
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
    for line in () if _is_recording(story) else _filters(verdict.filters, look):
        paper.line(line)
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
    whole = look.least.rank > 1
    used = begin(story, tried, paper, look)
    letters, rows = causes(story, paper, look, None if whole else _MOST_GROUPS)
    shown = [each for each in tried if each.verdict.ruling is not Ruling.GOOD] or list(tried)
    example = shown[0] if shown else story.chapters[0]
    foot: list[Sentence] = [
        (Span(f"One of them: --transaction {example.number}    Table: list, list -f csv", Tone.QUIET),)
    ]
    if tried:
        # An empty line and the heading before the rows, what is left out after them.
        free = max(_ROWS - used - rows - 3 - len(foot), _LEAST_ROWS)
        most = len(shown) if look.verbose or whole else free
        if example.filters.frames and most > len(shown):
            foot.insert(0, (Span("WIRESHARK  "), *say("{}", filters_of(each.frame for each in shown).frames)))
        paper.blank()
        table(shown[:most], letters, paper, look)
        if len(shown) > most or len(shown) < len(tried):
            rest = f"{len(shown) - most:,} more" if len(shown) > most else f"{len(tried) - len(shown):,} issued"
            paper.line((Span(f"… {rest}: list, --all, --failed, --why A, --client ADDR", Tone.QUIET),), 6)
    for line in foot:
        paper.line(line)


def begin(story: Story, tried: Sequence[Chapter], paper: Paper, look: Look) -> int:
    """Draw what was read, and what came of it; returns the rows it took."""
    sources = story.sources
    names = sources[0].name if len(sources) == 1 else f"{len(sources)} files"
    times = [each for source in sources for each in (source.first_ns, source.last_ns) if each is not None]
    when = ""
    if times:
        when = f"   {day_and_clock(min(times), look.zone)} to {clock(max(times), look.zone, 0)} {zone_name(look.zone)}"
    of = tried or story.chapters
    servers, clients = {each.server for each in of}, {each.client for each in of}
    who = f"   {count(len(servers), 'server')}, {count(len(clients), 'client')}"
    return paper.lines([(*_strong(say("{}", names)), *say(f"{when}{who}")), summary(story.chapters)], 2)


def causes(story: Story, paper: Paper, look: Look, most: int | None) -> tuple[dict[int, str], int]:
    """Draw why the failed ones failed; returns the letter of each chapter that failed, and the rows it took."""
    letters = {number: group.letter for group in story.groups for number in group.chapters}
    about = list(_about(story, most))
    also = sum(paper.rows(each, 0, _LABEL) for each in about)
    shown = story.groups if most is None else story.groups[: most - also]
    lines: list[Sentence] = []
    if shown:
        periods = [_period(each) for each in shown]
        lasted = max(map(len, periods))
        heading = _group("WHY THEY FAILED", "COUNT", "FIRST", "FOR".ljust(lasted) if lasted else "", "EXAMPLE", look)
        lines += [(), heading]
        for group, period in zip(shown, periods, strict=True):
            mark = (Span(group.letter, Tone.STRONG), Span(" ✗ ", Tone.BAD), *group.says)
            many, first = f"{len(group.chapters):,}", clock(group.first_ns, look.zone, 0)
            lines.append(_group(mark, many, first, period.ljust(lasted), f"#{group.chapters[0]}", look))
    if len(shown) < len(story.groups):
        lines.append((Span(f"  … {count(len(story.groups) - len(shown), 'more cause')}: diagnose", Tone.QUIET),))
    return letters, paper.lines([*lines, *about], _LABEL)


def _about(story: Story, most: int | None) -> Iterator[Sentence]:
    """What was found about the capture as a whole: in full where there is room, else the titles of the first."""
    found = list({each.title: each for each in story.about if each.severity.rank < 2}.values())
    for remark in found if most is None else found[:_MOST_ABOUT]:
        yield (Span("ALSO   "), *(remark.says if most is None else say("{}", remark.title)))
    if most is not None and len(found) > _MOST_ABOUT:
        yield (Span(f"       {len(found) - _MOST_ABOUT:,} more about the whole capture: diagnose", Tone.QUIET),)


def _period(group: Group) -> str:
    """How long it went on, from the first of them to the last."""
    if group.first_ns is None or group.last_ns is None or group.last_ns <= group.first_ns:
        return ""
    return span(group.last_ns - group.first_ns)


def _group(cause: Sentence | str, number: str, first: str, lasted: str, example: str, look: Look) -> Sentence:
    """A row of the causes, or their heading; the cause gets what the columns leave."""
    right = f"{number:>5}  {first:<8}  {f'{lasted}  ' if lasted else ''}{example:>7}"
    room = max(look.width - cells(right) - 2, 12)
    spans = (Span(cause),) if isinstance(cause, str) else cause
    shown = shortened(tuple(each._replace(text=safe(each.text)) for each in spans), room)
    blanks = Span(" " * (room - cells(plain(shown)) + 2))
    return (*shown, blanks, Span(right, Tone.QUIET if isinstance(cause, str) else Tone.PLAIN))


def table(chapters: Sequence[Chapter], letters: dict[int, str], paper: Paper, look: Look) -> None:
    """Draw a row for each enrollment; clients and subjects get what they need, at most a third of the room each."""
    wide = look.width - 6 - 10 - 6 - 8
    names = [common_name(each.subject) if each.subject else "" for each in chapters]
    client = min(max(map(len, ("CLIENT", *(each.client for each in chapters)))), max(wide // 3, 15))
    subject = min(max(cells(safe(each)) for each in ("SUBJECT", *names)), max(wide // 3, 10))
    result = max(wide - client - subject - 2, 12)
    counted = unit_of(chapters[0].frame).upper() if chapters else "FRAME"
    heading = (
        f"{'#':>5} {'TIME':<9} {'CLIENT':<{client}} {'SUBJECT':<{subject}} {'RESULT':<{result}} {'WHY':<4} {counted:>7}"
    )
    paper.line((Span(heading, Tone.QUIET),))
    for each, name in zip(chapters, names, strict=True):
        ruling = each.verdict.ruling
        says = f"{MARKS[ruling]} {safe(plain(each.verdict.short))}"
        paper.line(
            (
                Span(f"{each.number:>5} {clock(each.started_ns, look.zone, 0):<9} "),
                *_column(each.client, client),
                *_column(name, subject),
                Span(_padded(says, result), _TONES[ruling]),
                Span(f" {letters.get(each.number, ''):<4} "),
                Span(f"{short(each.frame):>7}", kind=Kind.FRAME, target=str(int(each.frame))),
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
