"""Signatures that openssl made, and those of legacy clients that strict verification refuses."""

import hashlib
import itertools
import shutil
import subprocess
from pathlib import Path

import pytest
from asn1crypto import core, parser

from scep_analyzer.cms.certificates import read_certificate
from scep_analyzer.cms.signed import Signed, read_signed
from scep_analyzer.cms.verification import check_digest, check_signature
from tests.builders import pki
from tests.builders.scene import CLIENT_KEY, REQUESTER

KEY = read_certificate(REQUESTER).public_key
assert KEY is not None


def _verdicts(signed: Signed) -> tuple[bool | None, bool | None]:
    (signer,), content = signed.signers, signed.content or b""
    return signer.check_digest(content).valid, signer.check_signature(signed.certificates[0], content).valid


SIGNERS = {
    "rsa": (["-newkey", "rsa:2048"], [], ["md5", "sha1", "sha256", "sha512"]),
    "pss": (["-newkey", "rsa:2048"], ["-keyopt", "rsa_padding_mode:pss"], ["sha1", "sha256", "sha512"]),
    "ec": (["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"], [], ["sha1", "sha256", "sha512"]),
}


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed (apt-get install openssl)")
@pytest.mark.parametrize("kind", SIGNERS)
def test_what_openssl_signed(kind: str, tmp_path: Path) -> None:
    algorithm, options, digests = SIGNERS[kind]
    key, certificate, message = (tmp_path / name for name in ("key.pem", "cert.pem", "message.der"))
    make = ["openssl", "req", "-x509", *algorithm, "-nodes", "-keyout", key, "-out", certificate, "-subj", "/CN=x"]
    subprocess.run(make, check=True, capture_output=True)
    for digest, identifier in itertools.product(digests, ([], ["-keyid"])):
        sign = ["openssl", "cms", "-sign", "-binary", "-nodetach", "-md", digest, "-signer", certificate, "-inkey", key]
        command = [*sign, *options, *identifier, "-outform", "DER", "-out", message]
        subprocess.run(command, input=b"content", check=True, capture_output=True)
        encoded = message.read_bytes()
        signed = read_signed(encoded)
        assert (signed.signers[0].identity is None) is bool(identifier)
        assert _verdicts(signed) == (True, True)
        assert _verdicts(read_signed(encoded.replace(b"content", b"c0ntent"))) == (False, True)
        broken = bytearray(encoded)
        broken[-5] ^= 1
        assert _verdicts(read_signed(bytes(broken)))[1] is False


def _raw_signature(block: bytes) -> bytes:
    """RSA over a PKCS #1 block with any content, as a sloppy client makes it."""
    numbers = CLIENT_KEY.private_numbers()
    size = (CLIENT_KEY.key_size + 7) // 8
    padded = b"\x00\x01" + b"\xff" * (size - 3 - len(block)) + b"\x00" + block
    return pow(int.from_bytes(padded, "big"), numbers.d, numbers.public_numbers.n).to_bytes(size, "big")


def _sequence(*parts: bytes) -> bytes:
    return bytes(parser.emit(0, 1, 16, b"".join(parts)))


def test_a_digest_info_without_null_is_valid_and_said() -> None:
    digest = hashlib.sha256(b"data").digest()
    oid = core.ObjectIdentifier("2.16.840.1.101.3.4.2.1").dump()
    signature = _raw_signature(_sequence(_sequence(oid), core.OctetString(digest).dump()))
    verdict = check_signature(KEY.encoded, b"data", signature, "rsaEncryption", "sha256")
    assert (verdict.valid, verdict.reason) == (True, "matches; the DigestInfo inside lacks its NULL")
    bare = check_signature(KEY.encoded, b"data", _raw_signature(digest), "rsaEncryption", "sha256")
    assert bare.valid
    assert "without a DigestInfo" in bare.reason
    assert check_signature(KEY.encoded, b"other", signature, "rsaEncryption", "sha256").valid is False


def test_attributes_signed_in_the_order_they_were_sent(tmp_path: Path) -> None:
    """Legacy clients sign the SET as they send it, not in DER order (smallstep/certificates#1723)."""
    attributes = [pki.printable(pki.MESSAGE_TYPE, "19"), pki.printable(pki.TRANSACTION_ID, "T")]
    unsorted = pki.signed_message(
        b"content", attributes, REQUESTER, CLIENT_KEY, [REQUESTER], order=lambda each: sorted(each, reverse=True)
    )
    signed = read_signed(unsorted)
    assert "attributes-unsorted" in [code for code, _ in signed.notes]
    assert _verdicts(signed) == (True, True)
    sent = pki.signed_message(
        b"content",
        attributes,
        REQUESTER,
        CLIENT_KEY,
        [REQUESTER],
        order=lambda each: sorted(each, reverse=True),
        sign_sorted=True,
    )
    signed = read_signed(sent)
    verdict = signed.signers[0].check_signature(signed.certificates[0], b"content")
    assert (verdict.valid, verdict.reason) == (True, "matches the attributes in DER order, not as they were sent")


def test_what_cannot_be_told_is_said() -> None:
    assert check_digest(b"x", "1.2.3", b"y").valid is None
    assert check_digest(b"x", "sha256", None).valid is None
    assert check_signature(KEY.encoded, b"x", b"y", "1.2.3", "1.2.4").valid is None
    assert check_signature(b"no key", b"x", b"y", "rsaEncryption", "sha256").valid is None


def test_a_signature_algorithm_that_names_another_hash() -> None:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    signature = CLIENT_KEY.sign(b"data", padding.PKCS1v15(), hashes.SHA1())
    verdict = check_signature(KEY.encoded, b"data", signature, "sha1WithRSAEncryption", "sha256")
    assert verdict.valid
    assert "made with sha1 where sha256 is named" in verdict.reason
