"""How requests follow one another: retries, polls, renewals, and transactions that stop (RFC 8894, Sections 2.3 to 2.5)."""

import itertools
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta

from scep_analyzer.model.findings import Evidence, Fact, Severity
from scep_analyzer.model.packets import Endpoint
from scep_analyzer.model.scep import CaCertificates, Kind, MessageType, Outcome, PkiMessage, PkiStatus
from scep_analyzer.rules._memory import Attempt, Identity
from scep_analyzer.rules._rule import ERROR, INFERRED, INFO, WARNING, Found, rule
from scep_analyzer.rules._views import CaptureView, TransactionView, View
from scep_analyzer.rules._words import count, day, long, seconds, serial, shown
from scep_analyzer.rules.requester import is_renewal

_SECOND = 1_000_000_000
_STOPPED_NS = 60 * _SECOND
_FAST_NS = 5 * _SECOND
_STORM = 3
_SOON_NS = 600 * _SECOND
_EARLY = timedelta(days=30)


@rule.transaction(ERROR, "RFC 8894, Section 2.2", "NeySlim/ultimate-ca-manager#101", strength=INFERRED)
def txn_stopped_after_cacert(view: TransactionView) -> Found:
    """The client stops after it got the CA's certificates.

    Seen: GetCACert is answered, and no PKIOperation of this client follows within a minute.
    Why: The client rejects the certificates: fingerprint, keyUsage, chain, expiry, or Apple's rule about RA certificates.
    Why: It waits for a person: Cisco IOS enrolls only at `crypto pki enroll`.
    Do: Look at the findings about the certificates; compare the fingerprint in the client's profile.
    Not: A refusal by the server: it was not asked.
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
    if since is None or end is None:
        return
    if len(given) >= _STORM:
        yield Evidence(
            f"{view.transaction.client} fetched the CA's certificates {len(given)} times, last in frame {last.ans}, and never sent a PKIOperation: it begins "
            "again and again.",
            tuple(each.a("GetCACert", "answered") for each in given[:4]),
            title="The client fetches the CA's certificates again and again and goes no further",
        )
        return
    if end - since < _STOPPED_NS:
        facts = last.facts
        ended = facts is not None and (facts.client.fin_ns or facts.reset_by_client)
        yield Evidence(
            f"The capture ends {seconds(end - since)} after GetCACert was answered, without a PKIOperation"
            + ("; the client has closed its connection." if ended else "."),
            (last.a("GetCACert", "answered"),),
            severity=Severity.WARNING,
        )
        return
    yield Evidence(
        f"{view.transaction.client} got the CA's certificates in frame {last.ans}; {seconds(end - since)} of capture follow without a PKIOperation.",
        (last.a("GetCACert", "answered"), Fact(None, "PKIOperation", "absent")),
    )


@rule.transaction(ERROR, "RFC 8894, Section 3.3.2")
def txn_no_reply(view: TransactionView) -> Found:
    """The request gets no SCEP answer.

    Seen: A PKIOperation without a CertRep.
    Why: The connection or the HTTP answer tells; see the finding that this one points at.
    Do: See there.
    Not: A refusal: that would be a CertRep.
    """
    decisive = view.decisive
    if decisive is None or decisive.operation != "PKIOperation" or decisive.reply is not None:
        return
    facts = decisive.facts
    if view.transaction.outcome not in (Outcome.UNANSWERED, Outcome.HTTP_ERROR) or (
        facts is not None and facts.one_way
    ):
        return
    how = f"HTTP {decisive.status}" if decisive.answer is not None else "no answer"
    yield Evidence(
        f"PKIOperation in frame {decisive.ask} got {how} and no CertRep.",
        (
            decisive.q("PKIOperation", "sent"),
            *((decisive.a("http.response.code", str(decisive.status)),) if decisive.answer is not None else ()),
        ),
        exchange=decisive.number,
    )


def _pending(view: TransactionView) -> list[View]:
    return [each for each in view.pki if each.reply is not None and each.reply.pki_status == PkiStatus.PENDING]


@rule.transaction(WARNING, "RFC 8894, Section 2.5")
def pending_not_polled(view: TransactionView) -> Found:
    """The client does not ask again for a pending request.

    Seen: PENDING, and neither CertPoll nor the request again in the rest of the capture.
    Why: A long polling interval, or the client gave up.
    Do: Raise the client's retry count and period; capture longer.
    Not: A refusal.
    """
    waiting = _pending(view)
    if not waiting or view.transaction.outcome is not Outcome.PENDING:
        return
    end, since = view.scene.last_ns, waiting[-1].answer.time_ns if waiting[-1].answer is not None else None
    later = any(
        each.operation == "PKIOperation" and each.client == view.transaction.client and each.number > waiting[-1].number
        for each in view.memory.answers(view.transaction.server)
    )
    if len(view.pki) == 1 and end is not None and since is not None and not later:
        yield Evidence(
            f"The answer of frame {waiting[-1].ans} is PENDING; {seconds(end - since)} of capture follow without a poll.",
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

    Seen: Polls less than five seconds apart, or more than sixty within an hour.
    Why: The client's polling interval is too short.
    Do: Raise it: approval takes minutes to days.
    Not: A fault of the server.
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
            f"{count(len(times), 'poll')}, the closest {seconds(shortest)} apart"
            + (f", {busiest} within an hour." if busiest > 60 else "."),
            (polls[at].q("CertPoll", "sent"), polls[at + 1].q("CertPoll", f"{seconds(shortest)} later")),
        )


@rule.transaction(WARNING, "RFC 8894, Section 3.3.2.3")
def pending_never_resolved(view: TransactionView) -> Found:
    """The request still waits for approval when the capture ends.

    Seen: Only PENDING answers.
    Why: The CA issues after manual approval: a standalone CA, or a template that demands it.
    Do: Approve the request on the CA (Pending Requests), or let the CA issue at once.
    Not: A refusal.
    """
    waiting = _pending(view)
    if not waiting or view.transaction.outcome is not Outcome.PENDING:
        return
    first, end = waiting[0].http.time_ns, view.scene.last_ns
    lasted = f" over {seconds(end - first)}" if first is not None and end is not None else ""
    yield Evidence(
        f"{count(len(waiting), 'answer')}{lasted}, all PENDING.",
        tuple(each.a("CertRep.signedAttrs.pkiStatus", "3") for each in waiting[:4]),
        exchange=waiting[-1].number,
    )


@rule.transaction(ERROR, "OmniTrustILM/core#1834")
def pending_then_failure(view: TransactionView) -> Found:
    """A pending request is refused in the end.

    Seen: PENDING, then FAILURE.
    Why: The CA's administrator denied it, or the server lost its state.
    Do: Look at the CA: denied, or issued and not given out?
    Not: A refusal at first sight.
    """
    waiting = _pending(view)
    decisive = view.decisive
    if waiting and decisive is not None and decisive.refused:
        yield Evidence(
            f"The answer of frame {waiting[0].ans} was PENDING, that of frame {decisive.ans} is FAILURE.",
            (waiting[0].a("CertRep.signedAttrs.pkiStatus", "3"), decisive.a("CertRep.signedAttrs.pkiStatus", "2")),
            exchange=decisive.number,
        )


@rule.transaction(INFO, "certnanny/sscep#136", "draft-nourse-scep-23, Section 5.2")
def poll_as_new_pkcsreq(view: TransactionView) -> Found:
    """The client polls by sending its request again.

    Seen: After PENDING, PKCSReq again instead of CertPoll.
    Why: The client's style.
    Do: Nothing where the transactionID stays the same.
    Not: A new enrollment.
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
            f"After PENDING in frame {waiting[0].ans} the client sends PKCSReq again, in frame {again[0].ask}.",
            (waiting[0].a("CertRep.signedAttrs.pkiStatus", "3"), again[0].q("signedAttrs.messageType", "19")),
        )


@rule.request(INFO, "RFC 8894, Section 2.3", "dogtagpki/pki#3413")
def renewal_as_19(view: View, message: PkiMessage) -> Found:
    """The client renews with PKCSReq.

    Seen: messageType 19 signed with a certificate that a CA issued.
    Why: The style of the drafts: Cisco, sscep and jscep renew so.
    Do: The server must support it.
    Not: A first enrollment.
    """
    if message.message_type == MessageType.PKCSReq and is_renewal(message):
        yield Evidence(
            f"PKCSReq is signed with {view.named(message.signer_identity)}, not with a self-signed one: a renewal.",
            (
                view.q("signedAttrs.messageType", "19"),
                view.q("signer.issuer", message.signer.issuer if message.signer is not None else ""),
            ),
        )


@rule.request(ERROR, "RFC 8894, Section 2.3")
def renewal_self_signed(view: View, message: PkiMessage) -> Found:
    """A renewal is signed with a self-signed certificate.

    Seen: messageType 17 (RenewalReq), and a signer that issued itself.
    Why: A fault of the client.
    Do: Sign with the certificate that is to be renewed.
    Not: A first enrollment, which has messageType 19.
    """
    if message.message_type == MessageType.RenewalReq and message.signer is not None and message.signer.self_issued:
        yield Evidence(
            f"RenewalReq is signed with the self-signed certificate {shown(message.signer.subject)}.",
            (view.q("signedAttrs.messageType", "17"), view.q("signer.issuer", message.signer.issuer)),
        )


@rule.request(WARNING, "RFC 8894, Section 2.3")
def renewal_key_reused(view: View, message: PkiMessage) -> Found:
    """The renewal keeps the old key.

    Seen: The key in the request, or in the certificate that came back, is that of the old certificate.
    Why: The client's setting.
    Do: Make a new key for each certificate (Cisco: `regenerate`).
    Not: A fault where the policy allows it.
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
            f"The renewal is for the key {old[:16]}… of the old certificate, {view.named(signer.identity)}.",
            (where, view.q("signer.subjectPublicKey", old)),
            severity=None if view.failed else Severity.INFO,
        )


@rule.request(WARNING, "openxpki/openxpki#360", needs="ra")
def renewal_subject_changed(view: View, message: PkiMessage) -> Found:
    """The renewal asks for another subject.

    Seen: The subject of the PKCS #10 request is not that of the old certificate.
    Why: The device was renamed, or writes its subject in another form (Cisco).
    Do: Enroll anew, or relax the server's policy (0x80094806).
    Not: A fault where the policy allows it.
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
            f"The renewal asks for {shown(csr.subject)}, the old certificate is for {shown(signer.subject)}.",
            (view.q("PKCS#10.subject", csr.subject), view.q("signer.subject", signer.subject)),
            severity=None if view.refused else Severity.INFO,
        )


@rule.request(INFO, "knowledge.digicert.com, Troubleshoot SCEP")
def renewal_too_early(view: View, message: PkiMessage) -> Found:
    """The renewal may come too early.

    Seen: A refused renewal long before the old certificate ends.
    Why: The server renews only within a window before expiry.
    Do: Wait, or widen the window on the server.
    Not: The cause for certain.
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
            f"The old certificate is valid until {day(signer.not_after)}, {long(left)} more, and the renewal is refused.",
            (view.q("signer.notAfter", day(signer.not_after)),),
        )


@rule.request(ERROR, "certnanny/sscep#123", "micromdm/scep#108")
def renewal_refused(view: View, message: PkiMessage) -> Found:
    """The server refuses the renewal.

    Seen: A renewal answered with FAILURE.
    Why: The server or its CA does not renew (a standalone CA), does not take this signer's CA, or wants a challenge password (NDES: event 28).
    Do: Enroll anew with a challenge password; look at the server's settings for renewal.
    Not: A first enrollment.
    """
    if view.refused and is_renewal(message) and (message.signer is None or not message.signer.self_issued):
        yield Evidence(
            f"The renewal of {view.named(message.signer_identity)} is refused.",
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

    Seen: The same transactionID in requests of different keys.
    Why: The transactionID is no hash of the key and collides: cloned images, a counter, a hash of nothing.
    Do: Make it a hash of the key, or random: the server may give back the state of the other one.
    Not: Retries with one key.
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
                    f"The transactionID {shown(transaction_id, 50)} of key {(first.key or '')[:16]}… in frame {first.frame} is used for key "
                    f"{(other.key or '')[:16]}… in frame {other.frame}.",
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
    Why: The client was restarted or lost its state, and begins a new transaction, as RFC 8894 (Section 5.2) recommends for recovery.
    Why: The client makes a new transactionID for each message; a poll (CertPoll) must keep it.
    Matters: The old drafts and some servers (OpenXPKI) find a pending request by its transactionID: they take the new one for another request.
    Do: Let the client keep the transactionID while it polls; after a restart approve the newer request, and reject the one that nobody asks for any more.
    Not: A new enrollment after an answer.
    """
    waiting: dict[tuple[object, str], Attempt] = {}
    for each in _first_legs(view):
        if each.key is None:
            continue
        place = each.server, each.key
        earlier = waiting.get(place)
        if earlier is not None and earlier.transaction_id != each.transaction_id:
            yield Evidence(
                f"The request of frame {earlier.frame} is pending under transactionID {shown(str(earlier.transaction_id), 50)}; frame {each.frame} "
                f"asks with {shown(str(each.transaction_id), 50)}.",
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
    """The client tries again and again.

    Seen: Three or more failed attempts of one client within a minute.
    Why: An automatic retry.
    Do: Mend the cause, then let it retry: on NDES every attempt uses up a challenge password.
    Not: The cause.
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
                    f"{client} sent {operation} to {server} {len(window)} times in {lasted}, and failed each time.",
                    tuple(Fact(frame, operation, "failed") for _, frame, _ in window[:6]),
                    transaction=window[-1][2],
                )
                break


@rule.capture(WARNING, "RFC 8894, Section 4.1")
def duplicate_request(view: CaptureView) -> Found:
    """The very same request is sent twice.

    Seen: Two PKIOperations of one client with the same bytes.
    Why: A proxy or the client's HTTP library sends again what it got no answer to; or a replay.
    Do: The server must answer both alike; it is an error where two different certificates come back.
    Not: The two legs of a proxy, which count as one.
    """
    seen: dict[tuple[str, str], Attempt] = {}
    for each in _first_legs(view):
        earlier = seen.setdefault((each.client, each.message), each)
        if earlier is each:
            continue
        two = earlier.issued is not None and each.issued is not None and earlier.issued.identity != each.issued.identity
        yield Evidence(
            f"The request of frame {earlier.frame} is sent again in frame {each.frame}"
            + (", and two different certificates come back." if two else "."),
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
    Do: Investigate: who sends it, and did the server answer with a certificate?
    Not: A proxy that passes the request on while the client waits.
    """
    seen: dict[str, Attempt] = {}
    for each in _first_legs(view):
        earlier = seen.setdefault(each.message, each)
        if earlier.client != each.client:
            yield Evidence(
                f"{each.client} sends the request that {earlier.client} sent in frame {earlier.frame}.",
                (Fact(earlier.frame, "ip.src", earlier.client), Fact(each.frame, "ip.src", each.client)),
                transaction=each.transaction,
                exchange=each.number,
            )


@rule.capture(INFO, "RFC 8894, Section 2.3")
def reenrol_instead_of_renew(view: CaptureView) -> Found:
    """The client enrolls anew instead of renewing.

    Seen: A first enrollment, self-signed, of a client that got a certificate for the same subject before; the server offers Renewal.
    Why: The client does not renew, or lost its certificate.
    Do: It needs a new challenge password each time; let it renew.
    Not: A fault.
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
                    f"{each.client} got a certificate for {shown(each.subject)} in frame {earlier.reply_frame} and enrolls anew in frame {each.frame}.",
                    (Fact(earlier.reply_frame, "CertRep", "SUCCESS"), Fact(each.frame, "signer", "self-signed")),
                    transaction=each.transaction,
                    exchange=each.number,
                )
        if each.status == PkiStatus.SUCCESS:
            had[place] = each


@rule.capture(WARNING, "RFC 8894, Section 2.2", strength=INFERRED)
def mixed_servers(view: CaptureView) -> Found:
    """One name leads to servers with different RA certificates.

    Seen: The certificates were fetched from one server, the request went to another one of the same name, with other RA certificates; or one server gives
        two sets in turn.
    Why: A load balancer before servers that do not share their RA certificates.
    Matters: A request that is encrypted for one server's RA certificate and reaches the other cannot be opened there.
    Do: Make the load balancer keep each client at one server (by source address), or give all servers the same RA certificates and keys.
    Do (ndes): Challenge passwords live in one server's memory, too: without a sticky load balancer they fail in the same way.
    Not: A renewal of the RA certificates, after which the old ones do not come back.
    """
    for server, offers in view.memory.all_offers():
        sets = [frozenset(each.identity for each in offer.content.certificates) for offer in offers]
        for at in range(2, len(sets)):
            if sets[at] == sets[at - 2] != sets[at - 1]:
                turn = offers[at - 2 : at + 1]
                frames = ", ".join(str(each.frame) for each in turn)
                said = f"{server} gives two sets of certificates in turn: frames {frames}"
                facts = tuple(
                    Fact(each.frame, "GetCACert", f"{len(each.content.certificates)} certificates") for each in turn
                )
                victims = _victims(view, server, sets[at] ^ sets[at - 1])
                for each in victims:
                    yield Evidence(
                        f"{said}; the request of frame {each.frame} is encrypted for {view.memory.named(each.recipient)}, which only one of them can decrypt for.",
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
                f"The request to {attempt.server} is encrypted for {view.memory.named(attempt.recipient)}, a certificate that {other} gives and {attempt.server} does not.",
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

    Seen: SUCCESS, and a new enrollment of the same client and key or subject within ten minutes; three of them are a loop.
    Why: The client rejected what it got: the chain, the signer, an algorithm, the key usage, or the order of the certificates.
    Matters: The server issues one certificate after the other, and the device has none that it uses.
    Do: Look at the findings about the issued certificate and the answer, and into the client's log for why it refuses it.
    Not: A fault of the CA: it issued.
    """
    loops = {each.number: each for each in looping(view)}
    for each in loops.values():
        yield Evidence(
            f"{each.client} gets SUCCESS again and again, in frame {each.reply_frame} too, and enrolls each time anew: {count(len(loops), 'answer')} in all.",
            (Fact(each.reply_frame, "CertRep.signedAttrs.pkiStatus", "0"), Fact(each.frame, "PKCSReq", "again")),
            severity=Severity.ERROR,
            transaction=each.transaction,
            exchange=each.number,
        )
    for earlier, each in _again(view):
        if each.number not in loops:
            yield Evidence(
                f"{each.client} got SUCCESS in frame {earlier.reply_frame} and enrolls again {seconds(each.time_ns - (earlier.answered_ns or each.time_ns))} later.",
                (Fact(earlier.reply_frame, "CertRep.signedAttrs.pkiStatus", "0"), Fact(each.frame, "PKCSReq", "again")),
                transaction=each.transaction,
                exchange=each.number,
            )


@rule.capture(INFO, "seize-the-dave/jscep#97", strength=INFERRED)
def certrep_cipher_not_the_requests(view: CaptureView) -> Found:
    """The answer is encrypted with another cipher than the request.

    Seen: contentEncryptionAlgorithm of the CertRep is not that of the request.
    Why: The server has a fixed cipher for its answers.
    Matters: SCEP does not say that both must be the same; but a client that knows few ciphers can use only what it sent itself (old Cisco IOS: 3DES).
    Do: Set the server's cipher for answers to one that this client knows.
    Do (scepman): AppConfig:SCEPResponseEncryptionAlgorithm: 2.16.840.1.101.3.4.1.42 is AES-256, .2 AES-128.
    Do (step-ca): `step ca provisioner update NAME --encryption-algorithm-identifier N`: 0 is DES-CBC, 1 AES-128-CBC, 2 AES-256-CBC.
    Do (ios-client): Newer IOS trains know AES; `debug crypto pki messages` shows E_ENCRYPT_ALG_NOT_SUPPORTED where it does not.
    Not: A fault where the client goes on to use its certificate.
    """
    loops = {each.number for each in looping(view)}
    again = {earlier.number for earlier, _ in _again(view)}
    for each in _first_legs(view):
        if (
            each.status != PkiStatus.SUCCESS
            or not each.cipher
            or not each.reply_cipher
            or each.cipher == each.reply_cipher
        ):
            continue
        stuck = each.number in loops or each.number in again
        yield Evidence(
            f"The request is encrypted with {each.cipher}, the answer with {each.reply_cipher}"
            + ("; the client asks again." if stuck else "."),
            (
                Fact(each.frame, "contentEncryptionAlgorithm", each.cipher),
                Fact(each.reply_frame, "CertRep.contentEncryptionAlgorithm", each.reply_cipher),
            ),
            severity=(Severity.ERROR if each.number in loops else Severity.WARNING)
            if stuck and each.client_product in _FEW_CIPHERS
            else None,
            transaction=each.transaction,
            exchange=each.number,
        )


_FEW_CIPHERS = frozenset({"ios-client", "cisco-asa", None})
"""Clients that may know only the cipher that they send."""


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


def looping(view: CaptureView) -> list[Attempt]:
    """The successes of clients that got three or more in a row and asked again after each but the last."""
    chains: dict[int, list[Attempt]] = {}
    for earlier, each in _again(view):
        chain = chains.pop(earlier.number, [earlier])
        chains[each.number] = [*chain, each] if each.status == PkiStatus.SUCCESS else chain
    return [each for chain in chains.values() if len(chain) >= _STORM for each in chain]
