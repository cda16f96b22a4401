"""Numbers that a peer or a file wrote: other digits than ASCII's, more of them than Python converts, sums beyond the calendar."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from scep_analyzer.model.values import decimal
from tests.builders.scene import ENCRYPTER
from tests.conftest import ROOT, Result
from tests.hostile.recipes import answer, capture

Program = Callable[..., Result]
ODD = ["²", "٣", "9" * 5000, "-1", "+1", "1_0", " 1", "", "1e3", "0x1"]
MARK = b"[scep-analyzer] "


@pytest.mark.parametrize("text", ODD)
def test_what_is_no_number_is_none(text: str) -> None:
    assert decimal(text) is None
    assert decimal(None) is None
    assert [decimal("007"), decimal("200", 3), decimal("2000", 3)] == [7, 200, None]


@pytest.mark.parametrize(
    ("date", "age"),
    [("Thu, 01 Jan 2026 00:00:00 GMT", each) for each in ("²", "9" * 5000, "\xb9\xb2")]
    + [("Fri, 31 Dec 9999 23:59:59 GMT", "99999999")],
)
def test_the_age_of_a_response(date: str, age: str, scep_analyzer: Program, tmp_path: Path) -> None:
    path = tmp_path / "age.pcap"
    request = b"GET /scep?operation=GetCACert HTTP/1.1\r\nHost: h\r\n\r\n"
    head = f"Date: {date}\r\nAge: AGE\r\n"
    response = answer(ENCRYPTER, "application/x-x509-ca-cert", more=head).replace(b"AGE", age.encode("latin-1"))
    path.write_bytes(capture((request, response)))
    result = scep_analyzer("diagnose", path, "--all", "--fail-on", "never")
    assert (result.code, result.err) == (0, "")
    assert "please report" not in result.out


@pytest.mark.parametrize("digits", ODD[:3])
@pytest.mark.parametrize("field", ["s-port", "sc-status", "sc-substatus", "sc-bytes", "time-taken"])
def test_the_fields_of_a_log_of_iis(field: str, digits: str, scep_analyzer: Program, tmp_path: Path) -> None:
    names = "date time s-ip cs-method cs-uri-stem cs-uri-query s-port c-ip sc-status sc-substatus sc-bytes time-taken"
    values = ["2026-03-02", "09:00:00", "192.0.2.1", "GET", "/scep", "operation=GetCACaps", "80", "192.0.2.2"]
    usual = " ".join([*values, "200", "0", "17", "3"])
    row = dict(zip(names.split(), usual.split(), strict=True)) | {field: digits}
    path = tmp_path / "ex.log"
    text = f"#Software: Microsoft Internet Information Services 10.0\n#Fields: {names}\n{usual}\n{' '.join(row.values())}\n"
    path.write_text(text, encoding="utf-8")
    result = scep_analyzer("timeline", path, "-f", "json")
    assert (result.code, result.err) == (0, "")
    assert len(result.json["exchanges"]) == (1 if field == "sc-status" else 2)


def _block(kind: int, body: bytes) -> bytes:
    length = struct.pack("<I", 12 + len(body))
    return struct.pack("<I", kind) + length + body + length


@pytest.mark.parametrize("length", ["9" * 6000, "9" * 20, "٣", "-1"])
def test_a_comment_that_only_looks_like_ours(length: str, scep_analyzer: Program, tmp_path: Path) -> None:
    text = MARK + f"x [section length {length}]".encode()
    option = struct.pack("<HH", 1, len(text)) + text + bytes(-len(text) % 4) + bytes(4)
    section = _block(0x0A0D0D0A, struct.pack("<IHHQ", 0x1A2B3C4D, 1, 0, 2**64 - 1) + option)
    path, out = tmp_path / "a.pcapng", tmp_path / "b.pcapng"
    path.write_bytes(section + _block(1, struct.pack("<HHI", 1, 0, 65535)))
    for words in (["--strip"], []):
        result = scep_analyzer("annotate", path, "-o", out, "--force", *words)
        assert (result.code, result.err) == (0, "")
        assert b"section length 9" not in out.read_bytes() or not words


@pytest.mark.parametrize("seconds", ODD[:3])
def test_the_time_of_a_line_of_the_journal(seconds: str) -> None:
    from scep_analyzer.pasted.structured import _iso

    assert _iso(seconds) == seconds
    assert _iso("1767225600.5") == "2026-01-01T00:00:00.5Z"


def test_bytes_that_look_like_what_tshark_says_of_a_gap() -> None:
    from scep_analyzer.engines.tshark import _MISSING

    assert _MISSING.fullmatch(b"[1460 bytes missing in capture file].\0") is not None
    assert _MISSING.fullmatch(b"[" + b"9" * 5000 + b" bytes missing in capture file]") is None


@pytest.mark.parametrize(
    "time", ["31/Dec/9999:23:59:59 -0100", "01/Jan/0001:00:00:00 +0100", "31/Feb/2026:00:00:00 +0000"]
)
def test_a_log_beyond_the_calendar(time: str, scep_analyzer: Program, tmp_path: Path) -> None:
    line = '192.0.2.2 - - [{}] "GET /scep?operation=GetCACaps HTTP/1.1" 200 17\n'
    path = tmp_path / "access.log"
    path.write_text(line.format("02/Mar/2026:09:00:00 +0000") + line.format(time), encoding="ascii")
    result = scep_analyzer("timeline", path, "-f", "json")
    assert (result.code, result.err) == (0, "")
    assert len(result.json["exchanges"]) == 1


@pytest.mark.parametrize("seconds", [253402300799, 0, -62135596800])
def test_a_capture_at_the_ends_of_the_calendar(seconds: int, scep_analyzer: Program, tmp_path: Path) -> None:
    """The same packets, in a pcapng whose offset of time (if_tsoffset) moves them to the year 1 and to 9999."""
    source = (ROOT / "captures" / "scenarios" / "ndes-get-enrollment.pcap").read_bytes()
    options = struct.pack("<HHqHH", 14, 8, seconds, 0, 0)
    blocks = [_block(0x0A0D0D0A, struct.pack("<IHHQ", 0x1A2B3C4D, 1, 0, 2**64 - 1))]
    blocks.append(_block(1, struct.pack("<HHI", 1, 0, 65535) + options))
    at = 24
    while at < len(source):
        length, wire = struct.unpack_from("<II", source, at + 8)
        data = source[at + 16 : at + 16 + length]
        blocks.append(_block(6, struct.pack("<IIIII", 0, 0, 0, length, wire) + data + bytes(-length % 4)))
        at += 16 + length
    path = tmp_path / "time.pcapng"
    path.write_bytes(b"".join(blocks))
    for words in (
        ["diagnose", "--all", "--fail-on", "never"],
        ["timeline", "-f", "json"],
        ["report", "-o", "-", "--all"],
        ["list"],
    ):
        result = scep_analyzer(
            *words, path, "--key", ROOT / "captures" / "keys" / "ra-encryption.pem", "--engine", "builtin"
        )
        assert (result.code, result.err) == (0, "")
        assert "please report" not in result.out
    assert len(scep_analyzer("timeline", path, "-f", "json").json["exchanges"]) == 2
