"""The plugin in real Wiresharks, held against the builtin engine: 4.0 of Debian with Lua 5.2, and 4.4 with Lua 5.4."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scep_analyzer.analysis import Analysis
from scep_analyzer.story.filters import by_frames, by_transaction_id
from tests.builders import wire
from tests.conftest import ROOT
from tests.files import pcap_header, pcap_record
from tests.wireshark.fuzzed import fuzzed
from tests.wireshark.harness import Sharkd, in_wiregasm, wiregasm
from tests.wireshark.truth import EVERY, FIELDS, SCRIPT, Shown, messages

pytestmark = pytest.mark.skipif(shutil.which("sharkd") is None, reason="needs Wireshark: apt-get install tshark")

REFUSED = ROOT / "captures/scenarios/ndes-refused-template.pcap"
TRUTH: dict[Path, set[Shown]] = {}
FUZZED = 150


def truth(path: Path) -> set[Shown]:
    """What the builtin engine reads; a message of which nothing is left shows nothing in Wireshark either."""
    if path not in TRUTH:
        TRUTH[path] = {each[0] for each in messages(path) if each[0][1:] != ("",) * 6}
    return TRUTH[path]


@pytest.fixture(scope="module")
def with_plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sharkd]:
    wireshark = Sharkd(tmp_path_factory.mktemp("plugin"), plugin=True)
    yield wireshark
    wireshark.close()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sharkd]:
    wireshark = Sharkd(tmp_path_factory.mktemp("plain"), plugin=False)
    yield wireshark
    wireshark.close()


@pytest.mark.parametrize("folder", sorted({each.parent for each in EVERY}), ids=lambda each: each.name)
def test_wireshark_40_shows_what_the_engine_reads(folder: Path, with_plugin: Sharkd, plain: Sharkd) -> None:
    for path in (each for each in EVERY if each.parent == folder):
        shown = with_plugin.dissect(path)
        assert shown.messages == truth(path), path.name
        assert shown.lua_errors == [], path.name
        if shown.malformed:
            assert shown.malformed <= plain.dissect(path).malformed, path.name


def test_wireshark_44_shows_what_the_engine_reads() -> None:
    count = 0
    for path, shown in in_wiregasm(wiregasm(ROOT / "build/wiregasm"), EVERY):
        count += 1
        assert shown.messages == truth(path), path.name
        assert (shown.lua_errors, shown.malformed) == ([], set()), path.name
    assert count == len(EVERY)


def test_healthy_messages_are_given_to_cms(with_plugin: Sharkd) -> None:
    """The grammar in front of CMS refuses none of the real programs' messages."""
    for path in sorted((ROOT / "captures").glob("[is]*/*.pcap")):
        with_plugin.dissect(path)
        assert with_plugin.frames("scep.damaged") == [], path.name
        assert with_plugin.frames("scep.message_type && !cms.contentType") == [], path.name


def test_damage_raises_nothing_and_marks_nothing(tmp_path: Path, with_plugin: Sharkd, plain: Sharkd) -> None:
    captures = [each for each in EVERY if each.suffix == ".pcap" and each.parent.name != "tls"]
    for seed in range(FUZZED):
        source = captures[seed * len(captures) // FUZZED]
        path = tmp_path / "fuzzed.pcap"
        path.write_bytes(fuzzed(source, seed))
        shown = with_plugin.dissect(path)
        assert shown.lua_errors == [], (source.name, seed)
        if shown.malformed:
            assert shown.malformed <= plain.dissect(path).malformed, (source.name, seed)


def tshark(path: Path, *arguments: str) -> str:
    command = ["tshark", "-n", "-r", str(path), "-X", f"lua_script:{SCRIPT}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_tshark_loads_it_with_an_option() -> None:
    fields = [word for each in FIELDS for word in ("-e", each)]
    out = tshark(REFUSED, "-Y", "scep.message_type", "-T", "fields", "-E", "separator=|", *fields)
    rows = {Shown(int(row[0]), *row[1:]) for row in (line.split("|") for line in out.splitlines())}
    assert rows == truth(REFUSED)
    assert len(rows) == 2


def test_the_flow_graph_is_a_ladder_of_scep() -> None:
    out = tshark(REFUSED, "-q", "-z", "flow,any,standard,scep")
    ladder = [text.split("SCEP:")[1].strip() for text in out.splitlines() if "SCEP:" in text]
    assert ladder == [
        'GetCACert "SCEPLab"',
        "GetCACert response: 3 certificates",
        "PKIOperation PKCSReq",
        "CertRep FAILURE badRequest 0x80094800 CERTSRV_E_UNSUPPORTED_CERT_TYPE",
    ]


def test_requests_and_responses_lead_to_each_other() -> None:
    out = tshark(
        REFUSED,
        "-2",
        "-Y",
        "scep",
        "-T",
        "fields",
        "-e",
        "frame.number",
        "-e",
        "scep.response_in",
        "-e",
        "scep.request_in",
    )
    linked = [line.split("\t") for line in out.splitlines() if line.strip("0123456789")]
    assert [row for row in linked if row[1] or row[2]] == [
        ["4", "7", ""],
        ["7", "", "4"],
        ["17", "19", ""],
        ["19", "", "17"],
    ]


def test_the_hresult_has_a_name_and_a_sentence() -> None:
    fields = ("-T", "fields", "-e", "scep.hresult.name", "-e", "scep.hresult.meaning")
    out = tshark(REFUSED, "-Y", "scep.hresult == 0x80094800", *fields)
    name, meaning = out.strip().split("\t")
    assert name == "CERTSRV_E_UNSUPPORTED_CERT_TYPE"
    assert "template" in meaning


def test_the_recipient_of_the_envelope_can_be_filtered(with_plugin: Sharkd) -> None:
    with_plugin.dissect(REFUSED)
    assert with_plugin.frames("scep.message_type == 19 && cms.serialNumber == 61:00:00:00:06:a8") == [17]


def test_filters_work_with_the_plugin_and_without_it(with_plugin: Sharkd, plain: Sharkd) -> None:
    for wireshark in (with_plugin, plain):
        wireshark.dissect(REFUSED)
        assert wireshark.frames(by_frames([17, 19, 20, 21, 19])) == [17, 19, 20, 21]
    assert with_plugin.frames(by_transaction_id("5C1E83D6A07B4F2990D1E8A6B35C7F42")) == [17, 19]
    assert with_plugin.frames(by_transaction_id('a"b\\c\nd é')) == []  # valid, whatever the wire says
    assert plain.frames(by_transaction_id("5C1E")) is None


def test_mail_and_cmp_are_dissected_as_before(tmp_path: Path) -> None:
    """An S/MIME mail (its CMS holds a mail under id-data) and CMP, with and without the plugin."""
    mail, cmp_ = tmp_path / "mail.pcap", tmp_path / "cmp.pcap"
    signed = _signed_mail(tmp_path)
    mail.write_bytes(_http(b"/", b"application/pkcs7-mime", signed))
    cmp_.write_bytes(_http(b"/", b"application/pkixcmp", bytes.fromhex("3003020102")))
    for path in (mail, cmp_):
        plain = subprocess.run(["tshark", "-n", "-V", "-r", str(path)], capture_output=True, text=True, check=True)
        assert tshark(path, "-V") == plain.stdout
    assert "Internet Message Format" in tshark(mail, "-V")


def _signed_mail(folder: Path) -> bytes:
    (folder / "text").write_bytes(b"From: a@example\r\nSubject: hello\r\n\r\nText\r\n")
    key, certificate = folder / "key.pem", folder / "cert.pem"
    make = f"openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=a -keyout {key} -out {certificate}"
    sign = f"openssl cms -sign -binary -nodetach -outform DER -in {folder / 'text'} -signer {certificate} -inkey {key}"
    subprocess.run(make.split(), check=True, capture_output=True)
    return subprocess.run(sign.split(), check=True, capture_output=True).stdout


def _http(target: bytes, kind: bytes, body: bytes, port: int = 80) -> bytes:
    """A capture of one POST in one segment."""
    head = (
        b"POST "
        + target
        + b" HTTP/1.1\r\nHost: a\r\nContent-Type: "
        + kind
        + b"\r\nContent-Length: %d\r\n\r\n" % len(body)
    )
    segment = wire.tcp(40000, port, 1, 1, 0x18, head + body)
    return pcap_header() + pcap_record(wire.ethernet(wire.ip("10.0.0.1", "10.0.0.2", 6, segment)))


def _message() -> bytes:
    report = Analysis([str(REFUSED)], "builtin", keep=True).report()
    raw = report.exchanges[-1].raw_request
    assert raw is not None
    return raw


def _types(path: Path, *options: str) -> str:
    return tshark(path, *options, "-T", "fields", "-e", "scep.message_type").strip()


def test_a_preference_adds_ports(tmp_path: Path) -> None:
    """Port 1433 is Microsoft SQL Server's: Wireshark asks its dissector first."""
    path = tmp_path / "port.pcap"
    path.write_bytes(_http(b"/?operation=PKIOperation", b"application/x-pki-message", _message(), 1433))
    assert _types(path, "-d", "tcp.port==1433,tds") == ""
    assert _types(path, "-o", "scep.ports:1430-1433") == "19"


def test_preferences_for_content_types(tmp_path: Path) -> None:
    path = tmp_path / "type.pcap"
    path.write_bytes(_http(b"/elsewhere", b"application/x-mine", _message()))
    assert _types(path) == "19"
    assert _types(path, "-o", "scep.any_type:FALSE") == ""
    assert _types(path, "-o", "scep.any_type:FALSE", "-o", "scep.media_types:text/x, application/X-Mine") == "19"


@pytest.mark.parametrize(
    ("name", "damage", "says"),
    [
        ("wrong tag", (b"\x31\x04\x13\x0219", b"\x31\x04\x0c\x0219"), "messageType is UTF8String"),
        ("not a number", (b"\x31\x04\x13\x0219", b"\x31\x04\x13\x02xy"), "which is not a number"),
        ("length past the end", (b"\x31\x04\x13\x0219", b"\x31\x04\x13\x7f19"), "not a whole CMS SignedData"),
        ("empty SET", (b"\x31\x04\x13\x0219", b"\x31\x00\x13\x0219"), "not a whole CMS SignedData"),
        ("two values", (b"\x31\x04\x13\x0219", b"\x31\x04\x13\x00\x13\x00"), "messageType has several values"),
    ],
)
def test_a_damaged_attribute_is_an_expert_item(
    name: str, damage: tuple[bytes, bytes], says: str, tmp_path: Path
) -> None:
    message = _message()
    assert message.count(damage[0]) == 1
    path = tmp_path / "damaged.pcap"
    path.write_bytes(_http(b"/?operation=PKIOperation", b"application/x-pki-message", message.replace(*damage)))
    out = tshark(path, "-T", "fields", "-e", "_ws.expert.message", "-e", "_ws.lua.error", "-e", "_ws.malformed")
    assert says in out, name
    assert "Lua" not in out
    assert "alformed" not in out


def test_pyshark_sees_the_fields() -> None:
    """The recipe of docs/how-to/wireshark.md, as a program of its own: pyshark starts an event loop."""
    pytest.importorskip("pyshark", reason="needs pyshark: pip install --group test")
    recipe = (ROOT / "docs/how-to/wireshark.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    code = recipe.replace("scep.lua", str(SCRIPT)).replace("my.pcap", str(REFUSED))
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "17 19 5C1E83D6A07B4F2990D1E8A6B35C7F42",
        "19 3 5C1E83D6A07B4F2990D1E8A6B35C7F42",
    ]
