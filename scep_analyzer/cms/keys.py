"""Private keys: PEM or DER, PKCS #8, PKCS #1, SEC 1 or PKCS #12, encrypted or not. They are held in memory and never written."""

from dataclasses import dataclass
from typing import Any

from scep_analyzer.model.anomalies import AnalyzerError


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A private key and where it came from. ``public`` is its DER SubjectPublicKeyInfo."""

    source: str
    private: Any
    public: bytes


def read_private_key(data: bytes, source: str, password: bytes | None = None) -> PrivateKey:
    """Read one private key, whatever it is wrapped in; AnalyzerError says what to do where it cannot be."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    private = _load(data, source, password)
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return PrivateKey(source, private, public)


def _load(data: bytes, source: str, password: bytes | None) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key, pkcs12

    pem = b"-----BEGIN" in data
    attempts = [load_pem_private_key] if pem else [load_der_private_key]
    problems = []
    for attempt in attempts:
        # Without a password needed, one that is given anyway is not a mistake: it may be another key's.
        for secret in (password, None) if password is not None else (None,):
            try:
                return attempt(data, secret)
            except (ValueError, TypeError, UnsupportedAlgorithm) as error:
                problems.append(str(error))
    if not pem:
        for secret in dict.fromkeys((password, None, b"")):
            try:
                private, _, _ = pkcs12.load_key_and_certificates(data, secret)
            except (ValueError, TypeError, UnsupportedAlgorithm) as error:
                problems.append(str(error))
            else:
                if private is not None:
                    return private
                raise AnalyzerError(f"{source}: the PKCS #12 file holds no private key; export it with its key")
    said = " ".join(problems).lower()
    if "password was not given" in said or (password is None and ("password" in said or b"ENCRYPTED" in data)):
        raise AnalyzerError(f"{source}: the key is encrypted; give its password with --key-password-file FILE")
    if password is not None and ("password" in said or "decrypt" in said or "mac" in said):
        raise AnalyzerError(
            f"{source}: the password does not open the key; check the file given with --key-password-file"
        )
    if b"CERTIFICATE" in data and b"PRIVATE KEY" not in data:
        raise AnalyzerError(f"{source}: a certificate, not a private key; give the key that belongs to it")
    raise AnalyzerError(f"{source}: not a private key that can be read; give PEM, DER or PKCS #12")
