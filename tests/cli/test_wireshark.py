"""``wireshark``: install, status, uninstall in a home of their own; the overlay in tshark."""

import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from scep_analyzer.wireshark import doctor_line, folders, plugin
from scep_analyzer.wireshark.folders import Folders, cms_crash, version_in
from tests.conftest import ROOT

pytestmark = pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark: apt-get install tshark")

REFUSED = ROOT / "captures/scenarios/ndes-refused-template.pcap"


_version = cache(folders._output)
"""What tshark says of its version, which it is asked once."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home, for which tshark is asked once where its folders are: it takes a third of a second."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    of_home = cache(folders._output)

    def output(path: str, *words: str) -> str:
        return (_version if words == ("--version",) else of_home)(path, *words)

    monkeypatch.setattr(folders, "_output", output)
    return tmp_path


def files_in(folder: Path) -> set[str]:
    return {str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file()}


def test_install_status_uninstall(home: Path, scep_analyzer: Callable[..., Any]) -> None:
    other = home / ".local/lib/wireshark/plugins/other.lua"
    other.parent.mkdir(parents=True)
    other.write_text("-- another plugin")
    before = files_in(home)
    assert "plugin: not installed" in scep_analyzer("wireshark", "status").out
    assert "not installed" in doctor_line()[1]
    for _ in range(2):
        done = scep_analyzer("wireshark", "install", "--profile")
        assert (done.code, done.err) == (0, "")
    assert files_in(home) - before == {
        ".local/lib/wireshark/plugins/scep.lua",
        *(f".config/wireshark/profiles/SCEP/{name}" for name in ("colorfilters", "dfilter_buttons", "preferences")),
    }
    assert "already there" in done.out
    status = scep_analyzer("wireshark", "status").out
    assert "plugin: installed (" in status
    assert "profile SCEP: installed (" in status
    assert "installed (" in doctor_line()[1]
    listed = subprocess.run(["tshark", "-G", "plugins"], capture_output=True, text=True, check=True)
    assert "scep.lua" in listed.stdout
    columns = subprocess.run(["tshark", "-C", "SCEP", "-r", REFUSED], capture_output=True, text=True, check=True)
    assert "CertRep FAILURE badRequest 5C1E83D6A07B4F2990D1E8A6B35C7F42" in columns.stdout  # the profile's columns
    assert scep_analyzer("wireshark", "uninstall", "--profile").code == 0
    assert files_in(home) == before
    assert "nothing to remove" in scep_analyzer("wireshark", "uninstall").out


def test_the_color_rules_and_buttons_are_valid_filters(home: Path, scep_analyzer: Callable[..., Any]) -> None:
    scep_analyzer("wireshark", "install", "--profile")
    profile = home / ".config/wireshark/profiles/SCEP"
    rules = [line.split("@")[2] for line in (profile / "colorfilters").read_text().splitlines()[1:]]
    buttons = [
        line.split('","')[2].replace("\\x22", '"')
        for line in (profile / "dfilter_buttons").read_text().splitlines()[1:]
    ]
    every = " or ".join(f"({each})" for each in rules + buttons)
    subprocess.run(["tshark", "-r", REFUSED, "-Y", every], capture_output=True, check=True)
    assert len(rules) == len(buttons) == 5


def test_files_of_others_are_kept(home: Path, scep_analyzer: Callable[..., Any]) -> None:
    foreign = home / ".local/lib/wireshark/plugins/scep.lua"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("-- somebody else's")
    done = scep_analyzer("wireshark", "install")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "--force" in done.err
    assert "not ours" in scep_analyzer("wireshark", "status").out
    assert "kept, not ours" in scep_analyzer("wireshark", "uninstall").out
    assert foreign.read_text() == "-- somebody else's"
    assert scep_analyzer("wireshark", "install", "--force").code == 0


def test_another_version_is_replaced(home: Path, scep_analyzer: Callable[..., Any]) -> None:
    scep_analyzer("wireshark", "install")
    there = home / ".local/lib/wireshark/plugins/scep.lua"
    there.write_text(there.read_text().replace("VERSION", "OLD_VERSION"))
    assert "another version" in scep_analyzer("wireshark", "status").out
    assert "written" in scep_analyzer("wireshark", "install").out
    assert there.read_bytes() == folders.plugin_path().read_bytes()


def test_a_folder_that_cannot_be_written(home: Path, scep_analyzer: Callable[..., Any]) -> None:
    (home / ".local").write_text("a file where the folder belongs")  # permissions do not stop root
    done = scep_analyzer("wireshark", "install")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert "cannot be written" in done.err


def test_without_tshark(home: Path, monkeypatch: pytest.MonkeyPatch, scep_analyzer: Callable[..., Any]) -> None:
    monkeypatch.setenv("PATH", str(home))
    for action in ("install", "uninstall", "status"):
        done = scep_analyzer("wireshark", action)
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
        assert "tshark" in done.err
        assert "Personal Lua Plugins" in done.err  # how to do it by hand
    assert "no tshark" in doctor_line()[1]


def test_a_tshark_without_lua(home: Path, monkeypatch: pytest.MonkeyPatch, scep_analyzer: Callable[..., Any]) -> None:
    fake = home / "tshark"
    fake.write_text("#!/bin/sh\necho 'Temp:\t/tmp'\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{home}:/bin:/usr/bin")
    done = scep_analyzer("wireshark", "install")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "no folder for Lua plugins" in done.err


def test_folders_of_other_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Wireshark 4.4 prints on Windows: values hold colons."""
    said = "Personal configuration:\tC:\\Users\\a\\AppData\\Roaming\\Wireshark\r\nPersonal Lua Plugins:\tC:\\Users\\a\\plugins\r\n"
    version = "TShark (Wireshark) 4.4.5 (v4.4.5-0-g47253bcf3d8e).\r\n"
    monkeypatch.setattr(folders, "tshark_path", lambda: "tshark")
    monkeypatch.setattr(folders, "_output", lambda _path, *words: said if "-G" in words else version)
    found = folders.find()
    assert found.plugins == Path("C:\\Users\\a\\plugins")
    assert found.version == (4, 4, 5)


@pytest.mark.parametrize(
    ("version", "crash"),
    [
        ((4, 4, 17), ("CVE-2026-76921", "4.4.18")),
        ((4, 4, 18), None),
        ((4, 6, 7), ("CVE-2026-76921", "4.6.8")),
        ((4, 6, 8), None),
        ((4, 0, 17), None),
        ((3, 0, 6), ("CVE-2019-19553", "3.0.7")),
    ],
)
def test_known_crashes_are_named(version: tuple[int, int, int], crash: tuple[str, str] | None) -> None:
    """As in the CVE records: affected from, fixed in."""
    assert cms_crash(version) == crash


def test_status_warns_of_a_crash(
    home: Path, monkeypatch: pytest.MonkeyPatch, scep_analyzer: Callable[..., Any]
) -> None:
    there = Folders("tshark", (4, 6, 2), home / "plugins", home / "configuration", home)
    (home / plugin.PLUGIN).write_text("")
    monkeypatch.setattr(folders, "find", lambda: there)
    out = scep_analyzer("wireshark", "status").out
    assert "CVE-2026-76921" in out
    assert "Update to 4.6.8" in out
    assert "exists too" in out  # the shared folder has one


def test_versions() -> None:
    assert version_in("TShark (Wireshark) 4.0.17 (Git v4.0.17 packaged as 4.0.17-0+deb12u3).") == (4, 0, 17)
    assert version_in("TShark 4.6.8.") == (4, 6, 8)
    assert version_in("") is None


def overlaid(capture: Path, script: Path, *fields: str, twice: bool = False) -> list[list[str]]:
    words = [word for each in fields for word in ("-e", each)]
    command = [
        "tshark",
        "-n",
        *(["-2"] if twice else []),
        "-r",
        capture,
        "-X",
        f"lua_script:{script}",
        "-Y",
        "scepan || _ws.lua.error",
    ]
    out = subprocess.check_output([*command, "-T", "fields", *words], text=True)
    return [line.split("\t") for line in out.splitlines()]


def test_the_overlay_speaks_about_its_capture_only(
    home: Path, tmp_path: Path, scep_analyzer: Callable[..., Any]
) -> None:
    script = tmp_path / "overlay.lua"
    assert scep_analyzer("wireshark", "overlay", REFUSED, "-o", script).code == 0
    first = script.read_bytes()
    scep_analyzer("wireshark", "overlay", REFUSED, "-o", script, "--force")
    assert script.read_bytes() == first  # the same capture, the same script
    rows = overlaid(REFUSED, script, "frame.number", "scepan.outcome", "scepan.finding", "scepan.request_in", "_ws.lua.error")  # fmt: skip
    report = scep_analyzer("diagnose", REFUSED, "-f", "json", "--fail-on", "never").json
    root = next(each["rule"] for each in report["findings"] if each["root_cause"])
    response = next(row for row in rows if row[0] == "19")
    assert response[1] == "failure"
    assert root in response[2].split(",")
    assert response[3] == "15"
    assert not any(row[4] for row in rows)
    # As the window of Wireshark does it: every frame is read before one is shown.
    assert overlaid(REFUSED, script, "frame.number", twice=True) == [row[:1] for row in rows]


def test_the_overlay_is_silent_about_captures_that_begin_alike(
    home: Path, tmp_path: Path, scep_analyzer: Callable[..., Any]
) -> None:
    script = tmp_path / "overlay.lua"
    scep_analyzer("wireshark", "overlay", REFUSED, "-o", script)
    spoken = [int(row[0]) for row in overlaid(REFUSED, script, "frame.number")]
    data = REFUSED.read_bytes()
    last = 24
    places = []
    while last < len(data):
        places.append(last)
        last += 16 + int.from_bytes(data[last + 8 : last + 12], "little")
    middle = places[9] + 16 + 40  # in the TCP header of frame 10, which the overlay says nothing about
    others = {
        "one frame less": data[: places[-1]],
        "one frame more": data + data[places[-1] :],
        "another frame 10": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
    }
    assert 10 not in spoken
    for name, content in others.items():
        other = tmp_path / "other.pcap"
        other.write_bytes(content)
        assert overlaid(other, script, "frame.number", twice=True) == [], name
    # Read once, what is in front of the difference is not another capture's yet.
    assert [int(row[0]) for row in overlaid(other, script, "frame.number")] == [each for each in spoken if each < 10]
    for known in ("scenarios/ndes-get-enrollment.pcap", "implementations/strongswan-scepserver-post.pcap"):
        assert overlaid(ROOT / "captures" / known, script, "frame.number", twice=True) == []


def test_the_findings_are_expert_items(home: Path, tmp_path: Path, scep_analyzer: Callable[..., Any]) -> None:
    script = tmp_path / "overlay.lua"
    scep_analyzer("wireshark", "overlay", REFUSED, "-o", script, "--min-severity", "error")
    command = ["tshark", "-n", "-r", REFUSED, "-X", f"lua_script:{script}", "-q", "-z", "expert,error"]
    out = subprocess.check_output(command, text=True)
    report = scep_analyzer("diagnose", REFUSED, "-f", "json", "--fail-on", "never").json
    for each in report["findings"]:
        assert (each["title"] in out) is (each["severity"] == "error"), each["rule"]


def test_mistakes_of_the_overlay_are_one_line(tmp_path: Path, scep_analyzer: Callable[..., Any]) -> None:
    text = tmp_path / "text"
    text.write_text("no capture")
    for capture, code in ((text, 3), (tmp_path, 3), ("-", 2)):
        done = scep_analyzer("wireshark", "overlay", capture, "-o", tmp_path / "x.lua")
        assert (done.code, done.out, done.err.count("\n")) == (code, "", 1)
    assert scep_analyzer("wireshark").code == 2
