"""What an envelope holds (RFC 8894, Section 3.2.2 and 3.3): told by its own form, not by the message type that carries it."""

import itertools
from collections import deque

from scep_analyzer.cms import algorithms, names
from scep_analyzer.cms.ber import ASN1_ERRORS, INTEGER, algorithm_of, children, children_of, oid_of, read, serial_in
from scep_analyzer.cms.certificates import or_none
from scep_analyzer.cms.requests import in_sequence, lacks_sequence, read_request
from scep_analyzer.cms.signed import certificates_in
from scep_analyzer.cms.values import GENERALIZED_TIME, UTC_TIME, integer, time_of
from scep_analyzer.model.anomalies import DecodeError
from scep_analyzer.model.content import Content, Crl
from scep_analyzer.model.limits import BOUNDS

_CRL_NUMBER = "2.5.29.20"
_MOST_WRAPPINGS = 4
"""PKCS #7 inside PKCS #7 (wire quirk 5.20) nests once in the field."""


def read_message_data(plain: bytes, depth: int = 0) -> Content:
    """Read the plaintext of an envelope; DecodeError where it is nothing that SCEP sends."""
    if lacks_sequence(plain):
        return Content("pkcs10", len(plain), csr=read_request(in_sequence(plain)), lacks_sequence=True)
    try:
        fields = list(children_of(plain))
        first, count = fields[0][0] if fields else 0, len(fields)
        if first == 0x06:
            return _content_info(plain, depth)
        if first == 0x30 and count == 2 and fields[1][0] == INTEGER:
            name = names.name_in(fields[0])
            return Content("issuer-and-serial-number", len(plain), issuer=name, serial_number=serial_in(fields[1]))
        if first == 0x30 and count == 2:
            issuer, subject = map(names.name_in, fields)
            return Content("issuer-and-subject", len(plain), issuer=issuer, subject=subject)
        if first == 0x30 and count == 3:
            return Content("pkcs10", len(plain), csr=read_request(plain))
    except ASN1_ERRORS as error:
        if isinstance(error, DecodeError):
            raise
        raise DecodeError(f"unreadable: {str(error).splitlines()[0]}") from error
    raise DecodeError("neither a PKCS #10 request, nor certificates, nor names")


def _content_info(plain: bytes, depth: int) -> Content:
    fields = list(children_of(plain))
    kind = algorithms.content_type(oid_of(fields[0]))
    inside = read(fields[1]).content if len(fields) > 1 else b""  # the explicit [0]
    if kind == "data" and depth < _MOST_WRAPPINGS:
        return read_message_data(read(inside).content, depth + 1)
    if kind != "signed_data":
        raise DecodeError(f"a CMS {kind} inside the envelope")
    parts = list(children_of(inside))
    certificates = tuple(certificates_in(parts))
    lists = tuple(
        read_crl(each)
        for part in parts
        if part[0] == 0xA1
        for each in itertools.islice(children_of(part), BOUNDS.certificates_each)
        if each[0] == 0x30
    )
    if not certificates and not lists and depth < _MOST_WRAPPINGS and len(parts) > 2:
        inner = or_none(lambda: read(read(list(children_of(parts[2]))[1]).content).content)
        if inner:
            return read_message_data(inner, depth + 1)
    return Content(
        "crl" if lists and not certificates else "certificates", len(plain), certificates=certificates, crls=lists
    )


def read_crl(encoded: bytes) -> Crl:
    """Read a CRL (RFC 5280, Section 5.1), below asn1crypto's types: one of a large CA has ten thousands of entries, which are counted."""
    body, algorithm, _ = children_of(encoded)
    fields = deque(children_of(body))
    if fields[0][0] == INTEGER:
        fields.popleft()  # the version
    if [each[0] for each in itertools.islice(fields, 2)] != [0x30, 0x30]:
        raise DecodeError("no CRL")
    fields.popleft()  # the signature's algorithm
    issuer = names.name_in(fields.popleft())
    times = [read(fields.popleft()) for _ in range(2) if fields and fields[0][0] in (UTC_TIME, GENERALIZED_TIME)]
    if not times:
        raise DecodeError("no CRL: it has no time")
    moments = [time_of(each.tag, each.content) for each in times]
    revoked = 0
    if fields and fields[0][0] == 0x30:
        revoked = _count(read(fields.popleft()).content)
    number = or_none(lambda: _number(fields[0])) if fields else None
    return Crl(
        issuer=issuer,
        this_update=moments[0],
        next_update=moments[1] if len(moments) > 1 else None,
        number=number,
        revoked=revoked,
        signature_algorithm=or_none(lambda: algorithms.name_of(algorithm_of(algorithm))),
        encoded=bytes(encoded),
    )


def _count(content: bytes) -> int:
    """How many elements there are, as far as they can be walked."""
    count = 0
    try:
        for _ in children(content):
            count += 1
    except DecodeError:
        pass
    return count


def _number(extensions: bytes) -> int | None:
    """The CRL's number among its extensions, in their explicit [0]."""
    for extension in children_of(read(extensions).content):
        kind, *_, value = children_of(extension)
        if oid_of(kind) == _CRL_NUMBER:
            return integer(read(read(value).content).content)
    return None
