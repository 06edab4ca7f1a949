"""While a call is traced: which Python functions are entered, and `print`.

A function that is entered and could not be found from names is followed from its frame. `print` shows values without
the program's having seen them; while a compiled function is compared with its Python it is silent, for that run of the
Python is not one that the program asked for.
"""

from __future__ import annotations

import builtins
import sys
import threading
from _thread import get_ident
from collections.abc import Callable
from typing import Any

from ..run.watching import mine
from . import fast
from .scope import is_users

_lock = threading.RLock()
_print = builtins.print
_users = 0


class _Muted(threading.local):
    depth = 0


muted = _Muted()


def _watched_print(*args: Any, **kwargs: Any) -> None:
    if muted.depth:
        return
    watcher = mine()
    if watcher is None:
        return _print(*args, **kwargs)
    if getattr(watcher, "numbers", None) is not None:
        watcher.numbers.ask("it prints")
    watcher.quiet += 1
    try:
        _print(*args, **kwargs)
    finally:
        watcher.quiet -= 1


def show(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """The program's own `print`, whatever it is while a call is traced."""
    (_print if builtins.print is _watched_print else builtins.print)(*args, **kwargs)


class Printing:
    """`print` is ours while a call is traced or compared (with `mute`: silent in this thread)."""

    def __init__(self, mute: bool = False) -> None:
        self.mute = mute

    def __enter__(self) -> None:
        global _users, _print
        muted.depth += self.mute
        with _lock:
            if not _users:
                _print = builtins.print
                builtins.print = _watched_print
            _users += 1

    def __exit__(self, *exc: object) -> None:
        global _users
        muted.depth -= self.mute
        with _lock:
            _users -= 1
            if not _users and builtins.print is _watched_print:
                builtins.print = _print


_TOOL = 4
_monitoring: Any = getattr(sys, "monitoring", None)


MOST_EVENTS = 1 << 16
"""What a profiler in Python is told before it is taken away: it makes a call several times as slow, and what a long
call enters it has entered by then."""


class Entered:
    """Calls `found` with the frame of each of the program's functions when it is first entered in this thread.

    On Python 3.11 a profiler does it (`profile` in `_replay.c`, or `_profile` here), unless the program has one; from
    3.12 on, `sys.monitoring`.
    """

    def __init__(self, found: Callable[[Any], None]) -> None:
        self.found = found
        self.seen: set[Any] = set()
        self.ident = get_ident()
        self.on = False
        self.events = 0

    def _profile(self, frame: Any, event: str, arg: Any) -> None:
        self.events += 1
        if self.events > MOST_EVENTS:
            sys.setprofile(None)
        elif event == "call":
            code = frame.f_code
            if code not in self.seen:
                self.seen.add(code)
                self._enter(frame)

    def _enter(self, frame: Any) -> None:
        if is_users(frame.f_globals.get("__name__")):
            self.found(frame)

    def __enter__(self) -> Entered:
        if _monitoring is None:
            if sys.getprofile() is None:
                self.on = True  # before it is: an interrupt may come right after
                if fast.native is not None:
                    fast.native.profile(self._enter)
                else:
                    sys.setprofile(self._profile)
        else:
            with _lock:
                _watching.append(self)
                if len(_watching) == 1:
                    _start()
                else:
                    _monitoring.restart_events()
        return self

    def __exit__(self, *exc: object) -> None:
        if _monitoring is None:
            if self.on:
                sys.setprofile(None)
                self.on = False
        else:
            with _lock:
                _watching.remove(self)
                if not _watching:
                    _stop()


_watching: list[Entered] = []


def _start() -> None:
    if _monitoring.get_tool(_TOOL) is not None:
        return
    _monitoring.use_tool_id(_TOOL, "lazytensor")
    events = _monitoring.events
    _monitoring.register_callback(_TOOL, events.PY_START, _started)
    _monitoring.set_events(_TOOL, events.PY_START)
    _monitoring.restart_events()


def _stop() -> None:
    if _monitoring.get_tool(_TOOL) == "lazytensor":
        _monitoring.set_events(_TOOL, 0)
        _monitoring.register_callback(_TOOL, _monitoring.events.PY_START, None)
        _monitoring.free_tool_id(_TOOL)


def _started(code: Any, offset: int) -> Any:
    """A function is entered; said once for each code object and thread."""
    frame = sys._getframe(1)
    if not is_users(frame.f_globals.get("__name__")):
        return _monitoring.DISABLE
    ident = get_ident()
    for entered in list(_watching):
        if entered.ident == ident and code not in entered.seen:
            entered.seen.add(code)
            entered.found(frame)
    return None
