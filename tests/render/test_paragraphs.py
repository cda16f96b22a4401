"""Wrapped lines on a console."""

import io

from rich.console import Console
from rich.text import Text

from scep_analyzer.render.paragraphs import print_lines


def test_lines_are_indented_and_all_but_the_first_hang_further_in() -> None:
    out = io.StringIO()
    print_lines(Console(file=out, width=20), [Text("one "), Text("two"), Text("three")], 2, hang=3)
    assert out.getvalue() == "  one\n     two\n     three\n"


def test_a_line_longer_than_the_console_stays_one_line() -> None:
    out = io.StringIO()
    print_lines(Console(file=out, width=20), [Text("x" * 30)], 1)
    assert out.getvalue() == " " + "x" * 30 + "\n"
