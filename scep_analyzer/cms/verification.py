"""Digests and signatures (RFC 5652, Section 5.4-5.6): valid, invalid, or cannot tell, with the reason.

Signatures are tried over the bytes as they were sent first and over the DER-sorted form second: legacy clients sign what they send.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

from asn1crypto import parser

from scep_analyzer.cms import ber
from scep_analyzer.model.limits import BOUNDS
from scep_analyzer.model.remembered import remembered
from scep_analyzer.model.verdict import Verdict

_SIGNATURE_HASHES = {
    "md5WithRSAEncryption": "md5",
    "sha1WithRSAEncryption": "sha1",
    "sha1WithRSA": "sha1",
    "sha224WithRSAEncryption": "sha224",
    "sha256WithRSAEncryption": "sha256",
    "sha384WithRSAEncryption": "sha384",
    "sha512WithRSAEncryption": "sha512",
    "ecdsa-with-SHA1": "sha1",
    "ecdsa-with-SHA224": "sha224",
    "ecdsa-with-SHA256": "sha256",
    "ecdsa-with-SHA384": "sha384",
    "ecdsa-with-SHA512": "sha512",
}
# DER of the OIDs in a DigestInfo (RFC 8017, Section 9.2), for signatures that leave out the NULL.
_DIGEST_OIDS = {
    "md5": "06082a864886f70d0205",
    "sha1": "06052b0e03021a",
    "sha224": "0609608648016503040204",
    "sha256": "0609608648016503040201",
    "sha384": "0609608648016503040202",
    "sha512": "0609608648016503040203",
}


def check_digest(content: bytes, algorithm: str, expected: bytes | None) -> Verdict:
    """Compare a messageDigest with the digest of the content."""
    if expected is None:
        return Verdict(None, "there is no messageDigest attribute")
    if algorithm not in _DIGEST_OIDS:
        return Verdict(None, f"digest algorithm {algorithm} is not known")
    if hashlib.new(algorithm, content, usedforsecurity=False).digest() == expected:
        return Verdict(True, f"the messageDigest is the {algorithm} of the content")
    return Verdict(False, f"the messageDigest is not the {algorithm} of the content")


def check_attributes(key: bytes, attributes: bytes, signature: bytes, algorithm: str, digest: str) -> Verdict:
    """Check a signature over signed attributes, given as the content of their SET."""
    as_sent = set_of(attributes)
    verdict = check_signature(key, as_sent, signature, algorithm, digest)
    if verdict.valid is not False:
        return verdict
    in_order = set_of(b"".join(sorted(ber.children(attributes))))
    if in_order != as_sent and check_signature(key, in_order, signature, algorithm, digest).valid:
        return Verdict(True, "matches the attributes in DER order, not as they were sent")
    return verdict


def set_of(content: bytes) -> bytes:
    """The DER of a SET with this content: what is signed, whatever tag and length form was sent (RFC 5652, Section 5.4)."""
    return bytes(parser.emit(0, 1, ber.SET, content))


def check_signature(key: bytes, data: bytes, signature: bytes, algorithm: str, digest: str | None = None) -> Verdict:
    """Check a signature over ``data`` with a public key, given as DER SubjectPublicKeyInfo.

    ``algorithm`` is OpenSSL's word; for rsaEncryption ``digest`` names the hash.
    """
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

    named = _SIGNATURE_HASHES.get(algorithm)
    try:
        public = _public_key(key)
        if isinstance(public, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
            public.verify(signature, data)
            return Verdict(True, f"matches ({algorithm})")
        # The digestAlgorithm counts; some clients name another hash in the signatureAlgorithm.
        for candidate in dict.fromkeys(each for each in (digest, named) if each in _DIGEST_OIDS):
            if isinstance(public, rsa.RSAPublicKey):
                why = _matches_rsa(public, data, signature, algorithm, candidate)
            elif isinstance(public, ec.EllipticCurvePublicKey):
                why = _matches_ec(public, data, signature, candidate)
            else:
                return Verdict(None, f"a key of type {type(public).__name__} is not checked")
            if why is not None:
                other = f", made with {candidate} where {digest} is named" if digest not in (candidate, None) else ""
                return Verdict(True, why + other)
        if (named or digest) not in _DIGEST_OIDS and algorithm != "rsassaPss":
            return Verdict(None, f"signature algorithm {algorithm} with {digest} is not known")
        return Verdict(False, f"does not match ({algorithm}, {digest or named})")
    except InvalidSignature:
        return Verdict(False, f"does not match ({algorithm})")
    except UnsupportedAlgorithm as error:
        return Verdict(None, f"the cryptography library refuses it: {error}")
    except ValueError as error:
        return Verdict(None, f"the public key cannot be used: {str(error).splitlines()[0]}")


@remembered(1024, 1024)
def _public_key(key: bytes) -> Any:
    """The key, ValueError where using it would take too long: the time of a check is the attacker's choice."""
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    if len(key) > BOUNDS.key_bytes:
        raise ValueError(f"it has {len(key):,} bytes, more than {BOUNDS.key_bytes:,} (limit-key)")
    public = load_der_public_key(key)
    if isinstance(public, rsa.RSAPublicKey):
        exponent = public.public_numbers().e.bit_length()
        if public.key_size > BOUNDS.modulus_bits or exponent > BOUNDS.exponent_bits:
            what = f"its modulus has {public.key_size:,} bits, its exponent {exponent:,}"
            raise ValueError(f"{what}; OpenSSL takes {BOUNDS.modulus_bits:,} and {BOUNDS.exponent_bits} (limit-key)")
    return public


def _matches_rsa(public: Any, data: bytes, signature: bytes, algorithm: str, digest: str) -> str | None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    chosen = getattr(hashes, digest.upper())()
    if algorithm == "rsassaPss":
        try:
            public.verify(signature, data, padding.PSS(padding.MGF1(chosen), padding.PSS.AUTO), chosen)
        except InvalidSignature:
            return None
        return "matches (RSASSA-PSS)"
    try:
        public.verify(signature, data, padding.PKCS1v15(), chosen)
    except InvalidSignature:
        pass
    else:
        return "matches the bytes as they were sent"
    try:
        recovered = public.recover_data_from_signature(signature, padding.PKCS1v15(), None)
    except InvalidSignature:
        return None
    value = hashlib.new(digest, data, usedforsecurity=False).digest()
    return next((why for form, why in _digest_infos(digest, value) if form == recovered), None)


def _digest_infos(digest: str, value: bytes) -> Iterator[tuple[bytes, str]]:
    """Forms of a DigestInfo that strict verification refuses."""
    oid = bytes.fromhex(_DIGEST_OIDS[digest])
    inner = bytes([0x30, len(oid)]) + oid + bytes([0x04, len(value)]) + value
    yield bytes([0x30, len(inner)]) + inner, "matches; the DigestInfo inside lacks its NULL"
    yield value, "matches; the bare digest is signed, without a DigestInfo"


def _matches_ec(public: Any, data: bytes, signature: bytes, digest: str) -> str | None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        public.verify(signature, data, ec.ECDSA(getattr(hashes, digest.upper())()))
    except InvalidSignature:
        return None
    return "matches the bytes as they were sent"
