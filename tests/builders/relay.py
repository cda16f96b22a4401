"""An enrollment that is relayed from host to host, each of which asks the next one in turn."""

from pathlib import Path

from tests import talk
from tests.builders import pki
from tests.builders.packets import Network
from tests.builders.scene import CA, ENCRYPTER, SIGNER


def relayed(path: Path, hosts: list[str]) -> list[int]:
    """Write it; the frames in which the messages begin, in order of time: from the first host to the last one, and back."""
    network = Network(1_767_600_000.0)
    begun: list[int] = []

    def hop(at: int, question: bytes, answer: bytes) -> None:
        connection = network.connect(hosts[at], hosts[at + 1], 80)
        begun.append(len(network.packets) + 1)
        connection.send(question, from_client=True)
        network.pause(0.01)
        if at + 2 < len(hosts):
            hop(at + 1, question.replace(b"\r\n\r\n", b"\r\nVia: 1.1 hop%d\r\n\r\n" % at, 1), answer)
        begun.append(len(network.packets) + 1)
        connection.send(answer, from_client=False)
        connection.close(from_client=True)

    message = talk.message(19, "A1B2C3")
    for head, body, kind, answer in (
        (b"GET /scep?operation=GetCACaps", b"", b"text/plain", b"AES\nSHA-256\nPOSTPKIOperation\n"),
        (
            b"GET /scep?operation=GetCACert",
            b"",
            b"application/x-x509-ca-ra-cert",
            pki.degenerate([CA, SIGNER, ENCRYPTER]),
        ),
        (b"POST /scep?operation=PKIOperation", message, b"application/x-pki-message", talk.reply(0, "A1B2C3")),
    ):
        length = b"Content-Length: %d\r\n" % len(body) if body else b""
        question = head + b" HTTP/1.1\r\nHost: scep.example\r\n" + length + b"\r\n" + body
        status = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (kind, len(answer))
        hop(0, question, status + answer)
    network.write(path)
    return begun
