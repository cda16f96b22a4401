"""Each word of SCEP explained once, for the timeline, ``show``, ``explain`` and the JSON: names of numbers, meanings, sources.

``terms`` has the words, ``fields`` what messages and certificates consist of, ``hresults`` the errors of NDES; the rest is here.
"""

from collections.abc import Iterator, Mapping
from enum import IntEnum
from functools import cache

from scep_analyzer.glossary._entry import Entry
from scep_analyzer.glossary.fields import FIELD_ENTRIES, FIELDS
from scep_analyzer.glossary.hresults import HRESULTS
from scep_analyzer.glossary.terms import OTHER_WORDS, TERMS
from scep_analyzer.model.scep import FailInfo, Kind, MessageType, PkiStatus

__all__ = [
    "CAPABILITIES",
    "CONTENT_TYPES",
    "FAIL_INFO_ENTRIES",
    "FAIL_INFO_MEANINGS",
    "FIELDS",
    "FIELD_ENTRIES",
    "HRESULTS",
    "KIND_WORDS",
    "MESSAGE_TYPES",
    "OPERATIONS",
    "OTHER_WORDS",
    "ROLES",
    "STATUSES",
    "TERMS",
    "Entry",
    "fail_info_name",
    "hresult_name",
    "message_type_name",
    "pki_status_name",
    "short",
]

FAIL_INFO_MEANINGS: dict[int, str] = {
    FailInfo.badAlg: "unrecognized or unsupported algorithm",
    FailInfo.badMessageCheck: "integrity check failed: the server could not verify the message",
    FailInfo.badRequest: "transaction not permitted or supported",
    FailInfo.badTime: "the signingTime is not close enough to the server's clock",
    FailInfo.badCertId: "no certificate matches",
}
"""RFC 8894's meaning, Section 3.2.1.4. What servers make of it is in FAIL_INFO_ENTRIES."""

FAIL_INFO_ENTRIES: dict[int, Entry] = {
    FailInfo.badAlg: Entry("the server does not know or not support an algorithm of the request", "Unrecognized or unsupported algorithm.", "RFC 8894, Section 3.2.1.4"),
    FailInfo.badMessageCheck: Entry("the server could not verify the signature of the request; NDES: or the password", "Integrity check failed: by RFC 8894 the signature of the message could not be verified. NDES and some others use it for a wrong challenge password and for a request that they cannot decrypt, too.", "RFC 8894, Section 3.2.1.4"),
    FailInfo.badRequest: Entry("the server does not permit or support this request; the reason is in its log", "Transaction not permitted or supported. Servers use it for most refusals, a wrong challenge password among them; the log of the server has the reason.", "RFC 8894, Section 3.2.1.4"),
    FailInfo.badTime: Entry("the time in the request differs too much from the server's clock", "The signingTime of the request is not close enough to the clock of the server.", "RFC 8894, Section 3.2.1.4"),
    FailInfo.badCertId: Entry("the server has no certificate that matches the request", "No certificate could be identified that matches what the request names.", "RFC 8894, Section 3.2.1.4"),
}  # fmt: skip

OPERATIONS = {
    "GetCACaps": Entry(
        "the client asks what the server can do",
        "The client asks what the server can do. The response is a text with one keyword a line; clients ignore its content type. Without a usable response, clients of the drafts fall back to GET, single DES and MD5 or SHA-1. RFC 8894 forbids single DES and MD5 in every case and asks clients for at least 3DES and SHA-1, which all known servers can do.",
        "RFC 8894, Sections 3.5.1, 2.9",
        "The client asks what the server can do (RFC 8894, 3.5.1).",
    ),
    "GetCACert": Entry(
        "the client asks for the certificates of the CA and RA",
        "The client asks for the certificates to encrypt for and to verify with. One certificate comes as application/x-x509-ca-cert, a set as application/x-x509-ca-ra-cert. RFC 8894 has no request data here; in the drafts, `message=` is the CA identifier (draft-nourse-scep-23, 5.2.1).",
        "RFC 8894, Section 4.2",
        "The client asks for the CA's certificates, and its RA's if there is one (RFC 8894, 4.2).",
    ),
    "GetCACertChain": Entry(
        "the client asks for the certificate chain of the CA (early drafts)",
        "The client asks for the certificate chain of the CA. Only early drafts have this operation; it was dropped before draft-nourse-scep-23.",
        "draft-nourse-scep-11, Section 5.6",
        "The client asks for the CA's chain (early drafts of draft-nourse-scep; not in RFC 8894).",
    ),
    "GetNextCACert": Entry(
        "the client asks for the next certificate of the CA, before a rollover",
        "The client asks for the certificate that the CA will use after its next rollover. The response is signed by the present CA. An error is normal while no rollover is planned.",
        "RFC 8894, Section 4.7",
        "The client asks for the CA certificate that will come next, before a rollover (RFC 8894, 4.7).",
    ),
    "PKIOperation": Entry(
        "the client sends a pkiMessage: an enrollment, a poll or a query",
        "Carries a pkiMessage: by POST as raw DER in the body, by GET as base64, percent-encoded, in `message=`.",
        "RFC 8894, Sections 4.1, 4.3",
    ),
    "NDESGenerateChallenge": Entry(
        "an operation of NDES with a policy module: returns a challenge password",
        "An operation of NDES with a policy module. It returns a challenge password.",
        "learn.microsoft.com, Using a policy module with NDES",
    ),
    "NDESGetCACertThumbprint": Entry(
        "an operation of NDES with a policy module: returns the fingerprint of the CA",
        "An operation of NDES with a policy module. It returns the fingerprint of the CA certificate.",
        "learn.microsoft.com, Using a policy module with NDES",
    ),
}

MESSAGE_TYPES: dict[int, Entry] = {
    MessageType.CertRep: Entry(
        "the response of the server to any request",
        "The response of the server to any request. Its pkiStatus says how the server decided.",
        "RFC 8894, Section 3.2.1.2",
    ),
    MessageType.RenewalReq: Entry(
        "a request to renew, signed with an existing certificate",
        "Asks to renew: a PKCS #10 request, signed with the certificate that it replaces or with one of another CA that the server trusts. Clients use it if the server has the capability Renewal. Cisco, sscep and jscep renew with PKCSReq.",
        "RFC 8894, Sections 3.2.1.2, 2.3",
        "asks to renew: a PKCS #10 request, signed with the certificate it replaces",
    ),
    MessageType.UpdateReq: Entry(
        "a request signed with a certificate of another CA (drafts only)",
        "A request that is authenticated with a certificate of another CA. Only early versions of draft-gutmann-scep have it; RFC 8894 uses RenewalReq for this.",
        "draft-gutmann-scep-00",
        "asks to update: a PKCS #10 request (early drafts)",
    ),
    MessageType.PKCSReq: Entry(
        "a request for a certificate: a PKCS #10 request, encrypted for the CA or RA",
        "Asks for a certificate: a PKCS #10 request, encrypted for the CA or RA and signed with a self-signed certificate. Signed with an issued certificate, it is a renewal.",
        "RFC 8894, Section 3.2.1.2",
        "asks for a certificate: a PKCS #10 request, encrypted for the CA or RA",
    ),
    MessageType.CertPoll: Entry(
        "the client asks whether its pending request was decided",
        "Asks for the outcome of a pending request. The server finds the request by the transactionID; the names of issuer and subject are in the envelope. Called GetCertInitial in the drafts.",
        "RFC 8894, Sections 3.3.3, 4.4",
        "asks again for the outcome of a pending request (GetCertInitial in older texts)",
    ),
    MessageType.GetCert: Entry(
        "the client asks for a certificate that was issued earlier",
        "Asks for a certificate that was issued earlier, by issuer and serial number.",
        "RFC 8894, Section 3.3.4",
        "asks for a certificate that was issued earlier",
    ),
    MessageType.GetCRL: Entry(
        "the client asks for a CRL",
        "Asks for a CRL, by issuer and serial number of a certificate. Most servers refuse it; fetch the CRL from the URL in the certificate instead.",
        "RFC 8894, Section 3.3.4",
        "asks for a CRL",
    ),
}

STATUSES = {
    PkiStatus.SUCCESS: Entry(
        "the request is granted",
        "The request is granted; the certificate is in the envelope, encrypted for the client.",
        "RFC 8894, Section 3.2.1.3",
    ),
    PkiStatus.FAILURE: Entry(
        "the request is refused",
        "The request is refused. failInfo names the kind of reason; NDES adds an HRESULT, others a failInfoText.",
        "RFC 8894, Section 3.2.1.3",
    ),
    PkiStatus.PENDING: Entry(
        "the request waits for approval",
        "The request waits for approval; the client polls with CertPoll.",
        "RFC 8894, Section 3.2.1.3",
    ),
}

CAPABILITIES = {
    "AES": Entry("AES-128-CBC for envelopes", "AES-128-CBC for envelopes.", "RFC 8894, Section 3.5.2", "AES-128-CBC"),
    "DES3": Entry("3DES-CBC for envelopes", "3DES-CBC for envelopes.", "RFC 8894, Section 3.5.2", "3DES-CBC"),
    "GetNextCACert": Entry(
        "the server has the operation GetNextCACert, for a rollover of the CA",
        "The server has the operation GetNextCACert, for a rollover of the CA.",
        "RFC 8894, Section 3.5.2",
        "CA rollover",
    ),
    "POSTPKIOperation": Entry(
        "PKIOperation may be sent by POST",
        "PKIOperation may be sent by POST; the client then has to do so.",
        "RFC 8894, Sections 3.5.2, 4.1",
        "messages may be sent by POST",
    ),
    "Renewal": Entry(
        "the server renews a certificate on a request that the certificate signs",
        "The server renews a certificate on a request that is signed with this certificate (RenewalReq).",
        "RFC 8894, Section 3.5.2",
        "renewal with the existing certificate",
    ),
    "SHA-1": Entry("SHA-1 for digests", "SHA-1 for digests.", "RFC 8894, Section 3.5.2"),
    "SHA-224": Entry("SHA-224 for digests; not a keyword of RFC 8894", "SHA-224 for digests. Some servers list it; RFC 8894 has no such keyword.", "RFC 8894, Section 3.5.2"),
    "SHA-256": Entry("SHA-256 for digests", "SHA-256 for digests.", "RFC 8894, Section 3.5.2"),
    "SHA-384": Entry("SHA-384 for digests; not a keyword of RFC 8894", "SHA-384 for digests. Some servers list it; RFC 8894 has no such keyword.", "RFC 8894, Section 3.5.2"),
    "SHA-512": Entry("SHA-512 for digests", "SHA-512 for digests.", "RFC 8894, Section 3.5.2"),
    "SCEPStandard": Entry(
        "the server does all that RFC 8894 requires: AES, POST, SHA-256",
        "The server does all that RFC 8894 requires: AES, POSTPKIOperation and SHA-256.",
        "RFC 8894, Section 3.5.2",
        "AES, SHA-256 and POST: all mandatory features of RFC 8894",
    ),
    "Update": Entry(
        "the server accepts requests signed with a certificate of another CA (drafts only)",
        "A second capability beside Renewal in early versions of draft-gutmann-scep: the server accepts a request that a certificate of another CA signs (UpdateReq, 18). RFC 8894 dropped it; a RenewalReq does the same.",
        "draft-gutmann-scep-00",
    ),
}  # fmt: skip

CONTENT_TYPES = {
    "application/x-pki-message": Entry(
        "a pkiMessage",
        "A pkiMessage: the body of a PKIOperation by POST, and of its response.",
        "RFC 8894, Section 4.3",
    ),
    "application/x-x509-ca-cert": Entry(
        "one certificate: the response to GetCACert from a CA without intermediate CA or RA",
        "One certificate in DER: the response to GetCACert from a server that has neither an intermediate CA nor an RA.",
        "RFC 8894, Section 4.2.1.1",
    ),
    "application/x-x509-ca-ra-cert": Entry(
        "a set of certificates: the response to GetCACert with a chain or with RA certificates",
        "A certs-only PKCS #7: the response to GetCACert with a chain of CA certificates, or with RA certificates. By RFC 8894 the letters “ra” have no meaning; clients of the drafts and those of Apple expect RA certificates under this type.",
        "RFC 8894, Section 4.2.1.2",
    ),
    "application/x-x509-ca-ra-cert-chain": Entry(
        "the response to GetCACertChain (early drafts)",
        "The response to GetCACertChain, an operation of early drafts.",
        "draft-nourse-scep-11, Section 5.6",
    ),
    "application/x-x509-next-ca-cert": Entry(
        "the response to GetNextCACert",
        "The response to GetNextCACert: the next certificates of the CA, signed by the present CA.",
        "RFC 8894, Section 4.7.1",
    ),
    "text/plain": Entry(
        "the response to GetCACaps",
        "The response to GetCACaps; clients have to ignore its content type.",
        "RFC 8894, Section 3.5.2",
    ),
    "text/html": Entry(
        "a web page, never a SCEP response",
        "Never a SCEP response: an error page, a sign-in page or the wrong site.",
        "RFC 8894, Section 4",
    ),
}

KIND_WORDS = {
    Kind.ENROLLMENT: "enrollment",
    Kind.RENEWAL: "renewal",
    Kind.POLL: "poll",
    Kind.GET_CERT: "GetCert",
    Kind.GET_CRL: "GetCRL",
    Kind.CA_CERTIFICATES: "CA certificates",
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


def short(word: str) -> str | None:
    """The one-line explanation of a word, of at most 110 characters, whatever its case; None for a word that is not in the glossary."""
    plain = word.lower()
    return _shorts().get(plain) or _shorts().get(_other_words().get(plain, ""))


@cache
def _shorts() -> Mapping[str, str]:
    return {name.lower(): entry.short for name, entry in reversed(list(_entries()))}


@cache
def _other_words() -> Mapping[str, str]:
    return {word.lower(): name.lower() for word, name in OTHER_WORDS.items()}


def _entries() -> Iterator[tuple[str, Entry]]:
    """Every entry by its name; the first of a name counts (GetNextCACert is an operation before it is a capability)."""
    for table in (TERMS, FIELD_ENTRIES, OPERATIONS, CAPABILITIES, CONTENT_TYPES):
        yield from table.items()
    yield from ((MessageType(number).name, entry) for number, entry in MESSAGE_TYPES.items())
    yield from ((number.name, entry) for number, entry in STATUSES.items())
    yield from ((FailInfo(number).name, entry) for number, entry in FAIL_INFO_ENTRIES.items())
