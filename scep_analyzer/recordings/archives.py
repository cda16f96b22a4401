"""Archives (zip, tar) of captures, logs or recordings: what is in them is written to a temporary folder and read as several files.

An archive is bounded by what it unpacks to and by its number of files, never by what it claims; names in it never become paths.
"""

import contextlib
import re
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NamedTuple, cast

from scep_analyzer.capture.files import NO_STREAMS, STANDARD_INPUT, is_capture, looked_at, opened_bytes
from scep_analyzer.capture.source import Source
from scep_analyzer.model.anomalies import InputError
from scep_analyzer.model.limits import BOUNDS
from scep_analyzer.recordings.saz import MAGIC, ZIP_ERRORS, is_saz

_TAR_AT, _TAR = 257, b"ustar"
_START = 8192
_ENOUGH = 512
"""Bytes of a header of tar."""
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


def unpacked(paths: list[str], streams: Mapping[str, Any] = NO_STREAMS) -> Unpacked:
    """Replace archives by the files in them. InputError where one cannot be read, is too large or has nothing to read.

    ``streams`` are inputs that are open already, by the name that stands for them in ``paths``.
    """
    kinds = [_kind_at(path, streams) for path in paths]
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
            called = "standard input" if path == STANDARD_INPUT else path
            whole = _put_aside(streams[path], folder, called) if path in streams else path
            members = list(_members(called, whole, kind, folder, len(names)))
            if whole != path:
                Path(whole).unlink()
            if not members:
                raise InputError(
                    f"{called}: a {kind} archive without a capture; give one that holds pcap or pcapng files"
                )
            for written, name in members:
                read.append(written)
                names[written] = f"{called}/{name}"
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return Unpacked(read, names, folder)


def _kind_at(path: str, streams: Mapping[str, Any]) -> str | None:
    """Zip or tar, by the content; tar may be compressed."""
    if path in streams:
        return looked_at(streams[path], _kind_in)
    with contextlib.suppress(InputError, OSError, ValueError):
        if Path(path).is_file():
            with opened_bytes(path) as stream:
                return _kind_in(Source(stream))
    return None


def _kind_in(source: Source) -> str | None:
    if not source.need(len(MAGIC)) or is_capture(source.at_hand(_START)):
        return None  # a pipe that still grows is not waited for
    if source.at_hand(len(MAGIC)) == MAGIC:
        return None if is_saz(source.peek(_START)) else "zip"
    return "tar" if _is_tar(source.peek(_ENOUGH)) else None


def _is_tar(start: bytes) -> bool:
    return start[_TAR_AT : _TAR_AT + len(_TAR)] == _TAR


def _put_aside(stream: Any, folder: Path, called: str) -> str:
    """An archive that is no file as one: a zip archive is read from its end."""
    if hasattr(stream, "rewind"):
        stream.rewind()
    path, piece, room = folder / "archive", bytearray(_CHUNK), BOUNDS.archive_bytes
    with path.open("wb") as out:
        while count := stream.readinto(piece):
            room -= count
            if room < 0:
                raise InputError(
                    f"{called}: an archive of more than {BOUNDS.archive_bytes >> 20:,} MB; give it as a file"
                )
            out.write(memoryview(piece)[:count])
    return str(path)


def _members(path: str, whole: str, kind: str, folder: Path, before: int) -> Iterator[tuple[str, str]]:
    """Write each file of an archive into the folder, under a number: a name in an archive may be ``../../x``.

    ``path`` is what the archive is called, ``whole`` where it is.
    """
    room = BOUNDS.archive_bytes
    try:
        for count, (name, stream) in enumerate(_OPENERS[kind](whole, path)):
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


def _of_zip(whole: str, path: str) -> Iterator[tuple[str, Any]]:
    with zipfile.ZipFile(whole) as archive:
        for entry in archive.infolist():
            if entry.is_dir() or _BESIDE.search(entry.filename):
                continue
            if entry.flag_bits & 1:
                raise InputError(f"{path}: a zip archive protected by a password; unpack it and give the files")
            with archive.open(entry) as stream:
                yield entry.filename, stream


def _of_tar(whole: str, path: str) -> Iterator[tuple[str, Any]]:  # noqa: ARG001  # as _of_zip
    with (
        opened_bytes(whole) as below,
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
