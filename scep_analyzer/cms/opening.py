"""Opening envelopes with private keys (RFC 5652, Section 6; RFC 5083 for AuthEnvelopedData).

Key transport with PKCS #1 v1.5 and OAEP; content in DES, 3DES, RC2, AES-CBC and AES-GCM. A wrong key can seem to work (padding is right by
chance, and OpenSSL hides failures from attackers): what was opened counts only if it is what an envelope of SCEP may hold.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from asn1crypto import cms

from scep_analyzer.cms import algorithms, names
from scep_analyzer.cms.ber import ASN1_ERRORS, children_of, guarded, read
from scep_analyzer.cms.certificates import oid_in, serial
from scep_analyzer.cms.keys import PrivateKey
from scep_analyzer.cms.message_data import read_message_data
from scep_analyzer.model.anomalies import DecodeError
from scep_analyzer.model.certificates import Certificate
from scep_analyzer.model.content import Content
from scep_analyzer.model.limits import BOUNDS

_CBC = {
    "des-cbc": ("TripleDES", 8),
    "des-ede3-cbc": ("TripleDES", 8),
    "rc2-cbc": ("RC2", 8),
    "aes-128-cbc": ("AES", 16),
    "aes-192-cbc": ("AES", 16),
    "aes-256-cbc": ("AES", 16),
}
_MOST_ELEMENTS = 100_000
"""Ciphertext may be in pieces: iOS sends a thousand bytes in each."""
_GCM = frozenset({"aes-128-gcm", "aes-192-gcm", "aes-256-gcm"})


def open_envelope(
    encoded: bytes, keys: Sequence[PrivateKey], known: Mapping[tuple[str, str], Certificate]
) -> tuple[Content, PrivateKey]:
    """Give what is inside and the key that opened it; DecodeError says why none did.

    ``known`` holds certificates by issuer and serial number: the key that belongs to the recipient's is tried first.
    """
    try:
        info = cms.ContentInfo.load(guarded(encoded, _MOST_ELEMENTS))
        data = info["content"]
        authenticated = algorithms.content_type(oid_in(info["content_type"])) == "authenticated_enveloped_data"
        content_info = data["auth_encrypted_content_info" if authenticated else "encrypted_content_info"]
        mac = read(data["mac"].dump()).content if authenticated else b""
        recipients = [each.chosen for each in data["recipient_infos"] if each.name == "ktri"]
        problem = "no recipient whose key was transported with RSA"
        tries = 0
        for recipient in recipients:
            if tries >= BOUNDS.envelope_openings:
                raise DecodeError(f"{problem}; after {tries} tries no more are made (limit-openings)")
            certificate = known.get(_identity(recipient))
            wanted = certificate.public_key.encoded if certificate is not None and certificate.public_key else None
            if wanted is not None and all(key.public != wanted for key in keys):
                problem = "none of the keys given belongs to its recipient"
            fitting = [key for key in keys if key.public == wanted]
            for key in (*fitting, *(key for key in keys if key.public != wanted)):
                tries += 1
                try:
                    plain = _decrypt(content_info, _unwrap(recipient, key), mac, data if authenticated else None)
                except DecodeError as error:
                    problem = str(error) if key.public == wanted or wanted is None else problem
                    continue
                try:
                    return read_message_data(plain), key
                except DecodeError as error:
                    if key.public == wanted:
                        return Content("unknown", len(plain)), key
                    problem = f"what {key.source} opens it to is {error}"
        raise DecodeError(problem)
    except ASN1_ERRORS as error:
        if isinstance(error, DecodeError):
            raise
        raise DecodeError(f"the envelope cannot be read: {str(error).splitlines()[0]}") from error


def _identity(recipient: Any) -> tuple[str, str]:
    rid = recipient["rid"]
    if rid.name != "issuer_and_serial_number":
        return "", ""
    return names.name_of(rid.chosen["issuer"]), serial(rid.chosen["serial_number"])


def _unwrap(recipient: Any, key: PrivateKey) -> bytes:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    if not isinstance(key.private, rsa.RSAPrivateKey):
        raise DecodeError(f"{key.source} is no RSA key")
    scheme = recipient["key_encryption_algorithm"]
    chosen: padding.AsymmetricPadding = padding.PKCS1v15()
    if oid_in(scheme["algorithm"]) == "1.2.840.113549.1.1.7":
        parameters = scheme["parameters"]
        digest = getattr(hashes, parameters["hash_algorithm"]["algorithm"].native.upper())()
        mask = parameters["mask_gen_algorithm"]["parameters"]["algorithm"].native.upper()
        label = parameters["p_source_algorithm"]["parameters"].native or None
        chosen = padding.OAEP(padding.MGF1(getattr(hashes, mask)()), digest, label)
    try:
        return key.private.decrypt(read(recipient["encrypted_key"].dump()).content, chosen)
    except ValueError as error:
        raise DecodeError(f"{key.source} does not open it") from error


def _decrypt(content_info: Any, secret: bytes, mac: bytes, authenticated: Any) -> bytes:
    algorithm = content_info["content_encryption_algorithm"]
    name = algorithms.name_of(oid_in(algorithm["algorithm"]))
    encrypted = _encrypted_bytes(content_info)
    parameters = algorithm["parameters"].dump() if algorithm["parameters"] is not None else b""
    if name in _GCM:
        return _decrypt_gcm(secret, parameters, encrypted, mac, authenticated)
    if name not in _CBC:
        raise DecodeError(f"content encryption {name} cannot be decrypted")
    return _decrypt_cbc(name, secret, parameters, encrypted)


def _encrypted_bytes(content_info: Any) -> bytes:
    """The ciphertext: [0], primitive, or constructed from OCTET STRINGs in BER or, from Go's library, in definite form."""
    fields = list(children_of(content_info.dump()))
    field = next((each for each in fields if each[0] in (0x80, 0xA0)), None)
    if field is None:
        raise DecodeError("there is no encrypted content")
    if field[0] == 0x80:
        return read(field).content
    return read(b"\x24" + field[1:]).content  # as a constructed OCTET STRING


def _decrypt_cbc(name: str, secret: bytes, parameters: bytes, encrypted: bytes) -> bytes:
    from cryptography.hazmat.decrepit.ciphers import algorithms as decrepit
    from cryptography.hazmat.primitives.ciphers import Cipher, modes
    from cryptography.hazmat.primitives.ciphers import algorithms as current

    kind, block = _CBC[name]
    if kind == "RC2":
        # RC2-CBC-Parameter: the version, then the IV (RFC 3370, Section 5.2).
        iv = next((read(each).content for each in children_of(parameters) if each[:1] == b"\x04"), b"")
    elif parameters[:1] == b"\x04":
        iv = read(parameters).content
    else:
        iv = bytes(block)  # there is none: OpenSSL reads such a message with zeros
    if name == "des-cbc":
        secret *= 3  # single DES is 3DES with one key three times
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            cipher = getattr(decrepit, kind, None) or getattr(current, kind)
            decryptor = Cipher(cipher(secret), modes.CBC(iv)).decryptor()
        plain = decryptor.update(encrypted) + decryptor.finalize()
    except ValueError as error:
        raise DecodeError(f"{name} cannot be decrypted with the key inside: {error}") from error
    fill = plain[-1] if plain else 0
    if not 1 <= fill <= block or plain[-fill:] != bytes([fill]) * fill:
        raise DecodeError("what it opens to is not padded as it should be: a wrong key")
    return plain[:-fill]


def _decrypt_gcm(secret: bytes, parameters: bytes, encrypted: bytes, mac: bytes, authenticated: Any) -> bytes:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    # GCMParameters (RFC 5084, Section 3.2): the nonce, then the tag's length, 12 unless given.
    fields = list(children_of(parameters))
    nonce = read(fields[0]).content
    attributes = b""
    if authenticated is not None and authenticated["auth_attrs"]:
        attributes = b"\x31" + bytes(authenticated["auth_attrs"].dump())[1:]
    try:
        # Go's library puts AES-GCM into EnvelopedData, the tag at the end of the ciphertext.
        return AESGCM(secret).decrypt(nonce, encrypted + mac, attributes or None)
    except (InvalidTag, ValueError) as error:
        raise DecodeError("the AES-GCM tag does not match: a wrong key, or damaged content") from error
