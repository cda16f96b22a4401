"""The engine in this process: capture → link → tcp → http1."""

from collections.abc import Callable, Iterator

from scep_analyzer.capture.files import CaptureFiles
from scep_analyzer.http1.exchanges import Pairing
from scep_analyzer.link.decode import Decoder
from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.exchanges import HttpExchange
from scep_analyzer.model.packets import CaptureFacts
from scep_analyzer.model.streams import ConnectionFailure
from scep_analyzer.tcp.connections import Reassembler


class BuiltinEngine:
    """Pure Python, one pass, bounded memory."""

    name = "builtin"

    def __init__(self, paths: list[str], on_bytes: Callable[[int], None] | None = None) -> None:
        self._files = CaptureFiles(paths, on_bytes)

    @property
    def facts(self) -> list[CaptureFacts]:
        """What is known of each file."""
        return self._files.facts

    def exchanges(self) -> Iterator[HttpExchange | ConnectionFailure | Anomaly]:
        """Run the stages over the packets."""
        segments = Decoder().over(self._files.packets())
        return Pairing().over(Reassembler().over(segments))
