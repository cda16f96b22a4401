"""The picture of a transaction: lanes for who takes part, arrows for what goes between them.

One layout for the terminal, the page and the diagrams: they draw lanes from left to right and arrows from top to bottom.
"""

from collections.abc import Iterable, Sequence

from scep_analyzer.events import Ended
from scep_analyzer.glossary import message_type_name, pki_status_name
from scep_analyzer.model.exchanges import without_secrets
from scep_analyzer.model.scep import CaCapabilities, CaCertificates, FailedConnection, PkiStatus, ScepExchange
from scep_analyzer.model.verdicts import Result
from scep_analyzer.model.words import count
from scep_analyzer.story.model import Arrow, Ladder, Lane, Sentence, StepKind, Tone, joined, say

_MOST_LABEL = 60


def ladder_of(ended: Ended, numbered: Sequence[tuple[int, ScepExchange]], suspects: Iterable[int]) -> Ladder:
    """The ladder of a transaction. ``suspects`` are frames where the root cause shows: their arrows are marked."""
    marked = frozenset(suspects)
    places: dict[str, int] = {}
    lanes: list[Lane] = []

    def lane(host: str, title: str, role: str, product: str | None = None) -> int:
        if host not in places:
            places[host] = len(lanes)
            lanes.append(Lane(host, title, role, product))
        elif role == "server" and lanes[places[host]].role == "device":
            # It asks the next one in turn: a proxy between the device and the server.
            lanes[places[host]] = lanes[places[host]]._replace(role="proxy")
        return places[host]

    products = ended.products
    issued = ended.conclusion.result is Result.ISSUED
    arrows: list[tuple[tuple[int, int], Arrow]] = []
    for number, exchange in numbered:
        http = exchange.http
        client = lane(http.client.address, http.client.address, "device")
        server = lane(http.server.address, str(http.server), "server")
        begun = (http.time_ns or 0, http.frame)
        # Each by its own time: what a proxy asks in turn comes between a request and its response.
        arrows += (
            (max((each.time_ns or 0, each.frame or 0), begun), each)
            for each in _arrows(exchange, number, client, server, marked, issued=issued)
        )
    for failed in ended.transaction.failed_connections:
        client = lane(failed.client.address, failed.client.address, "device")
        server = lane(failed.server.address, str(failed.server), "server")
        arrows.append(((failed.time_ns or 0, failed.frames[0]), _attempt(failed, client, server)))
    arrows.sort(key=lambda each: each[0])
    return Ladder(
        _named(lanes, products.server.words if products.server else None, _served_by(numbered)),
        _folded([each for _, each in arrows]),
    )


def _served_by(numbered: Sequence[tuple[int, ScepExchange]]) -> str:
    """Who the SCEP server is by its own certificates: an RA where it offers certificates of an RA, else the CA (RFC 8894, 2.1)."""
    for _, exchange in numbered:
        if isinstance(exchange.response, CaCertificates) and exchange.response.certificates:
            offers = any((each.role or "").startswith("ra") for each in exchange.response.certificates)
            return "RA" if offers else "CA"
    return "server"


def _named(lanes: list[Lane], server: str | None, role: str) -> tuple[Lane, ...]:
    """The lanes with their titles: the first asks, the last is the SCEP server, those between are proxies."""
    found = []
    for at, lane in enumerate(lanes):
        if at == len(lanes) - 1 and at > 0:
            found.append(lane._replace(role=role, product=server, title=f"{server or 'server'} {lane.title}"))
        elif at == 0:
            found.append(lane._replace(role="device", title=f"device {lane.title}"))
        else:
            found.append(lane._replace(role="proxy", title=f"proxy {lane.title}"))
    return tuple(found)


def _arrows(
    exchange: ScepExchange, number: int, client: int, server: int, marked: frozenset[int], *, issued: bool
) -> Iterable[Arrow]:
    http = exchange.http
    if http.request is not None:
        frames = http.request.frames
        wrong = not marked.isdisjoint(frames)
        yield Arrow(
            source=client,
            target=server,
            label=_asks(exchange),
            frame=frames[0] if frames else None,
            tone=Tone.BAD if wrong else Tone.PLAIN,
            broken=wrong,
            time_ns=http.request.time_ns,
            number=number,
        )
    if http.response is not None:
        frames = http.response.frames
        failed = http.response.status >= 400 or (exchange.reply is not None and exchange.reply.pki_status == 2)
        status = exchange.reply.pki_status if exchange.reply is not None else None
        waits = status == PkiStatus.PENDING and not failed
        wrong = failed or (not waits and not marked.isdisjoint(frames))
        fine = Tone.WAITING if waits else Tone.GOOD if issued and status == PkiStatus.SUCCESS else Tone.PLAIN
        yield Arrow(
            source=server,
            target=client,
            label=_answers(exchange),
            frame=frames[0] if frames else None,
            tone=Tone.BAD if wrong else fine,
            broken=wrong,
            time_ns=http.response.time_ns,
            kind=StepKind.RESPONSE,
            number=number,
        )
    elif http.request is not None:
        yield Arrow(
            source=server,
            target=client,
            label=say("no response"),
            frame=None,
            tone=Tone.BAD,
            broken=True,
            kind=StepKind.ABSENT_RESPONSE,
            number=number,
        )


def _attempt(failed: FailedConnection, client: int, server: int) -> Arrow:
    how = "connection refused (RST)" if failed.how == "refused" else "connection attempt, no answer"
    return Arrow(
        source=client,
        target=server,
        label=say(how),
        frame=failed.frames[0],
        tone=Tone.BAD,
        broken=True,
        times=max(len(failed.frames), 1),
        time_ns=failed.time_ns,
        kind=StepKind.ATTEMPT,
    )


def _asks(exchange: ScepExchange) -> Sentence:
    message, request = exchange.request, exchange.http.request
    if message is not None:
        return say(message_type_name(message.message_type) or f"messageType {message.message_type}")
    if exchange.operation is not None:
        return say("{}", exchange.operation)
    target = without_secrets(request.target) if request is not None else ""
    return say("{} {}", request.method if request is not None else "", target[:_MOST_LABEL])


def _answers(exchange: ScepExchange) -> Sentence:
    response, content, reply = exchange.http.response, exchange.response, exchange.reply
    status = response.status if response is not None else 0
    if reply is not None and not reply.partial:
        return say(f"CertRep {pki_status_name(reply.pki_status) or reply.pki_status}")
    if isinstance(content, CaCapabilities):
        words = [
            say("{}", each) for each in content.keywords if each.lower() not in ("sha-1", "sha-512", "scepstandard")
        ]
        return say(f"{status}  {{}}", joined(words[:5], ", ") or say("no capabilities"))
    if isinstance(content, CaCertificates):
        ra = sum((each.role or "").startswith("ra") for each in content.certificates)
        ca = len(content.certificates) - ra
        both = (
            f"{ca} CA + {ra} RA certificates" if ra and ca else count(ra or ca, f"{'RA' if ra else 'CA'} certificate")
        )
        return say(f"{status}  {both}")
    return say(f"{status}  {{}}", (response.reason if response is not None else "")[:_MOST_LABEL])


def _folded(arrows: Sequence[Arrow]) -> tuple[Arrow, ...]:
    """Equal arrows, and equal pairs of them, told once with how often they repeat."""
    folded: list[Arrow] = []
    at = 0
    while at < len(arrows):
        size, times = _repeated(arrows, at)
        folded += [each._replace(times=each.times * times) for each in arrows[at : at + size]]
        at += size * times
    return tuple(folded)


def _repeated(arrows: Sequence[Arrow], at: int) -> tuple[int, int]:
    """How many arrows from here on repeat as a whole, and how often: the shortest run that repeats most."""
    best = (1, 1)
    for size in (1, 2, 4, 6):
        block = arrows[at : at + size]
        if len(block) < size:
            break
        times = 1
        while (
            all(
                _alike(one, other)
                for one, other in zip(block, arrows[at + times * size : at + (times + 1) * size], strict=False)
            )
            and len(arrows) >= at + (times + 1) * size
        ):
            times += 1
        if times > 1 and size * times > best[0] * best[1]:
            best = (size, times)
    return best


def _alike(one: Arrow, other: Arrow) -> bool:
    return (one.source, one.target, one.label, one.broken) == (other.source, other.target, other.label, other.broken)
