"""Tables of any columns, as text, CSV and one HTML page: what ``fleet report`` found.

Cells hold text from the wire: a terminal gets it through :func:`safe`, CSV through :func:`csv_cell`, the page through :func:`safe` and
Jinja2's autoescape.
"""

import csv
from collections.abc import Sequence
from typing import Any, NamedTuple, TextIO

from scep_analyzer.render import Look
from scep_analyzer.render.safe import csv_cell, safe
from scep_analyzer.version import __version__

MOST_ROWS = 1_000
"""Rows of a table on a page: with more a browser gets slow. CSV has them all."""


class Answer(NamedTuple):
    """A table: its short name, what it is about, what it means, its columns and rows."""

    name: str
    title: str
    meaning: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


def shown(cell: object) -> str:
    """A cell as text: nothing where there is no value."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        return f"{cell:,.1f}"
    if isinstance(cell, int):
        return f"{cell:,}"
    return str(cell)


def text(answers: Sequence[Answer], out: TextIO, look: Look, most: int) -> None:
    """Draw them on a terminal, at most ``most`` rows of each."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=out, width=look.width, no_color=not look.color, highlight=False, emoji=False, markup=False)
    for each in answers:
        console.print(Text(each.title, style="bold" if look.color else ""))
        if each.meaning:
            console.print(Text(each.meaning))
        if not each.rows:
            console.print("  none\n")
            continue
        box = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 0, 0, 1), safe_box=look.ascii_only)
        for number, name in enumerate(each.columns):
            right = all(isinstance(row[number], int | float | None) for row in each.rows)
            box.add_column(Text(safe(name.replace("_", " "))), justify="right" if right else "left", overflow="fold")
        for row in each.rows[:most]:
            box.add_row(*(Text(safe(shown(cell))) for cell in row))
        console.print(box)
        if len(each.rows) > most:
            console.print(f"  {len(each.rows) - most:,} more: --only {each.name} -f csv")
        console.print()


def comma_separated(answer: Answer, out: TextIO) -> None:
    """Write one as CSV; numbers stay numbers, times are ISO 8601 in UTC."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(csv_cell, answer.columns))
    for row in answer.rows:
        writer.writerow(
            "" if cell is None else cell if isinstance(cell, int | float) else csv_cell(str(cell)) for cell in row
        )


def page(answers: Sequence[Answer], facts: Sequence[tuple[str, str]], out: TextIO) -> None:
    """Write them as one page that needs no network and no scripts."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("scep_analyzer.render"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: value if isinstance(value, Markup) else safe(str(value)),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shown"] = shown
    template = environment.get_template("fleet.html")
    out.writelines(template.generate(answers=answers, facts=facts, most=MOST_ROWS, version=__version__))
