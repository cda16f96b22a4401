"""Every capture of the corpus, read by the program, against what tshark, openssl and the logs say is in it."""

import json
import shutil
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from scep_analyzer.analysis import Analysis
from scep_analyzer.model.tls import Secrets
from scep_analyzer.render import json_v1
from tests.conftest import CAPTURES, TLS_CAPTURES


def _sidecar(capture: Path) -> dict[str, Any]:
    return tomllib.loads(capture.with_suffix(".toml").read_text(encoding="utf-8"))


def _seconds(time: str) -> str:
    """An oracle's epoch time as the JSON writes it."""
    from datetime import UTC, datetime

    whole, fraction = time.split(".")
    return f"{datetime.fromtimestamp(int(whole), UTC):%Y-%m-%dT%H:%M:%S}.{fraction[:6]}Z"


def secrets_beside(capture: Path) -> Secrets:
    """What the lab kept to undo a capture's TLS."""
    facts = _sidecar(capture)
    keylog, key = (str(capture.with_name(facts[kind])) if kind in facts else None for kind in ("keylog", "key"))
    return Secrets(keylog, rsa_keys=(key,) if key else ())


READABLE = [*CAPTURES, *(each for each in TLS_CAPTURES if _sidecar(each).get("transactions"))]


@pytest.fixture(params=READABLE, ids=lambda path: path.stem)
def case(request: pytest.FixtureRequest) -> tuple[dict[str, Any], dict[str, Any]]:
    capture: Path = request.param
    if capture in TLS_CAPTURES and shutil.which("tshark") is None:
        pytest.skip("needs tshark, which undoes the TLS: apt-get install tshark")
    return _document(capture), _sidecar(capture)


@cache
def _document(capture: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(
        json_v1.render(Analysis([str(capture)], secrets=secrets_beside(capture)).report())
    )
    return document


def test_the_corpus_is_there() -> None:
    assert len(CAPTURES) >= 10
    assert len(READABLE) >= len(CAPTURES) + 4
    assert [each for each in (*CAPTURES, *TLS_CAPTURES) if not each.with_suffix(".toml").exists()] == []


def test_exchanges_are_those_of_tshark(case: tuple[dict[str, Any], dict[str, Any]]) -> None:
    report, truth = case
    assert len(report["exchanges"]) == len(truth["exchanges"])
    for found, expected in zip(report["exchanges"], truth["exchanges"], strict=True):
        request, response = found["request"], found["response"]
        assert found["connection"] == expected["connection"]
        assert found["operation_as_sent"] == expected["operation"]
        assert request["frames"] == expected["request_frames"]
        assert request["time"] == _seconds(expected["request_time"])
        assert request["method"] == expected["method"]
        assert len(request["target"]) == expected["target_length"]
        assert request["body_length"] == expected["request_body_length"]
        assert request["complete"]
        assert response["frames"] == expected["response_frames"]
        assert response["time"] == _seconds(expected["response_time"])
        assert response["status"] == expected["status"]
        assert (response["content_type"] or "").split(";")[0] == expected["content_type"].split(";")[0]
        assert (response["server"] or "") == expected["server"]
        assert response["body_length"] == expected["response_body_length"]
        assert response["complete"]
        assert response["body_text"] == expected.get("body_text")
        assert response["capabilities"] == expected.get("capabilities")


def _assert_certificates(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    assert [{key: each[key] for key in wanted} for each, wanted in zip(found, expected, strict=True)] == expected


def _assert_message(found: dict[str, Any], expected: dict[str, Any]) -> None:
    plain = ("message_type", "transaction_id", "sender_nonce", "recipient_nonce", "pki_status", "fail_info")
    assert {key: found[key] for key in plain} == {key: expected.get(key) for key in plain}
    assert found["digest_algorithm"] == expected["digest_algorithm"]
    assert found["signature_algorithm"] == expected["signature_algorithm"]
    assert found["length"] == expected["length"]
    # NDES leaves the signer's certificate out; openssl then says "invalid", the analyzer looks for it in GetCACert.
    if expected["certificates"]:
        assert found["signature_valid"] is expected["signature_valid"]
    assert found["digest_valid"] is True
    _assert_certificates(found["certificates"], expected["certificates"])
    if "recipient_serials" in expected:
        envelope = found["envelope"]
        assert [each["serial_number"] for each in envelope["recipients"]] == expected["recipient_serials"]
        assert envelope["content_encryption_algorithm"] == expected["content_encryption_algorithm"]
    elif expected["signature_valid"]:  # else openssl did not get as far as the envelope
        assert found["envelope"] is None


def test_messages_are_those_of_openssl(case: tuple[dict[str, Any], dict[str, Any]]) -> None:
    report, truth = case
    for found, expected in zip(report["exchanges"], truth["exchanges"], strict=True):
        if "request" in expected:
            _assert_message(found["request"]["pki_message"], expected["request"])
        else:
            assert found["request"]["pki_message"] is None
        if "response" in expected:
            _assert_message(found["response"]["pki_message"], expected["response"])
        if "certificates" in expected:
            _assert_certificates(found["response"]["certificates"], expected["certificates"])


def test_transactions_are_those_of_the_story(case: tuple[dict[str, Any], dict[str, Any]]) -> None:
    report, truth = case
    assert len(report["transactions"]) == len(truth["transactions"])
    for found, expected in zip(report["transactions"], truth["transactions"], strict=True):
        assert {key: found[key] for key in expected} == expected


def test_nothing_is_damaged(case: tuple[dict[str, Any], dict[str, Any]]) -> None:
    report, _ = case
    assert [each for each in report["anomalies"] if each["layer"] != "scep"] == []
    assert all(each["complete"] for each in report["captures"])
