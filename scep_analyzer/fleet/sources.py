"""Files, folders, patterns and URLs → captures: which files there are, and which of them are one capture."""

import glob
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from scep_analyzer.capture.files import ENDINGS_OF_CAPTURES
from scep_analyzer.model.anomalies import AnalyzerError, InputError

BACKENDS = {
    "s3": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "sftp": "paramiko",
    "ssh": "paramiko",
    "smb": "smbprotocol",
}
"""What fsspec needs for each protocol (fsspec.registry.known_implementations)."""
_PIECE = 1 << 20


class File(NamedTuple):
    """A file as it was found. ``size`` is None for what is no file (a pipe, a device); ``version`` changes when the content does."""

    url: str
    size: int | None
    version: str


class Capture(NamedTuple):
    """One capture: a file, or the files of a ring buffer in order."""

    files: tuple[File, ...]

    @property
    def key_of_name(self) -> str:
        """A stand-in for the SHA-256 of a capture whose bytes could not be read."""
        named = "\0".join(f"{each.url}\0{each.size}\0{each.version}" for each in self.files)
        return hashlib.sha256(f"not read\0{named}".encode("utf-8", "surrogateescape")).hexdigest()


def find(sources: Sequence[str], *, each: bool = False) -> list[Capture]:
    """The captures that are meant, in order of their names. ``each``: every file is one, also those of a ring buffer.

    Raises InputError for a source that is not there, AnalyzerError where the package for a protocol is missing.
    """
    files: dict[str, File] = {}
    for source in sources:
        found = list(_remote(source) if "://" in source else _local(source))
        if not found:
            raise InputError(f"{source}: no captures there; name files ending in .pcap, .pcapng or .cap")
        files |= {file.url: file for file in found}
    ordered = sorted(files.values())
    return [Capture((file,)) for file in ordered] if each else rings(ordered)


def is_capture_name(name: str) -> bool:
    """Whether a file in a folder is a capture, by its name."""
    lower = name.lower()
    return lower.endswith(ENDINGS_OF_CAPTURES) or _COUNTED.search(lower) is not None


def _local(source: str) -> Iterator[File]:
    try:
        path = Path(source)
        if path.is_dir():
            yield from (
                local_file(each) for each in path.rglob("*") if is_capture_name(each.name) and not each.is_dir()
            )
        elif path.exists():
            yield local_file(path)
        elif glob.has_magic(source):
            found = (Path(each) for each in glob.iglob(source, recursive=True))  # noqa: PTH207  # absolute patterns too
            yield from (local_file(each) for each in found if not each.is_dir())
        else:
            raise InputError(f"{source}: no such file; give captures, folders, patterns or URLs")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise InputError(f"{source}: cannot be read ({why}); give captures, folders, patterns or URLs") from error


def local_file(path: Path) -> File:
    """A file of this machine. One that cannot be looked at is there as well: reading it says why."""
    name = str(path.absolute())
    try:
        facts = path.stat()
    except OSError:
        return File(name, 0, "")
    return File(name, facts.st_size if path.is_file() else None, str(facts.st_mtime_ns))


def _remote(source: str) -> Iterator[File]:
    fs, path = file_system(source)
    try:
        if glob.has_magic(path):
            found = fs.glob(path, detail=True)
        elif fs.isdir(path):
            found = {name: facts for name, facts in fs.find(path, detail=True).items() if is_capture_name(name)}
        else:
            found = {path: fs.info(path)}
    except Exception as error:  # every backend has errors of its own
        raise InputError(
            f"{source}: cannot be read ({error or type(error).__name__}); check address and login"
        ) from error
    for name, facts in found.items():
        if facts.get("type") != "directory":
            yield File(fs.unstrip_protocol(name), int(facts.get("size") or 0), _version(facts))


def _version(facts: dict[str, Any]) -> str:
    named = (
        facts.get(each) for each in ("ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified", "created")
    )
    return str(next((each for each in named if each is not None), ""))


def file_system(url: str) -> tuple[Any, str]:
    """The file system of a URL and the path in it."""
    import fsspec

    protocol = url.partition("://")[0].lower()
    try:
        fs, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        package = BACKENDS.get(protocol, "the package for it")
        raise AnalyzerError(f"{protocol}:// needs a package that is not installed: pip install {package}") from error
    except ValueError as error:
        raise AnalyzerError(f"{url}: {error}; use a path, or s3://, gs://, az://, sftp://, smb://") from error
    except Exception as error:
        raise InputError(
            f"{url}: cannot be reached ({error or type(error).__name__}); check address and login"
        ) from error
    return fs, path


def opened(file: File) -> BinaryIO:
    """The bytes of a file."""
    if "://" not in file.url:
        return Path(file.url).open("rb")
    fs, path = file_system(file.url)
    stream: BinaryIO = fs.open(path, "rb")
    return stream


def pieces(file: File) -> Iterator[bytes]:
    """The bytes of a file, a megabyte at a time."""
    with opened(file) as stream:
        while piece := stream.read(_PIECE):
            yield piece


def digest_of(file: File) -> str:
    """SHA-256 of a file."""
    digest = hashlib.sha256()
    for piece in pieces(file):
        digest.update(piece)
    return digest.hexdigest()


def key_of(digests: Sequence[str]) -> str:
    """The key of a capture: the SHA-256 of its file; of several, the SHA-256 of their SHA-256, in order."""
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


# -- ring buffers -----------------------------------------------------------------------------------------------------------

_PACKED = r"(?P<packed>\.(?:gz|zst|lz4|xz|bz2))?"
_NUMBERED = re.compile(
    # dumpcap -b: NAME_00001_20260101120000.pcapng, and with nametimenum:2 NAME_20260101120000_00001.pcapng
    r"(?P<name>.*)_(?:(?P<number>\d{5,})_(?P<time>\d{14})|(?P<time2>\d{14})_(?P<number2>\d{5,}))"
    rf"(?P<ending>(?:\.[a-z]+)?){_PACKED}",
    re.IGNORECASE,
)
_COUNTED = re.compile(rf"(?P<name>.*\.(?:p?cap(?:ng)?|dmp))(?P<number>\d+){_PACKED}$", re.IGNORECASE)
"""tcpdump -C: x.pcap, x.pcap1, x.pcap2; with -W x.pcap0, x.pcap1."""


class _Place(NamedTuple):
    """Where a file is in which ring buffer."""

    ring: tuple[str, ...]
    time: str
    number: int


def rings(files: Iterable[File]) -> list[Capture]:
    """Files of one ring buffer as one capture each. A number that is missing ends a capture: packets are missing there.

    A file without a byte is one on its own: it would make a capture of the whole ring unreadable.
    """
    files = list(files)
    placed = sorted(((_place(each.url), each) for each in files if each.size != 0), key=lambda each: (each[0], each[1]))
    captures = [Capture((each,)) for each in files if each.size == 0]
    for _, theirs in groupby(placed, key=lambda each: each[0].ring):
        run: list[File] = []
        last = None
        for place, file in theirs:
            if last is not None and place.number != last + 1:
                captures.append(Capture(tuple(run)))
                run = []
            run.append(file)
            last = place.number
        captures.append(Capture(tuple(run)))
    return sorted(captures)


def _place(url: str) -> _Place:
    folder, name = url[: -len(_name(url))], _name(url)
    match = _NUMBERED.fullmatch(name)
    if match:
        number, time = match["number"] or match["number2"], match["time"] or match["time2"]
        return _Place((folder, match["name"], match["ending"], "dumpcap"), time, int(number[:18]))
    match = _COUNTED.fullmatch(name)
    if match:
        return _Place((folder, match["name"], "", "tcpdump"), "", int(match["number"][:18]))
    return _Place((folder, re.sub(r"(?i)\.(?:gz|zst|lz4|xz|bz2)$", "", name), "", "tcpdump"), "", 0)


def ring_of(path: Path) -> tuple[tuple[str, ...], tuple[str, int]]:
    """The ring buffer of a file, and its place in it."""
    place = _place(str(path))
    return place.ring, (place.time, place.number)


def _name(url: str) -> str:
    return re.split(r"[/\\]", url)[-1]
