"""The certificates that GetCACert returns: can a client encrypt for them, verify with them, trust them (RFC 8894, Section 4.2)."""

import hashlib
import itertools
from datetime import timedelta

from scep_analyzer.model.certificates import Certificate
from scep_analyzer.model.findings import Evidence, Fact, Severity
from scep_analyzer.model.places import called
from scep_analyzer.model.scep import CaCertificates, Outcome
from scep_analyzer.rules._rule import ERROR, INFERRED, INFO, WARNING, Found, rule
from scep_analyzer.rules._views import CaptureView, View
from scep_analyzer.rules._words import ROLES, certificate_words, count, day, long, serial, shown, usage_words
from scep_analyzer.rules.http_status import said, status_fact

_SOON = timedelta(days=60)
_APPLE = ("cfnetwork", "mdmclient", "profiled", "certificateservice", "darwin")


def _path(certificate: Certificate) -> str:
    return f"{ROLES.get(certificate.role or '', 'certificate')} {certificate.subject}"


_KINDS = {"ra": "RA certificate", "ra-signing": "RA signing certificate", "ra-encryption": "RA encryption certificate"}


def _kind(certificate: Certificate) -> str:
    """What a title calls a certificate."""
    return _KINDS.get(certificate.role or "", "CA certificate")


def _succeeded(view: View) -> bool:
    """Whether the enrollment succeeded nevertheless."""
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


@rule.exchange(ERROR, "RFC 8894, Section 4.2", where=("GetCACert", "unread"))
def cacert_failed(view: View) -> Found:
    """The server returns no CA certificates.

    Seen: The server responds to GetCACert with an HTTP error, with an empty body, or with something that contains no certificates.
    Why: The SCEP service does not run.
    Why: The path or the CA identifier in the enrollment URL is wrong.
    Matters: Without the CA certificates the client cannot encrypt a request.
    Do: On the client, check the path and the CA identifier of the enrollment URL; on the server, check that the SCEP service runs and read its log.
    Do (ndes): On the NDES server, read events 2, 7, 8 and 10 in the Application log, and check that the application pool SCEP runs in IIS Manager.
    Do (ejbca): On the client, check that the URL ends in /ejbca/publicweb/apply/scep/ALIAS/pkiclient.exe and that message= contains the CA's name.
    Do (step-ca): On the client, check that the URL ends in /scep/PROVISIONER; `step ca provisioner list` shows the names.
    Do (ios-ca): On the CA router, `show crypto pki server` must say enabled, and `ip http server` must be configured.
    Do (fortiauthenticator): On FortiAuthenticator, enable SCEP under Network > Interface, and choose the CA under Certificate Management > SCEP >
        General.
    Not: It is not the client that rejects certificates: it received none.
    """
    if view.operation not in ("GetCACert", "GetCACertChain") or view.answer is None or view.understood:
        return
    if not view.answer.complete and view.answer.status == 200:
        return  # body-length-mismatch, or a gap
    what = view.exchange.response_kind or ("nothing" if not view.answer.body.length else f"HTTP {view.status}")
    yield Evidence(
        f"The server responds to {view.operation} with HTTP {view.status}"
        + (f" ({what})" if what != f"HTTP {view.status}" else "")
        + f"{said(view)}. The client gets no certificate to encrypt for.",
        (status_fact(view), view.a("http.file_data", what)),
        title=f"The server returns no CA certificates (HTTP {view.status})" if view.status != 200 else None,
    )


@rule.exchange(ERROR, "RFC 8894, Section 4.2.1", where=("GetCACert", "anomaly"))
def cacert_pem_or_base64(view: View) -> Found:
    """The CA certificates are sent as text instead of DER.

    Seen: The body of the response to GetCACert is PEM or base64.
    Why: The server or a reverse proxy returns a file from its disk.
    Matters: Many clients expect binary DER and stop here.
    Do: On the server, return the certificate as binary DER: `openssl x509 -in ca.pem -outform DER -out ca.der` converts it.
    Not: It is not a wrong certificate: decoded, it can be read.
    """
    odd = view.odd("body-pem", "body-base64")
    if view.operation in ("GetCACert", "GetCACertChain") and odd is not None and view.answer is not None:
        if odd.frames == view.answer.frames:
            form = "PEM" if odd.code == "body-pem" else "base64"
            yield Evidence(
                f"The response to {view.operation} is {form}; it must be DER.",
                (view.a("http.file_data", form),),
                title=f"The CA certificates are sent as {form} instead of DER",
            )


@rule.offer(ERROR, "RFC 8894, Section 2.1.2", "obvus.be, In the land of NDES")
def cacert_no_encryption_cert(view: View, offer: CaCertificates) -> Found:
    """The server offers no certificate for encryption.

    Seen: There are RA certificates, and no certificate of the response has an RSA key and the key usage keyEncipherment, not even the CA's.
    Why: The RA's encryption certificate is missing or archived, or it was issued without keyEncipherment.
    Matters: A client that checks key usage finds no certificate to encrypt its request with, and stops here.
    Do: On the server, issue an RA encryption certificate with an RSA key and the key usage keyEncipherment, and include it in the response to
        GetCACert.
    Do (ndes): On the NDES server, enroll the template "CEP Encryption" into LocalMachine\\My, give the service account Read on its private key, then
        run `iisreset`.
    Do (step-ca): Run `step ca provisioner update NAME --scep-decrypter-certificate-file CRT --scep-decrypter-key-file KEY` with an RSA certificate,
        then restart step-ca.
    Do (openxpki): Issue the RA token's certificate with keyEncipherment, then run `oxi token add --realm REALM --type scep --cert ratoken.crt --key
        ratoken.key`.
    Do (ejbca): Reissue the CA certificate with keyEncipherment, or use RA mode with an RA certificate of its own (not in the Community edition).
    Not: It is not a fault of the client.
    """
    ras = _ras(offer)
    rsa = [
        each
        for each in offer.certificates
        if each.public_key is not None and each.public_key.algorithm.startswith("rsa")
    ]
    if ras and rsa and not any(map(_encrypts, offer.certificates)):
        yield Evidence(
            f"The response contains {count(len(offer.certificates), 'certificate')}, and none allows encryption. Key usage of "
            f"{'; of '.join(f'{each.subject}: {usage_words(each)}' for each in offer.certificates[:4])}.",
            tuple(view.a(f"keyUsage of {_path(each)}", usage_words(each)) for each in offer.certificates[:4]),
        )


@rule.offer(ERROR, "RFC 8894, Section 2.1.2", "obvus.be, In the land of NDES")
def cacert_no_signing_cert(view: View, offer: CaCertificates) -> Found:
    """The server offers no certificate that may sign responses.

    Seen: There are RA certificates, and none of them has the key usage digitalSignature.
    Why: The RA's signing certificate is missing or was issued without digitalSignature.
    Matters: A client that checks key usage rejects the server's responses.
    Do: On the server, issue an RA signing certificate with the key usage digitalSignature, and include it in the response to GetCACert.
    Do (ndes): As a user, enroll "Exchange Enrollment Agent (Offline request)" with an exportable key and the subject of the RA certificate, and
        import it into LocalMachine\\My of the NDES server.
    Do (ndes): On the NDES server, give the service account Read on its private key, then run `iisreset`.
    Not: It is not a fault of the client.
    """
    if not _ras(offer) or any(map(_signs, _ras(offer))):
        return
    signing_ca = any(map(_signs, offer.certificates))
    if not signing_ca or not _succeeded(view):
        yield Evidence(
            f"The response contains {count(len(offer.certificates), 'certificate')}, and none has the key usage digitalSignature."
            if not signing_ca
            else f"The response contains {count(len(_ras(offer)), 'RA certificate')}, and none has the key usage digitalSignature; only a CA certificate has it.",
            tuple(view.a(f"keyUsage of {_path(each)}", usage_words(each)) for each in offer.certificates[:4]),
            strength=INFERRED if signing_ca else None,
        )


@rule.offer(WARNING, "NeySlim/ultimate-ca-manager#228", "openxpki/openxpki-config#14")
def cacert_ra_no_keyusage(view: View, offer: CaCertificates) -> Found:
    """An RA certificate lacks keyUsage or extendedKeyUsage.

    Seen: An RA certificate has no keyUsage or no extendedKeyUsage.
    Why: The certificate was made by hand or with an incomplete profile.
    Matters: Windows and Apple clients look for these extensions and reject the certificate without them.
    Do: On the CA, reissue the RA certificate with digitalSignature, keyEncipherment and the purpose Certificate Request Agent
        (1.3.6.1.4.1.311.20.2.1) or serverAuth.
    Do (openxpki): Reissue the RA token's certificate with keyUsage, then run `oxi token add --realm REALM --type scep --cert ratoken.crt --key
        ratoken.key`.
    Not: It is not a fault for clients that do not check these extensions.
    """
    for each in _ras(offer):
        missing = [
            name
            for name, value in (("keyUsage", each.key_usage), ("extendedKeyUsage", each.extended_key_usage))
            if value is None
        ]
        if missing:
            yield Evidence(
                f"{certificate_words(each)} has no {' and no '.join(missing)}.",
                tuple(view.a(f"{name} of {each.subject}", "absent") for name in missing),
                title=f"An RA certificate has no {' and no '.join(missing)}",
                severity=Severity.INFO if "keyUsage" not in missing else _milder(view, Severity.INFO),
            )


@rule.offer(WARNING, "RFC 8894, Section 2.1.2", "micromdm/scep#197")
def cacert_ca_missing_usage(view: View, offer: CaCertificates) -> Found:
    """The CA certificate lacks a key usage that SCEP needs.

    Seen: The CA has no RA, and the key usage of its certificate does not include digitalSignature or keyEncipherment.
    Why: The CA certificate profile only allows certificate signing.
    Matters: Clients that check key usage refuse to encrypt for this certificate or to verify with it.
    Do: On the CA, reissue the CA certificate with digitalSignature and keyEncipherment, or give the server an RA certificate.
    Do (step-ca): Run `step ca provisioner update NAME --scep-decrypter-certificate-file CRT --scep-decrypter-key-file KEY` with an RSA certificate,
        then restart step-ca.
    Not: It is not a fault for clients that do not check key usage.
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
            f"The CA certificate {cas[0].subject} is used for signing and encryption, but its key usage does not include {' and '.join(missing)}.",
            (view.a(f"keyUsage of {cas[0].subject}", usage_words(cas[0])),),
            title=f"The CA certificate lacks the key usage {' and '.join(missing)}",
            severity=_milder(view, Severity.INFO),
        )


@rule.offer(WARNING, "RFC 8894, Section 4.2.1.2", "NeySlim/ultimate-ca-manager#101")
def cacert_ra_type_without_ra(view: View, offer: CaCertificates) -> Found:
    """A CA chain is sent with the type that some clients read as "RA".

    Seen: The Content-Type is application/x-x509-ca-ra-cert, and all certificates are those of CAs.
    Why: The server sends its chain. RFC 8894 uses this type for a chain and attaches no special meaning to its name.
    Matters: Apple devices and clients of the old drafts look for an RA certificate in it, find none and stop (Apple error -67731).
    Do: On the server, send only the CA certificate as application/x-x509-ca-cert, or include a real RA certificate, if such clients must enroll.
    Do (ucm): In the SCEP settings of Ultimate CA Manager, set `scep_getcacert_chain` to false, which is its default.
    Do (step-ca): On the step-ca server, run `step ca provisioner update NAME --exclude-intermediate`, or configure a decrypter certificate, then
        restart step-ca.
    Not: It is not a fault of the server according to RFC 8894.
    """
    if view.content_type == "application/x-x509-ca-ra-cert" and offer.form != "x509" and not _ras(offer):
        agent = (view.request_header("user-agent") or "").lower()
        stopped = view.transaction is not None and "PKIOperation" not in view.company.operations
        apple = any(each in agent for each in _APPLE)
        yield Evidence(
            f"The response has the type x-x509-ca-ra-cert and contains no RA certificate: {count(len(offer.certificates), 'CA certificate')}"
            + (" only. The Apple client then stops." if apple and stopped else " only."),
            (
                view.a("http.content_type", view.content_type),
                *(view.a("certificate", certificate_words(each)) for each in offer.certificates[:4]),
            ),
            severity=Severity.ERROR if apple and stopped else _milder(view, Severity.INFO),
        )


@rule.offer(WARNING, "RFC 5280, Section 6.1", "NeySlim/ultimate-ca-manager#228")
def cacert_chain_incomplete(view: View, offer: CaCertificates) -> Found:
    """The CA chain is incomplete.

    Seen: The issuer of a CA certificate in the response is not in the response.
    Why: The server sends only the issuing CA, without the CAs above it.
    Matters: A client that does not have the missing certificates cannot verify the chain.
    Do: On the client, install the missing CA certificates, or include them in the server's response to GetCACert.
    Do (apple, windows-mdm, intune-android): In the MDM, add a trusted certificate profile with the root CA and each intermediate CA.
    Do (step-ca): On the step-ca server, run `step ca provisioner update NAME --include-root`, then restart step-ca.
    Not: It is not a fault if the client already has the missing certificates.
    """
    for each in offer.certificates:
        if each.is_ca and not each.self_issued and each.issuer_index is None:
            yield Evidence(
                f"The issuer of {certificate_words(each)}, {shown(each.issuer)}, is not in the response.",
                (view.a(f"issuer of {each.subject}", each.issuer),),
                severity=_milder(view, Severity.INFO),
            )


@rule.offer(ERROR, "RFC 5280, Section 6.1", "argonsys.com, NDES and the dreaded 2 and 10 event ids")
def cacert_chain_unlinked(view: View, offer: CaCertificates) -> Found:
    """A certificate of the server was not issued by its CA.

    Seen: The issuer of an RA certificate matches none of the CAs in the response, or its signature does not verify with the CA's key.
    Why: The RA certificates come from another CA than the one that the server is configured for.
    Why: The CA was renewed with a new key, and the RA certificates are still those of the old CA.
    Matters: Clients reject the RA certificates; Windows reports 0x800B0109.
    Do: On the server, replace the RA certificates with new ones that the configured CA issues.
    Do: Then have the clients fetch the CA certificates again.
    Do (ndes): On the NDES server, enroll "CEP Encryption" and "Exchange Enrollment Agent (Offline request)" from the configured CA, give the service
        account Read on both keys, then run `iisreset`.
    Not: It is not a missing root certificate.
    """
    cas = [each for each in offer.certificates if each.is_ca]
    for each in offer.certificates:
        if each.issuer_signature.valid is False:
            yield Evidence(
                f"The signature of {certificate_words(each)} does not verify with the key of {shown(each.issuer)}.",
                (view.a(f"signature of {each.subject}", each.issuer_signature.reason),),
            )
        elif cas and not each.is_ca and each.issuer_index is None and not each.self_issued:
            yield Evidence(
                f"{certificate_words(each)} is issued by {shown(each.issuer)}; the CAs in the response are {', '.join(ca.subject for ca in cas[:3])}.",
                (
                    view.a(f"issuer of {each.subject}", each.issuer),
                    view.a("CAs", ", ".join(ca.subject for ca in cas[:3])),
                ),
                severity=_milder(view, Severity.WARNING),
            )


@rule.exchange(ERROR, "RFC 5280, Section 4.1.2.5", "learn.microsoft.com, Troubleshooting NDES events 2 and 10")
def cacert_expired(view: View) -> Found:
    """A CA or RA certificate has expired.

    Seen: The notAfter date of a certificate is before the time of the packet.
    Why: RA certificates are valid for one or two years, and most servers do not renew them automatically.
    Matters: Clients reject the certificate, or the server itself can no longer use its key and fails on every request.
    Else: On the server, renew the expired certificate.
    Do: Then have the clients fetch the CA certificates again: they still have the old one.
    Do (ndes): On the NDES server, re-enroll "CEP Encryption" (computer store) and "Exchange Enrollment Agent (Offline request)" with the same
        subjects; `certutil -store My` shows the old ones.
    Do (ndes): Exchange Enrollment Agent is a user template: enroll it as a user with an exportable key, then import it into LocalMachine\\My.
    Do (ndes): On both private keys, give the service account Read (Manage Private Keys), then run `iisreset`. Events 2 and 10 in the Application log
        show what is still missing.
    Do (step-ca): Create a new RSA decrypter, run `step ca provisioner update NAME --scep-decrypter-certificate-file CRT --scep-decrypter-key-file
        KEY`, then restart step-ca.
    Do (ejbca): In the EJBCA Admin GUI, renew the certificate of the RA or CA, and activate its crypto token.
    Do (openxpki): On the OpenXPKI server, run `oxi token add --realm REALM --type scep --cert ratoken.crt --key ratoken.key`.
    Do (scepman): Set up a second SCEPman instance and create new profiles for it: the root is valid for ten years and is not renewed.
    Do (cisco-ise): Renew the RA certificates on the NDES server, then create the SCEP RA profile in ISE again: ISE keeps the old RA certificates.
    Do (ios-ca): On the CA router, `show crypto pki server` shows the expiry. Renew the CA certificate, and set `auto-rollover` for the next time.
    Not: It is not caused by a wrong client clock.
    """
    for each in _given_or_used(view):
        if view.answered is not None and each.not_after is not None and each.not_after < view.answered:
            yield Evidence(
                f"{certificate_words(each)} expired on {day(each.not_after)}, {long(view.answered - each.not_after)} before this response.",
                (view.a(f"notAfter of {each.subject}", day(each.not_after)), view.a("frame.time", day(view.answered))),
                severity=Severity.INFO if _out_of_time_by_the_capture(view, each) else _milder(view, Severity.WARNING),
                title=f"{_kind(each)} expired {long(view.answered - each.not_after)} before this capture ({day(each.not_after)[:10]})",
            )


def _given_or_used(view: View) -> tuple[Certificate, ...]:
    """The certificates in this response; or the one that this request is encrypted for, where the client fetched it another time."""
    content, message, whole = view.exchange.response, view.request, view.transaction
    if isinstance(content, CaCertificates):
        return content.certificates
    if message is None or message.envelope is None or whole is None:
        return ()
    if view.company.gives_certificates:
        return ()  # reported with that response
    recipients = (view.offered.get(each.identity) for each in message.envelope.recipients if each.identity is not None)
    return tuple(found[0] for found in recipients if found is not None)


def _out_of_time_by_the_capture(view: View, certificate: Certificate) -> bool:
    """Whether a certificate is out of its time only because the capturing host's clock is wrong."""
    begin, end = certificate.not_before, certificate.not_after
    return begin is not None and end is not None and view.by_the_capture_alone(lambda moment: begin <= moment <= end)


@rule.offer(ERROR, "RFC 5280, Section 4.1.2.5")
def cacert_not_yet_valid(view: View, offer: CaCertificates) -> Found:
    """A CA or RA certificate is not valid yet.

    Seen: The notBefore date of a certificate is after the time of the packet.
    Why: The clock of the CA is ahead, or the clock of the capturing host is behind.
    Do: Set the clocks of the CA, the server and the client by NTP, then reissue the certificate or wait until it is valid.
    Not: It is not an expired certificate.
    """
    for each in offer.certificates:
        if (
            view.answered is not None
            and each.not_before is not None
            and each.not_before - view.answered > timedelta(seconds=60)
        ):
            yield Evidence(
                f"{certificate_words(each)} is valid from {day(each.not_before)}, {long(each.not_before - view.answered)} after this response.",
                (
                    view.a(f"notBefore of {each.subject}", day(each.not_before)),
                    view.a("frame.time", day(view.answered)),
                ),
                severity=Severity.INFO if _out_of_time_by_the_capture(view, each) else None,
                title=f"{_kind(each)} is not valid until {day(each.not_before)[:10]}",
            )


@rule.offer(WARNING, "spirhed.com, Renewing NDES Service Certificates the Right Way")
def cacert_ra_expires_soon(view: View, offer: CaCertificates) -> Found:
    """An RA certificate expires within two months.

    Seen: The notAfter date of an RA certificate is less than 60 days after the packet.
    Why: Most servers do not renew their RA certificates automatically.
    Matters: After the expiry every enrollment fails.
    Do: On the server, renew the RA certificate now.
    Do: Then have the clients fetch the CA certificates again.
    Do (ndes): On the NDES server, re-enroll "CEP Encryption" and "Exchange Enrollment Agent (Offline request)" now, give the service account Read on
        both keys, then run `iisreset`.
    Not: It is not the cause of a failure today.
    """
    for each in _ras(offer):
        if (
            view.answered is not None
            and each.not_after is not None
            and timedelta(0) <= each.not_after - view.answered < _SOON
        ):
            yield Evidence(
                f"{certificate_words(each)} expires on {day(each.not_after)}, in {long(each.not_after - view.answered)}.",
                (view.a(f"notAfter of {each.subject}", day(each.not_after)),),
                title=f"RA certificate expires in {long(each.not_after - view.answered)} ({day(each.not_after)[:10]})",
            )


@rule.offer(WARNING, "NIST SP 800-131A")
def cacert_weak_key(view: View, offer: CaCertificates) -> Found:
    """A CA or RA certificate has a short key.

    Seen: The RSA key of a certificate is shorter than 2048 bits.
    Why: The certificate is old or was made with an old profile.
    Matters: Anyone who breaks this key can decrypt every captured challenge password. Modern clients may reject the certificate.
    Do: On the CA, renew the certificate with an RSA key of 2048 bits or more.
    Not: It is usually not the cause of a refusal.
    """
    for each in offer.certificates:
        key = each.public_key
        if key is not None and key.algorithm.startswith("rsa") and key.bits is not None and key.bits < 2048:
            yield Evidence(
                f"{certificate_words(each)} has an RSA key of {key.bits} bits.",
                (view.a(f"subjectPublicKey of {each.subject}", f"RSA {key.bits}"),),
                title=f"{_kind(each)} with an RSA key of only {key.bits} bits",
                severity=Severity.ERROR if key.bits < 1024 else None,
            )


@rule.offer(WARNING, "NIST SP 800-131A")
def cacert_weak_signature(view: View, offer: CaCertificates) -> Found:
    """A certificate of the server is signed with MD5 or SHA-1.

    Seen: The signatureAlgorithm of a certificate that is not a root uses MD5 or SHA-1.
    Why: The CA still uses an old signature algorithm.
    Matters: Modern clients may reject the certificate.
    Do: On the CA, switch to SHA-256, then reissue the certificate.
    Not: It is not a fault on a root certificate: clients trust a root directly and do not check its signature.
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
    """The server offers no certificate with an RSA key.

    Seen: All certificates in the response to GetCACert have EC keys or keys of another kind.
    Why: The CA uses EC keys.
    Matters: SCEP clients encrypt their request with RSA and cannot use these certificates.
    Do: On the server, configure an RSA certificate for decryption (an RA certificate).
    Do (step-ca): Run `step ca provisioner update NAME --scep-decrypter-certificate-file CRT --scep-decrypter-key-file KEY` with an RSA certificate,
        then restart step-ca.
    Do (ejbca): Use a CA with an RSA key for this alias.
    Not: It is not a fault of the client.
    """
    keys = [each.public_key for each in offer.certificates]
    if keys and all(key is not None and not key.algorithm.startswith("rsa") for key in keys):
        kinds = ", ".join(sorted({key.algorithm for key in keys if key is not None}))
        yield Evidence(
            f"The response contains {count(len(keys), 'certificate')}, and none has an RSA key (key type: {kinds}): a client cannot encrypt for the server.",
            tuple(
                view.a(f"subjectPublicKey of {each.subject}", each.public_key.algorithm if each.public_key else "?")
                for each in offer.certificates[:4]
            ),
        )


@rule.offer(INFO, "seize-the-dave/jscep#35")
def cacert_one_cert_for_both(view: View, offer: CaCertificates) -> Found:
    """One certificate is used for signing and encryption.

    Seen: A single certificate, the CA's or an RA's, may sign and may be encrypted for.
    Why: It is usual where the CA itself speaks SCEP or has a single RA certificate.
    Do: Nothing. Some clients require two certificates, one for each use.
    Not: It is not a fault.
    """
    able = [each for each in offer.certificates if _encrypts(each) and _signs(each)]
    alone = [each for each in offer.certificates if _encrypts(each) != _signs(each) and not each.is_ca]
    if able and not alone:
        chosen = next((each for each in able if not each.is_ca), able[0])
        yield Evidence(
            f"{certificate_words(chosen)} is used for signing and for encryption.",
            (view.a(f"keyUsage of {chosen.subject}", usage_words(chosen)),),
        )


@rule.offer(INFO, "X.690, Section 11.6", "mosen/SCEPy#2")
def cacert_order(view: View, offer: CaCertificates) -> Found:
    """The certificates are not listed in the order of the chain.

    Seen: A CA certificate is listed before a certificate that it issued.
    Why: DER sorts the certificates of a set by their bytes.
    Do: Nothing: a client must find issuers by name and signature, not by position.
    Not: It is not a fault.
    """
    for at, each in enumerate(offer.certificates):
        if each.issuer_index is not None and each.issuer_index < at:
            issuer = offer.certificates[each.issuer_index]
            yield Evidence(
                f"{issuer.subject} is listed before {each.subject}, which it issued (normal).",
                (view.a("certificates", f"{each.issuer_index + 1} before {at + 1}"),),
            )
            return


@rule.capture(WARNING, "RFC 8894, Section 2.2")
def cacert_changed(view: CaptureView) -> Found:
    """The server's CA or RA certificates changed.

    Seen: Two responses of the same server to GetCACert contain different RA certificates, or different CA certificates if the server has no RA.
    Why: The RA certificates were renewed.
    Why: Several servers with different RA certificates are behind one name.
    Matters: A client that still uses the old RA certificate encrypts requests that the server can no longer decrypt.
    Do: Have the clients fetch the CA certificates again. Behind a load balancer, install the same RA certificates and keys on all servers.
    Do (ios-client): On the device, run `no crypto pki certificate chain TRUSTPOINT`, then `crypto pki authenticate TRUSTPOINT`.
    Do (apple, windows-mdm, intune-android): In the MDM, push the profile with the SCEP settings to the devices again.
    Do (sscep): On the client, run `sscep getca -u URL -c ca.crt` again.
    Do (certmonger): On the client, run `getcert refresh-ca -c CA`.
    Not: It is not a fault of the client.
    """
    for server, offers in view.memory.all_offers():
        for earlier, later in itertools.pairwise(offers):
            if earlier.path != later.path:
                continue
            before, after = _acting(earlier.content), _acting(later.content)
            if before != after:
                kind = "RA" if _ras(later.content) else "CA"
                yield Evidence(
                    f"The {kind} certificates of {server} changed from {_serials(before)} ({called(earlier.frame)}) to {_serials(after)} ({called(later.frame)}).",
                    (
                        Fact(earlier.frame, "certificates", _listed(before)),
                        Fact(later.frame, "certificates", _listed(after)),
                    ),
                    title=f"The server's {kind} certificates changed between {called(earlier.frame)} and {called(later.frame)}",
                )
                break


def _serials(identities: set[tuple[str, str]]) -> str:
    return "serial " + ", ".join(number for _, number in sorted(identities)[:3])


def _listed(identities: set[tuple[str, str]]) -> str:
    return ", ".join(map(serial, sorted(identities)[:3])) or "none of the others"


def _acting(content: CaCertificates) -> set[tuple[str, str]]:
    """The certificates that clients use: the RA's, else the CA's."""
    return {each.identity for each in _ras(content)} or {each.identity for each in content.certificates}


@rule.offer(INFO, "RFC 8894, Section 2.2")
def cacert_fingerprints(view: View, offer: CaCertificates) -> Found:
    """Fingerprints of the CA certificates.

    Seen: The fingerprints of each certificate that GetCACert returned.
    Why: Whoever installs a CA certificate must verify its fingerprint out of band.
    Do: Compare these fingerprints with the trustpoint, the profile or the server.
    Not: It is not a fault.
    """
    for each in offer.certificates:
        md5 = hashlib.md5(each.encoded, usedforsecurity=False).hexdigest()
        yield Evidence(
            f"The fingerprints of {certificate_words(each)} are SHA-256 {each.fingerprint_sha256}, SHA-1 {each.fingerprint_sha1}, MD5 {md5}.",
            (view.a(f"fingerprint of {each.subject}", each.fingerprint_sha256),),
        )


@rule.offer(WARNING, "obvus.be, In the land of NDES")
def cacert_many_ra(view: View, offer: CaCertificates) -> Found:
    """Several RA certificates have the same purpose.

    Seen: The response contains more than one RA certificate for encryption, or more than one for signing.
    Why: Old RA certificates are still in the server's store.
    Matters: A client may select the old one. Clients that already have it still encrypt for it.
    Do: Have the clients fetch the CA certificates first. Then export the old RA certificate with its key, and archive it on the server.
    Do (ndes): When all clients have the new certificates: export the old ones with their keys from LocalMachine\\My, archive them there, then run
        `iisreset`.
    Not: It is harmless if the client selects the right certificate.
    """
    for role, purpose in (("ra-encryption", "encryption"), ("ra-signing", "signing"), ("ra", "signing and encryption")):
        found = [each for each in offer.certificates if each.role == role]
        if len({each.fingerprint_sha256 for each in found}) > 1:
            yield Evidence(
                f"{len(found)} RA certificates allow {purpose}: {', '.join('serial ' + each.serial_number for each in found[:4])}.",
                tuple(view.a(f"keyUsage of {each.serial_number}", usage_words(each)) for each in found[:4]),
                severity=_milder(view, Severity.INFO),
            )


@rule.exchange(INFO, "RFC 8894, Section 4.7", where=("GetNextCACert", "unread"))
def nextca_failed(view: View) -> Found:
    """The server has no certificate of a next CA yet.

    Seen: The server responds to GetNextCACert with an error.
    Why: The CA has no rollover certificate. This is the usual response, also of servers that offer GetNextCACert.
    Matters: It matters only when the CA's own certificate is about to expire.
    Do: Nothing before a rollover. On the CA, switch on the rollover to have the next certificate in time.
    Do (ios-ca): On the CA router, set `auto-rollover 90` under `crypto pki server NAME`; `show crypto pki server` shows when the next certificate
        comes.
    Do (ejbca): Nothing before a rollover. In the Admin GUI, create the rollover certificate when the CA is to be renewed.
    Not: It is not a wrong path, and not a fault of the enrollment.
    """
    if view.operation == "GetNextCACert" and view.answer is not None and not view.understood:
        offered = view.offers_word("getnextcacert")
        yield Evidence(
            f"The server {'offers GetNextCACert and ' if offered else ''}responds to {'it' if offered else 'GetNextCACert'} with HTTP {view.status}{said(view)}.",
            (status_fact(view),),
        )


@rule.offer(ERROR, "RFC 8894, Section 4.7.1")
def nextca_bad_signature(view: View, offer: CaCertificates) -> Found:
    """The next CA's certificates are not signed by the current CA.

    Seen: The response to GetNextCACert is unsigned, is signed by a certificate that GetCACert did not return, or has an invalid signature.
    Why: The server does not follow RFC 8894.
    Why: A man in the middle offers another CA.
    Matters: A client that accepted these certificates would trust another CA from then on.
    Do: Do not install these certificates. On the server, check which certificate signs the response to GetNextCACert.
    Not: It is not a missing rollover certificate.
    """
    if view.operation != "GetNextCACert":
        return
    known = view.offered
    if offer.signer_identity is None:
        what = "is not signed"
    elif known and offer.signer_identity not in known:
        what = f"is signed by {view.named(offer.signer_identity)}, which GetCACert did not return"
    elif offer.signature.valid is False:
        what = f"has a signature that {offer.signature.reason}"
    else:
        return
    yield Evidence(
        f"The response with {count(len(offer.certificates), 'certificate')} for the next CA {what}.",
        (view.a("SignerInfo.sid", serial(offer.signer_identity) if offer.signer_identity else "none"),),
    )
