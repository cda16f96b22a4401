"""Times and durations."""

from datetime import UTC

import pytest

from scep_analyzer.story.times import clock, day_and_clock, iso, span


def test_iso_keeps_the_captures_precision() -> None:
    time_ns = 1_772_246_260_785_058_123
    assert iso(time_ns, 6) == "2026-02-28T02:37:40.785058Z"
    assert iso(time_ns, 9) == "2026-02-28T02:37:40.785058123Z"
    assert iso(time_ns, 0) == "2026-02-28T02:37:40Z"
    assert iso(None, 6) is None
    assert iso(1 << 80, 6) is None  # a damaged timestamp far outside the calendar


def test_clock() -> None:
    assert clock(1_772_246_260_785_058_123, UTC, 6) == "02:37:40.785058"
    assert day_and_clock(1_772_246_260_785_058_123, UTC) == "2026-02-28 02:37:40"
    assert clock(None, UTC, 6) == "(no time)"


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (500, "0.5 µs"),
        (12_500_000, "12.5 ms"),
        (7_660_000_000, "7.66 s"),
        (600_000_000_000, "10 min"),
        (86_400_000_000_000 * 10, "10.0 days"),
    ],
)
def test_span(nanoseconds: int, text: str) -> None:
    assert span(nanoseconds) == text
