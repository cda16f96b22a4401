"""What ``live`` and ``fleet watch`` tell Prometheus. Labels are bounded: no name, address or text from the wire is one."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from scep_analyzer.fleet import check_installed
from scep_analyzer.model.anomalies import AnalyzerError

if TYPE_CHECKING:
    from scep_analyzer.events import Event
    from scep_analyzer.model.certificates import Certificate

_OPERATIONS = frozenset({"GetCACaps", "GetCACert", "GetCACertChain", "GetNextCACert", "PKIOperation"})
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds; a CA with an HSM takes some, a proxy gives up after 30 or 60."""
_ROLES = frozenset({"ca", "ra", "ra-signing", "ra-encryption"})
_MOST_CERTIFICATES = 50
"""Certificates with a gauge; a server that shows a new one each time fills no memory."""


class Metrics:
    """Counters, a histogram and gauges, served at an address."""

    def __init__(self) -> None:
        check_installed("prometheus_client")
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self.registry = CollectorRegistry()

        def counter(name: str, says: str, *labels: str) -> Counter:
            return Counter(f"scep_{name}", says, labels, registry=self.registry)

        self._exchanges = counter("exchanges", "HTTP exchanges of SCEP", "operation", "status")
        self._messages = counter("messages", "pkiMessages", "message_type", "pki_status", "fail_info")
        self._transactions = counter("transactions", "transactions that have ended", "kind", "verdict")
        self._findings = counter("findings", "findings", "rule", "severity")
        self._seconds = Histogram(
            "scep_response_seconds",
            "from the first byte of a request to the first byte of its response",
            ["operation"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._ends = Gauge(
            "scep_certificate_not_after_seconds",
            "end of a CA or RA certificate, in seconds since 1970",
            ["role", "sha256"],
            registry=self.registry,
        )
        self._certificates = set[str]()

    def serve(self, address: str) -> None:
        """Answer at ADDR:PORT, in a thread that ends with the process."""
        from prometheus_client import start_http_server

        host, port = parsed(address)
        try:
            start_http_server(port, host, registry=self.registry)
        except OSError as error:
            raise AnalyzerError(
                f"{address}: cannot be listened on ({error.strerror}); give another port to --metrics"
            ) from error

    def exchange(self, operation: str | None, status: int | None, seconds: float | None) -> None:
        """Count an exchange."""
        known = operation if operation in _OPERATIONS else "other"
        code = "none" if status is None else str(status) if 100 <= status <= 599 else "other"
        self._exchanges.labels(known, code).inc()
        if seconds is not None and seconds >= 0:
            self._seconds.labels(known).observe(seconds)

    def message(self, message_type: str | None, pki_status: str | None, fail_info: str | None) -> None:
        """Count a pkiMessage. The names are RFC 8894's, None where there is none or it is unknown."""
        self._messages.labels(message_type or "other", pki_status or "none", fail_info or "none").inc()

    def transaction(self, kind: str, verdict: str) -> None:
        """Count a transaction."""
        self._transactions.labels(kind, verdict).inc()

    def finding(self, rule: str, severity: str) -> None:
        """Count a finding."""
        self._findings.labels(rule, severity).inc()

    def certificate(self, role: str | None, sha256: str, not_after: datetime | None) -> None:
        """Note when a CA's or RA's certificate runs out."""
        short = sha256[:16]
        if role not in _ROLES or not_after is None:
            return
        if short in self._certificates or len(self._certificates) < _MOST_CERTIFICATES:
            self._certificates.add(short)
            self._ends.labels(role, short).set(not_after.astimezone(UTC).timestamp())

    def take_rows(self, rows: dict[str, list[dict[str, Any]]]) -> None:
        """Count rows of the tables."""
        for each in rows.get("exchanges", ()):
            duration = each["duration_ms"]
            self.exchange(each["operation"], each["status"], None if duration is None else duration / 1e3)
        for each in rows.get("messages", ()):
            self.message(each["message_type"], each["pki_status"], each["fail_info"])
        for each in rows.get("transactions", ()):
            self.transaction(each["kind"], each["verdict"])
        for each in rows.get("findings", ()):
            self.finding(each["rule"], each["severity"])
        for each in rows.get("certificates", ()):
            if each["place"] == "ca-certificates":
                ends = datetime.fromisoformat(each["not_after"]) if each["not_after"] else None
                self.certificate(each["role"], each["fingerprint_sha256"], ends)

    def take(self, events: "Iterable[Event]") -> "Iterator[Event]":
        """Count events, and hand them on."""
        from scep_analyzer.events import About, Ended, Seen

        for event in events:
            if isinstance(event, Seen):
                self._seen(event)
            elif isinstance(event, Ended):
                self.transaction(event.transaction.kind.value, event.conclusion.result.value)
                for each in event.findings:
                    self.finding(each.rule, each.severity.value)
            elif isinstance(event, About):
                self.finding(event.finding.rule, event.finding.severity.value)
            yield event

    def _seen(self, event: Any) -> None:
        from scep_analyzer.glossary import fail_info_name, message_type_name, pki_status_name
        from scep_analyzer.model.scep import CaCertificates, PkiMessage

        exchange = event.exchange
        request, response = exchange.http.request, exchange.http.response
        timed = request is not None and response is not None and None not in (request.time_ns, response.time_ns)
        seconds = (response.time_ns - request.time_ns) / 1e9 if timed else None
        self.exchange(exchange.operation, response.status if response is not None else None, seconds)
        for each in (exchange.request, exchange.response):
            if isinstance(each, PkiMessage):
                names = (
                    message_type_name(each.message_type),
                    pki_status_name(each.pki_status),
                    fail_info_name(each.fail_info),
                )
                self.message(*names)
        if isinstance(exchange.response, CaCertificates):
            certificate: Certificate
            for certificate in exchange.response.certificates:
                self.certificate(certificate.role, certificate.fingerprint_sha256, certificate.not_after)


def parsed(address: str) -> tuple[str, int]:
    """ADDR:PORT; [::1]:9100 for IPv6, :9100 for this machine only. ValueError where it is none."""
    host, _, port = address.rpartition(":")
    number = int(port)
    if not 0 < number < 65536:
        raise ValueError(address)
    return host.strip("[]") or "127.0.0.1", number
