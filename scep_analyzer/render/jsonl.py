"""JSON Lines: one object a line, as soon as it is known, ``record`` says what it is (docs/json.md).

An exchange is written when it ends; its transaction and what was found in it when that can no longer grow; what only the whole capture
tells at the end, and a transaction's findings once more (``amendment``) where the rest of the capture changed them.
"""

from collections.abc import Iterable, Iterator
from typing import TextIO

from scep_analyzer.events import About, Amended, Ended, Event, Over, Seen
from scep_analyzer.model.findings import Finding, Severity
from scep_analyzer.render import json_v1
from scep_analyzer.report import Files


def write(
    events: Iterable[Event],
    files: Files,
    stream: TextIO,
    *,
    secrets: bool = False,
    least: Severity = Severity.INFO,
    at_once: bool = False,
) -> None:
    """Write every event as it comes; ``at_once`` flushes each, where the capture may still grow.

    ``files`` knows the captures that are being read. Findings below ``least`` are left out.
    """
    for event in events:
        for record, value in _records(event, files, secrets=secrets, least=least):
            stream.write(json_v1.line(record, value))
        if at_once:
            stream.flush()


def _records(event: Event, files: Files, *, secrets: bool, least: Severity) -> Iterator[tuple[str, json_v1.Json]]:
    match event:
        case Seen(number=number, exchange=exchange):
            yield "exchange", json_v1.exchange_of(exchange, number, None, files, secrets=secrets)
        case Ended():
            yield "transaction", json_v1.transaction_of(event, files, _root(event.findings))
            for each in event.findings:
                if each.severity.rank <= least.rank:
                    yield "finding", json_v1.finding_of(each, files)
        case Amended():
            yield "amendment", json_v1.amendment_of(event, files, least)
        case About(finding=finding):
            if finding.severity.rank <= least.rank:
                yield "finding", json_v1.finding_of(finding, files)
        case Over():
            for at, facts in enumerate(event.captures):
                yield "capture", {"capture": files.nth(at), **json_v1.capture_of(facts)}
            yield "summary", json_v1.last_of(event)
        case _:  # an anomaly is written with the summary
            pass


def _root(findings: Iterable[Finding]) -> int | None:
    return next((each.number for each in findings if each.root_cause), None)
