"""The TLS leg, in the clear part of its handshake."""

import datetime as dt

import der
from registry import fault
from tls_wire import (
    alert,
    application_data,
    certificate_request,
    certificates,
    client_hello,
    finished,
    hello_done,
    server_hello,
)
from wires import Tcp
from world import CLIENT, HOST, START, YEAR_AGO, Story, page

TLS_CA, WEB = "CN=Corp Web CA", "CN=ndes.corp.example"


def leaf(
    *names: str, start: dt.datetime = YEAR_AGO, days: float = 398, key: str = "client-2", issuer: str = TLS_CA
) -> bytes:
    return der.certificate(
        WEB,
        key,
        issuer,
        "other-ca",
        0x99,
        start,
        days,
        *((der.alt_names(*names),) if names else ()),
        der.extended_key_usage("serverAuth"),
    )


GOOD = leaf("DNS:" + HOST)


def begin(
    story: Story,
    *server: bytes,
    host: str = HOST,
    versions: tuple[int, ...] = (0x0303,),
    suites: tuple[int, ...] = (0xC02F, 0x009C),
    port: int = 443,
    client: str = CLIENT,
) -> Tcp:
    tcp = story.wire.connect(client, story.server, port)
    tcp.send("C", client_hello(host, versions=versions, suites=suites))
    for each in server:
        tcp.send("S", each)
    return tcp


def whole(story: Story, certificate: bytes, **options: object) -> None:
    """A handshake that goes well, and data."""
    tcp = begin(story, server_hello() + certificates(certificate) + hello_done(), **options)  # type: ignore[arg-type]
    tcp.send("C", finished())
    tcp.send("S", finished())
    tcp.send("C", application_data(300))
    tcp.send("S", application_data(700))
    tcp.close("C")


@fault()
def tls_handshake_alert(story: Story, near: bool) -> None:
    """The client does not know the CA of the server's certificate: unknown_ca.
    Near: The handshake goes well and ends with close_notify."""
    if near:
        whole(story, GOOD)
        return
    tcp = begin(story, server_hello() + certificates(GOOD) + hello_done())
    tcp.send("C", alert(48))
    tcp.close("C")


def rejected(story: Story, certificate: bytes, code: int) -> None:
    """A handshake that the client ends with an alert after it has received this certificate."""
    tcp = begin(story, server_hello() + certificates(certificate) + hello_done())
    tcp.send("C", alert(code))
    tcp.close("C")


@fault(errors="tls-handshake-alert")
def tls_server_cert_expired(story: Story, near: bool) -> None:
    """The binding's certificate expired 200 days before, and the client ends the handshake: certificate_expired.
    Near: It expires tomorrow."""
    if near:
        whole(story, leaf("DNS:" + HOST, days=301))
    else:
        rejected(story, leaf("DNS:" + HOST, days=100), 45)


@fault(errors="tls-handshake-alert")
def tls_server_name_mismatch(story: Story, near: bool) -> None:
    """The certificate has the internal name, the client uses the external one and ends the handshake: certificate_unknown.
    Near: The certificate has a wildcard that covers the name."""
    if near:
        whole(story, leaf("DNS:*.corp.example"))
    else:
        rejected(story, leaf("DNS:ndes01.internal.example"), 46)


@fault()
def tls_too_old_client(story: Story, near: bool) -> None:
    """An old printer offers TLS 1.0 at most.
    Near: A client offers TLS 1.2."""
    whole(story, GOOD, versions=(0x0303,) if near else (0x0301,))


@fault()
def tls_client_cert_requested(story: Story, near: bool) -> None:
    """The site asks for a client certificate.
    Near: It does not."""
    if near:
        whole(story, GOOD)
        return
    tcp = begin(story, server_hello() + certificates(GOOD) + certificate_request() + hello_done())
    tcp.send("C", certificates() + finished())
    tcp.send("S", finished())
    tcp.send("C", application_data(200))
    tcp.send("S", application_data(200))
    tcp.close("C")


@fault()
def tls_inspection_suspected(story: Story, near: bool) -> None:
    """One client sees the server's own certificate, another one that an inspecting proxy made.
    Near: Both see the same issuer."""
    whole(story, GOOD)
    whole(
        story,
        leaf("DNS:" + HOST, days=365) if near else leaf("DNS:" + HOST, issuer="CN=Inspecting Proxy CA"),
        client="192.168.10.21",
    )


@fault()
def tls_on_http_port(story: Story, near: bool) -> None:
    """The URL says https with port 80: a ClientHello is answered in HTTP.
    Near: It goes to port 443."""
    if near:
        whole(story, GOOD)
        return
    tcp = begin(story, port=80)
    tcp.send("S", story.response(page("Bad Request"), "text/html", "400 Bad Request"))
    tcp.close("S")


@fault("self", errors="http-no-response")
def http_on_tls_port(story: Story, near: bool) -> None:
    """The URL says http with port 443: a plain request is answered with a TLS alert.
    Near: It goes to port 80."""
    story.port = 80 if near else 443
    if near:
        story.cacert()
        return
    tcp = story.connect()
    tcp.send("C", story.question("GET", story.path + "?operation=GetCACert"))
    tcp.send("S", alert(70))
    tcp.close("S")


@fault(errors="tls-handshake-alert")
def tls_server_cert_apple_limits(story: Story, near: bool) -> None:
    """The certificate is valid for five years; the client closes after the handshake.
    Near: It is valid for a year."""
    certificate = leaf("DNS:" + HOST, days=365 if near else 1825, start=START - dt.timedelta(days=30))
    tcp = begin(story, server_hello() + certificates(certificate) + hello_done())
    tcp.close("C")


def _tls(story: Story, port: int, random: bytes = bytes(range(32))) -> None:
    """A TLS 1.3 handshake, as far as it can be seen."""
    tcp = story.wire.connect(story.client, story.server, port)
    tcp.send("C", client_hello(story.host or "", random=random))
    tcp.send("S", server_hello(version=0x0304))
    tcp.send("S", application_data(900))
    tcp.send("C", application_data(120))
    tcp.send("C", application_data(700))
    tcp.send("S", application_data(1500))
    tcp.close("C")


@fault()
def capture_tls_opaque(story: Story, near: bool) -> None:
    """The client enrolls over HTTPS; nothing of it can be seen.
    Near: It enrolls over HTTP, and another host is used over HTTPS."""
    if near:
        story.lead()
        story.enroll()
        story.server = "192.168.1.80"
    _tls(story, 443)


@fault()
def capture_tls_keys_do_not_fit(story: Story, near: bool) -> None:
    """The pcapng file holds a key log, but of another session than the one in it.
    Near: The key log is that of the session."""
    random = bytes(range(32))
    _tls(story, 443, random)
    named = random if near else bytes(reversed(range(32)))
    lines = "".join(
        f"{label} {named.hex()} {'ab' * 32}\n"
        for label in ("CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_HANDSHAKE_TRAFFIC_SECRET")
    )
    story.wire.secrets = lines.encode()
