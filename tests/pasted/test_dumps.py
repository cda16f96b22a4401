"""Every dump form at every length: no byte is lost, and none is made up, at the edge of a row or anywhere else.

The dumps come from the programs themselves (xxd, od, hexdump, OpenSSL's BIO_dump); those of Windows and of strongSwan are
written as their documentation says. The expected bytes are those that the programs were given.
"""

import ctypes
import ctypes.util
import random
import shlex
import shutil
import subprocess
from collections.abc import Callable, Sequence

import pytest

from scep_analyzer.model.anomalies import DecodeError
from scep_analyzer.pasted.dumps import read_dumps
from scep_analyzer.pasted.readers import read_pasted
from tests import talk
from tests.conftest import DEPTH

LENGTHS = tuple(range(1, 71)) if DEPTH > 1 else (1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 24, 31, 32, 33, 48, 63, 70)
"""Every length in ``make properties``; in ``make test`` those around the ends of words and rows."""
_STEP = 1 if DEPTH > 1 else 3
"""Of messages, as few bytes by chance mean something in two forms, and then nothing is given: the contents are always the same."""
OID = bytes.fromhex("06092a864886f70d010702a0")
PROGRAMS = [
    "xxd",
    "xxd -g1",
    "xxd -g4",
    "xxd -g8",
    "xxd -c 7",
    "xxd -c 32 -u",
    "xxd -e",
    "xxd -e -g2",
    "xxd -e -g8",
    "xxd -b",
    "xxd -b -c 4",
    "xxd -d",
    "hexdump",
    "hexdump -C",
    "hexdump -b",
    "hexdump -c",
    "hexdump -d",
    "hexdump -o",
    "hexdump -x",
    "od",
    "od -v",
    "od -b",
    "od -c",
    "od -d",
    "od -i",
    "od -l",
    "od -o",
    "od -s",
    "od -x",
    "od -t d1",
    "od -t d2",
    "od -t o4",
    "od -t o8",
    "od -t u1",
    "od -t u4",
    "od -t u8",
    "od -t x1",
    "od -t x4",
    "od -t x8",
    "od -t o1z",
    "od -t u1z",
    "od -t x1z",
    "od -t x4z",
    "od -t x4 --endian=big",
    "od -w8 -t x1",
    "od -w32 -t x4",
    "od -A d -b",
    "od -A d -t u1",
    "od -A d -t x1",
    "od -A x -c",
    "od -A x -t x1z",
    "od -A x -t x2",
]
WITHOUT_OFFSETS = [
    "xxd -p",
    "xxd -p -c 16",
    "xxd -i",
    "od -An -t x1",
    "od -An -b",
    "od -An -t u1",
    "od -An -t d1",
    'hexdump -v -e \'16/1 "0x%02x, " "\\n"\'',
    'hexdump -v -e \'8/1 "0x%02X," "\\n"\'',
    'hexdump -v -e \'16/1 "%02x " "\\n"\'',
    "hexdump -v -e '/1 \"%02x \"'",
    "hexdump -v -e '1/1 \"%02x\"'",
    "hexdump -v -e '1/1 \"%u \"'",
    "hexdump -v -e '1/1 \"%d\\n\"'",
]
WORDS_WITHOUT_LENGTH = {
    "hexdump -v -e '\"0x%02x, \"'": 4,
    "od -An -t x2": 2,
    "od -An -t x4": 4,
    "od -An -t o2": 2,
    "od -An -t u2": 2,
    'hexdump -v -e \'8/2 "%04x " "\\n"\'': 2,
    'hexdump -v -e \'4/4 "%08x " "\\n"\'': 4,
}
"""Words of this many bytes without an offset or a length: the last word of a message may be filled up with zeros."""


def _run(command: str, given: bytes) -> bytes:
    program, *options = shlex.split(command)
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    return subprocess.run([program, *options], input=given, capture_output=True, check=True).stdout


def _shown(row: bytes) -> str:
    return "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)


def _rows(data: bytes, row: Callable[[int, bytes], str]) -> bytes:
    return "\n".join(row(at, data[at : at + 16]) for at in range(0, len(data), 16)).encode()


def _bio_dump(data: bytes) -> bytes:
    name = ctypes.util.find_library("crypto")
    if name is None:
        pytest.skip("libcrypto is not installed")
    parts: list[bytes] = []

    def take(text: int, length: int, _user: object) -> int:
        parts.append(ctypes.string_at(text, length))
        return 1

    callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)(take)
    ctypes.CDLL(name).BIO_dump_cb(callback, None, data, len(data))
    return b"".join(parts)


DOCUMENTED: dict[str, Callable[[bytes], bytes]] = {
    "BIO_dump": _bio_dump,
    "Format-Hex": lambda data: _rows(data, lambda at, row: f"{at:08X}   {row.hex(' ').upper():<47}  {_shown(row)}"),
    "Format-Hex of PowerShell 7": lambda data: _rows(
        data, lambda at, row: f"{at:016X} {row.hex(' ').upper():<47} {_shown(row)}"
    ),
    "certutil": lambda data: _rows(data, lambda at, row: f"{at:04x}\t{row.hex(' '):<47}  {_shown(row)}"),
    # chunk_t as %B: decimal offsets of four places.
    "strongSwan": lambda data: _rows(data, lambda at, row: f"{at:4d}: {row.hex(' ').upper() + ' ':<48} {_shown(row)}"),
}


def _body(size: int, chance: random.Random) -> bytes:
    """Bytes of three kinds by turns: any, those that look like hex digits beside the dump, those that repeat."""
    letters = (bytes(range(256)), b"0123456789abcdef |>.\\", b"\0\0\0\x30\x0a a")[size % 3]
    return bytes(chance.choice(letters) for _ in range(size))


def contents(lengths: Sequence[int], *, message: bool) -> list[bytes]:
    """One content for each length: it begins as DER does; as a CMS structure where it is to be found by that."""
    chance = random.Random(20)
    made = []
    for size in lengths:
        head = bytes([0x30, size - 2]) + OID + bytes([size - 16]) if message else bytes([0x30, max(size - 2, 6), 0x30])
        made.append((head + _body(size, chance))[:size])
    return made


@pytest.mark.parametrize("form", [*PROGRAMS, *DOCUMENTED])
def test_a_dump_of_every_length(form: str) -> None:
    for content in contents(LENGTHS, message=False):
        text = DOCUMENTED[form](content) if form in DOCUMENTED else _run(form, content)
        (dump,) = read_dumps(text)
        # So few bytes, or two of the same at the beginning, may begin as a message in two orders; then none is given.
        alike = len(content) < 12 or content[:1] == content[1:2]
        assert dump.content == content or (dump.unclear and alike), (len(content), text)
        assert not [code for code, _ in dump.notes if code.startswith("hex-row")]


@pytest.mark.parametrize("form", [*PROGRAMS, *DOCUMENTED, *WITHOUT_OFFSETS])
def test_a_message_in_a_dump_of_every_length(form: str) -> None:
    for content in contents(range(20, 71, 3), message=True)[::_STEP]:
        text = DOCUMENTED[form](content) if form in DOCUMENTED else _run(form, content)
        assert [each.encoded for each in read_pasted(text).found] == [content], (len(content), text)


@pytest.mark.parametrize("form", WORDS_WITHOUT_LENGTH)
def test_words_without_a_length(form: str) -> None:
    for content in contents(range(20, 71), message=True)[::_STEP]:
        (found,) = read_pasted(_run(form, content)).found
        assert found.encoded == content, (len(content), found.encoded)


@pytest.mark.parametrize("form", [*PROGRAMS, *WITHOUT_OFFSETS, *WORDS_WITHOUT_LENGTH])
def test_a_whole_message_and_one_that_is_cut(form: str) -> None:
    request = talk.message(19)
    assert [each.encoded for each in read_pasted(_run(form, request)).found] == [request]
    if form not in WORDS_WITHOUT_LENGTH:
        cut = request[:1001]
        assert [each.encoded for each in read_pasted(_run(form, cut)).found] == [cut]


@pytest.mark.parametrize("form", ["od", "od -b", "od -t u1", "od -t x4", "xxd -b", "hexdump -d"])
def test_repeated_and_missing_rows_of_other_numbers(form: str) -> None:
    inner = OID + b"\x82\x04\x00" + b"\0" * 900 + bytes(range(124))
    message = b"\x30\x82" + len(inner).to_bytes(2, "big") + inner
    lines = _run(form, message).splitlines(keepends=True)
    assert [each.encoded for each in read_pasted(b"".join(lines)).found] == [message]
    if form != "xxd -b":
        assert b"*\n" in lines
    request = _run(form, talk.message(19)).splitlines(keepends=True)
    (found,) = read_pasted(b"".join(request[:7] + request[9:])).found
    assert found.encoded == talk.message(19)[: len(found.encoded)]
    assert [code for code, _ in found.notes if code.startswith("hex-row")] == ["hex-rows-missing"]


def test_octal_escapes_of_printf() -> None:
    request = talk.message(19)
    octal = "".join(f"\\{byte:03o}" for byte in request)
    assert _run("printf '%b' '" + octal.replace("\\", "\\0") + "'", b"") == request
    for text in (octal, f"printf '{octal}' > msg.der", f'char msg[] = "{octal}";'):
        assert [each.encoded for each in read_pasted(text.encode()).found] == [request]


@pytest.mark.parametrize("numbers", ["cat -n", "nl -ba", "grep -n ''"])
@pytest.mark.parametrize("form", ["base64", "xxd -p", "xxd"])
def test_line_numbers_are_no_part_of_it(form: str, numbers: str) -> None:
    request = talk.message(19)
    text = _run(numbers, _run(form, request))
    assert [each.encoded for each in read_pasted(text).found] == [request]


def test_names_of_characters_are_refused() -> None:
    with pytest.raises(DecodeError, match=r"od -a.*use xxd"):
        read_pasted(_run("od -a", talk.message(19)))


def test_what_can_be_read_in_two_ways_is_refused() -> None:
    """Words that begin as a message in both orders: each is plausible, so neither is given, and the input says why."""
    text = b"0000000 30300630 30300c0c 01020304 05060708\n0000020\n"
    assert bytes.fromhex("30300630")[::-1].hex() == "30063030"
    (dump,) = read_dumps(text)
    assert dump.content == b""
    with pytest.raises(DecodeError, match=r"two ways \(hex and hex of a little-endian machine\)"):
        read_pasted(text)
