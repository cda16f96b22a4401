"""What independent programs say is in a capture: tshark the frames and HTTP, Python's http.client the bodies, openssl the CMS.

Nothing here imports the analyzer: its tests are held to what is written here.
"""

import base64
import http.client
import io
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote_to_bytes, urlsplit

# Without these tshark misses GET requests that fill several segments, on ports it does not know, and reordered segments.
TSHARK = ["tshark", "-n", "-o", "tcp.reassemble_out_of_order:TRUE"]
ATTRIBUTES = {
    "2.16.840.1.113733.1.9.2": "message_type",
    "2.16.840.1.113733.1.9.3": "pki_status",
    "2.16.840.1.113733.1.9.4": "fail_info",
    "2.16.840.1.113733.1.9.5": "sender_nonce",
    "2.16.840.1.113733.1.9.6": "recipient_nonce",
    "2.16.840.1.113733.1.9.7": "transaction_id",
}


class Reading(NamedTuple):
    """How tshark reads a capture: its command, the field that names a message's frames, and its tap of a connection's bytes."""

    tshark: list[str]
    segments: str
    follow: str


CLEAR = Reading([*TSHARK, "-d", "tcp.port==1-65535,http"], "tcp.segment", "tcp")


def decrypted(*options: str) -> Reading:
    """HTTP inside TLS, which ``options`` undo."""
    return Reading([*TSHARK, *options], "tls.segment", "tls")


def run(*command: str, stdin: bytes | None = None) -> bytes:
    """Output of a program; its failure is ours."""
    return subprocess.run(command, input=stdin, capture_output=True, check=True).stdout


def exchanges(capture: Path, reading: Reading = CLEAR) -> list[dict[str, Any]]:
    """Every HTTP exchange, in order of the requests, as the oracles see it."""
    rows = _rows(reading, capture, "", "frame.number", "frame.time_epoch", "tcp.len")
    times = {frame: time for frame, time, _ in rows}
    # Where a body lasts until the close, tshark lists the FIN's frame too; it carried no byte.
    empty = {int(frame) for frame, _, length in rows if length == "0"}
    fields = ["frame.number", "tcp.stream", reading.segments, "http.request.method", "http.request.uri"]
    requests = _rows(reading, capture, "http.request", *fields)
    fields = ["frame.number", "tcp.stream", reading.segments, "http.response.code", "http.content_type", "http.server"]
    responses = _rows(reading, capture, "http.response", *fields)
    waiting: dict[str, list[list[str]]] = {}
    for row in responses:
        waiting.setdefault(row[1], []).append(row)
    bodies = {stream: _bodies(reading, capture, stream) for stream in {row[1] for row in requests}}
    found = []
    for frame, stream, segments, method, uri in requests:
        request_body, response_body = bodies[stream].pop(0)
        frames = _frames(frame, segments, empty)
        entry: dict[str, Any] = {
            "connection": int(stream),
            "method": method,
            "target_length": len(uri),
            "operation": parse_qs(urlsplit(uri).query).get("operation", [""])[0],
            "request_frames": frames,
            "request_time": times[str(frames[0])],
            "request_body_length": len(request_body),
        }
        _asked(entry, uri, request_body)
        if waiting.get(stream):
            frame, _, segments, status, content_type, server = waiting[stream].pop(0)
            frames = _frames(frame, segments, empty)
            entry |= {
                "response_frames": frames,
                "response_time": times[str(frames[0])],
                "status": int(status),
                "content_type": content_type,
                "server": server,
                "response_body_length": len(response_body or b""),
            }
            _answered(entry, int(status), response_body or b"")
        found.append(entry)
    return found


def _asked(entry: dict[str, Any], uri: str, body: bytes) -> None:
    message = body or _message_of(uri)
    if entry["operation"] == "PKIOperation" and message:
        entry["request"] = pki_message(message)


def _answered(entry: dict[str, Any], status: int, body: bytes) -> None:
    if body and status == 200:
        entry |= _content(entry["operation"], body)
    elif body:
        entry["body_text"] = body.decode("utf-8", "replace").strip()


def http2_exchanges(capture: Path, reading: Reading) -> list[dict[str, Any]]:
    """The same of HTTP/2, where each connection carries one exchange, as tshark dissects it."""
    fields = [
        "frame.number",
        "frame.time_epoch",
        "tcp.stream",
        "http2.headers.method",
        "http2.headers.path",
        "http2.headers.status",
    ]
    fields += [
        "http2.headers.content_type",
        "http2.headers.server",
        "http2.data.data",
        "http2.length",
        "http2.body.reassembled.data",
    ]
    rows = _rows(reading, capture, "http2.headers || http2.data.data", *fields)
    found = []
    for stream in dict.fromkeys(row[2] for row in rows):
        theirs = [row for row in rows if row[2] == stream]
        answer = next(at for at, row in enumerate(theirs) if row[5])
        asking, answering = theirs[:answer], theirs[answer:]
        bodies = [_http2_body(side) for side in (asking, answering)]
        _, _, _, method, path, *_ = asking[0]
        entry: dict[str, Any] = {
            "connection": int(stream),
            "method": method,
            "target_length": len(path),
            "operation": parse_qs(urlsplit(path).query)["operation"][0],
            "request_frames": [int(row[0]) for row in asking],
            "request_time": asking[0][1],
            "request_body_length": len(bodies[0]),
        }
        _asked(entry, path, bodies[0])
        entry |= {
            "response_frames": [int(row[0]) for row in answering if row[9].strip("0,")],
            "response_time": answering[0][1],
            "status": int(answering[0][5]),
            "content_type": answering[0][6],
            "server": answering[0][7],
            "response_body_length": len(bodies[1]),
        }
        _answered(entry, entry["status"], bodies[1])
        found.append(entry)
    return found


def _http2_body(rows: list[list[str]]) -> bytes:
    """Where a body fills several frames, tshark gives it whole in the last of them, and there for the frame's own data too."""
    whole = next((row[10] for row in rows if row[10]), None)
    text = whole if whole is not None else "".join(row[8] for row in rows)
    return bytes.fromhex(text.replace(",", "").replace(":", ""))


def _content(operation: str, body: bytes) -> dict[str, Any]:
    if operation == "GetCACaps":
        return {"capabilities": body.decode().split()}
    if operation == "GetCACert":
        try:
            pem = run("openssl", "pkcs7", "-inform", "DER", "-print_certs", stdin=body)
        except subprocess.CalledProcessError:
            pem = run("openssl", "x509", "-inform", "DER", stdin=body)
        return {"certificates": certificates(pem.decode())}
    return {"response": pki_message(body)}


def _rows(reading: Reading, capture: Path, display_filter: str, *fields: str) -> list[list[str]]:
    wanted = [word for field in fields for word in ("-e", field)]
    chosen = ["-Y", display_filter] if display_filter else []
    output = run(
        *reading.tshark,
        "-r",
        str(capture),
        *chosen,
        "-T",
        "fields",
        "-E",
        "separator=/t",
        "-E",
        "aggregator=,",
        *wanted,
    )
    return [line.split("\t") for line in output.decode().splitlines()]


def _frames(frame: str, segments: str, empty: set[int]) -> list[int]:
    return [int(each) for each in segments.split(",") if int(each) not in empty] if segments else [int(frame)]


def _bodies(reading: Reading, capture: Path, stream: str) -> list[tuple[bytes, bytes | None]]:
    """Request and response bodies of a connection, parted by http.client."""
    output = run(*reading.tshark, "-r", str(capture), "-q", "-z", f"follow,{reading.follow},raw,{stream}").decode()
    sides = {False: bytearray(), True: bytearray()}
    for line in output.split("Node 1:", 1)[1].splitlines()[1:]:
        if re.fullmatch(r"\t?[0-9a-f]+", line):
            sides[line.startswith("\t")] += bytes.fromhex(line.strip())
    # Node 0 of a decrypted connection may be the server, whose session tickets come first.
    asking, answering = sorted(map(io.BytesIO, sides.values()), key=lambda side: side.getvalue().startswith(b"HTTP/"))
    pairs: list[tuple[bytes, bytes | None]] = []
    while line := asking.readline():
        headers = http.client.parse_headers(asking)
        request = asking.read(int(headers.get("Content-Length", 0)))
        answer = None
        if answering.tell() < len(sides[True]):
            response = http.client.HTTPResponse(_Socket(answering), method=line.split()[0].decode())  # type: ignore[arg-type]
            response.begin()
            answer = response.read()
        pairs.append((request, answer))
    return pairs


class _Socket:
    """Hands http.client one stream for several responses."""

    def __init__(self, stream: io.BytesIO) -> None:
        self._stream = stream

    def makefile(self, *_args: object, **_options: object) -> io.BufferedReader:
        stream = self._stream

        class Kept(io.RawIOBase):
            def readable(self) -> bool:
                return True

            def readinto(self, buffer: Any) -> int:
                # One byte at a time, so that nothing of the next response is buffered away.
                piece = stream.read(min(1, len(buffer)))
                buffer[: len(piece)] = piece
                return len(piece)

        return io.BufferedReader(Kept(), buffer_size=1)


def _message_of(uri: str) -> bytes:
    match = re.search(r"[?&]message=([^&]*)", uri)
    return base64.b64decode(unquote_to_bytes(match[1])) if match and len(match[1]) > 200 else b""


def pki_message(message: bytes) -> dict[str, Any]:
    """What openssl reads in a pkiMessage."""
    with tempfile.TemporaryDirectory() as folder:
        path, inner = Path(folder, "message.der"), Path(folder, "inner.der")
        path.write_bytes(message)
        printed = run("openssl", "cms", "-cmsout", "-print", "-noout", "-inform", "DER", "-in", str(path)).decode()
        values: dict[str, Any] = {"length": len(message)}
        signer = printed[printed.index("signerInfos:") :]
        for oid, name in ATTRIBUTES.items():
            match = re.search(
                rf"object: \S+ \({re.escape(oid)}\)\s+set:\s+(\w[\w ]*):(.*?)\n\n", signer + "\n\n", re.DOTALL
            )
            if match is None:
                continue
            text = match[2].split("\n        signatureAlgorithm")[0]
            values[name] = _hex_dump(text) if match[1] == "OCTET STRING" else text.strip()
            if name in ("message_type", "pki_status", "fail_info"):
                values[name] = int(values[name])
        values["digest_algorithm"] = re.findall(r"digestAlgorithm:\s+algorithm: (\S+)", signer)[0]
        values["signature_algorithm"] = re.findall(r"signatureAlgorithm:\s+algorithm: (\S+)", signer)[0]
        # `openssl cms -cmsout` would sort the certificates; `pkcs7` gives them as they stand.
        pem = run("openssl", "pkcs7", "-inform", "DER", "-in", str(path), "-print_certs").decode()
        values["certificates"] = certificates(pem)
        done = subprocess.run(
            ["openssl", "cms", "-verify", "-noverify", "-inform", "DER", "-in", str(path), "-out", str(inner)],
            capture_output=True,
            check=False,
        )
        values["signature_valid"] = done.returncode == 0
        if done.returncode == 0 and inner.stat().st_size > 8:
            opened = run("openssl", "cms", "-cmsout", "-print", "-noout", "-inform", "DER", "-in", str(inner)).decode()
            values["recipient_serials"] = [_serial(each) for each in re.findall(r"serialNumber: (\S+)", opened)]
            values["content_encryption_algorithm"] = re.findall(
                r"contentEncryptionAlgorithm:\s+algorithm: (\S+)", opened
            )[0]
    return values


def _hex_dump(text: str) -> str:
    digits = (
        re.sub(r"^\s*[0-9a-f]+ - ", "", line)[: 3 * 13].replace("-", " ") for line in text.splitlines() if " - " in line
    )
    return "".join("".join(re.findall(r"\b[0-9a-f]{2}\b", line)) for line in digits)


def _serial(printed: str) -> str:
    number = int(printed, 16) if printed.startswith("0x") else int(printed)
    return f"{number:x}".zfill(len(f"{number:x}") + len(f"{number:x}") % 2)


def certificates(pem: str) -> list[dict[str, Any]]:
    """What openssl reads in each certificate of a PEM text."""
    found = []
    for one in re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", pem, re.DOTALL):
        printed = run(
            *("openssl", "x509", "-noout", "-subject", "-issuer", "-serial", "-enddate", "-dateopt", "iso_8601"),
            *("-fingerprint", "-sha256", "-nameopt", "RFC2253,-esc_msb"),
            stdin=one.encode(),
        ).decode()
        facts = dict(line.split("=", 1) for line in printed.splitlines())
        found.append(
            {
                "subject": facts["subject"],
                "issuer": facts["issuer"],
                "serial_number": facts["serial"].lower(),
                "not_after": facts["notAfter"].replace(" ", "T"),
                "fingerprint_sha256": facts["sha256 Fingerprint"].replace(":", "").lower(),
            }
        )
    return found
