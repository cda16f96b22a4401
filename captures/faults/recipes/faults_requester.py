"""The certificate that signs the request."""

import datetime as dt

import der
from registry import fault
from world import DEVICE, FULL_CAPS, ISSUED, START, YEAR_AGO, Message, Reply, Story, issued, refusal, requester

REFUSED = "certrep-failure certrep-badrequest"


@fault()
def signer_clock_odd(story: Story, near: bool) -> None:
    """The device's clock stands at 1993.
    Near: Its clock is right."""
    story.lead()
    start = START - dt.timedelta(hours=1) if near else dt.datetime(1993, 3, 1, tzinfo=dt.UTC)
    story.enroll(Message(signer=requester(start=start, serial=3)))


@fault()
def signer_weak_key(story: Story, near: bool) -> None:
    """The device has a key of 1024 bits.
    Near: It has 2048."""
    story.lead()
    key = "client" if near else "weak-1024"
    story.enroll(Message(key=key, signer=requester(key)), Reply(certificates=(issued(key),)))


@fault("self", errors="certrep-failure certrep-badalg")
def signer_key_not_rsa(story: Story, near: bool) -> None:
    """The device has an EC key; the server says badAlg.
    Near: It has an RSA key."""
    story.lead(FULL_CAPS)
    if near:
        story.enroll(Message(cipher="aes128"))
    else:
        story.enroll(
            Message(key="ec", signer=requester("ec"), csr=der.request(DEVICE, "ec"), cipher="aes128"), refusal(0)
        )


@fault()
def signer_generic_subject(story: Story, near: bool) -> None:
    """The message is signed as CN=SCEP SIGNER.
    Near: It is signed with the device's name."""
    story.lead()
    story.enroll(Message(signer=requester(subject=DEVICE if near else "O=scep-client,CN=SCEP SIGNER")))


FACTORY = der.certificate("CN=serial 4711", "client", "CN=Manufacturer CA", "other-ca", 0x4711, YEAR_AGO, 7300)


@fault("self", errors=f"{REFUSED} renewal-refused")
def signer_foreign_ca(story: Story, near: bool) -> None:
    """The request is signed with the manufacturer's certificate, and refused.
    Near: It is signed with one of this CA's, and granted."""
    story.lead()
    if near:
        story.enroll(
            Message(signer=ISSUED, csr=der.request(DEVICE, "client-2")),
            Reply(certificates=(issued("client-2", serial=0x2001),)),
        )
    else:
        story.enroll(Message(signer=FACTORY), refusal(2))


@fault("self", errors=f"{REFUSED} renewal-refused")
def signer_expired_for_renewal(story: Story, near: bool) -> None:
    """The certificate that is to be renewed expired two weeks before.
    Near: It expires in two weeks."""
    days = 300 + (14 if near else -14)
    old = issued(start=YEAR_AGO, days=days, serial=0x1001)
    story.lead()
    message = Message(signer=old, type=19, csr=der.request(DEVICE, "client-2"))
    story.enroll(message, Reply(certificates=(issued("client-2", serial=0x2001),)) if near else refusal(2))
