"""Paragraphs on a console: lines that were wrapped, indented."""

from collections.abc import Iterable

from rich.console import Console
from rich.text import Text


def print_lines(console: Console, lines: Iterable[Text], indent: int, hang: int = 0) -> None:
    """Print the lines of a paragraph, without blanks at their ends; all but the first one hang ``hang`` further in."""
    for at, line in enumerate(lines):
        line.rstrip()
        line.pad_left(indent + (hang if at else 0))
        console.print(line, soft_wrap=True)
