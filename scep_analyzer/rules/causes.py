"""Which finding explains which: the root cause of a transaction, and what is only its symptom.

From the finding that says how the transaction ended, follow the table: what explains it, if that was found, what explains that,
and so on. Where the table leads no further is the root cause. The order within a line is the order of worth: what shows the cause
directly comes before what only makes it likely.
"""

from collections.abc import Iterable, Sequence
from functools import cache

from scep_analyzer.model.findings import Finding, Severity
from scep_analyzer.model.scep import Kind, Outcome

Names = tuple[str, ...]

ENCODING: Names = (
    "ndes-admin-used-as-scep-url", "get-truncated", "get-double-encoded", "get-plus-became-space", "get-not-base64", "get-base64url",
    "get-padding-stripped", "get-reserved-unescaped", "post-form-encoded", "post-body-base64", "post-without-operation", "query-malformed",
    "operation-unknown",
)  # fmt: skip
RECIPIENT: Names = (
    "req-recipient-stale", "req-recipient-is-ca-not-ra", "req-recipient-is-signing-ra", "mixed-servers", "req-wrong-recipient",
    "encrypted-key-size-odd", "inner-decrypt-fails", "req-recipient-not-ktri", "req-many-recipients",
)  # fmt: skip
STRUCTURE: Names = (
    "msgtype-unknown", "req-no-signer-cert", "req-attr-missing", "nonce-missing", "transid-empty", "attr-duplicate", "envelope-structure-bad",
    "inner-not-pkcs10", "attr-wrong-type", "trailing-bytes", "transid-not-printable", "nonce-short",
)  # fmt: skip
SIGNATURE: Names = ("req-digest-mismatch", "req-signature-invalid")
REQUEST: Names = (
    "csr-signature-bad", "csr-key-differs-from-signer", "csr-challenge-missing", "csr-challenge-unclean", "csr-challenge-stale",
    "csr-challenge-other-server", "csr-challenge-encoding", "csr-challenge-unexpected", "csr-subject-too-long", "csr-key-short",
    "csr-subject-empty", "csr-attribute-duplicate", "csr-subject-differs-from-signer", "poll-issuer-subject-mismatch",
)  # fmt: skip
RENEWAL: Names = (
    "renewal-self-signed", "signer-expired-for-renewal", "signer-foreign-ca", "renewal-offered-but-refused", "renewal-subject-changed",
    "renewal-used-not-offered", "renewal-key-reused", "renewal-refused",
)  # fmt: skip
ALGORITHM: Names = (
    "cipher-not-offered", "digest-not-offered", "req-recipient-not-ktri", "req-oaep", "req-cipher-obsolete", "req-digest-md5", "req-cipher-des",
    "signer-key-not-rsa", "signer-weak-key", "cipher-weaker-than-offered", "digest-weaker-than-offered",
)  # fmt: skip
BEHIND: Names = ("ndes-to-ca-rpc-fails", "ndes-crl-fetch-fails", "ndes-policy-module-refused")
TIME: Names = ("clock-skew", "signer-clock-odd")
NETWORK: Names = ("tcp-request-never-acked", "tcp-reset-during-exchange", "http-on-tls-port")
CAPTURE: Names = ("capture-snaplen-cut", "capture-gap-in-stream", "capture-one-direction", "capture-ends-early")
HTTP: Names = (
    "http-redirect-to-login", "http-redirect", "http-407-proxy", "ndes-admin-used-as-scep-url", "http-vendor-error", "http-401-on-scep",
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
OFFER: Names = (
    "cacert-pem-or-base64", "content-type-contradicts-body", "cacert-expired", "cacert-not-yet-valid", "cacert-not-rsa", "cacert-no-encryption-cert",
    "cacert-no-signing-cert", "cacert-chain-unlinked", "cacert-ra-type-without-ra", "caps-weak-only", "cacert-ra-no-keyusage", "cacert-ca-missing-usage",
    "content-type-wrong", "content-type-missing", "chunked-to-http10", "content-encoded-body", "cacert-weak-key", "cacert-weak-signature",
    "cacert-chain-incomplete", "cacert-many-ra", "caps-no-sha2",
)  # fmt: skip
UNREADABLE: Names = (*ENCODING, *SIGNATURE, *RECIPIENT, *STRUCTURE)

EXPLAINED_BY: dict[str, Names] = {
    "certrep-failure": (
        *BEHIND, "certrep-ndes-hresult", "pending-then-failure", "certrep-badalg", "certrep-badtime", "getcrl-refused", "certrep-badcertid",
        "certrep-badmessagecheck", "certrep-badrequest", "certrep-failinfo-missing",
    ),
    "certrep-ndes-hresult": (),  # by its value: HRESULT_EXPLAINED_BY
    "pending-then-failure": ("transid-changed-while-pending", "poll-issuer-subject-mismatch", "certrep-ndes-hresult"),
    "certrep-badmessagecheck": ("certrep-ndes-hresult", *SIGNATURE, *RECIPIENT, *STRUCTURE, *RENEWAL[:3], *REQUEST, *RENEWAL[3:], *TIME[1:], *BEHIND),
    "certrep-badrequest": (
        "certrep-ndes-hresult", *BEHIND, "getcrl-refused", *SIGNATURE, *RECIPIENT, *STRUCTURE, *RENEWAL[:6], *REQUEST, *RENEWAL[6:], "transid-reused-other-key",
        "transid-changed-while-pending", "transid-of-empty-input",
    ),
    "certrep-badalg": ("certrep-ndes-hresult", *ALGORITHM),
    "certrep-badtime": ("certrep-ndes-hresult", *TIME),
    "certrep-badcertid": (
        "certrep-ndes-hresult","transid-changed-while-pending", "poll-issuer-subject-mismatch", "transid-reused-other-key", "transid-empty"),
    "certrep-failinfo-missing": (*SIGNATURE, *RECIPIENT, *STRUCTURE, *RENEWAL[:6], *REQUEST),
    "certrep-failinfotext": (*SIGNATURE, *RECIPIENT, *STRUCTURE, *RENEWAL, *REQUEST, *ALGORITHM),
    "renewal-refused": (*RENEWAL[:6], *RECIPIENT),
    "txn-no-reply": (*NETWORK, *HTTP, *BODY, "http-no-response", "client-gave-up", *CAPTURE, *UNREADABLE, *RENEWAL[:3], *REQUEST, *ALGORITHM[:4]),
    "http-no-response": (*NETWORK, *BEHIND, "client-gave-up", "capture-one-direction"),
    "client-gave-up": (*NETWORK, *BEHIND),
    "cacert-failed": (*NETWORK, *HTTP, *BODY, "http-no-response"),
    "caps-failed": HTTP,
    "caps-html": BODY[1:2],
    "http-401-on-scep": ("ndes-admin-used-as-scep-url",),
    "http-404-wrong-path": ("ndes-admin-used-as-scep-url", "query-malformed", "operation-unknown", "http10-no-host"),
    "http-404-ca-identifier": (),
    "http-400-bad-message": ENCODING,
    "http-400-too-long": (),
    "http-413-too-large": (),
    "post-used-not-offered": ("http-405-post",),
    "ndes-http-500-pkioperation-only": (*ENCODING, "not-cms", *UNREADABLE[len(ENCODING):], *RENEWAL[:3], *REQUEST, *ALGORITHM, *BEHIND),
    "ndes-http-500-all-operations": ("operation-unknown", "cacert-expired"),
    "html-in-200": ("query-malformed", "ndes-admin-used-as-scep-url", "operation-unknown"),
    "empty-200": ENCODING,
    "content-type-contradicts-body": (),
    "not-cms": ("get-truncated", "get-not-base64", "post-form-encoded", "post-body-base64", "get-double-encoded", "html-in-200", *CAPTURE),
    "req-signature-invalid": ("get-truncated", "req-digest-mismatch", *CAPTURE),
    "req-digest-mismatch": ("get-truncated", *CAPTURE),
    "body-length-mismatch": ("tcp-reset-during-exchange", "client-gave-up"),
    "certrep-digest-mismatch": (*CAPTURE, "body-length-mismatch"),
    "certrep-signature-invalid": (*CAPTURE, "certrep-digest-mismatch"),
    "certrep-signer-unknown": ("cacert-changed", "mixed-servers"),
    "certrep-nonce-mismatch": ("pkioperation-cached",),
    "certrep-transid-mismatch": ("pkioperation-cached",),
    "certrep-not-for-requester": ("pkioperation-cached", "certrep-transid-mismatch", "certrep-nonce-mismatch"),
    "issued-key-differs": ("pkioperation-cached", "certrep-transid-mismatch", "csr-key-differs-from-signer"),
    "issued-leaf-not-found": ("issued-key-differs",),
    "nonce-missing": ("req-attr-missing",),
    "encrypted-key-size-odd": (),
    "req-wrong-recipient": ("mixed-servers",),
    "inner-decrypt-fails": ("encrypted-key-size-odd",),
    "txn-stopped-after-cacert": OFFER,
    "success-then-reenrol": (
        "certrep-success-without-envelope", "certrep-not-for-requester", "certrep-nonce-mismatch", "certrep-signature-invalid", "certrep-signer-unknown",
        "issued-key-differs", "issued-leaf-not-found", "issued-validity-odd", "issued-chain-not-cacert",
    ),
    "pending-never-resolved": ("transid-changed-while-pending", "pending-not-polled"),
    "pending-polled-too-fast": (),
    "retry-storm": (
        "certrep-failure", "txn-no-reply", *HTTP, *BODY, "http-no-response", "cacert-failed", "tcp-reset-during-exchange", "tcp-request-never-acked",
    ),
    "duplicate-request": ("http-no-response", "tcp-request-never-acked"),
    "tcp-connect-timeout": ("tcp-admin-prohibited",),
    "signer-clock-odd": (),
    "clock-skew": ("signer-clock-odd",),
    "issued-validity-odd": ("clock-skew", "signer-clock-odd"),
    "slow-operation": BEHIND,
    "cacert-changed": ("mixed-servers",),
}  # fmt: skip
"""Symptom → what may explain it, the best first."""

HRESULT_EXPLAINED_BY: dict[int, Names] = {
    0x80090005: RECIPIENT,
    0x80070057: (*RECIPIENT, *SIGNATURE, *STRUCTURE, *REQUEST),
    0x800706BA: BEHIND[:1],
    0x80092013: BEHIND[1:2],
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
}
"""The same for NDES's HRESULT: a code that the CA itself gave proves that the request could be read."""

_HEADLINES: dict[Outcome, Names] = {
    Outcome.FAILURE: ("certrep-failure",),
    Outcome.HTTP_ERROR: ("txn-no-reply", "cacert-failed", "caps-failed", *HTTP, *BODY, *ENCODING, "nextca-failed"),
    Outcome.UNANSWERED: ("txn-no-reply", *NETWORK, "http-no-response", "client-gave-up", "capture-one-direction", "capture-ends-early"),
    Outcome.CONNECTION_FAILED: ("dns-name-not-resolved", "tcp-admin-prohibited", "tcp-refused", "tcp-connect-timeout"),
    Outcome.PENDING: ("pending-never-resolved", "pending-not-polled"),
    Outcome.UNKNOWN: ("certrep-status-undefined", "certrep-not-type-3", *CAPTURE, "body-length-mismatch", "not-cms", "tcp-reset-during-exchange"),
    Outcome.SUCCESS: (
        "certrep-success-without-envelope", "issued-leaf-not-found", "issued-key-differs", "certrep-not-for-requester", "certrep-transid-mismatch",
        "certrep-nonce-mismatch", "certrep-digest-mismatch", "certrep-signature-invalid", "certrep-signer-unknown", "certrep-contenttype-missing",
        "nextca-bad-signature", "attr-duplicate",
    ),
}  # fmt: skip
"""The finding that says how a transaction ended. After a SUCCESS only an error counts: the client cannot use what it got."""

_BY_CODE = "certrep-ndes-hresult"
_EVEN_INFO = frozenset({"getcrl-refused", "capture-ends-early"})
"""These explain an end though they are only good to know."""
_STAY_WARNINGS = frozenset({*CAPTURE, "nextca-failed"})
"""These explain an end that is no failure of the enrollment."""
_FAILED = frozenset({Outcome.FAILURE, Outcome.HTTP_ERROR, Outcome.UNANSWERED, Outcome.CONNECTION_FAILED})


def linked(found: Sequence[Finding], outcome: Outcome, kind: Kind, decisive: int | None) -> list[Finding]:
    """The findings of one transaction, the root cause marked, its symptoms pointing at it. ``decisive``: number of the exchange that decided."""
    root = _root(found, outcome, kind, decisive)
    if root is None:
        return list(found)
    severity = root.severity
    if outcome in _FAILED and severity is Severity.WARNING and root.rule not in _STAY_WARNINGS:
        severity = Severity.ERROR  # it explains a failure
    below = _closures()
    return [
        each._replace(root_cause=True, severity=severity)
        if each is root
        else each._replace(because_of=root.number)
        if root.rule in below(each.rule, each.code)
        else each
        for each in found
    ]


def _root(found: Sequence[Finding], outcome: Outcome, kind: Kind, decisive: int | None) -> Finding | None:
    names = _HEADLINES[outcome]
    if outcome is Outcome.SUCCESS and kind is Kind.CA_CERTIFICATES:
        names = ("post-without-operation", "operation-unknown", "txn-stopped-after-cacert", "nextca-bad-signature")
        decisive = None  # what stops it comes after the certificates
    # After a success only an error counts: what the client got is of no use to it.
    ends = [each for each in found if outcome is not Outcome.SUCCESS or each.severity is Severity.ERROR]
    current = _best(names, ends, decisive)
    if current is None and outcome in _FAILED:
        errors = [each for each in found if each.severity is Severity.ERROR]
        current = errors[0] if errors else None
    seen = set()
    while current is not None and current.rule not in seen:
        seen.add(current.rule)
        deeper = _best(
            _explanations(current), [each for each in found if each.rule not in seen], current.exchange or decisive
        )
        if deeper is None:
            return current
        current = deeper
    return current


def _best(names: Iterable[str], found: Iterable[Finding], at: int | None) -> Finding | None:
    """The first of these that was found, at this exchange or, failing that, before it."""
    by_rule: dict[str, list[Finding]] = {}
    for each in found:
        counts = each.severity is not Severity.INFO or each.rule in _EVEN_INFO
        if counts and (each.exchange is None or at is None or each.exchange <= at):
            by_rule.setdefault(each.rule, []).append(each)
    for name in names:
        if name in by_rule:
            return max(by_rule[name], key=lambda each: (each.exchange == at, each.exchange or 0, -each.number))
    return None


def _explanations(finding: Finding) -> Names:
    if finding.rule == _BY_CODE and finding.code is not None:
        return HRESULT_EXPLAINED_BY.get(finding.code, ())
    return EXPLAINED_BY.get(finding.rule, ())


class _Closures:
    """All that may lie beneath a symptom, at any depth."""

    def __init__(self) -> None:
        self._of = cache(self._below)

    def __call__(self, rule: str, code: int | None) -> frozenset[str]:
        """What may explain this finding."""
        if rule == _BY_CODE and code is not None:
            return frozenset(HRESULT_EXPLAINED_BY.get(code, ()))
        return self._of(rule)

    def _below(self, rule: str) -> frozenset[str]:
        every: set[str] = set()
        waiting = list(EXPLAINED_BY.get(rule, ()))
        while waiting:
            name = waiting.pop()
            if name not in every:
                every.add(name)
                waiting += EXPLAINED_BY.get(name, ())
                if name == "certrep-ndes-hresult":
                    waiting += (each for names in HRESULT_EXPLAINED_BY.values() for each in names)
        return frozenset(every)


@cache
def _closures() -> _Closures:
    return _Closures()
