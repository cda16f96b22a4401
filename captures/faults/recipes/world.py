"""A CA with an RA, a server and a client, and the story they tell: capabilities, CA certificates, an enrollment. Recipes change one thing.

Never imports the analyzer: a decoder that is tested with its own encoder agrees with its own mistakes.
"""

import base64
import datetime as dt
import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import format_datetime
from urllib.parse import quote

import der
from wires import Tcp, Wire

START = dt.datetime(2026, 3, 2, 8, 15, tzinfo=dt.UTC)
YEAR_AGO, HOUR = START - dt.timedelta(days=300), dt.timedelta(hours=1)
CLIENT, SERVER, HOST = "192.168.10.20", "192.168.1.5", "ndes.corp.example"
PATH = "/certsrv/mscep/mscep.dll/pkiclient.exe"
CAPS = "POSTPKIOperation\nRenewal\nSHA-512\nSHA-256\nSHA-1\nDES3\n"
FULL_CAPS = "AES\nDES3\nPOSTPKIOperation\nRenewal\nSHA-1\nSHA-256\nSHA-512\nSCEPStandard\nGetNextCACert\n"
RA_TYPE, CA_TYPE, MESSAGE_TYPE = (
    "application/x-x509-ca-ra-cert",
    "application/x-x509-ca-cert",
    "application/x-pki-message",
)
IIS = "Microsoft-IIS/10.0"

CA_USAGE = der.key_usage("digitalSignature", "keyCertSign", "cRLSign")
ALL_USAGE = der.key_usage("digitalSignature", "keyEncipherment", "keyCertSign", "cRLSign")
SIGNS, ENCRYPTS = der.key_usage("digitalSignature"), der.key_usage("keyEncipherment")
BOTH = der.key_usage("digitalSignature", "keyEncipherment")
AGENT, USER = der.extended_key_usage("agent"), der.extended_key_usage("clientAuth")
CA_NAME, RA_NAME, DEVICE = (
    "DC=example,CN=Corp Issuing CA",
    "C=US,CN=NDES01-MSCEP-RA",
    "O=Example,CN=device-1.corp.example",
)


def ca(
    *extensions: bytes,
    key: str = "ca",
    subject: str = CA_NAME,
    serial: int = 0x4D3E21F0,
    days: float = 3650,
    start: dt.datetime = YEAR_AGO,
) -> bytes:
    return der.certificate(subject, key, subject, key, serial, start, days, *(extensions or (CA_USAGE,)), ca=True)


def ra(
    *extensions: bytes,
    key: str = "ra-signing",
    serial: int = 0x5D1,
    days: float = 730,
    start: dt.datetime = YEAR_AGO,
    issuer: str = CA_NAME,
    issuer_key: str = "ca",
    signature: str = "sha256WithRSA",
) -> bytes:
    return der.certificate(RA_NAME, key, issuer, issuer_key, serial, start, days, *extensions, signature=signature)


CA = ca()
RA_SIGN = ra(SIGNS, AGENT)
RA_CRYPT = ra(ENCRYPTS, AGENT, key="ra-encryption", serial=0x6A8)
RA_BOTH = ra(BOTH, AGENT, key="ra-encryption", serial=0x7B0)
SET = (RA_SIGN, CA, RA_CRYPT)
LONE_CA = ca(ALL_USAGE, subject="CN=Lone CA", serial=0x77)


def requester(
    key: str = "client", subject: str = DEVICE, *, serial: int = 1, start: dt.datetime = START - HOUR, days: float = 365
) -> bytes:
    """A self-signed certificate."""
    return der.certificate(subject, key, subject, key, serial, start, days)


def issued(
    key: str = "client",
    subject: str = DEVICE,
    *extensions: bytes,
    serial: int = 0x112F,
    start: dt.datetime = START - HOUR,
    days: float = 365,
    issuer: str = CA_NAME,
    issuer_key: str = "ca",
) -> bytes:
    return der.certificate(subject, key, issuer, issuer_key, serial, start, days, *(extensions or (BOTH, USER)))


REQUESTER, ISSUED = requester(), issued()
TXID = "5C1E83D6A07B4F2990D1E8A6B35C7F42"


@dataclass
class Message:
    """A request. ``attributes`` replaces values by name (None leaves one out); ``more`` adds attributes."""

    type: int = 19
    transaction_id: str = TXID
    nonce: bytes = bytes(range(16))
    key: str = "client"
    signer: bytes = REQUESTER
    certificates: tuple[bytes, ...] | None = ()
    """Empty: the signer's."""
    content: bytes | None = None
    """What is inside the envelope; None: a PKCS #10 request."""
    csr: bytes | None = None
    recipients: tuple[bytes, ...] = (RA_CRYPT,)
    cipher: str = "3des"
    sealed: dict[str, object] = field(default_factory=dict)
    """More arguments of the envelope."""
    envelope: bytes | None = None
    """The whole eContent, where it is none of ours."""
    digest: str = "sha256"
    signing_time: dt.datetime | None = None
    attributes: dict[str, bytes | None] = field(default_factory=dict)
    more: tuple[bytes, ...] = ()
    made: dict[str, object] = field(default_factory=dict)
    """More arguments of the SignedData."""

    def encoded(self, chance: random.Random) -> bytes:
        inside = self.content
        if inside is None:
            subject_key = self.key if self.key != "ec" else "client"
            inside = self.csr if self.csr is not None else der.request(DEVICE, subject_key)
        sealed = self.envelope
        if sealed is None:
            sealed = der.envelope(inside, *self.recipients, cipher=self.cipher, chance=chance, **self.sealed)  # type: ignore[arg-type]
        values: dict[str, bytes | None] = {
            "messageType": der.printable(str(self.type)),
            "transactionID": der.printable(self.transaction_id),
            "senderNonce": der.octets(self.nonce),
            **({"signingTime": der.time(self.signing_time)} if self.signing_time is not None else {}),
            **self.attributes,
        }
        every = [der.attribute(name, value) for name, value in values.items() if value is not None]
        certificates = (self.signer,) if self.certificates == () else self.certificates
        return der.signed(
            sealed, [*every, *self.more], self.signer, self.key, certificates, digest=self.digest, **self.made
        )  # type: ignore[arg-type]


@dataclass
class Reply:
    """An answer. What is None is taken from the request. ``content`` is the whole eContent, where it is none of ours."""

    status: int | None = 0
    fail: int | None = None
    text: str | None = None
    hresult: int | None = None
    type: int = 3
    transaction_id: str | None = None
    recipient_nonce: bytes | None = None
    nonce: bytes = bytes(range(100, 116))
    certificates: tuple[bytes, ...] = (ISSUED,)
    recipient: bytes | None = None
    content: bytes | None = None
    cipher: str = "3des"
    signer: bytes = RA_SIGN
    key: str = "ra-signing"
    included: tuple[bytes, ...] | None = None
    attributes: dict[str, bytes | None] = field(default_factory=dict)
    made: dict[str, object] = field(default_factory=dict)

    def encoded(self, asked: Message, chance: random.Random) -> bytes:
        content = self.content
        if content is None and self.status == 0:
            content = der.envelope(
                der.degenerate(*self.certificates), self.recipient or asked.signer, cipher=self.cipher, chance=chance
            )
        values: dict[str, bytes | None] = {
            "messageType": der.printable(str(self.type)),
            "pkiStatus": der.printable(str(self.status)) if self.status is not None else None,
            "failInfo": der.printable(str(self.fail)) if self.fail is not None else None,
            "failInfoText": der.utf8(self.text) if self.text is not None else None,
            "hresult": der.printable(str(self.hresult)) if self.hresult is not None else None,
            "transactionID": der.printable(self.transaction_id or asked.transaction_id),
            "recipientNonce": der.octets(self.recipient_nonce or asked.nonce),
            "senderNonce": der.octets(self.nonce),
            **self.attributes,
        }
        every = [der.attribute(name, value) for name, value in values.items() if value is not None]
        return der.signed(content, every, self.signer, self.key, self.included, **self.made)  # type: ignore[arg-type]


def refusal(fail: int = 2, **more: object) -> Reply:
    """A FAILURE as NDES sends it: one zero byte for content."""
    return Reply(status=2, fail=fail, content=b"\0", **more)  # type: ignore[arg-type]


PENDING = Reply(status=3, content=b"\0")


def as_get(message: bytes, path: str = PATH, *, text: str | None = None) -> str:
    """The target of a PKIOperation by GET."""
    value = quote(base64.b64encode(message).decode(), safe="") if text is None else text
    return f"{path}?operation=PKIOperation&message={value}"


@dataclass
class Story:
    """An enrollment over one connection a request; every step can be changed or left out (None)."""

    wire: Wire
    client: str = CLIENT
    server: str = SERVER
    port: int = 80
    host: str | None = HOST
    path: str = PATH
    agent: str = "test-client/1.0"
    software: str | None = IIS
    version: str = "HTTP/1.1"
    skew: dt.timedelta = dt.timedelta(0)
    """How far the server's Date is ahead."""
    chance: random.Random = field(default_factory=lambda: random.Random(8894))

    # -- one exchange --------------------------------------------------------------------------------------------------

    def connect(self, **options: object) -> Tcp:
        return self.wire.connect(self.client, self.server, self.port, **options)

    def question(
        self, method: str, target: str, body: bytes = b"", headers: tuple[str, ...] = (), kind: str | None = None
    ) -> bytes:
        lines = [f"{method} {target} {self.version}"]
        if self.host is not None:
            lines.append(f"Host: {self.host}")
        lines += [f"User-Agent: {self.agent}", *headers]
        if kind:
            lines.append(f"Content-Type: {kind}")
        if (body or method == "POST") and not any(
            each.lower().startswith(("content-length", "transfer-encoding")) for each in headers
        ):
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body

    def response(
        self,
        body: bytes,
        kind: str | None,
        status: str = "200 OK",
        headers: tuple[str, ...] = (),
        length: int | None = None,
    ) -> bytes:
        moment = dt.datetime.fromtimestamp(self.wire.now // 10**9, dt.UTC) + self.skew
        lines = [f"HTTP/1.1 {status}"]
        if kind:
            lines.append(f"Content-Type: {kind}")
        if self.software and not any(each.startswith("Server:") for each in headers):
            lines.append(f"Server: {self.software}")
        lines += [f"Date: {format_datetime(moment, usegmt=True)}", *headers]
        if not any(each.lower().startswith("transfer-encoding") for each in headers):
            lines.append(f"Content-Length: {len(body) if length is None else length}")
        return "\r\n".join([*lines, "Connection: close"]).encode("latin-1") + b"\r\n\r\n" + body

    def exchange(
        self, question: bytes, answer: bytes | Callable[[], bytes] | None, *, wait: float = 0.02, **options: object
    ) -> Tcp:
        """Ask and answer on a connection of its own."""
        tcp = self.connect(**options)
        tcp.send("C", question)
        self.wire.pause(wait)
        if answer is not None:
            tcp.send("S", answer() if callable(answer) else answer)
            tcp.close("S")
        self.wire.pause(0.1)
        return tcp

    def get(
        self,
        target: str,
        body: bytes,
        kind: str | None,
        status: str = "200 OK",
        *,
        headers: tuple[str, ...] = (),
        wait: float = 0.02,
        **options: object,
    ) -> Tcp:
        return self.exchange(
            self.question("GET", target), lambda: self.response(body, kind, status, headers), wait=wait, **options
        )

    # -- the steps ----------------------------------------------------------------------------------------------------

    def caps(
        self, text: str | bytes = CAPS, kind: str | None = "text/plain", status: str = "200 OK", **options: object
    ) -> Tcp:
        body = text.encode() if isinstance(text, str) else text
        return self.get(f"{self.path}?operation=GetCACaps", body, kind, status, **options)  # type: ignore[arg-type]

    def cacert(
        self,
        offer: tuple[bytes, ...] | bytes = SET,
        kind: str | None = RA_TYPE,
        status: str = "200 OK",
        parameter: str = "",
        **options: object,
    ) -> Tcp:
        body = der.degenerate(*offer) if isinstance(offer, tuple) else offer
        query = f"?operation=GetCACert{'&message=' + parameter if parameter else ''}"
        return self.get(self.path + query, body, kind, status, **options)  # type: ignore[arg-type]

    def lead(self, caps: str | None = CAPS, offer: tuple[bytes, ...] | None = SET, **options: object) -> "Story":
        """What leads up to a request."""
        if caps is not None:
            self.caps(caps, **options)
        if offer is not None:
            self.cacert(offer, **options)
        return self

    def enroll_unanswered(self, message: Message | None = None, **options: object) -> Tcp:
        """PKIOperation that nobody answers; the connection stays open."""
        tcp = self.connect(**options)
        body = (message or Message()).encoded(self.chance)
        tcp.send("C", self.question("POST", f"{self.path}?operation=PKIOperation", body, kind=MESSAGE_TYPE))
        self.wire.pause(0.5)
        return tcp

    def enroll(
        self,
        message: Message | None = None,
        reply: Reply | None = None,
        *,
        raw: bytes | None = None,
        answer: bytes | None = None,
        method: str = "POST",
        target: str | None = None,
        status: str = "200 OK",
        kind: str | None = MESSAGE_TYPE,
        sent_kind: str | None = MESSAGE_TYPE,
        headers: tuple[str, ...] = (),
        sent_headers: tuple[str, ...] = (),
        wait: float = 0.2,
        **options: object,
    ) -> Tcp:
        """PKIOperation. ``raw`` is the body of the request, ``answer`` that of the answer, where they are not made of message and reply."""
        asked = message or Message()
        encoded = asked.encoded(self.chance)
        body = answer if answer is not None else (reply or Reply()).encoded(asked, self.chance)
        if method == "GET":
            question = self.question("GET", target or as_get(encoded, self.path), headers=sent_headers)
        else:
            sent = encoded if raw is None else raw
            question = self.question(
                method, target or f"{self.path}?operation=PKIOperation", sent, sent_headers, sent_kind
            )
        return self.exchange(question, lambda: self.response(body, kind, status, headers), wait=wait, **options)

    def fails(
        self, status: str, body: bytes = b"", kind: str | None = "text/html", *, method: str = "POST", **options: object
    ) -> Tcp:
        """PKIOperation that HTTP answers."""
        return self.enroll(method=method, answer=body, status=status, kind=kind, **options)  # type: ignore[arg-type]


def page(words: str) -> bytes:
    return f"<!DOCTYPE html><html><head><title>{words}</title></head><body><h1>{words}</h1></body></html>".encode()


def admin_page(challenge: str = "8A6F2B1C4D5E7F90", thumbprint: str = "", minutes: int | None = 60) -> bytes:
    """NDES's page, in UTF-16."""
    import hashlib

    digits = thumbprint or hashlib.md5(CA, usedforsecurity=False).hexdigest().upper()
    grouped = " ".join(digits[at : at + 8] for at in range(0, len(digits), 8))
    life = (
        "This password can be used only once and will expire within 60 minutes."
        if minutes
        else "This password can be used multiple times and will not expire."
    )
    text = (
        f"<HTML><Body><P>The thumbprint (hash value) for the CA certificate is: <B> {grouped} </B><P>"
        f"The enrollment challenge password is: <B> {challenge} </B><P>{life}</Body></HTML>"
    )
    return text.encode("utf-16-le")


def seeded(name: str) -> random.Random:
    """Chance that is the same each time for a recipe."""
    return random.Random(zlib.crc32(name.encode()))
