"""Runs the rules: exchanges and transactions go in, findings come out, each transaction's root cause found."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import count

from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.findings import Evidence, Finding, NotChecked, Severity, Unchecked
from scep_analyzer.model.limits import LIMITS
from scep_analyzer.model.packets import Endpoint
from scep_analyzer.model.scep import (
    CaCertificates,
    FailedConnection,
    MessageType,
    PkiStatus,
    ScepExchange,
    Transaction,
)
from scep_analyzer.rules import advice, causes
from scep_analyzer.rules._memory import Memory, leg_of
from scep_analyzer.rules._rule import Rule
from scep_analyzer.rules._views import CaptureView, Scene, TransactionView, View
from scep_analyzer.rules.catalogue import RULES
from scep_analyzer.rules.causes import End
from scep_analyzer.rules.products import NOTHING, Recognised
from scep_analyzer.rules.server_words import heard

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


class Judge:
    """Judges a capture. Give it every exchange with :meth:`see`, in order, then every transaction; ``scene`` is filled meanwhile."""

    strict = False
    """Whether a rule that fails raises; tests set it."""

    def __init__(self) -> None:
        self.scene = Scene()
        self.memory = Memory()
        self.anomalies: list[Anomaly] = []
        """Rules that failed: our mistakes, which must not stop the others."""
        self._numbers: dict[int, int] = {}
        """Of exchanges whose transaction is still to come, by their identity: one packet may begin several."""
        self._exchanges = self._transactions = 0
        self.ends: list[End] = []
        self.recognised: list[Recognised] = []
        """Which products each transaction ran between, as far as was known when it was judged."""
        self._beside = 0
        self._told: set[tuple[str, str, Endpoint]] = set()
        self._found = count(1)
        self._failures: set[int] = set()
        self._each: Counter[str] = Counter()
        self._unchecked: Counter[tuple[str, str]] = Counter()

    def see(self, exchange: ScepExchange) -> int:
        """Take an exchange; gives its number."""
        self._exchanges += 1
        self._numbers[id(exchange)] = self._exchanges
        self.memory.see(exchange, self._exchanges)
        return self._exchanges

    def judge(self, transaction: Transaction) -> list[Finding]:
        """Judge a transaction and its exchanges, which must all have been seen. Its root cause is not marked yet: :meth:`linked`."""
        self._transactions += 1
        for each in self.scene.bystanders[self._beside :]:
            self.memory.products.beside(each)
        self._beside = len(self.scene.bystanders)
        legs = dict.fromkeys(map(leg_of, transaction.exchanges))
        views = [
            View(each, self._numbers.pop(id(each)), transaction, self.memory, self.scene, legs)
            for each in transaction.exchanges
        ]
        whole = TransactionView(transaction, self._transactions, views, self.memory, self.scene)
        judged = {id(each) for each in whole.pki}
        found: list[Finding] = []
        for view in views:
            pki = view.request is not None or view.reply is not None
            # The same message on the other leg of a proxy is judged once; its HTTP is judged on both.
            self._closed(view)
            subjects = _subjects(view, with_messages=not pki or id(view) in judged)
            for subject, arguments in subjects:
                found += self._run(subject, arguments, self._transactions, view.number)
        found = list(self._news(found, views))
        for failed in transaction.failed_connections:
            self._failures.add(failed.connection)
            found += self._run("failure", (failed, transaction, self._whole()), self._transactions, None)
        found += self._run("transaction", (whole,), self._transactions, None)
        self.recognised.append(whole.recognised)
        for view in views:
            if view.request is not None:
                leg = id(view) not in judged
                self.memory.attempt(view.exchange, view.number, self._transactions, transaction, leg=leg)
        decisive = whole.decisive
        self.ends.append(
            End(
                outcome=transaction.outcome,
                kind=transaction.kind,
                decisive=decisive.number if decisive is not None else None,
                earlier=whole.earlier,
                said=_said(decisive),
            )
        )
        self.memory.ended(whole.ending)
        return found

    def _closed(self, view: View) -> None:
        """Count the rules about what is inside an envelope that no key opens."""
        request, reply = view.request, view.reply
        if request is not None and request.envelope is not None and request.envelope.content is None:
            given = request.envelope.problem is not None
            reason = "the keys given do not open the request" if given else "no RA key given"
            for rule in _BY_SUBJECT["csr"]:
                self._unchecked[rule.id, reason] += 1
        if reply is not None and reply.pki_status == PkiStatus.SUCCESS and reply.issued is None:
            for rule in _BY_SUBJECT["issued"]:
                self._unchecked[
                    rule.id, "no client key given, and the server does not send the certificate in the clear"
                ] += 1

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
                if len(self._told) < LIMITS.beside:
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

    def linked(self, found: Sequence[Finding], number: int) -> list[Finding]:
        """The findings of a transaction with its root cause marked."""
        return causes.linked(found, self.ends[number - 1], over=self.memory.succeeded_later(number))

    def _quoted(self) -> Iterator[FailedConnection]:
        """Connections that only an ICMP error tells of: after one SYN and that error a client gives up."""
        known = {(each.client, each.server) for each in self.scene.failures}
        for each in self.scene.notices.unreachable:
            if (each.client, each.server) not in known:
                known.add((each.client, each.server))
                yield FailedConnection(each.client, each.server, -1, "unanswered", (each.frame,), each.time_ns)

    def _whole(self) -> CaptureView:
        return CaptureView(self.memory, self.scene, self._exchanges, self._transactions)

    def unchecked(self) -> tuple[Unchecked, ...]:
        """What could not be judged, and how often."""
        return tuple(Unchecked(rule, reason, times) for (rule, reason), times in sorted(self._unchecked.items()))

    def _run(
        self, subject: str, arguments: tuple[object, ...], transaction: int | None, exchange: int | None
    ) -> list[Finding]:
        found: list[Finding] = []
        for rule in _BY_SUBJECT[subject]:
            try:
                given = [*rule.check(*arguments)]
            except Exception as error:
                if self.strict:
                    raise
                detail = f"the rule {rule.id} failed ({type(error).__name__}: {error}); please report this"
                self.anomalies.append(Anomaly("rules", "rule-failed", (), detail))
                continue
            for each in given:
                if isinstance(each, NotChecked):
                    self._unchecked[rule.id, each.reason] += 1
                    continue
                self._each[rule.id] += 1
                if self._each[rule.id] <= LIMITS.findings_each:
                    recognised = self._recognised(arguments[0], each)
                    found.append(_finding(next(self._found), rule, each, transaction, exchange, recognised))
                elif self._each[rule.id] == LIMITS.findings_each + 1:
                    detail = f"more than {LIMITS.findings_each:,} findings of {rule.id}: the rest is not listed"
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


def _said(decisive: View | None) -> tuple[str, ...] | None:
    """What can explain the deciding answer, by the server's words."""
    words = heard(decisive.exchange) if decisive is not None else None
    if words is None or words.meaning is None:
        return None
    return (words.meaning.finds, *words.meaning.explains) if words.meaning.finds else words.meaning.explains


def _finding(
    number: int,
    rule: Rule,
    evidence: Evidence,
    transaction: int | None,
    exchange: int | None,
    recognised: Recognised,
) -> Finding:
    page = rule.page
    frames = evidence.frames or tuple(dict.fromkeys(each.frame for each in evidence.facts if each.frame))
    return Finding(
        number=number,
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


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings in the contract's order, numbered anew: root causes, then by severity and time."""

    def place(finding: Finding) -> tuple[bool, int, int, int]:
        return not finding.root_cause, finding.severity.rank, min(finding.frames, default=0), finding.number

    ordered = sorted(findings, key=place)
    numbers = {each.number: at for at, each in enumerate(ordered, 1)}
    return tuple(
        each._replace(
            number=numbers[each.number],
            because_of=numbers.get(each.because_of) if each.because_of is not None else None,
        )
        for each in ordered
    )
