"""One capture → its rows, appended to a file of JSON lines for each table; a batch of them → Parquet.

Also a program: ``python -m scep_analyzer.fleet.reader`` does what lines of JSON on standard input say. So its supervisor can end it, on
every system, and a capture that takes all memory takes this process with it and no other.
"""

import base64
import contextlib
import gc
import hashlib
import hmac
import json
import os
import queue
import re
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from scep_analyzer.fleet.schema import DAY, KEY
from scep_analyzer.fleet.sources import Capture, File, key_of, opened
from scep_analyzer.model.anomalies import AnalyzerError
from scep_analyzer.tables import TABLES, rows_of

if TYPE_CHECKING:
    from scep_analyzer.cms.keys import PrivateKey
    from scep_analyzer.report import Report

_PIECE = 1 << 20
_SLACK = 256 << 20
"""Bytes above the limit on memory at which the system refuses more, where the supervisor has not come by in time."""
_HALF_A_PAIR = re.compile("[\ud800-\udfff]")
Row = dict[str, Any]


class Settings(NamedTuple):
    """How captures are read. ``keys`` are PKCS #8 in DER: they reach a worker on another machine as well."""

    keys: tuple[bytes, ...] = ()
    keylog: str | None = None
    engine: str = "auto"
    timeout: float = 300.0
    """Seconds for a capture, and as many again for each GB."""
    memory: int = 1 << 30
    """Bytes that reading a capture may take."""

    def __repr__(self) -> str:
        """Without the keys: Dask writes the arguments of a task that failed into its log."""
        return f"<Settings, {len(self.keys)} keys>"


class Outcome(NamedTuple):
    """What came of a capture: its key, and why it could not be read."""

    key: str
    reason: str | None


def settings_of(keys: "Sequence[PrivateKey]", keylog: str | None, engine: str, timeout: float, memory: int) -> Settings:
    """Settings with the keys in a form that can be sent."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    encoded = (each.private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()) for each in keys)
    return Settings(keys=tuple(encoded), keylog=keylog, engine=engine, timeout=timeout, memory=memory)


class Reader:
    """Reads captures in this process, without limits of time and memory."""

    def __init__(self, settings: Settings) -> None:
        from scep_analyzer.cms.keys import read_private_key

        self._settings = settings
        self._keys = [read_private_key(each, "key") for each in settings.keys]
        # Whoever has these keys can open the requests themselves, and nobody else can make the code: a plain digest of a challenge of
        # eight digits is guessed in a second.
        material = b"".join(sorted(each.public for each in self._keys)) + b"".join(sorted(settings.keys))
        self._mac_key = hmac.digest(material, b"scep-analyzer challenge", "sha256") if self._keys else None

    def read(self, capture: Capture, folder: Path, own: str | None = None) -> Outcome:
        """Append the rows of a capture to the files in ``folder``. What cannot be read is a row in ``captures`` that says why.

        ``own``: only the rows of what begins in this one of its files.
        """
        digests: list[str] = []
        try:
            with contextlib.ExitStack() as held:
                paths = _at_hand(capture, folder, digests, held)
                report = self._report(paths)
                key = key_of(digests)
                rows: dict[str, list[Row]] = {name: list(rows_of(report, name)) for name in TABLES}
            _complete(rows["captures"], capture, paths, digests)
            self._add_macs(rows["messages"], report)
            if own is not None:
                from scep_analyzer.fleet.watch import owned

                rows = owned(rows, own)
                key = rows["captures"][0]["file_sha256"]
            append(folder, rows, key)
        except AnalyzerError as error:
            return fail(capture, folder, str(error), digests)
        except OSError as error:
            return fail(capture, folder, f"cannot be read ({error.strerror or error})", digests)
        except MemoryError:
            return fail(capture, folder, out_of_memory(self._settings), digests)
        except Exception as error:  # one capture stops no other; a fault of ours is named, to be reported
            return fail(
                capture,
                folder,
                f"a fault of scep-analyzer ({type(error).__name__}: {error}); please report it",
                digests,
            )
        return Outcome(key, None)

    def _report(self, paths: list[str]) -> "Report":
        from scep_analyzer.analysis import Analysis
        from scep_analyzer.engines import Reading, open_capture
        from scep_analyzer.model.tls import NO_SECRETS, Secrets

        keylog = self._settings.keylog
        secrets = NO_SECRETS if keylog is None else Secrets(keylog, Path(keylog).read_bytes())
        engine = open_capture(self._settings.engine, Reading(paths=paths, secrets=secrets, apart=False))
        return Analysis(paths, engine, keys=self._keys, secrets=secrets).report()

    def _add_macs(self, messages: list[Row], report: "Report") -> None:
        for row in messages:
            row["challenge_mac"] = None
            request = report.exchanges[row["exchange"] - 1].request
            content = request.envelope.content if request is not None and request.envelope is not None else None
            csr = content.csr if content is not None else None
            if (
                row["direction"] == "request"
                and csr is not None
                and csr.challenge_password
                and self._mac_key is not None
            ):
                secret = csr.challenge_password.value.encode("utf-8", "surrogatepass")
                row["challenge_mac"] = hmac.new(self._mac_key, secret, "sha256").hexdigest()

    def write(self, folder: Path, store: Path, batch: str) -> list[str]:
        """The files in ``folder`` as Parquet in the store."""
        from scep_analyzer.fleet.store import write_tables

        return write_tables(folder, store, batch)

    def close(self) -> None:
        """Nothing is held."""


def out_of_memory(settings: Settings) -> str:
    """Why a capture that took too much was given up."""
    return f"given up: it took more than {settings.memory / 1e6:,.0f} MB of memory; give more with --memory"


def _at_hand(capture: Capture, folder: Path, digests: list[str], held: contextlib.ExitStack) -> list[str]:
    """Paths of the capture's files, fetched where they are elsewhere; ``digests`` are theirs."""
    for each in capture.files:
        if each.size is None:
            raise AnalyzerError("not a file that can be read again (a pipe or a device); save it to a file first")
    paths = []
    kept = folder
    if any("://" in each.url for each in capture.files):
        kept = Path(held.enter_context(tempfile.TemporaryDirectory(dir=folder, prefix="fetched-")))
    for number, each in enumerate(capture.files):
        digest = hashlib.sha256()
        fetched = "://" in each.url
        path = kept / f"{number}{Path(each.url).suffix[:8]}" if fetched else Path(each.url)
        with opened(each) as source, path.open("wb") if fetched else contextlib.nullcontext() as copy:
            while piece := source.read(_PIECE):
                digest.update(piece)
                if copy is not None:
                    copy.write(piece)
        digests.append(digest.hexdigest())
        paths.append(str(path))
    return paths


def _complete(rows: list[Row], capture: Capture, paths: list[str], digests: list[str]) -> None:
    """Names as they were given, and what only a fleet knows of a file."""
    found = {path: (file.url, digest) for path, file, digest in zip(paths, capture.files, digests, strict=True)}
    for row in rows:
        url, digest = found[row["path"]]
        row |= {"path": url, "file_sha256": digest, "state": "read", "reason": None}


def fail(capture: Capture, folder: Path, reason: str, digests: Sequence[str] = ()) -> Outcome:
    """Write down that a capture could not be read."""
    whole = len(digests) == len(capture.files)
    key = key_of(digests) if whole else capture.key_of_name
    rows = [
        {
            "capture": number,
            "path": file.url,
            "bytes": file.size,
            "file_sha256": digests[number] if whole else None,
            "state": "failed",
            "reason": reason,
        }
        for number, file in enumerate(capture.files)
    ]
    append(folder, {"captures": rows}, key)
    return Outcome(key, reason)


def append(folder: Path, rows: dict[str, list[Row]], key: str) -> None:
    """Append rows to the files of their tables. All rows of a capture have the day of its first packet."""
    first = next((each["first_time"] for each in rows["captures"] if each.get("first_time")), None)
    day = first[:10] if first is not None else None
    for name, theirs in rows.items():
        if theirs:
            with (folder / f"{name}.jsonl").open("a", encoding="utf-8", newline="\n") as file:
                file.writelines(line_of({KEY: key, DAY: day, **each}) for each in theirs)


def line_of(row: Row) -> str:
    """A row as a line of JSON. Half a surrogate pair, which no Parquet file can hold, becomes U+FFFD."""
    text = json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n"
    return text if text.isascii() else _HALF_A_PAIR.sub("\ufffd", text)


# -- the program ------------------------------------------------------------------------------------------------------------


def main(stdin: TextIO, stdout: TextIO) -> None:
    """Do what each line says, and answer each with a line, until there are no more. When the supervisor has gone, end at once."""
    gc.set_threshold(50_000, 20, 100)  # as the command line: the stages make no cycles
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(stdin, lines), daemon=True).start()
    first = json.loads(lines.get())
    settings = Settings(**first | {"keys": tuple(map(base64.b64decode, first["keys"]))})
    _bound(settings.memory + _SLACK)
    reader = Reader(settings)
    for order in iter(lambda: json.loads(lines.get()), None):
        folder = Path(order["folder"])
        answer: Any
        if "capture" in order:
            answer = reader.read(Capture(tuple(File(*each) for each in order["capture"])), folder, order["own"])
        else:
            try:
                answer = {"files": reader.write(folder, Path(order["store"]), order["batch"])}
            except Exception as error:  # a full disk, most of all: told by the one who is asked
                answer = {"error": f"{type(error).__name__}: {error}"}
        stdout.write(json.dumps(answer) + "\n")
        stdout.flush()


def _listen(stdin: TextIO, lines: "queue.SimpleQueue[str]") -> None:
    for line in stdin:
        lines.put(line)
    os._exit(0)


def _bound(memory: int) -> None:
    """Let the system refuse more memory, where it can (POSIX)."""
    with contextlib.suppress(ImportError, OSError, ValueError, AttributeError):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (memory, resource.getrlimit(resource.RLIMIT_DATA)[1]))


def _streams() -> Iterator[TextIO]:
    """Standard input and output; nothing else that is printed gets into the answers."""
    yield sys.stdin
    yield os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)


if __name__ == "__main__":
    main(*_streams())
