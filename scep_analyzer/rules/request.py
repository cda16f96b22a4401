"""The request's envelope and signature: for whom it is encrypted, with what, and whether it is whole (RFC 8894, Section 3)."""

import hashlib

from scep_analyzer.cms.ber import ASN1_ERRORS, children, read
from scep_analyzer.cms.extensions import extensions_of
from scep_analyzer.model.certificates import Certificate
from scep_analyzer.model.findings import Evidence, Fact, NotChecked, Severity
from scep_analyzer.model.scep import PkiMessage, Recipient
from scep_analyzer.rules._rule import ERROR, INFERRED, INFO, PROVED, WARNING, Found, rule
from scep_analyzer.rules._views import View
from scep_analyzer.rules._words import ROLES, certificate_words, recipient_words, serial, usage_words

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
        _, bits = children(read(certificate.public_key.encoded).content)
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


def _none_of(number: int) -> str:
    return "not the one certificate" if number == 1 else f"none of the {number} certificates"


def _offer_facts(view: View) -> tuple[Fact, ...]:
    wanted = _wanted(view)
    if wanted is None:
        return ()
    certificate, frame = wanted
    return (
        Fact(frame, f"GetCACert, {ROLES.get(certificate.role or '', 'certificate')}", serial(certificate.identity)),
    )


def _wanted_words(view: View) -> str:
    wanted = _wanted(view)
    if wanted is None:
        return ""
    certificate, frame = wanted
    return f"; offered in frame {frame} for that is {certificate_words(certificate)}"


@rule.request(ERROR, "RFC 8894, Section 3.2.2", "certnanny/sscep#60")
def req_wrong_recipient(view: View, message: PkiMessage) -> Found:
    """The request is encrypted for a certificate that this server never offered.

    Seen: Issuer and serial number of the recipient are those of none of the certificates that GetCACert gave.
    Why: The client keeps an old RA or CA certificate, or one of another server.
    Why: The CA's certificate was set by hand.
    Do: Let the client fetch the CA certificates again (authenticate the trustpoint again, resend the profile).
    Do: On NDES look for event 18 and 0x80090005: it cannot decrypt.
    Not: A wrong challenge password: the server cannot read that far.
    """
    if not view.offers:
        if _recipients(message):
            yield NotChecked("no GetCACert answer of this server is in the capture")
        return
    if any(known_recipient(view, each) is not None for each in _recipients(message)):
        return
    if (
        message.envelope is not None
        and message.envelope.content is not None
        and not any(each.identity for each in _recipients(message))
    ):
        return  # named by a key, and a key that was given opens it: it is the server's
    for at, each in enumerate(_recipients(message)):
        if each.kind == "key-transport":
            asked = view.memory.asked(view.exchange, "GetCACert") is not None
            yield Evidence(
                f"The request is encrypted for {recipient_words(each)}, which is {_none_of(len(view.offered))} that {view.http.server} offered"
                f"{_wanted_words(view)}.",
                (view.q(_path(at), recipient_words(each)), *_offer_facts(view)),
                strength=PROVED if asked and view.scene.whole else INFERRED,
            )


@rule.request(ERROR, "RFC 8894, Section 3.2.2")
def req_recipient_stale(view: View, message: PkiMessage) -> Found:
    """The request is encrypted for an RA certificate that has been replaced.

    Seen: The recipient is in an earlier answer to GetCACert and no longer in the latest.
    Why: The RA certificates were renewed, and the client keeps the old ones.
    Do: Authenticate the trustpoint again, or resend the profile, so that the client fetches the new certificates.
    Not: A request for another server.
    """
    if len(view.offers) < 2:
        return
    for at, each in enumerate(_recipients(message)):
        if each.identity is not None and each.identity in view.offered and each.identity not in view.latest:
            frame = view.offered[each.identity][1]
            yield Evidence(
                f"The request is encrypted for {view.named(each.identity)}, offered in frame {frame} and no longer in frame {view.offers[-1].frame}"
                f"{_wanted_words(view)}.",
                (
                    view.q(_path(at), recipient_words(each)),
                    Fact(frame, "GetCACert", "offers it"),
                    Fact(view.offers[-1].frame, "GetCACert", "does not"),
                ),
            )


@rule.request(ERROR, "RFC 8894, Section 3.2.2", "certnanny/sscep#39", "certnanny/sscep#60")
def req_recipient_is_ca_not_ra(view: View, message: PkiMessage) -> Found:
    """The request is encrypted for the CA, though an RA decrypts.

    Seen: The recipient is the CA's certificate, and an RA certificate for encryption was offered.
    Why: The client took the first certificate, or the CA's (sscep: -c without -e).
    Do: Let the client take the certificate with keyEncipherment among those of GetCACert.
    Not: A wrong challenge password: the server cannot read that far.
    """
    ra = [each for each in view.latest.values() if each[0].role in ("ra-encryption", "ra")]
    for at, each in enumerate(_recipients(message)):
        match = known_recipient(view, each)
        if match is not None and match[0].role == "ca" and ra:
            certificate, frame = next((one for one in ra if one[0].role == "ra-encryption"), ra[0])
            yield Evidence(
                f"The request is encrypted for {match[0].subject} serial {match[0].serial_number}, a CA certificate; the encryption RA certificate "
                f"offered in frame {frame} is {certificate.subject} serial {certificate.serial_number}.",
                (
                    view.q(_path(at), recipient_words(each)),
                    Fact(frame, f"keyUsage of {certificate.subject}", usage_words(certificate)),
                ),
                severity=None if view.failed or view.answer is None else Severity.INFO,
            )


@rule.request(ERROR, "RFC 8894, Section 2.1.2", "certnanny/sscep#156")
def req_recipient_is_signing_ra(view: View, message: PkiMessage) -> Found:
    """The request is encrypted for the RA's signing certificate.

    Seen: The recipient's keyUsage is digitalSignature only.
    Why: The client took the Exchange Enrollment Agent certificate for CEP Encryption: both look alike but for keyUsage.
    Do: Let the client take the certificate with keyEncipherment.
    Not: A wrong challenge password: the server cannot read that far.
    """
    for at, each in enumerate(_recipients(message)):
        match = known_recipient(view, each)
        if match is not None and match[0].role == "ra-signing":
            yield Evidence(
                f"The request is encrypted for {match[0].subject} serial {match[0].serial_number}, whose keyUsage is {usage_words(match[0])}{_wanted_words(view)}.",
                (
                    view.q(_path(at), recipient_words(each)),
                    Fact(match[1], f"keyUsage of {match[0].subject}", usage_words(match[0])),
                ),
            )


@rule.request(WARNING, "RFC 8894, Section 3.2.2", "micromdm/scep#159")
def req_many_recipients(view: View, message: PkiMessage) -> Found:
    """The request is encrypted for several recipients.

    Seen: More than one RecipientInfo.
    Why: The client encrypts for every certificate of the set.
    Do: Encrypt for the RA's or CA's encryption certificate alone; some servers look at the first only.
    Not: A fault where the server answers.
    """
    every = _recipients(message)
    if len(every) > 1:
        yield Evidence(
            f"The envelope names {len(every)} recipients: {'; '.join(map(recipient_words, every[:4]))}.",
            tuple(view.q(_path(at), recipient_words(each)) for at, each in enumerate(every[:4])),
        )


@rule.request(INFO, "RFC 5652, Section 6.2.1", "Keyfactor/ejbca-ce#924")
def req_recipient_by_key_id(view: View, message: PkiMessage) -> Found:
    """The recipient is named by its key, not by issuer and serial number.

    Seen: The RecipientInfo holds a subjectKeyIdentifier.
    Why: A setting or default of the client's CMS library.
    Matters: CMS allows both forms, but several servers look for issuer and serial number only and fail on this one.
    Do: Let the client name the recipient by issuer and serial number (CMS version 0).
    Do (ejbca): There is no setting for it on the server; an IllegalArgumentException in its log is this.
    Not: An envelope for the wrong certificate: the key is that of a certificate that was offered, where the summary says so.
    """
    for at, each in enumerate(_recipients(message)):
        if each.key_identifier is None or each.kind != "key-transport":
            continue
        match = known_recipient(view, each)
        whose = (
            f", which is that of {certificate_words(match[0])}, offered in frame {match[1]}"
            if match is not None
            else ""
        )
        yield Evidence(
            f"The recipient is named by key identifier {each.key_identifier}{whose}.",
            (
                view.q(_path(at), f"subjectKeyIdentifier {each.key_identifier}"),
                *((Fact(match[1], "GetCACert", certificate_words(match[0])),) if match is not None else ()),
            ),
        )


@rule.request(ERROR, "RFC 8894, Section 3.1")
def req_recipient_not_ktri(view: View, message: PkiMessage) -> Found:
    """The content key is not transported with RSA.

    Seen: A RecipientInfo for key agreement, a shared key or a password.
    Why: The CA's key is EC, or the client uses the password recipient of RFC 8894 for keys that cannot encrypt.
    Do: Give the server an RSA certificate for encryption.
    Not: A fault where the server supports it: RFC 8894 allows a password recipient.
    """
    for at, each in enumerate(_recipients(message)):
        if each.kind != "key-transport":
            yield Evidence(
                f"The recipient is of kind {each.kind}, where key-transport belongs.",
                (view.q(f"EnvelopedData.recipientInfos[{at}]", each.kind),),
                severity=None if view.failed or view.answer is None else Severity.WARNING,
            )


@rule.request(WARNING, "RFC 8017, Section 7.1", "smallstep/certificates#1300")
def req_oaep(view: View, message: PkiMessage) -> Found:
    """The content key is wrapped with RSA-OAEP.

    Seen: keyEncryptionAlgorithm is RSAES-OAEP.
    Why: A modern toolkit, or a key in a TPM.
    Matters: Many servers know PKCS #1 v1.5 only, cannot open the envelope, and answer as to a damaged message.
    Do: Let the client wrap the key with RSA PKCS #1 v1.5, or upgrade the server.
    Do (ucm): Upgrade it: older releases cannot decrypt RSAES-OAEP (ultimate-ca-manager#228).
    Do (step-ca, micromdm): Their CMS reader knows PKCS #1 v1.5 only.
    Do (windows-mdm): Choose a key storage provider without TPM in the profile where that makes the difference.
    Not: A fault of the standard: RFC 8894 does not forbid it.
    """
    if message.envelope is not None and message.envelope.key_encryption_algorithm == "rsaesOaep":
        yield Evidence(
            "The content key is wrapped with RSAES-OAEP.", (view.q("keyEncryptionAlgorithm", "1.2.840.113549.1.1.7"),)
        )


def _cipher(message: PkiMessage) -> str:
    return (message.envelope.content_encryption_algorithm if message.envelope is not None else None) or ""


@rule.request(WARNING, "RFC 8894, Section 2.9")
def req_cipher_des(view: View, message: PkiMessage) -> Found:
    """The request is encrypted with single DES.

    Seen: contentEncryptionAlgorithm is des-cbc.
    Why: An old client, or a default (Go's scepclient; sscep without GetCACaps).
    Do: Set the client's cipher to AES or 3DES: DES can be broken in days, and the challenge password is inside.
    Not: A refusal in itself: many servers still take it.
    """
    if _cipher(message) == "des-cbc":
        yield Evidence("The request is encrypted with single DES.", (view.q("contentEncryptionAlgorithm", "des-cbc"),))


@rule.request(WARNING, "RFC 8894, Section 2.9")
def req_cipher_obsolete(view: View, message: PkiMessage) -> Found:
    """The request is encrypted with an obsolete cipher.

    Seen: RC2, RC4, Blowfish or CAST.
    Why: A setting of an old client (sscep -E).
    Do: Set the client's cipher to AES or 3DES.
    Not: A refusal in itself.
    """
    cipher = _cipher(message)
    if cipher.lower().startswith(_OBSOLETE):
        yield Evidence(f"The request is encrypted with {cipher}.", (view.q("contentEncryptionAlgorithm", cipher),))


@rule.request(WARNING, "RFC 8894, Section 2.9", "smallstep/certificates#2100")
def req_digest_md5(view: View, message: PkiMessage) -> Found:
    """The request is signed with MD5.

    Seen: digestAlgorithm is md5.
    Why: An old Cisco IOS, or sscep without GetCACaps.
    Do: Set the client's hash to SHA-256; RFC 8894 forbids MD5.
    Not: A refusal in itself, unless the server says badAlg.
    """
    if message.digest_algorithm == "md5":
        yield Evidence("The request is signed with MD5.", (view.q("SignerInfo.digestAlgorithm", "md5"),))


@rule.request(INFO, "RFC 8894, Section 7.9")
def req_digest_sha1(view: View, message: PkiMessage) -> Found:
    """The request is signed with SHA-1.

    Seen: digestAlgorithm is sha1.
    Why: An old client, or a server that offers nothing better.
    Do: Use SHA-256 where the server offers it.
    Not: A refusal in itself.
    """
    if message.digest_algorithm == "sha1":
        yield Evidence("The request is signed with SHA-1.", (view.q("SignerInfo.digestAlgorithm", "sha1"),))


@rule.request(ERROR, "RFC 5652, Section 5.6", "smallstep/certificates#1723")
def req_signature_invalid(view: View, message: PkiMessage) -> Found:
    """The request's signature does not fit.

    Seen: The signature over the signed attributes fails with the key of the certificate in the message, in the order sent and in DER order.
    Why: Key and certificate do not belong together, or bytes were changed on the way.
    Why: The client signs the attributes in another form than it sends them.
    Do: Mend the client; look at the findings about the encoding first.
    Not: A wrong challenge password, though servers answer both with badMessageCheck.
    """
    if message.signature.valid is False and not message.partial:
        yield Evidence(
            f"The request's signature {message.signature.reason} with the key of {view.named(message.signer_identity)}.",
            (view.q("SignerInfo.signature", message.signature.reason),),
        )


@rule.request(ERROR, "RFC 5652, Section 11.2", "smallstep/certificates#908")
def req_digest_mismatch(view: View, message: PkiMessage) -> Found:
    """The request's messageDigest is not that of its content.

    Seen: The messageDigest attribute differs from the hash of the eContent.
    Why: The client hashes another form of the content (BER pieces, the OCTET STRING's header).
    Why: Bytes were changed on the way.
    Do: Mend the client or the proxy.
    Not: A wrong challenge password, though servers answer both with badMessageCheck.
    """
    if message.digest.valid is False and not message.partial:
        yield Evidence(
            f"In the request, {message.digest.reason}.", (view.q("signedAttrs.messageDigest", message.digest.reason),)
        )


@rule.request(ERROR, "RFC 8894, Section 3.1", "Gradenegger, event 17")
def req_no_signer_cert(view: View, message: PkiMessage) -> Found:
    """The request does not carry its signer's certificate.

    Seen: No certificate in the message is the one that signed it.
    Why: A fault of the client.
    Do: Include the requester's certificate; NDES logs event 17 without it.
    Not: An untrusted certificate.
    """
    if message.partial:
        return
    included = {each.identity for each in message.certificates}
    if message.signer_identity not in included and (message.signer is None or message.signer.identity not in included):
        what = "no certificate" if not included else f"only {', '.join(map(serial, list(included)[:3]))}"
        yield Evidence(
            f"The request is signed by {view.named(message.signer_identity)}, and carries {what}.",
            (view.q("SignerInfo.sid", serial(message.signer_identity)), view.q("SignedData.certificates", what)),
        )


@rule.request(ERROR, "RFC 8894, Section 3.2.2")
def envelope_structure_bad(view: View, message: PkiMessage) -> Found:
    """The envelope is not built as it must be.

    Seen: No envelope, one that cannot be read, another content type inside, an IV of the wrong size, or a ciphertext that is no multiple of the block size.
    Why: A fault of the client.
    Do: Mend the client's CMS library.
    Not: An envelope for the wrong recipient.
    """
    envelope = message.envelope
    if message.partial:
        return
    if envelope is None:
        odd = view.odd("envelope-unreadable")
        what = odd.detail if odd is not None else "there is no envelope in the request"
        yield Evidence(f"The request's envelope is not one: {what}.", (view.q("encapContentInfo", what),))
        return
    cipher = _cipher(message)
    block = _BLOCKS.get(cipher)
    wrong = []
    if envelope.content_type not in (_DATA, None):
        wrong.append(
            (
                f"contentType {envelope.content_type}",
                f"its contentType is {envelope.content_type}, where id-data belongs",
            )
        )
    if block is not None and envelope.iv_length not in (block, None):
        wrong.append(("IV", f"its IV has {envelope.iv_length} bytes, {cipher} needs {block}"))
    if block is not None and envelope.iv_length is None:
        wrong.append(("IV", "it has no IV (OpenSSL reads such a message with an IV of zeros)"))
    if envelope.ciphertext_length == 0 or envelope.ciphertext_length is None:
        wrong.append(("encryptedContent", "it holds nothing"))
    elif block is not None and envelope.ciphertext_length % block:
        wrong.append(
            ("encryptedContent", f"its ciphertext of {envelope.ciphertext_length:,} bytes is no multiple of {block}")
        )
    if wrong:
        mild = (
            all(name in ("IV", envelope.content_type and f"contentType {envelope.content_type}") for name, _ in wrong)
            and not view.failed
        )
        yield Evidence(
            f"The request's envelope is odd: {'; '.join(text for _, text in wrong)}.",
            tuple(view.q(f"EnvelopedData.{name.split()[0]}", text) for name, text in wrong),
            severity=Severity.WARNING if mild else None,
        )


@rule.request(ERROR, "RFC 8017, Section 7.2.1")
def encrypted_key_size_odd(view: View, message: PkiMessage) -> Found:
    """The encrypted key has not the size of the recipient's key.

    Seen: The encryptedKey is longer or shorter than the modulus of the certificate that it names.
    Why: The client encrypted with another key than that of the certificate it names: its copy is out of date.
    Do: Let the client fetch the CA certificates again.
    Not: A wrong name: the named certificate was offered.
    """
    for at, each in enumerate(_recipients(message)):
        match = known_recipient(view, each)
        key = match[0].public_key if match is not None else None
        if match is None or key is None or key.bits is None or each.encrypted_key_length is None:
            continue
        size = (key.bits + 7) // 8
        if each.encrypted_key_length != size:
            yield Evidence(
                f"The encrypted key has {each.encrypted_key_length} bytes, the RSA key of {serial(match[0].identity)} has {size}.",
                (
                    view.q(f"EnvelopedData.recipientInfos[{at}].encryptedKey", f"{each.encrypted_key_length} bytes"),
                    Fact(match[1], f"subjectPublicKey of {match[0].subject}", f"RSA {key.bits}"),
                ),
            )
