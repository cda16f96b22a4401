"""The ways clients put a pkiMessage into a URL or a body, decoded. Every tolerated form is noted, none silently."""

import binascii
import re
from urllib.parse import unquote_to_bytes

from scep_analyzer.model.patterns import lazily

Notes = list[tuple[str, str]]

_ESCAPED_AGAIN = lazily(rb"%(?:2[BbFf]|3[Dd]|0[AaDd])")
_BASE64 = lazily(rb"[A-Za-z0-9+/]*")
_FORM = lazily(rb"(?:[A-Za-z_]{1,32}=[^&\s]{0,256}&){0,8}message=([^&\s]+)")
_WHITESPACE = lazily(rb"[\r\n\t ]+")
_PEM = lazily(rb"-----BEGIN [A-Z0-9 ]+-----(.*?)(?:-----END|\Z)", re.DOTALL)


def decode_get_message(value: str) -> tuple[bytes, Notes]:
    """Decode the escapes and the base64 of a ``message=`` value (RFC 8894, Section 4.1).

    A ``+`` is never read as a space: it is a base64 digit that the client left unescaped (macOS, jscep).
    """
    notes: Notes = []
    data = unquote_to_bytes(value.encode("latin-1", "replace"))
    if data[:1] == b"\x30" and any(byte > 0x7F for byte in data[:64]):
        notes.append(("get-message-binary", "the message parameter is DER, percent-encoded, without base64"))
        return data, notes
    pem = _PEM.search(data)
    if pem is not None:
        notes.append(("get-message-pem", "the message parameter is PEM, with its armour"))
        return decode_base64(pem[1], notes), notes
    for _ in range(2):
        if not _ESCAPED_AGAIN.search(data):
            break
        data = unquote_to_bytes(data)
        notes.append(("double-encoding", "the message parameter is percent-encoded twice"))
    if "+" in value:
        notes.append(
            ("base64-unescaped", "the message parameter holds an unescaped '+', which form decoding turns into a space")
        )
    return decode_base64(data, notes), notes


def decode_base64(data: bytes, notes: Notes) -> bytes:
    """Decode base64 in either alphabet, in lines, with or without padding; what cannot be read is noted."""
    data = data.strip(b" ")
    if b" " in data and not re.search(rb"[\r\n]", data):
        data = data.replace(b" ", b"+")
        notes.append(("base64-blanks", "spaces in the base64 are read as '+'"))
    if _WHITESPACE.search(data):
        data = _WHITESPACE.sub(b"", data)
        notes.append(("base64-lines", "the base64 is broken into lines"))
    if b"-" in data or b"_" in data:
        data = data.replace(b"-", b"+").replace(b"_", b"/")
        notes.append(("base64-url-alphabet", "the base64 uses the URL-safe alphabet (- and _ for + and /)"))
    digits = _BASE64.match(data)
    good = digits[0] if digits is not None else b""
    rest = data[len(good) :]
    if rest.strip(b"="):
        what = f"{rest[:12]!r} at character {len(good)} is no base64; it is read up to there"
        notes.append(("base64-damaged", what))
    elif not rest and len(good) % 4 in (2, 3):
        notes.append(("base64-padding-missing", "the base64 lacks its padding"))
    if len(good) % 4 == 1:
        notes.append(("base64-truncated", f"the base64 ends inside a group of four ({len(good)} characters)"))
        good = good[:-1]
    return binascii.a2b_base64(good + b"=" * (-len(good) % 4))


def decode_body(body: bytes) -> tuple[bytes, Notes]:
    """Give the binary message of a POST body or a response, whatever it is wrapped in."""
    notes: Notes = []
    stripped = body.lstrip()
    if body[:1] == b"\x30" or not stripped:
        return body, notes
    pem = _PEM.search(stripped)
    if pem is not None:
        notes.append(("body-pem", "the body is PEM, where DER belongs"))
        return decode_base64(pem[1], notes), notes
    form = _FORM.match(stripped)
    if form is not None:
        notes.append(("body-form", "the body is a form with the message in it, where DER belongs"))
        decoded, more = decode_get_message(form[1].decode("latin-1"))
        return decoded, notes + more
    if stripped.startswith(b"M") and _looks_base64(stripped):
        notes.append(("body-base64", "the body is base64, where DER belongs"))
        return decode_base64(stripped.rstrip(), notes), notes
    return body, notes


def _looks_base64(data: bytes) -> bool:
    return re.fullmatch(rb"[A-Za-z0-9+/=_\-\r\n\t ]+", data) is not None
