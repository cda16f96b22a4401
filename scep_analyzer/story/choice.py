"""Which enrollments are told: by client, server, subject, number, result, cause and time."""

from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

from scep_analyzer.story.model import Chapter, Story
from scep_analyzer.story.verdicts import common_name, grouped


class Choice(NamedTuple):
    """What is wanted; None and empty: anything. Times are nanoseconds since 1970, ``until_ns`` is not included."""

    client: str | None = None
    server: str | None = None
    """An address, with or without a port."""
    subject: str | None = None
    """A pattern with ``*`` and ``?``, for the whole subject or its common name, whatever the case."""
    transaction: str | None = None
    """A number, with or without ``#``, or a transactionID."""
    results: frozenset[str] = frozenset()
    standing: bool = False
    """Without attempts that a later success made history."""
    why: str | None = None
    """A rule, or a letter of the list of causes."""
    since_ns: int | None = None
    until_ns: int | None = None

    @property
    def is_any(self) -> bool:
        """Whether everything is wanted."""
        return self == _ANY


_ANY = Choice()
FAILED = frozenset({"unusable", "refused", "failed"})
"""The results that are failures."""
RESULTS = ("issued", "unusable", "refused", "pending", "failed", "no-enrollment", "unknown")


def chosen(story: Story, choice: Choice) -> frozenset[int]:
    """The numbers of the chapters that are wanted."""
    wants = list(_wants(story, choice))
    return frozenset(each.number for each in story.chapters if all(want(each) for want in wants))


def _wants(story: Story, choice: Choice) -> Iterator[Callable[[Chapter], bool]]:
    client, server, subject = choice.client, choice.server, choice.subject
    number, since_ns, until_ns = choice.transaction, choice.since_ns, choice.until_ns
    if client is not None:
        yield lambda each: each.client == client
    if server is not None:
        yield lambda each: server in (each.server, each.server.rpartition(":")[0].strip("[]"))
    if subject is not None:
        pattern = subject.casefold()
        yield lambda each: any(fnmatchcase(name.casefold(), pattern) for name in _names(each))
    if number is not None:
        plain = number.removeprefix("#")
        yield lambda each: plain == str(each.number) or number == each.transaction_id
    if choice.standing:
        yield lambda each: not each.history
    if choice.results:
        yield lambda each: each.result in choice.results
    if choice.why is not None:
        yield _why(story, choice.why)
    if since_ns is not None:
        yield lambda each: (each.started_ns or 0) >= since_ns
    if until_ns is not None:
        yield lambda each: (each.started_ns or 0) < until_ns


def _names(chapter: Chapter) -> tuple[str, ...]:
    return (chapter.subject, common_name(chapter.subject)) if chapter.subject else ()


def _why(story: Story, why: str) -> Callable[[Chapter], bool]:
    group = next((each for each in story.groups if each.letter == why.upper()), None)
    if group is not None:
        members = frozenset(group.chapters)
        return lambda each: each.number in members
    return lambda each: each.root is not None and each.root.rule == why


def narrowed(story: Story, numbers: frozenset[int]) -> Story:
    """The story of these chapters alone. Their numbers and the letters of their causes stay what they are in the whole."""
    chapters = tuple(each for each in story.chapters if each.number in numbers)
    return story._replace(
        chapters=chapters,
        remarks=tuple(each for each in story.remarks if each.transaction is None or each.transaction in numbers),
        groups=tuple(each._replace(letter=_letter_of(story, each.chapters[0])) for each in grouped(chapters)),
    )


def _letter_of(story: Story, number: int) -> str:
    return next((each.letter for each in story.groups if number in each.chapters), "")
