"""The certificate that signs the request: whose it is, and whether it may sign (RFC 8894, Section 2.3)."""

import re
from datetime import timedelta

from scep_analyzer.model.findings import Evidence, Fact, NotChecked, Severity
from scep_analyzer.model.patterns import lazily
from scep_analyzer.model.scep import MessageType, PkiMessage
from scep_analyzer.rules._rule import ERROR, INFO, WARNING, Found, rule
from scep_analyzer.rules._views import View
from scep_analyzer.rules._words import certificate_words, day, long, shown

_TOLERANCE = timedelta(minutes=5)
_BOOT_YEARS = range(1970, 2003)
"""Devices without a battery-backed clock start in 1970, 1993 (Cisco IOS: March 1993), 2000 or 2002."""
_GUID = lazily(r"CN=\{?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\}?", re.IGNORECASE)
_GENERIC = (
    "scep signer",
    "scep client",
    "scep-client",
    "self signed",
    "selfsigned",
    "temporary",
    "mscep",
    "localhost",
    "certificate request",
)


def is_renewal(message: PkiMessage) -> bool:
    """RenewalReq, or PKCSReq signed with a certificate that a CA issued (Cisco, sscep, jscep)."""
    signer = message.signer
    if message.message_type in (MessageType.RenewalReq, MessageType.UpdateReq):
        return True
    return message.message_type == MessageType.PKCSReq and signer is not None and not signer.self_issued


@rule.request(WARNING, "RFC 5280, Section 4.1.2.5")
def signer_clock_odd(view: View, message: PkiMessage) -> Found:
    """The client's clock is wrong.

    Seen: The self-signed certificate of the client starts after the time of the packet, ends before it, or starts at a factory-default date
    (1970, 1993).
    Why: The clock of the device was never set.
    Matters: For this device, the issued certificate may not be valid yet.
    Do: On the client, set the clock (NTP), then enroll again.
    Do (ios-client, cisco-wlc): On the device, configure `ntp server ADDRESS`, check it with `show clock detail`, then run `crypto pki
    enroll TRUSTPOINT`.
    Not: The server is not at fault.
    """
    signer, now = message.signer, view.moment
    if signer is None or now is None or not signer.self_issued:
        return
    start, end = signer.not_before, signer.not_after
    if start is not None and start - now > _TOLERANCE:
        yield Evidence(
            f"The requester's certificate starts on {day(start)}, {long(start - now)} after the packet: the client's clock is ahead.",
            (view.q("signer.notBefore", day(start)), view.q("frame.time", day(now))),
            title=f"The client's clock is wrong: its certificate starts {start:%Y-%m-%d}",
        )
    elif end is not None and now - end > _TOLERANCE:
        never_set = start is not None and start.year in _BOOT_YEARS
        yield Evidence(
            f"The requester's certificate ended on {day(end)}, {long(now - end)} before the packet: the client's clock "
            f"{'was never set' if never_set else 'may be behind'}.",
            (view.q("signer.notAfter", day(end)), view.q("frame.time", day(now))),
            title=f"The client's clock was never set (its certificate ended in {end.year})"
            if never_set
            else f"The requester's certificate ended on {end:%Y-%m-%d}",
        )
    elif start is not None and start.year in _BOOT_YEARS and now.year > 2005:
        yield Evidence(
            f"The requester's certificate starts on {day(start)}, a factory-default date: the client's clock was never set.",
            (view.q("signer.notBefore", day(start)),),
            title=f"The client's clock was never set (its certificate starts in {start.year})",
        )


@rule.request(WARNING, "NIST SP 800-131A")
def signer_weak_key(view: View, message: PkiMessage) -> Found:
    """The requester's RSA key is shorter than 2048 bits.

    Seen: An RSA key of less than 2048 bits in the certificate that signs the request.
    Why: The default key size of the device is small (512 bits on some old devices), or the device cannot create longer keys.
    Matters: Most certificate templates and profiles require at least 2048 bits. A Microsoft CA refuses shorter keys with 0x80094811.
    Do: On the client, create a new RSA key of at least 2048 bits and enroll again.
    Do (ios-client, cisco-wlc): On the device, set `rsakeypair KEY 2048` in the trustpoint, run `crypto key generate rsa modulus 2048 label
    KEY`, then `crypto pki enroll TRUSTPOINT`.
    Do (cisco-asa): On the ASA, run `crypto key generate rsa label KEY modulus 2048`, set `keypair KEY` in the trustpoint, then run `crypto
    ca enroll TRUSTPOINT`.
    Do (apple, windows-mdm, intune-android): In the MDM, set the key size of the SCEP profile to 2048 and push the profile again.
    Not: The server does not refuse the request for this.
    """
    key = message.signer.public_key if message.signer is not None else None
    if key is not None and key.algorithm.startswith("rsa") and key.bits is not None and key.bits < 2048:
        yield Evidence(
            f"The requester's RSA key has {key.bits} bits; most certificate profiles require 2048.",
            (view.q("signer.subjectPublicKey", f"RSA {key.bits}"),),
            title=f"The requester's RSA key has only {key.bits} bits",
            severity=Severity.ERROR if key.bits <= 512 else None,
        )


@rule.request(WARNING, "RFC 8894, Section 3.1")
def signer_key_not_rsa(view: View, message: PkiMessage) -> Found:
    """The requester's key is not an RSA key.

    Seen: An EC or Edwards key in the certificate that signs the request.
    Why: The client is configured to use this type of key.
    Matters: The server cannot encrypt the response for this key. RFC 8894, Section 3.1 describes a password-based alternative that few
    servers support.
    Do: On the client, use an RSA key of at least 2048 bits, or use a server that supports this type of key.
    Not: A fault where the server supports it.
    """
    key = message.signer.public_key if message.signer is not None else None
    if key is not None and not key.algorithm.startswith("rsa"):
        yield Evidence(
            f"The requester's key is of type {key.algorithm} ({key.curve or key.bits}); the server cannot encrypt the response for it.",
            (view.q("signer.subjectPublicKey", key.algorithm),),
        )


@rule.request(INFO, "RFC 8894, Section 2.3")
def signer_generic_subject(view: View, message: PkiMessage) -> Found:
    """The certificate that signs the request has a generic subject.

    Seen: A subject such as CN=SCEP SIGNER or a GUID in the self-signed certificate of the requester.
    Why: Some clients always use this subject.
    Do: No action is needed: the requested subject is in the encrypted part of the request.
    Not: This is not a fault.
    """
    signer = message.signer
    if signer is None or not signer.self_issued:
        return
    lower = signer.subject.lower()
    if not lower or any(each in lower for each in _GENERIC) or _GUID.search(signer.subject):
        yield Evidence(
            f"The requester's certificate {f'has the subject {shown(signer.subject)}' if signer.subject else 'has no subject'}; "
            "the requested subject is in the encrypted part of the request.",
            (view.q("signer.subject", signer.subject),),
        )


@rule.request(WARNING, "RFC 8894, Section 2.3")
def signer_foreign_ca(view: View, message: PkiMessage) -> Found:
    """The request is signed with a certificate of another CA.

    Seen: The issuer of the signer's certificate is not a CA that this server offers, and the certificate was not issued in this capture.
    Why: The client signs with its manufacturer's certificate or with a certificate of its previous CA.
    Matters: RFC 8894, Section 2.3 leaves it to the policy of the CA whether to accept such a certificate.
    Do: On the server, check that certificates of this CA are accepted for renewal. Otherwise, enroll with a self-signed certificate and a
    challenge password.
    Not: A fault where the policy of the CA allows it.
    """
    signer = message.signer
    if signer is None or signer.self_issued:
        return
    if not view.offers:
        yield NotChecked(f"no GetCACert response of this server is in the {view.scene.source}")
        return
    names = {certificate.subject for certificate, _ in view.offered.values()}
    if signer.issuer not in names and signer.identity not in view.memory.issued:
        yield Evidence(
            f"The request is signed with {certificate_words(signer)}. Its issuer {shown(signer.issuer)} is not a CA that {view.http.server} offers.",
            (
                view.q("signer.issuer", signer.issuer),
                Fact(view.offers[-1].frame, "GetCACert", "; ".join(sorted(names)[:3])),
            ),
            severity=None if view.failed or view.answer is None else Severity.INFO,
        )


@rule.request(ERROR, "RFC 8894, Section 2.3", "dogtagpki/pki#3413")
def signer_expired_for_renewal(view: View, message: PkiMessage) -> Found:
    """The certificate to be renewed has expired.

    Seen: A renewal is signed with a certificate whose notAfter is before the time of the packet.
    Why: The client started the renewal too late, or it could not reach the server in time.
    Do: On the client, enroll again with a challenge password, and set an earlier time for the next renewal.
    Do (ios-client, cisco-wlc): On the device, run `crypto pki enroll TRUSTPOINT`, then set `auto-enroll 70 regenerate` in the trustpoint so
    that it renews after 70 % of the lifetime.
    Do (fortigate): On the FortiGate, enroll again, then set `auto-regenerate-days` of the local certificate to a higher number of days.
    Not: A wrong clock, if the other times in the capture agree with the packet.
    """
    signer, now = message.signer, view.moment
    if is_renewal(message) and signer is not None and not signer.self_issued and now is not None:
        if signer.not_after is not None and signer.not_after < now:
            yield Evidence(
                f"The renewal is signed with {view.named(signer.identity)}, which expired on {day(signer.not_after)}, "
                f"{long(now - signer.not_after)} before this request.",
                (view.q("signer.notAfter", day(signer.not_after)), view.q("frame.time", day(now))),
                title=f"The certificate to be renewed expired {long(now - signer.not_after)} before this request",
                severity=None if view.failed or view.answer is None else Severity.WARNING,
            )
