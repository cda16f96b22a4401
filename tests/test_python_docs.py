"""docs/python.md: its examples run and print what it says, and type-check for callers; the notebook runs."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE, re.DOTALL)
CAPTURES = ROOT / "captures"
FILES = {
    "capture.pcap": CAPTURES / "scenarios" / "ndes-refused-template.pcap",
    "ra.pem": CAPTURES / "keys" / "ra-encryption.pem",
    "tls.pcap": CAPTURES / "tls" / "http2-strongswan.pcap",
    "tls.keylog": CAPTURES / "tls" / "http2-strongswan.keylog",
}
_TSHARK = ("pyshark", "display_filter", "keylog")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, path in FILES.items():
        shutil.copy(path, tmp_path / name)
    return tmp_path


IN_TURN = """
import contextlib, io, json, sys, traceback
printed = {}
for code in json.load(sys.stdin):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        try:
            exec("from scep_analyzer import analyze\\n" + code, {"__name__": "__main__"})
        except BaseException:
            traceback.print_exc(file=out)
    printed[code] = out.getvalue()
json.dump(printed, sys.stdout)
"""


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the examples print, one after another in one process: what they import takes longer than what they do."""
    folder = tmp_path_factory.mktemp("examples")
    for name, path in FILES.items():
        shutil.copy(path, folder / name)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IN_TURN],
        input=json.dumps([code for code, _ in EXAMPLES]),
        capture_output=True,
        check=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    outputs: dict[str, str] = json.loads(done.stdout)
    return outputs


def test_every_example_has_its_output() -> None:
    assert len(EXAMPLES) == PAGE.count("```python") >= 8


@pytest.mark.parametrize(("code", "output"), EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_prints_what_it_says(code: str, output: str, printed: dict[str, str]) -> None:
    if "pandas" in code and importlib.util.find_spec("pandas") is None:
        pytest.skip("pandas is not installed (pip install pandas)")
    if any(word in code for word in _TSHARK) and shutil.which("tshark") is None:
        pytest.skip("tshark is not here (apt-get install tshark)")
    assert printed[code] == output


def _mypy(*paths: Path) -> str:
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--ignore-missing-imports"]
    command += [
        "--follow-imports=silent",
        "--no-error-summary",
        f"--cache-dir={paths[0].parent / 'cache'}",
        *map(str, paths),
    ]
    done = subprocess.run(command, capture_output=True, check=False, text=True, cwd=ROOT)
    return done.stdout + done.stderr


def test_callers_type_check(tmp_path: Path) -> None:
    """With mypy's strict mode: the package is typed (py.typed), and mistakes are found."""
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("mypy is not installed (pip install mypy)")
    right = """
from decimal import Decimal
from collections.abc import Iterator
from pathlib import Path

from scep_analyzer import LIVE, Analyzer, AnalyzerError, Event, Report, analyze, stream
from scep_analyzer.events import Seen


def packets() -> Iterator[tuple[Decimal, bytes, int]]:
    yield Decimal("1.000000001"), b"", 1


def tell(event: Event) -> None:
    if isinstance(event, Seen):
        print(event.exchange.operation)


report: Report = analyze(packets(), keys=["ra.pem", ("ra.p12", "secret"), b"PEM"], keylog=Path("keys.log"))
analyze([Path("a.pcap"), "b.pcap"], link_type=101, display_filter="tcp", engine="builtin")
with open("a.pcap", "rb") as file:
    analyze(file)
rows: list[dict[str, str | int | float | bool | None]] = report.rows("findings")
text: str = report.to_json(secrets=True) + report._repr_html_()
for each in stream(b"", limits=LIVE):
    tell(each)
with Analyzer(on_event=tell) as analyzer:
    analyzer.feed(1.0, b"", 1)
try:
    closed: Report = analyzer.close()
except AnalyzerError as error:
    print(error)
"""
    wrong = """
from scep_analyzer import analyze

analyze("a.pcap", engine="wireshark")
analyze("a.pcap").rows("packets")
analyze("a.pcap").nothing
"""
    for name, code in (("right", right), ("wrong", wrong)):
        (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
    said = _mypy(tmp_path / "right.py", tmp_path / "wrong.py")
    assert "right.py" not in said
    assert re.findall(r"(\w+)\.py:(\d+): error", said) == [("wrong", "4"), ("wrong", "5"), ("wrong", "6")]


@pytest.mark.long
def test_the_notebook_runs(folder: Path) -> None:
    """docs/notebook.ipynb, with the outputs that it was stored with."""
    for name in ("nbclient", "nbformat", "ipykernel", "pandas"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed (pip install {name})")
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not here (apt-get install tshark)")
    (folder / "docs").mkdir()
    notebook = folder / "docs" / "notebook.ipynb"
    shutil.copy(ROOT / "docs" / "notebook.ipynb", notebook)
    (folder / "captures" / "scenarios").mkdir(parents=True)
    shutil.copy(FILES["capture.pcap"], folder / "captures" / "scenarios")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "JUPYTER_PLATFORM_DIRS": "1", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-c", RUN, str(notebook)]
    done = subprocess.run(command, capture_output=True, check=False, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip() == "the outputs are those that are stored"


RUN = """
import copy, sys, nbformat
from nbclient import NotebookClient
path = sys.argv[1]
notebook = nbformat.read(path, as_version=4)
stored = copy.deepcopy([each.get("outputs") for each in notebook.cells])
NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": path.rpartition("/")[0]}}).execute()
def said(outputs):
    # How pandas draws a table is its own, and differs from version to version.
    given = [(each.get("text"), dict(each.get("data", {}))) for each in outputs or () if each.get("name") != "stderr"]
    return [each for each in given if "dataframe" not in str(each)]
for cell, before in zip(notebook.cells, stored, strict=True):
    if said(cell.get("outputs")) != said(before):
        sys.exit(f"{cell.source}\\n--- stored\\n{said(before)}\\n--- now\\n{said(cell.outputs)}")
print("the outputs are those that are stored")
"""
