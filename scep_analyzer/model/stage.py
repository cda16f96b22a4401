"""The one shape every stage of the pipeline has: values in, values out."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from scep_analyzer.model.anomalies import Anomaly

In = TypeVar("In")
Out = TypeVar("Out")


class Stage(ABC, Generic[In, Out]):
    """Values in, values out; no files, no clock, no globals.

    Anomalies that earlier stages report pass around this one, in order.
    """

    @abstractmethod
    def feed(self, item: In) -> Iterable[Out | Anomaly]:
        """Take one value; give whatever it completes."""

    def finish(self) -> Iterable[Out | Anomaly]:
        """Give what is still held when no more values come."""
        return ()

    def over(self, items: Iterable[In | Anomaly], *, finish: bool = True) -> Iterator[Out | Anomaly]:
        """Run the stage over a stream of values; with ``finish`` that is all of them."""
        for item in items:
            if isinstance(item, Anomaly):
                yield item
            else:
                yield from self.feed(item)
        if finish:
            yield from self.finish()
