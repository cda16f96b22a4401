"""Where something is in an input: a frame of a capture, or a line, an entry, a session of what has no frames.

Frames are plain numbers. Of logs and recordings, a number counts through all files that are read, so that it is unique; it knows
what it counts, its own number in its file (from 1 in each), and the file where several are read.
"""

from collections.abc import Sequence

PLURALS = {"frame": "frames", "line": "lines", "entry": "entries", "session": "sessions"}
SOURCES = {"line": "log", "entry": "HAR file", "session": "archive"}
"""What is read, by what its numbers count, where it is no capture."""


class Place(int):
    """A number of a log or a recording. As an integer it counts through all files, as frames do."""

    unit: str
    own: int
    file: str

    @classmethod
    def of(cls, number: int, unit: str, own: int, file: str = "") -> "Place":
        """A place; ``file`` is empty where one file is read."""
        place = cls(number)
        place.unit, place.own, place.file = unit, own, file
        return place


def short(number: int) -> str:
    """A number for a column: 19, or app.log:19 where several files are read."""
    if not isinstance(number, Place):
        return str(number)
    return f"{number.file}:{number.own}" if number.file else str(number.own)


def own(number: int | None) -> str:
    """The number alone, as it is in its file."""
    return str(number.own if isinstance(number, Place) else number)


def word(number: int | None) -> str:
    """What comes before a number in a sentence: "frame ", "line ", or "app.log, line "."""
    if not isinstance(number, Place):
        return "frame "
    return f"{number.file}, {number.unit} " if number.file else f"{number.unit} "


def called(number: int | None) -> str:
    """A number in a sentence: frame 19, line 19, or app.log, line 19."""
    return word(number) + own(number)


def all_called(numbers: Sequence[int], listed: str) -> str:
    """Several numbers in a sentence; ``listed`` is how frames are written."""
    if not numbers or not isinstance(numbers[0], Place):
        return f"frames {listed}"
    if len(numbers) == 1 or any(isinstance(each, Place) and each.file for each in numbers):
        return "; ".join(map(called, numbers))
    return f"{PLURALS[numbers[0].unit]} {', '.join(map(own, numbers))}"


def names(paths: Sequence[str]) -> list[str]:
    """Names of files that tell them apart: without their folders where that is enough."""
    parts = [path.replace("\\", "/").strip("/").split("/") for path in paths]
    for length in range(1, max(map(len, parts), default=1) + 1):
        found = ["/".join(each[-length:]) for each in parts]
        if len(set(found)) == len(set(paths)):
            return found
    return list(paths)


_PHRASES = (
    ("the capture", "the {}"),
    ("the packets show it", "the {} shows it"),
    ("the packets cannot", "the {} cannot"),
    ("in the packets", "in the {}"),
    ("from the packets", "from the {}"),
)


def source(number: int) -> str:
    """What a number is of: a capture, a log, a HAR file, an archive."""
    return SOURCES.get(number.unit, "recording") if isinstance(number, Place) else "capture"


def of_source(text: str, unit: str) -> str:
    """Words of our own about a capture, for what is read. Never given text from the wire, which may say the same words."""
    if unit == "frame":
        return text
    for ours, theirs in _PHRASES:
        text = text.replace(ours, theirs.format(SOURCES.get(unit, "recording")))
    return text


def unit_of(number: int) -> str:
    """What a number counts."""
    return number.unit if isinstance(number, Place) else "frame"


def numbered_by(unit: str) -> str:
    """Whose numbers are used."""
    return "Frame numbers are those of Wireshark" if unit == "frame" else f"Numbers are those of {PLURALS[unit]}"
