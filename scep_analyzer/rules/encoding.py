"""How a message is encoded in the URL or the body (RFC 8894, Section 4.1)."""

import re

from scep_analyzer.model.findings import Evidence, Severity
from scep_analyzer.model.patterns import lazily
from scep_analyzer.model.scep import PkiMessage
from scep_analyzer.rules._rule import ERROR, INFO, WARNING, Found, rule
from scep_analyzer.rules._views import View
from scep_analyzer.rules._words import count, shown
from scep_analyzer.rules.http_status import is_scep_path, status_fact

_ESCAPED_AGAIN = lazily(r"%25(?:2[BbFf]|3[Dd]|0[AaDd])")
_CUTS = (1024, 2048, 4096, 8192, 16384)


def _message_parameter(view: View) -> str:
    """The value of `message=` of a GET PKIOperation, as sent; empty where there is none."""
    if view.operation != "PKIOperation" or view.method != "GET":
        return ""
    query = view.target.partition("?")[2]
    found = re.search(r"(?:^|[&?])message=([^&]*)", query, re.IGNORECASE)
    return found[1] if found else ""


def _unread(view: View) -> bool:
    """Whether the server did not understand or refused the request, as far as its response tells."""
    return view.answer is not None and (not view.understood or view.refused)


@rule.exchange(ERROR, "RFC 8894, Section 4.1", "fleetdm/fleet#45291", where=("GET message",))
def get_plus_became_space(view: View) -> Found:
    """“+” in the base64 was decoded as a space.

    Seen: The message parameter contains spaces (or %20) where base64 needs “+”, or it contains an unescaped “+” and the server returns 400
    or 500.
    Why: The client does not escape “+” as %2B, and a proxy or the server decodes the query like a web form, which turns “+” into a space.
    Do: On the client, escape “+” as %2B, or use POST.
    Do: On the server or proxy, decode the query of the URL without replacing “+” with a space.
    Do (step-ca, micromdm): Update the server, or configure the client to use POST, which needs no base64.
    Not: A wrong message: with the spaces read as “+”, it can be decoded.
    """
    value = _message_parameter(view)
    if not value:
        return
    blanks = view.odd("base64-blanks")
    if blanks is not None:
        spaces = value.count(" ") + value.count("%20")
        yield Evidence(
            f"The message parameter contains {count(spaces, 'space')} where base64 needs “+”.",
            (view.q("message", count(spaces, "space")), *((status_fact(view),) if view.answer is not None else ())),
        )
    elif "+" in value and view.status in (400, 500):
        yield Evidence(
            f"The message parameter contains {count(value.count('+'), 'unescaped “+”', 'unescaped “+”')}, and the server returns HTTP {view.status}.",
            (view.q("message", f"{value.count('+')} unescaped +"), status_fact(view)),
        )


@rule.exchange(WARNING, "RFC 8894, Section 4.1", "smallstep/certificates#1570", where=("GET message",))
def get_reserved_unescaped(view: View) -> Found:
    """The base64 in the URL is not percent-encoded.

    Seen: The message parameter contains an unescaped “+” or “/”.
    Why: Apple devices and jscep escape only “=”.
    Matters: A proxy or server that decodes the query like a web form turns “+” into a space.
    Do: On the server, offer POSTPKIOperation in GetCACaps: these clients then send the message in the body.
    Not: A fault where the server accepts the request.
    """
    value = _message_parameter(view)
    pluses, slashes = value.count("+"), value.count("/")
    if pluses or slashes:
        worked = view.answer is not None and not _unread(view)
        yield Evidence(
            f"The message parameter contains {' and '.join(f'{number} “{sign}”' for number, sign in ((pluses, '+'), (slashes, '/')) if number)} "
            "without percent-encoding" + ("; this server accepts it." if worked else "."),
            (view.q("message", f"{pluses} unescaped +, {slashes} unescaped /"),),
            severity=Severity.INFO if worked or not pluses else None,
        )


@rule.exchange(ERROR, "RFC 3986, Section 2.4", where=("GET message",))
def get_double_encoded(view: View) -> Found:
    """The message in the URL is percent-encoded twice.

    Seen: The message parameter contains %252B, %252F, %253D or %250A.
    Why: Both the client and a proxy percent-encode the message.
    Do: Turn off percent-encoding in one of the two: on the client, or on the proxy that rewrites the URL.
    Not: A wrong message: decoded twice, it can be read.
    """
    value = _message_parameter(view)
    found = _ESCAPED_AGAIN.findall(value)
    if found:
        worked = view.answer is not None and not _unread(view)
        yield Evidence(
            f"The message parameter is percent-encoded twice: it contains {count(len(found), 'sequence')} such as {found[0]}.",
            (view.q("message", found[0]), *((status_fact(view),) if view.answer is not None else ())),
            severity=Severity.WARNING if worked else None,
        )


@rule.exchange(ERROR, "RFC 8894, Section 4.1", "micromdm/scep#249", where=("GET message", "anomaly"))
def get_base64url(view: View) -> Found:
    """The message in the URL is base64url instead of base64.

    Seen: The message parameter contains “-” or “_”.
    Why: The client encodes the message with base64url. RFC 8894, Section 4.1 requires base64 with percent-encoding.
    Do: On the client, use base64 and percent-encode it, or use POST.
    Do (step-ca, micromdm): On the client, use POST or base64 with percent-encoding. The server reports this fault as “illegal base64 data”.
    Not: A wrong message: it can be decoded.
    """
    value = _message_parameter(view)
    if value and view.odd("base64-url-alphabet") is not None:
        digits = value.count("-") + value.count("_")
        worked = view.answer is not None and not _unread(view)
        yield Evidence(
            f"The message parameter contains {count(digits, 'character')} “-” or “_” of base64url.",
            (view.q("message", f"{digits} of - and _"), *((status_fact(view),) if view.answer is not None else ())),
            severity=Severity.WARNING if worked else None,
        )


@rule.exchange(WARNING, "RFC 4648, Section 3.2", where=("GET message", "anomaly"))
def get_padding_stripped(view: View) -> Found:
    """The base64 in the URL has no padding.

    Seen: The length of the message parameter is not a multiple of four. With “=” added, it can be decoded.
    Why: The client or a web application firewall removes the “=”.
    Matters: Strict servers reject the message.
    Do: On the client, send the padding as %3D. If a firewall removes it, use POST.
    Not: A truncated message: only the “=” is missing.
    """
    if (
        _message_parameter(view)
        and view.odd("base64-padding-missing") is not None
        and view.exchange.request is not None
    ) and not view.exchange.request.partial:
        yield Evidence("The base64 of the message parameter has no “=” padding.", (view.q("message", "no padding"),))


@rule.exchange(INFO, "RFC 8894, Section 4.1", "RFC 4648, Section 3.1", "smallstep/docs#364", where=("GET message",))
def get_line_breaks(view: View) -> Found:
    """The base64 in the URL contains line breaks.

    Seen: The message parameter contains %0A or %0D%0A.
    Why: Cisco devices and sscep always do this.
    Matters: Base64 in RFC 8894 has no line breaks (RFC 4648, Section 3.1), so a strict server rejects them. Most servers skip them.
    Do: If the server rejects the message, configure the client to use POST, or remove the line breaks on the server or on a proxy in front
    of it.
    Do (step-ca): Update step-ca, or put a proxy in front of it that removes %0A from the message parameter.
    Not: A fault where the server accepts the request.
    """
    value = _message_parameter(view)
    breaks = len(re.findall(r"%0[Aa]", value))
    if breaks:
        yield Evidence(
            f"The base64 of the message parameter contains {count(breaks, 'line break')} (%0A).",
            (view.q("message", f"{breaks} times %0A"),),
        )


@rule.exchange(ERROR, "RFC 8894, Section 4.1", "micromdm/scep#114", where=("GET message",))
def get_not_base64(view: View) -> Found:
    """The message parameter is not base64.

    Seen: The message parameter contains percent-encoded DER, hexadecimal digits, PEM, or characters that are not part of base64.
    Why: The client encodes the message incorrectly.
    Do: On the client, encode the DER in base64 and percent-encode the result, or use POST.
    Not: A wrong key or challenge password: the server cannot read the message.
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
        f"The message parameter is not base64: {what}.",
        (view.q("message", shown(value, 40)), *((status_fact(view),) if view.answer is not None else ())),
    )


@rule.exchange(ERROR, "RFC 8894, Section 4.1", "certnanny/sscep#95", where=("GET message", "anomaly"))
def get_truncated(view: View) -> Found:
    """The message in the URL is truncated.

    Seen: The DER in the message parameter is incomplete, although the request line is complete.
    Why: A proxy, firewall or URL filter truncates long URLs, or a buffer of the client is too small.
    Do: On the client, use POST. Otherwise, raise the limit for URLs on the device that truncates them.
    Do (ios-client, cisco-wlc): Raise the limit for URLs on the proxy or firewall in the path: Cisco IOS sends the message by GET.
    Not: Packet loss in the capture: the request line is complete.
    """
    value = _message_parameter(view)
    if not value or view.asked is None or not view.asked.complete:
        return
    anomaly = view.odd("message-unreadable")
    if anomaly is not None and ("truncated" in anomaly.detail or view.odd("base64-truncated") is not None):
        near = next(
            (each for each in _CUTS if abs(len(view.target) - each) <= 16 or abs(len(value) - each) <= 16), None
        )
        round_number = f", close to the common limit of {near:,}" if near else ""
        yield Evidence(
            f"The message in the URL is {anomaly.detail}. The URL has {len(view.target):,} characters{round_number}.",
            (view.q("message", anomaly.detail), view.q("http.request.uri", f"{len(view.target)} characters")),
        )


@rule.exchange(ERROR, "RFC 8894, Section 4.1", where=("POST", "anomaly"))
def post_body_base64(view: View) -> Found:
    """The body of the POST is base64.

    Seen: The body contains base64 text or PEM instead of raw DER.
    Why: The client encodes the body as if the message were sent by GET.
    Do: On the client, send the raw DER in the body.
    Not: A wrong message: decoded from base64, it can be read.
    """
    odd = view.odd("body-base64", "body-pem")
    if view.method == "POST" and odd is not None and view.asked is not None and odd.frames == view.asked.frames:
        worked = view.answer is not None and not _unread(view)
        yield Evidence(
            f"The body of the POST ({view.operation or 'no operation'}) is {'PEM' if odd.code == 'body-pem' else 'base64'} instead of raw DER.",
            (view.q("http.file_data", odd.code), *((status_fact(view),) if view.answer is not None else ())),
            severity=Severity.WARNING if worked else None,
        )


@rule.exchange(ERROR, "RFC 8894, Section 4.1", where=("POST", "anomaly"))
def post_form_encoded(view: View) -> Found:
    """The message is sent as a web form.

    Seen: A POST with the content type application/x-www-form-urlencoded and `message=` in the body.
    Why: The HTTP library of the client sends the parameters as a web form.
    Do: On the client, send the raw DER in the body, with the content type application/x-pki-message.
    Not: A wrong message: taken out of the form, it can be read.
    """
    if view.method == "POST" and view.odd("body-form") is not None:
        worked = view.answer is not None and not _unread(view)
        kind = view.request_header("content-type") or "none"
        yield Evidence(
            "The body of the POST is a web form that contains the message, instead of raw DER.",
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
    return f"its body has {count(length, 'byte')} and {'the type ' + shown(kind) if kind else 'no Content-Type'}"


@rule.exchange(ERROR, "RFC 8894, Section 4.3", "micromdm/scep#86", where=("POST",))
def post_without_operation(view: View) -> Found:
    """A POST to the SCEP path names no operation.

    Seen: The URL of a POST has no `operation=`.
    Why: The query is missing in the URL that is configured on the client.
    Why: A client sends something else to this URL, for example an MDM request.
    Matters: By POST, only PKIOperation is possible, so many servers do not need the parameter (RFC 8894, Section 4.3). Others reject the
    request.
    Do: On the client, send the message to `…?operation=PKIOperation`.
    Not: The SCEP message itself is not refused.
    """
    if view.method == "POST" and view.operation is None and view.asked is not None and is_scep_path(view):
        if view.asked.complete and not view.understood:
            yield Evidence(
                f"A POST to {shown(view.plain_target)} names no operation; {_body_words(view)}.",
                (
                    view.q("http.request.uri", shown(view.plain_target)),
                    *((status_fact(view),) if view.answer is not None else ()),
                ),
            )


@rule.exchange(ERROR, "RFC 8894, Section 4.3", "micromdm/scep#155", where=("POST",))
def post_empty_body(view: View) -> Found:
    """The POST contains no message.

    Seen: PKIOperation is sent by POST with an empty body.
    Why: The client could not create the message, or it follows a redirect without the body.
    Why: A proxy in the path removes the body.
    Matters: The server has no message to read, so its response says nothing about the enrollment.
    Do: Check the client's log for the reason why it created no message. If a proxy is in the path, capture on both sides of it.
    Do (apple): On the Mac, run `log stream --debug --predicate 'process == "mdmclient"'`; for an iPhone or iPad, filter Console for
    `profiled`. Then enroll again.
    Do (openxpki): On the web server of OpenXPKI, check that the request body reaches the application. Otherwise, check the client's log.
    Not: A malformed URL: in a POST, the message is in the body, not in the query.
    """
    asked = view.asked
    if asked is None or view.operation != "PKIOperation" or view.method != "POST" or not asked.complete:
        return
    if asked.body.length == 0 and view.request is None and not view.holes(client=True):
        length = view.request_header("content-length")
        yield Evidence(
            f"PKIOperation is sent by POST with an empty body ({f'Content-Length {shown(length, 12)}' if length else 'no Content-Length'}).",
            (view.q("http.content_length", length or "absent"), view.q("http.request.method", "POST")),
        )


@rule.exchange(WARNING, "RFC 8894, Section 4.3", where=("POST",))
def post_content_type_odd(view: View) -> Found:
    """The Content-Type of the POST is not application/x-pki-message.

    Seen: PKIOperation is sent by POST with another Content-Type or without one.
    Why: Many clients send application/octet-stream or no Content-Type.
    Do: If a gateway or the server rejects the request, configure the client to send application/x-pki-message.
    Not: A fault where the server accepts the request.
    """
    kind = (view.request_header("content-type") or "").split(";")[0].strip().lower()
    if (
        view.method == "POST"
        and view.operation == "PKIOperation"
        and kind not in ("application/x-pki-message", "x-pki-message")
    ):
        worked = view.understood
        yield Evidence(
            f"PKIOperation is sent by POST with {'the Content-Type ' + shown(kind) if kind else 'no Content-Type'}.",
            (view.q("http.content_type", kind or "none"),),
            severity=Severity.INFO if worked else None,
        )


@rule.request(INFO, "RFC 5652, Section 2", "micromdm/scep#79")
def ber_indefinite_length(view: View, message: PkiMessage) -> Found:
    """The message is encoded in BER, not in DER.

    Seen: The outer element has an indefinite length (30 80), or the encrypted content consists of several parts (a constructed OCTET
    STRING).
    Why: Apple devices and BouncyCastle (jscep) use BER. CMS allows it (RFC 5652, Section 2).
    Matters: A server that reads only DER rejects the message or finds empty content.
    Do: Update the server to a version that reads BER. Clients usually have no setting for this.
    Do (micromdm): Update MicroMDM scep: older versions reject BER with “ber2der” or “invalid data len 0”.
    Do (step-ca): Update step-ca: older versions reject BER with “tags don't match”.
    Not: The client is not at fault.
    """
    odd = view.odd("ber-indefinite")
    if odd is not None and view.asked is not None and odd.frames == view.asked.frames:
        yield Evidence("The request is encoded in BER with indefinite lengths.", (view.q("SignedData", "30 80"),))
    elif message.envelope is not None and message.envelope.pieces:
        pieces = message.envelope.pieces
        yield Evidence(
            f"The encrypted content of the request is encoded in BER: a constructed OCTET STRING of {count(pieces, 'part')}.",
            (view.q("EnvelopedData.encryptedContent", f"constructed, {count(pieces, 'piece')}"),),
        )


@rule.exchange(ERROR, "RFC 8894, Section 3.2", "micromdm/scep#6", where=("PKIOperation",))
def not_cms(view: View) -> Found:
    """The body is not a SCEP message.

    Seen: The request or response of PKIOperation contains something other than a pkiMessage.
    Why: The client posts a bare PKCS #10 request or another file, or the URL belongs to another service.
    Why: The server or a proxy sends an error text with status 200.
    Do: If it is the request, send a SCEP pkiMessage from the client. If it is the response, check that the URL is the SCEP URL of the
    server.
    Not: A refusal: a server refuses with a CertRep.
    """
    if view.operation == "PKIOperation" and view.exchange.request_kind is not None and view.asked is not None:
        if view.asked.complete and view.request is None:
            yield Evidence(
                f"The message of the request is {view.exchange.request_kind} instead of a SCEP pkiMessage.",
                (view.q("message", view.exchange.request_kind),),
                actions=("On the client, send a SCEP pkiMessage, which is signed and encrypted, instead.",),
                settled=True,
                title=f"The request contains {view.exchange.request_kind} instead of a SCEP message",
            )
    kind = view.exchange.response_kind
    if (
        view.operation == "PKIOperation"
        and view.status == 200
        and kind is not None
        and kind != "HTML"
        and view.answer is not None
    ) and view.answer.complete:
        yield Evidence(
            f"The response to PKIOperation is {kind} instead of a SCEP pkiMessage.",
            (view.a("http.file_data", kind),),
            actions=("On the client, check that the enrollment URL is the SCEP URL of the server.",),
            settled=True,
            title=f"The response is {kind} instead of a SCEP message",
        )


@rule.exchange(WARNING, "X.690, Section 8.1.1", where=("anomaly",))
def trailing_bytes(view: View) -> Found:
    """Additional bytes follow the message.

    Seen: There are more bytes after the outer element of the message.
    Why: The sender adds a line end or padding.
    Matters: Strict receivers reject the message.
    Do: Update the software that sends the message, so that the body ends with the message.
    Not: The message itself is intact.
    """
    odd = view.odd("trailing-bytes")
    if odd is not None:
        side = "request" if view.asked is not None and odd.frames == view.asked.frames else "response"
        yield Evidence(
            f"In the {side}, {odd.detail}.", ((view.q if side == "request" else view.a)("message", odd.detail),)
        )
