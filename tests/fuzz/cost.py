"""What an input may cost: a run over 2 s of the processor or 64 MB more memory is a finding, as an exception is.

The processor's time counts, not the clock's: other programs at work change nothing. Memory is the most that the process held during
the run, over what it held before; Linux tells both.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SECONDS, GROWTH = 2.0, 64 * 1024 * 1024
_RESET_PEAK = "5"
"""What makes /proc/PID/clear_refs begin the peak again (proc(5))."""


class CostlyError(Exception):
    """An input took more than it may."""


@contextmanager
def bounded() -> Iterator[None]:
    """Raise :class:`CostlyError` where what is done inside takes too much. What imports something belongs before it."""
    Path("/proc/self/clear_refs").write_text(_RESET_PEAK, encoding="ascii")
    before, began = _memory("VmRSS:"), time.process_time()
    yield
    took, grew = time.process_time() - began, _memory("VmHWM:") - before
    if took > SECONDS or grew > GROWTH:
        raise CostlyError(f"{took:.2f} s of the processor, {grew / 1e6:.0f} MB of memory")


def _memory(name: str) -> int:
    """Bytes of a line of /proc/self/status."""
    return 1024 * int(Path("/proc/self/status").read_text(encoding="ascii").partition(name)[2].split()[0])
