"""SCEP messages, exchanges and transactions as values (RFC 8894)."""

from collections.abc import Callable
from datetime import datetime
from enum import Enum, IntEnum
from typing import NamedTuple

from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.certificates import Certificate
from scep_analyzer.model.content import Content
from scep_analyzer.model.exchanges import HttpExchange
from scep_analyzer.model.packets import Endpoint
from scep_analyzer.model.values import written
from scep_analyzer.model.verdict import NOT_TOLD, Verdict


class MessageType(IntEnum):
    """messageType (RFC 8894, Section 3.2.1.2; 18 is the UpdateReq of early draft-gutmann-scep)."""

    CertRep = 3
    RenewalReq = 17
    UpdateReq = 18
    PKCSReq = 19
    CertPoll = 20
    GetCert = 21
    GetCRL = 22


class PkiStatus(IntEnum):
    """pkiStatus (RFC 8894, Section 3.2.1.3)."""

    SUCCESS = 0
    FAILURE = 2
    PENDING = 3


class FailInfo(IntEnum):
    """failInfo (RFC 8894, Section 3.2.1.4)."""

    badAlg = 0
    badMessageCheck = 1
    badRequest = 2
    badTime = 3
    badCertId = 4


class Recipient(NamedTuple):
    """Whom an envelope is encrypted for. ``kind`` is key-transport, key-agreement, kek, password or other.

    Issuer and serial number are None where the certificate is named by ``key_identifier`` (hex) or not at all.
    """

    kind: str
    issuer: str | None
    serial_number: str | None
    key_identifier: str | None = None
    encrypted_key_length: int | None = None
    """Bytes of the encrypted content key; with RSA that is the size of the modulus."""

    @property
    def identity(self) -> tuple[str, str] | None:
        """Issuer and serial number, as :attr:`Certificate.identity`."""
        if self.issuer is None or self.serial_number is None:
            return None
        return self.issuer, self.serial_number


class Envelope(NamedTuple):
    """The pkcsPKIEnvelope from outside (RFC 8894, Section 3.2.2): for whom and how it is encrypted."""

    recipients: tuple[Recipient, ...]
    key_encryption_algorithm: str | None
    content_encryption_algorithm: str | None
    content: Content | None = None
    """What is inside, where a key opened it."""
    opened_by: str | None = None
    """The file of the key that opened it."""
    problem: str | None = None
    """Why none of the keys given opened it."""
    key_fits: bool = False
    """Whether a key that was given belongs to the recipient's certificate, opened or not."""
    content_type: str | None = None
    """What the encrypted content is said to be; id-data (1.2.840.113549.1.7.1) belongs there."""
    iv_length: int | None = None
    ciphertext_length: int | None = None
    pieces: int = 0
    """Of how many OCTET STRINGs the encrypted content is made (a constructed one, which BER allows and DER does not); 0: of one whole."""


class Attribute(NamedTuple):
    """A signed attribute that is none of SCEP's and CMS's own: OID, name if known, value as text or hex."""

    oid: str
    name: str | None
    value: str


class AttributeForm(NamedTuple):
    """How a signed attribute was sent: the ASN.1 types and lengths of its values, and how often the attribute itself is sent."""

    oid: str
    types: tuple[str, ...]
    lengths: tuple[int, ...]
    times: int = 1


class PkiMessage(NamedTuple):
    """A pkiMessage: the outer SignedData and what its attributes say (RFC 8894, Section 3).

    Every attribute may be absent (None). ``message_type``, ``pki_status`` and ``fail_info`` are numbers as sent, whatever their
    meaning; nonces are lower-case hex. ``sha256`` identifies the whole message, to recognise it on another leg.
    """

    message_type: int | None
    transaction_id: str | None
    sender_nonce: str | None
    recipient_nonce: str | None
    pki_status: int | None
    fail_info: int | None
    fail_info_text: str | None
    signing_time: datetime | None
    hresult: int | None
    digest_algorithm: str | None
    signature_algorithm: str | None
    signer_identity: tuple[str, str] | None
    signer: Certificate | None
    certificates: tuple[Certificate, ...]
    envelope: Envelope | None
    other_attributes: tuple[Attribute, ...]
    sha256: str
    length: int
    digest: Verdict = NOT_TOLD
    signature: Verdict = NOT_TOLD
    partial: bool = False
    """The message is truncated or damaged; only its whole parts were read."""
    forms: tuple[AttributeForm, ...] = ()
    """Every signed attribute, in order."""
    content_length: int | None = None
    """Bytes of the eContent, None where it is absent."""

    def form(self, oid: str) -> AttributeForm | None:
        """How this attribute was sent, None where it was not."""
        return next((each for each in self.forms if each.oid == oid), None)

    @property
    def message_type_words(self) -> str:
        """The messageType by name, or by number where it has none."""
        known = next((each.name for each in MessageType if each == self.message_type), None)
        return known or f"messageType {self.message_type}"

    @property
    def issued(self) -> Certificate | None:
        """The issued certificate, where the message carries it in the clear or its envelope was opened."""
        inside = self.envelope.content if self.envelope is not None else None
        every = (*(inside.certificates if inside is not None else ()), *self.certificates)
        return next((each for each in every if each.role == "issued"), None)


class CaCapabilities(NamedTuple):
    """GetCACaps: the words as sent, in order (RFC 8894, Section 3.5.2)."""

    keywords: tuple[str, ...]
    line_end: str = ""
    """How its lines end: crlf or lf, empty where there is one line only. Products differ in it."""


class CaCertificates(NamedTuple):
    """GetCACert, GetCACertChain or GetNextCACert: the certificates with their roles.

    ``form`` is x509 (one certificate), degenerate (a SignedData without signer) or signed (GetNextCACert's, ``signer``).
    """

    form: str
    certificates: tuple[Certificate, ...]
    signer_identity: tuple[str, str] | None = None
    signature: Verdict = NOT_TOLD
    """Of a signed set: whether the signer's certificate, seen earlier or included, made the signature."""


ResponseContent = PkiMessage | CaCapabilities | CaCertificates


Kept = Callable[[], bytes]
"""Bytes that were put aside, wherever that is; calling it brings them back."""


class ScepExchange(NamedTuple):
    """One HTTP exchange and what it means in SCEP.

    ``http`` has its bodies released. ``operation`` is the canonical name, the name as sent where it is unknown, None where there is
    none. ``body_text`` is the beginning of a response that is text and not SCEP (an error page).
    """

    http: HttpExchange
    operation: str | None
    operation_as_sent: str | None
    message_parameter: str | None
    request: PkiMessage | None
    response: ResponseContent | None
    body_text: str | None = None
    anomalies: tuple[Anomaly, ...] = ()
    request_kind: str | None = None
    """What the request's body or message parameter is, where it is no pkiMessage."""
    response_kind: str | None = None
    """The same of a response that is nothing SCEP knows."""
    raw_request: Kept | None = None
    """Gives the message as DER or BER, freed of its URL or text encoding; only where it was asked for."""
    raw_response: Kept | None = None
    """The response's message or certificates, in the same way."""

    def __repr__(self) -> str:
        return written(self, "raw_request", "raw_response")

    @property
    def reply(self) -> PkiMessage | None:
        """The response where it is a pkiMessage."""
        return self.response if isinstance(self.response, PkiMessage) else None

    @property
    def transaction_id(self) -> str | None:
        """The request's transactionID, else the reply's."""
        if self.request is not None and self.request.transaction_id is not None:
            return self.request.transaction_id
        return self.reply.transaction_id if self.reply is not None else None


class AdminPage(NamedTuple):
    """NDES's administration page, that hands out challenge passwords. ``says``: challenge, cache-full, no-permission or other.

    ``minutes`` is how long the challenge is good, ``reusable`` whether it never expires; both None where the page does not say.
    """

    says: str
    challenge: str | None = None
    thumbprint: str | None = None
    minutes: int | None = None
    reusable: bool | None = None

    def __repr__(self) -> str:
        return written(self, "challenge")


class Bystander(NamedTuple):
    """An HTTP exchange that accompanies SCEP.

    ``kind``: admin (NDES's administration page), policy-module, crl, connect (a proxy refuses a tunnel).
    """

    kind: str
    http: HttpExchange
    page: AdminPage | None = None


class Kind(Enum):
    """What a transaction is for."""

    ENROLLMENT = "enrollment"
    RENEWAL = "renewal"
    POLL = "poll"
    GET_CERT = "get-cert"
    GET_CRL = "get-crl"
    CA_CERTIFICATES = "ca-certificates"


class Outcome(Enum):
    """How a transaction ended, as far as the capture shows."""

    SUCCESS = "success"
    FAILURE = "failure"
    PENDING = "pending"
    UNANSWERED = "unanswered"
    HTTP_ERROR = "http-error"
    CONNECTION_FAILED = "connection-failed"
    UNKNOWN = "unknown"


class FailedConnection(NamedTuple):
    """A connection to a SCEP server that never opened: refused or unanswered."""

    client: Endpoint
    server: Endpoint
    connection: int
    how: str
    frames: tuple[int, ...]
    time_ns: int | None


class Transaction(NamedTuple):
    """Exchanges that belong together, in order of their requests, and how they ended."""

    transaction_id: str | None
    client: str
    server: Endpoint
    kind: Kind
    outcome: Outcome
    exchanges: tuple[ScepExchange, ...]
    failed_connections: tuple[FailedConnection, ...] = ()
    subject: str | None = None
    issued: Certificate | None = None
    started_ns: int | None = None
    ended_ns: int | None = None
    polls: int = 0
    decisive: ScepExchange | None = None
    """The exchange that the outcome was read from."""

    @property
    def frame(self) -> int:
        """The frame that it begins with; 0 where it has none."""
        if self.exchanges:
            return self.exchanges[0].http.frame
        return self.failed_connections[0].frames[0] if self.failed_connections else 0
