"""pcap in every byte order and precision; damage ends the reading, and is named."""

import io
from pathlib import Path

import pytest

from scep_analyzer.capture.files import CaptureFiles
from scep_analyzer.capture.pcap import read_pcap
from scep_analyzer.capture.source import Source
from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.packets import CaptureFacts, Packet
from tests.conftest import CAPTURES
from tests.files import pcap_header, pcap_record


def _read(data: bytes) -> tuple[list[Packet], list[Anomaly], CaptureFacts]:
    facts = CaptureFacts("x", "pcap", [])
    items = list(read_pcap(Source(io.BytesIO(data)), facts, 0))
    return (
        [each for each in items if isinstance(each, Packet)],
        [each for each in items if isinstance(each, Anomaly)],
        facts,
    )


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "ns", "digits"), [(0xA1B2C3D4, 250_000, 6), (0xA1B23C4D, 250, 9)])
def test_byte_orders_and_precisions(order: str, magic: int, ns: int, digits: int) -> None:
    packets, anomalies, facts = _read(pcap_header(order, magic) + pcap_record(b"abc", order, wire=90))
    assert packets == [Packet(1, 1000 * 10**9 + ns, 1, b"abc", 90)]
    assert anomalies == []
    assert (facts.packets, facts.time_digits, facts.complete) == (1, digits, True)


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_modified_format_has_eight_more_bytes_in_each_record(order: str) -> None:
    data = (
        pcap_header(order, 0xA1B2CD34)
        + pcap_record(b"abc", order, extra=b"\1" * 8)
        + pcap_record(b"de", order, extra=b"\2" * 8)
    )
    packets, anomalies, _ = _read(data)
    assert [each.data for each in packets] == [b"abc", b"de"]
    assert anomalies == []


def test_link_type_ignores_the_fcs_bits() -> None:
    packets, _, _ = _read(pcap_header(link_type=0x40000001) + pcap_record(b"abc"))
    assert packets[0].link_type == 1


@pytest.mark.parametrize("keep", range(24 + 1, 24 + 16 + 3))
def test_a_file_cut_anywhere_gives_the_packets_before_the_cut(keep: int) -> None:
    whole = pcap_header() + pcap_record(b"abc")
    packets, anomalies, facts = _read((pcap_header() + pcap_record(b"first") + whole[24:])[: 24 + 16 + 5 + keep - 24])
    assert [each.data for each in packets] == [b"first"]
    assert [(each.code, each.frames) for each in anomalies] == [("file-cut", (2,))]
    assert not facts.complete


def test_an_absurd_length_ends_the_reading() -> None:
    bad = bytearray(pcap_record(b"abc"))
    bad[8:12] = b"\xff\xff\xff\x7f"
    packets, anomalies, facts = _read(pcap_header() + pcap_record(b"first") + bytes(bad))
    assert len(packets) == 1
    assert anomalies[0].code == "record-length-absurd"
    assert "2,147,483,647" in anomalies[0].detail
    assert not facts.complete


def test_any_cut_of_a_real_capture_gives_the_same_packets_up_to_the_cut(tmp_path: Path) -> None:
    original = next(path for path in CAPTURES if path.stem == "scepclient-scepserver-post").read_bytes()
    _, _, facts = _read(original)
    everything, _, _ = _read(original)
    for size in range(25, len(original), 97):
        path = tmp_path / "cut.pcap"
        path.write_bytes(original[:size])
        packets = [each for each in CaptureFiles([str(path)]).packets() if isinstance(each, Packet)]
        assert packets == everything[: len(packets)]
        assert len(packets) <= facts.packets
