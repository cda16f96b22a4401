"""Which of several ways to read the same text makes sense: the one whose bytes begin as a message does."""

import re

from scep_analyzer.cms.ber import claimed_length

STARTS = b"\x30", b"GET ", b"POST ", b"HTTP/"
"""How a message begins, or the HTTP message that it is in."""
_DER = re.compile(rb"\x30(?:[\x06-\x80]|\x81.|\x82..|\x83...)[\x02\x06\x0c\x13\x30\x31\xa0]", re.DOTALL)
_TELLING = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01", b"HTTP/1.", b"-----BEGIN "
AMBIGUOUS = (
    "a dump that can be read in two ways ({} and {}), each of which begins as a message; write it by xxd or base64"
)


def rank(content: bytes) -> int:
    """How much bytes look like a message: 4 and 3 begin as one, 2 have one in them, 1 begin with its first byte, 0."""
    if _DER.match(content):
        return 4 if claimed_length(content) == len(content) else 3
    if content.startswith(STARTS[1:]):
        return 3
    if any(each in content[:4096] for each in _TELLING):
        return 2
    return int(content[:1] == b"\x30")


def chosen(contents: dict[str, bytes]) -> tuple[str, str]:
    """The name of the way that makes most sense (the first of equals), and why it is not clear where two begin as a message."""
    ranks = {name: rank(content) for name, content in contents.items()}
    best = max(ranks.values())
    names = [name for name in contents if ranks[name] == best]
    other = next((name for name in names if contents[name] != contents[names[0]]), None)
    unclear = AMBIGUOUS.format(_plain(names[0]), _plain(other)) if best >= 3 and other is not None else ""
    return names[0], unclear


def _plain(name: str) -> str:
    return name.partition(" at base ")[0]
