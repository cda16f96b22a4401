"""A router enrolls with Microsoft NDES over HTTP/1.0: GetCACert gives the CA and two RA certificates, PKIOperation goes by GET with
its base64 in lines (%0A), and the answer is SUCCESS. NDES leaves its own certificate out of the answer.
"""

from ndes import CHANCE, ISSUED, REQUESTER, cert_rep, conversation, pki, write

sealed = pki.envelope(pki.degenerate([ISSUED]), REQUESTER, "des-ede3-cbc", CHANCE)
write(
    __file__,
    conversation(cert_rep("0", sealed)),
    [{"kind": "enrollment", "outcome": "success", "exchanges": [1, 2], "polls": 0}],
)
