"""Text from the wire is hostile: nothing of it may steer a terminal or hide what is printed."""

import json
import re

# C0 and C1 controls, DEL, line and paragraph separators, bidirectional overrides and isolates, zero-width characters,
# tags and lone surrogates. Newline is among them: a value is one line.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff]"
)


def safe(text: str) -> str:
    r"""Write what a terminal would obey or swallow as an escape: ``\x1b``, ``\u202e``."""
    return _UNSAFE.sub(lambda match: _escaped(ord(match[0])), text)


def json_text(value: object, *, indent: int | None = None) -> str:
    """Write JSON in which nothing can steer a terminal either: what :func:`safe` would write out is a ``\\u`` escape."""
    separators = (",", ":") if indent is None else None
    text = json.dumps(value, ensure_ascii=False, indent=indent, separators=separators)
    if text.isascii() and text.isprintable():  # the usual case, and a hundred times as fast
        return text
    # Newlines outside strings are JSON's own; inside them json has escaped every C0 control already.
    return _UNSAFE.sub(lambda match: match[0] if match[0] == "\n" else json.dumps(match[0])[1:-1], text)


def _escaped(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


_MARKUP = re.compile(r"([\\`*_{}\[\]<>|#!~&])")


def markdown(text: str) -> str:
    """The text for Markdown: nothing in it is markup."""
    return _MARKUP.sub(r"\\\1", safe(text))


def cell(text: str) -> str:
    """The text for a cell of a spreadsheet, which takes one that begins like a formula for a formula."""
    return re.sub(r"^([=+\-@])", r"'\1", safe(text))
