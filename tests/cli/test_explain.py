"""``explain``: every topic of the contract, by name, number or OID; a miss is answered with what may have been meant."""

from collections.abc import Callable

import pytest

from scep_analyzer.rules.catalogue import RULES
from scep_analyzer.topics import find, topics
from tests.conftest import Result

Program = Callable[..., Result]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["req-wrong-recipient"], "never offered"),
        (["PKIOperation"], "raw DER"),
        (["pkioperation"], "raw DER"),
        (["GetCertInitial"], "messageType 20, CertPoll"),
        (["messageType", "19"], "PKCSReq"),
        (["PENDING"], "pkiStatus 3"),
        (["failInfo", "2"], "badRequest"),
        (["badMessageCheck"], "failInfo 1"),
        (["1.3.6.1.4.1.311.21.33"], "ENROLL_SCEP_ERROR"),
        (["transactionID"], "PrintableString"),
        (["0x80094800"], "CERTSRV_E_UNSUPPORTED_CERT_TYPE"),
        (["80094800"], "CERTSRV_E_UNSUPPORTED_CERT_TYPE"),
        (["-2146875392"], "CERTSRV_E_UNSUPPORTED_CERT_TYPE"),
        (["CERTSRV_E_KEY_LENGTH"], "0x80094811"),
        (["application/x-x509-ca-ra-cert"], "RA certificates"),
        (["SCEPStandard"], "AES"),
    ],
)
def test_a_topic_is_found(words: list[str], says: str, scep_analyzer: Program) -> None:
    result = scep_analyzer("explain", *words)
    assert (result.code, result.err) == (0, "")
    assert says in " ".join(result.out.split())
    assert "References" in result.out


def test_a_miss_says_what_may_have_been_meant(scep_analyzer: Program) -> None:
    result = scep_analyzer("explain", "req-wrong-recipent")
    assert result.code == 2
    assert "did you mean req-wrong-recipient" in result.err
    assert "lists the topics" in scep_analyzer("explain", "xyzzy-plugh").err


def test_alone_it_lists_every_topic(scep_analyzer: Program) -> None:
    out = scep_analyzer("explain").out
    names = {line.split("  ")[1] for line in out.splitlines() if line.startswith("  ")}
    assert {each.id for each in RULES} <= names
    assert {each.name for each in topics()} <= names


@pytest.mark.parametrize("topic", topics(), ids=lambda topic: topic.name)
def test_every_topic_is_found_by_all_its_names(topic: object) -> None:
    for name in (topic.name, *topic.aliases):  # type: ignore[attr-defined]
        assert topic in find(name)


def test_a_rule_as_markdown(scep_analyzer: Program) -> None:
    out = scep_analyzer("explain", "certrep-badtime", "-f", "markdown").out
    assert out.startswith("# certrep-badtime\n")
    for heading in ("What was seen", "Why it happens", "What to do", "What it is not", "References"):
        assert f"## {heading}" in out
