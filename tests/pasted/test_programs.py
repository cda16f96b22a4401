"""Transcripts of programs, made by the formats that they document or print: what is in them, and what is only told.

Facts of the formats: sscep's source (0.10), Fortinet's Technical Tip 262267, Apple's NSData description, curl(1), strongSwan's
chunk_t as %B, Cisco's groups of eight digits, certutil -dump.
"""

import base64
import textwrap
from urllib.parse import quote

import pytest

from scep_analyzer.model.anomalies import DecodeError
from scep_analyzer.pasted.readers import read_pasted
from tests import talk

REQUEST = talk.message(19)
TEXT = base64.b64encode(REQUEST).decode()
GROUPS = [" ".join(textwrap.wrap(REQUEST[at : at + 32].hex().upper(), 8)) for at in range(0, len(REQUEST), 32)]
PEM = "-----BEGIN PKCS7-----\n" + "\n".join(textwrap.wrap(TEXT, 64)) + "\n-----END PKCS7-----\n"


def _shown(row: bytes) -> str:
    return "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)


def _rows(row: str) -> str:
    parts = ((at, REQUEST[at : at + 16]) for at in range(0, len(REQUEST), 16))
    return "\n".join(
        row.format(at=at, lower=part.hex(" "), upper=part.hex(" ").upper() + " ", text=_shown(part))
        for at, part in parts
    )


WHOLE = {
    "sscep -d": f"sscep: printing PEM fomatted PKCS#7\n{PEM}sscep: scep request:\n"
    f"GET /cgi-bin/pkiclient.exe?operation=PKIOperation&message={quote(TEXT, safe='')} HTTP/1.1\nHost: ca\n",
    "sscep's hexdump": f" sscep: hexdump payload {len(REQUEST)}\n{REQUEST.hex()}\nsscep: envelope size: 1036 bytes\n",
    "Cisco": "*Mar  2 10:00:00.123: PKI:PKCS7 to Send:\n" + "\n".join(f"  {each}" for each in GROUPS) + "\nRouter#\n",
    "Cisco, each line with its time": "".join(f"*Mar  2 10:00:00.{at:03}: {each}\n" for at, each in enumerate(GROUPS)),
    "Cisco, as logging sends it": "".join(
        f"{at + 95:06}: *Mar  2 10:00:00.123: {each}\n" for at, each in enumerate(GROUPS)
    ),
    "RouterOS": "".join(
        f"2026-03-02 13:30:01 certificate,debug,packet {each}\n" for each in textwrap.wrap(REQUEST.hex(), 256)
    ),
    "certutil -dump": "PKCS7/CMS Message:\n  CMSG_SIGNED(2)\n"
    + _rows("    {at:04x}  {lower:<47}  {text}")
    + "\nCertUtil: -dump command completed successfully.\n",
    "strongSwan": f"13[LIB] => {len(REQUEST)} bytes @ 0x7f2a\n" + _rows("13[LIB] {at:4d}: {upper:<48} {text}"),
    "curl --trace": f"=> Send data, {len(REQUEST)} bytes (0x{len(REQUEST):x})\n"
    + _rows("{at:04x}: {lower:<48}{text}")
    + "\n<= Recv header, 17 bytes (0x11)\n",
    "OpenSSL": "Content:\n" + _rows("    {at:04x} - {lower}"),
    "NSData": "mdmclient: payload <" + " ".join(textwrap.wrap(REQUEST.hex(), 8)) + "> sent",
}


@pytest.mark.parametrize("program", WHOLE)
def test_what_programs_print(program: str) -> None:
    assert [each.encoded for each in read_pasted(WHOLE[program].encode()).found] == [REQUEST]


TOLD = {
    "FortiOS": (
        "scep_parse_header: server returned status code 200\n__process_ca_cert_reply: Reply type 1\n"
        "pkcs7_wrap: envelope size: 1280 bytes\nscep_parse_header: server returned status code 500\n",
        "only the HTTP response 200; the HTTP response 500",
    ),
    "sscep -v": (
        "sscep: scep request:\nGET /pkiclient.exe?operation=GetCACaps HTTP/1.1\nHost: ca\n\n"
        "sscep: server response status code: 200, MIME header: text/plain\nsscep: pkistatus: FAILURE\n",
        "only GetCACaps; the HTTP response 200; pkiStatus FAILURE, as sscep prints it",
    ),
    "curl -v": (
        "* Connected to ca (10.0.0.1) port 80\n> POST /scep?operation=PKIOperation HTTP/1.1\n> Host: ca\n> Content-Length: 2472\n>\n"
        "} [2472 bytes data]\n* upload completely sent off: 2472 bytes\n< HTTP/1.1 500 Internal Server Error\n< Content-Length: 0\n<\n",
        "only POST PKIOperation without its body; the HTTP response 500 Internal Server Error",
    ),
    "NSData of macOS 10.15": (
        "{length = 2468, bytes = 0x30820a5b 06092a86 4886f70d 010702a0 ... 01020304 }",
        "only the beginning and the end of 2468 bytes",
    ),
    "dumpasn1": (
        "         :   AC A6 30 E6 9B 38 13 18\n         :           [ Another 584 bytes skipped ]\n",
        "only a listing of dumpasn1 that leaves out 584 bytes",
    ),
}


@pytest.mark.parametrize("program", TOLD)
def test_what_is_only_told(program: str) -> None:
    text, said = TOLD[program]
    with pytest.raises(DecodeError) as error:
        read_pasted(text.encode())
    assert said in str(error.value)


@pytest.mark.parametrize("dots", ["...", "…"])
@pytest.mark.parametrize("form", ["base64", "hex"])
def test_shortened_text_is_not_joined(form: str, dots: str) -> None:
    digits = TEXT if form == "base64" else REQUEST.hex()
    (found,) = read_pasted(f"body: {digits[:400]}{dots}{digits[-40:]}".encode()).found
    assert found.encoded == REQUEST[: 400 * 6 // 8 if form == "base64" else 200]
    assert "text-shortened" in [code for code, _ in found.notes]
