"""An ASN.1 tree as a value: what stands at which offset."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Node:
    """One element. ``offset`` counts from the start of the message (or of the string it is nested in), ``length`` is the
    content's, None for the indefinite form.

    ``name`` is the field's name in its standard where the place tells it; ``value`` the content in words, empty for
    constructed ones; ``problem`` says where reading had to stop.
    """  # noqa: D205  # one sentence for two fields

    offset: int
    header: int
    length: int | None
    type_name: str
    name: str = ""
    value: str = ""
    problem: str | None = None
    children: list["Node"] = field(default_factory=list)
