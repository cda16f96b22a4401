"""Bytes that are written as numbers: hex dumps with offsets, plain hex, hex at the end of log lines, arrays of numbers, escapes.

No byte is taken from the text beside a dump, and none of the last row is lost: how many bytes a row holds is the difference of
offsets, for the last one the width of the rows above it or the length that the dump ends with.
"""

import itertools
import re
from collections.abc import Iterator
from typing import NamedTuple

from scep_analyzer.model.limits import LIMITS
from scep_analyzer.pasted.lines import lines_of
from scep_analyzer.pasted.pieces import Piece, Then

_ROW = re.compile(rb"([ \t>|]*)(0[xX])?([0-9A-Fa-f]{3,16})h?(?::|[ \t]*\||(?=[ \t]))[ \t]*(?=[0-9A-Fa-f]{2})")
_TOTAL = re.compile(rb"[ \t>]*([0-9A-Fa-f]{6,16})[ \t]*")
_STAR = re.compile(rb"[ \t>]*\*[ \t]*")
_WORDS = re.compile(rb"[0-9A-Fa-f]+|-(?= ?[0-9A-Fa-f])|[^\s0-9A-Fa-f-]|-")
_BESIDE = re.compile(rb"(?<!\s)\s{2,}(?=\S*[^0-9A-Fa-f\s]|\|)|\s\||\s>")
_MOST_OF_A_ROW = 256
_USUAL_ROW = 8
_LEAST_ROWS = 4
_STARTS = b"\x30", b"GET ", b"POST ", b"HTTP/"
"""How a message begins, or the HTTP message that it is in."""
_MOST_DUMPS = 2_000
_LONGEST_REPEAT = 1 << 20
"""Bytes that one row may stand for (``*``): an offset is a claim of 16 digits, and no message is that long."""
_BASES = (16, 8, 10)
_HEX_LINE = re.compile(rb"([ \t]*)((?:0[xX])?[0-9A-Fa-f]+(?:[ \t:,-]{1,4}(?:0[xX])?[0-9A-Fa-f]+)*[,:;]?)[ \t]*")
_LEAST_DIGITS = 16
_SEPARATORS = re.compile(rb"[ \t:,;-]+|0[xX](?=[0-9A-Fa-f])")
_TAIL = re.compile(rb"[0-9A-Fa-f][0-9A-Fa-f :]{14,}[0-9A-Fa-f]?\s*\Z")
_RUN = re.compile(
    rb"(?:(?<![0-9A-Za-z])|(?<=\\x)|(?<=0x))(?:30(?=8)|47455420|504[fF]5354|48545450)[0-9A-Fa-f]{24,}(?![0-9A-Za-z])"
)
_NUMBERS = re.compile(
    rb"[{\[(]\s*(-?(?:0[xX][0-9A-Fa-f]{1,2}|\d{1,3})(?:[,\s]\s*-?(?:0[xX][0-9A-Fa-f]{1,2}|\d{1,3})){7,}),?\s*[}\])]?"
)
_NUMBER = re.compile(rb"-?(?:0[xX][0-9A-Fa-f]{1,2}|\d{1,3})")
_ARRAY_NAME = re.compile(rb"(\w+?)_\d+\s*\[\s*\d*\s*\]\s*=\s*\Z")
_COMMENT = re.compile(rb"/\*[^*]{0,200}\*/|//[^\n]{0,200}")


class _Row(NamedTuple):
    """A row of a dump: where it is, its offset as text, what follows the offset, and whether a ``*`` follows the row."""

    start: int
    end: int
    indent: bytes
    offset: bytes
    rest: bytes
    repeated: bool = False


def is_row(line: bytes) -> bool:
    """Whether a line is a row of a dump, with nothing before it."""
    return _ROW.match(line) is not None


# -- dumps with offsets ------------------------------------------------------------------------------------------------


class Dump(NamedTuple):
    """One dump: its place, its bytes, whether it is indented (Wireshark indents the second peer), oddities.

    ``late`` is the offset that it begins at, as written, where a beginning seems to be missing.
    """

    start: int
    end: int
    content: bytes
    indented: bool
    notes: tuple[tuple[str, str], ...]
    late: str | None = None


def read_dumps(data: bytes) -> Iterator[Dump]:
    """Every hex dump with offsets: xxd, hexdump, od, Format-Hex, certutil, Wireshark, tcpdump -X.

    Dumps of two peers may take turns; the offsets of each go on where its own rows ended.
    """
    series: dict[bytes, list[_Row]] = {}
    totals: dict[bytes, bytes] = {}
    last: bytes | None = None
    for start, end, line in lines_of(data):
        match = _ROW.match(line)
        row = None
        if match is not None and (match[2] or match[3]):
            row = _Row(start=start, end=end, indent=match[1], offset=match[3], rest=line[match.end() :])
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
        key = row.indent
        rows = series.get(key)
        if rows is not None and (not int(row.offset, 16) or int(row.offset, 16) <= int(rows[-1].offset, 16)):
            yield from _dump(rows, totals.pop(key, None))
            rows = None
        if rows is None:
            rows = series[key] = []
        rows.append(row)
        last = key
    for key, rows in series.items():
        yield from _dump(rows, totals.get(key))


def _dump(rows: list[_Row], total: bytes | None) -> Iterator[Dump]:
    base = _base_of(rows)
    if base is None:
        return
    try:
        offsets = [int(row.offset, base) for row in rows]
        length = int(total, base) if total is not None else None
    except ValueError:
        return
    if length is not None and not 0 < length - offsets[-1] <= _LONGEST_REPEAT:
        length = None
    digits, used, notes = b"", len(rows), []
    layout, words = _Layout(), _in_words(rows)
    for number, row in enumerate(rows):
        following = offsets[number + 1] if number + 1 < len(rows) else length
        if following is None:
            digits += _digits(layout.without_text(row.rest), _MOST_OF_A_ROW)[0]
            break
        count = following - offsets[number]
        count += count % 2 if words else 0  # the last word of an odd number of bytes is shown whole
        taken, at = _digits(row.rest, count)
        if len(taken) == 2 * count:
            layout.note(row.rest, count, at)
        if row.repeated and taken and 2 * count % len(taken) == 0:
            taken *= 2 * count // len(taken)  # hexdump and od write repeated rows once, and a *
        digits += taken
        if len(taken) < 2 * count:
            then = rows[number + 1].offset if number + 1 < len(rows) else total
            notes.append(_lost(row, then, len(taken) // 2, count, layout.most))
            used = number + 1
            break
    content = bytes.fromhex(digits[: len(digits) // 2 * 2].decode("ascii"))
    whole = None if length is None else length - offsets[0]
    swapped = _swapped(content) if words else None
    content = (swapped or content)[:whole]
    if swapped is not None:
        notes.append(("hex-words-little-endian", "the dump shows 16-bit words of a little-endian machine"))
    yield Dump(
        start=rows[0].start,
        end=rows[used - 1].end,
        content=content,
        indented=rows[0].indent.strip(b">|") != b"",
        notes=tuple(notes),
        late=rows[0].offset.decode() if offsets[0] and len(rows) >= _LEAST_ROWS else None,
    )


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


def _base_of(rows: list[_Row]) -> int | None:
    """What the offsets count in (od writes them in octal, and can in decimal); None where these are no offsets."""
    if len(rows) == 1:
        return 16 if not int(rows[0].offset, 16) else None
    best: tuple[int, int] | None = None
    for base in _BASES:
        try:
            offsets = [int(row.offset, base) for row in rows[:8]]
        except ValueError:
            continue
        pairs = list(zip(rows, itertools.pairwise(offsets), strict=False))
        wrong = sum(not _fits(row, *pair, exact=False) for row, pair in pairs)
        exact = sum(_fits(row, *pair, exact=True) for row, pair in pairs)
        if not wrong or (exact > wrong and all(there < then for _, (there, then) in pairs)):  # a row may be missing
            best = max(best or (exact, base), (exact, base), key=lambda each: each[0])
    return best[1] if best is not None else None


def _fits(row: _Row, here: int, following: int, *, exact: bool) -> bool:
    """Whether the row may hold the bytes between the two offsets; ``exact``: it holds them and no more digits."""
    gap = following - here
    if not 0 < gap <= _LONGEST_REPEAT:
        return False
    digits = len(_digits(row.rest, _MOST_OF_A_ROW)[0])
    if exact:
        return digits == 2 * gap
    return digits >= 2 * gap or (row.repeated and digits > 0 and 2 * gap % digits == 0)


def _digits(row: bytes, count: int) -> tuple[bytes, int]:
    """At most ``count`` bytes' digits from the start of a row, and where they end."""
    digits, end = b"", 0
    for word in _WORDS.finditer(row):
        if len(digits) >= 2 * count:
            break
        if word[0] == b"-" and end:  # some dumps put a dash in the middle of a row
            continue
        if len(word[0]) % 2 or not re.fullmatch(rb"[0-9A-Fa-f]+", word[0]):
            break
        digits += word[0][: 2 * count - len(digits)]
        end = word.end()
    return digits, end


def _in_words(rows: list[_Row]) -> bool:
    """Whether a dump shows words of 16 bits, as hexdump and od do unasked (and xxd, in the order of the bytes)."""
    words = [each for row in rows[:4] for each in row.rest.split()[:8]]
    return bool(words) and all(len(word) == 4 for word in words)


def _swapped(content: bytes) -> bytes | None:
    """The bytes of little-endian words in their order; None where they begin as a message does already, or not even then."""
    even = content + b"\0" * (len(content) % 2)
    turned = bytearray(len(even))
    turned[::2], turned[1::2] = even[1::2], even[::2]
    return bytes(turned) if turned.startswith(_STARTS) and not content.startswith(_STARTS) else None


def dumps(data: bytes) -> Iterator[Piece]:
    """The reader of dumps with offsets. A dump that is indented is the server's, where there is one that is not."""
    every = list(itertools.islice(read_dumps(data), _MOST_DUMPS))
    both = len({each.indented for each in every}) == 2
    for each in every:
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
        if each.late is not None and not each.content.startswith(_STARTS):
            told = f"a hex dump that begins at offset {each.late}: the rows before it are missing"
            yield Piece(start=each.start, end=each.end, content=told.encode(), form="hex", then=Then.TOLD)


# -- without offsets ---------------------------------------------------------------------------------------------------


def plain(data: bytes) -> Iterator[Piece]:
    """Lines that hold nothing but hex digits, in groups or not. `tshark -z follow,tcp,raw` indents the second peer by a tab."""
    follow = b"Follow: tcp,raw" in data
    groups: dict[bool, list[tuple[int, int, bytes]]] = {}
    for start, end, line in lines_of(data):
        match = _HEX_LINE.fullmatch(line)
        if match is not None and len(line) <= 2 * LIMITS.body_bytes:
            key = follow and match[1].startswith(b"\t")
            groups.setdefault(key, []).append((start, end, match[2]))
        elif line.strip():
            yield from _plain(groups, follow=follow)
            groups = {}
    yield from _plain(groups, follow=follow)


def _plain(groups: dict[bool, list[tuple[int, int, bytes]]], *, follow: bool) -> Iterator[Piece]:
    for indented, lines in groups.items():
        digits = b"".join([_SEPARATORS.sub(b"", line) for _, _, line in lines])
        direction = ("response" if indented else "request") if follow and len(groups) == 2 else None
        yield from _hex(lines[0][0], lines[-1][1], digits, "hex", direction)


def _hex(start: int, end: int, digits: bytes, form: str, direction: str | None = None) -> Iterator[Piece]:
    if len(digits) < _LEAST_DIGITS:
        return
    odd = (("hex-odd", "the hex ends inside a byte: its last digit is left out"),) if len(digits) % 2 else ()
    content = bytes.fromhex(digits[: len(digits) // 2 * 2].decode("ascii"))
    yield Piece(start=start, end=end, content=content, form=form, then=Then.AGAIN, direction=direction, notes=odd)


def behind_prefixes(data: bytes) -> Iterator[Piece]:
    """Hex at the end of log lines (RouterOS, Cisco): lines that follow one another and begin in the same way belong together."""
    shape: bytes | None = None
    rows: list[tuple[int, int, bytes]] = []
    for start, end, line in lines_of(data):
        tail = _tail(line)
        if tail is None or (shape is not None and tail[0] != shape):
            if rows:
                yield from _hex(rows[0][0], rows[-1][1], b"".join(row[2] for row in rows), "hex in a log")
            shape, rows = None, []
        if tail is not None and (rows or len(tail[1]) >= _LEAST_DIGITS):
            shape = tail[0]
            rows.append((start, end, tail[1]))
    if rows:
        yield from _hex(rows[0][0], rows[-1][1], b"".join(row[2] for row in rows), "hex in a log")


def runs(data: bytes) -> Iterator[Piece]:
    """Hex in the middle of a line: in a link, behind an equals sign, in quotes."""
    for match in _RUN.finditer(data):
        yield from _hex(match.start(), match.end(), match[0], "hex")


def _tail(line: bytes) -> tuple[bytes, bytes] | None:
    """What a line begins with, its digits made equal, and the hex digits that it ends with."""
    words = line.rstrip().split(b" ")
    kept: list[bytes] = []
    while words and re.fullmatch(rb"(?:[0-9A-Fa-f]{2})+", words[-1].replace(b":", b"")) and words[-1][-1:] != b":":
        kept.append(words.pop().replace(b":", b""))
    if not kept or not words:
        return None
    return re.sub(rb"\d", b"0", b" ".join(words)), b"".join(reversed(kept))


def arrays(data: bytes) -> Iterator[Piece]:
    """Arrays of numbers: C, Go, Java, JSON. Wireshark's "C Arrays" has one for each segment, named by peer and number."""
    peers: dict[bytes, list[tuple[int, int, bytes]]] = {}
    uncommented = _COMMENT.sub(lambda match: b" " * len(match[0]), data)
    for match in _NUMBERS.finditer(uncommented):
        words = _NUMBER.findall(match[1])
        numbers = [int(word, 16) if word[:2].lower() == b"0x" else int(word) for word in words]
        if min(numbers) < -128 or max(numbers) > 255:
            continue
        content = bytes(number & 0xFF for number in numbers)
        name = _ARRAY_NAME.search(uncommented[max(0, match.start() - 100) : match.start()])
        if name is None:
            yield Piece(
                start=match.start(), end=match.end(), content=content, form="an array of bytes", then=Then.AGAIN
            )
        else:
            peers.setdefault(name[1], []).append((match.start(), match.end(), content))
    for number, pieces in enumerate(peers.values()):
        direction = ("request", "response")[number] if len(peers) == 2 else None
        content = b"".join(piece[2] for piece in pieces)
        yield Piece(
            start=pieces[0][0],
            end=pieces[-1][1],
            content=content,
            form="an array of bytes",
            then=Then.AGAIN,
            direction=direction,
        )


# -- escapes -----------------------------------------------------------------------------------------------------------

_LITERALS = (
    re.compile(rb"\b[bB](?:'((?:\\.|[^'\\\n])*)'|\"((?:\\.|[^\"\\\n])*)\")"),
    re.compile(rb"()\"((?:\\.|[^\"\\\n])*)\"(?=\s*(?:[;,)+\\\r\n]|\Z))"),
)
_BARE = re.compile(rb"()((?:\\[xX][0-9A-Fa-f]{2}[!#-&(-\[\]-~]{0,64}){4,})")
_UNESCAPED = re.compile(rb"[!#-&(-\[\]-~]{0,64}\Z")
_ESCAPE = re.compile(rb"((?:\\[xX][0-9A-Fa-f]{2})+)|\\(?:([0-7]{1,3})|(\r?\n)|(.))", re.DOTALL)
_SHORT = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b", b"f": b"\f", b"v": b"\v"}
_LEAST_ESCAPES = 4
_BETWEEN = re.compile(rb"[\s\\+.&_]*")


def escapes(data: bytes) -> Iterator[Piece]:
    r"""Bytes as Python and C write them: ``b'0\x82'``, also in several strings that follow one another, or the escapes alone."""
    taken: list[tuple[int, int]] = []
    for pattern in _LITERALS:
        run: list[re.Match[bytes]] = []
        for match in itertools.chain(pattern.finditer(data), (None,)):
            if run and (match is None or not _BETWEEN.fullmatch(data, run[-1].end(), match.start())):
                written = b"".join((each[1] or b"") + (each[2] or b"") for each in run)
                if written.count(b"\\x") + written.count(b"\\X") >= _LEAST_ESCAPES:
                    start, end = run[0].start(), run[-1].end()
                    taken.append((start, end))
                    content = _ESCAPE.sub(_byte, written)
                    yield Piece(start=start, end=end, content=content, form="escaped bytes", then=Then.AGAIN)
                run = []
            if match is not None:
                run.append(match)
    ranges = sorted(taken)
    for match in _BARE.finditer(data):
        while ranges and ranges[0][1] <= match.start():
            ranges.pop(0)
        if ranges and ranges[0][0] <= match.start():
            continue
        before = _UNESCAPED.search(data, max(0, match.start() - 64), match.start())
        start = before.start() if before is not None else match.start()
        content = _ESCAPE.sub(_byte, data[start : match.end()])
        yield Piece(start=start, end=match.end(), content=content, form="escaped bytes", then=Then.AGAIN)


def _byte(match: re.Match[bytes]) -> bytes:
    if match[1]:
        return bytes.fromhex(match[1].translate(None, b"\\xX").decode("ascii"))
    if match[2]:
        return bytes([int(match[2], 8) & 0xFF])
    if match[3]:
        return b""
    return _SHORT.get(match[4], match[4])
