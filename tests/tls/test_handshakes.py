"""Handshakes as read, against what tshark reads in the same captures; and bytes that are none."""

import shutil
import subprocess
from pathlib import Path

import pytest

from scep_analyzer.engines.builtin import BuiltinEngine
from scep_analyzer.model.tls import Handshake
from scep_analyzer.tls.handshakes import Handshakes
from tests.conftest import ROOT
from tests.segments import segment
from tests.wireshark.merged import merged

CAPTURES = sorted((ROOT / "captures" / "faults" / "tls").glob("tls-*.pcap"))
FIELDS = (
    "frame.number", "tcp.stream", "frame.protocols",
    "tls.handshake.extensions_server_name", "tls.handshake.random", "tls.handshake.type", "tls.alert_message.desc",
    "x509sat.uTF8String",
)  # fmt: skip


def read(path: Path, addresses: set[str] | None = None) -> list[Handshake]:
    engine = BuiltinEngine([str(path)])
    list(engine.exchanges())
    return list(engine.handshakes(addresses))


Told = dict[int, dict[str, list[str]]]
"""The values of fields for each TCP stream."""


@pytest.fixture(scope="module")
def by_tshark(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Told]:
    """What tshark reads in each capture, all of them as one file: it takes longer to begin than to read."""
    every = merged([(each.stem, each.read_bytes()) for each in CAPTURES], tmp_path_factory.mktemp("tls") / "every.pcap")
    command = [
        "tshark",
        "-r",
        every.path,
        "-d",
        "tcp.port==80,tls",
        "-T",
        "fields",
        "-E",
        "aggregator=;",
        *(part for each in FIELDS for part in ("-e", each)),
    ]
    rows = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    every_told: dict[str, Told] = {each: {} for each in every.names}
    first: dict[str, int] = {}
    for row in rows:
        frame, stream, protocols, *values = row.split("\t")
        if not stream:
            continue
        name, _ = every.place(int(frame))
        number = int(stream) - first.setdefault(
            name, int(stream)
        )  # streams are numbered in order of their first frames
        if "tls" in protocols.split(":"):
            told = every_told[name].setdefault(number, {})
            for field, value in zip(FIELDS[3:], values, strict=False):
                told.setdefault(field, []).extend(each for each in value.split(";") if each)
    return every_told


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed: apt-get install tshark")
@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_as_tshark_reads_it(path: Path, by_tshark: dict[str, Told]) -> None:
    told = by_tshark[path.stem]
    found = {each.connection: each for each in read(path)}
    assert set(found) == set(told)
    for number, handshake in found.items():
        fields = told[number]
        assert [handshake.name] == fields["tls.handshake.extensions_server_name"]
        assert handshake.client_random == fields["tls.handshake.random"][0]
        assert bool(handshake.certificates) == ("11" in fields["tls.handshake.type"])
        assert (handshake.certificate_requested is not None) == ("13" in fields["tls.handshake.type"])
        assert [str(each.code) for each in handshake.alerts] == fields["tls.alert_message.desc"]


def test_only_the_servers_of_interest_are_looked_into() -> None:
    path = next(each for each in CAPTURES if each.stem == "tls-too-old-client")
    assert len(read(path, {"192.168.1.5"})) == 1
    assert read(path, {"192.0.2.1"}) == []


def test_a_handshake_in_pieces_and_one_that_breaks_off() -> None:
    from scep_analyzer.tcp.connections import Reassembler

    path = next(each for each in CAPTURES if each.stem == "tls-handshake-alert")
    (whole,) = read(path)
    raw = path.read_bytes()
    start = raw.index(b"\x16\x03\x01")
    hello = raw[start : start + 5 + int.from_bytes(raw[start + 3 : start + 5], "big")]
    for size in (1, 7, len(hello)):
        segments = [segment(1, "C", "S", 0)]
        segments += [segment(2 + at, "C", "A", 1 + at, hello[at : at + size]) for at in range(0, len(hello), size)]
        (found,) = (each for each in Handshakes().over(Reassembler().over(segments)) if isinstance(each, Handshake))
        assert (found.name, found.client_random, found.ciphers) == (whole.name, whole.client_random, whole.ciphers)
        assert found.version is None
    cut = [segment(1, "C", "S", 0), segment(2, "C", "A", 1, hello[:40])]
    assert list(Handshakes().over(Reassembler().over(cut))) == []
