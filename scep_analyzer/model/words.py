"""Numbers as people read them: a number with its noun, a length of time with its units. Rules and stories say them the same way."""

_SECOND, _MINUTE, _HOUR, _DAY, _YEAR = 1, 60, 3_600, 86_400, 86_400 * 365


def count(number: int, thing: str, things: str | None = None) -> str:
    """A number and its noun: "1 error", "2 errors"; ``things`` where the plural has no simple -s."""
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"


def span(nanoseconds: int) -> str:
    """A length of time in units that people use: "12.5 ms", "2.1 s", "2 min 1 s", "2 h 10 min", "10 days", "57 years"."""
    if nanoseconds < 0:
        return f"-{span(-nanoseconds)}"
    seconds = nanoseconds / 1e9
    if seconds < 59.95:
        # The limits are those at which three digits would be rounded up to the next unit's 1.
        for limit, factor, unit in ((999.5e-6, 1e6, "µs"), (0.9995, 1e3, "ms"), (60, 1, "s")):
            if seconds < limit:
                return f"{seconds * factor:.3g} {unit}"
    whole = round(seconds)
    if whole < _HOUR:
        return _two(whole, _MINUTE, "min", _SECOND, "s")
    if whole < 2 * _DAY:
        return _two(round(whole / _MINUTE) * _MINUTE, _HOUR, "h", _MINUTE, "min")
    size, unit = (_DAY, "days") if whole < 2 * _YEAR else (_YEAR, "years")
    return f"{round(whole / size):,} {unit}"


def _two(seconds: int, large: int, large_unit: str, small: int, small_unit: str) -> str:
    """In two units, the smaller one only where it is not 0."""
    rest = seconds % large // small
    return f"{seconds // large} {large_unit}" + (f" {rest} {small_unit}" if rest else "")
