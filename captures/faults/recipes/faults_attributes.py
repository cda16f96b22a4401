"""The signed attributes."""

import hashlib

import der
from faults_request import sent
from registry import fault
from world import Message, Reply, Story, refusal

REFUSED = "certrep-failure certrep-badrequest"


@fault("self", errors=REFUSED)
def req_attr_missing(story: Story, near: bool) -> None:
    """The request lacks contentType.
    Near: It has all of them."""
    sent(story, Message(made={"content_type": False}), near, fail=2)


@fault("self", errors=REFUSED)
def attr_wrong_type(story: Story, near: bool) -> None:
    """The transactionID is a UTF8String.
    Near: It is a PrintableString."""
    sent(story, Message(attributes={"transactionID": der.utf8("5C1E83D6")}, transaction_id="5C1E83D6"), near, fail=2)


@fault("self", errors=REFUSED)
def attr_duplicate(story: Story, near: bool) -> None:
    """The messageType stands there twice.
    Near: Once."""
    sent(story, Message(more=(der.attribute("messageType", der.printable("19")),)), near, fail=2)


@fault()
def transid_not_printable(story: Story, near: bool) -> None:
    """The transactionID holds underscores.
    Near: It is base64, with + / and =."""
    story.lead()
    story.enroll(Message(transaction_id="a+b/c=" if near else "device_1_4711"))


@fault("self", errors=REFUSED)
def transid_empty(story: Story, near: bool) -> None:
    """The transactionID is empty.
    Near: It is not."""
    story.lead()
    if near:
        story.enroll()
    else:
        message = Message(transaction_id="")
        story.enroll(message, refusal(2, attributes={"transactionID": der.printable("")}))


@fault()
def transid_of_empty_input(story: Story, near: bool) -> None:
    """The transactionID is the MD5 of nothing.
    Near: It is the MD5 of something."""
    story.lead()
    story.enroll(Message(transaction_id=hashlib.md5(b"x" if near else b"").hexdigest().upper()))


@fault()
def transid_is_key_hash(story: Story, near: bool) -> None:
    """The transactionID is the MD5 of the requester's key.
    Near: It is the MD5 of another key."""
    story.lead()
    story.enroll(Message(transaction_id=hashlib.md5(der.spki("client-2" if near else "client")).hexdigest().upper()))


@fault("req-attr-missing", errors=REFUSED)
def nonce_missing(story: Story, near: bool) -> None:
    """The request has no senderNonce.
    Near: It has one."""
    sent(story, Message(attributes={"senderNonce": None}), near, fail=2)


@fault()
def nonce_short(story: Story, near: bool) -> None:
    """The senderNonce has eight bytes.
    Near: It has sixteen."""
    story.lead()
    story.enroll(Message(nonce=bytes(range(16 if near else 8))))


@fault()
def nonce_reused(story: Story, near: bool) -> None:
    """Two requests of one client carry the same senderNonce; the first is refused, the second granted.
    Near: Each has its own."""
    story.lead()
    story.enroll(Message(), refusal(2))
    story.wire.pause(700)
    story.enroll(
        Message(signing_time=None, transaction_id="AA" * 16, nonce=bytes(range(20, 36)) if near else bytes(range(16))),
        Reply(),
    )


@fault("self", errors=REFUSED)
def msgtype_unknown(story: Story, near: bool) -> None:
    """The messageType is 99.
    Near: It is 19."""
    sent(story, Message(type=99), near, fail=2)
