"""What the plugin should show for a capture, from the builtin engine; and the captures it is tried with."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from scep_analyzer.analysis import Analysis
from scep_analyzer.model.exchanges import Request, Response
from scep_analyzer.model.scep import PkiMessage
from scep_analyzer.model.tls import NO_SECRETS, Secrets
from tests.conftest import CAPTURES, ROOT
from tests.reports import report_of

SCRIPT = ROOT / "scep_analyzer" / "wireshark" / "scep.lua"
FAULTS = sorted((ROOT / "captures" / "faults").glob("*/*.pcap*"))
EVERY = [*CAPTURES, *(each for each in FAULTS if each not in CAPTURES)]


class Shown(NamedTuple):
    """A pkiMessage as its frame shows it; absent is an empty string, as tshark prints it."""

    frame: int
    message_type: str
    pki_status: str
    fail_info: str
    transaction_id: str
    sender_nonce: str
    recipient_nonce: str


FIELDS = ("frame.number", *(f"scep.{name}" for name in Shown._fields[1:]))


def messages(
    path: Path, secrets: Secrets = NO_SECRETS, engine: str = "builtin"
) -> Iterator[tuple[Shown, PkiMessage, Request | Response]]:
    """The pkiMessages that our engine reads, at the frame that completes each."""
    # Without secrets, which only captures of TLS may have, the builtin engine is the one that is chosen anyway.
    tls = "tls" in path.parts
    report = Analysis([str(path)], engine, secrets=secrets).report() if tls else report_of(path)
    for exchange in report.exchanges:
        for http, message in ((exchange.http.request, exchange.request), (exchange.http.response, exchange.reply)):
            if http is not None and message is not None:
                yield _shown(max(http.frames), message), message, http


def _shown(frame: int, message: PkiMessage) -> Shown:
    def text(value: object) -> str:
        return "" if value is None else str(value)

    return Shown(
        frame=frame,
        message_type=text(message.message_type),
        pki_status=text(message.pki_status),
        fail_info=text(message.fail_info),
        transaction_id=text(message.transaction_id),
        sender_nonce=text(message.sender_nonce),
        recipient_nonce=text(message.recipient_nonce),
    )
