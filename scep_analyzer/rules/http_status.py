"""HTTP responses that report no success: who sent them, and why (RFC 9110, Section 15; IIS and http.sys)."""

from collections.abc import Callable
from functools import lru_cache
from urllib.parse import urlsplit

from scep_analyzer.model.exchanges import BYSTANDERS
from scep_analyzer.model.findings import Evidence, Fact, Severity
from scep_analyzer.model.places import called
from scep_analyzer.model.scep import PkiMessage
from scep_analyzer.rules._rule import ERROR, INFERRED, INFO, POSSIBLE, WARNING, Found, rule
from scep_analyzer.rules._views import View
from scep_analyzer.rules._words import seconds, shown
from scep_analyzer.rules.server_words import heard

_LOGIN = (
    "login.microsoftonline", "/adfs/", "login.", "/login", "sso", "oauth2", "saml", "signin", "sign-in", "/auth", "okta", "idp.", "/logon",
)  # fmt: skip
IIS_QUERY, IIS_URL = 2048, 4096
"""Default limits of IIS in characters: maxQueryString (404.15), and maxUrl, which counts the URL without its query (404.14)."""
_IIS_BODY = 30_000_000
_LAST_REDIRECT = 308
"""IANA registers no higher 3xx; SCEPman's manual has 329 for "too many requests"."""
_TOO_MANY = frozenset({329, 429})
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
_LONG_WORDS = 65
"""Characters of a server's words that still fit into a title."""
_VENDOR_WORDS = ("enrollment code", "digicert", "connector for scep", "onboarding code")
_OF_OTHER_RULES = frozenset({"base64", "decode", "empty", "identifier"})
"""Meanings of words that another rule about the status quotes: http-400-bad-message, http-404-ca-identifier."""
_HTTP_SYS = "microsoft-httpapi"
_UNNAMED = "the server"
_SEGMENT = 260
"""Characters of a path segment that http.sys allows by default (UrlSegmentMaxLength)."""
_IN_THE_PATH = ("On the client, put the message into the query of the URL: `?operation=PKIOperation&message=…`.",)
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
    """The software that sent the response, as it names itself."""
    name = view.response_header("server") or view.response_header("via")
    return shown(name) if name else _UNNAMED


def who_first(view: View) -> str:
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
    """The frame of a response of 200 to a short GET of the same path, None where there is none."""
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
    """The request is redirected to a sign-in page.

    Seen: The response is a redirect (3xx) whose Location is a sign-in service.
    Why: A proxy in front of the SCEP server signs users in before it forwards requests (pre-authentication).
    Why: A reverse proxy, a Wi-Fi portal or a firewall asks for a sign-in.
    Matters: A device that enrolls cannot sign in, and the SCEP server never sees the request.
    Do: On the proxy that sends the redirect, exempt the SCEP path from the sign-in. Anyone can then reach the SCEP service; the challenge password
        still protects it.
    Do (ndes, entra-app-proxy): In the Entra admin center, open the enterprise application of the SCEP server, Application proxy, and set Pre
        Authentication to Passthrough. Anyone can then reach the SCEP service.
    Not: This is not a response of the SCEP server.
    """
    location = view.response_header("location")
    if 300 <= view.status < 400 and location and any(each in location.lower() for each in _LOGIN):
        host = _host(location)
        yield Evidence(
            f"{who_first(view)} redirects {view.operation or 'the request'} (HTTP {view.status}) to {host or shown(location)}, a sign-in page.",
            (status_fact(view), view.a("http.location", shown(location, 120))),
            title=f"{view.operation or 'The request'} is redirected to the sign-in page of {host}"
            if 0 < len(host) <= 50
            else None,
        )


def _host(location: str) -> str:
    try:
        return urlsplit(location).hostname or ""
    except ValueError:  # a bad IPv6 address
        return ""


@rule.status(ERROR, "RFC 9110, Section 15.4")
def http_redirect(view: View) -> Found:
    """The server redirects the request to another URL.

    Seen: The response to a SCEP request is a redirect (3xx).
    Why: A rule of the web server or proxy sends HTTP to HTTPS, the path needs a slash at its end, or the service has moved.
    Matters: Few SCEP clients follow a redirect, and a POST often becomes a GET without its body on the way.
    Do: On the client, enter the URL of the Location header as the enrollment URL.
    Do: Or exempt the SCEP path from the redirect on the web server or proxy.
    Not: This is not a refusal: the server did not look at the request.
    """
    location = view.response_header("location")
    if not 300 <= view.status <= _LAST_REDIRECT or view.status == 304:
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
    what = f"the client follows with {followed.method}" if followed is not None else "the client does not follow"
    yield Evidence(
        (
            f"{who_first(view)} redirects {view.operation or 'the request'} (HTTP {view.status}) to {shown(location, 120)}; {what}."
            if location
            else f"{who_first(view)} redirects {view.operation or 'the request'} (HTTP {view.status}), but names no Location."
        ),
        (status_fact(view), view.a("http.location", shown(location or "", 120))),
        title=f"The server redirects {view.operation or 'the request'} to another URL (HTTP {view.status})",
    )


@rule.status(
    ERROR,
    "RFC 9110, Section 15.5.2",
    "learn.microsoft.com, Troubleshooting device to NDES server communication",
)
def http_401_on_scep(view: View) -> Found:
    """The server requires a login on the SCEP path (HTTP 401).

    Seen: The server returns 401 with WWW-Authenticate on the SCEP path.
    Why: Anonymous access is switched off on the SCEP path.
    Why: The enrollment URL is the URL of an administration page, or it contains a wrong enrollment code.
    Else: On the web server, allow anonymous access to the SCEP path only. Anyone can then send requests; the challenge password decides which are
        granted.
    Do: Compare the enrollment URL on the client with the URL that the server's documentation gives.
    Do (ndes): In IIS Manager, open the application CertSrv/mscep, Authentication: enable Anonymous, disable Windows Authentication. The
        challenge password then decides who may enroll. Leave CertSrv/mscep_admin as it is: only that page needs a login.
    Not: The challenge password is not the cause: it is inside the encrypted message.
    """
    if view.status == 401 and is_scep_path(view) and _means_refusal(view) is None:
        scheme = view.response_header("www-authenticate")
        yield Evidence(
            f"{who_first(view)} returns HTTP 401 for {view.operation or 'the request'} to {shown(view.path)} and asks for "
            + (f"authentication by {shown(scheme, 40)}." if scheme else "a login."),
            (status_fact(view), view.a("http.www_authenticate", scheme or "none")),
        )


@rule.status(ERROR, "RFC 9110, Section 15.5.8")
def http_407_proxy(view: View) -> Found:
    """A proxy between client and server requires a login (HTTP 407).

    Seen: The response is 407 (Proxy Authentication Required).
    Why: The network sends the device's traffic through a proxy that authenticates users.
    Do: On the proxy, allow requests to the SCEP server without a login, or exclude the SCEP server from the proxy on the client.
    Not: This is not a response of the SCEP server.
    """
    if view.status == 407:
        yield Evidence(
            f"{'A proxy' if who(view) == _UNNAMED else f'The proxy {who(view)}'} returns HTTP 407 for {view.operation or 'the request'}.",
            (
                status_fact(view),
                view.a("http.proxy_authenticate", view.response_header("proxy-authenticate") or "none"),
            ),
        )


@rule.status(INFO, "MicrosoftDocs/memdocs#3165")
def ndes_403_plain_get(view: View) -> Found:
    """NDES returns 403 to a plain GET: its policy module is installed (normal).

    Seen: A GET of mscep.dll without an operation returns 403.
    Why: With the Intune policy module, 403 is the normal response to a request without an operation. A welcome page would mean that the module is
        not active.
    Do: No action is needed.
    Not: This is not a fault.
    """
    if view.status == 403 and view.operation is None and view.path.lower().rstrip("/").endswith("mscep.dll"):
        yield Evidence(
            "A GET of mscep.dll without an operation gets 403, as usual for NDES with a policy module.",
            (view.q("http.request.uri", shown(view.plain_target)), status_fact(view)),
        )


def _forbidden(view: View) -> str | None:
    """Which of the reasons for 403 the bytes speak for."""
    if view.status != 403 or view.operation is None or not is_scep_path(view):
        return None
    text = (view.exchange.body_text or "").lower()
    if view.answer is not None and view.answer.substatus:
        text += f" 403.{view.answer.substatus} "  # IIS logs it, and its pages say it
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
    """The server requires HTTPS on this path (HTTP 403).

    Seen: An operation over HTTP gets 403, and the page says that TLS (SSL) is required, or HTTPS to the same host works.
    Why: The web server is configured to require TLS for the site or the directory.
    Else: On the client, change the enrollment URL to https, or allow HTTP on the SCEP path of the web server. SCEP messages are encrypted and signed
        themselves; over HTTP an observer still sees who enrolls.
    Do (ndes): In IIS Manager, open the application CertSrv/mscep, SSL Settings, and clear Require SSL; or change the enrollment URL on the client to
        https. The IIS log shows 403.4.
    Not: The challenge password is not the cause: the server did not look at the message.
    """
    if _forbidden(view) == "tls":
        yield Evidence(
            f"{who_first(view)} returns HTTP 403 for {view.operation} over HTTP{said(view)}.", (status_fact(view),)
        )


@rule.status(
    ERROR,
    "learn.microsoft.com, HTTP status codes in IIS (403.7, 403.13, 403.16, 403.17)",
    strength=INFERRED,
)
def http_403_client_cert(view: View) -> Found:
    """The server requires a client certificate (HTTP 403).

    Seen: The response is 403, and its page speaks of a client certificate, or the server asked for one in the TLS handshake.
    Why: The web server requires a TLS client certificate on the SCEP path.
    Why: The client sent a certificate that the web server does not accept: not trusted, revoked or expired.
    Matters: A device that enrolls for the first time has no certificate to send.
    Else: On the web server, stop requiring client certificates on the SCEP path. The challenge password then is the only proof that a device may
        enroll.
    Do (ndes): In IIS Manager, open the application CertSrv/mscep, SSL Settings, and set Client certificates to Ignore. The
        challenge password then decides who may enroll. Leave CertificateRegistrationSvc as it is: it needs client certificates.
    Do (ndes): Read the sub-status in the IIS log: 403.7 no certificate was sent, 403.13 it is revoked, 403.16 it is not trusted, 403.17 it has
        expired.
    Do (ndes): For 403.16, list intermediate CA certificates in the Root store with `Get-ChildItem Cert:\\LocalMachine\\Root | ? {$_.Issuer -ne
        $_.Subject}` and move them to the store Intermediate Certification Authorities.
    Not: This is not a SCEP refusal: the web server did not pass the request on.
    """
    if _forbidden(view) == "certificate":
        yield Evidence(f"{who_first(view)} returns HTTP 403 for {view.operation}{said(view)}.", (status_fact(view),))


@rule.status(ERROR, "RFC 9110, Section 15.5.4", strength=INFERRED)
def http_403_blocked(view: View) -> Found:
    """A firewall or an access rule blocks the request (HTTP 403).

    Seen: An operation gets 403 from a firewall, a proxy or an access rule of the web server.
    Why: A web application firewall blocks long queries, base64, or .dll and .exe in the path.
    Why: An address filter or a missing permission on the server blocks the client.
    Do: On the device that returns 403, exempt the SCEP path from the blocking rule, for GET and POST. Exempt this path only: the rule keeps
        protecting the rest of the site.
    Do: In the log of the web server, look for this 403. If it is not there, a device in front of the server blocks the request.
    Not: The challenge password is not the cause: a SCEP server refuses with a CertRep.
    """
    if _forbidden(view) == "blocked":
        signs = [each for each in _BLOCKER_HEADERS if view.response_header(each) is not None]
        text = (view.exchange.body_text or "").lower()
        shows = signs or any(each in text for each in _BLOCKERS)
        yield Evidence(
            f"{who_first(view)} returns HTTP 403 for {view.operation}{said(view)}.",
            (status_fact(view), *(view.a(f"http.{each}", view.response_header(each) or "") for each in signs)),
            strength=None if shows else POSSIBLE,
        )


@rule.status(ERROR, "RFC 9110, Section 15.5.5", "micromdm/scep#72", "micromdm/scep#158")
def http_404_wrong_path(view: View) -> Found:
    """The server has no SCEP service at this path (HTTP 404).

    Seen: A short request, such as GetCACaps or GetCACert, gets 404.
    Why: The path in the enrollment URL is wrong or incomplete.
    Why: The SCEP service is not installed or not enabled on this server.
    Else: On the client, correct the path in the enrollment URL.
    Do (ndes): On the client, set the path to /certsrv/mscep/mscep.dll.
    Do (ndes): On the NDES server, check that the role is installed: `Get-WindowsFeature ADCS-Device-Enrollment`. The IIS log has the sub-status
        (404.0, 404.2, 404.17).
    Do (step-ca): On the client, set the path to /scep/PROVISIONER. `step ca provisioner list` shows the names.
    Do (ejbca): On the client, set the path to /ejbca/publicweb/apply/scep/ALIAS/pkiclient.exe. `bin/ejbca.sh config scep` manages the aliases.
    Do (micromdm): On the client, set the path to /scep; the server has no other. For Cisco IOS, which appends /pkiclient.exe, rewrite the path in a
        proxy in front.
    Do (scepman): For /static, /jamf or /dc, enable the endpoint in the App Service settings, for example AppConfig:StaticValidation:Enabled = true.
    Do (ios-ca): On the client, set the path to /cgi-bin/pkiclient.exe. On the router, `ip http server` must be on and `show crypto pki server` must
        show "enabled".
    Do (fortiauthenticator): On the client, set the path to /app/cert/scep/. On FortiAuthenticator, enable SCEP under Network, Interface.
    Do (xipki): Check the names of the CA and the profile in the path, and caProfiles in scep-gateway.json.
    Not: The length of the URL is not the cause: this URL is short.
    """
    if view.status != 404 or view.operation is None or len(view.target) > 1024 or not is_scep_path(view):
        return
    if _identifier_rejected(view) is not None or short_ones_work(view) is not None or _says_unknown_ca(view):
        return  # the path is right
    yield Evidence(
        f"{who_first(view)} returns HTTP 404 for {view.operation} to {shown(view.path)}.",
        (view.q("http.request.uri", shown(view.plain_target, 100)), status_fact(view)),
        title=f"The server has no SCEP service at {shown(view.path, 45)} (HTTP 404)",
    )


def _says_unknown_ca(view: View) -> bool:
    """Whether the server itself says that it knows no CA of this name."""
    spoken = heard(view.exchange)
    return spoken is not None and spoken.meaning is not None and spoken.meaning.key == "identifier"


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

    Seen: GetCACaps works on this path; GetCACert with a CA identifier in `message=` gets 404 or 400. Or the server says that it finds no such CA.
    Why: The identifier in `message=` names no CA of this server. Some clients send a default value ("CAIdentifier").
    Why: The client sends no identifier, and the server has no default CA.
    Else: On the client, enter the CA identifier that the server knows, or leave it empty.
    Do (ejbca): On the client, enter the CA's name as the CA identifier, or set `scep.defaultca` in ejbca.properties. In RA mode, select the default
        CA in the SCEP alias.
    Do (sscep): On the client, set the identifier with `sscep getca -i NAME`.
    Not: The path is not wrong: the SCEP service responds on it.
    """
    frame = _identifier_rejected(view)
    if view.status >= 400 and frame is None and _says_unknown_ca(view):
        named = view.exchange.message_parameter
        sent = f"the CA identifier {shown(named)}" if named else "no CA identifier"
        yield Evidence(
            f"{who_first(view)} returns HTTP {view.status} for {view.operation or 'the request'} with {sent}{said(view)}.",
            (view.q("message", named or "none"), status_fact(view)),
            title=f"The server does not know the CA identifier {shown(named, 40)}"
            if named
            else "The server needs a CA identifier, and the client sends none",
        )
    elif view.status in (400, 404) and frame is not None:
        yield Evidence(
            f"{who_first(view)} returns HTTP {view.status} for {view.operation} with the CA identifier {shown(view.exchange.message_parameter or '')}, "
            f"but HTTP 200 for GetCACaps on the same path ({called(frame)}).",
            (
                view.q("message", view.exchange.message_parameter or ""),
                status_fact(view),
                Fact(frame, "http.response.code", "200 to GetCACaps"),
            ),
            title=f"The server does not know the CA identifier {shown(view.exchange.message_parameter or '', 40)}",
        )


@rule.status(
    ERROR,
    "certnanny/sscep#83",
    "learn.microsoft.com, Troubleshooting device to NDES server communication",
    strength=INFERRED,
)
def iis_query_too_long(view: View) -> Found:
    """The URL is longer than IIS allows (HTTP 404).

    Seen: A GET of PKIOperation whose query is longer than 2,048 characters gets 404; short requests to the same path get 200.
    Why: Request filtering of IIS rejects the query (404.15, maxQueryString). Its default of 2,048 characters is too small for almost every
        PKIOperation by GET.
    Why: The URL without its query is longer than 4,096 characters (404.14, maxUrl).
    Do: On the IIS server: `%windir%\\system32\\inetsrv\\appcmd set config /section:requestFiltering /requestLimits.maxQueryString:65534
        /requestLimits.maxUrl:65534`.
    Do: On the IIS server, set the DWORD values MaxFieldLength and MaxRequestBytes to 65534 under
        HKLM\\SYSTEM\\CurrentControlSet\\Services\\HTTP\\Parameters and restart the server.
    Do: On the client, send PKIOperation by POST where it can: POST has no such limit.
    Not: The path is not wrong: short requests to it work.
    """
    if view.status != 404 or view.operation != "PKIOperation" or view.method != "GET":
        return
    query, url, works = query_length(view), len(view.target.partition("?")[0]), short_ones_work(view)
    iis = "microsoft" in view.server_name
    logged = view.answer is not None and view.answer.substatus in (14, 15)
    if (query > IIS_QUERY or url > IIS_URL) and (works is not None or iis or logged):
        what, length, limit, sub = (
            ("query", query, IIS_QUERY, "404.15")
            if query > IIS_QUERY
            else ("URL without its query", url, IIS_URL, "404.14")
        )
        facts = [view.q("http.request.uri.query", f"{query} characters"), status_fact(view)]
        if works is not None:
            facts.append(Fact(works, "http.response.code", "200 to a short request"))
        yield Evidence(
            f"The {what} is {length:,} characters long; the default limit of IIS is {limit:,} ({sub}). Short requests to this path "
            f"{'get HTTP 200' if works is not None else f'are not in the {view.scene.source}'}.",
            tuple(facts),
            title=f"The URL is too long for IIS: {what} {length:,} characters, limit {limit:,} ({sub})",
        )


@rule.status(ERROR, "learn.microsoft.com, HTTP status codes in IIS (404.13)", strength=INFERRED)
def iis_body_too_long(view: View) -> Found:
    """The request body is longer than IIS allows (HTTP 404 or 413).

    Seen: IIS returns 404 or 413 to a POST, and short requests to the same path work.
    Why: Somebody lowered maxAllowedContentLength of request filtering (404.13). Its default is 30,000,000 bytes.
    Do: On the IIS server, raise Maximum allowed content length under Request Filtering, Edit Feature Settings. A SCEP message has up to some tens of
        kilobytes.
    Not: The path is not wrong: it works for other requests.
    """
    if view.method != "POST" or view.status not in (404, 413) or "microsoft" not in view.server_name:
        return
    works = short_ones_work(view)
    length = view.asked.body.length if view.asked is not None else 0
    if works is not None:
        yield Evidence(
            f"IIS returns HTTP {view.status} for a POST of {length:,} bytes, and HTTP 200 for short requests to the same path.",
            (
                view.q("http.content_length", length),
                status_fact(view),
                Fact(works, "http.response.code", "200 to a short request"),
            ),
        )


@rule.status(ERROR, "RFC 9110, Section 15.5.15")
def http_414_uri_too_long(view: View) -> Found:
    """The URL is too long for the server (HTTP 414).

    Seen: The response is 414 (URI Too Long).
    Why: The server or proxy that returns 414 has a limit for the request line, and a PKIOperation by GET is several thousand characters long.
    Else: On the server or proxy that returns 414, raise the limit for the request line to 65,534 bytes, or send PKIOperation by POST.
    Do (nginx): In nginx.conf, set `large_client_header_buffers 4 64k;` and reload nginx.
    Do (apache): In the Apache configuration, set `LimitRequestLine 65534` and reload Apache httpd.
    Do (http-sys): On the Windows server, set the DWORD values MaxFieldLength and MaxRequestBytes to 65534 under
        HKLM\\SYSTEM\\CurrentControlSet\\Services\\HTTP\\Parameters and restart the server.
    Not: This is not a SCEP refusal: the server did not read the message.
    """
    if view.status == 414:
        yield Evidence(
            f"{who_first(view)} returns HTTP 414 for a URL of {len(view.target):,} characters.",
            (view.q("http.request.uri", f"{len(view.target)} characters"), status_fact(view)),
        )


@rule.status(ERROR, "learn.microsoft.com, Http.sys registry settings for Windows")
def http_400_too_long(view: View) -> Found:
    """The request line is too long for the Windows HTTP service (HTTP 400).

    Seen: The response is 400 from Microsoft-HTTPAPI (http.sys), or its page says "Request Too Long" or "Invalid URL".
    Why: The request is longer than MaxRequestBytes or MaxFieldLength of http.sys allow (16,384 bytes by default).
    Why: A segment of the path is longer than 260 characters, because the message is in the path instead of the query.
    Do: On the Windows server, set the DWORD values MaxFieldLength and MaxRequestBytes to 65534 under
        HKLM\\SYSTEM\\CurrentControlSet\\Services\\HTTP\\Parameters and restart the server.
    Do: On the client, send PKIOperation by POST where it can: POST has no such limit.
    Not: This is not a response of the SCEP service: http.sys rejects the request first.
    """
    text = (view.exchange.body_text or "").lower()
    if view.status == 400 and (_HTTP_SYS in view.server_name or any(each in text for each in _TOO_LONG)):
        segment = max(map(len, view.path.split("/")))
        long = len(view.target) > IIS_URL or segment > _SEGMENT
        if long or any(each in text for each in _TOO_LONG):
            yield Evidence(
                f"{who_first(view)} returns HTTP 400{said(view)}; the URL has {len(view.target):,} characters, its longest path segment {segment:,}.",
                (view.q("http.request.uri", f"{len(view.target)} characters"), status_fact(view)),
                actions=_IN_THE_PATH if segment > _SEGMENT else (),
            )


_BAD_ENCODING = (
    "base64-unescaped", "base64-blanks", "base64-url-alphabet", "base64-padding-missing", "base64-truncated", "base64-damaged",
    "double-encoding", "get-message-binary", "message-missing", "message-unreadable",
)  # fmt: skip


@rule.status(ERROR, "RFC 8894, Section 4.1", "fleetdm/fleet#45291", "smallstep/certificates#916", strength=INFERRED)
def http_400_bad_message(view: View) -> Found:
    """The server cannot decode the message in the URL (HTTP 400).

    Seen: A GET of PKIOperation gets 400, and its message parameter is not percent-encoded base64 as RFC 8894 requires.
    Why: The client encodes the message wrongly, or a proxy changes the URL on the way.
    Do: On the client, percent-encode the base64 of the message ("+" as %2B, "/" as %2F, "=" as %3D), or send PKIOperation by POST.
    Not: This is not a refusal of the request: the server could not read it.
    """
    odd = view.odd(*_BAD_ENCODING)
    if _HTTP_SYS in view.server_name:
        return  # it looks at the length only
    if view.status == 400 and view.operation == "PKIOperation" and view.method == "GET" and odd is not None:
        yield Evidence(
            f"{who_first(view)} returns HTTP 400 for a message parameter with an encoding error: {odd.detail}.",
            (view.q("message", odd.code), status_fact(view)),
        )


@rule.status(ERROR, "RFC 9110, Section 15.5.6")
def http_405_post(view: View) -> Found:
    """The server rejects POST (HTTP 405).

    Seen: A POST gets 405 (Method Not Allowed) or 501 (Not Implemented).
    Why: The server does not support POST for PKIOperation.
    Why: A firewall or proxy in front of the server allows only GET.
    Else: On the client, send PKIOperation by GET; or enable POST for the SCEP path on the server or proxy that returns the error.
    Do (dogtag): On the client, send PKIOperation by GET: Dogtag has no POST for SCEP.
    Not: This is not a refusal of the request: the server did not read it.
    """
    if view.method == "POST" and view.status in (405, 501):
        allowed = view.response_header("allow")
        yield Evidence(
            f"{who_first(view)} returns HTTP {view.status} for a POST of {view.operation or 'a message'} "
            + (f"and allows {shown(allowed, 40)}." if allowed else "and does not say which methods it allows."),
            (view.q("http.request.method", "POST"), status_fact(view)),
            title=f"The server rejects POST (HTTP {view.status}, {f'allowed: {shown(allowed, 40)}' if allowed else 'no Allow header'})",
        )


@rule.status(ERROR, "RFC 9110, Section 15.5.12")
def http_411_length_required(view: View) -> Found:
    """The server requires a Content-Length header (HTTP 411).

    Seen: A POST with Transfer-Encoding: chunked gets 411 (Length Required).
    Why: The server, or a proxy in front of it, does not accept chunked requests.
    Do: On the client, send a Content-Length header instead of a chunked body; or enable chunked requests on the proxy that returns 411.
    Not: This is not a SCEP refusal: the server did not read the message.
    """
    if view.status == 411:
        yield Evidence(
            f"{who_first(view)} returns HTTP 411 for a request with Transfer-Encoding {shown(view.request_header('transfer-encoding') or 'none', 20)}.",
            (view.q("http.transfer_encoding", view.request_header("transfer-encoding") or "none"), status_fact(view)),
        )


@rule.status(ERROR, "RFC 9110, Section 15.5.14")
def http_413_too_large(view: View) -> Found:
    """The request body is too large for the server or a proxy (HTTP 413).

    Seen: The response is 413 (Content Too Large).
    Why: The server or proxy that returns 413 limits the size of request bodies.
    Else: On the server or proxy that returns 413, raise the limit for request bodies on the SCEP path to 1 MB.
    Do (nginx): In nginx.conf, set `client_max_body_size 1m;` for the SCEP path and reload nginx.
    Not: This is not a SCEP refusal: the server did not read the message.
    """
    if view.status == 413 and not ("microsoft" in view.server_name and short_ones_work(view) is not None):
        length = view.asked.body.length if view.asked is not None else 0
        yield Evidence(
            f"{who_first(view)} returns HTTP 413 for a request body of {length:,} bytes.",
            (view.q("http.content_length", length), status_fact(view)),
        )


@rule.status(ERROR, "RFC 9110, Section 15.5.16")
def http_415_media_type(view: View) -> Found:
    """The server rejects the Content-Type of the request (HTTP 415).

    Seen: The response is 415 (Unsupported Media Type).
    Why: The server or a gateway in front of it accepts only certain media types.
    Do: On the gateway that returns 415, allow the media type application/x-pki-message, and send this type from the client.
    Not: This is not a SCEP refusal: the server did not read the message.
    """
    if view.status == 415:
        kind = view.request_header("content-type") or "none"
        yield Evidence(
            f"{who_first(view)} returns HTTP 415 for a request with Content-Type {shown(kind)}.",
            (view.q("http.content_type", kind), status_fact(view)),
        )


@rule.exchange(ERROR, "RFC 9110, Section 10.1.1")
def http_417_expect(view: View) -> Found:
    """A server or proxy does not support Expect: 100-continue.

    Seen: The response is 417 (Expectation Failed), or a POST with `Expect: 100-continue` waits a second or more before the client sends its body.
    Why: A proxy or server in the path does not send the interim response 100 Continue.
    Do: On the client, switch off the Expect header; or update the proxy so that it sends 100 Continue.
    Not: This is not a SCEP refusal.
    """
    expects = "100-continue" in (view.request_header("expect") or "").lower()
    if view.status == 417:
        yield Evidence(
            f"{who_first(view)} returns HTTP 417 for {view.operation or 'the request'}.",
            (view.q("http.expect", view.request_header("expect") or "none"), status_fact(view)),
        )
    elif expects and view.facts is not None and view.asked is not None and len(view.asked.frames) > 1:
        waited = view.asked_for_ns
        if waited is not None and waited >= _STALL_NS:
            yield Evidence(
                f"The client waits {seconds(waited)} for 100 Continue before it sends the body of {view.operation or 'the request'}.",
                (view.q("http.expect", "100-continue"),),
                severity=Severity.WARNING if view.understood else None,
            )


_NDES_CANNOT_START = (
    "The RA certificates have expired, or were issued by another CA, or NDES cannot check their revocation (events 2 and 10).",
    "The account of the application pool cannot read the private keys of the RA certificates.",
    "The NDES service account is locked, its password has expired, or it lacks a right.",
    "The policy module failed to start (event 53).",
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
    """The SCEP service fails for every operation (HTTP 500).

    Seen: GetCACaps or GetCACert gets 500.
    Why: The service cannot start or is configured wrongly: its certificates, its private keys, its account, or a name in the URL that it does not
        know.
    Matters: No client can enroll.
    Else: On the server, read the log of the SCEP service at the time of the request; it names the reason.
    Do (ndes): On the NDES server, open Event Viewer, Application, source NetworkDeviceEnrollmentService. Events 2 and 10 mean that NDES cannot
        start, event 53 that its policy module failed.
    Do (ndes): Check the RA certificates: `certutil -store My`. If they have expired, enroll CEP Encryption and Exchange Enrollment Agent (Offline
        request) again with the same subject, give the service account Read on both private keys, then run `iisreset`.
    Do (ndes): Check that the NDES service account is not locked, that its password has not expired, and that IIS_IUSRS has the right Impersonate a
        client after authentication.
    Do (step-ca): Check the provisioner name in the URL with `step ca provisioner list`: a wrong name gives 500, too. An EC intermediate needs an RSA
        decrypter.
    Do (dogtag): Run `pki-server ca-config-find | grep scep`: ca.scep.enable must be true. The log is under /var/log/pki/INSTANCE/ca/.
    Do (ejbca): Activate the CA's crypto token: `bin/ejbca.sh cryptotoken activate`. The details are in server.log.
    Do (ucm): Open the SCEP settings: SCEP must be enabled and have a CA with a local RSA key.
    Not: This client is not the cause: no client would get a response.
    """
    if view.status != 500 or view.operation not in ("GetCACaps", "GetCACert"):
        return
    fine = other_operations(view, lambda each: each == 200)
    if view.operation == "GetCACaps" and "GetCACert" in fine:
        return  # an old server without GetCACaps: caps-failed
    failing = _failing_operations(view, 500)
    yield Evidence(
        f"{who_first(view)} returns HTTP 500 for {' and '.join(sorted(failing) or [view.operation])}{said(view)}.",
        (
            status_fact(view),
            *(
                Fact(frame, "http.response.code", f"500 to {name}")
                for name, frame in failing.items()
                if name != view.operation
            ),
        ),
        causes=(*meant(view), *(_NDES_CANNOT_START if view.is_server("ndes") else ())),
    )


@rule.status(ERROR, "certnanny/sscep#60", "micromdm/scep#37", strength=INFERRED)
def ndes_http_500_pkioperation_only(view: View) -> Found:
    """The server returns HTTP 500 for the enrollment request.

    Seen: PKIOperation gets 500, while GetCACert or GetCACaps work on the same server.
    Why: The server cannot decode, decrypt or process the message.
    Matters: The client learns nothing from this response; the server's log holds the reason.
    Else: On the server, read the log of the SCEP service at the time of the request; it names the reason.
    Do (ndes): On the NDES server, open Event Viewer, Application, source NetworkDeviceEnrollmentService: events 16, 17 and 18 mean that NDES cannot
        read the message, event 31 that the CA refused it.
    Do (step-ca): Read the text of the response and the log of step-ca: it returns 500 for every fault inside a message.
    Do (micromdm): Read the text of the response, and start the server with `scepserver -debug -log-json`: it returns 500 for every fault inside a
        message.
    Do (ejbca): Look for the exception in WildFly's standalone/log/server.log.
    Do (openxpki): Look for "Unable to unwrap" (50010) in the log of the backend, openxpki.log.
    Not: The service is not down: it responds to other requests.
    """
    if view.status < 500 or view.status in (501, 502, 503, 504) or view.operation != "PKIOperation":
        return
    fine = other_operations(view, lambda each: each == 200)
    fine.pop("PKIOperation", None)
    works = " and ".join(f"{name} ({called(frame)})" for name, frame in fine.items())
    at = f" at {view.answered:%H:%M:%S} UTC" if view.answered is not None else ""
    yield Evidence(
        f"{who_first(view)} returns HTTP {view.status} for PKIOperation{at}{said(view)}"
        + (f"; {works} got HTTP 200." if works else "."),
        (status_fact(view), *(Fact(frame, "http.response.code", f"200 to {name}") for name, frame in fine.items())),
        title=f"The server returns HTTP {view.status} for the enrollment request",
        causes=meant(view),
    )


@rule.status(ERROR, "RFC 9110, Section 15.6.3", "anoopcnair.com, Intune SCEP HTTP Errors Troubleshooting")
def http_502(view: View) -> Found:
    """A proxy cannot get a response from the SCEP server (HTTP 502).

    Seen: The response is 502 (Bad Gateway).
    Why: The proxy cannot reach the SCEP server: its address, its port, its name or its TLS certificate does not fit.
    Why: The internal URL in the proxy's configuration does not match the server's host name.
    Else: On the proxy itself, open the internal SCEP URL, for example with `curl -v URL?operation=GetCACaps`, and correct the URL in the proxy's
        configuration.
    Do (entra-app-proxy): On the connector host, open the internal URL in a browser, and correct Internal URL in the Application proxy settings of
        the enterprise application.
    Not: This is not a response of the SCEP server.
    """
    if view.status == 502:
        yield Evidence(
            f"{who_first(view)} returns HTTP 502 for {view.operation or 'the request'}{said(view)}.",
            (status_fact(view), *_proxy_facts(view)),
        )


def _proxy_facts(view: View) -> tuple[Fact, ...]:
    found = ((each, view.response_header(each)) for each in _PROXY_HEADERS)
    return tuple(view.a(f"http.{name}", shown(value)) for name, value in found if value is not None)


@rule.status(ERROR, "learn.microsoft.com, Troubleshooting device to NDES server communication", strength=INFERRED)
def ndes_http_503_app_pool(view: View) -> Found:
    """The application pool of the SCEP service is stopped (HTTP 503).

    Seen: The response is 503 from http.sys (Server: Microsoft-HTTPAPI), not from IIS.
    Why: The application pool is stopped or crashed: an intermediate CA certificate is in the Trusted Root store, a CRL cannot be reached, or the
        certificate of the policy module has expired.
    Why: The account of the pool is locked, or it lost a right or its password.
    Do: On the Windows server, read why the application pool stopped: System log, event 5009; Application log, event 1000. Then start it in IIS Manager,
        Application Pools.
    Do: Read httperr*.log under %SystemRoot%\\System32\\LogFiles\\HTTPERR: AppOffline means that the application pool crashed too often, Disabled
        that it was stopped.
    Do (ndes): On the NDES server, start the application pool SCEP: `appcmd start apppool /apppool.name:SCEP` (in %windir%\\system32\\inetsrv), or IIS Manager,
        Application Pools.
    Do (ndes): List intermediate CA certificates in the Root store: `Get-ChildItem Cert:\\LocalMachine\\Root | ? {$_.Issuer -ne $_.Subject}`. Move them to the
        store Intermediate Certification Authorities.
    Not: The server is not overloaded: http.sys returns this at once for a pool that does not run.
    """
    if view.status == 503 and _HTTP_SYS in view.server_name:
        yield Evidence(
            f"{who_first(view)} returns HTTP 503 for {view.operation or 'the request'}: http.sys has no running application pool for this path.",
            (status_fact(view), view.a("http.server", who(view))),
        )


@rule.status(WARNING, "RFC 9110, Section 15.6.4", "MicrosoftDocs/windows-itpro-docs#9008", strength=INFERRED)
def http_503_load(view: View) -> Found:
    """The server is overloaded or in maintenance (HTTP 503).

    Seen: The response is 503 with Retry-After, or other requests to the same server get 200; or it is 429 (329 from SCEPman), too many requests.
    Why: The server receives more requests at a time than it can process, or more than it allows to one client.
    Why: A proxy has no working server behind it.
    Do: On the server or proxy that returns this status, check load, health and rate limits; enroll fewer devices at a time or add servers.
    Do (ndes): Read httperr*.log under %SystemRoot%\\System32\\LogFiles\\HTTPERR: QueueFull and ConnLimit mean load. Raise the queue length of the
        application pool SCEP, or add an NDES server.
    Do (scepman): Raise AppConfig:ConcurrentSCEPRequestLimit (default 50) or scale out the App Service.
    Not: This is not a refusal of this request.
    """
    limited = view.status in _TOO_MANY
    if not limited and (view.status != 503 or _HTTP_SYS in view.server_name):
        return
    fine = other_operations(view, lambda each: each == 200)
    later = view.response_header("retry-after")
    more = (
        f" and asks to try again later (Retry-After {shown(later, 20)})"
        if later
        else f" and HTTP 200 for {' and '.join(fine)}"
        if fine
        else ""
    )
    yield Evidence(
        f"{who_first(view)} returns HTTP {view.status} for {view.operation or 'the request'}{more}{said(view)}.",
        (status_fact(view), *_proxy_facts(view)),
        title=f"The server limits the number of requests (HTTP {view.status})" if limited else None,
    )


@rule.status(ERROR, "RFC 9110, Section 15.6.5")
def http_504(view: View) -> Found:
    """Gateway timeout: the proxy got no response from the SCEP server (HTTP 504).

    Seen: The response is 504 (Gateway Timeout).
    Why: The SCEP server, or the connector between proxy and server, is down.
    Why: The SCEP server waits for its CA, and the proxy's timer is shorter.
    Else: On the proxy, check that the SCEP server or the connector is running, and measure how long the server takes without the proxy.
    Do (entra-app-proxy): On the connector host, open services.msc, start the application proxy connector service and set it to Automatic.
    Not: This is not a response of the SCEP server.
    """
    if view.status == 504:
        waited = view.duration_ns
        after = f" after {seconds(waited)}" if waited is not None else ""
        yield Evidence(
            f"{who_first(view)} returns HTTP 504 for {view.operation or 'the request'}{after}{said(view)}.",
            (status_fact(view), *_proxy_facts(view)),
        )


_REFUSALS: dict[tuple[str, int], str] = {
    (
        "ejbca",
        401,
    ): "EJBCA returns 401 if the challenge password is not that of the end entity, or the end entity is not in status NEW.",
    (
        "ejbca",
        403,
    ): "EJBCA returns 403 if the end entity is unknown in CA mode, or if the peer is not allowed to use SCEP.",
    (
        "xipki",
        401,
    ): "XiPKI returns 401 if the requestor is not permitted; the challenge password must be user:password.",
    ("xipki", 403): "XiPKI returns 403 if the certificate is issued already or revoked.",
}
"""The meaning of a bare status of a product that is known to refuse with it."""
_EJBCA_401 = (
    "On the EJBCA server, set the end entity to NEW and set its password again: `bin/ejbca.sh ra setendentitystatus --username USER -S 10`, then "
    "`bin/ejbca.sh ra setpwd --username USER --password PASSWORD`.",
)
_STEPS = {
    "ejbca-handle": "On the EJBCA server, check the SCEP alias with `bin/ejbca.sh config scep dumpconfig --alias ALIAS`: polls need RA mode, which "
    "Community does not have; the profiles must fit the request.",
    "challenge-expired": "On the client, get a new challenge password and enroll again within its lifetime.",
    "challenge-used": "On the client, get a new challenge password and enroll again: each is good for one request.",
    "challenge-missing": "On the client, enter the challenge password that the server issued for this device.",
    "challenge": "On the client, enter the challenge password again, or get a new one.",
}
"""What to do about what the server says, by the meaning of its words."""
_NO_LOGIN = "The SCEP software itself refuses the request, most likely its challenge password: a 401 that asks for a login would name it in WWW-Authenticate."
"""RFC 9110, Section 11.6.1. IIS leaves the field out where every way to log in is switched off."""


def _means_refusal(view: View) -> str | None:
    """What this status means at this server, where it is no question of HTTP."""
    product = view.server_product
    if view.operation != "PKIOperation" or view.response_header("www-authenticate") is not None:
        return None
    told = _REFUSALS.get((product.key, view.status)) if product is not None else None
    if told is None and view.status == 401 and "microsoft" not in view.server_name:
        return _NO_LOGIN
    return told


@rule.status(
    ERROR,
    "knowledge.digicert.com, Troubleshoot SCEP",
    "docs.aws.amazon.com, Connector for SCEP, Troubleshooting",
)
def http_vendor_error(view: View) -> Found:
    """The server explains the error in its own words.

    Seen: The response is 4xx with an error header or a text whose meaning is known.
    Why: The reason is in the words of the server.
    Matters: The words come from the software that refused. They are worth more than any conclusion from the status.
    Do: Correct what the server's words name. Its log has the details.
    Do (ejbca): On the EJBCA server, read WildFly's standalone/log/server.log at the time of the response.
    Do (fleet): In Fleet, resend the configuration profile: it contains a new one-time challenge.
    Do (digicert): Correct the enrollment code for 401 (wrong), 406 (expired) and 412 (used or locked); for 400, correct the values of the request.
    Do (aws-c4scep): Correct what the error names. For "must contain base64", send PKIOperation by POST; for LimitExceededException, raise the quota;
        for a CA that is not active, activate it in AWS Private CA.
    Do (xipki): Set the challenge password to user:password of a requestor; the audit log scep-gw names the reason.
    Not: The network is not the cause: the server read the request.
    """
    if not 400 <= view.status < 500:
        return
    found = [(each, view.response_header(each)) for each in _VENDORS if view.response_header(each) is not None]
    text = (view.exchange.body_text or "").lower()
    spoken, refusal = heard(view.exchange), _means_refusal(view)
    meaning = spoken.meaning if spoken is not None else None
    if spoken is not None and meaning is not None and meaning.finds is None and meaning.key not in _OF_OTHER_RULES:
        yield Evidence(
            f"{who_first(view)} returns HTTP {view.status} for {view.operation or 'the request'}: {shown(spoken.text, 160)}.",
            (status_fact(view), view.a("http.file_data", shown(spoken.text, 160))),
            title=f"The server explains HTTP {view.status}: {shown(spoken.text, 60)}",
            causes=(meaning.says,),
            actions=(_STEPS[meaning.key],) if meaning.key in _STEPS else (),
            strength=INFERRED,
        )
    elif refusal is not None and not found:
        yield Evidence(
            f"{who_first(view)} returns HTTP {view.status} for {view.operation}{said(view)}.",
            (status_fact(view),),
            title=f"The server refuses the request with HTTP {view.status}",
            causes=(refusal,),
            actions=_EJBCA_401 if view.status == 401 and view.is_server("ejbca") else (),
            strength=INFERRED,
        )
    elif found or any(each in text for each in _VENDOR_WORDS) or view.status in (406, 412):
        words = ", ".join(shown(value or "", 80) for _, value in found) or shown(
            view.exchange.body_text or f"status {view.status}", 120
        )
        yield Evidence(
            f"{who_first(view)} returns HTTP {view.status} for {view.operation or 'the request'}: {words}.",
            (status_fact(view), *(view.a(f"http.{name}", shown(value or "", 80)) for name, value in found)),
            title=f"The server explains HTTP {view.status}: {words}" if len(words) <= _LONG_WORDS else None,
        )


@rule.status(INFO, "docs.aws.amazon.com, Connector for SCEP, Troubleshooting")
def certrep_in_error_status(view: View) -> Found:
    """An HTTP error carries a SCEP response.

    Seen: The response has a status of 400 or more, and its body is a pkiMessage.
    Why: Some servers combine an HTTP error with a SCEP response.
    Matters: Many clients stop at the HTTP status and never read the SCEP response.
    Do: If the client ignores the SCEP response, configure the server to send SCEP responses with HTTP 200. The pkiStatus and failInfo of the
        response name the cause of the refusal.
    Not: This is not an HTTP error alone.
    """
    if view.status >= 400 and isinstance(view.exchange.response, PkiMessage):
        yield Evidence(
            f"The body of the response with HTTP {view.status} is a pkiMessage.",
            (status_fact(view), view.a("CertRep", "inside")),
        )
