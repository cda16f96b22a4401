"""Who issued whom among the certificates of one set: names and signatures, not trust."""

from collections.abc import Sequence

from scep_analyzer.cms.ber import children_of, read
from scep_analyzer.cms.verification import check_signature
from scep_analyzer.model.anomalies import DecodeError
from scep_analyzer.model.certificates import Certificate
from scep_analyzer.model.limits import BOUNDS
from scep_analyzer.model.remembered import remembered
from scep_analyzer.model.verdict import Verdict

_NOT_CHECKED = Verdict(
    None, f"it was not checked: the set takes more than {BOUNDS.signature_checks} checks (limit-signatures)"
)


def linked(certificates: Sequence[Certificate]) -> tuple[Certificate, ...]:
    """The same certificates, each with the index of its issuer in the set and the verdict on its signature.

    Two certificates may bear the issuer's name (a renewed CA): the one whose key fits is the issuer.
    """
    by_subject: dict[str, list[int]] = {}
    for index, each in enumerate(certificates):
        by_subject.setdefault(each.subject, []).append(index)
    left = [BOUNDS.signature_checks]
    return tuple(_linked(each, certificates, by_subject.get(each.issuer, ()), left) for each in certificates)


def _linked(
    certificate: Certificate, every: Sequence[Certificate], candidates: Sequence[int], left: list[int]
) -> Certificate:
    """``left`` is how many signatures may still be checked: a set where all bear one name must not cost its square."""
    best: Certificate | None = None
    for index in candidates:
        if not left[0]:
            if best is None:
                best = certificate._replace(issuer_index=index, issuer_signature=_NOT_CHECKED)
            break
        left[0] -= 1
        verdict = issued_by(certificate, every[index])
        if best is None or verdict.valid:
            best = certificate._replace(issuer_index=index, issuer_signature=verdict)
            if verdict.valid:
                break
    return best or certificate


def issued_by(certificate: Certificate, issuer: Certificate) -> Verdict:
    """Whether the issuer's key made the certificate's signature."""
    if issuer.public_key is None or certificate.signature_algorithm is None:
        return Verdict(None, "the key or the algorithm cannot be read")
    return _made_by(certificate.encoded, certificate.signature_algorithm, issuer.public_key.encoded)


@remembered(1024, 8192)
def _made_by(certificate: bytes, algorithm: str, key: bytes) -> Verdict:
    """Remembered, because every client of a CA is given the same certificates."""
    try:
        signed, _, signature = list(children_of(certificate))[:3]
        value = read(signature).content[1:]  # the first octet counts unused bits
    except (DecodeError, ValueError) as error:
        return Verdict(None, str(error))
    return check_signature(key, signed, value, algorithm)
