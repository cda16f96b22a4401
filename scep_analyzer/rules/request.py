"""The envelope and signature of a request: for whom and how it is encrypted, and whether it is intact (RFC 8894, Section 3)."""

import hashlib

from scep_analyzer.cms.ber import ASN1_ERRORS, children_of, read
from scep_analyzer.cms.extensions import extensions_of
from scep_analyzer.model.certificates import Certificate
from scep_analyzer.model.findings import Evidence, Fact, NotChecked, Severity
from scep_analyzer.model.places import called
from scep_analyzer.model.scep import PkiMessage, Recipient
from scep_analyzer.rules._rule import ERROR, INFERRED, INFO, PROVED, WARNING, Found, rule
from scep_analyzer.rules._views import View
from scep_analyzer.rules._words import ROLES, certificate_words, count, recipient_words, serial, usage_words

_BLOCKS = {"des-cbc": 8, "des-ede3-cbc": 8, "aes-128-cbc": 16, "aes-192-cbc": 16, "aes-256-cbc": 16}
_OBSOLETE = (
    "rc2",
    "rc4",
    "bf-",
    "blowfish",
    "cast",
    "1.2.840.113549.3.2",
    "1.2.840.113549.3.4",
    "1.2.840.113533.7.66.10",
    "1.3.6.1.4.1.3029.1.2",
)
_DATA = "1.2.840.113549.1.7.1"
_SKI = "2.5.29.14"


def _recipients(message: PkiMessage) -> tuple[Recipient, ...]:
    return message.envelope.recipients if message.envelope is not None else ()


def known_recipient(view: View, recipient: Recipient) -> tuple[Certificate, int] | None:
    """The certificate that the server offered and the request is encrypted for, with the frame that offered it."""
    if recipient.identity is not None:
        return view.offered.get(recipient.identity)
    if recipient.key_identifier is None:
        return None
    for certificate, frame in view.offered.values():
        if any(each.oid == _SKI and each.value == recipient.key_identifier for each in extensions_of(certificate)):
            return certificate, frame
        if recipient.key_identifier in _key_identifiers(certificate):
            return certificate, frame
    return None


def _key_identifiers(certificate: Certificate) -> tuple[str, ...]:
    """How a certificate without the extension is named by its key: its SHA-1, whole or the last 60 bits of it (RFC 5280, Section 4.2.1.2)."""
    if certificate.public_key is None:
        return ()
    try:
        _, bits = children_of(certificate.public_key.encoded)
        digest = hashlib.sha1(read(bits).content[1:], usedforsecurity=False).hexdigest()
    except ASN1_ERRORS:
        return ()
    return digest, "4" + digest[-15:]


def _path(at: int = 0) -> str:
    return f"EnvelopedData.recipientInfos[{at}].rid"


def _wanted(view: View) -> tuple[Certificate, int] | None:
    """The certificate that a request should be encrypted for: the RA's for encryption, else one that may be."""
    best = [each for each in view.latest.values() if each[0].role == "ra-encryption"]
    best += [each for each in view.latest.values() if each[0].role == "ra"]
    best += [each for each in view.latest.values() if each[0].role == "ca"]
    return best[0] if best else None


def _whom(view: View, recipient: Recipient) -> str:
    """For whom a request is encrypted: by the certificate's own name where it was seen."""
    if recipient.identity is not None:
        return view.named(recipient.identity)
    return f"the {recipient_words(recipient)}" if recipient.key_identifier else recipient_words(recipient)


def _offer_facts(view: View) -> tuple[Fact, ...]:
    wanted = _wanted(view)
    if wanted is None:
        return ()
    certificate, frame = wanted
    return (
        Fact(frame, f"GetCACert, {ROLES.get(certificate.role or '', 'certificate')}", serial(certificate.identity)),
    )


def _subject_and_serial(certificate: Certificate) -> str:
    """A certificate whose role the sentence says already."""
    return f"{certificate.subject or '(empty subject)'} serial {certificate.serial_number}"


def _wanted_words(view: View) -> str:
    """What the server offers instead, as a clause; empty where it offers nothing to encrypt for."""
    wanted = _wanted(view)
    if wanted is None:
        return ""
    certificate, frame = wanted
    return f"; for encryption, the server offers {_subject_and_serial(certificate)} ({called(frame)})"


@rule.request(ERROR, "RFC 8894, Section 3.2.2", "certnanny/sscep#60")
def req_wrong_recipient(view: View, message: PkiMessage) -> Found:
    """The request is encrypted for a certificate the server never offered.

    Seen: The issuer and serial number of the recipient are not those of any certificate in the GetCACert responses of this server.
    Why: The client uses an old RA or CA certificate, or a certificate of another server.
    Why: The CA certificate was configured manually on the client.
    Matters: The server cannot decrypt the request, so it cannot check the challenge password either.
    Do: On the client, remove the stored CA and RA certificates, fetch them again (GetCACert) and enroll again.
    Do (ios-client, cisco-wlc): On the device, run `no crypto pki certificate chain TRUSTPOINT`, then `crypto pki authenticate TRUSTPOINT`
    and `crypto pki enroll TRUSTPOINT`.
    Do (cisco-asa): On the ASA, run `crypto ca authenticate TRUSTPOINT`, then `crypto ca enroll TRUSTPOINT`.
    Do (ftd): In FMC, open Devices > Certificates and re-enroll the certificate.
    Do (fortigate): On the FortiGate, import the CA certificate again: System > Certificates > Import > CA Certificate > Online SCEP.
    Do (pan-os): On the firewall, open Device > Certificate Management > SCEP, import the CA certificate again, and generate the certificate
    again from the profile.
    Do (junos): On the device, run `request security pki ca-certificate enroll ca-profile PROFILE`, then enroll again.
    Do (apple): In the MDM, push the SCEP profile again, so that the device fetches the CA certificates again.
    Do (windows-mdm): In the MDM, select the issuing CA as the trusted certificate of the SCEP profile, then start a sync on the device:
    Settings > Accounts > Access work or school > Info > Sync.
    Do (intune-android): On the device, open Company Portal and select Sync.
    Do (sscep): On the client, run `sscep getca -u URL -c ca.crt` and pass the RA's encryption certificate to `sscep enroll` with `-e`.
    Do (strongswan): On the client, run `pki --scepca --url URL --caout ca.crt --raout ra.crt` and pass ra.crt to `pki --scep` with
    `--cacert-enc`.
    Do (certmonger): On the client, run `getcert refresh-ca -c CA`, then `getcert resubmit -i ID`.
    Not: A wrong challenge password: the server cannot read it.
    """
    if not view.offers:
        if _recipients(message):
            yield NotChecked(f"no GetCACert response of this server is in the {view.scene.source}")
        return
    if any(known_recipient(view, each) is not None for each in _recipients(message)):
        return
    if (
        message.envelope is not None
        and message.envelope.content is not None
        and not any(each.identity for each in _recipients(message))
    ):
        return  # identified by a key, and a given key decrypts it: it is the server's key
    for at, each in enumerate(_recipients(message)):
        if each.kind == "key-transport":
            asked = view.memory.asked(view.exchange, "GetCACert") is not None
            yield Evidence(
                f"The request is encrypted for {_whom(view, each)}, which {view.http.server} does not offer"
                f"{_wanted_words(view)}.",
                (view.q(_path(at), recipient_words(each)), *_offer_facts(view)),
                strength=PROVED if asked and view.scene.whole else INFERRED,
            )


@rule.request(ERROR, "RFC 8894, Section 3.2.2")
def req_recipient_stale(view: View, message: PkiMessage) -> Found:
    """The request is encrypted for an RA certificate that was replaced.

    Seen: The certificate of the recipient is in an earlier GetCACert response of this server, but not in the latest one.
    Why: The certificates of the RA or CA were renewed, and the client still uses the old ones.
    Matters: The server usually cannot decrypt the request any more.
    Do: On the client, fetch the CA certificates again (GetCACert), then enroll again.
    Do (ios-client, cisco-wlc): On the device, run `no crypto pki certificate chain TRUSTPOINT`, then `crypto pki authenticate TRUSTPOINT`
    and `crypto pki enroll TRUSTPOINT`.
    Do (cisco-asa): On the ASA, run `crypto ca authenticate TRUSTPOINT`, then `crypto ca enroll TRUSTPOINT`.
    Do (ftd): In FMC, open Devices > Certificates and re-enroll the certificate.
    Do (junos): On the device, run `request security pki ca-certificate enroll ca-profile PROFILE`, then enroll again.
    Do (apple): In the MDM, push the SCEP profile again, so that the device fetches the CA certificates again.
    Do (windows-mdm): On the device, start a sync with the MDM: Settings > Accounts > Access work or school > Info > Sync.
    Do (intune-android): On the device, open Company Portal and select Sync.
    Do (sscep): On the client, run `sscep getca -u URL -c ca.crt`, then `sscep enroll` with the new files.
    Do (strongswan): On the client, run `pki --scepca --url URL --caout ca.crt --raout ra.crt`, then `pki --scep` with the new files.
    Do (certmonger): On the client, run `getcert refresh-ca -c CA`, then `getcert resubmit -i ID`.
    Do (openxpki): Update OpenXPKI: newer versions select the key that fits the request and still decrypt it (openxpki#745).
    Not: The request is not meant for another server.
    """
    if len(view.offers) < 2:
        return
    for at, each in enumerate(_recipients(message)):
        if each.identity is not None and each.identity in view.offered and each.identity not in view.latest:
            frame = view.offered[each.identity][1]
            yield Evidence(
                f"The request is encrypted for {view.named(each.identity)}, offered in {called(frame)} but no longer in "
                f"{called(view.offers[-1].frame)}{_wanted_words(view)}.",
                (
                    view.q(_path(at), recipient_words(each)),
                    Fact(frame, "GetCACert", "offers it"),
                    Fact(view.offers[-1].frame, "GetCACert", "does not"),
                ),
            )


@rule.request(ERROR, "RFC 8894, Section 3.2.2", "certnanny/sscep#39", "certnanny/sscep#60")
def req_recipient_is_ca_not_ra(view: View, message: PkiMessage) -> Found:
    """The request is encrypted for the CA certificate, not the RA certificate.

    Seen: The recipient is the CA certificate, but the server offers an RA certificate for encryption.
    Why: The client uses the first certificate of the GetCACert response, or the certificate of the CA.
    Matters: The RA does not have the private key of the CA, so it cannot decrypt the request.
    Do: On the client, select the RA certificate whose key usage is keyEncipherment, and enroll again.
    Do (sscep): On the client, pass the RA's encryption certificate with `-e`. `sscep getca` writes each certificate into a file of its own.
    Do (strongswan): On the client, pass the RA certificate to `pki --scep` with `--cacert-enc ra.crt`.
    Do (micromdm-client): On the client, start scepclient with `-key-encipherment-selector`.
    Do (step-ca): On the CA, run `step ca provisioner update NAME --exclude-intermediate`, so that GetCACert returns only the decrypter
    certificate.
    Not: A wrong challenge password: the server cannot read it.
    """
    ra = [each for each in view.latest.values() if each[0].role in ("ra-encryption", "ra")]
    for at, each in enumerate(_recipients(message)):
        match = known_recipient(view, each)
        if match is not None and match[0].role == "ca" and ra:
            certificate, frame = next((one for one in ra if one[0].role == "ra-encryption"), ra[0])
            yield Evidence(
                f"The request is encrypted for {certificate_words(match[0])}; for encryption, the server offers "
                f"{_subject_and_serial(certificate)} ({called(frame)}).",
                (
                    view.q(_path(at), recipient_words(each)),
                    Fact(frame, f"keyUsage of {certificate.subject}", usage_words(certificate)),
                ),
                severity=None if view.failed or view.answer is None else Severity.INFO,
            )


@rule.request(ERROR, "RFC 8894, Section 2.1.2", "certnanny/sscep#156")
def req_recipient_is_signing_ra(view: View, message: PkiMessage) -> Found:
    """The request is encrypted for the RA's signing certificate.

    Seen: The key usage of the recipient's certificate is digitalSignature only.
    Why: The client selected the wrong one of the two RA certificates: they often have the same subject and differ only in key usage.
    Matters: The RA usually cannot decrypt the request with its signing key.
    Do: On the client, select the RA certificate whose key usage is keyEncipherment, and enroll again.
    Do (ndes): On the client, select the certificate from the template CEP Encryption. The certificate from Exchange Enrollment Agent
    (Offline request) only signs.
    Do (sscep): On the client, pass the RA's encryption certificate with `-e`. `sscep getca` writes each certificate into a file of its own.
    Do (micromdm-client): On the client, start scepclient with `-key-encipherment-selector`.
    Not: A wrong challenge password: the server cannot read it.
    """
    for at, each in enumerate(_recipients(message)):
        match = known_recipient(view, each)
        if match is not None and match[0].role == "ra-signing":
            yield Evidence(
                f"The request is encrypted for {certificate_words(match[0])}, whose key usage is {usage_words(match[0])}{_wanted_words(view)}.",
                (
                    view.q(_path(at), recipient_words(each)),
                    Fact(match[1], f"keyUsage of {match[0].subject}", usage_words(match[0])),
                ),
            )


@rule.request(WARNING, "RFC 8894, Section 3.2.2", "micromdm/scep#159")
def req_many_recipients(view: View, message: PkiMessage) -> Found:
    """The request is encrypted for several recipients.

    Seen: The envelope contains more than one RecipientInfo.
    Why: The client encrypts the request for every certificate of the GetCACert response.
    Matters: Some servers read only the first recipient.
    Do: On the client, encrypt the request for the encryption certificate of the RA or CA only.
    Not: A fault where the server accepts the request.
    """
    every = _recipients(message)
    if len(every) > 1:
        yield Evidence(
            f"The request is encrypted for {len(every)} recipients: {'; '.join(_whom(view, each) for each in every[:4])}.",
            tuple(view.q(_path(at), recipient_words(each)) for at, each in enumerate(every[:4])),
        )


@rule.request(INFO, "RFC 5652, Section 6.2.1", "Keyfactor/ejbca-ce#924")
def req_recipient_by_key_id(view: View, message: PkiMessage) -> Found:
    """The recipient is identified by its key, not by issuer and serial number.

    Seen: The RecipientInfo contains a subjectKeyIdentifier.
    Why: This is a setting or a default of the client's CMS library.
    Matters: CMS allows both forms, but several servers read only issuer and serial number and fail with this one.
    Do: On the client, identify the recipient by issuer and serial number (CMS version 0).
    Do (ejbca): On the client, identify the recipient by issuer and serial number: EJBCA has no setting for this (ejbca-ce#924).
    Not: Proof that the request is encrypted for the wrong certificate.
    """
    for at, each in enumerate(_recipients(message)):
        if each.key_identifier is None or each.kind != "key-transport":
            continue
        match = known_recipient(view, each)
        whose = (
            f", the key of {certificate_words(match[0])} ({called(match[1])})"
            if match is not None
            else ", which fits no certificate that the server offers"
            if view.offers
            else ""
        )
        yield Evidence(
            f"The recipient is identified by the key identifier {each.key_identifier}{whose}.",
            (
                view.q(_path(at), f"subjectKeyIdentifier {each.key_identifier}"),
                *((Fact(match[1], "GetCACert", certificate_words(match[0])),) if match is not None else ()),
            ),
        )


@rule.request(ERROR, "RFC 8894, Section 3.1")
def req_recipient_not_ktri(view: View, message: PkiMessage) -> Found:
    """The content key is not encrypted with RSA.

    Seen: A RecipientInfo for key agreement, a shared key or a password instead of RSA key transport.
    Why: The key of the CA is not an RSA key.
    Why: The client uses the password recipient of RFC 8894, Section 3.1, for keys that cannot encrypt.
    Do: On the server, install an RSA certificate for encryption, or use a server that supports this form.
    Do (step-ca): On the CA, use an RSA chain, or run `step ca provisioner update NAME --scep-decrypter-certificate-file CERT
    --scep-decrypter-key-file KEY`.
    Not: A fault where the server supports it: RFC 8894 allows a password recipient.
    """
    for at, each in enumerate(_recipients(message)):
        if each.kind != "key-transport":
            yield Evidence(
                f"The RecipientInfo has the type {each.kind}; RSA key transport is expected.",
                (view.q(f"EnvelopedData.recipientInfos[{at}]", each.kind),),
                severity=None if view.failed or view.answer is None else Severity.WARNING,
            )


@rule.request(WARNING, "RFC 8017, Section 7.1", "smallstep/certificates#1300")
def req_oaep(view: View, message: PkiMessage) -> Found:
    """The content key is encrypted with RSA-OAEP.

    Seen: The keyEncryptionAlgorithm is RSAES-OAEP.
    Why: The client uses a modern CMS library, or a key in a TPM.
    Matters: Many servers support only RSA PKCS #1 v1.5. They cannot decrypt the request and report it as damaged.
    Do: On the client, use RSA PKCS #1 v1.5 for the content key, or update the server to a version that supports RSAES-OAEP.
    Do (ucm): Update Ultimate CA Manager: older releases cannot decrypt RSAES-OAEP (ultimate-ca-manager#228).
    Do (step-ca, micromdm): Change the setting on the client: the server's CMS library supports only RSA PKCS #1 v1.5.
    Do (windows-mdm): In the SCEP profile of the MDM, select a software key storage provider and enroll again. The private key is then no
    longer protected by the TPM.
    Not: A violation of the standard: RFC 8894 does not forbid it.
    """
    if message.envelope is not None and message.envelope.key_encryption_algorithm == "rsaesOaep":
        yield Evidence(
            "The content key is encrypted with RSAES-OAEP, which many servers do not support.",
            (view.q("keyEncryptionAlgorithm", "1.2.840.113549.1.1.7"),),
        )


def _cipher(message: PkiMessage) -> str:
    return (message.envelope.content_encryption_algorithm if message.envelope is not None else None) or ""


@rule.request(WARNING, "RFC 8894, Section 2.9", "RFC 8894, Section 7.5")
def req_cipher_des(view: View, message: PkiMessage) -> Found:
    """The request is encrypted with single DES.

    Seen: The contentEncryptionAlgorithm is des-cbc.
    Why: The client is old, or single DES is its default, for example without a GetCACaps response.
    Matters: RFC 8894 forbids single DES. Precomputed tables recover most keys in less than a minute (Section 7.5), and the request contains
    the challenge password.
    Do: On the client, set the encryption algorithm to AES or, for an old server, to 3DES.
    Do (sscep): On the client, add `-E aes256` (or `-E 3des`) to `sscep enroll`.
    Do (strongswan): On the client, add `--cipher aes` (or `--cipher des3`) to `pki --scep`.
    Do (apple): In the MDM, add the Capabilities key (AES, SHA-256, POSTPKIOperation) to the SCEP payload if the server sends no
    capabilities.
    Not: A refusal: many servers still accept single DES.
    """
    if _cipher(message) == "des-cbc":
        yield Evidence(
            "The request is encrypted with single DES (des-cbc), which RFC 8894 forbids.",
            (view.q("contentEncryptionAlgorithm", "des-cbc"),),
        )


@rule.request(WARNING, "RFC 8894, Section 2.9")
def req_cipher_obsolete(view: View, message: PkiMessage) -> Found:
    """The request is encrypted with an obsolete cipher.

    Seen: The contentEncryptionAlgorithm is RC2, RC4, Blowfish or CAST.
    Why: An old client is configured to use this cipher.
    Matters: Some of these ciphers can be broken, and the request contains the challenge password. Many servers refuse them.
    Do: On the client, set the encryption algorithm to AES or, for an old server, to 3DES.
    Do (sscep): On the client, replace the `-E` option of `sscep enroll` with `-E aes256` (or `-E 3des`).
    Not: The server does not refuse the request for this.
    """
    cipher = _cipher(message)
    if cipher.lower().startswith(_OBSOLETE):
        yield Evidence(
            f"The request is encrypted with the obsolete cipher {cipher}.",
            (view.q("contentEncryptionAlgorithm", cipher),),
            title=f"The request is encrypted with the obsolete cipher {cipher}",
        )


@rule.request(WARNING, "RFC 8894, Section 2.9", "smallstep/certificates#2100")
def req_digest_md5(view: View, message: PkiMessage) -> Found:
    """The request is signed with MD5.

    Seen: The digestAlgorithm is md5.
    Why: The client is old, or MD5 is its default, for example without a GetCACaps response.
    Matters: RFC 8894 forbids MD5, and many servers refuse it.
    Do: On the client, set the hash algorithm to SHA-256.
    Do (ios-client, cisco-wlc): In the trustpoint, set `hash sha256`, then run `crypto pki enroll TRUSTPOINT`.
    Do (sscep): On the client, add `-S sha256` to `sscep enroll`.
    Do (strongswan): On the client, add `--digest sha256` to `pki --scep`.
    Do (pan-os): On the firewall, set Digest to SHA-256 in Device > Certificate Management > SCEP.
    Do (windows-mdm): In the SCEP profile of the MDM, set the hash algorithm to SHA-2.
    Not: Proof that the server refuses MD5: a server that does reports badAlg.
    """
    if message.digest_algorithm == "md5":
        yield Evidence(
            "The request is signed with MD5, which RFC 8894 forbids.", (view.q("SignerInfo.digestAlgorithm", "md5"),)
        )


@rule.request(INFO, "RFC 8894, Section 7.9")
def req_digest_sha1(view: View, message: PkiMessage) -> Found:
    """The request is signed with SHA-1.

    Seen: The digestAlgorithm is sha1.
    Why: The client is old, or the server offers no better hash algorithm.
    Matters: As SCEP uses it, SHA-1 is still safe (RFC 8894, Section 7.9). New installations use SHA-256.
    Do: On the client, set the hash algorithm to SHA-256 if the server offers it.
    Do (ios-client, cisco-wlc): In the trustpoint, set `hash sha256`, then run `crypto pki enroll TRUSTPOINT`.
    Do (sscep): On the client, add `-S sha256` to `sscep enroll`.
    Do (strongswan): On the client, add `--digest sha256` to `pki --scep`.
    Not: A reason for a refusal by most servers.
    """
    if message.digest_algorithm == "sha1":
        yield Evidence("The request is signed with SHA-1.", (view.q("SignerInfo.digestAlgorithm", "sha1"),))


@rule.request(ERROR, "RFC 5652, Section 5.6", "smallstep/certificates#1723")
def req_signature_invalid(view: View, message: PkiMessage) -> Found:
    """The signature of the request is invalid.

    Seen: The signature over the signed attributes does not match the key of the certificate in the message, neither in the order sent nor
    in DER order.
    Why: The private key and the certificate of the client do not belong together.
    Why: Bytes of the message were changed on the way.
    Why: The client signs the attributes in another encoding than it sends.
    Do: On the client, create a new key and self-signed certificate and enroll again. If it fails again, update the client.
    Not: A wrong challenge password, although servers report both as badMessageCheck.
    """
    if message.signature.valid is False and not message.partial:
        yield Evidence(
            f"The signature of the request is invalid for {view.named(message.signer_identity)}: it {message.signature.reason}.",
            (view.q("SignerInfo.signature", message.signature.reason),),
        )


@rule.request(ERROR, "RFC 5652, Section 11.2", "smallstep/certificates#908")
def req_digest_mismatch(view: View, message: PkiMessage) -> Found:
    """The messageDigest does not match the content of the request.

    Seen: The messageDigest attribute differs from the hash of the content.
    Why: The client hashes the content in another encoding than it sends.
    Why: A proxy or another device changed bytes of the message on the way.
    Do: Capture next to the client. If the messageDigest matches there, repair the device on the way; otherwise, update the client.
    Not: A wrong challenge password, although servers report both as badMessageCheck.
    """
    if message.digest.valid is False and not message.partial:
        yield Evidence(
            f"In the request, {message.digest.reason}.", (view.q("signedAttrs.messageDigest", message.digest.reason),)
        )


@rule.request(ERROR, "RFC 8894, Section 2.3", "Gradenegger, event 17")
def req_no_signer_cert(view: View, message: PkiMessage) -> Found:
    """The request does not contain the certificate of its signer.

    Seen: None of the certificates in the message is the one that signed it.
    Why: The client does not add its certificate to the message.
    Matters: The server cannot check the signature or encrypt the response. RFC 8894, Section 2.3 requires the certificate.
    Do: On the client, include the requester's certificate in the SignedData; a client that cannot do this needs an update.
    Do (ndes): On the client, include the requester's certificate in the SignedData. On the NDES server, event 17 reports this fault.
    Not: A certificate that the server does not trust.
    """
    if message.partial:
        return
    included = {each.identity for each in message.certificates}
    if message.signer_identity not in included and (message.signer is None or message.signer.identity not in included):
        what = "no certificate" if not included else f"only {', '.join(map(serial, list(included)[:3]))}"
        yield Evidence(
            f"The request is signed by {view.named(message.signer_identity)}, but contains {what}.",
            (view.q("SignerInfo.sid", serial(message.signer_identity)), view.q("SignedData.certificates", what)),
        )


@rule.request(ERROR, "RFC 8894, Section 3.2.2")
def envelope_structure_bad(view: View, message: PkiMessage) -> Found:
    """The encrypted part of the request is malformed.

    Seen: The envelope is missing or cannot be read, or it has another content type, an IV of the wrong size, or a ciphertext whose length
    does not fit the cipher.
    Why: The client or its CMS library builds the envelope incorrectly.
    Do: Update the client or its CMS library.
    Not: A request that is encrypted for the wrong recipient.
    """
    envelope = message.envelope
    if message.partial:
        return
    if envelope is None:
        odd = view.odd("envelope-unreadable")
        what = odd.detail if odd is not None else "the request contains no envelope"
        yield Evidence(f"The envelope of the request cannot be read: {what}.", (view.q("encapContentInfo", what),))
        return
    cipher = _cipher(message)
    block = _BLOCKS.get(cipher)
    wrong = []
    if envelope.content_type not in (_DATA, None):
        wrong.append(
            (
                f"contentType {envelope.content_type}",
                f"its contentType is {envelope.content_type} instead of id-data",
            )
        )
    if block is not None and envelope.iv_length not in (block, None):
        wrong.append(("IV", f"its IV is {count(envelope.iv_length, 'byte')} long, but {cipher} requires {block} bytes"))
    if block is not None and envelope.iv_length is None:
        wrong.append(("IV", "it has no IV (OpenSSL reads such a message with an IV of zeros)"))
    if envelope.ciphertext_length == 0 or envelope.ciphertext_length is None:
        wrong.append(("encryptedContent", "it contains no data"))
    elif block is not None and envelope.ciphertext_length % block:
        wrong.append(
            ("encryptedContent", f"its ciphertext of {envelope.ciphertext_length:,} bytes is not a multiple of {block}")
        )
    if wrong:
        mild = (
            all(name in ("IV", envelope.content_type and f"contentType {envelope.content_type}") for name, _ in wrong)
            and not view.failed
        )
        yield Evidence(
            f"The envelope of the request is malformed: {'; '.join(text for _, text in wrong)}.",
            tuple(view.q(f"EnvelopedData.{name.split()[0]}", text) for name, text in wrong),
            severity=Severity.WARNING if mild else None,
        )


@rule.request(ERROR, "RFC 8017, Section 7.2.1")
def encrypted_key_size_odd(view: View, message: PkiMessage) -> Found:
    """The encrypted content key does not have the size of the recipient's key.

    Seen: The encryptedKey is longer or shorter than the RSA modulus of the certificate that it names.
    Why: The client encrypted with another key than that of the certificate, for example from an outdated copy.
    Do: On the client, remove the stored CA and RA certificates, fetch them again (GetCACert) and enroll again.
    Do (ios-client, cisco-wlc): On the device, run `no crypto pki certificate chain TRUSTPOINT`, then `crypto pki authenticate TRUSTPOINT`
    and `crypto pki enroll TRUSTPOINT`.
    Not: A wrong name: the server offers the certificate that the request names.
    """
    for at, each in enumerate(_recipients(message)):
        match = known_recipient(view, each)
        key = match[0].public_key if match is not None else None
        if match is None or key is None or key.bits is None or each.encrypted_key_length is None:
            continue
        size = (key.bits + 7) // 8
        if each.encrypted_key_length != size:
            yield Evidence(
                f"The encrypted content key is {each.encrypted_key_length} bytes long, but the RSA key of {certificate_words(match[0])} has "
                f"{size} bytes.",
                (
                    view.q(f"EnvelopedData.recipientInfos[{at}].encryptedKey", f"{each.encrypted_key_length} bytes"),
                    Fact(match[1], f"subjectPublicKey of {match[0].subject}", f"RSA {key.bits}"),
                ),
            )
