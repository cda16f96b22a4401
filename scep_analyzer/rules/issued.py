"""The certificate that came back; readable with the client's key, or where the server also sends it in the clear."""

from datetime import timedelta

from scep_analyzer.model.certificates import Certificate
from scep_analyzer.model.findings import Evidence, Fact, Severity
from scep_analyzer.model.scep import PkiMessage, PkiStatus
from scep_analyzer.rules._rule import ERROR, INFO, POSSIBLE, WARNING, Found, rule
from scep_analyzer.rules._views import CaptureView, View
from scep_analyzer.rules._words import certificate_words, count, day, long, shown
from scep_analyzer.rules.transactions import looping

_TOLERANCE = timedelta(minutes=1)
_MORE_THAN_ONE = 1_400
"""Encrypted bytes of an answer that hold more than one certificate of the usual size."""


def _requested_key(view: View) -> str | None:
    """The fingerprint of the key that the certificate should hold: the request's, else the self-signed requester's."""
    csr = view.csr
    if csr is not None and csr.public_key is not None:
        return csr.public_key.fingerprint
    signer = view.request.signer if view.request is not None else None
    if signer is not None and signer.self_issued and signer.public_key is not None:
        return signer.public_key.fingerprint
    return None


def _inside(reply: PkiMessage) -> tuple[Certificate, ...]:
    content = reply.envelope.content if reply.envelope is not None else None
    return content.certificates if content is not None else ()


def _key(certificate: Certificate) -> str | None:
    return certificate.public_key.fingerprint if certificate.public_key is not None else None


@rule.issued(ERROR, "RFC 8894, Section 3.3.2.1")
def issued_key_differs(view: View, reply: PkiMessage) -> Found:
    """The issued certificate is for another key.

    Seen: Its public key is not that of the request.
    Why: The server mixes up answers, or the CA made the key itself.
    Do: Do not install it: the client has no private key for it.
    Not: A renewal with a new key, where the request says which.
    """
    wanted, issued = _requested_key(view), reply.issued
    if issued is not None and wanted is not None and _key(issued) not in (wanted, None):
        yield Evidence(
            f"The issued certificate, serial {issued.serial_number}, is for key {(_key(issued) or '?')[:16]}…, the request was for {wanted[:16]}….",
            (view.a("certificate.subjectPublicKey", _key(issued)), view.q("PKCS#10.subjectPKInfo", wanted)),
        )


@rule.issued(WARNING, "inverse-inc/packetfence#810")
def issued_subject_rewritten(view: View, reply: PkiMessage) -> Found:
    """The issued certificate has another subject than was asked for.

    Seen: Its subject differs from that of the request.
    Why: The template builds the subject from Active Directory, or the CA's policy changes it.
    Do: Set the template to "Supply in the request".
    Not: A wrong certificate where the policy means it.
    """
    csr, issued = view.csr, reply.issued
    if csr is not None and issued is not None and csr.subject and csr.subject != issued.subject:
        same = sorted(csr.subject.lower().split(",")) == sorted(issued.subject.lower().split(","))
        yield Evidence(
            f"Asked for was {shown(csr.subject)}, issued was {shown(issued.subject)}.",
            (view.a("certificate.subject", issued.subject), view.q("PKCS#10.subject", csr.subject)),
            severity=Severity.INFO if same else None,
        )


@rule.issued(WARNING, "certnanny/sscep, README")
def issued_san_changed(view: View, reply: PkiMessage) -> Found:
    """The issued certificate has other alternative names than were asked for.

    Seen: The subjectAltNames differ.
    Why: The CA's policy, or it does not read the attribute that the client put them into.
    Do: Change the policy, or use extensionRequest.
    Not: A fault where the CA adds names.
    """
    csr, issued = view.csr, reply.issued
    if csr is None or issued is None:
        return
    missing = [each for each in csr.subject_alt_names if each not in issued.subject_alt_names]
    added = [each for each in issued.subject_alt_names if each not in csr.subject_alt_names]
    if missing or (added and csr.subject_alt_names):
        what = "; ".join(
            f"{word} {shown(', '.join(each))}" for word, each in (("without", missing), ("with", added)) if each
        )
        yield Evidence(
            f"The certificate was issued {what}.",
            (
                view.a("certificate.subjectAltName", ", ".join(issued.subject_alt_names) or "none"),
                view.q("PKCS#10.subjectAltName", ", ".join(csr.subject_alt_names) or "none"),
            ),
            severity=None if missing else Severity.INFO,
        )


@rule.issued(WARNING, "MicrosoftDocs/windows-itpro-docs#8899")
def issued_usage_differs(view: View, reply: PkiMessage) -> Found:
    """The issued certificate is for other uses than were asked for.

    Seen: keyUsage or extendedKeyUsage differ from the request's.
    Why: NDES chose another template by the keyUsage in the request.
    Do: Put the right template into the registry value that csr-keyusage-picks-template names.
    Not: A fault where the template means it.
    """
    csr, issued = view.csr, reply.issued
    if csr is None or issued is None:
        return
    pairs = (
        ("keyUsage", csr.key_usage, issued.key_usage),
        ("extendedKeyUsage", csr.extended_key_usage, issued.extended_key_usage),
    )
    wrong = [(name, asked, got) for name, asked, got in pairs if asked is not None and set(asked) != set(got or ())]
    if wrong:
        yield Evidence(
            "; ".join(
                f"Asked for was {name} {', '.join(asked)}, issued {', '.join(got or ()) or 'none'}"
                for name, asked, got in wrong
            )
            + ".",
            tuple(view.a(f"certificate.{name}", ", ".join(got or ()) or "none") for name, _, got in wrong),
            severity=None if any(set(asked) - set(got or ()) for _, asked, got in wrong) else Severity.INFO,
        )


@rule.issued(WARNING, "RFC 5280, Section 4.1.2.5")
def issued_validity_odd(view: View, reply: PkiMessage) -> Found:
    """The issued certificate is not valid when it should be.

    Seen: It begins after the packet, or after the client's own time; it has ended; or it ends with its CA.
    Why: Clocks disagree, or the CA's own certificate ends soon.
    Do: Set the clocks; renew the CA's certificate.
    Not: A short validity that the template means.
    """
    issued, now = reply.issued, view.answered
    if issued is None or now is None or issued.not_before is None or issued.not_after is None:
        return
    signing = view.request.signing_time if view.request is not None else None
    if issued.not_before > now + _TOLERANCE:
        yield Evidence(
            f"It is valid from {day(issued.not_before)}, {long(issued.not_before - now)} after the answer.",
            (view.a("certificate.notBefore", day(issued.not_before)),),
        )
    elif signing is not None and issued.not_before > signing + timedelta(minutes=5):
        yield Evidence(
            f"It is valid from {day(issued.not_before)}, but by the client's clock it was {day(signing)}.",
            (view.a("certificate.notBefore", day(issued.not_before)), view.q("signedAttrs.signingTime", day(signing))),
        )
    elif issued.not_after < now:
        yield Evidence(
            f"It ended on {day(issued.not_after)}, before the answer.",
            (view.a("certificate.notAfter", day(issued.not_after)),),
        )
    else:
        for certificate, frame in view.offered.values():
            if certificate.subject == issued.issuer and certificate.is_ca and certificate.not_after is not None:
                if abs(certificate.not_after - issued.not_after) <= _TOLERANCE:
                    yield Evidence(
                        f"It ends on {day(issued.not_after)}, with the certificate of its CA: its validity was cut.",
                        (
                            view.a("certificate.notAfter", day(issued.not_after)),
                            Fact(frame, "CA.notAfter", day(certificate.not_after)),
                        ),
                    )
                    return


@rule.issued(WARNING, "certnanny/sscep#189")
def issued_same_certificate(view: View, reply: PkiMessage) -> Found:
    """The same certificate was issued before.

    Seen: Issuer and serial number are those of a certificate in an earlier answer, or of the one that signed the renewal.
    Why: The server remembers the answer to this key or transactionID.
    Do: Use a new key or transactionID for the renewal.
    Not: The same answer seen on two legs.
    """
    issued, request = reply.issued, view.request
    if issued is None:
        return
    if request is not None and request.signer_identity == issued.identity:
        yield Evidence(
            f"The renewal gives back what it was signed with, {view.named(issued.identity)}.",
            (
                view.a("certificate.serialNumber", issued.serial_number),
                view.q("signer.serialNumber", issued.serial_number),
            ),
        )
        return
    first = view.memory.issued.get(issued.identity)
    if first is not None and first.number < view.number and request is not None and first.message != request.sha256:
        yield Evidence(
            f"The certificate with serial {issued.serial_number} was issued before, in frame {first.frame}.",
            (
                view.a("certificate.serialNumber", issued.serial_number),
                Fact(first.frame, "certificate.serialNumber", issued.serial_number),
            ),
        )


@rule.issued(WARNING, "RFC 8894, Section 2.2")
def issued_chain_not_cacert(view: View, reply: PkiMessage) -> Found:
    """Another CA than the offered ones issued the certificate.

    Seen: The issuer of the certificate is none of those that GetCACert gave.
    Why: The RA sends requests to another CA.
    Do: Install that CA's chain on the client, and let GetCACert give it.
    Not: A wrong certificate.
    """
    issued = reply.issued
    if issued is None or not view.offers:
        return
    names = {certificate.subject for certificate, _ in view.offered.values()}
    sent = {each.subject for each in (*_inside(reply), *reply.certificates) if each.is_ca}
    if issued.issuer not in names:
        yield Evidence(
            f"{certificate_words(issued)} was issued by {shown(issued.issuer)}; GetCACert gave {shown('; '.join(sorted(names)[:3]))}.",
            (
                view.a("certificate.issuer", issued.issuer),
                Fact(view.offers[-1].frame, "GetCACert", "; ".join(sorted(names)[:3])),
            ),
            severity=Severity.INFO if issued.issuer in sent else None,
        )


@rule.issued(ERROR, "RFC 8894, Section 3.3.2.1")
def issued_leaf_not_found(view: View, reply: PkiMessage) -> Found:
    """None of the certificates in the answer is for the requester's key.

    Seen: The envelope opens, and no certificate inside has the key of the request.
    Why: The server sends the CA's certificates, or somebody else's.
    Do: Do not install it; report it.
    Not: A closed envelope.
    """
    wanted, inside = _requested_key(view), _inside(reply)
    opened = reply.envelope is not None and reply.envelope.content is not None
    if (
        reply.pki_status == PkiStatus.SUCCESS
        and opened
        and wanted is not None
        and not any(_key(each) == wanted for each in inside)
    ):
        kind = reply.envelope.content.kind if reply.envelope is not None and reply.envelope.content is not None else ""
        if kind != "crl":
            yield Evidence(
                f"Of the {count(len(inside), 'certificate')} in the answer none has the request's key {wanted[:16]}….",
                tuple(view.a("certificate", certificate_words(each)) for each in inside[:4])
                or (view.a("messageData", kind),),
            )


@rule.capture(INFO, "X.690, Section 11.6", "NeySlim/ultimate-ca-manager#228", needs="client")
def issued_order(view: CaptureView) -> Found:
    """The issued certificate is not the first one in the answer.

    Seen: A CA's certificate stands before it; or, where no key opens the answer, an Apple client that gets SUCCESS and asks again and again.
    Why: DER sorts the elements of a set, and a CA's certificate may come first.
    Matters: Apple's clients pair the first certificate with their key, find that it does not fit (22008) and begin again. Others look for their own.
    Do: Let the server send the issued certificate alone, without the chain; the chain is in GetCACert already.
    Do (ndes): NDES sends the chain by itself; leave the issue to the MDM: let it enroll for the device (SCEP proxy), or use another RA in front.
    Do (ucm): Set `scep_getcacert_chain` to false.
    Not: A fault of the server: a set has no order.
    """
    loops = {each.number for each in looping(view)}
    for each in view.memory.attempts:
        apple = each.client_product == "apple"
        if each.leg or each.status != PkiStatus.SUCCESS:
            continue
        stuck = apple and each.number in loops
        if each.before_issued is not None:
            yield Evidence(
                f"{each.before_issued} stands before the issued certificate"
                + ("; the client, Apple's, asks again." if stuck else "."),
                (Fact(each.reply_frame, "certificates[0]", each.before_issued),),
                severity=Severity.ERROR if stuck else None,
                transaction=each.transaction,
                exchange=each.number,
            )
        elif stuck and each.sealed > _MORE_THAN_ONE and each.issued is None:
            yield Evidence(
                f"The answer of frame {each.reply_frame} holds {each.sealed:,} encrypted bytes, which is more than one certificate takes; the client, "
                "Apple's, gets SUCCESS again and again and begins anew.",
                (Fact(each.reply_frame, "CertRep.encryptedContent", f"{each.sealed} bytes"),),
                severity=Severity.ERROR,
                strength=POSSIBLE,
                transaction=each.transaction,
                exchange=each.number,
                title="The issued certificate is probably not the first one in the answer",
            )
