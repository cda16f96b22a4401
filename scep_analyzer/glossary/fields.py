"""Each field, attribute and extension that ``show`` and ``decode`` name: what it is for, and where that is written."""

from scep_analyzer.glossary._entry import Entry

FIELD_ENTRIES: dict[str, Entry] = {
    # Signed attributes
    "messageType": Entry("what kind of message this is: a request of some kind, or a CertRep", "A decimal number in a PrintableString that says what kind of message this is: 3 CertRep (the response), 17 RenewalReq, 19 PKCSReq, 20 CertPoll, 21 GetCert, 22 GetCRL.", "RFC 8894, Section 3.2.1.2"),
    "transactionID": Entry("identifies the transaction: the same in each message of one enrollment", "Identifies the transaction, in a PrintableString. The client chooses the transactionID, and the response repeats it. RFC 8894 asks for one that is unique for each operation. The drafts (draft-nourse-scep-23, 3.1.1.1) made it a hash of the public key, so that retries had the same one; RFC 8894 (Appendix A) dropped that, but many clients still do so.", "RFC 8894, Section 3.2.1.1"),
    "pkiStatus": Entry("how the server decided: SUCCESS, FAILURE or PENDING", "How the server decided, in a PrintableString: 0 SUCCESS, 2 FAILURE, 3 PENDING. Only a CertRep has it. 1 is not assigned.", "RFC 8894, Section 3.2.1.3"),
    "failInfo": Entry("why the request was refused, as a number", "Why a request was refused: 0 badAlg, 1 badMessageCheck, 2 badRequest, 3 badTime, 4 badCertId, in a PrintableString. Servers differ in which number they use for the same problem.", "RFC 8894, Section 3.2.1.4"),
    "failInfoText": Entry("why the request was refused, in words", "Why a request was refused, in words (UTF8String). Some servers send it under the OID 1.3.6.1.5.5.7.24 by mistake.", "RFC 8894, Section 3.2.1.4"),
    "senderNonce": Entry("16 random bytes that the sender chose for this message", "16 random bytes in an OCTET STRING, which the sender chooses for this message. The response repeats those of the request as recipientNonce, so that the client can tell a fresh response from a replayed one.", "RFC 8894, Section 3.2.1.5"),
    "recipientNonce": Entry("the senderNonce of the request, repeated in the response", "The senderNonce of the request, which the server copies into the response. A client compares the two; if they differ, the response belongs to another request.", "RFC 8894, Section 3.2.1.5"),
    "contentType": Entry("what the signed content is", "What the signed content is. CMS requires this attribute wherever there are signed attributes.", "RFC 5652, Section 11.1"),
    "messageDigest": Entry("the hash of the content; the signature covers this hash", "The hash of the content. CMS requires this attribute wherever there are signed attributes; the signature covers the attributes, and through this hash the content.", "RFC 5652, Section 11.2"),
    "signingTime": Entry("when the message was signed, by the sender's clock", "When the sender signed the message, by the sender's clock. Optional. A server may refuse the request with badTime if the time differs too much from its own.", "RFC 5652, Section 11.3"),
    "ENROLL_SCEP_ERROR": Entry("the reason of NDES for a refusal, an HRESULT", "The reason of NDES for a refusal: an HRESULT as a signed decimal number in a PrintableString. It is not encrypted, so it can be read without a key.", "wincrypt.h, szOID_ENROLL_SCEP_ERROR"),
    "ENROLL_SCEP_SERVER_STATE": Entry("state that NDES keeps between two messages of key attestation", "State that NDES hands to the client during key attestation, and that the client sends back.", "wincrypt.h, szOID_ENROLL_SCEP_SERVER_STATE"),
    "ENROLL_SCEP_CHALLENGE_ANSWER": Entry("the client's response to the challenge of key attestation", "The response of the client to the challenge of key attestation. Shown by its length only.", "wincrypt.h, szOID_ENROLL_SCEP_CHALLENGE_ANSWER"),
    "ENROLL_SCEP_CLIENT_REQUEST": Entry("the request of key attestation, from the client", "The request of a client during key attestation.", "wincrypt.h, szOID_ENROLL_SCEP_CLIENT_REQUEST"),
    "ENROLL_SCEP_SERVER_MESSAGE": Entry("the message of key attestation, from the server", "The message of the server during key attestation.", "wincrypt.h, szOID_ENROLL_SCEP_SERVER_MESSAGE"),
    "ENROLL_SCEP_SERVER_SECRET": Entry("the secret of key attestation, from the server", "The secret of the server during key attestation. Shown by its length only.", "wincrypt.h, szOID_ENROLL_SCEP_SERVER_SECRET"),
    "ENROLL_SCEP_SIGNER_HASH": Entry("the hash of the signer's certificate", "The hash of the certificate that signed the message.", "wincrypt.h, szOID_ENROLL_SCEP_SIGNER_HASH"),
    "randomNonce": Entry("random bytes in a signature (S/MIME)", "Random bytes that a signer adds. Not a part of SCEP; the nonces of SCEP have their own attributes.", "RFC 2985, Section 5.3.4"),
    "cmsAlgorithmProtection": Entry("repeats the algorithms inside the signed part", "Repeats the names of the algorithms inside the part that the signature covers, so that nobody can exchange them. Not a part of SCEP; servers ignore it.", "RFC 6211, Section 2"),
    "smimeCapabilities": Entry("algorithms that the sender supports (S/MIME)", "The algorithms that the sender supports. Not a part of SCEP; servers ignore it.", "RFC 8551, Section 2.5.2"),
    "proxyAuthenticator": Entry("authenticates the request for a proxy (Cisco, draft-nourse-scep)", "An attribute of the early drafts with which an RA authenticates a request that it forwards.", "draft-nourse-scep-11"),
    "extensionReq": Entry("the extensions that a request asks for (VeriSign's attribute)", "The extensions that a request asks for, in VeriSign's attribute. Today extensionRequest (1.2.840.113549.1.9.14) is used.", "draft-nourse-scep-23"),
    # Attributes of a PKCS #10 request
    "challengePassword": Entry("the secret that allows the client to enroll", "The password inside the PKCS #10 request. With it the client proves that it may enroll. The envelope encrypts it for the RA or CA.", "RFC 8894, Section 2.4; RFC 2985, 5.4.1"),
    "extensionRequest": Entry("the extensions that a PKCS #10 request asks for", "The extensions that a PKCS #10 request asks for, for example subjectAltName and keyUsage. The CA decides which of them it grants.", "RFC 2985, Section 5.4.2"),
    "certificateExtensions": Entry("the extensions that a PKCS #10 request asks for (Microsoft's attribute)", "Microsoft's attribute for the extensions that a PKCS #10 request asks for; the same content as extensionRequest.", "[MS-WCCE], Section 2.2.2.7.7"),
    "unstructuredName": Entry("a name without fixed form; Cisco puts the host name here", "A name without a fixed form. Cisco devices put their host name here.", "RFC 2985, Section 5.2.2"),
    "unstructuredAddress": Entry("an address without fixed form; Cisco puts the IP address here", "An address without a fixed form. Cisco devices put their IP address here.", "RFC 2985, Section 5.2.3"),
    "emailAddress": Entry("an e-mail address", "An e-mail address as an attribute of a name or request. New certificates have it in subjectAltName.", "RFC 2985, Section 5.2.1"),
    "enrollmentNameValuePair": Entry("a name and a value for Microsoft's CA, for example the template", "A name and a value that a Windows client adds for Microsoft's CA, for example CertificateTemplate.", "[MS-WCCE], Section 2.2.2.7.10"),
    "enrollmentCSP": Entry("the provider that keeps the client's private key (Windows)", "The cryptographic provider that keeps the private key on a Windows client.", "[MS-WCCE], Section 2.2.2.7.2"),
    "osVersion": Entry("the version of Windows on the client", "The version of Windows on the client.", "[MS-WCCE], Section 2.2.2.7.1"),
    "requestClientInfo": Entry("computer, user and program that made the request (Windows)", "The computer, the user and the program that made the request, on a Windows client.", "[MS-WCCE], Section 2.2.2.7.4"),
    # CMS
    "digestAlgorithm": Entry("the hash algorithm of the signature", "The hash algorithm: the content and the signed attributes are hashed with it before they are signed.", "RFC 5652, Section 5.3"),
    "signatureAlgorithm": Entry("the algorithm of the signature", "The algorithm that made the signature from the hash and the signer's private key.", "RFC 5652, Section 5.3"),
    "signature": Entry("made over the signed attributes, with the signer's private key", "The signature over the signed attributes, made with the signer's private key. The program checks it with the signer's certificate.", "RFC 5652, Section 5.4"),
    "signer": Entry("whose certificate signed; a request: self-signed, or the old certificate (renewal); a response: RA or CA", "The certificate whose key signed the message. A first enrollment is signed with a self-signed certificate, a renewal with the certificate that it replaces or one of another CA, a response with the certificate of the RA or CA.", "RFC 8894, Section 2.3"),
    "recipient": Entry("whose private key opens the envelope", "The certificate that the content key is encrypted for, by issuer and serial number or by key identifier. Only its private key opens the envelope.", "RFC 5652, Section 6.2.1"),
    "keyEncryptionAlgorithm": Entry("how the content key is encrypted for the recipient", "The algorithm that encrypts the content key with the recipient's public key. SCEP servers expect rsaEncryption (PKCS #1 v1.5); most cannot read OAEP.", "RFC 5652, Section 6.2.1"),
    "contentEncryptionAlgorithm": Entry("how the content is encrypted", "The symmetric algorithm that encrypts the content, for example aes-128-cbc or des-ede3-cbc. The capabilities of the server say which ones it accepts.", "RFC 5652, Section 6.1"),
    "pkiMessage": Entry("a signed SCEP message: CMS SignedData around an envelope", "A SCEP message: a CMS SignedData whose signed attributes carry messageType, transactionID and nonces, and whose content is the envelope (pkcsPKIEnvelope). A FAILURE or PENDING response has no envelope.", "RFC 8894, Section 3.2"),
    "pkcsPKIEnvelope": Entry("the encrypted request or the encrypted certificate: CMS EnvelopedData", "CMS EnvelopedData inside the pkiMessage. In a request it holds the PKCS #10 request, encrypted for the RA or CA; in a response the certificate, encrypted for the client.", "RFC 8894, Section 3.2.2"),
    "PKCS #10 request": Entry("what the client asks the CA to certify: subject, public key, wanted extensions", "The certificate signing request (CSR): subject, public key and wanted extensions, signed with the private key of the client. This signature proves that the client has the private key.", "RFC 2986, Section 4"),
    "CA capabilities": Entry("what the server can do, one keyword a line", "The response to GetCACaps: what the server can do, one keyword a line.", "RFC 8894, Section 3.5.2"),
    "CA certificates": Entry("the certificate of the CA, and those of its RA", "The response to GetCACert: the certificate of the CA, its chain, and the RA certificates where the server has an RA.", "RFC 8894, Section 4.2.1"),
    # Certificates
    "issuer": Entry("the CA that signed the certificate", "The name of the CA that signed the certificate.", "RFC 5280, Section 4.1.2.4"),
    "subject": Entry("whom the certificate or request names", "The name of the owner of the key.", "RFC 5280, Section 4.1.2.6"),
    "serialNumber": Entry("unique for each certificate of the same issuer", "A number that is unique for each certificate of the same issuer.", "RFC 5280, Section 4.1.2.2"),
    "validity": Entry("the period in which the certificate is valid", "The period in which the certificate is valid: not before, and not after.", "RFC 5280, Section 4.1.2.5"),
    # Extensions of certificates
    "keyUsage": Entry("what the key may be used for", "What the key may be used for: digitalSignature to sign, keyEncipherment to be encrypted for, keyCertSign to issue certificates. A CA certificate of a SCEP server without an RA needs digitalSignature and keyEncipherment beside keyCertSign (RFC 8894, 2.1.2); the client's self-signed certificate needs digitalSignature and keyEncipherment (2.3).", "RFC 5280, Section 4.2.1.3"),
    "extKeyUsage": Entry("the purposes of the certificate, for example clientAuth", "The purposes of the certificate, for example clientAuth or serverAuth (extended key usage, EKU).", "RFC 5280, Section 4.2.1.12"),
    "subjectAltName": Entry("further names: DNS name, IP address, e-mail address, URI, UPN", "Further names of the owner: DNS names, IP addresses, e-mail addresses, URIs, and Microsoft's UPN (subject alternative name, SAN).", "RFC 5280, Section 4.2.1.6"),
    "basicConstraints": Entry("whether this is a CA certificate", "Whether this is a CA certificate (CA:TRUE), and how many CAs may follow below it (pathlen).", "RFC 5280, Section 4.2.1.9"),
    "subjectKeyIdentifier": Entry("identifies the key of this certificate", "Identifies the key of this certificate, usually a SHA-1 hash of the public key.", "RFC 5280, Section 4.2.1.2"),
    "authorityKeyIdentifier": Entry("identifies the key of the issuer", "Identifies the key that signed this certificate; it equals the subjectKeyIdentifier of the issuer's certificate.", "RFC 5280, Section 4.2.1.1"),
    "cRLDistributionPoints": Entry("where the CRL can be fetched", "The URLs at which the certificate revocation list (CRL) can be fetched.", "RFC 5280, Section 4.2.1.13"),
    "authorityInfoAccess": Entry("where to find the OCSP service and the issuer's certificate", "The URLs of the OCSP service and of the issuer's certificate.", "RFC 5280, Section 4.2.2.1"),
    "nameConstraints": Entry("which names a CA may put into certificates", "Which names a CA may, or must not, put into the certificates that it issues.", "RFC 5280, Section 4.2.1.10"),
    "certificatePolicies": Entry("the policies under which the certificate was issued", "The policies under which the certificate was issued.", "RFC 5280, Section 4.2.1.4"),
    "policyConstraints": Entry("constraints on policies in the chain below a CA", "Constraints on the policies in the certificate chain below a CA.", "RFC 5280, Section 4.2.1.11"),
    "certificateTemplateName": Entry("the certificate template, by name (templates of version 1)", "The certificate template that a request or certificate names (templates of version 1). NDES ignores it in a request and takes the template from its registry.", "[MS-WCCE], Section 2.2.2.7.7.1"),
    "certificateTemplate": Entry("the certificate template, by OID and version", "The certificate template that a request or certificate names, by OID and version (templates of version 2 and later).", "[MS-WCCE], Section 2.2.2.7.7.2"),
    "applicationPolicies": Entry("the purposes of the certificate, in Microsoft's form", "The purposes of the certificate, in Microsoft's form of extKeyUsage.", "wincrypt.h, szOID_APPLICATION_CERT_POLICIES"),
    "ntdsSecurityIdentifier": Entry("the SID of the account, for strong mapping at domain controllers", "The SID of the Active Directory account, so that domain controllers can map the certificate to it (strong mapping). With SCEP the SID usually comes in a URI of subjectAltName instead.", "support.microsoft.com, KB5014754"),
}  # fmt: skip
"""By the name that ``show`` prints."""

FIELDS = {name: entry.note for name, entry in FIELD_ENTRIES.items()}
"""The notes of ``show`` and ``decode``: the short explanation and its source."""
