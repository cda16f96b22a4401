"""One run of events: whichever way a capture is read and written, it has one verdict.

The fold of JSON Lines below is a reader's, written from docs/json.md and not from the program.
"""

import copy
import io
import json
import pickle
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from scep_analyzer.analysis import Analysis
from scep_analyzer.engines.builtin import BuiltinEngine
from scep_analyzer.events import Amended, Ended, Event
from scep_analyzer.model.limits import AT_ONCE
from scep_analyzer.render import RENDERERS, Look, json_v1, jsonl, renderer
from scep_analyzer.report import Files, Report
from scep_analyzer.story.model import Chapter, Learned, Remark
from scep_analyzer.story.narrator import Narrator, story_of
from tests.conftest import CAPTURES, DEPTH, ROOT
from tests.reports import keys_of

FAULTS = sorted((ROOT / "captures" / "faults").glob("*/*.pcap*"))
FOUND = [each for each in FAULTS if DEPTH > 1 or ".near-miss" not in each.name]
EVERY = [*CAPTURES, *FOUND]
"""The near misses, in which less is told, are read by `make properties`."""
KEYS = sorted((ROOT / "captures" / "keys").glob("*.pem"))
LATE = ["ndes-to-ca-rpc-fails", "ndes-crl-fetch-fails", "ndes-policy-module-refused", "transid-changed-while-pending"]
"""Whose root cause is found at the end of the capture only."""


@cache
def _run(path: Path) -> tuple[tuple[Event, ...], Files]:
    analysis = Analysis([str(path)], keys=keys_of(KEYS))
    return tuple(analysis.events()), Files(analysis.engine.facts)


def _written(events: Iterable[Event], files: Files) -> list[dict[str, Any]]:
    out = io.StringIO()
    jsonl.write(events, files, out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def folded(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """JSON Lines → what the JSON document holds, as docs/json.md describes it."""
    of: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        of.setdefault(line.pop("record"), []).append(line)
    exchanges, transactions = of.get("exchange", []), of.get("transaction", [])
    findings = {each["id"]: each for each in of.get("finding", [])}
    for amendment in of.get("amendment", []):
        findings |= {each["id"]: each for each in amendment["findings"]}
        amended = next(each for each in transactions if each["id"] == amendment["transaction"])
        amended |= {key: amendment[key] for key in ("root_cause", "verdict", "verdict_strength", "attempts", "history")}
    started = {each["id"]: _began(each) for each in exchanges}
    exchanges.sort(key=_began)
    transactions.sort(
        key=lambda each: (
            each["started"] or "",
            started[each["exchanges"][0]][1] if each["exchanges"] else each["failed_connections"][0]["frames"][0],
        )
    )
    rank = {"error": 0, "warning": 1, "info": 2}
    ordered = sorted(
        findings.values(),
        key=lambda each: (
            not each["root_cause"],
            rank[each["severity"]],
            min(each["frames"], default=0),
            _position(transactions, each["transaction"]),
            each["id"],
        ),
    )
    exchange_ids = {each["id"]: at for at, each in enumerate(exchanges, 1)}
    transaction_ids = {each["id"]: at for at, each in enumerate(transactions, 1)}
    finding_ids = {each["id"]: at for at, each in enumerate(ordered, 1)}
    for each in transactions:
        each["id"] = transaction_ids[each["id"]]
        each["exchanges"] = sorted(exchange_ids[one] for one in each["exchanges"])
        each["root_cause"] = finding_ids.get(each["root_cause"])
    belongs = {one: each["id"] for each in transactions for one in each["exchanges"]}
    for each in exchanges:
        each["id"] = exchange_ids[each["id"]]
        each["transaction"] = belongs.get(each["id"])
    for each in ordered:
        each["id"] = finding_ids[each["id"]]
        each["because_of"] = finding_ids.get(each["because_of"])
        each["transaction"] = transaction_ids.get(each["transaction"])
        each["exchange"] = exchange_ids.get(each["exchange"])
    return {"exchanges": exchanges, "transactions": transactions, "findings": ordered}


def _began(exchange: dict[str, Any]) -> tuple[str, int]:
    message = exchange["request"] or exchange["response"]
    return message["time"] or "", message["frames"][0] if message["frames"] else 0


def _position(transactions: list[dict[str, Any]], number: int | None) -> int:
    return next((at for at, each in enumerate(transactions) if each["id"] == number), len(transactions))


def _as_set(document: dict[str, Any]) -> list[str]:
    """Findings without their place: equal ones of one frame may change places."""
    causes = {each["id"]: (each["rule"], each["summary"]) for each in document["findings"]}
    return sorted(
        json.dumps({**each, "id": 0, "because_of": causes.get(each["because_of"])}) for each in document["findings"]
    )


@pytest.mark.parametrize("path", EVERY, ids=lambda path: path.stem)
def test_json_lines_folded_are_the_json(path: Path) -> None:
    events, files = _run(path)
    whole = json.loads(json_v1.render(Report.of(events)))
    lines = folded(_written(events, files))
    assert lines["exchanges"] == whole["exchanges"]
    assert [{**each, "root_cause": 0} for each in lines["transactions"]] == [
        {**each, "root_cause": 0} for each in whole["transactions"]
    ]
    assert _as_set(lines) == _as_set(whole)
    assert _roots(lines) == _roots(whole)


def _roots(document: dict[str, Any]) -> list[str | None]:
    rules = {each["id"]: each["rule"] for each in document["findings"]}
    return [rules.get(each["root_cause"]) for each in document["transactions"]]


@pytest.mark.parametrize("path", EVERY, ids=lambda path: path.stem)
def test_a_pipe_names_the_causes_that_the_file_names(path: Path) -> None:
    engine = BuiltinEngine(["-"], limits=AT_ONCE, streams={"-": io.BytesIO(path.read_bytes())})
    told: dict[int, str | None] = {}
    for piece in Narrator().pieces(Analysis([], engine, keys=keys_of(KEYS), limits=AT_ONCE).events()):
        if isinstance(piece, Chapter | Learned):
            number = piece.number if isinstance(piece, Chapter) else piece.chapter
            told[number] = _named(piece.root)
    story = story_of(Report.of(_run(path)[0]))
    assert sorted(map(str, told.values())) == sorted(str(_named(each.root)) for each in story.chapters)


def _named(root: Remark | None) -> str | None:
    return None if root is None else f"{root.rule} {root.frames}"


@pytest.mark.parametrize("stem", LATE)
def test_what_is_found_at_the_end_amends_what_was_told(stem: str) -> None:
    path = next(each for each in FAULTS if each.stem == stem)
    events, files = _run(path)
    amended = [each for each in events if isinstance(each, Amended)]
    assert len(amended) == 1
    assert stem in {each.rule for each in amended[0].findings if each.root_cause}
    before = next(each for each in events if isinstance(each, Ended) and each.number == amended[0].transaction)
    assert stem not in {each.rule for each in before.findings}
    assert {each.number for each in before.findings} < {each.number for each in amended[0].findings}
    records = [line["record"] for line in _written(events, files)]
    assert records.count("amendment") == 1
    assert records.index("amendment") > records.index("transaction")


COPIES: dict[str, Callable[[Report], Report]] = {
    "pickled": lambda report: pickle.loads(pickle.dumps(report)),
    "deep-copied": copy.deepcopy,
}


@pytest.mark.parametrize("path", [*CAPTURES, *FAULTS[:: 27 // min(DEPTH, 27)]], ids=lambda path: path.stem)
def test_a_report_that_was_rendered_can_be_copied_and_renders_the_same(path: Path) -> None:
    report = Report.of(_run(path)[0])
    before = list(_rendered(report))
    for name, copied in COPIES.items():
        assert list(_rendered(copied(report))) == before, name


def _rendered(report: Report) -> Iterator[str]:
    yield json_v1.render(report, secrets=True)
    story = story_of(report)
    for command, form in RENDERERS:
        out = io.StringIO()
        renderer(command, form).whole(story, out, Look(verbose=True))
        yield out.getvalue()


def test_records_of_many_captures_can_be_joined(scep_analyzer: Callable[..., Any]) -> None:
    paths = CAPTURES[:3]
    out = scep_analyzer("timeline", "--jobs", "2", "-f", "jsonl", *paths).out
    lines = [json.loads(line) for line in out.splitlines()]
    named = {line["capture"]: Path(line["path"]).name for line in lines if line["record"] == "capture"}
    assert named == dict(enumerate(path.name for path in paths))
    for at, path in enumerate(paths):
        alone = json.loads(scep_analyzer("timeline", "-f", "json", path).out)
        of = [line for line in lines if line.get("capture") == at]
        for record, key in (("exchange", "exchanges"), ("transaction", "transactions"), ("finding", "findings")):
            assert sum(line["record"] == record for line in of) == len(alone[key])


def test_several_files_read_as_one_say_which_holds_a_record(scep_analyzer: Callable[..., Any], tmp_path: Path) -> None:
    first, second = (
        next(each for each in CAPTURES if each.stem.startswith(stem)) for stem in ("ndes-get", "scepclient-scep")
    )
    document = json.loads(scep_analyzer("timeline", "-f", "json", first, second).out)
    ends = [document["captures"][0]["packets"]]
    assert {each["capture"] for each in document["exchanges"]} == {0, 1}
    for each in document["exchanges"]:
        assert each["capture"] == (each["request"]["frames"][0] > ends[0])
