"""The certificates that GetCACert gives: can a client encrypt for them, verify with them, trust them (RFC 8894, Section 4.2)."""

import hashlib
import itertools
from datetime import timedelta

from scep_analyzer.model.certificates import Certificate
from scep_analyzer.model.findings import Evidence, Fact, Severity
from scep_analyzer.model.scep import CaCertificates, Outcome
from scep_analyzer.rules._rule import ERROR, INFERRED, INFO, WARNING, Found, rule
from scep_analyzer.rules._views import CaptureView, View
from scep_analyzer.rules._words import ROLES, certificate_words, count, day, long, serial, shown, usage_words
from scep_analyzer.rules.http_status import said, status_fact

_SOON = timedelta(days=60)
_APPLE = ("cfnetwork", "mdmclient", "profiled", "certificateservice", "darwin")


def _path(certificate: Certificate) -> str:
    return f"{ROLES.get(certificate.role or '', 'certificate')} {certificate.subject}"


def _succeeded(view: View) -> bool:
    """Whether the enrollment went well all the same."""
    return (
        view.transaction is not None and view.transaction.outcome is Outcome.SUCCESS and bool(view.transaction.subject)
    )


def _milder(view: View, to: Severity) -> Severity | None:
    return to if _succeeded(view) else None


def _encrypts(certificate: Certificate) -> bool:
    usage = certificate.key_usage
    key = certificate.public_key
    return key is not None and key.algorithm.startswith("rsa") and (usage is None or "keyEncipherment" in usage)


def _signs(certificate: Certificate) -> bool:
    return certificate.key_usage is None or "digitalSignature" in certificate.key_usage


def _ras(offer: CaCertificates) -> list[Certificate]:
    return [each for each in offer.certificates if (each.role or "").startswith("ra")]


@rule.exchange(ERROR, "RFC 8894, Section 4.2")
def cacert_failed(view: View) -> Found:
    """The server gives no CA certificates.

    Seen: GetCACert is answered with an HTTP error, with nothing, or with something that holds no certificates.
    Why: The service does not run (NDES events 7, 8, 10), or the CA identifier or the path is wrong.
    Do: See the finding about the HTTP answer.
    Not: The client's rejection of the certificates: none came.
    """
    if view.operation not in ("GetCACert", "GetCACertChain") or view.answer is None or view.understood:
        return
    if not view.answer.complete and view.answer.status == 200:
        return  # body-length-mismatch, or a gap
    what = view.exchange.response_kind or ("nothing" if not view.answer.body.length else f"HTTP {view.status}")
    yield Evidence(
        f"{view.operation} is answered with HTTP {view.status}, {what}{said(view)}; the client has no certificate to encrypt for.",
        (status_fact(view), view.a("http.file_data", what)),
    )


@rule.exchange(ERROR, "RFC 8894, Section 4.2.1")
def cacert_pem_or_base64(view: View) -> Found:
    """The CA certificates come as text.

    Seen: PEM or base64 in the body of the answer to GetCACert.
    Why: The server or a reverse proxy serves a file from its disk.
    Do: Serve DER.
    Not: A wrong certificate: undone, it can be read.
    """
    odd = view.odd("body-pem", "body-base64")
    if view.operation in ("GetCACert", "GetCACertChain") and odd is not None and view.answer is not None:
        if odd.frames == view.answer.frames:
            form = "PEM" if odd.code == "body-pem" else "base64"
            yield Evidence(
                f"The answer to {view.operation} is {form}, where DER belongs.", (view.a("http.file_data", form),)
            )


@rule.offer(ERROR, "RFC 8894, Section 2.1.2", "obvus.be, In the land of NDES")
def cacert_no_encryption_cert(view: View, offer: CaCertificates) -> Found:
    """No certificate is there to encrypt for.

    Seen: RA certificates, but none with an RSA key and keyEncipherment, the CA's own included.
    Why: The RA's encryption certificate is missing, was archived, or was issued without keyEncipherment.
    Matters: A client that looks at keyUsage finds nothing to encrypt its request for, and stops here.
    Do: Issue the RA's encryption certificate with an RSA key and the keyUsage keyEncipherment, and let the server give it out.
    Do (ndes): Enroll the template "CEP Encryption" again into the computer's store, give the service account Read on its private key, then `iisreset`.
    Do (step-ca): Give the provisioner an RSA decrypter certificate with keyEncipherment.
    Do (openxpki): Issue the RA token's certificate with keyUsage keyEncipherment and add it with `oxi token add`.
    Not: A fault of the client.
    """
    ras = _ras(offer)
    rsa = [
        each
        for each in offer.certificates
        if each.public_key is not None and each.public_key.algorithm.startswith("rsa")
    ]
    if ras and rsa and not any(map(_encrypts, offer.certificates)):
        yield Evidence(
            f"None of the {count(len(offer.certificates), 'certificate')} may be encrypted for: "
            f"{'; '.join(f'{each.subject}: {usage_words(each)}' for each in offer.certificates[:4])}.",
            tuple(view.a(f"keyUsage of {_path(each)}", usage_words(each)) for each in offer.certificates[:4]),
        )


@rule.offer(ERROR, "RFC 8894, Section 2.1.2", "obvus.be, In the land of NDES")
def cacert_no_signing_cert(view: View, offer: CaCertificates) -> Found:
    """No certificate is there that may sign answers.

    Seen: RA certificates, but none with digitalSignature, the CA's own included.
    Why: NDES's Exchange Enrollment Agent certificate is missing.
    Do: Enroll the RA certificates again (template Exchange Enrollment Agent, offline request) and restart IIS.
    Not: A fault of the client.
    """
    if not _ras(offer) or any(map(_signs, _ras(offer))):
        return
    signing_ca = any(map(_signs, offer.certificates))
    if not signing_ca or not _succeeded(view):
        yield Evidence(
            f"None of the {count(len(offer.certificates), 'certificate')} has digitalSignature."
            if not signing_ca
            else f"Of the RA's {count(len(_ras(offer)), 'certificate')} none has digitalSignature; only a CA's has.",
            tuple(view.a(f"keyUsage of {_path(each)}", usage_words(each)) for each in offer.certificates[:4]),
            strength=INFERRED if signing_ca else None,
        )


@rule.offer(WARNING, "NeySlim/ultimate-ca-manager#228", "openxpki/openxpki-config#14")
def cacert_ra_no_keyusage(view: View, offer: CaCertificates) -> Found:
    """An RA certificate does not say what it is for.

    Seen: An RA certificate without keyUsage, or without extendedKeyUsage.
    Why: It was made by hand.
    Do: Issue it with digitalSignature and keyEncipherment, and with the purpose Certificate Request Agent or serverAuth: Windows looks for them.
    Not: A wrong certificate for clients that do not look.
    """
    for each in _ras(offer):
        missing = [
            name
            for name, value in (("keyUsage", each.key_usage), ("extendedKeyUsage", each.extended_key_usage))
            if value is None
        ]
        if missing:
            yield Evidence(
                f"The RA certificate {certificate_words(each)} has no {' and no '.join(missing)}.",
                tuple(view.a(f"{name} of {each.subject}", "absent") for name in missing),
                severity=Severity.INFO if "keyUsage" not in missing else _milder(view, Severity.INFO),
            )


@rule.offer(WARNING, "RFC 8894, Section 2.1.2", "micromdm/scep#197")
def cacert_ca_missing_usage(view: View, offer: CaCertificates) -> Found:
    """The CA's certificate may not do what it must do here.

    Seen: The CA is alone, and its keyUsage lacks digitalSignature or keyEncipherment.
    Why: The CA certificate's profile foresees only the signing of certificates.
    Do: Issue it anew with both, or give the server an RA certificate.
    Not: A fault for clients that do not look at keyUsage.
    """
    usage = offer.certificates[0].key_usage
    if _ras(offer) or usage is None:
        return
    cas = [each for each in offer.certificates if each.is_ca]
    if not cas or any(_encrypts(each) and _signs(each) for each in cas):
        return
    missing = [
        name for name, has in (("digitalSignature", _signs), ("keyEncipherment", _encrypts)) if not any(map(has, cas))
    ]
    if missing:
        yield Evidence(
            f"The CA certificate {cas[0].subject} must sign answers and be encrypted for, but its keyUsage lacks {' and '.join(missing)}.",
            (view.a(f"keyUsage of {cas[0].subject}", usage_words(cas[0])),),
            severity=_milder(view, Severity.INFO),
        )


@rule.offer(WARNING, "RFC 8894, Section 4.2.1.2", "NeySlim/ultimate-ca-manager#101")
def cacert_ra_type_without_ra(view: View, offer: CaCertificates) -> Found:
    """A chain of CAs is sent under the type that some clients read as "RA".

    Seen: application/x-x509-ca-ra-cert around CA certificates only.
    Why: The server sends its chain, and RFC 8894 gives a chain this type: no special meaning is attached to its name.
    Matters: Apple's clients and those of the old drafts look for an RA certificate in it, find none, and stop (Apple: -67731).
    Do: For such clients let the server send its one CA certificate as application/x-x509-ca-cert, or a real RA certificate in the set.
    Do (ucm): Set `scep_getcacert_chain` to false, which is its default.
    Do (step-ca): `step ca provisioner update NAME --exclude-intermediate`, or give it a decrypter certificate.
    Not: A fault of the server by RFC 8894, nor for clients that look at the certificates only.
    """
    if view.content_type == "application/x-x509-ca-ra-cert" and offer.form != "x509" and not _ras(offer):
        agent = (view.request_header("user-agent") or "").lower()
        stopped = view.transaction is not None and all(
            each.operation != "PKIOperation" for each in view.transaction.exchanges
        )
        apple = any(each in agent for each in _APPLE)
        yield Evidence(
            f"The type x-x509-ca-ra-cert stands over a chain of CAs without an RA certificate: all {count(len(offer.certificates), 'certificate')} are those of CAs"
            + ("; the client, Apple's, then stopped." if apple and stopped else "."),
            (
                view.a("http.content_type", view.content_type),
                *(view.a("certificate", certificate_words(each)) for each in offer.certificates[:4]),
            ),
            severity=Severity.ERROR if apple and stopped else _milder(view, Severity.INFO),
        )


@rule.offer(WARNING, "RFC 5280, Section 6.1", "NeySlim/ultimate-ca-manager#228")
def cacert_chain_incomplete(view: View, offer: CaCertificates) -> Found:
    """The chain ends before a root.

    Seen: A CA certificate in the set was issued by one that is not in it.
    Why: The server sends the issuing CA and its RAs only; NDES does.
    Do: Install the missing CA certificates on the client by other means, or let the server send them.
    Not: A fault where the client has them already.
    """
    for each in offer.certificates:
        if each.is_ca and not each.self_issued and each.issuer_index is None:
            yield Evidence(
                f"The issuer of {certificate_words(each)}, {shown(each.issuer)}, is not in the set.",
                (view.a(f"issuer of {each.subject}", each.issuer),),
                severity=_milder(view, Severity.INFO),
            )


@rule.offer(ERROR, "RFC 5280, Section 6.1", "argonsys.com, NDES and the dreaded 2 and 10 event ids")
def cacert_chain_unlinked(view: View, offer: CaCertificates) -> Found:
    """A certificate of the set was not issued by its CA.

    Seen: The issuer's name of an RA certificate fits none of the CAs in the set, or a signature fails.
    Why: The RA certificates come from another CA than the one that NDES is configured for; it will not start then.
    Do: Enroll the RA certificates from the configured CA.
    Not: A missing root: the certificate's own issuer is what is missing.
    """
    cas = [each for each in offer.certificates if each.is_ca]
    for each in offer.certificates:
        if each.issuer_signature.valid is False:
            yield Evidence(
                f"The signature of {certificate_words(each)} was not made with the key of {shown(each.issuer)}.",
                (view.a(f"signature of {each.subject}", each.issuer_signature.reason),),
            )
        elif cas and not each.is_ca and each.issuer_index is None and not each.self_issued:
            yield Evidence(
                f"{certificate_words(each)} was issued by {shown(each.issuer)}, which is none of the CAs in the set ({', '.join(ca.subject for ca in cas[:3])}).",
                (
                    view.a(f"issuer of {each.subject}", each.issuer),
                    view.a("CAs", ", ".join(ca.subject for ca in cas[:3])),
                ),
                severity=_milder(view, Severity.WARNING),
            )


@rule.exchange(ERROR, "RFC 5280, Section 4.1.2.5", "learn.microsoft.com, Troubleshooting NDES events 2 and 10")
def cacert_expired(view: View) -> Found:
    """A CA or RA certificate has expired.

    Seen: notAfter lies before the time of the packet.
    Why: The RA certificates were forgotten: they live a year or two, and most servers do not renew them by themselves.
    Matters: Clients refuse the certificates, or the server itself cannot use its key any more and fails on every request.
    Do: Renew the expired certificate on the server, then let the clients fetch the certificates again.
    Do (ndes): Enroll "CEP Encryption" (computer store) and "Exchange Enrollment Agent (Offline request)" (as a user with an exportable key, then import it into
        LocalMachine\\My) again, with the same subject; give the service account Read on both private keys; then `iisreset`. Events 2 and 10 tell what is missing.
    Do (step-ca): Make a new RSA decrypter and name it: `step ca provisioner update NAME --scep-decrypter-certificate-file CRT --scep-decrypter-key-file KEY`,
        then restart step-ca.
    Do (ejbca): Renew the RA's or CA's certificate in the Admin GUI and activate its crypto token.
    Do (openxpki): `oxi token add --realm REALM --type scep --cert ratoken.crt --key ratoken.key`.
    Do (scepman): The root lives ten years and is not renewed: set up a second instance and point new profiles at it.
    Do (cisco-ise): Renew the NDES behind it, then create the SCEP RA profile again: ISE keeps the old RA certificates.
    Do (ios-ca): `show crypto pki server` tells until when; switch `auto-rollover` on before the next time.
    Not: A wrong clock of the client, unless the HTTP Date agrees with the certificate.
    """
    for each in _given_or_used(view):
        if view.answered is not None and each.not_after is not None and each.not_after < view.answered:
            yield Evidence(
                f"{certificate_words(each)} expired on {day(each.not_after)}, {long(view.answered - each.not_after)} before this answer.",
                (view.a(f"notAfter of {each.subject}", day(each.not_after)), view.a("frame.time", day(view.answered))),
                severity=Severity.INFO if _out_of_time_by_the_capture(view, each) else _milder(view, Severity.WARNING),
            )


def _given_or_used(view: View) -> tuple[Certificate, ...]:
    """The certificates that this answer gives; or the one that this request is encrypted for, where the client fetched it another time."""
    content, message, whole = view.exchange.response, view.request, view.transaction
    if isinstance(content, CaCertificates):
        return content.certificates
    if message is None or message.envelope is None or whole is None:
        return ()
    if any(isinstance(each.response, CaCertificates) for each in whole.exchanges):
        return ()  # told there
    recipients = (view.offered.get(each.identity) for each in message.envelope.recipients if each.identity is not None)
    return tuple(found[0] for found in recipients if found is not None)


def _out_of_time_by_the_capture(view: View, certificate: Certificate) -> bool:
    """Whether a certificate is out of its time only because the capturing host's clock is wrong."""
    begin, end = certificate.not_before, certificate.not_after
    return begin is not None and end is not None and view.by_the_capture_alone(lambda moment: begin <= moment <= end)


@rule.offer(ERROR, "RFC 5280, Section 4.1.2.5")
def cacert_not_yet_valid(view: View, offer: CaCertificates) -> Found:
    """A CA or RA certificate is not valid yet.

    Seen: notBefore lies after the time of the packet.
    Why: The clock of the CA is ahead, or that of the capturing host behind.
    Do: Set the clocks (NTP).
    Not: An expired certificate.
    """
    for each in offer.certificates:
        if (
            view.answered is not None
            and each.not_before is not None
            and each.not_before > view.answered + timedelta(seconds=60)
        ):
            yield Evidence(
                f"{certificate_words(each)} is valid from {day(each.not_before)}, {long(each.not_before - view.answered)} after this answer.",
                (
                    view.a(f"notBefore of {each.subject}", day(each.not_before)),
                    view.a("frame.time", day(view.answered)),
                ),
                severity=Severity.INFO if _out_of_time_by_the_capture(view, each) else None,
            )


@rule.offer(WARNING, "spirhed.com, Renewing NDES Service Certificates the Right Way")
def cacert_ra_expires_soon(view: View, offer: CaCertificates) -> Found:
    """An RA certificate expires within two months.

    Seen: notAfter lies less than 60 days after the packet.
    Why: It ages; NDES does not renew it.
    Do: Plan the renewal now: when it has expired, every enrollment fails.
    Not: The cause of a failure today.
    """
    for each in _ras(offer):
        if (
            view.answered is not None
            and each.not_after is not None
            and timedelta(0) <= each.not_after - view.answered < _SOON
        ):
            yield Evidence(
                f"The RA certificate {certificate_words(each)} expires on {day(each.not_after)}, in {long(each.not_after - view.answered)}.",
                (view.a(f"notAfter of {each.subject}", day(each.not_after)),),
            )


@rule.offer(WARNING, "NIST SP 800-131A")
def cacert_weak_key(view: View, offer: CaCertificates) -> Found:
    """A CA or RA certificate has a short key.

    Seen: RSA with less than 2048 bits.
    Why: An old certificate.
    Do: Renew it with 2048 bits or more: who breaks the RA's key can read every challenge password that was ever captured.
    Not: The cause of a refusal, as a rule.
    """
    for each in offer.certificates:
        key = each.public_key
        if key is not None and key.algorithm.startswith("rsa") and key.bits is not None and key.bits < 2048:
            yield Evidence(
                f"{certificate_words(each)} has an RSA key of {key.bits} bits.",
                (view.a(f"subjectPublicKey of {each.subject}", f"RSA {key.bits}"),),
                severity=Severity.ERROR if key.bits < 1024 else None,
            )


@rule.offer(WARNING, "RFC 8894, Section 7.9")
def cacert_weak_signature(view: View, offer: CaCertificates) -> Found:
    """A certificate is signed with MD5 or SHA-1.

    Seen: md5WithRSAEncryption or sha1WithRSAEncryption on a certificate that is no root.
    Why: An old CA.
    Do: Issue it anew with SHA-256.
    Not: A fault on a root: nobody checks a root's own signature.
    """
    for each in offer.certificates:
        name = (each.signature_algorithm or "").lower()
        if not each.self_issued and ("md5" in name or "sha1" in name):
            yield Evidence(
                f"{certificate_words(each)} is signed with {each.signature_algorithm}.",
                (view.a(f"signatureAlgorithm of {each.subject}", each.signature_algorithm),),
            )


@rule.offer(ERROR, "RFC 8894, Section 3.1", "docs.aws.amazon.com, Connector for SCEP, Troubleshooting")
def cacert_not_rsa(view: View, offer: CaCertificates) -> Found:
    """No certificate has an RSA key.

    Seen: Only EC or other keys in the answer to GetCACert.
    Why: The CA uses EC keys.
    Do: Give the SCEP service an RSA certificate for decryption (an RA).
    Not: A fault of the client: SCEP encrypts with RSA.
    """
    keys = [each.public_key for each in offer.certificates]
    if keys and all(key is not None and not key.algorithm.startswith("rsa") for key in keys):
        kinds = ", ".join(sorted({key.algorithm for key in keys if key is not None}))
        yield Evidence(
            f"Of the {count(len(keys), 'certificate')} none has an RSA key ({kinds}); a client cannot encrypt for them.",
            tuple(
                view.a(f"subjectPublicKey of {each.subject}", each.public_key.algorithm if each.public_key else "?")
                for each in offer.certificates[:4]
            ),
        )


@rule.offer(INFO, "seize-the-dave/jscep#35")
def cacert_one_cert_for_both(view: View, offer: CaCertificates) -> Found:
    """One certificate signs and decrypts.

    Seen: A single certificate for both, the CA's or an RA's.
    Why: Usual outside NDES.
    Do: Nothing. A few clients want two RA certificates.
    Not: A fault.
    """
    able = [each for each in offer.certificates if _encrypts(each) and _signs(each)]
    alone = [each for each in offer.certificates if _encrypts(each) != _signs(each) and not each.is_ca]
    if able and not alone:
        chosen = next((each for each in able if not each.is_ca), able[0])
        yield Evidence(
            f"{certificate_words(chosen)} both signs and decrypts.",
            (view.a(f"keyUsage of {chosen.subject}", usage_words(chosen)),),
        )


@rule.offer(INFO, "X.690, Section 11.6", "mosen/SCEPy#2")
def cacert_order(view: View, offer: CaCertificates) -> Found:
    """The certificates are not in the order of the chain.

    Seen: A CA stands before a certificate that it issued.
    Why: DER sorts the elements of a set.
    Do: Nothing: a client must find issuers by name and signature, not by place.
    Not: A fault.
    """
    for at, each in enumerate(offer.certificates):
        if each.issuer_index is not None and each.issuer_index < at:
            issuer = offer.certificates[each.issuer_index]
            yield Evidence(
                f"{issuer.subject} stands before {each.subject}, which it issued.",
                (view.a("certificates", f"{each.issuer_index + 1} before {at + 1}"),),
            )
            return


@rule.capture(WARNING, "RFC 8894, Section 4.2")
def cacert_changed(view: CaptureView) -> Found:
    """One URL gives other CA or RA certificates than before.

    Seen: Two answers to GetCACert of the same server hold different certificates of the RA, or of the CA where there is none.
    Why: The RA certificates were renewed, or unequal servers stand behind one name.
    Do: Refresh the clients; make the servers equal.
    Not: A fault of the client.
    """
    for server, offers in view.memory.all_offers():
        for earlier, later in itertools.pairwise(offers):
            if earlier.path != later.path:
                continue
            before, after = _acting(earlier.content), _acting(later.content)
            if before != after:
                yield Evidence(
                    f"{server} gives {_named(after - before)} in frame {later.frame}, and gave {_named(before - after)} in frame {earlier.frame}.",
                    (
                        Fact(earlier.frame, "certificates", _named(before)),
                        Fact(later.frame, "certificates", _named(after)),
                    ),
                )
                break


def _named(identities: set[tuple[str, str]]) -> str:
    return ", ".join(map(serial, sorted(identities)[:3])) or "none of the others"


def _acting(content: CaCertificates) -> set[tuple[str, str]]:
    """The certificates that clients use: the RA's, else the CA's."""
    return {each.identity for each in _ras(content)} or {each.identity for each in content.certificates}


@rule.offer(INFO, "RFC 8894, Section 2.2")
def cacert_fingerprints(view: View, offer: CaCertificates) -> Found:
    """The fingerprints of the CA's certificates.

    Seen: Always, for each certificate that GetCACert gives.
    Why: Whoever installs a CA certificate has to compare its fingerprint by another way.
    Do: Compare with the trustpoint, the profile, or the administration page.
    Not: A fault.
    """
    for each in offer.certificates:
        md5 = hashlib.md5(each.encoded, usedforsecurity=False).hexdigest()
        yield Evidence(
            f"{certificate_words(each)}: SHA-256 {each.fingerprint_sha256}, SHA-1 {each.fingerprint_sha1}, MD5 {md5}.",
            (view.a(f"fingerprint of {each.subject}", each.fingerprint_sha256),),
        )


@rule.offer(WARNING, "obvus.be, In the land of NDES")
def cacert_many_ra(view: View, offer: CaCertificates) -> Found:
    """Several certificates fit the same purpose.

    Seen: More than one RA certificate for encryption, or for signing.
    Why: Old RA certificates were left in the store; NDES takes the newest.
    Do: Remove the old ones: a client may take the wrong one.
    Not: A fault where the client picks well.
    """
    for role, purpose in (("ra-encryption", "encryption"), ("ra-signing", "signing"), ("ra", "signing and encryption")):
        found = [each for each in offer.certificates if each.role == role]
        if len({each.fingerprint_sha256 for each in found}) > 1:
            yield Evidence(
                f"{len(found)} RA certificates are for {purpose}: {', '.join('serial ' + each.serial_number for each in found[:4])}.",
                tuple(view.a(f"keyUsage of {each.serial_number}", usage_words(each)) for each in found[:4]),
                severity=_milder(view, Severity.INFO),
            )


@rule.exchange(INFO, "RFC 8894, Section 4.7")
def nextca_failed(view: View) -> Found:
    """There is no certificate of a next CA yet.

    Seen: GetNextCACert is answered with an error.
    Why: The CA has no rollover certificate: this is how servers say so, also those that offer GetNextCACert.
    Matters: Nothing, until the CA's own certificate is about to expire.
    Do: Nothing before a rollover. To have one made in time, switch rollover on at the CA.
    Do (ios-ca): `auto-rollover 90` under `crypto pki server`; `show crypto pki server` tells when the next certificate comes.
    Do (ejbca): Create the rollover certificate when the CA is to be renewed.
    Not: A wrong path, and no fault of the enrollment.
    """
    if view.operation == "GetNextCACert" and view.answer is not None and not view.understood:
        offered = view.offers_word("getnextcacert")
        yield Evidence(
            f"GetNextCACert, {'which the server offers, ' if offered else ''}is answered with HTTP {view.status}{said(view)}.",
            (status_fact(view),),
        )


@rule.offer(ERROR, "RFC 8894, Section 4.7.1")
def nextca_bad_signature(view: View, offer: CaCertificates) -> Found:
    """The next CA's certificates are not signed by the present CA.

    Seen: The answer to GetNextCACert is unsigned, signed by a certificate that GetCACert did not give, or its signature fails.
    Why: A fault of the server, or somebody on the way offers another CA.
    Do: Do not trust these certificates.
    Not: A missing rollover certificate.
    """
    if view.operation != "GetNextCACert":
        return
    known = view.offered
    if offer.signer_identity is None:
        what = "is not signed"
    elif known and offer.signer_identity not in known:
        what = f"is signed by {serial(offer.signer_identity)}, which GetCACert did not give"
    elif offer.signature.valid is False:
        what = f"has a signature that {offer.signature.reason}"
    else:
        return
    yield Evidence(
        f"The set of {count(len(offer.certificates), 'certificate')} for the next CA {what}.",
        (view.a("SignerInfo.sid", serial(offer.signer_identity) if offer.signer_identity else "none"),),
    )
