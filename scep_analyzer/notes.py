"""What is said about a frame: whole sentences from a report, for packet comments and for the overlay of Wireshark.

:func:`notes_of` is the only place that decides which frame says what.
"""

from collections.abc import Iterator
from typing import NamedTuple

from scep_analyzer.glossary import FAIL_INFO_MEANINGS, fail_info_name, hresult_name, pki_status_name
from scep_analyzer.model.exchanges import Request, Response
from scep_analyzer.model.findings import Finding
from scep_analyzer.model.scep import CaCapabilities, CaCertificates, PkiMessage, ScepExchange, Transaction
from scep_analyzer.report import Report


class Side(NamedTuple):
    """A request or response of the capture: the numbers in the report, the frames of both ends, and what it is in one sentence."""

    exchange: int
    transaction: int | None
    outcome: str | None
    """How the transaction ended, in the words of the JSON."""
    is_request: bool
    frames: tuple[int, ...]
    peer: int | None
    """First frame of the message at the other end of the exchange."""
    sentence: str
    transaction_id: str | None


def sides_of(report: Report) -> Iterator[Side]:
    """Every request and response, in the order of the exchanges."""
    for number, exchange in enumerate(report.exchanges, 1):
        http = exchange.http
        transaction = report.transaction_of.get(number)
        outcome = report.transactions[transaction - 1].outcome.value if transaction is not None else None
        for message, other in ((http.request, http.response), (http.response, http.request)):
            if message is None or not message.frames:
                continue
            is_request = message is http.request
            yield Side(
                exchange=number,
                transaction=transaction,
                outcome=outcome,
                is_request=is_request,
                frames=message.frames,
                peer=other.frames[0] if other is not None and other.frames else None,
                sentence=_asks(exchange) if is_request else _responds(exchange),
                transaction_id=exchange.transaction_id,
            )


def notes_of(report: Report, findings: tuple[Finding, ...]) -> dict[int, list[str]]:
    """The lines for each frame that has something to say: first frames of requests and responses, evidence frames of findings."""
    notes: dict[int, list[str]] = {}
    for side in sides_of(report):
        lines = [f"SCEP exchange {side.exchange}, {'request' if side.is_request else 'response'}: {side.sentence}"]
        if side.peer is not None:
            lines.append(f"{'Response' if side.is_request else 'Request'}: frame {side.peer}.")
        if side.transaction is not None:
            lines.append(_belongs(side.transaction, report.transactions[side.transaction - 1]))
        notes.setdefault(side.frames[0], []).extend(lines)
    for finding in findings:
        for frame in evidence_frames(finding):
            notes.setdefault(frame, []).append(sentence_of(finding))
    return notes


def evidence_frames(finding: Finding) -> tuple[int, ...]:
    """The frames that a finding's facts name; those of the finding where its facts name none."""
    named = tuple(dict.fromkeys(each.frame for each in finding.facts if each.frame is not None))
    return named or finding.frames[:1]


def sentence_of(finding: Finding) -> str:
    """A finding in one paragraph: how bad it is, what was found, what to do, the name of its rule."""
    root = ", root cause" if finding.root_cause else ""
    do = f" Do: {finding.actions[0]}" if finding.actions else ""
    return f"{finding.severity.value.capitalize()}{root}: {finding.title}. {finding.summary}{do} ({finding.rule})"


def _belongs(number: int, transaction: Transaction) -> str:
    named = f", transactionID {transaction.transaction_id}" if transaction.transaction_id is not None else ""
    return f"Transaction {number}: {transaction.kind.value}, outcome {transaction.outcome.value}{named}."


def _asks(exchange: ScepExchange) -> str:
    request = exchange.http.request
    assert request is not None  # noqa: S101  # asked for where there is one
    words = exchange.operation or request.method
    if exchange.request is not None:
        words += f" {exchange.request.message_type_words}"
    elif exchange.message_parameter:
        words += f", CA identifier “{exchange.message_parameter}”"
    return f"{words} (HTTP {request.method}).{_cut(request)}"


def _responds(exchange: ScepExchange) -> str:
    response = exchange.http.response
    assert response is not None  # noqa: S101  # asked for where there is one
    content = exchange.response
    if isinstance(content, PkiMessage):
        words = _says(content)
    elif isinstance(content, CaCapabilities):
        words = f"capabilities {', '.join(content.keywords)}" if content.keywords else "no capabilities"
    elif isinstance(content, CaCertificates):
        count = len(content.certificates)
        words = f"{count} certificate{'s' if count != 1 else ''}"
    else:
        words = "no SCEP response"
    return f"{words} (HTTP status {response.status}).{_cut(response)}"


def _says(message: PkiMessage) -> str:
    words = [message.message_type_words]
    if message.pki_status is not None:
        words.append(pki_status_name(message.pki_status) or f"pkiStatus {message.pki_status}")
    if message.fail_info is not None:
        name = fail_info_name(message.fail_info)
        meaning = next((text for each, text in FAIL_INFO_MEANINGS.items() if each == message.fail_info), None)
        words.append(f"{name} ({meaning})" if name and meaning else f"failInfo {message.fail_info}")
    if message.hresult is not None:
        words.append(f"0x{message.hresult:08X} {hresult_name(message.hresult) or ''}".strip())
    if message.fail_info_text is not None:
        words.append(f"“{message.fail_info_text}”")
    return " ".join(words)


def _cut(message: Request | Response) -> str:
    return "" if message.complete else " The capture does not hold all of it."
