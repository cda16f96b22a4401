"""What a hurried or careless person pastes: every input has one message of known bytes, and the right one is found, or none.

Each input is a kind: the encoding of a redirect, what a terminal, a mail program, a word processor or a web page does to text.
"""

import base64
import quopri
import shutil
import subprocess
import textwrap
from urllib.parse import quote

import pytest

from scep_analyzer.model.anomalies import DecodeError
from scep_analyzer.pasted.readers import read_pasted
from tests import talk

REQUEST = talk.message(19)
TEXT = base64.b64encode(REQUEST).decode()
PEM = "-----BEGIN PKCS7-----\n" + "\n".join(textwrap.wrap(TEXT, 64)) + "\n-----END PKCS7-----\n"
URL = f"http://ca.example/scep?operation=PKIOperation&message={quote(TEXT, safe='')}"


def _dump(*command: str) -> str:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    return subprocess.run(command, input=REQUEST, capture_output=True, check=True).stdout.decode("latin-1")


def _each(text: str, prefix: str = "", end: str = "\n") -> str:
    return "".join(f"{prefix}{line}{end}" for line in text.splitlines())


def inputs() -> dict[str, bytes]:
    """The inputs by what was done to them."""
    xxd, canonical = _dump("xxd"), _dump("hexdump", "-C")
    ends = "".join(line + ("\r\n" if at % 2 else "\n") for at, line in enumerate(xxd.splitlines()))
    text = {
        "line ends of two kinds": ends,
        "carriage returns alone": xxd.replace("\n", "\r"),
        "a mark in the middle": f"first\n\ufeff{PEM}",
        "colors": _each(xxd, "\x1b[38;5;81m", "\x1b[0m\x1b[K\n"),
        "a terminal's title and paste mode": f"\x1b]0;user@host\x07\x1b[?2004h$ xxd m\r\n{_each(xxd, end=chr(13) + chr(10))}$ ",
        "screen's wrap in the text beside": "\n".join(p for line in xxd.splitlines() for p in (line[:60], line[60:])),
        "screen's wrap of a URL": "\n".join(textwrap.wrap(f"GET {URL}", 80)),
        "screen's wrap of one long line of hex": "\n".join(textwrap.wrap(REQUEST.hex(), 117)),
        "a markdown fence": f"I get this:\n```\n{xxd}```\nwhat is it?\n",
        "a quote in a mail": _each(xxd, "> "),
        "a quote of a quote": _each(PEM, "> > "),
        "bars": _each(canonical, "| "),
        "a diff": _each(xxd, "+"),
        "a mail's encoding": quopri.encodestring(URL.encode()).decode(),
        "smart quotes": f"body=\u201c{TEXT}\u201d",
        "long dashes": PEM.replace("-", "\u2013"),
        "zero-width spaces": "body: " + "\u200b".join(textwrap.wrap(TEXT, 64)),
        "zero-width spaces in a dump": xxd.replace(" ", "\u200b "),
        "spaces that do not break": xxd.replace(" ", "\u00a0"),
        "soft hyphens": URL.replace("%2B", "%2B\u00ad"),
        "a web page": "<p>" + xxd.replace("\n", "<br>\n").replace(" ", "&nbsp;") + "</p>",
        "tabs": xxd.replace("  ", "\t"),
        "no spaces at the ends, one between": "\n".join(" ".join(line.split()) for line in canonical.splitlines()),
        "empty lines between": "\n\n".join(textwrap.wrap(TEXT, 64)),
        "an editor's line ends": xxd.replace("\n", "$\n"),
        "prompts around": f"root@r1:~# xxd m.der\n{xxd}root@r1:~# ",
        "a URL in a URL": f"http://proxy/?u={quote(URL, safe='')}",
        "percent-encoded DER": "".join(f"%{byte:02x}" for byte in REQUEST),
        "one decimal number a line": "\n".join(map(str, REQUEST)),
        "bytes of PowerShell": "[byte[]]$a = " + ",".join(f"0x{byte:02x}" for byte in REQUEST),
        "an Erlang binary": f"<<{','.join(map(str, REQUEST))}>>",
        "an assembler's bytes": ", ".join(f"{byte:02X}h" for byte in REQUEST),
        "hex with dots": ".".join(f"{byte:02x}" for byte in REQUEST),
        "a YAML block": "message: |\n" + textwrap.indent(PEM, "  "),
        "a cell of a spreadsheet": '"' + PEM.replace("\n", "\r\n") + '"',
        "XML": f"<Body><Message>{TEXT}</Message></Body>",
        "SQL": f"INSERT INTO t VALUES (0x{REQUEST.hex()})",
    }
    made = {name: each.encode() for name, each in text.items()}
    made["smart quotes of Windows"] = text["smart quotes"].encode("cp1252")
    made["spaces that do not break, of Windows"] = text["spaces that do not break"].encode("cp1252")
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"):
        mark = b"\xfe\xff" if encoding == "utf-16-be" else b""
        made[f"{encoding} of a dump"] = mark + xxd.encode(encoding)
        made[f"{encoding} of a PEM"] = mark + PEM.encode(encoding)
    made["padded with zeros"] = REQUEST + bytes(100)
    return made


def test_the_message_is_found_whatever_was_done_to_it() -> None:
    wrong = {}
    for name, data in inputs().items():
        try:
            found = [each.encoded for each in read_pasted(data).found]
        except DecodeError as error:
            found = [str(error).encode()]
        if found != [REQUEST]:
            wrong[name] = [each[:120] for each in found]
    assert wrong == {}


def test_two_messages_in_one_paste() -> None:
    xxd = _dump("xxd")
    for text in (
        f"{xxd}\n{_dump('hexdump', '-C')}",
        xxd + xxd,
        f"{REQUEST.hex()}\n{REQUEST.hex()}\n",
        f"{TEXT}\n{TEXT}\n",
    ):
        assert {each.encoded for each in read_pasted(text.encode()).found} == {REQUEST}
    first = REQUEST.hex()[:1000]
    assert [each.encoded for each in read_pasted(f"{first}\n{REQUEST.hex()}\n".encode()).found] == [
        REQUEST[:500],
        REQUEST,
    ]


@pytest.mark.parametrize("form", ["xxd", "hexdump -C", "base64", "xxd -p", "xxd -i", "od -t u1", "od"])
def test_a_paste_that_ends_in_the_middle(form: str) -> None:
    """Whatever is cut off, no other bytes than those of the message are given; a whole message is never made of it."""
    text = _dump(*form.split())
    for end in range(600, 900, 7):
        try:
            found = read_pasted(text[:end].encode()).found
        except DecodeError:
            continue
        for each in found:
            assert REQUEST.startswith(each.encoded), (end, text[:end][-90:])


def test_text_is_never_der() -> None:
    """A dump begins with the digit 0, which is the first byte of DER."""
    for text in ("00000000:\u00a03082", "0\u2026 is what I see, \u00e4 and \u00f6 too", "00 \u00fc " * 20):
        with pytest.raises(DecodeError):
            read_pasted(text.encode("utf-8"))
