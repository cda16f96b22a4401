"""Captures into tables: the rows of the report, the same by every way, once each, whatever happens meanwhile."""

import gzip
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

pytest.importorskip("duckdb", reason="the tables need the extra [fleet] (pip install 'scep-analyzer[fleet]')")
pytest.importorskip("distributed", reason="the tables need the extra [fleet] (pip install 'scep-analyzer[fleet]')")

import duckdb
import fsspec

from scep_analyzer import analyze
from scep_analyzer.fleet import run as fleet_run
from scep_analyzer.fleet.reader import Reader, Settings
from scep_analyzer.fleet.sources import Capture, File, find, local_file, rings
from scep_analyzer.fleet.store import Store
from scep_analyzer.fleet.supervisor import SupervisedReader
from scep_analyzer.tables import TABLES
from tests.conftest import DEPTH, ROOT, Result
from tests.files import pcap_header
from tests.fleet.tables import everything, rows

Program = Callable[..., Result]
SOME = sorted((ROOT / "captures" / "faults").glob("*/*.pcap"))[::24]
CAPTURE = ROOT / "captures" / "scenarios" / "ndes-get-enrollment.pcap"
KEY = ROOT / "captures" / "keys" / "ra-encryption.pem"


def _some(folder: Path, count: int = 6) -> Path:
    folder.mkdir()
    for each in SOME[:count]:
        shutil.copy(each, folder)
    return folder


def _sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_rows_are_those_of_the_report(scep_analyzer: Program, tmp_path: Path) -> None:
    source = _some(tmp_path / "in")
    done = scep_analyzer("fleet", source, "-o", tmp_path / "out", "--scheduler", "threads", "--jobs", "2")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("6 captures read into")
    for name, table in TABLES.items():
        expected = []
        for path in source.iterdir():
            for row in analyze(path).rows(name):  # type: ignore[arg-type]  # a name of a table
                for column in table.columns:
                    if column.type == "time" and row[column.name] is not None:
                        moment = datetime.fromisoformat(str(row[column.name])).astimezone(UTC).replace(tzinfo=None)
                        row[column.name] = moment  # type: ignore[assignment]  # as Parquet has it
                expected.append(repr(sorted({"capture_sha256": _sha(path), **row}.items())))
        wanted = ", ".join(["capture_sha256", *(each.name for each in table.columns)])
        found = rows(tmp_path / "out", name, wanted)
        assert sorted(repr(sorted(each.items())) for each in found) == sorted(expected), name


def test_threads_and_processes_give_the_same(scep_analyzer: Program, tmp_path: Path) -> None:
    source = _some(tmp_path / "in")
    for name in ("threads", "processes"):
        assert scep_analyzer("fleet", source, "-o", tmp_path / name, "--scheduler", name, "--jobs", "2").code == 0
    assert everything(tmp_path / "threads") == everything(tmp_path / "processes")


def test_a_dask_cluster_gives_the_same(scep_analyzer: Program, tmp_path: Path) -> None:
    import distributed

    source = _some(tmp_path / "in", 3)
    assert scep_analyzer("fleet", source, "-o", tmp_path / "here", "--scheduler", "threads").code == 0
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:  # type: ignore[no-untyped-call]  # it has none
        address = cluster.scheduler_address
        done = scep_analyzer("fleet", source, "-o", tmp_path / "there", "--scheduler", address)
    assert done.code == 0, done.err
    assert everything(tmp_path / "here") == everything(tmp_path / "there")


def test_a_scheduler_that_is_not_there(scep_analyzer: Program, tmp_path: Path) -> None:
    assert scep_analyzer("fleet", CAPTURE, "-o", tmp_path / "out", "--scheduler", "nowhere").code == 2


def test_metadata_names_the_schema(scep_analyzer: Program, tmp_path: Path) -> None:
    scep_analyzer("fleet", CAPTURE, "-o", tmp_path / "out", "--scheduler", "threads")
    (path,) = (tmp_path / "out" / "captures").glob("day=2026-*/*.parquet")
    found = duckdb.execute("SELECT key, value FROM parquet_kv_metadata(?)", [str(path)]).fetchall()
    assert found == [(b"schema", b"scep-analyzer.tables/1")]
    assert duckdb.execute("SELECT DISTINCT compression FROM parquet_metadata(?)", [str(path)]).fetchall() == [("ZSTD",)]


# -- resume ----------------------------------------------------------------------------------------------------------------


def _records(store: Path) -> int:
    """How many batches are complete; -1 where none has been begun."""
    return len([*(store / "batches").glob("*.json")]) if (store / "staging").exists() else -1


@pytest.fixture(scope="module")
def certrep(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[str]]]:
    """Captures that make six batches of two processes; and their tables."""
    folder = tmp_path_factory.mktemp("certrep")
    for each in sorted((ROOT / "captures" / "faults" / "certrep").glob("*.pcap"))[::3]:
        shutil.copy(each, folder)
    store = Store.created(tmp_path_factory.mktemp("whole"))
    _run(store, folder)
    return folder, everything(store.folder)


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is POSIX's")
@pytest.mark.parametrize("later", range(min(DEPTH, 10)))
@pytest.mark.parametrize("complete", [0, 1, 3])
def test_a_run_that_is_killed_goes_on(
    scep_analyzer: Program, tmp_path: Path, certrep: tuple[Path, dict[str, list[str]]], complete: int, later: int
) -> None:
    """When its first batch is begun, and when some are complete; `make properties` also kills it up to a second later."""
    source, expected = certrep
    killed = tmp_path / "killed"
    command = [sys.executable, "-m", "scep_analyzer", "fleet", str(source), "-o", str(killed), "--jobs", "2"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
    while _records(killed) < complete and process.poll() is None:
        time.sleep(0.002)
    assert process.poll() is None
    time.sleep(random.random() if later else 0)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert scep_analyzer("fleet", source, "-o", killed, "--scheduler", "threads").code == 0
    assert everything(killed) == expected
    assert not (killed / "staging").exists()


@pytest.mark.long
def test_at_whatever_step_a_run_ends_nothing_is_lost_or_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every rename, and every removal, is the last thing that an ended run has done."""
    source = _some(tmp_path / "in", 2)
    whole = Store.created(tmp_path / "whole")
    _run(whole, source)
    expected = everything(whole.folder)
    rename = Path.replace
    for last in range(40):
        store = Store.created(tmp_path / f"ended-{last}")
        left = last

        def ends(self: Path, target: Path) -> Path:
            nonlocal left
            if left == 0:
                raise KeyboardInterrupt
            left -= 1
            return rename(self, target)

        with monkeypatch.context() as patched:
            patched.setattr(Path, "replace", ends)
            try:
                _run(store, source)
            except KeyboardInterrupt:
                pass
            else:
                break
        _run(store, source)
        assert everything(store.folder) == expected
    assert last > 10


def _run(store: Store, source: Path) -> None:
    store.settle()
    planned = fleet_run.plan(store, find([str(source)]), 1)
    fleet_run.run(store, planned.batches, Settings(), "threads", 1, lambda _: None)


def test_again_does_nothing_and_copies_are_read_once(scep_analyzer: Program, tmp_path: Path) -> None:
    source = _some(tmp_path / "in", 2)
    shutil.copy(SOME[0], source / "copy.pcap")
    first = scep_analyzer("fleet", source, "-o", tmp_path / "out", "--scheduler", "threads")
    assert "2 captures read" in first.out
    assert "copies of others: 1" in first.out
    before = everything(tmp_path / "out")
    again = scep_analyzer("fleet", source, "-o", tmp_path / "out", "--scheduler", "threads")
    assert again.out.startswith("0 captures read")
    assert "2 there before" in again.out
    assert everything(tmp_path / "out") == before


def test_a_file_that_has_changed_takes_its_own_place(scep_analyzer: Program, tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    for source in SOME[:2]:
        shutil.copyfile(source, path)
        assert scep_analyzer("fleet", path, "-o", tmp_path / "out", "--scheduler", "threads").code == 0
    (row,) = rows(tmp_path / "out", "captures")
    assert row["capture_sha256"] == _sha(SOME[1])
    assert {each["capture_sha256"] for each in rows(tmp_path / "out", "exchanges")} == {_sha(SOME[1])}


def test_small_batches_become_large_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_run, "_MOST_CAPTURES", 1)
    monkeypatch.setattr("scep_analyzer.fleet.store._MERGED", 3)
    store = Store.created(tmp_path / "out")
    source = _some(tmp_path / "in", 4)
    _run(store, source)
    assert len(store.records()) == 2
    assert {record.level for record in store.records()} == {0, 1}
    monkeypatch.setattr(fleet_run, "_MOST_CAPTURES", 200)
    other = Store.created(tmp_path / "other")
    _run(other, source)
    assert everything(store.folder) == everything(other.folder)


def test_one_run_at_a_time(scep_analyzer: Program, tmp_path: Path) -> None:
    with Store.created(tmp_path / "out").locked():
        done = scep_analyzer("fleet", CAPTURE, "-o", tmp_path / "out")
    assert done.code == 2
    assert "another run" in done.err


def test_a_folder_with_something_else_is_refused(scep_analyzer: Program, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    done = scep_analyzer("fleet", CAPTURE, "-o", tmp_path)
    assert done.code == 2
    assert (tmp_path / "notes.txt").read_text() == "mine"


# -- poisoned captures -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bomb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """10 GB in 10 MB: packets without a byte, without end."""
    path = tmp_path_factory.mktemp("bomb") / "bomb.pcap.gz"
    path.write_bytes(gzip.compress(pcap_header()) + gzip.compress(bytes(64 << 20)) * 160)
    return path


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"timeout": 1.0}, "it was not read within 1 seconds"),
        ({"memory": 20 << 20}, "it took more than 21 MB of memory"),
    ],
)
def test_a_poisoned_capture_is_given_up_and_stops_nothing(
    bomb: Path, tmp_path: Path, limits: dict[str, float], reason: str
) -> None:
    folder = tmp_path / "spilled"
    folder.mkdir()
    reader = SupervisedReader(Settings(**limits))  # type: ignore[arg-type]  # numbers both
    began = time.monotonic()
    outcome = reader.read(Capture((local_file(bomb),)), folder)
    assert time.monotonic() - began < 20
    assert outcome.reason is not None
    assert reason in outcome.reason
    reader.close()
    reader = SupervisedReader(Settings())
    assert reader.read(Capture((local_file(CAPTURE),)), folder).reason is None
    files = reader.write(folder, tmp_path, "b")
    reader.close()
    assert files
    states = {Path(each["path"]).name: (each["state"], each["reason"]) for each in rows(tmp_path, "captures")}
    assert states == {bomb.name: ("failed", outcome.reason), CAPTURE.name: ("read", None)}


def test_what_was_written_of_a_capture_that_was_given_up_is_taken_back(tmp_path: Path, bomb: Path) -> None:
    folder = tmp_path / "spilled"
    folder.mkdir()
    reader = SupervisedReader(Settings(timeout=10.0))
    assert reader.read(Capture((local_file(CAPTURE),)), folder).reason is None
    before = (folder / "exchanges.jsonl").read_bytes()
    reader._settings = Settings(timeout=1.0)
    assert reader.read(Capture((local_file(bomb),)), folder).reason is not None
    reader.close()
    assert (folder / "exchanges.jsonl").read_bytes() == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are POSIX's")
def test_what_cannot_be_read_is_a_row_with_its_reason(scep_analyzer: Program, tmp_path: Path) -> None:
    source = _some(tmp_path / "in", 1)
    os.mkfifo(source / "endless.pcap")
    (source / "text.pcap").write_text("no capture")
    (source / "empty.pcap").write_bytes(b"")
    done = scep_analyzer("fleet", source, "-o", tmp_path / "out")
    assert done.code == 0
    assert "3 could not be read" in done.out
    why = {Path(each["path"]).name: each["reason"] for each in rows(tmp_path / "out", "captures")}
    assert "a pipe or a device" in why["endless.pcap"]
    assert "not a capture" in why["text.pcap"]
    assert "the file is empty" in why["empty.pcap"]
    assert why[SOME[0].name] is None


def test_a_fault_of_ours_is_a_row_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("x")

    monkeypatch.setattr("scep_analyzer.fleet.reader.rows_of", broken)
    outcome = Reader(Settings()).read(Capture((local_file(CAPTURE),)), tmp_path)
    assert outcome.reason == "a fault of scep-analyzer (ZeroDivisionError: x); please report it"


# -- sources ---------------------------------------------------------------------------------------------------------------


def test_file_systems_of_fsspec(scep_analyzer: Program, tmp_path: Path) -> None:
    source = _some(tmp_path / "in", 2)
    memory = fsspec.filesystem("memory")
    for each in source.iterdir():
        memory.pipe_file(f"/fleet/{each.name}", each.read_bytes())
    memory.pipe_file("/fleet/notes.txt", b"no capture")
    try:
        for name, url in (("m", "memory://fleet"), ("g", "memory://fleet/*.pcap"), ("f", f"file://{source}")):
            done = scep_analyzer("fleet", url, "-o", tmp_path / name, "--scheduler", "threads")
            assert done.out.startswith("2 captures read"), done
            found = rows(tmp_path / name, "captures")
            assert {each["capture_sha256"] for each in found} == {_sha(each) for each in source.iterdir()}
            assert all("://" in each["path"] for each in found)
    finally:
        memory.rm("/fleet", recursive=True)


def test_a_protocol_whose_package_is_missing(
    scep_analyzer: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(_: str) -> None:
        raise ImportError("s3fs")

    monkeypatch.setattr(fsspec.core, "url_to_fs", missing)
    done = scep_analyzer("fleet", "s3://bucket/captures", "-o", tmp_path / "out")
    assert (done.code, done.out) == (2, "")
    assert "pip install s3fs" in done.err


def test_without_the_extra(scep_analyzer: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scep_analyzer.fleet.find_spec", lambda _: None)
    done = scep_analyzer("fleet", CAPTURE, "-o", tmp_path / "out")
    assert done.code == 2
    assert done.err.rstrip().endswith("pip install 'scep-analyzer[fleet]'")


def _named(*names: str) -> list[list[str]]:
    return [[each.url[3:] for each in one.files] for one in rings(File(f"/c/{name}", 1, "") for name in names)]


def test_files_of_a_ring_buffer_are_one_capture() -> None:
    dumpcap = [f"ring_{number:05}_202601011200{number:02}.pcapng" for number in (9, 10, 11)]
    assert _named(*reversed(dumpcap)) == [dumpcap]
    assert _named(dumpcap[0], dumpcap[2]) == [[dumpcap[0]], [dumpcap[2]]]  # one is missing
    other = [f"ring_2026010112000{number}_0000{number}.pcapng" for number in (1, 2)]
    assert _named(*other) == [other]
    again = ["ring_00001_20260101120000.pcapng", "ring_00002_20260101120100.pcapng", "ring_00001_20260102120000.pcapng"]
    assert _named(*again) == [again[:2], again[2:]]  # started again: the number begins at 1
    tcpdump = ["x.pcap", *(f"x.pcap{number}" for number in range(1, 12))]
    assert _named(*sorted(tcpdump)) == [tcpdump]
    assert _named("x.pcap0", "x.pcap1", "y.pcap") == [["x.pcap0", "x.pcap1"], ["y.pcap"]]
    assert _named("a.pcap", "b.pcap", "a.pcapng") == [["a.pcap"], ["a.pcapng"], ["b.pcap"]]


def _split(folder: Path, pieces: int) -> list[Path]:
    """The capture as files of a ring buffer, each packet in one of them (struct and the format's specification only)."""
    data = CAPTURE.read_bytes()
    records, at = [], 24
    while at < len(data):
        size = 16 + int.from_bytes(data[at + 8 : at + 12], "little")
        records.append(data[at : at + size])
        at += size
    folder.mkdir()
    share = -(-len(records) // pieces)
    paths = []
    for number in range(pieces):
        path = folder / f"ring_{number + 1:05}_2026030208150{number}.pcap"
        path.write_bytes(data[:24] + b"".join(records[number * share : (number + 1) * share]))
        paths.append(path)
    return paths


def test_an_enrollment_may_span_the_files_of_a_ring(scep_analyzer: Program, tmp_path: Path) -> None:
    _split(tmp_path / "in", 3)
    done = scep_analyzer("fleet", tmp_path / "in", "-o", tmp_path / "out", "--scheduler", "threads", "--key", KEY)
    assert done.out.startswith("1 capture read"), done
    whole = analyze(CAPTURE, keys=[KEY])
    assert [each["verdict"] for each in rows(tmp_path / "out", "transactions")] == [
        each["verdict"] for each in whole.rows("transactions")
    ]
    assert len(rows(tmp_path / "out", "captures")) == 3
    each = scep_analyzer("fleet", tmp_path / "in", "-o", tmp_path / "each", "--scheduler", "threads", "--each")
    assert each.out.startswith("3 captures read")


def test_a_ring_that_has_grown_is_read_again(scep_analyzer: Program, tmp_path: Path) -> None:
    paths = _split(tmp_path / "in", 3)
    last = paths[2].rename(tmp_path / "later")
    scep_analyzer("fleet", tmp_path / "in", "-o", tmp_path / "out", "--scheduler", "threads")
    last.rename(paths[2])
    scep_analyzer("fleet", tmp_path / "in", "-o", tmp_path / "out", "--scheduler", "threads")
    scep_analyzer("fleet", tmp_path / "in", "-o", tmp_path / "whole", "--scheduler", "threads")
    assert everything(tmp_path / "out") == everything(tmp_path / "whole")


# -- secrets and hostile text ----------------------------------------------------------------------------------------------


def test_challenges_are_in_no_file_and_their_codes_need_the_key(scep_analyzer: Program, tmp_path: Path) -> None:
    whole = analyze(CAPTURE, keys=[KEY]).to_dict(secrets=True)
    (secret,) = {
        content["csr"]["challenge_password"]["value"]
        for each in whole["exchanges"]
        if (content := ((each["request"] or {}).get("pki_message") or {}).get("envelope", {}).get("content"))
    }
    assert secret
    scep_analyzer("fleet", CAPTURE, "-o", tmp_path / "out", "--scheduler", "threads", "--key", KEY)
    (code,) = {each["challenge_mac"] for each in rows(tmp_path / "out", "messages")} - {None}
    assert len(code) == 64
    for algorithm in ("md5", "sha1", "sha256"):
        assert hashlib.new(algorithm, secret.encode()).hexdigest() != code
    for each in (tmp_path / "out").rglob("*"):
        assert each.is_dir() or secret.encode() not in each.read_bytes()
    assert secret not in str(everything(tmp_path / "out"))
    scep_analyzer("fleet", CAPTURE, "-o", tmp_path / "closed", "--scheduler", "threads")
    assert {each["challenge_mac"] for each in rows(tmp_path / "closed", "messages")} == {None}


def test_hostile_text_is_plain_text_in_parquet(tmp_path: Path) -> None:
    from scep_analyzer.fleet.reader import append
    from scep_analyzer.fleet.store import write_tables

    text = "=1+1\x00\x1b[31m\u202e\ud800'\"\\u0000\n</script>" + "x" * 2_000_000
    append(tmp_path, {"captures": [{"capture": 0, "path": text, "first_time": None}]}, "k")
    write_tables(tmp_path, tmp_path, "b")
    (row,) = rows(tmp_path, "captures")
    assert row["path"] == text.replace("\ud800", "\ufffd")
