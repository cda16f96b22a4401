"""The rows of a folder of tables, for comparing."""

from pathlib import Path
from typing import Any

import duckdb

from scep_analyzer.tables import TABLES

_EVERY = "* EXCLUDE (day), day::VARCHAR AS day"


def rows(folder: Path, table: str, what: str = _EVERY) -> list[dict[str, Any]]:
    with duckdb.connect() as connection:
        return _rows(connection, folder, table, what)


def _rows(connection: duckdb.DuckDBPyConnection, folder: Path, table: str, what: str) -> list[dict[str, Any]]:
    files = sorted(str(each) for each in (folder / table).glob("*/*.parquet"))
    if not files:
        return []
    found = connection.execute(
        f"SELECT {what} FROM read_parquet(?, hive_partitioning=true, hive_types={{day: DATE}})", [files]
    )
    names = [each[0] for each in found.description or ()]
    return [dict(zip(names, each, strict=True)) for each in found.fetchall()]


def everything(folder: Path) -> dict[str, list[str]]:
    """All rows of all tables, in an order that does not depend on how they were made."""
    with duckdb.connect() as connection:
        return {
            name: sorted(repr(sorted(each.items())) for each in _rows(connection, folder, name, _EVERY))
            for name in TABLES
        }
