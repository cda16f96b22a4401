"""``explain``: a rule, a word, a code, an OID or an error number in words, offline."""

import argparse
from typing import TYPE_CHECKING

from scep_analyzer.cli.options import add_page_arguments
from scep_analyzer.cli.output import output_of, paper_for
from scep_analyzer.model.anomalies import AnalyzerError
from scep_analyzer.story.model import Tone, cite, joined
from scep_analyzer.topics import GLOSSARY, KINDS, Topic, find, kind_of, near, of_kind, topics

if TYPE_CHECKING:
    from scep_analyzer.render.paper import Paper

_EXAMPLES = """\
examples:
  scep-analyzer explain                        the kinds of topics, with their number
  scep-analyzer explain glossary               every word of the glossary in a line
  scep-analyzer explain rules                  every rule in a line; the same for each kind
  scep-analyzer explain RA certificate         a word
  scep-analyzer explain 0x80094800             an HRESULT; -2146875392 is the same
  scep-analyzer explain 404.15                 a sub-status of IIS
  scep-analyzer explain NDES event 29          an event; 22013 is an Apple code
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EXAMPLES
    parser.add_argument(
        "topic",
        nargs="*",
        metavar="TOPIC",
        help="a rule, word, operation, message type, failInfo, attribute, OID, HRESULT, HTTP status, event or other code; "
        "`glossary`, or a kind of topics; without one, the kinds are listed",
    )
    parser.add_argument(
        "-f", "--format", choices=("text", "markdown"), default="text", help="what to print (default: text)"
    )
    add_page_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Print the topics of this name, the list of a kind, or the kinds."""
    wanted = " ".join(options.topic)
    found, kinds = (find(wanted), kind_of(wanted)) if wanted else ([], ())
    if wanted and not found and not kinds:
        names = near(wanted)
        hint = f"did you mean {', '.join(names)}?" if names else "`scep-analyzer explain` lists the kinds of topics"
        raise AnalyzerError(f"there is no topic {wanted!r}; {hint}")
    with output_of(options, as_is=options.format == "markdown") as stream:
        if options.format == "markdown":
            pages = [*map(markdown, found), *map(_list_in_markdown, kinds)]
            stream.write("\n".join(pages or map(markdown, topics())))
            return 0
        paper = paper_for(options, stream)
        if not wanted:
            _kinds(paper)
        for at, topic in enumerate(found):
            if at:
                paper.blank()
            _draw(topic, paper)
        for at, kind in enumerate(kinds):
            if at or found:
                paper.blank()
            _list(kind, paper)
    return 0


def _kinds(paper: "Paper") -> None:
    """One line for each kind: the whole index on one screen."""
    for kind, text in KINDS.items():
        paper.line(f"{kind:<13} {len(of_kind(kind)):>4}  {text}", hang=20)
    paper.blank()
    paper.line("`scep-analyzer explain TOPIC` explains one, `explain KIND` lists a kind.")
    paper.line("`scep-analyzer explain glossary` lists the words.")


def _list(kind: str, paper: "Paper") -> None:
    found = of_kind(kind)
    paper.line(f"{kind} ({len(found)}): {KINDS[kind]}", strong=True)
    width = min(max(len(each.name) for each in found), 36, paper.width // 3)
    for each in found:
        paper.line(f"{each.name:<{width}} {_in_a_line(each)}", 2, width + 1)


def _in_a_line(topic: Topic) -> str:
    """What a topic is, without its name."""
    from scep_analyzer.glossary import short

    said = short(topic.name) if topic.kind not in ("rule", "anomaly", "outcome", "product", "HRESULT") else None
    title = topic.title.removeprefix(topic.name).removeprefix(":").strip(" ,")
    return said or title or topic.sections[0][1][0]


def _draw(topic: Topic, paper: "Paper") -> None:
    if topic.kind == "rule":
        paper.line(topic.name, tone=Tone.QUIET)
    paper.line(topic.title if topic.kind not in GLOSSARY else f"{topic.title} ({topic.kind})", strong=True)
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


def _list_in_markdown(kind: str) -> str:
    """The topics of a kind as a table."""
    rows = (f"| {_cell(each.name)} | {_cell(_in_a_line(each))} |" for each in of_kind(kind))
    return "\n".join((f"# {kind[0].upper()}{kind[1:]}: {KINDS[kind]}", "", f"| {kind} | meaning |", "|---|---|", *rows, ""))  # fmt: skip


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
