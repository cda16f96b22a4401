"""What an exchange and a transaction mean, in sentences. Every text renderer says it with these words.

The sentences are plain values of the report put into words; they judge nothing (rules judge), but say what RFC 8894 says of them.
"""

from collections.abc import Iterator, Mapping

from scep_analyzer.model.certificates import Certificate
from scep_analyzer.model.exchanges import Response, header, without_secrets
from scep_analyzer.model.names import (
    message_type_name,
    pki_status_name,
)
from scep_analyzer.model.scep import (
    CaCapabilities,
    CaCertificates,
    Kind,
    Outcome,
    PkiMessage,
    ScepExchange,
    Transaction,
)
from scep_analyzer.render.message_words import Surroundings, message_notes, refusal, reply_notes, stranger

OUTCOME_COUNTS = {
    Outcome.SUCCESS: "succeeded",
    Outcome.FAILURE: "refused",
    Outcome.PENDING: "pending",
    Outcome.UNANSWERED: "unanswered",
    Outcome.HTTP_ERROR: "ended in an HTTP answer that is not SCEP",
    Outcome.CONNECTION_FAILED: "without a connection",
    Outcome.UNKNOWN: "with unknown outcome",
}
_KIND_WORDS = {
    Kind.ENROLLMENT: "enrollment",
    Kind.RENEWAL: "renewal",
    Kind.POLL: "poll",
    Kind.GET_CERT: "GetCert",
    Kind.GET_CRL: "GetCRL",
    Kind.CA_CERTIFICATES: "CA certificates",
}
_OUTCOME_WORDS = {
    Outcome.SUCCESS: "succeeded",
    Outcome.FAILURE: "refused",
    Outcome.PENDING: "pending",
    Outcome.UNANSWERED: "unanswered",
    Outcome.HTTP_ERROR: "failed: HTTP answer instead of SCEP",
    Outcome.CONNECTION_FAILED: "failed: no connection",
    Outcome.UNKNOWN: "outcome unknown",
}
SAID_ONCE = ("User-Agent: ", "Server: ", "In words: ")
"""How sentences start that are the same for every message of a host."""
_OPERATION_MEANINGS = {
    "GetCACaps": "The client asks what the server can do (RFC 8894, 3.5.1).",
    "GetCACert": "The client asks for the CA's certificates, and its RA's if there is one (RFC 8894, 4.2).",
    "GetCACertChain": "The client asks for the CA's chain (draft-nourse-scep; gone from RFC 8894).",
    "GetNextCACert": "The client asks for the CA certificate that will come next, before a rollover (RFC 8894, 4.7).",
}

_CAPABILITY_MEANINGS = {
    "POSTPKIOperation": "messages may be sent by POST",
    "Renewal": "renewal with the existing certificate",
    "GetNextCACert": "CA rollover",
    "SCEPStandard": "AES, SHA-256 and POST, all of RFC 8894's musts",
    "AES": "AES-128-CBC",
    "DES3": "3DES-CBC",
}
_GONE_WORDS = {
    "fin": "the server closed the connection without an answer",
    "rst": "the connection was reset before an answer",
    "reused": "the client opened a new connection on the same ports before an answer",
    "end-of-capture": "no answer by the end of the capture",
    "lost": "the answer is not in the capture (bytes are missing there)",
    "gap": "the answer is not in the capture (bytes are missing there)",
    "limit": "given up waiting for the answer (a limit of this program)",
}
_CUT_WORDS = {
    "gap": "the capture misses bytes of it",
    "framing": "its chunked framing is damaged",
    "limit": "it is longer than this program keeps",
    "fin": "the sender closed the connection early",
    "rst": "the connection was reset",
    "end-of-capture": "the capture ends before it does",
}


def counted(exchanges: int, outcomes: Mapping[Outcome, int]) -> str:
    """How much there was, and how it ended."""
    transactions = sum(outcomes.values())
    if not exchanges and not transactions:
        return "No SCEP found."
    ended = ", ".join(f"{number:,} {OUTCOME_COUNTS[outcome]}" for outcome, number in outcomes.items())
    some = "1 SCEP exchange" if exchanges == 1 else f"{exchanges:,} SCEP exchanges"
    return f"{some} in {'1 transaction' if transactions == 1 else f'{transactions:,} transactions'}: {ended}"


def title(transaction: Transaction) -> str:
    """The headline: what, and how it ended."""
    if transaction.kind is Kind.CA_CERTIFICATES and transaction.outcome is Outcome.CONNECTION_FAILED:
        return "No connection to the server"
    if transaction.kind is Kind.CA_CERTIFICATES and transaction.outcome is Outcome.SUCCESS:
        return "CA capabilities and certificates fetched, no enrollment followed"
    polled = (
        f" after {transaction.polls} polls" if transaction.polls > 1 else " after 1 poll" if transaction.polls else ""
    )
    kind = _KIND_WORDS[transaction.kind]
    return f"{kind[0].upper()}{kind[1:]} {_OUTCOME_WORDS[transaction.outcome]}{polled}"


def why(transaction: Transaction) -> str:
    """Why it ended so, in a sentence with the values of this capture."""
    decisive = transaction.decisive
    if decisive is None:
        how = transaction.failed_connections[-1].how if transaction.failed_connections else "unanswered"
        if how == "refused":
            return (
                f"{transaction.server} refused the connection (RST): nothing listens there, or a firewall rejects it."
            )
        return f"{transaction.server} never answered the connection attempt (SYN): it is down, or a firewall drops it."
    response = decisive.http.response
    reply = decisive.reply
    if transaction.outcome is Outcome.SUCCESS:
        return _why_success(transaction, reply)
    if transaction.outcome is Outcome.FAILURE and reply is not None:
        return f"The server says: {refusal(reply)}.{stranger(transaction)}"
    if transaction.outcome is Outcome.PENDING:
        return "The CA holds the request for approval; the client must poll (CertPoll) to fetch the certificate later."
    if transaction.outcome is Outcome.HTTP_ERROR and response is not None:
        said = (
            f": “{decisive.body_text}”"
            if decisive.body_text
            else ", with nothing in it"
            if not response.body.length
            else ""
        )
        what = decisive.operation or "the request"
        return f"To {what} the server answered HTTP {response.status} {response.reason}{said}.{stranger(transaction)}"
    if response is None:
        return f"{decisive.operation or 'The request'}: {_GONE_WORDS.get(decisive.http.gone or '', 'no answer')}."
    if not response.complete:
        return f"The answer is not whole in the capture: {_CUT_WORDS.get(response.cut_by or '', 'bytes are missing')}."
    return f"The answer has no pkiStatus that RFC 8894 knows ({reply.pki_status if reply else 'none'})."


def _why_success(transaction: Transaction, reply: PkiMessage | None) -> str:
    issued = transaction.issued
    if issued is not None:
        until = f", valid until {issued.not_after:%Y-%m-%d %H:%M} UTC" if issued.not_after else ""
        return f"The CA issued {issued.subject}, serial number {issued.serial_number}{until}."
    if transaction.kind is Kind.CA_CERTIFICATES:
        return "The server answered."
    if reply is not None and reply.envelope is None:
        return "The server says SUCCESS, but its answer holds no envelope and so no certificate."
    what = "CRL" if transaction.kind is Kind.GET_CRL else "certificate"
    return f"The server says SUCCESS; the {what} is in the envelope, which only the client's key opens."


# -- steps --------------------------------------------------------------------------------------------------------------


def request_title(exchange: ScepExchange) -> str:
    """What is asked, in a few words."""
    request, message = exchange.http.request, exchange.request
    method = request.method.upper() if request is not None else ""
    if message is not None:
        name = message_type_name(message.message_type) or f"messageType {message.message_type}"
        if message.partial and message.message_type is None:
            name = "a message that is cut or damaged"
        return f"{exchange.operation or 'POST'} ({method}): {name}"
    if exchange.operation is None:
        return f"{method} {without_secrets(request.target) if request is not None else ''}"
    parameter = f' message="{exchange.message_parameter}"' if exchange.message_parameter else ""
    return f"{exchange.operation} ({method}){parameter}"


def request_notes(exchange: ScepExchange, around: Surroundings) -> Iterator[str]:
    """What the request means, a sentence each."""
    request, message = exchange.http.request, exchange.request
    if request is None:
        yield "The request is not in the capture."
        return
    if message is not None:
        yield from message_notes(message, around)
    elif exchange.operation == "PKIOperation":
        yield "A SCEP message belongs here; it could not be read."
    elif exchange.operation in _OPERATION_MEANINGS:
        yield _OPERATION_MEANINGS[exchange.operation]
    else:
        yield "Not a SCEP operation; listed because SCEP runs on this path."
    agent = header(request.headers, "user-agent")
    if agent:
        yield f"User-Agent: {agent}"
    if not request.complete:
        yield f"The request is not whole in the capture: {_CUT_WORDS.get(request.cut_by or '', 'bytes are missing')}."


def response_title(exchange: ScepExchange) -> str:
    """What was answered, in a few words."""
    response, reply = exchange.http.response, exchange.reply
    if response is None:
        return _GONE_WORDS.get(exchange.http.gone or "", "no answer")
    status = f"{response.status} {response.reason}".strip()
    if reply is not None and not reply.partial:
        kind = message_type_name(reply.message_type) or f"messageType {reply.message_type}"
        name = pki_status_name(reply.pki_status) or f"pkiStatus {reply.pki_status}"
        return f"{kind} {name}" + ("" if response.status == 200 else f", HTTP {status}")
    return f"{status}, {header(response.headers, 'content-type') or 'no content type'}, {response.body.length:,} bytes"


def response_notes(exchange: ScepExchange, around: Surroundings) -> Iterator[str]:
    """What the answer means, a sentence each."""
    response, content = exchange.http.response, exchange.response
    if response is None:
        return
    if isinstance(content, CaCapabilities):
        yield from _capabilities(content)
    elif isinstance(content, PkiMessage):
        yield from reply_notes(content, exchange.request, around)
    elif content is None:
        yield from _not_scep(exchange, response)
    server = header(response.headers, "server")
    if server:
        yield f"Server: {server}"
    if isinstance(content, CaCertificates):
        yield _about_set(content, header(response.headers, "content-type") or "")
    if not response.complete:
        yield f"The answer is not whole in the capture: {_CUT_WORDS.get(response.cut_by or '', 'bytes are missing')}."


def _not_scep(exchange: ScepExchange, response: Response) -> Iterator[str]:
    if exchange.body_text:
        yield f"The server says: “{exchange.body_text}”"
    elif not response.body.length and response.complete:
        yield "The answer is empty."
    elif response.status < 300 and response.complete:
        yield "The answer could not be read as SCEP."


def _capabilities(content: CaCapabilities) -> Iterator[str]:
    if not content.keywords:
        yield "No capabilities: clients then fall back to the oldest set (GET, single DES, MD5 or SHA-1)."
        return
    yield "The server can: " + ", ".join(content.keywords)
    known = [f"{word}: {_CAPABILITY_MEANINGS[word]}" for word in content.keywords if word in _CAPABILITY_MEANINGS]
    if known:
        yield "In words: " + "; ".join(known) + "."


def _about_set(content: CaCertificates, kind: str) -> str:
    count = len(content.certificates)
    certificates = "1 certificate" if count == 1 else f"{count} certificates"
    has_ra = any((each.role or "").startswith("ra") for each in content.certificates)
    says_ra = "ca-ra-cert" in kind.lower()
    if content.form == "signed":
        return f"The next CA's certificates, signed by the current CA; {certificates}:"
    if says_ra and has_ra:
        return f"Content type x-x509-ca-ra-cert: an RA is in use; {certificates}:"
    if says_ra:
        return f"Content type x-x509-ca-ra-cert announces an RA, but no certificate of an RA is among them; {certificates}:"
    if has_ra:
        return f"An RA certificate is among them, though the content type does not announce one; {certificates}:"
    return f"No RA: the client encrypts for the CA itself; {certificates}:"


def certificates_to_show(exchange: ScepExchange) -> tuple[Certificate, ...]:
    """The certificates of an answer that a reader wants to see: a CA's set, or the one that was issued."""
    content = exchange.response
    if isinstance(content, CaCertificates):
        return content.certificates
    if isinstance(content, PkiMessage):
        inside = content.envelope.content if content.envelope is not None else None
        if inside is not None and inside.certificates:
            return inside.certificates
        return (content.issued,) if content.issued is not None else ()
    return ()
