"""Bodies and headers: 200, and still not what the client can use."""

import gzip

import der
from registry import fault
from world import CA_TYPE, CLIENT, MESSAGE_TYPE, RA_TYPE, SET, Message, Reply, Story, page


@fault("self", errors="cacert-failed", near_errors="cacert-failed http-401-on-scep")
def html_in_200(story: Story, near: bool) -> None:
    """A captive portal answers GetCACert with its login page and status 200.
    Near: The page comes with status 401."""
    status = "401 Unauthorized" if near else "200 OK"
    story.cacert(page("Guest Wi-Fi: please sign in"), "text/html", status)


@fault("self", errors="txn-no-reply", near_errors="")
def empty_200(story: Story, near: bool) -> None:
    """An old step-ca answers PKIOperation by GET with 200 and nothing.
    Near: It answers the POST."""
    story.software = None
    story.lead("POSTPKIOperation\nSHA-256\nDES3\n")
    if near:
        story.enroll()
    else:
        story.enroll(method="GET", answer=b"", kind=None)


@fault()
def content_type_wrong(story: Story, near: bool) -> None:
    """The CertRep comes as application/octet-stream.
    Near: It comes as application/x-pki-message with a parameter."""
    story.lead()
    story.enroll(kind="application/x-pki-message; charset=binary" if near else "application/octet-stream")


@fault()
def content_type_missing(story: Story, near: bool) -> None:
    """GetCACaps comes without a content type.
    Near: It comes as text/plain."""
    story.caps(kind="text/plain" if near else None)
    story.cacert()
    story.enroll()


@fault("self", errors="txn-stopped-after-cacert")
def content_type_contradicts_body(story: Story, near: bool) -> None:
    """A CMS set of certificates comes under the type of a single one; the client stops.
    Near: The type is that of a set."""
    story.caps()
    story.cacert(SET, RA_TYPE if near else CA_TYPE)
    if near:
        story.enroll()
    else:
        story.wire.pause(90)
        story.wire.udp(CLIENT, 123, story.server, 123, bytes(48))


@fault()
def content_encoded_body(story: Story, near: bool) -> None:
    """A proxy compresses the CertRep, though the client did not say that it takes that.
    Near: It does not."""
    story.lead()
    body = Reply().encoded(Message(), story.chance)
    story.enroll(
        answer=body if near else gzip.compress(body, mtime=0), headers=() if near else ("Content-Encoding: gzip",)
    )


@fault("self")
def body_length_mismatch(story: Story, near: bool) -> None:
    """The connection is closed after half of the answer.
    Near: All of it comes."""
    story.lead()
    asked = Message()
    body = Reply().encoded(asked, story.chance)
    tcp = story.connect()
    tcp.send(
        "C",
        story.question("POST", story.path + "?operation=PKIOperation", asked.encoded(story.chance), kind=MESSAGE_TYPE),
    )
    tcp.send("S", story.response(body if near else body[: len(body) // 2], MESSAGE_TYPE, length=len(body)))
    tcp.close()


@fault()
def chunked_to_http10(story: Story, near: bool) -> None:
    """A proxy answers an HTTP/1.0 request in chunks.
    Near: The request is HTTP/1.1."""
    story.version = "HTTP/1.1" if near else "HTTP/1.0"
    story.lead()
    body = Reply().encoded(Message(), story.chance)
    story.enroll(answer=b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body), headers=("Transfer-Encoding: chunked",))


@fault("self", errors="cacert-failed http-404-wrong-path", near_errors="cacert-failed http-404-wrong-path")
def http10_no_host(story: Story, near: bool) -> None:
    """An HTTP/1.0 client sends no Host header, and the site bound to a name does not answer it: 404.
    Near: It sends the header, and gets 404 too."""
    story.version = "HTTP/1.0"
    if not near:
        story.host = None
    story.cacert(page("Not Found"), "text/html", "404 Not Found")


@fault("self", errors="certrep-nonce-mismatch certrep-transid-mismatch certrep-not-for-requester", near_errors="")
def pkioperation_cached(story: Story, near: bool) -> None:
    """A cache gives the second client the answer of the first: X-Cache says HIT.
    Near: X-Cache says MISS, and the answer is its own."""
    from world import requester

    story.lead()
    first = Message()
    answer = Reply().encoded(first, story.chance)
    story.enroll(first, answer=answer, method="GET", headers=("X-Cache: MISS from proxy",))
    other = Message(
        key="client-2",
        signer=requester("client-2", "CN=device-2", serial=2),
        csr=der.request("CN=device-2", "client-2"),
        transaction_id="AA" * 16,
        nonce=bytes(range(50, 66)),
    )
    story.client = "192.168.10.21"
    own = Reply(certificates=(der_issued("client-2"),)).encoded(other, story.chance)
    story.enroll(
        other,
        answer=own if near else answer,
        method="GET",
        headers=(f"X-Cache: {'MISS' if near else 'HIT'} from proxy",),
    )


def der_issued(key: str) -> bytes:
    from world import issued

    return issued(key, "CN=device-2", serial=0x1130)


@fault("self", errors="txn-no-reply http-400-bad-message")
def query_malformed(story: Story, near: bool) -> None:
    """The URL in the profile ends with "?": PKIOperation without a message.
    Near: The message is in the body of a POST."""
    story.lead()
    if near:
        story.enroll()
    else:
        story.fails(
            "400 Bad Request",
            b"missing message",
            "text/plain",
            method="GET",
            target=f"{story.path}??operation=PKIOperation",
        )


@fault("self", near_errors="")
def operation_unknown(story: Story, near: bool) -> None:
    """A script asks for an operation that does not exist.
    Near: It asks for one of NDES's own."""
    operation = "NDESGetCACertThumbprint" if near else "GetCertificate"
    story.lead()
    story.enroll()
    story.get(
        f"{story.path}?operation={operation}",
        b"0123456789ABCDEF" if near else page("unknown operation"),
        "text/plain" if near else "text/html",
        "200 OK" if near else "400 Bad Request",
    )


@fault()
def slow_operation(story: Story, near: bool) -> None:
    """The CertRep comes after eight seconds.
    Near: It comes after one."""
    story.lead()
    story.enroll(wait=1 if near else 8)
