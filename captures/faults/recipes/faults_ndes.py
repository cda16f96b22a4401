"""NDES's surroundings: the administration page, the CA behind it, secrets, clocks."""

import base64
import datetime as dt

import der
from registry import fault
from world import (
    AGENT,
    CA,
    CLIENT,
    ENCRYPTS,
    RA_SIGN,
    SERVER,
    START,
    Message,
    Reply,
    Story,
    admin_page,
    page,
    ra,
    refusal,
)

from tests.builders import wire as raw

ADMIN, CA_HOST, ADMIN_PATH = "192.168.1.77", "192.168.1.4", "/certsrv/mscep_admin/"
BAD = "certrep-failure certrep-badrequest"


def visit(
    story: Story,
    body: bytes,
    status: str = "200 OK",
    headers: tuple[str, ...] = (),
    answer_headers: tuple[str, ...] = (),
) -> None:
    """An administrator opens the page."""
    client, story.client = story.client, ADMIN
    story.exchange(
        story.question("GET", ADMIN_PATH, headers=headers),
        lambda: story.response(body, "text/html", status, answer_headers),
    )
    story.client = client


@fault()
def ndes_admin_cleartext(story: Story, near: bool) -> None:
    """A challenge password is handed out over HTTP.
    Near: The page hands out none, because a login is missing."""
    visit(story, page("Unauthorized") if near else admin_page(), "401 Unauthorized" if near else "200 OK")
    story.lead()
    story.enroll()


@fault()
def ndes_admin_basic_cleartext(story: Story, near: bool) -> None:
    """An administrator logs in with Basic over HTTP.
    Near: With Digest."""
    secret = base64.b64encode(b"CORP\\admin:secret").decode()
    visit(story, admin_page(), headers=(f"Authorization: {'Digest username=x' if near else 'Basic ' + secret}",))


@fault()
def ndes_admin_ntlm_http(story: Story, near: bool) -> None:
    """NTLM over HTTP.
    Near: Digest over HTTP."""
    visit(
        story,
        page("Unauthorized"),
        "401 Unauthorized",
        answer_headers=("WWW-Authenticate: " + ("Digest realm=x" if near else "NTLM"),),
    )


def words(text: str) -> bytes:
    return f"<HTML><Body><P>{text}</Body></HTML>".encode("utf-16-le")


@fault()
def ndes_admin_cache_full(story: Story, near: bool) -> None:
    """The password cache is full.
    Near: There is room."""
    visit(story, admin_page() if near else words("The password cache is full."))


@fault()
def ndes_admin_no_permission(story: Story, near: bool) -> None:
    """The user has no right to enroll.
    Near: He has."""
    visit(
        story,
        admin_page()
        if near
        else words(
            "You do not have sufficient permission to enroll with SCEP. Please contact your system administrator."
        ),
    )


LOGIN = "certrep-failure certrep-badmessagecheck ndes-admin-basic-cleartext"


@fault("self", errors=LOGIN, near_errors=LOGIN)
def ndes_admin_login_fails(story: Story, near: bool) -> None:
    """The MDM cannot log in to the administration page, and sends its request without a good password.
    Near: It can log in; the password is refused all the same."""
    secret = base64.b64encode(b"CORP\\mdm:old").decode()
    for _ in range(1 if near else 2):
        story.exchange(
            story.question("GET", ADMIN_PATH, headers=(f"Authorization: Basic {secret}",)),
            lambda: story.response(
                admin_page() if near else page("Unauthorized"),
                "text/html",
                "200 OK" if near else "401 Unauthorized",
                () if near else ('WWW-Authenticate: Basic realm="ndes"',),
            ),
        )
    story.lead()
    story.enroll(reply=refusal(1))


@fault()
def ndes_admin_static_password(story: Story, near: bool) -> None:
    """The password can be used many times.
    Near: It can be used once."""
    visit(story, admin_page(minutes=60 if near else None))


@fault("self", errors="cacert-failed", near_errors="")
def ndes_admin_used_as_scep_url(story: Story, near: bool) -> None:
    """The administration page stands in the profile as SCEP URL.
    Near: The SCEP path does."""
    if near:
        story.lead()
        story.enroll()
        return
    story.path = "/certsrv/mscep_admin/mscep.dll"
    story.cacert(page("401 - Unauthorized"), "text/html", "401 Unauthorized", headers=("WWW-Authenticate: Negotiate",))


@fault()
def ndes_admin_challenge_unused(story: Story, near: bool) -> None:
    """A password is fetched, and nobody uses it within its hour.
    Near: It is used after a minute."""
    visit(story, admin_page())
    story.wire.pause(60 if near else 4000)
    story.lead()
    story.enroll()
    if near:
        story.wire.pause(4000)
        story.wire.udp(CLIENT, 123, SERVER, 123, bytes(48))


@fault()
def ndes_admin_thumbprint_differs(story: Story, near: bool) -> None:
    """The page shows the thumbprint of another CA than the one that GetCACert gives.
    Near: It shows that of this CA."""
    visit(story, admin_page(thumbprint="" if near else "0123456789ABCDEF0123456789ABCDEF"))
    story.lead()
    story.enroll()


@fault()
def secret_in_url(story: Story, near: bool) -> None:
    """The challenge password stands in the URL.
    Near: The parameter is that of a CA's name."""
    story.lead()
    story.enroll(
        target=f"{story.path}?operation=PKIOperation&{'caname=issuing' if near else 'challenge=8A6F2B1C4D5E7F90'}"
    )


@fault()
def challenge_recoverable(story: Story, near: bool) -> None:
    """The request is encrypted for an RSA key of 1024 bits.
    Near: For one of 2048."""
    crypt = ra(ENCRYPTS, AGENT, key="ra-encryption" if near else "weak-1024", serial=0x6AA)
    story.lead(offer=(RA_SIGN, CA, crypt))
    story.enroll(Message(recipients=(crypt,)))


@fault()
def clock_skew(story: Story, near: bool) -> None:
    """The server's clock is an hour ahead of the client's and of the capture's.
    Near: It is a minute ahead."""
    story.skew = dt.timedelta(minutes=1) if near else dt.timedelta(hours=1)
    story.lead()
    story.enroll(Message(signing_time=START))


@fault("self", errors=BAD + " certrep-ndes-hresult", near_errors=BAD + " certrep-ndes-hresult")
def ndes_to_ca_rpc_fails(story: Story, near: bool) -> None:
    """Captured on the server: after the request NDES's connection to the CA's port 135 gets no answer, and it refuses with 0x800706BA.
    Near: The connection to the CA is not in the capture."""
    story.lead()
    tcp = story.connect()
    asked = Message()
    tcp.send(
        "C",
        story.question(
            "POST",
            story.path + "?operation=PKIOperation",
            asked.encoded(story.chance),
            kind="application/x-pki-message",
        ),
    )
    if not near:
        for number in range(3):
            story.wire.put(raw.ip(SERVER, CA_HOST, 6, raw.tcp(50555, 135, 99, 0, raw.SYN)))
            story.wire.pause(2**number)
    tcp.send(
        "S", story.response(refusal(2, hresult=-2147023174).encoded(asked, story.chance), "application/x-pki-message")
    )
    tcp.close()


@fault("self", errors=BAD + " certrep-ndes-hresult", near_errors=BAD + " certrep-ndes-hresult")
def ndes_crl_fetch_fails(story: Story, near: bool) -> None:
    """Captured on the server: the CRL is not found, and NDES refuses with 0x80092013.
    Near: The CRL is found, and NDES refuses all the same."""
    story.lead()
    client, server = story.client, story.server
    story.client, story.server, software = server, CA_HOST, story.software
    crl = der.sequence(b"") if near else page("404")
    story.get(
        "/CertEnroll/Corp%20Issuing%20CA.crl",
        crl,
        "application/pkix-crl" if near else "text/html",
        "200 OK" if near else "404 Not Found",
    )
    story.client, story.server, story.software = client, server, software
    story.enroll(reply=refusal(2, hresult=-2146885613))


@fault("self", errors=BAD, near_errors=BAD)
def ndes_policy_module_refused(story: Story, near: bool) -> None:
    """Captured on the server, TLS undone: the policy module's question is answered with 403, and NDES refuses.
    Near: It is answered with 201, and NDES refuses all the same."""
    story.lead()
    client, server = story.client, story.server
    story.client, story.server = server, "192.168.1.9"
    status = "201 Created" if near else "403 Forbidden"
    story.exchange(
        story.question("POST", "/CertificateRegistrationSvc/Certificate/VerifyRequest", b"{}", kind="application/json"),
        lambda: story.response(b"{}", "application/json", status),
    )
    story.client, story.server = client, server
    story.enroll(reply=refusal(2))


@fault()
def windows_aik_background(story: Story, near: bool) -> None:
    """Windows enrolls a key of its TPM with Microsoft.
    Near: A device enrolls with NDES."""
    if not near:
        story.host, story.path, story.server = "abc.microsoftaik.azure.net", "/templates/Aik/scep", "192.168.1.200"
    story.lead()
    story.enroll()


@fault()
def ndes_old_server(story: Story, near: bool) -> None:
    """The server is IIS 7.5.
    Near: It is IIS 10."""
    story.software = "Microsoft-IIS/10.0" if near else "Microsoft-IIS/7.5"
    story.lead()
    story.enroll()


@fault()
def scep_from_internet(story: Story, near: bool) -> None:
    """A public address talks to NDES directly.
    Near: A private one does."""
    if not near:
        story.client = "8.8.4.4"
    story.lead()
    story.enroll()


@fault()
def weak_authentication_note(story: Story, near: bool) -> None:
    """A request with a challenge password is granted.
    Near: A renewal is granted."""
    from faults_transactions import RENEWED, renewal

    story.lead()
    if near:
        story.enroll(renewal(type=17), Reply(certificates=(RENEWED,)))
    else:
        story.enroll()


@fault()
def scep_over_cleartext(story: Story, near: bool) -> None:
    """SCEP runs over HTTP.
    Near: There is no SCEP."""
    if near:
        story.get("/index.html", b"hello", "text/html")
        return
    story.lead()
    story.enroll()
