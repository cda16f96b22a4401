"""HTTP exchanges and SCEP messages in few words, for the tests of what is made of them."""

import base64
import itertools
import random
from urllib.parse import quote

from scep_analyzer.model.exchanges import Body, HttpExchange, Request, Response
from scep_analyzer.model.packets import Endpoint
from tests.builders import pki
from tests.builders.scene import CLIENT_KEY, ISSUED, REQUESTER, SIGNER, SIGNER_KEY

CLIENT, SERVER = Endpoint("10.0.0.1", 40000), Endpoint("10.0.0.2", 80)
SECOND = 1_000_000_000
NONCE = bytes(16)
_numbers = itertools.count(1)


def http(
    target: str,
    answer: bytes | None = b"",
    kind: str | None = None,
    *,
    status: int = 200,
    post: bytes | None = None,
    at: int | None = None,
    took: int = SECOND // 100,
    client: Endpoint = CLIENT,
    server: Endpoint = SERVER,
    gone: str | None = None,
    whole: bool = True,
    request: bool = True,
) -> HttpExchange:
    """One exchange; its frames are numbered on, its time is ``at`` seconds."""
    number = next(_numbers)
    start = (number if at is None else at) * SECOND
    headers = (("Content-Type", kind),) if kind is not None else ()
    asked = Request(
        "GET" if post is None else "POST",
        target,
        "HTTP/1.1",
        (("Host", "ca.example"),),
        Body(post or b"", len(post or b""), complete=True),
        (10 * number,),
        start,
        complete=True,
    )
    answered = None
    if answer is not None:
        body = Body(answer, len(answer), complete=whole)
        answered = Response(
            status,
            "OK" if status == 200 else "Error",
            "HTTP/1.1",
            headers,
            body,
            (10 * number + 1,),
            start + took,
            whole,
        )
    return HttpExchange(number, client, server, asked if request else None, answered, gone)


def message(message_type: int, transaction_id: str = "T1", nonce: bytes = NONCE, signer: bytes = REQUESTER) -> bytes:
    """A request of the client."""
    attributes = [
        pki.printable(pki.MESSAGE_TYPE, str(message_type)),
        pki.printable(pki.TRANSACTION_ID, transaction_id),
        pki.octets(pki.SENDER_NONCE, nonce),
    ]
    sealed = pki.envelope(b"\x30\x03\x02\x01\x05", SIGNER, "aes-128-cbc", random.Random(transaction_id))
    return pki.signed_message(sealed, attributes, signer, CLIENT_KEY, [signer])


def reply(status: int, transaction_id: str = "T1", *, issued: bool = False, fail_info: int | None = None) -> bytes:
    """A CertRep; ``issued`` puts the new certificate in the clear, as Go servers do."""
    attributes = [
        pki.printable(pki.MESSAGE_TYPE, "3"),
        pki.printable(pki.PKI_STATUS, str(status)),
        pki.printable(pki.TRANSACTION_ID, transaction_id),
        pki.octets(pki.RECIPIENT_NONCE, NONCE),
    ]
    if fail_info is not None:
        attributes.append(pki.printable(pki.FAIL_INFO, str(fail_info)))
    content = (
        pki.envelope(pki.degenerate([ISSUED]), REQUESTER, "aes-128-cbc", random.Random(5)) if status == 0 else None
    )
    return pki.signed_message(content, attributes, SIGNER, SIGNER_KEY, [ISSUED, SIGNER] if issued else [SIGNER])


def get(der: bytes) -> str:
    """The target of a PKIOperation by GET."""
    return "/scep?operation=PKIOperation&message=" + quote(base64.b64encode(der).decode(), safe="")


POST = "/scep?operation=PKIOperation"
PKI_MESSAGE = "application/x-pki-message"
