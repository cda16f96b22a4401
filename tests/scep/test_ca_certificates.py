"""GetCACert answers and the roles in them."""

import pytest
from asn1crypto import cms, x509

from scep_analyzer.model.anomalies import DecodeError
from scep_analyzer.scep.ca_certificates import read_ca_certificates
from tests.builders import pki
from tests.builders.scene import CA, CA_KEY, CLIENT_KEY, CLIENT_NAME, ENCRYPTER, ISSUED, REQUESTER, SIGNER, START


def _roles(encoded: bytes) -> dict[str, str | None]:
    found, _ = read_ca_certificates(encoded)
    return {each.serial_number: each.role for each in found.certificates}


def test_roles_follow_key_usage_and_not_position() -> None:
    assert _roles(pki.degenerate([ENCRYPTER, CA, SIGNER])) == {"0c": "ra-encryption", "01": "ca", "0b": "ra-signing"}
    assert _roles(pki.degenerate([ISSUED, CA])) == {"15": "ra", "01": "ca"}


def test_one_certificate_in_x509_or_in_pkcs7() -> None:
    assert read_ca_certificates(CA)[0].form == "x509"
    found, notes = read_ca_certificates(pki.degenerate([CA]))
    assert (found.form, [each.role for each in found.certificates], notes) == ("degenerate", ["ca"], [])


def test_an_old_self_signed_certificate_without_extensions_is_a_ca() -> None:
    old = pki.certificate(CLIENT_NAME, CLIENT_KEY, CLIENT_NAME, CLIENT_KEY, 5, START, 365)
    assert _roles(old) == {"05": "ca"}


def test_the_next_ca_certificates_are_signed_by_the_current_one() -> None:
    encoded = pki.signed_message(pki.degenerate([REQUESTER]), [], CA, CA_KEY, [CA])
    found, _ = read_ca_certificates(encoded)
    assert (found.form, found.signer_identity) == ("signed", ("CN=Test CA", "01"))
    assert [each.subject for each in found.certificates] == ["CN=device"]


def test_the_same_certificate_twice_is_noted() -> None:
    info = cms.ContentInfo.load(pki.degenerate([CA]))
    info["content"]["certificates"].append(x509.Certificate.load(CA))
    found, notes = read_ca_certificates(info.dump(force=True))
    assert len(found.certificates) == 2
    assert [code for code, _ in notes] == ["certificate-duplicate"]


@pytest.mark.parametrize("encoded", [b"\x30\x03abc", b"\x30\x82\xff\xff", CA[:-50], pki.degenerate([CA])[:-50]])
def test_damage_is_said(encoded: bytes) -> None:
    with pytest.raises(DecodeError):
        read_ca_certificates(encoded)


def test_who_issued_whom_is_told_by_name_and_signature() -> None:
    found, _ = read_ca_certificates(pki.degenerate([ENCRYPTER, CA, SIGNER]))
    by_serial = {each.serial_number: each for each in found.certificates}
    ca = [each.serial_number for each in found.certificates].index("01")
    assert {serial: (each.issuer_index, each.issuer_signature.valid) for serial, each in by_serial.items()} == {
        "01": (ca, True),
        "0b": (ca, True),
        "0c": (ca, True),
    }
    impostor = pki.certificate(
        pki.name(CN="Test CA"), CLIENT_KEY, pki.name(CN="Test CA"), CLIENT_KEY, 99, START, 10, ca=True
    )
    found, _ = read_ca_certificates(pki.degenerate([impostor, SIGNER]))
    signer = next(each for each in found.certificates if each.serial_number == "0b")
    assert signer.issuer_signature.valid is False
    alone, _ = read_ca_certificates(SIGNER)
    assert alone.certificates[0].issuer_index is None
