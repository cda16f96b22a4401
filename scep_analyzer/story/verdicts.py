"""The answer first: what came of a transaction in a few words, its cause and fix, and equal causes together."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from scep_analyzer.events import Ended
from scep_analyzer.glossary import fail_info_name
from scep_analyzer.model.exchanges import HttpExchange
from scep_analyzer.model.findings import Finding, Severity, Strength
from scep_analyzer.model.scep import Kind, Outcome, Transaction
from scep_analyzer.model.verdicts import Result
from scep_analyzer.model.words import count
from scep_analyzer.story import exchanges as sentences
from scep_analyzer.story.filters import filters_of
from scep_analyzer.story.model import (
    Chapter,
    Evidence,
    Group,
    Ruling,
    Sentence,
    Skipped,
    Verdict,
    address,
    joined,
    name,
    plain,
    say,
)

RULINGS = {
    Result.ISSUED: Ruling.GOOD,
    Result.PENDING: Ruling.WAITING,
    Result.UNKNOWN: Ruling.OPEN,
    Result.NO_ENROLLMENT: Ruling.OPEN,
}
"""What does not stand here is bad."""
_SURE = {
    Strength.PROVED: "certain: the packets show it",
    Strength.INFERRED: "very likely: inferred from the packets",
    Strength.POSSIBLE: "possible: the packets cannot prove it",
}
_WHAT = {Kind.RENEWAL: "renewal", Kind.POLL: "poll", Kind.GET_CERT: "GetCert", Kind.GET_CRL: "GetCRL"}
_HINT = "Nothing in the packets explains it"


def common_name(subject: str) -> str:
    """The first CN of a name (RFC 4514), the whole name where it has none."""
    for part in subject.split(","):
        key, _, value = part.strip().partition("=")
        if key.upper() == "CN" and value:
            return value
    return subject


def result_words(ended: Ended, attempt: int) -> Sentence:
    """What came of a transaction, in a few words."""
    transaction, result = ended.transaction, ended.conclusion.result
    what = _WHAT.get(transaction.kind, "enrollment")
    if result is Result.ISSUED:
        tried = f" on attempt {attempt}" if attempt > 1 else ""
        polled = f" after {count(transaction.polls, 'poll')}" if transaction.polls else ""
        return say(f"certificate {'renewed' if transaction.kind is Kind.RENEWAL else 'issued'}{tried}{polled}")
    if result is Result.UNUSABLE:
        return say("certificate granted, but the client cannot use it")
    if result is Result.REFUSED:
        return say(f"{what} refused{{}}", _refused(transaction))
    if result is Result.PENDING:
        return say(f"{what} pending: waiting for approval")
    if result is Result.NO_ENROLLMENT:
        return say("no enrollment was tried" if transaction.kind is Kind.CA_CERTIFICATES else f"{what} answered")
    if result is Result.FAILED:
        return say(f"{what} failed{{}}", _failed(transaction))
    return say(f"{what}: the capture does not show how it ended")


def _short(ended: Ended, attempt: int) -> Sentence:
    """The same in a word or two."""
    result, transaction = ended.conclusion.result, ended.transaction
    if result is Result.ISSUED:
        return say("issued" if attempt < 2 else f"issued on attempt {attempt}")
    if result in (Result.REFUSED, Result.FAILED):
        why = _refused(transaction) if result is Result.REFUSED else _failed(transaction)
        return (why[0]._replace(text=why[0].text.removeprefix(": ")), *why[1:]) if why else say(result.value)
    return say(result.value.replace("-", " "))


def _refused(transaction: Transaction) -> Sentence:
    reply = transaction.decisive.reply if transaction.decisive is not None else None
    if reply is None:
        return ()
    word = fail_info_name(reply.fail_info)
    if reply.hresult is not None:
        return say(f": 0x{reply.hresult:08x}")
    return say(f": {word}") if word else ()


def _failed(transaction: Transaction) -> Sentence:
    outcome, decisive = transaction.outcome, transaction.decisive
    if outcome is Outcome.CONNECTION_FAILED:
        return say(": no connection")
    if outcome is Outcome.UNANSWERED:
        return say(": no response")
    if outcome is Outcome.HTTP_ERROR and decisive is not None and decisive.http.response is not None:
        status = decisive.http.response.status
        return say(f": HTTP {status}" if status >= 300 else ": no SCEP response")
    if outcome is Outcome.SUCCESS and transaction.kind is Kind.CA_CERTIFICATES:
        return say(": the client stopped after GetCACert")
    if outcome is Outcome.SUCCESS:
        return say(": issued, then the client asked again")
    return ()


def titled(ended: Ended, attempt: int) -> Sentence:
    """The headline of a transaction in the timeline."""
    words = result_words(ended, attempt)
    first = words[0]
    return (first._replace(text=first.text[:1].upper() + first.text[1:]), *words[1:])


def counted(exchanges: int, results: Mapping[Result, int]) -> Sentence:
    """How much there was, and what came of it."""
    transactions = sum(results.values())
    if not exchanges and not transactions:
        return say("No SCEP found.")
    ended = ", ".join(f"{number:,} {_RESULT_COUNTS[result]}" for result, number in results.items() if number)
    return say(f"{count(exchanges, 'SCEP exchange')} in {count(transactions, 'transaction')}: {ended}")


_RESULT_COUNTS = {
    Result.ISSUED: "issued",
    Result.UNUSABLE: "granted but unusable",
    Result.REFUSED: "refused",
    Result.PENDING: "pending",
    Result.FAILED: "failed",
    Result.NO_ENROLLMENT: "without an enrollment",
    Result.UNKNOWN: "with unknown result",
}


def whom(transaction: Transaction) -> Sentence:
    """Whose enrollment it is: the device's name, else its address."""
    if transaction.subject:
        return say("{}", name(common_name(transaction.subject)))
    return say("{}", address(transaction.client))


def verdict_of(ended: Ended, attempt: int, skipped: Iterable[Skipped]) -> Verdict:
    """The answer about one transaction."""
    transaction, result = ended.transaction, ended.conclusion.result
    root = next((each for each in ended.findings if each.root_cause), None)
    notes = sum(each.severity is Severity.INFO and not each.root_cause for each in ended.findings)
    known = result in (Result.ISSUED, Result.NO_ENROLLMENT) or ended.conclusion.history
    if root is not None:
        cause, because = say("{}", root.title), say("{}", root.summary)
    elif known:
        cause, because = (), sentences.why(transaction)
    else:
        cause, because = say(_HINT), sentences.why(transaction)
    decisive = transaction.decisive
    frames = set(_first_frames(decisive.http) if decisive is not None else ())
    if root is not None:
        frames.update(root.frames[:6])
    return Verdict(
        ruling=RULINGS.get(result, Ruling.BAD),
        whom=whom(transaction),
        says=result_words(ended, attempt),
        short=_short(ended, attempt),
        cause=cause,
        because=because,
        sure=_SURE[root.strength] if root is not None else "",
        fix=tuple(say("{}", each) for each in root.actions) if root is not None else (),
        proof=_proof(root),
        fine=tuple(each.name for each in ended.checks),
        frames=tuple(sorted(frames)),
        filters=filters_of(frames, transaction.transaction_id),
        rule=root.rule if root is not None else None,
        notes=notes,
        unchecked=() if known else _unchecked(skipped),
    )


def verdict_about(root: Finding | None, nothing: Sentence, seen: Sentence, notes: int) -> Verdict:
    """The answer where there is no transaction: what stopped it before it began, or ``nothing``, with what was ``seen`` instead."""
    return Verdict(
        ruling=Ruling.BAD if root is not None else Ruling.OPEN,
        whom=(),
        says=say("no enrollment: stopped before it began") if root is not None else nothing,
        short=say("stopped") if root is not None else nothing,
        cause=say("{}", root.title) if root is not None else (),
        because=say("{}", root.summary) if root is not None else seen,
        sure=_SURE[root.strength] if root is not None else "",
        fix=tuple(say("{}", each) for each in root.actions) if root is not None else (),
        proof=_proof(root),
        fine=(),
        frames=root.frames[:6] if root is not None else (),
        filters=filters_of(root.frames[:6] if root is not None else ()),
        rule=root.rule if root is not None else None,
        notes=notes,
        unchecked=(),
    )


def _proof(root: Finding | None) -> tuple[Evidence, ...]:
    return (
        tuple(Evidence(frame=each.frame, path=each.path, value=each.value) for each in root.facts)
        if root is not None
        else ()
    )


def _first_frames(http: HttpExchange) -> list[int]:
    return [each.frames[0] for each in (http.request, http.response) if each is not None and each.frames]


def _unchecked(skipped: Iterable[Skipped]) -> Sentence:
    """The option that would let more be judged."""
    if any("RA key" in each.reason for each in skipped):
        return say("the request's content was not checked: give the RA key (--key)")
    return ()


def group_words(chapter: Chapter) -> Sentence:
    """The name of a cause in a list of causes."""
    return chapter.verdict.cause if chapter.root is not None else chapter.verdict.says


def grouped(chapters: Sequence[Chapter]) -> tuple[Group, ...]:
    """Failures by their cause, the most frequent first; what a later success made history does not count."""
    by_cause: dict[tuple[str, str], list[Chapter]] = defaultdict(list)
    for each in chapters:
        if each.verdict.ruling is Ruling.BAD and not each.history:
            by_cause[each.root.rule if each.root is not None else "", _kind_of(each)].append(each)
    ordered = sorted(by_cause.values(), key=lambda theirs: (-len(theirs), theirs[0].started_ns or 0, theirs[0].number))
    return tuple(
        Group(
            letter=_letter(at),
            says=group_words(theirs[0]),
            rule=theirs[0].verdict.rule,
            chapters=tuple(each.number for each in theirs),
            first_ns=theirs[0].started_ns,
            last_ns=theirs[-1].started_ns,
        )
        for at, theirs in enumerate(ordered)
    )


def _kind_of(chapter: Chapter) -> str:
    """What tells failures with the same rule, or without one, apart: the code that the server gave, or how it ended."""
    root = chapter.root
    if root is None:
        return plain(chapter.verdict.says)
    return str(root.code or "")


def _letter(at: int) -> str:
    """Letters in order: A to Z, then AA, AB and so on."""
    letters = ""
    at += 1
    while at:
        at, rest = divmod(at - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def attempts_of(ended: Sequence[Ended]) -> dict[int, int]:
    """On which attempt each transaction came to its end: failed ones of the same device that it made history are counted."""
    found: dict[int, int] = {}
    failed: Counter[tuple[str, str]] = Counter()
    for each in ended:
        key = each.transaction.client, each.transaction.subject or str(each.transaction.server)
        if each.conclusion.history:
            failed[key] += each.conclusion.attempts if each.transaction.subject else 0
            found[each.number] = failed[key] or 1
        else:
            found[each.number] = failed.pop(key, 0) + each.conclusion.attempts
    return found


def summary(chapters: Sequence[Chapter]) -> Sentence:
    """How many there were, and what came of them."""
    counted = [each for each in chapters if each.enrollment and not each.history]
    by = Counter(each.result for each in counted)
    words = (
        ("issued", "issued"),
        ("unusable", "unusable"),
        ("refused", "refused"),
        ("failed", "failed"),
        ("pending", "pending"),
        ("unknown", "with unknown result"),
    )
    parts = [say(f"{by[key]:,} {word}") for key, word in words if by[key]]
    before = sum(each.enrollment and each.history for each in chapters)
    others = sum(not each.enrollment for each in chapters)
    more = f"; {count(before, 'earlier attempt')} failed" * bool(before)
    more += f"; {count(others, 'transaction')} without an enrollment" * bool(others)
    return say(f"{count(len(counted), 'enrollment')}{': ' * bool(parts)}{{}}{more}", joined(parts, ", "))
