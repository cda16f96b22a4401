"""The diagnosis as text."""

from collections.abc import Iterable
from typing import TextIO

from scep_analyzer.render import Look
from scep_analyzer.render.paper import Paper
from scep_analyzer.story.diagnosis import Row, lines
from scep_analyzer.story.model import Span, Story, Tone


class Diagnosis:
    """The text of ``diagnose``."""

    name = "text"
    media_type = "text/plain"

    def whole(self, story: Story, out: TextIO, look: Look) -> None:
        """Draw it."""
        self.draw(lines(story, look.least), out, look)

    def draw(self, told: Iterable[Row], out: TextIO, look: Look) -> None:
        """Draw lines of a diagnosis, or of a ticket."""
        paper = Paper.of(look, out)
        for at, line in enumerate(told):
            if line.level and at:
                paper.blank()
            lead = f"{line.lead} " if line.lead else ""
            text = (Span(lead, Tone.STRONG), *line.text)
            paper.line(text, 0 if line.level else 2, len(lead), line.tone, strong=line.strong)


RENDERER = Diagnosis()
