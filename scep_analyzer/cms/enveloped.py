"""EnvelopedData (RFC 5652, Section 6) from outside: for whom and how it is encrypted."""

import re

from scep_analyzer.cms import algorithms, names
from scep_analyzer.cms.ber import (
    ASN1_ERRORS,
    OCTET_STRING,
    algorithm_of,
    children,
    children_of,
    oid_of,
    read,
    serial_in,
)
from scep_analyzer.cms.challenge import shown
from scep_analyzer.model.anomalies import DecodeError
from scep_analyzer.model.scep import Envelope, Recipient

# RecipientInfo by its first byte (RFC 5652, Section 6.2).
_TRANSPORT = 0x30
_KINDS = {_TRANSPORT: "key-transport", 0xA1: "key-agreement", 0xA2: "kek", 0xA3: "password", 0xA4: "other"}
_ENVELOPES = ("enveloped_data", "authenticated_enveloped_data")
_FORM = re.compile(rb"\x02\xa0?\x31\x30")


def read_envelope(encoded: bytes) -> Envelope:
    """Read a ContentInfo that holds EnvelopedData or AuthEnvelopedData.

    The encrypted content itself is not touched: Go's SCEP library writes it as a constructed [0] of definite length,
    which asn1crypto refuses.
    """
    try:
        kind_of, content = list(children_of(encoded))[:2]
        kind = algorithms.content_type(oid_of(kind_of))
        envelope = _envelope(read(content).content) if kind in _ENVELOPES else None
    except ASN1_ERRORS as error:
        raise DecodeError(f"no EnvelopedData: {str(error).splitlines()[0]}") from error
    if envelope is None:
        raise DecodeError(f"a CMS {kind} where an EnvelopedData is expected")
    return envelope


def _envelope(encoded: bytes) -> Envelope:
    parts = list(children_of(encoded))
    if _FORM.match(bytes(each[0] for each in parts)) is None:
        raise DecodeError("it is not of the form that RFC 5652, Section 6.1 gives it")
    set_at = 2 if parts[1][0] == 0xA0 else 1
    recipients = list(children_of(parts[set_at]))
    transport = next((each for each in recipients if each[0] == _TRANSPORT), None)
    inner, algorithm, *encrypted = list(children_of(parts[set_at + 1]))[:3]
    parameters = list(children_of(algorithm))[1:2]
    return Envelope(
        recipients=tuple(map(_recipient, recipients)),
        key_encryption_algorithm=algorithms.name_of(algorithm_of(list(children_of(transport))[2]))
        if transport
        else None,
        content_encryption_algorithm=algorithms.name_of(algorithm_of(algorithm)),
        content_type=oid_of(inner),
        iv_length=len(read(parameters[0]).content) if parameters and parameters[0][0] == OCTET_STRING else None,
        ciphertext_length=_octets(encrypted[0]) if encrypted else None,
        pieces=len(list(children_of(encrypted[0]))) if encrypted and encrypted[0][0] & 0x20 else 0,
    )


def _octets(encoded: bytes) -> int:
    """Bytes of an OCTET STRING, in one piece or several, whatever its tag."""
    element = read(encoded)
    if not encoded[0] & 0x20:
        return len(element.content)
    return sum(_octets(each) for each in children(element.content))


def _recipient(encoded: bytes) -> Recipient:
    kind = _KINDS.get(encoded[0], "other")
    if encoded[0] != _TRANSPORT:
        return Recipient(kind=kind, issuer=None, serial_number=None)
    parts = list(children_of(encoded))
    who, length = parts[1], len(read(parts[3]).content) if len(parts) > 3 else None
    if who[0] != _TRANSPORT:
        return Recipient(
            kind=kind,
            issuer=None,
            serial_number=None,
            key_identifier=shown(read(who).content),
            encrypted_key_length=length,
        )
    issuer, number = list(children_of(who))[:2]
    return Recipient(
        kind=kind,
        issuer=names.name_in(issuer),
        serial_number=serial_in(number),
        key_identifier=None,
        encrypted_key_length=length,
    )
