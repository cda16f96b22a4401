"""X.509 certificates as values: what a reader of a SCEP trace asks of them (RFC 5280)."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class PublicKey:
    """``algorithm`` in lower case (rsa, ec, ed25519 …); ``bits`` of the modulus or curve; ``fingerprint`` is the SHA-256 of
    the SubjectPublicKeyInfo, by which keys are compared.
    """  # noqa: D205  # one sentence a field

    algorithm: str
    bits: int | None
    curve: str | None
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate. A field that cannot be read is None; it does not take the certificate with it.

    Names are RFC 4514 strings, serial numbers and fingerprints lower-case hex. ``role`` is what the certificate does
    in this exchange: ca, ra, ra-signing, ra-encryption, requester, issued.
    """

    subject: str
    issuer: str
    serial_number: str
    not_before: datetime | None
    not_after: datetime | None
    public_key: PublicKey | None
    signature_algorithm: str | None
    fingerprint_sha256: str
    fingerprint_sha1: str
    is_ca: bool
    self_issued: bool
    key_usage: tuple[str, ...] | None
    extended_key_usage: tuple[str, ...] | None
    subject_alt_names: tuple[str, ...]
    critical_extensions: tuple[str, ...]
    role: str | None = None

    @property
    def identity(self) -> tuple[str, str]:
        """Issuer and serial number, by which CMS names a certificate (RFC 5652, Section 10.2.4)."""
        return self.issuer, self.serial_number
