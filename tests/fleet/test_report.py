"""``fleet report``: what it says is what the captures' own reports say; it reads nothing else, writes nothing, and escapes."""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

pytest.importorskip("duckdb", reason="the tables need the extra [fleet] (pip install 'scep-analyzer[fleet]')")

from scep_analyzer import Report, analyze
from scep_analyzer.fleet.answers import tables
from scep_analyzer.fleet.queries import QUERIES
from scep_analyzer.fleet.reader import append
from scep_analyzer.fleet.store import Record, Store, write_tables
from tests.conftest import ROOT, Result

Program = Callable[..., Result]
KEY = ROOT / "captures" / "keys" / "ra-encryption.pem"
CAPTURES = sorted((ROOT / "captures" / "faults").glob("*/*.pcap"))[::14]
RENEWALS = sorted((ROOT / "captures" / "faults" / "transactions").glob("*renew*.pcap"))


@pytest.fixture(scope="module")
def reports() -> list[Report]:
    return [analyze(each, keys=[KEY]) for each in dict.fromkeys((*CAPTURES, *RENEWALS))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from scep_analyzer.cli import main

    out = tmp_path_factory.mktemp("tables") / "out"
    paths = [str(each) for each in dict.fromkeys((*CAPTURES, *RENEWALS))]
    assert main(["fleet", *paths, "-o", str(out), "--scheduler", "threads", "--key", str(KEY)]) == 0
    return out


def _csv(scep_analyzer: Program, folder: Path, *arguments: str) -> list[dict[str, str]]:
    done = scep_analyzer("fleet", "report", folder, "-f", "csv", *arguments)
    assert (done.code, done.err) == (0, "")
    return list(csv.DictReader(io.StringIO(done.out)))


def test_days(scep_analyzer: Program, folder: Path, reports: list[Report]) -> None:
    expected = Counter(
        (str(row["started"])[:10], row["verdict"])
        for report in reports
        for row in report.rows("transactions")
        if row["kind"] in ("enrollment", "renewal") and row["started"]
    )
    found = Counter[tuple[str, object]]()
    for row in _csv(scep_analyzer, folder, "--only", "days"):
        for verdict in ("issued", "refused", "failed", "unusable", "pending"):
            if row["date"] and int(row[verdict]):
                found[row["date"], verdict] = int(row[verdict])
    assert found == {each: many for each, many in expected.items() if each[1] in {one for _, one in found}}


def test_causes(scep_analyzer: Program, folder: Path, reports: list[Report]) -> None:
    expected = Counter(
        row["root_cause"] for report in reports for row in report.rows("transactions") if row["root_cause"]
    )
    found = {row["rule"]: int(row["transactions"]) for row in _csv(scep_analyzer, folder, "--only", "causes")}
    assert found == expected


def test_the_same_nonce_in_two_captures(scep_analyzer: Program, folder: Path, reports: list[Report]) -> None:
    seen = Counter[object]()
    for report in reports:
        seen.update({row["sender_nonce"] for row in report.rows("messages") if row["direction"] == "request"} - {None})
    found = {row["sender_nonce"]: int(row["captures"]) for row in _csv(scep_analyzer, folder, "--only", "nonces")}
    assert found == {nonce: many for nonce, many in seen.items() if many > 1}
    assert found


def test_the_same_challenge_in_two_captures(scep_analyzer: Program, folder: Path, reports: list[Report]) -> None:
    seen = Counter[str]()
    for report in reports:
        seen.update(
            {
                content["csr"]["challenge_password"]["value"]
                for each in report.to_dict(secrets=True)["exchanges"]
                if (
                    content := (((each["request"] or {}).get("pki_message") or {}).get("envelope") or {}).get("content")
                )
                and (content["csr"] or {}).get("challenge_password", {}).get("value")
            }
        )
    found = [int(row["captures"]) for row in _csv(scep_analyzer, folder, "--only", "challenges")]
    assert sorted(found) == sorted(many for many in seen.values() if many > 1)
    assert found


def test_every_prepared_question_has_an_answer_in_text_and_on_the_page(scep_analyzer: Program, folder: Path) -> None:
    text = scep_analyzer("fleet", "report", folder)
    page = scep_analyzer("fleet", "report", folder, "-f", "html")
    assert (text.code, page.code) == (0, 0)
    for query in QUERIES.values():
        assert query.title in text.out
        assert query.title in page.out
    assert "<script" not in page.out


def test_without_a_row(scep_analyzer: Program, tmp_path: Path) -> None:
    Store.created(tmp_path / "out")
    done = scep_analyzer("fleet", "report", tmp_path / "out")
    assert done.code == 0
    assert done.out.count("  none\n") == len(QUERIES)
    assert scep_analyzer("fleet", "report", tmp_path / "nothing").code == 2


def test_sql_of_the_users_own(scep_analyzer: Program, folder: Path, reports: list[Report]) -> None:
    (row,) = _csv(scep_analyzer, folder, "--sql", "SELECT count(*) AS n FROM exchanges")
    assert int(row["n"]) == sum(len(each.exchanges) for each in reports)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM read_csv('{outside}')",
        "SELECT * FROM '{outside}'",
        "SELECT * FROM glob('/*')",
        "COPY (SELECT 1) TO '{outside}'",
        "COPY (SELECT 1) TO '{inside}' (FORMAT parquet)",
        "SELECT 1; COPY (SELECT 1) TO '{outside}'",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{inside}' (FORMAT parquet)",
        "ATTACH '{outside}' AS other",
        "CREATE TABLE mine AS SELECT 1",
        "DROP VIEW exchanges",
        "SET enable_external_access = true",
        "PRAGMA database_list",
        "INSTALL httpfs",
        "LOAD httpfs",
        "EXPORT DATABASE '{outside}'",
        "SELECT FROM WHERE",
        "",
    ],
)
def test_sql_reads_the_tables_and_nothing_else(scep_analyzer: Program, folder: Path, tmp_path: Path, sql: str) -> None:
    outside = tmp_path / "outside.csv"
    outside.write_text("secret\n1\n")
    inside = next((folder / "captures").glob("*/*.parquet"))
    before = inside.read_bytes()
    done = scep_analyzer("fleet", "report", folder, "--sql", sql.format(outside=outside, inside=inside))
    assert done.code == 2, done
    assert done.err.count("\n") == 1
    assert outside.read_text() == "secret\n1\n"
    assert inside.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["outside.csv"]


HOSTILE = "=cmd|'/c calc'!A1\x1b[2J\u202e<script>alert(1)</script>\"'&"


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    store = Store.created(tmp_path / "hostile")
    spilled = tmp_path / "spilled"
    spilled.mkdir()
    row = {"capture": 0, "path": HOSTILE, "bytes": 1, "state": "failed", "reason": HOSTILE, "first_time": None}
    append(spilled, {"captures": [row]}, "k")
    store.commit(Record(batch="b", files=tuple(write_tables(spilled, store.folder, "b")), captures=()))
    return store.folder


class _Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.tags: set[str] = set()
        self._in = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._in = tag == "td"

    def handle_data(self, data: str) -> None:
        if self._in:
            self.cells.append(data)


def test_hostile_text_is_harmless_in_each_medium(scep_analyzer: Program, hostile: Path) -> None:
    text = scep_analyzer("fleet", "report", hostile, "--only", "not-read", "--width", "1000").out
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert r"\x1b[2J\u202e" in text
    (row,) = _csv(scep_analyzer, hostile, "--only", "not-read")
    assert row["path"].startswith("'=cmd|")
    assert "\x1b" not in row["path"]
    page = _Texts()
    page.feed(scep_analyzer("fleet", "report", hostile, "--only", "not-read", "-f", "html").out)
    assert "script" not in page.tags
    assert r"\x1b[2J\u202e<script>" in "".join(page.cells)


def test_csv_needs_one_table(scep_analyzer: Program, folder: Path) -> None:
    done = scep_analyzer("fleet", "report", folder, "-f", "csv")
    assert done.code == 2
    assert "--only" in done.err


def test_renewals_are_joined_to_what_they_renew(scep_analyzer: Program, folder: Path, reports: list[Report]) -> None:
    expected = sum(
        1
        for report in reports
        for transaction in report.rows("transactions")
        if transaction["kind"] == "renewal"
        and any(
            each["transaction"] == transaction["transaction"]
            and each["place"] == "message"
            and each["direction"] == "request"
            for each in report.rows("certificates")
        )
    )
    assert len(_csv(scep_analyzer, folder, "--only", "renewals")) == expected > 0


def test_renewal_by_serial_number(tmp_path: Path, scep_analyzer: Program) -> None:
    """An enrollment in one capture, the renewal that its certificate signs in another."""
    store = Store.created(tmp_path / "out")
    spilled = tmp_path / "spilled"
    spilled.mkdir()
    for key, kind, started, serial in (("a", "enrollment", "01", "07"), ("b", "enrollment", "02", "08")):
        one = {"transaction": 1, "capture": 0, "kind": kind, "outcome": "success", "subject": "CN=x"}
        one |= {"started": f"2026-01-{started}T00:00:00Z", "issued_serial_number": serial, "verdict": "issued"}
        append(spilled, {"captures": [{"capture": 0}], "transactions": [one]}, key)
    renewal = {
        "transaction": 1,
        "capture": 0,
        "kind": "renewal",
        "started": "2026-03-01T00:00:00Z",
        "verdict": "issued",
    }
    message = {"exchange": 1, "transaction": 1, "direction": "request", "signer_sha256": "ff"}
    certificate = {"exchange": 1, "transaction": 1, "direction": "request", "place": "message"}
    certificate |= {"fingerprint_sha256": "ff", "serial_number": "07", "subject": "CN=x"}
    append(
        spilled,
        {"captures": [{"capture": 0}], "transactions": [renewal], "messages": [message], "certificates": [certificate]},
        "c",
    )
    store.commit(Record(batch="b", files=tuple(write_tables(spilled, store.folder, "b")), captures=()))
    (row,) = _csv(scep_analyzer, store.folder, "--only", "renewals")
    assert (row["enrolled_capture"], row["joined_by"]) == ("a", "serial number")


def test_documented_queries_run(folder: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "fleet.md").read_text(encoding="utf-8")
    queries = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    assert len(queries) >= 4
    with tables(Store.existing(folder)) as connection:
        for each in queries:
            assert connection.execute(each).fetchall(), each
