"""Packet comments: added to any capture, shown by tshark, taken out again without a trace."""

import hashlib
import io
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scep_analyzer.annotate import annotate, blocks_of, origin_of, strip
from scep_analyzer.capture.source import Source
from tests import files
from tests.conftest import ROOT

REFUSED = ROOT / "captures/scenarios/ndes-refused-template.pcap"
PCAPNGS = sorted(ROOT.glob("captures/**/*.pcapng"))
COMMENT, END = 1, b"\0\0\0\0"


def annotated(capture: bytes, comments: dict[int, str]) -> tuple[bytes, Any]:
    origin = origin_of(Source(io.BytesIO(capture)))
    out = io.BytesIO()
    placed = annotate(blocks_of(Source(io.BytesIO(capture))), comments, origin, out)
    return out.getvalue(), placed


def stripped(capture: bytes) -> tuple[bytes, Any]:
    out = io.BytesIO()
    done = strip(blocks_of(Source(io.BytesIO(capture))), out)
    return out.getvalue(), done


def packet_with(options: bytes, order: str = "<") -> bytes:
    fixed = struct.pack(order + "IIIII", 0, 0, 7, 4, 4)
    return files.block(6, fixed + b"data" + options, order)


OWN = files.option(COMMENT, b"mine")
ODD_OPTIONS = {
    "none": lambda order: b"",
    "an end mark alone": lambda order: END,
    "a comment without an end mark": lambda order: files.option(COMMENT, b"mine", order),
    "a comment": lambda order: files.option(COMMENT, b"mine", order) + END,
    "bytes behind the end mark": lambda order: files.option(COMMENT, b"mine", order) + END + b"junk",
    "flags": lambda order: files.option(2, b"abcd", order) + END,
    "an option longer than the block": lambda order: struct.pack(order + "HH", COMMENT, 0xFFFF),
}


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ODD_OPTIONS)
def test_strip_gives_the_original_bytes_whatever_the_options_were(kind: str, order: str) -> None:
    secrets = files.block(10, struct.pack(order + "II", 0x544C534B, 4) + b"keys", order)
    packet = packet_with(ODD_OPTIONS[kind](order), order)
    capture = files.section(order) + secrets + files.interface(order) + packet + secrets
    told, placed = annotated(capture, {1: "hello"})
    assert stripped(told)[0] == capture
    can = kind != "an option longer than the block"
    assert (placed.frames, placed.without) == ((1, ()) if can else (0, (1,)))
    assert (b"[scep-analyzer] hello" in told) is can


def test_every_other_byte_stays_as_it_was() -> None:
    before = files.section() + files.block(0xABC, b"unknown")
    behind = files.simple(b"abcd") + files.section(">") + files.interface(">") + packet_with(b"", ">") + b"tail"
    capture = before + files.interface() + packet_with(OWN + END) + behind
    told, placed = annotated(capture, {1: "a", 2: "b", 3: "c"})
    assert (placed.frames, placed.without) == (2, (2,))  # a Simple Packet Block has no options
    assert told.endswith(b"tail")
    assert told.count(files.block(0xABC, b"unknown")) == 1
    assert told.index(b"mine") < told.index(b"[scep-analyzer] a")  # ours comes after what was there
    assert stripped(told)[0] == capture


def test_a_section_that_says_its_length() -> None:
    body = files.interface() + packet_with(b"")
    capture = files.block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, len(body))) + body
    told, _ = annotated(capture, {1: "a"})
    assert struct.unpack_from("<q", told, 16) == (-1,)
    out, done = stripped(told)
    assert out == capture
    assert done.origin.sha256 == hashlib.sha256(capture).hexdigest() == done.sha256


def test_a_second_run_replaces_the_comments_of_the_first() -> None:
    capture = files.section() + files.interface() + packet_with(b"")
    first, _ = annotated(capture, {1: "first"})
    second, _ = annotated(first, {1: "second"})
    assert b"first" not in second
    assert stripped(second)[0] == capture


@given(st.binary(max_size=400), st.integers(0, 100))
def test_damage_is_copied_as_it_is(junk: bytes, cut: int) -> None:
    whole = files.section() + files.interface() + packet_with(OWN + END)
    for capture in (whole + junk, whole[: len(whole) - cut % len(whole)] + junk):
        if capture[:4] != b"\x0a\x0d\x0d\x0a":
            continue
        told, _ = annotated(capture, {1: "a", 2: "b"})
        assert stripped(told)[0] == capture


def test_long_comments_are_cut_between_characters() -> None:
    capture = files.section() + files.interface() + packet_with(b"")
    told, _ = annotated(capture, {1: "ä" * 70_000})
    assert stripped(told)[0] == capture
    assert "…".encode() in told


needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark: apt-get install tshark")


@needs_tshark
@pytest.mark.parametrize("path", [*PCAPNGS, REFUSED], ids=lambda each: each.name)
def test_annotate_and_strip_from_the_command_line(
    path: Path, tmp_path: Path, scep_analyzer: Callable[..., Any]
) -> None:
    told, back = tmp_path / "told.pcapng", tmp_path / "back"
    done = scep_analyzer("annotate", path, "-o", told, "--min-severity", "info")
    assert (done.code, done.err) == (0, "")
    shown = subprocess.check_output(["tshark", "-n", "-r", told, "-T", "fields", "-e", "frame.comment"], text=True)
    with_comment = [line for line in shown.splitlines() if "[scep-analyzer]" in line]
    assert done.out.startswith(f"comments on {len(with_comment)} frame")
    assert with_comment
    plain = ["tshark", "-n", "-T", "fields", "-e", "frame.time_epoch", "-e", "frame.len", "-e", "tcp.payload", "-r"]
    assert subprocess.check_output([*plain, told]) == subprocess.check_output([*plain, path])
    again = scep_analyzer("annotate", told, "--strip", "-o", back)
    assert again.code == 0
    if path.suffix == ".pcapng":
        assert back.read_bytes() == path.read_bytes()
        assert hashlib.sha256(path.read_bytes()).hexdigest() in again.out
    else:
        assert hashlib.sha256(path.read_bytes()).hexdigest() in again.out  # the pcap file's own
        assert b"[scep-analyzer]" not in back.read_bytes()


@needs_tshark
def test_tls_still_decrypts_with_the_secrets_inside(tmp_path: Path, scep_analyzer: Callable[..., Any]) -> None:
    told = tmp_path / "told.pcapng"
    scep_analyzer("annotate", ROOT / "captures/tls/tls13-embedded.pcapng", "-o", told)
    command = ["tshark", "-n", "-r", told, "-Y", "frame.comment", "-T", "fields", "-e", "http.request.method"]
    out = subprocess.check_output(command, text=True)
    assert "POST" in out


def test_comments_say_what_was_found_and_no_secret(tmp_path: Path, scep_analyzer: Callable[..., Any]) -> None:
    told = tmp_path / "told.pcapng"
    scep_analyzer("annotate", REFUSED, "-o", told, "--key", ROOT / "captures/keys/ra-encryption.pem")
    data = told.read_bytes()
    assert b"certrep-ndes-hresult" in data
    assert b"PKIOperation PKCSReq" in data
    key = ROOT / "captures/keys/ra-encryption.pem"
    report = scep_analyzer("timeline", REFUSED, "-f", "json", "--key", key, "--show-secrets").json
    csr = next(each["request"]["pki_message"] for each in report["exchanges"] if each["request"]["pki_message"])
    secret = csr["envelope"]["content"]["csr"]["challenge_password"]["value"]
    assert secret
    assert secret.encode() not in data


def test_mistakes_are_one_line(tmp_path: Path, scep_analyzer: Callable[..., Any]) -> None:
    text = tmp_path / "text.pcap"
    text.write_text("no capture at all, only text")
    out = tmp_path / "out.pcapng"
    cases = [
        ((text, "-o", out), 3, "not a capture"),
        ((tmp_path / "absent", "-o", out), 3, "no such file"),
        ((REFUSED, "-o", tmp_path / "no" / "where"), 2, "cannot be written"),
        ((REFUSED, "-o", text), 2, "--force"),
        ((REFUSED, "-o", REFUSED, "--force"), 2, "the output is the input"),
        (("-", "-o", out), 2, "standard input"),
        ((tmp_path, "-o", out), 3, "directory"),
        ((text, "--strip", "-o", out), 3, "not a capture"),
    ]
    before = REFUSED.read_bytes()
    for arguments, code, says in cases:
        done = scep_analyzer("annotate", *arguments)
        assert done.code == code, done
        assert says in done.err, done
        assert done.err.count("\n") == 1, done
        assert done.out == ""
        assert not out.exists()
    assert REFUSED.read_bytes() == before
