"""The pages of the rules, from their docstrings, and their index."""

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent

TOPICS = {
    "capture": "Whether the capture can be trusted",
    "connection": "Names and TCP",
    "delivery": "What gets lost on the way: large answers, other addresses, proxies",
    "tls": "The TLS leg",
    "http_status": "HTTP status",
    "server_said": "What the server says itself",
    "http_body": "HTTP bodies and headers",
    "encoding": "Encoding of the message",
    "capabilities": "Capabilities",
    "ca_certificates": "CA and RA certificates",
    "request": "The request: envelope and signature",
    "attributes": "Signed attributes",
    "requester": "The requester's certificate",
    "csr": "Inside the envelope",
    "certrep": "CertRep",
    "issued": "The issued certificate",
    "transactions": "Transactions",
    "ndes": "NDES's surroundings, secrets, clocks",
}


def rule_pages() -> dict[str, str]:
    """A page for each rule, and their index, by path."""
    sys.path.insert(0, str(ROOT))
    from scep_analyzer.cli.explain import markdown
    from scep_analyzer.rules.catalogue import RULES
    from scep_analyzer.topics import find

    pages = {}
    rows: dict[str, list[str]] = {topic: [] for topic in TOPICS}
    needs = {None: "", "ra": "the RA's key", "client": "the client's key", "tls": "TLS undone"}
    for rule in RULES:
        topic = rule.check.__module__.rpartition(".")[2]
        facts = tomllib.loads((ROOT / "captures" / "faults" / topic / f"{rule.id}.toml").read_text(encoding="utf-8"))
        folder = f"../../captures/faults/{topic}"
        kind = next((ROOT / "captures" / "faults" / topic).glob(f"{rule.id}.pcap*")).suffix
        examples = (
            f"## Examples\n\n* [{rule.id}{kind}]({folder}/{rule.id}{kind}): {facts['story']}\n"
            f"* [{rule.id}.near-miss{kind}]({folder}/{rule.id}.near-miss{kind}) does not trigger it: "
            f"{facts['near_miss']}\n"
        )
        pages[f"docs/rules/{rule.id}.md"] = f"{markdown(find(rule.id)[0])}\n{examples}"
        line = f"| [{rule.id}]({rule.id}.md) | {rule.severity.value} | {rule.strength.value} | {needs[rule.needs]} | {rule.page.title} |"
        rows[topic].append(line)
    lines = [
        f"# The rules\n\n{len(RULES)} rules, by topic. How one is written: [../how-to/rule.md](../how-to/rule.md). `scep-analyzer explain RULE` shows the same page offline.",
        "",
    ]
    for topic, title in TOPICS.items():
        lines += [
            f"## {title}",
            "",
            "| rule | severity | strength | needs | what it finds |",
            "|---|---|---|---|---|",
            *rows[topic],
            "",
        ]
    lines += [
        "## Not judged without TLS decryption",
        "",
        "`ndes-policy-module-refused` reads the policy module's question where it is in the clear; over TLS the capture must be decrypted first.",
        "From TLS 1.3 on the server's certificate is encrypted: without keys `tls-server-cert-expired`, `tls-server-name-mismatch`, "
        "`tls-server-cert-apple-limits`, `tls-client-cert-requested` and `tls-inspection-suspected` judge TLS 1.2 and older.",
        "",
    ]
    pages["docs/rules/index.md"] = "\n".join(lines)
    return pages
