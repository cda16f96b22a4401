"""Every form a message is pasted in: written by real programs, cut at any byte, in the middle of a log; and what is no message.

Expected bytes come from tshark (`--export-objects`), from openssl or are those that were written into the form.
"""

import base64
import contextlib
import gc
import html
import json
import random
import re
import shutil
import subprocess
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scep_analyzer.model.anomalies import DecodeError
from scep_analyzer.pasted.pieces import Found
from scep_analyzer.pasted.readers import LIMIT, read_pasted
from tests import talk
from tests.builders.scene import CA
from tests.conftest import DEPTH, ROOT, Result

Program = Callable[..., Result]
POST = ROOT / "captures" / "implementations" / "scepclient-scepserver-post.pcap"
GET = ROOT / "captures" / "scenarios" / "ndes-get-enrollment.pcap"
REQUEST = talk.message(19)


def found_in(data: bytes) -> list[Found]:
    return read_pasted(data).found


def encoded_in(data: bytes) -> list[bytes]:
    return [each.encoded for each in found_in(data)]


def run(*command: str, given: bytes = b"") -> bytes:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    return subprocess.run(command, input=given, capture_output=True, check=True).stdout


# -- the same bytes in every form, whole and cut ------------------------------------------------------------------------


def _windows_dump(data: bytes, offset: str, gap: str) -> bytes:
    """Format-Hex and certutil by their documentation: 16 bytes a row, the text beside them."""
    rows = []
    for at in range(0, len(data), 16):
        row = data[at : at + 16]
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        rows.append(f"{at:{offset}}{gap}{' '.join(f'{byte:02X}' for byte in row):<47}  {shown}")
    return "\r\n".join(rows).encode()


WRITTEN: dict[str, Callable[[bytes], bytes]] = {
    "hex": lambda data: data.hex().encode(),
    "hex in lines": lambda data: "\n".join(textwrap.wrap(data.hex(), 64)).encode(),
    "hex in words": lambda data: "\n".join(textwrap.wrap(data.hex(" "), 48)).encode(),
    "hex in groups of eight": lambda data: textwrap.indent(
        "\n".join(" ".join(textwrap.wrap(row, 8)) for row in textwrap.wrap(data.hex().upper(), 64)), "  "
    ).encode(),
    "hex with colons": lambda data: data.hex(":").encode(),
    "hex behind a log's prefix": lambda data: "\n".join(
        f"13:30:01 certificate,debug,packet {row} " for row in textwrap.wrap(data.hex(), 256)
    ).encode(),
    "Format-Hex": lambda data: (
        b"           00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F\r\n\r\n" + _windows_dump(data, "08X", "   ")
    ),
    "Format-Hex of PowerShell 7": lambda data: (
        b"   Label: C:\\msg.der\r\n\r\n          Offset Bytes"
        b"                                           Ascii\r\n                 00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F"
        b"\r\n          ------ ----------------------------------------------- -----\r\n"
        + _windows_dump(data, "016X", " ")
    ),
    "certutil -dump": lambda data: _windows_dump(data, "04x", "\t"),
    "C array": lambda data: (
        "unsigned char msg[] = {\n" + "\n".join(textwrap.wrap(", ".join(f"0x{byte:02x}" for byte in data), 72)) + "\n};"
    ).encode(),
    "Go's %v": lambda data: f"2026/03/02 08:15:02 body=[{' '.join(map(str, data))}]".encode(),
    "Java's bytes": lambda data: str([byte - 256 if byte > 127 else byte for byte in data]).encode(),
    "Node's Buffer": lambda data: json.dumps({"body": {"type": "Buffer", "data": list(data)}}).encode(),
    "Python bytes": lambda data: f"DEBUG:scep:sending {data!r}".encode(),
    "Python bytes in pprint's lines": lambda data: (
        "(" + "\n ".join(repr(data[at : at + 20]) for at in range(0, len(data), 20)) + ")"
    ).encode(),
    "escapes in C strings": lambda data: (
        b'static const char msg[] =\n  "'
        + b'"\n  "'.join(
            "".join(f"\\x{byte:02x}" for byte in data[at : at + 16]).encode() for at in range(0, len(data), 16)
        )
        + b'";\n'
    ),
    "YAML": lambda data: (
        b"peers:\n  - peer: 0\n    host: 10.0.0.1\n    port: 49700\npackets:\n"
        + b"".join(
            b"  - packet: %d\n    peer: 0\n    index: %d\n    timestamp: 1772442001.0\n    data: !!binary |\n%s"
            % (number, number, textwrap.indent(base64.encodebytes(data[at : at + 1460]).decode(), "      ").encode())
            for number, at in enumerate(range(0, len(data), 1460))
        )
    ),
}
"""Forms that keep every byte, so that a cut is told at the byte."""
CUTS = [len(REQUEST), len(REQUEST) - 1, len(REQUEST) // 2, 16 * 40, 16 * 40 + 1, 16 * 40 + 15, 257]


@pytest.mark.parametrize("size", CUTS)
@pytest.mark.parametrize("form", WRITTEN)
def test_no_byte_is_lost_or_made_up(form: str, size: int) -> None:
    assert encoded_in(WRITTEN[form](REQUEST[:size])) == [REQUEST[:size]]


@pytest.mark.parametrize("form", WRITTEN)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_message_in_any_form(form: str, data: st.DataObject) -> None:
    content = data.draw(st.binary(min_size=60, max_size=700))
    inner = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x82" + len(content).to_bytes(2, "big") + content
    message = b"\x30\x82" + len(inner).to_bytes(2, "big") + inner
    assert encoded_in(WRITTEN[form](message)) == [message]


TOOLS = {
    "xxd": ("xxd",),
    "xxd -g1": ("xxd", "-g1"),
    "xxd -p": ("xxd", "-p"),
    "xxd -i": ("xxd", "-i"),
    "xxd -u -c 32": ("xxd", "-u", "-c", "32"),
    "hexdump -C": ("hexdump", "-C"),
    "hexdump": ("hexdump",),
    "od -tx1": ("od", "-tx1"),
    "od -Ax -tx1z": ("od", "-Ax", "-tx1z"),
    "od -Ad -tx1": ("od", "-Ad", "-tx1"),
    "od -x": ("od", "-x"),
    "base64": ("base64",),
    "base64 -w0": ("base64", "-w0"),
    "openssl base64": ("openssl", "base64"),
}


@pytest.mark.parametrize("size", CUTS)
@pytest.mark.parametrize("tool", TOOLS)
def test_dumps_of_real_programs(tool: str, size: int) -> None:
    assert encoded_in(run(*TOOLS[tool], given=REQUEST[:size])) == [REQUEST[:size]]


@pytest.mark.parametrize("tool", ["xxd", "hexdump -C", "hexdump", "od -tx1", "od -Ad -tx1"])
def test_repeated_rows_are_filled(tool: str) -> None:
    message = (
        b"\x30\x82\x04\x00\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"
        + b"\xa0" * 33
        + b"\0" * 900
        + b"end" * 26
        + b"\1\2"
    )
    message = message[:2] + (len(message) - 4).to_bytes(2, "big") + message[4:]
    assert encoded_in(run(*TOOLS[tool], given=message)) == [message]


def test_text_beside_the_last_row_is_no_hex() -> None:
    """The text column of the last row looks like hex digits: it is not the message's."""
    for size in range(1, 17):
        message = b"\x30\x82\x01\x00\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02" + b"deadbeef 0123 cafe" * 20
        message = message[: 16 * 12 + size]
        for tool in ("xxd", "hexdump -C", "od -Ax -tx1z"):
            assert encoded_in(run(*TOOLS[tool], given=message)) == [message], (tool, size)


# -- PEM, base64 and URLs, as they come by mail, in logs and in JSON -----------------------------------------------------

TEXT = base64.b64encode(REQUEST).decode()
ESCAPED = quote(TEXT, safe="")
PEM = "-----BEGIN PKCS7-----\n" + base64.encodebytes(REQUEST).decode() + "-----END PKCS7-----\n"
URL = f"http://ca.example/scep?operation=PKIOperation&message={ESCAPED}"

QUOTED = {
    "PEM": PEM,
    "PEM quoted in a mail": textwrap.indent(PEM, "> "),
    "PEM quoted twice": textwrap.indent(PEM, "> > "),
    "PEM with literal line ends": PEM.replace("\n", "\\n"),
    "PEM in a JSON log": json.dumps({"level": "debug", "msg": PEM}),
    "PEM in a C string": '"' + PEM.replace("\n", '\\n"\n"') + '"',
    "PEM with CRLF": PEM.replace("\n", "\r\n"),
    "a word before the base64": f"pkiMessage: {TEXT}",
    "a word with an equals sign": f"time=08:15 level=debug body={TEXT} status=200",
    "base64 in a JSON log": json.dumps({"ts": "2026-03-02T08:15:02Z", "anything": {"deep": [TEXT]}}),
    "base64 quoted in a mail": textwrap.indent("\n".join(textwrap.wrap(TEXT, 64)), "> "),
    "an ASN.1 viewer's link": f"https://lapo.it/asn1js/#{TEXT}",
    "an ASN.1 viewer's link with base64url": f"see https://lapo.it/asn1js/#{base64.urlsafe_b64encode(REQUEST).decode().rstrip('=')} there",
    "an ASN.1 viewer's link with escapes": f"https://asn1.example/#{ESCAPED}",
    "an ASN.1 viewer's link with hex": f"https://lapo.it/asn1js/#{REQUEST.hex()}",
    "a URL": URL,
    "a URL in HTML": URL.replace("&", "&amp;").replace("%2B", "&#43;"),
    "a URL in JSON": json.dumps({"path": URL}).replace("&", "\\u0026").replace("/", "\\/"),
    "a URL in markdown": f"I get 500 for [this]({URL}) since Monday",
    "a URL broken over lines": "\n".join(textwrap.wrap(URL, 76)),
    "a URL in curl's words": f"* Connected to ca.example\n> GET {URL} HTTP/1.1\n> Host: ca.example\n>\n< HTTP/1.1 500 Error\n",
}


@pytest.mark.parametrize("form", QUOTED)
def test_text_forms(form: str) -> None:
    assert encoded_in(QUOTED[form].encode()) == [REQUEST]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_encodings_of_windows(encoding: str) -> None:
    start = b"\xff\xfe" if encoding == "utf-16-le" else b""
    for text in (PEM, URL, WRITTEN["Format-Hex"](REQUEST).decode()):
        assert encoded_in(start + f"Größe der Nachricht\r\n{text}".encode(encoding)) == [REQUEST]


def test_cut_base64_is_told_cut_at_the_byte() -> None:
    for digits in (401, 402, 403, 404):
        for text in (f"body={TEXT[:digits]}", f"GET /scep?operation=PKIOperation&message={TEXT[:digits]} 200"):
            (found,) = found_in(text.encode())
            assert found.encoded == REQUEST[: digits * 6 // 8], (digits, text[:10])


# -- HTTP ---------------------------------------------------------------------------------------------------------------


def http_post(body: bytes, length: int | None = None) -> bytes:
    return (
        b"POST /scep?operation=PKIOperation HTTP/1.1\r\nHost: ca\r\nContent-Type: application/x-pki-message\r\n"
        b"Content-Length: %d\r\n\r\n" % (len(body) if length is None else length)
    ) + body


def http_response(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-pki-message\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"".join(
        b"%x\r\n%s\r\n" % (len(body[at : at + 700]), body[at : at + 700]) for at in range(0, len(body), 700)
    )
    return head + chunks + b"0\r\n\r\n"


def test_both_directions_in_one_input() -> None:
    """As "Follow TCP stream" saves them raw; the response is in chunks."""
    reply = talk.message(3)
    request, response = found_in(http_post(REQUEST) + http_response(reply))
    assert (request.direction, request.encoded, request.operation) == ("request", REQUEST, "PKIOperation")
    assert (response.direction, response.encoded) == ("response", reply)


@pytest.mark.parametrize("size", [1, 100, len(REQUEST) - 1])
def test_a_cut_body_is_told(size: int) -> None:
    data = http_post(REQUEST[:size] if size > 1 else REQUEST[:20], len(REQUEST))
    (found,) = found_in(data + http_response(CA))[:1]
    assert found.encoded == REQUEST[: max(size, 20)]
    assert "body-cut" in dict(found.notes)


def test_bytes_that_were_made_text_are_never_guessed() -> None:
    for mangled in (
        REQUEST.decode("utf-8", "replace").encode(),
        re.sub(rb"[^ -~]", b".", REQUEST),
    ):
        with pytest.raises(DecodeError, match=r"bytes are replaced by .* and lost"):
            read_pasted(http_post(mangled))


@pytest.fixture
def server() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(404)
            self.end_headers()

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}/scep"
        listening.shutdown()


def test_curl_v(server: str, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    whole = subprocess.run(
        ["curl", "-v", "-s", f"{server}?operation=PKIOperation&message={ESCAPED}"], capture_output=True, check=True
    ).stderr
    assert encoded_in(whole) == [REQUEST]
    body = tmp_path / "message"
    body.write_bytes(REQUEST)
    arguments = ["curl", "-s", "--data-binary", f"@{body}", f"{server}?operation=PKIOperation"]
    with pytest.raises(DecodeError, match="POST PKIOperation"):
        read_pasted(subprocess.run([*arguments, "-v"], capture_output=True, check=True).stderr)
    traced = subprocess.run([*arguments, "--trace", "-"], capture_output=True, check=True).stdout
    assert encoded_in(traced) == [REQUEST]


# -- what tshark and tcpdump make of a capture ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, list[bytes]]:
    """The CMS structures of captures, in no order, as tshark takes them out of HTTP."""
    every = {}
    for capture in (POST, GET):
        folder = tmp_path_factory.mktemp("objects")
        run("tshark", "-n", "-r", str(capture), "--export-objects", f"http,{folder}", "-q")
        bodies = [each.read_bytes() for each in folder.iterdir()]
        uris = run(
            "tshark", "-n", "-r", str(capture), "-Y", "http.request", "-T", "fields", "-e", "http.request.uri"
        ).decode()
        urls = re.findall(r"operation=PKIOperation&message=(\S+)", uris)
        every[capture] = sorted(
            [each for each in bodies if each[:1] == b"\x30"] + [base64.b64decode(unquote(url)) for url in urls]
        )
    return every


def _followed(capture: Path, form: str) -> bytes:
    """Every stream followed, in one run."""
    rows = run("tshark", "-n", "-r", str(capture), "-T", "fields", "-e", "tcp.stream").decode().split()
    return run(
        "tshark",
        "-n",
        "-q",
        "-r",
        str(capture),
        *(f"-zfollow,tcp,{form},{each}" for each in sorted(set(rows), key=int)),
    )


VIEWS: dict[str, Callable[[Path], bytes]] = {
    "tshark -T json": lambda capture: run("tshark", "-n", "-r", str(capture), "-T", "json"),
    "tshark -x": lambda capture: run("tshark", "-n", "-r", str(capture), "-x"),
    "tcpdump -X": lambda capture: run("tcpdump", "-n", "-r", str(capture), "-X"),
    "tcpdump -XX": lambda capture: run("tcpdump", "-n", "-r", str(capture), "-XX"),
    "follow, raw": lambda capture: _followed(capture, "raw"),
    "follow, hex": lambda capture: _followed(capture, "hex"),
}


@pytest.mark.parametrize("capture", [POST, GET], ids=lambda path: path.stem)
@pytest.mark.parametrize("view", VIEWS)
def test_views_of_a_capture(view: str, capture: Path, objects: dict[Path, list[bytes]]) -> None:
    found = found_in(VIEWS[view](capture))
    assert sorted(each.encoded for each in found) == objects[capture]
    assert all(each.direction is not None for each in found)


# -- logs ---------------------------------------------------------------------------------------------------------------


def test_a_log_with_several_messages_has_times_and_directions() -> None:
    reply = talk.message(3)

    def rows(data: bytes) -> str:
        return "\n".join("  " + " ".join(textwrap.wrap(row, 8)) for row in textwrap.wrap(data.hex().upper(), 64))

    log = (
        "*Mar  2 10:49:51.662: CRYPTO_PKI: Sending PKI message, 2447 bytes\n"
        f"{rows(REQUEST)}\n"
        "*Mar  2 10:49:53.101: CRYPTO_PKI: status = 100: certificate is granted\n"
        f"*Mar  2 10:49:53.104: CRYPTO_PKI: Received PKI message (PKCS7) for LAB: {len(reply)} bytes\n"
        f"{rows(reply)}\n"
        "*Mar  2 10:49:53.200: CRYPTO_PKI: unlocked trustpoint LAB\n"
    )
    sent, received = found_in(log.encode())
    assert (sent.encoded, sent.direction, sent.time) == (REQUEST, "request", "Mar  2 10:49:51.662")
    assert (received.encoded, received.direction, received.time) == (reply, "response", "Mar  2 10:49:53.104")


NO_MESSAGE = {
    "GET /scep?operation=GetCACaps HTTP/1.1\n": "GetCACaps",
    "2026-03-02 00:01:44 198.51.100.82 POST /pkiclient.exe operation=PKIOperation 80 - 203.0.113.22 - - 200 0 0 229\n": "POST",
    "http://ca/scep?operation=GetCACert&message=MIIHomeCA": "CA identifier MIIHomeCA",
    "HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/html\r\n\r\n<html>MIIS 308201 error</html>": "500 Internal",
    "deadbeef cafe 1234 5678 9abc def0 3082 0101 0202": "no SCEP message",
    "transaction: 746c854d25260b30133f55872bf0c0467fd3fa26ec82cb6d377a79f1e80b4953": "no SCEP message",
    "Thumbprint 30820102030405060708090a0b0c0d0e0f101112": "no SCEP message",
    "MIIS is Microsoft Identity Integration Server MIIIIIIIIIIIIIIIIIIIIIIIIIIIIIIIIIIIIIIII": "no SCEP message",
    '{"message": "MIIcGF0aGV0aWMgbm90IGEgbWVzc2FnZQ==", "level": "info"}': "no SCEP message",
    "[48, 130, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]": "no SCEP message",
    "0000  30 82 01 00 ff ff ff ff  ff ff ff ff ff ff ff ff\n": "no SCEP message",
    "message=hello": "no SCEP message",
}


@pytest.mark.parametrize("text", NO_MESSAGE, ids=lambda text: text[:24])
def test_what_has_no_message(text: str) -> None:
    with pytest.raises(DecodeError, match=re.escape(NO_MESSAGE[text])):
        read_pasted(text.encode())


def test_field_inputs(scep_analyzer: Program) -> None:
    """What people handed over, and how many messages of how many bytes are in it (facts: README of the captures)."""
    folder = Path("/work/shared/captures/field")
    if not folder.is_dir():
        pytest.skip("the shared captures are not there")
    counts = {
        "raw-request.bin": [2468],
        "trace.har": [2468, 716],
        "fiddler.saz": [2468, 716],
        "follow-hexdump.txt": [2468, 716],
        "curl-v.txt": [2468],
        "tshark.json": [2448, 2468, 716],
        "routeros.log": [2447],
        "scepserver.jsonl": [2468],
        "carray.txt": [2468],
        "format-hex.txt": [2468],
        "pem-quoted.txt": [2468],
        "csr-without-outer-sequence.der": [630],
    }
    for name, sizes in counts.items():
        decoded = scep_analyzer("decode", folder / name, "-f", "json").json
        assert [each["length"] for each in decoded] == sizes, name
        assert all(each["problem"] is None for each in decoded), name
    result = scep_analyzer("decode", folder / "iis.log")
    assert result.code == 3
    assert "GetCACaps; GetCACert (CA identifier CAIdentifier); POST PKIOperation; the body of a POST" in result.err


PREFIXES = {
    "syslog": b"Mar  2 10:00:00 gw scepd[123]: ",
    "journalctl": b"Mar 02 10:00:00 host.example.org scep-server[4711]: ",
    "journalctl, ISO times": b"2026-03-02T10:00:00+0100 host scepd[123]: ",
    "docker logs -t": b"2026-03-02T10:00:00.123456789Z ",
    "docker compose": b"scep-server-1  | ",
    "kubectl, CRI": b"2026-03-02T10:00:00.123456789Z stderr F ",
    "kubectl --prefix": b"[pod/scep-5d4c/scep] ",
}


@pytest.mark.parametrize("tool", ["xxd", "hexdump -C", "od -A x -t x1z", "base64"])
@pytest.mark.parametrize("prefix", PREFIXES)
def test_prefixes_of_logs_are_no_part_of_a_dump(prefix: str, tool: str) -> None:
    for message in (REQUEST, REQUEST[:-7] + b"       "):
        lines = run(*tool.split(), given=message).splitlines()
        text = b"".join(PREFIXES[prefix] + line + b"\n" for line in lines)
        before = PREFIXES[prefix] + b"received a message\n"
        assert encoded_in(text) == encoded_in(before + text + before) == [message]


@pytest.mark.parametrize("tool", ["xxd", "hexdump -C"])
def test_colors_and_html_are_no_part_of_a_dump(tool: str) -> None:
    text = run(*tool.split(), given=REQUEST)
    colored = b"".join(b"\x1b[1;32m" + line[:9] + b"\x1b[0m" + line[9:] + b"\x1b[K\n" for line in text.splitlines())
    assert encoded_in(colored) == [REQUEST]
    page = f"<html><body><pre class='dump'>{html.escape(text.decode('latin-1'))}</pre></body></html>"
    assert encoded_in(page.encode("latin-1")) == [REQUEST]
    assert encoded_in(b" body\n------\n \\x" + REQUEST.hex().encode() + b"\n(1 row)\n") == [REQUEST]  # PostgreSQL


# -- near misses, named -------------------------------------------------------------------------------------------------


def test_near_misses_are_named(scep_analyzer: Program, tmp_path: Path) -> None:
    def kind(data: bytes) -> tuple[str, list[str]]:
        path = tmp_path / "input"
        path.write_bytes(data)
        (decoded,) = scep_analyzer("decode", path, "-f", "json").json
        return decoded["kind"], [note["code"] for note in decoded["notes"]]

    key, request = tmp_path / "key.pem", tmp_path / "csr.der"
    run(
        "openssl",
        "req",
        "-new",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        str(key),
        "-subj",
        "/CN=m1",
        "-outform",
        "DER",
        "-out",
        str(request),
    )
    csr = request.read_bytes()
    assert kind(csr[4:]) == ("PKCS #10 request", ["sequence-missing"])
    secret = run(
        "openssl", "cms", "-EncryptedData_encrypt", "-aes128", "-secretkey", "00" * 16, "-outform", "DER", given=b"x"
    )
    assert kind(secret)[0] == "CMS EncryptedData, not EnvelopedData"
    # An inner message alone: what is inside a ContentInfo (its SEQUENCE, OID and [0] are 19 bytes).
    assert kind(REQUEST[19:]) == ("pkiMessage", ["content-info-missing"])


# -- hostile text --------------------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), form=st.sampled_from(sorted({**WRITTEN, **QUOTED})))
def test_damaged_text_is_never_a_traceback(seed: int, form: str) -> None:
    chance = random.Random(seed)
    data = bytearray(WRITTEN[form](REQUEST) if form in WRITTEN else QUOTED[form].encode())
    for _ in range(chance.randint(1, 20)):
        at = chance.randrange(len(data))
        what = chance.randrange(4)
        if what == 0:
            data[at] = chance.randrange(256)
        elif what == 1:
            del data[at : at + chance.randrange(1, 200)]
        elif what == 2:
            data[at:at] = chance.choice(
                [b"\n", b"\\", b'"', b"%", b"-----BEGIN X-----", b"HTTP/1.1 200 OK\r\n", b"{", b"0x", b"\0"]
            )
        else:
            data[at:at] = data[: chance.randrange(1, 400)]
        if not data:
            return
    try:
        read_pasted(bytes(data))
    except DecodeError as error:
        assert "\n" not in str(error)


SLOW: dict[str, Callable[[int], bytes]] = {
    "opening brackets": lambda part: b"[" * (2_000_000 // part),
    "opening braces with keys": lambda part: b'{"a":' * (400_000 // part),
    "hex without an end": lambda part: b"30 82 " * (1_000_000 // part),
    "rows that all begin": lambda part: b"00000000  30 82 09 a0 06 09 2a 86\n" * (100_000 // part),
    "base64 without an end": lambda part: b"MII" + b"A" * (6_000_000 // part),
    "base64 that begins everywhere": lambda part: b"MIIAAAAAAAAAAAAA " * (300_000 // part),
    "messages that begin everywhere": lambda part: (
        b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80" * (100_000 // part)
    ),
    "PEM that begins everywhere": lambda part: b"-----BEGIN PKCS7-----\n" * (200_000 // part),
    "HTTP that begins everywhere": lambda part: b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * (150_000 // part),
    "requests without a line end": lambda part: b"GET /" + b"a" * (6_000_000 // part),
    "quotes": lambda part: b"b'\\x30\\x82" * (500_000 // part),
    "one endless log line": lambda part: b"message=" * (800_000 // part),
    "an offset that claims everything": lambda part: b"00000000  30 82\nffffffff  30 82\n" * (50_000 // part),
    "arrays": lambda part: b"{1,2,3,4,5,6,7,8,9," * (300_000 // part),
    "numbers of many digits": lambda part: b"[" + b"9" * (4_000_000 // part) + b"]",
    "escapes": lambda part: b"\\x30" * (1_500_000 // part),
    "lines of a log": lambda part: b"2026-03-02T10:00:00Z 0000000 30 82\n" * (150_000 // part),
    "tags that begin everywhere": lambda part: b"<pre>&" * (900_000 // part) + b"</code>",
    "JSON of many strings": lambda part: b'["' + b'operation=GetCACaps&", "' * (200_000 // part) + b'"]',
}
"""What takes longest of all that was tried, or a part of it: a quarter, an eighth …"""


def _seconds(data: bytes) -> float:
    gc.disable()  # a collection of what other tests left would be measured, too
    try:
        before = time.process_time()
        with contextlib.suppress(DecodeError):
            assert len(found_in(data)) <= 100
        return time.process_time() - before
    finally:
        gc.enable()


@pytest.mark.parametrize("name", SLOW)
def test_time_is_bounded(name: str) -> None:
    """Four times the size takes four times as long and not sixteen times; `make properties` measures the whole as well.

    What is below the floor would take 15 s of the whole if it grew with the square: 8 times 0.03 s for an eighth of it.
    """
    assert len(SLOW[name](1)) < LIMIT
    _seconds(SLOW[name](1000))  # what is imported and compiled once
    measured = []
    for _ in range(3):  # another process may disturb one of them
        measured.append([_seconds(SLOW[name](part)) for part in (32, 8)])
        if measured[-1][1] < 8 * max(measured[-1][0], 0.03):
            break
    else:
        pytest.fail(f"an eighth of the input takes more than 8 times as long as a quarter of that: {measured}")
    assert measured[-1][1] < 15
    if DEPTH > 1:
        assert _seconds(SLOW[name](1)) < 15
