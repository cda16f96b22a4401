"""The bytes of messages for commands that show or write them: they are put aside, so that memory does not grow with them."""

import io
import tempfile
from functools import partial

from scep_analyzer.model.anomalies import AnalyzerError
from scep_analyzer.model.limits import BOUNDS
from scep_analyzer.model.scep import Kept


class Spool:
    """A temporary file without a name, readable by this user alone; what is small stays in memory. It is gone when the process is."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=BOUNDS.spool_bytes)  # noqa: SIM115  # closed below

    def __enter__(self) -> "Spool":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def keep(self, content: bytes) -> Kept:
        """Put bytes aside; gives what reads them again."""
        try:
            at = self._file.seek(0, io.SEEK_END)
            self._file.write(content)
        except OSError as error:
            where = f"the temporary folder {tempfile.gettempdir()} cannot be written ({error.strerror})"
            raise AnalyzerError(f"{where}; set TMPDIR to a folder with room for the messages") from error
        return partial(self._read, at, len(content))

    def _read(self, at: int, size: int) -> bytes:
        self._file.seek(at)
        return self._file.read(size)
