"""Runs the rules: exchanges and transactions go in, findings come out, each transaction's root cause found."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import NamedTuple

from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.findings import Applied, Evidence, Finding, NotChecked, Severity, Unchecked
from scep_analyzer.model.limits import LIMITS, Limits
from scep_analyzer.model.packets import CaptureFacts, Endpoint, Notices
from scep_analyzer.model.places import of_source
from scep_analyzer.model.scep import (
    Bystander,
    CaCertificates,
    FailedConnection,
    MessageType,
    PkiStatus,
    ScepExchange,
    Transaction,
)
from scep_analyzer.model.streams import ConnectionFacts
from scep_analyzer.model.tls import Handshake
from scep_analyzer.model.verdicts import Check
from scep_analyzer.rules import absence, advice, causes
from scep_analyzer.rules._memory import Memory
from scep_analyzer.rules._rule import Page, Rule
from scep_analyzer.rules._views import CaptureView, Company, Scene, Trait, TransactionView, View
from scep_analyzer.rules.catalogue import RULES
from scep_analyzer.rules.causes import End
from scep_analyzer.rules.inputs import BODIES, lacking
from scep_analyzer.rules.products import NOTHING, Recognised
from scep_analyzer.rules.server_words import heard
from scep_analyzer.rules.verdicts import Grounds, fine, grounds_of

_BY_SUBJECT: dict[str, tuple[Rule, ...]] = {
    subject: tuple(each for each in RULES if each.subject == subject)
    for subject in (
        "exchange",
        "status",
        "request",
        "reply",
        "csr",
        "issued",
        "offer",
        "failure",
        "transaction",
        "capture",
    )
}
_NO_NEXT = frozenset({400, 403, 404, 500, 501})
"""Statuses by which servers say that there is no certificate of a next CA yet; nextca-failed tells it."""
_SAME_FOR_ALL = frozenset({"GetCACaps", "GetCACert", "GetCACertChain"})
"""Operations that a server answers alike whoever asks."""


class Judged(NamedTuple):
    """A transaction judged: what was found, what decides which of it is the root cause, and the products it ran between."""

    findings: list[Finding]
    end: End
    products: Recognised
    grounds: Grounds
    checks: tuple[Check, ...]
    """What was checked and is fine."""


class Scope(NamedTuple):
    """Whom the judge has met: the addresses of SCEP servers and of their clients, and the names in Host headers."""

    servers: frozenset[str]
    clients: frozenset[str]
    hosts: frozenset[str]


class Judge:
    """Judges a capture.

    Give it every exchange with :meth:`see`, in order, what is no exchange with :meth:`notice`, and every transaction that has ended to
    :meth:`judge`; at the end of the capture :meth:`complete`, then :meth:`finish`. Its findings have no numbers (0): who asks numbers them.
    """

    strict = False
    """Whether a rule that fails raises; tests set it."""

    def __init__(
        self, captures: list[CaptureFacts] | None = None, keylog: bytes | None = None, limits: Limits = LIMITS
    ) -> None:
        self.scene = Scene(captures=captures if captures is not None else [], keylog=keylog)
        self.memory = Memory()
        self.anomalies: list[Anomaly] = []
        """Rules that failed: our mistakes, which must not stop the others."""
        self._limits = limits
        self._exchanges = self._transactions = 0
        self.recognised: list[Recognised] = []
        """Which products each transaction ran between, as far as was known when it was judged."""
        self._beside = 0
        self._told: set[tuple[str, str, Endpoint]] = set()
        self._failures: set[int] = set()
        self._each: Counter[str] = Counter()
        self._unchecked: Counter[tuple[str, str]] = Counter()
        self._ran: Counter[tuple[str, frozenset[str]]] = Counter()
        self._not_passed: Counter[str] = Counter()

    def see(self, exchange: ScepExchange, number: int) -> None:
        """Take an exchange."""
        self._exchanges += 1
        self.scene.passed(exchange.http.time_ns)
        self.memory.see(exchange, number)

    def notice(self, item: FailedConnection | Bystander | ConnectionFacts) -> None:
        """Take a failed connection, a bystander or a connection's facts: they are not exchanges but say something about them."""
        scene, most = self.scene, self._limits.beside
        if isinstance(item, ConnectionFacts):
            scene.connections[item.connection.number] = item
            if len(scene.connections) > most:
                del scene.connections[next(iter(scene.connections))]
        elif isinstance(item, FailedConnection):
            scene.failures.append(item)
            del scene.failures[:-most]
        else:
            scene.bystanders.append(item)
            del scene.bystanders[:-most]

    def is_over(self, connection: int) -> bool:
        """Whether the connection of this number is closed, and nothing more will be known of it."""
        return connection in self.scene.connections

    def is_history(self, number: int) -> bool:
        """Whether the device of a transaction got its certificate later: what went wrong in it is history then."""
        return self.memory.succeeded_later(number)

    def scope(self) -> Scope:
        """Whom the capture is about: what else it holds is worth a look only where it concerns them."""
        memory = self.memory
        servers = frozenset(each.address for each in memory.servers)
        return Scope(servers, frozenset(memory.clients), frozenset(memory.hosts))

    def complete(
        self, anomalies: Iterable[Anomaly], notices: Notices, http_requests: int, handshakes: Iterable[Handshake]
    ) -> None:
        """Take what is known once the capture has been read."""
        scene = self.scene
        scene.over = True
        scene.anomalies, scene.handshakes = list(anomalies), list(handshakes)
        scene.notices, scene.http_requests = notices, http_requests

    def judge(self, transaction: Transaction, number: int, numbers: Sequence[int]) -> Judged:
        """Judge a transaction and its exchanges, which must all have been seen; ``numbers`` are those of its exchanges."""
        self._transactions += 1
        for each in self.scene.bystanders[self._beside :]:
            self.memory.products.beside(each)
        self._beside = len(self.scene.bystanders)
        company = Company(transaction)
        views = [
            View(each, at, transaction, self.memory, self.scene, company)
            for each, at in zip(transaction.exchanges, numbers, strict=True)
        ]
        whole = TransactionView(transaction, number, views, self.memory, self.scene)
        judged = {id(each) for each in whole.pki}
        found: list[Finding] = []
        for view in views:
            pki = view.request is not None or view.reply is not None
            # The same message on the other leg of a proxy is judged once; its HTTP is judged on both.
            self._closed(view)
            self._unrecorded(view)
            subjects = _subjects(view, with_messages=not pki or id(view) in judged)
            for subject, arguments in subjects:
                found += self._run(subject, arguments, number, view.number)
        found = list(self._news(found, views))
        for failed in transaction.failed_connections:
            self._failures.add(failed.connection)
            found += self._run("failure", (failed, transaction, self._whole()), number, None)
        found += self._run("transaction", (whole,), number, None)
        abandoned = {each.exchange for each in found if each.rule == "client-gave-up"}
        for view in views:
            if view.request is not None:
                leg = id(view) not in judged
                self.memory.attempt(
                    view.exchange, view.number, number, transaction, leg=leg, gave_up=view.number in abandoned
                )
        self.memory.ended(whole.ending)
        decisive = whole.decisive
        end = End(
            outcome=transaction.outcome,
            kind=transaction.kind,
            decisive=decisive.number if decisive is not None else None,
            earlier=whole.earlier,
            legs=_legs(views, decisive),
            said=_said(decisive),
        )
        checks = fine(whole, {each.rule for each in found})
        return Judged(findings=found, end=end, products=whole.recognised, grounds=grounds_of(whole), checks=checks)

    def _closed(self, view: View) -> None:
        """Count the rules about what is inside an envelope that no key opens."""
        request, reply = view.request, view.reply
        if request is not None and request.envelope is not None and request.envelope.content is None:
            given = request.envelope.problem is not None
            reason = "none of the given keys decrypts the request" if given else "no RA key given"
            for rule in _BY_SUBJECT["csr"]:
                self._unchecked[rule.id, reason] += 1
        if reply is not None and reply.pki_status == PkiStatus.SUCCESS and reply.issued is None:
            for rule in _BY_SUBJECT["issued"]:
                self._unchecked[
                    rule.id, "no client key given, and the server does not send the certificate in the clear"
                ] += 1

    def _unrecorded(self, view: View) -> None:
        """Count the rules about messages that are not there because the input is no capture, and did not record them."""
        scene = self.scene
        if not scene.lacks:
            return
        asked, answer = view.asked, view.answer
        missing: list[str] = []
        if view.operation == "PKIOperation":
            if view.request is None and asked is not None and asked.body.content is None:
                missing += ("request", "csr")
            if view.reply is None and answer is not None and answer.cut_by == "recording":
                missing += ("reply", "issued")
        elif view.exchange.response is None and answer is not None and answer.cut_by == "recording":
            missing.append("offer")
        reason = f"{scene.called} has no bodies" if BODIES in scene.lacks else "the body was not recorded"
        for subject in missing:
            for rule in _BY_SUBJECT[subject]:
                self._unchecked[rule.id, reason] += 1

    def _news(self, found: list[Finding], views: list[View]) -> Iterator[Finding]:
        """What a server says of itself it says each time it is asked: told once a transaction; what is only good to know, once."""
        prelude = {
            each.number: each.http.server for each in views if each.operation in _SAME_FOR_ALL and each.understood
        }
        told: set[tuple[str, str]] = set()
        for each in found:
            server = prelude.get(each.exchange or 0)
            if server is not None:
                said = each.rule, each.summary
                once = (*said, server)
                if said in told or (each.severity is Severity.INFO and once in self._told):
                    continue
                told.add(said)
                if len(self._told) < self._limits.beside:
                    self._told.add(once)
            yield each

    def finish(self) -> list[Finding]:
        """Judge the capture as a whole, once everything has been given."""
        found: list[Finding] = []
        for failed in (*self.scene.failures, *self._quoted()):
            if failed.connection not in self._failures:
                found += self._run("failure", (failed, None, self._whole()), None, None)
        found += self._run("capture", (self._whole(),), None, None)
        return found if self._transactions else causes.linked_alone(found)

    def _quoted(self) -> Iterator[FailedConnection]:
        """Connections that only an ICMP error tells of: after one SYN and that error a client gives up."""
        known = {(each.client, each.server) for each in self.scene.failures}
        for each in self.scene.notices.unreachable:
            if (each.client, each.server) not in known:
                known.add((each.client, each.server))
                yield FailedConnection(
                    client=each.client,
                    server=each.server,
                    connection=-1,
                    how="unanswered",
                    frames=(each.frame,),
                    time_ns=each.time_ns,
                )

    def _whole(self) -> CaptureView:
        return CaptureView(self.memory, self.scene, self._exchanges, self._transactions)

    def passed(self) -> tuple[Applied, ...]:
        """How often each rule was applied and found nothing, also where it had nothing to look at."""
        applied: Counter[str] = Counter()
        for (subject, lacks), times in self._ran.items():
            for rule in _judging(subject, lacks):
                applied[rule] += times
        applied.subtract(self._not_passed)
        return tuple(Applied(rule, times) for rule, times in sorted(applied.items()) if times)

    def unchecked(self) -> tuple[Unchecked, ...]:
        """What could not be judged, and how often."""
        return tuple(Unchecked(rule, reason, times) for (rule, reason), times in sorted(self._unchecked.items()))

    def _run(
        self, subject: str, arguments: tuple[object, ...], transaction: int | None, exchange: int | None
    ) -> list[Finding]:
        found: list[Finding] = []
        lacks, about = self.scene.lacks, arguments[0]
        self._ran[subject, lacks] += 1
        for rule in _lacking(subject, lacks):
            self._unchecked[rule.id, f"{self.scene.called} has no {lacking(rule, lacks)}"] += 1
        traits = about.traits if isinstance(about, View) else frozenset[Trait]()
        if self.strict:
            _without_effect(subject, lacks, traits, arguments)
        for rule in _chosen(subject, lacks, traits):
            try:
                given = [*rule.check(*arguments)]
            except Exception as error:
                if self.strict:
                    raise
                detail = f"the rule {rule.id} failed ({type(error).__name__}: {error}); please report this"
                self.anomalies.append(Anomaly("rules", "rule-failed", (), detail))
                self._not_passed[rule.id] += 1
                continue
            if given:
                self._not_passed[rule.id] += 1
            for each in given:
                if not isinstance(each, NotChecked) and absence.is_open(rule.id, about, self.scene):
                    self._unchecked[rule.id, absence.REASON] += 1
                    continue
                if isinstance(each, NotChecked):
                    self._unchecked[rule.id, each.reason] += 1
                    continue
                self._each[rule.id] += 1
                if self._each[rule.id] <= self._limits.findings_each:
                    recognised = self._recognised(about, each)
                    found.append(_finding(rule, each, transaction, exchange, recognised, self.scene.unit))
                elif self._each[rule.id] == self._limits.findings_each + 1:
                    detail = f"more than {self._limits.findings_each:,} findings of {rule.id}: the rest is not listed"
                    self.anomalies.append(Anomaly("rules", "limit-findings", each.frames[:1], detail))
        return found

    def _recognised(self, subject: object, evidence: Evidence) -> Recognised:
        """The products that a finding's advice is chosen for."""
        if evidence.transaction is not None and evidence.transaction <= len(self.recognised):
            return self.recognised[evidence.transaction - 1]
        if isinstance(subject, View | TransactionView):
            return subject.recognised
        # About the whole capture: what is the same for all of it.
        servers = {each.server.key: each for each in self.recognised if each.server is not None}
        return next(iter(servers.values())) if len(servers) == 1 else NOTHING


@cache
def _lacking(subject: str, lacks: frozenset[str]) -> tuple[Rule, ...]:
    """The rules that an input of this kind has nothing for."""
    return tuple([each for each in _BY_SUBJECT[subject] if lacking(each, lacks) is not None]) if lacks else ()


@cache
def _judging(subject: str, lacks: frozenset[str]) -> tuple[str, ...]:
    """The rules that an input of this kind has something for, by their ids."""
    left_out = _lacking(subject, lacks)
    return tuple([each.id for each in _BY_SUBJECT[subject] if each not in left_out])


@cache
def _chosen(subject: str, lacks: frozenset[str], traits: frozenset[Trait]) -> tuple[Rule, ...]:
    """The rules that may find something in what has these traits."""
    left_out = _lacking(subject, lacks)
    return tuple([each for each in _BY_SUBJECT[subject] if each.where <= traits and each not in left_out])


def _without_effect(
    subject: str, lacks: frozenset[str], traits: frozenset[Trait], arguments: tuple[object, ...]
) -> None:
    """See that the rules which are not chosen would find nothing: tests ask for it wherever they judge."""
    others = set(_BY_SUBJECT[subject]) - set(_chosen(subject, lacks, traits)) - set(_lacking(subject, lacks))
    for each in others:
        found = [*each.check(*arguments)]
        if found:
            raise AssertionError(f"{each.id} finds {found} where an exchange has only {sorted(traits)}")


def _legs(views: Sequence[View], decisive: View | None) -> frozenset[int]:
    """The exchanges that carry the deciding message, on every leg."""
    message = decisive.request.sha256 if decisive is not None and decisive.request is not None else None
    if message is None:
        return frozenset()
    return frozenset(each.number for each in views if each.request is not None and each.request.sha256 == message)


def _said(decisive: View | None) -> tuple[str, ...] | None:
    """What can explain the deciding answer, by the server's words."""
    words = heard(decisive.exchange) if decisive is not None else None
    if words is None or words.meaning is None:
        return None
    return (words.meaning.finds, *words.meaning.explains) if words.meaning.finds else words.meaning.explains


def _page_of(rule: Rule, unit: str) -> Page:
    """A rule's words, for what is read."""
    page = rule.page
    if unit == "frame":
        return page
    return page._replace(
        title=of_source(page.title, unit),
        why=tuple(of_source(each, unit) for each in page.why),
        do=tuple(of_source(each, unit) for each in page.do),
    )


def _finding(
    rule: Rule,
    evidence: Evidence,
    transaction: int | None,
    exchange: int | None,
    recognised: Recognised,
    unit: str = "frame",
) -> Finding:
    page = _page_of(rule, unit)
    frames = evidence.frames or tuple(dict.fromkeys(each.frame for each in evidence.facts if each.frame))
    return Finding(
        number=0,
        rule=rule.id,
        severity=evidence.severity or rule.severity,
        strength=evidence.strength or rule.strength,
        title=evidence.title or page.title,
        summary=evidence.summary,
        frames=frames,
        facts=evidence.facts,
        causes=advice.causes(page, evidence, recognised),
        actions=advice.actions(page, evidence, recognised),
        references=rule.references,
        transaction=evidence.transaction if evidence.transaction is not None else transaction,
        exchange=evidence.exchange if evidence.exchange is not None else exchange,
        code=evidence.code,
    )


def _subjects(view: View, *, with_messages: bool) -> Iterator[tuple[str, tuple[object, ...]]]:
    """The subjects that an exchange holds, with what their rules are given."""
    yield "exchange", (view,)
    if view.status >= 300 and not (view.operation == "GetNextCACert" and view.status in _NO_NEXT):
        yield "status", (view,)
    content = view.exchange.response
    if isinstance(content, CaCertificates) and content.certificates:
        yield "offer", (view, content)
    if not with_messages:
        return
    request, reply = view.request, view.reply
    if request is not None and request.message_type != MessageType.CertRep:
        yield "request", (view, request)
        envelope = request.envelope
        if envelope is not None and envelope.content is not None:
            yield "csr", (view, envelope.content)
    if reply is not None and not reply.partial and reply.message_type in (MessageType.CertRep, None):
        yield "reply", (view, reply)
        if reply.issued is not None or (reply.envelope is not None and reply.envelope.content is not None):
            yield "issued", (view, reply)
