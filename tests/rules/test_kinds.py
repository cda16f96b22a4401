"""Kinds of failures that people reported, in more forms than the corpus and the field captures have: which cause comes first, and for whom.

Built with the recipes' world, which never imports the analyzer; the expectations are those of a person who knows the story.
"""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest

from scep_analyzer.model.findings import Severity, Strength
from scep_analyzer.report import Report
from tests.rules.stories import LONE_CA, RA_SIGN, Message, Reply, Story, ca, page, refusal
from tests.rules.test_stories import judged

import der  # isort: skip  # stories has put the recipes on the path
from world import ALL_USAGE, BOTH, CA, CA_TYPE, ENCRYPTS, START, ra  # isort: skip

Tell = Callable[[Story], None]
EJBCA = "/ejbca/publicweb/apply/scep/wifi/pkiclient.exe"
IOS_CA = "/cgi-bin/pkiclient.exe"
TWO_YEARS = START - dt.timedelta(days=760)
EXPIRED = (
    ra(der.key_usage("digitalSignature"), start=TWO_YEARS),
    CA,
    ra(ENCRYPTS, key="ra-encryption", serial=0x6A8, start=TWO_YEARS),
)
OTHER = ra(BOTH, key="ra-encryption", serial=0xBAD, issuer="CN=Some Other CA", issuer_key="other-ca")


def _at(story: Story, path: str, software: str | None = None) -> Story:
    story.path, story.software = path, software
    return story


def _expired_refused(story: Story) -> None:
    story.lead(offer=EXPIRED)
    story.enroll(Message(recipients=(EXPIRED[2],)), refusal(1))


def _ios_ca_ran_out(story: Story) -> None:
    _at(story, IOS_CA, "cisco-IOS")
    old = ca(ALL_USAGE, subject="CN=IOS CA", serial=0x79, start=TWO_YEARS, days=365)
    story.caps("SHA-1\nSHA-256\nGetNextCACert\nRenewal\n")
    story.cacert(old, CA_TYPE)
    story.enroll(Message(recipients=(old,)), Reply(status=2, fail=2, content=b"\0", signer=old, key="ca"))


def _expired_fetched_before(story: Story) -> None:
    """The certificates were fetched for another enrollment, when they were good."""
    soon = (
        EXPIRED[0],
        CA,
        ra(ENCRYPTS, key="ra-encryption", serial=0x6A8, start=START - dt.timedelta(days=730) + dt.timedelta(minutes=5)),
    )
    story.lead(offer=soon)
    story.enroll(Message(recipients=(soon[2],)))
    story.wire.pause(600)
    second = Message(recipients=(soon[2],), transaction_id="BB" * 16, nonce=bytes(range(60, 76)))
    story.fails("500 Internal Server Error", page("Internal Server Error"), message=second)


def _go_challenge(story: Story) -> None:
    _at(story, "/scep/wifi").lead(
        "Renewal\r\nSHA-1\r\nSHA-256\r\nAES\r\nDES3\r\nSCEPStandard\r\nPOSTPKIOperation", (LONE_CA,)
    )
    text = "failed validating challenge password"
    story.enroll(
        Message(recipients=(LONE_CA,), cipher="des", digest="sha1"), refusal(2, text=text, signer=LONE_CA, key="ca")
    )


def _openxpki_signature(story: Story) -> None:
    _at(story, "/scep/generic").lead(
        "Renewal\nPOSTPKIOperation\nSHA-512\nSHA-384\nSHA-256\nSHA-224\nSHA-1\nDES3\nAES\n"
    )
    story.enroll(Message(cipher="des"), refusal(1), status="400 Signature invalid")


def _wrong_then_right_recipient(story: Story) -> None:
    story.lead()
    story.fails("500 Internal Server Error", page("Internal Server Error"), message=Message(recipients=(OTHER,)))
    story.wire.pause(30)
    story.enroll(Message(nonce=bytes(range(80, 96))), refusal(1))


def _server_came_back(story: Story) -> None:
    story.get(f"{story.path}?operation=GetCACert", page("Service Unavailable"), "text/html", "503 Service Unavailable")
    story.wire.pause(900)
    story.lead()
    story.enroll()


def _refused_then_granted(story: Story) -> None:
    story.lead()
    story.enroll(reply=refusal(2, hresult=-2146875392))
    story.wire.pause(3600)
    story.enroll(Message(transaction_id="CC" * 16, nonce=bytes(range(60, 76)), signer=Message().signer))


def _hung_up_at_ejbca(story: Story) -> None:
    _at(story, EJBCA).lead()
    tcp = story.enroll_unanswered()
    story.wire.pause(31)
    tcp.reset("C")
    story.wire.pause(5)
    story.enroll(Message(nonce=bytes(range(60, 76))), refusal(2))


def _stops_for_no_reason(story: Story) -> None:
    story.lead()


def _next_ca_of_a_healthy_server(story: Story) -> None:
    _at(story, IOS_CA, "cisco-IOS")
    story.lead("SHA-256\nGetNextCACert\nPOSTPKIOperation\nAES\n")
    story.enroll()
    for _ in range(4):
        story.wire.pause(20)
        story.get(f"{IOS_CA}?operation=GetNextCACert", page("404 Not Found"), "text/html", "404 Not Found")


def _next_ca_forbidden(story: Story) -> None:
    _at(story, EJBCA).caps("GetNextCACert\nSHA-256\nAES\n")
    story.get(f"{EJBCA}?operation=GetNextCACert", page("No rollover certificate"), "text/html", "403 Forbidden")


def _ejbca_401(story: Story) -> None:
    _at(story, EJBCA).lead()
    story.fails("401 Unauthorized", b"", None)


def _ucm_disabled(story: Story) -> None:
    _at(story, "/scep/pkiclient.exe")
    for operation in ("GetCACaps", "GetCACert"):
        story.get(f"{story.path}?operation={operation}", b"SCEP is disabled", "text/plain", "500 Internal Server Error")


def _dogtag_sha1(story: Story) -> None:
    _at(story, "/ca/cgi-bin/pkiclient.exe").lead("DES3\nSHA-256\nSHA-512\nPOSTPKIOperation\n")
    words = "Hashing algorithm 'SHA1' is not allowed (SHA256,SHA512)"
    story.fails("500 Internal Server Error", page(words), message=Message(digest="sha1"))


def _proxy_wants_a_login(story: Story) -> None:
    story.server, story.port, story.software = "192.168.1.128", 3128, "squid/5.7"
    question = b"CONNECT scep.corp.example:443 HTTP/1.1\r\nHost: scep.corp.example:443\r\n\r\n"
    story.exchange(
        question,
        lambda: story.response(page("Proxy login"), "text/html", "407 Proxy Authentication Required"),
    )


def _pending_from_a_cache(story: Story) -> None:
    story.lead()
    pending = Reply(status=3, content=b"\0")
    asked = Message()
    story.enroll(asked, pending, method="GET")
    for _ in range(3):
        story.wire.pause(60)
        story.enroll(asked, pending, method="GET", headers=("Age: 60",))


def _ra_without_usage(story: Story) -> None:
    plain = ra(key="ra-encryption", serial=0x6A8)
    whole = ca(ALL_USAGE)
    story.lead(offer=(RA_SIGN, whole, plain))
    story.enroll(Message(recipients=(whole,)), refusal(1))


def _windows_login(story: Story) -> None:
    tokens = (None, "NTLM TlRMTVNTUAABAAAA", "NTLM TlRMTVNTUAADAAAA")
    asks = ("NTLM", "NTLM TlRMTVNTUAACAAAAAAAAADgAAAA", "NTLM")
    for token, ask in zip(tokens, asks, strict=True):
        sent = (f"Authorization: {token}",) if token else ()
        story.exchange(
            story.question("GET", "/certsrv/mscep_admin/", headers=sent),
            lambda ask=ask: story.response(
                page("Unauthorized"), "text/html", "401 Unauthorized", (f"WWW-Authenticate: {ask}",)
            ),
        )
    story.lead()
    story.enroll(reply=refusal(1))


def _aws_refuses(story: Story) -> None:
    _at(story, "/abc").host = "x.enroll.pca-connector-scep.eu-west-1.api.aws"
    story.lead()
    story.fails(
        "400 Bad Request",
        b"{}",
        "application/json",
        headers=("x-amzn-ErrorType: ValidationException", "x-amzn-ErrorMessage: Invalid CMS"),
    )


CAUSES: dict[str, tuple[Tell, dict[int, str]]] = {
    "an expired RA explains NDES's refusal": (_expired_refused, {1: "cacert-expired"}),
    "an IOS CA whose certificate ran out refuses": (_ios_ca_ran_out, {1: "cacert-expired"}),
    "the RA expired after the client had fetched it": (_expired_fetched_before, {2: "cacert-expired"}),
    "a wrong challenge at step-ca, whatever else is weak": (_go_challenge, {1: "certrep-badrequest"}),
    "OpenXPKI's reason phrase names the signature": (_openxpki_signature, {1: "certrep-badmessagecheck"}),
    "a fault of the first attempt is not that of the second": (
        _wrong_then_right_recipient,
        {1: "certrep-badmessagecheck"},
    ),
    "the server was away and came back": (_server_came_back, {}),
    "refused once, granted an hour later": (_refused_then_granted, {}),
    "EJBCA refuses the retry of a client that hung up": (_hung_up_at_ejbca, {1: "client-gave-up"}),
    "a client that stops for no reason that can be seen": (_stops_for_no_reason, {}),
    "no rollover at a healthy server": (_next_ca_of_a_healthy_server, {}),
    "no rollover at EJBCA": (_next_ca_forbidden, {}),
    "EJBCA's 401 is a refusal": (_ejbca_401, {1: "http-vendor-error"}),
    "SCEP is switched off": (_ucm_disabled, {1: "scep-disabled-on-server"}),
    "Dogtag names the hash": (_dogtag_sha1, {1: "digest-not-offered"}),
    "a forward proxy wants a login": (_proxy_wants_a_login, {0: "proxy-connect-refused"}),
    "a cache keeps saying PENDING": (_pending_from_a_cache, {1: "pkioperation-cached"}),
    "an RA without keyUsage leads the client to the CA's key": (_ra_without_usage, {1: "cacert-ra-no-keyusage"}),
    "a Windows login that fails leaves no challenge": (_windows_login, {1: "ndes-admin-login-fails"}),
    "AWS says it in a header": (_aws_refuses, {1: "http-vendor-error"}),
}


def _told(tell: Tell, folder: Path) -> Report:
    return judged(tell, folder, keys=False)


@pytest.mark.parametrize("name", CAUSES)
def test_the_right_cause_comes_first(name: str, tmp_path: Path) -> None:
    tell, roots = CAUSES[name]
    report = _told(tell, tmp_path)
    found = {each.transaction or 0: each for each in report.findings if each.root_cause}
    assert {number: each.rule for number, each in found.items()} == roots
    if not roots:
        assert [each.rule for each in report.findings if each.severity is Severity.ERROR] == []
    for each in found.values():
        weak = each.rule.startswith(("req-cipher", "req-digest", "cipher-weaker", "digest-weaker"))
        assert not (weak and each.strength is Strength.PROVED)


@pytest.mark.parametrize("name", CAUSES)
def test_nothing_speaks_of_ndes_to_another_server(name: str, tmp_path: Path) -> None:
    tell, _ = CAUSES[name]
    seen: list[Story] = []

    def told(story: Story) -> None:
        tell(story)
        seen.append(story)

    report = _told(told, tmp_path)
    if "mscep" in seen[0].path:
        return
    for each in report.findings:
        texts = (each.title, *each.actions, *each.causes)
        assert [text for text in texts if "NDES" in text and "If the server is NDES" not in text] == [], each.rule
