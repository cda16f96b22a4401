"""Numbers as people read them."""

import pytest

from scep_analyzer.model.words import count, span

SECOND, MINUTE, HOUR, DAY = 10**9, 60 * 10**9, 3_600 * 10**9, 86_400 * 10**9


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0 µs"),
        (500, "0.5 µs"),
        (999_600, "1 ms"),
        (12_500_000, "12.5 ms"),
        (999_700_000, "1 s"),
        (7_660_000_000, "7.66 s"),
        (30 * SECOND, "30 s"),
        (59_940_000_000, "59.9 s"),
        (59_960_000_000, "1 min"),
        (121 * SECOND, "2 min 1 s"),
        (200 * SECOND, "3 min 20 s"),
        (10 * MINUTE, "10 min"),
        (HOUR - SECOND // 4, "1 h"),
        (2 * HOUR + 10 * MINUTE, "2 h 10 min"),
        (2 * HOUR - 20 * SECOND, "2 h"),
        (36 * HOUR, "36 h"),
        (10 * DAY, "10 days"),
        (729 * DAY, "729 days"),
        (57 * 365 * DAY, "57 years"),
        (-90 * SECOND, "-1 min 30 s"),
    ],
)
def test_a_length_of_time(nanoseconds: int, text: str) -> None:
    assert span(nanoseconds) == text


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [
        (0, ("error",), "0 errors"),
        (1, ("error",), "1 error"),
        (2_000, ("error",), "2,000 errors"),
        (1, ("capability", "capabilities"), "1 capability"),
        (3, ("capability", "capabilities"), "3 capabilities"),
    ],
)
def test_a_number_and_its_noun(number: int, noun: tuple[str, ...], text: str) -> None:
    assert count(number, *noun) == text
