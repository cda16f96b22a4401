"""How requests follow one another: retries, polls, renewals, and transactions that stop (RFC 8894, Sections 2.3 to 2.5)."""

import itertools
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta

from scep_analyzer.model.findings import Evidence, Fact, Severity
from scep_analyzer.model.packets import Endpoint
from scep_analyzer.model.places import all_called, called
from scep_analyzer.model.scep import CaCertificates, Kind, MessageType, Outcome, PkiMessage, PkiStatus
from scep_analyzer.rules._memory import Attempt, Identity
from scep_analyzer.rules._rule import ERROR, INFERRED, INFO, WARNING, Found, rule
from scep_analyzer.rules._views import CaptureView, TransactionView, View
from scep_analyzer.rules._words import count, day, long, seconds, serial, shown
from scep_analyzer.rules.http_status import meant, said
from scep_analyzer.rules.requester import is_renewal

_SECOND = 1_000_000_000
_STOPPED_NS = 60 * _SECOND
_FAST_NS = 5 * _SECOND
_STORM = 3
_SOON_NS = 600 * _SECOND
_EARLY = timedelta(days=30)


@rule.transaction(ERROR, "RFC 8894, Section 2.2", "NeySlim/ultimate-ca-manager#101", strength=INFERRED)
def txn_stopped_after_cacert(view: TransactionView) -> Found:
    """The client never sent an enrollment request.

    Seen: The server responds to GetCACert, and no PKIOperation of this client follows within a minute.
    Why: The client rejects the certificates because of their fingerprint, key usage, chain or validity, or because it finds no RA certificate.
    Why: The client waits for a person: Cisco IOS enrolls only after the command `crypto pki enroll`.
    Else: On the client, compare the CA fingerprint in its profile or configuration with that of the server, and read its log for why it rejects the
        certificates.
    Do (ios-client): On the device, compare the fingerprint, then run `crypto pki enroll TRUSTPOINT`. `debug crypto pki messages` shows why it stops.
    Do (apple): In the profile, correct CAFingerprint and the trusted root certificate, then install it again. On a Mac: `log stream --debug
        --predicate 'process == "mdmclient"'`.
    Do (windows-mdm): In the SCEP profile, select the certificate of the issuing CA as the trusted certificate. The device's log
        DeviceManagement-Enterprise-Diagnostics-Provider (event 32) gives the reason.
    Do (intune-android): In the SCEP profile, select the root CA as the trusted certificate. Read OMADM.log on the device, lines with
        org.jscep.transport.
    Not: It is not a refusal by the server: the client never asked for a certificate.
    """
    if view.transaction.kind is not Kind.CA_CERTIFICATES:
        return
    given = [
        each
        for each in view.views
        if isinstance(each.exchange.response, CaCertificates) and each.operation == "GetCACert"
    ]
    if not given or not view.scene.whole:
        return
    last, end = given[-1], view.scene.last_ns
    since = last.answer.time_ns if last.answer is not None else None
    if since is None or end is None or (end - since < _STOPPED_NS and not view.scene.over):
        return  # reported before its time, because too many were open: the request may still come
    if len(given) >= _STORM:
        yield Evidence(
            f"{view.transaction.client} fetches the CA certificates {len(given)} times, the last time in {called(last.ans)}, and never sends a PKIOperation.",
            tuple(each.a("GetCACert", "answered") for each in given[:4]),
            title=f"The client fetches the CA certificates {len(given)} times and never enrolls",
        )
        return
    if end - since < _STOPPED_NS:
        facts = last.facts
        ended = facts is not None and (facts.client.fin_ns or facts.reset_by_client)
        yield Evidence(
            f"The capture ends {seconds(end - since)} after the response to GetCACert, before a PKIOperation"
            + ("; the client closed its connection." if ended else "."),
            (last.a("GetCACert", "answered"),),
            severity=Severity.WARNING,
        )
        return
    yield Evidence(
        f"{view.transaction.client} receives the CA certificates in {called(last.ans)} and sends no PKIOperation in the {seconds(end - since)} that follow.",
        (last.a("GetCACert", "answered"), Fact(None, "PKIOperation", "absent")),
    )


@rule.transaction(ERROR, "RFC 8894, Section 4.3.1")
def txn_no_reply(view: TransactionView) -> Found:
    """The request got no SCEP response.

    Seen: A PKIOperation is sent, and no CertRep follows.
    Why: The connection broke, the server did not respond, or it responded with an HTTP error.
    Else: On the server, check that the SCEP service is running, and read its log and that of the web server at the time of the request.
    Do (ndes): On the NDES server, read the Application log (source NetworkDeviceEnrollmentService) and %SystemDrive%\\inetpub\\logs\\LogFiles\\W3SVC1
        at the time of the request.
    Not: It is not a refusal: a refusal would be a CertRep.
    """
    decisive = view.decisive
    if decisive is None or decisive.operation != "PKIOperation" or decisive.reply is not None:
        return
    facts = decisive.facts
    if view.transaction.outcome not in (Outcome.UNANSWERED, Outcome.HTTP_ERROR) or (
        facts is not None and facts.one_way
    ):
        return
    how = f"HTTP {decisive.status}" if decisive.answer is not None else "no response"
    yield Evidence(
        f"PKIOperation in {called(decisive.ask)} gets {how} and no CertRep{said(decisive)}.",
        (
            decisive.q("PKIOperation", "sent"),
            *((decisive.a("http.response.code", str(decisive.status)),) if decisive.answer is not None else ()),
        ),
        exchange=decisive.number,
        title=f"The enrollment request got {how} instead of a SCEP response" if decisive.answer is not None else None,
        causes=meant(decisive),
    )


def _pending(view: TransactionView) -> list[View]:
    return [each for each in view.pki if each.reply is not None and each.reply.pki_status == PkiStatus.PENDING]


@rule.transaction(WARNING, "RFC 8894, Section 2.5")
def pending_not_polled(view: TransactionView) -> Found:
    """The client stopped polling.

    Seen: The server responds with PENDING, and neither CertPoll nor the request itself follows in the rest of the capture.
    Why: The polling interval of the client is longer than the rest of the capture.
    Why: The client reached its maximum number of polls and gave up.
    Else: On the client, raise the number of polls and the polling period, so that it still polls when the request is approved.
    Do (ios-client): On the device, set `enrollment retry count 100` and `enrollment retry period 5` (minutes) under the trustpoint.
    Do (sscep): On the client, call `sscep enroll` with `-t 60 -n 50`: a poll every 60 s, at most 50.
    Do (junos): On the device, set `enrollment retry` and `enrollment retry-interval` in the CA profile.
    Do (ftd): In FMC, set the retry period (1 to 60 min) and the retry count (1 to 100) in the certificate enrollment object.
    Not: It is not a refusal: the request still waits.
    """
    waiting = _pending(view)
    if not waiting or view.transaction.outcome is not Outcome.PENDING:
        return
    end, since = view.scene.last_ns, waiting[-1].answer.time_ns if waiting[-1].answer is not None else None
    later = any(
        each.operation == "PKIOperation" and each.client == view.transaction.client and each.number > waiting[-1].number
        for each in view.memory.answers(view.transaction.server)
    )
    if len(view.pki) != 1 or end is None or since is None or later:
        return
    if view.scene.over or end - since > _STOPPED_NS:
        rest = f"remaining {seconds(end - since)} of the {view.scene.source}"
        yield Evidence(
            f"The response in {called(waiting[-1].ans)} is PENDING, and no poll follows in the {rest if view.scene.over else f'next {seconds(end - since)}'}.",
            (waiting[-1].a("CertRep.signedAttrs.pkiStatus", "3"), Fact(None, "CertPoll", "absent")),
            severity=None if end - since > _STOPPED_NS else Severity.INFO,
        )


def _polls(view: TransactionView) -> list[View]:
    """The polls: CertPoll, or the request again after PENDING."""
    waiting = _pending(view)
    after = waiting[0].number if waiting else view.pki[-1].number if view.pki else 0
    return [
        each
        for each in view.pki
        if each.request is not None and (each.request.message_type == MessageType.CertPoll or each.number > after)
    ]


@rule.transaction(WARNING, "RFC 8894, Section 2.5")
def pending_polled_too_fast(view: TransactionView) -> Found:
    """The client polls too often.

    Seen: Polls are less than 5 s apart, or there are more than 60 polls within an hour.
    Why: The polling interval of the client is too short.
    Matters: Approval by a person takes minutes to days. Frequent polls load the server and use up the client's maximum number of polls.
    Else: On the client, increase the polling interval to at least one minute.
    Do (ios-client): On the device, set `enrollment retry period 5` (minutes) under the trustpoint.
    Do (sscep): On the client, call `sscep enroll` with `-t 60` or more (seconds between polls).
    Not: It is not a fault of the server.
    """
    polls = _polls(view)
    times = [each.http.time_ns for each in polls if each.http.time_ns is not None]
    gaps = [(later - earlier, at) for at, (earlier, later) in enumerate(itertools.pairwise(times))]
    if not gaps:
        return
    shortest, at = min(gaps)
    busiest = max(sum(1 for other in times if 0 <= other - each < 3600 * _SECOND) for each in times)
    if shortest < _FAST_NS or busiest > 60:
        yield Evidence(
            f"The client polls {count(len(times), 'time')}; the shortest interval is {seconds(shortest)}"
            + (f", and {busiest} polls fall within one hour." if busiest > 60 else "."),
            (polls[at].q("CertPoll", "sent"), polls[at + 1].q("CertPoll", f"{seconds(shortest)} later")),
            title=f"The client polls too often (shortest interval: {seconds(shortest)})"
            if shortest < _FAST_NS
            else None,
        )


@rule.transaction(WARNING, "RFC 8894, Section 3.3.2.3")
def pending_never_resolved(view: TransactionView) -> Found:
    """The request still waits for approval.

    Seen: All responses to this request are PENDING until the capture ends.
    Why: The CA issues only after approval by a person: it is a standalone CA, or its template or profile requires approval.
    Else: On the CA, approve the pending request; or configure the CA to issue without approval. Without approval, the challenge password alone decides
        who gets a certificate.
    Do (ndes): On the CA, open certsrv.msc > Pending Requests, right-click the request and select All Tasks > Issue. Then wait for the client's next
        poll.
    Do (ndes): To issue without approval: CA Properties > Policy Module, and template > Issuance Requirements. Then the challenge password alone
        decides who gets a certificate.
    Do (ejbca): In the RA Web, open Manage Requests and approve the request. The poll must use the same transactionID and names.
    Do (openxpki): In the WebUI, approve the request. With `approval_points: 0` and `eligible: initial` in the endpoint's policy, the challenge alone
        decides.
    Do (ucm): In Ultimate CA Manager, approve the request. With `scep_auto_approve`, the challenge password alone decides.
    Do (ios-ca): On the CA router, run `crypto pki server NAME grant all`, or `grant ID` for one request. With `grant auto`, anyone who reaches the
        server gets a certificate.
    Do (dogtag): In the Dogtag agent pages, approve the request; then the client must poll or enroll again.
    Not: It is not a refusal.
    """
    waiting = _pending(view)
    if not waiting or view.transaction.outcome is not Outcome.PENDING:
        return
    first, end = waiting[0].http.time_ns, view.scene.last_ns
    lasted = f" over {seconds(end - first)}" if first is not None and end is not None else ""
    yield Evidence(
        f"The server responds with PENDING {'once' if len(waiting) == 1 else f'{len(waiting):,} times{lasted}'}.",
        tuple(each.a("CertRep.signedAttrs.pkiStatus", "3") for each in waiting[:4]),
        exchange=waiting[-1].number,
    )


@rule.transaction(ERROR, "OmniTrustILM/core#1834")
def pending_then_failure(view: TransactionView) -> Found:
    """The server refused the pending request.

    Seen: The server first responds with PENDING and later with FAILURE.
    Why: The CA's administrator denied the request.
    Why: The server lost the state of the request, for example by a restart.
    Else: On the CA, check whether the request was denied or issued. If it was issued, start a new enrollment on the client.
    Do (ndes): On the CA, open certsrv.msc: Failed Requests lists denied requests, and Issued Certificates lists issued ones. Then start a new
        enrollment on the client.
    Do (ejbca): In the RA Web, open Manage Requests: a rejected or expired request needs a new enrollment on the client.
    Not: It is not an immediate refusal: the server first accepted the request for approval.
    """
    waiting = _pending(view)
    decisive = view.decisive
    if waiting and decisive is not None and decisive.refused:
        yield Evidence(
            f"The response in {called(waiting[0].ans)} is PENDING; the response in {called(decisive.ans)} is FAILURE.",
            (waiting[0].a("CertRep.signedAttrs.pkiStatus", "3"), decisive.a("CertRep.signedAttrs.pkiStatus", "2")),
            exchange=decisive.number,
        )


@rule.transaction(INFO, "RFC 8894, Section 5.2", "draft-nourse-scep-23, Appendix B", "certnanny/sscep#136")
def poll_as_new_pkcsreq(view: TransactionView) -> Found:
    """The client polls by sending its request again.

    Seen: After PENDING, the client sends PKCSReq again instead of CertPoll.
    Why: The client works this way; RFC 8894 recommends it after an interruption.
    Do: Nothing, if the server issues the certificate. If the server treats each poll as a new request, configure the client to poll with CertPoll.
    Not: It is not a new enrollment, if the transactionID stays the same.
    """
    waiting = _pending(view)
    if not waiting:
        return
    again = [
        each
        for each in view.pki
        if each.request is not None
        and each.request.message_type == MessageType.PKCSReq
        and each.number > waiting[0].number
    ]
    if again:
        yield Evidence(
            f"After PENDING in {called(waiting[0].ans)} the client sends PKCSReq again, in {called(again[0].ask)}.",
            (waiting[0].a("CertRep.signedAttrs.pkiStatus", "3"), again[0].q("signedAttrs.messageType", "19")),
        )


@rule.request(INFO, "RFC 8894, Section 2.3", "dogtagpki/pki#3413")
def renewal_as_19(view: View, message: PkiMessage) -> Found:
    """The client renews with PKCSReq.

    Seen: The messageType is 19 (PKCSReq), and a CA-issued certificate signed the request.
    Why: Cisco IOS, sscep and jscep renew in the style of the older drafts.
    Do: Nothing, if the server accepts it. If it does not, update the server or the client to RenewalReq (17).
    Do (strongswan): In strongswan.conf, `pki.scep.renewal_via_pkcs_req` chooses between PKCSReq (yes) and RenewalReq (no).
    Not: It is not a first enrollment.
    """
    if message.message_type == MessageType.PKCSReq and is_renewal(message):
        yield Evidence(
            f"A CA-issued certificate signs the PKCSReq, so it is a renewal: {view.named(message.signer_identity)}.",
            (
                view.q("signedAttrs.messageType", "19"),
                view.q("signer.issuer", message.signer.issuer if message.signer is not None else ""),
            ),
        )


@rule.request(ERROR, "RFC 8894, Section 2.3")
def renewal_self_signed(view: View, message: PkiMessage) -> Found:
    """A renewal is signed with a self-signed certificate.

    Seen: The messageType is 17 (RenewalReq), and the certificate that signed the request issued itself.
    Why: The client uses the wrong certificate to sign the renewal.
    Matters: Only the old certificate's signature proves who renews, so the server refuses.
    Else: On the client, sign the renewal with the certificate that it renews; or send PKCSReq (19) with a challenge password.
    Do (sscep): On the client, call `sscep enroll` with the old key and certificate: `-K old.key -O old.crt`.
    Do (strongswan): On the client, call `pki --scep` with the old certificate and key: `--cert old.crt --key old.key`.
    Not: It is not a first enrollment: that has messageType 19.
    """
    if message.message_type == MessageType.RenewalReq and message.signer is not None and message.signer.self_issued:
        yield Evidence(
            f"RenewalReq is signed with the self-signed certificate {shown(message.signer.subject)}.",
            (view.q("signedAttrs.messageType", "17"), view.q("signer.issuer", message.signer.issuer)),
        )


@rule.request(WARNING, "RFC 8894, Section 2.5")
def renewal_key_reused(view: View, message: PkiMessage) -> Found:
    """The renewal keeps the old key.

    Seen: The key in the request, or in the new certificate, is that of the old certificate.
    Why: The client is configured to keep its key.
    Matters: RFC 8894 recommends a new key. Some servers refuse the old one or return the old certificate.
    Else: On the client, generate a new key for each renewal.
    Do (ios-client): On the device, set `auto-enroll 70 regenerate` under the trustpoint.
    Not: It is not a fault if the CA's policy allows it.
    """
    signer = message.signer
    if not is_renewal(message) or signer is None or signer.self_issued or signer.public_key is None:
        return
    old = signer.public_key.fingerprint
    csr, issued = view.csr, view.reply.issued if view.reply is not None else None
    if csr is not None and csr.public_key is not None:
        new, where = csr.public_key.fingerprint, view.q("PKCS#10.subjectPKInfo", csr.public_key.fingerprint)
    elif issued is not None and issued.public_key is not None:
        new, where = (
            issued.public_key.fingerprint,
            view.a("certificate.subjectPublicKey", issued.public_key.fingerprint),
        )
    else:
        return
    if new == old:
        yield Evidence(
            f"The renewal uses the key {old[:16]}… of the old certificate, {view.named(signer.identity)}.",
            (where, view.q("signer.subjectPublicKey", old)),
            severity=None if view.failed else Severity.INFO,
        )


@rule.request(WARNING, "openxpki/openxpki#360", needs="ra")
def renewal_subject_changed(view: View, message: PkiMessage) -> Found:
    """The renewal asks for a different subject.

    Seen: The subject of the PKCS #10 request differs from the subject of the old certificate.
    Why: The device was renamed.
    Why: The device writes its subject in another form than the CA issued it.
    Do: On the client, renew with the subject of the old certificate, or enroll again with a new challenge password.
    Do (ejbca): On the server, compare the order and the case of the names with those of the end entity: they must be equal.
    Not: It is not a fault if the server's policy allows it.
    """
    csr, signer = view.csr, message.signer
    if (
        csr is not None
        and signer is not None
        and is_renewal(message)
        and not signer.self_issued
        and csr.subject != signer.subject
    ):
        yield Evidence(
            f"The renewal asks for {shown(csr.subject)}; the old certificate is for {shown(signer.subject)}.",
            (view.q("PKCS#10.subject", csr.subject), view.q("signer.subject", signer.subject)),
            severity=None if view.refused else Severity.INFO,
        )


@rule.request(INFO, "knowledge.digicert.com, Troubleshoot SCEP")
def renewal_too_early(view: View, message: PkiMessage) -> Found:
    """The renewal may be too early.

    Seen: The server refuses a renewal long before the old certificate expires.
    Why: Many servers renew only within a period before the expiry.
    Else: Wait until the renewal period begins, or extend this period on the server.
    Do (openxpki): In the endpoint's configuration, extend `renewal_period` (for example `000060` for 60 days).
    Do (micromdm): On the server, extend `-allowrenew` (14 days by default), or set SCEP_CERT_RENEW=0 to allow any time.
    Do (ejbca): In the end entity profile, extend the renewal period.
    Not: It is not certain that this is the cause.
    """
    signer, now = message.signer, view.moment
    if (
        not view.refused
        or not is_renewal(message)
        or signer is None
        or now is None
        or signer.not_after is None
        or signer.not_before is None
    ):
        return
    left, life = signer.not_after - now, signer.not_after - signer.not_before
    if left > _EARLY and left > life / 3:
        yield Evidence(
            f"The old certificate is valid for another {long(left)}, until {day(signer.not_after)}, and the server refuses the renewal.",
            (view.q("signer.notAfter", day(signer.not_after)),),
        )


@rule.request(ERROR, "certnanny/sscep#123", "micromdm/scep#108")
def renewal_refused(view: View, message: PkiMessage) -> Found:
    """The server refused the renewal.

    Seen: The server responds to a renewal with FAILURE.
    Why: The server does not support renewals, or renewals are switched off.
    Why: The server does not accept certificates of the CA that issued the old certificate.
    Why: The server requires a challenge password for renewals too.
    Else: On the client, enroll again with a new challenge password instead of renewing; on the server, check the settings for renewals.
    Do (ndes): On the client, enroll again with a new challenge password. The old certificate must chain to the same CA; event 28 in the
        Application log of the NDES server confirms the refusal.
    Do (scepman): In Azure, set `AppConfig:ENDPOINT:AllowRenewals` to true and list the types in `:ReenrollmentAllowedCertificateTypes`. Intune itself
        never renews this way.
    Do (ejbca): In the SCEP alias, switch on "Allow Client Certificate Renewal" (Enterprise only), and check the renewal period of the end entity
        profile.
    Do (openxpki): In the endpoint's policy, check `renewal_period`, `allow_replace` and `max_active_certs`. Renewal as PKCSReq (19) works best.
    Do (dogtag): On the client, enroll again: Dogtag does not support renewal by SCEP.
    Do (micromdm): On the server, set SCEP_CERT_RENEW=0 if the log says that the DN already exists.
    Not: It is not a first enrollment.
    """
    if view.refused and is_renewal(message) and (message.signer is None or not message.signer.self_issued):
        yield Evidence(
            f"The server refuses the renewal of {view.named(message.signer_identity)}.",
            (
                view.q("signedAttrs.messageType", str(message.message_type)),
                view.a("CertRep.signedAttrs.pkiStatus", "2"),
            ),
        )


# -- across transactions ----------------------------------------------------------------------------------------------


def _first_legs(view: CaptureView) -> list[Attempt]:
    return [each for each in view.memory.attempts if not each.leg]


_Try = tuple[int, int, int | None]
"""Time, frame and transaction of an attempt that failed."""


def _enrolls(attempt: Attempt) -> bool:
    return attempt.message_type in (MessageType.PKCSReq, MessageType.RenewalReq, MessageType.UpdateReq)


@rule.capture(ERROR, "RFC 8894, Section 3.2.1.1")
def transid_reused_other_key(view: CaptureView) -> Found:
    """Two keys share one transactionID.

    Seen: Requests with different keys have the same transactionID.
    Why: The client takes the transactionID from something that is not unique: a cloned image, a counter or the hash of empty input.
    Matters: The server may return the state or the certificate of another device.
    Do: On the client, use a unique transactionID: a random value, or the hash of its own public key. Generate new keys on cloned devices.
    Not: It is not a retry with the same key.
    """
    keys: dict[tuple[object, str], dict[str, Attempt]] = defaultdict(dict)
    for each in _first_legs(view):
        if each.transaction_id and each.key and _enrolls(each) and each.self_issued:
            keys[each.server, each.transaction_id].setdefault(each.key, each)
    for (_, transaction_id), found in keys.items():
        if len(found) > 1:
            first, *others = found.values()
            for other in others:
                yield Evidence(
                    f"The transactionID {shown(transaction_id, 50)} is used for key {(first.key or '')[:16]}… in {called(first.frame)} and for key "
                    f"{(other.key or '')[:16]}… in {called(other.frame)}.",
                    (
                        Fact(first.frame, "signedAttrs.transactionID", shown(transaction_id, 50)),
                        Fact(other.frame, "signedAttrs.transactionID", "the same, another key"),
                    ),
                    transaction=other.transaction,
                    exchange=other.number,
                )


@rule.capture(WARNING, "RFC 8894, Section 4.4", "RFC 8894, Section 5.2", "certnanny/sscep#136")
def transid_changed_while_pending(view: CaptureView) -> Found:
    """The client changes its transactionID while its request is pending.

    Seen: After PENDING, the same key sends a request with another transactionID.
    Why: The client was restarted or lost its state and starts a new transaction, as RFC 8894 (Section 5.2) recommends for recovery.
    Why: The client generates a new transactionID for each message. A poll (CertPoll) must keep the transactionID.
    Matters: Servers that follow the old drafts find a pending request by its transactionID. For them this is a new request.
    Do: On the client, keep the transactionID while polling. After a restart of the client, approve the newer request on the CA and reject the older
        one.
    Do (openxpki): On the client, keep the transactionID while polling: OpenXPKI finds a pending request by it.
    Not: It is not a new enrollment after a final response.
    """
    waiting: dict[tuple[object, str], Attempt] = {}
    for each in _first_legs(view):
        if each.key is None:
            continue
        place = each.server, each.key
        earlier = waiting.get(place)
        if earlier is not None and earlier.transaction_id != each.transaction_id:
            yield Evidence(
                f"The request in {called(earlier.frame)} is pending with transactionID {shown(str(earlier.transaction_id), 50)}; the request in "
                f"{called(each.frame)} has {shown(str(each.transaction_id), 50)}.",
                (
                    Fact(earlier.frame, "signedAttrs.transactionID", shown(str(earlier.transaction_id), 50)),
                    Fact(each.frame, "signedAttrs.transactionID", shown(str(each.transaction_id), 50)),
                ),
                transaction=each.transaction,
                exchange=each.number,
            )
            del waiting[place]
        if each.status == PkiStatus.PENDING:
            waiting[place] = each
        elif each.status is not None:
            waiting.pop(place, None)


@rule.capture(WARNING, "fleetdm/fleet#46291")
def retry_storm(view: CaptureView) -> Found:
    """The client fails again and again.

    Seen: One client has three or more failed attempts within a minute.
    Why: The client retries automatically although nothing has changed.
    Matters: Retries load the server, and where challenge passwords are valid once, each attempt can use one up.
    Else: Stop the client, fix the cause of the first failure, then start the client again.
    Do (ndes, ejbca, dogtag, digicert, fleet): Stop the client, fix the cause of the first failure, then give it a new challenge password: each
        attempt can use one up.
    Not: It is not the cause of the failure.
    """
    failed: dict[tuple[str, object, str], list[_Try]] = defaultdict(list)
    for each in _first_legs(view):
        if _enrolls(each) and each.status not in (PkiStatus.SUCCESS, PkiStatus.PENDING) and each.time_ns:
            failed[each.client, each.server, "PKIOperation"].append((each.time_ns, each.frame, each.transaction))
    for endpoint, answers in view.memory.all_answers():
        for answer in answers:
            if answer.status >= 400 and answer.operation not in ("PKIOperation", "GetNextCACert", None):
                failed[answer.client, endpoint, answer.operation or ""].append((answer.time_ns, answer.frame, None))
    for (client, server, operation), tries in failed.items():
        for at in range(len(tries) - _STORM + 1):
            window = [each for each in tries[at:] if each[0] - tries[at][0] <= 60 * _SECOND]
            if len(window) >= _STORM:
                lasted = seconds(window[-1][0] - window[0][0])
                yield Evidence(
                    f"{client} sends {operation} to {server} {len(window)} times in {lasted}, and every attempt fails.",
                    tuple(Fact(frame, operation, "failed") for _, frame, _ in window[:6]),
                    title=f"{len(window)} failed attempts in {lasted}",
                    transaction=window[-1][2],
                )
                break


@rule.capture(WARNING, "RFC 9110, Section 9.2.2")
def duplicate_request(view: CaptureView) -> Found:
    """The client sends exactly the same request twice.

    Seen: Two PKIOperation requests of one client have the same bytes.
    Why: The client or a proxy repeats a request that got no response.
    Why: Somebody replays a captured request.
    Matters: It is an error if two different certificates come back.
    Do: On the server, check that it issued one certificate only for this request, and revoke a second one.
    Not: It is not one request seen before and after a proxy: that counts once.
    """
    seen: dict[tuple[str, str], Attempt] = {}
    for each in _first_legs(view):
        earlier = seen.setdefault((each.client, each.message), each)
        if earlier is each:
            continue
        two = earlier.issued is not None and each.issued is not None and earlier.issued.identity != each.issued.identity
        yield Evidence(
            f"{each.client} sends the request of {called(earlier.frame)} again in {called(each.frame)}"
            + (", and the server issues two different certificates." if two else "."),
            (
                Fact(earlier.frame, "pkiMessage", "SHA-256 " + earlier.message[:16]),
                Fact(each.frame, "pkiMessage", "the same bytes"),
            ),
            severity=Severity.ERROR if two else None,
            transaction=each.transaction,
            exchange=each.number,
        )


@rule.capture(WARNING, "RFC 8894, Section 3.2.1.5")
def replay_old_nonce(view: CaptureView) -> Found:
    """Another client sends the same request.

    Seen: The bytes of a request equal those that another address sent before.
    Why: Somebody replays a captured request.
    Why: The client changed its address between two attempts.
    Do: Find out which device has the second address. On the server, check whether it issued a certificate for the second request, and revoke it if
        the device is unknown.
    Not: It is not a proxy that forwards the request while the client waits.
    """
    seen: dict[str, Attempt] = {}
    for each in _first_legs(view):
        earlier = seen.setdefault(each.message, each)
        if earlier.client != each.client:
            yield Evidence(
                f"{each.client} sends the same request in {called(each.frame)} that {earlier.client} sent in {called(earlier.frame)}.",
                (Fact(earlier.frame, "ip.src", earlier.client), Fact(each.frame, "ip.src", each.client)),
                transaction=each.transaction,
                exchange=each.number,
            )


@rule.capture(INFO, "RFC 8894, Section 2.3")
def reenrol_instead_of_renew(view: CaptureView) -> Found:
    """The client enrolls again instead of renewing.

    Seen: The client already got a certificate for this subject and sends a first, self-signed enrollment; the server offers Renewal.
    Why: The client does not support renewal, or it lost its certificate.
    Matters: Each first enrollment needs a new challenge password.
    Do: On the client, switch on renewal with the existing certificate, if the client supports it.
    Not: It is not a fault.
    """
    renews = {server for server, lists in view.memory.all_capabilities() if lists[-1].words & {"renewal", "update"}}
    had: dict[tuple[str, str], Attempt] = {}
    for each in _first_legs(view):
        if not _enrolls(each) or each.subject is None:
            continue
        place = each.client, each.subject
        earlier = had.get(place)
        if earlier is not None and each.self_issued and each.server in renews and each.message != earlier.message:
            if each.time_ns - earlier.time_ns > _SOON_NS:
                yield Evidence(
                    f"{each.client} receives a certificate for {shown(each.subject)} in {called(earlier.reply_frame)} and enrolls again in {called(each.frame)}.",
                    (Fact(earlier.reply_frame, "CertRep", "SUCCESS"), Fact(each.frame, "signer", "self-signed")),
                    transaction=each.transaction,
                    exchange=each.number,
                )
        if each.status == PkiStatus.SUCCESS:
            had[place] = each


@rule.capture(WARNING, "RFC 8894, Section 2.2", strength=INFERRED)
def mixed_servers(view: CaptureView) -> Found:
    """One name leads to servers with different RA certificates.

    Seen: Responses to GetCACert alternate between two sets of certificates; or the request goes to another server of the name than the one whose
        certificates it uses.
    Why: A load balancer distributes requests to servers that do not share their RA certificates.
    Matters: A request that is encrypted for one server's RA certificate cannot be decrypted by the other server.
    Else: On the load balancer, switch on session persistence by source address; or install the same RA certificates and keys on all servers.
    Do (ndes): On the load balancer, switch on session persistence by source address. Challenge passwords live in the memory of one server, so shared
        RA certificates are not enough.
    Not: It is not a renewal of the RA certificates: after a renewal the old ones do not come back.
    """
    for server, offers in view.memory.all_offers():
        sets = [frozenset(each.identity for each in offer.content.certificates) for offer in offers]
        for at in range(2, len(sets)):
            if sets[at] == sets[at - 2] != sets[at - 1]:
                turn = offers[at - 2 : at + 1]
                frames = ", ".join(str(each.frame) for each in turn)
                said = f"{server} alternates between two sets of certificates ({all_called([each.frame for each in turn], frames)})"
                facts = tuple(
                    Fact(each.frame, "GetCACert", f"{len(each.content.certificates)} certificates") for each in turn
                )
                victims = _victims(view, server, sets[at] ^ sets[at - 1])
                for each in victims:
                    yield Evidence(
                        f"{said}; the request in {called(each.frame)} is encrypted for {view.memory.named(each.recipient)}, which only one set contains.",
                        (Fact(each.frame, "EnvelopedData.recipientInfos", serial(each.recipient)), *facts),
                        transaction=each.transaction,
                        exchange=each.number,
                    )
                if not victims:
                    yield Evidence(f"{said}.", facts)
                break
    own = {
        server: {each.identity for offer in offers for each in offer.content.certificates}
        for server, offers in view.memory.all_offers()
    }
    for attempt in _first_legs(view):
        theirs = own.get(attempt.server)
        if attempt.recipient is None or (theirs is not None and attempt.recipient in theirs):
            continue
        other = next(
            (
                server
                for server, identities in own.items()
                if attempt.recipient in identities and server != attempt.server
            ),
            None,
        )
        if other is not None and theirs is not None:
            yield Evidence(
                f"The request to {attempt.server} is encrypted for {view.memory.named(attempt.recipient)}, a certificate that {other} returns and {attempt.server} does not.",
                (Fact(attempt.frame, "EnvelopedData.recipientInfos", serial(attempt.recipient)),),
                transaction=attempt.transaction,
                exchange=attempt.number,
            )


def _victims(view: CaptureView, server: Endpoint, of_one: frozenset[Identity]) -> list[Attempt]:
    """Requests to this server that failed and are encrypted for a certificate that only one of the sets holds."""
    return [
        each
        for each in _first_legs(view)
        if each.server == server
        and each.recipient in of_one
        and each.status not in (PkiStatus.SUCCESS, PkiStatus.PENDING)
    ]


@rule.capture(WARNING, "NeySlim/ultimate-ca-manager#228", "mosen/SCEPy#2")
def success_then_reenrol(view: CaptureView) -> Found:
    """The client enrolls again right after a success.

    Seen: After SUCCESS, the same client enrolls again with the same key or subject within ten minutes. Three times in a row is a loop.
    Why: The client rejected the response or the certificate: chain, signer, algorithm, key usage, or the order of the certificates.
    Matters: The server issues one certificate after another, and the device uses none of them.
    Else: On the client, read the log at the time of the response: it says why the certificate is rejected.
    Do (apple): On a Mac, run `log stream --debug --predicate 'process == "mdmclient"'`; for an iPhone, use Console and search for profiled. Error
        22008 or 22013 names the reason.
    Do (ios-client): On the device, run `debug crypto pki messages` and `debug crypto pki transactions`, then `crypto pki enroll TRUSTPOINT`.
    Do (windows-mdm): On the device, read the event log DeviceManagement-Enterprise-Diagnostics-Provider > Admin: event 32 names the reason.
    Do (intune-android): On the device, read OMADM.log, lines with org.jscep.transport.
    Not: It is not a fault of the CA: it issued the certificate.
    """
    loops = {each.number: each for each in looping(view)}
    one = len({each.client for each in loops.values()}) == 1
    for each in loops.values():
        yield Evidence(
            f"{each.client} gets SUCCESS in {called(each.reply_frame)} and enrolls again; the {view.scene.source} contains {count(len(loops), 'such response')}.",
            (Fact(each.reply_frame, "CertRep.signedAttrs.pkiStatus", "0"), Fact(each.frame, "PKCSReq", "again")),
            severity=Severity.ERROR,
            transaction=each.transaction,
            exchange=each.number,
            title=f"The client gets SUCCESS {len(loops)} times and enrolls again and again" if one else None,
        )
    for earlier, each in _again(view):
        if each.number not in loops:
            yield Evidence(
                f"{each.client} gets SUCCESS in {called(earlier.reply_frame)} and enrolls again {seconds(each.time_ns - (earlier.answered_ns or each.time_ns))} later.",
                (Fact(earlier.reply_frame, "CertRep.signedAttrs.pkiStatus", "0"), Fact(each.frame, "PKCSReq", "again")),
                transaction=each.transaction,
                exchange=each.number,
            )


@rule.capture(INFO, "seize-the-dave/jscep#97", strength=INFERRED)
def certrep_cipher_not_the_requests(view: CaptureView) -> Found:
    """The response uses a different cipher than the request.

    Seen: The contentEncryptionAlgorithm of the CertRep differs from that of the request.
    Why: The server has a fixed cipher for its responses.
    Matters: SCEP does not require the same cipher. But a client that supports few ciphers can decrypt only the one that it sent (old Cisco IOS:
        3DES).
    Else: On the server, set the cipher of responses to one that this client supports.
    Do (scepman): In Azure, set `AppConfig:SCEPResponseEncryptionAlgorithm`: 2.16.840.1.101.3.4.1.42 is AES-256, 2.16.840.1.101.3.4.1.2 is AES-128.
    Do (step-ca): On the step-ca server, run `step ca provisioner update NAME --encryption-algorithm-identifier N`: 1 is AES-128-CBC, 2 is
        AES-256-CBC, 0 is DES-CBC (insecure).
    Do (ios-client): On the device, update IOS: `debug crypto pki messages` shows E_ENCRYPT_ALG_NOT_SUPPORTED if the release does not support the
        cipher.
    Not: It is not a fault if the client then uses its certificate.
    """
    for each, severity in _unread(view):
        if not each.cipher or not each.reply_cipher or each.cipher == each.reply_cipher:
            continue
        yield Evidence(
            f"The request is encrypted with {each.cipher}, and the response with {each.reply_cipher}"
            + ("; the client asks again." if severity is not None else "."),
            (
                Fact(each.frame, "contentEncryptionAlgorithm", each.cipher),
                Fact(each.reply_frame, "CertRep.contentEncryptionAlgorithm", each.reply_cipher),
            ),
            severity=severity,
            transaction=each.transaction,
            exchange=each.number,
        )


@rule.capture(WARNING, "RFC 8894, Section 3.5.2", strength=INFERRED)
def certrep_digest_not_the_requests(view: CaptureView) -> Found:
    """The client does not accept the response, which is signed with a newer digest than its request.

    Seen: The request is signed with MD5 or SHA-1, the CertRep with a digest of the SHA-2 family, and after this SUCCESS the client asks again.
    Why: The server has a fixed digest for its responses, and this client supports only the older one.
    Matters: The client cannot verify the response, so it discards the certificate; the server issues one certificate after another.
    Do: On the client, update the software and use SHA-256; where that is impossible, set the digest of the server's responses to the one that the
        client sends.
    Do (ios-client): On the device, set `hash sha256` under the trustpoint. If the release does not support it, update IOS.
    Not: It is not a fault if the client then uses its certificate.
    """
    for each, severity in _unread(view):
        if severity is None or each.digest not in _OLD_DIGESTS or not (each.reply_digest or "").startswith(_SHA2):
            continue
        yield Evidence(
            f"The request is signed with {each.digest}, and the response with {each.reply_digest}; the client asks again.",
            (
                Fact(each.frame, "SignerInfo.digestAlgorithm", each.digest),
                Fact(each.reply_frame, "CertRep.SignerInfo.digestAlgorithm", each.reply_digest or ""),
            ),
            severity=severity,
            transaction=each.transaction,
            exchange=each.number,
        )


_OLD_DIGESTS = frozenset({"md5", "sha1"})
_SHA2 = ("sha224", "sha256", "sha384", "sha512")


def _unread(view: CaptureView) -> Iterator[tuple[Attempt, Severity | None]]:
    """Each success, and how severe it is that its client may support only the algorithms that it sends; None where it does not ask again."""
    loops, known = {each.number for each in looping(view)}, repeated(view)
    again = {earlier.number for earlier, _ in _again(view)}
    for each in _first_legs(view):
        if each.status != PkiStatus.SUCCESS:
            continue
        severity = None
        if each.client_product in _FEW_ALGORITHMS:
            severity = Severity.ERROR if each.number in known else None
        elif each.client_product is None and (each.number in loops or each.number in again):
            severity = Severity.ERROR if each.number in loops else Severity.WARNING
        yield each, severity


_FEW_ALGORITHMS = frozenset({"ios-client", "cisco-asa"})
"""Clients that may know only the algorithms that they send."""


def _again(view: CaptureView) -> Iterator[tuple[Attempt, Attempt]]:
    """A success, and the next first enrollment of the same client and key, or subject, soon after."""
    had: dict[tuple[str, object, str], Attempt] = {}
    for each in _first_legs(view):
        if not _enrolls(each) or not each.self_issued:
            continue
        places = [(each.client, each.server, name) for name in (each.key, each.subject) if name]
        for place in places:
            earlier = had.get(place)
            if (
                earlier is not None
                and each.message != earlier.message
                and each.time_ns - (earlier.answered_ns or 0) <= _SOON_NS
            ):
                yield earlier, each
                break
        if each.status == PkiStatus.SUCCESS:
            had.update(dict.fromkeys(places, each))


def repeated(view: CaptureView) -> set[int]:
    """The requests of clients that asked again after a success, the last of each with them: its response is no better than those before."""
    return {each.number for pair in _again(view) for each in pair}


def looping(view: CaptureView) -> list[Attempt]:
    """The successes of clients that got three or more in a row and asked again after each but the last."""
    chains: dict[int, list[Attempt]] = {}
    for earlier, each in _again(view):
        chain = chains.pop(earlier.number, [earlier])
        chains[each.number] = [*chain, each] if each.status == PkiStatus.SUCCESS else chain
    return [each for chain in chains.values() if len(chain) >= _STORM for each in chain]
