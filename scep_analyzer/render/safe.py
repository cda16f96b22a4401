"""Text from the wire is hostile: each medium that it leaves to has one function here that makes it harmless there.

A terminal (:func:`safe`), JSON (:func:`json_text`), a cell of CSV (:func:`csv_cell`), Markdown (:func:`markdown`), a Mermaid diagram
(:func:`mermaid`), the name of a file (:class:`FileNames`). The page has its template engine's escape behind :func:`safe`.
"""

import json
import re
from collections.abc import Iterable

from scep_analyzer.model.patterns import lazily

# C0 and C1 controls, DEL, line and paragraph separators, bidirectional overrides and isolates, and what shows nothing: zero-width
# characters, fillers, variation selectors, tags, format characters of scripts, musical and shorthand format controls, lone surrogates,
# noncharacters. (Unicode's Default_Ignorable_Code_Point and Cc, Cs; and U+2800, a blank that is none.) Newline is among them: a value is
# one line.
_UNSAFE_CHARACTERS = (
    "\x00-\x1f\x7f-\x9f\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u2800\u3164\ud800-\udfff\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U000110bd\U000110cd\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_UNSAFE = lazily(f"[{_UNSAFE_CHARACTERS}]")
_FIRST_MARK = "\u0300"
"""Combining marks begin here."""
_MOST_MARKS = 3
"""Marks on one letter. More than any language has pile up over the lines above."""


def safe(text: str) -> str:
    r"""Write what a terminal would obey or swallow as an escape: ``\x1b``, ``\u202e``."""
    if text.isascii() and text.isprintable():
        return text
    plain = _UNSAFE.sub(lambda match: _escaped(ord(match[0])), text)
    return plain if max(plain) < _FIRST_MARK else _without_piles(plain)


def _without_piles(text: str) -> str:
    """The text with what piles up on a letter (categories Mn and Me of Unicode) written out behind the first marks."""
    from unicodedata import category

    shown, marks = [], 0
    for each in text:
        marks = marks + 1 if each >= _FIRST_MARK and category(each) in ("Mn", "Me") else 0
        shown.append(each if marks <= _MOST_MARKS else _escaped(ord(each)))
    return "".join(shown)


def json_text(value: object, *, indent: int | None = None) -> str:
    """Write JSON in which nothing can steer a terminal either: what :func:`safe` would write out is a ``\\u`` escape."""
    separators = (",", ":") if indent is None else None
    text = json.dumps(value, ensure_ascii=False, indent=indent, separators=separators)
    return json_escaped(text)


def json_escaped(text: str) -> str:
    """The same for JSON that is written already."""
    if text.isascii() and text.replace("\n", "").isprintable():  # the usual case, and a hundred times as fast
        return text
    # Newlines outside strings are JSON's own; inside them json has escaped every C0 control already.
    return _UNSAFE.sub(lambda match: match[0] if match[0] == "\n" else json.dumps(match[0])[1:-1], text)


_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
"""The wide ones are Japanese spreadsheets'."""


def csv_cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula (OWASP, CSV Injection), and no terminal obeys. Quotes are the csv module's."""
    shown = safe(text)
    return f"'{shown}" if shown.lstrip().startswith(_FORMULA) or text.startswith(_FORMULA) else shown


# What begins markup inside a line or at its start (CommonMark 0.31, GitHub's and GitLab's extensions). Without brackets, parentheses are
# none; a backslash keeps the source readable.
_MARKUP = lazily(
    r"[\\`*_{}\[\]<>|^]"  # emphasis, code, links, HTML, tables
    r"|^[ ]*[#=]+|^[ ]*[-+](?=[ ])|(?<=\d)[.)](?=\s)|-(?=-)"  # headings, lists, rules, front matter
)
# What is looked for in the text that comes out, where a character reference is no help: mentions, issues, labels, epics, formulas,
# addresses, URLs, emoji. A zero-width space behind it ends that.
_LINKED = lazily(
    r"[@#!%&](?=\S)|[~$]|:(?=//)|:(?=[a-z_+-][\w+-]*:|100:|1234:)|(?<=\bwww)(?=\.)|(?<=\bgh)(?=-\d)", re.IGNORECASE
)


def markdown(text: str) -> str:
    """A text that Markdown shows as it is: no emphasis, link, mention, emoji, formula or HTML, in GitHub's and GitLab's dialect."""
    pieces: list[str] = []
    at, shown = 0, safe(text)
    for match in _LINKED.finditer(shown):
        pieces.append(_MARKUP.sub(_escaped_markup, shown[at : match.start()]))
        pieces.append(_referenced(match) + "&#8203;")
        at = match.end()
    return "".join([*pieces, _MARKUP.sub(_escaped_markup, shown[at:])])


def markdown_code(text: str) -> str:
    """A text to copy: a code span, whose fence is longer than any row of backticks in it (CommonMark, 6.1)."""
    shown = safe(text)
    fence = "`" * (max(map(len, re.findall("`+", shown)), default=0) + 1)
    space = " " if "`" in shown else ""
    return f"{fence}{space}{shown}{space}{fence}"


def _escaped_markup(match: "re.Match[str]") -> str:
    """The characters behind a backslash each (CommonMark, 2.4); spaces before them stay."""
    return re.sub(r"(\S)", r"\\\1", match[0])


def _referenced(match: "re.Match[str]") -> str:
    """The characters as numeric references."""
    return "".join(f"&#{ord(each)};" for each in match[0])


def _escaped(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


_UNNAMED = lazily(r"[^A-Za-z0-9._-]+")
_RESERVED = lazily(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9]|conin|conout|clock)(?![A-Za-z0-9_-])", re.IGNORECASE)
_LONGEST_PART, _LONGEST_STEM = 60, 120


class FileNames:
    """Names of files from what the wire says: the only way in which such text may become one.

    They hold letters, digits, ``.``, ``_`` and ``-`` of ASCII, so they cannot leave their folder, name a stream or a device of Windows,
    begin with a dot or a minus sign, or end in a dot; they are short, and unique where case does not count. ``taken`` are names that are
    used otherwise.
    """

    def __init__(self, *taken: str) -> None:
        self._seen = {each.casefold() for each in taken}

    def of(self, parts: Iterable[str], ending: str) -> str:
        """A name from parts, joined by minus signs, and an ending, which is ours."""
        kept = [part for each in parts if (part := _part(each))]
        stem = "-".join(kept)[:_LONGEST_STEM].rstrip("-.") or "file"
        if _RESERVED.match(stem):
            stem = f"_{stem}"
        name, count = f"{stem}.{ending}", 1
        while name.casefold() in self._seen:
            count += 1
            name = f"{stem}-{count}.{ending}"
        self._seen.add(name.casefold())
        return name


def _part(text: str) -> str:
    plain = _UNNAMED.sub("-", text[: 4 * _LONGEST_PART])
    return re.sub(r"[.-]{2,}", "-", plain).strip("-.")[:_LONGEST_PART].rstrip("-.")


_DIAGRAM = lazily(r"[^\w ./,()✗×…–“”]|(?<!\w)end(?!\w)", re.IGNORECASE)


def mermaid(text: str) -> str:
    """The text as a label of a Mermaid diagram: what could be its syntax, or HTML, is an entity code (``#59;``)."""
    # "end" alone closes a block of the diagram: its first letter as a code is enough to make it a word.
    return _DIAGRAM.sub(lambda match: f"#{ord(match[0][0])};{match[0][1:]}", safe(text)) or "#32;"
