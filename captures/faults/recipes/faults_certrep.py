"""The server's answer."""

import datetime as dt

import der
from registry import fault
from world import (
    AGENT,
    FULL_CAPS,
    ISSUED,
    PENDING,
    RA_CRYPT,
    RA_SIGN,
    SIGNS,
    START,
    Message,
    Reply,
    Story,
    ra,
    refusal,
    requester,
)

BAD = "certrep-failure certrep-badrequest"


def answered(
    story: Story, reply: Reply, near: bool, near_reply: Reply | None = None, message: Message | None = None
) -> None:
    """This answer; or, near, another one, the usual one unless told."""
    story.lead()
    story.enroll(message, (near_reply or Reply()) if near else reply)


@fault("certrep-badrequest", errors="certrep-badrequest")
def certrep_failure(story: Story, near: bool) -> None:
    """The server refuses.
    Near: It grants."""
    answered(story, refusal(2), near)


@fault("self", errors=BAD, near_errors=BAD)
def certrep_ndes_hresult(story: Story, near: bool) -> None:
    """NDES refuses and says in a signed attribute why: 0x80094800, the template is not published.
    Near: It refuses and does not say why."""
    answered(story, refusal(2, hresult=-2146875392), near, refusal(2))


@fault("self", errors="certrep-failure", near_errors=BAD)
def certrep_badalg(story: Story, near: bool) -> None:
    """The server does not support an algorithm.
    Near: It refuses the request for another reason."""
    answered(story, refusal(0), near, refusal(2))


@fault("self", errors="certrep-failure", near_errors=BAD)
def certrep_badmessagecheck(story: Story, near: bool) -> None:
    """NDES does not accept the challenge password: badMessageCheck.
    Near: The CA refuses: badRequest."""
    answered(story, refusal(1), near, refusal(2))


@fault("self", errors="certrep-failure", near_errors="certrep-failure certrep-badmessagecheck")
def certrep_badrequest(story: Story, near: bool) -> None:
    """The CA refuses: badRequest.
    Near: The password is not accepted: badMessageCheck."""
    answered(story, refusal(2), near, refusal(1))


@fault("clock-skew", errors="certrep-failure certrep-badtime clock-skew", near_errors=BAD)
def certrep_badtime(story: Story, near: bool) -> None:
    """The client's clock is a day behind; the server says badTime.
    Near: The client's clock is right, and the server refuses for another reason."""
    story.lead()
    story.enroll(Message(signing_time=START if near else START - dt.timedelta(days=1)), refusal(2 if near else 3))


@fault("self", errors="certrep-failure", near_errors=BAD)
def certrep_badcertid(story: Story, near: bool) -> None:
    """A certificate is asked for that the server does not know.
    Near: GetCert is not supported: badRequest."""
    story.lead()
    message = Message(type=21, content=der.identifier(ISSUED))
    story.enroll(message, refusal(2 if near else 4))


@fault("self", errors="certrep-failure", near_errors=BAD)
def certrep_failinfo_missing(story: Story, near: bool) -> None:
    """The refusal has no failInfo.
    Near: It has one."""
    answered(story, Reply(status=2, content=b"\0"), near, refusal(2))


@fault("certrep-badrequest", errors=BAD, near_errors=BAD)
def certrep_failinfotext(story: Story, near: bool) -> None:
    """The server says in words why it refuses.
    Near: It does not."""
    story.software, story.path = None, "/scep"
    answered(story, refusal(2, text="The challenge password is not valid"), near, refusal(2))


@fault("self")
def certrep_status_undefined(story: Story, near: bool) -> None:
    """pkiStatus is 1.
    Near: It is 3."""
    answered(story, Reply(status=1, content=b"\0"), near, PENDING)


@fault("self", errors="")
def certrep_nonce_mismatch(story: Story, near: bool) -> None:
    """The recipientNonce is not the request's senderNonce.
    Near: It is."""
    answered(story, Reply(recipient_nonce=bytes(range(60, 76))), near)


@fault()
def certrep_nonce_missing(story: Story, near: bool) -> None:
    """The answer has no senderNonce.
    Near: It has one."""
    answered(story, Reply(attributes={"senderNonce": None}), near)


@fault("self")
def certrep_transid_mismatch(story: Story, near: bool) -> None:
    """The transactionID of the answer is not that of the request.
    Near: It is."""
    answered(story, Reply(transaction_id="0" * 32), near)


@fault("self", errors="")
def certrep_not_type_3(story: Story, near: bool) -> None:
    """The request comes back as the answer.
    Near: A CertRep comes."""
    story.lead()
    encoded = Message().encoded(story.chance)
    if near:
        story.enroll()
    else:
        story.enroll(raw=encoded, answer=encoded)


@fault("self")
def certrep_signature_invalid(story: Story, near: bool) -> None:
    """The answer's signature was made with another key.
    Near: It fits."""
    answered(story, Reply(made={"signature": der.sign("client-2", b"something else", "sha256")}), near)


@fault("self")
def certrep_digest_mismatch(story: Story, near: bool) -> None:
    """The answer's messageDigest is that of other content.
    Near: It is that of its content."""
    answered(story, Reply(made={"digest_value": bytes(32)}), near)


STRANGER = ra(SIGNS, AGENT, key="client-2", serial=0xABC, issuer="CN=Some Other CA", issuer_key="other-ca")


@fault("self")
def certrep_signer_unknown(story: Story, near: bool) -> None:
    """The answer is signed by a certificate of another CA, which it carries.
    Near: It is signed by the RA."""
    answered(story, Reply(signer=STRANGER, key="client-2", included=(STRANGER,)), near)


@fault()
def certrep_signer_is_encryption_ra(story: Story, near: bool) -> None:
    """The answer is signed with the RA's encryption certificate.
    Near: It is signed with its signing certificate."""
    answered(story, Reply(signer=RA_CRYPT, key="ra-encryption"), near)


@fault()
def certrep_no_certificates(story: Story, near: bool) -> None:
    """NDES's answer carries no certificate.
    Near: The answer carries the RA's."""
    answered(story, Reply(), near, Reply(included=(RA_SIGN,)))


@fault("certrep-badrequest", errors=BAD, near_errors=BAD)
def certrep_dummy_content(story: Story, near: bool) -> None:
    """A zero byte stands in the refusal, as NDES sends it.
    Near: Nothing stands there."""
    answered(story, refusal(2), near, Reply(status=2, fail=2))


@fault("self")
def certrep_contenttype_missing(story: Story, near: bool) -> None:
    """The answer's signed attributes lack contentType.
    Near: They have it."""
    answered(story, Reply(made={"content_type": False}), near)


@fault("self")
def certrep_success_without_envelope(story: Story, near: bool) -> None:
    """SUCCESS, without an envelope.
    Near: PENDING, without one."""
    answered(story, Reply(content=b"\0"), near, PENDING)


@fault("pending-never-resolved")
def certrep_pending_with_envelope(story: Story, near: bool) -> None:
    """PENDING, with an envelope.
    Near: SUCCESS, with one."""
    content = der.envelope(der.degenerate(ISSUED), requester(), chance=story.chance)
    answered(story, Reply(status=3, content=content), near)


@fault("self")
def certrep_not_for_requester(story: Story, near: bool) -> None:
    """The answer is encrypted for another device's certificate.
    Near: It is encrypted for the requester's."""
    answered(story, Reply(recipient=requester("client-2", "CN=device-2", serial=2)), near)


@fault()
def certrep_cipher_weak(story: Story, near: bool) -> None:
    """The answer is encrypted with 3DES.
    Near: It is encrypted with AES."""
    story.lead(FULL_CAPS)
    story.enroll(Message(cipher="aes128"), Reply(cipher="aes128" if near else "3des"))


@fault("self", errors=BAD, near_errors="")
def getcrl_refused(story: Story, near: bool) -> None:
    """NDES refuses GetCRL.
    Near: It grants PKCSReq."""
    story.lead()
    if near:
        story.enroll()
    else:
        story.enroll(Message(type=22, content=der.identifier(ISSUED)), refusal(2))
