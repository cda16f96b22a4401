"""SIGINT and SIGTERM at any moment: exit code 130, no traceback, no process and no temporary file left behind.

`make test` tries one moment for each command and signal, the same each time; `make properties` ten others each time.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scep_analyzer.engines import _WORTH_BYTES
from tests.builders import pki
from tests.builders.scene import CA, ENCRYPTER, SIGNER
from tests.conftest import CAPTURES, DEPTH
from tests.hostile.recipes import CACERT, answer, capture

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

SIGNALS = (signal.SIGINT, signal.SIGTERM)
MOMENTS = min(DEPTH, 10)
"""For each command and signal."""
_TRIES = 5
"""So often more, where the program was through before each of the moments."""
_SEED = 8894 if DEPTH == 1 else random.randrange(1 << 32)
COMMANDS = {
    "two processes": ("timeline", "{large}"),
    "jobs": ("timeline", "--jobs", "2", "{large}", "{small}"),
    "report": ("report", "{large}", "-o", "{out}/page.html"),
    "extract": ("extract", "{large}", "-o", "{out}/files"),
    "json": ("timeline", "{large}", "-f", "json"),
}


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A capture that is read in a process of its own."""
    path = tmp_path_factory.mktemp("signals") / "large.pcap"
    scep = (CACERT, answer(pki.degenerate([CA, SIGNER, ENCRYPTER])))
    other = (b"GET /big HTTP/1.1\r\n\r\n", answer(bytes(60_000), "text/plain"))  # size that costs little to read
    path.write_bytes(capture(*[scep, *[other] * 7] * 30))
    assert path.stat().st_size > _WORTH_BYTES
    return path


def _takes_sigterm(process: int) -> bool:
    """Whether our first lines have run: they say what SIGTERM does, Python alone does not (SigCgt, proc(5))."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return bool(int(status.partition("SigCgt:")[2].split()[0], 16) >> (signal.SIGTERM - 1) & 1)


def _group(leader: int) -> list[str]:
    """What still runs of a session, zombies apart."""
    found = []
    for each in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = each.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if int(words[3]) == leader and words[0] != "Z":
            found.append(each.parent.name)
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_a_signal_at_any_moment(name: str, large: Path, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    words = [each.format(large=large, small=CAPTURES[0], out=tmp_path) for each in COMMANDS[name]]
    environment = {**os.environ, "TMPDIR": str(temporary)}

    def started() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "scep_analyzer", *words, *(["--force"] if "-o" in words else [])],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )

    def interrupted(number: signal.Signals, part: float) -> bool:
        """Send the signal when this part of a run is over; gives whether it came before the end."""
        process = started()
        # Python's own start comes before our first line; what it does with a signal is its business.
        while not _takes_sigterm(process.pid) and process.poll() is None:
            time.sleep(0.002)
        time.sleep(part * takes / 2)  # other programs may have slowed the first one
        os.killpg(process.pid, number)  # as a terminal does
        _, errors = process.communicate(timeout=60)
        said = f"{number.name} at {part} of {takes} s: {errors!r}"
        assert process.returncode in (0, 130), said
        assert b"Traceback" not in errors and b"Exception" not in errors, said
        deadline = time.monotonic() + 10
        while (left := _group(process.pid)) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not left, said
        assert not list(temporary.iterdir()), said
        return process.returncode == 130

    began = time.monotonic()
    whole = started()
    _, errors = whole.communicate(timeout=120)
    assert whole.returncode == 0, errors
    takes = time.monotonic() - began
    for number in SIGNALS:
        chance = random.Random(f"{_SEED} {name} {number}")
        came = 0
        for at in range(MOMENTS + _TRIES):
            came += interrupted(number, chance.random())
            if came and at + 1 >= MOMENTS:
                break
        assert came, number
