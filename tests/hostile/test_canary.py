"""A secret in every place of a message where one may be, and every output of every command: none holds it unless asked for."""

import base64
import json
import random
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from asn1crypto import core

from scep_analyzer import analyze
from scep_analyzer.analysis import Analysis
from scep_analyzer.report import Report
from scep_analyzer.tables import TABLES
from tests import talk
from tests.builders import pki
from tests.builders.scene import CLIENT_KEY, ENCRYPTER, ENCRYPTION_KEY, REQUESTER
from tests.conftest import Result
from tests.hostile.recipes import answer, capture, tlv

Program = Callable[..., Result]
CANARY = "S3cr3tCanary77"
HEX = "C0FFEE5EC2E7C0FFEE5EC2E7"
"""What NDES hands out looks so."""

CSR = pki.request(pki.name(CN="device"), pki.key("client"), CANARY)
OID = bytes.fromhex("06092a864886f70d010907")
DATA = bytes.fromhex("06092a864886f70d010701")


def _signed(content: bytes, *attributes: bytes) -> bytes:
    own = [
        pki.printable(pki.MESSAGE_TYPE, "19"),
        pki.printable(pki.TRANSACTION_ID, "T1"),
        pki.octets(pki.SENDER_NONCE, bytes(16)),
    ]
    return pki.signed_message(content, [*own, *attributes], REQUESTER, CLIENT_KEY, [REQUESTER])


def _attribute(value: bytes, tag: int = 0x30) -> bytes:
    return tlv(tag, OID + value)


def _refused(text: str) -> bytes:
    """A CertRep that says no and why, in failInfoText (RFC 8894, 3.2.1.5)."""
    own = [
        pki.printable(pki.MESSAGE_TYPE, "3"),
        pki.printable(pki.PKI_STATUS, "2"),
        pki.printable(pki.FAIL_INFO, "2"),
        pki.attribute("1.3.6.1.5.5.7.24.1", core.UTF8String(text)),
        pki.printable(pki.TRANSACTION_ID, "T1"),
        pki.octets(pki.SENDER_NONCE, bytes(16)),
        pki.octets(pki.RECIPIENT_NONCE, bytes(16)),
    ]
    return pki.signed_message(b"", own, REQUESTER, CLIENT_KEY, [REQUESTER])


WORD = tlv(0x0C, CANARY.encode())
IN_BASE64 = base64.encodebytes(CSR)
MESSAGES = {
    "csr as content": _signed(CSR),
    "csr alone": CSR,
    "csr in data": tlv(0x30, DATA + tlv(0xA0, tlv(0x04, CSR))),
    "csr in data without octets": tlv(0x30, DATA + tlv(0xA0, CSR)),
    "csr in a sequence": tlv(0x30, CSR),
    "two csrs": tlv(0x30, CSR + CSR),
    "csr behind a thousand elements": tlv(0x30, b"\x05\0" * 6000 + CSR),
    "csr deep inside": tlv(0x30, tlv(0x30, tlv(0x04, tlv(0x30, tlv(0xA3, tlv(0x04, CSR)))))),
    "csr in a bit string": tlv(0x30, tlv(0x03, b"\0" + CSR)),
    "csr cut": _signed(CSR)[: _signed(CSR).find(CANARY.encode()) + 40],
    "csr of indefinite length": b"\x30\x80" + CSR + b"\0\0",
    "value not in a set": tlv(0x30, _attribute(WORD)),
    "value in a sequence": tlv(0x30, _attribute(tlv(0x30, WORD))),
    "attribute is a set": tlv(0x30, _attribute(tlv(0x31, WORD), 0x31)),
    "attribute is tagged": tlv(0x30, _attribute(tlv(0x31, WORD), 0xA1)),
    "csr in base64 in a string": tlv(0x30, tlv(0x0C, IN_BASE64)),
    "csr in hex in a string": tlv(0x30, tlv(0x16, CSR.hex().encode())),
    "csr in another attribute": _signed(b"\x30\x00", tlv(0x30, bytes.fromhex("06042a030405") + tlv(0x31, CSR))),
    "csr in base64 in another attribute": _signed(
        b"\x30\x00", tlv(0x30, bytes.fromhex("06042a030405") + tlv(0x31, tlv(0x0C, IN_BASE64)))
    ),
    "challenge as signed attribute": _signed(b"\x30\x00", pki.printable("1.2.840.113549.1.9.7", CANARY)),
}

TARGETS = [
    f"/scep?operation=GetCACaps&challenge={CANARY}",
    f"/scep?operation=GetCACaps&ch%61llengePassword={CANARY}",
    f"/scep?operation=GetCACaps&ch%2561llenge={CANARY}",
    f"/scep;challenge={CANARY}?operation=GetCACaps",
    f"/scep?operation=GetCACaps&PIN={CANARY}&code={CANARY}&pass={CANARY}&otp={CANARY}&x-api-key={CANARY}",
    f"/scep?operation=GetCACaps&scepAuthToken={CANARY}",
    f"/scep?operation=GetCACaps&next=http%3A%2F%2Fu%3A{CANARY}%40h%2F",
    f"/scep?operation=GetCACaps&challenge=a;{CANARY}",
    f"/scep?operation=GetCACaps&message=%7B%22challenge%22%3A%22{CANARY}%22%7D",
    f"/scep?operation=GetCACaps&p%2561ssword={CANARY}",
    f"/scep?operation=GetCACaps&%50%49%4e={CANARY}",
    f"/scep?operation=GetCACaps&pass+word={CANARY}",
    f"/scep?operation=GetCACaps&user[password]={CANARY}",
    f"/scep?operation=GetCACaps&challenge[]={CANARY}",
    f"/scep/challenge={CANARY}/pkiclient.exe?operation=GetCACaps",
    f"/scep/password/{CANARY}/pkiclient.exe?operation=GetCACaps",
    f"/scep/OTP/{CANARY}?operation=GetCACaps",
    f"/scep/ch%61llenge/a/{CANARY}/pkiclient.exe?operation=GetCACaps",
    f"/scep%2Ftoken%2F{CANARY}/pkiclient.exe?operation=GetCACaps",
    f"/scep/secret-{CANARY}/pkiclient.exe?operation=GetCACaps",
    f"/scep//pin//{CANARY}/pkiclient.exe?operation=GetCACaps",
    f"http://h/api/token/{CANARY}/scep?operation=GetCACaps",
    f"/scep?operation=GetCACaps&next=http%3A%2F%2Fh%2Fpassword%2F{CANARY}%2Fscep",
    f"/scep?operation=GetCACert&message=challenge:{CANARY}",
    f"/scep?challenge={CANARY}&operation=PKIOperation&message=AAAA",
    f"http://user:{CANARY}@h/scep?operation=GetCACaps",
    f"http://user:p@{CANARY}@h/scep?operation=GetCACaps",
    f"http://user:p/{CANARY}@h/scep?operation=GetCACaps",
    f"/scep?operation=PKIOperation&message={base64.urlsafe_b64encode(CSR).decode()}",
]
FIELDS = [
    f"Cookie2: {CANARY}",
    f"X-Forwarded-Authorization: {CANARY}",
    f"Referer: http://h/p#access_token={CANARY}",
    f"Link: <http://u:{CANARY}@h/>",
    f"User-Agent: curl/8 (password={CANARY})",
    f"X-Url: //u:{CANARY}@h/scep",
    f"Authorization: Basic AAAA\r\n {CANARY}",
    f"X-Note: a\r\n\tchallenge={CANARY}",
    f"Authorization: Basic {CANARY}",
    f"Proxy-Authorization: Bearer {CANARY}",
    f"Cookie: id={CANARY}",
    f"Referer: http://h/?challenge={CANARY}",
    f"X-API-Key: {CANARY}",
    f"X-Auth-Token: {CANARY}",
    f"X-SCEP-Challenge-Password: {CANARY}",
    f"Host: user:{CANARY}@h",
    f"Referer: http://h/password/{CANARY}/scep",
    f"X-Original-URL: /otp/{CANARY}/pkiclient.exe",
]
ANSWERS = {
    "reason": answer(b"", "text/plain", f"403 wrong challenge password {CANARY}"),
    "reason of a URL": answer(b"", "text/plain", f"302 see http://u:{CANARY}@h/?token={CANARY}"),
    "json": answer(json.dumps({"error": "no", "challenge": CANARY}).encode(), "application/json", "400 No"),
    "json of tokens": answer(json.dumps({"access_token": CANARY, "pin": CANARY}).encode(), "application/json", "400 No"),
    "form": answer(f"error=1&otp={CANARY}&pin={CANARY}".encode(), "application/x-www-form-urlencoded", "400 No"),
    "xml": answer(f"<r><apiKey>{CANARY}</apiKey></r>".encode(), "text/xml", "500 No"),
    "entities": answer(f"<p>pass&#119;ord: {CANARY}</p>".encode(), "text/html", "500 No"),
    "tags inside": answer(f"<p>pass<b>word</b>: {CANARY}</p>".encode(), "text/html", "500 No"),
    "utf-16 without mark": answer(f"<html>Password: {CANARY}</html>".encode("utf-16-be"), "text/html", "500 No"),
    "location fragment": answer(b"", status="302 Found", more=f"Location: /scep#id_token={CANARY}\r\n"),
    "refresh": answer(b"", status="200 OK", more=f"Refresh: 0; url=http://u:{CANARY}@h/\r\n"),
    "failInfoText": answer(_refused(f"challenge password {CANARY} is wrong"), talk.PKI_MESSAGE),
    "failInfoText quoted": answer(_refused(f"invalid challenge '{CANARY}'"), talk.PKI_MESSAGE),
    "failInfoText of a URL": answer(_refused(f"see http://u:{CANARY}@h/?token={CANARY}"), talk.PKI_MESSAGE),
    "redirect": answer(b"", status="302 Found", more=f"Location: http://u:{CANARY}@h/x?operation=GetCACaps&challenge={CANARY}\r\n"),
    "cookie": answer(b"AES\n", "text/plain", more=f"Set-Cookie: session={CANARY}\r\nAuthentication-Info: nextnonce={CANARY}\r\n"),
    "ntlm": answer(b"", status="401 No", more=f"WWW-Authenticate: NTLM {CANARY}{CANARY}AAAA==\r\n"),
    "wrong challenge": answer(f'invalid challenge "{CANARY}"'.encode(), "text/plain", "403 No"),
    "german": answer(f"<html>Das Kennwort lautet: <b>{CANARY}</b></html>".encode(), "text/html", "500 No"),
    "utf-16": answer(f"<html>Le mot de passe : {CANARY}</html>".encode("utf-16"), "text/html", "500 No"),
    "url": answer(f"see http://u:{CANARY}@h/?token={CANARY}".encode(), "text/plain", "500 No"),
    "location of a path": answer(b"", status="302 Found", more=f"Location: http://h/scep/challenge/{CANARY}/pkiclient.exe\r\n"),
    "url of a path": answer(f"no such page: /scep/otp/{CANARY}/pkiclient.exe".encode(), "text/plain", "404 No"),
    "digits alone": answer(f"<html>{HEX}</html>".encode(), "text/html", "500 No"),
}  # fmt: skip


def _asked(target: str, *fields: str, body: bytes = b"") -> bytes:
    head = [f"{'POST' if body else 'GET'} {target} HTTP/1.1", *fields, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(head).encode() + body


FORMS = ("json", "jsonl", "text")
COMMANDS = [
    ("answer", "{}", "--all"),
    *(("timeline", "{}", "-f", form) for form in (*FORMS, "markdown", "mermaid")),
    ("timeline", "{}", "--verbose"),
    ("timeline", "{}", "--ladder"),
    *(("diagnose", "{}", "-f", form) for form in ("text", "json", "jsonl", "csv", "markdown")),
    *(("diagnose", "{}", "--ticket", "-f", form) for form in ("text", "markdown")),
    *(("list", "{}", "-f", form) for form in ("text", "csv", "json", "jsonl", "markdown")),
    ("report", "{}", "-o", "-", "--all"),
    ("show", "{}"),
    ("show", "{}", "-f", "json"),
    ("show", "{}", "1"),
    ("show", "{}", "1", "--bytes"),
    ("show", "{}", "1", "-f", "json"),
]
CAPTURES = {
    **{f"message: {name}": capture((_asked(talk.POST, body=der), answer(der))) for name, der in MESSAGES.items()},
    **{f"target: {each}": capture((_asked(each), answer(b"AES\n", "text/plain"))) for each in TARGETS},
    "fields": capture((_asked("/scep?operation=GetCACaps", *FIELDS), answer(b"AES\n", "text/plain"))),
    **{f"answer: {name}": capture((_asked("/scep?operation=GetCACert"), content)) for name, content in ANSWERS.items()},
}


def _holds(output: bytes | str) -> bool:
    """Whether an output has the secret, also in the forms in which outputs write bytes."""
    data = output.encode("utf-8", "replace") if isinstance(output, str) else output
    plain = data.replace(b" ", b"").replace(b"\n", b"").lower()
    forms = [CANARY.encode(), CANARY.encode().hex().encode(), HEX.encode(), CANARY.encode("utf-16-le")]
    # A long part of it is enough; in base64 it may begin at any of three places.
    forms += [base64.b64encode(bytes(shift) + CANARY.encode())[4:16] for shift in range(3)]
    return any(form.lower()[:16] in plain for form in forms)


def _comments(data: bytes) -> bytes:
    """The comments (option 1) of the packet blocks of a little-endian pcapng file (draft-ietf-opsawg-pcapng, 3.5, 4.3)."""
    found, at = [], 0
    while at < len(data):
        kind, size = struct.unpack_from("<II", data, at)
        if kind == 6:
            option = at + 28 + (struct.unpack_from("<I", data, at + 20)[0] + 3 & ~3)
            while option < at + size - 4:
                code, length = struct.unpack_from("<HH", data, option)
                found += [data[option + 4 : option + 4 + length]] if code == 1 else []
                option += 4 + (length + 3 & ~3)
        at += size
    return b"\n".join(found)


@pytest.fixture
def read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands share one report of the capture, where they read it in the same way: what is tried is what they write of it."""
    reports: dict[tuple[str, ...], Report] = {}
    read = Analysis.report

    def report(analysis: Analysis) -> Report:
        if analysis._keep is not None:
            return read(analysis)
        paths = tuple(analysis._paths)
        if paths not in reports:
            reports[paths] = read(analysis)
        return reports[paths]

    monkeypatch.setattr(Analysis, "report", report)


@pytest.mark.usefixtures("read_once")
@pytest.mark.parametrize("name", CAPTURES)
def test_no_output_of_a_capture_holds_it(name: str, scep_analyzer: Program, tmp_path: Path) -> None:
    path = tmp_path / "canary.pcap"
    path.write_bytes(CAPTURES[name])
    for command in COMMANDS:
        result = scep_analyzer(*(each.format(path) for each in command), "--engine", "builtin")
        assert not _holds(result.out + result.err), command
    for words, name in ((("annotate", path), "a.pcapng"), (("wireshark", "overlay", path), "o.lua")):
        made = tmp_path / name
        result = scep_analyzer(*words, "-o", made, "--all", "--engine", "builtin")
        assert not _holds(result.out + result.err)
        # An annotated capture holds what the capture does; what is added are the comments.
        assert not _holds(made.read_bytes() if name == "o.lua" else _comments(made.read_bytes())), words
    out = tmp_path / "out"
    result = scep_analyzer("extract", path, "-o", out, "--engine", "builtin")
    assert not _holds(result.out + result.err)
    for each in out.iterdir():
        assert not _holds(each.read_bytes()), each.name
        assert not _holds(each.name)


@pytest.mark.parametrize("name", CAPTURES)
def test_no_output_of_python_holds_it(name: str) -> None:
    """The tables of a report are what a notebook shows and a data frame keeps."""
    report = analyze(CAPTURES[name])
    for table in TABLES:
        assert not _holds(repr(report.rows(table))), table
    assert not _holds(report._repr_html_())
    assert not _holds(report.to_json())


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("form", ["der", "pem", "base64", "hex"])
def test_no_output_of_decode_holds_it(name: str, form: str, scep_analyzer: Program, tmp_path: Path) -> None:
    path, der = tmp_path / "canary", MESSAGES[name]
    path.write_bytes(
        {
            "der": der,
            "pem": b"-----BEGIN CMS-----\n" + base64.encodebytes(der) + b"-----END CMS-----\n",
            "base64": base64.encodebytes(der),
            "hex": der.hex().encode(),
        }[form]
    )
    for more in ((), ("--bytes",), ("-f", "json")):
        result = scep_analyzer("decode", path, *more)
        assert not _holds(result.out + result.err), more


def test_the_canary_can_sing(scep_analyzer: Program, tmp_path: Path) -> None:
    """With --show-secrets it is there: the test above could fail."""
    path = tmp_path / "canary.der"
    path.write_bytes(CSR)
    assert _holds(scep_analyzer("decode", path, "--bytes", "--show-secrets").out)
    capture_ = tmp_path / "canary.pcap"
    capture_.write_bytes(CAPTURES["target: " + TARGETS[0]])
    assert _holds(json.dumps(scep_analyzer(capture_, "-f", "json", "--show-secrets").json))
    out = tmp_path / "out"
    capture_.write_bytes(CAPTURES["message: csr as content"])
    scep_analyzer("extract", capture_, "-o", out, "--show-secrets")
    assert any(_holds(each.read_bytes()) for each in out.iterdir())


def test_an_opened_request_is_extracted_without_it(scep_analyzer: Program, tmp_path: Path) -> None:
    """The key opens the envelope; the password in it stays hidden all the same."""
    from cryptography.hazmat.primitives import serialization

    key = tmp_path / "ra.pem"
    key.write_bytes(
        ENCRYPTION_KEY.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    sealed = _signed(pki.envelope(CSR, ENCRYPTER, "aes-128-cbc", random.Random(1)))
    path, out = tmp_path / "canary.pcap", tmp_path / "out"
    path.write_bytes(capture((_asked(talk.POST, body=sealed), answer(b""))))
    assert scep_analyzer("extract", path, "-o", out, "--key", key).code == 0
    assert list(out.glob("*.csr"))
    assert not any(_holds(each.read_bytes()) for each in out.iterdir())
    for command in COMMANDS:  # with --engine builtin: a key makes tshark look for TLS, of which there is none
        words = [each.format(path) for each in command]
        assert not _holds(scep_analyzer(*words, "--key", key, "--engine", "builtin").out)
