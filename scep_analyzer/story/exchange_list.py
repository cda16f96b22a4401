"""The exchanges of a capture, a row each: for those who look for the number of one."""

from collections.abc import Iterator
from typing import NamedTuple

from scep_analyzer.glossary import fail_info_name, message_type_name, pki_status_name
from scep_analyzer.model.exchanges import Response, header, without_secrets
from scep_analyzer.model.places import Place, short
from scep_analyzer.model.scep import CaCapabilities, CaCertificates, ScepExchange
from scep_analyzer.model.words import count
from scep_analyzer.report import Report
from scep_analyzer.story.exchanges import response_title
from scep_analyzer.story.model import Sentence, Tone, say


class Row(NamedTuple):
    """One exchange. ``frames`` are ranges of all frames that carried it: ``4-6 9``."""

    number: int
    time_ns: int | None
    client: str
    asked: Sentence
    answered: Sentence
    frames: str
    tone: Tone


def rows(report: Report) -> Iterator[Row]:
    """A row for each exchange, in order."""
    for number, each in enumerate(report.exchanges, 1):
        response = each.http.response
        failed = response is None or response.status >= 400 or (each.reply is not None and each.reply.pki_status == 2)
        yield Row(
            number=number,
            time_ns=each.http.time_ns,
            client=each.http.client.address,
            asked=_asked(each),
            answered=_answered(each, response),
            frames=ranges(frames_of(each)),
            tone=Tone.BAD if failed else Tone.PLAIN,
        )


def _asked(exchange: ScepExchange) -> Sentence:
    """The kind of the message (which is PKIOperation's), else the operation."""
    request, message = exchange.http.request, exchange.request
    if request is None:
        return say("(request not captured)")
    if message is not None and message.message_type is not None:
        return say(message_type_name(message.message_type) or f"messageType {message.message_type}")
    operation = exchange.operation or f"{request.method} {without_secrets(request.target)}"
    return say(f"{{}}{', damaged' if message is not None else ''}", operation)


def _answered(exchange: ScepExchange, response: Response | None) -> Sentence:
    """The status of the CertRep, how many capabilities or certificates there were, or what HTTP says."""
    reply, content = exchange.reply, exchange.response
    if response is None:
        return response_title(exchange)
    if reply is not None and not reply.partial:
        status = pki_status_name(reply.pki_status) or f"pkiStatus {reply.pki_status}"
        info = fail_info_name(reply.fail_info) if reply.fail_info is not None else None
        http = f", HTTP {response.status}" if response.status != 200 else ""
        return say(f"{status}{f' {info}' if info else ''}{http}")
    if response.status == 200 and isinstance(content, CaCapabilities):
        return say(count(len(content.keywords), "capability", "capabilities"))
    if response.status == 200 and isinstance(content, CaCertificates):
        return say(count(len(content.certificates), "certificate"))
    kind = header(response.headers, "content-type") if response.status == 200 else None
    return say(f"HTTP {response.status} {{}}{{}}", response.reason, say(", {}", kind) if kind else ())


def frames_of(exchange: ScepExchange) -> list[int]:
    """Every frame that carried a byte of the request or the response, in ascending order."""
    messages = (exchange.http.request, exchange.http.response)
    return sorted({frame for each in messages if each is not None for frame in each.frames})


def ranges(numbers: list[int]) -> str:
    """Ascending numbers, those in a row as a range."""
    if any(isinstance(each, Place) for each in numbers):
        return " ".join(map(short, numbers))
    pieces: list[tuple[int, int]] = []
    for number in numbers:
        if pieces and number == pieces[-1][1] + 1:
            pieces[-1] = pieces[-1][0], number
        else:
            pieces.append((number, number))
    return " ".join(str(first) if first == last else f"{first}-{last}" for first, last in pieces)
