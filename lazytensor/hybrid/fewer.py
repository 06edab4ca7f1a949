"""The first call of a function with a loop of many turns that an argument counts: it is traced with fewer turns.

Where the bytecode shows that a number does nothing but count the turns of a loop (`sized`), and that the function does
nothing but arithmetic on arrays, its Python runs with a smaller number. From that trace the program is made that serves
for all numbers (`tripcount`), and this program computes the call. If the trace does not show that every turn does the
same, or the program cannot compute the call (a flag is raised, say), the arrays get the values back that they had, and
the call is traced in full: nothing else can tell that the function has run.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter
from math import lcm
from typing import Any

from ..api.handle import Tensor, View, lock_of
from . import fast
from .repeating import Found
from .running import AGAIN
from .sized import Sized, sized
from .tracing import LARGEST_WAITING, Trace
from .tripcount import MOST, TripCount

TURNS = (8, 2), (20, 12)
"""Turns from which a loop can be compiled (`shortening.KEPT`), with some before these, and by what they may be more:
first try, second. The first is for loops whose values are read in the next turn at the latest."""
WORTH = 36, 128
"""Turns from which on it is worth while, for both tries."""
FEW = 4
"""Turns of a loop in the trace of fewer."""


class Fewer:
    """A call with fewer turns: its `args`.

    Attributes
    ----------
    index, number : the place and value of the argument that counts turns
    less : the number in its place
    alike : whether each operation of a turn is in the trace once for each turn
    """

    def __init__(self, args: tuple[Any, ...], index: int, by: Sized, attempt: int) -> None:
        self.index, self.number, self.by, self.attempt = index, args[index], by, attempt
        least, step = TURNS[attempt][0] * by.cycle, lcm(TURNS[attempt][1], by.cycle)
        self.less = least + (self.number - least) % step
        self.args = (*args[:index], self.less, *args[index + 1:])
        self.whole, self.alike = args, False

    @property
    def pays(self) -> bool:
        """Whether there are many more turns."""
        return bool(self.number >= WORTH[self.attempt] * self.by.cycle)

    def more(self) -> Fewer | None:
        """The same with some turns more, if that may help."""
        if not self.alike or self.attempt + 1 == len(TURNS):
            return None
        other = Fewer(self.whole, self.index, self.by, self.attempt + 1)
        return other if other.pays else None

    def trip_count(self, records: Any, loops: list[Any], checks: list[Any]) -> TripCount | None:
        """The program's `TripCount`, if each operation of a turn is in the trace once for each turn, and all are turns
        of one loop."""
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
        if len(ratios) != 1 or per < 1 or ratios != {per}:
            return None
        self.alike = True
        place = next((i for i, check in enumerate(checks) if _is_of(check.fast, self.index)), None)
        return None if place is None else TripCount(place, self.index, less, 0, per, by.cycle)

    def undone(self, trace: Trace) -> Any:
        """Gives arrays the values that they had before the call, and AGAIN."""
        trace.forget_chains()
        for name, root in trace.roots.items():
            if root._value is not trace.entry[name]:
                with lock_of(root):
                    root._value = trace.entry[name]
        return AGAIN


def _is_of(row: Any, index: int) -> bool:
    """Whether a row asks that an argument is that number."""
    return type(row) is tuple and len(row) > 4 and row[0] == fast.ARGUMENT and row[1] == index and type(row[4]) is int


def fewer(fn: Any, args: tuple[Any, ...]) -> Fewer | None:
    """The call with fewer turns, if there are many; None if its turns are to be traced.

    Not while there are other threads, which might write to the same arrays before these get their values back, nor in a
    debugger, which would show the fewer turns.
    """
    numbers = [i for i, x in enumerate(args) if type(x) is int and WORTH[0] <= x < MOST]
    if not numbers or threading.active_count() > 1 or sys.gettrace() is not None or not all(
            _waits(x) for x in args if type(x) is Tensor):
        return None
    for index in numbers:
        by = sized(fn, index, args, True)
        if by is not None:
            few = Fewer(args, index, by, 0)
            return few if few.pays else None
    return None


def _waits(t: Any) -> bool:
    """Whether operations on an array are of a size that waits for the end of the call."""
    value = t._value
    return (value.root._value if value.__class__ is View else value).nbytes <= LARGEST_WAITING
