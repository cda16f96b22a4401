"""Words that several rules use, so that they say the same thing in the same way."""

from datetime import datetime, timedelta

from scep_analyzer.model.certificates import Certificate
from scep_analyzer.model.scep import Recipient
from scep_analyzer.model.secrets import without_secrets

Identity = tuple[str, str]


def count(number: int, thing: str, things: str | None = None) -> str:
    """A number and its noun."""
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"


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


def seconds(nanoseconds: int) -> str:
    """A length of time in seconds."""
    if nanoseconds < 50_000_000:
        return "less than 0.1 s"
    return f"{nanoseconds / 1e9:,.1f} s" if nanoseconds < 100 * 10**9 else f"{nanoseconds / 1e9:,.0f} s"


def long(span: timedelta) -> str:
    """A length of time in the unit that suits it."""
    total = abs(span.total_seconds())
    for size, unit in ((86_400 * 365, "years"), (86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if total >= 2 * size:
            return f"{total / size:,.0f} {unit}"
    return f"{total:,.0f} seconds"


def shown(text: str, most: int = 60) -> str:
    """A text from the wire, without secrets, cut and quoted."""
    return quoted(without_secrets(text), most)


def quoted(text: str, most: int = 60) -> str:
    """A text that is no URL and has no place for a secret, cut and quoted."""
    return f"“{text if len(text) <= most else text[: most - 1] + '…'}”"


def hexes(value: str, most: int = 32) -> str:
    """Hexadecimal digits, cut."""
    return value if len(value) <= most else value[:most] + "…"
