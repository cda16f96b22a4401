"""The request target: which operation, which message parameter (RFC 8894, Section 4.1)."""

from typing import NamedTuple
from urllib.parse import unquote

from scep_analyzer.model.exchanges import path_of
from scep_analyzer.scep.codes import OPERATIONS

_BY_LOWER_CASE = {name.lower(): name for name in OPERATIONS}


class Query(NamedTuple):
    """What a target says. ``operation`` is canonical, None where there is none or it is unknown.

    ``message`` is the parameter's value with its percent-escapes. ``notes`` are anomalies: (code, detail).
    """

    path: str
    operation: str | None
    operation_as_sent: str | None
    message: str | None
    notes: tuple[tuple[str, str], ...]


def read_query(target: str, *, cut: bool = False) -> Query:
    """Read a request target, in origin or absolute form. ``cut``: its end is missing."""
    path, query = path_of(target), target.partition("?")[2]
    operation: str | None = None
    message: str | None = None
    notes: list[tuple[str, str]] = []
    for pair in query.replace("?", "&").split("&"):  # a second "?" stands for "&" in some configured URLs
        name, equals, value = pair.partition("=")
        known = unquote(name).strip().lower()
        if known == "operation" and operation is None:
            if name != "operation":
                notes.append(("parameter-spelling", f"the parameter name operation is sent as {name[:40]!r}"))
            operation = unquote(value)
        elif known == "message" and message is None and equals:
            message = value
    if operation is None:
        return Query(path=path, operation=None, operation_as_sent=None, message=message, notes=tuple(notes))
    canonical = _canonical(operation, notes, cut=cut)
    return Query(path=path, operation=canonical, operation_as_sent=operation, message=message, notes=tuple(notes))


def _canonical(sent: str, notes: list[tuple[str, str]], *, cut: bool) -> str | None:
    trimmed = sent.strip()
    canonical = _BY_LOWER_CASE.get(trimmed.lower())
    if canonical is None and cut and len(trimmed) > 4:
        canonical = next((name for name in reversed(OPERATIONS) if name.startswith(trimmed)), None)
        if canonical is not None:
            notes.append(
                ("operation-cut", f"the request ends inside the operation: {trimmed!r} is read as {canonical}")
            )
    elif canonical is not None and sent != canonical:
        notes.append(("operation-spelling", f"the operation {canonical} is sent as {sent[:40]!r}"))
    return canonical
