"""scep-analyzer: the story of every SCEP enrollment in a packet capture.

>>> from scep_analyzer import analyze
>>> report = analyze("capture.pcapng")  # doctest: +SKIP
"""

from typing import TYPE_CHECKING, Any

from scep_analyzer.version import __version__

if TYPE_CHECKING:
    from scep_analyzer.analysis import analyze
    from scep_analyzer.report import Report

__all__ = ["Report", "__version__", "analyze"]


def __getattr__(name: str) -> Any:
    """Import the library when it is used; ``scep-analyzer --help`` does not need it."""
    if name == "analyze":
        from scep_analyzer.analysis import analyze

        return analyze
    if name == "Report":
        from scep_analyzer.report import Report

        return Report
    raise AttributeError(f"module 'scep_analyzer' has no attribute {name!r}")
