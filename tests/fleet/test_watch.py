"""A ring buffer watched: each file once, enrollments that span files whole; and what Prometheus is told."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

pytest.importorskip("duckdb", reason="the tables need the extra [fleet] (pip install 'scep-analyzer[fleet]')")
pytest.importorskip("prometheus_client", reason="metrics need the extra [fleet] (pip install 'scep-analyzer[fleet]')")

from scep_analyzer import analyze
from scep_analyzer.analysis import Analysis
from scep_analyzer.fleet.metrics import Metrics, parsed
from scep_analyzer.fleet.watch import ready
from tests.conftest import ROOT, Result
from tests.fleet.tables import rows
from tests.fleet.test_fleet import CAPTURE, _split

Program = Callable[..., Result]


def _old(*paths: Path, seconds: int = 1_000) -> None:
    for number, each in enumerate(paths):
        moment = time.time() - seconds + number
        os.utime(each, (moment, moment))


def test_which_files_are_ready(tmp_path: Path) -> None:
    paths = _split(tmp_path / "ring", 4)
    now = time.time()
    for number, each in enumerate(paths):
        os.utime(each, (now - 4 + number, now - 4 + number))

    def names(idle: float, done: tuple[Path, ...] = ()) -> list[tuple[str, list[str]]]:
        found = ready(tmp_path / "ring", lambda file: Path(file.url) in done, idle)
        return [
            (Path(one.file.url).name[5:10], [Path(each.url).name[5:10] for each in one.window.files]) for one in found
        ]

    first, second = ("00001", ["00001", "00002"]), ("00002", ["00001", "00002", "00003"])
    assert names(60) == [first, second]  # the fourth is being written, so the third waits for it
    assert names(60, (paths[0],)) == [second]
    assert [each for each, _ in names(0.1)] == ["00001", "00002", "00003", "00004"]


def test_enrollments_that_span_files_are_whole_and_there_once(scep_analyzer: Program, tmp_path: Path) -> None:
    """An enrollment over the first two files, something else in the third."""
    paths = _split(tmp_path / "ring", 2)
    other = ROOT / "captures" / "implementations" / "scepclient-http-404.pcap"
    paths.append(tmp_path / "ring" / "ring_00003_20260302081502.pcap")
    paths[2].write_bytes(other.read_bytes())
    _old(*paths)
    arguments = ("fleet", "watch", tmp_path / "ring", "-o", tmp_path / "out", "--idle", "1", "--duration", "1")
    done = scep_analyzer(*arguments)
    assert done.code == 0, done
    assert done.out.count("\n") == 3
    whole = [*analyze(CAPTURE).rows("transactions"), *analyze(other).rows("transactions")]
    found = rows(tmp_path / "out", "transactions")
    assert [
        (each["verdict"], each["exchanges"], each["subject"])
        for each in sorted(found, key=lambda one: str(one["started"]))
    ] == [(each["verdict"], each["exchanges"], each["subject"]) for each in whole]
    assert len(rows(tmp_path / "out", "exchanges")) == len(analyze(CAPTURE).exchanges) + len(analyze(other).exchanges)
    assert len(rows(tmp_path / "out", "captures")) == 3
    again = scep_analyzer(*arguments)
    assert again.out == ""
    assert len(rows(tmp_path / "out", "captures")) == 3


def test_frames_are_those_of_the_file(scep_analyzer: Program, tmp_path: Path) -> None:
    """The whole capture in the second file: its frames begin at 1 there, as in Wireshark."""
    folder = tmp_path / "ring"
    folder.mkdir()
    other = ROOT / "captures" / "implementations" / "scepclient-http-404.pcap"
    for number, each in enumerate((CAPTURE, other), 1):
        (folder / f"r_0000{number}_2026030208150{number}.pcap").write_bytes(each.read_bytes())
    _old(*sorted(folder.iterdir()))
    scep_analyzer("fleet", "watch", folder, "-o", tmp_path / "out", "--idle", "1", "--duration", "1")
    expected = sorted(
        str(each["request_frames"]) for path in (other, CAPTURE) for each in analyze(path).rows("exchanges")
    )
    assert sorted(each["request_frames"] for each in rows(tmp_path / "out", "exchanges")) == expected


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def test_a_watch_serves_metrics(tmp_path: Path) -> None:
    _old(*_split(tmp_path / "ring", 1))
    port = _free_port()
    command = [
        sys.executable,
        "-m",
        "scep_analyzer",
        "fleet",
        "watch",
        str(tmp_path / "ring"),
        "-o",
        str(tmp_path / "out"),
    ]
    process = subprocess.Popen(
        [*command, "--idle", "1", "--metrics", f"127.0.0.1:{port}"], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        assert process.stdout is not None
        assert "transaction" in process.stdout.readline()
        time.sleep(0.5)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            said = answer.read().decode()
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()
    count = Counter((each["operation"], each["status"]) for each in analyze(CAPTURE).rows("exchanges"))
    for (operation, status), times in count.items():
        assert f'scep_exchanges_total{{operation="{operation}",status="{status}"}} {times}.0' in said
    assert "scep_response_seconds_bucket" in said
    assert "scep_certificate_not_after_seconds{" in said


def test_events_and_rows_count_the_same() -> None:
    by_events, by_rows = Metrics(), Metrics()
    for _ in by_events.take(Analysis([str(CAPTURE)], "builtin").events()):
        pass
    report = analyze(CAPTURE)
    by_rows.take_rows(
        {name: report.rows(name) for name in ("exchanges", "messages", "transactions", "findings", "certificates")}
    )  # type: ignore[dict-item,arg-type]  # names of tables

    def values(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): round(sample.value, 6)
            for metric in metrics.registry.collect()
            for sample in metric.samples
            if not sample.name.endswith("_created") and metric.name != "scep_findings"
        }

    assert values(by_events) == values(by_rows)
    assert values(by_rows)


def test_labels_are_bounded() -> None:
    metrics = Metrics()
    for number in range(1_000):
        metrics.exchange(f"Evil{number}", 10_000 + number, 0.1)
        metrics.certificate("ca", f"{number:064x}"[::-1], _ends())
    samples = [sample for metric in metrics.registry.collect() for sample in metric.samples]
    assert len(samples) < 200


def _ends() -> datetime:
    return datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "says"), [("127.0.0.1:9", ("127.0.0.1", 9)), ("[::1]:99", ("::1", 99)), (":99", ("127.0.0.1", 99))]
)
def test_addresses(text: str, says: tuple[str, int]) -> None:
    assert parsed(text) == says


@pytest.mark.parametrize("text", ["", "x", "x:y", "x:0", "x:70000"])
def test_no_addresses(scep_analyzer: Program, tmp_path: Path, text: str) -> None:
    assert scep_analyzer("fleet", "watch", tmp_path, "-o", tmp_path / "out", "--metrics", text).code == 2
