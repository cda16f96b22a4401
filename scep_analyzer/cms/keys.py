"""Private keys: PEM or DER, PKCS #8, PKCS #1, SEC 1 or PKCS #12, encrypted or not. They are held in memory and never written."""

from dataclasses import dataclass
from typing import Any

from scep_analyzer.cms.ber import children_of
from scep_analyzer.model.anomalies import AnalyzerError, DecodeError

_PRIVATE = b"PRIVATE KEY-----"


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A private key and where it came from. ``public`` is its DER SubjectPublicKeyInfo."""

    source: str
    private: Any
    public: bytes


class LockedKeyError(AnalyzerError):
    """The key is encrypted, and no password was given, or one that does not open it."""


def read_private_key(data: bytes, source: str, password: bytes | None = None) -> PrivateKey:
    """Read one private key, whatever it is wrapped in; AnalyzerError says what to do where it cannot be."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    private = _load(data, source, password)
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return PrivateKey(source, private, public)


def keys_in(data: bytes) -> list[bytes]:
    """The private keys of a file, each alone: a PEM file may hold several (RFC 7468, Section 2), any other is one."""
    begin = b"-----BEGIN "
    blocks = [begin + each for each in data.split(begin)[1:] if each.partition(b"\n")[0].rstrip().endswith(_PRIVATE)]
    return blocks if len(blocks) > 1 else [data]


def _load(data: bytes, source: str, password: bytes | None) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key, pkcs12

    pem = b"-----BEGIN" in data
    attempt = load_pem_private_key if pem else load_der_private_key
    # Without a password needed, one that is given anyway is not a mistake: it may be another key's.
    for secret in (password, None) if password is not None else (None,):
        try:
            return attempt(data, secret)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            continue
    for secret in () if pem else dict.fromkeys((password, None, b"")):
        try:
            private, _, _ = pkcs12.load_key_and_certificates(data, secret)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            continue
        if private is None:
            raise AnalyzerError(f"{source}: the PKCS #12 file holds no private key; export it with its key")
        return private
    if b"CERTIFICATE" in data and b"PRIVATE KEY" not in data:
        raise AnalyzerError(f"{source}: a certificate, not a private key; give the key that belongs to it")
    if _is_encrypted(data, pem=pem):
        if password is None:
            raise LockedKeyError(f"{source}: the key is encrypted; give its password with --key-password-file FILE")
        raise LockedKeyError(
            f"{source}: the password does not open the key; check the file given with --key-password-file"
        )
    raise AnalyzerError(f"{source}: not a private key that can be read; give PEM, DER or PKCS #12")


def _is_encrypted(data: bytes, *, pem: bool) -> bool:
    """Told by form and not by the library's words: EncryptedPrivateKeyInfo (RFC 5958), old PEM headers, or PKCS #12."""
    if pem:
        return b"ENCRYPTED" in data
    try:
        tags = [each[0] for each in children_of(data)]
    except DecodeError:
        return False
    return tags == [0x30, 0x04] or tags in ([0x02, 0x30, 0x30], [0x02, 0x30])
