"""Every recipe: a function that tells a story on a wire, with the fault and, called with ``near``, without it."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from wires import Wire
from world import START, Story, seeded

Recipe = Callable[[Story, bool], None]


@dataclass(frozen=True)
class Fault:
    """One recipe. ``roots`` are the rules of the root causes, one for each transaction that fails; ``errors`` other rules that may be errors there,
    ``near_errors`` those of the near miss; ``keys`` private keys that are given when it is judged.
    """

    rule: str
    topic: str
    recipe: Recipe
    roots: tuple[str, ...]
    errors: tuple[str, ...]
    near_errors: tuple[str, ...]
    keys: tuple[str, ...]

    @property
    def stories(self) -> tuple[str, str]:
        """What happens, and what happens in the near miss."""
        text = inspect.getdoc(self.recipe) or ""
        story, _, near = text.partition("Near:")
        return " ".join(story.split()), " ".join(near.split())

    def wire(self, *, near: bool) -> Wire:
        """The packets."""
        wire = Wire(round(START.timestamp() * 1e9))
        self.recipe(Story(wire, chance=seeded(self.rule + str(near))), near)
        return wire


FAULTS: dict[str, Fault] = {}


def fault(roots: str = "", *, errors: str = "", near_errors: str = "", keys: str = "") -> Callable[[Recipe], Recipe]:
    """Register a recipe; its name is the rule's. "self" among the roots is the rule itself. Lists are words in one text."""

    def registered(recipe: Recipe) -> Recipe:
        rule = recipe.__name__.replace("_", "-")
        topic = recipe.__module__.removeprefix("faults_")
        named = tuple(rule if each == "self" else each for each in roots.split())
        FAULTS[rule] = Fault(
            rule, topic, recipe, named, tuple(errors.split()), tuple(near_errors.split()), tuple(keys.split())
        )
        return recipe

    return registered


TOPICS = (
    "capture", "connection", "delivery", "tls", "http_status", "server_said", "http_body", "encoding", "capabilities", "ca_certificates", "request", "attributes",
    "requester", "csr", "certrep", "issued", "transactions", "ndes",
)  # fmt: skip


def every() -> Iterator[Fault]:
    """All recipes, in the order of the topics."""
    import importlib

    for topic in TOPICS:
        importlib.import_module(f"faults_{topic}")
    return iter(FAULTS.values())
