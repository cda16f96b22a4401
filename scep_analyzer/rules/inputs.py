"""What each rule needs of an input beside the messages that it judges, and what is said where the input never has it.

A packet capture has everything. An access log has request lines and statuses, a recording (HAR, Fiddler) has no packets: a rule whose
evidence the input cannot hold is not applied, and is listed as not checked with the reason. Rules about a message (of a request, a
response, a certificate set) need no line here: they are applied where the message is.
"""

from collections.abc import Collection

from scep_analyzer.rules._rule import Rule

PACKETS, HEADERS, BODIES = "packets", "headers", "bodies"

_OF_MODULES = {
    "connection": PACKETS,
    "delivery": PACKETS,
    "tls": PACKETS,
    "capture": PACKETS,
    "certrep": BODIES,
    "issued": BODIES,
    "server_said": BODIES,
    "http_body": BODIES,
    "capabilities": BODIES,
    "ca_certificates": BODIES,
}
"""By module, for rules that are about an exchange, a transaction or the capture."""

_OF_RULES: dict[str, str | None] = {
    # No packets, and still there to be judged.
    "capture-no-scep-found": None,
    "proxy-connect-refused": None,
    # About the URL, the times or the order of requests.
    "query-malformed": None,
    "operation-unknown": None,
    "slow-operation": None,
    "url-port-in-path": None,
    "nextca-failed": None,
    "http10-no-host": HEADERS,
    "pkioperation-cached": HEADERS,
    # Statuses, which are about their own words or fields, too.
    "http-vendor-error": BODIES,
    "certrep-in-error-status": BODIES,
    "http-redirect-to-login": HEADERS,
    "http-redirect": HEADERS,
    "http-417-expect": HEADERS,
    # POST, whose body and fields a log does not have.
    "post-body-base64": BODIES,
    "post-form-encoded": BODIES,
    "post-without-operation": BODIES,
    "post-empty-body": BODIES,
    "post-content-type-odd": HEADERS,
    "clock-skew": HEADERS,
    "scep-over-cleartext": PACKETS,
    # Without the response nobody knows what the client did with it.
    "txn-no-reply": BODIES,
    "txn-stopped-after-cacert": BODIES,
    "pending-not-polled": BODIES,
    "pending-never-resolved": BODIES,
    "success-then-reenrol": BODIES,
}
_WHATEVER = frozenset({"request", "reply", "csr", "issued", "offer"})
"""Subjects that are messages: what the input lacks of them is missing as a whole."""


def lacking(rule: Rule, lacks: Collection[str]) -> str | None:
    """What the input has not that the rule needs: packets, headers or bodies; None where the rule can judge."""
    if not lacks or rule.subject in _WHATEVER:
        return None
    module = rule.check.__module__.rpartition(".")[2]
    need = _OF_RULES[rule.id] if rule.id in _OF_RULES else _OF_MODULES.get(module)
    return need if need in lacks else None
