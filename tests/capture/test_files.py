"""Paths: the kind by magic, several files and directories as one capture, mistakes in one line."""

import gzip
import os
import shutil
from pathlib import Path

import pytest

from scep_analyzer.capture.files import CaptureFiles
from scep_analyzer.model.anomalies import InputError
from scep_analyzer.model.packets import Packet
from tests.conftest import CAPTURES
from tests.files import pcap_header, pcap_record

CAPTURE = next(path for path in CAPTURES if path.stem == "scepclient-scepserver-post")


def _packets(*paths: object) -> list[Packet]:
    return [each for each in CaptureFiles([str(path) for path in paths]).packets() if isinstance(each, Packet)]


def test_rotated_files_are_one_capture_in_time_order(tmp_path: Path) -> None:
    (tmp_path / "b.pcap").write_bytes(
        pcap_header() + pcap_record(b"early", seconds=10) + pcap_record(b"then", seconds=11)
    )
    (tmp_path / "a.pcap").write_bytes(pcap_header() + pcap_record(b"late", seconds=20))
    packets = _packets(tmp_path / "a.pcap", tmp_path / "b.pcap")
    assert [(each.frame, each.data) for each in packets] == [(1, b"early"), (2, b"then"), (3, b"late")]


def test_a_directory_is_its_captures(tmp_path: Path) -> None:
    (tmp_path / "one.pcap").write_bytes(pcap_header() + pcap_record(b"one", seconds=1))
    (tmp_path / "two.pcap.gz").write_bytes(gzip.compress(pcap_header() + pcap_record(b"two", seconds=2)))
    (tmp_path / "notes.txt").write_text("not a capture")
    assert [each.data for each in _packets(tmp_path)] == [b"one", b"two"]


def test_facts_of_a_file() -> None:
    capture = CaptureFiles([str(CAPTURE)])
    count = sum(isinstance(each, Packet) for each in capture.packets())
    (facts,) = capture.facts
    assert (facts.format, facts.link_types, facts.packets, facts.complete) == ("pcap", [1], count, True)
    assert facts.bytes == CAPTURE.stat().st_size


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"hello, world, this is some text", "not a capture"),
        (b"\xd4\xc3\xb2\xa1", "cut short inside the file header"),
        (pcap_header()[:23], "cut short inside the file header"),
        (b"snoop\0\0\0" + b"\0" * 20, "Solaris snoop"),
        (b"(\xb5/\xfd" + b"\0" * 20, "zstd"),
        (b"PK\x03\x04" + b"\0" * 20, "zip"),
        (gzip.compress(b"not a capture at all, either", mtime=0), "not a capture"),
        (b"\x1f\x8b\x08\x00garbage", "gzip"),
    ],
)
def test_what_is_not_a_capture_is_named_in_one_line(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "file.pcap"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said) as caught:
        _packets(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_missing_empty_and_forbidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="no such file"):
        _packets(tmp_path / "nowhere.pcap")
    with pytest.raises(InputError, match="directory without captures"):
        _packets(tmp_path)
    with pytest.raises(InputError, match="not a file name"):
        _packets("a\0b")
    path = tmp_path / "secret.pcap"
    shutil.copy(CAPTURE, path)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # root may read everything, so chmod would prove nothing here
    with pytest.raises(InputError, match="no permission"):
        _packets(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_named_pipe_is_read_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert not CaptureFiles([str(pipe)]).can_be_read_again
    assert not CaptureFiles(["-"]).can_be_read_again
    assert CaptureFiles([str(CAPTURE)]).can_be_read_again
