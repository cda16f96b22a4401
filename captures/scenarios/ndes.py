"""What the two NDES recipes share: the PKI, the HTTP of IIS and of an old router, and how a capture is written."""

import base64
import datetime as dt
import random
import sys
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "captures" / "lab")]

from tests.builders import packets, pki  # noqa: E402  # after the path is set

START = dt.datetime(2026, 3, 2, 8, 15, 0, tzinfo=dt.UTC)
ROUTER, NDES = "198.51.100.20", "198.51.100.5"
PATH = "/CertSrv/mscep/mscep.dll/pkiclient.exe"

CA_NAME = pki.name(DC="example", CN="Corp Issuing CA")
RA_NAME = pki.name(C="US", CN="NDES01-MSCEP-RA")
ROUTER_NAME = pki.name(CN="r1.example", O="Example")

CA_KEY, SIGNING_KEY, ENCRYPTION_KEY, CLIENT_KEY = (
    pki.key(each) for each in ("ca", "ra-signing", "ra-encryption", "client")
)
YEAR_AGO = START - dt.timedelta(days=300)
CA = pki.certificate(CA_NAME, CA_KEY, CA_NAME, CA_KEY, 0x4D3E21F0A95B7C61, YEAR_AGO, 3650, ca=True)
RA_SIGNING = pki.certificate(
    RA_NAME, SIGNING_KEY, CA_NAME, CA_KEY, 0x6100000005D1, YEAR_AGO, 730, usage="sign", agent=True
)
RA_ENCRYPTION = pki.certificate(
    RA_NAME, ENCRYPTION_KEY, CA_NAME, CA_KEY, 0x6100000006A8, YEAR_AGO, 730, usage="encrypt", agent=True
)
REQUESTER = pki.certificate(ROUTER_NAME, CLIENT_KEY, ROUTER_NAME, CLIENT_KEY, 1, START - dt.timedelta(hours=1), 3650)
ISSUED = pki.certificate(
    ROUTER_NAME, CLIENT_KEY, CA_NAME, CA_KEY, 0x61000000112F, START - dt.timedelta(minutes=10), 365, usage="both"
)

TRANSACTION_ID = "5C1E83D6A07B4F2990D1E8A6B35C7F42"
CHANCE = random.Random(8894)
SENDER_NONCE, REPLY_NONCE = CHANCE.randbytes(16), CHANCE.randbytes(16)


def pkcs_req() -> bytes:
    """The router's request: 3DES for the RA encryption certificate, as NDES advertises no AES."""
    csr = pki.request(ROUTER_NAME, CLIENT_KEY, "8A6F2B1C4D5E7F90")
    attributes = [
        pki.printable(pki.MESSAGE_TYPE, "19"),
        pki.octets(pki.SENDER_NONCE, SENDER_NONCE),
        pki.printable(pki.TRANSACTION_ID, TRANSACTION_ID),
    ]
    sealed = pki.envelope(csr, RA_ENCRYPTION, "des-ede3-cbc", CHANCE)
    return pki.signed_message(sealed, attributes, REQUESTER, CLIENT_KEY, [REQUESTER])


def cert_rep(status: str, content: bytes | None, *more: bytes) -> bytes:
    """NDES's answer: signed by the RA signing certificate, which it does not include."""
    attributes = [
        pki.printable(pki.MESSAGE_TYPE, "3"),
        pki.printable(pki.PKI_STATUS, status),
        pki.octets(pki.SENDER_NONCE, REPLY_NONCE),
        pki.octets(pki.RECIPIENT_NONCE, SENDER_NONCE),
        pki.printable(pki.TRANSACTION_ID, TRANSACTION_ID),
        *more,
    ]
    return pki.signed_message(content, attributes, RA_SIGNING, SIGNING_KEY, None)


def conversation(answer: bytes) -> packets.Network:
    """GetCACert and PKIOperation by GET over HTTP/1.0, one connection each, answered by IIS with ``answer``."""
    network = packets.Network(START.timestamp())
    _exchange(
        network,
        "GetCACert&message=SCEPLab",
        "application/x-x509-ca-ra-cert",
        pki.degenerate([RA_SIGNING, CA, RA_ENCRYPTION]),
        0.011,
    )
    network.pause(1.9)
    text = base64.b64encode(pkcs_req()).decode()
    lines = "".join(text[at : at + 64] + "\n" for at in range(0, len(text), 64))
    _exchange(network, "PKIOperation&message=" + quote(lines, safe="/"), "application/x-pki-message", answer, 0.182)
    return network


def _exchange(network: packets.Network, query: str, kind: str, body: bytes, wait: float) -> None:
    connection = network.connect(ROUTER, NDES, 80)
    agent = "User-Agent: Mozilla/4.0 (compatible; MSIE 5.0; Cisco PKI)\r\n" if "GetCACert" in query else ""
    connection.send(f"GET {PATH}?operation={query} HTTP/1.0\r\n{agent}Host: {NDES}\r\n\r\n".encode(), from_client=True)
    date = dt.datetime.fromtimestamp(network.now, dt.UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nServer: Microsoft-IIS/10.0\r\nX-Powered-By: ASP.NET\r\n"
    head += f"Date: {date}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.send(head.encode() + body, from_client=False, wait=wait)
    connection.close(from_client=False)


def write(recipe: str, network: packets.Network, transactions: list[dict[str, object]]) -> None:
    """Write the capture beside its recipe, and its sidecar where the oracles are installed."""
    import importlib.util
    import shutil

    path = Path(recipe)
    capture = path.with_suffix(".pcap")
    out = Path(sys.argv[1]) / capture.name if len(sys.argv) > 1 else capture
    network.write(out)
    if len(sys.argv) > 1 or not shutil.which("tshark"):
        return
    import oracle
    import sidecar

    spec = importlib.util.spec_from_file_location("recipe", path)
    assert spec is not None
    story = path.read_text().split('"""')[1]
    facts = {
        "story": " ".join(story.split()),
        "source": f"BUILT, not recorded: by captures/scenarios/{path.name}, as an NDES server would answer",
        "oracles": "tshark and openssl, as in captures/lab/oracle.py",
        "licence": "same as the project",
        "keys": ["captures/keys/ra-encryption.pem", "captures/keys/client.pem"],
    }
    sidecar.write(capture, facts, oracle.exchanges(capture), transactions)
