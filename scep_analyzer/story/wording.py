"""A story in the words of what was read: a log has lines and shows things, where a capture has packets.

Only the program's own words are changed, which the story keeps apart from text of the wire: whoever writes "the capture" into a
certificate still reads "the capture" there.
"""

from typing import Any, TypeVar, cast

from scep_analyzer.model.places import of_source
from scep_analyzer.story.model import Kind, Remark, Span, Verdict

Told = TypeVar("Told", bound=tuple[Any, ...])


def worded(told: Told, unit: str) -> Told:
    """A value of the story about an input whose numbers count these; about a capture it stays as it is."""
    return told if unit == "frame" else cast(Told, _worded(told, unit))


def _worded(value: Any, unit: str) -> Any:
    if isinstance(value, Span):
        return value._replace(text=of_source(value.text, unit)) if value.kind is Kind.WORDS else value
    if not isinstance(value, tuple) or isinstance(value, Remark):  # findings come in their words from the judge
        return value
    inner = [_worded(each, unit) for each in value]
    if not hasattr(value, "_fields"):
        return tuple(inner)
    made = type(value)(*inner)
    return made._replace(sure=of_source(made.sure, unit)) if isinstance(made, Verdict) else made
