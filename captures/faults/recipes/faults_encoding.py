"""How the message was put into the URL or the body."""

import base64
from urllib.parse import quote

import der
from registry import fault
from world import FULL_CAPS, Message, Story, as_get


def _bad_get(story: Story, text: str, *, near: str | None = None) -> None:
    """PKIOperation by GET with this message parameter, which the server cannot read; or with ``near``, which it can."""
    story.software = None
    story.lead("SHA-256\nDES3\n")
    if near is None:
        story.fails(
            "400 Bad Request",
            b"cannot decode the message",
            "text/plain",
            method="GET",
            target=as_get(b"", story.path, text=text),
        )
    else:
        story.enroll(method="GET", target=as_get(b"", story.path, text=near))


def _base64(story: Story) -> str:
    """A message whose base64 has both + and /."""
    while True:
        text = base64.b64encode(Message().encoded(story.chance)).decode()
        if "+" in text and "/" in text:
            return text


@fault("self", errors="txn-no-reply http-400-bad-message", near_errors="")
def get_plus_became_space(story: Story, near: bool) -> None:
    """A proxy decodes the query as a form: blanks stand where "+" was.
    Near: "+" is escaped."""
    text = _base64(story)
    _bad_get(story, text.replace("+", "%20").replace("=", "%3D"), near=quote(text, safe="") if near else None)


@fault()
def get_reserved_unescaped(story: Story, near: bool) -> None:
    """Apple's way: "+" and "/" stand bare in the URL; the server reads them all the same.
    Near: All three reserved digits are escaped."""
    text = _base64(story)
    _bad_get(story, "", near=quote(text, safe="" if near else "+/"))


@fault("self", errors="txn-no-reply http-400-bad-message", near_errors="")
def get_double_encoded(story: Story, near: bool) -> None:
    """The client and a proxy both escape.
    Near: Only the client does."""
    text = quote(_base64(story), safe="")
    _bad_get(story, quote(text, safe=""), near=text if near else None)


@fault("self", errors="txn-no-reply http-400-bad-message", near_errors="")
def get_base64url(story: Story, near: bool) -> None:
    """The client uses the URL-safe alphabet; the server does not.
    Near: It uses the plain alphabet."""
    text = _base64(story)
    _bad_get(
        story, text.replace("+", "-").replace("/", "_").replace("=", "%3D"), near=quote(text, safe="") if near else None
    )


@fault("self", errors="txn-no-reply http-400-bad-message", near_errors="")
def get_padding_stripped(story: Story, near: bool) -> None:
    """A firewall removes the "=" at the end; the server refuses that.
    Near: The "=" are there."""
    text = _padded(story)
    _bad_get(story, quote(text.rstrip("="), safe=""), near=quote(text, safe="") if near else None)


def _padded(story: Story) -> str:
    """A message whose base64 needs padding."""
    for more in range(3):
        encoded = Message(more=(der.attribute("1.2.3.4", der.printable("x" * (more + 1))),)).encoded(story.chance)
        text = base64.b64encode(encoded).decode()
        if text.endswith("="):
            return text
    raise AssertionError


@fault()
def get_line_breaks(story: Story, near: bool) -> None:
    """Cisco's way: the base64 is in lines of 64.
    Near: It is in one line."""
    text = _base64(story)
    lines = "".join(text[at : at + 64] + "\n" for at in range(0, len(text), 64))
    _bad_get(story, "", near=quote(text if near else lines, safe=""))


@fault("self", errors="txn-no-reply http-400-bad-message", near_errors="")
def get_not_base64(story: Story, near: bool) -> None:
    """The client percent-encodes the DER itself.
    Near: It encodes it in base64 first."""
    encoded = Message().encoded(story.chance)
    _bad_get(story, quote(encoded, safe=""), near=quote(base64.b64encode(encoded).decode(), safe="") if near else None)


@fault("self", errors="txn-no-reply http-400-bad-message", near_errors="")
def get_truncated(story: Story, near: bool) -> None:
    """A URL filter cuts the URL at 2,048 characters.
    Near: It cuts nothing."""
    text = quote(_base64(story), safe="")
    room = 2048 - len(as_get(b"", story.path, text=""))
    _bad_get(story, text[:room], near=text if near else None)


def _bad_post(story: Story, raw: bytes, kind: str, *, near: bool, **options: object) -> None:
    story.software = None
    story.lead(FULL_CAPS)
    message = Message(cipher="aes128")
    if near:
        story.enroll(message)
    else:
        story.fails(
            "500 Internal Server Error",
            b"asn1: structure error",
            "text/plain",
            message=message,
            raw=raw,
            sent_kind=kind,
            **options,
        )


@fault("self", errors="txn-no-reply ndes-http-500-pkioperation-only", near_errors="")
def post_body_base64(story: Story, near: bool) -> None:
    """The client posts base64.
    Near: It posts DER."""
    _bad_post(story, base64.b64encode(Message().encoded(story.chance)), "application/x-pki-message", near=near)


@fault("self", errors="txn-no-reply ndes-http-500-pkioperation-only", near_errors="")
def post_form_encoded(story: Story, near: bool) -> None:
    """The client posts a form.
    Near: It posts DER."""
    body = b"message=" + quote(base64.b64encode(Message().encoded(story.chance)).decode(), safe="").encode()
    _bad_post(story, body, "application/x-www-form-urlencoded", near=near)


@fault("self")
def post_without_operation(story: Story, near: bool) -> None:
    """An MDM client posts a property list to the SCEP path, without an operation.
    Near: A pkiMessage is posted there without an operation, and answered."""
    story.software = None
    story.lead(FULL_CAPS)
    target = story.path
    if near:
        story.enroll(Message(cipher="aes128"), target=target)
    else:
        plist = b'<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN"><plist version="1.0"><dict/></plist>'
        story.fails(
            "400 Bad Request", b"bad request", "text/plain", raw=plist, sent_kind="application/xml", target=target
        )


@fault()
def post_content_type_odd(story: Story, near: bool) -> None:
    """The client posts application/octet-stream.
    Near: It posts application/x-pki-message."""
    story.lead()
    story.enroll(sent_kind="application/x-pki-message" if near else "application/octet-stream")


def _indefinite(encoded: bytes) -> bytes:
    """The outer element in the indefinite form of BER."""
    return b"\x30\x80" + encoded[len(encoded) - int.from_bytes(encoded[2:4], "big") :] + b"\0\0"


@fault()
def ber_indefinite_length(story: Story, near: bool) -> None:
    """The client writes BER with indefinite lengths.
    Near: It writes DER."""
    story.lead()
    encoded = Message().encoded(story.chance)
    story.enroll(raw=encoded if near else _indefinite(encoded))


@fault("self", errors="txn-no-reply ndes-http-500-pkioperation-only", near_errors="")
def not_cms(story: Story, near: bool) -> None:
    """The client posts its PKCS #10 request as it is.
    Near: It posts a pkiMessage."""
    _bad_post(story, der.request("CN=device", "client"), "application/x-pki-message", near=near)


@fault()
def trailing_bytes(story: Story, near: bool) -> None:
    """A line end follows the message.
    Near: Nothing follows."""
    story.lead()
    encoded = Message().encoded(story.chance)
    story.enroll(raw=encoded + (b"" if near else b"\r\n"))


@fault("self", errors="txn-no-reply ndes-http-500-pkioperation-only")
def post_empty_body(story: Story, near: bool) -> None:
    """The POST has an empty body, and the server finds no data.
    Near: It has its message in it."""
    story.software, story.path = None, "/scep"
    story.lead()
    if near:
        story.enroll()
        return
    story.fails("500 Internal Server Error", b"invalid data len 0", "text/plain; charset=utf-8", raw=b"")
