"""TCP segments and stream events in few words, for the tests of the stages."""

from collections.abc import Iterable, Iterator

from scep_analyzer.http1.exchanges import Pairing
from scep_analyzer.model.anomalies import Anomaly
from scep_analyzer.model.packets import ACK, FIN, RST, SYN, Endpoint, Segment, key_of
from scep_analyzer.model.streams import Closed, Connection, ConnectionFacts, Data, Direction
from scep_analyzer.scep.exchanges import Interpreter, Out
from scep_analyzer.tcp.connections import Reassembler

CLIENT, SERVER = Endpoint("10.0.0.1", 40000), Endpoint("10.0.0.2", 80)
CLIENT_ISN, SERVER_ISN = 1000, 9000
CONNECTION = Connection(0, CLIENT, SERVER, opening_seen=True)
FLAGS = {"S": SYN, "A": ACK, "F": FIN, "R": RST}


def segment(
    frame: int,
    side: str,
    flags: str,
    offset: int = 0,
    payload: bytes = b"",
    acknowledged: int = 0,
    cut: int = 0,
    time_ns: int | None = None,
    stream: int = 0,
) -> Segment:
    """A segment of the client (``C``) or server (``S``); offsets count from the first byte after the SYN."""
    from_client = side == "C"
    own, other = (CLIENT_ISN, SERVER_ISN) if from_client else (SERVER_ISN, CLIENT_ISN)
    syn = "S" in flags
    return Segment(
        frame,
        frame * 1_000_000 if time_ns is None else time_ns,
        key_of(CLIENT, SERVER) if from_client else key_of(SERVER, CLIENT),
        (own + offset + (0 if syn else 1)) % 2**32,
        (other + 1 + acknowledged) % 2**32 if "A" in flags else 0,
        sum(FLAGS[each] for each in flags),
        payload,
        cut,
        stream,
        ident=frame,  # each packet its own, as hosts do
    )


def handshake() -> list[Segment]:
    """SYN, SYN-ACK, ACK in frames 1 to 3."""
    return [segment(1, "C", "S"), segment(2, "S", "SA"), segment(3, "C", "A")]


def data(side: str, content: bytes, frame: int, offset: int = 0, acknowledged: int | None = None) -> Data:
    """Bytes in order, as reassembly gives them."""
    direction = Direction.FROM_CLIENT if side == "C" else Direction.FROM_SERVER
    return Data(CONNECTION, direction, content, frame, frame * 1_000_000, offset, acknowledged)


def closed(side: str, how: str = "fin", frame: int = 99) -> Closed:
    """The end of a direction."""
    direction = Direction.FROM_CLIENT if side == "C" else Direction.FROM_SERVER
    return Closed(CONNECTION, direction, how, frame, frame * 1_000_000)


def decoded(segments: Iterable[Segment | Anomaly]) -> Iterator[Out | Anomaly]:
    """What the stages behind TCP make of segments, without the facts of connections, which are no exchanges."""
    paired = Pairing().over(Reassembler().over(segments))
    return Interpreter().over(each for each in paired if not isinstance(each, ConnectionFacts))
