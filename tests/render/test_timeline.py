"""The timeline on paper: layout on captures of the corpus, and what hostile values become."""

import io
import re
from dataclasses import replace

import pytest

from scep_analyzer import analyze
from scep_analyzer.render import Look, renderer
from scep_analyzer.report import Report
from scep_analyzer.story.narrator import story_of
from tests.conftest import CAPTURES

LOOK = Look()
CASES = ["ndes-get-enrollment", "ndes-refused-template", "server-stopped"]


def _report(stem: str) -> Report:
    return analyze(str(next(path for path in CAPTURES if path.stem == stem)))


def _printed(report: Report, look: Look = LOOK) -> str:
    out = io.StringIO()
    renderer("timeline", "text").whole(story_of(report), out, look)
    return out.getvalue()


@pytest.mark.parametrize("width", [40, 80, 160])
@pytest.mark.parametrize("stem", CASES)
def test_lines_fit(stem: str, width: int) -> None:
    assert max(map(len, _printed(_report(stem), Look(width=width)).splitlines())) <= width


def test_consoles_without_unicode_get_ascii() -> None:
    printed = _printed(_report("server-stopped"), Look(ascii_only=True))
    assert printed.isascii()
    assert "-->" in printed
    assert "<--" in printed
    assert "--x connection attempt" in printed


def test_color_adds_escape_sequences_and_nothing_else() -> None:
    plain, colored = (_printed(_report("server-stopped"), Look(color=color)) for color in (False, True))
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == plain
    assert "\x1b[" in colored


def test_quiet_prints_headlines_and_verbose_repeats() -> None:
    report = _report("scepclient-scepserver-post")
    quiet, usual, verbose = (_printed(report, look) for look in (Look(quiet=True), Look(), Look(verbose=True)))
    assert "Certificate issued" in quiet
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
    printed = _printed(replace(report, exchanges=(hostile,), transactions=(transaction,), members=((1,),)))
    assert not set(printed) & {"\x1b", "\x07", "\u202e"}
    assert "\\x1b" in printed
    assert "[bold red]x[/]" in printed.replace("\n", "")


def test_times_in_local_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        printed = _printed(_report("ndes-get-enrollment"), Look(zone=None))
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()
    assert "17:15:00.000800" in printed
    assert "local time" in " ".join(printed.split())
