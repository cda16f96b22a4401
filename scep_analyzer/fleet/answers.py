"""Questions to the tables: the prepared ones, and SQL of the user's own, which may read the tables and nothing else."""

import contextlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from scep_analyzer.fleet.queries import QUERIES
from scep_analyzer.fleet.schema import DAY, KEY, columns_of
from scep_analyzer.fleet.store import Store
from scep_analyzer.model.anomalies import AnalyzerError
from scep_analyzer.render.tabular import Answer
from scep_analyzer.tables import TABLES

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MOST_ROWS = 1_000_000
"""Rows of an answer: they are held in memory."""


@contextlib.contextmanager
def tables(store: Store) -> "Iterator[DuckDBPyConnection]":
    """A connection that has the tables, and access to no other file: neither to read nor to write."""
    import duckdb

    files: dict[str, list[str]] = {name: [] for name in TABLES}
    for record in store.records():
        for each in record.files:
            files[each.partition("/")[0]].append(str(store.folder.resolve() / each))
    every = [each for theirs in files.values() for each in theirs]
    with duckdb.connect(":memory:", config={"python_enable_replacements": False}) as connection:
        connection.execute(f"SET allowed_paths = {_listed(every)}")
        connection.execute("SET enable_external_access = false")
        left_out = ", ".join(f"'{each}'" for each in store.withdrawn())
        for name, theirs in files.items():
            select = (
                f"SELECT * FROM read_parquet({_listed(theirs)}, hive_partitioning=true, hive_types={{{DAY}: DATE}})"
            )
            if not theirs:
                nothing = ", ".join(f"NULL::{kind} AS {column}" for column, kind in columns_of(name).items())
                select = f"SELECT {nothing}, NULL::DATE AS {DAY} WHERE false"
            elif left_out:
                select += f" WHERE {KEY} NOT IN ({left_out})"
            connection.execute(f"CREATE VIEW {name} AS {select}")
        connection.execute(f"CREATE VIEW clock AS SELECT DATE '{datetime.now(UTC).date()}' AS today")
        connection.execute("SET lock_configuration = true")
        yield connection


def _listed(files: Sequence[str]) -> str:
    return "[" + ", ".join("'" + each.replace("'", "''") + "'" for each in files) + "]"


def answer(connection: "DuckDBPyConnection", name: str) -> Answer:
    """The answer to a prepared question."""
    query = QUERIES[name]
    columns, rows = _asked(connection, query.sql)
    return Answer(name=name, title=query.title, meaning=query.meaning, columns=columns, rows=rows)


def answer_to(connection: "DuckDBPyConnection", sql: str) -> Answer:
    """The answer to the user's SQL: one SELECT. Raises AnalyzerError with DuckDB's words."""
    import duckdb

    try:
        statements = connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type not in (
            duckdb.StatementType.SELECT,
            duckdb.StatementType.EXPLAIN,
        ):
            raise AnalyzerError("--sql takes one SELECT, and nothing that writes")
        if statements[0].type == duckdb.StatementType.EXPLAIN and "analyze" in sql.lower():
            raise AnalyzerError(
                "--sql takes one SELECT, and nothing that writes: EXPLAIN ANALYZE would run what it explains"
            )
        columns, rows = _asked(connection, sql)
    except duckdb.Error as error:
        raise AnalyzerError(f"--sql: {' '.join(str(error).split())}") from error
    return Answer(name="sql", title="", meaning="", columns=columns, rows=rows)


def _asked(connection: "DuckDBPyConnection", sql: str) -> tuple[list[str], list[tuple[object, ...]]]:
    found = connection.execute(sql)
    names = [each[0] for each in found.description or ()]
    rows = found.fetchmany(MOST_ROWS + 1)
    if len(rows) > MOST_ROWS:
        raise AnalyzerError(f"the answer has more than {MOST_ROWS:,} rows; add a LIMIT, or ask for sums")
    return names, rows
