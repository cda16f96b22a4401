"""ASN.1 types → Python's values, in one place: what Python or the calendar refuses is a DecodeError or None, never another error.

asn1crypto's own conversions are not used for numbers, times and OIDs: they take time that grows with the square of the length,
give numbers that cannot be printed, times without a zone, and times whose UTC lies outside the calendar.
"""

import re
from datetime import UTC, datetime, timedelta

from asn1crypto import core

from scep_analyzer.model.anomalies import DecodeError
from scep_analyzer.model.limits import BOUNDS
from scep_analyzer.model.patterns import lazily

UTC_TIME, GENERALIZED_TIME = 23, 24
_LONGEST_TIME = 40
_LONGEST_NUMBER = 64
"""Bytes of an INTEGER that is given as a number. Serial and CRL numbers have 20 (RFC 5280, Sections 4.1.2.2 and 5.2.3)."""

# X.680, Clauses 46 and 47: UTCTime leaves out the century, and may leave out the seconds; both may carry a zone.
_REST = r"(\d\d)(\d\d)(\d\d)(?:(\d\d)(?:(\d\d)(?:[.,]\d{1,9})?)?)?(?:Z|([+-])(\d\d)(\d\d)?)?"
_TIMES = {
    UTC_TIME: lazily(r"(\d\d)" + _REST, re.ASCII),
    GENERALIZED_TIME: lazily(r"(\d{4})" + _REST, re.ASCII),
}


def dotted(content: bytes) -> str:
    """The content of an OBJECT IDENTIFIER in dots."""
    if len(content) > BOUNDS.oid_bytes:
        raise DecodeError(f"an OBJECT IDENTIFIER of {len(content):,} bytes, more than {BOUNDS.oid_bytes} (limit-oid)")
    try:
        return str(core.ObjectIdentifier(contents=content).dotted)
    except (ValueError, LookupError, TypeError) as error:
        raise DecodeError(str(error).splitlines()[0]) from error


def integer(content: bytes) -> int | None:
    """The content of an INTEGER as a number, None where it is longer than any number that is meant as one."""
    return int.from_bytes(content, "big", signed=True) if 0 < len(content) <= _LONGEST_NUMBER else None


def number_in(text: str) -> int | None:
    """A decimal number written as text, None where it is none or longer than any that is meant."""
    digits = text.strip()
    return int(digits) if re.fullmatch(r"[+-]?[0-9]{1,20}", digits) else None


def time_of(tag: int | None, content: bytes) -> datetime | None:
    """A UTCTime or GeneralizedTime in UTC, None where it cannot be read.

    One without a zone is taken for UTC: RFC 5280, Section 4.1.2.5 demands the ``Z``, and who leaves it out means it.
    A UTCTime's century is RFC 5280's: 50 to 99 are 1950 to 1999.
    """
    form = _TIMES.get(tag or 0)
    match = form.fullmatch(content.decode("latin-1")) if form is not None and len(content) <= _LONGEST_TIME else None
    if match is None:
        return None
    year = int(match[1])
    if tag == UTC_TIME:
        year += 1900 if year >= 50 else 2000
    try:
        moment = datetime(year, *(int(match[at] or 0) for at in (2, 3, 4, 5, 6)), tzinfo=UTC)  # type: ignore[misc, arg-type]  # month to second
        if match[7]:
            offset = timedelta(hours=int(match[8]), minutes=int(match[9] or 0))
            moment += -offset if match[7] == "+" else offset
    except (ValueError, OverflowError):
        return None
    return moment
