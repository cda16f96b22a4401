"""A reader in a process of its own, held to limits of time and memory: what goes over them is ended, recorded, and stops nothing."""

import base64
import contextlib
import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scep_analyzer.fleet.reader import Outcome, Settings, fail, out_of_memory
from scep_analyzer.fleet.sources import Capture
from scep_analyzer.model.anomalies import AnalyzerError

_LOOK = 0.05
"""Seconds from one look at the clock and the memory to the next."""
_RECYCLED = 2_000
"""Captures after which a reader is started again: whatever a library may hold by then is given back."""
_WRITING = 600.0
"""Seconds for writing a batch."""


class SupervisedReader:
    """As :class:`~scep_analyzer.fleet.reader.Reader`, in a process that is started when it is needed, and again when it has ended.

    ``stopped`` says when to give up: KeyboardInterrupt is raised then.
    """

    def __init__(self, settings: Settings, stopped: Callable[[], bool] = lambda: False) -> None:
        self._settings, self._stopped = settings, stopped
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._done = 0

    def read(self, capture: Capture, folder: Path, own: str | None = None) -> Outcome:
        """Append the rows of a capture to the files in ``folder``, or a row that says why not."""
        if self._done >= _RECYCLED:
            self.close()
        before = _sizes(folder)
        seconds = self._settings.timeout * (1 + sum(each.size or 0 for each in capture.files) / 1e9)
        order = {"folder": str(folder), "capture": capture.files, "own": own}
        answer, why = self._asked(order, seconds, self._settings.memory)
        self._done += 1
        if answer is not None:
            return Outcome(*answer)
        _cut_back(folder, before)
        return fail(capture, folder, why)

    def write(self, folder: Path, store: Path, batch: str) -> list[str]:
        """The files in ``folder`` as Parquet in the store."""
        order = {"folder": str(folder), "store": str(store), "batch": batch}
        answer, why = self._asked(order, _WRITING, None)
        if answer is None or "error" in answer:
            raise AnalyzerError(f"{store}: the tables cannot be written ({answer['error'] if answer else why})")
        files: list[str] = answer["files"]
        return files

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            _end(process)

    def _asked(self, order: dict[str, Any], seconds: float, memory: int | None) -> tuple[Any, str]:
        """The answer; or None, and why there is none."""
        process = self._started()
        try:
            assert process.stdin is not None  # noqa: S101  # it is a pipe
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
        except OSError:
            self.close()
            return None, _died(process)
        end = time.monotonic() + seconds
        while True:
            try:
                line = self._answers.get(timeout=_LOOK)
            except queue.Empty:
                why = None
                if self._stopped():
                    self.close()
                    raise KeyboardInterrupt from None
                if time.monotonic() > end:
                    why = f"given up: it was not read within {seconds:,.0f} seconds; give more with --timeout"
                elif memory is not None and _memory_of(process.pid) > memory:
                    why = out_of_memory(self._settings)
                if why is None:
                    continue
                self.close()
                return None, why
            if line is not None:
                return json.loads(line), ""
            self.close()
            return None, _died(process)

    def _started(self) -> "subprocess.Popen[str]":
        if self._process is None:
            command = [sys.executable, "-m", "scep_analyzer.fleet.reader"]
            process = subprocess.Popen(  # noqa: S603  # this program
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
                start_new_session=True,  # Ctrl-C is for the supervisor
            )
            self._process, self._answers, self._done = process, queue.SimpleQueue(), 0
            threading.Thread(target=_listen, args=(process, self._answers), daemon=True).start()
            first = self._settings._asdict() | {
                "keys": [base64.b64encode(each).decode() for each in self._settings.keys]
            }
            with contextlib.suppress(OSError):  # it has ended already: noticed when it is asked
                assert process.stdin is not None  # noqa: S101  # it is a pipe
                process.stdin.write(json.dumps(first) + "\n")
                process.stdin.flush()
        return self._process


def _listen(process: "subprocess.Popen[str]", answers: "queue.SimpleQueue[str | None]") -> None:
    assert process.stdout is not None  # noqa: S101  # it is a pipe
    for line in process.stdout:
        answers.put(line)
    answers.put(None)


def _died(process: "subprocess.Popen[str]") -> str:
    return f"given up: the process that read it was ended (code {process.poll()}), as where memory runs out"


def _memory_of(pid: int) -> int:
    """Bytes that a process and those that it has started (tshark) have in memory."""
    import psutil

    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        total = int(process.memory_info().rss)
        for each in process.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                total += int(each.memory_info().rss)
        return total
    return 0


def _end(process: "subprocess.Popen[str]") -> None:
    import psutil

    with contextlib.suppress(psutil.Error):
        for each in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                each.kill()
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        with contextlib.suppress(OSError, ValueError):
            if stream is not None:
                stream.close()


def _sizes(folder: Path) -> dict[str, int]:
    return {each.name: each.stat().st_size for each in folder.glob("*.jsonl")}


def _cut_back(folder: Path, sizes: dict[str, int]) -> None:
    """Take away what was written of a capture whose reader was ended."""
    for each in folder.glob("*.jsonl"):
        with each.open("r+b") as file:
            file.truncate(sizes.get(each.name, 0))
    for fetched in folder.glob("fetched-*"):
        import shutil

        shutil.rmtree(fetched, ignore_errors=True)
