"""The sections of the RFCs that we cite, with their titles: what a citation "RFC n, Section m" is checked against.

From the tables of contents as published: RFC 8894, 5280 and 9112 in full; RFC 9110 sections 9 to 18 in full, and the numbers of all others.
RFC 9525 from its headings; RFC 5652 from its text as far as other projects quote it (sections 3 to 6 and 11). The rest of it, RFC 2985
and RFC 2986 are from memory. Only sections are listed, no appendices.
"""

from collections.abc import Iterator

_TABLES = {
    2985: """
1 Introduction
2 Definitions, notation and document convention
2.1 Definitions
2.2 Notation and document convention
3 Overview
4 Auxiliary object classes
4.1 The "pkcsEntity" auxiliary object class
4.2 The "naturalPerson" auxiliary object class
5 Selected attribute types
5.1 Attribute types for use with the "pkcsEntity" object class
5.1.1 PKCS #7 PDU
5.1.2 PKCS #12 token
5.1.3 PKCS #15 token
5.1.4 PKCS #8 encrypted private key information
5.2 Attribute types for use with the "naturalPerson" object class
5.2.1 Electronic-mail address
5.2.2 Unstructured name
5.2.3 Unstructured address
5.2.4 Date of birth
5.2.5 Place of birth
5.2.6 Gender
5.2.7 Country of citizenship
5.2.8 Country of residence
5.2.9 Pseudonym
5.2.10 Serial number
5.3 Attribute types for use in PKCS #7 data
5.3.1 Content type
5.3.2 Message digest
5.3.3 Signing time
5.3.4 Random nonce
5.3.5 Sequence number
5.3.6 Countersignature
5.4 Attribute types for use in PKCS #10 certificate requests
5.4.1 Challenge password
5.4.2 Extension request
5.4.3 Extended-certificate attributes (deprecated)
5.5 Attribute types for use in PKCS #12 "PFX" PDUs or PKCS #15 tokens
5.5.1 User friendly name
5.5.2 Local key identifier
5.6 Attributes defined in S/MIMIE
5.6.1 Signing description
5.6.2 SMIME capabilities
6 Matching rules
6.1 Case ignore match
6.2 Signing time match
7 Security Considerations
""",
    2986: """
1 Introduction
2 Definitions and notation
2.1 Definitions
2.2 Notation
3 Overview
4 Certification request syntax
4.1 CertificationRequestInfo
4.2 CertificationRequest
5 Security Considerations
""",
    5280: """
1 Introduction
2 Requirements and Assumptions
2.1 Communication and Topology
2.2 Acceptability Criteria
2.3 User Expectations
2.4 Administrator Expectations
3 Overview of Approach
3.1 X.509 Version 3 Certificate
3.2 Certification Paths and Trust
3.3 Revocation
3.4 Operational Protocols
3.5 Management Protocols
4 Certificate and Certificate Extensions Profile
4.1 Basic Certificate Fields
4.1.1 Certificate Fields
4.1.1.1 tbsCertificate
4.1.1.2 signatureAlgorithm
4.1.1.3 signatureValue
4.1.2 TBSCertificate
4.1.2.1 Version
4.1.2.2 Serial Number
4.1.2.3 Signature
4.1.2.4 Issuer
4.1.2.5 Validity
4.1.2.5.1 UTCTime
4.1.2.5.2 GeneralizedTime
4.1.2.6 Subject
4.1.2.7 Subject Public Key Info
4.1.2.8 Unique Identifiers
4.1.2.9 Extensions
4.2 Certificate Extensions
4.2.1 Standard Extensions
4.2.1.1 Authority Key Identifier
4.2.1.2 Subject Key Identifier
4.2.1.3 Key Usage
4.2.1.4 Certificate Policies
4.2.1.5 Policy Mappings
4.2.1.6 Subject Alternative Name
4.2.1.7 Issuer Alternative Name
4.2.1.8 Subject Directory Attributes
4.2.1.9 Basic Constraints
4.2.1.10 Name Constraints
4.2.1.11 Policy Constraints
4.2.1.12 Extended Key Usage
4.2.1.13 CRL Distribution Points
4.2.1.14 Inhibit anyPolicy
4.2.1.15 Freshest CRL (a.k.a. Delta CRL Distribution Point)
4.2.2 Private Internet Extensions
4.2.2.1 Authority Information Access
4.2.2.2 Subject Information Access
5 CRL and CRL Extensions Profile
5.1 CRL Fields
5.1.1 CertificateList Fields
5.1.1.1 tbsCertList
5.1.1.2 signatureAlgorithm
5.1.1.3 signatureValue
5.1.2 Certificate List "To Be Signed"
5.1.2.1 Version
5.1.2.2 Signature
5.1.2.3 Issuer Name
5.1.2.4 This Update
5.1.2.5 Next Update
5.1.2.6 Revoked Certificates
5.1.2.7 Extensions
5.2 CRL Extensions
5.2.1 Authority Key Identifier
5.2.2 Issuer Alternative Name
5.2.3 CRL Number
5.2.4 Delta CRL Indicator
5.2.5 Issuing Distribution Point
5.2.6 Freshest CRL (a.k.a. Delta CRL Distribution Point)
5.2.7 Authority Information Access
5.3 CRL Entry Extensions
5.3.1 Reason Code
5.3.2 Invalidity Date
5.3.3 Certificate Issuer
6 Certification Path Validation
6.1 Basic Path Validation
6.1.1 Inputs
6.1.2 Initialization
6.1.3 Basic Certificate Processing
6.1.4 Preparation for Certificate i+1
6.1.5 Wrap-Up Procedure
6.1.6 Outputs
6.2 Using the Path Validation Algorithm
6.3 CRL Validation
6.3.1 Revocation Inputs
6.3.2 Initialization and Revocation State Variables
6.3.3 CRL Processing
7 Processing Rules for Internationalized Names
7.1 Internationalized Names in Distinguished Names
7.2 Internationalized Domain Names in GeneralName
7.3 Internationalized Domain Names in Distinguished Names
7.4 Internationalized Resource Identifiers
7.5 Internationalized Electronic Mail Addresses
8 Security Considerations
9 IANA Considerations
10 Acknowledgments
11 References
11.1 Normative References
11.2 Informative References
""",
    5652: """
1 Introduction
1.1 Evolution of the CMS
1.1.1 Changes since PKCS #7 Version 1.5
1.1.2 Changes since RFC 2630
1.1.3 Changes since RFC 3369
1.1.4 Changes since RFC 3852
1.2 Terminology
1.3 Version Numbers
2 General Overview
3 General Syntax
4 Data Content Type
5 Signed-data Content Type
5.1 SignedData Type
5.2 EncapsulatedContentInfo Type
5.2.1 Compatibility with PKCS #7
5.3 SignerInfo Type
5.4 Message Digest Calculation Process
5.5 Signature Generation Process
5.6 Signature Verification Process
6 Enveloped-data Content Type
6.1 EnvelopedData Type
6.2 RecipientInfo Type
6.2.1 KeyTransRecipientInfo Type
6.2.2 KeyAgreeRecipientInfo Type
6.2.3 KEKRecipientInfo Type
6.2.4 PasswordRecipientInfo Type
6.2.5 OtherRecipientInfo Type
6.3 Content-encryption Process
6.4 Key-Encryption Process
7 Digested-data Content Type
8 Encrypted-data Content Type
9 Authenticated-data Content Type
9.1 AuthenticatedData Type
9.2 MAC Generation
9.3 MAC Verification
10 Useful Types
10.1 Algorithm Identifier Types
10.1.1 DigestAlgorithmIdentifier
10.1.2 SignatureAlgorithmIdentifier
10.1.3 KeyEncryptionAlgorithmIdentifier
10.1.4 ContentEncryptionAlgorithmIdentifier
10.1.5 MessageAuthenticationCodeAlgorithm
10.1.6 KeyDerivationAlgorithmIdentifier
10.2 Other Useful Types
10.2.1 RevocationInfoChoices
10.2.2 CertificateChoices
10.2.3 CertificateSet
10.2.4 IssuerAndSerialNumber
10.2.5 CMSVersion
10.2.6 UserKeyingMaterial
10.2.7 OtherKeyAttribute
11 Useful Attributes
11.1 Content Type
11.2 Message Digest
11.3 Signing Time
11.4 Countersignature
12 ASN.1 Modules
12.1 CMS ASN.1 Module
12.2 Version 1 Attribute Certificate ASN.1 Module
13 References
13.1 Normative References
13.2 Informative References
14 Security Considerations
15 Acknowledgments
""",
    8894: """
1 Introduction
1.1 Conventions Used in This Document
2 SCEP Overview
2.1 SCEP Entities
2.1.1 Client
2.1.2 Certificate Authority
2.2 CA Certificate Distribution
2.3 Client Authentication
2.4 Enrolment Authorisation
2.5 Certificate Enrolment/Renewal
2.5.1 Client State Transitions
2.6 Certificate Access
2.7 CRL Access
2.8 Certificate Revocation
2.9 Mandatory-to-Implement Functionality
3 SCEP Secure Message Objects
3.1 SCEP Message Object Processing
3.2 SCEP pkiMessage
3.2.1 Signed Transaction Attributes
3.2.1.1 transactionID
3.2.1.2 messageType
3.2.1.3 pkiStatus
3.2.1.4 failInfo and failInfoText
3.2.1.5 senderNonce and recipientNonce
3.2.2 SCEP pkcsPKIEnvelope
3.3 SCEP pkiMessage types
3.3.1 PKCSReq/RenewalReq
3.3.2 CertRep
3.3.2.1 CertRep SUCCESS
3.3.2.2 CertRep FAILURE
3.3.2.3 CertRep PENDING
3.3.3 CertPoll (GetCertInitial)
3.3.4 GetCert and GetCRL
3.4 Degenerate certificates-only CMS SignedData
3.5 CA Capabilities
3.5.1 GetCACaps HTTP Message Format
3.5.2 CA Capabilities Response Format
4 SCEP Transactions
4.1 HTTP POST and GET Message Formats
4.2 Get CA Certificate
4.2.1 Get CA Certificate Response Message Format
4.2.1.1 CA Certificate Response Message Format
4.2.1.2 CA Certificate Chain Response Message Format
4.3 Certificate Enrolment/Renewal
4.3.1 Certificate Enrolment/Renewal Response Message
4.4 Poll for Client Initial Certificate
4.4.1 Polling Response Message Format
4.5 Certificate Access
4.5.1 Certificate Access Response Message Format
4.6 CRL Access
4.6.1 CRL Access Response Message Format
4.7 Get Next Certificate Authority Certificate
4.7.1 Get Next CA Response Message Format
5 SCEP Transaction Examples
5.1 Successful Transactions
5.2 Transactions with Errors
6 IANA Considerations
6.1 Registration of the application/x-x509-ca-cert Media Type
6.2 Registration of the application/x-x509-ca-ra-cert Media Type
6.3 Registration of the application/x-x509-next-ca-cert Media Type
6.4 Registration of the application/x-pki-message Media Type
7 Security Considerations
7.1 General Security
7.2 Use of the CA Private Key
7.3 ChallengePassword Shared Secret Value
7.4 Lack of Certificate Issue Confirmation
7.5 GetCACaps Issues
7.6 Lack of PoP in Renewal Requests
7.7 Traffic Monitoring
7.8 Unnecessary Cryptography
7.9 Use of SHA-1
7.10 Use of HTTP
8 References
8.1 Normative References
8.2 Informative References
""",
    9110: """
1 Introduction
1.1 Purpose
1.2 History and Evolution
1.3 Core Semantics
1.4 Specifications Obsoleted by This Document
2 Conformance
2.1 Syntax Notation
2.2 Requirements Notation
2.3 Length Requirements
2.4 Error Handling
2.5 Protocol Version
3 Terminology and Core Concepts
3.1 Resources
3.2 Representations
3.3 Connections, Clients, and Servers
3.4 Messages
3.5 User Agents
3.6 Origin Server
3.7 Intermediaries
3.8 Caches
3.9 Example Message Exchange
4 Identifiers in HTTP
4.1 URI References
4.2 HTTP-Related URI Schemes
4.2.1 http URI Scheme
4.2.2 https URI Scheme
4.2.3 http(s) Normalization and Comparison
4.2.4 Deprecation of userinfo in http(s) URIs
4.2.5 http(s) References with Fragment Identifiers
4.3 Authoritative Access
4.3.1 URI Origin
4.3.2 http Origins
4.3.3 https Origins
4.3.4 https Certificate Verification
4.3.5 IP-ID Reference Identity
5 Fields
5.1 Field Names
5.2 Field Lines and Combined Field Value
5.3 Field Order
5.4 Field Limits
5.5 Field Values
5.6 Common Rules for Defining Field Values
5.6.1 Lists (#rule ABNF Extension)
5.6.1.1 Sender Requirements
5.6.1.2 Recipient Requirements
5.6.2 Tokens
5.6.3 Whitespace
5.6.4 Quoted Strings
5.6.5 Comments
5.6.6 Parameters
5.6.7 Date/Time Formats
6 Message Abstraction
6.1 Framing and Completeness
6.2 Control Data
6.3 Header Fields
6.4 Content
6.4.1 Content Semantics
6.4.2 Identifying Content
6.5 Trailer Fields
6.5.1 Limitations on Use of Trailers
6.5.2 Processing Trailer Fields
6.6 Message Metadata
6.6.1 Date
6.6.2 Trailer
7 Routing HTTP Messages
7.1 Determining the Target Resource
7.2 Host and :authority
7.3 Routing Inbound Requests
7.3.1 To a Cache
7.3.2 To a Proxy
7.3.3 To the Origin
7.4 Rejecting Misdirected Requests
7.5 Response Correlation
7.6 Message Forwarding
7.6.1 Connection
7.6.2 Max-Forwards
7.6.3 Via
7.7 Message Transformations
7.8 Upgrade
8 Representation Data and Metadata
8.1 Representation Data
8.2 Representation Metadata
8.3 Content-Type
8.3.1 Media Type
8.3.2 Charset
8.3.3 Multipart Types
8.4 Content-Encoding
8.4.1 Content Codings
8.4.1.1 Compress Coding
8.4.1.2 Deflate Coding
8.4.1.3 Gzip Coding
8.5 Content-Language
8.5.1 Language Tags
8.6 Content-Length
8.7 Content-Location
8.8 Validator Fields
8.8.1 Weak versus Strong
8.8.2 Last-Modified
8.8.2.1 Generation
8.8.2.2 Comparison
8.8.3 ETag
8.8.3.1 Generation
8.8.3.2 Comparison
8.8.3.3 Example: Entity Tags Varying on Content-Negotiated Resources
9 Methods
9.1 Overview
9.2 Common Method Properties
9.2.1 Safe Methods
9.2.2 Idempotent Methods
9.2.3 Methods and Caching
9.3 Method Definitions
9.3.1 GET
9.3.2 HEAD
9.3.3 POST
9.3.4 PUT
9.3.5 DELETE
9.3.6 CONNECT
9.3.7 OPTIONS
9.3.8 TRACE
10 Message Context
10.1 Request Context Fields
10.1.1 Expect
10.1.2 From
10.1.3 Referer
10.1.4 TE
10.1.5 User-Agent
10.2 Response Context Fields
10.2.1 Allow
10.2.2 Location
10.2.3 Retry-After
10.2.4 Server
11 HTTP Authentication
11.1 Authentication Scheme
11.2 Authentication Parameters
11.3 Challenge and Response
11.4 Credentials
11.5 Establishing a Protection Space (Realm)
11.6 Authenticating Users to Origin Servers
11.6.1 WWW-Authenticate
11.6.2 Authorization
11.6.3 Authentication-Info
11.7 Authenticating Clients to Proxies
11.7.1 Proxy-Authenticate
11.7.2 Proxy-Authorization
11.7.3 Proxy-Authentication-Info
12 Content Negotiation
12.1 Proactive Negotiation
12.2 Reactive Negotiation
12.3 Request Content Negotiation
12.4 Content Negotiation Field Features
12.4.1 Absence
12.4.2 Quality Values
12.4.3 Wildcard Values
12.5 Content Negotiation Fields
12.5.1 Accept
12.5.2 Accept-Charset
12.5.3 Accept-Encoding
12.5.4 Accept-Language
12.5.5 Vary
13 Conditional Requests
13.1 Preconditions
13.1.1 If-Match
13.1.2 If-None-Match
13.1.3 If-Modified-Since
13.1.4 If-Unmodified-Since
13.1.5 If-Range
13.2 Evaluation of Preconditions
13.2.1 When to Evaluate
13.2.2 Precedence of Preconditions
14 Range Requests
14.1 Range Units
14.1.1 Range Specifiers
14.1.2 Byte Ranges
14.2 Range
14.3 Accept-Ranges
14.4 Content-Range
14.5 Partial PUT
14.6 Media Type multipart/byteranges
15 Status Codes
15.1 Overview of Status Codes
15.2 Informational 1xx
15.2.1 100 Continue
15.2.2 101 Switching Protocols
15.3 Successful 2xx
15.3.1 200 OK
15.3.2 201 Created
15.3.3 202 Accepted
15.3.4 203 Non-Authoritative Information
15.3.5 204 No Content
15.3.6 205 Reset Content
15.3.7 206 Partial Content
15.3.7.1 Single Part
15.3.7.2 Multiple Parts
15.3.7.3 Combining Parts
15.4 Redirection 3xx
15.4.1 300 Multiple Choices
15.4.2 301 Moved Permanently
15.4.3 302 Found
15.4.4 303 See Other
15.4.5 304 Not Modified
15.4.6 305 Use Proxy
15.4.7 306 (Unused)
15.4.8 307 Temporary Redirect
15.4.9 308 Permanent Redirect
15.5 Client Error 4xx
15.5.1 400 Bad Request
15.5.2 401 Unauthorized
15.5.3 402 Payment Required
15.5.4 403 Forbidden
15.5.5 404 Not Found
15.5.6 405 Method Not Allowed
15.5.7 406 Not Acceptable
15.5.8 407 Proxy Authentication Required
15.5.9 408 Request Timeout
15.5.10 409 Conflict
15.5.11 410 Gone
15.5.12 411 Length Required
15.5.13 412 Precondition Failed
15.5.14 413 Content Too Large
15.5.15 414 URI Too Long
15.5.16 415 Unsupported Media Type
15.5.17 416 Range Not Satisfiable
15.5.18 417 Expectation Failed
15.5.19 418 (Unused)
15.5.20 421 Misdirected Request
15.5.21 422 Unprocessable Content
15.5.22 426 Upgrade Required
15.6 Server Error 5xx
15.6.1 500 Internal Server Error
15.6.2 501 Not Implemented
15.6.3 502 Bad Gateway
15.6.4 503 Service Unavailable
15.6.5 504 Gateway Timeout
15.6.6 505 HTTP Version Not Supported
16 Extending HTTP
16.1 Method Extensibility
16.1.1 Method Registry
16.1.2 Considerations for New Methods
16.2 Status Code Extensibility
16.2.1 Status Code Registry
16.2.2 Considerations for New Status Codes
16.3 Field Extensibility
16.3.1 Field Name Registry
16.3.2 Considerations for New Fields
16.3.2.1 Considerations for New Field Names
16.3.2.2 Considerations for New Field Values
16.4 Authentication Scheme Extensibility
16.4.1 Authentication Scheme Registry
16.4.2 Considerations for New Authentication Schemes
16.5 Range Unit Extensibility
16.5.1 Range Unit Registry
16.5.2 Considerations for New Range Units
16.6 Content Coding Extensibility
16.6.1 Content Coding Registry
16.6.2 Considerations for New Content Codings
16.7 Upgrade Token Registry
17 Security Considerations
17.1 Establishing Authority
17.2 Risks of Intermediaries
17.3 Attacks Based on File and Path Names
17.4 Attacks Based on Command, Code, or Query Injection
17.5 Attacks via Protocol Element Length
17.6 Attacks Using Shared-Dictionary Compression
17.7 Disclosure of Personal Information
17.8 Privacy of Server Log Information
17.9 Disclosure of Sensitive Information in URIs
17.10 Application Handling of Field Names
17.11 Disclosure of Fragment after Redirects
17.12 Disclosure of Product Information
17.13 Browser Fingerprinting
17.14 Validator Retention
17.15 Denial-of-Service Attacks Using Range
17.16 Authentication Considerations
17.16.1 Confidentiality of Credentials
17.16.2 Credentials and Idle Clients
17.16.3 Protection Spaces
17.16.4 Additional Response Fields
18 IANA Considerations
18.1 URI Scheme Registration
18.2 Method Registration
18.3 Status Code Registration
18.4 Field Name Registration
18.5 Authentication Scheme Registration
18.6 Content Coding Registration
18.7 Range Unit Registration
18.8 Media Type Registration
18.9 Port Registration
18.10 Upgrade Token Registration
19 References
19.1 Normative References
19.2 Informative References
""",
    9112: """
1 Introduction
1.1 Requirements Notation
1.2 Syntax Notation
2 Message
2.1 Message Format
2.2 Message Parsing
2.3 HTTP Version
3 Request Line
3.1 Method
3.2 Request Target
3.2.1 origin-form
3.2.2 absolute-form
3.2.3 authority-form
3.2.4 asterisk-form
3.3 Reconstructing the Target URI
4 Status Line
5 Field Syntax
5.1 Field Line Parsing
5.2 Obsolete Line Folding
6 Message Body
6.1 Transfer-Encoding
6.2 Content-Length
6.3 Message Body Length
7 Transfer Codings
7.1 Chunked Transfer Coding
7.1.1 Chunk Extensions
7.1.2 Chunked Trailer Section
7.1.3 Decoding Chunked
7.2 Transfer Codings for Compression
7.3 Transfer Coding Registry
7.4 Negotiating Transfer Codings
8 Handling Incomplete Messages
9 Connection Management
9.1 Establishment
9.2 Associating a Response to a Request
9.3 Persistence
9.3.1 Retrying Requests
9.3.2 Pipelining
9.4 Concurrency
9.5 Failures and Timeouts
9.6 Tear-down
9.7 TLS Connection Initiation
9.8 TLS Connection Closure
10 Enclosing Messages as Data
10.1 Media Type message/http
10.2 Media Type application/http
11 Security Considerations
11.1 Response Splitting
11.2 Request Smuggling
11.3 Message Integrity
11.4 Message Confidentiality
12 IANA Considerations
12.1 Field Name Registration
12.2 Media Type Registration
12.3 Transfer Coding Registration
12.4 ALPN Protocol ID Registration
13 References
13.1 Normative References
13.2 Informative References
""",
    9525: """
1 Introduction
1.1 Motivation
1.2 Applicability
1.3 Overview of Recommendations
1.4 Scope
1.4.1 In Scope
1.4.2 Out of Scope
1.5 Terminology
2 Identifying Application Services
3 Designing Application Protocols
4 Representing Server Identity
4.1 Rules
4.2 Examples
5 Requesting Server Certificates
6 Verifying Service Identity
6.1 Constructing a List of Reference Identifiers
6.1.1 Rules
6.1.2 Examples
6.2 Preparing to Seek a Match
6.3 Matching the DNS Domain Name Portion
6.4 Matching an IP Address Portion
6.5 Matching the Application Service Type Portion
6.6 Outcome
7 Security Considerations
7.1 Wildcard Certificates
7.2 Uniform Resource Identifiers
7.3 Internationalized Domain Names
7.4 IP Addresses
7.5 Multiple Presented Identifiers
7.6 Multiple Reference Identifiers
7.7 Certificate Trust
8 IANA Considerations
9 References
9.1 Normative References
9.2 Informative References
""",
}


def _rows(table: str) -> Iterator[tuple[str, str]]:
    for line in table.strip().splitlines():
        number, _, title = line.partition(" ")
        yield number, title


SECTIONS: dict[int, dict[str, str]] = {number: dict(_rows(table)) for number, table in _TABLES.items()}
"""RFC number → section number → its title."""
