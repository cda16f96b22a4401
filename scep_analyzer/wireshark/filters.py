"""The display filter that ``annotate`` prints; those of the other outputs are in :mod:`scep_analyzer.story.verdicts`."""

from collections.abc import Iterable


def by_frames(frames: Iterable[int]) -> str:
    """These frames, in any Wireshark from 4.0 on; runs of numbers are ranges."""
    runs: list[list[int]] = []
    for frame in sorted(set(frames)):
        if runs and frame == runs[-1][1] + 1:
            runs[-1][1] = frame
        else:
            runs.append([frame, frame])
    return f"frame.number in {{{', '.join(str(a) if a == b else f'{a}..{b}' for a, b in runs)}}}"
