"""Words that several rules use, so that they say the same thing in the same way."""

from datetime import datetime, timedelta

from scep_analyzer.model import words
from scep_analyzer.model.certificates import Certificate
from scep_analyzer.model.scep import Recipient
from scep_analyzer.model.secrets import without_secrets

Identity = tuple[str, str]


count, seconds = words.count, words.span
"""A number and its noun; a length of time."""


def serial(identity: Identity | None) -> str:
    """A certificate by what CMS names it with: not by its own name, which may not be known."""
    return (
        f"certificate {identity[1]} issued by {identity[0] or '(empty name)'}"
        if identity is not None
        else "an unnamed certificate"
    )


def recipient_words(recipient: Recipient) -> str:
    """For whom something is encrypted."""
    if recipient.identity is not None:
        return f"issuer {recipient.issuer or '(empty name)'}, serial {recipient.serial_number}"
    if recipient.key_identifier:
        return f"key identifier {recipient.key_identifier}"
    return f"a {recipient.kind} recipient"


ROLES = {
    "requester": "the requester's certificate",
    "issued": "an issued certificate",
    "ca": "a CA certificate",
    "ra": "an RA certificate",
    "ra-signing": "an RA's signing certificate",
    "ra-encryption": "an RA's encryption certificate",
}


def certificate_words(certificate: Certificate) -> str:
    """A certificate: subject, serial number, role."""
    role = ROLES.get(certificate.role or "", "a certificate")
    return f"{certificate.subject or '(empty subject)'} serial {certificate.serial_number} ({role})"


def usage_words(certificate: Certificate) -> str:
    """A certificate's keyUsage."""
    return ", ".join(certificate.key_usage) if certificate.key_usage else "none"


def day(value: datetime | None) -> str:
    """A moment, to the minute."""
    return f"{value.isoformat(' ', 'minutes')[:16]} UTC" if value is not None else "unknown"


def long(span: timedelta) -> str:
    """How far two moments are apart, whichever is the earlier."""
    return words.span(abs(span // timedelta(microseconds=1)) * 1_000)


def shown(text: str, most: int = 60) -> str:
    """A text from the wire, without secrets, cut and quoted."""
    return quoted(without_secrets(text), most)


def quoted(text: str, most: int = 60) -> str:
    """A text that is no URL and has no place for a secret, cut and quoted."""
    return f"“{text if len(text) <= most else text[: most - 1] + '…'}”"


def hexes(value: str, most: int = 32) -> str:
    """Hexadecimal digits, cut."""
    return value if len(value) <= most else value[:most] + "…"
