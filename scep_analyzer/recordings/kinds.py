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
    Kind(
        name="IIS W3C log",
        unit="line",
        called="an access log",
        lacks=_LINES_ALONE,
        recognises=logs.is_w3c,
        read=logs.read_w3c,
    ),
    Kind(
        name="access log",
        unit="line",
        called="an access log",
        lacks=_LINES_ALONE,
        recognises=logs.is_common,
        read=logs.read_common,
    ),
    Kind(
        name="HAR",
        unit="entry",
        called="a HAR file",
        lacks=_NO_PACKETS,
        recognises=lambda start: _HAR.match(start) is not None,
        read=har.read_har,
    ),
    Kind(
        name="Fiddler archive",
        unit="session",
        called="a Fiddler archive",
        lacks=_NO_PACKETS,
        recognises=saz.is_saz,
        read=saz.read_saz,
    ),
)


def kind_of(start: bytes) -> Kind | None:
    """The kind of an input by its first bytes, None where it is none of these."""
    start = start.removeprefix(b"\xef\xbb\xbf")
    return next((kind for kind in KINDS if kind.recognises(start)), None)
