"""Distinguished names against `openssl x509 -nameopt RFC2253`."""

import shutil
import subprocess

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from scep_analyzer.cms.certificates import read_certificate
from scep_analyzer.cms.names import escape
from tests.builders import pki
from tests.builders.scene import CA_KEY, CA_NAME, CLIENT_KEY, START

NAMES = {
    "plain": x509.Name(
        [x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"), x509.NameAttribute(NameOID.COMMON_NAME, "device")]
    ),
    "special characters": x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ' #a,b+c"d\\e<f>;g ')]),
    "beyond ASCII": x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Zürich \u0416")]),
    "cisco": x509.Name(
        [
            x509.RelativeDistinguishedName(
                [
                    x509.NameAttribute(NameOID.SERIAL_NUMBER, "9WW2"),
                    x509.NameAttribute(NameOID.UNSTRUCTURED_NAME, "r1.example"),
                    x509.NameAttribute(x509.ObjectIdentifier("1.2.840.113549.1.9.8"), "10.0.0.1"),
                ]
            ),
            x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "lab")]),
        ]
    ),
    "many types": x509.Name(
        [
            x509.NameAttribute(NameOID.DOMAIN_COMPONENT, "example"),
            x509.NameAttribute(NameOID.EMAIL_ADDRESS, "a@b.example"),
            x509.NameAttribute(NameOID.USER_ID, "u1"),
            x509.NameAttribute(NameOID.GIVEN_NAME, "Ann"),
            x509.NameAttribute(NameOID.SURNAME, "Lee"),
            x509.NameAttribute(NameOID.STATE_OR_PROVINCE_NAME, "BY"),
            x509.NameAttribute(NameOID.LOCALITY_NAME, "M"),
            x509.NameAttribute(NameOID.STREET_ADDRESS, "Way 1"),
            x509.NameAttribute(NameOID.DN_QUALIFIER, "q"),
        ]
    ),
    "empty": x509.Name([]),
}


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed (apt-get install openssl)")
@pytest.mark.parametrize("name", NAMES)
def test_names_are_those_of_openssl(name: str) -> None:
    encoded = pki.certificate(NAMES[name], CLIENT_KEY, CA_NAME, CA_KEY, 5, START, 30)
    command = ["openssl", "x509", "-inform", "DER", "-noout", "-subject", "-nameopt", "RFC2253,-esc_msb,utf8"]
    printed = subprocess.run(command, input=encoded, capture_output=True, check=True).stdout.decode()
    assert "subject=" + read_certificate(encoded).subject == printed.rstrip("\n")


def test_control_characters_never_leave_a_name() -> None:
    assert escape("a\x1b[31m\nb\x00") == "a\\1B[31m\\0Ab\\00"
