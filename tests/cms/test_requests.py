"""PKCS #10 requests that openssl made."""

import shutil
import subprocess
from pathlib import Path

import pytest

from scep_analyzer.cms.requests import read_request
from scep_analyzer.model.anomalies import DecodeError
from tests.builders import pki

pytestmark = pytest.mark.skipif(
    not shutil.which("openssl"), reason="openssl is not installed (apt-get install openssl)"
)

CONFIG = """
[req]
distinguished_name = dn
attributes = attributes
req_extensions = extensions
prompt = no
string_mask = {mask}
[dn]
O = lab
CN = device
[attributes]
challengePassword = topsecret
unstructuredName = r1.example
[extensions]
subjectAltName = @names
keyUsage = critical, digitalSignature, keyEncipherment
extendedKeyUsage = clientAuth, 1.2.3.4.5
1.3.6.1.4.1.311.20.2 = ASN1:BMPSTRING:IPSECIntermediateOffline
1.3.6.1.4.1.311.25.2 = ASN1:SEQUENCE:sid
[sid]
name = IMPLICIT:0, SEQUENCE:sidname
[sidname]
type = OID:1.3.6.1.4.1.311.25.2.1
value = EXPLICIT:0, OCTETSTRING:S-1-5-21-1-2-3
[names]
DNS = r1.example
IP = 192.0.2.7
email = a@b.example
URI = tag:microsoft.com,2022-09-14:sid:S-1-5-21-1
otherName = 1.3.6.1.4.1.311.20.2.3;UTF8:user@b.test
"""


def _request(tmp_path: Path, mask: str = "nombstr") -> bytes:
    config = tmp_path / "req.cnf"
    config.write_text(CONFIG.format(mask=mask))
    command = [
        "openssl",
        "req",
        "-new",
        "-key",
        str(pki.KEYS / "client.pem"),
        "-config",
        str(config),
        "-outform",
        "DER",
    ]
    return subprocess.run(command, capture_output=True, check=True).stdout


@pytest.mark.parametrize(("mask", "kind"), [("nombstr", "PrintableString"), ("utf8only", "UTF8String")])
def test_everything_in_it(mask: str, kind: str, tmp_path: Path) -> None:
    csr = read_request(_request(tmp_path, mask))
    assert (csr.subject, csr.signature_algorithm) == ("CN=device,O=lab", "sha256WithRSAEncryption")
    assert csr.signature.valid
    assert csr.challenge_password is not None
    assert (csr.challenge_password.string_type, csr.challenge_password.value) == (kind, "topsecret")
    assert "topsecret" not in repr(csr)
    assert csr.subject_alt_names == (
        "DNS:r1.example",
        "IP:192.0.2.7",
        "email:a@b.example",
        "URI:tag:microsoft.com,2022-09-14:sid:S-1-5-21-1",
        "UPN:user@b.test",
    )
    assert csr.key_usage == ("digitalSignature", "keyEncipherment")
    assert csr.extended_key_usage == ("clientAuth", "1.2.3.4.5")
    words = {each.name: (each.value, each.critical) for each in csr.extensions}
    assert words["certificateTemplateName"] == ("IPSECIntermediateOffline", False)
    assert words["ntdsSecurityIdentifier"] == ("S-1-5-21-1-2-3", False)
    assert words["keyUsage"] == ("digitalSignature, keyEncipherment", True)
    assert [(each.name, each.value) for each in csr.attributes] == [("unstructuredName", "r1.example")]


def test_a_changed_request_is_told(tmp_path: Path) -> None:
    changed = _request(tmp_path).replace(b"device", b"devise")
    assert read_request(changed).signature.valid is False


@pytest.mark.parametrize("encoded", [b"", b"\x30\x00", b"\x30\x03abc", b"hello"])
def test_what_is_none(encoded: bytes) -> None:
    with pytest.raises(DecodeError):
        read_request(encoded)
