"""NDES refuses: CertRep FAILURE badRequest whose real reason is in a signed attribute of Microsoft's, readable without any key:
HRESULT 0x80094800, the certificate template named in NDES's registry is not published on the CA. One zero byte stands where an
envelope or nothing belongs.
"""

from ndes import cert_rep, conversation, pki, write

reason = pki.printable(pki.HRESULT, str(0x80094800 - (1 << 32)))
answer = cert_rep("2", b"\x00", pki.printable(pki.FAIL_INFO, "2"), reason)
write(__file__, conversation(answer), [{"kind": "enrollment", "outcome": "failure", "exchanges": [1, 2], "polls": 0}])
