"""Bytes that are written as numbers without offsets: plain hex, lines of numbers, hex at the end of log lines, arrays."""

import re
from collections.abc import Iterator

from scep_analyzer.cms.ber import claimed_length
from scep_analyzer.model.limits import LIMITS
from scep_analyzer.pasted.cells import CELLS, Cells, hex_words
from scep_analyzer.pasted.lines import lines_of
from scep_analyzer.pasted.pieces import DOTS, SHORTENED, Notes, Piece, Then
from scep_analyzer.pasted.sense import chosen, rank

_HEX_LINE = re.compile(
    rb"([ \t]*)<?((?:0[xX])?[0-9A-Fa-f]+(?:h?[ \t:,.-]{1,8}(?:0[xX])?[0-9A-Fa-f]+)*h?[,:;]?)>?[ \t]*"
)
_NUMBER_LINE = re.compile(rb"([ \t]*)(-?\d{1,22}(?:[ \t,;]{1,24}-?\d{1,22})*[,;]?)[ \t]*")
_NO_BYTES = re.compile(rb"(?<=[ \t,])(?:0[xX](?:[ \t,]+|\Z))+\Z")
"""What hexdump -e writes for the bytes that the last row has not."""
_LEAST_DIGITS = 16
_LEAST_NUMBERS = 8
_BEGINS = re.compile(rb"30(?:80|81..|82....|83......)06092a864886f70d0107", re.IGNORECASE)
_TOKENS = re.compile(rb"[\s:,;]+")
_SEPARATORS = re.compile(rb"h?[ \t:,;.-]+|h\Z|0[xX](?=[0-9A-Fa-f])")
_TAIL = re.compile(rb"[0-9A-Fa-f][0-9A-Fa-f :]{14,}[0-9A-Fa-f]?\s*\Z")
_RUN = re.compile(
    rb"(?:(?<![0-9A-Za-z])|(?<=\\x)|(?<=0x))(?:30(?=8)|47455420|504[fF]5354|48545450)[0-9A-Fa-f]{24,}(?![0-9A-Za-z])"
)
_NSDATA = re.compile(rb"<((?:[0-9a-f]{8}\s{1,8}){4,}[0-9a-f]{1,8})>")
"""How Apple's programs describe NSData."""
_NUMBERS = re.compile(
    rb"(?:[{\[(=]|<<)\s*(-?(?:0[xX][0-9A-Fa-f]{1,2}|\d{1,3})(?:[,\s]\s*-?(?:0[xX][0-9A-Fa-f]{1,2}|\d{1,3})){7,}),?\s*(?:[}\])]|>>)?"
)
_NUMBER = re.compile(rb"-?(?:0[xX][0-9A-Fa-f]{1,2}|\d{1,3})")
_ARRAY_NAME = re.compile(rb"(\w+?)_\d+\s*\[\s*\d*\s*\]\s*=\s*\Z")
_COMMENT = re.compile(rb"/\*[^*]{0,200}\*/|//[^\n]{0,200}")


# -- without offsets ---------------------------------------------------------------------------------------------------


def plain(data: bytes) -> Iterator[Piece]:
    """Lines that hold nothing but numbers, in groups or not. `tshark -z follow,tcp,raw` indents the second peer by a tab."""
    follow = b"Follow: tcp,raw" in data
    groups: dict[bool, list[tuple[int, int, bytes]]] = {}
    for start, end, written in lines_of(data):
        line = written if len(written) <= 2 * LIMITS.body_bytes else b"."
        if b"x " in line or b"x," in line or b"X," in line:
            line = _NO_BYTES.sub(b"", line)
        match = _HEX_LINE.fullmatch(line) or _NUMBER_LINE.fullmatch(line)
        if match is not None:
            key = follow and match[1].startswith(b"\t")
            if groups.get(key) and _BEGINS.match(_SEPARATORS.sub(b"", match[2][:80])):
                yield from _plain(
                    {key: groups.pop(key)}, follow=follow
                )  # another message: what is before it may be cut
            groups.setdefault(key, []).append((start, end, match[2]))
        elif line.strip():
            yield from _plain(groups, follow=follow)
            groups = {}
    yield from _plain(groups, follow=follow)


def _plain(groups: dict[bool, list[tuple[int, int, bytes]]], *, follow: bool) -> Iterator[Piece]:
    for indented, lines in groups.items():
        direction = ("response" if indented else "request") if follow and len(groups) == 2 else None
        start, end = lines[0][0], lines[-1][1]
        contents, notes = _contents([line for _, _, line in lines])
        if not contents:
            continue
        name, unclear = chosen(contents)
        if unclear:
            yield Piece(start=start, end=end, content=unclear.encode(), form="hex", then=Then.TOLD)
            continue
        form = "hex" if name.startswith("hex") else name
        yield Piece(
            start=start,
            end=end,
            content=contents[name],
            form=form,
            then=Then.AGAIN,
            direction=direction,
            notes=notes if name == "hex" else (),
        )


def _contents(lines: list[bytes]) -> tuple[dict[str, bytes], Notes]:
    """The bytes of lines of numbers, in every way in which they can be read; and what is odd where they are hex."""
    contents: dict[str, bytes] = {}
    digits = b"".join([_SEPARATORS.sub(b"", line) for line in lines])
    if len(digits) >= _LEAST_DIGITS:
        contents["hex"] = bytes.fromhex(digits[: len(digits) // 2 * 2].decode("ascii"))
    odd = (("hex-odd", "the hex ends inside a byte: its last digit is left out"),) if len(digits) % 2 else ()
    if "hex" in contents and rank(contents["hex"]) >= 3 and len(digits) > 64 and max(map(len, lines[0].split())) % 4:
        return contents, odd  # the usual case, of which no other way is left over
    joined = b" ".join(lines)
    tokens = _TOKENS.sub(b" ", joined).split()
    if len(tokens) >= _LEAST_NUMBERS // 2:
        words = hex_words(tokens, claimed_length)
        if words is not None:
            contents["hex of a little-endian machine"] = words
    if len(tokens) >= _LEAST_NUMBERS // 2 and max(map(len, tokens[:64])) <= 22:
        for cells in CELLS:
            read = cells.read(b" ".join(tokens), None) if cells.name != "characters" else None
            if read is not None and len(read) >= _LEAST_NUMBERS and not _is_half(read, cells):
                contents[cells.name] = read
    return contents, odd


def _is_half(content: bytes, cells: Cells) -> bool:
    """Whether half of every word is zero: the numbers are smaller ones."""
    if cells.size == 1:
        return False
    half = cells.size // 2
    start = half if cells.name.endswith("machine") else 0
    return not any(any(content[at + start : at + start + half]) for at in range(0, len(content), cells.size))


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
        for piece in _hex(match.start(), match.end(), match[0], "hex"):
            shortened = (SHORTENED,) if data[match.end() : match.end() + 5].startswith(DOTS) else ()
            yield piece._replace(notes=(*shortened, *piece.notes))
    for match in _NSDATA.finditer(data):
        yield from _hex(match.start(), match.end(), match[1].translate(None, b" \r\n\t"), "hex")


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
