"""Warnings of calls that are traced: what no record would warn of again is noticed, and of a call that is begun again,
what its first run has warned of, the second does not warn of, too."""

from __future__ import annotations

import contextlib
import sys
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from ..api.build import is_at_line
from ..api.scalar_arithmetic import scalar_operation
from ..run import floating
from .scope import is_users


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


# ---- what the Python warns of ----------------------------------------------------------------------------------------


class _Traced(threading.local):
    """What is called when the Python of a call that this thread traces warns."""

    noted: Callable[[], None] | None = None


_traced = _Traced()
_lock = threading.Lock()
_shows: list[Any] = []
"""What shows warnings while no call is traced, once for each call that is."""


@contextlib.contextmanager
def noticed(noted: Callable[[], None]) -> Iterator[None]:
    """Calls a function for each warning of arithmetic that this thread's Python does itself (on NumPy's scalars, with a
    number that a lazy scalar's dtype does not hold): it is done while a call is traced, and no record has it. Only
    warnings count that would be shown again."""
    module: Any = warnings
    before = _traced.noted
    with _lock:
        if not _shows and hasattr(module, "_showwarnmsg"):
            _shows.append(module._showwarnmsg)
            module._showwarnmsg = _noticing
        elif _shows:
            _shows.append(_shows[0])
    _traced.noted = noted
    try:
        yield
    finally:
        _traced.noted = before
        with _lock:
            own = _shows.pop() if _shows else None
            if not _shows and module._showwarnmsg is _noticing:
                module._showwarnmsg = own


def _noticing(message: Any) -> None:
    shows, noted = list(_shows), _traced.noted
    if noted is not None and _is_pythons(sys._getframe(1)) and floating.always(message):
        noted()
    show: Any = shows[0] if shows else floating._showwarnmsg
    show(message)


def _is_pythons(frame: FrameType | None) -> bool:
    """Whether what warns in a frame is the program's own line, or scalar arithmetic that was done at once for it."""
    if frame is None or not is_users(frame.f_globals.get("__name__")):
        return False
    caller = is_at_line(frame)
    run = floating.noted.run
    if caller is not None:
        return caller is scalar_operation.__code__
    return run is None or run.node is None
