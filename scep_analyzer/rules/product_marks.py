"""How SCEP software is recognised: the marks of each product, as tables.

A mark says which product it speaks for, how strongly, and of what kind it is. Strengths: PROVED, the bytes name the product or nothing
else known does it; INFERRED, likely; POSSIBLE, a hint that needs a second one. Sources: the products' source text and manuals.
"""

import re
from functools import cached_property, lru_cache
from typing import NamedTuple

from scep_analyzer.model.findings import Strength

P, L, S = Strength.PROVED, Strength.INFERRED, Strength.POSSIBLE

GO = ("step-ca", "micromdm", "packetfence")
"""Products whose error texts are Go's."""


class Mark(NamedTuple):
    """One mark that was seen: the product, how strongly it speaks for it, its kind, and in words what was seen."""

    product: str
    strength: Strength
    kind: str
    because: str


_LONGEST = 80
"""Characters of a mark that are quoted."""


class _Pattern(NamedTuple):
    product: str
    strength: Strength
    pattern: re.Pattern[str]


class Table:
    """Rows of patterns. What a text fits is remembered: servers and clients say the same again and again."""

    def __init__(self, *rows: tuple[str, Strength, str]) -> None:
        self.rows = rows
        self.find = lru_cache(maxsize=512)(self._find)

    @cached_property
    def patterns(self) -> tuple[_Pattern, ...]:
        """The rows, compiled when the first text is looked at: not every capture needs every table."""
        return tuple(
            _Pattern(product, strength, re.compile(text, re.IGNORECASE)) for product, strength, text in self.rows
        )

    def _find(self, text: str) -> tuple[tuple[str, Strength, str], ...]:
        """The rows that a text fits, the first of each product: product, strength, and the part that fits."""
        found: dict[str, tuple[str, Strength, str]] = {}
        for each in self.patterns:
            match = each.pattern.search(text)
            if match is not None and each.product not in found:
                found[each.product] = each.product, each.strength, match[0][:_LONGEST]
        return tuple(found.values())


# -- servers -----------------------------------------------------------------------------------------------------------

PATHS = Table(
    ("ndes", P, r"^/certsrv/mscep_admin\b"),
    ("ndes", P, r"^/CertificateRegistrationSvc/"),
    ("ndes", L, r"^/certsrv/mscep/mscep\.dll\b"),
    ("ndes", S, r"mscep"),
    ("ms-cloud-pki", P, r"^/TrafficGateway/PassThroughRoutingService/CloudPki/"),
    ("windows-aik", P, r"^/templates/Aik/scep\b"),
    ("ejbca", P, r"^/ejbca/publicweb/apply/scep/"),
    ("step-ca", S, r"^/scep/[^/]+(/pkiclient\.exe)?/?$"),
    ("micromdm", L, r"^/scep/?$"),
    ("openxpki", S, r"^/scep/[^/]+(/pkiclient\.exe)?/?$"),
    ("xipki", L, r"^/scep/[^/]+/[^/]+/pkiclient\.exe$"),
    ("ucm", S, r"^/scep/([^/]+/)?pkiclient\.exe$"),
    ("dogtag", P, r"^/ca/(cgi-bin/pkiclient\.exe|scep/[^/]+/pkiclient\.exe|ee/ca/pkiclient)"),
    ("otilm", P, r"/v1/protocols/scep/"),
    ("openca", L, r"^/cgi-bin/scep/scep\b"),
    ("ios-ca", S, r"^/cgi-bin/pkiclient\.exe$"),
    ("fortiauthenticator", P, r"^/app/cert/scep/"),
    ("nexus", L, r"^/pgwy/scep/"),
    ("venafi", P, r"^/vedscep/?"),
    ("jamf", P, r"^/CA/SCEP\b"),
    ("fleet", P, r"^/mdm/(scep/proxy|apple/scep)\b"),
    ("infisical", L, r"^/scep/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/pkiclient\.exe$"),
    ("packetfence", P, r"^/api/v1/scep/"),
    ("ivanti", S, r"^/(mifs|emm)/.*scep"),
    ("cisco-ise", S, r"^/auth/caservice/"),
    ("clearpass", S, r"^/onboard/mdps_scep\.php"),
)
"""By the path of the request."""

HOSTS = Table(
    ("scepman", L, r"\.azurewebsites\.net$"),
    ("windows-aik", P, r"\.microsoftaik\.azure\.net$"),
    ("smallstep-hosted", P, r"(^|\.)(agents\..*\.)?ca\.smallstep\.com$"),
    ("infisical", P, r"^(app|us|eu)\.infisical\.com$"),
    ("aws-c4scep", P, r"\.(pca-connector-scep\..*\.amazonaws\.com|enroll\.pca-connector-scep\..*\.api\.aws)$"),
    ("digicert", L, r"(^one\.digicert\.com|\.symauth\.com)$"),
)
"""By the Host header."""

HEADERS: dict[str, Table] = {
    "server": Table(
        ("ndes", L, r"^Microsoft-IIS/"),
        ("ios-ca", P, r"^cisco-IOS"),
    ),
    "x-openxpki-error": Table(("openxpki", P, r"")),
    "x-openxpki-workflow-id": Table(("openxpki", P, r"")),
    "x-openxpki-transaction-id": Table(("openxpki", P, r"")),
    "x-amzn-errortype": Table(("aws-c4scep", P, r"")),
    "x-amzn-errormessage": Table(("aws-c4scep", P, r"")),
}  # fmt: skip
"""By a header of the response."""

TEXTS = Table(
    ("step-ca", P, r"^(scep (get|post) request failed|invalid scep get request|provisioner \S+ not found|provisioner must be of type SCEP)"),
    ("step-ca", L, r"failed validating challenge password|webhook server did not allow request"),
    ("ejbca", P, r"SCEP alias|No CA certificates? (found|was found)|Can not handle request|Attempted to enroll on an end entity|SCEP Protocol not authorized"),
    ("dogtag", P, r"SCEP support is disabled|CMS server is not ready"),
    ("ucm", P, r"^(SCEP is disabled|No CA configured for SCEP|Unknown SCEP profile)|Failed to decrypt SCEP envelope"),
    ("scepman", P, r"Cannot download ZIP"),
    ("openxpki", L, r"Unable to (initialize endpoint parameters|connect to backend)|I18N_OPENXPKI"),
    ("openxpki", P, r"^(Request Pending - Retry Later \(|Signature invalid$|Unable to parse request$|Request was rejected$)"),
    ("otilm", L, r"(SCEP|RA) Profile is not enabled|active certificate registration"),
    ("aws-c4scep", L, r"connector for scep"),
    ("digicert", L, r"digicert|enrollment code"),
    ("fleet", L, r"fleet"),
    ("ndes", P, r"mscep_admin|Network Device Enrollment Service"),
)  # fmt: skip
"""By what a response that is not SCEP, the reason phrase or failInfoText says."""

CAPABILITIES: dict[tuple[tuple[str, ...], str], tuple[tuple[str, Strength], ...]] = {
    (("Renewal", "SHA-1", "SHA-256", "AES", "DES3", "SCEPStandard", "POSTPKIOperation"), "crlf"): (("step-ca", L),),
    (("Renewal", "SHA-1", "SHA-256", "AES", "DES3", "SCEPStandard", "POSTPKIOperation"), "lf"): (("micromdm", L),),
    (("Renewal", "POSTPKIOperation", "SHA-512", "SHA-384", "SHA-256", "SHA-224", "SHA-1", "DES3", "AES"), ""): (("openxpki", P),),
    (("POSTPKIOperation", "Renewal", "SHA-512", "SHA-256", "SHA-1", "DES3"), ""): (("ejbca", S), ("ndes", S)),
    (("POSTPKIOperation", "GetNextCACert", "Renewal", "SHA-512", "SHA-256", "SHA-1", "DES3"), ""): (("ejbca", L),),
    (("POSTPKIOperation", "Renewal", "SHA-512", "SHA-256", "SHA-1", "DES3", "AES", "SCEPStandard"), ""): (("ejbca", L),),
    (("POSTPKIOperation", "GetNextCACert", "Renewal", "SHA-512", "SHA-256", "SHA-1", "DES3", "AES", "SCEPStandard"), ""): (("ejbca", L),),
    (("POSTPKIOperation", "SHA-1"), ""): (("ejbca", L),),
    (("AES", "DES3", "SHA-1", "SHA-256", "SHA-512"), "lf"): (("dogtag", P),),
    (("DES3", "SHA-1", "SHA-256", "SHA-512"), "lf"): (("dogtag", P),),
    (("DES3", "SHA-256", "SHA-512"), "lf"): (("dogtag", P),),
    (("AES", "DES3", "SHA-256", "SHA-512"), "lf"): (("dogtag", P),),
    (("POSTPKIOperation", "SHA-256", "SHA-384", "SHA-512", "AES", "Renewal", "GetNextCACert", "SCEPStandard"), ""): (("ucm", P),),
    (("POSTPKIOperation", "SHA-1", "SHA-256", "SHA-512", "DES3", "AES", "Renewal", "SCEPStandard"), ""): (("otilm", P),),
}  # fmt: skip
"""By the words of GetCACaps in their order, and how lines end ("" where that does not matter)."""

RA_NAMES = Table(
    ("ndes", L, r"-MSCEP-RA\b"),
    ("micromdm", P, r"MICROMDM SCEP CA"),
    ("scepman", L, r"SCEPman-"),
)
"""By the subject of a certificate that GetCACert gives."""

RA_EXTENSIONS: dict[str, tuple[str, Strength]] = {
    "certificateRequestAgent": ("ndes", L),
}
"""By an extendedKeyUsage of an RA certificate: the Certificate Request Agent of Microsoft's templates."""

ISSUED_EXTENSIONS: dict[str, tuple[str, Strength]] = {"1.3.6.1.4.1.37476.9000.64.1": ("step-ca", P)}
"""By an extension of the certificate that was issued."""

# -- fronts ------------------------------------------------------------------------------------------------------------

FRONT_HOSTS = Table(
    ("entra-app-proxy", P, r"\.msappproxy\.net$"),
    ("azure-app-service", P, r"\.azurewebsites\.net$"),
)
FRONT_HEADERS: dict[str, Table] = {
    "server": Table(
        ("nginx", L, r"^(nginx|openresty)\b"),
        ("apache", S, r"^Apache\b"),
        ("squid", P, r"^squid\b"),
        ("cloudflare", P, r"^cloudflare"),
        ("cloudfront", P, r"^CloudFront"),
        ("aws-elb", P, r"^awselb/"),
        ("azure-gateway", P, r"^Microsoft-Azure-Application-Gateway/"),
        ("akamai", P, r"^AkamaiGHost"),
        ("big-ip", P, r"^BIG-?IP|^BigIP"),
        ("envoy", P, r"^envoy"),
        ("haproxy", L, r"^haproxy"),
        ("http-sys", P, r"^Microsoft-HTTPAPI/"),
    ),
    "via": Table(
        ("squid", P, r"squid"), ("cloudfront", P, r"CloudFront"), ("varnish", P, r"varnish"), ("haproxy", L, r"haproxy"), ("proxy", P, r".")
    ),
    "x-squid-error": Table(("squid", P, r"")),
    "cf-ray": Table(("cloudflare", P, r"")),
    "x-iinfo": Table(("imperva", P, r"")),
    "x-azure-ref": Table(("azure-front-door", P, r"")),
    "x-ms-proxy-app-id": Table(("entra-app-proxy", P, r"")),
    "x-ms-proxy-service-name": Table(("entra-app-proxy", P, r"")),
    "x-ms-proxy-transaction-id": Table(("entra-app-proxy", P, r"")),
    "x-zscaler-transaction-id": Table(("zscaler", P, r"")),
    "x-cache": Table(("proxy", P, r"")),
}  # fmt: skip
"""What stands in front of the SCEP software: it says nothing about that software."""

FRONT_TEXTS = Table(
    ("azure-app-service", P, r"This web app (is stopped|has been stopped)|Azure Web App|Web App - Unavailable"),
    ("imperva", P, r"Incapsula incident"),
    ("fortigate-waf", L, r"FortiGate|FortiGuard|Fortinet"),
    ("zscaler", P, r"Zscaler"),
    ("bluecoat", L, r"Blue ?Coat|ProxySG"),
    ("entra-app-proxy", L, r"application proxy connector|Azure AD Application Proxy|GatewayTimeout"),
)

# -- clients -----------------------------------------------------------------------------------------------------------

AGENTS = Table(
    ("ios-client", P, r"Cisco PKI"),
    ("windows-mdm", P, r"Win32; NDES client"),
    ("apple", P, r"^(profiled|mdmclient|CertificateService|com\.apple\.\S+)/|CFNetwork/"),
    ("intune-android", L, r"^Dalvik/"),
    ("jscep", L, r"^Java/"),
    ("micromdm-client", L, r"^Go-http-client/"),
    ("ndes-policy-module", P, r"NDES_Plugin"),
    ("pyscep", S, r"python|httpx|aiohttp"),
    ("routeros", S, r"Mikrotik"),
)  # fmt: skip
"""By the User-Agent: good enough to choose the words of advice, never evidence of a cause."""

MESSAGE_PARAMETERS: dict[tuple[str, str], tuple[str, Strength]] = {
    ("GetCACert", "CAIdentifier"): ("sscep", L),
    ("GetCACaps", "CAIdentifier"): ("sscep", L),
}

SIGNERS = Table(
    ("sscep", P, r"SSCEP transactionId"),
    ("micromdm-client", P, r"CN=SCEP SIGNER"),
)
"""By the subject of a self-signed certificate that signs a request."""

TRANSACTION_IDS = Table(
    ("sscep", P, r"^SSCEP transactionId"),
    ("certmonger", P, r"^[0-9]{70,80}$"),
    ("strongswan", S, r"^[0-9A-F]{40}$"),
    ("ios-client", S, r"^[0-9A-F]{32}$"),
    ("micromdm-client", S, r"^[A-Za-z0-9+/]{27}=$"),
)


@lru_cache(maxsize=64)
def by_capabilities(keywords: tuple[str, ...], line_end: str) -> tuple[tuple[str, Strength], ...]:
    """The products that give these words in this order."""
    return CAPABILITIES.get((keywords, line_end)) or CAPABILITIES.get((keywords, "")) or ()
