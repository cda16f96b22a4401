"""OIDs of algorithms, purposes, names and CMS content types, by the words that the rest of the program uses for them."""

from scep_analyzer.topics._table import Table

_MEANINGS = {
    "md5": "A broken hash algorithm; RFC 8894 forbids it.",
    "sha1": "An old hash algorithm. RFC 8894 (7.9) calls it still safe inside SCEP; certificates signed with it are not accepted any more.",
    "des-cbc": "Single DES: broken; RFC 8894 (7.5) forbids it.",
    "des-ede3-cbc": "Triple DES. RFC 8894 requires it of servers without AES; capability DES3.",
    "rc2-cbc": "An old cipher that SCEP does not use.",
    "rc4": "An old stream cipher that SCEP does not use.",
    "aes-128-cbc": "AES with a key of 128 bits, the usual cipher of SCEP; capability AES.",
    "rsaEncryption": "RSA with PKCS #1 v1.5: how SCEP encrypts the content key; also an RSA public key.",
    "rsaesOaep": "RSA with OAEP padding; most SCEP servers cannot read it.",
    "rsassaPss": "A signature with RSA-PSS; many SCEP servers and clients cannot verify it.",
    "id-ecPublicKey": "A public key on an elliptic curve. Nothing can be encrypted for it by key transport, so SCEP with it is rare.",
    "data": "Bytes without further form: what the envelope of SCEP holds.",
    "signed_data": "CMS SignedData, the outer layer of a pkiMessage.",
    "enveloped_data": "CMS EnvelopedData, the envelope of a pkiMessage.",
}
_PURPOSES = {
    "anyExtendedKeyUsage": "Any purpose.",
    "serverAuth": "The certificate identifies a TLS server.",
    "clientAuth": "The certificate identifies a TLS client, for example a device at 802.1X or VPN.",
    "codeSigning": "The certificate signs programs.",
    "emailProtection": "The certificate signs or decrypts e-mail.",
    "ipsecEndSystem": "The certificate identifies an IPsec host (outdated).",
    "timeStamping": "The certificate signs time stamps.",
    "OCSPSigning": "The certificate signs OCSP responses.",
    "ipsecIKE": "The certificate identifies a side of IKE (IPsec).",
    "iKEIntermediate": "The certificate identifies a VPN gateway for Microsoft and Apple clients.",
    "encryptingFileSystem": "The certificate encrypts files in Windows.",
    "certificateRequestAgent": "Enrollment agent: the certificate may sign requests for others. Both RA certificates of NDES have this purpose; their key usage tells them apart.",
    "smartcardLogon": "The certificate logs on to Windows.",
}


def tables(algorithms: dict[str, str], content_types: dict[str, str], purposes: dict[str, str]) -> tuple[Table, ...]:
    """The tables for OID → name of algorithms, content types and extended key usages, in the order given."""
    return (
        Table("OID", "As digestAlgorithm, signatureAlgorithm, keyEncryptionAlgorithm, contentEncryptionAlgorithm or public key.", "RFC 5754; RFC 8017, Appendix C; RFC 3565; RFC 5480", _rows(algorithms, "algorithm")),
        Table("OID", "As contentType, the kind of a CMS message.", "RFC 5652, Section 4", _rows(content_types, "CMS content type")),
        Table("OID", "In extKeyUsage, the purposes of a certificate.", "RFC 5280, Section 4.2.1.12; wincrypt.h", _rows(purposes, "purpose")),
        Table("OID", "In the names of subjectAltName, and in the attributes of Microsoft.", "wincrypt.h", _OTHER),
    )  # fmt: skip


_OTHER = (
    ("1.3.6.1.4.1.311.20.2.3 | szOID_NT_PRINCIPAL_NAME", "name, userPrincipalName (UPN)", "The name of an account in Active Directory, in an otherName of subjectAltName.", "csr-san-wrong-form"),
    ("1.3.6.1.4.1.311.25.1 | szOID_NTDS_REPLICATION", "name, GUID of a domain controller", "The GUID of a domain controller, in an otherName of subjectAltName.", ""),
)  # fmt: skip


def _rows(names: dict[str, str], what: str) -> tuple[tuple[str, str, str, str], ...]:
    return tuple(
        (f"{oid} | {name}", f"{what} {name}", _MEANINGS.get(name, _PURPOSES.get(name, "")), "")
        for oid, name in names.items()
    )
