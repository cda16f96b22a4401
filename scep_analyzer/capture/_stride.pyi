"""The compiled part of :mod:`scep_analyzer.capture.skim`, where it was built."""

def form_of(
    big_endian: bool,
    header: int,
    unit: int,
    interface: bytes,
    comment: bytes,
    ethertype: int,
    link: int,
    vlan: bool,
    usual: int,
    most: int,
    tame: dict[bytes, bool],
    starts: frozenset[bytes],
    tunnels: bytes,
    /,
) -> object:
    """What :func:`over` is to know of the records of an interface. ``ethertype`` -1: there is no link header."""

def over(
    form: object, buffer: bytearray, at: int, stop: int, /
) -> tuple[int, int, int, int, int, tuple[bytes, int, int, int, bytes, int, int, int, int] | None]:
    """Step over records from ``at`` on, up to one that matters or is not plain.

    Gives where it came to, how many records it used up, the lowest, the highest and the last of their times (ticks) and, where
    the last of them matters, what a Segment holds after frame and time.
    """
