"""Names of SCEP's numbers and OIDs, and what they mean."""

from scep_analyzer.cms.grammar import CHALLENGE_PASSWORD
from scep_analyzer.model.secrets import SECRET_OIDS

OPERATIONS = ("GetCACaps", "GetCACert", "GetCACertChain", "GetNextCACert", "PKIOperation")
"""RFC 8894, Section 4.1; GetCACertChain is draft-nourse-scep's."""

# Signed attributes (RFC 8894, Section 3.2.1; RFC 5652, Section 11)
MESSAGE_TYPE = "2.16.840.1.113733.1.9.2"
PKI_STATUS = "2.16.840.1.113733.1.9.3"
FAIL_INFO = "2.16.840.1.113733.1.9.4"
SENDER_NONCE = "2.16.840.1.113733.1.9.5"
RECIPIENT_NONCE = "2.16.840.1.113733.1.9.6"
TRANSACTION_ID = "2.16.840.1.113733.1.9.7"
FAIL_INFO_TEXT = "1.3.6.1.5.5.7.24.1"
FAIL_INFO_TEXT_MISTAKEN = "1.3.6.1.5.5.7.24"
"""Shipped by mistake: smallstep/certificates#1794."""
CONTENT_TYPE = "1.2.840.113549.1.9.3"
MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
SIGNING_TIME = "1.2.840.113549.1.9.5"
HRESULT = "1.3.6.1.4.1.311.21.33"
"""ENROLL_SCEP_ERROR of NDES: a signed decimal HRESULT in a PrintableString."""

OTHER_ATTRIBUTES = {
    CHALLENGE_PASSWORD: "challengePassword",
    "1.2.840.113549.1.9.25.3": "randomNonce",
    "1.2.840.113549.1.9.52": "cmsAlgorithmProtection",
    "1.2.840.113549.1.9.15": "smimeCapabilities",
    "2.16.840.1.113733.1.9.8": "extensionReq",
    "1.3.6.1.4.1.4263.5.5": "proxyAuthenticator",
    "1.3.6.1.4.1.311.21.34": "ENROLL_SCEP_SERVER_STATE",
    "1.3.6.1.4.1.311.21.35": "ENROLL_SCEP_CHALLENGE_ANSWER",
    "1.3.6.1.4.1.311.21.37": "ENROLL_SCEP_CLIENT_REQUEST",
    "1.3.6.1.4.1.311.21.38": "ENROLL_SCEP_SERVER_MESSAGE",
    "1.3.6.1.4.1.311.21.40": "ENROLL_SCEP_SERVER_SECRET",
    "1.3.6.1.4.1.311.21.42": "ENROLL_SCEP_SIGNER_HASH",
}
ATTRIBUTE_NAMES = {
    MESSAGE_TYPE: "messageType",
    PKI_STATUS: "pkiStatus",
    FAIL_INFO: "failInfo",
    SENDER_NONCE: "senderNonce",
    RECIPIENT_NONCE: "recipientNonce",
    TRANSACTION_ID: "transactionID",
    FAIL_INFO_TEXT: "failInfoText",
    HRESULT: "ENROLL_SCEP_ERROR",
    **OTHER_ATTRIBUTES,
}
SECRET_ATTRIBUTES = frozenset(SECRET_OIDS)
"""Shown by length only."""
