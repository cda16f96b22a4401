"""The compiled part of :mod:`scep_analyzer.capture.skim`, where it was built."""

from array import array
from collections.abc import Callable, Iterable
from typing import Any

CONTRACT: int

def form_of(
    big_endian: bool,
    header: int,
    unit: int,
    multiply: int,
    offset: int,
    interface: bytes,
    comment: bytes,
    ethertype: int,
    link: int,
    vlan: bool,
    usual: int,
    most: int,
    tame: dict[bytes, bool],
    starts: bytes,
    regular: object,
    tunnels: bytes,
    /,
) -> object:
    """What :func:`over` is to know of the records of an interface. ``ethertype`` -1: there is no link header.

    A time is ``ticks * multiply + offset`` nanoseconds; ``multiply`` 0: it cannot be told so. ``starts``: four bytes each, in order.
    """

def over(
    form: object, buffer: bytearray, at: int, reach: int, stop: int, frame: int, /
) -> tuple[int, int, int, int, int, tuple[Any, ...] | None]:
    """Step over records from ``at`` on, up to one that matters or is not plain, or that begins at ``reach``.

    ``stop`` is where the bytes end, ``frame`` the number of the record before.

    Gives where it came to, how many records it used up, the lowest, the highest and the last of their times (ticks) and, where
    the last of them matters, what a ``Segment`` holds after frame and time, or the fields of a ``Joined``.
    """

def looks_other(
    content: bytes,
    response: bool,
    methods: Iterable[bytes],
    hints: Iterable[bytes],
    types: Iterable[bytes],
    bodies: Iterable[bytes],
    /,
) -> bool | tuple[int, bytes] | None:
    """For tests: whether bytes are a whole request (then its length and target) or a response that is certainly not SCEP's."""

class Regular:
    """Connections that are not followed and whose course is regular so far: what ``sieve.flows.Flows`` would do with them."""

    def __new__(
        cls,
        young: dict[bytes, Any],
        old: dict[bytes, Any],
        counts: array[int],
        met_tls: Callable[[bytes, int], None],
        passes: Callable[[bytes, bytes], bool],
        most_young: int,
        most_held: int,
        seed: int,
        methods: Iterable[bytes],
        hints: Iterable[bytes],
        types: Iterable[bytes],
        bodies: Iterable[bytes],
        /,
    ) -> Regular: ...
    def release(self, key: bytes, /) -> tuple[Any, ...] | None:
        """Everything that is kept of a key's connection, which is forgotten here."""

    def age(self, young: dict[bytes, Any], old: dict[bytes, Any], /) -> int:
        """Make this generation the old one, as ``Flows`` does; gives how many open connections are forgotten."""

    def holding(self) -> list[bytes]:
        """The keys of connections whose requests are held."""

    def lend(self, client: bytes, number: int, next_client: int, next_server: int, /) -> bool:
        """Take care of a followed connection whose directions go on there; False where there is no room."""

    def recover(self, key: bytes, /) -> tuple[int, int, tuple[Any, ...] | None] | None:
        """Where both directions go on, and what waits: the fields of a ``Joined``. The connection is forgotten here."""

    def expect(self, key: bytes, size: int, tail: bytes | None, /) -> None:
        """So many bytes of a direction end nothing; with a ``tail``, unless a blank line ends among them."""

    def hurry(self) -> None:
        """Give all that waits before anything else."""

    def clear(self) -> None:
        """Forget all connections."""
