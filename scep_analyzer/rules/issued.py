"""The certificate that came back; readable with the client's key, or where the server also sends it in the clear."""

from datetime import timedelta

from scep_analyzer.model.certificates import Certificate
from scep_analyzer.model.findings import Evidence, Fact, Severity
from scep_analyzer.model.places import called
from scep_analyzer.model.scep import PkiMessage, PkiStatus
from scep_analyzer.rules._rule import ERROR, INFO, POSSIBLE, WARNING, Found, rule
from scep_analyzer.rules._views import CaptureView, View
from scep_analyzer.rules._words import certificate_words, count, day, long, shown
from scep_analyzer.rules.transactions import looping, repeated

_TOLERANCE = timedelta(minutes=1)
_MORE_THAN_ONE = 1_400
"""Encrypted bytes of a response that hold more than one certificate of the usual size."""


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
    """The issued certificate is for a different key.

    Seen: The public key of the issued certificate differs from that of the request.
    Why: The server mixes up the responses to several clients.
    Why: The CA generated the key pair itself.
    Matters: The client has no private key for this certificate and cannot use it.
    Do: Do not install this certificate; revoke it on the CA, then enroll again.
    Not: It is not a renewal with a new key: that new key would be in the request.
    """
    wanted, issued = _requested_key(view), reply.issued
    if issued is not None and wanted is not None and _key(issued) not in (wanted, None):
        yield Evidence(
            f"The issued certificate, serial {issued.serial_number}, is for key {(_key(issued) or '?')[:16]}…; the request is for key {wanted[:16]}….",
            (view.a("certificate.subjectPublicKey", _key(issued)), view.q("PKCS#10.subjectPKInfo", wanted)),
        )


@rule.issued(WARNING, "inverse-inc/packetfence#810")
def issued_subject_rewritten(view: View, reply: PkiMessage) -> Found:
    """The issued certificate has a different subject than the request.

    Seen: The subject of the issued certificate differs from the subject of the request.
    Why: The CA's template builds the subject from a directory such as Active Directory.
    Why: The CA's policy changes the subject.
    Else: On the CA, change the template or policy so that it takes the subject from the request. Then restrict who may use it: the requester can choose
        any name.
    Do (ndes): On the CA, set the template's Subject Name to "Supply in the request" and give Enroll to the NDES service account only: otherwise
        anyone who may enroll can get any name.
    Not: It is not a fault if the CA's policy intends this subject.
    """
    csr, issued = view.csr, reply.issued
    if csr is not None and issued is not None and csr.subject and csr.subject != issued.subject:
        same = sorted(csr.subject.lower().split(",")) == sorted(issued.subject.lower().split(","))
        yield Evidence(
            f"The client requests the subject {shown(csr.subject)}; the CA issues {shown(issued.subject)}.",
            (view.a("certificate.subject", issued.subject), view.q("PKCS#10.subject", csr.subject)),
            severity=Severity.INFO if same else None,
        )


@rule.issued(WARNING, "certnanny/sscep, README")
def issued_san_changed(view: View, reply: PkiMessage) -> Found:
    """The issued certificate has different alternative names than the request.

    Seen: The subjectAltName of the issued certificate differs from that of the request.
    Why: The CA's policy removes or adds names.
    Why: The CA does not read the attribute in which the client sends the names.
    Do: On the CA, allow the names in the template or profile; on the client, send them in the extensionRequest attribute.
    Do (ejbca): In the certificate profile, switch on "Allow Extension Override". Then the requester chooses the names: use it only where the
        requester is trusted.
    Not: It is not a fault if the CA only adds names on purpose.
    """
    csr, issued = view.csr, reply.issued
    if csr is None or issued is None:
        return
    missing = [each for each in csr.subject_alt_names if each not in issued.subject_alt_names]
    added = [each for each in issued.subject_alt_names if each not in csr.subject_alt_names]
    if missing or (added and csr.subject_alt_names):
        what = " and ".join(
            f"{word} {shown(', '.join(each))}" for word, each in (("leaves out", missing), ("adds", added)) if each
        )
        yield Evidence(
            f"The CA {what} in the certificate's subjectAltName.",
            (
                view.a("certificate.subjectAltName", ", ".join(issued.subject_alt_names) or "none"),
                view.q("PKCS#10.subjectAltName", ", ".join(csr.subject_alt_names) or "none"),
            ),
            severity=None if missing else Severity.INFO,
        )


@rule.issued(WARNING, "learn.microsoft.com, Hello for Business, Configure certificate templates on NDES")
def issued_usage_differs(view: View, reply: PkiMessage) -> Found:
    """The issued certificate has different key usages than the request.

    Seen: keyUsage or extendedKeyUsage of the issued certificate differ from those of the request.
    Why: The server issued with another template or profile than intended.
    Why: The template or profile ignores the usages in the request.
    Do: On the CA, correct the usages in the template or profile that issued this certificate.
    Do (ndes): On the NDES server, correct the template in HKLM\\SOFTWARE\\Microsoft\\Cryptography\\MSCEP: NDES picks SignatureTemplate,
        EncryptionTemplate or GeneralPurposeTemplate by the request's keyUsage.
    Do (ndes): On the NDES server, run `iisreset` after the change, then enroll again.
    Do (scepman): In Azure, set `AppConfig:UseRequestedKeyUsages` to true.
    Not: It is not a fault if the template intends these usages.
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
            ". ".join(
                f"The client requests {name} {', '.join(asked)}; the CA issues {', '.join(got or ()) or 'none'}"
                for name, asked, got in wrong
            )
            + ".",
            tuple(view.a(f"certificate.{name}", ", ".join(got or ()) or "none") for name, _, got in wrong),
            severity=None if any(set(asked) - set(got or ()) for _, asked, got in wrong) else Severity.INFO,
        )


@rule.issued(WARNING, "RFC 5280, Section 4.1.2.5")
def issued_validity_odd(view: View, reply: PkiMessage) -> Found:
    """The issued certificate is not valid when it should be.

    Seen: The validity starts after the response or after the client's own time, has already ended, or ends together with the CA's certificate.
    Why: The clocks of the client, the server and the CA differ.
    Why: The CA's own certificate ends soon, and no certificate can be valid longer than its CA's.
    Do: Set the clocks of the client, the server and the CA by NTP. If the validity ends with the CA's, renew the CA certificate.
    Do (scepman): Nothing, if the validity starts one day before the response: `AppConfig:ValidityClockSkewMinutes` is 1440 by default.
    Not: It is not a short validity that the template intends.
    """
    issued, now = reply.issued, view.answered
    if issued is None or now is None or issued.not_before is None or issued.not_after is None:
        return
    signing = view.request.signing_time if view.request is not None else None
    if issued.not_before - now > _TOLERANCE:
        yield Evidence(
            f"The issued certificate is valid from {day(issued.not_before)}, {long(issued.not_before - now)} after the response.",
            (view.a("certificate.notBefore", day(issued.not_before)),),
            title="The issued certificate is not valid yet",
        )
    elif signing is not None and issued.not_before - signing > timedelta(minutes=5):
        yield Evidence(
            f"The issued certificate is valid from {day(issued.not_before)}; the client's clock says {day(signing)}.",
            (view.a("certificate.notBefore", day(issued.not_before)), view.q("signedAttrs.signingTime", day(signing))),
            title="The issued certificate starts after the client's own time",
        )
    elif issued.not_after < now:
        yield Evidence(
            f"The issued certificate expired on {day(issued.not_after)}, before the response.",
            (view.a("certificate.notAfter", day(issued.not_after)),),
            title="The issued certificate has already expired",
        )
    else:
        for certificate, frame in view.offered.values():
            if certificate.subject == issued.issuer and certificate.is_ca and certificate.not_after is not None:
                if abs(certificate.not_after - issued.not_after) <= _TOLERANCE:
                    yield Evidence(
                        f"The issued certificate expires on {day(issued.not_after)}, together with its CA's certificate: the CA shortened its validity.",
                        (
                            view.a("certificate.notAfter", day(issued.not_after)),
                            Fact(frame, "CA.notAfter", day(certificate.not_after)),
                        ),
                        title="The issued certificate expires together with its CA's certificate",
                    )
                    return


@rule.issued(WARNING, "certnanny/sscep#189")
def issued_same_certificate(view: View, reply: PkiMessage) -> Found:
    """The server returns a certificate that was issued before.

    Seen: Issuer and serial number equal those of a certificate in an earlier response, or of the certificate that signed the renewal.
    Why: The server remembers the response to this key or transactionID and sends it again.
    Matters: A renewal brings no longer validity, and the old certificate expires.
    Do: On the client, generate a new key and a new transactionID for the renewal, then retry.
    Do (sscep): On the client, make a new key and request, and call `sscep enroll` with the old ones as `-K old.key -O old.crt`.
    Do (ios-client): On the device, set `auto-enroll 70 regenerate` under the trustpoint.
    Not: It is not the same response seen twice on its way through a proxy.
    """
    issued, request = reply.issued, view.request
    if issued is None:
        return
    if request is not None and request.signer_identity == issued.identity:
        yield Evidence(
            f"The server returns the certificate that signed the renewal: {view.named(issued.identity)}.",
            (
                view.a("certificate.serialNumber", issued.serial_number),
                view.q("signer.serialNumber", issued.serial_number),
            ),
        )
        return
    first = view.memory.issued.get(issued.identity)
    if first is not None and first.number < view.number and request is not None and first.message != request.sha256:
        yield Evidence(
            f"The server returns the certificate with serial {issued.serial_number}, which it already issued in {called(first.frame)}.",
            (
                view.a("certificate.serialNumber", issued.serial_number),
                Fact(first.frame, "certificate.serialNumber", issued.serial_number),
            ),
        )


@rule.issued(WARNING, "RFC 8894, Section 2.2")
def issued_chain_not_cacert(view: View, reply: PkiMessage) -> Found:
    """A different CA issued the certificate than GetCACert returned.

    Seen: The issuer of the certificate matches none of the CA certificates that GetCACert returned.
    Why: The server forwards requests to another CA than the one whose certificates it returns.
    Matters: The client cannot build the chain and may reject the certificate.
    Do: On the client, install the chain of the issuing CA; on the server, include that CA in the response to GetCACert.
    Not: It is not a wrong certificate, if that CA is the intended one.
    """
    issued = reply.issued
    if issued is None or not view.offers:
        return
    names = {certificate.subject for certificate, _ in view.offered.values()}
    sent = {each.subject for each in (*_inside(reply), *reply.certificates) if each.is_ca}
    if issued.issuer not in names:
        yield Evidence(
            f"{certificate_words(issued)} is issued by {shown(issued.issuer)}; GetCACert returned {shown('; '.join(sorted(names)[:3]))}.",
            (
                view.a("certificate.issuer", issued.issuer),
                Fact(view.offers[-1].frame, "GetCACert", "; ".join(sorted(names)[:3])),
            ),
            severity=Severity.INFO if issued.issuer in sent else None,
        )


@rule.issued(ERROR, "RFC 8894, Section 3.3.2.1")
def issued_leaf_not_found(view: View, reply: PkiMessage) -> Found:
    """The response contains no certificate for the client's key.

    Seen: The envelope could be decrypted, and no certificate inside has the public key of the request.
    Why: The server sends only CA certificates.
    Why: The server sends the certificate of another client.
    Matters: The client has no certificate that it can use.
    Do: Do not install these certificates. On the server, check the log at the time of the response and update the software.
    Not: It is not an envelope that could not be decrypted.
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
                f"The response contains {count(len(inside), 'certificate')}, and none has the request's key {wanted[:16]}….",
                tuple(view.a("certificate", certificate_words(each)) for each in inside[:4])
                or (view.a("messageData", kind),),
            )


@rule.capture(INFO, "X.690, Section 11.6", "NeySlim/ultimate-ca-manager#228", needs="client")
def issued_order(view: CaptureView) -> Found:
    """The issued certificate is not the first one in the response.

    Seen: A CA certificate is listed before it; or, where the envelope cannot be decrypted, an Apple client gets SUCCESS and asks again and again.
    Why: DER sorts the certificates of a set by their bytes, so a CA certificate may come first.
    Matters: Apple devices pair the first certificate with their key, find that it does not fit (error 22008) and start again. Other clients search
        for their own certificate.
    Do: On the server, send only the issued certificate in the response: the chain is already in the response to GetCACert.
    Do (ndes): In the MDM, switch on its SCEP proxy, so that the MDM enrolls for the device: NDES always sends the chain.
    Do (ucm): In the SCEP settings of Ultimate CA Manager, set `scep_getcacert_chain` to false.
    Not: It is not a fault of the server by the standard: a set has no order.
    """
    loops, repeats = {each.number for each in looping(view)}, repeated(view)
    for each in view.memory.attempts:
        apple = each.client_product == "apple"
        if each.leg or each.status != PkiStatus.SUCCESS:
            continue
        # One that is seen to come second explains one repetition; a guess from the size needs a loop.
        stuck = apple and (each.number in loops or (each.before_issued is not None and each.number in repeats))
        if each.before_issued is not None:
            yield Evidence(
                f"{each.before_issued} is listed before the issued certificate"
                + ("; the Apple client asks again." if stuck else "."),
                (Fact(each.reply_frame, "certificates[0]", each.before_issued),),
                severity=Severity.ERROR if stuck else None,
                transaction=each.transaction,
                exchange=each.number,
            )
        elif stuck and each.sealed > _MORE_THAN_ONE and each.issued is None:
            yield Evidence(
                f"The response in {called(each.reply_frame)} contains {each.sealed:,} encrypted bytes, more than one certificate needs; the Apple client "
                "gets SUCCESS again and again and starts over.",
                (Fact(each.reply_frame, "CertRep.encryptedContent", f"{each.sealed} bytes"),),
                severity=Severity.ERROR,
                strength=POSSIBLE,
                transaction=each.transaction,
                exchange=each.number,
                title="The issued certificate is probably not the first one in the response",
            )
