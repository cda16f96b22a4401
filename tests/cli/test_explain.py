"""``explain``: every topic by name, number or OID; every code that an output prints; a miss is answered with what may have been meant."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scep_analyzer import glossary
from scep_analyzer.render import json_v1
from scep_analyzer.rules.catalogue import RULES
from scep_analyzer.topics import KINDS, Topic, find, kind_of, near, of_kind, topics
from tests.conftest import CAPTURES, ROOT, Result
from tests.reports import report_of

Program = Callable[..., Result]
HABITS = re.compile(
    r"\b(mend|blanks?|stands there|anew|in vain|as a rule|let the client|odd|oddity|takes \w+ for|in the clear text|foresees)\b"
    r"|\(s\)|\b1 errors\b",
    re.IGNORECASE,
)
"""House habits that docs/design.md's language has given up."""


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["req-wrong-recipient"], "decrypt"),
        (["PKIOperation"], "raw DER"),
        (["pkioperation"], "raw DER"),
        (["GetCertInitial"], "messageType 20, CertPoll"),
        (["messageType", "19"], "PKCSReq"),
        (["PENDING"], "pkiStatus 3"),
        (["pkistatus", "1"], "not assigned"),
        (["failInfo", "2"], "badRequest"),
        (["badMessageCheck"], "failInfo 1"),
        (["1.3.6.1.4.1.311.21.33"], "ENROLL_SCEP_ERROR"),
        (["transactionID"], "PrintableString"),
        (["transId"], "PrintableString"),
        (["0x80094800"], "CERTSRV_E_UNSUPPORTED_CERT_TYPE"),
        (["80094800"], "CERTSRV_E_UNSUPPORTED_CERT_TYPE"),
        (["-2146875392"], "CERTSRV_E_UNSUPPORTED_CERT_TYPE"),
        (["CERTSRV_E_KEY_LENGTH"], "0x80094811"),
        (["2148204809"], "CERT_E_UNTRUSTEDROOT"),  # the win32 column of IIS (products.md 3.3)
        (["application/x-x509-ca-ra-cert"], "RA certificates"),
        (["SCEPStandard"], "AES"),
        (["RA"], "registration authority"),
        (["ra", "certificate"], "CEP Encryption"),
        (["nonce"], "senderNonce"),
        (["PKCS", "#10"], "CSR"),
        (["pkcs10"], "CSR"),
        (["Exchange Enrollment Agent"], "two years"),
        (["404.15"], "maxQueryString"),
        (["403.16"], "Trusted Root"),
        (["NDES", "event", "29"], "used already"),
        (["unknown_ca"], "alert 48"),
        (["TLS alert 48"], "unknown_ca"),
        (["ICMP 3/13"], "access list"),
        (["NXDOMAIN"], "rcode"),
        (["22013"], "invalid response"),
        (["-67731"], "errSecKeyUsageIncorrect"),
        (["sscep", "71"], "badMessageCheck"),
        (["0x80190194"], "HTTP status 404"),
        (["12175"], "0x80072F8F"),
        (["sha256"], "2.16.840.1.101.3.4.2.1"),
        (["1.3.6.1.5.5.7.3.2"], "clientAuth"),
        (["2.5.29.17"], "subjectAltName"),
        (["ntdsCaSecurityExtension"], "ntdsSecurityIdentifier"),
        (["base64-lines"], "broken into lines"),
        (["unusable"], "cannot use"),
        (["QueueFull"], "queue"),
        (["ChallengeExpired"], "csr-challenge-stale"),
        (["step-ca"], "SCEP server"),
    ],
)
def test_a_topic_is_found(words: list[str], says: str, scep_analyzer: Program) -> None:
    result = scep_analyzer("explain", "-f", "markdown", "--", *words)
    assert (result.code, result.err) == (0, "")
    names = " ".join(name for each in find(" ".join(words)) for name in (each.name, *each.aliases))
    assert says.lower() in f"{' '.join(result.out.split())} {names}".lower()
    assert "## References" in result.out


def test_a_miss_says_what_may_have_been_meant(scep_analyzer: Program) -> None:
    result = scep_analyzer("explain", "req-wrong-recipent")
    assert result.code == 2
    assert "did you mean req-wrong-recipient" in result.err
    assert "lists the kinds of topics" in scep_analyzer("explain", "xyzzy-plugh").err
    assert "challengePassword" in scep_analyzer("explain", "chalenge password").err
    assert "glossary" in scep_analyzer("explain", "glosary").err


def test_alone_it_lists_every_kind_on_one_screen(scep_analyzer: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = scep_analyzer("explain").out.splitlines()
    assert len(lines) < 24
    counts = {line[:13].strip(): int(line[13:18]) for line in lines[: len(KINDS)]}
    assert list(counts) == list(KINDS)
    assert counts["rule"] == len(RULES)
    assert sum(counts.values()) == len(topics())


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_lists_all_of_its_topics(kind: str, scep_analyzer: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    text, table = scep_analyzer("explain", kind).out, scep_analyzer("explain", kind, "-f", "markdown").out
    names = {each.name for each in of_kind(kind)}
    assert len(names) > 3
    for name in names:
        assert f"\n  {name}" in text
        assert f"\n| {name} |" in table


def test_the_glossary_lists_each_word_in_a_line(scep_analyzer: Program) -> None:
    out = scep_analyzer("explain", "glossary").out
    for word in (*glossary.TERMS, *glossary.FIELD_ENTRIES):
        assert f"\n  {word}" in out
    assert kind_of("HTTP statuses") == kind_of("http-status") == ("HTTP status",)


def test_text_follows_the_width_of_the_terminal(scep_analyzer: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    for width in (40, 80, 120):
        monkeypatch.setenv("COLUMNS", str(width))
        out = scep_analyzer("explain", "renewal").out + scep_analyzer("explain", "glossary").out
        assert width - 12 < max(map(len, out.splitlines())) <= width


@pytest.mark.parametrize("topic", topics(), ids=lambda topic: topic.name)
def test_every_topic_is_found_by_all_its_names(topic: Topic) -> None:
    for name in (topic.name, *topic.aliases):
        assert topic in find(name)


def test_no_name_means_two_things_of_one_kind() -> None:
    for topic in topics():
        same = [each for each in find(topic.name) if each.kind == topic.kind]
        assert same == [topic], f"{topic.kind} {topic.name}: {[each.title for each in same]}"


def test_every_rule_that_a_topic_names_exists() -> None:
    known = {each.id for each in RULES}
    named = {
        rule
        for topic in topics()
        for _, paragraphs in topic.sections
        for paragraph in paragraphs
        for rule in re.findall(r"^`scep-analyzer explain ([\w-]+)`$", paragraph)
    }
    assert len(named) > 100
    assert named <= known, named - known


def test_every_entry_has_a_hover_text_of_one_line() -> None:
    entries = [entry for table in _tables() for entry in table.values()]
    assert len(entries) > 180
    for entry in entries:
        assert 0 < len(entry.short) <= 110, entry.short
        assert "\n" not in entry.short
        assert entry.meaning.endswith(".")
        assert entry.source
    for word, meant in glossary.OTHER_WORDS.items():
        assert glossary.short(word) == glossary.short(meant) is not None, word
    assert glossary.short("no such word") is None


def _tables() -> tuple[dict[Any, glossary.Entry], ...]:
    return (
        glossary.TERMS, glossary.FIELD_ENTRIES, glossary.OPERATIONS, glossary.MESSAGE_TYPES, glossary.STATUSES,  # type: ignore[return-value]
        glossary.CAPABILITIES, glossary.CONTENT_TYPES, glossary.FAIL_INFO_ENTRIES,
    )  # fmt: skip


def test_every_attribute_and_extension_with_a_name_is_a_field() -> None:
    from scep_analyzer.cms.certificates import EXTENSIONS
    from scep_analyzer.cms.requests import ATTRIBUTES
    from scep_analyzer.scep.codes import ATTRIBUTE_NAMES

    names = {*EXTENSIONS.values(), *ATTRIBUTES.values(), *ATTRIBUTE_NAMES.values()}
    assert names <= set(glossary.FIELD_ENTRIES)


def test_the_words_are_plain() -> None:
    """Rules have their own test; this is of everything else."""
    for topic in topics():
        if topic.kind in ("rule", "failInfo"):  # a failInfo quotes its rule
            continue
        # What to do about an HRESULT is the rules' text.
        own = (
            each
            for heading, paragraphs in topic.sections
            if heading not in ("What to do", "Rules with causes and fixes")
            for each in paragraphs
        )
        for text in (topic.title, *own):
            assert HABITS.search(text.replace(topic.name, "")) is None, f"{topic.name}: {text}"


def test_hresults_are_those_of_winerror_h() -> None:
    """Names and numbers copied from mingw-w64's winerror.h by a script that knows nothing of this program."""
    header = (Path(__file__).parent / "winerror.txt").read_text(encoding="ascii").split("\n")
    numbers = dict(line.split() for line in header if line and not line.startswith("#"))
    checked = 0
    for topic in of_kind("HRESULT"):
        for name in topic.aliases:
            if name in numbers:
                checked += 1
                assert int(topic.name, 16) == int(numbers[name], 16), topic.name
    assert checked > 60


# What outputs print


def _captures(*patterns: str) -> list[Path]:
    """Captures of the corpus that can be read without keys. Near misses print no code that the others do not."""
    found = (each for pattern in patterns for each in sorted((ROOT / "captures").glob(pattern)))
    return [each for each in found if ".near-miss" not in each.name]


_CODE_KEYS = {
    "rule", "code", "role", "kind", "outcome", "severity", "strength", "digest_algorithm", "signature_algorithm", "operation",
    "content_encryption_algorithm", "key_encryption_algorithm", "fail_info_name", "message_type_name", "pki_status_name",
    "hresult_name", "verdict", "key",
}  # fmt: skip
_OID = re.compile(r"(?<![\w.])(?:1\.[23]|2\.(?:5|16)|0\.9)(?:\.\d+){3,}(?![\w.])")
_IN_TEXT = re.compile(r"\b0x8[0-9A-Fa-f]{7}\b|\b[45]\d\d\.\d{1,2}(?=[ ,;)]|\.\s)")
_RULE = re.compile(r"\[([a-z0-9]+(?:-[a-z0-9]+)+)\]")


def _codes_of(value: object, key: str = "") -> Iterator[str]:
    """Every code-like value of a JSON document."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _codes_of(each, name)
    elif isinstance(value, list):
        for each in value:
            yield from _codes_of(each, key)
    elif isinstance(value, str):
        if key in _CODE_KEYS:
            yield value
        if key == "oid" or key.endswith("_algorithm"):
            yield from _OID.findall(value)
        if key in ("title", "summary", "causes", "actions", "detail"):
            yield from _IN_TEXT.findall(value)


def test_every_word_of_the_schema_is_explained() -> None:
    schema = (ROOT / "scep_analyzer" / "schema" / "report-1.json").read_text(encoding="utf-8")
    words = {
        word for listed in re.findall(r'"enum": *\[([^]]*)\]', schema) for word in re.findall(r'"([^"]+)"', listed)
    }
    assert len(words) > 30
    assert {word for word in words if not find(word) and not kind_of(word)} == set()


_FROM_THE_WIRE = {"GetCertificate"}
"""An operation that does not exist, sent by a client."""


def test_every_code_in_the_outputs_over_the_corpus_is_explained() -> None:
    """What the JSON prints is what the text prints, and more."""
    found: dict[str, str] = {}
    for capture in (*CAPTURES, *_captures("field/*.pcap*", "faults/*/*.pcap*")):
        document = json.loads(json_v1.render(report_of(capture)))
        for code in _codes_of(document):
            found.setdefault(code, capture.name)
    assert len(found) > 300
    missing = {code: where for code, where in found.items() if not find(code) and code not in _FROM_THE_WIRE}
    assert missing == {}


@pytest.mark.parametrize("command", [("timeline", "--verbose"), ("diagnose",), ("show",)], ids=lambda each: each[0])
def test_every_code_in_the_texts_is_explained(command: tuple[str, ...], scep_analyzer: Program) -> None:
    found: set[str] = set()
    for capture in (
        *CAPTURES,
        *_captures("faults/certrep/*.pcap*", "faults/csr/*.pcap*"),
    ):
        for number in ("#1",) if command == ("show",) else ((),):
            out = scep_analyzer(*command, capture, *([number] if number else [])).out
            for pattern in (_OID, _IN_TEXT, _RULE):
                found.update(pattern.findall(out))
    assert len(found) > 3
    assert {code for code in found if not find(code)} == set()


def test_a_rule_as_markdown(scep_analyzer: Program) -> None:
    out = scep_analyzer("explain", "certrep-badtime", "-f", "markdown").out
    assert out.startswith("# certrep-badtime\n")
    for heading in ("What was seen", "Why it happens", "What to do", "What it is not", "References"):
        assert f"## {heading}" in out


def test_near_prefers_what_is_spelled_alike() -> None:
    assert near("recipientNonc")[0] == "recipientNonce"
    assert near("404.51")[0].startswith("404.")
