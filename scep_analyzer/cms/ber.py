"""BER below the level of types: elements, strings in pieces, and the errors that asn1crypto raises."""

from collections.abc import Iterator
from typing import NamedTuple

from asn1crypto import parser

from scep_analyzer.model.anomalies import DecodeError

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


def read(encoded: bytes) -> Element:
    """Read one element; a string in pieces (BER constructed) is joined."""
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


def children(content: bytes) -> Iterator[bytes]:
    """The elements that follow one another in a constructed element's content, each with its header."""
    at, count = 0, 0
    while at < len(content):
        # The length that the header claims spares copying what follows; only the indefinite form must be walked.
        size = claimed_length(content[at : at + 16]) or element_length(content[at:])
        count += 1
        if at + size > len(content):
            raise DecodeError(f"an element claims {size:,} bytes, {len(content) - at:,} are there")
        if count > _MOST_CHILDREN:
            raise DecodeError(f"more than {_MOST_CHILDREN:,} elements in one")
        yield content[at : at + size]
        at += size


def element_length(data: bytes) -> int:
    """The number of bytes that the first element takes."""
    try:
        _, _, _, header, content, trailer = parser.parse(data)
    except ASN1_ERRORS as error:
        raise DecodeError(str(error).splitlines()[0]) from error
    return len(header) + len(content) + len(trailer)


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
