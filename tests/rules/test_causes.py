"""The table of causes, written out: a name that moves in a line moves here, where it is read."""

from collections.abc import Iterable, Iterator
from textwrap import fill

from scep_analyzer.rules import causes
from tests.conftest import ROOT

GOLDEN = ROOT / "tests" / "rules" / "golden" / "closures.txt"
_WIDTH = 140


def _paragraph(word: str, names: Iterable[str]) -> str:
    return fill(f"{word} {', '.join(names) or '-'}", _WIDTH, subsequent_indent=" " * 8, break_on_hyphens=False)


def _entries() -> Iterator[tuple[str, tuple[str, ...], set[str]]]:
    """Each line of the table: what it explains, by what (in the order of worth), and what may lie beneath."""
    headlines = [
        *((f"headline {outcome.value}", names) for outcome, names in causes._HEADLINES.items()),
        ("headline of certificates without an enrollment", causes._STOPPED),
    ]
    for title, names in headlines:
        yield title, names, set(names).union(*map(causes.beneath, names))
    for rule, names in causes.EXPLAINED_BY.items():
        yield rule, names, set(causes.beneath(rule))
    for rule, by_code in causes.EXPLAINED_BY_CODE.items():
        for code, names in sorted(by_code.items()):
            yield f"{rule} 0x{code:08X}", names, set(causes.beneath(rule, code))


def written() -> str:
    """The whole table. A name that stands twice in a line is told where it counts: the first time."""
    return "\n".join(
        f"{title}\n{_paragraph('    by:', dict.fromkeys(names))}\n{_paragraph('    beneath:', sorted(every - set(names)))}\n"
        for title, names, every in _entries()
    )


def test_the_table_of_causes_is_as_it_was_read() -> None:
    assert written() == GOLDEN.read_text(encoding="utf-8"), "read the difference, then `make golden` accepts it"


def test_a_number_that_nobody_knows_is_explained_by_nothing() -> None:
    assert causes.explanations("certrep-ndes-hresult", 0x80094800) == ()
    assert causes.beneath("certrep-ndes-hresult", 0x80094800) == frozenset()
    assert causes.explanations("certrep-ndes-hresult", 0x800706BA) == ("ndes-to-ca-rpc-fails",)


def test_a_symptom_of_a_refusal_may_be_what_explains_any_number() -> None:
    for names in causes.EXPLAINED_BY_CODE["certrep-ndes-hresult"].values():
        assert causes.beneath("certrep-failure") >= set(names)
