"""`show`, `decode` and `extract`, with keys and without, on captures of the corpus."""

import base64
import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jsonschema
import pytest

from scep_analyzer.cli.extract import Item, names_of
from tests import talk
from tests.builders import pki
from tests.builders.scene import CA, ENCRYPTER, ISSUED, SIGNER
from tests.conftest import CAPTURES, ROOT, Result

Program = Callable[..., Result]
NDES = ROOT / "captures" / "scenarios" / "ndes-get-enrollment.pcap"
KEYS = ROOT / "captures" / "keys"
BOTH = ("--key", KEYS / "ra-encryption.pem", "--key", KEYS / "client.pem")
CHALLENGE = "8A6F2B1C4D5E7F90"
SCHEMA = json.loads((ROOT / "scep_analyzer" / "schema" / "report-1.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


@cache
def _part(kind: str) -> Any:
    """What validates one of the documents that the schema describes."""
    return jsonschema.Draft202012Validator({"$ref": f"#/$defs/{kind}", "$defs": SCHEMA["$defs"]})


def test_keys_open_what_they_fit(scep_analyzer: Program) -> None:
    exchange = scep_analyzer(NDES, "-f", "json", *BOTH).json["exchanges"][1]
    asked, answered = (exchange[side]["pki_message"]["envelope"] for side in ("request", "response"))
    assert (asked["opened"], asked["content"]["kind"]) == (True, "pkcs10")
    csr = asked["content"]["csr"]
    assert (csr["subject"], csr["signature_valid"]) == ("O=Example,CN=r1.example", True)
    assert csr["challenge_password"] == {"present": True, "length": 16, "string_type": "UTF8String", "value": None}
    (issued,) = answered["content"]["certificates"]
    assert (issued["serial_number"], issued["role"]) == ("61000000112f", "issued")


def test_every_json_output_validates(scep_analyzer: Program, tmp_path: Path) -> None:
    """Against its own part of the schema: the whole is an anyOf, which a wrong document might slip through."""

    def valid(kind: str, document: object) -> None:
        _part(kind).validate(document)
        VALIDATOR.validate(document if kind in ("report", "exchange") else [document])

    valid("report", scep_analyzer(NDES, "-f", "json", *BOTH).json)
    valid("exchange", scep_analyzer("show", NDES, 2, "-f", "json", *BOTH).json)
    scep_analyzer("extract", NDES, "-o", tmp_path, *BOTH)
    for entry in json.loads((tmp_path / "index.json").read_text(encoding="utf-8")):
        valid("extracted", entry)
    for path in [*tmp_path.glob("*.der"), *tmp_path.glob("*.pem"), *tmp_path.glob("*.csr"), *tmp_path.glob("*.p7b")]:
        for decoded in scep_analyzer("decode", path, "-f", "json", *BOTH).json:
            valid("decoded", decoded)
            assert decoded["problem"] is None


def test_a_capture_is_not_for_decode(scep_analyzer: Program) -> None:
    result = scep_analyzer("decode", NDES)
    assert result.code == 3
    assert "scep-analyzer timeline" in result.err


def test_the_transaction_knows_what_was_opened(scep_analyzer: Program) -> None:
    with_key = scep_analyzer(NDES, "-f", "json", "--key", KEYS / "client.pem").json["transactions"][0]
    assert with_key["issued_serial_number"] == "61000000112f"
    assert scep_analyzer(NDES, "-f", "json").json["transactions"][0]["issued_serial_number"] is None


@pytest.mark.parametrize(
    "command",
    [
        ["timeline", NDES],
        ["timeline", NDES, "-f", "json"],
        ["timeline", NDES, "-f", "jsonl"],
        ["show", NDES, 2],
        ["show", NDES, 2, "-f", "json"],
        ["show", NDES, 2, "--bytes"],
    ],
)
def test_secrets_are_shown_only_on_request(command: list[object], scep_analyzer: Program) -> None:
    given = (*command, *BOTH, "--engine", "builtin")  # a key makes tshark look for TLS, of which there is none
    assert CHALLENGE not in scep_analyzer(*given).out
    assert CHALLENGE in scep_analyzer(*given, "--show-secrets").out


def test_a_key_that_fits_nothing_says_whom_the_envelopes_are_for(scep_analyzer: Program) -> None:
    result = scep_analyzer(NDES, "-f", "json", "--key", KEYS / "ca.pem")
    (anomaly,) = [each for each in result.json["anomalies"] if each["code"] == "key-fits-nothing"]
    assert "ca.pem opens no envelope" in anomaly["detail"]
    assert "CN=Corp Issuing CA,DC=example serial 6100000006a8" in anomaly["detail"]
    envelope = result.json["exchanges"][1]["request"]["pki_message"]["envelope"]
    assert (envelope["opened"], envelope["content"]) == (False, None)
    assert "none of the keys given" in envelope["problem"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--key", "/nowhere.pem"], "/nowhere.pem: cannot be read"),
        (["--key", NDES], "not a private key"),
        (["--key", KEYS / "ca.pem", "--key-password-file", "/nowhere"], "/nowhere: cannot be read"),
    ],
)
def test_mistakes_with_keys_are_one_line(arguments: list[object], said: str, scep_analyzer: Program) -> None:
    result = scep_analyzer(NDES, *arguments)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert said in result.err


def test_an_encrypted_key_and_its_password(scep_analyzer: Program, tmp_path: Path) -> None:
    locked, password = tmp_path / "locked.pem", tmp_path / "password"
    subprocess.run(
        ["openssl", "pkcs8", "-topk8", "-in", KEYS / "client.pem", "-passout", "pass:opensesame", "-out", locked],
        check=True,
    )
    assert "--key-password-file" in scep_analyzer(NDES, "--key", locked).err
    password.write_text("opensesame\n")
    found = scep_analyzer(NDES, "-f", "json", "--key", locked, "--key-password-file", password).json
    assert found["exchanges"][1]["response"]["pki_message"]["envelope"]["opened"]


def _locked(name: str, password: str, folder: Path) -> Path:
    """A key that openssl has encrypted."""
    locked = folder / f"{name}.locked"
    command = [
        "openssl",
        "pkcs8",
        "-topk8",
        "-in",
        KEYS / f"{name}.pem",
        "-passout",
        f"pass:{password}",
        "-out",
        locked,
    ]
    subprocess.run(command, check=True)
    return locked


def _opened(document: dict[str, Any]) -> list[bool]:
    """Whether the envelopes of request and response were opened."""
    exchange = document["exchanges"][1]
    return [exchange[each]["pki_message"]["envelope"]["opened"] for each in ("request", "response")]


def test_several_keys_with_several_passwords(scep_analyzer: Program, tmp_path: Path) -> None:
    """In any order: each password is tried with each key."""
    one, two = _locked("client", "one", tmp_path), _locked("ra-encryption", "two", tmp_path)
    first, second = tmp_path / "1", tmp_path / "2"
    first.write_text("one\n")
    second.write_text("two\n")
    for passwords in ((first, second), (second, first)):
        options = [word for each in passwords for word in ("--key-password-file", each)]
        result = scep_analyzer(NDES, "-f", "json", "--key", one, "--key", two, *options)
        assert _opened(result.json) == [True, True]
        assert result.err == ""
    result = scep_analyzer(NDES, "-f", "json", "--key", one, "--key", two, "--key-password-file", second)
    assert _opened(result.json) == [True, False]
    assert f"{one}: the password does not open the key" in result.err


@pytest.mark.parametrize(
    "command", [["timeline", "-f", "json"], ["timeline", "-f", "jsonl", "--jobs", "2"], ["decode"]]
)
def test_a_key_that_cannot_be_read_is_named_and_stops_no_other(
    command: list[str], scep_analyzer: Program, tmp_path: Path
) -> None:
    path = NDES
    if command == ["decode"]:
        path = tmp_path / "message"
        path.write_bytes(talk.message(19))
    elif "--jobs" in command:
        (tmp_path / "c.pcap").write_bytes(NDES.read_bytes())
        command = [*command, str(tmp_path / "c.pcap")]
    result = scep_analyzer(*command, path, "--key", "/nowhere.pem", "--key", KEYS / "ra-encryption.pem")
    assert (result.code, result.err.count("\n")) == (0, 1), result.err
    assert "/nowhere.pem: cannot be read" in result.err
    assert "the other keys are used" in result.err
    assert '"opened": true' in result.out or command == ["decode"] or '"opened":true' in result.out


def test_no_key_that_can_be_read_is_a_mistake(scep_analyzer: Program) -> None:
    result = scep_analyzer(NDES, "--key", "/nowhere.pem", "--key", NDES)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert "/nowhere.pem: cannot be read" in result.err
    assert "and 1 more" in result.err


def test_a_terminal_is_asked_for_a_password_once(tmp_path: Path) -> None:
    """On a real terminal (a pty): the prompt is there, what is typed is not shown, and opens the key."""
    if sys.platform == "win32":
        pytest.skip("Windows has no pty")
    import pty

    locked = _locked("ra-encryption", "open sesame", tmp_path)
    out = tmp_path / "report.json"
    words = [sys.executable, "-m", "scep_analyzer", "timeline", NDES, "-f", "json", "-o", out, "--key", locked]
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        os.execv(sys.executable, list(map(str, words)))
    shown = b""
    while b"Password of" not in shown:
        shown += os.read(terminal, 1_000)
    os.write(terminal, b"open sesame\n")
    with contextlib.suppress(OSError):  # the terminal is gone with the process
        while piece := os.read(terminal, 1_000):
            shown += piece
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    os.close(terminal)
    assert shown.count(b"Password of") == 1
    assert b"sesame" not in shown
    assert _opened(json.loads(out.read_text()))[0]


def test_show_names_and_explains(scep_analyzer: Program) -> None:
    shown = " ".join(scep_analyzer("show", NDES, 2).out.split())
    for expected in (
        "messageType: 19 PKCSReq",
        "RFC 8894, 3.2.1.2",
        "senderNonce",
        "pkcsPKIEnvelope: not opened",
        "CertRep",
        "signature: valid",
    ):
        assert expected in shown
    roles = scep_analyzer("show", NDES, 1).out
    assert "RA encryption certificate" in roles
    assert "keyUsage (critical)" in roles


def test_show_bytes_gives_every_offset(scep_analyzer: Program) -> None:
    """Offsets and lengths as `openssl asn1parse` gives them."""
    import re

    shown = scep_analyzer("show", NDES, 2, "--bytes").out
    dumped = shown.split("Bytes of the response")[1]
    ours = {
        (int(at), int(header), int(length))
        for at, header, length in re.findall(r"^\s+(\d+) (\d+)\+(\d+) ", dumped, re.MULTILINE)
    }
    raw = bytes.fromhex(
        "".join(line[10:49].replace(" ", "") for line in dumped.splitlines() if re.match(r"[0-9a-f]{8}: ", line))
    )
    parsed = subprocess.run(
        ["openssl", "asn1parse", "-inform", "DER"], input=raw, capture_output=True, check=True
    ).stdout.decode()
    theirs = {
        (int(at), int(header), int(length))
        for at, header, length in re.findall(r"^\s*(\d+):d=\d+\s+hl=(\d+)\s+l=\s*(\d+)", parsed, re.MULTILINE)
    }
    assert len(theirs) > 40
    assert theirs <= ours  # we also look into the OCTET STRING of the eContent


@pytest.mark.parametrize("number", ["0", "3", "99"])
def test_an_exchange_that_is_not_there(number: str, scep_analyzer: Program) -> None:
    result = scep_analyzer("show", NDES, number)
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "from 1 to 2" in result.err


REFUSED = ROOT / "captures" / "scenarios" / "ndes-refused-template.pcap"


def test_the_list_has_a_line_for_each_exchange(scep_analyzer: Program) -> None:
    for capture in (
        NDES,
        REFUSED,
        ROOT / "captures" / "faults" / "transactions" / "transid-changed-while-pending.pcap",
    ):
        head, *rows = scep_analyzer("show", capture).out.splitlines()
        assert head.split() == ["#", "TIME", "CLIENT", "ASKED", "ANSWERED", "FRAMES"]
        exchanges = scep_analyzer(capture, "-f", "json").json["exchanges"]
        assert len(rows) == len(exchanges)
        for row, exchange in zip(rows, exchanges, strict=True):
            assert row.split()[0] == str(exchange["id"])
            assert row.split()[1] == exchange["request"]["time"][11:23]
            assert row.split()[2] == exchange["client"]["address"]
            assert row.split()[3] in (
                exchange["operation"],
                (exchange["request"]["pki_message"] or {}).get("message_type_name"),
            )
            assert row == row.rstrip()
            assert len(row) <= 80
    assert " FAILURE badRequest " in scep_analyzer("show", REFUSED).out


def test_the_list_in_utc_or_here(scep_analyzer: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert "17:15:00.000" in scep_analyzer("show", NDES, "--local").out
        assert "08:15:00.000" in scep_analyzer("show", NDES, "--utc").out
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.skipif(shutil.which("tshark") is None, reason="no tshark here")
def test_a_frame_leads_to_its_exchange(scep_analyzer: Program) -> None:
    """By tshark, which says which TCP stream a frame is in and whether it carries bytes; each exchange here has its own."""
    command = ["tshark", "-r", REFUSED, "-T", "fields", "-e", "frame.number", "-e", "tcp.stream", "-e", "tcp.len"]
    for row in subprocess.run(command, capture_output=True, check=True, text=True).stdout.splitlines():
        frame, stream, length = map(int, row.split("\t"))
        result = scep_analyzer("show", REFUSED, "--frame", frame)
        if length:
            assert f"tcp.stream {stream}\n" in result.out
        else:
            assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
            assert "the nearest is exchange" in result.err


def test_a_transaction_shows_all_its_exchanges(scep_analyzer: Program) -> None:
    capture = ROOT / "captures" / "faults" / "transactions" / "transid-changed-while-pending.pcap"
    for number, transaction in enumerate(scep_analyzer(capture, "-f", "json").json["transactions"], 1):
        shown = scep_analyzer("show", capture, f"#{number}", "-f", "json").json
        assert [each["id"] for each in shown] == transaction["exchanges"]
        VALIDATOR.validate(shown)
        assert scep_analyzer("show", capture, f"#{number}").out.count("\nRequest: ") == len(shown)
    everything = scep_analyzer("show", capture, "-f", "json").json
    VALIDATOR.validate(everything)
    for each in everything:
        _part("exchange").validate(each)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["#3"], "only #1"),
        (["#0"], "only #1"),
        (["#"], "'#3' for transaction 3"),
        (["two"], "give its number"),
        (["--frame", "0"], "frame.number"),
        (["--frame", "999"], "24 packets"),
        (["1", "--frame", "4"], "not allowed"),
    ],
)
def test_what_is_not_there_is_said_with_what_is(arguments: list[str], said: str, scep_analyzer: Program) -> None:
    result = scep_analyzer("show", NDES, *arguments)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert said in result.err


MESSAGE = talk.message(19)


def test_decode_from_a_file_with_a_key(scep_analyzer: Program, tmp_path: Path) -> None:
    path = tmp_path / "request.b64"
    request = pki.request(pki.name(CN="device"), pki.key("client"), "hidden")
    sealed = pki.envelope(request, ENCRYPTER, "aes-128-cbc", random.Random(1))
    path.write_bytes(base64.encodebytes(sealed))
    assert scep_analyzer("decode", path, "-f", "json").json[0]["kind"] == "envelope"
    (opened,) = scep_analyzer("decode", path, "-f", "json", "--key", KEYS / "ra-encryption.pem").json
    assert opened["content"]["csr"]["subject"] == "CN=device"
    assert "hidden" not in scep_analyzer("decode", path, "--key", KEYS / "ra-encryption.pem", "--bytes").out


def test_decode_a_url_given_as_the_argument(scep_analyzer: Program) -> None:
    url = "http://ca/scep?operation=PKIOperation&message=" + quote(base64.b64encode(MESSAGE), safe="")
    (found,) = scep_analyzer("decode", url, "-f", "json").json
    assert (found["kind"], found["form"], found["pki_message"]["message_type"]) == ("pkiMessage", "a URL", 19)
    assert "messageType: 19 PKCSReq" in scep_analyzer("decode", url).out


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (CA, "certificate"),
        (pki.degenerate([CA, SIGNER]), "certificate set"),
        (pki.request(pki.name(CN="x"), pki.key("client"), "hidden"), "PKCS #10 request"),
        (MESSAGE, "pkiMessage"),
        (b"\x30\x03\x02\x01\x05", "unknown"),
        (MESSAGE[:900], "pkiMessage, truncated"),
        (MESSAGE[:60], "unknown"),
    ],
)
def test_decode_tells_what_it_is(content: bytes, kind: str, scep_analyzer: Program, tmp_path: Path) -> None:
    path = tmp_path / "message.der"
    path.write_bytes(content)
    (found,) = scep_analyzer("decode", path, "-f", "json").json
    assert found["kind"] == kind
    text = scep_analyzer("decode", path, "--bytes")
    assert text.code == 0
    assert "hidden" not in text.out


def test_the_truncated_example_is_explained(scep_analyzer: Program) -> None:
    result = scep_analyzer("decode", "http://x/scep?operation=PKIOperation&message=MIITnyeD%0%3D%3D%0A")
    assert result.code == 0
    assert "truncated: 6 of 5,027 bytes" in result.out
    assert "[base64-damaged]" in result.out


@pytest.mark.parametrize("given", ["hello", "/nowhere/file", "a\0b", "x" * 5000])
def test_decode_of_nothing_is_one_line_and_exit_3(given: str, scep_analyzer: Program) -> None:
    result = scep_analyzer("decode", given)
    assert (result.code, result.out, result.err.count("\n")) == (3, "", 1)


HOSTILE = {
    "nested 1,000 deep": b"\x30\x80" * 1000 + b"\x00\x00" * 1000,
    "nested 100,000 deep": b"\x30\x80" * 100_000,
    "a length of 100 MB": b"\x30\x84\x06\x00\x00\x00" + b"\x04\x02ab" * 50,
    "a length of 2^64": b"\x30\x88" + b"\xff" * 8 + b"\x01\x01\xff",
    "a million elements": b"\x30\x83\x2d\xc6\xc0" + b"\x02\x01\x01" * 1_000_000,
    "octets in octets": b"\x24\x80" * 500 + b"\x00\x00" * 500,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_messages_are_bounded(name: str, scep_analyzer: Program, tmp_path: Path) -> None:
    path = tmp_path / "hostile.der"
    path.write_bytes(HOSTILE[name])
    for arguments in ([], ["-f", "json"], ["--bytes"]):
        result = scep_analyzer("decode", path, *arguments)
        assert result.code in (0, 3)
        assert "Traceback" not in result.err


def test_damaged_messages_are_survived(scep_analyzer: Program, tmp_path: Path) -> None:
    chance, path = random.Random(9), tmp_path / "damaged.der"
    for _ in range(150):
        damaged = bytearray(chance.choice([MESSAGE, CA, pki.degenerate([CA, ISSUED])]))
        for _ in range(chance.randrange(1, 6)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        path.write_bytes(bytes(damaged))
        assert scep_analyzer("decode", path, "--bytes").code in (0, 3)


def _openssl(path: Path) -> None:
    commands: dict[str, list[str]] = {
        ".pem": ["x509", "-noout", "-in"],
        ".cer": ["x509", "-inform", "DER", "-noout", "-in"],
        ".p7b": ["pkcs7", "-inform", "DER", "-noout", "-in"],
        ".der": ["cms", "-cmsout", "-inform", "DER", "-noout", "-in"],
        ".csr": ["req", "-inform", "DER", "-noout", "-in"],
    }
    subprocess.run(["openssl", *commands[path.suffix], str(path)], check=True, capture_output=True)


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed (apt-get install openssl)")
@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
def test_openssl_reads_every_extracted_file(capture: Path, scep_analyzer: Program, tmp_path: Path) -> None:
    out = tmp_path / "out"
    given = (*BOTH, "--show-secrets", "--engine", "builtin")
    assert scep_analyzer("extract", capture, "-o", out, *given).code == 0
    index: list[dict[str, Any]] = json.loads((out / "index.json").read_text(encoding="utf-8"))
    assert sorted([each["file"] for each in index] + ["index.json"]) == sorted(path.name for path in out.iterdir())
    for each in index:
        assert (out / each["file"]).stat().st_size == each["bytes"]
        _openssl(out / each["file"])


def test_extract_never_overwrites_without_force(scep_analyzer: Program, tmp_path: Path) -> None:
    assert scep_analyzer("extract", NDES, "-o", tmp_path).code == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    again = scep_analyzer("extract", NDES, "-o", tmp_path)
    assert (again.code, again.err.count("\n")) == (2, 1)
    assert "--force" in again.err
    assert scep_analyzer("extract", NDES, "-o", tmp_path, "--force").code == 0
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert "0019-certrep-success.der" in before
    assert not [name for name in before if b"PRIVATE KEY" in before[name]]


@pytest.mark.parametrize(
    "subject", ["../../etc/passwd", "CON", "a/b\\c:d*e?f", "\x1b[2J\n\0", "…" * 300, ".hidden", "", "x" * 500]
)
def test_file_names_are_safe_whatever_the_subject_holds(subject: str) -> None:
    item = Item(7, "certrep-issued", subject, "pem", lambda: b"", 1)
    names = names_of([item, item])
    assert len(set(names)) == 2
    for name in names:
        assert name.startswith("0007-certrep-issued")
        assert len(name) < 120
        assert Path(name).name == name
        assert all(character.isascii() and (character.isalnum() or character in "-._") for character in name)
