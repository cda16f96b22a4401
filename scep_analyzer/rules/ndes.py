"""NDES's surroundings and policy: the administration page, the CA behind it, secrets, clocks."""

import hashlib
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any
from urllib.parse import unquote

from scep_analyzer.model.exchanges import HttpExchange, header, secrets_in
from scep_analyzer.model.findings import Evidence, Fact, Severity
from scep_analyzer.model.patterns import lazily
from scep_analyzer.model.places import called
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
from scep_analyzer.rules._words import certificate_words, count, day, long, serial, shown
from scep_analyzer.rules.http_status import is_scep_path, status_fact

_RPC_PORTS = frozenset({135, 445, 593})
_RPC_DYNAMIC = range(49152, 65536)
_OLD_IIS = lazily(r"microsoft-iis/(?:5|6|7|8)\.")
_WEAK_CIPHERS = ("des-cbc", "rc2", "rc4")
_HANDSHAKE = lazily(r"(?:NTLM|Negotiate) \S{8,}", re.IGNORECASE)
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
    """A challenge password is sent in clear text over HTTP.

    Seen: The NDES administration page returns a challenge password over HTTP.
    Why: An administrator or an MDM connector uses http:// for the page.
    Matters: Anyone who captures this traffic can enroll with the password until it is used or expires.
    Do: On the NDES server, require SSL for /certsrv/mscep_admin in IIS Manager > SSL Settings, and use https:// in the MDM. Consider this password
        compromised.
    Not: It is not about the SCEP messages themselves: they are encrypted.
    """
    for each, _ in _pages(view, "challenge"):
        if each.http.tls:
            continue
        yield Evidence(
            f"{each.http.server} sends a challenge password to {each.http.client.address} over HTTP ({called(answer_frame(each.http))}).",
            (_page_fact(each.http, "a challenge password (redacted)"),),
        )


@rule.capture(ERROR, "RFC 7617, Section 4")
def ndes_admin_basic_cleartext(view: CaptureView) -> Found:
    """An administrator's password is sent in clear text over HTTP.

    Seen: A request to the NDES administration page contains `Authorization: Basic` and is not encrypted.
    Why: The page uses Basic authentication without TLS.
    Matters: Anyone who captures this traffic can log in with that account.
    Do: Change the password of that account. On the NDES server, require SSL for /certsrv/mscep_admin in IIS Manager > SSL Settings.
    Not: It is not the challenge password: it is the password of an account.
    """
    for each in view.scene.bystanders:
        request = each.http.request
        value = header(request.headers, "authorization") if request is not None else None
        if each.kind == "admin" and not each.http.tls and value is not None and value.lower().startswith("basic "):
            yield Evidence(
                f"{each.http.client.address} logs in to {each.http.server} with Basic authentication over HTTP ({called(each.http.frame)}).",
                (Fact(each.http.frame, "http.authorization", "Basic (redacted)"),),
            )


@rule.capture(WARNING, "support.microsoft.com, KB5005413")
def ndes_admin_ntlm_http(view: CaptureView) -> Found:
    """NTLM is used over HTTP for the administration page.

    Seen: A login to /certsrv/mscep_admin uses NTLM or Negotiate without TLS.
    Why: It is the default of Windows.
    Matters: An attacker in the path can relay such a login and have certificates issued.
    Do: On the NDES server, require SSL for /certsrv/mscep_admin and set Extended Protection to Required in IIS Manager > Authentication > Windows
        Authentication.
    Not: It is not a failed login.
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
    """NDES has no more challenge passwords: its password cache is full.

    Seen: The administration page says that the password cache is full.
    Why: NDES keeps a limited number of unused passwords (PasswordMax, 5 by default), each for 60 minutes by default (PasswordValidity).
    Matters: NDES issues no further challenge password until one is used or expires.
    Do: Use a password issued earlier, or wait 60 minutes; or run `iisreset` on the NDES server, which deletes all unused passwords.
    Do: For more passwords at a time, raise PasswordMax in HKLM\\SOFTWARE\\Microsoft\\Cryptography\\MSCEP on the NDES server, then run `iisreset`.
    Not: It is not a missing permission.
    """
    for each, _ in _pages(view, "cache-full"):
        yield Evidence(
            f"The administration page of {each.http.server} says that the password cache is full.",
            (_page_fact(each.http, "The password cache is full."),),
            **_victims_place(view, each),
        )


@rule.capture(ERROR, "Gradenegger, NDES events, event 6")
def ndes_admin_no_permission(view: CaptureView) -> Found:
    """The account is not allowed to request challenge passwords.

    Seen: The administration page says that the permission is not sufficient.
    Why: The account lacks the right Enroll on the templates that NDES uses.
    Why: A template that NDES uses is not published on the CA (event 6).
    Do: On the CA, give Enroll on the NDES templates to one dedicated account or group, never to Domain Users: whoever may enroll can get a
        certificate for any name.
    Do: On the CA, publish the templates named in HKLM\\SOFTWARE\\Microsoft\\Cryptography\\MSCEP on the NDES server: certsrv.msc > Certificate
        Templates > New.
    Not: It is not a full password cache.
    """
    for each, _ in _pages(view, "no-permission"):
        yield Evidence(
            f"The administration page of {each.http.server} says that the account does not have sufficient permission.",
            (_page_fact(each.http, "no sufficient permission"),),
            **_victims_place(view, each),
        )


@rule.capture(ERROR, "RFC 9110, Section 15.5.2", strength=INFERRED)
def ndes_admin_login_fails(view: CaptureView) -> Found:
    """The login to the administration page fails.

    Seen: The page that issues challenge passwords responds to logins with 401 and never with 200.
    Why: The password of the account is wrong or expired, or the account is locked.
    Why: Windows authentication does not work from this client, for example without access to a domain controller.
    Why: Basic authentication is switched off, and the MDM supports nothing else.
    Matters: Without a login the client gets no challenge password: it enrolls without one or with an old one, and is refused.
    Do: In the MDM or connector, correct the account and password for /certsrv/mscep_admin, and test them in a browser. Check that the account is not
        locked.
    Do (ndes): On the NDES server, read event 4625 in the Security log: it says why the login failed. In IIS Manager > mscep_admin > Authentication,
        enable Windows Authentication.
    Not: It is not a fault of the SCEP request that follows: that request lacks the password of this page.
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
        status = last.http.response.status if last.http.response is not None else 401
        yield Evidence(
            f"{client} tries to log in to the administration page of {server} {count(len(refused), 'time')} and gets HTTP {status} each time.",
            tuple(Fact(answer_frame(each.http), "http.response.code", f"{status} to a login") for each in refused[:4]),
            **_victims_place(view, last),
        )


def _victims_place(view: CaptureView, each: Bystander) -> dict[str, Any]:
    """The transaction and exchange of the request that went without a password because of this response of the page."""
    victim = _victim_of(view, each.http.client.address, each.http.time_ns or 0)
    if victim is None:
        # Who asks for the password is often another host: an administrator's, an MDM's.
        victim = _victim_of_another(view, each)
    return {"transaction": victim.transaction, "exchange": victim.number} if victim is not None else {}


def _victim_of_another(view: CaptureView, page: Bystander) -> Attempt | None:
    """The first enrollment that this server refused in the ten minutes after it had no password to give, unless it gave one in between."""
    since = page.http.time_ns or 0
    address = page.http.server.address
    victim = next(
        (
            each
            for each in view.memory.attempts
            if each.server.address == address
            and each.message_type == MessageType.PKCSReq
            and 0 <= each.time_ns - since <= 5 * _NEAR_NS
            and each.status == PkiStatus.FAILURE
        ),
        None,
    )
    if victim is None:
        return None
    given = any(
        each.http.server.address == address and since < (each.http.time_ns or 0) < victim.time_ns
        for each, _ in _pages(view, "challenge")
    )
    return None if given else victim


def _login_refused(each: Bystander) -> bool:
    """Whether a login was sent and answered with 401; NTLM and Negotiate send one more 401 in between, which is no refusal.

    403 after a login means that this user may not open the page.
    """
    request, response = each.http.request, each.http.response
    if request is None or response is None or response.status not in (401, 403):
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

    Seen: The administration page says that the password can be used many times and does not expire.
    Why: UseSinglePassword is set in the registry.
    Matters: Anyone who knows this password can get any number of certificates, for any name, at any time.
    Do: On the NDES server, set UseSinglePassword to 0 below HKLM\\SOFTWARE\\Microsoft\\Cryptography\\MSCEP and run `iisreset`, if the clients can use
        one-time passwords.
    Do: Where clients need a static password, install a policy module that checks each request.
    Not: It is not a password for a single device.
    """
    for each, page in _pages(view, "challenge"):
        if page.reusable:
            yield Evidence(
                f"The challenge password that {each.http.server} issues can be used many times and does not expire.",
                (_page_fact(each.http, "multiple times, will not expire"),),
            )


@rule.exchange(ERROR, "seize-the-dave/jscep#49", "seize-the-dave/jscep#102")
def ndes_admin_used_as_scep_url(view: View) -> Found:
    """The administration page is used as the SCEP URL.

    Seen: A SCEP operation is sent to /certsrv/mscep_admin.
    Why: The client's profile or configuration contains the URL of the administration page.
    Else: On the client, change the enrollment URL to http://SERVER/certsrv/mscep/mscep.dll.
    Do (ios-client): On the device, set `enrollment url http://SERVER/certsrv/mscep/mscep.dll` under the trustpoint.
    Not: It is not a wrong challenge password.
    """
    if view.operation is not None and not is_scep_path(view) and "mscep_admin" in view.path.lower():
        yield Evidence(
            f"The client sends {view.operation} to {shown(view.path)}; NDES expects it at /certsrv/mscep/mscep.dll.",
            (
                view.q("http.request.uri", shown(view.plain_target, 80)),
                *((status_fact(view),) if view.answer is not None else ()),
            ),
        )


@rule.capture(INFO, "learn.microsoft.com, NDES, PasswordValidity")
def ndes_admin_challenge_unused(view: CaptureView) -> Found:
    """A challenge password was not used.

    Seen: The administration page issued a challenge password, and no enrollment request follows before it expires.
    Why: The enrollment was given up, or it took place outside this capture.
    Matters: The password occupies a place in the cache until it expires.
    Do: Nothing: the password expires by itself.
    Not: It is not a fault.
    """
    end = view.scene.last_ns
    for each, page in _pages(view, "challenge"):
        since = each.http.time_ns
        life = (page.minutes or 60) * 60 * 1_000_000_000
        if since is None or end is None or page.reusable or end - since < life:
            continue
        if not any(since <= one.time_ns <= since + life for one in view.memory.attempts):
            yield Evidence(
                f"No request follows within the {page.minutes or 60} minutes for which the challenge password of {called(answer_frame(each.http))} is valid.",
                (_page_fact(each.http, "a challenge password (redacted)"),),
            )


@rule.capture(ERROR, "RFC 8894, Section 2.2")
def ndes_admin_thumbprint_differs(view: CaptureView) -> Found:
    """The administration page shows the thumbprint of another CA.

    Seen: The thumbprint on the page matches none of the certificates that GetCACert returned.
    Why: The page and the SCEP URL belong to different servers or CAs.
    Why: The CA certificate was renewed, and the page still shows the old one.
    Matters: A challenge password of one server is not valid on another.
    Do: Use the administration page and the SCEP URL of the same server. If it is the same server, run `iisreset` there and compare again.
    Not: It is not a wrong challenge password.
    """
    known: dict[str, str] = {}
    for _, offers in view.memory.all_offers():
        for certificate in (one for offer in offers for one in offer.content.certificates):
            for name in ("md5", "sha1", "sha256"):
                known[hashlib.new(name, certificate.encoded, usedforsecurity=False).hexdigest()] = certificate.subject
    for each, page in _pages(view):
        if page.thumbprint and known and page.thumbprint not in known:
            yield Evidence(
                f"The administration page of {each.http.server} shows the thumbprint {page.thumbprint}, which matches no certificate that GetCACert returned.",
                (_page_fact(each.http, page.thumbprint),),
            )


@rule.exchange(ERROR, "RFC 9110, Section 17.9", "RFC 3986, Section 3.2.1")
def secret_in_url(view: View) -> Found:
    """A secret is in the URL.

    Seen: The URL contains a parameter such as challenge, password or token, a user name and password before the host, or a challenge password from
        this capture.
    Why: The service or the profile is made this way.
    Matters: Servers, proxies and clients write URLs to their logs, so the secret spreads.
    Do: Send the secret inside the encrypted request instead, as a challengePassword. Replace this secret if it can be used again.
    Not: It is not about the message parameter: its content is encrypted.
    """
    known = [each.page.challenge for each in view.scene.bystanders if each.page is not None and each.page.challenge]
    names = secrets_in(view.target)
    if names:
        what = f"a secret in {shown(names[0], 30)}"
    elif known and view.operation is not None and any(each in unquote(view.target) for each in known):
        what = "the challenge password of the administration page"
    else:
        return
    yield Evidence(f"The URL contains {what}.", (view.q("http.request.uri", f"{what} (redacted)"),))


@rule.request(WARNING, "RFC 8894, Section 7.3")
def challenge_recoverable(view: View, message: PkiMessage) -> Found:
    """The challenge password is only weakly protected.

    Seen: The envelope of the request is encrypted with DES, RC2 or RC4, or for an RSA key of 1024 bits or less.
    Why: The client or the server uses outdated algorithms or keys.
    Matters: DES and 40-bit RC2 can be broken with little effort, and whoever captured this can then read the challenge password. RC4, 128-bit RC2 and
        RSA 1024 need great effort.
    Do: On the client, use AES or at least 3DES; on the server, use an RSA key of 2048 bits or more for encryption. Replace the challenge password if
        it can be used again.
    Do (sscep): On the client, call sscep with `-E aes256`.
    Do (strongswan): On the client, call pki with `--cipher aes`.
    Not: It is not a reason for a refusal.
    """
    envelope = message.envelope
    if envelope is None:
        return
    cipher = envelope.content_encryption_algorithm or ""
    if cipher.startswith(_WEAK_CIPHERS) or cipher in ("1.2.840.113549.3.2", "1.2.840.113549.3.4"):
        yield Evidence(
            f"The request, which may contain a challenge password, is encrypted with {cipher}: "
            + (
                "it can be broken." if cipher == "des-cbc" else "it is outdated, and with a short key it can be broken."
            ),
            (view.q("contentEncryptionAlgorithm", cipher),),
            title=f"The challenge password is only weakly protected ({cipher})",
        )
        return
    for each in envelope.recipients:
        match = view.offered.get(each.identity) if each.identity is not None else None
        key = match[0].public_key if match is not None else None
        if match is not None and key is not None and key.algorithm.startswith("rsa") and (key.bits or 4096) <= 1024:
            yield Evidence(
                f"The request, which may contain a challenge password, is encrypted for an RSA key of {key.bits} bits: {certificate_words(match[0])}.",
                (
                    view.q("EnvelopedData.recipientInfos", serial(match[0].identity)),
                    Fact(match[1], "subjectPublicKey", f"RSA {key.bits}"),
                ),
                title=f"The challenge password is only weakly protected (RSA {key.bits})",
            )


@rule.exchange(WARNING, "RFC 8894, Section 3.2.1.4", "RFC 9110, Section 6.6.1", where=("PKIOperation",))
def clock_skew(view: View) -> Found:
    """The clocks differ.

    Seen: The time of the packet, the server's Date and the client's signingTime are more than 5 min apart.
    Why: At least one clock is not set by NTP.
    Matters: A certificate may seem expired or not yet valid, and some servers refuse requests whose time is too far off.
    Do: Set the wrong clock, and switch on NTP on that machine.
    Do (ios-client): On the device, set `ntp server ADDRESS` and check with `show clock`; IOS uses certificates only after its clock is set.
    Do (apple): On the device, switch on Settings > General > Date & Time > Set Automatically.
    Do (windows-mdm): On the device, run `w32tm /resync` as an administrator.
    Not: It is not a fault of a clock that agrees with another one.
    """
    now = view.answered or view.moment
    if now is None or view.operation != "PKIOperation":
        return
    times: _Times = {"the capture": (now, Fact(view.ans or view.ask, "frame.time", day(now)))}
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
        and signer.not_before - now > SKEW
    ):
        times["the client"] = (signer.not_before, view.q("signer.notBefore", day(signer.not_before)))
    apart = {
        name: min((abs(value - other) for key, (other, _) in times.items() if key != name), default=timedelta(0))
        for name, (value, _) in times.items()
    }
    off = [name for name, distance in apart.items() if distance > SKEW]
    if len(times) < 2 or not off:
        return
    alone = off[0] if len(off) == 1 and len(times) > 2 else None
    yield Evidence(
        _alone(times, alone) if alone is not None else _apart(times),
        tuple(each for _, each in times.values()),
        severity=Severity.INFO if off == ["the capture"] else None,
        actions=(f"Set the clock of {_host(alone)}, and switch on NTP there.",) if alone is not None else (),
        settled=alone is not None,
        title=_title(times, alone),
    )


_Times = dict[str, tuple[datetime, Fact]]
"""Whose clock → what it says, and where."""


def _alone(times: _Times, who: str) -> str:
    others = "; ".join(f"{name} says {day(value)}" for name, (value, _) in times.items() if name != who)
    return f"The clock of {who} is wrong: it says {day(times[who][0])}; {others}."


def _apart(times: _Times) -> str:
    widest = max(abs(one - other) for one, _ in times.values() for other, _ in times.values())
    said = "; ".join(f"{name} says {day(value)}" for name, (value, _) in times.items())
    return f"The clocks differ by up to {long(widest)}: {said}."


def _title(times: _Times, alone: str | None) -> str:
    """Whose clock is wrong and by how much; the clocks that differ where that cannot be told."""
    if alone is None:
        widest = max(abs(one - other) for one, _ in times.values() for other, _ in times.values())
        *first, last = (name.removeprefix("the ") for name in times)
        return f"The clocks of {', '.join(first)} and {last} differ by up to {long(widest)}"
    value = times[alone][0]
    nearest = min((other for name, (other, _) in times.items() if name != alone), key=lambda each: abs(each - value))
    return f"The {_host(alone).removeprefix('the ')}'s clock is {long(value - nearest)} {'ahead' if value > nearest else 'behind'}"


def _host(whose: str) -> str:
    return "the capturing host" if whose == "the capture" else whose


def _troubled(view: CaptureView, since_ns: int) -> int | None:
    """The frame of a response in which a SCEP server failed near this time."""
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

    Seen: The SCEP server's own connection to port 135 (RPC) or to a dynamic port fails, and the server returns an error to the client.
    Why: A firewall between the SCEP server and the CA blocks the connection.
    Why: The CA or its service does not run.
    Do: On the CA, start the service CertSvc; in the firewall between both, open TCP 135 and the dynamic RPC ports (49152-65535).
    Do: On the SCEP server, check with `certutil -ping -config "CAHOST\\CANAME"`. The error is 0x800706BA in event 31.
    Not: It is not a fault of the client.
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
                f"The SCEP server {failed.client.address} cannot reach {failed.server} ({failed.how}); it returns an error to the client in {called(frame)}.",
                (*(Fact(each, "tcp.flags", "SYN") for each in failed.frames[:3]), Fact(frame, "answer", "a failure")),
                transaction=next(
                    (each.transaction for each in view.memory.attempts if each.reply_frame == frame), None
                ),
            )


@rule.capture(ERROR, "learn.microsoft.com, Troubleshooting NDES", "obvus.be, In the land of NDES", strength=INFERRED)
def ndes_crl_fetch_fails(view: CaptureView) -> Found:
    """The SCEP server cannot fetch a CRL.

    Seen: The SCEP server asks for a CRL and gets an error or no response, at about the time when it returns an error to the client.
    Why: The CRL was not published, or its distribution point does not respond.
    Do: Publish the CRL on the CA, and make its distribution point reachable from the SCEP server over HTTP.
    Do (ndes): On the CA, run `certutil -crl`. On the NDES server, check with `certutil -verify -urlfetch ra.cer` that the CRL can be fetched.
    Not: It is not a fault of the client.
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
            how = f"HTTP {response.status}" if response is not None else "no response"
            target = each.http.request.target if each.http.request is not None else ""
            yield Evidence(
                f"The SCEP server {each.http.client.address} asks {each.http.server} for {shown(target)} and gets {how}; it returns an error to the client in {called(frame)}.",
                (
                    Fact(each.http.frame, "http.request.uri", shown(target)),
                    Fact(answer_frame(each.http), "http.response.code", how),
                    Fact(frame, "answer", "a failure"),
                ),
                transaction=next((one.transaction for one in view.memory.attempts if one.reply_frame == frame), None),
            )


@rule.capture(ERROR, "learn.microsoft.com, Troubleshooting the NDES policy module for Intune", needs="tls")
def ndes_policy_module_refused(view: CaptureView) -> Found:
    """The check by the NDES policy module (VerifyRequest) failed.

    Seen: The server responds to VerifyRequest of the policy module with a status other than 201.
    Why: The client certificate of the policy module has expired or lacks the purpose Client Authentication.
    Why: An intermediate CA certificate is in the Trusted Root store (403.16).
    Why: The server that validates the request does not accept its challenge password.
    Do: On the NDES server, check the certificate of NDESCertThumbprint in HKLM\\SOFTWARE\\Microsoft\\Cryptography\\MSCEP\\Modules\\NDESPolicy: renew
        it if it has expired, then reinstall the connector.
    Do: For 403.16, remove intermediate certificates from the Root store: `Get-ChildItem cert:\\LocalMachine\\root -Recurse | ? {$_.Issuer -ne
        $_.Subject}` lists them. Then restart the server.
    Do: For 500, give the application pool account the right to write to C:\\Windows\\Temp (Application event 1310), then run `iisreset`.
    Not: It is not a wrong challenge password, unless the response says so.
    """
    for each in view.scene.bystanders:
        response = each.http.response
        if each.kind == "policy-module" and response is not None and response.status != 201:
            frame = _troubled(view, each.http.time_ns or 0)
            yield Evidence(
                f"{each.http.server} responds to the policy module of {each.http.client.address} with HTTP {response.status} {response.reason}.",
                (Fact(answer_frame(each.http), "http.response.code", f"{response.status} {response.reason}"),),
                transaction=next(
                    (one.transaction for one in view.memory.attempts if frame is not None and one.reply_frame == frame),
                    None,
                ),
                title=f"The check by the NDES policy module (VerifyRequest) failed: HTTP {response.status}",
            )


@rule.exchange(INFO, "Gradenegger, CertEnroll event 86")
def windows_aik_background(view: View) -> Found:
    """Windows enrolls a key of its TPM with Microsoft.

    Seen: A SCEP request goes to microsoftaik.azure.net.
    Why: Windows has Microsoft confirm its TPM in the background.
    Do: Nothing: it is not your enrollment.
    Not: It is not a fault of your SCEP server.
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
    """The SCEP server runs an outdated Windows.

    Seen: The Server header names Microsoft-IIS/8.5 (Windows Server 2012 R2) or older.
    Why: The server has not been upgraded.
    Matters: Microsoft ended support for Windows Server 2012 and 2012 R2 on 10 October 2023. Servers older than that may not support GetCACaps or
        SHA-256.
    Do: Plan an upgrade of the server to a supported Windows Server.
    Not: It is not a fault in itself: Windows Server 2012 R2 supports SHA-256 and SHA-512.
    """
    for each in view.views:
        if _OLD_IIS.search(each.server_name):
            yield Evidence(
                f"{each.http.server} identifies itself as {shown(each.response_header('server') or '')}.",
                (each.a("http.server", each.response_header("server") or ""),),
                exchange=each.number,
            )
            return


@rule.transaction(WARNING, "learn.microsoft.com, Integrate with Entra application proxy on NDES")
def scep_from_internet(view: TransactionView) -> Found:
    """SCEP is open to the Internet.

    Seen: A client with a public address talks directly to the SCEP server, which has a private address.
    Why: The server was published without a reverse proxy.
    Matters: Anyone on the Internet can send requests to this server and try challenge passwords.
    Do: Put a reverse proxy in front of the server that forwards only the SCEP path, and check each request with one-time passwords or a policy
        module.
    Do (ndes): Publish the SCEP URL through Microsoft Entra application proxy (pre-authentication: Passthrough), and install a policy module.
    Not: It is not a fault if both addresses belong to your own network.
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
    found = _address(address)
    return found is not None and found.is_global


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """An IP address, None for a name: logs and recordings may have names, or none at all."""
    try:
        return ip_address(text)
    except ValueError:
        return None


@lru_cache(maxsize=256)
def _is_private(address: str) -> bool:
    """Also of others than the loopback."""
    found = _address(address)
    if found is None:
        return False
    return found.is_private and not found.is_loopback


@rule.transaction(INFO, "CERT VU#971035", "RFC 8894, Section 7.3")
def weak_authentication_note(view: TransactionView) -> Found:
    """A challenge password does not prove who the requester is.

    Seen: The server issued a certificate for a PKCSReq.
    Why: A challenge password authorizes enrollment but not a specific identity.
    Matters: The holder of a challenge password can request any subject.
    Do: On the CA, check the requested names by policy, approval or a policy module.
    Not: It is not a fault of this enrollment.
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
            "The server issues the certificate; SCEP itself does not check that the requester is the subject it names.",
            (decisive.a("CertRep.signedAttrs.pkiStatus", "0"),),
            exchange=decisive.number,
        )


@rule.transaction(INFO, "RFC 8894, Section 7.7", "RFC 8894, Section 7.10")
def scep_over_cleartext(view: TransactionView) -> Found:
    """SCEP over HTTP (normal: the messages are encrypted).

    Seen: SCEP is used without TLS.
    Why: It is normal: SCEP messages are signed and encrypted themselves.
    Matters: The request with its challenge password and the issued certificate are protected. Names, serial numbers, the status and the CA
        certificates are readable.
    Do: Nothing: SCEP needs no TLS.
    Not: It is not a fault.
    """
    first = next((each for each in view.views if each.operation is not None and each.asked is not None), None)
    if first is not None and not first.http.tls:
        yield Evidence(
            f"The client uses {view.transaction.server} over HTTP, without TLS.", (first.q("http", "without TLS"),)
        )
