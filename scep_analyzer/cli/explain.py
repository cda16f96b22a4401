"""``explain``: a rule, an operation, a code, an OID, an HRESULT or a content type in words, offline."""

import argparse
import textwrap
from itertools import groupby

from scep_analyzer.cli.output import opened
from scep_analyzer.model.anomalies import AnalyzerError
from scep_analyzer.topics import KINDS, Topic, find, near, topics

_WIDTH = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "topic",
        nargs="*",
        metavar="TOPIC",
        help="a rule, an operation, messageType 19, failInfo 2, an attribute or its OID, an HRESULT, a content type; none lists all",
    )
    parser.add_argument(
        "-f", "--format", choices=("text", "markdown"), default="text", help="what to print (default: text)"
    )


def run(options: argparse.Namespace) -> int:
    """Print the topic, or all their names."""
    wanted = " ".join(options.topic)
    if not wanted:
        shown = _index()
    else:
        found = find(wanted)
        if not found:
            names = near(wanted)
            hint = f"did you mean {', '.join(names)}?" if names else "`scep-analyzer explain` lists the topics"
            raise AnalyzerError(f"there is no topic {wanted!r}; {hint}")
        write = markdown if options.format == "markdown" else _text
        shown = "\n".join(map(write, found))
    with opened(None, force=False) as stream:
        stream.write(shown)
    return 0


def _index() -> str:
    lines = []
    for kind, group in groupby(topics(), key=lambda each: each.kind):
        lines.append(f"\n{KINDS[kind][0].upper()}{KINDS[kind][1:]}")
        for each in group:
            text = f"  {each.name:<36} {each.title}"
            lines.append(text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…")
    return "\n".join(lines).lstrip("\n") + "\n\n`scep-analyzer explain TOPIC` explains one.\n"


def _text(topic: Topic) -> str:
    lines = [topic.name if topic.kind == "rule" else topic.title, *((topic.title,) if topic.kind == "rule" else ()), ""]
    for heading, paragraphs in topic.sections:
        lines.append(heading)
        for each in paragraphs:
            lines += textwrap.wrap(each, _WIDTH - 2, initial_indent="  ", subsequent_indent="  ")
    lines.append("References")
    lines += textwrap.wrap("; ".join(topic.references), _WIDTH - 2, initial_indent="  ", subsequent_indent="  ")
    return "\n".join(lines) + "\n"


def markdown(topic: Topic) -> str:
    """A topic as a page of its own."""
    lines = [f"# {topic.name}" if topic.kind == "rule" else f"# {topic.title}", ""]
    if topic.kind == "rule":
        lines += [f"**{topic.title}.**", ""]
    for heading, paragraphs in topic.sections:
        lines += [f"## {heading}", ""]
        many = len(paragraphs) > 1
        lines += [*(f"* {each}" if many else each for each in paragraphs), ""]
    lines += ["## References", "", *(f"* {each}" for each in topic.references), ""]
    return "\n".join(lines)
