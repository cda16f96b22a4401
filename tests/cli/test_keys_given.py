"""Several keys on a command line: many, one twice, others that open nothing, pipes, names that are no text."""

import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, x25519

from scep_analyzer.cms import keys
from tests.conftest import ROOT, Result

Program = Callable[..., Result]
CAPTURE = ROOT / "captures" / "scenarios" / "ndes-get-enrollment.pcap"
RIGHT = ROOT / "captures" / "keys" / "ra-encryption.pem"

posix = pytest.mark.skipif(os.name != "posix", reason="pipes with a name, and names with any byte")


def _pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | x25519.X25519PrivateKey) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


OTHERS = {
    "ec": _pem(ec.generate_private_key(ec.SECP256R1())),
    "ed25519": _pem(ed25519.Ed25519PrivateKey.generate()),
    "x25519": _pem(x25519.X25519PrivateKey.generate()),
}


def test_the_key_that_fits_is_found_in_a_file_of_several(scep_analyzer: Program, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(OTHERS["ec"] + RIGHT.read_bytes())
    found = scep_analyzer("timeline", CAPTURE, "--key", both, "-f", "json")
    assert (found.code, found.err) == (0, "")
    assert '"kind":"pkcs10"' in found.out.replace(" ", "")
    assert '"kind":"pkcs10"' not in scep_analyzer("timeline", CAPTURE, "-f", "json").out.replace(" ", "")


def test_a_key_given_many_times_is_read_once(scep_analyzer: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    real = keys.read_private_key

    def counted(data: bytes, source: str, password: bytes | None = None) -> keys.PrivateKey:
        read.append(source)
        return real(data, source, password)

    monkeypatch.setattr(keys, "read_private_key", counted)
    assert scep_analyzer("list", CAPTURE, *["--key", RIGHT] * 50).code == 0
    assert read == [str(RIGHT)]


@pytest.mark.parametrize("kind", OTHERS)
def test_a_key_of_another_kind_stops_nothing(kind: str, scep_analyzer: Program, tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(OTHERS[kind])
    result = scep_analyzer("timeline", CAPTURE, "--key", path, "--key", RIGHT)
    assert (result.code, result.err) == (0, "")
    assert scep_analyzer("timeline", CAPTURE, "--key", path).code == 0


def test_no_library_speaks_on_standard_error(tmp_path: Path) -> None:
    made = ["openssl", "genpkey", "-algorithm", "DH", "-pkeyopt", "group:ffdhe2048", "-out", str(tmp_path / "dh.pem")]
    if subprocess.run(made, capture_output=True, check=False).returncode:
        pytest.skip("this openssl makes no such key")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        keys.read_private_key((tmp_path / "dh.pem").read_bytes(), "dh.pem")
    if not told:
        pytest.skip("this version of cryptography says nothing of it")
    words = [sys.executable, "-m", "scep_analyzer", "list", str(CAPTURE), "--key", str(tmp_path / "dh.pem")]
    done = subprocess.run(words, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@posix
def test_a_key_log_that_can_be_read_once_is_refused(scep_analyzer: Program, tmp_path: Path) -> None:
    pipe = tmp_path / "keylog"
    os.mkfifo(pipe)
    result = scep_analyzer("timeline", CAPTURE, "--keylog", pipe)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert "save it to a file" in result.err


@posix
def test_names_of_keys_steer_no_terminal(scep_analyzer: Program, tmp_path: Path) -> None:
    evil = tmp_path / "a\x1b]0;pwn\x07\n\u202e`|<b>.pem"
    evil.write_bytes(RIGHT.read_bytes())
    wrong = tmp_path / "b\x1b[31m"
    wrong.write_bytes(b"none")
    for words in (
        ["timeline"],
        ["timeline", "-f", "markdown"],
        ["timeline", "-f", "json"],
        ["answer"],
        ["diagnose", "--all"],
    ):
        result = scep_analyzer(*words, CAPTURE, "--key", evil, "--key", wrong)
        assert result.code in (0, 1)
        assert not set("\x1b\x07\u202e") & set(result.out + result.err), words
        assert "<b>" not in result.out or words[-1] != "markdown"
