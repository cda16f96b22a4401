"""Putting the plugin and the profile where Wireshark looks, taking them away again, and saying what is there. Touches nothing else."""

from enum import Enum
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from scep_analyzer.model.anomalies import AnalyzerError
from scep_analyzer.wireshark.folders import Folders

PLUGIN, PROFILE = "scep.lua", "SCEP"
_OURS = b"-- SCEP (RFC 8894) in Wireshark and tshark"
_PROFILE_FILES = ("colorfilters", "dfilter_buttons", "preferences")


class State(Enum):
    """What a file of ours is, compared with the one in this package."""

    ABSENT = "not installed"
    CURRENT = "installed"
    OTHER = "installed, of another version of scep-analyzer or changed"
    FOREIGN = "not ours"


class File(NamedTuple):
    """A file that belongs to the installation: where, and what should be in it."""

    path: Path
    content: bytes

    @property
    def state(self) -> State:
        """What is there now. A file that cannot be read is not ours."""
        try:
            there = self.path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return State.ABSENT
        except OSError:
            return State.FOREIGN
        if there == self.content:
            return State.CURRENT
        mark = _OURS if self.path.name == PLUGIN else _mark(self.content)
        return State.OTHER if there.startswith(mark) else State.FOREIGN


def _mark(content: bytes) -> bytes:
    return content.split(b"\n", 1)[0]


def plugin_file(folders: Folders) -> File:
    """The plugin in the personal folder."""
    return File(folders.plugins / PLUGIN, files(__package__).joinpath(PLUGIN).read_bytes())


def profile_files(folders: Folders) -> list[File]:
    """The files of the profile."""
    folder = folders.configuration / "profiles" / PROFILE
    source = files(__package__).joinpath("profile")
    return [File(folder / name, source.joinpath(name).read_bytes()) for name in _PROFILE_FILES]


def install(wanted: list[File], *, force: bool) -> list[File]:
    """Write the files that are absent or of another version; gives those written. Foreign files are kept without ``force``."""
    for each in wanted:
        if each.state is State.FOREIGN and not force:
            raise AnalyzerError(
                f"{each.path}: exists already and is not scep-analyzer's; use --force to overwrite it, or rename it"
            )
    written = [each for each in wanted if each.state is not State.CURRENT]
    for each in written:
        try:
            each.path.parent.mkdir(parents=True, exist_ok=True)
            each.path.write_bytes(each.content)
        except OSError as error:
            raise AnalyzerError(
                f"{each.path}: cannot be written ({error.strerror}); check the permissions of this folder"
            ) from error
    return written


def uninstall(wanted: list[File]) -> tuple[list[File], list[File]]:
    """Remove the files that are ours, and the profile's folder where it is empty then; gives those removed and those kept."""
    removed = [each for each in wanted if each.state in (State.CURRENT, State.OTHER)]
    kept = [each for each in wanted if each.state is State.FOREIGN]
    for each in removed:
        try:
            each.path.unlink()
            if each.path.parent.name == PROFILE and not any(each.path.parent.iterdir()):
                each.path.parent.rmdir()
        except OSError as error:
            raise AnalyzerError(
                f"{each.path}: cannot be removed ({error.strerror}); check the permissions of this folder"
            ) from error
    return removed, kept
