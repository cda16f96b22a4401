"""What a rule is, and the decorators that make one of a function.

A rule's name is its id with underscores. Its docstring is its page: the first line the title, then paragraphs that begin with
``Seen:`` (what was seen), ``Why:`` (a cause, or why it matters), ``Do:`` (what to do) and ``Not:`` (what it is not). ``Why`` and
``Do`` may stand several times, the likeliest first. The function gives :class:`Evidence` for each occurrence, or :class:`NotChecked`,
or nothing.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from scep_analyzer.model.findings import Evidence, NotChecked, Severity, Strength

ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO
PROVED, INFERRED, POSSIBLE = Strength.PROVED, Strength.INFERRED, Strength.POSSIBLE

Found = Iterable[Evidence | NotChecked]
Check = Callable[..., Found]
_PARAGRAPH = re.compile(r"^(Seen|Why|Do|Not): ", re.MULTILINE)


class Page(NamedTuple):
    """A rule in words."""

    title: str
    seen: str
    why: tuple[str, ...]
    do: tuple[str, ...]
    is_not: str


@dataclass(frozen=True)
class Rule:
    """One rule. ``subject`` says what its function is given: exchange, status, request, reply, csr, issued, offer, failure, transaction, capture.

    ``needs`` names the key without which it cannot judge (ra, client, tls), None where the capture alone is enough.
    """

    id: str
    severity: Severity
    strength: Strength
    subject: str
    references: tuple[str, ...]
    needs: str | None
    check: Check
    text: str

    @cached_property
    def page(self) -> Page:
        """The docstring, read."""
        title, _, rest = self.text.partition("\n")
        found: dict[str, list[str]] = {"Seen": [], "Why": [], "Do": [], "Not": []}
        pieces = _PARAGRAPH.split(re.sub(r"\n +", "\n", rest))
        for word, body in zip(pieces[1::2], pieces[2::2], strict=True):
            found[word].append(" ".join(body.split()))
        return Page(
            title.strip().rstrip("."),
            " ".join(found["Seen"]),
            tuple(found["Why"]),
            tuple(found["Do"]),
            " ".join(found["Not"]),
        )


def rule(
    subject: str,
    severity: Severity,
    *references: str,
    strength: Strength = PROVED,
    needs: str | None = None,
) -> Callable[[Check], Rule]:
    """Make a rule of a function (of a view, and of what the subject names). ``references``: RFC sections, pages, issues."""

    def made(check: Check) -> Rule:
        name: Any = check
        return Rule(
            name.__name__.replace("_", "-"), severity, strength, subject, references, needs, check, check.__doc__ or ""
        )

    return made
