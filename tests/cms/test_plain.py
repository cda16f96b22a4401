"""Certificates read as elements are what asn1crypto's types read, whatever is done to them."""

import random
from collections.abc import Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from scep_analyzer.cms.ber import ASN1_ERRORS
from scep_analyzer.cms.certificates import _read, _told, _typed
from scep_analyzer.cms.plain import read_plain
from scep_analyzer.model.anomalies import DecodeError
from scep_analyzer.model.certificates import Certificate
from scep_analyzer.model.scep import CaCertificates, PkiMessage
from tests.builders.scene import CA, ENCRYPTER, ISSUED, SIGNER
from tests.conftest import CAPTURES, DEPTH, ROOT
from tests.reports import report_of


def _all() -> dict[bytes, None]:
    """The certificates of captures and of the builders."""
    found = dict.fromkeys((CA, ENCRYPTER, ISSUED, SIGNER))
    folders = ("field", "faults/ca_certificates", "faults/issued", "faults/requester")
    for path in [*CAPTURES, *(each for name in folders for each in (ROOT / "captures" / name).glob("*.pcap*"))]:
        for exchange in report_of(path).exchanges:
            for message in (exchange.request, exchange.response):
                if isinstance(message, PkiMessage | CaCertificates):
                    found |= dict.fromkeys(each.encoded for each in message.certificates)
    return found


EVERY = _all()


def _by_types(encoded: bytes) -> Certificate | None:
    try:
        return _typed(encoded)
    except (*ASN1_ERRORS, DecodeError):
        return None


def test_most_are_of_the_usual_form_and_the_same() -> None:
    plain = {each: read_plain(each) for each in EVERY}
    usual = {each: found for each, found in plain.items() if found is not None}
    assert len(EVERY) > 40
    assert len(usual) > len(EVERY) // 2
    for encoded, found in usual.items():
        assert _told(*found) == _typed(encoded)


def test_they_say_what_openssl_says() -> None:
    """``cryptography`` reads with Rust and OpenSSL."""
    usual = [each for each in EVERY if read_plain(each) is not None]
    for encoded in usual:
        found, theirs = _read(encoded), x509.load_der_x509_certificate(encoded)
        key = theirs.public_key()
        assert isinstance(key, rsa.RSAPublicKey)
        assert found.public_key is not None
        assert found.public_key.bits == key.key_size
        assert int(found.serial_number, 16) == theirs.serial_number
        assert (found.not_before, found.not_after) == (theirs.not_valid_before_utc, theirs.not_valid_after_utc)
        assert found.encoded == theirs.public_bytes(Encoding.DER)
        assert len(found.critical_extensions) == sum(each.critical for each in theirs.extensions)


def _harmed(encoded: bytes, chance: random.Random) -> Iterator[bytes]:
    for _ in range(60 * DEPTH):
        changed = bytearray(encoded)
        for _ in range(chance.choice((1, 1, 1, 2, 4))):
            at = chance.randrange(len(changed))
            kind = chance.random()
            if kind < 0.6:
                changed[at] = chance.choice(
                    (0, 1, 2, 3, 4, 5, 6, 0x17, 0x18, 0x30, 0x31, 0x80, 0x81, 0x82, 0xA0, 0xA3, 0xFF, changed[at] ^ 1)
                )
            elif kind < 0.8:
                del changed[at]
            else:
                changed.insert(at, chance.randrange(256))
        yield bytes(changed)
    yield from (encoded[:-1], encoded + b"\0", encoded[1:], b"", b"\x30", b"\x30\x80" + encoded[4:] + b"\0\0")


@pytest.mark.parametrize("encoded", EVERY, ids=lambda each: f"{len(each)}-{each[-2:].hex()}")
def test_whatever_is_done_to_them(encoded: bytes) -> None:
    """What is read as elements is read the same by the types; the rest is theirs."""
    for each in _harmed(encoded, random.Random(len(encoded))):
        found = read_plain(each)
        if found is not None:
            assert _told(*found) == _by_types(each)
