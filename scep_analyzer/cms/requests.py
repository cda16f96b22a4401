"""PKCS #10 requests (RFC 2986), with the attributes of RFC 2985 and Microsoft's."""

from typing import Any

from asn1crypto import csr, x509

from scep_analyzer.cms import algorithms, names
from scep_analyzer.cms.ber import ASN1_ERRORS, children, children_of, element, loaded, oid_of, read
from scep_analyzer.cms.certificates import (
    alt_names_of,
    extended_key_usage_of,
    key_usage_of,
    oid_in,
    or_none,
    public_key_of,
)
from scep_analyzer.cms.challenge import holds_secret, shown
from scep_analyzer.cms.extensions import extensions_in_words
from scep_analyzer.cms.grammar import CHALLENGE_PASSWORD, EXTENSION_REQUESTS
from scep_analyzer.cms.verification import check_signature
from scep_analyzer.model.anomalies import DecodeError
from scep_analyzer.model.content import ChallengePassword, Csr, NamedValue
from scep_analyzer.model.limits import BOUNDS
from scep_analyzer.model.verdict import NOT_TOLD

_NAME_VALUE_PAIR = "1.3.6.1.4.1.311.13.2.1"
ATTRIBUTES = {
    "1.2.840.113549.1.9.2": "unstructuredName",
    "1.2.840.113549.1.9.8": "unstructuredAddress",
    "1.3.6.1.4.1.311.13.2.1": "enrollmentNameValuePair",
    "1.3.6.1.4.1.311.13.2.2": "enrollmentCSP",
    "1.3.6.1.4.1.311.13.2.3": "osVersion",
    "1.3.6.1.4.1.311.21.20": "requestClientInfo",
    "1.3.6.1.4.1.311.20.2": "certificateTemplateName",
    "1.2.840.113549.1.9.1": "emailAddress",
}


def lacks_sequence(encoded: bytes) -> bool:
    """Whether these are the three parts of a request (RFC 2986, Section 4.2) without the SEQUENCE around them.

    .NET writes the content of another type than id-data so: it leaves the outermost header out.
    """
    try:
        parts = list(children(encoded)) if encoded[:1] == b"\x30" else []
        if [part[:1] for part in parts] != [b"\x30", b"\x30", b"\x03"]:
            return False
        return [part[:1] for part in children_of(parts[0])][:3] == [b"\x02", b"\x30", b"\x30"]
    except ASN1_ERRORS:
        return False


def in_sequence(encoded: bytes) -> bytes:
    """The same elements with a SEQUENCE around them."""
    return element(0x30, encoded)


def read_request(encoded: bytes) -> Csr:
    """Read a request leniently: attributes need not be in DER order (strongSwan's are not)."""
    try:
        if len(encoded) > BOUNDS.certificate_bytes:
            raise DecodeError(f"{len(encoded):,} bytes are not read as a request (limit-certificate)")
        request = loaded(csr.CertificationRequest, encoded)
        info = request["certification_request_info"]
        key = public_key_of(info["subject_pk_info"])
        algorithm = algorithms.name_of(oid_in(request["signature_algorithm"]["algorithm"]))
        subject = names.name_of(info["subject"])
        attributes = _attributes(info)
        signature = NOT_TOLD
        if key is not None:
            value = read(request["signature"].dump()).content[1:]  # the first octet counts unused bits
            signature = check_signature(key.encoded, info.dump(), value, algorithm)
    except ASN1_ERRORS as error:
        if isinstance(error, DecodeError):
            raise
        raise DecodeError(f"no PKCS #10 request: {str(error).splitlines()[0]}") from error
    challenge, extensions, others = None, [], []
    for kind, values in attributes:
        if kind == CHALLENGE_PASSWORD and values:
            element = read(values[0])
            challenge = ChallengePassword(element.type_name, element.text() or element.content.hex())
        elif kind in EXTENSION_REQUESTS and values:
            extensions += _extensions(values[0])
        else:
            others.append(NamedValue(kind, ATTRIBUTES.get(kind), ", ".join(_in_words(kind, each) for each in values)))
    by_oid = {}
    for each in extensions:
        oid = or_none(lambda each=each: oid_in(each["extn_id"]))  # type: ignore[misc]  # mypy cannot infer a lambda's default
        if oid is not None:
            by_oid[oid] = each
    return Csr(
        subject=subject,
        public_key=key,
        signature_algorithm=algorithm,
        signature=signature,
        challenge_password=challenge,
        subject_alt_names=or_none(lambda: alt_names_of(by_oid["2.5.29.17"])) or (),
        key_usage=or_none(lambda: key_usage_of(by_oid["2.5.29.15"])),
        extended_key_usage=or_none(lambda: extended_key_usage_of(by_oid["2.5.29.37"])),
        extensions=extensions_in_words(extensions),
        attributes=tuple(others),
        encoded=bytes(encoded),
        attribute_types=tuple(kind for kind, _ in attributes),
    )


def _attributes(info: Any) -> list[tuple[str, list[bytes]]]:
    """(OID, encoded values) of each attribute, read below asn1crypto's types, which refuse unexpected values."""
    fields = list(children_of(info.dump()))
    field = next((each for each in fields[3:] if each[0] == 0xA0), None)
    found = []
    for attribute in children_of(field) if field is not None else ():
        kind, values = list(children_of(attribute))[:2]
        found.append((oid_of(kind), list(children_of(values))))
    return found


def _extensions(encoded: bytes) -> list[Any]:
    return or_none(lambda: list(loaded(x509.Extensions, encoded))) or []


def _in_words(oid: str, encoded: bytes) -> str:
    if oid == _NAME_VALUE_PAIR:
        pair = or_none(lambda: [read(each).text() for each in children_of(encoded)])
        if pair is not None and len(pair) == 2:
            return f"{pair[0]}={pair[1]}"
    element = or_none(lambda: read(encoded))
    text = element.text() if element is not None else None
    return text if text is not None and not holds_secret(encoded) else shown(encoded)
