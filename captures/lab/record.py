"""Records real SCEP clients and servers: two network namespaces, tcpdump between them, Debian's programs on both sides.

Run as root: `make captures`, or `.venv/bin/python captures/lab/record.py NAME …`. Needs Debian's scep, certmonger, dbus,
strongswan-pki, libstrongswan-extra-plugins, openssl, tcpdump, tshark and iproute2. Nothing leaves the two namespaces.
With `--oracles` nothing is recorded: the oracles are asked again about the captures that are there.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import oracle
import sidecar

OUTPUT = Path(__file__).parent.parent / "implementations"
CLIENT, SERVER = "scep-lab-client", "scep-lab-server"
CLIENT_ADDRESS, SERVER_ADDRESS, PORT = "192.0.2.2", "192.0.2.1", 8080
URL = f"http://{SERVER_ADDRESS}:{PORT}/scep"
CHALLENGE = "lab-secret"


class Scenario(NamedTuple):
    """What to record. ``act`` runs the client in a folder and gives its log; ``transactions`` is what must be found."""

    story: str
    act: Callable[["Lab"], str]
    packages: tuple[str, ...]
    transactions: list[dict[str, Any]]


class Lab:
    """A SCEP server in one namespace, and a shell in the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server_log = folder / "server.log"
        self._server: subprocess.Popen[bytes] | None = None
        make_ca = [
            "scepserver",
            "ca",
            "-init",
            "-keySize",
            "2048",
            "-organization",
            "lab",
            "-organizational_unit",
            "SCEP LAB CA",
        ]
        subprocess.run(make_ca, cwd=folder, check=True, capture_output=True)
        self.ca = folder / "depot" / "ca.pem"

    def start_server(self) -> None:
        command = ["ip", "netns", "exec", SERVER, "scepserver", "-depot", "depot", "-port", str(PORT)]
        command += ["-challenge", CHALLENGE, "-allowrenew", "0", "-debug"]
        with self.server_log.open("ab") as log:
            self._server = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
        for _ in range(100):
            if b"listening" in self.server_log.read_bytes():
                return
            time.sleep(0.05)
        raise SystemExit("scepserver does not start")

    def stop_server(self) -> None:
        if self._server is not None:
            self._server.terminate()
            self._server.wait()
            self._server = None

    def client(self, *command: str) -> str:
        """Run a client to its end; gives the command, what it printed, and how it ended."""
        done = subprocess.run(
            ["ip", "netns", "exec", CLIENT, *command],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            check=False,
        )
        lines = done.stdout.decode("utf-8", "replace").splitlines()
        kept = [line for line in lines if not re.search(r"plugin '|TPM 2.0|dbus-daemon|^\s*$", line)]
        shown = " ".join(command).replace(str(self.folder), ".")
        return "\n".join([f"$ {shown}", *kept, f"exit status {done.returncode}"]) + "\n"


def scepclient(lab: Lab, challenge: str = CHALLENGE, url: str = URL, name: str = "device-01") -> str:
    files = ("-private-key", "client.key", "-certificate", "client.pem")
    return lab.client("scepclient", "-server-url", url, "-challenge", challenge, "-cn", name, *files, "-debug")


def certmonger(lab: Lab) -> str:
    """Certmonger's daemon on a session bus; its helper scep-submit talks to the server."""
    script = lab.folder / "certmonger.sh"
    script.write_text(
        f"""export HOME={lab.folder}
/usr/lib/certmonger/certmonger-session -n >certmonger.log 2>&1 &
sleep 1
getcert add-scep-ca -s -c lab -u {URL} -R {lab.ca}
sleep 2
getcert request -s -c lab -f $HOME/cm.crt -k $HOME/cm.key -N CN=device-02,O=lab -L {CHALLENGE} -w
getcert list -s | grep -E 'status|ca-error'
kill %1
"""
    )
    return lab.client("dbus-run-session", "--", "bash", str(script))


def strongswan(lab: Lab, *more: str, encrypt_for: Path | None = None) -> str:
    subprocess.run(["openssl", "genrsa", "-out", "sw.key", "2048"], cwd=lab.folder, check=True, capture_output=True)
    log = lab.client("pki", "--scepca", "--url", URL, "--caout", "sw-ca.pem", "--outform", "pem")
    command = [
        "pki",
        "--scep",
        "--url",
        URL,
        "--in",
        "sw.key",
        "--dn",
        "C=US, O=lab, CN=device-03",
        "--password",
        CHALLENGE,
    ]
    command += [
        "--cacert-enc",
        str(encrypt_for or lab.ca),
        "--cacert-sig",
        str(lab.ca),
        "--cipher",
        "des3",
        "-f",
        "pem",
    ]
    return log + lab.client(*command, *more)


def wrong_recipient(lab: Lab) -> str:
    other = lab.folder / "other.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "other.key", "-out", str(other)]
    subprocess.run(
        [*command, "-days", "30", "-subj", "/O=lab/CN=Some Other CA"], cwd=lab.folder, check=True, capture_output=True
    )
    return strongswan(lab, encrypt_for=other)


def renewal(lab: Lab) -> str:
    log = scepclient(lab)
    subprocess.run(
        ["openssl", "rsa", "-in", "client.key", "-out", "old.key"], cwd=lab.folder, check=True, capture_output=True
    )
    return log + strongswan(lab, "--cert", "client.pem", "--key", "old.key")


def stopped_server(lab: Lab) -> str:
    log = lab.client("/usr/lib/certmonger/scep-submit", "-u", URL, "-c")
    lab.stop_server()
    return log + scepclient(lab)


SCENARIOS = {
    "scepclient-scepserver-post": Scenario(
        "CA certificate, capabilities, enrollment by POST: everything on one keep-alive connection.",
        scepclient,
        ("scep",),
        [{"kind": "enrollment", "outcome": "success", "exchanges": [1, 2, 3], "polls": 0}],
    ),
    "certmonger-scepserver-get": Scenario(
        "certmonger enrolls by GET although the server offers POST; the server issues a certificate, and certmonger refuses "
        "the answer because a root CA signed it: the wire shows SUCCESS, the client has no certificate.",
        certmonger,
        ("certmonger", "scep"),
        [{"kind": "enrollment", "outcome": "success", "polls": 0}],
    ),
    "strongswan-scepserver-post": Scenario(
        "strongSwan enrolls with 3DES and POST; the server issues a certificate, and strongSwan refuses the answer because its "
        "signatureAlgorithm is sha1WithRSAEncryption: the wire shows SUCCESS, the client has no certificate.",
        strongswan,
        ("strongswan-pki", "libstrongswan-extra-plugins", "scep"),
        [{"kind": "enrollment", "outcome": "success", "polls": 0}],
    ),
    "scepclient-wrong-challenge": Scenario(
        "The challenge password is wrong: CertRep FAILURE badRequest, with HTTP status 200.",
        lambda lab: scepclient(lab, challenge="not-the-secret"),
        ("scep",),
        [{"kind": "enrollment", "outcome": "failure", "exchanges": [1, 2, 3], "polls": 0}],
    ),
    "strongswan-wrong-recipient": Scenario(
        "The request is encrypted for a certificate that the server never offered; the server cannot open it and answers HTTP 500.",
        wrong_recipient,
        ("strongswan-pki", "libstrongswan-extra-plugins", "openssl", "scep"),
        [{"kind": "enrollment", "outcome": "http-error", "polls": 0}],
    ),
    "scepclient-http-404": Scenario(
        "The path of the URL is wrong: HTTP 404 to the first request, after which the client gives up.",
        lambda lab: scepclient(lab, url=URL.replace("/scep", "/certsrv")),
        ("scep",),
        [{"kind": "ca-certificates", "outcome": "http-error", "exchanges": [1], "polls": 0}],
    ),
    "strongswan-renewal": Scenario(
        "scepclient enrolls; then strongSwan renews that certificate with RenewalReq, signed with the old certificate.",
        renewal,
        ("strongswan-pki", "libstrongswan-extra-plugins", "scep"),
        [
            {"kind": "enrollment", "outcome": "success", "polls": 0},
            {"kind": "renewal", "outcome": "success", "polls": 0},
        ],
    ),
    "server-stopped": Scenario(
        "Capabilities are fetched, then the server stops; the next client's connection is refused.",
        stopped_server,
        ("certmonger", "scep"),
        [
            {"kind": "ca-certificates", "outcome": "connection-failed", "exchanges": [1], "polls": 0},
        ],
    ),
}


@contextmanager
def network() -> Iterator[None]:
    """Two namespaces joined by a cable."""
    commands = [
        f"ip netns add {CLIENT}",
        f"ip netns add {SERVER}",
        f"ip link add veth0 netns {CLIENT} type veth peer name veth0 netns {SERVER}",
        f"ip -n {CLIENT} addr add {CLIENT_ADDRESS}/24 dev veth0",
        f"ip -n {SERVER} addr add {SERVER_ADDRESS}/24 dev veth0",
        *(f"ip -n {name} link set {device} up" for name in (CLIENT, SERVER) for device in ("lo", "veth0")),
    ]
    try:
        for command in commands:
            subprocess.run(command.split(), check=True)
        time.sleep(0.5)
        yield
    finally:
        for name in (CLIENT, SERVER):
            subprocess.run(["ip", "netns", "del", name], check=False)


@contextmanager
def tcpdump(path: Path) -> Iterator[None]:
    command = [
        "ip",
        "netns",
        "exec",
        SERVER,
        "tcpdump",
        "-i",
        "veth0",
        "--immediate-mode",
        "-U",
        "-s",
        "0",
        "-w",
        str(path),
        "tcp",
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    assert process.stderr is not None
    process.stderr.readline()
    yield
    time.sleep(1.5)
    process.terminate()
    process.communicate()


def version_of(package: str) -> str:
    shown = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True, check=True
    )
    return f"{package} {shown.stdout}"


def record(name: str, scenario: Scenario) -> None:
    capture = OUTPUT / f"{name}.pcap"
    folder = Path(tempfile.mkdtemp(prefix="scep-lab-"))
    try:
        lab = Lab(folder)
        with network():
            lab.start_server()
            recorded = folder / "capture.pcap"
            with tcpdump(recorded):
                client_log = scenario.act(lab)
            lab.stop_server()
        shutil.copyfile(recorded, capture)
        facts = {
            "story": scenario.story,
            "source": "recorded by captures/lab/record.py: " + ", ".join(map(version_of, scenario.packages)),
            "oracles": f"{version_of('tshark')}; {version_of('openssl')}; the logs of client and server below",
            "licence": "same as the project",
            "client_log": client_log,
            "server_log": re.sub(r"ts=\S+ ", "", lab.server_log.read_text("utf-8", "replace")),
        }
        sidecar.write(capture, facts, oracle.exchanges(capture), scenario.transactions)
        print(f"{capture.name}: recorded")
    finally:
        shutil.rmtree(folder)


def ask_again(name: str, scenario: Scenario) -> None:
    capture = OUTPUT / f"{name}.pcap"
    facts = tomllib.loads(capture.with_suffix(".toml").read_text("utf-8"))
    facts = {key: value for key, value in facts.items() if key not in ("exchanges", "transactions")}
    sidecar.write(capture, facts, oracle.exchanges(capture), scenario.transactions)


def main() -> None:
    if sys.argv[1:] == ["--oracles"]:
        for name, scenario in SCENARIOS.items():
            ask_again(name, scenario)
        return
    if os.geteuid() != 0:
        raise SystemExit("the lab makes network namespaces and captures packets: run it as root")
    OUTPUT.mkdir(exist_ok=True)
    for name in sys.argv[1:] or SCENARIOS:
        record(name, SCENARIOS[name])


if __name__ == "__main__":
    main()
