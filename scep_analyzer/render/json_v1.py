"""The published JSON, schema scep-analyzer.report/1 (docs/json.md). Shapes are copied here so that the model stays free to change.

Absent or unknown is null, never a missing key. Secrets are null unless they were asked for.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from scep_analyzer.events import Amended, Counts, Ended, Over
from scep_analyzer.glossary import fail_info_name, hresult_name, message_type_name, pki_status_name
from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.certificates import Certificate, PublicKey
from scep_analyzer.model.content import Content, Crl, Csr, NamedValue
from scep_analyzer.model.exchanges import Request, Response, header, without_secrets
from scep_analyzer.model.findings import Applied, Finding, Severity, Unchecked
from scep_analyzer.model.packets import CaptureFacts, Endpoint
from scep_analyzer.model.places import Place, called
from scep_analyzer.model.scep import CaCapabilities, CaCertificates, Envelope, PkiMessage, ScepExchange
from scep_analyzer.model.verdicts import Conclusion
from scep_analyzer.render.safe import json_text
from scep_analyzer.report import Files, Report, link_type_name
from scep_analyzer.rules.products import Product
from scep_analyzer.story.times import iso, iso_of
from scep_analyzer.version import __version__

SCHEMA = "scep-analyzer.report/1"
Json = dict[str, Any]


def render(
    report: Report, *, secrets: bool = False, least: Severity = Severity.INFO, only: frozenset[int] | None = None
) -> str:
    """The whole report as one JSON document, as :func:`pieces` gives it."""
    return "".join(pieces(report, secrets=secrets, least=least, only=only))


def pieces(
    report: Report, *, secrets: bool = False, least: Severity = Severity.INFO, only: frozenset[int] | None = None
) -> Iterator[str]:
    """The JSON document of a report, an element of an array at a time, so that it is never held twice.

    ``secrets`` shows challenge passwords, findings below ``least`` are left out. ``only``: of these transactions, with their exchanges
    and findings, and the summary counts these; anomalies and what was and was not checked are those of the whole capture.
    """
    files = report.files
    root_causes = {number: each.number for number, each in report.root_causes.items()}
    exchanges = (
        exchange_of(each, number, report.transaction_of.get(number), files, secrets=secrets)
        for number, each in enumerate(report.exchanges, 1)
        if only is None or report.transaction_of.get(number) in only
    )
    transactions = (
        transaction_of(each, files, root_causes.get(each.number))
        for each in report.ended
        if only is None or each.number in only
    )
    arrays: dict[str, Iterable[Json]] = {
        "captures": map(capture_of, report.captures),
        "exchanges": exchanges,
        "transactions": transactions,
        "findings": (finding_of(each, files) for each in report.findings if _is_wanted(each, least, only)),
        "anomalies": map(anomaly_of, report.anomalies),
        "not_checked": map(unchecked_of, report.not_checked),
        "passed": map(passed_of, report.passed),
    }
    yield f'{{\n  "schema": {_indented(SCHEMA, 2)},\n  "generator": {_indented(generator_of(report.engine), 2)}'
    for name, elements in arrays.items():
        yield f',\n  "{name}": ['
        before = "\n    "
        for each in elements:
            yield before + _indented(each, 4)
            before = ",\n    "
        yield "]" if before == "\n    " else "\n  ]"
    yield f',\n  "summary": {_indented(summary_of(report.counts_of(only)), 2)}\n}}\n'


def _indented(value: object, depth: int) -> str:
    """JSON whose lines after the first are indented; no string of it holds a line break."""
    return json_text(value, indent=2).replace("\n", "\n" + " " * depth)


def _is_wanted(finding: Finding, least: Severity, only: frozenset[int] | None) -> bool:
    about = only is None or finding.transaction is None or finding.transaction in only
    return about and finding.severity.rank <= least.rank


def line(record: str, value: Json) -> str:
    """One line of JSON Lines output."""
    return json_text({"record": record, **value}) + "\n"


def generator_of(engine: str) -> Json:
    """Which program wrote this."""
    return {"name": "scep-analyzer", "version": __version__, "engine": engine}


def capture_of(facts: CaptureFacts) -> Json:
    """One capture file."""
    return {
        "path": facts.path,
        "format": facts.format,
        "link_types": [link_type_name(each) for each in facts.link_types],
        "packets": facts.packets,
        "numbers": facts.unit,
        "bytes": facts.bytes,
        "first_time": iso(facts.first_time_ns, facts.time_digits),
        "last_time": iso(facts.last_time_ns, facts.time_digits),
        "complete": facts.complete and not facts.left_out,
        "compression": facts.compression,
        "packets_dropped": facts.dropped,
        "comments": [{"frame": each.frame, "text": each.text} for each in facts.comments],
    }


def anomaly_of(anomaly: Anomaly) -> Json:
    """One anomaly."""
    return {"layer": anomaly.layer, "code": anomaly.code, **_numbers(anomaly.frames), "detail": anomaly.detail}


def finding_of(finding: Finding, files: Files) -> Json:
    """One finding."""
    return {
        "id": finding.number,
        "capture": files.index(finding.frames[0] if finding.frames else 0),
        "rule": finding.rule,
        "severity": finding.severity.value,
        "strength": finding.strength.value,
        "title": finding.title,
        "summary": finding.summary,
        "root_cause": finding.root_cause,
        "because_of": finding.because_of,
        "transaction": finding.transaction,
        "exchange": finding.exchange,
        **_numbers(finding.frames),
        "evidence": [
            {"frame": each.frame, **_place(each.frame), "path": each.path, "value": each.value}
            for each in finding.facts
            if each.frame is not None  # what is absent has no frame
        ],
        "causes": list(finding.causes),
        "actions": list(finding.actions),
        "references": list(finding.references),
    }


def unchecked_of(unchecked: Unchecked) -> Json:
    """What could not be judged."""
    return {"rule": unchecked.rule, "reason": unchecked.reason, "count": unchecked.times}


def passed_of(applied: Applied) -> Json:
    """A rule that was applied and found nothing."""
    return {"rule": applied.rule, "count": applied.times}


def summary_of(counts: Counts) -> Json:
    """The counts."""
    return {
        "exchanges": counts.exchanges,
        "transactions": counts.transactions,
        "outcomes": {outcome.value: number for outcome, number in counts.outcomes.items()},
        "verdicts": {result.value: number for result, number in counts.results.items() if number},
        "findings": {each.value: counts.findings.get(each, 0) for each in Severity},
    }


def amendment_of(amended: Amended, files: Files, least: Severity) -> Json:
    """A transaction's findings, given again because the rest of the capture changed them."""
    first = amended.findings[0].frames[0] if amended.findings and amended.findings[0].frames else 0
    return {
        "capture": files.index(first),
        "transaction": amended.transaction,
        **_concluded(amended.conclusion),
        "root_cause": next((each.number for each in amended.findings if each.root_cause), None),
        "findings": [finding_of(each, files) for each in amended.findings if each.severity.rank <= least.rank],
    }


def last_of(over: Over) -> Json:
    """The last line of JSON Lines: the counts, and what belongs to no record of its own."""
    return {
        **summary_of(over.counts),
        "schema": SCHEMA,
        "generator": generator_of(over.engine),
        "anomalies": list(map(anomaly_of, over.anomalies)),
        "not_checked": list(map(unchecked_of, over.not_checked)),
        "passed": list(map(passed_of, over.passed)),
    }


def exchange_of(
    exchange: ScepExchange, number: int, transaction: int | None, files: Files, *, secrets: bool = False
) -> Json:
    """One exchange."""
    http = exchange.http
    capture = files.index(http.frame)
    digits = files.digits(capture)
    request, response = http.request, http.response
    duration = None
    if request is not None and response is not None and request.time_ns is not None and response.time_ns is not None:
        duration = round((response.time_ns - request.time_ns) / 1e6, max(digits - 3, 0))
    return {
        "id": number,
        "capture": capture,
        "connection": http.connection if http.connection >= 0 else None,
        "client": _endpoint(http.client),
        "server": _endpoint(http.server),
        "operation": exchange.operation,
        "operation_as_sent": exchange.operation_as_sent,
        "message_parameter": exchange.message_parameter,
        "request": _request(request, exchange, digits, secrets=secrets) if request is not None else None,
        "response": _response(response, exchange, digits, secrets=secrets) if response is not None else None,
        "duration_ms": duration,
        "tls": http.tls,
        "transaction": transaction,
    }


def _endpoint(endpoint: Endpoint) -> Json:
    return {"address": endpoint.address, "port": endpoint.port}


def _request(request: Request, exchange: ScepExchange, digits: int, *, secrets: bool) -> Json:
    return {
        **_numbers(request.frames),
        "time": iso(request.time_ns, digits),
        "method": request.method,
        "target": request.target if secrets else without_secrets(request.target),
        "version": request.version or None,
        "host": header(request.headers, "host"),
        "user_agent": header(request.headers, "user-agent"),
        "content_type": header(request.headers, "content-type"),
        "body_length": request.body.length,
        "complete": request.complete,
        "pki_message": pki_message_of(exchange.request, secrets=secrets) if exchange.request is not None else None,
    }


def _response(response: Response, exchange: ScepExchange, digits: int, *, secrets: bool) -> Json:
    content = exchange.response
    return {
        **_numbers(response.frames),
        "time": iso(response.time_ns, digits),
        "status": response.status,
        "substatus": response.substatus,
        "reason": response.reason or None,
        "version": response.version,
        "server": header(response.headers, "server"),
        "content_type": header(response.headers, "content-type"),
        "body_length": response.body.length,
        "complete": response.complete,
        "body_text": exchange.body_text,
        "capabilities": list(content.keywords) if isinstance(content, CaCapabilities) else None,
        "certificates": list(map(certificate_of, content.certificates))
        if isinstance(content, CaCertificates)
        else None,
        "pki_message": pki_message_of(content, secrets=secrets) if isinstance(content, PkiMessage) else None,
    }


def pki_message_of(message: PkiMessage, *, secrets: bool = False) -> Json:
    """One pkiMessage."""
    hresult = message.hresult
    return {
        "message_type": message.message_type,
        "message_type_name": message_type_name(message.message_type),
        "transaction_id": message.transaction_id,
        "sender_nonce": message.sender_nonce,
        "recipient_nonce": message.recipient_nonce,
        "pki_status": message.pki_status,
        "pki_status_name": pki_status_name(message.pki_status),
        "fail_info": message.fail_info,
        "fail_info_name": fail_info_name(message.fail_info),
        "fail_info_text": message.fail_info_text,
        "signing_time": iso_of(message.signing_time),
        "hresult": None if hresult is None else {"value": f"0x{hresult:08x}", "name": hresult_name(hresult)},
        "digest_algorithm": message.digest_algorithm,
        "signature_algorithm": message.signature_algorithm,
        "digest_valid": message.digest.valid,
        "digest_reason": message.digest.reason,
        "signature_valid": message.signature.valid,
        "signature_reason": message.signature.reason,
        "signer": certificate_of(message.signer) if message.signer is not None else None,
        "certificates": list(map(certificate_of, message.certificates)),
        "other_attributes": [
            {"oid": each.oid, "name": each.name, "value": each.value} for each in message.other_attributes
        ],
        "envelope": envelope_of(message.envelope, secrets=secrets) if message.envelope is not None else None,
        "length": message.length,
        "partial": message.partial,
        "sha256": message.sha256,
    }


def envelope_of(envelope: Envelope, *, secrets: bool = False) -> Json:
    """An envelope, opened or not."""
    return {
        "recipients": [
            {
                "kind": each.kind,
                "issuer": each.issuer,
                "serial_number": each.serial_number,
                "key_identifier": each.key_identifier,
            }
            for each in envelope.recipients
        ],
        "key_encryption_algorithm": envelope.key_encryption_algorithm,
        "content_encryption_algorithm": envelope.content_encryption_algorithm,
        "opened": envelope.content is not None,
        "problem": envelope.problem,
        "content": content_of(envelope.content, secrets=secrets) if envelope.content is not None else None,
    }


def content_of(content: Content, *, secrets: bool = False) -> Json:
    """What an envelope holds."""
    return {
        "kind": content.kind,
        "csr": _csr(content.csr, secrets=secrets) if content.csr is not None else None,
        "certificates": list(map(certificate_of, content.certificates)),
        "crls": list(map(_crl, content.crls)),
        "issuer": content.issuer,
        "subject": content.subject,
        "serial_number": content.serial_number,
    }


def _csr(csr: Csr, *, secrets: bool) -> Json:
    challenge = csr.challenge_password
    return {
        "subject": csr.subject,
        "subject_alt_names": list(csr.subject_alt_names),
        "public_key": _public_key(csr.public_key),
        "signature_algorithm": csr.signature_algorithm,
        "signature_valid": csr.signature.valid,
        "signature_reason": csr.signature.reason,
        "challenge_password": {
            "present": challenge is not None,
            "length": len(challenge.value) if challenge is not None else None,
            "string_type": challenge.string_type if challenge is not None else None,
            "value": challenge.value if challenge is not None and secrets else None,
        },
        "key_usage": list(csr.key_usage) if csr.key_usage is not None else None,
        "extended_key_usage": list(csr.extended_key_usage) if csr.extended_key_usage is not None else None,
        "extensions": list(map(_named, csr.extensions)),
        "attributes": list(map(_named, csr.attributes)),
    }


def _named(each: NamedValue) -> Json:
    return {"oid": each.oid, "name": each.name, "critical": each.critical, "value": each.value}


def _crl(crl: Crl) -> Json:
    return {
        "issuer": crl.issuer,
        "this_update": iso_of(crl.this_update),
        "next_update": iso_of(crl.next_update),
        "number": crl.number,
        "revoked": crl.revoked,
        "signature_algorithm": crl.signature_algorithm,
    }


def _public_key(key: PublicKey | None) -> Json | None:
    if key is None:
        return None
    return {
        "algorithm": key.algorithm,
        "bits": key.bits,
        "curve": key.curve,
        "fingerprint_sha256": key.fingerprint,
    }


def certificate_of(certificate: Certificate) -> Json:
    """One certificate."""
    usage, extended = certificate.key_usage, certificate.extended_key_usage
    return {
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "serial_number": certificate.serial_number,
        "not_before": iso_of(certificate.not_before),
        "not_after": iso_of(certificate.not_after),
        "public_key": _public_key(certificate.public_key),
        "signature_algorithm": certificate.signature_algorithm,
        "fingerprint_sha256": certificate.fingerprint_sha256,
        "fingerprint_sha1": certificate.fingerprint_sha1,
        "is_ca": certificate.is_ca,
        "self_issued": certificate.self_issued,
        "key_usage": list(usage) if usage is not None else None,
        "extended_key_usage": list(extended) if extended is not None else None,
        "subject_alt_names": list(certificate.subject_alt_names),
        "critical_extensions": list(certificate.critical_extensions),
        "role": certificate.role,
        "issuer_index": certificate.issuer_index,
        "issuer_signature_valid": certificate.issuer_signature.valid,
    }


def transaction_of(ended: Ended, files: Files, root_cause: int | None) -> Json:
    """One transaction."""
    transaction, conclusion, products = ended.transaction, ended.conclusion, ended.products
    capture = files.index(transaction.frame)
    digits = files.digits(capture)
    return {
        "id": ended.number,
        "capture": capture,
        "transaction_id": transaction.transaction_id,
        "client": {"address": transaction.client},
        "server": _endpoint(transaction.server),
        "exchanges": list(ended.exchanges),
        "kind": transaction.kind.value,
        "outcome": transaction.outcome.value,
        **_concluded(conclusion),
        "checked": [{"name": each.name, "says": each.says, "rules": list(each.rules)} for each in ended.checks],
        "server_product": _product(products.server),
        "front_product": _product(products.front),
        "client_product": _product(products.client),
        "subject": transaction.subject,
        "issued_serial_number": transaction.issued.serial_number if transaction.issued is not None else None,
        "started": iso(transaction.started_ns, digits),
        "ended": iso(transaction.ended_ns, digits),
        "polls": transaction.polls,
        "failed_connections": [
            {
                "connection": each.connection,
                "how": each.how,
                **_numbers(each.frames),
                "time": iso(each.time_ns, digits),
            }
            for each in transaction.failed_connections
        ],
        "root_cause": root_cause,
    }


def _concluded(conclusion: Conclusion) -> Json:
    return {
        "verdict": conclusion.result.value,
        "verdict_strength": conclusion.strength.value,
        "attempts": conclusion.attempts,
        "history": conclusion.history,
    }


def _product(product: Product | None) -> Json | None:
    if product is None:
        return None
    return {
        "key": product.key,
        "name": product.name,
        "version": product.version,
        "strength": product.strength.value,
        "because": list(product.because),
    }


def _numbers(frames: tuple[int, ...]) -> Json:
    """The numbers of frames; of lines and entries, also what each is called (``app.log, line 19``)."""
    if not any(isinstance(each, Place) for each in frames):
        return {"frames": list(frames)}
    return {"frames": [int(each) for each in frames], "places": [called(each) for each in frames]}


def _place(frame: int | None) -> Json:
    return {"place": called(frame)} if isinstance(frame, Place) else {}
