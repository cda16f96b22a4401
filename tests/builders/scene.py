"""A CA, an RA and a requester for the tests: the corpus's keys, made-up names."""

import datetime as dt

from tests.builders import pki

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
CA_KEY, SIGNER_KEY, ENCRYPTION_KEY, CLIENT_KEY = (
    pki.key(each) for each in ("ca", "ra-signing", "ra-encryption", "client")
)
CA_NAME, CLIENT_NAME = pki.name(CN="Test CA"), pki.name(CN="device")
CA = pki.certificate(CA_NAME, CA_KEY, CA_NAME, CA_KEY, 1, START, 3650, ca=True)
SIGNER = pki.certificate(pki.name(CN="Test RA"), SIGNER_KEY, CA_NAME, CA_KEY, 11, START, 365, usage="sign", agent=True)
ENCRYPTER = pki.certificate(
    pki.name(CN="Test RA"), ENCRYPTION_KEY, CA_NAME, CA_KEY, 12, START, 365, usage="encrypt", agent=True
)
REQUESTER = pki.certificate(CLIENT_NAME, CLIENT_KEY, CLIENT_NAME, CLIENT_KEY, 1, START, 365)
ISSUED = pki.certificate(CLIENT_NAME, CLIENT_KEY, CA_NAME, CA_KEY, 21, START, 365, usage="both")
