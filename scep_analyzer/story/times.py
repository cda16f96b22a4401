"""Times and durations as people and programs read them."""

from datetime import UTC, datetime, timezone
from functools import lru_cache


def iso(time_ns: int | None, digits: int) -> str | None:
    """UTC, ISO 8601, with the capture's own precision; None stays None."""
    if time_ns is None:
        return None
    seconds, rest = divmod(time_ns, 1_000_000_000)
    second = _iso_second(seconds)
    fraction = f".{rest:09d}"[: digits + 1] if digits else ""
    return f"{second}{fraction}Z" if second is not None else None


@lru_cache(maxsize=1024)
def _iso_second(seconds: int) -> str | None:
    moment = _moment(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}" if moment is not None else None


@lru_cache(maxsize=1024)
def iso_of(moment: datetime | None) -> str | None:
    """A certificate's time."""
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def clock(time_ns: int | None, zone: timezone | None, digits: int) -> str:
    """The time of day; ``zone`` None is the local one."""
    return _form(time_ns, zone, "%H:%M:%S", digits)


def day_and_clock(time_ns: int | None, zone: timezone | None, digits: int = 0) -> str:
    """Date and time of day."""
    return _form(time_ns, zone, "%Y-%m-%d %H:%M:%S", digits)


def _form(time_ns: int | None, zone: timezone | None, form: str, digits: int) -> str:
    if time_ns is None:
        return "(no time)"
    seconds, rest = divmod(time_ns, 1_000_000_000)
    moment = _moment(seconds, zone)
    if moment is None:
        return "(no such time)"
    return moment.strftime(form) + (f".{rest:09d}"[: digits + 1] if digits else "")


def _moment(seconds: int, zone: timezone | None) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, zone) if zone else datetime.fromtimestamp(seconds).astimezone()
    except (OverflowError, ValueError, OSError):  # a damaged timestamp far outside the calendar
        return None


def zone_name(zone: timezone | None) -> str:
    """What the times are given in."""
    return "UTC" if zone is UTC else "local time"
