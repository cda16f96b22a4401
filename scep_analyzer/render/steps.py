"""The parts that timelines are printed with: paragraphs, headlines, steps, findings, certificates.

Built as rich Text, never as markup, so that nothing from the wire is interpreted; every value passes through ``safe``.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timezone
from pathlib import PurePath
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.certificates import Certificate
from scep_analyzer.model.exchanges import HttpExchange, Request, Response, without_secrets
from scep_analyzer.model.findings import Finding, Severity
from scep_analyzer.model.packets import CaptureFacts, Endpoint
from scep_analyzer.model.scep import FailedConnection, Outcome, ScepExchange, Transaction
from scep_analyzer.render import certificate_words, message_words, words
from scep_analyzer.render.ascii import in_ascii, is_ascii
from scep_analyzer.render.paragraphs import print_lines
from scep_analyzer.render.safe import safe, shortened
from scep_analyzer.render.times import clock, day_and_clock, span, zone_name
from scep_analyzer.report import link_type_name

_OUTCOME_STYLES = {
    Outcome.SUCCESS: "bold green",
    Outcome.PENDING: "bold yellow",
    Outcome.UNKNOWN: "bold yellow",
}
SEVERITY_STYLES = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
MARKS = {Severity.ERROR: "✗", Severity.WARNING: "!", Severity.INFO: "i"}
_LONGEST_TITLE = 160
_LONGEST_VALUE = 600
_MOST_FRAMES = 6
_MOST_ANOMALIES = 20


_MOST_COMMENTS = 5
"""Comments of a capture shown without being asked."""


class Style(NamedTuple):
    """How to print: time zone (None is local), and how much."""

    zone: timezone | None = UTC
    quiet: bool = False
    """Headlines only."""
    verbose: bool = False
    """Every note and anomaly."""
    secrets: bool = False
    """Challenge passwords too."""
    least: Severity = Severity.WARNING
    """The least severity of the findings shown."""


DEFAULT = Style()


class Page:
    """What every timeline prints, whether the whole report is there or only what has come so far."""

    def __init__(self, console: Console, style: Style, issued_in: dict[tuple[str, str], int]) -> None:
        self._console, self._style = console, style
        self._issued_in = issued_in
        """The exchange in which a certificate was issued."""
        self._told: dict[object, int] = {}
        """What has been printed in full before, and in which exchange: it is not printed twice."""
        self._ascii = is_ascii(console)

    @property
    def _digits(self) -> int:
        """Digits of a second that are shown."""
        return 6

    # -- printing ------------------------------------------------------------------------------------------------------

    def _line(self, text: Text | str, indent: int = 0, hang: int = 0, style: str = "") -> None:
        """Print one paragraph; its continuation lines hang ``hang`` further in."""
        body = text if isinstance(text, Text) else Text(safe(text), style=style)
        if self._ascii:
            body = in_ascii(body)
        room = self._console.width - indent
        lines = body.wrap(self._console, max(room, 20), overflow="fold")
        if hang and len(lines) > 1:  # one line alone may use the room that others leave
            lines = body.wrap(self._console, max(room - hang, 20), overflow="fold")
        print_lines(self._console, lines, indent, hang)

    def _about_file(self, facts: CaptureFacts) -> str:
        name = "standard input" if facts.path == "-" else PurePath(facts.path).name
        links = ", ".join(link_type_name(each) for each in facts.link_types) or "no interface"
        when = ""
        if facts.first_time_ns is not None and facts.last_time_ns is not None:
            start = day_and_clock(facts.first_time_ns, self._style.zone)
            when = f", {start} {zone_name(self._style.zone)}, {span(facts.last_time_ns - facts.first_time_ns)}"
        packets = "1 packet" if facts.packets == 1 else f"{facts.packets:,} packets"
        damaged = "" if facts.complete else " (damaged: read as far as it goes)"
        return f"{name}: {facts.format}, {links}, {packets}{when}{damaged}"

    def _comments(self, facts: CaptureFacts) -> None:
        """What somebody wrote into the file."""
        shown = facts.comments if self._style.verbose else facts.comments[: 0 if self._style.quiet else _MOST_COMMENTS]
        for each in shown:
            where = "comment" if each.frame is None else f"comment on frame {each.frame}"
            self._line(f"{where}: {each.text}", indent=3, hang=2)
        if not self._style.quiet and len(facts.comments) > len(shown):
            self._line(f"{len(facts.comments) - len(shown):,} more comments: --verbose shows them", indent=3)

    def _headline(self, number: int, transaction: Transaction, root: Finding | None) -> None:
        """How a transaction ended, and why."""
        style = _OUTCOME_STYLES.get(transaction.outcome, "bold red")
        title = words.title(transaction)
        headline = Text.assemble(("━━ ", "dim"), (f"Transaction {number}: ", "bold"), (safe(title), style), " ")
        room = max(self._console.width - headline.cell_len, 0)
        headline.append("━" * room, "dim")
        self._console.print()
        self._line(headline)
        duration = ""
        if transaction.started_ns is not None and transaction.ended_ns is not None:
            start = day_and_clock(transaction.started_ns, self._style.zone)
            duration = f", {start}, took {span(transaction.ended_ns - transaction.started_ns)}"
        self._line(f"{transaction.client} → {transaction.server}{_path(transaction)}{duration}", 3)
        self._line(words.why(transaction), 3, style=style.replace("bold ", ""))
        if root is not None:
            self._finding(root, 3, "Root cause: ")
        if transaction.subject and transaction.issued is None:
            self._line(f"Requester: {transaction.subject}", 3)
        if transaction.transaction_id is not None:
            self._line(f"transactionID {transaction.transaction_id}", 3)

    def _failed(self, failed: FailedConnection) -> None:
        self._console.print()
        when = clock(failed.time_ns, self._style.zone, self._digits)
        attempts = "once" if len(failed.frames) == 1 else f"{len(failed.frames)} times"
        how = "the server refused it (RST)" if failed.how == "refused" else f"nobody answered, asked {attempts}"
        text = Text.assemble("     ", when, "  ", (_frames(failed.frames), "cyan"), "  ", ("──✗", "bold red"))
        self._line(text.append(f" connection attempt to {failed.server}: {how}", "red"), 0, 5)

    def _finding(self, finding: Finding, indent: int, lead: str = "", cause: str | None = None) -> None:
        """A finding beside its step; ``cause`` is the rule that it is a symptom of."""
        style = SEVERITY_STYLES[finding.severity]
        symptom = f", a symptom of {cause}" if cause is not None else ""
        mark = lead or f"{MARKS[finding.severity]} "
        summary = shortened(safe(finding.summary), _LONGEST_VALUE)
        text = Text.assemble((mark, f"bold {style}"), (summary, style), (f" [{finding.rule}{symptom}]", "dim"))
        self._line(text, indent, 2)

    def _exchange(
        self, exchange: ScepExchange, number: int, transaction: Transaction | None, start: int | None
    ) -> None:
        """A request and its answer. ``transaction`` is what a sentence may refer to; times count from ``start``."""
        http = exchange.http
        leg = (transaction.client, transaction.server) if transaction is not None else None
        around = message_words.Surroundings(transaction, self._issued_in, secrets=self._style.secrets)
        self._console.print()
        if http.request is not None:
            title = words.request_title(exchange)
            self._step(f"{number:>3}", http.request, "──→", title, start, leg, http)
            self._notes(words.request_notes(exchange, around), http.client.address, number)
            self._odd(exchange, http.request.frames)
        else:
            self._line(f"{number:>3}  (the request is not in the capture)", style="yellow")
        if http.response is not None:
            before = http.request.time_ns if http.request is not None else start
            self._step("   ", http.response, "←──", words.response_title(exchange), before, leg, http)
            self._notes(words.response_notes(exchange, around), str(http.server), number)
            self._certificates(words.certificates_to_show(exchange), _moment(http.response.time_ns), number)
            self._odd(exchange, http.response.frames)
        else:
            self._line(f"     (no answer) {words.response_title(exchange)}", style="red")

    def _step(
        self,
        number: str,
        message: Request | Response,
        arrow: str,
        title: str,
        since_ns: int | None,
        expected: tuple[str, Endpoint] | None,
        http: HttpExchange,
    ) -> None:
        delta = ""
        if message.time_ns is not None and since_ns is not None:
            delta = f"+{(message.time_ns - since_ns) / 1e9:.3f} s"
        text = Text.assemble(
            (number, "bold"),
            "  ",
            clock(message.time_ns, self._style.zone, self._digits),
            "  ",
            (f"{delta:>10}", "dim"),
            "  ",
            (_frames(message.frames), "cyan"),
            "  ",
            (arrow, "bold"),
            " ",
            (shortened(safe(title), _LONGEST_TITLE), _step_style(message)),
        )
        if http.tls:
            text.append("  (TLS)", "dim")
        leg = (http.client.address, http.server)
        if leg != expected:
            text.append(f"  [{leg[0]} → {leg[1]}]", "magenta")
        self._line(text, 0, 5)

    def _notes(self, notes: Iterator[str], host: str, number: int) -> None:
        for note in notes:
            # What a host says of itself it says each time.
            if note.startswith(words.SAID_ONCE) and not self._first_time((host, note), number):
                continue
            self._line(shortened(note, _LONGEST_VALUE), 7, 2)

    def _first_time(self, what: object, number: int) -> bool:
        return self._style.verbose or self._told.setdefault(what, number) == number

    def _odd(self, exchange: ScepExchange, frames: tuple[int, ...]) -> None:
        for anomaly in exchange.anomalies:
            if anomaly.frames == frames:
                self._line(f"Note: {shortened(anomaly.detail, _LONGEST_VALUE)} [{anomaly.code}]", 7, 2, style="yellow")

    def _certificates(self, certificates: tuple[Certificate, ...], moment: datetime | None, number: int) -> None:
        if not certificates:
            return
        if not self._first_time(certificates, number):
            self._line(f"· the same as in exchange {self._told[certificates]}", 9, 2)
            return
        for certificate in certificates:
            self._certificate(certificate, moment)

    def _certificate(self, certificate: Certificate, moment: datetime | None) -> None:
        role = certificate_words.ROLES.get(certificate.role or "", "certificate")
        validity, outside = certificate_words.validity_words(certificate, moment)
        first = Text.assemble("· ", (f"{role}: ", "bold"), safe(certificate.subject))
        self._line(first, 9, 2)
        issuer = "self-signed" if certificate.self_issued else f"issued by {certificate.issuer}"
        key = f"{certificate_words.key_words(certificate)}, {certificate.signature_algorithm or '?'}"
        self._line(f"{issuer}; serial {certificate.serial_number}; {key}", 11)
        if certificate.subject_alt_names:
            self._line("subjectAltName " + ", ".join(certificate.subject_alt_names), 11)
        self._line(validity, 11, style="red" if outside else "")

    def _oddities(self, anomalies: list[Anomaly]) -> None:
        """What was odd, the first of it."""
        if not anomalies:
            return
        self._console.print()
        self._line("Damage and oddities in the capture", style="bold")
        shown = anomalies if self._style.verbose else anomalies[:_MOST_ANOMALIES]
        for each in shown:
            where = f"frame {each.frames[0]}: " if each.frames else ""
            self._line(f"{where}{each.detail} [{each.layer}/{each.code}]", 3, 2, style="yellow")
        if len(shown) < len(anomalies):
            self._line(f"and {len(anomalies) - len(shown):,} more; --verbose lists them", 3, style="yellow")


def _frames(frames: tuple[int, ...]) -> str:
    shown = " ".join(map(str, frames[:_MOST_FRAMES]))
    return f"[{shown}{' …' if len(frames) > _MOST_FRAMES else ''}]"


def _step_style(message: Request | Response) -> str:
    return "bold red" if isinstance(message, Response) and message.status >= 400 else "bold"


def _path(transaction: Transaction) -> str:
    for each in transaction.exchanges:
        if each.http.request is not None:
            return ", " + shortened(without_secrets(each.http.request.target).partition("?")[0], 80)
    return ""


def _moment(time_ns: int | None) -> datetime | None:
    try:
        return None if time_ns is None else datetime.fromtimestamp(time_ns // 1_000_000_000, UTC)
    except (OverflowError, ValueError, OSError):
        return None
