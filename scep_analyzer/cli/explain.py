"""``explain``: a rule, an operation, a code, an OID, an HRESULT or a content type in words, offline."""

import argparse
from itertools import groupby
from typing import TYPE_CHECKING

from scep_analyzer.cli.options import add_page_arguments
from scep_analyzer.cli.output import output_of, paper_for
from scep_analyzer.model.anomalies import AnalyzerError
from scep_analyzer.story.model import Tone, cite, joined
from scep_analyzer.topics import KINDS, Topic, find, near, topics

if TYPE_CHECKING:
    from scep_analyzer.render.paper import Paper


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
    add_page_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Print the topic, or all their names."""
    wanted = " ".join(options.topic)
    found = find(wanted) if wanted else []
    if wanted and not found:
        names = near(wanted)
        hint = f"did you mean {', '.join(names)}?" if names else "`scep-analyzer explain` lists the topics"
        raise AnalyzerError(f"there is no topic {wanted!r}; {hint}")
    with output_of(options, as_is=options.format == "markdown") as stream:
        if options.format == "markdown":
            stream.write("\n".join(map(markdown, found or topics())))
            return 0
        paper = paper_for(options, stream)
        if not wanted:
            _index(paper)
        for at, topic in enumerate(found):
            if at:
                paper.blank()
            _draw(topic, paper)
    return 0


def _index(paper: "Paper") -> None:
    for at, (kind, group) in enumerate(groupby(topics(), key=lambda each: each.kind)):
        if at:
            paper.blank()
        paper.line(f"{KINDS[kind][0].upper()}{KINDS[kind][1:]}", strong=True)
        for each in group:
            paper.line(f"{each.name:<36} {each.title}", 2, 37)
    paper.blank()
    paper.line("`scep-analyzer explain TOPIC` explains one.")


def _draw(topic: Topic, paper: "Paper") -> None:
    if topic.kind == "rule":
        paper.line(topic.name, tone=Tone.QUIET)
    paper.line(topic.title, strong=True)
    paper.blank()
    for heading, paragraphs in topic.sections:
        paper.line(heading, strong=True)
        for each in paragraphs:
            paper.line(each, 2)
    paper.line("References", strong=True)
    paper.line(joined([(cite(each),) for each in topic.references], "; "), 2)


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
