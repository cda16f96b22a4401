"""The documentation says what the program does."""

import ast
import re

from tests.conftest import ROOT

KEBAB = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")
OTHER_WORDS = {  # kebab-case words in the stages that are no anomaly codes
    "end-of-capture", "ra-signing", "ra-encryption", "get-cert", "get-crl", "ca-certificates", "http-error", "connection-failed",
    "key-transport", "key-agreement", "content-type", "content-length", "content-lenght", "content-encoding", "transfer-encoding",
    "x-gzip", "x-pkcs7", "x-x509", "x-pki-message", "pkix-cert", "utf-8", "utf-8-sig", "latin-1", "utf-16", "utf-16-le", "utf-16-be",
    "utf-32-be", "no-permission", "cache-full", "apt-get",
}  # fmt: skip


def _codes_in_source() -> set[str]:
    found = {"gap"}
    for part in ("capture", "link", "sieve", "tcp", "tls", "http1", "http2", "scep", "cms", "engines"):
        for path in (ROOT / "scep_analyzer" / part).glob("*.py"):
            if path.name in (
                "algorithms.py",
                "codes.py",
                "certificates.py",
                "opening.py",
                "message_data.py",
                "verification.py",
            ):
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and KEBAB.fullmatch(node.value):
                    found.add(node.value)
    found |= {"limit-anomalies", "rule-failed", "limit-findings"}
    return found - OTHER_WORDS


def test_every_anomaly_code_is_documented_and_every_documented_one_exists() -> None:
    table = (ROOT / "docs" / "json.md").read_text(encoding="utf-8").split("## Anomalies")[1]
    documented = {
        code
        for row in re.findall(r"^\| \w+ \| (.*?) \|", table, re.MULTILINE)
        for code in re.findall(r"`([^`]+)`", row)
    }
    assert documented == _codes_in_source()


def test_links_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("captures/**/*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"
