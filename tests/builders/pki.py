"""Certificates and SCEP messages to the byte: fixed keys, fixed times, seeded randomness. Built with cryptography and asn1crypto."""

import datetime as dt
import random
from collections.abc import Callable, Iterable
from pathlib import Path

from asn1crypto import algos, cms, core, parser
from asn1crypto import x509 as ax509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

try:
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
except ImportError:  # before cryptography 43
    from cryptography.hazmat.primitives.ciphers.algorithms import TripleDES

KEYS = Path(__file__).parents[2] / "captures" / "keys"
CERTIFICATE_REQUEST_AGENT = ObjectIdentifier("1.3.6.1.4.1.311.20.2.1")

MESSAGE_TYPE = "2.16.840.1.113733.1.9.2"
PKI_STATUS = "2.16.840.1.113733.1.9.3"
FAIL_INFO = "2.16.840.1.113733.1.9.4"
SENDER_NONCE = "2.16.840.1.113733.1.9.5"
RECIPIENT_NONCE = "2.16.840.1.113733.1.9.6"
TRANSACTION_ID = "2.16.840.1.113733.1.9.7"
HRESULT = "1.3.6.1.4.1.311.21.33"


def key(name: str) -> rsa.RSAPrivateKey:
    loaded = serialization.load_pem_private_key((KEYS / f"{name}.pem").read_bytes(), None)
    assert isinstance(loaded, rsa.RSAPrivateKey)
    return loaded


def name(**parts: str) -> x509.Name:
    oids = {
        "CN": NameOID.COMMON_NAME,
        "O": NameOID.ORGANIZATION_NAME,
        "C": NameOID.COUNTRY_NAME,
        "DC": NameOID.DOMAIN_COMPONENT,
    }
    return x509.Name([x509.NameAttribute(oids[part], value) for part, value in parts.items()])


def certificate(
    subject: x509.Name,
    subject_key: rsa.RSAPrivateKey,
    issuer: x509.Name,
    issuer_key: rsa.RSAPrivateKey,
    serial: int,
    start: dt.datetime,
    days: int,
    *,
    ca: bool = False,
    usage: str | None = None,
    agent: bool = False,
) -> bytes:
    """DER of a certificate. ``usage`` is sign, encrypt, both or None (no keyUsage)."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(subject_key.public_key())
        .serial_number(serial)
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=days))
    )
    if ca:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    if ca or usage:
        sign, encrypt = usage in ("sign", "both"), usage in ("encrypt", "both")
        builder = builder.add_extension(
            x509.KeyUsage(sign, False, encrypt, False, False, ca, ca, False, False), critical=True
        )
    if agent:
        builder = builder.add_extension(x509.ExtendedKeyUsage([CERTIFICATE_REQUEST_AGENT]), critical=False)
    elif usage and not ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def request(subject: x509.Name, subject_key: rsa.RSAPrivateKey, challenge: str) -> bytes:
    """DER of a PKCS #10 request with a challengePassword."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    builder = builder.add_attribute(x509.oid.AttributeOID.CHALLENGE_PASSWORD, challenge.encode())
    return builder.sign(subject_key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def degenerate(certificates: Iterable[bytes]) -> bytes:
    """A SignedData that only carries certificates, in this order (RFC 8894, Section 3.4)."""
    data = cms.SignedData(
        {
            "version": "v1",
            "digest_algorithms": [],
            "encap_content_info": {"content_type": "data"},
            "certificates": [ax509.Certificate.load(each) for each in certificates],
            "signer_infos": [],
        }
    )
    return cms.ContentInfo({"content_type": "signed_data", "content": data}).dump()


CIPHERS = {
    "des-ede3-cbc": ("1.2.840.113549.3.7", 24, 8, TripleDES),
    "aes-128-cbc": ("2.16.840.1.101.3.4.1.2", 16, 16, AES),
}


def envelope(content: bytes, recipient: bytes, cipher: str, chance: random.Random) -> bytes:
    """EnvelopedData for the holder of a certificate; ``chance`` makes the key, the IV and the padding."""
    oid, key_size, block, algorithm = CIPHERS[cipher]
    secret, iv = chance.randbytes(key_size), chance.randbytes(block)
    fill = block - len(content) % block
    encryptor = Cipher(algorithm(secret), modes.CBC(iv)).encryptor()
    encrypted = encryptor.update(content + bytes([fill]) * fill) + encryptor.finalize()
    certificate_ = ax509.Certificate.load(recipient)
    public = x509.load_der_x509_certificate(recipient).public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    size = public.key_size // 8
    # PKCS #1 v1.5 padding by hand, because cryptography's is random and a rebuilt capture must be the same.
    padded = b"\x00\x02" + bytes(chance.randrange(1, 256) for _ in range(size - 3 - key_size)) + b"\x00" + secret
    numbers = public.public_numbers()
    wrapped = pow(int.from_bytes(padded, "big"), numbers.e, numbers.n).to_bytes(size, "big")
    data = cms.EnvelopedData(
        {
            "version": "v0",
            "recipient_infos": [
                cms.RecipientInfo(
                    name="ktri",
                    value={
                        "version": "v0",
                        "rid": cms.RecipientIdentifier(
                            name="issuer_and_serial_number", value=_identifier(certificate_)
                        ),
                        "key_encryption_algorithm": {"algorithm": "rsaes_pkcs1v15"},
                        "encrypted_key": wrapped,
                    },
                )
            ],
            "encrypted_content_info": {
                "content_type": "data",
                "content_encryption_algorithm": algos.EncryptionAlgorithm(
                    {"algorithm": oid, "parameters": core.OctetString(iv)}
                ),
                "encrypted_content": encrypted,
            },
        }
    )
    return cms.ContentInfo({"content_type": "enveloped_data", "content": data}).dump()


def _identifier(certificate_: ax509.Certificate) -> dict[str, object]:
    return {"issuer": certificate_.issuer, "serial_number": certificate_.serial_number}


def attribute(oid: str, value: core.Asn1Value) -> bytes:
    """DER of one signed attribute."""
    inner = core.ObjectIdentifier(oid).dump() + _tlv(0x31, value.dump())
    return _tlv(0x30, inner)


def printable(oid: str, text: str) -> bytes:
    return attribute(oid, core.PrintableString(text))


def octets(oid: str, data: bytes) -> bytes:
    return attribute(oid, core.OctetString(data))


def _tlv(tag: int, content: bytes) -> bytes:
    return bytes(parser.emit(tag >> 6, (tag >> 5) & 1, tag & 31, content))


def signed_message(
    content: bytes | None,
    attributes: Iterable[bytes],
    signer: bytes,
    signer_key: rsa.RSAPrivateKey,
    certificates: Iterable[bytes] | None,
    *,
    order: Callable[[list[bytes]], list[bytes]] = sorted,
    sign_sorted: bool = False,
    content_type: bool = True,
    version: int = 1,
    outer_type: str = "1.2.840.113549.1.7.2",
) -> bytes:
    """A pkiMessage: SignedData over ``content`` with SCEP's attributes; contentType and messageDigest are added.

    Assembled from DER pieces, so that odd attributes need no schema. ``certificates`` None leaves the field out, as NDES does.
    ``order`` puts the attributes in the order they are sent; they are signed so, or in DER order with ``sign_sorted``.
    """
    sha256 = _tlv(0x30, core.ObjectIdentifier("2.16.840.1.101.3.4.2.1").dump() + b"\x05\x00")
    digest = hashes.Hash(hashes.SHA256())
    digest.update(content or b"")
    every = [
        *attributes,
        *([attribute("1.2.840.113549.1.9.3", core.ObjectIdentifier("1.2.840.113549.1.7.1"))] if content_type else []),
        octets("1.2.840.113549.1.9.4", digest.finalize()),
    ]
    ordered = b"".join(order(every))
    signed = b"".join(sorted(every)) if sign_sorted else ordered
    signature = signer_key.sign(_tlv(0x31, signed), padding.PKCS1v15(), hashes.SHA256())
    certificate_ = ax509.Certificate.load(signer)
    identifier = _tlv(0x30, certificate_.issuer.dump() + core.Integer(certificate_.serial_number).dump())
    rsa_encryption = _tlv(0x30, core.ObjectIdentifier("1.2.840.113549.1.1.1").dump() + b"\x05\x00")
    info = core.Integer(1).dump() + identifier + sha256 + _tlv(0xA0, ordered) + rsa_encryption
    info += core.OctetString(signature).dump()
    encapsulated = core.ObjectIdentifier("1.2.840.113549.1.7.1").dump()
    if content is not None:
        encapsulated += _tlv(0xA0, core.OctetString(content).dump())
    data = core.Integer(version).dump() + _tlv(0x31, sha256) + _tlv(0x30, encapsulated)
    if certificates is not None:
        data += _tlv(0xA0, b"".join(certificates))
    data += _tlv(0x31, _tlv(0x30, info))
    return _tlv(0x30, core.ObjectIdentifier(outer_type).dump() + _tlv(0xA0, _tlv(0x30, data)))
