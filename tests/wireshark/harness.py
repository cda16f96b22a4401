"""Wireshark for tests: Debian's 4.0 as one process (sharkd, which comes with tshark), and 4.4 as WebAssembly (npm)."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.wireshark.truth import SCRIPT, Shown

WIREGASM = "@goodtools/wiregasm@1.9.1"
_NPM_SECONDS = 300
_LOADS = 60


class Frame(NamedTuple):
    """What a frame shows: each ``scep.*`` field with its values as display filters write them, and each Lua error."""

    frame: int
    fields: dict[str, list[str]]

    @property
    def is_message(self) -> bool:
        return self.message[1:] != ("",) * 6

    @property
    def message(self) -> Shown:
        return Shown(self.frame, *(self._first(name) for name in Shown._fields[1:]))

    def _first(self, name: str) -> str:
        value = self.fields.get(f"scep.{name}", [""])[0]
        if name.endswith("nonce"):
            return value.replace(":", "")
        return json.loads(value) if value.startswith('"') else value


class Dissected(NamedTuple):
    """A capture: the frames that show SCEP or a Lua error, and those marked as malformed."""

    frames: list[Frame]
    malformed: set[int]

    @property
    def messages(self) -> set[Shown]:
        return {each.message for each in self.frames if each.is_message}

    @property
    def lua_errors(self) -> list[tuple[int, str]]:
        return [(each.frame, text) for each in self.frames for text in each.fields.get("_ws.lua.error", ())]


class Sharkd:
    """One sharkd process. ``home`` is where it looks for its personal plugins; without a plugin there it is plain Wireshark."""

    def __init__(self, home: Path, *, plugin: bool) -> None:
        if plugin:
            folder = home / ".local/lib/wireshark/plugins"
            folder.mkdir(parents=True)
            shutil.copy(SCRIPT, folder)
        self._environment = {**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config")}
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            ["sharkd", "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self._environment,
        )
        self._number = self._loads = 0
        self.ask("setconf", name="tcp.reassemble_out_of_order", value="TRUE")

    def ask(self, method: str, **parameters: object) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._number += 1
        asked = {"jsonrpc": "2.0", "id": self._number, "method": method, "params": parameters}
        self._process.stdin.write(json.dumps(asked).encode() + b"\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if not line.startswith(b'{"jsonrpc"'):
                continue  # what sharkd prints beside its answers
            answer = json.loads(line.decode("utf-8", "replace"), strict=False)  # its strings are bytes of the capture
            if answer.get("id") == self._number:
                return answer.get("result")
        raise RuntimeError(f"sharkd ended over {parameters}")

    def dissect(self, path: Path) -> Dissected:
        self._loads += 1
        if self._loads > _LOADS:  # it keeps some 10 MB of every capture that it has loaded
            self.close()
            self._start()
        self.ask("load", file=str(path))
        frames = []
        for each in self.frames("scep || _ws.lua.error") or ():
            found: dict[str, list[str]] = {}
            _collect(self.ask("frame", frame=each, proto=True)["tree"], found)
            frames.append(Frame(each, found))
        return Dissected(frames, set(self.frames("_ws.malformed") or ()))

    def frames(self, display_filter: str) -> list[int] | None:
        """The frames of the loaded capture that a filter lets through, None where the filter is invalid."""
        # sharkd remembers what a filter gave, also for the capture before: a number makes it another filter.
        answer = self.ask("frames", filter=f"({display_filter}) && frame.number < {1_000_000_000 + self._number}")
        return None if answer is None else [each["num"] for each in answer]

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def _collect(nodes: Iterable[dict[str, Any]], found: dict[str, list[str]]) -> None:
    for node in nodes:
        name, _, value = node.get("f", "").partition(" == ")
        if name.startswith(("scep.", "_ws.lua")):
            found.setdefault(name, []).append(value or node.get("l", ""))
        _collect(node.get("n", ()), found)


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
    """What Wireshark 4.4 shows for each capture."""
    command = ["node", str(Path(__file__).with_name("wiregasm.mjs")), str(dist), str(SCRIPT), *map(str, captures)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for line in process.stdout:
            told = json.loads(line)
            frames = [Frame(each["frame"], each["fields"]) for each in told["frames"]]
            yield Path(told["capture"]), Dissected(frames, set(told["malformed"]))
    assert process.returncode == 0
