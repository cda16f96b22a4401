"""Which finding explains which: the root cause of a transaction, and what is only its symptom.

From the finding that says how the transaction ended, follow the table: what explains it, if that was found, what explains that,
and so on. Where the table leads no further is the root cause. The order within a line is the order of worth: what shows the cause
directly comes before what only makes it likely. A group is a part of such a line that several lines share; what all this comes to,
line by line, stands in ``tests/rules/golden/closures.txt``.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import NamedTuple

from scep_analyzer.model.findings import Finding, Severity, Strength
from scep_analyzer.model.scep import Kind, Outcome

Names = tuple[str, ...]

# -- groups -------------------------------------------------------------------------------------------------------------
# What the server says in words: it names the cause itself.
SAID: Names = (
    "url-port-in-path", "azure-app-stopped", "scep-alias-or-provisioner-missing", "scep-disabled-on-server", "http-400-invalid-hostname",
    "iis-isapi-restricted", "iis-extension-denied", "ejbca-end-entity-unknown", "ejbca-end-entity-status",
)  # fmt: skip
# Whether the request arrives as it was sent.
ENCODING: Names = (
    "ndes-admin-used-as-scep-url", "get-truncated", "get-double-encoded", "get-plus-became-space", "get-not-base64", "get-base64url",
    "get-padding-stripped", "get-reserved-unescaped", "post-empty-body", "body-length-mismatch", "post-form-encoded", "post-body-base64", "post-without-operation", "query-malformed",
    "operation-unknown",
)  # fmt: skip
# Whether it can be read: its signature, its envelope, its parts.
SIGNATURE: Names = ("req-digest-mismatch", "req-signature-invalid")
RECIPIENT: Names = (
    "req-recipient-stale", "req-recipient-is-ca-not-ra", "req-recipient-is-signing-ra", "mixed-servers", "req-wrong-recipient",
    "encrypted-key-size-odd", "inner-decrypt-fails", "req-recipient-not-ktri", "req-recipient-by-key-id", "req-many-recipients",
)  # fmt: skip
STRUCTURE: Names = (
    "msgtype-unknown", "req-no-signer-cert", "req-attr-missing", "nonce-missing", "transid-empty", "attr-duplicate", "envelope-structure-bad",
    "inner-not-pkcs10", "attr-wrong-type", "trailing-bytes", "transid-not-printable", "nonce-short",
)  # fmt: skip
MESSAGE: Names = (*SIGNATURE, *RECIPIENT, *STRUCTURE)
# Whether what it asks for can be granted.
REQUEST: Names = (
    "csr-signature-bad", "csr-key-differs-from-signer", "csr-challenge-missing", "csr-challenge-unclean", "csr-challenge-stale",
    "csr-challenge-other-server", "csr-challenge-encoding", "csr-challenge-unexpected", "csr-subject-too-long", "csr-key-short",
    "csr-subject-empty", "csr-attribute-duplicate", "csr-subject-differs-from-signer", "poll-issuer-subject-mismatch",
)  # fmt: skip
# Why there was no challenge password to send.
NO_CHALLENGE: Names = ("ndes-admin-login-fails", "ndes-admin-no-permission", "ndes-admin-cache-full")
# A renewal: whose certificate signs it, how it is asked for, what is asked again.
RENEWAL_SIGNER: Names = ("renewal-self-signed", "signer-expired-for-renewal", "signer-foreign-ca")
RENEWAL_FORM: Names = ("renewal-offered-but-refused", "renewal-subject-changed", "renewal-used-not-offered")
RENEWAL_ITSELF: Names = ("renewal-key-reused", "renewal-refused")
# Algorithms that a server cannot use, and those that it may dislike.
# What the server offers it can use: a weaker algorithm than its best is no cause.
ALGORITHM_UNKNOWN: Names = (
    "cipher-not-offered",
    "digest-not-offered",
    "server-lacks-cipher",
    "req-recipient-not-ktri",
    "req-oaep",
)
ALGORITHM_WEAK: Names = (
    "req-cipher-obsolete",
    "req-digest-md5",
    "req-cipher-des",
    "signer-key-not-rsa",
    "signer-weak-key",
)
ALGORITHM: Names = (*ALGORITHM_UNKNOWN, *ALGORITHM_WEAK)
# What the server itself needs.
BEHIND: Names = ("ndes-to-ca-rpc-fails", "ndes-crl-fetch-fails", "ndes-policy-module-refused")
# The way there and back.
NETWORK: Names = (
    "tcp-request-never-acked", "tcp-reply-never-acked", "tcp-zero-window", "tcp-reset-during-exchange", "http-on-tls-port", "proxy-connect-refused",
)  # fmt: skip
CAPTURE: Names = (
    "capture-snaplen-cut",
    "capture-cut-at-128",
    "capture-gap-in-stream",
    "capture-one-direction",
    "capture-ends-early",
)
HTTP: Names = (
    "dns-answers-differ", *SAID, "http-redirect-to-login", "http-redirect", "http-407-proxy", "ndes-admin-used-as-scep-url", "http-vendor-error", "http-401-on-scep",
    "http-on-tls-port", "http-403-client-cert", "http-403-tls-required", "http-403-blocked", "http-404-ca-identifier", "iis-query-too-long",
    "iis-body-too-long", "http-414-uri-too-long", "http-400-too-long", "http-400-bad-message", "http10-no-host", "http-404-wrong-path", "http-405-post",
    "http-411-length-required", "http-413-too-large", "http-415-media-type", "http-417-expect", "ndes-http-500-all-operations",
    "ndes-http-500-pkioperation-only", "http-502", "ndes-http-503-app-pool", "http-503-load", "http-504",
)  # fmt: skip
BODY: Names = (
    "pkioperation-cached",
    "html-in-200",
    "empty-200",
    "body-length-mismatch",
    "content-encoded-body",
    "not-cms",
)
# What the client got and does not like.
OFFER: Names = (
    "cacert-pem-or-base64", "content-type-contradicts-body", "cacert-expired", "cacert-not-yet-valid", "cacert-not-rsa", "cacert-no-encryption-cert",
    "cacert-no-signing-cert", "cacert-chain-unlinked", "cacert-ra-type-without-ra", "caps-weak-only", "cacert-ra-no-keyusage", "cacert-ca-missing-usage",
    "content-type-wrong", "content-type-missing", "chunked-to-http10", "content-encoded-body", "cacert-weak-key", "cacert-weak-signature",
    "cacert-chain-incomplete", "cacert-many-ra", "caps-no-sha2",
)  # fmt: skip
ISSUED: Names = (
    "certrep-success-without-envelope", "certrep-not-for-requester", "certrep-nonce-mismatch", "certrep-signature-invalid", "certrep-signer-unknown",
    "issued-key-differs", "issued-leaf-not-found", "issued-order", "certrep-cipher-not-the-requests", "certrep-digest-not-the-requests", "issued-validity-odd", "issued-chain-not-cacert",
)  # fmt: skip

# -- the table ----------------------------------------------------------------------------------------------------------
EXPLAINED_BY: dict[str, Names] = {
    # a response that refuses
    "certrep-failure": (
        *SAID, *BEHIND, "certrep-ndes-hresult", "pending-then-failure", "certrep-badalg", "certrep-badtime", "getcrl-refused", "certrep-badcertid",
        "certrep-badmessagecheck", "certrep-badrequest", "certrep-failinfo-missing",
    ),
    "certrep-badmessagecheck": (
        "certrep-ndes-hresult", *SAID, "post-empty-body", *MESSAGE, "cacert-expired", "req-oaep", *RENEWAL_SIGNER, *NO_CHALLENGE, "client-gave-up", *REQUEST, *RENEWAL_FORM, *RENEWAL_ITSELF,
        "signer-clock-odd", *BEHIND,
    ),
    "certrep-badrequest": (
        "certrep-ndes-hresult", *SAID, *BEHIND, "getcrl-refused", "post-empty-body", *MESSAGE, "cacert-expired", *RENEWAL_SIGNER, *RENEWAL_FORM, *NO_CHALLENGE, "client-gave-up", *REQUEST,
        *RENEWAL_ITSELF,
        "transid-reused-other-key", "transid-changed-while-pending", "transid-of-empty-input",
    ),
    "certrep-badalg": ("certrep-ndes-hresult", *ALGORITHM),
    "certrep-badtime": ("certrep-ndes-hresult", "clock-skew", "signer-clock-odd"),
    "certrep-badcertid": (
        "certrep-ndes-hresult", "transid-changed-while-pending", "poll-issuer-subject-mismatch", "transid-reused-other-key", "transid-empty",
    ),
    "certrep-failinfo-missing": (*SAID, *MESSAGE, "cacert-expired", *RENEWAL_SIGNER, *RENEWAL_FORM, *REQUEST),
    "certrep-failinfotext": (*SAID, *MESSAGE, "cacert-expired", *RENEWAL_SIGNER, *RENEWAL_FORM, *RENEWAL_ITSELF, *REQUEST, *ALGORITHM),
    "renewal-refused": (*RENEWAL_SIGNER, *RENEWAL_FORM, *RECIPIENT),
    "pending-then-failure": ("transid-changed-while-pending", "poll-issuer-subject-mismatch", "certrep-ndes-hresult"),
    # no response, or none that is SCEP
    "txn-no-reply": (
        *NETWORK, *HTTP, *BODY, "http-no-response", "client-gave-up", *CAPTURE, *ENCODING, *MESSAGE, "cacert-expired",
        *RENEWAL_SIGNER, *REQUEST, *ALGORITHM_UNKNOWN,
    ),
    "http-no-response": (*NETWORK, *BEHIND, "client-gave-up", "capture-one-direction"),
    "client-gave-up": (*NETWORK, *BEHIND),
    "cacert-failed": (*NETWORK, *HTTP, *BODY, *ENCODING, "http-no-response"),
    "caps-failed": HTTP,
    "caps-html": ("html-in-200",),
    "http-vendor-error": (*SAID, *ENCODING, *MESSAGE, "cacert-expired", *RENEWAL_SIGNER, "client-gave-up", *REQUEST, *ALGORITHM_UNKNOWN),
    "http-401-on-scep": ("ejbca-end-entity-status", "ejbca-end-entity-unknown", "ndes-admin-used-as-scep-url",),
    "http-404-wrong-path": ("dns-answers-differ", *SAID, "ndes-admin-used-as-scep-url", "query-malformed", "operation-unknown", "http10-no-host"),
    "http-400-bad-message": ENCODING,
    "post-used-not-offered": ("http-405-post",),
    "ndes-http-500-pkioperation-only": (
        *SAID, *ENCODING, "not-cms", *MESSAGE, "cacert-expired", *RENEWAL_SIGNER, *REQUEST, *ALGORITHM_UNKNOWN, "req-cipher-obsolete", *BEHIND,
    ),
    "ndes-http-500-all-operations": (*SAID, "operation-unknown", "cacert-expired"),
    "html-in-200": ("query-malformed", "ndes-admin-used-as-scep-url", "operation-unknown"),
    "empty-200": (*ENCODING, "poll-issuer-subject-mismatch", *RECIPIENT, "cacert-expired", *ALGORITHM_UNKNOWN),
    "body-length-mismatch": ("tcp-zero-window", "tcp-reset-during-exchange", "client-gave-up"),
    "tcp-reset-during-exchange": ("tcp-reply-never-acked", "tcp-zero-window"),
    "slow-operation": BEHIND,
    "tcp-connect-timeout": ("tcp-admin-prohibited",),
    # a request that is not whole
    "not-cms": ("get-truncated", "get-not-base64", "post-form-encoded", "post-body-base64", "get-double-encoded", "html-in-200", *CAPTURE),
    "req-signature-invalid": ("get-truncated", "req-digest-mismatch", *CAPTURE),
    "req-digest-mismatch": ("get-truncated", *CAPTURE),
    "req-wrong-recipient": ("mixed-servers",),
    "req-recipient-stale": ("mixed-servers",),
    "req-recipient-is-ca-not-ra": ("cacert-ra-no-keyusage",),
    "inner-decrypt-fails": ("encrypted-key-size-odd",),
    "nonce-missing": ("req-attr-missing",),
    # a response that is not this request's, or not whole
    "certrep-digest-mismatch": (*CAPTURE, "body-length-mismatch"),
    "certrep-signature-invalid": (*CAPTURE, "certrep-digest-mismatch"),
    "certrep-signer-unknown": ("cacert-changed", "mixed-servers"),
    "certrep-nonce-mismatch": ("pkioperation-cached",),
    "certrep-transid-mismatch": ("pkioperation-cached",),
    "certrep-not-for-requester": ("pkioperation-cached", "certrep-transid-mismatch", "certrep-nonce-mismatch"),
    "issued-key-differs": ("pkioperation-cached", "certrep-transid-mismatch", "csr-key-differs-from-signer"),
    "issued-leaf-not-found": ("issued-key-differs",),
    "issued-validity-odd": ("clock-skew", "signer-clock-odd"),
    # what a client does next, or does not
    "txn-stopped-after-cacert": ("tcp-reply-never-acked", "tcp-zero-window", *OFFER),
    "success-then-reenrol": ISSUED,
    "csr-challenge-missing": NO_CHALLENGE,
    "pending-never-resolved": ("pkioperation-cached", "transid-changed-while-pending", "pending-not-polled"),
    "retry-storm": (
        "certrep-failure", "txn-no-reply", *HTTP, *BODY, "http-no-response", "cacert-failed", "tcp-reset-during-exchange", "tcp-request-never-acked",
    ),
    "duplicate-request": ("http-no-response", "tcp-request-never-acked"),
    # beside it
    "clock-skew": ("signer-clock-odd",),
    "cacert-changed": ("mixed-servers",),
}  # fmt: skip
"""Symptom → what may explain it, the best first."""

EXPLAINED_BY_CODE: dict[str, dict[int, Names]] = {
    "certrep-ndes-hresult": {
        0x80090005: RECIPIENT,
        0x80070057: (*RECIPIENT, *SIGNATURE, *STRUCTURE, *REQUEST),
        0x800706BA: ("ndes-to-ca-rpc-fails",),
        0x80092013: ("ndes-crl-fetch-fails",),
        0x800B0101: ("cacert-expired", "signer-expired-for-renewal"),
        0x80094001: ("csr-subject-too-long", "csr-subject-empty"),
        0x80094803: ("csr-san-missing",),
        0x8009480D: ("csr-san-missing",),
        0x8009480F: ("csr-san-missing",),
        0x80094812: ("csr-san-missing",),
        0x80094806: ("renewal-subject-changed",),
        0x80094811: ("csr-key-short", "signer-weak-key"),
        0x80094016: ("csr-key-short", "signer-weak-key", "req-digest-md5"),
        0x80094816: ("renewal-key-reused",),
    },
}
"""The same for a finding about a number, by the number: a code that NDES's CA itself gave proves that the request could be read."""

_HEADLINES: dict[Outcome, Names] = {
    Outcome.FAILURE: ("certrep-failure",),
    Outcome.HTTP_ERROR: ("txn-no-reply", "cacert-failed", "caps-failed", *NETWORK, *HTTP, *BODY, *ENCODING, "nextca-failed"),
    Outcome.UNANSWERED: ("txn-no-reply", *NETWORK, "http-no-response", "client-gave-up", "capture-one-direction", "capture-ends-early"),
    Outcome.CONNECTION_FAILED: ("dns-name-not-resolved", "tcp-admin-prohibited", "tcp-refused", "tcp-connect-timeout"),
    Outcome.PENDING: ("pending-never-resolved", "pending-not-polled"),
    Outcome.UNKNOWN: ("certrep-status-undefined", "certrep-not-type-3", *CAPTURE, "body-length-mismatch", "not-cms", "tcp-reset-during-exchange"),
    Outcome.SUCCESS: (
        "tcp-reply-never-acked", "client-gave-up", "certrep-success-without-envelope", "issued-leaf-not-found", "issued-key-differs", "certrep-not-for-requester", "certrep-transid-mismatch",
        "certrep-nonce-mismatch", "certrep-digest-mismatch", "certrep-signature-invalid", "certrep-signer-unknown", "certrep-contenttype-missing",
        "nextca-bad-signature", "attr-duplicate", "success-then-reenrol", "issued-order", "certrep-cipher-not-the-requests", "certrep-digest-not-the-requests",
    ),
}  # fmt: skip
"""The finding that says how a transaction ended. After a SUCCESS only an error counts: the client cannot use what it got."""
_STOPPED: Names = (
    "tcp-reply-never-acked", "tcp-zero-window", "tls-handshake-alert", "post-without-operation", "operation-unknown", "txn-stopped-after-cacert",
    "nextca-bad-signature",
)  # fmt: skip
"""The same where the client got certificates and asked for none of its own."""
_ALONE: Names = (
    "proxy-connect-refused", "dns-name-not-resolved", "tcp-admin-prohibited", "tcp-refused", "tcp-connect-timeout", "tls-handshake-alert",
    "tls-server-name-mismatch", "tls-server-cert-expired",
)  # fmt: skip
"""The same of a capture without SCEP: what stopped it before it began."""
_ALONE_EXPLAINED_BY: dict[str, Names] = {
    "tls-handshake-alert": (
        "tls-server-name-mismatch",
        "tls-server-cert-expired",
        "tls-too-old-client",
        "tls-inspection-suspected",
        "tls-server-cert-apple-limits",
    ),
}

_ANSWERS = frozenset(
    {
        *HTTP, *BODY, "certrep-failure", "certrep-ndes-hresult", "certrep-badalg", "certrep-badmessagecheck", "certrep-badrequest", "certrep-badtime",
        "certrep-badcertid", "certrep-failinfo-missing", "certrep-failinfotext", "renewal-refused", "txn-no-reply", "cacert-failed", "caps-failed",
    }
)  # fmt: skip
"""Findings about how the server answered: what it says in words decides what can explain them."""
_FROM_BEFORE = frozenset({"client-gave-up", "mixed-servers"})
"""Of an earlier attempt, these alone explain a later one: a client that hung up had used its challenge password."""
_EVEN_INFO = frozenset({"getcrl-refused", "capture-ends-early"})
"""These explain an end though they are only good to know."""
_STAY_WARNINGS = frozenset({*CAPTURE, "nextca-failed"})
"""These explain an end that is no failure of the enrollment."""
_FAILED = frozenset({Outcome.FAILURE, Outcome.HTTP_ERROR, Outcome.UNANSWERED, Outcome.CONNECTION_FAILED})


class End(NamedTuple):
    """How a transaction ended: what is needed to find its root cause."""

    outcome: Outcome
    kind: Kind
    decisive: int | None
    """The number of the exchange that decided."""
    earlier: frozenset[int] = frozenset()
    """The numbers of the PKIOperations of earlier attempts."""
    legs: frozenset[int] = frozenset()
    """The numbers of all exchanges that carry the deciding message: a proxy's other leg is numbered after the first."""
    said: Names | None = None
    """The rules that can explain the deciding answer, by what the server says in it; None where its words are not understood."""


def linked(found: Sequence[Finding], end: End, *, over: bool = False) -> list[Finding]:
    """The findings of one transaction, the root cause marked, its symptoms pointing at it.

    ``over``: the same device got its certificate later. What went wrong before is history then: no root cause, and no error.
    """
    if over:
        return [_milder(each) for each in found]
    if end.outcome is Outcome.SUCCESS and end.kind is not Kind.CA_CERTIFICATES:
        found = [_milder(each) if _is_over(each, end) else each for each in found]
    root = _root(found, end)
    if root is None:
        return list(found)
    raised = _raised(root, end)
    return [
        raised
        if each is root
        else each._replace(because_of=root.number)
        if root.rule in _may_explain(each, end) or (each.rule, each.code) == (root.rule, root.code)
        else each
        for each in found
    ]


def linked_alone(found: Sequence[Finding]) -> list[Finding]:
    """The findings of a capture without SCEP: what stopped it before it began is their root cause."""
    errors = [each for each in found if each.severity is Severity.ERROR]
    head = _best(_ALONE, errors, None)
    if head is None:
        return list(found)
    root = _best(_ALONE_EXPLAINED_BY.get(head.rule, ()), [each for each in found if each is not head], None) or head
    return [
        each._replace(root_cause=True, severity=Severity.ERROR)
        if each is root
        else each._replace(because_of=root.number)
        if each.rule == root.rule or (each is head and head is not root)
        else each
        for each in found
    ]


def _is_over(finding: Finding, end: End) -> bool:
    """Whether a finding is about an attempt, or a response on the way, that a later success made good."""
    if finding.exchange in end.earlier:
        return True
    before = finding.exchange is not None and end.decisive is not None and finding.exchange < end.decisive
    return before and (finding.rule in _ANSWERS or finding.rule in NETWORK)


def _milder(finding: Finding) -> Finding:
    return finding._replace(severity=Severity.WARNING) if finding.severity is Severity.ERROR else finding


def _raised(root: Finding, end: End) -> Finding:
    """The root cause, as severe as what it explains. That it is the cause is inferred where it only warned."""
    root = root._replace(root_cause=True)
    if end.outcome not in _FAILED or root.severity is Severity.ERROR or root.rule in _STAY_WARNINGS | _EVEN_INFO:
        return root
    strength = Strength.INFERRED if root.strength is Strength.PROVED else root.strength
    return root._replace(severity=Severity.ERROR, strength=strength)


def _root(found: Sequence[Finding], end: End) -> Finding | None:
    names, decisive = _HEADLINES[end.outcome], end.decisive
    stopped = end.outcome is Outcome.SUCCESS and end.kind is Kind.CA_CERTIFICATES
    if stopped:
        names, decisive = _STOPPED, None  # what stops it comes after the certificates
    # After a success only an error counts: what the client got is of no use to it.
    ends = [each for each in found if end.outcome is not Outcome.SUCCESS or each.severity is Severity.ERROR]
    candidates = [each for each in found if each.exchange not in end.earlier or each.rule in _FROM_BEFORE]
    current = _best(names, ends, decisive)
    unsure = current is None and stopped
    if unsure:  # it may have stopped for no reason, or only later: an error must explain it
        current = _best(names, found, decisive)
    if current is None and end.outcome in _FAILED:
        errors = [each for each in candidates if each.severity is Severity.ERROR]
        current = errors[0] if errors else None
    seen = set()
    while current is not None and current.rule not in seen:
        seen.add(current.rule)
        deeper = _best(
            _allowed(current, end),
            [each for each in candidates if each.rule not in seen],
            current.exchange or decisive,
            even=end.said or (),
            legs=end.legs,
        )
        if deeper is None:
            break
        current = deeper
    return None if unsure and current is not None and current.severity is not Severity.ERROR else current


def _allowed(finding: Finding, end: End) -> Names:
    """What may explain a finding. Where the server's words are understood, they say what can explain its response."""
    names = explanations(finding.rule, finding.code)
    if end.said is None or finding.rule not in _ANSWERS or (finding.exchange or end.decisive) != end.decisive:
        return names
    if finding.code is not None and finding.rule in EXPLAINED_BY_CODE:
        return names
    return (*end.said, *(each for each in names if each in _ANSWERS))


def _may_explain(finding: Finding, end: End) -> frozenset[str]:
    below = beneath(finding.rule, finding.code)
    return below | frozenset(end.said) if end.said is not None and finding.rule in _ANSWERS else below


def _best(
    names: Iterable[str],
    found: Iterable[Finding],
    at: int | None,
    even: Names = (),
    legs: frozenset[int] = frozenset(),
) -> Finding | None:
    """The first of these that was found, at this exchange or, failing that, before it, or on another leg of its message.

    What is only good to know explains nothing, but for the rules in ``even``: those that the server's own words name.
    """
    by_rule: dict[str, list[Finding]] = {}
    for each in found:
        counts = each.severity is not Severity.INFO or each.rule in _EVEN_INFO or each.rule in even
        in_time = each.exchange is None or at is None or each.exchange <= at or (at in legs and each.exchange in legs)
        if counts and in_time:
            by_rule.setdefault(each.rule, []).append(each)
    for name in names:
        if name in by_rule:
            return max(by_rule[name], key=lambda each: (each.exchange == at, each.exchange or 0, -each.number))
    return None


def explanations(rule: str, code: int | None = None) -> Names:
    """What may explain a finding of this rule, the best first. One about a number is explained by the number alone."""
    if code is not None and rule in EXPLAINED_BY_CODE:
        return EXPLAINED_BY_CODE[rule].get(code, ())
    return EXPLAINED_BY.get(rule, ())


def beneath(rule: str, code: int | None = None) -> frozenset[str]:
    """All that may lie beneath a finding of this rule, at any depth; what explains a number is the end of it."""
    if code is not None and rule in EXPLAINED_BY_CODE:
        return frozenset(explanations(rule, code))
    return _closure(rule)


@cache
def _closure(rule: str) -> frozenset[str]:
    every: set[str] = set()
    waiting = [*explanations(rule)]
    while waiting:
        name = waiting.pop()
        if name not in every:
            every.add(name)
            waiting += explanations(name)
            waiting += (each for names in EXPLAINED_BY_CODE.get(name, {}).values() for each in names)
    return frozenset(every)
