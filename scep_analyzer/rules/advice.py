"""What to do, chosen by the products that were recognised: an administrator of EJBCA is not told to restart IIS."""

import re
from collections.abc import Iterable, Iterator

from scep_analyzer.model.findings import Evidence
from scep_analyzer.model.products import SERVERS
from scep_analyzer.rules._rule import Page
from scep_analyzer.rules.products import Recognised

_USUAL = ("ndes", "step-ca", "ejbca", "scepman", "ios-ca")
"""The servers met most often: what an unknown one may be, where no mark says more."""
_LIKELY = 2
_ON_A_SERVER = frozenset({"On the server", "On the web server", "On the SCEP server", "Update the server software"})
"""Places that any server's advice begins with."""
_TELLS: dict[str, re.Pattern[str]] = {
    "ndes": re.compile(
        r"\bNDES\b|\bIIS\b|mscep|CEP Encryption|Exchange Enrollment|certsrv|\bevents? \d|W3SVC|NetworkDeviceEnrollment|\bIntune policy module\b"
        r"|application pool|iisreset",
        re.IGNORECASE,
    ),
    **{
        key: re.compile(rf"\b{re.escape(name)}\b")
        for key, name in SERVERS.items()
        if key not in ("ndes", "intune", "entra-app-proxy")
    },
}
"""Words by which a sentence speaks of a product."""


def actions(page: Page, evidence: Evidence, recognised: Recognised) -> tuple[str, ...]:
    """What to do about a finding: what its own evidence speaks for, then what fits the products, then what holds for all.

    For an unknown server the advice for all comes first, then that for the likeliest products, each saying for which. Advice for all that
    sends the reader where the products' own advice has sent him says less than that, and is left out.
    """
    keys = _keys(recognised)
    own = [each for each in page.do_for if each.products & keys]
    fitting = [each.text for each in own]
    places = {_place(each) for each in fitting}
    if recognised.server is not None:
        on_server = (each.text for each in own if recognised.server.key in each.products)
        if not all(each.startswith("On the client") for each in on_server):
            places |= _ON_A_SERVER
    neutral = [each for each in _of_others_left_out(page.do, recognised) if _place(each) not in places]
    if evidence.settled:
        neutral = []
    found = [*_of_others_left_out(evidence.actions, recognised), *fitting, *neutral]
    if recognised.server is None and not evidence.settled:
        found += _if_it_is(page, recognised.likely)
    return tuple(dict.fromkeys(found))


def causes(page: Page, evidence: Evidence, recognised: Recognised) -> tuple[str, ...]:
    """Why it happens: those of this capture's evidence first; what speaks of other products only is left out."""
    return tuple(
        dict.fromkeys((*_of_others_left_out(evidence.causes, recognised), *_of_others_left_out(page.why, recognised)))
    )


def _place(text: str) -> str:
    """Where the reader is sent: what comes before the first comma, or all of a step that names no place."""
    return re.split(r"[,.] ", text, maxsplit=1)[0]


def _keys(recognised: Recognised) -> set[str]:
    return {each.key for each in (recognised.server, recognised.front, recognised.client) if each is not None}


def _if_it_is(page: Page, likely: Iterable[str]) -> Iterator[str]:
    order = (*likely, *_USUAL)
    known = [
        key for key in dict.fromkeys(order) if key in SERVERS and any(key in each.products for each in page.do_for)
    ]
    for key in known[:_LIKELY]:
        for advice in page.do_for:
            if key in advice.products:
                yield f"If the server is {SERVERS[key]}: {advice.text}"


def _of_others_left_out(texts: tuple[str, ...], recognised: Recognised) -> list[str]:
    """The texts without those that speak of other servers only."""
    server = recognised.server
    if server is None:
        return list(texts)
    return [each for each in texts if not (spoken := _spoken_of(each)) or server.key in spoken]


def _spoken_of(text: str) -> set[str]:
    return {key for key, pattern in _TELLS.items() if pattern.search(text)}
