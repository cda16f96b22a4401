"""Events → the story: in pieces while they happen, or as a whole. The sentences are the same either way.

What is remembered, so that sentences may refer to it and nothing is told twice, is bounded.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import PurePath

from scep_analyzer.events import About, Amended, Counts, Ended, Event, Odd, Over, Seen
from scep_analyzer.glossary import ROLES
from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.certificates import Certificate
from scep_analyzer.model.exchanges import Request, Response
from scep_analyzer.model.findings import Finding, Unchecked
from scep_analyzer.model.packets import CaptureFacts, Endpoint
from scep_analyzer.model.places import unit_of
from scep_analyzer.model.scep import FailedConnection, Kind, Outcome, ScepExchange, Transaction
from scep_analyzer.model.secrets import without_secrets
from scep_analyzer.model.words import span
from scep_analyzer.report import Report, link_type_name
from scep_analyzer.story import exchanges as sentences
from scep_analyzer.story.filters import filters_of
from scep_analyzer.story.ladder import ladder_of
from scep_analyzer.story.messages import Offered, Surroundings, key_words, offered
from scep_analyzer.story.model import (
    Card,
    Chapter,
    Comment,
    Evidence,
    Learned,
    Oddity,
    Piece,
    Remark,
    Ruling,
    Said,
    Sentence,
    Skipped,
    Source,
    Step,
    StepKind,
    Story,
    Tone,
    Turn,
    Verdict,
    amount,
    name,
    plain,
    say,
    serial,
)
from scep_analyzer.story.verdicts import RULINGS, attempts_of, counted, grouped, titled, verdict_about, verdict_of
from scep_analyzer.story.wording import worded

_MOST_PAIRS = 1_000
"""Clients and servers whose last exchanges are remembered, for sentences that refer to them."""
_MOST_EXCHANGES = 8
_MOST_TOLD = 10_000
"""Sets of certificates and sentences remembered as told, certificates as issued, and anomalies as told at their step."""
_SAID_ONCE = ("User-Agent: ", "Server: ", "In words: ")
"""How sentences start that are the same for every message of a host."""
_TONES = {Ruling.GOOD: Tone.GOOD, Ruling.BAD: Tone.BAD, Ruling.WAITING: Tone.WAITING, Ruling.OPEN: Tone.WAITING}
_ENROLLS = frozenset({Kind.ENROLLMENT, Kind.RENEWAL, Kind.POLL})
_UNDECIDED = frozenset({Outcome.SUCCESS, Outcome.PENDING, Outcome.UNKNOWN})
"""Outcomes that need no root cause."""


class Narrator:
    """Tells what happens. ``secrets``: whether challenge passwords may be told."""

    def __init__(self, *, secrets: bool = False) -> None:
        self._secrets = secrets
        self._issued_in: dict[tuple[str, str], int] = {}
        """The exchange in which a certificate was issued."""
        self._told: dict[object, int] = {}
        """What has been told before, and in which exchange."""
        self._said: set[Anomaly] = set()
        """Anomalies that were told at their step."""
        self._recent: OrderedDict[tuple[str, Endpoint], list[ScepExchange]] = OrderedDict()
        self._leg: tuple[str, Endpoint] | None = None
        self._about: list[Finding] = []
        self._titles: dict[int, Sentence] = {}

    # -- while it happens ----------------------------------------------------------------------------------------------

    def pieces(self, events: Iterable[Event]) -> Iterator[Piece]:
        """What is to be told of each event, as soon as it is known; a story without chapters ends it."""
        unit = "frame"
        for event in events:
            if isinstance(event, Seen):
                unit = unit_of(event.exchange.http.frame)
            for piece in self._pieces_of(event):
                yield worded(piece, piece.unit if isinstance(piece, Story) else unit)

    def _pieces_of(self, event: Event) -> Iterator[Piece]:
        match event:
            case Seen():
                yield self._turn(event)
            case Ended():
                self._leg = None
                self._recent.pop((event.transaction.client, event.transaction.server), None)
                failed = tuple(map(_attempt, event.transaction.failed_connections))
                yield _chapter(event, failed)
            case Amended():
                remarks = remarks_of(event.findings)
                root = next((each for each in remarks if each.root), None)
                yield Learned(event.transaction, root, remarks)
            case About(finding=finding):
                self._about.append(finding)
            case Over():
                yield self._ending(event)
            case Odd():  # told at its step, or at the end
                pass

    def _turn(self, seen: Seen) -> Turn:
        exchange = seen.exchange
        leg = exchange.http.client.address, exchange.http.server
        recent = self._recent.setdefault(leg, [])
        self._recent.move_to_end(leg)
        recent.append(exchange)
        del recent[:-_MOST_EXCHANGES]
        while len(self._recent) > _MOST_PAIRS:
            self._recent.popitem(last=False)
        self._note_issued(exchange, seen.number)
        between = None if leg == self._leg else (leg[0], str(leg[1]))
        self._leg = leg
        steps = self._steps(exchange, seen.number, offered(_so_far(leg, recent)), recent[0].http.time_ns, ())
        self._forget()
        return Turn(between, steps)

    def _note_issued(self, exchange: ScepExchange, number: int) -> None:
        if exchange.reply is not None and exchange.reply.issued is not None:
            self._issued_in[exchange.reply.issued.identity] = number

    def _forget(self) -> None:
        kept: dict[object, int]
        for kept in (self._told, self._issued_in):  # type: ignore[assignment]  # both forget their oldest
            while len(kept) > _MOST_TOLD:
                del kept[next(iter(kept))]

    def _ending(self, over: Over) -> Story:
        remarks = remarks_of(self._about)
        return self._story(
            over.captures, over.counts, over.http_requests, over.anomalies, over.not_checked, (), remarks
        )

    # -- the whole -----------------------------------------------------------------------------------------------------

    def whole(self, report: Report) -> Story:
        """The story of a report."""
        for number, exchange in enumerate(report.exchanges, 1):
            self._note_issued(exchange, number)
        remarks = remarks_of(report.findings)
        at_step: dict[int, list[Remark]] = {}
        for remark in remarks:
            if remark.exchange is not None:
                at_step.setdefault(remark.exchange, []).append(remark)
        skipped = _skipped(report.not_checked)
        every = list(report.ended)
        attempts = attempts_of(every)
        chapters = []
        for ended in every:
            transaction = ended.transaction
            steps: list[tuple[tuple[int, int], tuple[Step, ...]]] = [
                ((each.time_ns or 0, each.frames[0]), (_attempt(each),)) for each in transaction.failed_connections
            ]
            numbered = [(at, report.exchanges[at - 1]) for at in ended.exchanges]
            known = offered(transaction)
            for at, exchange in numbered:
                told = self._steps(exchange, at, known, transaction.started_ns, at_step.get(at, ()))
                steps.append(((exchange.http.time_ns or 0, exchange.http.frame), told))
            steps.sort(key=lambda each: each[0])
            in_order = tuple(step for _, theirs in steps for step in theirs)
            chapters.append(_chapter(ended, in_order, numbered, attempts[ended.number], skipped))
        story = self._story(
            report.captures,
            report.counts,
            report.http_requests,
            report.anomalies,
            report.not_checked,
            tuple(chapters),
            remarks,
        )
        about = [each for each in report.findings if each.transaction is None]
        story = story._replace(groups=grouped(chapters), verdict=None if chapters else _without_any(report, about))
        return worded(story, story.unit)

    def _story(
        self,
        captures: Sequence[CaptureFacts],
        counts: Counts,
        http_requests: int,
        anomalies: Iterable[Anomaly],
        not_checked: Iterable[Unchecked],
        chapters: tuple[Chapter, ...],
        remarks: tuple[Remark, ...],
    ) -> Story:
        summary = counted(counts.exchanges, counts.results)
        if not counts.exchanges and not counts.transactions and http_requests:
            summary += say(f" HTTP requests of other kinds: {http_requests:,}.")
        return Story(
            sources=tuple(map(_source, captures)),
            summary=summary,
            chapters=chapters,
            remarks=remarks,
            about=tuple(each for each in remarks if each.transaction is None and each.exchange is None),
            oddities=tuple(_oddity(each) for each in anomalies if each not in self._said),
            not_checked=_skipped(not_checked),
            exchanges=counts.exchanges,
        )

    # -- steps ---------------------------------------------------------------------------------------------------------

    def _steps(
        self,
        exchange: ScepExchange,
        number: int,
        known: Offered,
        start_ns: int | None,
        remarks: Sequence[Remark],
    ) -> tuple[Step, ...]:
        """A request and its response. ``known`` are the certificates that it may refer to; what was found stands at the last of them."""
        if len(self._said) < _MOST_TOLD:
            self._said.update(exchange.anomalies)
        http, around = exchange.http, Surroundings(known, self._issued_in, self._secrets)
        client, server = http.client.address, str(http.server)
        if http.request is not None:
            asked = self._asked(exchange, number, http.request, around, start_ns)
        else:
            asked = Step(
                number=number,
                kind=StepKind.ABSENT_REQUEST,
                source=client,
                target=server,
                time_ns=None,
                since_ns=None,
                frames=(),
                title=say("the request is not in the capture"),
            )
        if http.response is not None:
            since_ns = http.request.time_ns if http.request is not None else start_ns
            answered = self._answered(exchange, number, http.response, around, since_ns)
        else:
            answered = Step(
                number=number,
                kind=StepKind.ABSENT_RESPONSE,
                source=server,
                target=client,
                time_ns=None,
                since_ns=None,
                frames=(),
                title=sentences.response_title(exchange),
                tone=Tone.BAD,
            )
        return asked, answered._replace(remarks=tuple(remarks))

    def _asked(
        self, exchange: ScepExchange, number: int, request: Request, around: Surroundings, since_ns: int | None
    ) -> Step:
        client = exchange.http.client.address
        says = self._notes(sentences.request_notes(exchange, around), client, number)
        return Step(
            number=number,
            kind=StepKind.REQUEST,
            source=client,
            target=str(exchange.http.server),
            time_ns=request.time_ns,
            since_ns=since_ns,
            frames=request.frames,
            title=sentences.request_title(exchange),
            says=says,
            odd=_odd(exchange, request.frames, says),
            tls=exchange.http.tls,
        )

    def _answered(
        self, exchange: ScepExchange, number: int, response: Response, around: Surroundings, since_ns: int | None
    ) -> Step:
        server = str(exchange.http.server)
        certificates = sentences.certificates_to_show(exchange)
        told_in = self._told.setdefault(certificates, number) if certificates else number
        moment = _moment(response.time_ns)
        says = self._notes(sentences.response_notes(exchange, around), server, number)
        return Step(
            number=number,
            kind=StepKind.RESPONSE,
            source=server,
            target=exchange.http.client.address,
            time_ns=response.time_ns,
            since_ns=since_ns,
            frames=response.frames,
            title=sentences.response_title(exchange),
            says=says,
            cards=tuple(_card(each, moment) for each in certificates),
            same_as=told_in if told_in != number else None,
            odd=_odd(exchange, response.frames, says),
            tls=exchange.http.tls,
            tone=Tone.BAD if response.status >= 400 else Tone.PLAIN,
        )

    def _notes(self, notes: Iterable[Sentence], host: str, number: int) -> tuple[Said, ...]:
        """The sentences of a message; what a host says of itself it says each time."""
        said = []
        for note in notes:
            again = False
            if note[0].text.startswith(_SAID_ONCE):
                again = self._told.setdefault((host, plain(note)), number) != number
            said.append(Said(note, again))
        return tuple(said)


def story_of(report: Report, *, secrets: bool = False) -> Story:
    """The story of a report; ``secrets``: with challenge passwords."""
    return Narrator(secrets=secrets).whole(report)


def remarks_of(findings: Sequence[Finding]) -> tuple[Remark, ...]:
    """Findings as they are told, each with the rule that it is a symptom of."""
    rules: Mapping[int, str] = {each.number: each.rule for each in findings}
    return tuple(_remark(each, rules) for each in findings)


def _remark(finding: Finding, rules: Mapping[int, str]) -> Remark:
    cause = finding.because_of
    return Remark(
        number=finding.number,
        rule=finding.rule,
        severity=finding.severity,
        strength=finding.strength,
        title=finding.title,
        says=say("{}", finding.summary),
        cause=cause,
        code=finding.code,
        because_of=rules.get(cause, "another one") if cause is not None else None,
        transaction=finding.transaction,
        exchange=finding.exchange,
        frames=finding.frames,
        evidence=tuple(Evidence(frame=each.frame, path=each.path, value=each.value) for each in finding.facts),
        causes=finding.causes,
        actions=finding.actions,
        sources=finding.references,
        root=finding.root_cause,
    )


def _skipped(not_checked: Iterable[Unchecked]) -> tuple[Skipped, ...]:
    """Rules that could not be judged, by reason."""
    rules: dict[str, list[str]] = {}
    for each in not_checked:
        rules.setdefault(each.reason, []).append(each.rule)
    return tuple(Skipped(reason, tuple(theirs)) for reason, theirs in rules.items())


def _without_any(report: Report, about: Sequence[Finding]) -> Verdict:
    """The answer where nothing of SCEP was found."""
    root = next((each for each in about if each.root_cause), None)
    seen = next((each for each in about if each.rule == "capture-no-scep-found"), None)
    unit = report.captures[0].unit if report.captures else "frame"
    packets = amount(report.packets, unit)
    summary = say("{}", seen.summary) if seen is not None else say(f"There are {packets} in the capture.")
    return verdict_about(root, say(f"no SCEP in {packets}"), summary, len(about))


def _chapter(
    ended: Ended,
    steps: tuple[Step, ...],
    numbered: Sequence[tuple[int, ScepExchange]] = (),
    attempt: int = 1,
    skipped: tuple[Skipped, ...] = (),
) -> Chapter:
    transaction, conclusion = ended.transaction, ended.conclusion
    remarks = remarks_of(ended.findings)
    root = next((each for each in remarks if each.root), None)
    return Chapter(
        number=ended.number,
        title=titled(ended, attempt),
        tone=_TONES[RULINGS.get(conclusion.result, Ruling.BAD)],
        why=sentences.why(transaction),
        client=transaction.client,
        server=str(transaction.server),
        path=_path(transaction),
        started_ns=transaction.started_ns,
        ended_ns=transaction.ended_ns,
        subject=transaction.subject,
        issued=transaction.issued is not None,
        transaction_id=transaction.transaction_id,
        exchanges=ended.exchanges,
        steps=steps,
        root=root,
        remarks=remarks,
        explained=root is not None or transaction.outcome in _UNDECIDED or conclusion.history,
        verdict=verdict_of(ended, attempt, skipped),
        kind=transaction.kind.value,
        result=conclusion.result.value,
        enrollment=transaction.kind in _ENROLLS or conclusion.result.is_failure,
        history=conclusion.history,
        attempt=attempt,
        server_words=ended.products.words,
        client_words=ended.products.client.words if ended.products.client is not None else "",
        frame=transaction.frame,
        filters=filters_of((step.frames[0] for step in steps if step.frames), transaction.transaction_id),
        ladder=ladder_of(ended, numbered, root.frames if root is not None else ()),
    )


def _path(transaction: Transaction) -> str:
    for each in transaction.exchanges:
        if each.http.request is not None:
            return without_secrets(each.http.request.target).partition("?")[0]
    return ""


def _so_far(leg: tuple[str, Endpoint], exchanges: Sequence[ScepExchange]) -> Transaction:
    """What two hosts have said, in the form that sentences refer to."""
    return Transaction(
        transaction_id=None,
        client=leg[0],
        server=leg[1],
        kind=Kind.ENROLLMENT,
        outcome=Outcome.UNKNOWN,
        exchanges=tuple(exchanges),
    )


def _attempt(failed: FailedConnection) -> Step:
    times = "once" if len(failed.frames) == 1 else f"{len(failed.frames)} times"
    how = "the server refused it (RST)" if failed.how == "refused" else f"nobody answered, asked {times}"
    return Step(
        number=None,
        kind=StepKind.ATTEMPT,
        source=failed.client.address,
        target=str(failed.server),
        time_ns=failed.time_ns,
        since_ns=None,
        frames=failed.frames,
        title=say(f"connection attempt to {{}}: {how}", str(failed.server)),
        tone=Tone.BAD,
    )


def _odd(exchange: ScepExchange, frames: tuple[int, ...], said: Iterable[Said]) -> tuple[Sentence, ...]:
    """The anomalies of a message that its sentences do not tell already."""
    told = "\n".join(plain(each.sentence) for each in said)
    return tuple(
        say(f"Note: {{}} [{each.code}]", each.detail)
        for each in exchange.anomalies
        if each.frames == frames and each.detail not in told
    )


def _card(certificate: Certificate, moment: datetime | None) -> Card:
    """A certificate in a few lines; ``moment`` is when it was sent."""
    issuer = say("self-signed") if certificate.self_issued else say("issued by {}", name(certificate.issuer))
    lines = [
        issuer
        + say(
            "; serial {}; {}, {}",
            serial(certificate.serial_number),
            key_words(certificate),
            certificate.signature_algorithm or "?",
        )
    ]
    if certificate.subject_alt_names:
        lines.append(say("subjectAltName {}", ", ".join(certificate.subject_alt_names)))
    validity, outside = _validity(certificate, moment)
    return Card(
        role=ROLES.get(certificate.role or "", "certificate"),
        subject=certificate.subject,
        lines=(*lines, *(() if outside else (say(validity),))),
        bad=(say(validity),) if outside else (),
        spent=_spent(certificate, moment),
    )


def _spent(certificate: Certificate, moment: datetime | None) -> float | None:
    """How much of the validity is over at a moment: 0 at its beginning, 1 at its end."""
    start, end = certificate.not_before, certificate.not_after
    if start is None or end is None or moment is None or end <= start:
        return None
    return (moment - start) / (end - start)


def _validity(certificate: Certificate, moment: datetime | None) -> tuple[str, bool]:
    """The validity, and whether ``moment`` lies outside it."""
    start, end = certificate.not_before, certificate.not_after
    if start is None or end is None:
        return "validity unreadable", False
    text = f"valid {start:%Y-%m-%d} to {end:%Y-%m-%d %H:%M} UTC"
    if moment is not None and moment > end:
        return f"{text}: EXPIRED {span(int((moment - end).total_seconds()) * 1_000_000_000)} before this exchange", True
    if moment is not None and moment < start:
        return f"{text}: NOT YET VALID, by {span(int((start - moment).total_seconds()) * 1_000_000_000)}", True
    return text, False


def _moment(time_ns: int | None) -> datetime | None:
    try:
        return None if time_ns is None else datetime.fromtimestamp(time_ns // 1_000_000_000, UTC)
    except (OverflowError, ValueError, OSError):  # a damaged timestamp far outside the calendar
        return None


def _source(facts: CaptureFacts) -> Source:
    return Source(
        name="standard input" if facts.path == "-" else PurePath(facts.path).name,
        format=facts.format,
        links=tuple(map(link_type_name, facts.link_types)),
        packets=facts.packets,
        first_ns=facts.first_time_ns,
        last_ns=facts.last_time_ns,
        complete=facts.complete,
        comments=tuple(Comment(each.frame, each.text) for each in facts.comments),
        unit=facts.unit,
        left_out=facts.left_out,
    )


def _oddity(anomaly: Anomaly) -> Oddity:
    return Oddity(anomaly.frames[0] if anomaly.frames else None, anomaly.detail, f"{anomaly.layer}/{anomaly.code}")
