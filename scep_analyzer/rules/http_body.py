"""The body and headers of a response: what has status 200 and still is not what the client can use."""

from scep_analyzer.model.findings import Evidence, Fact, Severity
from scep_analyzer.model.places import called
from scep_analyzer.model.scep import CaCapabilities, CaCertificates
from scep_analyzer.rules._rule import ERROR, INFERRED, INFO, WARNING, Found, rule
from scep_analyzer.rules._views import View
from scep_analyzer.rules._words import count, seconds, shown
from scep_analyzer.rules.http_status import is_scep_path, said, status_fact, who_first

_SLOW_NS = 5 * 1_000_000_000
_TYPES = {
    "GetCACert": ("application/x-x509-ca-cert", "application/x-x509-ca-ra-cert"),
    "GetCACertChain": ("application/x-x509-ca-ra-cert-chain", "application/x-x509-ca-ra-cert"),
    "GetNextCACert": ("application/x-x509-next-ca-cert",),
    "PKIOperation": ("application/x-pki-message", "x-pki-message"),
}
_KNOWN = frozenset({"GetCACaps", "GetCACert", "GetCACertChain", "GetNextCACert", "PKIOperation"})
_LONG_PATH = 300
"""A longer one holds the message: http-400-too-long."""
_NDES_OWN = frozenset({"ndesgeneratechallenge", "ndesgetcacertthumbprint"})


@rule.exchange(ERROR, "seize-the-dave/jscep#68", where=("unread",))
def html_in_200(view: View) -> Found:
    """A web page arrives instead of a SCEP response.

    Seen: The status is 200, and the body is HTML.
    Why: The page is a sign-in, a Wi-Fi portal or a block page of a proxy.
    Why: The enrollment URL is wrong: another web site responds at this name or path, or the operation is missing.
    Do: On the client, correct the enrollment URL.
    Do: If a proxy or Wi-Fi portal sends the page, exempt the SCEP path from the sign-in or the block page there.
    Do (ndes): On the client, set the path of the enrollment URL to /certsrv/mscep/mscep.dll. Without the operation, NDES returns its welcome page.
    Not: This is not a response of the SCEP service.
    """
    if view.status != 200 or view.operation is None or view.understood or not is_scep_path(view):
        return
    kind = view.exchange.response_kind
    if kind == "HTML" or (view.content_type == "text/html" and kind is not None):
        yield Evidence(
            f"{who_first(view)} returns a web page for {view.operation}{said(view)}.",
            (view.a("http.content_type", view.content_type or "none"), view.a("http.file_data", kind or "HTML")),
            title=f"A web page arrives instead of the response to {view.operation}",
        )


_EMPTY_PKIOPERATION = {
    "GET": (
        "On the client, send PKIOperation by POST if the server supports it.",
        "On the server, read the log at the time of the request, and update the SCEP software.",
    ),
    "POST": ("On the server, read the log at the time of the request, and update the SCEP software.",),
}
"""What to do about an empty response to PKIOperation, by the method of the request."""


@rule.exchange(ERROR, "smallstep/certificates#916", "micromdm/scep#155")
def empty_200(view: View) -> Found:
    """The response is empty.

    Seen: The status is 200, and the response has no body.
    Why: The server does not support PKIOperation by this method, or its SCEP code failed without a message.
    Else: On the server, read the log at the time of the request, and update the SCEP software.
    Else: On the client, use POST for PKIOperation if it uses GET now and the server supports POST.
    Do (dogtag): On the client, send PKIOperation by GET: Dogtag has no POST for SCEP.
    Not: This is not a SCEP refusal: a refusal has a body, too.
    """
    if view.status == 200 and view.answer is not None and view.operation is not None and view.answer.complete:
        empty_caps = isinstance(view.exchange.response, CaCapabilities) and not view.exchange.response.keywords
        if not view.answer.body.length and (not view.understood or empty_caps) and view.method != "HEAD":
            yield Evidence(
                f"{who_first(view)} returns HTTP 200 without a body for {view.operation}{f' by {view.method}' if view.method else ''}.",
                (view.a("http.content_length", "0"),),
                actions=_EMPTY_PKIOPERATION.get(view.method or "", ()) if view.operation == "PKIOperation" else (),
                settled=view.operation == "PKIOperation" and view.method in _EMPTY_PKIOPERATION,
                title=f"The response to {view.operation} is empty",
                severity=Severity.WARNING if view.operation == "GetCACaps" else None,
            )


def _right_types(view: View) -> tuple[str, ...]:
    return _TYPES.get(view.operation or "", ())


@rule.exchange(WARNING, "RFC 8894, Section 4.2.1", "certnanny/sscep#126")
def content_type_wrong(view: View) -> Found:
    """The Content-Type of the response is not one of SCEP.

    Seen: The body is a valid SCEP response, but its media type is not the one that RFC 8894 defines for it.
    Why: The server or a proxy sets the header wrongly.
    Matters: Strict clients reject the response.
    Do: On the server or proxy that sets the header, correct the Content-Type of the SCEP path.
    Not: The response is not damaged: its body is valid.
    """
    right = _right_types(view)
    known = {each for types in _TYPES.values() for each in types}
    if view.understood and right and view.content_type and view.content_type not in right:
        contradicts = view.content_type in known and view.operation != "PKIOperation"
        if not contradicts:
            yield Evidence(
                f"The Content-Type of the response to {view.operation} is {shown(view.content_type)}; it should be {right[0]}. The body is valid.",
                (view.a("http.content_type", view.content_type),),
            )


@rule.exchange(WARNING, "RFC 9110, Section 8.3", "seize-the-dave/jscep#49")
def content_type_missing(view: View) -> Found:
    """The response has no Content-Type.

    Seen: The body is a valid SCEP response, but it comes without a Content-Type header.
    Why: The server is old, or a proxy removes the header.
    Matters: Strict clients reject the response.
    Do: On the server or proxy that loses the header, set the Content-Type of the SCEP path.
    Not: The response is not damaged: its body is valid.
    """
    if (
        view.understood
        and view.status == 200
        and view.answer is not None
        and not view.content_type
        and view.answer.body.length
    ):
        yield Evidence(
            f"The response to {view.operation or 'the request'} has no Content-Type; its body is valid.",
            (view.a("http.content_type", "none"),),
        )


@rule.exchange(ERROR, "RFC 8894, Section 4.2.1.1", "RFC 8894, Section 4.2.1.2", where=("GetCACert",))
def content_type_contradicts_body(view: View) -> Found:
    """The Content-Type does not match the body.

    Seen: The type is x-x509-ca-cert over a PKCS #7 bundle, or x-x509-ca-ra-cert over a single certificate.
    Why: The server sets the type wrongly.
    Matters: Clients choose how to decode the body by its type, and fail.
    Do: On the server, set the type application/x-x509-ca-cert for one certificate and application/x-x509-ca-ra-cert for a bundle.
    Not: The response is not damaged: the body itself is valid.
    """
    content = view.exchange.response
    if not isinstance(content, CaCertificates) or view.operation not in ("GetCACert", "GetCACertChain"):
        return
    single, certificates = content.form == "x509", count(len(content.certificates), "certificate")
    if single and view.content_type.startswith("application/x-x509-ca-ra-cert"):
        body = what = "a single certificate"
    elif not single and view.content_type == "application/x-x509-ca-cert":
        body, what = f"a CMS set of {certificates}", f"a PKCS #7 bundle of {certificates}"
    else:
        return
    yield Evidence(
        f"The Content-Type is {view.content_type}, but the body is {what}.",
        (view.a("http.content_type", view.content_type), view.a("body", body)),
    )


@rule.exchange(WARNING, "RFC 9110, Section 8.4")
def content_encoded_body(view: View) -> Found:
    """The response is compressed.

    Seen: A SCEP response has a Content-Encoding.
    Why: A proxy or the web server compresses what it sends.
    Matters: Many embedded clients cannot decompress it.
    Do: On the proxy or web server, switch off compression for the SCEP path.
    Not: The response is not damaged: it decompresses without an error.
    """
    coding = (view.response_header("content-encoding") or "").strip().lower()
    if coding and coding != "identity" and view.operation is not None and view.status < 400:
        asked = view.request_header("accept-encoding")
        accepted = asked is not None and coding in asked.lower()
        yield Evidence(
            f"The response to {view.operation} is compressed ({shown(coding, 20)}); the client {'accepts' if accepted else 'did not offer'} this coding.",
            (view.a("http.content_encoding", coding), view.q("http.accept_encoding", asked or "none")),
            severity=Severity.INFO if accepted and view.understood else None,
        )


_RESPONSE_SHORT = "The response is shorter than it should be"


@rule.exchange(ERROR, "RFC 9112, Section 8")
def body_length_mismatch(view: View) -> Found:
    """A message is shorter than it should be.

    Seen: The body of a response ends before its Content-Length, before its last chunk, or before the end that its DER length gives. Or the body of
        a POST ends before the end that its DER length gives.
    Why: A proxy or the server closes the connection too early.
    Why: A proxy, or a buffer of the client, cuts the body of the POST and adapts its Content-Length.
    Do: On the host that sent the FIN or RST, read the log at this time, and raise the size limit or the timer that ended the message.
    Not: The capture did not lose these bytes: it has everything up to the end of the connection.
    """
    answer = view.answer
    cut = view.odd("message-unreadable")
    asked = view.asked
    if cut is not None and "truncated" in cut.detail and view.method == "POST" and asked is not None and asked.complete:
        if cut.frames == asked.frames and not view.holes(client=True):
            yield Evidence(
                f"The message in the body of the POST is {cut.detail}, though the body is complete by HTTP ({asked.body.length:,} bytes).",
                (view.q("http.content_length", asked.body.length), view.q("http.file_data", cut.detail)),
                title="The message in the POST is truncated",
            )
    if answer is None or view.operation is None:
        return
    claimed = view.response_header("content-length")
    if not answer.complete and answer.cut_by in ("fin", "rst") and not _holes(view):
        what = f"its Content-Length is {shown(claimed, 20)}" if claimed else "its last chunk is missing"
        how = "a reset (RST)" if answer.cut_by == "rst" else "a FIN"
        yield Evidence(
            f"The body of the response to {view.operation} ends after {count(answer.body.length, 'byte')}, but {what}; {how} ends the connection.",
            (view.a("http.content_length", claimed or "chunked"), view.a("body", f"{answer.body.length} bytes")),
            title=_RESPONSE_SHORT,
        )
    elif answer.complete and view.exchange.response_kind is not None and "DER that ends" in view.exchange.response_kind:
        yield Evidence(
            f"The body of the response to {view.operation} is {view.exchange.response_kind}.",
            (view.a("body", view.exchange.response_kind),),
            title=_RESPONSE_SHORT,
        )
    elif (
        answer.complete and view.reply is not None and view.reply.partial and "truncated" in view.reply.signature.reason
    ):
        yield Evidence(
            f"The message in the response to {view.operation} is {view.reply.signature.reason}.",
            (view.a("body", view.reply.signature.reason),),
            title=_RESPONSE_SHORT,
        )


def _holes(view: View) -> bool:
    return bool(view.holes(client=True, server=True)) or (view.answer is not None and bool(view.answer.sliced))


@rule.exchange(WARNING, "RFC 9112, Section 6.1")
def chunked_to_http10(view: View) -> Found:
    """The response is chunked, but the client speaks HTTP/1.0.

    Seen: The request is HTTP/1.0, and the response has Transfer-Encoding: chunked.
    Why: A proxy or server ignores the version of the request.
    Matters: HTTP/1.0 has no chunked coding, so the client reads the chunk sizes as a part of the message.
    Do: On the server or proxy, switch off chunked responses for HTTP/1.0 clients.
    Not: The response is not damaged.
    """
    coding = (view.response_header("transfer-encoding") or "").lower()
    if view.asked is not None and view.asked.version == "HTTP/1.0" and "chunked" in coding:
        yield Evidence(
            f"The response to {view.operation or 'the request'} is chunked, but the request is HTTP/1.0, which has no chunked coding.",
            (view.q("http.request.version", "HTTP/1.0"), view.a("http.transfer_encoding", coding)),
        )


@rule.exchange(WARNING, "RFC 9112, Section 3.2", strength=INFERRED)
def http10_no_host(view: View) -> Found:
    """The request has no Host header, and the wrong site responds.

    Seen: An HTTP/1.0 request without a Host header gets 400, 404 or a web page.
    Why: The web server selects the site by the host name, and this client does not send one.
    Else: On the web server, make the SCEP site the default site of this address: give it a binding without a host name.
    Do (ndes): In IIS Manager, open the site, Bindings, and add an http binding with an empty host name.
    Do (scepman): Put an Application Gateway in front: App Service cannot serve requests without a host name.
    Not: The path is not wrong if it works with a Host header.
    """
    if view.asked is None or view.asked.version != "HTTP/1.0" or view.request_header("host") is not None:
        return
    if view.status in (400, 404) or (view.status == 200 and not view.understood):
        yield Evidence(
            f"{who_first(view)} returns HTTP {view.status} for {view.operation or 'a request'} without a Host header{said(view)}.",
            (view.q("http.host", "none"), status_fact(view)),
        )


@rule.exchange(ERROR, "RFC 9110, Section 9.2.3", "RFC 9111, Section 5.1", where=("PKIOperation",))
def pkioperation_cached(view: View) -> Found:
    """A cache responds to the enrollment request.

    Seen: The response to PKIOperation has an Age header or X-Cache: HIT, or the same response comes for different requests.
    Why: A cache in the path treats GET as cacheable.
    Matters: The client gets the response to an older request, for example PENDING for ever or another device's response.
    Do: On the proxy, exclude the SCEP path from the cache; or send PKIOperation by POST from the client.
    Do: On the server, send `Cache-Control: no-store` with every SCEP response.
    Not: This is not the server's response to this request.
    """
    if view.operation != "PKIOperation":
        return
    age, hit = view.response_header("age"), view.response_header("x-cache") or ""
    if (age is not None and age.strip() not in ("", "0")) or hit.strip().lower().startswith("hit"):
        yield Evidence(
            f"The response to PKIOperation comes from a cache ({f'Age {shown(age, 12)}' if age else f'X-Cache {shown(hit, 40)}'}).",
            (view.a("http.age", age or "none"), view.a("http.x_cache", hit or "none")),
        )
        return
    if view.request is None or view.reply is None:
        return
    for message, frame in view.memory.answered_with(view.reply):
        if message != view.request.sha256 and frame < view.http.frame:
            yield Evidence(
                f"The response has the same bytes as the response to another request ({called(frame)}).",
                (view.a("CertRep", "the same bytes"), Fact(frame, "PKIOperation", "another request")),
            )
            return


@rule.exchange(ERROR, "RFC 8894, Section 4.1", "certnanny/sscep#83")
def query_malformed(view: View) -> Found:
    """The query of the URL is malformed.

    Seen: The URL contains "??", or the operation or message parameter is missing or empty.
    Why: The enrollment URL in the client's configuration already ends with "?", or it was truncated.
    Do: On the client, enter the enrollment URL without "?" and without parameters: it ends with the path.
    Not: This is not a refusal of a request: the server could not find one in the URL.
    """
    if view.asked is None or not view.asked.complete or not is_scep_path(view):
        return
    query = view.target.partition("?")[2]
    if query.startswith("?"):
        what = "contains “??”"
    elif not view.operation and "operation=" in query.lower():
        what = "has an empty operation"
    elif view.operation == "PKIOperation" and (
        (view.odd("message-missing") is not None and view.method != "POST")
        or (
            view.method == "GET"
            and len(view.path) < _LONG_PATH
            and "message=" in query.lower().replace("?", "&").split("&")
        )
    ):
        what = "has no message parameter"
    else:
        return
    worked = view.understood
    yield Evidence(
        f"The URL {shown(view.plain_target, 100)} {what}.",
        (view.q("http.request.uri.query", shown(query)), *((status_fact(view),) if view.answer is not None else ())),
        severity=Severity.WARNING if worked else None,
    )


@rule.exchange(WARNING, "RFC 8894, Section 4.1")
def operation_unknown(view: View) -> Found:
    """The operation in the URL is not one of SCEP.

    Seen: The value of `operation=` is not in RFC 8894 or its drafts, or is in the wrong case.
    Why: A script contains a typing error, or a scanner or another protocol uses this path.
    Matters: Some servers compare the operation case-sensitively.
    Do: On the client, correct the operation: GetCACaps, GetCACert, GetNextCACert or PKIOperation.
    Not: The server is not the cause.
    """
    sent = view.exchange.operation_as_sent
    if not sent or sent.lower() in _NDES_OWN:
        return
    if view.operation not in _KNOWN:
        yield Evidence(f"SCEP has no operation {shown(sent)}.", (view.q("operation", shown(sent)),))
    elif sent != view.operation and not (view.odd("operation-cut")):
        yield Evidence(
            f"The operation is written {shown(sent)}; it should be {view.operation}.",
            (view.q("operation", shown(sent)), *((status_fact(view),) if view.answer is not None else ())),
            severity=None if not view.understood else Severity.INFO,
        )


@rule.exchange(INFO, "RFC 9112, Section 9.5")
def slow_operation(view: View) -> Found:
    """The server takes long to respond.

    Seen: The first byte of the response comes more than 5 s after the request.
    Why: The server waits for its CA, a CRL or a policy check.
    Matters: Clients stop waiting after some time, usually 10 s to 60 s.
    Do: On the server, read the log for this period, and measure how long its CA and its CRL downloads take.
    Do (ndes): On the NDES server, run `certutil -ping -config "CAHOST\\CANAME"`, and check the CRL addresses of the RA certificate with
        `certutil -verify -urlfetch FILE.cer`.
    Not: The network is not the cause if the request was acknowledged at once.
    """
    waited, sending = view.duration_ns, view.asked_for_ns
    if waited is not None and waited > _SLOW_NS and view.operation is not None:
        network = f" ({seconds(sending)} of them to send the request)" if sending and sending > _SLOW_NS // 10 else ""
        yield Evidence(
            f"The first byte of the response to {view.operation} comes after {seconds(waited)}{network}.",
            (view.q("frame.time", "request"), view.a("http.time", seconds(waited))),
            title=f"The server takes {seconds(waited)} to respond to {view.operation}",
        )
