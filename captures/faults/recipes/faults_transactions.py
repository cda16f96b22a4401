"""How requests follow one another."""

import datetime as dt

import der
from registry import fault
from world import (
    AGENT,
    CA,
    CAPS,
    CLIENT,
    DEVICE,
    ENCRYPTS,
    ISSUED,
    PENDING,
    RA_CRYPT,
    RA_SIGN,
    SERVER,
    START,
    Message,
    Reply,
    Story,
    issued,
    page,
    ra,
    refusal,
    requester,
)  # fmt: skip

BAD = "certrep-failure certrep-badrequest"
NAMES = der.sequence(der.name("DC=example,CN=Corp Issuing CA"), der.name(DEVICE))


def poll(number: int) -> Message:
    return Message(type=20, content=NAMES, nonce=bytes(range(40 + number, 56 + number)))


def goes_on(story: Story, seconds: float) -> None:
    """The capture goes on with something else."""
    story.wire.pause(seconds)
    story.wire.udp(CLIENT, 123, SERVER, 123, bytes(48))


@fault("self")
def txn_stopped_after_cacert(story: Story, near: bool) -> None:
    """The client gets the CA's certificates and does nothing more.
    Near: It enrolls after half a minute."""
    story.lead()
    if near:
        story.wire.pause(30)
        story.enroll()
    goes_on(story, 90)


@fault("http-504", errors="http-504", near_errors=BAD)
def txn_no_reply(story: Story, near: bool) -> None:
    """PKIOperation ends in 504.
    Near: It ends in a CertRep that refuses."""
    story.lead()
    if near:
        story.enroll(reply=refusal(2))
    else:
        story.fails("504 Gateway Timeout", page("504"))


@fault("self")
def pending_not_polled(story: Story, near: bool) -> None:
    """PENDING, and the client does not ask again in two minutes.
    Near: It asks after a minute, and gets its certificate."""
    story.lead()
    story.enroll(reply=PENDING)
    if near:
        story.wire.pause(60)
        story.enroll(poll(0))
    goes_on(story, 120)


@fault()
def pending_polled_too_fast(story: Story, near: bool) -> None:
    """The client polls every second.
    Near: It polls every minute."""
    story.lead()
    story.enroll(reply=PENDING)
    for number in range(3):
        story.wire.pause(60 if near else 1)
        story.enroll(poll(number), Reply() if number == 2 else PENDING)


@fault("self")
def pending_never_resolved(story: Story, near: bool) -> None:
    """Three answers, all PENDING.
    Near: The third one is SUCCESS."""
    story.lead()
    story.enroll(reply=PENDING)
    for number in range(2):
        story.wire.pause(60)
        story.enroll(poll(number), Reply() if near and number else PENDING)


@fault("self", errors="certrep-failure certrep-badrequest")
def pending_then_failure(story: Story, near: bool) -> None:
    """PENDING, and FAILURE to the poll.
    Near: SUCCESS to the poll."""
    story.lead()
    story.enroll(reply=PENDING)
    story.wire.pause(60)
    story.enroll(poll(0), Reply() if near else refusal(2))


@fault()
def poll_as_new_pkcsreq(story: Story, near: bool) -> None:
    """The client polls by sending PKCSReq again.
    Near: It polls with CertPoll."""
    story.lead()
    story.enroll(reply=PENDING)
    story.wire.pause(60)
    story.enroll(poll(0) if near else Message(nonce=bytes(range(40, 56))))


def renewal(**changes: object) -> Message:
    options: dict[str, object] = {"signer": ISSUED, "csr": der.request(DEVICE, "client-2"), **changes}
    return Message(**options)  # type: ignore[arg-type]


RENEWED = issued("client-2", serial=0x2001)


@fault()
def renewal_as_19(story: Story, near: bool) -> None:
    """Cisco renews with messageType 19, signed with the old certificate.
    Near: A first enrollment has messageType 19 too, self-signed."""
    story.lead()
    story.enroll(Message() if near else renewal(), Reply() if near else Reply(certificates=(RENEWED,)))


@fault("self", errors=BAD + " renewal-offered-but-refused")
def renewal_self_signed(story: Story, near: bool) -> None:
    """RenewalReq is signed with a self-signed certificate, and refused.
    Near: It is signed with the old certificate, and granted."""
    story.lead()
    if near:
        story.enroll(renewal(type=17), Reply(certificates=(RENEWED,)))
    else:
        story.enroll(Message(type=17), refusal(2))


@fault("self", errors=BAD + " renewal-refused", keys="ra-encryption")
def renewal_key_reused(story: Story, near: bool) -> None:
    """The renewal keeps the old key, and the server refuses it.
    Near: It has a new key, and is granted."""
    story.lead(CAPS)
    if near:
        story.enroll(renewal(), Reply(certificates=(RENEWED,)))
    else:
        story.enroll(renewal(csr=der.request(DEVICE, "client")), refusal(2))


@fault("self", errors=BAD + " renewal-refused certrep-ndes-hresult", keys="ra-encryption")
def renewal_subject_changed(story: Story, near: bool) -> None:
    """The device was renamed: the renewal asks for another subject, and the CA answers 0x80094806.
    Near: The subject is the old one."""
    story.lead()
    if near:
        story.enroll(renewal(), Reply(certificates=(RENEWED,)))
    else:
        story.enroll(renewal(csr=der.request("O=Example,CN=new-name", "client-2")), refusal(2, hresult=-2146875386))


@fault("renewal-refused", errors=BAD + " renewal-refused", near_errors=BAD + " renewal-refused")
def renewal_too_early(story: Story, near: bool) -> None:
    """The renewal comes a day after the certificate was issued, and is refused.
    Near: It comes ten days before the end, and is refused."""
    story.lead()
    start = START - dt.timedelta(days=355 if near else 1)
    story.enroll(renewal(signer=issued(start=start, serial=0x1002)), refusal(2))


@fault("self", errors=BAD, near_errors=BAD)
def renewal_refused(story: Story, near: bool) -> None:
    """The renewal is refused.
    Near: A first enrollment is refused."""
    story.lead()
    story.enroll(Message() if near else renewal(), refusal(2))


def second_device(**changes: object) -> Message:
    options: dict[str, object] = {
        "key": "client-2", "signer": requester("client-2", "CN=device-2", serial=2), "csr": der.request("CN=device-2", "client-2"),
        "nonce": bytes(range(60, 76)), "transaction_id": "AA" * 16, **changes,
    }  # fmt: skip
    return Message(**options)  # type: ignore[arg-type]


SECOND = Reply(certificates=(issued("client-2", "CN=device-2", serial=0x3001),))


@fault()
def transid_reused_other_key(story: Story, near: bool) -> None:
    """Two devices, cloned, use one transactionID for two keys.
    Near: Each has its own."""
    story.lead()
    story.enroll()
    story.wire.pause(60)
    story.client = "192.168.10.21"
    story.enroll(second_device(**({} if near else {"transaction_id": Message().transaction_id})), SECOND)


@fault("self pending-never-resolved")
def transid_changed_while_pending(story: Story, near: bool) -> None:
    """The device is restarted while its request is pending, and asks anew with another transactionID.
    Near: It asks with the old one."""
    story.lead()
    story.enroll(reply=PENDING)
    story.wire.pause(60)
    story.enroll(
        Message(transaction_id=Message().transaction_id if near else "BB" * 16, nonce=bytes(range(40, 56))),
        Reply() if near else PENDING,
    )


@fault("certrep-badrequest", errors=BAD, near_errors=BAD)
def retry_storm(story: Story, near: bool) -> None:
    """The client tries four times within ten seconds, and is refused each time.
    Near: It tries twice."""
    story.lead()
    for number in range(2 if near else 4):
        story.enroll(Message(nonce=bytes(range(number, number + 16)), transaction_id=f"{number:032X}"), refusal(2))
        story.wire.pause(2)


@fault()
def duplicate_request(story: Story, near: bool) -> None:
    """The client's HTTP library sends the same request twice; both get the certificate.
    Near: The second request is a new one."""
    story.lead()
    story.enroll()
    story.wire.pause(1)
    if near:
        story.client = "192.168.10.21"
        story.enroll(second_device(), SECOND)
    else:
        story.chance.seed(8894)
        message = Message()
        story.chance.seed(1)
        encoded = message.encoded(story.chance)
        story.enroll(message, raw=encoded)
        story.wire.pause(1)
        story.enroll(message, raw=encoded)


@fault()
def replay_old_nonce(story: Story, near: bool) -> None:
    """Another address sends a captured request again.
    Near: Another device sends its own."""
    story.lead()
    message = Message()
    encoded = message.encoded(story.chance)
    story.enroll(message, raw=encoded)
    story.wire.pause(3600)
    story.client = "192.168.10.99"
    if near:
        story.enroll(second_device(), SECOND)
    else:
        story.enroll(message, raw=encoded)


@fault()
def reenrol_instead_of_renew(story: Story, near: bool) -> None:
    """A day after its first certificate the client enrolls anew, self-signed, though renewal is offered.
    Near: It renews."""
    story.lead()
    story.enroll()
    story.wire.pause(86_000)
    if near:
        story.enroll(renewal(type=17, nonce=bytes(range(40, 56))), Reply(certificates=(RENEWED,)))
    else:
        again = Message(
            key="client-2",
            signer=requester("client-2", serial=9),
            csr=der.request(DEVICE, "client-2"),
            nonce=bytes(range(40, 56)),
            transaction_id="CC" * 16,
        )
        story.enroll(again, Reply(certificates=(RENEWED,)))


@fault()
def mixed_servers(story: Story, near: bool) -> None:
    """A load balancer leads to two servers in turn, whose RA certificates differ.
    Near: The RA certificates are renewed once."""
    other = (
        ra(ENCRYPTS, AGENT, key="ra-signing", serial=0x801),
        CA,
        ra(der.key_usage("digitalSignature"), AGENT, key="ra-encryption", serial=0x800),
    )
    story.lead()
    story.cacert(other)
    story.cacert(other if near else (RA_SIGN, CA, RA_CRYPT))
    story.enroll(
        Message(recipients=(other[0],)) if near else Message(),
        Reply(signer=other[2], key="ra-encryption") if near else Reply(),
    )


@fault()
def success_then_reenrol(story: Story, near: bool) -> None:
    """The client gets its certificate, and enrolls again ten seconds later with the same key: it refused what it got.
    Near: It is content."""
    story.lead()
    story.enroll()
    if not near:
        story.wire.pause(10)
        story.enroll(Message(nonce=bytes(range(40, 56))))


@fault("self self self", errors="success-then-reenrol")
def certrep_cipher_not_the_requests(story: Story, near: bool) -> None:
    """An old Cisco IOS asks with 3DES, is answered with AES, and asks again and again.
    Near: It is answered with 3DES."""
    story.agent = "Mozilla/4.0 (compatible; MSIE 5.0; Cisco PKI)"
    story.lead()
    for number in range(1 if near else 3):
        story.enroll(Message(nonce=bytes(range(number, number + 16))), Reply(cipher="3des" if near else "aes256"))
        story.wire.pause(30)


@fault("self self self", errors="success-then-reenrol", near_errors="success-then-reenrol")
def certrep_digest_not_the_requests(story: Story, near: bool) -> None:
    """An old router signs with MD5, gets responses that are signed with SHA-512, and asks again after each.
    Near: The responses are signed with SHA-1, which it knows; it asks again for another reason."""
    story.agent = "Mozilla/4.0 (compatible; MSIE 5.0; Cisco PKI)"
    story.lead()
    for number in range(3):
        story.enroll(
            Message(transaction_id=f"{number}B" * 16, nonce=bytes(range(number, number + 16)), digest="md5"),
            Reply(made={"digest": "sha1" if near else "sha512"}),
            method="GET",
        )
        story.wire.pause(60)
