"""What people paste into `decode`: each form gives the same bytes; forms written by the real tools."""

import base64
import shutil
import subprocess
from urllib.parse import quote

import pytest

from scep_analyzer.model.anomalies import DecodeError
from scep_analyzer.pasted.pieces import Found
from scep_analyzer.pasted.readers import read_pasted
from tests import talk
from tests.builders.scene import CA

MESSAGE = talk.message(19)


def find_messages(data: bytes) -> list[Found]:
    return read_pasted(data).found


TEXT = base64.b64encode(MESSAGE)
WRAPPED = base64.encodebytes(MESSAGE)
HEX = MESSAGE.hex().upper()
ESCAPED = quote(TEXT, safe="").encode()
CISCO = "\n".join(
    "  " + " ".join(HEX[at + word : at + word + 8] for word in range(0, 64, 8)).rstrip()
    for at in range(0, len(HEX), 64)
)
IIS = (
    b"#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) sc-status\n"
    b"2026-03-02 08:15:02 198.51.100.5 GET /certsrv/mscep/mscep.dll/pkiclient.exe operation=GetCACaps&message=ca 80 - 198.51.100.20 - 200\n"
    b"2026-03-02 08:15:02 198.51.100.5 GET /certsrv/mscep/mscep.dll/pkiclient.exe operation=PKIOperation&message="
    + ESCAPED
    + b" 80 - 198.51.100.20 - 200\n"
)
APACHE = (
    b'198.51.100.20 - - [02/Mar/2026:08:15:02 +0000] "GET /scep?operation=PKIOperation&message='
    + ESCAPED
    + b' HTTP/1.0" 200 1887 "-" "-"\n'
)

FORMS: dict[str, tuple[bytes, str]] = {
    "DER": (MESSAGE, "DER"),
    "PEM": (b"some text\n-----BEGIN PKCS7-----\n" + WRAPPED + b"-----END PKCS7-----\n", "PEM (PKCS7)"),
    "base64 on one line": (TEXT, "base64"),
    "base64 in lines": (WRAPPED, "base64"),
    "base64 of the URL's alphabet": (base64.urlsafe_b64encode(MESSAGE), "base64"),
    "UTF-16 of PowerShell": (b"\xff\xfe" + WRAPPED.decode().encode("utf-16-le"), "base64"),
    "plain hex": (HEX.encode(), "hex"),
    "hex with colons": (":".join(HEX[at : at + 2] for at in range(0, len(HEX), 2)).encode(), "hex"),
    "Cisco's groups of eight": (CISCO.encode(), "hex"),
    "a URL": (b"http://ca.example/scep?operation=PKIOperation&message=" + ESCAPED, "a URL"),
    "a query string": (b"operation=PKIOperation&message=" + ESCAPED, "a query string"),
    "the parameter alone": (b"message=" + ESCAPED, "a query string"),
    "a request line": (
        b"GET /scep?operation=PKIOperation&message=" + ESCAPED + b" HTTP/1.0\r\nHost: x\r\n\r\n",
        "a URL",
    ),
    "an IIS log": (IIS, "a log line"),
    "an Apache log": (APACHE, "a log line"),
}


@pytest.mark.parametrize("name", FORMS)
def test_each_form_gives_the_message(name: str) -> None:
    data, form = FORMS[name]
    (found,) = find_messages(data)
    assert (found.encoded, found.form) == (MESSAGE, form)


DUMPS = {
    "xxd": ["xxd"],
    "xxd -g1": ["xxd", "-g1"],
    "hexdump -C": ["hexdump", "-C"],
    "od": ["od", "-A", "x", "-t", "x1"],
}


@pytest.mark.parametrize("tool", DUMPS)
@pytest.mark.parametrize("size", [len(MESSAGE), 16 * 20, 16 * 20 + 1])
def test_hex_dumps_of_real_tools(tool: str, size: int) -> None:
    command = DUMPS[tool]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed (apt-get install xxd bsdextrautils)")
    content = b"\x30\x82" + (size - 4).to_bytes(2, "big") + (b"abc defabc 0123 " * size)[: size - 4]
    dumped = subprocess.run(command, input=content, capture_output=True, check=True).stdout
    (found,) = find_messages(dumped)
    assert found.encoded == content


def test_a_message_broken_over_lines_in_a_mail() -> None:
    whole = b"GET http://ca/scep?operation=PKIOperation&message=" + ESCAPED
    broken = b"\n".join(whole[at : at + 76] for at in range(0, len(whole), 76))
    (found,) = find_messages(broken)
    assert found.encoded == MESSAGE
    assert "joined-lines" in [code for code, _ in found.notes]


def test_several_messages_in_one_input() -> None:
    assert [each.encoded for each in find_messages(MESSAGE + CA)] == [MESSAGE, CA]
    pem = b"".join(
        b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(each) + b"-----END CERTIFICATE-----\n"
        for each in (CA, MESSAGE)
    )
    assert [each.encoded for each in find_messages(pem)] == [CA, MESSAGE]
    assert len(find_messages(APACHE + IIS)) == 2
    assert [each.encoded for each in find_messages(WRAPPED + b"\n" + base64.encodebytes(CA))] == [MESSAGE, CA]


def test_private_keys_are_passed_over() -> None:
    key = b"-----BEGIN PRIVATE KEY-----\nMIIabc=\n-----END PRIVATE KEY-----\n"
    assert len(find_messages(key + b"-----BEGIN PKCS7-----\n" + WRAPPED + b"-----END PKCS7-----\n")) == 1
    with pytest.raises(DecodeError):
        find_messages(key)


@pytest.mark.parametrize(
    "data",
    [b"", b"hello world", b"operation=GetCACaps&message=ca", b"\x00\x01\x02", b"deadbeef", b"GET / HTTP/1.0\r\n\r\n"],
)
def test_what_holds_no_message(data: bytes) -> None:
    with pytest.raises(DecodeError, match="no SCEP message"):
        find_messages(data)


def test_truncated_der_is_still_handed_on() -> None:
    (found,) = find_messages(MESSAGE[:500])
    assert found.encoded == MESSAGE[:500]
    assert "cut" in found.form
