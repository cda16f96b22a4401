"""Whole outputs of every command, word for word. To accept a change after reading it: ``make golden``.

The golden outputs hold wording and layout; that the values in them are right is for tests/corpus to prove.
"""

import io
import sys
from pathlib import Path

import pytest

from scep_analyzer.cli import main
from tests.conftest import ROOT

GOLDEN = Path(__file__).parent / "golden"
_SCENARIOS = "captures/scenarios"
_REFUSED = f"{_SCENARIOS}/ndes-refused-template.pcap"
_LATE = "captures/faults/transactions/transid-changed-while-pending.pcap"
CASES: dict[str, list[str]] = {
    "ndes-get-enrollment.timeline.txt": ["timeline", f"{_SCENARIOS}/ndes-get-enrollment.pcap"],
    "ndes-refused-template.timeline.txt": ["timeline", _REFUSED],
    "server-stopped.timeline.txt": ["timeline", "captures/implementations/server-stopped.pcap"],
    "ndes-refused-template.diagnose.txt": ["diagnose", _REFUSED],
    "ndes-refused-template.diagnose.md": ["diagnose", "-f", "markdown", _REFUSED],
    "ndes-refused-template.diagnose.csv": ["diagnose", "-f", "csv", _REFUSED],
    "server-stopped.diagnose.txt": ["diagnose", "captures/implementations/server-stopped.pcap"],
    "ndes-refused-template.show.txt": ["show", _REFUSED, "2", "--key", "captures/keys/ra-encryption.pem"],
    "ndes-refused-template.live.txt": ["timeline", "-"],
    "transid-changed-while-pending.live.txt": ["timeline", "-"],
    "failinfo.explain.txt": ["explain", "badMessageCheck"],
}
"""Arguments of each golden output; a pipe is given the capture of its name."""


def _capture_of(name: str) -> Path:
    return ROOT / (_LATE if name.startswith("transid") else _REFUSED)


def printed(name: str) -> str:
    """What the program prints, as it does into a pipe of 80 columns."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setenv("COLUMNS", "80")
        patch.setenv("NO_COLOR", "1")
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(_capture_of(name).read_bytes())))
        assert main(CASES[name]) in (0, 1)
        out.flush()
    return out.buffer.getvalue().decode()  # type: ignore[attr-defined]  # a BytesIO


@pytest.mark.parametrize("name", CASES)
def test_an_output_is_what_was_accepted(name: str) -> None:
    assert printed(name) == (GOLDEN / name).read_text(encoding="utf-8")


def test_every_golden_file_has_its_case() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == set(CASES)
