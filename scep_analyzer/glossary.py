"""Each word of SCEP explained once: the names of its numbers, and what they mean, for the timeline, ``show``, ``explain`` and the JSON."""

from enum import IntEnum
from typing import NamedTuple

from scep_analyzer.model.scep import FailInfo, Kind, MessageType, Outcome, PkiStatus


class Entry(NamedTuple):
    """A word: ``says`` is what a timeline tells of it (empty: nothing), ``meaning`` explains it, ``source`` proves it."""

    says: str
    meaning: str
    source: str


# Names from winerror.h, those that NDES puts into 1.3.6.1.4.1.311.21.33.
HRESULTS = {
    0x80070005: ("E_ACCESSDENIED", "the NDES service account lacks the right to enroll, or permission on the CA"),
    0x80070057: ("E_INVALIDARG", "seen with a challenge password that is wrong or a UTF8String"),
    0x800706BA: ("RPC_S_SERVER_UNAVAILABLE", "NDES cannot reach the CA (RPC/DCOM)"),
    0x80090005: ("NTE_BAD_DATA", "NDES cannot decrypt: the request is encrypted for another certificate"),
    0x80092013: ("CRYPT_E_REVOCATION_OFFLINE", "a CRL cannot be reached"),
    0x800B0101: ("CERT_E_EXPIRED", "an RA or signer certificate has expired"),
    0x80094001: ("CERTSRV_E_BAD_REQUESTSUBJECT", "the subject is invalid or too long"),
    0x80094012: ("CERTSRV_E_TEMPLATE_DENIED", "no right to enroll on the certificate template"),
    0x80094014: ("CERTSRV_E_ADMIN_DENIED_REQUEST", "a CA manager denied the request"),
    0x80094016: ("CERTSRV_E_WEAK_SIGNATURE_OR_KEY", "the request's key or signature is too weak"),
    0x80094800: ("CERTSRV_E_UNSUPPORTED_CERT_TYPE", "the template named in NDES's registry is not published on the CA"),
    0x80094801: ("CERTSRV_E_NO_CERT_TYPE", "the request names no template"),
    0x80094803: ("CERTSRV_E_SUBJECT_ALT_NAME_REQUIRED", "the template demands a subjectAltName"),
    0x80094806: ("CERTSRV_E_BAD_RENEWAL_SUBJECT", "the renewal's subject does not fit the old certificate"),
    0x80094809: ("CERTSRV_E_SIGNATURE_POLICY_REQUIRED", "the template demands an enrollment agent's signature"),
    0x8009480A: ("CERTSRV_E_SIGNATURE_COUNT", "the template demands more signatures"),
    0x8009480B: ("CERTSRV_E_SIGNATURE_REJECTED", "the enrollment agent's signature is not accepted"),
    0x8009480D: (
        "CERTSRV_E_SUBJECT_UPN_REQUIRED",
        "the template builds the subject from Active Directory: UPN missing",
    ),
    0x8009480F: (
        "CERTSRV_E_SUBJECT_DNS_REQUIRED",
        "the template builds the subject from Active Directory: DNS name missing",
    ),
    0x80094811: ("CERTSRV_E_KEY_LENGTH", "the key is shorter than the template's minimum"),
    0x80094812: (
        "CERTSRV_E_SUBJECT_EMAIL_REQUIRED",
        "the template builds the subject from Active Directory: e-mail missing",
    ),
    0x80094816: ("CERTSRV_E_RENEWAL_BAD_PUBLIC_KEY", "the renewal's public key is not accepted"),
    0x8009481C: ("CERTSRV_E_EXPIRED_CHALLENGE", "the attestation challenge has expired"),
    0x80094821: ("CERTSRV_E_SEC_EXT_DIRECTORY_SID_REQUIRED", "the SID extension is required"),
}

FAIL_INFO_MEANINGS: dict[int, str] = {
    FailInfo.badAlg: "unrecognized or unsupported algorithm",
    FailInfo.badMessageCheck: "integrity check failed: the server could not verify or decrypt the message",
    FailInfo.badRequest: "transaction not permitted or supported",
    FailInfo.badTime: "the signingTime is not close enough to the server's clock",
    FailInfo.badCertId: "no certificate matches",
}

OPERATIONS = {
    "GetCACaps": Entry(
        "The client asks what the server can do (RFC 8894, 3.5.1).",
        "The client asks what the server can do. The answer is a text, one keyword a line; its type is of no account. Without a usable answer old clients use GET, single DES and MD5 or SHA-1.",
        "RFC 8894, Section 3.5.1",
    ),
    "GetCACert": Entry(
        "The client asks for the CA's certificates, and its RA's if there is one (RFC 8894, 4.2).",
        "The client asks for the certificates to encrypt for and to verify with. One certificate comes as application/x-x509-ca-cert, a set with RA certificates as application/x-x509-ca-ra-cert. A `message=` parameter is the CA's name, plain text.",
        "RFC 8894, Section 4.2",
    ),
    "GetCACertChain": Entry(
        "The client asks for the CA's chain (draft-nourse-scep; gone from RFC 8894).",
        "The drafts' way to ask for the CA's chain; gone from RFC 8894.",
        "draft-nourse-scep-23, Section 5.2.6",
    ),
    "GetNextCACert": Entry(
        "The client asks for the CA certificate that will come next, before a rollover (RFC 8894, 4.7).",
        "The client asks for the CA certificate that will come next. The answer is signed by the present CA.",
        "RFC 8894, Section 4.7",
    ),
    "PKIOperation": Entry(
        "",
        "Carries a pkiMessage: by POST as raw DER, by GET as base64, percent-encoded, in `message=`.",
        "RFC 8894, Section 4.1",
    ),
    "NDESGenerateChallenge": Entry(
        "",
        "An operation of NDES with a policy module: gives a challenge password.",
        "learn.microsoft.com, How to write an NDES policy module",
    ),
    "NDESGetCACertThumbprint": Entry(
        "",
        "An operation of NDES with a policy module: gives the CA certificate's thumbprint.",
        "learn.microsoft.com, How to write an NDES policy module",
    ),
}

MESSAGE_TYPES: dict[int, Entry] = {
    MessageType.CertRep: Entry(
        "", "The server's answer, to whatever request. Its pkiStatus tells the outcome.", "RFC 8894, Section 3.2.1.2"
    ),
    MessageType.RenewalReq: Entry(
        "asks to renew: a PKCS #10 request, signed with the certificate it replaces",
        "Asks to renew: a PKCS #10 request, signed with the certificate it replaces. draft-nourse-scep does not know it: Cisco, sscep and jscep renew with PKCSReq.",
        "RFC 8894, Section 3.2.1.2",
    ),
    MessageType.UpdateReq: Entry(
        "asks to update: a PKCS #10 request (early drafts)",
        "The name of early drafts of draft-gutmann-scep; unassigned today.",
        "RFC 8894, Section 3.2.1.2",
    ),
    MessageType.PKCSReq: Entry(
        "asks for a certificate: a PKCS #10 request, encrypted for the CA or RA",
        "Asks for a certificate: a PKCS #10 request, encrypted for the CA or RA, signed with a self-signed certificate; signed with an issued certificate it is a renewal.",
        "RFC 8894, Section 3.2.1.2",
    ),
    MessageType.CertPoll: Entry(
        "asks again for the outcome of a pending request (GetCertInitial in older texts)",
        "Asks again for the outcome of a pending request, by issuer and subject. Called GetCertInitial in the drafts.",
        "RFC 8894, Section 3.2.1.2",
    ),
    MessageType.GetCert: Entry(
        "asks for a certificate that was issued earlier",
        "Asks for a certificate that was issued earlier, by issuer and serial number.",
        "RFC 8894, Section 3.2.1.2",
    ),
    MessageType.GetCRL: Entry(
        "asks for a CRL",
        "Asks for a CRL, by issuer and serial number of a certificate. Most servers refuse it.",
        "RFC 8894, Section 3.2.1.2",
    ),
}

STATUSES = {
    PkiStatus.SUCCESS: Entry(
        "", "The request is granted; the certificate is in the envelope.", "RFC 8894, Section 3.2.1.3"
    ),
    PkiStatus.FAILURE: Entry(
        "",
        "The request is refused; failInfo says why, roughly. NDES adds an HRESULT, others a failInfoText.",
        "RFC 8894, Section 3.2.1.3",
    ),
    PkiStatus.PENDING: Entry(
        "", "The request waits for approval; the client polls with CertPoll.", "RFC 8894, Section 3.2.1.3"
    ),
}

CAPABILITIES = {
    "AES": Entry("AES-128-CBC", "AES-128-CBC for envelopes.", "RFC 8894, Section 3.5.2"),
    "DES3": Entry("3DES-CBC", "3DES-CBC for envelopes.", "RFC 8894, Section 3.5.2"),
    "GetNextCACert": Entry("CA rollover", "The operation GetNextCACert is there.", "RFC 8894, Section 3.5.2"),
    "POSTPKIOperation": Entry(
        "messages may be sent by POST", "PKIOperation may be sent by POST.", "RFC 8894, Section 3.5.2"
    ),
    "Renewal": Entry(
        "renewal with the existing certificate",
        "A certificate may be renewed with a request signed by it.",
        "RFC 8894, Section 3.5.2",
    ),
    "SHA-1": Entry("", "SHA-1 for digests.", "RFC 8894, Section 3.5.2"),
    "SHA-256": Entry("", "SHA-256 for digests.", "RFC 8894, Section 3.5.2"),
    "SHA-512": Entry("", "SHA-512 for digests.", "RFC 8894, Section 3.5.2"),
    "SCEPStandard": Entry(
        "AES, SHA-256 and POST, all of RFC 8894's musts",
        "All that RFC 8894 demands: AES, POSTPKIOperation and SHA-256.",
        "RFC 8894, Section 3.5.2",
    ),
    "Update": Entry("", "The drafts' word for what became Renewal with messageType 18.", "RFC 8894, Section 3.5.2"),
}

CONTENT_TYPES = {
    "application/x-pki-message": Entry(
        "", "A pkiMessage: the body of a PKIOperation by POST, and of its answer.", "RFC 8894, Section 4.3"
    ),
    "application/x-x509-ca-cert": Entry(
        "", "One DER certificate: the answer to GetCACert without an RA.", "RFC 8894, Section 4.2.1.1"
    ),
    "application/x-x509-ca-ra-cert": Entry(
        "",
        "A degenerate CMS SignedData with the CA's and the RA's certificates. Apple's clients take it to mean that there are RA certificates.",
        "RFC 8894, Section 4.2.1.2",
    ),
    "application/x-x509-ca-ra-cert-chain": Entry("", "The answer to GetCACertChain.", "draft-nourse-scep-23"),
    "application/x-x509-next-ca-cert": Entry(
        "", "The answer to GetNextCACert: a set signed by the present CA.", "RFC 8894, Section 4.7.1"
    ),
    "text/plain": Entry("", "The answer to GetCACaps; clients are to ignore its type.", "RFC 8894, Section 3.5.2"),
    "text/html": Entry("", "Never a SCEP answer: an error page, a login, the wrong site.", "RFC 8894, Section 4"),
}

KIND_WORDS = {
    Kind.ENROLLMENT: "enrollment",
    Kind.RENEWAL: "renewal",
    Kind.POLL: "poll",
    Kind.GET_CERT: "GetCert",
    Kind.GET_CRL: "GetCRL",
    Kind.CA_CERTIFICATES: "CA certificates",
}
OUTCOME_WORDS = {
    Outcome.SUCCESS: "succeeded",
    Outcome.FAILURE: "refused",
    Outcome.PENDING: "pending",
    Outcome.UNANSWERED: "unanswered",
    Outcome.HTTP_ERROR: "failed: HTTP answer instead of SCEP",
    Outcome.CONNECTION_FAILED: "failed: no connection",
    Outcome.UNKNOWN: "outcome unknown",
}
OUTCOME_COUNTS = {
    **OUTCOME_WORDS,
    Outcome.HTTP_ERROR: "ended in an HTTP answer that is not SCEP",
    Outcome.CONNECTION_FAILED: "without a connection",
    Outcome.UNKNOWN: "with unknown outcome",
}
ROLES = {
    "ca": "CA",
    "ra": "RA",
    "ra-signing": "RA signing",
    "ra-encryption": "RA encryption",
    "requester": "requester",
    "issued": "issued",
}
"""What a certificate is for, as :attr:`Certificate.role` says it."""

FIELDS = {
    "messageType": "what is asked or answered (RFC 8894, 3.2.1.2)",
    "transactionID": "the same in every message of one enrollment; often a hash of the public key (RFC 8894, 3.2.1.1)",
    "pkiStatus": "granted, refused or pending (RFC 8894, 3.2.1.3)",
    "failInfo": "why it was refused (RFC 8894, 3.2.1.4)",
    "failInfoText": "the same in words (RFC 8894, 3.2.1.4)",
    "senderNonce": "16 random bytes of the sender (RFC 8894, 3.2.1.5)",
    "recipientNonce": "the senderNonce of the request that this answers (RFC 8894, 3.2.1.5)",
    "signingTime": "the sender's clock (RFC 5652, 11.3)",
    "ENROLL_SCEP_ERROR": "NDES's real reason, an HRESULT (Microsoft, 1.3.6.1.4.1.311.21.33)",
    "digestAlgorithm": "the hash under the signature (RFC 5652, 5.3)",
    "signatureAlgorithm": "how the signature is made (RFC 5652, 5.3)",
    "messageDigest": "the hash of the content, which the signature covers (RFC 5652, 11.2)",
    "signature": "over the signed attributes, with the signer's key (RFC 5652, 5.4)",
    "signer": "whose certificate signed: self-signed at a first enrollment, the old one at a renewal (RFC 8894, 2.3)",
    "recipient": "whose key opens the envelope (RFC 5652, 6.2.1)",
    "keyEncryptionAlgorithm": "how the content's key is wrapped for the recipient (RFC 5652, 6.2.1)",
    "contentEncryptionAlgorithm": "how the content is encrypted (RFC 5652, 6.1)",
    "challengePassword": "the secret by which the CA knows the requester (RFC 8894, 2.4; RFC 2985, 5.4.1)",
    "issuer": "who signed it (RFC 5280, 4.1.2.4)",
    "subject": "whom it names (RFC 5280, 4.1.2.6)",
    "serialNumber": "unique for this issuer (RFC 5280, 4.1.2.2)",
    "validity": "from and until when (RFC 5280, 4.1.2.5)",
    "keyUsage": "what the key may do (RFC 5280, 4.2.1.3)",
    "extKeyUsage": "for which purposes (RFC 5280, 4.2.1.12)",
    "subjectAltName": "further names (RFC 5280, 4.2.1.6)",
    "basicConstraints": "whether it is a CA (RFC 5280, 4.2.1.9)",
    "subjectKeyIdentifier": "names its key (RFC 5280, 4.2.1.2)",
    "authorityKeyIdentifier": "names its issuer's key (RFC 5280, 4.2.1.1)",
    "cRLDistributionPoints": "where the CRL is (RFC 5280, 4.2.1.13)",
    "authorityInfoAccess": "where OCSP and the issuer's certificate are (RFC 5280, 4.2.2.1)",
    "pkiMessage": "CMS SignedData around an envelope (RFC 8894, 3.2)",
    "pkcsPKIEnvelope": "CMS EnvelopedData: the request or the answer, encrypted (RFC 8894, 3.2.2)",
    "PKCS #10 request": "what the client asks the CA to certify (RFC 2986)",
    "CA capabilities": "one word a line (RFC 8894, 3.5.2)",
    "CA certificates": "the CA's, and its RA's (RFC 8894, 4.2.1)",
}
"""What a field is for, and where that is written: the notes of ``show`` and ``decode``."""


def _name(kind: type[IntEnum], number: int | None) -> str | None:
    if number is None:
        return None
    return next((each.name for each in kind if each == number), None)


def message_type_name(number: int | None) -> str | None:
    """RFC 8894's name of a messageType, None for an unknown number."""
    return _name(MessageType, number)


def pki_status_name(number: int | None) -> str | None:
    """RFC 8894's name of a pkiStatus."""
    return _name(PkiStatus, number)


def fail_info_name(number: int | None) -> str | None:
    """RFC 8894's name of a failInfo."""
    return _name(FailInfo, number)


def hresult_name(number: int) -> str | None:
    """The constant's name in winerror.h."""
    return HRESULTS[number][0] if number in HRESULTS else None
