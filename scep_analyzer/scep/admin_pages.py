"""NDES's administration page (/certsrv/mscep_admin/): what it hands out or why it does not. UTF-16 HTML, in the server's language."""

import re

from scep_analyzer.model.exchanges import Response
from scep_analyzer.model.patterns import lazily
from scep_analyzer.model.scep import AdminPage
from scep_analyzer.scep.markup import without_tags

_THUMBPRINT = lazily(r"\b((?:[0-9A-F]{8}[ :]?){4,5}|(?:[0-9A-F]{2}[ :]){15,31}[0-9A-F]{2})\b", re.IGNORECASE)
_CHALLENGE = lazily(r"\b([0-9A-F]{8,64})\b")
_MINUTES = lazily(r"within\s+(\d{1,6})\s+minutes", re.IGNORECASE)
_MOST = 65_536


def text_of(body: bytes) -> str:
    """The page's text, in UTF-16 or UTF-8."""
    start = body[:_MOST]
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return start.decode("utf-16", "replace")
    if start[1:40:2].count(0) > 15:
        return start.decode("utf-16-le", "replace")
    return start.decode("utf-8", "replace")


def read_admin_page(response: Response) -> AdminPage | None:
    """What the page says; None where the response is no page of it (a login, an error)."""
    body = response.body.content
    if response.status != 200 or not body:
        return None
    text = " ".join(without_tags(text_of(body)).split())
    lower = text.lower()
    if "cache is full" in lower:
        return AdminPage("cache-full")
    if "sufficient permission" in lower:
        return AdminPage("no-permission")
    # Pages are localised: a thumbprint in groups of eight, then a run of hexadecimal digits, is the same in every language.
    thumbprint = _THUMBPRINT.search(text)
    digits = re.sub(r"[^0-9a-fA-F]", "", thumbprint[1]).lower() if thumbprint is not None else None
    rest = text[thumbprint.end() :] if thumbprint is not None else text
    challenge = _CHALLENGE.search(rest)
    minutes = _MINUTES.search(text)
    reusable = "multiple times" in lower if challenge is not None else None
    if challenge is None and digits is None:
        return AdminPage("other")
    return AdminPage(
        says="challenge" if challenge is not None else "other",
        challenge=challenge[1] if challenge is not None else None,
        thumbprint=digits,
        minutes=int(minutes[1]) if minutes is not None else None,
        reusable=reusable,
    )
