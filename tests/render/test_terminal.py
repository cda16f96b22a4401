"""The timeline on paper: wording and layout on captures of the corpus, and what hostile values become.

The golden outputs hold the wording; that the values in them are right is for tests/corpus to prove.
"""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from scep_analyzer import analyze
from scep_analyzer.render import terminal
from scep_analyzer.render.terminal import Style
from scep_analyzer.report import Report
from tests.conftest import CAPTURES

GOLDEN = Path(__file__).parent / "golden"
CASES = ["ndes-get-enrollment", "ndes-refused-template", "server-stopped"]


def _report(stem: str) -> Report:
    return analyze(str(next(path for path in CAPTURES if path.stem == stem)))


def _printed(report: Report, width: int = 80, style: Style | None = None, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    console = Console(file=stream, width=width, color_system=None, highlight=False, markup=False, emoji=False)
    terminal.render(report, console, style or Style())
    stream.flush()
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("stem", CASES)
def test_whole_output(stem: str) -> None:
    """To accept a change after reading it: ``make golden``."""
    assert _printed(_report(stem)) == (GOLDEN / f"{stem}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [40, 80, 160])
@pytest.mark.parametrize("stem", CASES)
def test_lines_fit(stem: str, width: int) -> None:
    assert max(map(len, _printed(_report(stem), width).splitlines())) <= width


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_consoles_without_unicode_get_ascii(encoding: str) -> None:
    printed = _printed(_report("server-stopped"), encoding=encoding)
    assert printed.isascii()
    assert "-->" in printed
    assert "<--" in printed
    assert "--x connection attempt" in printed


def test_quiet_prints_headlines_and_verbose_repeats() -> None:
    report = _report("scepclient-scepserver-post")
    quiet, usual, verbose = (
        _printed(report, style=style) for style in (Style(quiet=True), Style(), Style(verbose=True))
    )
    assert "Enrollment succeeded" in quiet
    assert "GetCACaps" not in quiet
    assert verbose.count("Go-http-client") > usual.count("Go-http-client") == 1


def test_hostile_values_cannot_steer_the_terminal() -> None:
    report = _report("scepclient-wrong-challenge")
    evil = "\x1b]0;owned\x07\x1b[2J[bold red]x[/]\u202e"
    exchange = report.exchanges[0]
    request = exchange.http.request
    assert request is not None
    http = exchange.http._replace(request=request._replace(headers=(("User-Agent", evil),), target="/" + evil))
    hostile = exchange._replace(http=http, message_parameter=evil)
    transaction = report.transactions[0]._replace(exchanges=(hostile,), subject=evil, transaction_id=evil)
    printed = _printed(replace(report, exchanges=(hostile,), transactions=(transaction,)))
    assert not set(printed) & {"\x1b", "\x07", "\u202e"}
    assert "\\x1b" in printed
    assert "[bold red]x[/]" in printed.replace("\n", "")


def test_times_in_local_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        printed = _printed(_report("ndes-get-enrollment"), style=Style(zone=None))
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()
    assert "17:15:00.000800" in printed
    assert "local time" in " ".join(printed.split())
