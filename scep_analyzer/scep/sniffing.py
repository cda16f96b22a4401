"""What a body is that should be SCEP and is not: its kind in a word or two, from its first bytes."""

import re

from scep_analyzer.cms.ber import ASN1_ERRORS, children_of, claimed_length
from scep_analyzer.cms.certificates import read_certificate
from scep_analyzer.cms.requests import read_request
from scep_analyzer.model.anomalies import DecodeError
from scep_analyzer.model.patterns import lazily

_PEM = lazily(rb"-----BEGIN ([A-Z0-9 ]+)-----")
_STARTS = (
    (b"<?xml", "XML"),
    (b"<!DOCTYPE plist", "a property list"),
    (b"bplist", "a property list"),
    (b"{", "JSON"),
    (b"<", "HTML"),
    (b"\x1f\x8b", "gzip"),
    (b"message=", "a form"),
)


def kind_of(body: bytes) -> str:
    """Name what a body is. Not more than its first bytes and, for DER, its outer form tell."""
    start = body[:256].lstrip()
    if start[:3] == b"\xef\xbb\xbf":
        start = start[3:].lstrip()
    if b"<plist" in body[:512]:
        return "a property list"
    if start[:9].lower() == b"<!doctype" or start[:5].lower() == b"<html" or start[:2] == b"<\0":
        return "HTML"
    pem = _PEM.search(body[:4096])
    if pem is not None:
        return f"PEM ({pem[1].decode('ascii').lower()})"
    for sign, name in _STARTS:
        if start.startswith(sign):
            return name
    if start[:1] == b"\x30" and not _is_text(body):
        return _der(body)
    if not start:
        return "empty"
    if re.fullmatch(rb"[0-9A-Fa-f\s]+", body[:4096]):
        return "hexadecimal digits"
    if re.fullmatch(rb"[A-Za-z0-9+/=_\s-]+", body[:4096]):
        return "base64" if len(start) > 64 else "text"
    return "text" if _is_text(body) else "binary data"


def _is_text(body: bytes) -> bool:
    start = body[:512]
    return sum(32 <= each < 127 or each in b"\r\n\t" for each in start) > 0.95 * len(start)


def _der(body: bytes) -> str:
    claimed = claimed_length(body)
    if claimed is not None and claimed > len(body):
        return f"DER that ends after {len(body):,} of {claimed:,} bytes"
    for reader, name in ((read_request, "a PKCS #10 request"), (read_certificate, "a certificate")):
        try:
            reader(body)
        except (DecodeError, *ASN1_ERRORS):
            continue
        return name
    try:
        first = next(iter(children_of(body)), b"")
    except ASN1_ERRORS:
        return "damaged DER"
    return "another CMS structure" if first[:1] == b"\x06" else "other DER"
