"""Which connection a segment belongs to, as Wireshark numbers them, and which connections are followed."""

import shutil
import subprocess
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
from scapy.packet import Raw
from scapy.utils import wrpcap

from scep_analyzer.capture.files import CaptureFiles
from scep_analyzer.link.decode import Decoder
from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.exchanges import path_of
from scep_analyzer.model.limits import Limits
from scep_analyzer.model.packets import SYN, Segment, ends_of, key_of
from scep_analyzer.sieve.flows import Flows
from tests.segments import CLIENT, SERVER, handshake, segment

MAC = "02:00:00:00:00:01"  # given, because scapy would ask the network for it


def _packet(sport: int, dport: int, flags: str, seq: int, ack: int = 0, payload: bytes = b"") -> object:
    ends = ("10.0.0.1", "10.0.0.2") if sport > dport else ("10.0.0.2", "10.0.0.1")
    return (
        Ether(src=MAC, dst=MAC)
        / IP(src=ends[0], dst=ends[1])
        / TCP(sport=sport, dport=dport, flags=flags, seq=seq, ack=ack)
        / Raw(payload)
    )


@pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed (apt-get install tshark)")
def test_numbers_are_those_of_wireshark(tmp_path: Path) -> None:
    """Ports reused after FIN, after RST and without either; SYNs sent again; connections without a beginning."""
    packets = [
        _packet(4001, 80, "S", 100),
        _packet(4001, 80, "S", 100),  # sent again: the same connection
        _packet(80, 4001, "SA", 500, 101),
        _packet(4002, 80, "A", 7, 8, b"middle"),  # no beginning
        _packet(4001, 80, "PA", 101, 501, b"hello"),
        _packet(4001, 80, "S", 90000),  # the ports again, with nothing closed
        _packet(80, 4001, "SA", 70000, 90001),
        _packet(4001, 80, "FA", 90001, 70001),
        _packet(80, 4001, "FA", 70001, 90002),
        _packet(4001, 80, "A", 90002, 70002),
        _packet(4001, 80, "S", 120000),  # and after FIN
        _packet(80, 4001, "RA", 0, 120001),
        _packet(4001, 80, "S", 130000),  # and after RST
        _packet(80, 4001, "SA", 1, 130001),
        _packet(4002, 80, "A", 13, 8, b"still the middle"),
        _packet(4002, 80, "S", 999999),
        _packet(80, 4003, "SA", 5, 6),  # only the answer was captured
        _packet(4003, 80, "A", 6, 6),
        _packet(4003, 80, "PA", 6, 6, b"x"),
    ]
    path = tmp_path / "reuse.pcap"
    wrpcap(str(path), packets)
    command = ["tshark", "-n", "-r", str(path), "-T", "fields", "-e", "tcp.stream"]
    expected = [
        int(line) for line in subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()
    ]
    flows = Flows(sieve=False)
    given = [
        item for item in flows.over(Decoder().over(CaptureFiles([str(path)]).packets())) if isinstance(item, Segment)
    ]
    assert [each.stream for each in given] == expected


def _followed(segments: list[Segment], **options: object) -> list[int]:
    """The frames that are given on, those moved from a handshake left out."""
    flows = Flows(**options)  # type: ignore[arg-type]
    return sorted({each.frame for each in flows.over(segments) if isinstance(each, Segment)})


BORING = b"GET /index.html HTTP/1.1\r\nHost: x\r\n\r\n"
SCEP = b"GET /scep?operation=GetCACaps HTTP/1.1\r\nHost: x\r\n\r\n"
PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\npage"
CERTIFICATES = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-x509-ca-ra-cert\r\nContent-Length: 4\r\n\r\n\x30\x82\0\0"
)


def test_a_scep_request_makes_a_connection_followed_from_its_syn_on() -> None:
    talk = [*handshake(), segment(4, "C", "A", 0, SCEP), segment(5, "S", "A", 0, PAGE, len(SCEP))]
    assert _followed(talk) == [1, 2, 4, 5]  # the bare acknowledgment in frame 3 tells nothing


def test_other_http_is_left_out_and_its_path_remembered() -> None:
    flows = Flows()
    talk = [*handshake(), segment(4, "C", "A", 0, BORING), segment(5, "S", "A", 0, PAGE, len(BORING))]
    assert list(flows.over(talk)) == []
    assert flows.left_out == {(SERVER, "/index.html")}
    assert _followed(talk, endpoints=[(SERVER, "/index.html")]) == [1, 2, 4, 5]
    assert _followed(talk, sieve=False) == [1, 2, 3, 4, 5]


def test_an_answer_of_a_scep_type_brings_its_request_along() -> None:
    talk = [*handshake(), segment(4, "C", "A", 0, BORING), segment(5, "S", "A", 0, CERTIFICATES, len(BORING))]
    assert _followed(talk) == [1, 2, 4, 5]


def test_a_later_request_on_a_kept_connection_is_found_and_what_was_before_stays_out() -> None:
    asked, answered = len(BORING), len(PAGE)
    talk = [
        *handshake(),
        segment(4, "C", "A", 0, BORING),
        segment(5, "S", "A", 0, PAGE, asked),
        segment(6, "C", "A", asked, SCEP, answered),
        segment(7, "S", "A", answered, PAGE, asked + len(SCEP)),
    ]
    given = [each for each in Flows().over(talk) if isinstance(each, Segment)]
    assert [each.frame for each in given] == [1, 2, 6, 7]
    # The handshake is moved, so that nothing seems to be missing before the request.
    assert given[0].sequence == (talk[0].sequence + asked) % 2**32
    assert given[1].sequence == (talk[1].sequence + answered) % 2**32


@pytest.mark.parametrize("at", [1, 2, 3, 4, 10, 17, 40, len(SCEP) - 1])
def test_a_request_in_pieces_is_found(at: int) -> None:
    talk = [*handshake(), segment(4, "C", "A", 0, SCEP[:at]), segment(5, "C", "A", at, SCEP[at:])]
    assert _followed(talk) == [1, 2, 4, 5]
    swapped = [*handshake(), segment(4, "C", "A", at, SCEP[at:]), segment(5, "C", "A", 0, SCEP[:at])]
    assert _followed(swapped) == [1, 2, 4, 5]


def test_an_answer_captured_before_its_request_is_kept() -> None:
    talk = [*handshake(), segment(4, "S", "A", 0, PAGE, len(SCEP)), segment(5, "C", "A", 0, SCEP)]
    assert _followed(talk) == [1, 2, 4, 5]


def test_a_connection_that_is_refused_or_asked_for_in_vain_is_told() -> None:
    assert _followed([segment(1, "C", "S"), segment(2, "S", "RA")]) == [1, 2]
    assert _followed([segment(1, "C", "S"), segment(2, "C", "S")]) == [1, 2]
    assert _followed([segment(1, "C", "S")]) == []


def test_tls_is_named() -> None:
    hello = b"\x16\x03\x01\x02\x00" + b"\1" * 60
    for sieve in (True, False):
        talk = [*handshake(), segment(4, "C", "A", 0, hello), segment(5, "S", "A", 0, b"\x16\x03\x03" + b"\2" * 90, 65)]
        (anomaly,) = [each for each in Flows(sieve=sieve).over(talk) if isinstance(each, Anomaly)]
        assert (anomaly.code, anomaly.frames) == ("tls-not-decrypted", (4,))
        assert "10.0.0.2:80" in anomaly.detail


def test_the_table_is_bounded_and_what_is_forgotten_is_named() -> None:
    flows = Flows(Limits(connections=100))
    data = segment(1, "C", "A", 0, b"\x17\x03\x03 not HTTP")
    anomalies = []
    for port in range(1, 1001):
        talk = [data._replace(frame=port, key=key_of(CLIENT._replace(port=port), SERVER))]
        anomalies += [each for each in flows.over(talk, finish=False) if isinstance(each, Anomaly)]
    assert {each.code for each in anomalies} == {"limit-connections"}
    assert len(flows._young) + len(flows._old) <= 102
    assert len(flows.tame) <= 102


def test_connections_that_go_on_outlive_the_forgetting_of_others() -> None:
    """The followed one is carried over, whatever comes between its segments."""
    flows = Flows(Limits(connections=20))
    given: list[object] = list(flows.over([*handshake(), segment(4, "C", "A", 0, SCEP)], finish=False))
    for port in range(1, 201):
        syn = Segment(10 + port, 0, key_of(CLIENT._replace(port=port), SERVER), 7, 0, SYN, b"")
        given += flows.over([syn], finish=False)
    given += flows.over([segment(999, "S", "A", 0, PAGE, len(SCEP))], finish=False)
    assert [each.frame for each in given if isinstance(each, Segment) and each.stream == 0] == [1, 2, 4, 999]


def test_paths() -> None:
    assert path_of("/scep?operation=x") == "/scep"
    assert path_of("http://ca.example/scep?x") == "/scep"
    assert path_of("HTTP://ca.example") == "/"
    assert ends_of(key_of(CLIENT, SERVER)) == (CLIENT, SERVER)
