"""Names of SCEP's numbers, as people and the JSON say them."""

from enum import IntEnum

from scep_analyzer.model.scep import FailInfo, MessageType, PkiStatus

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

FAIL_INFO_MEANINGS = {
    FailInfo.badAlg: "unrecognized or unsupported algorithm",
    FailInfo.badMessageCheck: "integrity check failed: the server could not verify or decrypt the message",
    FailInfo.badRequest: "transaction not permitted or supported",
    FailInfo.badTime: "the signingTime is not close enough to the server's clock",
    FailInfo.badCertId: "no certificate matches",
}


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
