"""Text about a log or a recording: its numbers are those of lines or entries, not of frames.

Every renderer and every rule says "frame 19" of a capture. Where the input has no frames, the word is exchanged here, once, for all of
them; lines are looked at as a whole, because a number may be colored apart from its word.
"""

import re
from collections.abc import Iterable
from typing import TextIO, cast

_NUMBERED = re.compile(r"\b([Ff])rame(s?)(?= (?:\x1b\[[0-9;]*m)*\d)")
_HEADING = re.compile(r"( *)(?<=[ |])frame(s?)(?=(?:\x1b\[[0-9;]*m)*(?: \||\s*$))", re.MULTILINE)
_TABLE = re.compile(r"( *)(?<= )FRAME(S?)(?=(?:\x1b\[[0-9;]*m)*\s*$)", re.MULTILINE)
_SEVERAL = {"line": "lines", "entry": "entries", "session": "sessions"}
_NOUNS = {"line": "log", "entry": "HAR file", "session": "archive"}
_PHRASES = (
    ("the capture", "the {}"),
    ("the packets show it", "the {} shows it"),
    ("in the packets", "in the {}"),
    ("from the packets", "from the {}"),
)
_WIRESHARKS = "Frame numbers are those of Wireshark; "


def reworded(text: str, unit: str) -> str:
    """A text with its frames called what they are; what stands at the right edge stays there."""
    several = _SEVERAL[unit]

    def numbered(match: re.Match[str]) -> str:
        word = several if match[2] else unit
        return word.capitalize() if match[1] == "F" else word

    text = text.replace(_WIRESHARKS, f"Numbers are those of {several}; ")
    text = _NUMBERED.sub(numbered, text)
    text = _HEADING.sub(lambda match: (several if match[2] else unit).rjust(len(match[0])), text)
    text = _TABLE.sub(lambda match: (several if match[2] else unit).upper().rjust(len(match[0])), text)
    for ours, theirs in _PHRASES:
        text = text.replace(ours, theirs.format(_NOUNS.get(unit, "recording")))
    return text


class Worded:
    """A stream that rewords what is written to it, a line at a time; :meth:`end` writes what is left."""

    def __init__(self, stream: TextIO, unit: str) -> None:
        self._stream, self._unit = stream, unit
        self._held: list[str] = []

    def write(self, text: str) -> int:
        """Take text."""
        whole, newline, rest = text.rpartition("\n")
        if newline:
            self._stream.write(reworded("".join(self._held) + whole + newline, self._unit))
            self._held = []
        if rest:
            self._held.append(rest)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Take texts."""
        for each in lines:
            self.write(each)

    def end(self) -> None:
        """Write what has no line end."""
        self._stream.write(reworded("".join(self._held), self._unit))
        self._held = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


def worded(stream: TextIO, unit: str) -> tuple[TextIO, "Worded | None"]:
    """The stream to write to for an input whose numbers count these; None where they are frames."""
    if unit not in _SEVERAL:
        return stream, None
    words = Worded(stream, unit)
    return cast(TextIO, words), words
