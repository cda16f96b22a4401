"""scep-analyzer: the story of every SCEP enrollment in a packet capture.

>>> from scep_analyzer import analyze
>>> report = analyze("capture.pcapng")  # doctest: +SKIP

docs/python.md shows what else can be given, and what a report can tell.
"""

from typing import TYPE_CHECKING, Any

from scep_analyzer.version import __version__

if TYPE_CHECKING:
    from scep_analyzer.events import Event
    from scep_analyzer.model.anomalies import AnalyzerError, InputError
    from scep_analyzer.model.limits import LIMITS, LIVE, Limits
    from scep_analyzer.python import Analyzer, Report, analyze, stream

__all__ = [
    "LIMITS",
    "LIVE",
    "Analyzer",
    "AnalyzerError",
    "Event",
    "InputError",
    "Limits",
    "Report",
    "__version__",
    "analyze",
    "stream",
]

_HOMES = {
    **dict.fromkeys(("Analyzer", "Report", "analyze", "stream"), "scep_analyzer.python"),
    **dict.fromkeys(("AnalyzerError", "InputError"), "scep_analyzer.model.anomalies"),
    **dict.fromkeys(("LIMITS", "LIVE", "Limits"), "scep_analyzer.model.limits"),
    "Event": "scep_analyzer.events",
}


def __getattr__(name: str) -> Any:
    """Import the library when it is used; ``scep-analyzer --help`` does not need it."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'scep_analyzer' has no attribute {name!r}")
