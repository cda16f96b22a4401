"""Dumps with offsets: in hex, octal, decimal, bits or characters; as bytes or as words.

No byte is taken from the text beside a dump, and none of the last row is lost: how many bytes a row holds is the difference of
offsets, for the last one the width of the rows above it or the length that the dump ends with.
"""

import itertools
import re
from collections.abc import Iterator
from typing import NamedTuple

from scep_analyzer.pasted.cells import CELLS, Cells
from scep_analyzer.pasted.lines import lines_of
from scep_analyzer.pasted.pieces import Notes, Piece, Then
from scep_analyzer.pasted.sense import STARTS, chosen

_OFFSET = (
    rb"([ \t>|+-]*)(?:(0[xX])?([0-9A-Fa-f]{3,16})h?(?::|[ \t]{0,2}\||[ \t]-(?=[ \t])|(?=[ \t]))|()(\d{1,2}):(?=[ \t]))"
)
_ROW = re.compile(_OFFSET + rb"(?=[ \t]*[0-9A-Fa-f]{2})")
_CELL_REST = (
    rb":?(?:[ \t]+-?\d{1,22})+[ \t]*(?:>.*<)?[ \t]*\Z"
    rb"|(?:   [!-~ ]|  \\[0abfnrtv]| [0-3][0-7]{2})+[ \t]*\Z"
)
_CELL_ROW = re.compile(rb"([ \t>|+-]*)()([0-9A-Fa-f]{6,16})(?=" + _CELL_REST + rb")")
_CELLS = re.compile(_CELL_REST + rb"|[ \t]*[01]{8}(?:[ \t]|\Z)")
"""What a row of other numbers than hex looks like behind its offset."""
_TOTAL = re.compile(rb"[ \t>|+-]*([0-9A-Fa-f]{6,16})[ \t]*")
_STAR = re.compile(rb"[ \t>|+-]*\*[ \t]*")
_WORDS = re.compile(rb"[0-9A-Fa-f]+|-(?= ?[0-9A-Fa-f])|[^\s0-9A-Fa-f-]|-")
_BESIDE = re.compile(rb"(?<!\s)\s{2,}(?=\S*[^0-9A-Fa-f\s]|\|)|\s\||\s>")
_CELL = re.compile(rb"\S+")
_NAMES = re.compile(
    rb"(?m)^[0-9A-Fa-f]{7,8}(?=.*[ \t](?:soh|stx|etx|ack|dle)\b)(?:[ \t]+(?:[a-z]{2,3}\d?|[!-~])){8,16}[ \t]*$"
)
_MOST_OF_A_ROW = 256
_USUAL_ROW = 8
_USUAL_CHARACTERS = 16
_LEAST_ROWS = 4
_MOST_PROVED = 8
"""Rows whose length is held against the offsets to tell which form a dump has."""
_MOST_DUMPS = 2_000
_LONGEST_REPEAT = 1 << 20
"""Bytes that one row may stand for (``*``): an offset is a claim of 16 digits, and no message is that long."""
_BASES = (16, 8, 10)
_LITTLE = "hex-words-little-endian", "the dump shows words of a little-endian machine"


class _Row(NamedTuple):
    """A row of a dump: where it is, its offset as text, what follows the offset, and whether a ``*`` follows the row."""

    start: int
    end: int
    key: bytes
    offset: bytes
    rest: bytes
    repeated: bool = False


class Dump(NamedTuple):
    """One dump: its place, its bytes, whether it is indented (Wireshark indents the second peer), oddities.

    ``late`` is the offset that it begins at, as written, where a beginning seems to be missing. ``unclear`` says why a dump
    is not read.
    """

    start: int
    end: int
    content: bytes
    indented: bool
    notes: Notes
    late: str | None = None
    unclear: str = ""


class _Reading(NamedTuple):
    """One way to read a dump: its bytes, how many rows are proved by the offsets, how many rows were read."""

    content: bytes
    exact: int
    used: int
    notes: Notes


def is_row(line: bytes) -> bool:
    """Whether a line is a row of a dump, with nothing before it."""
    return _row(line, 0, 0) is not None


def _row(line: bytes, start: int, end: int) -> _Row | None:
    match = _ROW.match(line) or _CELL_ROW.match(line)
    if match is None or not line[: match.end()].strip():
        return None
    offset = match[3] or (match[5] if match.re is _ROW else b"")
    # Offsets without leading zeros (strongSwan) are aligned at the right: what they share is where they end.
    key = match[1] if len(offset) > 3 or offset.startswith(b"0" * 3) else b"%d" % len(line[: match.end()])
    return _Row(start=start, end=end, key=key, offset=offset, rest=line[match.end() :].removeprefix(b":"))


def read_dumps(data: bytes) -> Iterator[Dump]:
    """Every dump with offsets: xxd, hexdump, od, Format-Hex, certutil, Wireshark, tcpdump -X, OpenSSL, strongSwan.

    Dumps of two peers may take turns; the offsets of each go on where its own rows ended.
    """
    series: dict[bytes, list[_Row]] = {}
    totals: dict[bytes, bytes] = {}
    last: bytes | None = None
    for start, end, line in lines_of(data):
        row = _row(line, start, end)
        if row is None:
            total = _TOTAL.fullmatch(line)
            if total is not None and last is not None and last not in totals:
                totals[last] = total[1]
            elif last is not None and _STAR.fullmatch(line):
                series[last][-1] = series[last][-1]._replace(repeated=True)
            elif line.strip() and last is not None:
                # Other text between the rows: what comes next is another dump, unless its offsets go on.
                last = None
            continue
        if row.key not in series and last is not None and _goes_on(series[last], row):
            row = row._replace(key=last)
        rows = series.get(row.key)
        if rows is not None and (not int(row.offset, 16) or int(row.offset, 16) <= int(rows[-1].offset, 16)):
            yield from _dump(rows, totals.pop(row.key, None))
            rows = None
        if rows is None:
            rows = series[row.key] = []
        rows.append(row)
        last = row.key
    for key, rows in series.items():
        yield from _dump(rows, totals.get(key))


def _goes_on(rows: list[_Row], row: _Row) -> bool:
    """Whether an offset that has a digit more than those before, and so begins elsewhere, is the next one (strongSwan)."""
    if len(rows) < 2 or not all(each.offset.isdigit() for each in (*rows[-2:], row)):
        return False
    before, here = (int(each.offset) for each in rows[-2:])
    return int(row.offset) - here == here - before


def _dump(rows: list[_Row], total: bytes | None) -> Iterator[Dump]:
    """The dump that rows are; nothing where their offsets are none."""
    readings: dict[str, _Reading] = {}
    for base in _BASES if len(rows) > 1 or total is not None else _BASES[:1]:
        try:
            offsets = [int(row.offset, base) for row in rows]
            length = int(total, base) if total is not None else None
        except ValueError:
            continue
        if (len(rows) == 1 and offsets[0]) or any(there >= then for there, then in itertools.pairwise(offsets)):
            continue
        if length is not None and not 0 < length - offsets[-1] <= _LONGEST_REPEAT:
            length = None
        for name, reading in _readings(rows, offsets, length, total):
            if reading.exact >= max((each.exact for each in readings.values()), default=0):
                readings.setdefault(f"{name} at base {base}", reading)
    best = max((each.exact for each in readings.values()), default=0)
    left = {name: each for name, each in readings.items() if each.exact == best}
    if not left:
        return
    name, unclear = chosen({name: each.content for name, each in left.items()})
    reading = left[name]
    yield Dump(
        start=rows[0].start,
        end=rows[reading.used - 1].end,
        content=b"" if unclear else reading.content,
        indented=rows[0].key.strip(b">|+-0123456789") != b"",
        notes=reading.notes,
        late=rows[0].offset.decode() if int(rows[0].offset, 16) and len(rows) >= _LEAST_ROWS else None,
        unclear=unclear,
    )


def _readings(
    rows: list[_Row], offsets: list[int], length: int | None, total: bytes | None
) -> Iterator[tuple[str, _Reading]]:
    known = [*offsets, length] if length is not None else offsets
    pairs = list(zip(rows, itertools.pairwise(known), strict=False))[:_MOST_PROVED]
    wrong = sum(not _fits(row, *pair, exact=False) for row, pair in pairs)
    exact = sum(_fits(row, *pair, exact=True) for row, pair in pairs)
    if (not wrong or exact > wrong) and _words_in(rows[0].rest, 1):  # a row may be missing
        yield "hex", _in_hex(rows, offsets, length, total, exact, size=1)
        size = len(next(iter(_words_in(rows[0].rest, 1)))) // 2
        if size > 1:
            yield "hex of a little-endian machine", _in_hex(rows, offsets, length, total, exact, size=size)
    if len(rows[0].offset) < 6 or not _CELLS.match(rows[0].rest):
        return
    for cells in CELLS:
        reading = _in_cells(cells, rows, offsets, length, total)
        if reading is not None:
            yield cells.name, reading


# -- hex ---------------------------------------------------------------------------------------------------------------


def _in_hex(
    rows: list[_Row], offsets: list[int], length: int | None, total: bytes | None, exact: int, size: int
) -> _Reading:
    """The bytes of a dump in hex, in the order of the digits or (``size`` over 1) of words of a little-endian machine."""
    content, used, notes = b"", len(rows), []
    layout = _Layout()
    if size > 1:
        notes.append(_LITTLE)
    for number, row in enumerate(rows):
        following = offsets[number + 1] if number + 1 < len(rows) else length
        if following is None:
            content += _bytes_of(_words_in(layout.without_text(row.rest), _MOST_OF_A_ROW), size)
            break
        count = following - offsets[number]
        shown = count + -count % size  # the last word of a dump that ends inside a word is shown whole
        words = _words_in(row.rest, shown)
        taken = _bytes_of(words, size)
        if len(taken) >= count:
            layout.note(row.rest, count, _end_of(row.rest, shown))
        elif row.repeated and taken and count % len(taken) == 0:
            taken *= count // len(taken)  # hexdump and od write repeated rows once, and a *
        content += taken[:count]
        if len(taken) < count:
            then = rows[number + 1].offset if number + 1 < len(rows) else total
            notes.append(_lost(row, then, len(taken), count, layout.most))
            used = number + 1
            break
    return _Reading(content, exact, used, tuple(notes))


def _word_size(row: bytes) -> int:
    """The bytes of the first word of a row."""
    return max(1, len(next(iter(_words_in(row, 1)), b"")) // 2)


def _bytes_of(words: list[bytes], size: int) -> bytes:
    if size == 1:
        return bytes.fromhex(b"".join(words).decode("ascii"))
    return b"".join(bytes.fromhex(word.decode("ascii"))[::-1] for word in words)


def _words_in(row: bytes, count: int) -> list[bytes]:
    """The words of hex at the start of a row that ``count`` bytes are in; the last is cut where one byte a word is shown."""
    words: list[bytes] = []
    have = 0
    for match in _WORDS.finditer(row):
        word = match[0]
        if have >= count:
            break
        if word == b"-" and words:  # some dumps put a dash in the middle of a row
            continue
        if len(word) % 2 or not re.fullmatch(rb"[0-9A-Fa-f]+", word):
            break
        words.append(word[: 2 * (count - have)] if have else word)
        have += len(words[-1]) // 2
    return words


def _end_of(row: bytes, count: int) -> int:
    """Where the digits of ``count`` bytes end."""
    left, end = 2 * count, 0
    for match in _WORDS.finditer(row):
        if left <= 0:
            break
        if match[0] != b"-":
            left -= len(match[0])
            end = match.end()
    return end


def _lost(row: _Row, following: bytes | None, have: int, count: int, usual: int) -> tuple[str, str]:
    """What is missing after a row, whose bytes do not reach the offset of the next one."""
    here, then = row.offset.decode(), (following or b"").decode()
    if have == usual or (not usual and have and count % have == 0):
        return "hex-rows-missing", (
            f"rows of the dump are missing between offsets {here} and {then}: "
            f"{count - have:,} bytes after the row at {here}; reading ends there"
        )
    return "hex-row-short", f"the row at offset {here} has {have} of {count} bytes; reading ends there"


class _Layout:
    """Where the digits of a dump's rows end and the text beside them starts, for its last row, whose length nothing says."""

    def __init__(self) -> None:
        self._width = self.most = self._text = 0

    def note(self, row: bytes, count: int, end: int) -> None:
        """Learn from a row of ``count`` bytes, whose digits end at ``end``."""
        if count >= self.most:
            self._width, self.most = max(end, self._width if count == self.most else 0), count
        beside = re.compile(rb"\s*").match(row, end)
        if beside is not None and beside.end() < len(row):
            self._text = min(self._text or beside.end(), beside.end())

    def without_text(self, row: bytes) -> bytes:
        """The part of a row that has the digits."""
        if not self._text:
            return _BESIDE.split(row)[0]
        return row[: min(self._text, self._width) if self.most >= _USUAL_ROW else self._text]


def _fits(row: _Row, here: int, following: int, *, exact: bool) -> bool:
    """Whether the row may hold the bytes between the two offsets; ``exact``: it holds them and no more digits."""
    gap = following - here
    if not 0 < gap <= _LONGEST_REPEAT:
        return False
    size = _word_size(row.rest)
    shown = gap + -gap % size
    count = sum(map(len, _words_in(row.rest, _MOST_OF_A_ROW))) // 2
    if exact:
        return count in (gap, shown)
    return count >= gap or (row.repeated and count > 0 and gap % count == 0)


# -- other numbers ------------------------------------------------------------------------------------------------------


def _in_cells(
    cells: Cells, rows: list[_Row], offsets: list[int], length: int | None, total: bytes | None
) -> _Reading | None:
    """The bytes of a dump in this form; None where a row has another, or other rows than the last do not fit the offsets."""
    content, exact, notes = b"", 0, []
    usual = offsets[1] - offsets[0] if len(rows) > 1 else _USUAL_CHARACTERS
    for number, row in enumerate(rows):
        following = offsets[number + 1] if number + 1 < len(rows) else length
        count = following - offsets[number] if following is not None else None
        if count is not None and not 0 < count <= _LONGEST_REPEAT:
            return None
        rest = row.rest if count is not None or not number else _whole_cells(row.rest, rows[0].rest)
        taken = (
            cells.read(rest, count if count is not None and count <= usual else None)
            if rest.strip() or count is not None
            else b""
        )
        if taken is None:
            return None
        if count is None:
            content += taken
            break
        if len(taken) == count + -count % cells.size:
            exact += number < _MOST_PROVED and not cells.is_short(row.rest, count)
        elif row.repeated and taken and count % len(taken) == 0:
            taken *= count // len(taken)
        elif len(taken) < count and exact:
            content += taken
            notes.append(
                _lost(row, rows[number + 1].offset if number + 1 < len(rows) else total, len(taken), count, usual)
            )
            return _Reading(content, exact, number + 1, tuple(notes))
        else:
            return None
        content += taken[:count]
    return _Reading(content, exact, len(rows), ())


def _whole_cells(row: bytes, first: bytes) -> bytes:
    """The last row of a paste that ends inside a number, without it: numbers end where those of the first row do."""
    ends = [match.end() for match in _CELL.finditer(first) if match.end() <= len(row.rstrip())]
    return row[: ends[-1]] if ends else b""


# -- the reader --------------------------------------------------------------------------------------------------------


def dumps(data: bytes) -> Iterator[Piece]:
    """The reader of dumps with offsets. A dump that is indented is the server's, where there is one that is not."""
    every = list(itertools.islice(read_dumps(data), _MOST_DUMPS))
    both = len({each.indented for each in every}) == 2
    for each in every:
        if each.unclear:
            yield Piece(start=each.start, end=each.end, content=each.unclear.encode(), form="hex", then=Then.TOLD)
            continue
        direction = ("response" if each.indented else "request") if both else None
        yield Piece(
            start=each.start,
            end=each.end,
            content=each.content,
            form="hex",
            then=Then.AGAIN,
            direction=direction,
            notes=each.notes,
        )
        if each.late is not None and not each.content.startswith(STARTS):
            told = f"a hex dump that begins at offset {each.late}: the rows before it are missing"
            yield Piece(start=each.start, end=each.end, content=told.encode(), form="hex", then=Then.TOLD)
    names = _NAMES.search(data)
    if names is not None:
        told = "a dump of named characters (od -a), which leaves out the first bit of every byte; use xxd"
        yield Piece(start=names.start(), end=names.end(), content=told.encode(), form="", then=Then.TOLD)
