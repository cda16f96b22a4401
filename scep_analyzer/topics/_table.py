"""What a table of codes is."""

from typing import NamedTuple


class Table(NamedTuple):
    """Codes of one origin.

    A row has the names of the code, a title, its meaning (empty: the title says all), and the rules that find its causes, with spaces
    between them. The first of the names is the one that is shown; the others, after `` | ``, find it, too. ``where`` says where a user
    meets these codes.
    """

    kind: str
    where: str
    source: str
    rows: tuple[tuple[str, str, str, str], ...]
