"""Wireshark's display filters, through pyshark: which frames of a capture one chooses.

pyshark builds tshark's command and reads its JSON. What goes wrong there is kept out (pyshark 0.6, measured in docs/design.md): it needs no
event loop, which a notebook has already and Python 3.14 has no child watcher for; and tshark is started here, so that its exit status
is read: pyshark takes a tshark that is killed for the end of the capture.
"""

from collections.abc import Coroutine
from typing import Any

from scep_analyzer.engines import tshark_rows
from scep_analyzer.engines.tshark_rows import StoppedError
from scep_analyzer.model.anomalies import AnalyzerError

_LONGEST = 30_000
"""Characters of a filter: Windows gives a program 32,767 for all its arguments, Linux 131,071 bytes for one."""
_SHOWN = 120


def chosen_frames(paths: list[str], display_filter: str) -> frozenset[int]:
    """The frames that a display filter chooses, numbered through all files; AnalyzerError with tshark's words where it cannot tell."""
    tshark_rows.refuse_pipes(paths)
    tshark = tshark_rows.usable()
    shown = repr(display_filter if len(display_filter) <= _SHOWN else f"{display_filter[:_SHOWN]}…")
    if len(display_filter) > _LONGEST or "\0" in display_filter:
        why = f"has more than {_LONGEST:,} characters" if len(display_filter) > _LONGEST else "has a NUL"
        raise AnalyzerError(f"the display filter {shown} cannot be given to tshark: it {why}")
    with tshark_rows.one_file(paths) as path:
        try:
            return frozenset(_frames(tshark, path, display_filter))
        except (StoppedError, UnicodeError) as error:
            raise AnalyzerError(
                f"the display filter {shown} cannot be used (tshark: {error}); its language is man wireshark-filter's"
            ) from error


def _frames(tshark: str, path: str, display_filter: str) -> list[int]:
    import pyshark
    from packaging.version import Version

    class Capture(pyshark.FileCapture):  # type: ignore[misc]  # pyshark ships no types
        """pyshark's capture with a tshark that is ours."""

        async def _get_tshark_process(self, packet_count: int | None = None, stdin: Any = None) -> Any:  # noqa: ARG002  # pyshark's
            command = [tshark, "-l", "-n", "-T", "json", "--no-duplicate-keys", "-j", "frame", *self.get_parameters()]
            return _Tshark(command)

        def _get_tshark_version(self) -> Version:
            return Version(
                ".".join(map(str, tshark_rows.OLDEST))
            )  # or newer: a look at it takes as long as a small capture

    capture = Capture(path, display_filter=display_filter, use_json=True, keep_packets=False, eventloop=_Straight())
    return [int(each.frame_info.number) for each in capture]


class _Straight:
    """What pyshark uses of an event loop. Its coroutines wait for nothing but our process, which is read as it comes."""

    def run_until_complete(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        try:
            coroutine.send(None)
        except StopIteration as ended:
            return ended.value
        coroutine.close()
        raise AnalyzerError("this version of pyshark waits for an event loop; install pyshark 0.6")


class _Tshark:
    """What pyshark uses of a process: ``stdout``, which is this as well."""

    def __init__(self, command: list[str]) -> None:
        self._ended = True
        self._running = tshark_rows.started(command)
        self._ended = False

    @property
    def stdout(self) -> "_Tshark":
        return self

    async def read(self, size: int) -> bytes:
        """The next bytes; at the end StoppedError unless tshark says that it has read all of the capture."""
        stream = self._running.child.stdout
        assert stream is not None  # noqa: S101  # a pipe was asked for
        piece: bytes = stream.read1(size)  # type: ignore[attr-defined]  # it is a BufferedReader
        if not piece and not self._ended:
            self._ended = True
            tshark_rows.ended(self._running, whole=True)
        return piece

    def __del__(self) -> None:
        if not self._ended:
            self._ended = True
            tshark_rows.ended(self._running, whole=False)
