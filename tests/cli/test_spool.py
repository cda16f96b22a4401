"""Bytes that are put aside come back as they were, from memory and from the disk, and leave nothing there."""

import tempfile
from pathlib import Path

import pytest

from scep_analyzer.cli.spool import Spool
from scep_analyzer.model.anomalies import AnalyzerError
from scep_analyzer.model.limits import BOUNDS


def test_what_is_put_aside_comes_back_in_any_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    contents = [bytes([each]) * (BOUNDS.spool_bytes // 3 + each) for each in range(6)]
    with Spool() as spool:
        kept = [spool.keep(content) for content in contents[:3]]
        assert kept[0]() == contents[0]
        kept += [spool.keep(content) for content in contents[3:]]
        assert [each() for each in reversed(kept)] == contents[::-1]
    assert not list(tmp_path.iterdir())


def test_a_folder_without_room_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with Spool() as spool, pytest.raises(AnalyzerError, match="TMPDIR"):
        spool.keep(bytes(BOUNDS.spool_bytes + 1))
