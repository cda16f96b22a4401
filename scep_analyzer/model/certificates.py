"""X.509 certificates as values: what a reader of a SCEP trace asks of them (RFC 5280)."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime

from scep_analyzer.model.verdict import NOT_TOLD, Verdict


@dataclass(frozen=True, slots=True)
class PublicKey:
    """``algorithm`` in lower case (rsa, ec, ed25519 …), ``bits`` of the modulus or curve, ``encoded`` the DER
    SubjectPublicKeyInfo.
    """  # noqa: D205  # one sentence for three fields

    algorithm: str
    bits: int | None
    curve: str | None
    encoded: bytes = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the SubjectPublicKeyInfo."""
        return hashlib.sha256(self.encoded).hexdigest()


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
    encoded: bytes = field(default=b"", repr=False)
    """The DER."""
    issuer_index: int | None = None
    """Which certificate of the same set issued this one (its own index where it is self-signed), None where none did."""
    issuer_signature: Verdict = NOT_TOLD
    """Whether that certificate's key made this one's signature."""

    @property
    def identity(self) -> tuple[str, str]:
        """Issuer and serial number, by which CMS names a certificate (RFC 5652, Section 10.2.4)."""
        return self.issuer, self.serial_number
