"""Markdown as another program renders it (markdown-it, with GitHub's extensions): the markup is ours, the text is the wire's."""

import io
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from scep_analyzer.render import Look, renderer
from scep_analyzer.render.markdown import DiagnosisPage
from scep_analyzer.story.model import Story
from scep_analyzer.story.ticket import ticket_lines
from tests.render.drawn import EVIL, hostile, story

CAPTURES = ["scenarios/ndes-refused-template.pcap", "faults/transactions/pending-never-resolved.pcap"]
OURS = {"h2", "h3", "p", "ul", "li", "strong", "code", "pre", "table", "thead", "tbody", "tr", "th", "td"}


def _by(command: str) -> Callable[[Story], str]:
    def drawn(told: Story) -> str:
        out = io.StringIO()
        renderer(command, "markdown").whole(told, out, Look())
        return out.getvalue()

    return drawn


def _ticket(told: Story) -> str:
    out = io.StringIO()
    DiagnosisPage().draw(ticket_lines(told), out, Look())
    return out.getvalue()


class Rendered(HTMLParser):
    """The elements in their order with their attributes, and the text."""

    def __init__(self, markdown: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[tuple[str, str | None], ...]]] = []
        self.text = ""
        self.feed(MarkdownIt("gfm-like").render(markdown))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("path", CAPTURES)
@pytest.mark.parametrize(
    "drawn",
    [_by("timeline"), _by("diagnose"), _by("list"), _ticket],
    ids=["timeline", "diagnose", "list", "ticket"],
)
def test_no_markup_but_ours(path: str, drawn: Callable[[Story], str]) -> None:
    plain, evil = Rendered(drawn(story(path))), Rendered(drawn(hostile(story(path))))
    assert {tag for tag, _ in plain.elements} <= OURS
    assert [tag for tag, _ in evil.elements] == [tag for tag, _ in plain.elements]
    # A diagram's block has the class that makes pages draw it, columns of numbers are aligned; nothing else has an attribute.
    assert {each for _, attrs in evil.elements for each in attrs} <= {
        ("class", "language-mermaid"),
        ("style", "text-align:right"),
    }
    assert EVIL[:8] in evil.text.replace("\u200b", "")
    assert "\x1b" not in evil.text


def test_filters_in_a_ticket_are_code_to_copy() -> None:
    """The frames and the transactionID as in the capture's sidecar."""
    text = _ticket(story(CAPTURES[0]))
    assert "* **Wireshark:** `frame.number in {15, 19}`" in text
    assert '* **With plugin:** `scep.transaction_id == "5C1E83D6A07B4F2990D1E8A6B35C7F42"`' in text


def test_a_ticket_has_what_a_vendors_support_asks_for() -> None:
    """Product, version, times with their zone, frames, the server's words, what was ruled out; as the sidecar has them."""
    text = Rendered(_ticket(story(CAPTURES[0]))).text
    for each in ("NDES on IIS 10.0", "Cisco IOS", "2026-03-02 08:15:02.096100 UTC, frame 19", "0x80094800"):
        assert each in text
    assert text.index("What the server said last (frame 19)") < text.index("Exchanges") < text.index("Ruled out")
