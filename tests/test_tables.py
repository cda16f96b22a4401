"""The tables: every cell is of its column's type, keys lead from one table to another, values are those of the JSON."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from scep_analyzer import Report, analyze
from scep_analyzer.tables import TABLES
from tests.conftest import CAPTURES, ROOT

TYPES: dict[str, Any] = {"text": str, "integer": int, "number": float | int, "boolean": bool, "time": str}
KEYS = [ROOT / "captures" / "keys" / "ra-encryption.pem", ROOT / "captures" / "keys" / "client.pem"]
SOME = [each for each in CAPTURES if each.parent.name != "faults"] + CAPTURES[::40]


@pytest.fixture(scope="module", params=SOME, ids=lambda path: path.stem)
def report(request: pytest.FixtureRequest) -> Report:
    path: Path = request.param
    return analyze(path, keys=KEYS)


def test_every_cell_is_of_the_type_of_its_column(report: Report) -> None:
    for name, table in TABLES.items():
        for row in report.rows(name):
            assert list(row) == [each.name for each in table.columns]
            for column in table.columns:
                cell = row[column.name]
                if cell is not None:
                    assert isinstance(cell, TYPES[column.type]), (name, column.name, cell)
                    assert isinstance(cell, bool) is (column.type == "boolean"), (name, column.name, cell)
                    if column.type == "time":
                        assert datetime.fromisoformat(str(cell)).tzinfo is not None


def test_rows_of_one_table_lead_to_rows_of_another(report: Report) -> None:
    ids = {
        name: {row[name[:-1]] for row in report.rows(name)}
        for name in ("exchanges", "transactions", "findings", "captures")
    }
    for name in TABLES:
        for row in report.rows(name):
            for other, known in ids.items():
                value = row.get(other[:-1])
                assert value is None or value in known, (name, other)


def test_there_are_as_many_rows_as_there_is_to_tell(report: Report) -> None:
    document = report.to_dict()
    for name in ("captures", "exchanges", "transactions", "findings"):
        assert len(report.rows(name)) == len(document[name])
    messages = [
        each[direction]["pki_message"]
        for each in document["exchanges"]
        for direction in ("request", "response")
        if each[direction] is not None and each[direction]["pki_message"] is not None
    ]
    assert [row["sha256"] for row in report.rows("messages")] == [each["sha256"] for each in messages]
    streams = {(each["capture"], each["connection"]) for each in document["exchanges"]}
    assert len([row for row in report.rows("connections") if row["exchanges"]]) == len(streams)


def test_every_column_says_something_somewhere() -> None:
    """A path that leads nowhere would be None in every row."""
    filled: dict[tuple[str, str], bool] = {}
    faults = ROOT / "captures" / "faults"
    more = [faults / "certrep" / "certrep-failinfotext.pcap", faults / "issued" / "issued-san-changed.near-miss.pcap"]
    more.append(faults / "connection" / "tcp-refused.pcap")
    for path in {*SOME, *more}:
        whole = analyze(path, keys=KEYS)
        for name in TABLES:
            for row in whole.rows(name):
                for column, cell in row.items():
                    filled[name, column] = filled.get((name, column), False) or cell is not None
    assert [each for each, there in filled.items() if not there] == []


def test_secrets_are_in_no_table() -> None:
    capture = ROOT / "captures" / "scenarios" / "ndes-get-enrollment.pcap"
    whole = analyze(capture, keys=KEYS)
    (secret,) = {
        content["csr"]["challenge_password"]["value"]
        for each in whole.to_dict(secrets=True)["exchanges"]
        if (content := ((each["request"] or {}).get("pki_message") or {}).get("envelope", {}).get("content"))
        is not None
    }
    assert secret
    assert (
        secret not in str([whole.rows(name) for name in TABLES]) + whole._repr_html_() + repr(whole) + whole.to_json()
    )


def test_a_table_that_is_not_there() -> None:
    with pytest.raises(ValueError, match="use one of captures, connections"):
        analyze([]).rows("packets")  # type: ignore[arg-type]  # as a program without types may


def test_pandas_takes_them() -> None:
    pandas = pytest.importorskip("pandas")
    whole = analyze(SOME[0])
    for name in TABLES:
        frame = pandas.DataFrame(whole.rows(name))
        assert len(frame) == len(whole.rows(name))
