"""The names of fields by their place: enough of CMS, X.509 and PKCS #10 to name every node of a SCEP message.

A structure is a list of (field, type, tags it may have); a field whose tag does not fit is taken to be left out.
``X*`` is SEQUENCE OF or SET OF X.
"""

ANY = b""
_INTEGER, _BITS, _OCTETS, _OID, _SEQUENCE, _SET = b"\x02", b"\x03", b"\x04\x24", b"\x06", b"\x30", b"\x31"
_TIME = b"\x17\x18"

Field = tuple[str, str, bytes]

STRUCTURES: dict[str, list[Field]] = {
    "ContentInfo": [("contentType", "", _OID), ("content", "content", b"\xa0")],
    "SignedData": [
        ("version", "", _INTEGER),
        ("digestAlgorithms", "AlgorithmIdentifier*", _SET),
        ("encapContentInfo", "EncapsulatedContentInfo", _SEQUENCE),
        ("certificates", "Certificate*", b"\xa0"),
        ("crls", "CertificateList*", b"\xa1"),
        ("signerInfos", "SignerInfo*", _SET),
    ],
    "EncapsulatedContentInfo": [("eContentType", "", _OID), ("eContent", "content", b"\xa0")],
    "SignerInfo": [
        ("version", "", _INTEGER),
        ("issuerAndSerialNumber", "IssuerAndSerialNumber", _SEQUENCE),
        ("subjectKeyIdentifier", "", b"\x80"),
        ("digestAlgorithm", "AlgorithmIdentifier", _SEQUENCE),
        ("signedAttrs", "Attribute*", b"\xa0"),
        ("signatureAlgorithm", "AlgorithmIdentifier", _SEQUENCE),
        ("signature", "", _OCTETS),
        ("unsignedAttrs", "Attribute*", b"\xa1"),
    ],
    "IssuerAndSerialNumber": [("issuer", "Name", _SEQUENCE), ("serialNumber", "", _INTEGER)],
    "IssuerAndSubject": [("issuer", "Name", _SEQUENCE), ("subject", "Name", _SEQUENCE)],
    "AlgorithmIdentifier": [("algorithm", "", _OID), ("parameters", "", ANY)],
    "Attribute": [("attrType", "", _OID), ("attrValues", "Value*", _SET)],
    "EnvelopedData": [
        ("version", "", _INTEGER),
        ("originatorInfo", "", b"\xa0"),
        ("recipientInfos", "RecipientInfo*", _SET),
        ("encryptedContentInfo", "EncryptedContentInfo", _SEQUENCE),
        ("authAttrs", "Attribute*", b"\xa1"),
        ("mac", "", _OCTETS),
        ("unprotectedAttrs", "Attribute*", b"\xa1\xa2"),
    ],
    "RecipientInfo": [
        ("version", "", _INTEGER),
        ("issuerAndSerialNumber", "IssuerAndSerialNumber", _SEQUENCE),
        ("subjectKeyIdentifier", "", b"\x80"),
        ("keyEncryptionAlgorithm", "AlgorithmIdentifier", _SEQUENCE),
        ("encryptedKey", "", _OCTETS),
    ],
    "EncryptedContentInfo": [
        ("contentType", "", _OID),
        ("contentEncryptionAlgorithm", "AlgorithmIdentifier", _SEQUENCE),
        ("encryptedContent", "", b"\x80\xa0"),
    ],
    "Certificate": [
        ("tbsCertificate", "TBSCertificate", _SEQUENCE),
        ("signatureAlgorithm", "AlgorithmIdentifier", _SEQUENCE),
        ("signatureValue", "", _BITS),
    ],
    "TBSCertificate": [
        ("version", "", b"\xa0"),
        ("serialNumber", "", _INTEGER),
        ("signature", "AlgorithmIdentifier", _SEQUENCE),
        ("issuer", "Name", _SEQUENCE),
        ("validity", "Validity", _SEQUENCE),
        ("subject", "Name", _SEQUENCE),
        ("subjectPublicKeyInfo", "SubjectPublicKeyInfo", _SEQUENCE),
        ("issuerUniqueID", "", b"\x81"),
        ("subjectUniqueID", "", b"\x82"),
        ("extensions", "ExplicitExtensions", b"\xa3"),
    ],
    "Validity": [("notBefore", "", _TIME), ("notAfter", "", _TIME)],
    "SubjectPublicKeyInfo": [("algorithm", "AlgorithmIdentifier", _SEQUENCE), ("subjectPublicKey", "", _BITS)],
    "ExplicitExtensions": [("extensions", "Extension*", _SEQUENCE)],
    "Extension": [("extnID", "", _OID), ("critical", "", b"\x01"), ("extnValue", "", _OCTETS)],
    "Name": [],
    "RelativeDistinguishedName": [],
    "CertificationRequest": [
        ("certificationRequestInfo", "CertificationRequestInfo", _SEQUENCE),
        ("signatureAlgorithm", "AlgorithmIdentifier", _SEQUENCE),
        ("signature", "", _BITS),
    ],
    "CertificationRequestInfo": [
        ("version", "", _INTEGER),
        ("subject", "Name", _SEQUENCE),
        ("subjectPKInfo", "SubjectPublicKeyInfo", _SEQUENCE),
        ("attributes", "Attribute*", b"\xa0"),
    ],
    "CertificateList": [
        ("tbsCertList", "TBSCertList", _SEQUENCE),
        ("signatureAlgorithm", "AlgorithmIdentifier", _SEQUENCE),
        ("signatureValue", "", _BITS),
    ],
    "TBSCertList": [
        ("version", "", _INTEGER),
        ("signature", "AlgorithmIdentifier", _SEQUENCE),
        ("issuer", "Name", _SEQUENCE),
        ("thisUpdate", "", _TIME),
        ("nextUpdate", "", _TIME),
        ("revokedCertificates", "RevokedCertificate*", _SEQUENCE),
        ("crlExtensions", "ExplicitExtensions", b"\xa0"),
    ],
    "RevokedCertificate": [
        ("userCertificate", "", _INTEGER),
        ("revocationDate", "", _TIME),
        ("crlEntryExtensions", "Extension*", _SEQUENCE),
    ],
    "AttributeTypeAndValue": [("type", "", _OID), ("value", "", ANY)],
}

CHALLENGE_PASSWORD = "1.2.840.113549.1.9.7"  # noqa: S105  # an OID
EXTENSION_REQUESTS = frozenset({"1.2.840.113549.1.9.14", "1.3.6.1.4.1.311.2.1.14", "2.16.840.1.113733.1.9.8"})
"""PKCS #9's, Microsoft's and VeriSign's attribute for the extensions that a request asks for."""

# The content of a ContentInfo by its contentType.
CONTENTS = {
    "1.2.840.113549.1.7.1": "",
    "1.2.840.113549.1.7.2": "SignedData",
    "1.2.840.113549.1.7.3": "EnvelopedData",
    "1.2.840.113549.1.9.16.1.23": "EnvelopedData",
}
