"""The folder of tables: TABLE/day=YYYY-MM-DD/BATCH.parquet, and batches/BATCH.json for each batch that is complete.

A batch counts from the moment at which its record is renamed into place, after its files have been written, synced and renamed. What has no
record is from a run that was ended, and is removed by the next. So ending a run at any moment loses no more than the batches in work, and
nothing is there twice. What is done is derived from the records.
"""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from scep_analyzer.fleet.schema import DAY, KEY, SCHEMA, columns_of
from scep_analyzer.fleet.sources import Capture, File
from scep_analyzer.model.anomalies import AnalyzerError
from scep_analyzer.tables import TABLES

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_RECORDS, _STAGING, _LOCK = "batches", "staging", "lock"
_MERGED = 16
"""So many batches of one size become one of the next: a folder that is watched for a year has some hundred files and not a million."""
_LINE = 1 << 20
"""Bytes of a row for which DuckDB makes room, where none is longer."""
_MEMORY = "512MB"
"""What DuckDB may take to write a batch."""


class Done(NamedTuple):
    """A capture that is in the tables."""

    files: tuple[File, ...]
    key: str
    reason: str | None = None


class Record(NamedTuple):
    """A batch that is complete.

    ``replaces`` are batches whose rows are in this one. ``withdraws`` are captures, each with its batch, that this one has a newer state
    of: a ring buffer that has more files now, a file that has changed.
    """

    batch: str
    files: tuple[str, ...]
    captures: tuple[Done, ...]
    level: int = 0
    replaces: tuple[str, ...] = ()
    withdraws: tuple[tuple[str, str], ...] = ()


class Store:
    """A folder of tables."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def created(cls, folder: Path) -> "Store":
        """The folder, which is made where it is not there. One that holds something else is refused."""
        try:
            if folder.exists() and any(folder.iterdir()) and not (folder / _RECORDS).is_dir():
                raise AnalyzerError(f"{folder}: is not empty and holds no fleet tables; give a new folder with -o")
            (folder / _RECORDS).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AnalyzerError(f"{folder}: cannot be made ({error.strerror}); give another folder with -o") from error
        return cls(folder)

    @classmethod
    def existing(cls, folder: Path) -> "Store":
        """A folder that a run has made."""
        if not (folder / _RECORDS).is_dir():
            raise AnalyzerError(f"{folder}: no fleet tables; make them with `scep-analyzer fleet SOURCE… -o {folder}`")
        return cls(folder)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Only one run at a time writes here; the system opens the lock when a process ends, however it ends."""
        import locket

        try:
            with locket.lock_file(str(self.folder / _LOCK), timeout=0):
                yield
        except locket.LockError as error:
            raise AnalyzerError(
                f"{self.folder}: another run is writing there; wait for it, or give another folder"
            ) from error

    def records(self) -> list[Record]:
        """What is complete."""
        found = [_read(path) for path in sorted((self.folder / _RECORDS).glob("*.json"))]
        replaced = {batch for each in found for batch in each.replaces}
        return [each for each in found if each.batch not in replaced]

    def settle(self) -> None:
        """Remove what an ended run has left, and rows of captures of which there is a newer state."""
        records = self.records()
        live = {each.batch for each in records}
        for path in (self.folder / _RECORDS).glob("*.json*"):
            if path.name.partition(".")[0] not in live or path.suffix != ".json":
                path.unlink()
        for name in TABLES:
            for path in (self.folder / name).glob("*/*.parquet*"):
                if path.name.partition(".")[0] not in live or path.suffix != ".parquet":
                    path.unlink()
        shutil.rmtree(self.folder / _STAGING, ignore_errors=True)
        for record in records:
            for batch in sorted({batch for batch, _ in record.withdraws} & live):
                self._merge([batch], [key for of, key in record.withdraws if of == batch])
                live.discard(batch)

    def withdrawn(self) -> list[str]:
        """Captures whose rows are still to be removed."""
        records = self.records()
        live = {each.batch for each in records}
        return sorted({key for each in records for batch, key in each.withdraws if batch in live})

    def commit(self, record: Record) -> None:
        """A batch is complete."""
        text = json.dumps({"schema": SCHEMA, **record._asdict()}, ensure_ascii=True)
        path = self.folder / _RECORDS / f"{record.batch}.json"
        temporary = path.with_suffix(".json-new")
        with temporary.open("w", encoding="ascii", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)

    def compact(self) -> None:
        """Make few large batches of many small ones."""
        while True:
            by_level: dict[int, list[str]] = {}
            for each in self.records():
                by_level.setdefault(each.level, []).append(each.batch)
            full = next((level for level, theirs in sorted(by_level.items()) if len(theirs) >= _MERGED), None)
            if full is None:
                return
            self._merge(by_level[full][:_MERGED], ())

    def _merge(self, batches: list[str], without: Iterable[str]) -> None:
        """Write the rows of batches, apart from some captures', as one batch, and remove them."""
        left_out = set(without)
        records = [each for each in self.records() if each.batch in batches]
        batch = batch_name((*batches, *sorted(left_out)))
        staging = self.staging(batch)
        files = []
        with _database(staging) as database:
            for name in TABLES:
                sources = [
                    str(self.folder / each)
                    for record in records
                    for each in record.files
                    if each.startswith(f"{name}/")
                ]
                if sources:
                    files += _copied(
                        database,
                        f"SELECT * FROM read_parquet(?, hive_partitioning=true, hive_types={{{DAY}: DATE}}) "
                        f"WHERE {KEY} NOT IN (SELECT unnest(?::VARCHAR[]))",
                        [sources, sorted(left_out)],
                        (name, staging, self.folder, batch),
                    )
        self.commit(
            Record(
                batch=batch,
                files=tuple(files),
                captures=tuple(each for record in records for each in record.captures if each.key not in left_out),
                level=max(each.level for each in records) + (0 if left_out else 1),
                replaces=tuple(batches),
                withdraws=tuple(each for record in records for each in record.withdraws),
            )
        )
        shutil.rmtree(staging, ignore_errors=True)
        for record in records:
            for each in (*record.files, f"{_RECORDS}/{record.batch}.json"):
                (self.folder / each).unlink(missing_ok=True)

    def staging(self, batch: str) -> Path:
        """An empty folder to prepare a batch in."""
        folder = self.folder / _STAGING / batch
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder


def batch_name(parts: Iterable[str]) -> str:
    """The name of a batch: the same for the same parts, so that work done twice is there once."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:24]


def name_of(captures: Iterable[Capture]) -> str:
    """The name of the batch of these captures."""
    return batch_name(each.key_of_name for each in captures)


def _read(path: Path) -> Record:
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="ascii"))
        if value["schema"] != SCHEMA:
            raise AnalyzerError(
                f"{path}: tables of the schema {value['schema']}, this version writes {SCHEMA}; give another folder"
            )
        return Record(
            batch=value["batch"],
            files=tuple(value["files"]),
            captures=tuple(
                Done(tuple(File(*file) for file in files), key, why) for files, key, why in value["captures"]
            ),
            level=value["level"],
            replaces=tuple(value["replaces"]),
            withdraws=tuple((batch, key) for batch, key in value["withdraws"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AnalyzerError(
            f"{path}: is not a record of a batch ({error}); remove it, and its captures are read again"
        ) from error


def write_tables(spilled: Path, store: Path, batch: str) -> list[str]:
    """JSON lines, a file for each table → Parquet in the store, a file for each table and day. Gives their names in the store."""
    files = []
    with _database(spilled) as database:
        for name in TABLES:
            source = spilled / f"{name}.jsonl"
            if not source.exists() or not source.stat().st_size:
                continue
            with source.open("rb") as lines:
                longest = max(_LINE, *map(len, lines))
            types = ", ".join(f"{column}: '{kind}'" for column, kind in columns_of(name).items())
            files += _copied(
                database,
                f"SELECT * FROM read_json(?, format='newline_delimited', auto_detect=false, maximum_object_size={longest}, "
                f"columns={{{types}, {DAY}: 'DATE'}})",
                [str(source)],
                (name, spilled, store, batch),
            )
    return files


@contextlib.contextmanager
def _database(staging: Path) -> "Iterator[DuckDBPyConnection]":
    """DuckDB for the tables of one batch: to open one takes ten times as long as to write a small table."""
    import duckdb

    with duckdb.connect(":memory:", config={"threads": 1, "memory_limit": _MEMORY}) as connection:
        connection.execute(f"SET temp_directory = '{_quoted(staging / 'spilled')}'")
        yield connection


def _copied(
    database: "DuckDBPyConnection", select: str, values: list[Any], place: tuple[str, Path, Path, str]
) -> list[str]:
    """Write what a query gives into the store: first beside it, then synced and renamed."""
    name, staging, store, batch = place
    out = staging / name
    out.mkdir()
    database.execute(
        f"COPY ({select}) TO '{_quoted(out)}' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY ({DAY}), "
        f"FILENAME_PATTERN 'part', KV_METADATA {{schema: '{SCHEMA}'}})",
        values,
    )
    files = []
    for path in sorted(out.glob("*/*.parquet")):
        target = store / name / path.parent.name / f"{batch}.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        with path.open("r+b") as file:
            os.fsync(file.fileno())
        path.replace(target)
        _sync_folder(target.parent)
        files.append(target.relative_to(store).as_posix())
    return files


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _sync_folder(folder: Path) -> None:
    """Let a rename outlast a power cut, where folders can be synced (POSIX)."""
    with contextlib.suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
