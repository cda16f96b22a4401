"""What somebody meant who mistyped a word."""

from collections.abc import Iterable


def nearest(word: str, names: Iterable[str]) -> str | None:
    """The name that a word was probably meant to be, None where no name is near. Upper and lower case count as equal."""
    import difflib  # takes 5 ms to import, and is needed only where something is wrong

    by_lower = {name.lower(): name for name in names}
    found = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


def did_you_mean(word: str, names: Iterable[str]) -> str | None:
    """The question to ask, None where no name is near."""
    name = nearest(word, names)
    return f"did you mean {name}?" if name is not None else None
