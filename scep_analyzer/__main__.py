"""Python -m scep_analyzer."""

import signal

if __name__ == "__main__":
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C while importing ends the process without a traceback
    from scep_analyzer.cli import console

    signal.signal(signal.SIGINT, before)
    console()
