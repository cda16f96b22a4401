"""What import contracts cannot see: no files, no clock, no printing in the decoding stages; each module has a test."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "scep_analyzer"
PURE = (
    "model",
    "glossary",
    "events.py",
    "story",
    "link",
    "sieve",
    "tcp",
    "tls",
    "http1",
    "http2",
    "cms",
    "scep",
    "pasted",
    "rules",
    "report.py",
    "topics",
)
FORBIDDEN = {"open", "print", "input", "time.time", "datetime.now", "datetime.today", "datetime.utcnow"}


def _modules(*parts: str) -> list[Path]:
    return sorted(
        path
        for part in parts
        for path in ([PACKAGE / part] if part.endswith(".py") else (PACKAGE / part).rglob("*.py"))
    )


@pytest.mark.parametrize("path", _modules(*PURE), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_decoding_stage_does_no_io_and_knows_no_clock(path: Path) -> None:
    calls = {ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)}
    assert calls.isdisjoint(FORBIDDEN)


# Tables, dataclasses and glue, which the tests of the modules that use them cover.
WITHOUT_OWN_TEST = {
    "__init__", "__main__", "version", "algorithms", "codes", "glossary",
    "limits", "anomalies", "packets", "streams",
    "exchanges", "certificates", "scep", "stage", "output", "timeline", "doctor", "json_v1", "report", "analysis", "builtin",
    "content", "verdict", "options", "asn1", "grammar", "extensions", "reading", "jobs",
}  # fmt: skip
TESTED_TOGETHER = {
    "cli/fleet": "fleet/test_fleet",
    "render/tabular": "fleet/test_report",
    "fleet/sources": "fleet/test_fleet",
    "fleet/reader": "fleet/test_fleet",
    "fleet/supervisor": "fleet/test_fleet",
    "fleet/store": "fleet/test_fleet",
    "fleet/run": "fleet/test_fleet",
    "fleet/schema": "fleet/test_fleet",
    "fleet/queries": "fleet/test_report",
    "fleet/answers": "fleet/test_report",
    "fleet/metrics": "fleet/test_watch",
    "engines/tshark_rows": "engines/test_tshark", "cli/live": "engines/test_live",
    "capture/interfaces": "engines/test_live", "render/jsonl": "test_events", "story/narrator": "test_events",
    "story/exchanges": "render/test_timeline", "story/messages": "render/test_timeline",
    "render/markdown": "cli/test_diagnose", "render/picture": "render/test_page", "cli/report": "render/test_page",
    "render/timeline_markdown": "render/test_mermaid",
    "render/table": "cli/test_diagnose", "render/tree": "cli/test_show_decode_extract",
    "link/tunnels": "link/test_decode", "link/exotic": "link/test_decode", "sieve/flow": "sieve/test_flows",
    "capture/compression": "capture/test_source", "capture/skim": "sieve/test_invariant",
    "cms/tree": "cli/test_show_decode_extract", "story/detail": "cli/test_show_decode_extract",
    "cli/parser": "cli/test_suggest", "render/exchange_list": "cli/test_show_decode_extract",
    "story/exchange_list": "cli/test_show_decode_extract",
    "cli/show": "cli/test_show_decode_extract", "cli/decode": "cli/test_show_decode_extract",
    "cli/extract": "cli/test_show_decode_extract", "scep/anything": "cli/test_show_decode_extract",
    "link/ethernet": "link/test_decode", "link/sll": "link/test_decode", "link/raw": "link/test_decode",
    "link/loopback": "link/test_decode", "link/ip": "link/test_decode", "http1/messages": "http1/test_exchanges",
    "http1/bodies": "http1/test_exchanges", "scep/error_pages": "scep/test_exchanges", "cms/signed": "scep/test_messages",
    "cms/enveloped": "scep/test_messages", "cms/chains": "scep/test_ca_certificates",

    "http1/alone": "pasted/test_forms", "pasted/context": "pasted/test_forms", "pasted/hexadecimal": "pasted/test_dumps",
    "pasted/cells": "pasted/test_dumps", "pasted/sense": "pasted/test_dumps",
    "pasted/pieces": "pasted/test_forms", "pasted/structured": "pasted/test_forms", "pasted/text": "pasted/test_forms",
    "pasted/wire": "pasted/test_forms", "recordings/archives": "recordings/test_recordings",
    "recordings/har": "recordings/test_recordings", "recordings/kinds": "recordings/test_recordings",
    "recordings/logs": "recordings/test_recordings", "recordings/saz": "recordings/test_recordings",
    "engines/recordings": "recordings/test_recordings", "model/places": "recordings/test_places", "story/wording": "recordings/test_places",
    "rules/inputs": "recordings/test_recordings",
    "cms/message_data": "cms/test_opening", "cms/keys": "cms/test_opening",
}  # fmt: skip


TESTED_TOGETHER |= {
    # The corpus of faults has a capture for each rule that triggers it and one that must not.
    f"rules/{topic}": "corpus/test_faults"
    for topic in (
        "capture", "connection", "tls", "http_status", "http_body", "encoding", "capabilities", "ca_certificates", "request", "attributes",
        "requester", "csr", "certrep", "issued", "transactions", "ndes", "delivery", "server_said", "_memory", "_views", "_words", "judge",
    )
} | {
    "rules/_rule": "rules/test_catalogue", "rules/product_marks": "rules/test_products",
    "topics": "cli/test_explain", "render/diagnosis": "cli/test_diagnose",
    "story/diagnosis": "cli/test_diagnose",
    "model/tls": "tls/test_handshakes", "model/products": "rules/test_catalogue",
    "annotate": "test_annotate", "notes": "test_annotate", "cli/annotate": "test_annotate", "wireshark/lua": "wireshark/test_lua",
    "wireshark/tables": "wireshark/test_lua", "wireshark/overlay": "cli/test_wireshark", "wireshark/folders": "cli/test_wireshark",
    "story/filters": "story/test_filters",
    "model/findings": "rules/test_catalogue", "sieve/handshakes": "tls/test_handshakes", "scep/sniffing": "corpus/test_faults",
    "model/verdicts": "story/test_verdicts", "rules/verdicts": "story/test_verdicts", "render/answer": "story/test_verdicts",
    "story/choice": "story/test_verdicts", "render/rows": "story/test_verdicts", "cli/filters": "story/test_verdicts",
    "cli/listing": "story/test_verdicts", "topics/windows": "cli/test_explain", "topics/devices": "cli/test_explain",
    "topics/program": "cli/test_explain", "topics/_table": "cli/test_explain", "topics/network": "cli/test_explain",
    "topics/oids": "cli/test_explain", "glossary/hresults": "cli/test_explain", "glossary/_entry": "cli/test_explain",
    "glossary/terms": "cli/test_explain", "glossary/fields": "cli/test_explain",
    "python": "test_python", "capture/given": "test_python", "capture/packing": "test_python", "engines/pushed": "test_python",
    "engines/chosen": "test_python", "engines/display_filter": "test_python", "rules/absence": "rules/test_absence",
    "capture/begun": "recordings/test_recordings", "pasted/markup": "pasted/test_forms", "pasted/lines": "pasted/test_forms",
    "pasted/escapes": "pasted/test_forms", "pasted/programs": "pasted/test_programs",
    "render/ladder": "story/test_ladder", "cli/answer": "story/test_verdicts",
}  # fmt: skip


def test_every_module_has_its_test() -> None:
    missing = []
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).with_suffix("").as_posix()
        folder, _, stem = name.rpartition("/")
        test = TESTED_TOGETHER.get(name, f"{folder}/test_{stem}".lstrip("/"))
        if stem not in WITHOUT_OWN_TEST and not (ROOT / "tests" / f"{test}.py").exists():
            missing.append(name)
    assert missing == []


def test_help_does_not_import_what_it_does_not_need() -> None:
    """Start-up is felt. What is imported can be asserted; how long it takes is for benchmarks/."""
    code = "import sys; from scep_analyzer.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\nprint(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True, cwd=ROOT)
    loaded = set(done.stdout.splitlines())
    assert loaded.isdisjoint(
        {"rich", "asn1crypto", "cryptography", "scapy", "pyshark", "dataclasses", "json", "importlib.metadata"}
    )


def test_the_library_is_there_for_python_programs() -> None:
    import scep_analyzer

    report = scep_analyzer.analyze(str(ROOT / "captures" / "scenarios" / "ndes-get-enrollment.pcap"))
    assert isinstance(report, scep_analyzer.Report)
    assert report.outcomes == {"success": 1}
    with pytest.raises(AttributeError):
        _ = scep_analyzer.nothing
