"""Writes the sidecar of a capture: a TOML file that says how it was made and what the oracles found in it."""

import json
from pathlib import Path
from typing import Any


def write(
    capture: Path, facts: dict[str, Any], exchanges: list[dict[str, Any]], transactions: list[dict[str, Any]]
) -> None:
    """Write ``capture`` with the suffix .toml: plain facts first, then what a reading must find."""
    lines = [f"{key} = {_value(value)}" for key, value in facts.items()]
    for transaction in transactions:
        lines += ["", "[[transactions]]", *(f"{key} = {_value(value)}" for key, value in transaction.items())]
    for exchange in exchanges:
        lines += ["", "[[exchanges]]", *(f"{key} = {_value(value)}" for key, value in exchange.items())]
    capture.with_suffix(".toml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _value(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_value(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, str) and "\n" in value and '"""' not in value:
        return '"""\n' + value.replace("\\", "\\\\") + '"""'
    return json.dumps(value, ensure_ascii=False)
