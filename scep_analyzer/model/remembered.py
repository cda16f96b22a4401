"""A memory of what was read last that is bounded by bytes: an attacker chooses how large what is read is."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def remembered(most: int, bytes_each: int) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Remember the last ``most`` results of a function whose arguments, bytes and strings, are no longer than ``bytes_each`` together.

    Of longer ones only the very last is remembered. So at most ``most * bytes_each`` bytes of arguments are held, and one call's.
    """

    def decorated(function: Callable[P, T]) -> Callable[P, T]:
        many: Callable[P, T] = lru_cache(maxsize=most)(function)  # type: ignore[assignment]  # what it is given is hashable
        last: list[tuple[object, T]] = []

        @wraps(function)
        def chosen(*arguments: P.args, **named: P.kwargs) -> T:
            size = 0
            for each in arguments:
                if isinstance(each, bytes | str):
                    size += len(each)
            if size <= bytes_each:
                return many(*arguments, **named)
            given = arguments, named
            for known, result in last:  # compared, not hashed: mostly it is the same object that is asked about again
                if known == given:
                    return result
            result = function(*arguments, **named)
            last[:] = ((given, result),)
            return result

        return chosen

    return decorated
