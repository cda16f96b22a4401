"""The challenge password is found by its OID alone. The forms in which messages may hide it: ``tests/hostile/test_canary.py``."""

import base64
import subprocess

import pytest

from scep_analyzer.cms.challenge import holds_secret, masked, shown
from tests.builders import pki
from tests.builders.scene import ISSUED
from tests.hostile.recipes import tlv

CSR = pki.request(pki.name(CN="device"), pki.key("client"), "Tr0ub4dor")


def test_only_the_value_is_masked_and_openssl_still_reads_the_request() -> None:
    hidden = masked(CSR)
    at = CSR.index(b"Tr0ub4dor")
    assert hidden.content == CSR.replace(b"Tr0ub4dor", b"*********")
    assert any(start <= at < end for start, end in hidden.spans)
    read = subprocess.run(
        ["openssl", "asn1parse", "-inform", "DER"], input=hidden.content, capture_output=True, check=True
    )
    assert b"challengePassword" in read.stdout
    assert b":*********" in read.stdout


def test_nothing_else_is_touched() -> None:
    assert masked(ISSUED) == (ISSUED, ())
    assert not holds_secret(ISSUED)
    assert shown(b"\x01\x02") == "0102"


@pytest.mark.parametrize(
    "wrapped",
    [
        CSR[CSR.index(b"Tr0ub4dor") - 15 :],
        b"\xff" * 9 + CSR,
        tlv(0x04, base64.b64encode(b"x" + CSR)),
        tlv(0x04, base64.urlsafe_b64encode(b"xy" + CSR)),
        base64.encodebytes(CSR),
        CSR.hex(":").encode(),
        b"message=" + base64.b64encode(CSR).replace(b"+", b"%2B").replace(b"A", b"%41"),
        b"message=" + base64.b64encode(CSR).replace(b"A", b"%2541"),
    ],
)
def test_in_doubt_more_is_hidden(wrapped: bytes) -> None:
    assert holds_secret(wrapped)
    content = masked(wrapped).content
    assert len(content) == len(wrapped)
    assert b"Tr0ub4dor" not in content
    assert not holds_secret(content) or b"*********" in content
    assert "redacted" in shown(wrapped)


def test_a_long_value_is_cut_and_told_from_others() -> None:
    one, other = shown(bytes(100_000)), shown(bytes(99_999) + b"\x01")
    assert len(one) < 5_000
    assert one != other
