"""Captures → batches → tables: by processes of this machine, by threads, or by the workers of a Dask cluster."""

import json
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from scep_analyzer.fleet.reader import Outcome, Reader, Settings
from scep_analyzer.fleet.sources import Capture, File, digest_of, key_of
from scep_analyzer.fleet.store import Done, Record, Store, name_of
from scep_analyzer.fleet.supervisor import SupervisedReader
from scep_analyzer.model.anomalies import AnalyzerError

_MOST_CAPTURES, _MOST_BYTES = 200, 256 << 20
"""How much is one batch: enough for files of a useful size, not so much that a lost worker costs more than a minute."""
_SHARES = 4
"""Batches for each worker, where there are few captures: none waits long for the last one."""
_PACE = 0.1
_ATTEMPTS = 3
"""How often Dask gives a batch to another worker, where one is lost."""


Rows = dict[str, list[dict[str, Any]]]


class Batch(NamedTuple):
    """Captures that are read by one worker and written as one file for each table and day."""

    name: str
    captures: tuple[Capture, ...]
    withdraws: tuple[tuple[str, str], ...]


class Plan(NamedTuple):
    """What is to be done. ``done`` captures are in the tables already, ``copies`` have the bytes of another one."""

    batches: list[Batch]
    done: int
    copies: int

    @property
    def captures(self) -> int:
        """How many there are to read."""
        return sum(len(each.captures) for each in self.batches)


class AnyReader(Protocol):
    """What reads captures: in this process, or in another."""

    def read(self, capture: Capture, folder: Path) -> Outcome:
        """Append the rows of a capture to the files in ``folder``."""

    def write(self, folder: Path, store: Path, batch: str) -> list[str]:
        """The files in ``folder`` as Parquet in the store."""

    def close(self) -> None:
        """Let go of what is held."""


def plan(store: Store, found: Sequence[Capture], workers: int) -> Plan:
    """What of the captures is not in the tables yet."""
    by_url = {
        file.url: (record.batch, done) for record in store.records() for done in record.captures for file in done.files
    }
    known = {done.files for _, done in by_url.values()}
    wanted: list[Capture] = []
    withdraws: dict[Capture, list[tuple[str, str]]] = {}
    for capture in found:
        if capture.files in known:
            continue
        urls = {each.url for each in capture.files}
        older = dict.fromkeys(by_url[each] for each in urls if each in by_url)
        newer_of = [(batch, done) for batch, done in older if urls.issuperset(each.url for each in done.files)]
        kept = {
            file for _, done in older if not urls.issuperset(each.url for each in done.files) for file in done.files
        }
        rest = Capture(tuple(each for each in capture.files if each not in kept))
        if rest.files:
            wanted.append(rest)
            withdraws[rest] = [(batch, done.key) for batch, done in newer_of]
    gone = {key for each in withdraws.values() for _, key in each}
    standing = {done.files: done.key for _, done in by_url.values() if done.key not in gone}
    new = _without_copies(wanted, standing)
    most = max(1, min(_MOST_CAPTURES, -(-len(new) // (_SHARES * workers))))
    batches = [
        Batch(name_of(each), tuple(each), tuple(pair for one in each for pair in withdraws[one]))
        for each in _divided(new, most)
    ]
    return Plan(batches=batches, done=len(found) - len(wanted), copies=len(wanted) - len(new))


def _without_copies(captures: Iterable[Capture], known: dict[tuple[File, ...], str]) -> list[Capture]:
    """Captures whose bytes are not those of another one. Only where sizes are equal are bytes looked at."""
    captures = list(captures)
    sizes = Counter(tuple(each.size for each in capture.files) for capture in captures)
    sizes.update(tuple(each.size for each in files) for files in known)
    seen = set(known.values())
    kept = []
    for capture in captures:
        size = tuple(each.size for each in capture.files)
        if sizes[size] > 1 and None not in size:
            try:
                key = key_of([digest_of(each) for each in capture.files])
            except (OSError, AnalyzerError):  # said where it is read
                key = capture.key_of_name
            if key in seen:
                continue
            seen.add(key)
        kept.append(capture)
    return kept


def _divided(captures: Sequence[Capture], most: int) -> Iterator[list[Capture]]:
    batch: list[Capture] = []
    size = 0
    for each in captures:
        own = sum(file.size or 0 for file in each.files)
        if batch and (len(batch) >= most or size + own > _MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += own
    if batch:
        yield batch


def work(batch: Batch, store: Store, reader: AnyReader, on_capture: Callable[[], None] = lambda: None) -> Record:
    """Read a batch and write its files. It counts once its record is committed, which the caller does."""
    staging = store.staging(batch.name)
    done = []
    for capture in batch.captures:
        outcome = reader.read(capture, staging)
        done.append(Done(files=capture.files, key=outcome.key, reason=outcome.reason))
        on_capture()
    files = reader.write(staging, store.folder, batch.name)
    shutil.rmtree(staging, ignore_errors=True)
    return Record(batch=batch.name, files=tuple(files), captures=tuple(done), withdraws=batch.withdraws)


def take_in(store: Store, file: File, window: Capture, reader: SupervisedReader) -> tuple[Record, Rows]:
    """Read what begins in a file of a ring buffer, and commit it; gives its rows as well."""
    batch = name_of([Capture((file,))])
    staging = store.staging(batch)
    outcome = reader.read(window, staging, file.url)
    if outcome.reason is not None:
        # The neighbor may be what cannot be read, or it has been deleted meanwhile.
        staging = store.staging(batch)
        outcome = reader.read(Capture((file,)), staging, file.url)
    rows = {
        path.stem: [json.loads(line) for line in path.read_bytes().splitlines()] for path in staging.glob("*.jsonl")
    }
    files = reader.write(staging, store.folder, batch)
    shutil.rmtree(staging, ignore_errors=True)
    done = Done(files=(file,), key=outcome.key, reason=outcome.reason)
    record = Record(batch=batch, files=tuple(files), captures=(done,))
    store.commit(record)
    store.compact()
    return record, rows


Tell = Callable[[int], None]
"""Is told how many captures have been read."""


def run(
    store: Store, batches: Sequence[Batch], settings: Settings, scheduler: str, jobs: int, tell: Tell
) -> list[Done]:
    """Read batches and commit each when it is complete; gives what came of the captures."""
    if "://" in scheduler:
        records = _by_dask(store, batches, settings, scheduler, tell)
    else:
        records = _here(store, batches, settings, jobs, tell, supervised=scheduler == "processes")
    done: list[Done] = []
    for record in records:
        store.commit(record)
        done += record.captures
    store.settle()
    store.compact()
    return done


def _here(
    store: Store, batches: Sequence[Batch], settings: Settings, jobs: int, tell: Tell, *, supervised: bool
) -> Iterator[Record]:
    """By threads of this process; each has a process to read in, if captures are to be ``supervised``."""
    stopped = threading.Event()
    readers: list[AnyReader] = []
    own = threading.local()
    read: list[None] = []

    def one(batch: Batch) -> Record:
        if not hasattr(own, "reader"):
            own.reader = SupervisedReader(settings, stopped.is_set) if supervised else Reader(settings)
            readers.append(own.reader)
        if stopped.is_set():
            raise KeyboardInterrupt
        return work(batch, store, own.reader, lambda: read.append(None))

    pool = ThreadPoolExecutor(max_workers=jobs)
    try:
        waiting: set[Future[Record]] = {pool.submit(one, each) for each in batches}
        while waiting:
            ended, waiting = wait(waiting, timeout=_PACE, return_when=FIRST_COMPLETED)
            tell(len(read))
            for each in ended:
                yield each.result()
    finally:
        stopped.set()
        pool.shutdown(wait=True, cancel_futures=True)
        for reader in readers:
            reader.close()


_OWN = threading.local()
"""The reader of each thread of a Dask worker."""


def _at_worker(batch: Batch, folder: str, settings: Settings) -> Record:
    """One task of Dask's. What is in memory afterwards is in the reader's process, which is started again now and then."""
    if getattr(_OWN, "settings", None) != settings:
        _OWN.reader, _OWN.settings = SupervisedReader(settings), settings
    return work(batch, Store(Path(folder)), _OWN.reader)


def _by_dask(store: Store, batches: Sequence[Batch], settings: Settings, address: str, tell: Tell) -> Iterator[Record]:
    """By the workers of a cluster. They write to the same folder; a batch whose worker is lost is given to another one."""
    import distributed as untyped

    distributed: Any = untyped
    try:
        client = distributed.Client(address, timeout="10s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise AnalyzerError(
            f"{address}: no Dask scheduler answers ({error}); start one with `dask scheduler`, and workers with `dask worker {address}`"
        ) from error
    with client, client.as_current():
        workers = client.scheduler_info()["workers"]
        if not workers:
            raise AnalyzerError(f"{address}: the scheduler has no workers; start some with `dask worker {address}`")
        folder = str(store.folder.resolve())
        futures = [
            client.submit(_at_worker, each, folder, settings, key=f"scep-{each.name}", retries=_ATTEMPTS, pure=False)
            for each in batches
        ]
        read = 0
        try:
            for future in distributed.as_completed(futures):
                if future.status == "error":
                    why = future.exception()
                    raise AnalyzerError(
                        f"a batch could not be read by the cluster ({type(why).__name__}: {why}); what is complete stays, "
                        "run it again for the rest"
                    )
                record: Record = future.result()
                read += len(record.captures)
                tell(read)
                yield record
                future.release()
        finally:
            client.cancel(futures)
