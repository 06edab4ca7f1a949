"""``for i in lazytensor.range(...)`` in a traced call: its first turn is traced, most others are generated, and the
last is traced again, so that all its variables have the values that Python's own loop leaves.

Python runs such a loop; what it iterates over (`Turns`) is asked for each index, and looks at the loop from there. A
turn's code as a function (`forloops`), given what the variables are, is the body of a `fori_loop`, which is generated
as any is (`counted`); then the variables that turns hand on get their values. Where that cannot be done, Python goes
through all turns.
"""

from __future__ import annotations

import builtins
import ctypes
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..api.scalar import scalar
from ..ir.node import leaf
from ..run.watching import mine
from . import counted
from .carried import leaves
from .forloops import LEAVES, ForLoop, callee, for_loop, turn_of
from .opaque import Index
from .scope import Scope, is_users
from .tracing import Trace
from .turns import SAMPLES, Turn

WORTH = 32
"""Turns for which it is worth while: fewer are traced about as quickly."""
_to_slots: Any = getattr(ctypes.pythonapi, "PyFrame_LocalsToFast", None)


def loop_over(watcher: Any, frame: Any, bounds: tuple[Any, ...], function: Any) -> Any:
    """What a loop goes over whose `function`, lazytensor's `range`, was called from a frame with these bounds: a
    `Turns`, or None if it is Python's own loop, or nothing is known of it."""
    if not is_users(frame.f_globals.get("__name__")) or type(watcher) is Trace and (
            not watcher.may_skip or watcher.quiet or watcher.refusal is not None):
        return None
    loop = for_loop(frame.f_code, frame.f_lasti)
    if loop is None or not loop.uses or not is_called(frame, function):
        return None
    if type(watcher) is Turn:
        return _hidden(watcher, loop, bounds)
    numbers = builtins.range(*[int(b) for b in bounds])
    if len(numbers) >= WORTH:
        return Turns(watcher, loop, numbers)
    if numbers and type(watcher) is Trace:
        watcher.ran.add(loop.key)
    return None


# ---- whose call it is ------------------------------------------------------------------------------------------------


def is_called(frame: Any, function: Any) -> bool:
    """Whether the call that a frame has come to is of a function by its name."""
    found = callee(frame.f_code, frame.f_lasti)
    if found is None:
        return False
    (how, name), attribute = found
    own = how in ("LOAD_FAST", "LOAD_DEREF")
    space = variables(frame, (name,)) if own else frame.f_globals if how == "LOAD_GLOBAL" else {}
    value = space.get(name)
    return (getattr(value, attribute, None) if attribute else value) is function


# ---- the program's variables -----------------------------------------------------------------------------------------


def variables(frame: Any, names: Any) -> dict[str, Any]:
    found = frame.f_locals
    values = {name: found[name] for name in names if name in found}
    if type(found) is dict:
        found.clear()  # it is kept by the frame, and would keep arrays
    return values


def give(frame: Any, values: dict[str, Any]) -> None:
    """Gives a frame's variables other values."""
    found = frame.f_locals
    if type(found) is dict:
        found.clear()
        found.update(values)
        _to_slots(ctypes.py_object(frame), ctypes.c_int(0))
        found.clear()
    else:
        for name, value in values.items():
            found[name] = value


def _starts(loop: ForLoop, run: Any, values: dict[str, Any]) -> list[tuple[Any, str]]:
    """What a turn can reach, with words."""
    return [(run, ""), *[(x, f"variable {name!r}") for name, x in values.items() if name not in loop.carried]]


# ---- in a trace ------------------------------------------------------------------------------------------------------


class Turns:
    """The indices of a loop in a traced call, for the loop alone."""

    def __init__(self, trace: Trace, loop: ForLoop, numbers: range) -> None:
        self.trace, self.loop, self.numbers = trace, loop, numbers
        self.given = 0
        self.tries = 0
        self.lost = True
        self.scope = Scope()
        self.before: dict[str, Any] = {}

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if not self.given:
            self._begin(sys._getframe(1))
        elif self.tries:
            counted.note_run(self.trace, self)
            if len(self.numbers) - self.given > counted.LEAST and mine() is self.trace:
                self._try(sys._getframe(1))
        if self.given >= len(self.numbers):
            self._end()
            raise StopIteration
        index = self.numbers[self.given]
        self.given += 1
        return index

    @property
    def __loop__(self) -> Any:
        return self.loop.key

    def _end(self) -> None:
        if self.before:
            self.trace.tried[self.loop.key] += self.lost
            self.tries, self.before = 0, {}

    def _begin(self, frame: Any) -> None:
        self.before = variables(frame, (*self.loop.reads, *self.loop.later))
        known = {name: x for name, x in self.before.items() if name in self.loop.reads}
        run = turn_of(self.loop, frame.f_globals, known)
        self.scope, self.tries = counted.beginning(self.trace, len(self.numbers), self,
                                                   starts=_starts(self.loop, run.run, known))

    def _try(self, frame: Any) -> None:
        """Has turns generated, but for the last, if that can be done."""
        trace, loop = self.trace, self.loop
        good = trace.refusal is None and not self.scope.changed()
        values = variables(frame, loop.reads) if good else {}
        good = good and all(name in values for name in loop.reads)
        ends = False
        made = self._generated(frame, values, ends) if good else None
        if good and made is None and trace.unrolled == LEAVES:
            ends = True
            made = self._generated(frame, values, ends)
        found = None if made is None else counted.finished(trace, *made)
        if made is None or found is None:
            self.tries = self.tries - 1 if good and counted.is_early(trace) else 0
            return
        trace.made[loop.key] += 1
        made[0].asked = ends
        carried, turns = (found[0], made[0].count) if not ends else (found[0][0], trace.counted(found[0][1]))
        self.lost, self.tries = False, counted.TRIES if turns == made[0].count else 0
        self.given += turns
        give(frame, dict(zip(loop.carried, carried, strict=True)))

    def _generated(self, frame: Any, values: dict[str, Any], ends: bool) -> Any:
        """As `counted.generated`, the turns but for the last; with `ends`, up to one that leaves the loop, which is
        Python's: beside the variables that turns hand on, how many there were is the loop's value."""
        loop, first, by = self.loop, self.numbers[self.given], self.numbers.step
        turn = turn_of(loop, frame.f_globals, values, ends)

        def body(k: Any, carried: Any) -> Any:
            index = k if by == 1 else (k - first) * by + first
            return (turn(index, carried[0]), carried[1] + 1) if ends else turn(index, carried)

        body.__loop__ = loop.key  # type: ignore[attr-defined]
        carried: Any = tuple([values[name] for name in loop.carried])
        others = [values[name] for name in loop.reads if name not in loop.carried]
        before = [x for found in (*self.before.values(), *others) for x in leaves(found)]
        left = len(self.numbers) - self.given - 1
        if ends:
            carried = carried, scalar(leaf(np.int64(0), None))
        return counted.generated(self.trace, first, left, body, carried, self.scope, before, ends=ends)


# ---- in a turn of another loop ---------------------------------------------------------------------------------------


def _hidden(turn: Turn, loop: ForLoop, bounds: tuple[Any, ...]) -> Any:
    """A loop in a turn of another that is looked at; None if Python's own goes through it."""
    opaque = any(type(b) is Index for b in bounds)
    lower, upper = (0, *bounds)[-2:] if len(bounds) < 3 else bounds[:2]
    if len(bounds) > 2 and (type(bounds[2]) is not int or bounds[2] != 1):
        return turn.give_up("a loop in it has steps") if opaque else None
    if not opaque:
        lower, upper = int(lower), int(upper)
        if upper - lower <= SAMPLES + 1:
            return None
    return _Inner(turn, loop, lower, upper)


class _Inner:
    """What such a loop goes over: nothing, for it is one step of the turn."""

    def __init__(self, turn: Turn, loop: ForLoop, lower: Any, upper: Any) -> None:
        self.turn, self.loop, self.bounds = turn, loop, (lower, upper)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        loop, turn, frame = self.loop, self.turn, sys._getframe(1)
        if mine() is not turn:
            turn.give_up("a loop in it goes on elsewhere")
        values = variables(frame, loop.reads)
        if not loop.later.isdisjoint(loop.stored - set(loop.carried)):
            turn.give_up("a variable of a loop in it is read after that")
        if any(name not in values for name in loop.reads):
            turn.give_up("a loop in it has variables without values")
        run = turn_of(loop, frame.f_globals, values)
        starts = _starts(loop, run.run, values)
        carried = tuple([values[name] for name in loop.carried])
        found = counted.inner(turn, *self.bounds, run, carried, starts)
        give(frame, dict(zip(loop.carried, found, strict=True)))
        raise StopIteration
