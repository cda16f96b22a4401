"""What is inside the envelope; judged with the RA's key."""

import base64
import datetime as dt

import der
from registry import fault
from world import DEVICE, PENDING, Message, Reply, Story, admin_page, issued, refusal, requester

RA_KEY = "ra-encryption"
BAD, CHECK = "certrep-failure certrep-badrequest", "certrep-failure certrep-badmessagecheck"


def sent(
    story: Story, csr: bytes, near: bool, *, fail: int | None = 2, near_csr: bytes | None = None, **refused: object
) -> None:
    """This request, refused (or granted, with fail None); near, another one, granted."""
    story.lead()
    if near:
        story.enroll(Message(csr=near_csr or der.request(DEVICE, "client")))
    else:
        story.enroll(Message(csr=csr), Reply() if fail is None else refusal(fail, **refused))


@fault("self", errors=CHECK, keys=RA_KEY)
def inner_decrypt_fails(story: Story, near: bool) -> None:
    """The content key is encrypted for another RSA key than that of the certificate named; the RA's own key does not open it.
    Near: It is encrypted for that certificate."""
    story.lead()
    if near:
        story.enroll()
        return
    other = der.certificate("CN=x", "client-2", "CN=x", "client-2", 5, dt.datetime(2026, 1, 1, tzinfo=dt.UTC), 300)
    story.enroll(Message(sealed={"wrap_for": other}), refusal(1))


@fault("self", errors=BAD, keys=RA_KEY)
def inner_not_pkcs10(story: Story, near: bool) -> None:
    """The envelope holds a certificate instead of a PKCS #10 request.
    Near: It holds a request."""
    sent(story, requester(), near)


@fault("self", errors=BAD, keys=RA_KEY)
def csr_signature_bad(story: Story, near: bool) -> None:
    """The PKCS #10 request is signed with another key than its own.
    Near: It is signed with its own."""
    sent(story, der.request(DEVICE, "client", signer="client-2"), near)


@fault("self", errors=BAD, keys=RA_KEY)
def csr_key_differs_from_signer(story: Story, near: bool) -> None:
    """The request is for another key than the one that signs the message.
    Near: Both have one key."""
    sent(story, der.request(DEVICE, "client-2"), near)


@fault("self", errors=BAD, keys=RA_KEY)
def csr_subject_differs_from_signer(story: Story, near: bool) -> None:
    """The request's subject is not that of the self-signed certificate, and the server minds.
    Near: They are the same."""
    sent(story, der.request("O=Example,CN=another-name", "client"), near)


@fault("self", errors=CHECK, keys=RA_KEY)
def csr_challenge_missing(story: Story, near: bool) -> None:
    """The request carries no challenge password, and NDES refuses it.
    Near: It carries one."""
    sent(story, der.request(DEVICE, "client", challenge=None), near, fail=1)


@fault("self", errors=CHECK, keys=RA_KEY)
def csr_challenge_unclean(story: Story, near: bool) -> None:
    """The challenge password was pasted with a blank behind it.
    Near: It is clean."""
    sent(story, der.request(DEVICE, "client", challenge=der.printable("8A6F2B1C4D5E7F90 ")), near, fail=1)


@fault("self", errors=CHECK, keys=RA_KEY)
def csr_challenge_encoding(story: Story, near: bool) -> None:
    """The challenge password is a UTF8String, and NDES refuses it.
    Near: It is a PrintableString."""
    sent(story, der.request(DEVICE, "client", challenge=der.utf8("8A6F2B1C4D5E7F90")), near, fail=1)


def _page(
    story: Story, challenge: str = "8A6F2B1C4D5E7F90", server: str | None = None, minutes: int | None = 60
) -> None:
    """An administrator fetches a challenge password."""
    own = story.client, story.server
    story.client, story.server = "192.168.1.77", server or story.server
    story.get("/certsrv/mscep_admin/", admin_page(challenge, minutes=minutes), "text/html")
    story.client, story.server = own


@fault("self", errors=CHECK, keys=RA_KEY)
def csr_challenge_stale(story: Story, near: bool) -> None:
    """The challenge password was handed out two hours before it is used.
    Near: It was handed out ten minutes before."""
    _page(story)
    story.wire.pause(600 if near else 7200)
    story.lead()
    story.enroll(reply=Reply() if near else refusal(1))


@fault("self", errors=CHECK, keys=RA_KEY)
def csr_challenge_other_server(story: Story, near: bool) -> None:
    """One NDES hands out the challenge password, another gets the request.
    Near: Both are one."""
    _page(story, server=None if near else "192.168.1.6")
    story.lead()
    story.enroll(reply=Reply() if near else refusal(1))


@fault("self", errors=BAD, keys=RA_KEY)
def csr_challenge_unexpected(story: Story, near: bool) -> None:
    """A server that takes requests without a challenge password refuses one with it.
    Near: It takes both."""
    story.software, story.path = None, "/scep"
    story.lead()
    story.enroll(Message(csr=der.request(DEVICE, "client", challenge=None)))
    story.wire.pause(700)
    story.client = "192.168.10.21"
    other = Message(
        key="client-2",
        signer=requester("client-2", serial=2),
        csr=der.request(DEVICE, "client-2", challenge="cisco123"),
        transaction_id="AA" * 16,
        nonce=bytes(range(40, 56)),
    )
    story.enroll(other, Reply(certificates=(issued("client-2", serial=0x3001),)) if near else refusal(2))


@fault(keys=RA_KEY)
def csr_challenge_reused_across_devices(story: Story, near: bool) -> None:
    """Two devices use one static challenge password.
    Near: Each has its own."""
    story.lead()
    story.enroll()
    story.wire.pause(700)
    story.client = "192.168.10.21"
    csr = der.request("CN=device-2", "client-2", challenge="0123456789ABCDEF" if near else "8A6F2B1C4D5E7F90")
    other = Message(
        key="client-2",
        signer=requester("client-2", "CN=device-2", serial=2),
        csr=csr,
        transaction_id="AA" * 16,
        nonce=bytes(range(40, 56)),
    )
    story.enroll(other, Reply(certificates=(issued("client-2", "CN=device-2", serial=0x3001),)))


BLOB = base64.b64encode(bytes(range(256)) * 4).decode()


@fault(keys=RA_KEY)
def csr_challenge_blob(story: Story, near: bool) -> None:
    """Intune puts a long base64 text into the challenge password.
    Near: It is a password of sixteen characters."""
    sent(story, der.request(DEVICE, "client", challenge=BLOB), near, fail=None)


@fault("self", errors=BAD + " certrep-ndes-hresult", keys=RA_KEY)
def csr_key_short(story: Story, near: bool) -> None:
    """The device asks for a key of 1024 bits: 0x80094811.
    Near: It asks for one of 2048."""
    story.lead()
    key = "client" if near else "weak-1024"
    message = Message(key=key, signer=requester(key), csr=der.request(DEVICE, key))
    story.enroll(message, Reply() if near else refusal(2, hresult=-2146875375))


@fault("self", errors=BAD + " certrep-ndes-hresult", keys=RA_KEY)
def csr_subject_empty(story: Story, near: bool) -> None:
    """The profile's subject came out empty: 0x80094001.
    Near: There is a subjectAltName."""
    near_csr = der.request("", "client", extensions=(der.alt_names("DNS:device-1.corp.example"),))
    sent(story, der.request("", "client"), near, near_csr=near_csr, hresult=-2146877439)


@fault("self", errors=BAD + " certrep-ndes-hresult", keys=RA_KEY)
def csr_subject_too_long(story: Story, near: bool) -> None:
    """The CN has 80 characters: 0x80094001.
    Near: It has 64."""
    sent(
        story,
        der.request("CN=" + "x" * 80, "client"),
        near,
        near_csr=der.request("CN=" + "x" * 64, "client"),
        hresult=-2146877439,
    )


@fault("self", errors=BAD + " certrep-ndes-hresult", keys=RA_KEY)
def csr_san_missing(story: Story, near: bool) -> None:
    """The template demands a subjectAltName, and there is none: 0x80094803.
    Near: There is one."""
    near_csr = der.request(DEVICE, "client", extensions=(der.alt_names("DNS:device-1.corp.example"),))
    sent(story, der.request(DEVICE, "client"), near, near_csr=near_csr, hresult=-2146875389)


def _asks(
    story: Story,
    near: bool,
    fault_extensions: tuple[bytes, ...],
    near_extensions: tuple[bytes, ...] = (),
    **options: object,
) -> None:
    """A granted request for these extensions; near, for those."""
    csr = der.request(DEVICE, "client", extensions=near_extensions if near else fault_extensions, **options)  # type: ignore[arg-type]
    story.lead()
    story.enroll(Message(csr=csr))


@fault(keys=RA_KEY)
def csr_san_wrong_form(story: Story, near: bool) -> None:
    """A user name stands in a DNS name.
    Near: It stands in a UPN."""
    _asks(story, near, (der.alt_names("DNS:alice@corp.example"),), (der.alt_names("UPN:alice@corp.example"),))


@fault(keys=RA_KEY)
def csr_keyusage_picks_template(story: Story, near: bool) -> None:
    """NDES picks its template by the keyUsage asked for.
    Near: The server is EJBCA."""
    if near:
        story.software, story.path = None, "/ejbca/publicweb/apply/scep/wifi/pkiclient.exe"
    _asks(story, False, (der.key_usage("digitalSignature"),))


@fault(keys=RA_KEY)
def csr_template_ignored(story: Story, near: bool) -> None:
    """The request names a template.
    Near: It names none."""
    _asks(story, near, (der.extension("template", der.tlv(30, "WebServer".encode("utf-16-be"))),))


@fault(keys=RA_KEY)
def csr_eku_missing(story: Story, near: bool) -> None:
    """The request asks for no purpose.
    Near: It asks for clientAuth."""
    _asks(story, near, (der.key_usage("digitalSignature"),), (der.extended_key_usage("clientAuth"),))


UPN = der.alt_names("UPN:alice@corp.example")
SID = der.alt_names("UPN:alice@corp.example", "URI:tag:microsoft.com,2022-09-14:sid:S-1-5-21-1-2-3-1104")


@fault(keys=RA_KEY)
def csr_sid_absent(story: Story, near: bool) -> None:
    """A certificate for a Windows logon is asked for without a SID.
    Near: The SID is there."""
    logon = der.extended_key_usage("clientAuth")
    _asks(story, near, (UPN, logon), (SID, logon))


@fault(keys=RA_KEY)
def csr_requests_identity(story: Story, near: bool) -> None:
    """The requester names the user that he will be.
    Near: He names a host."""
    logon = der.extended_key_usage("clientAuth")
    _asks(story, near, (SID, logon), (der.alt_names("DNS:device-1.corp.example"), logon))


@fault(keys=RA_KEY)
def csr_old_extension_carrier(story: Story, near: bool) -> None:
    """The extensions are in Microsoft's attribute.
    Near: They are in PKCS #9's."""
    _asks(
        story,
        False,
        (der.alt_names("DNS:device-1.corp.example"),),
        carrier="extensionRequest" if near else "msExtensions",
    )


@fault(keys=RA_KEY)
def csr_attribute_duplicate(story: Story, near: bool) -> None:
    """The challenge password stands in the request twice.
    Near: Once."""
    twice = der.attribute("challengePassword", der.printable("another one"))
    sent(story, der.request(DEVICE, "client", twice), near, fail=None)


@fault("self", errors="certrep-failure certrep-badcertid pending-then-failure", keys=RA_KEY)
def poll_issuer_subject_mismatch(story: Story, near: bool) -> None:
    """The poll names the RA for the issuer, and the server finds nothing.
    Near: It names the CA."""
    story.lead()
    story.enroll(Message(), PENDING)
    story.wire.pause(60)
    issuer = der.name("DC=example,CN=Corp Issuing CA") if near else der.name("C=US,CN=NDES01-MSCEP-RA")
    poll = Message(type=20, content=der.sequence(issuer, der.name(DEVICE)), nonce=bytes(range(30, 46)))
    story.enroll(poll, Reply() if near else refusal(4))
