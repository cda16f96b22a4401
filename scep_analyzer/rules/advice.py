"""What to do, chosen by the products that were recognised: an administrator of EJBCA is not told to restart IIS."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from scep_analyzer.model.findings import Evidence
from scep_analyzer.model.patterns import lazily
from scep_analyzer.model.products import FRONTS, SERVERS
from scep_analyzer.rules._rule import Advice, Page
from scep_analyzer.rules.products import Recognised

_USUAL = ("ndes", "step-ca", "ejbca", "scepman", "ios-ca")
"""The servers met most often: what an unknown one may be, where no mark says more."""
_LIKELY = 2
_SERVERS_AND_FRONTS = frozenset({*SERVERS, *FRONTS})
_NDES = lazily(
    r"\bNDES\b|\bIIS\b|mscep|CEP Encryption|Exchange Enrollment|certsrv|\bevents? \d|W3SVC|NetworkDeviceEnrollment|\bIntune policy module\b"
    r"|application pool|iisreset",
    re.IGNORECASE,
)
_TELLS = {key: name for key, name in SERVERS.items() if key not in ("ndes", "intune", "entra-app-proxy")}
"""Words by which a sentence speaks of a product."""
_TELLS_CLIENT = {
    "ios-client": ("Cisco", "IOS"),
    "cisco-asa": ("Cisco", "ASA"),
    "cisco-wlc": ("Cisco", "WLC"),
    "ftd": ("Cisco", "FMC"),
    "apple": ("Apple", "iPhone"),
    "sscep": ("sscep",),
    "jscep": ("jscep",),
    "certmonger": ("certmonger",),
    "strongswan": ("strongSwan",),
}
"""The same for clients."""


def actions(page: Page, evidence: Evidence, recognised: Recognised) -> tuple[str, ...]:
    """What to do about a finding: what its own evidence speaks for, then what fits the products, then what holds for all.

    For an unknown server the advice for all comes first, then that for the likeliest products, each saying for which. Advice for all that
    says less than the products' own (a page's ``Else``) is left out beside that.
    """
    return _actions(page, evidence.actions, evidence.settled, recognised)


@lru_cache(maxsize=512)  # a page says the same for every finding between the same products
def _actions(page: Page, of_evidence: tuple[str, ...], settled: bool, recognised: Recognised) -> tuple[str, ...]:  # noqa: FBT001  # part of the key
    keys = _keys(recognised)
    fits = [each for each in page.do_for if each.products & keys]
    fitting = [each.text for each in fits]
    neutral = _of_others_left_out(page.do if _say_it_all(page, fits) else page.neutral, recognised)
    if settled:
        neutral = []
    found = [*_of_others_left_out(of_evidence, recognised), *fitting, *neutral]
    if recognised.server is None and not settled:
        found += _if_it_is(page, recognised.likely)
    return tuple(dict.fromkeys(found))


def _say_it_all(page: Page, fits: list[Advice]) -> bool:
    """Whether the advice that fits stands in place of the general one. Advice for a client does not replace what is to do on a server."""
    of_servers = [each for each in page.do_for if each.products & _SERVERS_AND_FRONTS]
    return any(each in of_servers for each in fits) if of_servers else bool(fits)


def causes(page: Page, evidence: Evidence, recognised: Recognised) -> tuple[str, ...]:
    """Why it happens: those of this capture's evidence first; what speaks of other products only is left out."""
    return _causes(page, evidence.causes, recognised)


@lru_cache(maxsize=512)
def _causes(page: Page, of_evidence: tuple[str, ...], recognised: Recognised) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys((*_of_others_left_out(of_evidence, recognised), *_of_others_left_out(page.why, recognised)))
    )


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
    """The texts without those that speak of other servers only, or of other clients only; what is said of clients stays where nothing else is."""
    server, client = recognised.server, recognised.client
    kept = [each for each in texts if server is None or _fits(server.key, _servers_in(each))]
    if client is not None:
        kept = [each for each in kept if _fits(client.key, _clients_in(each))] or kept
    return kept


def _fits(key: str, spoken_of: frozenset[str]) -> bool:
    """Whether a text speaks of no product, or of this one among others."""
    return not spoken_of or key in spoken_of


@lru_cache(maxsize=4096)  # pages say the same for every finding
def _servers_in(text: str) -> frozenset[str]:
    named = [key for key, name in _TELLS.items() if _says(text, name)]
    return frozenset(("ndes", *named) if _NDES.search(text) else named)


@lru_cache(maxsize=4096)
def _clients_in(text: str) -> frozenset[str]:
    return frozenset(key for key, names in _TELLS_CLIENT.items() if any(_says(text, name) for name in names))


def _says(text: str, name: str) -> bool:
    """Whether the name is in the text as a word; most texts have most names nowhere."""
    return name in text and re.search(rf"\b{re.escape(name)}\b", text) is not None
