"""The certificate that came back; judged with the client's and the RA's key."""

import datetime as dt

import der
from registry import fault
from world import BOTH, CA, DEVICE, START, USER, YEAR_AGO, Message, Reply, Story, issued

KEYS = "client ra-encryption"


def given(
    story: Story, near: bool, *certificates: bytes, csr: bytes | None = None, near_certificates: tuple[bytes, ...] = ()
) -> None:
    """These certificates in the answer; near, the usual one or those."""
    story.lead()
    wanted = (near_certificates or (issued(),)) if near else certificates
    story.enroll(Message(csr=csr), Reply(certificates=wanted))


@fault("self", errors="issued-leaf-not-found", keys=KEYS)
def issued_key_differs(story: Story, near: bool) -> None:
    """The certificate is for another device's key.
    Near: It is for the requester's."""
    given(story, near, issued("client-2", serial=0x4001))


@fault(keys=KEYS)
def issued_subject_rewritten(story: Story, near: bool) -> None:
    """The CA builds the subject from its directory.
    Near: It takes the subject that was asked for."""
    given(story, near, issued("client", "DC=example,CN=DEVICE-1", serial=0x4002))


SAN = der.alt_names("DNS:device-1.corp.example")


@fault(keys=KEYS)
def issued_san_changed(story: Story, near: bool) -> None:
    """The subjectAltName that was asked for is not in the certificate.
    Near: It is."""
    csr = der.request(DEVICE, "client", extensions=(SAN,))
    given(
        story,
        near,
        issued(serial=0x4003),
        csr=csr,
        near_certificates=(issued("client", DEVICE, BOTH, USER, SAN, serial=0x4003),),
    )


@fault(keys=KEYS)
def issued_usage_differs(story: Story, near: bool) -> None:
    """Asked for was keyEncipherment too, issued was digitalSignature only.
    Near: Issued was what was asked for."""
    csr = der.request(DEVICE, "client", extensions=(BOTH,))
    only = der.key_usage("digitalSignature")
    given(story, near, issued("client", DEVICE, only, USER, serial=0x4004), csr=csr)


@fault(keys=KEYS)
def issued_validity_odd(story: Story, near: bool) -> None:
    """The certificate is valid from an hour after the answer: the CA's clock is ahead.
    Near: It is valid since an hour."""
    given(story, near, issued(serial=0x4005, start=START + dt.timedelta(hours=1)))


@fault(keys=KEYS)
def issued_same_certificate(story: Story, near: bool) -> None:
    """The renewal gives back the old certificate.
    Near: It gives a new one."""
    story.lead()
    old = issued(serial=0x1001, start=YEAR_AGO)
    message = Message(signer=old, csr=der.request(DEVICE, "client"))
    story.enroll(message, Reply(certificates=(issued(serial=0x2001) if near else old,)))


@fault(keys=KEYS)
def issued_chain_not_cacert(story: Story, near: bool) -> None:
    """Another CA than the one that GetCACert gives issued the certificate.
    Near: That very one did."""
    given(story, near, issued(serial=0x4006, issuer="CN=Another CA", issuer_key="other-ca"))


@fault("self", keys=KEYS)
def issued_leaf_not_found(story: Story, near: bool) -> None:
    """The answer holds the CA's certificate only.
    Near: It holds the issued one too."""
    given(story, near, CA, near_certificates=(issued(), CA))


@fault(keys=KEYS)
def issued_order(story: Story, near: bool) -> None:
    """The CA's certificate stands before the issued one.
    Near: It stands behind it."""
    given(story, near, CA, issued(), near_certificates=(issued(), CA))
