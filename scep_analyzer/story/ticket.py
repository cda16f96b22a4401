"""The story → a ticket for the support of a product: what happened, where and when, the server's words, what was ruled out."""

from collections.abc import Iterator
from datetime import UTC

from scep_analyzer.model.places import numbered_by
from scep_analyzer.model.words import span
from scep_analyzer.story.diagnosis import Row, filter_rows
from scep_analyzer.story.model import Chapter, Ruling, StepKind, Story, cut, place, plain, say
from scep_analyzer.story.times import day_and_clock
from scep_analyzer.version import __version__

_LONGEST = 600
_LONGEST_VALUE = 200
_MOST_STEPS = 20
_DIGITS = 6
_ARROWS = {StepKind.REQUEST: "→", StepKind.RESPONSE: "←"}


def ticket_lines(story: Story) -> Iterator[Row]:
    """A ticket: one case for each cause, the first transaction that shows it."""
    chapters = {each.number: each for each in story.chapters}
    cases = [(chapters[group.chapters[0]], len(group.chapters)) for group in story.groups]
    if not cases:
        cases = [(each, 1) for each in story.chapters if each.verdict.ruling is not Ruling.GOOD and each.enrollment][:1]
    if not cases:
        yield Row(say("Nothing failed"), 1, strong=True)
        yield Row(story.verdict.because if story.verdict is not None else story.summary)
    for chapter, times in cases:
        yield from _case(chapter, times)
    yield Row(say("What was read"), 1)
    for source in story.sources:
        when = f", from {_when(source.first_ns)}" if source.first_ns is not None else ""
        condition = f", {source.condition}" if source.condition else ""
        yield Row(say(f"{{}}: {{}}, {source.size}{when}{condition}", source.name, source.format))
    yield Row(say(f"Made by scep-analyzer {__version__}. {numbered_by(story.unit)}; all times are UTC."))


def _when(time_ns: int | None) -> str:
    return f"{day_and_clock(time_ns, UTC, _DIGITS)} UTC"


def _case(chapter: Chapter, times: int) -> Iterator[Row]:
    verdict = chapter.verdict
    yield Row(say("{}: {}", verdict.whom, verdict.says), 1, strong=True)
    lasted = ""
    if chapter.started_ns is not None and chapter.ended_ns is not None:
        lasted = f", took {span(chapter.ended_ns - chapter.started_ns)}"
    yield Row(say(f"{_when(chapter.started_ns)}{lasted}"), lead="When:")
    unknown = "product not recognised"
    yield Row(say("{}, {}", chapter.client, chapter.client_words or unknown), lead="Client:")
    yield Row(say("{}{}, {}", chapter.server, chapter.path, chapter.server_words or unknown), lead="Server:")
    for lead, text in (("Requester:", chapter.subject), ("transactionID:", chapter.transaction_id)):
        if text:
            yield Row(say("{}", cut(text, _LONGEST)), lead=lead)
    if times > 1:
        yield Row(say(f"{times:,} enrollments failed for this cause; this is the first"), lead="How often:")
    if plain(verdict.cause):
        sure = f" ({verdict.sure})" if verdict.sure else ""
        yield Row(say(f"{{}}{sure}", verdict.cause), lead="Cause:")
    yield Row(say("{}", cut(plain(verdict.because), _LONGEST)), lead="What happened:")
    for each in verdict.proof[:8]:
        where = say("{}, ", place(each.frame)) if each.frame is not None else ()
        yield Row(where + say("{}: {}", each.path, cut(each.value, _LONGEST_VALUE)), lead="Evidence:")
    yield from _words(chapter)
    yield Row(say("Exchanges"), 2)
    steps = chapter.steps
    for step in steps[-_MOST_STEPS:]:
        frames = say("{}: ", place(step.frames[0])) if step.frames else ()
        when = f"{_when(step.time_ns)}, " if step.time_ns is not None else ""
        yield Row(say("{}{}{} {}", say(when), frames, say(_ARROWS.get(step.kind, "✗")), step.title))
    if len(steps) > _MOST_STEPS:
        yield Row(say(f"{len(steps) - _MOST_STEPS:,} steps before these are left out"))
    yield Row(say("Ruled out"), 2)
    yield Row(
        say("Checked and fine: {}", ", ".join(verdict.fine)) if verdict.fine else say("Nothing could be ruled out")
    )
    if plain(verdict.unchecked):
        yield Row(verdict.unchecked, lead="Not checked:")
    yield from filter_rows(verdict.filters)


def _words(chapter: Chapter) -> Iterator[Row]:
    """What the server said in its responses, in its own words."""
    last = next((each for each in reversed(chapter.steps) if each.kind is StepKind.RESPONSE), None)
    if last is None:
        return
    where = say(" ({})", place(last.frames[0])) if last.frames else ()
    yield Row(say("What the server said last") + where, 2)
    yield Row(last.title)
    for said in last.says:
        yield Row(say("{}", cut(plain(said.sentence), _LONGEST)))
