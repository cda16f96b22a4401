"""Fuzzing that knows the formats: ASN.1 whose lengths stay right, HTTP, pcapng. Time and memory are failures as exceptions are.

``python -m tests.fuzz.structured SECONDS [SEED]``; what fails is kept in build/fuzz, and the line that finds it again is printed. Coverage
guides ``tests/fuzz/run.py``; this finds what is behind a length or a name that random bytes never get right.
"""

import contextlib
import copy
import io
import os
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from functools import cache
from pathlib import Path

from scep_analyzer.cli import main as program
from scep_analyzer.rules.judge import Judge
from tests import files, talk
from tests.builders import pki
from tests.builders.scene import CA, ENCRYPTER, ISSUED, SIGNER
from tests.fuzz.cost import CostlyError, bounded
from tests.hostile.recipes import CACERT, answer, capture, tlv

_LARGEST = 512 * 1024
_IMPORTING = 30

Tree = list["tuple[int, Tree | bytes]"]
"""Elements: the first byte of the tag, and what is inside."""

CONTENTS = [
    b"", b"\0", b"\xff" * 16, b"\x01" * 2000, b"\x80" + bytes(64), b"99991231235959Z", b"00010101000000+1200", b"20300101000000",
    b"490101000000-2359", b"991231235959Z", b"\x2a" + b"\xff" * 200 + b"\x01", b"\x55\x04\x03", b"\xff\xfe\xed",
    "\u202e\x1b[31m\n".encode(),
    b"<script>" * 40, b"=cmd|' /C calc'!A0", b"../../../x\0", b"A" * 5000, b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x07", b"1" * 5000,
    b"-1", b"\xd8\x00" * 9,
]  # fmt: skip
TAGS = (
    0x01,
    0x02,
    0x03,
    0x04,
    0x05,
    0x06,
    0x0A,
    0x0C,
    0x13,
    0x16,
    0x17,
    0x18,
    0x1E,
    0x1C,
    0x24,
    0x30,
    0x31,
    0x80,
    0x86,
    0xA0,
    0xA1,
    0xA3,
)


def parsed(data: bytes, depth: int = 0) -> Tree | None:
    """The elements that the bytes are, None where they are none."""
    tree: Tree = []
    at = 0
    while at < len(data):
        if at + 2 > len(data) or data[at] & 0x1F == 0x1F:
            return None
        size, start = data[at + 1], at + 2
        if size > 0x80:
            start += size & 0x7F
            size = int.from_bytes(data[at + 2 : start], "big")
        elif size == 0x80:
            return None
        if start + size > len(data):
            return None
        content = data[start : start + size]
        inside = parsed(content, depth + 1) if data[at] & 0x20 or (content[:1] == b"\x30" and depth < 20) else None
        tree.append((data[at], inside if inside is not None else content))
        at = start + size
    return tree


def written(tree: Tree, chance: random.Random, indefinite: float = 0.0) -> bytes:
    """The bytes of elements, some of indefinite length."""
    pieces = []
    for tag, inside in tree:
        content = inside if isinstance(inside, bytes) else written(inside, chance, indefinite)
        if tag & 0x20 and chance.random() < indefinite:
            pieces.append(bytes([tag, 0x80]) + content + b"\0\0")
        else:
            pieces.append(tlv(tag, content))
    return b"".join(pieces)


_MOST_NODES = 100_000
"""Elements that are made at most by repeating one."""


def _nodes(tree: Tree) -> list[tuple[Tree, int]]:
    """Every element as its siblings and its place among them; some were put into each other deeper than functions may call themselves."""
    found: list[tuple[Tree, int]] = []
    waiting = [tree]
    while waiting:
        siblings = waiting.pop()
        found += [(siblings, at) for at in range(len(siblings))]
        waiting += [inside for _, inside in siblings if isinstance(inside, list)]
    return found


def mutated(tree: Tree, others: list[Tree], chance: random.Random) -> None:
    """Change one place."""
    nodes = _nodes(tree)
    if not nodes:
        return
    siblings, at = chance.choice(nodes)
    tag, inside = siblings[at]
    what = chance.randrange(8)
    if what == 0:
        siblings[at] = tag, chance.choice(CONTENTS)
    elif what == 1:
        siblings[at] = chance.choice(TAGS), inside
    elif what == 2:
        del siblings[at]
    elif what == 3:
        times = 1 << chance.randrange(12)  # what is repeated within what was repeated grows beyond memory
        siblings[at:at] = [siblings[at]] * min(times, _MOST_NODES // len(nodes))
    elif what == 4:
        other, place = chance.choice(_nodes(chance.choice(others)))
        siblings[at] = copy.deepcopy(other[place])  # or it could come to hold itself
    elif what == 5:
        for _ in range(1 << chance.randrange(8)):
            siblings[at] = chance.choice((0x30, 0x31, 0xA0, 0x24)), [siblings[at]]
    elif what == 6:
        chance.shuffle(siblings)
    elif isinstance(inside, bytes) and inside:
        changed = bytearray(inside)
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
        siblings[at] = tag, bytes(changed)


LINES = [
    b"Content-Encoding: gzip, gzip, deflate", b"Transfer-Encoding: chunked", b"Content-Length: 99999999999999999999",
    b"Content-Length: -1",
    b"Location: http://u:p@h/?challenge=x", b"Content-Type: text/html", b"Content-Type: application/x-pki-message",
    b"WWW-Authenticate: NTLM AAAA",
    b"X: " + b"a" * 4000, b" folded", b"Host: \x1b[2J", b"Connection: close", b"Expect: 100-continue", b"User-Agent: =1+1",
]  # fmt: skip


def http(chance: random.Random, body: bytes) -> bytes:
    """A capture of exchanges whose heads are odd."""
    talks = []
    for _ in range(chance.randrange(1, 6)):
        target = chance.choice(
            ["/scep?operation=GetCACert", "/scep?operation=GetCACaps&x=" + "%2525" * 300, talk.POST, "/certsrv/mscep_admin/",
             "/scep?operation=../x\x00",
             talk.get(body[:4000]), "http://u:p@h/scep?operation=GetCACaps"]
        )  # fmt: skip
        extra = b"".join(line + b"\r\n" for line in chance.choices(LINES, k=chance.randrange(5)))
        method = chance.choice((b"GET", b"POST", b"HEAD"))
        sent = body if method == b"POST" else b""
        asked = method + b" " + target.encode("latin-1", "replace") + b" HTTP/1.1\r\n" + extra
        asked += b"Content-Length: %d\r\n\r\n" % len(sent) + sent
        given = chance.choice(
            [body, b"<" * 5000, b"AES\r\nPOSTPKIOperation\n" * 50, b"", b"<html>challenge password</html>", body * 3]
        )
        status = chance.choice([b"200 OK", b"302 Found", b"500 Error", b"100 Continue", b"401 No", b"204 No"])
        extra = b"".join(line + b"\r\n" for line in chance.choices(LINES, k=chance.randrange(5)))
        kind = chance.choice(["application/x-pki-message", "application/x-x509-ca-ra-cert", "text/html"])
        length = b"" if chance.random() < 0.2 else b"Content-Length: %d\r\n" % len(given)
        head = b"HTTP/1.1 " + status + b"\r\nContent-Type: " + kind.encode() + b"\r\n" + extra
        talks.append((asked, head + length + b"\r\n" + given))
    return capture(*talks)


def pcapng(chance: random.Random, body: bytes) -> bytes:
    """Blocks in any number and order, some with odd options and lengths."""
    packets = capture((CACERT, answer(body[:50_000])))
    records, at = [], 24
    while at + 16 <= len(packets):
        size = int.from_bytes(packets[at + 8 : at + 12], "little")
        records.append(packets[at + 16 : at + 16 + size])
        at += 16 + size
    blocks = [files.section()]
    for _ in range(chance.randrange(1, 12)):
        times = 1 << chance.randrange(10) if chance.random() < 0.3 else 1
        blocks += chance.choice([
            [files.interface(link_type=chance.choice((1, 101, 113, 65535)), options=files.option(9, bytes([chance.randrange(256)])))],
            [files.interface(options=files.option(14, bytes([chance.randrange(256)] * 8)))],
            [files.enhanced(each, number, index=chance.randrange(3)) for number, each in enumerate(records)],
            [files.simple(each) for each in records],
            [files.block(10, b"KSLT" + (100).to_bytes(4, "little") + b"CLIENT_RANDOM " + b"0" * 86)],
            [files.block(chance.choice((4, 5, 0xBAD, 77)), chance.randbytes(chance.randrange(200)))],
            [files.section(chance.choice("<>"))],
        ]) * times  # fmt: skip
        if sum(map(len, blocks)) > _LARGEST:
            break
    return b"".join(blocks)


@cache
def _seeds() -> list[bytes]:
    return [talk.message(19), talk.reply(0, issued=True), talk.reply(2, fail_info=2), pki.degenerate([CA, SIGNER, ENCRYPTER]), CA,
            pki.request(pki.name(CN="d"), pki.key("client"), "x"), ISSUED]  # fmt: skip


def inputs(chance: random.Random) -> tuple[str, bytes]:
    """A command's kind (``capture`` or ``decode``) and an input for it."""
    ders = _seeds()
    trees = [tree for der in ders if (tree := parsed(der)) is not None]
    tree = parsed(chance.choice(ders)) or []
    for _ in range(chance.randrange(1, 6)):
        mutated(tree, trees, chance)
    try:
        der = written(tree, chance, chance.choice((0, 0, 0.3)))[:_LARGEST]
    except RecursionError:  # of this harness: too deep to be written so
        return inputs(chance)
    kind = chance.randrange(5)
    if kind == 0:
        return "decode", der
    if kind == 1:
        return "capture", capture(
            (
                f"POST {talk.POST} HTTP/1.1\r\nContent-Length: {len(der)}\r\n\r\n".encode() + der,
                answer(der, talk.PKI_MESSAGE),
            )
        )
    if kind == 2:
        return "capture", capture((CACERT, answer(der)), (CACERT, answer(der)))
    return "capture", (http if kind == 3 else pcapng)(chance, der)


def run(kind: str, data: bytes, folder: Path, chance: random.Random) -> None:
    """Give an input to a command, and another one to a second."""
    path = folder / "input"
    path.write_bytes(data)
    key = str(Path(__file__).parent.parent.parent / "captures" / "keys" / "client.pem")
    captures = [["timeline"], ["timeline", "-f", "json"], ["timeline", "-f", "jsonl"], ["diagnose"], ["diagnose", "-f", "markdown"],
                ["show", "1", "--bytes"], ["extract", "-o", str(folder / "out"), "--force"],
                ["timeline", "--key", key, "--verbose", "--local"]]  # fmt: skip
    choices = captures if kind == "capture" else [["decode"], ["decode", "--bytes"], ["decode", "-f", "json"]]
    command = chance.choice(choices)
    words = [command[0], str(path), *command[1:]]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        program(words)


def main(seconds: float, seed: int, report: Callable[[str], object] = print) -> int:
    """Fuzz that long; gives how many inputs failed."""
    Judge.strict = True
    os.environ["PATH"] = ""  # as in run.py: tshark would be asked about what is no capture
    kept = Path("build") / "fuzz"
    kept.mkdir(parents=True, exist_ok=True)
    ended = time.monotonic() + seconds
    count = found = 0
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < ended:
            this = seed + count
            chance = random.Random(this)
            kind, data = inputs(chance)
            why = ""
            try:
                # The first ones pay for what they import.
                with bounded() if count >= _IMPORTING else contextlib.nullcontext():
                    run(kind, data, Path(folder), chance)
            except CostlyError as error:
                why = str(error)
            except (Exception, SystemExit):  # SystemExit: this harness has called a command wrongly
                why = traceback.format_exc()
            count += 1
            if why:
                found += 1
                (kept / f"structured-{this}").write_bytes(data)
                report(f"build/fuzz/structured-{this} ({kind}, {len(data):,} bytes): {why}")
    report(f"structured: {count:,} inputs, seeds {seed} to {seed + count - 1}, {found} findings")
    return found


if __name__ == "__main__":
    sys.exit(min(main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else time.time_ns() % 10**9), 1))
