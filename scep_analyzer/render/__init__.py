"""A report → one output format each. The table of formats is :data:`FORMATS`."""

from collections.abc import Callable

FORMATS = ("text", "json", "jsonl")

Render = Callable[..., str]
