"""pcapng: sections, interfaces, every packet block, clocks; held against capinfos and tshark."""

import io
import shutil
import struct
import subprocess
import tracemalloc
from pathlib import Path

import pytest

from scep_analyzer.analysis import Analysis
from scep_analyzer.capture.pcapng import read_pcapng
from scep_analyzer.capture.source import Source
from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.packets import CaptureFacts, Packet
from tests import files
from tests.conftest import CAPTURES


def _read(data: bytes) -> tuple[list[Packet], list[Anomaly], CaptureFacts]:
    facts = CaptureFacts("x", "pcapng", [])
    items = list(read_pcapng(Source(io.BytesIO(data)), facts, 0))
    return (
        [each for each in items if isinstance(each, Packet)],
        [each for each in items if isinstance(each, Anomaly)],
        facts,
    )


@pytest.mark.parametrize("order", ["<", ">"])
def test_every_packet_block(order: str) -> None:
    data = files.section(order) + files.interface(order) + files.enhanced(b"enhanced", 1_000_001, order)
    data += files.simple(b"simple", order) + files.obsolete(b"obsolete!", 2_000_000, order)
    packets, anomalies, facts = _read(data)
    assert [(each.frame, each.time_ns, each.data) for each in packets] == [
        (1, 1_000_001_000, b"enhanced"),
        (2, None, b"simple"),
        (3, 2_000_000_000, b"obsolete!"),
    ]
    assert anomalies == []
    assert facts.complete


@pytest.mark.parametrize(
    ("resolution", "ticks", "time_ns", "digits"),
    [
        (b"\x03", 1_500, 1_500_000_000, 6),
        (b"\x09", 1_772_246_260_785_058_123, 1_772_246_260_785_058_123, 9),
        (b"\x8a", 1024 + 512, 1_500_000_000, 9),  # 2^-10 seconds
        (b"\x0c", 1_500_000_000_001, 1_500_000_000, 9),  # picoseconds
    ],
)
def test_clock_resolutions(resolution: bytes, ticks: int, time_ns: int, digits: int) -> None:
    data = files.section() + files.interface(options=files.option(9, resolution)) + files.enhanced(b"x", ticks)
    packets, _, facts = _read(data)
    assert packets[0].time_ns == time_ns
    assert facts.time_digits == digits


def test_the_clock_offset_is_added() -> None:
    options = files.option(14, struct.pack("<q", 1_000_000))
    packets, _, _ = _read(files.section() + files.interface(options=options) + files.enhanced(b"x", 500_000))
    assert packets[0].time_ns == 1_000_000_500_000_000


def test_each_section_has_its_own_interfaces_and_byte_order() -> None:
    data = files.section("<") + files.interface("<") + files.enhanced(b"one", 1, "<")
    data += files.section(">") + files.interface(">", link_type=276) + files.enhanced(b"two", 2, ">")
    packets, anomalies, facts = _read(data)
    assert [(each.frame, each.link_type, each.data) for each in packets] == [(1, 1, b"one"), (2, 276, b"two")]
    assert facts.link_types == [1, 276]
    assert anomalies == []


def test_the_snaplen_cuts_simple_packets() -> None:
    packets, _, _ = _read(files.section() + files.interface(snaplen=4) + files.simple(b"abcd", wire=60))
    assert (packets[0].data, packets[0].wire_length) == (b"abcd", 60)


def test_unknown_blocks_are_stepped_over_and_secrets_kept() -> None:
    keys = b"CLIENT_RANDOM 00 11\n"
    data = files.section() + files.block(0x77777777, b"what?") + files.block(4, b"\0" * 8) + files.interface()
    data += files.block(10, struct.pack("<II", 0x544C534B, len(keys)) + keys) + files.enhanced(b"x", 1)
    packets, anomalies, facts = _read(data)
    assert [each.frame for each in packets] == [1]
    assert facts.secrets == [(0x544C534B, keys)]
    assert anomalies == []


def test_a_packet_of_an_interface_that_is_not_described() -> None:
    packets, anomalies, facts = _read(
        files.section() + files.interface() + files.enhanced(b"x", 1, index=5) + files.enhanced(b"y", 2)
    )
    assert [each.data for each in packets] == [b"y"]
    assert packets[0].frame == 2
    assert [each.code for each in anomalies] == ["block-damaged"]
    assert not facts.complete


@pytest.mark.parametrize("length", [0, 8, 0x7FFFFFFF])
def test_an_absurd_block_length_ends_the_reading(length: int) -> None:
    packets, anomalies, _ = _read(
        files.section() + files.interface() + files.enhanced(b"x", 1) + struct.pack("<II", 6, length) + b"\0" * 64
    )
    assert len(packets) == 1
    assert [(each.code, each.frames) for each in anomalies] == [("record-length-absurd", (1,))]


def test_a_file_cut_anywhere_gives_the_packets_before_the_cut() -> None:
    whole = files.section() + files.interface() + files.enhanced(b"one", 1) + files.enhanced(b"two", 2)
    start = len(whole) - len(files.enhanced(b"two", 2))
    for size in range(start + 1, len(whole) - 4):
        packets, anomalies, facts = _read(whole[:size])
        assert [each.data for each in packets] == [b"one"]
        assert [each.code for each in anomalies] == ["file-cut"]
        assert not facts.complete


@pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed (apt-get install tshark)")
def test_frame_numbers_are_those_of_wireshark(tmp_path: Path) -> None:
    """Blocks that are no packets do not count, except those that Wireshark numbers."""
    frame = b"\2" * 12 + b"\x08\x06" + b"\0" * 46
    custom = files.block(0x0BAD, struct.pack("<I", 32473) + b"data")
    journal = b"__REALTIME_TIMESTAMP=1404101101501874\n__CURSOR=a\nMESSAGE=hello\n\n"
    data = files.section() + custom + files.interface() + files.block(9, journal)
    data += (
        files.enhanced(frame, 5_000_000) + files.block(5, struct.pack("<III", 0, 0, 0)) + custom + files.simple(frame)
    )
    data += files.section(">") + files.interface(">") + files.obsolete(frame, 7_000_000, ">")
    path = tmp_path / "blocks.pcapng"
    path.write_bytes(data)
    command = ["tshark", "-n", "-r", str(path), "-T", "fields", "-e", "frame.number", "-e", "frame.protocols"]
    rows = [
        line.split("\t")
        for line in subprocess.run(command, capture_output=True, check=True, text=True).stdout.splitlines()
    ]
    expected = [int(number) for number, protocols in rows if "eth:" in protocols]
    packets, _, facts = _read(data)
    assert [each.frame for each in packets] == expected
    assert facts.packets == len(rows)


@pytest.mark.skipif(not shutil.which("editcap"), reason="editcap is not installed (apt-get install tshark)")
def test_comments_are_those_that_tshark_shows(tmp_path: Path) -> None:
    source = next(path for path in CAPTURES if path.stem == "scepclient-scepserver-post")
    path = tmp_path / "noted.pcapng"
    notes = ["-a", "4:the first request", "-a", "9:and \u00fcber die Antwort", "--capture-comment", "of the whole"]
    subprocess.run(["editcap", "-F", "pcapng", *notes, str(source), str(path)], check=True, capture_output=True)
    command = [
        "tshark",
        "-n",
        "-r",
        str(path),
        "-Y",
        "frame.comment",
        "-T",
        "fields",
        "-e",
        "frame.number",
        "-e",
        "frame.comment",
    ]
    done = subprocess.run(command, check=True, capture_output=True)
    expected = [line.split("\t") for line in done.stdout.decode().splitlines()]
    for engine in ("builtin", "unsieved"):
        (facts,) = Analysis([str(path)], engine).report().captures
        assert [(str(each.frame), each.text) for each in facts.comments if each.frame] == [
            tuple(each) for each in expected
        ]
        assert [each.text for each in facts.comments if each.frame is None] == ["of the whole"]


def test_a_thousand_interfaces_cost_no_memory_each(tmp_path: Path) -> None:
    path = tmp_path / "many.pcapng"
    packets = b"".join(files.enhanced(b"x" * 60, 5, index=index) for index in range(1000))
    path.write_bytes(files.section() + files.interface() * 1000 + packets)
    tracemalloc.start()
    (facts,) = Analysis([str(path)]).report().captures
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert facts.packets == 1000
    assert peak < 20_000_000
