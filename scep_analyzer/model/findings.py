"""What rules conclude: evidence, findings, and what could not be judged."""

from enum import Enum
from typing import NamedTuple


class Severity(Enum):
    """How much a finding matters to the enrollment: it stops it, it endangers or weakens it, it is good to know."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return _SEVERITIES.index(self)


class Strength(Enum):
    """How sure a finding is: the bytes show it, bytes and a documented rule imply it, it is a likely cause elsewhere."""

    PROVED = "proved"
    INFERRED = "inferred"
    POSSIBLE = "possible"


_SEVERITIES = list(Severity)


class Fact(NamedTuple):
    """One observation: where (frame, path of the field) and what is there. ``frame`` is None where no frame can be named."""

    frame: int | None
    path: str
    value: str


class Evidence(NamedTuple):
    """What a rule has found, in one sentence with the values of this capture, and the facts behind it.

    ``title`` is given where this capture's values say more than the title of the rule's page.
    ``severity`` and ``strength`` are given where this case differs from the rule's own. ``causes`` and ``actions`` are put in front of the
    rule's: those that the evidence of this capture speaks for. ``frames`` defaults to the facts' frames.
    """

    summary: str
    facts: tuple[Fact, ...] = ()
    frames: tuple[int, ...] = ()
    severity: Severity | None = None
    strength: Strength | None = None
    causes: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    settled: bool = False
    """Whether ``actions`` say all for this case, so that the rule's advice for any case is left out."""
    transaction: int | None = None
    """Which transaction it is about; rules about an exchange or a transaction need not say."""
    exchange: int | None = None
    title: str | None = None
    code: int | None = None
    """A number that the finding is about, for the table of causes: an HRESULT."""


class NotChecked(NamedTuple):
    """What a rule gives where it could not judge."""

    reason: str


class Finding(NamedTuple):
    """A judgement about an exchange, a transaction or the capture. Numbers are those of the report, from 1.

    ``because_of`` is the number of the finding that this one is a symptom of. The first of ``frames`` is the one to open.
    """

    number: int
    rule: str
    severity: Severity
    strength: Strength
    title: str
    summary: str
    frames: tuple[int, ...]
    facts: tuple[Fact, ...]
    causes: tuple[str, ...]
    actions: tuple[str, ...]
    references: tuple[str, ...]
    transaction: int | None = None
    exchange: int | None = None
    root_cause: bool = False
    because_of: int | None = None
    code: int | None = None
    """The number that it is about, where the rule names one: an HRESULT."""


class Unchecked(NamedTuple):
    """A rule that could not be judged, why, and how often."""

    rule: str
    reason: str
    times: int


class Applied(NamedTuple):
    """A rule that was applied and found nothing, and how often."""

    rule: str
    times: int
