"""The timeline for people: a headline for each transaction, then its steps with time, frames and what they mean."""

from collections import Counter

from rich.console import Console

from scep_analyzer.model.findings import Finding
from scep_analyzer.model.scep import FailedConnection, ScepExchange, Transaction
from scep_analyzer.render import words
from scep_analyzer.render.steps import DEFAULT, MARKS, SEVERITY_STYLES, Page, Style
from scep_analyzer.report import Report, key_of


def render(report: Report, console: Console, style: Style = DEFAULT) -> None:
    """Print the timeline."""
    _Timeline(report, console, style).print()


class _Timeline(Page):
    def __init__(self, report: Report, console: Console, style: Style) -> None:
        issued_in = {
            issued.identity: number
            for number, each in enumerate(report.exchanges, 1)
            if each.reply is not None and (issued := each.reply.issued) is not None
        }
        super().__init__(console, style, issued_in)
        self._report = report
        self._shown = [each for each in report.findings if each.severity.rank <= style.least.rank]

    def print(self) -> None:
        for facts in self._report.captures:
            self._line(self._about_file(facts))
            self._comments(facts)
        self._line(self._summary())
        for number, transaction in enumerate(self._report.transactions, 1):
            self._transaction(number, transaction)
        loose = [each for each in self._shown if each.transaction is None and each.exchange is None]
        if loose:
            self._console.print()
            self._line("About the capture as a whole", style="bold")
        for each in loose:
            self._finding(each, 3, cause=self._rule_of(each.because_of))
        if not self._style.quiet:
            said = {anomaly for exchange in self._report.exchanges for anomaly in exchange.anomalies}
            self._oddities([each for each in self._report.anomalies if each not in said])

    def _summary(self) -> str:
        report = self._report
        if not report.exchanges and not report.transactions:
            other = f" HTTP requests of other kinds: {report.http_requests:,}." if report.http_requests else ""
            return f"No SCEP found.{other}"
        return words.counted(len(report.exchanges), Counter(each.outcome for each in report.transactions))

    # -- a transaction -------------------------------------------------------------------------------------------------

    def _transaction(self, number: int, transaction: Transaction) -> None:
        root = self._report.root_causes.get(number)
        self._headline(number, transaction, root)
        if self._style.quiet:
            return
        steps: list[ScepExchange | FailedConnection] = [*transaction.exchanges, *transaction.failed_connections]
        for step in sorted(steps, key=_when):
            if isinstance(step, FailedConnection):
                self._failed(step)
            else:
                number_of = self._report.exchange_ids[key_of(step)]
                self._exchange(step, number_of, transaction, transaction.started_ns)
                self._found_in(number_of)
        left = [
            each for each in self._shown if each.transaction == number and each.exchange is None and each is not root
        ]
        if left:
            self._console.print()
        for each in left:
            self._finding(each, 3, cause=self._rule_of(each.because_of))

    def _found_in(self, number: int) -> None:
        """What was found in an exchange: the root cause is told above, its symptoms by name."""
        symptoms: dict[int, list[Finding]] = {}
        for each in self._shown:
            if each.exchange != number:
                continue
            if each.root_cause:
                self._line(
                    f"{MARKS[each.severity]} here is the root cause [{each.rule}]",
                    7,
                    2,
                    style=SEVERITY_STYLES[each.severity],
                )
            elif each.because_of is not None:
                symptoms.setdefault(each.because_of, []).append(each)
            else:
                self._finding(each, 7)
        for cause, theirs in symptoms.items():
            names = ", ".join(dict.fromkeys(each.rule for each in theirs))
            self._line(f"{MARKS[theirs[0].severity]} {names}: because of {self._rule_of(cause)}", 7, 2, style="dim")

    def _rule_of(self, number: int | None) -> str | None:
        if number is None:
            return None
        return next((each.rule for each in self._report.findings if each.number == number), "another one")

    @property
    def _digits(self) -> int:
        return min(self._report.time_digits, 6)


def _when(step: ScepExchange | FailedConnection) -> tuple[int, int]:
    if isinstance(step, FailedConnection):
        return step.time_ns or 0, step.frames[0]
    return step.http.time_ns or 0, step.http.frame
