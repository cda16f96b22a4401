"""Envelopes that openssl sealed, opened with keys in every form that openssl writes."""

import random
import shutil
import subprocess
from pathlib import Path

import pytest
from asn1crypto import cms, core

from scep_analyzer.cms.enveloped import read_envelope
from scep_analyzer.cms.keys import PrivateKey, keys_in, read_private_key
from scep_analyzer.cms.message_data import read_message_data
from scep_analyzer.cms.opening import open_envelope
from scep_analyzer.model.anomalies import AnalyzerError, DecodeError
from tests.builders import pki
from tests.builders.scene import CA, CLIENT_KEY, CLIENT_NAME, ENCRYPTER, ISSUED, SIGNER

pytestmark = pytest.mark.skipif(
    not shutil.which("openssl"), reason="openssl is not installed (apt-get install openssl)"
)

REQUEST = pki.request(CLIENT_NAME, CLIENT_KEY, "s3cret")
KEY_FILE = pki.KEYS / "ra-encryption.pem"


def _openssl(*arguments: str, stdin: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *arguments], input=stdin, capture_output=True, check=True).stdout


def _key(path: Path = KEY_FILE) -> PrivateKey:
    return read_private_key(path.read_bytes(), path.name)


@pytest.fixture
def recipient(tmp_path: Path) -> Path:
    path = tmp_path / "recipient.pem"
    path.write_bytes(_openssl("x509", "-inform", "DER", stdin=ENCRYPTER))
    return path


CIPHERS = ["-aes128", "-aes192", "-aes256", "-des3", "-des", "-rc2-128", "-aes-128-gcm", "-aes-256-gcm"]


@pytest.mark.parametrize("oaep", [[], ["oaep"], ["oaep", "sha256"]], ids=["pkcs1", "oaep", "oaep-sha256"])
@pytest.mark.parametrize("cipher", CIPHERS)
def test_what_openssl_sealed(cipher: str, oaep: list[str], recipient: Path) -> None:
    options = ["-keyopt", "rsa_padding_mode:oaep"] if oaep else []
    options += ["-keyopt", "rsa_oaep_md:sha256"] if "sha256" in oaep else []
    providers = ["-provider", "legacy", "-provider", "default"] if cipher in ("-des", "-rc2-128") else []
    command = ["cms", "-encrypt", "-binary", "-outform", "DER", *providers, cipher, "-recip", str(recipient), *options]
    content, key = open_envelope(_openssl(*command, stdin=REQUEST), [_key(pki.KEYS / "client.pem"), _key()], {})
    assert content.csr is not None
    assert (content.kind, content.csr.subject, key.source) == ("pkcs10", "CN=device", "ra-encryption.pem")


def test_a_stream_in_ber(recipient: Path) -> None:
    command = [
        "cms",
        "-encrypt",
        "-stream",
        "-indef",
        "-binary",
        "-outform",
        "DER",
        "-aes128",
        "-recip",
        str(recipient),
    ]
    sealed = _openssl(*command, stdin=REQUEST)
    assert sealed[1] == 0x80
    assert open_envelope(sealed, [_key()], {})[0].kind == "pkcs10"


def test_ciphertext_as_a_constructed_field_of_definite_length() -> None:
    """Go's SCEP library; asn1crypto refuses to read the field."""
    sealed = pki.envelope(REQUEST, ENCRYPTER, "aes-128-cbc", random.Random(1))
    info = cms.ContentInfo.load(sealed)
    encrypted = info["content"]["encrypted_content_info"]["encrypted_content"].native
    primitive = core.OctetString(encrypted, implicit=0).dump()
    constructed = b"\xa0" + core.OctetString(core.OctetString(encrypted).dump(), implicit=0).dump()[1:]
    grown = len(constructed) - len(primitive)
    changed = bytearray(sealed.replace(primitive, constructed))
    for at in (2, sealed.index(b"\xa0\x82") + 2, sealed.index(b"\xa0\x82") + 6):
        changed[at : at + 2] = (int.from_bytes(changed[at : at + 2], "big") + grown).to_bytes(2, "big")
    at = changed.index(bytes.fromhex("06092a864886f70d010701")) - 4
    changed[at + 2 : at + 4] = (int.from_bytes(changed[at + 2 : at + 4], "big") + grown).to_bytes(2, "big")
    _openssl("cms", "-cmsout", "-noout", "-inform", "DER", stdin=bytes(changed))  # openssl accepts it
    assert open_envelope(bytes(changed), [_key()], {})[0].kind == "pkcs10"


@pytest.mark.parametrize("key", ["client.pem", "ca.pem", "ra-signing.pem"])
def test_a_wrong_key_opens_nothing(key: str) -> None:
    sealed = pki.envelope(REQUEST, ENCRYPTER, "aes-128-cbc", random.Random(1))
    with pytest.raises(DecodeError):
        open_envelope(sealed, [_key(pki.KEYS / key)], {})
    from scep_analyzer.cms.certificates import read_certificate

    certificate = read_certificate(ENCRYPTER)
    with pytest.raises(DecodeError, match="none of the keys given belongs to its recipient"):
        open_envelope(sealed, [_key(pki.KEYS / key)], {certificate.identity: certificate})


def test_damaged_ciphertext_is_not_believed() -> None:
    sealed = bytearray(pki.envelope(REQUEST, ENCRYPTER, "aes-128-cbc", random.Random(1)))
    sealed[-20] ^= 0xFF
    with pytest.raises(DecodeError):
        open_envelope(bytes(sealed), [_key()], {})


@pytest.mark.parametrize(
    ("form", "password"),
    [
        (["rsa", "-traditional"], None),
        (["rsa", "-traditional", "-outform", "DER"], None),
        (["pkcs8", "-topk8", "-nocrypt"], None),
        (["pkcs8", "-topk8", "-nocrypt", "-outform", "DER"], None),
        (["pkcs8", "-topk8", "-passout", "pass:open"], b"open"),
        (["pkcs8", "-topk8", "-passout", "pass:open", "-outform", "DER"], b"open"),
        (["rsa", "-traditional", "-aes128", "-passout", "pass:open"], b"open"),
    ],
)
def test_keys_in_every_form(form: list[str], password: bytes | None) -> None:
    data = _openssl(*form, "-in", str(KEY_FILE))
    assert read_private_key(data, "k", password).public == _key().public
    if password is None:
        assert read_private_key(data, "k", b"needless").public == _key().public
    else:
        with pytest.raises(AnalyzerError, match="--key-password-file"):
            read_private_key(data, "k", None)
        with pytest.raises(AnalyzerError):
            read_private_key(data, "k", b"wrong")


@pytest.mark.parametrize("password", ["open", ""])
def test_a_key_in_pkcs12(password: str, recipient: Path) -> None:
    command = ["pkcs12", "-export", "-inkey", str(KEY_FILE), "-in", str(recipient), "-passout", f"pass:{password}"]
    data = _openssl(*command)
    assert read_private_key(data, "k.p12", password.encode() or None).public == _key().public
    if password:
        with pytest.raises(AnalyzerError, match="--key-password-file"):
            read_private_key(data, "k.p12", b"wrong")


def test_every_key_of_a_pem_file_is_read(recipient: Path) -> None:
    """As the RA's two keys are kept in one file, with their certificates, which are none."""
    curve = _openssl("ecparam", "-name", "prime256v1", "-genkey")  # with the curve's parameters before it
    file = recipient.read_bytes() + curve + b"Bag Attributes\r\n" + _openssl("rsa", "-in", str(KEY_FILE))
    found = [read_private_key(each, "k.pem") for each in keys_in(file)]
    assert [each.public for each in found] == [read_private_key(curve, "c").public, _key().public]
    assert keys_in(b"\x30\x03-----BEGIN PRIVATE KEY-----") == [b"\x30\x03-----BEGIN PRIVATE KEY-----"]


def test_an_elliptic_curve_key_is_read_and_opens_nothing() -> None:
    key = read_private_key(_openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout"), "ec.pem")
    with pytest.raises(DecodeError, match="no RSA key"):
        open_envelope(pki.envelope(REQUEST, ENCRYPTER, "aes-128-cbc", random.Random(1)), [key], {})


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"hello", "not a private key"), (b"", "not a private key"), (b"\x30\x03abc", "not a private key")],
)
def test_what_is_no_key_is_one_line(data: bytes, said: str) -> None:
    with pytest.raises(AnalyzerError, match=said) as caught:
        read_private_key(data, "file.pem")
    assert "\n" not in str(caught.value)


def test_a_certificate_is_no_key(recipient: Path) -> None:
    with pytest.raises(AnalyzerError, match="a certificate, not a private key"):
        read_private_key(recipient.read_bytes(), "c.pem")


def test_what_an_envelope_may_hold(tmp_path: Path) -> None:
    from asn1crypto import x509

    name = x509.Certificate.load(CA).subject.dump()
    serial = core.Integer(0x15).dump()
    pair = b"\x30" + bytes([len(name + serial)]) + name + serial
    both = b"\x30" + bytes([len(name) * 2]) + name + name
    assert read_message_data(pair).serial_number == "15"
    assert read_message_data(pair).issuer == "CN=Test CA"
    assert read_message_data(both).subject == "CN=Test CA"
    assert [each.subject for each in read_message_data(pki.degenerate([ISSUED, SIGNER])).certificates] == [
        "CN=device",
        "CN=Test RA",
    ]
    wrapped = cms.ContentInfo({"content_type": "data", "content": REQUEST}).dump()  # PKCS #7 inside PKCS #7
    assert read_message_data(wrapped).kind == "pkcs10"
    for junk in (b"", b"hello", b"\x30\x00", b"\x04\x03abc"):
        with pytest.raises(DecodeError):
            read_message_data(junk)


def test_a_crl_of_openssl(tmp_path: Path) -> None:
    (tmp_path / "index.txt").write_text("R\t360101000000Z\t260101000000Z\t15\tunknown\t/CN=device\n")
    (tmp_path / "number").write_text("2A\n")
    (tmp_path / "ca.pem").write_bytes(_openssl("x509", "-inform", "DER", stdin=CA))
    (tmp_path / "ca.cnf").write_text(
        f"[ca]\ndefault_ca=d\n[d]\ndatabase={tmp_path}/index.txt\ncrlnumber={tmp_path}/number\ndefault_md=sha256\ndefault_crl_days=7\n"
    )
    command = [
        "ca",
        "-config",
        str(tmp_path / "ca.cnf"),
        "-gencrl",
        "-keyfile",
        str(pki.KEYS / "ca.pem"),
        "-cert",
        str(tmp_path / "ca.pem"),
    ]
    pem = _openssl(*command)
    (tmp_path / "crl.pem").write_bytes(pem)
    sealed = _openssl("crl2pkcs7", "-in", str(tmp_path / "crl.pem"), "-outform", "DER")
    content = read_message_data(sealed)
    (crl,) = content.crls
    assert (content.kind, crl.issuer, crl.revoked, crl.number, crl.signature_algorithm) == (
        "crl",
        "CN=Test CA",
        1,
        42,
        "sha256WithRSAEncryption",
    )


def _changed(sealed: bytes, *pairs: tuple[str, str]) -> bytes:
    for old, new in pairs:
        assert bytes.fromhex(old) in sealed
        sealed = sealed.replace(bytes.fromhex(old), bytes.fromhex(new), 1)
    return sealed


def test_an_inner_content_type_of_encrypted_data(recipient: Path) -> None:
    """A .NET client names encryptedData (1.2.840.113549.1.7.6) inside EnvelopedData; NDES takes it (micromdm/scep#224)."""
    sealed = pki.envelope(REQUEST, ENCRYPTER, "aes-128-cbc", random.Random(1))
    assert (
        open_envelope(_changed(sealed, ("06092a864886f70d010701", "06092a864886f70d010706")), [_key()], {})[0].kind
        == "pkcs10"
    )


def test_aes_gcm_inside_enveloped_data() -> None:
    """Go's PKCS #7 library puts AES-GCM into EnvelopedData, the tag behind the ciphertext (micromdm/scep#252)."""
    from asn1crypto import algos
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    info = cms.ContentInfo.load(pki.envelope(REQUEST, ENCRYPTER, "aes-128-cbc", random.Random(1)))
    content = info["content"]["encrypted_content_info"]
    secret, nonce = random.Random(1).randbytes(16), bytes(12)  # the builder draws the key first
    content["content_encryption_algorithm"] = algos.EncryptionAlgorithm({"algorithm": "2.16.840.1.101.3.4.1.6"})
    content["encrypted_content"] = AESGCM(secret).encrypt(nonce, REQUEST, None)
    oid = core.ObjectIdentifier("2.16.840.1.101.3.4.1.6").dump()
    parameters = b"\x30\x11\x04\x0c" + nonce + b"\x02\x01\x10"
    old, new = b"\x30\x0b" + oid, b"\x30" + bytes([len(oid + parameters)]) + oid + parameters
    encoded = info.dump(force=True)
    assert old in encoded
    grown = encoded.replace(old, new)
    fixed = bytearray(grown)
    for at in (
        2,
        grown.index(b"\xa0\x82") + 2,
        grown.index(b"\xa0\x82") + 6,
        grown.index(bytes.fromhex("06092a864886f70d010701")) - 2,
    ):
        fixed[at : at + 2] = (int.from_bytes(fixed[at : at + 2], "big") + len(new) - len(old)).to_bytes(2, "big")
    assert open_envelope(bytes(fixed), [_key()], {})[0].kind == "pkcs10"


def test_a_password_recipient_is_named(tmp_path: Path) -> None:
    """RFC 8894, Section 3.1: an EC client gets its answer under the challenge password."""
    from scep_analyzer.cms.enveloped import read_envelope

    command = ["cms", "-encrypt", "-binary", "-outform", "DER", "-aes128", "-pwri_password", "challenge"]
    sealed = _openssl(*command, stdin=REQUEST)
    assert [each.kind for each in read_envelope(sealed).recipients] == ["password"]
    with pytest.raises(DecodeError, match="no recipient whose key was transported"):
        open_envelope(sealed, [_key()], {})


def test_a_recipient_named_by_key_identifier(recipient: Path) -> None:
    from scep_analyzer.cms.enveloped import read_envelope

    ca = recipient.parent / "ca.pem"
    made = ["req", "-x509", "-key", str(KEY_FILE), "-subj", "/CN=with identifier", "-out", str(ca)]
    _openssl(*made)
    sealed = _openssl("cms", "-encrypt", "-binary", "-outform", "DER", "-aes128", "-keyid", str(ca), stdin=REQUEST)
    (named,) = read_envelope(sealed).recipients
    assert (named.issuer, named.key_identifier is not None) == (None, True)
    assert open_envelope(sealed, [_key()], {})[0].kind == "pkcs10"


def test_a_missing_iv_is_read_as_zeros_as_openssl_does(tmp_path: Path) -> None:
    """Without parameters OpenSSL leaves the IV at zeros; what it opens is what we open."""
    from asn1crypto import algos
    from cryptography.hazmat.primitives.ciphers import Cipher, modes
    from cryptography.hazmat.primitives.ciphers.algorithms import AES

    info = cms.ContentInfo.load(pki.envelope(REQUEST, ENCRYPTER, "aes-128-cbc", random.Random(1)))
    content = info["content"]["encrypted_content_info"]
    secret = random.Random(1).randbytes(16)  # the builder draws the key first
    fill = 16 - len(REQUEST) % 16
    encryptor = Cipher(AES(secret), modes.CBC(bytes(16))).encryptor()
    content["content_encryption_algorithm"] = algos.EncryptionAlgorithm({"algorithm": "2.16.840.1.101.3.4.1.2"})
    content["encrypted_content"] = encryptor.update(REQUEST + bytes([fill]) * fill) + encryptor.finalize()
    sealed = info.dump(force=True)
    (tmp_path / "recipient.pem").write_bytes(_openssl("x509", "-inform", "DER", stdin=ENCRYPTER))
    command = ("cms", "-decrypt", "-binary", "-inform", "DER", "-inkey", str(KEY_FILE))
    assert _openssl(*command, "-recip", str(tmp_path / "recipient.pem"), stdin=sealed) == REQUEST
    opened, _ = open_envelope(sealed, [_key()], {})
    assert opened.kind == "pkcs10"
    assert read_envelope(sealed).iv_length is None
