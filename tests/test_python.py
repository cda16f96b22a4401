"""The door for Python programs: every shape of a source gives the same report, and what a report gives to a program."""

import io
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import dpkt
import pytest
import scapy.layers.all  # they register the link types
import scapy.utils
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.sendrecv import sniff

from scep_analyzer import LIVE, Analyzer, AnalyzerError, InputError, Report, analyze, stream
from scep_analyzer.events import Ended, Over, Seen
from tests.conftest import ROOT

CAPTURES = ROOT / "captures"
REFUSED = CAPTURES / "scenarios" / "ndes-refused-template.pcap"
SEVERAL = [
    REFUSED,
    CAPTURES / "scenarios" / "ndes-get-enrollment.pcap",
    *sorted((CAPTURES / "implementations").glob("*.pcap"))[:6],
    *sorted((CAPTURES / "field").rglob("*.pcap"))[:4],
    *sorted((CAPTURES / "faults").rglob("*.pcap"))[::60],
]
"""From Ethernet, cooked and raw links; with retransmissions, resets, snaplens, several clients."""
KEYS = CAPTURES / "keys"
needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not here (apt-get install tshark)")

Path = pathlib.Path


def _same(report: Report) -> dict[str, Any]:
    """What must not depend on the shape: all but how the capture was stored."""
    document = report.to_dict()
    for each in document["captures"]:
        for name in ("path", "format", "bytes", "compression"):
            del each[name]
    return document


def _values(report: Report) -> Report:
    """The same of the values themselves, which is more than JSON shows of them, and takes less."""
    captures = tuple(replace(each, path="", format="", bytes=0, compression=None) for each in report.captures)
    return replace(report, captures=captures)


class OnlyRead:
    """As sockets and pipes are: it can be read, and not be taken back."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def read(self, size: int) -> bytes:
        return self._data.read(min(size, 7_001))


def _scapy_list(path: Path) -> object:
    return scapy.utils.rdpcap(str(path))


def _scapy_generator(path: Path) -> object:
    return (each for each in scapy.utils.rdpcap(str(path)))


def _scapy_sniff(path: Path) -> object:
    return sniff(offline=str(path), quiet=True)


def _link_type(path: Path) -> int:
    """From the file header, as pcap(5) has it."""
    with path.open("rb") as file:
        return int(dpkt.pcap.Reader(file).datalink())


def _pairs(path: Path) -> list[tuple[Any, bytes, int]]:
    """As dpkt reads them: times as float, or exact where they have nanoseconds."""
    with path.open("rb") as file:
        reader = dpkt.pcap.Reader(file)
        return [(time, bytes(data), reader.datalink()) for time, data in reader]


def _dpkt(path: Path) -> object:
    return dpkt.pcap.Reader(io.BytesIO(path.read_bytes()))


FILES: dict[str, Callable[[Path], object]] = {
    "path": str,
    "pathlib": lambda path: path,
    "list of one": lambda path: [path],
    "bytes": lambda path: path.read_bytes(),
    "memoryview": lambda path: memoryview(path.read_bytes()),
    "BytesIO": lambda path: io.BytesIO(path.read_bytes()),
    "stream without seek": lambda path: OnlyRead(path.read_bytes()),
    "generator of files": lambda path: (each for each in [io.BytesIO(path.read_bytes())]),
}
PACKETS: dict[str, Callable[[Path], object]] = {
    "(time, bytes, link type)": _pairs,
    "generator of pairs": lambda path: (each for each in _pairs(path)),
    "dpkt": _dpkt,
    "scapy list": _scapy_list,
    "scapy generator": _scapy_generator,
    "scapy reader": lambda path: scapy.utils.PcapReader(io.BytesIO(path.read_bytes())),
    "scapy sniff": _scapy_sniff,
}


@pytest.mark.parametrize("path", SEVERAL, ids=lambda path: path.stem)
def test_every_shape_of_a_capture_gives_the_same_report(path: Path) -> None:
    expected = _values(analyze(str(path)))
    for name, shape in FILES.items():
        assert _values(analyze(shape(path))) == expected, name
    cut = any(wire > len(data) for data, wire in _lengths(path))
    for name, shape in PACKETS.items():
        if cut and "scapy" not in name:  # only scapy tells how long the packets had been
            continue
        assert _values(analyze(shape(path))) == expected, name


def _lengths(path: Path) -> Iterator[tuple[bytes, int]]:
    for data, about in scapy.utils.RawPcapReader(io.BytesIO(path.read_bytes())):
        yield data, about.wirelen


@pytest.mark.parametrize("path", SEVERAL[:6], ids=lambda path: path.stem)
def test_packets_that_are_pushed_give_what_a_stream_gives(path: Path) -> None:
    """As with standard input: what takes a second pass is left out, which these captures do not need."""
    expected = _same(analyze(path))
    analyzer = Analyzer()
    sniff(offline=str(path), prn=analyzer.feed, store=False, quiet=True)
    assert _same(analyzer.close()) == expected
    with Analyzer() as analyzer:
        for time, data, link_type in _pairs(path):
            analyzer.feed(time, data, link_type)
    assert _same(analyzer.close()) == expected


def test_feed_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Scapy prints what ``prn`` gives, unless it is None."""
    sniff(offline=str(REFUSED), prn=Analyzer().feed, store=False, quiet=True)
    assert capsys.readouterr().out == ""


def test_events_come_when_they_are_known() -> None:
    seen: list[tuple[int, type]] = []
    fed = 0

    def note(event: object) -> None:
        seen.append((fed, type(event)))

    analyzer = Analyzer(on_event=note, limits=LIVE)
    for time, data, link_type in _pairs(REFUSED):
        fed += 1
        analyzer.feed(time, data, link_type)
    kinds = [kind for _, kind in seen]
    assert kinds.count(Seen) == 2
    assert seen[kinds.index(Seen)][0] < fed
    analyzer.close()
    assert [kind for _, kind in seen][-1] is Over
    assert Ended in [kind for _, kind in seen]
    with pytest.raises(AnalyzerError, match="closed"):
        analyzer.feed(1, b"")
    assert analyzer.close() is analyzer.close()


def test_a_stream_tells_before_the_last_packet_has_come() -> None:
    given_out = 0

    def packets() -> Iterator[tuple[Any, bytes, int]]:
        nonlocal given_out
        for each in _pairs(REFUSED):
            given_out += 1
            yield each

    events = stream(packets())
    first = next(each for each in events if isinstance(each, Seen))
    assert first.exchange.operation == "GetCACert"
    assert given_out < len(_pairs(REFUSED))
    assert isinstance([*events][-1], Over)


def test_several_captures_are_one() -> None:
    """In order of time, whichever way they are given; frames are counted through."""
    content = REFUSED.read_bytes()
    halves = _halves(content)
    whole = analyze(content)
    for order in (halves, halves[::-1]):
        parts = analyze(order)
        assert len(parts.captures) == 2
        assert [each.frames for each in parts.findings] == [each.frames for each in whole.findings]
    names = [each.path for each in analyze(halves).captures]
    assert len(set(names)) == 2


def _halves(content: bytes) -> list[bytes]:
    records = list(scapy.utils.RawPcapReader(io.BytesIO(content)))
    size = 24 + sum(16 + len(data) for data, _ in records[: len(records) // 2])
    return [content[:size], content[:24] + content[size:]]


_LATEST = (1 << 64) - 1


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.integers(0, _LATEST // 1_000).map(lambda us: us * 1_000) | st.integers(0, _LATEST), min_size=1, max_size=4
    )
)
def test_times_are_exact(times: list[int]) -> None:
    packets = [(Decimal(each).scaleb(-9), b"x" * 60) for each in times]
    (facts,) = analyze(packets).captures
    assert (facts.first_time_ns, facts.last_time_ns, facts.packets) == (min(times), max(times), len(times))


@pytest.mark.parametrize(
    "time",
    [
        1_772_439_300.0002,
        Decimal("1772439300.0002"),
        datetime(2026, 3, 2, 8, 15, 0, 200, UTC),
        "1772439300.000200000",
        "2026-03-02T08:15:00.000200000Z",
    ],
    ids=lambda time: type(time).__name__,
)
def test_forms_of_time(time: object) -> None:
    (facts,) = analyze([(time, bytes(60))]).captures
    assert (facts.first_time_ns, facts.time_digits) == (1_772_439_300_000_200_000, 6)


def test_a_number_of_seconds_may_be_whole() -> None:
    (facts,) = analyze([(1_772_439_300, bytes(60))]).captures
    assert facts.first_time_ns == 1_772_439_300 * 10**9


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (3, "a int is not a capture"),
        ({}, "a dict is not a capture"),
        (None, "a NoneType is not a capture"),
        (io.StringIO("text"), "opened as text"),
        ([(1.0, "text")], "packet 1 is a tuple"),
        ([(None, b"")], "packet 1 has the time None"),
        ([(float("nan"), b"")], "packet 1 has the time nan"),
        ([(-1.0, b"")], "packet 1 has the time -1.0"),
        ([(1_772_439_300_000_000_000, b"")], "give seconds since 1970"),
        ([(datetime(2026, 3, 2), b"")], "a datetime with a time zone"),  # no time zone
        ([(1.0, b"", 70_000)], "packet 1 has the link type 70000"),
        ([(1.0, b""), 5], "packet 2 is a int"),
        ([REFUSED, 5], "a int among them is none"),
        ([scapy.layers.all.Raw(b"x")], "packet 1 is a scapy Raw, which has no link type"),
    ],
    ids=lambda value: (
        value if isinstance(value, str) else type(value).__name__
    ),  # an object's own words hold its address
)
def test_what_is_no_source_is_said_in_one_line(source: object, says: str) -> None:
    with pytest.raises(AnalyzerError, match=says.replace("(", r"\(")) as caught:
        analyze(source)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("source", [b"", b"hello, this is no capture at all", "/nowhere.pcap"])
def test_what_is_no_capture_is_an_input_error(source: object) -> None:
    with pytest.raises(InputError):
        analyze(source)


def test_no_packets_are_an_empty_capture() -> None:
    report = analyze([])
    assert [each.packets for each in report.captures] == [0]
    assert Analyzer().close().exchanges == ()


def test_one_packet() -> None:
    (packet, *_) = scapy.utils.rdpcap(str(REFUSED))
    assert analyze(packet).captures[0].packets == 1


def test_the_link_type_of_packets_that_do_not_tell_theirs() -> None:
    """IP packets without their Ethernet header (LINKTYPE_RAW)."""
    raw = [(time, data[14:]) for time, data, _ in _pairs(REFUSED)]
    assert analyze(raw).exchanges == ()
    assert analyze(raw, link_type=101).outcomes == {"failure": 1}
    classes = [scapy.layers.all.IP(data) for _, data in raw]
    assert len(analyze(classes).exchanges) == 2


def test_errors_of_a_generator_are_its_own() -> None:
    def packets() -> Iterator[tuple[float, bytes]]:
        yield 1.0, bytes(60)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        analyze(packets())


def test_a_capture_too_large_for_memory_is_kept_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    from scep_analyzer.capture import packing

    monkeypatch.setattr(packing, "BOUNDS", packing.BOUNDS._replace(kept_bytes=100))
    assert _same(analyze(iter(_pairs(REFUSED)))) == _same(analyze(REFUSED))


def test_two_threads_do_not_disturb_each_other() -> None:
    paths = [SEVERAL[0], SEVERAL[1], SEVERAL[2], SEVERAL[0]]
    expected = [_same(analyze(path)) for path in paths]
    found: list[dict[str, Any] | None] = [None] * len(paths)
    began = threading.Barrier(len(paths))

    def run(at: int) -> None:
        began.wait()
        for _ in range(3):
            found[at] = _same(analyze(_pairs(paths[at])) if at % 2 else analyze(paths[at]))

    threads = [threading.Thread(target=run, args=(at,)) for at in range(len(paths))]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert found == expected


def test_nothing_is_started_and_nothing_is_left() -> None:
    """No process, no thread, no event loop, no global, even for a large capture; asked of an interpreter of its own."""
    code = """
import asyncio, signal, subprocess, sys, threading, multiprocessing, os
def refuse(*_, **__): raise AssertionError("started")
os.fork = subprocess.Popen.__init__ = threading.Thread.start = multiprocessing.Process.start = refuse
asyncio.new_event_loop = refuse
handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
from scep_analyzer import Analyzer, analyze, engines, stream
engines._WORTH_BYTES = 0
path = sys.argv[1]
report = analyze(path)
list(stream(path))
report.to_json(), report.rows("exchanges"), report._repr_html_()
assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == handlers
print(len(report.exchanges), *sorted({"scapy", "pyshark", "dpkt", "pandas"} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(REFUSED)], capture_output=True, check=False, text=True, cwd=ROOT
    )
    assert (done.stdout, done.stderr) == ("2\n", "")


# -- keys -----------------------------------------------------------------------------------------------------------------


def test_keys_in_every_form() -> None:
    capture = CAPTURES / "scenarios" / "ndes-get-enrollment.pcap"
    path = KEYS / "ra-encryption.pem"
    assert [row["opened"] for row in analyze(capture).rows("messages") if row["direction"] == "request"] == [False]
    for key in (path, str(path), path.read_bytes(), (path, None), (path.read_bytes(), "not needed")):
        (row,) = (each for each in analyze(capture, keys=[key]).rows("messages") if each["direction"] == "request")
        assert (row["opened"], row["csr_subject"]) == (True, "O=Example,CN=r1.example")
    assert "challenge" not in json.dumps(analyze(capture, keys=[path]).rows("messages"))
    with pytest.raises(AnalyzerError, match="no such file"):
        analyze(capture, keys=["/nowhere.pem"])


@needs_tshark
@pytest.mark.parametrize("shape", ["path", "BytesIO", "stream without seek"])
def test_tls_with_a_key_log(shape: str) -> None:
    capture = CAPTURES / "tls" / "http2-strongswan.pcap"
    keylog = capture.with_suffix(".keylog")
    report = analyze(FILES[shape](capture), keylog=keylog)
    assert report.exchanges
    assert all(each.http.tls for each in report.exchanges)
    assert report.captures[0].path == str(capture) or shape != "path"
    assert not report.captures[0].path.startswith(tempfile.gettempdir()) or str(CAPTURES).startswith(
        tempfile.gettempdir()
    )
    assert _same(analyze(capture, keylog=keylog.read_bytes())) == _same(report)


# -- pyshark and display filters ------------------------------------------------------------------------------------------


@needs_tshark
def test_pyshark() -> None:
    """The file behind a capture, and packets with their raw bytes.

    In an interpreter of its own: pyshark starts an event loop and sets a child watcher, which are global.
    """
    code = """
import sys, pyshark
from scep_analyzer import AnalyzerError, analyze, Analyzer
path = sys.argv[1]
def same(report):
    document = report.to_dict()
    del document["captures"]
    return document
with pyshark.FileCapture(path) as capture:
    print(same(analyze(capture)) == same(analyze(path)))
with pyshark.FileCapture(path, display_filter="tcp.stream == 1") as capture:
    print(same(analyze(capture)) == same(analyze(path, display_filter="tcp.stream == 1")))
capture = pyshark.FileCapture(path, use_json=True, include_raw=True)
packets = [each for each in capture]
capture.close()
print(same(analyze(packets)) == same(analyze(path)))
analyzer = Analyzer()
for each in packets: analyzer.feed(each)
print(same(analyzer.close()) == same(analyze(path)))
capture = pyshark.FileCapture(path)
bare = [each for each in capture][:1]
capture.close()
try: analyze(bare)
except AnalyzerError as error: print(error)
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(REFUSED)],
        capture_output=True,
        check=False,
        text=True,
        cwd=ROOT,
    )
    *alike, said = done.stdout.splitlines() or [""]
    assert alike == ["True"] * 4, done.stderr
    assert "use_json=True, include_raw=True" in said


def _tshark(display_filter: str) -> set[int]:
    """The oracle: the frames that tshark itself prints."""
    command = ["tshark", "-r", str(REFUSED), "-Y", display_filter, "-T", "fields", "-e", "frame.number"]
    return set(map(int, subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()))


@needs_tshark
@pytest.mark.parametrize("display_filter", ["tcp.stream == 1", "http", "tcp.len > 0", "udp", "tcp", "frame.number > 6"])
def test_a_display_filter_chooses_the_frames_that_tshark_does(display_filter: str) -> None:
    from scep_analyzer.engines.display_filter import chosen_frames

    frames = _tshark(display_filter)
    assert chosen_frames([str(REFUSED)], display_filter) == frames
    report = analyze(REFUSED, display_filter=display_filter)
    used = {frame for each in report.exchanges if each.http.request for frame in each.http.request.frames}
    assert used <= frames
    (facts,) = report.captures
    assert (facts.packets, facts.left_out) == (23, 23 - len(frames))
    assert report.to_dict()["captures"][0]["complete"] is (len(frames) == 23)
    assert ("display-filter" in {each.code for each in report.anomalies}) is (len(frames) < 23)


@needs_tshark
def test_frame_and_stream_numbers_stay_those_of_the_capture() -> None:
    report = analyze(REFUSED, display_filter="tcp.stream == 1")
    (exchange,) = report.exchanges
    whole = analyze(REFUSED).exchanges[1]
    assert (exchange.http.connection, exchange.http.frame) == (1, whole.http.frame)


@needs_tshark
def test_what_a_filter_left_out_is_not_missing() -> None:
    """Without the server's packets the client seems to get no response; nobody may be blamed for it."""
    report = analyze(REFUSED, display_filter="ip.src == 198.51.100.20")
    rules = {each.rule for each in report.findings}
    assert rules.isdisjoint({"http-no-response", "capture-one-direction", "capture-ends-early", "txn-no-reply"})
    assert "a display filter left out packets" in {each.reason for each in report.not_checked}
    (split,) = [each.detail for each in report.anomalies if each.code == "display-filter-splits"]
    assert "tcp.stream == 0, tcp.stream == 1" in split


@needs_tshark
def test_a_filter_on_several_files_and_on_what_is_no_file(tmp_path: Path) -> None:
    if shutil.which("mergecap") is None:
        pytest.skip("mergecap is not here (apt-get install wireshark-common)")
    paths = [tmp_path / "a.pcap", tmp_path / "b.pcap"]
    for path, half in zip(paths, _halves(REFUSED.read_bytes()), strict=True):
        path.write_bytes(half)
    expected = _same(analyze(REFUSED, display_filter="tcp.stream == 1"))["findings"]
    numbers = [each["frames"] for each in expected]
    assert [each["frames"] for each in _same(analyze(paths, display_filter="tcp.stream == 1"))["findings"]] == numbers
    assert _same(analyze(io.BytesIO(REFUSED.read_bytes()), display_filter="tcp.stream == 1"))["findings"] == expected


@needs_tshark
def test_a_wrong_filter_gives_tsharks_words() -> None:
    with pytest.raises(AnalyzerError, match=r"'htp' cannot be used \(tshark: .*htp.*\)") as caught:
        analyze(REFUSED, display_filter="htp")
    assert "\n" not in str(caught.value)


def test_a_tshark_that_is_killed_is_not_the_end_of_the_capture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By itself, pyshark 0.6 ends without an error then."""
    if sys.platform == "win32":
        pytest.skip("the stand-in is a shell script")
    fake = tmp_path / "tshark"
    fake.write_text(
        "#!/bin/sh\ncase $1 in --version|-v) echo 'TShark (Wireshark) 4.0.17';; *) echo '['; kill -9 $$;; esac\n"
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(AnalyzerError, match="killed by signal 9"):
        analyze(REFUSED, display_filter="tcp")


def test_without_tshark_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(AnalyzerError, match="install"):
        analyze(REFUSED, display_filter="tcp")


@needs_tshark
def test_a_filter_in_a_running_event_loop() -> None:
    """As in a notebook, where pyshark by itself fails (KimiNewt/pyshark#360)."""
    import asyncio

    async def cell() -> Report:
        return analyze(REFUSED, display_filter="tcp.stream == 1")

    assert len(asyncio.run(cell()).exchanges) == 1


# -- what a report gives --------------------------------------------------------------------------------------------------


def test_json_is_that_of_the_command_line(scep_analyzer: Callable[..., Any]) -> None:
    assert json.loads(scep_analyzer("timeline", REFUSED, "-f", "json").out) == analyze(str(REFUSED)).to_dict()


def test_a_notebook_shows_the_verdict() -> None:
    html = analyze(REFUSED)._repr_html_()
    assert "enrollment refused: 0x80094800" in html
    assert "Template not published on the CA" in html
    assert "<script" not in html
    assert len(html) < 20_000


def test_text_from_the_wire_is_escaped_in_a_notebook() -> None:
    """Checked with an HTML parser: no element but those of the template."""
    from html.parser import HTMLParser

    content = REFUSED.read_bytes()
    evil = b"<img src=x onerror=alert(1)>"
    agent = b"Cisco IOS"
    found: set[str] = set()

    class Tags(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.add(tag)
            assert not any(name.startswith("on") for name, _ in attrs)

    for name in ("<img src=x onerror=alert(1)>.pcap", "a.pcap"):
        stream_of = io.BytesIO(content.replace(agent, evil[: len(agent)]))
        stream_of.name = name
        Tags().feed(analyze(stream_of)._repr_html_())
    ours = "div style h3 span p b br dl dt dd ol ul li code table thead tbody tr th td strong"
    assert found <= set(ours.split())


def test_several_enrollments_in_a_notebook() -> None:
    capture = max(CAPTURES.rglob("*.pcap"), key=lambda path: path.stat().st_size)
    html = analyze(capture)._repr_html_()
    assert html.strip().startswith('<div class="scep-analyzer">')


def test_clock_of_the_times() -> None:
    """Text of the tables is a time that Python reads."""
    (row,) = analyze(REFUSED).rows("transactions")
    started, ended = (datetime.fromisoformat(str(row[each])) for each in ("started", "ended"))
    assert row["duration_ms"] == pytest.approx((ended - started) / timedelta(milliseconds=1))
