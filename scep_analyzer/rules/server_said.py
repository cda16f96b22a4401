"""What the server itself names as the cause, in words, and wrong names in the URL (rules/server_words.py holds the table)."""

from scep_analyzer.model.exchanges import path_of
from scep_analyzer.model.findings import Evidence, Fact
from scep_analyzer.model.patterns import lazily
from scep_analyzer.model.scep import FailInfo, PkiMessage
from scep_analyzer.rules._rule import ERROR, INFERRED, Found, rule
from scep_analyzer.rules._views import View
from scep_analyzer.rules._words import shown
from scep_analyzer.rules.http_status import status_fact
from scep_analyzer.rules.server_words import Heard, heard

_PORT_IN_PATH = lazily(r"/[^/?]*:(\d{2,5})(?=[/?]|$)")


_USUAL = ("aes", "des-ede3")
"""Ciphers that only the server can object to; other rules are about all other ciphers."""


def _said(view: View, rule_id: str) -> Heard | None:
    """The words of the server, where they mean what this rule is about."""
    words = heard(view.exchange)
    return words if words is not None and words.meaning is not None and words.meaning.finds == rule_id else None


def _quote(view: View, words: Heard) -> str:
    """How the server said it, as a sentence."""
    asked = view.operation or "the request"
    text = shown(words.text.rstrip("."), 200)
    if words.where == "failInfoText":
        return f"The server refuses {asked} and says {text}."
    return f"The server responds to {asked} with HTTP {view.status}: {text}."


def _facts(view: View, words: Heard) -> tuple[Fact, ...]:
    where = {"failInfoText": "CertRep.signedAttrs.failInfoText", "reason phrase": "http.response.phrase"}
    fact = view.a(where.get(words.where, "http.file_data"), shown(words.text, 200))
    return (status_fact(view), fact)


@rule.exchange(ERROR, "Keyfactor/ejbca-ce, ScepServlet", "smallstep/certificates, scep/api", where=("words",))
def scep_alias_or_provisioner_missing(view: View) -> Found:
    """The server has no SCEP alias or provisioner of the name in the URL.

    Seen: The server says that the alias, provisioner or profile does not exist, with any HTTP status.
    Why: The name in the path of the enrollment URL is mistyped, or it was never created on the server.
    Why: The name is missing from the path.
    Matters: The client gets no CA certificates and cannot request its own.
    Else: On the client, compare the name in the enrollment URL with the names on the server, letter by letter, and correct it.
    Do (ejbca): On the client, set the URL to http://SERVER/ejbca/publicweb/apply/scep/ALIAS/pkiclient.exe. On EJBCA, `bin/ejbca.sh config scep
        addalias ALIAS` creates an alias.
    Do (step-ca): On the client, set the URL to http://SERVER/scep/PROVISIONER. On the server, `step ca provisioner list` shows the names; the type
        must be SCEP.
    Do (openxpki): On the server, create both files of the endpoint: client.d/service/scep/ENDPOINT.yaml and config.d/realm/REALM/scep/ENDPOINT.yaml.
    Do (xipki): On the client, correct the CA and the profile alias in the URL: they must be listed in `caProfiles` in the server's scep-gateway.json.
    Do (dogtag): On the server, add the profile to `ca.scep.allowedDynamicProfileIds`, then restart it.
    Do (ucm): On the client, correct the name of the SCEP profile in the URL.
    Not: It is not a server that is down, and not a refusal of this client: every client with this URL gets this response.
    """
    words = _said(view, "scep-alias-or-provisioner-missing")
    if words is not None:
        yield Evidence(
            _quote(view, words), (view.q("http.request.uri", shown(view.plain_target, 100)), *_facts(view, words))
        )


@rule.exchange(ERROR, "dogtagpki/pki, CRSEnrollment", "NeySlim/ultimate-ca-manager", where=("words",))
def scep_disabled_on_server(view: View) -> Found:
    """SCEP is switched off on the server.

    Seen: The server says that SCEP is disabled or not set up for this CA.
    Why: SCEP is off until an administrator switches it on.
    Why: The CA or the profile behind this URL was taken out of service.
    Matters: No client can enroll here.
    Else: On the server, switch on SCEP, assign a CA to it, and restart the service if the server asks for it.
    Do (dogtag): On the server, run `pki-server ca-config-set ca.scep.enable true`, then restart the instance.
    Do (ucm): In Ultimate CA Manager, open the SCEP settings, switch on SCEP and select a CA whose RSA key is stored on this server.
    Do (otilm): In the user interface, enable the SCEP profile and its RA profile.
    Do (ejbca): If an RA peer responds, allow SCEP in the role of that peer.
    Do (digicert): In DigiCert, enable the CA for SCEP.
    Not: It is not a wrong path: the service exists and responds.
    """
    words = _said(view, "scep-disabled-on-server")
    if words is not None:
        yield Evidence(_quote(view, words), _facts(view, words))


@rule.exchange(ERROR, "learn.microsoft.com, App Service, 403 web app stopped", "scepman/scepman-docs", where=("words",))
def azure_app_stopped(view: View) -> Found:
    """The web app on Azure is stopped or cannot be loaded.

    Seen: Azure itself responds: the web app is stopped, or its package cannot be downloaded.
    Why: Somebody stopped the app, its plan ran out of quota, or the location of its package changed.
    Matters: The SCEP software does not run at all.
    Else: In the Azure portal, start the app. Its activity log shows who or what stopped it.
    Do (scepman): In the Azure portal, start the app. For "Cannot download ZIP", set WEBSITE_RUN_FROM_PACKAGE to the current location. GET /probe
        shows whether SCEPman runs.
    Not: It is not a response of the SCEP software: Azure responds in its place.
    """
    words = _said(view, "azure-app-stopped")
    if words is not None and view.status >= 400:
        yield Evidence(_quote(view, words), _facts(view, words))


@rule.status(ERROR, "learn.microsoft.com, Error logging in HTTP APIs")
def http_400_invalid_hostname(view: View) -> Found:
    """Windows has no site for the name in the Host header.

    Seen: http.sys responds with 400 and "Invalid Hostname".
    Why: The site is bound to another name, and the client uses an alias, an IP address or the name of a load balancer.
    Why: A proxy in front replaces the Host header with its own name.
    Matters: http.sys responds before IIS sees the request.
    Do: On the client, use the name that the site is bound to; or add a binding for the used name on the server.
    Do (ndes): On the NDES server, run `New-WebBinding -Name "Default Web Site" -Protocol http -Port 80 -HostHeader NAME`. For HTTPS, the certificate
        needs that name too.
    Do (entra-app-proxy): In the Entra application proxy, switch on "Translate URLs in headers", so that the connector sends the internal name.
    Not: It is not a wrong path, and not a request that is too long.
    """
    words = _said(view, "http-400-invalid-hostname")
    if words is not None and view.status == 400:
        host = view.request_header("host")
        yield Evidence(
            f"The server responds to {view.operation or 'the request'} for the host {shown(host or '(none)')} with HTTP 400: {shown(words.text, 120)}.",
            (view.q("http.host", host or "none"), *_facts(view, words)),
        )


@rule.status(ERROR, "learn.microsoft.com, HTTP status codes in IIS (404.2)")
def iis_isapi_restricted(view: View) -> Found:
    """IIS is not allowed to run mscep.dll (404.2).

    Seen: The page of a 404 response names substatus 404.2, the ISAPI and CGI restriction.
    Why: mscep.dll is not on the list of allowed extensions, for example after a hardening or a move of the site.
    Matters: NDES is installed but is never called.
    Do: On the NDES server, open IIS Manager > server node > ISAPI and CGI Restrictions, and allow %windir%\\System32\\certsrv\\mscep\\mscep.dll.
    Not: It is not a wrong path: that would be 404.0.
    """
    words = _said(view, "iis-isapi-restricted")
    if words is not None and view.status == 404:
        yield Evidence(_quote(view, words), _facts(view, words))


@rule.status(ERROR, "learn.microsoft.com, HTTP status codes in IIS (404.7)")
def iis_extension_denied(view: View) -> Found:
    """IIS blocks the file extension in the path (404.7).

    Seen: The page of a 404 response names substatus 404.7, a denied file extension.
    Why: Request filtering blocks .dll or .exe after a hardening, and the path ends in mscep.dll or pkiclient.exe.
    Matters: The request never reaches NDES.
    Do: On the NDES server, open IIS Manager > CertSrv/mscep > Request Filtering > File Name Extensions, and allow .dll and .exe for this path only.
    Not: It is not a wrong path: that would be 404.0.
    """
    words = _said(view, "iis-extension-denied")
    if words is not None and view.status == 404:
        yield Evidence(
            _quote(view, words), (view.q("http.request.uri.path", shown(view.path, 100)), *_facts(view, words))
        )


@rule.exchange(ERROR, "Keyfactor/ejbca-ce#40", where=("words",))
def ejbca_end_entity_status(view: View) -> Found:
    """The end entity's status does not allow another certificate.

    Seen: The server says that the end entity has the wrong status. After the first certificate the status is GENERATED.
    Why: The end entity already got its certificate and was not set back to NEW.
    Matters: The server refuses every enrollment of this device until the status is NEW.
    Else: On the server, set the end entity to NEW and set its password again, then enroll again.
    Do (ejbca): On EJBCA, run `bin/ejbca.sh ra setendentitystatus --username USER -S 10` and `bin/ejbca.sh ra setpwd --username USER --password
        PASSWORD`, then enroll again.
    Not: It is not a wrong password: the server found the end entity.
    """
    words = _said(view, "ejbca-end-entity-status")
    if words is not None:
        yield Evidence(_quote(view, words), _facts(view, words))


@rule.exchange(
    ERROR,
    "Keyfactor/ejbca-ce, ScepMessageDispatcherSessionBean",
    "knowledge.digicert.com, Troubleshoot SCEP",
    where=("words",),
)
def ejbca_end_entity_unknown(view: View) -> Found:
    """The server knows no end entity for this request.

    Seen: The server says that the user, end entity or seat of this name does not exist.
    Why: The end entity was not added, or its subject differs from the request: order, case and every attribute count.
    Why: The alias is in CA mode, which accepts known end entities only.
    Matters: The server could read the request, so neither its encoding nor its recipient is the cause.
    Else: On the server, add the end entity with exactly the subject that the device requests, and with its challenge password.
    Do (ejbca): On EJBCA, add it with `bin/ejbca.sh ra addendentity`, with exactly the subject of the request. In CA mode the user name is the
        subject's CN.
    Do (digicert): In DigiCert, enroll the seat of this CN before the device enrolls.
    Not: It is not a wrong challenge password: the server found nothing to compare it with.
    """
    words = _said(view, "ejbca-end-entity-unknown")
    if words is not None:
        yield Evidence(_quote(view, words), _facts(view, words))


@rule.exchange(ERROR, "RFC 3986, Section 3.2.3", strength=INFERRED, where=("unread",))
def url_port_in_path(view: View) -> Found:
    """The port is in the path of the URL instead of after the host.

    Seen: A segment of the path ends in a colon and a number, and the response is not SCEP.
    Why: The port was typed after the path: http://host/scep:8081 means port 80 and a path with a colon.
    Matters: The request goes to the wrong port, and often to another server.
    Else: On the client, put the port after the host in the enrollment URL: http://HOST:PORT/path.
    Do (ios-client): On the device, set `enrollment url http://HOST:PORT/scep` under the trustpoint; IOS appends /pkiclient.exe itself.
    Not: It does not show that the SCEP service is missing: the request went to another port.
    """
    match = _PORT_IN_PATH.search(path_of(view.target)) if view.asked is not None else None
    if match is not None and view.answer is not None and not view.understood:
        yield Evidence(
            f"The path {shown(view.path)} contains the port {match[1]}; the request goes to port {view.http.server.port}, "
            f"which responds with HTTP {view.status}.",
            (
                view.q("http.request.uri.path", shown(view.path)),
                view.q("tcp.dstport", view.http.server.port),
                status_fact(view),
            ),
        )


@rule.request(ERROR, "RFC 8894, Section 3.5.2", "RFC 8894, Section 2.9", strength=INFERRED)
def server_lacks_cipher(view: View, message: PkiMessage) -> Found:
    """The server does not support the cipher of the request.

    Seen: The server says that it does not accept the encryption algorithm, or responds with badAlg; its capabilities do not list that algorithm.
    Why: The client uses a fixed cipher that this server or its configuration does not allow.
    Matters: The server cannot read the request at all.
    Do: On the client, select a cipher that the server lists in its response to GetCACaps.
    Do (dogtag): On the server, run `pki-server ca-config-set ca.scep.allowedEncryptionAlgorithms DES3,AES`, then restart it: by default it accepts
        DES3 only.
    Do (sscep): On the client, call sscep with `-E 3des`, or with `-E aes256` if the server supports AES.
    Do (strongswan): On the client, call pki with `--cipher des3`, or with `--cipher aes` if the server supports AES.
    Not: It is not a wrong key: the server did not get as far as decryption.
    """
    words = heard(view.exchange)
    reply = view.reply
    told = words is not None and words.meaning is not None and words.meaning.key == "algorithm"
    refused = reply is not None and reply.fail_info == FailInfo.badAlg
    cipher = message.envelope.content_encryption_algorithm if message.envelope is not None else None
    if not (told or refused) or not cipher or not cipher.startswith(_USUAL) or message.envelope is None:
        return
    if message.envelope.key_encryption_algorithm == "rsaesOaep" or view.offers_word("aes", "des3", "scepstandard"):
        return  # req-oaep; or the server names its ciphers: cipher-not-offered, or it can use this one
    if words is not None and told and not _names_cipher(words.text, cipher):
        return
    said = f" and says {shown(words.text, 160)}" if words is not None and told else ""
    yield Evidence(
        f"The request is encrypted with {cipher}, and the server refuses it{said}.",
        (
            view.q("contentEncryptionAlgorithm", cipher),
            status_fact(view) if reply is None else view.a("CertRep.signedAttrs.failInfo", str(reply.fail_info)),
        ),
        title=f"The server does not support the cipher of the request ({cipher})",
    )


def _names_cipher(text: str, cipher: str) -> bool:
    """Whether the server's words may be about the cipher: they name it, or no algorithm of another kind."""
    lower = text.lower()
    if any(each in lower for each in (*cipher.split("-")[:1], "encrypt", "cipher", "aes", "des")):
        return True
    return not any(each in lower for each in ("hash", "digest", "sha", "md5", "signature", "oaep"))
