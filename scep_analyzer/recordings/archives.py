"""Archives (zip, tar) of captures, logs or recordings: what is in them is written to a temporary folder and read as several files.

An archive is bounded by what it unpacks to and by its number of files, never by what it claims; names in it never become paths.
"""

import contextlib
import re
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NamedTuple, cast

from scep_analyzer.capture.files import opened_bytes
from scep_analyzer.capture.source import Source
from scep_analyzer.model.anomalies import InputError
from scep_analyzer.model.limits import BOUNDS
from scep_analyzer.recordings.saz import MAGIC, ZIP_ERRORS, is_saz

_TAR_AT, _TAR = 257, b"ustar"
_START = 8192
_CHUNK = 1 << 20
_BESIDE = re.compile(
    r"(?:^|/)(?:\.(?!\.?/)|__MACOSX/)|\.(?:txt|md|pdf|png|jpe?g|docx?|xlsx?|key|pem|crt|cer|keylog)$", re.IGNORECASE
)
"""What people pack beside captures, and what macOS adds."""


class Unpacked(NamedTuple):
    """Files to be read instead of the paths that were given, and what they are called."""

    paths: list[str]
    names: dict[str, str]
    folder: Path | None
    """Holds the files; who reads them removes it."""


def unpacked(paths: list[str]) -> Unpacked:
    """Replace archives by the files in them. InputError where one cannot be read, is too large or has nothing to read."""
    kinds = [_kind_at(path) for path in paths]
    if not any(kinds):
        return Unpacked(paths, {}, None)
    folder = Path(tempfile.mkdtemp(prefix="scep-analyzer-"))
    read: list[str] = []
    names: dict[str, str] = {}
    try:
        for path, kind in zip(paths, kinds, strict=True):
            if kind is None:
                read.append(path)
                continue
            members = list(_members(path, kind, folder, len(names)))
            if not members:
                raise InputError(
                    f"{path}: a {kind} archive without a capture; give one that holds pcap or pcapng files"
                )
            for written, name in members:
                read.append(written)
                names[written] = f"{path}/{name}"
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return Unpacked(read, names, folder)


def _kind_at(path: str) -> str | None:
    """Zip or tar, by the content; tar may be compressed."""
    with contextlib.suppress(InputError, OSError, ValueError):
        if not Path(path).is_file():
            return None
        with opened_bytes(path) as stream:
            source = Source(stream)
            start = source.peek(_START)
        if start.startswith(MAGIC) and not is_saz(start):
            return "zip"
        if start[_TAR_AT : _TAR_AT + len(_TAR)] == _TAR:
            return "tar"
    return None


def _members(path: str, kind: str, folder: Path, before: int) -> Iterator[tuple[str, str]]:
    """Write each file of an archive into the folder, under a number: a name in an archive may be ``../../x``."""
    room = BOUNDS.archive_bytes
    try:
        for count, (name, stream) in enumerate(_OPENERS[kind](path)):
            if count >= BOUNDS.archive_files:
                raise InputError(
                    f"{path}: an archive of more than {BOUNDS.archive_files:,} files; unpack it and give the folder"
                )
            plain = PurePosixPath(name.replace("\\", "/")).name
            written = folder / f"{before + count:04}"
            with written.open("wb") as out:
                while chunk := stream.read(_CHUNK):
                    room -= len(chunk)
                    if room < 0:
                        raise InputError(
                            f"{path}: an archive that unpacks to more than {BOUNDS.archive_bytes >> 20:,} MB; unpack it and give the folder"
                        )
                    out.write(chunk)
            yield str(written), plain
    except InputError:
        raise
    except (*ZIP_ERRORS, tarfile.TarError) as error:
        raise InputError(
            f"{path}: a {kind} archive that is cut or damaged ({str(error)[:80] or type(error).__name__}); make it again"
        ) from error


def _of_zip(path: str) -> Iterator[tuple[str, Any]]:
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if entry.is_dir() or _BESIDE.search(entry.filename):
                continue
            if entry.flag_bits & 1:
                raise InputError(f"{path}: a zip archive protected by a password; unpack it and give the files")
            with archive.open(entry) as stream:
                yield entry.filename, stream


def _of_tar(path: str) -> Iterator[tuple[str, Any]]:
    with (
        opened_bytes(path) as below,
        tarfile.open(fileobj=cast(BinaryIO, _Reader(Source(below))), mode="r|") as archive,
    ):
        for entry in archive:
            if entry.isfile() and not _BESIDE.search(entry.name):
                stream = archive.extractfile(entry)
                if stream is not None:
                    yield entry.name, stream


_OPENERS = {"zip": _of_zip, "tar": _of_tar}


class _Reader:
    """A source as a file that is read forward: whatever compression it has is undone within its bounds."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def read(self, size: int) -> bytes:
        """The next bytes; OSError where the compressed stream is damaged."""
        content = self._source.read(size)
        if len(content) < size and self._source.damage is not None:
            raise OSError(self._source.damage)
        return content
