"""A story → one output each. A new output is one module here with a ``RENDERER``, and one line in the table.

A renderer decides how things look, and escapes for its own medium; what is told, and in which words, is the story's.
"""

from datetime import UTC, timezone
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, Protocol, TextIO

from scep_analyzer.model.findings import Severity

if TYPE_CHECKING:
    from scep_analyzer.story.model import Piece, Story


class Look(NamedTuple):
    """How much is shown, and on what. ``zone`` None is the local one; ``width`` counts columns."""

    width: int = 80
    color: bool = False
    ascii_only: bool = False
    links: bool = False
    """Whether citations are links (OSC 8)."""
    zone: timezone | None = UTC
    quiet: bool = False
    """Headlines only."""
    verbose: bool = False
    """Everything, also what was said before."""
    ladder: bool = False
    """The picture of each transaction instead of its steps."""
    least: Severity = Severity.WARNING
    """The least severity of the findings shown."""


class Renderer(Protocol):
    """Draws a story."""

    name: str
    media_type: str

    def whole(self, story: "Story", out: TextIO, look: Look) -> None:
        """Draw all of it."""


class Streaming(Renderer, Protocol):
    """Draws a story in pieces, too, while it happens."""

    def piece(self, piece: "Piece", out: TextIO, look: Look) -> None:
        """Draw what has become known."""


RENDERERS = {
    ("answer", "text"): "answer",
    ("timeline", "text"): "timeline",
    ("timeline", "markdown"): "timeline_markdown",
    ("timeline", "mermaid"): "mermaid",
    ("diagnose", "text"): "diagnosis",
    ("diagnose", "markdown"): "markdown",
    ("diagnose", "csv"): "table",
    ("report", "html"): "page",
    ("list", "text"): "rows",
    ("list", "csv"): "rows",
    ("list", "json"): "rows",
    ("list", "jsonl"): "rows",
    ("list", "markdown"): "rows",
}
"""Command and format → the module that draws it. JSON and JSON Lines are facts, no story: ``json_v1`` and ``jsonl``."""


def renderer(command: str, form: str) -> Renderer:
    """What draws a command's output in a format."""
    module = import_module(f"scep_analyzer.render.{RENDERERS[command, form]}")
    several: dict[str, Renderer] | None = getattr(module, "RENDERERS", None)
    found: Renderer = module.RENDERER if several is None else several[form]
    return found
