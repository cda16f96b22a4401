"""Display filters that the outputs print: with the plugin by transactionID, without it by frame numbers."""

from collections.abc import Iterable

from scep_analyzer.model.places import Place
from scep_analyzer.story.model import Filters

_MOST_FRAMES = 12
"""Frames in a filter that is printed: more make no line that anybody pastes."""


def filters_of(frames: Iterable[int], transaction_id: str | None = None) -> Filters:
    """The filters for some frames, the first dozen of them, and for the messages of their transaction."""
    first = sorted(set(frames))[:_MOST_FRAMES]
    if any(isinstance(each, Place) for each in first):
        return Filters()  # Wireshark does not read logs
    return Filters(
        by_frames(first) if first else "",
        by_transaction_id(transaction_id) if transaction_id else "",
    )


def by_transaction_id(transaction_id: str) -> str:
    """The messages of a transaction; needs the plugin."""
    return f"scep.transaction_id == {_quoted(transaction_id)}"


def by_frames(frames: Iterable[int]) -> str:
    """These frames, in any Wireshark from 4.0 on; three and more in a row are a range."""
    runs: list[list[int]] = []
    for frame in sorted(set(frames)):
        if runs and frame == runs[-1][-1] + 1:
            runs[-1].append(frame)
        else:
            runs.append([frame])
    pieces = (f"{run[0]}..{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs)
    return f"frame.number in {{{', '.join(pieces)}}}"


def _quoted(text: str) -> str:
    r"""A string of the filter language: quotes, backslashes and everything unprintable as ``\xhh``."""
    plain = set(range(0x20, 0x7F)) - set(b'"\\')
    return (
        '"'
        + "".join(chr(byte) if byte in plain else f"\\x{byte:02x}" for byte in text.encode("utf-8", "surrogatepass"))
        + '"'
    )
