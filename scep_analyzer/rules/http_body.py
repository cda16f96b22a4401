"""The answer's body and headers: what comes back with 200 and is still not what the client can use."""

from scep_analyzer.model.findings import Evidence, Fact, Severity
from scep_analyzer.model.scep import CaCapabilities, CaCertificates
from scep_analyzer.rules._rule import ERROR, INFERRED, INFO, WARNING, Found, rule
from scep_analyzer.rules._views import View
from scep_analyzer.rules._words import count, seconds, shown
from scep_analyzer.rules.http_status import is_scep_path, said, status_fact, who

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


@rule.exchange(ERROR, "RFC 8894, Section 4.1", "seize-the-dave/jscep#68")
def html_in_200(view: View) -> Found:
    """A web page stands where a SCEP answer belongs.

    Seen: Status 200, and the body is HTML.
    Why: A login, captive portal or block page of a proxy.
    Why: NDES's welcome page, because the operation is missing from the URL; or another web site answers for this name.
    Do: Read the page's words, then mend the URL or exempt the path from the proxy.
    Not: An answer of the SCEP service.
    """
    if view.status != 200 or view.operation is None or view.understood or not is_scep_path(view):
        return
    kind = view.exchange.response_kind
    if kind == "HTML" or (view.content_type == "text/html" and kind is not None):
        yield Evidence(
            f"{view.operation} is answered with 200 and a web page{said(view)}.",
            (view.a("http.content_type", view.content_type or "none"), view.a("http.file_data", kind or "HTML")),
        )


@rule.exchange(ERROR, "smallstep/certificates#916", "micromdm/scep#155")
def empty_200(view: View) -> Found:
    """The answer is empty.

    Seen: Status 200 without a body.
    Why: The server does not take PKIOperation by GET, or its handler failed silently.
    Do: Let the client use POST; upgrade the server.
    Not: An answer of SCEP: even a refusal has a body.
    """
    if view.status == 200 and view.answer is not None and view.operation is not None and view.answer.complete:
        empty_caps = isinstance(view.exchange.response, CaCapabilities) and not view.exchange.response.keywords
        if not view.answer.body.length and (not view.understood or empty_caps) and view.method != "HEAD":
            yield Evidence(
                f"{view.operation} by {view.method or 'an unseen request'} is answered with 200 and no body by {who(view)}.",
                (view.a("http.content_length", "0"),),
                severity=Severity.WARNING if view.operation == "GetCACaps" else None,
            )


def _right_types(view: View) -> tuple[str, ...]:
    return _TYPES.get(view.operation or "", ())


@rule.exchange(WARNING, "RFC 8894, Section 4.2.1", "certnanny/sscep#126")
def content_type_wrong(view: View) -> Found:
    """The answer's content type is none that SCEP knows.

    Seen: A good answer under a media type that RFC 8894 does not give it.
    Why: The server or a proxy sets the header wrongly.
    Do: Mend the header; strict clients refuse the answer.
    Not: A broken answer: the body is right.
    """
    right = _right_types(view)
    known = {each for types in _TYPES.values() for each in types}
    if view.understood and right and view.content_type and view.content_type not in right:
        contradicts = view.content_type in known and view.operation != "PKIOperation"
        if not contradicts:
            yield Evidence(
                f"The answer to {view.operation} is good, but its Content-Type is {shown(view.content_type)}, where {right[0]} belongs.",
                (view.a("http.content_type", view.content_type),),
            )


@rule.exchange(WARNING, "RFC 9110, Section 8.3", "seize-the-dave/jscep#49")
def content_type_missing(view: View) -> Found:
    """The answer has no content type.

    Seen: A good answer without a Content-Type header.
    Why: An old server, or a proxy that removes it.
    Do: Mend the header; strict clients refuse the answer.
    Not: A broken answer: the body is right.
    """
    if (
        view.understood
        and view.status == 200
        and view.answer is not None
        and not view.content_type
        and view.answer.body.length
    ):
        yield Evidence(
            f"The answer to {view.operation or 'the request'} has no Content-Type.",
            (view.a("http.content_type", "none"),),
        )


@rule.exchange(ERROR, "RFC 8894, Section 4.2.1.1", "RFC 8894, Section 4.2.1.2")
def content_type_contradicts_body(view: View) -> Found:
    """The content type says something else than the body holds.

    Seen: x-x509-ca-cert over a CMS set, or x-x509-ca-ra-cert over a single certificate.
    Why: The server sets the type wrongly.
    Do: Mend the header: one certificate is application/x-x509-ca-cert, a set application/x-x509-ca-ra-cert.
    Not: Damage: the body itself can be read.
    """
    content = view.exchange.response
    if not isinstance(content, CaCertificates) or view.operation not in ("GetCACert", "GetCACertChain"):
        return
    single = content.form == "x509"
    if single and view.content_type.startswith("application/x-x509-ca-ra-cert"):
        body = "a single certificate"
    elif not single and view.content_type == "application/x-x509-ca-cert":
        body = f"a CMS set of {count(len(content.certificates), 'certificate')}"
    else:
        return
    yield Evidence(
        f"The Content-Type is {view.content_type}, the body is {body}.",
        (view.a("http.content_type", view.content_type), view.a("body", body)),
    )


@rule.exchange(WARNING, "RFC 9110, Section 8.4")
def content_encoded_body(view: View) -> Found:
    """The answer is compressed.

    Seen: A Content-Encoding on a SCEP answer.
    Why: A proxy compresses what it passes on.
    Do: Switch compression off for the SCEP path: embedded clients cannot undo it.
    Not: Damage: this program has undone it.
    """
    coding = (view.response_header("content-encoding") or "").strip().lower()
    if coding and coding != "identity" and view.operation is not None and view.status < 400:
        asked = view.request_header("accept-encoding")
        accepted = asked is not None and coding in asked.lower()
        yield Evidence(
            f"The answer to {view.operation} is compressed ({shown(coding, 20)}); the client {'accepts' if accepted else 'did not say that it accepts'} that.",
            (view.a("http.content_encoding", coding), view.q("http.accept_encoding", asked or "none")),
            severity=Severity.INFO if accepted and view.understood else None,
        )


@rule.exchange(ERROR, "RFC 9112, Section 8")
def body_length_mismatch(view: View) -> Found:
    """The answer is shorter than it says.

    Seen: The body ends before its Content-Length, its last chunk, or the length that its DER claims.
    Why: A proxy or the server closed the connection too early.
    Do: Find who sent the FIN or RST, and why; raise the limit or timer there.
    Not: Loss in the capture: nothing is missing before the end of the connection.
    """
    answer = view.answer
    if answer is None or view.operation is None:
        return
    claimed = view.response_header("content-length")
    if not answer.complete and answer.cut_by in ("fin", "rst") and not _holes(view):
        what = f"Content-Length says {shown(claimed, 20)}" if claimed else "the chunked body has no end"
        yield Evidence(
            f"The answer to {view.operation} ends after {answer.body.length:,} body bytes, but {what}; the connection was closed ({answer.cut_by}).",
            (view.a("http.content_length", claimed or "chunked"), view.a("body", f"{answer.body.length} bytes")),
        )
    elif answer.complete and view.exchange.response_kind is not None and "DER that ends" in view.exchange.response_kind:
        yield Evidence(
            f"The body of the answer to {view.operation} is {view.exchange.response_kind}.",
            (view.a("body", view.exchange.response_kind),),
        )
    elif (
        answer.complete and view.reply is not None and view.reply.partial and "truncated" in view.reply.signature.reason
    ):
        yield Evidence(
            f"The message in the answer to {view.operation} is {view.reply.signature.reason}.",
            (view.a("body", view.reply.signature.reason),),
        )


def _holes(view: View) -> bool:
    return bool(view.holes(client=True, server=True)) or (view.answer is not None and bool(view.answer.sliced))


@rule.exchange(WARNING, "RFC 9112, Section 6.1")
def chunked_to_http10(view: View) -> Found:
    """A chunked answer to an HTTP/1.0 request.

    Seen: The request is HTTP/1.0, the answer has Transfer-Encoding: chunked.
    Why: A proxy or server does not look at the version of the request.
    Do: Switch chunking off for this client: HTTP/1.0 does not know it.
    Not: Damage.
    """
    coding = (view.response_header("transfer-encoding") or "").lower()
    if view.asked is not None and view.asked.version == "HTTP/1.0" and "chunked" in coding:
        yield Evidence(
            f"The answer to {view.operation or 'an HTTP/1.0 request'} is chunked, which HTTP/1.0 does not know.",
            (view.q("http.request.version", "HTTP/1.0"), view.a("http.transfer_encoding", coding)),
        )


@rule.exchange(WARNING, "RFC 9112, Section 3.2", strength=INFERRED)
def http10_no_host(view: View) -> Found:
    """The request names no host, and another site answers.

    Seen: HTTP/1.0 without a Host header, answered with 400, 404 or a web page.
    Why: The site is bound to a host name.
    Do: Bind a site without host name for these clients.
    Not: A wrong path, if the path works with a Host header.
    """
    if view.asked is None or view.asked.version != "HTTP/1.0" or view.request_header("host") is not None:
        return
    if view.status in (400, 404) or (view.status == 200 and not view.understood):
        yield Evidence(
            f"{view.operation or 'The request'} has no Host header and is answered with {view.status}{said(view)}.",
            (view.q("http.host", "none"), status_fact(view)),
        )


@rule.exchange(ERROR, "RFC 8894, Section 4.1", "RFC 9111, Section 5.1")
def pkioperation_cached(view: View) -> Found:
    """A cache answers PKIOperation.

    Seen: Age or X-Cache: HIT on the answer, or the same answer to different requests.
    Why: A cache takes GET for safe to repeat.
    Do: Let the client use POST; exclude the SCEP path from the cache (Cache-Control: no-store).
    Not: An answer to this request.
    """
    if view.operation != "PKIOperation":
        return
    age, hit = view.response_header("age"), view.response_header("x-cache") or ""
    if (age is not None and age.strip() not in ("", "0")) or hit.strip().lower().startswith("hit"):
        yield Evidence(
            f"The answer to PKIOperation comes from a cache ({f'Age {shown(age, 12)}' if age else f'X-Cache {shown(hit, 40)}'}).",
            (view.a("http.age", age or "none"), view.a("http.x_cache", hit or "none")),
        )
        return
    if view.request is None or view.reply is None:
        return
    for message, frame in view.memory.answered_with(view.reply):
        if message != view.request.sha256 and frame < view.http.frame:
            yield Evidence(
                f"The very answer to the request of frame {frame} is given again to another request.",
                (view.a("CertRep", "the same bytes"), Fact(frame, "PKIOperation", "another request")),
            )
            return


@rule.exchange(ERROR, "RFC 8894, Section 4.1", "certnanny/sscep#83")
def query_malformed(view: View) -> Found:
    """The query of the URL is malformed.

    Seen: `??operation`, or an operation or message parameter that is missing or empty.
    Why: The URL in the client's profile ends in "?" already, or was cut.
    Do: Mend the enrollment URL: it ends with the path, without "?".
    Not: A refusal by the server.
    """
    if view.asked is None or not view.asked.complete or not is_scep_path(view):
        return
    query = view.target.partition("?")[2]
    if query.startswith("?"):
        what = "begins with a second “?”"
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
        what = "has no message"
    else:
        return
    worked = view.understood
    yield Evidence(
        f"The query of {shown(view.plain_target, 100)} {what}.",
        (view.q("http.request.uri.query", shown(query)), *((status_fact(view),) if view.answer is not None else ())),
        severity=Severity.WARNING if worked else None,
    )


@rule.exchange(WARNING, "RFC 8894, Section 4.1")
def operation_unknown(view: View) -> Found:
    """The operation is none that SCEP knows.

    Seen: The value of `operation=` is not in RFC 8894 or its drafts, or is spelt in another case.
    Why: A typing error in a script, a scanner, or another protocol on this path.
    Do: Mend the client. Some servers compare the operation letter by letter.
    Not: A fault of the server.
    """
    sent = view.exchange.operation_as_sent
    if not sent or sent.lower() in _NDES_OWN:
        return
    if view.operation not in _KNOWN:
        yield Evidence(f"The operation {shown(sent)} is none of SCEP's.", (view.q("operation", shown(sent)),))
    elif sent != view.operation and not (view.odd("operation-cut")):
        yield Evidence(
            f"The operation is sent as {shown(sent)}, where {view.operation} belongs.",
            (view.q("operation", shown(sent)), *((status_fact(view),) if view.answer is not None else ())),
            severity=None if not view.understood else Severity.INFO,
        )


@rule.exchange(INFO, "RFC 8894, Section 2.5")
def slow_operation(view: View) -> Found:
    """The server takes long to answer.

    Seen: The first byte of the answer comes more than five seconds after the request.
    Why: The CA, a CRL or a policy module keeps the server waiting.
    Do: Look at what the server does in that time; see the findings about the server's side.
    Not: The network, where the request was acknowledged at once.
    """
    waited, sending = view.duration_ns, view.asked_for_ns
    if waited is not None and waited > _SLOW_NS and view.operation is not None:
        network = f", {seconds(sending)} of them to send the request" if sending and sending > _SLOW_NS // 10 else ""
        yield Evidence(
            f"{view.operation} took {seconds(waited)} to the first byte of the answer{network}.",
            (view.q("frame.time", "request"), view.a("http.time", seconds(waited))),
        )
