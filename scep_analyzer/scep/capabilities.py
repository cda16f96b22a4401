"""GetCACaps: one keyword a line (RFC 8894, Section 3.5)."""

from scep_analyzer.model.scep import CaCapabilities
from scep_analyzer.scep.encoding import Notes

# RFC 8894, Section 3.5.2; Update is draft-gutmann-scep's.
KEYWORDS = (
    "AES",
    "DES3",
    "GetNextCACert",
    "POSTPKIOperation",
    "Renewal",
    "SCEPStandard",
    "SHA-1",
    "SHA-256",
    "SHA-512",
    "Update",
)
_BY_LOWER_CASE = {word.lower(): word for word in KEYWORDS}
_LONGEST_WORD = 64
_MOST_WORDS = 64


def read_capabilities(body: bytes) -> tuple[CaCapabilities | None, Notes]:
    """Read the words as sent; None where the body is something else (an error page, binary).

    An empty body means no capabilities: old NDES and Dogtag answer so.
    """
    notes: Notes = []
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None, notes
    words = [word.strip() for word in text.replace("\r", "\n").split("\n") if word.strip()]
    if len(words) == 1 and any(each in words[0] for each in ", "):
        words = words[0].replace(",", " ").split()
        notes.append(("capabilities-one-line", "the capabilities stand on one line"))
    if "<" in text or len(words) > _MOST_WORDS or any(len(word) > _LONGEST_WORD or " " in word for word in words):
        return None, []
    for word in words:
        known = _BY_LOWER_CASE.get(word.lower())
        if known is not None and known != word:
            notes.append(("capability-spelling", f"the capability {known} is sent as {word!r}"))
    line_end = "crlf" if "\r\n" in text else "lf" if "\n" in text else ""
    return CaCapabilities(tuple(words), line_end), notes


def is_capability_list(body: bytes) -> bool:
    """Whether a body of unknown purpose is a GetCACaps answer: nothing but known words."""
    capabilities, _ = read_capabilities(body)
    words = capabilities.keywords if capabilities is not None else ()
    return bool(words) and all(word.lower() in _BY_LOWER_CASE for word in words)
