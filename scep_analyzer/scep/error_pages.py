"""The words of a response that is not SCEP: error pages and Go's plain error texts, which often name the cause."""

from scep_analyzer.model.exchanges import Response, header
from scep_analyzer.model.patterns import lazily
from scep_analyzer.model.told_secrets import WITHHELD, withheld_in_doubt
from scep_analyzer.scep.markup import told_once

_LONGEST = 400
_NO_TEXT = lazily("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffd]")


def text_of_page(response: Response, path: str) -> str | None:
    """The first words of a text body, None where it is empty, binary or not kept. NDES writes UTF-16."""
    body = response.body.content
    if not body:
        return None
    kind = (header(response.headers, "content-type") or "").lower()
    raw = body[:16384]
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff") or raw[1:40:2].count(0) > 15:
        text = raw.decode("utf-16" if raw[0] > 0xF0 else "utf-16-le", "replace")
    elif b"\x00" in raw:
        return None
    else:
        text = raw.decode("utf-8", "replace")
    if len(_NO_TEXT.findall(text)) * 10 > len(text):
        return None
    lowered = text.lower()
    if "mscep_admin" in path.lower():
        return WITHHELD
    if "html" in kind or "<html" in lowered or "<!doctype" in lowered:
        text = told_once(text)
    text = withheld_in_doubt(" ".join(text.split()))
    return (text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…") or None
