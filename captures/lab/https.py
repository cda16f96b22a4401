"""Records SCEP over TLS: the lab of record.py with nginx in front of the SCEP server. Run as root: `make captures-tls`.

Needs what record.py needs, and Debian's nginx-light. strongSwan and certmonger write the key log themselves: both use libcurl, which
obeys SSLKEYLOGFILE. The server's RSA key of the capture without forward secrecy is kept beside it.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import oracle
import record as lab
import sidecar

OUTPUT = Path(__file__).parent.parent / "tls"
HOST, PORT = "scep.lab.example", 8443
URL = f"https://{HOST}:{PORT}/scep"
SUCCESS = [{"kind": "enrollment", "outcome": "success", "polls": 0}]
NGINX = """
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen {address}:{port} ssl{http2};
    server_name {host};
    ssl_certificate {folder}/tls.pem;
    ssl_certificate_key {folder}/tls.key;
    ssl_protocols {protocol};
    {more}
    location / {{ proxy_pass http://127.0.0.1:8080; }}
  }}
}}
"""


class Scenario(NamedTuple):
    """What to record: the TLS that nginx offers, whether the client trusts its CA, and what undoes the TLS."""

    story: str
    act: Callable[[lab.Lab], str]
    packages: tuple[str, ...]
    transactions: list[dict[str, Any]]
    protocol: str
    opened_by: str
    """keylog, embedded, key (the server's RSA key) or nothing."""
    more: str = ""
    trusted: bool = True
    http2: bool = False


def strongswan(box: lab.Lab) -> str:
    with _url(URL), _keylog(box):
        return lab.strongswan(box)


def certmonger(box: lab.Lab) -> str:
    box.ca = box.folder / "tls-ca.pem"  # what getcert's -R is for: the CA of the TLS certificate
    with _url(URL), _keylog(box):
        return lab.certmonger(box)


def scepclient(box: lab.Lab) -> str:
    os.environ["SSL_CERT_FILE"] = str(box.folder / "tls-ca.pem")
    try:
        return lab.scepclient(box, url=URL)
    finally:
        del os.environ["SSL_CERT_FILE"]


@contextmanager
def _url(url: str) -> Iterator[None]:
    plain, lab.URL = lab.URL, url
    try:
        yield
    finally:
        lab.URL = plain


@contextmanager
def _keylog(box: lab.Lab) -> Iterator[None]:
    os.environ["SSLKEYLOGFILE"] = str(box.folder / "keylog")
    try:
        yield
    finally:
        del os.environ["SSLKEYLOGFILE"]


CURL = ("nginx", "strongswan-pki", "libstrongswan-extra-plugins", "libcurl4", "scep")
SCENARIOS = {
    "tls12-strongswan": Scenario(
        "strongSwan enrolls over TLS 1.2 (ECDHE); nginx in front of scepserver. Readable with the key log.",
        strongswan, CURL, SUCCESS, "TLSv1.2", "keylog",
    ),
    "tls13-strongswan": Scenario(
        "strongSwan enrolls over TLS 1.3; nginx in front of scepserver. Readable with the key log.",
        strongswan, CURL, SUCCESS, "TLSv1.3", "keylog",
    ),
    "http2-strongswan": Scenario(
        "strongSwan enrolls over HTTP/2, because nginx offers it and libcurl takes it. Readable with the key log.",
        strongswan, CURL, SUCCESS, "TLSv1.3", "keylog", http2=True,
    ),
    "tls13-embedded": Scenario(
        "strongSwan enrolls over TLS 1.3; editcap has put the secrets into the file.",
        strongswan, CURL, SUCCESS, "TLSv1.3", "embedded",
    ),
    "tls13-unreadable": Scenario(
        "certmonger enrolls over TLS 1.3 and leaves no key log; nothing undoes the TLS.",
        certmonger, ("nginx", "certmonger", "libcurl4", "scep"), [], "TLSv1.3", "nothing",
    ),
    "tls12-rsa-scepclient": Scenario(
        "scepclient enrolls over TLS 1.2 without forward secrecy (AES128-SHA). Readable with the server's RSA key.",
        scepclient, ("nginx", "scep"), SUCCESS, "TLSv1.2", "key", "ssl_ciphers AES128-SHA;",
    ),
    "tls13-unknown-ca": Scenario(
        "strongSwan does not know the CA of nginx's certificate: the handshake ends with an alert, and no SCEP is said.",
        strongswan, CURL, [], "TLSv1.3", "keylog", trusted=False,
    ),
}  # fmt: skip


def certificates(folder: Path) -> None:
    """A CA, and nginx's certificate."""
    (folder / "san").write_text(f"subjectAltName=DNS:{HOST}\n")
    for command in (
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout tls-ca.key -out tls-ca.pem -days 3650 -subj /O=lab/CN=TLS-CA",
        f"openssl req -newkey rsa:2048 -nodes -keyout tls.key -out tls.csr -subj /CN={HOST}",
        "openssl x509 -req -in tls.csr -CA tls-ca.pem -CAkey tls-ca.key -CAcreateserial -days 700 -extfile san -out tls.pem",
    ):
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)


@contextmanager
def client_etc(folder: Path, trusted: bool) -> Iterator[None]:
    """What `ip netns exec` lays over the client's /etc: a name for the server, and the CA among those that libcurl trusts."""
    etc = Path("/etc/netns") / lab.CLIENT
    shutil.copytree("/etc/ssl", etc / "ssl", symlinks=True)
    bundle = etc / "ssl" / "certs" / "ca-certificates.crt"
    known = bundle.read_text()
    bundle.unlink()
    bundle.write_text(known + ((folder / "tls-ca.pem").read_text() if trusted else ""))
    (etc / "hosts").write_text(f"127.0.0.1 localhost\n{lab.SERVER_ADDRESS} {HOST}\n")
    try:
        yield
    finally:
        shutil.rmtree(etc)


@contextmanager
def nginx(folder: Path, scenario: Scenario) -> Iterator[None]:
    config = folder / "nginx.conf"
    config.write_text(
        NGINX.format(
            folder=folder,
            address=lab.SERVER_ADDRESS,
            port=PORT,
            host=HOST,
            protocol=scenario.protocol,
            more=scenario.more,
            http2=" http2" if scenario.http2 else "",
        )
    )
    command = ["ip", "netns", "exec", lab.SERVER, "nginx", "-c", str(config), "-g", "daemon off; user root;"]
    process = subprocess.Popen(command)
    time.sleep(0.5)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def record(name: str, scenario: Scenario) -> None:
    folder = Path(tempfile.mkdtemp(prefix="scep-lab-"))
    try:
        box = lab.Lab(folder)
        certificates(folder)
        recorded = folder / "capture.pcap"
        with lab.network(), client_etc(folder, scenario.trusted), nginx(folder, scenario):
            box.start_server()
            with lab.tcpdump(recorded):
                client_log = scenario.act(box)
            box.stop_server()
        facts, reading = keep(name, scenario, folder, recorded)
        facts |= {
            "client_log": client_log,
            "server_log": re.sub(r"ts=\S+ ", "", box.server_log.read_text("utf-8", "replace")),
        }
        capture = OUTPUT / facts["capture"]
        told = (oracle.http2_exchanges if scenario.http2 else oracle.exchanges)(capture, reading)
        sidecar.write(capture, facts, told, scenario.transactions)
        print(f"{capture.name}: recorded")
    finally:
        shutil.rmtree(folder)


def keep(name: str, scenario: Scenario, folder: Path, recorded: Path) -> tuple[dict[str, Any], oracle.Reading]:
    """Copy the capture and what opens it; gives the sidecar's facts, and how the oracle is to read it."""
    capture = OUTPUT / f"{name}.{'pcapng' if scenario.opened_by == 'embedded' else 'pcap'}"
    facts: dict[str, Any] = {
        "story": scenario.story,
        "source": "recorded by captures/lab/https.py: " + ", ".join(map(lab.version_of, scenario.packages)),
        "oracles": f"{lab.version_of('tshark')}; {lab.version_of('openssl')}; the logs of client and server below",
        "licence": "same as the project",
        "capture": capture.name,
    }
    keylog = folder / "keylog"
    if scenario.opened_by == "embedded":
        subprocess.run(["editcap", "--inject-secrets", f"tls,{keylog}", str(recorded), str(capture)], check=True)
        return facts, oracle.decrypted()
    shutil.copyfile(recorded, capture)
    if scenario.opened_by == "nothing":
        return facts, oracle.decrypted()
    beside = OUTPUT / f"{name}.{scenario.opened_by}"
    facts[scenario.opened_by] = beside.name
    if scenario.opened_by == "keylog":
        shutil.copyfile(keylog, beside)
        return facts, oracle.decrypted("-o", f"tls.keylog_file:{beside}")
    shutil.copyfile(folder / "tls.key", beside)
    return facts, oracle.decrypted("-o", f'uat:rsa_keys:"{beside}",""')


def main() -> None:
    if os.geteuid() != 0:
        raise SystemExit("the lab makes network namespaces and captures packets: run it as root")
    OUTPUT.mkdir(exist_ok=True)
    for name in sys.argv[1:] or SCENARIOS:
        record(name, SCENARIOS[name])


if __name__ == "__main__":
    main()
