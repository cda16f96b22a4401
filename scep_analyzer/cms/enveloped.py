"""EnvelopedData (RFC 5652, Section 6) from outside: for whom and how it is encrypted."""

from typing import Any

from asn1crypto import cms

from scep_analyzer.cms import algorithms, names
from scep_analyzer.cms.ber import ASN1_ERRORS
from scep_analyzer.cms.certificates import serial
from scep_analyzer.model.anomalies import DecodeError
from scep_analyzer.model.scep import Envelope, Recipient

_KINDS = {"ktri": "key-transport", "kari": "key-agreement", "kekri": "kek", "pwri": "password", "ori": "other"}


def read_envelope(encoded: bytes) -> Envelope:
    """Read a ContentInfo that holds EnvelopedData or AuthEnvelopedData.

    The encrypted content itself is not touched: Go's SCEP library writes it as a constructed [0] of definite length,
    which asn1crypto refuses.
    """
    try:
        info = cms.ContentInfo.load(encoded)
        kind = info["content_type"].native
        if kind not in ("enveloped_data", "authenticated_enveloped_data"):
            raise DecodeError(f"a CMS {kind} where an EnvelopedData is expected")
        data = info["content"]
        inner = "encrypted_content_info" if kind == "enveloped_data" else "auth_encrypted_content_info"
        recipients = tuple(data["recipient_infos"])
        transport = next((each.chosen for each in recipients if each.name == "ktri"), None)
        return Envelope(
            tuple(_recipient(each) for each in recipients),
            algorithms.name_of(transport["key_encryption_algorithm"]["algorithm"].dotted) if transport else None,
            algorithms.name_of(data[inner]["content_encryption_algorithm"]["algorithm"].dotted),
        )
    except ASN1_ERRORS as error:
        if isinstance(error, DecodeError):
            raise
        raise DecodeError(f"no EnvelopedData: {str(error).splitlines()[0]}") from error


def _recipient(choice: Any) -> Recipient:
    kind = _KINDS.get(choice.name, choice.name)
    if choice.name != "ktri":
        return Recipient(kind, None, None)
    rid = choice.chosen["rid"]
    if rid.name == "issuer_and_serial_number":
        return Recipient(kind, names.name_of(rid.chosen["issuer"]), serial(rid.chosen["serial_number"]))
    return Recipient(kind, None, None, rid.chosen.contents.hex())
