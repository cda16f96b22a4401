"""What ``fleet report`` asks: a name, a title, what the answer means, and the query. docs/how-to/fleet.md is written from it."""

from typing import NamedTuple


class Query(NamedTuple):
    """A question to the tables. ``clock`` is a table with the day on which it is asked (``today``)."""

    title: str
    meaning: str
    sql: str


def _twice(what: str, column: str, condition: str) -> str:
    """The same value in two captures, with how many different messages it was in."""
    return f"""\
SELECT {column} AS {what}, count(DISTINCT m.capture_sha256) AS captures, count(DISTINCT m.sha256) AS messages,
       count(DISTINCT t.client) AS clients, min(m.time) AS first, max(m.time) AS last,
       string_agg(DISTINCT t.subject, ' | ') AS subjects
FROM messages m LEFT JOIN transactions t USING (capture_sha256, transaction)
WHERE m.direction = 'request' AND {condition}
GROUP BY 1 HAVING count(DISTINCT m.capture_sha256) > 1
ORDER BY captures DESC, 1"""


_TWO_PLACES = "One message in `messages` means that it was captured in two places, or sent twice as it was."

QUERIES: dict[str, Query] = {
    "days": Query(
        title="Enrollments by day",
        meaning="What the clients got, by the day on which they began (UTC).",
        sql="""\
SELECT started::DATE AS date, count(*) AS enrollments,
       count(*) FILTER (verdict = 'issued') AS issued, count(*) FILTER (verdict = 'refused') AS refused,
       count(*) FILTER (verdict = 'failed') AS failed, count(*) FILTER (verdict = 'unusable') AS unusable,
       count(*) FILTER (verdict = 'pending') AS pending,
       count(*) FILTER (verdict NOT IN ('issued', 'refused', 'failed', 'unusable', 'pending')) AS other
FROM transactions WHERE kind IN ('enrollment', 'renewal')
GROUP BY 1 ORDER BY 1""",
    ),
    "products": Query(
        title="Enrollments by server and client product",
        meaning="Empty where a product was not recognized.",
        sql="""\
SELECT server_product, client_product, verdict, count(*) AS enrollments, count(DISTINCT client) AS clients
FROM transactions WHERE kind IN ('enrollment', 'renewal')
GROUP BY ALL ORDER BY server_product NULLS LAST, client_product NULLS LAST, enrollments DESC, verdict""",
    ),
    "causes": Query(
        title="Causes",
        meaning="Root causes of what failed: how often, whom, and since when. `scep-analyzer explain RULE` says what to do.",
        sql="""\
SELECT root_cause AS rule, count(*) AS transactions, count(DISTINCT client) AS clients,
       count(DISTINCT server) AS servers, min(started)::DATE AS first_day, max(started)::DATE AS last_day
FROM transactions WHERE root_cause IS NOT NULL
GROUP BY 1 ORDER BY transactions DESC, rule""",
    ),
    "slow": Query(
        title="Slowest servers",
        meaning="Milliseconds from a request to the first byte of its response; PKIOperation only.",
        sql="""\
SELECT server, server_port, count(*) AS requests, median(duration_ms) AS median_ms,
       quantile_cont(duration_ms, 0.95) AS p95_ms, max(duration_ms) AS max_ms
FROM exchanges WHERE operation = 'PKIOperation' AND duration_ms IS NOT NULL
GROUP BY 1, 2 ORDER BY median_ms DESC, server, server_port LIMIT 100""",
    ),
    "expiring": Query(
        title="Certificates that run out",
        meaning="Certificates whose last day is within 90 days of today, or has passed; CA and RA certificates first.",
        sql="""\
SELECT * FROM (
SELECT coalesce(role, place) AS role, subject, issuer, serial_number, not_after,
       date_diff('day', today, not_after::DATE) AS days_left, max(captures.last_time)::DATE AS last_seen
FROM certificates CROSS JOIN clock LEFT JOIN captures USING (capture_sha256, capture)
WHERE not_after < today + INTERVAL 90 DAY
GROUP BY ALL)
ORDER BY role NOT IN ('ca', 'ra', 'ra-signing', 'ra-encryption'), not_after, subject, serial_number""",
    ),
    "challenges": Query(
        title="The same challenge password in two captures",
        meaning="Where a key opened the requests (--key). The value is a code that tells nothing of the password. "
        + _TWO_PLACES,
        sql=_twice("code", "challenge_mac", "challenge_mac IS NOT NULL"),
    ),
    "keys": Query(
        title="The same key enrolled in two captures",
        meaning="The key of the request, where it was opened; otherwise of the self-signed signer. " + _TWO_PLACES,
        sql=_twice(
            "key_sha256",
            "coalesce(csr_key_sha256, signer_key_sha256)",
            "message_type = 'PKCSReq' AND coalesce(csr_key_sha256, signer_key_sha256) IS NOT NULL",
        ),
    ),
    "nonces": Query(
        title="The same senderNonce in two captures",
        meaning=_TWO_PLACES,
        sql=_twice("sender_nonce", "sender_nonce", "sender_nonce IS NOT NULL"),
    ),
    "transaction-ids": Query(
        title="The same transactionID in two captures",
        meaning="Polls and repeated requests have the transactionID of the first one. " + _TWO_PLACES,
        sql=_twice("transaction_id", "m.transaction_id", "m.transaction_id IS NOT NULL"),
    ),
    "renewals": Query(
        title="Renewals, and what they renew",
        meaning="The enrollment that issued the certificate which signs the renewal: by its serial number, where that "
        "could be seen, or the latest one for its subject.",
        sql="""\
WITH renewing AS (
    SELECT DISTINCT t.capture_sha256, t.transaction, t.started, t.verdict, c.subject, c.serial_number, c.not_after
    FROM transactions t JOIN messages m USING (capture_sha256, transaction)
    JOIN certificates c ON c.capture_sha256 = m.capture_sha256 AND c.exchange = m.exchange
         AND c.direction = 'request' AND c.place = 'message' AND c.fingerprint_sha256 = m.signer_sha256
    WHERE t.kind = 'renewal' AND m.direction = 'request')
SELECT r.subject, r.started AS renewed, r.verdict, r.serial_number, r.not_after, e.started AS enrolled,
       CASE WHEN e.issued_serial_number = r.serial_number THEN 'serial number' WHEN e.started IS NOT NULL THEN 'subject' END
           AS joined_by,
       r.capture_sha256, r.transaction, e.capture_sha256 AS enrolled_capture, e.transaction AS enrolled_transaction
FROM renewing r LEFT JOIN transactions e
     ON e.kind IN ('enrollment', 'renewal') AND e.outcome = 'success' AND e.started < r.started
     AND (e.issued_serial_number = r.serial_number OR e.issued_serial_number IS NULL AND e.subject = r.subject)
QUALIFY row_number() OVER (
    PARTITION BY r.capture_sha256, r.transaction
    ORDER BY coalesce(e.issued_serial_number = r.serial_number, false) DESC, e.started DESC NULLS LAST, e.capture_sha256) = 1
ORDER BY renewed, r.subject""",
    ),
    "not-read": Query(
        title="Captures that could not be read",
        meaning="They are in no other table.",
        sql="SELECT path, bytes, reason FROM captures WHERE state = 'failed' ORDER BY path",
    ),
}
