"""What programs say of a message that they do not print: status lines, lengths, results. A table: how a line looks, and what is told."""

import re
from collections.abc import Iterator

from scep_analyzer.pasted.pieces import Piece, Then

_LINES = (
    # sscep 0.6 to 0.10 and FortiOS (diagnose debug application scep), which has its code.
    (re.compile(rb"server (?:returned|response) status code:? (\d{3})\b"), "the HTTP response {}"),
    (re.compile(rb"\bpkistatus: (SUCCESS|FAILURE|PENDING)\b"), "pkiStatus {}, as sscep prints it"),
    # Apple's description of NSData, from macOS 10.15 and iOS 13 on.
    (
        re.compile(rb"\{length = (\d{1,9}), bytes = 0x[0-9a-f ]{1,200}\.\.\. ?[0-9a-f ]{1,100}\}"),
        "the beginning and the end of {} bytes, which Apple's log shows of long data",
    ),
    (
        re.compile(rb"\[ ?Another (\d{1,9}) bytes skipped ?\]"),
        "a listing of dumpasn1 that leaves out {} bytes (use -a)",
    ),
    (re.compile(rb"<SPACES/NULS>()"), "a dump of OpenSSL that leaves out spaces and zero bytes at its end"),
)


def said(data: bytes) -> Iterator[Piece]:
    """What is told of messages that are not in the input."""
    for pattern, told in _LINES:
        for match in pattern.finditer(data):
            content = told.format(match[1].decode("ascii")).encode()
            yield Piece(start=match.start(), end=match.end(), content=content, form="", then=Then.TOLD)
