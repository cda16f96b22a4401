"""Where Wireshark keeps its files, as ``tshark -G folders`` tells, and which Wireshark it is."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from scep_analyzer.model.anomalies import AnalyzerError

Version = tuple[int, int, int]
OLDEST: Version = (4, 0, 0)

_USUAL_PLACES = {
    "win32": (r"C:\Program Files\Wireshark\tshark.exe",),
    "darwin": ("/Applications/Wireshark.app/Contents/MacOS/tshark",),
}
_CMS_CRASHES: tuple[tuple[str, Version, Version], ...] = (
    ("CVE-2026-76921", (4, 6, 0), (4, 6, 8)),
    ("CVE-2026-76921", (4, 4, 0), (4, 4, 18)),
    ("CVE-2019-19553", (3, 0, 0), (3, 0, 7)),
    ("CVE-2019-19553", (2, 6, 0), (2, 6, 13)),
)
"""Crashes of Wireshark's CMS dissector: name, first version that has it, first that has it no more (CVE records, wnpa-sec advisories)."""


class Folders(NamedTuple):
    """One installation of Wireshark. ``version`` is None where the program does not tell it."""

    tshark: str
    version: Version | None
    plugins: Path
    """Personal Lua plugins."""
    configuration: Path
    """Personal configuration; profiles are in ``profiles`` below it."""
    shared_plugins: Path | None
    """Lua plugins of all users."""


def tshark_path() -> str | None:
    """Give tshark on PATH, or where Wireshark's installer puts it on Windows and macOS."""
    places = _USUAL_PLACES.get(sys.platform, ())
    return shutil.which("tshark") or next((each for each in places if Path(each).is_file()), None)


def find() -> Folders:
    """Ask tshark; AnalyzerError where there is none, or where it does not tell."""
    path = tshark_path()
    if path is None:
        raise AnalyzerError(
            "tshark is not installed or not on PATH, and only it knows Wireshark's folders; install it (Debian, Ubuntu: "
            "`apt-get install tshark`; Windows, macOS: it comes with Wireshark), or copy "
            f"{plugin_path()} into Wireshark's folder Help > About Wireshark > Folders > Personal Lua Plugins"
        )
    said = _output(path, "-G", "folders")
    folders = {
        name.strip(): Path(value.strip())
        for name, _, value in (line.partition(":") for line in said.splitlines())
        if value.strip()
    }
    plugins, configuration = folders.get("Personal Lua Plugins"), folders.get("Personal configuration")
    if plugins is None or configuration is None:
        raise AnalyzerError(
            f"{path} names no folder for Lua plugins, so it was built without Lua or is older than 4.0; install Wireshark 4.0 or newer"
        )
    return Folders(
        tshark=path,
        version=version_in(_output(path, "--version")),
        plugins=plugins,
        configuration=configuration,
        shared_plugins=folders.get("Global Lua Plugins"),
    )


def version_in(text: str) -> Version | None:
    """The version in what ``tshark --version`` prints."""
    found = re.search(r"\bT?[Ss]hark\b.*?(\d+)\.(\d+)\.(\d+)", text.splitlines()[0] if text else "", re.IGNORECASE)
    return (int(found[1]), int(found[2]), int(found[3])) if found is not None else None


def cms_crash(version: Version) -> tuple[str, str] | None:
    """The known crash of this version's CMS dissector and the version that ends it, None where none is known."""
    for name, first, fixed in _CMS_CRASHES:
        if first <= version < fixed:
            return name, ".".join(map(str, fixed))
    return None


def plugin_path() -> Path:
    """The plugin inside this package."""
    return Path(__file__).with_name("scep.lua")


def _output(path: str, *arguments: str) -> str:
    try:
        done = subprocess.run([path, *arguments], capture_output=True, timeout=60, check=True)  # noqa: S603  # the program found
    except (OSError, subprocess.SubprocessError) as error:
        raise AnalyzerError(
            f"{path} {' '.join(arguments)} does not run ({type(error).__name__}); reinstall Wireshark"
        ) from error
    return done.stdout.decode("utf-8", "replace")
