"""What an entry of the glossary is."""

from typing import NamedTuple


class Entry(NamedTuple):
    """A word of SCEP. ``short`` explains it in one line of at most 110 characters, ``meaning`` in full, ``source`` says where that is written.

    ``says`` is what a timeline says where the word appears; empty where a timeline says nothing.
    """

    short: str
    meaning: str
    source: str
    says: str = ""

    @property
    def note(self) -> str:
        """The short explanation with its source, as ``show`` prints it beside a value."""
        return f"{self.short} ({self.source.replace(', Section ', ', ')})"
