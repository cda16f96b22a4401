"""The plugin in real Wiresharks, held against the builtin engine: 4.0 of Debian with Lua 5.2, and 4.4 with Lua 5.4."""

import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

from scep_analyzer.analysis import Analysis
from scep_analyzer.model.tls import NO_SECRETS, Secrets
from scep_analyzer.story.filters import by_frames, by_transaction_id
from tests.builders import wire
from tests.conftest import DEPTH, ROOT, TLS_CAPTURES
from tests.files import pcap_header, pcap_record
from tests.hostile.recipes import RECIPES
from tests.wireshark.fuzzed import fuzzed
from tests.wireshark.harness import Dissected, dissected, filtered, in_wiregasm, newly_malformed, tshark, wiregasm
from tests.wireshark.merged import Merged, is_mergeable, merged
from tests.wireshark.truth import EVERY, FIELDS, SCRIPT, Shown, messages

pytestmark = pytest.mark.skipif(shutil.which("tshark") is None, reason="needs Wireshark: apt-get install tshark")

REFUSED = ROOT / "captures/scenarios/ndes-refused-template.pcap"
FIELD = sorted((ROOT / "captures/field").glob("*.pcap"))
FUZZED = 150


@cache
def truth(path: Path, secrets: Secrets = NO_SECRETS, engine: str = "builtin") -> set[Shown]:
    """What our own engine reads; a message of which nothing is left shows nothing in Wireshark either."""
    return {each[0] for each in messages(path, secrets, engine) if each[0][1:] != ("",) * 6}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT / "captures"))


def _as_one(paths: Iterable[Path], made: Path) -> Merged:
    """Captures as one file, but for those of another form."""
    captures = [(name_of(each), each.read_bytes()) for each in paths]
    return merged([each for each in captures if is_mergeable(each[1])], made)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Merged:
    """The corpus and the captures of the field as one file."""
    return _as_one((*EVERY, *FIELD), tmp_path_factory.mktemp("corpus") / "corpus.pcap")


def shown_by_itself(corpus: Merged) -> list[Path]:
    """Captures that the merged one does not hold. Wireshark does not read the broken Wi-Fi headers of pktmon, which our engine reads."""
    there = {*corpus.names, *(name_of(each) for each in EVERY if each.stem == "capture-wifi-header-broken")}
    return [each for each in (*EVERY, *FIELD) if name_of(each) not in there]


def test_most_of_the_corpus_is_one_file(corpus: Merged) -> None:
    assert len(corpus.names) > 0.95 * len((*EVERY, *FIELD))


@pytest.mark.long
def test_wireshark_40_shows_what_the_engine_reads(corpus: Merged) -> None:
    every = dissected(corpus.path)
    assert every.lua_errors == []
    assert newly_malformed(every, corpus.path) == set()
    _compare(every.apart(corpus))
    for path in shown_by_itself(corpus):
        shown = dissected(path)
        assert (shown.messages, shown.lua_errors) == (truth(path), []), path.name
        assert newly_malformed(shown, path) == set(), path.name


@pytest.mark.long
def test_wireshark_44_shows_what_the_engine_reads(corpus: Merged, tmp_path: Path) -> None:
    """The near misses, whose messages are those of the faults beside them, are read by 4.0 above, and by 4.4 in `make properties`."""
    apart = shown_by_itself(corpus)
    chosen = [each for each in (*EVERY, *FIELD) if DEPTH > 1 or ".near-miss" not in each.name]
    source = _as_one(chosen, tmp_path / "chosen.pcap")
    every, *others = in_wiregasm(wiregasm(ROOT / "build/wiregasm"), [source.path, *apart])
    assert (every[1].lua_errors, every[1].malformed) == ([], set())
    _compare(every[1].apart(source))
    assert [path for path, _ in others] == apart
    for path, shown in others:
        assert (shown.messages, shown.lua_errors, shown.malformed) == (truth(path), [], set()), path.name


def _compare(shown: dict[str, Dissected]) -> None:
    """Hold every capture against the engine; and the grammar in front of CMS refuses no message of a real program."""
    for name, told in shown.items():
        assert told.messages == truth(ROOT / "captures" / name), name
        if name.startswith(("implementations/", "scenarios/")):
            assert [
                each for each in told.frames if each.damaged or (each.message.message_type and not each.cms)
            ] == [], name


def secrets_of(path: Path) -> tuple[Secrets, tuple[str, ...]]:
    """What undoes a capture's TLS, for our engine and for tshark."""
    keylog, key = path.with_suffix(".keylog"), path.with_suffix(".key")
    if keylog.exists():
        return Secrets(str(keylog)), ("-o", f"tls.keylog_file:{keylog}")
    if key.exists():
        return Secrets(rsa_keys=(str(key),)), ("-o", f'uat:rsa_keys:"{key}",""')
    return NO_SECRETS, ()  # in the capture itself


TLS = [each for each in TLS_CAPTURES if tomllib.loads(each.with_suffix(".toml").read_text()).get("transactions")]


@pytest.mark.parametrize("path", TLS, ids=lambda each: each.stem)
def test_inside_of_tls_it_shows_what_the_engine_reads(path: Path) -> None:
    """TLS 1.2 and 1.3, with a key log, the server's key, or secrets in the capture."""
    secrets, options = secrets_of(path)
    shown, expected = dissected(path, *options), truth(path, secrets, "auto")
    assert expected
    if path.stem.startswith("http2"):
        # Wireshark dissects at the frame with END_STREAM, which nginx sends empty behind the message.
        assert len(shown.messages) == len(expected)
        assert {each[1:] for each in shown.messages} == {each[1:] for each in expected}
    else:
        assert shown.messages == expected
    assert shown.lua_errors == []
    assert newly_malformed(shown, path, *options) == set()


def test_all_of_http2_is_shown() -> None:
    """Certificate, capabilities, enrollment; frames and bytes are those that tshark's HTTP/2 shows by itself."""
    path = ROOT / "captures/tls/http2-strongswan.pcap"
    fields = ("-T", "fields", "-e", "frame.number", "-e", "_ws.col.Info")
    lines = tshark(path, *secrets_of(path)[1], "-Y", "scep", *fields).splitlines()
    words = ("-Y", "http2.headers.status && frame.number == 42", "-T", "fields", "-e", "http2.data.data")
    capabilities = bytes.fromhex(tshark(path, *secrets_of(path)[1], *words, plugin=False)).decode().split()
    assert "POSTPKIOperation" in capabilities
    assert [line.split("\t") for line in lines] == [
        ["17", "GetCACert"],
        ["20", "GetCACert response: 1 certificate"],
        ["33", "GetCACaps"],
        ["42", f"GetCACaps response: {', '.join(capabilities)}"],
        ["61", "PKIOperation"],
        ["63", "PKIOperation PKCSReq"],
        ["68", "CertRep SUCCESS"],
    ]


def test_damage_raises_nothing_and_marks_nothing(tmp_path: Path) -> None:
    sources = [each for each in EVERY if is_mergeable(each.read_bytes())]
    chosen = [(sources[seed * len(sources) // FUZZED], seed) for seed in range(FUZZED)]
    every = merged([(f"{path.name} {seed}", fuzzed(path, seed)) for path, seed in chosen], tmp_path / "fuzzed.pcap")
    _harmless(every)


def test_hostile_captures_raise_nothing_and_mark_nothing(tmp_path: Path) -> None:
    captures = [(name, recipe(size)) for name, (recipe, size) in RECIPES.items()]
    _harmless(merged([each for each in captures if is_mergeable(each[1])], tmp_path / "hostile.pcap"))
    for name, data in captures:
        if not is_mergeable(data):
            (tmp_path / name).write_bytes(data)
            _harmless(Merged(tmp_path / name, [name], [0]))


def _harmless(every: Merged) -> None:
    shown = dissected(every.path)
    assert [(*every.place(frame), text) for frame, text in shown.lua_errors] == []
    assert [every.place(frame) for frame in newly_malformed(shown, every.path)] == []


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


def test_the_recipient_of_the_envelope_can_be_filtered() -> None:
    assert filtered(REFUSED, "scep.message_type == 19 && cms.serialNumber == 61:00:00:00:06:a8") == [17]


def test_filters_work_with_the_plugin_and_without_it() -> None:
    for plugin in (True, False):
        assert filtered(REFUSED, by_frames([17, 19, 20, 21, 19]), plugin=plugin) == [17, 19, 20, 21]
    assert filtered(REFUSED, by_transaction_id("5C1E83D6A07B4F2990D1E8A6B35C7F42")) == [17, 19]
    assert filtered(REFUSED, by_transaction_id('a"b\\c\nd é')) == []  # valid, whatever the wire says
    assert filtered(REFUSED, by_transaction_id("5C1E"), plugin=False) is None


def test_mail_and_cmp_are_dissected_as_before(tmp_path: Path) -> None:
    """S/MIME, signed (its CMS holds a mail under id-data) and encrypted, and a request of CMP, as openssl makes them."""
    mail = tmp_path / "text"
    mail.write_bytes(b"From: a@example\r\nSubject: hello\r\n\r\nText\r\n")
    key, certificate, asked = (str(tmp_path / name) for name in ("key.pem", "cert.pem", "request.der"))
    openssl("req -x509 -newkey rsa:2048 -nodes -subj /CN=a", "-keyout", key, "-out", certificate)
    signed = openssl("cms -sign -binary -nodetach -outform DER", "-in", mail, "-signer", certificate, "-inkey", key)
    sealed = openssl("cms -encrypt -binary -outform DER -aes256", "-in", mail, certificate)
    # There is no server: the request is written, then openssl gives up.
    words = ("cmp", "-cmd", "ir", "-server", "127.0.0.1:9", "-ref", "12", "-secret", "pass:secret", "-subject", "/CN=x")
    files = ("-newkey", key, "-reqout", asked, "-certout", tmp_path / "out.pem")
    subprocess.run(["openssl", *words, *files], check=False, capture_output=True)
    request = Path(asked).read_bytes()
    bodies = (signed, b"application/pkcs7-mime"), (sealed, b"application/pkcs7-mime"), (request, b"application/pkixcmp")
    every = merged([(str(at), _http(b"/", kind, body)) for at, (body, kind) in enumerate(bodies)], tmp_path / "a.pcap")
    plain = tshark(every.path, "-V", plugin=False)
    for frame, shows in zip(
        plain.split("\nFrame "), ("Internet Message Format", "recipientInfos: 1 item", "body: ir (0)"), strict=True
    ):
        assert shows in frame
    assert tshark(every.path, "-V") == plain


def openssl(words: str, *more: object) -> bytes:
    return subprocess.run(["openssl", *words.split(), *map(str, more)], check=True, capture_output=True).stdout


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
    report = Analysis([str(REFUSED)], "builtin", keep=lambda each: lambda: each).report()
    kept = report.exchanges[-1].raw_request
    assert kept is not None
    return kept()


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
