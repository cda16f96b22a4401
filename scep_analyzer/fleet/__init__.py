"""Many captures, on one machine or on a cluster, into one set of Parquet tables, and what can be asked of them.

``sources`` finds the captures, ``reader`` reads one and gives its rows, ``supervisor`` holds a reader to limits of time and memory,
``store`` is the folder of tables, ``run`` divides the work, ``queries`` and ``answers`` ask the tables, ``watch`` follows a ring buffer.
"""

from importlib.util import find_spec

from scep_analyzer.model.anomalies import AnalyzerError

_NEEDED = ("duckdb", "distributed", "fsspec", "psutil", "locket")
"""psutil and locket come with distributed."""


def check_installed(*modules: str) -> None:
    """Raise AnalyzerError where a package that the fleet commands need is missing."""
    if any(find_spec(each) is None for each in modules or _NEEDED):
        raise AnalyzerError("this needs packages that are not installed: pip install 'scep-analyzer[fleet]'")
