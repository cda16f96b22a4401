"""What the server itself names as the cause, in words, and wrong names in the URL (rules/server_words.py holds the table)."""

import re

from scep_analyzer.model.exchanges import path_of
from scep_analyzer.model.findings import Evidence, Fact
from scep_analyzer.model.scep import FailInfo, PkiMessage
from scep_analyzer.rules._rule import ERROR, INFERRED, Found, rule
from scep_analyzer.rules._views import View
from scep_analyzer.rules._words import shown
from scep_analyzer.rules.http_status import status_fact
from scep_analyzer.rules.server_words import Heard, heard

_PORT_IN_PATH = re.compile(r"/[^/?]*:(\d{2,5})(?=[/?]|$)")


_USUAL = ("aes", "des-ede3")
"""Ciphers that nothing speaks against but the server; for others there are rules of their own."""


def _said(view: View, rule_id: str) -> Heard | None:
    """The words of the server, where they mean what this rule is about."""
    words = heard(view.exchange)
    return words if words is not None and words.meaning is not None and words.meaning.finds == rule_id else None


def _quote(view: View, words: Heard) -> str:
    """How the server said it, as a sentence."""
    asked = view.operation or "The request"
    if words.where == "failInfoText":
        return f"{asked} is refused, and the server says {shown(words.text, 200)}."
    return f"{asked} is answered with HTTP {view.status}: {shown(words.text, 200)}."


def _facts(view: View, words: Heard) -> tuple[Fact, ...]:
    where = {"failInfoText": "CertRep.signedAttrs.failInfoText", "reason phrase": "http.response.phrase"}
    fact = view.a(where.get(words.where, "http.file_data"), shown(words.text, 200))
    return (status_fact(view), fact)


@rule.exchange(ERROR, "Keyfactor/ejbca-ce, ScepServlet", "smallstep/certificates, scep/api")
def scep_alias_or_provisioner_missing(view: View) -> Found:
    """The server has no SCEP alias or provisioner of the name in the URL.

    Seen: The server says that the alias, provisioner or profile does not exist, with whatever HTTP status.
    Why: The name in the path of the enrollment URL is mistyped, or was never made on the server.
    Why: The path ends too early: the name is missing from it.
    Matters: The client gets no CA certificates and cannot ask for its own.
    Do: Compare the name in the URL with those on the server, letter by letter, and correct one of them.
    Do (ejbca): The URL ends in /ejbca/publicweb/apply/scep/ALIAS/pkiclient.exe. List and add aliases in System Configuration, SCEP Configuration, or with
        `bin/ejbca.sh config scep addalias ALIAS`.
    Do (step-ca): The URL is /scep/PROVISIONER. `step ca provisioner list` shows the names; the type must be SCEP.
    Do (openxpki): Each endpoint needs a file on both sides: client.d/service/scep/ENDPOINT.yaml and config.d/realm/REALM/scep/ENDPOINT.yaml.
    Do (xipki): Compare CA and profile alias in the URL with `caProfiles` in scep-gateway.json.
    Do (dogtag): Add the profile to `ca.scep.allowedDynamicProfileIds`.
    Not: A server that is down, or a refusal of this client: every client with this URL gets this answer.
    """
    words = _said(view, "scep-alias-or-provisioner-missing")
    if words is not None:
        yield Evidence(
            _quote(view, words), (view.q("http.request.uri", shown(view.plain_target, 100)), *_facts(view, words))
        )


@rule.exchange(ERROR, "dogtagpki/pki, CRSEnrollment", "NeySlim/ultimate-ca-manager")
def scep_disabled_on_server(view: View) -> Found:
    """SCEP is switched off on the server.

    Seen: The server says that SCEP is disabled, or not set up for this CA.
    Why: It is off until somebody switches it on, or the CA or profile behind it was taken out of service.
    Matters: No client can enroll here.
    Do: Switch SCEP on in the server's settings, give it a CA, and restart it where it asks for that.
    Do (dogtag): `pki-server ca-config-set ca.scep.enable true`, then restart the instance.
    Do (ucm): Open the SCEP settings: switch SCEP on and choose a CA whose RSA key is on this server.
    Do (otilm): Enable the SCEP profile and its RA profile in the user interface.
    Do (ejbca): Where an RA peer answers: allow SCEP in the peer's role.
    Not: A wrong path: the service is there and answers.
    """
    words = _said(view, "scep-disabled-on-server")
    if words is not None:
        yield Evidence(_quote(view, words), _facts(view, words))


@rule.exchange(ERROR, "learn.microsoft.com, App Service, 403 web app stopped", "scepman/scepman-docs")
def azure_app_stopped(view: View) -> Found:
    """The web app on Azure is stopped or cannot be loaded.

    Seen: Azure's own page: the web app is stopped, or its package cannot be downloaded.
    Why: Somebody stopped the app, its plan ran out of quota, or the place of its package has changed.
    Matters: The SCEP software does not run at all.
    Do: Start the app in the Azure portal and look at its activity log for who or what stopped it.
    Do (scepman): For "Cannot download ZIP" set WEBSITE_RUN_FROM_PACKAGE to the current location; then GET /probe tells whether SCEPman runs.
    Not: An answer of the SCEP software: Azure answers in its place.
    """
    words = _said(view, "azure-app-stopped")
    if words is not None and view.status >= 400:
        yield Evidence(_quote(view, words), _facts(view, words))


@rule.status(ERROR, "learn.microsoft.com, Error logging in HTTP APIs")
def http_400_invalid_hostname(view: View) -> Found:
    """Windows has no site for the name in the Host header.

    Seen: 400 with "Invalid Hostname" from http.sys.
    Why: The site is bound to another name, and the client uses an alias, an address or a load balancer's name.
    Why: A proxy in front sends its own name on.
    Matters: http.sys answers before IIS sees the request.
    Do: Add a binding for this name to the site, or one without a host name; or put the bound name into the enrollment URL.
    Do (ndes): `New-WebBinding -Name "Default Web Site" -Protocol http -Port 80 -HostHeader NAME`, and a certificate with that name for https.
    Do (entra-app-proxy): Let the connector send the internal name: "Translate URLs in headers" on.
    Not: A wrong path, or a request that is too long.
    """
    words = _said(view, "http-400-invalid-hostname")
    if words is not None and view.status == 400:
        host = view.request_header("host")
        yield Evidence(
            f"{view.operation or 'The request'} for the host {shown(host or '(none)')} is answered with 400: {shown(words.text, 120)}.",
            (view.q("http.host", host or "none"), *_facts(view, words)),
        )


@rule.status(ERROR, "learn.microsoft.com, HTTP status codes in IIS (404.2)")
def iis_isapi_restricted(view: View) -> Found:
    """IIS is not allowed to run mscep.dll.

    Seen: 404 whose page names substatus 404.2, the ISAPI and CGI restriction.
    Why: mscep.dll is not among the allowed extensions, after a hardening or a move of the site.
    Matters: NDES is installed and never called.
    Do: In IIS Manager, on the server's node: ISAPI and CGI Restrictions, allow %windir%\\System32\\certsrv\\mscep\\mscep.dll.
    Not: A wrong path: that would be 404.0.
    """
    words = _said(view, "iis-isapi-restricted")
    if words is not None and view.status == 404:
        yield Evidence(_quote(view, words), _facts(view, words))


@rule.status(ERROR, "learn.microsoft.com, HTTP status codes in IIS (404.7)")
def iis_extension_denied(view: View) -> Found:
    """IIS denies the file extension in the path.

    Seen: 404 whose page names substatus 404.7, a denied file extension.
    Why: Request filtering was hardened and denies .dll or .exe; the path ends in mscep.dll or pkiclient.exe.
    Matters: The request never reaches NDES.
    Do: In IIS Manager, Request Filtering, File Name Extensions of the SCEP path: allow .dll and .exe.
    Not: A wrong path: that would be 404.0.
    """
    words = _said(view, "iis-extension-denied")
    if words is not None and view.status == 404:
        yield Evidence(
            _quote(view, words), (view.q("http.request.uri.path", shown(view.path, 100)), *_facts(view, words))
        )


@rule.exchange(ERROR, "Keyfactor/ejbca-ce#40")
def ejbca_end_entity_status(view: View) -> Found:
    """The end entity's status does not allow another certificate.

    Seen: EJBCA says that the status is wrong: after the first certificate it is GENERATED.
    Why: The end entity had its certificate, and nobody set it back to NEW.
    Matters: Every enrollment of this device is refused until that is done.
    Do: Set the end entity to NEW and set its password again, then let the device enroll.
    Do (ejbca): `bin/ejbca.sh ra setendentitystatus --username USER -S 10`, then `bin/ejbca.sh ra setpwd --username USER --password PASSWORD`.
    Not: A wrong password: the end entity was found.
    """
    words = _said(view, "ejbca-end-entity-status")
    if words is not None:
        yield Evidence(_quote(view, words), _facts(view, words))


@rule.exchange(
    ERROR, "Keyfactor/ejbca-ce, ScepMessageDispatcherSessionBean", "knowledge.digicert.com, Troubleshoot SCEP"
)
def ejbca_end_entity_unknown(view: View) -> Found:
    """The server knows no end entity for this request.

    Seen: The server says that the user, end entity or seat of this name does not exist.
    Why: It was not added, or the subject differs from it: order, case and every attribute count.
    Why: The alias is in CA mode, which takes known end entities only.
    Matters: The request was read: neither its encoding nor its recipient is the cause.
    Do: Add the end entity with exactly the subject that the device asks for, and its challenge password.
    Do (ejbca): `bin/ejbca.sh ra addendentity`; in CA mode the user name is the subject's CN.
    Do (digicert): Enroll the seat of this CN before the device asks.
    Not: A wrong challenge password: there is nothing to compare it with.
    """
    words = _said(view, "ejbca-end-entity-unknown")
    if words is not None:
        yield Evidence(_quote(view, words), _facts(view, words))


@rule.exchange(ERROR, "RFC 3986, Section 3.2.3", strength=INFERRED)
def url_port_in_path(view: View) -> Found:
    """A port stands inside the path of the URL.

    Seen: A segment of the path ends in a colon and a number, and the server does not answer with SCEP.
    Why: The port was typed behind the path: http://host/scep:8081 is port 80 and a path with a colon.
    Matters: The request goes to another port than was meant, and often to another server.
    Do: Put the port behind the host: http://host:PORT/path.
    Do (ios-client): `enrollment url http://HOST:PORT/scep` under the trustpoint; IOS appends /pkiclient.exe itself.
    Not: A missing SCEP service, as long as nobody asked at the right port.
    """
    match = _PORT_IN_PATH.search(path_of(view.target)) if view.asked is not None else None
    if match is not None and view.answer is not None and not view.understood:
        yield Evidence(
            f"The path {shown(view.path)} holds the port {match[1]}, and the request went to port {view.http.server.port}; "
            f"it is answered with {view.status}.",
            (
                view.q("http.request.uri.path", shown(view.path)),
                view.q("tcp.dstport", view.http.server.port),
                status_fact(view),
            ),
        )


@rule.request(ERROR, "RFC 8894, Section 3.5.2", "RFC 8894, Section 2.9", strength=INFERRED)
def server_lacks_cipher(view: View, message: PkiMessage) -> Found:
    """The server cannot use the cipher of the request.

    Seen: The server says that it does not take the encryption algorithm, or badAlg, and no capability of it names that algorithm.
    Why: The client has a fixed cipher that this server or its configuration does not allow.
    Matters: The server cannot read the request at all.
    Do: Set the client to a cipher that the server offers in GetCACaps.
    Do (dogtag): `pki-server ca-config-set ca.scep.allowedEncryptionAlgorithms DES3,AES`, then restart; its default takes DES3 only.
    Do (sscep): `-E 3des` or `-E aes256`.
    Do (strongswan): `--cipher 3des` or `--cipher aes`.
    Not: A wrong key: the server did not get as far as that.
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
        f"The request is encrypted with {cipher}; the server refuses it{said}.",
        (
            view.q("contentEncryptionAlgorithm", cipher),
            status_fact(view) if reply is None else view.a("CertRep.signedAttrs.failInfo", str(reply.fail_info)),
        ),
    )


def _names_cipher(text: str, cipher: str) -> bool:
    """Whether the server's words may be about the cipher: they name it, or no algorithm of another kind."""
    lower = text.lower()
    if any(each in lower for each in (*cipher.split("-")[:1], "encrypt", "cipher", "aes", "des")):
        return True
    return not any(each in lower for each in ("hash", "digest", "sha", "md5", "signature", "oaep"))
