"""Kinds that tshark turns into pcapng for us: files that editcap writes, and what is said where tshark is missing or helpless."""

import shutil
import subprocess
from pathlib import Path

import pytest

from scep_analyzer.capture import foreign
from scep_analyzer.capture.files import CaptureFiles
from scep_analyzer.capture.pcap import MODIFIED, hidden_variant
from scep_analyzer.model.anomalies import InputError
from scep_analyzer.model.packets import Packet
from tests.conftest import CAPTURES

CAPTURE = next(path for path in CAPTURES if path.stem == "scepclient-scepserver-post")
needs_tshark = pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed (apt-get install tshark)")


def _packets(path: Path) -> list[tuple[int, bytes]]:
    return [(each.frame, each.data) for each in CaptureFiles([str(path)]).packets() if isinstance(each, Packet)]


@needs_tshark
@pytest.mark.parametrize(
    "kind",
    [
        "snoop",
        "netmon2",
        "ngsniffer",
        "ngwsniffer_2_0",
        "5views",
        "lanalyzer",
        "nokiapcap",
        "suse6_3pcap",
        "rh6_1pcap",
        "modpcap",
        "nsecpcap",
    ],
)
def test_what_editcap_writes_is_read(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "capture"
    done = subprocess.run(["editcap", "-F", kind, str(CAPTURE), str(path)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"this editcap cannot write {kind}")
    # Some of these formats pad short frames; up to the original's length they hold the same.
    for (frame, data), (expected_frame, expected) in zip(_packets(path), _packets(CAPTURE), strict=True):
        assert (frame, data[: len(expected)]) == (expected_frame, expected)


def test_without_tshark_the_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("shutil.which", lambda _name: None)
    path = tmp_path / "capture.snoop"
    path.write_bytes(b"snoop\0\0\0" + bytes(100))
    with pytest.raises(InputError, match="apt-get install tshark"):
        _packets(path)


def test_a_windows_trace_names_its_converter(tmp_path: Path) -> None:
    path = tmp_path / "trace.etl"
    path.write_bytes(bytes(100))
    with pytest.raises(InputError, match="etl2pcapng"):
        _packets(path)


@needs_tshark
def test_what_tshark_cannot_read_is_said_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "capture.snoop"
    path.write_bytes(b"snoop\0\0\0" + bytes(100))
    with pytest.raises(InputError, match="Solaris snoop that tshark does not read") as caught:
        _packets(path)
    assert "\n" not in str(caught.value)


def test_a_plain_file_has_no_hidden_variant() -> None:
    for path in CAPTURES:
        assert hidden_variant(path.read_bytes()[:65536]) is None
    assert hidden_variant(b"") is None
    assert MODIFIED not in foreign.KINDS.values()
