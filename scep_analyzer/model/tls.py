"""TLS handshakes as values: what they tell without keys (RFC 5246, RFC 8446)."""

from typing import NamedTuple

from scep_analyzer.model.packets import Endpoint
from scep_analyzer.model.values import written


class Secrets(NamedTuple):
    """What undoes TLS, as paths: a key log, and RSA keys (PEM, not encrypted) for key exchanges without forward secrecy."""

    keylog: str | None = None
    content: bytes | None = None
    """What the key log holds."""
    rsa_keys: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return written(self, "content")


NO_SECRETS = Secrets()


class Alert(NamedTuple):
    """An alert, sent in the clear or decrypted."""

    frame: int
    by_client: bool
    fatal: bool
    code: int


class Handshake(NamedTuple):
    """One TLS connection. ``version`` is what the server chose (0x0303 for TLS 1.2, 0x0304 for 1.3), ``offered`` the client's highest."""

    connection: int
    client: Endpoint
    server: Endpoint
    frame: int
    time_ns: int | None
    name: str | None
    """The server_name that the client asks for."""
    client_random: str
    offered: int
    ciphers: tuple[int, ...]
    version: int | None
    cipher: int | None
    certificates: tuple[bytes, ...]
    """The server's, in DER; empty from TLS 1.3 on, which encrypts them."""
    certificate_frame: int | None
    certificate_requested: int | None
    """The frame of the server's CertificateRequest."""
    client_certificate: bool | None
    """Whether the client sent a certificate; None where it was not asked, or cannot be seen."""
    alerts: tuple[Alert, ...]
    application_data: bool
    """Whether data flowed in both directions after the handshake."""
    closed_by_client: int | None
    """The frame in which the client ended the connection."""
    http: int | None = None
    """The frame in which the server answered in HTTP, not TLS."""
    decrypted: bool = False
    """Its data was decrypted."""
