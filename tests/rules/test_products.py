"""Products are recognised by the marks that their source and manuals give them, on each leg, with the reason.

The captures' products are known because the lab ran them or their story names them (the sidecars, captures/README.md).
"""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from scep_analyzer.analysis import Analysis
from scep_analyzer.model.exchanges import Body, HttpExchange, Request, Response
from scep_analyzer.model.findings import Strength
from scep_analyzer.model.packets import Endpoint
from scep_analyzer.model.scep import Bystander, CaCapabilities, ResponseContent, ScepExchange
from scep_analyzer.rules.product_marks import AGENTS, FRONT_TEXTS, HOSTS, PATHS, RA_NAMES, TEXTS
from scep_analyzer.rules.products import NOTHING, Product, Products, Recognised, stem_of, together
from tests.conftest import ROOT

CLIENT, SERVER = Endpoint("192.0.2.10", 50000), Endpoint("192.0.2.1", 80)
NDES_PATH = "/certsrv/mscep/mscep.dll/pkiclient.exe"


@dataclass
class Said:
    """An exchange, as far as marks are in it."""

    path: str = "/scep"
    host: str = "ca.example"
    agent: str | None = None
    status: int = 200
    reason: str = "OK"
    headers: dict[str, str] = field(default_factory=dict)
    body_text: str | None = None
    content: ResponseContent | None = None
    server: Endpoint = SERVER
    operation: str = "GetCACaps"

    def exchange(self) -> ScepExchange:
        nothing = Body(None, 0, True)
        asked = [("Host", self.host)] + ([("User-Agent", self.agent)] if self.agent else [])
        request = Request(
            method="GET",
            target=f"{self.path}?operation={self.operation}",
            version="HTTP/1.1",
            headers=tuple(asked),
            body=nothing,
            frames=(4,),
            time_ns=0,
            complete=True,
        )
        response = Response(
            status=self.status,
            reason=self.reason,
            version="HTTP/1.1",
            headers=tuple(self.headers.items()),
            body=nothing,
            frames=(6,),
            time_ns=0,
            complete=True,
        )
        http = HttpExchange(connection=0, client=CLIENT, server=self.server, request=request, response=response)
        return ScepExchange(
            http=http,
            operation=self.operation,
            operation_as_sent=self.operation,
            message_parameter=None,
            request=None,
            response=self.content,
            body_text=self.body_text,
        )


def recognised(*said: Said) -> Recognised:
    products = Products()
    for each in said:
        products.see(each.exchange())
    return products.on(said[-1].exchange())


def key(product: Product | None) -> str | None:
    return product.key if product is not None else None


@pytest.mark.parametrize(
    ("path", "product"),
    [
        ("/ejbca/publicweb/apply/scep/wifi/pkiclient.exe", "ejbca"),
        ("/TrafficGateway/PassThroughRoutingService/CloudPki/CloudPkiService/Scep/a/b", "ms-cloud-pki"),
        ("/ca/cgi-bin/pkiclient.exe", "dogtag"),
        ("/api/v1/protocols/scep/wifi/pkiclient.exe", "otilm"),
        ("/app/cert/scep/", "fortiauthenticator"),
        ("/vedscep/", "venafi"),
        ("/CA/SCEP", "jamf"),
        ("/mdm/scep/proxy/1,2,NDES", "fleet"),
        ("/api/v1/scep/wifi/pkiclient.exe", "packetfence"),
    ],
)
def test_a_path_that_only_one_product_has_decides(path: str, product: str) -> None:
    found = recognised(Said(path=path)).server
    assert found is not None
    assert (found.key, found.strength) == (product, Strength.PROVED)
    assert found.because
    assert found.because[0].startswith("path ")


def test_two_likely_marks_of_different_kinds_decide_and_one_is_a_hint() -> None:
    alone = recognised(Said(path=NDES_PATH)).server
    both = recognised(Said(path=NDES_PATH, headers={"Server": "Microsoft-IIS/10.0"})).server
    assert alone is not None
    assert (alone.key, alone.strength) == ("ndes", Strength.POSSIBLE)
    assert both is not None
    assert (both.key, both.version, both.strength) == ("ndes", "10.0", Strength.INFERRED)
    assert both.words == "NDES on IIS 10.0"


def test_hints_alone_decide_nothing_and_order_what_is_likely() -> None:
    caps = CaCapabilities(("POSTPKIOperation", "Renewal", "SHA-512", "SHA-256", "SHA-1", "DES3"), "lf")
    found = recognised(Said(path="/enroll", content=caps))
    assert found.server is None
    assert set(found.likely) == {"ejbca", "ndes"}  # their words are the same


@pytest.mark.parametrize(("line_end", "product"), [("crlf", "step-ca"), ("lf", "micromdm")])
def test_the_same_words_with_other_line_ends_are_another_product(line_end: str, product: str) -> None:
    words = ("Renewal", "SHA-1", "SHA-256", "AES", "DES3", "SCEPStandard", "POSTPKIOperation")
    found = recognised(Said(path="/enroll", content=CaCapabilities(words, line_end))).server
    assert key(found) == product


def test_a_front_says_nothing_about_the_software_behind_it() -> None:
    found = recognised(Said(path=NDES_PATH, host="scep-corp.msappproxy.net", headers={"Server": "Microsoft-IIS/10.0"}))
    assert key(found.server) == "ndes"
    assert key(found.front) == "entra-app-proxy"
    assert found.words == "NDES on IIS 10.0, behind Entra application proxy"
    nginx = recognised(Said(path="/enroll", status=404, headers={"Server": "nginx/1.18.0"}))
    assert nginx.server is None
    assert key(nginx.front) == "nginx"


def test_scepman_at_the_path_of_ndes_is_not_taken_for_ndes() -> None:
    found = recognised(Said(path=NDES_PATH, host="scepman.azurewebsites.net"))
    assert key(found.server) == "scepman"
    assert key(found.front) == "azure-app-service"


def test_marks_count_for_their_server_and_path_only() -> None:
    other = Endpoint("192.0.2.2", 8080)
    ejbca = Said(path="/ejbca/publicweb/apply/scep/a/pkiclient.exe", server=other)
    products = Products()
    for each in (ejbca, Said(path="/enroll")):
        products.see(each.exchange())
    assert key(products.on(ejbca.exchange()).server) == "ejbca"
    assert products.on(Said(path="/enroll").exchange()).server is None
    assert stem_of("/CertSrv/mscep/mscep.dll") == stem_of("/certsrv/mscep_admin/") == "/certsrv"


def test_the_administration_page_proves_ndes() -> None:
    products = Products()
    products.beside(Bystander("admin", Said(path="/certsrv/mscep_admin/").exchange().http))
    found = products.on(Said(path="/certsrv/mscep/mscep.dll").exchange()).server
    assert found is not None
    assert found.strength is Strength.PROVED


def test_a_secret_in_the_path_is_not_repeated_as_a_mark() -> None:
    found = recognised(Said(path="/mdm/scep/proxy/host,profile,ca,s3cr3t-one-time")).server
    assert found is not None
    assert not any("s3cr3t" in each for each in found.because)


def test_legs_are_taken_together_the_clients_first() -> None:
    outer = recognised(Said(path="/enroll", agent="profiled/1.0 CFNetwork/901.1", headers={"Via": "1.1 edge"}))
    inner = recognised(Said(path="/ejbca/publicweb/apply/scep/a/pkiclient.exe", agent="Go-http-client/1.1"))
    whole = together([outer, inner])
    assert (key(whole.server), key(whole.front), key(whole.client)) == ("ejbca", "proxy", "apple")
    assert together([]) == NOTHING


@pytest.mark.parametrize(
    ("agent", "product"),
    [
        ("Mozilla/4.0 (compatible; MSIE 5.0; Cisco PKI)", "ios-client"),
        ("Mozilla/4.0 (compatible; Win32; NDES client 10.0.19041.1/vb_release)", "windows-mdm"),
        ("mdmclient/960 CFNetwork/811.9 Darwin/16.7.0 (x86_64)", "apple"),
        ("Dalvik/2.1.0 (Linux; U; Android 13)", "intune-android"),
        ("NDES_Plugin", "ndes-policy-module"),
    ],
)
def test_a_client_is_recognised_by_its_user_agent(agent: str, product: str) -> None:
    assert key(recognised(Said(agent=agent)).client) == product


def test_every_row_names_a_product_that_there_is() -> None:
    from scep_analyzer.model.products import PRODUCTS
    from scep_analyzer.rules import product_marks as marks

    tables = (
        PATHS, HOSTS, TEXTS, RA_NAMES, FRONT_TEXTS, AGENTS, marks.FRONT_HOSTS, marks.SIGNERS, marks.TRANSACTION_IDS,
        *marks.HEADERS.values(), *marks.FRONT_HEADERS.values(),
    )  # fmt: skip
    named = {row[0] for table in tables for row in table.rows}
    named |= {product for rows in marks.CAPABILITIES.values() for product, _ in rows}
    assert named <= set(PRODUCTS)


KNOWN = {
    # what the lab ran (captures/lab), and what the stories of the scenarios name
    "implementations/certmonger-scepserver-get.pcap": ("micromdm", "certmonger"),
    "implementations/scepclient-scepserver-post.pcap": ("micromdm", "micromdm-client"),
    "implementations/strongswan-scepserver-post.pcap": ("micromdm", "strongswan"),
    "scenarios/ndes-get-enrollment.pcap": ("ndes", "ios-client"),
    "scenarios/ndes-refused-template.pcap": ("ndes", "ios-client"),
}


@pytest.mark.parametrize("name", KNOWN)
def test_captures_of_known_products(name: str) -> None:
    report = Analysis([str(Path(ROOT / "captures" / name))]).report()
    assert len(report.products) == len(report.transactions)
    server, client = KNOWN[name]
    assert {key(each.server) for each in report.products} == {server}
    assert client in {key(each.client) for each in report.products}
