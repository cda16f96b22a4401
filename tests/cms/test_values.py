"""ASN.1 types as Python's values: what Python refuses is no value."""

from datetime import UTC, datetime

import pytest

from scep_analyzer.cms.values import GENERALIZED_TIME, UTC_TIME, dotted, integer, number_in, time_of
from scep_analyzer.model.anomalies import DecodeError


@pytest.mark.parametrize(
    ("tag", "text", "moment"),
    [
        (UTC_TIME, "260102030405Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (UTC_TIME, "500101000000Z", datetime(1950, 1, 1, tzinfo=UTC)),
        (UTC_TIME, "2601020304+0130", datetime(2026, 1, 2, 1, 34, tzinfo=UTC)),
        (UTC_TIME, "260102030405", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (GENERALIZED_TIME, "20300101000000", datetime(2030, 1, 1, tzinfo=UTC)),
        (GENERALIZED_TIME, "20300101000000.25-0800", datetime(2030, 1, 1, 8, tzinfo=UTC)),
        (GENERALIZED_TIME, "99991231235959Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (GENERALIZED_TIME, "00010101000000+1200", None),
        (GENERALIZED_TIME, "99991231235959-1200", None),
        (GENERALIZED_TIME, "00000101000000Z", None),
        (GENERALIZED_TIME, "20260230000000Z", None),
        (GENERALIZED_TIME, "٢٠٢٦0101000000Z", None),
        (UTC_TIME, "20300101000000Z", None),
        (UTC_TIME, "", None),
        (4, "260102030405Z", None),
    ],
)
def test_times(tag: int, text: str, moment: datetime | None) -> None:
    assert time_of(tag, text.encode("utf-8")) == moment


def test_numbers_that_cannot_be_printed_are_none() -> None:
    assert integer(b"\x80") == -128
    assert integer(b"\x01" + bytes(20)) == 1 << 160
    assert integer(b"") is None
    assert integer(b"\x01" * 2000) is None
    assert (number_in(" -5 "), number_in("9" * 5000), number_in("1e5"), number_in("٣")) == (-5, None, None, None)


def test_a_long_oid_is_refused_at_once() -> None:
    assert dotted(bytes.fromhex("2a864886f70d010907")) == "1.2.840.113549.1.9.7"
    with pytest.raises(DecodeError, match="limit-oid"):
        dotted(b"\x2a" + b"\xff" * 1_000_000 + b"\x01")
