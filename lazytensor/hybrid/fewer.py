"""The first call of a function with a loop of many turns that a number counts: it is traced with fewer turns.

Where the bytecode shows that a number does nothing but count the turns of a loop (`sized`), and that the function does
nothing but arithmetic on arrays, its Python runs with a smaller number. If that is an argument, the program is made
from that trace that serves for all numbers (`tripcount`); if it is a constant of the function's code, the one that a
trace of all turns gives. This program computes the call. If the trace does not show that every turn does the same, or
the program cannot compute the call (a flag is raised, say), the arrays get the values back that they had, and the call
is traced in full: nothing else can tell that the function has run.
"""

from __future__ import annotations

import sys
import types
from collections import Counter
from math import lcm
from typing import Any

from ..api.handle import Tensor, View, lock_of
from . import fast
from .alone import alone
from .repeating import Found
from .running import AGAIN
from .sized import Sized, sized, sized_by_constant
from .tracing import LARGEST_WAITING, Trace
from .tripcount import MOST, TripCount

TURNS = (8, 2), (20, 12)
"""Turns from which a loop can be compiled (`shortening.KEPT`), with some before these, and by what they may be more:
first try, second. The first is for loops whose values are read in the next turn at the latest."""
WORTH = 36, 128
"""Turns from which on it is worth while, for both tries."""
APART = 3
"""Turns before the loop in the trace and after it, at most."""
FEW = 4
"""Turns of a loop in the trace of fewer."""


class Fewer:
    """A call with fewer turns, of `function` with `args`.

    Attributes
    ----------
    index : the place of the argument that counts turns, or None if a constant does
    number, less : how many turns there are, and the number in its place
    alike : whether each operation of a turn is in the trace once for each turn
    """

    def __init__(self, fn: types.FunctionType, args: tuple[Any, ...], index: int | None, number: int, by: Sized,
                 attempt: int = 0) -> None:
        self.index, self.number, self.by, self.attempt = index, number, by, attempt
        least, step = TURNS[attempt][0] * by.cycle, lcm(TURNS[attempt][1], by.cycle)
        self.less = least + (number - least) % step
        self.function, self.args = fn, args
        if index is not None:
            self.args = (*args[:index], self.less, *args[index + 1:])
        else:
            self.function = _with_constant(fn, number, self.less)
            self.by = by._replace(code=self.function.__code__)
        self.whole, self.alike = (fn, args, index, number, by), False

    @property
    def pays(self) -> bool:
        """Whether there are many more turns."""
        return bool(self.number >= WORTH[self.attempt] * self.by.cycle)

    def more(self) -> Fewer | None:
        """The same with some turns more, if that may help."""
        if not self.alike or self.attempt + 1 == len(TURNS):
            return None
        other = Fewer(*self.whole, attempt=self.attempt + 1)
        return other if other.pays else None

    def per_turn(self, records: Any, loops: list[Any]) -> int | None:
        """How many of its turns are one of the loop's in the trace, if each operation of a turn is there once for each
        turn, and all are turns of one loop."""
        if len(loops) != 1:
            return None
        loop, by, less = Found(*loops[0]), self.by, self.less
        models = records.models(loop.start, loop.period)
        if models is None or not by.is_loop_of([record for record, _ in models]):
            return None
        turn, every = Counter([record.lasti for record, _ in models]), Counter[int]()
        for part in [part for _, _, part in records._parts if type(part) is list]:
            if not all(record.kind == "operation" and record.code is by.code for record in part):
                return None
            every.update([record.lasti for record in part if by.start <= record.lasti < by.stop])
        for lasti, times in turn.items():
            every[lasti] += times * (loop.turns - 2)  # two are among the records
        ratios = {(turn[lasti] * less) / times for lasti, times in every.items()}
        per = int(next(iter(ratios)))
        if len(ratios) != 1 or per < 1 or ratios != {per} or less - loop.turns * per > APART * per:
            return None  # the last, if every other turn is of values of its own: they are written one after the other
        self.alike = True
        return per

    def trip_count(self, per: int, checks: list[Any]) -> TripCount | None:
        """The program's `TripCount`, if an argument counts turns; None if it would not serve for the call."""
        place = next((i for i, check in enumerate(checks) if _is_of(check.fast, self.index)), None)
        if place is None or self.index is None:
            return None
        found = TripCount(place, self.index, self.less, 0, per, self.by.cycle)
        return None if found(self.number) is None else found

    def undone(self, trace: Trace) -> Any:
        """Gives arrays the values that they had before the call, and AGAIN."""
        trace.forget_chains()
        for name, root in trace.roots.items():
            if root._value is not trace.entry[name]:
                with lock_of(root):
                    root._value = trace.entry[name]
        return AGAIN


def _with_constant(fn: types.FunctionType, number: int, other: int) -> types.FunctionType:
    """A function with another number in the place of a constant of its code."""
    constants = tuple([other if type(x) is int and x == number else x for x in fn.__code__.co_consts])
    made = types.FunctionType(fn.__code__.replace(co_consts=constants), fn.__globals__, fn.__name__, fn.__defaults__,
                              fn.__closure__)
    made.__kwdefaults__ = fn.__kwdefaults__
    return made


def _is_of(row: Any, index: int | None) -> bool:
    """Whether a row asks that an argument is that number."""
    return type(row) is tuple and len(row) > 4 and row[0] == fast.ARGUMENT and row[1] == index and type(row[4]) is int


def fewer(fn: Any, args: tuple[Any, ...]) -> Fewer | None:
    """The call with fewer turns, if there are many; None if its turns are to be traced.

    Not while there are other threads, which might write to the same arrays before these get their values back, nor in a
    debugger, which would show the fewer turns.
    """
    if type(fn) is not types.FunctionType:
        return None
    numbers = [i for i, x in enumerate(args) if _is_many(x)]
    constants = [x for x in fn.__code__.co_consts if _is_many(x)]
    if not (numbers or constants) or not alone() or sys.gettrace() is not None or not all(
            _waits(x) for x in args if type(x) is Tensor):
        return None
    for index in numbers:
        by = sized(fn, index, args, True)
        if by is not None:
            few = Fewer(fn, args, index, args[index], by)
            return few if few.pays else None
    for number in constants:
        by = sized_by_constant(fn, number, args)
        if by is not None:
            few = Fewer(fn, args, None, number, by)
            return few if few.pays else None
    return None


def _is_many(x: Any) -> bool:
    """Whether it may be a number of turns of which fewer are worth while."""
    return type(x) is int and WORTH[0] <= x < MOST


def _waits(t: Any) -> bool:
    """Whether operations on an array are of a size that waits for the end of the call."""
    value = t._value
    return (value.root._value if value.__class__ is View else value).nbytes <= LARGEST_WAITING
