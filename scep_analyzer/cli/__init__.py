"""The command line: arguments, exit codes, and where output goes. One module a command.

Only argparse is imported here: ``--help`` and ``--version`` should feel instant. A command imports what it needs when it runs.
"""

import contextlib
import gc
import sys
from collections.abc import Sequence
from importlib import import_module

from scep_analyzer.cli import environment
from scep_analyzer.cli.parser import USAGE, Parser
from scep_analyzer.version import __version__

COMMANDS = {
    "answer": "the answer first: verdict, cause and fix of one enrollment, the table of several (the default)",
    "timeline": "the annotated story: transactions, exchanges with frames and times, decoded contents",
    "show": "one exchange in full depth: HTTP, the CMS layers, attributes, certificates, each field named and explained",
    "list": "one line per enrollment, equal causes grouped above; -f csv, json or jsonl: one row per enrollment",
    "diagnose": "what went wrong: root cause first, evidence, causes in order, what to do",
    "explain": "a rule, a word of SCEP, or a code (HRESULT, HTTP status, OID, event, …) explained; glossary",
    "decode": "one SCEP message without a capture: DER, PEM, base64, hex, a URL, a query string, a log line",
    "extract": "certificates, CRLs, requests and messages of a capture as files, with an index",
    "report": "one HTML page for the ticket: verdict, diagrams, every step, findings, certificates; no network needed",
    "annotate": "the same packets as pcapng, with comments on the SCEP frames for Wireshark; --strip takes them out again",
    "wireshark": "the plugin that gives Wireshark and tshark scep.* fields: install, uninstall, status; overlay: our findings in it",
    "fleet": "thousands of captures into one set of Parquet tables, on one machine or a Dask cluster; report, watch",
    "live": "the timeline while it happens: captures on an interface, tells each exchange and what was found",
    "doctor": "what this installation can do; --schema prints the JSON Schema of the output",
}

_MODULES = {"list": "listing"}
"""Modules with another name than their command: a module ``list`` would hide Python's own here."""

OK, INPUT, INTERRUPTED = 0, 3, 130


def _parser() -> tuple[Parser, dict[str, Parser]]:
    parser = Parser(
        prog="scep-analyzer",
        description="Give it a packet capture; it tells the story of every SCEP certificate enrollment in it.",
        epilog="`scep-analyzer CAPTURE` is the same as `scep-analyzer answer CAPTURE`. "
        "Exit codes: 0 analysed, 1 diagnose found a fault, 2 usage, 3 input, 130 interrupted, "
        "141 whoever read the output has gone (head).",
    )
    parser.add_argument("--version", action="version", version=f"scep-analyzer {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)
    return parser, {name: commands.add_parser(name, help=text, description=text) for name, text in COMMANDS.items()}


def _no_such_word(word: str, *, alone: bool) -> tuple[str, int] | None:
    """What is wrong with a first word that is no command, and the exit code; None where it is a file, or is judged later."""
    from scep_analyzer.cli.suggest import nearest

    if word.startswith("-"):
        option = nearest(word, ("--help", "--version")) if alone else None
        return (f"unknown option: {word}; did you mean {option}?", USAGE) if option is not None else None
    from pathlib import Path

    try:
        if Path(word).exists():
            return None
    except (OSError, ValueError):  # too long for a name, a NUL in it
        return None
    if not word.replace("-", "").isalpha():
        return None  # it looks like a file, and is told as one that is missing
    command = nearest(word, COMMANDS)
    if command is not None:
        return f"no command and no file is called {word}; did you mean `scep-analyzer {command}`?", USAGE
    hint = "give the path of a capture (pcap or pcapng), or a command: `scep-analyzer --help` lists them"
    return f"no file and no command is called {word}; {hint}", INPUT


def _command_among(captures: Sequence[str]) -> str | None:
    """The command that stands behind an option, where it was read as the name of a capture: ``--utc timeline CAPTURE``."""
    import os.path

    return next((each for each in captures if each in COMMANDS and not os.path.exists(each)), None)  # noqa: PTH110  # any name


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; gives the exit code of the contract."""
    if arguments is None:  # a process of its own
        # What the stages make dies by its count of references: looking for cycles took a tenth of the time.
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)
    try:
        closed = environment.prepared(own_process=arguments is None)
        try:
            code = _run(list(sys.argv[1:] if arguments is None else arguments), closed)
        except SystemExit as ended:  # --help, --version, wrong usage; rich makes this of a broken pipe
            if isinstance(ended.__context__, BrokenPipeError):
                raise ended.__context__ from None
            sys.stdout.flush()
            raise
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        # What was printed so far stays; a second Ctrl-C, or nobody who reads, leaves it at that.
        with contextlib.suppress(OSError, KeyboardInterrupt):
            sys.stdout.flush()
        environment.forget_output()
        return INTERRUPTED
    except Exception as error:
        from scep_analyzer.model.anomalies import AnalyzerError

        if isinstance(error, AnalyzerError):
            return _told(str(error), error.exit_code)
        if isinstance(error, MemoryError):
            return _told("there is not enough memory; read fewer files at a time, or with -f jsonl", USAGE)
        if environment.reader_is_gone(error):  # head, a pager: it has seen enough
            environment.forget_output()
            return environment.BROKEN_PIPE
        if isinstance(error, OSError) and error.errno in environment.UNWRITABLE:
            environment.forget_output()
            return _told(f"the output cannot be written ({error.strerror}); give another place with -o", USAGE)
        raise


def console() -> None:
    """The console script: runs the program and ends the process.

    What must happen at the end happens (output is written, other processes and temporary files are gone); taking 300 modules apart,
    which is a seventh of a short run, does not.
    """
    code: str | int | None
    try:
        try:
            code = main()
        finally:
            environment.ending()
    except SystemExit as error:
        code = error.code
    except KeyboardInterrupt:  # between two lines of main's own
        environment.ending()
        code = INTERRUPTED
    import atexit
    import os

    threading = sys.modules.get("threading")
    if not isinstance(code, int | None) or (threading is not None and threading.active_count() > 1):
        sys.exit(code)  # a thread still works, or the code is a sentence for standard error
    atexit._run_exitfuncs()  # what os._exit leaves out; there is no other name for it
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # closed, full, or nobody reads: main has said so where it matters
            continue
    os._exit(code or 0)


def _told(line: str, code: int) -> int:
    """Say what is wrong, in the one line that the contract promises, after what was found before."""
    from scep_analyzer.render.safe import safe

    try:
        sys.stdout.flush()
    except OSError:
        environment.forget_output()
    try:
        print(f"scep-analyzer: {safe(line)}", file=sys.stderr, flush=True)  # noqa: T201  # the one line
    except OSError:  # nobody can be told; the exit code still says it
        environment.forget_output(sys.stderr)
    return code


def _run(words: list[str], closed: frozenset[int]) -> int:
    implied = bool(words) and words[0] not in COMMANDS and words[0] not in ("-h", "--help", "--version")
    if implied:
        wrong = _no_such_word(words[0], alone=len(words) == 1)
        if wrong is not None:
            return _told(*wrong)
        words.insert(0, "answer")
    parser, by_name = _parser()
    name = words[0] if words and words[0] in COMMANDS else None
    module = import_module(f"scep_analyzer.cli.{_MODULES.get(name, name)}") if name is not None else None
    if module is not None and name is not None:
        module.add_arguments(by_name[name])
        words = getattr(module, "completed", list)(words)
    options = parser.parse_args(words)
    if implied and (late := _command_among(options.capture)) is not None:
        return _told(f"no file is called {late}; the command comes first: `scep-analyzer {late} …`", USAGE)
    environment.check(options, closed)
    return int(module.run(options)) if module is not None else OK
