"""Writes the generated parts of the documentation: blocks between ``<!-- generated: NAME -->`` and ``<!-- end -->``.

``--check`` writes nothing and fails where a block is not what it should be, so the documentation cannot drift.
"""

import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rule_pages import rule_pages

from scep_analyzer.wireshark.tables import with_tables

ROOT = Path(__file__).parent.parent
FILES = (
    "README.md",
    "captures/README.md",
    "docs/commands.md",
    "docs/diagnosis.md",
    "docs/json.md",
    "docs/python.md",
    "docs/tables.md",
)


def program(*arguments: str, lines: int | None = None) -> str:
    """What a command prints, as a code block."""
    done = subprocess.run(
        [sys.executable, "-m", "scep_analyzer", *arguments],
        cwd=ROOT,
        capture_output=True,
        check=arguments[0] != "diagnose",  # which exits with 1 where it finds a fault
        env={"COLUMNS": "100", "PYTHONIOENCODING": "utf-8", "NO_COLOR": "1", "PATH": ""},
    )
    shown = done.stdout.decode().rstrip("\n").splitlines()
    if lines is not None and len(shown) > lines:
        shown = [*shown[:lines], "…"]
    return "```console\n$ scep-analyzer " + " ".join(arguments) + "\n" + "\n".join(shown) + "\n```"


def captures() -> str:
    """The index of the corpus, from the sidecars."""
    rows = ["| capture | story | source |", "|---|---|---|"]
    for path in sorted(ROOT.glob("captures/*/*.toml")):
        facts: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        name = next(each.name for each in path.parent.glob(path.stem + ".pcap*"))
        rows.append(f"| `{path.parent.name}/{name}` | {facts['story'].strip()} | {facts['source']} |")
    return "\n".join(rows)


def score() -> str:
    """The table of `make score`."""
    done = subprocess.run([sys.executable, "benchmarks/score.py"], cwd=ROOT, capture_output=True, check=False)
    return done.stdout.decode().rstrip("\n")


def anomalies() -> str:
    """The anomalies of the JSON, as `explain` knows them."""
    sys.path.insert(0, str(ROOT))
    from scep_analyzer.topics.program import ANOMALIES

    rows = (f"| {layer} | `{code}` | {text} |" for layer, code, text in ANOMALIES)
    return "\n".join(("| layer | code | what it says |", "|---|---|---|", *rows))


def tables() -> str:
    """The tables of ``report.rows``, from the place that defines them."""
    sys.path.insert(0, str(ROOT))
    from scep_analyzer.tables import TABLES

    written = []
    for name, table in TABLES.items():
        rows = (f"| `{each.name}` | {each.type} | {each.meaning} |" for each in table.columns)
        written.append(
            "\n".join((f"### `{name}`: {table.meaning}\n", "| column | type | meaning |", "|---|---|---|", *rows))
        )
    return "\n\n".join(written)


def fleet_tables() -> str:
    """The Parquet tables: what a fleet adds, and the rows of the report."""
    sys.path.insert(0, str(ROOT))
    from scep_analyzer.fleet.schema import ADDED, PARQUET
    from scep_analyzer.tables import TABLES

    written = []
    for name, table in TABLES.items():
        rows = (f"| `{each.name}` | {PARQUET[each.type]} | {each.meaning} |" for each in (*ADDED[name], *table.columns))
        written.append(
            "\n".join((f"## `{name}`: {table.meaning}\n", "| column | type | meaning |", "|---|---|---|", *rows))
        )
    return "\n\n".join(written)


BLOCKS: dict[str, Callable[[], str]] = {
    "timeline": lambda: program("captures/scenarios/ndes-get-enrollment.pcap"),
    "answer": lambda: program("captures/scenarios/ndes-refused-template.pcap"),
    "answer several": lambda: program("captures/implementations"),
    "answer later": lambda: program("captures/field/odd-wrong-challenge-then-a-new-profile-works.pcap"),
    "ladder": lambda: program("timeline", "--ladder", "captures/scenarios/ndes-refused-template.pcap"),
    "list": lambda: program("list", "captures/implementations", "--failed"),
    "list csv": lambda: program("list", "captures/implementations", "-f", "csv", lines=4),
    "help answer": lambda: program("answer", "--help"),
    "help list": lambda: program("list", "--help"),
    "captures": captures,
    "anomalies": anomalies,
    "help": lambda: program("--help"),
    "help timeline": lambda: program("timeline", "--help"),
    "help report": lambda: program("report", "--help"),
    "help show": lambda: program("show", "--help"),
    "help decode": lambda: program("decode", "--help"),
    "help extract": lambda: program("extract", "--help"),
    "show": lambda: program(
        "show", "captures/scenarios/ndes-get-enrollment.pcap", "2", "--key", "captures/keys/ra-encryption.pem", lines=48
    ),
    "diagnose": lambda: program(
        "diagnose", "captures/scenarios/ndes-refused-template.pcap", "--min-severity", "warning"
    ),
    "diagnose recipient": lambda: program(
        "diagnose", "captures/faults/request/req-recipient-is-ca-not-ra.pcap", "--min-severity", "warning"
    ),
    "explain": lambda: program("explain", "0x80094800"),
    "explain kinds": lambda: program("explain"),
    "explain term": lambda: program("explain", "RA", "certificate"),
    "help diagnose": lambda: program("diagnose", "--help"),
    "help explain": lambda: program("explain", "--help"),
    "score": score,
    "tables": tables,
    "fleet tables": fleet_tables,
    "help fleet": lambda: program("fleet", "read", "--help"),
    "help fleet report": lambda: program("fleet", "report", "--help"),
    "help fleet watch": lambda: program("fleet", "watch", "--help"),
    "help annotate": lambda: program("annotate", "--help"),
    "help wireshark": lambda: program("wireshark", "--help"),
    "help wireshark overlay": lambda: program("wireshark", "overlay", "--help"),
    "help live": lambda: program("live", "--help"),
    "show list": lambda: program("show", "captures/scenarios/ndes-refused-template.pcap"),
    "help doctor": lambda: program("doctor", "--help"),
}


def generated(text: str) -> str:
    """The text with every block written again."""
    pieces = text.split("<!-- generated: ")
    whole = [pieces[0]]
    for piece in pieces[1:]:
        name, rest = piece.split(" -->", 1)
        _, after = rest.split("<!-- end -->", 1)
        whole.append(f"{name} -->\n{BLOCKS[name]()}\n<!-- end -->{after}")
    return "<!-- generated: ".join(whole)


def plugin() -> dict[str, str]:
    """Wireshark's plugin with its tables."""
    name = "scep_analyzer/wireshark/scep.lua"
    return {name: with_tables((ROOT / name).read_text(encoding="utf-8"))}


def main() -> int:
    """Write or check; gives the exit status."""
    stale = []
    for name, text in (rule_pages() | plugin()).items():
        path = ROOT / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if "--check" not in sys.argv:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    for name in FILES:
        path = ROOT / name
        old = path.read_text(encoding="utf-8")
        new = generated(old)
        if new != old:
            stale.append(name)
            if "--check" not in sys.argv:
                path.write_text(new, encoding="utf-8")
    if stale and "--check" in sys.argv:
        print(f"not up to date: {', '.join(stale)}; run `make docs`")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
