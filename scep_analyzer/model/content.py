"""What an opened envelope holds, as values."""

from datetime import datetime
from typing import NamedTuple

from scep_analyzer.model.certificates import Certificate, PublicKey
from scep_analyzer.model.values import written
from scep_analyzer.model.verdict import Verdict


class ChallengePassword(NamedTuple):
    """challengePassword (RFC 2985, Section 5.4.1). The value is a secret: renderers show it only on request."""

    string_type: str
    value: str

    def __repr__(self) -> str:
        return written(self, "value")


class NamedValue(NamedTuple):
    """An attribute or extension in words: OID, name if known, value as text, whether it is critical."""

    oid: str
    name: str | None
    value: str
    critical: bool = False


class Csr(NamedTuple):
    """A PKCS #10 request (RFC 2986). ``extensions`` are those it asks for, ``attributes`` the rest."""

    subject: str
    public_key: PublicKey | None
    signature_algorithm: str | None
    signature: Verdict
    challenge_password: ChallengePassword | None
    subject_alt_names: tuple[str, ...]
    key_usage: tuple[str, ...] | None
    extended_key_usage: tuple[str, ...] | None
    extensions: tuple[NamedValue, ...]
    attributes: tuple[NamedValue, ...]
    encoded: bytes = b""
    """The DER."""
    attribute_types: tuple[str, ...] = ()
    """The OID of every attribute, in order, repeated as often as it is sent."""

    def __repr__(self) -> str:
        return written(self, "encoded")


class Crl(NamedTuple):
    """A certificate revocation list (RFC 5280, Section 5)."""

    issuer: str
    this_update: datetime | None
    next_update: datetime | None
    number: int | None
    revoked: int
    signature_algorithm: str | None
    encoded: bytes = b""
    """The DER."""

    def __repr__(self) -> str:
        return written(self, "encoded")


class Content(NamedTuple):
    """messageData (RFC 8894, Section 3.2.2). ``kind`` is pkcs10, certificates, crl, issuer-and-subject,
    issuer-and-serial-number or unknown; the fields of other kinds are empty.
    """  # noqa: D205  # one sentence lists the kinds

    kind: str
    length: int
    csr: Csr | None = None
    certificates: tuple[Certificate, ...] = ()
    crls: tuple[Crl, ...] = ()
    issuer: str | None = None
    subject: str | None = None
    serial_number: str | None = None
    lacks_sequence: bool = False
    """Whether the SEQUENCE around the request was missing (RFC 2986, Section 4.2), and it was read as if it were there."""
