"""The Markdown of ``timeline``: for each transaction its result, a diagram, and its steps as a table."""

from collections.abc import Iterator
from typing import TextIO

from scep_analyzer.model.places import PLURALS, short, unit_of
from scep_analyzer.render import Look
from scep_analyzer.render.mermaid import diagram
from scep_analyzer.render.safe import markdown
from scep_analyzer.story.model import Chapter, Step, StepKind, Story, cut, plain
from scep_analyzer.story.times import clock, day_and_clock, zone_name

_ARROWS = {StepKind.REQUEST: "→", StepKind.RESPONSE: "←", StepKind.ATTEMPT: "✗", StepKind.ABSENT_RESPONSE: "✗"}
_LONGEST = 600


class TimelinePage:
    """Nothing from the wire can become markup; a diagram is in a block of its own."""

    name = "markdown"
    media_type = "text/markdown"

    def whole(self, story: Story, out: TextIO, look: Look) -> None:
        """Write it."""
        for source in story.sources:
            out.write(f"* {markdown(source.name)}: {markdown(source.format)}, {markdown(source.size)}\n")
        out.write(f"\n{markdown(plain(story.summary))}\n")
        for chapter in story.chapters:
            out.writelines(f"{line}\n" for line in _chapter(chapter, look))


RENDERER = TimelinePage()


def _chapter(chapter: Chapter, look: Look) -> Iterator[str]:
    yield f"\n## Transaction {chapter.number}: {_text(plain(chapter.title))}\n"
    when = f", {day_and_clock(chapter.started_ns, look.zone)} {zone_name(look.zone)}" if chapter.started_ns else ""
    yield f"{_text(chapter.client)} → {_text(chapter.server)} {_text(chapter.server_words)}{when}\n"
    for label, text in (
        ("Cause", plain(chapter.verdict.cause)),
        ("What happened", plain(chapter.verdict.because)),
        ("Fix", plain(chapter.verdict.fix[0]) if chapter.verdict.fix else ""),
        ("Requester", chapter.subject or ""),
        ("transactionID", chapter.transaction_id or ""),
    ):
        if text:
            yield f"* **{label}:** {_text(text)}"
    if look.quiet:
        return
    if chapter.ladder.lanes:
        yield "\n```mermaid"
        yield from diagram(chapter, look)
        yield "```"
    if not look.ladder:
        yield f"\n| exchange | time | {PLURALS[unit_of(chapter.frame)]} | | what |\n|---|---|---|---|---|"
        yield from (_row(each, look) for each in chapter.steps)


def _row(step: Step, look: Look) -> str:
    when = clock(step.time_ns, look.zone, 6) if step.time_ns is not None else ""
    said = " ".join(plain(each.sentence) for each in step.says if look.verbose or not each.again)
    what = f"**{_text(plain(step.title))}** {_text(said)}".rstrip()
    frames = " ".join(map(short, step.frames[:6])) + (" …" if len(step.frames) > 6 else "")
    return f"| {step.number or ''} | {when} | {frames} | {_ARROWS.get(step.kind, '')} | {what} |"


def _text(text: str) -> str:
    return markdown(cut(text, _LONGEST))
