"""Certificates against `openssl x509 -text`, and leniently."""

import shutil
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from scep_analyzer.cms.certificates import read_certificate
from scep_analyzer.cms.signed import read_certificate_set
from scep_analyzer.model.anomalies import DecodeError
from tests.builders import pki
from tests.builders.scene import CA, CA_KEY, CA_NAME, CLIENT_KEY, CLIENT_NAME, ENCRYPTER, ISSUED, SIGNER, START


def test_fields() -> None:
    certificate = read_certificate(ISSUED)
    assert (certificate.subject, certificate.issuer, certificate.serial_number) == ("CN=device", "CN=Test CA", "15")
    assert certificate.not_before == START
    assert certificate.public_key is not None
    assert (certificate.public_key.algorithm, certificate.public_key.bits) == ("rsa", 2048)
    assert certificate.signature_algorithm == "sha256WithRSAEncryption"
    assert certificate.key_usage == ("digitalSignature", "keyEncipherment")
    assert certificate.extended_key_usage == ("clientAuth",)
    assert certificate.critical_extensions == ("keyUsage",)
    assert (certificate.is_ca, certificate.self_issued) == (False, False)


def test_a_ca_and_an_enrollment_agent() -> None:
    assert (read_certificate(CA).is_ca, read_certificate(CA).self_issued) == (True, True)
    assert read_certificate(SIGNER).extended_key_usage == ("certificateRequestAgent",)
    assert read_certificate(ENCRYPTER).key_usage == ("keyEncipherment",)


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed (apt-get install openssl)")
def test_fingerprints_and_serials_are_those_of_openssl() -> None:
    long_serial = int.from_bytes(b"\x00" + b"\xf0" + bytes(range(18)), "big")
    for encoded in (CA, ISSUED, pki.certificate(CLIENT_NAME, CLIENT_KEY, CA_NAME, CA_KEY, long_serial, START, 1)):
        command = ["openssl", "x509", "-inform", "DER", "-noout", "-serial", "-fingerprint"]
        sha1 = subprocess.run([*command, "-sha1"], input=encoded, capture_output=True, check=True).stdout.decode()
        sha256 = subprocess.run([*command, "-sha256"], input=encoded, capture_output=True, check=True).stdout.decode()
        certificate = read_certificate(encoded)
        assert f"serial={certificate.serial_number.upper()}\n" in sha1
        assert sha1.strip().replace(":", "").lower().endswith(certificate.fingerprint_sha1)
        assert sha256.strip().replace(":", "").lower().endswith(certificate.fingerprint_sha256)


def test_alternative_names_and_an_elliptic_curve_key() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    names = [
        x509.DNSName("device.example"),
        x509.IPAddress(__import__("ipaddress").ip_address("192.0.2.7")),
        x509.RFC822Name("a@b.example"),
        x509.UniformResourceIdentifier("tag:microsoft.com,2022-09-14:sid:S-1-5-21-1"),
        x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x0buser@b.test"),
    ]
    encoded = (
        x509.CertificateBuilder()
        .subject_name(CLIENT_NAME)
        .issuer_name(CLIENT_NAME)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(START)
        .not_valid_after(START.replace(year=2060))
        .add_extension(x509.SubjectAlternativeName(names), critical=True)
        .sign(key, hashes.SHA384())
        .public_bytes(serialization.Encoding.DER)
    )
    certificate = read_certificate(encoded)
    assert certificate.subject_alt_names == (
        "DNS:device.example",
        "IP:192.0.2.7",
        "email:a@b.example",
        "URI:tag:microsoft.com,2022-09-14:sid:S-1-5-21-1",
        "UPN:user@b.test",
    )
    assert certificate.public_key is not None
    assert (certificate.public_key.algorithm, certificate.public_key.bits, certificate.public_key.curve) == (
        "ec",
        256,
        "secp256r1",
    )
    assert certificate.signature_algorithm == "ecdsa-with-SHA384"
    assert certificate.not_after is not None
    assert certificate.not_after.year == 2060


def test_a_field_that_cannot_be_read_does_not_take_the_certificate_with_it() -> None:
    damaged = ISSUED.replace(
        bytes.fromhex("0603551d0f"), bytes.fromhex("0603551d7f")
    )  # keyUsage → an unknown extension
    assert damaged != ISSUED
    certificate = read_certificate(damaged)
    assert certificate.key_usage is None
    assert certificate.critical_extensions == ("2.5.29.127",)


def test_a_set_keeps_its_order_and_other_content_is_refused() -> None:
    assert len(read_certificate_set(pki.degenerate([CA, SIGNER]))) == 2
    with pytest.raises(DecodeError, match="enveloped_data"):
        read_certificate_set(pki.envelope(b"x", CA, "aes-128-cbc", __import__("random").Random(1)))
