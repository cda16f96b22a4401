"""The advice of every rule, as it is chosen for every product: none speaks of a product that is not there."""

import re
from functools import cache

import pytest

from scep_analyzer.model.findings import Evidence, Strength
from scep_analyzer.model.products import CLIENTS, PRODUCTS, SERVERS
from scep_analyzer.rules import advice
from scep_analyzer.rules._rule import Rule
from scep_analyzer.rules.catalogue import RULES
from scep_analyzer.rules.products import NOTHING, Product, Recognised

SPEAKS_OF = {
    "ndes": r"\bNDES\b|\bIIS\b|mscep|CEP Encryption|Exchange Enrollment|certsrv\.msc|iisreset|W3SVC|certutil"
    r"|Application log|Event Viewer|HKLM|application pool",
    "intune": r"\bIntune\b",
    "entra-app-proxy": r"\bEntra\b|connector host",
    "scepman": r"SCEPman|AppConfig:",
    "ejbca": r"EJBCA|ejbca\.sh|WildFly|\bend entity\b",
    "openxpki": r"(?i:openxpki)|\boxi ",
    "step-ca": r"step-ca|\bstep ca\b",
    "micromdm": r"MicroMDM|scepserver|SCEP_C",
    "dogtag": r"Dogtag|pki-server|RHCS",
    "xipki": r"XiPKI|scep-gateway",
    "otilm": r"OTILM|CZERTAINLY",
    "ios-ca": r"crypto pki server|ip http server|CA router",
    "ucm": r"Ultimate CA|/var/log/ucm|scep_getcacert|scep_auto",
    "fortiauthenticator": r"FortiAuthenticator",
    "aws-c4scep": r"\bAWS\b",
    "digicert": r"DigiCert",
    "jamf": r"\bJamf\b",
    "fleet": r"\bFleet\b",
    "ios-client": r"crypto pki (?!server)|trustpoint|\bIOS\b",
    "apple": r"\bApple\b|\biPhone|\bMac\b|mdmclient|profiled",
    "fortigate": r"FortiGate|set source-ip",
    "windows-mdm": r"Enterprise-Diagnostics|ipconfig",
    "intune-android": r"OMADM|Company Portal|Android",
    "sscep": r"\bsscep\b",
    "strongswan": r"(?i:strongswan)|\bpki --",
    "certmonger": r"certmonger|\bgetcert\b",
    "junos": r"Junos|scep-digest",
    "pan-os": r"PAN-OS",
    "routeros": r"RouterOS",
    "jscep": r"\bjscep\b",
}
"""The words by which a reader takes a sentence to be about a product; written from the products' manuals, not from the analyzer's table."""
PATTERNS = {key: re.compile(words) for key, words in SPEAKS_OF.items()}
TOGETHER = {
    "intune": {"ndes", "scepman", "windows-mdm", "intune-android"},
    "entra-app-proxy": {"ndes"},
    "ndes": {"intune", "entra-app-proxy", "cisco-ise"},
    "ejbca": {"digicert"},
    "ios-client": {"cisco-asa", "cisco-wlc", "ftd"},
    "jscep": {"intune-android"},
}
"""Products that come together: who runs one has the other, or shares its words (trustpoint, end entity)."""
ABOUT_ONE = {
    "ndes": {
        "certrep-ndes-hresult",
        "csr-challenge-encoding",
        "csr-keyusage-picks-template",
        "http-400-too-long",
        "iis-body-too-long",
        "iis-extension-denied",
        "iis-isapi-restricted",
        "iis-query-too-long",
        "ndes-http-503-app-pool",
    },
    "intune": {"csr-challenge-blob"},
    "ejbca": {"certrep-badrequest", "ejbca-end-entity-status", "ejbca-end-entity-unknown"},
    "apple": {"ber-indefinite-length", "get-reserved-unescaped", "tls-server-cert-apple-limits"},
    "jscep": {"ber-indefinite-length", "get-reserved-unescaped", "renewal-as-19"},
    "sscep": {"get-line-breaks", "renewal-as-19"},
    "ios-client": {"cacert-fingerprints", "post-not-used", "renewal-as-19"},
    "certmonger": {"post-not-used"},
    "strongswan": {"capture-tls-opaque"},
}
"""Rules that fire only where the bytes themselves speak of the product (header, page, form), or that name who usually does something."""
OF_NDES_ALONE = ("ndes-", "windows-aik")
MENTIONS = {
    ("step-ca", "csr-challenge-unexpected", "ios-client"),
    ("micromdm", "http-404-wrong-path", "ios-client"),
    ("ndes", "certrep-dummy-content", "sscep"),
}
"""Server, rule and the client that its advice names because the server needs a setting for this client."""


def _product(key: str) -> Product:
    return Product(key=key, name=PRODUCTS[key], version=None, strength=Strength.PROVED, because=("a mark",))


def _told(rule: Rule, recognised: Recognised) -> list[str]:
    nothing = Evidence("It happened.")
    chosen = (*advice.actions(rule.page, nothing, recognised), *advice.causes(rule.page, nothing, recognised))
    return [rule.page.title, *chosen]


def _allowed(rule: Rule, key: str, there: set[str]) -> bool:
    if key in there or there & TOGETHER.get(key, set()):
        return True
    if rule.id.startswith(OF_NDES_ALONE) and key in ("ndes", "intune", "entra-app-proxy"):
        return True
    return rule.id in ABOUT_ONE.get(key, ()) or any((one, rule.id, key) in MENTIONS for one in there)


def _strangers(rule: Rule, recognised: Recognised, there: set[str]) -> list[str]:
    return [
        f"{rule.id} speaks of {key}: {text}"
        for text in _told(rule, recognised)
        for key in _spoken_of(text)
        if not _allowed(rule, key, there)
    ]


@cache
def _spoken_of(text: str) -> tuple[str, ...]:
    return tuple(key for key, pattern in PATTERNS.items() if pattern.search(text))


@pytest.mark.parametrize("server", SERVERS)
def test_no_rule_speaks_of_another_server_than_the_one_that_is_there(server: str) -> None:
    recognised = Recognised(server=_product(server))
    ours = {key for key in PATTERNS if key in SERVERS} - {server}
    found = [each for rule in RULES for each in _strangers(rule, recognised, {server})]
    assert [each for each in found if each.partition(" speaks of ")[2].partition(":")[0] in ours] == []


@pytest.mark.parametrize("client", CLIENTS)
def test_no_rule_speaks_of_another_client_than_the_one_that_is_there(client: str) -> None:
    recognised = Recognised(server=_product("xipki"), client=_product(client))
    assert [each for rule in RULES for each in _strangers(rule, recognised, {"xipki", client})] == []


def test_what_is_said_to_an_unknown_server_names_the_product_it_is_for() -> None:
    for rule in RULES:
        if rule.id.startswith(OF_NDES_ALONE):
            continue
        for text in advice.actions(rule.page, Evidence("It happened."), NOTHING):
            for key in ("ndes", "ejbca", "step-ca", "scepman", "openxpki", "dogtag"):
                if PATTERNS[key].search(text) and rule.id not in ABOUT_ONE.get(key, ()):
                    assert text.startswith("If the server is "), (rule.id, text)


def test_nothing_is_said_twice() -> None:
    for rule in RULES:
        for server in SERVERS:
            told = advice.actions(rule.page, Evidence("It happened."), Recognised(server=_product(server)))
            assert len(told) == len(set(told)), rule.id


def test_the_table_of_words_knows_the_products_that_advice_is_written_for() -> None:
    written_for = {key for rule in RULES for each in rule.page.do_for for key in each.products}
    assert written_for <= set(PRODUCTS)
    assert {key for names in ABOUT_ONE.values() for key in names} <= {rule.id for rule in RULES}
