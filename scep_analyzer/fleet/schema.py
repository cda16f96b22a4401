"""The tables of a fleet: the rows of ``report.rows``, with the keys that join them across captures, as Parquet has them."""

from typing import NamedTuple

from scep_analyzer.tables import TABLES, ColumnType

SCHEMA = "scep-analyzer.tables/1"
"""In the metadata of every Parquet file, under the key ``schema``."""
KEY, DAY = "capture_sha256", "day"


class FleetColumn(NamedTuple):
    """A column that only the tables of a fleet have."""

    name: str
    type: ColumnType
    meaning: str


_KEY = FleetColumn(
    KEY,
    "text",
    "which capture: the SHA-256 of its file; of several files (a ring buffer), the SHA-256 of their SHA-256 written one behind the "
    "other in hex; where no byte could be read, that of its name",
)
ADDED: dict[str, tuple[FleetColumn, ...]] = {
    **dict.fromkeys(TABLES, (_KEY,)),
    "captures": (
        _KEY,
        FleetColumn("file_sha256", "text", "the SHA-256 of this file; none where it could not be read"),
        FleetColumn("state", "text", "read, or failed: then the other tables have no rows of this capture"),
        FleetColumn("reason", "text", "why it could not be read"),
    ),
    "messages": (
        _KEY,
        FleetColumn(
            "challenge_mac",
            "text",
            "where a key opened the request: HMAC-SHA-256 of the challenge password under a key made from the private keys that were "
            "given. Equal challenges have equal values; without the private keys, none can be guessed from it",
        ),
    ),
}
PARQUET = {"text": "VARCHAR", "integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN", "time": "TIMESTAMP"}
"""``time`` is UTC, to the microsecond: what a capture has below that stays in the JSON."""


def columns_of(table: str) -> dict[str, str]:
    """The columns of a table and their types in DuckDB, the partition's (``day``) left out."""
    added = {each.name: PARQUET[each.type] for each in ADDED[table]}
    return added | {each.name: PARQUET[each.type] for each in TABLES[table].columns}
