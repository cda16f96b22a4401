"""For whom a request is encrypted, with what, and whether it is whole."""

import der
from registry import fault
from world import AGENT, CA, ENCRYPTS, RA_CRYPT, RA_SIGN, Message, Reply, Story, page, ra, refusal

REFUSED = "certrep-failure certrep-badmessagecheck"
OTHER = ra(ENCRYPTS, AGENT, key="client-2", serial=0xBAD, issuer="CN=Some Other CA", issuer_key="other-ca")


def sent(story: Story, message: Message, near: bool, *, fail: int = 1, **near_changes: object) -> None:
    """The usual way to a refusal of this message; or, near, to a certificate for the usual one."""
    story.lead()
    if near:
        story.enroll(Message(**near_changes))  # type: ignore[arg-type]
    else:
        story.enroll(message, refusal(fail))


@fault("self", errors=REFUSED)
def req_wrong_recipient(story: Story, near: bool) -> None:
    """The request is encrypted for the RA of another server.
    Near: It is encrypted for this server's."""
    sent(story, Message(recipients=(OTHER,)), near)


@fault("self", errors=REFUSED)
def req_recipient_stale(story: Story, near: bool) -> None:
    """The RA's certificates were renewed; the client still uses the old one.
    Near: It uses the new one."""
    new = ra(ENCRYPTS, AGENT, key="client-2", serial=0x901)
    story.lead()
    story.wire.pause(3600)
    story.cacert((RA_SIGN, CA, new))
    story.enroll(Message(recipients=(new if near else RA_CRYPT,)), Reply() if near else refusal(1))


@fault("self", errors=REFUSED + " certrep-ndes-hresult")
def req_recipient_is_ca_not_ra(story: Story, near: bool) -> None:
    """The client takes the CA's certificate instead of the RA's; NDES cannot decrypt: 0x80090005.
    Near: It takes the RA's."""
    story.lead()
    if near:
        story.enroll()
    else:
        story.enroll(Message(recipients=(CA,)), refusal(1, hresult=-2146893819))


@fault("self", errors=REFUSED)
def req_recipient_is_signing_ra(story: Story, near: bool) -> None:
    """The client takes the RA's signing certificate.
    Near: It takes the one for encryption."""
    sent(story, Message(recipients=(RA_SIGN,)), near)


@fault()
def req_many_recipients(story: Story, near: bool) -> None:
    """The client encrypts for every certificate of the set; the server copes.
    Near: It encrypts for one."""
    story.lead()
    story.enroll(Message(recipients=(RA_CRYPT,) if near else (RA_CRYPT, OTHER)))


KEK = der.tlv(
    0xA2,
    der.integer(4),
    der.sequence(der.octets(b"shared key")),
    der.algorithm("2.16.840.1.101.3.4.1.5"),
    der.octets(bytes(24)),
)


@fault("self", errors="txn-no-reply ndes-http-500-pkioperation-only")
def req_recipient_by_key_id(story: Story, near: bool) -> None:
    """The recipient is named by its key, and EJBCA's reader does not know that form.
    Near: It is named by issuer and serial number."""
    story.software, story.path = None, "/ejbca/publicweb/apply/scep/wifi/pkiclient.exe"
    story.lead()
    if near:
        story.enroll()
        return
    words = "java.lang.IllegalArgumentException: unknown object in getInstance: org.bouncycastle.asn1.DLTaggedObject"
    story.fails("500 Internal Server Error", page(words), message=Message(sealed={"by_key": True}))


@fault("self", errors="certrep-failure certrep-badalg")
def req_recipient_not_ktri(story: Story, near: bool) -> None:
    """The content key is wrapped with a shared key.
    Near: It is transported with RSA."""
    sent(story, Message(recipients=(), sealed={"infos": (KEK,)}), near, fail=0)


@fault("self", errors="certrep-failure certrep-badalg")
def req_oaep(story: Story, near: bool) -> None:
    """The content key is wrapped with OAEP, which the server refuses.
    Near: It is wrapped as in PKCS #1 v1.5."""
    sent(story, Message(sealed={"scheme": "oaep"}), near, fail=0)


@fault("self", errors="certrep-failure certrep-badalg")
def req_cipher_des(story: Story, near: bool) -> None:
    """The client encrypts with single DES, and the server refuses it.
    Near: It encrypts with 3DES."""
    sent(story, Message(cipher="des"), near, fail=0)


@fault("self", errors="certrep-failure certrep-badalg")
def req_cipher_obsolete(story: Story, near: bool) -> None:
    """The client encrypts with RC2, and the server refuses it.
    Near: It encrypts with 3DES."""
    sent(story, _rc2(story), near, fail=0)


def _rc2(story: Story) -> Message:
    """An envelope that says RC2; its content is of no account."""
    sealed = der.envelope(der.request("CN=x", "client"), RA_CRYPT, cipher="3des", chance=story.chance)
    swapped = sealed.replace(der.oid("3des"), der.oid("rc2"))
    return Message(envelope=swapped)


@fault()
def req_digest_md5(story: Story, near: bool) -> None:
    """The client signs with MD5.
    Near: It signs with SHA-256."""
    story.lead()
    story.enroll(Message(digest="sha256" if near else "md5"))


@fault()
def req_digest_sha1(story: Story, near: bool) -> None:
    """The client signs with SHA-1.
    Near: It signs with SHA-256."""
    story.lead("POSTPKIOperation\nSHA-1\nSHA-256\nDES3\n")
    story.enroll(Message(digest="sha256" if near else "sha1"))


@fault("self", errors=REFUSED)
def req_signature_invalid(story: Story, near: bool) -> None:
    """Key and certificate do not belong together.
    Near: They do."""
    sent(story, Message(made={"signature": der.sign("client-2", b"something else", "sha256")}), near)


@fault("self", errors=REFUSED)
def req_digest_mismatch(story: Story, near: bool) -> None:
    """The messageDigest is that of other content.
    Near: It is that of the content."""
    sent(story, Message(made={"digest_value": bytes(32)}), near)


@fault("self", errors="certrep-failure certrep-badrequest")
def req_no_signer_cert(story: Story, near: bool) -> None:
    """The request carries no certificate.
    Near: It carries the signer's."""
    sent(story, Message(certificates=None), near, fail=2)


@fault("self", errors="certrep-failure certrep-badrequest")
def envelope_structure_bad(story: Story, near: bool) -> None:
    """Three bytes of the ciphertext are missing: it is no multiple of the block size.
    Near: It is whole."""
    sent(story, Message(sealed={"cut": 3}), near, fail=2)


@fault("self", errors=REFUSED)
def encrypted_key_size_odd(story: Story, near: bool) -> None:
    """The content key is really encrypted for a key of 1024 bits, not for the certificate that is named.
    Near: It is encrypted for that certificate."""
    small = ra(ENCRYPTS, AGENT, key="weak-1024", serial=0x6A8)
    sent(story, Message(sealed={"wrap_for": small}), near)
