"""The certificates that GetCACert gives."""

import base64
import datetime as dt

import der
from registry import fault
from world import (
    AGENT,
    ALL_USAGE,
    CA,
    CA_NAME,
    CA_TYPE,
    CLIENT,
    ENCRYPTS,
    FULL_CAPS,
    LONE_CA,
    RA_BOTH,
    RA_CRYPT,
    RA_SIGN,
    RA_TYPE,
    SET,
    SIGNS,
    START,
    USER,
    YEAR_AGO,
    Message,
    Reply,
    Story,
    ca,
    page,
    ra,
)  # fmt: skip


def stops(story: Story) -> None:
    """The client does nothing more for a minute and a half."""
    story.wire.pause(90)
    story.wire.udp(CLIENT, 123, story.server, 123, bytes(48))


def given(story: Story, near: bool, offer: tuple[bytes, ...] | bytes, kind: str = RA_TYPE, **options: object) -> None:
    """Capabilities, then these certificates and a client that stops; or the usual ones and an enrollment."""
    story.caps()
    if near:
        story.cacert()
        story.enroll()
        return
    story.cacert(offer, kind, **options)  # type: ignore[arg-type]
    stops(story)


STOPPED = "txn-stopped-after-cacert"


@fault("ndes-http-500-all-operations", errors="cacert-failed")
def cacert_failed(story: Story, near: bool) -> None:
    """GetCACert is answered with 500.
    Near: It is answered with certificates."""
    if near:
        story.lead()
        story.enroll()
        return
    story.cacert(page("Server Error"), "text/html", "500 Internal Server Error")


@fault("self", errors=STOPPED)
def cacert_pem_or_base64(story: Story, near: bool) -> None:
    """The CA's certificate comes as PEM; the client stops.
    Near: It comes as DER."""
    body = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(LONE_CA) + b"-----END CERTIFICATE-----\n"
    given(story, near, body, CA_TYPE)


@fault("self", errors=STOPPED)
def cacert_no_encryption_cert(story: Story, near: bool) -> None:
    """The CEP Encryption certificate is missing: nothing in the set has keyEncipherment.
    Near: It is there."""
    given(story, near, (RA_SIGN, CA))


@fault("self", errors=STOPPED)
def cacert_no_signing_cert(story: Story, near: bool) -> None:
    """The signing certificate is missing: nothing in the set has digitalSignature.
    Near: It is there."""
    given(story, near, (RA_CRYPT, ca(der.key_usage("keyCertSign", "cRLSign"))))


@fault("self", errors=STOPPED)
def cacert_ra_no_keyusage(story: Story, near: bool) -> None:
    """The RA's certificate was made by hand, without keyUsage; the client stops.
    Near: The usual ones are given."""
    given(story, near, (ra(USER, key="ra-encryption", serial=0x900), CA))


@fault("self", errors=STOPPED)
def cacert_ca_missing_usage(story: Story, near: bool) -> None:
    """The CA is alone and may only sign certificates; the client stops.
    Near: It may do everything."""
    story.caps()
    if near:
        story.cacert(LONE_CA, CA_TYPE)
        story.enroll(Message(recipients=(LONE_CA,)), Reply(signer=LONE_CA, key="ca"))
        return
    story.cacert(ca(der.key_usage("keyCertSign", "cRLSign"), subject="CN=Lone CA", serial=0x78), CA_TYPE)
    stops(story)


@fault("self", errors=STOPPED)
def cacert_ra_type_without_ra(story: Story, near: bool) -> None:
    """The chain comes under the type that announces RA certificates; an iPhone stops.
    Near: RA certificates are in it."""
    story.agent = "mdmclient/1.0 CFNetwork/1410 Darwin/22.6.0"
    issuing = der.certificate("CN=Issuing", "ra-encryption", CA_NAME, "ca", 0x31, YEAR_AGO, 2000, ALL_USAGE, ca=True)
    given(story, near, (issuing, ca(ALL_USAGE)))


@fault("self", errors=STOPPED)
def cacert_chain_incomplete(story: Story, near: bool) -> None:
    """The issuing CA comes without its root; the client stops.
    Near: The CA is a root."""
    issuing = der.certificate(CA_NAME, "ca", "CN=Corp Root CA", "other-ca", 0x31, YEAR_AGO, 2000, ALL_USAGE, ca=True)
    given(story, near, (RA_SIGN, issuing, RA_CRYPT))


@fault("self", errors=STOPPED)
def cacert_chain_unlinked(story: Story, near: bool) -> None:
    """The RA's certificates come from another CA than the one in the set.
    Near: They come from the one in the set."""
    foreign = (
        ra(SIGNS, AGENT, issuer="CN=Old CA", issuer_key="other-ca"),
        ra(ENCRYPTS, AGENT, key="ra-encryption", serial=0x6A9, issuer="CN=Old CA", issuer_key="other-ca"),
    )
    given(story, near, (*foreign, CA))


@fault("self", errors=STOPPED)
def cacert_expired(story: Story, near: bool) -> None:
    """The RA's certificates expired last week.
    Near: They are good for more than a year."""
    old = (ra(SIGNS, AGENT, days=293), ra(ENCRYPTS, AGENT, key="ra-encryption", serial=0x6A9, days=293))
    given(story, near, (*old, CA))


@fault("self", errors=STOPPED)
def cacert_not_yet_valid(story: Story, near: bool) -> None:
    """The CA's clock is a day ahead: its certificates are valid from tomorrow.
    Near: They are valid since last year."""
    start = START + dt.timedelta(days=1)
    given(
        story,
        near,
        (ra(SIGNS, AGENT, start=start), CA, ra(ENCRYPTS, AGENT, key="ra-encryption", serial=0x6A9, start=start)),
    )


@fault()
def cacert_ra_expires_soon(story: Story, near: bool) -> None:
    """The RA's certificates expire in three weeks; the enrollment goes well.
    Near: They expire in three months."""
    days = 300 + (90 if near else 21)
    sign, crypt = ra(SIGNS, AGENT, days=days), ra(ENCRYPTS, AGENT, key="ra-encryption", serial=0x6A9, days=days)
    story.lead(offer=(sign, CA, crypt))
    story.enroll(Message(recipients=(crypt,)), Reply(signer=sign))


@fault()
def cacert_weak_key(story: Story, near: bool) -> None:
    """The RA decrypts with an RSA key of 1024 bits.
    Near: It has 2048."""
    crypt = ra(ENCRYPTS, AGENT, key="ra-encryption" if near else "weak-1024", serial=0x6AA)
    story.lead(offer=(RA_SIGN, CA, crypt))
    story.enroll(Message(recipients=(crypt,)))


@fault()
def cacert_weak_signature(story: Story, near: bool) -> None:
    """The RA's certificate is signed with SHA-1.
    Near: Only the root's own signature is SHA-1."""
    root = der.certificate(
        CA_NAME,
        "ca",
        CA_NAME,
        "ca",
        0x4D3E21F0,
        YEAR_AGO,
        3650,
        der.key_usage("digitalSignature", "keyCertSign"),
        ca=True,
        signature="sha1WithRSA",
    )
    crypt = ra(ENCRYPTS, AGENT, key="ra-encryption", serial=0x6AB, signature="sha256WithRSA" if near else "sha1WithRSA")
    story.lead(offer=(RA_SIGN, root if near else CA, crypt))
    story.enroll(Message(recipients=(crypt,)))


@fault("self", errors=STOPPED)
def cacert_not_rsa(story: Story, near: bool) -> None:
    """The CA has an EC key and there is no RA; the client stops.
    Near: The CA has an RSA key."""
    story.caps(FULL_CAPS)
    if near:
        story.cacert(LONE_CA, CA_TYPE)
        story.enroll(Message(recipients=(LONE_CA,), cipher="aes128"), Reply(signer=LONE_CA, key="ca"))
        return
    story.cacert(ca(ALL_USAGE, key="ec", subject="CN=EC CA", serial=0x79), CA_TYPE)
    stops(story)


@fault()
def cacert_one_cert_for_both(story: Story, near: bool) -> None:
    """One RA certificate signs and decrypts.
    Near: There is one for each."""
    if near:
        story.lead()
        story.enroll()
        return
    story.lead(offer=(RA_BOTH, CA))
    story.enroll(Message(recipients=(RA_BOTH,)), Reply(signer=RA_BOTH, key="ra-encryption"))


@fault()
def cacert_order(story: Story, near: bool) -> None:
    """The CA stands before the RA's encryption certificate.
    Near: The CA stands last."""
    story.lead(offer=(RA_SIGN, RA_CRYPT, CA) if near else SET)
    story.enroll()


NEW_CRYPT = ra(ENCRYPTS, AGENT, key="ra-signing", serial=0x801)
NEW_SIGN = ra(SIGNS, AGENT, key="ra-encryption", serial=0x800)


@fault()
def cacert_changed(story: Story, near: bool) -> None:
    """The RA's certificates are renewed between two answers.
    Near: The same certificates come in another order."""
    story.lead()
    story.enroll()
    story.cacert(tuple(reversed(SET)) if near else (NEW_SIGN, CA, NEW_CRYPT))


@fault(near_errors="cacert-failed ndes-http-500-all-operations")
def cacert_fingerprints(story: Story, near: bool) -> None:
    """GetCACert gives certificates.
    Near: It gives none."""
    if near:
        story.cacert(page("Server Error"), "text/html", "500 Internal Server Error")
        return
    story.lead()
    story.enroll()


@fault("self", errors=STOPPED)
def cacert_many_ra(story: Story, near: bool) -> None:
    """An old encryption certificate was left in the store: the set has two. The client stops.
    Near: There is one."""
    given(story, near, (RA_SIGN, CA, RA_CRYPT, ra(ENCRYPTS, AGENT, key="ra-signing", serial=0x123)))


@fault()
def nextca_failed(story: Story, near: bool) -> None:
    """GetNextCACert is offered, and there is no next certificate yet.
    Near: There is one."""
    story.lead(FULL_CAPS)
    story.enroll(Message(cipher="aes128"))
    if near:
        _next(story, "ca")
    else:
        story.get(f"{story.path}?operation=GetNextCACert", page("Not Found"), "text/html", "404 Not Found")


def _next(story: Story, key: str) -> None:
    """The next CA's certificates, signed by the present CA or by somebody else."""
    coming = ca(key="other-ca", serial=0x4D3E21F1)
    signer = CA if key == "ca" else ca(key="client-2", subject="CN=Somebody", serial=0x66)
    body = der.signed(der.degenerate(coming), [], signer, key, (signer,))
    story.get(f"{story.path}?operation=GetNextCACert", body, "application/x-x509-next-ca-cert")


@fault("self")
def nextca_bad_signature(story: Story, near: bool) -> None:
    """The next CA's certificates are signed by a certificate that GetCACert did not give.
    Near: They are signed by the present CA."""
    story.lead(FULL_CAPS)
    _next(story, "ca" if near else "client-2")
