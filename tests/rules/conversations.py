"""Conversations with servers and clients of many products, each with the root causes that a person who knows the story names.

Kinds of faults that people reported, in other forms than the corpus, the field captures and ``stories`` have: over GET and POST, with
retries, through proxies, with the words of each product. Built with the recipes' world, which never imports the analyzer.
"""

import base64
import datetime as dt
from collections.abc import Callable
from urllib.parse import quote

from tests.builders import wire as raw
from tests.rules.stories import LONE_CA, START, Message, Reply, Story, page, refusal

import der  # isort: skip  # stories has put the recipes on the path
from faults_delivery import _window as window  # isort: skip
from faults_ndes import visit  # isort: skip
from faults_tls import GOOD, begin, leaf, tls_server_name_mismatch, whole  # isort: skip
from tls_wire import alert, certificates, hello_done, server_hello  # isort: skip
from faults_transactions import NAMES, goes_on  # isort: skip
from world import (  # isort: skip
    AGENT, ALL_USAGE, BOTH, CA, CA_NAME, CA_TYPE, CAPS, CLIENT, DEVICE, ENCRYPTS, FULL_CAPS, ISSUED, MESSAGE_TYPE, PENDING, RA_CRYPT,
    RA_NAME, RA_SIGN, RA_TYPE, SET, SIGNS, TXID, YEAR_AGO, admin_page, as_get, ca, issued, ra, requester,
)  # fmt: skip

Tell = Callable[[Story], None]
CONVERSATIONS: dict[str, tuple[Tell, dict[int, str], tuple[str, ...]]] = {}
"""What happens; the root cause of each transaction that has one; the private keys that are given."""
STEP_CAPS = "Renewal\r\nSHA-1\r\nSHA-256\r\nAES\r\nDES3\r\nSCEPStandard\r\nPOSTPKIOperation"
MICROMDM_CAPS = STEP_CAPS.replace("\r\n", "\n")
EJBCA_CAPS = "POSTPKIOperation\nRenewal\nSHA-512\nSHA-256\nSHA-1\nDES3"
OPENXPKI_CAPS = "Renewal\nPOSTPKIOperation\nSHA-512\nSHA-384\nSHA-256\nSHA-224\nSHA-1\nDES3\nAES\n"
DOGTAG_CAPS = "DES3\nSHA-256\nSHA-512\n"
GO = ("X-Content-Type-Options: nosniff",)
SERVER_ERROR = "500 Internal Server Error"
EJBCA_PATH = "/ejbca/publicweb/apply/scep/wifi/pkiclient.exe"
TWO_YEARS = START - dt.timedelta(days=760)
EXPIRED = (
    ra(SIGNS, AGENT, start=TWO_YEARS),
    CA,
    ra(ENCRYPTS, AGENT, key="ra-encryption", serial=0x6A8, start=TWO_YEARS),
)
SECOND_NONCE = bytes(range(60, 76))


def story(name: str, roots: dict[int, str], *, keys: tuple[str, ...] = ()) -> Callable[[Tell], Tell]:
    def told(tell: Tell) -> Tell:
        CONVERSATIONS[name] = tell, roots, keys
        return tell

    return told


def at(s: Story, path: str, software: str | None = None) -> Story:
    s.path, s.software = path, software
    return s


def step(s: Story, offer: tuple[bytes, ...] = (LONE_CA,)) -> Story:
    """What leads up to a request at step-ca, whose lone CA decrypts itself."""
    at(s, "/scep/wifi").caps(STEP_CAPS)
    s.cacert(offer if len(offer) > 1 else offer[0], RA_TYPE if len(offer) > 1 else CA_TYPE)
    return s


def answers(
    s: Story, words: str | bytes, status: str, kind: str | None = "text/plain", headers: tuple[str, ...] = ()
) -> None:
    """Every question before a request gets this response."""
    for operation in ("GetCACaps", "GetCACert"):
        s.get(
            f"{s.path}?operation={operation}",
            words if isinstance(words, bytes) else words.encode(),
            kind,
            status,
            headers=headers,
        )


@story("step-ca type", {1: "scep-alias-or-provisioner-missing"})
def step_ca_type(s: Story) -> None:
    at(s, "/scep/acme")
    answers(s, "provisioner must be of type SCEP\n", SERVER_ERROR, "text/plain; charset=utf-8", GO)


@story("step-ca provisioner pkiop", {1: "scep-alias-or-provisioner-missing"})
def step_ca_provisioner_pkiop(s: Story) -> None:
    at(s, "/scep/wfii")
    s.fails(
        SERVER_ERROR,
        b"provisioner 'wfii' not found\n",
        "text/plain; charset=utf-8",
        message=Message(recipients=(LONE_CA,)),
    )


@story("ejbca no alias", {1: "scep-alias-or-provisioner-missing"})
def ejbca_no_alias(s: Story) -> None:
    at(s, "/ejbca/publicweb/apply/scep/wifi")
    answers(s, page("Wrong URL. No alias found."), "400 Bad Request", "text/html")


@story("ejbca ca unknown", {1: "http-404-ca-identifier"})
def ejbca_ca_unknown(s: Story) -> None:
    at(s, EJBCA_PATH)
    s.caps(EJBCA_CAPS)
    s.cacert(page("No CA certificates found."), "text/html", "404 Not Found", parameter="MyCA")


@story("ejbca ca unknown caps 404 too", {1: "http-404-ca-identifier"})
def ejbca_ca_unknown_caps_404_too(s: Story) -> None:
    at(s, EJBCA_PATH)
    s.get(
        f"{EJBCA_PATH}?operation=GetCACaps&message=MyCA",
        page("No CA certificates found."),
        "text/html",
        "404 Not Found",
    )
    s.cacert(page("No CA certificates found."), "text/html", "404 Not Found", parameter="MyCA")


@story("ejbca cannot handle", {1: "http-vendor-error"})
def ejbca_cannot_handle(s: Story) -> None:
    at(s, EJBCA_PATH)
    s.caps(EJBCA_CAPS)
    s.cacert(LONE_CA, CA_TYPE)
    s.fails("400 Bad Request", page("Can not handle request"), message=Message(recipients=(LONE_CA,)))


@story("ejbca 401 post", {1: "http-vendor-error"})
def ejbca_401_post(s: Story) -> None:
    at(s, EJBCA_PATH)
    s.caps(EJBCA_CAPS)
    s.cacert(LONE_CA, CA_TYPE)
    s.fails("401 Unauthorized", page("Unauthorized"), message=Message(recipients=(LONE_CA,)))


@story("ejbca 401 user not found", {1: "ejbca-end-entity-unknown"})
def ejbca_401_user_not_found(s: Story) -> None:
    at(s, EJBCA_PATH)
    s.caps(EJBCA_CAPS)
    s.cacert(LONE_CA, CA_TYPE)
    s.fails("401 Unauthorized", page("User device-1 not found."), message=Message(recipients=(LONE_CA,)), method="GET")


@story("ejbca 403 peer", {1: "scep-disabled-on-server"})
def ejbca_403_peer(s: Story) -> None:
    at(s, EJBCA_PATH)
    answers(s, page("SCEP Protocol not authorized for this Peer"), "403 Forbidden", "text/html")


@story("ejbca status 400", {1: "ejbca-end-entity-status"})
def ejbca_status_400(s: Story) -> None:
    at(s, EJBCA_PATH)
    s.caps(EJBCA_CAPS)
    s.cacert(LONE_CA, CA_TYPE)
    s.fails(
        "400 Bad Request",
        page("Attempted to enroll on an end entity (dev) with incorrect status: 40"),
        message=Message(recipients=(LONE_CA,)),
    )


@story("ejbca token offline", {1: "ndes-http-500-pkioperation-only"})
def ejbca_token_offline(s: Story) -> None:
    at(s, EJBCA_PATH)
    s.caps(EJBCA_CAPS)
    s.cacert(LONE_CA, CA_TYPE)
    s.fails(SERVER_ERROR, page("Crypto Token is offline"), message=Message(recipients=(LONE_CA,)))


@story("openxpki endpoint", {1: "scep-alias-or-provisioner-missing"})
def openxpki_endpoint(s: Story) -> None:
    at(s, "/scep/generc")
    answers(s, "Unable to initialize endpoint parameters", SERVER_ERROR)


@story("openxpki rejected", {1: "certrep-badrequest"})
def openxpki_rejected(s: Story) -> None:
    at(s, "/scep/generic").lead(OPENXPKI_CAPS)
    s.enroll(Message(cipher="aes128"), refusal(2), status="400 Request was rejected")


@story("openxpki backend", {1: "ndes-http-500-all-operations"})
def openxpki_backend(s: Story) -> None:
    at(s, "/scep/generic")
    answers(s, "Unable to connect to backend", SERVER_ERROR)


@story("openxpki pending 202 then ok", {})
def openxpki_pending_202_then_ok(s: Story) -> None:
    at(s, "/scep/generic").lead(OPENXPKI_CAPS)
    s.enroll(Message(cipher="aes128"), PENDING, status=f"202 Request Pending - Retry Later ({TXID})")
    s.wire.pause(300)
    s.enroll(
        Message(
            type=20, content=der.sequence(der.name(CA_NAME), der.name(DEVICE)), nonce=SECOND_NONCE, cipher="aes128"
        ),
        Reply(cipher="aes128"),
    )


@story("openxpki pending 202 for ever", {1: "pending-never-resolved"})
def openxpki_pending_202_for_ever(s: Story) -> None:
    at(s, "/scep/generic").lead(OPENXPKI_CAPS)
    for n in range(4):
        s.enroll(
            Message(cipher="aes128", nonce=bytes(range(n, n + 16))),
            PENDING,
            status=f"202 Request Pending - Retry Later ({TXID})",
        )
        s.wire.pause(300)


@story("openxpki parse", {1: "get-base64url"})
def openxpki_parse(s: Story) -> None:
    at(s, "/scep/generic").lead(OPENXPKI_CAPS)
    m = Message(cipher="aes128").encoded(s.chance)
    b = base64.urlsafe_b64encode(m).decode()
    s.fails("400 Unable to parse request", b"", None, method="GET", target=as_get(b"", s.path, text=quote(b, safe="")))


@story("ucm no ca", {1: "scep-disabled-on-server"})
def ucm_no_ca(s: Story) -> None:
    at(s, "/scep/pkiclient.exe")
    answers(s, "No CA configured for SCEP", SERVER_ERROR)


@story("ucm unknown profile", {1: "scep-alias-or-provisioner-missing"})
def ucm_unknown_profile(s: Story) -> None:
    at(s, "/scep/prof/pkiclient.exe")
    answers(s, "Unknown SCEP profile", "404 Not Found")


@story("dogtag aes get", {1: "cipher-not-offered"})
def dogtag_aes_get(s: Story) -> None:
    at(s, "/ca/cgi-bin/pkiclient.exe").lead(DOGTAG_CAPS)
    s.fails(
        SERVER_ERROR,
        page("Encryption algorithm 'AES' is not allowed ([DES3])"),
        method="GET",
        message=Message(cipher="aes128"),
    )


@story("dogtag post", {1: "http-405-post"})
def dogtag_post(s: Story) -> None:
    at(s, "/ca/cgi-bin/pkiclient.exe").lead(DOGTAG_CAPS)
    s.fails("405 Method Not Allowed", page("HTTP method POST is not supported by this URL"), message=Message())


@story("dogtag post empty 200", {1: "empty-200"})
def dogtag_post_empty_200(s: Story) -> None:
    at(s, "/ca/cgi-bin/pkiclient.exe").lead(DOGTAG_CAPS)
    s.enroll(answer=b"", kind=None)


@story("dogtag success without content", {1: "certrep-success-without-envelope"})
def dogtag_success_without_content(s: Story) -> None:
    at(s, "/ca/cgi-bin/pkiclient.exe").lead(DOGTAG_CAPS)
    s.enroll(reply=Reply(content=b""), method="GET")


@story("xipki ca alias", {1: "http-404-wrong-path"})
def xipki_ca_alias(s: Story) -> None:
    at(s, "/scep/ca1/tls/pkiclient.exe")
    answers(s, "", "404 Not Found", None)


@story("xipki 401", {1: "http-vendor-error"})
def xipki_401(s: Story) -> None:
    at(s, "/scep/ca1/tls/pkiclient.exe").lead(
        "SCEPStandard\nAES\nDES3\nPOSTPKIOperation\nRenewal\nSHA-1\nSHA-256\nSHA-512\n"
    )
    s.fails("401 Unauthorized", b"", None, message=Message(cipher="aes128"))


@story("scepman zip", {1: "azure-app-stopped"})
def scepman_zip(s: Story) -> None:
    s.host = "scepman-x.azurewebsites.net"
    at(s, "/certsrv/mscep/mscep.dll")
    answers(s, "Cannot download ZIP", "503 Service Unavailable")


@story("scepman 429", {1: "http-503-load"})
def scepman_429(s: Story) -> None:
    s.host = "scepman-x.azurewebsites.net"
    at(s, "/certsrv/mscep/mscep.dll/pkiclient.exe").lead()
    s.fails("429 Too Many Requests", b"", None)


@story("scepman 329", {1: "http-503-load"})
def scepman_329(s: Story) -> None:
    s.host = "scepman-x.azurewebsites.net"
    at(s, "/certsrv/mscep/mscep.dll/pkiclient.exe").lead()
    s.fails("329 ", b"", None)


@story("aws certrep in 400", {1: "certrep-badrequest"})
def aws_certrep_in_400(s: Story) -> None:
    s.host = "x.enroll.pca-connector-scep.eu-west-1.api.aws"
    at(s, "/abc/pkiclient.exe").lead()
    s.enroll(Message(), refusal(2), status="400 Bad Request", headers=("x-amzn-ErrorType: BadRequestException",))


@story("aws base64", {1: "get-base64url"})
def aws_base64(s: Story) -> None:
    s.host = "x.enroll.pca-connector-scep.eu-west-1.api.aws"
    at(s, "/abc/pkiclient.exe").lead()
    m = Message().encoded(s.chance)
    s.fails(
        "400 Bad Request",
        b'{"Message":"The message must contain base64"}',
        "application/json",
        method="GET",
        target=as_get(b"", s.path, text=base64.urlsafe_b64encode(m).decode().replace("=", "%3D")),
        headers=("x-amzn-ErrorType: ValidationException", "x-amzn-ErrorMessage: The message must contain base64"),
    )


def digicert(status: str, words: str) -> Tell:
    def told(s: Story) -> None:
        s.host = "one.digicert.com"
        at(s, "/mpki/api/v1/scep/x/cgi-bin/pkiclient.exe").lead()
        s.fails(status, words.encode(), "text/plain")

    return told


for _status, _words in (
    ("401 Unauthorized", "Enrollment code mismatch"),
    ("406 Not Acceptable", "The enrollment code has expired"),
    ("412 Precondition Failed", "Enrollment code already used"),
):
    story(f"DigiCert {_status}", {1: "http-vendor-error"})(digicert(_status, _words))


@story("go base64url", {1: "get-base64url"})
def go_base64url(s: Story) -> None:
    step(s)
    m = Message(recipients=(LONE_CA,), cipher="aes128").encoded(s.chance)
    s.fails(
        SERVER_ERROR,
        b"scep get request failed: invalid scep get request: illegal base64 data at input byte 3\n",
        "text/plain; charset=utf-8",
        method="GET",
        headers=GO,
        target=as_get(b"", s.path, text=base64.urlsafe_b64encode(m).decode().replace("=", "%3D")),
    )


@story("go plus", {1: "get-plus-became-space"})
def go_plus(s: Story) -> None:
    step(s)
    m = base64.b64encode(Message(recipients=(LONE_CA,), cipher="aes128").encoded(s.chance)).decode()
    s.fails(
        SERVER_ERROR,
        b"scep get request failed: illegal base64 data at input byte 57\n",
        "text/plain; charset=utf-8",
        method="GET",
        headers=GO,
        target=as_get(b"", s.path, text=m.replace("+", "%20").replace("/", "%2F").replace("=", "%3D")),
    )


@story("go tags 13", {1: "get-line-breaks"})
def go_tags_13(s: Story) -> None:
    step(s)
    m = base64.encodebytes(Message(recipients=(LONE_CA,), cipher="aes128").encoded(s.chance)).decode()
    s.fails(
        SERVER_ERROR,
        b"asn1: structure error: tags don't match (16 vs {class:1 tag:13 length:73 isCompound:false})\n",
        "text/plain; charset=utf-8",
        method="GET",
        headers=GO,
        target=as_get(b"", s.path, text=quote(m, safe="")),
    )


@story("go only supported oaep", {1: "req-oaep"})
def go_only_supported_oaep(s: Story) -> None:
    step(s)
    s.fails(
        SERVER_ERROR,
        b"pkcs7: cannot decrypt data: only RSA, DES, DES-EDE3, AES-256-CBC and AES-128-GCM supported\n",
        "text/plain; charset=utf-8",
        headers=GO,
        message=Message(recipients=(LONE_CA,), cipher="aes128", sealed={"scheme": "oaep"}),
    )


@story("go only supported cipher", {1: "req-cipher-obsolete"})
def go_only_supported_cipher(s: Story) -> None:
    step(s)
    s.fails(
        SERVER_ERROR,
        b"pkcs7: cannot decrypt data: only RSA, DES, DES-EDE3, AES-256-CBC and AES-128-GCM supported\n",
        "text/plain; charset=utf-8",
        headers=GO,
        message=Message(recipients=(LONE_CA,), cipher="rc2"),
    )


@story("mm oaep badrequest", {1: "certrep-badrequest"})
def mm_oaep_badrequest(s: Story) -> None:
    at(s, "/scep")
    s.caps(MICROMDM_CAPS)
    s.cacert(LONE_CA, CA_TYPE)
    s.enroll(
        Message(recipients=(LONE_CA,), cipher="aes128", sealed={"scheme": "oaep"}),
        Reply(status=2, fail=2, content=b"", signer=LONE_CA, key="ca"),
    )


@story("otilm profile", {1: "scep-disabled-on-server"})
def otilm_profile(s: Story) -> None:
    at(s, "/api/v1/protocols/scep/wifi/pkiclient.exe").lead()
    s.enroll(Message(cipher="aes128"), Reply(status=2, fail=2, text="SCEP Profile is not enabled", content=b""))


@story("otilm challenge", {1: "certrep-badmessagecheck"})
def otilm_challenge(s: Story) -> None:
    at(s, "/api/v1/protocols/scep/wifi/pkiclient.exe").lead(
        "POSTPKIOperation\nSHA-1\nSHA-256\nSHA-512\nDES3\nAES\nRenewal\nSCEPStandard"
    )
    s.enroll(
        Message(cipher="aes128"), Reply(status=2, fail=1, text="Challenge password validation failed", content=b"")
    )


@story("step webhook", {1: "certrep-badrequest"})
def step_webhook(s: Story) -> None:
    step(s)
    s.enroll(
        Message(recipients=(LONE_CA,), cipher="des", digest="md5"),
        Reply(status=2, fail=2, text="webhook server did not allow request", content=b"", signer=LONE_CA, key="ca"),
    )


@story("fleet 400", {1: "http-vendor-error"})
def fleet_400(s: Story) -> None:
    at(s, "/mdm/scep/proxy/1,2,NDES").lead()
    s.fails("400 Bad Request", b"SCEP challenge has expired", "text/plain", method="GET")


@story("fleet 403 html", {1: "http-vendor-error"})
def fleet_403_html(s: Story) -> None:
    at(s, "/mdm/scep/proxy/1,2,NDES").lead()
    s.fails("403 Forbidden", page("The challenge password is invalid or was already used"))


@story("words 500 challenge expired unknown", {1: "ndes-http-500-pkioperation-only"})
def words_500_challenge_expired_unknown(s: Story) -> None:
    at(s, "/enroll", "nginx").lead()
    s.fails(SERVER_ERROR, b'{"error":"one-time password expired"}', "application/json")


@story("reason challenge 403", {1: "http-vendor-error"})
def reason_challenge_403(s: Story) -> None:
    at(s, "/enroll", None).lead()
    s.fails("403 Wrong challenge password", b"", None)


@story("200 page with words", {1: "html-in-200"})
def http_200_page_with_words(s: Story) -> None:
    at(s, "/enroll", None).lead()
    s.enroll(answer=page("Enrollment failed: the challenge password has expired"), kind="text/html")


# ---- kind 2


def expired(status: str, method: str, answer: bytes) -> Tell:
    def told(s: Story) -> None:
        s.lead(offer=EXPIRED)
        s.fails(status, answer, method=method, message=Message(recipients=(EXPIRED[2],)))

    return told


for _status, _method, _answer in (
    (SERVER_ERROR, "GET", page("error")),
    ("400 Bad Request", "POST", page("error")),
    ("200 OK", "POST", b""),
):
    story(f"expired RA {_status} {_method}", {1: "cacert-expired"})(expired(_status, _method, _answer))


@story("expired decrypter step badRequest", {1: "cacert-expired"})
def expired_decrypter_step_badrequest(s: Story) -> None:
    d = ra(ENCRYPTS, key="ra-encryption", serial=9, start=TWO_YEARS, issuer="CN=Lone CA")
    step(s, (d, LONE_CA))
    s.enroll(Message(recipients=(d,), cipher="aes128"), Reply(status=2, fail=2, content=b"", signer=LONE_CA, key="ca"))


@story("expired only signing RA 500", {1: "cacert-expired"})
def expired_only_signing_ra_500(s: Story) -> None:
    s.lead(offer=(EXPIRED[0], CA, RA_CRYPT))
    s.fails(SERVER_ERROR, page("x"))


@story("500 ios weak all", {1: "ndes-http-500-pkioperation-only"})
def http_500_ios_weak_all(s: Story) -> None:
    at(s, "/scep/wifi")
    s.caps("DES\nDES3\nSHA-1\nMD5\nPOSTPKIOperation\n")
    s.cacert(LONE_CA, CA_TYPE)
    s.fails(
        SERVER_ERROR,
        b"something",
        "text/plain",
        message=Message(
            recipients=(LONE_CA,), cipher="des", digest="md5", key="weak-1024", signer=requester("weak-1024")
        ),
    )


@story("admin cache full", {1: "ndes-admin-cache-full"})
def admin_cache_full(s: Story) -> None:
    visit(s, "<HTML><Body>The password cache is full.</Body></HTML>".encode("utf-16-le"))
    s.lead()
    s.enroll(reply=refusal(1))


@story("admin no permission", {1: "ndes-admin-no-permission"})
def admin_no_permission(s: Story) -> None:
    visit(
        s,
        "<HTML><Body>You do not have sufficient permission to enroll with SCEP.</Body></HTML>".encode("utf-16-le"),
    )
    s.lead()
    s.enroll(reply=refusal(2))


@story("admin 403", {1: "certrep-badmessagecheck"})
def admin_403(s: Story) -> None:
    s.get("/certsrv/mscep_admin/", page("403 - Forbidden: Access is denied."), "text/html", "403 Forbidden")
    s.lead()
    s.enroll(reply=refusal(1))


@story("admin basic 401", {1: "ndes-admin-login-fails"})
def admin_basic_401(s: Story) -> None:
    for n in range(2):
        s.exchange(
            s.question("GET", "/certsrv/mscep_admin/", headers=("Authorization: Basic dXNlcjp3cm9uZw==",) if n else ()),
            lambda: s.response(
                page("401 - Unauthorized"), "text/html", "401 Unauthorized", ('WWW-Authenticate: Basic realm="x"',)
            ),
        )
    s.lead()
    s.enroll(reply=refusal(1))


@story("ca recipient 500 step", {1: "req-recipient-is-ca-not-ra"})
def ca_recipient_500_step(s: Story) -> None:
    d = ra(ENCRYPTS, key="ra-encryption", serial=9, issuer="CN=Lone CA")
    step(s, (d, LONE_CA))
    s.fails(
        SERVER_ERROR,
        b"scep post request failed: failed parsing SCEP request\n",
        "text/plain; charset=utf-8",
        headers=GO,
        message=Message(recipients=(LONE_CA,), cipher="aes128"),
    )


@story("ra without ku 500", {1: "cacert-ra-no-keyusage"})
def ra_without_ku_500(s: Story) -> None:
    whole = ca(ALL_USAGE)
    s.lead(offer=(ra(key="ra-signing"), whole, ra(key="ra-encryption", serial=0x6A8)))
    s.fails(SERVER_ERROR, page("x"), message=Message(recipients=(whole,)))


@story("500 wrong sig", {1: "req-signature-invalid"})
def http_500_wrong_sig(s: Story) -> None:
    s.lead()
    s.fails(SERVER_ERROR, page("x"), message=Message(made={"signature": bytes(256)}))


@story("badmessagecheck wrong sig get", {1: "req-signature-invalid"})
def badmessagecheck_wrong_sig_get(s: Story) -> None:
    s.lead()
    s.enroll(Message(made={"signature": bytes(256)}), refusal(1), method="GET")


@story("cache pending poll", {1: "pkioperation-cached"})
def cache_pending_poll(s: Story) -> None:
    s.lead()
    m = Message()
    s.enroll(m, PENDING, method="GET", headers=("X-Cache: MISS",))
    for _ in range(3):
        s.wire.pause(60)
        s.enroll(m, PENDING, method="GET", headers=("X-Cache: HIT",))


# ---- kind 3
@story("gave up then badRequest step", {1: "client-gave-up"})
def gave_up_then_badrequest_step(s: Story) -> None:
    s.lead()
    c = s.enroll_unanswered()
    s.wire.pause(30)
    c.close("C")
    s.wire.pause(1)
    c2 = Message(nonce=SECOND_NONCE)
    s.enroll(c2, refusal(1))


@story("gave up, late success, new txid refused", {2: "client-gave-up", 1: "client-gave-up"})
def gave_up_late_success_new_txid_refused(s: Story) -> None:
    s.lead()
    m = Message()
    c = s.enroll_unanswered(m)
    s.wire.pause(30)
    c.flags("C", raw.FIN | raw.ACK, count=1)
    s.wire.pause(2)
    c.send("S", s.response(Reply().encoded(m, s.chance), MESSAGE_TYPE), acked=False)
    c.segment("C", raw.RST)
    s.wire.pause(5)
    s.enroll(
        Message(
            nonce=SECOND_NONCE,
            transaction_id="DD" * 16,
            signer=requester("client-2", serial=5),
            key="client-2",
            csr=der.request(DEVICE, "client-2"),
        ),
        refusal(1),
    )


@story("gave up then success", {})
def gave_up_then_success(s: Story) -> None:
    s.lead()
    c = s.enroll_unanswered()
    s.wire.pause(30)
    c.reset("C")
    s.wire.pause(5)
    s.enroll(Message(nonce=SECOND_NONCE))


@story("refused; other device ok", {1: "certrep-badmessagecheck"})
def refused_other_device_ok(s: Story) -> None:
    s.lead()
    s.enroll(reply=refusal(1))
    s.wire.pause(60)
    s.client = "192.168.10.21"
    s.enroll(
        Message(
            key="client-2",
            signer=requester("client-2", "CN=device-2", serial=2),
            csr=der.request("CN=device-2", "client-2"),
            transaction_id="AA" * 16,
            nonce=SECOND_NONCE,
        ),
        Reply(certificates=(issued("client-2", "CN=device-2"),)),
    )


@story("500 then ok same txid", {})
def http_500_then_ok_same_txid(s: Story) -> None:
    s.lead()
    s.fails(SERVER_ERROR, page("x"))
    s.wire.pause(30)
    s.enroll(Message(nonce=SECOND_NONCE))


@story("refused thrice then ok new tx", {})
def refused_thrice_then_ok_new_tx(s: Story) -> None:
    s.lead()
    for n in range(3):
        s.enroll(Message(transaction_id=f"{n}A" * 16, nonce=bytes(range(n, n + 16))), refusal(2, hresult=-2146875392))
        s.wire.pause(20)
    s.wire.pause(600)
    s.enroll(Message(nonce=SECOND_NONCE, transaction_id="CC" * 16))


@story("ok then later renewal refused expired", {2: "renewal-offered-but-refused"})
def ok_then_later_renewal_refused_expired(s: Story) -> None:
    s.lead()
    s.enroll()
    s.wire.pause(86400)
    s.enroll(
        Message(
            type=17, signer=ISSUED, csr=der.request(DEVICE, "client-2"), nonce=SECOND_NONCE, transaction_id="EE" * 16
        ),
        refusal(2),
    )


@story("wrong recipient then other recipient ok", {})
def wrong_recipient_then_other_recipient_ok(s: Story) -> None:
    s.lead()
    o = ra(BOTH, key="ra-encryption", serial=0xBAD, issuer="CN=Other", issuer_key="other-ca")
    s.fails(SERVER_ERROR, page("x"), message=Message(recipients=(o,)))
    s.wire.pause(30)
    s.enroll(Message(nonce=SECOND_NONCE))


@story("refused then tcp refused", {1: "certrep-badmessagecheck", 2: "tcp-refused"})
def refused_then_tcp_refused(s: Story) -> None:
    s.lead()
    s.enroll(reply=refusal(1))
    s.wire.pause(10)
    s.wire.put(raw.ip(s.client, s.server, 6, raw.tcp(50000, 80, 1, 0, raw.SYN)))
    s.wire.put(raw.ip(s.server, s.client, 6, raw.tcp(80, 50000, 0, 2, raw.RST | raw.ACK)))


# ---- kind 4/7
@story("badtime clock", {1: "clock-skew"})
def badtime_clock(s: Story) -> None:
    s.lead()
    s.enroll(
        Message(signing_time=START - dt.timedelta(hours=9), signer=requester(start=START - dt.timedelta(hours=10))),
        refusal(3),
    )


@story("capture clock wrong healthy", {})
def capture_clock_wrong_healthy(s: Story) -> None:
    s.skew = dt.timedelta(days=200)
    s.lead()
    s.enroll(
        Message(signer=requester(start=START + dt.timedelta(days=199))),
        Reply(certificates=(issued(start=START + dt.timedelta(days=199)),)),
    )


@story("nextca 500", {})
def nextca_500(s: Story) -> None:
    at(s, "/scep")
    s.caps(FULL_CAPS)
    s.cacert(LONE_CA, CA_TYPE)
    s.get("/scep?operation=GetNextCACert", b"operation not implemented", "text/plain", SERVER_ERROR)
    s.enroll(
        Message(recipients=(LONE_CA,), cipher="aes128"),
        Reply(signer=LONE_CA, key="ca", cipher="aes128", certificates=(issued(issuer="CN=Lone CA"),)),
    )


@story("nextca empty 200", {})
def nextca_empty_200(s: Story) -> None:
    at(s, "/scep")
    s.caps(FULL_CAPS)
    s.cacert(LONE_CA, CA_TYPE)
    s.get("/scep?operation=GetNextCACert", b"", None)
    s.enroll(
        Message(recipients=(LONE_CA,), cipher="aes128"),
        Reply(signer=LONE_CA, key="ca", cipher="aes128", certificates=(issued(issuer="CN=Lone CA"),)),
    )


@story("challenge missing but hresult template", {1: "certrep-ndes-hresult"}, keys=("ra-encryption",))
def challenge_missing_but_hresult_template(s: Story) -> None:
    s.lead()
    s.enroll(Message(csr=der.request(DEVICE, "client", challenge=None)), refusal(2, hresult=-2146875392))


@story("challenge missing badmsgcheck", {1: "csr-challenge-missing"}, keys=("ra-encryption",))
def challenge_missing_badmsgcheck(s: Story) -> None:
    s.lead()
    s.enroll(Message(csr=der.request(DEVICE, "client", challenge=None)), refusal(1))


@story("challenge unclean get", {1: "csr-challenge-unclean"}, keys=("ra-encryption",))
def challenge_unclean_get(s: Story) -> None:
    s.lead()
    s.enroll(Message(csr=der.request(DEVICE, "client", challenge="8A6F2B1C4D5E7F90 ")), refusal(1), method="GET")


@story("challenge placeholder", {1: "csr-challenge-unclean"}, keys=("ra-encryption",))
def challenge_placeholder(s: Story) -> None:
    s.lead()
    s.enroll(Message(csr=der.request(DEVICE, "client", challenge=der.utf8("$CHALLENGE"))), refusal(1))


@story("cached cacert date age", {})
def cached_cacert_date_age(s: Story) -> None:
    s.caps(headers=())
    s.skew = dt.timedelta(hours=-5)
    s.cacert(headers=("Age: 18000",))
    s.skew = dt.timedelta(0)
    s.enroll()


# ---- kind 5
@story("apple stops, capture ends", {1: "cacert-ra-type-without-ra"})
def apple_stops_capture_ends(s: Story) -> None:
    s.agent = "profiled/1.0 CFNetwork/1 Darwin/22"
    at(s, "/scep/pkiclient.exe")
    s.cacert((LONE_CA, ca(ALL_USAGE, key="other-ca", subject="CN=Root")), RA_TYPE)
    s.caps()


@story("windows stops no enc", {1: "cacert-no-encryption-cert"})
def windows_stops_no_enc(s: Story) -> None:
    s.agent = "Mozilla/4.0 (compatible; Win32; NDES client 10.0)"
    for _ in range(4):
        s.caps()
        s.cacert((RA_SIGN, CA), RA_TYPE, parameter="default")
        s.wire.pause(60)


@story("ios stops expired", {1: "cacert-expired"})
def ios_stops_expired(s: Story) -> None:
    s.agent = "Mozilla/4.0 (compatible; MSIE 5.0; Cisco PKI)"
    s.cacert(EXPIRED)
    goes_on(s, 100)


@story("success loop apple order", {1: "issued-order", 2: "issued-order", 3: "issued-order"}, keys=("client",))
def success_loop_apple_order(s: Story) -> None:
    s.agent = "mdmclient/1.0 CFNetwork/1410 Darwin/22.6.0"
    s.lead()
    for n in range(3):
        s.enroll(
            Message(transaction_id=f"{n}B" * 16, nonce=bytes(range(n, n + 16)), cipher="3des"),
            Reply(certificates=(CA, ISSUED)),
        )
        s.wire.pause(5)


@story(
    "success loop ios cipher",
    {1: "certrep-cipher-not-the-requests", 2: "certrep-cipher-not-the-requests", 3: "certrep-cipher-not-the-requests"},
)
def success_loop_ios_cipher(s: Story) -> None:
    s.agent = "Mozilla/4.0 (compatible; MSIE 5.0; Cisco PKI)"
    s.lead()
    for n in range(3):
        s.enroll(
            Message(transaction_id=f"{n}B" * 16, nonce=bytes(range(n, n + 16)), cipher="3des"),
            Reply(cipher="aes256"),
            method="GET",
        )
        s.wire.pause(60)


@story(
    "success loop ios digest",
    {1: "certrep-digest-not-the-requests", 2: "certrep-digest-not-the-requests", 3: "certrep-digest-not-the-requests"},
)
def success_loop_ios_digest(s: Story) -> None:
    s.agent = "Mozilla/4.0 (compatible; MSIE 5.0; Cisco PKI)"
    s.lead()
    for n in range(3):
        s.enroll(
            Message(transaction_id=f"{n}B" * 16, nonce=bytes(range(n, n + 16)), digest="md5"),
            Reply(made={"digest": "sha512"}),
            method="GET",
        )
        s.wire.pause(60)


# ---- kind 6
def connect_refused(status: str) -> Tell:
    def told(s: Story) -> None:
        s.server, s.port, s.software = "192.168.1.128", 8080, None
        for _ in range(2):
            s.exchange(
                b"CONNECT scep.corp.example:443 HTTP/1.0\r\n\r\n", lambda: s.response(page("x"), "text/html", status)
            )

    return told


for _status in (
    "502 Bad Gateway",
    "503 Service Unavailable",
    "407 Proxy Authentication Required",
    "403 Forbidden",
    "504 Gateway Timeout",
):
    story(f"CONNECT gets {_status}", {0: "proxy-connect-refused"})(connect_refused(_status))


@story("post empty 500", {1: "post-empty-body"})
def post_empty_500(s: Story) -> None:
    step(s)
    s.fails(SERVER_ERROR, b"ber2der: input ber is empty\n", "text/plain; charset=utf-8", headers=GO, raw=b"")


@story("post empty 400 openxpki", {1: "post-empty-body"})
def post_empty_400_openxpki(s: Story) -> None:
    at(s, "/scep/generic").lead(OPENXPKI_CAPS)
    s.fails("400 Unable to parse request", b"", None, raw=b"")


@story("post empty failure", {1: "post-empty-body"})
def post_empty_failure(s: Story) -> None:
    s.lead()
    s.enroll(reply=refusal(2), raw=b"")


@story("invalid hostname pkiop", {1: "http-400-invalid-hostname"})
def invalid_hostname_pkiop(s: Story) -> None:
    s.software = "Microsoft-HTTPAPI/2.0"
    s.fails("400 Bad Request", b"<h2>Bad Request - Invalid Hostname</h2>")


@story("404.2 post", {1: "iis-isapi-restricted"})
def http_404_2_post(s: Story) -> None:
    s.fails(
        "404 Not Found",
        page("HTTP Error 404.2 - Not Found")
        + b"The page you are requesting cannot be served because of the ISAPI and CGI Restriction list settings on the Web server.",
    )


@story("404.7 get", {1: "iis-extension-denied"})
def http_404_7_get(s: Story) -> None:
    answers(
        s,
        page("HTTP Error 404.7 - Not Found")
        + b"<p>The request filtering module is configured to deny the file extension.</p>",
        "404 Not Found",
        "text/html",
    )


@story("azure 503 stopped", {1: "azure-app-stopped"})
def azure_503_stopped(s: Story) -> None:
    s.host = "scep.azurewebsites.net"
    at(s, "/certsrv/mscep/mscep.dll")
    answers(s, page("Web App - Unavailable"), "403 Forbidden", "text/html")


@story("port in path 443", {1: "url-port-in-path"})
def port_in_path_443(s: Story) -> None:
    at(s, "/:8080/scep/wifi/pkiclient.exe", "nginx")
    answers(s, page("404 Not Found"), "404 Not Found", "text/html")


@story("port in path 400", {1: "url-port-in-path"})
def port_in_path_400(s: Story) -> None:
    at(s, "/certsrv:8080/mscep/mscep.dll", "Microsoft-HTTPAPI/2.0")
    answers(s, page("Bad Request - Invalid URL"), "400 Bad Request", "text/html")


@story("reply never acked certrep", {1: "tcp-reply-never-acked"})
def reply_never_acked_certrep(s: Story) -> None:
    s.lead()
    m = Message()
    c = s.enroll_unanswered(m)
    b = s.response(Reply(certificates=(ISSUED, CA, RA_SIGN, RA_CRYPT)).encoded(m, s.chance), MESSAGE_TYPE)
    f = c.next["S"]
    c.send("S", b, acked=False)
    for p in (0.3, 0.6, 1.2, 2.4):
        s.wire.pause(p)
        c.segment("S", raw.ACK, b[:1460], at=f)
    s.wire.pause(30)
    c.segment("C", raw.RST)


@story("zero window certrep", {1: "tcp-zero-window"})
def zero_window_certrep(s: Story) -> None:
    s.lead()
    m = Message()
    c = s.enroll_unanswered(m)
    b = s.response(Reply(certificates=(ISSUED, CA, RA_SIGN, RA_CRYPT)).encoded(m, s.chance), MESSAGE_TYPE)
    c.send("S", b[:1460], acked=False)
    shut = bytearray(c.segment("C", raw.ACK, lost=True))
    for p in (0.5, 1, 2, 4):
        window(s, shut, 0)
        s.wire.pause(p)
    s.wire.pause(60)
    c.reset("S")


@story("dns differ one client other 404 nginx", {2: "dns-answers-differ"})
def dns_differ_one_client_other_404_nginx(s: Story) -> None:
    s.wire.dns(s.client, "192.168.10.53", s.host, 0, s.server)
    s.lead()
    s.enroll()
    s.client = "192.168.77.30"
    s.wire.dns(s.client, "192.168.77.53", s.host, 0, "192.168.1.99")
    s.server = "192.168.1.99"
    s.software = "nginx"
    s.fails("404 Not Found", page("404"))


# B-part extras
@story("entra 504", {1: "http-504"})
def entra_504(s: Story) -> None:
    s.host = "ndes-x.msappproxy.net"
    s.lead()
    s.fails("504 Gateway Timeout", page("GatewayTimeout"))


@story("entra login redirect", {1: "http-redirect-to-login"})
def entra_login_redirect(s: Story) -> None:
    s.host = "ndes-x.msappproxy.net"
    s.caps(b"", "text/html", "302 Found", headers=("Location: https://login.microsoftonline.com/x/oauth2",))


@story("401 iis", {1: "http-401-on-scep"})
def http_401_iis(s: Story) -> None:
    s.lead(None, None)
    answers(s, page("401"), "401 Unauthorized", "text/html", ("WWW-Authenticate: NTLM",))


@story("md5 dogtag words get", {1: "digest-not-offered"})
def md5_dogtag_words_get(s: Story) -> None:
    at(s, "/ca/cgi-bin/pkiclient.exe").lead(DOGTAG_CAPS)
    s.fails(
        SERVER_ERROR,
        page("Hashing algorithm 'MD5' is not allowed (SHA256,SHA512)"),
        method="GET",
        message=Message(digest="md5"),
    )


@story("nginx 414", {1: "http-414-uri-too-long"})
def nginx_414(s: Story) -> None:
    at(s, "/scep/wifi", "nginx/1.22").lead("SHA-256\nAES\n")
    s.fails(
        "414 Request-URI Too Large", page("414 Request-URI Too Large"), method="GET", message=Message(cipher="aes128")
    )


@story("nginx 413", {1: "http-413-too-large"})
def nginx_413(s: Story) -> None:
    at(s, "/scep/wifi", "nginx/1.22").lead(STEP_CAPS)
    s.fails("413 Request Entity Too Large", page("413"), message=Message(cipher="aes128"))


@story("iis get long 404 jamf", {1: "iis-query-too-long"})
def iis_get_long_404_jamf(s: Story) -> None:
    s.agent = "Java/11"
    s.lead("SHA-256\nDES3\n")
    s.fails("404 Not Found", page("404 - File or directory not found."), method="GET")


@story("renewal 17 not offered refused", {1: "renewal-used-not-offered"})
def renewal_17_not_offered_refused(s: Story) -> None:
    at(s, EJBCA_PATH).lead("POSTPKIOperation\nSHA-1\n")
    s.enroll(Message(type=17, signer=ISSUED, csr=der.request(DEVICE, "client-2")), refusal(2))


@story("renewal expired cert ndes", {1: "signer-expired-for-renewal"})
def renewal_expired_cert_ndes(s: Story) -> None:
    s.lead()
    s.enroll(
        Message(type=17, signer=issued(start=YEAR_AGO, days=100, serial=9), csr=der.request(DEVICE, "client-2")),
        refusal(2),
    )


@story("waf block", {1: "http-403-blocked"})
def waf_block(s: Story) -> None:
    s.lead()
    s.fails("403 Forbidden", page("Request Rejected"), headers=("X-Iinfo: 1-2-3",), method="GET")


@story("chunk 411", {1: "http-411-length-required"})
def chunk_411(s: Story) -> None:
    s.lead()
    s.fails("411 Length Required", page("x"))


@story("hresult 80090005 wrong recipient", {1: "req-wrong-recipient"})
def hresult_80090005_wrong_recipient(s: Story) -> None:
    s.lead()
    s.enroll(Message(recipients=(ra(BOTH, key="ra-encryption", serial=0xBAD),)), refusal(1, hresult=-2146893819))


@story("stale recipient", {1: "req-recipient-stale"})
def stale_recipient(s: Story) -> None:
    old = (ra(SIGNS, AGENT, serial=0x11), CA, ra(ENCRYPTS, AGENT, key="client-2", serial=0x12))
    s.cacert(old)
    s.wire.pause(4000)
    s.lead()
    s.fails(SERVER_ERROR, page("x"), message=Message(recipients=(old[2],)))


def two_legs(
    s: Story, inner: Callable[[Story, bytes], None], outer: Callable[[Story], bytes], *, q: bytes | None = None
) -> None:
    """Client -> proxy -> server; inner is how the inner leg ends."""
    c, sv = s.client, s.server
    tcp = s.connect()
    question = q or s.question("GET", f"{s.path}?operation=GetCACaps")
    tcp.send("C", question)
    s.wire.pause(0.01)
    s.client, s.server = sv, "10.9.9.9"
    inner(s, question)
    s.client, s.server = c, sv
    tcp.send("S", outer(s))
    tcp.close("S")
    s.wire.pause(0.1)


def refused(s: Story, _: bytes) -> None:
    """The inner leg: the server refuses the connection."""
    s.wire.put(raw.ip(s.client, s.server, 6, raw.tcp(51000, 80, 1, 0, raw.SYN)))
    s.wire.put(raw.ip(s.server, s.client, 6, raw.tcp(80, 51000, 0, 2, raw.RST | raw.ACK)))


def silent(s: Story, _: bytes) -> None:
    """The inner leg: nobody answers."""
    for n in range(4):
        s.wire.put(raw.ip(s.client, s.server, 6, raw.tcp(51000, 80, 1, 0, raw.SYN)))
        s.wire.pause(2**n)


def says(body: bytes, status: str) -> Callable[[Story, bytes], None]:
    """The inner leg: this response."""

    def f(s: Story, q: bytes) -> None:
        t = s.connect()
        t.send("C", q.replace(b"\r\nUser-Agent", b"\r\nVia: 1.1 front\r\nUser-Agent", 1))
        s.wire.pause(0.05)
        t.send("S", s.response(body, "text/html", status))
        t.close("S")

    return f


def bad502(s: Story) -> bytes:
    return s.response(page("502 Bad Gateway"), "text/html", "502 Bad Gateway", ("Server: nginx/1.22",))


@story("proxy 502 inner refused", {1: "http-502"})
def proxy_502_inner_refused(s: Story) -> None:
    two_legs(s, refused, bad502)


@story("proxy 504 inner silent", {1: "http-504"})
def proxy_504_inner_silent(s: Story) -> None:
    two_legs(s, silent, lambda s: s.response(page("504"), "text/html", "504 Gateway Timeout", ("Server: nginx/1.22",)))


@story("proxy 502 inner 500 caps", {2: "ndes-http-500-all-operations", 1: "http-502"})
def proxy_502_inner_500_caps(s: Story) -> None:
    two_legs(s, says(page("x"), SERVER_ERROR), bad502)


@story("proxy relays 404", {1: "http-404-wrong-path", 2: "http-404-wrong-path"})
def proxy_relays_404(s: Story) -> None:
    two_legs(s, says(page("404"), "404 Not Found"), lambda s: s.response(page("404"), "text/html", "404 Not Found"))


@story("proxy changes plus to space", {1: "get-plus-became-space"})
def proxy_changes_plus_to_space(s: Story) -> None:
    s.lead("SHA-256\nDES3\n")
    m = base64.b64encode(Message().encoded(s.chance)).decode()
    q = s.question("GET", as_get(b"", s.path, text=quote(m, safe="")))
    q2 = s.question("GET", as_get(b"", s.path, text=m.replace("+", "%20").replace("/", "%2F").replace("=", "%3D")))

    def inner(s: Story, _: bytes) -> None:
        t = s.connect()
        t.send("C", q2)
        s.wire.pause(0.05)
        t.send("S", s.response(page("x"), "text/html", SERVER_ERROR))
        t.close("S")

    two_legs(s, inner, lambda s: s.response(page("x"), "text/html", SERVER_ERROR), q=q)


@story("wrong path then right path", {})
def wrong_path_then_right_path(s: Story) -> None:
    p = s.path
    s.path = "/wrong"
    answers(s, page("404"), "404 Not Found", "text/html")
    s.path = p
    s.wire.pause(120)
    s.lead()
    s.enroll()


@story("caps 500 rest fine", {})
def caps_500_rest_fine(s: Story) -> None:
    s.caps(page("x"), "text/html", SERVER_ERROR)
    s.cacert()
    s.enroll()


@story("caps 404 rest fine step", {})
def caps_404_rest_fine_step(s: Story) -> None:
    at(s, "/x")
    s.caps(b"", None, "404 Not Found")
    s.cacert(LONE_CA, CA_TYPE)
    s.enroll(
        Message(recipients=(LONE_CA,)), Reply(signer=LONE_CA, key="ca", certificates=(issued(issuer="CN=Lone CA"),))
    )


@story("go https port", {1: "http-on-tls-port"})
def go_https_port(s: Story) -> None:
    s.port = 9000
    at(s, "/scep/wifi")
    answers(s, "Client sent an HTTP request to an HTTPS server.\n", "400 Bad Request")


@story("apache https port", {1: "http-on-tls-port"})
def apache_https_port(s: Story) -> None:
    s.port = 8443
    s.software = "Apache/2.4.57 (Debian)"
    answers(
        s,
        page("400 Bad Request") + b"Reason: You're speaking plain HTTP to an SSL-enabled server port.",
        "400 Bad Request",
        "text/html",
    )


@story("tomcat https port", {1: "http-on-tls-port"})
def tomcat_https_port(s: Story) -> None:
    at(s, "/ca/cgi-bin/pkiclient.exe")
    s.port = 8443
    answers(s, b"Bad Request\r\nThis combination of host and port requires TLS.\r\n", "400 ")


@story("captive portal", {1: "html-in-200"})
def captive_portal(s: Story) -> None:
    answers(s, page("Welcome to Guest Wi-Fi - please log in"), "200 OK", "text/html")


@story("ndes welcome page", {1: "html-in-200"})
def ndes_welcome_page(s: Story) -> None:
    s.path = "/certsrv/mscep/"
    answers(s, page("Network Device Enrollment Service"), "200 OK", "text/html")


@story("cacert pem", {1: "cacert-pem-or-base64"})
def cacert_pem(s: Story) -> None:
    s.caps()
    s.cacert(b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(CA) + b"-----END CERTIFICATE-----\n", CA_TYPE)
    goes_on(s, 100)


@story("ec ca apple stops", {1: "cacert-not-rsa"})
def ec_ca_apple_stops(s: Story) -> None:
    s.agent = "mdmclient/1.0 CFNetwork/1410 Darwin/22.6.0"
    at(s, "/scep/wifi")
    ec = ca(ALL_USAGE, key="ec", subject="CN=EC CA")
    s.cacert(ec, CA_TYPE)
    s.caps(STEP_CAPS)
    goes_on(s, 100)


@story("apple stops expired ra", {1: "cacert-expired"})
def apple_stops_expired_ra(s: Story) -> None:
    s.agent = "mdmclient/1.0 CFNetwork/1410 Darwin/22.6.0"
    s.cacert(EXPIRED)
    s.caps()
    goes_on(s, 100)


@story("android loops", {1: "cacert-no-encryption-cert"})
def android_loops(s: Story) -> None:
    s.agent = "Dalvik/2.1.0 (Linux; U; Android 13)"
    for _ in range(4):
        s.cacert((RA_SIGN, CA), RA_TYPE, parameter="ca")
        s.caps()
        s.wire.pause(30)


@story("stops no reason healthy window", {1: "txn-stopped-after-cacert"})
def stops_no_reason_healthywindow(s: Story) -> None:
    s.lead()
    goes_on(s, 300)


@story("poll swapped badcertid", {1: "poll-issuer-subject-mismatch"}, keys=("ra-encryption",))
def poll_swapped_badcertid(s: Story) -> None:
    s.lead()
    s.enroll(reply=PENDING)
    s.wire.pause(60)
    s.enroll(
        Message(type=20, content=der.sequence(der.name(DEVICE), der.name(CA_NAME)), nonce=SECOND_NONCE), refusal(4)
    )


@story("poll ra name badcertid", {1: "poll-issuer-subject-mismatch"}, keys=("ra-encryption",))
def poll_ra_name_badcertid(s: Story) -> None:
    s.lead()
    s.enroll(reply=PENDING)
    s.wire.pause(60)
    s.enroll(
        Message(type=20, content=der.sequence(der.name(RA_NAME), der.name(DEVICE)), nonce=SECOND_NONCE), refusal(4)
    )


@story("poll other txid badcertid", {2: "transid-changed-while-pending", 1: "pending-never-resolved"})
def poll_other_txid_badcertid(s: Story) -> None:
    s.lead()
    s.enroll(reply=PENDING)
    s.wire.pause(60)
    s.enroll(Message(type=20, transaction_id="FE" * 16, content=NAMES, nonce=SECOND_NONCE), refusal(4))


@story("pending denied", {1: "pending-then-failure"})
def pending_denied(s: Story) -> None:
    s.lead()
    s.enroll(reply=PENDING)
    s.wire.pause(60)
    s.enroll(Message(type=20, content=NAMES, nonce=SECOND_NONCE), refusal(2))


@story("pending denied hresult", {1: "certrep-ndes-hresult"})
def pending_denied_hresult(s: Story) -> None:
    s.lead()
    s.enroll(reply=PENDING)
    s.wire.pause(60)
    s.enroll(Message(type=20, content=NAMES, nonce=SECOND_NONCE), refusal(2, hresult=-2146877420))


@story("getcrl refused", {1: "getcrl-refused"})
def getcrl_refused(s: Story) -> None:
    s.lead()
    s.enroll(Message(type=22, content=der.sequence(der.name(CA_NAME), der.integer(5))), refusal(2))


@story("getcrl refused after success", {2: "getcrl-refused"})
def getcrl_refused_after_success(s: Story) -> None:
    s.lead()
    s.enroll()
    s.wire.pause(5)
    s.enroll(
        Message(type=22, transaction_id="9", content=der.sequence(der.name(CA_NAME), der.integer(5)), signer=ISSUED),
        refusal(2),
    )


@story("signing ra sscep", {1: "req-recipient-is-signing-ra"})
def signing_ra_sscep(s: Story) -> None:
    s.lead()
    s.enroll(Message(recipients=(RA_SIGN,)), refusal(1))


@story("signing ra 500 get", {1: "req-recipient-is-signing-ra"})
def signing_ra_500_get(s: Story) -> None:
    s.lead()
    s.fails(SERVER_ERROR, page("x"), message=Message(recipients=(RA_SIGN,)), method="GET")


@story("server clock off badtime", {1: "clock-skew"})
def server_clock_off_badtime(s: Story) -> None:
    s.skew = dt.timedelta(hours=8)
    s.lead()
    s.enroll(Message(signing_time=START), refusal(3))


@story("client 1970 refused badtime no signing", {1: "signer-clock-odd"})
def client_1970_refused_badtime_no_signing(s: Story) -> None:
    s.lead()
    s.enroll(Message(signer=requester(start=dt.datetime(1970, 1, 1, tzinfo=dt.UTC), days=3650)), refusal(3))


@story("client 1993 apple/ios success", {})
def client_1993_apple_ios_success(s: Story) -> None:
    s.lead()
    s.enroll(Message(signer=requester(start=dt.datetime(1993, 3, 1, tzinfo=dt.UTC), days=36500)))


@story("rst ips post", {1: "tcp-reset-during-exchange"})
def rst_ips_post(s: Story) -> None:
    s.lead()
    c = s.connect()
    q = s.question("POST", s.path + "?operation=PKIOperation", Message().encoded(s.chance), kind=MESSAGE_TYPE)
    c.send("C", q[:1460])
    c.reset("S", ttl=61)


@story("keepalive refusal", {1: "certrep-badmessagecheck"})
def keepalive_refusal(s: Story) -> None:
    c = s.connect()
    for q, b, k in (
        (s.path + "?operation=GetCACaps", CAPS.encode(), "text/plain"),
        (s.path + "?operation=GetCACert", der.degenerate(*SET), RA_TYPE),
    ):
        c.send("C", s.question("GET", q))
        s.wire.pause(0.02)
        c.send("S", s.response(b, k).replace(b"Connection: close\r\n", b""))
    m = Message()
    c.send("C", s.question("POST", s.path + "?operation=PKIOperation", m.encoded(s.chance), kind=MESSAGE_TYPE))
    s.wire.pause(0.1)
    c.send("S", s.response(refusal(1).encoded(m, s.chance), MESSAGE_TYPE))
    c.close("C")


@story("five devices", {5: "req-wrong-recipient", 2: "certrep-badmessagecheck", 3: "certrep-ndes-hresult"})
def five_devices(s: Story) -> None:
    s.lead()

    def dev(n: int, **k: object) -> Message:
        s.client = f"192.168.10.{30 + n}"
        name = f"CN=dev-{n}"
        return Message(
            signer=requester(subject=name, serial=n + 10),
            csr=der.request(name, "client"),
            transaction_id=f"{n}{n}" * 16,
            nonce=bytes(range(n, n + 16)),
            **k,
        )

    s.enroll(dev(1), refusal(1))
    s.enroll(dev(2), refusal(2, hresult=-2146875392))
    m = dev(3)
    s.enroll(m, Reply(certificates=(issued("client", "CN=dev-3"),)))
    s.fails(SERVER_ERROR, page("x"), message=dev(4, recipients=(ra(BOTH, key="ra-encryption", serial=0xBAD),)))


@story("same device: 404 pki, then wrong challenge", {1: "certrep-badmessagecheck"})
def same_device_404_pki_then_wrong_challenge(s: Story) -> None:
    s.lead("SHA-256\nDES3\n")
    s.fails("404 Not Found", page("404"), method="GET")
    s.wire.pause(40)
    s.enroll(Message(nonce=SECOND_NONCE), refusal(1))


@story("wrong challenge, then 503", {1: "certrep-badmessagecheck", 2: "http-503-load"})
def wrong_challenge_then_503(s: Story) -> None:
    s.lead()
    s.enroll(reply=refusal(1))
    s.wire.pause(40)
    s.fails("503 Service Unavailable", page("x"), message=Message(nonce=SECOND_NONCE))


@story("iis body long", {1: "iis-body-too-long"})
def iis_body_long(s: Story) -> None:
    s.lead()
    s.fails("404 Not Found", page("HTTP Error 404.13 - Not Found"))


@story("post 404 iis no substatus", {1: "iis-body-too-long"})
def post_404_iis_no_substatus(s: Story) -> None:
    s.lead()
    s.fails("404 Not Found", page("404 - File or directory not found."))


@story("ndes 500 all", {1: "ndes-http-500-all-operations"})
def ndes_500_all(s: Story) -> None:
    answers(s, page("500 - Internal server error."), SERVER_ERROR, "text/html")
    s.get("/certsrv/mscep_admin/", page("500"), "text/html", SERVER_ERROR)


@story("dns nx then nothing", {0: "dns-name-not-resolved"})
def dns_nx_then_nothing(s: Story) -> None:
    s.wire.dns(CLIENT, "192.168.1.2", "ndes.corp.example", 3)
    s.wire.pause(3)
    s.wire.dns(CLIENT, "192.168.1.2", "ndes.corp.example", 3)


@story("tcp timeout server known", {2: "tcp-connect-timeout"})
def tcp_timeout_server_known(s: Story) -> None:
    s.lead()
    s.enroll()
    s.client = "192.168.10.99"
    for n in range(4):
        s.wire.put(raw.ip(s.client, s.server, 6, raw.tcp(50000, 80, 1, 0, raw.SYN)))
        s.wire.pause(2**n)


@story("tls name mismatch alert", {0: "tls-server-name-mismatch"})
def tls_name_mismatch_alert(s: Story) -> None:
    tls_server_name_mismatch(s, False)


@story("reply for other request (mixed)", {1: "certrep-transid-mismatch"})
def reply_for_other_request_mixed(s: Story) -> None:
    s.lead()
    s.enroll(
        reply=Reply(transaction_id="AB" * 16, recipient_nonce=bytes(range(90, 106)), recipient=requester("client-2"))
    )


@story("html login on pkiop post", {1: "html-in-200"})
def html_login_on_pkiop_post(s: Story) -> None:
    s.lead()
    s.enroll(answer=page("Sign in to your account"), kind="text/html")


@story("request cut by proxy", {1: "txn-no-reply"})
def request_cut_by_proxy(s: Story) -> None:
    s.lead()
    m = Message().encoded(s.chance)
    c = s.connect()
    q = s.question(
        "POST", s.path + "?operation=PKIOperation", m[:900], (f"Content-Length: {len(m)}",), kind=MESSAGE_TYPE
    )
    c.send("C", q)
    s.wire.pause(30)
    c.send("S", s.response(page("408"), "text/html", "408 Request Timeout"))
    c.close("S")


@story("post truncated body", {1: "body-length-mismatch"})
def post_truncated_body(s: Story) -> None:
    s.lead()
    m = Message().encoded(s.chance)
    s.fails(SERVER_ERROR, page("x"), raw=m[:900])


@story("get truncated 1024", {1: "get-truncated"})
def get_truncated_1024(s: Story) -> None:
    at(s, "/scep/wifi").lead("SHA-256\nDES3\n")
    u = as_get(Message().encoded(s.chance), s.path)[:1024]
    s.fails(SERVER_ERROR, b"asn1: syntax error: data truncated", "text/plain", method="GET", target=u)


@story("get truncated badrequest html 400", {1: "get-truncated"})
def get_truncated_badrequest_html_400(s: Story) -> None:
    at(s, "/scep/wifi").lead("SHA-256\nDES3\n")
    u = as_get(Message().encoded(s.chance), s.path)[:2048]
    s.fails("400 Bad Request", page("Bad Request"), method="GET", target=u)


@story("double encoded", {1: "get-double-encoded"})
def double_encoded(s: Story) -> None:
    at(s, "/scep/wifi").lead("SHA-256\nDES3\n")
    u = quote(quote(base64.b64encode(Message().encoded(s.chance)).decode(), safe=""), safe="")
    s.fails(
        SERVER_ERROR,
        b"illegal base64 data at input byte 4",
        "text/plain",
        method="GET",
        target=as_get(b"", s.path, text=u),
    )


@story("padding stripped", {1: "get-padding-stripped"})
def padding_stripped(s: Story) -> None:
    at(s, "/scep/wifi").lead("SHA-256\nDES3\n")
    m = base64.b64encode(Message(signing_time=START).encoded(s.chance)).decode()
    if not m.endswith("="):
        m = base64.b64encode(Message(transaction_id=TXID + "A").encoded(s.chance)).decode()
    s.fails(
        SERVER_ERROR,
        b"illegal base64 data at input byte 4",
        "text/plain",
        method="GET",
        target=as_get(b"", s.path, text=quote(m.rstrip("="), safe="")),
    )


@story("csr bare post", {1: "not-cms"})
def csr_bare_post(s: Story) -> None:
    step(s)
    s.fails(SERVER_ERROR, b"asn1: structure error: tags don't match", "text/plain", raw=der.request(DEVICE, "client"))


@story("post pem", {1: "post-body-base64"})
def post_pem(s: Story) -> None:
    step(s)
    s.fails(
        SERVER_ERROR,
        b"ber2der: x",
        "text/plain",
        raw=base64.b64encode(Message(recipients=(LONE_CA,)).encoded(s.chance)),
    )


@story("plist phase1", {1: "post-without-operation"})
def plist_phase1(s: Story) -> None:
    step(s)
    s.fails("400 Bad Request", b"x", "text/plain", raw=b'<?xml version="1.0"?><plist></plist>', target="/scep/wifi")


@story("hresult rpc", {1: "certrep-ndes-hresult"})
def hresult_rpc(s: Story) -> None:
    s.lead()
    s.enroll(reply=refusal(2, hresult=-2147023174))


@story("hresult unknown", {1: "certrep-ndes-hresult"})
def hresult_unknown(s: Story) -> None:
    s.lead()
    s.enroll(reply=refusal(2, hresult=-2146869247))


@story("hresult 57 wrong recipient no", {1: "certrep-ndes-hresult"})
def hresult_57_wrong_recipient_no(s: Story) -> None:
    s.lead()
    s.enroll(reply=refusal(2, hresult=-2147024809))


@story("hresult 57 utf8 challenge", {1: "csr-challenge-encoding"}, keys=("ra-encryption",))
def hresult_57_utf8_challenge(s: Story) -> None:
    s.lead()
    s.enroll(
        Message(csr=der.request(DEVICE, "client", challenge=der.utf8("8A6F2B1C4D5E7F90"))),
        refusal(2, hresult=-2147024809),
    )


@story("subject too long hresult", {1: "csr-subject-too-long"}, keys=("ra-encryption",))
def subject_too_long_hresult(s: Story) -> None:
    n = "CN=" + "x" * 70
    s.lead()
    s.enroll(Message(signer=requester(subject=n), csr=der.request(n, "client")), refusal(2, hresult=-2146877439))


@story("chain unlinked ra of old ca 500", {1: "cacert-chain-unlinked"})
def chain_unlinked_ra_of_old_ca_500(s: Story) -> None:
    old = ra(ENCRYPTS, AGENT, key="ra-encryption", serial=0x6A8, issuer="CN=Old CA", issuer_key="other-ca")
    so = ra(SIGNS, AGENT, issuer="CN=Old CA", issuer_key="other-ca")
    s.agent = "Mozilla/4.0 (compatible; Win32; NDES client 10.0)"
    s.caps()
    s.cacert((so, CA, old), parameter="default")
    goes_on(s, 100)


@story("cacert not yet valid stops", {1: "cacert-not-yet-valid"})
def cacert_not_yet_valid_stops(s: Story) -> None:
    new = ca(start=START + dt.timedelta(days=2))
    s.agent = "mdmclient/1.0 CFNetwork/1410 Darwin/22.6.0"
    s.cacert(new, CA_TYPE)
    s.caps()
    goes_on(s, 100)


@story("mixed servers badmsgcheck", {1: "mixed-servers"})
def mixed_servers_badmsgcheck(s: Story) -> None:
    other = (ra(SIGNS, AGENT, serial=0x801), CA, ra(ENCRYPTS, AGENT, key="client-2", serial=0x802))
    s.cacert()
    s.cacert(other)
    s.cacert()
    s.fails(SERVER_ERROR, page("x"), message=Message(recipients=(other[2],)))


@story("challenge stale with admin page", {1: "csr-challenge-stale"}, keys=("ra-encryption",))
def challenge_stale_with_admin_page(s: Story) -> None:
    visit(s, admin_page())
    s.wire.pause(3700)
    s.lead()
    s.enroll(reply=refusal(1))


@story("challenge other server", {1: "csr-challenge-other-server"}, keys=("ra-encryption",))
def challenge_other_server(s: Story) -> None:
    visit(s, admin_page())
    s.server = "192.168.1.77"
    s.host = "ndes2.corp.example"
    s.lead()
    s.enroll(reply=refusal(1))


@story("apple cert first wrong one time", {1: "issued-order", 2: "issued-order"}, keys=("client",))
def apple_cert_first_wrong_one_time(s: Story) -> None:
    s.agent = "profiled/1.0 CFNetwork/1 Darwin/22"
    s.lead()
    s.enroll(reply=Reply(certificates=(CA, ISSUED)))
    s.wire.pause(3)
    s.enroll(Message(nonce=SECOND_NONCE, transaction_id="AB" * 16), Reply(certificates=(CA, ISSUED)))


@story("ios cipher once again", {1: "certrep-cipher-not-the-requests", 2: "certrep-cipher-not-the-requests"})
def ios_cipher_once_again(s: Story) -> None:
    s.agent = "Mozilla/4.0 (compatible; MSIE 5.0; Cisco PKI)"
    s.lead()
    for n in range(2):
        s.enroll(
            Message(transaction_id=f"{n}B" * 16, nonce=bytes(range(n, n + 16)), cipher="3des"),
            Reply(cipher="aes256"),
            method="GET",
        )
        s.wire.pause(60)


@story("ejbca poll ca mode", {1: "http-vendor-error"})
def ejbca_poll_ca_mode(s: Story) -> None:
    at(s, EJBCA_PATH)
    s.caps(EJBCA_CAPS)
    s.cacert(LONE_CA, CA_TYPE)
    s.fails(
        "400 Bad Request",
        page("Can not handle request"),
        message=Message(type=20, content=NAMES, recipients=(LONE_CA,)),
    )


@story("nosniff 500 unknown go", {1: "ndes-http-500-pkioperation-only"})
def nosniff_500_unknown_go(s: Story) -> None:
    step(s)
    s.fails(
        SERVER_ERROR,
        b"internal error\n",
        "text/plain; charset=utf-8",
        headers=GO,
        message=Message(recipients=(LONE_CA,), cipher="aes128"),
    )


@story("step internal", {1: "certrep-badrequest"})
def step_internal(s: Story) -> None:
    step(s)
    s.enroll(
        Message(
            recipients=(LONE_CA,),
            cipher="aes128",
            key="weak-1024",
            signer=requester("weak-1024"),
            csr=der.request(DEVICE, "weak-1024"),
        ),
        Reply(
            status=2,
            fail=2,
            text="internal server error; please see the certificate authority logs for more info",
            content=b"",
            signer=LONE_CA,
            key="ca",
        ),
    )


@story("step unexpected message type", {1: "certrep-badrequest"})
def step_unexpected_message_type(s: Story) -> None:
    step(s)
    s.enroll(
        Message(
            type=22,
            content=der.sequence(der.name("CN=Lone CA"), der.integer(5)),
            recipients=(LONE_CA,),
            cipher="aes128",
        ),
        Reply(status=2, fail=2, text="unexpected message type", content=b"", signer=LONE_CA, key="ca"),
    )


@story("mm DN exists", {1: "certrep-badrequest"})
def mm_dn_exists(s: Story) -> None:
    at(s, "/scep")
    s.caps(MICROMDM_CAPS)
    s.cacert(LONE_CA, CA_TYPE)
    s.enroll(
        Message(recipients=(LONE_CA,), cipher="aes128"),
        Reply(status=2, fail=2, text="DN device-1 already exists", content=b"", signer=LONE_CA, key="ca"),
    )


@story("otilm renewable", {1: "renewal-too-early"})
def otilm_renewable(s: Story) -> None:
    at(s, "/api/v1/protocols/scep/wifi/pkiclient.exe").lead(
        "POSTPKIOperation\nSHA-1\nSHA-256\nSHA-512\nDES3\nAES\nRenewal\nSCEPStandard"
    )
    s.enroll(
        Message(type=17, cipher="aes128", signer=ISSUED, csr=der.request(DEVICE, "client-2")),
        Reply(status=2, fail=2, text="Cannot renew certificate", content=b""),
    )


@story("ucm decrypt oaep", {1: "req-oaep"})
def ucm_decrypt_oaep(s: Story) -> None:
    at(s, "/scep/pkiclient.exe").lead(
        "POSTPKIOperation\nSHA-256\nSHA-384\nSHA-512\nAES\nRenewal\nGetNextCACert\nSCEPStandard"
    )
    s.enroll(Message(cipher="aes128", sealed={"scheme": "oaep"}), refusal(1))


@story("openxpki 40005", {1: "certrep-badcertid"})
def openxpki_40005(s: Story) -> None:
    at(s, "/scep/generic").lead(OPENXPKI_CAPS)
    s.enroll(Message(type=20, content=NAMES, cipher="aes128"), refusal(4), status="404 Not Found")


@story("fortiauth refused", {1: "certrep-badrequest"})
def fortiauth_refused(s: Story) -> None:
    at(s, "/app/cert/scep/").lead()
    s.enroll(reply=refusal(2))


@story("jamf many devices one bad", {2: "certrep-badmessagecheck"})
def jamf_many_devices_one_bad(s: Story) -> None:
    s.agent = "Java/11.0.2"
    s.lead()
    s.enroll()
    s.wire.pause(2)
    s.enroll(
        Message(
            key="client-2",
            signer=requester("client-2", "CN=mac-2", serial=2),
            csr=der.request("CN=mac-2", "client-2"),
            transaction_id="AA" * 16,
            nonce=SECOND_NONCE,
        ),
        refusal(1),
    )


# -- TLS that ends before any SCEP -------------------------------------------------------------------------------------


def handshake(s: Story, certificate: bytes, *, alerts: int | None = None) -> None:
    """The client ends a handshake after the server's certificate."""
    tcp = begin(s, server_hello() + certificates(certificate) + hello_done())
    if alerts is not None:
        tcp.send("C", alert(alerts))
    tcp.close("C")


@story("an Apple device closes after a certificate for five years", {0: "tls-server-cert-apple-limits"})
def apple_closes(s: Story) -> None:
    handshake(s, leaf("DNS:ndes.corp.example", days=1825, start=START - dt.timedelta(days=30)))


@story("a client closes three times after a good certificate", {0: "tls-handshake-alert"})
def closes_again_and_again(s: Story) -> None:
    for _ in range(3):
        handshake(s, GOOD)
        s.wire.pause(10)


@story("one close may be a monitor", {})
def monitor(s: Story) -> None:
    handshake(s, GOOD)


@story("the certificate has another name, and the client goes on", {})
def another_name_accepted(s: Story) -> None:
    whole(s, leaf("DNS:ndes01.internal"))


@story("the certificate expired, and the client closes", {0: "tls-server-cert-expired"})
def expired_and_closed(s: Story) -> None:
    handshake(s, leaf("DNS:ndes.corp.example", days=100))


@story("certificates over HTTP, then HTTPS fails", {1: "tls-handshake-alert"})
def https_fails_later(s: Story) -> None:
    s.lead()
    handshake(s, GOOD, alerts=48)
