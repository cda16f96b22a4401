"""The table of kinds: how each is recognised by its content, what it lacks, and what reads it."""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from scep_analyzer.capture.source import Source
from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.exchanges import HttpExchange
from scep_analyzer.model.packets import CaptureFacts
from scep_analyzer.recordings import har, logs, saz

Reader = Callable[[Source, CaptureFacts, int], Iterator[HttpExchange | Anomaly]]
"""Reads one file: its bytes, its facts, which grow, and how many entries the files before it have."""

START_BYTES = 1 << 16
"""Bytes at the beginning that a kind is recognised by."""


class Kind(NamedTuple):
    """One kind of input: its name (``captures[].format``), what its entries are called, what it is called in a sentence, what it lacks."""

    name: str
    unit: str
    called: str
    lacks: frozenset[str]
    recognises: Callable[[bytes], bool]
    read: Reader


_NO_PACKETS = frozenset({"packets"})
_LINES_ALONE = frozenset({"packets", "headers", "bodies"})
_HAR = re.compile(rb"\s*\{\s*\"log\"\s*:\s*\{")

KINDS = (
    Kind("IIS W3C log", "line", "an access log", _LINES_ALONE, logs.is_w3c, logs.read_w3c),
    Kind("access log", "line", "an access log", _LINES_ALONE, logs.is_common, logs.read_common),
    Kind("HAR", "entry", "a HAR file", _NO_PACKETS, lambda start: _HAR.match(start) is not None, har.read_har),
    Kind("Fiddler archive", "session", "a Fiddler archive", _NO_PACKETS, saz.is_saz, saz.read_saz),
)


def kind_of(start: bytes) -> Kind | None:
    """The kind of an input by its first bytes, None where it is none of these."""
    start = start.removeprefix(b"\xef\xbb\xbf")
    return next((kind for kind in KINDS if kind.recognises(start)), None)
