"""The TLS leg, from the handshake in the clear: why a client does not get through to HTTP (RFC 5246, RFC 8446)."""

from collections.abc import Iterator
from datetime import timedelta
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from scep_analyzer.cms.certificates import read_certificate
from scep_analyzer.model.anomalies import DecodeError
from scep_analyzer.model.certificates import Certificate
from scep_analyzer.model.findings import Evidence, Fact, Severity
from scep_analyzer.model.scep import Kind
from scep_analyzer.model.tls import Handshake
from scep_analyzer.rules._rule import ERROR, INFERRED, INFO, POSSIBLE, WARNING, Found, rule
from scep_analyzer.rules._views import CaptureView, View, moment
from scep_analyzer.rules._words import count, day, long, shown

_ALERTS = {
    0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 22: "record_overflow", 40: "handshake_failure", 41: "no_certificate",
    42: "bad_certificate", 43: "unsupported_certificate", 44: "certificate_revoked", 45: "certificate_expired", 46: "certificate_unknown",
    47: "illegal_parameter", 48: "unknown_ca", 49: "access_denied", 50: "decode_error", 51: "decrypt_error", 70: "protocol_version",
    71: "insufficient_security", 80: "internal_error", 86: "inappropriate_fallback", 90: "user_canceled", 100: "no_renegotiation",
    110: "unsupported_extension", 112: "unrecognized_name", 116: "certificate_required", 120: "no_application_protocol",
}  # fmt: skip
_MEANINGS = {
    40: "Client and server have no TLS version or cipher suite in common, or the server requires a client certificate (RFC 5246, Section 7.4.6).",
    42: "The client does not accept the server's certificate.",
    45: "The server's certificate has expired, or the client's clock is wrong.",
    46: "The client does not accept the server's certificate.",
    48: "The client does not know the CA that issued the server's certificate.",
    70: "Client and server have no TLS version in common.",
    112: "The server has no site with the name that the client asks for (SNI).",
    116: "The server requires a client certificate, and the client sent none.",
}
_INSTALL_CA = "On the client, install the CA certificate that issued the server's TLS certificate."
_COMMON = (
    "On the server, enable TLS 1.2 and a cipher suite that the client offers. Do not go below TLS 1.2: if the client cannot use it, "
    "give the client an http URL. SCEP messages are encrypted and signed themselves."
)
_NO_CLIENT_CERTIFICATE = (
    "On the web server, do not ask for client certificates on the SCEP path: a device that enrolls has none yet."
)
_ACTIONS = {
    40: (_COMMON, _NO_CLIENT_CERTIFICATE),
    42: (_INSTALL_CA,),
    45: ("On the web server, renew the TLS certificate and bind the new one to the site; check the client's clock.",),
    46: (_INSTALL_CA,),
    48: (_INSTALL_CA,),
    70: (_COMMON,),
    112: ("On the web server, add a site or binding for the name that the client asks for.",),
    116: (_NO_CLIENT_CERTIFICATE,),
}
"""What to do about an alert, by its number."""
_OLD_CIPHERS = frozenset(
    {
        0x0004,
        0x0005,
        0x000A,
        0x0009,
        0x0003,
        0x0006,
        0x0008,
        0x0014,
        0x0016,
        0x0013,
        0xC007,
        0xC008,
        0xC011,
        0xC012,
        0x0001,
        0x0002,
        0x0000,
    }
)
"""Suites with RC4, DES, 3DES, export ciphers or none."""
_SIGNALS = frozenset({0x00FF, 0x5600})
_VERSIONS = {0x0300: "SSL 3.0", 0x0301: "TLS 1.0", 0x0302: "TLS 1.1", 0x0303: "TLS 1.2", 0x0304: "TLS 1.3"}
_APPLE_DAYS = 825
_TLS_SECRETS = 0x544C534B
"""The type of TLS secrets in a pcapng file: "TLSK"."""


@lru_cache(maxsize=256)
def _read(encoded: bytes) -> Certificate | None:
    try:
        return read_certificate(encoded)
    except DecodeError:
        return None


def _leaf(handshake: Handshake) -> Certificate | None:
    return _read(handshake.certificates[0]) if handshake.certificates else None


def _name(handshake: Handshake) -> str:
    return f"{handshake.name} ({handshake.server})" if handshake.name else str(handshake.server)


def _each_server(view: CaptureView) -> Iterator[Handshake]:
    """One handshake for each server certificate."""
    seen: set[object] = set()
    for each in view.scene.handshakes:
        key = each.server, each.certificates[:1], each.name
        if key not in seen:
            seen.add(key)
            yield each


@rule.capture(ERROR, "RFC 8446, Section 6.2", "RFC 5246, Section 7.2.2")
def tls_handshake_alert(view: CaptureView) -> Found:
    """The TLS handshake fails.

    Seen: A fatal alert comes before any data. Or the client receives the server's certificate and closes the connection without an alert, several
        times, or with a certificate that Apple devices reject.
    Why: One side rejects what the other side offers; the name of the alert says what.
    Do: Correct what the alert names. For unknown_ca, bad_certificate and certificate_unknown, install the CA of the server's certificate on the client; for
        handshake_failure and protocol_version, enable TLS 1.2 on both sides; for unrecognized_name, add a site with this name on the server.
    Do (windows-mdm): Keep TLS 1.2 enabled on the server: the Windows client does not use TLS 1.3.
    Do (scepman): In the App Service, set the minimum inbound TLS version to 1.2, not to 1.3.
    Not: This is not a SCEP refusal: the client did not send a request.
    """
    for each in view.scene.handshakes:
        for alert in each.alerts:
            if alert.fatal and not each.application_data:
                name = _ALERTS.get(alert.code, f"alert {alert.code}")
                side = "client" if alert.by_client else "server"
                meaning = _MEANINGS.get(alert.code)
                yield Evidence(
                    f"The {side} ends the TLS handshake with {_name(each)} by the alert {name}."
                    if side == "client"
                    else f"{_name(each)} ends the TLS handshake with {each.client.address} by the alert {name}.",
                    (
                        Fact(alert.frame, "tls.alert_message.desc", f"{name} from the {side}"),
                        Fact(each.frame, "tls.handshake", str(each.client)),
                    ),
                    title=f"The TLS handshake fails: the {side} sends {name}",
                    causes=(meaning,) if meaning else (),
                    actions=_ACTIONS.get(alert.code, ()),
                    settled=alert.code in _ACTIONS,
                    **_stopped(view, each),
                )
                break
    for first, times in _walked_away(view):
        yield Evidence(
            f"The client {first.client.address} receives the TLS certificate of {_name(first)} and closes the connection without an alert"
            + (f", {times} times." if times > 1 else "."),
            (
                Fact(first.certificate_frame, "tls.certificate", "received"),
                Fact(first.closed_by_client, "tcp.flags", "the client's end"),
            ),
            title="The client closes the connection after it received the server's TLS certificate",
            strength=INFERRED,
            causes=(
                "The client does not accept the server's TLS certificate: its CA, its name, its validity or its form.",
            ),
            actions=(_INSTALL_CA,),
            **_stopped(view, first),
        )


def _walked_away(view: CaptureView) -> Iterator[tuple[Handshake, int]]:
    """Clients that closed after the server's certificate, without an alert and never with data; the first handshake of each, and how many.

    One alone may be a monitor that looks whether the port answers.
    """
    closed: dict[tuple[str, object], list[Handshake]] = {}
    good = {(each.client.address, each.server) for each in view.scene.handshakes if each.application_data}
    for each in view.scene.handshakes:
        place = each.client.address, each.server
        if each.certificates and each.closed_by_client is not None and not each.alerts and place not in good:
            closed.setdefault(place, []).append(each)
    for found in closed.values():
        if len(found) > 1 or any(_beyond_apple(each) for each in found):
            yield found[0], len(found)


def _stopped(view: CaptureView, handshake: Handshake) -> dict[str, Any]:
    """The transaction of this client at this server that ended after the CA's certificates, which came over HTTP."""
    found = next(
        (
            each.number
            for each in view.memory.endings
            if each.kind is Kind.CA_CERTIFICATES
            and (each.client, each.server.address) == (handshake.client.address, handshake.server.address)
            and each.started_ns <= (handshake.time_ns or 0)
        ),
        None,
    )
    return {} if found is None else {"transaction": found}


@rule.capture(ERROR, "RFC 5280, Section 4.1.2.5")
def tls_server_cert_expired(view: CaptureView) -> Found:
    """The server's TLS certificate is not valid at this time.

    Seen: The time of the packet is outside the validity period of the certificate in the handshake.
    Why: The TLS certificate was not renewed, or the web server still uses the old one.
    Else: On the web server, renew the TLS certificate and bind the new one to the site.
    Do (ndes): In IIS Manager, open the site, Bindings, https, and select the renewed certificate.
    Not: The RA certificates of SCEP are not meant: these are other certificates.
    """
    for each in _each_server(view):
        leaf, now = _leaf(each), moment(each.time_ns)
        if leaf is None or now is None or leaf.not_after is None or leaf.not_before is None:
            continue
        if leaf.not_after < now:
            yield Evidence(
                f"The TLS certificate of {_name(each)}, {shown(leaf.subject)}, expired on {day(leaf.not_after)}, {long(now - leaf.not_after)} before this capture.",
                (
                    Fact(each.certificate_frame, "tls.certificate.notAfter", day(leaf.not_after)),
                    Fact(each.frame, "frame.time", day(now)),
                ),
                title=f"The server's TLS certificate expired {long(now - leaf.not_after)} before this capture ({leaf.not_after:%Y-%m-%d})",
                severity=_accepted(each),
            )
        elif leaf.not_before > now:
            yield Evidence(
                f"The TLS certificate of {_name(each)}, {shown(leaf.subject)}, is not valid before {day(leaf.not_before)}.",
                (
                    Fact(each.certificate_frame, "tls.certificate.notBefore", day(leaf.not_before)),
                    Fact(each.frame, "frame.time", day(now)),
                ),
                title=f"The server's TLS certificate is not valid before {leaf.not_before:%Y-%m-%d}",
                severity=_accepted(each),
            )


@rule.capture(ERROR, "RFC 9525, Section 6", "learn.microsoft.com, Troubleshooting the NDES policy module")
def tls_server_name_mismatch(view: CaptureView) -> Found:
    """The server's TLS certificate is for another name.

    Seen: The name or address that the client asks for is not in the certificate's subjectAltName.
    Why: The certificate has the internal name and the client uses the external name, or the reverse.
    Do: On the web server, install a TLS certificate with both the internal and the external name in subjectAltName; or correct the name in the
        enrollment URL on the client.
    Not: The issuer of the certificate is not the cause.
    """
    for each in _each_server(view):
        leaf = _leaf(each)
        if leaf is None:
            continue
        wanted = each.name or each.server.address
        names = [one.partition(":")[2].lower() for one in leaf.subject_alt_names if one.startswith(("DNS:", "IP:"))]
        if not names:
            names = [part[3:].lower() for part in leaf.subject.split(",") if part.startswith("CN=")]
        if not any(_fits(wanted.lower(), one) for one in names):
            if each.name is None and not _is_address(wanted):
                continue
            by_address = each.name is None
            yield Evidence(
                f"The client asks for {shown(wanted)}, but the TLS certificate of {each.server} is for {shown(', '.join(names) or leaf.subject)}.",
                (
                    Fact(each.frame, "tls.handshake.extensions_server_name", wanted),
                    Fact(each.certificate_frame, "subjectAltName", ", ".join(names) or "none"),
                ),
                severity=WARNING if by_address else _accepted(each),
                strength=POSSIBLE if by_address else None,
            )


def _accepted(handshake: Handshake) -> Severity | None:
    """A client that goes on with the certificate has accepted it: its fault is then no reason for a failure."""
    return Severity.WARNING if handshake.application_data else None


def _fits(wanted: str, name: str) -> bool:
    return wanted == name or (name.startswith("*.") and wanted.partition(".")[2] == name[2:])


def _is_address(value: str) -> bool:
    try:
        ip_address(value)
    except ValueError:
        return False
    return True


@rule.capture(WARNING, "RFC 8996")
def tls_too_old_client(view: CaptureView) -> Found:
    """The client supports only outdated TLS.

    Seen: The highest version that the client offers is TLS 1.1 or older, or it offers only RC4, DES and 3DES.
    Why: The client has old firmware, as routers, printers and cameras often have.
    Do: On the client, update the firmware; or give it an http URL, since SCEP messages are encrypted and signed themselves. Over HTTP an observer
        still sees who enrolls.
    Not: The server's certificate is not the cause.
    """
    seen: set[object] = set()
    for each in view.scene.handshakes:
        ciphers = set(each.ciphers) - _SIGNALS
        old = each.offered and each.offered < 0x0303
        weak = bool(ciphers) and ciphers <= _OLD_CIPHERS
        if (old or weak) and (each.client.address, each.server) not in seen:
            seen.add((each.client.address, each.server))
            what = (
                f"offers at most {_VERSIONS.get(each.offered, hex(each.offered))}"
                if old
                else "offers only RC4, DES and 3DES"
            )
            yield Evidence(
                f"{each.client.address} {what} in its TLS handshake with {_name(each)}.",
                (Fact(each.frame, "tls.handshake.version", _VERSIONS.get(each.offered, hex(each.offered))),),
            )


@rule.capture(WARNING, "learn.microsoft.com, HTTP status codes in IIS (403.7)")
def tls_client_cert_requested(view: CaptureView) -> Found:
    """The server asks for a TLS client certificate.

    Seen: The SCEP host sends a CertificateRequest in the TLS handshake.
    Why: The web server is configured to accept or to require client certificates.
    Matters: A device that enrolls for the first time has no certificate. Some clients then stop.
    Else: On the web server, do not ask for client certificates on the SCEP path. The challenge password then is the only proof that a device may
        enroll.
    Do (ndes): In IIS Manager, open the application CertSrv/mscep, SSL Settings, and set Client certificates to Ignore. The
        challenge password then decides who may enroll. Leave CertificateRegistrationSvc as it is: it needs client certificates.
    Not: This is harmless if the server continues without a certificate.
    """
    seen: set[object] = set()
    for each in view.scene.handshakes:
        if each.certificate_requested is not None and each.server not in seen:
            seen.add(each.server)
            sent = {True: "; the client sends one", False: "; the client sends none", None: ""}[each.client_certificate]
            yield Evidence(
                f"{_name(each)} asks for a TLS client certificate{sent}.",
                (Fact(each.certificate_requested, "tls.handshake.type", "CertificateRequest"),),
            )


@rule.capture(WARNING, "RFC 8446, Appendix E.1", strength=POSSIBLE)
def tls_inspection_suspected(view: CaptureView) -> Found:
    """One server name shows certificates of different issuers.

    Seen: The certificates of two handshakes for one name come from different issuers.
    Why: A proxy decrypts TLS and signs with its own CA, for some clients or for some time.
    Do: On the proxy, exempt the SCEP host from TLS inspection.
    Not: This is no proof: two servers of one name may have certificates of two CAs.
    """
    issuers: dict[str, dict[str, Handshake]] = {}
    for each in view.scene.handshakes:
        leaf = _leaf(each)
        if each.name and leaf is not None:
            issuers.setdefault(each.name.lower(), {}).setdefault(leaf.issuer, each)
    for name, found in issuers.items():
        if len(found) > 1:
            yield Evidence(
                f"{name} shows TLS certificates of the issuers {' and '.join(map(shown, list(found)[:3]))}.",
                tuple(
                    Fact(each.certificate_frame, "tls.certificate.issuer", issuer)
                    for issuer, each in list(found.items())[:3]
                ),
            )


@rule.capture(ERROR, "RFC 8446, Section 5.1")
def tls_on_http_port(view: CaptureView) -> Found:
    """The client speaks TLS to a port that speaks HTTP.

    Seen: A ClientHello gets an HTTP response.
    Why: The enrollment URL says https, but its port is the port of http.
    Do: On the client, change the enrollment URL to http, or enter the port of https.
    Not: A certificate is not the cause.
    """
    for each in view.scene.handshakes:
        if each.http is not None:
            yield Evidence(
                f"{each.client.address} sends a TLS ClientHello to {each.server}, which responds in HTTP.",
                (Fact(each.frame, "tls.handshake.type", "ClientHello"), Fact(each.http, "http", "HTTP/1.1")),
            )


_TLS_WANTED = ("https port", "https server", "ssl-enabled server port", "https scheme", "host and port requires tls")
"""How nginx, Go, Apache httpd and Tomcat say that their port speaks TLS."""


@rule.exchange(ERROR, "RFC 8446, Section 6.2")
def http_on_tls_port(view: View) -> Found:
    """The client speaks HTTP to a port that speaks TLS.

    Seen: A plain request gets a TLS alert, or 400 "plain HTTP request was sent to HTTPS port".
    Why: The enrollment URL says http, but its port is the port of https.
    Do: On the client, change the enrollment URL to https, or enter the port of http.
    Not: The path is not the cause.
    """
    facts, text = view.facts, (view.exchange.body_text or "").lower()
    if view.asked is None:
        return
    if view.answer is None and facts is not None and facts.server.start[:2] == b"\x15\x03":
        yield Evidence(
            f"{view.http.server} returns a TLS alert for {view.operation or 'a request'} over HTTP.",
            (view.q("http", "a plain request"), Fact(facts.server.start_frame, "tls.alert", "the answer")),
        )
    elif view.status == 400 and any(each in text for each in _TLS_WANTED):
        yield Evidence(
            f"{view.http.server} returns HTTP 400 for {view.operation or 'a request'} over HTTP: {shown(text, 80)}.",
            (view.q("http", "a plain request"), view.a("http.response.code", "400")),
        )


@rule.capture(INFO, "support.apple.com/103769", strength=INFERRED)
def tls_server_cert_apple_limits(view: CaptureView) -> Found:
    """The server's TLS certificate exceeds Apple's limits.

    Seen: The certificate is valid for more than 825 days, is signed with SHA-1, has an RSA key under 2048 bits, no subjectAltName or no extended key
        usage serverAuth; and the client closes the connection after the handshake.
    Why: Apple devices reject such certificates.
    Do: On the web server, install a TLS certificate within these limits: 825 days, SHA-256, RSA 2048, subjectAltName, extended key usage serverAuth.
    Not: Other clients may accept this certificate.
    """
    for each in _each_server(view):
        what = _beyond_apple(each)
        if not what or each.application_data or each.closed_by_client is None:
            continue
        # An alert that names another reason is not about these limits.
        fits = all(alert.code in _ABOUT_THE_CERTIFICATE for alert in each.alerts if alert.fatal)
        yield Evidence(
            f"The TLS certificate of {_name(each)} exceeds Apple's limits ({', '.join(what)}); the client closes the connection after the handshake.",
            (
                Fact(each.certificate_frame, "tls.certificate", ", ".join(what)),
                Fact(each.closed_by_client, "tcp.flags", "the client's end"),
            ),
            severity=WARNING if fits else None,
        )


_ABOUT_THE_CERTIFICATE = frozenset({42, 46})
"""bad_certificate, certificate_unknown."""


def _beyond_apple(handshake: Handshake) -> list[str]:
    """Where the server's certificate exceeds Apple's limits."""
    leaf = _leaf(handshake)
    if leaf is None or leaf.not_after is None or leaf.not_before is None:
        return []
    lasts = leaf.not_after - leaf.not_before
    bits = leaf.public_key.bits if leaf.public_key is not None else None
    rsa = leaf.public_key is not None and leaf.public_key.algorithm.startswith("rsa")
    limits = (
        (f"valid for {lasts.days} days", lasts > timedelta(days=_APPLE_DAYS)),
        ("signed with SHA-1", "sha1" in (leaf.signature_algorithm or "").lower()),
        (f"an RSA key of {bits} bits", rsa and bits is not None and bits < 2048),
        ("no subjectAltName", not leaf.subject_alt_names),
        ("no extended key usage serverAuth", "serverAuth" not in (leaf.extended_key_usage or ())),
    )
    return [text for text, found in limits if found]


@rule.capture(INFO, "RFC 8894, Section 7.10", "NSS Key Log Format")
def capture_tls_opaque(view: CaptureView) -> Found:
    """Connections are encrypted with TLS, and SCEP inside them cannot be read.

    Seen: The capture has TLS connections that are not decrypted, to a host with no other SCEP, or with only a part of it.
    Why: The enrollment URL begins with https, or an application proxy is in front of the server.
    Do: Capture again while the client writes its TLS keys (`SSLKEYLOGFILE=FILE` for curl, strongSwan, browsers, mitmproxy), then use `--keylog FILE`. Other
        ways are in docs/how-to/https.md.
    Do: Or capture behind the proxy, where HTTP is plain. For a test, an http URL on the client is enough: SCEP messages are encrypted and signed
        themselves.
    Not: This is not a fault.
    """
    addresses = {each.address for each in view.memory.servers}
    opaque = [each for each in view.scene.handshakes if not each.decrypted and each.http is None]
    servers: dict[str, list[Handshake]] = {}
    for each in opaque:
        if (not view.exchanges or each.server.address in addresses) and not any(alert.fatal for alert in each.alerts):
            servers.setdefault(_name(each), []).append(each)
    for name, theirs in servers.items():
        yield Evidence(
            _opaque(name, theirs),
            tuple(Fact(each.frame, "tls.handshake", f"{each.client} to {each.server}") for each in theirs[:4]),
        )
    if not opaque and not view.exchanges:
        for anomaly in view.anomalies("tls-not-decrypted"):
            yield Evidence(f"{anomaly.detail}.", tuple(Fact(frame, "tls", "a handshake") for frame in anomaly.frames))


def _opaque(name: str, handshakes: list[Handshake]) -> str:
    """What is visible of connections to one server that are not decrypted."""
    one, flowed = len(handshakes) == 1, sum(each.application_data for each in handshakes)
    data = ("data flows" if flowed else "no data flows") if one else f"data flows in {flowed}"
    shaken = _shaken(handshakes)
    known = f"{shaken}," if shaken else ""
    return (
        f"{count(len(handshakes), 'TLS connection')} to {name}{known} {'is' if one else 'are'} not decrypted; {data}. "
        "Use --keylog to read the contents."
    )


def _shaken(handshakes: list[Handshake]) -> str:
    """The versions, and the certificate where it is in the clear."""
    versions = sorted({each.version for each in handshakes if each.version is not None})
    text = "".join(f", {_VERSIONS.get(each, hex(each))}" for each in versions)
    leaf = next((leaf for each in handshakes if (leaf := _leaf(each)) is not None), None)
    return (
        text
        if leaf is None
        else f"{text}, certificate {leaf.subject}, {'self-signed' if leaf.subject == leaf.issuer else f'issued by {leaf.issuer}'}, valid until {day(leaf.not_after)}"
    )


@rule.capture(WARNING, "NSS Key Log Format", "wireshark.org, wiki TLS, Using the (Pre)-Master-Secret")
def capture_tls_keys_do_not_fit(view: CaptureView) -> Found:
    """The TLS keys belong to other connections.

    Seen: The key log, given or in the capture file, has no line for the client random of a TLS connection in the capture.
    Why: The key log is from another session, or logging began after the handshake.
    Do: On the client, switch on SSLKEYLOGFILE before it connects, and capture the same session.
    Not: The capture is not damaged.
    """
    secrets = [each.content for facts in view.scene.captures for each in facts.secrets if each.kind == _TLS_SECRETS]
    secrets += [view.scene.keylog] if view.scene.keylog is not None else []
    shaken = [each for each in view.scene.handshakes if each.http is None]
    if not secrets or not shaken:
        return
    known = {
        words[1].lower()
        for each in secrets
        for line in each.decode("latin-1").splitlines()
        if len(words := line.split()) > 2
    }
    strangers = [each for each in shaken if each.client_random not in known and not each.decrypted]
    if strangers:
        first = strangers[0]
        yield Evidence(
            f"The key log has no key for {len(strangers)} of {count(len(shaken), 'TLS connection')}; "
            f"the first has the client random {first.client_random}.",
            tuple(Fact(each.frame, "tls.handshake.random", each.client_random) for each in strangers[:4]),
        )
