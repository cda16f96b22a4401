"""Builds the captures of faults: for each rule one that triggers it, and a near miss that must not.

`python captures/faults/build.py [FOLDER]` writes them there, else in place, with their sidecars. What the rule says of a capture, the
sidecar's last part, is not built: `make golden` writes it, somebody reads it, and it is copied from the sidecar that is kept here.
"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "recipes"))

from registry import Fault, every  # noqa: E402  # after the path is set


def sidecar(fault: Fault) -> str:
    story, near = fault.stories
    lines = [
        ("rule", fault.rule),
        ("story", story),
        ("near_miss", near),
        ("source", f"built by captures/faults/recipes/faults_{fault.topic}.py"),
        ("licence", "same as the project"),
        ("keys", [f"captures/keys/{each}.pem" for each in fault.keys]),
        ("root_causes", list(fault.roots)),
        ("errors", list(fault.errors)),
        ("near_errors", list(fault.near_errors)),
    ]
    return "".join(f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in lines)


def says(fault: Fault) -> str:
    kept = HERE / fault.topic / f"{fault.rule}.toml"
    _, mark, rest = (kept.read_text(encoding="utf-8") if kept.exists() else "").partition("\n[[says]]")
    return mark + rest


def build(out: Path) -> int:
    count = 0
    for fault in every():
        folder = out / fault.topic
        folder.mkdir(parents=True, exist_ok=True)
        for near in (False, True):
            wire = fault.wire(near=near)
            kind = "pcap" if wire.secrets is None else "pcapng"
            wire.write(folder / f"{fault.rule}{'.near-miss' if near else ''}.{kind}")
        (folder / f"{fault.rule}.toml").write_text(sidecar(fault) + says(fault), encoding="utf-8", newline="\n")
        count += 1
    return count


if __name__ == "__main__":
    print(f"{build(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)} faults, each with its near miss")
