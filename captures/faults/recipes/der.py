"""DER by hand: certificates, requests and SCEP messages in any shape, right or wrong. Only the signatures come from a library."""

import datetime as dt
import hashlib
import random
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES

try:
    from cryptography.hazmat.decrepit.ciphers.algorithms import RC2, TripleDES
except ImportError:  # before cryptography 43
    from cryptography.hazmat.primitives.ciphers.algorithms import RC2, TripleDES

KEYS = Path(__file__).parents[2] / "keys"

OIDS = {
    "CN": "2.5.4.3", "C": "2.5.4.6", "O": "2.5.4.10", "OU": "2.5.4.11", "DC": "0.9.2342.19200300.100.1.25",
    "md5": "1.2.840.113549.2.5", "sha1": "1.3.14.3.2.26", "sha256": "2.16.840.1.101.3.4.2.1", "sha512": "2.16.840.1.101.3.4.2.3",
    "rsa": "1.2.840.113549.1.1.1", "oaep": "1.2.840.113549.1.1.7",
    "md5WithRSA": "1.2.840.113549.1.1.4", "sha1WithRSA": "1.2.840.113549.1.1.5", "sha256WithRSA": "1.2.840.113549.1.1.11", "ecdsa": "1.2.840.10045.4.3.2",
    "des": "1.3.14.3.2.7", "3des": "1.2.840.113549.3.7", "aes128": "2.16.840.1.101.3.4.1.2", "aes256": "2.16.840.1.101.3.4.1.42", "rc2": "1.2.840.113549.3.2",
    "data": "1.2.840.113549.1.7.1", "signed": "1.2.840.113549.1.7.2", "enveloped": "1.2.840.113549.1.7.3",
    "contentType": "1.2.840.113549.1.9.3", "messageDigest": "1.2.840.113549.1.9.4", "signingTime": "1.2.840.113549.1.9.5",
    "messageType": "2.16.840.1.113733.1.9.2", "pkiStatus": "2.16.840.1.113733.1.9.3", "failInfo": "2.16.840.1.113733.1.9.4",
    "senderNonce": "2.16.840.1.113733.1.9.5", "recipientNonce": "2.16.840.1.113733.1.9.6", "transactionID": "2.16.840.1.113733.1.9.7",
    "failInfoText": "1.3.6.1.5.5.7.24.1", "hresult": "1.3.6.1.4.1.311.21.33", "challengePassword": "1.2.840.113549.1.9.7",
    "extensionRequest": "1.2.840.113549.1.9.14", "msExtensions": "1.3.6.1.4.1.311.2.1.14", "template": "1.3.6.1.4.1.311.20.2",
    "clientAuth": "1.3.6.1.5.5.7.3.2", "serverAuth": "1.3.6.1.5.5.7.3.1", "agent": "1.3.6.1.4.1.311.20.2.1",
}  # fmt: skip
_HASHES = {"md5": hashes.MD5, "sha1": hashes.SHA1, "sha256": hashes.SHA256, "sha512": hashes.SHA512}
_CIPHERS = {"des": (8, 8), "3des": (24, 8), "aes128": (16, 16), "aes256": (32, 16), "rc2": (16, 8)}
USAGES = (
    "digitalSignature",
    "nonRepudiation",
    "keyEncipherment",
    "dataEncipherment",
    "keyAgreement",
    "keyCertSign",
    "cRLSign",
)


def tlv(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def oid(name: str) -> bytes:
    numbers = [int(each) for each in OIDS.get(name, name).split(".")]
    out = bytearray([numbers[0] * 40 + numbers[1]])
    for number in numbers[2:]:
        groups = [number & 127]
        while number := number >> 7:
            groups.append(number & 127 | 128)
        out += bytes(reversed(groups))
    return tlv(6, bytes(out))


def integer(number: int) -> bytes:
    return tlv(2, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def printable(text: str) -> bytes:
    return tlv(19, text.encode())


def utf8(text: str) -> bytes:
    return tlv(12, text.encode())


def octets(data: bytes) -> bytes:
    return tlv(4, data)


def sequence(*parts: bytes) -> bytes:
    return tlv(0x30, *parts)


def set_of(*parts: bytes) -> bytes:
    return tlv(0x31, *sorted(parts))


def time(moment: dt.datetime) -> bytes:
    if 1950 <= moment.year < 2050:
        return tlv(23, moment.strftime("%y%m%d%H%M%SZ").encode())
    return tlv(24, moment.strftime("%Y%m%d%H%M%SZ").encode())


def algorithm(name: str, parameters: bytes = b"\x05\x00") -> bytes:
    return sequence(oid(name), parameters)


@cache
def key(name: str) -> Any:
    return serialization.load_pem_private_key((KEYS / f"{name}.pem").read_bytes(), None)


def spki(name: str) -> bytes:
    public = key(name).public_key()
    return bytes(public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))


def sign(name: str, data: bytes, digest: str) -> bytes:
    private = key(name)
    if isinstance(private, ec.EllipticCurvePrivateKey):
        return bytes(private.sign(data, ec.ECDSA(_HASHES[digest](), deterministic_signing=True)))
    return bytes(private.sign(data, padding.PKCS1v15(), _HASHES[digest]()))


def name(text: str) -> bytes:
    """`CN=a,O=b` in this order; countries and components are the types that they should be."""
    out = []
    for part in text.split(",") if text else []:
        kind, _, value = part.partition("=")
        string = printable(value) if kind == "C" else tlv(22, value.encode()) if kind == "DC" else utf8(value)
        out.append(tlv(0x31, sequence(oid(kind), string)))
    return sequence(*out)


def extension(identifier: str, value: bytes, *, critical: bool = False) -> bytes:
    return sequence(oid(identifier), b"\x01\x01\xff" if critical else b"", octets(value))


def key_usage(*usages: str) -> bytes:
    bits = sum(0x80 >> USAGES.index(each) for each in usages)
    return extension("2.5.29.15", tlv(3, bytes([0, bits])), critical=True)


def extended_key_usage(*purposes: str) -> bytes:
    return extension("2.5.29.37", sequence(*map(oid, purposes)))


def alt_names(*names: str) -> bytes:
    """`DNS:a`, `UPN:a@b`, `URI:…`, `email:…`."""
    out = []
    for each in names:
        kind, _, value = each.partition(":")
        if kind == "UPN":
            out.append(tlv(0xA0, oid("1.3.6.1.4.1.311.20.2.3"), tlv(0xA0, utf8(value))))
        else:
            out.append(tlv({"email": 0x81, "DNS": 0x82, "URI": 0x86}[kind], value.encode()))
    return extension("2.5.29.17", sequence(*out))


@cache
def certificate(
    subject: str,
    subject_key: str,
    issuer: str,
    issuer_key: str,
    serial: int,
    start: dt.datetime,
    days: float,
    *extensions: bytes,
    ca: bool = False,
    signature: str = "sha256WithRSA",
) -> bytes:
    digest = {"md5WithRSA": "md5", "sha1WithRSA": "sha1"}.get(signature, "sha256")
    if issuer_key == "ec":
        signature = "ecdsa"
    kind = algorithm(signature, b"" if signature == "ecdsa" else b"\x05\x00")
    every = (extension("2.5.29.19", sequence(b"\x01\x01\xff"), critical=True), *extensions) if ca else extensions
    validity = sequence(time(start), time(start + dt.timedelta(days=days)))
    tbs = sequence(
        tlv(0xA0, integer(2)), integer(serial), kind, name(issuer), validity, name(subject), spki(subject_key),
        tlv(0xA3, sequence(*every)) if every else b"",
    )  # fmt: skip
    return sequence(tbs, kind, tlv(3, b"\0" + sign(issuer_key, tbs, digest)))


def fields(encoded: bytes) -> list[bytes]:
    """The elements of a DER sequence, whole."""
    out, at = [], _header(encoded)
    while at < len(encoded):
        size = _size(encoded[at:])
        out.append(encoded[at : at + size])
        at += size
    return out


def _header(encoded: bytes) -> int:
    return 2 if encoded[1] < 128 else 2 + (encoded[1] & 127)


def _size(encoded: bytes) -> int:
    head = _header(encoded)
    return head + (encoded[1] if encoded[1] < 128 else int.from_bytes(encoded[2:head], "big"))


def identifier(certificate_: bytes) -> bytes:
    """IssuerAndSerialNumber."""
    tbs = fields(fields(certificate_)[0])
    return sequence(tbs[3], tbs[1])


def subject_of(certificate_: bytes) -> bytes:
    return fields(fields(certificate_)[0])[5]


def key_of(certificate_: bytes) -> Any:
    return serialization.load_der_public_key(fields(fields(certificate_)[0])[6])


def degenerate(*certificates: bytes, keep_order: bool = True) -> bytes:
    """A SignedData that only carries certificates."""
    ordered = certificates if keep_order else tuple(sorted(certificates))
    data = sequence(integer(1), tlv(0x31), sequence(oid("data")), tlv(0xA0, *ordered), tlv(0x31))
    return sequence(oid("signed"), tlv(0xA0, data))


def request(
    subject: str,
    subject_key: str,
    *attributes: bytes,
    challenge: str | bytes | None = "8A6F2B1C4D5E7F90",
    extensions: tuple[bytes, ...] = (),
    carrier: str = "extensionRequest",
    signer: str | None = None,
) -> bytes:
    """PKCS #10. ``challenge`` as text is a PrintableString, as bytes the DER of any string."""
    every = list(attributes)
    if challenge is not None:
        every.append(attribute("challengePassword", printable(challenge) if isinstance(challenge, str) else challenge))
    if extensions:
        every.append(attribute(carrier, sequence(*extensions)))
    info = sequence(integer(0), name(subject), spki(subject_key), tlv(0xA0, *sorted(every)))
    signed = sign(signer or subject_key, info, "sha256")
    kind = algorithm("ecdsa", b"") if subject_key == "ec" else algorithm("sha256WithRSA")
    return sequence(info, kind, tlv(3, b"\0" + signed))


def attribute(kind: str, *values: bytes) -> bytes:
    return sequence(oid(kind), tlv(0x31, *values))


def key_identifier(certificate_: bytes) -> bytes:
    """The SHA-1 of a certificate's key (RFC 5280, Section 4.2.1.2, method 1)."""
    return x509.SubjectKeyIdentifier.from_public_key(x509.load_der_x509_certificate(certificate_).public_key()).digest  # type: ignore[arg-type]


def envelope(
    content: bytes,
    *recipients: bytes,
    cipher: str = "3des",
    chance: random.Random,
    wrap_for: bytes | None = None,
    key_bytes: bytes | None = None,
    scheme: str = "rsa",
    kind: str = "data",
    iv: bytes | None = None,
    cut: int = 0,
    infos: tuple[bytes, ...] = (),
    by_key: bool = False,
) -> bytes:
    """EnvelopedData for the holders of certificates, named by their key where ``by_key``. ``wrap_for``: the key is really encrypted for this one; ``cut`` bytes of ciphertext."""
    size, block = _CIPHERS[cipher]
    secret, vector = chance.randbytes(size), chance.randbytes(block)
    fill = block - len(content) % block
    algorithm_: Any = (
        AES(secret)
        if cipher.startswith("aes")
        else RC2(secret)
        if cipher == "rc2"
        else TripleDES(secret * 3 if cipher == "des" else secret)
    )
    encryptor = Cipher(algorithm_, modes.CBC(vector)).encryptor()
    encrypted = encryptor.update(content + bytes([fill]) * fill) + encryptor.finalize()
    out = list(infos)
    for each in recipients:
        public = key_of(wrap_for or each).public_numbers()
        length = (public.n.bit_length() + 7) // 8
        padded = b"\0\2" + bytes(chance.randrange(1, 256) for _ in range(length - 3 - size)) + b"\0" + secret
        wrapped = key_bytes or pow(int.from_bytes(padded, "big"), public.e, public.n).to_bytes(length, "big")
        how = algorithm("oaep", sequence()) if scheme == "oaep" else algorithm(scheme)
        who = integer(2) + tlv(0x80, key_identifier(each)) if by_key else integer(0) + identifier(each)
        out.append(sequence(who, how, octets(wrapped)))
    parameters = octets(vector if iv is None else iv)
    if cipher == "rc2":
        parameters = sequence(integer(58), parameters)
    inner = sequence(
        oid(kind), sequence(oid(cipher), parameters), tlv(0x80, encrypted[: len(encrypted) - cut] if cut else encrypted)
    )
    return sequence(oid("enveloped"), tlv(0xA0, sequence(integer(0), tlv(0x31, *out), inner)))


def signed(
    content: bytes | None,
    attributes: list[bytes],
    signer: bytes,
    signer_key: str,
    certificates: tuple[bytes, ...] | None,
    *,
    digest: str = "sha256",
    content_type: bool = True,
    digest_value: bytes | None = None,
    with_digest: bool = True,
    signature: bytes | None = None,
    after: bytes = b"",
) -> bytes:
    """A SignedData over ``content``; contentType and messageDigest are added. ``after``: bytes behind the message."""
    every = list(attributes)
    if content_type:
        every.append(attribute("contentType", oid("data")))
    if with_digest:
        value = (
            hashlib.new(digest, content or b"", usedforsecurity=False).digest()
            if digest_value is None
            else digest_value
        )
        every.append(attribute("messageDigest", octets(value)))
    ordered = sorted(every)
    made = sign(signer_key, tlv(0x31, *ordered), digest) if signature is None else signature
    kind = algorithm("ecdsa", b"") if signer_key == "ec" else algorithm("rsa")
    info = sequence(integer(1), identifier(signer), algorithm(digest), tlv(0xA0, *ordered), kind, octets(made))
    inner = sequence(oid("data"), tlv(0xA0, octets(content)) if content is not None else b"")
    data = sequence(
        integer(1), tlv(0x31, algorithm(digest)), inner, tlv(0xA0, *certificates) if certificates is not None else b"", tlv(0x31, info)
    )  # fmt: skip
    return sequence(oid("signed"), tlv(0xA0, data)) + after
