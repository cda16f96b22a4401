"""The right cause comes first in conversations with many products; healthy and resolved ones are left in peace."""

from pathlib import Path

import pytest

from scep_analyzer.analysis import Analysis
from scep_analyzer.cms.keys import read_private_key
from scep_analyzer.model.findings import Severity, Strength
from tests.conftest import ROOT
from tests.rules.conversations import CONVERSATIONS, START, Story

from wires import Wire  # isort: skip  # conversations has put the recipes on the path

WEAK = ("req-cipher", "req-digest", "cipher-weaker", "digest-weaker")
"""Rules that only warn of a weakness."""


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_the_right_cause_comes_first(name: str, tmp_path: Path) -> None:
    tell, roots, keys = CONVERSATIONS[name]
    wire = Wire(round(START.timestamp() * 1e9))
    tell(Story(wire))
    path = tmp_path / "conversation.pcap"
    wire.write(path)
    given = [read_private_key((ROOT / "captures" / "keys" / f"{each}.pem").read_bytes(), each, None) for each in keys]
    report = Analysis([str(path)], keys=given).report()
    found = {each.transaction or 0: each for each in report.findings if each.root_cause}
    assert {number: each.rule for number, each in found.items()} == roots
    if not roots:
        assert [each.rule for each in report.findings if each.severity is Severity.ERROR] == []
    for each in found.values():
        assert not (each.rule.startswith(WEAK) and each.strength is Strength.PROVED)
