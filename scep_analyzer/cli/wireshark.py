"""``wireshark``: the Lua plugin that gives Wireshark and tshark ``scep.*`` fields, and the overlay with our findings."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from scep_analyzer.cli.options import Target, add_common_arguments
from scep_analyzer.cli.output import least_of
from scep_analyzer.cli.reading import one_report
from scep_analyzer.model.anomalies import AnalyzerError
from scep_analyzer.model.findings import Severity

_PROFILE_HELP = "the profile SCEP too: columns, color rules, filter buttons"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    texts = {
        "install": "put scep.lua into Wireshark's folder for personal Lua plugins",
        "uninstall": "take it away again",
        "status": "say which Wireshark is there and what is installed",
    }
    for name, text in texts.items():
        action = actions.add_parser(name, help=text, description=text)
        if name != "status":
            action.add_argument("--profile", action="store_true", help=_PROFILE_HELP)
        if name == "install":
            action.add_argument("--force", action="store_true", help="overwrite files of these names that are not ours")
    text = "write the findings of a capture as a Lua script that Wireshark shows as expert items and fields"
    overlay = actions.add_parser("overlay", help=text, description=text)
    overlay.add_argument("capture", metavar="CAPTURE", help="the capture")
    add_common_arguments(
        overlay,
        Target(help="the script to write, FILE.lua", required=True),
        idle=(
            "--all",
            "--utc",
            "--local",
            "--quiet",
            "--verbose",
            "--show-secrets",
            "--width",
            "--color",
            "--no-pager",
        ),
    )


def run(options: argparse.Namespace) -> int:
    """Do it and say what was done."""
    lines = {"install": _install, "uninstall": _uninstall, "status": _status, "overlay": _overlay}[options.action]
    from scep_analyzer.render.safe import safe

    for line in lines(options):
        print(safe(line))  # noqa: T201  # the command's result
    return 0


def _install(options: argparse.Namespace) -> Iterator[str]:
    from scep_analyzer.wireshark import folders, plugin

    found = folders.find()
    if found.version is not None and found.version < folders.OLDEST:
        raise AnalyzerError(
            f"{found.tshark} is Wireshark {_dotted(found.version)}; the plugin needs 4.0 or newer: install that first"
        )
    wanted = [plugin.plugin_file(found), *(plugin.profile_files(found) if options.profile else [])]
    written = plugin.install(wanted, force=options.force)
    for each in wanted:
        yield f"{'written' if each in written else 'already there'}: {each.path}"
    yield "Restart Wireshark, or choose Analyze > Reload Lua Plugins. Then filter for scep."
    if options.profile:
        yield f"Choose the profile {plugin.PROFILE} at the right end of the status bar, or start `wireshark -C {plugin.PROFILE}`."
    yield from _warnings(found)


def _uninstall(options: argparse.Namespace) -> Iterator[str]:
    from scep_analyzer.wireshark import folders, plugin

    found = folders.find()
    wanted = [plugin.plugin_file(found), *(plugin.profile_files(found) if options.profile else [])]
    removed, kept = plugin.uninstall(wanted)
    for each in removed:
        yield f"removed: {each.path}"
    for each in kept:
        yield f"kept, not ours: {each.path}"
    if not removed and not kept:
        yield f"nothing to remove: {wanted[0].path} does not exist"


def _status(_options: argparse.Namespace) -> Iterator[str]:
    from scep_analyzer.wireshark import folders, plugin

    found = folders.find()
    yield f"Wireshark {_dotted(found.version)} ({found.tshark})"
    file = plugin.plugin_file(found)
    yield f"plugin: {file.state.value} ({file.path})"
    profile = plugin.profile_files(found)
    states = {each.state for each in profile}
    state = next(iter(states)).value if len(states) == 1 else "installed, changed since"
    yield f"profile {plugin.PROFILE}: {state} ({profile[0].path.parent})"
    if file.state in (plugin.State.ABSENT, plugin.State.OTHER):
        yield "To install this version: scep-analyzer wireshark install"
    yield from _warnings(found)


def _warnings(found: "object") -> Iterator[str]:
    from scep_analyzer.wireshark import folders, plugin

    assert isinstance(found, folders.Folders)  # noqa: S101  # for mypy: the annotation would import it
    if found.shared_plugins is not None and (found.shared_plugins / plugin.PLUGIN).exists():
        yield f"Warning: {found.shared_plugins / plugin.PLUGIN} exists too; Wireshark reports an error when both are loaded. Remove one."
    crash = folders.cms_crash(found.version) if found.version is not None else None
    if crash is not None:
        yield (
            f"Warning: this Wireshark's CMS dissector can crash on hostile messages ({crash[0]}), and the plugin gives it all SCEP "
            f"messages. Update to {crash[1]} or newer before you open captures from strangers."
        )


def _overlay(options: argparse.Namespace) -> Iterator[str]:
    from scep_analyzer.capture.files import CaptureFiles
    from scep_analyzer.cli.output import opened
    from scep_analyzer.model.packets import Packet
    from scep_analyzer.wireshark import overlay

    report = one_report(options.capture, options)
    least = least_of(options, Severity.INFO)
    findings = tuple(each for each in report.findings if each.severity.rank <= least.rank)
    frames = overlay.frames_of(report, findings)
    packets = (each for each in CaptureFiles([options.capture]).packets() if isinstance(each, Packet))
    script, count = overlay.script(Path(options.capture).name, frames, packets)
    with opened(options.output, force=options.force) as stream:
        stream.write(script)
    yield f"findings: {len(findings)}, frames: {count:,}, written to {options.output}"
    yield f"Open the capture with it: wireshark -X lua_script:{options.output} {options.capture}"


def _dotted(version: tuple[int, int, int] | None) -> str:
    return ".".join(map(str, version)) if version is not None else "of unknown version"
