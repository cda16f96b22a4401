"""How the message was put into the URL or the body (RFC 8894, Section 4.1)."""

import re

from scep_analyzer.model.findings import Evidence, Severity
from scep_analyzer.model.scep import PkiMessage
from scep_analyzer.rules._rule import ERROR, INFO, WARNING, Found, rule
from scep_analyzer.rules._views import View
from scep_analyzer.rules._words import count, shown
from scep_analyzer.rules.http_status import is_scep_path, status_fact

_ESCAPED_AGAIN = re.compile(r"%25(?:2[BbFf]|3[Dd]|0[AaDd])")
_CUTS = (1024, 2048, 4096, 8192, 16384)


def _message_parameter(view: View) -> str:
    """The value of `message=` of a GET PKIOperation, as sent; empty where there is none."""
    if view.operation != "PKIOperation" or view.method != "GET":
        return ""
    query = view.target.partition("?")[2]
    found = re.search(r"(?:^|[&?])message=([^&]*)", query, re.IGNORECASE)
    return found[1] if found else ""


def _unread(view: View) -> bool:
    """Whether the server did not understand the request, as far as its answer tells."""
    return view.answer is not None and (not view.understood or view.refused)


@rule.exchange(ERROR, "RFC 8894, Section 4.1", "fleetdm/fleet#45291")
def get_plus_became_space(view: View) -> Found:
    """A “+” of the base64 was taken for a blank.

    Seen: Blanks (or %20) in the message parameter where base64 needs “+”, or a literal “+” and an answer of 400 or 500.
    Why: The client did not write %2B; a proxy or the server decodes the query as a form, which turns “+” into a blank.
    Do: Escape “+” as %2B on the client; read the raw query on the server; or let the client use POST.
    Not: A wrong message: undone rightly, it can be read.
    """
    value = _message_parameter(view)
    if not value:
        return
    blanks = view.odd("base64-blanks")
    if blanks is not None:
        spaces = value.count(" ") + value.count("%20")
        yield Evidence(
            f"The message parameter holds {count(spaces, 'blank')} where base64 has “+”.",
            (view.q("message", f"{spaces} blanks"), *((status_fact(view),) if view.answer is not None else ())),
        )
    elif "+" in value and view.status in (400, 500):
        yield Evidence(
            f"The message parameter holds {count(value.count('+'), 'literal “+”', 'literal “+”')}, and the server answers {view.status}.",
            (view.q("message", f"{value.count('+')} unescaped +"), status_fact(view)),
        )


@rule.exchange(WARNING, "RFC 8894, Section 4.1", "smallstep/certificates#1570")
def get_reserved_unescaped(view: View) -> Found:
    """The base64 is not escaped for a URL.

    Seen: A literal “+” or “/” in the message parameter.
    Why: Apple's clients and jscep escape only “=”.
    Do: Offer POSTPKIOperation, then these clients send the message in the body.
    Not: A fault where the server reads the raw query.
    """
    value = _message_parameter(view)
    pluses, slashes = value.count("+"), value.count("/")
    if pluses or slashes:
        worked = view.answer is not None and not _unread(view)
        yield Evidence(
            f"The message parameter holds {' and '.join(f'{number} “{sign}”' for number, sign in ((pluses, '+'), (slashes, '/')) if number)} that are not "
            "percent-encoded" + ("; this server read it all the same." if worked else "."),
            (view.q("message", f"{pluses} unescaped +, {slashes} unescaped /"),),
            severity=Severity.INFO if worked or not pluses else None,
        )


@rule.exchange(ERROR, "RFC 3986, Section 2.4")
def get_double_encoded(view: View) -> Found:
    """The message is percent-encoded twice.

    Seen: %252B, %252F, %253D or %250A in the message parameter.
    Why: The client and a proxy both escape it.
    Do: Remove one of the two.
    Not: A wrong message: undone twice, it can be read.
    """
    value = _message_parameter(view)
    found = _ESCAPED_AGAIN.findall(value)
    if found:
        worked = view.answer is not None and not _unread(view)
        yield Evidence(
            f"The message parameter is percent-encoded twice: {found[0]} and {len(found) - 1} more.",
            (view.q("message", found[0]), *((status_fact(view),) if view.answer is not None else ())),
            severity=Severity.WARNING if worked else None,
        )


@rule.exchange(ERROR, "RFC 8894, Section 4.1", "micromdm/scep#249")
def get_base64url(view: View) -> Found:
    """The message uses the URL-safe base64 alphabet.

    Seen: “-” or “_” in the message parameter.
    Why: The client encodes with base64url; RFC 8894 asks for plain base64, percent-encoded.
    Do: Mend the client; servers may accept both.
    Not: A wrong message: it can be read.
    """
    value = _message_parameter(view)
    if value and view.odd("base64-url-alphabet") is not None:
        digits = value.count("-") + value.count("_")
        worked = view.answer is not None and not _unread(view)
        yield Evidence(
            f"The message parameter holds {digits} “-” and “_”, digits of the URL-safe alphabet.",
            (view.q("message", f"{digits} of - and _"), *((status_fact(view),) if view.answer is not None else ())),
            severity=Severity.WARNING if worked else None,
        )


@rule.exchange(WARNING, "RFC 4648, Section 3.2")
def get_padding_stripped(view: View) -> Found:
    """The base64 has lost its padding.

    Seen: The length of the message parameter is no multiple of four; with “=” added it can be read.
    Why: A web application firewall or the client removes “=”.
    Do: Send the padding as %3D; strict servers refuse the message without it.
    Not: A cut message: nothing but “=” is missing.
    """
    if (
        _message_parameter(view)
        and view.odd("base64-padding-missing") is not None
        and view.exchange.request is not None
    ) and not view.exchange.request.partial:
        yield Evidence("The message parameter lacks its “=” padding.", (view.q("message", "no padding"),))


@rule.exchange(INFO, "RFC 8894, Section 4.1", "smallstep/docs#364")
def get_line_breaks(view: View) -> Found:
    """The base64 is broken into lines.

    Seen: %0A or %0D%0A in the message parameter.
    Why: Cisco and sscep do that; it is normal for them.
    Matters: The base64 of RFC 8894 has no line ends (RFC 4648, Section 3.1), and a strict reader refuses them; most servers skip them.
    Do: To serve these clients, let the server or a proxy in front skip line ends; or let the client use POST.
    Do (step-ca): Upgrade it, or put a proxy in front that removes %0A from the message parameter.
    Not: A fault where the server answers.
    """
    value = _message_parameter(view)
    breaks = len(re.findall(r"%0[Aa]", value))
    if breaks:
        yield Evidence(
            f"The message parameter is broken into lines ({breaks} line ends).",
            (view.q("message", f"{breaks} times %0A"),),
        )


@rule.exchange(ERROR, "RFC 8894, Section 4.1", "micromdm/scep#114")
def get_not_base64(view: View) -> Found:
    """The message parameter is not base64.

    Seen: Percent-encoded DER, hexadecimal digits, PEM armour, or characters that no base64 has.
    Why: A fault of the client.
    Do: Encode the DER in base64, then percent-encode that.
    Not: A wrong key or challenge: nobody read that far.
    """
    value = _message_parameter(view)
    if not value:
        return
    if view.odd("get-message-binary") is not None:
        what = "percent-encoded DER without base64"
    elif view.odd("get-message-pem") is not None:
        what = "PEM"
    elif len(value) > 64 and re.fullmatch(r"[0-9A-Fa-f]+", value) and view.request is None:
        what = "hexadecimal digits"
    elif view.odd("base64-damaged") is not None and view.request is None:
        anomaly = view.odd("base64-damaged")
        what = anomaly.detail if anomaly is not None else "damaged"
    else:
        return
    yield Evidence(
        f"The message parameter is no base64: {what}.",
        (view.q("message", shown(value, 40)), *((status_fact(view),) if view.answer is not None else ())),
    )


@rule.exchange(ERROR, "RFC 8894, Section 4.1", "certnanny/sscep#95")
def get_truncated(view: View) -> Found:
    """The message in the URL is cut.

    Seen: The DER in the message parameter claims more bytes than are there, though the request itself is whole.
    Why: A proxy, firewall or URL filter cuts long URLs, or a buffer of the client is too small.
    Do: Let the client use POST; raise the limit on the box that cuts.
    Not: Loss in the capture: the request line is complete.
    """
    value = _message_parameter(view)
    if not value or view.asked is None or not view.asked.complete:
        return
    anomaly = view.odd("message-unreadable")
    if anomaly is not None and ("truncated" in anomaly.detail or view.odd("base64-truncated") is not None):
        near = next(
            (each for each in _CUTS if abs(len(view.target) - each) <= 16 or abs(len(value) - each) <= 16), None
        )
        round_number = f"; that is near {near:,}, a usual limit" if near else ""
        yield Evidence(
            f"The message in the URL is {anomaly.detail}; the URL has {len(view.target):,} characters{round_number}.",
            (view.q("message", anomaly.detail), view.q("http.request.uri", f"{len(view.target)} characters")),
        )


@rule.exchange(ERROR, "RFC 8894, Section 4.1")
def post_body_base64(view: View) -> Found:
    """The body of the POST is base64.

    Seen: ASCII base64 or PEM in the body, where raw DER belongs.
    Why: The client mixes the rules of GET and POST.
    Do: Send the DER itself.
    Not: A wrong message: undone, it can be read.
    """
    odd = view.odd("body-base64", "body-pem")
    if view.method == "POST" and odd is not None and view.asked is not None and odd.frames == view.asked.frames:
        worked = view.answer is not None and not _unread(view)
        yield Evidence(
            f"The body of the POST of {view.operation or 'the message'} is {'PEM' if odd.code == 'body-pem' else 'base64'}, where DER belongs.",
            (view.q("http.file_data", odd.code), *((status_fact(view),) if view.answer is not None else ())),
            severity=Severity.WARNING if worked else None,
        )


@rule.exchange(ERROR, "RFC 8894, Section 4.1")
def post_form_encoded(view: View) -> Found:
    """The message is sent as a web form.

    Seen: A POST of application/x-www-form-urlencoded with `message=` in the body.
    Why: The client's HTTP library posts its parameters as a form.
    Do: Send the raw DER as application/x-pki-message.
    Not: A wrong message: undone, it can be read.
    """
    if view.method == "POST" and view.odd("body-form") is not None:
        worked = view.answer is not None and not _unread(view)
        kind = view.request_header("content-type") or "none"
        yield Evidence(
            "The body of the POST is a form with the message in it, where DER belongs.",
            (view.q("http.content_type", kind), *((status_fact(view),) if view.answer is not None else ())),
            severity=Severity.WARNING if worked else None,
        )


def _body_words(view: View) -> str:
    """What a POST holds."""
    length = view.asked.body.length if view.asked is not None else 0
    if view.request is not None or view.exchange.request_kind is not None:
        return f"its body is {view.exchange.request_kind or 'a pkiMessage'}"
    if not length:
        return "it has no body"
    kind = view.request_header("content-type")
    return f"its body is {count(length, 'byte')} of {'type ' + shown(kind) if kind else 'no stated type'}"


@rule.exchange(ERROR, "RFC 8894, Section 4.1", "micromdm/scep#86")
def post_without_operation(view: View) -> Found:
    """A POST to the SCEP path names no operation.

    Seen: A POST without `operation=` in its URL.
    Why: The enrollment URL lacks its query, or a client posts something else there (an MDM profile request).
    Do: POST to <path>?operation=PKIOperation.
    Not: A refusal of a SCEP message: the server cannot tell that it is one.
    """
    if view.method == "POST" and view.operation is None and view.asked is not None and is_scep_path(view):
        if view.asked.complete and not view.understood:
            yield Evidence(
                f"A POST to {shown(view.plain_target)} has no operation; {_body_words(view)}.",
                (
                    view.q("http.request.uri", shown(view.plain_target)),
                    *((status_fact(view),) if view.answer is not None else ()),
                ),
            )


@rule.exchange(ERROR, "RFC 8894, Section 4.3", "micromdm/scep#155")
def post_empty_body(view: View) -> Found:
    """The POST carries no message.

    Seen: PKIOperation by POST with an empty body.
    Why: The client failed to make the message and sent what it had, or follows a redirect without its body.
    Why: A proxy on the way took the body.
    Matters: The server has nothing to read; what it answers says nothing about the enrollment.
    Do: Look into the client's log for why it made no message; capture on the other side of a proxy.
    Do (apple): The console of the device (mdmclient, profiled) says why it could not make the request.
    Not: A malformed URL: a POST has its message in the body, not in the query.
    """
    asked = view.asked
    if asked is None or view.operation != "PKIOperation" or view.method != "POST" or not asked.complete:
        return
    if asked.body.length == 0 and view.request is None and not view.holes(client=True):
        length = view.request_header("content-length")
        yield Evidence(
            f"PKIOperation is posted with an empty body (Content-Length {shown(length or 'absent', 12)}).",
            (view.q("http.content_length", length or "absent"), view.q("http.request.method", "POST")),
        )


@rule.exchange(WARNING, "RFC 8894, Section 4.3")
def post_content_type_odd(view: View) -> Found:
    """The POST's content type is not SCEP's.

    Seen: A PKIOperation by POST whose Content-Type is not application/x-pki-message.
    Why: Many clients send none or application/octet-stream.
    Do: Where a gateway refuses it, let the client send application/x-pki-message.
    Not: A fault where the server answers.
    """
    kind = (view.request_header("content-type") or "").split(";")[0].strip().lower()
    if (
        view.method == "POST"
        and view.operation == "PKIOperation"
        and kind not in ("application/x-pki-message", "x-pki-message")
    ):
        worked = view.understood
        yield Evidence(
            f"PKIOperation is posted with {'Content-Type ' + shown(kind) if kind else 'no Content-Type'}.",
            (view.q("http.content_type", kind or "none"),),
            severity=Severity.INFO if worked else None,
        )


@rule.request(INFO, "RFC 5652, Section 2", "micromdm/scep#79")
def ber_indefinite_length(view: View, message: PkiMessage) -> Found:
    """The message is BER, not DER.

    Seen: The outer element has an indefinite length (30 80), or the encrypted content is made of pieces (a constructed OCTET STRING).
    Why: Apple's clients and BouncyCastle (jscep) write so; CMS allows it (RFC 5652, Section 2).
    Matters: A server whose reader knows DER only stops here, or finds empty content.
    Do: The server needs a BER reader; nothing can be set on the client.
    Do (micromdm): Upgrade: older releases refuse it ("ber2der", "invalid data len 0").
    Do (step-ca): Upgrade: older releases refuse it ("tags don't match").
    Not: A fault of the client.
    """
    odd = view.odd("ber-indefinite")
    if odd is not None and view.asked is not None and odd.frames == view.asked.frames:
        yield Evidence("The request is BER with indefinite lengths.", (view.q("SignedData", "30 80"),))
    elif message.envelope is not None and message.envelope.pieces:
        pieces = message.envelope.pieces
        yield Evidence(
            f"The request's encrypted content is BER: a constructed OCTET STRING of {count(pieces, 'piece')}.",
            (view.q("EnvelopedData.encryptedContent", f"constructed, {count(pieces, 'piece')}"),),
        )


@rule.exchange(ERROR, "RFC 8894, Section 3.1", "micromdm/scep#6")
def not_cms(view: View) -> Found:
    """The body is not a SCEP message.

    Seen: Where a pkiMessage belongs, the body is something else.
    Why: A wrong endpoint, or an error of the server that it does not report as one.
    Do: See what it is, and who sends it.
    Not: A refusal: that would be a CertRep.
    """
    if view.operation == "PKIOperation" and view.exchange.request_kind is not None and view.asked is not None:
        if view.asked.complete and view.request is None:
            yield Evidence(
                f"The request's message is {view.exchange.request_kind}, no pkiMessage.",
                (view.q("message", view.exchange.request_kind),),
            )
    kind = view.exchange.response_kind
    if (
        view.operation == "PKIOperation"
        and view.status == 200
        and kind is not None
        and kind != "HTML"
        and view.answer is not None
    ) and view.answer.complete:
        yield Evidence(f"The answer to PKIOperation is {kind}, no pkiMessage.", (view.a("http.file_data", kind),))


@rule.exchange(WARNING, "X.690, Section 8.1.1")
def trailing_bytes(view: View) -> Found:
    """Bytes follow the message.

    Seen: More bytes after the outer element of the message.
    Why: The sender adds a line end or padding.
    Do: Mend the sender; strict parsers refuse the message.
    Not: A wrong message.
    """
    odd = view.odd("trailing-bytes")
    if odd is not None:
        side = "request" if view.asked is not None and odd.frames == view.asked.frames else "answer"
        yield Evidence(
            f"In the {side}, {odd.detail}.", ((view.q if side == "request" else view.a)("message", odd.detail),)
        )
