"""What the server itself names as the cause."""

from registry import fault
from world import Message, Story, page, refusal

NOTHING = "cacert-failed"
REFUSED = "certrep-failure certrep-badrequest"


def _answers(story: Story, words: str, status: str, kind: str = "text/html") -> None:
    """Every question before a request gets this answer."""
    body = page(words) if kind == "text/html" else words.encode()
    for operation in ("GetCACaps", "GetCACert"):
        story.get(f"{story.path}?operation={operation}", body, kind, status)


@fault("self", errors=NOTHING, near_errors=NOTHING + " http-404-ca-identifier")
def scep_alias_or_provisioner_missing(story: Story, near: bool) -> None:
    """EJBCA has no alias of the name in the URL, and says so with 400.
    Near: The alias is there, and knows no CA of the name in message=."""
    story.software, story.path = None, "/ejbca/publicweb/apply/scep/wlan/pkiclient.exe"
    if near:
        story.caps()
        story.get(
            f"{story.path}?operation=GetCACert&message=Nobody",
            page("No CA certificates found"),
            "text/html",
            "404 Not Found",
        )
        return
    _answers(story, "SCEP alias 'wlan' does not exist", "400 Bad Request")


@fault("self", errors=NOTHING + " ndes-http-500-all-operations", near_errors=NOTHING + " ndes-http-500-all-operations")
def scep_disabled_on_server(story: Story, near: bool) -> None:
    """Dogtag says that its SCEP is disabled.
    Near: It says that it is broken."""
    story.software, story.path = None, "/ca/cgi-bin/pkiclient.exe"
    _answers(story, "Something broke" if near else "SCEP support is disabled.", "500 Internal Server Error")


@fault("self", errors=NOTHING + " http-403-blocked", near_errors=NOTHING + " http-403-blocked")
def azure_app_stopped(story: Story, near: bool) -> None:
    """Azure answers that the web app is stopped.
    Near: A firewall forbids the request."""
    story.host, story.software, story.path = "scep-corp.azurewebsites.net", None, "/certsrv/mscep/mscep.dll"
    words = "Access denied by the web application firewall" if near else "Error 403 - This web app is stopped."
    _answers(story, words, "403 Forbidden")


@fault("self", errors=NOTHING, near_errors=NOTHING + " http-400-too-long")
def http_400_invalid_hostname(story: Story, near: bool) -> None:
    """http.sys knows no site of the name in the Host header.
    Near: It calls the request too long."""
    story.host, story.software = "scep-alias.corp.example", "Microsoft-HTTPAPI/2.0"
    _answers(story, "Bad Request - Request Too Long" if near else "Bad Request - Invalid Hostname", "400 Bad Request")


@fault("self", errors=NOTHING + " http-404-wrong-path", near_errors=NOTHING + " http-404-wrong-path")
def iis_isapi_restricted(story: Story, near: bool) -> None:
    """IIS may not run mscep.dll: 404.2.
    Near: There is no such file: 404.0."""
    words = (
        "HTTP Error 404.0 - Not Found" if near else "HTTP Error 404.2 - Not Found: ISAPI and CGI Restriction settings"
    )
    _answers(story, words, "404 Not Found")


@fault("self", errors=NOTHING + " http-404-wrong-path", near_errors=NOTHING + " http-404-wrong-path")
def iis_extension_denied(story: Story, near: bool) -> None:
    """IIS denies the extension .dll: 404.7.
    Near: There is no such file: 404.0."""
    words = (
        "HTTP Error 404.0 - Not Found"
        if near
        else "HTTP Error 404.7 - Not Found. The request filtering module is configured to deny the file extension."
    )
    _answers(story, words, "404 Not Found")


@fault("self", errors=REFUSED, near_errors=REFUSED)
def ejbca_end_entity_status(story: Story, near: bool) -> None:
    """EJBCA refuses: the end entity had its certificate, and its status is GENERATED.
    Near: It refuses without a word."""
    story.software, story.path = None, "/ejbca/publicweb/apply/scep/wifi/pkiclient.exe"
    story.lead()
    words = "Attempted to enroll on an end entity (device-1) with incorrect status: GENERATED"
    story.enroll(reply=refusal(2, text=None if near else words))


@fault("self", errors=REFUSED, near_errors=REFUSED)
def ejbca_end_entity_unknown(story: Story, near: bool) -> None:
    """EJBCA knows no end entity for this request.
    Near: It refuses without a word."""
    story.software, story.path = None, "/ejbca/publicweb/apply/scep/wifi/pkiclient.exe"
    story.lead()
    story.enroll(reply=refusal(2, text=None if near else "User device-1.corp.example not found"))


@fault("self", errors=NOTHING + " http-404-wrong-path", near_errors=NOTHING + " http-404-wrong-path")
def url_port_in_path(story: Story, near: bool) -> None:
    """The port was typed behind the path: /scep:8081 on port 80.
    Near: The path has a colon in it, and no port."""
    story.software, story.path = "cisco-IOS", "/scep:lab/pkiclient.exe" if near else "/scep:8081/pkiclient.exe"
    _answers(story, "404 Not Found", "404 Not Found")


@fault(
    "self",
    errors="txn-no-reply ndes-http-500-pkioperation-only",
    near_errors="txn-no-reply ndes-http-500-pkioperation-only digest-not-offered",
)
def server_lacks_cipher(story: Story, near: bool) -> None:
    """The server's configuration allows 3DES only, and its words name the cipher.
    Near: They name the hash."""
    story.software, story.path = None, "/ca/cgi-bin/pkiclient.exe"
    story.lead("POSTPKIOperation\nSHA-256\n" if near else "POSTPKIOperation\nSHA-256\nSHA-512\n")
    words = "Hashing algorithm 'SHA512' is not allowed" if near else "Encryption algorithm 'AES' is not allowed (DES3)"
    story.fails(
        "500 Internal Server Error",
        page(words),
        method="POST",
        message=Message(cipher="aes128", digest="sha512" if near else "sha256"),
    )
