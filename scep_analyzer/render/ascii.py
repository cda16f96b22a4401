"""What is drawn, for consoles that have no more than ASCII (Windows code pages, C locales)."""

from rich.console import Console
from rich.text import Text

_TABLE = str.maketrans(
    {"→": ">", "←": "<", "─": "-", "━": "=", "…": "~", "·": "*", "“": '"', "”": '"', "µ": "u", "✗": "x", "—": "-"}
)


def is_ascii(console: Console) -> bool:
    """Whether a console has no more than ASCII."""
    return not (console.encoding or "").lower().replace("-", "").startswith("utf")


def in_ascii(text: Text) -> Text:
    """The same in ASCII: one character for one, so that styles stay in place."""
    plain = "".join(character if character < "\x80" else "?" for character in text.plain.translate(_TABLE))
    return Text(plain, style=text.style, spans=text.spans)
