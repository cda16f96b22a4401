"""The options that choose enrollments, the same on every command that tells some."""

import argparse
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from scep_analyzer.model.anomalies import AnalyzerError
from scep_analyzer.model.words import count

if TYPE_CHECKING:
    from scep_analyzer.report import Report
    from scep_analyzer.story.choice import Choice
    from scep_analyzer.story.model import Story

RESULTS = ("issued", "unusable", "refused", "pending", "failed", "no-enrollment", "unknown")
"""As in story.choice.RESULTS, which would import the story; a test compares them."""
_MOST_NAMED = 6
_TIME_OF_DAY = re.compile(r"\d{1,2}:\d\d(:\d\d)?")


class NotAsExpectedError(AnalyzerError):
    """What ``--expect`` asks for is not so."""

    exit_code = 1


def add_filter_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options that choose enrollments, and --expect."""
    some = parser.add_argument_group("which enrollments")
    some.add_argument("--client", metavar="ADDR", help="those of this client")
    some.add_argument("--server", metavar="ADDR[:PORT]", help="those with this server")
    some.add_argument(
        "--subject", metavar="PATTERN", help="those for this subject or common name; * and ? stand for anything"
    )
    some.add_argument("--transaction", metavar="N|ID", help="this one, by its number or its transactionID")
    some.add_argument("--outcome", choices=RESULTS, help="those with this result")
    some.add_argument("--failed", action="store_true", help="those that failed: refused, failed or unusable")
    some.add_argument("--why", metavar="RULE|LETTER", help="those with this root cause")
    some.add_argument("--since", metavar="TIME", help="those that began at or after it: 2026-03-02T09:00, or 09:00")
    some.add_argument("--until", metavar="TIME", help="those that began before it")
    parser.add_argument(
        "--expect",
        choices=("issued",),
        help="exit with 1 unless there is at least one enrollment and each got its certificate",
    )


_FILTERS = ("client", "server", "subject", "transaction", "outcome", "failed", "why", "since", "until")


def chooses(options: argparse.Namespace) -> bool:
    """Whether the options ask for something that only the whole capture tells: some of the enrollments, or --expect."""
    return options.expect is not None or any(getattr(options, each) for each in _FILTERS)


def choice_of(options: argparse.Namespace, report: "Report") -> "Choice":
    """What the options choose."""
    from scep_analyzer.story.choice import FAILED, Choice

    first_ns = next((each.first_time_ns for each in report.captures if each.first_time_ns is not None), 0)
    results = frozenset({options.outcome}) if options.outcome is not None else frozenset()
    if options.failed:
        results = results & FAILED if results else FAILED
    return Choice(
        client=options.client,
        server=options.server,
        subject=options.subject,
        transaction=options.transaction,
        results=results,
        standing=options.failed,
        why=options.why,
        since_ns=_time(options.since, first_ns, local=options.local),
        until_ns=_time(options.until, first_ns, local=options.local),
    )


def _time(text: str | None, first_ns: int, *, local: bool) -> int | None:
    if text is None:
        return None
    zone = None if local else UTC
    try:
        if _TIME_OF_DAY.fullmatch(text):
            day = datetime.fromtimestamp(first_ns // 1_000_000_000, zone)
            parts = [int(each) for each in text.split(":")]
            moment = day.replace(hour=parts[0], minute=parts[1], second=parts[2] if len(parts) > 2 else 0)
        else:
            moment = datetime.fromisoformat(text)
            if moment.tzinfo is None:
                moment = moment.astimezone() if local else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise AnalyzerError(f"{text!r} is not a time; give one like 2026-03-02T09:00:00, or 09:00") from error
    return int((moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1)) * 1_000


def told(options: argparse.Namespace, report: "Report") -> "tuple[Story, frozenset[int] | None]":
    """The story of what the options choose, and the numbers of the transactions in it; None where they choose everything."""
    from scep_analyzer.story.choice import chosen, narrowed
    from scep_analyzer.story.narrator import story_of

    story = story_of(report, secrets=options.show_secrets)
    choice = choice_of(options, report)
    if choice.is_any:
        return story, None
    if options.why is not None:
        _check_cause(options.why, story)
    numbers = chosen(story, choice)
    if not numbers and story.chapters:
        of = count(len(story.chapters), "transaction")
        none = f"nothing matches the filters (the capture has {of}); leave a filter out"
        raise NotAsExpectedError(f"--expect {options.expect}: {none}") if options.expect else AnalyzerError(none)
    return narrowed(story, numbers), numbers


def _check_cause(why: str, story: "Story") -> None:
    """That a cause is one that there is: a letter of the table, or a rule."""
    from scep_analyzer.rules.catalogue import BY_ID

    if why in BY_ID or any(each.letter == why.upper() for each in story.groups):
        return
    from scep_analyzer.cli.suggest import did_you_mean

    hint = did_you_mean(why, BY_ID) or "`scep-analyzer list` shows the letters, `scep-analyzer explain rule` the rules"
    raise AnalyzerError(f"no cause is called {why!r}; {hint}")


def expected(options: argparse.Namespace, story: "Story", code: int = 0) -> int:
    """The exit code: ``code`` where ``--expect`` is met. Raises NotAsExpectedError where it is not; call it when all is written."""
    if options.expect is None:
        return code
    tried = [each for each in story.chapters if each.enrollment and not each.history]
    if not tried:
        raise NotAsExpectedError(f"--expect {options.expect}: there is no enrollment")
    other = [f"#{each.number}" for each in tried if each.result != options.expect]
    if other:
        numbers = ", ".join(other[:_MOST_NAMED]) + ", …" * (len(other) > _MOST_NAMED)
        were = "was" if len(other) == 1 else "were"
        raise NotAsExpectedError(
            f"--expect {options.expect}: {len(other):,} of {count(len(tried), 'enrollment')} {were} not {options.expect} ({numbers})"
        )
    return code
