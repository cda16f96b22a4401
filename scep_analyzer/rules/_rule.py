"""What a rule is, and the decorators that make one of a function: one for each subject.

A rule's name is its id with underscores. Its docstring is its page: the first line the title, then paragraphs that begin with
``Seen:`` (what was seen), ``Why:`` (why it happens), ``Matters:`` (why it matters), ``Do:`` (what to do, whatever the product),
``Do (ndes):`` (what to do for one product, or for several: ``Do (ndes, scepman):``; the keys are those of ``model/products.py``),
``Else:`` (what to do in place of the advice for products, where none of it fits) and ``Not:`` (what it is not). ``Why``, ``Matters`` and ``Do`` may stand several times, the likeliest first. The function gives
:class:`Evidence` for each occurrence, or :class:`NotChecked`, or nothing.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, Literal, NamedTuple, ParamSpec

from scep_analyzer.model.content import Content
from scep_analyzer.model.findings import Evidence, NotChecked, Severity, Strength
from scep_analyzer.model.scep import CaCertificates, FailedConnection, PkiMessage, Transaction
from scep_analyzer.rules._views import CaptureView, Trait, TransactionView, View

ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO
PROVED, INFERRED, POSSIBLE = Strength.PROVED, Strength.INFERRED, Strength.POSSIBLE

Found = Iterable[Evidence | NotChecked]
Needs = Literal["ra", "client", "tls"]
_Given = ParamSpec("_Given")


class Advice(NamedTuple):
    """What to do where one of these products is at work."""

    products: frozenset[str]
    text: str


class Page(NamedTuple):
    """A rule in words."""

    title: str
    seen: str
    why: tuple[str, ...]
    """Why it happens: the causes, the likeliest first."""
    matters: tuple[str, ...]
    """Why it matters: what follows from it."""
    do: tuple[str, ...]
    do_for: tuple[Advice, ...]
    is_not: str
    otherwise: tuple[str, ...] = ()
    """What to do where no advice for a product fits: it says the same in general."""

    @classmethod
    def of(cls, text: str) -> "Page":
        """Read a docstring. Raises ValueError where a product is not known, or a paragraph that is not ``Do`` names one."""
        title, *lines = text.splitlines()
        found: dict[str, list[str]] = {"Seen": [], "Why": [], "Matters": [], "Do": [], "Else": [], "Not": []}
        do_for: list[Advice] = []
        paragraphs: list[tuple[str, str, list[str]]] = []
        for line in map(str.strip, lines):
            head, colon, body = line.partition(": ")
            word, _, keys = head.removesuffix(")").partition(" (")
            if colon and word in found:
                paragraphs.append((word, keys, [body]))
            elif line and paragraphs:
                paragraphs[-1][2].append(line)
        for word, keys, body_lines in paragraphs:
            paragraph = " ".join(body_lines)
            if not keys:
                found[word].append(paragraph)
            elif word == "Do":
                do_for.append(Advice(_products(keys), paragraph))
            else:
                raise ValueError(f"“{word} ({keys}):” on the page “{title}”: only advice is for products")
        return cls(
            title=title.strip().rstrip("."),
            seen=" ".join(found["Seen"]),
            why=tuple(found["Why"]),
            matters=tuple(found["Matters"]),
            do=tuple(found["Do"]),
            do_for=tuple(do_for),
            is_not=" ".join(found["Not"]),
            otherwise=tuple(found["Else"]),
        )

    @property
    def neutral(self) -> tuple[str, ...]:
        """What to do, whatever the product."""
        return (*self.otherwise, *self.do)

    @property
    def sections(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The page's headings, with their paragraphs; advice for a product says first for which. Empty sections are left out."""
        advice = (f"For {_listed(each.products)}: {each.text}" for each in self.do_for)
        sections = (
            ("What was seen", (self.seen,)),
            ("Why it happens", self.why),
            ("Why it matters", self.matters),
            ("What to do", (*self.neutral, *advice)),
            ("What it is not", (self.is_not,)),
        )
        return tuple((heading, paragraphs) for heading, paragraphs in sections if any(paragraphs))


@dataclass(frozen=True, kw_only=True, eq=False)
class Rule:
    """One rule. ``subject`` says what its function is given: an attribute of :class:`rule`."""

    id: str
    severity: Severity
    strength: Strength
    subject: str
    references: tuple[str, ...]
    needs: Needs | None
    """The key without which it cannot judge (of the RA or CA, of the client, or TLS secrets); None where the capture alone is enough."""
    where: frozenset[Trait]
    """What an exchange must have for it to find anything: it is not called where one of them is absent. Nothing: it looks at all."""
    check: Callable[..., Found]
    """The decorator has seen to it that it takes what the subject gives."""
    text: str

    @cached_property
    def page(self) -> Page:
        """The docstring, read."""
        return Page.of(self.text)


class Subject(Generic[_Given]):
    """What a rule may be about: the decorator of its rules. ``needs``: the key without which there is nothing to judge."""

    name: str

    def __init__(self, needs: Needs | None = None) -> None:
        self._needs = needs

    def __set_name__(self, _owner: type, name: str) -> None:
        self.name = name

    def __call__(
        self,
        severity: Severity,
        *references: str,
        strength: Strength = PROVED,
        needs: Needs | None = None,
        where: tuple[Trait, ...] = (),
    ) -> Callable[[Callable[_Given, Found]], Rule]:
        """Make a rule of a function. ``references``: RFC sections, pages, issues; ``needs``: where it needs more than its subject does;
        ``where``: traits without which an exchange is of no interest to it.
        """  # noqa: D205  # one sentence lists them

        def made(check: Callable[_Given, Found]) -> Rule:
            named: Any = check
            return Rule(
                id=named.__name__.replace("_", "-"),
                severity=severity,
                strength=strength,
                subject=self.name,
                references=references,
                needs=needs or self._needs,
                where=frozenset(where),
                check=check,
                text=check.__doc__ or "",
            )

        return made


class rule:  # noqa: N801  # it reads as the decorator that it holds: @rule.reply(ERROR, …)
    """The subjects, each with what its rules are given."""

    exchange: "Subject[[View]]" = Subject()
    """Every exchange."""
    status: "Subject[[View]]" = Subject()
    """Every exchange whose response has a status of 300 or more."""
    offer: "Subject[[View, CaCertificates]]" = Subject()
    """A response that holds CA certificates."""
    request: "Subject[[View, PkiMessage]]" = Subject()
    """A pkiMessage that is a request."""
    csr: "Subject[[View, Content]]" = Subject(needs="ra")
    """A request's envelope that a key has opened."""
    reply: "Subject[[View, PkiMessage]]" = Subject()
    """A CertRep."""
    issued: "Subject[[View, PkiMessage]]" = Subject(needs="client")
    """A CertRep whose certificate can be read."""
    failure: "Subject[[FailedConnection, Transaction | None, CaptureView]]" = Subject()
    """A connection that did not come about, and its transaction if it has one."""
    transaction: "Subject[[TransactionView]]" = Subject()
    """Every transaction."""
    capture: "Subject[[CaptureView]]" = Subject()
    """The whole capture, at its end."""


def _products(keys: str) -> frozenset[str]:
    from scep_analyzer.model.products import PRODUCTS

    products = frozenset(each.strip() for each in keys.split(","))
    if unknown := products - set(PRODUCTS):
        raise ValueError(f"no product is known by the key {', '.join(sorted(unknown))}")
    return products


def _listed(products: frozenset[str]) -> str:
    from scep_analyzer.model.products import PRODUCTS

    *others, last = sorted((PRODUCTS[each] for each in products), key=str.casefold)
    return f"{', '.join(others)} and {last}" if others else last
