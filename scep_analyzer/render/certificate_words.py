"""Certificates in a few words."""

from datetime import datetime

from scep_analyzer.model.certificates import Certificate
from scep_analyzer.render.times import span

ROLES = {
    "ca": "CA",
    "ra": "RA",
    "ra-signing": "RA signing",
    "ra-encryption": "RA encryption",
    "requester": "requester",
    "issued": "issued",
}


def key_words(certificate: Certificate) -> str:
    """The key in a few words: RSA 2048, EC secp256r1."""
    key = certificate.public_key
    if key is None:
        return "unreadable key"
    return f"{key.algorithm.upper()} {key.curve or key.bits or ''}".strip()


def validity_words(certificate: Certificate, moment: datetime | None) -> tuple[str, bool]:
    """The validity, and whether ``moment`` lies outside it."""
    start, end = certificate.not_before, certificate.not_after
    if start is None or end is None:
        return "validity unreadable", False
    text = f"valid {start:%Y-%m-%d} to {end:%Y-%m-%d %H:%M} UTC"
    if moment is not None and moment > end:
        return f"{text}: EXPIRED {span(int((moment - end).total_seconds()) * 1_000_000_000)} before this exchange", True
    if moment is not None and moment < start:
        return f"{text}: NOT YET VALID, by {span(int((start - moment).total_seconds()) * 1_000_000_000)}", True
    return text, False
