"""What an exchange and a transaction mean, in sentences.

The sentences put plain values into words; they judge nothing (rules judge), but say what RFC 8894 says of them.
"""

from collections.abc import Iterator

from scep_analyzer.glossary import (
    CAPABILITIES,
    OPERATIONS,
    message_type_name,
    pki_status_name,
)
from scep_analyzer.model.certificates import Certificate
from scep_analyzer.model.exchanges import Response, header, without_secrets
from scep_analyzer.model.scep import (
    CaCapabilities,
    CaCertificates,
    Kind,
    Outcome,
    PkiMessage,
    ScepExchange,
    Transaction,
)
from scep_analyzer.model.words import count
from scep_analyzer.story.messages import Surroundings, message_notes, refusal, reply_notes, stranger
from scep_analyzer.story.model import Sentence, address, name, say, serial

_GONE_WORDS = {
    "fin": "the server closed the connection without a response",
    "rst": "the connection was reset before a response",
    "reused": "the client opened a new connection on the same ports before a response",
    "end-of-capture": "no response before the capture ends",
    "lost": "the response is not in the capture (bytes are missing)",
    "gap": "the response is not in the capture (bytes are missing)",
    "limit": "not waited for any longer (a limit of this program)",
}
_CUT_WORDS = {
    "recording": "its body is not recorded",
    "log": "the log cuts long fields",
    "gap": "the capture misses bytes of it",
    "framing": "its chunked framing is damaged",
    "limit": "it is longer than this program keeps",
    "fin": "the sender closed the connection early",
    "rst": "the connection was reset",
    "end-of-capture": "the capture ends before it does",
}


def why(transaction: Transaction) -> Sentence:
    """Why it ended so, in a sentence with the values of this capture."""
    decisive = transaction.decisive
    if decisive is None:
        how = transaction.failed_connections[-1].how if transaction.failed_connections else "unanswered"
        server = address(transaction.server)
        if how == "refused":
            return say("{} refused the connection (RST): nothing listens there, or a firewall rejects it.", server)
        return say("{} never answered the connection attempt (SYN): it is down, or a firewall drops it.", server)
    response = decisive.http.response
    reply = decisive.reply
    if transaction.outcome is Outcome.SUCCESS:
        return _why_success(transaction, reply)
    if transaction.outcome is Outcome.FAILURE and reply is not None:
        return say("The server says: {}.{}", refusal(reply), stranger(transaction))
    if transaction.outcome is Outcome.PENDING:
        return say(
            "The CA holds the request for approval; the client must poll (CertPoll) to fetch the certificate later."
        )
    if transaction.outcome is Outcome.HTTP_ERROR and response is not None:
        said: Sentence = ()
        if decisive.body_text:
            said = say(": “{}”", decisive.body_text)
        elif not response.body.length:
            said = say(", with an empty body")
        return say(
            f"The server returned HTTP {response.status} {{}} for {{}}{{}}.{{}}",
            response.reason,
            decisive.operation or "the request",
            said,
            stranger(transaction),
        )
    if response is None:
        return say(
            f"{{}}: {_GONE_WORDS.get(decisive.http.gone or '', 'no response')}.", decisive.operation or "The request"
        )
    if not response.complete:
        return say(
            f"The response is incomplete in the capture: {_CUT_WORDS.get(response.cut_by or '', 'bytes are missing')}."
        )
    return say(f"The response has no pkiStatus of RFC 8894 ({reply.pki_status if reply else 'none'}).")


def _why_success(transaction: Transaction, reply: PkiMessage | None) -> Sentence:
    issued = transaction.issued
    if issued is not None:
        until = f", valid until {issued.not_after:%Y-%m-%d %H:%M} UTC" if issued.not_after else ""
        return say(
            f"The CA issued {{}}, serial number {{}}{until}.", name(issued.subject), serial(issued.serial_number)
        )
    if transaction.kind is Kind.CA_CERTIFICATES:
        return say("The server sent the CA's certificates or capabilities.")
    if reply is not None and reply.envelope is None:
        return say("The server reports SUCCESS, but its response contains no envelope and so no certificate.")
    what = "CRL" if transaction.kind is Kind.GET_CRL else "certificate"
    return say(f"The server issued the {what}; it is encrypted for the client.")


# -- steps --------------------------------------------------------------------------------------------------------------


def request_title(exchange: ScepExchange) -> Sentence:
    """What is asked, in a few words."""
    request, message = exchange.http.request, exchange.request
    method = request.method.upper() if request is not None else ""
    if message is not None:
        kind = message_type_name(message.message_type) or f"messageType {message.message_type}"
        if message.partial and message.message_type is None:
            kind = "a message that is cut or damaged"
        return say("{} ({}): {}", exchange.operation or "POST", method, say(kind))
    if exchange.operation is None:
        return say("{} {}", method, without_secrets(request.target) if request is not None else "")
    parameter = say(' message="{}"', exchange.message_parameter) if exchange.message_parameter else ()
    return say("{} ({}){}", exchange.operation, method, parameter)


def request_notes(exchange: ScepExchange, around: Surroundings) -> Iterator[Sentence]:
    """What the request means, a sentence each."""
    request, message = exchange.http.request, exchange.request
    if request is None:
        yield say("The request is not in the capture.")
        return
    if message is not None:
        yield from message_notes(message, around)
    elif exchange.operation == "PKIOperation" and request.cut_by == "recording":
        yield say("The SCEP message of this request is in its body, which is not recorded.")
    elif exchange.operation == "PKIOperation":
        yield say("The SCEP message of this request could not be read.")
    elif exchange.operation in OPERATIONS and OPERATIONS[exchange.operation].says:
        yield say(OPERATIONS[exchange.operation].says)
    else:
        yield say("This is not a SCEP operation; it is listed because SCEP uses this path.")
    agent = header(request.headers, "user-agent")
    if agent:
        yield say("User-Agent: {}", agent)
    if not request.complete and request.cut_by != "recording":
        yield say(
            f"The request is incomplete in the capture: {_CUT_WORDS.get(request.cut_by or '', 'bytes are missing')}."
        )


def response_title(exchange: ScepExchange) -> Sentence:
    """What was answered, in a few words."""
    response, reply = exchange.http.response, exchange.reply
    if response is None:
        return say(_GONE_WORDS.get(exchange.http.gone or "", "no response"))
    status = f"{response.status}{f'.{response.substatus}' if response.substatus else ''} {response.reason}".strip()
    if reply is not None and not reply.partial:
        kind = message_type_name(reply.message_type) or f"messageType {reply.message_type}"
        word = pki_status_name(reply.pki_status) or f"pkiStatus {reply.pki_status}"
        return say(f"{kind} {word}") + (() if response.status == 200 else say(", HTTP {}", status))
    if response.cut_by == "recording":
        return say("{}, body not recorded", status)
    kind = header(response.headers, "content-type") or "no content type"
    return say("{}, {}, {} bytes", status, kind, response.body.length)


def response_notes(exchange: ScepExchange, around: Surroundings) -> Iterator[Sentence]:
    """What the response means, a sentence each."""
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
        yield say("Server: {}", server)
    if isinstance(content, CaCertificates):
        yield _about_set(content, header(response.headers, "content-type") or "")
    if not response.complete and response.cut_by != "recording":  # the title says that
        yield say(
            f"The response is incomplete in the capture: {_CUT_WORDS.get(response.cut_by or '', 'bytes are missing')}."
        )


def _not_scep(exchange: ScepExchange, response: Response) -> Iterator[Sentence]:
    if exchange.body_text:
        yield say("The server says: “{}”", exchange.body_text)
    elif not response.body.length and response.complete:
        yield say("The response is empty.")
    elif response.status < 300 and response.complete:
        yield say("The response is not SCEP.")


def _capabilities(content: CaCapabilities) -> Iterator[Sentence]:
    if not content.keywords:
        yield say("No capabilities: clients then fall back to the oldest set (GET, single DES, MD5 or SHA-1).")
        return
    yield say("The server can: {}", ", ".join(content.keywords))
    known = [
        f"{word}: {CAPABILITIES[word].says}"
        for word in content.keywords
        if word in CAPABILITIES and CAPABILITIES[word].says
    ]
    if known:
        yield say("In words: " + "; ".join(known) + ".")


def _about_set(content: CaCertificates, kind: str) -> Sentence:
    certificates = count(len(content.certificates), "certificate")
    has_ra = any((each.role or "").startswith("ra") for each in content.certificates)
    says_ra = "ca-ra-cert" in kind.lower()
    if content.form == "signed":
        text = "The next CA's certificates, signed by the current CA"
    elif says_ra and has_ra:
        text = "Content type x-x509-ca-ra-cert: an RA is in use"
    elif says_ra:
        text = "Content type x-x509-ca-ra-cert announces an RA, but none of the certificates is an RA certificate"
    elif has_ra:
        text = "One of them is an RA certificate, although the content type does not announce an RA"
    else:
        text = "No RA: the client encrypts for the CA itself"
    return say(f"{text}; {certificates}:")


def certificates_to_show(exchange: ScepExchange) -> tuple[Certificate, ...]:
    """The certificates of a response that a reader wants to see: a CA's set, or the one that was issued."""
    content = exchange.response
    if isinstance(content, CaCertificates):
        return content.certificates
    if isinstance(content, PkiMessage):
        inside = content.envelope.content if content.envelope is not None else None
        if inside is not None and inside.certificates:
            return inside.certificates
        return (content.issued,) if content.issued is not None else ()
    return ()
