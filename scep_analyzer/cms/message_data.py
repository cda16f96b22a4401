"""What an envelope holds (RFC 8894, Section 3.2.2 and 3.3): told by its own form, not by the message type that carries it."""

from typing import Any

from asn1crypto import cms, core, crl, x509

from scep_analyzer.cms import algorithms, names
from scep_analyzer.cms.ber import ASN1_ERRORS, INTEGER, children, read
from scep_analyzer.cms.certificates import certificates_in, or_none, serial
from scep_analyzer.cms.requests import read_request
from scep_analyzer.model.anomalies import DecodeError
from scep_analyzer.model.content import Content, Crl

_MOST_WRAPPINGS = 4
"""PKCS #7 inside PKCS #7 (wire quirk 5.20) nests once in the field."""


def read_message_data(plain: bytes, depth: int = 0) -> Content:
    """Read the plaintext of an envelope; DecodeError where it is nothing that SCEP sends."""
    try:
        fields = list(children(read(plain).content))
        first, count = fields[0][0] if fields else 0, len(fields)
        if first == 0x06:
            return _content_info(plain, depth)
        if first == 0x30 and count == 2 and fields[1][0] == INTEGER:
            name = names.name_of(_name(fields[0]))
            return Content(
                "issuer-and-serial-number", len(plain), issuer=name, serial_number=serial(core.Integer.load(fields[1]))
            )
        if first == 0x30 and count == 2:
            issuer, subject = (names.name_of(_name(each)) for each in fields)
            return Content("issuer-and-subject", len(plain), issuer=issuer, subject=subject)
        if first == 0x30 and count == 3:
            return Content("pkcs10", len(plain), csr=read_request(plain))
    except ASN1_ERRORS as error:
        if isinstance(error, DecodeError):
            raise
        raise DecodeError(f"unreadable: {str(error).splitlines()[0]}") from error
    raise DecodeError("neither a PKCS #10 request, nor certificates, nor names")


def _name(encoded: bytes) -> Any:
    return x509.Name.load(encoded)


def _content_info(plain: bytes, depth: int) -> Content:
    info = cms.ContentInfo.load(plain)
    if info["content_type"].native == "data" and depth < _MOST_WRAPPINGS:
        return read_message_data(bytes(info["content"].native), depth + 1)
    if info["content_type"].native != "signed_data":
        raise DecodeError(f"a CMS {info['content_type'].native} inside the envelope")
    data = info["content"]
    certificates = tuple(certificates_in(data))
    lists = tuple(read_crl(each.chosen.dump()) for each in data["crls"] or () if each.name == "crl")
    if not certificates and not lists and depth < _MOST_WRAPPINGS:
        inner = or_none(lambda: bytes(data["encap_content_info"]["content"].native))
        if inner:
            return read_message_data(inner, depth + 1)
    return Content(
        "crl" if lists and not certificates else "certificates", len(plain), certificates=certificates, crls=lists
    )


def read_crl(encoded: bytes) -> Crl:
    """Read a CRL."""
    listed = crl.CertificateList.load(encoded)
    body = listed["tbs_cert_list"]
    return Crl(
        issuer=names.name_of(body["issuer"]),
        this_update=or_none(lambda: body["this_update"].native),
        next_update=or_none(lambda: body["next_update"].native),
        number=or_none(lambda: listed.crl_number_value.native),
        revoked=or_none(lambda: len(body["revoked_certificates"])) or 0,
        signature_algorithm=or_none(lambda: algorithms.name_of(listed["signature_algorithm"]["algorithm"].dotted)),
        encoded=bytes(encoded),
    )
