"""What came of a transaction for the client, and what in it was checked and is fine."""

from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

from scep_analyzer.model.findings import Finding, Strength
from scep_analyzer.model.places import called
from scep_analyzer.model.scep import Kind, MessageType, Outcome, Transaction
from scep_analyzer.model.verdicts import Check, Conclusion, Result
from scep_analyzer.rules._views import SKEW, TransactionView, View, http_date
from scep_analyzer.rules._words import day

_FAILED = frozenset({Outcome.HTTP_ERROR, Outcome.UNANSWERED, Outcome.CONNECTION_FAILED})
_NO_ENROLLMENT = frozenset({Kind.CA_CERTIFICATES, Kind.GET_CERT, Kind.GET_CRL})
_ASKED_AGAIN = "success-then-reenrol"
"""The client asks again for what it was granted: it did not accept it, or did not get it."""


class Grounds(NamedTuple):
    """What is known of a transaction beside its findings: how it ended, whether the deciding response verifies, how often it was tried."""

    outcome: Outcome
    kind: Kind
    verified: bool
    optional: bool
    """Whether what decided was a question that a server need not answer: GetNextCACert, without a rollover."""
    attempts: int


def concluded(grounds: Grounds, found: Iterable[Finding], *, history: bool) -> Conclusion:
    """What came of a transaction; ``found`` are its findings, linked. ``history``: the same device got its certificate later."""
    root = next((each for each in found if each.root_cause), None)
    result, strength = _result(grounds, root)
    return Conclusion(result, strength, grounds.attempts, history and result.is_failure)


def _result(grounds: Grounds, root: Finding | None) -> tuple[Result, Strength]:
    outcome = grounds.outcome
    if outcome is Outcome.SUCCESS:
        if grounds.kind in _NO_ENROLLMENT:
            # A client that stops after the CA's certificates because of them has failed, as far as can be told.
            return (Result.FAILED, Strength.INFERRED) if root is not None else (Result.NO_ENROLLMENT, Strength.PROVED)
        if root is None:
            return Result.ISSUED, Strength.PROVED if grounds.verified else Strength.INFERRED
        if root.rule == _ASKED_AGAIN:
            return Result.FAILED, Strength.INFERRED
        return Result.UNUSABLE, root.strength
    if outcome is Outcome.FAILURE:
        return Result.REFUSED, Strength.PROVED
    if outcome is Outcome.PENDING:
        return Result.PENDING, Strength.PROVED
    if grounds.optional and root is None:
        return Result.NO_ENROLLMENT, Strength.PROVED
    return (Result.FAILED, Strength.PROVED) if outcome in _FAILED else (Result.UNKNOWN, Strength.POSSIBLE)


def grounds_of(whole: TransactionView) -> Grounds:
    """What a transaction's conclusion stands on."""
    transaction = whole.transaction
    decisive = transaction.decisive
    return Grounds(
        outcome=transaction.outcome,
        kind=transaction.kind,
        verified=_verified(transaction),
        optional=decisive is not None and decisive.operation == "GetNextCACert",
        attempts=_attempts(whole),
    )


def _verified(transaction: Transaction) -> bool:
    """Whether the deciding response verifies and answers its request."""
    decisive = transaction.decisive
    reply = decisive.reply if decisive is not None else None
    request = decisive.request if decisive is not None else None
    if reply is None or not reply.signature.valid or not reply.digest.valid:
        return False
    return request is None or reply.recipient_nonce in (None, request.sender_nonce)


def _attempts(whole: TransactionView) -> int:
    """How often a certificate was asked for: polls and the same message sent again do not count."""
    asked = {
        each.request.sha256
        for each in whole.pki
        if each.request is not None and each.request.message_type != MessageType.CertPoll
    }
    return max(len(asked), 1)


class _Sure(NamedTuple):
    """A check: its name, the rules it stands for, and what gives a sentence where it is fine, else None."""

    name: str
    rules: tuple[str, ...]
    look: Callable[[View], str | None]


def _signature(view: View) -> str | None:
    fine = view.request is not None and view.request.signature.valid
    return "The request's signature is valid." if fine else None


def _digest(view: View) -> str | None:
    return "The request's digest is valid." if view.request is not None and view.request.digest.valid else None


def _recipient(view: View) -> str | None:
    envelope = view.request.envelope if view.request is not None else None
    if envelope is None or len(envelope.recipients) != 1:
        return None
    identity = envelope.recipients[0].identity
    if identity is None or identity not in view.latest:
        return None
    certificate, frame = view.latest[identity]
    return f"The request is encrypted for {view.named(certificate.identity)}, which the server sent in {called(frame)}."


def _url(view: View) -> str | None:
    fine = view.asked is not None and view.asked.complete and view.request is not None and not view.request.partial
    return "The URL and the message's encoding are correct." if fine and not view.exchange.anomalies else None


def _validity(view: View) -> str | None:
    at = view.moment
    if at is None or not view.latest:
        return None
    ends = []
    for certificate, _ in view.latest.values():
        if certificate.not_before is None or certificate.not_after is None:
            return None
        if not certificate.not_before <= at <= certificate.not_after:
            return None
        ends.append(certificate.not_after)
    return f"The CA's and RA's certificates are valid at the time of the capture (until {day(min(ends))})."


def _clock(view: View) -> str | None:
    said, at = http_date(view.response_header("date")), view.answered
    if said is None or at is None or abs(said - at) > SKEW:
        return None
    return "The server's clock agrees with the capture's."


def _nonce(view: View) -> str | None:
    request, reply = view.request, view.reply
    if request is None or reply is None or request.sender_nonce is None:
        return None
    fine = reply.recipient_nonce == request.sender_nonce and reply.transaction_id == request.transaction_id
    return "The response carries the request's transactionID and nonce." if fine else None


def _response_signature(view: View) -> str | None:
    return "The response's signature is valid." if view.reply is not None and view.reply.signature.valid else None


def _algorithms(view: View) -> str | None:
    request, known = view.request, view.capabilities
    if request is None or request.envelope is None or known is None or not known.words:
        return None
    cipher, digest = request.envelope.content_encryption_algorithm or "", request.digest_algorithm or ""
    offered = view.offers_word("aes") if cipher.startswith("aes") else view.offers_word("des3")
    hashed = view.offers_word(digest.replace("sha", "sha-"))
    return f"The server offers the request's algorithms ({cipher}, {digest})." if offered and hashed else None


_CHECKS: tuple[_Sure, ...] = (
    _Sure("signature", ("req-signature-invalid", "req-no-signer-cert"), _signature),
    _Sure("digest", ("req-digest-mismatch",), _digest),
    _Sure(
        "recipient",
        ("req-recipient-stale", "req-recipient-is-ca-not-ra", "req-recipient-is-signing-ra", "req-wrong-recipient"),
        _recipient,
    ),
    _Sure("URL", ("get-truncated", "get-double-encoded", "get-plus-became-space", "get-not-base64", "not-cms"), _url),
    _Sure("algorithms", ("cipher-not-offered", "digest-not-offered"), _algorithms),
    _Sure("CA and RA validity", ("cacert-expired", "cacert-not-yet-valid"), _validity),
    _Sure("clock", ("clock-skew", "signer-clock-odd"), _clock),
    _Sure("response signature", ("certrep-signature-invalid", "certrep-digest-mismatch"), _response_signature),
    _Sure("nonce and transactionID", ("certrep-nonce-mismatch", "certrep-transid-mismatch"), _nonce),
)


def fine(whole: TransactionView, found: Collection[str]) -> tuple[Check, ...]:
    """What was checked in the deciding exchange and is fine; ``found`` are the rules that found something in the transaction."""
    asked = [each for each in whole.pki if each.request is not None]
    view = whole.decisive if whole.decisive in asked else asked[-1] if asked else whole.decisive
    if view is None:
        return ()
    checks = []
    for name, rules, look in _CHECKS:
        said = look(view) if not any(each in found for each in rules) else None
        if said is not None:
            checks.append(Check(name, said, rules))
    return tuple(checks)
