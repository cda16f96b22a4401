"""HTTP answers that are no success."""

import base64

from registry import fault
from world import Message, Story, as_get, page, refusal

HTTP_SYS = "Microsoft-HTTPAPI/2.0"


@fault("self", errors="cacert-failed", near_errors="http-redirect cacert-failed")
def http_redirect_to_login(story: Story, near: bool) -> None:
    """The application proxy sends GetCACert to a sign-in page.
    Near: The server sends it to another path of its own."""
    location = (
        "/certsrv/mscep/other" if near else "https://login.microsoftonline.com/common/oauth2/authorize?client_id=1"
    )
    story.get(story.path + "?operation=GetCACert", b"", None, "302 Found", headers=(f"Location: {location}",))


@fault("self", errors="cacert-failed")
def http_redirect(story: Story, near: bool) -> None:
    """A rule sends HTTP to HTTPS; the client does not follow.
    Near: The server answers at once."""
    if near:
        story.lead()
        story.enroll()
        return
    story.get(
        story.path + "?operation=GetCACert",
        b"",
        None,
        "301 Moved Permanently",
        headers=(f"Location: https://{story.host}{story.path}",),
    )


@fault("self", errors="cacert-failed")
def http_401_on_scep(story: Story, near: bool) -> None:
    """Anonymous authentication is switched off on the SCEP path.
    Near: The administration page wants a login, as it should."""
    if near:
        story.lead()
        story.get(
            "/certsrv/mscep_admin/",
            page("Unauthorized"),
            "text/html",
            "401 Unauthorized",
            headers=("WWW-Authenticate: Digest realm=x",),
        )
        story.enroll()
        return
    story.caps(page("Unauthorized"), "text/html", "401 Unauthorized", headers=("WWW-Authenticate: Negotiate",))
    story.cacert(page("Unauthorized"), "text/html", "401 Unauthorized", headers=("WWW-Authenticate: Negotiate",))


@fault("self", errors="cacert-failed")
def http_407_proxy(story: Story, near: bool) -> None:
    """A proxy wants a login.
    Near: It lets the request pass."""
    if near:
        story.lead()
        story.enroll(headers=("Via: 1.1 proxy.corp.example",))
        return
    story.software = "squid/5.7"
    story.cacert(
        page("Proxy Authentication Required"),
        "text/html",
        "407 Proxy Authentication Required",
        headers=('Proxy-Authenticate: Basic realm="squid"',),
    )


@fault(near_errors="cacert-failed http-403-blocked")
def ndes_403_plain_get(story: Story, near: bool) -> None:
    """A plain GET of mscep.dll is answered with 403: the policy module is installed. The enrollment goes well.
    Near: It is GetCACert that gets 403."""
    if near:
        story.cacert(page("Forbidden"), "text/html", "403 Forbidden")
        return
    story.path = "/certsrv/mscep/mscep.dll"
    story.lead()
    story.get(story.path, page("403 - Forbidden"), "text/html", "403 Forbidden")
    story.enroll()


@fault("self", errors="cacert-failed", near_errors="cacert-failed http-403-blocked")
def http_403_tls_required(story: Story, near: bool) -> None:
    """The site wants SSL (403.4), says the page.
    Near: The page says that the address is not allowed."""
    words = (
        "Forbidden: IP address of the client has been rejected"
        if near
        else "403.4 - Forbidden: SSL is required to view this resource"
    )
    story.cacert(page(words), "text/html", "403 Forbidden")


@fault("self", errors="cacert-failed", near_errors="cacert-failed http-403-blocked")
def http_403_client_cert(story: Story, near: bool) -> None:
    """The site wants a client certificate (403.7), says the page.
    Near: The page says that access is denied."""
    words = "403 - Forbidden: Access is denied" if near else "403.7 - Forbidden: Client certificate required"
    story.cacert(page(words), "text/html", "403 Forbidden")


@fault("self", errors="txn-no-reply", near_errors="txn-no-reply ndes-http-500-pkioperation-only")
def http_403_blocked(story: Story, near: bool) -> None:
    """A web application firewall forbids the PKIOperation.
    Near: The server itself fails on it."""
    story.lead()
    if near:
        story.fails("500 Internal Server Error", page("Server Error"))
    else:
        story.fails(
            "403 Forbidden",
            page("Request rejected by the web application firewall. Support ID 4711"),
            headers=("Server: BigIP", "X-WAF-Event-Info: 4711"),
        )


@fault("self", errors="cacert-failed", near_errors="cacert-failed ndes-http-500-all-operations")
def http_404_wrong_path(story: Story, near: bool) -> None:
    """mscep.dll is missing from the URL: 404 to GetCACaps and GetCACert.
    Near: The path is right and the server fails."""
    story.path = "/certsrv/mscep/mscep.dll" if near else "/certsrv/mscep"
    status = "500 Internal Server Error" if near else "404 Not Found"
    for step in (story.caps, story.cacert):
        step(page(status), "text/html", status)  # type: ignore[operator]


@fault("self", errors="cacert-failed", near_errors="http-404-wrong-path cacert-failed")
def http_404_ca_identifier(story: Story, near: bool) -> None:
    """EJBCA answers GetCACaps and does not know the CA identifier of GetCACert.
    Near: There is no CA identifier; the path is wrong for both."""
    story.path, story.software = "/ejbca/publicweb/apply/scep/pkiclient.exe", None
    if near:
        story.caps(page("Not Found"), "text/html", "404 Not Found")
        story.cacert(page("Not Found"), "text/html", "404 Not Found")
        return
    story.caps("POSTPKIOperation\nRenewal\nSHA-256\nAES\n")
    story.cacert(page("No CA certificates found"), "text/html", "404 Not Found", parameter="CAIdentifier")


@fault("self", errors="txn-no-reply", near_errors="")
def iis_query_too_long(story: Story, near: bool) -> None:
    """PKIOperation by GET has more than 2,048 characters of query: IIS answers 404. Short requests work.
    Near: The same request gets a certificate: the limit was raised."""
    story.lead()
    if near:
        story.enroll(method="GET")
    else:
        story.fails("404 Not Found", page("404 - File or directory not found."), method="GET")


@fault("self", errors="txn-no-reply", near_errors="txn-no-reply http-404-wrong-path cacert-failed")
def iis_body_too_long(story: Story, near: bool) -> None:
    """IIS answers 404 to the POST, because the body is over its limit; short requests to the path work.
    Near: Short requests get 404 too: the path is wrong."""
    if near:
        story.cacert(page("404"), "text/html", "404 Not Found")
    else:
        story.lead()
    story.fails("404 Not Found", page("404 - File or directory not found."))


@fault("self", errors="txn-no-reply", near_errors="txn-no-reply http-400-too-long")
def http_414_uri_too_long(story: Story, near: bool) -> None:
    """nginx answers 414 to the GET.
    Near: http.sys answers 400 to it."""
    story.lead()
    story.software = HTTP_SYS if near else "nginx/1.22.1"
    if near:
        story.fails("400 Bad Request", page("Bad Request - Request Too Long"), method="GET")
    else:
        story.fails("414 Request-URI Too Large", page("414 Request-URI Too Large"), method="GET")


@fault("self", errors="txn-no-reply", near_errors="txn-no-reply")
def http_400_too_long(story: Story, near: bool) -> None:
    """The message stands in the path, in one segment of more than 260 characters: http.sys answers "Invalid URL".
    Near: The server answers 400 to a short POST, for another reason."""
    story.lead()
    if near:
        story.fails("400 Bad Request", page("Bad Request"))
        return
    story.software = HTTP_SYS
    long = base64.urlsafe_b64encode(Message().encoded(story.chance)).decode()
    story.fails(
        "400 Bad Request",
        page("Bad Request - Invalid URL"),
        method="GET",
        target=f"{story.path}/{long}?operation=PKIOperation&message=",
    )


@fault("get-base64url", errors="txn-no-reply http-400-bad-message", near_errors="txn-no-reply")
def http_400_bad_message(story: Story, near: bool) -> None:
    """The client sends base64url; the server answers 400.
    Near: The base64 is right, and the server answers 400 all the same."""
    story.lead()
    encoded = Message().encoded(story.chance)
    text = base64.urlsafe_b64encode(encoded).decode().rstrip("=")
    story.software = None
    story.fails(
        "400 Bad Request",
        b"cannot decode the message",
        "text/plain",
        method="GET",
        target=as_get(encoded, story.path, text=None if near else text),
    )


@fault("self", errors="txn-no-reply", near_errors="txn-no-reply")
def http_405_post(story: Story, near: bool) -> None:
    """The server does not take POST, and says so.
    Near: It answers a GET with 405."""
    story.lead()
    story.fails("405 Method Not Allowed", page("405"), method="GET" if near else "POST", headers=("Allow: GET, HEAD",))


@fault("self", errors="txn-no-reply", near_errors="")
def http_411_length_required(story: Story, near: bool) -> None:
    """A proxy wants a Content-Length: 411 to a chunked POST.
    Near: The chunked POST is accepted."""
    story.lead()
    body = Message().encoded(story.chance)
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    options = {"raw": chunked, "sent_headers": ("Transfer-Encoding: chunked",)}
    if near:
        story.enroll(**options)  # type: ignore[arg-type]
    else:
        story.fails("411 Length Required", page("411"), **options)


@fault("self", errors="txn-no-reply", near_errors="txn-no-reply iis-body-too-long")
def http_413_too_large(story: Story, near: bool) -> None:
    """nginx finds the body too large.
    Near: IIS does, by its request filter."""
    story.lead()
    if not near:
        story.software = "nginx/1.22.1"
    story.fails("413 Request Entity Too Large", page("413 Request Entity Too Large"))


@fault("self", errors="txn-no-reply", near_errors="")
def http_415_media_type(story: Story, near: bool) -> None:
    """A gateway refuses the media type of the POST.
    Near: It takes it."""
    story.lead()
    if near:
        story.enroll()
    else:
        story.fails("415 Unsupported Media Type", page("415"))


@fault("self", errors="txn-no-reply", near_errors="")
def http_417_expect(story: Story, near: bool) -> None:
    """A proxy cannot do 100-continue: 417.
    Near: The server goes on at once."""
    story.lead()
    if near:
        story.enroll(sent_headers=("Expect: 100-continue",))
    else:
        story.fails("417 Expectation Failed", page("417"), sent_headers=("Expect: 100-continue",))


@fault("self", errors="cacert-failed", near_errors="txn-no-reply ndes-http-500-pkioperation-only")
def ndes_http_500_all_operations(story: Story, near: bool) -> None:
    """NDES cannot start: 500 to GetCACaps and GetCACert.
    Near: Only PKIOperation gets 500."""
    if near:
        story.lead()
        story.fails("500 Internal Server Error", page("Server Error"))
        return
    story.caps(page("500 - Internal server error."), "text/html", "500 Internal Server Error")
    story.cacert(page("500 - Internal server error."), "text/html", "500 Internal Server Error")


@fault("self", errors="txn-no-reply", near_errors="cacert-failed ndes-http-500-all-operations")
def ndes_http_500_pkioperation_only(story: Story, near: bool) -> None:
    """GetCACaps and GetCACert work, PKIOperation gets 500: a policy module fails.
    Near: Everything gets 500."""
    if near:
        story.cacert(page("Server Error"), "text/html", "500 Internal Server Error")
        return
    story.lead()
    story.fails("500 Internal Server Error", page("500 - Internal server error."))


@fault("self", errors="cacert-failed", near_errors="cacert-failed http-504")
def http_502(story: Story, near: bool) -> None:
    """The application proxy gets no good answer from the server.
    Near: It gets none in time: 504."""
    story.software = None
    status = "504 Gateway Timeout" if near else "502 Bad Gateway"
    story.cacert(page(status), "text/html", status, headers=("Via: 1.1 proxy.corp.example",))


@fault("self", errors="cacert-failed", near_errors="cacert-failed http-503-load")
def ndes_http_503_app_pool(story: Story, near: bool) -> None:
    """The application pool is stopped: 503 from http.sys.
    Near: A load balancer has no server: 503, from nginx."""
    story.software = "nginx/1.22.1" if near else HTTP_SYS
    story.cacert(page("Service Unavailable"), "text/html", "503 Service Unavailable")


@fault("self", errors="txn-no-reply", near_errors="txn-no-reply ndes-http-503-app-pool")
def http_503_load(story: Story, near: bool) -> None:
    """The server is overloaded: 503 with Retry-After among answers of 200.
    Near: The pool is stopped: 503 from http.sys."""
    story.lead()
    if near:
        story.software = HTTP_SYS
    story.fails("503 Service Unavailable", page("Service Unavailable"), headers=() if near else ("Retry-After: 30",))


@fault("self", errors="txn-no-reply", near_errors="txn-no-reply http-502")
def http_504(story: Story, near: bool) -> None:
    """The proxy waits 60 seconds for the server, in vain.
    Near: It cannot reach it: 502."""
    story.lead()
    story.software = None
    status = "502 Bad Gateway" if near else "504 Gateway Timeout"
    story.fails(status, page(status), headers=("Via: 1.1 proxy.corp.example",), wait=0.1 if near else 60)


@fault("self", errors="txn-no-reply", near_errors="txn-no-reply")
def http_vendor_error(story: Story, near: bool) -> None:
    """AWS's connector says in a header of its own what is wrong.
    Near: A server answers 400 without a word."""
    story.software = None
    story.lead("POSTPKIOperation\nSHA-256\nAES\n")
    headers = (
        ()
        if near
        else ("x-amzn-ErrorType: BadRequestException", "x-amzn-ErrorMessage: The challenge password is not valid")
    )
    story.fails("400 Bad Request", b"", None, headers=headers)


@fault("certrep-badrequest", errors="certrep-failure", near_errors="certrep-failure certrep-badrequest")
def certrep_in_error_status(story: Story, near: bool) -> None:
    """The server refuses with HTTP 400 and a CertRep in it.
    Near: It refuses with HTTP 200."""
    story.software = None
    story.lead("POSTPKIOperation\nSHA-256\nDES3\n")
    story.enroll(reply=refusal(2), status="200 OK" if near else "400 Bad Request")
