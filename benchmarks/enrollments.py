"""The messages of enrollments as devices send them: a certificate, a key's signature and an issued certificate of its own in each."""

import random

from tests.builders import pki
from tests.builders.scene import CA as _CA
from tests.builders.scene import CA_KEY, CA_NAME, CLIENT_KEY, ENCRYPTER, SIGNER, SIGNER_KEY, START
from tests.talk import get

__all__ = ["SET", "enrollment", "get"]

SET = pki.degenerate([_CA, SIGNER, ENCRYPTER])
"""What GetCACert answers: an RA with two certificates, and the CA."""


def enrollment(number: int, chance: random.Random) -> tuple[bytes, bytes]:
    """A PKCSReq and the CertRep that answers it. The keys are few, as making them is slow; what is signed with them is always new."""
    name = pki.name(CN=f"device-{number:06d}", O="Example")
    own = pki.certificate(name, CLIENT_KEY, name, CLIENT_KEY, 1000 + number, START, 365)
    issued = pki.certificate(name, CLIENT_KEY, CA_NAME, CA_KEY, 500_000 + number, START, 365, usage="both")
    transaction, nonce = f"{chance.getrandbits(160):040X}", chance.randbytes(16)
    named = [pki.printable(pki.TRANSACTION_ID, transaction)]
    asked = [pki.printable(pki.MESSAGE_TYPE, "19"), *named, pki.octets(pki.SENDER_NONCE, nonce)]
    request = pki.request(name, CLIENT_KEY, "not-a-secret")
    sealed = pki.envelope(request, ENCRYPTER, "aes-128-cbc", chance)
    answered = [
        pki.printable(pki.MESSAGE_TYPE, "3"),
        pki.printable(pki.PKI_STATUS, "0"),
        *named,
        pki.octets(pki.SENDER_NONCE, chance.randbytes(16)),
        pki.octets(pki.RECIPIENT_NONCE, nonce),
    ]
    back = pki.envelope(pki.degenerate([issued]), own, "aes-128-cbc", chance)
    return (
        pki.signed_message(sealed, asked, own, CLIENT_KEY, [own]),
        pki.signed_message(back, answered, SIGNER, SIGNER_KEY, [SIGNER]),
    )
