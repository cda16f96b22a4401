"""Times and durations."""

from datetime import UTC

from scep_analyzer.story.times import clock, day_and_clock, iso


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
