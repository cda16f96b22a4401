"""GetCACert and its like: the certificates and what each is for (RFC 8894, Section 4.2)."""

from scep_analyzer.cms.certificates import read_certificate
from scep_analyzer.cms.chains import linked
from scep_analyzer.cms.signed import read_certificate_set, read_signed
from scep_analyzer.model.anomalies import DecodeError
from scep_analyzer.model.certificates import Certificate
from scep_analyzer.model.remembered import remembered
from scep_analyzer.model.scep import CaCertificates
from scep_analyzer.scep.encoding import Notes


def read_ca_certificates(encoded: bytes) -> tuple[CaCertificates, Notes]:
    """As :func:`_read`, which remembers the last ones: every client of a CA is given the same certificates."""
    certificates, notes = _read(encoded)
    return certificates, list(notes)


@remembered(64, 64 * 1024)
def _read(encoded: bytes) -> tuple[CaCertificates, tuple[tuple[str, str], ...]]:
    """Read one X.509 certificate or a PKCS #7 of several, whatever the content type says.

    GetNextCACert's answer is a SignedData, signed by the current CA, around another one (Section 4.7.1).
    """
    notes: Notes = []
    try:
        return CaCertificates("x509", linked((_as_ca(read_certificate(encoded)),))), ()
    except DecodeError as error:
        not_a_certificate = str(error)  # not the error itself: it would keep these bytes until the collector comes by
    try:
        signed = read_signed(encoded)
    except DecodeError as error:
        if encoded[:1] == b"\x30" and "truncated" not in str(error):
            raise DecodeError(f"{not_a_certificate}; {error}") from error
        raise
    notes += signed.notes
    certificates = list(signed.certificates)
    signer = signed.signers[0].identity if signed.signers else None
    if signed.content and signer is not None:
        try:
            certificates = read_certificate_set(signed.content)
        except DecodeError as error:
            notes.append(("next-ca-content", f"the signed content is no certificate set: {error}"))
    form = "degenerate" if signer is None else "signed"
    found = CaCertificates(form, linked(tuple(map(_as_ca, certificates))), signer)
    return found, tuple(notes)


def _as_ca(certificate: Certificate) -> Certificate:
    return with_role(certificate, role_of(certificate))


def with_role(certificate: Certificate, role: str | None) -> Certificate:
    """The certificate with this role."""
    return certificate if certificate.role == role else certificate._replace(role=role)


def role_of(certificate: Certificate) -> str:
    """What a certificate of the CA's set is for.

    An RA certificate is one that cannot issue; its key usage tells signing from encryption (NDES has one of each; both carry the
    Certificate Request Agent purpose, so that does not tell them apart). Position in the set means nothing.
    """
    usage = certificate.key_usage
    if certificate.is_ca or (certificate.self_issued and usage is None):
        return "ca"
    if usage is None:
        return "ra"
    encrypts = "keyEncipherment" in usage or "dataEncipherment" in usage or "keyAgreement" in usage
    signs = "digitalSignature" in usage or "nonRepudiation" in usage
    return "ra" if encrypts == signs else "ra-encryption" if encrypts else "ra-signing"
