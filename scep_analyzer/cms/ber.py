"""BER below the level of types: elements, strings in pieces, and the errors that asn1crypto raises."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from asn1crypto import parser

from scep_analyzer.cms.values import dotted
from scep_analyzer.model.anomalies import DecodeError
from scep_analyzer.model.limits import BOUNDS
from scep_analyzer.model.remembered import remembered

# Fuzzed bytes draw all of these out of asn1crypto; each means "this cannot be read".
ASN1_ERRORS = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    NameError,  # an unbound variable in asn1crypto.keys, for a key of an unknown algorithm
    RecursionError,
    NotImplementedError,
)

SEQUENCE, SET = 16, 17
INTEGER, OCTET_STRING, OID = 2, 4, 6
_DEEPEST = 64
"""Levels of indefinite length; a message of SCEP has about ten."""

_MAX_PIECES_DEPTH = 16
"""Strings in pieces nest once or twice in the field (BouncyCastle, iOS); 16 is generous."""

_MOST_CHILDREN = 100_000
"""A CRL of a large CA has tens of thousands of entries, which are not read here; everything else far fewer."""

_CODECS = {
    12: "utf-8",  # UTF8String
    18: "latin-1",  # NumericString
    19: "latin-1",  # PrintableString: raw bytes above ASCII are seen in transactionIDs
    20: "latin-1",  # TeletexString
    22: "latin-1",  # IA5String
    26: "latin-1",  # VisibleString
    27: "latin-1",  # GeneralString
    28: "utf-32-be",  # UniversalString
    30: "utf-16-be",  # BMPString
}

STRING_TYPES = {
    2: "INTEGER",
    3: "BIT STRING",
    4: "OCTET STRING",
    5: "NULL",
    6: "OBJECT IDENTIFIER",
    12: "UTF8String",
    18: "NumericString",
    19: "PrintableString",
    20: "TeletexString",
    22: "IA5String",
    23: "UTCTime",
    24: "GeneralizedTime",
    26: "VisibleString",
    28: "UniversalString",
    30: "BMPString",
}


_WHOLE = frozenset((*range(0x1F), 0x30, 0x31))
"""First bytes of elements whose content needs no joining: primitive ones, SEQUENCE and SET."""


class Element(NamedTuple):
    """One decoded element: universal tag number (None for another class), and content with pieces joined."""

    tag: int | None
    content: bytes
    constructed: bool

    @property
    def type_name(self) -> str:
        """The ASN.1 name of the type."""
        return STRING_TYPES.get(self.tag or 0, f"tag {self.tag}")

    def text(self) -> str | None:
        """The string, None where the type is not a string or the bytes do not fit it."""
        codec = _CODECS.get(self.tag or 0)
        if codec is None:
            return None
        try:
            return self.content.decode(codec)
        except UnicodeDecodeError:
            return self.content.decode("latin-1")


def _common(encoded: bytes) -> tuple[int, int] | None:
    """Where the content of an element of a common form begins and ends: one tag byte, a definite length, no pieces."""
    first, size = encoded[0] if encoded else 0x1F, len(encoded)
    if first & 0x1F != 0x1F and size > 1 and (first in _WHOLE or first >= 0x40):
        octets = encoded[1] - 0x80
        start, length = (2, encoded[1]) if octets < 0 else (2 + octets, int.from_bytes(encoded[2 : 2 + octets], "big"))
        if octets and start + length <= size:
            return start, start + length
    return None


def read(encoded: bytes) -> Element:
    """Read one element; a string in pieces (BER constructed) is joined."""
    # The common forms without asn1crypto: a message has a hundred of them, and the whole reading of a message takes a third of
    # the time this way (docs/performance.md).
    bounds = _common(encoded)
    if bounds is not None:
        first = encoded[0]
        return Element(first & 0x1F if first < 0x40 else None, encoded[slice(*bounds)], bool(first & 0x20))
    try:
        class_, method, tag, _, content, _ = parser.parse(encoded)
    except ASN1_ERRORS as error:
        raise DecodeError(str(error).splitlines()[0]) from error
    if method == 1 and class_ == 0 and tag not in (SEQUENCE, SET):
        content = b"".join(_pieces(content, 0))
    return Element(tag if class_ == 0 else None, content, bool(method))


def _pieces(content: bytes, depth: int) -> Iterator[bytes]:
    if depth > _MAX_PIECES_DEPTH:
        raise DecodeError(f"a string in pieces nests deeper than {_MAX_PIECES_DEPTH}")
    for piece in children(content):
        try:
            _, method, _, _, inner, _ = parser.parse(piece)
        except ASN1_ERRORS as error:
            raise DecodeError(str(error).splitlines()[0]) from error
        if method == 1:
            yield from _pieces(inner, depth + 1)
        else:
            yield inner


def children_of(encoded: bytes) -> Iterator[bytes]:
    """The elements inside an element: its content may be large, and is not copied first."""
    bounds = _common(encoded)
    return children(read(encoded).content) if bounds is None else children(encoded, *bounds)


def children(content: bytes, at: int = 0, end: int | None = None) -> Iterator[bytes]:
    """The elements that follow one another in a constructed element's content, each with its header."""
    count, end = 0, len(content) if end is None else end
    while at < end:
        # The length that the header claims spares copying what follows; only the indefinite form must be walked.
        octets = content[at + 1] if at + 1 < end else 0xFF
        if octets < 0x80:
            size = 2 + octets
        elif octets == 0x82 and at + 4 <= end:
            size = 4 + (content[at + 2] << 8 | content[at + 3])
        else:
            size = extent(content, at, end) - at
        count += 1
        if at + size > end:
            raise DecodeError(f"an element claims {size:,} bytes, {end - at:,} are there")
        if count > _MOST_CHILDREN:
            raise DecodeError(f"more than {_MOST_CHILDREN:,} elements in one")
        yield content[at : at + size]
        at += size


@remembered(1024, 64)
def oid_of(encoded: bytes) -> str:
    """An OBJECT IDENTIFIER in dots."""
    if encoded[:1] != b"\x06":
        raise DecodeError("an OBJECT IDENTIFIER is missing")
    return dotted(read(encoded).content)


def serial_in(encoded: bytes) -> str:
    """A serial number in hex as its INTEGER holds it, without the sign octet; sscep's have 33 octets, too many for decimals."""
    content = read(encoded).content
    return (content[1:] if len(content) > 1 and content[0] == 0 else content).hex()


def header_of(data: bytes, at: int, end: int) -> tuple[int, int | None]:
    """Where the content of the element at ``at`` begins, and its length, None for the indefinite form."""
    start = at + 1
    if at < end and data[at] & 0x1F == 0x1F:
        while start < end and data[start] & 0x80:
            start += 1
        start += 1
    if start >= end:
        raise DecodeError("an element is cut inside its header")
    length, start = data[start], start + 1
    if length < 0x80:
        return start, length
    if length == 0x80:
        return start, None
    octets = length & 0x7F
    if start + octets > end:
        raise DecodeError("an element is cut inside its header")
    return start + octets, int.from_bytes(data[start : start + octets], "big")


def extent(data: bytes, at: int, end: int) -> int:
    """Where the element at ``at`` ends, by the length that it claims; one of indefinite length is walked, no part of it copied."""
    open_ones = 0
    while True:
        ends_here = open_ones and data[at : at + 2] == b"\0\0"
        start, length = header_of(data, at, end)
        if length is None:
            open_ones += 1
            if open_ones > _DEEPEST:
                raise DecodeError(f"elements of indefinite length nest deeper than {_DEEPEST}")
        at = start + (length or 0)
        if ends_here:
            open_ones -= 1
        if not open_ones:
            return at
        if at >= end:
            raise DecodeError("an element of indefinite length has no end")


_LONG_OID = re.compile(rb"[\x06\x88][\x81-\x84]")
_SHORT = 16 * 1024


def guarded(encoded: bytes, elements: int = BOUNDS.elements) -> bytes:
    """The same bytes where asn1crypto's types may read them, DecodeError where that would take too long.

    What it reads is not bounded by what it is given: an OID takes time that grows with the square of its length, an element a
    thousand times that of a byte.
    """
    if len(encoded) > _SHORT or _LONG_OID.search(encoded):
        _walk(encoded, elements)
    return encoded


def _walk(data: bytes, elements: int) -> None:
    """Count all elements, those in strings too, and measure the OIDs; where it cannot be read asn1crypto cannot read it either."""
    ranges, count = [(0, len(data))], 0
    while ranges:
        at, end = ranges.pop()
        try:
            while at < end:
                first = data[at]
                start, length = header_of(data, at, end)
                stop = end if length is None else min(start + length, end)
                count += 1
                if count > elements:
                    raise LimitError(f"more than {elements:,} elements (limit-elements)")
                if first in (0x06, 0x88) and stop - start > BOUNDS.oid_bytes:
                    raise LimitError(f"an OBJECT IDENTIFIER of {stop - start:,} bytes (limit-oid)")
                inner = start + (first == 0x03)
                if first & 0x20 or (first in (0x03, 0x04) and data[inner : inner + 1] == b"\x30"):
                    ranges.append((inner, stop))
                at = stop
        except LimitError:
            raise
        except DecodeError:
            continue


class LimitError(DecodeError):
    """Bytes that are not read because that would take too long."""


def loaded(kind: Any, encoded: bytes) -> Any:
    """An asn1crypto value of a type, its bytes looked at before."""
    return kind.load(guarded(encoded))


def algorithm_of(encoded: bytes) -> str:
    """The OID of an AlgorithmIdentifier, in dots."""
    return oid_of(next(children_of(encoded), b""))


def element_length(data: bytes) -> int:
    """The number of bytes that the first element takes."""
    try:
        _, _, _, header, content, trailer = parser.parse(data)
    except ASN1_ERRORS as error:
        raise DecodeError(str(error).splitlines()[0]) from error
    return len(header) + len(content) + len(trailer)


def element(tag: int, content: bytes) -> bytes:
    """An element with this tag byte, in DER."""
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def claimed_length(data: bytes) -> int | None:
    """How long the first element says it is; None for the indefinite form or too few bytes."""
    if len(data) < 2:
        return None
    first = data[1]
    if first < 0x80:
        return 2 + first
    octets = first & 0x7F
    if not octets or len(data) < 2 + octets:
        return None
    return 2 + octets + int.from_bytes(data[2 : 2 + octets], "big")


def is_indefinite(data: bytes) -> bool:
    """Whether the first element uses BER's indefinite length."""
    return len(data) > 1 and data[1] == 0x80
