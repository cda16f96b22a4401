"""Fuzzing of the compiled part: mixtures of traffic and real captures, damaged, must give the same with it and without it.

``make fuzz-native`` builds it with gcc's address and undefined-behavior sanitizers and runs this; an access outside of a record ends the
process there. ``python -m tests.fuzz.native SECONDS [SEED]`` runs with what is installed. What fails is kept in build/fuzz.
"""

import os
import random
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from scep_analyzer.capture import skim
from scep_analyzer.capture.files import CaptureFiles
from scep_analyzer.engines import builtin
from scep_analyzer.engines.builtin import Item
from scep_analyzer.link.decode import Decoder
from scep_analyzer.model.anomalies import AnalyzerError
from scep_analyzer.model.limits import LIMITS, Limits
from scep_analyzer.model.packets import CaptureFacts
from scep_analyzer.sieve.flows import Flows
from tests import files
from tests.builders import wire
from tests.conftest import CAPTURES
from tests.sieve.test_invariant import EXCHANGES, mixture

FOLDER = Path("build/fuzz")
Outcome = tuple[list[Item], list[CaptureFacts], object]

FEW = [
    LIMITS,
    LIMITS._replace(connections=12),
    LIMITS._replace(connections=30, held_bytes=2_000, followed_connections=3, header_bytes=600),
    LIMITS._replace(held_bytes=300, body_bytes=900, out_of_order_bytes=2_000),
]
"""Limits so low that a small capture meets them."""


def through(path: Path, limits: Limits = LIMITS) -> Outcome:
    """What the builtin engine's stages find with these limits, and what they count beside."""
    flows, decoder = Flows(limits, regular=skim.regular()), Decoder()
    tight = lambda: builtin.tight(flows, decoder)  # noqa: E731
    reading = CaptureFiles([str(path)], None, tight)
    found = list(builtin.staged(reading, flows, decoder, limits))
    beside = flows.requests, flows.left_out, flows.tls_servers, decoder.notices.noted(), decoder.notices.forgotten
    return found, reading.facts, beside


def both(path: Path, limits: Limits = LIMITS) -> tuple[Outcome, Outcome]:
    """With the compiled part, and without it."""
    assert skim.COMPILED
    compiled = through(path, limits)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(skim, "COMPILED", False)
        return compiled, through(path, limits)


def traffic(chance: random.Random) -> bytes:
    """A capture of conversations at the same time."""
    names = chance.sample(sorted(EXCHANGES), chance.randint(2, len(EXCHANGES)))
    harm: Any = {each: chance.choice([0.0, 0.0, 0.02, 0.1]) for each in ("loss", "swap", "repeat")}
    return mixture(
        chance.getrandbits(32),
        [[chance.choice(names) for _ in range(chance.randint(1, 5))] for _ in range(chance.randint(1, 20))],
        chance.choice([8, 90, 536, 1460, 20_000]),
        harm,
        chance.choice(sorted(wire.LINKS)),
        chance.choice([65535, 65535, 65535, 300, 96]),
    )


def damaged(chance: random.Random, data: bytes) -> bytes:
    """Bytes changed, records' lengths too; parts taken out, doubled, and cut off at the end."""
    changed = bytearray(data)
    for _ in range(chance.choice([0, 0, 1, 3, 20])):
        at = chance.randrange(24, len(changed))
        what = chance.randrange(8)
        if what < 6:
            changed[at] = chance.choice([0, 1, 0x0A, 0x0D, 0x45, 0x60, 0xFF, chance.randrange(256), changed[at] ^ 1])
        elif what == 6:
            del changed[at : at + chance.randint(1, 40)]
        else:
            changed[at:at] = changed[at : at + chance.randint(1, 200)]
        if len(changed) < 30:
            return bytes(changed)
    return bytes(changed[: chance.randrange(24, len(changed))] if chance.random() < 0.1 else changed)


TALK = [
    *[b""] * 4,
    b"x",
    b"\x16\x03\x01\0",
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
]


def floods(chance: random.Random) -> bytes:
    """Many connections at once, opened, refused, opened again on the same ports, and left."""
    records = []
    for at in range(chance.randint(20, 120)):
        port, there = 4000 + chance.randrange(12), chance.random() < 0.5
        flags = chance.choice([wire.SYN, wire.SYN, wire.SYN | wire.ACK, wire.ACK, wire.RST, wire.FIN | wire.ACK])
        content = chance.choice(TALK)
        ends = ("10.0.0.1", "10.0.1.1", port, 80) if there else ("10.0.1.1", "10.0.0.1", 80, port)
        numbers = chance.choice([1, 2, 28, 2**32 - 1]), chance.choice([1, 2, 28, 39])
        packet = wire.ip(
            ends[0], ends[1], 6, wire.tcp(ends[2], ends[3], *numbers, flags, content if flags == wire.ACK else b"")
        )
        records.append(files.pcap_record(wire.ethernet(packet), seconds=1_000 + at // 50, fraction=at % 50))
    return files.pcap_header() + b"".join(records)


def one(seed: int, path: Path) -> None:
    """One input; raises AssertionError where the two differ."""
    chance = random.Random(seed)
    kind = chance.random()
    data = traffic(chance) if kind < 0.6 else floods(chance) if kind < 0.75 else chance.choice(CAPTURES).read_bytes()
    path.write_bytes(damaged(chance, data))
    try:
        compiled, plain = both(path, chance.choice(FEW))
    except AnalyzerError:
        return  # no capture any more
    assert compiled == plain


def main() -> None:
    """For some seconds."""
    if not skim.COMPILED:
        sys.exit("the compiled part was not built: apt-get install gcc python3-dev, and `make test` again")
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(2**32)
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"native-{os.getpid()}.pcap"
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        try:
            one(seed + count, path)
        except Exception:
            kept = path.rename(FOLDER / f"native-{seed + count}.pcap")
            sys.stdout.write(f"fails: {kept}; python -m tests.fuzz.native 1 {seed + count}\n")
            raise
        count += 1
    path.unlink(missing_ok=True)
    sys.stdout.write(f"native: {count} captures read twice, the same both times (seeds {seed} to {seed + count - 1})\n")


if __name__ == "__main__":
    main()
