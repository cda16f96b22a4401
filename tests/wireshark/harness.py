"""Wireshark for tests: Debian's 4.0 (tshark), and 4.4 as WebAssembly (npm)."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.wireshark.merged import Merged
from tests.wireshark.truth import FIELDS, SCRIPT, Shown

WIREGASM = "@goodtools/wiregasm@1.9.1"
_NPM_SECONDS = 300
_EVERY_ORDER = ("-o", "tcp.reassemble_out_of_order:TRUE")
_COLUMNS = (*FIELDS, "scep.damaged", "cms.contentType", "_ws.lua.error", "_ws.malformed")
_BETWEEN = "\x1f"
_NO_FILTER = (2, 4)
"""The exit codes of tshark for a filter that is none: of 4.0, and of newer ones."""


class Frame(NamedTuple):
    """What a frame shows: its message, and the first text of what should not be there."""

    message: Shown
    damaged: str
    cms: str
    lua_error: str
    malformed: str


class Dissected(NamedTuple):
    """A capture: the frames that show SCEP, a Lua error, or that something is malformed."""

    frames: list[Frame]

    @property
    def messages(self) -> set[Shown]:
        return {each.message for each in self.frames if each.message[1:] != ("",) * 6}

    @property
    def lua_errors(self) -> list[tuple[int, str]]:
        return [(each.message.frame, each.lua_error) for each in self.frames if each.lua_error]

    @property
    def malformed(self) -> set[int]:
        return {each.message.frame for each in self.frames if each.malformed}

    def apart(self, source: Merged) -> dict[str, "Dissected"]:
        """The captures of a merged one, by their names, with their own frame numbers."""
        found = {name: Dissected([]) for name in source.names}
        for each in self.frames:
            name, number = source.place(each.message.frame)
            found[name].frames.append(each._replace(message=each.message._replace(frame=number)))
        return found


def tshark(path: Path, *arguments: str, plugin: bool = True) -> str:
    """What Debian's tshark prints. Its home is empty, so that no plugin is loaded that somebody has installed."""
    script = ("-X", f"lua_script:{SCRIPT}") if plugin else ()
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "HOME": home, "XDG_CONFIG_HOME": home}
        command = ["tshark", "-n", "-r", str(path), *script, *arguments]
        done = subprocess.run(command, capture_output=True, check=True, env=environment)
    return done.stdout.decode("utf-8", "replace")


def filtered(path: Path, display_filter: str, *arguments: str, plugin: bool = True) -> list[int] | None:
    """The frames that a display filter lets through, None where it is no filter."""
    words = ("-Y", display_filter, "-T", "fields", "-e", "frame.number", *arguments)
    try:
        return [int(each) for each in tshark(path, *words, plugin=plugin).split()]
    except subprocess.CalledProcessError as error:
        if error.returncode not in _NO_FILTER:
            raise
        return None


def dissected(path: Path, *arguments: str) -> Dissected:
    """What the plugin shows of a capture in Wireshark 4.0, in one run."""
    fields = [word for each in _COLUMNS for word in ("-e", each)]
    shape = ("-T", "fields", "-E", "occurrence=f", "-E", f"separator={_BETWEEN}", *fields)
    lines = tshark(path, *_EVERY_ORDER, "-Y", "scep || _ws.lua.error || _ws.malformed", *shape, *arguments)
    return Dissected([_frame(line.split(_BETWEEN)) for line in lines.splitlines()])


def newly_malformed(shown: Dissected, path: Path, *arguments: str) -> set[int]:
    """The frames that Wireshark 4.0 marks as malformed with the plugin and not without it."""
    if not shown.malformed:
        return set()
    return shown.malformed - set(filtered(path, "_ws.malformed", *_EVERY_ORDER, *arguments, plugin=False) or ())


def _frame(row: list[str]) -> Frame:
    message = Shown(int(row[0]), *(each.replace(":", "") if at > 3 else each for at, each in enumerate(row[1:7])))
    return Frame(message, *row[7:])


def wiregasm(folder: Path) -> Path:
    """The folder of Wireshark 4.4 as WebAssembly, fetched once; skips with the reason where that cannot be."""
    dist = folder / "node_modules/@goodtools/wiregasm/dist"
    if dist.is_dir():
        return dist
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("npm and node are needed for Wireshark 4.4: apt-get install nodejs npm")
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder), WIREGASM],
        capture_output=True,
        text=True,
        timeout=_NPM_SECONDS,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"npm does not give {WIREGASM}: {done.stderr.strip().splitlines()[-1:]}")
    return dist


def in_wiregasm(dist: Path, captures: Iterable[Path]) -> Iterator[tuple[Path, Dissected]]:
    """What the plugin shows of each capture in Wireshark 4.4."""
    command = ["node", str(Path(__file__).with_name("wiregasm.mjs")), str(dist), str(SCRIPT), ",".join(_COLUMNS)]
    with subprocess.Popen([*command, *map(str, captures)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for line in process.stdout:
            told = json.loads(line)
            yield Path(told["capture"]), Dissected([_frame(each) for each in told["frames"]])
    assert process.returncode == 0
