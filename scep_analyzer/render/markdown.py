"""Markdown, for tickets and wikis; nothing from the wire can become markup."""

from typing import TextIO

from scep_analyzer.render import Look
from scep_analyzer.render.safe import markdown
from scep_analyzer.story.diagnosis import lines
from scep_analyzer.story.model import Story, plain


class DiagnosisPage:
    """The Markdown of ``diagnose``."""

    name = "markdown"
    media_type = "text/markdown"

    def whole(self, story: Story, out: TextIO, look: Look) -> None:
        """Draw it."""
        rows = []
        for line in lines(story, look.least):
            body = markdown(plain(line.text))
            if line.level:
                rows.append(f"\n{'#' * (line.level + 1)} {body}\n")
            elif line.lead:
                rows.append(f"* **{line.lead}** {body}")
            else:
                rows.append(f"{body}\n")
        out.write("\n".join(rows).strip() + "\n")


RENDERER = DiagnosisPage()
