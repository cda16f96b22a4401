"""The report as tables: which columns there are, what they are called, of what type they are, and what they mean.

This is the only place that says so: ``report.rows(name)``, docs/python.md and whatever else writes rows come from here. A cell is a piece
of the published JSON (docs/json.md), found by its path, so that both say the same, and secrets are in neither. Times stay text, ISO 8601
in UTC: they keep the capture's own precision (a datetime has no nanoseconds), are the same as in the JSON, sort as they are, and every
library reads them (``pandas.to_datetime``, DuckDB's ``CAST(… AS TIMESTAMP)``).
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, NamedTuple, TypeAlias

from scep_analyzer.render import json_v1
from scep_analyzer.report import Report

Scalar: TypeAlias = str | int | float | bool | None
TableName: TypeAlias = Literal[
    "captures", "connections", "exchanges", "messages", "certificates", "transactions", "findings", "evidence"
]
ColumnType: TypeAlias = Literal["text", "integer", "number", "boolean", "time"]
"""``time`` is text: ISO 8601, UTC."""

_Json = dict[str, Any]


class Column(NamedTuple):
    """A column. ``path`` leads to its value inside of the record: names, with dots between them. A list becomes text, with spaces."""

    name: str
    type: ColumnType
    path: str
    meaning: str


class Table(NamedTuple):
    """A table; ``records`` gives what its rows are made of."""

    meaning: str
    records: Callable[[Report], Iterable[_Json]]
    columns: tuple[Column, ...]


def rows_of(report: Report, name: str) -> Iterator[dict[str, Scalar]]:
    """The rows of a table, each with all columns; ValueError where there is no such table."""
    if name not in TABLES:
        raise ValueError(f"there is no table {name!r}; use one of {', '.join(TABLES)}")
    table = TABLES[name]
    for record in table.records(report):
        yield {each.name: _cell(record, each.path) for each in table.columns}


def _cell(record: _Json, path: str) -> Scalar:
    found: Any = record
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    if isinstance(found, list):
        return " ".join(map(str, found)) if found else None
    scalar: Scalar = found
    return scalar


# -- what rows are made of ------------------------------------------------------------------------------------------------


def _captures(report: Report) -> Iterator[_Json]:
    for number, facts in enumerate(report.captures):
        yield {"capture": number, **json_v1.capture_of(facts)}


def _exchanges(report: Report) -> Iterator[_Json]:
    for number, each in enumerate(report.exchanges, 1):
        yield json_v1.exchange_of(each, number, report.transaction_of.get(number), report.files)


def _transactions(report: Report) -> Iterator[_Json]:
    rules = {number: each.rule for number, each in report.root_causes.items()}
    numbers = {number: each.number for number, each in report.root_causes.items()}
    for each in report.ended:
        transaction = each.transaction
        yield {
            **json_v1.transaction_of(each, report.files, numbers.get(each.number)),
            "root_cause_rule": rules.get(each.number),
            "exchange_count": len(each.exchanges),
            "frame": transaction.frame or None,
            "duration_ms": _milliseconds(transaction.started_ns, transaction.ended_ns),
        }


def _milliseconds(start_ns: int | None, end_ns: int | None) -> float | None:
    return None if start_ns is None or end_ns is None else (end_ns - start_ns) / 1e6


def _findings(report: Report) -> Iterator[_Json]:
    for each in report.findings:
        yield {**json_v1.finding_of(each, report.files), "frame": each.frames[0] if each.frames else None}


def _evidence(report: Report) -> Iterator[_Json]:
    for finding in report.findings:
        for each in finding.facts:
            yield {
                "finding": finding.number,
                "rule": finding.rule,
                "transaction": finding.transaction,
                "exchange": finding.exchange,
                "frame": each.frame,
                "path": each.path,
                "value": each.value,
            }


def _messages(report: Report) -> Iterator[_Json]:
    for exchange in _exchanges(report):
        for direction in ("request", "response"):
            message = (exchange[direction] or {}).get("pki_message")
            if message is not None:
                sent = exchange[direction]
                yield {
                    "exchange": exchange["id"],
                    "transaction": exchange["transaction"],
                    "capture": exchange["capture"],
                    "direction": direction,
                    "frame": sent["frames"][0] if sent["frames"] else None,
                    "time": sent["time"],
                    "message": message,
                    "recipient": next(iter((message["envelope"] or {}).get("recipients", ())), None),
                }


def _certificates(report: Report) -> Iterator[_Json]:
    """Every certificate at every place where it is; ``place`` says where."""
    for exchange in _exchanges(report):
        for direction in ("request", "response"):
            sent = exchange[direction] or {}
            message = sent.get("pki_message") or {}
            content = (message.get("envelope") or {}).get("content") or {}
            places = {
                "ca-certificates": sent.get("certificates") or (),
                "message": message.get("certificates") or (),
                "envelope": content.get("certificates") or (),
            }
            for place, certificates in places.items():
                for each in certificates:
                    yield {
                        "exchange": exchange["id"],
                        "transaction": exchange["transaction"],
                        "capture": exchange["capture"],
                        "direction": direction,
                        "place": place,
                        "frame": sent["frames"][0] if sent["frames"] else None,
                        "certificate": each,
                    }


def _connections(report: Report) -> Iterator[_Json]:
    """TCP connections that carried SCEP, and those to SCEP servers that failed."""
    carried: dict[tuple[int, int], list[_Json]] = {}
    for each in _exchanges(report):
        carried.setdefault((each["capture"], each["connection"]), []).append(each)
    for theirs in carried.values():
        first = theirs[0]
        sent = first["request"] or first["response"]
        yield {**first, "time": sent["time"], "exchange_count": len(theirs), "frame": next(iter(sent["frames"]), None)}
    for transaction in _transactions(report):
        for each in transaction["failed_connections"]:
            yield {
                **each,
                "capture": transaction["capture"],
                "client": transaction["client"],
                "server": transaction["server"],
                "exchange_count": 0,
                "frame": next(iter(each["frames"]), None),
            }


# -- the tables -----------------------------------------------------------------------------------------------------------

_CAPTURE = Column("capture", "integer", "capture", "which of the captures, counted from 0")
_EXCHANGE = Column("exchange", "integer", "exchange", "the exchange, as in `exchanges.exchange`")
_TRANSACTION = Column("transaction", "integer", "transaction", "the transaction, as in `transactions.transaction`")
_FRAME = Column("frame", "integer", "frame", "the first frame, Wireshark's `frame.number`")
_ENDS = (
    Column("client", "text", "client.address", "the client's IP address"),
    Column("client_port", "integer", "client.port", "its TCP port"),
    Column("server", "text", "server.address", "the server's IP address"),
    Column("server_port", "integer", "server.port", "its TCP port"),
)

TABLES: dict[str, Table] = {
    "captures": Table(
        "one row for each file, or other source of packets",
        _captures,
        (
            _CAPTURE,
            Column("path", "text", "path", "the file, or what stands for a source that is none"),
            Column("format", "text", "format", "pcap, pcapng, …; `packets` where a program gave them"),
            Column("link_types", "text", "link_types", "the link types, with spaces between them"),
            Column("packets", "integer", "packets", "how many packets"),
            Column("bytes", "integer", "bytes", "how many bytes"),
            Column("first_time", "time", "first_time", "the earliest packet"),
            Column("last_time", "time", "last_time", "the latest packet"),
            Column("complete", "boolean", "complete", "read to its end, nothing left out by a display filter"),
            Column("packets_dropped", "integer", "packets_dropped", "packets that the capturing host says it lost"),
        ),
    ),
    "connections": Table(
        "one row for each TCP connection that carried SCEP, and for each to a SCEP server that failed",
        _connections,
        (
            _CAPTURE,
            Column("connection", "integer", "connection", "Wireshark's `tcp.stream`"),
            *_ENDS,
            Column("time", "time", "time", "the first request; where it failed, the first attempt"),
            _FRAME,
            Column("exchanges", "integer", "exchange_count", "SCEP exchanges on it"),
            Column("tls", "boolean", "tls", "it was TLS, and was decrypted"),
            Column("failed", "text", "how", "how it failed: refused, unanswered; none where it did not"),
        ),
    ),
    "exchanges": Table(
        "one row for each HTTP request of SCEP and its response",
        _exchanges,
        (
            Column("exchange", "integer", "id", "its number, from 1, in order of time"),
            _TRANSACTION,
            _CAPTURE,
            Column("connection", "integer", "connection", "Wireshark's `tcp.stream`"),
            *_ENDS,
            Column("operation", "text", "operation", "GetCACaps, GetCACert, PKIOperation, …"),
            Column("time", "time", "request.time", "the first byte of the request"),
            Column("response_time", "time", "response.time", "the first byte of the response"),
            Column("duration_ms", "number", "duration_ms", "milliseconds between the two"),
            Column("method", "text", "request.method", "GET or POST"),
            Column("host", "text", "request.host", "the Host header field"),
            Column("user_agent", "text", "request.user_agent", "the User-Agent header field"),
            Column("target", "text", "request.target", "the request target; secrets in it are hidden"),
            Column("request_bytes", "integer", "request.body_length", "bytes of the request's body"),
            Column("request_complete", "boolean", "request.complete", "all of the request is in the capture"),
            Column("status", "integer", "response.status", "the HTTP status"),
            Column("reason", "text", "response.reason", "the reason phrase"),
            Column("http_server", "text", "response.server", "the Server header field"),
            Column("content_type", "text", "response.content_type", "the response's Content-Type header field"),
            Column("response_bytes", "integer", "response.body_length", "bytes of the response's body"),
            Column("response_complete", "boolean", "response.complete", "all of the response is in the capture"),
            Column("capabilities", "text", "response.capabilities", "what GetCACaps returned, with spaces between"),
            Column("message_type", "text", "request.pki_message.message_type_name", "the request's messageType"),
            Column("pki_status", "text", "response.pki_message.pki_status_name", "the response's pkiStatus"),
            Column("fail_info", "text", "response.pki_message.fail_info_name", "the response's failInfo"),
            Column("tls", "boolean", "tls", "it was decrypted"),
            Column("request_frames", "text", "request.frames", "all frames of the request, with spaces between"),
            Column("response_frames", "text", "response.frames", "all frames of the response, with spaces between"),
        ),
    ),
    "messages": Table(
        "one row for each pkiMessage",
        _messages,
        (
            _EXCHANGE,
            _TRANSACTION,
            _CAPTURE,
            Column("direction", "text", "direction", "request or response"),
            _FRAME,
            Column("time", "time", "time", "its first byte"),
            Column("message_type", "text", "message.message_type_name", "messageType"),
            Column("transaction_id", "text", "message.transaction_id", "transactionID"),
            Column("pki_status", "text", "message.pki_status_name", "pkiStatus"),
            Column("fail_info", "text", "message.fail_info_name", "failInfo"),
            Column("fail_info_text", "text", "message.fail_info_text", "failInfoText"),
            Column("hresult", "text", "message.hresult.value", "the HRESULT that NDES adds"),
            Column("hresult_name", "text", "message.hresult.name", "its name"),
            Column("sender_nonce", "text", "message.sender_nonce", "senderNonce, hex"),
            Column("recipient_nonce", "text", "message.recipient_nonce", "recipientNonce, hex"),
            Column("digest_algorithm", "text", "message.digest_algorithm", "the digest algorithm"),
            Column("signature_algorithm", "text", "message.signature_algorithm", "the signature algorithm"),
            Column("digest_valid", "boolean", "message.digest_valid", "the digest fits; none where not checked"),
            Column(
                "signature_valid", "boolean", "message.signature_valid", "the signature fits; none where not checked"
            ),
            Column("signer", "text", "message.signer.subject", "the subject of the signer's certificate"),
            Column("signer_sha256", "text", "message.signer.fingerprint_sha256", "SHA-256 of the signer's certificate"),
            Column(
                "signer_key_sha256",
                "text",
                "message.signer.public_key.fingerprint_sha256",
                "SHA-256 of the signer's public key (SubjectPublicKeyInfo)",
            ),
            Column("recipient_issuer", "text", "recipient.issuer", "whom the envelope is encrypted for: issuer"),
            Column("recipient_serial_number", "text", "recipient.serial_number", "and serial number"),
            Column(
                "content_encryption_algorithm", "text", "message.envelope.content_encryption_algorithm", "the cipher"
            ),
            Column("opened", "boolean", "message.envelope.opened", "a key that was given opened the envelope"),
            Column("csr_subject", "text", "message.envelope.content.csr.subject", "the subject that was asked for"),
            Column(
                "csr_key_sha256",
                "text",
                "message.envelope.content.csr.public_key.fingerprint_sha256",
                "SHA-256 of the public key in the request",
            ),
            Column("length", "integer", "message.length", "its length in bytes"),
            Column("sha256", "text", "message.sha256", "its SHA-256: the same message on another leg has the same"),
        ),
    ),
    "certificates": Table(
        "one row for each certificate at each place where it was sent",
        _certificates,
        (
            _EXCHANGE,
            _TRANSACTION,
            _CAPTURE,
            Column("direction", "text", "direction", "request or response"),
            Column(
                "place", "text", "place", "ca-certificates (GetCACert and its like), message (SignedData), envelope"
            ),
            _FRAME,
            Column("role", "text", "certificate.role", "what it is there: ca, ra, issued, …; none where unknown"),
            Column("subject", "text", "certificate.subject", "subject"),
            Column("issuer", "text", "certificate.issuer", "issuer"),
            Column("serial_number", "text", "certificate.serial_number", "serial number, hex"),
            Column("not_before", "time", "certificate.not_before", "valid from"),
            Column("not_after", "time", "certificate.not_after", "valid to"),
            Column("key_algorithm", "text", "certificate.public_key.algorithm", "algorithm of the public key"),
            Column("key_bits", "integer", "certificate.public_key.bits", "its size"),
            Column("key_sha256", "text", "certificate.public_key.fingerprint_sha256", "SHA-256 of the public key"),
            Column("signature_algorithm", "text", "certificate.signature_algorithm", "signature algorithm"),
            Column("is_ca", "boolean", "certificate.is_ca", "basicConstraints says CA"),
            Column("key_usage", "text", "certificate.key_usage", "keyUsage, with spaces between"),
            Column("extended_key_usage", "text", "certificate.extended_key_usage", "extKeyUsage, with spaces between"),
            Column("subject_alt_names", "text", "certificate.subject_alt_names", "names, with spaces between"),
            Column("fingerprint_sha256", "text", "certificate.fingerprint_sha256", "SHA-256 of the certificate"),
        ),
    ),
    "transactions": Table(
        "one row for each enrollment, renewal or other transaction",
        _transactions,
        (
            Column("transaction", "integer", "id", "its number, from 1, in order of time"),
            _CAPTURE,
            Column("transaction_id", "text", "transaction_id", "transactionID"),
            Column("kind", "text", "kind", "enrollment, renewal, poll, get-cert, get-crl or ca-certificates"),
            Column("verdict", "text", "verdict", "what the client got: issued, unusable, refused, pending, failed, …"),
            Column("verdict_strength", "text", "verdict_strength", "proved, inferred or possible"),
            Column("outcome", "text", "outcome", "what the last response says: success, failure, pending, …"),
            Column("root_cause", "text", "root_cause_rule", "the rule that names the root cause"),
            Column("root_cause_finding", "integer", "root_cause", "its finding, as in `findings.finding`"),
            Column("subject", "text", "subject", "the subject that was asked for, where it can be seen"),
            Column("issued_serial_number", "text", "issued_serial_number", "the serial number of what was issued"),
            Column("client", "text", "client.address", "the client's IP address"),
            Column("server", "text", "server.address", "the server's IP address"),
            Column("server_port", "integer", "server.port", "its TCP port"),
            Column("client_product", "text", "client_product.name", "the client, where it was recognised"),
            Column("server_product", "text", "server_product.name", "the server, where it was recognised"),
            Column("started", "time", "started", "its first request"),
            Column("ended", "time", "ended", "its last response"),
            Column("duration_ms", "number", "duration_ms", "milliseconds between the two"),
            Column("attempts", "integer", "attempts", "how often it was tried"),
            Column("polls", "integer", "polls", "how often the client polled"),
            Column("history", "boolean", "history", "the same device got its certificate later"),
            Column("exchanges", "integer", "exchange_count", "how many exchanges"),
            _FRAME,
        ),
    ),
    "findings": Table(
        "one row for each finding",
        _findings,
        (
            Column("finding", "integer", "id", "its number, from 1: root causes first"),
            Column("rule", "text", "rule", "the rule (`scep-analyzer explain RULE`)"),
            Column("severity", "text", "severity", "error, warning or info"),
            Column("strength", "text", "strength", "proved, inferred or possible"),
            Column("root_cause", "boolean", "root_cause", "it is the root cause of its transaction"),
            Column("because_of", "integer", "because_of", "the finding that it is a symptom of"),
            Column("title", "text", "title", "what is wrong"),
            Column("summary", "text", "summary", "the same with the values of this capture"),
            _TRANSACTION,
            _EXCHANGE,
            _CAPTURE,
            _FRAME,
        ),
    ),
    "evidence": Table(
        "one row for each fact that a finding rests on",
        _evidence,
        (
            Column("finding", "integer", "finding", "the finding, as in `findings.finding`"),
            Column("rule", "text", "rule", "its rule"),
            _TRANSACTION,
            _EXCHANGE,
            Column("frame", "integer", "frame", "where it is; none for what is absent"),
            Column("path", "text", "path", "which field"),
            Column("value", "text", "value", "what the field has"),
        ),
    ),
}
