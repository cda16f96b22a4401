"""Arguments → options: argparse, whose messages are one line that ends with what to type next."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

USAGE = 2

# There is no catalogue of translations, and gettext would look for one in four folders at each of argparse's forty messages: a third
# of the time that --help takes.
argparse._ = str  # type: ignore[attr-defined]


class _Help(argparse.HelpFormatter):
    """argparse makes one for each option that is added, and each asks shutil for the width, which brings bz2 and lzma."""

    def __init__(self, prog: str, **options: Any) -> None:
        super().__init__(prog, **{"width": _width(), **options})


def _width() -> int:
    """Columns for help, as shutil.get_terminal_size counts them, less the two that argparse leaves."""
    given = os.environ.get("COLUMNS", "")
    try:
        return int(given) - 2 if given else os.get_terminal_size(1).columns - 2
    except (OSError, ValueError):  # standard output is no terminal, or is closed; or that is no number
        return 78


class Parser(argparse.ArgumentParser):
    """A parser that says what a mistyped option or value was probably meant to be."""

    def __init__(self, *words: Any, **options: Any) -> None:
        super().__init__(*words, **{"formatter_class": _Help, **options})

    _given: Sequence[str] = ()
    _in_any_order = False

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line, and exit with the code for wrong usage."""
        from scep_analyzer.render.safe import safe

        if message.startswith("the following arguments are required"):
            # What is missing may be there, behind an option that is misspelled.
            unknown = next(filter(self._is_unknown, self._given), None)
            message = self._unknown(unknown) if unknown is not None else message
        hint = "" if message.endswith("?") else f"; try `{self.prog} --help`"
        self.exit(USAGE, f"scep-analyzer: {safe(message)}{hint}\n")

    def _print_message(self, message: str, file: Any = None) -> None:
        """Write; argparse says nothing where standard output takes no more, and the exit code has to."""
        try:
            (file or sys.stderr).write(message)
        except OSError:
            if file is sys.stdout:
                raise

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Parse; what this parser does not know is an error here, where its options are known, not in the parser above."""
        if self._in_any_order:
            return super().parse_known_args(args, namespace)
        self._given = list(args or ())
        options, rest = super().parse_known_args(args, namespace)
        if rest and self._subparsers is None:
            # argparse takes all positional arguments where it meets the first: `show CAPTURE --bytes 1` leaves the 1. Read it again, the
            # options first; where nothing is left that is what was meant. (Python 3.11 comes here from within that.)
            self._in_any_order = True
            try:
                options, rest = self.parse_known_intermixed_args(args)
            finally:
                self._in_any_order = False
        if rest:
            unknown = next((each for each in rest if each.startswith("-") and each != "-"), None)
            self.error(self._unknown(unknown) if unknown is not None else f"unexpected argument: {rest[0]}")
        return options, rest

    def _is_unknown(self, word: str) -> bool:
        name = word.partition("=")[0]
        return name.startswith("--") and " " not in name and not any(each.startswith(name) for each in self._options())

    def _options(self) -> list[str]:
        return list(self._option_string_actions)

    def _unknown(self, word: str) -> str:
        from scep_analyzer.cli.suggest import did_you_mean

        name = word.partition("=")[0]
        asked = did_you_mean(name, (each for each in self._options() if each.startswith("--")))
        return f"unknown option: {name}" + (f"; {asked}" if asked is not None else "")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            from scep_analyzer.cli.suggest import did_you_mean

            names = [str(each) for each in action.choices or ()]
            what = did_you_mean(str(value), names) or f"choose from {', '.join(names)}"
            raise argparse.ArgumentError(action, f"there is no {str(value)!r}; {what}") from error
