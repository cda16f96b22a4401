"""Regular expressions that are compiled when they are first used: compiling all that a short run defines took a tenth of it."""

import re
from typing import Any, AnyStr, cast


class _Lazy:
    """Stands for a pattern. A method, once asked for, is kept here, so that only the first use goes this way."""

    def __init__(self, text: str | bytes, flags: int) -> None:
        self._text, self._flags = text, flags

    def __getattr__(self, name: str) -> Any:
        found = getattr(re.compile(self._text, self._flags), name)  # re itself remembers what it compiled
        setattr(self, name, found)
        return found


def lazily(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """What ``re.compile`` gives, for every use but ``isinstance`` and copying; a mistake in it shows at the first use."""
    return cast("re.Pattern[AnyStr]", _Lazy(text, flags))
