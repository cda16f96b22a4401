"""Markdown, for tickets and wikis; nothing from the wire can become markup."""

from collections.abc import Iterable
from typing import TextIO

from scep_analyzer.render import Look
from scep_analyzer.render.safe import markdown, markdown_code
from scep_analyzer.story.diagnosis import Row, lines
from scep_analyzer.story.model import Story, plain


class DiagnosisPage:
    """The Markdown of ``diagnose``."""

    name = "markdown"
    media_type = "text/markdown"

    def whole(self, story: Story, out: TextIO, look: Look) -> None:
        """Draw it."""
        self.draw(lines(story, look.least), out, look)

    def draw(self, told: Iterable[Row], out: TextIO, look: Look) -> None:  # noqa: ARG002  # as on paper, which has a width
        """Write lines of a diagnosis, or of a ticket."""
        rows = []
        for line in told:
            body = markdown_code(plain(line.text)) if line.code else markdown(plain(line.text))
            if line.level:
                rows.append(f"\n{'#' * (line.level + 1)} {body}\n")
            elif line.lead:
                rows.append(f"* **{line.lead}** {body}")
            else:
                rows.append(f"{body}\n")
        out.write("\n".join(rows).strip() + "\n")


RENDERER = DiagnosisPage()
