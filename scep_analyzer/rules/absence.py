"""Rules that conclude from what is not in a capture. Where a display filter left packets out, what is missing may be among them."""

from scep_analyzer.model.scep import FailedConnection
from scep_analyzer.rules._views import Scene, TransactionView, View

REASON = "a display filter left out packets"

ON_CONNECTION = frozenset(
    {
        "capture-ends-early",
        "capture-gap-in-stream",
        "capture-one-direction",
        "capture-starts-midstream",
        "client-gave-up",
        "http-no-response",
        "tcp-connect-timeout",
        "tcp-high-loss",
        "tcp-reply-never-acked",
        "tcp-request-never-acked",
        "tcp-zero-window",
        "txn-no-reply",
    }
)
"""They miss packets of a connection that the capture has others of."""

IN_CAPTURE = frozenset(
    {
        "capture-no-scep-found",
        "capture-tls-opaque",
        "pending-never-resolved",
        "pending-not-polled",
        "txn-stopped-after-cacert",
    }
)
"""They miss something that may be anywhere in the capture."""


def is_open(rule: str, subject: object, scene: Scene) -> bool:
    """Whether what the rule misses may be among packets that a display filter left out."""
    if rule in IN_CAPTURE:
        return any(each.left_out for each in scene.captures)
    if rule not in ON_CONNECTION:
        return False
    split = [each.split for each in scene.captures if each.split]
    return bool(split) and any(number in each for number in _connections(subject) for each in split)


def _connections(subject: object) -> list[int]:
    if isinstance(subject, View):
        return [subject.http.connection]
    if isinstance(subject, TransactionView):
        return [each.http.connection for each in subject.views]
    return [subject.connection] if isinstance(subject, FailedConnection) else []
