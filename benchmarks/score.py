"""Scores the diagnosis: root cause named first, false errors, silent faults, and what is said of healthy enrollments (docs/diagnosis.md).

make score
"""

import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from scep_analyzer.analysis import Analysis  # noqa: E402  # after the path is set
from scep_analyzer.cms.keys import read_private_key  # noqa: E402
from scep_analyzer.model.findings import Severity  # noqa: E402
from scep_analyzer.model.scep import Outcome  # noqa: E402
from scep_analyzer.report import Report  # noqa: E402

FAULTS, FIELD = ROOT / "captures" / "faults", ROOT / "captures" / "field"


def judged(capture: Path, keys: list[str]) -> Report:
    """The report of a capture, with these keys."""
    return Analysis(
        [str(capture)], keys=[read_private_key((ROOT / each).read_bytes(), each, None) for each in keys]
    ).report()


def faults() -> Iterator[tuple[str, str, str]]:
    """(line of the table, rule, what is wrong) for each capture of a fault and its near miss."""
    for sidecar in sorted(FAULTS.glob("*/*.toml")):
        facts = tomllib.loads(sidecar.read_text(encoding="utf-8"))
        rule = facts["rule"]
        for near in (False, True):
            capture = next(sidecar.parent.glob(f"{sidecar.stem}{'.near-miss' if near else ''}.pcap*"))
            report = judged(capture, facts["keys"])
            found = {each.rule for each in report.findings}
            errors = {each.rule for each in report.findings if each.severity is Severity.ERROR}
            allowed = set(facts["near_errors"]) if near else {rule, *facts["root_causes"], *facts["errors"]}
            yield "false errors", rule, ", ".join(sorted(errors - allowed))
            if near:
                yield "near misses that are found", rule, rule if rule in found else ""
                continue
            yield "silent faults", rule, "" if rule in found else rule
            if facts["root_causes"]:
                first = [each.rule for each in report.root_causes.values()]
                yield (
                    "root cause is not first",
                    rule,
                    "" if set(first) == set(facts["root_causes"]) and report.findings[0].root_cause else f"{first}",
                )


def field() -> Iterator[tuple[str, str, str]]:
    """(line of the table, capture, what is wrong) for each capture that was built after a report, by the reading that a person gave it."""
    for sidecar in sorted(FIELD.glob("*.toml")):
        facts = tomllib.loads(sidecar.read_text(encoding="utf-8"))
        right = {int(number): rule for number, rule in facts["right"]["root_causes"].items()}
        report = judged(sidecar.with_suffix(".pcap"), [f"captures/field/{each}" for each in facts["keys"]])
        first = {each.transaction or 0: each.rule for each in report.findings if each.root_cause}
        yield "root cause is not that of the report", sidecar.stem, "" if first == right else f"{first}"
        if facts["right"].get("errors") is False:
            errors = [each.rule for each in report.findings if each.severity is Severity.ERROR]
            yield "false errors where a report says that nothing is wrong", sidecar.stem, ", ".join(errors)


def healthy(folders: list[Path]) -> Iterator[tuple[str, str]]:
    """(capture, error or warning) for each capture whose transactions all succeeded."""
    for folder in folders:
        for capture in sorted(
            each
            for each in folder.rglob("*")
            if each.suffix in (".pcap", ".pcapng") and not {"faults", "field"} & set(each.parts)
        ):
            report = judged(capture, [])
            if not report.transactions or any(each.outcome is not Outcome.SUCCESS for each in report.transactions):
                continue
            told = [
                f"{each.severity.value} {each.rule}: {each.summary}"
                for each in report.findings
                if each.severity is not Severity.INFO
            ]
            yield capture.name, ""
            yield from ((capture.name, each) for each in dict.fromkeys(told))


def main() -> int:
    """Print the table; further arguments are folders of healthy captures. Gives 1 where something is wrong."""
    counts: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for line, rule, what in (*faults(), *field()):
        counts[line] += 1
        if what:
            wrong[line] += 1
            print(f"{rule}: {line}: {what}", file=sys.stderr)
    print("| measure | of | count |\n|---|---|---|")
    for line, count in counts.items():
        print(f"| {line} | {count:,} | {wrong[line]} |")
    well = list(healthy([ROOT / "captures", *map(Path, sys.argv[1:])]))
    said = [(name, each) for name, each in well if each]
    print(
        f"| errors on healthy enrollments | {len(well) - len(said)} | {sum(each.startswith('error') for _, each in said)} |"
    )
    print(
        f"| warnings on healthy enrollments | {len(well) - len(said)} | {sum(each.startswith('warning') for _, each in said)} |"
    )
    for name, each in said:
        print(f"\n{name}: {each}", end="")
    print()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
