"""pkiMessages built to the byte, and what openssl-independent readers would trip on."""

import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import core
from cryptography.hazmat.primitives import serialization

from scep_analyzer.cms.keys import read_private_key
from scep_analyzer.model.anomalies import DecodeError
from scep_analyzer.scep.messages import read_message
from tests.builders import pki
from tests.builders.scene import CA, CLIENT_KEY, ENCRYPTER, ENCRYPTION_KEY, REQUESTER, SIGNER, SIGNER_KEY

NONCE, REPLY_NONCE = bytes(range(16)), bytes(range(16, 32))


def _attributes(message_type: core.Asn1Value | str = "19", transaction_id: core.Asn1Value | str = "ABC") -> list[bytes]:
    typed = core.PrintableString(message_type) if isinstance(message_type, str) else message_type
    named = core.PrintableString(transaction_id) if isinstance(transaction_id, str) else transaction_id
    return [
        pki.attribute(pki.MESSAGE_TYPE, typed),
        pki.attribute(pki.TRANSACTION_ID, named),
        pki.octets(pki.SENDER_NONCE, NONCE),
    ]


def _request(*more: bytes, **how: core.Asn1Value | str) -> bytes:
    sealed = pki.envelope(b"\x30\x03\x02\x01\x05", SIGNER, "aes-128-cbc", random.Random(3))
    return pki.signed_message(sealed, [*_attributes(**how), *more], REQUESTER, CLIENT_KEY, [REQUESTER])


def test_a_request() -> None:
    message, notes = read_message(_request(), {})
    assert (message.message_type, message.transaction_id, message.sender_nonce) == (19, "ABC", NONCE.hex())
    assert message.signer is not None
    assert (message.signer.role, message.signer.self_issued) == ("requester", True)
    assert message.envelope is not None
    assert [each.identity for each in message.envelope.recipients] == [("CN=Test CA", "0b")]
    assert message.envelope.content_encryption_algorithm == "aes-128-cbc"
    assert notes == []


def test_a_refusal_of_ndes() -> None:
    """No certificates, one byte of content, the HRESULT in a signed attribute (certnanny/sscep#59)."""
    more = [
        pki.printable(pki.PKI_STATUS, "2"),
        pki.printable(pki.FAIL_INFO, "2"),
        pki.printable(pki.HRESULT, "-2147024809"),
    ]
    encoded = pki.signed_message(
        b"\0", [*_attributes("3"), *more, pki.octets(pki.RECIPIENT_NONCE, NONCE)], SIGNER, SIGNER_KEY, None
    )
    message, notes = read_message(encoded, {})
    assert (message.message_type, message.pki_status, message.fail_info, message.hresult) == (3, 2, 2, 0x80070057)
    assert (message.signer, message.signer_identity, message.certificates) == (None, ("CN=Test CA", "0b"), ())
    assert [code for code, _ in notes] == ["placeholder-content"]


@pytest.mark.parametrize("content", [None, b""])
def test_an_absent_or_empty_content_is_none(content: bytes | None) -> None:
    message, notes = read_message(pki.signed_message(content, _attributes("3"), SIGNER, SIGNER_KEY, [SIGNER]), {})
    assert (message.envelope, notes) == (None, [])


@pytest.mark.parametrize(
    ("how", "codes"),
    [
        ({"message_type": core.Integer(19)}, ["attribute-type"]),
        ({"message_type": core.UTF8String("19")}, ["attribute-type"]),
        ({"message_type": core.IA5String("19")}, ["attribute-type"]),
        ({"transaction_id": core.UTF8String("ABC")}, ["attribute-type"]),
    ],
)
def test_other_string_types_are_read_and_noted(how: dict[str, core.Asn1Value], codes: list[str]) -> None:
    message, notes = read_message(_request(**how), {})
    assert (message.message_type, message.transaction_id) == (19, "ABC")
    assert [code for code, _ in notes] == codes


@pytest.mark.parametrize(
    ("more", "codes"),
    [
        (pki.octets(pki.RECIPIENT_NONCE, b"short"), ["nonce-form", "attribute-unexpected"]),
        (pki.printable(pki.PKI_STATUS, "many"), ["attribute-not-a-number", "attribute-unexpected"]),
        (pki.attribute("1.2.840.113549.1.9.5", core.PrintableString("yesterday")), ["signing-time-unreadable"]),
    ],
)
def test_odd_attributes_are_noted(more: bytes, codes: list[str]) -> None:
    _, notes = read_message(_request(more), {})
    assert [each for each, _ in notes] == codes


def test_unknown_attributes_are_kept_and_secrets_are_not_shown() -> None:
    unknown = pki.attribute("1.2.3.4", core.UTF8String("hello"))
    secret = pki.attribute("1.2.840.113549.1.9.7", core.PrintableString("topsecret"))
    message, _ = read_message(_request(unknown, secret), {})
    shown = {each.oid: (each.name, each.value) for each in message.other_attributes}
    assert shown["1.2.3.4"] == (None, "hello")
    assert shown["1.2.840.113549.1.9.7"] == ("challengePassword", "(redacted, PrintableString of 9 characters)")


def test_bytes_after_the_message_are_noted() -> None:
    message, notes = read_message(_request() + b"\n", {})
    assert message.message_type == 19
    assert [code for code, _ in notes] == ["trailing-bytes"]


def test_a_truncated_message_says_how_much_is_there() -> None:
    encoded = _request()
    with pytest.raises(DecodeError, match=rf"truncated: {len(encoded) - 100:,} of {len(encoded):,} bytes"):
        read_message(encoded[:-100], {})


@pytest.mark.parametrize(
    "encoded",
    [b"", b"\x30", b"\x30\x00", b"hello", CA, b"\x30\x80" * 2000, b"\x30\x84\x7f\xff\xff\xff", pki.degenerate([CA])],
)
def test_what_is_no_message_is_said_to_be_none(encoded: bytes) -> None:
    with pytest.raises(DecodeError):
        read_message(encoded, {})


def test_any_damage_is_survived() -> None:
    encoded, chance = _request(), random.Random(4)
    for _ in range(1500):
        damaged = bytearray(encoded)
        for _ in range(chance.randrange(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        try:
            read_message(bytes(damaged), {})
        except DecodeError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({"content_type": False}, "content-type-missing"),
        ({"version": 7}, "version-odd"),
        ({"outer_type": "1.2.840.113549.1.7.5"}, "content-type-wrong"),
        ({"order": lambda each: sorted(each, reverse=True)}, "attributes-unsorted"),
    ],
)
def test_odd_signed_data_is_read_verified_and_noted(how: dict[str, Any], code: str) -> None:
    message, notes = read_message(
        pki.signed_message(b"\0", _attributes(), REQUESTER, CLIENT_KEY, [REQUESTER], **how), {}
    )
    assert code in [each for each, _ in notes]
    assert (message.message_type, message.digest.valid, message.signature.valid) == (19, True, True)


@pytest.mark.parametrize(
    ("kind", "more", "code"),
    [
        ("19", [pki.printable(pki.PKI_STATUS, "0")], "attribute-unexpected"),
        ("3", [pki.printable(pki.PKI_STATUS, "2")], "fail-info-missing"),
        ("3", [pki.printable(pki.PKI_STATUS, "3"), pki.printable(pki.FAIL_INFO, "2")], "attribute-unexpected"),
        ("3", [pki.printable(pki.PKI_STATUS, "0")], "success-without-content"),
        ("19", [pki.printable("1.2.840.113549.1.9.7", "open secret")], "challenge-password-in-clear"),
    ],
)
def test_what_the_rfc_does_not_foresee_is_noted(kind: str, more: list[bytes], code: str) -> None:
    encoded = pki.signed_message(None, [*_attributes(kind), *more], REQUESTER, CLIENT_KEY, [REQUESTER])
    _, notes = read_message(encoded, {})
    assert [each for each, _ in notes] == [code]


def test_a_certificate_that_cannot_be_read_does_not_take_the_message_with_it() -> None:
    broken = REQUESTER[:4] + b"\x04" + REQUESTER[5:]
    message, notes = read_message(pki.signed_message(None, _attributes(), SIGNER, SIGNER_KEY, [broken, SIGNER]), {})
    assert [each.serial_number for each in message.certificates] == ["0b"]
    assert "certificate-unreadable" in [code for code, _ in notes]
    assert message.signature.valid


def test_indefinite_lengths_and_strings_in_pieces() -> None:
    """What BouncyCastle (jscep) and Apple send; openssl reads the same bytes."""
    plain = _request()
    definite = plain[plain.index(b"\x06\x09") :]
    indefinite = b"\x30\x80" + definite + b"\x00\x00"
    message, notes = read_message(indefinite, {})
    assert (message.message_type, message.signature.valid) == (19, True)
    assert "ber-indefinite" in [code for code, _ in notes]
    command = ["openssl", "cms", "-cmsout", "-noout", "-inform", "DER"]
    subprocess.run(command, input=indefinite, check=True, capture_output=True)


def test_several_values_and_several_signers() -> None:
    """The first is read, and the others are said to be there."""
    pair = (
        core.ObjectIdentifier(pki.PKI_STATUS).dump()
        + b"\x31\x06"
        + core.PrintableString("2").dump()
        + core.PrintableString("0").dump()
    )
    double = b"\x30" + bytes([len(pair)]) + pair
    more = [double, pki.printable(pki.FAIL_INFO, "2")]
    message, notes = read_message(
        pki.signed_message(None, [*_attributes("3"), *more], SIGNER, SIGNER_KEY, [SIGNER]), {}
    )
    assert message.pki_status == 2
    assert [code for code, _ in notes] == ["attribute-several-values"]

    from asn1crypto import cms

    info = cms.ContentInfo.load(pki.signed_message(None, _attributes("3"), SIGNER, SIGNER_KEY, [SIGNER]))
    other = cms.ContentInfo.load(pki.signed_message(None, _attributes("3", "OTHER"), SIGNER, SIGNER_KEY, [SIGNER]))
    info["content"]["signer_infos"].append(other["content"]["signer_infos"][0])
    _, notes = read_message(info.dump(force=True), {})
    assert "several-signers" in [code for code, _ in notes]


def test_signed_data_inside_signed_data_is_no_envelope() -> None:
    message, notes = read_message(
        pki.signed_message(pki.degenerate([CA]), _attributes("3"), SIGNER, SIGNER_KEY, [SIGNER]), {}
    )
    assert message.envelope is None
    assert [code for code, _ in notes] == ["envelope-unreadable"]
    assert "signed_data" in dict(notes)["envelope-unreadable"]


def test_one_layer_in_ber_and_the_other_in_der() -> None:
    """iOS: DER outside, the eContent in indefinite form; each layer decides for itself."""
    sealed = pki.envelope(b"\x30\x03\x02\x01\x05", SIGNER, "aes-128-cbc", random.Random(3))
    indefinite = b"\x30\x80" + sealed[4:] + b"\x00\x00"
    message, notes = read_message(pki.signed_message(indefinite, _attributes(), REQUESTER, CLIENT_KEY, [REQUESTER]), {})
    assert message.envelope is not None
    assert message.envelope.content_encryption_algorithm == "aes-128-cbc"
    assert (message.digest.valid, message.signature.valid, notes) == (True, True, [])


def test_a_request_without_its_sequence_is_read_and_named(tmp_path: Path) -> None:
    """As .NET writes it where the content is not id-data: OpenSSL decrypts it, and finds no request in it."""
    inside = pki.request(pki.name(CN="device"), CLIENT_KEY, "secret-1")[4:]
    sealed = pki.envelope(inside, ENCRYPTER, "aes-128-cbc", random.Random(3))
    key = ENCRYPTION_KEY.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "key.pem").write_bytes(key)
    (tmp_path / "envelope.der").write_bytes(sealed)
    command = ["openssl", "cms", "-decrypt", "-inform", "DER", "-in", "envelope.der", "-inkey", "key.pem"]
    opened = subprocess.run(command, capture_output=True, check=True, cwd=tmp_path).stdout
    assert opened == inside
    refused = subprocess.run(
        ["openssl", "req", "-inform", "DER", "-noout"], input=opened, capture_output=True, check=False
    )
    assert refused.returncode != 0

    encoded = pki.signed_message(sealed, _attributes(), REQUESTER, CLIENT_KEY, [REQUESTER])
    message, notes = read_message(encoded, {}, [read_private_key(key, "key.pem", None)])
    assert message.envelope is not None
    content = message.envelope.content
    assert content is not None and content.csr is not None
    assert (content.kind, content.csr.subject, content.lacks_sequence) == ("pkcs10", "CN=device", True)
    assert content.csr.signature.valid is True
    assert [code for code, _ in notes] == ["sequence-missing"]
