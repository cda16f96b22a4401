"""Writes into the sidecars of the faults what the rules say of them; read the difference, beside the capture, before committing it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.corpus import test_faults


def _toml(value: object) -> str:
    # TOML's basic strings are JSON's, but for DEL, which has to be escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _lines(finding: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield "[[says]]"
    for name, value in finding.items():
        if name != "evidence":
            yield f"{name} = {_toml(value)}"
    yield "evidence = ["
    for fact in finding["evidence"]:
        yield f"    {{ {', '.join(f'{name} = {_toml(value)}' for name, value in fact.items())} }},"
    yield "]"


def main() -> None:
    for sidecar in test_faults.SIDECARS:
        report, facts = test_faults.judged(sidecar, near=False)
        built, _, _ = sidecar.read_text(encoding="utf-8").partition("\n[[says]]")
        lines = [line for each in test_faults.said(report, facts["rule"]) for line in _lines(each)]
        sidecar.write_text(built.rstrip("\n") + "\n" + "\n".join(lines) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
