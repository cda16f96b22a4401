"""The builtin engine in a process of its own gives what it gives in this one, and says so when that process ends."""

import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from scep_analyzer import engines
from scep_analyzer.analysis import Analysis, decoded
from scep_analyzer.engines import Reading, open_capture
from scep_analyzer.engines.apart import ApartEngine, _bytes_of
from scep_analyzer.engines.builtin import BuiltinEngine
from scep_analyzer.model.anomalies import AnalyzerError, InputError
from scep_analyzer.model.limits import LIMITS
from scep_analyzer.model.scep import CaCertificates
from scep_analyzer.render import json_v1
from tests.conftest import CAPTURES, ROOT, Result

Program = Callable[..., Result]
TLS = ROOT / "captures" / "tls" / "tls13-unknown-ca.pcap"


@pytest.mark.parametrize("path", [*CAPTURES, TLS], ids=lambda path: path.stem)
def test_both_give_the_same(path: Path) -> None:
    here, apart = BuiltinEngine([str(path)]), ApartEngine([str(path)])
    assert list(apart.exchanges()) == list(here.exchanges())
    assert apart.facts == here.facts
    assert apart.http_requests == here.http_requests
    assert apart.notices() == here.notices()
    assert list(apart.handshakes(None)) == list(here.handshakes(None))


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_exchanges_decoded_there_are_those_decoded_here(path: Path) -> None:
    here = list(decoded(BuiltinEngine([str(path)]), LIMITS))
    assert list(ApartEngine([str(path)], through=partial(decoded, limits=LIMITS)).exchanges()) == here


def test_a_certificate_that_comes_again_is_held_once() -> None:
    """The memory of a capture in which a server gives the same certificates ten thousand times depends on it."""
    path = str(ROOT / "captures" / "scenarios" / "ndes-get-enrollment.pcap")
    analysis = Analysis([path], ApartEngine([path], through=partial(decoded, limits=LIMITS)))
    [given] = [each.response for each in analysis.report().exchanges if isinstance(each.response, CaCertificates)]
    assert "_interpreter" not in vars(analysis)  # nothing was left to decode
    for again in (pickle.loads(_bytes_of([given])) for _ in range(2)):
        assert again == [given]
        assert [id(each) for each in again[0].certificates] == [id(each) for each in given.certificates]


def test_it_can_be_started_anew_instead_of_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "active_count", lambda: 2)
    apart = ApartEngine([str(CAPTURES[0])])
    assert list(apart.exchanges()) == list(BuiltinEngine([str(CAPTURES[0])]).exchanges())


def test_several_files_and_progress() -> None:
    paths = [str(each) for each in CAPTURES[:4]]
    told: list[int] = []
    found = list(ApartEngine(paths, told.append).exchanges())
    assert found == list(BuiltinEngine(paths).exchanges())
    assert told == sorted(told)
    assert told[-1] == sum(Path(each).stat().st_size for each in paths)


def test_a_mistake_of_the_user_arrives_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("no capture\n" * 100)
    with pytest.raises(InputError) as here:
        list(BuiltinEngine([str(path)]).exchanges())
    with pytest.raises(InputError) as apart:
        list(ApartEngine([str(path)]).exchanges())
    assert str(apart.value) == str(here.value)


@pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere the process is started anew, without what the test has broken"
)
def test_a_mistake_of_ours_arrives_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: BuiltinEngine) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(BuiltinEngine, "exchanges", broken)  # the process that is copied has it too
    with pytest.raises(ZeroDivisionError) as error:
        list(ApartEngine([str(CAPTURES[0])]).exchanges())
    assert "in broken" in error.value.__notes__[0]


@pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere the process is started anew, without what the test has broken"
)
def test_what_was_found_before_a_mistake_arrives_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found = list(BuiltinEngine([str(CAPTURES[0])]).exchanges())

    def broken(_: BuiltinEngine) -> Iterator[object]:
        for _time in range(1_000):
            yield from found
        raise ZeroDivisionError

    monkeypatch.setattr(BuiltinEngine, "exchanges", broken)
    arrived = ApartEngine([str(CAPTURES[0])]).exchanges()
    time.sleep(0.3)  # so that messages wait when it happens
    for _time in range(1_000):
        assert [next(arrived) for _ in found] == found
    with pytest.raises(ZeroDivisionError):
        next(arrived)


def test_a_process_that_is_killed_is_no_end_of_the_capture() -> None:
    apart = ApartEngine([str(CAPTURES[0])])
    process = apart._process
    os.kill(process.pid, signal.SIGSTOP)
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(AnalyzerError, match="--engine builtin"):
        for _ in range(2):  # what it had sent before comes first
            list(apart.exchanges())
            list(apart.handshakes(None))


def test_it_ends_when_nobody_listens(tmp_path: Path) -> None:
    apart = ApartEngine([str(CAPTURES[0])])
    process = apart._process
    next(apart.exchanges())
    del apart
    process.join(10)
    assert process.exitcode == 0


def test_large_captures_are_read_apart_and_reported_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(CAPTURES[0])
    assert isinstance(open_capture("auto", Reading([path])), BuiltinEngine)
    monkeypatch.setattr(engines, "_WORTH_BYTES", 0)
    monkeypatch.setattr("multiprocessing.cpu_count", lambda: 1)
    assert isinstance(open_capture("auto", Reading([path])), BuiltinEngine)
    monkeypatch.setattr("multiprocessing.cpu_count", lambda: 2)
    assert isinstance(open_capture("auto", Reading([path])), ApartEngine)
    assert isinstance(open_capture("builtin", Reading([path])), BuiltinEngine)
    for each in CAPTURES:
        alike = [json_v1.render(Analysis([str(each)], name).report()) for name in ("auto", "builtin")]
        assert alike[0] == alike[1]


def test_the_processes_of_jobs_start_no_others(scep_analyzer: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_WORTH_BYTES", 0)
    paths = CAPTURES[:3]
    together = scep_analyzer("timeline", *paths, "--jobs", "2")
    assert together.code == 0
    assert together.out == "".join(scep_analyzer("timeline", each).out for each in paths)


def test_a_file_that_goes_away_before_the_second_pass_is_a_mistake_of_the_user(tmp_path: Path) -> None:
    path = tmp_path / "copy.pcap"
    path.write_bytes(TLS.read_bytes())
    apart = ApartEngine([str(path)])
    list(apart.exchanges())
    path.write_text("no capture\n" * 100)
    with pytest.raises(InputError, match="not a capture"):
        list(apart.handshakes(None))
    assert apart.notices() is not None


def test_a_process_that_is_killed_before_the_second_pass_is_told() -> None:
    apart = ApartEngine([str(CAPTURES[0])])
    list(apart.exchanges())
    apart._process.kill()
    apart._process.join()
    with pytest.raises(AnalyzerError, match="--engine builtin"):
        apart.handshakes(None)
