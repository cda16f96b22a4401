"""What ``explain`` must know: codes and words that people meet, typed here from manuals and headers, not from the analyzer's tables."""

import re

import pytest

from scep_analyzer.rules.catalogue import RULES
from scep_analyzer.topics import find

HRESULTS = """
0x8010002C 0x80072F78 12152 0x80072F8F 12175 0x80072EE2 12002 0x80072EE5 12005 0x80072EE6 12006 0x80072EE7 12007 0x80072EFD 12029
0x80072EFE 12030 0x80072F05 12037 0x80072F06 12038 0x80072F0C 12044 0x80072F0D 12045 0x80072F19 12057 0x80072F76 12150 0x80072F7C
12156 0x80072F7D 12157 0x80072F8A 12170 0x80190191 0x80190193 0x80190194 0x80190195 0x801901F4 0x801901F6 0x801901F7 0x801901F8
0x80190190 0x80190001 0x80190003 0x80190004 0x80190005 0x800B0109 0x800B010A 0x800B010F 0x800B0110 0x800B0112 0x80091006
0x80091007 0x80091002 0x80090008 0x80091004 0x8009200A 0x8009100D 0x8009100E 0x80092004 0x8009200C 0x80092012 0x80092013
0x80093102 0x8009310B 0x80090006 0x8009000D 0x80090016 0x8009000F 0x80090010 0x80090014 0x80090029 0x80090030 0x8007000D
0x80004005 2148204809 -2147024809 0x80070057 0x80070005 0x800706BA 0x80090005 0x800B0101 0x80094001 0x80094012 0x80094014
0x80094016 0x80094800 0x80094801 0x80094803 0x8009480D 0x8009480F 0x80094812 0x80094806 0x80094816 0x80094809 0x8009480A
0x8009480B 0x80094811 0x8009481C 0x80094821 0x80094011 0x80070002 0x80094006 0x80094802 0x8009480E 0x80094815 0x80094817
0x80094818 0x80094819 0x8009481A 0x8009481B 0x8009481D 0x8009481E 0x8009481F 0x80094820
"""
"""winerror.h, winhttp.h: what Windows clients log and NDES sends, in hexadecimal; and in decimals as IIS and the attribute write it."""

EVENTS = """
SCARD_E_NO_SUCH_CERTIFICATE | CERTSRV_E_ENROLL_DENIED | E_FAIL | event 36 | event 39 | event 32 | event 307 | event 30 | event 86
| event 87 | event 1 | event 2 | event 3 | event 4 | event 6 | event 7 | event 8 | event 10 | event 16 | event 17 | event 18 |
event 28 | event 29 | event 31 | event 53 | event 1310 | event 5009 | event 1000 | event 4625
"""
"""Events of NDES and of Windows clients."""

SUB_STATUSES = """
401.1 | 401.2 | 401.3 | 401.4 | 401.5 | 403.2 | 403.4 | 403.6 | 403.7 | 403.13 | 403.14 | 403.16 | 403.17 | 404.0 | 404.2 | 404.3
| 404.4 | 404.5 | 404.6 | 404.7 | 404.10 | 404.11 | 404.13 | 404.14 | 404.15 | 404.17 | 404.18 | 404.19 | 500.0 | 500.11 | 500.12
| 500.13 | 500.19 | 502.3 | 503.0 | 503.2
"""
"""IIS: learn.microsoft.com, HTTP status codes in IIS."""

HTTP_SYS = """
AppOffline | Disabled | AppShutdown | AppPoolTimer | QueueFull | ConnLimit | Connection_Abandoned_By_ReqQueue |
Connection_Abandoned_By_AppPool | Connection_Dropped | Client_Reset | BadRequest | URL | URL_Length | RequestLength | FieldLength
| Hostname | Header | Invalid_CR/LF | Number | Forbidden | EntityTooLarge | LengthRequired | Verb | Version_N/S | Timer_HeaderWait
| Timer_EntityBody | Timer_MinBytesPerSecond | Timer_SslRenegotiation | Connections_Refused | Timer_ConnectionIdle
"""
"""http.sys: learn.microsoft.com, Error logging in HTTP APIs."""

CONNECTOR = """
10102 | 10301 | 10302 | 20501 | 20502 | 20602 | 20202 | 20302 | 20402 | 0x405 | 0x403 | 0x404 | 0x411 | 0x408 | 0x409 | 0x410 |
0x402 | 0x400 | 0x0FFFFFFF
"""
"""learn.microsoft.com, Certificate Connector for Microsoft Intune, events and codes."""

VALIDATION = """
ChallengePasswordMissing | ChallengeExpired | ChallengeInvalidTimestamp | ChallengeDecryptionError | ChallengeDecodingError |
ChallengeDeserializationError | SigningCertThumbprintMismatch | SignatureValidationFailed | SubjectNameMissing |
SubjectNameMismatch | SubjectAltNameMissing | SubjectAltNameMismatch | KeyUsageMismatch | EnhancedKeyUsageMissing |
EnhancedKeyUsageMismatch | KeyLengthMismatch | CertificateRequestDecodingFailed | ScepProfileNoLongerTargetedToTheClient |
RegisteredKeyMismatch | AadKeyIdentifierListMissing
"""
"""microsoft/Intune-Resource-Access, IntuneScepServiceException."""

APPLE = """
22000 | 22001 | 22002 | 22003 | 22004 | 22005 | 22006 | 22007 | 22008 | 22009 | 22010 | 22011 | 22012 | 22013 | 23001 | 4001 |
1009 | MDM-SCEP:14003 | MDM-SCEP:14006 | MDM-SCEP:15001 | MDM-SCEP:15002 | -67731 | -67730 | -50 | -603 | MCSCEPErrorDomain |
MCSCEPErrorDomain 22013 | Apple 22013
"""
"""MCSCEPErrorDomain and Security framework; MDM-SCEP numbers of Jamf."""

DEVICES = """
%PKI-3-SOCKETSEND | %PKI-6-CERTREJECT | %PKI-6-CERTRET | CERT_INSTALL | CERT_ENROLL_MANUAL | CSR_FINGERPRINT |
%PKI-6-AUTHORITATIVE_CLOCK | %PKI-3-CERTIFICATE_INVALID_EXPIRED | %PKI-3-CERTIFICATE_INVALID_NOT_YET_VALID | %PKI-3-CRL_FETCH_FAIL
| %PKI-3-PKCS12_IMPORT_FAILURE | 0x760 | E_DIGEST_ALG_NOT_SUPPORTED | %PKI-6-CERTFAIL | %PKI-6-CERTPENDING | %PKI-3-GETCARACERT |
%PKI-3-HOSTNAME_RESOLVE_ERR | %PKI-4-NOAUTOSAVE | %PKI-3-QUERY_KEY | E_ENCRYPT_ALG_NOT_SUPPORTED | scep_parse_header | Reply type
| pkcs7_wrap | __add_attribute_string | new_scep_transaction | 50502 | CERTREJECT | SOCKETSEND
"""
"""Messages of Cisco IOS, FortiGate, FortiAuthenticator."""

HOSTED = """
ValidationException | LimitExceededException | DigiCert 404 | DigiCert 401 | DigiCert 400 | DigiCert 406 | DigiCert 412
"""
"""AWS Connector for SCEP, DigiCert."""

TOOLS = """
sscep 0 | sscep 1 | sscep 2 | sscep 3 | sscep 70 | sscep 71 | sscep 72 | sscep 73 | sscep 74 | sscep 89 | sscep 91 | sscep 93 |
sscep 95 | sscep 97 | sscep 99 | certmonger 0 | certmonger 1 | certmonger 2 | certmonger 3 | certmonger 4 | certmonger 5 |
certmonger 6 | certmonger 16 | certmonger 17
"""
"""Exit statuses: sscep.h, certmonger submit-e.h."""

WORDS = """
SCEP | overview | pkiMessage | pkcsPKIEnvelope | degenerate | IssuerAndSubject | IssuerAndSerialNumber | RA | intermediate CA |
keyUsage | nonce | transaction | polling | renewal | rollover | fingerprint | CAIdentifier | GET or POST | SCEPPATH | security |
downgrade | challenge | one-time password | revocation | PasswordRecipientInfo | PasswordMax | PasswordValidity |
UseSinglePassword | EnforcePassword | SignatureTemplate | EncryptionTemplate | GeneralPurposeTemplate | mscep_admin | CEP
Encryption | Exchange Enrollment Agent | policy module | subjectAltName | SHA-384 | SHA-224 | transId | pkistatus 1 |
unstructuredName | cmsAlgorithmProtection | ENROLL_SCEP_SERVER_STATE | ntdsSecurityIdentifier | HTTP 500 | HTTP 329 | HTTP 202 |
HTTP 501 | HTTP 429 | HTTP 417 | HTTP 403
"""
"""What a learner asks: RFC 8894, NDES, the fields that `show` prints, HTTP."""

ASKED = [
    *HRESULTS.split(),
    *(
        name.strip()
        for line in (EVENTS, SUB_STATUSES, HTTP_SYS, CONNECTOR, VALIDATION, APPLE, DEVICES, HOSTED, TOOLS, WORDS)
        for name in " ".join(line.split()).split(" | ")
    ),
]


@pytest.mark.parametrize("words", ASKED)
def test_a_code_or_word_that_people_meet_is_explained(words: str) -> None:
    assert find(words), words


PRINTED = (
    re.compile(r"\b0x8[0-9A-F]{7}\b"),
    re.compile(r"\b(?:40[0-9]|50[0-9])\.\d{1,2}\b"),
    re.compile(r"\bevents? (\d{1,4})\b"),
    re.compile(r"\bHTTP (\d{3})\b"),
)


def _printed() -> list[tuple[str, str]]:
    """Every code in the pages of the rules, in the form in which a reader asks for it."""
    found = set()
    for rule in RULES:
        page = rule.page
        for text in (page.title, *page.why, *page.neutral, *(each.text for each in page.do_for)):
            for number, pattern in enumerate(PRINTED):
                for match in pattern.finditer(text):
                    code = match[match.lastindex or 0]
                    found.add((rule.id, {2: f"event {code}", 3: f"HTTP {code}"}.get(number, code)))
    return sorted(found)


def test_every_code_that_a_rule_prints_is_explained() -> None:
    printed = _printed()
    assert len(printed) > 50
    assert [each for each in printed if not find(each[1])] == []
