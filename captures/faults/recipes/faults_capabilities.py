"""GetCACaps: what the server offers, and whether the client keeps to it."""

import der
from registry import fault
from world import CAPS, FULL_CAPS, ISSUED, Message, Reply, Story, issued, page, refusal


@fault()
def caps_not_asked(story: Story, near: bool) -> None:
    """The client enrolls without GetCACaps.
    Near: It asks first."""
    story.lead(CAPS if near else None)
    story.enroll()


@fault(near_errors="cacert-failed ndes-http-500-all-operations http-404-wrong-path")
def caps_failed(story: Story, near: bool) -> None:
    """An old server does not know GetCACaps: 404; GetCACert works, and the enrollment too.
    Near: GetCACert fails as well."""
    story.caps(page("Not Found"), "text/html", "404 Not Found")
    if near:
        story.cacert(page("Server Error"), "text/html", "500 Internal Server Error")
        return
    story.cacert()
    story.enroll()


@fault(near_errors="")
def caps_html(story: Story, near: bool) -> None:
    """GetCACaps is answered with a list of words that no capability has; the enrollment goes on.
    Near: One of the words is a capability."""
    story.caps("Welcome\nHello\n" if not near else "Welcome\nSHA-256\n")
    story.cacert()
    story.enroll()


@fault()
def caps_weak_only(story: Story, near: bool) -> None:
    """The server offers SHA-1 and renewal, no cipher better than DES.
    Near: It also offers DES3."""
    story.lead("Renewal\nSHA-1\nPOSTPKIOperation\n" + ("DES3\n" if near else ""))
    story.enroll(Message(digest="sha1"))


@fault()
def caps_no_sha2(story: Story, near: bool) -> None:
    """Of the hashes the server offers only SHA-1.
    Near: It offers SHA-256 too."""
    story.lead("POSTPKIOperation\nSHA-1\nDES3\n" + ("SHA-256\n" if near else ""))
    story.enroll(Message(digest="sha256" if near else "sha1"))


@fault()
def caps_no_aes(story: Story, near: bool) -> None:
    """NDES offers DES3 and no AES.
    Near: The server offers both."""
    story.lead(FULL_CAPS if near else CAPS)
    story.enroll(Message(cipher="aes128" if near else "3des"))


@fault()
def caps_no_post(story: Story, near: bool) -> None:
    """The server does not offer POST; the client uses GET.
    Near: It offers SCEPStandard, which includes POST."""
    story.lead("SHA-256\nDES3\n" + ("SCEPStandard\n" if near else ""))
    story.enroll(Message(cipher="aes128" if near else "3des"), method="POST" if near else "GET")


@fault()
def caps_odd_text(story: Story, near: bool) -> None:
    """The capabilities hold a word that nobody knows.
    Near: Every word is known."""
    story.lead(CAPS + ("" if near else "SubjectAltName\n"))
    story.enroll()


@fault()
def caps_differ(story: Story, near: bool) -> None:
    """Two servers behind one name: one offers SHA-256, the other does not.
    Near: Both offer the same, in another order."""
    story.lead()
    story.enroll()
    story.caps("\n".join(reversed(CAPS.split())) if near else CAPS.replace("SHA-256\n", ""))


@fault("iis-query-too-long", errors="txn-no-reply")
def post_not_used(story: Story, near: bool) -> None:
    """POST is offered, the client uses GET, and the URL is too long for IIS.
    Near: It uses POST."""
    story.lead()
    if near:
        story.enroll()
    else:
        story.fails("404 Not Found", page("404"), method="GET")


@fault("http-405-post", errors="txn-no-reply post-used-not-offered")
def post_used_not_offered(story: Story, near: bool) -> None:
    """POST is not offered; the client posts, and gets 405.
    Near: It uses GET."""
    story.software = None
    story.lead("SHA-256\nDES3\n")
    if near:
        story.enroll(method="GET")
    else:
        story.fails("405 Method Not Allowed", page("405"))


RENEWAL = Message(type=17, signer=ISSUED, csr=der.request("O=Example,CN=device-1.corp.example", "client-2"))


@fault()
def renewal_used_not_offered(story: Story, near: bool) -> None:
    """The client renews, which the server does not offer; it works all the same.
    Near: The server offers it."""
    story.lead(CAPS if near else CAPS.replace("Renewal\n", ""))
    story.enroll(RENEWAL, _renewed())


def _renewed() -> Reply:
    return Reply(certificates=(issued("client-2", serial=0x2001),), recipient=ISSUED)


@fault(
    "self",
    errors="certrep-failure certrep-badrequest renewal-refused",
    near_errors="certrep-failure certrep-badrequest renewal-refused renewal-used-not-offered",
)
def renewal_offered_but_refused(story: Story, near: bool) -> None:
    """Renewal is offered, RenewalReq is refused with badRequest.
    Near: Renewal is not offered."""
    story.software = None
    story.path = "/scep"
    story.lead(CAPS.replace("Renewal\n", "") if near else CAPS)
    story.enroll(RENEWAL, refusal(2))


@fault("self", errors="certrep-failure certrep-badalg", near_errors="certrep-failure certrep-badalg")
def digest_not_offered(story: Story, near: bool) -> None:
    """The client signs with SHA-512, the server offers SHA-256 only and says badAlg.
    Near: It signs with SHA-256, and the server says badAlg for another reason."""
    story.lead("POSTPKIOperation\nSHA-256\nDES3\n")
    story.enroll(Message(digest="sha256" if near else "sha512"), refusal(0))


@fault()
def digest_weaker_than_offered(story: Story, near: bool) -> None:
    """The client signs with SHA-1 though SHA-256 is offered.
    Near: It signs with SHA-256."""
    story.lead()
    story.enroll(Message(digest="sha256" if near else "sha1"))


@fault("self", errors="certrep-failure certrep-badalg", near_errors="certrep-failure certrep-badalg")
def cipher_not_offered(story: Story, near: bool) -> None:
    """The client encrypts with AES, the server offers DES3 only and says badAlg.
    Near: It encrypts with 3DES, and the server says badAlg for another reason."""
    story.lead()
    story.enroll(Message(cipher="3des" if near else "aes256"), refusal(0))


@fault()
def cipher_weaker_than_offered(story: Story, near: bool) -> None:
    """The client encrypts with 3DES though AES is offered.
    Near: It encrypts with AES."""
    story.lead(FULL_CAPS)
    story.enroll(Message(cipher="aes128" if near else "3des"))
