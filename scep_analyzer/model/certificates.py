"""X.509 certificates as values: what a reader of a SCEP trace asks of them (RFC 5280)."""

import hashlib
from datetime import datetime
from typing import NamedTuple

from scep_analyzer.model.values import written
from scep_analyzer.model.verdict import NOT_TOLD, Verdict


class PublicKey(NamedTuple):
    """``algorithm`` in lower case (rsa, ec, ed25519 …), ``bits`` of the modulus or curve, ``encoded`` the DER
    SubjectPublicKeyInfo.
    """  # noqa: D205  # one sentence for three fields

    algorithm: str
    bits: int | None
    curve: str | None
    encoded: bytes

    def __repr__(self) -> str:
        return written(self, "encoded")

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the SubjectPublicKeyInfo."""
        return hashlib.sha256(self.encoded).hexdigest()


class Certificate(NamedTuple):
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
    encoded: bytes = b""
    """The DER."""
    issuer_index: int | None = None
    """Which certificate of the same set issued this one (its own index where it is self-signed), None where none did."""
    issuer_signature: Verdict = NOT_TOLD
    """Whether that certificate's key made this one's signature."""

    def __repr__(self) -> str:
        return written(self, "encoded")

    @property
    def identity(self) -> tuple[str, str]:
        """Issuer and serial number, by which CMS names a certificate (RFC 5652, Section 10.2.4)."""
        return self.issuer, self.serial_number
