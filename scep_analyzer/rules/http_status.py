"""HTTP answers that are no success: who answered, and why (RFC 9110, Section 15; IIS and http.sys)."""

from collections.abc import Callable
from functools import lru_cache
from urllib.parse import urlsplit

from scep_analyzer.model.exchanges import BYSTANDERS
from scep_analyzer.model.findings import Evidence, Fact, Severity
from scep_analyzer.model.scep import PkiMessage
from scep_analyzer.rules._rule import ERROR, INFERRED, INFO, POSSIBLE, WARNING, Found, rule
from scep_analyzer.rules._views import View
from scep_analyzer.rules._words import count, seconds, shown
from scep_analyzer.rules.server_words import heard

_LOGIN = (
    "login.microsoftonline", "/adfs/", "login.", "/login", "sso", "oauth2", "saml", "signin", "sign-in", "/auth", "okta", "idp.", "/logon",
)  # fmt: skip
IIS_QUERY, IIS_URL = 2048, 4096
"""IIS's defaults for maxQueryString and maxUrl; too long a request is answered with 404 (substatus 15 and 14)."""
_IIS_BODY = 30_000_000
_STALL_NS = 1_000_000_000
_BLOCKERS = (
    "web application firewall", "waf", "forbidden by", "blocked", "access denied", "request rejected", "incapsula",
    "cloudflare", "akamai", "fortinet", "fortigate", "f5", "imperva", "barracuda", "mod_security", "policy",
)  # fmt: skip
_BLOCKER_HEADERS = ("x-squid-error", "cf-ray", "x-iinfo", "x-sucuri-id", "x-denied-reason", "x-waf-event-info", "x-cdn")
_PROXY_HEADERS = (
    "via",
    "x-cache",
    "x-squid-error",
    "x-ms-proxy-app-id",
    "x-ms-proxy-service-name",
    "x-forwarded-server",
)
_VENDORS = ("x-amzn-errortype", "x-amzn-errormessage", "x-digicert-error")
_VENDOR_WORDS = ("enrollment code", "digicert", "connector for scep", "onboarding code")
_OF_OTHER_RULES = frozenset({"base64", "decode", "empty", "identifier"})
"""Meanings of words that another rule about the status quotes: http-400-bad-message, http-404-ca-identifier."""
_HTTP_SYS = "microsoft-httpapi"
_TOO_LONG = ("request too long", "invalid url", "url too long", "request-uri too long")


def said(view: View) -> str:
    """What the server says in words, as a clause."""
    spoken = heard(view.exchange)
    text = spoken.text if spoken is not None else view.exchange.body_text
    return f": {shown(text, 160)}" if text else ""


def meant(view: View) -> tuple[str, ...]:
    """What these words mean, as causes."""
    spoken = heard(view.exchange)
    return (spoken.meaning.says,) if spoken is not None and spoken.meaning is not None else ()


def who(view: View) -> str:
    """Who answered, as far as it says."""
    name = view.response_header("server") or view.response_header("via")
    return shown(name) if name else "the server"


def _who_first(view: View) -> str:
    """The same at the start of a sentence."""
    name = who(view)
    return name[0].upper() + name[1:]


def status_fact(view: View) -> Fact:
    """The status line."""
    answer = view.answer
    return view.a("http.response.code", f"{answer.status} {answer.reason}".strip() if answer is not None else "none")


def is_scep_path(view: View) -> bool:
    """Whether the path is not one of those that only accompany SCEP."""
    return not _accompanies(view.path)


@lru_cache(maxsize=256)
def _accompanies(path: str) -> bool:
    lower = path.lower()
    return any(sign in lower for sign in BYSTANDERS)


def query_length(view: View) -> int:
    """Characters of the query, as IIS counts them."""
    return len(view.target.partition("?")[2])


def short_ones_work(view: View) -> int | None:
    """The frame of an answer of 200 to a short GET of the same path, None where there is none."""
    found = (
        each.frame
        for each in view.memory.answers(view.http.server)
        if each.status == 200
        and each.method == "GET"
        and each.target_length < 512
        and each.path == view.path
        and each.understood
    )
    return next(found, None)


def other_operations(view: View, status: Callable[[int], bool]) -> dict[str, int]:
    """Operations of this server that were answered with such a status, and in which frame."""
    return {
        each.operation: each.frame
        for each in view.memory.answers(view.http.server)
        if each.operation is not None and status(each.status)
    }


@rule.status(ERROR, "MicrosoftDocs/azure-docs#83207", "MicrosoftDocs/entra-docs#633")
def http_redirect_to_login(view: View) -> Found:
    """The request is sent on to a login page.

    Seen: A 3xx answer whose Location is a sign-in service.
    Why: The application proxy authenticates users before it passes requests on (pre-authentication is Entra ID, not Passthrough).
    Why: A reverse proxy or captive portal asks for a login.
    Do: Set pre-authentication of the SCEP path to Passthrough; exempt the path from the login.
    Not: An answer of the SCEP server: it never saw the request.
    """
    location = view.response_header("location")
    if 300 <= view.status < 400 and location and any(each in location.lower() for each in _LOGIN):
        host = _host(location)
        yield Evidence(
            f"{view.operation or 'The request'} is answered with {view.status} to {host or shown(location)}, a sign-in page.",
            (status_fact(view), view.a("http.location", shown(location, 120))),
        )


def _host(location: str) -> str:
    try:
        return urlsplit(location).hostname or ""
    except ValueError:  # a bad IPv6 address
        return ""


@rule.status(ERROR, "RFC 9110, Section 15.4")
def http_redirect(view: View) -> Found:
    """The server redirects; SCEP clients seldom follow.

    Seen: A 3xx answer to a SCEP request.
    Why: A rule sends HTTP to HTTPS, a trailing slash is missing, or the service has moved.
    Do: Put the final URL into the client's enrollment profile.
    Not: A refusal of the request: it was not looked at.
    """
    location = view.response_header("location")
    if not 300 <= view.status < 400 or view.status == 304:
        return
    if location and any(each in location.lower() for each in _LOGIN):
        return
    followed = next(
        (
            each
            for each in view.memory.answers(view.http.server)
            if location and each.path and each.path != view.path and each.path in location and each.number > view.number
        ),
        None,
    )
    what = f"; the client followed with {followed.method}" if followed is not None else "; the client did not follow"
    yield Evidence(
        f"{view.operation or 'The request'} is redirected with {view.status} to {shown(location or 'nowhere', 120)}{what}.",
        (status_fact(view), view.a("http.location", shown(location or "", 120))),
    )


@rule.status(
    ERROR,
    "RFC 9110, Section 15.5.2",
    "learn.microsoft.com, Troubleshooting device to NDES server communication",
)
def http_401_on_scep(view: View) -> Found:
    """The server wants a login for SCEP.

    Seen: 401 with WWW-Authenticate on the SCEP path.
    Why: Anonymous authentication is switched off on the SCEP path (/certsrv/mscep on NDES).
    Why: The URL is that of the administration page, or a wrong enrollment code is in it.
    Do: Enable anonymous authentication and disable Windows authentication on the SCEP path; check the URL.
    Not: A wrong challenge password: that is inside the encrypted message.
    """
    if view.status == 401 and is_scep_path(view) and not _means_refusal(view):
        scheme = view.response_header("www-authenticate")
        yield Evidence(
            f"{view.operation or 'The request'} to {shown(view.path)} is answered with 401, asking for {shown(scheme or 'a login', 40)}.",
            (status_fact(view), view.a("http.www_authenticate", scheme or "none")),
        )


@rule.status(ERROR, "RFC 9110, Section 15.5.8")
def http_407_proxy(view: View) -> Found:
    """A proxy on the way wants a login.

    Seen: 407.
    Why: The device's traffic is forced through a proxy that authenticates users.
    Do: Exempt the SCEP server from the proxy, or let the proxy pass its path without a login.
    Not: An answer of the SCEP server.
    """
    if view.status == 407:
        yield Evidence(
            f"A proxy answers {view.operation or 'the request'} with 407 ({who(view)}).",
            (
                status_fact(view),
                view.a("http.proxy_authenticate", view.response_header("proxy-authenticate") or "none"),
            ),
        )


@rule.status(INFO, "MicrosoftDocs/memdocs#3165")
def ndes_403_plain_get(view: View) -> Found:
    """NDES answers a plain request with 403: its policy module is installed.

    Seen: 403 to a GET of mscep.dll without an operation.
    Why: With the Intune policy module that is the healthy answer; the welcome page would mean that the module is not active.
    Do: Nothing.
    Not: A fault.
    """
    if view.status == 403 and view.operation is None and view.path.lower().rstrip("/").endswith("mscep.dll"):
        yield Evidence(
            "A GET of mscep.dll without an operation is answered with 403, as NDES with a policy module does.",
            (view.q("http.request.uri", shown(view.plain_target)), status_fact(view)),
        )


def _forbidden(view: View) -> str | None:
    """Which of the reasons for 403 the bytes speak for."""
    if view.status != 403 or view.operation is None or not is_scep_path(view):
        return None
    text = (view.exchange.body_text or "").lower()
    if "client certificate" in text or "403.7" in text or "403.16" in text or "403.13" in text or "403.17" in text:
        return "certificate"
    host = view.http.server.address
    asked = [each for each in view.scene.handshakes if each.server.address == host and each.certificate_requested]
    if asked and view.http.server.port == asked[0].server.port:
        return "certificate"
    if not view.http.tls and ("ssl" in text or "https" in text or "403.4" in text):
        return "tls"
    if any(view.response_header(each) is not None for each in _BLOCKER_HEADERS) or any(
        each in text for each in _BLOCKERS
    ):
        return "blocked"
    if not view.http.tls and any(
        each.server.address == host and each.application_data for each in view.scene.handshakes
    ):
        return "tls"
    return "blocked"


@rule.status(ERROR, "learn.microsoft.com, HTTP status codes in IIS (403.4)", strength=INFERRED)
def http_403_tls_required(view: View) -> Found:
    """The server wants HTTPS for this path.

    Seen: 403 to an operation over HTTP, and the page says that SSL is required, or HTTPS of the same host works.
    Why: The site or directory is set to "Require SSL" (403.4).
    Do: Allow HTTP on the SCEP path, which needs no TLS, or change the enrollment URL to https.
    Not: A wrong challenge password.
    """
    if _forbidden(view) == "tls":
        yield Evidence(f"{view.operation} over HTTP is answered with 403{said(view)}.", (status_fact(view),))


@rule.status(
    ERROR,
    "learn.microsoft.com, HTTP status codes in IIS (403.7, 403.13, 403.16, 403.17)",
    strength=INFERRED,
)
def http_403_client_cert(view: View) -> Found:
    """The server wants a client certificate.

    Seen: 403 whose page speaks of a client certificate, or after a CertificateRequest.
    Why: SSL settings of the site are "Require" (403.7: none sent, 403.13: revoked, 403.16: not trusted, 403.17: expired).
    Why: An intermediate certificate lies in the server's Root store (403.16).
    Do: Set "Client certificates: Ignore" on the SCEP path; move intermediates out of the Root store.
    Not: A SCEP refusal: a device that enrolls has no certificate yet.
    """
    if _forbidden(view) == "certificate":
        yield Evidence(f"{view.operation} is answered with 403{said(view)}.", (status_fact(view),))


@rule.status(ERROR, "RFC 9110, Section 15.5.4", strength=INFERRED)
def http_403_blocked(view: View) -> Found:
    """Something in front of the SCEP server forbids the request.

    Seen: 403 to an operation, from a firewall, proxy or rule of the server.
    Why: A rule of a web application firewall dislikes long queries, base64, or .dll and .exe in the path.
    Why: An address filter or a permission of the server.
    Do: Exempt the SCEP path from these rules, for GET and POST.
    Not: A wrong challenge password: that would be a CertRep.
    """
    if _forbidden(view) == "blocked":
        signs = [each for each in _BLOCKER_HEADERS if view.response_header(each) is not None]
        text = (view.exchange.body_text or "").lower()
        shows = signs or any(each in text for each in _BLOCKERS)
        yield Evidence(
            f"{view.operation} is answered with 403 by {who(view)}{said(view)}.",
            (status_fact(view), *(view.a(f"http.{each}", view.response_header(each) or "") for each in signs)),
            strength=None if shows else POSSIBLE,
        )


@rule.status(ERROR, "RFC 9110, Section 15.5.5", "micromdm/scep#72", "micromdm/scep#158")
def http_404_wrong_path(view: View) -> Found:
    """There is no SCEP at this path.

    Seen: 404 to a short request, GetCACaps or GetCACert.
    Why: The path in the enrollment URL is wrong, or a part of it is missing.
    Why: The SCEP service is not installed or not switched on.
    Do: Put the server's SCEP path into the enrollment URL.
    Do (ndes): The path is /certsrv/mscep/mscep.dll. `Get-WindowsFeature ADCS-Device-Enrollment` tells whether the role is there; the IIS log has the substatus.
    Do (step-ca): The path is /scep/PROVISIONER.
    Do (ejbca): The path is /ejbca/publicweb/apply/scep/ALIAS/pkiclient.exe.
    Do (micromdm): The only path is /scep. Cisco IOS appends /pkiclient.exe: rewrite it in a proxy in front.
    Do (scepman): /static, /jamf and /dc must be switched on: AppConfig:StaticValidation:Enabled and its like.
    Do (ios-ca): The path is /cgi-bin/pkiclient.exe; `ip http server` must be on and `show crypto pki server` say "enabled".
    Do (fortiauthenticator): The path is /app/cert/scep/; enable SCEP on the network interface.
    Not: A URL that is too long: this one is short.
    """
    if view.status != 404 or view.operation is None or len(view.target) > 1024 or not is_scep_path(view):
        return
    if _identifier_rejected(view) is not None or short_ones_work(view) is not None:
        return  # the path is right
    yield Evidence(
        f"{view.operation} to {shown(view.path)} is answered with 404 by {who(view)}.",
        (view.q("http.request.uri", shown(view.plain_target, 100)), status_fact(view)),
    )


def _identifier_rejected(view: View) -> int | None:
    """The frame of a GetCACaps that the same path answered, where a GetCACert that names a CA is not found."""
    if view.operation in ("GetCACert", "GetCACertChain", "GetNextCACert") and view.exchange.message_parameter:
        return next(
            (
                each.frame
                for each in view.memory.answers(view.http.server)
                if each.operation == "GetCACaps" and each.status == 200 and each.path == view.path
            ),
            None,
        )
    return None


@rule.status(ERROR, "certnanny/sscep#160", "Keyfactor/ejbca-ce#503", strength=INFERRED)
def http_404_ca_identifier(view: View) -> Found:
    """The server does not know the CA identifier.

    Seen: GetCACaps of the same path is answered, GetCACert with a CA identifier in `message=` gets 404.
    Why: The identifier names no CA of this server (EJBCA refuses sscep's default "CAIdentifier").
    Do: Give the client the right CA identifier, or leave it empty.
    Not: A wrong path: the path answers.
    """
    frame = _identifier_rejected(view)
    if view.status in (400, 404) and frame is not None:
        yield Evidence(
            f"{view.operation} for CA identifier {shown(view.exchange.message_parameter or '')} is answered with {view.status}, "
            f"though GetCACaps of this path works (frame {frame}).",
            (
                view.q("message", view.exchange.message_parameter or ""),
                status_fact(view),
                Fact(frame, "http.response.code", "200 to GetCACaps"),
            ),
        )


@rule.status(
    ERROR,
    "certnanny/sscep#83",
    "learn.microsoft.com, Troubleshooting device to NDES server communication",
    strength=INFERRED,
)
def iis_query_too_long(view: View) -> Found:
    """The URL is longer than IIS allows.

    Seen: A GET PKIOperation with a query over 2,048 (or a URL over 4,096) characters is answered with 404, short requests to the same path with 200.
    Why: Request filtering of IIS refuses it (404.15 for the query, 404.14 for the URL); its defaults are too small for almost every PKIOperation by GET.
    Do: Set maxQueryString and maxUrl to 65534 on the SCEP path, and MaxFieldLength and MaxRequestBytes of http.sys.
    Do: Better: let the client send PKIOperation by POST.
    Not: A wrong path: short requests to it work.
    """
    if view.status != 404 or view.operation != "PKIOperation" or view.method != "GET":
        return
    query, works = query_length(view), short_ones_work(view)
    iis = "microsoft" in view.server_name
    if (query > IIS_QUERY or len(view.target) > IIS_URL) and (works is not None or iis):
        sub = "404.15, maxQueryString" if query > IIS_QUERY else "404.14, maxUrl"
        facts = [view.q("http.request.uri.query", f"{query} characters"), status_fact(view)]
        if works is not None:
            facts.append(Fact(works, "http.response.code", "200 to a short request"))
        yield Evidence(
            f"The query has {query:,} characters, IIS's default limit is {IIS_QUERY:,} ({sub}); short requests to this path "
            f"{'are answered with 200' if works is not None else 'are not in the capture'}.",
            tuple(facts),
        )


@rule.status(ERROR, "learn.microsoft.com, HTTP status codes in IIS (404.13)", strength=INFERRED)
def iis_body_too_long(view: View) -> Found:
    """The request body is longer than IIS allows.

    Seen: A POST is answered with 404 or 413 by IIS, and short requests to the same path work.
    Why: maxAllowedContentLength of request filtering was lowered (404.13).
    Do: Raise it on the SCEP path; a SCEP message has up to some tens of kilobytes.
    Not: A wrong path: the path answers other requests.
    """
    if view.method != "POST" or view.status not in (404, 413) or "microsoft" not in view.server_name:
        return
    works = short_ones_work(view)
    length = view.asked.body.length if view.asked is not None else 0
    if works is not None:
        yield Evidence(
            f"A POST of {length:,} bytes is answered with {view.status} by IIS, short requests to this path with 200.",
            (
                view.q("http.content_length", length),
                status_fact(view),
                Fact(works, "http.response.code", "200 to a short request"),
            ),
        )


@rule.status(ERROR, "RFC 9110, Section 15.5.15")
def http_414_uri_too_long(view: View) -> Found:
    """The URL is too long for the server.

    Seen: 414.
    Why: The limit of the box that answered: http.sys MaxRequestBytes and MaxFieldLength, nginx large_client_header_buffers, Apache LimitRequestLine.
    Do: Raise that limit on the box that answered, or let the client send PKIOperation by POST.
    Not: A refusal by the SCEP service.
    """
    if view.status == 414:
        yield Evidence(
            f"The request target has {len(view.target):,} characters; {who(view)} answers 414.",
            (view.q("http.request.uri", f"{len(view.target)} characters"), status_fact(view)),
        )


@rule.status(ERROR, "learn.microsoft.com, Http.sys registry settings for Windows")
def http_400_too_long(view: View) -> Found:
    """Windows refuses the request line before IIS sees it.

    Seen: 400 from Microsoft-HTTPAPI with "Request Too Long" or "Invalid URL".
    Why: The request is longer than MaxRequestBytes or MaxFieldLength of http.sys (16,384).
    Why: A path segment is longer than 260 characters: the message stands in the path instead of the query.
    Do: Raise MaxFieldLength and MaxRequestBytes (up to 65,534) under HKLM\\SYSTEM\\CurrentControlSet\\Services\\HTTP\\Parameters and restart; use POST.
    Not: An answer of NDES.
    """
    text = (view.exchange.body_text or "").lower()
    if view.status == 400 and (_HTTP_SYS in view.server_name or any(each in text for each in _TOO_LONG)):
        segment = max(map(len, view.path.split("/")))
        long = len(view.target) > IIS_URL or segment > 260
        if long or any(each in text for each in _TOO_LONG):
            yield Evidence(
                f"{_who_first(view)} answers 400{said(view)}; the target has {len(view.target):,} characters, its longest path segment {segment:,}.",
                (view.q("http.request.uri", f"{len(view.target)} characters"), status_fact(view)),
            )


_BAD_ENCODING = (
    "base64-unescaped", "base64-blanks", "base64-url-alphabet", "base64-padding-missing", "base64-truncated", "base64-damaged",
    "double-encoding", "get-message-binary", "message-missing", "message-unreadable",
)  # fmt: skip


@rule.status(ERROR, "RFC 8894, Section 4.1", "fleetdm/fleet#45291", "smallstep/certificates#916", strength=INFERRED)
def http_400_bad_message(view: View) -> Found:
    """The server cannot decode the message in the URL.

    Seen: 400 to a GET PKIOperation whose message parameter is not base64 as RFC 8894 wants it.
    Why: See the finding about the encoding.
    Do: Mend the encoding on the client; servers that undo it strictly refuse it.
    Not: A refusal of the request itself: it was not read.
    """
    odd = view.odd(*_BAD_ENCODING)
    if _HTTP_SYS in view.server_name:
        return  # it looks at the length only
    if view.status == 400 and view.operation == "PKIOperation" and view.method == "GET" and odd is not None:
        yield Evidence(
            f"The server answers 400 to a message parameter that is odd: {odd.detail}.",
            (view.q("message", odd.code), status_fact(view)),
        )


@rule.status(ERROR, "RFC 9110, Section 15.5.6")
def http_405_post(view: View) -> Found:
    """The server does not take POST.

    Seen: 405 or 501 to a POST.
    Why: The server has no POST for PKIOperation, or a firewall lets only GET through.
    Do: Enable POST on the server or firewall and advertise POSTPKIOperation; or make the client use GET.
    Not: A refusal of the request itself.
    """
    if view.method == "POST" and view.status in (405, 501):
        yield Evidence(
            f"A POST of {view.operation or 'a message'} is answered with {view.status}; allowed is {shown(view.response_header('allow') or 'not said', 40)}.",
            (view.q("http.request.method", "POST"), status_fact(view)),
        )


@rule.status(ERROR, "RFC 9110, Section 15.5.12")
def http_411_length_required(view: View) -> Found:
    """The server wants a Content-Length.

    Seen: 411 to a chunked POST.
    Why: A proxy does not take chunked requests.
    Do: Let the client send a Content-Length, or let the proxy accept chunked requests.
    Not: A SCEP refusal.
    """
    if view.status == 411:
        yield Evidence(
            f"A request with Transfer-Encoding {shown(view.request_header('transfer-encoding') or 'none', 20)} is answered with 411 by {who(view)}.",
            (view.q("http.transfer_encoding", view.request_header("transfer-encoding") or "none"), status_fact(view)),
        )


@rule.status(ERROR, "RFC 9110, Section 15.5.14")
def http_413_too_large(view: View) -> Found:
    """The request body is too large for a proxy or the server.

    Seen: 413.
    Why: A limit on the body (nginx client_max_body_size, a WAF).
    Do: Raise the limit on the box that answered.
    Not: A SCEP refusal.
    """
    if view.status == 413 and not ("microsoft" in view.server_name and short_ones_work(view) is not None):
        length = view.asked.body.length if view.asked is not None else 0
        yield Evidence(
            f"{_who_first(view)} answers 413 to a body of {length:,} bytes.",
            (view.q("http.content_length", length), status_fact(view)),
        )


@rule.status(ERROR, "RFC 9110, Section 15.5.16")
def http_415_media_type(view: View) -> Found:
    """The content type of the request is refused.

    Seen: 415.
    Why: A gateway lets only certain media types through.
    Do: Allow application/x-pki-message on the gateway; let the client send that type.
    Not: A SCEP refusal.
    """
    if view.status == 415:
        kind = view.request_header("content-type") or "none"
        yield Evidence(
            f"{_who_first(view)} answers 415 to Content-Type {shown(kind)}.",
            (view.q("http.content_type", kind), status_fact(view)),
        )


@rule.exchange(ERROR, "RFC 9110, Section 10.1.1")
def http_417_expect(view: View) -> Found:
    """A proxy cannot handle Expect: 100-continue.

    Seen: 417, or a POST with `Expect: 100-continue` that waits a second or more before its body.
    Why: A proxy or server on the way does not answer 100 Continue.
    Do: Switch the Expect header off on the client, or replace the proxy.
    Not: A SCEP refusal.
    """
    expects = "100-continue" in (view.request_header("expect") or "").lower()
    if view.status == 417:
        yield Evidence(
            f"{_who_first(view)} answers 417.",
            (view.q("http.expect", view.request_header("expect") or "none"), status_fact(view)),
        )
    elif expects and view.facts is not None and view.asked is not None and len(view.asked.frames) > 1:
        waited = view.asked_for_ns
        if waited is not None and waited >= _STALL_NS:
            yield Evidence(
                f"The client waited {seconds(waited)} for 100 Continue before it sent the body.",
                (view.q("http.expect", "100-continue"),),
                severity=Severity.WARNING if view.understood else None,
            )


def _failing_operations(view: View, status: int) -> dict[str, int]:
    return other_operations(view, lambda each: each == status)


@rule.status(
    ERROR,
    "learn.microsoft.com, Troubleshooting NDES events 2 and 10",
    "obvus.be, In the land of NDES",
    strength=INFERRED,
)
def ndes_http_500_all_operations(view: View) -> Found:
    """The SCEP service does not work: every operation gets 500.

    Seen: 500 to GetCACaps or GetCACert.
    Why: The service cannot start or is set up wrongly: its certificates, its keys, its account, or a name in the URL that it does not know.
    Why: NDES cannot start (events 2 and 10): its RA certificates are expired, their keys cannot be read by the application pool's identity, another CA
        issued them, or their revocation cannot be checked.
    Why: NDES's service account is locked or its password expired; IIS_IUSRS lacks "Impersonate a client after authentication".
    Why: NDES's policy module failed to start (event 53).
    Matters: No client gets an answer.
    Do: Read the server's log at that second: it says why.
    Do (ndes): Application log, events 2, 10 and 53. Check in this order: `certutil -store My` for the RA certificates, Read on their private keys for the service
        account, the account itself, the policy module; then `iisreset`.
    Do (step-ca): A wrong provisioner name gives 500, too: `step ca provisioner list`; an EC intermediate needs an RSA decrypter.
    Do (dogtag): `pki-server ca-config-find | grep scep`; the log is under /var/log/pki/INSTANCE/ca/.
    Do (ejbca): The CA's crypto token may be offline: `bin/ejbca.sh cryptotoken activate`; details are in server.log.
    Not: A fault of this client: no client would get an answer.
    """
    if view.status != 500 or view.operation not in ("GetCACaps", "GetCACert"):
        return
    fine = other_operations(view, lambda each: each == 200)
    if view.operation == "GetCACaps" and "GetCACert" in fine:
        return  # an old server without GetCACaps: caps-failed
    failing = _failing_operations(view, 500)
    yield Evidence(
        f"{' and '.join(sorted(failing) or [view.operation])} {'are' if len(failing) > 1 else 'is'} answered with 500{said(view)}.",
        (
            status_fact(view),
            *(
                Fact(frame, "http.response.code", f"500 to {name}")
                for name, frame in failing.items()
                if name != view.operation
            ),
        ),
        causes=meant(view),
    )


@rule.status(ERROR, "certnanny/sscep#60", "micromdm/scep#37", strength=INFERRED)
def ndes_http_500_pkioperation_only(view: View) -> Found:
    """The server fails on the message: PKIOperation gets 500.

    Seen: 500 to PKIOperation, while GetCACert or GetCACaps of the same server work.
    Why: The server cannot decode or decrypt the message, or fails at what it does with it.
    Why: NDES writes events 16 to 18 for a message that it cannot read; its policy module may fail, too.
    Matters: The client learns nothing from this answer; the server's log holds the reason.
    Do: Read the server's log at that second.
    Do (ndes): Application log, events 16, 17 and 18 (the message cannot be read), 31 (the CA refused it).
    Do (step-ca, micromdm): They answer 500 for everything that is wrong inside a message; the text of the answer and the log name the stage.
    Do (ejbca): server.log has the exception.
    Not: A dead service: it answers other requests.
    """
    if view.status < 500 or view.status in (501, 502, 503, 504) or view.operation != "PKIOperation":
        return
    fine = other_operations(view, lambda each: each == 200)
    fine.pop("PKIOperation", None)
    works = ", ".join(f"{name} in frame {frame}" for name, frame in fine.items())
    yield Evidence(
        f"PKIOperation is answered with {view.status}{said(view)}" + (f", while {works} got 200." if works else "."),
        (status_fact(view), *(Fact(frame, "http.response.code", f"200 to {name}") for name, frame in fine.items())),
        causes=meant(view),
    )


@rule.status(ERROR, "RFC 9110, Section 15.6.3", "anoopcnair.com, Intune SCEP HTTP Errors Troubleshooting")
def http_502(view: View) -> Found:
    """A proxy gets no good answer from the SCEP server.

    Seen: 502.
    Why: The proxy cannot reach the server, or TLS or the name on the way to it fails.
    Why: The internal URL of an application proxy does not match the server's host name.
    Do: Test the internal URL from the proxy or connector itself.
    Not: An answer of the SCEP server.
    """
    if view.status == 502:
        yield Evidence(
            f"{_who_first(view)} answers {view.operation or 'the request'} with 502{said(view)}.",
            (status_fact(view), *_proxy_facts(view)),
        )


def _proxy_facts(view: View) -> tuple[Fact, ...]:
    found = ((each, view.response_header(each)) for each in _PROXY_HEADERS)
    return tuple(view.a(f"http.{name}", shown(value)) for name, value in found if value is not None)


@rule.status(ERROR, "learn.microsoft.com, Troubleshooting device to NDES server communication", strength=INFERRED)
def ndes_http_503_app_pool(view: View) -> Found:
    """The application pool of the SCEP service is stopped.

    Seen: 503 from http.sys (Server: Microsoft-HTTPAPI), before IIS.
    Why: The SCEP application pool stopped or crashes: intermediates lie in the Root store, a CRL cannot be reached, the pool's identity lost its rights or
        password, or the policy module's certificate is expired.
    Do: Start the pool, then look into the System and Application logs for why it stopped.
    Not: Overload: http.sys answers so at once for a pool that does not run.
    """
    if view.status == 503 and _HTTP_SYS in view.server_name:
        yield Evidence(
            f"{view.operation or 'The request'} is answered with 503 by {who(view)}.",
            (status_fact(view), view.a("http.server", who(view))),
        )


@rule.status(WARNING, "RFC 9110, Section 15.6.4", "MicrosoftDocs/windows-itpro-docs#9008", strength=INFERRED)
def http_503_load(view: View) -> Found:
    """The server is overloaded or being maintained.

    Seen: 503 with Retry-After, or among answers of 200.
    Why: More requests at a time than the server takes (about 300 for one NDES).
    Why: A proxy has no working server behind it.
    Do: Spread or throttle the enrollments, add servers.
    Not: A refusal of this request.
    """
    if view.status != 503 or _HTTP_SYS in view.server_name:
        return
    fine = other_operations(view, lambda each: each == 200)
    later = view.response_header("retry-after")
    more = (
        f", Retry-After {shown(later, 20)}"
        if later
        else f", while {count(len(fine), 'other operation')} got 200"
        if fine
        else ""
    )
    yield Evidence(
        f"{view.operation or 'The request'} is answered with 503 by {who(view)}{more}{said(view)}.",
        (status_fact(view), *_proxy_facts(view)),
    )


@rule.status(ERROR, "RFC 9110, Section 15.6.5")
def http_504(view: View) -> Found:
    """A proxy waited in vain for the SCEP server.

    Seen: 504.
    Why: The connector service of the application proxy is down, or the server waits for its CA.
    Do: Start the connector; measure how long the server itself takes.
    Not: An answer of the SCEP server.
    """
    if view.status == 504:
        waited = view.duration_ns
        after = f" after {seconds(waited)}" if waited is not None else ""
        yield Evidence(
            f"{_who_first(view)} answers {view.operation or 'the request'} with 504{after}{said(view)}.",
            (status_fact(view), *_proxy_facts(view)),
        )


_REFUSALS: dict[tuple[str, int], str] = {
    (
        "ejbca",
        401,
    ): "EJBCA answers so where the challenge password is not the end entity's, or the end entity is not NEW.",
    (
        "xipki",
        401,
    ): "XiPKI answers so where the requestor is not permitted: the challenge password must be user:password.",
    ("xipki", 403): "XiPKI answers so where the certificate was issued already or is revoked.",
    ("ejbca", 403): "EJBCA answers so where an unknown end entity asks in CA mode, or a peer may not use SCEP.",
}
"""What a bare status means, where the product is known to refuse with it."""


def _means_refusal(view: View) -> str | None:
    """What this status means at this server, where it is no question of HTTP."""
    product = view.server_product
    if product is None or view.operation != "PKIOperation" or view.response_header("www-authenticate") is not None:
        return None
    return _REFUSALS.get((product.key, view.status))


@rule.status(
    ERROR,
    "knowledge.digicert.com, Troubleshoot SCEP",
    "docs.aws.amazon.com, Connector for SCEP, Troubleshooting",
)
def http_vendor_error(view: View) -> Found:
    """The server says in its own words what is wrong.

    Seen: A 4xx answer with an error header or text whose meaning is known.
    Why: The text tells.
    Matters: The words come from the software that refused; they are worth more than any guess from the status.
    Do: Do what the words say; the server's log has more of them.
    Do (ejbca): For 401 set the end entity to NEW and its password again: `bin/ejbca.sh ra setendentitystatus --username USER -S 10`, then
        `bin/ejbca.sh ra setpwd --username USER --password PASSWORD`.
    Do (fleet): The one-time challenge in the profile has expired: send the profile again, so that the host gets a fresh one.
    Do (digicert): 400: values of the request; 401: enrollment code wrong; 406: code expired; 412: code used or locked.
    Do (aws-c4scep): The x-amzn-ErrorType header names the error; "must contain base64" means: use POST.
    Not: A fault of the network.
    """
    if not 400 <= view.status < 500:
        return
    found = [(each, view.response_header(each)) for each in _VENDORS if view.response_header(each) is not None]
    text = (view.exchange.body_text or "").lower()
    spoken, refusal = heard(view.exchange), _means_refusal(view)
    meaning = spoken.meaning if spoken is not None else None
    if spoken is not None and meaning is not None and meaning.finds is None and meaning.key not in _OF_OTHER_RULES:
        yield Evidence(
            f"{view.operation or 'The request'} is answered with {view.status}: {shown(spoken.text, 160)}.",
            (status_fact(view), view.a("http.file_data", shown(spoken.text, 160))),
            causes=(meaning.says,),
            strength=INFERRED,
        )
    elif refusal is not None and not found:
        yield Evidence(
            f"{view.operation} is answered with {view.status}{said(view)}.",
            (status_fact(view),),
            causes=(refusal,),
            strength=INFERRED,
        )
    elif found or any(each in text for each in _VENDOR_WORDS) or view.status in (406, 412):
        words = ", ".join(shown(value or "", 80) for _, value in found) or shown(
            view.exchange.body_text or f"status {view.status}", 120
        )
        yield Evidence(
            f"{view.operation or 'The request'} is answered with {view.status}: {words}.",
            (status_fact(view), *(view.a(f"http.{name}", shown(value or "", 80)) for name, value in found)),
        )


@rule.status(INFO, "docs.aws.amazon.com, Connector for SCEP, Troubleshooting")
def certrep_in_error_status(view: View) -> Found:
    """An HTTP error carries a SCEP answer.

    Seen: A status of 400 or more whose body is a pkiMessage.
    Why: Some servers say it both ways.
    Do: Read the SCEP answer: it names the cause. Many clients never look at it.
    Not: An error of HTTP alone.
    """
    if view.status >= 400 and isinstance(view.exchange.response, PkiMessage):
        yield Evidence(
            f"The answer with HTTP {view.status} is a pkiMessage.", (status_fact(view), view.a("CertRep", "inside"))
        )
