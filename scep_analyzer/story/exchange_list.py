"""The exchanges of a capture, a row each: for those who look for the number of one."""

from collections.abc import Iterator
from typing import NamedTuple

from scep_analyzer.model.scep import ScepExchange
from scep_analyzer.report import Report
from scep_analyzer.story.exchanges import request_title, response_title
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
            asked=request_title(each) if each.http.request is not None else say("(request not captured)"),
            answered=response_title(each),
            frames=ranges(frames_of(each)),
            tone=Tone.BAD if failed else Tone.PLAIN,
        )


def frames_of(exchange: ScepExchange) -> list[int]:
    """Every frame that carried a byte of the request or the response, in ascending order."""
    messages = (exchange.http.request, exchange.http.response)
    return sorted({frame for each in messages if each is not None for frame in each.frames})


def ranges(numbers: list[int]) -> str:
    """Ascending numbers, those in a row as a range."""
    pieces: list[tuple[int, int]] = []
    for number in numbers:
        if pieces and number == pieces[-1][1] + 1:
            pieces[-1] = pieces[-1][0], number
        else:
            pieces.append((number, number))
    return " ".join(str(first) if first == last else f"{first}-{last}" for first, last in pieces)
