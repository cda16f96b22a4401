"""The numbers that dump programs write for bytes, a table: octal, decimal, binary and hex, bytes and words, characters.

Which of them a dump has, its offsets prove: a row's numbers are as many bytes as there are between two offsets. What they leave
open (the order of the bytes in a word), the content decides: a message begins in one way only. Sources: POSIX od, the manuals of
GNU od, util-linux hexdump and xxd.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

_TEXT = re.compile(rb"[ \t]>")
"""Where what od -z writes beside the numbers begins; it ends in ``<``."""
_BINARY_ROW = re.compile(rb"[ \t]*((?:[01]{8} ?)*[01]{8})(?:[ \t]{2}.*)?[ \t]*")
_CHARACTERS = re.compile(rb"(?:   [!-~ ]|  \\[0abfnrtv]| [0-3][0-7]{2})*")
_ESCAPES = {b"\\0": 0, b"\\a": 7, b"\\b": 8, b"\\f": 12, b"\\n": 10, b"\\r": 13, b"\\t": 9, b"\\v": 11}


class Cells(NamedTuple):
    """A form: its name; ``read`` gives the bytes of a row, None where the row has another form; the size of its words.

    ``read`` is given the row and how many bytes it is to have, None where nothing says it.
    """

    name: str
    size: int
    read: Callable[[bytes, int | None], bytes | None]

    def is_short(self, row: bytes, count: int) -> bool:
        """Whether a row of characters was filled up with spaces."""
        return self.read is _characters and len(row) < 4 * count


def _numbers(pattern: bytes, base: int, size: int, order: str) -> Callable[[bytes, int | None], bytes | None]:
    token = re.compile(pattern)
    most = 1 << 8 * size

    def read(row: bytes, _count: int | None) -> bytes | None:
        text = _TEXT.search(row) if row.rstrip().endswith(b"<") else None
        tokens = row[: text.start() if text is not None else None].split()
        if not tokens or not all(token.fullmatch(each) for each in tokens):
            return None
        values = [int(each, base) for each in tokens]
        if min(values) < -most // 2 or max(values) >= most:
            return None
        return b"".join((each % most).to_bytes(size, "little" if order == "little" else "big") for each in values)

    return read


def _binary(row: bytes, _count: int | None) -> bytes | None:
    match = _BINARY_ROW.fullmatch(row)
    return bytes(int(each, 2) for each in match[1].split()) if match is not None else None


def _characters(row: bytes, count: int | None) -> bytes | None:
    """Columns of four characters (od -c, hexdump -c). Spaces at the end of a line may be gone."""
    if count is not None:
        row = row.rstrip().ljust(4 * count)
    if not _CHARACTERS.fullmatch(row):
        return None
    shown = [row[at : at + 4].strip() for at in range(0, len(row), 4)]
    return bytes(_character(each) for each in shown)


def _character(shown: bytes) -> int:
    if shown in _ESCAPES:
        return _ESCAPES[shown]
    return int(shown, 8) if len(shown) == 3 else ord(shown or b" ")


CELLS = (
    Cells("octal bytes", 1, _numbers(rb"[0-3][0-7]{2}", 8, 1, "big")),
    Cells("bits", 1, _binary),
    Cells("decimal bytes", 1, _numbers(rb"-?\d{1,3}", 10, 1, "big")),
    *(
        Cells(f"{base_name} words of {8 * size} bits{order_name}", size, _numbers(pattern, base, size, order))
        for base_name, base, widths in (
            ("octal", 8, ((2, rb"[01][0-7]{5}"), (4, rb"[0-3][0-7]{10}"), (8, rb"[01][0-7]{21}"))),
            ("decimal", 10, ((2, rb"-?\d{1,5}"), (4, rb"-?\d{1,10}"), (8, rb"-?\d{1,20}"))),
        )
        for size, pattern in widths
        for order, order_name in (("little", " of a little-endian machine"), ("big", ""))
    ),
    Cells("characters", 1, _characters),
)
_HEX_WORD = re.compile(rb"(?:0[xX])?([0-9A-Fa-f]{1,16})")


def hex_words(tokens: list[bytes], claimed: Callable[[bytes], int | None]) -> bytes | None:
    """The bytes of hex words of a little-endian machine, None where the tokens are none. All words have the size of the longest.

    Programs that leave out leading zeros (hexdump -e) do not tell how many bytes the last word had: as many as it needs, or as
    the message's own length asks for.
    """
    matches = [_HEX_WORD.fullmatch(each) for each in tokens]
    digits = [match[1] for match in matches if match is not None]
    if len(digits) != len(tokens):
        return None
    longest = max(map(len, digits), default=0)
    size = next((each for each in (2, 4, 8) if longest <= 2 * each), 0)
    if longest <= 2 or not size:
        return None
    last = digits[-1]
    exact = len(last) % 2 == 0 and last.startswith(b"0") and len(last) > 2
    content = b"".join(int(each, 16).to_bytes(size, "little") for each in digits[:-1])
    value = int(last, 16)
    least = len(last) // 2 if exact or len(last) == 2 * size else max(1, -(-value.bit_length() // 8))
    content += value.to_bytes(size, "little")[:least]
    length = claimed(content)
    missing = length - len(content) if length is not None else 0
    return content + b"\0" * missing if 0 < missing <= size - least else content
