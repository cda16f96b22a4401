"""Windows event traces: the right converter, by the provider in the file, whatever the file is called."""

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Result

NETSH = uuid.UUID("{2ED6006E-4729-4609-B423-3EE7BCD678EF}")
PKTMON = uuid.UUID("{4D4F80D9-C8BD-4D73-BB5B-19C90402C5AC}")
"""As `logman query providers` lists Microsoft-Windows-NDIS-PacketCapture and Microsoft-Windows-PktMon."""


def trace(provider: uuid.UUID) -> bytes:
    """A buffer of an event trace: WMI_BUFFER_HEADER (72 bytes), then an EVENT_HEADER whose ProviderId is at byte 24 (evntcons.h)."""
    header = (65536).to_bytes(4, "little") + bytes(68)
    event = bytes(24) + provider.bytes_le + bytes(40)
    return (header + event).ljust(65536, b"\xff") * 2


@pytest.mark.parametrize("name", ["trace.etl", "trace", "trace.pcapng"])
@pytest.mark.parametrize(
    ("provider", "says", "never"),
    [(NETSH, "`etl2pcapng IN.etl OUT.pcapng`", "pktmon"), (PKTMON, "`pktmon etl2pcap IN.etl -o OUT.pcapng`", "netsh")],
)
def test_the_converter_is_named(
    provider: uuid.UUID, says: str, never: str, name: str, scep_analyzer: Callable[..., Result], tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(trace(provider))
    result = scep_analyzer(tmp_path / name)
    assert (result.code, result.err.count("\n")) == (3, 1)
    assert says in result.err
    assert never not in result.err


def test_a_trace_of_something_else_names_both(scep_analyzer: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "other.etl").write_bytes(trace(uuid.UUID(int=7)))
    result = scep_analyzer(tmp_path / "other.etl")
    assert result.code == 3
    assert "etl2pcapng" in result.err
    assert "pktmon etl2pcap" in result.err
