"""``live``: the timeline while it happens."""

import argparse
import contextlib
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from scep_analyzer.analysis import Analysis
from scep_analyzer.capture import interfaces
from scep_analyzer.cli import privileges
from scep_analyzer.cli.fleet import add_metrics_argument
from scep_analyzer.cli.options import add_common_arguments, keys_of, secrets_of
from scep_analyzer.cli.output import created, output_of
from scep_analyzer.cli.timeline import positive, tell, write_lines
from scep_analyzer.engines.live import LiveEngine
from scep_analyzer.model.anomalies import AnalyzerError, InputError
from scep_analyzer.model.limits import LIVE
from scep_analyzer.report import Files

if TYPE_CHECKING:
    from scep_analyzer.capture.interfaces import Sniffer
    from scep_analyzer.events import Event
    from scep_analyzer.model.tls import Secrets


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "-i",
        "--interface",
        action="append",
        required=True,
        metavar="IFACE",
        help="where to capture; repeatable (`doctor` lists them)",
    )
    parser.add_argument(
        "--filter",
        metavar="BPF",
        help="capture only this, for example 'host 192.0.2.1' (man pcap-filter); all by default",
    )
    parser.add_argument("-w", "--write", metavar="FILE", help="keep the packets, for later and for Wireshark")
    parser.add_argument(
        "--user",
        metavar="NAME",
        help="become this user once the capture is open, where root captures (default: who called sudo; root: stay root)",
    )
    parser.add_argument("--duration", type=_seconds, metavar="SECONDS", help="end after this time")
    parser.add_argument("--stop-after", type=positive, metavar="N", help="end after N transactions")
    parser.add_argument(
        "-f", "--format", choices=("text", "jsonl"), default="text", help="what to print (default: text)"
    )
    add_metrics_argument(parser)
    add_common_arguments(parser, idle=("--engine", "--no-pager"))


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < threading.TIMEOUT_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; give seconds, 60 for a minute")
    return seconds


def run(options: argparse.Namespace) -> int:
    """Capture and tell until Ctrl-C, the time is up, or enough has been seen. Ctrl-C is the way to end it, not a fault: exit code 0."""
    if options.display_filter:
        raise AnalyzerError(
            "live chooses packets while they are captured: use --filter, or keep all with -w FILE and read the file with --display-filter"
        )
    account = privileges.account_of(options.user)
    keys, secrets = keys_of(options), _secrets(options)
    metrics = None
    if options.metrics is not None:
        from scep_analyzer.fleet.metrics import Metrics

        metrics = Metrics()
        metrics.serve(options.metrics)
    with contextlib.ExitStack() as held:
        stream = held.enter_context(output_of(options, as_is=options.format == "jsonl", at_once=True))
        keep = held.enter_context(created(options.write, force=options.force)) if options.write is not None else None
        sniffer = interfaces.sniff(options.interface, options.filter)
        held.callback(sniffer.stop)
        held.enter_context(_ending(sniffer, options.duration))
        reader = _without_root(sniffer, account, options)
        engine = LiveEngine(
            sniffer.stream, ", ".join(options.interface), secrets, _at_once(keep) if keep is not None else None
        )
        analysis = Analysis([], engine, keys=keys, secrets=secrets, limits=LIVE)
        _say(
            f"capturing on {', '.join(options.interface)} with {sniffer.program}{reader}; Ctrl-C ends it with a summary"
        )
        events = _until(analysis.events(), sniffer, options.stop_after)
        if metrics is not None:
            events = metrics.take(events)
        try:
            if options.format == "jsonl":
                write_lines(options, events, Files(engine.facts), stream, at_once=True)
            else:
                tell(options, events, stream)
        except InputError as error:  # the capture program gave no capture
            raise AnalyzerError(sniffer.ended() or str(error)) from error
        why = sniffer.ended()
        if why is None and not any(each.packets for each in engine.facts):
            _say(
                f"no packet came by on {', '.join(options.interface)}; `scep-analyzer doctor` lists the interfaces, `-i any` takes all"
            )
        if why is not None:
            if not engine.facts or not engine.facts[0].packets:
                raise AnalyzerError(why)
            _say(why)
    return 0


def _without_root(sniffer: "Sniffer", account: privileges.Account | None, options: argparse.Namespace) -> str:
    """Give root up; files that are written are open already. Gives the words that say so."""
    if account is None:
        return ""
    who = account.name or f"user {account.uid}"
    if not privileges.may_read(account, __file__, os.__file__):  # what is imported from now on
        if options.user is None:
            return f", read as root ({who} may not read the program's files)"
        raise AnalyzerError(f"{who} may not read the program's files; install it for everybody, or use --user root")
    if options.keylog is not None and not privileges.may_read(account, options.keylog):
        raise AnalyzerError(f"{options.keylog}: {who} may not read it; let {who} read it, or use --user root")
    if not sniffer.yield_root():
        return ", read as root, which it needs to stay"
    privileges.become(account)
    return f", read as {who}"


def _secrets(options: argparse.Namespace) -> "Secrets":
    """The key log may be empty, or not be there yet: the client that writes it has still to start."""
    from scep_analyzer.model.tls import NO_SECRETS, Secrets

    if options.keylog is None:
        return NO_SECRETS  # an RSA key alone: whether there is TLS for it is known at the end only
    try:
        Path(options.keylog).touch()
        begun = Path(options.keylog).stat().st_size > 0
    except OSError as error:
        raise AnalyzerError(
            f"{options.keylog}: cannot be made ({error.strerror}); give a file that the client may write"
        ) from error
    return secrets_of(options) if begun else Secrets(options.keylog)


def _at_once(file: io.BufferedWriter) -> Callable[[bytes], None]:
    """Write so that Wireshark can open the file meanwhile."""

    def write(piece: bytes) -> None:
        file.write(piece)
        file.flush()

    return write


def _say(text: str) -> None:
    from scep_analyzer.render.safe import safe

    sys.stderr.write(f"scep-analyzer: {safe(text)}\n")
    sys.stderr.flush()


@contextlib.contextmanager
def _ending(sniffer: "Sniffer", seconds: float | None) -> Iterator[None]:
    """Ctrl-C and the end of the time stop the capture; what was captured is still told. A second Ctrl-C ends at once."""
    asked = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        sniffer.stop()

    before = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
    timer = threading.Timer(seconds, sniffer.stop) if seconds is not None else None
    if timer is not None:
        timer.daemon = True
        timer.start()
    try:
        yield
    finally:
        if timer is not None:
            timer.cancel()
        for each, handler in before.items():
            signal.signal(each, handler)


def _until(events: "Iterable[Event]", sniffer: "Sniffer", transactions: int | None) -> "Iterator[Event]":
    """Hand the events on; stop the capture when as many transactions have ended."""
    from scep_analyzer.events import Ended

    for event in events:
        yield event
        if isinstance(event, Ended) and event.number == transactions:
            sniffer.stop()
