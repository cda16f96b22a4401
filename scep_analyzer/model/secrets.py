"""What in text from the wire is a secret, by rule: who else reads a report must not learn it. In doubt it is one.

A parameter is secret by its name, in any spelling and however it is percent-encoded; a segment of a path by the one before it; a header
field by its name or by what it holds; a user and password before a host wherever a URL stands; a long run of hexadecimal digits because
NDES's challenge passwords are such.
"""

import base64
import re
from collections.abc import Iterator
from functools import cache, lru_cache
from urllib.parse import unquote, unquote_to_bytes

from scep_analyzer.model.patterns import lazily
from scep_analyzer.model.remembered import remembered

HIDDEN = "(redacted)"

SECRET_OIDS = {
    "1.2.840.113549.1.9.7": bytes.fromhex("2a864886f70d010907"),
    "1.3.6.1.4.1.311.21.35": bytes.fromhex("2b0601040182371523"),
    "1.3.6.1.4.1.311.21.40": bytes.fromhex("2b0601040182371528"),
    "1.2.840.113546.1.9.7": bytes.fromhex("2a864886f70a010907"),
    "1.2.840.15233.9.7": bytes.fromhex("2a864886f7010907"),
}
"""challengePassword (RFC 2985, Section 5.4.1); Microsoft's ENROLL_SCEP_CHALLENGE_ANSWER and ENROLL_SCEP_SERVER_SECRET.

The last two are challengePassword in bytes that a program took for text: its 0x0D became a line feed, or was left out.
"""

_BY_ARC = {
    arc: tuple(oid for oid in SECRET_OIDS.values() if oid.startswith(arc))
    for arc in dict.fromkeys(oid[:-1] for oid in SECRET_OIDS.values())
}
"""The OIDs by what they begin with: Microsoft's two differ in their last byte."""

OIDS = lazily(b"|".join(map(re.escape, SECRET_OIDS.values())))

_CERTAIN = (
    "challenge",
    "passw",
    "passphrase",
    "passcode",
    "kennwort",
    "contrasen",
    "secret",
    "token",
    "credential",
    "apikey",
    "accesskey",
    "authkey",
    "authoriz",
    "authentic",
    "signature",
    "session",
    "bearer",
    "cookie",
    "onetime",
    "privatekey",
    "sharedkey",
)
"""A parameter whose name holds one of these holds a secret."""
_WORDS = frozenset(
    {
        "pass",
        "pw",
        "pwd",
        "pin",
        "otp",
        "totp",
        "code",
        "key",
        "psk",
        "sid",
        "sig",
        "sas",
        "jwt",
        "auth",
        "ticket",
        "csrf",
        "xsrf",
        "cred",
        "creds",
        "pwdhash",
        "hmac",
    }
)
"""The same for one of these as a word of the name."""

SECRET_WORDS = (
    *("challenge", "password", "passphrase", "passcode", "passwort", "kennwort", "wachtwoord", "adgangskode"),
    *("mot de passe", "contraseña", "contrasena", "clave", "senha", "palavra-passe", "lösenord", "passord"),
    *("salasana", "heslo", "hasło", "jelszó", "parola", "şifre", "lozinka", "geslo", "parool", "пароль", "κωδικ"),
    *("סיסמה", "كلمة المرور", "密码", "密碼", "口令", "パスワード", "암호", "비밀번호", "secret", "token"),
)
"""Words for a password in the languages that Windows servers speak."""

_NAME_PARTS = lazily(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SEPARATORS = lazily(r"[?&;#]")
_SLASH = r"(?:\\?/|%(?:25)*2[fF])"
"""What parts the segments of a path, as JSON writes it and percent-encoded, too."""
_REST = rf"(?:[^\s\"'<>?&;#/%\\]+|(?!{_SLASH})[%\\])*"
_SEGMENT = lazily(rf"(?::|%(?:25)*3[aA]){_SLASH}{_SLASH}{_REST}|{_SLASH}(?P<segment>{_REST})")
"""A segment of a path; a scheme and a host give none."""
_GLUED = lazily(r"([A-Za-z][A-Za-z0-9%]{2,63})[-_.:~,+!](?=\D*\d)(.{3,})", re.DOTALL)
"""A word and a value in one segment: ``otp-4711``."""
_ORDINARY_SEGMENT = lazily(
    r"m?scep(?:\.dll|_admin)?|certsrv|pkiclient|cgi-bin|ejbca|publicweb|apply|api|realms|protocol|v\d{1,2}|[a-z]*enroll?(?:ment)?"
    r"|[a-z]*re(?:new(?:al)?|quests?|set)|validate|verify|change|generate|new|login|get\w{0,20}|profiles?|ca|ra|est|cert(?:ificate)?s?"
    r"|\w{1,30}\.(?:exe|dll|aspx?|jsp|php|cgi|html?|do)",
    re.IGNORECASE,
)
"""What stands in the paths of services: behind such a segment no secret is looked for until the next word for one."""
_MESSAGE = lazily(r"[?&]message=((?:[A-Za-z0-9+/]++|%2[BbFf])++(?:=|%3[Dd]){0,2}+)(?=[&#]|\Z)")
"""A message of a PKIOperation by GET (RFC 8894, Section 4.1), percent-encoded once at most."""
_PASSED_ON = lazily(r"pass-?through", re.IGNORECASE)
"""No password: the gateway of Microsoft Cloud PKI has it in its path."""
_ENDS = lazily(r"[\s\"'<>]")
_SCHEME = lazily(r"(?:[A-Za-z][A-Za-z0-9+.-]{0,30}:|(?<![^\s\"'<=(,]))(?://|\\/\\/|%2[fF]%2[fF])")
"""What a host follows; without a scheme ("network-path reference", RFC 3986, 4.2) only where a word begins."""
_NOT_BASE64 = lazily(r"[^A-Za-z0-9+/=_\s-]")
_LONGEST_NAME = 64
_MOST_ESCAPES = 3
_PORT = lazily(r"[^:]*(?::\d*)?\Z|\[[^\]]*\](?::\d*)?\Z")
_DIGITS = lazily(r"(?<![0-9A-Za-z-])(?!0x)[0-9A-Fa-f]{16,}(?![0-9A-Za-z-])")
_BLOB = lazily(r"[A-Za-z0-9+/_.~-]{16,}=*")
_OURS = lazily(r"(?:[A-Za-z0-9-]+ )?\(redacted, [\d,]+ characters\)")

_WHOLE_FIELDS = frozenset({"authorization", "proxy-authorization", "authentication-info", "proxy-authentication-info"})
_CHALLENGE_FIELDS = frozenset({"www-authenticate", "proxy-authenticate"})
_HOST_FIELDS = frozenset({"host", ":authority", "x-forwarded-host", "forwarded"})


@cache
def _in_base64() -> dict[bytes, re.Pattern[bytes]]:
    """The characters of base64 that hold an OID for sure, at each of its three alignments, and the whole of it."""
    forms = {}
    for oid in SECRET_OIDS.values():
        element = bytes([6, len(oid)]) + oid
        for before in range(3):
            first, last = -(-before * 8 // 6), (before + len(element)) * 8 // 6
            # The character behind those that are sure holds the last bits and up to four that follow.
            ways = [base64.b64encode(bytes(before) + element + bytes([each, 0])) for each in range(0, 256, 4)]
            partial = b"" if (before + len(element)) * 8 % 6 == 0 else re.escape(bytes({each[last] for each in ways}))
            sure = ways[0][first:last]
            forms[sure] = lazily(re.escape(sure) + (b"[" + partial + b"]" if partial else b""))
    return forms


@cache
def _begun_in_base64() -> dict[bytes, tuple[tuple[bytes, re.Pattern[bytes]], ...]]:
    """Those forms by their first characters: few, and long enough that most text is looked through fast."""
    forms = _in_base64().items()
    return {
        begun: tuple(each for each in forms if each[0].startswith(begun)) for begun in {sure[:13] for sure, _ in forms}
    }


_IN_HEX = [oid.hex().encode() for oid in SECRET_OIDS.values()]
_DIGITS_OF_HEX = frozenset(max(re.findall(rb"\d+", each), key=len)[:14] for each in _IN_HEX)
"""Digits that they all hold, in whichever case the letters are."""
_STANDARD = bytes.maketrans(b"-_", b"+/")
_LINE_ENDS = lazily(rb"\\[rnt]")
"""As JSON and C write them."""


def holds_oid(data: bytes) -> bool:
    """Whether one of the OIDs occurs as it is."""
    return any(arc in data and any(oid in data for oid in oids) for arc, oids in _BY_ARC.items())


def text_holds_secret(data: bytes) -> bool:
    """Whether text holds a message with one of the OIDs: in base64 or hexadecimal digits, in lines, percent-encoded, URL-safe."""
    if len(data) < 9:
        return False
    for _ in range(_MOST_ESCAPES):
        plain = _LINE_ENDS.sub(b"", data) if b"\\" in data else data
        plain = plain.translate(_STANDARD, b" \t\r\n\v\f:=")  # "=" ends a line of quoted-printable
        for begun, forms in _begun_in_base64().items():
            if begun in plain and any(sure in plain and form.search(plain) is not None for sure, form in forms):
                return True
        if any(each in plain for each in _DIGITS_OF_HEX):
            lowered = plain.lower()
            if any(each in lowered for each in _IN_HEX):
                return True
        before = data
        data = unquote_to_bytes(data) if b"%" in data else data
        if data == before:
            break
        if holds_oid(data) and not holds_oid(before):
            return True
    return False


def is_secret_name(name: str) -> bool:
    """Whether a parameter or field of this name holds a secret."""
    return len(name) <= 3 * _LONGEST_NAME and _is_secret_name(name)


@lru_cache(maxsize=512)
def _is_secret_name(name: str) -> bool:
    for _ in range(_MOST_ESCAPES):
        if "%" not in name:
            break
        name = unquote(name, "latin-1")
    name = name.strip()
    if not name or len(name) > _LONGEST_NAME:
        return False
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    if plain in ("operation", "message", "keyid"):
        return False
    return any(each in plain for each in _CERTAIN) or any(each.lower() in _WORDS for each in _NAME_PARTS.findall(name))


@remembered(16, 65536)  # a target is asked about by many rules and by each output, one after the other
def secrets_in(target: str) -> tuple[str, ...]:
    """The names of a request target's parameters that are secrets, and ``userinfo`` for a user and password before the host."""
    names = tuple([name for _, _, name, _ in _found(target)])
    return (*names, "userinfo") if _without_userinfo(target) != target else names


@remembered(16, 65536)
def without_secrets(target: str) -> str:
    """A request target, a URL or a text with URLs, the values of secret parameters and users and passwords left out."""
    pieces: list[str] = []
    at = 0
    for start, end, _, _ in _found(target):
        pieces += (target[at:start], HIDDEN)
        at = end
    text = "".join([*pieces, target[at:]])
    shown: list[str] = []
    at = 0
    for message in _MESSAGE.finditer(text):
        if _is_whole_message(message[1]):
            shown += (_without_segments(_without_userinfo(text[at : message.start(1)])), message[1])
            at = message.end()
    return "".join([*shown, _without_segments(_without_userinfo(text[at:]))])


def _is_whole_message(value: str) -> bool:
    """Whether a value is base64 of a DER SEQUENCE and of nothing else: words for a secret in it are there by chance.

    One message in 25 has such a word between two of its slashes. Whether a challenge password is in it unencrypted is another question
    (:func:`text_holds_secret`), asked before.
    """
    if len(value) < 24 or not value.startswith("MI"):
        return False
    digits = len(value) - 2 * value.count("%") - value.count("=") - value.upper().count("%3D")
    head = base64.b64decode(unquote(value[:24])[:8])
    count = head[1] - 0x80 if len(head) == 6 else 0  # 0x82: two bytes of length follow (X.690, Section 8.1.3.5)
    if not 1 <= count <= 3:
        return False
    length = 2 + count + int.from_bytes(head[2 : 2 + count])
    return digits * 3 // 4 == length


def _without_segments(text: str) -> str:
    """Leave out the segments of a path behind one that is a word for a secret, up to one that services have in their paths."""
    pieces: list[str] = []
    kept = last = 0
    hiding = False
    for match in _SEGMENT.finditer(text):
        segment = match["segment"]
        hiding = hiding and match.start() == last and segment is not None
        last = match.end()
        if not segment:
            continue
        glued = _GLUED.fullmatch(segment)
        start = match.start("segment")
        if hiding and _ORDINARY_SEGMENT.fullmatch(segment) is None:
            hidden = start
        else:
            hiding = is_secret_name(_PASSED_ON.sub("", segment))
            if glued is None or not is_secret_name(glued[1]):
                continue
            hidden = start + glued.start(2)
        if text[hidden:last] != HIDDEN:
            pieces += (text[kept:hidden], HIDDEN)
            kept = last
    return "".join([*pieces, text[kept:]])


@remembered(8, 65536)
def _found(target: str) -> tuple[tuple[int, int, str, str], ...]:
    return tuple(_secret_parameters(target))


def _secret_parameters(target: str) -> Iterator[tuple[int, int, str, str]]:
    """(start, end, name, value) of each parameter's value that is a secret.

    ``;`` parts parameters in paths, so a value goes on behind it only where nothing with a name follows.
    """
    if "=" not in target and "%3" not in target:
        return
    bounds = [match.start() for match in _SEPARATORS.finditer(target)]
    pieces: list[tuple[int, int]] = []
    for at, following in zip([-1, *bounds], [*bounds, len(target)], strict=True):
        if pieces and target[at] in ";#" and "=" not in target[at + 1 : following]:
            pieces[-1] = pieces[-1][0], following
        else:
            pieces.append((at, following))
    for at, following in pieces:
        name, equals, value = target[at + 1 : following].partition("=")
        if not equals:
            continue
        # Names begin after what cannot be one: a sentence, or the path before a ";".
        name = _ENDS.split(name)[-1].rpartition("/")[2]
        start = following - len(value)
        stop = _ENDS.search(value)
        value = value if stop is None else value[: stop.start()]
        if value and value != HIDDEN and (is_secret_name(name) or _hides_another(name, value)):
            yield start, start + len(value), name, value


def _hides_another(name: str, value: str) -> bool:
    """Whether a value is a URL or a query itself, percent-encoded, that holds a secret, or a message that is not encrypted."""
    if len(value) > 64 and text_holds_secret(value.encode("latin-1", "replace")):
        return True
    if "%" not in value and name.lower() != "message":
        return False
    plain = value
    for _ in range(_MOST_ESCAPES):
        plain = unquote(plain, "latin-1")
        if "%" not in plain:
            break
    if name.lower() == "message":  # base64, or the name of a CA
        return _NOT_BASE64.search(plain) is not None and speaks_of_secret(plain)
    parts = (part.partition("=") for part in re.split(r"[?&;#]", plain))
    return any(held and is_secret_name(name) for name, _, held in parts) or _without_userinfo(plain) != plain


def _without_userinfo(text: str) -> str:
    """Leave out what stands between ``//`` and ``@``; a password may hold ``@`` and ``/`` itself."""
    if "@" not in text and "%40" not in text:
        return text
    pieces: list[str] = []
    at = 0
    for match in _SCHEME.finditer(text):
        if match.start() < at:
            continue
        stop = _ENDS.search(text, match.end())
        whole = text[match.end() : len(text) if stop is None else stop.start()].partition("?")[0]
        before, sign, _ = whole.replace("%40", "@").rpartition("@")
        first = re.split(r"[/#]", whole, maxsplit=1)[0]
        if not sign or ("@" not in first and "%40" not in first and _PORT.match(first)):
            continue  # an "@" in a path, behind an ordinary host
        if "@" in first or "%40" in first:
            cut = max(first.rfind("@") + 1, first.rfind("%40") + 3 if "%40" in first else 0)
        else:
            cut = whole.rfind("@") + 1
        if before == HIDDEN:
            continue
        pieces += (text[at : match.end()], HIDDEN, "@")
        at = match.end() + cut
    if (
        not pieces
        and "://" not in text
        and not text.startswith("/")
        and "@" in text
        and " " not in text
        and "=" not in text
    ):
        before, _, host = text.rpartition(
            "@"
        )  # the authority form of CONNECT, and Host; a name alone is an e-mail address
        return f"{HIDDEN}@{host}" if ":" in before else text
    return "".join([*pieces, text[at:]])


def field_without_secrets(name: str, value: str) -> str:
    """The value of a header field as it may be shown; of credentials the scheme and the length stay."""
    lower = name.lower()
    if lower in _CHALLENGE_FIELDS:
        scheme, _, rest = value.partition(" ")
        if _BLOB.fullmatch(rest.strip()):
            return f"{scheme} (redacted, {len(rest):,} characters)"
        return value
    if lower in _WHOLE_FIELDS or is_secret_name(name):
        if len(value) < _LONGEST_NAME and _OURS.fullmatch(value):
            return value
        scheme, space, rest = value.partition(" ")
        known = space and scheme.isalpha() and lower.endswith("authorization")
        return f"{scheme} (redacted, {len(rest):,} characters)" if known else f"(redacted, {len(value):,} characters)"
    if lower in _HOST_FIELDS and "@" in value:
        return f"{HIDDEN}@{value.rpartition('@')[2]}"
    return without_secrets(value)


def text_is_secret(content: bytes) -> bool:
    """Whether a text, in UTF-8 or UTF-16, may hold a secret: by its words, its URLs or its digits."""
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    if encoding == "utf-8" and content[1:40:2].count(0) > 15:
        encoding = "utf-16-le"
    text = content.decode(encoding, "replace")
    return speaks_of_secret(text) or digits_hidden(without_secrets(text)) != text


def digits_hidden(text: str) -> str:
    """A text with long runs of hexadecimal digits left out: what NDES hands out as challenge passwords are such."""
    return _DIGITS.sub(HIDDEN, text)


def speaks_of_secret(text: str) -> bool:
    """Whether a text has a word for a password, in any language: then a password may be beside it."""
    lowered = text.lower()
    return any(each in lowered for each in SECRET_WORDS)
