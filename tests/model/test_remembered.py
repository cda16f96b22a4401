"""What is remembered is bounded by bytes."""

import gc
import weakref

from scep_analyzer.model.remembered import remembered


class _Value:
    pass


def test_small_ones_are_remembered_and_of_large_ones_the_last() -> None:
    read: list[int] = []

    @remembered(8, 10)
    def work(data: bytes) -> _Value:
        read.append(len(data))
        return _Value()

    assert work(b"small") is work(b"small")
    large = weakref.ref(work(bytes(1000)))
    assert work(bytes(1000)) is large()
    work(bytes(2000))
    gc.collect()
    assert large() is None
    assert read == [5, 1000, 2000]
