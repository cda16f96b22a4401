"""Whether the words of a server hold a challenge password, or only talk of one.

A server's error text is the best evidence there is ("challenge password has expired"), so that it is withheld only where a value may be in
it. In doubt it is one: a token with digits near a word for a password, a quotation or the rest of a line behind it.
"""

import re

from scep_analyzer.model.patterns import lazily
from scep_analyzer.model.secrets import SECRET_WORDS, digits_hidden, is_secret_name, without_secrets

WITHHELD = "(not shown: the text may hold a challenge password)"

_BEFORE, _BEHIND = 40, 80
"""How many characters around the word a value is looked for in."""
_HANDED_OUT = lazily(r"(?<![-\w])(?!0x)(?=\w*\d)[0-9A-Fa-f]{8,}(?![-\w])")
"""As NDES hands them out; the pieces of a GUID are none."""
_TOKEN = lazily(r"[^\s\"'<>(),;\[\]{}\u2018-\u201f\u00ab\u00bb`|]+")
_ORDINARY = lazily(
    r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"  # a GUID
    r"|0x[0-9A-Fa-f]{1,8}"  # an HRESULT
    r"|(?:[a-z]+:)?//\S*|/\S*|(?:[\w-]+\.)+[A-Za-z]{2,}(?:[:/]\S*)?"  # URLs, paths, hosts
    r"|[vV]?\d+(?:[.:/,-]\d+)+(?:T[\d:.]+)?(?:Z|[+-][\d:]+)?"  # versions, dates, times, addresses
    r"|(?:SHA|MD|AES|RSA|HTTP|RFC|TLS|X|UTF|PKCS)[-/#]?[\d./-]+(?:-\w+)?",
    re.IGNORECASE,
)
_NAMED_BEFORE = frozenset({
    "for", "from", "by", "of", "on", "in", "at", "after", "within", "id", "host", "server", "client", "device", "user",
    "request", "profile", "provisioner", "alias", "template", "line", "transaction", "transactionid", "error", "code", "status",
    "serial",
})  # fmt: skip
"""A token with digits behind one of these is the name of something else."""
_LEAST = 6
_SAID = lazily(
    r"[\"'\u2018-\u201f\u00bb]?\s{0,3}"
    r"(?:(?P<mark>(?:\w{1,3}\s?)?(?:[:=\uff1a]+|->))|is\b|was\b)?\s{0,3}"
    r"(?P<quote>[\"'`\u2018-\u201f\u00ab\u00bb\u300c])?(?P<value>[^\s\"'\u2018-\u201f\u00bb\u300d]{3,})(?P<rest>[^\n]?)"
)
"""Behind the word: a mark or verb, a quotation mark, a value."""
_STATES = frozenset({
    "invalid", "incorrect", "wrong", "bad", "expired", "missing", "required", "empty", "unknown", "rejected", "refused",
    "denied", "failed", "mismatch", "none", "null", "nil", "false", "true", "used", "consumed", "unauthorized", "forbidden",
    "error", "disabled", "absent", "unavailable",
})  # fmt: skip


_FIELD = lazily(
    r"(?:<([\w:.-]{2,64})(?:\s[^<>]{0,200})?>|[\"']([\w.-]{2,64})[\"']\s{0,3}:\s{0,3}[\"']?)\s{0,3}([^<\"'\s,}]{3,})"
)
"""A field of XML or JSON and the beginning of its value."""


def _has_value(told: str) -> bool:
    return len(told) >= _LEAST and any(map(str.isdigit, told)) and not _ORDINARY.fullmatch(told)


def withheld_in_doubt(text: str) -> str:
    """A server's words as they may be shown: all of them, without what is a secret by its form, or :data:`WITHHELD`."""
    return WITHHELD if may_hold_secret(text) else digits_hidden(without_secrets(text))


def may_hold_secret(text: str) -> bool:
    """Whether a text of the wire may hold a challenge password or another secret, not only words about one."""
    lowered = text.lower()
    if len(lowered) != len(text):  # a few letters are longer in lower case
        text = lowered
    if any(is_secret_name(match[1] or match[2]) and _has_value(match[3]) for match in _FIELD.finditer(text)):
        return True
    present = [each for each in SECRET_WORDS if each in lowered]
    if not present:
        return False
    words = re.finditer("|".join(map(re.escape, present)), lowered)
    if _HANDED_OUT.search(text):
        return True
    return any(
        _is_said(text, match.end()) or _is_near(text[max(0, match.start() - _BEFORE) : match.end() + _BEHIND])
        for match in words
    )


def _is_said(text: str, at: int) -> bool:
    """Whether a value is told right behind the word."""
    match = _SAID.match(text, at)
    if match is None:
        return False
    value = match["value"].strip(".,:;!?)")
    if match["quote"]:
        return True
    if not match["mark"] or _ORDINARY.fullmatch(value):
        return False
    if any(map(str.isdigit, value)) or re.search(r"[a-z][A-Z]|\w[^\w\s.:/-]\w", value):
        return True
    # One word that ends the text: a state, or the value itself.
    return not text[match.end("value") :].strip() and len(value) > 3 and value.lower() not in _STATES


def _is_near(text: str) -> bool:
    """Whether there is a token that looks like a value."""
    before = ""
    for match in _TOKEN.finditer(text):
        token = match[0].strip(".:!?=*")
        if (
            len(token) >= _LEAST
            and any(map(str.isdigit, token))
            and before not in _NAMED_BEFORE
            and not _ORDINARY.fullmatch(token)
        ):
            return True
        before = token.lower()
    return False
