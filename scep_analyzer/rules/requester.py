"""The certificate that signs the request: whose it is, and whether it may (RFC 8894, Section 2.3)."""

import re
from datetime import timedelta

from scep_analyzer.model.findings import Evidence, Fact, NotChecked, Severity
from scep_analyzer.model.scep import MessageType, PkiMessage
from scep_analyzer.rules._rule import ERROR, INFO, WARNING, Found, rule
from scep_analyzer.rules._views import View
from scep_analyzer.rules._words import certificate_words, day, long, shown

_TOLERANCE = timedelta(minutes=5)
_BOOT_YEARS = range(1970, 2003)
"""Devices without a clock begin in 1970, 1993 (Cisco IOS: March 1993), 2000 or 2002."""
_GUID = re.compile(r"CN=\{?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\}?", re.IGNORECASE)
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


@rule.request(WARNING, "RFC 8894, Section 2.3")
def signer_clock_odd(view: View, message: PkiMessage) -> Found:
    """The client's clock is wrong.

    Seen: The self-signed certificate is valid from a time after the packet, or only until one before it, or from the years that devices begin with.
    Why: The device's clock was never set.
    Do: Set NTP before the enrollment: the certificate that comes back may not be valid yet for the device.
    Not: A fault of the server.
    """
    signer, now = message.signer, view.moment
    if signer is None or now is None or not signer.self_issued:
        return
    start, end = signer.not_before, signer.not_after
    if start is not None and start > now + _TOLERANCE:
        yield Evidence(
            f"The requester's certificate is valid from {day(start)}, {long(start - now)} after the packet.",
            (view.q("signer.notBefore", day(start)), view.q("frame.time", day(now))),
        )
    elif end is not None and end < now - _TOLERANCE:
        yield Evidence(
            f"The requester's certificate ended on {day(end)}, {long(now - end)} before the packet.",
            (view.q("signer.notAfter", day(end)), view.q("frame.time", day(now))),
        )
    elif start is not None and start.year in _BOOT_YEARS and now.year > 2005:
        yield Evidence(
            f"The requester's certificate is valid from {day(start)}: a clock that was never set.",
            (view.q("signer.notBefore", day(start)),),
        )


@rule.request(WARNING, "NIST SP 800-131A")
def signer_weak_key(view: View, message: PkiMessage) -> Found:
    """The requester's key is short.

    Seen: RSA with less than 2048 bits in the certificate that signs the request.
    Why: The device's default (old IOS: 512), or its limit.
    Do: Make a new key pair of 2048 bits or more; most templates demand it (0x80094811).
    Not: A refusal in itself.
    """
    key = message.signer.public_key if message.signer is not None else None
    if key is not None and key.algorithm.startswith("rsa") and key.bits is not None and key.bits < 2048:
        yield Evidence(
            f"The requester's RSA key has {key.bits} bits.",
            (view.q("signer.subjectPublicKey", f"RSA {key.bits}"),),
            severity=Severity.ERROR if key.bits <= 512 else None,
        )


@rule.request(WARNING, "RFC 8894, Section 3.1")
def signer_key_not_rsa(view: View, message: PkiMessage) -> Found:
    """The requester's key is not RSA.

    Seen: An EC or Edwards key in the certificate that signs the request.
    Why: The client's choice.
    Do: Use RSA, or a server that answers such keys: it cannot encrypt the certificate for them.
    Not: A fault where the server supports it.
    """
    key = message.signer.public_key if message.signer is not None else None
    if key is not None and not key.algorithm.startswith("rsa"):
        yield Evidence(
            f"The requester's key is {key.algorithm} ({key.curve or key.bits}); an answer cannot be encrypted for it as RFC 8894 does.",
            (view.q("signer.subjectPublicKey", key.algorithm),),
        )


@rule.request(INFO, "RFC 8894, Section 2.3")
def signer_generic_subject(view: View, message: PkiMessage) -> Found:
    """The requester's own certificate says nothing about the subject asked for.

    Seen: A subject such as CN=SCEP SIGNER, or a GUID.
    Why: A habit of the client.
    Do: Nothing: the subject asked for is in the encrypted request.
    Not: A fault.
    """
    signer = message.signer
    if signer is None or not signer.self_issued:
        return
    lower = signer.subject.lower()
    if not lower or any(each in lower for each in _GENERIC) or _GUID.search(signer.subject):
        yield Evidence(
            f"The requester's certificate is {shown(signer.subject or 'without a subject')}; the subject asked for is inside the envelope.",
            (view.q("signer.subject", signer.subject),),
        )


@rule.request(WARNING, "RFC 8894, Section 2.3")
def signer_foreign_ca(view: View, message: PkiMessage) -> Found:
    """The request is signed with a certificate of another CA.

    Seen: The signer's certificate was issued by none of the CAs that this server offers, and not in this capture.
    Why: A manufacturer's certificate, or one of the CA used before.
    Do: Check that the server's policy accepts certificates of that CA for renewal.
    Not: A fault where the policy allows it.
    """
    signer = message.signer
    if signer is None or signer.self_issued:
        return
    if not view.offers:
        yield NotChecked("no GetCACert answer of this server is in the capture")
        return
    names = {certificate.subject for certificate, _ in view.offered.values()}
    if signer.issuer not in names and signer.identity not in view.memory.issued:
        yield Evidence(
            f"The request is signed with {certificate_words(signer)}, issued by {shown(signer.issuer)}, none of the CAs that {view.http.server} offers.",
            (
                view.q("signer.issuer", signer.issuer),
                Fact(view.offers[-1].frame, "GetCACert", "; ".join(sorted(names)[:3])),
            ),
            severity=None if view.failed or view.answer is None else Severity.INFO,
        )


@rule.request(ERROR, "RFC 8894, Section 2.3", "dogtagpki/pki#3413")
def signer_expired_for_renewal(view: View, message: PkiMessage) -> Found:
    """The certificate to be renewed has expired already.

    Seen: A renewal signed with a certificate whose notAfter lies before the packet.
    Why: The client renewed too late, or could not reach the server in time.
    Do: Enroll anew with a challenge password; let the client renew earlier.
    Not: A wrong clock, unless the other times in the capture agree with the certificate.
    """
    signer, now = message.signer, view.moment
    if is_renewal(message) and signer is not None and not signer.self_issued and now is not None:
        if signer.not_after is not None and signer.not_after < now:
            yield Evidence(
                f"The renewal is signed with {view.named(signer.identity)}, which expired on {day(signer.not_after)}, {long(now - signer.not_after)} before.",
                (view.q("signer.notAfter", day(signer.not_after)), view.q("frame.time", day(now))),
                severity=None if view.failed or view.answer is None else Severity.WARNING,
            )
