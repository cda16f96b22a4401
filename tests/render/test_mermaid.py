"""Diagrams and Markdown of the timeline: accepted by Mermaid's own parser, also with attacks in every field."""

import io
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from scep_analyzer.render import Look, renderer
from scep_analyzer.render.mermaid import diagram
from scep_analyzer.render.safe import mermaid
from scep_analyzer.story.model import Story
from tests.conftest import ROOT
from tests.render.drawn import EVIL, hostile, most_captures, story

PARSER = "mermaid@12.3.0"
_PARSE = """
import mermaid from 'mermaid';
import { readFileSync } from 'node:fs';
const wrong = [];
for (const text of JSON.parse(readFileSync(0, 'utf8'))) {
  try { await mermaid.parse(text); } catch (error) { wrong.push([text, String(error).slice(0, 300)]); }
}
console.log(JSON.stringify(wrong));
"""


def _diagrams(told: Story) -> list[str]:
    return ["\n".join(diagram(each, Look())) + "\n" for each in told.chapters if each.ladder.lanes]


def _drawn(told: Story, form: str) -> str:
    out = io.StringIO()
    renderer("timeline", form).whole(told, out, Look())
    return out.getvalue()


@pytest.fixture(scope="module")
def npm() -> Path:
    folder = ROOT / "build" / "npm-mermaid"
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("npm and node are needed for Mermaid's parser: apt-get install nodejs npm")
    if not (folder / "node_modules/mermaid").is_dir():
        command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder), PARSER]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            pytest.skip(f"npm does not give {PARSER}: {done.stderr.strip().splitlines()[-1:]}")
    (folder / "parse.mjs").write_text(_PARSE)
    return folder


@pytest.mark.long
def test_mermaids_parser_accepts_every_diagram(npm: Path) -> None:
    stories = [story(each) for each in most_captures()]
    texts = sorted({text for told in stories for each in (told, hostile(told)) for text in _diagrams(each)})
    assert len(texts) > 50
    done = subprocess.run(
        ["node", "parse.mjs"], cwd=npm, input=json.dumps(texts), capture_output=True, text=True, check=True, timeout=120
    )
    assert json.loads(done.stdout) == []


def test_an_arrow_a_message_and_nothing_forged() -> None:
    told = story("scenarios/ndes-get-enrollment.pcap")
    for each in (told, hostile(told)):
        (text,) = _diagrams(each)
        # GetCACert, its response, PKIOperation, its response: as tshark lists them for this capture.
        assert len(re.findall(r"^    P\d--?(?:>>|x)P\d: ", text, re.MULTILINE)) == 4
        assert len(re.findall(r"^    participant ", text, re.MULTILINE)) == 2


def test_what_was_said_can_be_read_again() -> None:
    def back(label: str) -> str:
        return re.sub(r"#(\d+);", lambda match: chr(int(match[1])), label)

    for text in ("a; b # c", "end", "End of the CA", "<b>&amp;</b>", "10.0.0.5:80", "%% x", "C->>S: y", ""):
        label = mermaid(text)
        assert back(label) == (text or " ")
        assert not re.search(r"(?<!#)\b(?<![\d#])end\b", label, re.IGNORECASE)
    assert "\n" not in mermaid(EVIL)


def test_markdown_has_a_row_a_step_and_no_markup_of_others() -> None:
    told = story("scenarios/ndes-get-enrollment.pcap")
    plain, evil = _drawn(told, "markdown"), _drawn(hostile(told), "markdown")
    for text in (plain, evil):
        assert text.count("\n## ") == 1
        assert text.count("```mermaid\n") == 1
        assert len(re.findall(r"^\| 1 \||^\| 2 \|", text, re.MULTILINE)) == 4
    for row in (each for each in evil.splitlines() if each.startswith("| 1")):
        assert len(re.findall(r"(?<!\\)\|", row)) == 6
    outside = re.sub(r"```mermaid.*?```", "", evil, flags=re.DOTALL)
    assert not re.search(r"(?<!\\)[<\[]", outside)
