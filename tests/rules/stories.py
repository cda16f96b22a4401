"""Other ways to the same faults than those of the corpus, each with the cause that must come first; and healthy enrollments of many kinds.

Built with the recipes' world, which never imports the analyzer.
"""

import base64
import datetime as dt
import sys
from collections.abc import Callable
from urllib.parse import quote

from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "captures" / "faults" / "recipes"))

import der
from faults_encoding import _indefinite
from faults_ndes import visit
from faults_request import OTHER
from faults_tls import GOOD, TLS_CA, WEB, begin, whole
from faults_transactions import SECOND, second_device
from tls_wire import certificates, hello_done, server_hello
from world import (
    AGENT,
    ALL_USAGE,
    BOTH,
    CA,
    CA_NAME,
    CA_TYPE,
    CAPS,
    CLIENT,
    DEVICE,
    ENCRYPTS,
    FULL_CAPS,
    HOST,
    ISSUED,
    LONE_CA,
    MESSAGE_TYPE,
    PENDING,
    RA_CRYPT,
    RA_SIGN,
    RA_TYPE,
    SERVER,
    SET,
    SIGNS,
    START,
    USER,
    YEAR_AGO,
    Message,
    Reply,
    Story,
    admin_page,
    as_get,
    ca,
    issued,
    page,
    ra,
    refusal,
    requester,
)  # fmt: skip

from tests.builders import wire as raw

Told = Callable[[Story], None]
STORIES: dict[str, tuple[Told, str, str | None, bool]] = {}
"""The story, a rule that must be found, the rule of a root cause, and whether the keys are given."""
HEALTHY: dict[str, Told] = {}


def story(found: str, root: str | None = None, *, keys: bool = False) -> Callable[[Told], Told]:
    def told(tell: Told) -> Told:
        STORIES[tell.__name__] = tell, found, root, keys
        return tell

    return told


def healthy(tell: Told) -> Told:
    HEALTHY[tell.__name__] = tell
    return tell


@story("req-wrong-recipient", "req-wrong-recipient")
def wrong_recipient_500(s: Story) -> None:
    s.software = None
    s.lead("POSTPKIOperation\nSHA-256\nAES\nDES3\n")
    s.fails(
        "500 Internal Server Error",
        b"pkcs7: no enveloped recipient",
        "text/plain",
        message=Message(recipients=(OTHER,)),
    )


@story("req-recipient-is-ca-not-ra", "http-no-response")
def ca_recipient_no_answer(s: Story) -> None:
    s.lead()
    t = s.enroll_unanswered(Message(recipients=(CA,)))
    s.wire.pause(20)
    t.close("S")


@story("iis-query-too-long", "iis-query-too-long")
def iis_get_no_caps_post(s: Story) -> None:
    s.lead("Renewal\nSHA-256\nDES3\n")
    s.fails("404 Not Found", page("404"), method="GET")


@story("http-404-wrong-path", "http-404-wrong-path")
def four04_pki(s: Story) -> None:
    s.path = "/certsrv/mscep"
    s.fails("404 Not Found", page("404"))


@story("tcp-admin-prohibited")
def one_syn_icmp(s: Story) -> None:
    p = raw.ip(s.client, s.server, 6, raw.tcp(50000, 80, 1, 0, raw.SYN))
    s.wire.put(p)
    s.wire.icmp("192.168.10.1", s.client, 3, 13, p)


@story("tcp-refused")
def refused_8090(s: Story) -> None:
    s.port = 8090
    s.wire.put(raw.ip(s.client, s.server, 6, raw.tcp(50000, 8090, 1, 0, raw.SYN)))
    s.wire.put(raw.ip(s.server, s.client, 6, raw.tcp(8090, 50000, 0, 2, raw.RST | raw.ACK)))


@story("dns-name-not-resolved")
def dns_silent(s: Story) -> None:
    for _ in range(3):
        s.wire.dns(CLIENT, "192.168.1.2", "ca.corp.example", None)
        s.wire.pause(5)


@story("dns-name-not-resolved")
def dns_servfail(s: Story) -> None:
    s.wire.dns(CLIENT, "192.168.1.2", "scepserver.corp.example", 2)
    s.wire.pause(5)
    s.wire.dns(CLIENT, "192.168.1.2", "scepserver.corp.example", 2)


@story("http-no-response", "http-no-response")
def no_answer_caps(s: Story) -> None:
    t = s.connect()
    t.send("C", s.question("GET", s.path + "?operation=GetCACaps"))
    s.wire.pause(35)
    t.close("S")


@story("http-no-response")
def no_answer_end(s: Story) -> None:
    s.lead()
    s.enroll_unanswered()
    s.wire.pause(60)
    s.wire.udp(CLIENT, 123, SERVER, 123, bytes(48))


@story("html-in-200", "html-in-200")
def html_pki(s: Story) -> None:
    s.lead()
    s.enroll(answer=page("Please log in"), kind="text/html")


@story("certrep-badtime")
def badtime_no_signing(s: Story) -> None:
    s.lead()
    s.enroll(reply=refusal(3))


@story("signer-clock-odd", "signer-clock-odd")
def clock_badtime(s: Story) -> None:
    s.lead()
    s.enroll(Message(signer=requester(start=dt.datetime(1970, 1, 1, tzinfo=dt.UTC), days=36500)), refusal(3))


@story("get-plus-became-space")
def plus_literal(s: Story) -> None:
    s.software = None
    s.lead("SHA-256\nDES3\n")
    t = base64.b64encode(Message().encoded(s.chance)).decode()
    while "+" not in t:
        t = base64.b64encode(Message().encoded(s.chance)).decode()
    s.fails(
        "500 Internal Server Error",
        b"illegal base64 data at input byte 12",
        "text/plain",
        method="GET",
        target=as_get(b"", s.path, text=t.replace("=", "%3D")),
    )


@story("get-not-base64", "get-not-base64")
def pem_get(s: Story) -> None:
    s.software = None
    s.lead("SHA-256\nDES3\n")
    pem = "-----BEGIN PKCS7-----\n" + base64.encodebytes(Message().encoded(s.chance)).decode() + "-----END PKCS7-----\n"
    s.fails("400 Bad Request", b"bad", "text/plain", method="GET", target=as_get(b"", s.path, text=quote(pem, safe="")))


@story("get-not-base64", "get-not-base64")
def hex_get(s: Story) -> None:
    s.software = None
    s.lead("SHA-256\nDES3\n")
    s.fails(
        "400 Bad Request",
        b"bad",
        "text/plain",
        method="GET",
        target=as_get(b"", s.path, text=Message().encoded(s.chance).hex()),
    )


@story("post-form-encoded", "post-form-encoded")
def form2(s: Story) -> None:
    s.software = None
    s.lead(FULL_CAPS)
    b = (
        b"operation=PKIOperation&message="
        + quote(base64.b64encode(Message().encoded(s.chance)).decode(), safe="").encode()
    )
    s.fails("400 Bad Request", b"bad", "text/plain", raw=b, sent_kind="application/x-www-form-urlencoded")


@story("post-body-base64", "post-body-base64")
def pem_post(s: Story) -> None:
    s.software = None
    s.lead(FULL_CAPS)
    pem = b"-----BEGIN PKCS7-----\n" + base64.encodebytes(Message().encoded(s.chance)) + b"-----END PKCS7-----\n"
    s.fails("500 Internal Server Error", b"bad", "text/plain", raw=pem)


@story("envelope-structure-bad", "envelope-structure-bad")
def no_envelope(s: Story) -> None:
    s.lead()
    s.enroll(Message(envelope=der.request(DEVICE, "client")), refusal(2))


@story("envelope-structure-bad", "envelope-structure-bad")
def iv_wrong(s: Story) -> None:
    s.lead()
    s.enroll(Message(sealed={"iv": bytes(4)}), refusal(1))


@story("envelope-structure-bad", "envelope-structure-bad")
def type_wrong(s: Story) -> None:
    s.lead()
    s.enroll(Message(sealed={"kind": "1.2.840.113549.1.7.6"}), refusal(2))


@story("attr-wrong-type")
def msgtype_int(s: Story) -> None:
    s.lead()
    s.enroll(Message(attributes={"messageType": der.integer(19)}), refusal(2))


@story("nonce-reused")
def zero_nonce(s: Story) -> None:
    s.lead()
    s.enroll(Message(nonce=bytes(16)))


@story("certrep-status-undefined", "certrep-status-undefined")
def no_status(s: Story) -> None:
    s.lead()
    s.enroll(reply=Reply(status=None, content=b"\0"))


@story("certrep-success-without-envelope", "certrep-success-without-envelope")
def empty_success(s: Story) -> None:
    s.lead()
    s.enroll(reply=Reply(attributes={}, content=b""))


@story("cacert-expired", "cacert-expired")
def expired_all_500(s: Story) -> None:
    old = (ra(SIGNS, AGENT, days=293), CA, ra(ENCRYPTS, AGENT, key="ra-encryption", serial=0x6A9, days=293))
    s.lead(offer=old)
    s.wire.pause(100)
    s.wire.udp(CLIENT, 123, SERVER, 123, bytes(48))


@story("cacert-expired")
def expired_refused(s: Story) -> None:
    sg, cr = ra(SIGNS, AGENT, days=293), ra(ENCRYPTS, AGENT, key="ra-encryption", serial=0x6A9, days=293)
    s.lead(offer=(sg, CA, cr))
    s.enroll(Message(recipients=(cr,)), refusal(2, hresult=-2146762495, signer=sg))


@story("csr-challenge-stale", "csr-challenge-stale", keys=True)
def challenge_used(s: Story) -> None:
    s.lead()
    s.enroll()
    s.wire.pause(60)
    s.client = "192.168.10.21"
    o = Message(
        key="client-2",
        signer=requester("client-2", serial=2),
        csr=der.request(DEVICE, "client-2"),
        transaction_id="AA" * 16,
        nonce=bytes(range(40, 56)),
    )
    s.enroll(o, refusal(1))


@story("txn-stopped-after-cacert", "cacert-chain-unlinked")
def stop_unlinked(s: Story) -> None:
    f = ra(SIGNS, AGENT, issuer="CN=Old CA", issuer_key="other-ca")
    s.lead(offer=(f, CA, RA_CRYPT))
    s.wire.pause(100)
    s.wire.udp(CLIENT, 123, SERVER, 123, bytes(48))


@story("renewal-refused")
def ren17(s: Story) -> None:
    s.lead(CAPS.replace("Renewal\n", ""))
    s.enroll(Message(type=17, signer=ISSUED, csr=der.request(DEVICE, "client-2")), refusal(2))


@story("capture-gap-in-stream")
def gap_reply(s: Story) -> None:
    s.lead()
    t = s.connect()
    a = Message()
    t.send("C", s.question("POST", s.path + "?operation=PKIOperation", a.encoded(s.chance), kind=MESSAGE_TYPE))
    t.send("S", s.response(Reply().encoded(a, s.chance), MESSAGE_TYPE), lost=(1,))
    t.close()


@story("capture-gap-in-stream")
def gap_reply_all(s: Story) -> None:
    s.lead()
    t = s.connect()
    a = Message()
    t.send("C", s.question("POST", s.path + "?operation=PKIOperation", a.encoded(s.chance), kind=MESSAGE_TYPE))
    t.send("S", s.response(Reply().encoded(a, s.chance), MESSAGE_TYPE), lost=(0, 1, 2))
    t.close()


@story("capture-duplicate-packets")
def dup_2ms(s: Story) -> None:
    s.lead()
    s.enroll()
    s.wire.packets = sorted([e for at, f, z in s.wire.packets for e in ((at, f, z), (at + 2_000_000, f, z))])


@story("http-redirect", "http-redirect")
def redir_pki(s: Story) -> None:
    s.lead()
    s.fails("307 Temporary Redirect", b"", None, headers=("Location: https://x/certsrv",))


@story("http-vendor-error", "http-vendor-error")
def digicert(s: Story) -> None:
    s.software = None
    s.lead("POSTPKIOperation\nSHA-256\nAES\n")
    s.fails("412 Precondition Failed", b"enrollment code already used", "text/plain")


@story("cipher-not-offered", "cipher-not-offered")
def cipher500(s: Story) -> None:
    s.software = None
    s.lead("POSTPKIOperation\nSHA-256\nDES3\n")
    s.fails("500 Internal Server Error", b"pkcs7: cannot decrypt", "text/plain", message=Message(cipher="aes256"))


@story("ndes-http-500-pkioperation-only", "ndes-http-500-pkioperation-only")
def go500(s: Story) -> None:
    s.software = None
    s.lead("POSTPKIOperation\nSHA-256\nDES3\n")
    s.fails("500 Internal Server Error", b"challenge password does not match", "text/plain")


@story("challenge-recoverable")
def chal(s: Story) -> None:
    s.lead()
    s.enroll(Message(cipher="des"))


@story("clock-skew")
def skew_client(s: Story) -> None:
    s.lead()
    s.enroll(Message(signing_time=START - dt.timedelta(hours=5)))


@story("tcp-reset-during-exchange", "tcp-reset-during-exchange")
def rst_get(s: Story) -> None:
    s.software = None
    s.lead("SHA-256\nDES3\n")
    t = s.connect()
    m = Message().encoded(s.chance)
    t.send("C", s.question("GET", as_get(m, s.path)))
    t.reset("S", ttl=250)


@story("tcp-request-never-acked", "tcp-request-never-acked")
def pmtu(s: Story) -> None:
    s.software = None
    s.lead("SHA-256\nDES3\n")
    t = s.connect()
    m = Message().encoded(s.chance)
    q = s.question("GET", as_get(m, s.path))
    f = t.next["C"]
    t.send("C", q[:2920], acked=False)
    for n in range(4):
        s.wire.pause(1 * 2**n)
        t.segment("C", raw.ACK, q[:1460], at=f)


@story("transid-changed-while-pending")
def tch(s: Story) -> None:
    s.lead()
    s.enroll(reply=PENDING)
    s.wire.pause(60)
    s.enroll(
        Message(
            type=20,
            transaction_id="BB" * 16,
            content=der.sequence(der.name(CA_NAME), der.name(DEVICE)),
            nonce=bytes(range(40, 56)),
        ),
        refusal(4),
    )


@story("certrep-failinfotext")
def text_badcheck(s: Story) -> None:
    s.software = None
    s.path = "/scep"
    s.lead(FULL_CAPS)
    s.enroll(Message(cipher="aes128"), Reply(status=2, fail=1, text="the challenge password was not valid"))


@story("certrep-ndes-hresult", "certrep-ndes-hresult")
def only_pki(s: Story) -> None:
    s.enroll(reply=refusal(2, hresult=-2146875392))


@story("certrep-badmessagecheck", "certrep-badmessagecheck")
def only_pki_bad(s: Story) -> None:
    s.enroll(reply=refusal(1))


@story("certrep-ndes-hresult", "certrep-ndes-hresult")
def sample59(s: Story) -> None:
    # sscep#59: SHA-1, no certs, failInfo 2, E_INVALIDARG
    s.lead("SHA-1\nDES3\nPOSTPKIOperation\n")
    s.enroll(Message(digest="sha1"), refusal(2, hresult=-2147024809, made={"digest": "sha1"}))


@story("certrep-ndes-hresult", "req-recipient-is-signing-ra")
def hr_baddata(s: Story) -> None:
    s.lead()
    s.enroll(Message(recipients=(RA_SIGN,)), refusal(1, hresult=-2146893819))


@story("certrep-ndes-hresult", "certrep-ndes-hresult")
def hr_template_with_stale_warnings(s: Story) -> None:
    s.lead()
    s.enroll(
        Message(digest="md5", cipher="des", key="weak-1024", signer=requester("weak-1024")),
        refusal(2, hresult=-2146875392),
    )


@story("certrep-ndes-hresult", "signer-weak-key")
def hr_keylength(s: Story) -> None:
    s.lead()
    s.enroll(
        Message(key="weak-1024", signer=requester("weak-1024"), csr=der.request(DEVICE, "weak-1024")),
        refusal(2, hresult=-2146875375),
    )


@story("certrep-badalg", "req-cipher-des")
def badalg_des(s: Story) -> None:
    s.lead(None)
    s.enroll(Message(cipher="des"), refusal(0))


@story("certrep-badalg", "digest-not-offered")
def badalg_md5(s: Story) -> None:
    s.software = None
    s.lead("AES\nSHA-256\nPOSTPKIOperation\n")
    s.enroll(Message(digest="md5", cipher="aes128"), refusal(0))


@story("cacert-failed", "http-404-wrong-path")
def cacert404(s: Story) -> None:
    s.cacert(page("x"), "text/html", "404 Not Found")


@story("cacert-failed", "empty-200")
def cacert_empty(s: Story) -> None:
    s.caps()
    s.cacert(b"", None)


@story("ndes-http-503-app-pool", "ndes-http-503-app-pool")
def pool(s: Story) -> None:
    s.software = "Microsoft-HTTPAPI/2.0"
    s.lead(None, None)
    s.fails("503 Service Unavailable", page("Service Unavailable"))


@story("http-503-load", "http-503-load")
def load_iis(s: Story) -> None:
    s.lead()
    s.fails("503 Service Unavailable", page("The service is unavailable."), headers=("Retry-After: 120",))


@story("body-length-mismatch", "body-length-mismatch")
def cacert_cut(s: Story) -> None:
    b = der.degenerate(*SET)
    s.caps()
    s.cacert(b[: len(b) // 2], RA_TYPE)


@story("content-type-missing")
def ct_pki(s: Story) -> None:
    s.lead()
    s.enroll(kind=None)


@story("txn-stopped-after-cacert", "cacert-ra-type-without-ra")
def apple_stop(s: Story) -> None:
    s.agent = "profiled/1.0 CFNetwork/1 Darwin/22"
    s.cacert((ca(ALL_USAGE),), RA_TYPE)
    s.caps()
    s.wire.pause(100)
    s.wire.udp(CLIENT, 123, SERVER, 123, bytes(48))


@story("txn-stopped-after-cacert")
def stop_short(s: Story) -> None:
    s.lead()


@story("retry-storm", "http-404-wrong-path")
def storm404(s: Story) -> None:
    s.path = "/x"
    for _ in range(4):
        s.caps(page("x"), "text/html", "404 Not Found")
        s.wire.pause(3)


@story("retry-storm")
def storm500(s: Story) -> None:
    s.lead()
    for n in range(4):
        s.fails("500 Internal Server Error", page("x"), message=Message(nonce=bytes(range(n, n + 16))))
        s.wire.pause(3)


@story("pending-then-failure", "pending-then-failure")
def ptf_pkcs(s: Story) -> None:
    s.lead()
    s.enroll(reply=PENDING)
    s.wire.pause(60)
    s.enroll(Message(nonce=bytes(range(40, 56))), refusal(2))


@story("pending-never-resolved", "pending-never-resolved")
def pnr(s: Story) -> None:
    s.lead()
    s.enroll(reply=PENDING)
    for n in range(3):
        s.wire.pause(60)
        s.enroll(
            Message(
                type=20, content=der.sequence(der.name(CA_NAME), der.name(DEVICE)), nonce=bytes(range(40 + n, 56 + n))
            ),
            PENDING,
        )


@story("renewal-self-signed", "renewal-self-signed")
def rss(s: Story) -> None:
    s.software = None
    s.path = "/scep"
    s.lead(FULL_CAPS)
    s.enroll(Message(type=17, cipher="aes128"), refusal(1))


@story("signer-expired-for-renewal", "signer-expired-for-renewal")
def expired500(s: Story) -> None:
    s.software = None
    s.lead(FULL_CAPS)
    s.fails(
        "500 Internal Server Error",
        b"x509: certificate has expired",
        "text/plain",
        message=Message(signer=issued(start=YEAR_AGO, days=100, serial=9), type=17, cipher="aes128"),
    )


@story("ndes-admin-used-as-scep-url", "ndes-admin-used-as-scep-url")
def admin200(s: Story) -> None:
    s.path = "/certsrv/mscep_admin/mscep.dll"
    s.cacert(admin_page(), "text/html")


@story("secret-in-url")
def userinfo(s: Story) -> None:
    s.lead()
    s.enroll(target=f"http://user:pw@{HOST}{s.path}?operation=PKIOperation")


@story("tcp-connect-timeout")
def timeout_only(s: Story) -> None:
    p = raw.ip(s.client, s.server, 6, raw.tcp(50000, 80, 1, 0, raw.SYN))
    for n in range(4):
        s.wire.put(p)
        s.wire.pause(2**n)


@story("certrep-transid-mismatch", "certrep-transid-mismatch")
def mixed_reply(s: Story) -> None:
    s.lead()
    s.enroll(reply=Reply(transaction_id="AB" * 16, recipient_nonce=bytes(range(90, 106))))


@story("certrep-not-for-requester", "certrep-not-for-requester")
def nfr_fail(s: Story) -> None:
    s.lead()
    s.enroll(reply=Reply(recipient=RA_CRYPT))


@story("certrep-signer-unknown")
def sgn_unk_none(s: Story) -> None:
    x = ra(SIGNS, AGENT, key="client-2", serial=0xABC)
    s.lead()
    s.enroll(reply=Reply(signer=x, key="client-2"))


@story("post-without-operation")
def pwo(s: Story) -> None:
    s.software = None
    s.lead(FULL_CAPS)
    s.fails("400 Bad Request", b"x", "text/plain", target=s.path, message=Message(cipher="aes128"))


@story("query-malformed", "query-malformed")
def emptymsg(s: Story) -> None:
    s.lead()
    s.fails("400 Bad Request", b"x", "text/plain", method="GET", target=f"{s.path}?operation=PKIOperation&message=")


@story("query-malformed")
def emptyop(s: Story) -> None:
    s.lead()
    s.get(f"{s.path}?operation=&message=x", page("x"), "text/html", "400 Bad Request")


@story("operation-unknown")
def opcase(s: Story) -> None:
    s.software = None
    s.caps()
    s.get(f"{s.path}?operation=getcacert", b"unknown operation", "text/plain", "500 Internal Server Error")


@story("http-on-tls-port", "http-on-tls-port")
def plain_https(s: Story) -> None:
    s.port = 443
    s.software = "nginx/1.22.1"
    s.cacert(page("400 The plain HTTP request was sent to HTTPS port"), "text/html", "400 Bad Request")


@story("http-403-tls-required")
def tls403(s: Story) -> None:
    whole(s, GOOD)
    s.cacert(page("403 - Forbidden: Access is denied."), "text/html", "403 Forbidden")


@story("tls-server-cert-apple-limits")
def no_server_auth(s: Story) -> None:
    certificate = der.certificate(
        WEB, "client-2", TLS_CA, "other-ca", 0x9A, YEAR_AGO, 398, der.alt_names("DNS:" + HOST)
    )
    begin(s, server_hello() + certificates(certificate) + hello_done()).close("C")


@story("cacert-many-ra")
def many(s: Story) -> None:
    s.lead(offer=(RA_SIGN, CA, RA_CRYPT, ra(ENCRYPTS, AGENT, key="client-2", serial=0x123)))
    s.enroll(Message(), refusal(1))


@story("mixed-servers")
def mixed(s: Story) -> None:
    other = (
        ra(ENCRYPTS, AGENT, key="ra-signing", serial=0x801),
        CA,
        ra(SIGNS, AGENT, key="ra-encryption", serial=0x800),
    )
    s.cacert()
    s.server = "192.168.1.6"
    s.cacert(other)
    s.enroll(Message(), refusal(1))


@story("req-wrong-recipient")
def mixed2(s: Story) -> None:
    # CA cert fetched from A, request to B (same Host), B's certs never seen
    s.cacert()
    s.server = "192.168.1.6"
    from_o = ra(ENCRYPTS, AGENT, key="client-2", serial=0xBAD)
    s.enroll(Message(recipients=(from_o,)), refusal(1))


@story("ndes-policy-module-refused", "ndes-policy-module-refused")
def pm(s: Story) -> None:
    s.lead()
    t = s.connect()
    a = Message()
    t.send("C", s.question("POST", s.path + "?operation=PKIOperation", a.encoded(s.chance), kind=MESSAGE_TYPE))
    c, sv = s.client, s.server
    s.client, s.server = sv, "192.168.1.9"
    s.exchange(
        s.question("POST", "/CertificateRegistrationSvc/Certificate/VerifyRequest", b"{}", kind="application/json"),
        lambda: s.response(b"{}", "application/json", "403 Forbidden"),
    )
    s.client, s.server = c, sv
    t.send("S", s.response(refusal(2).encoded(a, s.chance), MESSAGE_TYPE))
    t.close()


@healthy
def cisco_ndes(s: Story) -> None:
    s.version = "HTTP/1.0"
    s.agent = "Mozilla/4.0 (compatible; MSIE 5.0; Cisco PKI)"
    s.host = "192.168.1.5"
    s.cacert(parameter="tp1")
    s.caps()
    m = Message()
    e = m.encoded(s.chance)
    t = base64.b64encode(e).decode()
    lines = "".join(t[i : i + 64] + "\n" for i in range(0, len(t), 64))
    s.enroll(m, method="GET", target=as_get(b"", s.path, text=quote(lines, safe="/")))


@healthy
def apple_ndes(s: Story) -> None:
    s.agent = "mdmclient/1.0 CFNetwork/1410 Darwin/22.6.0"
    s.cacert()
    s.caps(CAPS)
    m = Message()
    s.enroll(m, raw=_indefinite(m.encoded(s.chance)), sent_kind="application/octet-stream")


@healthy
def windows_intune(s: Story) -> None:
    s.agent = "Mozilla/4.0 (compatible; Win32; NDES client 10.0)"
    s.caps()
    s.cacert(parameter="default")
    blob = base64.b64encode(bytes(range(256)) * 6).decode()
    csr = der.request(
        DEVICE,
        "client",
        challenge=blob,
        extensions=(
            der.alt_names("UPN:alice@corp.example", "URI:tag:microsoft.com,2022-09-14:sid:S-1-5-21-1-2-3-1104"),
            der.extended_key_usage("clientAuth"),
            BOTH,
        ),
    )
    s.enroll(
        Message(csr=csr),
        Reply(
            certificates=(
                issued(
                    "client",
                    DEVICE,
                    BOTH,
                    USER,
                    der.alt_names("UPN:alice@corp.example", "URI:tag:microsoft.com,2022-09-14:sid:S-1-5-21-1-2-3-1104"),
                ),
            )
        ),
    )


@healthy
def pending_ok(s: Story) -> None:
    s.lead()
    s.enroll(reply=PENDING)
    s.wire.pause(300)
    s.enroll(Message(type=20, content=der.sequence(der.name(CA_NAME), der.name(DEVICE)), nonce=bytes(range(40, 56))))


@healthy
def cisco_renew(s: Story) -> None:
    s.lead()
    s.enroll()
    s.wire.pause(86400 * 10)
    s.enroll(
        Message(signer=ISSUED, csr=der.request(DEVICE, "client-2"), nonce=bytes(range(40, 56))),
        Reply(certificates=(issued("client-2", serial=0x9999),), recipient=ISSUED),
    )


@healthy
def ejbca(s: Story) -> None:
    s.software = None
    s.path = "/ejbca/publicweb/apply/scep/pkiclient.exe"
    s.caps("POSTPKIOperation\nGetNextCACert\nRenewal\nSHA-512\nSHA-256\nSHA-1\nDES3\nAES\n")
    s.cacert(LONE_CA, CA_TYPE, parameter="MyCA")
    s.enroll(
        Message(recipients=(LONE_CA,), cipher="aes128"),
        Reply(
            signer=LONE_CA,
            key="ca",
            included=(LONE_CA,),
            cipher="aes128",
            certificates=(issued(issuer="CN=Lone CA"), LONE_CA),
        ),
    )


@healthy
def two_legs(s: Story) -> None:
    # proxy
    s.lead()
    m = Message()
    e = m.encoded(s.chance)
    a = s.connect()
    a.send("C", s.question("POST", s.path + "?operation=PKIOperation", e, kind=MESSAGE_TYPE))
    c, sv = s.client, s.server
    s.client, s.server = sv, "192.168.1.50"
    b = s.connect()
    b.send("C", s.question("POST", s.path + "?operation=PKIOperation", e, kind=MESSAGE_TYPE))
    r = Reply().encoded(m, s.chance)
    s.wire.pause(0.1)
    b.send("S", s.response(r, MESSAGE_TYPE))
    b.close()
    s.client, s.server = c, sv
    a.send("S", s.response(r, MESSAGE_TYPE))
    a.close()


@healthy
def admin_then_enroll(s: Story) -> None:
    visit(s, admin_page())
    s.wire.pause(30)
    s.lead()
    s.enroll()


@healthy
def keepalive(s: Story) -> None:
    t = s.connect()
    for q, b, k in (
        (s.path + "?operation=GetCACaps", CAPS.encode(), "text/plain"),
        (s.path + "?operation=GetCACert", der.degenerate(*SET), RA_TYPE),
    ):
        t.send("C", s.question("GET", q))
        s.wire.pause(0.02)
        t.send("S", s.response(b, k))
    m = Message()
    t.send("C", s.question("POST", s.path + "?operation=PKIOperation", m.encoded(s.chance), kind=MESSAGE_TYPE))
    s.wire.pause(0.1)
    t.send("S", s.response(Reply().encoded(m, s.chance), MESSAGE_TYPE))
    t.close("C")


@healthy
def many_devices(s: Story) -> None:
    s.lead()
    s.enroll()
    s.wire.pause(1)
    s.client = "192.168.10.21"
    s.enroll(second_device(csr=der.request("CN=device-2", "client-2", challenge="0123456789ABCDEF")), SECOND)
