"""Messages decoded and verified a second, against `openssl cms -verify` on the same messages in the same run. Prints a Markdown table.

The messages are those of the corpus. openssl is started once a message, as the published recipes do; its start-up is shown beside it.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from scep_analyzer.analysis import Analysis  # noqa: E402  # after the path is set
from scep_analyzer.cms import certificates  # noqa: E402
from scep_analyzer.cms.signed import read_signed  # noqa: E402  # after the path is set
from scep_analyzer.scep.messages import read_message  # noqa: E402

ROUNDS = 7


def messages() -> list[bytes]:
    """Every pkiMessage of the corpus that carries its signer's certificate."""
    found = []
    for capture in sorted((ROOT / "captures").glob("*/*.pcap")):
        for exchange in Analysis([str(capture)], keep=True).report().exchanges:
            for raw, decoded in ((exchange.raw_request, exchange.request), (exchange.raw_response, exchange.reply)):
                if raw and decoded is not None and decoded.certificates:
                    found.append(raw)
    return found


def ours(batch: list[bytes], *, cached: bool) -> float:
    start = time.perf_counter()
    for message in batch:
        read_signed.cache_clear()  # a message is read anew each time; only what it is made of may be known
        if not cached:
            certificates._read.cache_clear()
        decoded, _ = read_message(message, {})
        assert decoded.digest.valid
        assert decoded.signature.valid
    return len(batch) / (time.perf_counter() - start)


def openssl(paths: list[Path]) -> float:
    start = time.perf_counter()
    for path in paths:
        command = ["openssl", "cms", "-verify", "-noverify", "-inform", "DER", "-in", str(path), "-out", "/dev/null"]
        subprocess.run(command, check=True, capture_output=True)
    return len(paths) / (time.perf_counter() - start)


def empty(count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        subprocess.run(["openssl", "version"], check=True, capture_output=True)
    return count / (time.perf_counter() - start)


def main() -> None:
    batch = messages()
    rates: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{at}.der") for at in range(len(batch))]
        for path, message in zip(paths, batch, strict=True):
            path.write_bytes(message)
        for _ in range(ROUNDS):
            rates.setdefault("decoded and verified, certificates known", []).append(ours(batch * 20, cached=True))
            rates.setdefault("decoded and verified, every certificate new", []).append(ours(batch * 20, cached=False))
            rates.setdefault("`openssl cms -verify`, a process each", []).append(openssl(paths))
            rates.setdefault("`openssl version`, a process each (start-up alone)", []).append(empty(len(paths)))
    size = statistics.mean(map(len, batch))
    print(f"{len(batch)} messages of the corpus, {size:,.0f} bytes on average; medians of {ROUNDS} rounds\n")
    print("| work | messages/s |\n|---|---:|")
    for name, values in rates.items():
        print(f"| {name} | {statistics.median(values):,.0f} |")


if __name__ == "__main__":
    main()
