"""What a stage had to step over, and how a user is told of a mistake."""

from typing import NamedTuple


class Anomaly(NamedTuple):
    """Damage or an unusual form, named. Not a judgement: rules judge.

    ``layer`` is the stage that saw it (capture, link, tcp, http, scep, cms, rules),
    ``code`` a stable name, ``frames`` Wireshark's frame numbers (the first is the one
    to open; empty where no frame can be named), ``detail`` one sentence with the values.
    """

    layer: str
    code: str
    frames: tuple[int, ...]
    detail: str


class DecodeError(ValueError):
    """Bytes that cannot be read as what they should be.

    Raised by helpers inside a stage; the stage's ``feed`` turns it into an Anomaly.
    """


class AnalyzerError(Exception):
    """The user's mistake, in one line that ends with what to type next."""

    exit_code = 2


class InputError(AnalyzerError):
    """The input is missing, unreadable, or not a capture."""

    exit_code = 3
