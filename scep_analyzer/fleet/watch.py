"""A folder that a ring buffer fills (``dumpcap -b``): each file once, when it is finished, with the enrollments that begin in it.

An enrollment may span files, so a file is read together with the one before it and the one after it, and what begins in it is kept: what
began before is with the file before, what goes on afterwards is read here. This needs no memory of its own between files: a watch that is
ended goes on where it was. What takes more than the next file (a poll after hours) is a transaction of its own.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from scep_analyzer.fleet.sources import Capture, File, is_capture_name, local_file, ring_of

Rows = dict[str, list[dict[str, Any]]]


class Ready(NamedTuple):
    """A finished file, and the files to read it with, itself among them."""

    file: File
    window: Capture


def ready(folder: Path, done: Callable[[File], bool], idle: float) -> list[Ready]:
    """The files that are finished and not done, the oldest first.

    A file is finished when a newer one of its ring is there, or when it has not been written to for ``idle`` seconds. It is ready when
    the next one is finished, too, or when it has none and is idle.
    """
    rings: dict[tuple[str, ...], list[tuple[int, tuple[str, int], File]]] = {}
    for path in folder.iterdir():
        if is_capture_name(path.name) and not path.is_dir():
            file = local_file(path)
            if file.size:
                ring, place = ring_of(path)
                rings.setdefault(ring, []).append((int(file.version), place, file))
    found = []
    now = time.time_ns()
    for theirs in rings.values():
        theirs.sort()
        files = [file for _, _, file in theirs]
        is_idle = now - theirs[-1][0] > idle * 1e9
        for number, file in enumerate(files):
            ahead = len(files) - 1 - number
            if not done(file) and (ahead > 1 or is_idle):
                found.append((theirs[number][0], Ready(file, Capture(tuple(files[max(number - 1, 0) : number + 2])))))
    return [each for _, each in sorted(found)]


def owned(rows: Rows, url: str) -> Rows:
    """Of the rows of several files read as one, those of what begins in the file ``url``; frames are counted from its first one."""
    before, own = 0, -1
    for each in rows["captures"]:
        if each["path"] == url:
            own = each["capture"]
            break
        before += each["packets"]
    transactions = {each["transaction"] for each in rows["transactions"] if each["capture"] == own}

    def is_own(row: dict[str, Any]) -> bool:
        return row["transaction"] in transactions if row["transaction"] is not None else row["capture"] == own

    kept: Rows = {
        name: [each for each in rows[name] if is_own(each)] for name in ("exchanges", "transactions", "findings")
    }
    exchanges = {each["exchange"] for each in kept["exchanges"]}
    connections = {each["connection"] for each in kept["exchanges"]}
    findings = {each["finding"] for each in kept["findings"]}
    for name in ("messages", "certificates"):
        kept[name] = [each for each in rows[name] if each["exchange"] in exchanges]
    kept["connections"] = [
        each
        for each in rows["connections"]
        if each["connection"] in connections or (each["exchanges"] == 0 and each["capture"] == own)
    ]
    kept["evidence"] = [each for each in rows["evidence"] if each["finding"] in findings]
    kept["captures"] = [each for each in rows["captures"] if each["capture"] == own]
    return {name: [_counted(each, before, own) for each in theirs] for name, theirs in kept.items()}


def _counted(row: dict[str, Any], before: int, own: int) -> dict[str, Any]:
    """The row with frames and files counted from the own file."""
    changed = dict(row)
    if changed.get("capture") is not None:
        changed["capture"] -= own
    if changed.get("frame") is not None:
        changed["frame"] -= before
    for name in ("request_frames", "response_frames"):
        if changed.get(name):
            changed[name] = " ".join(str(int(each) - before) for each in changed[name].split())
    return changed


def rounds(
    folder: Path, done: Callable[[File], bool], idle: float, pause: float, ends: Callable[[], bool]
) -> Iterator[Sequence[Ready]]:
    """What is ready, again and again, until it ``ends``; nothing where nothing is."""
    while True:
        last = ends()
        yield ready(folder, done, idle)
        if last:
            return
        time.sleep(pause)
