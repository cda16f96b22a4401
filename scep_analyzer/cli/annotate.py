"""``annotate``: the same packets as pcapng, with comments on the SCEP frames; ``--strip`` takes them out again."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from scep_analyzer.cli.options import Target, add_common_arguments
from scep_analyzer.cli.output import least_of
from scep_analyzer.cli.reading import one_report
from scep_analyzer.model.anomalies import AnalyzerError
from scep_analyzer.model.findings import Severity


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("capture", metavar="CAPTURE", help="the capture, pcap or pcapng")
    parser.add_argument(
        "--strip", action="store_true", help="take our comments out again: gives the original bytes of a pcapng file"
    )
    add_common_arguments(
        parser,
        Target(help="the file to write, FILE.pcapng", required=True),
        idle=("--utc", "--local", "--quiet", "--show-secrets", "--width", "--color", "--no-pager"),
    )


def run(options: argparse.Namespace) -> int:
    """Read the capture, write the copy."""
    from scep_analyzer.render.safe import safe

    _refuse_same_file(options.capture, options.output)
    for line in _strip(options) if options.strip else _annotate(options):
        print(safe(line))  # noqa: T201  # the command's result
    return 0


def _annotate(options: argparse.Namespace) -> Iterator[str]:
    from scep_analyzer import annotate, notes
    from scep_analyzer.capture.files import opened_source
    from scep_analyzer.render.safe import safe
    from scep_analyzer.story.filters import by_frames

    report = one_report(options.capture, options)
    least = least_of(options, Severity.WARNING)
    findings = tuple(each for each in report.findings if each.severity.rank <= least.rank)
    said = notes.notes_of(report, findings)
    comments = {frame: "\n".join(map(safe, lines)) for frame, lines in said.items()}
    with opened_source(options.capture) as source:
        origin = annotate.origin_of(source)
    with opened_source(options.capture) as source, _written(options.output, force=options.force) as out:
        placed = annotate.annotate(annotate.blocks_of(source), comments, origin, out)
    yield f"comments on {_frames(placed.frames)} written to {options.output}"
    if placed.without:
        which = by_frames(placed.without)
        yield f"no room for a comment in {_frames(len(placed.without))} (simple or damaged packet blocks): {which}"


def _strip(options: argparse.Namespace) -> Iterator[str]:
    from scep_analyzer import annotate
    from scep_analyzer.capture.files import opened_source

    with opened_source(options.capture) as source, _written(options.output, force=options.force) as out:
        done = annotate.strip(annotate.blocks_of(source), out)
    if not done.comments:
        yield f"{options.capture} has no comments of scep-analyzer; {options.output} is a copy of it"
    elif done.origin is not None and done.origin.is_pcap:
        yield f"comments removed; {options.output} holds the packets of a pcap file as pcapng (SHA-256 of that file: {done.origin.sha256})"
    elif done.origin is not None and done.origin.sha256 == done.sha256:
        yield f"{options.output} is the capture as it was before, byte by byte (SHA-256 {done.sha256})"
    else:
        yield f"comments removed; {options.output} differs from what was annotated, because the file has been changed since"


def _frames(count: int) -> str:
    return f"{count:,} frame{'s' if count != 1 else ''}"


def _refuse_same_file(capture: str, output: str) -> None:
    try:
        same = Path(output).samefile(capture)
    except (OSError, ValueError):  # one of them does not exist: told where it is opened
        return
    if same:
        raise AnalyzerError(f"{output}: is the capture itself; give another name with -o")


@contextmanager
def _written(path: str, *, force: bool) -> Iterator[BinaryIO]:
    """A new file to write to, removed again where writing fails."""
    from scep_analyzer.cli.output import created

    stream = created(path, force=force)
    try:
        with stream:
            yield stream
    except BaseException as error:
        if Path(path).is_file():  # a device stays
            Path(path).unlink()
        if isinstance(error, OSError):
            raise AnalyzerError(f"{path}: cannot be written ({error.strerror}); use another name or disk") from error
        raise
