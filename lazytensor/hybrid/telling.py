"""Warnings of a call that is begun again: what its first run has warned of, the second does not warn of, too."""

from __future__ import annotations

import contextlib
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any


class Telling:
    """What a run has warned of, in which nobody but this thread runs the program's code.

    All of Python's and NumPy's warnings that pass the filters are shown by `warnings._showwarnmsg`. What a filter lets
    pass once does not come there a second time, what it always lets pass does.
    """

    def __init__(self) -> None:
        self._told: Counter[Any] = Counter()

    def first(self) -> contextlib.AbstractContextManager[None]:
        """The run that may be undone: it warns, and that is noted."""
        def show(message: Any, own: Callable[[Any], None]) -> None:
            self._told[_key(message)] += 1
            own(message)
        return _shown_by(show)

    def again(self) -> contextlib.AbstractContextManager[None]:
        """The run after it."""
        def show(message: Any, own: Callable[[Any], None]) -> None:
            if self._told[key := _key(message)]:
                self._told[key] -= 1
            else:
                own(message)
        return _shown_by(show) if self._told else contextlib.nullcontext()


def _key(message: Any) -> Any:
    return str(message.message), message.category, message.filename, message.lineno


@contextlib.contextmanager
def _shown_by(show: Callable[[Any, Callable[[Any], None]], None]) -> Iterator[None]:
    """Has warnings shown by a function, which is given the one that showed them before."""
    module: Any = warnings
    own: Any = getattr(module, "_showwarnmsg", None)

    def shown(message: Any) -> None:
        show(message, own)
    if own is None:
        yield
        return
    module._showwarnmsg = shown
    try:
        yield
    finally:
        if module._showwarnmsg is shown:
            module._showwarnmsg = own
