"""Two ways of getting decrypted bytes and packets from tshark: pyshark, and tshark's own rows. Prints a Markdown table.

`make bench-tshark` runs it (it installs pyshark). docs/design.md says what follows from it.
"""

import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.traffic import Traffic, write
from scep_analyzer.engines import tshark_rows
from scep_analyzer.model.tls import NO_SECRETS, Secrets

ROUNDS = 5
TLS = Path(__file__).parent.parent / "captures" / "tls"


def with_pyshark(path: str, wanted: str, options: list[str]) -> int:
    import pyshark

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its child watchers are deprecated from Python 3.12 on
        capture = pyshark.FileCapture(
            path, keep_packets=False, display_filter=wanted, use_json=True, custom_parameters=["-n", *options]
        )
        count = sum(1 for _ in capture)
        capture.close()
    return count


def with_rows(path: str, wanted: str, secrets: Secrets) -> int:
    command = tshark_rows.tls_command("tshark", path, secrets)
    command[command.index("-Y") + 1] = wanted
    return sum(1 for _ in tshark_rows.rows(command))


def seconds(run: Callable[[], int]) -> tuple[float, int]:
    taken = []
    count = 0
    for _ in range(ROUNDS):
        start = time.perf_counter()
        count = run()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken), count


def main() -> None:
    keylog = str(TLS / "tls13-strongswan.keylog")
    small, no_http = str(TLS / "tls13-strongswan.pcap"), ["--disable-protocol", "http"]
    with tempfile.TemporaryDirectory() as folder:
        large = str(Path(folder) / "large.pcap")
        write(Traffic(1, "scep-only", 0, 300, 0.0), Path(large))
        print("| what | packets | pyshark (JSON) | rows |\n|---|---|---|---|")
        for name, path, wanted, secrets in (
            ("decrypted records of one enrollment", small, "tls && data", Secrets(keylog)),
            ("segments with bytes, 300 enrollments", large, "tcp.len > 0", NO_SECRETS),
        ):
            options = [*no_http, "-o", f"tls.keylog_file:{secrets.keylog}"] if secrets.keylog else no_http
            theirs, count = seconds(lambda: with_pyshark(path, wanted, options))  # noqa: B023
            mine, again = seconds(lambda: with_rows(path, wanted, secrets))  # noqa: B023
            assert count == again
            print(f"| {name} | {count:,} | {theirs:.2f} s | {mine:.2f} s |")


if __name__ == "__main__":
    main()
