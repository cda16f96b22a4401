"""Writes docs/notebook.ipynb and runs it: `.venv/bin/python docs/notebook.py` after a change of its cells or of what they print."""

import os
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
CELLS = (
    "# SCEP enrollments in a notebook\n\n"
    "What happened in a capture, why, and what to do, from [scep-analyzer](../README.md). "
    "[python.md](python.md) explains each call.",
    'from scep_analyzer import analyze\n\ncapture = "../captures/scenarios/ndes-refused-template.pcap"\n'
    "report = analyze(capture)\nreport",
    "## Enrollments as a DataFrame\n\nOne row each; `report.rows` has tables for exchanges, findings, certificates and more.",
    'import pandas\n\nenrollments = pandas.DataFrame(report.rows("transactions"))\n'
    'enrollments[["started", "client", "server_product", "verdict", "root_cause", "duration_ms"]]',
    'findings = pandas.DataFrame(report.rows("findings"))\nfindings[findings.severity == "error"][["rule", "frame", "root_cause", "title"]]',
    "## scapy\n\nPackets that scapy has read or captured; `sniff(prn=analyzer.feed)` works while they come.",
    "from scapy.all import sniff\n\nfrom scep_analyzer import Analyzer\n\n"
    "analyzer = Analyzer()\nsniff(offline=capture, prn=analyzer.feed, store=False, quiet=True)\nanalyzer.close().outcomes",
    "packets = sniff(offline=capture, quiet=True)\nanalyze(packets[:12]).outcomes",
    "## pyshark\n\nIts file is read, and its display filter chooses the packets. No event loop is needed for that.",
    'import pyshark\n\nchosen = analyze(pyshark.FileCapture(capture, display_filter="tcp.stream == 1"))\n'
    'pandas.DataFrame(chosen.rows("exchanges"))[["exchange", "operation", "message_type", "pki_status", "fail_info", "status"]]',
    'analyze(capture, display_filter="ip.addr == 198.51.100.5").outcomes',
)


def main() -> None:
    """Write and run."""
    notebook = nbformat.v4.new_notebook()
    for number, text in enumerate(CELLS):
        prose = text.startswith("#")
        cell = nbformat.v4.new_markdown_cell(text) if prose else nbformat.v4.new_code_cell(text)
        cell["id"] = f"cell-{number}"
        notebook.cells.append(cell)
    os.environ["PYTHONWARNINGS"] = "ignore"
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(HERE)}}).execute()
    for cell in notebook.cells:
        cell.get("metadata", {}).pop("execution", None)
    notebook.metadata.pop("language_info", None)
    (HERE / "notebook.ipynb").write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
