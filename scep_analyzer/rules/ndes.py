"""NDES's surroundings and policy: the administration page, the CA behind it, secrets, clocks."""

import hashlib
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from ipaddress import ip_address
from typing import Any
from urllib.parse import unquote

from scep_analyzer.model.exchanges import HttpExchange, header, secrets_in
from scep_analyzer.model.findings import Evidence, Fact, Severity
from scep_analyzer.model.scep import (
    AdminPage,
    Bystander,
    FailedConnection,
    MessageType,
    PkiMessage,
    PkiStatus,
    Transaction,
)
from scep_analyzer.rules._memory import Attempt
from scep_analyzer.rules._rule import ERROR, INFERRED, INFO, WARNING, Found, rule
from scep_analyzer.rules._views import SKEW, CaptureView, TransactionView, View, answer_frame
from scep_analyzer.rules._words import day, long, serial, shown
from scep_analyzer.rules.http_status import is_scep_path, status_fact

_RPC_PORTS = frozenset({135, 445, 593})
_RPC_DYNAMIC = range(49152, 65536)
_OLD_IIS = re.compile(r"microsoft-iis/(?:5|6|7|8)\.")
_WEAK_CIPHERS = ("des-cbc", "rc2", "rc4")
_HANDSHAKE = re.compile(r"(?:NTLM|Negotiate) \S{8,}", re.IGNORECASE)
"""A login that goes on: the server's part of it, not its end."""
_NEAR_NS = 120 * 1_000_000_000


def _pages(view: CaptureView, *says: str) -> Iterator[tuple[Bystander, AdminPage]]:
    """The administration pages in the capture that say one of these."""
    for each in view.scene.bystanders:
        if each.kind == "admin" and each.page is not None and (not says or each.page.says in says):
            yield each, each.page


def _page_fact(http: HttpExchange, value: str) -> Fact:
    return Fact(answer_frame(http), "mscep_admin", value)


@rule.capture(WARNING, "RFC 8894, Section 7.3")
def ndes_admin_cleartext(view: CaptureView) -> Found:
    """The challenge password is handed out in clear text.

    Seen: The administration page with a challenge password over HTTP.
    Why: A habit of administrators, or an MDM connector that is configured so.
    Do: Use HTTPS for /certsrv/mscep_admin; take the password for known to whoever captured it.
    Not: The SCEP messages themselves, which are encrypted.
    """
    for each, _ in _pages(view, "challenge"):
        if each.http.tls:
            continue
        yield Evidence(
            f"{each.http.server} hands out a challenge password to {each.http.client.address} over HTTP (frame {answer_frame(each.http)}).",
            (_page_fact(each.http, "a challenge password (redacted)"),),
        )


@rule.capture(ERROR, "RFC 7617, Section 4")
def ndes_admin_basic_cleartext(view: CaptureView) -> Found:
    """An administrator's password crosses the network in clear text.

    Seen: Authorization: Basic over HTTP to the administration page.
    Why: Basic authentication without TLS.
    Do: Use HTTPS; change that password.
    Not: The challenge password: this is an account's.
    """
    for each in view.scene.bystanders:
        request = each.http.request
        value = header(request.headers, "authorization") if request is not None else None
        if each.kind == "admin" and not each.http.tls and value is not None and value.lower().startswith("basic "):
            yield Evidence(
                f"{each.http.client.address} logs in to {each.http.server} with Basic over HTTP (frame {each.http.frame}).",
                (Fact(each.http.frame, "http.authorization", "Basic (redacted)"),),
            )


@rule.capture(WARNING, "learn.microsoft.com, KB5005413")
def ndes_admin_ntlm_http(view: CaptureView) -> Found:
    """NTLM is used over HTTP for the administration page.

    Seen: NTLM or Negotiate without TLS to /certsrv/mscep_admin.
    Why: The default of Windows.
    Do: Use HTTPS with Extended Protection: NTLM over HTTP can be relayed to have certificates issued.
    Not: A failed login.
    """
    seen: set[object] = set()
    for each in view.scene.bystanders:
        request, response = each.http.request, each.http.response
        sent = (header(request.headers, "authorization") or "") if request is not None else ""
        asked = (header(response.headers, "www-authenticate") or "") if response is not None else ""
        scheme = next(
            (name for name in ("NTLM", "Negotiate") if sent.startswith(name) or (not sent and asked.startswith(name))),
            None,
        )
        if each.kind == "admin" and not each.http.tls and scheme is not None and each.http.server not in seen:
            seen.add(each.http.server)
            yield Evidence(
                f"{each.http.server} authenticates users of the administration page with {scheme} over HTTP.",
                (
                    Fact(each.http.frame, "http.authorization", scheme)
                    if sent or response is None
                    else Fact(response.frames[0] if response.frames else None, "http.www_authenticate", scheme),
                ),
            )


@rule.capture(ERROR, "fleetdm/fleet#22123", "learn.microsoft.com, NDES, PasswordMax")
def ndes_admin_cache_full(view: CaptureView) -> Found:
    """NDES gives no more challenge passwords.

    Seen: The page says that the password cache is full.
    Why: Five unused passwords are the default's limit (PasswordMax); each lives an hour.
    Do: Use one of them, wait an hour, restart IIS, or raise PasswordMax.
    Not: A missing right.
    """
    for each, _ in _pages(view, "cache-full"):
        yield Evidence(
            f"The administration page of {each.http.server} says that the password cache is full.",
            (_page_fact(each.http, "The password cache is full."),),
            **_victims_place(view, each),
        )


@rule.capture(ERROR, "Gradenegger, NDES events, event 6")
def ndes_admin_no_permission(view: CaptureView) -> Found:
    """The user may not have a challenge password.

    Seen: The page says that the permission is not sufficient.
    Why: The account has no Enroll right on the templates, or a template is not published on the CA (event 6).
    Do: Give Enroll on the templates to this one account or a group made for it, never to Domain Users: who may enroll there may ask for any name.
    Do: Publish the templates that NDES's registry names on the CA.
    Not: A full cache.
    """
    for each, _ in _pages(view, "no-permission"):
        yield Evidence(
            f"The administration page of {each.http.server} says that the user has not sufficient permission.",
            (_page_fact(each.http, "no sufficient permission"),),
            **_victims_place(view, each),
        )


@rule.capture(ERROR, "RFC 9110, Section 15.5.2", strength=INFERRED)
def ndes_admin_login_fails(view: CaptureView) -> Found:
    """The login to the administration page fails.

    Seen: The page that hands out challenge passwords answers 401 to a login, and never 200.
    Why: The account's password is wrong or expired, the account is locked, or Windows authentication cannot work from there.
    Why: Basic authentication is off and the MDM offers nothing else.
    Matters: Whoever asks gets no challenge password, and enrolls with none or an old one.
    Do: Log in to /certsrv/mscep_admin with that account in a browser; check its password, its lock and its Enroll right.
    Do (ndes): Security log of the server, event 4625, tells why; in IIS Manager the page needs Windows (or Basic) authentication.
    Not: A fault of the SCEP request that follows: it lacks what this login should have given.
    """
    tries: dict[tuple[str, object], list[Bystander]] = {}
    for each in view.scene.bystanders:
        if each.kind == "admin" and each.http.response is not None:
            tries.setdefault((each.http.client.address, each.http.server), []).append(each)
    for (client, server), found in tries.items():
        refused = [each for each in found if _login_refused(each)]
        if not refused or any(each.http.response is not None and each.http.response.status == 200 for each in found):
            continue
        last = refused[-1]
        victim = _victim_of(view, client, last.http.time_ns or 0)
        yield Evidence(
            f"{client} tried to log in to the administration page of {server} {len(refused)} time(s), and got 401 each time.",
            tuple(Fact(answer_frame(each.http), "http.response.code", "401 to a login") for each in refused[:4]),
            transaction=victim.transaction if victim is not None else None,
            exchange=victim.number if victim is not None else None,
        )


def _victims_place(view: CaptureView, each: Bystander) -> dict[str, Any]:
    """The transaction and exchange of the request that went without a password for this answer of the page."""
    victim = _victim_of(view, each.http.client.address, each.http.time_ns or 0)
    return {"transaction": victim.transaction, "exchange": victim.number} if victim is not None else {}


def _login_refused(each: Bystander) -> bool:
    """Whether a login was sent and answered with 401; NTLM and Negotiate ask once more in between, which is none."""
    request, response = each.http.request, each.http.response
    if request is None or response is None or response.status != 401:
        return False
    sent = header(request.headers, "authorization")
    challenge = header(response.headers, "www-authenticate") or ""
    return sent is not None and _HANDSHAKE.match(challenge) is None


def _victim_of(view: CaptureView, client: str, since_ns: int) -> Attempt | None:
    """The first request of this client after that time that was refused, within ten minutes."""
    return next(
        (
            each
            for each in view.memory.attempts
            if each.client == client
            and 0 <= each.time_ns - since_ns <= 5 * _NEAR_NS
            and each.status == PkiStatus.FAILURE
        ),
        None,
    )


@rule.capture(WARNING, "certnanny/sscep#46")
def ndes_admin_static_password(view: CaptureView) -> Found:
    """NDES uses one static challenge password.

    Seen: The page says that the password can be used many times and does not expire.
    Why: UseSinglePassword is set.
    Do: Use one-time passwords, or a policy module: who knows the static one can have any certificate.
    Not: A page for one device.
    """
    for each, page in _pages(view, "challenge"):
        if page.reusable:
            yield Evidence(
                f"The challenge password of {each.http.server} can be used many times and does not expire.",
                (_page_fact(each.http, "multiple times, will not expire"),),
            )


@rule.exchange(ERROR, "seize-the-dave/jscep#49", "seize-the-dave/jscep#102")
def ndes_admin_used_as_scep_url(view: View) -> Found:
    """The administration page is used as the SCEP URL.

    Seen: A SCEP operation sent to /certsrv/mscep_admin.
    Why: The wrong URL in the client's profile.
    Do: Use /certsrv/mscep/mscep.dll.
    Not: A wrong challenge password.
    """
    if view.operation is not None and not is_scep_path(view) and "mscep_admin" in view.path.lower():
        yield Evidence(
            f"{view.operation} is sent to {shown(view.path)}; SCEP is at /certsrv/mscep/mscep.dll.",
            (
                view.q("http.request.uri", shown(view.plain_target, 80)),
                *((status_fact(view),) if view.answer is not None else ()),
            ),
        )


@rule.capture(INFO, "learn.microsoft.com, NDES, PasswordValidity")
def ndes_admin_challenge_unused(view: CaptureView) -> Found:
    """A challenge password was fetched and not used.

    Seen: The administration page gave one, and no request of an enrollment follows within its life.
    Why: The enrollment was given up.
    Do: Nothing; but it stays in the cache until it expires.
    Not: A fault.
    """
    end = view.scene.last_ns
    for each, page in _pages(view, "challenge"):
        since = each.http.time_ns
        life = (page.minutes or 60) * 60 * 1_000_000_000
        if since is None or end is None or page.reusable or end - since < life:
            continue
        if not any(since <= one.time_ns <= since + life for one in view.memory.attempts):
            yield Evidence(
                f"The challenge password given in frame {answer_frame(each.http)} was not used within its {page.minutes or 60} minutes.",
                (_page_fact(each.http, "a challenge password (redacted)"),),
            )


@rule.capture(ERROR, "RFC 8894, Section 2.2")
def ndes_admin_thumbprint_differs(view: CaptureView) -> Found:
    """The administration page shows the thumbprint of another CA.

    Seen: The thumbprint on the page is that of none of the certificates that GetCACert gives.
    Why: The page is that of another server or CA.
    Do: Compare the names; use both from one server.
    Not: A wrong challenge password.
    """
    known: dict[str, str] = {}
    for _, offers in view.memory.all_offers():
        for certificate in (one for offer in offers for one in offer.content.certificates):
            for name in ("md5", "sha1", "sha256"):
                known[hashlib.new(name, certificate.encoded, usedforsecurity=False).hexdigest()] = certificate.subject
    for each, page in _pages(view):
        if page.thumbprint and known and page.thumbprint not in known:
            yield Evidence(
                f"The thumbprint {page.thumbprint} on the administration page of {each.http.server} is that of none of the certificates that GetCACert gives.",
                (_page_fact(each.http, page.thumbprint),),
            )


@rule.exchange(ERROR, "RFC 9110, Section 17.9", "RFC 3986, Section 3.2.1")
def secret_in_url(view: View) -> Found:
    """A secret stands in the URL.

    Seen: A parameter such as challenge, password or token, a user and password before the host, or a known challenge password in the URL.
    Why: The service is made so.
    Do: Change it: URLs are logged everywhere on their way.
    Not: The message parameter, which is encrypted.
    """
    known = [each.page.challenge for each in view.scene.bystanders if each.page is not None and each.page.challenge]
    names = secrets_in(view.target)
    if names:
        what = f"a secret in {shown(names[0], 30)}"
    elif known and view.operation is not None and any(each in unquote(view.target) for each in known):
        what = "the challenge password of the administration page"
    else:
        return
    yield Evidence(f"The URL holds {what}.", (view.q("http.request.uri", f"{what} (redacted)"),))


@rule.request(WARNING, "RFC 8894, Section 7.3")
def challenge_recoverable(view: View, message: PkiMessage) -> Found:
    """Whoever captured this can find out the challenge password.

    Seen: The envelope is encrypted with single DES, RC2 or RC4, or for an RSA key of 1024 bits or less.
    Why: Old settings of client or server.
    Do: Change the password; use AES or 3DES and RSA with 2048 bits.
    Not: A refusal.
    """
    envelope = message.envelope
    if envelope is None:
        return
    cipher = envelope.content_encryption_algorithm or ""
    if cipher.startswith(_WEAK_CIPHERS) or cipher in ("1.2.840.113549.3.2", "1.2.840.113549.3.4"):
        yield Evidence(
            f"The request with its challenge password is encrypted with {cipher}, which can be broken.",
            (view.q("contentEncryptionAlgorithm", cipher),),
        )
        return
    for each in envelope.recipients:
        match = view.offered.get(each.identity) if each.identity is not None else None
        key = match[0].public_key if match is not None else None
        if match is not None and key is not None and key.algorithm.startswith("rsa") and (key.bits or 4096) <= 1024:
            yield Evidence(
                f"The request with its challenge password is encrypted for an RSA key of {key.bits} bits, that of {serial(match[0].identity)}.",
                (
                    view.q("EnvelopedData.recipientInfos", serial(match[0].identity)),
                    Fact(match[1], "subjectPublicKey", f"RSA {key.bits}"),
                ),
            )


@rule.exchange(WARNING, "RFC 8894, Section 3.2.1.4", "RFC 9110, Section 6.6.1")
def clock_skew(view: View) -> Found:
    """The clocks disagree.

    Seen: The time of the packet, the server's Date and the client's signingTime are more than five minutes apart.
    Why: A clock that NTP does not set.
    Do: Set the clock that stands alone.
    Not: The fault of the one that agrees with another.
    """
    now = view.answered or view.moment
    if now is None or view.operation != "PKIOperation":
        return
    times: dict[str, tuple[datetime, Fact]] = {"the capture": (now, Fact(view.ans or view.ask, "frame.time", day(now)))}
    server = view.dated
    if server is not None:
        times["the server"] = (server, view.a("http.date", day(server)))
    signing = view.request.signing_time if view.request is not None else None
    if signing is not None:
        times["the client"] = (signing, view.q("signedAttrs.signingTime", day(signing)))
    signer = view.request.signer if view.request is not None else None
    if (
        signing is None
        and signer is not None
        and signer.self_issued
        and signer.not_before is not None
        and signer.not_before > now + SKEW
    ):
        times["the client"] = (signer.not_before, view.q("signer.notBefore", day(signer.not_before)))
    apart = {
        name: min((abs(value - other) for key, (other, _) in times.items() if key != name), default=timedelta(0))
        for name, (value, _) in times.items()
    }
    off = [name for name, distance in apart.items() if distance > SKEW]
    if len(times) < 2 or not off:
        return
    who = off[0] if len(off) == 1 else " and ".join(off)
    widest = max(abs(one - other) for one, _ in times.values() for other, _ in times.values())
    verb = "stands alone" if len(off) == 1 and len(times) > 2 else "disagree"
    yield Evidence(
        f"The clocks are up to {long(widest)} apart: {'; '.join(f'{name} {day(value)}' for name, (value, _) in times.items())}; {who} {verb}.",
        tuple(each for _, each in times.values()),
        severity=Severity.INFO if off == ["the capture"] else None,
    )


def _troubled(view: CaptureView, since_ns: int) -> int | None:
    """The frame of an answer of a SCEP server that failed near this time."""
    for server in view.memory.servers:
        for each in view.memory.answers(server):
            if each.status >= 500 and abs(each.time_ns - since_ns) < _NEAR_NS:
                return each.frame
    for attempt in view.memory.attempts:
        if attempt.status == PkiStatus.FAILURE and abs(attempt.time_ns - since_ns) < _NEAR_NS:
            return attempt.reply_frame
    return None


@rule.failure(ERROR, "Gradenegger, event 31", strength=INFERRED)
def ndes_to_ca_rpc_fails(failed: FailedConnection, _transaction: Transaction | None, view: CaptureView) -> Found:
    """The SCEP server cannot reach its CA.

    Seen: The SCEP server's own connection to port 135 (RPC) or to a dynamic port fails, and its answer to the client is a failure.
    Why: A firewall between NDES and the CA, or the CA is down (0x800706BA).
    Do: Open TCP 135 and the dynamic RPC ports from NDES to the CA; start the CA service.
    Not: A fault of the client.
    """
    addresses = {each.address for each in view.memory.servers}
    if (
        failed.client.address in addresses
        and (failed.server.port in _RPC_PORTS or failed.server.port in _RPC_DYNAMIC)
        and failed.server.port != 593
        and failed.server not in view.memory.servers
    ):
        frame = _troubled(view, failed.time_ns or 0)
        if frame is not None:
            yield Evidence(
                f"{failed.client.address}, the SCEP server, cannot reach {failed.server} ({failed.how}), and fails its client in frame {frame}.",
                (*(Fact(each, "tcp.flags", "SYN") for each in failed.frames[:3]), Fact(frame, "answer", "a failure")),
                transaction=next(
                    (each.transaction for each in view.memory.attempts if each.reply_frame == frame), None
                ),
            )


@rule.capture(ERROR, "learn.microsoft.com, Troubleshooting NDES", "obvus.be, In the land of NDES", strength=INFERRED)
def ndes_crl_fetch_fails(view: CaptureView) -> Found:
    """The SCEP server cannot fetch a CRL.

    Seen: The SCEP server asks for a CRL and gets an error or nothing, near a failure that it gives its client.
    Why: The distribution point is down or was not published.
    Do: Publish the CRL and make its distribution point reachable from the SCEP server.
    Not: A fault of the client.
    """
    addresses = {each.address for each in view.memory.servers}
    for each in view.scene.bystanders:
        response = each.http.response
        if (
            each.kind != "crl"
            or each.http.client.address not in addresses
            or (response is not None and response.status < 400)
        ):
            continue
        frame = _troubled(view, each.http.time_ns or 0)
        if frame is not None:
            how = f"HTTP {response.status}" if response is not None else "no answer"
            target = each.http.request.target if each.http.request is not None else ""
            yield Evidence(
                f"{each.http.client.address}, the SCEP server, asks {each.http.server} for {shown(target)} and gets {how}; it fails its client in frame {frame}.",
                (
                    Fact(each.http.frame, "http.request.uri", shown(target)),
                    Fact(answer_frame(each.http), "http.response.code", how),
                    Fact(frame, "answer", "a failure"),
                ),
                transaction=next((one.transaction for one in view.memory.attempts if one.reply_frame == frame), None),
            )


@rule.capture(ERROR, "learn.microsoft.com, Troubleshooting the NDES policy module for Intune", needs="tls")
def ndes_policy_module_refused(view: CaptureView) -> Found:
    """The policy module's question is refused.

    Seen: VerifyRequest of NDES's policy module is answered with something else than 201.
    Why: The module's client certificate is expired or lacks the purpose clientAuth; intermediates lie in the Root store (403.16).
    Do: Renew that certificate and reinstall the connector; clean the Root store.
    Not: A wrong challenge password, unless the answer says so.
    """
    for each in view.scene.bystanders:
        response = each.http.response
        if each.kind == "policy-module" and response is not None and response.status != 201:
            frame = _troubled(view, each.http.time_ns or 0)
            yield Evidence(
                f"{each.http.server} answers the policy module of {each.http.client.address} with {response.status} {response.reason}.",
                (Fact(answer_frame(each.http), "http.response.code", f"{response.status} {response.reason}"),),
                transaction=next(
                    (one.transaction for one in view.memory.attempts if frame is not None and one.reply_frame == frame),
                    None,
                ),
            )


@rule.exchange(INFO, "Gradenegger, CertEnroll event 86")
def windows_aik_background(view: View) -> Found:
    """Windows enrolls a key of its TPM with Microsoft.

    Seen: SCEP to microsoftaik.azure.net.
    Why: Windows attests its TPM in the background.
    Do: Leave it out: it is not your enrollment.
    Not: A fault of NDES.
    """
    if (
        "microsoftaik.azure.net" in (view.request_header("host") or "").lower()
        or "/templates/aik/scep" in view.path.lower()
    ):
        yield Evidence(
            f"{view.operation or 'A request'} goes to {shown(view.request_header('host') or view.path)}, Microsoft's service for TPM keys.",
            (view.q("http.host", view.request_header("host") or ""),),
        )


@rule.transaction(INFO, "securesenses.net, 2013")
def ndes_old_server(view: TransactionView) -> Found:
    """The server runs an old Windows.

    Seen: Server: Microsoft-IIS/8 or older (Windows Server 2012 R2 and before).
    Why: Its age.
    Do: Expect no GetCACaps or SHA-1 only; plan an upgrade.
    Not: A fault in itself.
    """
    for each in view.views:
        if _OLD_IIS.search(each.server_name):
            yield Evidence(
                f"{each.http.server} is {shown(each.response_header('server') or '')}.",
                (each.a("http.server", each.response_header("server") or ""),),
                exchange=each.number,
            )
            return


@rule.transaction(WARNING, "learn.microsoft.com, Integrate with Entra application proxy on NDES")
def scep_from_internet(view: TransactionView) -> Found:
    """SCEP is open to the Internet.

    Seen: A public client address talks straight to the SCEP server, which has a private one.
    Why: The server was published without a proxy.
    Do: Put an application proxy in front, and use a policy module.
    Not: A fault inside one's own public address space.
    """
    client, server = view.transaction.client, view.transaction.server.address
    if _is_private(server) and _is_global(client) and any(each.operation is not None for each in view.views):
        first = next(each for each in view.views if each.operation is not None)
        yield Evidence(
            f"{client} on the Internet reaches {view.transaction.server} directly.",
            (first.q("ip.src", client), first.q("ip.dst", server)),
        )


@lru_cache(maxsize=256)
def _is_global(address: str) -> bool:
    return ip_address(address).is_global


@lru_cache(maxsize=256)
def _is_private(address: str) -> bool:
    """Also of others than the loopback."""
    found = ip_address(address)
    return found.is_private and not found.is_loopback


@rule.transaction(INFO, "CERT VU#971035", "RFC 8894, Section 7.3")
def weak_authentication_note(view: TransactionView) -> Found:
    """What a successful enrollment does not prove.

    Seen: A PKCSReq that was granted.
    Why: A challenge password says that its holder may enroll, not as whom: he can ask for any subject.
    Do: Let a policy module or the CA check the names.
    Not: A fault of this enrollment.
    """
    decisive = view.decisive
    if (
        decisive is None
        or decisive.reply is None
        or decisive.reply.pki_status != PkiStatus.SUCCESS
        or decisive.request is None
    ):
        return
    if (
        decisive.request.message_type == MessageType.PKCSReq
        and decisive.request.signer is not None
        and decisive.request.signer.self_issued
    ):
        yield Evidence(
            "The request was granted; nothing in SCEP itself ties the subject to the holder of the challenge password.",
            (decisive.a("CertRep.signedAttrs.pkiStatus", "0"),),
            exchange=decisive.number,
        )


@rule.transaction(INFO, "RFC 8894, Section 7.7", "RFC 8894, Section 7.10")
def scep_over_cleartext(view: TransactionView) -> Found:
    """SCEP runs over plain HTTP, as it may.

    Seen: SCEP without TLS.
    Why: Normal: messages are signed and encrypted themselves.
    Do: Nothing. The request with its challenge password and the issued certificate are protected; names, serial numbers, status and the CA's certificates are not.
    Not: A fault.
    """
    first = next((each for each in view.views if each.operation is not None and each.asked is not None), None)
    if first is not None and not first.http.tls:
        yield Evidence(f"{view.transaction.server} is used over HTTP.", (first.q("http", "without TLS"),))
