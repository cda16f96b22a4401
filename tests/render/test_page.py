"""The page: what is on it, that nothing from the wire becomes markup, its size, and how it behaves in a real browser."""

import io
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from benchmarks import traffic
from scep_analyzer.cli.report import depth_of
from scep_analyzer.model.findings import Severity
from scep_analyzer.render import Look
from scep_analyzer.render import page as pages
from scep_analyzer.render.page import Page, tree_of
from scep_analyzer.story.detail import Line
from scep_analyzer.story.filters import filters_of
from scep_analyzer.story.model import Story
from tests.conftest import Result
from tests.render.drawn import EVIL, hostile, most_captures, report, story

REFUSED = "scenarios/ndes-refused-template.pcap"
PENDING = "faults/transactions/pending-never-resolved.pcap"
LOOK = Look(least=Severity.INFO)


def _html(told: Story, path: str | None = None, *, evil: bool = False) -> str:
    def depth(number: int) -> Iterator[Line]:
        assert path is not None
        for line in depth_of(report(path), secrets=False)(number):
            known = line.depth == 0 or not evil
            yield line if known else Line(line.depth, *map(hostile, line[1:]))

    out = io.StringIO()
    Page(depth if path is not None else None).whole(told, out, LOOK)
    return out.getvalue()


class Census(HTMLParser):
    """The elements of a page with the names of their attributes, its ids and links, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: Counter[tuple[str, tuple[str, ...]]] = Counter()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.said: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag, tuple(sorted(name for name, _ in attrs))] += 1
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.said.append(data)


def test_the_verdict_comes_first_then_cause_fix_picture_and_proof() -> None:
    said = " ".join(Census(_html(story(REFUSED), REFUSED)).said)
    places = [
        said.index(each)
        for each in (
            "r1.example: enrollment refused: 0x80094800",
            "Template not published on the CA (0x80094800)",
            "certsrv.msc",
            "GetCACert",
            "CertRep.signedAttrs.ENROLL_SCEP_ERROR",
            "frame.number in {15, 19}",
            "Step by step",
            "Certificates",
        )
    ]
    assert places == sorted(places)


@pytest.mark.parametrize("path", most_captures())
def test_every_link_has_its_target_and_every_id_is_there_once(path: str) -> None:
    census = Census(_html(story(path), path))
    assert max(Counter(census.ids).values()) == 1
    inside = {each[1:] for each in census.links if each.startswith("#")}
    assert inside <= set(census.ids), inside - set(census.ids)
    assert all(each.startswith(("#", "https://")) for each in census.links)


@pytest.mark.parametrize("path", [REFUSED, "field/load-balancer-before-two-ndes-with-different-ra.pcap"])
def test_attacks_in_every_field_write_no_element_and_no_attribute(path: str) -> None:
    plain, evil = Census(_html(story(path), path)), Census(_html(hostile(story(path)), path, evil=True))
    assert evil.elements == plain.elements
    assert (evil.ids, evil.links) == (plain.ids, plain.links)
    text = "".join(evil.said)
    assert not set(text) & {"\x1b", "\x07", "\u202e"}
    assert "\\x1b]0;owned" in text
    assert EVIL[:25] in text


def test_the_same_capture_gives_the_same_bytes() -> None:
    assert _html(story(REFUSED), REFUSED) == _html(story(REFUSED), REFUSED)


def test_lines_become_a_tree() -> None:
    lines = [Line(0, "a"), Line(1, "b"), Line(2, "c"), Line(1, "d"), Line(0, "e")]
    (a, e) = tree_of(lines)
    assert [each.line.name for each in a.children] == ["b", "d"]
    assert [each.line.name for each in a.children[0].children] == ["c"]
    assert not e.children


def test_a_page_of_many_transactions_is_cut_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MOST_CHAPTERS", 3)
    one = story("scenarios/ndes-get-enrollment.pcap").chapters[0]
    bad = story(REFUSED).chapters[0]
    chapters = tuple((bad if at == 5 else one)._replace(number=at, steps=()) for at in range(1, 7))
    html = _html(story(REFUSED)._replace(chapters=chapters, groups=()))
    assert "This page shows 3 of 6 transactions" in html
    # The one that failed is among them although it is the fifth.
    assert re.findall(r'class="tx" id="t(\d+)"', html) == ["1", "2", "5"]


def test_the_command_writes_a_page_and_says_how_to_open_it(
    tmp_path: Path, scep_analyzer: Callable[..., Result]
) -> None:
    capture, page = f"captures/{REFUSED}", tmp_path / "report.html"
    done = scep_analyzer("report", capture, "-o", page)
    assert (done.code, done.err) == (0, "")
    assert page.as_uri() in done.out
    assert "challengePassword" not in page.read_text() or "redacted" in page.read_text()
    again = scep_analyzer("report", capture, "-o", page)
    assert again.code == 2
    assert "--force" in again.err
    assert scep_analyzer("report", capture, "-o", capture, "--force").code == 2
    first = page.read_bytes()
    assert scep_analyzer("report", capture, "-o", page, "--force").code == 0
    assert page.read_bytes() == first


def test_the_page_gives_filters_for_wireshark_with_and_without_the_plugin() -> None:
    """The transactionID as in the capture's sidecar."""
    told = story(REFUSED)
    said = "".join(Census(_html(told, REFUSED)).said)
    assert "frame.number in {15, 19}" in said
    assert 'scep.transaction_id == "5C1E83D6A07B4F2990D1E8A6B35C7F42"' in said
    name = 'x" || frame || "\u202e'
    chapter = told.chapters[0]
    evil = chapter._replace(transaction_id=name, verdict=chapter.verdict._replace(filters=filters_of((15, 19), name)))
    said = "".join(Census(_html(told._replace(chapters=(evil,)), REFUSED)).said)
    assert 'scep.transaction_id == "x\\x22 || frame || \\x22\\xe2\\x80\\xae"' in said


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of 520 enrollments, none of which is usable: it has room for 500."""
    from scep_analyzer.cli import main

    folder = tmp_path_factory.mktemp("many")
    capture = folder / "many.pcap"
    command = [sys.executable, traffic.__file__, str(capture), "--mix=scep-only", "--size=0", "--enrollments=520"]
    subprocess.run(command, check=True, capture_output=True)
    assert main(["report", str(capture), "-o", str(folder / "many.html")]) == 0
    return folder / "many.html"


@pytest.mark.long
def test_500_transactions_fit_into_4_megabytes_and_the_others_are_counted(many: Path) -> None:
    text = many.read_text(encoding="utf-8")
    assert text.count('class="tx"') == 500
    assert "This page shows 500 of 520 transactions" in text
    assert many.stat().st_size <= 4_000_000
    assert text.count('<svg class="ladder') == 500
    assert text.count("<h3>Step by step</h3>") == pages.MOST_EXAMPLES
    assert f"{pages.MOST_EXAMPLES} are told step by step" in text


def test_a_large_page_tells_an_example_of_each_cause_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that differs is the last of six, of which two have room."""
    monkeypatch.setattr(pages, "MOST_IN_FULL", 3)
    monkeypatch.setattr(pages, "MOST_EXAMPLES", 2)
    bad, other = story(REFUSED), story("scenarios/ndes-get-enrollment.pcap")
    chapters = tuple((bad if at < 6 else other).chapters[0]._replace(number=at) for at in range(1, 7))
    last = bad.groups[0]._replace(letter="B", chapters=(6,))
    html = _html(bad._replace(chapters=chapters, groups=(bad.groups[0]._replace(chapters=(1, 2, 3, 4, 5)), last)))
    sections = re.split(r'(?=<details class="tx")', html)[1:]
    assert ["Step by step" in each for each in sections] == [True, False, False, False, False, True]
    # The fix is told once, where the cause is.
    assert 'href="#why-A"' in sections[1]
    assert "certsrv.msc" not in sections[1]
    assert html.count('id="why-A"') == 1


# -- in a browser -------------------------------------------------------------------------------------------------------


def _chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("chromium is needed for the tests of the page: apt-get install chromium")
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip(
        "playwright.sync_api", reason="playwright is needed for the tests of the page: pip install --group browser"
    )
    path = _chromium()
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open a page; at the end nothing but pages may have been asked for, and nothing complained."""
    contexts: list[Any] = []
    asked: list[str] = []
    told: list[str] = []

    def opened(path: Path, *, width: int = 1280, scheme: str = "light", script: bool = True, **more: object) -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=script, **more
        )
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: told.append(message.text))
        page.on("pageerror", lambda error: told.append(str(error)))
        page.goto(path.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not told
    assert len(asked) == len(contexts)


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "refused.html"
    path.write_text(_html(story(REFUSED), REFUSED), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Deque's checker of WCAG, from npm."""
    folder = Path(__file__).parent.parent.parent / "build" / "npm"
    script = folder / "node_modules/axe-core/axe.min.js"
    if not script.exists():
        if shutil.which("npm") is None:
            pytest.skip("npm is needed for axe-core: apt-get install npm")
        command = [
            "npm",
            "install",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--prefix",
            str(folder),
            "axe-core@4.14.1",
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if not script.exists():
            pytest.skip(f"npm does not give axe-core: {done.stderr.strip().splitlines()[-1:]}")
    return script.read_text(encoding="utf-8")


_AXE = """axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']})
.then(found => found.violations.map(each => [each.id, each.nodes.map(node => node.html.slice(0, 200))]))"""


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_axe_finds_nothing(opened: Callable[..., Any], refused: Path, axe: str, scheme: str, width: int) -> None:
    page = opened(refused, scheme=scheme, width=width)
    page.evaluate(axe)
    if scheme == "light":  # what is closed shows nothing that is not there when it is open
        assert page.evaluate(_AXE) == []
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    assert page.evaluate(_AXE) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def _shortened(monkeypatch: pytest.MonkeyPatch) -> str:
    """A page of six transactions, of which two are told in full: one that waits, one that was refused, and others that were issued."""
    monkeypatch.setattr(pages, "MOST_IN_FULL", 3)
    monkeypatch.setattr(pages, "MOST_EXAMPLES", 2)
    bad, good, waits = (story(each) for each in (REFUSED, "scenarios/ndes-get-enrollment.pcap", PENDING))
    chapters = [bad.chapters[0], waits.chapters[0], *(good.chapters[0],) * 4]
    numbered = tuple(each._replace(number=at) for at, each in enumerate(chapters, 1))
    return _html(bad._replace(chapters=numbered, groups=(bad.groups[0]._replace(chapters=(1,)),)))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_a_page_of_many(
    opened: Callable[..., Any], axe: str, scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "several.html"
    path.write_text(_shortened(monkeypatch), encoding="utf-8")
    page = opened(path, scheme=scheme)
    page.evaluate(axe)
    if scheme == "light":  # what is closed shows nothing that is not there when it is open
        assert page.evaluate(_AXE) == []
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    assert page.evaluate(_AXE) == []
    # Where no arrow can be followed, the picture is one image whose name tells all of them.
    says = page.locator("#t6 svg.ladder[role=img]").get_attribute("aria-label")
    assert "frame 19" in says
    assert "CertRep SUCCESS ✓" in says


def test_outcomes_have_a_mark_and_a_shape_beside_their_color(
    opened: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "several.html"
    path.write_text(_shortened(monkeypatch), encoding="utf-8")
    page = opened(path)
    for section, name, mark, dashes in (
        ("t1", "bad", "✗", "6px, 4px"),
        ("t2", "wait", "…", "2px, 4px"),
        ("t3", "good", "✓", "none"),
    ):
        page.evaluate("id => { document.getElementById(id).open = true; }", section)
        label = page.locator(f"#{section} svg.ladder .label.{name}").last
        assert label.text_content().endswith(mark)
        line = page.locator(f"#{section} svg.ladder line.{name}").last
        assert line.evaluate("each => getComputedStyle(each).strokeDasharray") == dashes


def test_tab_goes_through_the_page_in_the_order_of_reading(opened: Callable[..., Any], refused: Path) -> None:
    """As a keyboard meets them: each next one is further down in the document, and all of the picture's arrows are among them."""
    page = opened(refused)
    place = """() => { const every = [...document.querySelectorAll('*')];
        return [every.indexOf(document.activeElement), document.activeElement.closest('svg.ladder') !== null]; }"""
    places = []
    for _ in range(14):
        page.keyboard.press("Tab")
        places.append(page.evaluate(place))
    order = [at for at, _ in places]
    assert order == sorted(set(order))
    assert sum(inside for _, inside in places) == 4
    assert page.locator("svg.ladder a").count() == 4


def test_it_is_complete_with_scripts_off(opened: Callable[..., Any], refused: Path) -> None:
    page = opened(refused, script=False)
    assert page.locator("h1").inner_text().endswith("enrollment refused: 0x80094800")
    page.locator("#e2-request details.deep > summary").click()
    page.locator("#e2-request details.deep summary", has_text="pkiMessage").first.click()
    assert page.locator("#e2-request details.deep").get_by_text("messageType").first.is_visible()
    page.get_by_label("Dark").check()
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"


def test_an_arrow_opens_its_step(opened: Callable[..., Any], refused: Path) -> None:
    page = opened(refused)
    page.evaluate("document.getElementById('t1').open = false")
    arrow = page.locator("svg.ladder a").nth(3)
    assert arrow.get_attribute("aria-label").startswith("CertRep FAILURE ✗ frame 19, 08:15:02.096: ")
    arrow.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.getElementById('t1').open")
    assert page.evaluate("document.activeElement.id") == "e2-response"


def test_words_are_explained_on_focus_and_on_hover(opened: Callable[..., Any], refused: Path) -> None:
    page = opened(refused)
    word = page.locator("a.g", has_text="transactionID").first
    word.focus()
    tip = page.locator("#tip")
    assert "identifies the transaction" in tip.inner_text()
    assert word.get_attribute("aria-describedby") == "tip"
    page.keyboard.press("Escape")
    assert tip.is_hidden()
    other = page.locator("a.g", has_text="senderNonce").first
    other.hover()
    assert "16 random bytes" in tip.inner_text()
    page.mouse.move(0, 0)
    assert tip.is_hidden()


def test_keys_and_help(opened: Callable[..., Any], refused: Path) -> None:
    page = opened(refused)
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    assert page.locator("#help").is_hidden()
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.parentElement.id") == "t1"
    page.keyboard.press("o")
    assert not page.evaluate("document.getElementById('t1').open")


def test_j_and_k_go_from_transaction_to_transaction(
    opened: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "several.html"
    path.write_text(_shortened(monkeypatch), encoding="utf-8")
    page = opened(path)
    met = []
    for key in "jjjkk":
        page.keyboard.press(key)
        met.append(page.evaluate("document.activeElement.parentElement.id"))
    assert met == ["t1", "t2", "t3", "t2", "t1"]
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "words"


def test_no_element_is_there_that_the_template_did_not_write(
    opened: Callable[..., Any], refused: Path, tmp_path: Path
) -> None:
    evil = tmp_path / "evil.html"
    evil.write_text(_html(hostile(story(REFUSED)), REFUSED, evil=True), encoding="utf-8")
    census = """() => { const found = {}; document.querySelectorAll('*').forEach(each => {
        const key = each.tagName + ' ' + each.getAttributeNames().sort(); found[key] = (found[key] || 0) + 1; }); return found; }"""
    assert opened(evil).evaluate(census) == opened(refused).evaluate(census)


_LOADS, _FILTERS = 1.5, 0.5
"""Seconds of the renderer's own CPU; 0.8 and less with a load of 11 on two cores."""
_PAINTED = "new Promise(done => requestAnimationFrame(() => setTimeout(done)))"
_FILTERED = """word => { const field = document.getElementById('words');
    field.value = word; field.dispatchEvent(new Event('input')); }"""


@pytest.mark.long
def test_a_page_of_500_transactions_can_be_used_at_once(browser: Any, many: Path) -> None:
    """The least of three, where the machine has other work. With 74,000 elements they were 1.4 and 0.4."""

    def spent(session: Any, page: Any) -> float:
        page.evaluate(_PAINTED)
        metrics = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
        return float(metrics["TaskDuration"])

    loads, filters = [], []
    for _ in range(3):
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        page = context.new_page()
        session = context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        page.goto(many.as_uri())
        loads.append(spent(session, page))
        page.evaluate(_FILTERED, "10.0")
        filters.append(spent(session, page) - loads[-1])
        assert page.evaluate("document.querySelectorAll('*').length") < 48_000  # the same on every machine
        context.close()
        if min(loads) < _LOADS and min(filters) < _FILTERS:
            break
    assert min(loads) < _LOADS, loads
    assert min(filters) < _FILTERS, filters


@pytest.mark.long
def test_filters_with_500_transactions(opened: Callable[..., Any], many: Path) -> None:
    page = opened(many)
    page.evaluate(
        "location.hash = 't300'"
    )  # as a link does; sections above it that were never drawn must not move it away
    page.wait_for_function("Math.abs(document.getElementById('t300').getBoundingClientRect().top) < 30")
    every = page.locator("#table tbody tr:visible").count()
    assert every == 500
    results = page.locator("#result option").all_inner_texts()[1:]
    counts = []
    for each in results:
        page.select_option("#result", each)
        counts.append(page.locator("#table tbody tr:visible").count())
        assert page.locator("#count").inner_text() == f"{counts[-1]} of 500"
    assert sum(counts) == 500
    page.select_option("#result", "")
    page.fill("#words", "no such device")
    assert page.locator("#count").inner_text() == "0 of 500"


def test_paper_shows_the_whole_picture(opened: Callable[..., Any], refused: Path) -> None:
    page = opened(refused)
    page.emulate_media(media="print")
    box = page.locator("svg.ladder").bounding_box()
    assert box["width"] <= 1280
    assert page.pdf(format="A4").startswith(b"%PDF")
    assert page.evaluate("[...document.querySelectorAll('details.tx')].every(each => each.open)")


def test_forced_colors_keep_the_marks(opened: Callable[..., Any], refused: Path) -> None:
    page = opened(refused, forced_colors="active")
    assert page.locator("svg.ladder a text.bad").first.text_content().endswith("✗")
    assert page.locator("h1 .mark").inner_text() == "✗"
