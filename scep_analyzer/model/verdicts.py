"""What came of a transaction for the client, as the wire proves it (screens.md, Outcomes)."""

from enum import Enum
from typing import NamedTuple

from scep_analyzer.model.findings import Strength


class Result(Enum):
    """What came of it: an outcome is what the last response says, a result is what the client has got."""

    ISSUED = "issued"
    UNUSABLE = "unusable"
    REFUSED = "refused"
    PENDING = "pending"
    FAILED = "failed"
    NO_ENROLLMENT = "no-enrollment"
    UNKNOWN = "unknown"

    @property
    def is_failure(self) -> bool:
        """Whether the client has no certificate that it can use, and is not waiting for one."""
        return self in (Result.UNUSABLE, Result.REFUSED, Result.FAILED)


class Conclusion(NamedTuple):
    """A transaction's result and how sure it is. ``attempts``: how often it was tried in this transaction, polls not counted.

    ``history``: the same device got its certificate later, so that this failure is over.
    """

    result: Result
    strength: Strength
    attempts: int = 1
    history: bool = False


class Check(NamedTuple):
    """Something that was checked in a transaction and is fine: in a few words, in a sentence, and the rules it stands for."""

    name: str
    says: str
    rules: tuple[str, ...]
